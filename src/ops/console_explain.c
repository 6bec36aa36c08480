/*
 * EXPLAIN ROUTE [ON database [AS user]] statement: where it would go, and why.
 *
 * It says what relay_choose.c would decide of a client's first statement, but
 * for what only the moment knows: what the client wrote before, and which
 * replica is idle.  Where the functions of the database are not known yet
 * they are read first, and the answer waits for that a while.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "ops/console_private.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "route/catalogue.h"
#include "route/catalogue_source.h"
#include "route/route.h"
#include "wire/put.h"

#define EXPLAIN_POLL_US		(20 * US_PER_MS)
/* So long the functions are waited for. */
#define EXPLAIN_LIMIT_US	(2 * US_PER_SECOND)

enum { NAME_BYTES = 128, HOSTS_BYTES = 600, SENTENCE_BYTES = 400 };

struct explain {
	char			 database[NAME_BYTES];
	char			 user[NAME_BYTES];
	const char		*statement;
	const struct database	*entry;
	struct cluster		*cluster;	/* NULL: one host */
	enum route		 route;
	struct route_plan	 plan;
};

static const struct put_column	columns[] = {
	{ "database", PUT_TEXT }, { "user", PUT_TEXT },
	{ "route", PUT_TEXT }, { "target", PUT_TEXT },
	{ "reason", PUT_TEXT }, { "why", PUT_TEXT }, { "hosts", PUT_TEXT },
};

/*
 * What was said.
 */

static const char *
skip_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* The next word is this one, in whatever case: what stands behind it. */
static const char *
skip_word(const char *at, const char *word)
{
	size_t	n = strlen(word);

	if (!text_begins_nocase(at, word) ||
	    (at[n] != '\0' && strchr(" \t\r\n", at[n]) == NULL))
		return NULL;
	return skip_space(at + n);
}

/* A name, perhaps in double quotes; NULL: it is none. */
static const char *
take_name(const char *at, char name[NAME_BYTES])
{
	size_t	n;

	if (*at == '"') {
		at++;
		n = strcspn(at, "\"");
		if (at[n] == '\0')
			return NULL;
	} else
		n = strcspn(at, " \t\r\n");
	if (n == 0 || n >= NAME_BYTES)
		return NULL;
	memcpy(name, at, n);
	name[n] = '\0';
	return skip_space(at + n + (at[n] == '"'));
}

static const char *
explain_statement(const char *text)
{
	const char	*at = skip_word(skip_space(text), "EXPLAIN");

	return at == NULL ? NULL : skip_word(at, "ROUTE");
}

bool
console_describe_explain(struct console *console, const char *text)
{
	if (explain_statement(text) == NULL)
		return false;
	put_row_description(&console->out, columns, ARRAY_LENGTH(columns));
	return true;
}

/* False: it cannot be told apart, and that was said. */
static bool
explain_parse(struct console *console, struct explain *explain,
    const char *text)
{
	const char	*at = explain_statement(text), *on;

	explain->database[0] = explain->user[0] = '\0';
	if (at != NULL && (on = skip_word(at, "ON")) != NULL) {
		at = take_name(on, explain->database);
		if (at != NULL && (on = skip_word(at, "AS")) != NULL)
			at = take_name(on, explain->user);
	}
	explain->statement = at;
	if (at != NULL && *at != '\0')
		return true;
	console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
	    "EXPLAIN ROUTE [ON database [AS user]] statement");
	return false;
}

/*
 * Which database.
 */

static struct cluster *
explain_cluster(const struct config *config, const struct database *entry)
{
	struct cluster	*cluster = cluster_of(config, entry);

	return cluster != NULL && cluster_is_plain(cluster) ? NULL : cluster;
}

/* With none named, the only one that has several hosts. */
static const struct database *
explain_only_database(const struct config *config)
{
	const struct database	*found = NULL;

	for (size_t i = 0; i < config->database_count; i++) {
		if (explain_cluster(config, config->databases[i]) == NULL)
			continue;
		if (found != NULL)
			return NULL;
		found = config->databases[i];
	}
	return found != NULL && strcmp(found->name, "*") != 0 ? found : NULL;
}

static bool
explain_find(struct console *console, struct explain *explain,
    const struct config *config)
{
	struct pool_settings	settings;

	if (explain->database[0] != '\0')
		explain->entry = config_database(config, explain->database);
	else if ((explain->entry = explain_only_database(config)) != NULL)
		snprintf(explain->database, sizeof explain->database, "%s",
		    explain->entry->name);
	if (explain->entry == NULL) {
		if (explain->database[0] != '\0')
			console_error(console,
			    reason_sqlstate(REASON_NO_DATABASE),
			    "no such database: %s", explain->database);
		else
			console_error(console,
			    reason_sqlstate(REASON_BAD_COMMAND), "which "
			    "database? EXPLAIN ROUTE ON database [AS user] "
			    "statement");
		return false;
	}
	if (explain->user[0] == '\0')
		snprintf(explain->user, sizeof explain->user, "%s",
		    explain->entry->user != NULL ? explain->entry->user :
		    console->client->user);
	explain->cluster = explain_cluster(config, explain->entry);
	config_pool_settings(config, explain->entry, explain->user,
	    &settings);
	explain->route = settings.route;
	explain->plan.is_session = settings.mode == POOL_MODE_SESSION;
	explain->plan.splits_transactions = settings.split_transactions;
	return true;
}

/*
 * The answer.
 */

/* Those that could serve it now. */
static void
explain_hosts(const struct explain *explain, char *text, size_t size)
{
	enum use	 wanted = explain->plan.target == TARGET_REPLICA ?
			    USE_READ : USE_WRITE;
	struct backend	*backend;
	size_t		 used = 0;

	text[0] = '\0';
	if (explain->cluster == NULL) {
		snprintf(text, size, "%s", explain->entry->host);
		return;
	}
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&explain->cluster->members[i].backend);
		if (backend == NULL || (atomic_load(
		    &explain->cluster->members[i].use) != (int)wanted &&
		    explain->plan.why != WHY_WISH_ANY))
			continue;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used,
			    "%s%s", used > 0 ? ", " : "", backend->name);
	}
}

static void
explain_answer(struct console *console, struct explain *explain)
{
	const char	*values[ARRAY_LENGTH(columns)];
	char		 sentence[SENTENCE_BYTES], hosts[HOSTS_BYTES];

	route_plan_sentence(&explain->plan, sentence, sizeof sentence);
	explain_hosts(explain, hosts, sizeof hosts);
	values[0] = explain->database;
	values[1] = explain->user;
	values[2] = choice_name(CHOICE_ROUTE, (int)explain->route);
	values[3] = explain->plan.why == WHY_WISH_ANY ? "any" :
	    route_target_name(explain->plan.target);
	values[4] = route_why_label(explain->plan.why);
	values[5] = sentence;
	values[6] = hosts;
	if (!console->is_extended)
		put_row_description(&console->out, columns,
		    ARRAY_LENGTH(columns));
	put_data_row(&console->out, values, ARRAY_LENGTH(columns));
	console_done(console, "EXPLAIN");
}

/* False: its functions are not known yet, but may be soon. */
static bool
explain_run(struct console *console, const char *text, bool waits)
{
	struct explain		 explain = { .entry = NULL };
	const struct catalogue	*catalogue = NULL;
	struct catalogue_source	*source;
	struct config		*config = config_current();
	bool			 is_done = true;

	if (explain_parse(console, &explain, text) &&
	    explain_find(console, &explain, config)) {
		if (explain.cluster != NULL) {
			source = catalogue_source_find(explain.entry,
			    explain.database);
			catalogue_source_take(source, &catalogue);
		}
		explain.plan.has_choice = explain.cluster != NULL;
		route_plan(&explain.plan, explain.route, explain.statement,
		    strlen(explain.statement), catalogue);
		is_done = !waits || explain.plan.why != WHY_NO_CATALOGUE;
		if (is_done)
			explain_answer(console, &explain);
		catalogue_release(catalogue);
	}
	config_release(config);
	return is_done;
}

static void
explain_on_poll(struct loop *loop, struct deadline *deadline)
{
	struct console	*console = container_of(deadline, struct console,
			    poll);

	console->waited_us += EXPLAIN_POLL_US;
	if (!explain_run(console, console->explained,
	    console->waited_us < EXPLAIN_LIMIT_US)) {
		deadline_set(loop, &console->poll, EXPLAIN_POLL_US,
		    explain_on_poll);
		return;
	}
	free(console->explained);
	console->explained = NULL;
	console_go_on(console);
}

void
console_explain(struct console *console, const struct words *words)
{
	if (explain_run(console, words->text, true))
		return;
	console->is_busy = true;
	console->waited_us = 0;
	console->explained = mem_string(words->text);
	deadline_set(console->client->loop, &console->poll, EXPLAIN_POLL_US,
	    explain_on_poll);
}
