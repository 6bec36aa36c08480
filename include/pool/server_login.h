/*
 * Opening a server: address, TCP, TLS, startup packet, authentication,
 * parameters, connect_query (PostgreSQL documentation 55.2.1).
 *
 * Works in the thread of the server's loop, in states CONNECTING and LOGIN.
 * Ends with pool_give() of a LINKED server, or with server_fail().
 */

#ifndef POOL_SERVER_LOGIN_H
#define POOL_SERVER_LOGIN_H

struct server;

void	server_login_start(struct server *);
/* The server goes away, whatever state its login is in. */
void	server_login_free(struct server *);

#endif
