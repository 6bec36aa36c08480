/*
 * Reads to the replicas, under route = split.
 */

#ifndef RELAY_RELAY_SPLIT_H
#define RELAY_RELAY_SPLIT_H

#include "net/loop.h"
#include "relay/relay_message.h"
#include "route/route.h"

struct statement;

/* The transaction that runs, under route = split. */
struct relay_split {
	bool			 is_reading;	/* it is proven to only read */
	bool			 has_told;	/* the client has heard of what
						 * it reads now */
	bool			 waits_for_end;	/* what comes is no read, and is
						 * held until that one ends */
	bool			 alters;	/* DDL was sent */
	struct task		 resume;
};

/* The client's writes go to the primary and its reads to replicas. */
bool	relay_is_split(const struct relay *);
/* Why this text is no read; WHY_READ: it is proven to be one. */
enum route_why	relay_text_why(struct relay *, const char *text, size_t n);
/*
 * Before a message that does not stand in a batch is handled.  False: it has
 * to wait until the read that runs at a replica is over.
 */
bool	relay_may_follow(struct relay *, const struct relay_message *);
/* A transaction has ended, or nobody knows; where there are several hosts. */
void	relay_note_done(struct relay *);
/* A server was given back, or rests; what waited for that goes on. */
void	relay_resume(struct relay *);
/* As a task: the client is looked at again. */
void	relay_resume_later(struct relay *);
/* The statement that the body of a Bind names, or NULL. */
const struct statement	*relay_body_statement(const struct relay *,
			    const uint8_t *body, size_t n);
/* Why the batch, or the query, that begins with this is no read. */
enum route_why	relay_message_why(struct relay *,
		    const struct relay_message *);
void	relay_split_done(struct relay *);
/* What is sent: may it commit something, does it change the catalogue? */
void	relay_note_bound(struct relay *, const struct statement *);
/* A replica has refused this text, or what was prepared under this name. */
void	relay_refuse_read(struct relay *, const char *text);
void	relay_refuse_bound(struct relay *, const char *name);

#endif
