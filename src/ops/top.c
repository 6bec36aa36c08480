/*
 * See ops/top.h: asking, the terminal, keys.
 *
 * On a terminal it draws over the same screen until "q" or Ctrl-C; elsewhere,
 * or with -1, it writes once and ends.
 */

#include <sys/ioctl.h>

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "ops/top.h"

static struct termios		 top_terminal;	/* as it was */
static volatile sig_atomic_t	 top_ends;

struct top {
	PGconn			*connection;
	const char		*conninfo;
	char			 where[200];
	struct top_numbers	 before;
	int64_t			 before_us;	/* 0: none */
	int64_t			 interval_us;
	bool			 is_live;	/* on a terminal */
};

static void
top_usage(FILE *to)
{
	fputs("usage: pgweir top [-1] [-i INTERVAL] [CONNECTION]\n"
	    "\n"
	    "  CONNECTION         to the console: libpq's string or URL, as\n"
	    "                     \"host=127.0.0.1 port=6432 user=stats\"\n"
	    "  -i, --interval=2s  how often\n"
	    "  -1, --once         write once, with what two looks a second\n"
	    "                     apart say, and end\n", to);
}

static void
top_on_signal(int number)
{
	(void)number;
	top_ends = 1;
}

/*
 * What is not given comes from libpq's environment, then from here; the last
 * of equal names counts.
 */
static bool
top_connect(struct top *top)
{
	const char	*port = getenv("PGPORT"), *host = getenv("PGHOST");
	bool		 is_url = strstr(top->conninfo, "://") != NULL;
	char		*string = is_url ? mem_string(top->conninfo) :
			    mem_printf("dbname=pgweir %s", top->conninfo);
	const char	*names[] = { "port", "host", "connect_timeout",
			    "fallback_application_name", "dbname", NULL };
	const char	*values[] = { port != NULL ? port : "6432",
			    host != NULL ? host : "/tmp", "5", "pgweir top",
			    string, NULL };

	top->connection = PQconnectdbParams(names, values, 1);
	free(string);
	if (PQstatus(top->connection) != CONNECTION_OK)
		return false;
	snprintf(top->where, sizeof top->where, "%s:%s",
	    PQhost(top->connection), PQport(top->connection));
	return true;
}

/* NULL: this one does not know it, or we may not. */
static PGresult *
top_ask(struct top *top, const char *command)
{
	PGresult	*result = PQexec(top->connection, command);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	PQclear(result);
	return NULL;
}

static void
top_size(struct top_view *view)
{
	struct winsize	size;

	view->rows = 1000;
	view->columns = 500;
	if (isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_row > 1 && size.ws_col > 1) {
		view->rows = size.ws_row - 1;
		view->columns = size.ws_col;
	}
}

static void
top_write(const struct buf *out)
{
	size_t	at = 0;
	ssize_t	n;

	while (at < buf_length(out)) {
		n = write(STDOUT_FILENO, buf_bytes(out) + at,
		    buf_length(out) - at);
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* False: the connection is lost. */
static bool
top_look(struct top *top, bool draws)
{
	struct top_view	 view = { .where = top->where };
	PGresult	*stats = top_ask(top, "SHOW STATS");
	int64_t		 now_us = clock_now_us();
	struct buf	 out;

	view.pools = top_ask(top, "SHOW POOLS");
	if (stats == NULL || view.pools == NULL) {
		PQclear(stats);
		PQclear(view.pools);
		return false;
	}
	view.state = top_ask(top, "SHOW STATE");
	view.version = top_ask(top, "SHOW VERSION");
	view.lists = top_ask(top, "SHOW LISTS");
	view.hosts = top_ask(top, "SHOW HOSTS");
	view.errors = top_ask(top, "SHOW ERRORS");
	top_sum(stats, &view.now);
	view.before = top->before;
	if (top->before_us != 0)
		view.seconds = (double)(now_us - top->before_us) / 1e6;
	top->before = view.now;
	top->before_us = now_us;
	top_size(&view);
	view.has_colours = top->is_live;
	if (draws) {
		buf_init(&out);
		if (top->is_live)
			buf_add_text(&out, "\033[H");
		top_draw(&out, &view);
		if (top->is_live)
			buf_add_text(&out, "\033[J");
		top_write(&out);
		buf_done(&out);
	}
	PQclear(stats);
	PQclear(view.pools);
	PQclear(view.state);
	PQclear(view.version);
	PQclear(view.lists);
	PQclear(view.hosts);
	PQclear(view.errors);
	return true;
}

static void
top_enter_screen(void)
{
	struct termios	raw;
	struct sigaction on_signal = { .sa_handler = top_on_signal };

	tcgetattr(STDIN_FILENO, &top_terminal);
	raw = top_terminal;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	sigaction(SIGINT, &on_signal, NULL);
	sigaction(SIGTERM, &on_signal, NULL);
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
	fflush(stdout);
}

static void
top_leave_screen(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &top_terminal);
}

/* Until the next look is due, or it is to end. */
static void
top_wait(const struct top *top)
{
	struct pollfd	keys = { .fd = STDIN_FILENO, .events = POLLIN };
	char		key;

	if (poll(&keys, 1, (int)(top->interval_us / US_PER_MS)) > 0 &&
	    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' ||
	    key == 4))
		top_ends = 1;
}

static void
top_live(struct top *top)
{
	top_enter_screen();
	while (!top_ends) {
		if (!top_look(top, true)) {
			printf("\033[H\033[2Jno answer from %s: %s\r\n",
			    top->where, PQerrorMessage(top->connection));
			fflush(stdout);
			top->before_us = 0;
			PQreset(top->connection);
		}
		if (!top_ends)
			top_wait(top);
	}
	top_leave_screen();
}

static int
top_once(struct top *top)
{
	if (!top_look(top, false))
		return EXIT_FAILURE;
	usleep(1000 * 1000);
	return top_look(top, true) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool
top_parse(struct top *top, int argc, char **argv, bool *once)
{
	static const struct option	options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "once", no_argument, NULL, '1' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int	letter;

	top->interval_us = 2 * US_PER_SECOND;
	while ((letter = getopt_long(argc, argv, "1i:h", options,
	    NULL)) != -1)
		if (letter == '1')
			*once = true;
		else if (letter == 'h') {
			top_usage(stdout);
			exit(EXIT_SUCCESS);
		} else if (letter != 'i' ||
		    !text_to_duration(optarg, &top->interval_us) ||
		    top->interval_us < 100 * US_PER_MS ||
		    top->interval_us > 3600 * US_PER_SECOND)
			return false;
	top->conninfo = optind < argc ? argv[optind] : "";
	return optind >= argc - 1;
}

int
top_main(int argc, char **argv)
{
	struct top	top = { .connection = NULL };
	bool		once = false;
	int		status = EXIT_SUCCESS;

	if (!top_parse(&top, argc, argv, &once)) {
		top_usage(stderr);
		return EXIT_FAILURE;
	}
	top.is_live = !once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (!top_connect(&top)) {
		fprintf(stderr, "pgweir top: %s",
		    PQerrorMessage(top.connection));
		status = EXIT_FAILURE;
	} else if (top.is_live)
		top_live(&top);
	else
		status = top_once(&top);
	PQfinish(top.connection);
	return status;
}
