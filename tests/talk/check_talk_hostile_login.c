/*
 * A server that speaks rubbish while we log in to it, or asks for what we do
 * not have: the client that waits for it hears which host it was, what is
 * wrong and what to do.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "talk.h"
#include "wire/msg.h"
#include "wire/scram.h"

static struct peer	*ann;

/* Ann waits for the first server of all, which has said nothing yet. */
static struct peer *
login_begins(void)
{
	struct peer	*one;

	talk_begins_cold("", "");
	ann = client_connects(1);
	says(ann, startup("u", "d"));
	one = server_arrives();
	hears(one, startup("u", "d"));
	return one;
}

/* She is told, the server is closed without a word, no place is left taken. */
static void
login_fails(struct peer *one, const char *sqlstate, const char *what)
{
	hears(ann, fatal(sqlstate, at_host(what)), the_end());
	hears(one, the_end());
	nobody_arrives();
	pool_is("0 linked, 0 idle, 0 waiting");
	talk_ends();
}

static void
login_is_rubbish(struct saying *rubbish, const char *what)
{
	struct peer	*one = login_begins();

	says(one, rubbish);
	login_fails(one, "08P01", what);
}

static struct saying *
a_whole_login(void)
{
	return all_of(auth(MSG_AUTH_OK, ""), parameter("a", "b"),
	    notice("n"), backend_key(1, 2), notification("x"), ready('I'));
}

START_TEST(an_impossible_length_during_login_names_the_host)
{
	static const char	lengths[][5] = { "\0\0\0\0", "\0\0\0\3",
				    "\377\377\377\377", "\200\0\0\0",
				    "\100\0\0\4", "\0\1\0\0" };

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (const char *type = "RSKZEN?"; *type != '\0'; type++) {
			char	head[5] = { *type };

			memcpy(head + 1, lengths[i], 4);
			login_is_rubbish(bytes(head, 5),
			    "impossible length");
		}
}
END_TEST

START_TEST(an_unknown_message_during_login_names_the_host)
{
	for (int type = 1; type < 256; type++)
		if (strchr("RSKZENAv", type) == NULL)
			login_is_rubbish(message((char)type, "x", 1),
			    "during login");
}
END_TEST

START_TEST(what_is_out_of_order_or_too_long_during_login_ends_it)
{
	static char	big[60 * 1024];

	memset(big, 'x', sizeof big - 1);
	login_is_rubbish(ready('I'), "before it has authenticated us");
	login_is_rubbish(all_of(auth(0, ""), auth(0, "")), "out of order");
	login_is_rubbish(all_of(auth(0, ""), auth(3, "")), "out of order");
	login_is_rubbish(message('R', "\0\0\0", 3), "out of order");
	login_is_rubbish(all_of(auth(0, ""), ready('T')), "not idle");
	login_is_rubbish(all_of(auth(0, ""), ready('x')), "not idle");
	login_is_rubbish(all_of(auth(0, ""), message('Z', "", 0)),
	    "not idle");
	login_is_rubbish(message('K', "1234", 4), "cancel key has 4 bytes");
	login_is_rubbish(message('K', big, 4 + 257), "cancel key");
	login_is_rubbish(all_of(backend_key(1, 2), backend_key(1, 2)),
	    "cancel key");
	login_is_rubbish(message('S', "name", 4), "parameters");
	login_is_rubbish(message('S', "", 0), "parameters");
	login_is_rubbish(all_of(parameter("a", big), parameter("b", big)),
	    "parameters are malformed or too long");
	login_is_rubbish(auth_bytes(MSG_AUTH_MD5, "123", 3),
	    "md5 salt has 3 bytes");
}
END_TEST

START_TEST(a_login_that_comes_byte_by_byte_succeeds)
{
	struct peer	*one = login_begins();

	says_slowly(one, a_whole_login());
	hears_greeting(ann);
	asks(ann, one, "x", 'I');
	talk_ends();
}
END_TEST

START_TEST(a_server_that_closes_at_any_byte_of_its_login_names_the_host)
{
	size_t	n = 1;

	for (size_t at = 0; at < n; at++) {
		struct peer	*one = login_begins();
		struct saying	*login = a_whole_login();

		n = length_of(login);
		says(one, cut(login, 0, at));
		leaves(one);
		hears(ann, fatal("08006", at_host("closed the connection "
		    "during login")), the_end());
		pool_is("0 linked, 0 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

START_TEST(an_error_during_login_is_passed_on_with_its_sqlstate)
{
	static const char	*const states[] = { "28P01", "28000", "3D000",
				    "53300", "57P03", "42501", "XX000" };

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		struct peer	*one = login_begins();

		says(one, fatal(states[i], "it says no"));
		hears(ann, fatal(states[i], "it says no"), the_end());
		hears(one, the_end());
		talk_ends();
		one = login_begins();
		says(one, auth(0, ""), fatal(states[i], "it says no"));
		hears(ann, fatal(states[i], at_host("asked for database "
		    "\"d\" as user \"u\"")), the_end());
		hears(one, the_end());
		talk_ends();
	}
}
END_TEST

START_TEST(an_error_during_login_without_anything_in_it_is_an_error)
{
	static const char	bodies[] = "\0Mx\0Cab\0\0";

	for (size_t n = 0; n < sizeof bodies; n++) {
		struct peer	*one = login_begins();

		says(one, message('E', bodies + 1, n > 0 ? n - 1 : 0));
		hears(ann, fatal("XX000", ""), the_end());
		hears(one, the_end());
		talk_ends();
	}
}
END_TEST

/*
 * Whoever waits with a statement is told at once what waiting cannot heal, and
 * waits on for anything else.
 */
START_TEST(a_refusal_that_lasts_ends_the_wait_and_another_one_does_not)
{
	struct peer	*one = talk_begins("server_login_retry = 1\n");
	struct peer	*bob = client_enters(2);

	leaves(one);
	says(bob, query("x"));
	one = server_arrives();
	hears(one, startup("u", "d"));
	says(one, fatal("28P01", "password authentication failed"));
	hears(one, the_end());
	hears(bob, error("28P01", "password authentication failed"),
	    ready('I'));
	time_passes(US_PER_SECOND);
	says(bob, query("y"));
	one = server_arrives();
	hears(one, startup("u", "d"));
	says(one, fatal("53300", "too many clients already"));
	hears(one, the_end());
	hears_nothing(bob);
	time_passes(2 * US_PER_SECOND);
	one = server_enters();
	hears(one, query("y"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

/*
 * Authentication.
 */

START_TEST(authentication_that_is_not_supported_names_the_host_and_the_cure)
{
	static const uint32_t	codes[] = { 1, 2, 4, 6, 7, 8, 9, 13, 99,
				    0x7fffffff };

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct peer	*one = login_begins();

		says(one, auth(codes[i], ""));
		login_fails(one, "0A000", "not supported...Use "
		    "scram-sha-256, md5, password or trust in its "
		    "pg_hba.conf");
	}
}
END_TEST

START_TEST(a_sasl_mechanism_that_is_not_known_names_the_host)
{
	login_is_rubbish(auth_bytes(MSG_AUTH_SASL, "SCRAM-SHA-512\0", 15),
	    "SCRAM failed");
	login_is_rubbish(auth_bytes(MSG_AUTH_SASL, "SCRAM-SHA-256-PLUS\0",
	    20), "SCRAM failed");
	login_is_rubbish(auth_bytes(MSG_AUTH_SASL, "SCRAM-SHA-256", 13),
	    "SCRAM failed");
	login_is_rubbish(auth_bytes(MSG_AUTH_SASL, "", 0), "SCRAM failed");
	login_is_rubbish(auth(MSG_AUTH_SASL_CONTINUE, "r=x,s=eHg=,i=1"),
	    "that nobody began");
	login_is_rubbish(auth(MSG_AUTH_SASL_FINAL, "v=eHg="),
	    "that nobody began");
}
END_TEST

/* The nonce of a client-first-message, which the server has just heard. */
static const char *
hears_nonce(struct peer *one)
{
	static char		 nonce[100];
	const struct buf	*body = hears_body(one, 'p');
	const char		*at = memmem(buf_bytes(body),
				    buf_length(body), ",r=", 3);
	size_t			 n;

	ck_assert_ptr_nonnull(at);
	n = buf_length(body) - (size_t)(at + 3 - (char *)buf_bytes(body));
	ck_assert_uint_lt(n, sizeof nonce);
	memcpy(nonce, at + 3, n);
	nonce[n] = '\0';
	hears_nothing(one);
	return nonce;
}

static struct peer *
scram_begins(void)
{
	struct peer	*one = login_begins();

	says(one, auth_bytes(MSG_AUTH_SASL, "SCRAM-SHA-256\0", 15));
	return one;
}

START_TEST(a_scram_challenge_that_is_wrong_ends_the_login)
{
	/* %s: the nonce that it should begin with */
	static const char	*const challenges[] = {
		"r=someotherNonce,s=c2FsdHNhbHQ=,i=4096",
		"r=%s,s=c2FsdHNhbHQ=,i=4096",
		"r=%sx,s=,i=4096",
		"r=%sx,s=====,i=4096",
		"r=%sx,s=c2FsdHNhbHQ=,i=0",
		"r=%sx,s=c2FsdHNhbHQ=,i=-1",
		"r=%sx,s=c2FsdHNhbHQ=,i=2147483647",
		"r=%sx,s=c2FsdHNhbHQ=,i=99999999999999999999",
		"r=%sx,s=c2FsdHNhbHQ=,i=",
		"r=%sx,s=c2FsdHNhbHQ=,i=4096x",
		"r=%sx,s=c2FsdHNhbHQ=",
		"r=%sx",
		"m=a,r=%sx,s=c2FsdHNhbHQ=,i=4096",
		"e=other-error",
		"",
	};

	for (size_t i = 0; i < sizeof challenges / sizeof challenges[0];
	    i++) {
		struct peer	*one = scram_begins();
		const char	*nonce = hears_nonce(one), *gap;
		char		 text[300];

		gap = strstr(challenges[i], "%s");
		snprintf(text, sizeof text, "%.*s%s%s", gap == NULL ?
		    (int)strlen(challenges[i]) : (int)(gap - challenges[i]),
		    challenges[i], gap == NULL ? "" : nonce,
		    gap == NULL ? "" : gap + 2);
		says(one, auth(MSG_AUTH_SASL_CONTINUE, text));
		login_fails(one, "08P01", "SCRAM failed: ");
	}
}
END_TEST

START_TEST(a_scram_challenge_of_any_length_is_survived)
{
	static const size_t	lengths[] = { 1000, 8192, 60000 };

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct peer	*one = scram_begins();
		char		*text = mem_new(lengths[i] + 300);
		size_t		 n;

		n = (size_t)sprintf(text, "r=%s", hears_nonce(one));
		memset(text + n, 'x', lengths[i]);
		strcpy(text + n + lengths[i], ",s=c2FsdHNhbHQ=,i=4096");
		if (i == 0) {
			/* That is allowed, and so answered. */
			says(one, auth(MSG_AUTH_SASL_CONTINUE, text));
			(void)hears_body(one, 'p');
			leaves(one);
			hears(ann, fatal("08006", ""), the_end());
			talk_ends();
		} else {
			says(one, auth(MSG_AUTH_SASL_CONTINUE, text));
			login_fails(one, "08P01", "SCRAM failed: ");
		}
		free(text);
	}
}
END_TEST

/* Up to our proof, with a server that knows the password, or another one. */
static struct peer *
scram_proves(const char *secret, struct buf *last, enum scram_result wanted)
{
	struct peer		*one = login_begins();
	struct scram_server	*scram = scram_server_new("u", secret,
				    PASSWORD_PLAIN, NULL, 0);
	struct buf		*body;

	buf_init(last);
	scram_server_start(scram, last);
	says(one, bytes(buf_bytes(last), buf_length(last)));
	buf_clear(last);
	body = hears_body(one, 'p');
	ck_assert_int_eq(scram_server_step(scram, buf_bytes(body),
	    buf_length(body), last), SCRAM_CONTINUE);
	says(one, bytes(buf_bytes(last), buf_length(last)));
	buf_clear(last);
	body = hears_body(one, 'p');
	ck_assert_int_eq(scram_server_step(scram, buf_bytes(body),
	    buf_length(body), last), wanted);
	scram_server_free(scram);
	return one;
}

START_TEST(a_server_that_proves_itself_is_used)
{
	struct buf	 last;
	struct peer	*one = scram_proves("secret", &last, SCRAM_DONE);

	says(one, bytes(buf_bytes(&last), buf_length(&last)),
	    a_whole_login());
	hears_greeting(ann);
	asks(ann, one, "x", 'I');
	buf_done(&last);
	talk_ends();
}
END_TEST

START_TEST(a_server_that_does_not_prove_itself_is_not_used)
{
	struct buf	 last;
	struct peer	*one = scram_proves("secret", &last, SCRAM_DONE);

	says(one, a_whole_login());
	login_fails(one, "08P01", "did not prove that it knows the secret");
	buf_done(&last);
	one = scram_proves("secret", &last, SCRAM_DONE);
	says(one, auth(MSG_AUTH_SASL_FINAL,
	    "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
	    a_whole_login());
	login_fails(one, "08004", "SCRAM failed: ");
	buf_done(&last);
	one = scram_proves("secret", &last, SCRAM_DONE);
	says(one, auth(MSG_AUTH_SASL_FINAL, "e=invalid-proof"));
	login_fails(one, "08004", "SCRAM failed: ...invalid-proof");
	buf_done(&last);
}
END_TEST

START_TEST(a_server_with_another_password_refuses_us_in_its_own_words)
{
	struct buf	 last;
	struct peer	*one = scram_proves("another", &last, SCRAM_REFUSED);

	says(one, fatal("28P01", "password authentication failed"));
	hears(ann, fatal("28P01", "password authentication failed"),
	    the_end());
	hears(one, the_end());
	buf_done(&last);
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_hostile_login",
    an_impossible_length_during_login_names_the_host,
    an_unknown_message_during_login_names_the_host,
    what_is_out_of_order_or_too_long_during_login_ends_it,
    a_login_that_comes_byte_by_byte_succeeds,
    a_server_that_closes_at_any_byte_of_its_login_names_the_host,
    an_error_during_login_is_passed_on_with_its_sqlstate,
    an_error_during_login_without_anything_in_it_is_an_error,
    a_refusal_that_lasts_ends_the_wait_and_another_one_does_not,
    authentication_that_is_not_supported_names_the_host_and_the_cure,
    a_sasl_mechanism_that_is_not_known_names_the_host,
    a_scram_challenge_that_is_wrong_ends_the_login,
    a_scram_challenge_of_any_length_is_survived,
    a_server_that_proves_itself_is_used,
    a_server_that_does_not_prove_itself_is_not_used,
    a_server_with_another_password_refuses_us_in_its_own_words)
