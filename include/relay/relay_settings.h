/*
 * Settings that follow the client; refused ones, and RESET.
 */

#ifndef RELAY_RELAY_SETTINGS_H
#define RELAY_RELAY_SETTINGS_H

#include "relay/relay_message.h"
#include "session/session.h"

/* What follows the client from server to server. */
struct relay_settings {
	const struct settings	*wanted;	/* now, held */
	const struct settings	*defaults;	/* from its startup, held */
	const struct settings	*naming; /* held: custom names beside those
						 * wanted, which its server may
						 * have now */
	const struct settings	*adopted; /* held, or NULL: with names that its
						 * first statement sets */
	bool			 has_reset;	/* what is read back now */
	bool			 is_for_transaction; /* what comes back */
	bool			 is_person_first; /* role before the rest */
	bool			 has_tried_order; /* both, on this server */
	uint8_t			 dropped_servers; /* that refused them */
	bool			 are_told;	/* the client hears of what the
						 * next switch reports */
	bool			 have_changed;	/* the client was told so, and
						 * we do not know how */
};

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
/* What was sent may change what the session is. */
bool	relay_may_change(const struct relay *);
/*
 * The same, on one of several hosts: nothing more is sent, and its client told
 * nothing, before it is known how.  If the server is lost meanwhile, nothing
 * has changed, and the client goes on.
 */
bool	relay_must_know(const struct relay *);
/* What these touches come to, for RESET ALL. */
uint32_t	relay_follow_reset(const struct relay *, uint32_t touches);
/* What its text touches, as far as it is here. */
uint32_t	relay_message_touches(struct relay *,
		    const struct relay_message *);
bool	relay_restores(struct relay *, const struct relay_message *);
void	relay_restore(struct relay *, enum expect_purpose);

#endif
