/*
 * A loop: an event_base, the letters for it and the tasks of the callback
 * that runs.  See net/loop.h for which thread may call what.
 */

#include <sys/eventfd.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

static void	loop_on_wake(evutil_socket_t, short, void *);

static struct event_base *
loop_new_base(void)
{
	struct event_config	*config = event_config_new();
	struct event_base	*base;

	if (config == NULL)
		abort();
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
	    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
	    EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL) {
		log_fatal(NULL, "cannot make an event loop: %s",
		    strerror(errno));
		abort();
	}
	return base;
}

struct loop *
loop_new(int index)
{
	struct loop	*loop = mem_new(sizeof *loop);

	loop->index = index;
	loop->base = loop_new_base();
	loop->buffer = mem_new(LOOP_BUFFER_BYTES);
	loop->scratch = mem_new(LOOP_BUFFER_BYTES);
	TAILQ_INIT(&loop->tasks);
	pthread_mutex_init(&loop->shared.mutex, NULL);
	STAILQ_INIT(&loop->shared.letters);
	deadline_queues_init(loop);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0) {
		log_fatal(NULL, "cannot make an eventfd: %s",
		    strerror(errno));
		abort();
	}
	loop->wake = event_new(loop->base, loop->wake_fd,
	    EV_READ | EV_PERSIST, loop_on_wake, loop);
	event_add(loop->wake, NULL);
	return loop;
}

void
loop_free(struct loop *loop)
{
	deadline_queues_done(loop);
	event_free(loop->wake);
	close(loop->wake_fd);
	event_base_free(loop->base);
	pthread_mutex_destroy(&loop->shared.mutex);
	free(loop->buffer);
	free(loop->scratch);
	free(loop);
}

bool
loop_is_mine(const struct loop *loop)
{
	return pthread_equal(loop->thread, pthread_self());
}

void
loop_run(struct loop *loop)
{
	loop->thread = pthread_self();
	loop_run_tasks(loop);
	while (!loop->stopping) {
		loop->now_us = 0;
		if (event_base_loop(loop->base, EVLOOP_ONCE) < 0)
			abort();
		loop_run_tasks(loop);
	}
}

void
loop_stop(struct loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

void
loop_post(struct loop *loop, struct letter *letter)
{
	uint64_t	one = 1;
	bool		was_empty;

	pthread_mutex_lock(&loop->shared.mutex);
	was_empty = STAILQ_EMPTY(&loop->shared.letters);
	STAILQ_INSERT_TAIL(&loop->shared.letters, letter, next);
	pthread_mutex_unlock(&loop->shared.mutex);
	if (was_empty && write(loop->wake_fd, &one, sizeof one) < 0 &&
	    errno != EAGAIN)
		abort();
}

/* Take the whole box at once, so that no letter is read under the mutex. */
static void
loop_read_letters(struct loop *loop)
{
	STAILQ_HEAD(, letter)	 letters = STAILQ_HEAD_INITIALIZER(letters);
	struct letter		*letter;

	pthread_mutex_lock(&loop->shared.mutex);
	STAILQ_CONCAT(&letters, &loop->shared.letters);
	pthread_mutex_unlock(&loop->shared.mutex);
	while ((letter = STAILQ_FIRST(&letters)) != NULL) {
		STAILQ_REMOVE_HEAD(&letters, next);
		letter->read(loop, letter);
		loop_run_tasks(loop);
	}
}

static void
loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t	count;

	(void)what;
	if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
		abort();
	loop_read_letters(arg);
}

void
loop_defer(struct loop *loop, struct task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	TAILQ_INSERT_TAIL(&loop->tasks, task, next);
}

void
loop_undefer(struct loop *loop, struct task *task)
{
	if (!task->queued)
		return;
	task->queued = false;
	TAILQ_REMOVE(&loop->tasks, task, next);
}

void
loop_run_tasks(struct loop *loop)
{
	struct task	*task;

	while ((task = TAILQ_FIRST(&loop->tasks)) != NULL) {
		TAILQ_REMOVE(&loop->tasks, task, next);
		task->queued = false;
		task->run(loop, task);
	}
}

int64_t
loop_now_us(struct loop *loop)
{
	if (loop->now_us == 0)
		loop->now_us = clock_now_us();
	return loop->now_us;
}
