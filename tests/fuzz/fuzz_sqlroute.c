/*
 * Fuzz entry: any text, cut where its first byte says.  The cut must change
 * nothing, and a read must hold on to what makes it one.
 */

#include <assert.h>
#include <string.h>

#include "wire/sqlroute.h"
#include "wire/sqlscan.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_names(const struct sqlroute *route)
{
	assert(route->count <= SQLROUTE_NAMES);
	for (size_t i = 0; i < route->count; i++)
		assert(route->names[i].offset +
		    strlen(sqlroute_name(route, i)) < route->used);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sqlroute	whole, cut;
	struct sqlscan		scan, again;
	size_t			at;

	if (n == 0)
		return 0;
	at = n > 1 ? data[0] % n : 0;
	data++;
	n--;
	sqlroute_text(&whole, &scan, data, n);
	sqlscan_init(&again, true);
	sqlroute_attach(&cut, &again);
	sqlscan_feed(&again, data, at);
	sqlscan_feed(&again, data + at, n - at);
	sqlscan_end(&again);
	sqlroute_end(&cut, &again);
	assert(whole.doubt == cut.doubt && whole.count == cut.count);
	check_names(&whole);
	if (whole.doubt == SQLROUTE_READ)
		assert(scan.statements == 1 &&
		    (scan.touches &
		    ~(uint32_t)(SQL_TOUCHES_COPY | SQL_TOUCHES_DRAWS)) == 0);
	return 0;
}
