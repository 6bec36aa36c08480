/*
 * net/deadline.h, with a clock that the test moves.
 */

#include <limits.h>

#include "base/clock.h"
#include "check_net.h"

#define START_US	(100 * US_PER_SECOND)

struct watched {
	struct deadline	 deadline;
	int		 number;
	int64_t		 again_us;	/* set again inside the expiry */
	struct watched	*other;		/* cleared inside the expiry */
};

static struct loop	*loop;
static int		 order[64];
static int		 order_count;

static void
watched_expired(struct loop *at, struct deadline *deadline)
{
	struct watched	*watched = container_of(deadline, struct watched,
			    deadline);

	ck_assert_ptr_eq(at, loop);
	ck_assert(!deadline_is_set(deadline));
	order[order_count++] = watched->number;
	if (watched->other != NULL)
		deadline_clear(at, &watched->other->deadline);
	if (watched->again_us > 0)
		deadline_set(at, deadline, watched->again_us,
		    watched_expired);
}

static void
watch(struct watched *watched, int64_t duration_us)
{
	deadline_set(loop, &watched->deadline, duration_us, watched_expired);
}

static void
at_us(int64_t us)
{
	clock_set_us(START_US + us);
	loop->now_us = 0;
}

static void
walk_at_us(int64_t us)
{
	at_us(us);
	deadline_walk(loop);
}

static void
begin(void)
{
	clock_set_us(START_US);
	loop = loop_new(0);
}

static void
end(void)
{
	loop_free(loop);
	clock_set_us(-1);
}

START_TEST(a_deadline_expires_at_its_time_and_not_before)
{
	struct watched	watched = { .number = 7 };

	begin();
	watch(&watched, 1000);
	ck_assert(deadline_is_set(&watched.deadline));
	walk_at_us(999);
	ck_assert_int_eq(order_count, 0);
	walk_at_us(1000);
	ck_assert_int_eq(order_count, 1);
	ck_assert_int_eq(order[0], 7);
	walk_at_us(5000);
	ck_assert_int_eq(order_count, 1);
	end();
}
END_TEST

START_TEST(equal_durations_expire_in_the_order_in_which_they_were_set)
{
	struct watched	watched[10];

	begin();
	for (int i = 0; i < 10; i++) {
		watched[i] = (struct watched){ .number = i };
		at_us(i / 2);		/* some at the same time */
		watch(&watched[i], 1000);
	}
	/* Setting again moves it to the end. */
	at_us(6);
	watch(&watched[3], 1000);
	walk_at_us(1000 + 10);
	ck_assert_int_eq(order_count, 10);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(order[i], i < 3 ? i : i + 1);
	ck_assert_int_eq(order[9], 3);
	end();
}
END_TEST

START_TEST(only_what_is_due_expires)
{
	struct watched	watched[5];

	begin();
	for (int i = 0; i < 5; i++) {
		watched[i] = (struct watched){ .number = i };
		at_us(i * 10);
		watch(&watched[i], 1000);
	}
	walk_at_us(1020);
	ck_assert_int_eq(order_count, 3);
	ck_assert(deadline_is_set(&watched[3].deadline));
	walk_at_us(1039);
	ck_assert_int_eq(order_count, 4);
	walk_at_us(1040);
	ck_assert_int_eq(order_count, 5);
	end();
}
END_TEST

START_TEST(no_limit_clears)
{
	static const int64_t	none[] = { 0, -1, INT64_MIN };
	struct watched		watched = { 0 };

	begin();
	for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
		watch(&watched, 1000);
		watch(&watched, none[i]);
		ck_assert(!deadline_is_set(&watched.deadline));
		walk_at_us(2000);
		ck_assert_int_eq(order_count, 0);
		at_us(0);
	}
	end();
}
END_TEST

START_TEST(the_longest_durations_do_not_overflow)
{
	static const int64_t	durations[] = { INT_MAX, (int64_t)INT_MAX + 1,
		INT_MAX * US_PER_SECOND, INT64_MAX / 4, INT64_MAX / 2,
		INT64_MAX - 1, INT64_MAX };
	struct watched		watched[ARRAY_LENGTH(durations)];

	begin();
	for (size_t i = 0; i < ARRAY_LENGTH(durations); i++) {
		watched[i] = (struct watched){ .number = (int)i };
		watch(&watched[i], durations[i]);
		ck_assert_int_gt(watched[i].deadline.at_us, START_US);
	}
	walk_at_us(INT_MAX - INT64_C(1));
	ck_assert_int_eq(order_count, 0);
	walk_at_us(INT_MAX);
	ck_assert_int_eq(order_count, 1);
	net_run_idle(loop);
	ck_assert_int_eq(order_count, 1);
	end();
}
END_TEST

START_TEST(the_shortest_duration_is_one_microsecond)
{
	struct watched	watched = { 0 };

	begin();
	watch(&watched, 1);
	walk_at_us(0);
	ck_assert_int_eq(order_count, 0);
	walk_at_us(1);
	ck_assert_int_eq(order_count, 1);
	end();
}
END_TEST

START_TEST(clearing_is_harmless_whether_it_is_set_or_not)
{
	struct watched	watched[3] = { { .number = 0 }, { .number = 1 },
			    { .number = 2 } };

	begin();
	deadline_clear(loop, &watched[0].deadline);
	for (int i = 0; i < 3; i++)
		watch(&watched[i], 1000);
	deadline_clear(loop, &watched[1].deadline);
	deadline_clear(loop, &watched[1].deadline);
	walk_at_us(1000);
	ck_assert_int_eq(order_count, 2);
	ck_assert_int_eq(order[0], 0);
	ck_assert_int_eq(order[1], 2);
	end();
}
END_TEST

START_TEST(an_expiry_may_clear_one_that_is_due_as_well)
{
	struct watched	second = { .number = 2 }, third = { .number = 3 };
	struct watched	first = { .number = 1, .other = &second };

	begin();
	watch(&first, 1000);
	watch(&second, 1000);
	watch(&third, 1000);
	walk_at_us(1000);
	ck_assert_int_eq(order_count, 2);
	ck_assert_int_eq(order[0], 1);
	ck_assert_int_eq(order[1], 3);
	end();
}
END_TEST

START_TEST(an_expiry_may_clear_the_only_one_of_another_duration)
{
	struct watched	other = { .number = 2 };
	struct watched	first = { .number = 1, .other = &other };

	begin();
	/* Whichever queue is looked at first. */
	watch(&first, 1000);
	watch(&other, 900);
	other.other = &first;
	walk_at_us(1000);
	ck_assert_int_eq(order_count, 1);
	end();
}
END_TEST

START_TEST(an_expiry_may_set_itself_again)
{
	struct watched	watched = { .again_us = 1000 };

	begin();
	watch(&watched, 1000);
	for (int i = 1; i <= 3; i++) {
		walk_at_us(i * 1000);
		ck_assert_int_eq(order_count, i);
		ck_assert(deadline_is_set(&watched.deadline));
	}
	/* Once a walk, however late. */
	walk_at_us(100 * 1000);
	ck_assert_int_eq(order_count, 4);
	end();
}
END_TEST

START_TEST(many_durations_one_after_another_leave_few_queues)
{
	struct watched		 watched = { 0 }, steady = { 0 };
	struct deadline_queue	*first;

	begin();
	watch(&steady, 50);
	watch(&watched, 1000);
	first = loop->deadlines.first;
	for (int i = 1; i < 1000; i++) {
		deadline_clear(loop, &watched.deadline);
		watch(&watched, 1000 + i);
		ck_assert_ptr_eq(loop->deadlines.first, first);
	}
	walk_at_us(1999 - 1);
	ck_assert_int_eq(order_count, 1);
	walk_at_us(1999);
	ck_assert_int_eq(order_count, 2);
	end();
}
END_TEST

static void
note_ran(struct loop *at, struct task *task)
{
	(void)at;
	(void)task;
	order[order_count++] = -1;
}

static struct task	after = { .run = note_ran };

static void
defer_expired(struct loop *at, struct deadline *deadline)
{
	(void)deadline;
	order[order_count++] = 1;
	loop_defer(at, &after);
}

START_TEST(tasks_of_an_expiry_run_before_the_next_one)
{
	struct watched	first = { .number = 1 }, second = { .number = 2 };

	begin();
	deadline_set(loop, &first.deadline, 10, defer_expired);
	watch(&second, 10);
	walk_at_us(10);
	ck_assert_int_eq(order_count, 3);
	ck_assert_int_eq(order[0], 1);
	ck_assert_int_eq(order[1], -1);
	ck_assert_int_eq(order[2], 2);
	end();
}
END_TEST

START_TEST(the_timer_of_the_loop_walks_with_the_real_clock)
{
	struct watched	late = { .number = 2 }, early = { .number = 1 };
	struct watched	never = { .number = 3 };
	int64_t		start_us;

	loop = loop_new(0);
	start_us = clock_now_us();
	watch(&late, 40 * US_PER_MS);
	watch(&early, 5 * US_PER_MS);
	watch(&never, 10 * US_PER_MS);
	deadline_clear(loop, &never.deadline);
	RUN_UNTIL(loop, order_count == 1);
	ck_assert_int_ge(clock_now_us() - start_us, 5 * US_PER_MS);
	RUN_UNTIL(loop, order_count == 2);
	ck_assert_int_ge(clock_now_us() - start_us, 40 * US_PER_MS);
	ck_assert_int_eq(order[0], 1);
	ck_assert_int_eq(order[1], 2);
	loop_free(loop);
}
END_TEST

START_TEST(a_deadline_set_again_before_each_expiry_never_expires)
{
	struct watched	watched = { .number = 1 };
	struct watched	end_of_test = { .number = 2 };

	loop = loop_new(0);
	watch(&end_of_test, 600 * US_PER_MS);
	while (order_count == 0) {
		watch(&watched, 300 * US_PER_MS);
		net_turn(loop, EVLOOP_NONBLOCK);
	}
	ck_assert_int_eq(order[0], 2);
	RUN_UNTIL(loop, order_count == 2);
	ck_assert_int_eq(order[1], 1);
	loop_free(loop);
}
END_TEST

CHECK_MAIN("deadline", a_deadline_expires_at_its_time_and_not_before,
    equal_durations_expire_in_the_order_in_which_they_were_set,
    only_what_is_due_expires,
    no_limit_clears,
    the_longest_durations_do_not_overflow,
    the_shortest_duration_is_one_microsecond,
    clearing_is_harmless_whether_it_is_set_or_not,
    an_expiry_may_clear_one_that_is_due_as_well,
    an_expiry_may_clear_the_only_one_of_another_duration,
    an_expiry_may_set_itself_again,
    many_durations_one_after_another_leave_few_queues,
    tasks_of_an_expiry_run_before_the_next_one,
    the_timer_of_the_loop_walks_with_the_real_clock,
    a_deadline_set_again_before_each_expiry_never_expires)
