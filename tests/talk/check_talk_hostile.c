/*
 * A server that does not speak the protocol: what it says goes no further
 * than to the one client it is linked to, which gets a proper error; nobody
 * else loses anything.
 */

#include <string.h>

#include "talk.h"

static struct saying *
a_whole_answer(void)
{
	return all_of(notice("n"), shape("x"), row("1"), row(""), row("22"),
	    parameter("TimeZone", "UTC"), complete("SELECT 3"),
	    notification("channel"), plain('I'), error("42P01", "oops"),
	    notice("m"), ready('I'));
}

/*
 * Ann has asked, and the server answers with this: she is told so and stays,
 * the server is closed, and Bob, who waited, gets another one.
 */
static void
is_rubbish(struct saying *rubbish)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);
	struct peer	*two;

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
	says(one, rubbish);
	hears(ann, error("08P01", "the server sent a message that was not "
	    "expected"), ready('I'));
	hears(one, plain('X'), the_end());
	two = server_enters();
	hears(two, query("bob"));
	answers(two, bob, 'I');
	asks(ann, two, "again", 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}

START_TEST(an_error_without_sqlstate_or_anything_else_is_passed_on_as_it_is)
{
	static const struct {
		const char	*body;
		size_t		 n;
	} bodies[] = {
		{ "", 0 }, { "", 1 }, { "S", 1 }, { "M", 1 }, { "M\0", 2 },
		{ "SERROR", 6 }, { "SERROR\0Mboom\0", 14 },
		{ "SERROR\0C\0Mboom", 13 }, { "C42P0\0", 7 },
		{ "C42P01x\0", 9 }, { "\377\377\377", 3 },
	};
	struct peer	*one = talk_begins("");
	struct peer	*ann = client_enters(1);

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct saying	*body = all_of(message('E', bodies[i].body,
				    bodies[i].n));

		says(ann, query("x"));
		hears(one, query("x"));
		says(one, body, ready('I'));
		hears(ann, body, ready('I'));
	}
	asks(ann, one, "x", 'I');
	talk_ends();
}
END_TEST

START_TEST(an_impossible_length_ends_the_server)
{
	static const char	lengths[][5] = { "\0\0\0\0", "\0\0\0\1",
				    "\0\0\0\3", "\377\377\377\377",
				    "\200\0\0\0", "\100\0\0\4" };
	static const char	types[] = "TDCZESNAt1x";

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (const char *type = types; *type != '\0'; type++) {
			char	head[5] = { *type };

			memcpy(head + 1, lengths[i], 4);
			is_rubbish(bytes(head, 5));
		}
}
END_TEST

START_TEST(an_unknown_type_of_message_ends_the_server)
{
	static const char	known[] = "TDCZESNAtnsIGHWdcV";

	for (int type = 1; type < 256; type++)
		if (strchr(known, type) == NULL)
			is_rubbish(message((char)type, "body", 4));
}
END_TEST

START_TEST(a_readyforquery_with_an_odd_status_ends_the_server)
{
	is_rubbish(ready('X'));
	is_rubbish(ready('\0'));
	is_rubbish(ready('i'));
	is_rubbish(message('Z', "", 0));
	is_rubbish(message('Z', "II", 2));
}
END_TEST

/* The good answer came first: she gets it, and all of it. */
START_TEST(more_answers_than_asked_end_the_server_behind_the_right_one)
{
	/* 2: Bob is in line already. */
	for (int i = 0; i < 3; i++) {
		struct peer	*one = talk_begins("default_pool_size = 1\n");
		struct peer	*ann = client_enters(1);
		struct peer	*bob = client_enters(2), *two;

		says(ann, query("ann"));
		hears(one, query("ann"));
		if (i == 2)
			says(bob, query("bob"));
		says(one, row("1"), complete("SELECT 1"), ready('I'),
		    i == 0 ? row("2") : ready('I'));
		hears(ann, row("1"), complete("SELECT 1"), ready('I'));
		if (i != 2)
			says(bob, query("bob"));
		hears(one, plain('X'), the_end());
		two = server_enters();
		hears(two, query("bob"));
		answers(two, bob, 'I');
		asks(ann, two, "again", 'I');
		talk_ends();
	}
}
END_TEST

START_TEST(what_is_said_behind_the_last_answer_never_reaches_the_next_client)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	says(ann, query("ann"));
	hears(one, query("ann"));
	answers(one, ann, 'I');
	says(one, row("2"));
	hears(one, plain('X'), the_end());
	opens_for(bob, "bob", 'I');
	hears_nothing(ann);
	talk_ends();
}
END_TEST

START_TEST(answers_in_front_of_rubbish_in_one_read_are_passed_on)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1);

	says(ann, query("1"), query("2"), query("3"));
	hears(one, query("1"), query("2"), query("3"));
	says(one, row("1"), complete("SELECT 1"), ready('I'),
	    row("2"), plain('?'));
	hears(ann, row("1"), complete("SELECT 1"), ready('I'), row("2"),
	    error("08P01", "type 0x3f"), ready('I'),
	    error("08P01", "type 0x3f"), ready('I'));
	hears(one, plain('X'), the_end());
	talk_ends();
}
END_TEST

START_TEST(fewer_answers_than_asked_end_the_server)
{
	for (int said = 1; said < 4; said++) {
		struct peer	*one = talk_begins("");
		struct peer	*ann = client_enters(1);

		says(ann, parse("", "x"), binds(""), describes('P', ""),
		    executes(), plain('S'));
		hears(one, parse("", "x"), binds(""), describes('P', ""),
		    executes(), plain('S'));
		says(one, plain('1'));
		hears(ann, plain('1'));
		if (said > 1) {
			says(one, plain('2'));
			hears(ann, plain('2'));
		}
		if (said > 2) {
			says(one, plain('n'));
			hears(ann, plain('n'));
		}
		says(one, ready('I'));
		hears(ann, error("08P01", "not expected"), ready('I'));
		hears(one, plain('X'), the_end());
		talk_ends();
	}
}
END_TEST

START_TEST(an_answer_that_comes_byte_by_byte_is_passed_on_whole)
{
	struct peer		*one = talk_begins("pool_mode = session\n");
	struct peer		*ann = client_enters(1);
	struct saying		*answer = a_whole_answer();

	says(ann, query("x"));
	hears(one, query("x"));
	says_slowly(one, answer);
	hears(ann, answer);
	pool_is("1 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(an_answer_in_two_parts_is_passed_on_whole_wherever_it_is_cut)
{
	struct peer	*one = talk_begins("pool_mode = session\n");
	struct peer	*ann = client_enters(1);
	struct saying	*answer = a_whole_answer();
	size_t		 n = length_of(answer);

	for (size_t at = 1; at < n; at++) {
		says(ann, query("x"));
		hears(one, query("x"));
		says(one, cut(answer, 0, at));
		says(one, cut(answer, at, n));
		hears(ann, answer);
		pool_is("1 linked, 0 idle, 0 waiting");
	}
	talk_ends();
}
END_TEST

/*
 * Whole messages that came are passed on; then the error.  Where a message was
 * cut, nothing can be said behind it: what she got is the beginning of it, or
 * nothing, and the end, but never a row made of something else.
 */
START_TEST(a_server_that_closes_at_any_byte_of_an_answer_ends_it_properly)
{
	size_t	whole = 0, n = 1;

	for (size_t at = 0; at < n; at++) {
		struct peer	*one = talk_begins("");
		struct peer	*ann = client_enters(1);
		struct saying	*first = row("12345678901234567890");
		struct saying	*answer = all_of(first, complete("A"));

		n = length_of(answer);
		whole = at < length_of(first) ? 0 : length_of(first);
		says(ann, query("x"));
		hears(one, query("x"));
		says(one, cut(answer, 0, at));
		leaves(one);
		if (has_heard_the_end(ann)) {
			ck_assert_uint_gt(at, whole);
			hears(ann, cut(answer, 0, at), the_end());
			ann = client_enters(1);
		} else
			hears(ann, cut(answer, 0, whole), error("08006",
			    "the server closed the connection"), ready('I'));
		opens_for(ann, "y", 'I');
		talk_ends();
	}
}
END_TEST

START_TEST(copy_that_nobody_asked_for_ends_the_server)
{
	struct saying	*(*const copies[])(void) = { copy_in, copy_out };

	for (int i = 0; i < 2; i++) {
		struct peer	*one = talk_begins("");
		struct peer	*ann = client_enters(1);

		asks(ann, one, "begin", 'T');
		says(one, copies[i]());
		hears(ann, fatal("08P01", "not expected"), the_end());
		hears(one, plain('X'), the_end());
		pool_is("0 linked, 0 idle, 0 waiting");
		talk_ends();
	}
	/* Idle: it is closed before anybody gets it. */
	for (int i = 0; i < 2; i++) {
		struct peer	*one = talk_begins("");

		says(one, copies[i]());
		hears(one, plain('X'), the_end());
		pool_is("0 linked, 0 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

/*
 * Between clients.
 */

static void
is_lost_while_idle(int asking_loop, bool is_noticed)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(asking_loop), *two;

	if (is_noticed)
		says(one, fatal("57P01", "terminating connection"));
	else {
		says_while_only(0, one, fatal("57P01", "terminating"));
		says_while_only(asking_loop == 1 ? 0 : asking_loop, ann,
		    query("ann"));
		leaves(one);
	}
	if (is_noticed) {
		hears(one, plain('X'), the_end());
		pool_is("0 linked, 0 idle, 0 waiting");
		hears_nothing(ann);
		says(ann, query("ann"));
	}
	two = server_enters();
	hears(two, query("ann"));
	answers(two, ann, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	ignores(one);
	talk_ends();
}

START_TEST(fatal_while_idle_is_no_news_for_the_next_client)
{
	is_lost_while_idle(1, true);
	is_lost_while_idle(2, true);
}
END_TEST

START_TEST(a_server_that_dies_while_it_is_sent_for_is_not_handed_out)
{
	is_lost_while_idle(1, false);
	is_lost_while_idle(2, false);
}
END_TEST

START_TEST(a_server_in_the_middle_of_a_word_is_not_handed_out)
{
	struct saying	*word;

	for (size_t at = 1;; at++) {
		struct peer	*one = talk_begins("");
		struct peer	*ann = client_enters(1), *two;

		word = all_of(notice("a word"));
		if (at == length_of(word)) {
			talk_ends();
			break;
		}
		says(one, cut(word, 0, at));
		says(ann, query("ann"));
		hears(one, plain('X'), the_end());
		two = server_enters();
		hears(two, query("ann"));
		answers(two, ann, 'I');
		talk_ends();
	}
}
END_TEST

START_TEST(a_server_in_the_middle_of_a_word_is_not_given_back)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);
	struct saying	*word = notice("a word");
	size_t		 n = length_of(word);

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
	for (size_t at = 1; at < n; at++) {
		says(one, complete("DONE"), ready('I'), cut(word, 0, at));
		ignores(ann);
		hears_nothing(one);
		says(one, cut(word, at, n));
		ignores(ann);
		hears(one, query("bob"));
		says(ann, query("ann"));
		answers(one, bob, 'I');
		hears(one, query("ann"));
		says(bob, query("bob"));
	}
	says(one, complete("DONE"), ready('I'));
	hears(ann, complete("DONE"), ready('I'));
	hears(one, query("bob"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(what_is_said_by_itself_while_idle_is_not_passed_on)
{
	struct peer	*one = talk_begins("");
	struct peer	*ann = client_enters(1);
	struct saying	*words = all_of(notice("x"),
			    parameter("TimeZone", "UTC"));

	says(one, words);
	says_slowly(one, words);
	pool_is("0 linked, 1 idle, 0 waiting");
	asks(ann, one, "x", 'I');
	asks(ann, one, "begin", 'T');
	leaves(ann);
	hears(one, query("ROLLBACK"));
	says(one, words, complete("ROLLBACK"), words, ready('I'), words);
	pool_is("0 linked, 1 idle, 0 waiting");
	ann = client_enters(2);
	asks(ann, one, "x", 'I');
	talk_ends();
}
END_TEST

/* In a transaction it is hers, between statements too. */
START_TEST(what_is_said_by_itself_in_a_transaction_is_passed_on)
{
	struct peer	*one = talk_begins("pool_mode = session\n");
	struct peer	*ann = client_enters(1);
	struct saying	*words = all_of(notice("x"), notification("y"),
			    parameter("TimeZone", "UTC"));

	says(ann, query("begin"));
	hears(one, query("begin"));
	says(one, words);
	hears(ann, words);
	says(one, complete("BEGIN"), words, ready('T'), words);
	hears(ann, complete("BEGIN"), words, ready('T'), words);
	says_slowly(one, words);
	hears(ann, words);
	says(ann, query("commit"));
	hears(one, query("commit"));
	answers(one, ann, 'I');
	pool_is("1 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

/* A LISTEN that nobody saw, in a function, was left on the server. */
START_TEST(a_notification_for_a_stranger_reaches_nobody_and_ends_the_server)
{
	struct peer	*one = talk_begins("");
	struct peer	*ann = client_enters(1), *two;

	says(ann, query("x"));
	hears(one, query("x"));
	says(one, notification("y"), complete("X"), ready('I'));
	hears(ann, complete("X"), ready('I'));
	hears(one, plain('X'), the_end());
	two = opens_for(ann, "x", 'I');
	says(two, notification("y"));
	hears(two, plain('X'), the_end());
	hears_nothing(ann);
	pool_is("0 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_hostile",
    an_error_without_sqlstate_or_anything_else_is_passed_on_as_it_is,
    an_impossible_length_ends_the_server,
    an_unknown_type_of_message_ends_the_server,
    a_readyforquery_with_an_odd_status_ends_the_server,
    more_answers_than_asked_end_the_server_behind_the_right_one,
    what_is_said_behind_the_last_answer_never_reaches_the_next_client,
    answers_in_front_of_rubbish_in_one_read_are_passed_on,
    fewer_answers_than_asked_end_the_server,
    an_answer_that_comes_byte_by_byte_is_passed_on_whole,
    an_answer_in_two_parts_is_passed_on_whole_wherever_it_is_cut,
    a_server_that_closes_at_any_byte_of_an_answer_ends_it_properly,
    copy_that_nobody_asked_for_ends_the_server,
    fatal_while_idle_is_no_news_for_the_next_client,
    a_server_that_dies_while_it_is_sent_for_is_not_handed_out,
    a_server_in_the_middle_of_a_word_is_not_handed_out,
    a_server_in_the_middle_of_a_word_is_not_given_back,
    what_is_said_by_itself_while_idle_is_not_passed_on,
    what_is_said_by_itself_in_a_transaction_is_passed_on,
    a_notification_for_a_stranger_reaches_nobody_and_ends_the_server)
