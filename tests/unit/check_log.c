/*
 * base/log: one event is one line, whatever a peer calls itself.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#include "check_main.h"

static char	path[32];
static char	content[1 << 20];

static void
log_begin(enum log_level lowest)
{
	struct log_settings	settings = { .file = path, .lowest = lowest };
	int			fd;

	snprintf(path, sizeof path, "check_log.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ne(fd, -1);
	close(fd);
	log_configure(&settings);
}

static const char *
log_end(void)
{
	struct log_settings	 settings = { .to_stderr = true };
	FILE			*file;
	size_t			 n;

	log_configure(&settings);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	n = fread(content, 1, sizeof content - 1, file);
	content[n] = '\0';
	fclose(file);
	unlink(path);
	return content;
}

static size_t
log_lines(const char *text)
{
	size_t	n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

START_TEST(a_line_says_how_bad_who_and_what)
{
	struct log_who	who = {
		.kind = "client", .id = 17, .database = "db", .user = "me",
		.address = "127.0.0.1:5", .application = "psql",
	};
	const char	*text;

	log_begin(LOG_LEVEL_INFO);
	log_warning(&who, "closed: %s", "because");
	log_info(NULL, "started");
	who = (struct log_who){ .kind = "host" };
	log_error(&who, "down");
	text = log_end();
	ck_assert_ptr_nonnull(strstr(text, "] WARNING client 17 "
	    "db/me@127.0.0.1:5 \"psql\": closed: because\n"));
	ck_assert_ptr_nonnull(strstr(text, "] LOG started\n"));
	ck_assert_ptr_nonnull(strstr(text, "] ERROR host: down\n"));
	ck_assert_uint_eq(log_lines(text), 3);
}
END_TEST

START_TEST(lines_below_the_lowest_level_are_dropped)
{
	const char	*text;

	log_begin(LOG_LEVEL_WARNING);
	ck_assert(!log_wants(LOG_LEVEL_DEBUG));
	ck_assert(!log_wants(LOG_LEVEL_INFO));
	ck_assert(log_wants(LOG_LEVEL_WARNING));
	log_debug(NULL, "one");
	log_info(NULL, "two");
	log_warning(NULL, "three");
	log_fatal(NULL, "four");
	text = log_end();
	ck_assert_uint_eq(log_lines(text), 2);
	ck_assert_ptr_null(strstr(text, "two"));
}
END_TEST

START_TEST(a_peer_cannot_forge_a_line)
{
	struct log_who	 who = {
		.user = "x\nFATAL forged", .database = "\033[2J",
	};
	const char	*text;

	log_begin(LOG_LEVEL_INFO);
	log_info(&who, "said \"%s\"", "a\r\nb\tc\x7f");
	text = log_end();
	ck_assert_uint_eq(log_lines(text), 1);
	ck_assert_ptr_null(strchr(text, '\033'));
	ck_assert_ptr_null(strchr(text, '\r'));
	ck_assert_ptr_nonnull(strstr(text, "x?FATAL forged"));
	ck_assert_ptr_nonnull(strstr(text, "a??b?c?"));
}
END_TEST

START_TEST(a_long_line_is_cut_at_4096_bytes)
{
	char		*large = mem_printf("%10000s", "x");
	struct log_who	 who = {
		.kind = large, .database = large, .user = large,
		.address = large, .application = large,
	};
	const char	*text;

	log_begin(LOG_LEVEL_INFO);
	log_info(NULL, "%s", large);
	log_info(&who, "what is said is still there");
	text = log_end();
	ck_assert_uint_eq(log_lines(text), 2);
	ck_assert_uint_eq(strcspn(text, "\n"), 4095);
	ck_assert_ptr_nonnull(strstr(text, "what is said is still there"));
	free(large);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_leaves_the_old_one)
{
	struct log_settings	 settings = {
		.file = "/nowhere/at/all", .lowest = LOG_LEVEL_INFO,
	};
	const char		*text;

	log_begin(LOG_LEVEL_INFO);
	log_configure(&settings);
	log_info(NULL, "goes on");
	text = log_end();
	ck_assert_ptr_nonnull(strstr(text, "/nowhere/at/all"));
	ck_assert_ptr_nonnull(strstr(text, "goes on"));
}
END_TEST

static void *
log_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info(NULL, "%s %0100d.", (char *)arg, i);
	return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
	pthread_t	 threads[4];
	char		*line, *rest;
	size_t		 n = 0;

	log_begin(LOG_LEVEL_INFO);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, log_many, "thread");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_end();
	for (line = strtok_r(content, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest), n++) {
		ck_assert_uint_eq(strcspn(line, "."), 19);
		ck_assert_int_eq(line[strlen(line) - 1], '.');
		ck_assert_uint_eq(strcspn(strstr(line, "thread "), "."), 107);
	}
	ck_assert_uint_eq(n, 800);
}
END_TEST

CHECK_MAIN("log",
    a_line_says_how_bad_who_and_what,
    lines_below_the_lowest_level_are_dropped,
    a_peer_cannot_forge_a_line,
    a_long_line_is_cut_at_4096_bytes,
    a_file_that_cannot_be_opened_leaves_the_old_one,
    lines_of_several_threads_do_not_mix)
