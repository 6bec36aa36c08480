/*
 * Fuzz entry: a text is scanned whole, and cut in two at a place that its
 * first byte chooses; both must say the same.
 */

#include <assert.h>
#include <string.h>

#include "wire/sqlscan.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sqlscan	 whole, parts;
	const uint8_t	*text = data + 1;
	size_t		 cut;

	if (n < 2)
		return 0;
	n--;
	cut = data[0] % (n + 1);
	sqlscan_text(&whole, text, n);
	sqlscan_init(&parts, true);
	sqlscan_feed(&parts, text, cut);
	sqlscan_feed(&parts, text + cut, n - cut);
	sqlscan_end(&parts);
	assert(whole.touches == parts.touches);
	assert(whole.statements == parts.statements);
	assert(whole.first == parts.first && whole.last == parts.last);
	assert(strcmp(sqlscan_last_word(&whole),
	    sqlscan_last_word(&parts)) == 0);
	return 0;
}
