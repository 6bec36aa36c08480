/*
 * See ops/health.h.  Main thread; a letter goes to every loop and back.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/http.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/client.h"
#include "config/config.h"
#include "net/loop.h"
#include "ops/health.h"
#include "ops/hosts.h"
#include "ops/http.h"
#include "ops/process.h"
#include "pool/peers.h"

#define HEALTH_LIMIT_US		(1 * US_PER_SECOND)
#define HEALTH_TRY_US		(200 * US_PER_MS)

/*
 * One question to all loops.  It is freed when the request was answered and
 * every letter is home, so a loop that hangs keeps it.
 */
struct health_check {
	struct evhttp_request	*request;	/* NULL: answered */
	struct deadline		 limit;
	int			 missing;	/* letters not yet home */
	struct health_ping {
		struct letter		 letter;
		struct health_check	*check;
		bool			 is_home;
	}			 pings[];
};

static void
health_drop(struct health_check *check)
{
	if (check->request == NULL && check->missing == 0)
		free(check);
}

static void
health_on_home(struct loop *loop, struct letter *letter)
{
	struct health_ping	*ping = container_of(letter,
				    struct health_ping, letter);
	struct health_check	*check = ping->check;

	ping->is_home = true;
	check->missing--;
	if (check->missing == 0 && check->request != NULL) {
		deadline_clear(loop, &check->limit);
		http_answer_text(check->request, 200, "ok");
		check->request = NULL;
	}
	health_drop(check);
}

/* In the thread that is asked. */
static void
health_on_ping(struct loop *loop, struct letter *letter)
{
	(void)loop;
	letter->read = health_on_home;
	loop_post(process.loop(0), letter);
}

static void
health_on_limit(struct loop *loop, struct deadline *deadline)
{
	struct health_check	*check = container_of(deadline,
				    struct health_check, limit);
	char			 text[120];
	int			 index = 0;

	(void)loop;
	while (index < process.loop_count && check->pings[index].is_home)
		index++;
	snprintf(text, sizeof text, "loop %d of %d has not turned for %d s",
	    index, process.loop_count,
	    (int)(HEALTH_LIMIT_US / US_PER_SECOND));
	http_answer_text(check->request, 503, text);
	check->request = NULL;
	health_drop(check);
}

void
health_serve_healthz(struct evhttp_request *request)
{
	struct health_check	*check = mem_new(sizeof *check +
				    (size_t)process.loop_count *
				    sizeof check->pings[0]);

	check->request = request;
	check->missing = process.loop_count;
	deadline_set(process.loop(0), &check->limit, HEALTH_LIMIT_US,
	    health_on_limit);
	for (int i = 0; i < process.loop_count; i++) {
		check->pings[i].check = check;
		check->pings[i].letter.read = health_on_ping;
		loop_post(process.loop(i), &check->pings[i].letter);
	}
}

/*
 * Readiness.
 */

/* NULL: ready. */
static const char *
health_misses(const char *role)
{
	struct config	*config = config_current();
	int		 room = config->option.max_client_conn;
	bool		 is_divided = config->option.divide_by_peers;

	config_release(config);
	if (strcmp(process.state(), "active") != 0)
		return process.state();
	if (atomic_load(&client_numbers.places) >= room)
		return "max_client_conn is reached";
	if (is_divided && !peers_are_known())
		return "peers are not known yet";
	if (role == NULL)
		return NULL;
	if (strcmp(role, "rw") != 0 && strcmp(role, "ro") != 0)
		return "role is rw or ro";
	return hosts_have(strcmp(role, "rw") == 0) ? NULL :
	    "no host of this role is reached";
}

static void
health_answer(struct evhttp_request *request, const char *misses)
{
	http_answer_text(request, misses == NULL ? 200 : 503,
	    misses == NULL ? "ready" : misses);
}

/* An answer that waits for what is tried. */
struct health_role {
	struct evhttp_request	*request;
	char			*role;
	struct deadline		 limit;
};

static void
health_on_tried(struct loop *loop, struct deadline *deadline)
{
	struct health_role	*wait = container_of(deadline,
				    struct health_role, limit);

	(void)loop;
	health_answer(wait->request, health_misses(wait->role));
	free(wait->role);
	free(wait);
}

void
health_serve_readyz(struct evhttp_request *request)
{
	char			*role = http_query(request, "role");
	const char		*misses = health_misses(role);
	struct health_role	*wait;

	if (misses != NULL || role == NULL || !hosts_try()) {
		health_answer(request, misses);
		free(role);
		return;
	}
	wait = mem_new(sizeof *wait);
	wait->request = request;
	wait->role = role;
	deadline_set(process.loop(0), &wait->limit, HEALTH_TRY_US,
	    health_on_tried);
}
