/*
 * The bytes of a replication connection; see relay/replication.h.
 *
 * Nothing is changed and nothing is kept: what is read goes to the other side
 * in the same callback.  Of each message only type and length are looked at.
 * They say when the client can be told something of ours: between two
 * messages, while nothing it has asked for is being answered; or in the middle
 * of a stream, which has no end of its own.
 */

#include "pool/server.h"
#include "relay/relay_private.h"
#include "relay/replication.h"

/*
 * Bytes up to the end of a message, or of what is here; 0: what comes is no
 * message.  *type is set when a head is whole, else 0.
 */
static size_t
walk_step(struct replication_walk *walk, const uint8_t *at, size_t n,
    uint8_t *type)
{
	struct msg_head	head;
	size_t		used = 0, body;

	*type = 0;
	if (walk->left == 0) {
		while (walk->have < MSG_HEAD_BYTES && used < n)
			walk->head[walk->have++] = at[used++];
		switch (msg_peek(walk->head, walk->have, &head)) {
		case MSG_SHORT:
			return used;
		case MSG_BAD:
			return 0;
		case MSG_OK:
			break;
		}
		*type = head.type;
		walk->left = head.length;
		walk->have = 0;
	}
	body = n - used < walk->left ? n - used : walk->left;
	walk->left -= (uint32_t)body;
	return used + body;
}

static bool
walk_is_between(const struct replication_walk *walk)
{
	return walk->have == 0 && walk->left == 0;
}

bool
replication_is_at_rest(const struct replication *replication)
{
	return walk_is_between(&replication->from_server) &&
	    (replication->asked == 0 || replication->is_streaming);
}

bool
replication_may_speak(const struct client *client)
{
	const struct replication	*replication = client->served;

	return walk_is_between(&replication->from_server);
}

void
replication_pace(struct replication *replication)
{
	struct client	*client = replication->client;
	struct server	*server = replication->server;

	if (server == NULL) {
		stream_set_reading(&client->stream,
		    buf_length(&replication->held) < RELAY_HELD_BYTES);
		return;
	}
	stream_set_reading(&client->stream,
	    stream_unsent(&server->stream) <= RELAY_HIGH_BYTES);
	stream_set_reading(&server->stream,
	    stream_unsent(&client->stream) <= RELAY_HIGH_BYTES);
}

/*
 * What the client says.
 */

static void
replication_note_request(struct replication *replication, uint8_t type)
{
	struct client	*client = replication->client;

	switch (type) {
	case MSG_QUERY:
	case MSG_SYNC:
	case MSG_FUNCTION_CALL:
		replication->asked++;
		client->requested_us = loop_now_us(client->loop);
		COUNT(client->pool->lanes[client->loop->index].counters
		    .query_count, 1);
		break;
	case MSG_TERMINATE:
		replication->has_left = true;
		break;
	default:
		break;
	}
}

/* False: the client was closed. */
static bool
replication_say(struct replication *replication, const uint8_t *bytes,
    size_t n)
{
	size_t	used = 0, step;
	uint8_t	type;

	while (used < n) {
		step = walk_step(&replication->from_client, bytes + used,
		    n - used, &type);
		if (step == 0) {
			client_fail(replication->client, REASON_BAD_MESSAGE,
			    "a message of type 0x%02x has an impossible "
			    "length", replication->from_client.head[0]);
			return false;
		}
		replication_note_request(replication, type);
		used += step;
	}
	stream_write(&replication->server->stream, bytes, n);
	return true;
}

void
replication_go_on(struct replication *replication)
{
	struct buf	*held = &replication->held;

	if (buf_length(held) > 0 && !replication_say(replication,
	    buf_bytes(held), buf_length(held)))
		return;
	buf_done(held);
	replication_pace(replication);
}

void
replication_read_client(struct replication *replication)
{
	struct client	*client = replication->client;
	uint8_t		*buffer = client->loop->buffer;
	ssize_t		 n;

	n = stream_read(&client->stream, buffer, LOOP_BUFFER_BYTES);
	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		client_close(client, replication->has_left ?
		    REASON_CLIENT_LEFT : REASON_CLIENT_LOST, n == STREAM_EOF ?
		    "it closed the connection" :
		    stream_error(&client->stream));
		return;
	}
	COUNT(client->pool->lanes[client->loop->index].counters.received, n);
	if (replication->state == REPLICATION_PASSING) {
		if (!replication_say(replication, buffer, (size_t)n))
			return;
	} else if (replication->state != REPLICATION_ENDING)
		buf_add(&replication->held, buffer, (size_t)n);
	replication_pace(replication);
}

/*
 * What the server says.
 */

static void
replication_note_answer(struct replication *replication, uint8_t type)
{
	if (type == 0)
		return;
	replication->last = type;
	switch (type) {
	case MSG_COPY_BOTH:
		replication->is_streaming = true;
		break;
	case MSG_READY:
		if (replication->asked > 0)
			replication->asked--;
		/* FALLTHROUGH */
	case MSG_COMMAND_COMPLETE:
	case MSG_ERROR:
		replication->is_streaming = false;
		break;
	default:
		break;
	}
}

/* How much may be passed on: to where the client can be told to go. */
static size_t
replication_measure(struct replication *replication, const uint8_t *bytes,
    size_t n, bool *is_rubbish)
{
	size_t	used = 0, step;
	uint8_t	type;

	while (used < n && !(replication->text != NULL && used > 0 &&
	    replication_is_at_rest(replication))) {
		step = walk_step(&replication->from_server, bytes + used,
		    n - used, &type);
		if (step == 0) {
			*is_rubbish = true;
			break;
		}
		replication_note_answer(replication, type);
		used += step;
	}
	return used;
}

/* After an error or a goodbye nothing has to be explained. */
static void
replication_lose(struct replication *replication, const char *why)
{
	bool	is_plain = replication->has_left ||
		    replication->last == MSG_ERROR;

	replication_end(replication, REASON_SERVER_LOST,
	    is_plain ? NULL : why);
}

static void
replication_read_server(struct replication *replication)
{
	struct client	*client = replication->client;
	uint8_t		*buffer = client->loop->buffer;
	bool		 is_rubbish = false;
	size_t		 used;
	ssize_t		 n;

	n = stream_read(&replication->server->stream, buffer,
	    LOOP_BUFFER_BYTES);
	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		replication_lose(replication, n == STREAM_EOF ?
		    "the server closed the connection" :
		    stream_error(&replication->server->stream));
		return;
	}
	used = replication_measure(replication, buffer, (size_t)n,
	    &is_rubbish);
	COUNT(client->pool->lanes[client->loop->index].counters.sent, used);
	stream_write(&client->stream, buffer, used);
	if (is_rubbish)
		replication_end(replication, REASON_SERVER_RUBBISH,
		    "the server sent a message that was not expected");
	else if (replication->text != NULL &&
	    replication_is_at_rest(replication))
		replication_end(replication, replication->reason,
		    replication->text);
	else
		replication_pace(replication);
}

void
replication_on_server_event(struct server *server, enum stream_event event)
{
	struct replication	*replication = server->user;

	switch (event) {
	case STREAM_DRAINED:
		replication_pace(replication);
		break;
	case STREAM_READABLE:
		replication_read_server(replication);
		break;
	default:
		replication_lose(replication, stream_error(&server->stream));
		break;
	}
}
