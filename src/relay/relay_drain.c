/*
 * A server whose client went away in the middle of something is brought back
 * in step, reset, and given to its pool instead of being thrown away.
 *
 *	CLEANING, a cancel is on its way	answers are dropped
 *	CLEANING, asked	  what may still be open is ended (CopyFail, Sync,
 *			  ROLLBACK); then a row is asked for that nobody
 *			  else can have asked for, since how many answers
 *			  are still to come need not be known.  A batch that
 *			  had no Sync is rolled back inside, since our Sync
 *			  would commit it
 *	the row has come, and the server is ready	server_clean()
 *
 * The cancel is waited for, so that it hits the client's statement and not
 * ours.  It hits nothing if PostgreSQL has not begun the statement yet: so it
 * is sent again after a while, and what we ask is asked again behind it.  The
 * session is as good as unknown: the reset is DISCARD ALL.  In the thread of
 * the server's loop.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pool/cancel.h"
#include "pool/pool.h"
#include "relay/relay_drain.h"
#include "relay/relay_finish.h"
#include "relay/relay_private.h"
#include "wire/put.h"

#define DRAIN_TIMEOUT_US	(10 * US_PER_SECOND)
#define CANCEL_AGAIN_US		(US_PER_SECOND / 2)
/* Of a message that was cut off, what is made up at most. */
#define FILL_BYTES_MAX		(1024 * 1024)
/* A longer row is not ours. */
enum { DRAIN_ROW_BYTES = 64 };

static void
drain_on_timeout(struct loop *loop, struct deadline *deadline)
{
	struct server	*server = container_of(deadline, struct server,
			    deadline);

	if (loop_now_us(loop) - server->session->drained_us >=
	    DRAIN_TIMEOUT_US) {
		server_close(&server, REASON_SERVER_UNCLEAN, "its client left "
		    "in the middle of a statement, which did not end when it "
		    "was cancelled");
		return;
	}
	deadline_set(loop, deadline, CANCEL_AGAIN_US, drain_on_timeout);
	if (!server->session->is_cancelled || server->cancels > 0)
		return;
	server->session->is_asked = server->session->is_marked = false;
	cancel_server(server, NULL, NULL);
}

static void
drain_put_rollback(struct buf *messages)
{
	put_parse(messages, "", "ROLLBACK", NULL, 0);
	put_bind(messages, "", "", NULL, 0);
	put_execute(messages, "", 0);
}

/* The client's unfinished business ends here, whatever it was. */
static void
drain_ask(struct server *server)
{
	struct server_session	*session = server->session;
	struct buf		 messages;
	char			 text[48];
	size_t			 mark;

	session->is_asked = true;
	if (RAND_bytes((unsigned char *)&session->marker,
	    sizeof session->marker) != 1)
		abort();
	buf_init(&messages);
	mark = put_begin(&messages, MSG_COPY_FAIL);
	put_string(&messages, "the client is gone");
	put_end(&messages, mark);
	if (session->is_in_batch)
		drain_put_rollback(&messages);
	put_sync(&messages);
	put_query(&messages, "ROLLBACK");
	snprintf(text, sizeof text, "SELECT 'pgweir %016llx'",
	    (unsigned long long)session->marker);
	put_query(&messages, text);
	stream_write(&server->stream, buf_bytes(&messages),
	    buf_length(&messages));
	buf_done(&messages);
}

static bool
drain_is_marker(const struct server_session *session, const uint8_t *body,
    size_t n)
{
	char	marker[32];
	int	length;

	length = snprintf(marker, sizeof marker, "pgweir %016llx",
	    (unsigned long long)session->marker);
	return session->is_asked && n == 6 + (size_t)length &&
	    memcmp(body + 6, marker, (size_t)length) == 0;
}

/* Use one message; 0: more of it is needed. */
static size_t
drain_read_message(struct server *server, const uint8_t *at, size_t left)
{
	struct server_session	*session = server->session;
	struct msg_head		 head;
	size_t			 total, here;

	if (msg_peek(at, left, &head) != MSG_OK)
		return 0;
	total = MSG_HEAD_BYTES + (size_t)head.length;
	here = left < total ? left : total;
	if (here < total && total <= MSG_HEAD_BYTES + DRAIN_ROW_BYTES)
		return 0;
	if (at[0] == MSG_DATA_ROW && here == total &&
	    drain_is_marker(session, at + MSG_HEAD_BYTES, head.length))
		session->is_marked = true;
	else if (at[0] == MSG_READY && here == total && head.length == 1) {
		server->transaction_status = (char)at[MSG_HEAD_BYTES];
		session->is_drained = session->is_marked;
	}
	session->skip = (uint32_t)(total - here);
	return here;
}

static size_t
drain_read_messages(struct server *server, const uint8_t *data, size_t n)
{
	struct server_session	*session = server->session;
	size_t			 at = 0, used;

	while (at < n && !session->is_drained) {
		if (session->skip > 0) {
			used = session->skip < n - at ? session->skip :
			    n - at;
			session->skip -= (uint32_t)used;
		} else if ((used = drain_read_message(server, data + at,
		    n - at)) == 0)
			break;
		at += used;
	}
	return at;
}

static void
drain_done(struct server *server)
{
	struct server_session	*session = server->session;
	const char		*query = pool_profile(server->pool)
				    ->reset_query;

	session->is_asked = session->is_marked = session->is_drained = false;
	deadline_clear(server->loop, &server->deadline);
	server_set_state(server, SERVER_LINKED);
	if (pool_profile(server->pool)->settings.mode != POOL_MODE_SESSION ||
	    query[0] == '\0')
		query = "DISCARD ALL";
	relay_reset_server(server, query);
}

static void
drain_read(struct server *server)
{
	struct server_session	*session = server->session;
	uint8_t			*buffer = server->loop->buffer;
	ssize_t			 n = session_read(server, buffer);
	struct msg_head		 head;
	size_t			 all, used;

	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		server_close(&server, REASON_SERVER_LOST,
		    "it closed the connection");
		return;
	}
	all = (size_t)n;
	used = drain_read_messages(server, buffer, all);
	if (used < all && msg_peek(buffer + used, all - used, &head) ==
	    MSG_BAD) {
		server_close(&server, REASON_SERVER_RUBBISH,
		    "a message of impossible length");
		return;
	}
	session_hold_back(session, buffer + used, all - used);
	if (session->is_drained && used == all)
		drain_done(server);
	else if (session->is_drained)
		server_close(&server, REASON_SERVER_RUBBISH,
		    "it said more than it was asked");
}

static void
drain_on_event(struct server *server, enum stream_event event)
{
	switch (event) {
	case STREAM_READABLE:
		drain_read(server);
		break;
	case STREAM_FAILED:
		server_close(&server, REASON_SERVER_LOST,
		    stream_error(&server->stream));
		break;
	case STREAM_DRAINED:
		/* Perhaps because the last cancel is over. */
		if (server->cancels == 0 && !server->session->is_asked)
			drain_ask(server);
		break;
	default:
		break;
	}
}

/*
 * No zero byte is in what is made up, so that no text ends in it: PostgreSQL
 * refuses such a Query or Parse; a Bind runs nothing, and the copy fails.
 */
bool
relay_fill(struct server *server, uint8_t type, size_t missing)
{
	uint8_t	filler[4096];
	size_t	n;

	if (missing > FILL_BYTES_MAX || type == 0 ||
	    strchr("QPBdf", type) == NULL)
		return false;
	memset(filler, 0xff, sizeof filler);
	for (; missing > 0; missing -= n) {
		n = missing < sizeof filler ? missing : sizeof filler;
		if (!stream_write(&server->stream, filler, n))
			return false;
	}
	return true;
}

void
relay_drain(struct server *server, bool is_running, bool is_in_batch)
{
	struct server_session	*session = server->session;

	assert(server->state == SERVER_LINKED);
	server->user = NULL;
	server->on_event = drain_on_event;
	server_set_state(server, SERVER_CLEANING);
	session_forget_talk(session);
	session->is_in_batch = is_in_batch;
	session->is_cancelled = is_running;
	session->drained_us = loop_now_us(server->loop);
	deadline_set(server->loop, &server->deadline, CANCEL_AGAIN_US,
	    drain_on_timeout);
	stream_set_reading(&server->stream, true);
	if (is_running)
		cancel_server(server, NULL, NULL);
	if (server->cancels == 0)
		drain_ask(server);
}
