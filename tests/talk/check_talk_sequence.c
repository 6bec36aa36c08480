/*
 * Sequences: a client that has drawn from one keeps its server for the moment
 * in which it may ask what it was, where somebody is known to ask.
 */

#include "pool/pool.h"
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

/*
 * Ann asks where nobody has asked before: of what others drew she must not
 * hear.
 */

#define ASK		"select lastval()"
#define NAME		"pgweir_sequences\0"

/* In the middle of a batch. */
static struct saying *
forgets(void)
{
	return all_of(message('C', "S" NAME, 18),
	    parse("pgweir_sequences", "DISCARD SEQUENCES"),
	    message('B', NAME NAME "\0\0\0\0\0", 40),
	    message('E', NAME "\0\0\0", 21), message('C', "P" NAME, 18),
	    message('C', "S" NAME, 18));
}

static struct saying *
forgotten(void)
{
	return all_of(plain('3'), plain('1'), plain('2'),
	    complete("DISCARD SEQUENCES"),
	    plain('3'), plain('3'));
}

START_TEST(what_a_failed_batch_did_not_forget_is_forgotten_later)
{
	struct saying	*text = parse("", "x"), *ask = parse("", ASK);
	struct saying	*run = all_of(binds(""), executes());

	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	says(ann, text, run, ask, run, plain('S'));
	hears(one, text, run, ask, forgets(), run, plain('S'));
	says(one, error("42601", "syntax error"), ready('I'));
	hears(ann, error("42601", "syntax error"), ready('I'));
	says(ann, ask, run, plain('S'));
	hears(one, ask, forgets(), run, plain('S'));
	says(one, plain('1'), forgotten(), plain('2'), row("7"),
	    complete("SELECT 1"), ready('I'));
	hears(ann, plain('1'), plain('2'), row("7"), complete("SELECT 1"),
	    ready('I'));
	/* From now on what is there is hers. */
	says(ann, ask, run, plain('S'));
	hears(one, ask, run, plain('S'));
	says(one, plain('1'), plain('2'), row("7"), complete("SELECT 1"),
	    ready('I'));
	hears(ann, plain('1'), plain('2'), row("7"), complete("SELECT 1"),
	    ready('I'));
	talk_ends();
}
END_TEST

START_TEST(who_asks_behind_what_fails_her_transaction_hears_only_that)
{
	struct saying	*failing = all_of(parse("", "x"), binds(""),
			    executes(), plain('S'));
	struct saying	*aborted = error("25P02", "aborted");

	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	says(ann, parse("s", ASK), plain('S'));
	hears(one, parse("pgweir_1", ASK), describes('S', "pgweir_1"),
	    plain('S'));
	says(one, plain('1'), message('t', "\0\0", 2), shape("lastval"),
	    ready('I'));
	hears(ann, plain('1'), ready('I'));
	asks(ann, one, "begin", 'T');
	says(ann, failing, binds("s"), executes(), plain('S'), query(ASK));
	hears(one, failing, query("DISCARD SEQUENCES"), binds("pgweir_1"),
	    executes(), plain('S'));
	says(one, error("42601", "syntax error"), ready('E'), aborted,
	    ready('E'), aborted, ready('E'));
	hears(ann, error("42601", "syntax error"), ready('E'), aborted,
	    ready('E'));
	hears(one, query(ASK));
	says(one, aborted, ready('E'));
	hears(ann, aborted, ready('E'));
	asks(ann, one, "rollback", 'I');
	/* It has not happened yet. */
	says(ann, query(ASK));
	hears(one, query("DISCARD SEQUENCES"), query(ASK));
	says(one, complete("DISCARD SEQUENCES"), ready('I'));
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_cancel_waits_until_what_others_drew_is_forgotten)
{
	struct peer	*asker, *canceller;

	bob_draws();
	says(bob, query("bob"));
	answers(one, bob, 'I');
	says(ann, query("ann"));
	hears(one, query("bob"), query("DISCARD SEQUENCES"), query("ann"));
	asker = client_connects(3);
	says(asker, cancel_of(ann));
	nobody_arrives();
	says(one, complete("DISCARD SEQUENCES"), ready('I'));
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	says(one, error("57014", "canceling statement"), ready('I'));
	hears(ann, error("57014", "canceling statement"), ready('I'));
	leaves(canceller);
	hears(asker, the_end());
	talk_ends();
}
END_TEST

/* The server would be another's, or gone, in the middle of it. */
START_TEST(who_has_drawn_keeps_its_server_while_a_batch_is_run_again)
{
	struct saying	*name = parse("y", ASK);
	struct saying	*run = all_of(binds("x"), executes(), plain('S'));
	struct saying	*made = all_of(plain('1'), message('t', "\0\0", 2),
			    shape("a"));

	bob_draws();
	says(bob, parse("x", "x"), plain('S'));
	hears(one, parse("pgweir_1", "x"), describes('S', "pgweir_1"),
	    plain('S'));
	says(one, made, ready('I'));
	hears(bob, plain('1'), ready('I'));
	says(bob, query(INSERT));
	hears(one, query(INSERT));
	answers(one, bob, 'I');
	says(bob, name, run);
	hears(one, parse("pgweir_2", ASK), describes('S', "pgweir_2"),
	    binds("pgweir_1"), executes(), plain('S'));
	pool_reconnect(pool_each(NULL));
	says(one, made, error("26000", "does not exist"), ready('I'));
	hears(bob, plain('1'));
	hears(one, parse("pgweir_3", "x"), describes('S', "pgweir_3"),
	    binds("pgweir_3"), executes(), plain('S'));
	says(one, made, plain('2'), row("1"), complete("SELECT 1"),
	    ready('I'));
	hears(bob, plain('2'), row("1"), complete("SELECT 1"), ready('I'));
	time_passes(SEQUENCE_REST_US);
	hears(one, plain('X'), the_end());
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_sequence",
    who_has_drawn_keeps_its_server_until_it_says_something_else,
    who_draws_again_and_again_lets_others_in_between,
    who_has_drawn_and_rests_keeps_its_server_for_a_moment,
    who_has_drawn_and_loses_its_server_goes_on_with_another,
    who_has_drawn_and_leaves_leaves_its_server_to_the_next,
    what_a_failed_batch_did_not_forget_is_forgotten_later,
    who_asks_behind_what_fails_her_transaction_hears_only_that,
    a_cancel_waits_until_what_others_drew_is_forgotten,
    who_has_drawn_keeps_its_server_while_a_batch_is_run_again)
