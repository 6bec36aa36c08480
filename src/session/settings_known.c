/*
 * Single settings that PostgreSQL has accepted: a name and a value, by the
 * pool whose servers took them, with what they reported then.  So a set that
 * nobody had before is known as soon as each of its parts is.
 *
 * A part says nothing by itself where who one is matters: sets with role or
 * session_authorization are known only as wholes (settings.c).
 *
 * Bounded in bytes; what was used longest ago goes first.  Any thread; the
 * mutex is a leaf.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sys/queue.h>

#include "base/hash.h"
#include "base/mem.h"
#include "session/settings_private.h"
#include "wire/put.h"

enum { KNOWN_BYTES_MAX = 1024 * 1024 };

struct known {
	struct hash_node	 node;
	TAILQ_ENTRY(known)	 used;
	const struct pool	*pool;
	bool			 is_reported;	/* the message is known */
	size_t			 bytes;		/* of all of this */
	char			*name, *value;	/* one allocation */
	uint8_t			*reported;	/* ParameterStatus, or NULL */
	size_t			 length;
};

static struct {
	pthread_mutex_t		 mutex;
	struct hash_table	 table;
	TAILQ_HEAD(known_list, known) used;	/* latest first */
	size_t			 bytes;
} knowns = { .mutex = PTHREAD_MUTEX_INITIALIZER,
	.used = TAILQ_HEAD_INITIALIZER(knowns.used) };

static bool
setting_is_free(const char *name, const char *value)
{
	if (strcasecmp(name, "application_name") != 0)
		return false;
	for (; *value != '\0'; value++)
		if (*value < ' ' || *value > '~')
			return false;
	return true;
}

static bool
setting_is_person(const char *name)
{
	return strcasecmp(name, "role") == 0 ||
	    strcasecmp(name, "session_authorization") == 0;
}

static uint64_t
known_hash(const struct pool *pool, const char *name, const char *value)
{
	return hash_mix(hash_mix((uint64_t)(uintptr_t)pool, hash_text(name)),
	    hash_text(value));
}

static struct known *
known_find_locked(const struct pool *pool, const char *name,
    const char *value, uint64_t hash)
{
	struct hash_node	*node;
	struct known		*known;

	for (node = hash_table_first(&knowns.table, hash); node != NULL;
	    node = hash_table_same(node)) {
		known = container_of(node, struct known, node);
		if (known->pool == pool && strcmp(known->name, name) == 0 &&
		    strcmp(known->value, value) == 0)
			return known;
	}
	return NULL;
}

static void
known_free_locked(struct known *known)
{
	hash_table_remove(&knowns.table, &known->node);
	TAILQ_REMOVE(&knowns.used, known, used);
	knowns.bytes -= known->bytes;
	free(known->name);
	free(known->reported);
	free(known);
}

static void
known_add_locked(const struct pool *pool, const char *name,
    const char *value, bool is_reported, const uint8_t *reported, size_t n)
{
	uint64_t	 hash = known_hash(pool, name, value);
	struct known	*known = known_find_locked(pool, name, value, hash);
	size_t		 name_bytes = strlen(name) + 1;
	size_t		 value_bytes = strlen(value) + 1;

	if (known != NULL && (known->is_reported || !is_reported))
		return;
	if (known != NULL)
		known_free_locked(known);
	known = mem_new(sizeof *known);
	known->pool = pool;
	known->name = mem_new(name_bytes + value_bytes);
	known->value = known->name + name_bytes;
	memcpy(known->name, name, name_bytes);
	memcpy(known->value, value, value_bytes);
	known->is_reported = is_reported;
	known->length = n;
	known->reported = n > 0 ? mem_copy(reported, n) : NULL;
	known->bytes = sizeof *known + name_bytes + value_bytes + n;
	knowns.bytes += known->bytes;
	hash_table_add(&knowns.table, &known->node, hash);
	TAILQ_INSERT_HEAD(&knowns.used, known, used);
	while (knowns.bytes > KNOWN_BYTES_MAX)
		known_free_locked(TAILQ_LAST(&knowns.used, known_list));
}

/* The message about this name among those; its length, or 0. */
static size_t
reported_of(const uint8_t *reported, size_t n, const char *name,
    const uint8_t **message)
{
	const uint8_t	*end = reported + n, *next = reported;
	const char	*other;

	for (*message = reported; (other = status_next(&next, end)) != NULL;
	    *message = next)
		if (strcasecmp(other, name) == 0)
			return (size_t)(next - *message);
	return 0;
}

void
settings_know_parts(const struct settings *settings, const struct pool *pool,
    const uint8_t *reported, size_t n)
{
	const uint8_t	*message = NULL;
	const char	*name, *value;
	size_t		 length = 0;

	for (size_t i = 0; i < settings_count(settings); i++)
		if (setting_is_person(settings_name(settings, i)))
			return;
	pthread_mutex_lock(&knowns.mutex);
	for (size_t i = 0; i < settings_count(settings); i++) {
		name = settings_name(settings, i);
		value = settings_value(settings, i);
		if (setting_is_free(name, value))
			continue;
		if (reported != NULL)
			length = reported_of(reported, n, name, &message);
		known_add_locked(pool, name, value, reported != NULL,
		    message, length);
	}
	pthread_mutex_unlock(&knowns.mutex);
}

static bool
known_use_locked(const struct pool *pool, const char *name,
    const char *value, struct buf *reported, bool *are_reported)
{
	struct known	*known;

	if (setting_is_free(name, value)) {
		put_parameter_status(reported, "application_name", value);
		return true;
	}
	known = known_find_locked(pool, name, value,
	    known_hash(pool, name, value));
	if (known == NULL)
		return false;
	TAILQ_REMOVE(&knowns.used, known, used);
	TAILQ_INSERT_HEAD(&knowns.used, known, used);
	*are_reported &= known->is_reported;
	buf_add(reported, known->reported, known->length);
	return true;
}

bool
settings_parts_are_known(const struct settings *settings,
    const struct pool *pool, struct buf *reported, bool *are_reported)
{
	bool	known = true;

	*are_reported = true;
	for (size_t i = 0; i < settings_count(settings); i++)
		if (setting_is_person(settings_name(settings, i)))
			return false;
	pthread_mutex_lock(&knowns.mutex);
	for (size_t i = 0; known && i < settings_count(settings); i++)
		known = known_use_locked(pool, settings_name(settings, i),
		    settings_value(settings, i), reported, are_reported);
	pthread_mutex_unlock(&knowns.mutex);
	return known;
}
