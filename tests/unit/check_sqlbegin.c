/*
 * wire/sqlbegin: which transactions are understood to the last word.
 */

#include <string.h>

#include "base/mem.h"
#include "wire/sqlbegin.h"

#include "check_main.h"

#define B	SQLBEGIN_BEGIN
#define O	SQLBEGIN_OTHER
#define RO	SQLBEGIN_READ_ONLY
#define RW	SQLBEGIN_READ_WRITE
#define SER	SQLBEGIN_SERIALIZABLE
#define RR	SQLBEGIN_REPEATABLE_READ

static const struct {
	const char		*text;
	enum sqlbegin_kind	 kind;
	int			 access, isolation;
	bool			 is_start, is_deferrable;
} cases[] = {
	{ "begin", B, 0, 0, false, false },
	{ "BEGIN;", B, 0, 0, false, false },
	{ "\n Begin\tWork ; ; ", B, 0, 0, false, false },
	{ "begin transaction", B, 0, 0, false, false },
	{ "start transaction", B, 0, 0, true, false },
	{ "begin read only", B, RO, 0, false, false },
	{ "begin read write", B, RW, 0, false, false },
	{ "begin read only, read write", B, RW, 0, false, false },
	{ "START TRANSACTION READ ONLY;", B, RO, 0, true, false },
	{ "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", B, RO, RR, false,
	    false },
	{ "begin isolation level serializable, read only , deferrable", B, RO,
	    SER, false, true },
	{ "begin deferrable not deferrable", B, 0, 0, false, false },
	{ "begin isolation level read committed", B, 0,
	    SQLBEGIN_READ_COMMITTED, false, false },
	{ "begin work isolation level read uncommitted", B, 0,
	    SQLBEGIN_READ_UNCOMMITTED, false, false },
	{ "commit", SQLBEGIN_COMMIT, 0, 0, false, false },
	{ "end work;", SQLBEGIN_COMMIT, 0, 0, false, false },
	{ "COMMIT TRANSACTION AND NO CHAIN", SQLBEGIN_COMMIT, 0, 0, false,
	    false },
	{ "rollback", SQLBEGIN_ROLLBACK, 0, 0, false, false },
	{ "abort;", SQLBEGIN_ROLLBACK, 0, 0, false, false },
	{ "set transaction read only", SQLBEGIN_SET, RO, 0, false, false },
	{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE;",
	    SQLBEGIN_SET, RW, SER, false, false },
	{ "set transaction", O, 0, 0, false, false },
	{ "set transaction snapshot '0-1'", O, 0, 0, false, false },
	{ "set local transaction read only", O, 0, 0, false, false },
	{ "", O, 0, 0, false, false },
	{ ";", O, 0, 0, false, false },
	{ "begi", O, 0, 0, false, false },
	{ "beginning", O, 0, 0, false, false },
	{ "begin_", O, 0, 0, false, false },
	{ "begin; select 1", O, 0, 0, false, false },
	{ "begin read", O, 0, 0, false, false },
	{ "begin read only,", O, 0, 0, false, false },
	{ "begin , read only", O, 0, 0, false, false },
	{ "begin read only,,read write", O, 0, 0, false, false },
	{ "begin isolation serializable", O, 0, 0, false, false },
	{ "begin isolation level", O, 0, 0, false, false },
	{ "begin isolation level repeatable", O, 0, 0, false, false },
	{ "begin isolation level snapshot", O, 0, 0, false, false },
	{ "begin not", O, 0, 0, false, false },
	{ "begin work transaction", O, 0, 0, false, false },
	{ "begin /* x */", O, 0, 0, false, false },
	{ "begin -- x", O, 0, 0, false, false },
	{ "begin$1", O, 0, 0, false, false },
	{ "start", O, 0, 0, false, false },
	{ "start work", O, 0, 0, false, false },
	{ "commit and chain", O, 0, 0, false, false },
	{ "commit prepared 'x'", O, 0, 0, false, false },
	{ "commit; begin", O, 0, 0, false, false },
	{ "rollback to a", O, 0, 0, false, false },
	{ "rollback work to savepoint a", O, 0, 0, false, false },
	{ "rollback prepared 'x'", O, 0, 0, false, false },
	{ "select 1", O, 0, 0, false, false },
};

START_TEST(what_is_understood_to_the_last_word_is_known)
{
	struct sqlbegin	begin;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		sqlbegin_parse(&begin, cases[i].text, strlen(cases[i].text));
		ck_assert_msg(begin.kind == cases[i].kind, "%s: %d",
		    cases[i].text, begin.kind);
		if (begin.kind == SQLBEGIN_OTHER)
			continue;
		ck_assert_msg(begin.access == cases[i].access &&
		    begin.isolation == cases[i].isolation &&
		    begin.is_start == cases[i].is_start &&
		    begin.is_deferrable == cases[i].is_deferrable, "%s",
		    cases[i].text);
	}
}
END_TEST

/* What is printed means what was said. */
START_TEST(a_begin_that_is_printed_is_understood_as_before)
{
	struct sqlbegin	begin, again;
	char		text[SQLBEGIN_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		sqlbegin_parse(&begin, cases[i].text, strlen(cases[i].text));
		if (begin.kind != SQLBEGIN_BEGIN)
			continue;
		sqlbegin_print(&begin, text);
		sqlbegin_parse(&again, text, strlen(text));
		begin.is_start = false;
		ck_assert_msg(memcmp(&begin, &again, sizeof begin) == 0,
		    "%s: %s", cases[i].text, text);
	}
	sqlbegin_parse(&begin, "begin isolation level repeatable read, "
	    "read write, not deferrable", 65);
	sqlbegin_print(&begin, text);
	ck_assert_str_eq(text, "BEGIN ISOLATION LEVEL REPEATABLE READ "
	    "READ WRITE NOT DEFERRABLE");
}
END_TEST

START_TEST(set_transaction_changes_what_it_names)
{
	struct sqlbegin	begin, set;
	char		text[SQLBEGIN_TEXT_BYTES];

	sqlbegin_parse(&begin, "begin read only", 15);
	sqlbegin_parse(&set, "set transaction isolation level serializable",
	    44);
	sqlbegin_merge(&begin, &set);
	sqlbegin_print(&begin, text);
	ck_assert_str_eq(text, "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY");
	sqlbegin_parse(&set, "set transaction read write deferrable", 37);
	sqlbegin_merge(&begin, &set);
	sqlbegin_print(&begin, text);
	ck_assert_str_eq(text, "BEGIN ISOLATION LEVEL SERIALIZABLE "
	    "READ WRITE DEFERRABLE");
}
END_TEST

/* Each text stands at the end of its memory, which asan watches. */
START_TEST(nothing_behind_the_text_is_read)
{
	struct sqlbegin	begin;
	char		*copy;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		for (size_t n = 0; n <= strlen(cases[i].text); n++) {
			copy = mem_copy(cases[i].text, n);
			sqlbegin_parse(&begin, copy, n);
			free(copy);
		}
	sqlbegin_parse(&begin, "begin\0", 6);
	ck_assert_int_eq(begin.kind, SQLBEGIN_OTHER);
	sqlbegin_parse(&begin, "begin\0read only", 15);
	ck_assert_int_eq(begin.kind, SQLBEGIN_OTHER);
}
END_TEST

CHECK_MAIN("sqlbegin",
    what_is_understood_to_the_last_word_is_known,
    a_begin_that_is_printed_is_understood_as_before,
    set_transaction_changes_what_it_names,
    nothing_behind_the_text_is_read)
