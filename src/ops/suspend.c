/*
 * See ops/suspend.h.
 */

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "config/config.h"
#include "ops/process.h"
#include "ops/suspend.h"
#include "pool/server.h"

static _Atomic bool	suspend_flag;
static _Atomic int64_t	suspend_since_us;

bool
suspend_is_on(void)
{
	return atomic_load(&suspend_flag);
}

void
suspend_loop(struct loop *loop, bool is_suspended)
{
	struct client	*client;
	struct server	*server;

	loop->is_suspended = is_suspended;
	TAILQ_FOREACH(client, client_list_of(loop), all)
		stream_watch(&client->stream);
	TAILQ_FOREACH(server, server_list_of(loop), all)
		stream_watch(&server->stream);
}

static void
suspend_obey(struct loop *loop)
{
	bool	is_on = suspend_is_on();

	if (loop->is_suspended == is_on)
		return;
	if (loop == process.loop(0))
		process.set_accepting(!is_on);
	suspend_loop(loop, is_on);
}

static bool
suspend_is_late(void)
{
	struct config	*config = config_current();
	int64_t		 limit_us = config->option.suspend_timeout_us;

	config_release(config);
	return limit_us > 0 &&
	    clock_now_us() - atomic_load(&suspend_since_us) >= limit_us;
}

static bool
suspend_waits(const struct stream *stream)
{
	return stream->yields && stream_unsent(stream) > 0;
}

bool
suspend_look(struct loop *loop, const char *database)
{
	struct client	*client, *next_client;
	struct server	*server, *next;
	bool		 is_late = suspend_is_late(), waits = false;

	(void)database;
	suspend_obey(loop);
	if (!suspend_is_on())
		return false;
	for (client = TAILQ_FIRST(client_list_of(loop)); client != NULL;
	    client = next_client) {
		next_client = TAILQ_NEXT(client, all);
		if (suspend_waits(&client->stream) && is_late)
			client_close(client, REASON_SUSPEND_TIMEOUT, NULL);
		else if (suspend_waits(&client->stream))
			waits = true;
	}
	for (server = TAILQ_FIRST(server_list_of(loop)); server != NULL;
	    server = next) {
		next = TAILQ_NEXT(server, all);
		if (!suspend_waits(&server->stream))
			continue;
		if (!is_late)
			waits = true;
		else if (server->state == SERVER_LINKED &&
		    server->user != NULL)
			server_hooks.condemn(server, "suspend_timeout: it "
			    "does not take what is sent");
	}
	return waits;
}

void
suspend_begin(void)
{
	atomic_store(&suspend_since_us, clock_now_us());
	atomic_store(&suspend_flag, true);
	log_info(NULL, "suspended: nothing is read and nobody is accepted "
	    "until RESUME");
}

static void
suspend_on_end(struct loop *loop, struct letter *letter)
{
	free(letter);
	suspend_obey(loop);
}

void
suspend_end(const char *why)
{
	if (!atomic_exchange(&suspend_flag, false))
		return;
	log_info(NULL, "no longer suspended: %s", why);
	for (int i = 0; i < process.loop_count; i++) {
		struct letter	*letter = mem_new(sizeof *letter);

		letter->read = suspend_on_end;
		loop_post(process.loop(i), letter);
	}
}
