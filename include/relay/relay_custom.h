/*
 * Custom settings, whose names nobody lists.  The sets in relay->settings that
 * this is about are held by the relay.
 */

#ifndef RELAY_RELAY_CUSTOM_H
#define RELAY_RELAY_CUSTOM_H

#include "relay/relay_private.h"

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
/* Not held for the caller. */
const struct settings *relay_wish(const struct relay *);
/* Linked; or it will not be. */
void		relay_settle_adopted(struct relay *);
void		relay_drop_adopted(struct relay *);
void		relay_set_naming(struct relay *, const struct settings *);
/* The server is no more its own. */
void		relay_leave_names(struct relay *, struct server *);

#endif
