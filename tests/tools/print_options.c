/*
 * Write conf/pgweir.ini or conf/pgweir.ini.5 from the tables of options and keys:
 * print_options sample | manual.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/key_list.h"
#include "config/options.h"

/* A sentence over several lines, each with a prefix. */
static void
print_wrapped(const char *prefix, const char *text)
{
	size_t	column = 0, word;

	while (*text != '\0') {
		word = strcspn(text, " ");
		if (column == 0 || column + 1 + word > 76) {
			column = (size_t)printf("%s%s",
			    column == 0 ? "" : "\n", prefix) -
			    (column == 0 ? 0 : 1);
		} else
			column += (size_t)printf(" ");
		column += (size_t)printf("%.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void
print_sample(void)
{
	fputs("; pgweir: every option with its default.\n"
	    "; A time is in seconds, or has a unit: 30, 30s, 2000ms, 5min.\n"
	    "; Every option can be set as PGWEIR_OPTION in the environment.\n"
	    "\n"
	    "[databases]\n"
	    "; name = connect string or URL; * serves every other name\n"
	    ";app = host=127.0.0.1 port=5432 dbname=app\n"
	    ";app = postgresql://127.0.0.1:5432/app\n"
	    ";* = host=127.0.0.1\n"
	    "\n"
	    "[users]\n"
	    "; name = overrides for this user\n"
	    ";reporting = pool_size=5 query_timeout=10min\n"
	    "\n"
	    "[pgweir]\n", stdout);
	for (size_t i = 0; i < option_count; i++) {
		print_wrapped("; ", options[i].meaning);
		printf(";%s = %s\n", options[i].name, options[i].ours);
	}
}

static void
print_manual(void)
{
	fputs(".TH PGWEIR.INI 5 @DAY@\n"
	    ".SH NAME\npgweir.ini \\- configuration of "
	    "pgweir\n.SH OPTIONS\nIn section [pgweir]; [pgbouncer] is "
	    "accepted as well and then has PgBouncer's defaults.\n", stdout);
	for (size_t i = 0; i < option_count; i++)
		printf(".TP\n.B %s\n%s (default: %s; in [pgbouncer]: "
		    "%s%s)\n", options[i].name, options[i].meaning,
		    options[i].ours[0] != '\0' ? options[i].ours : "empty",
		    options[i].theirs[0] != '\0' ? options[i].theirs :
		    "empty", options[i].reloadable ? "" :
		    "; needs a restart");
#define PRINT_KEY(kind, name, field, meaning)				\
	printf(".TP\n.B %s\n%s\n", name, meaning);
	puts(".SH KEYS OF [databases]\nname = key=value ..., or a URL that has "
	    "the same keys behind its question mark; a value with blanks "
	    "stands in '...', where '' is a quote.  The name * serves every "
	    "database that has no entry.");
	DATABASE_KEYS(PRINT_KEY)
	puts(".SH KEYS OF [users]\nname = key=value ...");
	USER_KEYS(PRINT_KEY)
	puts(".SH KEYS OF [peers]\npeer_id = key=value ...");
	PEER_KEYS(PRINT_KEY)
#undef PRINT_KEY
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "sample") == 0)
		print_sample();
	else if (argc == 2 && strcmp(argv[1], "manual") == 0)
		print_manual();
	else
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
