/*
 * The option table at run time; see config/options.h.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "config/options.h"

const struct option	options[] = {
#define OPTION_ROW(kind, name, field, ours, theirs, min, max, reloadable, \
    meaning)								\
	{ #name, OPTION_##kind, offsetof(struct option_values, field),	\
	    ours, theirs, min, max, reloadable, meaning },
	OPTION_LIST(OPTION_ROW)
#undef OPTION_ROW
};
const size_t	option_count = ARRAY_LENGTH(options);

static const struct {
	const char	*name, *why;
} options_ignored[] = {
#define OPTION_WHY(name, why)	{ #name, why },
	OPTION_IGNORED_LIST(OPTION_WHY)
}, options_refused[] = {
	OPTION_REFUSED_LIST(OPTION_WHY)
#undef OPTION_WHY
};

const struct option *
option_find(const char *name)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

const char *
option_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(options_ignored); i++)
		if (strcmp(options_ignored[i].name, name) == 0)
			return options_ignored[i].why;
	return NULL;
}

const char *
option_refused(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(options_refused); i++)
		if (strcmp(options_refused[i].name, name) == 0)
			return options_refused[i].why;
	return NULL;
}

const char *
option_nearest(const char *name)
{
	const char	*nearest = NULL;
	int		 distance, least = 5;

	for (size_t i = 0; i < option_count; i++) {
		distance = text_distance(name, options[i].name, least);
		if (distance < least) {
			least = distance;
			nearest = options[i].name;
		}
	}
	return nearest;
}

static void *
option_at(const struct option *option, const struct option_values *values)
{
	return (char *)(uintptr_t)values + option->offset;
}

/*
 * Parsing.
 */

static bool
option_set_integer(const struct option *option, int *value,
    const char *text, char *error, size_t size)
{
	int64_t	number;

	if (strcmp(text, "auto") == 0 && option->min == 0 &&
	    strcmp(option->ours, "auto") == 0) {
		*value = 0;
		return true;
	}
	if (!text_to_integer(text, &number) || number < option->min ||
	    number > option->max) {
		snprintf(error, size, "%s: \"%s\" is not a number from %lld "
		    "to %lld", option->name, text, (long long)option->min,
		    (long long)option->max);
		return false;
	}
	*value = (int)number;
	return true;
}

static bool
option_set_time(const struct option *option, int64_t *value,
    const char *text, char *error, size_t size)
{
	int64_t	us;

	if (!text_to_duration(text, &us) ||
	    us < option->min * US_PER_SECOND ||
	    us > option->max * US_PER_SECOND) {
		snprintf(error, size, "%s: \"%s\" is not a time from %lld to "
		    "%lld s, as 30, 30s, 2000ms or 5min", option->name, text,
		    (long long)option->min, (long long)option->max);
		return false;
	}
	*value = us;
	return true;
}

static bool
option_set_bytes(const struct option *option, int64_t *value,
    const char *text, char *error, size_t size)
{
	int64_t	bytes;

	if (!text_to_bytes(text, &bytes) || bytes < option->min ||
	    bytes > option->max) {
		snprintf(error, size, "%s: \"%s\" is not a size from %lld to "
		    "%lld bytes, as 4096, 4kB or 1MB", option->name, text,
		    (long long)option->min, (long long)option->max);
		return false;
	}
	*value = bytes;
	return true;
}

static bool
option_set_octal(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	char	*end;
	long	 mode = strtol(text, &end, 8);

	if (end == text || *end != '\0' || mode < 0 || mode > option->max) {
		snprintf(error, size, "%s: \"%s\" is not an octal mode such "
		    "as 0770", option->name, text);
		return false;
	}
	*value = (int)mode;
	return true;
}

static bool
option_set_choice(const struct option *option, void *value, const char *text,
    char *error, size_t size)
{
	enum choice	choice = (enum choice)(option->kind - OPTION_CHOICE);
	char		words[100];

	if (choice_parse(choice, text, value))
		return true;
	choice_list(choice, words, sizeof words);
	snprintf(error, size, "%s: \"%s\" is not %s%s", option->name, text,
	    words, choice == CHOICE_AUTH && (strcmp(text, "pam") == 0 ||
	    strcmp(text, "ldap") == 0) ? "; PAM and LDAP are not supported, "
	    "auth_query asks PostgreSQL" : "");
	return false;
}

bool
option_parse(const struct option *option, struct option_values *values,
    const char *text, char *error, size_t size)
{
	void	*at = option_at(option, values);
	bool	 on;

	switch (option->kind) {
	case OPTION_INT:
		return option_set_integer(option, at, text, error, size);
	case OPTION_TIME:
		return option_set_time(option, at, text, error, size);
	case OPTION_BYTES:
		return option_set_bytes(option, at, text, error, size);
	case OPTION_OCTAL:
		return option_set_octal(option, at, text, error, size);
	case OPTION_BOOL:
		if (!text_to_bool(text, &on)) {
			snprintf(error, size, "%s: \"%s\" is not 1 or 0, on "
			    "or off", option->name, text);
			return false;
		}
		*(bool *)at = on;
		return true;
	case OPTION_TEXT:
	case OPTION_SECRET:
		mem_free_secret(*(char **)at);
		*(char **)at = mem_string(text);
		return true;
	default:
		return option_set_choice(option, at, text, error, size);
	}
}

/*
 * Printing.
 */

static void
option_print_time(int64_t us, char *text, size_t size)
{
	/* Whole seconds as PgBouncer has them, so that tools can read them. */
	if (us % US_PER_SECOND == 0)
		snprintf(text, size, "%lld", (long long)(us / US_PER_SECOND));
	else
		text_from_duration(us, text, size);
}

void
option_print(const struct option *option, const struct option_values *values,
    char *text, size_t size)
{
	const void	*at = option_at(option, values);

	switch (option->kind) {
	case OPTION_INT:
		snprintf(text, size, "%d", *(const int *)at);
		break;
	case OPTION_BOOL:
		snprintf(text, size, "%d", *(const bool *)at);
		break;
	case OPTION_TIME:
		option_print_time(*(const int64_t *)at, text, size);
		break;
	case OPTION_BYTES:
		snprintf(text, size, "%lld",
		    (long long)*(const int64_t *)at);
		break;
	case OPTION_OCTAL:
		snprintf(text, size, "0%o", (unsigned)*(const int *)at);
		break;
	case OPTION_TEXT:
		snprintf(text, size, "%s", *(char *const *)at);
		break;
	case OPTION_SECRET:
		snprintf(text, size, "%s",
		    (*(char *const *)at)[0] == '\0' ? "" : "****");
		break;
	default:
		snprintf(text, size, "%s",
		    choice_name((enum choice)(option->kind - OPTION_CHOICE),
		    *(const int *)at));
		break;
	}
}

/*
 * Whole sets.
 */

static bool
option_is_text(const struct option *option)
{
	return option->kind == OPTION_TEXT || option->kind == OPTION_SECRET;
}

void
option_values_init(struct option_values *values, bool is_pgbouncer)
{
	char	error[256];

	memset(values, 0, sizeof *values);
	for (size_t i = 0; i < option_count; i++)
		if (!option_parse(&options[i], values, is_pgbouncer ?
		    options[i].theirs : options[i].ours, error, sizeof error))
			abort();
}

void
option_values_done(struct option_values *values)
{
	for (size_t i = 0; i < option_count; i++)
		if (option_is_text(&options[i]))
			mem_free_secret(*(char **)option_at(&options[i],
			    values));
}
