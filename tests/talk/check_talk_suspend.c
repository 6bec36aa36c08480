/*
 * SUSPEND: what clients and servers say is left in the kernel until RESUME.
 */

#include "talk.h"

START_TEST(what_a_client_says_meanwhile_is_heard_afterwards)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	suspends(true);
	says(ann, query("select 1"));
	says(bob, query("select 2"));
	hears_nothing(one);
	suspends(false);
	hears(one, query("select 1"));
	answers(one, ann, 'I');
	hears(one, query("select 2"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(what_a_server_says_meanwhile_is_heard_afterwards)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1);

	says(ann, query("select 1"));
	hears(one, query("select 1"));
	says(one, row("1"));
	hears(ann, row("1"));
	suspends(true);
	says(one, complete("SELECT 1"), ready('I'));
	hears_nothing(ann);
	pool_is("1 linked, 0 idle, 0 waiting");
	suspends(false);
	hears(ann, complete("SELECT 1"), ready('I'));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(half_a_message_is_completed_afterwards)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1);
	struct saying	*whole = query("select 1");
	size_t		 n = length_of(whole);

	says_first(n / 2, ann, whole);
	suspends(true);
	says(ann, cut(whole, n / 2, n));
	suspends(false);
	hears(one, whole);
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(who_connects_or_leaves_meanwhile_is_noticed_afterwards)
{
	struct peer	*ann, *bob, *one;

	one = talk_begins("default_pool_size = 1\n");
	ann = client_enters(1);
	suspends(true);
	bob = client_connects(2);
	says(bob, startup("u", "d"));
	hears_nothing(bob);
	leaves(ann);
	pool_is("0 linked, 1 idle, 0 waiting");
	suspends(false);
	hears_greeting(bob);
	asks(bob, one, "select 1", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_server_that_is_opened_meanwhile_is_let_in_afterwards)
{
	struct peer	*ann, *one;

	talk_begins_cold("", "default_pool_size = 1\n");
	ann = client_connects(1);
	says(ann, startup("u", "d"));
	one = server_arrives();
	ignores(one);
	suspends(true);
	lets_in(one);
	pool_is("0 linked, 0 idle, 1 waiting, 1 opening");
	suspends(false);
	hears_greeting(ann);
	asks(ann, one, "select 1", 'I');
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_suspend",
    what_a_client_says_meanwhile_is_heard_afterwards,
    what_a_server_says_meanwhile_is_heard_afterwards,
    half_a_message_is_completed_afterwards,
    who_connects_or_leaves_meanwhile_is_noticed_afterwards,
    a_server_that_is_opened_meanwhile_is_let_in_afterwards)
