/*
 * The peers of the talk tests: coming in, speaking and listening; see talk.h.
 *
 * A client is one end of a socket pair whose other end is accepted by a loop;
 * a server or a canceller is a connection that came to PostgreSQL's socket.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "client/client.h"
#include "client/client_leave.h"
#include "ops/suspend.h"
#include "talk_private.h"
#include "wire/msg.h"

struct peer *
peer_new(int fd, bool is_server)
{
	struct peer	*peer = mem_new(sizeof *peer);

	peer->fd = fd;
	peer->is_server = is_server;
	peer->is_started = !is_server;
	buf_init(&peer->in);
	snprintf(peer->name, sizeof peer->name, "%s %d",
	    is_server ? "server" : "client",
	    is_server ? ++stage.servers : ++stage.clients);
	if (is_server) {
		peer->pid = (uint32_t)stage.servers;
		peer->secret = 1000 + peer->pid;
	}
	TAILQ_INSERT_TAIL(&stage.peers, peer, next);
	return peer;
}

/*
 * Speaking and listening.
 */

/* A peer that was left alone does not hear any more. */
static void
peer_send(struct peer *peer, const uint8_t *at, size_t n)
{
	ssize_t	sent;

	while (n > 0) {
		sent = send(peer->fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent < 0)
			sent = 0;
		at += sent;
		n -= (size_t)sent;
		if (n > 0)
			(void)talk_round();
	}
}

size_t
talk_length(struct saying *const *sayings)
{
	size_t	sum = 0;

	for (; *sayings != NULL; sayings++)
		sum += buf_length(&(*sayings)->bytes);
	return sum;
}

/* In one piece, so that it is read in one piece. */
void
talk_says(struct peer *peer, size_t limit, struct saying *const *sayings)
{
	const struct buf	*all = &talk_all_of(sayings)->bytes;

	peer_send(peer, buf_bytes(all), buf_length(all) < limit ?
	    buf_length(all) : limit);
	talk_settle();
}

void
talk_says_while_only(int loop, struct peer *peer,
    struct saying *const *sayings)
{
	const struct buf	*all = &talk_all_of(sayings)->bytes;

	peer_send(peer, buf_bytes(all), buf_length(all));
	talk_turn(stage.loops[loop]);
}

void
talk_says_slowly(struct peer *peer, struct saying *const *sayings)
{
	const struct buf	*all = &talk_all_of(sayings)->bytes;

	for (size_t i = 0; i < buf_length(all); i++) {
		peer_send(peer, buf_bytes(all) + i, 1);
		talk_settle();
	}
}

void
talk_hears(const char *file, int line, struct peer *peer,
    struct saying *const *wanted)
{
	struct buf	heard, instead;

	if (!words_match(peer, wanted)) {
		buf_init(&heard);
		buf_init(&instead);
		words_print_heard(peer, &heard);
		words_print_wanted(wanted, &instead);
		talk_fails(file, line, "%s heard: %s\ninstead of: %s",
		    peer->name, (char *)buf_bytes(&heard),
		    (char *)buf_bytes(&instead));
	}
	ignores(peer);
}

struct buf *
talk_hears_body(const char *file, int line, struct peer *peer, char type)
{
	static struct buf	body;
	size_t			n = words_first(buf_bytes(&peer->in),
				    buf_length(&peer->in), true);

	if (n == 0 || buf_bytes(&peer->in)[0] != (uint8_t)type)
		talk_fails(file, line, "%s heard no message of type %c",
		    peer->name, type);
	buf_clear(&body);
	buf_add(&body, buf_bytes(&peer->in) + MSG_HEAD_BYTES,
	    n - MSG_HEAD_BYTES);
	buf_consume(&peer->in, n);
	return &body;
}

void
talk_answers(const char *file, int line, struct peer *server,
    struct peer *client, char status)
{
	struct saying	*answer[] = { complete("DONE"), ready(status), NULL };

	talk_says(server, SIZE_MAX, answer);
	talk_hears(file, line, client, answer);
}

static void
talk_hears_rollback(const char *file, int line, struct peer *server,
    bool is_in_batch)
{
	(void)talk_hears_body(file, line, server, 'f');
	if (is_in_batch) {
		(void)talk_hears_body(file, line, server, 'P');
		(void)talk_hears_body(file, line, server, 'B');
		(void)talk_hears_body(file, line, server, 'E');
	}
	(void)talk_hears_body(file, line, server, 'S');
	(void)talk_hears_body(file, line, server, 'Q');
}

void
talk_is_brought_in_step(const char *file, int line, struct peer *server,
    bool is_in_batch)
{
	struct saying	*reset[] = { query("DISCARD ALL"), NULL };
	struct buf	*asked;
	char		 text[40];

	talk_hears_rollback(file, line, server, is_in_batch);
	asked = talk_hears_body(file, line, server, 'Q');
	snprintf(text, sizeof text, "%.23s",
	    (char *)buf_bytes(asked) + strlen("SELECT '"));
	says(server, error("57014", "canceling statement"), ready('I'),
	    ready('I'), complete("ROLLBACK"), ready('I'), row(text));
	says(server, complete("SELECT 1"));
	talk_hears(file, line, server, (struct saying *[]){ NULL });
	says(server, ready('I'));
	talk_hears(file, line, server, reset);
	says(server, complete("DISCARD ALL"), ready('I'));
}

void
talk_asks(const char *file, int line, struct peer *client,
    struct peer *server, const char *text, char status)
{
	struct saying	*asked[] = { query(text), NULL };

	talk_says(client, SIZE_MAX, asked);
	talk_hears(file, line, server, asked);
	talk_answers(file, line, server, client, status);
}

struct peer *
talk_opens_for(const char *file, int line, struct peer *client,
    const char *text, char status)
{
	struct saying	*asked[] = { query(text), NULL };
	struct peer	*server;

	talk_says(client, SIZE_MAX, asked);
	server = talk_server_enters(file, line);
	talk_hears(file, line, server, asked);
	talk_answers(file, line, server, client, status);
	return server;
}

bool
has_heard_the_end(const struct peer *peer)
{
	return peer->is_over;
}

void
ignores(struct peer *peer)
{
	if (buf_length(&peer->in) > 0)
		peer->is_started = true;
	buf_clear(&peer->in);
	if (peer->is_over && peer->fd >= 0) {
		close(peer->fd);
		peer->fd = -1;
	}
}

void
leaves_unnoticed(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void
leaves(struct peer *peer)
{
	leaves_unnoticed(peer);
	talk_settle();
}

/*
 * Coming in.
 */

struct peer *
client_connects(int loop)
{
	struct peer	*peer;
	int		 fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	peer = peer_new(fds[0], false);
	client_count_add(stage.loops[loop]);
	client_accept(stage.loops[loop], fds[1], true);
	talk_settle();
	return peer;
}

/* Everything up to ReadyForQuery; its cancel key is kept. */
void
hears_greeting(struct peer *peer)
{
	uint8_t	*at = buf_bytes(&peer->in), *key = NULL;
	size_t	 left = buf_length(&peer->in), n = 0;
	char	 last = 0;

	for (; left > 0 && (n = words_first(at, left, true)) > 0;
	    at += n, left -= n) {
		last = (char)at[0];
		if (last == MSG_BACKEND_KEY)
			key = at + MSG_HEAD_BYTES;
	}
	ck_assert_msg(last == MSG_READY && left == 0 && key != NULL,
	    "%s is not let in", peer->name);
	for (int i = 0; i < 4; i++) {
		peer->pid = peer->pid << 8 | key[i];
		peer->secret = peer->secret << 8 | key[4 + i];
	}
	ignores(peer);
}

struct peer *
client_enters(int loop)
{
	struct peer	*peer = client_connects(loop);

	says(peer, startup("u", "d"));
	hears_greeting(peer);
	return peer;
}

/* The text lives until the next call. */
const char *
at_host(const char *rest)
{
	static char	text[300];

	snprintf(text, sizeof text, "%s:1...%s", stage.directory, rest);
	return text;
}

/* Servers are looked at in the order in which they came. */
static struct peer *
talk_next_arrival(void)
{
	struct peer	*peer;

	TAILQ_FOREACH(peer, &stage.peers, next)
		if (peer->is_server && !peer->is_started && peer->fd >= 0)
			return peer;
	return NULL;
}

struct peer *
talk_arrives(const char *file, int line)
{
	struct peer	*peer = talk_next_arrival();

	if (peer == NULL)
		talk_fails(file, line, "nobody came to PostgreSQL");
	return peer;
}

void
talk_nobody_arrives(const char *file, int line)
{
	if (talk_next_arrival() != NULL)
		talk_fails(file, line, "%s came to PostgreSQL",
		    talk_next_arrival()->name);
}

void
lets_in(struct peer *peer)
{
	says(peer, auth(MSG_AUTH_OK, ""),
	    parameter("server_version", "15.0"),
	    parameter("client_encoding", "UTF8"),
	    stage.is_split ? parameter("in_hot_standby", "off") :
	    parameter("integer_datetimes", "on"),
	    backend_key(peer->pid, peer->secret), ready('I'));
}

struct peer *
talk_server_enters(const char *file, int line)
{
	struct peer	*peer = talk_arrives(file, line);

	talk_hears(file, line, peer,
	    (struct saying *const[]){ startup("u", "d"), NULL });
	lets_in(peer);
	return peer;
}

uint32_t
pid_of(const struct peer *peer)
{
	return peer->pid;
}

uint32_t
secret_of(const struct peer *peer)
{
	return peer->secret;
}

void
dismisses(int loop, const char *text, int64_t spread_us)
{
	client_dismiss_all(stage.loops[loop], REASON_SHUTDOWN, text, false,
	    spread_us);
	talk_settle();
}

void
suspends(bool is_suspended)
{
	for (int i = 0; i <= TALK_LOOPS; i++)
		suspend_loop(stage.loops[i], is_suspended);
	talk_settle();
}
