/*
 * Statements, interned; and the names that one client has for them.
 *
 * The table of statements is shared by all threads under one mutex.  A
 * statement is freed with its last reference, which is taken and given up
 * under that mutex only when the count touches zero, so that nobody finds a
 * statement that is being freed.
 *
 * Types may be inferred from tables, and rows always come from there.  What
 * PostgreSQL infers is asked once when a client prepares a text, and is a
 * part of what the client has from then on; another client that prepares the
 * text a second later, or after a table was changed through here, asks anew.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/own.h"
#include "session/prepared.h"
#include "session/settings.h"
#include "wire/get.h"

size_t	statement_bytes_max = 1024 * 1024;
size_t	statement_memory_max = 256 * 1024 * 1024;

/* For so long what PostgreSQL has said of a statement is believed. */
enum { LEARNED_US = 1000 * 1000, UNHEARD_US = 60 * 1000 * 1000 };

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	table;
	size_t			texts;	/* others share one of these */
	size_t			bytes;
	atomic_ullong		epoch;	/* how often a database was changed */
} statements = { .mutex = PTHREAD_MUTEX_INITIALIZER };

bool
statement_body_is_valid(const uint8_t *body, size_t n)
{
	struct get	get;

	get_init(&get, body, n);
	(void)get_string(&get);
	(void)get_bytes(&get, (size_t)get_u16(&get) * 4);
	return get_is_done(&get);
}

bool
statement_types_are_whole(const uint8_t *types, size_t n)
{
	struct get	get;

	get_init(&get, types, n);
	(void)get_bytes(&get, (size_t)get_u16(&get) * 4);
	return get_is_done(&get);
}

static size_t
statement_bytes(const struct statement *statement)
{
	return sizeof *statement + statement->types_bytes +
	    (statement->origin == NULL ? statement->text_bytes : 0);
}

/* What a client says is kept in one piece. */
static bool
statement_fits(const struct statement *statement, const uint8_t *body,
    size_t n, const struct settings *meaning)
{
	return statement->origin == NULL &&
	    statement->text_bytes + statement->types_bytes == n &&
	    statement->meaning == meaning &&
	    memcmp(statement->own, body, n) == 0;
}

static struct statement *
statement_find_locked(const uint8_t *body, size_t n,
    const struct settings *meaning, uint64_t hash)
{
	struct hash_node	*node;
	struct statement	*statement;

	for (node = hash_table_first(&statements.table, hash); node != NULL;
	    node = hash_table_same(node)) {
		statement = container_of(node, struct statement, node);
		if (statement_fits(statement, body, n, meaning))
			return statement;
	}
	return NULL;
}

static struct statement *
statement_new(const uint8_t *body, size_t n, const struct settings *meaning)
{
	struct statement	*statement = mem_new(sizeof *statement + n);
	struct sqlscan		 scan;

	atomic_init(&statement->references, 1);
	statement->meaning = settings_hold(meaning);
	memcpy(statement->own, body, n);
	statement->text = (const char *)statement->own;
	statement->text_bytes = (uint32_t)strlen(statement->text) + 1;
	statement->types = statement->own + statement->text_bytes;
	statement->types_bytes = (uint32_t)n - statement->text_bytes;
	sqlscan_text(&scan, body, statement->text_bytes - 1);
	statement->touches = scan.touches;
	statement->verb = (enum sql_verb)scan.first;
	statement->alters = scan.alters;
	statement->may_be_ours = (uint8_t)relay_may_own(statement->text);
	return statement;
}

static void
statement_add_locked(struct statement *statement, uint64_t hash)
{
	hash_table_add(&statements.table, &statement->node, hash);
	statements.bytes += statement_bytes(statement);
	statements.texts += statement->origin == NULL;
}

struct statement *
statement_intern(const uint8_t *body, size_t n,
    const struct settings *meaning, struct statement *last)
{
	struct statement	*statement;
	uint64_t		 hash;

	if (last != NULL && last->origin != NULL)
		last = last->origin;
	if (last != NULL && statement_fits(last, body, n, meaning))
		return statement_hold(last);
	hash = hash_bytes(body, n);
	pthread_mutex_lock(&statements.mutex);
	statement = statement_find_locked(body, n, meaning, hash);
	if (statement != NULL)
		statement_hold(statement);
	else if (statement_memory_max == 0 ||
	    statements.bytes + sizeof *statement + n <=
	    statement_memory_max) {
		statement = statement_new(body, n, meaning);
		statement_add_locked(statement, hash);
	}
	pthread_mutex_unlock(&statements.mutex);
	return statement;
}

/*
 * What PostgreSQL has made of a statement.
 */

static struct statement *
statement_find_learned_locked(const struct statement *origin,
    const uint8_t *types, size_t n, uint64_t shape, uint64_t hash)
{
	struct hash_node	*node;
	struct statement	*statement;

	for (node = hash_table_first(&statements.table, hash); node != NULL;
	    node = hash_table_same(node)) {
		statement = container_of(node, struct statement, node);
		if (statement->origin == origin &&
		    statement->shape == shape &&
		    statement->types_bytes == n &&
		    memcmp(statement->types, types, n) == 0)
			return statement;
	}
	return NULL;
}

static struct statement *
statement_new_learned(struct statement *origin, const uint8_t *types,
    size_t n, uint64_t shape)
{
	struct statement	*statement = mem_new(sizeof *statement + n);

	atomic_init(&statement->references, 1);
	statement->meaning = settings_hold(origin->meaning);
	statement->origin = statement_hold(origin);
	statement->shape = shape;
	statement->touches = origin->touches;
	statement->verb = origin->verb;
	statement->alters = origin->alters;
	statement->may_be_ours = origin->may_be_ours;
	statement->text = origin->text;
	statement->text_bytes = origin->text_bytes;
	memcpy(statement->own, types, n);
	statement->types = statement->own;
	statement->types_bytes = (uint32_t)n;
	return statement;
}

struct statement *
statement_learn(struct statement *of, const uint8_t *types, size_t n,
    uint64_t shape)
{
	struct statement	*origin = of->origin == NULL ? of : of->origin;
	struct statement	*statement;
	uint64_t		 hash = hash_mix(hash_mix(origin->node.hash,
				    hash_bytes(types, n)), shape);

	pthread_mutex_lock(&statements.mutex);
	statement = statement_find_learned_locked(origin, types, n, shape,
	    hash);
	if (statement != NULL)
		statement_hold(statement);
	else {
		statement = statement_new_learned(origin, types, n, shape);
		statement_add_locked(statement, hash);
	}
	pthread_mutex_unlock(&statements.mutex);
	return statement;
}

/* As PostgreSQL compares them: names, types and their modifiers. */
uint64_t
statement_shape(const uint8_t *body, size_t n)
{
	struct get	 get;
	uint64_t	 shape = SHAPE_NO_ROWS + 1;
	uint32_t	 type;
	const char	*name;

	get_init(&get, body, n);
	for (unsigned left = get_u16(&get); left > 0 && !get.bad; left--) {
		if ((name = get_string(&get)) == NULL)
			break;
		(void)get_bytes(&get, 6);
		type = get_u32(&get);
		(void)get_bytes(&get, 2);
		shape = hash_mix(hash_mix(shape, hash_text(name)),
		    (uint64_t)type << 32 | get_u32(&get));
		(void)get_bytes(&get, 2);
	}
	if (!get_is_done(&get))
		return 0;
	return shape <= SHAPE_NO_ROWS ? shape + 2 : shape;
}

void
statements_expire(void)
{
	atomic_fetch_add_explicit(&statements.epoch, 1, memory_order_relaxed);
}

uint64_t
statements_epoch(int64_t now_us)
{
	return 1 + (uint64_t)(now_us / UNHEARD_US) + atomic_load_explicit(
	    &statements.epoch, memory_order_relaxed);
}

void
statement_note_learned(struct statement *statement, struct statement *learned,
    int64_t now_us)
{
	pthread_mutex_lock(&statements.mutex);
	statement->learned = learned;
	statement->learned_us = now_us;
	atomic_store(&statement->learned_epoch, statements_epoch(now_us));
	pthread_mutex_unlock(&statements.mutex);
}

struct statement *
statement_learned(struct statement *statement, int64_t now_us)
{
	struct statement	*learned;

	pthread_mutex_lock(&statements.mutex);
	learned = statement->learned;
	if (learned != NULL && (now_us - statement->learned_us >
	    LEARNED_US || statement->learned_epoch !=
	    statements_epoch(now_us)))
		learned = NULL;
	if (learned != NULL)
		statement_hold(learned);
	pthread_mutex_unlock(&statements.mutex);
	return learned;
}

struct statement *
statement_new_private(const uint8_t *body, size_t n,
    const struct settings *meaning)
{
	static atomic_ullong	 last;
	struct settings_draft	*draft = settings_draft_new(meaning);
	const struct settings	*own;
	struct statement	*statement;
	char			 number[24];

	/* No setting has this name; the set is a key and never applied. */
	snprintf(number, sizeof number, "%llu",
	    atomic_fetch_add(&last, 1) + 1);
	settings_draft_set(draft, "!", number);
	own = settings_draft_intern(draft);
	statement = statement_intern(body, n, settings_meaning(own), NULL);
	settings_release(own);
	return statement;
}

struct statement *
statement_hold(struct statement *statement)
{
	atomic_fetch_add_explicit(&statement->references, 1,
	    memory_order_relaxed);
	return statement;
}

void
statement_release(struct statement *statement)
{
	int	references;

	if (statement == NULL)
		return;
	references = atomic_load(&statement->references);
	while (references > 1)
		if (atomic_compare_exchange_weak(&statement->references,
		    &references, references - 1))
			return;
	/* Perhaps the last one: nobody may find it in the meantime. */
	pthread_mutex_lock(&statements.mutex);
	if (atomic_fetch_sub(&statement->references, 1) > 1) {
		pthread_mutex_unlock(&statements.mutex);
		return;
	}
	hash_table_remove(&statements.table, &statement->node);
	statements.bytes -= statement_bytes(statement);
	statements.texts -= statement->origin == NULL;
	if (statement->origin != NULL &&
	    statement->origin->learned == statement)
		statement->origin->learned = NULL;
	pthread_mutex_unlock(&statements.mutex);
	settings_release(statement->meaning);
	statement_release(statement->origin);
	free(statement);
}

void
statements_memory(size_t *count, size_t *bytes)
{
	pthread_mutex_lock(&statements.mutex);
	*count = statements.texts;
	*bytes = statements.bytes;
	pthread_mutex_unlock(&statements.mutex);
}

void
statements_each(void (*each)(void *, const struct statement *), void *arg)
{
	struct hash_node	*node;

	pthread_mutex_lock(&statements.mutex);
	for (node = hash_table_each(&statements.table, NULL); node != NULL;
	    node = hash_table_each(&statements.table, node))
		each(arg, container_of(node, struct statement, node));
	pthread_mutex_unlock(&statements.mutex);
}

/*
 * Names.
 */

struct name {
	struct hash_node	 node;
	struct statement	*statement;
	char			 text[];
};

static struct name *
name_find(const struct names *names, const char *text)
{
	struct hash_node	*node;
	struct name		*name;

	if (names->table == NULL)
		return NULL;
	for (node = hash_table_first(names->table, hash_text(text));
	    node != NULL; node = hash_table_same(node)) {
		name = container_of(node, struct name, node);
		if (strcmp(name->text, text) == 0)
			return name;
	}
	return NULL;
}

struct statement *
names_find(const struct names *names, const char *text)
{
	struct name	*name = name_find(names, text);

	return name == NULL ? NULL : name->statement;
}

const char *
names_of(const struct names *names, const struct statement *statement)
{
	struct hash_node	*node = NULL;
	struct name		*name;

	if (names->table == NULL || statement == NULL)
		return NULL;
	while ((node = hash_table_each(names->table, node)) != NULL) {
		name = container_of(node, struct name, node);
		if (name->statement == statement)
			return name->text;
	}
	return NULL;
}

void
names_set(struct names *names, const char *text, struct statement *statement)
{
	struct name	*name = name_find(names, text);
	size_t		 n = strlen(text) + 1;

	statement_hold(statement);
	if (name != NULL) {
		statement_release(name->statement);
		name->statement = statement;
		return;
	}
	if (names->table == NULL) {
		names->table = mem_new(sizeof *names->table);
		hash_table_init(names->table);
	}
	name = mem_new(sizeof *name + n);
	memcpy(name->text, text, n);
	name->statement = statement;
	hash_table_add(names->table, &name->node, hash_text(text));
}

static void
name_free(struct names *names, struct name *name)
{
	hash_table_remove(names->table, &name->node);
	statement_release(name->statement);
	free(name);
}

bool
names_remove(struct names *names, const char *text)
{
	struct name	*name = name_find(names, text);

	if (name == NULL)
		return false;
	name_free(names, name);
	return true;
}

void
names_clear(struct names *names)
{
	struct hash_node	*node;

	if (names->table == NULL)
		return;
	while ((node = hash_table_each(names->table, NULL)) != NULL)
		name_free(names, container_of(node, struct name, node));
	hash_table_done(names->table);
	free(names->table);
	names->table = NULL;
}

size_t
names_count(const struct names *names)
{
	return names->table == NULL ? 0 : names->table->count;
}
