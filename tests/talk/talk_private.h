/*
 * What the files of the talk tests share:
 *
 *	talk.c		the stage
 *	talk_peers.c	who comes in, speaks and listens
 *	talk_words.c	what is said
 */

#ifndef TALK_PRIVATE_H
#define TALK_PRIVATE_H

#include <sys/queue.h>

#include "net/addr.h"
#include "net/loop.h"
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

TAILQ_HEAD(peer_list, peer);

struct stage {
	bool			 is_made;	/* once a process */
	bool			 is_split;	/* there are two hosts */
	struct loop		*loops[TALK_LOOPS + 1];
	struct peer_list	 peers;
	char			 directory[64];
	char			 second[96];	/* the socket's other name */
	struct addr		 addr;
	int			 listener;	/* -1: PostgreSQL is down */
	int64_t			 now_us;
	int			 clients, servers;
};

extern struct stage	stage;

/* One round of one loop; rounds of all until nothing moves. */
void	talk_turn(struct loop *);
bool	talk_round(void);
void	talk_settle(void);
void	talk_fails(const char *file, int line, const char *, ...)
	    __attribute__((noreturn, format(printf, 3, 4)));

struct peer	*peer_new(int fd, bool is_server);

struct saying {
	struct saying	*older;
	struct buf	 bytes;
	bool		 is_end;
	const char	*severity;	/* not NULL: an error, compared by */
	char		 sqlstate[6];	/* these three */
	char		*part;
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
