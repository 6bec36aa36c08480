/*
 * Text that peers made up never breaks the string it stands in.
 */

#include <string.h>

#include "base/json.h"
#include "check_main.h"

static void
is_escaped(const char *from, const char *expected)
{
	char		room[200];
	struct buf	buf;

	json_escape(room, sizeof room, from);
	ck_assert_str_eq(room, expected);
	buf_init(&buf);
	json_add(&buf, from);
	buf_add(&buf, "", 1);
	ck_assert_uint_eq(buf_length(&buf), strlen(expected) + 3);
	ck_assert_int_eq(memcmp(buf_bytes(&buf) + 1, expected,
	    strlen(expected)), 0);
	buf_done(&buf);
}

START_TEST(quotes_backslashes_and_control_characters_are_escaped)
{
	is_escaped("plain", "plain");
	is_escaped("a\"b\\c", "a\\\"b\\\\c");
	is_escaped("a\nb\tc\x01\x7f", "a\\u000ab\\u0009c\\u0001\\u007f");
	is_escaped("", "");
}
END_TEST

START_TEST(utf_8_passes_and_what_is_none_becomes_a_question_mark)
{
	is_escaped("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98",
	    "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98");
	is_escaped("\xff", "?");
	is_escaped("\xc0\x80", "??");		/* too long */
	is_escaped("\xe0\x80\xaf", "???");
	is_escaped("\xed\xa0\x80", "???");	/* a surrogate */
	is_escaped("\xf4\x90\x80\x80", "????");	/* beyond the end */
	is_escaped("\xe2\x82", "??");		/* cut */
	is_escaped("\xf0\x9f\x90", "???");
	is_escaped("\x80z", "?z");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_between_two_characters)
{
	char	room[8];

	ck_assert_uint_eq(json_escape(room, 4, "abcdef"), 3);
	ck_assert_str_eq(room, "abc");
	ck_assert_uint_eq(json_escape(room, 4, "ab\"cd"), 2);
	ck_assert_str_eq(room, "ab");
	ck_assert_uint_eq(json_escape(room, 4, "a\xe2\x82\xac"), 1);
	ck_assert_uint_eq(json_escape(room, 1, "a"), 0);
	ck_assert_str_eq(room, "");
}
END_TEST

START_TEST(a_label_stays_in_its_quotes_and_its_line)
{
	struct buf	buf;

	buf_init(&buf);
	json_add_label(&buf, "a\"b\\c\nd\xff\xc3\xa9");
	buf_add(&buf, "", 1);
	ck_assert_str_eq((char *)buf_bytes(&buf),
	    "a\\\"b\\\\c?d?\xc3\xa9");
	buf_done(&buf);
}
END_TEST

CHECK_MAIN("json",
    quotes_backslashes_and_control_characters_are_escaped,
    utf_8_passes_and_what_is_none_becomes_a_question_mark,
    what_does_not_fit_is_cut_between_two_characters,
    a_label_stays_in_its_quotes_and_its_line)
