/*
 * See net/search_list.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/search_list.h"

enum { NDOTS_MAX = 15 };

static void
search_list_clear(struct search_list *list)
{
	while (list->count > 0)
		free(list->domains[--list->count]);
}

/* The last line of its kind counts. */
static void
search_list_take_domains(struct search_list *list, char *rest)
{
	char	*word;

	search_list_clear(list);
	while ((word = strtok_r(NULL, " \t\r\n", &rest)) != NULL &&
	    list->count < SEARCH_DOMAINS_MAX) {
		word += word[0] == '.';
		if (word[0] != '\0')
			list->domains[list->count++] = mem_string(word);
	}
}

static void
search_list_take_options(struct search_list *list, char *rest)
{
	char	*word;
	int	 ndots;

	while ((word = strtok_r(NULL, " \t\r\n", &rest)) != NULL)
		if (strncmp(word, "ndots:", 6) == 0) {
			ndots = atoi(word + 6);
			list->ndots = ndots < 0 ? 0 : ndots > NDOTS_MAX ?
			    NDOTS_MAX : ndots;
		}
}

static void
search_list_take_line(struct search_list *list, char *line)
{
	char	*rest = line, *word = strtok_r(line, " \t\r\n", &rest);

	if (word == NULL)
		return;
	if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0)
		search_list_take_domains(list, rest);
	else if (strcmp(word, "options") == 0)
		search_list_take_options(list, rest);
}

void
search_list_read(struct search_list *list, const char *path)
{
	FILE	*file = fopen(path, "re");
	char	*line = NULL, host[256];
	size_t	 room = 0;

	*list = (struct search_list){ .ndots = 1 };
	if (file != NULL) {
		while (getline(&line, &room, file) >= 0)
			search_list_take_line(list, line);
		free(line);
		fclose(file);
	}
	if (list->count > 0 || gethostname(host, sizeof host) != 0)
		return;
	host[sizeof host - 1] = '\0';
	if (strchr(host, '.') != NULL && strchr(host, '.')[1] != '\0')
		list->domains[list->count++] =
		    mem_string(strchr(host, '.') + 1);
}

void
search_list_done(struct search_list *list)
{
	search_list_clear(list);
}

static int
count_dots(const char *name)
{
	int	dots = 0;

	for (; *name != '\0'; name++)
		dots += *name == '.';
	return dots;
}

bool
search_list_name(const struct search_list *list, const char *name, int n,
    char out[SEARCH_NAME_BYTES])
{
	size_t	length = strlen(name);
	bool	is_whole = length == 0 || name[length - 1] == '.';
	int	alone = is_whole || count_dots(name) >= list->ndots ? 0 :
		    list->count;
	int	written;

	if (n > (is_whole ? 0 : list->count))
		return false;
	if (n == alone)
		written = snprintf(out, SEARCH_NAME_BYTES, "%s", name);
	else
		written = snprintf(out, SEARCH_NAME_BYTES, "%s.%s", name,
		    list->domains[n > alone ? n - 1 : n]);
	/* One that is too long is no name, and nobody is asked for it. */
	if (written >= SEARCH_NAME_BYTES)
		out[0] = '\0';
	return true;
}
