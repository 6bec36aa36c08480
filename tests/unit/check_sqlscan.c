/*
 * wire/sqlscan: how statements start and what they touch, also when the text
 * comes cut at every byte.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/sqlscan.h"

#include "check_main.h"

#define S	SQL_TOUCHES_SETTINGS
#define L	SQL_TOUCHES_LOCAL
#define X	SQL_TOUCHES_TRANSACTION
#define U	SQL_TOUCHES_UNKNOWN
#define R	SQL_TOUCHES_DRAWS
#define T	SQL_TOUCHES_TEMP
#define B	SQL_TOUCHES_BLOCK
#define C	SQL_TOUCHES_CUSTOM
#define N	SQL_TOUCHES_NAMES
#define Z	(SQL_TOUCHES_SETTINGS | SQL_TOUCHES_RESETS)
#define K	SQL_TOUCHES_LOCK
#define D	(SQL_TOUCHES_SETTINGS | SQL_TOUCHES_DISCARD_ALL | \
	SQL_TOUCHES_RESETS)

static const struct {
	const char	*text;
	enum sql_verb	 first;
	uint32_t	 statements, touches;
} cases[] = {
	{ "", SQL_EMPTY, 0, 0 },
	{ " ;; -- nothing\n /* at /* all */ */ ;", SQL_EMPTY, 0, 0 },
	{ "select 1", SQL_SELECT, 1, 0 },
	{ "SELECT 1; insert into t values (1);", SQL_SELECT, 2, R },
	{ "/* a /* b */ c */ -- d\nSelect 1", SQL_SELECT, 1, 0 },
	{ "(select 1) union (select 2)", SQL_SELECT, 1, 0 },
	{ "set \"app.x\" = 1", SQL_SET, 1, S | N },
	{ "set session \"app.x\" to 1", SQL_SET_SESSION, 1, S | N },
	{ "set local.x = 1", SQL_SET_LOCAL, 1, S | N | L },
	{ "set role.x = 1", SQL_SET_ROLE, 1, S | N },
	{ "set local app.x = 1", SQL_SET_LOCAL, 1, X | N },
	{ "set local \"app.x\" = 1", SQL_SET_LOCAL, 1, X | N },
	{ "set local app.x = 1; set local x = 1", SQL_SET_LOCAL, 2, X | L | N },
	{ "set local x = 1; set local app.x = 1", SQL_SET_LOCAL, 2,
	    X | L | N },
	{ "set local x = a.b", SQL_SET_LOCAL, 1, L },
	{ "set x = \"a.b\"", SQL_SET, 1, S },
	{ "select set_config('app' || '.x', '', false)", SQL_SELECT, 1,
	    S | C },
	{ "select set_config('app'\n'.x', '', false)", SQL_SELECT, 1, S | C },
	{ "select set_config('a.b', '', 'f'), true", SQL_SELECT, 1, S | N },
	{ "select set_config('a.b', '', not true)", SQL_SELECT, 1, S | N },
	{ "select set_config('a.b', '', true and $1)", SQL_SELECT, 1, S | N },
	{ "select set_config('a.b', f(1, true), $1)", SQL_SELECT, 1, S | N },
	{ "select set_config('a.b', f(1, 2), /* , */ true ) , false",
	    SQL_SELECT, 1, X | N },
	{ "select set_config('a', $1, true)", SQL_SELECT, 1, L },
	{ "select set_config($1, $2, false)", SQL_SELECT, 1, S | N },
	{ "select set_config($2::text, $1, true)", SQL_SELECT, 1, L | N },
	{ "select set_config($1 || '', $2, false)", SQL_SELECT, 1, S | C },
	{ "select set_config($1::x, $2, false)", SQL_SELECT, 1, S | C },
	{ "select set_config($$a$$, $2, false)", SQL_SELECT, 1, S | C },
	{ "select set_config", SQL_SELECT, 1, S },
	{ "select set_config, set_config('a', '', true)", SQL_SELECT, 1,
	    S | L },
	{ "reset app.x", SQL_RESET, 1, Z | N },
	{ "set a to default", SQL_SET, 1, Z },
	{ "set local a to default", SQL_SET_LOCAL, 1,
	    L | SQL_TOUCHES_LOCAL_RESETS },
	{ "set a.b.c = default", SQL_SET, 1, Z | N },
	{ "select set_config('a.b', set_config('c.d', '', false), true)",
	    SQL_SELECT, 1, S | C | N },
	{ "select set_config('a', '', false), 'b.c'", SQL_SELECT, 1, S },
	{ "select set_config(expr, '', true), set_config(E'a', '', false)",
	    SQL_SELECT, 1, S | L },
	{ "select U&\"!0073et_config\" uescape '!' ('a', '', false)",
	    SQL_SELECT, 1, S | U | C },
	{ "select u & \"b\"", SQL_SELECT, 1, 0 },
	{ "do $$ begin set app.x = 1; end $$", SQL_DO, 1, U | N | R },
	{ "do $$ begin set x = 'a.b'; update a set b = c.d; end $$", SQL_DO,
	    1, U | R },
	{ "do 'begin perform set_config(''app.x'', '''', false); end'",
	    SQL_DO, 1, U | N | R },
	{ "do $a$ begin perform Set_Config ( 'work_mem' , '1', false); end "
	    "$a$; select 1", SQL_DO, 2, U | R },
	{ "do $$ begin execute 'set ' || n || ' = 1'; end $$", SQL_DO, 1,
	    U | C | R },
	{ "do $$ begin perform set_config(n, '', false); end $$; "
	    "select 'set a.b'", SQL_DO, 2, U | C | R },
	{ "select 1 into local temp t", SQL_SELECT, 1, T },
	{ "prepare transaction 'x'", SQL_PREPARE_TRANSACTION, 1, B },
	{ "prepare transaction as select 1", SQL_PREPARE_TRANSACTION, 1,
	    B | SQL_TOUCHES_PREPARE },
	{ "select E'\x83\\'; set x = 1; --'", SQL_SELECT, 1, S | U },
	{ "set x = 1", SQL_SET, 1, S },
	{ "SET SESSION x TO 1", SQL_SET_SESSION, 1, S },
	{ "set local x = 1", SQL_SET_LOCAL, 1, L },
	{ "set transaction read only", SQL_SET_TRANSACTION, 1, X },
	{ "set session characteristics as transaction read only",
	    SQL_SET_SESSION_CHARACTERISTICS, 1, S },
	{ "set session authorization bob", SQL_SET_SESSION_AUTHORIZATION, 1,
	    S },
	{ "set role bob", SQL_SET_ROLE, 1, S },
	{ "set constraints all deferred", SQL_SET_CONSTRAINTS, 1, 0 },
	{ "set app.tenant = 'x'", SQL_SET, 1, S | N },
	{ "set session app.tenant to x", SQL_SET_SESSION, 1, S | N },
	{ "set search_path = a.b", SQL_SET, 1, S },
	{ "set search_path to \"a.b\", c", SQL_SET, 1, S },
	{ "set seed to 0.5", SQL_SET, 1, S },
	{ "reset all", SQL_RESET_ALL, 1, SQL_TOUCHES_RESET_ALL },
	{ "close all; RESET /* */ ALL;", SQL_CLOSE, 2, SQL_TOUCHES_UNTIES |
	    SQL_TOUCHES_CLOSE_ALL | SQL_TOUCHES_RESET_ALL },
	{ "reset \"all\"", SQL_RESET, 1, Z },
	{ "discard all", SQL_DISCARD_ALL, 1, D },
	{ "discard plans", SQL_DISCARD_OTHER, 1, SQL_TOUCHES_UNTIES },
	{ "begin", SQL_BEGIN, 1, B },
	{ "start transaction read only", SQL_BEGIN, 1, B },
	{ "begin; set x = 1; commit", SQL_BEGIN, 3, B | S },
	{ "commit", SQL_COMMIT, 1, 0 },
	{ "end", SQL_COMMIT, 1, 0 },
	{ "commit prepared 'x'", SQL_COMMIT_PREPARED, 1, 0 },
	{ "rollback", SQL_ROLLBACK, 1, 0 },
	{ "abort", SQL_ROLLBACK, 1, 0 },
	{ "rollback to savepoint a", SQL_ROLLBACK_TO, 1, 0 },
	{ "rollback work to a", SQL_ROLLBACK_TO, 1, 0 },
	{ "savepoint a", SQL_SAVEPOINT, 1, 0 },
	{ "prepare transaction 'x'", SQL_PREPARE_TRANSACTION, 1, B },
	{ "prepare p as select 1", SQL_PREPARE, 1, SQL_TOUCHES_PREPARE },
	{ "execute p", SQL_EXECUTE, 1, SQL_TOUCHES_EXECUTE | R },
	{ "deallocate p", SQL_DEALLOCATE, 1,
	    SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_UNTIES },
	{ "deallocate prepare all", SQL_DEALLOCATE_ALL, 1,
	    SQL_TOUCHES_DEALLOCATE_ALL | SQL_TOUCHES_UNTIES },
	{ "deallocate \"all\"", SQL_DEALLOCATE, 1,
	    SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_UNTIES },
	{ "listen x", SQL_LISTEN, 1, SQL_TOUCHES_LISTEN },
	{ "unlisten *", SQL_UNLISTEN, 1, SQL_TOUCHES_UNLISTEN },
	{ "notify x, 'set y = 1'", SQL_NOTIFY, 1, 0 },
	{ "load 'x'", SQL_LOAD, 1, SQL_TOUCHES_LOAD },
	{ "do $$ begin set x = 1; end $$", SQL_DO, 1, U | R },
	{ "call p()", SQL_CALL, 1, U | R },
	{ "declare c cursor with hold for select 1", SQL_DECLARE, 1,
	    SQL_TOUCHES_HOLD },
	{ "declare c cursor for select 1", SQL_DECLARE, 1, 0 },
	{ "close all", SQL_CLOSE, 1,
	    SQL_TOUCHES_CLOSE_ALL | SQL_TOUCHES_UNTIES },
	{ "create temp table t (a int)", SQL_CREATE, 1, T },
	{ "create temporary sequence s", SQL_CREATE, 1, T },
	{ "create or replace temp view v as select 1", SQL_CREATE, 1,
	    T | SQL_TOUCHES_DEFINES },
	{ "create local temp table t (a int)", SQL_CREATE, 1, T },
	{ "create table t (temp int)", SQL_CREATE, 1, 0 },
	{ "select 1 into temp t", SQL_SELECT, 1, T },
	{ "select * from pg_temp.t", SQL_SELECT, 1, T },
	{ "explain analyze create temp table t as select 1", SQL_EXPLAIN, 1,
	    T },
	{ "explain (analyze, verbose) execute p", SQL_EXPLAIN, 1,
	    SQL_TOUCHES_EXECUTE | R },
	{ "select set_config('a', 'b', false)", SQL_SELECT, 1, S },
	{ "select pg_catalog.\"set_config\"('a', 'b', true)", SQL_SELECT, 1,
	    L },
	{ "select set_config('a.b', 'c', false)", SQL_SELECT, 1, S | N },
	{ "select set_config ( E'a.b', 'c', false)", SQL_SELECT, 1, S | N },
	{ "select set_config ( E'a\\x2eb', 'c', false)", SQL_SELECT, 1,
	    S | C },
	{ "select set_config('a.b', 'c', true)", SQL_SELECT, 1, X | N },
	{ "select set_config('a', 'b.c', false)", SQL_SELECT, 1, S },
	{ "select 'set_config'", SQL_SELECT, 1, 0 },
	{ "select $x$ set_config $y$ $x$", SQL_SELECT, 1, 0 },
	{ "select $$;$$; select 2", SQL_SELECT, 2, 0 },
	{ "select $1;select $2", SQL_SELECT, 2, 0 },
	{ "select ';'';'; select \";\"\";\"", SQL_SELECT, 2, 0 },
	{ "select E'\\';set x = 1'; select 1", SQL_SELECT, 2, 0 },
	{ "select '\\'; set x = 1; --'", SQL_SELECT, 2, S | U },
	{ "select 1 -- ; set x = 1", SQL_SELECT, 1, 0 },
	{ "select pg_advisory_lock(1)", SQL_SELECT, 1, K },
	{ "select pg_try_advisory_lock_shared(1)", SQL_SELECT, 1, K },
	{ "select pg_advisory_xact_lock(1)", SQL_SELECT, 1,
	    SQL_TOUCHES_LOCAL_LOCK },
	{ "select PG_TRY_ADVISORY_XACT_LOCK_SHARED(1)", SQL_SELECT, 1,
	    SQL_TOUCHES_LOCAL_LOCK },
	{ "select currval('s'), lastval()", SQL_SELECT, 1,
	    SQL_TOUCHES_SEQUENCE },
	{ "update t set a = 1", SQL_UPDATE, 1, 0 },
	{ "update pg_settings set setting = 1", SQL_UPDATE, 1, S },
	{ "select setting from pg_settings", SQL_SELECT, 1, 0 },
	{ "select set_limit(0.8)", SQL_SELECT, 1, S },
	{ "insert into t values (1) on conflict do update set a = 1",
	    SQL_INSERT, 1, R },
	{ "alter role r set search_path = x", SQL_ALTER, 1, 0 },
	{ "copy t to stdout", SQL_COPY, 1, SQL_TOUCHES_COPY | R },
	{ "with x as (insert into t values (1) returning *) select * from x",
	    SQL_WITH, 1, R },
	{ "create function f() returns int begin atomic; select 1; select "
	    "case when true then 2 end; end; select 3", SQL_CREATE, 2,
	    SQL_TOUCHES_DEFINES },
	{ "create rule r as on insert to t do (select 1; select 2); select 3",
	    SQL_CREATE, 2, 0 },
	{ "drop table t", SQL_DROP, 1, SQL_TOUCHES_UNTIES },
	{ "select pg_advisory_unlock_shared(1)", SQL_SELECT, 1,
	    SQL_TOUCHES_UNTIES },
	{ "table t", SQL_TABLE, 1, 0 },
	{ "values (1)", SQL_VALUES, 1, 0 },
	{ "nonsense", SQL_OTHER, 1, 0 },
	{ "\"set\" x = 1", SQL_OTHER, 1, 0 },
	{ "1", SQL_OTHER, 1, 0 },
	{ "s\xc3\xa9t x", SQL_OTHER, 1, 0 },
};

static void
check_case(size_t i, const struct sqlscan *scan, size_t at)
{
	ck_assert_msg(scan->first == cases[i].first &&
	    scan->statements == cases[i].statements &&
	    scan->touches == cases[i].touches,
	    "\"%s\" cut at %zu: first %d, %u statements, touches %x",
	    cases[i].text, at, scan->first, scan->statements,
	    scan->touches);
}

START_TEST(every_text_says_how_it_starts_and_what_it_touches)
{
	struct sqlscan	scan;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		sqlscan_text(&scan, cases[i].text, strlen(cases[i].text));
		check_case(i, &scan, 0);
	}
}
END_TEST

START_TEST(a_cut_at_any_byte_changes_nothing)
{
	struct sqlscan	scan;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		for (size_t at = 0; at <= strlen(cases[i].text); at++) {
			sqlscan_init(&scan, true);
			sqlscan_feed(&scan, cases[i].text, at);
			sqlscan_feed(&scan, cases[i].text + at,
			    strlen(cases[i].text) - at);
			sqlscan_end(&scan);
			check_case(i, &scan, at);
		}
}
END_TEST

START_TEST(the_last_word_is_folded_or_unquoted)
{
	struct sqlscan	scan;

	sqlscan_text(&scan, "deallocate FOO", 14);
	ck_assert_str_eq(sqlscan_last_word(&scan), "foo");
	sqlscan_text(&scan, "deallocate \"A \"\"b\";", 19);
	ck_assert_str_eq(sqlscan_last_word(&scan), "A \"b");
}
END_TEST

START_TEST(words_and_tags_of_any_length_are_survived)
{
	static char	text[100000];
	struct sqlscan	scan;

	for (size_t n = 1; n < 200; n++) {
		memset(text, 'a', sizeof text);
		sqlscan_text(&scan, text, n);
		ck_assert_uint_eq(scan.statements, 1);
		text[0] = '$';
		sqlscan_text(&scan, text, n);
	}
	memset(text, '(', sizeof text);
	sqlscan_text(&scan, text, sizeof text);
	memset(text, '/', sizeof text);
	for (size_t i = 1; i < sizeof text; i += 2)
		text[i] = '*';
	sqlscan_text(&scan, text, sizeof text);
}
END_TEST

START_TEST(with_standard_strings_off_a_backslash_hides_a_quote)
{
	static const char	text[] = "select '\\'; set x = 1; --'";
	struct sqlscan		scan;

	sqlscan_init(&scan, false);
	sqlscan_feed(&scan, text, sizeof text - 1);
	sqlscan_end(&scan);
	ck_assert_uint_eq(scan.statements, 1);
	ck_assert_uint_eq(scan.touches & SQL_TOUCHES_SETTINGS, 0);
}
END_TEST

/* "a.b c.d | $1", and "!" for many; what leads stands in front of "|". */
static const char *
named(const char *text)
{
	static char	result[600];
	struct sqlnames	names;
	size_t		n = 0;

	sqlscan_names(&names, text, strlen(text));
	for (int i = 0; i <= names.count; i++) {
		if (i == names.leading)
			n += (size_t)sprintf(result + n, "|");
		if (i < names.count)
			n += (size_t)sprintf(result + n, "%s ",
			    names.names[i]);
	}
	for (int i = 0; i < names.parameter_count; i++)
		n += (size_t)sprintf(result + n, "$%d ",
		    names.parameters[i]);
	sprintf(result + n, "%s", names.are_many ? "!" : "");
	return result;
}

START_TEST(names_with_a_dot_are_told)
{
	static const struct {
		const char	*text, *names;
	} told[] = {
		{ "set App.Tenant = 1", "app.tenant |" },
		{ "set session \"App\" . \"x\" to 1", "App.x |" },
		{ "set local a.b.c to d.e", "a.b.c |" },
		{ "set \"a.b\" = 1; set c.d = 1", "a.b |c.d " },
		{ "set local \"a.b\" = 1", "a.b |" },
		{ "set local.x = 1", "local.x |" },
		{ "begin; set local a.b = 'x'; select 1; commit", "a.b |" },
		{ "reset a.b", "|a.b " },
		{ "set a to b.c", "|" },
		{ "set a = \"b.c\"", "|" },
		{ "select 1; set a.b = 1", "|a.b " },
		{ "select set_config('a.b', $1, true)", "a.b |" },
		{ "select pg_catalog.set_config('a.b', '1', false), "
		    "set_config('c', '1', true), "
		    "set_config(E'd.e', '', true)", "a.b d.e |" },
		{ "select set_config('a.b', f(), true)", "|a.b " },
		{ "select f(), set_config('a.b', '', true)", "|a.b " },
		{ "select set_config('a', f(1), true)", "|" },
		{ "select set_config($2, $1, true), "
		    "set_config($3::text, '', false)", "|$2 $3 " },
		{ "select set_config('a'.'b', '', true)", "|" },
		{ "select set_config('a''.b', '', true)", "|" },
		{ "do $$ begin set local App.x = 1; "
		    "perform set_config('c.d', '', true); end $$",
		    "|app.x c.d " },
		{ "do 'begin perform set_config(''c.d'', '''', true); end'",
		    "|c.d " },
		{ "set a.b=1;set a.c=1;set a.d=1;set a.e=1;set a.f=1;"
		    "set a.g=1;set a.h=1;set a.i=1;set a.j=1",
		    "a.b |a.c a.d a.e a.f a.g a.h a.i !" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(told); i++)
		ck_assert_str_eq(named(told[i].text), told[i].names);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_not_told_but_known_of)
{
	static const char	*const forms[] = { "set %s.x = 1",
				    "set x.%s = 1", "set \"x.%s\" = 1",
				    "select set_config('x.%s', '', false)",
				    "do $$ begin set x.%s = 1; end $$",
				    "do $$ set_config('x.%s', '', true) $$" };
	char			 text[400], word[200] = "";
	struct sqlnames		 names;
	struct sqlscan		 scan;

	for (size_t n = 1; n < sizeof word - 1; n++) {
		word[n - 1] = 'a';
		for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
			sprintf(text, forms[i], word);
			sqlscan_names(&names, text, strlen(text));
			sqlscan_text(&scan, text, strlen(text));
			ck_assert_msg(names.count == (n < 61), "%s", text);
			ck_assert_uint_eq(scan.touches & (C | N), n < 61 ?
			    N : C);
		}
	}
}
END_TEST

START_TEST(ddl_that_can_change_no_other_clients_reads_is_told_apart)
{
	static const struct {
		const char	*text;
		bool		 alters;
	} told[] = {
		{ "create table t (a int)", true },
		{ "create table temp (a int)", true },
		{ "create table t (temp int)", true },
		{ "create or replace function temp() returns int", true },
		{ "create view index as select 1", true },
		{ "create \"temp\" table t ()", true },
		{ "create unlogged table temp ()", true },
		{ "create schema s create temp table t ()", true },
		{ "create index i on f (x); alter table t add b int", true },
		{ "create temp table t (); create function f()", true },
		{ "create function f() returns int begin atomic select 1; "
		    "end", true },
		{ "alter index i rename to j", true },
		{ "drop function index", true },
		{ "drop view table", true },
		{ "drop owned by temp", true },
		{ "drop temp", true },
		{ "create temp table t (a int)", false },
		{ "CREATE /* a */ TEMPORARY TABLE t AS SELECT 1", false },
		{ "create local temp sequence s", false },
		{ "create global temporary table t ()", false },
		{ "create or replace temp view v as select 1", false },
		{ "create temp recursive view v (n) as select 1", false },
		{ "create index on t (a)", false },
		{ "create unique index concurrently if not exists i on t (a)",
		    false },
		{ "drop table t", false },
		{ "drop table if exists pg_temp.t cascade", false },
		{ "drop index i", false },
		{ "select 1; insert into t values (1)", false },
	};
	struct sqlscan	scan;

	for (size_t i = 0; i < ARRAY_LENGTH(told); i++) {
		sqlscan_text(&scan, told[i].text, strlen(told[i].text));
		ck_assert_msg(scan.alters == told[i].alters, "%s",
		    told[i].text);
	}
}
END_TEST

CHECK_MAIN("sqlscan",
    ddl_that_can_change_no_other_clients_reads_is_told_apart,
    every_text_says_how_it_starts_and_what_it_touches,
    a_cut_at_any_byte_changes_nothing,
    the_last_word_is_folded_or_unquoted,
    words_and_tags_of_any_length_are_survived,
    with_standard_strings_off_a_backslash_hides_a_quote,
    names_with_a_dot_are_told,
    a_name_that_is_too_long_is_not_told_but_known_of)
