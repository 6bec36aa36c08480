/*
 * wire/scram: both sides against the RFC and against each other.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#include "check_scram.h"

static const char	binding[32] = "the hash of a certificate......";
static const char	other_binding[32] = "the hash of another certificate";

/* A connection between the two, with what each said last. */
struct talk {
	struct scram_server	*server;
	struct scram_client	*client;
	struct buf		 to_client, to_server;
	enum scram_result	 client_result, server_result;
};

static void
talk_open(struct talk *talk, const char *secret, const char *password,
    enum scram_binding mode, bool server_binding, const char *client_binding)
{
	*talk = (struct talk){ 0 };
	talk->server = scram_server_new("me", secret, PASSWORD_SCRAM,
	    server_binding ? binding : NULL, server_binding ? 32 : 0);
	talk->client = scram_client_new(password, NULL, mode, client_binding,
	    client_binding != NULL ? 32 : 0);
	scram_server_start(talk->server, &talk->to_client);
}

static void
talk_close(struct talk *talk)
{
	scram_server_free(talk->server);
	scram_client_free(talk->client);
	buf_done(&talk->to_client);
	buf_done(&talk->to_server);
}

static enum scram_result
client_hears(struct talk *talk)
{
	struct get	get = body(&talk->to_client, MSG_AUTH);
	uint32_t	code = get_u32(&get);

	talk->client_result = scram_client_step(talk->client, code, get.at,
	    get_left(&get), &talk->to_server);
	buf_clear(&talk->to_client);
	return talk->client_result;
}

static enum scram_result
server_hears(struct talk *talk)
{
	struct get	get = body(&talk->to_server, MSG_PASSWORD);

	talk->server_result = scram_server_step(talk->server, get.at,
	    get_left(&get), &talk->to_client);
	buf_clear(&talk->to_server);
	return talk->server_result;
}

/* As far as it goes. */
static void
talk_run(struct talk *talk)
{
	while (client_hears(talk) == SCRAM_CONTINUE &&
	    (server_hears(talk) == SCRAM_CONTINUE ||
	    talk->server_result == SCRAM_DONE))
		;
}

START_TEST(the_server_holds_the_conversation_of_the_rfc)
{
	static const char	 first[] = RFC_FIRST;
	static const char	 final[] = RFC_BARE RFC_PROOF;
	static const char *const secrets[] = { RFC_VERIFIER };
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	struct get		 get;

	server = scram_server_new("user", secrets[0], PASSWORD_PLAIN, NULL,
	    0);
	scram_server_set_nonce(server, RFC_NONCE_ADDED);
	scram_server_start(server, &out);
	get = body(&out, MSG_AUTH);
	ck_assert_uint_eq(get_u32(&get), MSG_AUTH_SASL);
	ck_assert_str_eq(get_string(&get), "SCRAM-SHA-256");
	ck_assert_str_eq(get_string(&get), "");
	ck_assert(get_is_done(&get));
	buf_clear(&out);

	put_sasl_initial(&in, "SCRAM-SHA-256", first, strlen(first));
	get = body(&in, MSG_PASSWORD);
	ck_assert_int_eq(scram_server_step(server, get.at, get_left(&get),
	    &out), SCRAM_CONTINUE);
	get = body(&out, MSG_AUTH);
	ck_assert_uint_eq(get_u32(&get), MSG_AUTH_SASL_CONTINUE);
	ck_assert_uint_eq(get_left(&get), strlen(RFC_ANSWER));
	ck_assert_mem_eq(get.at, RFC_ANSWER, strlen(RFC_ANSWER));
	buf_clear(&out);

	ck_assert_int_eq(scram_server_step(server, (const uint8_t *)final,
	    strlen(final), &out), SCRAM_DONE);
	get = body(&out, MSG_AUTH);
	ck_assert_uint_eq(get_u32(&get), MSG_AUTH_SASL_FINAL);
	ck_assert_uint_eq(get_left(&get), strlen(RFC_SIGNATURE));
	ck_assert_mem_eq(get.at, RFC_SIGNATURE, strlen(RFC_SIGNATURE));
	scram_server_free(server);
	buf_done(&in);
	buf_done(&out);
}
END_TEST

START_TEST(the_client_holds_the_conversation_of_the_rfc)
{
	struct buf		 out = { 0 };
	struct scram_client	*client = rfc_client(&out);
	struct get		 get = body(&out, MSG_PASSWORD);

	ck_assert_str_eq(get_string(&get), "SCRAM-SHA-256");
	ck_assert_uint_eq(get_u32(&get), strlen(RFC_FIRST));
	ck_assert_mem_eq(get.at, RFC_FIRST, strlen(RFC_FIRST));
	buf_clear(&out);
	ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_CONTINUE, RFC_ANSWER,
	    &out), SCRAM_CONTINUE);
	get = body(&out, MSG_PASSWORD);
	ck_assert_uint_eq(get_left(&get), strlen(RFC_BARE RFC_PROOF));
	ck_assert_mem_eq(get.at, RFC_BARE RFC_PROOF, get_left(&get));
	ck_assert(!scram_client_is_done(client));
	ck_assert_int_eq(client_step(client, MSG_AUTH_SASL_FINAL, RFC_SIGNATURE,
	    &out), SCRAM_DONE);
	ck_assert(scram_client_is_done(client));
	scram_client_free(client);
	buf_done(&out);
}
END_TEST

START_TEST(both_sides_agree_on_plain_and_stored_secrets)
{
	static const char *const	secrets[] = { "pencil", RFC_VERIFIER };
	struct talk			talk;

	for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
		talk_open(&talk, secrets[i], "pencil", SCRAM_BINDING_PREFER,
		    false, NULL);
		talk_run(&talk);
		ck_assert_int_eq(talk.server_result, SCRAM_DONE);
		ck_assert_int_eq(talk.client_result, SCRAM_DONE);
		ck_assert(!scram_server_is_bound(talk.server));
		talk_close(&talk);
	}
}
END_TEST

START_TEST(a_wrong_password_is_refused)
{
	static const char *const	secrets[] = { "pencil", RFC_VERIFIER };
	static const char *const	wrong[] = { "", "pen", "Pencil",
					    RFC_VERIFIER };
	struct talk			talk;

	for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(wrong); j++) {
			talk_open(&talk, secrets[i], wrong[j],
			    SCRAM_BINDING_PREFER, false, NULL);
			talk_run(&talk);
			ck_assert_int_eq(talk.server_result, SCRAM_REFUSED);
			ck_assert_uint_eq(buf_length(&talk.to_client), 0);
			ck_assert(!scram_client_is_done(talk.client));
			talk_close(&talk);
		}
	}
}
END_TEST

/* What the server says first to this user, without the nonce. */
static void
first_answer(const char *user, const char *secret, enum password_kind mock,
    char text[128])
{
	static const char	 first[] = "n,,n=,r=abc";
	struct scram_server	*server;
	struct buf		 in = { 0 }, out = { 0 };
	struct get		 get;

	server = scram_server_new(user, secret, mock, NULL, 0);
	put_sasl_initial(&in, "SCRAM-SHA-256", first, strlen(first));
	get = body(&in, MSG_PASSWORD);
	ck_assert_int_eq(scram_server_step(server, get.at, get_left(&get),
	    &out), SCRAM_CONTINUE);
	put_u8(&out, 0);
	snprintf(text, 128, "%s", strchr((char *)buf_bytes(&out) + 9, ','));
	scram_server_free(server);
	buf_done(&in);
	buf_done(&out);
}

START_TEST(an_unknown_user_looks_like_a_known_one_until_the_end)
{
	static const char *const	none[] = { NULL, "",
				    "md500000000000000000000000000000000" };
	char				one[128], two[128];
	struct talk			talk;

	for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
		talk_open(&talk, none[i], "pencil", SCRAM_BINDING_PREFER,
		    false, NULL);
		talk_run(&talk);
		ck_assert_int_eq(talk.server_result, SCRAM_REFUSED);
		ck_assert_int_eq(talk.client_result, SCRAM_CONTINUE);
		talk_close(&talk);
	}
	first_answer("nobody", NULL, PASSWORD_SCRAM, one);
	first_answer("nobody", NULL, PASSWORD_PLAIN, two);
	ck_assert_str_eq(one, two);
	first_answer("nobody", "pencil", PASSWORD_PLAIN, two);
	ck_assert_str_eq(one, two);
	first_answer("anybody", NULL, PASSWORD_PLAIN, two);
	ck_assert_str_ne(one, two);
	ck_assert_uint_eq(strlen(one), strlen(two));
}
END_TEST

START_TEST(an_unknown_user_costs_as_many_derivations_as_a_known_one)
{
	uint64_t	hits, misses;
	char		text[128];

	scram_cache_clear();
	first_answer("nobody", NULL, PASSWORD_PLAIN, text);
	first_answer("nobody", NULL, PASSWORD_PLAIN, text);
	scram_cache_counts(&hits, &misses);
	/* Not in the cache where the known ones are. */
	ck_assert_uint_eq(hits + misses, 0);
	first_answer("somebody", "pencil", PASSWORD_PLAIN, text);
	first_answer("somebody", "pencil", PASSWORD_PLAIN, text);
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(misses, 1);
	ck_assert_uint_eq(hits, 1);
	scram_cache_clear();
}
END_TEST

START_TEST(the_recovered_key_logs_in_to_a_server_with_the_same_secret)
{
	struct scram_keys	keys;
	struct talk		talk;

	talk_open(&talk, RFC_VERIFIER, "pencil", SCRAM_BINDING_PREFER, false,
	    NULL);
	talk_run(&talk);
	ck_assert_int_eq(talk.server_result, SCRAM_DONE);
	keys = *scram_server_keys(talk.server);
	talk_close(&talk);

	talk_open(&talk, RFC_VERIFIER, NULL, SCRAM_BINDING_PREFER, true,
	    binding);
	scram_client_free(talk.client);
	talk.client = scram_client_new(NULL, &keys, SCRAM_BINDING_REQUIRE,
	    binding, 32);
	talk_run(&talk);
	ck_assert_int_eq(talk.server_result, SCRAM_DONE);
	ck_assert_int_eq(talk.client_result, SCRAM_DONE);
	talk_close(&talk);

	/* The same password with another salt is another secret. */
	talk_open(&talk, "pencil", NULL, SCRAM_BINDING_PREFER, false, NULL);
	scram_client_free(talk.client);
	talk.client = scram_client_new(NULL, &keys, SCRAM_BINDING_PREFER,
	    NULL, 0);
	talk_run(&talk);
	ck_assert_int_eq(talk.client_result, SCRAM_STALE);
	ck_assert_ptr_nonnull(strstr(scram_client_error(talk.client),
	    "set anew"));
	talk_close(&talk);
}
END_TEST

START_TEST(channel_binding_is_used_when_both_can)
{
	struct talk	talk;

	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_REQUIRE, true,
	    binding);
	talk_run(&talk);
	ck_assert_int_eq(talk.client_result, SCRAM_DONE);
	ck_assert(scram_server_is_bound(talk.server));
	talk_close(&talk);
	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_DISABLE, true,
	    binding);
	talk_run(&talk);
	ck_assert_int_eq(talk.client_result, SCRAM_DONE);
	ck_assert(!scram_server_is_bound(talk.server));
	talk_close(&talk);
	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_PREFER, false,
	    binding);
	talk_run(&talk);
	ck_assert_int_eq(talk.client_result, SCRAM_DONE);
	ck_assert(!scram_server_is_bound(talk.server));
	talk_close(&talk);
}
END_TEST

START_TEST(required_channel_binding_is_not_given_up)
{
	struct talk	talk;

	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_REQUIRE, false,
	    binding);
	ck_assert_int_eq(client_hears(&talk), SCRAM_BAD);
	ck_assert_uint_eq(buf_length(&talk.to_server), 0);
	talk_close(&talk);
	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_REQUIRE, true,
	    NULL);
	ck_assert_int_eq(client_hears(&talk), SCRAM_BAD);
	talk_close(&talk);
}
END_TEST

START_TEST(somebody_in_between_is_noticed)
{
	struct talk	talk;

	/* Another certificate on the way. */
	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_PREFER, true,
	    other_binding);
	talk_run(&talk);
	ck_assert_int_eq(talk.server_result, SCRAM_BAD);
	ck_assert_ptr_nonnull(strstr(scram_server_error(talk.server),
	    "channel binding check failed"));
	talk_close(&talk);

	/* -PLUS taken out of the list on the way. */
	talk_open(&talk, "pencil", "pencil", SCRAM_BINDING_PREFER, true,
	    binding);
	buf_clear(&talk.to_client);
	put_auth(&talk.to_client, MSG_AUTH_SASL, "SCRAM-SHA-256\0", 15);
	talk_run(&talk);
	ck_assert_int_eq(talk.server_result, SCRAM_BAD);
	ck_assert_ptr_nonnull(strstr(scram_server_error(talk.server),
	    "not offered"));
	talk_close(&talk);
}
END_TEST

CHECK_MAIN("scram",
    the_server_holds_the_conversation_of_the_rfc,
    the_client_holds_the_conversation_of_the_rfc,
    both_sides_agree_on_plain_and_stored_secrets,
    a_wrong_password_is_refused,
    an_unknown_user_looks_like_a_known_one_until_the_end,
    an_unknown_user_costs_as_many_derivations_as_a_known_one,
    the_recovered_key_logs_in_to_a_server_with_the_same_secret,
    channel_binding_is_used_when_both_can,
    required_channel_binding_is_not_given_up,
    somebody_in_between_is_noticed)
