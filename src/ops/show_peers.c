/*
 * SHOW PEERS and SHOW PEER_POOLS: other processes and the cancel requests that
 * are on their way to them.  Those that were found have no peer_id; the name
 * is the one by which they were.
 *
 * In the main thread, which alone knows them.
 */

#include "ops/show_private.h"
#include "pool/peers.h"

/* An address, or the directory of a socket; it lives until the next one. */
static const char *
peer_host(const struct peers_row *row)
{
	static char	host[ADDR_TEXT_BYTES];

	if (addr_is_unix(&row->addr))
		return row->name;
	return addr_print_host(&row->addr, host, sizeof host);
}

static void
show_peer(void *arg, const struct peers_row *row)
{
	struct show	*show = arg;

	show_number(show, row->id);
	show_text(show, peer_host(row));
	show_number(show, row->port);
	show_number(show, row->pool_size);
	show_text(show, row->name);
	show_row(show);
}

void
show_fill_peers(struct show *show, struct loop *loop)
{
	if (loop->index == 0)
		peers_each(show_peer, show);
}

static void
show_peer_pool(void *arg, const struct peers_row *row)
{
	struct show	*show = arg;

	show_number(show, row->id);
	show_number(show, row->active);
	show_number(show, row->waiting);
	show_number(show, row->active - row->connecting);
	show_number(show, row->connecting);
	show_text(show, peer_host(row));
	show_number(show, row->port);
	show_row(show);
}

void
show_fill_peer_pools(struct show *show, struct loop *loop)
{
	if (loop->index == 0)
		peers_each(show_peer_pool, show);
}
