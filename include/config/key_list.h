/*
 * THE tables of what stands in a line of [databases], [users] and [peers]:
 * one row a key.
 *
 * X(kind, name, field, meaning)
 *
 * Parsing, suggestions and the manual come from here.
 */

#ifndef CONFIG_KEY_LIST_H
#define CONFIG_KEY_LIST_H

#define DATABASE_KEYS(X)						\
X(TEXT, "host", host, "hosts of PostgreSQL, with commas in between: names, "\
    "addresses or directories of sockets; a name with several addresses "\
    "is as many hosts")							\
X(TEXT, "port", ports, "one number, or one a host in step (5432)")	\
X(TEXT, "dbname", dbname, "name of the database there; by default the "	\
    "entry's")								\
X(TEXT, "user", user, "log in there as this user, whoever the client is")\
X(TEXT, "password", password, "of that user")				\
X(TEXT, "password_file", password_file, "file with that password; read "\
    "again when it changes")						\
X(TEXT, "auth_user", auth_user, "overrides the option auth_user")	\
X(TEXT, "auth_query", auth_query, "overrides the option auth_query")	\
X(TEXT, "auth_dbname", auth_dbname, "overrides the option auth_dbname")	\
X(TEXT, "connect_query", connect_query, "statement to run on each new "	\
    "server connection")						\
X(TEXT, "client_encoding", client_encoding, "where the client does not "\
    "say one")								\
X(TEXT, "datestyle", datestyle, "the same")				\
X(TEXT, "timezone", timezone, "the same")				\
X(TEXT, "application_name", application_name, "the same")		\
X(MODE, "pool_mode", pool_mode, "overrides the option pool_mode")	\
X(ROUTE, "route", route, "overrides the option route")			\
X(BALANCE, "load_balance_hosts", balance, "which of several hosts is "	\
    "used under route = any: round-robin, the next one each time, or "	\
    "disable, the first one that answers")				\
X(NUMBER, "pool_size", pool_size, "overrides the option "		\
    "default_pool_size")						\
X(NUMBER, "min_pool_size", min_pool_size, "overrides the option "	\
    "min_pool_size")							\
X(NUMBER, "reserve_pool_size", reserve_pool_size, "overrides the option "\
    "reserve_pool_size")						\
X(NUMBER, "reserve_pool", reserve_pool_size, "an older name of that")	\
X(NUMBER, "max_db_connections", max_db_connections, "overrides the "	\
    "option max_db_connections")					\
X(NUMBER, "max_db_client_connections", max_db_client_connections,	\
    "overrides the option max_db_client_connections")			\
X(TIME, "server_lifetime", server_lifetime_us, "overrides the option "	\
    "server_lifetime")							\
X(TIME, "query_wait_timeout", query_wait_timeout_us, "overrides the "	\
    "option query_wait_timeout")

#define USER_KEYS(X)							\
X(MODE, "pool_mode", pool_mode, "overrides the option pool_mode, and the "\
    "database's")							\
X(ROUTE, "route", route, "overrides the option route, and the "		\
    "database's")							\
X(NUMBER, "pool_size", pool_size, "overrides the option "		\
    "default_pool_size")						\
X(NUMBER, "reserve_pool_size", reserve_pool_size, "overrides the option "\
    "reserve_pool_size")						\
X(NUMBER, "max_user_connections", max_user_connections, "overrides the "\
    "option max_user_connections")					\
X(NUMBER, "max_user_client_connections", max_user_client_connections,	\
    "overrides the option max_user_client_connections")			\
X(TIME, "query_timeout", query_timeout_us, "overrides the option "	\
    "query_timeout")							\
X(TIME, "query_wait_timeout", query_wait_timeout_us, "overrides the "	\
    "option query_wait_timeout")					\
X(TIME, "idle_transaction_timeout", idle_transaction_timeout_us,	\
    "overrides the option idle_transaction_timeout")			\
X(TIME, "transaction_timeout", transaction_timeout_us, "overrides the "	\
    "option transaction_timeout")					\
X(TIME, "client_idle_timeout", client_idle_timeout_us, "overrides the "	\
    "option client_idle_timeout")

#define PEER_KEYS(X)							\
X(TEXT, "host", host, "where this peer listens")			\
X(NUMBER, "port", port, "and its port")					\
X(NUMBER, "pool_size", pool_size, "connections to it that carry cancel "\
    "requests")

#endif
