/*
 * The console: the databases "pgweir" and "pgbouncer", which answer SHOW and
 * commands over psql or any driver, in the simple and the extended protocol.
 *
 * A console client lives on a worker like any other.  What other threads know
 * is collected by a letter that goes round the loops.
 */

#ifndef OPS_CONSOLE_H
#define OPS_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "client/client.h"

/* Commands by name, as Parse and Bind leave them; "" is a name too. */
struct console_texts {
	struct {
		char	*name, *text;
	}	*list;
	size_t	 count;
};

struct console {
	struct client	*client;
	struct buf	 in;		/* what the client said */
	struct buf	 out;		/* answers, sent together */
	struct console_texts parsed;	/* by the name of the statement */
	struct console_texts bound;	/* by the name of the portal */
	bool		 is_busy;	/* a command waits for other threads */
	bool		 is_extended;	/* the command that runs */
	bool		 is_skipping;	/* an error in a batch: until Sync */
	struct deadline	 poll;		/* PAUSE waits for servers */
	const char	*waiting_tag;	/* what it says when it is done */
	char		*waiting_database;	/* NULL: all */
	/* console_wait.c: whether a loop has what is waited for. */
	bool		 (*look)(struct loop *, const char *database);
	char		*explained;	/* EXPLAIN waits; or NULL */
	char		 set_tag[200];	/* SET waits */
	int64_t		 waited_us;	/* so long */
};

extern const struct client_service	console_service;
void	console_init(void);	/* before any thread: main's services */

/* console_command.c: run one command; the answer goes to console->out. */
void	console_run(struct console *, const char *text);
/* The columns that a text will answer with; false: none. */
bool	console_describe(struct console *, const char *text);

/* What a command says at its end. */
void	console_done(struct console *, const char *tag);
void	console_error(struct console *, const char *sqlstate,
	    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A command that waited has ended: on with what the client said since. */
void	console_go_on(struct console *);
/* The console with this client id on this loop, or NULL: it has left. */
struct console	*console_find(struct loop *, uint64_t id);

#endif
