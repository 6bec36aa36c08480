/*
 * Deadlines, one queue a duration; see net/deadline.h.
 *
 * A queue that nobody waits in is given to the next new duration, so there
 * are never more of them than durations were waited for at once.
 *
 * The timer is armed for the earliest deadline that was ever at the head of a
 * queue; when that one was cleared in time the timer finds nothing due and is
 * armed for what is earliest then.  So setting and clearing deadlines around
 * every query costs one timer a duration, not one a query.
 */

#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"

struct deadline_queue {
	struct deadline_queue	*next;
	int64_t			 duration_us;
	TAILQ_HEAD(deadline_list, deadline) list;
};

static void
deadline_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop	*loop = arg;

	(void)fd;
	(void)what;
	loop->deadlines.armed_us = INT64_MAX;
	deadline_walk(loop);
	loop_run_tasks(loop);
}

void
deadline_queues_init(struct loop *loop)
{
	loop->deadlines.first = NULL;
	loop->deadlines.armed_us = INT64_MAX;
	loop->deadlines.timer = event_new(loop->base, -1, 0,
	    deadline_on_timer, loop);
	if (loop->deadlines.timer == NULL)
		abort();
}

void
deadline_queues_done(struct loop *loop)
{
	struct deadline_queue	*queue;

	while ((queue = loop->deadlines.first) != NULL) {
		loop->deadlines.first = queue->next;
		free(queue);
	}
	event_free(loop->deadlines.timer);
}

static struct deadline_queue *
deadline_queue_of(struct loop *loop, int64_t duration_us)
{
	struct deadline_queue	*queue, *unused = NULL;

	for (queue = loop->deadlines.first; queue != NULL;
	    queue = queue->next) {
		if (queue->duration_us == duration_us)
			return queue;
		if (TAILQ_EMPTY(&queue->list))
			unused = queue;
	}
	if (unused == NULL) {
		unused = mem_new(sizeof *unused);
		TAILQ_INIT(&unused->list);
		unused->next = loop->deadlines.first;
		loop->deadlines.first = unused;
	}
	unused->duration_us = duration_us;
	return unused;
}

static void
deadline_arm(struct loop *loop, int64_t at_us)
{
	int64_t		left_us;
	struct timeval	left;

	if (at_us >= loop->deadlines.armed_us)
		return;
	left_us = at_us - loop_now_us(loop);
	if (left_us < 0)
		left_us = 0;
	left.tv_sec = (time_t)(left_us / US_PER_SECOND);
	left.tv_usec = (suseconds_t)(left_us % US_PER_SECOND);
	event_add(loop->deadlines.timer, &left);
	loop->deadlines.armed_us = at_us;
}

void
deadline_remove(struct deadline *deadline)
{
	TAILQ_REMOVE(&deadline->queue->list, deadline, next);
	deadline->queue = NULL;
}

void
deadline_add(struct loop *loop, struct deadline *deadline,
    int64_t duration_us, void (*expired)(struct loop *, struct deadline *))
{
	if (duration_us > INT64_MAX / 4)
		duration_us = INT64_MAX / 4;
	deadline->expired = expired;
	deadline->at_us = loop_now_us(loop) + duration_us;
	deadline->queue = deadline_queue_of(loop, duration_us);
	TAILQ_INSERT_TAIL(&deadline->queue->list, deadline, next);
	deadline_arm(loop, deadline->at_us);
}

/* The first of a queue that is due, taken out; NULL when none is. */
static struct deadline *
deadline_next_due(struct loop *loop, int64_t now_us)
{
	struct deadline_queue	*queue;
	struct deadline		*first;

	for (queue = loop->deadlines.first; queue != NULL;
	    queue = queue->next) {
		first = TAILQ_FIRST(&queue->list);
		if (first != NULL && first->at_us <= now_us) {
			deadline_clear(loop, first);
			return first;
		}
	}
	return NULL;
}

void
deadline_walk(struct loop *loop)
{
	struct deadline_queue	*queue;
	struct deadline		*deadline;
	int64_t			 now_us = clock_now_us();

	loop->now_us = now_us;
	while ((deadline = deadline_next_due(loop, now_us)) != NULL) {
		deadline->expired(loop, deadline);
		loop_run_tasks(loop);
	}
	for (queue = loop->deadlines.first; queue != NULL;
	    queue = queue->next)
		if (!TAILQ_EMPTY(&queue->list))
			deadline_arm(loop, TAILQ_FIRST(&queue->list)->at_us);
}
