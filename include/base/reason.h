/*
 * The reasons for which pgweir refuses something or closes a connection.
 *
 * One list makes the SQLSTATE that the client gets, the word in the log line
 * and the label in the metrics.  The sentence itself is written where the
 * names and numbers that belong into it are known.
 */

#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdatomic.h>
#include <stdint.h>

/*	name				SQLSTATE  label */
#define REASON_LIST(X)							\
	X(REASON_NONE,			"00000", "none")		\
	X(REASON_CLIENT_LEFT,		"08006", "client_left")	\
	X(REASON_CLIENT_LOST,		"08006", "client_lost")	\
	X(REASON_BAD_MESSAGE,		"08P01", "bad_message")	\
	X(REASON_MESSAGE_TOO_LONG,	"54000", "message_too_long")	\
	X(REASON_UNSUPPORTED,		"0A000", "unsupported")	\
	X(REASON_TLS_REQUIRED,		"28000", "tls_required")	\
	X(REASON_TLS_FAILED,		"08006", "tls_failed")		\
	X(REASON_LOGIN_REFUSED,		"28P01", "login_refused")	\
	X(REASON_HBA_REFUSED,		"28000", "hba_refused")		\
	X(REASON_LOGIN_TIMEOUT,		"08006", "login_timeout")	\
	X(REASON_BAD_PARAMETER,		"22023", "bad_parameter")	\
	X(REASON_NO_DATABASE,		"3D000", "no_database")		\
	X(REASON_DATABASE_DISABLED,	"57P03", "database_disabled")	\
	X(REASON_TOO_MANY_CLIENTS,	"53300", "too_many_clients")	\
	X(REASON_NO_DESCRIPTORS,	"53300", "no_descriptors")	\
	X(REASON_OUT_OF_MEMORY,		"53200", "out_of_memory")	\
	X(REASON_TOO_MANY_PINNED,	"53300", "too_many_pinned")	\
	X(REASON_TOO_MANY_STATEMENTS,	"53400", "too_many_statements")	\
	X(REASON_PIN_REFUSED,		"0A000", "pin_refused")		\
	X(REASON_WAIT_TIMEOUT,		"53300", "wait_timeout")	\
	X(REASON_QUERY_TIMEOUT,		"57014", "query_timeout")	\
	X(REASON_TRANSACTION_TIMEOUT,	"25P04", "transaction_timeout")	\
	X(REASON_IDLE_TRANSACTION,	"25P03", "idle_transaction")	\
	X(REASON_IDLE_CLIENT,		"57P05", "idle_client")		\
	X(REASON_TRANSACTION_REFUSED,	"0A000", "transaction_refused")	\
	X(REASON_LISTEN_QUEUE,		"53400", "listen_queue")	\
	X(REASON_SHUTDOWN,		"57P01", "shutdown")		\
	X(REASON_SUSPEND_TIMEOUT,	"57P01", "suspend_timeout")	\
	X(REASON_KILLED,		"57P01", "killed")		\
	X(REASON_RELOADED,		"57P01", "reloaded")		\
	X(REASON_CONNECT_FAILED,	"08001", "connect_failed")	\
	X(REASON_CONNECT_TIMEOUT,	"08001", "connect_timeout")	\
	X(REASON_NAME_UNKNOWN,		"08001", "name_unknown")	\
	X(REASON_NO_PRIMARY,		"57P03", "no_primary")		\
	X(REASON_OUTCOME_UNKNOWN,	"08007", "outcome_unknown")	\
	X(REASON_TRANSACTION_LOST,	"40001", "transaction_lost")	\
	X(REASON_SERVER_REFUSED,	"08004", "server_refused")	\
	X(REASON_SERVER_LOST,		"08006", "server_lost")		\
	X(REASON_SERVER_RUBBISH,	"08P01", "server_rubbish")	\
	X(REASON_NO_SECRET,		"28000", "no_secret")		\
	X(REASON_SECRET_CHANGED,	"57P01", "secret_changed")	\
	X(REASON_NO_STATEMENT,		"26000", "no_statement")	\
	X(REASON_STATEMENT_EXISTS,	"42P05", "statement_exists")	\
	X(REASON_SHAPE_CHANGED,		"0A000", "shape_changed")	\
	X(REASON_SERVER_OLD,		"57P01", "server_old")		\
	X(REASON_SERVER_IDLE,		"57P01", "server_idle")		\
	X(REASON_SERVER_EVICTED,	"57P01", "server_evicted")	\
	X(REASON_SERVER_UNCLEAN,	"57P01", "server_unclean")	\
	X(REASON_NO_RIGHT,		"42501", "no_right")		\
	X(REASON_BAD_COMMAND,		"42601", "bad_command")

enum reason {
#define REASON_ENUM(name, sqlstate, label)	name,
	REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
	REASON_COUNT
};

/* How many connections ended for each; any thread. */
extern _Atomic uint64_t	reason_clients_closed[REASON_COUNT];
extern _Atomic uint64_t	reason_servers_closed[REASON_COUNT];

const char	*reason_sqlstate(enum reason);
const char	*reason_label(enum reason);

#endif
