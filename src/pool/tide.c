/*
 * See pool/tide.h.
 */

#include <string.h>

#include "pool/tide.h"

static _Atomic uint64_t	asked;

void
tide_init(struct tide *tide)
{
	memset(tide, 0, sizeof *tide);
	pthread_mutex_init(&tide->shared.mutex, NULL);
}

void
tide_done(struct tide *tide)
{
	pthread_mutex_destroy(&tide->shared.mutex);
}

uint64_t
tide_ask(void)
{
	return atomic_fetch_add(&asked, 1) + 1;
}

uint64_t
tide_next(void)
{
	return atomic_load(&asked) + 1;
}

/* An answer that comes behind a later one says nothing new. */
void
tide_answer(struct tide *tide, uint64_t number, uint32_t timeline,
    int64_t lsn)
{
	pthread_mutex_lock(&tide->shared.mutex);
	if (number > tide->shared.answered) {
		tide->shared.answered = number;
		tide->shared.timeline = timeline;
		tide->shared.lsn = lsn;
		atomic_store(&tide->timeline, timeline);
	}
	pthread_mutex_unlock(&tide->shared.mutex);
}
