/*
 * Which host may serve the next transaction.
 */

#ifndef RELAY_RELAY_CHOOSE_H
#define RELAY_RELAY_CHOOSE_H

#include "pool/pool.h"
#include "relay/relay_message.h"
#include "route/route.h"

/* Where the next transaction goes, and why. */
struct relay_choice {
	enum need		 need;
	bool			 has_need;	/* it is known */
	bool			 keeps_place;	/* in line: what it got did not
						 * suit */
	bool			 is_batch;	/* of the extended protocol */
	bool			 wants_read;	/* it is proven to only read */
	uint8_t			 why;		/* wants_read or not: enum
						 * route_why */
	uint8_t			 primary_why;	/* not 0: it goes there, for
						 * this enum route_why */
	enum route		 route;		/* the client's; or default */
	enum route		 start_route;	/* of its startup */
};

/*
 * Before a server is asked for: what its transaction needs, by its first
 * statement (NULL: not known), the client's wish and the configuration.
 */
void	relay_choose(struct relay *, const char *text, size_t n);
/* As pool_take(), wherever that need is served. */
struct server	*relay_ask(struct relay *);
void	relay_on_moved(struct ticket *);
/* query_wait_notify; 0: off. */
extern _Atomic int64_t	relay_notify_us;
/* The ticket waits: how long, and when its client hears what for. */
void	relay_watch_wait(struct relay *);
/* The client's wish, or the configuration's; without a comment. */
enum route	relay_route(const struct relay *);
/* pgweir.route in a startup packet.  False: the client was refused. */
bool	relay_take_route(struct client *, const char *value, enum route *);
/* No host was there for who waits. */
void	relay_refuse_no_host(struct relay *);

#endif
