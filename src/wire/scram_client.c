/*
 * The client's side of SCRAM-SHA-256(-PLUS), toward PostgreSQL.
 *
 *	START -> FIRST -> FINAL -> DONE
 *	any -> OVER
 *
 * Everything the server says is bounded before it is used: the message, the
 * nonce, the salt and the number of iterations.  With a password the keys are
 * derived (or come from the cache); with keys alone, only a server that has
 * the same salt and iterations can be answered.
 *
 * A client belongs to one thread.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/base64.h"
#include "wire/get.h"
#include "wire/put.h"
#include "wire/scram.h"
#include "wire/scram_common.h"

enum scram_client_state {
	SCRAM_CLIENT_START,
	SCRAM_CLIENT_FIRST,
	SCRAM_CLIENT_FINAL,
	SCRAM_CLIENT_DONE,
	SCRAM_CLIENT_OVER,
};

struct scram_client {
	enum scram_client_state	 state;
	char			*password;	/* NULL: keys were given */
	struct scram_keys	 keys;
	enum scram_binding	 mode;
	size_t			 binding_length;	/* 0: no TLS */
	uint8_t			 binding[SCRAM_BINDING_BYTES_MAX];
	bool			 is_plus;
	bool			 is_stale;	/* the keys are */
	const char		*gs2_header;
	char			*nonce;		/* ours */
	char			*first;		/* without the header */
	uint8_t			 signature[SCRAM_KEY_BYTES]; /* expected */
	char			 error[160];
};

struct scram_client *
scram_client_new(const char *password, const struct scram_keys *keys,
    enum scram_binding mode, const void *binding, size_t binding_length)
{
	struct scram_client	*client = mem_new(sizeof *client);

	client->password = mem_string(password);
	if (keys != NULL)
		client->keys = *keys;
	client->mode = mode;
	if (binding != NULL && binding_length <= sizeof client->binding) {
		memcpy(client->binding, binding, binding_length);
		client->binding_length = binding_length;
	}
	if ((client->nonce = scram_nonce_make()) != NULL)
		client->first = mem_printf("n=,r=%s", client->nonce);
	return client;
}

void
scram_client_free(struct scram_client *client)
{
	if (client == NULL)
		return;
	mem_free_secret(client->password);
	free(client->nonce);
	free(client->first);
	mem_wipe(client, sizeof *client);
	free(client);
}

void
scram_client_set_nonce(struct scram_client *client, const char *name,
    const char *nonce)
{
	free(client->nonce);
	free(client->first);
	client->nonce = mem_string(nonce);
	client->first = mem_printf("n=%s,r=%s", name, nonce);
}

static enum scram_result
scram_client_fail(struct scram_client *client, enum scram_result result,
    const char *error)
{
	snprintf(client->error, sizeof client->error, "%s", error);
	return result;
}

static enum scram_result
scram_client_bad(struct scram_client *client, const char *error)
{
	return scram_client_fail(client, SCRAM_BAD, error);
}

/* The mechanisms, each a string, ended by an empty one. */
static bool
scram_client_read_mechanisms(struct get *get, bool *has_plain, bool *has_plus)
{
	const char	*name;

	*has_plain = *has_plus = false;
	while ((name = get_string(get)) != NULL && *name != '\0') {
		if (strcmp(name, SCRAM_PLAIN) == 0)
			*has_plain = true;
		else if (strcmp(name, SCRAM_PLUS) == 0)
			*has_plus = true;
	}
	return get_is_done(get);
}

/* The answer to MSG_AUTH_SASL: choose a mechanism and begin. */
static enum scram_result
scram_client_start(struct scram_client *client, const uint8_t *data, size_t n,
    struct buf *out)
{
	bool		 has_plain, has_plus, can_bind;
	struct get	 get;
	char		*message;

	if (client->nonce == NULL)
		return scram_client_bad(client, "no random numbers");
	get_init(&get, data, n);
	if (!scram_client_read_mechanisms(&get, &has_plain, &has_plus))
		return scram_client_bad(client, "malformed list of SASL "
		    "mechanisms");
	can_bind = client->binding_length != 0 &&
	    client->mode != SCRAM_BINDING_DISABLE;
	client->is_plus = can_bind && has_plus;
	if (client->mode == SCRAM_BINDING_REQUIRE && !client->is_plus)
		return scram_client_bad(client, can_bind ?
		    "channel binding is required, but the server does not "
		    "offer it" : "channel binding is required, but the "
		    "connection is not encrypted");
	if (!client->is_plus && !has_plain)
		return scram_client_bad(client, "the server offers no SASL "
		    "mechanism that is supported");
	client->gs2_header = client->is_plus ? "p=" SCRAM_BOUND ",," :
	    can_bind ? "y,," : "n,,";
	message = mem_printf("%s%s", client->gs2_header, client->first);
	put_sasl_initial(out, client->is_plus ? SCRAM_PLUS : SCRAM_PLAIN,
	    message, strlen(message));
	free(message);
	client->state = SCRAM_CLIENT_FIRST;
	return SCRAM_CONTINUE;
}

static bool
scram_client_is_same_salt(const struct scram_client *client,
    const uint8_t *salt, size_t salt_length, int64_t iterations)
{
	const struct scram_verifier	*verifier = &client->keys.verifier;

	return verifier->iterations == iterations &&
	    verifier->salt_length == salt_length &&
	    memcmp(verifier->salt, salt, salt_length) == 0;
}

/*
 * r=nonce,s=salt,i=iterations: what is wrong, or NULL when the nonce is good
 * and there are keys for the rest.
 */
static const char *
scram_client_read_first(struct scram_client *client, char *at, char **nonce)
{
	uint8_t	 salt[SCRAM_SALT_BYTES_MAX];
	size_t	 salt_length, own_length = strlen(client->nonce);
	int64_t	 iterations;
	char	*value;

	if ((*nonce = scram_next(&at, 'r')) == NULL || !scram_is_nonce(*nonce))
		return "the server's SCRAM nonce is missing, malformed or "
		    "too long";
	if (strncmp(*nonce, client->nonce, own_length) != 0 ||
	    (*nonce)[own_length] == '\0')
		return "the server's SCRAM nonce does not extend ours";
	if ((value = scram_next(&at, 's')) == NULL ||
	    !base64_decode(value, strlen(value), salt, sizeof salt,
	    &salt_length) || salt_length == 0)
		return "the server's SCRAM salt is missing, malformed or "
		    "too long";
	if ((value = scram_next(&at, 'i')) == NULL || *at != '\0' ||
	    !text_to_integer(value, &iterations))
		return "the server's SCRAM iteration count is missing or "
		    "malformed";
	if (iterations < 1 || iterations > SCRAM_ITERATIONS_MAX)
		return "the server's SCRAM iteration count is out of range";
	if (client->password == NULL) {
		client->is_stale = !scram_client_is_same_salt(client, salt,
		    salt_length, iterations);
		return NULL;
	}
	if (!scram_keys_derive(client->password, salt, salt_length,
	    (int)iterations, &client->keys))
		return "the cryptographic library failed";
	return NULL;
}

/* Send the proof and remember what the server must answer to it. */
static const char *
scram_client_put_final(struct scram_client *client, const char *server_first,
    const char *nonce, struct buf *out)
{
	const struct scram_verifier	*verifier = &client->keys.verifier;
	uint8_t				 proof[SCRAM_KEY_BYTES];
	char				*binding, *bare, *auth, *text;
	char				*message;
	bool				 ok;

	binding = scram_binding_text(client->gs2_header, client->binding,
	    client->is_plus ? client->binding_length : 0);
	bare = mem_printf("c=%s,r=%s", binding, nonce);
	auth = mem_printf("%s,%s,%s", client->first, server_first, bare);
	ok = scram_proof(verifier->stored_key, client->keys.client_key, auth,
	    proof) && scram_hmac(verifier->server_key, auth, strlen(auth),
	    client->signature);
	if (ok) {
		text = scram_key_text(proof);
		message = mem_printf("%s,p=%s", bare, text);
		put_sasl_response(out, message, strlen(message));
		free(message);
		free(text);
	}
	free(binding);
	free(bare);
	free(auth);
	return ok ? NULL : "the cryptographic library failed";
}

/* The answer to MSG_AUTH_SASL_CONTINUE. */
static enum scram_result
scram_client_continue(struct scram_client *client, const uint8_t *data,
    size_t n, struct buf *out)
{
	char		*text, *copy, *nonce;
	const char	*error;

	if ((text = scram_text(data, n)) == NULL)
		return scram_client_bad(client, "malformed or overlong SCRAM "
		    "message from the server");
	copy = mem_string(text);
	error = scram_client_read_first(client, copy, &nonce);
	if (error == NULL && !client->is_stale)
		error = scram_client_put_final(client, text, nonce, out);
	free(copy);
	free(text);
	if (error != NULL)
		return scram_client_bad(client, error);
	if (client->is_stale)
		return scram_client_fail(client, SCRAM_STALE,
		    "the password was set anew there");
	client->state = SCRAM_CLIENT_FINAL;
	return SCRAM_CONTINUE;
}

static enum scram_result
scram_client_read_final(struct scram_client *client, char *at)
{
	uint8_t	 signature[SCRAM_KEY_BYTES];
	char	*value;

	if ((value = scram_next(&at, 'e')) != NULL) {
		snprintf(client->error, sizeof client->error,
		    "the server ended the SCRAM exchange: %s", value);
		return SCRAM_REFUSED;
	}
	if ((value = scram_next(&at, 'v')) == NULL || *at != '\0' ||
	    !scram_key_from_text(value, strlen(value), signature))
		return scram_client_bad(client, "the server's SCRAM signature "
		    "is missing or malformed");
	if (!mem_equal_secret(signature, client->signature, sizeof signature))
		return scram_client_fail(client, SCRAM_REFUSED,
		    "the server's SCRAM signature is wrong");
	client->state = SCRAM_CLIENT_DONE;
	return SCRAM_DONE;
}

/* The end: MSG_AUTH_SASL_FINAL. */
static enum scram_result
scram_client_final(struct scram_client *client, const uint8_t *data, size_t n)
{
	enum scram_result	 result;
	char			*text;

	if ((text = scram_text(data, n)) == NULL)
		return scram_client_bad(client, "malformed or overlong SCRAM "
		    "message from the server");
	result = scram_client_read_final(client, text);
	free(text);
	return result;
}

enum scram_result
scram_client_step(struct scram_client *client, uint32_t code,
    const uint8_t *data, size_t n, struct buf *out)
{
	enum scram_result	result;

	if (client->state == SCRAM_CLIENT_START && code == MSG_AUTH_SASL)
		result = scram_client_start(client, data, n, out);
	else if (client->state == SCRAM_CLIENT_FIRST &&
	    code == MSG_AUTH_SASL_CONTINUE)
		result = scram_client_continue(client, data, n, out);
	else if (client->state == SCRAM_CLIENT_FINAL &&
	    code == MSG_AUTH_SASL_FINAL)
		result = scram_client_final(client, data, n);
	else
		result = scram_client_bad(client, "SASL message out of order");
	if (result != SCRAM_CONTINUE && result != SCRAM_DONE)
		client->state = SCRAM_CLIENT_OVER;
	return result;
}

bool
scram_client_is_done(const struct scram_client *client)
{
	return client->state == SCRAM_CLIENT_DONE;
}

const char *
scram_client_error(const struct scram_client *client)
{
	return client->error[0] != '\0' ? client->error :
	    "SCRAM authentication failed";
}
