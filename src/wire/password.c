/*
 * Stored secrets, clear text and md5.
 *
 * An empty password never fits anything, as in PostgreSQL.  Where there is
 * no secret the same work is done on one that cannot be met, so that time
 * does not tell who exists.  Any thread.
 */

#include <openssl/evp.h>

#include <string.h>

#include "base/mem.h"
#include "wire/password.h"
#include "wire/scram_common.h"

enum { PASSWORD_MD5_BYTES = 16 };

#define PASSWORD_MD5_PREFIX	"md5"

/* Secrets of the right form that belong to nobody. */
static const char *const	password_mocks[] = {
	[PASSWORD_PLAIN] = "no password",
	[PASSWORD_MD5] = "md500000000000000000000000000000000",
	[PASSWORD_SCRAM] = "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
};

static bool
password_is_md5(const char *secret)
{
	size_t	prefix = strlen(PASSWORD_MD5_PREFIX);

	return strncmp(secret, PASSWORD_MD5_PREFIX, prefix) == 0 &&
	    strlen(secret) == PASSWORD_MD5_CHARS &&
	    strspn(secret + prefix, "0123456789abcdef") ==
	    PASSWORD_MD5_CHARS - prefix;
}

enum password_kind
password_kind(const char *secret)
{
	struct scram_verifier	verifier;
	bool			is_scram;

	if (password_is_md5(secret))
		return PASSWORD_MD5;
	is_scram = scram_verifier_parse(secret, &verifier);
	mem_wipe(&verifier, sizeof verifier);
	return is_scram ? PASSWORD_SCRAM : PASSWORD_PLAIN;
}

/* "md5" and the digits of md5(one + two) */
static bool
password_md5(const void *one, size_t one_length, const void *two,
    size_t two_length, char text[PASSWORD_MD5_CHARS + 1])
{
	static const char	 digits[] = "0123456789abcdef";
	uint8_t			 hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX		*context;
	bool			 ok;
	char			*at = text + strlen(PASSWORD_MD5_PREFIX);

	context = EVP_MD_CTX_new();
	ok = context != NULL &&
	    EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(context, one, one_length) == 1 &&
	    EVP_DigestUpdate(context, two, two_length) == 1 &&
	    EVP_DigestFinal_ex(context, hash, NULL) == 1;
	EVP_MD_CTX_free(context);
	text[0] = '\0';
	if (!ok)
		return false;
	memcpy(text, PASSWORD_MD5_PREFIX, strlen(PASSWORD_MD5_PREFIX));
	for (size_t i = 0; i < PASSWORD_MD5_BYTES; i++) {
		*at++ = digits[hash[i] >> 4];
		*at++ = digits[hash[i] & 15];
	}
	*at = '\0';
	mem_wipe(hash, sizeof hash);
	return true;
}

bool
password_md5_secret(const char *password, const char *user,
    char text[PASSWORD_MD5_CHARS + 1])
{
	return password_md5(password, strlen(password), user, strlen(user),
	    text);
}

bool
password_md5_answer(const char *secret, const char *user,
    const uint8_t salt[PASSWORD_MD5_SALT_BYTES],
    char text[PASSWORD_MD5_CHARS + 1])
{
	char	stored[PASSWORD_MD5_CHARS + 1];
	size_t	prefix = strlen(PASSWORD_MD5_PREFIX);
	bool	ok;

	switch (password_kind(secret)) {
	case PASSWORD_PLAIN:
		if (!password_md5_secret(secret, user, stored))
			return false;
		break;
	case PASSWORD_MD5:
		memcpy(stored, secret, sizeof stored);
		break;
	default:
		return false;
	}
	ok = password_md5(stored + prefix, PASSWORD_MD5_CHARS - prefix, salt,
	    PASSWORD_MD5_SALT_BYTES, text);
	mem_wipe(stored, sizeof stored);
	return ok;
}

/* Through a hash, so that not even the length shows in the time. */
static bool
password_equal(const char *a, const char *b)
{
	uint8_t	x[SCRAM_KEY_BYTES], y[SCRAM_KEY_BYTES];
	bool	ok;

	ok = scram_sha256(a, strlen(a), x) && scram_sha256(b, strlen(b), y) &&
	    mem_equal_secret(x, y, sizeof x);
	mem_wipe(x, sizeof x);
	mem_wipe(y, sizeof y);
	return ok;
}

static bool
password_fits(const char *secret, const char *user, const char *password)
{
	struct scram_verifier	verifier;
	char			text[PASSWORD_MD5_CHARS + 1];
	bool			ok;

	switch (password_kind(secret)) {
	case PASSWORD_PLAIN:
		return password_equal(secret, password);
	case PASSWORD_MD5:
		ok = password_md5_secret(password, user, text) &&
		    mem_equal_secret(secret, text, PASSWORD_MD5_CHARS);
		mem_wipe(text, sizeof text);
		return ok;
	default:
		ok = scram_verifier_parse(secret, &verifier) &&
		    scram_verifier_check(&verifier, password);
		mem_wipe(&verifier, sizeof verifier);
		return ok;
	}
}

bool
password_verify_plain(const char *secret, const char *user,
    const char *password, enum password_kind mock)
{
	bool	known = secret != NULL && *secret != '\0';
	bool	ok;

	ok = password_fits(known ? secret : password_mocks[mock], user,
	    password);
	return ok && known && *password != '\0';
}

bool
password_verify_md5(const char *secret, const char *user,
    const uint8_t salt[PASSWORD_MD5_SALT_BYTES], const char *answer)
{
	char	wanted[PASSWORD_MD5_CHARS + 1];
	bool	known = secret != NULL && *secret != '\0' &&
		    password_kind(secret) != PASSWORD_SCRAM;
	bool	ok;

	ok = password_md5_answer(known ? secret : password_mocks[PASSWORD_MD5],
	    user, salt, wanted) && strlen(answer) == PASSWORD_MD5_CHARS &&
	    mem_equal_secret(wanted, answer, PASSWORD_MD5_CHARS);
	mem_wipe(wanted, sizeof wanted);
	return ok && known;
}
