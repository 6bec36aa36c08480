/*
 * What the loops have counted of a pool, added up by any thread.
 */

#include "pool/pool.h"

void
pool_sum_counters(const struct pool *pool, struct counters *sum)
{
	for (int i = 0; i < pool->lane_count; i++)
		counters_add(sum, &pool->lanes[i].counters);
}

void
pool_sum_times(const struct pool *pool, struct pool_times *sum)
{
	for (int i = 0; i < pool->lane_count; i++) {
		const struct pool_times	*times = pool->lanes[i].times;

		histogram_add(&sum->wait, &times->wait);
		histogram_add(&sum->query, &times->query);
		histogram_add(&sum->transaction, &times->transaction);
		histogram_add(&sum->login, &times->login);
	}
}

void
pool_sum_pins(const struct pool *pool, struct pin_counters *sum)
{
	const struct pin_counters	*part;

	for (int i = 0; i < pool->lane_count; i++) {
		part = &pool->lanes[i].pins;
		for (size_t pin = 0; pin < PIN_COUNT; pin++) {
			COUNT(sum->tied[pin], atomic_load_explicit(
			    &part->tied[pin], memory_order_relaxed));
			COUNT(sum->refused[pin], atomic_load_explicit(
			    &part->refused[pin], memory_order_relaxed));
		}
	}
}

void
pool_sum_routes(const struct pool *pool, struct route_counters *sum)
{
	const struct route_counters	*part;

	for (int i = 0; i < pool->lane_count; i++) {
		part = &pool->lanes[i].routes;
		for (size_t target = 0; target < TARGET_COUNT; target++)
			for (size_t why = 0; why < WHY_COUNT; why++)
				COUNT(sum->taken[target][why],
				    atomic_load_explicit(
				    &part->taken[target][why],
				    memory_order_relaxed));
	}
}
