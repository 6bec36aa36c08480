/*
 * PgBouncer lists its console as a database with a pool and counters: who
 * brings a file of PgBouncer's may have programs that look for those rows.
 * Only there, with section [pgbouncer], is such a row added.
 */

#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "config/config.h"
#include "ops/show_private.h"

/* By the name of a column; the others are 0, or empty. */
static const struct {
	const char	*column, *value;
} values[] = {
	{ "name", "pgbouncer" },
	{ "database", "pgbouncer" },
	{ "user", "pgbouncer" },
	{ "force_user", "pgbouncer" },
	{ "pool_size", "2" },
	{ "pool_mode", "statement" },
};

static const char *
show_console_value(const char *column)
{
	for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
		if (strcmp(values[i].column, column) == 0)
			return values[i].value;
	return NULL;
}

void
show_console_row(struct show *show)
{
	struct put_column	 columns[SHOW_COLUMNS_MAX];
	char			 room[1200];
	const char		*value;
	struct config		*config = config_current();
	size_t			 n = 0;

	if (config->is_pgbouncer)
		n = show_columns(show->table, columns, room, sizeof room,
		    false);
	for (size_t i = 0; i < n; i++) {
		value = show_console_value(columns[i].name);
		if (value != NULL || columns[i].type == PUT_TEXT)
			show_text(show, value);
		else if (strcmp(columns[i].name, "cl_active") == 0)
			show_number(show,
			    atomic_load(&client_numbers.consoles));
		else if (strcmp(columns[i].name, "port") == 0)
			show_number(show, config->option.listen_port);
		else
			show_number(show, 0);
	}
	if (n > 0)
		show_row(show);
	config_release(config);
}
