/*
 * The console's protocol; see ops/console.h.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ops/console.h"
#include "ops/suspend.h"
#include "relay/relay.h"
#include "relay/replication.h"
#include "wire/get.h"
#include "wire/put.h"

#define CONSOLE_MESSAGE_MAX	(64 * 1024)
#define CONSOLE_TEXTS_MAX	1000
#define CONSOLE_VERSION		"1.25.2/bouncer"

static void	console_read_messages(struct console *);

void
console_init(void)
{
	client_services.relay = &relay_service;
	client_services.console = &console_service;
	client_services.replication = &replication_service;
}

struct console *
console_find(struct loop *loop, uint64_t id)
{
	struct client	*client;

	TAILQ_FOREACH(client, client_list_of(loop), all)
		if (client->id == id)
			return client->service == &console_service ?
			    client->served : NULL;
	return NULL;
}

static void
console_send(struct console *console)
{
	stream_write(&console->client->stream, buf_bytes(&console->out),
	    buf_length(&console->out));
	buf_done(&console->out);
}

void
console_done(struct console *console, const char *tag)
{
	put_command_complete(&console->out, tag);
	if (!console->is_extended)
		put_ready(&console->out, STATUS_IDLE);
}

void
console_error(struct console *console, const char *sqlstate,
    const char *format, ...)
{
	struct error_fields	fields = { .severity = "ERROR",
				    .sqlstate = sqlstate };
	char			text[1200];
	va_list			args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fields.message = text;
	put_error(&console->out, &fields);
	if (console->is_extended)
		console->is_skipping = true;
	else
		put_ready(&console->out, STATUS_IDLE);
}

void
console_go_on(struct console *console)
{
	console->is_busy = false;
	console_send(console);
	console_read_messages(console);
}

/*
 * Messages.
 */

static const char *
texts_get(const struct console_texts *texts, const char *name)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strcmp(texts->list[i].name, name) == 0)
			return texts->list[i].text;
	return NULL;
}

static void
texts_drop(struct console_texts *texts, const char *name)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strcmp(texts->list[i].name, name) == 0) {
			free(texts->list[i].name);
			free(texts->list[i].text);
			texts->list[i] = texts->list[--texts->count];
			return;
		}
}

/* False: there are too many. */
static bool
texts_set(struct console_texts *texts, const char *name, const char *text)
{
	char	*copy = mem_string(text);

	texts_drop(texts, name);
	if (texts->count == CONSOLE_TEXTS_MAX) {
		free(copy);
		return false;
	}
	texts->list = mem_resize(texts->list,
	    (texts->count + 1) * sizeof texts->list[0]);
	texts->list[texts->count].name = mem_string(name);
	texts->list[texts->count++].text = copy;
	return true;
}

static void
texts_done(struct console_texts *texts)
{
	while (texts->count > 0)
		texts_drop(texts, texts->list[0].name);
	free(texts->list);
}

static void
console_keep(struct console *console, struct console_texts *texts,
    const char *name, const char *text, uint8_t done)
{
	if (texts_set(texts, name, text))
		put_empty(&console->out, done);
	else
		console_error(console, "54000", "the console keeps up to %d "
		    "statements", CONSOLE_TEXTS_MAX);
}

/* What a Parse or a Bind left; NULL: there is none, and that was said. */
static const char *
console_text(struct console *console, bool is_statement, const char *name)
{
	const char	*text = texts_get(is_statement ? &console->parsed :
			    &console->bound, name);

	if (text == NULL)
		console_error(console, is_statement ? "26000" : "34000",
		    "%s \"%.64s\" does not exist", is_statement ?
		    "prepared statement" : "portal", name);
	return text;
}

static void
console_on_bind(struct console *console, struct get *get)
{
	const char	*portal = get_string(get);
	const char	*statement = get_string(get);
	const char	*text;

	if (portal != NULL && statement != NULL &&
	    (text = console_text(console, true, statement)) != NULL)
		console_keep(console, &console->bound, portal, text,
		    MSG_BIND_COMPLETE);
}

static void
console_on_describe(struct console *console, struct get *get)
{
	bool		 is_statement = get_u8(get) == 'S';
	const char	*name = get_string(get), *text;

	if (name == NULL ||
	    (text = console_text(console, is_statement, name)) == NULL)
		return;
	if (is_statement)
		put_parameter_description(&console->out, NULL, 0);
	if (!console_describe(console, text))
		put_empty(&console->out, MSG_NO_DATA);
}

static void
console_on_parse(struct console *console, struct get *get)
{
	const char	*name = get_string(get);
	const char	*text = get_string(get);

	if (name != NULL && text != NULL)
		console_keep(console, &console->parsed, name, text,
		    MSG_PARSE_COMPLETE);
}

static void
console_on_execute(struct console *console, struct get *get)
{
	const char	*portal = get_string(get), *text;

	if (portal != NULL &&
	    (text = console_text(console, false, portal)) != NULL)
		console_run(console, text);
}

static void
console_on_close(struct console *console, struct get *get)
{
	bool		 is_statement = get_u8(get) == 'S';
	const char	*name = get_string(get);

	if (name == NULL)
		return;
	texts_drop(is_statement ? &console->parsed : &console->bound, name);
	put_empty(&console->out, MSG_CLOSE_COMPLETE);
}

static void
console_on_message(struct console *console, uint8_t type,
    const uint8_t *body, size_t n)
{
	struct get	 get;
	const char	*text;

	get_init(&get, body, n);
	if (console->is_skipping && type != MSG_SYNC && type != MSG_TERMINATE)
		return;
	console->is_extended = type != MSG_QUERY;
	switch (type) {
	case MSG_QUERY:
		if ((text = get_string(&get)) != NULL)
			console_run(console, text);
		break;
	case MSG_PARSE:
		console_on_parse(console, &get);
		break;
	case MSG_BIND:
		console_on_bind(console, &get);
		break;
	case MSG_DESCRIBE:
		console_on_describe(console, &get);
		break;
	case MSG_EXECUTE:
		console_on_execute(console, &get);
		break;
	case MSG_CLOSE:
		console_on_close(console, &get);
		break;
	case MSG_SYNC:
		console->is_skipping = false;
		put_ready(&console->out, STATUS_IDLE);
		break;
	case MSG_FLUSH:
		break;
	case MSG_TERMINATE:
		client_close(console->client, REASON_CLIENT_LEFT, NULL);
		return;
	default:
		client_fail(console->client, REASON_BAD_MESSAGE, "the "
		    "console does not know messages of type 0x%02x", type);
		return;
	}
	if (get.bad)
		client_fail(console->client, REASON_BAD_MESSAGE,
		    "message of type 0x%02x is malformed", type);
}

static void
console_read_messages(struct console *console)
{
	struct client	*client = console->client;
	struct msg_head	 head;
	struct buf	 message;
	size_t		 total;

	/* The console is gone when its client is: that is asked first. */
	while (client->state == CLIENT_SERVED && !console->is_busy) {
		switch (msg_peek(buf_bytes(&console->in),
		    buf_length(&console->in), &head)) {
		case MSG_SHORT:
			console_send(console);
			return;
		case MSG_BAD:
			client_fail(client, REASON_BAD_MESSAGE,
			    "a message of impossible length");
			return;
		case MSG_OK:
			break;
		}
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (total > CONSOLE_MESSAGE_MAX) {
			client_fail(client, REASON_MESSAGE_TOO_LONG, "the "
			    "console takes messages of up to %d bytes",
			    CONSOLE_MESSAGE_MAX);
			return;
		}
		if (buf_length(&console->in) < total) {
			console_send(console);
			return;
		}
		buf_init(&message);
		buf_add(&message, buf_bytes(&console->in), total);
		buf_consume(&console->in, total);
		console_on_message(console, buf_bytes(&message)[0],
		    buf_bytes(&message) + MSG_HEAD_BYTES, head.length);
		buf_done(&message);
	}
}

static void
console_on_readable(struct console *console)
{
	struct client	*client = console->client;
	ssize_t		 n;

	if (buf_length(&console->in) > 2 * CONSOLE_MESSAGE_MAX) {
		client_fail(client, REASON_MESSAGE_TOO_LONG,
		    "too much was sent to the console");
		return;
	}
	n = stream_read(&client->stream, buf_reserve(&console->in, 4096),
	    4096);
	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		client_close(client, REASON_CLIENT_LEFT, NULL);
		return;
	}
	buf_commit(&console->in, (size_t)n);
	console_read_messages(console);
}

/*
 * The service.
 */

static void
console_on_event(struct client *client, enum stream_event event)
{
	if (event == STREAM_READABLE)
		console_on_readable(client->served);
	else if (event == STREAM_FAILED)
		client_close(client, REASON_CLIENT_LOST,
		    stream_error(&client->stream));
}

static void
console_on_start(struct client *client, const struct client_start *start)
{
	static const char	*const parameters[][2] = {
		{ "server_version", CONSOLE_VERSION },
		{ "client_encoding", "UTF8" },
		{ "server_encoding", "UTF8" },
		{ "DateStyle", "ISO" },
		{ "TimeZone", "GMT" },
		{ "standard_conforming_strings", "on" },
		{ "is_superuser", "on" },
		{ "integer_datetimes", "on" },
	};
	struct console		*console = mem_new(sizeof *console);

	console->client = client;
	client->served = console;
	client->stream.yields = false;
	buf_init(&console->in);
	buf_add(&console->in, start->early, start->early_length);
	buf_init(&console->out);
	put_auth(&console->out, MSG_AUTH_OK, NULL, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++)
		put_parameter_status(&console->out, parameters[i][0],
		    parameters[i][1]);
	client_make_key(client, &console->out);
	put_ready(&console->out, STATUS_IDLE);
	console_send(console);
	if (start->early_length > 0)
		console_read_messages(console);
}

static void
console_on_cancel(struct client *client,
    void (*done)(struct loop *, void *), void *arg)
{
	struct console	*console = client->served;

	if (console->waiting_tag != NULL) {
		deadline_clear(client->loop, &console->poll);
		console->waiting_tag = NULL;
		console_error(console, "57014",
		    "canceling statement due to user request");
		console_go_on(console);
	}
	done(client->loop, arg);
}

static void
console_on_dismiss(struct client *client, enum reason reason,
    const char *text, bool is_now)
{
	(void)is_now;
	client_fail(client, reason, "%s", text);
}

static void
console_on_stop(struct client *client)
{
	struct console	*console = client->served;

	/* Nobody new could say RESUME. */
	if (atomic_load(&client_numbers.consoles) == 0)
		suspend_end("no console is left");
	deadline_clear(client->loop, &console->poll);
	buf_done(&console->in);
	buf_done(&console->out);
	texts_done(&console->parsed);
	texts_done(&console->bound);
	free(console->waiting_database);
	free(console->explained);
	free(console);
	client->served = NULL;
}

const struct client_service	console_service = {
	.name = "console",
	.start = console_on_start,
	.on_event = console_on_event,
	.cancel = console_on_cancel,
	.dismiss = console_on_dismiss,
	.stop = console_on_stop,
};
