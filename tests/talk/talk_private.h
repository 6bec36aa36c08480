/*
 * What talk.c (the stage) and talk_words.c (what is said) share.
 */

#ifndef TALK_PRIVATE_H
#define TALK_PRIVATE_H

#include <sys/queue.h>

#include "talk.h"

struct peer {
	TAILQ_ENTRY(peer)	 next;
	char			 name[32];
	int			 fd;		/* -1: it has left */
	struct buf		 in;		/* not yet listened to */
	bool			 is_server;
	bool			 is_started; /* its first packet is known */
	bool			 is_over;	/* the other side has closed */
	uint32_t		 pid, secret;	/* its cancel key */
};

struct saying {
	struct saying	*older;
	struct buf	 bytes;
	bool		 is_end;
	const char	*severity;	/* not NULL: an error, compared by */
	char		 sqlstate[6];	/* these three */
	const char	*part;
};

/* Whether these are exactly what is there, and the end if it has come. */
bool	words_match(const struct peer *, struct saying *const *);
/* As people read it. */
void	words_print_heard(const struct peer *, struct buf *);
void	words_print_wanted(struct saying *const *, struct buf *);
/* The length of the first message of n bytes; 0: it is not all there. */
size_t	words_first(const uint8_t *, size_t n, bool is_started);
void	words_forget(void);

#endif
