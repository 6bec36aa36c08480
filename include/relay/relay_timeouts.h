/*
 * Time limits.
 */

#ifndef RELAY_RELAY_TIMEOUTS_H
#define RELAY_RELAY_TIMEOUTS_H

#include <stdatomic.h>

#include "net/deadline.h"
#include "relay/relay_message.h"

struct relay_times {
	int64_t			 linked_us;	/* transaction began */
	int64_t			 query_us;	/* query began; 0: none runs */
	int64_t			 waited_us;	/* in line before that one */
	struct deadline		 deadline;	/* of the transaction */
};

/* log_slow; 0: off. */
extern _Atomic int64_t	relay_slow_us;

static inline bool
relay_is_slow(int64_t us)
{
	int64_t	limit_us = atomic_load_explicit(&relay_slow_us,
		    memory_order_relaxed);

	return limit_us != 0 && us >= limit_us;
}

/* A query has ended that took at least log_slow. */
void	relay_log_slow(const struct relay *, int64_t now_us);
void	relay_on_wait_timeout(struct loop *, struct deadline *);
void	relay_on_idle_timeout(struct loop *, struct deadline *);
void	relay_on_idle_transaction(struct loop *, struct deadline *);
void	relay_on_transaction_timeout(struct loop *, struct deadline *);
void	relay_on_query_timeout(struct loop *, struct deadline *);

#endif
