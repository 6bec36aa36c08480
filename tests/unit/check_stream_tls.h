/*
 * What the tests of streams with TLS share: a pair of streams, or a stream
 * and an OpenSSL that the test moves by hand, to send what a stream never
 * would.  The system calls are counted on their way to the kernel.
 */

#ifndef CHECK_STREAM_TLS_H
#define CHECK_STREAM_TLS_H

#include <sys/syscall.h>

#include <openssl/ssl.h>

#include "check_net.h"
#include "net/tls.h"
#include "net/tls_private.h"

enum { MEGABYTE = 1 << 20, RECORD = 16384 };

static _Atomic int	calls_of_send, calls_of_recv;
static _Atomic size_t	asked_of_recv;		/* bytes, in the last one */
static _Atomic int	sends_to_refuse;	/* with EAGAIN */

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

static inline void
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

static inline void
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

static inline void
begin_secured(int buffer_bytes)
{
	begin_pair(buffer_bytes, "secure");
	RUN_UNTIL(loop, front.secured + back.secured == 2);
}

static inline void
finish(void)
{
	end_close(&front);
	end_close(&back);
	tls_context_free(of_front);
	tls_context_free(of_back);
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

static inline void
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
static inline void
raw_send_all_but(int kept)
{
	char	bytes[65536];
	int	n = BIO_read(raw.out, bytes, sizeof bytes);

	ck_assert_int_gt(n, kept);
	ck_assert_int_eq(write(raw.fd, bytes, (size_t)(n - kept)), n - kept);
	ck_assert_int_eq(BIO_write(raw.out, bytes + n - kept, kept), kept);
}

/* front is a stream and the server, raw the client that it meets. */
static inline void
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

static inline void
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

static inline void
finish_raw(void)
{
	SSL_free(raw.ssl);
	close(raw.fd);
	finish();
}

#endif
