/*
 * pool/wake: how late a replica is.
 */

#include <stdint.h>

#include "pool/wake.h"

#include "check_main.h"

#define SECOND	INT64_C(1000000)

START_TEST(who_has_replayed_all_that_was_written_is_not_late)
{
	struct wake	wake = { .count = 0 };
	struct wake_lag	lag;

	lag = wake_lag(&wake, 0, SECOND);
	ck_assert_int_eq(lag.us, 0);
	wake_add(&wake, 1, 100, 1 * SECOND);
	/* An hour passes, and nothing is written. */
	wake_add(&wake, 1, 100, 3600 * SECOND);
	lag = wake_lag(&wake, 100, 3600 * SECOND);
	ck_assert_int_eq(lag.us, 0);
	ck_assert_int_eq(lag.bytes, 0);
}
END_TEST

START_TEST(what_is_written_after_an_idle_hour_is_late_from_then_on)
{
	struct wake	wake = { .count = 0 };
	struct wake_lag	lag;
	int64_t		hour = 3600 * SECOND;

	wake_add(&wake, 1, 100, SECOND);
	wake_add(&wake, 1, 150, hour);
	/* It was asked before that. */
	lag = wake_lag(&wake, 100, hour - 1);
	ck_assert_int_eq(lag.us, 0);
	lag = wake_lag(&wake, 100, hour + 2 * SECOND);
	ck_assert_int_eq(lag.us, 2 * SECOND);
	ck_assert_int_eq(lag.bytes, 50);
	ck_assert(!lag.is_older);
}
END_TEST

START_TEST(it_is_as_late_as_the_first_thing_it_has_not_replayed)
{
	struct wake	wake = { .count = 0 };
	struct wake_lag	lag;

	for (int i = 1; i <= 10; i++)
		wake_add(&wake, 1, 100 * i, i * SECOND);
	lag = wake_lag(&wake, 350, 10 * SECOND);
	ck_assert_int_eq(lag.us, 6 * SECOND);
	ck_assert_int_eq(lag.bytes, 650);
	ck_assert(!lag.is_older);
	/* What came before the first mark is not known. */
	lag = wake_lag(&wake, 50, 10 * SECOND);
	ck_assert_int_eq(lag.us, 9 * SECOND);
	ck_assert(lag.is_older);
}
END_TEST

START_TEST(a_long_history_is_thinned_and_never_tells_too_much)
{
	struct wake	wake = { .count = 0 };
	struct wake_lag	lag;
	int64_t		now, late;

	for (int i = 1; i <= 10000; i++)
		wake_add(&wake, 1, 100 * i, i * SECOND);
	now = 10000 * SECOND;
	for (int behind = 5; behind < 9000; behind += 7) {
		late = behind * SECOND;
		lag = wake_lag(&wake, 100 * (10000 - behind) - 100, now);
		ck_assert_int_le(lag.us, late);
		ck_assert_int_ge(lag.us, late / 2);
		ck_assert(!lag.is_older);
	}
	ck_assert_int_le(wake.count, WAKE_MARKS_MAX);
}
END_TEST

START_TEST(a_primary_that_is_asked_all_the_time_is_remembered_as_long)
{
	struct wake	wake = { .count = 0 };
	struct wake_lag	lag;

	for (int i = 1; i <= 60000; i++)
		wake_add(&wake, 1, i, i * 1000);
	lag = wake_lag(&wake, 30000, 60 * SECOND);
	ck_assert_int_eq(lag.bytes, 30000);
	ck_assert_int_le(lag.us, 30 * SECOND);
	ck_assert_int_ge(lag.us, 20 * SECOND);
}
END_TEST

START_TEST(another_timeline_begins_anew)
{
	struct wake	wake = { .count = 0 };

	wake_add(&wake, 1, 1000, SECOND);
	/* The new primary had not got as far as the old one. */
	wake_add(&wake, 2, 900, 2 * SECOND);
	ck_assert_int_eq(wake_lag(&wake, 900, 9 * SECOND).us, 0);
	wake_add(&wake, 2, 950, 4 * SECOND);
	ck_assert_int_eq(wake_lag(&wake, 900, 9 * SECOND).us, 5 * SECOND);
}
END_TEST

CHECK_MAIN("wake",
    who_has_replayed_all_that_was_written_is_not_late,
    what_is_written_after_an_idle_hour_is_late_from_then_on,
    it_is_as_late_as_the_first_thing_it_has_not_replayed,
    a_long_history_is_thinned_and_never_tells_too_much,
    a_primary_that_is_asked_all_the_time_is_remembered_as_long,
    another_timeline_begins_anew)
