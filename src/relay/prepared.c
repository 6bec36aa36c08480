/*
 * Statements, interned; and the names that one client has for them.
 *
 * The table of statements is shared by all threads under one mutex.  A
 * statement is freed with its last reference, which is taken and given up
 * under that mutex only when the count touches zero, so that nobody finds a
 * statement that is being freed.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "relay/prepared.h"
#include "relay/settings.h"
#include "wire/get.h"

size_t	statement_bytes_max = 1024 * 1024;
size_t	statement_memory_max = 256 * 1024 * 1024;

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	table;
	size_t			bytes;
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

static bool
statement_fits(const struct statement *statement, const uint8_t *body,
    size_t n, const struct settings *meaning)
{
	return statement->length == n && statement->meaning == meaning &&
	    memcmp(statement->body, body, n) == 0;
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
	statement->length = (uint32_t)n;
	memcpy(statement->body, body, n);
	sqlscan_text(&scan, body, strlen((const char *)body));
	statement->touches = scan.touches;
	statement->verb = (enum sql_verb)scan.first;
	return statement;
}

struct statement *
statement_intern(const uint8_t *body, size_t n,
    const struct settings *meaning, struct statement *last)
{
	struct statement	*statement;
	uint64_t		 hash;

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
		hash_table_add(&statements.table, &statement->node, hash);
		statements.bytes += sizeof *statement + n;
	}
	pthread_mutex_unlock(&statements.mutex);
	return statement;
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
	statements.bytes -= sizeof *statement + statement->length;
	pthread_mutex_unlock(&statements.mutex);
	settings_release(statement->meaning);
	free(statement);
}

void
statements_memory(size_t *count, size_t *bytes)
{
	pthread_mutex_lock(&statements.mutex);
	*count = statements.table.count;
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
