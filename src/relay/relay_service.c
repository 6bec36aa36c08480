/*
 * The relay as its client sees it: starting, reading, cancelling, closing.
 *
 * A relay that is closed while a server is on its way to it stays as an empty
 * shell until the server arrives; relay.c gives it back and frees the shell.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pool/cancel.h"
#include "relay/hearer.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_client.h"
#include "relay/relay_custom.h"
#include "relay/relay_finish.h"
#include "relay/relay_greet.h"
#include "relay/relay_listen.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_read.h"
#include "relay/relay_service.h"
#include "relay/relay_simple.h"
#include "relay/relay_split.h"

/* More at a time tell PostgreSQL nothing, and cost it a process each. */
enum { CANCELS_MAX = 8 };
/* What a client keeps of its memory for held bytes. */
enum { HELD_KEPT_BYTES = 128 };

void
relay_on_server_event(struct server *server, enum stream_event event)
{
	struct relay	*relay = server->user;

	switch (event) {
	case STREAM_DRAINED:
		if (relay->state != RELAY_LINKED)
			break;
		relay_pace(relay);
		/* The last cancel is over. */
		if (relay->touches != 0 && server->cancels == 0 &&
		    server->transaction_status == STATUS_IDLE)
			relay_finish(relay);
		break;
	default:
		relay_read_server(relay);
		break;
	}
}

/* Who had to wait once will wait again: a small buffer stays. */
static void
relay_empty_held(struct relay *relay)
{
	if (relay->input.held.capacity > HELD_KEPT_BYTES)
		buf_done(&relay->input.held);
	else
		buf_clear(&relay->input.held);
}

void
relay_hold_ahead(struct relay *relay, struct buf *ahead)
{
	struct buf	*held = &relay->input.held;

	if (buf_length(ahead) == 0) {
		buf_done(ahead);
		return;
	}
	buf_add(ahead, buf_bytes(held), buf_length(held));
	buf_done(held);
	*held = *ahead;
	buf_init(ahead);
}

void
relay_go_on_with(struct relay *relay, struct relay_io *io)
{
	size_t	used = 0;

	if (buf_length(&relay->input.held) > 0)
		used = relay_read_client(relay, io,
		    buf_bytes(&relay->input.held),
		    buf_length(&relay->input.held));
	if (relay->state == RELAY_CLOSED)
		return;
	relay_io_flush(io, relay);
	if (used > 0)
		buf_consume(&relay->input.held, used);
	if (buf_length(&relay->input.held) == 0)
		relay_empty_held(relay);
	relay_pace(relay);
	if (relay->state == RELAY_LINKED && !relay->is_holding)
		relay_finish(relay);
}

void
relay_go_on(struct relay *relay)
{
	struct relay_io	io;

	relay_io_init(&io, relay);
	relay_go_on_with(relay, &io);
}

/* Read behind what is held back, which is too much to copy or not usable. */
static ssize_t
relay_read_held(struct relay *relay)
{
	struct client	*client = relay->client;
	uint8_t		*room;
	ssize_t		 n;
	size_t		 want = LOOP_BUFFER_BYTES;

	n = stream_read(&client->stream, client->loop->buffer, want);
	if (n > 0) {
		room = buf_try_reserve(&relay->input.held, (size_t)n,
		    UINT32_MAX / 2);
		if (room == NULL) {
			client_fail(client, REASON_OUT_OF_MEMORY, "out of "
			    "memory for a message of this client");
			return STREAM_AGAIN;
		}
		memcpy(room, client->loop->buffer, (size_t)n);
		buf_commit(&relay->input.held, (size_t)n);
		COUNT(relay_lane(relay)->counters.received, n);
	}
	return n;
}

static ssize_t
relay_read_shared(struct relay *relay)
{
	struct client	*client = relay->client;
	struct loop	*loop = client->loop;
	size_t		 held = buf_length(&relay->input.held), all, used;
	struct relay_io	 io;
	ssize_t		 n;

	if (held > 0)
		memcpy(loop->buffer, buf_bytes(&relay->input.held), held);
	n = stream_read(&client->stream, loop->buffer + held,
	    LOOP_BUFFER_BYTES - held);
	if (n <= 0)
		return n;
	COUNT(relay_lane(relay)->counters.received, n);
	all = held + (size_t)n;
	relay_io_init(&io, relay);
	used = relay_read_client(relay, &io, loop->buffer, all);
	if (relay->state == RELAY_CLOSED)
		return n;
	relay_io_send(&io, relay);
	if (used < all) {
		buf_clear(&relay->input.held);
		buf_add(&relay->input.held, loop->buffer + used, all - used);
		relay_pace(relay);
	} else if (held > 0)
		relay_empty_held(relay);
	return n;
}

static void
relay_on_client_readable(struct relay *relay)
{
	struct client	*client = relay->client;
	bool		 waits = relay->state == RELAY_WAITING ||
			    relay->state == RELAY_GREETING ||
			    relay->is_holding || relay->split.waits_for_end;
	ssize_t		 n;

	if (waits || buf_length(&relay->input.held) > LOOP_BUFFER_BYTES / 4)
		n = relay_read_held(relay);
	else
		n = relay_read_shared(relay);
	if (relay->state == RELAY_CLOSED)
		return;
	if (n == STREAM_EOF)
		client_close(client, REASON_CLIENT_LOST,
		    "it closed the connection without a word");
	else if (n == STREAM_ERROR)
		client_close(client, REASON_CLIENT_LOST,
		    stream_error(&client->stream));
	else if (waits)
		relay_pace(relay);
	else if (buf_length(&relay->input.held) > LOOP_BUFFER_BYTES / 4)
		relay_go_on(relay);
	else if (relay->state == RELAY_LINKED)
		relay_finish(relay);
}

static void
relay_on_client_event(struct client *client, enum stream_event event)
{
	struct relay	*relay = relay_of_client(client);

	switch (event) {
	case STREAM_READABLE:
		relay_on_client_readable(relay);
		break;
	case STREAM_DRAINED:
		relay_pace(relay);
		if (relay->listen.hearer != NULL)
			relay_listen_flush(relay);
		break;
	default:
		client_close(client, REASON_CLIENT_LOST,
		    stream_error(&client->stream));
		break;
	}
}

/*
 * Its statement runs, or a query of ours.  What reads its settings back comes
 * after its statement, so that the cancel is late.  What gives the server its
 * settings in front of its statement must not be hit, because the statement
 * would run without them.  False: there is nothing to cancel.
 */
static bool
relay_cancel_running(struct relay *relay, void (*done)(struct loop *, void *),
    void *arg)
{
	struct server		*server = relay->server;
	const struct expectation *head =
				    expected_head(&server->session->expected);
	enum expect_purpose	 purpose = (enum expect_purpose)head->purpose;

	if (purpose == PURPOSE_READ_BACK || purpose == PURPOSE_LISTENS ||
	    purpose == PURPOSE_LISTEN_HERE || purpose == PURPOSE_COPY ||
	    purpose == PURPOSE_RESTORE || purpose == PURPOSE_RESTORED)
		return false;
	if (!relay_is_in_front(head) || relay->is_holding) {
		cancel_server(server, done, arg);
		return true;
	}
	/* One will do. */
	if (relay->cancel.done != NULL)
		return false;
	relay->cancel.done = done;
	relay->cancel.arg = arg;
	return true;
}

static void
relay_on_cancel(struct client *client, void (*done)(struct loop *, void *),
    void *arg)
{
	struct relay	*relay = relay_of_client(client);

	if (relay->split.is_reading || relay->block.is_opening)
		relay->split.has_told = true;	/* it must not run again */
	if (relay->state == RELAY_LINKED && relay_has_expected(relay) &&
	    relay->server->cancels < CANCELS_MAX &&
	    relay_cancel_running(relay, done, arg))
		return;
	if (relay->state == RELAY_WAITING &&
	    pool_withdraw(relay->ticket.pool, &relay->ticket)) {
		deadline_clear(client->loop, &client->deadline);
		relay_set_state(relay, RELAY_IDLE);
		relay_refuse_held(relay, "57014",
		    "canceling statement due to user request", NULL);
	}
	done(client->loop, arg);
}

static void
relay_on_dismiss(struct client *client, enum reason reason, const char *text,
    bool is_now)
{
	struct relay	*relay = relay_of_client(client);
	bool		 rests = relay->state == RELAY_GREETING ||
			    (relay->state == RELAY_IDLE &&
			    relay->block.state != BEGIN_HELD &&
			    relay->input.skip == 0) ||
			    (relay_is_at_rest(relay) &&
			    relay->server->transaction_status ==
			    STATUS_IDLE);

	if (is_now || rests) {
		client_fail(client, reason, "%s", text);
		return;
	}
	relay->ending.reason = reason;
	free(relay->ending.text);
	relay->ending.text = mem_string(text);
}

bool
relay_may_speak(const struct client *client)
{
	const struct relay	*relay = relay_of_client(client);
	const struct server_session *session = relay->server == NULL ? NULL :
	    relay->server->session;

	return !relay->ending.is_cut_off && (session == NULL ||
	    session->skip == 0 || !session->skip_passes);
}

static void
relay_on_start(struct client *client, const struct client_start *start)
{
	struct relay	*relay = mem_new(sizeof *relay);

	relay->client = client;
	client->served = relay;
	relay->state = RELAY_GREETING;
	relay->ticket.loop = client->loop;
	relay->ticket.granted = relay_on_granted;
	relay->ticket.refused = relay_on_refused;
	relay->ticket.moved = relay_on_moved;
	buf_init(&relay->input.held);
	buf_add(&relay->input.held, start->early, start->early_length);
	relay->settings.wanted = settings_hold(settings_none());
	relay->settings.defaults = settings_hold(settings_none());
	relay->settings.naming = settings_hold(settings_none());
	COUNT(relay_lane(relay)->counters.client_login_count, 1);
	histogram_record(&relay_lane(relay)->times->login,
	    loop_now_us(client->loop) - client->connected_us);
	relay_greet(relay, start);
}

static void
relay_on_free(struct loop *loop, struct task *task)
{
	(void)loop;
	relay_free(container_of(task, struct relay, ticket.task));
}

static void
relay_on_stop(struct client *client)
{
	struct relay	*relay = relay_of_client(client);
	bool		 on_its_way;

	if (relay->server != NULL)
		relay_abandon_server(relay);
	on_its_way = relay->ticket.state != TICKET_NONE &&
	    !pool_leave(relay->ticket.pool, &relay->ticket);
	relay_split_done(relay);
	deadline_clear(client->loop, &client->deadline);
	deadline_clear(client->loop, &relay->times.deadline);
	atomic_fetch_sub(&relay_lane(relay)->clients, 1);
	buf_done(&relay->input.held);
	relay_end_scan(relay);
	free(relay->ending.text);
	names_clear(&relay->prepared.names);
	hearer_free(relay->listen.hearer);
	relay_set_unnamed(relay, NULL);
	settings_release(relay->settings.wanted);
	settings_release(relay->settings.defaults);
	settings_release(relay->settings.naming);
	relay_drop_adopted(relay);
	client->served = NULL;
	relay->client = NULL;
	relay_set_state(relay, RELAY_CLOSED);
	if (on_its_way)
		return;
	relay->ticket.task.run = relay_on_free;
	loop_defer(client->loop, &relay->ticket.task);
}

static const char *
relay_application(const struct client *client)
{
	const struct relay	*relay = client->served;

	return relay->settings.wanted == NULL ? NULL :
	    settings_get(relay->settings.wanted, "application_name");
}

const struct client_service	relay_service = {
	.name = "relay",
	.start = relay_on_start,
	.on_event = relay_on_client_event,
	.cancel = relay_on_cancel,
	.dismiss = relay_on_dismiss,
	.may_speak = relay_may_speak,
	.application = relay_application,
	.stop = relay_on_stop,
};

void
relay_init(void)
{
	server_hooks.suits = session_suits;
	server_hooks.session_free = session_free;
	server_hooks.session_reset = session_reset;
	server_hooks.condemn = relay_condemn;
	server_hooks.recall = relay_recall;
}
