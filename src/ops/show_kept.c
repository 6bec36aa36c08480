/*
 * SHOW ERRORS, SHOW PREPARED and SHOW ROUTES: what is kept of clients' errors
 * and statements, and where they went.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/mem.h"
#include "ops/overview.h"
#include "ops/show_private.h"
#include "session/prepared.h"

enum { PREPARED_ROWS_MAX = 10000, PREPARED_TEXT_BYTES = 200 };

static int
show_compare_kinds(const void *a, const void *b)
{
	const struct error_kind	*one = a, *other = b;

	return one->count != other->count ?
	    (one->count < other->count ? 1 : -1) :
	    strcmp(one->last.sqlstate, other->last.sqlstate);
}

/* The most frequent kind first. */
void
show_fill_errors(struct show *show)
{
	struct error_kind	*kinds = mem_new(ERRORS_KINDS_MAX *
				    sizeof *kinds);
	size_t			 n = errors_kinds(kinds);
	char			 when[64];
	struct tm		 tm;
	time_t			 seconds;

	qsort(kinds, n, sizeof *kinds, show_compare_kinds);
	for (size_t i = 0; i < n; i++) {
		const struct error_event	*last = &kinds[i].last;

		seconds = (time_t)(last->at_us / US_PER_SECOND);
		localtime_r(&seconds, &tm);
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S %Z", &tm);
		show_text(show, last->sqlstate);
		show_text(show, last->is_servers ? "server" : "pgweir");
		show_text(show, last->reason);
		show_number(show, (int64_t)kinds[i].count);
		show_text(show, when);
		show_text(show, last->database);
		show_text(show, last->user);
		show_text(show, last->text);
		show_row(show);
	}
	free(kinds);
}

/*
 * Prepared statements.
 */

struct prepared_row {
	uint64_t	hash;
	int		references;
	uint32_t	bytes;
	char		text[PREPARED_TEXT_BYTES];
};

struct prepared_rows {
	struct prepared_row	*list;
	size_t			 count;
};

/*
 * Up to the first literal, which may be a secret: a quote, or a dollar that
 * is no parameter.
 */
static void
show_copy_statement(char *to, size_t size, const char *text)
{
	size_t	n = 0;

	for (; text[n] != '\0' && text[n] != '\'' && n + 4 < size; n++) {
		if (text[n] == '$' && (text[n + 1] < '0' || text[n + 1] > '9'))
			break;
		to[n] = text[n];
	}
	snprintf(to + n, size - n, "%s", text[n] != '\0' ? "..." : "");
}

/* Under the mutex of all statements: only copied. */
static void
show_on_statement(void *arg, const struct statement *statement)
{
	struct prepared_rows	*rows = arg;
	struct prepared_row	*row;

	/* One that PostgreSQL has described stands for what clients said. */
	if (rows->count == PREPARED_ROWS_MAX || statement->learned != NULL)
		return;
	rows->list = mem_resize(rows->list,
	    (rows->count + 1) * sizeof rows->list[0]);
	row = &rows->list[rows->count++];
	row->hash = statement->node.hash;
	row->references = atomic_load(&statement->references);
	row->bytes = statement->text_bytes + statement->types_bytes;
	show_copy_statement(row->text, sizeof row->text,
	    statement->text);
}

static int
show_compare_prepared(const void *a, const void *b)
{
	const struct prepared_row	*one = a, *other = b;

	return one->references != other->references ?
	    other->references - one->references :
	    strcmp(one->text, other->text);
}

void
show_fill_prepared(struct show *show)
{
	struct prepared_rows	rows = { .count = 0 };
	char			hash[24];

	statements_each(show_on_statement, &rows);
	if (rows.count > 0)
		qsort(rows.list, rows.count, sizeof rows.list[0],
		    show_compare_prepared);
	for (size_t i = 0; i < rows.count; i++) {
		snprintf(hash, sizeof hash, "%016llx",
		    (unsigned long long)rows.list[i].hash);
		show_text(show, hash);
		show_number(show, rows.list[i].references);
		show_number(show, rows.list[i].bytes);
		show_text(show, rows.list[i].text);
		show_row(show);
	}
	free(rows.list);
}

/*
 * Routes.
 */

static void
show_route(struct show *show, const struct overview_database *database,
    enum route_target target, enum route_why why)
{
	uint64_t	count = atomic_load(
			    &database->routes.taken[target][why]);

	if (count == 0)
		return;
	show_text(show, database->name);
	show_text(show, route_target_name(target));
	show_text(show, route_why_label(why));
	show_number(show, (int64_t)count);
	show_row(show);
}

/* Of each database where its transactions went, and why. */
void
show_fill_routes(struct show *show)
{
	struct overview	*overview = overview_new();

	for (size_t i = 0; i < overview->database_count; i++)
		for (int cell = 0; cell < TARGET_COUNT * WHY_COUNT; cell++)
			show_route(show, &overview->databases[i],
			    (enum route_target)(cell / WHY_COUNT),
			    (enum route_why)(cell % WHY_COUNT));
	overview_free(overview);
}
