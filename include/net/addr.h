/*
 * Socket addresses: IPv4, IPv6 and unix, printed for people.
 */

#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct addr {
	socklen_t	length;
	union {
		struct sockaddr		any;
		struct sockaddr_in	v4;
		struct sockaddr_in6	v6;
		struct sockaddr_un	local;
	} u;
};

#define ADDR_TEXT_BYTES	128	/* enough for addr_print() */

/* Whether this is no name: an address, a socket directory, localhost. */
bool		 addr_is_literal(const char *host);
/* "192.0.2.1", "::1", "[::1]" (no names, no zones); false: none of these. */
bool		 addr_parse_ip(struct addr *, const char *, int port);
/*
 * The socket file of a directory and port: DIR/.s.PGSQL.PORT.  A directory
 * that begins with @ is in the abstract namespace, without a file.
 */
bool		 addr_parse_unix(struct addr *, const char *dir, int port);

int		 addr_port(const struct addr *);	/* 0 for unix */
void		 addr_set_port(struct addr *, int);
bool		 addr_is_unix(const struct addr *);
bool		 addr_is_loopback(const struct addr *);	/* unix counts */
bool		 addr_equal(const struct addr *, const struct addr *);

/* An IPv4 address inside an IPv6 one becomes plain IPv4 again. */
void		 addr_unmap(struct addr *);

/* "192.0.2.1:5432", "[::1]:5432", "unix:/run/x/.s.PGSQL.5432"; returns it. */
char		*addr_print(const struct addr *, char *, size_t);
/* Without the port: "192.0.2.1", "::1", "unix". */
char		*addr_print_host(const struct addr *, char *, size_t);

/* Unmapped; all zero, and printed "unknown", when the socket has none. */
void		 addr_of_peer(struct addr *, int fd);
void		 addr_of_self(struct addr *, int fd);

#endif
