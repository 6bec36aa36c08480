/*
 * Names to addresses; see net/resolve.h.
 *
 * What is known without asking, a numeric address, localhost (RFC 6761) or a
 * name in /etc/hosts, is answered by a task.  For anything else both families
 * are asked for at once and the answers put together, IPv4 first.  When one
 * family has answered with addresses the other one has a second more, since
 * some name servers never answer for IPv6; together they have five seconds.
 *
 * The search list is tried here (net/search_list.h), one name after the other
 * and each with both families, because evdns would go on to the next name
 * when an answer was cut.  Such an answer is asked for again over TCP
 * (net/dns_tcp.h), which libevent 2.1 does not do.
 *
 * A question lives until it has been told and evdns has called back for all
 * of its lookups, which it does for cancelled ones as well.
 */

#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/dns_tcp.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/search_list.h"

#define KNOWN_TTL_US	(15 * US_PER_SECOND)	/* of what is in no record */
#define LIMIT_US	(5 * US_PER_SECOND)
#define OTHER_FAMILY_US	(1 * US_PER_SECOND)

struct question;

/* One name, one family. */
struct lookup {
	struct question		*question;
	LIST_ENTRY(lookup)	 next;
	int			 family;
	struct evdns_request	*request;	/* NULL: over */
	struct dns_tcp		*tcp;		/* or this */
	char			 name[SEARCH_NAME_BYTES];
};

struct question {
	struct resolver		*resolver;
	LIST_ENTRY(question)	 next;
	LIST_HEAD(, lookup)	 lookups;	/* all, the dropped ones too */
	struct lookup		*v4, *v6;	/* NULL: answered */
	int			 open;		/* evdns will call back */
	int			 next_name;	/* of the search list */
	char			*name;
	struct task		 task;		/* tells what is known */
	struct deadline		 deadline;
	bool			 told;
	void			(*done)(void *, const struct resolve_answer *);
	void			*arg;
	struct resolve_answer	 answer;
};

struct resolver {
	struct loop		*loop;
	struct evdns_base	*dns;
	const char		*hosts_file;
	struct search_list	 search;
	LIST_HEAD(, question)	 questions;
};

static const struct {
	const char	*option, *value;
} resolver_options[] = {
	{ "timeout:", "1" },
	{ "attempts:", "4" },
	{ "initial-probe-timeout:", "1" },
	{ "randomize-case:", "0" },	/* some name servers do not keep it */
};

struct resolver *
resolver_new(struct loop *loop, const char *resolv_conf)
{
	struct resolver	*resolver = mem_new(sizeof *resolver);

	if (resolv_conf == NULL || resolv_conf[0] == '\0')
		resolv_conf = "/etc/resolv.conf";
	resolver->loop = loop;
	resolver->hosts_file = "/etc/hosts";
	LIST_INIT(&resolver->questions);
	resolver->dns = evdns_base_new(loop->base,
	    EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL)
		abort();
	for (size_t i = 0; i < ARRAY_LENGTH(resolver_options); i++)
		evdns_base_set_option(resolver->dns,
		    resolver_options[i].option, resolver_options[i].value);
	/* Without a file or a name server in it: the one of this host. */
	evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTION_NAMESERVERS |
	    DNS_OPTION_MISC, resolv_conf);
	search_list_read(&resolver->search, resolv_conf);
	return resolver;
}

void
resolver_set_hosts_file(struct resolver *resolver, const char *path)
{
	resolver->hosts_file = path;
}

static void
lookup_free(struct lookup *lookup)
{
	if (lookup->tcp != NULL)
		dns_tcp_cancel(lookup->tcp);
	LIST_REMOVE(lookup, next);
	free(lookup);
}

static void
question_free(struct question *question)
{
	while (!LIST_EMPTY(&question->lookups))
		lookup_free(LIST_FIRST(&question->lookups));
	free(question->name);
	free(question);
}

/* evdns calls back for one that it was asked to cancel, which then goes. */
static void
lookup_drop(struct lookup **at)
{
	struct lookup	*lookup = *at;

	*at = NULL;
	if (lookup == NULL)
		return;
	if (lookup->request != NULL)
		evdns_cancel_request(lookup->question->resolver->dns,
		    lookup->request);
	else
		lookup_free(lookup);
}

void
resolver_free(struct resolver *resolver)
{
	struct question	*question;

	/* Without a callback, so that lookups are freed with their question. */
	evdns_base_free(resolver->dns, 0);
	while ((question = LIST_FIRST(&resolver->questions)) != NULL) {
		LIST_REMOVE(question, next);
		loop_undefer(resolver->loop, &question->task);
		deadline_clear(resolver->loop, &question->deadline);
		question_free(question);
	}
	search_list_done(&resolver->search);
	free(resolver);
}

static void
question_add(struct question *question, const struct addr *addr)
{
	if (question->answer.count < RESOLVE_ADDRESSES_MAX)
		question->answer.addresses[question->answer.count++] = *addr;
}

static void
question_free_if_over(struct question *question)
{
	if (!question->told || question->open > 0)
		return;
	LIST_REMOVE(question, next);
	question_free(question);
}

static void
question_tell(struct question *question)
{
	deadline_clear(question->resolver->loop, &question->deadline);
	lookup_drop(&question->v4);
	lookup_drop(&question->v6);
	if (question->answer.count > 0)
		question->answer.error[0] = '\0';
	question->told = true;
	question->done(question->arg, &question->answer);
	question_free_if_over(question);
}

static void
question_on_known(struct loop *loop, struct task *task)
{
	(void)loop;
	question_tell(container_of(task, struct question, task));
}

static void
question_on_expired(struct loop *loop, struct deadline *deadline)
{
	struct question	*question = container_of(deadline, struct question,
			    deadline);

	(void)loop;
	if (question->answer.error[0] == '\0')
		snprintf(question->answer.error,
		    sizeof question->answer.error,
		    "no name server answered within %d seconds",
		    (int)(LIMIT_US / US_PER_SECOND));
	question_tell(question);
}

/*
 * What the name servers say.
 */

static bool	question_ask(struct question *);

static const char *
lookup_reason(int result)
{
	switch (result) {
	case DNS_ERR_NOTEXIST:
		return "there is no such name";
	case DNS_ERR_NONE:
	case DNS_ERR_NODATA:
		return "the name has no address";
	case DNS_ERR_TIMEOUT:
		/* evdns takes a failing one for one that is silent. */
		return "no name server gave an answer";
	case DNS_ERR_TRUNCATED:
		return "the answer was cut, and no name server gave all of it "
		    "over TCP";
	case DNS_ERR_REFUSED:
		return "the name server refused to answer";
	default:
		return evdns_err_to_string(result);
	}
}

/* The first failure is told, if nothing is found. */
static void
question_note_failure(struct question *question, int result)
{
	if (question->answer.error[0] == '\0')
		snprintf(question->answer.error,
		    sizeof question->answer.error, "%s",
		    lookup_reason(result));
}

/* IPv4 comes first. */
static void
question_add_all(struct question *question, const struct addr *addresses,
    int count)
{
	struct resolve_answer	*answer = &question->answer;
	struct resolve_answer	 before = *answer;
	bool			 is_first = addresses[0].u.any.sa_family ==
				    AF_INET;

	if (is_first)
		answer->count = 0;
	for (int i = 0; i < count; i++)
		question_add(question, &addresses[i]);
	for (int i = 0; is_first && i < before.count; i++)
		question_add(question, &before.addresses[i]);
}

/* What one family said of one name. */
static void
lookup_settle(struct lookup *lookup, int result,
    const struct dns_answer *found)
{
	struct question		*question = lookup->question;
	struct resolve_answer	*answer = &question->answer;
	int64_t			 ttl_us = found->ttl * US_PER_SECOND;

	*(question->v4 == lookup ? &question->v4 : &question->v6) = NULL;
	lookup_free(lookup);
	if (result != DNS_ERR_NONE || found->count == 0)
		question_note_failure(question, result);
	else {
		question_add_all(question, found->addresses, found->count);
		if (ttl_us < answer->ttl_us)
			answer->ttl_us = ttl_us;
	}
	/* A name that does not exist has no other family either. */
	if (result == DNS_ERR_NOTEXIST && answer->count == 0) {
		lookup_drop(&question->v4);
		lookup_drop(&question->v6);
	}
	if (question->v4 != NULL || question->v6 != NULL) {
		if (answer->count > 0)
			deadline_set(question->resolver->loop,
			    &question->deadline, OTHER_FAMILY_US,
			    question_on_expired);
	} else if (answer->count > 0 || !question_ask(question))
		question_tell(question);
}

static void
lookup_on_whole(void *arg, const struct dns_answer *answer)
{
	static const struct dns_answer	 nothing = { .count = 0 };
	struct lookup			*lookup = arg;

	lookup->tcp = NULL;
	if (answer == NULL)
		lookup_settle(lookup, DNS_ERR_TRUNCATED, &nothing);
	else
		lookup_settle(lookup, answer->code, answer);
}

static void
lookup_take(struct dns_answer *answer, int family, int count, int ttl,
    const void *addresses)
{
	struct addr	*addr;

	answer->ttl = ttl < 0 ? 0 : (uint32_t)ttl;
	for (int i = 0; i < count && i < DNS_TCP_ADDRESSES_MAX; i++) {
		addr = &answer->addresses[answer->count++];
		memset(addr, 0, sizeof *addr);
		addr->u.any.sa_family = (sa_family_t)family;
		if (family == AF_INET) {
			addr->length = sizeof addr->u.v4;
			addr->u.v4.sin_addr =
			    ((const struct in_addr *)addresses)[i];
		} else {
			addr->length = sizeof addr->u.v6;
			addr->u.v6.sin6_addr =
			    ((const struct in6_addr *)addresses)[i];
		}
	}
}

static void
lookup_on_answer(int result, char type, int count, int ttl, void *addresses,
    void *arg)
{
	struct lookup		*lookup = arg;
	struct question		*question = lookup->question;
	struct loop		*loop = question->resolver->loop;
	struct dns_answer	 answer = { .count = 0 };

	(void)type;
	lookup->request = NULL;
	question->open--;
	if (question->v4 != lookup && question->v6 != lookup) {
		lookup_free(lookup);
		question_free_if_over(question);
		return;
	}
	if (result == DNS_ERR_TRUNCATED)
		lookup->tcp = dns_tcp_ask(loop, question->resolver->dns,
		    lookup->name, lookup->family, lookup_on_whole, lookup);
	if (result == DNS_ERR_NONE)
		lookup_take(&answer, lookup->family, count, ttl, addresses);
	if (lookup->tcp == NULL)
		lookup_settle(lookup, result, &answer);
	loop_run_tasks(loop);
}

/*
 * Asking.
 */

static bool
question_look_in_hosts(struct question *question, const char *name)
{
	FILE		*file = fopen(question->resolver->hosts_file, "re");
	char		*line = NULL, *rest, *word;
	size_t		 room = 0;
	struct addr	 addr;

	if (file == NULL)
		return false;
	while (getline(&line, &room, file) >= 0) {
		line[strcspn(line, "#\n")] = '\0';
		rest = line;
		if ((word = strtok_r(rest, " \t\r", &rest)) == NULL ||
		    !addr_parse_ip(&addr, word, 0))
			continue;
		while ((word = strtok_r(NULL, " \t\r", &rest)) != NULL)
			if (strcasecmp(word, name) == 0) {
				question_add(question, &addr);
				break;
			}
	}
	free(line);
	fclose(file);
	return question->answer.count > 0;
}

static bool
question_is_known(struct question *question, const char *name)
{
	struct addr	addr;

	if (addr_parse_ip(&addr, name, 0)) {
		question_add(question, &addr);
		return true;
	}
	if (strcasecmp(name, "localhost") != 0)
		return question_look_in_hosts(question, name);
	addr_parse_ip(&addr, "127.0.0.1", 0);
	question_add(question, &addr);
	addr_parse_ip(&addr, "::1", 0);
	question_add(question, &addr);
	return true;
}

static struct lookup *
lookup_start(struct question *question, const char *name, int family)
{
	struct evdns_base	*dns = question->resolver->dns;
	struct lookup		*lookup = mem_new(sizeof *lookup);

	lookup->question = question;
	lookup->family = family;
	snprintf(lookup->name, sizeof lookup->name, "%s", name);
	lookup->request = family == AF_INET ? evdns_base_resolve_ipv4(dns,
	    name, DNS_QUERY_NO_SEARCH, lookup_on_answer, lookup) :
	    evdns_base_resolve_ipv6(dns, name, DNS_QUERY_NO_SEARCH,
	    lookup_on_answer, lookup);
	if (lookup->request == NULL) {
		free(lookup);
		return NULL;
	}
	question->open++;
	LIST_INSERT_HEAD(&question->lookups, lookup, next);
	return lookup;
}

/* The next name of the search list; false: there are no more. */
static bool
question_ask(struct question *question)
{
	char	name[SEARCH_NAME_BYTES];

	while (search_list_name(&question->resolver->search, question->name,
	    question->next_name, name)) {
		question->next_name++;
		if (name[0] == '\0')
			continue;
		question->v4 = lookup_start(question, name, AF_INET);
		question->v6 = lookup_start(question, name, AF_INET6);
		if (question->v4 != NULL || question->v6 != NULL)
			return true;
	}
	if (question->answer.error[0] == '\0')
		snprintf(question->answer.error,
		    sizeof question->answer.error, "it is not a host name");
	return false;
}

void
resolver_ask(struct resolver *resolver, const char *name,
    void (*done)(void *, const struct resolve_answer *), void *arg)
{
	struct question	*question = mem_new(sizeof *question);

	question->resolver = resolver;
	question->done = done;
	question->arg = arg;
	question->name = mem_string(name);
	LIST_INIT(&question->lookups);
	question->task.run = question_on_known;
	question->answer.ttl_us = KNOWN_TTL_US;
	LIST_INSERT_HEAD(&resolver->questions, question, next);
	if (question_is_known(question, name)) {
		loop_defer(resolver->loop, &question->task);
		return;
	}
	question->answer.ttl_us = INT64_MAX;
	if (question_ask(question))
		deadline_set(resolver->loop, &question->deadline, LIMIT_US,
		    question_on_expired);
	else
		loop_defer(resolver->loop, &question->task);
}
