/*
 * Keys and certificates for tests, made afresh in a directory of their own.
 */

#ifndef CHECK_CERTIFICATES_H
#define CHECK_CERTIFICATES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "check_directory.h"
#include "check_main.h"

struct certificate {
	EVP_PKEY	*key;
	X509		*x509;
	char		 cert_file[128], key_file[128];
};

static char	certificates_dir[64];

static inline void
certificate_extend(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION	*extension;

	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline void
certificate_write(struct certificate *certificate, const char *name)
{
	FILE	*file;

	snprintf(certificate->cert_file, sizeof certificate->cert_file,
	    "%s/%s.crt", certificates_dir, name);
	snprintf(certificate->key_file, sizeof certificate->key_file,
	    "%s/%s.key", certificates_dir, name);
	ck_assert_ptr_nonnull(file = fopen(certificate->cert_file, "w"));
	ck_assert_int_eq(PEM_write_X509(file, certificate->x509), 1);
	fclose(file);
	ck_assert_ptr_nonnull(file = fopen(certificate->key_file, "w"));
	ck_assert_int_eq(PEM_write_PrivateKey(file, certificate->key, NULL,
	    NULL, 0, NULL, NULL), 1);
	fclose(file);
}

/*
 * An issuer of NULL makes an authority.  The common name may have any bytes;
 * names: a subjectAltName such as "DNS:db.test,IP:127.0.0.1", or NULL.
 */
static inline void
certificate_make(struct certificate *made, const struct certificate *issuer,
    const char *cn, size_t cn_bytes, const char *names, const EVP_MD *md)
{
	static int	 serial = 1;
	X509_NAME	*subject;

	made->key = EVP_EC_gen("P-256");
	made->x509 = X509_new();
	ck_assert(made->key != NULL && made->x509 != NULL);
	subject = X509_get_subject_name(made->x509);
	X509_set_version(made->x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made->x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made->x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(made->x509), 3600);
	X509_set_pubkey(made->x509, made->key);
	X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
	    (const unsigned char *)"Acme, Inc.", -1, -1, 0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	    (const unsigned char *)cn, (int)cn_bytes, -1, 0);
	X509_set_issuer_name(made->x509, issuer != NULL ?
	    X509_get_subject_name(issuer->x509) : subject);
	if (issuer == NULL)
		certificate_extend(made->x509, NID_basic_constraints,
		    "critical,CA:TRUE");
	if (names != NULL)
		certificate_extend(made->x509, NID_subject_alt_name, names);
	ck_assert_int_gt(X509_sign(made->x509, issuer != NULL ? issuer->key :
	    made->key, md), 0);
}

static inline void
certificate_free(struct certificate *certificate)
{
	unlink(certificate->cert_file);
	unlink(certificate->key_file);
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
}

static inline void
certificates_begin(void)
{
	directory_make(certificates_dir, sizeof certificates_dir);
}

static inline void
certificates_end(void)
{
	rmdir(certificates_dir);
}

#endif
