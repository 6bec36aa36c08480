/*
 * A certificate for a process that was given none: EC P-256, CN=pgweir,
 * valid for ten years, known to nobody, and the same until the process ends.
 * It keeps passwords and data from passive listeners; it proves nothing, and
 * the log says so.
 */

#include <pthread.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/tls_private.h"

#define VALID_SECONDS	(10L * 365 * 24 * 3600)

/* Made once, so that a reload does not change what clients have seen. */
static struct {
	pthread_mutex_t	 mutex;
	EVP_PKEY	*key;
	X509		*certificate;	/* NULL: not made yet */
} own = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool
tls_fill_certificate(X509 *certificate, EVP_PKEY *key)
{
	X509_NAME	*name = X509_get_subject_name(certificate);
	uint64_t	 serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
		return false;
	/* Positive, and not as bytes: a leading zero may not be encoded. */
	serial = (serial >> 1) | 1;
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate),
	    serial) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) !=
	    NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(certificate),
	    VALID_SECONDS) != NULL &&
	    X509_set_pubkey(certificate, key) == 1 &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"pgweir", -1, -1, 0) == 1 &&
	    X509_set_issuer_name(certificate, name) == 1 &&
	    X509_sign(certificate, key, EVP_sha256()) > 0;
}

bool
tls_self_make(EVP_PKEY **key, X509 **certificate)
{
	*key = EVP_EC_gen("P-256");
	*certificate = X509_new();
	if (*key != NULL && *certificate != NULL &&
	    tls_fill_certificate(*certificate, *key))
		return true;
	X509_free(*certificate);
	EVP_PKEY_free(*key);
	*certificate = NULL;
	*key = NULL;
	return false;
}

bool
tls_self_sign(SSL_CTX *ssl)
{
	bool	good;

	pthread_mutex_lock(&own.mutex);
	good = (own.certificate != NULL ||
	    tls_self_make(&own.key, &own.certificate)) &&
	    SSL_CTX_use_certificate(ssl, own.certificate) == 1 &&
	    SSL_CTX_use_PrivateKey(ssl, own.key) == 1;
	pthread_mutex_unlock(&own.mutex);
	return good;
}
