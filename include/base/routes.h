/*
 * Why a transaction went to the primary or to a replica: one list makes the
 * numbers, the labels in SHOW ROUTES and the metrics, and the sentences of
 * EXPLAIN ROUTE.
 *
 * The first part is what a statement is found to be (route/route.h), the
 * second what else decides where a transaction goes.
 */

#ifndef BASE_ROUTES_H
#define BASE_ROUTES_H

#include <stdatomic.h>
#include <stdint.h>

/*	why, label, for people; %s is the name that decided */
#define ROUTE_WHY_LIST(X)						\
	X(WHY_READ,		"read",		"it only reads")	\
	X(WHY_EMPTY,		"empty",	"it is empty")		\
	X(WHY_NOT_READ,		"not_read",	"it is no SELECT")	\
	X(WHY_WRITES,		"writes",	"a word in it may write") \
	X(WHY_LOCKS,		"locks",	"it locks rows")	\
	X(WHY_SEVERAL,		"several",				\
	    "it is several statements")					\
	X(WHY_SESSION,		"session",				\
	    "it may change its session")				\
	X(WHY_TOO_LONG,		"too_long",				\
	    "it has more names than are looked up")			\
	X(WHY_UNCLEAR,		"unclear",	"it is not understood")	\
	X(WHY_NO_CATALOGUE,	"no_catalogue",				\
	    "the functions of the database are not known yet")		\
	X(WHY_HOPELESS,		"hopeless",				\
	    "the database has a volatile operator, cast or ordering that "\
	    "no text shows")						\
	X(WHY_FUNCTION,		"volatile_function",			\
	    "function \"%s\" may write")				\
	X(WHY_NO_FUNCTION,	"unknown_function",			\
	    "there is no function \"%s\"")				\
	X(WHY_RELATION,		"relation",				\
	    "\"%s\" is or reaches what only the primary has")		\
	X(WHY_NO_RELATION,	"unknown_relation",			\
	    "there is no relation \"%s\"")				\
	X(WHY_TYPE,		"type",					\
	    "making a value of type \"%s\" may write")			\
	X(WHY_NO_TYPE,		"unknown_type",				\
	    "there is no type \"%s\"")					\
	X(WHY_OPERATOR,		"operator",				\
	    "an operator in \"%s\" may write")				\
	X(WHY_REFUSED,		"refused",				\
	    "a replica has refused it before")				\
	X(WHY_BLOCK,		"transaction",				\
	    "it begins a transaction that may write")			\
	X(WHY_SERIALIZABLE,	"serializable",				\
	    "its transaction is SERIALIZABLE")				\
	X(WHY_READ_ONLY,	"read_only",				\
	    "its transaction is declared READ ONLY, and begins with a "	\
	    "statement that only reads")				\
	X(WHY_SPLIT_BLOCK,	"split_transaction",			\
	    "its transaction begins with a statement that only reads, and "\
	    "split_transactions is on")					\
	X(WHY_BATCH,		"batch",				\
	    "not all of its batch was there, or something in it is no "	\
	    "statement")						\
	X(WHY_OTHER,		"other",				\
	    "it is a function call, or too long to be looked at")	\
	X(WHY_WISH_PRIMARY,	"route_primary", "route = primary")	\
	X(WHY_WISH_REPLICA,	"route_replica", "route = replica")	\
	X(WHY_WISH_ANY,		"route_any",	"route = any")		\
	X(WHY_SESSION_MODE,	"session_mode",				\
	    "with pool_mode = session a client keeps one server")	\
	X(WHY_ONE_HOST,		"one_host",	"there is only one host") \
	X(WHY_HEALED,		"healed",				\
	    "a replica has just refused it")				\
	X(WHY_MOVED,		"moved",				\
	    "its transaction began on a replica, and may write now")	\
	X(WHY_BEHIND,		"behind",				\
	    "no replica has replayed yet what was written before")	\
	X(WHY_NO_REPLICA,	"no_replica",				\
	    "no replica can be used now")

enum route_why {
#define ROUTE_WHY_ENUM(why, label, text)	why,
	ROUTE_WHY_LIST(ROUTE_WHY_ENUM)
#undef ROUTE_WHY_ENUM
	WHY_COUNT
};

enum route_target {
	TARGET_PRIMARY,
	TARGET_REPLICA,
	TARGET_COUNT
};

/* How many transactions went where, and why. */
struct route_counters {
	_Atomic uint64_t	taken[TARGET_COUNT][WHY_COUNT];
};

const char	*route_why_label(enum route_why);
const char	*route_why_text(enum route_why);
const char	*route_target_name(enum route_target);

#endif
