/*
 * base/mem: memory, copies and secrets.
 */

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#include "check_main.h"

/* The sanitizers would end the process instead of returning NULL. */
const char	*__asan_default_options(void);
const char	*__tsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

START_TEST(new_memory_is_zeroed)
{
	unsigned char	*bytes = mem_new(300);

	for (size_t i = 0; i < 300; i++)
		ck_assert_uint_eq(bytes[i], 0);
	free(bytes);
}
END_TEST

START_TEST(nothing_at_all_is_still_a_pointer)
{
	void	*memory = mem_new(0);

	ck_assert_ptr_nonnull(memory);
	memory = mem_resize(memory, 0);
	ck_assert_ptr_nonnull(memory);
	memory = mem_try_resize(memory, 0);
	ck_assert_ptr_nonnull(memory);
	free(memory);
	memory = mem_copy(NULL, 0);
	ck_assert_ptr_nonnull(memory);
	free(memory);
}
END_TEST

START_TEST(a_failed_resize_keeps_the_old_bytes)
{
	char		*text = mem_string("still here");
	volatile size_t	 huge = SIZE_MAX / 4;	/* hidden from the compiler */

	ck_assert_ptr_null(mem_try_resize(text, huge));
	ck_assert_str_eq(text, "still here");
	free(text);
}
END_TEST

START_TEST(strings_are_copied_and_terminated)
{
	char	*text = mem_string_n("pgweir and more", 6);

	ck_assert_str_eq(text, "pgweir");
	free(text);
	text = mem_string_n(NULL, 0);
	ck_assert_str_eq(text, "");
	free(text);
	ck_assert_ptr_null(mem_string(NULL));
	text = mem_printf("%s:%d", "host", 5432);
	ck_assert_str_eq(text, "host:5432");
	free(text);
	text = mem_printf("%5000s", "x");
	ck_assert_uint_eq(strlen(text), 5000);
	free(text);
}
END_TEST

START_TEST(a_wiped_secret_is_gone)
{
	char	secret[] = "secret";

	mem_wipe(secret, sizeof secret);
	for (size_t i = 0; i < sizeof secret; i++)
		ck_assert_int_eq(secret[i], 0);
	mem_wipe(NULL, 0);
	mem_free_secret(NULL);
	mem_free_secret(mem_string("another"));
}
END_TEST

START_TEST(secrets_are_equal_only_when_every_byte_is)
{
	unsigned char	a[33] = { 0 }, b[33] = { 0 };

	ck_assert(mem_equal_secret(a, b, sizeof a));
	ck_assert(mem_equal_secret(a, b, 0));
	for (size_t i = 0; i < sizeof a; i++) {
		for (int bit = 0; bit < 8; bit++) {
			b[i] = (unsigned char)(1 << bit);
			ck_assert(!mem_equal_secret(a, b, sizeof a));
			ck_assert(mem_equal_secret(a, b, i));
		}
		b[i] = 0;
	}
}
END_TEST

CHECK_MAIN("mem",
    new_memory_is_zeroed,
    nothing_at_all_is_still_a_pointer,
    a_failed_resize_keeps_the_old_bytes,
    strings_are_copied_and_terminated,
    a_wiped_secret_is_gone,
    secrets_are_equal_only_when_every_byte_is)
