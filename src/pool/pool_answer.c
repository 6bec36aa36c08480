/*
 * How a ticket hears of its server: by a task in its own thread, by a letter
 * from another one.
 *
 *	pool_on_sent_for()  in the thread that watched the idle server
 *	pool_on_arrival()   in the thread of the ticket: the server is here
 *	pool_answer()	    the ticket has left the line, with or without one
 */

#include <assert.h>

#include "base/mem.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

static void	pool_on_answer(struct loop *, struct task *);
static void	pool_on_answer_letter(struct loop *, struct letter *);

void
pool_answer(struct ticket *ticket, struct loop *here)
{
	ticket->task.run = pool_on_answer;
	ticket->letter.read = pool_on_answer_letter;
	if (ticket->loop == here)
		loop_defer(here, &ticket->task);
	else
		loop_post(ticket->loop, &ticket->letter);
}

static void
pool_on_answer(struct loop *loop, struct task *task)
{
	struct ticket		*ticket = container_of(task, struct ticket,
				    task);
	struct pool		*pool = ticket->pool;
	struct server		*server = ticket->server;
	struct pool_error	 error;

	assert(ticket->state == TICKET_GRANTED);
	ticket->state = TICKET_NONE;
	ticket->server = NULL;
	deadline_clear(loop, &ticket->deadline);
	if (ticket->is_moved && !ticket->is_refused) {
		ticket->is_moved = false;
		ticket->moved(ticket);
	} else if (ticket->is_refused) {
		pthread_mutex_lock(&pool->shared.mutex);
		error = pool->shared.error;
		pool_unlock(pool);
		ticket->refused(ticket, &error);
	} else
		ticket->granted(ticket, server);
}

static void
pool_on_answer_letter(struct loop *loop, struct letter *letter)
{
	pool_on_answer(loop, &container_of(letter, struct ticket,
	    letter)->task);
}

/* In the thread that watched the idle server: send it to who asked. */
void
pool_on_sent_for(struct loop *loop, struct letter *letter)
{
	struct server	*server = container_of(letter, struct server, letter);
	struct ticket	*ticket = server->ticket;
	struct pool	*pool = server->pool;
	struct errand	 errand = { .open_count = 0 };
	bool		 is_leaving;

	assert(server->loop == loop && server->state == SERVER_MOVING);
	if (!server->is_stale) {
		server_leave_loop(server);
		server->letter.read = pool_on_arrival;
		loop_post(ticket->loop, &server->letter);
		return;
	}
	/* It died on the way: the ticket waits on, at its old age. */
	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.moving--;
	server->ticket = NULL;
	is_leaving = ticket->is_leaving;
	if (is_leaving) {
		ticket->is_refused = true;
		ticket->state = TICKET_GRANTED;
	} else {
		pool_join_line_locked(pool, ticket);
		pool_grow_locked(pool, &errand);
	}
	pthread_mutex_unlock(&pool->shared.mutex);
	if (is_leaving)
		pool_answer(ticket, loop);
	pool_run_errand(pool, &errand);
	server_close(&server, REASON_SERVER_LOST, "it was found closed");
}

/* In the thread of the ticket: the server is here. */
void
pool_on_arrival(struct loop *loop, struct letter *letter)
{
	struct server	*server = container_of(letter, struct server, letter);
	struct ticket	*ticket = server->ticket;
	struct pool	*pool = server->pool;

	assert(ticket->loop == loop && server->state == SERVER_MOVING);
	server_join_loop(server, loop);
	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.moving--;
	server->ticket = NULL;
	server_enter_linked(server);
	ticket->state = TICKET_GRANTED;
	pool_unlock(pool);
	ticket->server = server;
	ticket->is_refused = false;
	pool_on_answer(loop, &ticket->task);
}
