/*
 * The keys of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677):
 *
 *	SaltedPassword = PBKDF2(password, salt, iterations)
 *	ClientKey      = HMAC(SaltedPassword, "Client Key")
 *	StoredKey      = SHA-256(ClientKey)
 *	ServerKey      = HMAC(SaltedPassword, "Server Key")
 *
 * A verifier is what pg_authid keeps: it can check a client, but not be one.
 * With the ClientKey it can be a client too.
 *
 * Any thread.  Derived keys are cached for the whole process, because
 * PBKDF2 takes milliseconds and a thousand clients have the same password.
 */

#ifndef WIRE_SCRAM_KEY_H
#define WIRE_SCRAM_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCRAM_KEY_BYTES = 32,
	SCRAM_SALT_BYTES = 16,		/* of those we make */
	SCRAM_SALT_BYTES_MAX = 1024,	/* of those we accept */
	SCRAM_ITERATIONS = 4096,	/* of those we make */
	SCRAM_ITERATIONS_MAX = 10000000,
};

struct scram_verifier {
	int		iterations;
	size_t		salt_length;
	uint8_t		salt[SCRAM_SALT_BYTES_MAX];
	uint8_t		stored_key[SCRAM_KEY_BYTES];
	uint8_t		server_key[SCRAM_KEY_BYTES];
};

/* Everything one needs to log in to a server with the same verifier. */
struct scram_keys {
	struct scram_verifier	verifier;
	uint8_t			client_key[SCRAM_KEY_BYTES];
};

/*
 * Derive the keys of a password; the cache answers if it can.  False when
 * salt or iterations are out of bounds, or OpenSSL failed.
 */
bool	scram_keys_derive(const char *password, const uint8_t *salt,
	    size_t salt_length, int iterations, struct scram_keys *);

/*
 * The same in a cache of its own, for the passwords of users that do not
 * exist, which must not push out the ones that do.
 */
bool	scram_keys_derive_mock(const char *password, const uint8_t *salt,
	    size_t salt_length, int iterations, struct scram_keys *);

/*
 * "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey", all of it or false.
 */
bool	scram_verifier_parse(const char *, struct scram_verifier *);
/* The same text of a verifier; the caller frees with mem_free_secret(). */
char	*scram_verifier_text(const struct scram_verifier *);
/* Whether both hold the same secret with the same salt. */
bool	scram_verifier_equal(const struct scram_verifier *,
	    const struct scram_verifier *);

/* Whether this is the password of the verifier. */
bool	scram_verifier_check(const struct scram_verifier *,
	    const char *password);

/* The cache forgets and wipes everything; at the end, and for tests. */
void	scram_cache_clear(void);
/* How many derivations were answered without PBKDF2, and how many not. */
void	scram_cache_counts(uint64_t *hits, uint64_t *misses);

#endif
