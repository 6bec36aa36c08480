/*
 * base/histogram: percentiles are right to within an eighth.
 */

#include "base/histogram.h"
#include "base/mem.h"

#include "check_main.h"

static struct histogram	*histogram;

static void
is_about(int64_t us, int64_t wanted)
{
	ck_assert_int_ge(us, wanted - wanted / 8 - 1);
	ck_assert_int_le(us, wanted + wanted / 8 + 1);
}

START_TEST(nothing_recorded_gives_nothing)
{
	histogram = mem_new(sizeof *histogram);
	ck_assert_uint_eq(histogram_count(histogram), 0);
	ck_assert_int_eq(histogram_percentile_us(histogram, 0.99), 0);
	ck_assert_uint_eq(histogram_count_within(histogram, INT64_MAX), 0);
	free(histogram);
}
END_TEST

START_TEST(every_single_value_is_found_within_an_eighth)
{
	for (int64_t us = 0; us < INT64_C(1) << 36; us += us / 7 + 1) {
		histogram = mem_new(sizeof *histogram);
		histogram_record(histogram, us);
		is_about(histogram_percentile_us(histogram, 0), us);
		is_about(histogram_percentile_us(histogram, 0.5), us);
		is_about(histogram_percentile_us(histogram, 1), us);
		ck_assert_uint_eq(histogram_sum_us(histogram), (uint64_t)us);
		ck_assert_uint_eq(histogram_count_within(histogram, us), 1);
		ck_assert_uint_eq(histogram_count_within(histogram,
		    us - us / 7 - 2), 0);
		free(histogram);
	}
}
END_TEST

START_TEST(percentiles_of_an_even_spread_are_where_they_should_be)
{
	histogram = mem_new(sizeof *histogram);
	for (int64_t us = 1; us <= 100000; us++)
		histogram_record(histogram, us);
	is_about(histogram_percentile_us(histogram, 0.01), 1000);
	is_about(histogram_percentile_us(histogram, 0.5), 50000);
	is_about(histogram_percentile_us(histogram, 0.99), 99000);
	is_about(histogram_percentile_us(histogram, 1.0), 100000);
	is_about(histogram_percentile_us(histogram, 7.0), 100000);
	ck_assert_int_eq(histogram_percentile_us(histogram, -1.0), 1);
	free(histogram);
}
END_TEST

START_TEST(extreme_times_are_clamped)
{
	histogram = mem_new(sizeof *histogram);
	histogram_record(histogram, INT64_MIN);
	histogram_record(histogram, INT64_MAX);
	histogram_record(histogram, INT64_C(1) << 36);
	ck_assert_uint_eq(histogram_count(histogram), 3);
	ck_assert_int_eq(histogram_percentile_us(histogram, 0), 0);
	ck_assert_int_eq(histogram_percentile_us(histogram, 1),
	    (INT64_C(1) << 36) - 1);
	ck_assert_uint_eq(histogram_count_within(histogram, -1), 0);
	ck_assert_uint_eq(histogram_count_within(histogram, INT64_MAX), 3);
	free(histogram);
}
END_TEST

START_TEST(histograms_add_up)
{
	struct histogram	*sum = mem_new(sizeof *sum);

	histogram = mem_new(sizeof *histogram);
	histogram_record(histogram, 10);
	histogram_record(histogram, 1000);
	histogram_add(sum, histogram);
	histogram_add(sum, histogram);
	ck_assert_uint_eq(histogram_count(sum), 4);
	ck_assert_uint_eq(histogram_sum_us(sum), 2020);
	ck_assert_uint_eq(histogram_count_within(sum, 10), 2);
	free(sum);
	free(histogram);
}
END_TEST

CHECK_MAIN("histogram",
    nothing_recorded_gives_nothing,
    every_single_value_is_found_within_an_eighth,
    percentiles_of_an_even_spread_are_where_they_should_be,
    extreme_times_are_clamped,
    histograms_add_up)
