/*
 * config: reading files, environment and URLs; what is refused and how.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/choice.h"
#include "config/config.h"
#include "config/databases.h"
#include "config/options.h"
#include "config/userlist.h"
#include "net/tls.h"

#include "check_main.h"

static struct buf	said;

static void
on_say(void *arg, bool is_error, const char *sentence)
{
	(void)arg;
	buf_printf(&said, "%s: %s\n", is_error ? "error" : "note", sentence);
}

static char *
write_file(const char *text)
{
	char	*path = mem_string("check_config.tmp-XXXXXX");
	int	 fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	return path;
}

/* The snapshot, or NULL with everything that was said in `said`. */
static struct config *
read_text(const char *text, char *const *environment)
{
	struct config_report	 report = { on_say, NULL };
	char			*path = write_file(text);
	struct config		*config;

	buf_clear(&said);
	config = config_read(path, environment, &report);
	buf_add(&said, "", 1);
	unlink(path);
	free(path);
	return config;
}

static const char *
what_was_said(void)
{
	return (const char *)buf_bytes(&said);
}

static void
refuses(const char *text, const char *sentence)
{
	ck_assert_ptr_null(read_text(text, NULL));
	ck_assert_msg(strstr(what_was_said(), sentence) != NULL,
	    "\"%s\" does not say \"%s\" but %s", text, sentence,
	    what_was_said());
}

START_TEST(each_section_has_its_own_defaults)
{
	struct config	*ours = read_text("[pgweir]\n", NULL);
	struct config	*theirs = read_text("[pgbouncer]\nverbose = 0\n", NULL);

	ck_assert_int_eq(ours->option.pool_mode, POOL_MODE_TRANSACTION);
	ck_assert_int_eq(ours->option.max_client_conn, 1000);
	ck_assert_int_eq(ours->option.server_idle_timeout_us,
	    30 * US_PER_SECOND);
	ck_assert_int_eq(ours->option.server_connect_timeout_us,
	    2 * US_PER_SECOND);
	ck_assert_int_eq(theirs->option.pool_mode, POOL_MODE_SESSION);
	ck_assert_int_eq(theirs->option.max_client_conn, 100);
	ck_assert(theirs->is_pgbouncer);
	config_release(ours);
	config_release(theirs);
}
END_TEST

START_TEST(times_may_have_units)
{
	static const struct {
		const char	*text;
		int64_t		 us;
	} times[] = {
		{ "7", 7000000 }, { "30s", 30000000 }, { "2000ms", 2000000 },
		{ "5min", 300000000 }, { "0.5", 500000 }, { "1h", 3600000000 },
	};
	char		 text[64];
	struct config	*config;

	for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
		snprintf(text, sizeof text, "[pgweir]\nquery_timeout = %s\n",
		    times[i].text);
		config = read_text(text, NULL);
		ck_assert_ptr_nonnull(config);
		ck_assert_int_eq(config->option.query_timeout_us,
		    times[i].us);
		config_release(config);
	}
	refuses("[pgweir]\nquery_timeout = 5 parsecs\n", "is not a time");
	refuses("[pgweir]\nquery_timeout = -1\n", "is not a time");
}
END_TEST

START_TEST(numbers_are_checked_at_below_and_above_their_limits)
{
	config_release(read_text("[pgweir]\nlisten_port = 65535\n", NULL));
	refuses("[pgweir]\nlisten_port = 65536\n", "from 0 to 65535");
	refuses("[pgweir]\nlisten_port = -1\n", "from 0 to 65535");
	refuses("[pgweir]\nmax_client_conn = 0\n", "from 1 to");
	refuses("[pgweir]\nmax_client_conn = 99999999999999999999\n",
	    "from 1 to");
}
END_TEST

START_TEST(a_fault_names_file_line_and_the_nearest_name)
{
	refuses("[pgweir]\n\nquery_timeuot = 1\n",
	    ":3: there is no option \"query_timeuot\"; did you mean "
	    "\"query_timeout\"?");
	refuses("[databases]\na = prot=1\n", "did you mean \"port\"?");
	refuses("[users]\na = pool_sise=1\n", "did you mean \"pool_size\"?");
	refuses("[nothing]\na = b\n", "there is no section [nothing]");
	refuses("[pgweir]\nno equals sign\n", ":2: \"no equals sign\"");
	refuses("a = b\n", "there is no [section] above");
	refuses("[pgweir]\n[pgbouncer]\nverbose = 1\n[pgweir]\nverbose=1\n",
	    "cannot both be there");
	refuses("[databases]\npgweir = host=x\n", "is the console's");
	refuses("[pgbouncer]\nauth_ldap_options = x\n", "LDAP");
}
END_TEST

START_TEST(every_fault_is_reported_not_only_the_first)
{
	ck_assert_ptr_null(read_text("[pgweir]\na = 1\nb = 2\nverbose = x\n",
	    NULL));
	ck_assert_ptr_nonnull(strstr(what_was_said(), "\"a\""));
	ck_assert_ptr_nonnull(strstr(what_was_said(), "\"b\""));
	ck_assert_ptr_nonnull(strstr(what_was_said(), "verbose"));
}
END_TEST

START_TEST(values_of_8_kib_with_semicolons_and_indentation_are_intact)
{
	static char	 text[9000], value[8193];
	struct config	*config;

	memset(value, 'x', sizeof value - 1);
	memcpy(value + 100, " ; not # a comment ", 19);
	snprintf(text, sizeof text, "\xef\xbb\xbf[pgweir]\r\n"
	    "  verbose = 1\r\n\tserver_reset_query = %s\r\n"
	    "; comment\n# comment\n   listen_port=7\n", value);
	config = read_text(text, NULL);
	ck_assert_msg(config != NULL, "%s", what_was_said());
	ck_assert_str_eq(config->option.server_reset_query, value);
	ck_assert_int_eq(config->option.verbose, 1);
	ck_assert_int_eq(config->option.listen_port, 7);
	config_release(config);
}
END_TEST

START_TEST(an_include_that_includes_itself_ends)
{
	char	*path = write_file("");
	FILE	*file = fopen(path, "w");
	char	*text;

	fprintf(file, "%%include %s\n", path);
	fclose(file);
	text = mem_printf("%%include %s\n", path);
	refuses(text, "nested more than 10 deep");
	free(text);
	unlink(path);
	free(path);
}
END_TEST

START_TEST(connect_strings_and_urls_say_the_same)
{
	static const char	*const texts[] = {
		"host=h port=7 dbname='a b' user=u password='it''s'",
		"postgresql://u:it%27s@h:7/a%20b?sslmode=require",
	};
	struct database		*database;
	char			 error[300];

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		database = database_parse("d", texts[i], error,
		    sizeof error);
		ck_assert_msg(database != NULL, "%s", error);
		ck_assert_str_eq(database->host, "h");
		ck_assert_int_eq(database->port, 7);
		ck_assert_str_eq(database->dbname, "a b");
		ck_assert_str_eq(database->user, "u");
		ck_assert_str_eq(database->password, "it's");
		database_free(database);
	}
	database = database_parse("d", "postgresql://[::1]/x", error, 300);
	ck_assert_str_eq(database->host, "::1");
	database_free(database);
	ck_assert_ptr_null(database_parse("d", "host=h port=0", error, 300));
	ck_assert_ptr_null(database_parse("d", "host='h", error, 300));
	ck_assert_ptr_null(database_parse("d", "postgresql://h:x/d", error,
	    300));
	ck_assert_ptr_null(database_parse("d", "postgresql://%zz@h/d", error,
	    300));
}
END_TEST

START_TEST(hosts_and_ports_are_lists_in_step_or_one_port_serves_all)
{
	static const struct {
		const char	*text;
		const char	*names[3];	/* NULL: refused */
		int		 ports[3];
	} cases[] = {
		{ "host=a,b,c", { "a", "b", "c" }, { 5432, 5432, 5432 } },
		{ "host=a,b port=7", { "a", "b" }, { 7, 7 } },
		{ "port=7,8 host=a,b", { "a", "b" }, { 7, 8 } },
		{ "dbname=x", { "/var/run/postgresql" }, { 5432 } },
		{ "postgresql://a:1,[::1]:2,b/x", { "a", "::1", "b" },
		    { 1, 2, 5432 } },
		{ "host=a,b port=7,8,9", { NULL }, { 0 } },
		{ "host=a,b,c port=7,8", { NULL }, { 0 } },
		{ "host=a,,b", { NULL }, { 0 } },
		{ "host=a,b port=7,0", { NULL }, { 0 } },
		{ "host=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", { NULL }, { 0 } },
	};
	char	error[300];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct database	*database = database_parse("d",
				    cases[i].text, error, sizeof error);

		ck_assert_msg((database == NULL) ==
		    (cases[i].names[0] == NULL), "%s", cases[i].text);
		if (database == NULL)
			continue;
		for (size_t n = 0; n < database->host_count; n++) {
			ck_assert_str_eq(database->hosts[n].name,
			    cases[i].names[n]);
			ck_assert_int_eq(database->hosts[n].port,
			    cases[i].ports[n]);
		}
		ck_assert(database->host_count == 3 ||
		    cases[i].names[database->host_count] == NULL);
		database_free(database);
	}
}
END_TEST

START_TEST(a_route_is_the_users_else_the_databases_else_the_general_one)
{
	struct pool_settings	 settings;
	struct config		*config;

	config = read_text("[databases]\n"
	    "d = host=a,b route=any\ne = host=a,b\n"
	    "[users]\nu = route=primary\n"
	    "[pgweir]\nroute = replica\n", NULL);
	ck_assert_ptr_nonnull(config);
	config_pool_settings(config, config_database(config, "d"), "u",
	    &settings);
	ck_assert_int_eq(settings.route, ROUTE_PRIMARY);
	config_pool_settings(config, config_database(config, "e"), "v",
	    &settings);
	ck_assert_int_eq(settings.route, ROUTE_REPLICA);
	config_pool_settings(config, config_database(config, "d"), "v",
	    &settings);
	ck_assert_int_eq(settings.route, ROUTE_ANY);
	config_release(config);
	refuses("[pgweir]\nroute = nowhere\n", "is not split, primary, "
	    "replica or any");
}
END_TEST

/* Each kind's words, in the order of its enum. */
START_TEST(a_choice_is_one_of_its_words_in_any_case)
{
	static const struct {
		enum choice	 choice;
		int		 first;
		const char	*words, *unknown;
	} kinds[] = {
		{ CHOICE_TLS, TLS_DISABLE, "disable, allow, prefer, require, "
		    "verify-ca or verify-full", "verify" },
		{ CHOICE_MODE, POOL_MODE_SESSION, "session, transaction or "
		    "statement", "" },
		{ CHOICE_ROUTE, ROUTE_SPLIT, "split, primary, replica or any",
		    "" },
		{ CHOICE_SCOPE, CAUSAL_OFF, "off, session, application or "
		    "database", "on" },
		{ CHOICE_AUTH, AUTH_TRUST, "trust, any, plain, md5, "
		    "scram-sha-256, cert or hba", "scram" },
		{ CHOICE_PIN, PIN_POLICY_AUTO, "auto, error or off", "off " },
		{ CHOICE_LOGFORM, LOG_FORMAT_TEXT, "text or json", "xml" },
		{ CHOICE_BALANCE, BALANCE_ROUND_ROBIN, "round-robin or "
		    "disable", "1" },
	};
	char	list[100], *word, *rest;
	int	value, next;

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		choice_list(kinds[i].choice, list, sizeof list);
		ck_assert_str_eq(list, kinds[i].words);
		ck_assert(!choice_parse(kinds[i].choice, kinds[i].unknown,
		    &value));
		ck_assert(!choice_parse(kinds[i].choice, list, &value));
		next = kinds[i].first;
		for (word = strtok_r(list, ", ", &rest); word != NULL;
		    word = strtok_r(NULL, ", ", &rest)) {
			if (strcmp(word, "or") == 0)
				continue;
			ck_assert_str_eq(choice_name(kinds[i].choice, next),
			    word);
			word[0] = (char)toupper(word[0]);
			ck_assert(choice_parse(kinds[i].choice, word,
			    &value));
			ck_assert_int_eq(value, next++);
		}
	}
}
END_TEST

START_TEST(the_environment_goes_before_the_file)
{
	char		*environment[] = { "PGWEIR_LISTEN_PORT=9",
			    "PGWEIR_SERVICE_HOST=1.2.3.4", "PGWEIR_WAT=1",
			    "PGWEIR_PORT=tcp://1.2.3.4:5432",
			    "PGWEIR_DATABASE_URL=postgresql://u:p@h/d", NULL };
	struct config	*config = read_text("[pgweir]\nlisten_port = 7\n",
			    environment);

	ck_assert_int_eq(config->option.listen_port, 9);
	ck_assert_str_eq(config_database(config, "d")->host, "h");
	ck_assert_str_eq(userlist_secret(config->userlist, "u"), "p");
	ck_assert_ptr_nonnull(strstr(what_was_said(), "\"wat\""));
	ck_assert_ptr_null(strstr(what_was_said(), "PGWEIR_PORT"));
	config_release(config);
	environment[0] = "PGWEIR_LISTEN_PORT=no";
	ck_assert_ptr_null(read_text("[pgweir]\n", environment));
}
END_TEST

START_TEST(a_users_override_goes_before_a_databases)
{
	struct config		*config = read_text("[databases]\n"
				    "d = host=h pool_size=5\n* = host=i\n"
				    "[users]\nu = pool_size=3\n[pgweir]\n",
				    NULL);
	struct pool_settings	 settings;

	config_pool_settings(config, config_database(config, "d"), "x",
	    &settings);
	ck_assert_int_eq(settings.pool_size, 5);
	config_pool_settings(config, config_database(config, "d"), "u",
	    &settings);
	ck_assert_int_eq(settings.pool_size, 3);
	config_pool_settings(config, config_database(config, "other"), "x",
	    &settings);
	ck_assert_int_eq(settings.pool_size, 20);
	config_release(config);
}
END_TEST

START_TEST(every_option_prints_what_it_can_read_again)
{
	struct option_values	values;
	char			text[2000], error[300];

	for (int theirs = 0; theirs < 2; theirs++) {
		option_values_init(&values, theirs);
		for (size_t i = 0; i < option_count; i++) {
			option_print(&options[i], &values, text,
			    sizeof text);
			ck_assert_msg(option_parse(&options[i], &values,
			    text, error, sizeof error), "%s", error);
		}
		option_values_done(&values);
	}
}
END_TEST

START_TEST(userlists_are_read_and_their_faults_named)
{
	char		*path = write_file("\"a\" \"b\"\n; x\n\"c\"\"d\"  "
			    "\"e f\" extra\n");
	char		 error[300];
	struct userlist	*list = userlist_read(path, error, sizeof error);
	FILE		*file;

	ck_assert_ptr_nonnull(list);
	ck_assert_str_eq(userlist_secret(list, "a"), "b");
	ck_assert_str_eq(userlist_secret(list, "c\"d"), "e f");
	ck_assert_ptr_null(userlist_secret(list, "x"));
	userlist_free(list);
	file = fopen(path, "w");
	fputs("\"a\" \"b\"\n\"unterminated", file);
	fclose(file);
	ck_assert_ptr_null(userlist_read(path, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, ":2:"));
	unlink(path);
	free(path);
}
END_TEST

CHECK_MAIN("config",
    each_section_has_its_own_defaults,
    times_may_have_units,
    numbers_are_checked_at_below_and_above_their_limits,
    a_fault_names_file_line_and_the_nearest_name,
    every_fault_is_reported_not_only_the_first,
    values_of_8_kib_with_semicolons_and_indentation_are_intact,
    an_include_that_includes_itself_ends,
    connect_strings_and_urls_say_the_same,
    hosts_and_ports_are_lists_in_step_or_one_port_serves_all,
    a_route_is_the_users_else_the_databases_else_the_general_one,
    a_choice_is_one_of_its_words_in_any_case,
    the_environment_goes_before_the_file,
    a_users_override_goes_before_a_databases,
    every_option_prints_what_it_can_read_again,
    userlists_are_read_and_their_faults_named)
