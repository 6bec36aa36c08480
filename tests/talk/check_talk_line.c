/*
 * The waiting line: who gets a server that is free, over several loops.  All
 * times are on the moved clock, so that one microsecond makes a difference.
 */

#include "talk.h"

#define SLACK	500

/*
 * Ann has the only server, on loop 1.  Bob waits for it on loop 2, and so
 * much later Cat does on loop 1.  Who is next when Ann has done with it?
 */
static void
is_served_after(int64_t us, bool own_thread_first)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);
	struct peer	*cat = client_enters(1);
	struct peer	*next = own_thread_first ? cat : bob;
	struct peer	*last = own_thread_first ? bob : cat;
	const char	*what = own_thread_first ? "cat" : "bob";

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
	time_passes(us);
	says(cat, query("cat"));
	hears_nothing(one);
	pool_is("1 linked, 0 idle, 2 waiting");
	says(one, complete("DONE"), ready('I'));
	hears(ann, complete("DONE"), ready('I'));
	hears(one, query(what));
	pool_is("1 linked, 0 idle, 1 waiting");
	says(one, complete("DONE"), ready('I'));
	hears(next, complete("DONE"), ready('I'));
	hears(one, query(own_thread_first ? "bob" : "cat"));
	answers(one, last, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	nobody_arrives();
	talk_ends();
}

START_TEST(a_waiter_of_the_same_thread_goes_first_within_the_slack)
{
	is_served_after(0, true);
	is_served_after(1, true);
	is_served_after(SLACK - 1, true);
	is_served_after(SLACK, true);
}
END_TEST

START_TEST(who_has_waited_longer_by_more_than_the_slack_goes_first)
{
	is_served_after(SLACK + 1, false);
	is_served_after(10 * SLACK, false);
}
END_TEST

START_TEST(within_one_thread_who_came_first_is_served_first)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *waiter[6];
	char		 text[6][2] = { "0", "1", "2", "3", "4", "5" };

	says(ann, query("ann"));
	hears(one, query("ann"));
	for (int i = 0; i < 6; i++) {
		waiter[i] = client_enters(1);
		says(waiter[i], query(text[i]));
		time_passes(i % 2);
	}
	answers(one, ann, 'I');
	for (int i = 0; i < 6; i++) {
		hears(one, query(text[i]));
		answers(one, waiter[i], 'I');
	}
	talk_ends();
}
END_TEST

START_TEST(over_threads_who_came_first_is_served_first)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *waiter[9];
	char		 text[9][2] = { "0", "1", "2", "3", "4", "5", "6",
			    "7", "8" };

	says(ann, query("ann"));
	hears(one, query("ann"));
	for (int i = 0; i < 9; i++) {
		waiter[i] = client_enters(1 + i * 2 % TALK_LOOPS);
		says(waiter[i], query(text[i]));
		time_passes(SLACK + 1);
	}
	answers(one, ann, 'I');
	for (int i = 0; i < 9; i++) {
		hears(one, query(text[i]));
		answers(one, waiter[i], 'I');
	}
	talk_ends();
}
END_TEST

/* A client that asks again at once stands behind those who wait. */
START_TEST(a_busy_thread_does_not_starve_another_one)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *cat = client_enters(1);
	struct peer	*bob = client_enters(2), *now = ann, *next = cat, *was;

	says(ann, query("1"));
	hears(one, query("1"));
	says(bob, query("bob"));
	says(cat, query("1"));
	/* The last who may go before Bob came 500 us after him. */
	for (int i = 0; i < 6; i++) {
		time_passes(100);
		says(one, complete("DONE"), ready('I'));
		hears(now, complete("DONE"), ready('I'));
		hears(one, query("1"));
		says(now, query("1"));
		was = now, now = next, next = was;
	}
	time_passes(100);
	says(one, complete("DONE"), ready('I'));
	hears(now, complete("DONE"), ready('I'));
	hears(one, query("bob"));
	says(one, complete("DONE"), ready('I'));
	hears(bob, complete("DONE"), ready('I'));
	hears(one, query("1"));
	answers(one, next, 'I');
	talk_ends();
}
END_TEST

START_TEST(an_idle_server_of_another_thread_is_sent_for)
{
	struct peer	*one = talk_begins("default_pool_size = 2\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	asks(bob, one, "bob", 'I');
	asks(ann, one, "ann", 'I');
	asks(bob, one, "bob", 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(standing_in_line_opens_servers_up_to_the_limit_and_not_one_more)
{
	struct peer	*one = talk_begins("default_pool_size = 3\n");
	struct peer	*client[5], *two, *three;

	for (int i = 0; i < 5; i++) {
		client[i] = client_enters(1 + i % TALK_LOOPS);
		says(client[i], query("x"));
		time_passes(SLACK + 1);
	}
	hears(one, query("x"));
	pool_is("1 linked, 0 idle, 4 waiting, 2 opening");
	two = server_enters();
	three = server_enters();
	nobody_arrives();
	hears(two, query("x"));
	hears(three, query("x"));
	pool_is("3 linked, 0 idle, 2 waiting");
	answers(three, client[2], 'I');
	hears(three, query("x"));
	answers(three, client[3], 'I');
	hears(three, query("x"));
	answers(three, client[4], 'I');
	answers(one, client[0], 'I');
	answers(two, client[1], 'I');
	pool_is("0 linked, 3 idle, 0 waiting");
	talk_ends();
}
END_TEST

/* The one who leaves the line is passed over, wherever it stands. */
START_TEST(who_leaves_the_line_does_not_hold_up_the_others)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *waiter[5];
	char		 text[5][2] = { "0", "1", "2", "3", "4" };

	says(ann, query("ann"));
	hears(one, query("ann"));
	for (int i = 0; i < 5; i++) {
		waiter[i] = client_enters(1 + i % 2);
		says(waiter[i], query(text[i]));
		time_passes(SLACK + 1);
	}
	leaves(waiter[0]);
	leaves(waiter[2]);
	leaves(waiter[4]);
	pool_is("1 linked, 0 idle, 2 waiting");
	answers(one, ann, 'I');
	hears(one, query("1"));
	answers(one, waiter[1], 'I');
	hears(one, query("3"));
	answers(one, waiter[3], 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

/* Bob was promised an idle server, which dies before it is sent to him. */
START_TEST(who_is_promised_a_server_that_dies_keeps_his_place_in_line)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*bob = client_enters(2), *cat = client_enters(2);
	struct peer	*two;

	says_while_only(0, one, fatal("57P01", "terminating connection"));
	says_while_only(2, bob, query("bob"));
	pool_is("0 linked, 0 idle, 0 waiting, 1 moving");
	/* No loop turns at this. */
	clock_set_us(clock_now_us() + 1);
	says_while_only(2, cat, query("cat"));
	pool_is("0 linked, 0 idle, 1 waiting, 1 moving");
	time_passes(US_PER_SECOND);
	hears(one, plain('X'), the_end());
	two = server_enters();
	hears(two, query("bob"));
	says(two, complete("DONE"), ready('I'));
	hears(bob, complete("DONE"), ready('I'));
	hears(two, query("cat"));
	answers(two, cat, 'I');
	nobody_arrives();
	talk_ends();
}
END_TEST

/* What a waiting client says goes on being read, and is said in order. */
START_TEST(what_a_waiting_client_says_is_kept_for_its_server)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	says(ann, query("ann"));
	hears(one, query("ann"));
	says_slowly(bob, query("bob 1"));
	says_slowly(bob, query("bob 2"));
	answers(one, ann, 'I');
	hears(one, query("bob 1"), query("bob 2"));
	says(one, complete("DONE"), ready('I'));
	hears(bob, complete("DONE"), ready('I'));
	pool_is("1 linked, 0 idle, 0 waiting");
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_line",
    a_waiter_of_the_same_thread_goes_first_within_the_slack,
    who_has_waited_longer_by_more_than_the_slack_goes_first,
    within_one_thread_who_came_first_is_served_first,
    over_threads_who_came_first_is_served_first,
    a_busy_thread_does_not_starve_another_one,
    an_idle_server_of_another_thread_is_sent_for,
    standing_in_line_opens_servers_up_to_the_limit_and_not_one_more,
    who_leaves_the_line_does_not_hold_up_the_others,
    who_is_promised_a_server_that_dies_keeps_his_place_in_line,
    what_a_waiting_client_says_is_kept_for_its_server)
