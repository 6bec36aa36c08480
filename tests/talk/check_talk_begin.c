/*
 * A BEGIN that is held back, and each way in which it can end: nothing of it
 * reaches a server before the first statement does, and it is sent in front
 * of that.
 */

#include <string.h>

#include "base/mem.h"
#include "session/prepared.h"
#include "talk.h"

#define hears_begun(server)						\
	hears((server), parse("", "BEGIN"), binds(""), executes(),	\
	    query("insert"))

static struct saying *
begun(void)
{
	return all_of(plain('1'), plain('2'), complete("BEGIN"));
}

/* Ann's BEGIN is answered, and nobody else has heard of it. */
static struct peer *
ann_begins(struct peer *one)
{
	struct peer	*ann = client_enters(1);

	says(ann, query("begin"));
	hears(ann, complete("BEGIN"), ready('T'));
	hears_nothing(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	return ann;
}

static struct peer *
ann_inserts(struct peer *one)
{
	struct peer	*ann = ann_begins(one);

	says(ann, query("insert"));
	hears_begun(one);
	pool_is("1 linked, 0 idle, 0 waiting");
	return ann;
}

/* Her transaction has failed; she ends it, and the next is like any other. */
static void
ends_it(struct peer *ann, const char *how)
{
	says(ann, query("select 1"));
	hears(ann, error("25P02", "..."), ready('E'));
	says(ann, query(how));
	hears(ann, complete("ROLLBACK"), ready('I'));
	opens_for(ann, "insert", 'I');
	talk_ends();
}

START_TEST(a_begin_and_its_end_reach_no_server)
{
	struct peer		*one = talk_begins_split("");
	struct peer		*ann = client_enters(1);
	static const struct {
		const char	*text, *tag;
	} ends[] = {
		{ "commit", "COMMIT" }, { "END;", "COMMIT" },
		{ "rollback work", "ROLLBACK" }, { "abort", "ROLLBACK" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
		says(ann, query("begin"));
		hears(ann, complete("BEGIN"), ready('T'));
		says(ann, query(ends[i].text));
		hears(ann, complete(ends[i].tag), ready('I'));
		/* In one piece, and by the extended protocol. */
		says(ann, query("start transaction read only"),
		    query(ends[i].text));
		hears(ann, complete("START TRANSACTION"), ready('T'),
		    complete(ends[i].tag), ready('I'));
		says(ann, parse("", "begin"), binds(""), executes(),
		    plain('S'), parse("", ends[i].text), binds(""),
		    executes(), plain('S'));
		hears(ann, plain('1'), plain('2'), complete("BEGIN"),
		    ready('T'), plain('1'), plain('2'),
		    complete(ends[i].tag), ready('I'));
	}
	hears_nothing(one);
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(a_begin_is_sent_in_front_of_its_first_statement)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = ann_inserts(one);

	says(one, begun(), complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
	asks(ann, one, "commit", 'I');
	says(ann, query("begin isolation level repeatable read"));
	says(ann, query("set transaction read only, deferrable"));
	hears(ann, complete("BEGIN"), ready('T'), complete("SET"),
	    ready('T'));
	says(ann, query("insert"));
	hears(one, parse("", "BEGIN ISOLATION LEVEL REPEATABLE READ "
	    "READ ONLY DEFERRABLE"), binds(""), executes(), query("insert"));
	says(one, begun(), error("25006", "no"), ready('E'));
	hears(ann, error("25006", "no"), ready('E'));
	asks(ann, one, "rollback", 'I');
	talk_ends();
}
END_TEST

/* Wherever the bytes are cut, it is as if they had come at once. */
START_TEST(a_transaction_is_the_same_wherever_its_bytes_are_cut)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = client_enters(1);
	struct saying	*all = all_of(query("begin"), query("commit"),
			    query("begin"), query("insert"));
	size_t		 n = length_of(all);

	for (size_t at = 1; at < n; at++) {
		says(ann, cut(all, 0, at));
		says(ann, cut(all, at, n));
		hears(ann, complete("BEGIN"), ready('T'), complete("COMMIT"),
		    ready('I'), complete("BEGIN"), ready('T'));
		hears_begun(one);
		says(one, begun(), complete("INSERT 0 1"), ready('T'));
		hears(ann, complete("INSERT 0 1"), ready('T'));
		asks(ann, one, "commit", 'I');
	}
	says_slowly(ann, all);
	ignores(ann);
	hears_begun(one);
	says_slowly(one, begun(), complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
	asks(ann, one, "rollback", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_whole_transaction_in_a_pipeline_is_done_in_order)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = client_enters(1);

	says(ann, query("begin"), query("insert"), query("commit"),
	    query("begin"), query("rollback"));
	hears(ann, complete("BEGIN"), ready('T'));
	hears(one, parse("", "BEGIN"), binds(""), executes(),
	    query("insert"), query("commit"), query("begin"),
	    query("rollback"));
	says(one, begun(), complete("INSERT 0 1"), ready('T'),
	    complete("COMMIT"), ready('I'), complete("BEGIN"), ready('T'),
	    complete("ROLLBACK"), ready('I'));
	hears(ann, complete("INSERT 0 1"), ready('T'), complete("COMMIT"),
	    ready('I'), complete("BEGIN"), ready('T'), complete("ROLLBACK"),
	    ready('I'));
	talk_ends();
}
END_TEST

START_TEST(who_leaves_behind_a_begin_leaves_nothing)
{
	struct peer	*one = talk_begins_split("default_pool_size = 1\n");
	struct peer	*ann = ann_begins(one), *bob = client_enters(1);

	leaves(ann);
	hears_nothing(one);
	asks(bob, one, "insert", 'I');
	/* The same in the middle of the first statement's message. */
	ann = ann_begins(one);
	says(ann, cut(query("insert"), 0, 7));
	leaves(ann);
	hears_nothing(one);
	asks(bob, one, "insert", 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_leaves_while_its_first_statement_runs_is_rolled_back)
{
	struct peer	*one = talk_begins_split("default_pool_size = 1\n");
	struct peer	*ann = ann_inserts(one), *bob = client_enters(1);
	struct peer	*canceller;

	leaves(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(canceller);
	is_brought_in_step(one);
	asks(bob, one, "insert", 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_leaves_in_line_behind_a_begin_takes_it_along)
{
	struct peer	*one = talk_begins_split("default_pool_size = 1\n");
	struct peer	*ann = ann_inserts(one), *bob = client_enters(1);

	says(bob, query("begin"), query("insert"));
	hears(bob, complete("BEGIN"), ready('T'));
	pool_is("1 linked, 0 idle, 1 waiting");
	leaves(bob);
	pool_is("1 linked, 0 idle, 0 waiting");
	says(one, begun(), complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
	asks(ann, one, "commit", 'I');
	hears_nothing(one);
	talk_ends();
}
END_TEST

START_TEST(a_server_that_dies_while_a_begin_is_held_is_replaced_unseen)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = ann_begins(one), *two;

	leaves(one);
	hears_nothing(ann);
	says(ann, query("insert"));
	two = server_enters();
	hears_begun(two);
	says(two, begun(), complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
	asks(ann, two, "commit", 'I');
	talk_ends();
}
END_TEST

/* Nothing was committed, however much it has said of BEGIN. */
START_TEST(a_server_that_dies_with_the_first_statement_fails_the_transaction)
{
	struct peer	*one, *ann;
	size_t		 n = 1;

	for (size_t at = 0; at <= n; at++) {
		one = talk_begins_split("");
		ann = ann_inserts(one);
		n = length_of(begun());
		says_first(at, one, begun());
		leaves(one);
		hears(ann, error("40001", "nothing of this transaction was committed..."),
		    ready('E'));
		ends_it(ann, "rollback");
	}
}
END_TEST

START_TEST(a_begin_that_the_server_refuses_fails_the_transaction)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = ann_inserts(one);

	says(one, error("53200", "out of memory"), ready('I'));
	hears(ann, error("53200", "out of memory"), ready('E'));
	hears(one, plain('X'), the_end());
	ends_it(ann, "commit");
}
END_TEST

START_TEST(the_end_of_a_failed_transaction_is_prepared_if_there_is_room)
{
	struct peer	*one = talk_begins_split("");
	struct peer	*ann = ann_inserts(one);

	says(one, error("53200", "out of memory"), ready('I'));
	hears(ann, error("53200", "out of memory"), ready('E'));
	hears(one, plain('X'), the_end());
	statement_memory_max = 1;
	says(ann, parse("end", "commit"), plain('S'));
	hears(ann, error("25P02", "..."), ready('E'));
	statement_memory_max = 0;
	says(ann, parse("end", "commit"), plain('S'));
	hears(ann, plain('1'), ready('E'));
	ends_it(ann, "commit");
}
END_TEST

START_TEST(nobody_opens_a_server_for_a_begin)
{
	struct peer	*one = talk_begins_split("query_wait_timeout = 5s\n");
	struct peer	*ann = ann_begins(one);

	postgres_stops();
	leaves(one);
	says(ann, query("commit"));
	hears(ann, complete("COMMIT"), ready('I'));
	says(ann, query("begin"));
	hears(ann, complete("BEGIN"), ready('T'));
	says(ann, query("insert"));
	hears_nothing(ann);
	time_passes(5 * US_PER_SECOND);
	hears(ann, error("53300", "...query_wait_timeout..."), ready('E'));
	postgres_starts();
	says(ann, query("rollback"));
	hears(ann, complete("ROLLBACK"), ready('I'));
	talk_ends();
}
END_TEST

START_TEST(an_idle_transaction_counts_from_the_begin_that_is_held)
{
	struct peer	*one = talk_begins_split(
			    "idle_transaction_timeout = 10s\n");
	struct peer	*ann = ann_begins(one), *bob = ann_begins(one);

	time_passes(6 * US_PER_SECOND);
	says(bob, query("commit"));
	hears(bob, complete("COMMIT"), ready('I'));
	time_passes(4 * US_PER_SECOND - 1);
	hears_nothing(ann);
	time_passes(1);
	hears(ann, fatal("25P03", "...idle_transaction_timeout..."),
	    the_end());
	time_passes(20 * US_PER_SECOND);
	ignores(one);		/* it was idle for too long */
	hears_nothing(bob);
	talk_ends();
}
END_TEST

START_TEST(the_time_of_a_transaction_counts_from_the_begin_that_is_held)
{
	struct peer	*one = talk_begins_split(
			    "transaction_timeout = 10s\n");
	struct peer	*ann = ann_begins(one), *bob = ann_begins(one);

	time_passes(6 * US_PER_SECOND);
	says(bob, query("rollback"));
	hears(bob, complete("ROLLBACK"), ready('I'));
	says(ann, query("insert"));
	hears_begun(one);
	says(one, begun(), complete("INSERT 0 1"), ready('T'));
	hears(ann, complete("INSERT 0 1"), ready('T'));
	time_passes(4 * US_PER_SECOND - 1);
	hears_nothing(ann);
	time_passes(1);
	hears(ann, fatal("25P04", "...transaction_timeout..."), the_end());
	ignores(one);
	hears_nothing(bob);
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_begin",
    a_begin_and_its_end_reach_no_server,
    a_begin_is_sent_in_front_of_its_first_statement,
    a_transaction_is_the_same_wherever_its_bytes_are_cut,
    a_whole_transaction_in_a_pipeline_is_done_in_order,
    who_leaves_behind_a_begin_leaves_nothing,
    who_leaves_while_its_first_statement_runs_is_rolled_back,
    who_leaves_in_line_behind_a_begin_takes_it_along,
    a_server_that_dies_while_a_begin_is_held_is_replaced_unseen,
    a_server_that_dies_with_the_first_statement_fails_the_transaction,
    a_begin_that_the_server_refuses_fails_the_transaction,
    the_end_of_a_failed_transaction_is_prepared_if_there_is_room,
    nobody_opens_a_server_for_a_begin,
    an_idle_transaction_counts_from_the_begin_that_is_held,
    the_time_of_a_transaction_counts_from_the_begin_that_is_held)
