/*
 * Between relay_read.c, which takes the bytes of a server apart, and
 * relay_server.c, which knows what each message means.
 */

#ifndef RELAY_RELAY_SERVER_H
#define RELAY_RELAY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expectation;
struct relay;
struct relay_io;

/* What becomes of an answer. */
enum answer_fate {
	ANSWER_PASS,
	ANSWER_DROP,
	ANSWER_WRONG,	/* the server and we are out of step */
	ANSWER_REFUSED,	/* a BEGIN of ours was */
};

struct answer {
	uint8_t		 type;
	const uint8_t	*body;
	size_t		 length;
	struct expectation *head;	/* NULL: nothing is expected */
};

typedef enum answer_fate answer_handler(struct relay *, struct relay_io *,
    const struct answer *);

/* By type; without a handler: no message of a server. */
struct answer_kind {
	answer_handler	*handle;
	bool		 is_whole;	/* waits until all of it is here */
};
extern const struct answer_kind	answers[256];

#endif
