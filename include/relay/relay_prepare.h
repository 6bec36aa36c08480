/*
 * What the files of the relay share about prepared statements: names, what
 * PostgreSQL makes of what they mean, and what a server has of them.
 *
 * A part of relay_private.h, which is to be included instead.
 */

#ifndef RELAY_RELAY_PREPARE_H
#define RELAY_RELAY_PREPARE_H

/* relay_names.c */
/* A message of the client waits until all before it is answered. */
void	relay_await_answers(struct relay *, struct relay_io *);
bool	relay_awaits_meaning(struct relay *, struct relay_io *,
	    enum expect_kind, const char *name);
/* The same, if what the name means depends on that; else false. */
static inline bool
relay_awaits_name(struct relay *relay, struct relay_io *io,
    enum expect_kind kind, const char *name)
{
	return name[0] != '\0' && relay_has_expected(relay) &&
	    relay_awaits_meaning(relay, io, kind, name);
}
bool	relay_awaits_unnamed(struct relay *, struct relay_io *);
/* The name means nothing: an error. */
enum relay_verdict	relay_no_statement(struct relay *, struct relay_io *,
			    const struct relay_message *, const char *name);
/* An error with the server's name in it is told with the client's. */
bool	relay_rename_error(struct relay *, struct relay_io *,
	    const struct expectation *, const uint8_t *body, size_t n,
	    const struct error_fields *);

/* relay_learn.c */
/*
 * The client prepares; *known: what this came to be a moment ago, or else the
 * statement itself; a reference is the caller's.  Returns what is expected of
 * Parse; NULL: the server has it already.
 */
struct expectation	*relay_learn_parsed(struct relay *, struct relay_io *,
			    struct statement *, const char *name,
			    struct statement **known);
/*
 * A Bind or Describe of this statement, under the client's name: it is on the
 * server now.  False: not so, or not as the client knows it; *verdict says
 * what became of the message.
 */
bool	relay_may_bind(struct relay *, struct relay_io *,
	    const struct relay_message *, enum expect_kind,
	    struct statement *, const char *name, enum relay_verdict *verdict);
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

/* relay_shelf.c */
/* Close on the server what was prepared under settings that did not last. */
void	relay_close_private(struct relay *, struct relay_io *);
/* Send Parse for this statement under a name of the server's own. */
struct expectation	*relay_shelve(struct relay *, struct relay_io *,
			    struct statement *, enum expect_fate);
/* Close on the server, and forget, what is there. */
void	relay_close_shelved(struct server_session *, struct relay_io *,
	    struct shelf_entry *);
/* The server has this statement, or gets it now; its number there. */
uint32_t	relay_ensure(struct relay *, struct relay_io *,
		    struct statement *);
/* The server's unnamed statement is this client's, or becomes it. */
void	relay_ensure_unnamed(struct relay *, struct relay_io *);

#endif
