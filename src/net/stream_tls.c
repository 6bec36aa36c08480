/*
 * The TLS side of a stream: OpenSSL on the stream's own descriptor.
 *
 * libevent knows nothing of bytes that OpenSSL has read and decrypted but not
 * given out; so after every SSL_read that leaves some, the read event is made
 * active by hand.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/stream_private.h"
#include "net/tls.h"
#include "net/tls_private.h"

/* The last fault of OpenSSL in this thread, for stream_error(). */
static _Thread_local char	stream_tls_fault[256];

static void
stream_tls_note(struct stream *stream, const char *otherwise)
{
	unsigned long	code = ERR_peek_last_error();
	long		verify = SSL_get_verify_result(stream->tls);

	if (verify != X509_V_OK)
		snprintf(stream_tls_fault, sizeof stream_tls_fault,
		    "certificate verification failed: %s",
		    X509_verify_cert_error_string(verify));
	else if (code != 0)
		ERR_error_string_n(code, stream_tls_fault,
		    sizeof stream_tls_fault);
	else
		snprintf(stream_tls_fault, sizeof stream_tls_fault, "%s",
		    otherwise);
	ERR_clear_error();
}

const char *
stream_tls_error(void)
{
	return stream_tls_fault;
}

/* What OpenSSL's answer means for the stream. */
static ssize_t
stream_tls_result(struct stream *stream, int result)
{
	switch (SSL_get_error(stream->tls, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		stream->tls_wants_write = true;
		stream_watch(stream);
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_EOF;
	case SSL_ERROR_SYSCALL:
		if (ERR_peek_error() == 0) {
			if (errno == 0)
				return STREAM_EOF;
			stream->error = errno;
			return STREAM_ERROR;
		}
		break;
	default:
		/* Peers often leave without a close_notify. */
		if (ERR_GET_REASON(ERR_peek_last_error()) ==
		    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			return STREAM_EOF;
		}
		break;
	}
	stream_tls_note(stream, "TLS failed");
	stream->error = -1;
	return STREAM_ERROR;
}

ssize_t
stream_tls_read(struct stream *stream, void *data, size_t n)
{
	int	got;

	ERR_clear_error();
	errno = 0;
	if (n > INT32_MAX)
		n = INT32_MAX;
	got = SSL_read(stream->tls, data, (int)n);
	if (got <= 0)
		return stream_tls_result(stream, got);
	if (SSL_pending(stream->tls) > 0 && stream->watched != 0)
		event_active(&stream->event, EV_READ, 0);
	return got;
}

ssize_t
stream_tls_write(struct stream *stream, const void *data, size_t n)
{
	ssize_t	result;
	int	sent;

	ERR_clear_error();
	errno = 0;
	if (n > INT32_MAX)
		n = INT32_MAX;
	sent = SSL_write(stream->tls, data, (int)n);
	if (sent > 0)
		return sent;
	result = stream_tls_result(stream, sent);
	if (result == STREAM_EOF) {
		stream->error = EPIPE;
		return STREAM_ERROR;
	}
	return result;
}

bool
stream_tls_handshake(struct stream *stream)
{
	ssize_t	result;
	int	done;

	ERR_clear_error();
	errno = 0;
	stream->tls_wants_write = false;
	if ((done = SSL_do_handshake(stream->tls)) == 1)
		return true;
	result = stream_tls_result(stream, done);
	if (result == STREAM_AGAIN)
		return false;
	if (result == STREAM_EOF) {
		snprintf(stream_tls_fault, sizeof stream_tls_fault,
		    "the peer left in the middle of the TLS handshake");
		stream->error = -1;
	}
	stream->broken = true;
	return false;
}

bool
stream_tls_has_pending(const struct stream *stream)
{
	return stream->tls != NULL && stream->state == STREAM_STATE_OPEN &&
	    SSL_pending(stream->tls) > 0;
}

void
stream_tls_close(struct stream *stream)
{
	if (stream->tls == NULL)
		return;
	if (stream->state == STREAM_STATE_OPEN && !stream->broken) {
		ERR_clear_error();
		(void)SSL_shutdown(stream->tls);
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

bool
stream_start_tls(struct stream *stream, struct tls_context *context,
    bool as_server, const char *name)
{
	SSL	*tls = SSL_new(context->ssl);

	if (tls == NULL || SSL_set_fd(tls, stream->fd) != 1 ||
	    (!as_server && name != NULL &&
	    !stream_tls_set_name(tls, context, name))) {
		SSL_free(tls);
		stream->error = ENOMEM;
		return false;
	}
	stream->tls = tls;
	if (as_server)
		SSL_set_accept_state(tls);
	else
		SSL_set_connect_state(tls);
	stream->state = STREAM_STATE_HANDSHAKE;
	stream_watch(stream);
	/* The first flight may be here, or is ours to send. */
	event_active(&stream->event, EV_READ, 0);
	return true;
}
