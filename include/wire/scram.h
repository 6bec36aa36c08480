/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides (RFC 5802, RFC 7677,
 * PostgreSQL documentation 55.3, "SASL Authentication").
 *
 * A scram_server talks to an application, a scram_client to PostgreSQL.  Both
 * take the body of the peer's message and append whole messages to a buf; the
 * caller only sends and reads.
 *
 *	server					client
 *	scram_server_start()  -- MSG_AUTH_SASL ------------> scram_client_step()
 *	scram_server_step()   <- MSG_PASSWORD, initial --
 *	                      -- MSG_AUTH_SASL_CONTINUE ---> scram_client_step()
 *	scram_server_step()   <- MSG_PASSWORD ----------
 *	                      -- MSG_AUTH_SASL_FINAL ------> scram_client_step()
 *	SCRAM_DONE                                       SCRAM_DONE
 *
 * After SCRAM_DONE the server's caller says MSG_AUTH_OK; the client's must
 * refuse an MSG_AUTH_OK that comes before it.
 *
 * The binding is the data of tls-server-end-point (RFC 5929): the hash of the
 * server's certificate.  Without one there is no -PLUS.
 *
 * Each object belongs to one thread; both wipe themselves when freed.
 */

#ifndef WIRE_SCRAM_H
#define WIRE_SCRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/msg.h"
#include "wire/password.h"
#include "wire/scram_key.h"

enum {
	SCRAM_NONCE_BYTES_MAX = 1024,
	SCRAM_MESSAGE_BYTES_MAX = 8192,
	SCRAM_BINDING_BYTES_MAX = 64,		/* SHA-512 */
};

enum scram_result {
	SCRAM_CONTINUE,		/* something was appended; read on */
	SCRAM_DONE,		/* the peer proved itself */
	SCRAM_REFUSED,		/* it did not: wrong password, or unknown */
	SCRAM_STALE,		/* our keys are of another salt than its */
	SCRAM_BAD,		/* it broke the protocol: see the error */
};

struct scram_server;
struct scram_client;

/* Where the secret has none of its own: it is plain, or made up. */
extern atomic_int	scram_iterations;

/*
 * secret is of any kind, or NULL for a user that is not known: then every
 * step takes as long as with a secret of the kind in mock, and the last one
 * refuses.  An md5 secret cannot do SCRAM and is treated as no secret.
 */
struct scram_server	*scram_server_new(const char *user,
			    const char *secret, enum password_kind mock,
			    const void *binding, size_t binding_length);
void			 scram_server_free(struct scram_server *);

/* Append MSG_AUTH_SASL with the mechanisms. */
void			 scram_server_start(struct scram_server *,
			    struct buf *out);
/* The body of each MSG_PASSWORD; after anything but CONTINUE: no more. */
enum scram_result	 scram_server_step(struct scram_server *,
			    const uint8_t *body, size_t n, struct buf *out);

/* After SCRAM_DONE: the ClientKey that the proof gave away. */
const struct scram_keys	*scram_server_keys(const struct scram_server *);
/* After SCRAM_DONE: whether channel binding was used. */
bool			 scram_server_is_bound(const struct scram_server *);
/* After SCRAM_BAD: what was wrong, a sentence for the client. */
const char		*scram_server_error(const struct scram_server *);

/* libpq's channel_binding */
enum scram_binding {
	SCRAM_BINDING_DISABLE,
	SCRAM_BINDING_PREFER,
	SCRAM_BINDING_REQUIRE,
};

/*
 * Either a password, or keys that scram_server_keys() gave; both are copied.
 * A connection with TLS gives its binding.
 */
struct scram_client	*scram_client_new(const char *password,
			    const struct scram_keys *, enum scram_binding,
			    const void *binding, size_t binding_length);
void			 scram_client_free(struct scram_client *);

/*
 * The code of a MSG_AUTH and what follows it: MSG_AUTH_SASL,
 * MSG_AUTH_SASL_CONTINUE,
 * MSG_AUTH_SASL_FINAL.  SCRAM_REFUSED: the server does not know the password
 * either, so it is not the one it says it is.
 */
enum scram_result	 scram_client_step(struct scram_client *, uint32_t code,
			    const uint8_t *data, size_t n, struct buf *out);
bool			 scram_client_is_done(const struct scram_client *);
/* After SCRAM_BAD and SCRAM_REFUSED: a sentence. */
const char		*scram_client_error(const struct scram_client *);

/* For tests against published exchanges: not random, but these. */
void	scram_server_set_nonce(struct scram_server *, const char *nonce);
void	scram_client_set_nonce(struct scram_client *, const char *name,
	    const char *nonce);

#endif
