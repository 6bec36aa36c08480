/*
 * Statements that a server lacks: what it is told in front of what the client
 * says, and that it does not matter in which pieces that comes.
 */

#include "talk.h"

#define TWO_SERVERS	"default_pool_size = 2\n"

/* Ann has prepared "s" on one, which Bob has now; two is there for her. */
static struct peer	*one, *two, *ann, *bob;

/* No parameters. */
static struct saying *
parameters(void)
{
	return message('t', "\0", 2);
}

static struct saying *
described(const char *column)
{
	return all_of(parameters(), shape(column));
}

/* What stands in front of a statement's first use on a server. */
static struct saying *
prepares(const char *name, const char *text)
{
	return all_of(parse(name, text), describes('S', name));
}

static struct saying *
prepared(const char *column)
{
	return all_of(plain('1'), described(column));
}

/* Ann hears what "s" returns, or has never asked. */
static void
ann_moves(const char *text, bool knows)
{
	struct peer	*carol;

	one = talk_begins(TWO_SERVERS);
	ann = client_enters(1);
	bob = client_enters(1);
	carol = client_enters(1);
	says(ann, parse("s", text), plain('S'));
	hears(one, prepares("pgweir_1", text), plain('S'));
	says(one, prepared("a"), ready('I'));
	hears(ann, plain('1'), ready('I'));
	if (knows) {
		says(ann, describes('S', "s"), plain('S'));
		hears(one, describes('S', "pgweir_1"), plain('S'));
		says(one, described("a"), ready('I'));
		hears(ann, described("a"), ready('I'));
	}
	asks(bob, one, "begin", 'T');
	two = opens_for(carol, "carol", 'I');
}

static void
ann_has_moved(void)
{
	asks(bob, one, "commit", 'I');
	pool_is("0 linked, 2 idle, 0 waiting");
	talk_ends();
}

static struct saying *
pipeline(void)
{
	return all_of(binds("s"), describes('P', ""), executes(),
	    parse("t", "select t"), binds("t"), executes(), binds("s"),
	    executes(), plain('H'), message('C', "Ss", 3),
	    plain('S'));
}

static struct saying *
pipeline_for_server(void)
{
	return all_of(binds("pgweir_1"), describes('P', ""), executes(),
	    prepares("pgweir_2", "select t"), binds("pgweir_2"), executes(),
	    binds("pgweir_1"), executes(), plain('H'), plain('S'));
}

static struct saying *
answers_of_server(void)
{
	return all_of(plain('2'), shape("a"), row("s"),
	    complete("SELECT 1"), prepared("b"), plain('2'), row("t"),
	    complete("SELECT 1"), plain('2'), row("s"),
	    complete("SELECT 1"), ready('I'));
}

static struct saying *
answers_for_client(void)
{
	return all_of(plain('2'), shape("a"), row("s"), complete("SELECT 1"),
	    plain('1'), plain('2'), row("t"), complete("SELECT 1"),
	    plain('2'), row("s"), complete("SELECT 1"), plain('3'),
	    ready('I'));
}

START_TEST(a_pipeline_may_be_split_at_every_byte_where_it_is_prepared_anew)
{
	size_t	bind, length;

	ann_moves("select s", true);
	bind = length_of(binds("s"));
	length = length_of(pipeline());
	ann_has_moved();
	for (size_t at = 0; at < length; at++) {
		ann_moves("select s", true);
		says(ann, cut(pipeline(), 0, at));
		/* It names "s", and will describe, which is not here. */
		if (at >= 8 && at < bind + 5) {
			hears(two, prepares("pgweir_1", "select s"),
			    plain('H'));
			says(two, prepared("a"));
			says(ann, cut(pipeline(), at, length));
			hears(two, pipeline_for_server());
			says(two, answers_of_server());
		} else {
			says(ann, cut(pipeline(), at, length));
			hears(two, prepares("pgweir_1", "select s"),
			    pipeline_for_server());
			says(two, prepared("a"), answers_of_server());
		}
		hears(ann, answers_for_client());
		ann_has_moved();
	}
	ann_moves("select s", false);
	says_slowly(ann, pipeline());
	hears(two, prepares("pgweir_1", "select s"), pipeline_for_server());
	says_slowly(two, prepared("a"), answers_of_server());
	hears(ann, answers_for_client());
	ann_has_moved();
}
END_TEST

START_TEST(the_answers_may_be_split_at_every_byte_as_well)
{
	struct saying	*all;
	size_t		 length;

	ann_moves("select s", true);
	length = length_of(prepared("a"), answers_of_server());
	ann_has_moved();
	for (size_t at = 0; at < length; at++) {
		ann_moves("select s", true);
		says(ann, pipeline());
		hears(two, prepares("pgweir_1", "select s"),
		    pipeline_for_server());
		all = all_of(prepared("a"), answers_of_server());
		says(two, cut(all, 0, at));
		says(two, cut(all, at, length));
		hears(ann, answers_for_client());
		ann_has_moved();
	}
}
END_TEST

#define WRITES	"insert into t values (1) returning *"

/* What a client that knows the shape says without asking for it. */
static struct saying *
batch(void)
{
	return all_of(binds("s"), executes(), plain('S'));
}

START_TEST(a_select_alone_is_prepared_without_a_round_trip)
{
	ann_moves("select s", true);
	says(ann, batch());
	hears(two, prepares("pgweir_1", "select s"), binds("pgweir_1"),
	    executes(), plain('S'));
	says(two, prepared("a"), plain('2'), row("s"), complete("SELECT 1"),
	    ready('I'));
	hears(ann, plain('2'), row("s"), complete("SELECT 1"), ready('I'));
	ann_has_moved();
}
END_TEST

START_TEST(a_select_alone_of_another_shape_is_an_error_instead_of_its_rows)
{
	ann_moves("select s", true);
	says(ann, batch());
	hears(two, prepares("pgweir_1", "select s"), binds("pgweir_1"),
	    executes(), plain('S'));
	says(two, prepared("other"), plain('2'), row("s"),
	    complete("SELECT 1"), ready('I'));
	hears(ann, error("0A000", "cached plan must not change result type"),
	    ready('I'));
	ann_has_moved();
}
END_TEST

START_TEST(who_has_never_described_anything_is_prepared_without_a_round_trip)
{
	ann_moves(WRITES, false);
	says(ann, batch());
	hears(two, prepares("pgweir_1", WRITES), binds("pgweir_1"),
	    executes(), plain('S'));
	says(two, prepared("other"), plain('2'), row("1"),
	    complete("INSERT 0 1"), ready('I'));
	hears(ann, plain('2'), row("1"), complete("INSERT 0 1"), ready('I'));
	ann_has_moved();
}
END_TEST

START_TEST(what_writes_and_returns_rows_is_sent_when_their_shape_is_known)
{
	size_t	length = 0;

	for (size_t at = 0; at == 0 || at < length; at++) {
		ann_moves(WRITES, true);
		length = length_of(batch());
		says(ann, cut(batch(), 0, at));
		says(ann, cut(batch(), at, length));
		hears(two, prepares("pgweir_1", WRITES), plain('H'));
		says_slowly(two, prepared("a"));
		hears(two, binds("pgweir_1"), executes(), plain('S'));
		says(two, plain('2'), row("1"), complete("INSERT 0 1"),
		    ready('I'));
		hears(ann, plain('2'), row("1"), complete("INSERT 0 1"),
		    ready('I'));
		ann_has_moved();
	}
}
END_TEST

START_TEST(what_writes_and_returns_another_shape_is_never_sent)
{
	ann_moves(WRITES, true);
	says(ann, batch());
	hears(two, prepares("pgweir_1", WRITES), plain('H'));
	says(two, prepared("other"));
	/* No statement has this name: PostgreSQL fails in its place. */
	hears(two, binds("pgweir_0"), plain('S'));
	hears_nothing(ann);
	says(two, error("26000", "no such statement"), ready('I'));
	hears(ann, error("0A000", "cached plan must not change result type"),
	    ready('I'));
	ann_has_moved();
}
END_TEST

START_TEST(a_server_that_dies_while_it_is_looked_at_has_done_nothing)
{
	ann_moves(WRITES, true);
	says(ann, batch());
	hears(two, prepares("pgweir_1", WRITES), plain('H'));
	leaves(two);
	hears(ann, error("08006", at_host("the server closed the "
	    "connection")), ready('I'));
	two = opens_for(ann, "again", 'I');
	ann_has_moved();
}
END_TEST

START_TEST(a_client_that_leaves_while_it_is_looked_at_strands_nothing)
{
	struct peer	*canceller;

	ann_moves(WRITES, true);
	says(ann, batch());
	hears(two, prepares("pgweir_1", WRITES), plain('H'));
	leaves(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(two));
	leaves(canceller);
	is_rolled_back_in_step(two);
	ann_has_moved();
}
END_TEST

CHECK_MAIN("prepare",
    a_pipeline_may_be_split_at_every_byte_where_it_is_prepared_anew,
    the_answers_may_be_split_at_every_byte_as_well,
    a_select_alone_is_prepared_without_a_round_trip,
    a_select_alone_of_another_shape_is_an_error_instead_of_its_rows,
    who_has_never_described_anything_is_prepared_without_a_round_trip,
    what_writes_and_returns_rows_is_sent_when_their_shape_is_known,
    what_writes_and_returns_another_shape_is_never_sent,
    a_server_that_dies_while_it_is_looked_at_has_done_nothing,
    a_client_that_leaves_while_it_is_looked_at_strands_nothing)
