/*
 * base/buf: whatever is written comes out again, in order.
 */

#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#include "check_main.h"

START_TEST(an_empty_buf_owns_no_memory)
{
	struct buf	buf;

	buf_init(&buf);
	ck_assert_ptr_null(buf.data);
	buf_add(&buf, "", 0);
	ck_assert_ptr_null(buf.data);
	buf_add(&buf, "x", 1);
	ck_assert_uint_eq(buf_length(&buf), 1);
	buf_consume(&buf, 1);
	ck_assert_ptr_nonnull(buf.data);
	buf_done(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.capacity, 0);
	buf_wipe(&buf);
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
	struct buf	buf;

	buf_init(&buf);
	buf_add_text(&buf, "something");
	buf_clear(&buf);
	ck_assert_uint_eq(buf_length(&buf), 0);
	ck_assert_ptr_nonnull(buf.data);
	buf_done(&buf);
}
END_TEST

START_TEST(bytes_come_out_in_the_order_they_went_in)
{
	struct buf	buf;
	uint8_t		bytes[97], written = 0, read = 0;
	size_t		n;
	unsigned	seed = 1;

	buf_init(&buf);
	for (int i = 0; i < 20000; i++) {
		n = (size_t)rand_r(&seed) % sizeof bytes;
		for (size_t j = 0; j < n; j++)
			bytes[j] = written++;
		buf_add(&buf, bytes, n);
		n = (size_t)rand_r(&seed) % (sizeof bytes + 1);
		if (n > buf_length(&buf))
			n = buf_length(&buf);
		for (size_t j = 0; j < n; j++)
			ck_assert_uint_eq(buf_bytes(&buf)[j], read++);
		buf_consume(&buf, n);
		ck_assert_uint_le(buf.start, buf.end);
		ck_assert_uint_le(buf.end, buf.capacity);
	}
	buf_done(&buf);
}
END_TEST

START_TEST(a_buf_that_is_read_as_fast_as_written_stays_small)
{
	struct buf	buf;
	char		bytes[100] = { 0 };

	buf_init(&buf);
	buf_add(&buf, bytes, sizeof bytes);
	for (int i = 0; i < 10000; i++) {
		buf_add(&buf, bytes, sizeof bytes);
		buf_consume(&buf, sizeof bytes);
	}
	ck_assert_uint_le(buf.capacity, 512);
	buf_done(&buf);
}
END_TEST

START_TEST(reserved_room_counts_only_when_committed)
{
	struct buf	buf;

	buf_init(&buf);
	memcpy(buf_reserve(&buf, 1000), "abc", 3);
	ck_assert_uint_eq(buf_length(&buf), 0);
	buf_commit(&buf, 2);
	ck_assert_uint_eq(buf_length(&buf), 2);
	ck_assert_mem_eq(buf_bytes(&buf), "ab", 2);
	buf_done(&buf);
}
END_TEST

START_TEST(a_limit_is_reached_but_not_exceeded)
{
	struct buf	buf;

	buf_init(&buf);
	ck_assert_ptr_null(buf_try_reserve(&buf, 101, 100));
	ck_assert_ptr_nonnull(buf_try_reserve(&buf, 100, 100));
	buf_commit(&buf, 100);
	ck_assert_ptr_null(buf_try_reserve(&buf, 1, 100));
	ck_assert_ptr_nonnull(buf_try_reserve(&buf, 0, 100));
	ck_assert_ptr_null(buf_try_reserve(&buf, 0, 99));
	ck_assert_ptr_null(buf_try_reserve(&buf, SIZE_MAX, 100));
	ck_assert_ptr_null(buf_try_reserve(&buf, SIZE_MAX, SIZE_MAX));
	buf_consume(&buf, 1);
	ck_assert_ptr_nonnull(buf_try_reserve(&buf, 1, 100));
	buf_done(&buf);
}
END_TEST

START_TEST(printf_grows_as_needed_and_adds_no_nul)
{
	struct buf	buf;

	buf_init(&buf);
	for (int width = 0; width < 300; width++) {
		buf_clear(&buf);
		buf_printf(&buf, "%*s", width, "");
		buf_printf(&buf, "%s", "!");
		ck_assert_uint_eq(buf_length(&buf), (size_t)width + 1);
		ck_assert_uint_eq(buf_bytes(&buf)[width], '!');
	}
	buf_done(&buf);
}
END_TEST

START_TEST(more_than_two_gib_aborts)
{
	struct buf	buf;

	buf_init(&buf);
	buf_reserve(&buf, ((size_t)1 << 31) + 1);
}
END_TEST

START_TEST(consuming_more_than_there_is_aborts)
{
	struct buf	buf;

	buf_init(&buf);
	buf_add(&buf, "ab", 2);
	buf_consume(&buf, 3);
}
END_TEST

int
main(void)
{
	const TTest	*const tests[] = {
		an_empty_buf_owns_no_memory,
		clearing_keeps_the_memory,
		bytes_come_out_in_the_order_they_went_in,
		a_buf_that_is_read_as_fast_as_written_stays_small,
		reserved_room_counts_only_when_committed,
		a_limit_is_reached_but_not_exceeded,
		printf_grows_as_needed_and_adds_no_nul,
	};
	const TTest	*const aborting[] = {
		more_than_two_gib_aborts,
		consuming_more_than_there_is_aborts,
	};
	Suite		*suite = suite_create("buf");
	TCase		*tcase = tcase_create("buf");
	SRunner		*runner;
	int		 failed;

	for (size_t i = 0; i < ARRAY_LENGTH(tests); i++)
		tcase_add_test(tcase, tests[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(aborting); i++)
		tcase_add_test_raise_signal(tcase, aborting[i], SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
