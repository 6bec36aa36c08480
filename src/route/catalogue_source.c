/*
 * See route/catalogue_source.h.
 *
 *	CLOSED -> RESOLVING -> CONNECTING -> ASKING -> CLOSED	not changed
 *	ASKING -> READING -> ASKING		DDL has passed meanwhile
 *		  READING -> CLOSED		there is a new catalogue
 *	any -> CLOSED				failed
 *
 * In CLOSED a deadline is set for the next reading.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/libpq.h"
#include "pool/pool.h"
#include "route/catalogue.h"
#include "route/catalogue_source.h"

/* A reading that failed is tried again after this. */
#define RETRY_US	(1000 * 1000)
/* It takes milliseconds; a server that is stopped must not hold it. */
#define READ_LIMIT_US	(60 * 1000 * 1000)

enum state {
	STATE_CLOSED,
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_ASKING,
	STATE_READING,
};

struct source {
	struct catalogue_source	 source;	/* what others see of it */
	struct source		*next;		/* never removed */
	char			*name;		/* of the entry */
	char			*dbname;
	_Atomic bool		 is_dropped;	/* since it was asked */
	_Atomic bool		 is_woken;	/* the letter is on its way */
	struct letter		 wake;
	struct {
		pthread_mutex_t		 mutex;
		const struct catalogue	*current;	/* held, or NULL */
	} shared;

	/* The main thread's. */
	enum state		 state;
	char			*fingerprint;	/* of last; NULL: none */
	char			*asked;		/* the one just answered */
	const struct catalogue	*last;		/* held, or NULL */
	bool			 is_failing;	/* and the log says so */
	struct config		*config;	/* held while it is open */
	struct limit		*limit;		/* a place is reserved */
	struct libpq		 libpq;
	struct deadline		 deadline;
	struct letter		 resolved;
};

static struct {
	struct loop		*loop;
	pthread_mutex_t		 mutex;
	struct source		*sources;	/* guarded by the mutex */
} catalogues = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void	source_open(struct source *);

/*
 * Any thread.
 */

static struct source *
source_of(struct catalogue_source *source)
{
	return container_of(source, struct source, source);
}

void
catalogue_source_take(struct catalogue_source *visible,
    const struct catalogue **held)
{
	struct source	*source = source_of(visible);
	uint64_t	 number = *held == NULL ? 0 : catalogue_number(*held);

	if (atomic_load_explicit(&visible->number, memory_order_acquire) ==
	    number)
		return;
	catalogue_release(*held);
	pthread_mutex_lock(&source->shared.mutex);
	*held = catalogue_hold(source->shared.current);
	pthread_mutex_unlock(&source->shared.mutex);
}

static void
source_publish(struct source *source, const struct catalogue *catalogue)
{
	const struct catalogue	*old;

	pthread_mutex_lock(&source->shared.mutex);
	old = source->shared.current;
	source->shared.current = catalogue_hold(catalogue);
	atomic_store(&source->source.number, catalogue == NULL ? 0 :
	    catalogue_number(catalogue));
	pthread_mutex_unlock(&source->shared.mutex);
	catalogue_release(old);
}

static void
source_wake(struct source *source)
{
	if (!atomic_exchange(&source->is_woken, true))
		loop_post(catalogues.loop, &source->wake);
}

void
catalogue_source_drop(struct catalogue_source *visible)
{
	struct source	*source = source_of(visible);

	atomic_store(&source->is_dropped, true);
	source_publish(source, NULL);
	source_wake(source);
}

static void
source_on_wake(struct loop *loop, struct letter *letter)
{
	struct source	*source = container_of(letter, struct source, wake);

	(void)loop;
	atomic_store(&source->is_woken, false);
	if (source->state == STATE_CLOSED)
		source_open(source);
}

static struct source *
source_new(const char *name, const char *dbname)
{
	struct source	*source = mem_new(sizeof *source);

	source->name = mem_string(name);
	source->dbname = mem_string(dbname);
	source->wake.read = source_on_wake;
	pthread_mutex_init(&source->shared.mutex, NULL);
	source->next = catalogues.sources;
	catalogues.sources = source;
	return source;
}

static struct source *
source_find_locked(const char *name, const char *dbname)
{
	struct source	*source;

	for (source = catalogues.sources; source != NULL;
	    source = source->next)
		if (strcmp(source->name, name) == 0 &&
		    strcmp(source->dbname, dbname) == 0)
			return source;
	return NULL;
}

struct catalogue_source *
catalogue_source_find(const struct database *entry, const char *dbname)
{
	struct source	*source;
	bool		 is_new = false;

	if (entry->dbname != NULL)
		dbname = entry->dbname;
	pthread_mutex_lock(&catalogues.mutex);
	source = source_find_locked(entry->name, dbname);
	if (source == NULL) {
		source = source_new(entry->name, dbname);
		is_new = true;
	}
	pthread_mutex_unlock(&catalogues.mutex);
	if (is_new)
		source_wake(source);
	return &source->source;
}

/*
 * Closing.
 */

static void
source_on_tick(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	source_open(container_of(deadline, struct source, deadline));
}

/* DDL that has passed since we asked does not wait for the next time. */
static void
source_close(struct source *source, int64_t pause_us)
{
	libpq_close(&source->libpq);
	if (source->limit != NULL)
		limit_release(source->limit);
	source->limit = NULL;
	config_release(source->config);
	source->config = NULL;
	free(source->asked);
	source->asked = NULL;
	source->state = STATE_CLOSED;
	if (atomic_load(&source->is_dropped) && pause_us > RETRY_US)
		pause_us = RETRY_US;
	deadline_set(catalogues.loop, &source->deadline, pause_us,
	    source_on_tick);
}

static void
source_fail(struct source *source, const char *why)
{
	if (!source->is_failing)
		log_warning(NULL, "the functions of database \"%s\" cannot be "
		    "read, so that %s: %.*s", source->dbname,
		    source->last == NULL ? "all its statements go to the "
		    "primary" : "what changed since is not known",
		    (int)strcspn(why, "\n"), why);
	source->is_failing = true;
	source_close(source, RETRY_US);
}

static void
source_on_limit(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	source_fail(container_of(deadline, struct source, deadline),
	    "it did not answer in time");
}

/*
 * Reading.
 */

static void
source_send(struct source *source, enum state state, const char *query)
{
	source->state = state;
	libpq_ask(&source->libpq, query, 0, NULL);
}

static void
source_ask(struct source *source)
{
	atomic_store(&source->is_dropped, false);
	source_send(source, STATE_ASKING, catalogue_fingerprint_query);
}

/* What is known counts, unless DDL has passed since we asked. */
static void
source_finish(struct source *source)
{
	if (atomic_load(&source->is_dropped)) {
		source_ask(source);
		return;
	}
	source_publish(source, source->last);
	/* Between the question and the answer there is no lock. */
	if (atomic_load(&source->is_dropped))
		source_publish(source, NULL);
	source->is_failing = false;
	source_close(source, source->config->option.catalogue_interval_us);
}

static void
source_take_fingerprint(struct source *source, PGresult *result)
{
	free(source->asked);
	source->asked = mem_string(PQgetvalue(result, 0, 0));
}

static bool
source_take_rows(struct source *source, PGresult *result)
{
	struct catalogue_draft	*draft = catalogue_draft_new();

	for (int row = 0; row < PQntuples(result); row++)
		if (!catalogue_draft_add(draft, PQgetvalue(result, row, 0),
		    PQgetvalue(result, row, 1), PQgetvalue(result, row, 2))) {
			catalogue_draft_free(draft);
			return false;
		}
	catalogue_release(source->last);
	source->last = catalogue_draft_finish(draft);
	free(source->fingerprint);
	source->fingerprint = source->asked;
	source->asked = NULL;
	return true;
}

static struct source *
source_with(struct libpq *libpq)
{
	return container_of(libpq, struct source, libpq);
}

static void
source_on_ready(struct libpq *libpq)
{
	source_ask(source_with(libpq));
}

static void
source_on_result(struct libpq *libpq, PGresult *result)
{
	struct source	*source = source_with(libpq);
	int		 columns = source->state == STATE_ASKING ? 1 : 3;

	if (PQresultStatus(result) != PGRES_TUPLES_OK ||
	    PQnfields(result) != columns || PQntuples(result) < 1)
		source_fail(source, PQresultErrorMessage(result));
	else if (source->state == STATE_ASKING)
		source_take_fingerprint(source, result);
	else if (!source_take_rows(source, result))
		source_fail(source, "there are too many");
}

static void
source_on_answered(struct libpq *libpq)
{
	struct source	*source = source_with(libpq);

	if (source->state == STATE_ASKING && (source->fingerprint == NULL ||
	    strcmp(source->asked, source->fingerprint) != 0))
		source_send(source, STATE_READING, catalogue_query);
	else
		source_finish(source);
}

static void
source_on_failed(struct libpq *libpq, const char *why)
{
	source_fail(source_with(libpq), why);
}

static const struct libpq_handlers	source_handlers = {
	.ready = source_on_ready,
	.result = source_on_result,
	.answered = source_on_answered,
	.failed = source_on_failed,
};

/*
 * Opening.
 */

static void
source_connect(struct source *source, const struct database *entry,
    const struct backend *backend, const struct addr *addr)
{
	struct libpq_login	login = {
		.config = source->config,
		.backend = backend,
		.addr = addr,
		.database = source->dbname,
		.name = "pgweir catalogue",
	};

	if (!libpq_introduce(&login, entry)) {
		source_fail(source, "no user is known who could ask: set "
		    "monitor_user and monitor_password");
		return;
	}
	source->state = STATE_CONNECTING;
	libpq_open(&source->libpq, catalogues.loop, &source_handlers, &login);
}

static struct backend *
source_backend(const struct config *config, const struct database *entry)
{
	struct cluster	*cluster = cluster_of(config, entry);

	if (cluster != NULL && !cluster_is_plain(cluster))
		return cluster_writer(cluster);
	return backend_find(entry->hosts[0].name, entry->hosts[0].port);
}

static void
source_on_resolved(struct loop *loop, struct letter *letter)
{
	struct source	*source = container_of(letter, struct source,
			    resolved);

	(void)loop;
	if (source->state == STATE_RESOLVING)
		source_open(source);
}

static void
source_open(struct source *source)
{
	bool			 again = source->state == STATE_RESOLVING;
	const struct database	*entry;
	struct backend		*backend;
	struct addr		 addr;

	if (source->config == NULL)
		source->config = config_current();
	source->state = STATE_RESOLVING;
	source->resolved.read = source_on_resolved;
	deadline_set(catalogues.loop, &source->deadline, READ_LIMIT_US,
	    source_on_limit);
	entry = config_database(source->config, source->name);
	backend = entry == NULL ? NULL :
	    source_backend(source->config, entry);
	if (backend == NULL) {
		source_fail(source, entry == NULL ?
		    "it is not configured any more" : "there is no primary");
		return;
	}
	if (!backend_address(backend, &addr, catalogues.loop,
	    again ? NULL : &source->resolved)) {
		if (again)
			source_fail(source, "its host cannot be resolved");
		return;
	}
	source->limit = limit_find("database", source->name, backend);
	if (!limit_reserve(source->limit)) {
		source->limit = NULL;
		source_fail(source, "max_db_connections is reached");
		return;
	}
	source_connect(source, entry, backend, &addr);
}

void
catalogues_init(struct loop *main_loop)
{
	catalogues.loop = main_loop;
}
