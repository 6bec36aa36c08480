/*
 * The end of a login.
 */

#ifndef RELAY_RELAY_GREET_H
#define RELAY_RELAY_GREET_H

#include "relay/relay_private.h"

struct client_start;
struct pool_error;
struct pool_welcome;

void	relay_greet(struct relay *, const struct client_start *);
/* Ask for a server to log in at; also when the roles have changed. */
void	relay_greet_take(struct relay *);
void	relay_greet_linked(struct relay *);
void	relay_greet_done(struct relay *, bool failed);
void	relay_greet_refused(struct relay *, const struct pool_error *);
void	relay_greet_lost(struct relay *, const char *sqlstate,
	    const char *text);
struct pool_welcome	*relay_welcome_hold(const struct relay *);

#endif
