/*
 * Clients: accepting, finding, dismissing, closing; see client/client.h.
 */

#include <sys/socket.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/client_key.h"
#include "client/client_login.h"
#include "client/client_private.h"
#include "config/config.h"
#include "pool/pool.h"
#include "wire/put.h"

enum { CLIENT_LOOPS_MAX = 512 };

struct client_services		client_services;
struct client_numbers		client_numbers;

static struct client_list	client_lists[CLIENT_LOOPS_MAX];
static atomic_int		client_counts[CLIENT_LOOPS_MAX];
static _Atomic uint64_t		client_last_id;

/* Bits. */
static const uint8_t		client_successors[] = {
	[CLIENT_STARTUP] = 1 << CLIENT_LOGIN | 1 << CLIENT_CLOSING,
	[CLIENT_LOGIN] = 1 << CLIENT_SERVED | 1 << CLIENT_CLOSING,
	[CLIENT_SERVED] = 1 << CLIENT_CLOSING,
	[CLIENT_CLOSING] = 0,
};

static bool
client_is_sane(const struct client *client)
{
	switch (client->state) {
	case CLIENT_STARTUP:
	case CLIENT_LOGIN:
		return client->login != NULL && client->service == NULL;
	case CLIENT_SERVED:
		return client->login == NULL && client->service != NULL;
	case CLIENT_CLOSING:
		return client->login == NULL && client->served == NULL &&
		    !stream_is_open(&client->stream);
	}
	return false;
}

void
client_set_state(struct client *client, enum client_state state)
{
	assert(client_successors[client->state] & 1 << state);
	client->state = state;
	assert(client_is_sane(client));
}

struct client_list *
client_list_of(const struct loop *loop)
{
	struct client_list	*list = &client_lists[loop->index];

	assert(loop->index < CLIENT_LOOPS_MAX);
	if (list->tqh_last == NULL)
		TAILQ_INIT(list);
	return list;
}

int
client_count_of(const struct loop *loop)
{
	return atomic_load_explicit(&client_counts[loop->index],
	    memory_order_relaxed);
}

void
client_count_add(const struct loop *loop)
{
	atomic_fetch_add(&client_counts[loop->index], 1);
	atomic_fetch_add(&client_numbers.total, 1);
}

static const char *
client_application(const struct client *client)
{
	const struct client_login	*login = client->login;

	if (client->service != NULL && client->served != NULL &&
	    client->service->application != NULL)
		return client->service->application(client);
	for (size_t i = 0; login != NULL && i < login->setting_count; i += 2)
		if (strcmp(login->settings[i], "application_name") == 0)
			return login->settings[i + 1];
	return NULL;
}

void
client_who(const struct client *client, struct log_who *who)
{
	static _Thread_local char	 address[ADDR_TEXT_BYTES];
	struct addr			 peer;

	memset(who, 0, sizeof *who);
	who->kind = "client";
	who->id = client->id;
	who->database = client->database;
	who->user = client->user;
	who->application = client_application(client);
	if (stream_is_open(&client->stream)) {
		addr_of_peer(&peer, client->stream.fd);
		who->address = addr_print(&peer, address, sizeof address);
	}
}

static void
client_on_stream(struct stream *stream, enum stream_event event)
{
	struct client	*client = container_of(stream, struct client,
			    stream);

	if (client->state == CLIENT_SERVED)
		client->service->on_event(client, event);
	else
		client_login_on_event(client, event);
}

/* One of max_client_conn; who gets none is let in to be told, or an admin. */
static bool
client_take_place(int max)
{
	int	taken = atomic_load(&client_numbers.places);

	do {
		if (taken >= max)
			return false;
	} while (!atomic_compare_exchange_weak(&client_numbers.places,
	    &taken, taken + 1));
	return true;
}

void
client_accept(struct loop *loop, int fd, bool is_unix)
{
	struct client	*client = mem_new(sizeof *client);
	struct config	*config = config_current();
	int		 max = config->option.max_client_conn;

	config_release(config);
	client->loop = loop;
	client->id = atomic_fetch_add(&client_last_id, 1) + 1;
	client->connected_us = loop_now_us(loop);
	TAILQ_INSERT_TAIL(client_list_of(loop), client, all);
	atomic_fetch_add(&client_numbers.logging_in, 1);
	client->is_unix = is_unix;
	stream_open(&client->stream, loop, fd, client_on_stream);
	client->stream.yields = true;
	stream_watch(&client->stream);
	client->has_place = client_take_place(max);
	client_login_start(client, !client->has_place);
}

/*
 * Closing.
 */

static void
client_on_free(struct loop *loop, struct task *task)
{
	struct client	*client = container_of(task, struct client, task);

	atomic_fetch_sub(&client_counts[loop->index], 1);
	if (client->is_watcher)
		atomic_fetch_sub(&client_numbers.watchers, 1);
	atomic_fetch_sub(&client_numbers.total, 1);
	free(client->database);
	free(client->user);
	free(client);
}

/* A probe that connects and leaves without a word is nobody's news. */
static void
client_log_close(const struct client *client, enum reason reason,
    const char *detail)
{
	struct config	*config = config_current();
	bool		 wanted = config->option.log_disconnections;
	struct log_who	 who;

	config_release(config);
	wanted = wanted && client->user != NULL;
	if (!log_wants(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG))
		return;
	client_who(client, &who);
	if (wanted)
		log_info(&who, "disconnected: %s%s%s", reason_label(reason),
		    detail != NULL ? ": " : "",
		    detail != NULL ? detail : "");
	else
		log_debug(&who, "disconnected: %s%s%s", reason_label(reason),
		    detail != NULL ? ": " : "",
		    detail != NULL ? detail : "");
}

void
client_close(struct client *client, enum reason reason, const char *detail)
{
	if (client->state == CLIENT_CLOSING)
		return;
	client_log_close(client, reason, detail);
	atomic_fetch_add(&reason_clients_closed[reason], 1);
	if (client->state == CLIENT_SERVED)
		atomic_fetch_sub(&client_numbers.served, 1);
	else
		atomic_fetch_sub(&client_numbers.logging_in, 1);
	if (client->is_console)
		atomic_fetch_sub(&client_numbers.consoles, 1);
	if (client->has_place)
		atomic_fetch_sub(&client_numbers.places, 1);
	deadline_clear(client->loop, &client->deadline);
	if (client->service != NULL)
		client->service->stop(client);
	client_login_free(client);
	client_key_forget(client);
	stream_close(&client->stream);
	TAILQ_REMOVE(client_list_of(client->loop), client, all);
	client_set_state(client, CLIENT_CLOSING);
	client->task.run = client_on_free;
	loop_defer(client->loop, &client->task);
}

void
client_fail_as(struct client *client, enum reason reason,
    const char *sqlstate, const char *text, const char *hint)
{
	struct error_fields	fields = {
		.sqlstate = sqlstate,
		.message = text,
		.hint = hint != NULL && hint[0] != '\0' ? hint : NULL,
	};

	client_fail_with(client, reason, &fields);
}

void
client_fail_with(struct client *client, enum reason reason,
    const struct error_fields *error)
{
	struct error_fields	fields = *error;
	const char		*text = fields.message;
	const char		*sqlstate = fields.sqlstate;
	struct buf		message;
	struct config		*config = config_current();
	struct log_who		who;

	if (client->state == CLIENT_CLOSING) {
		config_release(config);
		return;
	}
	client_who(client, &who);
	if (config->option.log_pooler_errors && reason != REASON_SHUTDOWN)
		log_warning(&who, "%s (%s)", text, sqlstate);
	config_release(config);
	errors_note(sqlstate, reason_label(reason), &who, text);
	fields.severity = "FATAL";
	buf_init(&message);
	put_error(&message, &fields);
	if (client->service == NULL || client->service->may_speak == NULL ||
	    client->service->may_speak(client))
		stream_write(&client->stream, buf_bytes(&message),
		    buf_length(&message));
	buf_done(&message);
	client_close(client, reason, text);
}

void
client_fail(struct client *client, enum reason reason, const char *format,
    ...)
{
	char	text[700];
	va_list	args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	client_fail_as(client, reason, reason_sqlstate(reason), text, NULL);
}

void
client_dismiss(struct client *client, enum reason reason, const char *text,
    bool is_now)
{
	if (client->state == CLIENT_SERVED)
		client->service->dismiss(client, reason, text, is_now);
	else if (client->state != CLIENT_CLOSING)
		client_fail(client, reason, "%s", text);
}
