/*
 * auth_file; see config/userlist.h.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "config/userlist.h"

struct userlist_entry {
	struct hash_node	 node;
	char			*user;
	char			*secret;
};

struct userlist {
	struct hash_table	  by_name;
	struct userlist_entry	**entries;	/* in the order of the file */
	size_t			  count;
	size_t			  kinds[PASSWORD_KINDS];	/* of secrets */
};

struct userlist *
userlist_new(void)
{
	struct userlist	*list = mem_new(sizeof *list);

	hash_table_init(&list->by_name);
	return list;
}

static struct userlist_entry *
userlist_find(const struct userlist *list, const char *user)
{
	struct hash_node	*node;
	struct userlist_entry	*entry;

	for (node = hash_table_first(&list->by_name, hash_text(user));
	    node != NULL; node = hash_table_same(node)) {
		entry = container_of(node, struct userlist_entry, node);
		if (strcmp(entry->user, user) == 0)
			return entry;
	}
	return NULL;
}

/* A name that stands twice has the last secret. */
void
userlist_add(struct userlist *list, const char *user, const char *secret)
{
	struct userlist_entry	*entry = userlist_find(list, user);

	list->kinds[password_kind(secret)]++;
	if (entry != NULL) {
		list->kinds[password_kind(entry->secret)]--;
		mem_free_secret(entry->secret);
		entry->secret = mem_string(secret);
		return;
	}
	entry = mem_new(sizeof *entry);
	entry->user = mem_string(user);
	entry->secret = mem_string(secret);
	list->entries = mem_resize(list->entries,
	    (list->count + 1) * sizeof list->entries[0]);
	list->entries[list->count++] = entry;
	hash_table_add(&list->by_name, &entry->node, hash_text(user));
}

void
userlist_free(struct userlist *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++) {
		hash_table_remove(&list->by_name, &list->entries[i]->node);
		free(list->entries[i]->user);
		mem_free_secret(list->entries[i]->secret);
		free(list->entries[i]);
	}
	hash_table_done(&list->by_name);
	free(list->entries);
	free(list);
}

const char *
userlist_secret(const struct userlist *list, const char *user)
{
	const struct userlist_entry	*entry = userlist_find(list, user);

	return entry == NULL ? NULL : entry->secret;
}

enum password_kind
userlist_usual_kind(const struct userlist *list)
{
	enum password_kind	usual = PASSWORD_SCRAM;

	for (int kind = 0; kind < PASSWORD_KINDS; kind++)
		if (list->kinds[kind] > list->kinds[usual])
			usual = (enum password_kind)kind;
	return usual;
}

size_t
userlist_count(const struct userlist *list)
{
	return list->count;
}

const char *
userlist_name(const struct userlist *list, size_t i)
{
	return list->entries[i]->user;
}

/* A quoted string at *at, "" inside for one quote; NULL: there is none. */
static char *
userlist_quoted(char **at)
{
	char	*from, *to, *start;

	*at += strspn(*at, " \t");
	if (**at != '"')
		return NULL;
	start = from = to = *at + 1;
	for (;; from++) {
		if (*from == '\0')
			return NULL;
		if (*from == '"' && *++from != '"')
			break;
		*to++ = *from;
	}
	*at = from;
	*to = '\0';
	return start;
}

static bool
userlist_read_line(struct userlist *list, char *line)
{
	char	*user, *secret;

	line[strcspn(line, "\r\n")] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == ';' || *line == '#')
		return true;
	if ((user = userlist_quoted(&line)) == NULL || user[0] == '\0' ||
	    strchr(" \t", *line) == NULL ||
	    (secret = userlist_quoted(&line)) == NULL)
		return false;
	userlist_add(list, user, secret);
	return true;
}

struct userlist *
userlist_read(const char *path, char *error, size_t size)
{
	struct userlist	*list = userlist_new();
	FILE		*file;
	char		*line = NULL;
	size_t		 room = 0;
	int		 number = 0;
	bool		 good = true;

	if (path[0] == '\0')
		return list;
	if ((file = fopen(path, "re")) == NULL) {
		snprintf(error, size, "auth_file: cannot read \"%s\": %s",
		    path, strerror(errno));
		userlist_free(list);
		return NULL;
	}
	while (good && getline(&line, &room, file) >= 0) {
		number++;
		good = userlist_read_line(list, line);
	}
	if (line != NULL)
		mem_wipe(line, room);
	free(line);
	fclose(file);
	if (good)
		return list;
	snprintf(error, size, "%s:%d: not \"user\" \"secret\"", path, number);
	userlist_free(list);
	return NULL;
}
