/*
 * net/addr.h
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "net/addr.h"

static const char *
printed(const struct addr *addr)
{
	static char	text[ADDR_TEXT_BYTES];

	return addr_print(addr, text, sizeof text);
}

static const char *
printed_host(const struct addr *addr)
{
	static char	text[ADDR_TEXT_BYTES];

	return addr_print_host(addr, text, sizeof text);
}

START_TEST(numeric_addresses_are_parsed_and_printed)
{
	static const struct {
		const char	*text, *with_port, *host;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1:5432", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0:5432", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255:5432",
		    "255.255.255.255" },
		{ "::", "[::]:5432", "::" },
		{ "::1", "[::1]:5432", "::1" },
		{ "[::1]", "[::1]:5432", "::1" },
		{ "2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:5432",
		    "2001:db8::1" },
		{ "1111:2222:3333:4444:5555:6666:123.123.123.123",
		    "[1111:2222:3333:4444:5555:6666:7b7b:7b7b]:5432",
		    "1111:2222:3333:4444:5555:6666:7b7b:7b7b" },
	};
	struct addr	addr;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_msg(addr_parse_ip(&addr, cases[i].text, 5432), "%s",
		    cases[i].text);
		ck_assert_str_eq(printed(&addr), cases[i].with_port);
		ck_assert_str_eq(printed_host(&addr), cases[i].host);
		ck_assert_int_eq(addr_port(&addr), 5432);
		ck_assert(!addr_is_unix(&addr));
	}
}
END_TEST

START_TEST(what_is_not_a_numeric_address_is_refused)
{
	static const char	*const cases[] = {
		"", "localhost", "192.0.2", "192.0.2.1.1", "192.0.2.256",
		"192.0.2.1:5432", " 192.0.2.1", "192.0.2.1 ", "[192.0.2.1]",
		"[", "]", "[]", "[::1", "::1]", "[[::1]]", ":::", "::1::",
		"fe80::1%lo", "12345::",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999",
		"1111:2222:3333:4444:5555:6666:123.123.123.1234567890",
	};
	struct addr	addr;
	char		long_text[4096];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(!addr_parse_ip(&addr, cases[i], 1), "%s",
		    cases[i]);
	memset(long_text, '1', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	ck_assert(!addr_parse_ip(&addr, long_text, 1));
}
END_TEST

START_TEST(a_port_is_kept_from_0_to_65535)
{
	static const int	ports[] = { 0, 1, 5432, 32768, 65535 };
	struct addr		addr;

	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
		ck_assert(addr_parse_ip(&addr, "192.0.2.1", ports[i]));
		ck_assert_int_eq(addr_port(&addr), ports[i]);
		ck_assert(addr_parse_ip(&addr, "::1", 1));
		addr_set_port(&addr, ports[i]);
		ck_assert_int_eq(addr_port(&addr), ports[i]);
	}
}
END_TEST

START_TEST(a_unix_socket_is_named_as_postgresql_names_it)
{
	struct addr	addr;

	ck_assert(addr_parse_unix(&addr, "/run/postgresql", 5432));
	ck_assert(addr_is_unix(&addr));
	ck_assert_int_eq(addr_port(&addr), 0);
	ck_assert_str_eq(addr.u.local.sun_path,
	    "/run/postgresql/.s.PGSQL.5432");
	ck_assert_str_eq(printed(&addr),
	    "unix:/run/postgresql/.s.PGSQL.5432");
	ck_assert_str_eq(printed_host(&addr), "unix");
	addr_set_port(&addr, 1);
	ck_assert_str_eq(addr.u.local.sun_path,
	    "/run/postgresql/.s.PGSQL.5432");
}
END_TEST

START_TEST(an_abstract_unix_socket_has_no_file)
{
	struct addr	addr;

	ck_assert(addr_parse_unix(&addr, "@pgweir", 6432));
	ck_assert(addr_is_unix(&addr));
	ck_assert_int_eq(addr.u.local.sun_path[0], '\0');
	ck_assert_int_eq(addr.length, offsetof(struct sockaddr_un, sun_path) +
	    strlen("@pgweir/.s.PGSQL.6432"));
	ck_assert_str_eq(printed(&addr), "unix:@pgweir/.s.PGSQL.6432");
}
END_TEST

START_TEST(a_unix_path_may_fill_the_address_but_no_more)
{
	struct addr	addr;
	size_t		most = sizeof addr.u.local.sun_path - 1 -
			    strlen("/.s.PGSQL.5432");
	char		dir[200], text[ADDR_TEXT_BYTES];

	memset(dir, 'd', sizeof dir);
	dir[0] = '/';
	dir[most] = '\0';
	ck_assert(addr_parse_unix(&addr, dir, 5432));
	ck_assert_int_eq(addr.length, sizeof addr.u.local);
	/* The longest there is fits into what callers have for it. */
	addr_print(&addr, text, sizeof text);
	ck_assert_int_eq(strlen(text), strlen("unix:") +
	    strlen(addr.u.local.sun_path));
	dir[most] = 'd';
	dir[most + 1] = '\0';
	ck_assert(!addr_parse_unix(&addr, dir, 5432));
}
END_TEST

START_TEST(loopback_is_recognized_in_every_family)
{
	static const struct {
		const char	*text;
		bool		 is_loopback;
	} cases[] = {
		{ "127.0.0.1", true }, { "127.255.255.255", true },
		{ "126.255.255.255", false }, { "128.0.0.0", false },
		{ "0.0.0.0", false }, { "::1", true }, { "::", false },
		{ "::2", false },
	};
	struct addr	addr;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert(addr_parse_ip(&addr, cases[i].text, 0));
		ck_assert_msg(addr_is_loopback(&addr) == cases[i].is_loopback,
		    "%s", cases[i].text);
	}
	ck_assert(addr_parse_unix(&addr, "/tmp", 1));
	ck_assert(addr_is_loopback(&addr));
	memset(&addr, 0, sizeof addr);
	ck_assert(!addr_is_loopback(&addr));
	ck_assert_str_eq(printed(&addr), "unknown");
}
END_TEST

START_TEST(equal_means_family_address_and_port)
{
	struct addr	a, b;

	ck_assert(addr_parse_ip(&a, "192.0.2.1", 1));
	ck_assert(addr_parse_ip(&b, "192.0.2.1", 1));
	ck_assert(addr_equal(&a, &b));
	addr_set_port(&b, 2);
	ck_assert(!addr_equal(&a, &b));
	ck_assert(addr_parse_ip(&b, "192.0.2.2", 1));
	ck_assert(!addr_equal(&a, &b));
	ck_assert(addr_parse_ip(&b, "::ffff:192.0.2.1", 1));
	ck_assert(!addr_equal(&a, &b));
	ck_assert(addr_parse_unix(&a, "/a", 1));
	ck_assert(addr_parse_unix(&b, "/b", 1));
	ck_assert(!addr_equal(&a, &b));
	ck_assert(addr_parse_unix(&b, "/a", 1));
	ck_assert(addr_equal(&a, &b));
}
END_TEST

START_TEST(ipv4_inside_ipv6_becomes_ipv4)
{
	struct addr	addr, v4;

	ck_assert(addr_parse_ip(&v4, "127.0.0.1", 77));
	ck_assert(addr_parse_ip(&addr, "::ffff:127.0.0.1", 77));
	addr_unmap(&addr);
	ck_assert(addr_equal(&addr, &v4));
	ck_assert(addr_is_loopback(&addr));
	ck_assert(addr_parse_ip(&addr, "::fffe:127.0.0.1", 77));
	addr_unmap(&addr);
	ck_assert_int_eq(addr.u.any.sa_family, AF_INET6);
	addr_unmap(&v4);
	ck_assert_str_eq(printed(&v4), "127.0.0.1:77");
}
END_TEST

START_TEST(sockets_tell_their_two_addresses)
{
	struct addr	listening, self, peer;
	int		fd = socket(AF_INET, SOCK_STREAM, 0);
	int		other = socket(AF_INET, SOCK_STREAM, 0), accepted;

	ck_assert(addr_parse_ip(&listening, "127.0.0.1", 0));
	ck_assert_int_eq(bind(fd, &listening.u.any, listening.length), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	addr_of_self(&listening, fd);
	ck_assert_int_ne(addr_port(&listening), 0);
	ck_assert_int_eq(connect(other, &listening.u.any, listening.length),
	    0);
	accepted = accept(fd, NULL, NULL);
	addr_of_peer(&peer, other);
	ck_assert(addr_equal(&peer, &listening));
	addr_of_peer(&peer, accepted);
	addr_of_self(&self, other);
	ck_assert(addr_equal(&peer, &self));
	addr_of_peer(&peer, fd);
	ck_assert_str_eq(printed(&peer), "unknown");
	ck_assert_str_eq(printed_host(&peer), "unknown");
	ck_assert_int_eq(addr_port(&peer), 0);
	close(fd);
	close(other);
	close(accepted);
}
END_TEST

START_TEST(an_unnamed_unix_peer_is_unix)
{
	struct addr	addr;
	int		fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	addr_of_peer(&addr, fds[0]);
	ck_assert(addr_is_unix(&addr));
	ck_assert_str_eq(printed(&addr), "unix");
	ck_assert_str_eq(printed_host(&addr), "unix");
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(a_small_buffer_is_never_overrun)
{
	struct addr	addr;
	char		text[16];

	ck_assert(addr_parse_ip(&addr, "2001:db8:1:2:3:4:5:6", 65535));
	for (size_t size = 1; size <= sizeof text; size++) {
		memset(text, '#', sizeof text);
		addr_print(&addr, text, size);
		ck_assert_int_lt(strnlen(text, size), size);
		for (size_t i = size; i < sizeof text; i++)
			ck_assert_int_eq(text[i], '#');
	}
}
END_TEST

CHECK_MAIN("addr", numeric_addresses_are_parsed_and_printed,
    what_is_not_a_numeric_address_is_refused,
    a_port_is_kept_from_0_to_65535,
    a_unix_socket_is_named_as_postgresql_names_it,
    an_abstract_unix_socket_has_no_file,
    a_unix_path_may_fill_the_address_but_no_more,
    loopback_is_recognized_in_every_family,
    equal_means_family_address_and_port,
    ipv4_inside_ipv6_becomes_ipv4,
    sockets_tell_their_two_addresses,
    an_unnamed_unix_peer_is_unix,
    a_small_buffer_is_never_overrun)
