/*
 * sqlwish: what is understood, and what is left to PostgreSQL.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/sqlwish.h"

#include "check_main.h"

START_TEST(a_leading_comment_may_name_a_value)
{
	static const struct {
		const char	*text, *value;	/* NULL: no wish */
	} cases[] = {
		{ "/* pgweir.route=primary */ select 1", "primary" },
		{ " \n/*PGWEIR.Route = 'Any'*/select 1", "Any" },
		{ "/* pgweir.route = replica; */", "replica" },
		{ "select 1 /* pgweir.route=primary */", NULL },
		{ "/* pgweir.route=primary", NULL },
		{ "/* pgweir.route */", NULL },
		{ "/* pgweir.route=a b */", NULL },
		{ "/* pgweir.routes=a */", NULL },
		{ "/**/", NULL }, { "/*", NULL }, { "/*/", NULL },
		{ "", NULL }, { "   ", NULL },
	};
	char	value[SQLWISH_VALUE_BYTES];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		bool	found = sqlwish_comment(cases[i].text,
			    strlen(cases[i].text), "pgweir.route", value);

		ck_assert_msg(found == (cases[i].value != NULL), "%s",
		    cases[i].text);
		if (found)
			ck_assert_str_eq(value, cases[i].value);
	}
}
END_TEST

START_TEST(set_and_reset_of_a_name_are_told_from_everything_else)
{
	static const struct {
		const char		*text;
		enum sqlwish_set	 wish;
		const char		*value;
	} cases[] = {
		{ "set pgweir.route = 'any'", SQLWISH_SET, "any" },
		{ "SET SESSION PGWEIR.ROUTE TO primary ; ;", SQLWISH_SET,
		    "primary" },
		{ "/* x */ set -- y\n \"pgweir.route\" = \"split\"",
		    SQLWISH_SET, "split" },
		{ "set pgweir.route to default", SQLWISH_RESET, NULL },
		{ "reset pgweir.route;", SQLWISH_RESET, NULL },
		{ "set local pgweir.route = 'any'", SQLWISH_NO_SET, NULL },
		{ "set pgweir.route = 'any'; drop table t", SQLWISH_NO_SET,
		    NULL },
		{ "set pgweir.route = 'a''b'", SQLWISH_NO_SET, NULL },
		{ "set pgweir.route = 'a", SQLWISH_NO_SET, NULL },
		{ "set pgweir.route = any, any", SQLWISH_NO_SET, NULL },
		{ "set pgweir.routes = 'any'", SQLWISH_NO_SET, NULL },
		{ "set /* /* */ */ pgweir.route = any", SQLWISH_NO_SET, NULL },
		{ "set", SQLWISH_NO_SET, NULL },
		{ "set pgweir.route =", SQLWISH_SET, "" },
	};
	char	value[SQLWISH_VALUE_BYTES];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		enum sqlwish_set	wish = sqlwish_set(cases[i].text,
					    strlen(cases[i].text),
					    "pgweir.route", value);

		ck_assert_msg(wish == cases[i].wish, "%s", cases[i].text);
		if (wish == SQLWISH_SET)
			ck_assert_str_eq(value, cases[i].value);
	}
}
END_TEST

START_TEST(show_of_a_name_is_told_from_everything_else)
{
	static const char	*const yes[] = {
		"show pgweir.route", "SHOW PgWeir.Route;", " show\n"
		"/* x */ \"pgweir.route\" ; ",
	}, *const no[] = {
		"show", "show route", "show pgweir.route; select 1", "",
		"show pgweir.routes", "select pgweir.route", "show all",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(yes); i++)
		ck_assert_msg(sqlwish_show(yes[i], strlen(yes[i]),
		    "pgweir.route"), "%s", yes[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(no); i++)
		ck_assert_msg(!sqlwish_show(no[i], strlen(no[i]),
		    "pgweir.route"), "%s", no[i]);
}
END_TEST

START_TEST(the_end_of_a_transaction_is_known_when_it_stands_alone)
{
	static const struct {
		const char		*text;
		enum sqlwish_end	 end;
	} cases[] = {
		{ "commit", SQLWISH_COMMIT }, { "END;", SQLWISH_COMMIT },
		{ "/* x */ commit work", SQLWISH_COMMIT },
		{ "prepare transaction 'x'", SQLWISH_COMMIT },
		{ "rollback", SQLWISH_ROLLBACK },
		{ "abort transaction;", SQLWISH_ROLLBACK },
		{ "rollback to savepoint s", SQLWISH_NO_END },
		{ "rollback and chain", SQLWISH_MANY },
		{ "commit and chain", SQLWISH_MANY },
		{ "commit; begin", SQLWISH_MANY },
		{ "select 1", SQLWISH_NO_END }, { "", SQLWISH_NO_END },
		{ "prepare x as select 1", SQLWISH_NO_END },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		ck_assert_msg(sqlwish_end(cases[i].text,
		    strlen(cases[i].text)) == cases[i].end, "%s",
		    cases[i].text);
}
END_TEST

START_TEST(no_prefix_of_any_text_is_read_beyond_its_end)
{
	static const char	*const texts[] = {
		"/* pgweir.route = 'any' */ begin",
		"set /* c */ pgweir.route = 'any' ; -- x",
		"show /* c */ pgweir.route ; -- x",
	};
	char	value[SQLWISH_VALUE_BYTES], *copy;

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		for (size_t n = 1; n <= strlen(texts[i]); n++) {
			/* On its own, so that a sanitizer sees its end. */
			copy = mem_copy(texts[i], n);
			sqlwish_comment(copy, n, "pgweir.route", value);
			sqlwish_set(copy, n, "pgweir.route", value);
			sqlwish_show(copy, n, "pgweir.route");
			sqlwish_end(copy, n);
			free(copy);
		}
}
END_TEST

CHECK_MAIN("sqlwish",
    a_leading_comment_may_name_a_value,
    set_and_reset_of_a_name_are_told_from_everything_else,
    show_of_a_name_is_told_from_everything_else,
    the_end_of_a_transaction_is_known_when_it_stands_alone,
    no_prefix_of_any_text_is_read_beyond_its_end)
