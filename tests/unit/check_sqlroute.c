/*
 * wire/sqlroute: what is a read on which conditions, and what is none.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/sqlroute.h"
#include "wire/sqlscan.h"

#include "check_main.h"

/*
 * Names with a sign for what they must be: f( function, r: relation, t::
 * type, .c perhaps a function, t? perhaps a type, w= defined by WITH, <o
 * symbol; plain names are left out.
 */
static void
print_names(const struct sqlroute *route, char *text, size_t size)
{
	size_t	n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < route->count; i++) {
		const char	*name = sqlroute_name(route, i);
		uint8_t		 flags = route->names[i].flags;

		if (flags == 0)
			continue;
		n += (size_t)snprintf(text + n, size - n, "%s%s%s%s%s%s%s%s%s",
		    n > 0 ? " " : "", flags & SQLROUTE_COLUMN ? "." : "",
		    flags & SQLROUTE_SYMBOL ? "<" : "", name,
		    flags & SQLROUTE_FUNCTION ? "(" : "",
		    flags & SQLROUTE_RELATION ? ":" : "",
		    flags & SQLROUTE_TYPE ? "::" : "",
		    flags & SQLROUTE_OWN ? "=" : "",
		    flags & SQLROUTE_LISTED ? "?" : "");
	}
}

static const struct {
	const char	*text;
	const char	*names;
} reads[] = {
	{ "select 1", "" },
	{ "SELECT 1;", "" },
	{ "select 1 ; ; -- nothing", "" },
	{ "(select 1) union (select 2)", "" },
	{ "values (1, 'x'), (2, 'y')", "" },
	{ "table users", "users:" },
	{ "select * from users where id = $1", "<* users: <=" },
	{ "select * from Users u, public.\"Orders\" as o where o.u = u.id",
	    "<* users: .u Orders: <= .id" },
	{ "select u.* from users u left join orders using (id)",
	    "<* users: .join orders:" },
	{ "select a from t1 join (t2 natural full outer join t3) on t1.x in "
	    "(select y from t4)", "t1: .join t2: t3: .x t4:" },
	{ "select * from (select 1) s (a), f(2) with ordinality as g(b, c)",
	    "<* a? f( b? c?" },
	{ "select * from f() as (a int, b mytype)", "<* f( a? b? mytype?" },
	{ "select * from only t, lateral f(t.x) l, t2", "<* t: f( .x t2:" },
	{ "select count(*), pg_catalog.lower(a) from t group by rollup (b) "
	    "having max(c) > 1 order by 2 limit 3 offset (4)",
	    "count( <* lower( t: .rollup max( <>" },
	{ "with a as (select 1), b (x) as materialized (select * from a), "
	    "c as not materialized (table d) select * from b join c on true",
	    "a:= b:= x? .materialized <* c:= d: .join" },
	{ "with recursive r(n) as (values (1) union all select n + 1 from r "
	    "where n < 9) select n from r", "r:= n? <+ <<" },
	{ "select x::int, y::public.mood, cast(z as citext), "
	    "w::timestamp with time zone, v::varchar(3)[], date '2020-01-01'",
	    "mood:: citext:: date::" },
	{ "select interval '1 day', n'x', b'1', x'f', E'\\'', e'a'", "" },
	{ "select extract(year from a), substring(b from 1 for 2), "
	    "trim(both ' ' from c), position('x' in d) from t", "t:" },
	{ "select a is distinct from b, a is not distinct from c from t",
	    "t:" },
	{ "select 1 as from, 2 as into, t.update from t", "t: .update" },
	{ "select array(select 1), exists(select 2 from t), a = any ($1)",
	    "t: <=" },
	{ "select sum(x) filter (where y) over (partition by z), rank() "
	    "over w from t window w as (order by q)",
	    "sum( .filter .over rank( t:" },
	{ "select (t).f, (a[1]).g, t.a.b from t", "t: .f .g .b" },
	{ "select left(a, 1) from t where left(b, 2) ilike 'x' escape '!'",
	    ".left t:" },
	{ "select a from t join u on left(t.b, 1) = u.c",
	    "t: .join u: .left .b <= .c" },
	{ "select a <-> b, c operator(pg_catalog.+) d from t",
	    "<<-> .operator <+ t:" },
	{ "select 1.from t", "t:" },
	{ "select 'insert', $$update$$, \"delete\", /* into */ 1 -- for",
	    "" },
	{ "explain select f(1)", "f(" },
	{ "explain analyze verbose select 1", "" },
	{ "explain (analyze, format json) with a as (select 1) table a",
	    "a:=" },
	{ "explain (select 1 from t)", "t:" },
	{ "copy t (a, b) to stdout with (format csv)", "t: a? b?" },
	{ "copy (select a from t) to stdout csv delimiter ','", "t:" },
	{ "select * from t tablesample system (1) repeatable (2)",
	    "<* t: system( .repeatable" },
	{ "select a from t fetch first (1) rows only", "t: .first" },
	{ "select '1'::text collate \"C\"", "text::" },
	{ "select u&'d\\0061t'", "<&" },
};

static const struct {
	const char		*text;
	enum sqlroute_doubt	 doubt;
} others[] = {
	{ "", SQLROUTE_EMPTY },
	{ " ; -- x", SQLROUTE_EMPTY },
	{ "insert into t values (1)", SQLROUTE_NOT_READ },
	{ "update t set a = 1", SQLROUTE_NOT_READ },
	{ "delete from t", SQLROUTE_NOT_READ },
	{ "merge into t using s on true when matched then do nothing",
	    SQLROUTE_NOT_READ },
	{ "truncate t", SQLROUTE_NOT_READ },
	{ "begin", SQLROUTE_NOT_READ },
	{ "show all", SQLROUTE_NOT_READ },
	{ "lock t", SQLROUTE_NOT_READ },
	{ "fetch all from c", SQLROUTE_NOT_READ },
	{ "declare c cursor for select 1", SQLROUTE_NOT_READ },
	{ "refresh materialized view v", SQLROUTE_NOT_READ },
	{ "do $$ begin end $$", SQLROUTE_NOT_READ },
	{ "create table t as select 1", SQLROUTE_NOT_READ },
	{ "execute p", SQLROUTE_NOT_READ },
	{ "\"select\" 1", SQLROUTE_NOT_READ },
	{ "1", SQLROUTE_NOT_READ },
	{ "'x'", SQLROUTE_NOT_READ },
	{ "select 1 into t", SQLROUTE_WRITES },
	{ "with x as (insert into t values (1) returning a) select * from x",
	    SQLROUTE_WRITES },
	{ "with x as (delete from t returning a) table x", SQLROUTE_WRITES },
	{ "with x as (select 1) update t set a = 1", SQLROUTE_WRITES },
	{ "with x as (select 1) delete from t", SQLROUTE_WRITES },
	{ "explain delete from t", SQLROUTE_NOT_READ },
	{ "explain (analyze) update t set a = 1", SQLROUTE_NOT_READ },
	{ "explain analyze execute p", SQLROUTE_NOT_READ },
	{ "explain create table t as select 1", SQLROUTE_NOT_READ },
	{ "explain explain select 1", SQLROUTE_NOT_READ },
	{ "select 1 from t for update", SQLROUTE_LOCKS },
	{ "select 1 from t for key share of t nowait", SQLROUTE_LOCKS },
	{ "select * from (select 1 from t for share) s", SQLROUTE_LOCKS },
	{ "select 1; select 2", SQLROUTE_SEVERAL },
	{ "select 1; delete from t", SQLROUTE_SEVERAL },
	{ "select 1;'x'", SQLROUTE_SEVERAL },
	{ "copy t to stdout; delete from t", SQLROUTE_SEVERAL },
	{ "copy t from stdin", SQLROUTE_WRITES },
	{ "copy t to '/tmp/x'", SQLROUTE_NOT_READ },
	{ "copy t to program 'x'", SQLROUTE_NOT_READ },
	{ "copy t to $$x$$", SQLROUTE_NOT_READ },
	{ "copy t", SQLROUTE_NOT_READ },
	{ "copy (delete from t returning *) to stdout", SQLROUTE_WRITES },
	{ "copy (select 1 into t) to stdout", SQLROUTE_WRITES },
	{ "select set_config('a', 'b', false)", SQLROUTE_SESSION },
	{ "select pg_advisory_lock(1)", SQLROUTE_SESSION },
	{ "select currval('s')", SQLROUTE_SESSION },
	{ "select U&\"f\" (1)", SQLROUTE_SESSION },
	{ "select 'a\\' , f(1) --'", SQLROUTE_SESSION },
	{ "select (1", SQLROUTE_UNCLEAR },
	{ "select 1)", SQLROUTE_UNCLEAR },
	{ "select (1;)", SQLROUTE_UNCLEAR },
	{ "select \\x", SQLROUTE_UNCLEAR },
	{ "select {d '2020-01-01'}", SQLROUTE_UNCLEAR },
	{ "select a::", SQLROUTE_UNCLEAR },
	{ "select a::(b)", SQLROUTE_UNCLEAR },
	{ "select t.", SQLROUTE_UNCLEAR },
	{ "select aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaa", SQLROUTE_TOO_MUCH },
	{ "select 1 +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-"
	    "+-+-+-+-+-+-+-+-+-+-1", SQLROUTE_TOO_MUCH },
};

static void
check_read(size_t i, const struct sqlroute *route, size_t at)
{
	char	names[2000];

	ck_assert_msg(route->doubt == SQLROUTE_READ, "%s (cut at %zu): %s",
	    reads[i].text, at, sqlroute_doubt_text(route->doubt));
	print_names(route, names, sizeof names);
	ck_assert_msg(strcmp(names, reads[i].names) == 0,
	    "%s (cut at %zu):\n  %s, not\n  %s", reads[i].text, at, names,
	    reads[i].names);
}

static void
scan_cut(struct sqlroute *route, const char *text, size_t at)
{
	struct sqlscan	scan;

	sqlscan_init(&scan, true);
	sqlroute_attach(route, &scan);
	sqlscan_feed(&scan, text, at);
	sqlscan_feed(&scan, text + at, strlen(text) - at);
	sqlscan_end(&scan);
	sqlroute_end(route, &scan);
}

START_TEST(a_read_lists_what_must_be_known_to_be_harmless)
{
	struct sqlroute	route;

	for (size_t i = 0; i < ARRAY_LENGTH(reads); i++) {
		scan_cut(&route, reads[i].text, 0);
		check_read(i, &route, 0);
	}
}
END_TEST

START_TEST(what_is_not_understood_to_read_is_no_read)
{
	struct sqlroute	route;
	struct sqlscan	scan;

	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		sqlroute_text(&route, &scan, others[i].text,
		    strlen(others[i].text));
		ck_assert_msg(route.doubt == others[i].doubt, "%s: %s, not %s",
		    others[i].text, sqlroute_doubt_text(route.doubt),
		    sqlroute_doubt_text(others[i].doubt));
	}
}
END_TEST

START_TEST(a_cut_at_any_byte_changes_nothing)
{
	struct sqlroute	route;

	for (size_t i = 0; i < ARRAY_LENGTH(reads); i++)
		for (size_t at = 0; at <= strlen(reads[i].text); at++) {
			scan_cut(&route, reads[i].text, at);
			check_read(i, &route, at);
		}
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		for (size_t at = 0; at <= strlen(others[i].text); at++) {
			scan_cut(&route, others[i].text, at);
			ck_assert_uint_eq(route.doubt, others[i].doubt);
		}
}
END_TEST

START_TEST(more_names_or_parentheses_than_there_is_room_for_are_no_read)
{
	static char	text[200000];
	struct sqlroute	route;
	struct sqlscan	scan;
	size_t		n = 0;

	n += (size_t)sprintf(text, "select 1");
	for (int i = 0; i < 10000; i++)
		n += (size_t)sprintf(text + n, ", a%d", i);
	sqlroute_text(&route, &scan, text, n);
	ck_assert_uint_eq(route.doubt, SQLROUTE_TOO_MUCH);
	n = (size_t)sprintf(text, "select ");
	memset(text + n, '(', 100);
	sqlroute_text(&route, &scan, text, n + 100);
	ck_assert_uint_eq(route.doubt, SQLROUTE_TOO_MUCH);
	n = (size_t)sprintf(text, "select 1");
	for (int i = 0; i < 10000; i++)
		n += (size_t)sprintf(text + n, ", a + f(2)");
	sqlroute_text(&route, &scan, text, n);
	ck_assert_uint_eq(route.doubt, SQLROUTE_READ);
	ck_assert_uint_eq(route.count, 3);
}
END_TEST

CHECK_MAIN("sqlroute",
    a_read_lists_what_must_be_known_to_be_harmless,
    what_is_not_understood_to_read_is_no_read,
    a_cut_at_any_byte_changes_nothing,
    more_names_or_parentheses_than_there_is_room_for_are_no_read)
