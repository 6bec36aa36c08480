/*
 * Reads to the replicas.
 *
 * Under split a transaction of one statement, or of one batch of the extended
 * protocol that is here up to its Sync, goes to a replica when all of it is
 * proven to only read (route/route.h).  While it runs there is_reading is
 * set, and what else the client says is passed on only if it reads as well;
 * anything else waits (waits_for_end) until the replica was given back.
 *
 * Which replica may serve it depends on what was written and read before
 * (relay_reader.c): that is asked each time a server is asked for.
 *
 * A catalogue is held by a thread, and exchanged when there is another one.
 */

#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "pool/cluster.h"
#include "pool/monitor.h"
#include "pool/pool_set.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_flight.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_reader.h"
#include "relay/relay_service.h"
#include "relay/relay_split.h"
#include "route/catalogue.h"
#include "route/catalogue_source.h"
#include "route/causal.h"
#include "route/route.h"
#include "wire/get.h"

enum { KNOWN_SLOTS = 16, ROUTED_SHIFT = 8 };

static _Thread_local struct {
	struct catalogue_source	*source;
	const struct catalogue	*catalogue;
} known[KNOWN_SLOTS];

static struct catalogue_source *
relay_catalogue_source(struct relay *relay)
{
	struct pool_set		*set = relay->client->pool->set;
	struct catalogue_source	*source = atomic_load(&set->catalogue);
	const struct database	*entry;
	struct config		*config;

	if (source != NULL)
		return source;
	config = config_current();
	entry = config_database(config, relay->client->database);
	if (entry != NULL) {
		source = catalogue_source_find(entry,
		    relay->client->database);
		atomic_store(&set->catalogue, source);
	}
	config_release(config);
	return source;
}

static const struct catalogue *
relay_catalogue(struct relay *relay)
{
	struct catalogue_source	*source = relay_catalogue_source(relay);
	size_t			 slot = (uintptr_t)source / 64 % KNOWN_SLOTS;

	if (source == NULL)
		return NULL;
	if (known[slot].source != source) {
		catalogue_release(known[slot].catalogue);
		known[slot].catalogue = NULL;
		known[slot].source = source;
	}
	catalogue_source_take(source, &known[slot].catalogue);
	return known[slot].catalogue;
}

bool
relay_is_split(const struct relay *relay)
{
	return relay_route(relay) == ROUTE_SPLIT &&
	    relay_limits(relay)->mode != POOL_MODE_SESSION &&
	    pool_has_choice(relay->client->pool);
}

/*
 * What is proven.
 */

void
relay_refuse_read(struct relay *relay, const char *text)
{
	const struct catalogue	*catalogue = relay_catalogue(relay);

	if (catalogue != NULL)
		route_refuse(text, strlen(text), catalogue);
}

void
relay_refuse_bound(struct relay *relay, const char *name)
{
	struct statement	*statement = relay_named(relay, name);
	uint64_t		 routed;

	if (statement == NULL)
		return;
	relay_refuse_read(relay, statement->text);
	/* For all threads, and as it is cached: for this catalogue. */
	routed = atomic_load_explicit(&statement->routed,
	    memory_order_relaxed);
	atomic_store_explicit(&statement->routed,
	    (routed >> ROUTED_SHIFT) << ROUTED_SHIFT | WHY_REFUSED,
	    memory_order_relaxed);
}

enum route_why
relay_text_why(struct relay *relay, const char *text, size_t n)
{
	struct route_verdict	 verdict;

	route_look_up(&verdict, text, n, relay_catalogue(relay));
	return verdict.verb == SQL_BEGIN || verdict.verb == SQL_START ?
	    WHY_BLOCK : (enum route_why)verdict.why;
}

/* Decided once for each catalogue.  Any thread may have done it. */
static enum route_why
relay_statement_why(struct relay *relay, struct statement *statement)
{
	struct catalogue_source	*source = relay_catalogue_source(relay);
	const struct catalogue	*catalogue;
	uint64_t		 number = source == NULL ? 0 :
				    atomic_load_explicit(&source->number,
				    memory_order_relaxed);
	uint64_t		 routed = atomic_load_explicit(
				    &statement->routed, memory_order_relaxed);
	enum route_why		 why;

	if (routed >> ROUTED_SHIFT == number && number != 0)
		return (enum route_why)(routed & ((1 << ROUTED_SHIFT) - 1));
	catalogue = relay_catalogue(relay);
	number = catalogue == NULL ? 0 : catalogue_number(catalogue);
	why = relay_text_why(relay, statement->text,
	    statement->text_bytes - 1);
	atomic_store_explicit(&statement->routed, number << ROUTED_SHIFT |
	    (uint64_t)why, memory_order_relaxed);
	return why;
}

/* A driver that does not name it says the same text again and again. */
static enum route_why
relay_parsed_why(struct relay *relay, const char *text, size_t n)
{
	struct statement	*last = relay->prepared.unnamed;

	if (last != NULL && last->text_bytes == n + 1 &&
	    memcmp(last->text, text, n) == 0)
		return relay_statement_why(relay, last);
	return relay_text_why(relay, text, n);
}

static enum route_why
relay_named_why(struct relay *relay, const char *name, bool was_parsed)
{
	struct statement	*statement;

	if (name == NULL)
		return WHY_BATCH;
	/* One that this batch has prepared was looked at there. */
	if (name[0] == '\0' && was_parsed)
		return WHY_READ;
	statement = relay_named(relay, name);
	if (statement != NULL)
		return relay_statement_why(relay, statement);
	return was_parsed ? WHY_READ : WHY_BATCH;
}

const struct statement *
relay_body_statement(const struct relay *relay, const uint8_t *body, size_t n)
{
	struct get	 get;
	const char	*name;

	get_init(&get, body, n);
	(void)get_string(&get);
	name = get_string(&get);
	return name == NULL ? NULL : relay_named(relay, name);
}

/* was_parsed: there was a Parse before in this batch. */
static enum route_why
relay_part_why(struct relay *relay, uint8_t type, const uint8_t *body,
    size_t n, bool *was_parsed)
{
	struct get	 get;
	const char	*text, *portal;

	get_init(&get, body, n);
	switch (type) {
	case MSG_PARSE:
		(void)get_string(&get);
		if ((text = get_string(&get)) == NULL)
			return WHY_BATCH;
		*was_parsed = true;
		/* It ends just there. */
		return relay_parsed_why(relay, text,
		    (size_t)((const char *)get.at - text) - 1);
	case MSG_BIND:
		if ((portal = get_string(&get)) == NULL)
			return WHY_BATCH;
		relay->batch.fetches |= portal[0] != '\0';
		return relay_named_why(relay, get_string(&get), *was_parsed);
	case MSG_DESCRIBE:
		if (n == 0)
			return WHY_BATCH;
		return get_u8(&get) != 'S' ? WHY_READ :
		    relay_named_why(relay, get_string(&get), *was_parsed);
	case MSG_EXECUTE:
		relay->batch.fetches |= n != 5 || memcmp(body, "\0\0\0\0",
		    5) != 0;
		return WHY_READ;
	case MSG_CLOSE:
	case MSG_FLUSH:
		return WHY_READ;
	default:
		return WHY_BATCH;
	}
}

/* Of an IDLE client: the BEGIN of this transaction stands in front of it. */
static bool
relay_begins_inside(struct relay *relay, const uint8_t *at, size_t total)
{
	const uint8_t		*body = at + MSG_HEAD_BYTES;
	const struct statement	*statement;
	size_t			 n = total - MSG_HEAD_BYTES;
	const char		*text;

	if (relay->state != RELAY_IDLE || relay->block.state != BEGIN_NONE)
		return false;
	if (at[0] == MSG_PARSE)
		text = (const char *)body + strlen((const char *)body) + 1;
	else if (at[0] == MSG_BIND && (statement =
	    relay_body_statement(relay, body, n)) != NULL)
		text = statement->text;
	else
		return false;
	sqlbegin_parse(&relay->block.begin, text, strlen(text));
	relay->batch.begins_inside = relay->block.begin.kind == SQLBEGIN_BEGIN;
	return relay->batch.begins_inside;
}

/* WHY_READ: all of the batch is here, and reads. */
static enum route_why
relay_batch_why(struct relay *relay, const uint8_t *at, size_t left)
{
	struct msg_head	head;
	size_t		total;
	bool		was_parsed = false, is_first = true;
	enum route_why	why;

	relay->batch.fetches = false;
	for (;; at += total, left -= total, is_first = false) {
		if (msg_peek(at, left, &head) != MSG_OK)
			return WHY_BATCH;
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (total > left)
			return WHY_BATCH;
		if (at[0] == MSG_SYNC)
			return WHY_READ;
		why = relay_part_why(relay, at[0], at + MSG_HEAD_BYTES,
		    head.length, &was_parsed);
		if (why == WHY_BLOCK && is_first &&
		    relay_begins_inside(relay, at, total))
			continue;
		if (why != WHY_READ)
			return why;
	}
}

enum route_why
relay_message_why(struct relay *relay, const struct relay_message *message)
{
	size_t	n = message->head.length;

	switch (message->at[0]) {
	case MSG_QUERY:
		return message->here < message->total || n == 0 ? WHY_OTHER :
		    relay_text_why(relay, (const char *)message->at +
		    MSG_HEAD_BYTES, n - 1);
	case MSG_PARSE:
	case MSG_BIND:
	case MSG_DESCRIBE:
	case MSG_CLOSE:
		return relay_batch_why(relay, message->at, message->left);
	default:
		return WHY_OTHER;
	}
}

bool
relay_may_follow(struct relay *relay, const struct relay_message *message)
{
	uint8_t	type = message->at[0];

	if (relay->state == RELAY_IDLE) {
		relay->choice.is_batch = type != MSG_QUERY;
		relay->batch.why = WHY_BATCH;
		if (relay->block.state == BEGIN_NONE)
			relay->batch.begins_inside = false;
		if (relay->choice.is_batch && relay_is_split(relay))
			relay->batch.why = (uint8_t)relay_message_why(relay,
			    message);
		return true;
	}
	if (relay->block.is_opening || relay->block.state > BEGIN_FIRST)
		return relay_begin_follows(relay, message);
	if (!relay->split.is_reading || type == MSG_SYNC || type == MSG_FLUSH ||
	    type == MSG_TERMINATE ||
	    relay_message_why(relay, message) == WHY_READ)
		return true;
	relay->split.waits_for_end = true;
	return false;
}

static void
relay_note_written(struct relay *relay)
{
	struct cluster	*cluster = relay->client->pool->set->cluster;
	struct causal	*causal = relay_causal(relay);
	struct backend	*writer = cluster_writer(cluster);

	if (causal != NULL) {
		causal_write(causal);
		if (writer != NULL)
			monitor_look(writer);
	}
	if (relay->split.alters) {
		relay->split.alters = false;
		catalogue_source_drop(relay_catalogue_source(relay));
	}
}

void
relay_note_done(struct relay *relay)
{
	if (relay->choice.need == NEED_WRITE)
		relay_note_written(relay);
	else if (relay->choice.need == NEED_READ)
		relay_note_read(relay);
}

/*
 * After a read.
 */

static void
relay_on_resume(struct loop *loop, struct task *task)
{
	struct relay	*relay = container_of(task, struct relay,
			    split.resume);

	(void)loop;
	if (relay->state == RELAY_IDLE && relay->ending.reason != REASON_NONE &&
	    relay->block.state != BEGIN_HELD)
		client_fail(relay->client, relay->ending.reason, "%s",
		    relay->ending.text);
	else if ((relay->state == RELAY_IDLE ||
	    relay->state == RELAY_LINKED) && !relay->is_holding &&
	    !relay->split.waits_for_end)
		relay_go_on(relay);
}

void
relay_resume_later(struct relay *relay)
{
	relay->split.resume.run = relay_on_resume;
	loop_defer(relay->client->loop, &relay->split.resume);
}

void
relay_resume(struct relay *relay)
{
	if (!relay->split.waits_for_end)
		return;
	relay->split.waits_for_end = false;
	relay_resume_later(relay);
}

void
relay_note_bound(struct relay *relay, const struct statement *statement)
{
	relay->flight.binds_rollback = statement != NULL &&
	    relay_rolls_back(statement->verb, statement->text,
	    statement->text_bytes - 1);
	if (statement == NULL) {
		relay->flight.may_commit = true;
		return;
	}
	relay_note_commit(relay, statement->verb, false);
	relay->split.alters |= statement->alters;
}

void
relay_split_done(struct relay *relay)
{
	if (relay->client != NULL)
		loop_undefer(relay->client->loop, &relay->split.resume);
	relay_reader_done(relay);
}
