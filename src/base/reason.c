/*
 * What is known of each reason, made from the list in the header.
 */

#include <assert.h>

#include "base/reason.h"

static const struct {
	const char	*sqlstate;
	const char	*label;
} reasons[REASON_COUNT] = {
#define REASON_ENTRY(name, sqlstate, label)	[name] = { sqlstate, label },
	REASON_LIST(REASON_ENTRY)
#undef REASON_ENTRY
};

_Atomic uint64_t	reason_clients_closed[REASON_COUNT];
_Atomic uint64_t	reason_servers_closed[REASON_COUNT];

const char *
reason_sqlstate(enum reason reason)
{
	assert((unsigned)reason < REASON_COUNT);
	return reasons[reason].sqlstate;
}

const char *
reason_label(enum reason reason)
{
	assert((unsigned)reason < REASON_COUNT);
	return reasons[reason].label;
}
