/*
 * Says of each line of its input where it would go and why, with the
 * catalogue of a real database.
 *
 *	explain_route CONNINFO		where|label|sentence for each line
 *	explain_route fingerprint	the query that asks for it
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "route/catalogue.h"
#include "route/route.h"

static const struct catalogue *
read_catalogue(PGconn *connection)
{
	struct catalogue_draft	*draft = catalogue_draft_new();
	PGresult		*rows = PQexec(connection, catalogue_query);

	if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s", PQerrorMessage(connection));
		exit(1);
	}
	for (int i = 0; i < PQntuples(rows); i++)
		if (!catalogue_draft_add(draft, PQgetvalue(rows, i, 0),
		    PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2)))
			exit(1);
	PQclear(rows);
	return catalogue_draft_finish(draft);
}

static void
explain(const char *text, size_t n, const struct catalogue *catalogue)
{
	struct route_verdict	verdict;
	struct route_plan	plan;
	const char		*which;
	char			sentence[400];

	route_decide_named(&verdict, text, n, catalogue, &which);
	plan.why = (enum route_why)verdict.why;
	snprintf(plan.name, sizeof plan.name, "%s", which);
	route_plan_sentence(&plan, sentence, sizeof sentence);
	printf("%s|%s|%s\n", verdict.why == WHY_READ ? "replica" : "primary",
	    route_why_label(plan.why), sentence);
}

int
main(int argc, char **argv)
{
	PGconn			*connection;
	const struct catalogue	*catalogue;
	char			*line = NULL;
	size_t			 size = 0;
	ssize_t			 n;

	if (argc == 2 && strcmp(argv[1], "fingerprint") == 0) {
		puts(catalogue_fingerprint_query);
		return 0;
	}
	connection = PQconnectdb(argc > 1 ? argv[1] : "");
	if (PQstatus(connection) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(connection));
		return 1;
	}
	PQclear(PQexec(connection, "set search_path = pg_catalog"));
	catalogue = read_catalogue(connection);
	while ((n = getline(&line, &size, stdin)) > 0) {
		n -= line[n - 1] == '\n';
		explain(line, (size_t)n, catalogue);
	}
	free(line);
	catalogue_release(catalogue);
	PQfinish(connection);
	return 0;
}
