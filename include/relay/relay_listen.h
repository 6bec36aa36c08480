/*
 * LISTEN: the client's part of it.
 */

#ifndef RELAY_RELAY_LISTEN_H
#define RELAY_RELAY_LISTEN_H

#include "relay/relay_message.h"

struct hearer;

/* What the client listens to. */
struct relay_listen {
	struct hearer		*hearer;	/* NULL: it never listened */
	bool			 has_baseline;	/* its server listens to what
						 * it listens to */
};

/* What was said may change what it listens to. */
bool	relay_listen_may_change(const struct relay *);
/* hearer != NULL, about to use its server: which has to listen first. */
void	relay_listen_lay(struct relay *, struct relay_io *);
/* PURPOSE_BASELINE, or LISTEN_HERE, is answered. */
void	relay_listen_laid(struct relay *);
/* The server has to be asked what it listens to. */
bool	relay_listen_must_ask(const struct relay *);
void	relay_listen_ask(struct relay *, struct relay_io *);
bool	relay_listen_take_row(struct relay *, const uint8_t *, size_t);
/* PURPOSE_LISTENS is answered: its rows were taken. */
void	relay_listen_asked(struct relay *);
/* The hub has answered the hearer's order. */
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
/* From its own server.  True: the client gets it as it is. */
bool	relay_listen_on_notification(struct relay *, struct relay_io *,
	    const uint8_t *, size_t);

#endif
