/*
 * A client that reads without a pause, and what it reads is written elsewhere
 * all the time: no replica ever has what the primary has just shown to it.
 */

#include "talk.h"

static struct peer	*one, *two, *ann;
static int64_t		 lsn;

static void
goes_on(void)
{
	primary_is_at(lsn += 100);
}

/* At once, and meanwhile more is written. */
static void
ann_reads_at(struct peer *server)
{
	asks(ann, server, "select 1", 'I');
	goes_on();
}

/* The primary has stood in, and the replica may serve again. */
static void
ann_is_ahead(void)
{
	one = talk_begins_split("");
	ann = client_enters(1);
	says(ann, query("set pgweir.route = replica"));
	hears(ann, complete("SET"), ready('I'));
	says(ann, query("select 1"));
	two = server_enters();
	hears(two, query("select 1"));
	answers(two, ann, 'I');
	lsn = 0;
	goes_on();
	replica_is_at(lsn);
	replica_serves(false);
	ann_reads_at(one);
	replica_serves(true);
}

START_TEST(after_5_ms_at_the_primary_a_busy_reader_waits_for_a_replica)
{
	ann_is_ahead();
	for (int ms = 1; ms < 5; ms++) {
		time_passes(US_PER_MS);
		replica_is_at(lsn - 1);
		ann_reads_at(one);
	}
	time_passes(US_PER_MS);
	says(ann, query("select 1"));
	hears_nothing(one);
	replica_is_at(lsn - 1);
	hears_nothing(one);
	hears_nothing(two);
	replica_is_at(lsn);
	hears(two, query("select 1"));
	answers(two, ann, 'I');
	/* What others write does not take her away from there. */
	for (int i = 0; i < 10; i++) {
		ann_reads_at(two);
		time_passes(US_PER_MS);
	}
	talk_ends();
}
END_TEST

START_TEST(a_reader_that_needs_not_wait_is_back_before_that)
{
	ann_is_ahead();
	replica_is_at(lsn);
	ann_reads_at(two);
	talk_ends();
}
END_TEST

START_TEST(when_no_replica_gets_there_it_waits_10_ms_and_ever_less_often)
{
	int	waits = 5;

	ann_is_ahead();
	for (int i = 0; i < 9; i++) {
		time_passes((waits - 1) * US_PER_MS);
		ann_reads_at(one);
		time_passes(US_PER_MS);
		says(ann, query("select 1"));
		goes_on();
		time_passes(9 * US_PER_MS);
		hears_nothing(one);
		time_passes(US_PER_MS);
		hears(one, query("select 1"));
		answers(one, ann, 'I');
		goes_on();
		ann_reads_at(one);
		waits = waits == 320 ? 320 : 2 * waits;
	}
	ck_assert_int_eq(waits, 320);
	/* Once it was at a replica it begins anew. */
	replica_is_at(lsn);
	ann_reads_at(two);
	replica_serves(false);
	ann_reads_at(one);
	replica_serves(true);
	time_passes(5 * US_PER_MS);
	says(ann, query("select 1"));
	hears_nothing(one);
	goes_on();
	replica_is_at(lsn);
	hears(two, query("select 1"));
	answers(two, ann, 'I');
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_reader",
    after_5_ms_at_the_primary_a_busy_reader_waits_for_a_replica,
    a_reader_that_needs_not_wait_is_back_before_that,
    when_no_replica_gets_there_it_waits_10_ms_and_ever_less_often)
