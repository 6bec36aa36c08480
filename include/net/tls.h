/*
 * TLS contexts: what libpq calls sslmode, with keys and certificates, made
 * once from the configuration and shared, reference counted, by streams.
 */

#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct stream;
struct tls_context;

/* libpq's sslmode, PostgreSQL documentation 34.19. */
enum tls_mode {
	TLS_DISABLE,
	TLS_ALLOW,
	TLS_PREFER,
	TLS_REQUIRE,
	TLS_VERIFY_CA,
	TLS_VERIFY_FULL,
	TLS_MODES
};
extern const char	*const tls_mode_names[];

struct tls_settings {
	enum tls_mode	 mode;
	const char	*key_file;	/* NULL or "": none */
	const char	*cert_file;
	const char	*ca_file;
	const char	*protocols;	/* PgBouncer's: secure, all.. */
	const char	*ciphers;	/* default, secure, or a list */
	const char	*ciphers13;
	const char	*ecdhcurve;	/* auto, or OpenSSL group names */
	const char	*dheparams;	/* auto, none */
};

/*
 * The front side.  Without a certificate one is made for this process, self
 * signed; *self_signed says so, for the log.  With verify-ca or verify-full a
 * client certificate is required; with a ca_file in other modes it is asked
 * for.  ALPN: "postgresql" is chosen when offered; a direct TLS handshake
 * without it is refused by the login.  NULL: error has a sentence that names
 * the file.
 */
struct tls_context	*tls_context_new_server(const struct tls_settings *,
			    bool *self_signed, char *error, size_t);
/*
 * The back side, towards PostgreSQL.  What verifies without a ca_file trusts
 * whom the system trusts.
 */
struct tls_context	*tls_context_new_client(const struct tls_settings *,
			    char *error, size_t);
/* The file with whom the system trusts; NULL: there is none. */
const char		*tls_system_authorities(void);
/* NULL is allowed. */
void			 tls_context_free(struct tls_context *);

/* "TLSv1.3/TLS_AES_256_GCM_SHA384", or "" for a plain stream. */
void		 tls_describe(const struct stream *, char *, size_t);

/* The protocol chosen by ALPN was "postgresql". */
bool		 tls_has_alpn(const struct stream *);

/*
 * tls-server-end-point (RFC 5929 section 4) of the certificate that this
 * side presented (as server) or was presented (as client).  Returns its
 * length, at most 64; 0 when there is none.
 */
size_t		 tls_server_end_point(const struct stream *, bool as_server,
		    uint8_t digest[64]);

/*
 * The verified client certificate: its common name, its subject as RFC 2253.
 * False: none was given, or the name has a NUL inside.
 */
bool		 tls_peer_common_name(const struct stream *, char *, size_t);

#endif
