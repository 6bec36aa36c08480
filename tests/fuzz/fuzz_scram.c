/*
 * Fuzz entry: both sides of SCRAM against a peer that says anything.
 *
 * The first byte chooses the side and whether there is TLS.  Then come
 * messages, each with two bytes of length before it; a client takes the first
 * byte of a message for the code of the authentication request.  Nonces are
 * fixed and the keys stored, so that an input can get to the end and no time
 * goes into PBKDF2.  The proof in the seeds is the one of RFC 7677.
 */

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/get.h"
#include "wire/scram.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char	fuzz_secret[] = "SCRAM-SHA-256$4096:"
			    "W22ZaJ0SNY7soEsUEjb6gQ==$"
			    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
static const char	fuzz_binding[32] = "the hash of a certificate......";

/* The next message, or NULL. */
static const uint8_t *
fuzz_next(struct get *get, size_t *n)
{
	*n = get_u16(get);
	if (*n > get_left(get))
		*n = get_left(get);
	return get->bad ? NULL : get_bytes(get, *n);
}

static void
fuzz_server(struct get *get, size_t binding_length)
{
	struct scram_server	*server;
	enum scram_result	 result = SCRAM_CONTINUE;
	struct buf		 out;
	const uint8_t		*message;
	size_t			 n;

	buf_init(&out);
	server = scram_server_new("user", fuzz_secret, PASSWORD_SCRAM,
	    fuzz_binding, binding_length);
	scram_server_set_nonce(server, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	scram_server_start(server, &out);
	while (result == SCRAM_CONTINUE &&
	    (message = fuzz_next(get, &n)) != NULL) {
		buf_clear(&out);
		result = scram_server_step(server, message, n, &out);
		assert((buf_length(&out) != 0) ==
		    (result == SCRAM_CONTINUE || result == SCRAM_DONE));
		assert(scram_server_error(server) != NULL);
	}
	scram_server_free(server);
	buf_done(&out);
}

static void
fuzz_client(struct get *get, size_t binding_length)
{
	struct scram_client	*client;
	struct scram_keys	 keys = { 0 };
	enum scram_result	 result = SCRAM_CONTINUE;
	struct buf		 out;
	const uint8_t		*message;
	size_t			 n;

	buf_init(&out);
	scram_verifier_parse(fuzz_secret, &keys.verifier);
	client = scram_client_new(NULL, &keys, SCRAM_BINDING_PREFER,
	    fuzz_binding, binding_length);
	scram_client_set_nonce(client, "user", "rOprNGfwEbeRWgbNEkqO");
	while (result == SCRAM_CONTINUE &&
	    (message = fuzz_next(get, &n)) != NULL && n > 0) {
		buf_clear(&out);
		result = scram_client_step(client, message[0], message + 1,
		    n - 1, &out);
		assert((buf_length(&out) != 0) == (result == SCRAM_CONTINUE));
		assert(scram_client_is_done(client) == (result == SCRAM_DONE));
		assert(scram_client_error(client) != NULL);
	}
	scram_client_free(client);
	buf_done(&out);
}

static void
fuzz_verifier(struct get *get)
{
	struct scram_verifier	 one, two;
	char			*text, *again;

	text = mem_string_n((const char *)get->at, get_left(get));
	if (scram_verifier_parse(text, &one)) {
		again = scram_verifier_text(&one);
		assert(scram_verifier_parse(again, &two) &&
		    scram_verifier_equal(&one, &two));
		mem_free_secret(again);
	}
	mem_free_secret(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct get	get;
	uint8_t		choice;
	size_t		binding_length;

	get_init(&get, data, n);
	choice = get_u8(&get);
	if (get.bad)
		return 0;
	binding_length = choice & 4 ? sizeof fuzz_binding : 0;
	switch (choice & 3) {
	case 0:
		fuzz_server(&get, binding_length);
		break;
	case 1:
		fuzz_client(&get, binding_length);
		break;
	default:
		fuzz_verifier(&get);
		break;
	}
	return 0;
}
