/*
 * SHOW: one table of tables.  Columns and their order are PgBouncer's; our
 * own come last.
 */

#ifndef OPS_SHOW_H
#define OPS_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ops/console_round.h"
#include "wire/put.h"

enum { SHOW_COLUMNS_MAX = 32 };

struct show;

struct show_table {
	const char	*name;		/* upper case */
	const char	*help;
	bool		 is_admin_only;
	/* "name:type name:type": i int4, l int8, n numeric, b bytea, t text */
	const char	*columns;
	void		(*fill)(struct show *);
	/* Not NULL: called in every loop's thread, one after the other. */
	void		(*fill_loop)(struct show *, struct loop *);
};

struct show {
	struct console_round	 round;
	const struct show_table	*table;
	struct buf		 rows;
	const char		*values[SHOW_COLUMNS_MAX];
	char			 room[SHOW_COLUMNS_MAX][24];
	size_t			 count;
};

const struct show_table	*show_find(const char *name);
/* What was probably meant, for a name in capitals; NULL: no idea. */
const char		*show_nearest(const char *name);

/* Main thread: averages have a beginning from now on. */
void	show_stats_start(struct loop *);

/* Columns; is_text: all as text, for drivers that ask for binary. */
size_t	show_columns(const struct show_table *, struct put_column *,
	    char *room, size_t, bool is_text);

/* A row: values one after the other, then show_row(). */
void	show_text(struct show *, const char *);		/* NULL is null */
void	show_number(struct show *, int64_t);
void	show_row(struct show *);

#endif
