/*
 * A cancel call: a short connection that carries one CancelRequest and is
 * over when the other side closes it (PostgreSQL documentation 55.2.8).
 *
 * Embedded in whatever wants it made; touched by the thread of its loop only.
 * over() is told exactly once, from a callback of the loop or from a task,
 * never from inside cancel_call_start(); the connection is closed by then, and
 * what embeds the call may be freed by a task, not at once.
 */

#ifndef POOL_CANCEL_CALL_H
#define POOL_CANCEL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "net/stream.h"

struct addr;
struct tls_context;

/*
 * What a pgweir says before it closes, to another one that has passed a
 * request on: it was for me, and is carried out.
 */
#define CANCEL_DONE_BYTE	'C'

enum cancel_end {
	CANCEL_CLOSED,		/* by the other side, or it failed */
	CANCEL_DONE,		/* CANCEL_DONE_BYTE was said */
	CANCEL_TIMED_OUT,
};

struct cancel_call {
	struct stream		 stream;
	struct loop		*loop;
	struct deadline		 deadline;
	struct task		 task;		/* it ended before it began */
	struct tls_context	*tls;		/* the caller's; NULL: plain */
	const char		*name;		/* the caller's, for TLS */
	bool			 may_be_plain;	/* if it has no TLS */
	bool			 is_asking;	/* for TLS */
	bool			 is_connected;
	bool			 is_over;
	struct buf		 request;
	void			(*over)(struct cancel_call *, enum cancel_end);
};

/*
 * loop, tls, name, may_be_plain and over are set by the caller.  addr is NULL
 * when there is nowhere to call.
 */
void	cancel_call_start(struct cancel_call *, const struct addr *,
	    uint32_t pid, const uint8_t *key, size_t key_length,
	    int64_t limit_us);
/* It is not wanted any more: closed, and over() is not called. */
void	cancel_call_drop(struct cancel_call *);

#endif
