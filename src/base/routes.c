/*
 * What is known of each reason, made from the list in the header.
 */

#include <assert.h>

#include "base/routes.h"

static const struct {
	const char	*label, *text;
} whys[WHY_COUNT] = {
#define ROUTE_WHY_ENTRY(why, label, text)	[why] = { label, text },
	ROUTE_WHY_LIST(ROUTE_WHY_ENTRY)
#undef ROUTE_WHY_ENTRY
};

const char *
route_why_label(enum route_why why)
{
	assert((unsigned)why < WHY_COUNT);
	return whys[why].label;
}

const char *
route_why_text(enum route_why why)
{
	assert((unsigned)why < WHY_COUNT);
	return whys[why].text;
}

const char *
route_target_name(enum route_target target)
{
	return target == TARGET_REPLICA ? "replica" : "primary";
}
