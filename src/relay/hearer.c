/*
 * See relay/hearer.h.
 *
 * Each loop has, with each hub, a table of the channels that its clients
 * listen to, with the hearers of each: a notice for the loop is handed to
 * them in turn.  A hearer that goes while the hub is asked leaves its order
 * behind, which releases its channels when it comes back.
 */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "relay/hearer.h"
#include "relay/hub.h"
#include "relay/relay_listen.h"
#include "relay/relay_private.h"

/* The hub was away when it should have said it again. */
#define OWN_AGE_US	(30 * US_PER_SECOND)

struct channel {
	struct hash_node	 node;		/* in the branch of its loop */
	char			*name;
	TAILQ_HEAD(, listening)	 hearers;
};

struct listening {
	struct channel		*channel;
	struct hearer		*hearer;
	bool			 is_found;
	TAILQ_ENTRY(listening)	 of_channel;
	TAILQ_ENTRY(listening)	 of_listener;
};

struct own_notice {
	STAILQ_ENTRY(own_notice) next;
	uint32_t		 pid;
	uint64_t		 hash;
	uint64_t		 channel;	/* hash of its name */
	int64_t			 since_us;
};

struct kept_notice {
	STAILQ_ENTRY(kept_notice) next;
	uint32_t		 pid;
	uint64_t		 hash;
	uint32_t		 length;
	uint8_t			 bytes[];
};

size_t	hearer_kept_max = 1024 * 1024;

static void	hearer_on_answered(struct hub_order *);

static struct loop *
hearer_loop(const struct hearer *hearer)
{
	return hearer->relay->client->loop;
}

/*
 * Channels.
 */

static struct channel *
channel_find(struct hub *hub, const struct loop *loop, const char *name)
{
	const struct hub_branch	*branch = hub_branch_of(hub, loop);
	struct hash_node	*node;
	struct channel		*channel;

	for (node = hash_table_first(&branch->channels, hash_text(name));
	    node != NULL; node = hash_table_same(node)) {
		channel = container_of(node, struct channel, node);
		if (strcmp(channel->name, name) == 0)
			return channel;
	}
	return NULL;
}

static void
hearer_join(struct hearer *hearer, const char *name)
{
	struct loop		*loop = hearer_loop(hearer);
	struct channel		*channel = channel_find(hearer->hub, loop,
				    name);
	struct listening	*listening = mem_new(sizeof *listening);

	if (channel == NULL) {
		channel = mem_new(sizeof *channel);
		channel->name = mem_string(name);
		TAILQ_INIT(&channel->hearers);
		hash_table_add(&hub_branch_of(hearer->hub, loop)->channels,
		    &channel->node, hash_text(name));
	}
	listening->channel = channel;
	listening->hearer = hearer;
	TAILQ_INSERT_TAIL(&channel->hearers, listening, of_channel);
	TAILQ_INSERT_TAIL(&hearer->channels, listening, of_listener);
	hearer->count++;
}

static struct hub_order *
hearer_order(struct hearer *hearer, size_t room)
{
	struct hub_order	*order = mem_new(sizeof *order);

	order->hub = hearer->hub;
	order->loop = hearer_loop(hearer);
	order->hearer = hearer;
	order->answered = hearer_on_answered;
	order->names = mem_new((room + 1) * sizeof order->names[0]);
	return order;
}

static void
hearer_strike_own(struct hearer *hearer, struct own_notice *own)
{
	STAILQ_REMOVE(&hearer->own, own, own_notice, next);
	hearer->own_count--;
	free(own);
}

/* What was to come of this channel, and what was kept, is not for it now. */
static void
hearer_drop_notices(struct hearer *hearer, const char *name)
{
	struct kept_notice	*kept, *next;
	struct own_notice	*own, *next_own;
	uint64_t		 channel = hash_text(name);

	for (own = STAILQ_FIRST(&hearer->own); own != NULL;
	    own = next_own) {
		next_own = STAILQ_NEXT(own, next);
		if (own->channel == channel)
			hearer_strike_own(hearer, own);
	}

	for (kept = STAILQ_FIRST(&hearer->kept); kept != NULL;
	    kept = next) {
		next = STAILQ_NEXT(kept, next);
		if (strcmp((const char *)kept->bytes + MSG_HEAD_BYTES + 4,
		    name) != 0)
			continue;
		STAILQ_REMOVE(&hearer->kept, kept, kept_notice, next);
		hearer->kept_bytes -= kept->length;
		free(kept);
	}
}

/* The name goes on into the order that tells the hub. */
static void
hearer_leave(struct listening *listening, struct hub_order *release)
{
	struct hearer	*hearer = listening->hearer;
	struct channel	*channel = listening->channel;

	release->names[release->count++] = mem_string(channel->name);
	TAILQ_REMOVE(&channel->hearers, listening, of_channel);
	TAILQ_REMOVE(&hearer->channels, listening, of_listener);
	hearer->count--;
	free(listening);
	if (!TAILQ_EMPTY(&channel->hearers))
		return;
	hash_table_remove(&hub_branch_of(hearer->hub,
	    hearer_loop(hearer))->channels, &channel->node);
	free(channel->name);
	free(channel);
}

static void
hearer_release(struct hub_order *release)
{
	release->is_release = true;
	if (release->count > 0)
		hub_send(release);
	else
		hub_order_free(release);
}

static void
hearer_leave_unfound(struct hearer *hearer)
{
	struct hub_order	*release = hearer_order(hearer,
				    hearer->count);
	struct listening	*listening, *next;

	for (listening = TAILQ_FIRST(&hearer->channels); listening != NULL;
	    listening = next) {
		next = TAILQ_NEXT(listening, of_listener);
		if (!listening->is_found) {
			hearer_drop_notices(hearer, listening->channel->name);
			hearer_leave(listening, release);
		} else
			listening->is_found = false;
	}
	hearer_release(release);
}

void
hearer_leave_hub(struct hearer *hearer)
{
	struct hub_order	*release = hearer_order(hearer,
				    hearer->count);

	while (!TAILQ_EMPTY(&hearer->channels))
		hearer_leave(TAILQ_FIRST(&hearer->channels), release);
	hearer_release(release);
	while (!STAILQ_EMPTY(&hearer->own))
		hearer_strike_own(hearer, STAILQ_FIRST(&hearer->own));
}

static struct listening *
hearer_find(const struct hearer *hearer, const char *name)
{
	struct listening	*listening;

	TAILQ_FOREACH(listening, &hearer->channels, of_listener)
		if (strcmp(listening->channel->name, name) == 0)
			break;
	return listening;
}

bool
hearer_has(const struct hearer *hearer, const char *name)
{
	return hearer_find(hearer, name) != NULL;
}

void
hearer_put_channels(const struct hearer *hearer, struct buf *query)
{
	const struct listening	*listening;

	TAILQ_FOREACH(listening, &hearer->channels, of_listener)
		hub_put_command(query, "LISTEN", listening->channel->name);
}

/*
 * What was found.
 */

void
hearer_add_found(struct hearer *hearer, const char *name, size_t n)
{
	if (hearer->found_count == hearer->found_size) {
		hearer->found_size = hearer->found_size * 2 + 8;
		hearer->found = mem_resize(hearer->found,
		    hearer->found_size * sizeof hearer->found[0]);
	}
	hearer->found[hearer->found_count++] = mem_string_n(name, n);
}

void
hearer_clear_found(struct hearer *hearer)
{
	for (size_t i = 0; i < hearer->found_count; i++)
		free(hearer->found[i]);
	free(hearer->found);
	hearer->found = NULL;
	hearer->found_count = hearer->found_size = 0;
}

void
hearer_put_found(const struct hearer *hearer, struct buf *query)
{
	for (size_t i = 0; i < hearer->found_count; i++)
		hub_put_command(query, "LISTEN", hearer->found[i]);
}

/* Most often nothing has changed, and the order is the same. */
static bool
hearer_is_settled(const struct hearer *hearer)
{
	const struct listening	*listening;
	size_t			 i = 0;

	if (hearer->count != hearer->found_count)
		return false;
	TAILQ_FOREACH(listening, &hearer->channels, of_listener)
		if (strcmp(listening->channel->name,
		    hearer->found[i++]) != 0)
			return false;
	return true;
}

bool
hearer_choose_hub(struct hearer *hearer, const char *encoding)
{
	struct hub	*hub = hub_of(hearer->relay->client->pool,
			    hearer_loop(hearer), encoding);

	if (hearer->count == 0)
		hearer->hub = hub;
	return hearer->hub == hub;
}

static void
hearer_send(struct hearer *hearer, struct hub_order *order)
{
	hearer->order = order;
	hub_send(order);
}

void
hearer_ask_hub(struct hearer *hearer)
{
	hearer_send(hearer, hearer_order(hearer, 0));
}

void
hearer_settle(struct hearer *hearer, bool asks)
{
	struct hub_order	*order;
	struct listening	*listening;

	if (hearer_is_settled(hearer))
		return;
	order = hearer_order(hearer, hearer->found_count);
	for (size_t i = 0; i < hearer->found_count; i++) {
		listening = hearer_find(hearer, hearer->found[i]);
		if (listening != NULL)
			listening->is_found = true;
		else
			order->names[order->count++] =
			    mem_string(hearer->found[i]);
	}
	hearer_leave_unfound(hearer);
	if (asks && order->count > 0)
		hearer_send(hearer, order);
	else
		hub_order_free(order);
}

static void
hearer_on_answered(struct hub_order *order)
{
	struct hearer	*hearer = order->hearer;
	bool		 is_good = order->is_good;

	if (hearer == NULL && is_good) {
		order->is_release = true;
		hub_send(order);
		return;
	}
	if (hearer != NULL) {
		hearer->order = NULL;
		for (size_t i = 0; is_good && i < order->count; i++)
			hearer_join(hearer, order->names[i]);
	}
	hub_order_free(order);
	if (hearer != NULL)
		relay_listen_answered(hearer->relay, is_good);
}

/*
 * Coming and going.
 */

struct hearer *
hearer_new(struct relay *relay)
{
	struct hearer	*hearer = mem_new(sizeof *hearer);

	hearer->relay = relay;
	TAILQ_INIT(&hearer->channels);
	STAILQ_INIT(&hearer->own);
	STAILQ_INIT(&hearer->kept);
	return hearer;
}

void
hearer_free(struct hearer *hearer)
{
	struct kept_notice	*kept;

	if (hearer == NULL)
		return;
	hearer_leave_hub(hearer);
	if (hearer->order != NULL)
		hearer->order->hearer = NULL;
	hearer_clear_found(hearer);
	while ((kept = STAILQ_FIRST(&hearer->kept)) != NULL) {
		STAILQ_REMOVE_HEAD(&hearer->kept, next);
		free(kept);
	}
	free(hearer);
}

/*
 * Notifications.
 */

uint64_t
hearer_hash(const uint8_t *message, size_t n)
{
	return hash_bytes(message + MSG_HEAD_BYTES + 4,
	    n - MSG_HEAD_BYTES - 4);
}

/* False: it leaves too much unread, and is closed. */
static bool
hearer_has_room(struct hearer *hearer, size_t more)
{
	if (hearer->kept_bytes + hearer->own_count *
	    sizeof(struct own_notice) + more <= hearer_kept_max)
		return true;
	client_fail(hearer->relay->client, REASON_LISTEN_QUEUE,
	    "more than listen_queue_bytes (%zu) of notifications wait for "
	    "this client, which does not take them", hearer_kept_max);
	return false;
}

void
hearer_own(struct hearer *hearer, uint32_t pid, const char *channel,
    uint64_t hash)
{
	struct kept_notice	*kept;
	struct own_notice	*own;

	STAILQ_FOREACH(kept, &hearer->kept, next)
		if (kept->pid == pid && kept->hash == hash) {
			/* The hub was faster. */
			STAILQ_REMOVE(&hearer->kept, kept, kept_notice,
			    next);
			hearer->kept_bytes -= kept->length;
			free(kept);
			return;
		}
	/* It will not say this one, but perhaps the same of somebody else. */
	if (!hub_is_listening(hearer->hub))
		return;
	own = mem_new(sizeof *own);
	own->pid = pid;
	own->hash = hash;
	own->channel = hash_text(channel);
	own->since_us = loop_now_us(hearer_loop(hearer));
	STAILQ_INSERT_TAIL(&hearer->own, own, next);
	hearer->own_count++;
}

/* Its own server has told it already. */
static bool
hearer_has_told(struct hearer *hearer, const struct hub_notice *notice)
{
	int64_t			 since_us;
	struct own_notice	*own;

	since_us = loop_now_us(hearer_loop(hearer)) - OWN_AGE_US;
	while ((own = STAILQ_FIRST(&hearer->own)) != NULL &&
	    own->since_us < since_us)
		hearer_strike_own(hearer, own);
	STAILQ_FOREACH(own, &hearer->own, next)
		if (own->pid == notice->pid && own->hash == notice->hash) {
			hearer_strike_own(hearer, own);
			return true;
		}
	return false;
}

static void
hearer_take(struct hearer *hearer, const struct hub_notice *notice)
{
	struct kept_notice	*kept;

	if (hearer->own_count > 0 && hearer_has_told(hearer, notice))
		return;
	if (!hearer_has_room(hearer, notice->length))
		return;
	kept = mem_new(sizeof *kept + notice->length);
	kept->pid = notice->pid;
	kept->hash = notice->hash;
	kept->length = notice->length;
	memcpy(kept->bytes, notice->bytes, notice->length);
	STAILQ_INSERT_TAIL(&hearer->kept, kept, next);
	hearer->kept_bytes += kept->length;
	relay_listen_flush(hearer->relay);
}

bool
hearer_next_kept(struct hearer *hearer, struct buf *to)
{
	struct kept_notice	*kept = STAILQ_FIRST(&hearer->kept);

	if (kept == NULL)
		return false;
	buf_add(to, kept->bytes, kept->length);
	STAILQ_REMOVE_HEAD(&hearer->kept, next);
	hearer->kept_bytes -= kept->length;
	free(kept);
	return true;
}

void
hearers_on_notice(struct loop *loop, struct letter *letter)
{
	struct hub_notice	*notice = container_of(letter,
				    struct hub_notice, letter);
	struct channel		*channel = channel_find(notice->hub, loop,
				    notice->channel);
	struct listening	*listening = channel == NULL ? NULL :
				    TAILQ_FIRST(&channel->hearers);
	struct listening	*next;

	/* A hearer that is closed frees its own entry, perhaps the
	 * last one and the channel with it. */
	for (; listening != NULL; listening = next) {
		next = TAILQ_NEXT(listening, of_channel);
		hearer_take(listening->hearer, notice);
	}
	free(notice);
}
