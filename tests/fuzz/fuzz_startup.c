/*
 * Fuzz entry: the first packet of a client, its parameters, and each value as
 * if it were "options".
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/startup.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_options(const char *text)
{
	char			*copy = mem_string(text), *at = copy;
	const char		*end = copy + strlen(copy), *name, *value;
	enum startup_option	 option;

	while ((option = startup_next_option(&at, &name, &value)) ==
	    STARTUP_OPTION_OK)
		assert(name >= copy && name < value && value <= end &&
		    at <= end && strpbrk(name, "=-") == NULL);
	assert(option == STARTUP_OPTION_END || name != NULL);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct startup		 startup;
	enum startup_kind	 kind = startup_parse(data, n, &startup);
	const char		*name, *value;

	assert(kind != STARTUP_BAD || startup.error != NULL);
	if (kind == STARTUP_MORE || kind == STARTUP_BAD)
		return 0;
	assert(startup.length <= n && startup.length >= 8);
	if (kind == STARTUP_CANCEL)
		assert(startup.key + startup.key_length ==
		    data + startup.length);
	while (startup_next(&startup.parameters, &name, &value)) {
		assert(value + strlen(value) <
		    (const char *)data + startup.length);
		fuzz_options(value);
	}
	assert(!startup.parameters.bad);
	return 0;
}
