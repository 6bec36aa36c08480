/*
 * See front.h.
 */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "front.h"
#include "net/listener.h"
#include "net/loop.h"
#include "pool/peers.h"
#include "worker.h"

enum { FRONT_MAX = 32 };

static struct {
	struct listener	*listeners[FRONT_MAX];
	int		 count;
} front;

static void
front_on_accepted(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	workers_accept(fd, addr_is_unix(peer));
}

static void
front_on_shortage(void *arg, int error)
{
	(void)arg;
	log_error(NULL, "cannot accept connections: %s; lower "
	    "max_client_conn or raise the limit of file descriptors "
	    "(ulimit -n, LimitNOFILE)", strerror(error));
}

static bool
front_add(struct loop *loop, const struct addr *addr,
    const struct config *config, char *error, size_t size)
{
	const struct option_values	*option = &config->option;
	struct listener_settings	 settings = {
		.backlog = option->listen_backlog,
		.reuse_port = option->so_reuseport,
		.defer_accept = option->tcp_defer_accept > 0,
		.unix_mode = (mode_t)option->unix_socket_mode,
		.unix_group = option->unix_socket_group,
	};
	struct listener			*listener;
	char				 text[ADDR_TEXT_BYTES];

	if (front.count == FRONT_MAX) {
		snprintf(error, size, "listen_addr names more than %d "
		    "addresses", FRONT_MAX);
		return false;
	}
	listener = listener_new(loop, addr, &settings, front_on_accepted,
	    NULL, error, size);
	if (listener == NULL)
		return false;
	listener_on_shortage(listener, front_on_shortage);
	front.listeners[front.count++] = listener;
	log_info(NULL, "listening on %s", addr_print(listener_addr(listener),
	    text, sizeof text));
	return true;
}

/* A port of 0 is chosen once and the same for all. */
int
front_port(const struct config *config)
{
	if (config->option.listen_port != 0 || front.count == 0)
		return config->option.listen_port;
	return addr_port(listener_addr(front.listeners[0]));
}

/* All addresses of a name; one of them has to do. */
static bool
front_add_name(struct loop *loop, const char *name,
    const struct config *config, char *error, size_t size)
{
	struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo	*list, *entry;
	struct addr	 addr;
	int		 fault = getaddrinfo(name, NULL, &hints, &list);
	bool		 good = false;

	if (fault != 0) {
		snprintf(error, size, "listen_addr: \"%s\": %s", name,
		    gai_strerror(fault));
		return false;
	}
	for (entry = list; entry != NULL; entry = entry->ai_next) {
		if (entry->ai_addrlen > sizeof addr.u)
			continue;
		memset(&addr, 0, sizeof addr);
		memcpy(&addr.u, entry->ai_addr, entry->ai_addrlen);
		addr.length = entry->ai_addrlen;
		addr_set_port(&addr, front_port(config));
		if (front_add(loop, &addr, config, error, size))
			good = true;
		else
			log_warning(NULL, "%s", error);
	}
	freeaddrinfo(list);
	return good;
}

static bool
front_add_text(struct loop *loop, const char *text,
    const struct config *config, char *error, size_t size)
{
	struct addr	addr;

	if (strcmp(text, "*") == 0) {
		/* "::" takes IPv4 as well where there is IPv6 at all. */
		if (addr_parse_ip(&addr, "::", front_port(config)) &&
		    front_add(loop, &addr, config, error, size))
			return true;
		text = "0.0.0.0";
	}
	if (!addr_parse_ip(&addr, text, front_port(config)))
		return front_add_name(loop, text, config, error, size);
	return front_add(loop, &addr, config, error, size);
}

static bool
front_add_unix(struct loop *loop, const struct config *config, char *error,
    size_t size)
{
	struct addr	 addr;
	const char	*dir = config->option.unix_socket_dir;

	if (dir[0] == '\0')
		return true;
	if (!addr_parse_unix(&addr, dir, front_port(config))) {
		snprintf(error, size, "unix_socket_dir \"%s\" is too long",
		    dir);
		return false;
	}
	return front_add(loop, &addr, config, error, size);
}

bool
front_open(struct loop *loop, const struct config *config, char *error,
    size_t size)
{
	char	*list = mem_string(config->option.listen_addr), *rest = list;
	char	*word;
	bool	 good = true;

	while (good && (word = text_next_word(&rest)) != NULL)
		good = front_add_text(loop, word, config, error, size);
	free(list);
	good = good && front_add_unix(loop, config, error, size);
	if (good && front.count == 0) {
		snprintf(error, size, "neither listen_addr nor "
		    "unix_socket_dir is set: nobody could connect");
		good = false;
	}
	if (good)
		front_apply(config);
	else
		front_close();
	return good;
}

/* Who connects inherits what the listening socket has. */
void
front_apply(const struct config *config)
{
	struct socket_settings	settings;

	config_socket_settings(config, &settings);
	for (int i = 0; i < front.count; i++)
		listener_apply(front.listeners[i], &settings);
}

void
front_set_accepting(bool accepts)
{
	for (int i = 0; i < front.count; i++)
		listener_set_accepting(front.listeners[i], accepts);
}

void
front_drain(bool keeps)
{
	struct config	*config = config_current();
	bool		 keeps_tcp = peers_count() > 0 &&
			    !config->option.so_reuseport;

	config_release(config);
	for (int i = 0; i < front.count; i++)
		if (!keeps || !(keeps_tcp || addr_is_unix(
		    listener_addr(front.listeners[i]))))
			listener_drain(front.listeners[i]);
}

void
front_close(void)
{
	for (int i = 0; i < front.count; i++)
		listener_free(front.listeners[i]);
	front.count = 0;
}
