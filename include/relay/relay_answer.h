/*
 * Answers that are made here.
 */

#ifndef RELAY_RELAY_ANSWER_H
#define RELAY_RELAY_ANSWER_H

#include "relay/relay_private.h"

/* Of the client's transaction, as a ReadyForQuery says it. */
uint8_t	relay_status(const struct relay *);
/*
 * At its turn: now, or (then the entry is returned) after what is expected.
 * The buf is done with; NULL: nothing is said.
 */
struct expectation	*relay_answer(struct relay *, struct relay_io *,
			    enum expect_kind, struct buf *);
/* ReadyForQuery, as things are now, behind the notifications that are kept. */
void	relay_put_ready(struct relay *, struct relay_io *);
/* An ERROR; until Sync, or the end of this Query, the rest is dropped. */
void	relay_answer_error(struct relay *, struct relay_io *, bool is_query,
	    const char *sqlstate, const char *hint, const char *format, ...)
	    __attribute__((format(printf, 6, 7)));
void	relay_answer_fields(struct relay *, struct relay_io *, bool is_query,
	    const struct error_fields *);
/* Append it; it counts as said. */
void	relay_put_refusal(const struct relay *, struct buf *,
	    const struct error_fields *);
/* One that goes out now, in the place of what PostgreSQL has said. */
void	relay_put_answer_error(struct relay *, struct relay_io *,
	    const struct error_fields *);
/* PostgreSQL has told the client an error; its text may hold data. */
void	relay_note_error(const struct relay *, const char *sqlstate);
/* Answers whose turn has come. */
void	relay_answer_made(struct relay *, struct relay_io *);

static inline void
relay_answer_due(struct relay *relay, struct relay_io *io)
{
	const struct expectation *head =
				    expected_head(&relay->server->session
				    ->expected);

	if (head != NULL && head->fate == FATE_MADE)
		relay_answer_made(relay, io);
}

/* WAITING: no server will come: everything that was held gets an error. */
void	relay_refuse_held(struct relay *, const char *sqlstate,
	    const char *text, const char *hint);
void	relay_refuse_held_with(struct relay *, const struct error_fields *);

#endif
