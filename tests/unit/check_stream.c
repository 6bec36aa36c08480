/*
 * net/stream.h without TLS: reading, writing, failing, closing.
 */

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "check_net.h"

enum { MEGABYTE = 1 << 20 };

/*
 * The system calls that count, counted on their way to the kernel.
 */

static _Atomic int	calls_of_recv, calls_of_send, calls_of_epoll_ctl;

ssize_t
recv(int fd, void *data, size_t n, int flags)
{
	calls_of_recv++;
	return syscall(SYS_recvfrom, fd, data, n, flags, NULL, NULL);
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	calls_of_send++;
	return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	calls_of_send++;
	return syscall(SYS_sendmsg, fd, message, flags);
}

int
epoll_ctl(int fd, int what, int which, struct epoll_event *event)
{
	calls_of_epoll_ctl++;
	return (int)syscall(SYS_epoll_ctl, fd, what, which, event);
}

static struct loop	*loop;
static struct end	 end;
static int		 peer;

static void
begin(int buffer_bytes)
{
	int	fds[2];

	loop = loop_new(0);
	net_pair(fds, buffer_bytes);
	end_open(&end, loop, fds[0]);
	peer = fds[1];
}

static void
finish(void)
{
	end_close(&end);
	if (peer >= 0)
		close(peer);
	loop_free(loop);
}

/* Take everything that the stream sends until it has nothing unsent. */
static void
drain_into(struct buf *got)
{
	while (stream_unsent(&end.stream) > 0) {
		net_take(peer, got);
		net_turn(loop, EVLOOP_NONBLOCK);
	}
	net_take(peer, got);
}

START_TEST(what_the_peer_sends_is_read)
{
	begin(0);
	ck_assert_int_eq(write(peer, "hello", 5), 5);
	RUN_UNTIL(loop, end.readable > 0);
	ck_assert(end_has(&end, "hello"));
	ck_assert_int_eq(stream_read(&end.stream, loop->buffer, 1),
	    STREAM_AGAIN);
	finish();
}
END_TEST

START_TEST(what_was_not_read_is_told_again)
{
	begin(0);
	end.read_bytes = 2;
	ck_assert_int_eq(write(peer, "hello", 5), 5);
	RUN_UNTIL(loop, end.readable == 3);
	ck_assert(end_has(&end, "hello"));
	finish();
}
END_TEST

START_TEST(what_is_written_arrives_at_once)
{
	struct buf	got = { 0 };

	begin(0);
	ck_assert(end_write(&end, "hello", 5));
	ck_assert_int_eq(net_take(peer, &got), 5);
	ck_assert(end_write(&end, "", 0));
	ck_assert_int_eq(net_take(peer, &got), 0);
	ck_assert_int_eq(stream_unsent(&end.stream), 0);
	ck_assert_int_eq(end.drained, 0);
	buf_done(&got);
	finish();
}
END_TEST

static void
echo(struct end *at, enum stream_event event)
{
	ssize_t	n;

	ck_assert_int_eq(event, STREAM_READABLE);
	n = stream_read(&at->stream, loop->buffer, LOOP_BUFFER_BYTES);
	ck_assert_int_gt(n, 0);
	ck_assert(stream_write(&at->stream, loop->buffer, (size_t)n));
}

START_TEST(an_echo_is_one_recv_and_one_send_and_the_kernel_is_told_nothing)
{
	char	byte;

	begin(0);
	end.then = echo;
	net_run_idle(loop);
	calls_of_recv = calls_of_send = calls_of_epoll_ctl = 0;
	for (int i = 1; i <= 100; i++) {
		ck_assert_int_eq(write(peer, "x", 1), 1);
		RUN_UNTIL(loop, end.readable == i);
		ck_assert_int_eq(read(peer, &byte, 1), 1);
	}
	ck_assert_int_eq(calls_of_recv, 100);
	ck_assert_int_eq(calls_of_send, 100);
	ck_assert_int_eq(calls_of_epoll_ctl, 0);
	ck_assert_ptr_null(end.stream.unsent.data);
	finish();
}
END_TEST

START_TEST(off_and_on_again_in_one_callback_is_at_most_one_call)
{
	begin(0);
	net_run_idle(loop);
	calls_of_epoll_ctl = 0;
	stream_set_reading(&end.stream, false);
	stream_set_reading(&end.stream, true);
	net_run_idle(loop);
	ck_assert_int_le(calls_of_epoll_ctl, 1);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	RUN_UNTIL(loop, end.readable == 1);
	finish();
}
END_TEST

START_TEST(what_the_peer_does_not_take_is_kept_and_sent_later)
{
	uint8_t		*data = mem_new(MEGABYTE);
	struct buf	 got = { 0 };

	begin(4096);
	net_fill(data, MEGABYTE, 1);
	ck_assert(end_write(&end, data, MEGABYTE));
	ck_assert_int_gt(stream_unsent(&end.stream), 0);
	drain_into(&got);
	ck_assert_int_eq(end.drained, 1);
	ck_assert_int_eq(buf_length(&got), MEGABYTE);
	ck_assert_mem_eq(buf_bytes(&got), data, MEGABYTE);
	/* The memory has gone, and so has EV_WRITE. */
	ck_assert_ptr_null(end.stream.unsent.data);
	ck_assert_int_eq(end.stream.watched, EV_READ);
	net_run_idle(loop);
	ck_assert_int_eq(end.drained, 1);
	buf_done(&got);
	free(data);
	finish();
}
END_TEST

START_TEST(writes_behind_unsent_output_keep_their_order)
{
	struct buf	got = { 0 }, all = { 0 };
	uint8_t		piece[5000];
	struct iovec	parts[2] = { { piece, 100 }, { piece + 100, 400 } };

	begin(4096);
	for (unsigned int i = 0; i < 50; i++) {
		net_fill(piece, sizeof piece, i);
		ck_assert(end_write(&end, piece, sizeof piece - i));
		buf_add(&all, piece, sizeof piece - i);
		ck_assert(stream_writev(&end.stream, parts, 2));
		buf_add(&all, piece, 500);
		if (i % 8 == 0)
			net_take(peer, &got);
		if (i % 9 == 0)
			net_turn(loop, EVLOOP_NONBLOCK);
	}
	drain_into(&got);
	ck_assert_int_eq(buf_length(&got), buf_length(&all));
	ck_assert_mem_eq(buf_bytes(&got), buf_bytes(&all), buf_length(&all));
	buf_done(&got);
	buf_done(&all);
	finish();
}
END_TEST

START_TEST(parts_may_be_cut_anywhere)
{
	static const size_t	lengths[] = { 0, 1, 0, 5, 3000, 0, 0, 4096,
		1, 1, 7000, 13, 0, 60000, 2, 0 };
	struct iovec		parts[ARRAY_LENGTH(lengths)];
	uint8_t			data[80000];
	struct buf		got = { 0 };
	size_t			sum = 0;

	net_fill(data, sizeof data, 5);
	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
		parts[i].iov_base = data + sum;
		parts[i].iov_len = lengths[i];
		sum += lengths[i];
	}
	for (int bytes = 2048; bytes < 100000; bytes += 3517) {
		begin(bytes);
		ck_assert(stream_writev(&end.stream, parts,
		    ARRAY_LENGTH(parts)));
		drain_into(&got);
		ck_assert_int_eq(buf_length(&got), sum);
		ck_assert_mem_eq(buf_bytes(&got), data, sum);
		buf_done(&got);
		finish();
	}
}
END_TEST

START_TEST(more_parts_than_the_kernel_takes_all_arrive)
{
	enum { MANY = 3000 };
	struct iovec	parts[MANY];
	uint8_t		data[MANY];
	struct buf	got = { 0 };

	net_fill(data, MANY, 9);
	for (int i = 0; i < MANY; i++)
		parts[i] = (struct iovec){ data + i, 1 };
	begin(0);
	ck_assert(stream_writev(&end.stream, parts, MANY));
	drain_into(&got);
	ck_assert_int_eq(buf_length(&got), MANY);
	ck_assert_mem_eq(buf_bytes(&got), data, MANY);
	ck_assert(stream_writev(&end.stream, parts, 0));
	buf_done(&got);
	finish();
}
END_TEST

START_TEST(while_reading_is_off_nothing_is_told)
{
	begin(0);
	stream_set_reading(&end.stream, false);
	ck_assert_int_eq(write(peer, "hello", 5), 5);
	net_run_idle(loop);
	ck_assert_int_eq(end.readable, 0);
	close(peer);
	peer = -1;
	net_run_idle(loop);
	ck_assert_int_eq(end.readable + end.failed, 0);
	stream_set_reading(&end.stream, true);
	RUN_UNTIL(loop, end.eof);
	ck_assert(end_has(&end, "hello"));
	finish();
}
END_TEST

START_TEST(back_pressure_lets_output_go_on)
{
	uint8_t		*data = mem_new(MEGABYTE);
	struct buf	 got = { 0 };

	begin(4096);
	stream_set_reading(&end.stream, false);
	ck_assert(end_write(&end, data, MEGABYTE));
	ck_assert_int_eq(write(peer, "x", 1), 1);
	drain_into(&got);
	ck_assert_int_eq(buf_length(&got), MEGABYTE);
	ck_assert_int_eq(end.drained, 1);
	ck_assert_int_eq(end.readable, 0);
	stream_set_reading(&end.stream, true);
	RUN_UNTIL(loop, end.readable == 1);
	buf_done(&got);
	free(data);
	finish();
}
END_TEST

START_TEST(a_peer_that_leaves_is_end_of_file)
{
	begin(0);
	ck_assert_int_eq(write(peer, "bye", 3), 3);
	close(peer);
	peer = -1;
	RUN_UNTIL(loop, end.eof);
	ck_assert(end_has(&end, "bye"));
	ck_assert_int_eq(end.failed, 0);
	finish();
}
END_TEST

START_TEST(a_write_to_a_peer_that_left_fails_now_and_is_told_later_once)
{
	begin(0);
	close(peer);
	peer = -1;
	ck_assert(!end_write(&end, "x", 1));
	ck_assert_int_eq(end.failed, 0);
	/* None of these may lose or double it. */
	ck_assert(!end_write(&end, "x", 1));
	stream_set_reading(&end.stream, false);
	stream_set_reading(&end.stream, true);
	ck_assert_int_eq(stream_read(&end.stream, loop->buffer, 1),
	    STREAM_ERROR);
	ck_assert_int_eq(end.failed, 0);
	net_run_idle(loop);
	ck_assert_int_eq(end.failed, 1);
	ck_assert_int_eq(end.readable, 0);
	ck_assert_str_eq(stream_error(&end.stream), strerror(EPIPE));
	net_run_idle(loop);
	ck_assert_int_eq(end.failed, 1);
	finish();
}
END_TEST

START_TEST(a_failed_write_is_told_also_while_reading_is_off)
{
	struct iovec	part = { "x", 1 };

	begin(0);
	stream_set_reading(&end.stream, false);
	close(peer);
	peer = -1;
	net_run_idle(loop);
	ck_assert(!stream_writev(&end.stream, &part, 1));
	ck_assert(!stream_writev(&end.stream, &part, 1));
	RUN_UNTIL(loop, end.failed == 1);
	finish();
}
END_TEST

START_TEST(a_peer_that_leaves_unsent_output_behind_is_a_failure)
{
	uint8_t	*data = mem_new(MEGABYTE);

	begin(4096);
	stream_set_reading(&end.stream, false);
	ck_assert(end_write(&end, data, MEGABYTE));
	close(peer);
	peer = -1;
	RUN_UNTIL(loop, end.failed == 1);
	ck_assert_int_eq(end.drained, 0);
	ck_assert_int_eq(stream_unsent(&end.stream), 0);
	ck_assert_ptr_null(end.stream.unsent.data);
	free(data);
	finish();
}
END_TEST

START_TEST(nothing_is_told_of_a_stream_that_was_closed_after_it_failed)
{
	begin(0);
	close(peer);
	peer = -1;
	ck_assert(!end_write(&end, "x", 1));
	stream_close(&end.stream);
	stream_close(&end.stream);
	ck_assert(!stream_is_open(&end.stream));
	ck_assert(!stream_write(&end.stream, "x", 1));
	stream_set_reading(&end.stream, false);
	net_run_idle(loop);
	ck_assert_int_eq(end.failed, 0);
	finish();
}
END_TEST

START_TEST(closing_what_was_never_opened_closes_no_descriptor)
{
	static struct stream	never;

	ck_assert_int_ge(fcntl(0, F_GETFD), 0);
	stream_close(&never);
	ck_assert_int_ge(fcntl(0, F_GETFD), 0);
}
END_TEST

static void
close_self(struct end *at, enum stream_event event)
{
	(void)event;
	stream_close(&at->stream);
}

START_TEST(a_callback_may_close_its_own_stream)
{
	uint8_t		*data = mem_new(MEGABYTE);
	struct buf	 got = { 0 };

	/* Readable, and writable as well. */
	begin(4096);
	end.then = close_self;
	ck_assert_int_eq(write(peer, "x", 1), 1);
	RUN_UNTIL(loop, end.readable == 1);
	ck_assert(!stream_is_open(&end.stream));
	ck_assert_int_le(recv(peer, data, 1, 0), 0);
	finish();

	begin(4096);
	end.then = close_self;
	stream_set_reading(&end.stream, false);
	ck_assert(end_write(&end, data, 65536));
	while (end.drained == 0) {
		net_take(peer, &got);
		net_turn(loop, EVLOOP_NONBLOCK);
	}
	ck_assert(!stream_is_open(&end.stream));
	finish();
	buf_done(&got);

	begin(0);
	end.then = close_self;
	close(peer);
	peer = -1;
	ck_assert(!stream_write(&end.stream, "x", 1));
	RUN_UNTIL(loop, end.failed == 1);
	net_run_idle(loop);
	finish();
	free(data);
}
END_TEST

static void
set_reading_in_drained(struct end *at, enum stream_event event)
{
	if (event == STREAM_DRAINED)
		stream_set_reading(&at->stream, false);
	else
		end_read(at);
}

START_TEST(what_drained_turns_off_is_not_told_in_the_same_callback)
{
	uint8_t		*data = mem_new(65536);
	struct buf	 got = { 0 };

	begin(4096);
	end.then = set_reading_in_drained;
	ck_assert(end_write(&end, data, 65536));
	stream_set_reading(&end.stream, false);
	while (stream_unsent(&end.stream) > 0 && end.drained == 0) {
		net_take(peer, &got);
		ck_assert_int_eq(write(peer, "x", 1), 1);
		stream_set_reading(&end.stream, true);
		net_turn(loop, EVLOOP_NONBLOCK);
		if (end.drained == 0)
			stream_set_reading(&end.stream, false);
	}
	ck_assert_int_eq(end.drained, 1);
	end.readable = 0;
	net_run_idle(loop);
	ck_assert_int_eq(end.readable, 0);
	stream_set_reading(&end.stream, true);
	RUN_UNTIL(loop, end.readable > 0);
	buf_done(&got);
	free(data);
	finish();
}
END_TEST

CHECK_MAIN("stream", what_the_peer_sends_is_read,
    what_was_not_read_is_told_again,
    what_is_written_arrives_at_once,
    an_echo_is_one_recv_and_one_send_and_the_kernel_is_told_nothing,
    off_and_on_again_in_one_callback_is_at_most_one_call,
    what_the_peer_does_not_take_is_kept_and_sent_later,
    writes_behind_unsent_output_keep_their_order,
    parts_may_be_cut_anywhere,
    more_parts_than_the_kernel_takes_all_arrive,
    while_reading_is_off_nothing_is_told,
    back_pressure_lets_output_go_on,
    a_peer_that_leaves_is_end_of_file,
    a_write_to_a_peer_that_left_fails_now_and_is_told_later_once,
    a_failed_write_is_told_also_while_reading_is_off,
    a_peer_that_leaves_unsent_output_behind_is_a_failure,
    nothing_is_told_of_a_stream_that_was_closed_after_it_failed,
    closing_what_was_never_opened_closes_no_descriptor,
    a_callback_may_close_its_own_stream,
    what_drained_turns_off_is_not_told_in_the_same_callback)
