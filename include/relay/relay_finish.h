/*
 * The end of a transaction: what becomes of the server.
 */

#ifndef RELAY_RELAY_FINISH_H
#define RELAY_RELAY_FINISH_H

#include "relay/relay_private.h"

/* LINKED -> IDLE; the server is the caller's. */
struct server	*relay_unlink(struct relay *);
/* Everything is answered: perhaps the transaction is over. */
void	relay_finish(struct relay *);
/* The server must not be used again; the relay is IDLE. */
void	relay_drop_server(struct relay *, enum reason, const char *detail);
/* The client goes away: what becomes of its server. */
void	relay_abandon_server(struct relay *);
/* Reset a server that is in step, then to its pool. */
void	relay_reset_server(struct server *, const char *query);
/* DISCARD ALL, or DEALLOCATE ALL, has succeeded. */
void	relay_forget_session(struct relay *);
void	relay_forget_names(struct relay *);
/* Nothing is expected and the client owes nothing. */
bool	relay_is_at_rest(const struct relay *);
/* Between two statements: the limits that count while nothing runs. */
void	relay_watch_rest(struct relay *);
int64_t	relay_idle_limit(const struct relay *);

#endif
