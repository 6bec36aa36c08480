/*
 * What the files of the relay share.
 *
 *	relay_service.c	 starting, reading, cancelling, closing
 *	relay.c		 states, linking, back-pressure
 *	relay_client.c	 what the client says
 *	relay_simple.c	 of it, the simple query protocol
 *	relay_parse.c	 Parse
 *	relay_batch.c	 the rest of the extended query protocol
 *	relay_deallocate.c  DEALLOCATE of what was prepared so
 *	relay_shelf.c	 of that, preparing what a server lacks
 *	relay_names.c	 a client's names, and the server's
 *	relay_learn.c	 what PostgreSQL makes of what is prepared
 *	relay_answer.c	 answers made here
 *	relay_read.c	 the bytes of the server
 *	relay_server.c	 what they mean
 *	relay_query.c	 queries of our own: check, settings, read-back
 *	relay_settings.c settings that are refused, and RESET
 *	relay_custom.c	 custom settings
 *	relay_sequence.c currval and lastval
 *	relay_listen.c	 LISTEN: the client's part of it
 *	relay_copy.c	 COPY in of an Execute
 *	relay_finish.c	 the end of a transaction: giving back
 *	relay_drain.c	 a server whose client went away
 *	relay_tie.c	 what ties a client to its server
 *	relay_timeouts.c time limits
 *	relay_retry.c	 a batch that is run once more
 *	relay_undo.c	 what was noted of requests that did not happen
 *	relay_greet.c	 the end of a login
 *	relay_choose.c	 which host may serve the next transaction
 *	relay_split.c	 reads to the replicas
 *	relay_reader.c	 which of them
 *	relay_heal.c	 a read that was refused there
 *	relay_begin.c	 BEGIN held back until it is known where it goes
 *	relay_own.c	 statements and batches that are answered here
 *	relay_lost.c	 a server that is gone
 */

#ifndef RELAY_RELAY_PRIVATE_H
#define RELAY_RELAY_PRIVATE_H

#include "base/mem.h"
#include "pool/backend.h"
#include "relay/relay.h"
#include "relay/relay_message.h"

struct error_fields;

/* Unsent output above this stops reading the other side. */
#define RELAY_HIGH_BYTES	(128 * 1024)
/* A client that does not read its answers is not asked for more. */
#define RELAY_UNREAD_BYTES	(1024 * 1024)
/* What a waiting client may send before it is not read any more. */
#define RELAY_HELD_BYTES	(64 * 1024)

static inline struct relay *
relay_of_client(const struct client *client)
{
	return client->served;
}

/* Of the deadline that its client has. */
static inline struct relay *
relay_of_deadline(struct deadline *deadline)
{
	return relay_of_client(container_of(deadline, struct client,
	    deadline));
}

static inline const struct pool_settings *
relay_limits(const struct relay *relay)
{
	return &pool_profile(relay->client->pool)->settings;
}

static inline struct pool_lane *
relay_lane(const struct relay *relay)
{
	return &relay->client->pool->lanes[relay->client->loop->index];
}

/* Of a message that was begun: the rest passes when it comes. */
static inline void
relay_pass_rest(struct relay *relay, const struct relay_message *message)
{
	relay->input.skip = (uint32_t)(message->total - message->here);
	relay->input.skip_passes = true;
	relay->input.skip_type = message->head.type;
}

static inline bool
relay_has_expected(const struct relay *relay)
{
	return relay->server != NULL &&
	    relay->server->session->expected.count > 0;
}

/* After this the server is asked what is set. */
#define RELAY_TOUCHES_CHANGING	(SQL_TOUCHES_SETTINGS |			\
	SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_EXECUTE | SQL_TOUCHES_DISCARD_ALL)

/* relay.c */
void	relay_set_state(struct relay *, enum relay_state);
const struct log_who	*relay_who(const struct relay *);
/* The server is the relay's, and tells it what happens. */
void	relay_attach(struct relay *, struct server *);
void	relay_on_granted(struct ticket *, struct server *);
void	relay_on_refused(struct ticket *, const struct pool_error *);
void	relay_free(struct relay *);
void	relay_io_init(struct relay_io *, struct relay *);
/* Send both parcels; and apply back-pressure as well. */
void	relay_io_flush(struct relay_io *, struct relay *);
void	relay_io_send(struct relay_io *, struct relay *);
/* To the client, outside of a callback's parcel; the buf is done with. */
void	relay_write(struct relay *, struct buf *);
/*
 * A server is needed now.  True: it is linked and ready for the client's
 * bytes.  False: they have to wait; relay_go_on() is called then.
 */
bool	relay_get_server(struct relay *, struct relay_io *);

static inline bool
relay_need_server(struct relay *relay, struct relay_io *io)
{
	if (relay->state != RELAY_LINKED || relay->listen.hearer != NULL ||
	    relay->block.state == BEGIN_HELD)
		return relay_get_server(relay, io);
	return !relay->is_holding;
}

/* Who may be read now, by what is unsent and held. */
void	relay_pace(struct relay *);
void	relay_set_unnamed(struct relay *, struct statement *);
void	relay_set_settings(struct relay *, const struct settings *);
/* Its server has something that another one has not. */
static inline bool
relay_is_tied(const struct relay *relay)
{
	return (relay->ties.pins & ~(uint32_t)PIN_DRAWN) != 0;
}
/* Why this server cannot be its; NULL: it can. */
const char	*relay_misfit(const struct relay *, struct server *);

#endif
