/*
 * A tide: how far the primary of a cluster has written, as it said last.
 *
 * Monitors ask; each question to any host gets a number, and a later one gets
 * a higher one.  Who wants to know what was true at some moment waits for the
 * answer to a question that was asked after it.
 *
 * Any thread.
 */

#ifndef POOL_TIDE_H
#define POOL_TIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct tide {
	_Atomic uint32_t	timeline;	/* as in shared */
	struct {
		pthread_mutex_t	mutex;
		uint64_t	answered;	/* the number of the last one */
		uint32_t	timeline;
		int64_t		lsn;
	} shared;				/* guarded by shared.mutex */
};

void		tide_init(struct tide *);
void		tide_done(struct tide *);
/* A question goes out: its number. */
uint64_t	tide_ask(void);
/* The number that the next one will have at least. */
uint64_t	tide_next(void);
/* It was answered, by the primary. */
void		tide_answer(struct tide *, uint64_t number, uint32_t timeline,
		    int64_t lsn);

#endif
