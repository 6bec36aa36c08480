/*
 * Finding peers; see pool/peers.h.
 *
 * A seed is a name as configured, looked up again when its answer is too old;
 * a failed look-up keeps the last good answer.  A member is one process that
 * can be asked.  After each answer the list of members is made anew from all
 * seeds; one that stays is the same struct.
 *
 * An address is our own when this process listens on it: on the port, and at
 * that address, or at all and the address is one of this machine's.
 */

#include <ifaddrs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/databases.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "pool/budget.h"
#include "pool/peers.h"
#include "pool/peers_private.h"

struct peers_seed {
	TAILQ_ENTRY(peers_seed)	 next;
	char			*host;
	int			 port;
	int			 id;		/* 0: of the option */
	int			 pool_size;
	bool			 is_wanted;
	bool			 is_asking;
	bool			 is_failing;
	bool			 is_known;	/* answered at least once */
	int			 count;
	struct addr		 addresses[RESOLVE_ADDRESSES_MAX];
	struct deadline		 deadline;
};

static struct {
	struct loop		*loop;
	struct resolver		*resolver;
	int			 port;
	int			 id;
	TAILQ_HEAD(, peers_seed) seeds;
	struct peers_list	 members;
	_Atomic int		 count;
	_Atomic bool		 are_known;
} peers = { .seeds = TAILQ_HEAD_INITIALIZER(peers.seeds),
    .members = TAILQ_HEAD_INITIALIZER(peers.members), .are_known = true };

static void	seed_ask(struct peers_seed *);

struct loop *
peers_loop(void)
{
	return peers.loop;
}

struct peers_list *
peers_list(void)
{
	return &peers.members;
}

int
peers_count(void)
{
	return atomic_load(&peers.count);
}

int
peers_processes(void)
{
	return atomic_load(&peers.count) + 1;
}

bool
peers_are_known(void)
{
	return atomic_load(&peers.are_known);
}

/*
 * Which address is ours.
 */

static bool
addr_has_ip(const struct addr *addr, const struct sockaddr *ip)
{
	if (ip == NULL || ip->sa_family != addr->u.any.sa_family)
		return false;
	if (ip->sa_family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)ip)->sin_addr,
		    &addr->u.v4.sin_addr, sizeof addr->u.v4.sin_addr) == 0;
	return ip->sa_family == AF_INET6 &&
	    memcmp(&((const struct sockaddr_in6 *)ip)->sin6_addr,
	    &addr->u.v6.sin6_addr, sizeof addr->u.v6.sin6_addr) == 0;
}

static bool
addr_is_of_this_machine(const struct addr *addr)
{
	struct ifaddrs	*all, *one;
	bool		 found = addr_is_loopback(addr);

	if (found || getifaddrs(&all) != 0)
		return found;
	for (one = all; one != NULL && !found; one = one->ifa_next)
		found = addr_has_ip(addr, one->ifa_addr);
	freeifaddrs(all);
	return found;
}

static bool
addr_is_listened_on(const struct addr *addr, const char *word)
{
	struct addr	own;

	if (strcmp(word, "*") == 0 || strcmp(word, "0.0.0.0") == 0 ||
	    strcmp(word, "::") == 0)
		return addr_is_of_this_machine(addr);
	return addr_parse_ip(&own, strcmp(word, "localhost") == 0 ?
	    "127.0.0.1" : word, 0) && addr_has_ip(addr, &own.u.any);
}

static bool
addr_is_ours(const struct addr *addr, const struct config *config)
{
	char	*list = mem_string(config->option.listen_addr), *rest = list;
	char	*word;
	bool	 found = false;

	while (!found && addr_port(addr) == peers.port &&
	    (word = text_next_word(&rest)) != NULL)
		found = addr_is_listened_on(addr, word);
	free(list);
	return found;
}

/*
 * Members.
 */

void
peers_member_free_if_unused(struct peers_member *member)
{
	if (member->is_wanted || member->active > 0 || member->waiting > 0)
		return;
	free(member->name);
	free(member);
}

static void
member_log(const struct peers_member *member, const char *what)
{
	char	text[ADDR_TEXT_BYTES];

	log_info(NULL, "peer %s (%s) %s", addr_print(&member->addr, text,
	    sizeof text), member->name, what);
}

static struct peers_member *
member_find(const struct peers_list *list, int id, const struct addr *addr)
{
	struct peers_member	*member;

	TAILQ_FOREACH(member, list, next)
		if (member->id == id && addr_equal(&member->addr, addr))
			return member;
	return NULL;
}

static void
member_want(struct peers_list *old, const struct peers_seed *seed,
    const struct addr *addr)
{
	struct peers_member	*member;

	if (member_find(&peers.members, seed->id, addr) != NULL)
		return;
	if ((member = member_find(old, seed->id, addr)) != NULL)
		TAILQ_REMOVE(old, member, next);
	else {
		member = mem_new(sizeof *member);
		member->id = seed->id;
		member->addr = *addr;
		member->is_wanted = true;
		member->name = mem_string(seed->host);
		TAILQ_INIT(&member->line);
		TAILQ_INIT(&member->calls);
		member_log(member, "was found");
	}
	member->port = seed->port;
	member->pool_size = seed->pool_size;
	TAILQ_INSERT_TAIL(&peers.members, member, next);
}

static void
members_want_seed(struct peers_list *old, const struct peers_seed *seed,
    const struct config *config)
{
	if (!seed->is_wanted || (seed->id != 0 && seed->id == peers.id))
		return;
	/* Several addresses of one peer_id are the same process. */
	for (int i = 0; i < seed->count && (seed->id == 0 || i == 0); i++)
		if (seed->id != 0 ||
		    !addr_is_ours(&seed->addresses[i], config))
			member_want(old, seed, &seed->addresses[i]);
}

static void
peers_update(const struct config *config)
{
	struct peers_list	 old = TAILQ_HEAD_INITIALIZER(old);
	struct peers_seed	*seed;
	struct peers_member	*member;
	bool			 are_known = true, has_changed = false;
	int			 count = 0;

	TAILQ_CONCAT(&old, &peers.members, next);
	TAILQ_FOREACH(seed, &peers.seeds, next) {
		members_want_seed(&old, seed, config);
		are_known = are_known && (seed->is_known || !seed->is_wanted);
	}
	while ((member = TAILQ_FIRST(&old)) != NULL) {
		TAILQ_REMOVE(&old, member, next);
		member_log(member, "is gone");
		member->is_wanted = false;
		peers_member_free_if_unused(member);
	}
	TAILQ_FOREACH(member, &peers.members, next)
		count++;
	if (atomic_exchange(&peers.are_known, are_known) != are_known ||
	    atomic_exchange(&peers.count, count) != count)
		has_changed = true;
	atomic_store(&peers.count, count);
	if (has_changed)
		budget_on_peers(config);
}

/*
 * Seeds.
 */

static void
seed_free(struct peers_seed *seed)
{
	TAILQ_REMOVE(&peers.seeds, seed, next);
	deadline_clear(peers.loop, &seed->deadline);
	free(seed->host);
	free(seed);
}

static void
seed_on_deadline(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	seed_ask(container_of(deadline, struct peers_seed, deadline));
}

/* A name with addresses of both families means the same hosts twice. */
static void
seed_take(struct peers_seed *seed, const struct resolve_answer *answer)
{
	sa_family_t	family = answer->addresses[0].u.any.sa_family;

	seed->count = 0;
	for (int i = 0; i < answer->count; i++) {
		if (answer->addresses[i].u.any.sa_family != family)
			continue;
		seed->addresses[seed->count] = answer->addresses[i];
		addr_set_port(&seed->addresses[seed->count++], seed->port);
	}
}

static int64_t
seed_pause_us(const struct config *config, const struct resolve_answer *answer)
{
	int64_t	most_us = answer->count > 0 ? config->option.dns_max_ttl_us :
		    config->option.dns_nxdomain_ttl_us;
	int64_t	pause_us = answer->count > 0 && answer->ttl_us < most_us ?
		    answer->ttl_us : most_us;

	return pause_us < US_PER_SECOND ? US_PER_SECOND : pause_us;
}

static void
seed_on_answer(void *arg, const struct resolve_answer *answer)
{
	struct peers_seed	*seed = arg;
	struct config		*config;

	seed->is_asking = false;
	if (!seed->is_wanted) {
		seed_free(seed);
		return;
	}
	config = config_current();
	if (answer->count > 0)
		seed_take(seed, answer);
	else if (!seed->is_failing)
		log_warning(NULL, "peers: \"%s\" cannot be resolved: %s%s",
		    seed->host, answer->error, seed->count > 0 ?
		    "; the last known addresses stay in use" : "");
	seed->is_failing = answer->count == 0;
	seed->is_known = true;
	deadline_set(peers.loop, &seed->deadline,
	    seed_pause_us(config, answer), seed_on_deadline);
	peers_update(config);
	config_release(config);
}

static void
seed_ask(struct peers_seed *seed)
{
	if (seed->is_asking || peers.resolver == NULL)
		return;
	seed->is_asking = true;
	resolver_ask(peers.resolver, seed->host, seed_on_answer, seed);
}

/* What needs no look-up; false: it is a name. */
static bool
seed_is_literal(struct peers_seed *seed)
{
	struct addr	*addr = &seed->addresses[0];
	const char	*host = strcmp(seed->host, "localhost") == 0 ?
			    "127.0.0.1" : seed->host;

	if (!addr_parse_ip(addr, host, seed->port) &&
	    ((host[0] != '/' && host[0] != '@') ||
	    !addr_parse_unix(addr, host, seed->port)))
		return false;
	seed->count = 1;
	seed->is_known = true;
	return true;
}

static void
seed_want(const char *host, int port, int id, int pool_size)
{
	struct peers_seed	*seed;

	TAILQ_FOREACH(seed, &peers.seeds, next)
		if (seed->id == id && seed->port == port &&
		    strcmp(seed->host, host) == 0) {
			seed->is_wanted = true;
			seed->pool_size = pool_size;
			return;
		}
	seed = mem_new(sizeof *seed);
	seed->host = mem_string(host);
	seed->port = port;
	seed->id = id;
	seed->pool_size = pool_size;
	seed->is_wanted = true;
	TAILQ_INSERT_TAIL(&peers.seeds, seed, next);
	if (!seed_is_literal(seed))
		seed_ask(seed);
}

void
peers_reload(const struct config *config)
{
	char			*list = mem_string(config->option.peers);
	char			*rest = list, *word;
	struct peers_seed	*seed, *next;
	int			 port;

	TAILQ_FOREACH(seed, &peers.seeds, next)
		seed->is_wanted = false;
	while ((word = text_next_word(&rest)) != NULL)
		if (peer_split(word, &port))
			seed_want(word, port != 0 ? port : peers.port, 0,
			    config->option.default_pool_size);
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct peer_entry	*entry = config->peers[i];

		seed_want(entry->host, entry->port, entry->id,
		    entry->pool_size != CONFIG_UNSET ? entry->pool_size :
		    config->option.default_pool_size);
	}
	for (seed = TAILQ_FIRST(&peers.seeds); seed != NULL; seed = next) {
		next = TAILQ_NEXT(seed, next);
		if (!seed->is_wanted && !seed->is_asking)
			seed_free(seed);
	}
	free(list);
	peers_update(config);
}

void
peers_init(struct loop *main_loop, struct resolver *resolver)
{
	peers.loop = main_loop;
	peers.resolver = resolver;
}

void
peers_start(const struct config *config, int port)
{
	peers.port = port;
	peers.id = config->option.peer_id;
	peers_reload(config);
}

void
peers_done(void)
{
	struct peers_member	*member;
	struct peers_seed	*seed;

	while ((seed = TAILQ_FIRST(&peers.seeds)) != NULL)
		seed_free(seed);
	while ((member = TAILQ_FIRST(&peers.members)) != NULL) {
		TAILQ_REMOVE(&peers.members, member, next);
		member->is_wanted = false;
		peers_member_free_if_unused(member);
	}
	atomic_store(&peers.count, 0);
	atomic_store(&peers.are_known, true);
}

void
peers_each(void (*each)(void *, const struct peers_row *), void *arg)
{
	const struct peers_member	*member;

	TAILQ_FOREACH(member, &peers.members, next) {
		struct peers_row	row = {
			.id = member->id,
			.name = member->name,
			.addr = member->addr,
			.port = member->port,
			.pool_size = member->pool_size,
			.active = member->active,
			.waiting = member->waiting,
			.connecting = peers_member_connecting(member),
		};

		each(arg, &row);
	}
}
