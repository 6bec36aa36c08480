/*
 * See pool/cancel_call.h.
 *
 *	CONNECTING -- plain ------------------------> SENT -> over
 *	CONNECTING -- SSLRequest --> 'S' handshake --> SENT -> over
 *					'N' ---------> SENT, or over
 */

#include "base/mem.h"
#include "net/addr.h"
#include "pool/cancel_call.h"
#include "wire/put.h"

static void
cancel_call_close(struct cancel_call *call)
{
	stream_close(&call->stream);
	deadline_clear(call->loop, &call->deadline);
	loop_undefer(call->loop, &call->task);
	buf_wipe(&call->request);
	call->is_over = true;
}

static void
cancel_call_end(struct cancel_call *call, enum cancel_end end)
{
	if (call->is_over)
		return;
	cancel_call_close(call);
	call->over(call, end);
}

static void
cancel_call_on_timeout(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	cancel_call_end(container_of(deadline, struct cancel_call, deadline),
	    CANCEL_TIMED_OUT);
}

static void
cancel_call_on_task(struct loop *loop, struct task *task)
{
	(void)loop;
	cancel_call_end(container_of(task, struct cancel_call, task),
	    CANCEL_CLOSED);
}

static void
cancel_call_send(struct cancel_call *call)
{
	call->is_asking = false;
	stream_write(&call->stream, buf_bytes(&call->request),
	    buf_length(&call->request));
}

static void
cancel_call_ask(struct cancel_call *call)
{
	struct buf	ask;

	call->is_asking = true;
	buf_init(&ask);
	put_ssl_request(&ask);
	stream_write(&call->stream, buf_bytes(&ask), buf_length(&ask));
	buf_done(&ask);
}

/* False: neither TLS nor the clear will do. */
static bool
cancel_call_on_answer(struct cancel_call *call, uint8_t byte)
{
	if (byte == 'S') {
		call->is_asking = false;
		return stream_start_tls(&call->stream, call->tls, false,
		    call->name);
	}
	if (byte != 'N' || !call->may_be_plain)
		return false;
	cancel_call_send(call);
	return true;
}

static void
cancel_call_on_readable(struct cancel_call *call)
{
	uint8_t	byte = 0;
	ssize_t	n = stream_read(&call->stream, &byte, 1);

	if (n == STREAM_AGAIN)
		return;
	if (n == 1 && call->is_asking && cancel_call_on_answer(call, byte))
		return;
	cancel_call_end(call, n == 1 && !call->is_asking &&
	    byte == CANCEL_DONE_BYTE ? CANCEL_DONE : CANCEL_CLOSED);
}

static void
cancel_call_on_event(struct stream *stream, enum stream_event event)
{
	struct cancel_call	*call = container_of(stream,
				    struct cancel_call, stream);

	switch (event) {
	case STREAM_CONNECTED:
		call->is_connected = true;
		if (call->tls != NULL)
			cancel_call_ask(call);
		else
			cancel_call_send(call);
		break;
	case STREAM_SECURED:
		cancel_call_send(call);
		break;
	case STREAM_READABLE:
		cancel_call_on_readable(call);
		break;
	case STREAM_FAILED:
		cancel_call_end(call, CANCEL_CLOSED);
		break;
	case STREAM_DRAINED:
		break;
	}
}

void
cancel_call_start(struct cancel_call *call, const struct addr *addr,
    uint32_t pid, const uint8_t *key, size_t key_length, int64_t limit_us)
{
	call->stream.fd = -1;
	call->task.run = cancel_call_on_task;
	buf_init(&call->request);
	if (addr == NULL || !stream_connect(&call->stream, call->loop, addr,
	    cancel_call_on_event)) {
		loop_defer(call->loop, &call->task);
		return;
	}
	put_cancel_request(&call->request, pid, key, key_length);
	deadline_set(call->loop, &call->deadline, limit_us,
	    cancel_call_on_timeout);
}

void
cancel_call_drop(struct cancel_call *call)
{
	if (!call->is_over)
		cancel_call_close(call);
}
