/*
 * Clients and servers that do at random what they may do at any time: ask,
 * cancel, leave, answer in part, die.  Whatever happens, a client hears the
 * answers to its own statements only, each of them ran with its own
 * search_path, and in the end nobody is forgotten.
 *
 * A server's answer to a statement is a row of the statement and of the
 * search_path under which it ran.  The same seed gives the same talk.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk_private.h"

enum { CLIENTS = 7, STEPS = 400, SEEDS = 40, ENOUGH = 5000 };

struct client_actor {
	struct peer	*peer;
	char		 asked[64];	/* what it waits for; "": nothing */
	char		 path[64];	/* what its statements must run under */
	char		 status;	/* of its transaction */
	int		 number;	/* of its statements */
};

/* What a server knows; it is found by its peer. */
struct server_actor {
	struct peer	*peer;
	char		 path[64];
	char		 status;
	bool		 is_cancelled;
};

static struct client_actor	 clients[CLIENTS];
static struct server_actor	 servers[2000];
static size_t			 server_count;
static unsigned			 talk, seed;	/* the talk's, and now */
static bool			 is_calm;	/* nothing bad happens now */

static int
chance(int n)
{
	return rand_r(&seed) / 16 % n;
}

/*
 * Clients.
 */

static void
client_begins(struct client_actor *client)
{
	client->peer = client_enters(1 + chance(TALK_LOOPS));
	client->asked[0] = client->path[0] = '\0';
	client->status = 'I';
}

static void
client_asks(struct client_actor *client)
{
	int	who = (int)(client - clients), what = chance(6);

	if (client->asked[0] != '\0')
		return;
	if (client->status != 'I' && what < 3)
		strcpy(client->asked, "commit");
	else if (client->status == 'I' && what == 0)
		strcpy(client->asked, "begin");
	else if (client->status == 'I' && what == 1)
		snprintf(client->asked, sizeof client->asked,
		    "set search_path = c%d", who);
	else
		snprintf(client->asked, sizeof client->asked,
		    "select %d, %d", who, ++client->number);
	says(client->peer, query(client->asked));
}

/* A row of what it has asked, under its own search_path. */
static void
client_checks_row(const struct client_actor *client, const uint8_t *at,
    size_t n)
{
	char	wanted[200];

	snprintf(wanted, sizeof wanted, "%s under \"%s\"", client->asked,
	    client->path);
	ck_assert_msg(n == 11 + strlen(wanted) &&
	    memcmp(at + 11, wanted, n - 11) == 0, "seed %u: \"%s\" was "
	    "answered with \"%.*s\"", talk, wanted, (int)n - 11, at + 11);
}

static void
client_is_answered(struct client_actor *client, bool has_failed, char status)
{
	if (!has_failed && strncmp(client->asked, "set", 3) == 0)
		strcpy(client->path, client->asked +
		    strlen("set search_path = "));
	client->asked[0] = '\0';
	client->status = status;
}

static void
client_listens(struct client_actor *client)
{
	struct buf	*in = &client->peer->in;
	bool		 has_failed = false;
	uint8_t		*at;
	size_t		 n;

	while ((n = words_first(at = buf_bytes(in), buf_length(in), true)) >
	    0) {
		ck_assert_msg(client->asked[0] != '\0' || at[0] == 'N' ||
		    at[0] == 'E', "seed %u: a client that asked nothing "
		    "heard %c", talk, at[0]);
		has_failed = has_failed || at[0] == 'E';
		if (at[0] == 'D')
			client_checks_row(client, at, n);
		else if (at[0] == 'Z')
			client_is_answered(client, has_failed, (char)at[5]);
		buf_consume(in, n);
	}
	if (has_heard_the_end(client->peer)) {
		ignores(client->peer);
		client_begins(client);
	} else
		ck_assert_uint_eq(buf_length(in), 0);
}

static void
client_does_something(struct client_actor *client)
{
	struct peer	*asker;
	int		 what = chance(20);

	if (what == 0) {
		leaves(client->peer);
		ignores(client->peer);
		client_begins(client);
	} else if (what < 4) {
		asker = client_connects(1 + chance(TALK_LOOPS));
		says(asker, cancel_of(client->peer));
	} else
		client_asks(client);
}

/*
 * Servers.
 */

static struct server_actor *
server_of(struct peer *peer)
{
	for (size_t i = 0; i < server_count; i++)
		if (servers[i].peer == peer)
			return &servers[i];
	ck_assert_uint_lt(server_count, sizeof servers / sizeof servers[0]);
	servers[server_count] = (struct server_actor){ .peer = peer,
		.status = 'I' };
	return &servers[server_count++];
}

/* Its first packet: a cancel request has 16 bytes. */
static void
server_begins(struct peer *peer)
{
	uint32_t	pid;

	peer->is_started = true;
	if (buf_length(&peer->in) != 16) {
		buf_clear(&peer->in);
		if (!is_calm && chance(8) == 0)
			says(peer, fatal("57P03", "starting up"));
		else
			lets_in(peer);
		return;
	}
	pid = buf_bytes(&peer->in)[10] * 256u + buf_bytes(&peer->in)[11];
	buf_clear(&peer->in);
	for (size_t i = 0; i < server_count; i++)
		if (servers[i].peer->pid == pid)
			servers[i].is_cancelled =
			    buf_length(&servers[i].peer->in) > 0;
	/* Its owner finds it closed a little later. */
	if (chance(2))
		leaves(peer);
}

/* Our own statements, and those of clients, as far as they change it. */
static void
server_runs(struct server_actor *server, const char *text)
{
	const char	*set = strstr(text, "set_config(E'search_path',E'");

	if (strncmp(text, "begin", 5) == 0)
		server->status = 'T';
	else if (strcmp(text, "commit") == 0 || strcmp(text, "ROLLBACK") == 0)
		server->status = 'I';
	else if (strncmp(text, "set ", 4) == 0)
		strcpy(server->path, text + strlen("set search_path = "));
	if (strstr(text, "RESET \"search_path\"") != NULL ||
	    strcmp(text, "DISCARD ALL") == 0)
		server->path[0] = '\0';
	if (set != NULL)
		sscanf(set, "set_config(E'search_path',E'%60[^']",
		    server->path);
}

/* What is set, to our question; or the row that clients look at. */
static struct saying *
server_row(const struct server_actor *server, const char *text)
{
	uint8_t	columns[] = { 0, 2 }, name[] = { 0, 0, 0, 11 };
	uint8_t	value[] = { 0, 0, 0, (uint8_t)strlen(server->path) };
	char	line[1200];

	if (strstr(text, "pg_settings") != NULL)
		return server->path[0] == '\0' ? bytes("", 0) :
		    message_of('D', all_of(bytes(columns, 2), bytes(name, 4),
		    bytes("search_path", 11), bytes(value, 4),
		    bytes(server->path, value[3])));
	if (strncmp(text, "SELECT 'pgweir ", 15) == 0) {
		snprintf(line, sizeof line, "%.23s", text + 8);
		return row(line);
	}
	snprintf(line, sizeof line, "%s under \"%s\"", text, server->path);
	return strncmp(text, "select", 6) == 0 ? row(line) : bytes("", 0);
}

static void
server_dies(struct peer *peer)
{
	leaves(peer);
	ignores(peer);
}

static void
server_answers(struct server_actor *server, const char *text)
{
	struct saying	*answer;
	size_t		 n;

	if (server->is_cancelled) {
		server->is_cancelled = false;
		if (server->status == 'T')
			server->status = 'E';
		says(server->peer, error("57014", "canceling statement"),
		    ready(server->status));
		return;
	}
	server_runs(server, text);
	answer = all_of(server_row(server, text), complete("DONE"),
	    ready(server->status));
	n = length_of(answer);
	if (is_calm || chance(4) > 0) {
		says(server->peer, answer);
		return;
	}
	says(server->peer, cut(answer, 0, n / 2));
	if (chance(2))
		server_dies(server->peer);
	else
		says(server->peer, cut(answer, n / 2, n));
}

static void
server_listens(struct peer *peer)
{
	struct server_actor	*server;
	char			 text[1000];
	uint8_t			*at = buf_bytes(&peer->in);
	size_t			 n;

	if (has_heard_the_end(peer)) {
		ignores(peer);
		return;
	}
	n = words_first(at, buf_length(&peer->in), peer->is_started);
	if (n == 0)
		return;
	if (!peer->is_started) {
		server_begins(peer);
		return;
	}
	/* The end of what a client left unfinished. */
	if (at[0] == 'f' || at[0] == 'S') {
		if (at[0] == 'S')
			says(peer, ready(server_of(peer)->status));
		buf_consume(&peer->in, n);
		return;
	}
	ck_assert_msg(at[0] == 'Q', "seed %u: a server heard %c", talk,
	    at[0]);
	ck_assert_uint_lt(n, sizeof text);
	memcpy(text, at + 5, n - 5);
	buf_consume(&peer->in, n);
	server = server_of(peer);
	server_answers(server, text);
}

static void
server_does_something(struct peer *peer)
{
	int	what = chance(30);

	if (is_calm || what > 2 || !peer->is_started)
		server_listens(peer);
	else if (what == 0)
		server_dies(peer);
	else
		says(peer, notice("by itself"));
}

/*
 * The talk.
 */

static void
everybody_listens(void)
{
	struct peer	*peer;

	for (int i = 0; i < CLIENTS; i++)
		client_listens(&clients[i]);
	/* Whoever asked for a cancel is told nothing but the end. */
	TAILQ_FOREACH(peer, &stage.peers, next)
		if (!peer->is_server && peer->is_over) {
			ck_assert_uint_eq(buf_length(&peer->in), 0);
			ignores(peer);
		}
}

static void
somebody_acts(void)
{
	struct peer	*peer, *next;

	if (chance(2) == 0 && !is_calm)
		client_does_something(&clients[chance(CLIENTS)]);
	if (chance(10) == 0)
		time_passes(chance(1000));
	everybody_listens();
	for (peer = TAILQ_FIRST(&stage.peers); peer != NULL; peer = next) {
		next = TAILQ_NEXT(peer, next);
		if (peer->is_server && peer->fd >= 0 &&
		    (is_calm || chance(3) == 0))
			server_does_something(peer);
	}
	everybody_listens();
}

static bool
somebody_waits(void)
{
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].asked[0] != '\0')
			return true;
	return false;
}

START_TEST(whatever_happens_everybody_gets_what_is_his_and_nobody_is_forgotten)
{
	for (talk = 1; talk <= SEEDS; talk++) {
		int	rounds = 0;

		seed = talk;
		is_calm = false;
		server_count = 0;
		(void)server_of(talk_begins(talk % 2 == 0 ?
		    "default_pool_size = 1\nquery_wait_timeout = 0\n" :
		    "default_pool_size = 3\nquery_wait_timeout = 0\n"));
		for (int i = 0; i < CLIENTS; i++)
			client_begins(&clients[i]);
		for (int i = 0; i < STEPS; i++)
			somebody_acts();
		for (is_calm = true; somebody_waits(); rounds++) {
			ck_assert_msg(rounds < ENOUGH, "seed %u: somebody is "
			    "forgotten", talk);
			somebody_acts();
			for (int i = 0; i < CLIENTS; i++)
				if (clients[i].status != 'I')
					client_asks(&clients[i]);
			time_passes(US_PER_SECOND);
		}
		everybody_listens();
		for (int i = 0; i < 20; i++)
			somebody_acts();
		talk_ends();
	}
}
END_TEST

CHECK_MAIN("talk_random",
    whatever_happens_everybody_gets_what_is_his_and_nobody_is_forgotten)
