/*
 * Worker threads.  What the main thread wants of one travels as a letter.
 */

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/client_leave.h"
#include "net/loop.h"
#include "worker.h"

struct worker {
	struct loop	*loop;
	pthread_t	 thread;
};

static struct {
	struct worker	*list;
	int		 count;
	bool		 has_threads;
} workers;

struct accepted {
	struct letter	letter;
	int		fd;
	bool		is_unix;
};

struct dismissal {
	struct letter	letter;
	enum reason	reason;
	char		*text;
	bool		is_now;
	int64_t		spread_us;
};

static void *
worker_run(void *arg)
{
	struct worker	*worker = arg;

	loop_run(worker->loop);
	return NULL;
}

void
workers_make(int n, struct loop *main_loop)
{
	workers.list = mem_new((size_t)n * sizeof workers.list[0]);
	workers.count = n;
	workers.has_threads = n > 1;
	for (int i = 0; i < n; i++)
		workers.list[i].loop = workers.has_threads ?
		    loop_new(i + 1) : main_loop;
}

void
workers_start(void)
{
	sigset_t	all, before;
	char		name[32];

	if (!workers.has_threads)
		return;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	for (int i = 0; i < workers.count; i++) {
		struct worker	*worker = &workers.list[i];

		if (pthread_create(&worker->thread, NULL, worker_run,
		    worker) != 0) {
			log_fatal(NULL, "cannot start worker thread %d", i + 1);
			abort();
		}
		snprintf(name, sizeof name, "worker %d", i + 1);
		name[15] = '\0';
		pthread_setname_np(worker->thread, name);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int
workers_loops(void)
{
	return workers.has_threads ? workers.count + 1 : 1;
}

struct loop *
worker_loop(int worker)
{
	assert(worker >= 0 && worker < workers.count);
	return workers.list[worker].loop;
}

static void
worker_on_accepted(struct loop *loop, struct letter *letter)
{
	struct accepted	*accepted = container_of(letter, struct accepted,
			    letter);
	int		 fd = accepted->fd;
	bool		 is_unix = accepted->is_unix;

	free(accepted);
	client_accept(loop, fd, is_unix);
}

void
workers_accept(int fd, bool is_unix)
{
	struct worker	*best = &workers.list[0];
	struct accepted	*accepted;

	for (int i = 1; i < workers.count; i++)
		if (client_count_of(workers.list[i].loop) <
		    client_count_of(best->loop))
			best = &workers.list[i];
	client_count_add(best->loop);
	if (!workers.has_threads) {
		client_accept(best->loop, fd, is_unix);
		return;
	}
	accepted = mem_new(sizeof *accepted);
	accepted->fd = fd;
	accepted->is_unix = is_unix;
	accepted->letter.read = worker_on_accepted;
	loop_post(best->loop, &accepted->letter);
}

static void
worker_on_dismissal(struct loop *loop, struct letter *letter)
{
	struct dismissal	*dismissal = container_of(letter,
				    struct dismissal, letter);

	client_dismiss_all(loop, dismissal->reason, dismissal->text,
	    dismissal->is_now, dismissal->spread_us);
	free(dismissal->text);
	free(dismissal);
}

void
workers_dismiss(enum reason reason, const char *text, bool is_now,
    int64_t spread_us)
{
	for (int i = 0; i < workers.count; i++) {
		struct dismissal	*dismissal =
					    mem_new(sizeof *dismissal);

		dismissal->reason = reason;
		dismissal->text = mem_string(text);
		dismissal->is_now = is_now;
		dismissal->spread_us = spread_us;
		dismissal->letter.read = worker_on_dismissal;
		loop_post(workers.list[i].loop, &dismissal->letter);
	}
}

static void
worker_on_stop(struct loop *loop, struct letter *letter)
{
	free(letter);
	loop_stop(loop);
}

void
workers_stop(void)
{
	if (!workers.has_threads)
		return;
	for (int i = 0; i < workers.count; i++) {
		struct letter	*letter = mem_new(sizeof *letter);

		letter->read = worker_on_stop;
		loop_post(workers.list[i].loop, letter);
	}
	for (int i = 0; i < workers.count; i++)
		pthread_join(workers.list[i].thread, NULL);
}
