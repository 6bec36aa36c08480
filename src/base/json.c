/*
 * See base/json.h.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

static bool
utf8_follows(const unsigned char *at, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Neither longer than needed, nor a surrogate, nor beyond Unicode's end. */
size_t
json_utf8_bytes(const char *text)
{
	const unsigned char	*at = (const unsigned char *)text;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return utf8_follows(at, 2) ? 2 : 0;
	if (at[0] >= 0xe0 && at[0] <= 0xef)
		return !utf8_follows(at, 3) ||
		    (at[0] == 0xe0 && at[1] < 0xa0) ||
		    (at[0] == 0xed && at[1] > 0x9f) ? 0 : 3;
	if (at[0] >= 0xf0 && at[0] <= 0xf4)
		return !utf8_follows(at, 4) ||
		    (at[0] == 0xf0 && at[1] < 0x90) ||
		    (at[0] == 0xf4 && at[1] > 0x8f) ? 0 : 4;
	return 0;
}

/* One character, escaped; *bytes is how many of the text it was. */
static size_t
json_escape_one(char one[8], const char *from, size_t *bytes)
{
	unsigned char	c = (unsigned char)*from;

	*bytes = json_utf8_bytes(from);
	if (*bytes == 0) {
		*bytes = 1;
		one[0] = '?';
		return 1;
	}
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(one, 8, "\\u%04x", c);
	if (c == '"' || c == '\\') {
		one[0] = '\\';
		one[1] = (char)c;
		return 2;
	}
	memcpy(one, from, *bytes);
	return *bytes;
}

size_t
json_escape(char *to, size_t size, const char *from)
{
	char	one[8];
	size_t	length = 0, n, bytes;

	while (*from != '\0') {
		n = json_escape_one(one, from, &bytes);
		if (length + n >= size)
			break;
		memcpy(to + length, one, n);
		length += n;
		from += bytes;
	}
	to[length] = '\0';
	return length;
}

void
json_add(struct buf *buf, const char *text)
{
	char	one[8];
	size_t	n, bytes;

	if (text == NULL) {
		buf_add_text(buf, "null");
		return;
	}
	buf_add_text(buf, "\"");
	for (; *text != '\0'; text += bytes) {
		n = json_escape_one(one, text, &bytes);
		buf_add(buf, one, n);
	}
	buf_add_text(buf, "\"");
}

void
json_add_label(struct buf *buf, const char *text)
{
	size_t	bytes;

	for (; *text != '\0'; text += bytes) {
		bytes = json_utf8_bytes(text);
		if (bytes == 0 || (unsigned char)*text < 0x20) {
			buf_add_text(buf, "?");
			bytes = 1;
		} else {
			if (*text == '"' || *text == '\\')
				buf_add_text(buf, "\\");
			buf_add(buf, text, bytes);
		}
	}
}
