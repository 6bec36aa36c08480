/*
 * auth_query; see client/auth_query.h.
 *
 * A source is one connection: a database, an auth_user.  Requests queue on
 * it.  The connection is opened by libpq step by step from events of the main
 * loop, stays open while it is used, and closes when it was idle for
 * server_idle_timeout.  Everything here but asking and abandoning happens in
 * the main thread.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/auth_cache.h"
#include "client/auth_query.h"
#include "config/config.h"
#include "config/userlist.h"
#include "net/loop.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/libpq.h"

extern char	**environ;

struct auth_query_request {
	struct letter		 letter;
	struct loop		*asking;
	struct config		*config;	/* held */
	char			*database;
	char			*user;
	void			(*done)(void *,
				    const struct auth_query_answer *);
	void			*arg;
	bool			 is_abandoned;	/* the asking thread's */
	char			*secret, *failure;
	int			 attempts;
	TAILQ_ENTRY(auth_query_request) next;
};

enum source_state {
	SOURCE_CLOSED,
	SOURCE_RESOLVING,
	SOURCE_CONNECTING,
	SOURCE_IDLE,
	SOURCE_ASKING,
};

struct source {
	struct source		*next;
	char			*database;	/* entry that has the host */
	char			*dbname;	/* NULL: as that entry says */
	char			*user;		/* auth_user */
	enum source_state	 state;
	struct libpq		 libpq;
	struct deadline		 deadline;
	struct letter		 resolved;
	struct limit		*limit;		/* a place is reserved in it */
	struct config		*config;	/* held while it is open */
	TAILQ_HEAD(request_list, auth_query_request) requests;
};

static struct {
	struct loop		*loop;
	struct source		*sources;
	atomic_int		 places;	/* in limits that are shared */
} lookups;

static void	source_connect(struct source *);

/* libpq takes what is not given, or given empty, from PGPASSWORD and such. */
static void
auth_query_clear_environment(void)
{
	char	**at = environ, *name;

	while (*at != NULL) {
		if (strncmp(*at, "PG", 2) != 0 ||
		    strncmp(*at, "PGWEIR_", 7) == 0) {
			at++;
			continue;
		}
		name = mem_string_n(*at, strcspn(*at, "="));
		/* What follows moves up. */
		if (unsetenv(name) != 0)
			at++;
		free(name);
	}
}

void
auth_query_init(struct loop *main_loop)
{
	auth_query_clear_environment();
	lookups.loop = main_loop;
}

/*
 * Answers.
 */

static void
request_on_answered(struct loop *loop, struct letter *letter)
{
	struct auth_query_request *request = container_of(letter,
				    struct auth_query_request, letter);
	struct auth_query_answer answer = { request->secret,
				    request->failure };

	(void)loop;
	if (!request->is_abandoned)
		request->done(request->arg, &answer);
	mem_free_secret(request->secret);
	free(request->failure);
	free(request->database);
	free(request->user);
	config_release(request->config);
	free(request);
}

static void
request_answer(struct auth_query_request *request)
{
	request->letter.read = request_on_answered;
	loop_post(request->asking, &request->letter);
}

void
auth_query_abandon(struct auth_query_request *request)
{
	request->is_abandoned = true;
}

/*
 * Sources.
 */

static const struct database *
source_entry(const struct source *source, const struct config *config)
{
	return config_database(config, source->database);
}

static void
source_close(struct source *source)
{
	libpq_close(&source->libpq);
	deadline_clear(lookups.loop, &source->deadline);
	if (source->limit != NULL) {
		limit_release(source->limit);
		atomic_fetch_sub(&lookups.places, 1);
	}
	source->limit = NULL;
	config_release(source->config);
	source->config = NULL;
	source->state = SOURCE_CLOSED;
}

/* Everybody in the queue hears why; the log too. */
static void
source_fail(struct source *source, const char *why)
{
	struct auth_query_request	*request;
	char				 text[600];
	size_t				 n;

	snprintf(text, sizeof text, "auth_query cannot be asked as user "
	    "\"%s\" for database \"%s\": %s", source->user, source->database,
	    why);
	for (n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
	log_error(NULL, "%s", text);
	source_close(source);
	while ((request = TAILQ_FIRST(&source->requests)) != NULL) {
		TAILQ_REMOVE(&source->requests, request, next);
		request->failure = mem_string("the secret of this user "
		    "cannot be looked up now; see the log of the pooler");
		request_answer(request);
	}
}

static void
source_on_deadline(struct loop *loop, struct deadline *deadline)
{
	struct source	*source = container_of(deadline, struct source,
			    deadline);

	(void)loop;
	if (source->state == SOURCE_IDLE)
		source_close(source);
	else
		source_fail(source, "it did not answer in time");
}

static void
source_enter_idle(struct source *source)
{
	source->state = SOURCE_IDLE;
	deadline_set(lookups.loop, &source->deadline,
	    source->config->option.server_idle_timeout_us,
	    source_on_deadline);
}

static void
source_ask(struct source *source)
{
	struct auth_query_request *request = TAILQ_FIRST(&source->requests);
	const struct database	*entry;
	const char		*query, *values[1];

	if (request == NULL) {
		source_enter_idle(source);
		return;
	}
	entry = config_database(request->config, request->database);
	query = entry != NULL && entry->auth_query != NULL ?
	    entry->auth_query : request->config->option.auth_query;
	values[0] = request->user;
	request->attempts++;
	source->state = SOURCE_ASKING;
	deadline_set(lookups.loop, &source->deadline,
	    request->config->option.client_login_timeout_us,
	    source_on_deadline);
	libpq_ask(&source->libpq, query, 1, values);
}

static struct source *
source_of(struct libpq *libpq)
{
	return container_of(libpq, struct source, libpq);
}

static void
source_on_ready(struct libpq *libpq)
{
	source_ask(source_of(libpq));
}

/* The row says user and secret; no row, or null, lets nobody in. */
static void
source_on_result(struct libpq *libpq, PGresult *result)
{
	struct source		*source = source_of(libpq);
	struct auth_query_request *request = TAILQ_FIRST(&source->requests);

	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		source_fail(source, PQresultErrorMessage(result));
		return;
	}
	if (PQntuples(result) == 1 && PQnfields(result) >= 2 &&
	    !PQgetisnull(result, 0, 1))
		request->secret = mem_string(PQgetvalue(result, 0, 1));
	auth_cache_put(request->database, request->user, request->secret,
	    request->config->option.auth_cache_ttl_us);
	TAILQ_REMOVE(&source->requests, request, next);
	request_answer(request);
}

static void
source_on_answered(struct libpq *libpq)
{
	source_ask(source_of(libpq));
}

/* An idle connection may die; a question is asked again. */
static void
source_on_failed(struct libpq *libpq, const char *why)
{
	struct source	*source = source_of(libpq);
	bool		 again = source->state == SOURCE_ASKING &&
			    !TAILQ_EMPTY(&source->requests) &&
			    TAILQ_FIRST(&source->requests)->attempts < 2;

	if (!again && source->state != SOURCE_IDLE) {
		source_fail(source, why);
		return;
	}
	source_close(source);
	if (again)
		source_connect(source);
}

static const struct libpq_handlers	source_handlers = {
	.ready = source_on_ready,
	.result = source_on_result,
	.answered = source_on_answered,
	.failed = source_on_failed,
};

static void
source_start(struct source *source, const struct database *entry,
    const struct backend *backend, const struct addr *addr)
{
	const struct option_values *option = &source->config->option;
	struct libpq_login	 login = {
		.config = source->config,
		.backend = backend,
		.addr = addr,
		.user = source->user,
		.password = userlist_secret(source->config->userlist,
		    source->user),
		.database = source->dbname != NULL ? source->dbname :
		    entry->dbname != NULL ? entry->dbname : source->database,
		.name = "pgweir auth_query",
	};

	source->state = SOURCE_CONNECTING;
	deadline_set(lookups.loop, &source->deadline,
	    option->server_connect_timeout_us, source_on_deadline);
	libpq_open(&source->libpq, lookups.loop, &source_handlers, &login);
}

/* Any host can answer; of several the primary does, if there is one. */
static struct backend *
source_backend(const struct config *config, const struct database *entry)
{
	struct cluster	*cluster = cluster_of(config, entry);
	struct backend	*backend = cluster == NULL ? NULL :
			    cluster_anyone(cluster);

	return backend != NULL ? backend :
	    backend_find(entry->hosts[0].name, entry->hosts[0].port);
}

static void
source_on_resolved(struct loop *loop, struct letter *letter)
{
	(void)loop;
	source_connect(container_of(letter, struct source, resolved));
}

static void
source_connect(struct source *source)
{
	struct auth_query_request *request = TAILQ_FIRST(&source->requests);
	const struct database	*entry;
	struct backend		*backend;
	struct addr		 addr;
	char			 error[128];
	bool			 was_resolving =
				    source->state == SOURCE_RESOLVING;

	if (source->config == NULL)
		source->config = config_hold(request->config);
	if ((entry = source_entry(source, source->config)) == NULL) {
		source_fail(source, "the database is not configured");
		return;
	}
	backend = source_backend(source->config, entry);
	source->resolved.read = source_on_resolved;
	source->state = SOURCE_RESOLVING;
	if (!backend_address(backend, &addr, lookups.loop,
	    was_resolving ? NULL : &source->resolved)) {
		if (was_resolving) {
			backend_error(backend, error, sizeof error);
			source_fail(source, error);
		}
		return;
	}
	if (source->limit == NULL) {
		source->limit = limit_find("database", source->database,
		    backend);
		if (!limit_reserve(source->limit)) {
			source->limit = NULL;
			source_fail(source, "max_db_connections is reached");
			return;
		}
		atomic_fetch_add(&lookups.places, 1);
	}
	source_start(source, entry, backend, &addr);
}

static struct source *
source_find(const char *database, const char *dbname, const char *user)
{
	struct source	*source;

	for (source = lookups.sources; source != NULL; source = source->next)
		if (strcmp(source->database, database) == 0 &&
		    text_equal(source->dbname, dbname) &&
		    strcmp(source->user, user) == 0)
			return source;
	source = mem_new(sizeof *source);
	source->database = mem_string(database);
	source->dbname = mem_string(dbname);
	source->user = mem_string(user);
	TAILQ_INIT(&source->requests);
	source->next = lookups.sources;
	lookups.sources = source;
	return source;
}

/*
 * auth_dbname names an entry, which may have another host; a name that is
 * none is a database beside the client's own.
 */
static struct source *
request_source(const struct auth_query_request *request)
{
	const struct option_values	*option = &request->config->option;
	const struct database		*entry = config_database(
					    request->config,
					    request->database);
	const char	*user = entry->auth_user != NULL ?
			    entry->auth_user : option->auth_user;
	const char	*dbname = entry->auth_dbname != NULL ?
			    entry->auth_dbname : option->auth_dbname;

	if (dbname[0] == '\0')
		return source_find(request->database, NULL, user);
	if (config_database(request->config, dbname) != NULL)
		return source_find(dbname, NULL, user);
	return source_find(request->database, dbname, user);
}

static void
request_on_arrival(struct loop *loop, struct letter *letter)
{
	struct auth_query_request *request = container_of(letter,
				    struct auth_query_request, letter);
	struct source		*source = request_source(request);

	(void)loop;
	TAILQ_INSERT_TAIL(&source->requests, request, next);
	if (source->state == SOURCE_CLOSED)
		source_connect(source);
	else if (source->state == SOURCE_IDLE)
		source_ask(source);
}

struct auth_query_request *
auth_query_ask(struct loop *asking, const struct config *config,
    const char *database, const char *user,
    void (*done)(void *, const struct auth_query_answer *), void *arg)
{
	struct auth_query_request *request;
	struct auth_query_answer answer = { NULL, NULL };
	char			*secret = NULL;

	if (auth_cache_get(database, user, &secret)) {
		answer.secret = secret;
		done(arg, &answer);
		mem_free_secret(secret);
		return NULL;
	}
	request = mem_new(sizeof *request);
	request->asking = asking;
	request->config = config_hold(config);
	request->database = mem_string(database);
	request->user = mem_string(user);
	request->done = done;
	request->arg = arg;
	request->letter.read = request_on_arrival;
	loop_post(lookups.loop, &request->letter);
	return request;
}

int
auth_query_places(void)
{
	return atomic_load(&lookups.places);
}
