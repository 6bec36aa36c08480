/*
 * The counters of a pool, in PgBouncer's order and under its names.
 *
 * Each loop has a set of its own for each pool and is the only one to write
 * it; the console adds the sets up from its own thread.  So they are relaxed
 * atomics, which cost no more than plain variables.
 */

#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/*	field, and what one counts; times in microseconds */
#define COUNTER_LIST(X)							\
	X(server_assignment_count, "servers given to clients")		\
	X(xact_count,		"transactions that ended")		\
	X(query_count,		"queries: Query, or a batch up to Sync")\
	X(received,		"bytes from clients")			\
	X(sent,			"bytes to clients")			\
	X(xact_time,		"time servers were linked in transactions")\
	X(query_time,		"time between a query and its end")	\
	X(wait_time,		"time clients waited for a server")	\
	X(client_parse_count,	"Parse messages from clients")		\
	X(server_parse_count,	"Parse messages to servers")		\
	X(bind_count,		"Bind messages from clients")		\
	X(client_login_count,	"clients that logged in")

struct counters {
#define COUNTER_FIELD(name, text)	_Atomic uint64_t name;
	COUNTER_LIST(COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* By the owning thread only: no lock prefix, no lost update. */
#define COUNT(counter, n)						\
	atomic_store_explicit(&(counter),				\
	    atomic_load_explicit(&(counter), memory_order_relaxed) +	\
	    (uint64_t)(n), memory_order_relaxed)

/* sum += part, from any thread. */
void	counters_add(struct counters *sum, const struct counters *part);

#endif
