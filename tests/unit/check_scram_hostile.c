/*
 * wire/scram: peers that lie, about lengths, limits, order and what they know.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"

#include "check_scram.h"

/* What a server with TLS binds to. */
static const char	binding[32] = "the hash of a certificate......";

/* What a server with or without TLS says to this initial response. */
static enum scram_result
initial(bool has_tls, const char *mechanism, const char *text)
{
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	enum scram_result	 result;
	struct get		 get;

	server = scram_server_new("me", "pencil", PASSWORD_PLAIN,
	    has_tls ? binding : NULL, has_tls ? 32 : 0);
	put_sasl_initial(&in, mechanism, text, strlen(text));
	get = body(&in, MSG_PASSWORD);
	result = scram_server_step(server, get.at, get_left(&get), &out);
	ck_assert_int_eq(buf_length(&out) != 0, result == SCRAM_CONTINUE);
	if (result != SCRAM_CONTINUE)
		ck_assert_int_eq(scram_server_step(server, get.at,
		    get_left(&get), &out), SCRAM_BAD);
	scram_server_free(server);
	buf_done(&in);
	buf_done(&out);
	return result;
}

START_TEST(the_channel_binding_flag_must_fit_the_mechanism)
{
	static const struct {
		bool		 has_tls;
		const char	*mechanism, *header;
		bool		 is_good;
	} cases[] = {
		{ false, "SCRAM-SHA-256", "n,,", true },
		{ false, "SCRAM-SHA-256", "y,,", true },
		{ true, "SCRAM-SHA-256", "n,,", true },
		{ true, "SCRAM-SHA-256", "y,,", false },
		{ true, "SCRAM-SHA-256", "p=tls-server-end-point,,", false },
		{ true, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,",
		    true },
		{ true, "SCRAM-SHA-256-PLUS", "p=tls-unique,,", false },
		{ true, "SCRAM-SHA-256-PLUS", "p=tls-server-end-poin,,",
		    false },
		{ true, "SCRAM-SHA-256-PLUS", "p=tls-server-end-points,,",
		    false },
		{ true, "SCRAM-SHA-256-PLUS", "n,,", false },
		{ true, "SCRAM-SHA-256-PLUS", "y,,", false },
		{ false, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,",
		    false },
		{ false, "SCRAM-SHA-1", "n,,", false },
		{ false, "", "n,,", false },
		{ false, "SCRAM-SHA-256", "x,,", false },
		{ false, "SCRAM-SHA-256", "n,", false },
		{ false, "SCRAM-SHA-256", "n,a=you,", false },
		{ false, "SCRAM-SHA-256", "", false },
	};
	char				 text[128];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		snprintf(text, sizeof text, "%sn=,r=abc", cases[i].header);
		ck_assert_int_eq(initial(cases[i].has_tls,
		    cases[i].mechanism, text), cases[i].is_good ?
		    SCRAM_CONTINUE : SCRAM_BAD);
	}
}
END_TEST

START_TEST(a_malformed_first_message_is_bad)
{
	static const char *const	bad[] = {
		"", "n", "n,", "n,,", "n,,n=", "n,,n=,", "n,,n=,r=",
		"n,,n=,r=a\177b", "n,,n=,r=a b", "n,,r=abc", "n,,n=r=abc",
		"n,,m=x,n=,r=abc", "n,,n=,m=x,r=abc", "n,,n=,r=\xc3\xa4",
		"n,,n=,r=abc,", ",,n=,r=abc", "n,n=,r=abc", "p=,,n=,r=abc",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(initial(false, "SCRAM-SHA-256", bad[i]) ==
		    SCRAM_BAD, "%s", bad[i]);
	ck_assert_int_eq(initial(false, "SCRAM-SHA-256", "n,,n=,r=abc,x=1"),
	    SCRAM_CONTINUE);
}
END_TEST

START_TEST(an_initial_response_lies_about_no_length)
{
	static const uint32_t	lengths[] = {
		0, 10, 12, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};
	static const char	first[] = "n,,n=,r=abc";
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	uint8_t			*copy;
	size_t			 n;

	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
		put_string(&in, "SCRAM-SHA-256");
		put_u32(&in, lengths[i]);
		put_bytes(&in, first, strlen(first));
		server = scram_server_new("me", "pencil", PASSWORD_PLAIN,
		    NULL, 0);
		ck_assert_int_eq(scram_server_step(server, buf_bytes(&in),
		    buf_length(&in), &out), SCRAM_BAD);
		scram_server_free(server);
		buf_clear(&in);
	}
	/* Cut off anywhere, in memory of exactly the size. */
	put_string(&in, "SCRAM-SHA-256");
	put_u32(&in, strlen(first));
	put_bytes(&in, first, strlen(first));
	for (n = 0; n < buf_length(&in); n++) {
		copy = malloc(n + 1);
		memcpy(copy + 1, buf_bytes(&in), n);
		server = scram_server_new("me", "pencil", PASSWORD_PLAIN,
		    NULL, 0);
		ck_assert_int_eq(scram_server_step(server, copy + 1, n, &out),
		    SCRAM_BAD);
		scram_server_free(server);
		free(copy);
	}
	ck_assert_uint_eq(buf_length(&out), 0);
	buf_done(&in);
}
END_TEST

START_TEST(an_initial_response_without_data_is_asked_for_it)
{
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	struct get		 get;

	server = scram_server_new("me", "pencil", PASSWORD_PLAIN, NULL, 0);
	put_string(&in, "SCRAM-SHA-256");
	put_u32(&in, (uint32_t)-1);
	ck_assert_int_eq(scram_server_step(server, buf_bytes(&in),
	    buf_length(&in), &out), SCRAM_CONTINUE);
	get = body(&out, MSG_AUTH);
	ck_assert_uint_eq(get_u32(&get), MSG_AUTH_SASL_CONTINUE);
	ck_assert(get_is_done(&get));
	buf_clear(&out);
	ck_assert_int_eq(scram_server_step(server,
	    (const uint8_t *)"n,,n=,r=abc", 11, &out), SCRAM_CONTINUE);
	get = body(&out, MSG_AUTH);
	ck_assert_uint_eq(get_u32(&get), MSG_AUTH_SASL_CONTINUE);
	ck_assert_uint_gt(get_left(&get), 5);
	ck_assert_mem_eq(get.at, "r=abc", 5);
	scram_server_free(server);
	buf_done(&in);
	buf_done(&out);
}
END_TEST

/* What a server that said RFC_ANSWER says to a last message. */
static enum scram_result
server_final(const char *text, size_t n)
{
	static const char	 first[] = RFC_FIRST;
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	enum scram_result	 result;
	struct get		 get;

	server = scram_server_new("user", RFC_VERIFIER, PASSWORD_PLAIN, NULL,
	    0);
	scram_server_set_nonce(server, RFC_NONCE_ADDED);
	put_sasl_initial(&in, "SCRAM-SHA-256", first, strlen(first));
	get = body(&in, MSG_PASSWORD);
	scram_server_step(server, get.at, get_left(&get), &out);
	buf_clear(&out);
	result = scram_server_step(server, (const uint8_t *)text, n, &out);
	ck_assert_int_eq(buf_length(&out) != 0, result == SCRAM_DONE);
	ck_assert_int_eq(scram_server_step(server, (const uint8_t *)text, n,
	    &out), SCRAM_BAD);
	scram_server_free(server);
	buf_done(&in);
	buf_done(&out);
	return result;
}

START_TEST(no_byte_of_the_last_message_may_be_wrong_or_missing)
{
	static const char	good[] = RFC_BARE RFC_PROOF;
	char			text[sizeof good];

	ck_assert_int_eq(server_final(good, strlen(good)), SCRAM_DONE);
	for (size_t i = 0; i < strlen(good); i++) {
		ck_assert_int_eq(server_final(good, i), SCRAM_BAD);
		memcpy(text, good, sizeof text);
		text[i] ^= 4;
		ck_assert_int_ne(server_final(text, strlen(good)),
		    SCRAM_DONE);
		text[i] = '\0';
		ck_assert_int_eq(server_final(text, strlen(good)), SCRAM_BAD);
	}
}
END_TEST

START_TEST(a_malformed_last_message_is_bad)
{
	static const char *const	bad[] = {
		RFC_BARE, RFC_BARE ",p=", RFC_BARE ",p=AAAA",
		RFC_BARE RFC_PROOF ",x=1", RFC_BARE RFC_PROOF ",",
		RFC_BARE ",,p=AAAA", RFC_BARE ",x" RFC_PROOF,
		RFC_BARE ",1=2" RFC_PROOF, "r=" RFC_NONCE RFC_PROOF,
		"c=biws" RFC_PROOF, "c=biws,r=" RFC_NONCE RFC_PROOF,
		"c=eSws,r=" RFC_NONCE RFC_NONCE_ADDED RFC_PROOF,
		"c=,r=" RFC_NONCE RFC_NONCE_ADDED RFC_PROOF, "p=", "c=biws",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(server_final(bad[i], strlen(bad[i])) ==
		    SCRAM_BAD, "%s", bad[i]);
	/* An extension is allowed, but the proof covers it. */
	ck_assert_int_eq(server_final(RFC_BARE ",x=1" RFC_PROOF,
	    strlen(RFC_BARE ",x=1" RFC_PROOF)), SCRAM_REFUSED);
}
END_TEST

/* What a client says to a server's first message. */
static enum scram_result
client_first(const char *text)
{
	struct buf		 out = { 0 };
	struct scram_client	*client = rfc_client(&out);
	enum scram_result	 result;

	buf_clear(&out);
	result = client_step(client, MSG_AUTH_SASL_CONTINUE, text, &out);
	ck_assert_int_eq(buf_length(&out) != 0, result == SCRAM_CONTINUE);
	if (result != SCRAM_CONTINUE) {
		ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_CONTINUE,
		    RFC_ANSWER, &out), SCRAM_BAD);
		ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL,
		    RFC_SIGNATURE, &out), SCRAM_BAD);
	}
	ck_assert(!scram_client_is_done(client));
	scram_client_free(client);
	buf_done(&out);
	return result;
}

START_TEST(a_hostile_server_is_refused)
{
#define NONCE	"r=" RFC_NONCE RFC_NONCE_ADDED
#define SALT	",s=W22ZaJ0SNY7soEsUEjb6gQ=="
	static const char *const	bad[] = {
		"", NONCE, NONCE SALT, NONCE SALT ",i=", NONCE SALT ",i=0",
		NONCE SALT ",i=-1", NONCE SALT ",i=10000001",
		NONCE SALT ",i=2147483648", NONCE SALT ",i=4294967297",
		NONCE SALT ",i=99999999999999999999", NONCE SALT ",i=4096x",
		NONCE SALT ",i=4096,", NONCE SALT ",i=4096,x=1",
		NONCE ",s=,i=4096", NONCE ",s=W,i=4096", NONCE ",i=4096",
		NONCE ",s=W22ZaJ0SNY7soEsUEjb6g,i=4096",
		"m=x," NONCE SALT ",i=4096", "r=" SALT ",i=4096",
		"r=" RFC_NONCE SALT ",i=4096", "r=xyz" SALT ",i=4096",
		"r=x" RFC_NONCE "x" SALT ",i=4096",
		"r=" RFC_NONCE "\x01" SALT ",i=4096",
		"e=other-error",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(client_first(bad[i]) == SCRAM_BAD, "%s",
		    bad[i]);
	ck_assert_int_eq(client_first(NONCE SALT ",i=1"), SCRAM_CONTINUE);
}
END_TEST

START_TEST(long_nonces_and_salts_end_at_their_limits)
{
	static const size_t	nonces[] = { 1023, 1024, 1025, 65536 };
	static const size_t	salts[] = { 1, 1024, 1025, 65536 };
	uint8_t			bytes[65536] = { 0 };
	char			*padding, *salt, *text;
	size_t			 n;

	for (size_t i = 0; i < ARRAY_LENGTH(nonces); i++) {
		n = nonces[i] - strlen(RFC_NONCE);
		padding = mem_string_n((char *)bytes, n);
		memset(padding, 'x', n);
		text = mem_printf("r=" RFC_NONCE "%s" SALT ",i=1", padding);
		ck_assert_int_eq(client_first(text), nonces[i] <= 1024 ?
		    SCRAM_CONTINUE : SCRAM_BAD);
		free(text);
		text = mem_printf("n,,n=,r=" RFC_NONCE "%s", padding);
		ck_assert_int_eq(initial(false, "SCRAM-SHA-256", text),
		    nonces[i] <= 1024 ? SCRAM_CONTINUE : SCRAM_BAD);
		free(text);
		free(padding);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(salts); i++) {
		salt = mem_new(BASE64_CHARS(salts[i]) + 1);
		base64_encode(bytes, salts[i], salt);
		text = mem_printf("%s,s=%s,i=1", NONCE, salt);
		ck_assert_int_eq(client_first(text), salts[i] <= 1024 ?
		    SCRAM_CONTINUE : SCRAM_BAD);
		free(text);
		free(salt);
	}
}
END_TEST

START_TEST(a_server_that_does_not_know_the_password_is_refused)
{
	static const char	 good[] = RFC_SIGNATURE;
	static const char *const bad[] = {
		"", "v=", "v=AAAA", "x", RFC_SIGNATURE ",x=1",
		RFC_SIGNATURE ",",
	};
	struct buf		 out = { 0 };
	struct scram_client	*client;
	char			 text[sizeof good];

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		client = rfc_client(&out);
		client_step(client, MSG_AUTH_SASL_CONTINUE, RFC_ANSWER, &out);
		ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL, bad[i],
		    &out), SCRAM_BAD);
		scram_client_free(client);
	}
	for (size_t i = 2; i < strlen(good) - 2; i++) {
		client = rfc_client(&out);
		client_step(client, MSG_AUTH_SASL_CONTINUE, RFC_ANSWER, &out);
		memcpy(text, good, sizeof text);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL, text,
		    &out), SCRAM_REFUSED);
		ck_assert(!scram_client_is_done(client));
		ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL, good,
		    &out), SCRAM_BAD);
		scram_client_free(client);
	}
	client = rfc_client(&out);
	client_step(client, MSG_AUTH_SASL_CONTINUE, RFC_ANSWER, &out);
	ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL,
	    "e=invalid-proof", &out), SCRAM_REFUSED);
	ck_assert_ptr_nonnull(strstr(scram_client_error(client),
	    "invalid-proof"));
	scram_client_free(client);
	buf_done(&out);
}
END_TEST

START_TEST(messages_out_of_order_are_bad)
{
	static const uint32_t	 codes[] = { MSG_AUTH_OK, MSG_AUTH_CLEARTEXT, MSG_AUTH_MD5,
				    MSG_AUTH_SASL_CONTINUE, MSG_AUTH_SASL_FINAL, 99 };
	struct scram_client	*client;
	struct buf		 out = { 0 };

	for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
		client = scram_client_new("pencil", NULL, SCRAM_BINDING_PREFER,
		    NULL, 0);
		ck_assert_int_eq(client_step(client, codes[i], RFC_SIGNATURE,
		    &out), SCRAM_BAD);
		ck_assert_uint_eq(buf_length(&out), 0);
		scram_client_free(client);
	}
	client = rfc_client(&out);
	ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL, RFC_SIGNATURE,
	    &out), SCRAM_BAD);
	scram_client_free(client);
	buf_done(&out);
}
END_TEST

START_TEST(a_list_of_mechanisms_must_be_whole_and_have_ours)
{
	static const struct { const char *bytes; size_t n; } bad[] = {
		{ "", 0 }, { "\0", 1 }, { "SCRAM-SHA-256", 13 },
		{ "SCRAM-SHA-256\0", 14 }, { "SCRAM-SHA-256\0\0x", 16 },
		{ "SCRAM-SHA-1\0\0", 13 }, { "SCRAM-SHA-256-PLUS\0\0", 20 },
	};
	struct scram_client	*client;
	struct buf		 out = { 0 };

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		client = scram_client_new("pencil", NULL, SCRAM_BINDING_PREFER,
		    NULL, 0);
		ck_assert_int_eq(scram_client_step(client, MSG_AUTH_SASL,
		    (const uint8_t *)bad[i].bytes, bad[i].n, &out), SCRAM_BAD);
		scram_client_free(client);
	}
	ck_assert_uint_eq(buf_length(&out), 0);
}
END_TEST

CHECK_MAIN("scram_hostile",
    the_channel_binding_flag_must_fit_the_mechanism,
    a_malformed_first_message_is_bad,
    an_initial_response_lies_about_no_length,
    an_initial_response_without_data_is_asked_for_it,
    no_byte_of_the_last_message_may_be_wrong_or_missing,
    a_malformed_last_message_is_bad,
    a_hostile_server_is_refused,
    long_nonces_and_salts_end_at_their_limits,
    a_server_that_does_not_know_the_password_is_refused,
    messages_out_of_order_are_bad,
    a_list_of_mechanisms_must_be_whole_and_have_ours)
