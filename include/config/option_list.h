/*
 * THE table of options.  The struct, the parser, SHOW CONFIG, the sample file
 * and the manual come from it.
 *
 *	X(kind, name, field, default, PgBouncer's default, min, max,
 *	    reloadable, meaning)
 *
 * kind gives the C type and how a value is written:
 *	INT		a number between min and max
 *	BOOL		1 or 0, on or off, yes or no, true or false
 *	TIME		seconds, or with a unit; the field is in microseconds,
 *			min and max in seconds
 *	BYTES		a size, also with kB, MB, GB
 *	TEXT		anything
 *	OCTAL		the rights of a file
 *	TLS		libpq's sslmode
 *	MODE		session, transaction or statement
 *	ROUTE		split, primary, replica or any
 *	SCOPE		off, session, application or database
 *	SECRET		as TEXT, and never shown
 *	AUTH		how clients prove who they are
 *	PIN		auto, error or off
 *	LOGFORM		text or json
 */

#ifndef CONFIG_OPTION_LIST_H
#define CONFIG_OPTION_LIST_H

#include <stdbool.h>
#include <stdint.h>

/* As far as PgBouncer goes; it stands in 16 bits of every cancel key. */
#define PEER_ID_MAX	16383

#define OPTION_DAY	(24 * 3600)
#define OPTION_YEAR	(366 * OPTION_DAY)

#define OPTION_AUTH_QUERY						\
	"SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL "	\
	"ELSE rolpassword END FROM pg_authid WHERE rolname=$1 "		\
	"AND rolcanlogin"

#define OPTION_LIST(X)							\
X(INT, workers, workers, "auto", "1", 0, 256, false,			\
    "threads that serve clients; auto: as many as the cores it may use")\
X(TEXT, listen_addr, listen_addr, "*", "", 0, 0, false,			\
    "addresses or names to listen on, * for all, empty for none")	\
X(INT, listen_port, listen_port, "6432", "6432", 0, 65535, false,	\
    "TCP port; 0: a free one, which the log tells")			\
X(INT, listen_backlog, listen_backlog, "512", "128", 1, 65535, false,	\
    "connections that may wait to be accepted")				\
X(TEXT, unix_socket_dir, unix_socket_dir, "/tmp", "/tmp", 0, 0, false,	\
    "directory of the unix socket, empty for none")			\
X(OCTAL, unix_socket_mode, unix_socket_mode, "0777", "0777", 0, 0777,	\
    false, "rights of the unix socket file")				\
X(TEXT, unix_socket_group, unix_socket_group, "", "", 0, 0, false,	\
    "group of the unix socket file")					\
X(BOOL, so_reuseport, so_reuseport, "0", "0", 0, 0, false,		\
    "let several processes listen on the same port")			\
X(TEXT, user, user, "", "", 0, 0, false,				\
    "system user to run as, when started by root")			\
X(TEXT, pidfile, pidfile, "", "", 0, 0, false,				\
    "file for the process number")					\
X(MODE, pool_mode, pool_mode, "transaction", "session", 0, 0, true,	\
    "when a server goes back: at the end of the session, the transaction "\
    "or the statement")							\
X(INT, max_client_conn, max_client_conn, "1000", "100", 1, 1000000,	\
    true, "client connections at most")					\
X(INT, default_pool_size, default_pool_size, "20", "20", 0, 100000,	\
    true, "servers of one database and user at most; 0: unlimited")	\
X(INT, min_pool_size, min_pool_size, "0", "0", 0, 100000, true,		\
    "servers of one database and user that are kept open")		\
X(INT, reserve_pool_size, reserve_pool_size, "0", "0", 0, 100000, true,	\
    "additional servers for clients that wait long")			\
X(TIME, reserve_pool_timeout, reserve_pool_timeout_us, "5", "5", 0,	\
    OPTION_DAY, true, "how long is long for the reserve; 0: no reserve")\
X(INT, max_db_connections, max_db_connections, "0", "0", 0, 100000,	\
    true, "servers of one database and host over all users; 0: unlimited")\
X(INT, max_user_connections, max_user_connections, "0", "0", 0, 100000,	\
    true, "servers of one user and host over all databases; 0: unlimited")\
X(INT, max_db_client_connections, max_db_client_connections, "0", "0",	\
    0, 1000000, true, "clients of one database; 0: unlimited")		\
X(INT, max_user_client_connections, max_user_client_connections, "0",	\
    "0", 0, 1000000, true, "clients of one user; 0: unlimited")		\
X(BOOL, server_round_robin, server_round_robin, "0", "0", 0, 0, true,	\
    "use idle servers in turn instead of the last one first")		\
X(TIME, server_idle_timeout, server_idle_timeout_us, "30s", "600", 0,	\
    OPTION_YEAR, true, "close a server that was idle for this long; "	\
    "0: never")								\
X(TIME, server_lifetime, server_lifetime_us, "3600", "3600", 0,		\
    OPTION_YEAR, true, "close a server that is this old when it is given "\
    "back; 0: never")							\
X(TIME, autodb_idle_timeout, autodb_idle_timeout_us, "3600", "3600", 0,	\
    OPTION_YEAR, true, "a database made from * that was not used for this "\
    "long is forgotten; 0: never; looked at every stats_period")	\
X(TIME, pool_idle_timeout, pool_idle_timeout_us, "0", "0", 0,		\
    OPTION_YEAR, true, "the same for every pool")			\
X(BOOL, server_fast_close, server_fast_close, "0", "0", 0, 0, true,	\
    "RECONNECT, or a change of how servers are opened, ends sessions "	\
    "in pool_mode session at their next transaction boundary")		\
X(TIME, server_connect_timeout, server_connect_timeout_us, "2s", "15",	\
    0, 3600, true, "give up opening a server after this long")		\
X(TIME, server_login_retry, server_login_retry_us, "1s", "15", 0, 3600,	\
    true, "pause after a failure to open a server; it doubles up to 15 s")\
X(ROUTE, route, route, "split", "any", 0, 0, true,			\
    "with several hosts: split (writes to the primary, what only reads to "\
    "a replica), primary, replica, or any in turn")			\
X(BOOL, split_transactions, split_transactions, "0", "0", 0, 0, true,	\
    "with route = split: a transaction that is not declared goes where "\
    "its first statement may go, and on to the primary with the first "	\
    "that may write")							\
X(BOOL, replica_fallback, replica_fallback, "1", "1", 0, 0, true,	\
    "let the primary serve reads while no replica can")			\
X(SCOPE, read_your_writes, read_your_writes, "application",		\
    "application", 0, 0, true, "with route = split: a replica serves reads "\
    "once it has replayed what was written before by the same session, "\
    "application (database, user and address), or database; or off")	\
X(TIME, read_your_writes_wait, read_your_writes_wait_us, "0", "0", 0,	\
    OPTION_DAY, true, "a read that no replica may serve yet waits that long "\
    "for one before it goes to the primary")				\
X(TIME, max_replica_lag, max_replica_lag_us, "0", "0", 0, OPTION_DAY, true, \
    "a replica that is later than that gets no new reads until it has "	\
    "caught up; 0: however late; what the primary did not write does not "\
    "count")								\
X(BYTES, max_replica_lag_bytes, max_replica_lag_bytes, "0", "0", 0,	\
    INT64_C(1) << 50, true, "the same, in bytes of write-ahead log")	\
X(TIME, failover_wait, failover_wait_us, "30s", "30s", 0, OPTION_DAY,	\
    true, "how long a transaction waits for a primary while there is none; "\
    "0: not at all")							\
X(TIME, role_check_interval, role_check_interval_us, "500ms", "500ms",	\
    0, 3600, true, "with several hosts: ask each of them this often "	\
    "whether it is the primary")					\
X(TIME, role_check_timeout, role_check_timeout_us, "1s", "1s", 0, 3600,	\
    true, "a host that has not answered that by then is taken for down")\
X(TIME, catalogue_interval, catalogue_interval_us, "60s", "60s", 1,	\
    OPTION_DAY, true, "with several hosts: read again what functions write "\
    "and which relations only the primary has")				\
X(TEXT, monitor_user, monitor_user, "", "", 0, 0, true,			\
    "user that asks; empty: auth_user, or one whose password is known")	\
X(SECRET, monitor_password, monitor_password, "", "", 0, 0, true,	\
    "its plain password; empty: the one in auth_file")			\
X(TEXT, server_reset_query, server_reset_query, "DISCARD ALL",		\
    "DISCARD ALL", 0, 0, true,						\
    "run on a server before another client gets it (session mode)")	\
X(BOOL, server_reset_query_always, server_reset_query_always, "0", "0",	\
    0, 0, true, "run it in all modes, after every transaction")		\
X(TEXT, server_check_query, server_check_query, "<empty>", "<empty>",	\
    0, 0, true, "run before a server is used that was idle for "	\
    "server_check_delay; <empty>: none, a closed connection is noticed "\
    "anyway")								\
X(TIME, server_check_delay, server_check_delay_us, "30", "30", 0,	\
    OPTION_DAY, true, "see server_check_query")				\
X(TIME, query_wait_timeout, query_wait_timeout_us, "120", "120", 0,	\
    OPTION_YEAR, true, "how long a statement waits for a server; "	\
    "0: for ever")							\
X(TIME, query_wait_notify, query_wait_notify_us, "5", "5", 0,		\
    OPTION_YEAR, true, "after this a waiting client gets a NOTICE with "\
    "the reason; 0: never")						\
X(TEXT, login_notify_message, login_notify_message, "", "", 0, 0, true,	\
    "a NOTICE for everybody who logs in")				\
X(TIME, query_timeout, query_timeout_us, "0", "0", 0, OPTION_YEAR,	\
    true, "cancel a query and close its client after this long; 0: never")\
X(TIME, idle_transaction_timeout, idle_transaction_timeout_us, "0",	\
    "0", 0, OPTION_YEAR, true,						\
    "close a client whose open transaction idles this long; 0: never")	\
X(TIME, transaction_timeout, transaction_timeout_us, "0", "0", 0,	\
    OPTION_YEAR, true,							\
    "close a client whose transaction lasts this long; 0: never")	\
X(TIME, client_idle_timeout, client_idle_timeout_us, "0", "0", 0,	\
    OPTION_YEAR, true, "close a client that idles this long; 0: never")	\
X(TIME, client_login_timeout, client_login_timeout_us, "60", "60", 0,	\
    3600, true, "close a client that has not logged in by then; 0: never")\
X(TIME, cancel_wait_timeout, cancel_wait_timeout_us, "10", "10", 0,	\
    3600, true, "give up a cancel request after this long")		\
X(TIME, suspend_timeout, suspend_timeout_us, "10", "10", 0, 3600, true,	\
    "SUSPEND closes who does not take what was read for it by then; "	\
    "0: never")								\
X(TEXT, peers, peers, "", "", 0, 0, true,				\
    "names or addresses, with :PORT if it is not listen_port, of the "	\
    "pgweir processes of one service, as a headless Service has them: a "\
    "cancel request for another one is passed on")			\
X(INT, peer_id, peer_id, "0", "0", 0, PEER_ID_MAX, false,		\
    "number of this process in [peers], the other way to name them; 0: "\
    "none")								\
X(INT, expected_replicas, expected_replicas, "0", "0", 0, 10000, true,	\
    "pgweir processes that there may be together, for a warning when they "\
    "could open more servers than PostgreSQL lets in; 0: as many as peers "\
    "finds")								\
X(BOOL, divide_by_peers, divide_by_peers, "0", "0", 0, 0, true,		\
    "divide pool sizes and limits on servers by the processes that peers "\
    "finds, or else by expected_replicas; none becomes less than 1")	\
X(TIME, shutdown_delay, shutdown_delay_us, "0", "0", 0, 3600, true,	\
    "after SIGTERM go on accepting clients for this long")		\
X(TIME, shutdown_spread, shutdown_spread_us, "5", "5", 0, 3600, true,	\
    "then send idle clients away over this long, so that a thousand do not "\
    "connect elsewhere at once; few are sent away sooner")		\
X(TIME, shutdown_timeout, shutdown_timeout_us, "25", "25", 1,		\
    OPTION_DAY, true, "after SIGTERM exit at the latest after this long; "\
    "what runs a little before that is cancelled")			\
X(TIME, stop_after_clients, stop_after_clients_us, "0", "0", 0,		\
    OPTION_DAY, true, "stop as after SIGTERM once there has been a client "\
    "and then none for this long: beside the application of a Job; 0: never")\
X(BOOL, disable_pqexec, disable_pqexec, "0", "0", 0, 0, true,		\
    "refuse simple queries, which can be several in one text")		\
X(INT, max_prepared_statements, max_prepared_statements, "200", "200",	\
    0, 100000, true, "prepared statements that a server keeps; 0 counts "\
    "as 1")								\
X(PIN, pin, pin, "auto", "auto", 0, 0, true,				\
    "a client that leaves something on its server which cannot follow it "\
    "(temporary table, advisory lock): auto, it keeps the server while it "\
    "lasts; error, its statement is refused; off, the server is reset")	\
X(BOOL, pin_notice, pin_notice, "0", "0", 0, 0, true,			\
    "tell a client with a NOTICE when it keeps a server for the first "	\
    "time, and why")							\
X(INT, max_pinned, max_pinned, "auto", "auto", 0, 100000, true,		\
    "clients of one pool that may keep a server; auto: its size less "	\
    "two, at least one")						\
X(TIME, pinned_idle_timeout, pinned_idle_timeout_us, "3600", "3600", 0,	\
    OPTION_YEAR, true, "close a client that keeps a server and idles "	\
    "this long outside of a transaction; 0: never")			\
X(BYTES, retry_buffer, retry_buffer, "16kB", "16kB", 0, 1 << 20,	\
    true, "keep a request of up to this many bytes until it is answered, "\
    "to run it again elsewhere; 0: none")				\
X(BYTES, max_statement_bytes, max_statement_bytes, "1MB", "1MB", 1024,	\
    256 * 1024 * 1024, true,						\
    "length of a statement's text that is kept to be shared")		\
X(BOOL, follow_functions, follow_functions, "1", "1", 0, 0, true,	\
    "read the sources of functions in the catalogue, to know which of "	\
    "them take locks, make temporary tables or change settings")	\
X(BYTES, max_statement_memory, max_statement_memory_bytes, "256MB",	\
    "256MB", 0, INT64_MAX, true,					\
    "texts of statements that are kept, all together; 0: unlimited")	\
X(BYTES, max_packet_size, max_packet_size, "2147483647", "2147483647",	\
    65536, INT32_MAX, true, "length of a message in either direction, as a "\
    "query or a row; one that is longer ends its connection")		\
X(INT, max_client_statements, max_client_statements, "10000", "10000",	\
    0, 1000000, true, "prepared statements that one client may have; "	\
    "0: unlimited")							\
X(BYTES, listen_queue_bytes, listen_queue_bytes, "1MB", "1MB", 1024,	\
    1024 * 1024 * 1024, true,						\
    "notifications that wait for one client, which is closed beyond that")\
X(TEXT, ignore_startup_parameters, ignore_startup_parameters, "", "", 0,\
    0, true, "startup parameters that are dropped; all others are applied")\
X(BOOL, application_name_add_host, application_name_add_host, "0", "0",	\
    0, 0, true, "add the client's address to application_name")	\
X(AUTH, auth_type, auth_type, "scram-sha-256", "md5", 0, 0, true,	\
    "scram-sha-256, md5, plain, cert, hba, trust or any")		\
X(TEXT, auth_file, auth_file, "", "", 0, 0, true,			\
    "file with lines of \"user\" \"secret\"")				\
X(TEXT, auth_hba_file, auth_hba_file, "", "", 0, 0, true,		\
    "file in the format of pg_hba.conf, for auth_type hba")		\
X(TEXT, auth_ident_file, auth_ident_file, "", "", 0, 0, true,		\
    "file in the format of pg_ident.conf, for maps in auth_hba_file")	\
X(TEXT, auth_user, auth_user, "", "", 0, 0, true,			\
    "user that asks PostgreSQL for the secrets of users not in auth_file")\
X(TEXT, auth_query, auth_query, OPTION_AUTH_QUERY, OPTION_AUTH_QUERY, 0,\
    0, true, "what it asks; $1 is the user's name")			\
X(TEXT, auth_dbname, auth_dbname, "", "", 0, 0, true,			\
    "database in which it asks; empty: the client's")			\
X(TIME, auth_cache_ttl, auth_cache_ttl_us, "10s", "10s", 0, OPTION_DAY,	\
    true, "how long an answer to auth_query is kept")			\
X(INT, scram_iterations, scram_iterations, "4096", "4096", 1, 1000000,	\
    true, "iterations where a secret in auth_file is plain")		\
X(TEXT, admin_users, admin_users, "", "", 0, 0, true,			\
    "users with all rights in the console; *: everybody")		\
X(TEXT, stats_users, stats_users, "", "", 0, 0, true,			\
    "users who may look at the console; *: everybody")			\
X(TLS, client_tls_sslmode, client_tls_sslmode, "prefer", "disable", 0,	\
    0, true, "TLS towards clients: disable, allow, prefer, require, "	\
    "verify-ca, verify-full")						\
X(TEXT, client_tls_key_file, client_tls_key_file, "", "", 0, 0, true,	\
    "key; without key and certificate one is made for this process")	\
X(TEXT, client_tls_cert_file, client_tls_cert_file, "", "", 0, 0, true,	\
    "certificate, with its chain")					\
X(TEXT, client_tls_ca_file, client_tls_ca_file, "", "", 0, 0, true,	\
    "authorities that sign client certificates")			\
X(TEXT, client_tls_protocols, client_tls_protocols, "secure", "secure",	\
    0, 0, true, "secure, all, or a list of tlsv1.2 and tlsv1.3")	\
X(TEXT, client_tls_ciphers, client_tls_ciphers, "default", "default",	\
    0, 0, true, "default, secure, or OpenSSL's syntax")			\
X(TEXT, client_tls13_ciphers, client_tls13_ciphers, "", "", 0, 0, true,	\
    "cipher suites of TLS 1.3")						\
X(TEXT, client_tls_ecdhcurve, client_tls_ecdhcurve, "auto", "auto", 0,	\
    0, true, "auto, or OpenSSL's names of groups")			\
X(TEXT, client_tls_dheparams, client_tls_dheparams, "auto", "auto", 0,	\
    0, true, "auto or none")						\
X(TLS, server_tls_sslmode, server_tls_sslmode, "prefer", "prefer", 0, 0,\
    true, "TLS towards PostgreSQL, as libpq's sslmode")			\
X(TEXT, server_tls_ca_file, server_tls_ca_file, "", "", 0, 0, true,	\
    "authorities that sign PostgreSQL's certificate")			\
X(TEXT, server_tls_key_file, server_tls_key_file, "", "", 0, 0, true,	\
    "key towards PostgreSQL")						\
X(TEXT, server_tls_cert_file, server_tls_cert_file, "", "", 0, 0, true,	\
    "certificate towards PostgreSQL")					\
X(TEXT, server_tls_protocols, server_tls_protocols, "secure", "secure",	\
    0, 0, true, "as client_tls_protocols")				\
X(TEXT, server_tls_ciphers, server_tls_ciphers, "default", "default",	\
    0, 0, true, "as client_tls_ciphers")				\
X(TEXT, server_tls13_ciphers, server_tls13_ciphers, "", "", 0, 0, true,	\
    "as client_tls13_ciphers")						\
X(TEXT, logfile, logfile, "", "", 0, 0, true,				\
    "file to log to, beside stderr")					\
X(BOOL, syslog, syslog, "0", "0", 0, 0, true, "log to syslog")		\
X(TEXT, syslog_ident, syslog_ident, "pgweir", "pgbouncer", 0, 0, true,	\
    "our name in syslog")						\
X(TEXT, syslog_facility, syslog_facility, "daemon", "daemon", 0, 0,	\
    true, "facility in syslog")						\
X(INT, verbose, verbose, "0", "0", 0, 3, true, "log more")		\
X(BOOL, log_connections, log_connections, "1", "1", 0, 0, true,	\
    "log logins")							\
X(BOOL, log_disconnections, log_disconnections, "1", "1", 0, 0, true,	\
    "log the ends of connections, and why")				\
X(BOOL, log_pooler_errors, log_pooler_errors, "1", "1", 0, 0, true,	\
    "log the errors that clients get from the pooler")			\
X(BOOL, log_stats, log_stats, "0", "1", 0, 0, true,			\
    "log averages every stats_period")					\
X(TIME, stats_period, stats_period_us, "60", "60", 1, OPTION_DAY, true,	\
    "averages are over the last one or two of these")			\
X(LOGFORM, log_format, log_format, "text", "text", 0, 0, true,		\
    "text or json: how a line of the log is written")			\
X(TIME, log_slow, log_slow_us, "0", "0", 0, OPTION_YEAR, true,		\
    "log queries that take this long, with wait and server; 0: none")	\
X(TIME, log_repeat_interval, log_repeat_interval_us, "10s", "0", 0,	\
    OPTION_DAY, true, "a warning or error that comes again within this "\
    "time is counted instead of written; 0: write all")			\
X(TEXT, metrics_addr, metrics_addr, "*", "", 0, 0, false,		\
    "numeric addresses for /metrics, /healthz, /readyz and the page; "	\
    "* for all, empty for none")					\
X(INT, metrics_port, metrics_port, "9127", "9127", 0, 65535, false,	\
    "their TCP port; 0: a free one, which the log tells")		\
X(BOOL, dashboard, dashboard, "0", "0", 0, 0, true,			\
    "serve the page at / of metrics_port: to localhost, and to who has "\
    "the token")							\
X(TEXT, dashboard_token_file, dashboard_token_file, "", "", 0, 0, true,	\
    "file with the token that opens the page from elsewhere")		\
X(BOOL, auto_reload, auto_reload, "1", "0", 0, 0, true,			\
    "reload when the configuration or a file that it names changes")	\
X(INT, tcp_defer_accept, tcp_defer_accept, "0", "1", 0, 3600, false,	\
    "accept TCP connections only when they have sent something")	\
X(BOOL, tcp_keepalive, tcp_keepalive, "1", "1", 0, 0, true,		\
    "keep-alive on TCP connections")					\
X(INT, tcp_keepcnt, tcp_keepcnt, "0", "0", 0, 127, true,		\
    "keep-alive probes; 0: the system's default")			\
X(INT, tcp_keepidle, tcp_keepidle, "0", "0", 0, 32767, true,		\
    "seconds before the first probe; 0: the system's default")		\
X(INT, tcp_keepintvl, tcp_keepintvl, "0", "0", 0, 32767, true,		\
    "seconds between probes; 0: the system's default")			\
X(INT, tcp_user_timeout, tcp_user_timeout, "0", "0", 0, 86400000, true,	\
    "milliseconds that sent data may stay unacknowledged; 0: the "	\
    "system's default")							\
X(BYTES, tcp_socket_buffer, tcp_socket_buffer, "0", "0", 0,		\
    1024 * 1024 * 1024, true, "socket buffers; 0: the system's default")\
X(TIME, dns_max_ttl, dns_max_ttl_us, "15", "15", 0, OPTION_DAY, true,	\
    "look a host's name up again after this long at the latest")	\
X(TIME, dns_nxdomain_ttl, dns_nxdomain_ttl_us, "15", "15", 0,		\
    OPTION_DAY, true, "try again this long after a look-up has failed")	\
X(TEXT, resolv_conf, resolv_conf, "", "", 0, 0, false,			\
    "file to read instead of /etc/resolv.conf")

/*
 * Names of PgBouncer's that have no meaning here: accepted, and named once at
 * start.
 */
#define OPTION_IGNORED_LIST(X)						\
X(pkt_buf, "buffers are shared and need no size")			\
X(sbuf_loopcnt, "one read a connection and round")			\
X(track_extra_parameters, "every setting of a client is followed")	\
X(service_name, "there is no such thing outside of Windows")		\
X(job_name, "there is no such thing outside of Windows")		\
X(conffile, "the file given on the command line is read again")	\
X(dns_zone_check_period, "names are looked up again, see dns_max_ttl")

/* Refused: they decide about who may log in, or what cannot be done. */
#define OPTION_REFUSED_LIST(X)						\
X(auth_ldap_options, "LDAP is not supported: use auth_query or hba")

#define OPTION_TYPE_INT		int
#define OPTION_TYPE_BOOL	bool
#define OPTION_TYPE_TIME	int64_t
#define OPTION_TYPE_BYTES	int64_t
#define OPTION_TYPE_TEXT	char *
#define OPTION_TYPE_OCTAL	int
#define OPTION_TYPE_TLS		int
#define OPTION_TYPE_MODE	int
#define OPTION_TYPE_ROUTE	int
#define OPTION_TYPE_SCOPE	int
#define OPTION_TYPE_SECRET	char *
#define OPTION_TYPE_AUTH	int
#define OPTION_TYPE_PIN		int
#define OPTION_TYPE_LOGFORM	int

struct option_values {
#define OPTION_FIELD(kind, name, field, ours, theirs, min, max, reloadable, \
    meaning)	OPTION_TYPE_##kind field;
	OPTION_LIST(OPTION_FIELD)
#undef OPTION_FIELD
};

#endif
