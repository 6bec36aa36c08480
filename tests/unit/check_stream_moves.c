/*
 * net/stream.h without TLS: connecting, and moving between loops.  Also run
 * under the thread sanitizer.
 */

#include <netinet/in.h>
#include <pthread.h>

#include "check_net.h"

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

/*
 * Connecting.
 */

static int
listen_on(struct addr *addr)
{
	int	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert(addr_parse_ip(addr, "127.0.0.1", 0));
	ck_assert_int_eq(bind(fd, &addr->u.any, addr->length), 0);
	addr_of_self(addr, fd);
	return fd;
}

START_TEST(a_connection_is_told_and_what_was_written_before_goes_out)
{
	struct addr	addr;
	struct buf	got = { 0 };
	int		fd = listen_on(&addr);

	loop = loop_new(0);
	ck_assert_int_eq(listen(fd, 1), 0);
	end_init(&end);
	ck_assert(stream_connect(&end.stream, loop, &addr, end_on_event));
	ck_assert(end_write(&end, "early", 5));
	ck_assert_int_eq(end.connected, 0);
	RUN_UNTIL(loop, end.connected == 1 && end.drained == 1);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_eq(net_take(peer, &got), 5);
	ck_assert_int_eq(write(peer, "hi", 2), 2);
	RUN_UNTIL(loop, end_has(&end, "hi"));
	ck_assert_int_eq(end.failed, 0);
	buf_done(&got);
	close(fd);
	finish();
}
END_TEST

START_TEST(a_refused_connection_is_told_as_that_once)
{
	struct addr	addr;
	int		fd = listen_on(&addr);	/* bound, so nobody has it */

	loop = loop_new(0);
	peer = -1;
	end_init(&end);
	if (stream_connect(&end.stream, loop, &addr, end_on_event)) {
		RUN_UNTIL(loop, end.failed == 1);
		ck_assert_str_eq(stream_error(&end.stream),
		    strerror(ECONNREFUSED));
		net_run_idle(loop);
		ck_assert_int_eq(end.failed, 1);
		ck_assert_int_eq(end.connected + end.readable, 0);
	} else
		ck_assert_int_eq(errno, ECONNREFUSED);
	close(fd);
	finish();
}
END_TEST

START_TEST(what_fails_at_once_opens_nothing)
{
	struct addr	addr;

	loop = loop_new(0);
	peer = -1;
	end_init(&end);
	ck_assert(addr_parse_unix(&addr, "/nowhere/at/all", 5432));
	ck_assert(!stream_connect(&end.stream, loop, &addr, end_on_event));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert(!stream_is_open(&end.stream));
	net_run_idle(loop);
	finish();
}
END_TEST

START_TEST(a_stream_that_connects_can_be_closed)
{
	struct addr	addr;
	int		fd = listen_on(&addr);

	loop = loop_new(0);
	peer = -1;
	ck_assert_int_eq(listen(fd, 1), 0);
	end_init(&end);
	ck_assert(stream_connect(&end.stream, loop, &addr, end_on_event));
	ck_assert(end_write(&end, "early", 5));
	stream_close(&end.stream);
	net_run_idle(loop);
	ck_assert_int_eq(end.connected + end.failed, 0);
	close(fd);
	finish();
}
END_TEST

START_TEST(a_reset_is_an_error_with_its_name)
{
	struct addr	addr;
	struct linger	at_once = { .l_onoff = 1 };
	int		fd = listen_on(&addr);

	loop = loop_new(0);
	ck_assert_int_eq(listen(fd, 1), 0);
	end_init(&end);
	ck_assert(stream_connect(&end.stream, loop, &addr, end_on_event));
	RUN_UNTIL(loop, end.connected == 1);
	peer = accept(fd, NULL, NULL);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(peer);
	peer = -1;
	RUN_UNTIL(loop, end.failed == 1);
	ck_assert_int_eq(end.last, STREAM_ERROR);
	ck_assert_str_eq(stream_error(&end.stream), strerror(ECONNRESET));
	net_run_idle(loop);
	ck_assert_int_eq(end.readable, 1);
	close(fd);
	finish();
}
END_TEST

/*
 * Moving between loops.
 */

enum { ROUNDS = 500 };

struct traveller {
	struct end	 end;
	struct letter	 letter;
	struct loop	*other;		/* where to go next */
	struct loop	*stops;		/* both end after the last round */
	int		 rounds;
};

static struct traveller	 traveller;
static struct letter	 stop;

static void
stop_loop(struct loop *at, struct letter *letter)
{
	(void)letter;
	loop_stop(at);
}

static void
traveller_arrive(struct loop *at, struct letter *letter)
{
	struct traveller	*arriving = container_of(letter,
				    struct traveller, letter);

	stream_join(&arriving->end.stream, at);
}

/* Echo, and leave for the other loop in the middle of the callback. */
static void
traveller_on_event(struct end *at, enum stream_event event)
{
	struct traveller	*mine = container_of(at, struct traveller,
				    end);
	struct loop		*here = at->stream.loop, *there = mine->other;
	char			 byte;

	if (event == STREAM_READABLE) {
		if (stream_read(&at->stream, &byte, 1) != 1)
			return;
		ck_assert(stream_write(&at->stream, &byte, 1));
		if (++mine->rounds == ROUNDS) {
			loop_post(there, &stop);
			loop_stop(here);
			return;
		}
	}
	stream_leave(&at->stream);
	ck_assert_ptr_null(at->stream.loop);
	mine->other = here;
	loop_post(there, &mine->letter);
}

static void *
run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void *
talk_to_traveller(void *arg)
{
	int	fd = *(int *)arg;
	char	byte = 0;

	/* Two ahead, so that there is always something to read at once. */
	for (int i = 0; i < ROUNDS; i++) {
		struct pollfd	ready = { .fd = fd, .events = POLLIN };

		byte = (char)i;
		ck_assert_int_eq(write(fd, &byte, 1), 1);
		if (i < 2)
			continue;
		ck_assert_int_eq(poll(&ready, 1, -1), 1);
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		ck_assert_int_eq(byte, (char)(i - 2));
	}
	return NULL;
}

START_TEST(a_stream_moves_between_two_threads_with_every_byte)
{
	struct loop	*one = loop_new(1), *two = loop_new(2);
	pthread_t	 thread, talker;
	int		 fds[2];

	net_pair(fds, 0);
	stop.read = stop_loop;
	end_open(&traveller.end, one, fds[0]);
	traveller.end.then = traveller_on_event;
	traveller.letter.read = traveller_arrive;
	traveller.other = two;
	pthread_create(&thread, NULL, run_loop, two);
	pthread_create(&talker, NULL, talk_to_traveller, &fds[1]);
	loop_run(one);
	pthread_join(thread, NULL);
	pthread_join(talker, NULL);
	ck_assert_int_eq(traveller.rounds, ROUNDS);
	end_close(&traveller.end);
	close(fds[1]);
	loop_free(one);
	loop_free(two);
}
END_TEST

START_TEST(unsent_output_moves_along_and_so_does_a_failure)
{
	struct loop	*other = loop_new(1);
	uint8_t		*data = mem_new(65536);
	struct buf	 got = { 0 };

	begin(4096);
	ck_assert(end_write(&end, data, 65536));
	stream_leave(&end.stream);
	/* Written to in between. */
	ck_assert(end_write(&end, data, 10));
	net_take(peer, &got);
	net_run_idle(loop);
	stream_join(&end.stream, other);
	while (end.drained == 0) {
		net_take(peer, &got);
		net_turn(other, EVLOOP_NONBLOCK);
	}
	net_take(peer, &got);
	ck_assert_int_eq(buf_length(&got), 65546);

	close(peer);
	peer = -1;
	stream_leave(&end.stream);
	ck_assert(!end_write(&end, data, 10));
	net_run_idle(other);
	ck_assert_int_eq(end.failed, 0);
	stream_join(&end.stream, loop);
	RUN_UNTIL(loop, end.failed == 1);

	buf_done(&got);
	free(data);
	finish();
	loop_free(other);
}
END_TEST

START_TEST(a_stream_can_be_closed_between_two_loops)
{
	uint8_t	*data = mem_new(65536);

	begin(4096);
	ck_assert(end_write(&end, data, 65536));
	stream_leave(&end.stream);
	stream_close(&end.stream);
	net_run_idle(loop);
	free(data);
	finish();
}
END_TEST

CHECK_MAIN("stream_moves",
    a_connection_is_told_and_what_was_written_before_goes_out,
    a_refused_connection_is_told_as_that_once,
    what_fails_at_once_opens_nothing,
    a_stream_that_connects_can_be_closed,
    a_reset_is_an_error_with_its_name,
    a_stream_moves_between_two_threads_with_every_byte,
    unsent_output_moves_along_and_so_does_a_failure,
    a_stream_can_be_closed_between_two_loops)
