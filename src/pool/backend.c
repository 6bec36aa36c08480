/*
 * Backends and the limits that are theirs; see pool/backend.h.
 *
 * Workers read and blame addresses under the backend's mutex; only the main
 * loop asks the resolver.  A worker that needs an address which is not known
 * leaves a letter, and sends one of its own to the main loop.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/resolve.h"
#include "pool/backend.h"

static struct {
	pthread_mutex_t		 mutex;
	struct hash_table	 backends;
	struct hash_table	 limits;
	struct loop		*loop;
	struct resolver		*resolver;
} table = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* A wish of any thread that the main loop look up a name. */
struct backend_wish {
	struct letter	 letter;
	struct backend	*backend;
};

void
backends_init(struct loop *main_loop, struct resolver *resolver)
{
	table.loop = main_loop;
	table.resolver = resolver;
	hash_table_init(&table.backends);
	hash_table_init(&table.limits);
}

static bool
backend_is_local(const struct backend *backend)
{
	return backend->host[0] == '/' || backend->host[0] == '@';
}

/* Addresses that need no look-up. */
static void
backend_know(struct backend *backend)
{
	struct addr	*addr = &backend->shared.addresses[0];

	if (backend_is_local(backend) ?
	    addr_parse_unix(addr, backend->host, backend->port) :
	    addr_parse_ip(addr, backend->host, backend->port))
		backend->shared.address_count = 1;
	backend->shared.ttl_us = backend->shared.address_count > 0 ?
	    INT64_MAX : 0;
}

/* addr: the only one it has; NULL: it is looked up. */
static struct backend *
backend_new(const char *host, int port, const struct addr *addr)
{
	struct backend	*backend = mem_new(sizeof *backend);
	char		 text[ADDR_TEXT_BYTES];

	backend->host = mem_string(host);
	backend->port = port;
	pthread_mutex_init(&backend->shared.mutex, NULL);
	STAILQ_INIT(&backend->shared.waiting);
	if (addr == NULL) {
		backend->name = mem_printf(strchr(host, ':') != NULL ?
		    "[%s]:%d" : "%s:%d", host, port);
		backend_know(backend);
		return backend;
	}
	backend->is_pinned = true;
	backend->name = mem_printf("%s:%d (%s)", host, port,
	    addr_print_host(addr, text, sizeof text));
	backend->shared.addresses[0] = *addr;
	addr_set_port(&backend->shared.addresses[0], port);
	backend->shared.address_count = 1;
	backend->shared.ttl_us = INT64_MAX;
	return backend;
}

static bool
backend_is(const struct backend *backend, const char *host, int port,
    const struct addr *addr)
{
	return backend->port == port && strcmp(backend->host, host) == 0 &&
	    backend->is_pinned == (addr != NULL) && (addr == NULL ||
	    addr_equal(&backend->shared.addresses[0], addr));
}

static struct backend *
backend_find_or_make(const char *host, int port, const struct addr *addr)
{
	uint64_t		 hash = hash_mix(hash_text(host),
				    (uint64_t)port);
	struct hash_node	*node;
	struct backend		*backend = NULL;

	pthread_mutex_lock(&table.mutex);
	for (node = hash_table_first(&table.backends, hash); node != NULL;
	    node = hash_table_same(node)) {
		backend = container_of(node, struct backend, node);
		if (backend_is(backend, host, port, addr))
			break;
		backend = NULL;
	}
	if (backend == NULL) {
		backend = backend_new(host, port, addr);
		hash_table_add(&table.backends, &backend->node, hash);
	}
	pthread_mutex_unlock(&table.mutex);
	return backend;
}

struct backend *
backend_find(const char *host, int port)
{
	return backend_find_or_make(host, port, NULL);
}

struct backend *
backend_find_at(const char *host, int port, const struct addr *addr)
{
	struct addr	pinned = *addr;

	if (addr_is_literal(host))
		return backend_find(host, port);
	addr_set_port(&pinned, port);
	return backend_find_or_make(host, port, &pinned);
}

bool
backend_has_replayed(const struct backend *backend, uint32_t timeline,
    int64_t lsn)
{
	return timeline == 0 ||
	    (atomic_load_explicit(&backend->timeline, memory_order_acquire) ==
	    timeline && atomic_load_explicit(&backend->lsn,
	    memory_order_acquire) >= lsn);
}

struct backend *
backend_each(const struct backend *backend)
{
	struct hash_node	*node;

	pthread_mutex_lock(&table.mutex);
	node = hash_table_each(&table.backends,
	    backend == NULL ? NULL : &backend->node);
	pthread_mutex_unlock(&table.mutex);
	return node == NULL ? NULL :
	    container_of(node, struct backend, node);
}

/*
 * Looking up, on the main loop.
 */

static void
backend_take_answer_locked(struct backend *backend,
    const struct resolve_answer *answer)
{
	struct config	*config = config_current();
	int64_t		 ttl_us = config->option.dns_max_ttl_us;

	if (answer->count > 0) {
		backend->shared.address_count = answer->count;
		for (int i = 0; i < answer->count; i++) {
			backend->shared.addresses[i] = answer->addresses[i];
			addr_set_port(&backend->shared.addresses[i],
			    backend->port);
		}
		backend->shared.next_address %= answer->count;
		backend->shared.error[0] = '\0';
		if (answer->ttl_us < ttl_us)
			ttl_us = answer->ttl_us;
	} else {
		snprintf(backend->shared.error, sizeof backend->shared.error,
		    "%s", answer->error);
		ttl_us = config->option.dns_nxdomain_ttl_us;
	}
	backend->shared.ttl_us = ttl_us;
	backend->shared.answered_us = clock_now_us();
	config_release(config);
}

struct waiting_letter {
	struct letter	 letter;	/* only its link is used */
	struct loop	*loop;
	struct letter	*waiting;
};

static void
backend_on_answer(void *arg, const struct resolve_answer *answer)
{
	STAILQ_HEAD(, letter)	 waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct backend		*backend = arg;
	struct letter		*letter;
	struct waiting_letter	*wait;

	if (answer->count == 0)
		log_warning(NULL, "host \"%s\" cannot be resolved: %s%s",
		    backend->host, answer->error,
		    backend->shared.address_count > 0 ?
		    "; the last known addresses stay in use" : "");
	pthread_mutex_lock(&backend->shared.mutex);
	backend_take_answer_locked(backend, answer);
	backend->shared.asking = false;
	STAILQ_CONCAT(&waiting, &backend->shared.waiting);
	pthread_mutex_unlock(&backend->shared.mutex);
	while ((letter = STAILQ_FIRST(&waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		wait = container_of(letter, struct waiting_letter, letter);
		loop_post(wait->loop, wait->waiting);
		free(wait);
	}
}

static void
backend_on_wish(struct loop *loop, struct letter *letter)
{
	struct backend_wish	*wish = container_of(letter,
				    struct backend_wish, letter);
	struct backend		*backend = wish->backend;

	(void)loop;
	free(wish);
	resolver_ask(table.resolver, backend->host, backend_on_answer,
	    backend);
}

static void
backend_ask_locked(struct backend *backend)
{
	struct backend_wish	*wish;

	if (backend->shared.asking)
		return;
	backend->shared.asking = true;
	wish = mem_new(sizeof *wish);
	wish->backend = backend;
	wish->letter.read = backend_on_wish;
	loop_post(table.loop, &wish->letter);
}

/*
 * Any thread.
 */

bool
backend_address(struct backend *backend, struct addr *addr, struct loop *loop,
    struct letter *letter)
{
	struct waiting_letter	*wait;
	bool			 known;

	pthread_mutex_lock(&backend->shared.mutex);
	known = backend->shared.address_count > 0;
	if (known)
		*addr = backend->shared.addresses[
		    backend->shared.next_address];
	if (backend->shared.ttl_us != INT64_MAX && (!known ||
	    clock_now_us() - backend->shared.answered_us >
	    backend->shared.ttl_us) && (known || letter != NULL))
		backend_ask_locked(backend);
	if (!known && letter != NULL) {
		wait = mem_new(sizeof *wait);
		wait->loop = loop;
		wait->waiting = letter;
		STAILQ_INSERT_TAIL(&backend->shared.waiting, &wait->letter,
		    next);
	}
	pthread_mutex_unlock(&backend->shared.mutex);
	return known;
}

void
backend_blame(struct backend *backend, const struct addr *addr)
{
	int	next;

	pthread_mutex_lock(&backend->shared.mutex);
	next = backend->shared.next_address;
	if (backend->shared.address_count > 1 &&
	    addr_equal(&backend->shared.addresses[next], addr))
		backend->shared.next_address = (next + 1) %
		    backend->shared.address_count;
	pthread_mutex_unlock(&backend->shared.mutex);
}

void
backend_error(struct backend *backend, char *text, size_t size)
{
	pthread_mutex_lock(&backend->shared.mutex);
	snprintf(text, size, "%s", backend->shared.error);
	pthread_mutex_unlock(&backend->shared.mutex);
}

/*
 * Limits.
 */

struct limit *
limit_find(const char *kind, const char *name, const struct backend *backend)
{
	uint64_t		 hash = hash_mix(hash_mix(hash_text(kind),
				    hash_text(name)),
				    (uint64_t)(uintptr_t)backend);
	struct hash_node	*node;
	struct limit		*limit = NULL;
	char			*full = mem_printf("%s %s", kind, name);

	pthread_mutex_lock(&table.mutex);
	for (node = hash_table_first(&table.limits, hash); node != NULL;
	    node = hash_table_same(node)) {
		limit = container_of(node, struct limit, node);
		if (limit->backend == backend &&
		    strcmp(limit->name, full) == 0)
			break;
		limit = NULL;
	}
	if (limit == NULL) {
		limit = mem_new(sizeof *limit);
		limit->name = mem_string(full);
		limit->backend = backend;
		hash_table_add(&table.limits, &limit->node, hash);
	}
	pthread_mutex_unlock(&table.mutex);
	free(full);
	return limit;
}

bool
limit_reserve(struct limit *limit)
{
	int	count = atomic_load(&limit->count);
	int	max = atomic_load(&limit->max);

	do {
		if (max > 0 && count >= max)
			return false;
	} while (!atomic_compare_exchange_weak(&limit->count, &count,
	    count + 1));
	return true;
}

void
limit_release(struct limit *limit)
{
	atomic_fetch_sub(&limit->count, 1);
}

void
backends_done(void)
{
	struct hash_node	*node;
	struct backend		*backend;
	struct limit		*limit;

	while ((node = hash_table_each(&table.backends, NULL)) != NULL) {
		hash_table_remove(&table.backends, node);
		backend = container_of(node, struct backend, node);
		pthread_mutex_destroy(&backend->shared.mutex);
		free(backend->host);
		free(backend->name);
		free(backend);
	}
	hash_table_done(&table.backends);
	while ((node = hash_table_each(&table.limits, NULL)) != NULL) {
		hash_table_remove(&table.limits, node);
		limit = container_of(node, struct limit, node);
		free(limit->name);
		free(limit);
	}
	hash_table_done(&table.limits);
}
