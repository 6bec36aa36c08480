/*
 * Ties: what a transaction leaves behind that cannot follow its client to
 * another server.
 *
 * A statement whose text says that it will leave such a thing needs a place
 * among max_pinned before it is sent; without one, or with pin = error, it is
 * refused.  What only shows afterwards (a lock taken inside a function) takes
 * its place then, or ends the session, since nothing else would undo it.
 * With pin = off nobody is tied: the server is reset instead.
 *
 * Whether a tie is over is not counted but asked of the server, with the
 * query that reads settings back, after a transaction that may have made or
 * ended one.
 */

#include "base/mem.h"
#include "relay/relay_answer.h"
#include "relay/relay_client.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_sequence.h"
#include "relay/relay_settings.h"
#include "relay/relay_shelf.h"
#include "relay/relay_tie.h"
#include "wire/put.h"

uint32_t
relay_pins_of(uint32_t touches)
{
	static const struct {
		uint32_t	touch, pin;
	} table[] = {
		{ SQL_TOUCHES_TEMP, PIN_TEMP },
		{ SQL_TOUCHES_HOLD, PIN_HOLD },
		{ SQL_TOUCHES_LOAD, PIN_LOAD },
		{ SQL_TOUCHES_PREPARE, PIN_PREPARE },
		{ SQL_TOUCHES_LOCK, PIN_LOCK },
		{ SQL_TOUCHES_SEQUENCE, PIN_SEQUENCE },
		{ SQL_TOUCHES_CUSTOM, PIN_CUSTOM },
	};
	uint32_t	pins = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
		if (touches & table[i].touch)
			pins |= table[i].pin;
	return pins;
}

bool
relay_asks_for_ties(const struct relay *relay, uint32_t touches)
{
	return touches & SQL_TOUCHES_UNKNOWN ||
	    relay_pins_of(touches) & PINS_ASKED ||
	    (touches & SQL_TOUCHES_UNTIES && relay->ties.pins & PINS_ASKED) ||
	    (touches & SQL_TOUCHES_UNLISTEN && relay->ties.pins & PIN_LISTEN);
}

/*
 * Places.
 */

/* 0: as many as there are servers. */
static int
relay_places(const struct relay *relay)
{
	const struct pool_settings *limits = relay_limits(relay);
	int			 least = limits->pool_size;

	if (limits->max_pinned > 0)
		return limits->max_pinned;
	if (limits->max_db_connections > 0 &&
	    (least == 0 || limits->max_db_connections < least))
		least = limits->max_db_connections;
	if (limits->max_user_connections > 0 &&
	    (least == 0 || limits->max_user_connections < least))
		least = limits->max_user_connections;
	return least == 0 ? 0 : least > 3 ? least - 2 : 1;
}

/* Of several hosts the one whose server is tied. */
static struct pool *
relay_tied_pool(const struct relay *relay)
{
	return relay->server != NULL ? relay->server->pool :
	    relay->client->pool;
}

static struct pool_lane *
relay_tied_lane(const struct relay *relay)
{
	return &relay_tied_pool(relay)->lanes[relay->client->loop->index];
}

static bool
relay_take_place(struct relay *relay)
{
	struct pool	*pool = relay_tied_pool(relay);
	int		 places = relay_places(relay);
	int		 taken = atomic_load(&pool->pinned);

	if (relay->ties.place != NULL)
		return true;
	do {
		if (places > 0 && taken >= places)
			return false;
	} while (!atomic_compare_exchange_weak(&pool->pinned, &taken,
	    taken + 1));
	relay->ties.place = pool;
	return true;
}

static void
relay_leave_place(struct relay *relay)
{
	if (relay->ties.place != NULL)
		atomic_fetch_sub(&relay->ties.place->pinned, 1);
	relay->ties.place = NULL;
}

static void
relay_count_pins(_Atomic uint64_t counters[PIN_COUNT], uint32_t pins)
{
	for (size_t i = 0; i < PIN_COUNT; i++)
		if (pins & 1u << i)
			COUNT(counters[i], 1);
}

/*
 * Telling.
 */

static void
relay_put_pin_notice(struct relay *relay, struct buf *buf, uint32_t pins)
{
	struct error_fields	fields = {
		.severity = "NOTICE",
		.sqlstate = "00000",
		.hint = "Others cannot use that server until this is over; "
		    "see pin in pgweir's configuration.",
	};
	char			text[300], what[200];

	pins_text(pins, what, sizeof what);
	snprintf(text, sizeof text, "pgweir keeps a server for this client: "
	    "%s", what);
	fields.message = text;
	put_notice(buf, &fields);
	relay->ties.is_told = true;
}

static bool
relay_wants_notice(const struct relay *relay)
{
	return relay_limits(relay)->pin_notice && !relay->ties.is_told &&
	    relay_limits(relay)->pin == PIN_POLICY_AUTO;
}

/* In front of the statement's own answers, if it is its turn. */
static void
relay_announce_tie(struct relay *relay, struct relay_io *io, uint32_t pins)
{
	struct buf	notice;

	buf_init(&notice);
	relay_put_pin_notice(relay, &notice, pins);
	parcel_buf(&io->to_client, &notice);
}

static bool
relay_refuse_tie(struct relay *relay, struct relay_io *io, bool is_query,
    uint32_t pins)
{
	char	what[200];

	pins_text(pins, what, sizeof what);
	relay_count_pins(relay_tied_lane(relay)->pins.refused, pins);
	if (relay_limits(relay)->pin == PIN_POLICY_ERROR)
		relay_answer_error(relay, io, is_query,
		    reason_sqlstate(REASON_PIN_REFUSED),
		    "Use pool_mode = session for this database, or pin = "
		    "auto.", "this would tie the client to its server (%s), "
		    "and pin = error", what);
	else
		relay_answer_error(relay, io, is_query,
		    reason_sqlstate(REASON_TOO_MANY_PINNED),
		    "Raise max_pinned or the pool's size, or end such a thing "
		    "where it is not needed any more.", "this would tie the "
		    "client to its server (%s), and %d clients of this pool "
		    "have one to themselves already (max_pinned)", what,
		    relay_places(relay));
	return false;
}

bool
relay_may_tie(struct relay *relay, struct relay_io *io, uint32_t pins,
    bool is_query)
{
	const struct pool_settings *limits = relay_limits(relay);

	pins &= ~relay->ties.pins;
	if (pins == 0 || limits->mode == POOL_MODE_SESSION ||
	    limits->pin == PIN_POLICY_OFF)
		return true;
	if (limits->pin == PIN_POLICY_ERROR || !relay_take_place(relay))
		return relay_refuse_tie(relay, io, is_query, pins);
	if (relay_wants_notice(relay) && !relay_has_expected(relay))
		relay_announce_tie(relay, io, pins);
	return true;
}

/*
 * A block that stays at its replica would lock there, and keep nobody out who
 * asks the primary for that lock.
 */
static bool
relay_may_lock(struct relay *relay, struct relay_io *io, uint32_t touches,
    bool is_query)
{
	if (!(touches & (SQL_TOUCHES_LOCK | SQL_TOUCHES_LOCAL_LOCK)) ||
	    !relay->block.stays || !relay->block.is_at_replica ||
	    relay->block.state < BEGIN_FIRST)
		return true;
	relay_answer_error(relay, io, is_query,
	    reason_sqlstate(REASON_UNSUPPORTED), "Lock first in the "
	    "transaction, or set pgweir.route to primary before it.",
	    "an advisory lock has to be the primary's, and this READ ONLY "
	    "transaction is at a replica, which it cannot leave any more");
	return false;
}

bool
relay_note_touches(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, uint32_t touches, bool is_query)
{
	if (settings_create_temporary(relay->settings.wanted))
		touches |= SQL_TOUCHES_UNKNOWN;
	if (touches == 0)
		return true;
	touches = relay_follow_reset(relay, touches);
	if (!relay_may_lock(relay, io, touches, is_query) ||
	    !relay_may_tie(relay, io, relay_statement_pins(relay, touches),
	    is_query)) {
		relay_drop(relay, message);
		return false;
	}
	if (touches & SQL_TOUCHES_RESET_ALL)
		relay->choice.route = relay->choice.start_route;
	if (touches & SQL_TOUCHES_SEQUENCE)
		relay_forget_sequences(relay, io);
	else if (touches & SQL_TOUCHES_DRAWS)
		relay_draw_tied(relay, io);
	relay->touches |= touches;
	relay_forget_shelf(relay, touches);
	return true;
}

/*
 * What is there now: counted, told, and allowed or not.
 */

static bool
relay_tie_fresh(struct relay *relay, uint32_t fresh)
{
	char		what[200];
	struct buf	notice;

	if (!relay_take_place(relay) ||
	    relay_limits(relay)->pin == PIN_POLICY_ERROR) {
		relay_count_pins(relay_tied_lane(relay)->pins.refused, fresh);
		pins_text(fresh, what, sizeof what);
		client_fail(relay->client,
		    relay_limits(relay)->pin == PIN_POLICY_ERROR ?
		    REASON_PIN_REFUSED : REASON_TOO_MANY_PINNED,
		    "what was done ties this session to its server (%s), "
		    "which %s does not allow; connect again", what,
		    relay_limits(relay)->pin == PIN_POLICY_ERROR ?
		    "pin = error" : "max_pinned");
		return false;
	}
	relay_count_pins(relay_tied_lane(relay)->pins.tied, fresh);
	if (relay_wants_notice(relay)) {
		buf_init(&notice);
		relay_put_pin_notice(relay, &notice, fresh);
		relay_write(relay, &notice);
	}
	return true;
}

enum relay_tie
relay_settle_ties(struct relay *relay)
{
	const struct pool_settings *limits = relay_limits(relay);
	uint32_t		 fresh = relay->ties.pins &
				    ~relay->ties.counted;

	relay->ties.counted = relay->ties.pins;
	if (fresh & PIN_DRAWN)
		relay_count_pins(relay_tied_lane(relay)->pins.tied, PIN_DRAWN);
	if (!relay_is_tied(relay)) {
		relay_leave_place(relay);
		return relay->ties.pins == 0 ? RELAY_FREE : RELAY_TIED;
	}
	fresh &= ~(uint32_t)PIN_DRAWN;
	if (relay->ties.pins & PIN_MODE)
		return RELAY_TIED;
	if (limits->pin == PIN_POLICY_OFF)
		return RELAY_UNCLEAN;
	if (fresh != 0 && !relay_tie_fresh(relay, fresh))
		return RELAY_ENDED;
	return RELAY_TIED;
}

void
relay_tie_asker(struct relay *relay)
{
	if (relay_limits(relay)->mode != POOL_MODE_SESSION &&
	    relay_limits(relay)->pin == PIN_POLICY_AUTO &&
	    relay_take_place(relay))
		relay->ties.pins |= PIN_SEQUENCE;
}

void
relay_untie(struct relay *relay)
{
	relay->ties.pins = relay->ties.counted = 0;
	relay_leave_place(relay);
}
