/*
 * Between show.c, show_loops.c and console_command.c.
 */

#ifndef OPS_SHOW_PRIVATE_H
#define OPS_SHOW_PRIVATE_H

#include "ops/show.h"

struct pool;

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

/* show.c: a row of a name and a number. */
void	show_item(struct show *, const char *name, int64_t);

/* show_stats.c; for one pool of each database that has any that is there. */
bool	show_stands_for_database(const struct pool *);
void	show_fill_stats(struct show *);
void	show_fill_stats_totals(struct show *);
void	show_fill_stats_averages(struct show *);
void	show_fill_totals(struct show *);

/* show_console.c */
void	show_console_row(struct show *);

/* show_hosts.c */
void	show_fill_hosts(struct show *, struct loop *);

/* show_peers.c */
void	show_fill_peers(struct show *, struct loop *);
void	show_fill_peer_pools(struct show *, struct loop *);

/* show_kept.c */
void	show_fill_errors(struct show *);
void	show_fill_prepared(struct show *);
void	show_fill_routes(struct show *);

/* console_command.c: a row for each command. */
void	show_commands(struct show *);

#endif
