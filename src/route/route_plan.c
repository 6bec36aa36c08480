/*
 * Where the first statement of a transaction goes, in words: what EXPLAIN
 * ROUTE answers.  The relay decides by the same rules, but remembers
 * (relay_choose.c).
 */

#include <stdio.h>
#include <string.h>

#include "config/choice.h"
#include "route/route.h"
#include "wire/sqlbegin.h"
#include "wire/sqlwish.h"

/* A transaction block goes where its first statement sends it. */
static enum route_why
plan_begin(const struct route_plan *plan, const struct sqlbegin *begin)
{
	if (begin->isolation == SQLBEGIN_SERIALIZABLE)
		return WHY_SERIALIZABLE;
	if (begin->access == SQLBEGIN_READ_ONLY)
		return WHY_READ_ONLY;
	return plan->splits_transactions &&
	    begin->access == SQLBEGIN_UNDECLARED &&
	    begin->isolation <= SQLBEGIN_READ_COMMITTED ?
	    WHY_SPLIT_BLOCK : WHY_BLOCK;
}

static enum route_why
plan_split(struct route_plan *plan, const char *text, size_t n,
    const struct catalogue *catalogue)
{
	struct route_verdict	 verdict;
	struct sqlbegin		 begin;
	const char		*which;

	sqlbegin_parse(&begin, text, n);
	if (begin.kind == SQLBEGIN_BEGIN)
		return plan_begin(plan, &begin);
	route_decide_named(&verdict, text, n, catalogue, &which);
	snprintf(plan->name, sizeof plan->name, "%s", which);
	return (enum route_why)verdict.why;
}

static enum route_why
plan_why(struct route_plan *plan, enum route route, const char *text,
    size_t n, const struct catalogue *catalogue)
{
	char	value[SQLWISH_VALUE_BYTES];

	if (!plan->has_choice)
		return WHY_ONE_HOST;
	if (sqlwish_comment(text, n, ROUTE_NAME, value))
		choice_parse(CHOICE_ROUTE, value, &route);
	switch (route) {
	case ROUTE_REPLICA:
		return WHY_WISH_REPLICA;
	case ROUTE_ANY:
		return WHY_WISH_ANY;
	case ROUTE_SPLIT:
		return plan->is_session ? WHY_SESSION_MODE :
		    plan_split(plan, text, n, catalogue);
	default:
		return WHY_WISH_PRIMARY;
	}
}

void
route_plan(struct route_plan *plan, enum route route, const char *text,
    size_t n, const struct catalogue *catalogue)
{
	plan->name[0] = '\0';
	plan->why = plan_why(plan, route, text, n, catalogue);
	plan->target = plan->why == WHY_READ || plan->why == WHY_READ_ONLY ||
	    plan->why == WHY_SPLIT_BLOCK || plan->why == WHY_WISH_REPLICA ?
	    TARGET_REPLICA : TARGET_PRIMARY;
}

void
route_plan_sentence(const struct route_plan *plan, char *text, size_t size)
{
	const char	*why = route_why_text(plan->why);
	const char	*hole = strstr(why, "%s");

	if (hole == NULL)
		snprintf(text, size, "%s", why);
	else
		snprintf(text, size, "%.*s%s%s", (int)(hole - why), why,
		    plan->name, hole + 2);
}
