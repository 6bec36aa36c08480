/*
 * Between console_command.c (the commands) and console_show.c (SHOW).
 */

#ifndef OPS_CONSOLE_PRIVATE_H
#define OPS_CONSOLE_PRIVATE_H

#include "ops/console.h"

enum { WORDS_MAX = 6 };

struct words {
	char	*list[WORDS_MAX];
	int	 count;
	const char *text;	/* all of it, as it was said */
};

/* Owned by the caller; more than WORDS_MAX words: count says so. */
void	words_parse(const char *text, struct words *);
void	words_free(struct words *);

/* console_wait.c */
void	console_wait_close(struct console *, const char *database);
void	console_wait_suspend(struct console *);

/* console_kill.c: the clients of a database; one, which is answered. */
void	console_kill_all(const char *database);
void	console_kill_one(struct console *, uint64_t id);

/* A slip; nearest: what was probably meant, behind verb, or NULL. */
void	console_invalid(struct console *, const struct words *,
	    const char *verb, const char *nearest);
void	console_show(struct console *, const struct words *);
/* console_explain.c */
void	console_explain(struct console *, const struct words *);
bool	console_describe_explain(struct console *, const char *text);
/* For "did you mean": cut at the size, in capitals. */
void	words_capitals(const char *word, char *, size_t);
/* What drivers ask of any server: our answer, or NULL. */
const char	*faked_value(const char *name);

#endif
