/*
 * What the two sides of SCRAM and the keys share: hashes, the secret of this
 * process, and reading and making the attributes of a SCRAM message
 * (RFC 5802 section 5.1).  Pure but for the nonce; any thread.
 */

#ifndef WIRE_SCRAM_COMMON_H
#define WIRE_SCRAM_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/scram_key.h"

#define SCRAM_PLAIN	"SCRAM-SHA-256"
#define SCRAM_PLUS	"SCRAM-SHA-256-PLUS"
#define SCRAM_BOUND	"tls-server-end-point"

/* False: OpenSSL failed. */
bool	scram_hmac(const uint8_t key[SCRAM_KEY_BYTES], const void *, size_t,
	    uint8_t result[SCRAM_KEY_BYTES]);
bool	scram_sha256(const void *, size_t, uint8_t result[SCRAM_KEY_BYTES]);

/*
 * Something that nobody else can work out, always the same for the same
 * label and text as long as this process lives.
 */
bool	scram_process_hmac(const char *label, const char *text,
	    uint8_t result[SCRAM_KEY_BYTES]);

/*
 * The proof of a client is its key and this, exclusive-or; twice undoes it.
 */
bool	scram_proof(const uint8_t stored_key[SCRAM_KEY_BYTES],
	    const uint8_t client_key[SCRAM_KEY_BYTES], const char *auth,
	    uint8_t proof[SCRAM_KEY_BYTES]);

/*
 * A message as a string of its own; NULL when it is too long, has a NUL in it
 * or ends in a comma.
 */
char	*scram_text(const uint8_t *, size_t);

/*
 * The value of the next attribute, which must have this key, in place: *at
 * moves behind the comma, or to the end.  NULL: no such attribute here.
 */
char	*scram_next(char **at, char key);

/* Whether a nonce is of the right characters and length. */
bool	scram_is_nonce(const char *);
/* A random nonce, to free(); NULL: no randomness. */
char	*scram_nonce_make(void);

/*
 * The value of "c=": base64 of the gs2 header and the binding data; to
 * free().
 */
char	*scram_binding_text(const char *gs2_header, const void *binding,
	    size_t n);

/* Base64 of a key or proof; to free(). */
char	*scram_key_text(const uint8_t key[SCRAM_KEY_BYTES]);
/* The reverse; false when it is not exactly one key. */
bool	scram_key_from_text(const char *, size_t chars,
	    uint8_t key[SCRAM_KEY_BYTES]);

#endif
