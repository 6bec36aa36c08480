/*
 * net/tls.h: whose certificate is believed, and what it says.
 */

#include "check_tls.h"

START_TEST(verify_full_checks_the_chain_and_the_name)
{
	static const struct {
		enum tls_mode	 mode;
		const char	*name;
		bool		 is_strange;	/* the other authority */
		const char	*error;		/* NULL: good */
	} cases[] = {
		{ TLS_VERIFY_FULL, "db.test", false, NULL },
		{ TLS_VERIFY_FULL, "DB.test", false, NULL },
		{ TLS_VERIFY_FULL, "a.wild.test", false, NULL },
		{ TLS_VERIFY_FULL, "127.0.0.1", false, NULL },
		{ TLS_VERIFY_FULL, "::1", false, NULL },
		{ TLS_VERIFY_FULL, "other.test", false, "certificate "
		    "verification failed: hostname mismatch" },
		{ TLS_VERIFY_FULL, "a.b.wild.test", false, "certificate "
		    "verification failed: hostname mismatch" },
		{ TLS_VERIFY_FULL, "db.test.evil.test", false, "certificate "
		    "verification failed: hostname mismatch" },
		{ TLS_VERIFY_FULL, "127.0.0.2", false, "certificate "
		    "verification failed: IP address mismatch" },
		{ TLS_VERIFY_FULL, "db.test", true, "certificate "
		    "verification failed: unable to get local issuer "
		    "certificate" },
		{ TLS_VERIFY_CA, "other.test", false, NULL },
		{ TLS_VERIFY_CA, NULL, false, NULL },
		{ TLS_VERIFY_CA, "db.test", true, "certificate "
		    "verification failed: unable to get local issuer "
		    "certificate" },
		{ TLS_REQUIRE, "other.test", true, NULL },
		{ TLS_REQUIRE, "127.0.0.2", true, NULL },
	};
	struct tls_settings	of_server, of_client;

	begin();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		of_server = (struct tls_settings){
		    .cert_file = server.cert_file,
		    .key_file = server.key_file };
		of_client = (struct tls_settings){ .mode = cases[i].mode,
		    .ca_file = cases[i].is_strange ? stranger.cert_file :
		    authority.cert_file };
		shake(&of_server, &of_client, cases[i].name);
		ck_assert_msg(back.secured == (cases[i].error == NULL), "%zu",
		    i);
		if (cases[i].error != NULL)
			ck_assert_str_eq(stream_error(&back.stream),
			    cases[i].error);
		hang_up();
	}
	finish();
}
END_TEST

/*
 * Client certificates.
 */

/* In TLS 1.3 the client learns of a refusal only when it reads. */
static void
shake_with_client_certificate(enum tls_mode mode, bool asks,
    const struct certificate *shown)
{
	struct tls_settings	of_server = { .mode = mode };
	struct tls_settings	of_client = { .mode = TLS_REQUIRE };

	of_server.ca_file = asks ? authority.cert_file : NULL;
	if (shown != NULL) {
		of_client.cert_file = shown->cert_file;
		of_client.key_file = shown->key_file;
	}
	shake(&of_server, &of_client, NULL);
}

START_TEST(a_client_certificate_tells_its_name)
{
	char	text[256], small[5];

	begin();
	shake_with_client_certificate(TLS_VERIFY_FULL, true, &client);
	ck_assert_int_eq(front.secured, 1);
	ck_assert(tls_peer_common_name(&front.stream, text, sizeof text));
	ck_assert_str_eq(text, "alice");
	/* A name that was cut would be another name. */
	ck_assert(!tls_peer_common_name(&front.stream, small,
	    sizeof small));
	hang_up();
	finish();
}
END_TEST

START_TEST(a_name_with_a_nul_inside_is_no_name)
{
	struct certificate	evil = { 0 };
	char			text[256];

	begin();
	certificate_make(&evil, &authority, "alice\0.evil", 11, NULL,
	    EVP_sha256());
	certificate_write(&evil, "evil");
	shake_with_client_certificate(TLS_VERIFY_CA, true, &evil);
	ck_assert_int_eq(front.secured, 1);
	ck_assert(!tls_peer_common_name(&front.stream, text, sizeof text));
	hang_up();
	certificate_free(&evil);
	finish();
}
END_TEST

START_TEST(verify_ca_demands_a_client_certificate)
{
	char	text[64];

	begin();
	shake_with_client_certificate(TLS_VERIFY_CA, true, NULL);
	ck_assert_int_eq(front.failed, 1);
	ck_assert_str_eq(stream_error(&front.stream),
	    "TLS failed: peer did not return a certificate");
	RUN_UNTIL(loop, back.failed == 1);
	ck_assert_int_eq(back.last, STREAM_ERROR);
	hang_up();

	shake_with_client_certificate(TLS_PREFER, true, NULL);
	ck_assert_int_eq(front.secured, 1);
	ck_assert(!tls_peer_common_name(&front.stream, text, sizeof text));
	hang_up();
	finish();
}
END_TEST

START_TEST(a_client_certificate_of_a_stranger_is_refused)
{
	struct certificate	unknown = { 0 };

	begin();
	certificate_make(&unknown, &stranger, "alice", 5, NULL,
	    EVP_sha256());
	certificate_write(&unknown, "unknown");
	shake_with_client_certificate(TLS_VERIFY_FULL, true, &unknown);
	ck_assert_int_eq(front.failed, 1);
	hang_up();
	shake_with_client_certificate(TLS_PREFER, true, &unknown);
	ck_assert_int_eq(front.failed, 1);
	hang_up();
	certificate_free(&unknown);
	finish();
}
END_TEST

START_TEST(a_client_certificate_that_nobody_asked_for_names_nobody)
{
	char	text[64];

	begin();
	shake_with_client_certificate(TLS_REQUIRE, false, &client);
	ck_assert_int_eq(front.secured, 1);
	ck_assert(!tls_peer_common_name(&front.stream, text, sizeof text));
	hang_up();
	finish();
}
END_TEST

/*
 * Channel binding.
 */

static void
end_point_is(const EVP_MD *signed_with, const EVP_MD *hashed_with)
{
	struct certificate	signed_so = { 0 };
	struct tls_settings	of_server = { .ciphers =
				    "DEFAULT:@SECLEVEL=0" };
	struct tls_settings	of_client = of_server;
	uint8_t			a[64], b[64], right[64];
	unsigned int		n;

	certificate_make(&signed_so, &authority, "db.test", 7, NULL,
	    signed_with);
	certificate_write(&signed_so, "signed");
	of_server.cert_file = signed_so.cert_file;
	of_server.key_file = signed_so.key_file;
	shake(&of_server, &of_client, NULL);
	ck_assert_int_eq(front.secured, 1);
	ck_assert_int_eq(X509_digest(signed_so.x509, hashed_with, right, &n),
	    1);
	ck_assert_int_eq(tls_server_end_point(&front.stream, true, a), n);
	ck_assert_int_eq(tls_server_end_point(&back.stream, false, b), n);
	ck_assert_mem_eq(a, right, n);
	ck_assert_mem_eq(b, right, n);
	/* The client showed none. */
	ck_assert_int_eq(tls_server_end_point(&front.stream, false, a), 0);
	hang_up();
	certificate_free(&signed_so);
}

START_TEST(the_end_point_is_hashed_as_its_signature_but_never_with_sha1)
{
	begin();
	end_point_is(EVP_sha256(), EVP_sha256());
	end_point_is(EVP_sha384(), EVP_sha384());
	end_point_is(EVP_sha512(), EVP_sha512());
	end_point_is(EVP_sha1(), EVP_sha256());
	finish();
}
END_TEST

START_TEST(the_end_point_of_a_self_made_certificate_is_known_to_both)
{
	uint8_t	a[64], b[64];

	begin();
	shake(&plain_server, &plain_client, NULL);
	ck_assert_int_eq(tls_server_end_point(&front.stream, true, a), 32);
	ck_assert_int_eq(tls_server_end_point(&back.stream, false, b), 32);
	ck_assert_mem_eq(a, b, 32);
	hang_up();
	finish();
}
END_TEST

CHECK_MAIN("tls_names", verify_full_checks_the_chain_and_the_name,
    a_client_certificate_tells_its_name,
    a_name_with_a_nul_inside_is_no_name,
    verify_ca_demands_a_client_certificate,
    a_client_certificate_of_a_stranger_is_refused,
    a_client_certificate_that_nobody_asked_for_names_nobody,
    the_end_point_is_hashed_as_its_signature_but_never_with_sha1,
    the_end_point_of_a_self_made_certificate_is_known_to_both)
