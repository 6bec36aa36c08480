/*
 * What the files of the relay share.
 *
 *	relay_service.c	 starting, reading, cancelling, closing
 *	relay.c		 states, linking, back-pressure
 *	relay_client.c	 what the client says
 *	relay_batch.c	 of it, the extended query protocol
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
 *	relay_begin.c	 BEGIN held back until it is known where it goes
 *	relay_own.c	 statements and batches that are answered here
 *	relay_lost.c	 a transaction whose server is gone
 */

#ifndef RELAY_RELAY_PRIVATE_H
#define RELAY_RELAY_PRIVATE_H

#include "pool/backend.h"
#include "session/own.h"
#include "relay/relay.h"
#include "wire/msg.h"

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

static inline bool
relay_has_expected(const struct relay *relay)
{
	return relay->server != NULL &&
	    relay->server->session->expected.count > 0;
}

/* relay.c */
void	relay_set_state(struct relay *, enum relay_state);
const struct log_who	*relay_who(const struct relay *);
void	relay_on_granted(struct ticket *, struct server *);
void	relay_on_refused(struct ticket *, const struct pool_error *);
void	relay_free(struct relay *);
void	relay_io_init(struct relay_io *, struct relay *);
/* Send both parcels; and apply back-pressure as well. */
void	relay_io_flush(struct relay_io *, struct relay *);
void	relay_io_send(struct relay_io *, struct relay *);
/*
 * A server is needed now.  True: it is linked and ready for the client's
 * bytes.  False: they have to wait; relay_go_on() is called then.
 */
bool	relay_need_server(struct relay *, struct relay_io *);
/* Who may be read now, by what is unsent and held. */
void	relay_pace(struct relay *);
void	relay_set_unnamed(struct relay *, struct statement *);
void	relay_set_settings(struct relay *, const struct settings *);

/* Why this server cannot be its; NULL: it can. */
const char	*relay_misfit(const struct relay *, struct server *);

/* relay_service.c */
bool	relay_may_speak(const struct client *);
/* Use what was held back, as far as that is possible now; behind what was
 * put into the parcels already. */
void	relay_go_on(struct relay *);
void	relay_go_on_with(struct relay *, struct relay_io *);
void	relay_on_server_event(struct server *, enum stream_event);

/* relay_finish.c */
/* LINKED -> IDLE; the server is the caller's. */
struct server	*relay_unlink(struct relay *);
/* Everything is answered: perhaps the transaction is over. */
void	relay_finish(struct relay *);
/* The server must not be used again; the relay is IDLE. */
void	relay_drop_server(struct relay *, enum reason, const char *detail);
/* The client goes away: what becomes of its server. */
void	relay_abandon_server(struct relay *);
/* Reset a server that is in step, then to its pool. */
void	relay_reset_server(struct server *, const char *query);
/* DISCARD ALL, or DEALLOCATE ALL, has succeeded. */
void	relay_forget_session(struct relay *);
void	relay_forget_names(struct relay *);
/* Nothing is expected and the client owes nothing. */
bool	relay_is_at_rest(const struct relay *);
/* Between two statements: the limits that count while nothing runs. */
void	relay_watch_rest(struct relay *);
int64_t	relay_idle_limit(const struct relay *);

/* relay_timeouts.c */
static inline bool
relay_is_slow(int64_t us)
{
	int64_t	limit_us = atomic_load_explicit(&relay_slow_us,
		    memory_order_relaxed);

	return limit_us != 0 && us >= limit_us;
}
/* A query has ended that took at least log_slow. */
void	relay_log_slow(const struct relay *, int64_t now_us);
void	relay_on_wait_timeout(struct loop *, struct deadline *);
void	relay_on_idle_timeout(struct loop *, struct deadline *);
void	relay_on_idle_transaction(struct loop *, struct deadline *);
void	relay_on_transaction_timeout(struct loop *, struct deadline *);
void	relay_on_query_timeout(struct loop *, struct deadline *);

/* relay_client.c */
/* A statement begins: its time counts, and the idle limits do not. */
void	relay_begin_query(struct relay *);
/* Use client bytes; returns how many. */
size_t	relay_read_client(struct relay *, struct relay_io *, uint8_t *,
	    size_t);
/* What a handler made of a message. */
enum relay_verdict {
	RELAY_USED,	/* all of it that is here; the rest is skip */
	RELAY_OWN,	/* the same, and the batch it begins was answered */
	RELAY_LATER,	/* nothing: more bytes or a server are needed */
	RELAY_GONE,	/* the client was closed */
};
struct relay_message {
	uint8_t		*at;		/* the head */
	struct msg_head	 head;
	size_t		 here;		/* bytes at `at` that belong to it */
	size_t		 total;		/* head and body */
	size_t		 left;		/* bytes at `at`, of it or not */
};
/* Pass the message on as it is, the rest of it when it comes. */
void	relay_pass(struct relay *, struct relay_io *,
	    const struct relay_message *);
/* relay->input.scan is of no more use. */
void	relay_end_scan(struct relay *);
/* Drop the rest of the message. */
void	relay_drop(struct relay *, const struct relay_message *);
/* True: it may begin a transaction block, and pool_mode is statement. */
bool	relay_refuse_block(struct relay *, struct relay_io *,
	    const struct relay_message *, uint32_t touches, bool is_query);
enum relay_verdict	relay_bad_message(struct relay *,
			    const struct relay_message *, const char *what);

/* After this the server is asked what is set. */
#define RELAY_TOUCHES_CHANGING	(SQL_TOUCHES_SETTINGS |			\
	SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_EXECUTE | SQL_TOUCHES_DISCARD_ALL)

/* relay_drain.c */
/*
 * Its client left in the middle of something: cancel what runs, end it, reset
 * the server and give it to its pool.
 */
void	relay_drain(struct server *, bool is_running, bool is_in_batch);
/* End a message that came in part; false: too long, or it could do harm. */
bool	relay_fill(struct server *, uint8_t type, size_t missing);

/* relay_tie.c */
/* Ties of which the server knows whether they are there. */
#define PINS_ASKED	(PIN_TEMP | PIN_HOLD | PIN_PREPARE | PIN_LOCK)
/* What a transaction that touched this leaves on its server. */
uint32_t	relay_pins_of(uint32_t touches);
/* Whether the server has to be asked what there is. */
bool		relay_asks_for_ties(const struct relay *, uint32_t touches);
/* LINKED: a statement that leaves this may be sent; false: it was refused. */
bool		relay_may_tie(struct relay *, struct relay_io *,
		    uint32_t pins, bool is_query);
/* Between two transactions, when it is known what there is. */
enum relay_tie {
	RELAY_FREE,	/* nothing */
	RELAY_TIED,
	RELAY_UNCLEAN,	/* something, but nobody is to be tied */
	RELAY_ENDED,	/* it is one too many: the client was closed */
};
enum relay_tie	relay_settle_ties(struct relay *);
/* It has no server any more. */
void		relay_untie(struct relay *);

/* relay_batch.c */
enum relay_verdict	relay_on_parse(struct relay *, struct relay_io *,
			    const struct relay_message *);
enum relay_verdict	relay_on_bind(struct relay *, struct relay_io *,
			    const struct relay_message *);
enum relay_verdict	relay_on_describe(struct relay *, struct relay_io *,
			    const struct relay_message *);
enum relay_verdict	relay_on_close(struct relay *, struct relay_io *,
			    const struct relay_message *);
/* Forget the name, and tell in its turn; an error before takes it back. */
enum relay_verdict	relay_close_name(struct relay *, struct relay_io *,
			    const struct relay_message *, const char *name,
			    struct buf *answer);

/* relay_retry.c */
void	relay_keep_first(struct relay *, struct relay_io *,
	    const struct relay_message *);
/* What was used up to here is a part of the batch that grows. */
void	relay_keep(struct relay *, struct relay_io *, const uint8_t *end,
	    enum batch_state);

static inline bool
relay_keeps_batch(const struct relay *relay)
{
	return relay->state == RELAY_LINKED &&
	    relay->server->session->batch_state == BATCH_GROWS;
}

/* A message of the client was used; is_first: no request of its ran before. */
static inline void
relay_note_message(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, bool is_first)
{
	if (is_first && relay->state == RELAY_LINKED)
		relay_keep_first(relay, io, message);
	if (!relay_keeps_batch(relay))
		return;
	if (message->here < message->total)
		relay->server->session->batch_state = BATCH_NONE;
	else if (message->at[0] == MSG_SYNC || message->at[0] == MSG_QUERY)
		relay_keep(relay, io, message->at + message->here,
		    BATCH_WHOLE);
}
/* This error is not for the client: its batch will be run again. */
bool	relay_meets_again(struct relay *, const struct expectation *,
	    const char *sqlstate);
/* The server is lost: the batch gets an error like any other. */
void	relay_forget_retry(struct relay *);
void	relay_retry(struct relay *);

/*
 * relay_undo.c: take back what a request did that PostgreSQL has skipped or
 * refused; requests from number `from` on were not.
 */
void	relay_undo(struct relay *, const struct expectation *, bool skipped,
	    uint32_t from);
/* This request ends the unnamed statement, if it happens. */
void	relay_end_unnamed(struct relay *, struct expectation *);
/* An error in a batch: all that is expected before its Sync is struck. */
void	relay_skip_batch(struct relay *);

/* relay_deallocate.c; false: let PostgreSQL answer. */
bool	relay_query_deallocate(struct relay *, struct relay_io *,
	    const char *text, size_t);
/* The unnamed portal is session->deallocate. */
bool	relay_execute_deallocate(struct relay *, struct relay_io *,
	    const struct relay_message *);

/* relay_answer.c: answers made here */
/* At its turn: now, or after what is expected. Takes the bytes of the buf. */
void	relay_answer(struct relay *, struct relay_io *, enum expect_kind,
	    struct buf *);
/* An ERROR; until Sync, or the end of this Query, the rest is dropped. */
void	relay_answer_error(struct relay *, struct relay_io *, bool is_query,
	    const char *sqlstate, const char *hint, const char *format, ...)
	    __attribute__((format(printf, 6, 7)));
/* One that goes out now, in the place of what PostgreSQL has said. */
void	relay_put_answer_error(struct relay *, struct relay_io *,
	    const char *sqlstate, const char *text);
/* PostgreSQL has told the client an error; its text may hold data. */
void	relay_note_error(const struct relay *, const char *sqlstate);
/* Answers whose turn has come. */
void	relay_answer_due(struct relay *, struct relay_io *);
/* WAITING: no server will come: everything that was held gets an error. */
void	relay_refuse_held(struct relay *, const char *sqlstate,
	    const char *text, const char *hint);
void	relay_refuse_held_with(struct relay *, const struct error_fields *);
/* LINKED, but the server is gone: the same for everything expected. */
void	relay_refuse_expected(struct relay *, struct relay_io *,
	    const char *sqlstate, const char *text);

/* relay_server.c */
void	relay_read_server(struct relay *);

/* relay_query.c */
/* What must run before the client's statement; true: nothing, or it is sent
 * in front; false: wait. */
bool	relay_prepare_server(struct relay *, struct relay_io *);
void	relay_start_read_back(struct relay *, struct relay_io *,
	    enum expect_purpose, bool with_inventory);
/* The SQL that brings the server from one set of settings to the other. */
void	relay_send_switch(struct relay *, struct relay_io *,
	    const struct settings *from, const struct settings *to,
	    enum expect_purpose);
/*
 * The client's first statement on this server asks for currval or lastval:
 * what others have drawn from sequences is forgotten.
 */
void	relay_forget_sequences(struct relay *, struct relay_io *);
/* ReadyForQuery to a query of ours; and, if the client was held for it,
 * going on once all bytes were used. */
void	relay_query_done(struct relay *, enum expect_purpose);
void	relay_hold_over(struct relay *);
/* The server closed, broke or spoke rubbish (type: of the message, or 0). */
void	relay_lose_server(struct relay *, enum reason, const char *what,
	    uint8_t type);

/* relay_copy.c */
void	relay_copy_begin(struct relay *);
/* The head has failed; true: relay_copy_ask() when its batch is struck. */
bool	relay_copy_fails(struct relay *, const char *sqlstate);
void	relay_copy_ask(struct relay *, struct relay_io *);
/* This is what was asked: ReadyForQuery, and the empty query's answer. */
bool	relay_copy_is_asked(const struct expectation *head);
void	relay_copy_ready(struct relay *);
void	relay_copy_told(struct relay *, struct relay_io *);

/* relay_choose.c */
/*
 * Before a server is asked for: what its transaction needs, by its first
 * statement (NULL: not known), the client's wish and the configuration.
 */
void	relay_choose(struct relay *, const char *text, size_t n);
enum route	relay_route(const struct relay *);	/* without a comment */
/* As pool_take(), wherever that need is served. */
struct server	*relay_ask(struct relay *);
void	relay_on_moved(struct ticket *);
/* The ticket waits: how long. */
void	relay_watch_wait(struct relay *);
/* The client's wish, or the configuration's. */
enum route	relay_route(const struct relay *);
/*
 * What a server says may be news of its host's role: ParameterStatus (true:
 * it is not the client's), an error, or just that it is ready.
 */
bool	relay_hears_role(struct relay *, const uint8_t *, size_t);
void	relay_hears_error(struct relay *, const char *sqlstate);
static inline void
relay_hears_life(struct relay *relay, int64_t now_us)
{
	if (relay->server->pool->set != NULL)
		atomic_store_explicit(
		    &relay->server->pool->backend->alive_us, now_us,
		    memory_order_relaxed);
}
/* What another host would report of its role is not told. */
void	relay_add_welcome(const struct relay *, struct buf *,
	    const struct pool_welcome *);
struct pool_welcome	*relay_welcome_hold(const struct relay *);

/* relay_begin.c */
/* Of a client that is IDLE or LINKED: its transaction fails, as by an error. */
void	relay_begin_fail(struct relay *);
void	relay_begin_hold(struct relay *, const struct sqlbegin *);
/* BEGIN_HELD: COMMIT or ROLLBACK. */
void	relay_begin_end(struct relay *);
/* LINKED, in front of the client's bytes: the BEGIN that was held. */
void	relay_begin_send(struct relay *, struct relay_io *);
/* Linked: the batch that comes has its BEGIN inside. */
void	relay_begin_linked(struct relay *, bool is_replica);
/* PostgreSQL has refused it; the server is gone then. */
void	relay_begin_refused(struct relay *, struct relay_io *);
/* ReadyForQuery to what followed it. */
void	relay_begin_answered(struct relay *);
/* The replica has refused what followed it, and is at rest. */
void	relay_begin_again(struct relay *);
/*
 * Why a block goes where it goes, if its first statement is that: WHY_READ is
 * what was proven.
 */
enum route_why	relay_begin_why(const struct relay *, enum route_why);
/*
 * A block at a replica: whether this message may go there.  False: it waits.
 * The relay may be IDLE afterwards: the block goes on elsewhere.
 */
bool	relay_begin_follows(struct relay *, const struct relay_message *);

/* relay_own.c */
/* A statement that is answered here; false: it is not. */
bool	relay_own_query(struct relay *, struct relay_io *,
	    const char *text, size_t n);
/* Nothing of a block is ours but where no server has it. */
static inline bool
relay_owns_batch(const struct relay *relay, int may_own)
{
	return may_own != OWN_MAYBE_NOT && (may_own == OWN_MAYBE_ANY ||
	    (relay->state == RELAY_IDLE &&
	    relay->client->pool->set != NULL));
}
/* Parse, or Bind of that statement: the whole batch, if it is here. */
bool	relay_own_batch(struct relay *, struct relay_io *,
	    const struct relay_message *);

/* The client's writes go to the primary and its reads to replicas. */
bool	relay_is_split(const struct relay *);
/* Why this text is no read; WHY_READ: it is proven to be one. */
enum route_why	relay_text_why(struct relay *, const char *text, size_t n);
/*
 * Before a message that does not stand in a batch is handled.  False: it has
 * to wait until the read that runs at a replica is over.
 */
bool	relay_may_follow(struct relay *, const struct relay_message *);
/* relay_reader.c */
struct causal	*relay_causal(struct relay *);
/* A server that may serve a read; as relay_ask(). */
struct server	*relay_ask_for_reader(struct relay *);
/* The pool for a read, or NULL: only the primary has what it may see. */
struct pool	*relay_reader(struct relay *);
/* LINKED now: it is counted where this transaction goes. */
void		 relay_note_route(struct relay *, bool is_replica);
/* A deadline for ticket.awaits; and the end. */
void		 relay_watch_catching_up(struct relay *);
void		 relay_reader_done(struct relay *);
/* relay_choose.c: no host was there for who waits. */
void		 relay_refuse_no_host(struct relay *);
/* A transaction that is no read has ended on the primary. */
void	relay_note_written(struct relay *);
/* A server was given back, or rests; what waited for that goes on. */
void	relay_resume(struct relay *);
/* As a task: the client is looked at again. */
void	relay_resume_later(struct relay *);
/* The statement that the body of a Bind names, or NULL. */
const struct statement	*relay_body_statement(const struct relay *,
			    const uint8_t *body, size_t n);
/* Why the batch, or the query, that begins with this is no read. */
enum route_why	relay_message_why(struct relay *,
		    const struct relay_message *);
void	relay_split_done(struct relay *);
/* What is sent: may it commit something, does it change the catalogue? */
void	relay_note_bound(struct relay *, const struct statement *);

/* A replica has refused this text, or what was prepared under this name. */
void	relay_refuse_read(struct relay *, const char *text);
void	relay_refuse_bound(struct relay *, const char *name);

/* relay_heal.c */
/* True: the request runs on the primary, its client hears nothing of this. */
bool	relay_heal(struct relay *, struct relay_io *,
	    const struct error_fields *);
/* The server is lost, by what it said last: the same. */
bool	relay_heal_lost(struct relay *);

/* relay_lost.c */
/*
 * The server is gone, and the client can go on without it: it is told what
 * became of what it said.  False: it cannot.
 */
bool	relay_survive(struct relay *, enum reason, const char *what,
	    const char *text);
enum relay_verdict	relay_on_lost(struct relay *, struct relay_io *,
			    const struct relay_message *);
/* Before it is sent: may this commit something? */
void	relay_note_commit(struct relay *, uint8_t first, bool is_several);
/* A server of a former life, in use. */
void	relay_condemn(struct server *, const char *why);
/* A query of ours, whose answer is not the client's. */
void	relay_send_own(struct relay *, struct relay_io *, const char *query,
	    enum expect_purpose);
/* Something of the client's own is expected. */
bool	relay_has_client_request(const struct relay *);

/* relay_settings.c */
/* The server has refused them.  True: it goes on with something else. */
bool	relay_try_settings_again(struct relay *);
/* True: it has no server any more, and may ask for another one. */
bool	relay_try_another(struct relay *);
/* It has taken them. */
void	relay_settings_fit(struct relay *);
/* Those of another client are away, or that has failed. */
void	relay_settings_cleared(struct relay *);
void	relay_settings_refused(struct relay *);
/* True: a query of ours comes first. */
bool	relay_bring_back(struct relay *);
bool	relay_restores(struct relay *, const struct relay_message *);
void	relay_restore(struct relay *, enum expect_purpose);

/* relay_custom.c */
struct sqlnames;
/*
 * A statement that touches SQL_TOUCHES_NAMES is sent: what its transaction
 * has to be asked for.  Returns what it touches then.
 */
uint32_t	relay_note_names(struct relay *, const struct sqlnames *,
		    uint32_t touches, bool by_words,
		    const struct relay_message *bind, size_t offset);
uint32_t	relay_note_text_names(struct relay *, const char *text,
		    size_t, uint32_t touches, uint32_t by_words);
/* IDLE, before a server is asked for with relay_wish(). */
void		relay_adopt_names(struct relay *, const char *text, size_t);
void		relay_adopt_parsed(struct relay *, const char *text);
const struct settings *relay_wish(const struct relay *);
void		relay_settle_adopted(struct relay *);
void		relay_drop_adopted(struct relay *);
void		relay_set_naming(struct relay *, const struct settings *);
/* The server is no more its own. */
void		relay_leave_names(struct relay *, struct server *);

/* relay_listen.c */
/* What was said may change what it listens to. */
bool	relay_listen_may_change(const struct relay *);
/* hearer != NULL, about to use its server: which has to listen first. */
void	relay_listen_lay(struct relay *, struct relay_io *);
void	relay_listen_laid(struct relay *);
/* The server has to be asked what it listens to. */
bool	relay_listen_must_ask(const struct relay *);
void	relay_listen_ask(struct relay *, struct relay_io *);
bool	relay_listen_take_row(struct relay *, const uint8_t *, size_t);
void	relay_listen_asked(struct relay *);
void	relay_listen_answered(struct relay *, bool is_good);
/* What the server had when it was read back; sqlscan's touches. */
void	relay_listen_found(struct relay *, uint32_t inventory);
/* True: it is not settled yet what it listens to. */
bool	relay_listen_goes_on(struct relay *);
/* owes_ready: it is told now. */
void	relay_listen_say_ready(struct relay *);
/* hearer != NULL: what was kept for it, in front of ReadyForQuery. */
void	relay_listen_put_kept(struct relay *, struct relay_io *);
/* The same at any time: if it rests. */
void	relay_listen_flush(struct relay *);
bool	relay_listen_on_notification(struct relay *, struct relay_io *,
	    const uint8_t *, size_t);

/* relay_greet.c */
void	relay_greet(struct relay *, const struct client_start *);
void	relay_greet_again(struct relay *);	/* the roles have changed */
void	relay_greet_linked(struct relay *);
void	relay_greet_done(struct relay *, bool failed);
void	relay_greet_refused(struct relay *, const struct pool_error *);
void	relay_greet_lost(struct relay *, const char *sqlstate,
	    const char *text);

#include "relay/relay_prepare.h"

#endif
