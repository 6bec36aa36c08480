/*
 * relay: what is kept of statements, and of what PostgreSQL makes of them.
 */

#include <pthread.h>
#include <string.h>

#include "session/prepared.h"
#include "session/settings.h"

#include "check_main.h"

/* "a", and no types; "b", and a type. */
static const uint8_t	body_a[] = { 'a', 0, 0, 0 };
static const uint8_t	body_b[] = { 'b', 0, 0, 1, 0, 0, 0, 0 };
static const uint8_t	types_int[] = { 0, 1, 0, 0, 0, 23 };
static const uint8_t	types_text[] = { 0, 1, 0, 0, 0, 25 };

static struct statement *
said(const uint8_t *body, size_t n)
{
	return statement_intern(body, n, settings_none(), NULL);
}

static void
nothing_is_left(void)
{
	size_t	count, bytes;

	statements_memory(&count, &bytes);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(bytes, 0);
}

START_TEST(texts_are_kept_up_to_the_last_byte_of_their_memory)
{
	size_t			 size = sizeof(struct statement) +
				    sizeof body_a;
	size_t			 count, bytes;
	struct statement	*one, *two;

	statement_memory_max = size - 1;
	ck_assert_ptr_null(said(body_a, sizeof body_a));
	statement_memory_max = size;
	one = said(body_a, sizeof body_a);
	ck_assert_ptr_nonnull(one);
	statements_memory(&count, &bytes);
	ck_assert_uint_eq(bytes, size);
	/* What is there already takes no more. */
	two = said(body_a, sizeof body_a);
	ck_assert_ptr_eq(one, two);
	ck_assert_ptr_null(said(body_b, sizeof body_b));
	statement_memory_max = size + sizeof(struct statement) +
	    sizeof body_b - 1;
	ck_assert_ptr_null(said(body_b, sizeof body_b));
	statement_memory_max++;
	statement_release(two);
	two = said(body_b, sizeof body_b);
	ck_assert_ptr_nonnull(two);
	statement_release(one);
	statement_release(two);
	nothing_is_left();
	statement_memory_max = 0;
	one = said(body_b, sizeof body_b);
	ck_assert_ptr_nonnull(one);
	statement_release(one);
	nothing_is_left();
}
END_TEST

START_TEST(what_was_learned_shares_the_text_and_is_one_for_all)
{
	struct statement	*b = said(body_b, sizeof body_b), *list[4];
	size_t			 count, bytes;

	list[0] = statement_learn(b, types_int, sizeof types_int, 5);
	list[1] = statement_learn(list[0], types_int, sizeof types_int, 5);
	list[2] = statement_learn(b, types_text, sizeof types_text, 5);
	list[3] = statement_learn(b, types_int, sizeof types_int, 6);
	ck_assert_ptr_eq(list[0], list[1]);
	ck_assert_ptr_ne(list[0], list[2]);
	ck_assert_ptr_ne(list[0], list[3]);
	ck_assert_ptr_eq(list[0]->text, b->text);
	ck_assert_ptr_eq(list[0]->origin, b);
	statements_memory(&count, &bytes);
	ck_assert_uint_eq(count, 1);
	statement_release(b);
	/* The text lives as long as anybody has it. */
	b = said(body_b, sizeof body_b);
	ck_assert_ptr_eq(list[0]->origin, b);
	statement_release(b);
	for (size_t i = 0; i < 4; i++)
		statement_release(list[i]);
	nothing_is_left();
}
END_TEST

START_TEST(what_was_learned_is_believed_for_a_second_or_until_a_change)
{
	struct statement	*b = said(body_b, sizeof body_b);
	struct statement	*learned;

	ck_assert_ptr_null(statement_learned(b, 0));
	learned = statement_learn(b, types_int, sizeof types_int, 5);
	statement_note_learned(b, learned, 7);
	ck_assert_ptr_eq(statement_learned(b, 7), learned);
	ck_assert_ptr_eq(statement_learned(b, 1000007), learned);
	ck_assert_ptr_null(statement_learned(b, 1000008));
	statements_expire();
	ck_assert_ptr_null(statement_learned(b, 7));
	statement_note_learned(b, learned, 7);
	for (int i = 0; i < 3; i++)
		statement_release(learned);
	/* Nobody has it any more. */
	ck_assert_ptr_null(statement_learned(b, 7));
	statement_release(b);
	nothing_is_left();
}
END_TEST

/* One column: its name, table and place, type, length, modifier, format. */
static uint64_t
shape_of(char name, uint8_t table, uint8_t type, uint8_t modifier)
{
	const uint8_t	body[] = {
		0, 1, (uint8_t)name, 0, 0, 0, 0, table, 0, table, 0, 0, 0,
		type, 0, 4, 0, 0, 0, modifier, 0, table,
	};

	for (size_t n = 0; n < sizeof body; n++)
		ck_assert_uint_eq(statement_shape(body, n), 0);
	return statement_shape(body, sizeof body);
}

START_TEST(the_shape_of_rows_is_their_names_types_and_modifiers)
{
	uint64_t	shape = shape_of('a', 1, 23, 4);

	ck_assert_uint_gt(shape, SHAPE_NO_ROWS);
	ck_assert_uint_eq(shape, shape_of('a', 2, 23, 4));
	ck_assert_uint_ne(shape, shape_of('b', 1, 23, 4));
	ck_assert_uint_ne(shape, shape_of('a', 1, 25, 4));
	ck_assert_uint_ne(shape, shape_of('a', 1, 23, 5));
	ck_assert_uint_gt(statement_shape((const uint8_t *)"\0\0", 2),
	    SHAPE_NO_ROWS);
	ck_assert_uint_eq(statement_shape((const uint8_t *)"\0\0x", 3), 0);
	ck_assert_uint_eq(statement_shape((const uint8_t *)"\377\377", 2), 0);
}
END_TEST

START_TEST(types_are_whole_when_they_are_as_many_as_they_say)
{
	ck_assert(statement_types_are_whole(types_int, sizeof types_int));
	for (size_t n = 0; n < sizeof types_int; n++)
		ck_assert(!statement_types_are_whole(types_int, n));
	ck_assert(statement_types_are_whole((const uint8_t *)"\0\0", 2));
	ck_assert(!statement_types_are_whole((const uint8_t *)"\0\0x", 3));
}
END_TEST

START_TEST(what_is_on_a_shelf_turns_into_what_was_learned_of_it)
{
	struct statement	*b = said(body_b, sizeof body_b);
	struct statement	*learned = statement_learn(b, types_int,
				    sizeof types_int, 5);
	struct shelf		 shelf;

	shelf_init(&shelf);
	ck_assert_uint_eq(shelf_add(&shelf, b)->number, 1);
	shelf_turn(&shelf, b, 9, learned);
	ck_assert_ptr_null(shelf_find(&shelf, learned));
	shelf_turn(&shelf, b, 1, learned);
	ck_assert_ptr_null(shelf_find(&shelf, b));
	ck_assert_uint_eq(shelf_find(&shelf, learned)->number, 1);
	ck_assert_ptr_eq(shelf_statement(&shelf, 1), learned);
	ck_assert_ptr_null(shelf_statement(&shelf, 2));
	/* The newer one of two counts, and the other is the first to go. */
	ck_assert_uint_eq(shelf_add(&shelf, b)->number, 2);
	shelf_turn(&shelf, b, 2, learned);
	ck_assert_uint_eq(shelf_find(&shelf, learned)->number, 2);
	ck_assert_uint_eq(shelf_oldest_beyond(&shelf, 1)->number, 1);
	shelf_clear(&shelf);
	statement_release(b);
	statement_release(learned);
	nothing_is_left();
}
END_TEST

enum { THREADS = 4, TURNS = 20000 };

static void *
learn_often(void *arg)
{
	struct statement	*one, *learned, *found;

	for (int i = 0; i < TURNS; i++) {
		one = said(body_b, sizeof body_b);
		learned = statement_learn(one, i & 1 ? types_int : types_text,
		    sizeof types_int, (uint64_t)i % 3);
		statement_note_learned(one, learned, i);
		if (i % 7 == 0)
			statements_expire();
		statement_release(learned);
		found = statement_learned(one, i);
		ck_assert(found == NULL || found->origin == one);
		statement_release(one);
		statement_release(found);
	}
	return arg;
}

START_TEST(many_threads_learn_and_forget_the_same_things)
{
	pthread_t	threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, learn_often, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	nothing_is_left();
}
END_TEST

CHECK_MAIN("prepared",
    texts_are_kept_up_to_the_last_byte_of_their_memory,
    what_was_learned_shares_the_text_and_is_one_for_all,
    what_was_learned_is_believed_for_a_second_or_until_a_change,
    the_shape_of_rows_is_their_names_types_and_modifiers,
    types_are_whole_when_they_are_as_many_as_they_say,
    what_is_on_a_shelf_turns_into_what_was_learned_of_it,
    many_threads_learn_and_forget_the_same_things)
