/*
 * wire/msg: a head is known from its fifth byte on, and lies about nothing.
 */

#include <string.h>

#include "wire/msg.h"

#include "check_main.h"

static enum msg_result
peek(uint8_t type, uint32_t length, struct msg_head *head)
{
	uint8_t	bytes[MSG_HEAD_BYTES] = {
		type, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
		(uint8_t)(length >> 8), (uint8_t)length,
	};

	return msg_peek(bytes, sizeof bytes, head);
}

START_TEST(fewer_than_five_bytes_say_nothing)
{
	uint8_t		*bytes;
	struct msg_head	 head;

	for (size_t n = 0; n < MSG_HEAD_BYTES; n++) {
		bytes = malloc(n + 1);
		memset(bytes, 0xff, n + 1);
		ck_assert_int_eq(msg_peek(bytes, n, &head), MSG_SHORT);
		free(bytes);
	}
	ck_assert_int_eq(msg_peek(NULL, 0, &head), MSG_SHORT);
}
END_TEST

START_TEST(a_length_that_counts_less_than_itself_is_bad)
{
	struct msg_head	head;

	for (uint32_t length = 0; length < 4; length++)
		ck_assert_int_eq(peek('Q', length, &head), MSG_BAD);
	ck_assert_int_eq(peek('Q', 4, &head), MSG_OK);
	ck_assert_uint_eq(head.length, 0);
	ck_assert_uint_eq(head.type, 'Q');
}
END_TEST

START_TEST(a_length_of_more_than_one_gib_is_bad)
{
	static const uint32_t	bad[] = {
		0x40000004, 0x40000005, 0x7fffffff, 0x80000000, 0x80000004,
		0xfffffffb, 0xffffffff,
	};
	struct msg_head		head;

	ck_assert_int_eq(peek('d', 0x40000003, &head), MSG_OK);
	ck_assert_uint_eq(head.length, MSG_BODY_BYTES_MAX);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(peek('d', bad[i], &head), MSG_BAD);
}
END_TEST

START_TEST(the_body_need_not_be_there)
{
	struct msg_head	head;

	ck_assert_int_eq(peek('B', 0x00010203, &head), MSG_OK);
	ck_assert_uint_eq(head.length, 0x000101ff);
	ck_assert_uint_eq(head.type, 'B');
}
END_TEST

CHECK_MAIN("msg",
    fewer_than_five_bytes_say_nothing,
    a_length_that_counts_less_than_itself_is_bad,
    a_length_of_more_than_one_gib_is_bad,
    the_body_need_not_be_there)
