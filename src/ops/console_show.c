/*
 * SHOW: finding the table, collecting its rows from all loops, sending them.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "ops/console_private.h"
#include "ops/show.h"
#include "wire/put.h"

/* What drivers ask of any server. */
static const struct {
	const char	*name, *value;
} faked[] = {
	{ "client_encoding", "UTF8" },
	{ "default_transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "datestyle", "ISO" },
	{ "timezone", "GMT" },
};

const char *
faked_value(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(faked); i++)
		if (text_equal_nocase(faked[i].name, name))
			return faked[i].value;
	return NULL;
}

static void
console_put_columns(struct console *console, const struct show_table *table)
{
	struct put_column	columns[SHOW_COLUMNS_MAX];
	char			room[1200];
	size_t			n;

	n = show_columns(table, columns, room, sizeof room,
	    console->is_extended);
	put_row_description(&console->out, columns, n);
}

static void
console_show_faked(struct console *console, const char *name,
    const char *value)
{
	struct put_column	column = { name, PUT_TEXT };

	if (!console->is_extended)
		put_row_description(&console->out, &column, 1);
	put_data_row(&console->out, &value, 1);
	console_done(console, "SHOW");
}

static void
show_finish(struct show *show, struct console *console)
{
	if (!console->is_extended)
		console_put_columns(console, show->table);
	buf_add(&console->out, buf_bytes(&show->rows),
	    buf_length(&show->rows));
	console_done(console, "SHOW");
}

static void
show_free(struct show *show)
{
	buf_done(&show->rows);
	free(show);
}

static void
show_visit(struct console_round *round, struct loop *loop)
{
	struct show	*show = container_of(round, struct show, round);

	show->table->fill_loop(show, loop);
}

static void
show_home(struct console_round *round, struct console *console)
{
	struct show	*show = container_of(round, struct show, round);

	if (console != NULL) {
		show_finish(show, console);
		console_go_on(console);
	}
	show_free(show);
}

void
console_invalid(struct console *console, const struct words *words,
    const char *verb, const char *nearest)
{
	const char	*text = words->text + strspn(words->text, " \t\r\n");

	console_error(console, reason_sqlstate(REASON_BAD_COMMAND),
	    "invalid command '%.64s', use SHOW HELP%s%s%s%s", text,
	    nearest != NULL ? "; did you mean \"" : "",
	    nearest != NULL ? verb : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "\"?" : "");
}

static void
console_show_nothing(struct console *console, const struct words *words)
{
	char	capitals[64];

	words_capitals(words->list[1], capitals, sizeof capitals);
	console_invalid(console, words, "SHOW ", show_nearest(capitals));
}

void
console_show(struct console *console, const struct words *words)
{
	const char		*value = faked_value(words->list[1]);
	const struct show_table	*table = show_find(words->list[1]);
	struct show		*show;

	if (value != NULL) {
		console_show_faked(console, words->list[1], value);
		return;
	}
	if (table == NULL) {
		console_show_nothing(console, words);
		return;
	}
	if (table->is_admin_only && !console->client->is_admin) {
		console_error(console, reason_sqlstate(REASON_NO_RIGHT),
		    "admin access needed: "
		    "SHOW %s is for admin_users", table->name);
		return;
	}
	show = mem_new(sizeof *show);
	buf_init(&show->rows);
	show->table = table;
	if (table->fill != NULL) {
		table->fill(show);
		show_finish(show, console);
		show_free(show);
		return;
	}
	show->round.visit = show_visit;
	show->round.home = show_home;
	console_round_begin(&show->round, console);
}

bool
console_describe(struct console *console, const char *text)
{
	const struct show_table	*table = NULL;
	struct put_column	 column = { NULL, PUT_TEXT };
	struct words		 words;
	bool			 has = false;

	words_parse(text, &words);
	if (words.count == 2 && text_equal_nocase(words.list[0], "show")) {
		if (faked_value(words.list[1]) != NULL) {
			column.name = words.list[1];
			put_row_description(&console->out, &column, 1);
			has = true;
		} else if ((table = show_find(words.list[1])) != NULL) {
			console_put_columns(console, table);
			has = true;
		}
	}
	words_free(&words);
	return has || console_describe_explain(console, text);
}
