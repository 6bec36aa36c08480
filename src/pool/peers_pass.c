/*
 * Passing cancel requests on; see pool/peers.h.
 *
 *	a worker -- letter --> main: a call to each peer that is to be asked,
 *	    or a place in that peer's line
 *	one says it is done, or all are over, or time is up
 *	    -- letter --> the worker
 *
 * A request owns its calls.  When it is over all of them are closed, and a
 * task posts it back, so that nothing of it is on the stack of the main
 * thread when the worker frees it.
 */

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "pool/cancel_call.h"
#include "pool/peers.h"
#include "pool/peers_private.h"

struct peers_request;

struct peers_call {
	struct cancel_call	 call;
	struct peers_request	*request;
	struct peers_member	*member;	/* NULL: it is over */
	bool			 is_waiting;
	TAILQ_ENTRY(peers_call)	 next;		/* of the member's */
};

struct peers_request {
	struct letter		 letter;
	struct task		 task;
	struct deadline		 deadline;
	struct loop		*asking;
	struct config		*config;
	uint32_t		 pid, secret;
	int			 left;		/* calls not yet over */
	bool			 is_over;
	void			(*done)(struct loop *, void *);
	void			*arg;
	int			 count;
	struct peers_call	*calls;
};

static _Atomic int	requests_under_way;
static _Atomic uint64_t	requests_passed, requests_done, requests_dropped;

void
peers_counts(struct peers_counts *counts)
{
	counts->passed = atomic_load(&requests_passed);
	counts->done = atomic_load(&requests_done);
	counts->dropped = atomic_load(&requests_dropped);
}

int
peers_member_connecting(const struct peers_member *member)
{
	const struct peers_call	*call;
	int			 n = 0;

	TAILQ_FOREACH(call, &member->calls, next)
		n += !call->call.is_connected;
	return n;
}

/*
 * One call.
 */

static bool
member_has_room(const struct peers_member *member)
{
	return member->pool_size == 0 || member->active < member->pool_size;
}

static void
call_start(struct peers_call *call)
{
	struct peers_member	*member = call->member;
	struct peers_request	*request = call->request;
	uint32_t		 hops = request->secret & CANCEL_KEY_HOPS;
	uint32_t		 secret = request->secret & ~CANCEL_KEY_HOPS;
	uint8_t			 key[4];

	call->is_waiting = false;
	member->active++;
	TAILQ_INSERT_TAIL(&member->calls, call, next);
	/* peer_id names one; who was found knows of all others itself. */
	if (member->id != 0)
		secret |= hops - 1;
	for (int i = 0; i < 4; i++)
		key[i] = (uint8_t)(secret >> (24 - 8 * i));
	call->call.tls = addr_is_unix(&member->addr) ? NULL :
	    request->config->peers_tls;
	cancel_call_start(&call->call, &member->addr, request->pid, key,
	    sizeof key, 0);
}

static void
member_serve_line(struct peers_member *member)
{
	struct peers_call	*call;

	while (member_has_room(member) &&
	    (call = TAILQ_FIRST(&member->line)) != NULL) {
		TAILQ_REMOVE(&member->line, call, next);
		member->waiting--;
		call_start(call);
	}
	peers_member_free_if_unused(member);
}

/* It has its place no more; the member may be gone afterwards. */
static void
call_leave(struct peers_call *call)
{
	struct peers_member	*member = call->member;

	if (member == NULL)
		return;
	call->member = NULL;
	call->request->left--;
	if (call->is_waiting) {
		TAILQ_REMOVE(&member->line, call, next);
		member->waiting--;
	} else {
		TAILQ_REMOVE(&member->calls, call, next);
		member->active--;
		cancel_call_drop(&call->call);
	}
	member_serve_line(member);
}

/*
 * A request.
 */

static void
request_on_over(struct loop *loop, struct letter *letter)
{
	struct peers_request	*request = container_of(letter,
				    struct peers_request, letter);

	request->done(loop, request->arg);
	config_release(request->config);
	free(request->calls);
	free(request);
	atomic_fetch_sub(&requests_under_way, 1);
}

static void
request_on_task(struct loop *loop, struct task *task)
{
	struct peers_request	*request = container_of(task,
				    struct peers_request, task);

	(void)loop;
	request->letter.read = request_on_over;
	loop_post(request->asking, &request->letter);
}

static void
request_end(struct peers_request *request)
{
	if (request->is_over)
		return;
	request->is_over = true;
	for (int i = 0; i < request->count; i++)
		call_leave(&request->calls[i]);
	deadline_clear(peers_loop(), &request->deadline);
	request->task.run = request_on_task;
	loop_defer(peers_loop(), &request->task);
}

static void
request_on_timeout(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	request_end(container_of(deadline, struct peers_request, deadline));
}

static void
call_on_end(struct cancel_call *cancel_call, enum cancel_end end)
{
	struct peers_call	*call = container_of(cancel_call,
				    struct peers_call, call);
	struct peers_request	*request = call->request;

	call_leave(call);
	if (end == CANCEL_DONE)
		atomic_fetch_add(&requests_done, 1);
	if (end == CANCEL_DONE || request->left == 0)
		request_end(request);
}

static bool
request_is_for(const struct peers_request *request,
    const struct peers_member *member)
{
	return member->id == 0 || member->id ==
	    (int)(request->pid >> CANCEL_KEY_PEER_SHIFT & 0xffff);
}

static void
request_add_call(struct peers_request *request, struct peers_member *member)
{
	struct peers_call	*call = &request->calls[request->count++];

	call->request = request;
	call->member = member;
	call->call.loop = peers_loop();
	call->call.may_be_plain = true;
	call->call.over = call_on_end;
	request->left++;
	if (member_has_room(member)) {
		call_start(call);
		return;
	}
	call->is_waiting = true;
	member->waiting++;
	TAILQ_INSERT_TAIL(&member->line, call, next);
}

static void
request_on_arrival(struct loop *loop, struct letter *letter)
{
	struct peers_request	*request = container_of(letter,
				    struct peers_request, letter);
	struct peers_member	*member;

	request->config = config_current();
	request->calls = mem_new(((size_t)peers_count() + 1) *
	    sizeof request->calls[0]);
	TAILQ_FOREACH(member, peers_list(), next)
		if (request_is_for(request, member))
			request_add_call(request, member);
	if (request->count == 0) {
		request_end(request);
		return;
	}
	atomic_fetch_add(&requests_passed, 1);
	deadline_set(loop, &request->deadline,
	    request->config->option.cancel_wait_timeout_us,
	    request_on_timeout);
}

bool
peers_pass(struct loop *asking, uint32_t pid, uint32_t secret,
    void (*done)(struct loop *, void *), void *arg)
{
	struct peers_request	*request;

	if ((secret & CANCEL_KEY_HOPS) == 0 || peers_count() == 0)
		return false;
	if (atomic_fetch_add(&requests_under_way, 1) >= PEERS_REQUESTS_MAX) {
		atomic_fetch_sub(&requests_under_way, 1);
		atomic_fetch_add(&requests_dropped, 1);
		log_warning(NULL, "a cancel request was dropped: %d are being "
		    "passed on to peers already", PEERS_REQUESTS_MAX);
		return false;
	}
	request = mem_new(sizeof *request);
	request->asking = asking;
	request->pid = pid;
	request->secret = secret;
	request->done = done;
	request->arg = arg;
	request->letter.read = request_on_arrival;
	loop_post(peers_loop(), &request->letter);
	return true;
}
