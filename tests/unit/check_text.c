/*
 * base/text: numbers, times, sizes, lists and names.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#include "check_main.h"

START_TEST(integers_are_read_whole_or_not_at_all)
{
	static const char *const	bad[] = {
		"", " ", "-", "+", "1 ", " 1", "1x", "0x10", "1.0", "--1",
		"9223372036854775808", "-9223372036854775809", "١",
	};
	int64_t				value = 77;

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(!text_to_integer(bad[i], &value), "%s", bad[i]);
	ck_assert_int_eq(value, 77);
	ck_assert(text_to_integer("9223372036854775807", &value));
	ck_assert_int_eq(value, INT64_MAX);
	ck_assert(text_to_integer("-9223372036854775808", &value));
	ck_assert_int_eq(value, INT64_MIN);
	ck_assert(text_to_integer("007", &value));
	ck_assert_int_eq(value, 7);
}
END_TEST

START_TEST(truth_has_four_names_in_any_case)
{
	bool	value = false;

	ck_assert(text_to_bool("ON", &value) && value);
	ck_assert(text_to_bool("Yes", &value) && value);
	ck_assert(text_to_bool("1", &value) && value);
	ck_assert(text_to_bool("true", &value) && value);
	ck_assert(text_to_bool("0", &value) && !value);
	ck_assert(text_to_bool("no", &value) && !value);
	ck_assert(text_to_bool("False", &value) && !value);
	ck_assert(text_to_bool("oFF", &value) && !value);
	value = true;
	ck_assert(!text_to_bool("", &value));
	ck_assert(!text_to_bool("2", &value));
	ck_assert(!text_to_bool("tru", &value));
	ck_assert(!text_to_bool("truer", &value));
	ck_assert(value);
}
END_TEST

START_TEST(durations_are_seconds_unless_they_say_otherwise)
{
	static const struct { const char *text; int64_t us; } good[] = {
		{ "0", 0 }, { "30", 30000000 }, { "0.5", 500000 },
		{ "30s", 30000000 }, { "2000ms", 2000000 }, { "250us", 250 },
		{ "5min", 300000000 }, { "5 min", 300000000 },
		{ "1h", INT64_C(3600000000) }, { "1d", INT64_C(86400000000) },
		{ "1.5h", INT64_C(5400000000) }, { "0.0000019", 1 },
		{ "0.9999999999999999999999", 999999 }, { "1.25MS", 1250 },
		{ "106751991d", INT64_C(9223372022400000000) },
		{ "9223372036854775807us", INT64_MAX },
	};
	static const char *const	bad[] = {
		"", "s", "-1", "+1", "1x", "1 ", " 1", "1.", ".5", "1.s",
		"1..5", "1e3", "1m", "5 minutes", "106751992d",
		"9223372036854775808us", "9223372036854775807",
		"99999999999999999999999", "1s ", "1\ts",
	};
	int64_t				us = 77;

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(!text_to_duration(bad[i], &us), "%s", bad[i]);
	ck_assert_int_eq(us, 77);
	for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
		ck_assert_msg(text_to_duration(good[i].text, &us), "%s",
		    good[i].text);
		ck_assert_int_eq(us, good[i].us);
	}
}
END_TEST

START_TEST(a_written_duration_is_read_back)
{
	static const int64_t	values[] = {
		0, 1, 999, 1000, 1001, 250000, 500000, 999999, 1000000,
		1000001, 30000000, 300000000, INT64_C(3600000000),
		INT64_C(86400000000), INT64_C(86400000001),
		INT64_C(9223372022400000000), INT64_MAX,
	};
	char			text[64];
	int64_t			us;

	for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
		text_from_duration(values[i], text, sizeof text);
		us = -1;
		ck_assert_msg(text_to_duration(text, &us), "%s", text);
		ck_assert_int_eq(us, values[i]);
	}
}
END_TEST

START_TEST(the_shortest_duration_is_written)
{
	static const struct { int64_t us; const char *text; } pairs[] = {
		{ 0, "0" }, { 30000000, "30" }, { 500000, "0.5" },
		{ 1, "1us" }, { 2000, "2ms" }, { 300000000, "300" },
		{ INT64_C(3600000000), "1h" }, { INT64_C(86400000000), "1d" },
		{ INT64_C(3601000000), "3601" }, { -5, "0" },
	};
	char			text[64];

	for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
		text_from_duration(pairs[i].us, text, sizeof text);
		ck_assert_str_eq(text, pairs[i].text);
	}
	text_from_duration(INT64_MAX, text, 4);
	ck_assert_uint_eq(strlen(text), 3);
}
END_TEST

START_TEST(sizes_count_in_1024)
{
	static const char *const	bad[] = {
		"", "kB", "-1", "1.5MB", "4 ", "4kBs", "4 kB B",
		"9223372036854775808", "8388608TB", "1PB",
	};
	int64_t				value = 77;

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(!text_to_bytes(bad[i], &value), "%s", bad[i]);
	ck_assert_int_eq(value, 77);
	ck_assert(text_to_bytes("4096", &value) && value == 4096);
	ck_assert(text_to_bytes("4kB", &value) && value == 4096);
	ck_assert(text_to_bytes("4 KB", &value) && value == 4096);
	ck_assert(text_to_bytes("1MB", &value) && value == 1 << 20);
	ck_assert(text_to_bytes("1GB", &value) && value == 1 << 30);
	ck_assert(text_to_bytes("8388607TB", &value));
}
END_TEST

START_TEST(text_is_compared_also_when_there_is_none)
{
	ck_assert(text_equal(NULL, NULL));
	ck_assert(!text_equal(NULL, ""));
	ck_assert(!text_equal("", NULL));
	ck_assert(text_equal("a", "a"));
	ck_assert(!text_equal("a", "A"));
	ck_assert(text_equal_nocase(NULL, NULL));
	ck_assert(!text_equal_nocase("", NULL));
	ck_assert(text_equal_nocase("aZ_", "Az_"));
	ck_assert(!text_equal_nocase("a", "ab"));
	ck_assert(!text_equal_nocase("@", "`"));
	ck_assert(!text_equal_nocase("[", "{"));
	ck_assert(text_starts_with("prefix", "pre"));
	ck_assert(text_starts_with("pre", ""));
	ck_assert(!text_starts_with("pr", "pre"));
}
END_TEST

START_TEST(distance_counts_the_letters_to_change)
{
	ck_assert_int_eq(text_distance("", "", 5), 0);
	ck_assert_int_eq(text_distance("abc", "", 5), 3);
	ck_assert_int_eq(text_distance("kitten", "sitting", 9), 3);
	ck_assert_int_eq(text_distance("sitting", "kitten", 9), 3);
	ck_assert_int_eq(text_distance("pool_size", "pol_size", 4), 1);
	ck_assert_int_eq(text_distance("pool_size", "pool_size", 4), 0);
	ck_assert_int_eq(text_distance("kitten", "sitting", 3), 3);
	ck_assert_int_eq(text_distance("kitten", "sitting", 2), 2);
	ck_assert_int_eq(text_distance("a", "abcdefghijk", 4), 4);
	ck_assert_int_eq(text_distance("abc", "xyz", 0), 0);
}
END_TEST

START_TEST(words_of_a_list_are_separated_by_commas_or_space)
{
	char	 text[] = " ,one,, two\tthree\n,";
	char	*list = text, none[] = " , ", *empty = none;

	ck_assert_str_eq(text_next_word(&list), "one");
	ck_assert_str_eq(text_next_word(&list), "two");
	ck_assert_str_eq(text_next_word(&list), "three");
	ck_assert_ptr_null(text_next_word(&list));
	ck_assert_ptr_null(text_next_word(&list));
	ck_assert_ptr_null(text_next_word(&empty));
}
END_TEST

START_TEST(a_list_has_its_words_and_no_parts_of_them)
{
	ck_assert(text_list_has("one, two three", "two"));
	ck_assert(text_list_has("one, two three", "three"));
	ck_assert(text_list_has("one", "one"));
	ck_assert(!text_list_has("one, two", "tw"));
	ck_assert(!text_list_has("one, two", "twoo"));
	ck_assert(!text_list_has("one, two", ""));
	ck_assert(!text_list_has("", "one"));
	ck_assert(!text_list_has(",, ", ""));
	ck_assert(!text_list_has(NULL, "one"));
	ck_assert(text_list_has("x,*", "anything"));
	ck_assert(!text_list_has("**", "anything"));
}
END_TEST

CHECK_MAIN("text",
    integers_are_read_whole_or_not_at_all,
    truth_has_four_names_in_any_case,
    durations_are_seconds_unless_they_say_otherwise,
    a_written_duration_is_read_back,
    the_shortest_duration_is_written,
    sizes_count_in_1024,
    text_is_compared_also_when_there_is_none,
    distance_counts_the_letters_to_change,
    words_of_a_list_are_separated_by_commas_or_space,
    a_list_has_its_words_and_no_parts_of_them)
