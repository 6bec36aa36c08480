/*
 * See session/verdict.h.
 */

#include <string.h>

#include "base/hash.h"
#include "session/verdict.h"
#include "wire/sqlscan.h"

/* Two cache lines a slot and 32 KiB a thread, which stay in its cache. */
enum { VERDICT_SLOTS = 256, VERDICT_TEXT_BYTES = 116 };

struct verdict_slot {
	struct verdict	verdict;
	uint32_t	length;		/* 0: never used */
	char		text[VERDICT_TEXT_BYTES];
};

static _Thread_local struct verdict_slot	verdicts[VERDICT_SLOTS];

static struct verdict
verdict_scan(const char *text, size_t n)
{
	struct sqlscan	scan;

	sqlscan_text(&scan, text, n);
	return (struct verdict){ .touches = scan.touches,
	    .first = scan.first, .is_several = scan.statements > 1,
	    .alters = scan.alters };
}

struct verdict
verdict_of(const char *text, size_t n)
{
	struct verdict_slot	*slot;

	if (n == 0 || n > VERDICT_TEXT_BYTES)
		return verdict_scan(text, n);
	slot = &verdicts[hash_bytes(text, n) % VERDICT_SLOTS];
	if (slot->length != n || memcmp(slot->text, text, n) != 0) {
		slot->verdict = verdict_scan(text, n);
		slot->length = (uint32_t)n;
		memcpy(slot->text, text, n);
	}
	return slot->verdict;
}
