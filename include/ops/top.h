/*
 * "pgweir top": the page in a terminal.  A program of its own inside of
 * pgweir: it asks a running one's console through libpq, again and again.
 */

#ifndef OPS_TOP_H
#define OPS_TOP_H

#include <stddef.h>

#include <libpq-fe.h>

#include "base/buf.h"

/* argv[0] is "top"; returns the exit status. */
int	top_main(int argc, char **argv);

/*
 * top_view.c: what is seen.  Lines that end with CR LF, at most this many, at
 * most this wide; bytes of peers that could command the terminal become "?".
 */
struct top_numbers {
	double	queries, transactions, received, sent;
	double	query_time_us, wait_time_us;
};
struct top_view {
	PGresult		*state, *version, *lists, *pools, *hosts,
				*errors;	/* NULL: not there */
	const char		*where;
	struct top_numbers	 now, before;
	double			 seconds;	/* between; 0: first look */
	int			 rows, columns;
	int			 has_colours;
};

void	top_sum(const PGresult *stats, struct top_numbers *);
void	top_draw(struct buf *, const struct top_view *);

#endif
