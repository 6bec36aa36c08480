/*
 * See ops/top.h: drawing.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ops/top.h"

#define TOP_BAR		12
#define TOP_BOLD	"\033[1m"
#define TOP_RED		"\033[31m"
#define TOP_GREEN	"\033[32m"
#define TOP_PLAIN	"\033[0m"

struct top_canvas {
	struct buf		*out;
	const struct top_view	*view;
	int			 lines;		/* that are still free */
};

static const char *
top_value(const PGresult *result, int row, const char *name)
{
	int	column = PQfnumber(result, name);

	return column < 0 || row >= PQntuples(result) ? "" :
	    PQgetvalue(result, row, column);
}

static double
top_number(const PGresult *result, int row, const char *name)
{
	return strtod(top_value(result, row, name), NULL);
}

/* The value beside a name, in tables of names and values. */
static const char *
top_named(const PGresult *result, const char *name)
{
	for (int i = 0; result != NULL && i < PQntuples(result); i++)
		if (strcmp(PQgetvalue(result, i, 0), name) == 0)
			return PQgetvalue(result, i, 1);
	return "";
}

void
top_sum(const PGresult *stats, struct top_numbers *sum)
{
	memset(sum, 0, sizeof *sum);
	for (int i = 0; i < PQntuples(stats); i++) {
		sum->queries += top_number(stats, i, "total_query_count");
		sum->transactions += top_number(stats, i, "total_xact_count");
		sum->received += top_number(stats, i, "total_received");
		sum->sent += top_number(stats, i, "total_sent");
		sum->query_time_us += top_number(stats, i,
		    "total_query_time");
		sum->wait_time_us += top_number(stats, i, "total_wait_time");
	}
}

/* One line, cut to the width; no byte of it commands the terminal. */
static void __attribute__((format(printf, 3, 4)))
top_line(struct top_canvas *canvas, const char *style, const char *format,
    ...)
{
	char	line[600];
	int	columns = canvas->view->columns, seen = 0;
	va_list	args;

	if (canvas->lines <= 0)
		return;
	canvas->lines--;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (style != NULL && canvas->view->has_colours)
		buf_add_text(canvas->out, style);
	for (char *at = line; *at != '\0'; at++) {
		unsigned char	c = (unsigned char)*at;

		/* Bytes that go on with a character take no column. */
		seen += (c & 0xc0) != 0x80;
		if (seen > columns)
			break;
		if (c < 0x20 || c == 0x7f)
			*at = '?';
		buf_add(canvas->out, at, 1);
	}
	if (style != NULL && canvas->view->has_colours)
		buf_add_text(canvas->out, TOP_PLAIN);
	if (canvas->view->has_colours)
		buf_add_text(canvas->out, "\033[K");
	buf_add_text(canvas->out, "\r\n");
}

static void
top_amount(double n, char *text, size_t size)
{
	static const char	units[] = " kMGT";
	size_t			unit = 0;

	while (n >= 9999.5 && unit + 2 < sizeof units) {
		n /= 1000;
		unit++;
	}
	snprintf(text, size, unit == 0 && n < 10 && n > 0 ? "%.1f" :
	    unit == 0 ? "%.0f" : "%.1f %c", n, units[unit]);
}

static void
top_duration(double us, char *text, size_t size)
{
	if (us < 1000)
		snprintf(text, size, "%.0f us", us);
	else if (us < 1e6)
		snprintf(text, size, "%.1f ms", us / 1000);
	else
		snprintf(text, size, "%.1f s", us / 1e6);
}

static void
top_draw_rates(struct top_canvas *canvas)
{
	const struct top_numbers *now = &canvas->view->now;
	const struct top_numbers *before = &canvas->view->before;
	double			 seconds = canvas->view->seconds;
	double			 queries = now->queries - before->queries;
	char			 q[32], x[32], in[32], out[32], t[32], w[32];

	if (seconds <= 0) {
		top_line(canvas, NULL, "queries: one moment");
		return;
	}
	top_amount(queries / seconds, q, sizeof q);
	top_amount((now->transactions - before->transactions) / seconds, x,
	    sizeof x);
	top_amount((now->received - before->received) / seconds, in,
	    sizeof in);
	top_amount((now->sent - before->sent) / seconds, out, sizeof out);
	top_duration(queries > 0 ? (now->query_time_us -
	    before->query_time_us) / queries : 0, t, sizeof t);
	top_duration(queries > 0 ? (now->wait_time_us -
	    before->wait_time_us) / queries : 0, w, sizeof w);
	top_line(canvas, NULL, "queries: %s/s, of %s each, of it %s waiting   "
	    "transactions: %s/s   from clients: %sB/s   to clients: %sB/s",
	    q, t, w, x, in, out);
}

static void
top_draw_head(struct top_canvas *canvas)
{
	const struct top_view	*view = canvas->view;
	double			 waiting = 0;

	for (int i = 0; i < PQntuples(view->pools); i++)
		waiting += top_number(view->pools, i, "cl_waiting");
	top_line(canvas, TOP_BOLD, "%s at %s: %s",
	    view->version != NULL && PQntuples(view->version) > 0 ?
	    PQgetvalue(view->version, 0, 0) : "pgweir", view->where,
	    top_named(view->state, "process"));
	top_draw_rates(canvas);
	top_line(canvas, waiting > 0 ? TOP_RED : NULL, "clients: %s, %s "
	    "logging in, %.0f waiting   servers: %s in use, %s idle",
	    top_named(view->lists, "used_clients"),
	    top_named(view->lists, "login_clients"), waiting,
	    top_named(view->lists, "used_servers"),
	    top_named(view->lists, "free_servers"));
}

static void
top_draw_hosts(struct top_canvas *canvas)
{
	const PGresult	*hosts = canvas->view->hosts;

	if (hosts == NULL || PQntuples(hosts) == 0)
		return;
	top_line(canvas, NULL, "%s", "");
	top_line(canvas, TOP_BOLD, "%-26s %-6s %-9s %-9s %-8s %9s %11s",
	    "HOST", "PORT", "ROLE", "STATE", "USED FOR", "LAG S",
	    "CONNECTIONS");
	for (int i = 0; i < PQntuples(hosts); i++) {
		const char	*state = top_value(hosts, i, "state");

		top_line(canvas, strcmp(state, "up") == 0 ? TOP_GREEN :
		    strcmp(state, "not asked") == 0 ? NULL : TOP_RED,
		    "%-26.26s %-6.6s %-9.9s %-9.9s %-8.8s %9.9s %11.11s",
		    top_value(hosts, i, "host"),
		    top_value(hosts, i, "port"),
		    top_value(hosts, i, "role"), state,
		    top_value(hosts, i, "use"), top_value(hosts, i, "lag"),
		    top_value(hosts, i, "connections"));
	}
}

/* "####--......": in use, idle, of all that there were room for. */
static void
top_bar(const PGresult *pools, int row, char bar[TOP_BAR + 1])
{
	double	active = top_number(pools, row, "sv_active");
	double	idle = top_number(pools, row, "sv_idle") +
		    top_number(pools, row, "sv_login");
	double	all = active + idle;
	int	n = all > 0 ? (int)(active * TOP_BAR / all + 0.5) : 0;

	memset(bar, all > 0 ? '-' : '.', TOP_BAR);
	memset(bar, '#', (size_t)n);
	bar[TOP_BAR] = '\0';
}

/* Rows of a table in order of a column's number, the largest first. */
static int *
top_order(const PGresult *result, const char *first, const char *second)
{
	int	n = PQntuples(result);
	int	*rows = mem_new(((size_t)n + 1) * sizeof *rows);

	for (int i = 0; i < n; i++) {
		int	at = i;

		while (at > 0 && (top_number(result, i, first) > top_number(
		    result, rows[at - 1], first) ||
		    (top_number(result, i, first) == top_number(result,
		    rows[at - 1], first) && top_number(result, i, second) >
		    top_number(result, rows[at - 1], second)))) {
			rows[at] = rows[at - 1];
			at--;
		}
		rows[at] = i;
	}
	return rows;
}

static void
top_draw_pools(struct top_canvas *canvas, int spare)
{
	const PGresult	*pools = canvas->view->pools;
	int		*rows = top_order(pools, "cl_waiting", "sv_active");
	int		 n = PQntuples(pools), shown;
	char		 bar[TOP_BAR + 1], wait[32];

	top_line(canvas, NULL, "%s", "");
	top_line(canvas, TOP_BOLD, "%-16s %-14s %-22s %-*s %6s %5s %7s %7s "
	    "%10s", "DATABASE", "USER", "HOST", TOP_BAR, "SERVERS", "IN USE",
	    "IDLE", "CLIENTS", "WAITING", "LONGEST");
	for (shown = 0; shown < n && canvas->lines > spare + 1; shown++) {
		int	row = rows[shown];
		double	waiting = top_number(pools, row, "cl_waiting");

		top_bar(pools, row, bar);
		top_duration(top_number(pools, row, "maxwait") * 1e6 +
		    top_number(pools, row, "maxwait_us"), wait, sizeof wait);
		top_line(canvas, waiting > 0 ? TOP_RED : NULL, "%-16.16s "
		    "%-14.14s %-22.22s %s %6s %5s %7.0f %7.0f %10s",
		    top_value(pools, row, "database"),
		    top_value(pools, row, "user"),
		    top_value(pools, row, "host"), bar,
		    top_value(pools, row, "sv_active"),
		    top_value(pools, row, "sv_idle"),
		    top_number(pools, row, "cl_active") + waiting, waiting,
		    waiting > 0 ? wait : "-");
	}
	if (shown < n)
		top_line(canvas, NULL, "and %d more", n - shown);
	free(rows);
}

static void
top_draw_errors(struct top_canvas *canvas)
{
	const PGresult	*errors = canvas->view->errors;

	if (errors == NULL || PQntuples(errors) == 0)
		return;
	top_line(canvas, NULL, "%s", "");
	top_line(canvas, TOP_BOLD, "%-8s %-7s %8s %-24s %s", "SQLSTATE",
	    "FROM", "COUNT", "LAST", "TEXT");
	for (int i = 0; i < PQntuples(errors); i++)
		top_line(canvas, NULL, "%-8s %-7s %8s %-24.24s %.300s",
		    top_value(errors, i, "sqlstate"),
		    top_value(errors, i, "source"),
		    top_value(errors, i, "count"),
		    top_value(errors, i, "last_time"),
		    top_value(errors, i, "text"));
}

void
top_draw(struct buf *out, const struct top_view *view)
{
	struct top_canvas	canvas = { out, view, view->rows };
	int			errors = view->errors == NULL ? 0 :
				    PQntuples(view->errors);

	top_draw_head(&canvas);
	top_draw_hosts(&canvas);
	/* A part of the screen is the errors', if there are any. */
	top_draw_pools(&canvas, errors == 0 ? 0 :
	    errors < view->rows / 4 ? errors + 2 : view->rows / 4 + 2);
	top_draw_errors(&canvas);
}
