/*
 * The story told through ODBC: bound parameters, server-side prepare, the
 * driver's own savepoint at every statement (rollback on error), cursors by
 * DECLARE and FETCH, catalogue functions, cancel.
 */

#include <sql.h>
#include <sqlext.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SQLHENV	environment;

static SQLHDBC
story_connect(const char *parameters)
{
	SQLHDBC		db;
	SQLRETURN	done;
	char		text[1000], state[6], said[500];

	snprintf(text, sizeof text, "DRIVER={PostgreSQL Unicode};SERVER=%s;"
	    "PORT=%s;DATABASE=%s;UID=%s;PWD={%s};%s", getenv("PGHOST"),
	    getenv("PGPORT"), getenv("PGDATABASE"), getenv("PGUSER"),
	    getenv("PGPASSWORD"), parameters);
	SQLAllocHandle(SQL_HANDLE_DBC, environment, &db);
	done = SQLDriverConnect(db, NULL, (SQLCHAR *)text, SQL_NTS, NULL, 0,
	    NULL, SQL_DRIVER_NOPROMPT);
	if (SQL_SUCCEEDED(done))
		return db;
	SQLGetDiagRec(SQL_HANDLE_DBC, db, 1, (SQLCHAR *)state, NULL,
	    (SQLCHAR *)said, sizeof said, NULL);
	printf("connect: %s %s\n", state, strstr(said, "FATAL") != NULL ?
	    strstr(said, "FATAL") : said);
	SQLFreeHandle(SQL_HANDLE_DBC, db);
	return NULL;
}

static void
story_close(SQLHDBC db)
{
	SQLEndTran(SQL_HANDLE_DBC, db, SQL_ROLLBACK);
	SQLDisconnect(db);
	SQLFreeHandle(SQL_HANDLE_DBC, db);
}

/* Everything that this statement has to say. */
static void
story_tell(const char *subject, SQLHSTMT statement, SQLRETURN done)
{
	SQLSMALLINT	columns = 0;
	SQLLEN		n = -1;
	char		text[300], state[6] = "";

	if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA) {
		SQLGetDiagRec(SQL_HANDLE_STMT, statement, 1,
		    (SQLCHAR *)state, NULL, NULL, 0, NULL);
		printf("%s: error %s\n", subject, state);
		return;
	}
	do {
		SQLNumResultCols(statement, &columns);
		if (columns == 0) {
			n = -1;
			SQLRowCount(statement, &n);
			printf("%s: %ld rows\n", subject, (long)n);
			continue;
		}
		while (SQL_SUCCEEDED(SQLFetch(statement))) {
			printf("%s:", subject);
			for (SQLUSMALLINT i = 1; i <= columns; i++) {
				SQLGetData(statement, i, SQL_C_CHAR, text,
				    sizeof text, &n);
				printf(" %s", n == SQL_NULL_DATA ? "null" :
				    text);
			}
			printf("\n");
		}
	} while (SQL_SUCCEEDED(SQLMoreResults(statement)));
}

static void
story_say(const char *subject, SQLHDBC db, const char *text)
{
	SQLHSTMT	statement;

	SQLAllocHandle(SQL_HANDLE_STMT, db, &statement);
	story_tell(subject, statement, SQLExecDirect(statement,
	    (SQLCHAR *)text, SQL_NTS));
	SQLFreeHandle(SQL_HANDLE_STMT, statement);
}

static void
story_connections(void)
{
	static const char	*forms[] = {
		"", "SSLmode=require", "ConnSettings=set search_path = "
		"other_schema", "pqopt={options='-c statement_timeout=5s' "
		"application_name=x}", "pqopt={options='-c nosuch=1'}",
		"ReadOnly=1", "Protocol=7.4-2",
	};
	SQLHDBC	db;

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if ((db = story_connect(forms[i])) == NULL)
			continue;
		story_say("connect", db, "select current_setting("
		    "'search_path'), current_setting('statement_timeout'), "
		    "current_setting('application_name')");
		story_say("connect", db, "select name from product");
		story_close(db);
	}
}

static void
story_parameters(const char *parameters)
{
	SQLHDBC		db = story_connect(parameters);
	SQLHSTMT	statement;
	SQLINTEGER	number = 0;
	SQLLEN		number_is = 0, text_is = SQL_NTS, null_is =
			    SQL_NULL_DATA;
	char		text[] = "text ' \\ ?";
	double		real = 1.5;

	SQLAllocHandle(SQL_HANDLE_STMT, db, &statement);
	SQLBindParameter(statement, 1, SQL_PARAM_INPUT, SQL_C_SLONG,
	    SQL_INTEGER, 0, 0, &number, 0, &number_is);
	SQLBindParameter(statement, 2, SQL_PARAM_INPUT, SQL_C_CHAR,
	    SQL_VARCHAR, 100, 0, text, 0, &text_is);
	SQLBindParameter(statement, 3, SQL_PARAM_INPUT, SQL_C_DOUBLE,
	    SQL_DOUBLE, 0, 0, &real, 0, &number_is);
	SQLBindParameter(statement, 4, SQL_PARAM_INPUT, SQL_C_CHAR,
	    SQL_VARCHAR, 100, 0, text, 0, &null_is);
	SQLPrepare(statement, (SQLCHAR *)"select ?::int + 1, ?::text, "
	    "?::float8, ?::text, name from product", SQL_NTS);
	for (number = 0; number < 3; number++) {
		story_tell("parameters", statement, SQLExecute(statement));
		story_say("parameters", db, number == 0 ?
		    "set search_path = naytife_schema" :
		    "set search_path = other_schema");
	}
	SQLFreeHandle(SQL_HANDLE_STMT, statement);
	story_say("parameters", db, "select nosuch from product");
	story_say("parameters", db, "select 'after'; select 'and more'");
	story_close(db);
}

static void
story_transactions(const char *parameters)
{
	SQLHDBC	db = story_connect(parameters);

	SQLSetConnectAttr(db, SQL_ATTR_AUTOCOMMIT, SQL_AUTOCOMMIT_OFF, 0);
	story_say("transaction", db, "insert into account values (100, 1)");
	story_say("transaction", db, "insert into account values (100, 2)");
	story_say("transaction", db, "select balance from account where "
	    "id = 100");
	SQLEndTran(SQL_HANDLE_DBC, db, SQL_COMMIT);
	story_say("transaction", db, "delete from account");
	SQLEndTran(SQL_HANDLE_DBC, db, SQL_ROLLBACK);
	story_say("transaction", db, "select count(*) from account");
	SQLEndTran(SQL_HANDLE_DBC, db, SQL_COMMIT);
	SQLSetConnectAttr(db, SQL_ATTR_TXN_ISOLATION,
	    (SQLPOINTER)SQL_TXN_SERIALIZABLE, 0);
	story_say("transaction", db, "show transaction_isolation");
	SQLEndTran(SQL_HANDLE_DBC, db, SQL_COMMIT);
	SQLSetConnectAttr(db, SQL_ATTR_AUTOCOMMIT,
	    (SQLPOINTER)SQL_AUTOCOMMIT_ON, 0);
	story_say("transaction", db, "show default_transaction_isolation");
	story_say("transaction", db, "create temp table mine as select 1 a");
	story_say("transaction", db, "select a from mine");
	story_say("transaction", db, "call pay(1, 2, 10)");
	story_close(db);
}

static void
story_cursors(void)
{
	SQLHDBC		db = story_connect("UseDeclareFetch=1;Fetch=7");
	SQLHSTMT	statement;

	story_say("cursor", db, "select generate_series(1, 30)");
	SQLAllocHandle(SQL_HANDLE_STMT, db, &statement);
	SQLSetStmtAttr(statement, SQL_ATTR_CURSOR_TYPE,
	    (SQLPOINTER)SQL_CURSOR_STATIC, 0);
	SQLExecDirect(statement, (SQLCHAR *)"select generate_series(1, 30)",
	    SQL_NTS);
	SQLFetchScroll(statement, SQL_FETCH_ABSOLUTE, 20);
	story_tell("cursor", statement, SQL_SUCCESS);
	SQLFreeHandle(SQL_HANDLE_STMT, statement);
	story_close(db);
}

static void
story_catalogue(void)
{
	SQLHDBC		db = story_connect("");
	SQLHSTMT	statement;
	SQLCHAR		name[100];
	SQLLEN		n = -1;

	SQLAllocHandle(SQL_HANDLE_STMT, db, &statement);
	SQLColumns(statement, NULL, 0, (SQLCHAR *)"public", SQL_NTS,
	    (SQLCHAR *)"item", SQL_NTS, NULL, 0);
	while (SQL_SUCCEEDED(SQLFetch(statement))) {
		SQLGetData(statement, 4, SQL_C_CHAR, name, sizeof name, &n);
		printf("catalogue: %s\n", name);
	}
	SQLCloseCursor(statement);
	SQLPrimaryKeys(statement, NULL, 0, (SQLCHAR *)"public", SQL_NTS,
	    (SQLCHAR *)"account", SQL_NTS);
	while (SQL_SUCCEEDED(SQLFetch(statement))) {
		SQLGetData(statement, 4, SQL_C_CHAR, name, sizeof name, &n);
		printf("catalogue: key %s\n", name);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, statement);
	story_close(db);
}

static void *
story_sleep(void *argument)
{
	SQLHSTMT	statement = argument;

	story_tell("cancel", statement, SQLExecDirect(statement,
	    (SQLCHAR *)"select nap(60)", SQL_NTS));
	return NULL;
}

static void
story_cancel(void)
{
	SQLHDBC		db = story_connect("");
	SQLHDBC		watcher = story_connect("");
	SQLHSTMT	sleeping, watching;
	pthread_t	thread;
	int		runs = 0;

	SQLAllocHandle(SQL_HANDLE_STMT, db, &sleeping);
	SQLAllocHandle(SQL_HANDLE_STMT, watcher, &watching);
	pthread_create(&thread, NULL, story_sleep, sleeping);
	while (!runs) {
		SQLExecDirect(watching, (SQLCHAR *)"select 1 from sleeper",
		    SQL_NTS);
		runs = SQL_SUCCEEDED(SQLFetch(watching));
		SQLCloseCursor(watching);
	}
	SQLCancel(sleeping);
	pthread_join(thread, NULL);
	SQLFreeHandle(SQL_HANDLE_STMT, sleeping);
	SQLFreeHandle(SQL_HANDLE_STMT, watching);
	story_say("cancel", db, "select 'after'");
	story_close(db);
	story_close(watcher);
}

/* All of them are open, and each has its turn. */
static void
story_crowd(void)
{
	int	clients = atoi(getenv("STORY_CLIENTS"));
	SQLHDBC	db[100];
	char	text[200];

	for (int i = 0; i < clients; i++) {
		db[i] = story_connect("");
		snprintf(text, sizeof text, "set work_mem = '%dMB'", i + 1);
		story_say("crowd", db[i], text);
	}
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < clients; i++) {
			story_say("crowd", db[i], "show work_mem");
			snprintf(text, sizeof text, "update account set "
			    "balance = balance + 1 where id = %d", i + 1);
			story_say("crowd", db[i], text);
			story_say("crowd", db[i], "select 1 / 0");
		}
	for (int i = 0; i < clients; i++)
		story_close(db[i]);
}

int
main(void)
{
	SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &environment);
	SQLSetEnvAttr(environment, SQL_ATTR_ODBC_VERSION,
	    (SQLPOINTER)SQL_OV_ODBC3, 0);
	story_connections();
	story_parameters("UseServerSidePrepare=1");
	story_parameters("UseServerSidePrepare=0");
	story_transactions("Protocol=7.4-2");
	story_cursors();
	story_catalogue();
	story_cancel();
	story_crowd();
	SQLFreeHandle(SQL_HANDLE_ENV, environment);
	return 0;
}
