/*
 * Base64.  Pure; any thread.
 *
 * Both directions go through tables, which is not constant in time; what is
 * decoded here are salts and proofs that crossed the wire, and stored keys
 * that nobody can ask to have decoded with changes.
 */

#include <string.h>

#include "wire/base64.h"

static const char	base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *data, size_t n, char *text)
{
	const uint8_t	*at = data;
	uint32_t	 group;
	size_t		 i, digits;

	for (i = 0; i < n; i += 3) {
		digits = n - i >= 3 ? 4 : n - i + 1;
		group = (uint32_t)at[i] << 16;
		if (digits > 2)
			group |= (uint32_t)at[i + 1] << 8;
		if (digits > 3)
			group |= at[i + 2];
		for (size_t j = 0; j < 4; j++)
			*text++ = j < digits ?
			    base64_digits[group >> (18 - 6 * j) & 63] : '=';
	}
	*text = '\0';
}

/* The value of a digit, or -1. */
static int
base64_value(char c)
{
	const char	*digit;

	if (c == '\0' || (digit = strchr(base64_digits, c)) == NULL)
		return -1;
	return (int)(digit - base64_digits);
}

/* One group of four characters, of which the last may be padding. */
static bool
base64_decode_group(const char *text, size_t digits, uint32_t *group)
{
	int	value;

	*group = 0;
	for (size_t j = 0; j < digits; j++) {
		if ((value = base64_value(text[j])) == -1)
			return false;
		*group |= (uint32_t)value << (18 - 6 * j);
	}
	/* Bits that are cut off must be zero, or two texts are the same. */
	return (digits != 2 || (*group & 0xffff) == 0) &&
	    (digits != 3 || (*group & 0xff) == 0);
}

bool
base64_decode(const char *text, size_t chars, uint8_t *bytes, size_t max,
    size_t *n)
{
	uint32_t	group;
	size_t		digits, count = 0;

	if (chars % 4 != 0)
		return false;
	for (size_t i = 0; i < chars; i += 4) {
		digits = 4;
		if (i + 4 == chars && text[i + 3] == '=')
			digits = text[i + 2] == '=' ? 2 : 3;
		if (!base64_decode_group(text + i, digits, &group) ||
		    max - count < digits - 1)
			return false;
		for (size_t j = 0; j < digits - 1; j++)
			bytes[count++] = (uint8_t)(group >> (16 - 8 * j));
	}
	*n = count;
	return true;
}
