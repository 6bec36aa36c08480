/*
 * See config/choice.h.
 */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "net/tls.h"

static const char *const	mode_names[] = {
	[POOL_MODE_DEFAULT] = "",
	[POOL_MODE_SESSION] = "session",
	[POOL_MODE_TRANSACTION] = "transaction",
	[POOL_MODE_STATEMENT] = "statement",
};

static const char *const	route_names[] = {
	[ROUTE_DEFAULT] = "",
	[ROUTE_SPLIT] = "split",
	[ROUTE_PRIMARY] = "primary",
	[ROUTE_REPLICA] = "replica",
	[ROUTE_ANY] = "any",
};

static const char *const	scope_names[] = {
	[CAUSAL_OFF] = "off",
	[CAUSAL_SESSION] = "session",
	[CAUSAL_APPLICATION] = "application",
	[CAUSAL_DATABASE] = "database",
};

static const char *const	auth_names[] = {
	[AUTH_TRUST] = "trust",
	[AUTH_ANY] = "any",
	[AUTH_PLAIN] = "plain",
	[AUTH_MD5] = "md5",
	[AUTH_SCRAM] = "scram-sha-256",
	[AUTH_CERT] = "cert",
	[AUTH_HBA] = "hba",
};

static const char *const	pin_names[] = {
	[PIN_POLICY_AUTO] = "auto",
	[PIN_POLICY_ERROR] = "error",
	[PIN_POLICY_OFF] = "off",
};

static const char *const	logform_names[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

static const char *const	balance_names[] = {
	[BALANCE_ROUND_ROBIN] = "round-robin",
	[BALANCE_DISABLE] = "disable",
};

static const struct {
	const char	*const *names;
	int		 count;
} choices[] = {
#define CHOICE(names)	{ names, ARRAY_LENGTH(names) }
	[CHOICE_TLS] = { tls_mode_names, TLS_MODES },
	[CHOICE_MODE] = CHOICE(mode_names),
	[CHOICE_ROUTE] = CHOICE(route_names),
	[CHOICE_SCOPE] = CHOICE(scope_names),
	[CHOICE_AUTH] = CHOICE(auth_names),
	[CHOICE_PIN] = CHOICE(pin_names),
	[CHOICE_LOGFORM] = CHOICE(logform_names),
	[CHOICE_BALANCE] = CHOICE(balance_names),
#undef CHOICE
};

bool
choice_parse(enum choice choice, const char *text, void *value)
{
	const char	*const *names = choices[choice].names;

	for (int i = 0; i < choices[choice].count; i++)
		if (text[0] != '\0' && text_equal_nocase(text, names[i])) {
			memcpy(value, &i, sizeof i);
			return true;
		}
	return false;
}

const char *
choice_name(enum choice choice, int value)
{
	return choices[choice].names[value];
}

void
choice_list(enum choice choice, char *text, size_t size)
{
	int	last = choices[choice].count - 1;
	size_t	n = 0;

	text[0] = '\0';
	for (int i = choices[choice].names[0][0] == '\0'; i <= last; i++) {
		snprintf(text + n, size - n, "%s%s",
		    n == 0 ? "" : i < last ? ", " : " or ",
		    choices[choice].names[i]);
		n += strlen(text + n);
	}
}
