/*
 * The last failovers, for people.  Main thread only.
 */

#include <stdio.h>

#include "base/clock.h"
#include "pool/backend.h"
#include "pool/cluster.h"

static struct failover	failovers[FAILOVERS_MAX];
static uint64_t		failover_count;

/* This host gets the writes from now on; the first of all is no failover. */
void
failover_note(struct cluster *cluster, const struct backend *writer)
{
	struct failover	*entry;

	if (cluster->crowned == NULL || cluster->crowned == writer)
		return;
	cluster->failovers++;
	entry = &failovers[failover_count++ % FAILOVERS_MAX];
	entry->at_us = clock_wall_us();
	snprintf(entry->text, sizeof entry->text, "%.80s is the primary of "
	    "%.80s, timeline %u; before it was %.80s", writer->name,
	    cluster->name, writer->report.timeline, cluster->crowned->name);
}

size_t
failovers_list(struct failover list[FAILOVERS_MAX])
{
	uint64_t	n = failover_count < FAILOVERS_MAX ? failover_count :
			    FAILOVERS_MAX;

	for (uint64_t i = 0; i < n; i++)
		list[i] = failovers[(failover_count - 1 - i) %
		    FAILOVERS_MAX];
	return (size_t)n;
}
