/*
 * net/stream.h with TLS: handshakes, much data, and ends.
 */

#include "check_stream_tls.h"

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

START_TEST(a_client_hello_that_was_read_is_given_back)
{
	uint8_t	hello[4096];
	ssize_t	n = STREAM_AGAIN;

	for (size_t most = 1; most <= sizeof hello; most += sizeof hello - 1) {
		begin_raw("secure");
		SSL_do_handshake(raw.ssl);
		raw_pump();
		while (n == STREAM_AGAIN)
			n = stream_read(&front.stream, hello, most);
		ck_assert_int_gt(n, 0);
		stream_unread(&front.stream, hello, (size_t)n);
		raw_shake();
		ck_assert_ptr_null(front.stream.unread);
		finish_raw();
		n = STREAM_AGAIN;
	}
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
    a_client_hello_that_was_read_is_given_back,
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
    a_close_is_end_of_file_for_the_other_side,
    leaving_without_close_notify_is_end_of_file_too,
    leaving_in_the_middle_of_a_record_is_end_of_file,
    a_write_to_a_peer_that_left_fails_now_and_is_told_later_once,
    a_forged_record_breaks_the_connection,
    an_error_is_kept_with_its_stream,
    a_key_update_is_answered_also_when_a_send_is_refused,
    renegotiation_is_refused_and_harms_nobody)
