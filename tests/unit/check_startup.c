/*
 * wire/startup: the first packets, from friends and others.
 */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/put.h"
#include "wire/startup.h"

#include "check_main.h"

static struct buf	out;
static struct startup	startup;

static const char *const	pairs[] = {
	"user", "me", "database", "db", "_pq_.x", "1",
	"application_name", "",
};

/* In memory of exactly the size, so that a sanitizer sees the end. */
static enum startup_kind
parse(const void *bytes, size_t n)
{
	static uint8_t	*copy;

	free(copy);
	copy = malloc(n != 0 ? n : 1);
	if (n != 0)
		memcpy(copy, bytes, n);
	return startup_parse(copy, n, &startup);
}

/* Parse what was put, and empty the buf. */
static enum startup_kind
parse_out(void)
{
	enum startup_kind	kind = parse(buf_bytes(&out), buf_length(&out));

	buf_done(&out);
	return kind;
}

#define PARSE(text)	parse(text, sizeof text - 1)

START_TEST(a_startup_packet_gives_version_and_parameters)
{
	const char	*name, *value;
	int		 n = 0;

	put_startup(&out, 3, 2, pairs, 4);
	ck_assert_int_eq(parse_out(), STARTUP_PROTOCOL);
	ck_assert_uint_eq(startup.major, 3);
	ck_assert_uint_eq(startup.minor, 2);
	for (; startup_next(&startup.parameters, &name, &value); n += 2) {
		ck_assert_str_eq(name, pairs[n]);
		ck_assert_str_eq(value, pairs[n + 1]);
		ck_assert_int_eq(startup_is_protocol_option(name), n == 4);
	}
	ck_assert_int_eq(n, 8);
	ck_assert(!startup_next(&startup.parameters, &name, &value));
}
END_TEST

START_TEST(a_packet_is_waited_for_byte_by_byte)
{
	size_t	length;

	put_startup(&out, 3, 0, pairs, 4);
	length = buf_length(&out);
	for (size_t n = 0; n < length; n++) {
		ck_assert_int_eq(parse(buf_bytes(&out), n), STARTUP_MORE);
		ck_assert_uint_eq(startup.length, n < 4 ? 0 : length);
	}
	ck_assert_int_eq(parse(buf_bytes(&out), length), STARTUP_PROTOCOL);
	buf_add_text(&out, "more behind it");
	ck_assert_int_eq(parse(buf_bytes(&out), buf_length(&out)),
	    STARTUP_PROTOCOL);
	ck_assert_uint_eq(startup.length, length);
	buf_done(&out);
}
END_TEST

START_TEST(a_packet_of_any_other_length_is_bad_or_not_complete)
{
	uint8_t		*packet;
	size_t		 length;

	put_startup(&out, 3, 0, pairs, 4);
	length = buf_length(&out);
	packet = buf_bytes(&out);
	for (uint32_t claimed = 0; claimed < length + 20; claimed++) {
		packet[2] = (uint8_t)(claimed >> 8);
		packet[3] = (uint8_t)claimed;
		if (claimed > length)
			ck_assert_int_eq(parse(packet, length), STARTUP_MORE);
		else if (claimed == length)
			ck_assert_int_eq(parse(packet, length),
			    STARTUP_PROTOCOL);
		else if (claimed < 8 || parse(packet, length) !=
		    STARTUP_PROTOCOL)
			ck_assert_int_eq(parse(packet, length), STARTUP_BAD);
		else	/* cut right where an empty value looked like the end */
			ck_assert_uint_eq(packet[claimed - 1], 0);
	}
	buf_done(&out);
}
END_TEST

START_TEST(hostile_lengths_are_bad_before_anything_else_comes)
{
	ck_assert_int_eq(PARSE("\0\0\0\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\3"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\4"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\7"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\10"), STARTUP_MORE);
	ck_assert_int_eq(PARSE("\0\1\0\10"), STARTUP_MORE);
	ck_assert_uint_eq(startup.length, STARTUP_BYTES_MAX);
	ck_assert_int_eq(PARSE("\0\1\0\11"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\177\377\377\377"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\200\0\0\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\377\377\377\377"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("GET / HTTP/1.1\r\n\r\n"), STARTUP_BAD);
	ck_assert_ptr_nonnull(startup.error);
}
END_TEST

START_TEST(parameters_must_be_pairs_with_an_end)
{
	ck_assert_int_eq(PARSE("\0\0\0\10\0\3\0\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\11\0\3\0\0\0"), STARTUP_PROTOCOL);
	ck_assert_int_eq(PARSE("\0\0\0\15\0\3\0\0user\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\16\0\3\0\0user\0\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\17\0\3\0\0user\0\0\0"),
	    STARTUP_PROTOCOL);
	ck_assert_int_eq(PARSE("\0\0\0\14\0\3\0\0user"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\12\0\3\0\0\0\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\20\0\3\0\0user\0me\0"), STARTUP_BAD);
}
END_TEST

START_TEST(another_major_version_is_told_but_not_read)
{
	const char	*name, *value;

	ck_assert_int_eq(PARSE("\0\0\0\14\0\4\0\0\377\377\377\377"),
	    STARTUP_PROTOCOL);
	ck_assert_uint_eq(startup.major, 4);
	ck_assert(!startup_next(&startup.parameters, &name, &value));
	ck_assert_int_eq(PARSE("\0\0\0\10\0\2\0\0"), STARTUP_PROTOCOL);
	ck_assert_uint_eq(startup.major, 2);
	ck_assert_int_eq(PARSE("\0\0\0\11\0\3\0\11\0"), STARTUP_PROTOCOL);
	ck_assert_uint_eq(startup.minor, 9);
}
END_TEST

START_TEST(requests_for_encryption_have_eight_bytes)
{
	put_ssl_request(&out);
	ck_assert_int_eq(parse_out(), STARTUP_SSL);
	ck_assert_uint_eq(startup.length, 8);
	put_gssenc_request(&out);
	ck_assert_int_eq(parse_out(), STARTUP_GSSENC);
	ck_assert_int_eq(PARSE("\0\0\0\11\4\322\26\57\0"), STARTUP_BAD);
	ck_assert_int_eq(PARSE("\0\0\0\11\4\322\26\60\0"), STARTUP_BAD);
	/* What was sent too early stays behind the packet. */
	ck_assert_int_eq(PARSE("\0\0\0\10\4\322\26\57Q"), STARTUP_SSL);
	ck_assert_uint_eq(startup.length, 8);
}
END_TEST

START_TEST(a_cancel_key_has_4_to_256_bytes)
{
	uint8_t	key[300];

	memset(key, 7, sizeof key);
	for (size_t n = 0; n <= sizeof key; n++) {
		put_cancel_request(&out, 0xfffefdfc, key, n);
		ck_assert_int_eq(parse_out(), n < 4 || n > 256 ? STARTUP_BAD :
		    STARTUP_CANCEL);
		if (n < 4 || n > 256)
			continue;
		ck_assert_uint_eq(startup.pid, 0xfffefdfc);
		ck_assert_uint_eq(startup.key_length, n);
		ck_assert_mem_eq(startup.key, key, n);
	}
	ck_assert_int_eq(PARSE("\0\0\0\12\4\322\26\56\0\0"), STARTUP_BAD);
}
END_TEST

START_TEST(direct_tls_is_told_from_a_packet)
{
	put_startup(&out, 3, 0, pairs, 4);
	ck_assert(!startup_is_direct_tls(buf_bytes(&out), buf_length(&out)));
	buf_done(&out);
	ck_assert(!startup_is_direct_tls(NULL, 0));
	ck_assert(startup_is_direct_tls((const uint8_t *)"\26\3\1", 3));
	ck_assert_int_eq(PARSE("\26\3\1\2"), STARTUP_BAD);
}
END_TEST

/* All settings of a text, as "name=value;" each, and "!piece" for a bad one. */
static const char *
split(const char *text)
{
	static char		 result[512];
	char			*copy = mem_string(text), *at = copy;
	const char		*name, *value;
	enum startup_option	 option;
	size_t			 n = 0;

	result[0] = '\0';
	while ((option = startup_next_option(&at, &name, &value)) ==
	    STARTUP_OPTION_OK)
		n += (size_t)snprintf(result + n, sizeof result - n, "%s=%s;",
		    name, value);
	if (option != STARTUP_OPTION_END)
		snprintf(result + n, sizeof result - n, "%s%s",
		    option == STARTUP_OPTION_BAD ? "!" :
		    option == STARTUP_OPTION_EMPTY ? "-c?" : "--?", name);
	free(copy);
	return result;
}

START_TEST(options_are_split_as_postgresql_does)
{
	ck_assert_str_eq(split(""), "");
	ck_assert_str_eq(split("  \t\n"), "");
	ck_assert_str_eq(split("-c a=b"), "a=b;");
	ck_assert_str_eq(split("-ca=b"), "a=b;");
	ck_assert_str_eq(split("--a=b"), "a=b;");
	ck_assert_str_eq(split("--work-mem=4MB"), "work_mem=4MB;");
	ck_assert_str_eq(split("-c work-mem=a-b"), "work_mem=a-b;");
	ck_assert_str_eq(split(" -c a=b  --c-d=e\t-cf=g "),
	    "a=b;c_d=e;f=g;");
	ck_assert_str_eq(split("-c\t a=b"), "a=b;");
	ck_assert_str_eq(split("-c search_path=a,\\ b"), "search_path=a, b;");
	ck_assert_str_eq(split("-c a=\\\\x\\y"), "a=\\xy;");
	ck_assert_str_eq(split("-c a="), "a=;");
	ck_assert_str_eq(split("-c a=b=c"), "a=b=c;");
	ck_assert_str_eq(split("-c my.x$1=b"), "my.x$1=b;");
	ck_assert_str_eq(split("-c a=b\\"), "a=b\\;");
	ck_assert_str_eq(split("\\-c a=b"), "a=b;");
}
END_TEST

START_TEST(an_option_that_is_none_is_named)
{
	ck_assert_str_eq(split("a=b"), "!a=b");
	ck_assert_str_eq(split("-d 5"), "!-d");
	ck_assert_str_eq(split("-c"), "!-c");
	ck_assert_str_eq(split("-c a=b -c"), "a=b;!-c");
	ck_assert_str_eq(split("-"), "!-");
	ck_assert_str_eq(split("-c novalue"), "-c?novalue");
	ck_assert_str_eq(split("-cnovalue"), "-c?novalue");
	ck_assert_str_eq(split("-c -c"), "-c?-c");
	ck_assert_str_eq(split("--novalue -c a=b"), "--?novalue");
	ck_assert_str_eq(split("--"), "--?");
}
END_TEST

START_TEST(a_name_that_cannot_be_one_is_left_to_postgresql)
{
	ck_assert_str_eq(split("-c =b"), "=b;");
	ck_assert_str_eq(split("---a=b"), "_a=b;");
	ck_assert_str_eq(split("-c 1a=b"), "1a=b;");
	ck_assert_str_eq(split("-c a\\ b=c"), "a b=c;");
	ck_assert_str_eq(split("-c a;b=c"), "a;b=c;");
	ck_assert_str_eq(split("-c a\"b=c"), "a\"b=c;");
}
END_TEST

CHECK_MAIN("startup",
    a_startup_packet_gives_version_and_parameters,
    a_packet_is_waited_for_byte_by_byte,
    a_packet_of_any_other_length_is_bad_or_not_complete,
    hostile_lengths_are_bad_before_anything_else_comes,
    parameters_must_be_pairs_with_an_end,
    another_major_version_is_told_but_not_read,
    requests_for_encryption_have_eight_bytes,
    a_cancel_key_has_4_to_256_bytes,
    direct_tls_is_told_from_a_packet,
    options_are_split_as_postgresql_does,
    an_option_that_is_none_is_named,
    a_name_that_cannot_be_one_is_left_to_postgresql)
