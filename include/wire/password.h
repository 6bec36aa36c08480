/*
 * Stored secrets, and the two old ways to prove a password: in clear text and
 * as an md5 answer (PostgreSQL documentation 55.2.1, 20.5).
 *
 * A secret is what auth_file or pg_authid holds: the password itself,
 * "md5" and 32 hexadecimal digits of md5(password + user), or a SCRAM
 * verifier (scram_key.h).  Any thread.
 */

#ifndef WIRE_PASSWORD_H
#define WIRE_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/scram_key.h"

enum password_kind {
	PASSWORD_PLAIN,
	PASSWORD_MD5,
	PASSWORD_SCRAM,
};

enum {
	PASSWORD_MD5_CHARS = 35,	/* "md5" and 32 digits, without NUL */
	PASSWORD_MD5_SALT_BYTES = 4,
	PASSWORD_KINDS = PASSWORD_SCRAM + 1,
};

/* What looks like neither md5 nor SCRAM is a plain password. */
enum password_kind	password_kind(const char *secret);

/* The md5 secret of a password.  False: this OpenSSL has no MD5 (FIPS). */
bool	password_md5_secret(const char *password, const char *user,
	    char text[PASSWORD_MD5_CHARS + 1]);

/*
 * What to answer to MSG_AUTH_MD5, from a plain or an md5 secret.  False from a
 * SCRAM secret, or without MD5.
 */
bool	password_md5_answer(const char *secret, const char *user,
	    const uint8_t salt[PASSWORD_MD5_SALT_BYTES],
	    char text[PASSWORD_MD5_CHARS + 1]);

/*
 * Whether a password in clear text fits a secret of any kind.  No secret
 * (NULL) never fits, but takes as long as one of the kind in mock.
 */
bool	password_verify_plain(const char *secret, const char *user,
	    const char *password, enum password_kind mock);

/*
 * Whether an answer to MSG_AUTH_MD5 fits.  Never from a SCRAM secret, nor from
 * NULL.
 */
bool	password_verify_md5(const char *secret, const char *user,
	    const uint8_t salt[PASSWORD_MD5_SALT_BYTES], const char *answer);

#endif
