/*
 * wire/put: what is written is what PostgreSQL's documentation says, byte by
 * byte, and msg_peek() and get_*() read it back.
 */

#include <string.h>

#include "wire/get.h"
#include "wire/put.h"

#include "check_main.h"

static struct buf	out;

/* What is in the buf, and nothing else; empties it. */
static void
holds(const char *bytes, size_t n)
{
	ck_assert_uint_eq(buf_length(&out), n);
	ck_assert_mem_eq(buf_bytes(&out), bytes, n);
	buf_done(&out);
}

#define HOLDS(text)	holds(text, sizeof text - 1)

START_TEST(messages_of_a_server_are_as_documented)
{
	put_auth(&out, MSG_AUTH_OK, NULL, 0);
	HOLDS("R\0\0\0\10\0\0\0\0");
	put_auth(&out, MSG_AUTH_MD5, "salt", 4);
	HOLDS("R\0\0\0\14\0\0\0\5salt");
	put_parameter_status(&out, "TimeZone", "UTC");
	HOLDS("S\0\0\0\21TimeZone\0UTC\0");
	put_backend_key(&out, 0x01020304, "abcd", 4);
	HOLDS("K\0\0\0\14\1\2\3\4abcd");
	put_ready(&out, STATUS_TRANSACTION);
	HOLDS("Z\0\0\0\5T");
	put_command_complete(&out, "SELECT 1");
	HOLDS("C\0\0\0\15SELECT 1\0");
	put_empty(&out, MSG_PARSE_COMPLETE);
	HOLDS("1\0\0\0\4");
	put_parameter_description(&out, (const uint32_t[]){ 23, 25 }, 2);
	HOLDS("t\0\0\0\16\0\2\0\0\0\27\0\0\0\31");
}
END_TEST

START_TEST(a_newer_minor_version_is_negotiated_as_postgresql_does)
{
	static const char *const	names[] = { "_pq_.a", "_pq_.b" };

	put_negotiate_version(&out, 0, names, 2);
	HOLDS("v\0\0\0\32\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0");
	put_negotiate_version(&out, 2, NULL, 0);
	HOLDS("v\0\0\0\14\0\3\0\2\0\0\0\0");
}
END_TEST

START_TEST(errors_and_notices_have_all_required_fields)
{
	struct error_fields	fields = {
		.severity = "FATAL", .sqlstate = "57P01", .message = "bye",
		.detail = "d", .hint = "h",
	};

	put_error(&out, &fields);
	HOLDS("E\0\0\0\45SFATAL\0VFATAL\0C57P01\0Mbye\0Dd\0Hh\0\0");
	fields = (struct error_fields){ .message = "m" };
	put_error(&out, &fields);
	HOLDS("E\0\0\0\35SERROR\0VERROR\0CXX000\0Mm\0\0");
	put_notice(&out, &fields);
	HOLDS("N\0\0\0\37SNOTICE\0VNOTICE\0C00000\0Mm\0\0");
}
END_TEST

START_TEST(rows_are_described_and_written_as_text)
{
	static const struct put_column	 columns[] = {
		{ "a", PUT_INT4 }, { "b", PUT_INT8 }, { "c", PUT_TEXT },
	};
	static const char *const	 values[] = { "1", NULL, "" };

	put_row_description(&out, columns, 3);
	HOLDS("T\0\0\0\102\0\3"
	    "a\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"
	    "b\0\0\0\0\0\0\0\0\0\0\24\0\10\377\377\377\377\0\0"
	    "c\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0");
	put_data_row(&out, values, 3);
	HOLDS("D\0\0\0\23\0\3\0\0\0\0011\377\377\377\377\0\0\0\0");
	put_row_description(&out, NULL, 0);
	HOLDS("T\0\0\0\6\0\0");
}
END_TEST

START_TEST(messages_of_a_client_are_as_documented)
{
	static const char *const	values[] = { "x", NULL };

	put_ssl_request(&out);
	HOLDS("\0\0\0\10\4\322\26\57");
	put_gssenc_request(&out);
	HOLDS("\0\0\0\10\4\322\26\60");
	put_cancel_request(&out, 1, "abcd", 4);
	HOLDS("\0\0\0\20\4\322\26\56\0\0\0\1abcd");
	put_startup(&out, 3, 0, (const char *const[]){ "user", "me" }, 1);
	HOLDS("\0\0\0\21\0\3\0\0user\0me\0\0");
	put_password(&out, "pw");
	HOLDS("p\0\0\0\7pw\0");
	put_sasl_initial(&out, "M", "data", 4);
	HOLDS("p\0\0\0\16M\0\0\0\0\4data");
	put_sasl_response(&out, "data", 4);
	HOLDS("p\0\0\0\10data");
	put_query(&out, "SELECT 1");
	HOLDS("Q\0\0\0\15SELECT 1\0");
	put_parse(&out, "s", "q", (const uint32_t[]){ 23 }, 1);
	HOLDS("P\0\0\0\16s\0q\0\0\1\0\0\0\27");
	put_bind(&out, "", "s", values, 2);
	HOLDS("B\0\0\0\26\0s\0\0\0\0\2\0\0\0\1x\377\377\377\377\0\0");
	put_describe(&out, 'S', "s");
	HOLDS("D\0\0\0\7Ss\0");
	put_execute(&out, "p", 100);
	HOLDS("E\0\0\0\12p\0\0\0\0\144");
	put_close(&out, 'P', "");
	HOLDS("C\0\0\0\6P\0");
	put_sync(&out);
	HOLDS("S\0\0\0\4");
	put_flush(&out);
	HOLDS("H\0\0\0\4");
	put_terminate(&out);
	HOLDS("X\0\0\0\4");
}
END_TEST

START_TEST(messages_in_a_row_are_found_wherever_the_row_is_cut)
{
	static const uint8_t	 types[] = "QSETDCZ";
	const struct put_column	 column = { "c", PUT_TEXT };
	const char		*value = "a rather long value";
	struct error_fields	 fields = { .message = "m" };
	struct msg_head		 head;
	size_t			 at, found;

	put_query(&out, "SELECT 1");
	put_sync(&out);
	put_error(&out, &fields);
	put_row_description(&out, &column, 1);
	put_data_row(&out, &value, 1);
	put_command_complete(&out, "SELECT 1");
	put_ready(&out, STATUS_IDLE);
	for (size_t n = 0; n <= buf_length(&out); n++) {
		at = found = 0;
		while (msg_peek(buf_bytes(&out) + at, n - at, &head) ==
		    MSG_OK) {
			ck_assert_uint_eq(head.type, types[found]);
			if (n - at < MSG_HEAD_BYTES + head.length)
				break;
			at += MSG_HEAD_BYTES + head.length;
			found++;
		}
		ck_assert(n < buf_length(&out) || (at == n && found == 7));
	}
	buf_done(&out);
}
END_TEST

START_TEST(the_mark_survives_growth_and_bytes_before_it)
{
	struct msg_head	 head;
	struct get	 get;
	size_t		 mark;

	buf_add(&out, "xx", 2);
	put_sync(&out);
	buf_consume(&out, 2);
	mark = put_begin(&out, MSG_COPY_DATA);
	for (uint32_t i = 0; i < 100000; i++)
		put_u32(&out, i);
	put_end(&out, mark);
	buf_consume(&out, MSG_HEAD_BYTES);
	ck_assert_int_eq(msg_peek(buf_bytes(&out), buf_length(&out), &head),
	    MSG_OK);
	ck_assert_uint_eq(head.length, 400000);
	get_init(&get, buf_bytes(&out) + MSG_HEAD_BYTES, head.length);
	for (uint32_t i = 0; i < 100000; i++)
		ck_assert_uint_eq(get_u32(&get), i);
	ck_assert(get_is_done(&get));
	buf_done(&out);
}
END_TEST

START_TEST(an_error_passed_on_is_the_same_error)
{
	struct error_fields	fields = {
		.severity = "FATAL", .sqlstate = "28P01", .message = "no",
		.detail = "d",
	}, again;

	put_error(&out, &fields);
	error_fields_parse(buf_bytes(&out) + MSG_HEAD_BYTES,
	    buf_length(&out) - MSG_HEAD_BYTES, &again);
	ck_assert_str_eq(again.severity, "FATAL");
	ck_assert_str_eq(again.sqlstate, "28P01");
	ck_assert_str_eq(again.message, "no");
	ck_assert_str_eq(again.detail, "d");
	ck_assert_ptr_null(again.hint);
	buf_done(&out);
}
END_TEST

CHECK_MAIN("put",
    messages_of_a_server_are_as_documented,
    a_newer_minor_version_is_negotiated_as_postgresql_does,
    errors_and_notices_have_all_required_fields,
    rows_are_described_and_written_as_text,
    messages_of_a_client_are_as_documented,
    messages_in_a_row_are_found_wherever_the_row_is_cut,
    the_mark_survives_growth_and_bytes_before_it,
    an_error_passed_on_is_the_same_error)
