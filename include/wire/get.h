/*
 * Reading the body of a message.
 *
 * A get is a cursor over bytes that somebody else owns.  A read that would go
 * over the end gives 0, or NULL, sets bad and moves to the end, so that every
 * later read fails too: a caller may read everything first and ask once at
 * the end whether all of it was good.  No read ever looks outside the bounds.
 */

#ifndef WIRE_GET_H
#define WIRE_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct get {
	const uint8_t	*at, *end;
	bool		 bad;
};

static inline void
get_init(struct get *get, const void *data, size_t n)
{
	get->at = data != NULL ? data : (const uint8_t *)"";
	get->end = get->at + n;
	get->bad = false;
}

/* Bytes that are left. */
static inline size_t
get_left(const struct get *get)
{
	return (size_t)(get->end - get->at);
}

/* Nothing was bad, and everything was consumed. */
static inline bool
get_is_done(const struct get *get)
{
	return !get->bad && get->at == get->end;
}

static inline void
get_fail(struct get *get)
{
	get->bad = true;
	get->at = get->end;
}

/* The next n bytes, or NULL; zero bytes are a pointer that is not NULL. */
const uint8_t	*get_bytes(struct get *, size_t n);

/* A string that ends within the bounds, or NULL; points into the buffer. */
const char	*get_string(struct get *);

static inline uint8_t
get_u8(struct get *get)
{
	if (get_left(get) < 1) {
		get_fail(get);
		return 0;
	}
	return *get->at++;
}

static inline uint16_t
get_u16(struct get *get)
{
	const uint8_t	*at = get->at;

	if (get_left(get) < 2) {
		get_fail(get);
		return 0;
	}
	get->at += 2;
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
get_u32(struct get *get)
{
	const uint8_t	*at = get->at;

	if (get_left(get) < 4) {
		get_fail(get);
		return 0;
	}
	get->at += 4;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

static inline int32_t
get_i32(struct get *get)
{
	return (int32_t)get_u32(get);
}

#endif
