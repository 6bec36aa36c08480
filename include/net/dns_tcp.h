/*
 * One question to the name servers over TCP, for an answer that was cut.
 *
 * libevent's evdns asks over UDP only, and throws a cut answer away.  Its
 * name servers are asked in turn until one answers.  What they send is
 * hostile: no length is believed.  The main thread's.
 */

#ifndef NET_DNS_TCP_H
#define NET_DNS_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct dns_tcp;
struct evdns_base;
struct loop;

enum { DNS_TCP_ADDRESSES_MAX = 32 };

struct dns_answer {
	int		code;		/* as in the answer; 0: no error */
	int		count;
	uint32_t	ttl;		/* seconds, the shortest */
	struct addr	addresses[DNS_TCP_ADDRESSES_MAX];
};

/*
 * family: AF_INET or AF_INET6.  NULL: it is no name, or there is no server.
 * done() comes later, with NULL when nobody has answered, and the question is
 * gone then.
 */
struct dns_tcp	*dns_tcp_ask(struct loop *, struct evdns_base *,
		    const char *name, int family,
		    void (*done)(void *arg, const struct dns_answer *),
		    void *arg);
void		 dns_tcp_cancel(struct dns_tcp *);	/* no done() */

#endif
