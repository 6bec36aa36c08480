/*
 * A loop: an event_base and everything else that belongs to one thread.
 *
 * Only loop_post() may be called by other threads; all the rest belongs to
 * the loop's own thread (and to its creator before the thread starts).
 *
 * Three ways to have something done later:
 *	letter	 by another thread (or this one): posted, read in order;
 *	task	 by this thread, as soon as the running callback has returned;
 *	deadline after a fixed time (net/deadline.h).
 */

#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <sys/queue.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/deadline.h"

struct event;
struct event_base;
struct loop;

/* A message is never larger than this while it is looked at in one piece. */
#define LOOP_BUFFER_BYTES	(64 * 1024)

/*
 * A letter carries one thing from one thread to another.  It is embedded in
 * the thing it carries, so sending never allocates and never fails.  Its
 * receiver owns what it carries from loop_post() on.
 */
struct letter {
	void			(*read)(struct loop *, struct letter *);
	STAILQ_ENTRY(letter)	 next;
};

/* Something to do after the current callback; embedded like a letter. */
struct task {
	void			(*run)(struct loop *, struct task *);
	TAILQ_ENTRY(task)	 next;
	bool			 queued;
};

struct loop {
	int			 index;		/* 0 is the main loop's */
	struct event_base	*base;
	uint8_t			*buffer;	/* LOOP_BUFFER_BYTES, shared by
						 * all connections: filled and
						 * emptied in one callback */
	uint8_t			*scratch;	/* as large: output put together
						 * in one callback */
	TAILQ_HEAD(, task)	 tasks;
	struct deadline_queues	 deadlines;
	struct event		*wake;		/* the eventfd */
	int			 wake_fd;
	bool			 stopping;
	bool			 is_suspended;	/* see stream->yields */
	pthread_t		 thread;	/* that runs it */
	int64_t			 now_us;	/* 0: not asked in this round */
	struct {
		pthread_mutex_t		mutex;
		STAILQ_HEAD(, letter)	letters;
	} shared;				/* guarded by shared.mutex */
};

/*
 * The base is made with EVENT_BASE_FLAG_NOLOCK and the epoll changelist, so
 * that an event that is deleted and added again in one callback costs no
 * system call.
 */
struct loop	*loop_new(int index);
void		 loop_free(struct loop *);

void		 loop_run(struct loop *);	/* until loop_stop() */
/* Whether the calling thread is the one that runs this loop. */
bool		 loop_is_mine(const struct loop *);
void		 loop_stop(struct loop *);	/* own thread */

/* Any thread.  The loop is woken only when its box was empty. */
void		 loop_post(struct loop *, struct letter *);

/* Queue a task; nothing if it is queued already. */
void		 loop_defer(struct loop *, struct task *);
void		 loop_undefer(struct loop *, struct task *);

/*
 * Run what was deferred.  Every event callback of ours ends with it: tasks
 * run with no callback of a connection on the stack.
 */
void		 loop_run_tasks(struct loop *);

/*
 * The time of this round of events: asked for once a round, when somebody
 * first wants to know.
 */
int64_t		 loop_now_us(struct loop *);

#endif
