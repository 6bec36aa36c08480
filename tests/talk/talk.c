/*
 * The stage of the talk tests: loops that are turned by hand, the peers and
 * what they have heard; see talk.h.
 *
 * A client is one end of a socket pair whose other end is accepted by a loop.
 * PostgreSQL is a unix socket in a directory of the test's own.  All of that
 * is in this process, so that what one side has written can be read by the
 * other at once: when some rounds of all loops have moved no byte, nothing
 * will move any more.
 */

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
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
#include "net/resolve.h"
#include "ops/console.h"
#include "pool/backend.h"
#include "pool/pool.h"
#include "relay/relay.h"
#include "talk_private.h"
#include "wire/msg.h"
#include "worker.h"

/* The longest way without a byte is two letters and a task. */
#define QUIET_ROUNDS	8
#define START_US	(1000 * US_PER_SECOND)

static TAILQ_HEAD(, peer)	peers = TAILQ_HEAD_INITIALIZER(peers);
static struct {
	bool		 is_made;	/* once a process */
	struct loop	*loops[TALK_LOOPS + 1];
	char		 directory[64];
	struct addr	 addr;
	int		 listener;	/* -1: PostgreSQL is down */
	int64_t		 now_us;
	int		 clients, servers;
} stage;

/*
 * Turning.
 */

static struct peer *
peer_new(int fd, bool is_server)
{
	struct peer	*peer = mem_new(sizeof *peer);

	peer->fd = fd;
	peer->is_server = is_server;
	peer->is_started = !is_server;
	buf_init(&peer->in);
	snprintf(peer->name, sizeof peer->name, "%s %d",
	    is_server ? "server" : "client",
	    is_server ? ++stage.servers : ++stage.clients);
	if (is_server) {
		peer->pid = (uint32_t)stage.servers;
		peer->secret = 1000 + peer->pid;
	}
	TAILQ_INSERT_TAIL(&peers, peer, next);
	return peer;
}

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

static void
talk_turn(struct loop *loop)
{
	loop->now_us = 0;
	event_base_loop(loop->base, EVLOOP_NONBLOCK);
	loop_run_tasks(loop);
}

static bool
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
	TAILQ_FOREACH(peer, &peers, next)
		moved = peer_listen(peer) || moved;
	return moved;
}

static void
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

/*
 * Speaking and listening.
 */

static void __attribute__((noreturn, format(printf, 3, 4)))
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

/* A peer that was left alone does not hear any more. */
static void
peer_send(struct peer *peer, const uint8_t *at, size_t n)
{
	ssize_t	sent;

	while (n > 0) {
		sent = send(peer->fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent < 0)
			sent = 0;
		at += sent;
		n -= (size_t)sent;
		if (n > 0)
			(void)talk_round();
	}
}

size_t
talk_length(struct saying *const *sayings)
{
	size_t	sum = 0;

	for (; *sayings != NULL; sayings++)
		sum += buf_length(&(*sayings)->bytes);
	return sum;
}

static void
sayings_join(struct saying *const *sayings, struct buf *all)
{
	buf_init(all);
	for (; *sayings != NULL; sayings++)
		buf_add(all, buf_bytes(&(*sayings)->bytes),
		    buf_length(&(*sayings)->bytes));
}

/* In one piece, so that it is read in one piece. */
void
talk_says(struct peer *peer, size_t limit, struct saying *const *sayings)
{
	struct buf	all;
	size_t		n;

	sayings_join(sayings, &all);
	n = buf_length(&all) < limit ? buf_length(&all) : limit;
	peer_send(peer, buf_bytes(&all), n);
	buf_done(&all);
	talk_settle();
}

void
talk_says_while_only(int loop, struct peer *peer,
    struct saying *const *sayings)
{
	struct buf	all;

	sayings_join(sayings, &all);
	peer_send(peer, buf_bytes(&all), buf_length(&all));
	buf_done(&all);
	talk_turn(stage.loops[loop]);
}

void
talk_says_slowly(struct peer *peer, struct saying *const *sayings)
{
	struct buf	all;

	sayings_join(sayings, &all);
	for (size_t i = 0; i < buf_length(&all); i++) {
		peer_send(peer, buf_bytes(&all) + i, 1);
		talk_settle();
	}
	buf_done(&all);
}

void
talk_hears(const char *file, int line, struct peer *peer,
    struct saying *const *wanted)
{
	struct buf	heard, instead;

	if (!words_match(peer, wanted)) {
		buf_init(&heard);
		buf_init(&instead);
		words_print_heard(peer, &heard);
		words_print_wanted(wanted, &instead);
		talk_fails(file, line, "%s heard: %s\ninstead of: %s",
		    peer->name, (char *)buf_bytes(&heard),
		    (char *)buf_bytes(&instead));
	}
	ignores(peer);
}

struct buf *
talk_hears_body(const char *file, int line, struct peer *peer, char type)
{
	static struct buf	body;
	size_t			n = words_first(buf_bytes(&peer->in),
				    buf_length(&peer->in), true);

	if (n == 0 || buf_bytes(&peer->in)[0] != (uint8_t)type)
		talk_fails(file, line, "%s heard no message of type %c",
		    peer->name, type);
	buf_clear(&body);
	buf_add(&body, buf_bytes(&peer->in) + MSG_HEAD_BYTES,
	    n - MSG_HEAD_BYTES);
	buf_consume(&peer->in, n);
	return &body;
}

void
talk_answers(const char *file, int line, struct peer *server,
    struct peer *client, char status)
{
	struct saying	*answer[] = { complete("DONE"), ready(status), NULL };

	talk_says(server, SIZE_MAX, answer);
	talk_hears(file, line, client, answer);
}

void
talk_asks(const char *file, int line, struct peer *client,
    struct peer *server, const char *text, char status)
{
	struct saying	*asked[] = { query(text), NULL };

	talk_says(client, SIZE_MAX, asked);
	talk_hears(file, line, server, asked);
	talk_answers(file, line, server, client, status);
}

void
ignores(struct peer *peer)
{
	if (buf_length(&peer->in) > 0)
		peer->is_started = true;
	buf_clear(&peer->in);
	if (peer->is_over && peer->fd >= 0) {
		close(peer->fd);
		peer->fd = -1;
	}
}

void
leaves_unnoticed(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void
leaves(struct peer *peer)
{
	leaves_unnoticed(peer);
	talk_settle();
}

/*
 * Coming in.
 */

struct peer *
client_connects(int loop)
{
	struct peer	*peer;
	int		 fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	peer = peer_new(fds[0], false);
	client_count_add(stage.loops[loop]);
	client_accept(stage.loops[loop], fds[1]);
	talk_settle();
	return peer;
}

/* Everything up to ReadyForQuery; its cancel key is kept. */
static void
client_hears_greeting(struct peer *peer)
{
	uint8_t	*at = buf_bytes(&peer->in), *key = NULL;
	size_t	 left = buf_length(&peer->in), n = 0;
	char	 last = 0;

	for (; left > 0 && (n = words_first(at, left, true)) > 0;
	    at += n, left -= n) {
		last = (char)at[0];
		if (last == MSG_BACKEND_KEY)
			key = at + MSG_HEAD_BYTES;
	}
	ck_assert_msg(last == MSG_READY && left == 0 && key != NULL,
	    "%s is not let in", peer->name);
	for (int i = 0; i < 4; i++) {
		peer->pid = peer->pid << 8 | key[i];
		peer->secret = peer->secret << 8 | key[4 + i];
	}
	ignores(peer);
}

struct peer *
client_enters(int loop)
{
	struct peer	*peer = client_connects(loop);

	says(peer, startup("u", "d"));
	client_hears_greeting(peer);
	return peer;
}

/* Servers are looked at in the order in which they came. */
static struct peer *
talk_next_arrival(void)
{
	struct peer	*peer;

	TAILQ_FOREACH(peer, &peers, next)
		if (peer->is_server && !peer->is_started && peer->fd >= 0)
			return peer;
	return NULL;
}

struct peer *
talk_arrives(const char *file, int line)
{
	struct peer	*peer = talk_next_arrival();

	if (peer == NULL)
		talk_fails(file, line, "nobody came to PostgreSQL");
	return peer;
}

void
talk_nobody_arrives(const char *file, int line)
{
	if (talk_next_arrival() != NULL)
		talk_fails(file, line, "%s came to PostgreSQL",
		    talk_next_arrival()->name);
}

void
lets_in(struct peer *peer)
{
	says(peer, auth(MSG_AUTH_OK, ""),
	    parameter("server_version", "15.0"),
	    parameter("client_encoding", "UTF8"),
	    backend_key(peer->pid, peer->secret), ready('I'));
}

struct peer *
talk_server_enters(const char *file, int line)
{
	struct peer	*peer = talk_arrives(file, line);

	talk_hears(file, line, peer,
	    (struct saying *const[]){ startup("u", "d"), NULL });
	lets_in(peer);
	return peer;
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
	workers_make(TALK_LOOPS);
	stage.loops[0] = loop_new(0);
	for (int i = 1; i <= TALK_LOOPS; i++)
		stage.loops[i] = worker_loop(i);
	for (int i = 0; i <= TALK_LOOPS; i++)
		stage.loops[i]->thread = pthread_self();
	auth_query_init(stage.loops[0]);
	relay_init();
	console_init();
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
}

void
postgres_stops(void)
{
	close(stage.listener);
	unlink(stage.addr.u.local.sun_path);
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

static void
talk_configure(const char *database, const char *options)
{
	struct config_report	 report = { talk_on_fault, NULL };
	char			*file = mem_printf("%s/ini", stage.directory);
	char			*users = mem_printf("%s/users",
				    stage.directory);
	struct config		*config;

	talk_write(users, "\"u\" \"secret\"\n");
	talk_write(file, "[databases]\nd = host=%s port=1 %s\n[pgweir]\n"
	    "auth_type = trust\nauth_file = %s\n"
	    "client_tls_sslmode = disable\nserver_tls_sslmode = disable\n%s",
	    stage.directory, database, users, options);
	config = config_read(file, NULL, &report);
	ck_assert_ptr_nonnull(config);
	config_replace(config);
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
	postgres_starts();
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
	client_hears_greeting(herald);
	leaves(herald);
	return server;
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
	TAILQ_FOREACH(peer, &peers, next)
		if (buf_length(&peer->in) > 0 ||
		    (peer->is_over && peer->fd >= 0))
			talk_hears(__FILE__, __LINE__, peer,
			    (struct saying *const[]){ NULL });
	TAILQ_FOREACH(peer, &peers, next)
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
	TAILQ_FOREACH(peer, &peers, next)
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
	pools_done();
	backends_done();
	config_replace(NULL);
	if (stage.listener >= 0)
		postgres_stops();
	rmdir(stage.directory);
	while ((peer = TAILQ_FIRST(&peers)) != NULL) {
		TAILQ_REMOVE(&peers, peer, next);
		buf_done(&peer->in);
		free(peer);
	}
	words_forget();
	clock_set_us(-1);
}
