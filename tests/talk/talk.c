/*
 * The stage of the talk tests: loops that are turned by hand, a clock, a
 * configuration, and what has to be true when everybody has gone; see talk.h.
 *
 * A client is one end of a socket pair whose other end is accepted by a loop.
 * PostgreSQL is a unix socket in a directory of the test's own.  All of that
 * is in this process, so that what one side has written can be read by the
 * other at once: when some rounds of all loops have moved no byte, nothing
 * will move any more.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/mem.h"
#include "client/auth_query.h"
#include "client/client.h"
#include "config/config.h"
#include "net/loop.h"
#include "ops/console.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/peers.h"
#include "pool/pool.h"
#include "pool/pool_set.h"
#include "relay/hub.h"
#include "relay/relay.h"
#include "route/catalogue_source.h"
#include "talk_private.h"
#include "worker.h"

/* The longest way without a byte is two letters and a task. */
#define QUIET_ROUNDS	8
#define START_US	(1000 * US_PER_SECOND)

struct stage	stage;

/*
 * Turning.
 */

static bool
peer_listen(struct peer *peer)
{
	ssize_t	n;
	bool	moved = false;

	while (peer->fd >= 0 && !peer->is_over) {
		n = recv(peer->fd, buf_reserve(&peer->in, 65536), 65536,
		    MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		moved = true;
		if (n > 0)
			buf_commit(&peer->in, (size_t)n);
		else
			peer->is_over = true;
	}
	return moved;
}

void
talk_turn(struct loop *loop)
{
	loop->now_us = 0;
	event_base_loop(loop->base, EVLOOP_NONBLOCK);
	loop_run_tasks(loop);
}

bool
talk_round(void)
{
	struct peer	*peer;
	bool		 moved = false;
	int		 fd;

	for (int i = 0; i <= TALK_LOOPS; i++)
		talk_turn(stage.loops[i]);
	while (stage.listener >= 0 && (fd = accept4(stage.listener, NULL,
	    NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		(void)peer_new(fd, true);
		moved = true;
	}
	TAILQ_FOREACH(peer, &stage.peers, next)
		moved = peer_listen(peer) || moved;
	return moved;
}

void
talk_settle(void)
{
	for (int quiet = 0; quiet < QUIET_ROUNDS; quiet++)
		if (talk_round())
			quiet = 0;
}

void
time_passes(int64_t us)
{
	stage.now_us += us;
	clock_set_us(stage.now_us);
	for (int i = 0; i <= TALK_LOOPS; i++) {
		deadline_walk(stage.loops[i]);
		loop_run_tasks(stage.loops[i]);
	}
	talk_settle();
}

void
talk_fails(const char *file, int line, const char *format, ...)
{
	char	text[4000];
	va_list	args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	_ck_assert_failed(file, line, "the talk goes on as written", "%s",
	    text);
	abort();
}

/*
 * The stage.
 */

static void
talk_make(void)
{
	static const struct log_settings quiet = {
		.lowest = LOG_LEVEL_FATAL };
	static const struct log_settings loud = { .to_stderr = true,
		.lowest = LOG_LEVEL_DEBUG };

	log_configure(getenv("TALK_LOG") != NULL ? &loud : &quiet);
	stage.loops[0] = loop_new(0);
	workers_make(TALK_LOOPS, stage.loops[0]);
	for (int i = 1; i <= TALK_LOOPS; i++)
		stage.loops[i] = worker_loop(i - 1);
	for (int i = 0; i <= TALK_LOOPS; i++)
		stage.loops[i]->thread = pthread_self();
	auth_query_init(stage.loops[0]);
	relay_init();
	console_init();
	TAILQ_INIT(&stage.peers);
	stage.is_made = true;
}

void
postgres_starts(void)
{
	stage.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(stage.listener, &stage.addr.u.any,
	    stage.addr.length), 0);
	ck_assert_int_eq(listen(stage.listener, 100), 0);
	(void)symlink(".s.PGSQL.1", stage.second);
}

void
postgres_stops(void)
{
	close(stage.listener);
	unlink(stage.addr.u.local.sun_path);
	unlink(stage.second);
	stage.listener = -1;
}

static void
talk_on_fault(void *arg, bool is_error, const char *sentence)
{
	(void)arg;
	ck_assert_msg(!is_error, "%s", sentence);
}

static void __attribute__((format(printf, 2, 3)))
talk_write(const char *file, const char *format, ...)
{
	FILE	*to = fopen(file, "w");
	va_list	 args;

	ck_assert_ptr_nonnull(to);
	va_start(args, format);
	vfprintf(to, format, args);
	va_end(args);
	fclose(to);
}

/* Every @DIR@ is the directory of PostgreSQL's socket. */
static void
talk_print_options(const char *file, const char *options)
{
	FILE		*to = fopen(file, "a");
	const char	*at;

	ck_assert_ptr_nonnull(to);
	for (; (at = strstr(options, "@DIR@")) != NULL; options = at + 5)
		fprintf(to, "%.*s%s", (int)(at - options), options,
		    stage.directory);
	fputs(options, to);
	fclose(to);
}

static void
talk_configure(const char *database, const char *options)
{
	struct config_report	 report = { talk_on_fault, NULL };
	char			*file = mem_printf("%s/ini", stage.directory);
	char			*users = mem_printf("%s/users",
				    stage.directory);
	struct config		*config;

	talk_write(users, "\"u\" \"secret\"\n");
	talk_write(file, "[databases]\nd = host=%s%s%s port=1%s %s\n[pgweir]\n"
	    "auth_type = trust\nauth_file = %s\n"
	    "client_tls_sslmode = disable\nserver_tls_sslmode = disable\n",
	    stage.directory, stage.is_split ? "," : "",
	    stage.is_split ? stage.directory : "",
	    stage.is_split ? ",2" : "", database, users);
	talk_print_options(file, options);
	config = config_read(file, NULL, &report);
	ck_assert_ptr_nonnull(config);
	config_replace(config);
	peers_start(config, 2);
	unlink(file);
	unlink(users);
	free(file);
	free(users);
}

void
talk_begins_cold(const char *database, const char *options)
{
	if (!stage.is_made)
		talk_make();
	stage.now_us = START_US;
	clock_set_us(stage.now_us);
	stage.clients = stage.servers = 0;
	snprintf(stage.directory, sizeof stage.directory,
	    "/tmp/pgweir-talk-%s", "XX" "XXXX");
	ck_assert_ptr_nonnull(mkdtemp(stage.directory));
	ck_assert(addr_parse_unix(&stage.addr, stage.directory, 1));
	snprintf(stage.second, sizeof stage.second, "%s/.s.PGSQL.2",
	    stage.directory);
	postgres_starts();
	peers_init(stage.loops[0], NULL);
	clusters_init(stage.is_split ? stage.loops[0] : NULL, NULL);
	talk_configure(database, options);
	pools_init(TALK_LOOPS + 1);
	backends_init(stage.loops[0], NULL);
}

struct peer *
talk_begins(const char *options)
{
	struct peer	*herald, *server;

	talk_begins_cold("", options);
	herald = client_connects(1);
	says(herald, startup("u", "d"));
	server = server_enters();
	hears_greeting(herald);
	leaves(herald);
	return server;
}

/* What monitors would have found. */
static void
talk_crown(void)
{
	struct config	*config = config_current();
	struct cluster	*cluster = cluster_of(config,
			    config_database(config, "d"));
	struct backend	*backend;

	for (int i = 0; i < 2; i++) {
		backend = backend_find(stage.directory, i + 1);
		atomic_store(&cluster->members[i].backend, backend);
		atomic_store(&cluster->members[i].use,
		    i == 0 ? USE_WRITE : USE_READ);
		if (i == 0)
			atomic_store(&cluster->writer, backend);
	}
	config_release(config);
}

struct peer *
talk_begins_split(const char *options)
{
	static struct catalogue_source	 nothing_is_known;
	struct peer			*herald, *server;

	stage.is_split = true;
	talk_begins_cold("", options);
	talk_crown();
	herald = client_connects(1);
	says(herald, startup("u", "d"));
	server = server_enters();
	hears_greeting(herald);
	leaves(herald);
	atomic_store(&pool_each(NULL)->set->catalogue, &nothing_is_known);
	return server;
}

void
primary_is_at(int64_t lsn)
{
	clusters_tide(cluster_each(NULL)->members[0].backend, tide_ask(), 1,
	    lsn);
	talk_settle();
}

void
replica_is_at(int64_t lsn)
{
	struct backend	*backend = cluster_each(NULL)->members[1].backend;

	atomic_store(&backend->timeline, 1);
	atomic_store(&backend->lsn, lsn);
	(void)clusters_replayed(backend);
	talk_settle();
}

void
replica_serves(bool serves)
{
	atomic_store(&cluster_each(NULL)->members[1].use,
	    serves ? USE_READ : USE_LATE);
}

static void
talk_count(struct pool *pool, struct buf *to)
{
	struct pool_numbers	numbers;

	pool_count(pool, stage.now_us, &numbers);
	buf_printf(to, "%d linked, %d idle, %d waiting", numbers.linked,
	    numbers.idle, numbers.waiting);
	if (numbers.opening > 0)
		buf_printf(to, ", %d opening", numbers.opening);
	if (numbers.moving > 0)
		buf_printf(to, ", %d moving", numbers.moving);
	buf_add(to, "", 1);
}

void
talk_pool_is(const char *file, int line, const char *wanted)
{
	struct buf	text;

	buf_init(&text);
	if (pool_each(NULL) == NULL)
		buf_add_text(&text, "no pool");
	else
		talk_count(pool_each(NULL), &text);
	if (strcmp((char *)buf_bytes(&text), wanted) != 0)
		talk_fails(file, line, "the pool has %s instead of %s",
		    (char *)buf_bytes(&text), wanted);
	buf_done(&text);
}

/* Nothing was said that nobody has listened to, and everybody goes home. */
static void
talk_dismiss_peers(void)
{
	struct peer	*peer;

	talk_settle();
	TAILQ_FOREACH(peer, &stage.peers, next)
		if (buf_length(&peer->in) > 0 ||
		    (peer->is_over && peer->fd >= 0))
			talk_hears(__FILE__, __LINE__, peer,
			    (struct saying *const[]){ NULL });
	TAILQ_FOREACH(peer, &stage.peers, next)
		if (!peer->is_server)
			leaves(peer);
	ck_assert_int_eq(atomic_load(&client_numbers.total), 0);
	ck_assert_int_eq(atomic_load(&client_numbers.logging_in), 0);
	ck_assert_int_eq(atomic_load(&client_numbers.served), 0);
}

static void
talk_dismiss_pools(void)
{
	struct pool		*pool;
	struct peer		*peer;
	struct pool_numbers	 numbers;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		pool_count(pool, stage.now_us, &numbers);
		ck_assert_int_eq(numbers.waiting + numbers.clients, 0);
		pool_close_idle(pool);
	}
	/* Whoever is in the middle of a reset or a login is left alone. */
	talk_settle();
	TAILQ_FOREACH(peer, &stage.peers, next)
		leaves(peer);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		pool_count(pool, stage.now_us, &numbers);
		ck_assert_int_eq(numbers.total, 0);
		ck_assert_int_eq(numbers.opening + numbers.moving, 0);
		ck_assert_int_eq(atomic_load(&pool->database_limit->count),
		    0);
		ck_assert_int_eq(atomic_load(&pool->user_limit->count), 0);
		for (int i = 0; i <= TALK_LOOPS; i++)
			deadline_clear(stage.loops[i], &pool->retry);
	}
}

void
talk_ends(void)
{
	struct peer	*peer;

	talk_dismiss_peers();
	talk_dismiss_pools();
	hubs_done();
	pools_done();
	backends_done();
	peers_done();
	config_replace(NULL);
	if (stage.listener >= 0)
		postgres_stops();
	rmdir(stage.directory);
	stage.is_split = false;
	while ((peer = TAILQ_FIRST(&stage.peers)) != NULL) {
		TAILQ_REMOVE(&stage.peers, peer, next);
		buf_done(&peer->in);
		free(peer);
	}
	words_forget();
	clock_set_us(-1);
}
