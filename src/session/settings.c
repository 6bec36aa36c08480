/*
 * Sets of settings, interned; see session/settings.h.
 *
 * A set is immutable; what a pool has accepted of it is kept beside it under
 * the same mutex as the table.  A set that some pool has accepted stays in
 * the table when its last user has gone, up to SETTINGS_KEPT of them, so that
 * the next login with the same startup packet needs no server.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sys/queue.h>

#include "base/hash.h"
#include "base/mem.h"
#include "session/settings.h"
#include "session/settings_private.h"

/* And no longer ones than that. */
enum { SETTINGS_KEPT = 1000, SETTINGS_KEPT_BYTES = 64 * 1024 };

/* These cannot change what a statement means. */
static const char	*const settings_meaningless[] = {
	"application_name", "client_connection_check_interval",
	"client_min_messages", "idle_in_transaction_session_timeout",
	"idle_session_timeout", "lock_timeout", "log_duration",
	"log_min_duration_statement", "log_min_messages", "log_statement",
	"statement_timeout", "tcp_keepalives_count", "tcp_keepalives_idle",
	"tcp_keepalives_interval", "tcp_user_timeout", "transaction_timeout",
	"effective_cache_size", "random_page_cost", "seq_page_cost",
	"cpu_tuple_cost", "work_mem", "maintenance_work_mem",
	"synchronous_commit",
};

static struct {
	pthread_mutex_t		 mutex;
	struct hash_table	 table;
	size_t			 bytes;
	TAILQ_HEAD(settings_list, settings) kept;	/* oldest first */
	size_t			 kept_count;
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER,
	.kept = TAILQ_HEAD_INITIALIZER(all.kept) };

static struct settings	settings_empty = { .references = 1,
	.meaning = &settings_empty };

const struct settings *
settings_none(void)
{
	return &settings_empty;
}

static struct settings *
settings_writable(const struct settings *settings)
{
	return (struct settings *)(uintptr_t)settings;
}

const struct settings *
settings_hold(const struct settings *settings)
{
	if (settings != &settings_empty)
		atomic_fetch_add_explicit(
		    &settings_writable(settings)->references, 1,
		    memory_order_relaxed);
	return settings;
}

static void
settings_free_locked(struct settings *settings)
{
	struct acceptance	*acceptance;

	hash_table_remove(&all.table, &settings->node);
	all.bytes -= settings->bytes;
	while ((acceptance = settings->acceptances) != NULL) {
		settings->acceptances = acceptance->next;
		free(acceptance);
	}
	for (size_t i = 0; i < settings->count; i++)
		free(settings->pairs[i].name);
	free(settings);
}

/* Nobody has it any more; the set it means may go with it. */
static void
settings_drop_locked(struct settings *settings)
{
	struct settings	*meaning, *oldest;

	if (settings->acceptances != NULL && !settings->is_kept &&
	    settings->bytes <= SETTINGS_KEPT_BYTES) {
		settings->is_kept = true;
		TAILQ_INSERT_TAIL(&all.kept, settings, kept);
		if (++all.kept_count <= SETTINGS_KEPT)
			return;
		oldest = TAILQ_FIRST(&all.kept);
		TAILQ_REMOVE(&all.kept, oldest, kept);
		all.kept_count--;
		oldest->is_kept = false;
		settings = oldest;
	}
	meaning = settings_writable(settings->meaning);
	if (meaning != settings && meaning != &settings_empty &&
	    atomic_fetch_sub(&meaning->references, 1) == 1)
		settings_drop_locked(meaning);
	settings_free_locked(settings);
}

void
settings_release(const struct settings *settings)
{
	struct settings	*writable = settings_writable(settings);
	int		 references;

	if (settings == NULL || settings == &settings_empty)
		return;
	references = atomic_load(&writable->references);
	while (references > 1)
		if (atomic_compare_exchange_weak(&writable->references,
		    &references, references - 1))
			return;
	pthread_mutex_lock(&all.mutex);
	if (atomic_fetch_sub(&writable->references, 1) == 1)
		settings_drop_locked(writable);
	pthread_mutex_unlock(&all.mutex);
}

size_t
settings_count(const struct settings *settings)
{
	return settings->count;
}

const char *
settings_name(const struct settings *settings, size_t i)
{
	return settings->pairs[i].name;
}

const char *
settings_value(const struct settings *settings, size_t i)
{
	return settings->pairs[i].value;
}

const char *
settings_get(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->count; i++)
		if (strcasecmp(settings->pairs[i].name, name) == 0)
			return settings->pairs[i].value;
	return NULL;
}

bool
settings_have_customs(const struct settings *settings)
{
	return settings->customs > 0;
}

bool
settings_are_serializable(const struct settings *settings)
{
	return settings->is_serializable;
}

bool
settings_create_temporary(const struct settings *settings)
{
	return settings->creates_temporary;
}

bool
settings_have_others(const struct settings *settings)
{
	return settings->count > settings->customs;
}

const struct settings *
settings_meaning(const struct settings *settings)
{
	return settings->meaning;
}

/*
 * Drafts.
 */

struct settings_draft {
	struct pair	*pairs;		/* sorted by name */
	size_t		 count;
};

static void
draft_put(struct settings_draft *draft, size_t at, const char *name,
    const char *value)
{
	size_t	name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
	char	*both = mem_new(name_bytes + value_bytes);

	memcpy(both, name, name_bytes);
	memcpy(both + name_bytes, value, value_bytes);
	draft->pairs[at].name = both;
	draft->pairs[at].value = both + name_bytes;
}

void
settings_draft_set(struct settings_draft *draft, const char *name,
    const char *value)
{
	size_t	at = 0;
	int	order = 1;

	while (at < draft->count && (order = strcasecmp(
	    draft->pairs[at].name, name)) < 0)
		at++;
	if (at < draft->count && order == 0)
		free(draft->pairs[at].name);
	else {
		draft->pairs = mem_resize(draft->pairs,
		    (draft->count + 1) * sizeof draft->pairs[0]);
		memmove(draft->pairs + at + 1, draft->pairs + at,
		    (draft->count - at) * sizeof draft->pairs[0]);
		draft->count++;
	}
	draft_put(draft, at, name, value);
}

struct settings_draft *
settings_draft_new(const struct settings *base)
{
	struct settings_draft	*draft = mem_new(sizeof *draft);

	for (size_t i = 0; i < base->count; i++)
		settings_draft_set(draft, base->pairs[i].name,
		    base->pairs[i].value);
	return draft;
}

static bool
settings_draft_has(const struct settings_draft *draft, const char *name)
{
	for (size_t i = 0; i < draft->count; i++)
		if (strcasecmp(draft->pairs[i].name, name) == 0)
			return true;
	return false;
}

/* Who has become somebody else has no role until he takes one. */
void
settings_draft_add_missing(struct settings_draft *draft,
    const struct settings *settings)
{
	bool	is_other = settings_draft_has(draft, "session_authorization");

	for (size_t i = 0; i < settings->count; i++)
		if (!settings_draft_has(draft, settings->pairs[i].name) &&
		    !(is_other &&
		    strcmp(settings->pairs[i].name, "role") == 0))
			settings_draft_set(draft, settings->pairs[i].name,
			    settings->pairs[i].value);
}

void
settings_draft_restore_customs(struct settings_draft *draft,
    const struct settings *defaults)
{
	struct pair	old;
	const char	*value;

	for (size_t i = 0; i < draft->count; i++) {
		old = draft->pairs[i];
		if (old.value[0] != '\0' || strchr(old.name, '.') == NULL ||
		    (value = settings_get(defaults, old.name)) == NULL)
			continue;
		draft_put(draft, i, old.name, value);
		free(old.name);
	}
}

void
settings_draft_free(struct settings_draft *draft)
{
	if (draft == NULL)
		return;
	for (size_t i = 0; i < draft->count; i++)
		free(draft->pairs[i].name);
	free(draft->pairs);
	free(draft);
}

/*
 * Interning.
 */

static uint64_t
draft_hash(const struct settings_draft *draft)
{
	uint64_t	hash = 0;

	for (size_t i = 0; i < draft->count; i++)
		hash = hash_mix(hash_mix(hash,
		    hash_text(draft->pairs[i].name)),
		    hash_text(draft->pairs[i].value));
	return hash;
}

static bool
draft_fits(const struct settings_draft *draft,
    const struct settings *settings)
{
	if (draft->count != settings->count)
		return false;
	for (size_t i = 0; i < draft->count; i++)
		if (strcmp(draft->pairs[i].name,
		    settings->pairs[i].name) != 0 ||
		    strcmp(draft->pairs[i].value,
		    settings->pairs[i].value) != 0)
			return false;
	return true;
}

static struct settings *
settings_find_locked(const struct settings_draft *draft, uint64_t hash)
{
	struct hash_node	*node;
	struct settings		*settings;

	for (node = hash_table_first(&all.table, hash); node != NULL;
	    node = hash_table_same(node)) {
		settings = container_of(node, struct settings, node);
		if (draft_fits(draft, settings))
			return settings;
	}
	return NULL;
}

static struct settings *
settings_make_locked(struct settings_draft *draft, uint64_t hash)
{
	struct settings	*settings = mem_new(sizeof *settings +
			    draft->count * sizeof settings->pairs[0]);

	settings->count = draft->count;
	settings->pairs = (struct pair *)(settings + 1);
	settings->bytes = sizeof *settings;
	for (size_t i = 0; i < draft->count; i++) {
		settings->pairs[i] = draft->pairs[i];
		settings->customs += strchr(draft->pairs[i].name, '.') != NULL;
		settings->is_serializable |= strcasecmp(draft->pairs[i].name,
		    "default_transaction_isolation") == 0 &&
		    strcasecmp(draft->pairs[i].value, "serializable") == 0;
		settings->creates_temporary |= strcasecmp(draft->pairs[i].name,
		    "search_path") == 0 &&
		    strncmp(draft->pairs[i].value +
		    (draft->pairs[i].value[0] == '"'), "pg_temp", 7) == 0;
		settings->bytes += strlen(draft->pairs[i].name) +
		    strlen(draft->pairs[i].value) + sizeof draft->pairs[0];
	}
	draft->count = 0;
	hash_table_add(&all.table, &settings->node, hash);
	all.bytes += settings->bytes;
	return settings;
}

/* A reference to the one set that has just these pairs; frees the draft. */
static struct settings *
settings_intern_locked(struct settings_draft *draft, bool *is_new)
{
	uint64_t	 hash = draft_hash(draft);
	struct settings	*settings = settings_find_locked(draft, hash);

	*is_new = settings == NULL;
	if (settings == NULL)
		settings = settings_make_locked(draft, hash);
	if (settings->is_kept) {
		settings->is_kept = false;
		TAILQ_REMOVE(&all.kept, settings, kept);
		all.kept_count--;
	}
	atomic_fetch_add(&settings->references, 1);
	settings_draft_free(draft);
	return settings;
}

static bool
setting_has_meaning(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(settings_meaningless); i++)
		if (strcasecmp(settings_meaningless[i], name) == 0)
			return false;
	return true;
}

/* A new set means itself, or the set without what has no meaning. */
static void
settings_find_meaning_locked(struct settings *settings)
{
	struct settings_draft	*draft = settings_draft_new(settings_none());
	bool			 is_new;

	for (size_t i = 0; i < settings->count; i++)
		if (setting_has_meaning(settings->pairs[i].name))
			settings_draft_set(draft, settings->pairs[i].name,
			    settings->pairs[i].value);
	if (draft->count == 0 || draft->count == settings->count) {
		settings->meaning = draft->count == 0 ? settings_none() :
		    settings;
		settings_draft_free(draft);
		return;
	}
	settings->meaning = settings_intern_locked(draft, &is_new);
	if (is_new)
		settings_writable(settings->meaning)->meaning =
		    settings->meaning;
}

const struct settings *
settings_draft_intern(struct settings_draft *draft)
{
	struct settings	*settings;
	bool		 is_new;

	if (draft->count == 0) {
		settings_draft_free(draft);
		return settings_none();
	}
	pthread_mutex_lock(&all.mutex);
	settings = settings_intern_locked(draft, &is_new);
	if (is_new)
		settings_find_meaning_locked(settings);
	pthread_mutex_unlock(&all.mutex);
	return settings;
}

/*
 * What pools have accepted.
 */

static const struct acceptance *
settings_acceptance_locked(const struct settings *settings,
    const struct pool *pool)
{
	const struct acceptance	*at = settings->acceptances;

	while (at != NULL && at->pool != pool)
		at = at->next;
	return at;
}

static void
settings_accept(const struct settings *settings, const struct pool *pool,
    const uint8_t *reported, size_t n)
{
	const struct acceptance	*old;
	struct acceptance	*fresh;

	pthread_mutex_lock(&all.mutex);
	old = settings_acceptance_locked(settings, pool);
	if (old == NULL || (reported != NULL && !old->is_reported)) {
		/* In front of one that does not know what is reported. */
		fresh = mem_new(sizeof *fresh + n);
		fresh->pool = pool;
		fresh->is_reported = reported != NULL;
		fresh->length = n;
		if (n > 0)
			memcpy(fresh->reported, reported, n);
		fresh->next = settings->acceptances;
		settings_writable(settings)->acceptances = fresh;
	}
	pthread_mutex_unlock(&all.mutex);
}

void
settings_accepted(const struct settings *settings, const struct pool *pool,
    const uint8_t *reported, size_t n)
{
	if (settings == &settings_empty)
		return;
	if (reported == NULL)
		n = 0;
	settings_know_parts(settings, pool, reported, n);
	settings_accept(settings, pool, reported, n);
}

static void
settings_look_up(const struct settings *settings, const struct pool *pool,
    bool *accepted, bool *reported)
{
	const struct acceptance	*acceptance;

	pthread_mutex_lock(&all.mutex);
	acceptance = settings_acceptance_locked(settings, pool);
	*accepted = acceptance != NULL;
	*reported = acceptance != NULL && acceptance->is_reported;
	pthread_mutex_unlock(&all.mutex);
}

/* Put together from what is known of its parts. */
static void
settings_derive(const struct settings *settings, const struct pool *pool,
    bool *accepted, bool *reported)
{
	static const uint8_t	nothing[1];
	struct buf		messages;
	bool			are_reported;

	buf_init(&messages);
	if (settings_parts_are_known(settings, pool, &messages,
	    &are_reported)) {
		*accepted = true;
		*reported = are_reported;
		settings_accept(settings, pool, !are_reported ? NULL :
		    buf_length(&messages) == 0 ? nothing :
		    buf_bytes(&messages),
		    are_reported ? buf_length(&messages) : 0);
	}
	buf_done(&messages);
}

bool
settings_are_accepted(const struct settings *settings,
    const struct pool *pool)
{
	bool	accepted, reported;

	if (settings == &settings_empty)
		return true;
	settings_look_up(settings, pool, &accepted, &reported);
	if (!accepted)
		settings_derive(settings, pool, &accepted, &reported);
	return accepted;
}

bool
settings_are_reported(const struct settings *settings,
    const struct pool *pool)
{
	bool	accepted, reported;

	if (settings == &settings_empty)
		return true;
	settings_look_up(settings, pool, &accepted, &reported);
	if (!reported)
		settings_derive(settings, pool, &accepted, &reported);
	return reported;
}

void
settings_copy_reported(struct buf *buf, const struct settings *settings,
    const struct pool *pool)
{
	const struct acceptance	*acceptance;

	if (settings == &settings_empty)
		return;
	pthread_mutex_lock(&all.mutex);
	acceptance = settings_acceptance_locked(settings, pool);
	if (acceptance != NULL)
		buf_add(buf, acceptance->reported, acceptance->length);
	pthread_mutex_unlock(&all.mutex);
}

void
settings_memory(size_t *sets, size_t *bytes)
{
	pthread_mutex_lock(&all.mutex);
	*sets = all.table.count;
	*bytes = all.bytes;
	pthread_mutex_unlock(&all.mutex);
}
