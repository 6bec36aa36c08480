/*
 * What the operator said: one immutable, reference-counted snapshot.
 *
 * A snapshot is read as a whole from file and environment, or refused as a
 * whole.  Whoever uses it for longer than a callback holds a reference.  A
 * reload and the console's SET make a new one; nobody changes an old one.
 *
 * Every option is a field of struct config under its own name, generated
 * from the one table in config/option_list.h: durations are int64_t in
 * microseconds and end in _us, numbers int, switches bool, sizes int64_t and
 * end in _bytes, texts char * (never NULL), choices an enum.
 */

#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/option_list.h"

struct hba;
struct socket_settings;
struct tls_context;
struct userlist;

enum pool_mode {
	POOL_MODE_DEFAULT,		/* in an override: not given */
	POOL_MODE_SESSION,
	POOL_MODE_TRANSACTION,
	POOL_MODE_STATEMENT,
};

/* Whose writes a client reads, even if replicas are behind. */
enum causal_scope {
	CAUSAL_OFF,
	CAUSAL_SESSION,			/* those of its own connection */
	CAUSAL_APPLICATION,		/* of its database, user and address */
	CAUSAL_DATABASE,
};

/* Where the statements of a client go. */
enum route {
	ROUTE_DEFAULT,			/* in an override: not given */
	ROUTE_SPLIT,			/* writes to the primary, what only
					 * reads to a replica */
	ROUTE_PRIMARY,
	ROUTE_REPLICA,
	ROUTE_ANY,			/* whichever, in turn */
};

/* What becomes of a client that leaves something on its server. */
enum pin_policy {
	PIN_POLICY_AUTO,		/* it keeps the server */
	PIN_POLICY_ERROR,		/* its statement is refused */
	PIN_POLICY_OFF,			/* the server is reset */
};

enum auth_type {
	AUTH_TRUST,
	AUTH_ANY,
	AUTH_PLAIN,
	AUTH_MD5,
	AUTH_SCRAM,
	AUTH_CERT,
	AUTH_HBA,
};

/* An override that was not given: the general option counts. */
#define CONFIG_UNSET	(-1)

enum { HOSTS_MAX = 16 };

struct host {
	char	*name;
	int	 port;
	bool	 is_literal;	/* no look-up will tell its addresses */
};

/* load_balance_hosts: of hosts that serve alike, under route = any. */
enum balance {
	BALANCE_ROUND_ROBIN,	/* each in its turn */
	BALANCE_DISABLE,	/* the first, the next only when it fails */
};

/* A line of [databases].  Texts that were not given are NULL. */
struct database {
	char		*name; /* as clients ask; "*" is the fallback */
	char		*host;		/* name, address or socket directory,
					 * or several, with commas */
	char		*ports;		/* as given: one, or as many; or NULL */
	int		 port;		/* the first */
	struct host	*hosts;		/* never empty */
	size_t		 host_count;
	char		*dbname; /* NULL: the name the client asked for */
	char		*user;		/* forced user towards PostgreSQL */
	char		*password;	/* secret: never shown */
	char		*password_file;	/* where it was read from */
	char		*auth_user;
	char		*auth_query;
	char		*auth_dbname;
	char		*connect_query;
	char		*client_encoding;
	char		*datestyle;
	char		*timezone;
	char		*application_name;
	enum pool_mode	 pool_mode;
	enum route	 route;
	enum balance	 balance;
	int		 pool_size;	/* these: CONFIG_UNSET if not given */
	int		 min_pool_size;
	int		 reserve_pool_size;
	int		 max_db_connections;
	int		 max_db_client_connections;
	int64_t		 server_lifetime_us;
	int64_t		 query_wait_timeout_us;
};

/* A line of [users]; not the user's secret. */
struct user {
	char		*name;
	enum pool_mode	 pool_mode;
	enum route	 route;
	int		 pool_size;	/* these: CONFIG_UNSET if not given */
	int		 reserve_pool_size;
	int		 max_user_connections;
	int		 max_user_client_connections;
	int64_t		 query_timeout_us;
	int64_t		 query_wait_timeout_us;
	int64_t		 idle_transaction_timeout_us;
	int64_t		 transaction_timeout_us;
	int64_t		 client_idle_timeout_us;
};

/* A line of [peers]: another process, for cancel requests. */
struct peer_entry {
	int		 id;
	char		*host;	/* name, address or socket directory */
	int		 port;
	int		 pool_size;	/* CONFIG_UNSET if not given */
};

struct config {
	atomic_int	  references;
	char		 *file;		/* NULL: from the environment alone */
	char		**files;	/* all that were read, it included */
	size_t		  file_count;
	bool		  is_pgbouncer;	/* its section: its defaults too */
	struct database	**databases;	/* in the order of the file */
	size_t		  database_count;
	struct user	**users;
	size_t		  user_count;
	struct peer_entry **peers;
	size_t		  peer_count;
	struct hba	 *hba;		/* NULL: no auth_hba_file */
	struct userlist	 *userlist;	/* never NULL; may be empty */
	struct tls_context *front_tls;	/* NULL: client_tls_sslmode disable */
	struct tls_context *back_tls;	/* NULL: server_tls_sslmode disable */
	struct tls_context *peers_tls;	/* NULL: none towards peers */
	char		 *dashboard_token;	/* secret; NULL: none */
	bool		  is_self_signed;	/* front_tls was made here */
	char		**sets;		/* by SET: name, value, name, ... */
	size_t		  set_count;	/* of both together */
	struct option_values option;	/* generated, see above */
};

/* Collects what is said while reading: errors, warnings, notes. */
struct config_report {
	void	(*say)(void *arg, bool is_error, const char *sentence);
	void	*arg;
};

/*
 * Read file (NULL: none) and environment.  NULL when anything is wrong; each
 * fault was reported with file, line and what would be right.
 */
struct config	*config_read(const char *file, char *const *environment,
		    const struct config_report *);
/*
 * The same anew, with one option that goes before all others; earlier ones
 * that were given this way are kept.
 */
struct config	*config_read_with(const struct config *, const char *option,
		    const char *value, const struct config_report *);
/*
 * What cannot be changed while pgweir runs stays as it is; what the file says
 * differently now is reported as a warning.
 */
void		 config_keep_fixed(struct config *,
		    const struct config *running,
		    const struct config_report *);
/* A copy with one option changed, for the console; NULL: error says why. */
struct config	*config_with(const struct config *, const char *option,
		    const char *value, char *error, size_t);
struct config	*config_hold(const struct config *);
void		 config_release(struct config *);

/*
 * The current snapshot of the process.  config_current() gives a reference
 * that the caller must release; config_replace() takes one over.
 */
struct config	*config_current(void);
void		 config_replace(struct config *);

/* The entry for this name, else the one named "*", else NULL. */
const struct database	*config_database(const struct config *, const char *);
/* A database that is there because "*" is. */
bool		 config_is_auto(const struct config *, const char *name);
/* The first entry, if all lead to the same hosts; else NULL. */
const struct database	*config_same_hosts(const struct config *);
const struct user	*config_user(const struct config *, const char *);

/* What counts for one pool once every override is applied. */
struct pool_settings {
	enum pool_mode	mode;
	enum route	route;
	enum balance	balance;
	bool		replica_fallback;
	bool		split_transactions;
	int		pool_size;		/* 0: unlimited */
	int		min_pool_size;
	int		reserve_pool_size;
	int		max_db_connections;	/* 0: unlimited, these four */
	int		max_user_connections;
	int		max_db_client_connections;
	int		max_user_client_connections;
	int64_t		reserve_pool_timeout_us;
	int64_t		server_idle_timeout_us;	/* 0: none, these nine */
	int64_t		server_lifetime_us;
	int64_t		server_connect_timeout_us;
	int64_t		server_login_retry_us;
	int64_t		query_wait_timeout_us;
	int64_t		query_timeout_us;
	int64_t		idle_transaction_timeout_us;
	int64_t		transaction_timeout_us;
	int64_t		client_idle_timeout_us;
	int64_t		failover_wait_us;
	enum causal_scope read_your_writes;
	int64_t		read_your_writes_wait_us;
	enum pin_policy	pin;
	bool		pin_notice;
	int		max_pinned;		/* 0: the pool less two */
	int64_t		pinned_idle_timeout_us;	/* 0: none */
};

/* Of TCP connections. */
void	config_socket_settings(const struct config *,
	    struct socket_settings *);
void	config_pool_settings(const struct config *, const struct database *,
	    const char *user, struct pool_settings *);

/* The setting by which a client says where its transactions go. */
#define ROUTE_NAME	"pgweir.route"

#endif
