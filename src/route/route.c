/*
 * The proof; see route/route.h.  What is remembered is in route_ring.c.
 */

#include <string.h>
#include <strings.h>

#include "route/catalogue.h"
#include "route/route.h"
#include "wire/sqlroute.h"
#include "wire/sqlscan.h"

static const uint8_t	doubts[] = {
	[SQLROUTE_READ] = WHY_READ,
	[SQLROUTE_EMPTY] = WHY_EMPTY,
	[SQLROUTE_NOT_READ] = WHY_NOT_READ,
	[SQLROUTE_WRITES] = WHY_WRITES,
	[SQLROUTE_LOCKS] = WHY_LOCKS,
	[SQLROUTE_SEVERAL] = WHY_SEVERAL,
	[SQLROUTE_SESSION] = WHY_SESSION,
	[SQLROUTE_TOO_MUCH] = WHY_TOO_LONG,
	[SQLROUTE_UNCLEAR] = WHY_UNCLEAR,
};

/* Too large for a small stack; each use is over before the next begins. */
static _Thread_local struct sqlroute	route_scratch;

static const char	setting_function[] = "current_setting";

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_';
}

/* Behind the name of the function: ('app.tenant' */
static bool
route_names_custom(const char *at, const char *end)
{
	static const char	before[] = "('";

	for (const char *sign = before; *sign != '\0'; sign++) {
		while (at < end && is_space(*at))
			at++;
		if (at == end || *at++ != *sign)
			return false;
	}
	if (at == end || !is_name(*at))
		return false;
	while (at < end && is_name(*at))
		at++;
	return at < end && *at == '.';
}

/*
 * current_setting() of a custom setting says what the client has said; of
 * another one it may tell a replica from a primary.
 */
static bool
route_reads_custom_settings(const char *text, size_t n)
{
	size_t		 length = sizeof setting_function - 1;
	const char	*end = text + n;

	for (const char *at = text; at + length <= end; at++)
		if (strncasecmp(at, setting_function, length) == 0 &&
		    !route_names_custom(at + length, end))
			return false;
	return true;
}

static enum route_why
route_judge_function(unsigned known, const char *name, const char *text,
    size_t n)
{
	/* int4(x) is a cast. */
	if (!(known & (CATALOGUE_FUNCTION | CATALOGUE_TYPE)))
		return WHY_NO_FUNCTION;
	if (known & CATALOGUE_BAD_FUNCTION &&
	    (strcmp(name, setting_function) != 0 ||
	    !route_reads_custom_settings(text, n)))
		return WHY_FUNCTION;
	return WHY_READ;
}

static enum route_why
route_judge_name(const struct catalogue *catalogue, const char *name,
    unsigned flags, const char *text, size_t n)
{
	unsigned	known = catalogue_find(catalogue, name);
	enum route_why	why;

	if (known & CATALOGUE_BAD_RELATION)
		return WHY_RELATION;
	if (known & CATALOGUE_BAD_TYPE && flags & (SQLROUTE_TYPE |
	    SQLROUTE_FUNCTION | SQLROUTE_LISTED))
		return WHY_TYPE;
	if (flags & SQLROUTE_FUNCTION && (why = route_judge_function(known,
	    name, text, n)) != WHY_READ)
		return why;
	if (flags & SQLROUTE_COLUMN && known & CATALOGUE_BAD_FUNCTION)
		return WHY_FUNCTION;
	if (flags & SQLROUTE_RELATION && !(flags & SQLROUTE_OWN) &&
	    !(known & CATALOGUE_RELATION))
		return WHY_NO_RELATION;
	if (flags & SQLROUTE_TYPE && !(known & CATALOGUE_TYPE))
		return WHY_NO_TYPE;
	return WHY_READ;
}

/* *which: the name that decided, in route_scratch. */
static enum route_why
route_judge(const struct catalogue *catalogue, const char *text, size_t n,
    const char **which)
{
	const struct sqlroute	*route = &route_scratch;
	enum route_why		 why = doubts[route->doubt];

	*which = "";
	if (why != WHY_READ)
		return why;
	if (catalogue == NULL)
		return WHY_NO_CATALOGUE;
	if (catalogue_is_hopeless(catalogue))
		return WHY_HOPELESS;
	for (size_t i = 0; i < route->count; i++) {
		*which = sqlroute_name(route, i);
		if (route->names[i].flags & SQLROUTE_SYMBOL)
			why = catalogue_has_bad_symbol(catalogue, *which) ?
			    WHY_OPERATOR : WHY_READ;
		else
			why = route_judge_name(catalogue, *which,
			    route->names[i].flags, text, n);
		if (why != WHY_READ)
			return why;
	}
	return WHY_READ;
}

void
route_decide_named(struct route_verdict *verdict, const char *text, size_t n,
    const struct catalogue *catalogue, const char **which)
{
	struct sqlscan	scan;

	sqlroute_text(&route_scratch, &scan, text, n);
	verdict->touches = scan.touches;
	verdict->verb = scan.first;
	verdict->why = (uint8_t)route_judge(catalogue, text, n, which);
}

void
route_decide(struct route_verdict *verdict, const char *text, size_t n,
    const struct catalogue *catalogue)
{
	const char	*which;

	route_decide_named(verdict, text, n, catalogue, &which);
}
