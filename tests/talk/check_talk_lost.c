/*
 * Of several hosts one that dies, with something in flight: the client hears
 * what became of it, nothing is run twice, and the connection stays; but where
 * a part of a message has gone out already.
 */

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
batch(void)
{
	return all_of(parse("", "insert"), binds(""), executes(), plain('S'));
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
		{ "rollback to s", false }, { "rollback", false },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(lasts); i++) {
		ann_enters();
		says(ann, query("begin isolation level serializable"));
		hears(ann, complete("BEGIN"), ready('T'));
		says(ann, query("insert 1"));
		hears(one, parse("", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
		    binds(""), executes(), query("insert 1"));
		says(one, plain('1'), plain('2'), complete("BEGIN"),
		    complete("INSERT 0 1"), ready('T'));
		hears(ann, complete("INSERT 0 1"), ready('T'));
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

CHECK_MAIN("talk_lost",
    a_statement_of_its_own_is_unknown_but_behind_half_a_message_lost,
    each_statement_of_a_pipeline_is_unknown,
    a_batch_is_unknown_also_where_its_sync_has_not_come,
    a_commit_is_unknown_and_any_other_statement_of_a_block_is_not)
