/*
 * Fuzz entry: what an operator's tools say and hear.  A command of the
 * console is taken apart, and any bytes as a name come out of /metrics and
 * /data.json as one label and one string.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "ops/console_private.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_words(const char *text)
{
	struct words	words;
	char		capitals[20];

	words_parse(text, &words);
	assert(words.count >= 0 && words.count <= WORDS_MAX + 1);
	for (int i = 0; i < words.count && i < WORDS_MAX; i++) {
		assert(strlen(words.list[i]) <= strlen(text));
		words_capitals(words.list[i], capitals, sizeof capitals);
		assert(strlen(capitals) < sizeof capitals);
	}
	words_free(&words);
}

/* All of it is UTF-8, and no byte of it ends the string or the line. */
static void
fuzz_is_inside(const char *text, size_t n)
{
	size_t	step;

	for (size_t i = 0; i < n; i += step) {
		step = json_utf8_bytes(text + i);
		assert(step > 0 && (unsigned char)text[i] >= ' ' &&
		    text[i] != '"');
		if (text[i] == '\\') {
			assert(i + 1 < n && strchr("\"\\nrtbfu", text[i + 1]));
			step = 2;
		}
	}
}

static void
fuzz_strings(const char *text)
{
	struct buf	 buf;
	char		*bytes, cut[40];

	buf_init(&buf);
	json_add(&buf, text);
	buf_add(&buf, "", 1);
	bytes = (char *)buf_bytes(&buf);
	assert(bytes[0] == '"' && bytes[buf_length(&buf) - 2] == '"');
	fuzz_is_inside(bytes + 1, buf_length(&buf) - 3);
	buf_clear(&buf);
	json_add_label(&buf, text);
	buf_add(&buf, "", 1);
	fuzz_is_inside((const char *)buf_bytes(&buf), buf_length(&buf) - 1);
	buf_done(&buf);
	fuzz_is_inside(cut, json_escape(cut, sizeof cut, text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char	*text = mem_new(n + 1);

	if (n > 0)
		memcpy(text, data, n);
	text[n] = '\0';
	fuzz_words(text);
	fuzz_strings(text);
	free(text);
	return 0;
}
