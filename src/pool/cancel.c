/*
 * Cancelling; see pool/cancel.h.  Everything in the thread of the server's
 * loop.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "net/stream.h"
#include "pool/backend.h"
#include "pool/cancel.h"
#include "pool/pool.h"
#include "pool/server.h"
#include "wire/put.h"

struct canceller {
	struct stream		 stream;
	struct loop		*loop;
	struct server		*server;	/* NULL: it is gone */
	struct canceller	*next;		/* of the same server */
	struct config		*config;
	const char		*host;		/* the backend's, for TLS */
	struct deadline		 deadline;
	struct task		 task;
	bool			 wants_tls;
	bool			 is_asking;	/* for TLS */
	void			(*done)(struct loop *, void *);
	void			*arg;
	struct buf		 request;
};

void	(*cancel_on_last)(struct server *);

static void
cancel_unlink(struct canceller *canceller)
{
	struct server		 *server = canceller->server;
	struct canceller	**at;

	if (server == NULL)
		return;
	for (at = &server->cancellers; *at != canceller; at = &(*at)->next)
		continue;
	*at = canceller->next;
	canceller->server = NULL;
	if (--server->cancels == 0 && cancel_on_last != NULL)
		cancel_on_last(server);
}

static void
cancel_on_over(struct loop *loop, struct task *task)
{
	struct canceller	*canceller = container_of(task,
				    struct canceller, task);

	cancel_unlink(canceller);
	if (canceller->done != NULL)
		canceller->done(loop, canceller->arg);
	config_release(canceller->config);
	buf_wipe(&canceller->request);
	free(canceller);
}

/* However it ended, the host has let go of us. */
static void
cancel_end(struct canceller *canceller)
{
	stream_close(&canceller->stream);
	deadline_clear(canceller->loop, &canceller->deadline);
	loop_defer(canceller->loop, &canceller->task);
}

/* The request may still arrive: whoever had the server then would be hit. */
static void
cancel_on_timeout(struct loop *loop, struct deadline *deadline)
{
	struct canceller	*canceller = container_of(deadline,
				    struct canceller, deadline);

	(void)loop;
	if (canceller->server != NULL)
		canceller->server->is_stale = true;
	cancel_end(canceller);
}

static void
cancel_send(struct canceller *canceller)
{
	canceller->is_asking = false;
	stream_write(&canceller->stream, buf_bytes(&canceller->request),
	    buf_length(&canceller->request));
}

static void
cancel_on_readable(struct canceller *canceller)
{
	uint8_t	byte = 0;
	ssize_t	n = stream_read(&canceller->stream, &byte, 1);

	if (n == STREAM_AGAIN)
		return;
	if (n == 1 && canceller->is_asking && byte == 'S' &&
	    stream_start_tls(&canceller->stream, canceller->config->back_tls,
	    false, canceller->host))
		canceller->is_asking = false;
	else if (n != 1 || byte != 0)
		cancel_end(canceller);
}

static void
cancel_on_event(struct stream *stream, enum stream_event event)
{
	struct canceller	*canceller = container_of(stream,
				    struct canceller, stream);
	struct buf		 ask;

	switch (event) {
	case STREAM_CONNECTED:
		if (!canceller->wants_tls) {
			cancel_send(canceller);
			break;
		}
		canceller->is_asking = true;
		buf_init(&ask);
		put_ssl_request(&ask);
		stream_write(stream, buf_bytes(&ask), buf_length(&ask));
		buf_done(&ask);
		break;
	case STREAM_SECURED:
		cancel_send(canceller);
		break;
	case STREAM_READABLE:
		cancel_on_readable(canceller);
		break;
	case STREAM_FAILED:
		cancel_end(canceller);
		break;
	case STREAM_DRAINED:
		break;
	}
}

void
cancel_server(struct server *server, void (*done)(struct loop *, void *),
    void *arg)
{
	struct canceller	*canceller = mem_new(sizeof *canceller);
	struct addr		 addr;

	canceller->loop = server->loop;
	canceller->done = done;
	canceller->arg = arg;
	canceller->config = config_current();
	canceller->host = server->pool->backend->host;
	canceller->task.run = cancel_on_over;
	canceller->wants_tls = server->stream.tls != NULL &&
	    canceller->config->back_tls != NULL;
	canceller->stream.fd = -1;
	buf_init(&canceller->request);
	canceller->server = server;
	canceller->next = server->cancellers;
	server->cancellers = canceller;
	server->cancels++;
	addr_of_peer(&addr, server->stream.fd);
	if (server->key_length == 0 || !stream_connect(&canceller->stream,
	    server->loop, &addr, cancel_on_event)) {
		cancel_end(canceller);
		return;
	}
	put_cancel_request(&canceller->request, server->backend_pid,
	    server->key, server->key_length);
	deadline_set(server->loop, &canceller->deadline,
	    canceller->config->option.cancel_wait_timeout_us,
	    cancel_on_timeout);
}

void
cancel_forget(struct server *server)
{
	struct canceller	*canceller;

	while ((canceller = server->cancellers) != NULL) {
		server->cancellers = canceller->next;
		canceller->server = NULL;
	}
	server->cancels = 0;
}
