/*
 * What the tests of net/tls.h share: an authority, what it signed, and two
 * streams that shake hands.
 */

#ifndef CHECK_TLS_H
#define CHECK_TLS_H

#include "check_certificates.h"
#include "check_net.h"
#include "net/tls.h"
#include "net/tls_private.h"

static struct loop		*loop;
static struct end		 front, back;	/* server, client */
static struct certificate	 authority, server, client, stranger;

static inline void
begin(void)
{
	certificates_begin();
	certificate_make(&authority, NULL, "Test CA", 7, NULL, EVP_sha256());
	certificate_write(&authority, "ca");
	certificate_make(&stranger, NULL, "Other CA", 8, NULL, EVP_sha256());
	certificate_write(&stranger, "stranger");
	certificate_make(&server, &authority, "db.test", 7,
	    "DNS:db.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1", EVP_sha256());
	certificate_write(&server, "server");
	certificate_make(&client, &authority, "alice", 5, NULL,
	    EVP_sha256());
	certificate_write(&client, "client");
	loop = loop_new(0);
}

static inline void
finish(void)
{
	certificate_free(&client);
	certificate_free(&server);
	certificate_free(&stranger);
	certificate_free(&authority);
	certificates_end();
	loop_free(loop);
}

static inline struct tls_context *
new_server(const struct tls_settings *settings)
{
	struct tls_context	*context;
	char			 error[256] = "";
	bool			 self_signed;

	context = tls_context_new_server(settings, &self_signed, error,
	    sizeof error);
	ck_assert_msg(context != NULL, "%s", error);
	ck_assert_int_eq(self_signed, settings->cert_file == NULL);
	return context;
}

static inline struct tls_context *
new_client(const struct tls_settings *settings)
{
	struct tls_context	*context;
	char			 error[256] = "";

	context = tls_context_new_client(settings, error, sizeof error);
	ck_assert_msg(context != NULL, "%s", error);
	return context;
}

/* Both sides shake hands until each has an outcome. */
static inline void
shake(const struct tls_settings *of_server,
    const struct tls_settings *of_client, const char *name)
{
	struct tls_context	*a = new_server(of_server);
	struct tls_context	*b = new_client(of_client);
	int			 fds[2];

	net_pair(fds, 0);
	end_open(&front, loop, fds[0]);
	end_open(&back, loop, fds[1]);
	ck_assert(stream_start_tls(&front.stream, a, true, NULL));
	ck_assert(stream_start_tls(&back.stream, b, false, name));
	/* A connection keeps what it needs of its context. */
	tls_context_free(a);
	tls_context_free(b);
	RUN_UNTIL(loop, front.secured + front.failed > 0 &&
	    back.secured + back.failed > 0);
}

static inline void
hang_up(void)
{
	end_close(&front);
	end_close(&back);
}

static const struct tls_settings	plain_server, plain_client;

#endif
