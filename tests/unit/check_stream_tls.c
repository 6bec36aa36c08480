/*
 * net/stream.h with TLS: both roles are streams of ours on a socket pair, or
 * one is OpenSSL alone, to send what a stream never would.
 */

#include <sys/syscall.h>

#include <pthread.h>
#include <stdio.h>

#include <openssl/ssl.h>

#include "check_net.h"
#include "net/tls.h"
#include "net/tls_private.h"

enum { MEGABYTE = 1 << 20, RECORD = 16384 };

static _Atomic int	calls_of_send, calls_of_recv;
static _Atomic size_t	asked_of_recv;		/* bytes, in the last one */
static _Atomic int	sends_to_refuse;	/* EAGAIN, whatever there is room for */

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	calls_of_send++;
	if (sends_to_refuse > 0) {
		sends_to_refuse--;
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

ssize_t
recv(int fd, void *data, size_t n, int flags)
{
	calls_of_recv++;
	asked_of_recv = n;
	return syscall(SYS_recvfrom, fd, data, n, flags, NULL, NULL);
}

static struct loop		*loop;
static struct end		 front, back;	/* server, client */
static struct tls_context	*of_front, *of_back;

static void
begin_with(const char *protocols)
{
	struct tls_settings	settings = { .protocols = protocols };
	char			error[256];
	bool			self_signed;

	loop = loop_new(0);
	of_front = tls_context_new_server(&settings, &self_signed, error,
	    sizeof error);
	of_back = tls_context_new_client(&settings, error, sizeof error);
	ck_assert(of_front != NULL && of_back != NULL);
}

static void
begin_pair(int buffer_bytes, const char *protocols)
{
	int	fds[2];

	begin_with(protocols);
	net_pair(fds, buffer_bytes);
	end_open(&front, loop, fds[0]);
	end_open(&back, loop, fds[1]);
	ck_assert(stream_start_tls(&front.stream, of_front, true, NULL));
	ck_assert(stream_start_tls(&back.stream, of_back, false, "db.test"));
}

static void
begin_secured(int buffer_bytes)
{
	begin_pair(buffer_bytes, "secure");
	RUN_UNTIL(loop, front.secured + back.secured == 2);
}

static void
finish(void)
{
	end_close(&front);
	end_close(&back);
	tls_context_release(of_front);
	tls_context_release(of_back);
	loop_free(loop);
}

/*
 * The other side by hand: OpenSSL on memory, so that a test decides which
 * bytes go to the wire together.
 */
struct raw {
	SSL	*ssl;
	BIO	*in, *out;
	int	 fd;
};

static struct raw	raw;

static void
raw_pump(void)
{
	char	bytes[65536];
	ssize_t	n;

	while ((n = BIO_read(raw.out, bytes, sizeof bytes)) > 0)
		ck_assert_int_eq(write(raw.fd, bytes, (size_t)n), n);
	while ((n = read(raw.fd, bytes, sizeof bytes)) > 0)
		BIO_write(raw.in, bytes, (int)n);
}

/* What was written to OpenSSL goes out, but for the last bytes. */
static void
raw_send_all_but(int kept)
{
	char	bytes[65536];
	int	n = BIO_read(raw.out, bytes, sizeof bytes);

	ck_assert_int_gt(n, kept);
	ck_assert_int_eq(write(raw.fd, bytes, (size_t)(n - kept)), n - kept);
	ck_assert_int_eq(BIO_write(raw.out, bytes + n - kept, kept), kept);
}

/* front is a stream and the server, raw the client that it meets. */
static void
begin_raw(const char *protocols)
{
	int	fds[2];

	begin_with(protocols);
	net_pair(fds, 0);
	end_open(&front, loop, fds[0]);
	end_init(&back);
	raw.fd = fds[1];
	raw.in = BIO_new(BIO_s_mem());
	raw.out = BIO_new(BIO_s_mem());
	raw.ssl = SSL_new(of_back->ssl);
	SSL_set_bio(raw.ssl, raw.in, raw.out);
	SSL_set_connect_state(raw.ssl);
}

static void
raw_shake(void)
{
	ck_assert(stream_start_tls(&front.stream, of_front, true, NULL));
	while (front.secured == 0 || !SSL_is_init_finished(raw.ssl)) {
		SSL_do_handshake(raw.ssl);
		raw_pump();
		net_turn(loop, EVLOOP_NONBLOCK);
		ck_assert_msg(front.failed == 0, "%s",
		    stream_error(&front.stream));
	}
	net_run_idle(loop);
	front.readable = 0;
}

static void
finish_raw(void)
{
	SSL_free(raw.ssl);
	close(raw.fd);
	finish();
}

START_TEST(both_roles_shake_hands_and_talk)
{
	begin_secured(0);
	ck_assert(end_write(&front, "from front", 10));
	ck_assert(end_write(&back, "from back", 9));
	RUN_UNTIL(loop, end_has(&front, "from back") &&
	    end_has(&back, "from front"));
	ck_assert_int_eq(stream_read(&front.stream, loop->buffer, 1),
	    STREAM_AGAIN);
	finish();
}
END_TEST

START_TEST(tls_1_2_works_as_well)
{
	begin_pair(0, "tlsv1.2");
	RUN_UNTIL(loop, front.secured + back.secured == 2);
	ck_assert(end_write(&front, "x", 1));
	RUN_UNTIL(loop, end_has(&back, "x"));
	finish();
}
END_TEST

START_TEST(what_was_written_before_the_handshake_ended_goes_out_after_it)
{
	begin_pair(0, "secure");
	ck_assert(end_write(&back, "early", 5));
	ck_assert(end_write(&back, " bird", 5));
	RUN_UNTIL(loop, end_has(&front, "early bird"));
	ck_assert_int_eq(back.drained, 1);
	finish();
}
END_TEST

START_TEST(plain_bytes_smuggled_before_the_client_hello_are_refused)
{
	begin_raw("secure");
	/* An attacker's Query, in one segment with the true ClientHello. */
	SSL_do_handshake(raw.ssl);
	ck_assert_int_eq(write(raw.fd, "Q\0\0\0\015DROP ALL", 13), 13);
	raw_pump();
	ck_assert(stream_start_tls(&front.stream, of_front, true, NULL));
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_int_eq(front.secured + front.readable, 0);
	ck_assert_int_eq(strncmp(stream_error(&front.stream), "TLS failed: ",
	    12), 0);
	finish_raw();
}
END_TEST

START_TEST(plain_bytes_smuggled_behind_the_answer_s_are_refused)
{
	int	fds[2];

	begin_with("secure");
	net_pair(fds, 0);
	end_init(&back);
	end_open(&front, loop, fds[0]);
	front.read_bytes = 1;
	ck_assert_int_eq(write(fds[1], "S" "Z\0\0\0\005I", 7), 7);
	RUN_UNTIL(loop, front.readable == 1);
	ck_assert(end_has(&front, "S"));
	ck_assert(stream_start_tls(&front.stream, of_back, false, NULL));
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_int_eq(front.secured, 0);
	ck_assert_int_eq(front.readable, 1);
	close(fds[1]);
	finish();
}
END_TEST

START_TEST(plain_bytes_in_the_middle_of_the_connection_are_refused)
{
	begin_raw("secure");
	raw_shake();
	ck_assert_int_eq(write(raw.fd, "Q\0\0\0\015DROP ALL", 13), 13);
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_int_eq(front.last, STREAM_ERROR);
	ck_assert_int_eq(buf_length(&front.in), 0);
	finish_raw();
}
END_TEST

START_TEST(a_handshake_may_arrive_byte_by_byte)
{
	char	byte;

	begin_raw("secure");
	ck_assert(stream_start_tls(&front.stream, of_front, true, NULL));
	while (front.secured == 0 || !SSL_is_init_finished(raw.ssl)) {
		SSL_do_handshake(raw.ssl);
		while (BIO_read(raw.out, &byte, 1) == 1) {
			ck_assert_int_eq(write(raw.fd, &byte, 1), 1);
			net_turn(loop, EVLOOP_NONBLOCK);
		}
		raw_pump();
		net_turn(loop, EVLOOP_NONBLOCK);
		ck_assert_msg(front.failed == 0, "%s",
		    stream_error(&front.stream));
	}
	finish_raw();
}
END_TEST

START_TEST(a_peer_that_leaves_in_the_handshake_is_told_as_that)
{
	begin_raw("secure");
	SSL_do_handshake(raw.ssl);
	raw_send_all_but(10);
	ck_assert(stream_start_tls(&front.stream, of_front, true, NULL));
	net_run_idle(loop);
	ck_assert_int_eq(front.failed, 0);
	shutdown(raw.fd, SHUT_WR);
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_str_eq(stream_error(&front.stream),
	    "the peer left in the middle of the TLS handshake");
	net_run_idle(loop);
	ck_assert_int_eq(front.failed, 1);
	finish_raw();
}
END_TEST

START_TEST(a_handshake_can_be_closed_at_any_moment)
{
	for (int turns = 0; turns < 6; turns++) {
		begin_pair(0, "secure");
		for (int i = 0; i < turns; i++)
			net_turn(loop, EVLOOP_NONBLOCK);
		stream_close(&front.stream);
		net_run_idle(loop);
		ck_assert(back.failed == 1 || back.eof);
		finish();
	}
}
END_TEST

START_TEST(tls_begins_once_and_not_behind_unsent_output)
{
	uint8_t	*data = mem_new(MEGABYTE);
	int	 fds[2];

	begin_with("secure");
	net_pair(fds, 4096);
	end_init(&back);
	end_open(&front, loop, fds[0]);
	ck_assert(end_write(&front, data, MEGABYTE));
	ck_assert(!stream_start_tls(&front.stream, of_front, true, NULL));
	ck_assert_ptr_null(front.stream.tls);
	close(fds[1]);
	finish();

	begin_secured(0);
	ck_assert(!stream_start_tls(&front.stream, of_front, true, NULL));
	finish();
	free(data);
}
END_TEST

/*
 * Much data.
 */

static void
talk_both_ways(int buffer_bytes, size_t bytes, size_t read_bytes)
{
	uint8_t	*to_back = mem_new(bytes), *to_front = mem_new(bytes);

	begin_secured(buffer_bytes);
	front.read_bytes = back.read_bytes = read_bytes;
	net_fill(to_back, bytes, 1);
	net_fill(to_front, bytes, 2);
	/* Nobody reads before both have written all: who stops, deadlocks. */
	ck_assert(end_write(&front, to_back, bytes));
	ck_assert(end_write(&back, to_front, bytes));
	ck_assert_int_gt(stream_unsent(&front.stream), 0);
	ck_assert_int_gt(stream_unsent(&back.stream), 0);
	RUN_UNTIL(loop, buf_length(&front.in) >= bytes &&
	    buf_length(&back.in) >= bytes && front.drained && back.drained);
	ck_assert_mem_eq(buf_bytes(&front.in), to_front, bytes);
	ck_assert_mem_eq(buf_bytes(&back.in), to_back, bytes);
	ck_assert_int_eq(front.drained, 1);
	ck_assert_ptr_null(front.stream.unsent.data);
	ck_assert_int_eq(front.stream.watched, EV_READ);
	finish();
	free(to_back);
	free(to_front);
}

START_TEST(ten_megabytes_go_both_ways_at_once)
{
	talk_both_ways(0, 10 * MEGABYTE, LOOP_BUFFER_BYTES);
}
END_TEST

START_TEST(tiny_buffers_and_odd_reads_lose_nothing)
{
	talk_both_ways(4096, MEGABYTE, 1021);
}
END_TEST

START_TEST(a_large_write_goes_out_in_one_go_while_there_is_room)
{
	uint8_t	data[4 * RECORD];

	begin_secured(1 << 20);
	net_fill(data, sizeof data, 3);
	ck_assert(end_write(&front, data, sizeof data));
	ck_assert_int_eq(stream_unsent(&front.stream), 0);
	RUN_UNTIL(loop, buf_length(&back.in) == sizeof data);
	ck_assert_mem_eq(buf_bytes(&back.in), data, sizeof data);
	finish();
}
END_TEST

START_TEST(small_parts_share_a_record)
{
	struct iovec	parts[100];
	uint8_t		data[100];

	begin_secured(0);
	net_fill(data, sizeof data, 4);
	for (int i = 0; i < 100; i++)
		parts[i] = (struct iovec){ data + i, 1 };
	calls_of_send = 0;
	ck_assert(stream_writev(&front.stream, parts, 100));
	ck_assert_int_eq(calls_of_send, 1);
	RUN_UNTIL(loop, back.readable == 1);
	ck_assert_int_eq(buf_length(&back.in), 100);
	ck_assert_mem_eq(buf_bytes(&back.in), data, 100);
	ck_assert(stream_writev(&front.stream, parts, 0));
	finish();
}
END_TEST

START_TEST(parts_of_every_size_arrive_in_order)
{
	static const size_t	lengths[] = { 0, 1, RECORD, 5, RECORD - 1,
		RECORD + 1, 0, 0, 3 * RECORD, 7, 40000, RECORD - 7, 1 };
	struct iovec		parts[ARRAY_LENGTH(lengths)];
	uint8_t			data[200000];
	size_t			sum = 0;

	net_fill(data, sizeof data, 5);
	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
		parts[i] = (struct iovec){ data + sum, lengths[i] };
		sum += lengths[i];
	}
	for (int bytes = 4096; bytes < 400000; bytes *= 3) {
		begin_secured(bytes);
		ck_assert(stream_writev(&front.stream, parts,
		    ARRAY_LENGTH(parts)));
		RUN_UNTIL(loop, buf_length(&back.in) == sum);
		ck_assert_mem_eq(buf_bytes(&back.in), data, sum);
		finish();
	}
}
END_TEST

START_TEST(a_refused_send_is_tried_again_with_what_was_added)
{
	begin_secured(0);
	sends_to_refuse = 3;
	ck_assert(end_write(&front, "one", 3));
	ck_assert(end_write(&front, " two", 4));
	ck_assert_int_eq(stream_unsent(&front.stream), 7);
	RUN_UNTIL(loop, end_has(&back, "one two"));
	ck_assert_int_eq(front.drained, 1);
	finish();
}
END_TEST

/*
 * What OpenSSL holds and the kernel does not know of.
 */

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

/*
 * Ends.
 */

START_TEST(a_close_is_end_of_file_for_the_other_side)
{
	begin_secured(0);
	ck_assert(end_write(&front, "bye", 3));
	stream_close(&front.stream);
	RUN_UNTIL(loop, back.eof);
	ck_assert(end_has(&back, "bye"));
	ck_assert_int_eq(back.failed, 0);
	finish();
}
END_TEST

START_TEST(leaving_without_close_notify_is_end_of_file_too)
{
	begin_raw("secure");
	raw_shake();
	ck_assert_int_eq(SSL_write(raw.ssl, "bye", 3), 3);
	raw_pump();
	shutdown(raw.fd, SHUT_RDWR);
	RUN_UNTIL(loop, front.eof);
	ck_assert(end_has(&front, "bye"));
	ck_assert_int_eq(front.failed, 0);
	finish_raw();
}
END_TEST

START_TEST(leaving_in_the_middle_of_a_record_is_end_of_file)
{
	begin_raw("secure");
	raw_shake();
	ck_assert_int_eq(SSL_write(raw.ssl, "bye", 3), 3);
	raw_send_all_but(1);
	shutdown(raw.fd, SHUT_WR);
	RUN_UNTIL(loop, front.eof);
	ck_assert_int_eq(buf_length(&front.in), 0);
	finish_raw();
}
END_TEST

START_TEST(a_write_to_a_peer_that_left_fails_now_and_is_told_later_once)
{
	begin_raw("secure");
	raw_shake();
	stream_set_reading(&front.stream, false);
	close(raw.fd);
	raw.fd = -1;
	ck_assert(!end_write(&front, "x", 1));
	ck_assert(!end_write(&front, "x", 1));
	ck_assert_int_eq(front.failed, 0);
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_str_eq(stream_error(&front.stream), strerror(EPIPE));
	net_run_idle(loop);
	ck_assert_int_eq(front.failed, 1);
	SSL_free(raw.ssl);
	finish();
}
END_TEST

START_TEST(a_forged_record_breaks_the_connection)
{
	char	bytes[256];
	int	n;

	begin_raw("secure");
	raw_shake();
	ck_assert_int_eq(SSL_write(raw.ssl, "hello", 5), 5);
	n = BIO_read(raw.out, bytes, sizeof bytes);
	bytes[n - 1] ^= 1;
	ck_assert_int_eq(write(raw.fd, bytes, (size_t)n), n);
	RUN_UNTIL(loop, front.failed == 1);
	ck_assert_int_eq(buf_length(&front.in), 0);
	ck_assert_str_eq(stream_error(&front.stream),
	    "TLS failed: decryption failed or bad record mac");
	finish_raw();
}
END_TEST

START_TEST(an_error_is_kept_with_its_stream)
{
	struct end	other;
	char		bytes[256];
	int		fds[2], n;

	begin_raw("secure");
	raw_shake();
	net_pair(fds, 0);
	end_open(&other, loop, fds[0]);
	ck_assert_int_eq(write(fds[1], "no TLS at all", 13), 13);
	ck_assert_int_eq(SSL_write(raw.ssl, "hello", 5), 5);
	n = BIO_read(raw.out, bytes, sizeof bytes);
	bytes[n - 1] ^= 1;
	ck_assert_int_eq(write(raw.fd, bytes, (size_t)n), n);
	ck_assert(stream_start_tls(&other.stream, of_front, true, NULL));
	RUN_UNTIL(loop, front.failed == 1 && other.failed == 1);
	ck_assert_str_eq(stream_error(&other.stream),
	    "TLS failed: wrong version number");
	ck_assert_str_eq(stream_error(&front.stream),
	    "TLS failed: decryption failed or bad record mac");
	end_close(&other);
	close(fds[1]);
	finish_raw();
}
END_TEST

START_TEST(a_key_update_is_answered_also_when_a_send_is_refused)
{
	char	text[64];

	begin_raw("tlsv1.3");
	raw_shake();
	ck_assert_int_eq(SSL_key_update(raw.ssl,
	    SSL_KEY_UPDATE_REQUESTED), 1);
	ck_assert_int_eq(SSL_write(raw.ssl, "new key", 7), 7);
	sends_to_refuse = 2;
	raw_pump();
	RUN_UNTIL(loop, end_has(&front, "new key"));
	ck_assert(end_write(&front, "mine too", 8));
	while (stream_unsent(&front.stream) > 0)
		net_turn(loop, EVLOOP_NONBLOCK);
	net_run_idle(loop);
	raw_pump();
	ck_assert_int_eq(SSL_read(raw.ssl, text, sizeof text), 8);
	ck_assert_int_eq(front.stream.watched, EV_READ);
	finish_raw();
}
END_TEST

START_TEST(renegotiation_is_refused_and_harms_nobody)
{
	begin_raw("tlsv1.2");
	SSL_clear_options(raw.ssl, SSL_OP_NO_RENEGOTIATION);
	raw_shake();
	ck_assert_int_eq(SSL_renegotiate(raw.ssl), 1);
	SSL_do_handshake(raw.ssl);
	raw_pump();
	net_run_idle(loop);
	ck_assert_int_eq(front.secured, 1);
	raw_pump();
	ck_assert_int_le(SSL_do_handshake(raw.ssl), 0);
	finish_raw();
}
END_TEST

CHECK_MAIN("stream_tls", both_roles_shake_hands_and_talk,
    tls_1_2_works_as_well,
    what_was_written_before_the_handshake_ended_goes_out_after_it,
    plain_bytes_smuggled_before_the_client_hello_are_refused,
    plain_bytes_smuggled_behind_the_answer_s_are_refused,
    plain_bytes_in_the_middle_of_the_connection_are_refused,
    a_handshake_may_arrive_byte_by_byte,
    a_peer_that_leaves_in_the_handshake_is_told_as_that,
    a_handshake_can_be_closed_at_any_moment,
    tls_begins_once_and_not_behind_unsent_output,
    ten_megabytes_go_both_ways_at_once,
    tiny_buffers_and_odd_reads_lose_nothing,
    a_large_write_goes_out_in_one_go_while_there_is_room,
    small_parts_share_a_record,
    parts_of_every_size_arrive_in_order,
    a_refused_send_is_tried_again_with_what_was_added,
    an_echo_is_one_recv_and_one_send,
    the_rest_of_a_record_is_told_without_the_kernel,
    many_records_that_came_together_are_all_told,
    registering_anew_does_not_forget_what_openssl_holds,
    back_pressure_holds_and_frees_what_openssl_holds,
    what_openssl_holds_moves_to_another_loop,
    a_handshake_moves_to_another_loop_before_its_first_byte,
    half_a_record_waits_for_its_other_half_without_spinning,
    a_peer_that_never_stops_does_not_starve_the_others,
    a_close_is_end_of_file_for_the_other_side,
    leaving_without_close_notify_is_end_of_file_too,
    leaving_in_the_middle_of_a_record_is_end_of_file,
    a_write_to_a_peer_that_left_fails_now_and_is_told_later_once,
    a_forged_record_breaks_the_connection,
    an_error_is_kept_with_its_stream,
    a_key_update_is_answered_also_when_a_send_is_refused,
    renegotiation_is_refused_and_harms_nobody)
