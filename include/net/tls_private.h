/*
 * What tls.c and stream_tls.c share.
 */

#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <stdbool.h>

#include <openssl/ssl.h>

struct tls_context {
	SSL_CTX		*ssl;
	bool		 checks_name;	/* client side: verify-full */
};

/* tls_self_signed.c: a key and certificate for this process alone. */
bool	tls_self_sign(SSL_CTX *);
/* A fresh pair, to be freed; false: both are NULL. */
bool	tls_self_make(EVP_PKEY **, X509 **);

#endif
