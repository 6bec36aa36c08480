/*
 * The story told to libpq in pipeline mode: several batches in one go,
 * errors in the middle, named statements, text and binary, single rows, COPY,
 * large objects, cancel, notifications, and a crowd of pipelines at once.
 */

#include <libpq-fe.h>
#include <libpq/libpq-fs.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *
story_connect(const char *parameters)
{
	char	 url[1000];
	PGconn	*conn;

	snprintf(url, sizeof url, "%s%s", getenv("DATABASE_URL"), parameters);
	conn = PQconnectdb(url);
	if (PQstatus(conn) != CONNECTION_OK) {
		printf("connect: %s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

static void
story_result(const char *subject, PGresult *result)
{
	const char	*state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	printf("%s: %s", subject, PQresStatus(PQresultStatus(result)));
	if (state != NULL)
		printf(" %s", state);
	if (PQresultStatus(result) == PGRES_TUPLES_OK ||
	    PQresultStatus(result) == PGRES_SINGLE_TUPLE)
		for (int i = 0; i < PQntuples(result); i++)
			for (int j = 0; j < PQnfields(result); j++)
				if (PQfformat(result, j) == 0)
					printf(" %s", PQgetvalue(result, i, j));
				else
					printf(" (%d bytes)", PQgetlength(
					    result, i, j));
	printf(" %s\n", PQcmdStatus(result));
	PQclear(result);
}

/* All results up to this many synchronizations. */
static void
story_drain(const char *subject, PGconn *conn, int syncs)
{
	PGresult	*result;

	while (syncs > 0) {
		while ((result = PQgetResult(conn)) == NULL)
			;
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
			syncs--;
		story_result(subject, result);
	}
}

static void
story_say(PGconn *conn, const char *text, const char *value)
{
	const char	*values[] = { value };

	PQsendQueryParams(conn, text, value != NULL, NULL, values, NULL, NULL,
	    0);
}

static void
story_pipeline(void)
{
	PGconn		*conn = story_connect("?sslmode=require");
	const char	*value = "1";
	char		 number[20];

	PQenterPipelineMode(conn);
	for (int i = 0; i < 5; i++) {
		snprintf(number, sizeof number, "%d", i);
		story_say(conn, "select $1::int * 2", number);
	}
	PQpipelineSync(conn);
	story_drain("many", conn, 1);

	PQsendPrepare(conn, "named", "select name from product where id = $1",
	    1, NULL);
	PQsendDescribePrepared(conn, "named");
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 0);
	story_say(conn, "set search_path = other_schema", NULL);
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 0);
	PQpipelineSync(conn);
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 0);
	PQsendPrepare(conn, "named", "select 1", 0, NULL);
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 0);
	PQpipelineSync(conn);
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 1);
	story_say(conn, "reset search_path", NULL);
	PQsendQueryPrepared(conn, "named", 1, &value, NULL, NULL, 0);
	PQpipelineSync(conn);
	story_drain("named", conn, 3);

	/* An error takes back its batch, and no other. */
	story_say(conn, "insert into account values ($1, 1)", "100");
	PQpipelineSync(conn);
	story_say(conn, "insert into account values ($1, 1)", "101");
	story_say(conn, "set work_mem = '9MB'", NULL);
	PQsendPrepare(conn, "lost", "select 1", 0, NULL);
	story_say(conn, "insert into account values ($1, 1)", "100");
	story_say(conn, "select 'never'", NULL);
	PQpipelineSync(conn);
	PQsendQueryPrepared(conn, "lost", 0, NULL, NULL, NULL, 0);
	PQpipelineSync(conn);
	story_say(conn, "show work_mem", NULL);
	story_say(conn, "select sum(id) from account where id > $1", "99");
	PQpipelineSync(conn);
	story_drain("error", conn, 4);

	/* A transaction over several batches, with a savepoint. */
	story_say(conn, "begin", NULL);
	story_say(conn, "savepoint a", NULL);
	PQpipelineSync(conn);
	story_say(conn, "select 1 / $1::int", "0");
	PQpipelineSync(conn);
	story_say(conn, "rollback to a", NULL);
	story_say(conn, "set local work_mem = '7MB'", NULL);
	PQpipelineSync(conn);
	story_say(conn, "show work_mem", NULL);
	story_say(conn, "commit", NULL);
	story_say(conn, "show work_mem", NULL);
	PQpipelineSync(conn);
	story_drain("transaction", conn, 4);
	PQexitPipelineMode(conn);
	story_result("after", PQexec(conn, "select 'after'"));
	PQfinish(conn);
}

/* Flush without Sync: answers come while the batch is open. */
static void
story_flush(void)
{
	PGconn	*conn = story_connect("");

	PQenterPipelineMode(conn);
	for (int i = 0; i < 3; i++) {
		story_say(conn, "select 'flushed ' || $1", "x");
		PQsendFlushRequest(conn);
		PQflush(conn);
		story_result("flush", PQgetResult(conn));
		PQgetResult(conn);
	}
	PQpipelineSync(conn);
	story_drain("flush", conn, 1);
	PQfinish(conn);
}

static void
story_binary(void)
{
	PGconn		*conn = story_connect("");
	uint32_t	 number = htonl(7);
	char		*big = malloc(1000001);
	const char	*values[] = { (char *)&number, "text", NULL, big };
	int		 lengths[] = { sizeof number, 4, 0, 1000000 };
	int		 formats[] = { 1, 0, 0, 1 };
	Oid		 types[] = { 23, 25, 25, 17 };
	PGresult	*result;

	memset(big, 'x', 1000000);
	for (int form = 0; form < 2; form++) {
		result = PQexecParams(conn, "select $1, $2, $3, $4", 4, types,
		    values, lengths, formats, form);
		printf("binary: %d %d %d %d %d\n", PQgetlength(result, 0, 0),
		    PQgetlength(result, 0, 1), PQgetisnull(result, 0, 2),
		    PQgetlength(result, 0, 3), (int)PQftype(result, 0));
		PQclear(result);
	}
	free(big);
	PQsendQuery(conn, "select generate_series(1, 5)");
	PQsetSingleRowMode(conn);
	while ((result = PQgetResult(conn)) != NULL)
		story_result("rows", result);
	PQfinish(conn);
}

static void
story_copy(void)
{
	PGconn		*conn = story_connect("");
	PGresult	*result;
	char		*row, line[100];
	long		 bytes = 0;
	int		 n;

	story_result("copy", PQexecParams(conn,
	    "copy item (id, name) from stdin", 0, NULL, NULL, NULL, NULL, 0));
	for (int i = 0; i < 20000; i++) {
		n = snprintf(line, sizeof line, "%d\tname %d\n", i, i);
		PQputCopyData(conn, line, n);
	}
	PQputCopyEnd(conn, NULL);
	while ((result = PQgetResult(conn)) != NULL)
		story_result("copy", result);
	story_result("copy", PQexec(conn, "copy item (id, name) from stdin"));
	PQputCopyData(conn, "30000\tnever\n", 12);
	PQputCopyEnd(conn, "changed my mind");
	while ((result = PQgetResult(conn)) != NULL)
		story_result("copy", result);
	story_result("copy", PQexec(conn, "copy item (id, name) to stdout"));
	while ((n = PQgetCopyData(conn, &row, 0)) > 0) {
		bytes += n;
		PQfreemem(row);
	}
	printf("copy: %ld\n", bytes);
	while ((result = PQgetResult(conn)) != NULL)
		story_result("copy", result);
	PQfinish(conn);
}

/* Through the fastpath: function calls. */
static void
story_large_object(void)
{
	PGconn	*conn = story_connect("");
	char	 buffer[100] = "";
	Oid	 oid;
	int	 fd, n;

	PQclear(PQexec(conn, "begin"));
	oid = lo_creat(conn, INV_READ | INV_WRITE);
	fd = lo_open(conn, oid, INV_READ | INV_WRITE);
	for (int i = 0; i < 1000; i++)
		lo_write(conn, fd, "some bytes", 10);
	n = lo_lseek(conn, fd, 9995, SEEK_SET);
	printf("large object: %d", n);
	n = lo_read(conn, fd, buffer, sizeof buffer);
	printf(" %d %s %d", n, buffer, lo_tell(conn, fd));
	printf(" %d\n", lo_close(conn, fd));
	PQclear(PQexec(conn, "commit"));
	printf("large object: %d", lo_unlink(conn, oid));
	printf(" %d\n", lo_unlink(conn, oid));
	PQfinish(conn);
}

static void
story_cancel(void)
{
	PGconn		*conn = story_connect("");
	PGconn		*watcher = story_connect("");
	PGcancel	*cancel = PQgetCancel(conn);
	char		 error[256] = "";
	PGresult	*result;
	bool		 runs = false;

	PQenterPipelineMode(conn);
	story_say(conn, "select 'before'", NULL);
	story_say(conn, "select nap($1)", "60");
	story_say(conn, "select 'behind'", NULL);
	PQpipelineSync(conn);
	story_say(conn, "select 'next'", NULL);
	PQpipelineSync(conn);
	PQflush(conn);
	while (!runs) {
		result = PQexec(watcher, "select 1 from sleeper");
		runs = PQntuples(result) > 0;
		PQclear(result);
	}
	printf("cancel: %d\n", PQcancel(cancel, error, sizeof error));
	PQfreeCancel(cancel);
	story_drain("cancel", conn, 2);
	PQfinish(conn);
	PQfinish(watcher);
}

static void
story_notify(void)
{
	PGconn		*conn = story_connect("");
	PGconn		*teller = story_connect("");
	PGnotify	*note;
	struct pollfd	 wait = { .fd = PQsocket(conn), .events = POLLIN };

	PQclear(PQexec(conn, "listen \"The News\""));
	PQclear(PQexec(conn, "notify \"The News\", 'mine'"));
	note = PQnotifies(conn);
	printf("notify: %s %s %d\n", note->relname, note->extra,
	    note->be_pid == PQbackendPID(conn));
	PQfreemem(note);
	PQclear(PQexec(teller, "begin"));
	PQclear(PQexec(teller, "notify \"The News\", 'another one''s'"));
	PQclear(PQexec(teller, "commit"));
	while ((note = PQnotifies(conn)) == NULL) {
		if (poll(&wait, 1, 20000) != 1)
			exit(1);
		PQconsumeInput(conn);
	}
	printf("notify: %s %s\n", note->relname, note->extra);
	PQfreemem(note);
	PQfinish(conn);
	PQfinish(teller);
}

/* What libpq knows without asking. */
static void
story_status(void)
{
	static const char	*names[] = { "server_version",
		"server_encoding", "client_encoding", "application_name",
		"default_transaction_read_only", "in_hot_standby",
		"is_superuser", "session_authorization", "DateStyle",
		"IntervalStyle", "TimeZone", "integer_datetimes",
		"standard_conforming_strings", "nosuch" };
	PGconn	*conn = story_connect("?application_name=story&options="
		    "-cDateStyle%3DGerman%20-cTimeZone%3DAsia/Tokyo");
	PGresult	*result;
	const char	*value;

	PQclear(PQexec(conn, "set IntervalStyle = 'iso_8601'"));
	PQclear(PQexec(conn, "begin; set TimeZone = 'UTC'; rollback"));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		value = PQparameterStatus(conn, names[i]);
		printf("status: %s %s\n", names[i],
		    value != NULL ? value : "unknown");
	}
	printf("status: %d %d %d\n", PQserverVersion(conn),
	    PQprotocolVersion(conn), PQsslInUse(conn));
	result = PQexec(conn, "select 1; select nosuch");
	printf("status: %s", PQresultErrorMessage(result));
	PQclear(result);
	PQfinish(conn);
}

static void
story_crowd(void)
{
	int	 clients = atoi(getenv("STORY_CLIENTS"));
	PGconn	*conn[100];
	char	 text[100], number[20];

	for (int i = 0; i < clients; i++) {
		conn[i] = story_connect("");
		PQenterPipelineMode(conn[i]);
	}
	for (int i = 0; i < clients; i++) {
		snprintf(number, sizeof number, "%d", i);
		PQsendPrepare(conn[i], "mine", "select $1::int, "
		    "current_setting('work_mem')", 1, NULL);
		snprintf(text, sizeof text, "set work_mem = '%dMB'", i + 1);
		story_say(conn[i], text, NULL);
		PQpipelineSync(conn[i]);
		for (int j = 0; j < 5; j++) {
			const char	*value = number;

			PQsendQueryPrepared(conn[i], "mine", 1, &value, NULL,
			    NULL, 0);
			story_say(conn[i], j % 2 ? "select 1 / 0" :
			    "select 'fine'", NULL);
			PQpipelineSync(conn[i]);
		}
		PQflush(conn[i]);
	}
	for (int i = 0; i < clients; i++) {
		snprintf(text, sizeof text, "crowd %d", i);
		story_drain(text, conn[i], 6);
	}
	for (int i = 0; i < clients; i++)
		PQfinish(conn[i]);
}

int
main(void)
{
	story_pipeline();
	story_flush();
	story_binary();
	story_copy();
	story_large_object();
	story_cancel();
	story_notify();
	story_status();
	story_crowd();
	return 0;
}
