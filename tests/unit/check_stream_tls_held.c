/*
 * net/stream.h with TLS: what OpenSSL holds and the kernel does not know of.
 */

#include <pthread.h>

#include "check_stream_tls.h"

START_TEST(an_echo_is_one_recv_and_one_send)
{
	char	text[64];

	begin_raw("secure");
	raw_shake();
	for (int i = 1; i <= 20; i++) {
		ck_assert_int_eq(SSL_write(raw.ssl, "ping", 4), 4);
		raw_pump();
		calls_of_recv = calls_of_send = 0;
		RUN_UNTIL(loop, front.readable == i);
		ck_assert(end_write(&front, "pong", 4));
		ck_assert_int_eq(calls_of_recv, 1);
		ck_assert_int_eq(calls_of_send, 1);
		raw_pump();
		ck_assert_int_eq(SSL_read(raw.ssl, text, sizeof text), 4);
	}
	finish_raw();
}
END_TEST

START_TEST(the_rest_of_a_record_is_told_without_the_kernel)
{
	uint8_t	data[RECORD];

	begin_raw("secure");
	raw_shake();
	net_fill(data, sizeof data, 6);
	front.read_bytes = 100;
	ck_assert_int_eq(SSL_write(raw.ssl, data, RECORD), RECORD);
	raw_pump();
	RUN_UNTIL(loop, buf_length(&front.in) == RECORD);
	ck_assert_mem_eq(buf_bytes(&front.in), data, RECORD);
	net_run_idle(loop);
	ck_assert_int_eq(front.last, 84);
	ck_assert_int_le(front.readable, RECORD / 100 + 2);
	finish_raw();
}
END_TEST

/* 50 records in one segment. */
static void
raw_send_many(void)
{
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(SSL_write(raw.ssl, "0123456789", 10), 10);
	raw_pump();
}

START_TEST(many_records_that_came_together_are_all_told)
{
	begin_raw("secure");
	raw_shake();
	raw_send_many();
	RUN_UNTIL(loop, buf_length(&front.in) == 500);
	net_run_idle(loop);
	ck_assert_int_eq(front.failed, 0);
	finish_raw();
}
END_TEST

static void
toggle_and_read(struct end *at, enum stream_event event)
{
	if (event != STREAM_READABLE)
		return;
	end_read(at);
	/* Each of these registers the event anew. */
	stream_set_reading(&at->stream, false);
	stream_set_reading(&at->stream, true);
}

static uint8_t	a_lot[2 * MEGABYTE];

static void
read_and_write_much(struct end *at, enum stream_event event)
{
	if (event != STREAM_READABLE)
		return;
	end_read(at);
	at->then = NULL;
	ck_assert(end_write(at, a_lot, sizeof a_lot));
	ck_assert_int_gt(stream_unsent(&at->stream), 0);
}

START_TEST(registering_anew_does_not_forget_what_openssl_holds)
{
	begin_raw("secure");
	raw_shake();
	front.then = toggle_and_read;
	raw_send_many();
	RUN_UNTIL(loop, buf_length(&front.in) == 500);
	/* The same for output that begins to be unsent in the callback. */
	front.then = read_and_write_much;
	raw_send_many();
	RUN_UNTIL(loop, buf_length(&front.in) == 1000);
	finish_raw();
}
END_TEST

static void
pause_and_read(struct end *at, enum stream_event event)
{
	if (event != STREAM_READABLE)
		return;
	end_read(at);
	stream_set_reading(&at->stream, false);
}

START_TEST(back_pressure_holds_and_frees_what_openssl_holds)
{
	begin_raw("secure");
	raw_shake();
	front.then = pause_and_read;
	raw_send_many();
	for (int i = 1; i <= 50; i++) {
		RUN_UNTIL(loop, front.readable == i);
		net_run_idle(loop);
		ck_assert_int_eq(front.readable, i);
		ck_assert_int_eq(buf_length(&front.in), 10 * i);
		stream_set_reading(&front.stream, true);
	}
	finish_raw();
}
END_TEST

START_TEST(what_openssl_holds_moves_to_another_loop)
{
	struct loop	*other = loop_new(1);

	begin_raw("secure");
	raw_shake();
	front.read_bytes = 10;
	raw_send_many();
	front.then = pause_and_read;
	RUN_UNTIL(loop, front.readable == 1);
	front.then = NULL;
	stream_set_reading(&front.stream, true);
	stream_leave(&front.stream);
	net_run_idle(loop);
	ck_assert_int_eq(front.readable, 1);
	stream_join(&front.stream, other);
	RUN_UNTIL(other, buf_length(&front.in) == 500);
	ck_assert(end_write(&front, "there", 5));
	stream_leave(&front.stream);
	stream_join(&front.stream, loop);
	finish_raw();
	loop_free(other);
}
END_TEST

START_TEST(a_handshake_moves_to_another_loop_before_its_first_byte)
{
	struct loop	*other = loop_new(1);

	begin_pair(0, "secure");
	stream_leave(&back.stream);
	stream_join(&back.stream, other);
	while (front.secured + back.secured < 2) {
		net_turn(loop, EVLOOP_NONBLOCK);
		net_turn(other, EVLOOP_NONBLOCK);
	}
	finish();
	loop_free(other);
}
END_TEST

START_TEST(half_a_record_waits_for_its_other_half_without_spinning)
{
	begin_raw("secure");
	raw_shake();
	ck_assert_int_eq(SSL_write(raw.ssl, "0123456789", 10), 10);
	ck_assert_int_eq(SSL_write(raw.ssl, "0123456789", 10), 10);
	raw_send_all_but(5);
	net_run_idle(loop);
	ck_assert_int_eq(buf_length(&front.in), 10);
	ck_assert_int_le(front.readable, 2);
	raw_pump();
	RUN_UNTIL(loop, buf_length(&front.in) == 20);
	finish_raw();
}
END_TEST

enum { FLOOD = 10000, FLOOD_BYTES_MAX = 256, OVERHEAD = 22 };

static uint8_t	flood_bytes[FLOOD * (FLOOD_BYTES_MAX + OVERHEAD)];
static int	flood_length;

static void *
flood(void *arg)
{
	struct pollfd	ready = { .fd = raw.fd, .events = POLLOUT };
	ssize_t		sent;

	(void)arg;
	for (int at = 0; at < flood_length; at += (int)sent) {
		poll(&ready, 1, -1);
		sent = write(raw.fd, flood_bytes + at,
		    (size_t)(flood_length - at));
		if (sent < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			sent = 0;
		}
	}
	return NULL;
}

static void
read_and_forget(struct end *at, enum stream_event event)
{
	if (event == STREAM_READABLE)
		end_read(at);
	buf_clear(&at->in);
}

/* How many rounds another stream has to wait. */
static void
flood_with_records_of(int bytes)
{
	static const char	text[FLOOD_BYTES_MAX];
	pthread_t		thread;
	struct end		other;
	int			fds[2], rounds = 0;

	begin_raw("secure");
	raw_shake();
	front.then = read_and_forget;
	net_pair(fds, 0);
	end_open(&other, loop, fds[0]);
	for (int i = 0; i < FLOOD; i++)
		ck_assert_int_eq(SSL_write(raw.ssl, text, bytes), bytes);
	flood_length = BIO_read(raw.out, flood_bytes, sizeof flood_bytes);
	pthread_create(&thread, NULL, flood, NULL);
	RUN_UNTIL(loop, front.readable > 1000);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	for (; other.readable == 0; rounds++)
		net_turn(loop, EVLOOP_ONCE);
	ck_assert_int_le(rounds, 3);
	/* The flood was not over by then. */
	ck_assert_int_lt(front.readable, FLOOD / 2);
	RUN_UNTIL(loop, front.readable >= FLOOD);
	pthread_join(thread, NULL);
	end_close(&other);
	close(fds[1]);
	finish_raw();
}

START_TEST(a_peer_that_never_stops_does_not_starve_the_others)
{
	size_t	buffer_bytes, rest = 0;
	int	bytes = 0;

	begin_raw("secure");
	raw_shake();
	buffer_bytes = asked_of_recv;
	finish_raw();
	flood_with_records_of(1);
	/* Of a full buffer less than the header of another record is left. */
	while (rest < 1 || rest > 4) {
		ck_assert_int_lt(++bytes, FLOOD_BYTES_MAX);
		rest = buffer_bytes % (size_t)(bytes + OVERHEAD);
	}
	flood_with_records_of(bytes);
}
END_TEST

CHECK_MAIN("stream_tls_held", an_echo_is_one_recv_and_one_send,
    the_rest_of_a_record_is_told_without_the_kernel,
    many_records_that_came_together_are_all_told,
    registering_anew_does_not_forget_what_openssl_holds,
    back_pressure_holds_and_frees_what_openssl_holds,
    what_openssl_holds_moves_to_another_loop,
    a_handshake_moves_to_another_loop_before_its_first_byte,
    half_a_record_waits_for_its_other_half_without_spinning,
    a_peer_that_never_stops_does_not_starve_the_others)
