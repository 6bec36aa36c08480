/*
 * Of several hosts one that dies, with something in flight: the client hears
 * what became of it, nothing is run twice, and the connection stays; but where
 * a part of a message has gone out already.
 */

#include <string.h>

#include "base/mem.h"
#include "talk.h"

static struct peer	*one, *ann;

#define UNKNOWN	error("08007", "it is not known whether this was committed...")
#define UNDONE	error("40001", "nothing of this transaction was committed...")

static void
ann_enters(void)
{
	one = talk_begins_split("");
	ann = client_enters(1);
}

/* The next host that opens hears what she says from now on, and only that. */
static void
she_goes_on(void)
{
	struct peer	*two;

	says(ann, query("insert again"));
	two = server_enters();
	hears(two, query("insert again"));
	answers(two, ann, 'I');
	talk_ends();
}

static struct saying *
batch_of(const char *text)
{
	return all_of(parse("", text), binds(""), executes(), plain('S'));
}

static struct saying *
batch(void)
{
	return batch_of("insert");
}

static void
ann_has_begun(void)
{
	ann_enters();
	says(ann, query("begin isolation level serializable"));
	hears(ann, complete("BEGIN"), ready('T'));
	says(ann, query("insert 1"));
	hears(one, parse("", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
	    binds(""), executes(), query("insert 1"));
	says(one, plain('1'), plain('2'), complete("BEGIN"),
	    complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
}

/* Cut at every byte; a message of rows goes out as it comes. */
START_TEST(a_statement_of_its_own_is_unknown_but_behind_half_a_message_lost)
{
	size_t	rows[] = { length_of(shape("x")), length_of(shape("x"),
		    row("12345")) };
	size_t	end = rows[1] + length_of(complete("INSERT 0 1"));

	for (size_t at = 0; at < end + length_of(ready('I')); at++) {
		ann_enters();
		says(ann, query("insert"));
		hears(one, query("insert"));
		says_first(at, one, shape("x"), row("12345"),
		    complete("INSERT 0 1"), ready('I'));
		leaves(one);
		if (at < 5)
			hears(ann, UNKNOWN, ready('I'));
		else if (at >= end)
			hears(ann, shape("x"), row("12345"),
			    complete("INSERT 0 1"), UNKNOWN, ready('I'));
		else if (at >= rows[1])
			hears(ann, shape("x"), row("12345"), UNKNOWN,
			    ready('I'));
		else if (at >= rows[0] && at < rows[0] + 5)
			hears(ann, shape("x"), UNKNOWN, ready('I'));
		else {
			hears(ann, cut(all_of(shape("x"), row("12345")), 0,
			    at), the_end());
			talk_ends();
			continue;
		}
		she_goes_on();
	}
}
END_TEST

START_TEST(each_statement_of_a_pipeline_is_unknown)
{
	ann_enters();
	says(ann, query("insert 1"), query("insert 2"), batch());
	hears(one, query("insert 1"), query("insert 2"), batch());
	answers(one, ann, 'I');
	leaves(one);
	hears(ann, UNKNOWN, ready('I'), UNKNOWN, ready('I'));
	she_goes_on();
}
END_TEST

START_TEST(a_batch_is_unknown_also_where_its_sync_has_not_come)
{
	ann_enters();
	says(ann, batch());
	hears(one, batch());
	says(one, plain('1'), plain('2'));
	leaves(one);
	hears(ann, plain('1'), plain('2'), UNKNOWN, ready('I'));
	she_goes_on();

	ann_enters();
	says(ann, parse("", "insert"), binds(""), executes(), plain('H'));
	hears(one, parse("", "insert"), binds(""), executes(), plain('H'));
	leaves(one);
	hears(ann, UNKNOWN);
	says(ann, parse("", "insert"), binds(""), executes());
	hears_nothing(ann);
	says(ann, plain('S'));
	hears(ann, ready('I'));
	she_goes_on();
}
END_TEST

START_TEST(a_commit_is_unknown_and_any_other_statement_of_a_block_is_not)
{
	static const struct {
		const char	*text;
		bool		 is_unknown;
	} lasts[] = {
		{ "commit", true }, { "end", true },
		{ "prepare transaction 'x'", true },
		{ "insert 2", false }, { "savepoint s", false },
		{ "rollback to s", false }, { "rollback and chain", false },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(lasts); i++) {
		ann_has_begun();
		says(ann, query(lasts[i].text));
		hears(one, query(lasts[i].text));
		leaves(one);
		if (lasts[i].is_unknown)
			hears(ann, UNKNOWN, ready('I'));
		else {
			hears(ann, UNDONE, ready('E'));
			says(ann, query("insert 3"));
			hears(ann, error("25P02", "..."), ready('E'));
			says(ann, query("rollback"));
			hears(ann, complete("ROLLBACK"), ready('I'));
		}
		she_goes_on();
	}
}
END_TEST

/* Wherever its answer is cut, she hears it once. */
START_TEST(a_rollback_in_flight_is_done)
{
	size_t	end = length_of(complete("ROLLBACK"), ready('I'));

	for (size_t at = 0; at < end; at++) {
		ann_has_begun();
		says(ann, query("abort work;"));
		hears(one, query("abort work;"));
		says_first(at, one, complete("ROLLBACK"), ready('I'));
		leaves(one);
		hears(ann, complete("ROLLBACK"), ready('I'));
		she_goes_on();
	}
}
END_TEST

START_TEST(a_rollback_in_flight_is_done_also_where_it_is_a_batch)
{
	struct saying	*done;
	size_t		 end;

	end = length_of(plain('1'), plain('2'), plain('n'),
	    complete("ROLLBACK"), ready('I'));
	for (size_t at = 0; at < end; at++) {
		ann_has_begun();
		done = all_of(plain('1'), plain('2'), plain('n'),
		    complete("ROLLBACK"), ready('I'));
		says(ann, parse("", "rollback"), binds(""), describes('P', ""),
		    executes(), plain('S'));
		hears(one, parse("", "rollback"), binds(""),
		    describes('P', ""), executes(), plain('S'));
		says_first(at, one, done);
		leaves(one);
		hears(ann, done);
		she_goes_on();
	}
}
END_TEST

/* What she prepared with it is hers. */
START_TEST(a_rollback_in_flight_keeps_its_name)
{
	ann_has_begun();
	says(ann, parse("r", "rollback"), binds("r"), executes(), plain('S'));
	ignores(one);
	leaves(one);
	hears(ann, plain('1'), plain('2'), complete("ROLLBACK"), ready('I'));
	says(ann, describes('S', "r"), plain('S'));
	one = server_enters();
	ignores(one);
	/* It is prepared again, and not refused. */
	hears_nothing(ann);
	leaves(one);
	ignores(ann);
	talk_ends();
}
END_TEST

START_TEST(a_rollback_behind_what_failed_with_its_server_is_done)
{
	ann_has_begun();
	says(ann, query("insert 2"), batch(), query("rollback"));
	hears(one, query("insert 2"), batch(), query("rollback"));
	leaves(one);
	hears(ann, UNDONE, ready('E'), UNDONE, ready('E'),
	    complete("ROLLBACK"), ready('I'));
	she_goes_on();
}
END_TEST

START_TEST(of_two_rollbacks_in_flight_each_is_answered)
{
	ann_has_begun();
	says(ann, query("rollback"), query("rollback"));
	hears(one, query("rollback"), query("rollback"));
	says(one, complete("ROLLBACK"));
	leaves(one);
	hears(ann, complete("ROLLBACK"), error("08007", "..."), ready('I'),
	    error("08007", "..."), ready('I'));
	she_goes_on();
}
END_TEST

/* It is a transaction of its own. */
START_TEST(what_comes_behind_a_rollback_in_flight_is_unknown)
{
	ann_has_begun();
	says(ann, query("rollback"), query("insert 2"));
	hears(one, query("rollback"), query("insert 2"));
	leaves(one);
	hears(ann, UNKNOWN, ready('I'), UNKNOWN, ready('I'));
	she_goes_on();
}
END_TEST

START_TEST(a_rollback_is_not_done_before_its_sync_has_come)
{
	ann_has_begun();
	says(ann, parse("", "rollback"), binds(""), executes(), plain('H'));
	hears(one, parse("", "rollback"), binds(""), executes(), plain('H'));
	leaves(one);
	hears(ann, UNDONE);
	says(ann, plain('S'));
	hears(ann, ready('E'));
	says(ann, query("rollback"));
	hears(ann, complete("ROLLBACK"), ready('I'));
	she_goes_on();
}
END_TEST

/* A server whose client has SET something is asked what that came to. */
static void
one_is_asked(void)
{
	struct buf	*asked = hears_body(one, 'Q');

	ck_assert_ptr_nonnull(strstr((const char *)buf_bytes(asked),
	    "pg_settings"));
}

#define UNSET	error("08007", "it is not known what this has changed, "\
	"for this session nothing has: ...")

/* She must not believe that it holds, nor need to connect again. */
START_TEST(a_set_has_failed_where_nobody_knows_what_it_has_set)
{
	for (int is_batch = 0; is_batch < 2; is_batch++) {
		ann_enters();
		says(ann, is_batch ? batch_of("set a = 1") :
		    query("set a = 1"));
		ignores(one);
		if (is_batch)
			says(one, plain('1'), plain('2'));
		says(one, complete("SET"), ready('I'));
		one_is_asked();
		leaves(one);
		if (is_batch)
			hears(ann, plain('1'), plain('2'), complete("SET"),
			    UNSET, ready('I'));
		else
			hears(ann, complete("SET"), UNSET, ready('I'));
		she_goes_on();
	}
}
END_TEST

START_TEST(a_set_is_over_when_it_is_known_what_it_has_set)
{
	ann_enters();
	says(ann, query("set a = 1"));
	hears(one, query("set a = 1"));
	says(one, complete("SET"), ready('I'));
	one_is_asked();
	hears(ann, complete("SET"));
	says(one, setting("a", "1"), complete("SELECT 1"), ready('I'));
	hears(ann, ready('I'));
	leaves(one);
	says(ann, query("insert"));
	one = server_enters();
	ck_assert_ptr_nonnull(strstr((const char *)
	    buf_bytes(hears_body(one, 'Q')), "set_config"));
	hears(one, query("insert"));
	leaves(one);
	ignores(ann);
	talk_ends();
}
END_TEST

/* Also where that needs no server. */
START_TEST(what_is_said_behind_a_set_is_answered_behind_it)
{
	ann_enters();
	says(ann, parse("", "discard all"), binds(""), plain('S'),
	    query("deallocate all"), query("insert"));
	hears(one, parse("", "discard all"), binds(""), plain('S'));
	says(one, plain('1'), plain('2'), ready('I'));
	hears(ann, plain('1'), plain('2'));
	one_is_asked();
	says(one, complete("SELECT 0"), ready('I'));
	hears(ann, ready('I'), complete("DEALLOCATE ALL"), ready('I'));
	hears(one, query("insert"));
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_listen_has_failed_where_nobody_knows_whether_it_listens)
{
	ann_enters();
	says(ann, query("listen a"));
	hears(one, query("listen a"));
	says(one, complete("LISTEN"), ready('I'));
	ignores(one);
	leaves(one);
	hears(ann, complete("LISTEN"), UNSET, ready('I'));
	she_goes_on();
}
END_TEST

/* As many pools do when a connection is given back to them. */
START_TEST(resetting_what_is_not_set_costs_nothing)
{
	ann_enters();
	asks(ann, one, "close all; reset all", 'I');
	asks(ann, one, "insert", 'I');
	asks(ann, one, "reset all", 'I');
	leaves(one);
	she_goes_on();
}
END_TEST

CHECK_MAIN("talk_lost",
    a_statement_of_its_own_is_unknown_but_behind_half_a_message_lost,
    each_statement_of_a_pipeline_is_unknown,
    a_batch_is_unknown_also_where_its_sync_has_not_come,
    a_commit_is_unknown_and_any_other_statement_of_a_block_is_not,
    a_rollback_in_flight_is_done,
    a_rollback_in_flight_is_done_also_where_it_is_a_batch,
    a_rollback_in_flight_keeps_its_name,
    a_rollback_behind_what_failed_with_its_server_is_done,
    of_two_rollbacks_in_flight_each_is_answered,
    what_comes_behind_a_rollback_in_flight_is_unknown,
    a_rollback_is_not_done_before_its_sync_has_come,
    a_set_has_failed_where_nobody_knows_what_it_has_set,
    a_set_is_over_when_it_is_known_what_it_has_set,
    what_is_said_behind_a_set_is_answered_behind_it,
    a_listen_has_failed_where_nobody_knows_whether_it_listens,
    resetting_what_is_not_set_costs_nothing)
