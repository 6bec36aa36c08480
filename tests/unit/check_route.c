/*
 * route/route and route/catalogue: what is proven, what is remembered.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "route/catalogue.h"
#include "route/route.h"
#include "wire/sqlscan.h"

#include "check_main.h"

static const struct row {
	const char	*kind, *name, *bad;
} rows[] = {
	{ "f", "lower", "f" }, { "f", "nextval", "t" },
	{ "f", "count", "f" }, { "f", "current_setting", "t" },
	{ "f", "left", "f" }, { "f", "status", "t" },
	{ "r", "users", "f" }, { "r", "orders", "f" },
	{ "r", "cache", "t" }, { "r", "pg_class", "t" },
	{ "r", "information_schema", "t" },
	{ "t", "text", "f" }, { "t", "mood", "f" }, { "t", "checked", "t" },
	{ "o", "<~>", "t" },
};

static const struct catalogue *
make_catalogue(const struct row *more)
{
	struct catalogue_draft	*draft = catalogue_draft_new();

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		ck_assert(catalogue_draft_add(draft, rows[i].kind,
		    rows[i].name, rows[i].bad));
	if (more != NULL)
		ck_assert(catalogue_draft_add(draft, more->kind, more->name,
		    more->bad));
	return catalogue_draft_finish(draft);
}

static enum route_why
why_of(const char *text, const struct catalogue *catalogue)
{
	struct route_verdict	verdict;

	route_decide(&verdict, text, strlen(text), catalogue);
	return verdict.why;
}

static const struct {
	const char	*text;
	enum route_why	 why;
} cases[] = {
	{ "select * from users u join orders using (id)", WHY_READ },
	{ "select lower(name) from public.users", WHY_READ },
	{ "select text(1), text '1', '1'::mood", WHY_READ },
	{ "with w as (select 1) select * from w", WHY_READ },
	{ "select nextval('s')", WHY_FUNCTION },
	{ "select pg_catalog.nextval('s')", WHY_FUNCTION },
	{ "select \"nextval\" /* */ ('s')", WHY_FUNCTION },
	{ "select u.status from users u", WHY_FUNCTION },
	{ "select status from users", WHY_READ },
	{ "select (u).status from users u", WHY_FUNCTION },
	{ "select foo(1)", WHY_NO_FUNCTION },
	{ "select * from foo(1)", WHY_NO_FUNCTION },
	{ "select * from nothing", WHY_NO_RELATION },
	{ "select * from users, nothing", WHY_NO_RELATION },
	{ "select * from users where id in (select id from nothing)",
	    WHY_NO_RELATION },
	{ "select * from cache", WHY_RELATION },
	{ "select * from users join (cache c join orders o on true) on true",
	    WHY_RELATION },
	{ "with cache as (select 1) select * from cache", WHY_RELATION },
	{ "select * from information_schema.tables", WHY_RELATION },
	{ "select 'users'::text from pg_class", WHY_RELATION },
	{ "select '1'::checked", WHY_TYPE },
	{ "select checked(1)", WHY_TYPE },
	{ "select * from users u (a checked)", WHY_TYPE },
	{ "select '1'::nothing", WHY_NO_TYPE },
	{ "select nothing '1'", WHY_NO_TYPE },
	{ "select 1 <~> 2", WHY_OPERATOR },
	{ "select 1 <~>- 2", WHY_OPERATOR },
	{ "select 1 <~/* */> 2", WHY_OPERATOR },
	{ "select 1 <-> 2", WHY_READ },
	{ "select left('a', 1)", WHY_READ },
	{ "select current_setting('app.tenant')", WHY_READ },
	{ "select Current_Setting ( 'app.tenant', true)", WHY_READ },
	{ "select current_setting('transaction_read_only')", WHY_FUNCTION },
	{ "select current_setting('app.x'), current_setting('in_hot' || "
	    "'_standby')", WHY_FUNCTION },
	{ "select current_setting(E'app.x')", WHY_FUNCTION },
	{ "select 1 for update", WHY_LOCKS },
	{ "", WHY_EMPTY },
};

START_TEST(every_name_must_be_known_and_pass)
{
	const struct catalogue	*catalogue = make_catalogue(NULL);

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		ck_assert_msg(why_of(cases[i].text, catalogue) ==
		    cases[i].why, "%s: %s, not %s", cases[i].text,
		    route_why_label(why_of(cases[i].text, catalogue)),
		    route_why_label(cases[i].why));
	catalogue_release(catalogue);
}
END_TEST

/* "É" and "é" in UTF-8, and in LATIN1. */
START_TEST(a_name_that_is_not_ascii_may_be_any_such_one_that_does_not_pass)
{
	static const struct row	 function = { "f", "\303\251crit", "t" };
	static const struct row	 relation = { "r", "\303\251t\303\251", "t" };
	static const struct row	 good = { "f", "\303\251t\303\251", "f" };
	const struct catalogue	*catalogue = make_catalogue(&function);

	ck_assert_int_eq(why_of("select u.\303\251crit from users u",
	    catalogue), WHY_FUNCTION);
	ck_assert_int_eq(why_of("select u.\303\211crit from users u",
	    catalogue), WHY_FUNCTION);
	ck_assert_int_eq(why_of("select (u).\351crit from users u",
	    catalogue), WHY_FUNCTION);
	ck_assert_int_eq(why_of("select \303\251crit from users", catalogue),
	    WHY_READ);
	catalogue_release(catalogue);
	catalogue = make_catalogue(&relation);
	ck_assert_int_eq(why_of("with \303\211T\303\211 as (select 1) "
	    "select * from \303\211T\303\211", catalogue), WHY_RELATION);
	catalogue_release(catalogue);
	catalogue = make_catalogue(&good);
	ck_assert_int_eq(why_of("select \303\251t\303\251(1), "
	    "u.\303\211crit from users u", catalogue), WHY_READ);
	catalogue_release(catalogue);
}
END_TEST

START_TEST(a_comment_that_is_deeper_than_is_counted_proves_nothing)
{
	static const char	 end[] = " ' */, nextval($$'$$)";
	const struct catalogue	*catalogue = make_catalogue(NULL);
	char			*text = mem_new(300000), *at;

	at = text + sprintf(text, "select 1 ");
	for (int i = 0; i < 65537; i++, at += 2)
		memcpy(at, "/*", 2);
	for (int i = 0; i < 65536; i++, at += 2)
		memcpy(at, "*/", 2);
	memcpy(at, end, sizeof end);
	ck_assert_int_ne(why_of(text, catalogue), WHY_READ);
	free(text);
	catalogue_release(catalogue);
}
END_TEST

START_TEST(without_a_catalogue_nothing_is_proven)
{
	ck_assert_int_eq(why_of("select 1", NULL), WHY_NO_CATALOGUE);
	ck_assert_int_eq(why_of("delete from t", NULL), WHY_NOT_READ);
}
END_TEST

START_TEST(what_no_text_shows_makes_every_statement_a_write)
{
	static const struct row	more[] = {
		{ "o", "=", "t" }, { "o", "~~", "t" }, { "!", "", "t" },
	};
	const struct catalogue	*catalogue;

	for (size_t i = 0; i < ARRAY_LENGTH(more); i++) {
		catalogue = make_catalogue(&more[i]);
		ck_assert_int_eq(why_of("select 1", catalogue), WHY_HOPELESS);
		catalogue_release(catalogue);
	}
}
END_TEST

START_TEST(a_row_that_the_query_cannot_return_is_refused)
{
	struct catalogue_draft	*draft = catalogue_draft_new();

	ck_assert(!catalogue_draft_add(draft, "x", "users", "f"));
	ck_assert(!catalogue_draft_add(draft, "", "users", "f"));
	ck_assert(catalogue_draft_add(draft, "f", "odd", ""));
	catalogue_draft_free(draft);
	catalogue_draft_free(NULL);
}
END_TEST

START_TEST(a_catalogue_grows_and_forgets_nothing)
{
	struct catalogue_draft	*draft = catalogue_draft_new();
	const struct catalogue	*catalogue;
	char			 name[32];

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "name%d", i);
		ck_assert(catalogue_draft_add(draft, i % 2 ? "f" : "r", name,
		    i % 3 ? "f" : "t"));
	}
	catalogue = catalogue_draft_finish(draft);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "name%d", i);
		ck_assert_uint_eq(catalogue_find(catalogue, name), i % 2 ?
		    CATALOGUE_FUNCTION | (i % 3 ? 0 : CATALOGUE_BAD_FUNCTION) :
		    CATALOGUE_RELATION | (i % 3 ? 0 : CATALOGUE_BAD_RELATION));
	}
	ck_assert_uint_eq(catalogue_find(catalogue, "name20000"), 0);
	ck_assert_uint_lt(catalogue_bytes(catalogue), 2 << 20);
	catalogue_release(catalogue);
}
END_TEST

/* More texts than there is room for, each asked again while it is fresh. */
START_TEST(what_is_remembered_is_what_was_decided)
{
	const struct catalogue	*catalogue = make_catalogue(NULL);
	struct route_verdict	 first, again;
	char			 text[3000];
	int			 length;

	for (int i = 0; i < 20000; i++) {
		length = snprintf(text, sizeof text, "select %d, '%0*d' %s",
		    i, i * 7 % 2000 + 1, i, i % 2 ? "from users" :
		    "from cache");
		route_look_up(&first, text, (size_t)length, catalogue);
		route_look_up(&again, text, (size_t)length, catalogue);
		ck_assert_int_eq(first.why, i % 2 ? WHY_READ : WHY_RELATION);
		ck_assert_int_eq(again.why, first.why);
		ck_assert_int_eq(again.verb, SQL_SELECT);
	}
	route_look_up(&again, "set x = 1", 9, catalogue);
	route_look_up(&again, "set x = 1", 9, catalogue);
	ck_assert_uint_eq(again.touches, SQL_TOUCHES_SETTINGS);
	route_done();
	catalogue_release(catalogue);
}
END_TEST

START_TEST(another_catalogue_is_asked_again)
{
	static const struct row	 more = { "f", "foo", "f" };
	const struct catalogue	*old = make_catalogue(NULL);
	const struct catalogue	*new = make_catalogue(&more);
	struct route_verdict	 verdict;

	route_look_up(&verdict, "select foo(1)", 13, NULL);
	ck_assert_int_eq(verdict.why, WHY_NO_CATALOGUE);
	route_look_up(&verdict, "select foo(1)", 13, old);
	ck_assert_int_eq(verdict.why, WHY_NO_FUNCTION);
	route_look_up(&verdict, "select foo(1)", 13, new);
	ck_assert_int_eq(verdict.why, WHY_READ);
	route_done();
	catalogue_release(old);
	catalogue_release(new);
}
END_TEST

START_TEST(what_a_replica_refused_goes_to_the_primary_until_then)
{
	const struct catalogue	*old = make_catalogue(NULL);
	const struct catalogue	*new = make_catalogue(NULL);
	struct route_verdict	 verdict;

	route_refuse("select 1", 8, old);
	route_look_up(&verdict, "select 1", 8, old);
	ck_assert_int_eq(verdict.why, WHY_REFUSED);
	route_look_up(&verdict, "select 2", 8, old);
	ck_assert_int_eq(verdict.why, WHY_READ);
	route_look_up(&verdict, "select 1", 8, new);
	ck_assert_int_eq(verdict.why, WHY_READ);
	route_done();
	catalogue_release(old);
	catalogue_release(new);
}
END_TEST

START_TEST(the_explanation_names_what_decided)
{
	const struct catalogue	*catalogue = make_catalogue(NULL);
	struct route_plan	 plan = { .has_choice = true };
	char			 text[400];

	route_plan(&plan, ROUTE_SPLIT, "select nextval('s')", 19, catalogue);
	route_plan_sentence(&plan, text, sizeof text);
	ck_assert_int_eq(plan.target, TARGET_PRIMARY);
	ck_assert_str_eq(text, "function \"nextval\" may write");
	route_plan(&plan, ROUTE_SPLIT, "select 1", 8, catalogue);
	route_plan_sentence(&plan, text, sizeof text);
	ck_assert_int_eq(plan.target, TARGET_REPLICA);
	ck_assert_str_eq(text, "it only reads");
	catalogue_release(catalogue);
}
END_TEST

CHECK_MAIN("route",
    every_name_must_be_known_and_pass,
    a_name_that_is_not_ascii_may_be_any_such_one_that_does_not_pass,
    a_comment_that_is_deeper_than_is_counted_proves_nothing,
    without_a_catalogue_nothing_is_proven,
    what_no_text_shows_makes_every_statement_a_write,
    a_row_that_the_query_cannot_return_is_refused,
    a_catalogue_grows_and_forgets_nothing,
    what_is_remembered_is_what_was_decided,
    another_catalogue_is_asked_again,
    what_a_replica_refused_goes_to_the_primary_until_then,
    the_explanation_names_what_decided)
