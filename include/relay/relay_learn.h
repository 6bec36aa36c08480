/*
 * What PostgreSQL makes of what a client prepares.
 */

#ifndef RELAY_RELAY_LEARN_H
#define RELAY_RELAY_LEARN_H

#include "relay/relay_message.h"
#include "session/prepared.h"
#include "session/session.h"

struct buf;

/* What the client has prepared. */
struct relay_prepared {
	struct names		 names;
	struct statement	*unnamed;	/* held, or NULL */
	const struct statement	*misfit;	/* its rows have changed, as was
						 * just found; not held */
	bool			 knows_shapes;	/* has ever described */
	bool			 keeps_unnamed;	/* has ever used one of another
						 * batch */
	uint32_t		 long_touches;	/* PIN_STATEMENT: of its text */
};

/*
 * The client prepares; *known: what this came to be a moment ago, or else the
 * statement itself; a reference is the caller's.  Returns what is expected of
 * Parse; NULL: the server has it already.
 */
struct expectation	*relay_learn_parsed(struct relay *, struct relay_io *,
			    struct statement *, const char *name,
			    struct statement **known);
/*
 * The server's number of the statement of a Bind or Describe, which gets it
 * now if need be.  0: not so, or not as the client knows it under its name;
 * *verdict says what became of the message.
 */
uint32_t	relay_number(struct relay *, struct relay_io *,
		    const struct relay_message *, enum expect_kind,
		    struct statement *, const char *name,
		    enum relay_verdict *verdict);
/* A Bind whose values are too few or too many was refused here. */
bool	relay_refuse_unnamed(struct relay *, struct relay_io *,
	    const struct relay_message *, const struct statement *,
	    const char *name);
/* Bind or Describe of an unnamed one; and a Sync behind these, or Parse. */
void	relay_note_unnamed(struct relay *, enum expect_kind);
void	relay_ask_unnamed(struct relay *, struct relay_io *);
/* A Describe of ours is answered; session->described has the parameters. */
void	relay_learn(struct relay *, struct relay_io *,
	    const struct expectation *, uint64_t shape);
/* One of the unnamed statement. */
void	relay_learn_unnamed(struct relay *, const struct expectation *,
	    const uint8_t *types, size_t);
/* What this batch names has changed its shape: any will do. */
void	relay_unlearn(struct relay *, const struct buf *batch);

#endif
