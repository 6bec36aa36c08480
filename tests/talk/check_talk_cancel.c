/*
 * Cancel requests: they reach the statement that the client is running, and
 * nobody else's.
 */

#include <string.h>

#include "talk.h"

#define ONE_SERVER	"default_pool_size = 1\n"

static struct peer	*one, *ann, *bob;

/* Ann's statement runs on the only server; Bob waits for it. */
static void
ann_runs_and_bob_waits(const char *options)
{
	one = talk_begins(options);
	ann = client_enters(1);
	bob = client_enters(2);
	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
}

/* Somebody asks on Ann's behalf, on a connection of its own. */
static struct peer *
asks_to_cancel(struct peer *whom)
{
	struct peer	*asker = client_connects(3);

	says(asker, cancel_of(whom));
	return asker;
}

static void
bob_is_served(void)
{
	hears(one, query("bob"));
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	nobody_arrives();
	talk_ends();
}

START_TEST(a_cancelled_server_is_not_handed_out_until_the_cancel_is_closed)
{
	struct peer	*asker, *canceller;

	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	says(one, error("57014", "canceling statement"), ready('I'));
	hears(ann, error("57014", "canceling statement"), ready('I'));
	hears_nothing(one);
	pool_is("1 linked, 0 idle, 1 waiting");
	time_passes(US_PER_SECOND);
	hears_nothing(one);
	hears_nothing(asker);
	leaves(canceller);
	hears(asker, the_end());
	bob_is_served();
}
END_TEST

/* The statement has just ended by itself: the cancel may hit what is next. */
START_TEST(a_cancel_on_its_way_when_the_statement_ends_hits_nobody_else)
{
	struct peer	*asker, *canceller;

	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	answers(one, ann, 'I');
	hears_nothing(one);
	/* She asks again, and stands behind him. */
	time_passes(US_PER_SECOND);
	says(ann, query("again"));
	hears_nothing(one);
	leaves(canceller);
	hears(asker, the_end());
	hears(one, query("bob"));
	answers(one, bob, 'I');
	hears(one, query("again"));
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_server_cancelled_often_waits_for_the_last_cancel)
{
	struct peer	*asker[4], *canceller[4];

	ann_runs_and_bob_waits(ONE_SERVER);
	for (int i = 0; i < 4; i++) {
		asker[i] = asks_to_cancel(ann);
		canceller[i] = server_arrives();
		hears(canceller[i], cancel_of(one));
	}
	answers(one, ann, 'I');
	leaves(canceller[1]);
	hears(asker[1], the_end());
	leaves(canceller[3]);
	hears(asker[3], the_end());
	leaves(canceller[0]);
	hears(asker[0], the_end());
	hears_nothing(one);
	leaves(canceller[2]);
	hears(asker[2], the_end());
	bob_is_served();
}
END_TEST

START_TEST(a_cancel_that_is_not_closed_is_given_up_after_cancel_wait_timeout)
{
	struct peer	*asker, *canceller;

	ann_runs_and_bob_waits(ONE_SERVER "cancel_wait_timeout = 5\n");
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	answers(one, ann, 'I');
	time_passes(5 * US_PER_SECOND - 1);
	hears_nothing(one);
	time_passes(1);
	hears(canceller, the_end());
	hears(asker, the_end());
	/* It may still arrive there: nobody gets this server any more. */
	hears(one, plain('X'), the_end());
	one = server_enters();
	bob_is_served();
}
END_TEST

START_TEST(a_late_cancel_hits_nobody)
{
	/* Her statement has ended, and the server is Bob's. */
	ann_runs_and_bob_waits(ONE_SERVER);
	answers(one, ann, 'I');
	hears(asks_to_cancel(ann), the_end());
	nobody_arrives();
	bob_is_served();

	/* The server is idle. */
	one = talk_begins("");
	ann = client_enters(1);
	asks(ann, one, "x", 'I');
	hears(asks_to_cancel(ann), the_end());
	nobody_arrives();
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();

	/* It is hers, but no statement runs in her transaction. */
	one = talk_begins("");
	ann = client_enters(1);
	asks(ann, one, "begin", 'T');
	hears(asks_to_cancel(ann), the_end());
	nobody_arrives();
	asks(ann, one, "commit", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_cancel_for_a_client_that_has_left_hits_nobody)
{
	ann_runs_and_bob_waits(ONE_SERVER);
	answers(one, ann, 'I');
	leaves(ann);
	hears(asks_to_cancel(ann), the_end());
	bob_is_served();
}
END_TEST

START_TEST(a_cancel_with_a_wrong_key_hits_nobody)
{
	struct saying	*right;
	struct peer	*asker;

	ann_runs_and_bob_waits(ONE_SERVER);
	right = cancel_of(ann);
	for (size_t i = 8; i < length_of(right); i++) {
		asker = client_connects(3);
		says(asker, flipped(right, i));
		hears(asker, the_end());
	}
	/* The server's own key is no client's. */
	hears(asks_to_cancel(one), the_end());
	nobody_arrives();
	answers(one, ann, 'I');
	bob_is_served();
}
END_TEST

START_TEST(a_cancel_for_a_waiting_client_takes_it_out_of_the_line)
{
	struct peer	*cat;

	ann_runs_and_bob_waits(ONE_SERVER);
	cat = client_enters(3);
	says(cat, query("cat"));
	pool_is("1 linked, 0 idle, 2 waiting");
	hears(asks_to_cancel(bob), the_end());
	hears(bob, error("57014", "canceling statement due to user request"),
	    ready('I'));
	nobody_arrives();
	pool_is("1 linked, 0 idle, 1 waiting");
	answers(one, ann, 'I');
	hears(one, query("cat"));
	says(bob, query("bob"));
	answers(one, cat, 'I');
	bob_is_served();
}
END_TEST

/* He is not in line any more, and his statement has not begun. */
START_TEST(a_cancel_for_a_client_whose_server_is_on_its_way_harms_nobody)
{
	struct peer	*asker;

	ann_runs_and_bob_waits(ONE_SERVER);
	asker = client_connects(3);
	says_while_only(3, asker, cancel_of(bob));
	says_while_only(1, one, complete("DONE"), ready('I'));
	pool_is("0 linked, 0 idle, 0 waiting, 1 moving");
	time_passes(0);
	hears(ann, complete("DONE"), ready('I'));
	hears(asker, the_end());
	bob_is_served();
}
END_TEST

/* The idle server that was sent for is found dead after the cancel. */
START_TEST(a_client_that_was_cancelled_too_late_waits_on_when_its_server_died)
{
	struct peer	*asker;

	one = talk_begins(ONE_SERVER);
	bob = client_enters(2);
	asker = client_connects(3);
	says_while_only(0, one, fatal("57P01", "terminating connection"));
	says_while_only(2, bob, query("bob"));
	pool_is("0 linked, 0 idle, 0 waiting, 1 moving");
	says_while_only(3, asker, cancel_of(bob));
	says_while_only(2, asker, bytes("", 0));
	time_passes(0);
	hears(asker, the_end());
	hears(one, plain('X'), the_end());
	one = server_enters();
	bob_is_served();
}
END_TEST

START_TEST(a_server_that_dies_with_a_cancel_open_frees_its_place)
{
	struct peer	*asker, *canceller;

	/* Its client still waits for the answer. */
	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(one);
	hears(ann, error("08006", ""), ready('I'));
	one = server_enters();
	hears(one, query("bob"));
	leaves(canceller);
	hears(asker, the_end());
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();

	/* It waits for the cancel only. */
	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	answers(one, ann, 'I');
	leaves(one);
	one = server_enters();
	leaves(canceller);
	hears(asker, the_end());
	bob_is_served();
}
END_TEST

START_TEST(a_client_that_dies_while_it_is_cancelled_leaves_a_clean_server)
{
	struct peer	*asker, *first, *second;

	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	first = server_arrives();
	hears(first, cancel_of(one));
	leaves(ann);
	second = server_arrives();
	hears(second, cancel_of(one));
	leaves(first);
	hears(asker, the_end());
	hears_nothing(one);
	leaves(second);
	is_brought_in_step(one);
	bob_is_served();
}
END_TEST

START_TEST(who_asks_to_cancel_need_not_wait_for_it)
{
	struct peer	*asker, *canceller;

	ann_runs_and_bob_waits(ONE_SERVER);
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(asker);
	answers(one, ann, 'I');
	hears_nothing(one);
	leaves(canceller);
	bob_is_served();
}
END_TEST

START_TEST(a_cancel_that_cannot_be_delivered_is_dropped)
{
	/* PostgreSQL takes no connection any more. */
	ann_runs_and_bob_waits(ONE_SERVER);
	postgres_stops();
	hears(asks_to_cancel(ann), the_end());
	answers(one, ann, 'I');
	bob_is_served();

	/* It gave no key. */
	talk_begins_cold("", "");
	ann = client_connects(1);
	says(ann, startup("u", "d"));
	one = server_arrives();
	hears(one, startup("u", "d"));
	says(one, auth(0, ""), ready('I'));
	hears_greeting(ann);
	says(ann, query("ann"));
	hears(one, query("ann"));
	hears(asks_to_cancel(ann), the_end());
	nobody_arrives();
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

/*
 * Her SET is over when she hears so; then we ask what is set, and a cancel
 * that comes late must not end that.
 */
START_TEST(a_late_cancel_does_not_hit_a_query_of_ours)
{
	struct buf	*ours;

	one = talk_begins("");
	ann = client_enters(1);
	says(ann, query("set x = 1"));
	hears(one, query("set x = 1"));
	answers(one, ann, 'I');
	ours = hears_body(one, 'Q');
	ck_assert_uint_gt(buf_length(ours), 0);
	hears(asks_to_cancel(ann), the_end());
	nobody_arrives();
	says(one, complete("SELECT 0"), ready('I'));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

/*
 * The cancel is on its way when her SET ends: it must not hit our question
 * either, without whose answer she would keep the server.
 */
START_TEST(we_ask_for_the_settings_when_the_cancel_is_closed)
{
	struct peer	*asker, *canceller;

	for (int leaves_early = 0; leaves_early < 2; leaves_early++) {
		one = talk_begins(ONE_SERVER "query_timeout = 5\n");
		ann = client_enters(1);
		bob = client_enters(1);
		says(ann, query("set x = 1"));
		hears(one, query("set x = 1"));
		says(bob, query("bob"));
		asker = asks_to_cancel(ann);
		canceller = server_arrives();
		hears(canceller, cancel_of(one));
		answers(one, ann, 'I');
		hears_nothing(one);
		/* It is still hers. */
		asks(ann, one, "select 1", 'I');
		time_passes(6 * US_PER_SECOND);
		hears_nothing(one);
		if (leaves_early) {
			leaves(ann);
			/* Nobody knows what else she has set. */
			hears_nothing(one);
			leaves(canceller);
			hears(asker, the_end());
			is_brought_in_step(one);
		} else {
			leaves(canceller);
			hears(asker, the_end());
			(void)hears_body(one, 'Q');
			says(one, complete("SELECT 0"), ready('I'));
		}
		bob_is_served();
	}
}
END_TEST

/* Between hosts she hears so only then, and waits with what she says next. */
START_TEST(what_is_said_behind_a_set_waits_for_the_cancel_as_well)
{
	struct peer	*asker, *canceller;
	struct buf	*ours;

	one = talk_begins_split("");
	ann = client_enters(1);
	says(ann, query("set x = 1"), query("deallocate all"));
	hears(one, query("set x = 1"));
	asker = asks_to_cancel(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	says(one, complete("SET"), ready('I'));
	hears(ann, complete("SET"));
	hears_nothing(one);
	says(ann, query("insert"));
	hears_nothing(one);
	leaves(canceller);
	hears(asker, the_end());
	ours = hears_body(one, 'Q');
	ck_assert_uint_gt(buf_length(ours), 0);
	says(one, complete("SELECT 0"), ready('I'));
	hears(ann, ready('I'), complete("DEALLOCATE ALL"), ready('I'));
	hears(one, query("insert"));
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

/*
 * In front of her statement goes one of ours, which gives the server her
 * settings.  If the cancel ended that, hers would run without them.
 */
START_TEST(a_cancel_waits_until_the_settings_in_front_are_there)
{
	struct peer	*asker[2], *canceller;

	for (int dies = 0; dies < 2; dies++) {
		one = talk_begins(ONE_SERVER);
		ann = client_enters(1);
		bob = client_enters(1);
		says(ann, query("set search_path = a"));
		hears(one, query("set search_path = a"));
		answers(one, ann, 'I');
		(void)hears_body(one, 'Q');
		says(one, setting("search_path", "a"), complete("SELECT 1"),
		    ready('I'));
		says(bob, query("bob"));
		(void)hears_body(one, 'Q');
		hears(one, query("bob"));
		for (int i = 0; i < 2; i++)
			asker[i] = asks_to_cancel(bob);
		nobody_arrives();
		hears_nothing(asker[0]);
		hears(asker[1], the_end());
		if (dies) {
			leaves(bob);
			hears(asker[0], the_end());
			canceller = server_arrives();
			hears(canceller, cancel_of(one));
			leaves(canceller);
			is_brought_in_step(one);
			talk_ends();
			continue;
		}
		says(one, complete("RESET"), ready('I'));
		canceller = server_arrives();
		hears(canceller, cancel_of(one));
		says(one, error("57014", "canceling statement"), ready('I'));
		hears(bob, error("57014", "canceling statement"), ready('I'));
		leaves(canceller);
		hears(asker[0], the_end());
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

CHECK_MAIN("talk_cancel",
    a_cancelled_server_is_not_handed_out_until_the_cancel_is_closed,
    a_cancel_on_its_way_when_the_statement_ends_hits_nobody_else,
    a_server_cancelled_often_waits_for_the_last_cancel,
    a_cancel_that_is_not_closed_is_given_up_after_cancel_wait_timeout,
    a_late_cancel_hits_nobody,
    a_cancel_for_a_client_that_has_left_hits_nobody,
    a_cancel_with_a_wrong_key_hits_nobody,
    a_cancel_for_a_waiting_client_takes_it_out_of_the_line,
    a_cancel_for_a_client_whose_server_is_on_its_way_harms_nobody,
    a_client_that_was_cancelled_too_late_waits_on_when_its_server_died,
    a_server_that_dies_with_a_cancel_open_frees_its_place,
    a_client_that_dies_while_it_is_cancelled_leaves_a_clean_server,
    who_asks_to_cancel_need_not_wait_for_it,
    a_cancel_that_cannot_be_delivered_is_dropped,
    a_late_cancel_does_not_hit_a_query_of_ours,
    we_ask_for_the_settings_when_the_cancel_is_closed,
    what_is_said_behind_a_set_waits_for_the_cancel_as_well,
    a_cancel_waits_until_the_settings_in_front_are_there)
