/*
 * What is said in the talk tests: making messages, comparing and printing
 * them; see talk.h.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "talk_private.h"
#include "wire/error_fields.h"
#include "wire/put.h"

static struct saying	*newest;

static struct saying *
saying_new(void)
{
	struct saying	*saying = mem_new(sizeof *saying);

	buf_init(&saying->bytes);
	saying->older = newest;
	newest = saying;
	return saying;
}

void
words_forget(void)
{
	struct saying	*saying;

	while ((saying = newest) != NULL) {
		newest = saying->older;
		buf_done(&saying->bytes);
		free(saying->part);
		free(saying);
	}
}

/*
 * What an application says.
 */

struct saying *
startup(const char *user, const char *database)
{
	struct saying	*saying = saying_new();
	const char	*pairs[] = { "user", user, "database", database };

	put_startup(&saying->bytes, 3, 0, pairs, 2);
	return saying;
}

struct saying *
cancel_by_key(uint32_t pid, uint32_t secret)
{
	struct saying	*saying = saying_new();
	uint8_t		 key[4] = { (uint8_t)(secret >> 24),
			    (uint8_t)(secret >> 16),
			    (uint8_t)(secret >> 8), (uint8_t)secret };

	put_cancel_request(&saying->bytes, pid, key, sizeof key);
	return saying;
}

struct saying *
cancel_of(const struct peer *peer)
{
	return cancel_by_key(peer->pid, peer->secret);
}

struct saying *
cancel_without_hops(const struct peer *peer)
{
	return cancel_by_key(peer->pid, peer->secret & ~3u);
}

struct saying *
password(const char *text)
{
	struct saying	*saying = saying_new();

	put_password(&saying->bytes, text);
	return saying;
}

struct saying *
query(const char *text)
{
	struct saying	*saying = saying_new();

	put_query(&saying->bytes, text);
	return saying;
}

struct saying *
parse(const char *name, const char *text)
{
	struct saying	*saying = saying_new();

	put_parse(&saying->bytes, name, text, NULL, 0);
	return saying;
}

struct saying *
binds(const char *statement)
{
	struct saying	*saying = saying_new();

	put_bind(&saying->bytes, "", statement, NULL, 0);
	return saying;
}

struct saying *
executes(void)
{
	struct saying	*saying = saying_new();

	put_execute(&saying->bytes, "", 0);
	return saying;
}

struct saying *
describes(char kind, const char *name)
{
	struct saying	*saying = saying_new();

	put_describe(&saying->bytes, kind, name);
	return saying;
}

struct saying *
plain(char type)
{
	return message(type, "", 0);
}

/*
 * What PostgreSQL says.
 */

struct saying *
auth_bytes(uint32_t code, const void *data, size_t n)
{
	struct saying	*saying = saying_new();

	put_auth(&saying->bytes, (enum msg_auth)code, data, n);
	return saying;
}

struct saying *
auth(uint32_t code, const char *data)
{
	return auth_bytes(code, data, strlen(data));
}

struct saying *
shape(const char *name)
{
	struct saying		*saying = saying_new();
	struct put_column	 column = { name, PUT_TEXT };

	put_row_description(&saying->bytes, &column, 1);
	return saying;
}

struct saying *
row(const char *value)
{
	struct saying	*saying = saying_new();

	put_data_row(&saying->bytes, &value, 1);
	return saying;
}

struct saying *
complete(const char *tag)
{
	struct saying	*saying = saying_new();

	put_command_complete(&saying->bytes, tag);
	return saying;
}

struct saying *
ready(char status)
{
	return message('Z', &status, 1);
}

struct saying *
parameter(const char *name, const char *value)
{
	struct saying	*saying = saying_new();

	put_parameter_status(&saying->bytes, name, value);
	return saying;
}

struct saying *
backend_key(uint32_t pid, uint32_t secret)
{
	struct saying	*saying = saying_new();
	size_t		 mark = put_begin(&saying->bytes, MSG_BACKEND_KEY);

	put_u32(&saying->bytes, pid);
	put_u32(&saying->bytes, secret);
	put_end(&saying->bytes, mark);
	return saying;
}

struct saying *
notice(const char *text)
{
	struct saying		*saying = saying_new();
	struct error_fields	 fields = { .message = text };

	put_notice(&saying->bytes, &fields);
	return saying;
}

struct saying *
notification(const char *channel)
{
	struct saying	*saying = saying_new();

	put_notification(&saying->bytes, 7, channel, "payload");
	return saying;
}

struct saying *
notification_by(const struct peer *peer, const char *channel)
{
	struct saying	*saying = saying_new();

	put_notification(&saying->bytes, peer->pid, channel, "payload");
	return saying;
}

static struct saying *
failure(const char *severity, const char *sqlstate, const char *part)
{
	struct saying		*saying = saying_new();
	struct error_fields	 fields = { .severity = severity,
				    .sqlstate = sqlstate, .message = part };

	put_error(&saying->bytes, &fields);
	saying->severity = severity;
	memcpy(saying->sqlstate, sqlstate, sizeof saying->sqlstate);
	saying->part = mem_string(part);
	return saying;
}

struct saying *
error(const char *sqlstate, const char *part)
{
	return failure("ERROR", sqlstate, part);
}

struct saying *
fatal(const char *sqlstate, const char *part)
{
	return failure("FATAL", sqlstate, part);
}

/* Text, one column of text. */
static const uint8_t	copy_format[] = { 0, 0, 1, 0, 0 };

struct saying *
copy_in(void)
{
	return message('G', copy_format, sizeof copy_format);
}

struct saying *
copy_out(void)
{
	return message('H', copy_format, sizeof copy_format);
}

struct saying *
copy_data(const char *text)
{
	return message('d', text, strlen(text));
}

struct saying *
copy_fail(const char *text)
{
	return message('f', text, strlen(text) + 1);
}

struct saying *
message(char type, const void *body, size_t n)
{
	struct saying	*saying = saying_new();
	size_t		 mark = put_begin(&saying->bytes, (uint8_t)type);

	put_bytes(&saying->bytes, body, n);
	put_end(&saying->bytes, mark);
	return saying;
}

struct saying *
message_of(char type, const struct saying *body)
{
	return message(type, buf_bytes(&body->bytes),
	    buf_length(&body->bytes));
}

struct saying *
bytes(const void *data, size_t n)
{
	struct saying	*saying = saying_new();

	buf_add(&saying->bytes, data, n);
	return saying;
}

struct saying *
talk_all_of(struct saying *const *sayings)
{
	struct saying	*all = saying_new();

	for (; *sayings != NULL; sayings++)
		buf_add(&all->bytes, buf_bytes(&(*sayings)->bytes),
		    buf_length(&(*sayings)->bytes));
	return all;
}

struct saying *
cut(const struct saying *saying, size_t from, size_t to)
{
	return bytes(buf_bytes(&saying->bytes) + from, to - from);
}

struct saying *
flipped(const struct saying *saying, size_t at)
{
	struct saying	*copy = cut(saying, 0, buf_length(&saying->bytes));

	/* Not the last ones, which count hops in a cancel key. */
	buf_bytes(&copy->bytes)[at] ^= 4;
	return copy;
}

struct saying *
the_end(void)
{
	struct saying	*saying = saying_new();

	saying->is_end = true;
	return saying;
}

/*
 * What is heard.
 */

size_t
words_first(const uint8_t *at, size_t n, bool is_started)
{
	size_t	head = is_started ? 5 : 4, length;

	if (n < head)
		return 0;
	at += head - 4;
	length = (size_t)at[0] << 24 | (size_t)at[1] << 16 |
	    (size_t)at[2] << 8 | at[3];
	length += head - 4;
	return length >= head && length <= n ? length : 0;
}

/* The parts between ... in this order, with anything around them. */
static bool
words_contain(const char *text, const char *pattern)
{
	char		*copy = mem_string(pattern), *part = copy, *gap;
	bool		 good = true;

	while (good && part != NULL) {
		if ((gap = strstr(part, "...")) != NULL)
			*gap = '\0';
		good = (text = strstr(text, part)) != NULL;
		if (good)
			text += strlen(part);
		part = gap != NULL ? gap + 3 : NULL;
	}
	free(copy);
	return good;
}

static bool
words_are_error(const uint8_t *at, size_t n, const struct saying *saying)
{
	struct error_fields	 fields;
	char			*text;
	bool			 good;

	if (at[0] != MSG_ERROR)
		return false;
	error_fields_parse(at + MSG_HEAD_BYTES, n - MSG_HEAD_BYTES, &fields);
	text = mem_printf("%s; %s", fields.message,
	    fields.hint != NULL ? fields.hint : "");
	good = strcmp(fields.severity, saying->severity) == 0 &&
	    strcmp(fields.sqlstate, saying->sqlstate) == 0 &&
	    words_contain(text, saying->part);
	free(text);
	return good;
}

bool
words_match(const struct peer *peer, struct saying *const *wanted)
{
	const uint8_t	*at = buf_bytes(&peer->in);
	size_t		 left = buf_length(&peer->in), n;

	for (; *wanted != NULL && !(*wanted)->is_end; wanted++) {
		n = buf_length(&(*wanted)->bytes);
		if ((*wanted)->severity != NULL) {
			n = words_first(at, left, true);
			if (n == 0 || !words_are_error(at, n, *wanted))
				return false;
		} else if (n > left || (n > 0 &&
		    memcmp(at, buf_bytes(&(*wanted)->bytes), n) != 0))
			return false;
		at += n;
		left -= n;
	}
	return left == 0 && peer->is_over == (*wanted != NULL);
}

/* A message in one line: Q"select 1\0" */
static void
words_print(const uint8_t *at, size_t n, bool has_type, struct buf *to)
{
	size_t	head = has_type ? 5 : 4;

	if (has_type && n > 0 && isprint(at[0]))
		buf_printf(to, "%c", at[0]);
	buf_printf(to, "\"");
	for (size_t i = head < n ? head : 0; i < n; i++) {
		if (i == head + 300) {
			buf_printf(to, "... (%zu bytes)", n);
			break;
		}
		if (at[i] == 0)
			buf_printf(to, "\\0");
		else if (isprint(at[i]))
			buf_printf(to, "%c", at[i]);
		else
			buf_printf(to, "\\x%02x", at[i]);
	}
	buf_printf(to, "\" ");
}

void
words_print_heard(const struct peer *peer, struct buf *to)
{
	const uint8_t	*at = buf_bytes(&peer->in);
	size_t		 left = buf_length(&peer->in), n;
	bool		 is_started = peer->is_started;

	for (; left > 0; at += n, left -= n) {
		if ((n = words_first(at, left, is_started)) == 0)
			n = left;
		words_print(at, n, is_started, to);
		is_started = true;
	}
	buf_printf(to, peer->is_over ? "the end" : "");
	buf_add(to, "", 1);
}

void
words_print_wanted(struct saying *const *wanted, struct buf *to)
{
	for (; *wanted != NULL; wanted++) {
		if ((*wanted)->is_end)
			buf_printf(to, "the end");
		else if ((*wanted)->severity != NULL)
			buf_printf(to, "E<%s %s ...%s...> ",
			    (*wanted)->severity, (*wanted)->sqlstate,
			    (*wanted)->part);
		else
			words_print(buf_bytes(&(*wanted)->bytes),
			    buf_length(&(*wanted)->bytes), true, to);
	}
	buf_add(to, "", 1);
}

struct saying *
setting(const char *name, const char *value)
{
	uint8_t	count[2] = { 0, 2 };
	uint8_t	first[4] = { 0, 0, 0, (uint8_t)strlen(name) };
	uint8_t	second[4] = { 0, 0, 0, (uint8_t)strlen(value) };

	return message_of('D', all_of(bytes(count, 2), bytes(first, 4),
	    bytes(name, first[3]), bytes(second, 4),
	    bytes(value, second[3])));
}
