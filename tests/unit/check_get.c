/*
 * wire/get and wire/error_fields: no read leaves the bounds, no length is
 * believed.
 */

#include <string.h>

#include "wire/error_fields.h"
#include "wire/get.h"

#include "check_main.h"

/* Bytes in memory of exactly their size, so that a sanitizer sees the end. */
static uint8_t *
exactly(const void *bytes, size_t n)
{
	uint8_t	*copy = malloc(n != 0 ? n : 1);

	if (n != 0)
		memcpy(copy, bytes, n);
	return copy;
}

START_TEST(numbers_are_big_endian)
{
	static const uint8_t	bytes[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
		0xff, 0xff, 0xff, 0xfe,
	};
	struct get		get;

	get_init(&get, bytes, sizeof bytes);
	ck_assert_uint_eq(get_u8(&get), 0x01);
	ck_assert_uint_eq(get_u16(&get), 0x0203);
	ck_assert_uint_eq(get_u32(&get), 0x04050607);
	ck_assert_int_eq(get_i32(&get), -2);
	ck_assert(get_is_done(&get));
}
END_TEST

START_TEST(a_read_over_the_end_fails_and_so_do_all_after_it)
{
	static const uint8_t	bytes[] = { 1, 2, 3 };
	uint8_t			*copy = exactly(bytes, sizeof bytes);
	struct get		get;

	get_init(&get, copy, sizeof bytes);
	ck_assert_uint_eq(get_u32(&get), 0);
	ck_assert(get.bad);
	ck_assert_uint_eq(get_u8(&get), 0);
	ck_assert_uint_eq(get_u16(&get), 0);
	ck_assert_ptr_null(get_bytes(&get, 0));
	ck_assert_ptr_null(get_string(&get));
	ck_assert_uint_eq(get_left(&get), 0);
	ck_assert(!get_is_done(&get));
	free(copy);
}
END_TEST

START_TEST(every_read_is_refused_one_byte_short)
{
	static const uint8_t	bytes[4] = { 0 };
	uint8_t			*copy;
	struct get		get;

	for (size_t n = 0; n <= 4; n++) {
		copy = exactly(bytes, n);
		get_init(&get, copy, n);
		get_u8(&get);
		ck_assert_int_eq(get.bad, n < 1);
		get_init(&get, copy, n);
		get_u16(&get);
		ck_assert_int_eq(get.bad, n < 2);
		get_init(&get, copy, n);
		get_u32(&get);
		ck_assert_int_eq(get.bad, n < 4);
		get_init(&get, copy, n);
		get_bytes(&get, 3);
		ck_assert_int_eq(get.bad, n < 3);
		free(copy);
	}
}
END_TEST

START_TEST(hostile_lengths_of_bytes_are_refused)
{
	static const size_t	lengths[] = {
		4, 0x7fffffff, 0x80000000, 0xffffffff, SIZE_MAX / 2, SIZE_MAX,
		(size_t)-1, (size_t)-3,
	};
	static const uint8_t	bytes[3] = { 1, 2, 3 };
	struct get		get;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		get_init(&get, bytes, sizeof bytes);
		ck_assert_ptr_null(get_bytes(&get, lengths[i]));
		ck_assert(get.bad);
	}
	get_init(&get, bytes, sizeof bytes);
	ck_assert_ptr_eq(get_bytes(&get, 3), bytes);
	ck_assert_ptr_nonnull(get_bytes(&get, 0));
	ck_assert(get_is_done(&get));
}
END_TEST

START_TEST(an_empty_body_is_done_at_once)
{
	struct get	get;

	get_init(&get, NULL, 0);
	ck_assert(get_is_done(&get));
	ck_assert_ptr_nonnull(get_bytes(&get, 0));
	ck_assert_ptr_null(get_string(&get));
	ck_assert(!get_is_done(&get));
}
END_TEST

START_TEST(a_string_must_end_within_the_bounds)
{
	uint8_t		*copy = exactly("one\0two", 7);
	struct get	 get;

	get_init(&get, copy, 7);
	ck_assert_str_eq(get_string(&get), "one");
	ck_assert_ptr_null(get_string(&get));
	ck_assert(get.bad);
	get_init(&get, "", 1);
	ck_assert_str_eq(get_string(&get), "");
	ck_assert(get_is_done(&get));
	free(copy);
}
END_TEST

START_TEST(what_is_left_over_is_not_done)
{
	struct get	get;

	get_init(&get, "x\0y", 3);
	ck_assert_str_eq(get_string(&get), "x");
	ck_assert(!get.bad);
	ck_assert(!get_is_done(&get));
}
END_TEST

static struct error_fields
parse(const char *bytes, size_t n)
{
	/* Kept, because the fields point into it. */
	static uint8_t		*copy;
	struct error_fields	 fields;

	free(copy);
	copy = exactly(bytes, n);
	error_fields_parse(copy, n, &fields);
	return fields;
}

#define PARSE(text)	parse(text, sizeof text - 1)

START_TEST(an_error_is_taken_apart)
{
	struct error_fields	fields;

	fields = PARSE("SFEHLER\0VERROR\0C42P01\0Mno table\0Dreally\0"
	    "Htry again\0Fparse.c\0L12\0\0");
	ck_assert_str_eq(fields.severity, "ERROR");
	ck_assert_str_eq(fields.sqlstate, "42P01");
	ck_assert_str_eq(fields.message, "no table");
	ck_assert_str_eq(fields.detail, "really");
	ck_assert_str_eq(fields.hint, "try again");
	/* Before 9.6 there was no V. */
	fields = PARSE("SFATAL\0C57P01\0Mbye\0\0");
	ck_assert_str_eq(fields.severity, "FATAL");
	ck_assert_ptr_null(fields.detail);
	ck_assert_ptr_null(fields.hint);
}
END_TEST

START_TEST(an_error_without_fields_has_safe_ones)
{
	static const struct { const char *bytes; size_t n; } bodies[] = {
		{ "", 0 }, { "\0", 1 }, { "M", 1 }, { "M\0", 2 },
		{ "M\0\0", 3 }, { "Munterminated", 13 }, { "C\0S\0M\0", 6 },
		{ "C42\0M\0V\0", 8 }, { "C123456\0", 8 }, { "C42P0\n\0", 7 },
		{ "C42P01", 6 }, { "Xwhat\0\0", 7 }, { "\0Mafter\0", 8 },
		{ "\xff\xff\xff\xff", 4 },
	};
	struct error_fields	fields;

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		fields = parse(bodies[i].bytes, bodies[i].n);
		ck_assert_str_eq(fields.severity, "ERROR");
		ck_assert_str_eq(fields.sqlstate, "XX000");
		ck_assert_str_eq(fields.message, "no message");
		ck_assert_ptr_null(fields.detail);
		ck_assert_ptr_null(fields.hint);
	}
	error_fields_parse(NULL, 0, &fields);
	ck_assert_str_eq(fields.message, "no message");
}
END_TEST

START_TEST(an_error_cut_off_anywhere_is_still_one)
{
	static const char	body[] = "SERROR\0VERROR\0C42P01\0Mno\0"
				    "Dx\0Hy\0";
	struct error_fields	fields;

	for (size_t n = 0; n <= sizeof body; n++) {
		fields = parse(body, n);
		ck_assert_str_eq(fields.severity, "ERROR");
		ck_assert_uint_eq(strlen(fields.sqlstate), 5);
		ck_assert_ptr_nonnull(fields.message);
	}
}
END_TEST

CHECK_MAIN("get",
    numbers_are_big_endian,
    a_read_over_the_end_fails_and_so_do_all_after_it,
    every_read_is_refused_one_byte_short,
    hostile_lengths_of_bytes_are_refused,
    an_empty_body_is_done_at_once,
    a_string_must_end_within_the_bounds,
    what_is_left_over_is_not_done,
    an_error_is_taken_apart,
    an_error_without_fields_has_safe_ones,
    an_error_cut_off_anywhere_is_still_one)
