/*
 * The server's side of SCRAM-SHA-256(-PLUS), toward an application.
 *
 *	FIRST -> (FIRST, after an initial response without data) -> FINAL
 *	      -> OVER
 *
 * A user that is not known, or whose secret cannot do SCRAM, is doomed: keys
 * are made up for it and everything is checked as for others, but the last
 * step refuses.  Its salt is a keyed hash of its name, and so is the salt for
 * a plain password, so that the two look alike and stay the same; the key is
 * of this process, so that a doomed user's salt changes at a restart, where
 * that of a stored verifier does not: a known limit.
 *
 * A server belongs to one thread.
 */

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"
#include "wire/get.h"
#include "wire/put.h"
#include "wire/scram.h"
#include "wire/scram_common.h"

enum scram_server_state {
	SCRAM_SERVER_FIRST,
	SCRAM_SERVER_FINAL,
	SCRAM_SERVER_OVER,
};

struct scram_server {
	enum scram_server_state	 state;
	bool			 is_doomed;
	bool			 has_mechanism;	/* the client chose one */
	bool			 is_plus;	/* it chose -PLUS */
	struct scram_keys	 keys;		/* client_key at the end */
	size_t			 binding_length;	/* 0: no TLS */
	uint8_t			 binding[SCRAM_BINDING_BYTES_MAX];
	char			*own_nonce;
	char			*nonce;		/* the client's, then ours */
	char			*gs2_header;	/* up to the second comma */
	char			*client_first;	/* without the header */
	char			*server_first;
	const char		*error;
};

atomic_int	scram_iterations = SCRAM_ITERATIONS;

/* Keys for a password, with the salt that this user always has here. */
static bool
scram_server_derive(struct scram_server *server, const char *user,
    const char *password)
{
	uint8_t	hash[SCRAM_KEY_BYTES];

	if (!scram_process_hmac("salt", user, hash))
		return false;
	return (server->is_doomed ? scram_keys_derive_mock :
	    scram_keys_derive)(password, hash, SCRAM_SALT_BYTES,
	    atomic_load(&scram_iterations), &server->keys);
}

static bool
scram_server_make_up(struct scram_server *server, const char *user,
    enum password_kind mock)
{
	struct scram_verifier	*verifier = &server->keys.verifier;
	uint8_t			 hash[SCRAM_KEY_BYTES];
	char			*password;
	bool			 ok;

	if (!scram_process_hmac("password", user, hash))
		return false;
	if (mock == PASSWORD_PLAIN) {
		password = scram_key_text(hash);
		ok = scram_server_derive(server, user, password);
		mem_free_secret(password);
		return ok;
	}
	memcpy(verifier->stored_key, hash, sizeof hash);
	memcpy(verifier->server_key, hash, sizeof hash);
	if (!scram_process_hmac("salt", user, hash))
		return false;
	verifier->iterations = atomic_load(&scram_iterations);
	verifier->salt_length = SCRAM_SALT_BYTES;
	memcpy(verifier->salt, hash, SCRAM_SALT_BYTES);
	return true;
}

/* False: OpenSSL failed, and there are no keys at all. */
static bool
scram_server_load(struct scram_server *server, const char *user,
    const char *secret, enum password_kind mock)
{
	if (secret != NULL && *secret != '\0') {
		switch (password_kind(secret)) {
		case PASSWORD_PLAIN:
			return scram_server_derive(server, user, secret);
		case PASSWORD_SCRAM:
			return scram_verifier_parse(secret,
			    &server->keys.verifier);
		case PASSWORD_MD5:
			break;
		}
	}
	server->is_doomed = true;
	return scram_server_make_up(server, user, mock);
}

struct scram_server *
scram_server_new(const char *user, const char *secret,
    enum password_kind mock, const void *binding, size_t binding_length)
{
	struct scram_server	*server = mem_new(sizeof *server);

	if (binding != NULL && binding_length <= sizeof server->binding) {
		memcpy(server->binding, binding, binding_length);
		server->binding_length = binding_length;
	}
	server->own_nonce = scram_nonce_make();
	if (!scram_server_load(server, user, secret, mock) ||
	    server->own_nonce == NULL) {
		server->error = "the cryptographic library failed";
		server->state = SCRAM_SERVER_OVER;
	}
	return server;
}

void
scram_server_free(struct scram_server *server)
{
	if (server == NULL)
		return;
	free(server->own_nonce);
	free(server->nonce);
	free(server->gs2_header);
	free(server->client_first);
	free(server->server_first);
	mem_wipe(server, sizeof *server);
	free(server);
}

void
scram_server_set_nonce(struct scram_server *server, const char *nonce)
{
	free(server->own_nonce);
	server->own_nonce = mem_string(nonce);
}

void
scram_server_start(struct scram_server *server, struct buf *out)
{
	static const char	mechanisms[] = SCRAM_PLUS "\0" SCRAM_PLAIN "\0";
	size_t			skip = 0;

	if (server->binding_length == 0)
		skip = sizeof SCRAM_PLUS;
	put_auth(out, MSG_AUTH_SASL, mechanisms + skip,
	    sizeof mechanisms - skip);
}

static enum scram_result
scram_server_bad(struct scram_server *server, const char *error)
{
	server->error = error;
	return SCRAM_BAD;
}

/*
 * The gs2 header, "n,," or "y,," or "p=tls-server-end-point,,": NULL, or what
 * is wrong with it.  *at moves behind it.  It must be what the mechanism
 * wants; and a client that could do -PLUS but believes that we cannot, though
 * we offered it, was lied to by somebody in between.
 */
static const char *
scram_server_read_gs2(struct scram_server *server, char **at)
{
	static const char	bound[] = "p=" SCRAM_BOUND;
	char			*start = *at;

	switch (**at) {
	case 'n':
	case 'y':
		if (server->is_plus)
			return "the client selected " SCRAM_PLUS
			    " but does not use channel binding";
		if (**at == 'y' && server->binding_length != 0)
			return "SCRAM channel binding negotiation error: the "
			    "client believes that it is not offered";
		*at += 1;
		break;
	case 'p':
		if (!server->is_plus)
			return "the client selected " SCRAM_PLAIN
			    " but uses channel binding";
		if (strncmp(*at, bound, strlen(bound)) != 0 ||
		    (*at)[strlen(bound)] != ',')
			return "unsupported SCRAM channel binding type";
		*at += strlen(bound);
		break;
	default:
		return "malformed SCRAM message: unexpected channel binding "
		    "flag";
	}
	if ((*at)[0] == ',' && (*at)[1] == 'a')
		return "SCRAM authorization identities are not supported";
	if ((*at)[0] != ',' || (*at)[1] != ',')
		return "malformed SCRAM message: comma expected";
	*at += 2;
	server->gs2_header = mem_string_n(start, (size_t)(*at - start));
	return NULL;
}

/* n=name,r=nonce and maybe more; the name is in the startup packet already. */
static const char *
scram_server_read_bare(struct scram_server *server, char *at)
{
	char	*nonce;

	server->client_first = mem_string(at);
	if (*at == 'm')
		return "the client requires an unsupported SCRAM extension";
	if (scram_next(&at, 'n') == NULL)
		return "malformed SCRAM message: user name expected";
	if ((nonce = scram_next(&at, 'r')) == NULL)
		return "malformed SCRAM message: nonce expected";
	if (!scram_is_nonce(nonce))
		return "invalid or overlong SCRAM nonce";
	server->nonce = mem_printf("%s%s", nonce, server->own_nonce);
	return NULL;
}

static enum scram_result
scram_server_first(struct scram_server *server, char *text, struct buf *out)
{
	const struct scram_verifier	*verifier = &server->keys.verifier;
	const char			*error;
	char	salt[BASE64_CHARS(SCRAM_SALT_BYTES_MAX) + 1];

	if ((error = scram_server_read_gs2(server, &text)) != NULL ||
	    (error = scram_server_read_bare(server, text)) != NULL)
		return scram_server_bad(server, error);
	base64_encode(verifier->salt, verifier->salt_length, salt);
	server->server_first = mem_printf("r=%s,s=%s,i=%d", server->nonce,
	    salt, verifier->iterations);
	put_auth(out, MSG_AUTH_SASL_CONTINUE, server->server_first,
	    strlen(server->server_first));
	server->state = SCRAM_SERVER_FINAL;
	return SCRAM_CONTINUE;
}

/*
 * What the client says last: c=binding,r=nonce,p=proof.  The proof is over
 * everything before it, which is copied to *signed_text, to free().
 */
static const char *
scram_server_read_final(struct scram_server *server, char *text,
    uint8_t proof[SCRAM_KEY_BYTES], char **signed_text)
{
	char	*copy = mem_string(text), *at = text, *value, *wanted;
	bool	 equal;

	*signed_text = copy;
	if ((value = scram_next(&at, 'c')) == NULL)
		return "malformed SCRAM message: channel binding expected";
	wanted = scram_binding_text(server->gs2_header, server->binding,
	    server->is_plus ? server->binding_length : 0);
	equal = strcmp(value, wanted) == 0;
	free(wanted);
	if (!equal)
		return "SCRAM channel binding check failed";
	if ((value = scram_next(&at, 'r')) == NULL ||
	    strcmp(value, server->nonce) != 0)
		return "invalid SCRAM response: the nonce does not match";
	while (*at != '\0' && *at != 'p')
		if (!isalpha((unsigned char)*at) || !scram_next(&at, *at))
			return "malformed SCRAM message: attribute expected";
	copy[at - text - 1] = '\0';
	if ((value = scram_next(&at, 'p')) == NULL || *at != '\0' ||
	    !scram_key_from_text(value, strlen(value), proof))
		return "malformed SCRAM message: malformed proof";
	return NULL;
}

/*
 * Undo the proof: what comes out is the client's key exactly if its hash is
 * the stored key.
 */
static bool
scram_server_check_proof(struct scram_server *server, const char *auth,
    const uint8_t proof[SCRAM_KEY_BYTES])
{
	struct scram_verifier	*verifier = &server->keys.verifier;
	uint8_t			 hash[SCRAM_KEY_BYTES];

	return scram_proof(verifier->stored_key, proof, auth,
	    server->keys.client_key) &&
	    scram_sha256(server->keys.client_key, SCRAM_KEY_BYTES, hash) &&
	    mem_equal_secret(hash, verifier->stored_key, SCRAM_KEY_BYTES) &&
	    !server->is_doomed;
}

static void
scram_server_put_final(const uint8_t signature[SCRAM_KEY_BYTES],
    struct buf *out)
{
	char	*text = scram_key_text(signature);
	char	*message = mem_printf("v=%s", text);

	put_auth(out, MSG_AUTH_SASL_FINAL, message, strlen(message));
	free(message);
	free(text);
}

static enum scram_result
scram_server_final(struct scram_server *server, char *text, struct buf *out)
{
	uint8_t		 proof[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES];
	const char	*error;
	char		*signed_text, *auth = NULL;
	bool		 ok = false;

	error = scram_server_read_final(server, text, proof, &signed_text);
	if (error == NULL) {
		auth = mem_printf("%s,%s,%s", server->client_first,
		    server->server_first, signed_text);
		ok = scram_server_check_proof(server, auth, proof) &&
		    scram_hmac(server->keys.verifier.server_key, auth,
		    strlen(auth), signature);
	}
	free(signed_text);
	free(auth);
	if (error != NULL)
		return scram_server_bad(server, error);
	if (!ok) {
		mem_wipe(&server->keys, sizeof server->keys);
		return SCRAM_REFUSED;
	}
	scram_server_put_final(signature, out);
	return SCRAM_DONE;
}

/*
 * The first answer names the mechanism and may bring data; *data is NULL when
 * it does not.
 */
static const char *
scram_server_read_initial(struct scram_server *server, struct get *get,
    const uint8_t **data, size_t *n)
{
	const char	*mechanism = get_string(get);
	int32_t		 length = get_i32(get);

	if (get->bad || length < -1 ||
	    (size_t)(length == -1 ? 0 : length) != get_left(get))
		return "malformed SASL message";
	server->is_plus = strcmp(mechanism, SCRAM_PLUS) == 0;
	if (server->is_plus ? server->binding_length == 0 :
	    strcmp(mechanism, SCRAM_PLAIN) != 0)
		return "the client selected a SASL mechanism that was not "
		    "offered";
	server->has_mechanism = true;
	*n = get_left(get);
	*data = length == -1 ? NULL : get_bytes(get, *n);
	return NULL;
}

enum scram_result
scram_server_step(struct scram_server *server, const uint8_t *body, size_t n,
    struct buf *out)
{
	enum scram_result	 result;
	struct get		 get;
	const char		*error;
	char			*text;

	if (server->state == SCRAM_SERVER_OVER)
		return scram_server_bad(server, server->error != NULL ?
		    server->error : "the SASL exchange is over");
	if (!server->has_mechanism) {
		get_init(&get, body, n);
		error = scram_server_read_initial(server, &get, &body, &n);
		if (error == NULL && body == NULL) {
			put_auth(out, MSG_AUTH_SASL_CONTINUE, NULL, 0);
			return SCRAM_CONTINUE;
		}
	} else
		error = NULL;
	if (error != NULL)
		result = scram_server_bad(server, error);
	else if ((text = scram_text(body, n)) == NULL)
		result = scram_server_bad(server, "malformed SCRAM message");
	else {
		result = server->state == SCRAM_SERVER_FIRST ?
		    scram_server_first(server, text, out) :
		    scram_server_final(server, text, out);
		free(text);
	}
	if (result != SCRAM_CONTINUE)
		server->state = SCRAM_SERVER_OVER;
	return result;
}

const struct scram_keys *
scram_server_keys(const struct scram_server *server)
{
	return &server->keys;
}

bool
scram_server_is_bound(const struct scram_server *server)
{
	return server->is_plus;
}

const char *
scram_server_error(const struct scram_server *server)
{
	return server->error != NULL ? server->error :
	    "SCRAM authentication failed";
}
