/*
 * net/loop.h: letters, tasks and time.  Also run under the thread sanitizer.
 */

#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "check_net.h"

enum { THREADS = 4, LETTERS = 5000 };

struct note {
	struct letter	letter;
	struct task	task;
	struct loop	*from;
	int		number;
};

static int	order[64];
static int	order_count;

static void
note_write_down(struct loop *loop, struct letter *letter)
{
	(void)loop;
	order[order_count++] = container_of(letter, struct note,
	    letter)->number;
}

static void
note_run(struct loop *loop, struct task *task)
{
	(void)loop;
	order[order_count++] = container_of(task, struct note, task)->number;
}

START_TEST(letters_are_read_in_the_order_in_which_they_were_posted)
{
	struct loop	*loop = loop_new(3);
	struct note	 notes[10];

	ck_assert_int_eq(loop->index, 3);
	for (int i = 0; i < 10; i++) {
		notes[i] = (struct note){ .number = i,
		    .letter.read = note_write_down };
		loop_post(loop, &notes[i].letter);
	}
	ck_assert_int_eq(order_count, 0);
	RUN_UNTIL(loop, order_count == 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(order[i], i);
	loop_free(loop);
}
END_TEST

START_TEST(the_loop_is_woken_only_when_its_box_was_empty)
{
	struct loop	*loop = loop_new(0);
	struct note	 notes[3] = { { .letter.read = note_write_down },
			    { .letter.read = note_write_down },
			    { .letter.read = note_write_down } };
	uint64_t	 count;

	for (int i = 0; i < 3; i++)
		loop_post(loop, &notes[i].letter);
	ck_assert_int_eq(read(loop->wake_fd, &count, sizeof count),
	    sizeof count);
	ck_assert_int_eq(count, 1);
	ck_assert_int_lt(read(loop->wake_fd, &count, sizeof count), 0);
	loop_free(loop);
}
END_TEST

static void
note_post_again(struct loop *loop, struct letter *letter)
{
	struct note	*note = container_of(letter, struct note, letter);

	/* This would block forever if letters were read under the mutex. */
	if (++note->number < 5)
		loop_post(loop, letter);
}

START_TEST(a_letter_may_post_letters_even_itself)
{
	struct loop	*loop = loop_new(0);
	struct note	 note = { .letter.read = note_post_again };

	loop_post(loop, &note.letter);
	RUN_UNTIL(loop, note.number == 5);
	net_run_idle(loop);
	ck_assert_int_eq(note.number, 5);
	loop_free(loop);
}
END_TEST

struct counting {
	struct letter	letter;
	int		thread, number;
};

static struct counting	 many[THREADS][LETTERS];
static struct loop	*target;
static int		 read_count, next_of[THREADS];

static void
counting_read(struct loop *loop, struct letter *letter)
{
	struct counting	*counting = container_of(letter, struct counting,
			    letter);

	ck_assert_int_eq(counting->number, next_of[counting->thread]++);
	if (++read_count == THREADS * LETTERS)
		loop_stop(loop);
}

static void *
counting_thread(void *arg)
{
	struct counting	*mine = arg;

	for (int i = 0; i < LETTERS; i++) {
		mine[i].letter.read = counting_read;
		mine[i].number = i;
		loop_post(target, &mine[i].letter);
		if (i % 100 == 0)
			sched_yield();
	}
	return NULL;
}

START_TEST(letters_of_many_threads_all_arrive_each_thread_in_order)
{
	pthread_t	threads[THREADS];

	target = loop_new(0);
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < LETTERS; j++)
			many[i][j].thread = i;
		pthread_create(&threads[i], NULL, counting_thread, many[i]);
	}
	loop_run(target);
	ck_assert_int_eq(read_count, THREADS * LETTERS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	loop_free(target);
}
END_TEST

static void
note_stop(struct loop *loop, struct letter *letter)
{
	(void)letter;
	loop_stop(loop);
}

static void
note_ping(struct loop *loop, struct letter *letter)
{
	struct note	*note = container_of(letter, struct note, letter);
	struct loop	*back = note->from;
	static struct letter	stop = { .read = note_stop };

	note->from = loop;
	if (note->number++ < 2000) {
		loop_post(back, letter);
		return;
	}
	loop_post(back, &stop);
	loop_stop(loop);
}

static void *
loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

START_TEST(a_letter_goes_to_and_fro_between_two_threads)
{
	struct loop	*one = loop_new(1), *two = loop_new(2);
	struct note	 note = { .letter.read = note_ping, .from = two };
	pthread_t	 thread;

	pthread_create(&thread, NULL, loop_thread, two);
	loop_post(one, &note.letter);
	loop_run(one);
	pthread_join(thread, NULL);
	ck_assert_int_eq(note.number, 2001);
	loop_free(one);
	loop_free(two);
}
END_TEST

START_TEST(tasks_run_once_in_order_and_can_be_taken_back)
{
	struct loop	*loop = loop_new(0);
	struct note	 notes[4];

	for (int i = 0; i < 4; i++) {
		notes[i] = (struct note){ .number = i, .task.run = note_run };
		loop_defer(loop, &notes[i].task);
		loop_defer(loop, &notes[i].task);
	}
	loop_undefer(loop, &notes[2].task);
	loop_undefer(loop, &notes[2].task);
	ck_assert(!notes[2].task.queued);
	ck_assert_int_eq(order_count, 0);
	loop_run_tasks(loop);
	ck_assert_int_eq(order_count, 3);
	ck_assert_int_eq(order[0], 0);
	ck_assert_int_eq(order[1], 1);
	ck_assert_int_eq(order[2], 3);
	loop_run_tasks(loop);
	ck_assert_int_eq(order_count, 3);
	loop_free(loop);
}
END_TEST

static void
note_defer_again(struct loop *loop, struct task *task)
{
	struct note	*note = container_of(task, struct note, task);

	ck_assert(!task->queued);
	if (++note->number < 3)
		loop_defer(loop, task);
}

START_TEST(a_task_may_defer_itself_and_runs_in_the_same_call)
{
	struct loop	*loop = loop_new(0);
	struct note	 note = { .task.run = note_defer_again };

	loop_defer(loop, &note.task);
	loop_run_tasks(loop);
	ck_assert_int_eq(note.number, 3);
	loop_free(loop);
}
END_TEST

static void
note_free(struct loop *loop, struct task *task)
{
	(void)loop;
	order_count++;
	free(container_of(task, struct note, task));
}

START_TEST(a_task_may_free_what_embeds_it)
{
	struct loop	*loop = loop_new(0);

	for (int i = 0; i < 3; i++) {
		struct note	*note = mem_new(sizeof *note);

		note->task.run = note_free;
		loop_defer(loop, &note->task);
	}
	loop_run_tasks(loop);
	ck_assert_int_eq(order_count, 3);
	loop_free(loop);
}
END_TEST

static void
note_stop_task(struct loop *loop, struct task *task)
{
	(void)task;
	order_count++;
	loop_stop(loop);
}

static void
note_defer_stop(struct loop *loop, struct letter *letter)
{
	struct note	*note = container_of(letter, struct note, letter);

	note->task.run = note_stop_task;
	loop_defer(loop, &note->task);
	ck_assert_int_eq(order_count, 0);
}

START_TEST(tasks_that_a_letter_left_are_run)
{
	struct loop	*loop = loop_new(0);
	struct note	 note = { .letter.read = note_defer_stop };

	loop_post(loop, &note.letter);
	loop_run(loop);
	ck_assert_int_eq(order_count, 1);
	loop_free(loop);
}
END_TEST

START_TEST(tasks_deferred_before_the_loop_runs_are_run)
{
	struct loop	*loop = loop_new(0);
	struct note	 note = { .task.run = note_stop_task };

	loop_defer(loop, &note.task);
	loop_run(loop);
	ck_assert_int_eq(order_count, 1);
	loop_free(loop);
}
END_TEST

START_TEST(a_loop_that_was_stopped_does_not_begin)
{
	struct loop	*loop = loop_new(0);

	loop_stop(loop);
	loop_run(loop);
	loop_free(loop);
}
END_TEST

static int64_t	seen_us[2];

static void
note_look_at_clock(struct loop *loop, struct letter *letter)
{
	int	number = container_of(letter, struct note, letter)->number;

	clock_set_us(1000 * (number + 1));
	seen_us[number] = loop_now_us(loop);
}

START_TEST(the_time_is_asked_for_once_a_round)
{
	struct loop	*loop = loop_new(0);
	struct note	 first = { .letter.read = note_look_at_clock };
	struct note	 second = { .letter.read = note_look_at_clock,
			    .number = 1 };

	loop_post(loop, &first.letter);
	loop_post(loop, &second.letter);
	RUN_UNTIL(loop, seen_us[1] != 0);
	ck_assert_int_eq(seen_us[0], 1000);
	ck_assert_int_eq(seen_us[1], 1000);
	seen_us[1] = 0;
	loop_post(loop, &second.letter);
	RUN_UNTIL(loop, seen_us[1] != 0);
	ck_assert_int_eq(seen_us[1], 2000);
	clock_set_us(-1);
	loop_free(loop);
}
END_TEST

CHECK_MAIN("loop", letters_are_read_in_the_order_in_which_they_were_posted,
    the_loop_is_woken_only_when_its_box_was_empty,
    a_letter_may_post_letters_even_itself,
    letters_of_many_threads_all_arrive_each_thread_in_order,
    a_letter_goes_to_and_fro_between_two_threads,
    tasks_run_once_in_order_and_can_be_taken_back,
    a_task_may_defer_itself_and_runs_in_the_same_call,
    a_task_may_free_what_embeds_it,
    tasks_that_a_letter_left_are_run,
    tasks_deferred_before_the_loop_runs_are_run,
    a_loop_that_was_stopped_does_not_begin,
    the_time_is_asked_for_once_a_round)
