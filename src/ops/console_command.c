/*
 * The console's commands: one table, one function each.
 *
 * A command is words: the first finds the row, the rest are its arguments.
 * Drivers ask a few settings before they say anything else; those are
 * answered as PgBouncer answers them.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "ops/console.h"
#include "ops/console_private.h"
#include "ops/process.h"
#include "ops/show.h"
#include "ops/show_private.h"
#include "ops/suspend.h"
#include "pool/pool.h"
#include "wire/put.h"

#define POLL_US		(50 * US_PER_MS)
#define NOT_NOW		"55000"		/* object_not_in_prerequisite_state */

struct command {
	const char	*name;
	const char	*arguments;	/* for SHOW HELP */
	int		 least, most;	/* words, the name included */
	bool		 is_admin_only;
	void		(*run)(struct console *, const struct words *);
};

/*
 * Words.
 */

/* One word, or something in quotes; NULL at the end. */
static char *
words_next(char **at)
{
	char	*word, *to, quote;

	*at += strspn(*at, " \t\r\n");
	if (**at == '\0')
		return NULL;
	quote = **at;
	if (quote != '\'' && quote != '"') {
		word = *at;
		*at += strcspn(*at, " \t\r\n=");
		if (*at == word)
			(*at)++;
		return mem_string_n(word, (size_t)(*at - word));
	}
	word = to = mem_new(strlen(*at) + 1);
	for ((*at)++; **at != '\0'; (*at)++) {
		if (**at == quote && *++*at != quote)
			break;
		*to++ = **at;
	}
	*to = '\0';
	return word;
}

void
words_parse(const char *text, struct words *words)
{
	char	*copy = mem_string(text), *at = copy, *end, *word;

	end = copy + strlen(copy);
	while (end > copy && strchr("; \t\r\n", end[-1]) != NULL)
		*--end = '\0';
	words->count = 0;
	words->text = text;
	while ((word = words_next(&at)) != NULL) {
		if (words->count == WORDS_MAX) {
			free(word);
			words->count = WORDS_MAX + 1;
			break;
		}
		words->list[words->count++] = word;
	}
	free(copy);
}

void
words_capitals(const char *word, char *text, size_t size)
{
	size_t	n;

	for (n = 0; n + 1 < size && word[n] != '\0'; n++)
		text[n] = word[n] >= 'a' && word[n] <= 'z' ?
		    (char)(word[n] - 'a' + 'A') : word[n];
	text[n] = '\0';
}

void
words_free(struct words *words)
{
	for (int i = 0; i < words->count && i < WORDS_MAX; i++)
		free(words->list[i]);
}

/*
 * Commands about databases.
 */

/* The database a command names; all are meant when it names none. */
static const char *
command_database(const struct words *words)
{
	return words->count > 1 ? words->list[1] : NULL;
}

static bool
command_is_about(const struct pool *pool, const char *database)
{
	return database == NULL || strcmp(pool->database, database) == 0;
}

static bool
command_knows(struct console *console, const struct words *words)
{
	const char	*database = command_database(words);
	struct config	*config;
	bool		 known;

	if (database == NULL)
		return true;
	if (strcmp(database, "pgbouncer") == 0 ||
	    strcmp(database, "pgweir") == 0) {
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "cannot %s admin db: %s", words->list[0], database);
		return false;
	}
	config = config_current();
	known = config_database(config, database) != NULL;
	config_release(config);
	if (!known)
		console_error(console, reason_sqlstate(REASON_NO_DATABASE),
		    "no such database: %s", database);
	return known;
}

static bool
command_is_quiet(const char *database)
{
	struct pool	*pool;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (command_is_about(pool, database) && !pool_is_quiet(pool))
			return false;
	return true;
}

static void
command_on_poll(struct loop *loop, struct deadline *deadline)
{
	struct console	*console = container_of(deadline, struct console,
			    poll);
	const char	*tag = console->waiting_tag;

	if (!command_is_quiet(console->waiting_database)) {
		deadline_set(loop, &console->poll, POLL_US, command_on_poll);
		return;
	}
	console->waiting_tag = NULL;
	console_done(console, tag);
	console_go_on(console);
}

/* The answer comes when no server is in use. */
static void
command_wait(struct console *console, const char *database, const char *tag)
{
	console->is_busy = true;
	console->waiting_tag = tag;
	free(console->waiting_database);
	console->waiting_database = mem_string(database);
	deadline_set(console->client->loop, &console->poll, 1,
	    command_on_poll);
}

/* All that PAUSE or SUSPEND could stop is stopped; that was said. */
static bool
command_is_stopped(struct console *console)
{
	if (!suspend_is_on() && !pools_are_paused(NULL))
		return false;
	console_error(console, NOT_NOW, "already suspended/paused");
	return true;
}

static void
command_pause(struct console *console, const struct words *words)
{
	const char	*database = command_database(words);

	if (!command_knows(console, words) ||
	    command_is_stopped(console))
		return;
	pools_pause(database);
	command_wait(console, database, "PAUSE");
}

static void
command_resume(struct console *console, const struct words *words)
{
	const char	*database = command_database(words);

	if (!command_knows(console, words))
		return;
	if (database != NULL && !pools_are_paused(database)) {
		console_error(console, NOT_NOW, "database %s is not paused",
		    database);
		return;
	}
	if (!suspend_is_on() && !pools_have_paused()) {
		console_error(console, NOT_NOW,
		    "pooler is not paused/suspended");
		return;
	}
	if (database == NULL)
		suspend_end("RESUME");
	pools_resume(database);
	console_done(console, "RESUME");
}

static void
command_reconnect(struct console *console, const struct words *words)
{
	const char	*database = command_database(words);
	struct pool	*pool;

	if (!command_knows(console, words))
		return;
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (command_is_about(pool, database))
			pool_reconnect(pool);
	console_done(console, "RECONNECT");
}

static void
command_wait_close(struct console *console, const struct words *words)
{
	if (command_knows(console, words))
		console_wait_close(console, command_database(words));
}

static void
command_suspend(struct console *console, const struct words *words)
{
	(void)words;
	if (command_is_stopped(console))
		return;
	if (pools_have_paused()) {
		console_error(console, NOT_NOW,
		    "cannot suspend with paused databases");
		return;
	}
	suspend_begin();
	console_wait_suspend(console);
}

static void
command_set_disabled(struct console *console, const struct words *words,
    bool disabled)
{
	if (!command_knows(console, words))
		return;
	pools_set_disabled(words->list[1], disabled);
	console_done(console, disabled ? "DISABLE" : "ENABLE");
}

static void
command_disable(struct console *console, const struct words *words)
{
	command_set_disabled(console, words, true);
}

static void
command_enable(struct console *console, const struct words *words)
{
	command_set_disabled(console, words, false);
}

/* As in PgBouncer: the database is paused, and all its connections go. */
static void
command_kill(struct console *console, const struct words *words)
{
	const char	*database = command_database(words);
	struct pool	*pool;

	if (!command_knows(console, words))
		return;
	pools_pause(database);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (command_is_about(pool, database)) {
			console_kill_all(pool->database);
			pool_reconnect(pool);
		}
	console_done(console, "KILL");
}

static void
command_kill_client(struct console *console, const struct words *words)
{
	int64_t	id;

	if (!text_to_integer(words->list[1], &id) || id <= 0) {
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "\"%s\" is not an id as SHOW CLIENTS has them",
		    words->list[1]);
		return;
	}
	console_kill_one(console, (uint64_t)id);
}

/*
 * Commands about the process.
 */

static struct console *
command_console(void *arg)
{
	uint64_t	 id = (uint64_t)(uintptr_t)arg;
	struct console	*console = NULL;

	for (int i = 0; console == NULL && i < process.loop_count; i++)
		if (loop_is_mine(process.loop(i)))
			console = console_find(process.loop(i), id);
	return console;
}

static void
command_on_reloaded(void *arg, const char *error)
{
	struct console	*console = command_console(arg);

	if (console == NULL)
		return;
	if (error != NULL)
		console_error(console, "F0000", "the configuration was not "
		    "reloaded: %s", error);
	else
		console_done(console, "RELOAD");
	console_go_on(console);
}

static void
command_on_set(void *arg, const char *error)
{
	struct console	*console = command_console(arg);

	if (console == NULL)
		return;
	if (error != NULL)
		console_error(console, reason_sqlstate(REASON_BAD_PARAMETER),
		    "%s", error);
	else
		console_done(console, console->set_tag);
	console_go_on(console);
}

static void
command_configure(struct console *console, const char *name,
    const char *value, void (*done)(void *, const char *))
{
	console->is_busy = true;
	process.configure(name, value, console->client->loop, done,
	    (void *)(uintptr_t)console->client->id);
}

static void
command_reload(struct console *console, const struct words *words)
{
	(void)words;
	command_configure(console, NULL, NULL, command_on_reloaded);
}

static void
command_shutdown(struct console *console, const struct words *words)
{
	enum shutdown_mode	mode = SHUTDOWN_NOW;

	if (words->count == 2 && text_equal_nocase(words->list[1],
	    "WAIT_FOR_SERVERS"))
		mode = SHUTDOWN_WAIT_FOR_SERVERS;
	else if (words->count == 2 && text_equal_nocase(words->list[1],
	    "WAIT_FOR_CLIENTS"))
		mode = SHUTDOWN_WAIT_FOR_CLIENTS;
	else if (words->count == 2) {
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN "
		    "WAIT_FOR_CLIENTS");
		return;
	}
	console_done(console, "SHUTDOWN");
	process.shutdown(mode);
}

/* Drivers SET things of a session; those have no meaning here. */
static void
command_set(struct console *console, const struct words *words)
{
	const char	*name = words->list[1], *value = words->list[3];

	if (words->count < 4 || (strcmp(words->list[2], "=") != 0 &&
	    !text_equal_nocase(words->list[2], "to"))) {
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "SET option = value");
		return;
	}
	if (faked_value(name) != NULL ||
	    text_equal_nocase(name, "extra_float_digits") ||
	    text_equal_nocase(name, "application_name")) {
		console_done(console, "SET");
		return;
	}
	if (!console->client->is_admin) {
		console_error(console, reason_sqlstate(REASON_NO_RIGHT),
		    "admin access needed: SET is for admin_users");
		return;
	}
	if (words->count > 4) {
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "SET option = value: a value of several words goes in "
		    "single quotes");
		return;
	}
	snprintf(console->set_tag, sizeof console->set_tag, "SET %s=%s", name,
	    value);
	command_configure(console, name, value, command_on_set);
}

static const struct command	commands[] = {
	{ "SHOW", "what: see above", 2, 2, false, console_show },
	{ "SET", "option = value: until the next reload", 2, 5, false,
	    command_set },
	{ "EXPLAIN", "ROUTE [ON database [AS user]] statement: where it would "
	    "go, and why", 3, WORDS_MAX + 1, false, console_explain },
	{ "RELOAD", "read the configuration anew", 1, 1, true,
	    command_reload },
	{ "PAUSE", "[database]: no server is given out; waits until none is "
	    "in use", 1, 2, true, command_pause },
	{ "RESUME", "[database]", 1, 2, true, command_resume },
	{ "DISABLE", "database: no new clients", 2, 2, true,
	    command_disable },
	{ "ENABLE", "database", 2, 2, true, command_enable },
	{ "RECONNECT", "[database]: every server is opened anew", 1, 2,
	    true, command_reconnect },
	{ "KILL", "[database]: pause it and close its connections", 1, 2,
	    true, command_kill },
	{ "KILL_CLIENT", "id: close one client", 2, 2, true,
	    command_kill_client },
	{ "SUSPEND", "nothing is read and nobody accepted until RESUME; waits "
	    "until what was read has gone out", 1, 1, true,
	    command_suspend },
	{ "WAIT_CLOSE", "[database]: waits until the servers that are to be "
	    "closed have been", 1, 2, true, command_wait_close },
	{ "SHUTDOWN", "[WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]", 1, 2, true,
	    command_shutdown },
};

static const char *
command_nearest(const char *name)
{
	const char	*nearest = NULL;
	char		 capitals[64];
	int		 distance, least = 3;

	words_capitals(name, capitals, sizeof capitals);
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
		distance = text_distance(capitals, commands[i].name, least);
		if (distance < least) {
			least = distance;
			nearest = commands[i].name;
		}
	}
	return nearest;
}

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		if (text_equal_nocase(commands[i].name, name))
			return &commands[i];
	return NULL;
}

void
show_commands(struct show *show)
{
	for (size_t i = 1; i < ARRAY_LENGTH(commands); i++) {
		show_text(show, commands[i].name);
		show_text(show, commands[i].arguments);
		show_row(show);
	}
}

void
console_run(struct console *console, const char *text)
{
	const struct command	*command;
	struct words		 words;

	words_parse(text, &words);
	if (words.count == 0) {
		put_empty(&console->out, MSG_EMPTY_QUERY);
		if (!console->is_extended)
			put_ready(&console->out, STATUS_IDLE);
	} else if ((command = command_find(words.list[0])) == NULL)
		console_invalid(console, &words, "",
		    command_nearest(words.list[0]));
	else if (words.count < command->least || words.count > command->most)
		console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
		    "invalid command '%.64s', use SHOW HELP; it is: %s %s",
		    words.text, command->name, command->arguments);
	else if (command->is_admin_only && !console->client->is_admin)
		console_error(console, reason_sqlstate(REASON_NO_RIGHT),
		    "admin access needed: "
		    "%s is for admin_users", command->name);
	else
		command->run(console, &words);
	words_free(&words);
}
