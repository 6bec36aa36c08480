/*
 * Servers that die in every state: what their clients hear, that the pool's
 * books are right afterwards, and that nobody else loses anything.
 */

#include "session/words.h"
#include "talk.h"

#define ONE_SERVER	"default_pool_size = 1\n"

/* Ann has the only server; Bob waits for it. */
static struct peer	*one, *ann, *bob;

/* Ann has said this to her server; the rest of her talk follows. */
static void
ann_says(struct saying *saying)
{
	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	bob = client_enters(2);
	says(ann, saying);
	hears(one, saying);
	says(bob, query("bob"));
}

#define LOST	error("08006", at_host("the server closed the connection"))

static void
ann_goes_on_and_bob_too(void)
{
	struct peer	*two = server_enters();

	hears(two, query("bob"));
	answers(two, bob, 'I');
	asks(ann, two, "again", 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}

START_TEST(a_server_that_dies_in_a_statement_costs_that_statement_only)
{
	ann_says(query("ann"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	ann_goes_on_and_bob_too();

	ann_says(query("ann"));
	says(one, shape("x"), row("1"));
	hears(ann, shape("x"), row("1"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(what_a_dying_server_says_is_told_in_its_words)
{
	ann_says(query("ann"));
	says_while_only(0, one, fatal("57P01", "terminating connection due "
	    "to administrator command"));
	leaves(one);
	hears(ann, error("08006", at_host("terminating connection due to "
	    "administrator command")), ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(how_a_query_of_ours_failed_is_not_what_a_dying_server_said)
{
	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	bob = client_enters(2);
	words_are_followed = true;
	says(ann, query("ann"));
	hears(one, query(words_query));
	says(one, error("42501", "permission denied"), ready('I'));
	words_are_followed = false;
	hears(one, query("ann"));
	says(bob, query("bob"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(a_server_that_dies_in_a_pipeline_costs_each_of_its_statements)
{
	ann_says(all_of(query("1"), query("2"), query("3")));
	answers(one, ann, 'I');
	leaves(one);
	hears(ann, LOST, ready('I'), LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(a_server_that_dies_in_a_transaction_ends_its_client)
{
	struct peer	*two;

	for (int asked = 0; asked < 2; asked++) {
		ann_says(query("begin"));
		answers(one, ann, 'T');
		if (asked) {
			says(ann, query("x"));
			hears(one, query("x"));
		}
		leaves(one);
		hears(ann, fatal("08006", at_host("the server closed the "
		    "connection...connect again")), the_end());
		two = server_enters();
		hears(two, query("bob"));
		answers(two, bob, 'I');
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

/* What she has on it cannot be had from another one. */
START_TEST(a_server_that_dies_with_something_left_on_it_ends_its_client)
{
	struct peer	*two;

	ann_says(query("load 'x'"));
	answers(one, ann, 'I');
	leaves(one);
	hears(ann, fatal("08006", at_host("connect again")), the_end());
	two = server_enters();
	hears(two, query("bob"));
	answers(two, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

/*
 * She was told that it is set, and the server has died before we asked it:
 * the next one would not have it.
 */
START_TEST(a_server_that_dies_with_what_was_just_set_ends_its_client)
{
	static const char	*const texts[] = { "set x = 1", "load 'x'",
				    "do ''", "select set_config('a','b',false)",
	};
	struct peer		*asker, *canceller;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		one = talk_begins(ONE_SERVER);
		ann = client_enters(1);
		says(ann, query(texts[i]), query("select 1"));
		hears(one, query(texts[i]), query("select 1"));
		answers(one, ann, 'I');
		leaves(one);
		hears(ann, fatal("08006", at_host("connect again")),
		    the_end());
		talk_ends();
	}
	/* We wait for a cancel to be over before we ask. */
	ann_says(query("set x = 1"));
	asker = client_connects(3);
	says(asker, cancel_of(ann));
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	answers(one, ann, 'I');
	leaves(one);
	hears(ann, fatal("08006", at_host("connect again")), the_end());
	leaves(canceller);
	hears(asker, the_end());
	one = server_enters();
	hears(one, query("bob"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_server_that_dies_in_a_copy_costs_that_copy_only)
{
	ann_says(query("copy t from stdin"));
	says(one, copy_in());
	hears(ann, copy_in());
	says(ann, copy_data("1\n"));
	hears(one, copy_data("1\n"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	/* She did not know that yet. */
	says(ann, copy_data("2\n"), plain('c'));
	hears_nothing(ann);
	ann_goes_on_and_bob_too();

	ann_says(query("copy t to stdout"));
	says(one, copy_out(), copy_data("1\n"));
	hears(ann, copy_out(), copy_data("1\n"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(a_server_that_dies_in_a_batch_costs_that_batch_only)
{
	/* Before Sync: what comes up to it is not done. */
	for (int answered = 0; answered < 2; answered++) {
		ann_says(all_of(parse("", "x"), binds(""), executes(),
		    plain('H')));
		if (answered) {
			says(one, plain('1'), plain('2'), complete("X"));
			hears(ann, plain('1'), plain('2'), complete("X"));
		}
		leaves(one);
		hears(ann, LOST);
		says(ann, binds(""), executes());
		hears_nothing(ann);
		says(ann, plain('S'));
		hears(ann, ready('I'));
		ann_goes_on_and_bob_too();
	}
	/* Two batches in flight. */
	ann_says(all_of(parse("", "x"), binds(""), executes(), plain('S'),
	    parse("", "x"), binds(""), executes(), plain('S')));
	says(one, plain('1'));
	hears(ann, plain('1'));
	leaves(one);
	hears(ann, LOST, ready('I'), LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

/* Sync's own answer is missing: the batch may have been rolled back. */
START_TEST(a_server_that_dies_before_it_has_answered_sync_says_so)
{
	ann_says(all_of(parse("", "x"), binds(""), executes(), plain('S')));
	says(one, plain('1'), plain('2'), complete("X"));
	hears(ann, plain('1'), plain('2'), complete("X"));
	leaves(one);
	hears(ann, LOST, ready('I'));
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(a_batch_that_has_failed_already_gets_no_second_error)
{
	for (int synced = 0; synced < 2; synced++) {
		ann_says(all_of(parse("", "x"), binds(""), executes(),
		    plain('H')));
		if (synced) {
			says(ann, plain('S'), parse("", "x"), plain('S'));
			hears(one, plain('S'), parse("", "x"), plain('S'));
		}
		says(one, error("42601", "syntax error"));
		hears(ann, error("42601", "syntax error"));
		leaves(one);
		if (synced)
			hears(ann, ready('I'), LOST, ready('I'));
		else {
			hears_nothing(ann);
			says(ann, plain('S'));
			hears(ann, ready('I'));
		}
		ann_goes_on_and_bob_too();
	}
}
END_TEST

START_TEST(a_server_that_dies_while_it_is_cleaned_frees_its_place)
{
	ann_says(query("begin"));
	answers(one, ann, 'T');
	leaves(ann);
	hears(one, query("ROLLBACK"));
	leaves(one);
	ann = client_enters(1);
	ann_goes_on_and_bob_too();
}
END_TEST

START_TEST(a_server_that_dies_before_it_has_the_settings_is_replaced_unseen)
{
	struct peer	*two;

	ann_says(query("set x = 1"));
	says(one, complete("SET"), ready('I'));
	hears(ann, complete("SET"), ready('I'));
	/* We ask what is set now. */
	(void)hears_body(one, 'Q');
	leaves(one);
	hears(ann, fatal("08006", "the server closed the connection"),
	    the_end());
	two = server_enters();
	hears(two, query("bob"));
	answers(two, bob, 'I');
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_dying_server",
    a_server_that_dies_in_a_statement_costs_that_statement_only,
    what_a_dying_server_says_is_told_in_its_words,
    how_a_query_of_ours_failed_is_not_what_a_dying_server_said,
    a_server_that_dies_in_a_pipeline_costs_each_of_its_statements,
    a_server_that_dies_in_a_transaction_ends_its_client,
    a_server_that_dies_with_something_left_on_it_ends_its_client,
    a_server_that_dies_with_what_was_just_set_ends_its_client,
    a_server_that_dies_in_a_copy_costs_that_copy_only,
    a_server_that_dies_in_a_batch_costs_that_batch_only,
    a_server_that_dies_before_it_has_answered_sync_says_so,
    a_batch_that_has_failed_already_gets_no_second_error,
    a_server_that_dies_while_it_is_cleaned_frees_its_place,
    a_server_that_dies_before_it_has_the_settings_is_replaced_unseen)
