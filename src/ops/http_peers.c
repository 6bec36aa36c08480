/*
 * See ops/http_peers.h.
 *
 * evhttp says when it accepts, and neither the descriptor then nor when the
 * connection has ended.  So a connection is noted when it is made, looked at
 * right after that and before anything is read from it, and known from then
 * on by its descriptor and the socket's inode, which is never used again.
 * What has another inode, or none, has ended.  Who has to go is shut down,
 * and evhttp finds its end like any other.
 */

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <stdlib.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "ops/http_peers.h"

#define SWEEP_US	(1 * US_PER_SECOND)

struct http_peer {
	TAILQ_ENTRY(http_peer)	 next;
	struct bufferevent	*fresh;		/* not looked at yet; or NULL */
	int			 fd;
	ino_t			 inode;
	int64_t			 since_us;	/* or since it asked */
	bool			 has_asked;
	bool			 is_leaving;
};

static struct {
	struct loop		*loop;
	struct event		*look;
	struct deadline		 sweep;
	TAILQ_HEAD(, http_peer)	 list;		/* by age */
} peers;

static bool
peer_is_there(const struct http_peer *peer)
{
	struct stat	status;

	return fstat(peer->fd, &status) == 0 && status.st_ino == peer->inode;
}

static void
peer_dismiss(struct http_peer *peer)
{
	peer->is_leaving = true;
	shutdown(peer->fd, SHUT_RDWR);
}

/* Those who have ended are forgotten; how many are left and not leaving. */
static int
peers_sweep(void)
{
	int64_t			 now_us = clock_now_us();
	struct http_peer	*peer, *next;
	int			 count = 0;

	for (peer = TAILQ_FIRST(&peers.list); peer != NULL; peer = next) {
		next = TAILQ_NEXT(peer, next);
		if (peer->fresh == NULL && !peer_is_there(peer)) {
			TAILQ_REMOVE(&peers.list, peer, next);
			free(peer);
			continue;
		}
		if (!peer->is_leaving && now_us - peer->since_us >
		    HTTP_TIMEOUT_S * US_PER_SECOND)
			peer_dismiss(peer);
		count += !peer->is_leaving;
	}
	return count;
}

static void
peers_on_sweep(struct loop *loop, struct deadline *deadline)
{
	peers_sweep();
	if (!TAILQ_EMPTY(&peers.list))
		deadline_set(loop, deadline, SWEEP_US, peers_on_sweep);
}

/* The oldest that has not asked yet, or else the oldest. */
static void
peers_dismiss_one(void)
{
	struct http_peer	*peer, *oldest = NULL;

	TAILQ_FOREACH(peer, &peers.list, next) {
		if (peer->is_leaving)
			continue;
		if (!peer->has_asked)
			break;
		if (oldest == NULL)
			oldest = peer;
	}
	if (peer == NULL)
		peer = oldest;
	if (peer != NULL)
		peer_dismiss(peer);
}

/* Before any event of a fresh one: it is there for certain. */
static void
peers_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct http_peer	*peer;
	struct stat		 status = { 0 };

	(void)fd;
	(void)what;
	(void)arg;
	TAILQ_FOREACH(peer, &peers.list, next) {
		if (peer->fresh == NULL)
			continue;
		peer->fd = bufferevent_getfd(peer->fresh);
		fstat(peer->fd, &status);
		peer->inode = status.st_ino;
		peer->fresh = NULL;
	}
	for (int n = peers_sweep(); n > HTTP_PEERS_MAX; n--)
		peers_dismiss_one();
	if (!deadline_is_set(&peers.sweep) && !TAILQ_EMPTY(&peers.list))
		deadline_set(peers.loop, &peers.sweep, SWEEP_US,
		    peers_on_sweep);
}

static struct bufferevent *
peers_on_accept(struct event_base *base, void *arg)
{
	struct bufferevent	*stream = bufferevent_socket_new(base, -1, 0);
	struct http_peer	*peer;

	(void)arg;
	if (stream == NULL)
		return NULL;
	peer = mem_new(sizeof *peer);
	peer->fresh = stream;
	peer->fd = -1;
	peer->since_us = clock_now_us();
	TAILQ_INSERT_TAIL(&peers.list, peer, next);
	event_active(peers.look, EV_TIMEOUT, 0);
	return stream;
}

void
http_peers_note_request(struct evhttp_request *request)
{
	int			 fd = bufferevent_getfd(
				    evhttp_connection_get_bufferevent(
				    evhttp_request_get_connection(request)));
	struct http_peer	*peer;

	TAILQ_FOREACH(peer, &peers.list, next)
		if (peer->fd == fd && peer_is_there(peer)) {
			peer->has_asked = true;
			peer->since_us = clock_now_us();
		}
}

void
http_peers_start(struct loop *loop, struct evhttp *server)
{
	peers.loop = loop;
	TAILQ_INIT(&peers.list);
	peers.look = event_new(loop->base, -1, 0, peers_on_look, NULL);
	evhttp_set_timeout(server, HTTP_TIMEOUT_S);
	evhttp_set_bevcb(server, peers_on_accept, NULL);
}
