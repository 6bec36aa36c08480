/*
 * Socket addresses; pure, any thread.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/addr.h"

bool
addr_parse_ip(struct addr *addr, const char *text, int port)
{
	char	bare[INET6_ADDRSTRLEN + 2];
	size_t	n = strlen(text);
	bool	is_bracketed;

	if (n >= sizeof bare)
		return false;
	memcpy(bare, text, n + 1);
	is_bracketed = n > 2 && bare[0] == '[' && bare[n - 1] == ']';
	if (is_bracketed) {
		bare[n - 1] = '\0';
		memmove(bare, bare + 1, n - 1);
	}
	memset(addr, 0, sizeof *addr);
	if (!is_bracketed &&
	    inet_pton(AF_INET, bare, &addr->u.v4.sin_addr) == 1) {
		addr->u.v4.sin_family = AF_INET;
		addr->length = sizeof addr->u.v4;
	} else if (inet_pton(AF_INET6, bare, &addr->u.v6.sin6_addr) == 1) {
		addr->u.v6.sin6_family = AF_INET6;
		addr->length = sizeof addr->u.v6;
	} else
		return false;
	addr_set_port(addr, port);
	return true;
}

bool
addr_parse_unix(struct addr *addr, const char *dir, int port)
{
	int	n;

	memset(addr, 0, sizeof *addr);
	addr->u.local.sun_family = AF_UNIX;
	n = snprintf(addr->u.local.sun_path, sizeof addr->u.local.sun_path,
	    "%s/.s.PGSQL.%d", dir, port);
	if (n < 0 || (size_t)n >= sizeof addr->u.local.sun_path)
		return false;
	if (dir[0] == '@')
		addr->u.local.sun_path[0] = '\0';
	addr->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    (size_t)n + (dir[0] != '@'));
	return true;
}

int
addr_port(const struct addr *addr)
{
	switch (addr->u.any.sa_family) {
	case AF_INET:
		return ntohs(addr->u.v4.sin_port);
	case AF_INET6:
		return ntohs(addr->u.v6.sin6_port);
	default:
		return 0;
	}
}

void
addr_set_port(struct addr *addr, int port)
{
	if (addr->u.any.sa_family == AF_INET)
		addr->u.v4.sin_port = htons((uint16_t)port);
	else if (addr->u.any.sa_family == AF_INET6)
		addr->u.v6.sin6_port = htons((uint16_t)port);
}

bool
addr_is_literal(const char *host)
{
	struct addr	addr;

	return host[0] == '/' || host[0] == '@' ||
	    strcasecmp(host, "localhost") == 0 ||
	    addr_parse_ip(&addr, host, 0);
}

bool
addr_is_unix(const struct addr *addr)
{
	return addr->u.any.sa_family == AF_UNIX;
}

bool
addr_is_loopback(const struct addr *addr)
{
	switch (addr->u.any.sa_family) {
	case AF_INET:
		return ntohl(addr->u.v4.sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&addr->u.v6.sin6_addr);
	default:
		return addr_is_unix(addr);
	}
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->length == b->length &&
	    memcmp(&a->u, &b->u, a->length) == 0;
}

void
addr_unmap(struct addr *addr)
{
	struct sockaddr_in	v4 = { .sin_family = AF_INET };

	if (addr->u.any.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&addr->u.v6.sin6_addr))
		return;
	v4.sin_port = addr->u.v6.sin6_port;
	memcpy(&v4.sin_addr, &addr->u.v6.sin6_addr.s6_addr[12],
	    sizeof v4.sin_addr);
	memset(addr, 0, sizeof *addr);
	addr->u.v4 = v4;
	addr->length = sizeof v4;
}

char *
addr_print_host(const struct addr *addr, char *text, size_t size)
{
	const void	*ip = NULL;

	if (addr->u.any.sa_family == AF_INET)
		ip = &addr->u.v4.sin_addr;
	else if (addr->u.any.sa_family == AF_INET6)
		ip = &addr->u.v6.sin6_addr;
	if (ip == NULL || inet_ntop(addr->u.any.sa_family, ip, text,
	    (socklen_t)size) == NULL)
		snprintf(text, size, "%s",
		    addr_is_unix(addr) ? "unix" : "unknown");
	return text;
}

char *
addr_print(const struct addr *addr, char *text, size_t size)
{
	char	host[INET6_ADDRSTRLEN + 1];

	addr_print_host(addr, host, sizeof host);
	if (addr->u.any.sa_family == AF_INET6)
		snprintf(text, size, "[%s]:%d", host, addr_port(addr));
	else if (addr->u.any.sa_family == AF_INET)
		snprintf(text, size, "%s:%d", host, addr_port(addr));
	else if (addr_is_unix(addr) && addr->u.local.sun_path[0] != '\0')
		snprintf(text, size, "unix:%s", addr->u.local.sun_path);
	else if (addr_is_unix(addr) &&
	    addr->length > offsetof(struct sockaddr_un, sun_path) + 1)
		snprintf(text, size, "unix:@%.*s",
		    (int)(addr->length - offsetof(struct sockaddr_un,
		    sun_path) - 1), addr->u.local.sun_path + 1);
	else
		snprintf(text, size, "%s", host);
	return text;
}

static void
addr_of_end(struct addr *addr, int fd, bool is_peer)
{
	memset(addr, 0, sizeof *addr);
	addr->length = sizeof addr->u;
	if ((is_peer ? getpeername(fd, &addr->u.any, &addr->length) :
	    getsockname(fd, &addr->u.any, &addr->length)) != 0)
		memset(addr, 0, sizeof *addr);
	addr_unmap(addr);
}

void
addr_of_peer(struct addr *addr, int fd)
{
	addr_of_end(addr, fd, true);
}

void
addr_of_self(struct addr *addr, int fd)
{
	addr_of_end(addr, fd, false);
}
