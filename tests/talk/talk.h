/*
 * The language of the talk tests: scripted clients and a scripted PostgreSQL,
 * with the real client, relay and pool between them, on a clock that only the
 * test moves.
 *
 *	struct peer	*one = talk_begins("default_pool_size = 1\n");
 *	struct peer	*ann = client_enters(1);
 *
 *	says(ann, query("select 1"));
 *	hears(one, query("select 1"));
 *	says(one, row("1"), complete("SELECT 1"), ready('I'));
 *	hears(ann, row("1"), complete("SELECT 1"), ready('I'));
 *	talk_ends();
 *
 * Loops 1 to TALK_LOOPS are the workers', loop 0 is main's; one thread turns
 * them all, until nothing moves any more.  So whatever can happen has
 * happened when says() returns, and what a peer has heard by then is all that
 * it will hear: hears() wants exactly that.  Nothing depends on how fast the
 * machine is.
 *
 * talk_ends() wants that every peer has been listened to, that all clients
 * can leave, and that no server and no place in a limit is left over then.
 */

#ifndef TALK_H
#define TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "../unit/check_main.h"

enum { TALK_LOOPS = 3 };

struct peer;		/* one end of a connection, which the script plays */
struct saying;		/* a message, or what it has to look like */

/*
 * The stage.
 */

/* One idle server, on loop 1: what clients are told at login is known. */
struct peer	*talk_begins(const char *options);
/*
 * Nobody is there yet.  database: what else its line says; options: lines of
 * [pgweir], which go before those that the stage itself needs; @DIR@ in them
 * is the directory with PostgreSQL's socket, at port 1.  Peers may be there
 * as well, also at port 2, which is the same socket.
 */
void		 talk_begins_cold(const char *database, const char *options);
/*
 * As talk_begins(), but "d" is on two hosts, of which the first, where the
 * server is, is the primary.  Nobody asks them; nothing is proven to read.
 */
struct peer	*talk_begins_split(const char *options);
/* Of them: the primary says how far it has written, */
void		 primary_is_at(int64_t lsn);
/* and the replica how far it has replayed; whether it may serve reads. */
void		 replica_is_at(int64_t lsn);
void		 replica_serves(bool);
void		 talk_ends(void);

/* PostgreSQL stops listening, and listens again. */
void		 postgres_stops(void);
void		 postgres_starts(void);

void		 time_passes(int64_t us);
/* "1 linked, 0 idle, 2 waiting", and "1 opening", "1 moving" if there are */
#define pool_is(text)	talk_pool_is(__FILE__, __LINE__, (text))

/*
 * Who speaks.
 */

/* A connection that is accepted by this loop and has said nothing. */
struct peer	*client_connects(int loop);
/* The same, logged in as user "u" of database "d"; nothing is unheard. */
struct peer	*client_enters(int loop);
/* It is let in; its cancel key is known from now on. */
void		 hears_greeting(struct peer *);
/* The next connection that came to PostgreSQL: a server or a canceller. */
#define server_arrives()	talk_arrives(__FILE__, __LINE__)
/* The same, which asked for "d" as "u" and is let in. */
#define server_enters()		talk_server_enters(__FILE__, __LINE__)
#define nobody_arrives()	talk_nobody_arrives(__FILE__, __LINE__)
/* AuthenticationOk, its parameters, its key, ReadyForQuery. */
void		 lets_in(struct peer *);
/* It closes the connection, without a word. */
void		 leaves(struct peer *);
/* The same, and no loop turns until somebody says something. */
void		 leaves_unnoticed(struct peer *);

#define says(peer, ...)							\
	talk_says((peer), SIZE_MAX, (struct saying *const[]){		\
	    __VA_ARGS__, NULL })
/* Only so many bytes of it. */
#define says_first(n, peer, ...)					\
	talk_says((peer), (n), (struct saying *const[]){ __VA_ARGS__, NULL })
/* All of it, but only this loop turns, as long as it has something to do. */
#define says_while_only(loop, peer, ...)				\
	talk_says_while_only((loop), (peer), (struct saying *const[]){	\
	    __VA_ARGS__, NULL })
/* One byte, then what follows from it, then the next byte. */
#define says_slowly(peer, ...)						\
	talk_says_slowly((peer), (struct saying *const[]){		\
	    __VA_ARGS__, NULL })
#define length_of(...)							\
	talk_length((struct saying *const[]){ __VA_ARGS__, NULL })
#define hears(peer, ...)						\
	talk_hears(__FILE__, __LINE__, (peer),				\
	    (struct saying *const[]){ __VA_ARGS__, NULL })
#define hears_nothing(peer)						\
	talk_hears(__FILE__, __LINE__, (peer),				\
	    (struct saying *const[]){ NULL })
/* A server answers what a client has asked; the client hears just that. */
#define answers(server, client, status)					\
	talk_answers(__FILE__, __LINE__, (server), (client), (status))
/*
 * The client of this server is gone: what may be open is ended, what comes is
 * dropped until a row that only we can want, then it is reset.
 */
#define is_brought_in_step(server)					\
	talk_is_brought_in_step(__FILE__, __LINE__, (server), false)
/* The same where a batch had no Sync. */
#define is_rolled_back_in_step(server)					\
	talk_is_brought_in_step(__FILE__, __LINE__, (server), true)
/* A whole statement: asked through this server, and answered. */
#define asks(client, server, text, status)				\
	talk_asks(__FILE__, __LINE__, (client), (server), (text), (status))
/* The same through a server that is opened for it, and returned. */
#define opens_for(client, text, status)					\
	talk_opens_for(__FILE__, __LINE__, (client), (text), (status))
/* The other side has closed the connection, behind what was heard. */
bool		 has_heard_the_end(const struct peer *);
/* Its cancel key. */
uint32_t	 pid_of(const struct peer *);
uint32_t	 secret_of(const struct peer *);
/* The clients of this loop are told to go, over this time. */
void		 dismisses(int loop, const char *text, int64_t spread_us);
/* SUSPEND and RESUME, in all loops. */
void		 suspends(bool);
/* Whatever it was: counts as heard. */
void		 ignores(struct peer *);

/*
 * What is said.  A saying lives until talk_ends().
 */

struct saying	*startup(const char *user, const char *database);
/* The cancel request that this peer's key makes. */
struct saying	*cancel_of(const struct peer *);
struct saying	*cancel_without_hops(const struct peer *);
struct saying	*cancel_by_key(uint32_t pid, uint32_t secret);
struct saying	*password(const char *);
struct saying	*query(const char *);
struct saying	*parse(const char *name, const char *text);
struct saying	*binds(const char *statement);
struct saying	*executes(void);
struct saying	*describes(char kind, const char *name);
/* A message that is nothing but its type: 'S', 'H', 'X', '1', 'c', ... */
struct saying	*plain(char type);

struct saying	*auth(uint32_t code, const char *data);
struct saying	*auth_bytes(uint32_t code, const void *, size_t);
struct saying	*shape(const char *column);
struct saying	*row(const char *value);
/* A row that says what is set, as PostgreSQL does when it is asked. */
struct saying	*setting(const char *name, const char *value);
struct saying	*complete(const char *tag);
struct saying	*ready(char status);
struct saying	*parameter(const char *name, const char *value);
struct saying	*backend_key(uint32_t pid, uint32_t secret);
struct saying	*notice(const char *text);
struct saying	*notification(const char *channel);
/* By who has this peer's cancel key. */
struct saying	*notification_by(const struct peer *, const char *channel);
/*
 * ErrorResponse.  Heard, it must have this severity and SQLSTATE, and its
 * message and hint must contain this, where ... stands for anything.
 */
struct saying	*error(const char *sqlstate, const char *part);
struct saying	*fatal(const char *sqlstate, const char *part);
struct saying	*copy_in(void);
struct saying	*copy_out(void);
struct saying	*copy_data(const char *);
struct saying	*copy_fail(const char *);
/* Any message: its type and its body. */
struct saying	*message(char type, const void *, size_t);
/* The same, with a saying's bytes for a body. */
struct saying	*message_of(char type, const struct saying *);
/* Any bytes. */
struct saying	*bytes(const void *, size_t);
/* All of these as one, and a part of that. */
#define all_of(...)							\
	talk_all_of((struct saying *const[]){ __VA_ARGS__, NULL })
struct saying	*cut(const struct saying *, size_t from, size_t to);
/* The same, with one bit of this byte changed. */
struct saying	*flipped(const struct saying *, size_t at);
/* "...", PostgreSQL's host and port as errors name it, and this. */
const char	*at_host(const char *rest);
/* Heard only: the other side has closed the connection. */
struct saying	*the_end(void);

/* The body of the next message that was heard, which must be of this type. */
#define hears_body(peer, type)						\
	talk_hears_body(__FILE__, __LINE__, (peer), (type))

/*
 * What the macros call.
 */

void		 talk_says(struct peer *, size_t limit,
		    struct saying *const *);
void		 talk_says_while_only(int loop, struct peer *,
		    struct saying *const *);
void		 talk_says_slowly(struct peer *, struct saying *const *);
struct saying	*talk_all_of(struct saying *const *);
size_t		 talk_length(struct saying *const *);
void		 talk_hears(const char *file, int line, struct peer *,
		    struct saying *const *);
struct buf	*talk_hears_body(const char *file, int line, struct peer *,
		    char type);
void		 talk_answers(const char *file, int line, struct peer *server,
		    struct peer *client, char status);
void		 talk_asks(const char *file, int line, struct peer *client,
		    struct peer *server, const char *text, char status);
struct peer	*talk_opens_for(const char *file, int line,
		    struct peer *client, const char *text, char status);
void		 talk_is_brought_in_step(const char *file, int line,
		    struct peer *server, bool is_in_batch);
struct peer	*talk_arrives(const char *file, int line);
struct peer	*talk_server_enters(const char *file, int line);
void		 talk_nobody_arrives(const char *file, int line);
void		 talk_pool_is(const char *file, int line, const char *);

#endif
