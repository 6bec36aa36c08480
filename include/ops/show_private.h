/*
 * Between show.c, show_loops.c and console_command.c.
 */

#ifndef OPS_SHOW_PRIVATE_H
#define OPS_SHOW_PRIVATE_H

#include "ops/show.h"

#define SHOW_CONNECTION_COLUMNS						\
	"type:t user:t database:t replication:t state:t addr:t port:i "	\
	"local_addr:t local_port:i connect_time:t request_time:t "	\
	"wait:i wait_us:i close_needed:i ptr:t link:t remote_pid:i "	\
	"tls:t application_name:t prepared_statements:i id:l"

/* show_loops.c */
extern const size_t	show_client_bytes;	/* of one client, all in all */
void	show_fill_clients(struct show *, struct loop *);
void	show_fill_servers(struct show *, struct loop *);
void	show_fill_sockets(struct show *, struct loop *);
void	show_fill_active_sockets(struct show *, struct loop *);
void	show_fill_fds(struct show *, struct loop *);
void	show_fill_dns_hosts(struct show *, struct loop *);

/* show_kept.c */
void	show_fill_errors(struct show *);
void	show_fill_prepared(struct show *);

/* console_command.c: a row for each command. */
void	show_commands(struct show *);

#endif
