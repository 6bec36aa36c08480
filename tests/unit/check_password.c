/*
 * wire/password, wire/scram_key and wire/base64: secrets as they are stored,
 * and what fits them.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"
#include "wire/password.h"

#include "check_main.h"

/* md5 of "secret" and "me", and what PostgreSQL wants with salt 01 02 03 04 */
#define MD5_SECRET	"md5ae557034da7821f8788e6ba4bd9926f3"

static const uint8_t	salt[] = { 1, 2, 3, 4 };

/* RFC 7677 section 3: user, pencil */
static const char	rfc_verifier[] = "SCRAM-SHA-256$4096:"
			    "W22ZaJ0SNY7soEsUEjb6gQ==$"
			    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

START_TEST(base64_is_that_of_the_rfc)
{
	static const char *const	pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	char				text[16];
	uint8_t				bytes[16];
	size_t				n;

	for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
		base64_encode(pairs[i][0], strlen(pairs[i][0]), text);
		ck_assert_str_eq(text, pairs[i][1]);
		ck_assert_uint_eq(strlen(text),
		    BASE64_CHARS(strlen(pairs[i][0])));
		ck_assert(base64_decode(text, strlen(text), bytes,
		    strlen(pairs[i][0]), &n));
		ck_assert_uint_eq(n, strlen(pairs[i][0]));
		ck_assert_mem_eq(bytes, pairs[i][0], n);
		if (n > 0)
			ck_assert(!base64_decode(text, strlen(text), bytes,
			    n - 1, &n));
	}
}
END_TEST

START_TEST(base64_has_only_one_text_for_a_value)
{
	static const char *const	bad[] = {
		"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "=m9v", "Zm=v",
		"Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_", "Zm9vZ===", "Z\0Zg",
	};
	uint8_t				bytes[16];
	size_t				n;

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), bytes,
		    sizeof bytes, &n), "%s", bad[i]);
	ck_assert(!base64_decode("Zm\0v", 4, bytes, sizeof bytes, &n));
}
END_TEST

START_TEST(the_kind_of_a_secret_is_seen_in_its_form)
{
	char	*text;

	ck_assert_int_eq(password_kind(""), PASSWORD_PLAIN);
	ck_assert_int_eq(password_kind("md5"), PASSWORD_PLAIN);
	ck_assert_int_eq(password_kind(MD5_SECRET), PASSWORD_MD5);
	ck_assert_int_eq(password_kind(MD5_SECRET "0"), PASSWORD_PLAIN);
	ck_assert_int_eq(password_kind("md5ae557034da7821f8788e6ba4bd9926f"),
	    PASSWORD_PLAIN);
	ck_assert_int_eq(password_kind("md5ae557034da7821f8788e6ba4bd9926fg"),
	    PASSWORD_PLAIN);
	ck_assert_int_eq(password_kind(rfc_verifier), PASSWORD_SCRAM);
	ck_assert_int_eq(password_kind("SCRAM-SHA-256$"), PASSWORD_PLAIN);
	for (size_t n = 0; n < strlen(rfc_verifier); n++) {
		text = mem_string_n(rfc_verifier, n);
		ck_assert_int_eq(password_kind(text), PASSWORD_PLAIN);
		free(text);
	}
}
END_TEST

START_TEST(a_verifier_is_read_and_written_back)
{
	struct scram_verifier	 verifier;
	char			*text;

	ck_assert(scram_verifier_parse(rfc_verifier, &verifier));
	ck_assert_int_eq(verifier.iterations, 4096);
	ck_assert_uint_eq(verifier.salt_length, 16);
	text = scram_verifier_text(&verifier);
	ck_assert_str_eq(text, rfc_verifier);
	mem_free_secret(text);
}
END_TEST

START_TEST(a_verifier_out_of_bounds_is_none)
{
	static const char *const	iterations[] = {
		"", "0", "-1", "+1", "10000001", "2147483648", " 1", "1x",
		"99999999999999999999", "04096",
	};
	static const size_t		salts[] = { 0, 1, 1024, 1025, 5000 };
	struct scram_verifier		verifier;
	uint8_t				bytes[5000] = { 1 };
	char				encoded[BASE64_CHARS(5000) + 1], *text;

	for (size_t i = 0; i < ARRAY_LENGTH(iterations); i++) {
		text = mem_printf("SCRAM-SHA-256$%s:%s", iterations[i],
		    rfc_verifier + strlen("SCRAM-SHA-256$4096:"));
		ck_assert_msg(!scram_verifier_parse(text, &verifier), "%s",
		    text);
		free(text);
	}
	text = mem_printf("SCRAM-SHA-256$10000000:%s",
	    rfc_verifier + strlen("SCRAM-SHA-256$4096:"));
	ck_assert(scram_verifier_parse(text, &verifier));
	free(text);
	for (size_t i = 0; i < ARRAY_LENGTH(salts); i++) {
		base64_encode(bytes, salts[i], encoded);
		text = mem_printf("SCRAM-SHA-256$1:%s%s", encoded,
		    strchr(rfc_verifier + 14, '$'));
		ck_assert_int_eq(scram_verifier_parse(text, &verifier),
		    salts[i] >= 1 && salts[i] <= 1024);
		free(text);
	}
}
END_TEST

START_TEST(the_keys_are_those_of_the_rfc)
{
	struct scram_verifier	verifier;
	struct scram_keys	keys;

	ck_assert(scram_verifier_parse(rfc_verifier, &verifier));
	ck_assert(scram_keys_derive("pencil", verifier.salt,
	    verifier.salt_length, 4096, &keys));
	ck_assert(scram_verifier_equal(&keys.verifier, &verifier));
	ck_assert(scram_verifier_check(&verifier, "pencil"));
	ck_assert(!scram_verifier_check(&verifier, "pencil "));
	ck_assert(!scram_verifier_check(&verifier, ""));
	ck_assert(!scram_keys_derive("pencil", verifier.salt, 0, 1, &keys));
	ck_assert(!scram_keys_derive("pencil", verifier.salt, 1025, 1, &keys));
	ck_assert(!scram_keys_derive("pencil", verifier.salt, 1, 0, &keys));
	ck_assert(!scram_keys_derive("pencil", verifier.salt, 1, -1, &keys));
	ck_assert(!scram_keys_derive("pencil", verifier.salt, 1, 10000001,
	    &keys));
}
END_TEST

START_TEST(a_derivation_is_done_once_and_depends_on_everything)
{
	struct scram_keys	keys[5];
	uint64_t		hits, misses;

	scram_cache_clear();
	for (int i = 0; i < 3; i++) {
		ck_assert(scram_keys_derive("one", salt, 4, 10, &keys[0]));
		ck_assert(scram_keys_derive("two", salt, 4, 10, &keys[1]));
		ck_assert(scram_keys_derive("one", salt, 3, 10, &keys[2]));
		ck_assert(scram_keys_derive("one", salt, 4, 11, &keys[3]));
		ck_assert(scram_keys_derive("one", salt + 1, 3, 10, &keys[4]));
	}
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(misses, 5);
	ck_assert_uint_eq(hits, 10);
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			ck_assert_mem_ne(keys[i].client_key,
			    keys[j].client_key, SCRAM_KEY_BYTES);
	scram_cache_clear();
}
END_TEST

START_TEST(the_cache_is_bounded_and_keeps_what_is_used)
{
	struct scram_keys	keys;
	uint64_t		hits, misses;
	char			password[16];

	scram_cache_clear();
	for (int i = 0; i < 6000; i++) {
		snprintf(password, sizeof password, "%d", i);
		ck_assert(scram_keys_derive(password, salt, 4, 1, &keys));
		ck_assert(scram_keys_derive("hot", salt, 4, 1, &keys));
	}
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(misses, 6001);
	ck_assert(scram_keys_derive("0", salt, 4, 1, &keys));
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(misses, 6002);
	scram_cache_clear();
}
END_TEST

static void *
derive_many(void *arg)
{
	struct scram_keys	keys;
	char			password[16];

	for (int i = 0; i < 5000; i++) {
		snprintf(password, sizeof password, "%d", i);
		if (!scram_keys_derive(password, salt, 4, 1, &keys))
			return arg;
		if (i % 1000 == 999)
			scram_cache_clear();
	}
	return NULL;
}

START_TEST(several_threads_may_derive_at_once)
{
	pthread_t	threads[4];
	void		*failed;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, derive_many, threads);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	scram_cache_clear();
}
END_TEST

START_TEST(a_wrong_password_is_not_kept)
{
	struct scram_verifier	verifier;
	uint64_t		hits, misses;

	scram_cache_clear();
	ck_assert(scram_verifier_parse(rfc_verifier, &verifier));
	for (int i = 0; i < 2; i++)
		ck_assert(!scram_verifier_check(&verifier, "wrong"));
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(hits, 0);
	for (int i = 0; i < 3; i++)
		ck_assert(scram_verifier_check(&verifier, "pencil"));
	scram_cache_counts(&hits, &misses);
	ck_assert_uint_eq(hits, 2);
	scram_cache_clear();
}
END_TEST

START_TEST(md5_secrets_and_answers_are_those_of_postgresql)
{
	char	text[PASSWORD_MD5_CHARS + 1], other[PASSWORD_MD5_CHARS + 1];

	ck_assert(password_md5_secret("secret", "me", text));
	ck_assert_str_eq(text, MD5_SECRET);
	ck_assert(password_md5_answer("secret", "me", salt, text));
	ck_assert(password_md5_answer(MD5_SECRET, "me", salt, other));
	ck_assert_str_eq(text, other);
	ck_assert_str_eq(text, "md58322d584bf59f0253d58346307bb6ba3");
	ck_assert(!password_md5_answer(rfc_verifier, "me", salt, text));
}
END_TEST

START_TEST(a_password_in_clear_text_fits_every_kind)
{
	static const char *const	secrets[] = {
		"secret", MD5_SECRET,
	};

	for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
		ck_assert(password_verify_plain(secrets[i], "me", "secret",
		    PASSWORD_PLAIN));
		ck_assert(!password_verify_plain(secrets[i], "me", "secre",
		    PASSWORD_PLAIN));
		ck_assert(!password_verify_plain(secrets[i], "me", "secrets",
		    PASSWORD_PLAIN));
		ck_assert(!password_verify_plain(secrets[i], "me", "",
		    PASSWORD_PLAIN));
	}
	ck_assert(!password_verify_plain(MD5_SECRET, "you", "secret",
	    PASSWORD_MD5));
	ck_assert(!password_verify_plain(MD5_SECRET, "me", MD5_SECRET,
	    PASSWORD_MD5));
	ck_assert(password_verify_plain(rfc_verifier, "user", "pencil",
	    PASSWORD_SCRAM));
	ck_assert(!password_verify_plain(rfc_verifier, "user", "pen",
	    PASSWORD_SCRAM));
	ck_assert(!password_verify_plain(rfc_verifier, "user", rfc_verifier,
	    PASSWORD_SCRAM));
}
END_TEST

START_TEST(nothing_fits_where_there_is_no_secret)
{
	static const enum password_kind	kinds[] = {
		PASSWORD_PLAIN, PASSWORD_MD5, PASSWORD_SCRAM,
	};
	static const char *const	tries[] = {
		"", "no password", "secret",
		"md500000000000000000000000000000000",
	};
	char				answer[PASSWORD_MD5_CHARS + 1];

	for (size_t i = 0; i < ARRAY_LENGTH(tries); i++) {
		for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++) {
			ck_assert(!password_verify_plain(NULL, "me", tries[i],
			    kinds[k]));
			ck_assert(!password_verify_plain("", "me", tries[i],
			    kinds[k]));
		}
		ck_assert(password_md5_answer(tries[i], "me", salt, answer));
		ck_assert(!password_verify_md5(NULL, "me", salt, answer));
		ck_assert(!password_verify_md5("", "me", salt, answer));
		ck_assert(!password_verify_md5(rfc_verifier, "me", salt,
		    answer));
	}
}
END_TEST

START_TEST(an_md5_answer_fits_its_salt_and_user_only)
{
	static const uint8_t	other_salt[] = { 1, 2, 3, 5 };
	char			answer[PASSWORD_MD5_CHARS + 1], changed[40];

	ck_assert(password_md5_answer("secret", "me", salt, answer));
	ck_assert(password_verify_md5("secret", "me", salt, answer));
	ck_assert(password_verify_md5(MD5_SECRET, "me", salt, answer));
	ck_assert(!password_verify_md5("secret", "me", other_salt, answer));
	ck_assert(!password_verify_md5("secret", "you", salt, answer));
	ck_assert(!password_verify_md5("secret", "me", salt, ""));
	ck_assert(!password_verify_md5("secret", "me", salt, MD5_SECRET));
	for (size_t i = 0; i < PASSWORD_MD5_CHARS; i++) {
		snprintf(changed, sizeof changed, "%s", answer);
		changed[i] ^= 1;
		ck_assert(!password_verify_md5("secret", "me", salt,
		    changed));
		snprintf(changed, sizeof changed, "%.*s", (int)i, answer);
		ck_assert(!password_verify_md5("secret", "me", salt,
		    changed));
	}
	snprintf(changed, sizeof changed, "%sx", answer);
	ck_assert(!password_verify_md5("secret", "me", salt, changed));
}
END_TEST

CHECK_MAIN("password",
    base64_is_that_of_the_rfc,
    base64_has_only_one_text_for_a_value,
    the_kind_of_a_secret_is_seen_in_its_form,
    a_verifier_is_read_and_written_back,
    a_verifier_out_of_bounds_is_none,
    the_keys_are_those_of_the_rfc,
    a_derivation_is_done_once_and_depends_on_everything,
    the_cache_is_bounded_and_keeps_what_is_used,
    several_threads_may_derive_at_once,
    a_wrong_password_is_not_kept,
    md5_secrets_and_answers_are_those_of_postgresql,
    a_password_in_clear_text_fits_every_kind,
    nothing_fits_where_there_is_no_secret,
    an_md5_answer_fits_its_salt_and_user_only)
