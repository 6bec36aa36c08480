/*
 * Deadlines: one first-in-first-out queue for each duration, walked by one
 * timer a loop.
 *
 * Entries that wait equally long expire in the order in which they were set,
 * so setting and clearing are a list operation each, and the timer is touched
 * only when the earliest expiry moves forward.  A loop has few durations.
 * Deadlines may be late by a round of events, never early.
 */

#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct loop;
struct deadline_queue;

/* Embedded in what it watches; all zero is "not set". */
struct deadline {
	void			(*expired)(struct loop *, struct deadline *);
	struct deadline_queue	*queue;		/* NULL: not set */
	int64_t			 at_us;
	TAILQ_ENTRY(deadline)	 next;
};

struct deadline_queues {
	struct deadline_queue	*first;
	struct event		*timer;
	int64_t			 armed_us;	/* INT64_MAX: not armed */
};

void	deadline_add(struct loop *, struct deadline *, int64_t duration_us,
	    void (*expired)(struct loop *, struct deadline *));
void	deadline_remove(struct deadline *);

static inline bool
deadline_is_set(const struct deadline *deadline)
{
	return deadline->queue != NULL;
}

static inline void
deadline_clear(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	if (deadline_is_set(deadline))
		deadline_remove(deadline);
}

/* A duration of zero or less means "no limit": the deadline is cleared. */
static inline void
deadline_set(struct loop *loop, struct deadline *deadline,
    int64_t duration_us, void (*expired)(struct loop *, struct deadline *))
{
	deadline_clear(loop, deadline);
	if (duration_us > 0)
		deadline_add(loop, deadline, duration_us, expired);
}

/* Expire whatever is due now; called by the timer, and by tests. */
void	deadline_walk(struct loop *);

void	deadline_queues_init(struct loop *);
void	deadline_queues_done(struct loop *);

#endif
