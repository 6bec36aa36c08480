/*
 * Names to addresses; see net/resolve.h.
 *
 * Both families are asked for at once and the answers put together.  What
 * /etc/hosts has is found by evdns before it asks a name server; localhost is
 * known without either.  libevent 2.1 does not ask again over TCP when an
 * answer was cut; what fits into a datagram is used.
 */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/resolve.h"

#define DEFAULT_TTL_US	(15 * US_PER_SECOND)

struct resolver {
	struct loop		*loop;
	struct evdns_base	*dns;
};

struct question {
	struct task		 task;		/* known answers */
	struct loop		*loop;
	void			(*done)(void *, const struct resolve_answer *);
	void			*arg;
	struct resolve_answer	 answer;
};

struct resolver *
resolver_new(struct loop *loop, const char *resolv_conf)
{
	struct resolver	*resolver = mem_new(sizeof *resolver);

	if (resolv_conf == NULL || resolv_conf[0] == '\0')
		resolv_conf = "/etc/resolv.conf";
	resolver->loop = loop;
	resolver->dns = evdns_base_new(loop->base,
	    EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL)
		abort();
	evdns_base_resolv_conf_parse(resolver->dns,
	    DNS_OPTIONS_ALL, resolv_conf);
	evdns_base_set_option(resolver->dns, "timeout:", "2");
	evdns_base_set_option(resolver->dns, "attempts:", "2");
	evdns_base_set_option(resolver->dns, "randomize-case:", "0");
	return resolver;
}

void
resolver_free(struct resolver *resolver)
{
	evdns_base_free(resolver->dns, 0);
	free(resolver);
}

static void
question_done(struct question *question)
{
	question->done(question->arg, &question->answer);
	free(question);
}

static void
resolver_on_known(struct loop *loop, struct task *task)
{
	(void)loop;
	question_done(container_of(task, struct question, task));
}

static bool
question_add(struct question *question, const struct sockaddr *sockaddr,
    socklen_t length)
{
	struct addr	*addr;

	if (question->answer.count == RESOLVE_ADDRESSES_MAX)
		return false;
	addr = &question->answer.addresses[question->answer.count];
	memset(addr, 0, sizeof *addr);
	memcpy(&addr->u, sockaddr, length);
	addr->length = length;
	question->answer.count++;
	return true;
}

static void
resolver_on_answer(int result, struct evutil_addrinfo *list, void *arg)
{
	struct question	*question = arg;
	struct loop	*loop = question->loop;

	for (struct evutil_addrinfo *at = list; at != NULL; at = at->ai_next)
		if (!question_add(question, at->ai_addr,
		    (socklen_t)at->ai_addrlen))
			break;
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (question->answer.count == 0)
		snprintf(question->answer.error,
		    sizeof question->answer.error, "%s",
		    evutil_gai_strerror(result));
	question_done(question);
	loop_run_tasks(loop);
}

static bool
resolver_knows(struct question *question, const char *name)
{
	struct addr	addr;

	if (strcasecmp(name, "localhost") == 0)
		return addr_parse_ip(&addr, "127.0.0.1", 0) &&
		    question_add(question, &addr.u.any, addr.length) &&
		    addr_parse_ip(&addr, "::1", 0) &&
		    question_add(question, &addr.u.any, addr.length);
	return addr_parse_ip(&addr, name, 0) &&
	    question_add(question, &addr.u.any, addr.length);
}

void
resolver_ask(struct resolver *resolver, const char *name,
    void (*done)(void *, const struct resolve_answer *), void *arg)
{
	struct evutil_addrinfo	 hints = { .ai_family = AF_UNSPEC,
				    .ai_socktype = SOCK_STREAM,
				    .ai_protocol = IPPROTO_TCP };
	struct question		*question = mem_new(sizeof *question);

	question->loop = resolver->loop;
	question->done = done;
	question->arg = arg;
	question->answer.ttl_us = DEFAULT_TTL_US;
	question->task.run = resolver_on_known;
	if (resolver_knows(question, name))
		loop_defer(resolver->loop, &question->task);
	else if (evdns_base_count_nameservers(resolver->dns) == 0) {
		snprintf(question->answer.error,
		    sizeof question->answer.error,
		    "there is no name server in resolv.conf");
		loop_defer(resolver->loop, &question->task);
	} else
		evdns_getaddrinfo(resolver->dns, name, NULL, &hints,
		    resolver_on_answer, question);
}
