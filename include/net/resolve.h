/*
 * Names to addresses, on the main loop, by libevent's evdns.
 *
 * resolv.conf counts, with its search list; /etc/hosts comes before it.
 * A numeric address needs no look-up.  Both families are asked for; IPv4
 * addresses come first.  An answer comes within five seconds.
 * What is cut, since more than some 28 addresses do not fit into a datagram,
 * is asked for again over TCP.
 */

#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct loop;
struct resolver;

enum { RESOLVE_ADDRESSES_MAX = 32 };

struct resolve_answer {
	int		 count;		/* 0: error says why */
	int64_t		 ttl_us;	/* of the shortest-lived record */
	char		 error[128];
	struct addr	 addresses[RESOLVE_ADDRESSES_MAX]; /* port not set */
};

/* resolv_conf: a file to read instead of /etc/resolv.conf, or NULL. */
struct resolver	*resolver_new(struct loop *, const char *resolv_conf);
/* A file to read instead of /etc/hosts; the string must outlive it. */
void		 resolver_set_hosts_file(struct resolver *, const char *);
/* No answers come.  The loop may not run again afterwards. */
void		 resolver_free(struct resolver *);

/*
 * Ask for the IPv4 and IPv6 addresses of a name.  The answer comes to
 * done() on the resolver's loop, never before this returns; it belongs to
 * the resolver.
 */
void		 resolver_ask(struct resolver *, const char *name,
		    void (*done)(void *arg, const struct resolve_answer *),
		    void *arg);

#endif
