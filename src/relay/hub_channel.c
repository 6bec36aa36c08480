/*
 * The channels of a hub: who wants which, and the SQL that follows from it.
 *
 * In the thread of the hub.  A channel that nobody wants any more is marked
 * as changed and goes with its UNLISTEN.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "relay/hub_private.h"

struct hub_channel *
hub_channel_find(struct hub *hub, const char *name)
{
	struct hash_node	*node;
	struct hub_channel	*channel;

	for (node = hash_table_first(&hub->channels, hash_text(name));
	    node != NULL; node = hash_table_same(node)) {
		channel = container_of(node, struct hub_channel, node);
		if (strcmp(channel->name, name) == 0)
			return channel;
	}
	return NULL;
}

void
hub_channel_changed(struct hub *hub, struct hub_channel *channel)
{
	if (channel->is_dirty)
		return;
	channel->is_dirty = true;
	TAILQ_INSERT_TAIL(&hub->changed, channel, dirty);
}

void
hub_want(struct hub *hub, const struct hub_order *order)
{
	struct hub_channel	*channel;

	hub->loops[order->loop->index] = order->loop;
	for (size_t i = 0; i < order->count; i++) {
		channel = hub_channel_find(hub, order->names[i]);
		if (channel == NULL) {
			channel = mem_new(sizeof *channel +
			    (size_t)hub->lane_count *
			    sizeof channel->wants[0]);
			channel->name = mem_string(order->names[i]);
			hash_table_add(&hub->channels, &channel->node,
			    hash_text(channel->name));
		}
		channel->wants[order->loop->index]++;
		if (channel->total++ == 0 || !channel->is_listened)
			hub_channel_changed(hub, channel);
	}
}

void
hub_unwant(struct hub *hub, const struct hub_order *order)
{
	struct hub_channel	*channel;

	for (size_t i = 0; i < order->count; i++) {
		channel = hub_channel_find(hub, order->names[i]);
		if (channel == NULL)
			continue;
		channel->wants[order->loop->index]--;
		if (--channel->total == 0)
			hub_channel_changed(hub, channel);
	}
}

void
hub_put_command(struct buf *query, const char *command, const char *channel)
{
	buf_add_text(query, command);
	buf_add_text(query, " \"");
	for (; *channel != '\0'; channel++)
		buf_add(query, *channel == '"' ? "\"\"" : channel,
		    *channel == '"' ? 2 : 1);
	buf_add_text(query, "\";");
}

static void
hub_channel_forget(struct hub *hub, struct hub_channel *channel)
{
	if (channel->is_dirty)
		TAILQ_REMOVE(&hub->changed, channel, dirty);
	hash_table_remove(&hub->channels, &channel->node);
	free(channel->name);
	free(channel);
}

void
hub_sweep(struct hub *hub)
{
	struct hub_channel	*channel, *next;

	for (channel = TAILQ_FIRST(&hub->changed); channel != NULL;
	    channel = next) {
		next = TAILQ_NEXT(channel, dirty);
		if (channel->total == 0)
			hub_channel_forget(hub, channel);
	}
}

void
hub_put_changes(struct hub *hub, struct buf *query)
{
	struct hub_channel	*channel;

	while ((channel = TAILQ_FIRST(&hub->changed)) != NULL) {
		TAILQ_REMOVE(&hub->changed, channel, dirty);
		channel->is_dirty = false;
		if (channel->total > 0) {
			if (!channel->is_listened)
				hub_put_command(query, "LISTEN",
				    channel->name);
			channel->is_listened = true;
			continue;
		}
		if (channel->is_listened)
			hub_put_command(query, "UNLISTEN", channel->name);
		hub_channel_forget(hub, channel);
	}
}
