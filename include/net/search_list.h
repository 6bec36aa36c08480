/*
 * Which names are asked for when one is given: resolv.conf's search list.
 *
 * A name with fewer dots than ndots is tried with each domain behind it and
 * then as it is; another one as it is first.  One with a dot at its end is
 * whole.  The main thread's.
 */

#ifndef NET_SEARCH_LIST_H
#define NET_SEARCH_LIST_H

#include <stdbool.h>
#include <stddef.h>

enum { SEARCH_DOMAINS_MAX = 16, SEARCH_NAME_BYTES = 256 };

struct search_list {
	int	 ndots;
	int	 count;
	char	*domains[SEARCH_DOMAINS_MAX];
};

/* Of this resolv.conf; without a list, the domain of this host's name. */
void	search_list_read(struct search_list *, const char *path);
void	search_list_done(struct search_list *);

/* The nth name to ask for; false: there are no more. */
bool	search_list_name(const struct search_list *, const char *name, int n,
	    char out[SEARCH_NAME_BYTES]);

#endif
