/*
 * Says of each line of its input where it would go and why, with the
 * catalogue of a real database: explain_route CONNINFO.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "relay/catalogue.h"
#include "relay/route.h"

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

int
main(int argc, char **argv)
{
	PGconn			*connection = PQconnectdb(argc > 1 ? argv[1] :
				    "");
	const struct catalogue	*catalogue;
	struct buf		 answer;
	char			*line = NULL;
	size_t			 size = 0;
	ssize_t			 n;

	if (PQstatus(connection) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(connection));
		return 1;
	}
	PQclear(PQexec(connection, "set search_path = pg_catalog"));
	catalogue = read_catalogue(connection);
	buf_init(&answer);
	while ((n = getline(&line, &size, stdin)) > 0) {
		n -= line[n - 1] == '\n';
		route_explain(&answer, line, (size_t)n, catalogue);
		printf("%.*s\n", (int)buf_length(&answer),
		    (char *)buf_bytes(&answer));
		buf_clear(&answer);
	}
	buf_done(&answer);
	free(line);
	catalogue_release(catalogue);
	PQfinish(connection);
	return 0;
}
