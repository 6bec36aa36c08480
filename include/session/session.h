/*
 * What the relay keeps with a server, beside what pool/server.h knows: which
 * settings and statements it has, and what it still has to answer.
 *
 * Belongs to the server and is touched by its owner only.
 */

#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "session/expected.h"
#include "session/prepared.h"
#include "session/settings.h"

enum server_suits;
struct error_fields;
struct server;

/* What is kept of the client's batch, to run it again. */
enum batch_state {
	BATCH_NONE,		/* not all of it */
	BATCH_GROWS,
	BATCH_WHOLE,
	BATCH_AGAIN,		/* it is run again, or will be */
};

struct server_session {
	const struct settings	*settings;	/* applied, held; also what the
						 * server's mark points to */
	const struct settings	*residue;	/* held: custom names that were
						 * ever set on it */
	struct shelf		 shelf;
	struct statement	*unnamed; /* held; NULL: none, or unknown */
	struct statement	*deallocate; /* held: a DEALLOCATE that the
					      * unnamed portal is bound to */
	struct expected		 expected;
	struct buf		 held; /* an answer that came in part */
	uint32_t		 skip;		/* bytes of the current answer
						 * that are still to come */
	bool			 skip_passes;	/* they go to the client */
	bool			 has_said_error; /* to the client, and it is
						 * not ready again yet */
	bool			 is_copying;	/* COPY in of an Execute: Sync
						 * is ignored */
	uint32_t		 copy_syncs;	/* ignored, if it has begun to
						 * read */
	uint32_t		 copy_readies;	/* relay_copy.c's */
	bool			 has_failed; /* the query of ours that runs */
	uint8_t			 own_purpose;	/* the last one that ended */
	uint8_t			 batch_state;	/* relay_retry.c's, these: */
	struct buf		 batch;		/* what the client said */
	struct buf		 described;	/* parameters, whose rows may
						 * turn out to have changed */
	bool			 has_altered;	/* something in the database */
	struct settings_draft	*draft;		/* being read back */
	struct buf		 row;		/* of that, what is here of a
						 * long one */
	uint64_t		 drawn_by;	/* a client's id: others have
						 * not drawn from sequences */
	struct words_draft	*words;		/* being read */
	uint32_t		 inventory;	/* found with it: touches */
	bool			 is_in_batch;	/* relay_drain.c's, these: a
						 * Sync would commit it */
	bool			 is_cancelled;	/* something ran on it */
	int64_t			 drained_us;	/* since when */
	bool			 is_asked;
	bool			 is_marked;	/* our row has come */
	bool			 is_drained;	/* and ReadyForQuery */
	uint64_t		 marker;
	struct buf		 reported;	/* ParameterStatus to a query of
						 * ours */
	struct buf		 error;		/* body of its ErrorResponse */
};

/* The session of a server, made at its first use. */
struct server_session	*session_of(struct server *);
void			 session_set_settings(struct server *,
			    const struct settings *);	/* takes a hold */
/*
 * Whether a client with these settings may have this server: PostgreSQL keeps
 * a custom name that was set once, and shows it to everybody.
 */
bool			 session_fits(struct server *,
			    const struct settings *);
/* server_hooks: the wish is a set. */
enum server_suits	 session_suits(const struct server *,
			    const void *wish);
/* The custom names among these are, or may come to be, on it. */
void			 session_expect_names(struct server *,
			    const struct settings *);
/* Some server has a custom name. */
extern _Atomic bool	 session_has_customs;
void			 session_set_unnamed(struct server_session *,
			    struct statement *);	/* takes a hold */
void			 session_set_deallocate(struct server_session *,
			    struct statement *);	/* takes a hold */
/*
 * What the server says, into a buffer of LOOP_BUFFER_BYTES, behind the part of
 * a message that was held back: how much is there now, or as stream_read().
 */
ssize_t			 session_read(struct server *, uint8_t *buffer);
/* The message that begins here has come in part only; none: n is 0. */
void			 session_hold_back(struct server_session *,
			    const uint8_t *, size_t n);
/* What the server said last of what went wrong, as long as it is kept. */
void			 session_error(const struct server_session *,
			    struct error_fields *);
/* Its client is gone: what it was in the middle of is nobody's. */
void			 session_forget_talk(struct server_session *);
/* server_hooks */
void			 session_free(struct server *);
void			 session_reset(struct server *);
/*
 * A reset that nobody knows the extent of: statements are forgotten, and
 * settings are applied anew, whatever they are now.
 */
void			 session_blur(struct server *);

#endif
