/*
 * Names to addresses; see net/resolve.h.
 *
 * What is known without asking, a numeric address, localhost (RFC 6761) or a
 * name in /etc/hosts, is answered by a task.  For anything else both families
 * are asked for at once and the answers put together, IPv4 first.  When one
 * family has answered with addresses the other one has a second more, since
 * some name servers never answer for IPv6; together they have five seconds.
 *
 * A question lives until it has been told and evdns has called back for both
 * of its lookups, which it does for cancelled ones as well.
 *
 * libevent 2.1 neither asks again over TCP when an answer was cut nor uses
 * what was left of it; some 28 addresses fit into a datagram.
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
#include "net/loop.h"
#include "net/resolve.h"

#define KNOWN_TTL_US	(15 * US_PER_SECOND)	/* of what is in no record */
#define LIMIT_US	(5 * US_PER_SECOND)
#define OTHER_FAMILY_US	(1 * US_PER_SECOND)

struct question;

struct lookup {
	struct question		*question;
	struct evdns_request	*request;	/* NULL: over */
};

struct question {
	struct resolver		*resolver;
	LIST_ENTRY(question)	 next;
	struct lookup		 v4, v6;
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
	evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTION_SEARCH |
	    DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC, resolv_conf);
	return resolver;
}

void
resolver_set_hosts_file(struct resolver *resolver, const char *path)
{
	resolver->hosts_file = path;
}

void
resolver_free(struct resolver *resolver)
{
	struct question	*question;

	evdns_base_free(resolver->dns, 0);
	while ((question = LIST_FIRST(&resolver->questions)) != NULL) {
		LIST_REMOVE(question, next);
		loop_undefer(resolver->loop, &question->task);
		deadline_clear(resolver->loop, &question->deadline);
		free(question);
	}
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
	if (!question->told || question->v4.request != NULL ||
	    question->v6.request != NULL)
		return;
	LIST_REMOVE(question, next);
	free(question);
}

static void
question_tell(struct question *question)
{
	struct resolver	*resolver = question->resolver;

	deadline_clear(resolver->loop, &question->deadline);
	if (question->v4.request != NULL)
		evdns_cancel_request(resolver->dns, question->v4.request);
	if (question->v6.request != NULL)
		evdns_cancel_request(resolver->dns, question->v6.request);
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
		return "the name has too many addresses for one datagram";
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

static void
question_add_v4(struct question *question, const void *addresses, int count)
{
	struct resolve_answer	*answer = &question->answer;
	struct resolve_answer	 v6 = *answer;
	struct addr		 addr = { .length = sizeof addr.u.v4 };

	answer->count = 0;
	addr.u.v4.sin_family = AF_INET;
	for (int i = 0; i < count; i++) {
		addr.u.v4.sin_addr = ((const struct in_addr *)addresses)[i];
		question_add(question, &addr);
	}
	for (int i = 0; i < v6.count; i++)
		question_add(question, &v6.addresses[i]);
}

static void
question_add_v6(struct question *question, const void *addresses, int count)
{
	struct addr	addr = { .length = sizeof addr.u.v6 };

	addr.u.v6.sin6_family = AF_INET6;
	for (int i = 0; i < count; i++) {
		addr.u.v6.sin6_addr = ((const struct in6_addr *)addresses)[i];
		question_add(question, &addr);
	}
}

static void
lookup_on_answer(int result, char type, int count, int ttl, void *addresses,
    void *arg)
{
	struct lookup	*lookup = arg;
	struct question	*question = lookup->question;
	struct loop	*loop = question->resolver->loop;
	int64_t		 ttl_us = ttl * US_PER_SECOND;

	lookup->request = NULL;
	if (question->told) {
		question_free_if_over(question);
		return;
	}
	if (result != DNS_ERR_NONE || count <= 0)
		question_note_failure(question, result);
	else {
		if (type == DNS_IPv4_A)
			question_add_v4(question, addresses, count);
		else
			question_add_v6(question, addresses, count);
		if (ttl_us < question->answer.ttl_us)
			question->answer.ttl_us = ttl_us;
	}
	if (question->v4.request == NULL && question->v6.request == NULL)
		question_tell(question);
	else if (question->answer.count > 0)
		deadline_set(loop, &question->deadline, OTHER_FAMILY_US,
		    question_on_expired);
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

/* A name with a dot at its end is whole: the search list is not tried. */
static void
question_ask(struct question *question, const char *name)
{
	struct resolver	*resolver = question->resolver;
	size_t		 n = strlen(name);
	int		 flags = n > 0 && name[n - 1] == '.' ?
			    DNS_QUERY_NO_SEARCH : 0;

	question->answer.ttl_us = INT64_MAX;
	question->v4.request = evdns_base_resolve_ipv4(resolver->dns, name,
	    flags, lookup_on_answer, &question->v4);
	question->v6.request = evdns_base_resolve_ipv6(resolver->dns, name,
	    flags, lookup_on_answer, &question->v6);
	if (question->v4.request == NULL && question->v6.request == NULL) {
		snprintf(question->answer.error,
		    sizeof question->answer.error, "it is not a host name");
		loop_defer(resolver->loop, &question->task);
		return;
	}
	deadline_set(resolver->loop, &question->deadline, LIMIT_US,
	    question_on_expired);
}

void
resolver_ask(struct resolver *resolver, const char *name,
    void (*done)(void *, const struct resolve_answer *), void *arg)
{
	struct question	*question = mem_new(sizeof *question);

	question->resolver = resolver;
	question->done = done;
	question->arg = arg;
	question->v4.question = question->v6.question = question;
	question->task.run = question_on_known;
	question->answer.ttl_us = KNOWN_TTL_US;
	LIST_INSERT_HEAD(&resolver->questions, question, next);
	if (question_is_known(question, name))
		loop_defer(resolver->loop, &question->task);
	else
		question_ask(question, name);
}
