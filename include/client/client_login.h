/*
 * Logging a client in: first packet, TLS, authentication (PostgreSQL
 * documentation 55.2.1).  Ends with service->start(), or with client_fail().
 */

#ifndef CLIENT_CLIENT_LOGIN_H
#define CLIENT_CLIENT_LOGIN_H

#include "base/buf.h"
#include "client/auth.h"
#include "client/client.h"
#include "config/config.h"
#include "wire/scram.h"

enum login_step {
	STEP_FIRST,		/* waits for the first packet, or the next */
	STEP_HANDSHAKE,
	STEP_ASKING,		/* auth_find() runs */
	STEP_PASSWORD,		/* plain or md5: waits for PasswordMessage */
	STEP_SCRAM,
	STEP_CANCELLING,
};

struct client_login {
	struct client		*client;
	struct config		*config;	/* held */
	enum login_step		 step;
	int			 requests;	/* SSLRequest, GSSENCRequest */
	bool			 is_direct;	/* TLS without SSLRequest */
	bool			 is_crowd;	/* beyond max_client_conn */
	bool			 is_console;
	bool			 is_passed;	/* cancel, by a peer */
	bool			 is_reading;	/* in client_login_read() */
	struct buf		 in;
	size_t			 used;	/* of it: is being carried out */
	char			**settings;	/* name, value, ..., NULL */
	size_t			 setting_count;
	char			*replication;	/* as asked; NULL: no */
	struct auth_request	 auth;
	bool			 is_asking;
	struct scram_server	*scram;
	uint8_t			 salt[4];
};

/* Set up for a client that has just been accepted, and free again. */
void	client_login_start(struct client *, bool is_crowd);
void	client_login_free(struct client *);
/* Carry out what is here: a login that waited for something goes on. */
void	client_login_read(struct client *);
void	client_login_on_event(struct client *, enum stream_event);
/* WAL as it is, without a database, is what it wants to stream. */
bool	client_login_is_physical(const struct client_login *);

/* client_auth.c: the startup packet was read. */
void	client_auth_begin(struct client *);
/* A PasswordMessage or SASL answer: its body. */
void	client_auth_on_password(struct client *, const uint8_t *, size_t);

#endif
