/*
 * What is known of each tie, made from the list in the header.
 */

#include <assert.h>
#include <stdio.h>

#include "base/pins.h"

static const struct {
	const char	*words, *label;
} pins_known[PIN_COUNT] = {
#define PIN_ENTRY(name, words, label)	[name##_NUMBER] = { words, label },
	PIN_LIST(PIN_ENTRY)
#undef PIN_ENTRY
};

const char *
pin_label(enum pin_number number)
{
	assert((unsigned)number < PIN_COUNT);
	return pins_known[number].label;
}

void
pins_text(uint32_t pins, char *text, size_t size)
{
	size_t	used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < PIN_COUNT; i++)
		if (pins & 1u << i && used < size)
			used += (size_t)snprintf(text + used, size - used,
			    "%s%s", used > 0 ? ", " : "",
			    pins_known[i].words);
}
