/*
 * Text that people write.  Pure functions; any thread.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define TEXT_SEPARATORS	", \t\r\n\v\f"

struct text_unit {
	const char	*name;
	int64_t		 factor;
};

/* Longest first, as text_from_duration() wants them; "" means seconds. */
static const struct text_unit	text_time_units[] = {
	{ "d",		86400 * US_PER_SECOND },
	{ "h",		3600 * US_PER_SECOND },
	{ "min",	60 * US_PER_SECOND },
	{ "s",		US_PER_SECOND },
	{ "",		US_PER_SECOND },
	{ "ms",		US_PER_MS },
	{ "us",		1 },
};

static const struct text_unit	text_byte_units[] = {
	{ "",		1 },
	{ "B",		1 },
	{ "kB",		INT64_C(1) << 10 },
	{ "MB",		INT64_C(1) << 20 },
	{ "GB",		INT64_C(1) << 30 },
	{ "TB",		INT64_C(1) << 40 },
};

static const struct {
	const char	*word;
	bool		 value;
} text_bools[] = {
	{ "1", true }, { "on", true }, { "yes", true }, { "true", true },
	{ "0", false }, { "off", false }, { "no", false }, { "false", false },
};

bool
text_to_integer(const char *text, int64_t *result)
{
	char		*end;
	long long	 value;

	if (!isdigit((unsigned char)text[text[0] == '-' || text[0] == '+']))
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*result = value;
	return true;
}

bool
text_to_bool(const char *text, bool *result)
{
	for (size_t i = 0; i < ARRAY_LENGTH(text_bools); i++) {
		if (text_equal_nocase(text, text_bools[i].word)) {
			*result = text_bools[i].value;
			return true;
		}
	}
	return false;
}

/* Digits without a sign; moves *at behind them. */
static bool
text_digits(const char **at, int64_t *value)
{
	const char	*start = *at;

	*value = 0;
	for (; isdigit((unsigned char)**at); (*at)++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, **at - '0', value))
			return false;
	return *at != start;
}

/*
 * The digits after a point, as a part of one unit.  Eight of them are used:
 * with the longest unit, more would overflow, and mean less than a
 * millisecond.
 */
static int64_t
text_fraction(const char **at, int64_t factor)
{
	int64_t	value = 0, scale = 1;

	for (; isdigit((unsigned char)**at); (*at)++) {
		if (scale == 100000000)
			continue;
		value = value * 10 + (**at - '0');
		scale *= 10;
	}
	return value * factor / scale;
}

static const struct text_unit *
text_unit_find(const char *name, const struct text_unit *units, size_t n)
{
	if (*name == ' ') {
		name += strspn(name, " ");
		if (*name == '\0')
			return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (text_equal_nocase(name, units[i].name))
			return &units[i];
	return NULL;
}

bool
text_to_duration(const char *text, int64_t *us)
{
	const struct text_unit	*unit;
	const char		*at = text, *point = NULL;
	int64_t			 value;

	if (!text_digits(&at, &value))
		return false;
	if (*at == '.') {
		point = ++at;
		at += strspn(at, "0123456789");
		if (at == point)
			return false;
	}
	unit = text_unit_find(at, text_time_units,
	    ARRAY_LENGTH(text_time_units));
	if (unit == NULL || __builtin_mul_overflow(value, unit->factor, &value))
		return false;
	if (point != NULL && __builtin_add_overflow(value,
	    text_fraction(&point, unit->factor), &value))
		return false;
	*us = value;
	return true;
}

bool
text_to_bytes(const char *text, int64_t *result)
{
	const struct text_unit	*unit;
	const char		*at = text;
	int64_t			 value;

	if (!text_digits(&at, &value))
		return false;
	unit = text_unit_find(at, text_byte_units,
	    ARRAY_LENGTH(text_byte_units));
	if (unit == NULL || __builtin_mul_overflow(value, unit->factor, &value))
		return false;
	*result = value;
	return true;
}

/* Seconds with as many decimals as it takes. */
static void
text_from_seconds(int64_t us, char *text, size_t size)
{
	int	n;

	n = snprintf(text, size, "%lld.%06lld",
	    (long long)(us / US_PER_SECOND), (long long)(us % US_PER_SECOND));
	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[--n] = '\0';
}

void
text_from_duration(int64_t us, char *result, size_t size)
{
	const struct text_unit	*unit;
	char			 best[40], other[40];

	if (us < 0)
		us = 0;
	text_from_seconds(us, best, sizeof best);
	for (size_t i = 0; i < ARRAY_LENGTH(text_time_units); i++) {
		unit = &text_time_units[i];
		if (us % unit->factor != 0)
			continue;
		snprintf(other, sizeof other, "%lld%s",
		    (long long)(us / unit->factor), unit->name);
		if (strlen(other) < strlen(best))
			memcpy(best, other, sizeof best);
	}
	snprintf(result, size, "%s", best);
}

bool
text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* Not strcasecmp(), which follows the locale. */
bool
text_equal_nocase(const char *a, const char *b)
{
	unsigned char	x, y;

	if (a == NULL || b == NULL)
		return a == b;
	do {
		x = (unsigned char)*a++;
		y = (unsigned char)*b++;
		if (x >= 'A' && x <= 'Z')
			x += 'a' - 'A';
		if (y >= 'A' && y <= 'Z')
			y += 'a' - 'A';
	} while (x == y && x != '\0');
	return x == y;
}

bool
text_begins_nocase(const char *text, const char *word)
{
	for (; *word != '\0'; text++, word++)
		if ((*text >= 'A' && *text <= 'Z' ? *text + 'a' - 'A' :
		    *text) != (*word >= 'A' && *word <= 'Z' ?
		    *word + 'a' - 'A' : *word))
			return false;
	return true;
}

bool
text_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int
text_least(int a, int b, int c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/*
 * One row of the usual table at a time.  Names whose lengths alone are too
 * far apart never get that far, so the work is bounded by the shorter one.
 */
int
text_distance(const char *a, const char *b, int limit)
{
	size_t	 a_length = strlen(a), b_length = strlen(b);
	size_t	 apart = a_length > b_length ? a_length - b_length :
		    b_length - a_length;
	int	*row, above, diagonal, result;

	if (limit <= 0 || apart >= (size_t)limit)
		return limit < 0 ? 0 : limit;
	row = mem_new((b_length + 1) * sizeof *row);
	for (size_t j = 0; j <= b_length; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= a_length; i++) {
		diagonal = row[0];
		row[0] = (int)i;
		for (size_t j = 1; j <= b_length; j++) {
			above = row[j];
			row[j] = text_least(above + 1, row[j - 1] + 1,
			    diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	result = row[b_length] < limit ? row[b_length] : limit;
	free(row);
	return result;
}

char *
text_next_word(char **list)
{
	char	*word, *end;

	word = *list + strspn(*list, TEXT_SEPARATORS);
	if (*word == '\0') {
		*list = word;
		return NULL;
	}
	end = word + strcspn(word, TEXT_SEPARATORS);
	*list = *end != '\0' ? end + 1 : end;
	*end = '\0';
	return word;
}

bool
text_list_has(const char *list, const char *word)
{
	size_t	n, length = strlen(word);

	if (list == NULL)
		return false;
	for (; *list != '\0'; list += n) {
		list += strspn(list, TEXT_SEPARATORS);
		n = strcspn(list, TEXT_SEPARATORS);
		if (n == 1 && *list == '*')
			return true;
		if (n != 0 && n == length && memcmp(list, word, n) == 0)
			return true;
	}
	return false;
}

void
text_seconds(int64_t us, char *text, size_t size)
{
	snprintf(text, size, "%g s", (double)us / 1e6);
}
