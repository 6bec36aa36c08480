/*
 * Adding up counters.  The part may be counted on by its owner meanwhile;
 * the sum belongs to the calling thread.
 */

#include "base/counters.h"

void
counters_add(struct counters *sum, const struct counters *part)
{
#define COUNTER_ADD(name, text)						\
	COUNT(sum->name, atomic_load_explicit(&part->name,		\
	    memory_order_relaxed));
	COUNTER_LIST(COUNTER_ADD)
#undef COUNTER_ADD
}
