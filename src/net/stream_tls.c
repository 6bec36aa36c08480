/*
 * The TLS side of a stream.
 *
 * OpenSSL reads and writes through a BIO of ours, on the stream's own
 * descriptor: one recv takes a record with its header and whatever else is
 * there (read ahead), and a send never raises SIGPIPE.
 *
 * libevent knows nothing of bytes that OpenSSL has taken from the kernel but
 * not given out; so after every SSL_read that leaves some, the event is made
 * active by hand, as EV_TIMEOUT.  While such an event is served the BIO takes
 * nothing more from the kernel: what is told by hand is bounded by what was
 * held, and a peer that never stops sending cannot keep the others waiting.
 *
 * Errors of OpenSSL are kept in stream.error as negative numbers, see
 * stream_tls_error().
 */

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/stream_private.h"
#include "net/tls_private.h"

/* Negative errors: these, or an OpenSSL code, or a verification's result. */
enum {
	TLS_ERROR_UNKNOWN = -1,
	TLS_ERROR_LEFT = -2,		/* in the middle of the handshake */
	TLS_ERROR_VERIFY = 0x40000000,	/* no library of OpenSSL is that */
	TLS_ERROR_MASK = TLS_ERROR_VERIFY - 1,
};

/*
 * The BIO.
 */

static BIO_METHOD	*stream_bio;

static int
stream_bio_read_unread(struct stream *stream, char *data, int n)
{
	size_t	here = buf_length(stream->unread);

	if (here > (size_t)n)
		here = (size_t)n;
	memcpy(data, buf_bytes(stream->unread), here);
	buf_consume(stream->unread, here);
	if (buf_length(stream->unread) == 0)
		stream_drop_unread(stream);
	return (int)here;
}

static int
stream_bio_read(BIO *bio, char *data, int n)
{
	struct stream	*stream = BIO_get_data(bio);
	ssize_t		 got;

	BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY |
	    BIO_FLAGS_IN_EOF);
	if (stream->unread != NULL)
		return stream_bio_read_unread(stream, data, n);
	if (!stream->tls_may_recv) {
		BIO_set_retry_read(bio);
		return -1;
	}
	got = recv(stream->fd, data, (size_t)n, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (got == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static int
stream_bio_write(BIO *bio, const char *data, int n)
{
	struct stream	*stream = BIO_get_data(bio);
	ssize_t		 sent;

	BIO_clear_retry_flags(bio);
	sent = send(stream->fd, data, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR ||
	    errno == ENOBUFS))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static long
stream_bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (what) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static void
stream_bio_make(void)
{
	stream_bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK |
	    BIO_TYPE_DESCRIPTOR, "stream");
	if (stream_bio == NULL ||
	    BIO_meth_set_read(stream_bio, stream_bio_read) != 1 ||
	    BIO_meth_set_write(stream_bio, stream_bio_write) != 1 ||
	    BIO_meth_set_ctrl(stream_bio, stream_bio_ctrl) != 1)
		abort();
}

static BIO *
stream_bio_new(struct stream *stream)
{
	static pthread_once_t	 once = PTHREAD_ONCE_INIT;
	BIO			*bio;

	pthread_once(&once, stream_bio_make);
	if ((bio = BIO_new(stream_bio)) == NULL)
		return NULL;
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	return bio;
}

/*
 * Errors.
 */

/* What to keep in stream.error of OpenSSL's error queue. */
static int
stream_tls_fault(struct stream *stream)
{
	unsigned long	code = ERR_peek_last_error();
	long		verify = SSL_get_verify_result(stream->tls);

	ERR_clear_error();
	if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
	    ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return -(int)(TLS_ERROR_VERIFY | (verify & 0xffff));
	if (ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) > 0)
		return ERR_GET_REASON(code);
	if ((code & TLS_ERROR_MASK) == 0)
		return TLS_ERROR_UNKNOWN;
	return -(int)(code & TLS_ERROR_MASK);
}

const char *
stream_tls_error(int error)
{
	static _Thread_local char	 text[160];
	const char			*reason;

	if (error == TLS_ERROR_LEFT)
		return "the peer left in the middle of the TLS handshake";
	if (-error & TLS_ERROR_VERIFY) {
		snprintf(text, sizeof text, "certificate verification "
		    "failed: %s", X509_verify_cert_error_string(-error &
		    TLS_ERROR_MASK));
		return text;
	}
	reason = ERR_reason_error_string((unsigned long)-error);
	snprintf(text, sizeof text, "TLS failed%s%s",
	    reason != NULL ? ": " : "", reason != NULL ? reason : "");
	return text;
}

static ssize_t
stream_tls_failed(struct stream *stream, int error)
{
	stream_break(stream, error);
	return STREAM_ERROR;
}

/*
 * What a failed call means.  WANT_WRITE and WANT_READ are left to the caller,
 * who alone knows which of the two is not what it asked for.
 */
static ssize_t
stream_tls_result(struct stream *stream, int why)
{
	int	error = errno;

	switch (why) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_EOF;
	case SSL_ERROR_SYSCALL:
		if (ERR_peek_error() != 0)
			break;
		if (error == 0)
			return STREAM_EOF;
		return stream_tls_failed(stream, error);
	default:
		/* Peers often leave without a close_notify. */
		if (ERR_GET_REASON(ERR_peek_last_error()) ==
		    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			return STREAM_EOF;
		}
		break;
	}
	return stream_tls_failed(stream, stream_tls_fault(stream));
}

/*
 * Reading and writing.
 */

void
stream_tls_tell_pending(struct stream *stream)
{
	if (stream->loop != NULL && !stream->broken &&
	    stream_may_read(stream) &&
	    stream->state == STREAM_STATE_OPEN && SSL_has_pending(stream->tls))
		event_active(&stream->event, EV_TIMEOUT, 0);
}

ssize_t
stream_tls_read(struct stream *stream, void *data, size_t n)
{
	int	got, why;

	ERR_clear_error();
	errno = 0;
	got = SSL_read(stream->tls, data, n < INT32_MAX ? (int)n : INT32_MAX);
	if (got > 0) {
		stream_tls_tell_pending(stream);
		return got;
	}
	why = SSL_get_error(stream->tls, got);
	if (why == SSL_ERROR_WANT_WRITE) {
		stream->tls_wants_write = true;
		stream_watch(stream);
	}
	return stream_tls_result(stream, why);
}

/* SSL_write sends one record a call, since it may do so in part. */
ssize_t
stream_tls_write(struct stream *stream, const void *data, size_t n)
{
	const uint8_t	*bytes = data;
	size_t		 done = 0, left;
	ssize_t		 result;
	int		 sent, why;

	for (; done < n; done += (size_t)sent) {
		left = n - done;
		ERR_clear_error();
		errno = 0;
		sent = SSL_write(stream->tls, bytes + done,
		    left < INT32_MAX ? (int)left : INT32_MAX);
		if (sent <= 0)
			break;
	}
	if (done == n)
		return (ssize_t)done;
	why = SSL_get_error(stream->tls, sent);
	if (why == SSL_ERROR_WANT_READ)
		stream->tls_wants_read = true;
	result = stream_tls_result(stream, why);
	if (result == STREAM_EOF)
		return stream_tls_failed(stream, EPIPE);
	return result == STREAM_AGAIN && done > 0 ? (ssize_t)done : result;
}

/* Small parts are copied together: a record has 22 bytes and a send more. */
bool
stream_tls_writev(struct stream *stream, const struct iovec *parts, int count)
{
	uint8_t		 record[SSL3_RT_MAX_PLAIN_LENGTH];
	const uint8_t	*bytes;
	size_t		 length = 0, n, left;

	for (int i = 0; i < count; i++) {
		bytes = parts[i].iov_base;
		for (left = parts[i].iov_len; left > 0; left -= n) {
			if (length == 0 && left >= sizeof record) {
				n = left - left % sizeof record;
				if (!stream_write(stream, bytes, n))
					return false;
			} else {
				n = sizeof record - length;
				n = left < n ? left : n;
				memcpy(record + length, bytes, n);
				length += n;
			}
			bytes += n;
			if (length < sizeof record)
				continue;
			if (!stream_write(stream, record, length))
				return false;
			length = 0;
		}
	}
	return stream_write(stream, record, length);
}

/*
 * Handshake and end.
 */

ssize_t
stream_tls_handshake(struct stream *stream)
{
	ssize_t	result;
	int	done, why;

	ERR_clear_error();
	errno = 0;
	stream->tls_wants_write = false;
	if ((done = SSL_do_handshake(stream->tls)) == 1)
		return 1;
	why = SSL_get_error(stream->tls, done);
	stream->tls_wants_write = why == SSL_ERROR_WANT_WRITE;
	result = stream_tls_result(stream, why);
	return result == STREAM_EOF ?
	    stream_tls_failed(stream, TLS_ERROR_LEFT) : result;
}

void
stream_tls_join(struct stream *stream)
{
	BIO_set_data(SSL_get_rbio(stream->tls), stream);
}

void
stream_tls_close(struct stream *stream)
{
	if (stream->state == STREAM_STATE_OPEN && !stream->broken) {
		ERR_clear_error();
		SSL_shutdown(stream->tls);
		ERR_clear_error();
	}
	SSL_free(stream->tls);
	stream->tls = NULL;
}

/* SNI, and the name to check where the context checks one. */
static bool
stream_tls_set_name(SSL *tls, const struct tls_context *context,
    const char *name)
{
	unsigned char	ip[16];
	bool		is_ip = inet_pton(AF_INET, name, ip) == 1 ||
			    inet_pton(AF_INET6, name, ip) == 1;

	if (!is_ip && SSL_set_tlsext_host_name(tls, name) != 1)
		return false;
	if (!context->checks_name)
		return true;
	if (is_ip)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls),
		    name) == 1;
	return SSL_set1_host(tls, name) == 1;
}

static SSL *
stream_tls_new(struct stream *stream, struct tls_context *context,
    bool as_server, const char *name)
{
	SSL	*tls = SSL_new(context->ssl);
	BIO	*bio = tls != NULL ? stream_bio_new(stream) : NULL;

	if (bio == NULL) {
		SSL_free(tls);
		return NULL;
	}
	SSL_set_bio(tls, bio, bio);
	if (as_server)
		SSL_set_accept_state(tls);
	else
		SSL_set_connect_state(tls);
	if (as_server || name == NULL ||
	    stream_tls_set_name(tls, context, name))
		return tls;
	SSL_free(tls);
	return NULL;
}

bool
stream_start_tls(struct stream *stream, struct tls_context *context,
    bool as_server, const char *name)
{
	if (stream->broken || stream->state != STREAM_STATE_OPEN ||
	    stream->tls != NULL || buf_length(&stream->unsent) > 0) {
		stream->error = stream->broken ? stream->error : EPROTO;
		return false;
	}
	ERR_clear_error();
	stream->tls = stream_tls_new(stream, context, as_server, name);
	if (stream->tls == NULL) {
		stream->error = TLS_ERROR_UNKNOWN;
		return false;
	}
	stream->state = STREAM_STATE_HANDSHAKE;
	stream_watch(stream);
	/* The first flight may be here, or is ours to send. */
	event_active(&stream->event, EV_READ, 0);
	return true;
}
