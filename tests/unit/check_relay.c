/*
 * relay: settings, statements, shelves, parcels and what is expected.
 */

#include <sys/socket.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop.h"
#include "net/stream.h"
#include "session/expected.h"
#include "session/parcel.h"
#include "session/prepared.h"
#include "session/settings.h"

#include "check_main.h"

static const struct settings *
make(const char *a, const char *b, const char *c, const char *d)
{
	struct settings_draft	*draft = settings_draft_new(settings_none());

	if (a != NULL)
		settings_draft_set(draft, a, b);
	if (c != NULL)
		settings_draft_set(draft, c, d);
	return settings_draft_intern(draft);
}

START_TEST(equal_sets_are_one_object_in_any_order)
{
	const struct settings	*one = make("a", "1", "b", "2");
	const struct settings	*two = make("b", "2", "a", "1");
	const struct settings	*other = make("a", "1", "b", "3");

	ck_assert_ptr_eq(one, two);
	ck_assert_ptr_ne(one, other);
	ck_assert_ptr_eq(make(NULL, NULL, NULL, NULL), settings_none());
	ck_assert_str_eq(settings_get(one, "B"), "2");
	settings_release(one);
	settings_release(two);
	settings_release(other);
}
END_TEST

START_TEST(what_cannot_change_a_statement_is_no_part_of_its_key)
{
	const struct settings	*plain = make("search_path", "a", NULL, NULL);
	const struct settings	*named = make("search_path", "a",
				    "application_name", "x");

	ck_assert_ptr_eq(settings_meaning(named), settings_meaning(plain));
	ck_assert_ptr_eq(settings_meaning(settings_none()), settings_none());
	settings_release(plain);
	settings_release(named);
}
END_TEST

START_TEST(a_custom_name_cannot_be_taken_away)
{
	const struct settings	*custom = make("app.x", "1", NULL, NULL);
	const struct settings	*other = make("app.x", "2", "a", "1");
	const struct settings	*more = make("app.y", "1", "app.z", "2");

	ck_assert_int_eq(settings_fit(custom, settings_none()),
	    SETTINGS_UNFIT);
	ck_assert_int_eq(settings_fit(custom, more), SETTINGS_UNFIT);
	ck_assert_int_eq(settings_fit(custom, other), SETTINGS_FIT_WELL);
	ck_assert_int_eq(settings_fit(custom, custom), SETTINGS_FIT_WELL);
	ck_assert_int_eq(settings_fit(settings_none(), custom),
	    SETTINGS_FIT_FAIRLY);
	ck_assert_int_eq(settings_fit(settings_none(), settings_none()),
	    SETTINGS_FIT_WELL);
	settings_release(custom);
	settings_release(other);
	settings_release(more);
}
END_TEST

START_TEST(switching_says_differences_only_with_hostile_values_quoted)
{
	const struct settings	*from = make("a", "1", "gone", "x");
	const struct settings	*to = make("a", "1", "b", "it's \\ ;");
	struct buf		 query;

	buf_init(&query);
	settings_switch_query(&query, from, to, false,
	    SETTINGS_FOR_SESSION);
	buf_add(&query, "", 1);
	ck_assert_str_eq((char *)buf_bytes(&query), "RESET \"gone\";"
	    "SELECT pg_catalog.set_config(E'b',E'it''s \\\\ ;',false);");
	buf_clear(&query);
	settings_switch_query(&query, settings_none(), from, false,
	    SETTINGS_FOR_TRANSACTION);
	buf_add(&query, "", 1);
	ck_assert_str_eq((char *)buf_bytes(&query),
	    "SELECT pg_catalog.set_config(E'a',E'1',true);"
	    "SELECT pg_catalog.set_config(E'gone',E'x',true);");
	buf_done(&query);
	settings_release(from);
	settings_release(to);
}
END_TEST

START_TEST(a_switch_is_sure_only_when_it_was_accepted_and_nothing_can_end_it)
{
	const struct pool	*pool = (const void *)"a pool";
	const struct settings	*to = make("a", "1", NULL, NULL);
	const struct settings	*hasty = make("statement_timeout", "1", NULL,
				    NULL);
	const struct settings	*role = make("role", "x", NULL, NULL);

	ck_assert(!settings_switch_is_sure(settings_none(), to, pool));
	settings_accepted(to, pool, NULL, 0);
	settings_accepted(role, pool, NULL, 0);
	ck_assert(settings_switch_is_sure(settings_none(), to, pool));
	ck_assert(!settings_switch_is_sure(hasty, to, pool));
	ck_assert(!settings_switch_is_sure(settings_none(), role, pool));
	settings_release(to);
	settings_release(hasty);
	settings_release(role);
}
END_TEST

static const uint8_t	body_one[] = "select 1\0\0";
static const uint8_t	body_two[] = "set a = 1\0\0";

static struct statement *
statement(const uint8_t *body, size_t n)
{
	return statement_intern(body, n, settings_none(), NULL);
}

START_TEST(a_parse_body_is_checked_against_its_length)
{
	static const uint8_t	types[] = "x\0\0\1\0\0\0\27";

	ck_assert(statement_body_is_valid(body_one, sizeof body_one));
	ck_assert(statement_body_is_valid(types, 8));
	for (size_t n = 0; n < 8; n++)
		ck_assert(!statement_body_is_valid(types, n));
	ck_assert(!statement_body_is_valid(types, 9));
	ck_assert(!statement_body_is_valid((const uint8_t *)"x\0\377\377",
	    4));
}
END_TEST

START_TEST(equal_texts_are_held_once)
{
	struct statement	*one = statement(body_one, sizeof body_one);
	struct statement	*two = statement(body_one, sizeof body_one);
	struct statement	*set = statement(body_two, sizeof body_two);
	size_t			 count, bytes;

	ck_assert_ptr_eq(one, two);
	ck_assert_uint_eq(one->touches, 0);
	ck_assert_uint_eq(set->touches, SQL_TOUCHES_SETTINGS);
	statements_memory(&count, &bytes);
	ck_assert_uint_eq(count, 2);
	statement_release(one);
	statement_release(two);
	statement_release(set);
	statements_memory(&count, &bytes);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

static void *
intern_often(void *arg)
{
	struct statement	*held[8];

	for (int i = 0; i < 20000; i++) {
		for (int j = 0; j < 8; j++)
			held[j] = statement(j & 1 ? body_one : body_two,
			    j & 1 ? sizeof body_one : sizeof body_two);
		for (int j = 0; j < 8; j++)
			statement_release(held[j]);
		settings_release(make("a", i & 1 ? "1" : "2", "b", "3"));
	}
	return arg;
}

START_TEST(many_threads_intern_and_release_the_same_things)
{
	pthread_t	threads[4];
	size_t		count, bytes;

	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		pthread_create(&threads[i], NULL, intern_often, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		pthread_join(threads[i], NULL);
	statements_memory(&count, &bytes);
	ck_assert_uint_eq(count, 0);
	settings_memory(&count, &bytes);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_shelf_gives_up_the_least_recently_used_first)
{
	struct shelf		 shelf;
	struct statement	*list[4];
	uint8_t			 body[] = "x\0\0";
	char			 name[STATEMENT_NAME_BYTES];

	shelf_init(&shelf);
	for (int i = 0; i < 4; i++) {
		body[0] = (uint8_t)('a' + i);
		list[i] = statement(body, 4);
		ck_assert_uint_eq(shelf_add(&shelf, list[i])->number,
		    (unsigned)i + 1);
	}
	shelf_find(&shelf, list[0]);
	ck_assert_ptr_null(shelf_oldest_beyond(&shelf, 4));
	ck_assert_ptr_eq(shelf_oldest_beyond(&shelf, 3)->statement, list[1]);
	shelf_remove_number(&shelf, list[1], 99);
	ck_assert_ptr_nonnull(shelf_find(&shelf, list[1]));
	shelf_remove_number(&shelf, list[1], 2);
	ck_assert_ptr_null(shelf_find(&shelf, list[1]));
	shelf_restore(&shelf, list[1], 2);
	ck_assert_uint_eq(shelf_find(&shelf, list[1])->number, 2);
	shelf_clear(&shelf);
	ck_assert_uint_eq(shelf.next_number, 5);
	ck_assert_uint_eq(statement_server_name(UINT32_MAX, name), 17);
	ck_assert_str_eq(name, "pgweir_4294967295");
	statement_server_name(0, name);
	ck_assert_str_eq(name, "pgweir_0");
	for (int i = 0; i < 4; i++)
		statement_release(list[i]);
}
END_TEST

START_TEST(what_is_expected_stays_in_order_while_the_ring_grows)
{
	struct expected	expected = { .ring = NULL };

	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 100; i++)
			expected_add(&expected, EXPECT_PARSE,
			    FATE_PASS)->number = i;
		ck_assert(!expected_has_sync(&expected));
		for (uint32_t i = 0; i < 100; i++) {
			ck_assert_uint_eq(expected_head(&expected)->number,
			    i);
			expected_strike(&expected);
		}
	}
	expected_add(&expected, EXPECT_SYNC, FATE_PASS);
	ck_assert(expected_has_sync(&expected));
	expected_done(&expected);
	ck_assert_ptr_null(expected_head(&expected));
}
END_TEST

static void
ignore(struct stream *stream, enum stream_event event)
{
	(void)stream;
	(void)event;
}

/* Whatever the order and the number of parts, the bytes come out as put. */
START_TEST(a_parcel_of_any_shape_comes_out_whole)
{
	static uint8_t	 runs[60000], wanted[200000], got[200000], room[512];
	struct loop	*loop = loop_new(0);
	struct parcel	 parcel;
	struct stream	 stream;
	size_t		 length, n, have;
	int		 pair[2], bytes = 1 << 20;

	for (size_t i = 0; i < sizeof runs; i++)
		runs[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned seed = 1; seed < 60; seed++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK, 0, pair), 0);
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, 4);
		stream_open(&stream, loop, pair[0], ignore);
		parcel_init(&parcel, &stream, room, sizeof room);
		length = 0;
		for (int part = 0; part < 150; part++) {
			uint8_t	piece[700];
			size_t	at = (size_t)rand_r(&seed) % 50000;

			n = (size_t)rand_r(&seed) % (part % 9 ? 30 : 700);
			if (part & 1)
				parcel_run(&parcel, runs + at, n);
			else {
				memcpy(piece, runs + at, n);
				parcel_piece(&parcel, piece, n);
				memset(piece, 0, sizeof piece);
			}
			memcpy(wanted + length, runs + at, n);
			length += n;
		}
		parcel_send(&parcel);
		ck_assert_uint_eq(parcel.sent, length);
		for (have = 0; have < length; have += n) {
			ssize_t	more = read(pair[1], got + have,
				    sizeof got - have);

			ck_assert_int_gt(more, 0);
			n = (size_t)more;
		}
		ck_assert_mem_eq(got, wanted, length);
		stream_close(&stream);
		close(pair[1]);
	}
	loop_free(loop);
}
END_TEST

CHECK_MAIN("relay",
    equal_sets_are_one_object_in_any_order,
    what_cannot_change_a_statement_is_no_part_of_its_key,
    a_custom_name_cannot_be_taken_away,
    switching_says_differences_only_with_hostile_values_quoted,
    a_switch_is_sure_only_when_it_was_accepted_and_nothing_can_end_it,
    a_parse_body_is_checked_against_its_length,
    equal_texts_are_held_once,
    many_threads_intern_and_release_the_same_things,
    a_shelf_gives_up_the_least_recently_used_first,
    what_is_expected_stays_in_order_while_the_ring_grows,
    a_parcel_of_any_shape_comes_out_whole)
