/*
 * The parts that a SCRAM server and a SCRAM client have in common.
 *
 * Messages are parsed in place on copies, which are terminated and hold no
 * NUL of their own, so no parser here can leave them.  Any thread.
 */

#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/base64.h"
#include "wire/scram.h"
#include "wire/scram_common.h"

enum { SCRAM_NONCE_RANDOM_BYTES = 18 };

static uint8_t		scram_process_key[SCRAM_KEY_BYTES];
static pthread_once_t	scram_process_once = PTHREAD_ONCE_INIT;

static void
scram_process_key_init(void)
{
	if (getrandom(scram_process_key, sizeof scram_process_key, 0) !=
	    sizeof scram_process_key)
		abort();
}

bool
scram_hmac(const uint8_t key[SCRAM_KEY_BYTES], const void *data, size_t n,
    uint8_t result[SCRAM_KEY_BYTES])
{
	return HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, data, n, result,
	    NULL) != NULL;
}

bool
scram_sha256(const void *data, size_t n, uint8_t result[SCRAM_KEY_BYTES])
{
	return EVP_Digest(data, n, result, NULL, EVP_sha256(), NULL) == 1;
}

bool
scram_process_hmac(const char *label, const char *text,
    uint8_t result[SCRAM_KEY_BYTES])
{
	uint8_t	key[SCRAM_KEY_BYTES];
	bool	ok;

	pthread_once(&scram_process_once, scram_process_key_init);
	ok = scram_hmac(scram_process_key, label, strlen(label), key) &&
	    scram_hmac(key, text, strlen(text), result);
	mem_wipe(key, sizeof key);
	return ok;
}

bool
scram_proof(const uint8_t stored_key[SCRAM_KEY_BYTES],
    const uint8_t client_key[SCRAM_KEY_BYTES], const char *auth,
    uint8_t proof[SCRAM_KEY_BYTES])
{
	uint8_t	signature[SCRAM_KEY_BYTES];

	if (!scram_hmac(stored_key, auth, strlen(auth), signature))
		return false;
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		proof[i] = client_key[i] ^ signature[i];
	mem_wipe(signature, sizeof signature);
	return true;
}

char *
scram_text(const uint8_t *data, size_t n)
{
	if (n > SCRAM_MESSAGE_BYTES_MAX)
		return NULL;
	if (n != 0 && (memchr(data, '\0', n) != NULL || data[n - 1] == ','))
		return NULL;
	return mem_string_n((const char *)data, n);
}

char *
scram_next(char **at, char key)
{
	char	*value = *at, *end;

	if (value[0] != key || value[1] != '=')
		return NULL;
	value += 2;
	end = value + strcspn(value, ",");
	*at = *end == ',' ? end + 1 : end;
	*end = '\0';
	return value;
}

bool
scram_is_nonce(const char *nonce)
{
	size_t	n;

	for (n = 0; nonce[n] != '\0'; n++)
		if (nonce[n] < 0x21 || nonce[n] > 0x7e || nonce[n] == ',')
			return false;
	return n > 0 && n <= SCRAM_NONCE_BYTES_MAX;
}

char *
scram_nonce_make(void)
{
	uint8_t	random[SCRAM_NONCE_RANDOM_BYTES];
	char	text[BASE64_CHARS(SCRAM_NONCE_RANDOM_BYTES) + 1];

	if (RAND_bytes(random, sizeof random) != 1)
		return NULL;
	base64_encode(random, sizeof random, text);
	return mem_string(text);
}

char *
scram_binding_text(const char *gs2_header, const void *binding, size_t n)
{
	struct buf	 buf;
	char		*text;

	buf_init(&buf);
	buf_add_text(&buf, gs2_header);
	buf_add(&buf, binding, n);
	text = mem_new(BASE64_CHARS(buf_length(&buf)) + 1);
	base64_encode(buf_bytes(&buf), buf_length(&buf), text);
	buf_done(&buf);
	return text;
}

char *
scram_key_text(const uint8_t key[SCRAM_KEY_BYTES])
{
	char	*text = mem_new(BASE64_CHARS(SCRAM_KEY_BYTES) + 1);

	base64_encode(key, SCRAM_KEY_BYTES, text);
	return text;
}

bool
scram_key_from_text(const char *text, size_t chars,
    uint8_t key[SCRAM_KEY_BYTES])
{
	size_t	n;

	return base64_decode(text, chars, key, SCRAM_KEY_BYTES, &n) &&
	    n == SCRAM_KEY_BYTES;
}
