/*
 * Sequences: a client that has drawn from one keeps its server for the moment
 * in which it may ask what it was, where somebody is known to ask.
 */

#include "relay/relay_sequence.h"
#include "talk.h"

#define ONE_SERVER	"default_pool_size = 1\n"
#define INSERT		"insert into t values (1)"

static struct peer	*one, *ann, *bob;

/* A server that changes hands forgets what its last client drew. */
static void
hears_anew(const char *text)
{
	hears(one, query("DISCARD SEQUENCES"), query(text));
	says(one, complete("DISCARD SEQUENCES"), ready('I'));
}

/* Ann has asked once, in vain, and Bob has drawn. */
static void
bob_draws(void)
{
	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	bob = client_enters(1);
	says(ann, query("select lastval()"));
	hears_anew("select lastval()");
	says(one, error("55000", "lastval is not yet defined"), ready('I'));
	hears(ann, error("55000", "lastval is not yet defined"), ready('I'));
	says(ann, query("discard sequences"));
	hears(one, query("discard sequences"));
	says(one, complete("DISCARD SEQUENCES"), ready('I'));
	hears(ann, complete("DISCARD SEQUENCES"), ready('I'));
	says(bob, query(INSERT));
	hears_anew(INSERT);
	answers(one, bob, 'I');
}

START_TEST(who_has_drawn_keeps_its_server_until_it_says_something_else)
{
	bob_draws();
	says(ann, query("ann"));
	hears_nothing(one);
	asks(bob, one, "select lastval()", 'I');
	asks(bob, one, "select currval('s')", 'I');
	says(bob, query("bob"));
	hears_anew("ann");
	answers(one, ann, 'I');
	hears_anew("bob");
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_draws_again_and_again_lets_others_in_between)
{
	bob_draws();
	says(ann, query("ann"));
	hears_nothing(one);
	says(bob, query(INSERT));
	hears_anew("ann");
	answers(one, ann, 'I');
	hears_anew(INSERT);
	answers(one, bob, 'I');
	says(bob, parse("", INSERT), binds(""), executes(), plain('S'));
	hears(one, parse("", INSERT), binds(""), executes(), plain('S'));
	says(one, plain('1'), plain('2'), complete("INSERT 0 1"), ready('I'));
	hears(bob, plain('1'), plain('2'), complete("INSERT 0 1"),
	    ready('I'));
	pool_is("1 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_has_drawn_and_rests_keeps_its_server_for_a_moment)
{
	bob_draws();
	says(ann, query("ann"));
	time_passes(SEQUENCE_REST_US - US_PER_MS);
	hears_nothing(one);
	time_passes(2 * US_PER_MS);
	hears_anew("ann");
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(who_has_drawn_and_loses_its_server_goes_on_with_another)
{
	bob_draws();
	leaves(one);
	says(bob, query("bob"));
	one = server_enters();
	hears_anew("bob");
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(who_has_drawn_and_leaves_leaves_its_server_to_the_next)
{
	bob_draws();
	leaves(bob);
	pool_is("0 linked, 1 idle, 0 waiting");
	says(ann, query("ann"));
	hears_anew("ann");
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_sequence",
    who_has_drawn_keeps_its_server_until_it_says_something_else,
    who_draws_again_and_again_lets_others_in_between,
    who_has_drawn_and_rests_keeps_its_server_for_a_moment,
    who_has_drawn_and_loses_its_server_goes_on_with_another,
    who_has_drawn_and_leaves_leaves_its_server_to_the_next)
