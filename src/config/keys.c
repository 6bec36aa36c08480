/*
 * See config/keys.h.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "config/keys.h"

void
keys_unset(const struct key *keys, void *record)
{
	void	*at;

	for (; keys->name != NULL; keys++) {
		at = (char *)record + keys->offset;
		if (keys->kind == KEY_NUMBER)
			*(int *)at = CONFIG_UNSET;
		else if (keys->kind == KEY_TIME)
			*(int64_t *)at = CONFIG_UNSET;
	}
}

void
keys_free_texts(const struct key *keys, void *record)
{
	char	**text;

	for (; keys->name != NULL; keys++)
		if (keys->kind == KEY_TEXT) {
			text = (char **)((char *)record + keys->offset);
			mem_free_secret(*text);
			*text = NULL;
		}
}

static const struct key *
key_find(const struct key *keys, const char *name)
{
	for (; keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static const char *
key_nearest(const struct key *keys, const char *name)
{
	const char	*nearest = NULL;
	int		 distance, least = 4;

	for (; keys->name != NULL; keys++) {
		distance = text_distance(name, keys->name, least);
		if (distance < least) {
			least = distance;
			nearest = keys->name;
		}
	}
	return nearest;
}

bool
keys_set(const struct key *keys, void *record, const char *name,
    const char *value, char *error, size_t size)
{
	const struct key	*key = key_find(keys, name);
	const char		*nearest;
	int64_t			 number;
	void			*at;

	if (key == NULL) {
		nearest = key_nearest(keys, name);
		snprintf(error, size, "there is no key \"%s\"%s%s%s", name,
		    nearest != NULL ? "; did you mean \"" : "",
		    nearest != NULL ? nearest : "",
		    nearest != NULL ? "\"?" : "");
		return false;
	}
	at = (char *)record + key->offset;
	switch (key->kind) {
	case KEY_TEXT:
		mem_free_secret(*(char **)at);
		*(char **)at = mem_string(value);
		return true;
	case KEY_NUMBER:
		if (text_to_integer(value, &number) && number >= 0 &&
		    number <= 1000000) {
			*(int *)at = (int)number;
			return true;
		}
		break;
	case KEY_TIME:
		if (text_to_duration(value, &number) && number >= 0) {
			*(int64_t *)at = number;
			return true;
		}
		break;
	case KEY_MODE:
		if (choice_parse(CHOICE_MODE, value, at))
			return true;
		break;
	case KEY_ROUTE:
		if (choice_parse(CHOICE_ROUTE, value, at))
			return true;
		break;
	case KEY_BALANCE:
		if (choice_parse(CHOICE_BALANCE, value, at))
			return true;
		break;
	}
	snprintf(error, size, "%s=%s is not possible", name, value);
	return false;
}

static bool
pairs_next(char **at, char **name, char **value)
{
	char	*from, *to;
	bool	 quoted;

	*name = *at;
	*at += strcspn(*at, "= \t");
	from = *at + strspn(*at, " \t");
	if (*at == *name || *from != '=')
		return false;
	**at = '\0';
	from++;
	from += strspn(from, " \t");
	quoted = *from == '\'';
	from += quoted;
	for (*value = to = from; *from != '\0'; *to++ = *from++) {
		if (quoted && *from == '\'') {
			if (from[1] != '\'')
				break;
			from++;
		} else if (!quoted && strchr(" \t", *from) != NULL)
			break;
	}
	if (quoted && *from != '\'')
		return false;
	*at = from + (*from != '\0');
	*to = '\0';
	return true;
}

bool
keys_parse(const struct key *keys, void *record, const char *text,
    char *error, size_t size)
{
	char	*copy = mem_string(text), *at = copy, *name, *value;
	bool	 good = true;

	while (good && *(at += strspn(at, " \t")) != '\0') {
		if (!pairs_next(&at, &name, &value)) {
			snprintf(error, size, "it is not a list of "
			    "key=value");
			good = false;
		} else
			good = keys_set(keys, record, name, value,
			    error, size);
	}
	mem_free_secret(copy);
	return good;
}
