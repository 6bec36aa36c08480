/*
 * A growing run of bytes.
 *
 * Room is made by moving the unread bytes to the front when at least as many
 * have been read before them, and by doubling the memory otherwise; so each
 * byte is moved a bounded number of times, however it is read and written.
 *
 * Always true: start <= end <= capacity, and data is NULL exactly while
 * capacity is 0.  A buf belongs to one thread at a time.
 */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { BUF_BYTES_MIN = 128 };

#define BUF_BYTES_MAX	((size_t)1 << 31)

void
buf_init(struct buf *buf)
{
	*buf = (struct buf){ 0 };
}

void
buf_done(struct buf *buf)
{
	free(buf->data);
	buf_init(buf);
}

void
buf_clear(struct buf *buf)
{
	buf->start = buf->end = 0;
}

void
buf_wipe(struct buf *buf)
{
	mem_wipe(buf->data, buf->capacity);
	buf_done(buf);
}

static void
buf_move_to_front(struct buf *buf)
{
	size_t	length = buf_length(buf);

	if (buf->start == 0)
		return;
	memmove(buf->data, buf_bytes(buf), length);
	buf->start = 0;
	buf->end = (uint32_t)length;
}

/* Make room for n bytes at the end; false when there is no memory for it. */
static bool
buf_grow(struct buf *buf, size_t n)
{
	size_t	 length = buf_length(buf);
	size_t	 capacity = buf->capacity;
	uint8_t	*data;

	if (buf->start >= length && capacity - length >= n) {
		buf_move_to_front(buf);
		return true;
	}
	if (n > BUF_BYTES_MAX - length)
		return false;
	if (capacity < BUF_BYTES_MIN)
		capacity = BUF_BYTES_MIN;
	else if (capacity < BUF_BYTES_MAX)
		capacity *= 2;
	while (capacity < length + n)
		capacity *= 2;
	if ((data = mem_try_resize(buf->data, capacity)) == NULL)
		return false;
	buf->data = data;
	buf->capacity = (uint32_t)capacity;
	buf_move_to_front(buf);
	return true;
}

uint8_t *
buf_reserve(struct buf *buf, size_t n)
{
	if (buf->data == NULL || buf->capacity - buf->end < n)
		if (!buf_grow(buf, n))
			abort();
	return buf->data + buf->end;
}

uint8_t *
buf_try_reserve(struct buf *buf, size_t n, size_t limit)
{
	size_t	length = buf_length(buf);

	if (length > limit || n > limit - length)
		return NULL;
	if (buf->data == NULL || buf->capacity - buf->end < n)
		if (!buf_grow(buf, n))
			return NULL;
	return buf->data + buf->end;
}

void
buf_commit(struct buf *buf, size_t n)
{
	assert(n <= buf->capacity - buf->end);
	buf->end += (uint32_t)n;
}

void
buf_add(struct buf *buf, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(buf, n), bytes, n);
	buf_commit(buf, n);
}

void
buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list	args;
	size_t	room = 64;
	int	n;

	for (;;) {
		va_start(args, format);
		n = vsnprintf((char *)buf_reserve(buf, room), room, format,
		    args);
		va_end(args);
		assert(n >= 0);
		if ((size_t)n < room)
			break;
		room = (size_t)n + 1;
	}
	buf_commit(buf, (size_t)n);
}

void
buf_consume(struct buf *buf, size_t n)
{
	assert(n <= buf_length(buf));
	buf->start += (uint32_t)n;
	if (buf->start == buf->end)
		buf->start = buf->end = 0;
}
