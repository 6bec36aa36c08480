/*
 * net/tls.h: contexts and their settings.
 */

#include "check_tls.h"

START_TEST(without_files_a_certificate_is_made_that_serves_require)
{
	struct tls_settings	require = { .mode = TLS_REQUIRE };
	char			text[128];

	begin();
	shake(&plain_server, &require, "db.test");
	ck_assert_int_eq(front.secured + back.secured, 2);
	tls_describe(&front.stream, text, sizeof text);
	ck_assert_str_eq(text, "TLSv1.3/TLS_AES_256_GCM_SHA384");
	tls_describe(&back.stream, text, sizeof text);
	ck_assert_str_eq(text, "TLSv1.3/TLS_AES_256_GCM_SHA384");
	hang_up();
	finish();
}
END_TEST

START_TEST(a_self_made_certificate_proves_nothing)
{
	struct tls_settings	verify = { .mode = TLS_VERIFY_CA };

	begin();
	verify.ca_file = authority.cert_file;
	shake(&plain_server, &verify, NULL);
	ck_assert_int_eq(back.failed, 1);
	ck_assert_str_eq(stream_error(&back.stream), "certificate "
	    "verification failed: self-signed certificate");
	hang_up();
	finish();
}
END_TEST

START_TEST(a_self_made_certificate_can_always_be_read)
{
	/* One serial number in 256 has a byte of zero in front. */
	for (int i = 0; i < 2000; i++) {
		unsigned char		*bytes = NULL;
		const unsigned char	*at;
		X509			*made, *again;
		EVP_PKEY		*key;
		int			 n;

		ck_assert(tls_self_make(&key, &made));
		n = i2d_X509(made, &bytes);
		at = bytes;
		again = d2i_X509(NULL, &at, n);
		ck_assert_ptr_nonnull(again);
		ck_assert_int_eq(X509_check_purpose(again, -1, 0), 1);
		X509_free(again);
		X509_free(made);
		EVP_PKEY_free(key);
		OPENSSL_free(bytes);
	}
}
END_TEST

START_TEST(a_plain_stream_has_nothing_to_say)
{
	struct stream	plain = { .fd = -1 };
	char		text[64] = "x";
	uint8_t		digest[64];

	tls_describe(&plain, text, sizeof text);
	ck_assert_str_eq(text, "");
	ck_assert(!tls_has_alpn(&plain));
	ck_assert_int_eq(tls_server_end_point(&plain, true, digest), 0);
	ck_assert_int_eq(tls_server_end_point(&plain, false, digest), 0);
	ck_assert(!tls_peer_common_name(&plain, text, sizeof text));
}
END_TEST

/*
 * Settings.
 */

START_TEST(protocols_are_limited_on_both_ends)
{
	static const struct {
		const char	*server, *client, *agreed;	/* NULL: none */
	} cases[] = {
		{ "secure", "secure", "TLSv1.3/" },
		{ "tlsv1.2", "secure", "TLSv1.2/" },
		{ "secure", "tlsv1.2", "TLSv1.2/" },
		{ "tlsv1.2,tlsv1.3", "all", "TLSv1.3/" },
		{ "TLSv1.2, TLSv1.3", "default", "TLSv1.3/" },
		{ "tlsv1.3", "tlsv1.2", NULL },
		{ "", "tlsv1.3", "TLSv1.3/" },
	};
	struct tls_settings	a = { 0 }, b = { 0 };
	char			text[128];

	begin();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		a.protocols = cases[i].server;
		b.protocols = cases[i].client;
		shake(&a, &b, NULL);
		ck_assert_int_eq(front.secured, cases[i].agreed != NULL);
		if (cases[i].agreed != NULL) {
			tls_describe(&front.stream, text, sizeof text);
			ck_assert_int_eq(strncmp(text, cases[i].agreed, 8),
			    0);
		}
		hang_up();
	}
	finish();
}
END_TEST

START_TEST(ciphers_and_curves_are_what_was_set)
{
	struct tls_settings	a = { .protocols = "tlsv1.2",
				    .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
				    .ecdhcurve = "X25519:P-256",
				    .dheparams = "none" };
	struct tls_settings	b = { .ciphers13 =
				    "TLS_CHACHA20_POLY1305_SHA256",
				    .ciphers = "secure",
				    .ecdhcurve = "auto" };
	char			text[128];

	begin();
	shake(&a, &b, NULL);
	tls_describe(&back.stream, text, sizeof text);
	ck_assert_str_eq(text, "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256");
	hang_up();
	a.protocols = "all";
	a.ciphers = "default";
	shake(&a, &b, NULL);
	tls_describe(&back.stream, text, sizeof text);
	ck_assert_str_eq(text, "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256");
	hang_up();
	finish();
}
END_TEST

static void
write_locked_key(const char *path)
{
	FILE	*file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(PEM_write_PrivateKey(file, server.key,
	    EVP_aes_256_cbc(), (const unsigned char *)"secret", 6, NULL,
	    NULL), 1);
	fclose(file);
}

START_TEST(bad_settings_are_refused_with_a_sentence_that_names_them)
{
	char	locked[128];

	begin();
	snprintf(locked, sizeof locked, "%s/locked.key", certificates_dir);
	write_locked_key(locked);
	struct {
		struct tls_settings	 settings;
		const char		*names;
	} cases[] = {
		{ { .cert_file = "/nowhere/a.crt" }, "/nowhere/a.crt" },
		{ { .cert_file = server.cert_file,
		    .key_file = "/nowhere/a.key" }, "/nowhere/a.key" },
		{ { .cert_file = server.cert_file,
		    .key_file = client.key_file }, "key" },
		{ { .cert_file = server.cert_file }, server.cert_file },
		{ { .cert_file = server.cert_file, .key_file = locked },
		    locked },
		{ { .cert_file = server.key_file }, server.key_file },
		{ { .ca_file = "/nowhere/ca.crt" }, "/nowhere/ca.crt" },
		{ { .ca_file = server.key_file }, server.key_file },
		{ { .protocols = "tlsv1.4" }, "tlsv1.4" },
		{ { .protocols = "," }, "," },
		{ { .ciphers = "NO-SUCH" }, "NO-SUCH" },
		{ { .ciphers13 = "TLS_NO_SUCH" }, "TLS_NO_SUCH" },
		{ { .ecdhcurve = "no-such" }, "no-such" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char	error[256] = "";
		bool	self_signed;

		ck_assert_msg(tls_context_new_server(&cases[i].settings,
		    &self_signed, error, sizeof error) == NULL, "%zu", i);
		ck_assert_msg(strstr(error, cases[i].names) != NULL, "%s",
		    error);
		error[0] = '\0';
		ck_assert_msg(tls_context_new_client(&cases[i].settings,
		    error, sizeof error) == NULL, "%zu", i);
		ck_assert_msg(strstr(error, cases[i].names) != NULL, "%s",
		    error);
	}
	unlink(locked);
	finish();
}
END_TEST

START_TEST(verify_without_authorities_is_refused_on_the_front_side)
{
	struct tls_settings	settings = { .mode = TLS_VERIFY_CA };
	char			error[256];
	bool			self_signed;

	ck_assert_ptr_null(tls_context_new_server(&settings, &self_signed,
	    error, sizeof error));
	ck_assert_str_eq(error, "verify-ca needs a CA file to check client "
	    "certificates with");
}
END_TEST

/*
 * ALPN: the client side of ours offers none, so one is put in by hand.
 */

static void
shake_with_alpn(const unsigned char *offered, unsigned int n)
{
	struct tls_context	*a = new_server(&plain_server);
	struct tls_context	*b = new_client(&plain_client);
	int			 fds[2];

	ck_assert_int_eq(SSL_CTX_set_alpn_protos(b->ssl, offered, n), 0);
	net_pair(fds, 0);
	end_open(&front, loop, fds[0]);
	end_open(&back, loop, fds[1]);
	ck_assert(stream_start_tls(&front.stream, a, true, NULL));
	ck_assert(stream_start_tls(&back.stream, b, false, NULL));
	RUN_UNTIL(loop, front.secured + front.failed > 0 &&
	    back.secured + back.failed > 0);
	tls_context_free(a);
	tls_context_free(b);
}

START_TEST(alpn_is_postgresql_or_nothing)
{
	static const unsigned char	right[] = "\002h2\012postgresql";
	static const unsigned char	wrong[] = "\002h2\010http/1.1";
	static const unsigned char	close[] = "\011postgresq";

	loop = loop_new(0);
	shake(&plain_server, &plain_client, NULL);
	ck_assert(!tls_has_alpn(&front.stream));
	ck_assert(!tls_has_alpn(&back.stream));
	hang_up();
	shake_with_alpn(right, sizeof right - 1);
	ck_assert(tls_has_alpn(&front.stream));
	ck_assert(tls_has_alpn(&back.stream));
	hang_up();
	shake_with_alpn(wrong, sizeof wrong - 1);
	ck_assert_int_eq(front.failed, 1);
	ck_assert_int_eq(back.failed, 1);
	hang_up();
	shake_with_alpn(close, sizeof close - 1);
	ck_assert_int_eq(front.failed, 1);
	hang_up();
	loop_free(loop);
}
END_TEST

CHECK_MAIN("tls", without_files_a_certificate_is_made_that_serves_require,
    a_self_made_certificate_proves_nothing,
    a_self_made_certificate_can_always_be_read,
    a_plain_stream_has_nothing_to_say,
    protocols_are_limited_on_both_ends,
    ciphers_and_curves_are_what_was_set,
    bad_settings_are_refused_with_a_sentence_that_names_them,
    verify_without_authorities_is_refused_on_the_front_side,
    alpn_is_postgresql_or_nothing)
