/*
 * net/tls.h: contexts, and what a connection made with them says of itself.
 * The bytes that flow are in check_stream_tls.c.
 */

#include "check_certificates.h"
#include "check_net.h"
#include "net/tls.h"
#include "net/tls_private.h"

static struct loop		*loop;
static struct end		 front, back;	/* server, client */
static struct certificate	 authority, server, client, stranger;

static void
begin(void)
{
	certificates_begin();
	certificate_make(&authority, NULL, "Test CA", 7, NULL, EVP_sha256());
	certificate_write(&authority, "ca");
	certificate_make(&stranger, NULL, "Other CA", 8, NULL, EVP_sha256());
	certificate_write(&stranger, "stranger");
	certificate_make(&server, &authority, "db.test", 7,
	    "DNS:db.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1", EVP_sha256());
	certificate_write(&server, "server");
	certificate_make(&client, &authority, "alice", 5, NULL,
	    EVP_sha256());
	certificate_write(&client, "client");
	loop = loop_new(0);
}

static void
finish(void)
{
	certificate_free(&client);
	certificate_free(&server);
	certificate_free(&stranger);
	certificate_free(&authority);
	certificates_end();
	loop_free(loop);
}

static struct tls_context *
new_server(const struct tls_settings *settings)
{
	struct tls_context	*context;
	char			 error[256] = "";
	bool			 self_signed;

	context = tls_context_new_server(settings, &self_signed, error,
	    sizeof error);
	ck_assert_msg(context != NULL, "%s", error);
	ck_assert_int_eq(self_signed, settings->cert_file == NULL);
	return context;
}

static struct tls_context *
new_client(const struct tls_settings *settings)
{
	struct tls_context	*context;
	char			 error[256] = "";

	context = tls_context_new_client(settings, error, sizeof error);
	ck_assert_msg(context != NULL, "%s", error);
	return context;
}

/* Both sides shake hands until each has an outcome. */
static void
shake(const struct tls_settings *of_server,
    const struct tls_settings *of_client, const char *name)
{
	struct tls_context	*a = new_server(of_server);
	struct tls_context	*b = new_client(of_client);
	int			 fds[2];

	net_pair(fds, 0);
	end_open(&front, loop, fds[0]);
	end_open(&back, loop, fds[1]);
	ck_assert(stream_start_tls(&front.stream, a, true, NULL));
	ck_assert(stream_start_tls(&back.stream, b, false, name));
	/* A connection keeps what it needs of its context. */
	tls_context_release(a);
	tls_context_release(b);
	RUN_UNTIL(loop, front.secured + front.failed > 0 &&
	    back.secured + back.failed > 0);
}

static void
hang_up(void)
{
	end_close(&front);
	end_close(&back);
}

static const struct tls_settings	plain_server, plain_client;

START_TEST(every_mode_has_its_name_and_nothing_else_has)
{
	static const char	*const names[] = { "disable", "allow",
		"prefer", "require", "verify-ca", "verify-full" };
	static const char	*const others[] = { "", "Require", "verify",
		"verify-full ", "on" };
	enum tls_mode		 mode;

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		ck_assert(tls_mode_parse(names[i], &mode));
		ck_assert_int_eq(mode, i);
		ck_assert_str_eq(tls_mode_name(mode), names[i]);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		ck_assert(!tls_mode_parse(others[i], &mode));
}
END_TEST

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
	SSL_CTX	*ssl = SSL_CTX_new(TLS_server_method());

	/* One serial number in 256 has a byte of zero in front. */
	for (int i = 0; i < 2000; i++) {
		unsigned char		*bytes = NULL;
		const unsigned char	*at;
		X509			*again;
		int			 n;

		ck_assert(tls_self_sign(ssl));
		n = i2d_X509(SSL_CTX_get0_certificate(ssl), &bytes);
		at = bytes;
		again = d2i_X509(NULL, &at, n);
		ck_assert_ptr_nonnull(again);
		ck_assert_int_eq(X509_check_purpose(again, -1, 0), 1);
		X509_free(again);
		OPENSSL_free(bytes);
	}
	SSL_CTX_free(ssl);
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
	ck_assert(!tls_peer_subject(&plain, text, sizeof text));
}
END_TEST

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

START_TEST(a_client_certificate_tells_its_name_and_subject)
{
	char	text[256], small[5];

	begin();
	shake_with_client_certificate(TLS_VERIFY_FULL, true, &client);
	ck_assert_int_eq(front.secured, 1);
	ck_assert(tls_peer_common_name(&front.stream, text, sizeof text));
	ck_assert_str_eq(text, "alice");
	ck_assert(tls_peer_subject(&front.stream, text, sizeof text));
	ck_assert_str_eq(text, "CN=alice,O=Acme\\, Inc.");
	/* A name that was cut would be another name. */
	ck_assert(!tls_peer_common_name(&front.stream, small,
	    sizeof small));
	ck_assert(!tls_peer_subject(&front.stream, small, sizeof small));
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
	ck_assert(!tls_peer_subject(&front.stream, text, sizeof text));
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
	tls_context_release(a);
	tls_context_release(b);
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

START_TEST(a_context_lives_until_its_last_holder_lets_go)
{
	struct tls_context	*context = new_server(&plain_server);

	ck_assert_ptr_eq(tls_context_hold(context), context);
	tls_context_release(context);
	ck_assert_ptr_nonnull(SSL_CTX_get0_certificate(context->ssl));
	tls_context_release(context);
	tls_context_release(NULL);
	ck_assert_ptr_null(tls_context_hold(NULL));
}
END_TEST

CHECK_MAIN("tls", every_mode_has_its_name_and_nothing_else_has,
    without_files_a_certificate_is_made_that_serves_require,
    a_self_made_certificate_proves_nothing,
    a_self_made_certificate_can_always_be_read,
    a_plain_stream_has_nothing_to_say,
    verify_full_checks_the_chain_and_the_name,
    a_client_certificate_tells_its_name_and_subject,
    a_name_with_a_nul_inside_is_no_name,
    verify_ca_demands_a_client_certificate,
    a_client_certificate_of_a_stranger_is_refused,
    a_client_certificate_that_nobody_asked_for_names_nobody,
    the_end_point_is_hashed_as_its_signature_but_never_with_sha1,
    the_end_point_of_a_self_made_certificate_is_known_to_both,
    protocols_are_limited_on_both_ends,
    ciphers_and_curves_are_what_was_set,
    bad_settings_are_refused_with_a_sentence_that_names_them,
    verify_without_authorities_is_refused_on_the_front_side,
    alpn_is_postgresql_or_nothing,
    a_context_lives_until_its_last_holder_lets_go)
