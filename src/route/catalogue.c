/*
 * See route/catalogue.h.
 *
 * Names stand one behind the other in one run of bytes; the draft finds them
 * with a hash table, which becomes that of the catalogue.
 */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "route/catalogue.h"

/* More than any schema has that is not made to break us. */
enum { CATALOGUE_NAMES_MAX = 1 << 20, CATALOGUE_SYMBOLS_MAX = 256 };

struct entry {
	uint32_t	offset;		/* of the name, in names */
	uint16_t	tag;		/* of its hash */
	uint16_t	flags;		/* 0: free */
};

struct catalogue {
	atomic_int	 references;
	uint64_t	 number;
	bool		 is_hopeless;
	uint16_t	 foreign;	/* CATALOGUE_BAD_..., of names that are
					 * not ASCII */
	struct entry	*entries;
	uint32_t	 mask;		/* entries less one */
	uint32_t	 count;
	struct buf	 names;
	struct buf	 symbols;	/* terminated, one after another */
	uint32_t	 symbol_count;
};

struct catalogue_draft {
	struct catalogue	*catalogue;
};

static atomic_uint_fast64_t	numbers;

/* Operators that syntax implies: IN, LIKE, BETWEEN, ORDER BY, DISTINCT. */
static const char *const	implied[] = { "=", "<>", "<", ">", "<=", ">=",
	"~~", "!~~", "~~*", "!~~*", "~" };

struct catalogue_draft *
catalogue_draft_new(void)
{
	struct catalogue_draft	*draft = mem_new(sizeof *draft);
	struct catalogue	*catalogue = mem_new(sizeof *catalogue);

	draft->catalogue = catalogue;
	catalogue->references = 1;
	catalogue->number = atomic_fetch_add(&numbers, 1) + 1;
	catalogue->mask = 4095;
	catalogue->entries = mem_new(sizeof *catalogue->entries * 4096);
	buf_init(&catalogue->names);
	buf_init(&catalogue->symbols);
	return draft;
}

/* The entry of a name, or the free one where it belongs. */
static struct entry *
catalogue_entry(const struct catalogue *catalogue, const char *name,
    uint64_t hash)
{
	struct entry	*entry;
	uint32_t	 at = (uint32_t)hash;

	for (;; at++) {
		entry = &catalogue->entries[at & catalogue->mask];
		if (entry->flags == 0 || (entry->tag == hash >> 48 &&
		    strcmp((const char *)catalogue->names.data +
		    entry->offset, name) == 0))
			return entry;
	}
}

static void
catalogue_grow(struct catalogue *catalogue)
{
	struct entry	*old = catalogue->entries, *entry;
	uint32_t	 size = catalogue->mask + 1;
	const char	*name;

	catalogue->entries = mem_new(sizeof *old * size * 2);
	catalogue->mask = size * 2 - 1;
	for (uint32_t i = 0; i < size; i++) {
		if (old[i].flags == 0)
			continue;
		name = (const char *)catalogue->names.data + old[i].offset;
		entry = catalogue_entry(catalogue, name, hash_text(name));
		*entry = old[i];
	}
	free(old);
}

static bool
is_ascii(const char *name)
{
	while (*name != '\0' && (uint8_t)*name < 0x80)
		name++;
	return *name == '\0';
}

static bool
catalogue_add(struct catalogue *catalogue, const char *name, uint16_t flags)
{
	uint64_t	 hash = hash_text(name);
	struct entry	*entry = catalogue_entry(catalogue, name, hash);

	if (entry->flags == 0) {
		if (catalogue->count == CATALOGUE_NAMES_MAX)
			return false;
		entry->offset = (uint32_t)buf_length(&catalogue->names);
		entry->tag = (uint16_t)(hash >> 48);
		buf_add(&catalogue->names, name, strlen(name) + 1);
		catalogue->count++;
	}
	entry->flags |= flags;
	if (!is_ascii(name))
		catalogue->foreign |= flags & CATALOGUE_BAD;
	if (catalogue->count * 2 > catalogue->mask)
		catalogue_grow(catalogue);
	return true;
}

static void
catalogue_add_symbol(struct catalogue *catalogue, const char *symbol)
{
	for (size_t i = 0; i < ARRAY_LENGTH(implied); i++)
		if (strcmp(symbol, implied[i]) == 0)
			catalogue->is_hopeless = true;
	if (catalogue->symbol_count++ == CATALOGUE_SYMBOLS_MAX)
		catalogue->is_hopeless = true;
	if (!catalogue->is_hopeless)
		buf_add(&catalogue->symbols, symbol, strlen(symbol) + 1);
}

bool
catalogue_draft_add(struct catalogue_draft *draft, const char *kind,
    const char *name, const char *is_bad)
{
	struct catalogue	*catalogue = draft->catalogue;
	bool			 bad = strcmp(is_bad, "f") != 0;

	switch (kind[0]) {
	case 'f':
		return catalogue_add(catalogue, name, CATALOGUE_FUNCTION |
		    (bad ? CATALOGUE_BAD_FUNCTION : 0));
	case 'r':
		return catalogue_add(catalogue, name, CATALOGUE_RELATION |
		    (bad ? CATALOGUE_BAD_RELATION : 0));
	case 't':
		return catalogue_add(catalogue, name, CATALOGUE_TYPE |
		    (bad ? CATALOGUE_BAD_TYPE : 0));
	case 'o':
		if (bad)
			catalogue_add_symbol(catalogue, name);
		return true;
	case '!':
		catalogue->is_hopeless |= bad;
		return true;
	default:
		return false;
	}
}

const struct catalogue *
catalogue_draft_finish(struct catalogue_draft *draft)
{
	struct catalogue	*catalogue = draft->catalogue;

	free(draft);
	return catalogue;
}

void
catalogue_draft_free(struct catalogue_draft *draft)
{
	if (draft != NULL)
		catalogue_release(catalogue_draft_finish(draft));
}

/* References are all that changes in one that is const to everybody. */
const struct catalogue *
catalogue_hold(const struct catalogue *catalogue)
{
	if (catalogue != NULL)
		atomic_fetch_add(&((struct catalogue *)(uintptr_t)
		    catalogue)->references, 1);
	return catalogue;
}

void
catalogue_release(const struct catalogue *constant)
{
	struct catalogue	*catalogue;

	catalogue = (struct catalogue *)(uintptr_t)constant;
	if (catalogue == NULL ||
	    atomic_fetch_sub(&catalogue->references, 1) != 1)
		return;
	buf_done(&catalogue->names);
	buf_done(&catalogue->symbols);
	free(catalogue->entries);
	free(catalogue);
}

unsigned
catalogue_find(const struct catalogue *catalogue, const char *name)
{
	unsigned	flags;

	flags = catalogue_entry(catalogue, name, hash_text(name))->flags;
	return catalogue->foreign == 0 || is_ascii(name) ? flags :
	    flags | catalogue->foreign;
}

/*
 * Characters that stand together may be one operator or several, and a
 * comment may hide where one ends: what has it inside is enough.
 */
bool
catalogue_has_bad_symbol(const struct catalogue *catalogue,
    const char *symbols)
{
	const char	*at = (const char *)catalogue->symbols.data;
	const char	*end = at + buf_length(&catalogue->symbols);

	for (; at != end; at += strlen(at) + 1)
		if (strstr(symbols, at) != NULL)
			return true;
	return false;
}

bool
catalogue_is_hopeless(const struct catalogue *catalogue)
{
	return catalogue->is_hopeless;
}

uint64_t
catalogue_number(const struct catalogue *catalogue)
{
	return catalogue->number;
}

size_t
catalogue_bytes(const struct catalogue *catalogue)
{
	return sizeof *catalogue + catalogue->names.capacity +
	    catalogue->symbols.capacity +
	    (catalogue->mask + 1) * sizeof *catalogue->entries;
}
