/*
 * The option table at run time; see config/options.h.
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/databases.h"
#include "config/options.h"
#include "net/tls.h"

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

static const char	*const auth_type_names[] = {
	[AUTH_TRUST] = "trust",
	[AUTH_ANY] = "any",
	[AUTH_PLAIN] = "plain",
	[AUTH_MD5] = "md5",
	[AUTH_SCRAM] = "scram-sha-256",
	[AUTH_CERT] = "cert",
	[AUTH_HBA] = "hba",
};

static const char	*const pin_policy_names[] = {
	[PIN_POLICY_AUTO] = "auto",
	[PIN_POLICY_ERROR] = "error",
	[PIN_POLICY_OFF] = "off",
};

static const char	*const log_format_names[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
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

bool
config_pool_mode_parse(const char *text, enum pool_mode *mode)
{
	for (int i = POOL_MODE_SESSION; i <= POOL_MODE_STATEMENT; i++)
		if (text_equal_nocase(text,
		    config_pool_mode_name((enum pool_mode)i))) {
			*mode = (enum pool_mode)i;
			return true;
		}
	return false;
}

const char *
config_pool_mode_name(enum pool_mode mode)
{
	static const char	*const names[] = {
		[POOL_MODE_DEFAULT] = "",
		[POOL_MODE_SESSION] = "session",
		[POOL_MODE_TRANSACTION] = "transaction",
		[POOL_MODE_STATEMENT] = "statement",
	};

	return names[mode];
}

static bool
option_set_mode(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	enum pool_mode	mode;

	if (!config_pool_mode_parse(text, &mode)) {
		snprintf(error, size, "%s: \"%s\" is not session, "
		    "transaction or statement", option->name, text);
		return false;
	}
	*value = (int)mode;
	return true;
}

bool
config_route_parse(const char *text, enum route *route)
{
	for (int i = ROUTE_SPLIT; i <= ROUTE_ANY; i++)
		if (text_equal_nocase(text,
		    config_route_name((enum route)i))) {
			*route = (enum route)i;
			return true;
		}
	return false;
}

const char *
config_route_name(enum route route)
{
	static const char	*const names[] = {
		[ROUTE_DEFAULT] = "",
		[ROUTE_SPLIT] = "split",
		[ROUTE_PRIMARY] = "primary",
		[ROUTE_REPLICA] = "replica",
		[ROUTE_ANY] = "any",
	};

	return names[route];
}

static const char *const	scope_names[] = {
	[CAUSAL_OFF] = "off",
	[CAUSAL_SESSION] = "session",
	[CAUSAL_APPLICATION] = "application",
	[CAUSAL_DATABASE] = "database",
};

static bool
option_set_scope(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	for (int i = CAUSAL_OFF; i <= CAUSAL_DATABASE; i++)
		if (text_equal_nocase(text, scope_names[i])) {
			*value = i;
			return true;
		}
	snprintf(error, size, "%s: \"%s\" is not off, session, application "
	    "or database", option->name, text);
	return false;
}

static bool
option_set_route(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	enum route	route;

	if (!config_route_parse(text, &route)) {
		snprintf(error, size, "%s: \"%s\" is not split, primary, "
		    "replica or any", option->name, text);
		return false;
	}
	*value = (int)route;
	return true;
}

static bool
option_set_tls(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	enum tls_mode	mode;

	if (!tls_mode_parse(text, &mode)) {
		snprintf(error, size, "%s: \"%s\" is not disable, allow, "
		    "prefer, require, verify-ca or verify-full",
		    option->name, text);
		return false;
	}
	*value = (int)mode;
	return true;
}

static bool
option_set_auth(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	for (size_t i = 0; i < ARRAY_LENGTH(auth_type_names); i++)
		if (strcmp(text, auth_type_names[i]) == 0) {
			*value = (int)i;
			return true;
		}
	snprintf(error, size, "%s: \"%s\" is not scram-sha-256, md5, plain, "
	    "cert, hba, trust or any%s", option->name, text,
	    strcmp(text, "pam") == 0 || strcmp(text, "ldap") == 0 ?
	    "; PAM and LDAP are not supported, auth_query asks PostgreSQL" :
	    "");
	return false;
}

static bool
option_set_pin(const struct option *option, int *value, const char *text,
    char *error, size_t size)
{
	for (size_t i = 0; i < ARRAY_LENGTH(pin_policy_names); i++)
		if (text_equal_nocase(text, pin_policy_names[i])) {
			*value = (int)i;
			return true;
		}
	snprintf(error, size, "%s: \"%s\" is not auto, error or off",
	    option->name, text);
	return false;
}

static bool
option_set_log_format(const struct option *option, int *value,
    const char *text, char *error, size_t size)
{
	for (size_t i = 0; i < ARRAY_LENGTH(log_format_names); i++)
		if (text_equal_nocase(text, log_format_names[i])) {
			*value = (int)i;
			return true;
		}
	snprintf(error, size, "%s: \"%s\" is not text or json",
	    option->name, text);
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
	case OPTION_MODE:
		return option_set_mode(option, at, text, error, size);
	case OPTION_SCOPE:
		return option_set_scope(option, at, text, error, size);
	case OPTION_ROUTE:
		return option_set_route(option, at, text, error, size);
	case OPTION_TLS:
		return option_set_tls(option, at, text, error, size);
	case OPTION_AUTH:
		return option_set_auth(option, at, text, error, size);
	case OPTION_PIN:
		return option_set_pin(option, at, text, error, size);
	case OPTION_LOGFORM:
		return option_set_log_format(option, at, text, error, size);
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
	}
	return false;
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
	case OPTION_SCOPE:
		snprintf(text, size, "%s",
		    scope_names[*(const int *)at]);
		break;
	case OPTION_ROUTE:
		snprintf(text, size, "%s",
		    config_route_name(*(const enum route *)at));
		break;
	case OPTION_TLS:
		snprintf(text, size, "%s",
		    tls_mode_name(*(const enum tls_mode *)at));
		break;
	case OPTION_MODE:
		snprintf(text, size, "%s",
		    config_pool_mode_name(*(const enum pool_mode *)at));
		break;
	case OPTION_AUTH:
		snprintf(text, size, "%s",
		    auth_type_names[*(const int *)at]);
		break;
	case OPTION_PIN:
		snprintf(text, size, "%s",
		    pin_policy_names[*(const int *)at]);
		break;
	case OPTION_LOGFORM:
		snprintf(text, size, "%s",
		    log_format_names[*(const int *)at]);
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

/*
 * The sample file and the manual.
 */

/* A sentence over several lines, each with a prefix. */
static void
options_print_wrapped(FILE *to, const char *prefix, const char *text)
{
	size_t	column = 0, word;

	while (*text != '\0') {
		word = strcspn(text, " ");
		if (column == 0 || column + 1 + word > 76) {
			column = (size_t)fprintf(to, "%s%s",
			    column == 0 ? "" : "\n", prefix) -
			    (column == 0 ? 0 : 1);
		} else
			column += (size_t)fprintf(to, " ");
		column += (size_t)fprintf(to, "%.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

void
options_print_sample(FILE *to)
{
	fputs("; pgweir: every option with its default.\n"
	    "; A time is in seconds, or has a unit: 30, 30s, 2000ms, 5min.\n"
	    "; Every option can be set as PGWEIR_OPTION in the environment.\n"
	    "\n"
	    "[databases]\n"
	    "; name = connect string or URL; * serves every other name\n"
	    ";app = host=127.0.0.1 port=5432 dbname=app\n"
	    ";app = postgresql://127.0.0.1:5432/app\n"
	    ";* = host=127.0.0.1\n"
	    "\n"
	    "[users]\n"
	    "; name = overrides for this user\n"
	    ";reporting = pool_size=5 query_timeout=10min\n"
	    "\n"
	    "[pgweir]\n", to);
	for (size_t i = 0; i < option_count; i++) {
		options_print_wrapped(to, "; ", options[i].meaning);
		fprintf(to, ";%s = %s\n", options[i].name, options[i].ours);
	}
}

void
options_print_manual(FILE *to)
{
	fputs(".TH PGWEIR.INI 5 @DAY@\n"
	    ".SH NAME\npgweir.ini \\- configuration of "
	    "pgweir\n.SH OPTIONS\nIn section [pgweir]; [pgbouncer] is "
	    "accepted as well and then has PgBouncer's defaults.\n", to);
	for (size_t i = 0; i < option_count; i++)
		fprintf(to, ".TP\n.B %s\n%s (default: %s; in [pgbouncer]: "
		    "%s%s)\n", options[i].name, options[i].meaning,
		    options[i].ours[0] != '\0' ? options[i].ours : "empty",
		    options[i].theirs[0] != '\0' ? options[i].theirs :
		    "empty", options[i].reloadable ? "" :
		    "; needs a restart");
	databases_print_manual(to);
}
