/*
 * pool/pool: many loops, small pools that share a limit; takes, gives,
 * discards, withdrawals and failures at random.  The real pool with servers
 * that never connect anywhere; run under the thread sanitizer too.
 */

#include <sys/socket.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "pool/backend.h"
#include "pool/pool.h"

#include "check_main.h"

enum { LOOPS = 4, RELAYS = 30, POOLS = 2, LIMIT = 6, SHARED = 8 };
#define ROUNDS	2000

struct thread {
	struct loop	*loop;
	pthread_t	 id;
	unsigned	 seed;
	int		 done;		/* rounds of all its relays */
	struct deadline	 tick;
};

struct relay {
	struct ticket	 ticket;
	struct thread	*thread;
	struct pool	*pool;
	struct server	*server;
	struct deadline	 rest;
	int		 rounds;
};

static struct thread	 threads[LOOPS];
static struct relay	 relays[LOOPS][RELAYS];
static struct pool	*pools[POOLS];
static atomic_int	 finished, in_use[POOLS], most[POOLS];

static void	relay_again(struct loop *, struct deadline *);

static void
relay_next(struct relay *relay)
{
	if (++relay->rounds < ROUNDS / RELAYS) {
		deadline_set(relay->thread->loop, &relay->rest,
		    1 + rand_r(&relay->thread->seed) % 200, relay_again);
		return;
	}
	atomic_fetch_add(&finished, 1);
}

/* What is left on a server for good, as custom settings are. */
static const char	nothing[] = "nothing", one[] = "one", other[] = "other";

static enum server_suits
suits(const struct server *server, const void *wish)
{
	if (server->mark == NULL || server->mark == nothing)
		return wish == nothing ? SUITS_WELL : SUITS_FAIRLY;
	return server->mark == wish ? SUITS_EXACTLY : SUITS_NOT;
}

static void
relay_use(struct relay *relay, struct server *server)
{
	int	pool = relay->pool == pools[1];
	int	now = atomic_fetch_add(&in_use[pool], 1) + 1;
	int	before = atomic_load(&most[pool]);

	ck_assert_int_eq(server->state, SERVER_LINKED);
	server->mark = relay->ticket.wish;
	while (now > before &&
	    !atomic_compare_exchange_weak(&most[pool], &before, now))
		continue;
	relay->server = server;
	server->user = relay;
	deadline_set(relay->thread->loop, &relay->rest,
	    1 + rand_r(&relay->thread->seed) % 100, relay_again);
}

/* What does not suit is closed, and it asks again from where it stood. */
static bool
relay_take(struct relay *relay, struct server *server)
{
	while (server != NULL &&
	    suits(server, relay->ticket.wish) == SUITS_NOT) {
		server_close(&server, REASON_SERVER_UNCLEAN, "unfit");
		relay->ticket.keeps_since = true;
		server = pool_take(relay->pool, &relay->ticket);
	}
	if (server != NULL)
		relay_use(relay, server);
	return server != NULL;
}

static void
relay_granted(struct ticket *ticket, struct server *server)
{
	relay_take(container_of(ticket, struct relay, ticket), server);
}

static void
relay_refused(struct ticket *ticket, const struct pool_error *error)
{
	(void)error;
	relay_next(container_of(ticket, struct relay, ticket));
}

/* A relay with a server gives it back or breaks it; else it wants one. */
static void
relay_again(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = container_of(deadline, struct relay, rest);
	struct server	*server = relay->server;
	unsigned	 chance = (unsigned)rand_r(&relay->thread->seed) % 20;

	(void)loop;
	if (server != NULL) {
		relay->server = NULL;
		atomic_fetch_sub(&in_use[relay->pool == pools[1]], 1);
		if (chance == 0)
			server_close(&server, REASON_SERVER_LOST, "at random");
		else
			pool_give(relay->pool, &server);
		relay_next(relay);
		return;
	}
	if (relay->ticket.state != TICKET_NONE) {
		/* It waited for a while: perhaps it gives up. */
		if (chance < 10 && pool_withdraw(relay->pool, &relay->ticket))
			relay_next(relay);
		return;
	}
	relay->ticket.keeps_since = false;
	if (!relay_take(relay, pool_take(relay->pool, &relay->ticket)) &&
	    chance < 5)
		deadline_set(relay->thread->loop, &relay->rest, 50,
		    relay_again);
}

static void
thread_on_tick(struct loop *loop, struct deadline *deadline)
{
	if (atomic_load(&finished) == LOOPS * RELAYS) {
		loop_stop(loop);
		return;
	}
	deadline_set(loop, deadline, 2000, thread_on_tick);
}

static void *
thread_run(void *arg)
{
	struct thread	*thread = arg;

	deadline_set(thread->loop, &thread->tick, 2000, thread_on_tick);
	for (int i = 0; i < RELAYS; i++)
		deadline_set(thread->loop,
		    &relays[thread - threads][i].rest, 1 + i, relay_again);
	loop_run(thread->loop);
	return NULL;
}

/* A PostgreSQL that lets everybody in: trust, ready. */
static void *
postgres_run(void *arg)
{
	static const char	 welcome[] = "R\0\0\0\10\0\0\0\0"
				    "K\0\0\0\14\0\0\0\1\0\0\0\2Z\0\0\0\5I";
	int			 listener = *(int *)arg, fd;
	char			 rubbish[512];

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (read(fd, rubbish, sizeof rubbish) > 0)
			(void)!write(fd, welcome, sizeof welcome - 1);
	return NULL;
}

static void
collect(void *arg, bool is_error, const char *sentence)
{
	(void)arg;
	ck_assert_msg(!is_error, "%s", sentence);
}

static void
configure(const char *dir)
{
	struct config_report	 report = { collect, NULL };
	char			*environment[] = {
		mem_printf("PGWEIR_DEFAULT_POOL_SIZE=%d", LIMIT),
		mem_printf("PGWEIR_MAX_DB_CONNECTIONS=%d", SHARED),
		mem_string("PGWEIR_SERVER_LOGIN_RETRY=1ms"),
		mem_string("PGWEIR_CLIENT_TLS_SSLMODE=disable"), NULL };
	struct config		*config;
	char			*file = mem_printf("%s/ini", dir);
	FILE			*to = fopen(file, "w");

	fprintf(to, "[databases]\nd = host=%s port=1\n", dir);
	fclose(to);
	config = config_read(file, environment, &report);
	ck_assert_ptr_nonnull(config);
	config_replace(config);
	unlink(file);
	free(file);
	for (char **at = environment; *at != NULL; at++)
		free(*at);
}

START_TEST(limits_hold_over_all_threads_and_nobody_is_forgotten)
{
	static const struct log_settings quiet = { .to_stderr = false,
		.lowest = LOG_LEVEL_FATAL };
	char		 dir[] = "check_pool_stress.XXXXXX", *full;
	struct addr	 addr;
	pthread_t	 postgres;
	int		 listener;
	struct pool_numbers numbers;
	struct config	*config;

	log_configure(&quiet);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	full = realpath(dir, NULL);
	ck_assert(addr_parse_unix(&addr, full, 1));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, &addr.u.any, addr.length), 0);
	ck_assert_int_eq(listen(listener, 100), 0);
	pthread_create(&postgres, NULL, postgres_run, &listener);

	for (int i = 0; i < LOOPS; i++) {
		threads[i].loop = loop_new(i);
		threads[i].seed = (unsigned)i + 1;
	}
	configure(full);
	server_hooks.suits = suits;
	pools_init(LOOPS);
	backends_init(threads[0].loop, resolver_new(threads[0].loop, NULL));
	config = config_current();
	pools[0] = pool_find(config, "d", "one");
	pools[1] = pool_find(config, "d", "two");
	config_release(config);
	for (int i = 0; i < LOOPS; i++)
		for (int j = 0; j < RELAYS; j++) {
			struct relay	*relay = &relays[i][j];

			relay->thread = &threads[i];
			relay->pool = pools[j % POOLS];
			relay->ticket.loop = threads[i].loop;
			relay->ticket.wish = j % 3 == 0 ? nothing :
			    j % 3 == 1 ? one : other;
			relay->ticket.granted = relay_granted;
			relay->ticket.refused = relay_refused;
		}
	for (int i = 0; i < LOOPS; i++)
		pthread_create(&threads[i].id, NULL, thread_run, &threads[i]);
	for (int i = 0; i < LOOPS; i++)
		pthread_join(threads[i].id, NULL);

	for (int i = 0; i < POOLS; i++) {
		ck_assert_int_le(atomic_load(&most[i]), LIMIT);
		ck_assert_int_gt(atomic_load(&most[i]), 0);
		pool_count(pools[i], clock_now_us(), &numbers);
		ck_assert_int_eq(numbers.waiting, 0);
		ck_assert_int_eq(numbers.linked, 0);
		ck_assert_int_le(numbers.total, LIMIT);
	}
	ck_assert_int_le(atomic_load(&pools[0]->database_limit->count),
	    SHARED);
	unlink(addr.u.local.sun_path);
	rmdir(dir);
	free(full);
}
END_TEST

CHECK_MAIN("pool_stress",
    limits_hold_over_all_threads_and_nobody_is_forgotten)
