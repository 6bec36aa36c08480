/*
 * TLS contexts; see net/tls.h.  Contexts are immutable after they are made
 * and may be used by every thread.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/text.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_private.h"

const char	*const tls_mode_names[] = {
	[TLS_DISABLE] = "disable",
	[TLS_ALLOW] = "allow",
	[TLS_PREFER] = "prefer",
	[TLS_REQUIRE] = "require",
	[TLS_VERIFY_CA] = "verify-ca",
	[TLS_VERIFY_FULL] = "verify-full",
};

static bool
tls_is_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* One sentence: what, which file, and OpenSSL's reason. */
static bool
tls_say(char *error, size_t size, const char *what, const char *which)
{
	char	reason[160] = "";

	if (ERR_peek_last_error() != 0)
		ERR_error_string_n(ERR_peek_last_error(), reason,
		    sizeof reason);
	ERR_clear_error();
	snprintf(error, size, "%s \"%s\"%s%s", what, which,
	    reason[0] != '\0' ? ": " : "", reason);
	return false;
}

/* PgBouncer's words: a list of versions; only the lowest and highest count. */
static bool
tls_set_protocols(SSL_CTX *ssl, const char *list, char *error, size_t size)
{
	static const struct {
		const char	*word;
		int		 lowest, highest;
	} words[] = {
		{ "secure", TLS1_2_VERSION, TLS1_3_VERSION },
		{ "default", TLS1_2_VERSION, TLS1_3_VERSION },
		{ "all", TLS1_VERSION, TLS1_3_VERSION },
		{ "legacy", TLS1_VERSION, TLS1_3_VERSION },
		{ "tlsv1.0", TLS1_VERSION, TLS1_VERSION },
		{ "tlsv1.1", TLS1_1_VERSION, TLS1_1_VERSION },
		{ "tlsv1.2", TLS1_2_VERSION, TLS1_2_VERSION },
		{ "tlsv1.3", TLS1_3_VERSION, TLS1_3_VERSION },
	};
	char	*copy = mem_string(tls_is_given(list) ? list : "secure");
	char	*rest = copy, *word;
	int	 lowest = INT32_MAX, highest = 0;
	size_t	 i;
	bool	 good;

	while ((word = text_next_word(&rest)) != NULL) {
		for (i = 0; i < ARRAY_LENGTH(words); i++)
			if (strcasecmp(word, words[i].word) == 0)
				break;
		if (i == ARRAY_LENGTH(words)) {
			tls_say(error, size, "unknown TLS protocol", word);
			free(copy);
			return false;
		}
		if (words[i].lowest < lowest)
			lowest = words[i].lowest;
		if (words[i].highest > highest)
			highest = words[i].highest;
	}
	free(copy);
	good = SSL_CTX_set_min_proto_version(ssl, lowest) == 1 &&
	    SSL_CTX_set_max_proto_version(ssl, highest) == 1;
	return good ||
	    tls_say(error, size, "cannot use TLS protocols", list);
}

static bool
tls_set_ciphers(SSL_CTX *ssl, const struct tls_settings *settings,
    char *error, size_t size)
{
	const char	*list = settings->ciphers;

	if (tls_is_given(list) && strcmp(list, "default") != 0) {
		if (strcmp(list, "secure") == 0 ||
		    strcmp(list, "fast") == 0)
			list = "HIGH:!aNULL:!MD5";
		if (SSL_CTX_set_cipher_list(ssl, list) != 1)
			return tls_say(error, size, "bad TLS ciphers", list);
	}
	if (tls_is_given(settings->ciphers13) &&
	    SSL_CTX_set_ciphersuites(ssl, settings->ciphers13) != 1)
		return tls_say(error, size, "bad TLS 1.3 ciphers",
		    settings->ciphers13);
	if (tls_is_given(settings->ecdhcurve) &&
	    strcmp(settings->ecdhcurve, "auto") != 0 &&
	    strcmp(settings->ecdhcurve, "none") != 0 &&
	    SSL_CTX_set1_groups_list(ssl, settings->ecdhcurve) != 1)
		return tls_say(error, size, "unknown curve",
		    settings->ecdhcurve);
	SSL_CTX_set_dh_auto(ssl, !tls_is_given(settings->dheparams) ||
	    strcmp(settings->dheparams, "none") != 0);
	return true;
}

static bool
tls_load_files(SSL_CTX *ssl, const struct tls_settings *settings,
    char *error, size_t size)
{
	if (tls_is_given(settings->cert_file) &&
	    SSL_CTX_use_certificate_chain_file(ssl, settings->cert_file) != 1)
		return tls_say(error, size, "cannot use certificate file",
		    settings->cert_file);
	if (tls_is_given(settings->key_file) &&
	    SSL_CTX_use_PrivateKey_file(ssl, settings->key_file,
	    SSL_FILETYPE_PEM) != 1)
		return tls_say(error, size, "cannot use key file",
		    settings->key_file);
	if (tls_is_given(settings->cert_file) &&
	    SSL_CTX_check_private_key(ssl) != 1)
		return tls_say(error, size, "the key does not fit certificate",
		    settings->cert_file);
	if (tls_is_given(settings->ca_file) &&
	    SSL_CTX_load_verify_locations(ssl, settings->ca_file, NULL) != 1)
		return tls_say(error, size, "cannot use CA file",
		    settings->ca_file);
	return true;
}

/* A key with a passphrase fails: OpenSSL would ask for it on the terminal. */
static int
tls_on_passphrase(char *phrase, int size, int is_writing, void *arg)
{
	(void)phrase;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1;
}

static struct tls_context *
tls_context_new(const struct tls_settings *settings, const SSL_METHOD *method,
    char *error, size_t size)
{
	struct tls_context	*context = mem_new(sizeof *context);

	context->ssl = SSL_CTX_new(method);
	if (context->ssl == NULL) {
		tls_say(error, size, "cannot make a context for", "TLS");
		free(context);
		return NULL;
	}
	SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
	SSL_CTX_set_read_ahead(context->ssl, 1);
	SSL_CTX_set_default_passwd_cb(context->ssl, tls_on_passphrase);
	SSL_CTX_set_num_tickets(context->ssl, 0);
	SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
	if (tls_set_protocols(context->ssl, settings->protocols, error,
	    size) && tls_set_ciphers(context->ssl, settings, error, size) &&
	    tls_load_files(context->ssl, settings, error, size))
		return context;
	tls_context_free(context);
	return NULL;
}

static int
tls_on_alpn(SSL *tls, const unsigned char **out, unsigned char *out_length,
    const unsigned char *in, unsigned int in_length, void *arg)
{
	static const unsigned char	ours[] = "\012postgresql";
	unsigned char			*chosen;

	(void)tls;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_length, ours, sizeof ours - 1,
	    in, in_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

struct tls_context *
tls_context_new_server(const struct tls_settings *settings, bool *self_signed,
    char *error, size_t size)
{
	struct tls_context	*context;
	int			 verify = SSL_VERIFY_NONE;

	if (settings->mode >= TLS_VERIFY_CA &&
	    !tls_is_given(settings->ca_file)) {
		snprintf(error, size, "%s needs a CA file to check client "
		    "certificates with", tls_mode_names[settings->mode]);
		return NULL;
	}
	context = tls_context_new(settings, TLS_server_method(), error, size);
	if (context == NULL)
		return NULL;
	*self_signed = !tls_is_given(settings->cert_file);
	if (*self_signed && !tls_self_sign(context->ssl)) {
		tls_say(error, size, "cannot make a certificate for",
		    "this process");
		tls_context_free(context);
		return NULL;
	}
	if (tls_is_given(settings->ca_file)) {
		verify = SSL_VERIFY_PEER;
		SSL_CTX_set_client_CA_list(context->ssl,
		    SSL_load_client_CA_file(settings->ca_file));
	}
	if (settings->mode >= TLS_VERIFY_CA)
		verify |= SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(context->ssl, verify, NULL);
	SSL_CTX_set_alpn_select_cb(context->ssl, tls_on_alpn, NULL);
	return context;
}

/* The place that the environment names is the only one, as for OpenSSL. */
const char *
tls_system_authorities(void)
{
	static const char	*const files[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/cert.pem",
	};
	const char	*given = getenv(X509_get_default_cert_file_env());

	if (given != NULL)
		return access(given, R_OK) == 0 ? given : NULL;
	if (access(X509_get_default_cert_file(), R_OK) == 0)
		return X509_get_default_cert_file();
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}

static bool
tls_trust_system(struct tls_context *context, char *error, size_t size)
{
	const char	*file = tls_system_authorities();

	if (file != NULL &&
	    SSL_CTX_load_verify_locations(context->ssl, file, NULL) == 1)
		return true;
	snprintf(error, size, "verify-ca and verify-full want a ca_file: this "
	    "system has no readable bundle of authorities%s%s",
	    file != NULL ? " in " : "", file != NULL ? file : "");
	return false;
}

struct tls_context *
tls_context_new_client(const struct tls_settings *settings, char *error,
    size_t size)
{
	struct tls_context	*context;
	bool			 verifies = settings->mode >= TLS_VERIFY_CA;

	context = tls_context_new(settings, TLS_client_method(), error, size);
	if (context == NULL)
		return NULL;
	if (verifies && !tls_is_given(settings->ca_file) &&
	    !tls_trust_system(context, error, size)) {
		tls_context_free(context);
		return NULL;
	}
	SSL_CTX_set_verify(context->ssl,
	    verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	context->checks_name = settings->mode == TLS_VERIFY_FULL;
	return context;
}

void
tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

/*
 * What a connection has.
 */

void
tls_describe(const struct stream *stream, char *text, size_t size)
{
	if (stream->tls == NULL)
		text[0] = '\0';
	else
		snprintf(text, size, "%s/%s", SSL_get_version(stream->tls),
		    SSL_get_cipher_name(stream->tls));
}

bool
tls_has_alpn(const struct stream *stream)
{
	const unsigned char	*chosen = NULL;
	unsigned int		 length = 0;

	if (stream->tls != NULL)
		SSL_get0_alpn_selected(stream->tls, &chosen, &length);
	return length == 10 && memcmp(chosen, "postgresql", 10) == 0;
}

/* RFC 5929: the signature's hash, but SHA-256 for MD5 and SHA-1. */
size_t
tls_server_end_point(const struct stream *stream, bool as_server,
    uint8_t digest[64])
{
	X509		*certificate;
	const EVP_MD	*md;
	unsigned int	 length = 0;
	int		 nid;

	if (stream->tls == NULL)
		return 0;
	certificate = as_server ? SSL_get_certificate(stream->tls) :
	    SSL_get0_peer_certificate(stream->tls);
	if (certificate == NULL ||
	    X509_get_signature_info(certificate, &nid, NULL, NULL, NULL) != 1)
		return 0;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	if (md == NULL || X509_digest(certificate, md, digest, &length) != 1)
		return 0;
	return length;
}

static X509_NAME *
tls_peer_name(const struct stream *stream)
{
	X509	*certificate;

	if (stream->tls == NULL ||
	    (certificate = SSL_get0_peer_certificate(stream->tls)) == NULL ||
	    SSL_get_verify_result(stream->tls) != X509_V_OK)
		return NULL;
	return X509_get_subject_name(certificate);
}

bool
tls_peer_common_name(const struct stream *stream, char *name, size_t size)
{
	X509_NAME	*subject = tls_peer_name(stream);
	int		 length;

	if (subject == NULL)
		return false;
	length = X509_NAME_get_text_by_NID(subject, NID_commonName, name,
	    (int)size);
	/* A NUL inside would make one name look like another. */
	return length > 0 && (size_t)length < size - 1 &&
	    strlen(name) == (size_t)length;
}
