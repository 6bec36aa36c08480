/*
 * A backend: one PostgreSQL host and port, with what is known of it.
 *
 * Backends are found by host and port, shared by all pools that go there and
 * kept until the process ends.  A member of a cluster (pool/cluster.h) whose
 * host is a name is one address of it, and found by that as well.
 *
 * Names are resolved on the main loop, again and again while they are used
 * (dns_max_ttl); a failed look-up keeps the last good answer.  A worker reads
 * a copy of the addresses.
 *
 * Limits across pools are a host's: one struct limit a database and backend
 * (max_db_connections), one a user and backend (max_user_connections).
 */

#ifndef POOL_BACKEND_H
#define POOL_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "net/addr.h"
#include "net/loop.h"

struct config;
struct monitor;
struct resolver;
struct tls_context;

enum role {
	ROLE_UNKNOWN,
	ROLE_PRIMARY,
	ROLE_REPLICA,
};

enum health {
	HEALTH_UNKNOWN,		/* not looked at yet */
	HEALTH_UP,
	HEALTH_MUTE,		/* it speaks, but does not answer us: an
				 * error that says nothing about its role */
	HEALTH_DOWN,		/* silent, or refuses connections */
};

/* What a host said of itself when it was asked last; the main thread's. */
struct backend_report {
	enum role	 role;
	uint32_t	 timeline;
	uint64_t	 system_identifier;
	int64_t		 started_us;	/* its postmaster */
	int64_t		 lsn;		/* inserted, or replayed */
	int64_t		 asked_us;	/* and was that after this moment */
	int64_t		 replay_age_us;	/* of the last transaction replayed */
	char		 error[300];	/* of the monitor; "": none */
};

enum { BACKEND_ADDRESSES_MAX = 32 };

struct backend {
	struct hash_node	 node;		/* in the table of backends */
	char			*host;		/* as configured */
	int			 port;
	char			*name;		/* "host:port", for people */
	bool			 is_pinned;	/* to its one address */

	/* What the monitor has found; written by the main thread. */
	struct backend_report	 report;
	struct monitor		*monitor;	/* NULL: nobody asks */
	_Atomic int		 health;	/* enum health */
	_Atomic int		 says;		/* enum role */
	_Atomic bool		 is_looked_for;	/* monitor_look() said so */
	struct letter		 look;		/* and this is on its way */
	_Atomic uint32_t	 doubts;	/* somebody has found it not to
						 * be the primary; counted */
	_Atomic uint32_t	 settled;	/* of them, asked about since */
	_Atomic uint32_t	 timeline;
	_Atomic int64_t		 lsn;
	_Atomic int64_t		 lag_bytes;	/* behind the primary */
	_Atomic int64_t		 lag_us;
	_Atomic int64_t		 seen_us;	/* when it answered last */
	_Atomic int64_t		 alive_us;	/* ordinary connections: when
						 * one was ready last */
	struct {
		pthread_mutex_t	 mutex;
		struct addr	 addresses[BACKEND_ADDRESSES_MAX];
		int		 address_count;	/* 0: not known yet */
		int		 next_address;	/* where to connect next */
		bool		 asking;
		int64_t		 answered_us;	/* when the answer came */
		int64_t		 ttl_us;
		char		 error[128];	/* of the last look-up */
		STAILQ_HEAD(, letter) waiting;	/* posted at the answer */
	} shared;				/* guarded by shared.mutex */
};

/* Main thread, before any worker runs: look-ups happen on this loop. */
void		 backends_init(struct loop *main_loop, struct resolver *);
void		 backends_done(void);

/* Any thread.  Found or made; never NULL, never freed before the end. */
struct backend	*backend_find(const char *host, int port);
/* The same at one of its addresses; what needs no look-up is as above. */
struct backend	*backend_find_at(const char *host, int port,
		    const struct addr *);
/*
 * Any thread: it is known to have replayed that, on this timeline; 0: on
 * whichever, whatever.
 */
bool		 backend_has_replayed(const struct backend *,
		    uint32_t timeline, int64_t lsn);
/* Walk all: NULL first; main thread. */
struct backend	*backend_each(const struct backend *);

/*
 * Any thread.  One address to try now, a different one after a failure, with
 * the port set.  False: not known yet; then, with a letter given, it is
 * posted to the loop as soon as there is an answer or an error (the letter
 * must live until then), and backend_error() says what is wrong.
 */
bool		 backend_address(struct backend *, struct addr *,
		    struct loop *, struct letter *);
/* The address did not work: take the next one from now on. */
void		 backend_blame(struct backend *, const struct addr *);
void		 backend_error(struct backend *, char *, size_t);

/*
 * A number of connections that several pools share.  Places are reserved
 * before they are used; max may change at a reload.
 */
struct limit {
	struct hash_node	 node;
	char			*name;
	const struct backend	*backend;
	atomic_int		 max;		/* 0: unlimited */
	atomic_int		 count;
	atomic_int		 hungry; /* pools that wait because of it */
};

struct limit	*limit_find(const char *kind, const char *name,
		    const struct backend *);
bool		 limit_reserve(struct limit *);
void		 limit_release(struct limit *);

#endif
