/*
 * The bytes of a server, taken apart.
 *
 * Rows and copy data are passed on as runs without a look; a message that is
 * larger than the buffer streams through, but for a long setting that is read
 * back; all others go by the table of relay_server.c.  The transaction is over
 * at ReadyForQuery 'I' with nothing expected; that is acted upon after all
 * bytes were used, in relay_finish().
 */

#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_finish.h"
#include "relay/relay_greet.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_read.h"
#include "relay/relay_server.h"
#include "relay/relay_service.h"

/* A setting that is longer keeps its client on its server. */
enum { SETTING_ROW_BYTES = 1024 * 1024 };

/* The end of the run of whole rows that begins here. */
static const uint8_t *
relay_rows_end(const uint8_t *at, const uint8_t *end)
{
	struct msg_head	head;

	while (msg_peek(at, (size_t)(end - at), &head) == MSG_OK &&
	    at[0] == MSG_DATA_ROW &&
	    (size_t)(end - at) >= MSG_HEAD_BYTES + (size_t)head.length)
		at += MSG_HEAD_BYTES + (size_t)head.length;
	return at;
}

/*
 * A server that does not speak the protocol is not spoken to again.  What it
 * said before is good, and may be what the client waits for.
 */
static void
relay_on_rubbish(struct relay *relay, struct relay_io *io, uint8_t type,
    bool is_long)
{
	relay_io_send(io, relay);
	relay_lose_server(relay, REASON_SERVER_RUBBISH, is_long ?
	    "the server sent a message that is longer than max_packet_size" :
	    "the server sent a message that was not expected", type);
}

/* It is handled when all of it is here. */
static bool
relay_waits_for_rest(const struct answer *answer, size_t total)
{
	return total <= LOOP_BUFFER_BYTES && (answers[answer->type].is_whole ||
	    (answer->head != NULL &&
	    (answer->head->purpose != PURPOSE_NONE ||
	    answer->head->statement != NULL)));
}

static bool
relay_collects_row(const struct answer *answer, size_t total)
{
	return answer->type == MSG_DATA_ROW && answer->head != NULL &&
	    (answer->head->purpose == PURPOSE_READ_BACK ||
	    answer->head->purpose == PURPOSE_RESTORE) &&
	    total <= SETTING_ROW_BYTES;
}

/* Use one message; 0: more bytes are needed, or the relay is done with. */
static size_t
relay_read_answer(struct relay *relay, struct relay_io *io,
    const uint8_t *at, size_t left)
{
	struct server_session	*session = relay->server->session;
	struct msg_head		 msg;
	struct answer		 answer;
	enum answer_fate	 fate;
	size_t			 total, here;

	switch (msg_peek(at, left, &msg)) {
	case MSG_SHORT:
		return 0;
	case MSG_BAD:
		relay_on_rubbish(relay, io, at[0],
		    msg.length <= MSG_BODY_BYTES_MAX);
		return 0;
	case MSG_OK:
		break;
	}
	total = MSG_HEAD_BYTES + (size_t)msg.length;
	here = left < total ? left : total;
	answer.type = at[0];
	answer.body = at + MSG_HEAD_BYTES;
	answer.length = here - MSG_HEAD_BYTES;
	answer.head = expected_head(&session->expected);
	if (here < total) {
		if (relay_waits_for_rest(&answer, total))
			return 0;
		if (relay_collects_row(&answer, total)) {
			if (answer.length == 0)
				return 0;
			buf_add(&session->row, answer.body, answer.length);
			session->skip = (uint32_t)(total - here);
			session->skip_passes = false;
			return here;
		}
	}
	fate = answers[at[0]].handle == NULL ? ANSWER_WRONG :
	    answers[at[0]].handle(relay, io, &answer);
	if (relay->state == RELAY_CLOSED)
		return 0;
	if (fate >= ANSWER_WRONG) {
		if (fate == ANSWER_WRONG)
			relay_on_rubbish(relay, io, at[0], false);
		else
			relay_begin_refused(relay, io);
		return 0;
	}
	if (fate == ANSWER_PASS)
		parcel_run(&io->to_client, at, here);
	session->skip = (uint32_t)(total - here);
	session->skip_passes = fate == ANSWER_PASS;
	relay_answer_due(relay, io);
	return here;
}

/* More of a row that is collected. */
static void
relay_read_row(struct relay *relay, struct relay_io *io, const uint8_t *at,
    size_t n)
{
	struct server_session	*session = relay->server->session;
	struct answer		 answer = { .type = MSG_DATA_ROW };

	buf_add(&session->row, at, n);
	if (session->skip > 0)
		return;
	answer.body = buf_bytes(&session->row);
	answer.length = buf_length(&session->row);
	answer.head = expected_head(&session->expected);
	answers[MSG_DATA_ROW].handle(relay, io, &answer);
	buf_done(&session->row);
}

static size_t
relay_read_rest(struct relay *relay, struct relay_io *io, const uint8_t *at,
    size_t n)
{
	struct server_session	*session = relay->server->session;

	if (n > session->skip)
		n = session->skip;
	if (session->skip_passes)
		parcel_run(&io->to_client, at, n);
	session->skip -= (uint32_t)n;
	if (buf_length(&session->row) > 0)
		relay_read_row(relay, io, at, n);
	return n;
}

static size_t
relay_read_answers(struct relay *relay, struct relay_io *io,
    const uint8_t *data, size_t n)
{
	const uint8_t		*at = data, *end = data + n, *rows;
	const struct expectation *head;
	size_t			 used;

	while (at < end) {
		if (relay->server->session->skip > 0) {
			at += relay_read_rest(relay, io, at,
			    (size_t)(end - at));
			continue;
		}
		head = expected_head(&relay->server->session->expected);
		if (at[0] == MSG_DATA_ROW && head != NULL &&
		    head->fate == FATE_PASS) {
			rows = relay_rows_end(at, end);
			parcel_run(&io->to_client, at, (size_t)(rows - at));
			if (rows != at) {
				at = rows;
				continue;
			}
		}
		used = relay_read_answer(relay, io, at, (size_t)(end - at));
		if (used == 0 || relay->server == NULL)
			break;
		at += used;
	}
	return (size_t)(at - data);
}

/* After all bytes were used: what comes next. */
static void
relay_after_answers(struct relay *relay)
{
	enum relay_state	before = relay->state;

	if (before == RELAY_GREETING) {
		if (!relay_has_expected(relay))
			relay_greet_done(relay,
			    relay->server->session->has_failed);
		return;
	}
	if (relay->is_holding && !relay_has_expected(relay)) {
		relay_hold_over(relay);
		return;
	}
	if (relay->input.is_pausing && !relay_has_expected(relay)) {
		relay->input.is_pausing = false;
		relay_finish(relay);
		if (relay->state != RELAY_CLOSED && !relay->is_holding)
			relay_go_on(relay);
		return;
	}
	relay_finish(relay);
}

void
relay_read_server(struct relay *relay)
{
	struct server		*server = relay->server;
	struct server_session	*session = server->session;
	uint8_t			*buffer = relay->client->loop->buffer;
	ssize_t			 n = session_read(server, buffer);
	struct relay_io		 io;
	size_t			 used;

	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		relay_lose_server(relay, REASON_SERVER_LOST, n == STREAM_EOF ?
		    "the server closed the connection" :
		    stream_error(&server->stream), 0);
		return;
	}
	relay_io_init(&io, relay);
	used = relay_read_answers(relay, &io, buffer, (size_t)n);
	if (relay->state == RELAY_CLOSED || relay->server != server)
		return;
	relay_io_send(&io, relay);
	relay->split.has_told |= io.to_client.sent > 0;
	session_hold_back(session, buffer + used, (size_t)n - used);
	relay_after_answers(relay);
}
