/*
 * Fuzz entry: reads in any order.  The first half of the input says what to
 * read, the second half is what is read.
 */

#include <assert.h>
#include <string.h>

#include "wire/get.h"
#include "wire/msg.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_read(struct get *get, uint8_t what)
{
	const uint8_t	*bytes;
	const char	*text;
	size_t		 n;

	switch (what % 6) {
	case 0:
		get_u8(get);
		break;
	case 1:
		get_u16(get);
		break;
	case 2:
		n = (size_t)(ptrdiff_t)get_i32(get);
		if ((bytes = get_bytes(get, n)) != NULL)
			assert(bytes + n == get->at);
		break;
	case 3:
		if ((bytes = get_bytes(get, what)) != NULL)
			assert(bytes + what == get->at);
		break;
	case 4:
		if ((text = get_string(get)) != NULL)
			assert((const uint8_t *)text + strlen(text) + 1 ==
			    get->at);
		break;
	case 5:
		get_u32(get);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct msg_head	head;
	struct get	get;
	size_t		half = n / 2;
	bool		was_bad = false;

	if (msg_peek(data, n, &head) == MSG_OK)
		assert(head.length <= MSG_BODY_BYTES_MAX);
	get_init(&get, data + half, n - half);
	for (size_t i = 0; i < half; i++) {
		fuzz_read(&get, data[i]);
		assert(get.at <= get.end && (get.bad || !was_bad));
		assert(!get.bad || get_left(&get) == 0);
		was_bad = get.bad;
	}
	assert(!get_is_done(&get) || get_left(&get) == 0);
	return 0;
}
