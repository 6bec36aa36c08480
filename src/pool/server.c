/*
 * A server's life: opening, idling, cleaning, closing; see pool/server.h.
 *
 *	server_open()		-> CONNECTING, in the thread of its loop
 *	server_login.c		CONNECTING -> LOGIN -> LINKED
 *	server_enter_idle()	LINKED -> IDLE		(the pool decides)
 *	server_enter_linked()	IDLE, MOVING -> LINKED	(the pool decides)
 *	server_clean()		LINKED -> CLEANING -> LINKED -> pool_give()
 *	server_close()		any -> CLOSING -> freed by a task
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pool/backend.h"
#include "pool/cancel.h"
#include "pool/monitor.h"
#include "pool/pool.h"
#include "pool/server_login.h"
#include "wire/error_fields.h"
#include "wire/msg.h"
#include "wire/put.h"

#define CLEAN_TIMEOUT_US	(10 * US_PER_SECOND)
/* A message to an idle server is never longer. */
#define PARTIAL_BYTES_MAX	(64 * 1024)

enum { SERVER_LOOPS_MAX = 512 };

struct server_hooks		server_hooks;
static struct server_list	server_lists[SERVER_LOOPS_MAX];
static _Atomic uint64_t		server_last_id;

static void	server_on_idle_event(struct server *, enum stream_event);
static void	server_on_clean_event(struct server *, enum stream_event);
static void	server_on_idle_deadline(struct loop *, struct deadline *);

static const struct {
	const char	*name;		/* PgBouncer's word */
	uint8_t		 to;		/* bits: allowed successors */
} server_states[] = {
	[SERVER_CONNECTING] = { "new",
	    1 << SERVER_LOGIN | 1 << SERVER_CLOSING },
	[SERVER_LOGIN] = { "new",
	    1 << SERVER_LINKED | 1 << SERVER_CLOSING |
	    1 << SERVER_CONNECTING },
	[SERVER_IDLE] = { "idle",
	    1 << SERVER_LINKED | 1 << SERVER_MOVING },
	[SERVER_MOVING] = { "idle",
	    1 << SERVER_LINKED | 1 << SERVER_CLOSING },
	[SERVER_LINKED] = { "active",
	    1 << SERVER_IDLE | 1 << SERVER_MOVING | 1 << SERVER_CLEANING |
	    1 << SERVER_CLOSING },
	[SERVER_CLEANING] = { "tested",
	    1 << SERVER_LINKED | 1 << SERVER_CLOSING },
	[SERVER_CLOSING] = { "closing", 0 },
};

const char *
server_state_name(enum server_state state)
{
	return server_states[state].name;
}

static bool
server_is_sane(const struct server *server)
{
	switch (server->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return server->login != NULL && server->used_us == 0;
	case SERVER_IDLE:
		return server->login == NULL && server->cancels == 0 &&
		    server->user == NULL;
	case SERVER_MOVING:
		return server->login == NULL && server->user == NULL;
	case SERVER_LINKED:
	case SERVER_CLEANING:
		return server->login == NULL;
	case SERVER_CLOSING:
		return !stream_is_open(&server->stream);
	}
	return false;
}

void
server_set_state(struct server *server, enum server_state state)
{
	assert(server_states[server->state].to & 1 << state);
	server->state = state;
	assert(server_is_sane(server));
}

struct server_list *
server_list_of(const struct loop *loop)
{
	struct server_list	*list = &server_lists[loop->index];

	assert(loop->index < SERVER_LOOPS_MAX);
	if (list->tqh_last == NULL)
		TAILQ_INIT(list);
	return list;
}

void
server_who(const struct server *server, struct log_who *who)
{
	memset(who, 0, sizeof *who);
	who->kind = "server";
	who->id = server->id;
	who->database = server->pool->database;
	who->user = server->pool->user;
	who->address = server->pool->backend->name;
}

/* The stream knows the server only; on_event is whoever has it now. */
void
server_on_stream(struct stream *stream, enum stream_event event)
{
	struct server	*server = container_of(stream, struct server,
			    stream);

	server->on_event(server, event);
}

/*
 * Opening and closing.
 */

static void
server_on_open(struct loop *loop, struct letter *letter)
{
	struct server	*server = container_of(letter, struct server,
			    letter);

	server->loop = loop;
	TAILQ_INSERT_TAIL(server_list_of(loop), server, all);
	server_login_start(server);
}

static struct server *
server_new(struct pool *pool, struct loop *loop)
{
	struct server	*server = mem_new(sizeof *server);

	server->pool = pool;
	server->loop = loop;
	server->id = atomic_fetch_add(&server_last_id, 1) + 1;
	server->stream.fd = -1;
	server->generation = atomic_load(&pool->generation);
	server->state = SERVER_CONNECTING;
	buf_init(&server->partial);
	server->letter.read = server_on_open;
	return server;
}

void
server_open(struct pool *pool, struct loop *loop, bool is_reserve)
{
	struct server	*server = server_new(pool, loop);

	server->is_reserve = is_reserve;
	loop_post(loop, &server->letter);
}

void
server_open_kept(struct pool *pool, struct loop *loop,
    struct pool_keeper *keeper)
{
	struct server	*server = server_new(pool, loop);

	server->keeper = keeper;
	loop_post(loop, &server->letter);
}

static void
server_on_free(struct loop *loop, struct task *task)
{
	(void)loop;
	free(container_of(task, struct server, task));
}

static void
server_log_close(const struct server *server, enum reason reason,
    const char *detail)
{
	struct log_who	who;

	server_who(server, &who);
	if (reason == REASON_SERVER_IDLE || reason == REASON_SERVER_OLD ||
	    reason == REASON_SERVER_EVICTED || server->used_us == 0)
		log_debug(&who, "closed: %s%s%s", reason_label(reason),
		    detail != NULL ? ": " : "",
		    detail != NULL ? detail : "");
	else
		log_info(&who, "closed: %s%s%s", reason_label(reason),
		    detail != NULL ? ": " : "",
		    detail != NULL ? detail : "");
}

void
server_close(struct server **closed, enum reason reason, const char *detail)
{
	struct server	*server = *closed;
	struct buf	 goodbye;

	*closed = NULL;
	server_log_close(server, reason, detail);
	atomic_fetch_add(&reason_servers_closed[reason], 1);
	if (stream_is_open(&server->stream) && server->login == NULL &&
	    !server->stream.broken) {
		buf_init(&goodbye);
		put_terminate(&goodbye);
		stream_write(&server->stream, buf_bytes(&goodbye),
		    buf_length(&goodbye));
		buf_done(&goodbye);
	}
	stream_close(&server->stream);
	deadline_clear(server->loop, &server->deadline);
	server_login_free(server);
	cancel_forget(server);
	if (server_hooks.session_free != NULL)
		server_hooks.session_free(server);
	buf_done(&server->partial);
	free(server->key);
	TAILQ_REMOVE(server_list_of(server->loop), server, all);
	server_set_state(server, SERVER_CLOSING);
	server->task.run = server_on_free;
	loop_defer(server->loop, &server->task);
	if (server->keeper != NULL)
		pool_release_kept(server->pool);
	else
		pool_release_place(server->pool, server->loop,
		    server->is_reserve, server->used_us == 0);
}

void
server_fail(struct server **failed, const struct pool_error *error,
    bool is_lasting)
{
	struct server		*server = *failed;
	struct pool_keeper	*keeper = server->keeper;
	struct log_who		 who;

	server_who(server, &who);
	log_warning(&who, "cannot be opened: %s (%s)%s%s", error->text,
	    error->sqlstate, error->hint[0] != '\0' ? "; " : "",
	    error->hint);
	if (server->pool->set != NULL)
		monitor_look(server->pool->backend);
	if (keeper == NULL)
		pool_failed(server->pool, server->loop, error, is_lasting);
	server_close(failed, error->reason, error->text);
	if (keeper != NULL)
		keeper->failed(keeper, error);
}

/*
 * Between loops.
 */

void
server_leave_loop(struct server *server)
{
	deadline_clear(server->loop, &server->deadline);
	TAILQ_REMOVE(server_list_of(server->loop), server, all);
	stream_leave(&server->stream);
	server->loop = NULL;
}

void
server_join_loop(struct server *server, struct loop *loop)
{
	server->loop = loop;
	TAILQ_INSERT_TAIL(server_list_of(loop), server, all);
	stream_join(&server->stream, loop);
}

/*
 * Idle: nothing is asked, but PostgreSQL may speak.
 */

void
server_enter_idle(struct server *server)
{
	const struct pool_settings *settings =
	    &pool_profile(server->pool)->settings;

	server->on_event = server_on_idle_event;
	server_set_state(server, SERVER_IDLE);
	deadline_set(server->loop, &server->deadline,
	    settings->server_idle_timeout_us > 0 ?
	    settings->server_idle_timeout_us : settings->server_lifetime_us,
	    server_on_idle_deadline);
}

void
server_enter_linked(struct server *server)
{
	deadline_clear(server->loop, &server->deadline);
	server_set_state(server, SERVER_LINKED);
}

void
server_enter_awaiting_cancel(struct server *server)
{
	server->user = NULL;
	server->awaits_cancel = true;
	server->on_event = server_on_idle_event;
	server_set_state(server, SERVER_CLEANING);
}

/* Out of the pool and closed; if another thread has claimed it, its letter
 * finds it stale. */
static void
server_leave_idle(struct server *server, enum reason reason,
    const char *detail)
{
	if (server->state == SERVER_CLEANING)
		server_close(&server, reason, detail);
	else if (pool_claim(server->pool, server))
		server_close(&server, reason, detail);
	else
		server->is_stale = true;
}

static void
server_on_idle_deadline(struct loop *loop, struct deadline *deadline)
{
	struct server	*server = container_of(deadline, struct server,
			    deadline);
	struct pool	*pool = server->pool;
	struct pool_numbers numbers;

	pool_count(pool, loop_now_us(loop), &numbers);
	if (numbers.total > pool_profile(pool)->settings.min_pool_size)
		server_leave_idle(server, REASON_SERVER_IDLE, NULL);
	else if (server->state == SERVER_IDLE)
		deadline_set(loop, &server->deadline,
		    pool_profile(pool)->settings.server_idle_timeout_us,
		    server_on_idle_deadline);
}

/*
 * What comes while nobody is linked.  Returns false when the connection is of
 * no use any more; each() says so of a message.
 */
static bool
server_read_messages(struct server *server,
    bool (*each)(struct server *, uint8_t, const uint8_t *, size_t))
{
	struct buf	*partial = &server->partial;
	struct msg_head	 head;
	enum msg_result	 result;
	size_t		 total;
	ssize_t		 n;
	bool		 good = true;

	n = stream_read(&server->stream, buf_reserve(partial, 4096), 4096);
	if (n == STREAM_AGAIN)
		return true;
	if (n <= 0)
		return false;
	buf_commit(partial, (size_t)n);
	while (good && (result = msg_peek(buf_bytes(partial),
	    buf_length(partial), &head)) == MSG_OK) {
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (total > PARTIAL_BYTES_MAX)
			return false;
		if (buf_length(partial) < total)
			break;
		good = each(server, buf_bytes(partial)[0],
		    buf_bytes(partial) + MSG_HEAD_BYTES, head.length);
		if (server->state == SERVER_CLOSING)
			return true;
		buf_consume(partial, total);
	}
	if (buf_length(partial) == 0)
		buf_done(partial);
	else if (msg_peek(buf_bytes(partial), buf_length(partial), &head) ==
	    MSG_BAD)
		good = false;
	return good;
}

static bool
server_take_idle_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t n)
{
	struct error_fields	fields;
	struct log_who		who;

	if (type == MSG_ERROR) {
		error_fields_parse(body, n, &fields);
		server_who(server, &who);
		log_info(&who, "said while idle: %s (%s)", fields.message,
		    fields.sqlstate);
		return false;
	}
	/* A notification: somebody's LISTEN was left on it. */
	return type == MSG_NOTICE || type == MSG_PARAMETER_STATUS;
}

static void
server_on_idle_event(struct server *server, enum stream_event event)
{
	if (event == STREAM_DRAINED)
		return;
	if (event == STREAM_READABLE &&
	    server_read_messages(server, server_take_idle_message))
		return;
	server_leave_idle(server, REASON_SERVER_LOST,
	    "it was closed, or spoke, while idle");
}

/*
 * Cleaning.
 */

static void
server_on_clean_deadline(struct loop *loop, struct deadline *deadline)
{
	struct server	*server = container_of(deadline, struct server,
			    deadline);

	(void)loop;
	server_close(&server, REASON_SERVER_UNCLEAN,
	    "it did not answer a reset");
}

/* The status of ReadyForQuery ends it; an error is the end of the server. */
static bool
server_take_clean_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t n)
{
	if (type == MSG_READY) {
		server->transaction_status = n == 1 ? (char)body[0] : '?';
		return server->transaction_status == STATUS_IDLE;
	}
	return type != MSG_ERROR;
}

static void
server_on_clean_event(struct server *server, enum stream_event event)
{
	struct pool	*pool = server->pool;
	bool		 good;

	if (event == STREAM_DRAINED)
		return;
	server->transaction_status = '?';
	good = event == STREAM_READABLE &&
	    server_read_messages(server, server_take_clean_message);
	if (!good) {
		server_close(&server, REASON_SERVER_UNCLEAN,
		    "a reset failed");
		return;
	}
	if (server->transaction_status != STATUS_IDLE)
		return;
	deadline_clear(server->loop, &server->deadline);
	if (server->is_resetting && server_hooks.session_reset != NULL)
		server_hooks.session_reset(server);
	server_set_state(server, SERVER_LINKED);
	pool_give(pool, &server);
}

void
server_clean(struct server **cleaned, const char *query, bool is_reset)
{
	struct server	*server = *cleaned;
	struct buf	 message;

	*cleaned = NULL;
	assert(server->state == SERVER_LINKED);
	server->user = NULL;
	server->is_resetting = is_reset;
	server->on_event = server_on_clean_event;
	server_set_state(server, SERVER_CLEANING);
	deadline_set(server->loop, &server->deadline, CLEAN_TIMEOUT_US,
	    server_on_clean_deadline);
	buf_init(&message);
	put_query(&message, query);
	stream_write(&server->stream, buf_bytes(&message),
	    buf_length(&message));
	buf_done(&message);
}
