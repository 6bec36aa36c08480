/*
 * Cancelling; see pool/cancel.h.  Everything in the thread of the server's
 * loop.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "pool/backend.h"
#include "pool/cancel.h"
#include "pool/cancel_call.h"
#include "pool/pool.h"
#include "pool/server.h"

struct canceller {
	struct cancel_call	 call;
	struct loop		*loop;
	struct server		*server;	/* NULL: it is gone */
	struct canceller	*next;		/* of the same server */
	struct config		*config;
	struct task		 task;
	void			(*done)(struct loop *, void *);
	void			*arg;
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
	free(canceller);
}

/*
 * The host has let go of us.  Only after a time-out the request may still
 * arrive, and whoever had the server then would be hit.
 */
static void
cancel_on_end(struct cancel_call *call, enum cancel_end end)
{
	struct canceller	*canceller = container_of(call,
				    struct canceller, call);

	if (end == CANCEL_TIMED_OUT && canceller->server != NULL)
		canceller->server->is_stale = true;
	loop_defer(canceller->loop, &canceller->task);
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
	canceller->task.run = cancel_on_over;
	canceller->server = server;
	canceller->next = server->cancellers;
	server->cancellers = canceller;
	server->cancels++;
	canceller->call.loop = server->loop;
	canceller->call.over = cancel_on_end;
	canceller->call.name = server->pool->backend->host;
	if (server->stream.tls != NULL)
		canceller->call.tls = canceller->config->back_tls;
	addr_of_peer(&addr, server->stream.fd);
	cancel_call_start(&canceller->call,
	    server->key_length == 0 ? NULL : &addr, server->backend_pid,
	    server->key, server->key_length,
	    canceller->config->option.cancel_wait_timeout_us);
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
