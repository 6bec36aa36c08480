/*
 * Between server_login.c (reaching the host) and server_auth.c (what is said
 * once it is reached).
 */

#ifndef POOL_SERVER_LOGIN_PRIVATE_H
#define POOL_SERVER_LOGIN_PRIVATE_H

#include "base/buf.h"
#include "base/reason.h"
#include "net/addr.h"
#include "pool/pool.h"
#include "wire/scram.h"

enum login_stage {
	LOGIN_RESOLVING,
	LOGIN_CONNECTING,
	LOGIN_ASKING_TLS,
	LOGIN_HANDSHAKE,
	LOGIN_STARTED,
	LOGIN_ASKING_ROLE,
	LOGIN_QUERYING,
};

/* Outlives the login if that ends before the name is resolved. */
struct login_wait {
	struct letter	 letter;
	struct server	*server;	/* NULL: nobody waits any more */
};

struct server_login {
	enum login_stage	 stage;
	struct config		*config;	/* held */
	struct login_wait	*wait;
	struct addr		 addr;
	struct addr		 first;		/* tried first of all */
	int			 attempts;
	bool			 wants_tls;	/* on this attempt */
	bool			 has_fallen_back; /* to the other one */
	bool			 is_authenticated;
	bool			 is_ready;
	struct scram_client	*scram;
	struct pool_secret	 secret;
	struct buf		 in;
	struct buf		 greeting;	/* ParameterStatus messages */
};

/* The pool is told why, and the server is closed. */
void	login_fail(struct server *, enum reason, const char *hint,
	    bool is_lasting, const char *format, ...)
	    __attribute__((format(printf, 5, 6)));
/* An ErrorResponse: PostgreSQL's own words. */
void	login_on_server_error(struct server *, const uint8_t *, size_t);
/* Send and wipe. */
void	login_send(struct server *, struct buf *);
/* Use what has come in login->in. */
void	login_read_messages(struct server *);

#endif
