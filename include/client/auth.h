/*
 * Who may log in: what the configuration asks of a client, and where the
 * secret comes from.
 *
 * auth_find() decides on a method and looks the secret up in the database
 * entry, auth_file and auth_query, in this order.  An unknown user goes the
 * same way as a known one with a wrong password, in the same time, to the
 * same error; only the log knows the difference.  That way depends on the kind
 * of secret, so an unknown user is taken to have one of the usual kind: of
 * those in auth_file, or SCRAM where PostgreSQL is asked.  Where kinds are
 * mixed, a known user of an unusual kind can be told from an unknown one.
 */

#ifndef CLIENT_AUTH_H
#define CLIENT_AUTH_H

#include <stdbool.h>

#include "config/config.h"
#include "wire/password.h"

struct auth_query_request;
struct client;
struct loop;

enum auth_method {
	AUTH_METHOD_TRUST,	/* no question asked */
	AUTH_METHOD_ANY,	/* the same, and the user must not be known */
	AUTH_METHOD_PLAIN,
	AUTH_METHOD_MD5,	/* SCRAM where the stored secret is SCRAM */
	AUTH_METHOD_SCRAM,
	AUTH_METHOD_CERT,
	AUTH_METHOD_PEER,
	AUTH_METHOD_REJECT,
};

struct auth_request {
	const struct config	*config;	/* held by the asker */
	struct loop		*loop;		/* where answered() is called */
	struct client		*client; /* for the log and its address */
	char			*database;
	char			*user;
	void			(*answered)(struct auth_request *);
	void			*arg;

	struct auth_query_request *asked;	/* auth.c's */

	/* The answer. */
	enum auth_method	 method;
	int			 hba_line;	/* 0: not from a file */
	bool			 is_known;	/* the user exists */
	enum password_kind	 mock;	/* of the secret that an unknown user
						 * is taken to have */
	char			*secret; /* as in pg_authid, or NULL; to be
						 * wiped by the asker */
	char			*failure; /* the look-up failed: an error for
						 * the client, or NULL */
};

/* The answer may come at once, from inside, or later. */
void	auth_find(struct auth_request *);
/* The secret did not fit: it may be old, do not answer it again. */
void	auth_refused(const struct auth_request *);
/* The asker is going away: answered() will not be called. */
void	auth_abandon(struct auth_request *);

#endif
