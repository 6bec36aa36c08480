/*
 * SHOW CLIENTS and SHOW SERVERS: called in each loop's own thread.
 */

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "net/tls.h"
#include "ops/show_private.h"
#include "pool/backend.h"
#include "relay/relay.h"
#include "relay/replication.h"

const size_t	show_client_bytes = sizeof(struct client) +
		    sizeof(struct relay);

/* A time of the monotonic clock as people write it. */
static void
show_time(struct show *show, int64_t at_us, char *room, size_t size)
{
	time_t		seconds;
	struct tm	tm;

	if (at_us == 0) {
		show_text(show, "");
		return;
	}
	seconds = (time_t)((clock_wall_us() - (clock_now_us() - at_us)) /
	    US_PER_SECOND);
	localtime_r(&seconds, &tm);
	strftime(room, size, "%Y-%m-%d %H:%M:%S %Z", &tm);
	show_text(show, room);
}

struct ends {
	struct addr	peer, self;
	char		peer_text[ADDR_TEXT_BYTES];
	char		self_text[ADDR_TEXT_BYTES];
};

static void
show_ends(struct show *show, const struct stream *stream, struct ends *ends)
{
	addr_of_peer(&ends->peer, stream->fd);
	addr_of_self(&ends->self, stream->fd);
	show_text(show, addr_print_host(&ends->peer, ends->peer_text,
	    sizeof ends->peer_text));
	show_number(show, addr_port(&ends->peer));
	show_text(show, addr_print_host(&ends->self, ends->self_text,
	    sizeof ends->self_text));
	show_number(show, addr_port(&ends->self));
}

static const struct relay *
show_relay(const struct client *client)
{
	return client->service == &relay_service ? client->served : NULL;
}

static const struct replication *
show_replication(const struct client *client)
{
	return client->service == &replication_service ? client->served : NULL;
}

static const char *
show_client_state(const struct client *client)
{
	const struct relay	*relay = show_relay(client);
	const struct replication *replication = show_replication(client);

	if (client->state != CLIENT_SERVED)
		return "login";
	if (replication != NULL)
		return replication->server != NULL ? "active" : "waiting";
	return relay == NULL || relay->state == RELAY_LINKED ? "active" :
	    relay->state == RELAY_WAITING ? "waiting" : "idle";
}

/* The server that is its own now, or NULL. */
static const struct server *
show_server_of(const struct client *client)
{
	const struct relay	*relay = show_relay(client);
	const struct replication *replication = show_replication(client);

	return relay != NULL ? relay->server : replication != NULL ?
	    replication->server : NULL;
}

static void
show_pins(const struct client *client, char *text, size_t size)
{
	const struct relay	*relay = show_relay(client);

	pins_text(relay != NULL ? relay->ties.pins :
	    show_replication(client) != NULL ? PIN_REPLICATION : 0, text,
	    size);
}

/* What PgBouncer tells of its buffers: ours hold unsent bytes only. */
static void
show_buffers(struct show *show, const struct stream *stream)
{
	for (int i = 0; i < 4; i++)
		show_number(show, 0);
	show_number(show, (int64_t)buf_length(&stream->unsent));
	show_number(show, 0);
	show_number(show, 0);
}

static void
show_client(struct show *show, struct loop *loop,
    const struct client *client, bool is_socket)
{
	const struct relay	*relay = show_relay(client);
	bool			 waits = relay != NULL &&
				    relay->state == RELAY_WAITING;
	int64_t			 wait_us = waits ? loop_now_us(loop) -
				    relay->ticket.since_us : 0;
	char			 connect[64], request[64], tls[128];
	char			 self[32], link[32], pins[200];
	const char		*name;
	struct ends		 ends;

	show_text(show, "C");
	show_text(show, client->user);
	show_text(show, client->database);
	show_text(show, replication_kind(client));
	show_text(show, show_client_state(client));
	show_ends(show, &client->stream, &ends);
	show_time(show, client->connected_us, connect, sizeof connect);
	show_time(show, client->requested_us, request, sizeof request);
	show_number(show, wait_us / US_PER_SECOND);
	show_number(show, wait_us % US_PER_SECOND);
	show_number(show, relay != NULL && relay->ending.reason != REASON_NONE);
	snprintf(self, sizeof self, "%p", (const void *)client);
	show_text(show, self);
	link[0] = '\0';
	if (show_server_of(client) != NULL)
		snprintf(link, sizeof link, "%p",
		    (const void *)show_server_of(client));
	show_text(show, link);
	show_number(show, 0);
	tls_describe(&client->stream, tls, sizeof tls);
	show_text(show, tls);
	name = client->served == NULL || client->service->application == NULL ?
	    NULL : client->service->application(client);
	show_pins(client, pins, sizeof pins);
	show_text(show, name != NULL ? name : "");
	show_number(show, relay != NULL ?
	    (int64_t)names_count(&relay->prepared.names) : 0);
	show_number(show, (int64_t)client->id);
	if (is_socket)
		show_buffers(show, &client->stream);
	else
		show_text(show, pins);
	show_row(show);
}

void
show_fill_clients(struct show *show, struct loop *loop)
{
	const struct client	*client;

	TAILQ_FOREACH(client, client_list_of(loop), all)
		show_client(show, loop, client, false);
}

static void
show_server(struct show *show, const struct server *server, bool is_socket)
{
	const struct relay	*relay = server->state == SERVER_LINKED &&
				    server->keeper == NULL ?
				    server->user : NULL;
	const struct client	*client = server->keeper != NULL ?
				    server->keeper->client : relay != NULL ?
				    relay->client : NULL;
	char			 connect[64], request[64], tls[128];
	char			 self[32], link[32];
	struct ends		 ends;

	show_text(show, "S");
	show_text(show, server->pool->user);
	show_text(show, server->pool->database);
	show_text(show, server->keeper == NULL ? "none" :
	    replication_kind(client));
	show_text(show, server_state_name(server->state));
	show_ends(show, &server->stream, &ends);
	show_time(show, server->opened_us, connect, sizeof connect);
	show_time(show, server->used_us, request, sizeof request);
	show_number(show, 0);
	show_number(show, 0);
	show_number(show, server->is_stale || server->generation !=
	    atomic_load(&server->pool->generation));
	snprintf(self, sizeof self, "%p", (const void *)server);
	show_text(show, self);
	link[0] = '\0';
	if (client != NULL)
		snprintf(link, sizeof link, "%p", (const void *)client);
	show_text(show, link);
	show_number(show, (int32_t)server->backend_pid);
	tls_describe(&server->stream, tls, sizeof tls);
	show_text(show, tls);
	show_text(show, "");
	show_number(show, server->session == NULL ? 0 :
	    (int64_t)server->session->shelf.table.count);
	show_number(show, (int64_t)server->id);
	if (is_socket)
		show_buffers(show, &server->stream);
	else
		show_number(show, server->cancels);
	show_row(show);
}

void
show_fill_servers(struct show *show, struct loop *loop)
{
	const struct server	*server;

	TAILQ_FOREACH(server, server_list_of(loop), all)
		if (stream_is_open(&server->stream))
			show_server(show, server, false);
}

/* active: of servers and clients, those that are linked to each other. */
static void
show_sockets(struct show *show, struct loop *loop, bool active)
{
	const struct client	*client;
	const struct server	*server;
	const struct relay	*relay;

	TAILQ_FOREACH(client, client_list_of(loop), all) {
		relay = show_relay(client);
		if (!active || (relay != NULL &&
		    relay->state == RELAY_LINKED))
			show_client(show, loop, client, true);
	}
	TAILQ_FOREACH(server, server_list_of(loop), all)
		if (stream_is_open(&server->stream) &&
		    (!active || server->state == SERVER_LINKED))
			show_server(show, server, true);
}

void
show_fill_sockets(struct show *show, struct loop *loop)
{
	show_sockets(show, loop, false);
}

void
show_fill_active_sockets(struct show *show, struct loop *loop)
{
	show_sockets(show, loop, true);
}

/* PgBouncer's hand-over list; the secrets that it shows are left empty. */
static void
show_descriptor(struct show *show, const struct stream *stream,
    const char *task, const char *user, const char *database)
{
	struct addr	peer;
	char		text[ADDR_TEXT_BYTES];

	addr_of_peer(&peer, stream->fd);
	show_number(show, stream->fd);
	show_text(show, task);
	show_text(show, user);
	show_text(show, database);
	show_text(show, addr_print_host(&peer, text, sizeof text));
	show_number(show, addr_port(&peer));
	show_number(show, 0);
	show_number(show, 0);
	for (int i = 0; i < 7; i++)
		show_text(show, "");
	show_row(show);
}

void
show_fill_fds(struct show *show, struct loop *loop)
{
	const struct client	*client;
	const struct server	*server;

	TAILQ_FOREACH(client, client_list_of(loop), all)
		show_descriptor(show, &client->stream, "client",
		    client->user, client->database);
	TAILQ_FOREACH(server, server_list_of(loop), all)
		if (stream_is_open(&server->stream))
			show_descriptor(show, &server->stream, "server",
			    server->pool->user, server->pool->database);
}

/* Backends are walked by the main thread. */
void
show_fill_dns_hosts(struct show *show, struct loop *loop)
{
	struct backend	*backend;
	char		 text[ADDR_TEXT_BYTES], list[1024];
	int64_t		 left_us;
	size_t		 used;

	for (backend = loop->index == 0 ? backend_each(NULL) : NULL;
	    backend != NULL; backend = backend_each(backend)) {
		list[0] = '\0';
		used = 0;
		pthread_mutex_lock(&backend->shared.mutex);
		left_us = backend->shared.answered_us +
		    backend->shared.ttl_us - clock_now_us();
		for (int i = 0; i < backend->shared.address_count &&
		    used < sizeof list; i++)
			used += (size_t)snprintf(list + used,
			    sizeof list - used, "%s%s", i > 0 ? "," : "",
			    addr_print_host(&backend->shared.addresses[i],
			    text, sizeof text));
		pthread_mutex_unlock(&backend->shared.mutex);
		show_text(show, backend->host);
		show_number(show, left_us > 0 ? left_us / US_PER_SECOND : 0);
		show_text(show, list);
		show_row(show);
	}
}
