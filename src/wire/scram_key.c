/*
 * Deriving SCRAM keys, with a cache, and the text of verifiers.
 *
 * A password is used as its bytes are.  For ASCII that is what SASLprep
 * (RFC 4013) gives, and PostgreSQL does the same with bytes that are not
 * UTF-8.  A known limit: a password with other characters for which SASLprep
 * would give something else (non-breaking spaces, unnormalized accents, ...)
 * is not the same here and there; with a stored verifier it still works,
 * because then both ends are the peer's.
 *
 * Two caches: in one are passwords that the configuration or a server
 * vouched for, in the other those that stand for unknown users.  The
 * password that somebody tries in clear text is kept only if it was right;
 * so nobody from outside can fill the first cache.
 *
 * Any thread; PBKDF2 runs outside every lock.
 */

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"
#include "wire/scram_cache.h"
#include "wire/scram_common.h"
#include "wire/scram_key.h"

#define SCRAM_PREFIX	"SCRAM-SHA-256$"

static struct scram_cache	scram_cache =
			    SCRAM_CACHE_INITIALIZER(scram_cache, 4096);
static struct scram_cache	scram_mock_cache =
			    SCRAM_CACHE_INITIALIZER(scram_mock_cache, 1024);

/* What a derivation is found by; says nothing about its password. */
static bool
scram_id(const char *password, const struct scram_verifier *verifier,
    uint8_t id[SCRAM_ID_BYTES])
{
	uint8_t	key[SCRAM_KEY_BYTES];
	uint8_t	rest[sizeof verifier->iterations + SCRAM_SALT_BYTES_MAX];
	size_t	n = sizeof verifier->iterations;
	bool	ok;

	memcpy(rest, &verifier->iterations, n);
	memcpy(rest + n, verifier->salt, verifier->salt_length);
	n += verifier->salt_length;
	ok = scram_process_hmac("scram cache", password, key) &&
	    scram_hmac(key, rest, n, id);
	mem_wipe(key, sizeof key);
	return ok;
}

/* Salt and iterations are in the verifier; PBKDF2 makes the rest. */
static bool
scram_keys_compute(const char *password, struct scram_keys *keys)
{
	struct scram_verifier	*verifier = &keys->verifier;
	uint8_t			 salted[SCRAM_KEY_BYTES];
	size_t			 length = strlen(password);
	bool			 ok;

	if (length > INT_MAX)
		return false;
	ok = PKCS5_PBKDF2_HMAC(password, (int)length, verifier->salt,
	    (int)verifier->salt_length, verifier->iterations, EVP_sha256(),
	    sizeof salted, salted) == 1 &&
	    scram_hmac(salted, "Client Key", 10, keys->client_key) &&
	    scram_hmac(salted, "Server Key", 10, verifier->server_key);
	mem_wipe(salted, sizeof salted);
	return ok;
}

/* Take salt and iterations if they are in bounds. */
static bool
scram_keys_begin(struct scram_keys *keys, const uint8_t *salt,
    size_t salt_length, int iterations)
{
	if (salt_length < 1 || salt_length > SCRAM_SALT_BYTES_MAX ||
	    iterations < 1 || iterations > SCRAM_ITERATIONS_MAX)
		return false;
	*keys = (struct scram_keys){ 0 };
	keys->verifier.iterations = iterations;
	keys->verifier.salt_length = salt_length;
	memcpy(keys->verifier.salt, salt, salt_length);
	return true;
}

static bool
scram_keys_derive_in(struct scram_cache *cache, const char *password,
    struct scram_keys *keys)
{
	struct scram_verifier	*verifier = &keys->verifier;
	uint8_t			 id[SCRAM_ID_BYTES];

	if (!scram_id(password, verifier, id))
		return false;
	if (!scram_cache_get(cache, id, keys->client_key,
	    verifier->server_key)) {
		if (!scram_keys_compute(password, keys))
			return false;
		scram_cache_put(cache, id, keys->client_key,
		    verifier->server_key);
	}
	return scram_sha256(keys->client_key, SCRAM_KEY_BYTES,
	    verifier->stored_key);
}

bool
scram_keys_derive(const char *password, const uint8_t *salt,
    size_t salt_length, int iterations, struct scram_keys *keys)
{
	return scram_keys_begin(keys, salt, salt_length, iterations) &&
	    scram_keys_derive_in(&scram_cache, password, keys);
}

bool
scram_keys_derive_mock(const char *password, const uint8_t *salt,
    size_t salt_length, int iterations, struct scram_keys *keys)
{
	return scram_keys_begin(keys, salt, salt_length, iterations) &&
	    scram_keys_derive_in(&scram_mock_cache, password, keys);
}

/* The number up to a colon; moves *at behind it. */
static bool
scram_parse_iterations(const char **at, int *iterations)
{
	int64_t	value = 0;

	if (**at < '1' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		value = value * 10 + (**at - '0');
		if (value > SCRAM_ITERATIONS_MAX)
			return false;
	}
	if (*(*at)++ != ':')
		return false;
	*iterations = (int)value;
	return true;
}

bool
scram_verifier_parse(const char *text, struct scram_verifier *verifier)
{
	const char	*at = text + strlen(SCRAM_PREFIX);
	size_t		 chars;

	*verifier = (struct scram_verifier){ 0 };
	if (strncmp(text, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) != 0 ||
	    !scram_parse_iterations(&at, &verifier->iterations))
		return false;
	chars = strcspn(at, "$");
	if (at[chars] == '\0' || !base64_decode(at, chars, verifier->salt,
	    SCRAM_SALT_BYTES_MAX, &verifier->salt_length) ||
	    verifier->salt_length == 0)
		return false;
	at += chars + 1;
	chars = strcspn(at, ":");
	return at[chars] == ':' &&
	    scram_key_from_text(at, chars, verifier->stored_key) &&
	    scram_key_from_text(at + chars + 1, strlen(at + chars + 1),
	    verifier->server_key);
}

char *
scram_verifier_text(const struct scram_verifier *verifier)
{
	char	 salt[BASE64_CHARS(SCRAM_SALT_BYTES_MAX) + 1];
	char	*stored_key = scram_key_text(verifier->stored_key);
	char	*server_key = scram_key_text(verifier->server_key);
	char	*text;

	base64_encode(verifier->salt, verifier->salt_length, salt);
	text = mem_printf(SCRAM_PREFIX "%d:%s$%s:%s", verifier->iterations,
	    salt, stored_key, server_key);
	mem_free_secret(stored_key);
	mem_free_secret(server_key);
	return text;
}

bool
scram_verifier_equal(const struct scram_verifier *a,
    const struct scram_verifier *b)
{
	return a->iterations == b->iterations &&
	    a->salt_length == b->salt_length &&
	    mem_equal_secret(a->salt, b->salt, a->salt_length) &&
	    mem_equal_secret(a->stored_key, b->stored_key, SCRAM_KEY_BYTES) &&
	    mem_equal_secret(a->server_key, b->server_key, SCRAM_KEY_BYTES);
}

bool
scram_verifier_check(const struct scram_verifier *verifier,
    const char *password)
{
	struct scram_keys	keys;
	uint8_t			id[SCRAM_ID_BYTES];
	bool			ok, cached = false;

	ok = scram_keys_begin(&keys, verifier->salt, verifier->salt_length,
	    verifier->iterations) && scram_id(password, verifier, id);
	if (ok) {
		cached = scram_cache_get(&scram_cache, id, keys.client_key,
		    keys.verifier.server_key);
		ok = cached || scram_keys_compute(password, &keys);
	}
	ok = ok && mem_equal_secret(keys.verifier.server_key,
	    verifier->server_key, SCRAM_KEY_BYTES);
	if (ok && !cached)
		scram_cache_put(&scram_cache, id, keys.client_key,
		    keys.verifier.server_key);
	mem_wipe(&keys, sizeof keys);
	return ok;
}

void
scram_cache_clear(void)
{
	scram_cache_drop_all(&scram_cache);
	scram_cache_drop_all(&scram_mock_cache);
}

void
scram_cache_counts(uint64_t *hits, uint64_t *misses)
{
	pthread_mutex_lock(&scram_cache.shared.mutex);
	*hits = scram_cache.shared.hits;
	*misses = scram_cache.shared.misses;
	pthread_mutex_unlock(&scram_cache.shared.mutex);
}
