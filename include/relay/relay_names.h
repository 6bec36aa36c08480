/*
 * A client's names of statements, and the server's.
 */

#ifndef RELAY_RELAY_NAMES_H
#define RELAY_RELAY_NAMES_H

#include "relay/relay_private.h"

/* What the client has prepared under this name, or without one; or NULL. */
static inline struct statement *
relay_named(const struct relay *relay, const char *name)
{
	return name[0] == '\0' ? relay->prepared.unnamed :
	    names_find(&relay->prepared.names, name);
}

void	relay_set_named(struct relay *, const char *name, struct statement *);
/*
 * The body of a Parse, which is well formed: the statement has its name as if
 * PostgreSQL had prepared it.  False: there is no room for it.
 */
bool	relay_name_parsed(struct relay *, const uint8_t *body, size_t n);
/* The name at this place of the body; NULL: its end is not here. */
const char	*relay_body_name(const struct relay_message *, size_t offset,
		    size_t *after);
/* A name that is not here yet: wait for it, within reason. */
enum relay_verdict	relay_name_missing(struct relay *,
			    const struct relay_message *);
/* Begin the message anew under a changed name: type, length, first bytes. */
void	relay_put_renamed(struct relay_io *, const struct relay_message *,
	    size_t keep, const char *name, size_t old_after);

/* A message of the client waits until all before it is answered. */
void	relay_await_answers(struct relay *, struct relay_io *);
/* The same in a batch, which has begun then. */
void	relay_await_in_batch(struct relay *, struct relay_io *);
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
/* The same where the Parse of this number may be skipped with its batch. */
bool	relay_awaits_parse(struct relay *, struct relay_io *, uint32_t number,
	    const char *name);
/* The name means nothing: an error. */
enum relay_verdict	relay_no_statement(struct relay *, struct relay_io *,
			    const struct relay_message *, const char *name);
/* An error with the server's name in it is told with the client's. */
bool	relay_rename_error(struct relay *, struct relay_io *,
	    const struct expectation *, const uint8_t *body, size_t n,
	    const struct error_fields *);

#endif
