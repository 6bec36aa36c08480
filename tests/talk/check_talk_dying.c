/*
 * Clients that die in every state: what becomes of their servers, that the
 * pool's books are right afterwards, and that nobody else loses or gets
 * anything.
 */

#include "talk.h"

/*
 * Ann is gone, and so is her server: its statement was cancelled if one ran,
 * and Bob, who waited, has one of his own and hears nothing of hers.
 */
static void
server_went_with_her(struct peer *one, struct peer *bob, bool is_cancelled)
{
	struct peer	*canceller, *two;

	hears(one, plain('X'), the_end());
	if (is_cancelled) {
		canceller = server_arrives();
		hears(canceller, cancel_of(one));
		leaves(canceller);
	}
	two = server_enters();
	hears(two, query("bob"));
	pool_is("1 linked, 0 idle, 0 waiting");
	answers(two, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}

static void
is_cancelled_for(struct peer *one)
{
	struct peer	*canceller = server_arrives();

	hears(canceller, cancel_of(one));
	hears_nothing(one);
	leaves(canceller);
}

/* Bob gets her server. */
static void
server_serves(struct peer *one, struct peer *bob)
{
	hears(one, query("bob"));
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	nobody_arrives();
	talk_ends();
}

/* Ann is gone; what she ran is cancelled. */
static void
server_is_drained(struct peer *one, struct peer *bob, bool is_cancelled)
{
	if (is_cancelled)
		is_cancelled_for(one);
	is_brought_in_step(one);
	server_serves(one, bob);
}

/* The same, and what her batch did is undone before our Sync ends it. */
static void
batch_is_drained(struct peer *one, struct peer *bob, bool is_cancelled)
{
	if (is_cancelled)
		is_cancelled_for(one);
	is_rolled_back_in_step(one);
	server_serves(one, bob);
}

static void
server_is_cleaned(struct peer *one, struct peer *bob, const char *how)
{
	hears(one, query(how));
	pool_is("1 linked, 0 idle, 1 waiting");
	says(one, complete(how), ready('I'));
	hears(one, query("bob"));
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	nobody_arrives();
	talk_ends();
}

#define ONE_SERVER	"default_pool_size = 1\n"

/*
 * Clients before they are served.
 */

START_TEST(a_client_may_die_at_any_byte_of_its_startup)
{
	struct peer	*one = talk_begins("");
	size_t		 n = length_of(startup("u", "d"));

	for (size_t at = 0; at < n; at++) {
		struct peer	*ann = client_connects(1 + (int)at % 3);

		says_first(at, ann, startup("u", "d"));
		leaves(ann);
	}
	asks(client_enters(1), one, "x", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_client_may_die_while_it_is_asked_for_its_password)
{
	static const char	*const types[] = { "auth_type = md5\n",
				    "auth_type = scram-sha-256\n",
				    "auth_type = plain\n" };

	for (int i = 0; i < 3; i++) {
		struct peer	*ann;

		talk_begins_cold("", types[i]);
		ann = client_connects(1);
		says(ann, startup("u", "d"));
		(void)hears_body(ann, 'R');
		says_first(7, ann, password("secret"));
		leaves(ann);
		nobody_arrives();
		talk_ends();
	}
}
END_TEST

START_TEST(a_server_that_is_opened_for_a_client_that_died_is_for_others)
{
	struct peer	*ann, *bob, *one;

	talk_begins_cold("", ONE_SERVER);
	ann = client_connects(1);
	says(ann, startup("u", "d"));
	one = server_arrives();
	hears(one, startup("u", "d"));
	leaves(ann);
	pool_is("0 linked, 0 idle, 0 waiting, 1 opening");
	lets_in(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	bob = client_enters(2);
	asks(bob, one, "x", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_client_that_dies_with_a_server_on_its_way_gives_it_back)
{
	for (int notices = 0; notices < 2; notices++) {
		struct peer	*one = talk_begins(ONE_SERVER);
		struct peer	*ann = client_enters(1);
		struct peer	*bob = client_enters(2);
		struct peer	*cat = client_enters(3);

		says(ann, query("ann"));
		hears(one, query("ann"));
		says(bob, query("bob"));
		time_passes(US_PER_SECOND);
		says(cat, query("cat"));
		if (notices)
			leaves_unnoticed(bob);
		says_while_only(1, one, complete("DONE"), ready('I'));
		pool_is("0 linked, 0 idle, 1 waiting, 1 moving");
		if (!notices)
			leaves_unnoticed(bob);
		time_passes(1);
		hears(ann, complete("DONE"), ready('I'));
		if (!notices) {
			/* It came first, and was used. */
			struct peer	*canceller = server_arrives();

			hears(one, query("bob"));
			hears(canceller, cancel_of(one));
			leaves(canceller);
			is_brought_in_step(one);
			hears(one, query("cat"));
			answers(one, cat, 'I');
		} else {
			hears(one, query("cat"));
			answers(one, cat, 'I');
		}
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

/* The server that was on its way to him is lost as well. */
START_TEST(for_a_client_that_died_with_a_server_on_its_way_none_is_opened)
{
	struct peer	*one = talk_begins(ONE_SERVER);
	struct peer	*bob = client_enters(2);

	says_while_only(0, one, fatal("57P01", "terminating connection"));
	says_while_only(2, bob, query("bob"));
	pool_is("0 linked, 0 idle, 0 waiting, 1 moving");
	leaves_unnoticed(bob);
	says_while_only(2, bob, bytes("", 0));
	time_passes(0);
	hears(one, plain('X'), the_end());
	nobody_arrives();
	pool_is("0 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

/*
 * Clients that are served.  Ann dies, Bob waits for her server.
 */

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

START_TEST(a_client_that_dies_in_a_statement_leaves_a_clean_server)
{
	struct peer	*canceller;

	ann_says(query("ann"));
	leaves(ann);
	server_is_drained(one, bob, true);

	/* The beginning of an answer is there already. */
	ann_says(query("ann"));
	says(one, row("secret"), cut(row("another"), 0, 9));
	ignores(ann);
	leaves(ann);
	says(one, cut(row("another"), 9, length_of(row("another"))));
	server_is_drained(one, bob, true);

	/* It does not end although it is cancelled. */
	ann_says(query("ann"));
	leaves(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(canceller);
	ignores(one);
	time_passes(10 * US_PER_SECOND);
	server_went_with_her(one, bob, false);

	/* PostgreSQL had not begun it yet when it was cancelled. */
	ann_says(query("ann"));
	leaves(ann);
	is_cancelled_for(one);
	ignores(one);
	time_passes(US_PER_SECOND / 2 - 1);
	nobody_arrives();
	time_passes(1);
	server_is_drained(one, bob, true);

	/* The answer comes at the same time. */
	ann_says(query("ann"));
	leaves_unnoticed(ann);
	says_while_only(0, one, row("secret"));
	time_passes(0);
	server_is_drained(one, bob, true);
}
END_TEST

START_TEST(a_client_that_dies_in_a_pipeline_leaves_a_clean_server)
{
	ann_says(all_of(query("1"), query("2"), query("3")));
	answers(one, ann, 'I');
	leaves(ann);
	server_is_drained(one, bob, true);
}
END_TEST

START_TEST(a_client_that_says_goodbye_in_a_statement_leaves_its_server)
{
	ann_says(query("ann"));
	says(ann, plain('X'));
	hears_nothing(ann);
	says(one, row("1"), complete("SELECT 1"), ready('I'));
	hears(ann, row("1"), complete("SELECT 1"), ready('I'), the_end());
	hears(one, query("bob"));
	answers(one, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(a_client_that_dies_in_a_transaction_has_it_rolled_back)
{
	for (int status = 0; status < 2; status++)
		for (int goodbye = 0; goodbye < 2; goodbye++) {
			ann_says(query("begin"));
			answers(one, ann, status == 0 ? 'T' : 'E');
			hears_nothing(one);
			if (goodbye) {
				says(ann, plain('X'));
				hears(ann, the_end());
			} else
				leaves(ann);
			server_is_cleaned(one, bob, "ROLLBACK");
		}
}
END_TEST

START_TEST(a_rollback_for_a_dead_client_that_fails_closes_the_server)
{
	static const char	 statuses[] = "TEx";

	for (int i = 0; i < 5; i++) {
		ann_says(query("begin"));
		answers(one, ann, 'T');
		leaves(ann);
		hears(one, query("ROLLBACK"));
		if (i < 3)
			says(one, complete("ROLLBACK"), ready(statuses[i]));
		else if (i == 3)
			says(one, error("XX000", "no"), ready('I'));
		else
			says(one, bytes("?\0\0\0\0", 5));
		server_went_with_her(one, bob, false);
	}
}
END_TEST

START_TEST(a_client_that_dies_in_a_copy_leaves_a_clean_server)
{
	ann_says(query("copy t from stdin"));
	says(one, copy_in());
	hears(ann, copy_in());
	says(ann, copy_data("1\n"));
	hears(one, copy_data("1\n"));
	leaves(ann);
	server_is_drained(one, bob, true);

	/* In the middle of a message */
	ann_says(query("copy t from stdin"));
	says(one, copy_in());
	hears(ann, copy_in());
	says(ann, cut(copy_data("1\n2\n"), 0, 7));
	hears(one, cut(copy_data("1\n2\n"), 0, 7));
	leaves(ann);
	hears(one, bytes("\xff\xff", 2));
	server_is_drained(one, bob, true);

	/* There is too much of it to make it up. */
	ann_says(query("copy t from stdin"));
	says(one, copy_in());
	hears(ann, copy_in());
	says(ann, bytes("d\x00\x20\0\0", 5));
	hears(one, bytes("d\x00\x20\0\0", 5));
	leaves(ann);
	server_went_with_her(one, bob, true);

	ann_says(query("copy t to stdout"));
	says(one, copy_out(), copy_data("1\n"));
	hears(ann, copy_out(), copy_data("1\n"));
	leaves(ann);
	server_is_drained(one, bob, true);
}
END_TEST

START_TEST(a_client_that_dies_in_a_batch_leaves_a_clean_server)
{
	/* Nothing is answered; all is answered, but there is no Sync. */
	for (int answered = 0; answered < 2; answered++) {
		ann_says(all_of(parse("", "x"), binds(""), executes(),
		    plain('H')));
		if (answered) {
			says(one, plain('1'), plain('2'), complete("X"));
			hears(ann, plain('1'), plain('2'), complete("X"));
		}
		leaves(ann);
		batch_is_drained(one, bob, !answered);
	}
	/* All is said, and nothing is answered. */
	ann_says(all_of(parse("", "x"), binds(""), executes(), plain('S')));
	leaves(ann);
	server_is_drained(one, bob, true);
	/* It has failed, and Sync has not come. */
	ann_says(all_of(parse("", "x"), binds(""), executes(), plain('H')));
	says(one, error("42601", "syntax error"));
	hears(ann, error("42601", "syntax error"));
	leaves(ann);
	batch_is_drained(one, bob, false);
}
END_TEST

START_TEST(a_client_that_dies_with_a_message_half_said_leaves_no_half_of_it)
{
	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	says(ann, cut(query("select something"), 0, 12));
	leaves(ann);
	hears_nothing(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	ann = client_enters(1);
	asks(ann, one, "begin", 'T');
	says(ann, cut(query("select something"), 0, 12));
	leaves(ann);
	hears(one, query("ROLLBACK"));
	says(one, complete("ROLLBACK"), ready('I'));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(a_client_that_dies_with_something_left_on_its_server_has_it_reset)
{
	ann_says(query("prepare p as x"));
	answers(one, ann, 'I');
	/* We ask whether it is still there, and are not told otherwise. */
	ignores(one);
	says(one, complete("SELECT 0"), ready('I'));
	leaves(ann);
	server_is_cleaned(one, bob, "DISCARD ALL");
}
END_TEST

/* A rollback would not undo it; a reset does, or nothing. */
START_TEST(a_client_that_dies_with_something_lasting_begun_leaves_none_of_it)
{
	static const struct {
		const char	*text;
		bool		 is_reset;
	} begun[] = {
		{ "select pg_advisory_lock(1)", true },
		{ "prepare x as select 1", true },
		{ "set a = 1", true },
		{ "discard all", true },
		{ "load 'x'", false },
		{ "execute x", false },
		{ "select set_config('a' || '.b', '', false)", false },
	};

	for (size_t i = 0; i < sizeof begun / sizeof begun[0]; i++) {
		ann_says(query("begin"));
		answers(one, ann, 'T');
		asks(ann, one, begun[i].text, 'T');
		leaves(ann);
		if (begun[i].is_reset)
			server_is_drained(one, bob, false);
		else
			server_went_with_her(one, bob, false);
	}
}
END_TEST

/*
 * What the server was in the middle of when she died.
 */

START_TEST(half_a_description_for_a_dead_client_reaches_nobody)
{
	one = talk_begins(ONE_SERVER);
	ann = client_enters(1);
	bob = client_enters(2);
	says(ann, parse("s", "ann"), plain('S'));
	hears(one, parse("pgweir_1", "ann"), describes('S', "pgweir_1"),
	    plain('S'));
	says(one, plain('1'), message('t', "\0\0", 2), plain('n'),
	    ready('I'));
	hears(ann, plain('1'), ready('I'));
	says(ann, describes('S', "s"), plain('S'));
	hears(one, describes('S', "pgweir_1"), plain('S'));
	says(one, message('t', "\0\1\0\0\0\x17", 6));
	leaves(ann);
	is_cancelled_for(one);
	says(one, plain('n'), ready('I'));
	is_brought_in_step(one);
	says(bob, query("bob"));
	hears(one, query("bob"));
	says(one, shape("b"), row("1"), complete("SELECT 1"), ready('I'));
	hears(bob, shape("b"), row("1"), complete("SELECT 1"), ready('I'));
	talk_ends();
}
END_TEST

/* Her Sync was one that PostgreSQL ignores. */
START_TEST(the_sync_of_a_dead_clients_copy_is_not_expected_of_the_next)
{
	ann_says(all_of(parse("", "copy t from stdin"), binds(""),
	    executes(), plain('S')));
	says(one, plain('1'), plain('2'), copy_in());
	hears(ann, plain('1'), plain('2'), copy_in());
	leaves(ann);
	is_cancelled_for(one);
	is_rolled_back_in_step(one);
	hears(one, query("bob"));
	answers(one, bob, 'I');
	says(bob, parse("", "b"), binds(""), executes(), plain('S'));
	hears(one, parse("", "b"), binds(""), executes(), plain('S'));
	says(one, plain('1'), plain('2'), error("22012", "zero"), ready('I'));
	hears(bob, plain('1'), plain('2'), error("22012", "zero"),
	    ready('I'));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_dies_while_we_ask_what_is_set_does_not_end_the_next)
{
	ann_says(query("set x = 1"));
	answers(one, ann, 'I');
	(void)hears_body(one, 'Q');
	leaves(ann);
	is_cancelled_for(one);
	is_brought_in_step(one);
	hears(one, query("bob"));
	leaves(one);
	hears(bob, error("08006", "the server closed the connection"),
	    ready('I'));
	talk_ends();
}
END_TEST

START_TEST(a_time_limit_does_not_fill_up_a_row_that_the_client_has_in_part)
{
	struct peer	*canceller;

	one = talk_begins("query_timeout = 5\n");
	ann = client_enters(1);
	says(ann, query("x"));
	hears(one, query("x"));
	says(one, cut(row("a row of which a part has come"), 0, 20));
	hears(ann, cut(row("a row of which a part has come"), 0, 20));
	time_passes(5 * US_PER_SECOND);
	hears(ann, the_end());
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(canceller);
	says(one, cut(row("a row of which a part has come"), 20,
	    length_of(row("a row of which a part has come"))));
	is_brought_in_step(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_dying",
    a_client_may_die_at_any_byte_of_its_startup,
    a_client_may_die_while_it_is_asked_for_its_password,
    a_server_that_is_opened_for_a_client_that_died_is_for_others,
    a_client_that_dies_with_a_server_on_its_way_gives_it_back,
    for_a_client_that_died_with_a_server_on_its_way_none_is_opened,
    a_client_that_dies_in_a_statement_leaves_a_clean_server,
    a_client_that_dies_in_a_pipeline_leaves_a_clean_server,
    a_client_that_says_goodbye_in_a_statement_leaves_its_server,
    a_client_that_dies_in_a_transaction_has_it_rolled_back,
    a_rollback_for_a_dead_client_that_fails_closes_the_server,
    a_client_that_dies_in_a_copy_leaves_a_clean_server,
    a_client_that_dies_in_a_batch_leaves_a_clean_server,
    a_client_that_dies_with_a_message_half_said_leaves_no_half_of_it,
    a_client_that_dies_with_something_left_on_its_server_has_it_reset,
    a_client_that_dies_with_something_lasting_begun_leaves_none_of_it,
    half_a_description_for_a_dead_client_reaches_nobody,
    the_sync_of_a_dead_clients_copy_is_not_expected_of_the_next,
    who_dies_while_we_ask_what_is_set_does_not_end_the_next,
    a_time_limit_does_not_fill_up_a_row_that_the_client_has_in_part)
