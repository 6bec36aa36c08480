/*
 * Authentication of a client (PostgreSQL documentation 55.2.1, 55.3), and the
 * step into service.
 *
 * Whether the database exists, is disabled or is full is told only to who has
 * logged in.  An unknown user goes through the same messages as a known one
 * with a wrong password, in the same time, to the same error.
 */

#include <sys/socket.h>

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/client_leave.h"
#include "client/client_login.h"
#include "client/client_private.h"
#include "config/hba.h"
#include "net/tls.h"
#include "pool/pool.h"
#include "wire/get.h"
#include "wire/msg.h"
#include "wire/password.h"
#include "wire/put.h"

static void
auth_say(struct client *client, enum msg_auth code, const void *data,
    size_t n)
{
	struct buf	message;

	buf_init(&message);
	put_auth(&message, code, data, n);
	stream_write(&client->stream, buf_bytes(&message),
	    buf_length(&message));
	buf_done(&message);
}

/* One sentence for the client, whatever was wrong; the log has the rest. */
static void
auth_refuse(struct client *client, const char *why)
{
	struct log_who	who;

	client_who(client, &who);
	log_info(&who, "login refused: %s", why);
	auth_refused(&client->login->auth);
	client_fail(client, REASON_LOGIN_REFUSED,
	    "password authentication failed for user \"%s\"", client->user);
}

/*
 * Into service.
 */

static bool
auth_enter_pool(struct client *client, struct pool *pool)
{
	const struct pool_settings *limits = &pool_profile(pool)->settings;

	switch (pool_enter(pool, client->loop)) {
	case POOL_ENTERED:
		client->pool = pool;
		return true;
	case POOL_DATABASE_FULL:
		client_fail(client, REASON_TOO_MANY_CLIENTS, "database \"%s\" "
		    "has max_db_client_connections (%d) clients already",
		    pool->database, limits->max_db_client_connections);
		break;
	case POOL_USER_FULL:
		client_fail(client, REASON_TOO_MANY_CLIENTS, "user \"%s\" has "
		    "max_user_client_connections (%d) clients already",
		    pool->user, limits->max_user_client_connections);
		break;
	}
	return false;
}

static bool
auth_find_pool(struct client *client)
{
	struct pool	*pool;

	if (client->login->is_crowd) {
		client_fail(client, REASON_TOO_MANY_CLIENTS, "no more "
		    "connections allowed (max_client_conn): %d clients are "
		    "connected already",
		    client->login->config->option.max_client_conn);
		return false;
	}
	pool = pool_find(client->login->config, client->database,
	    client->user);
	if (pool == NULL) {
		client_fail(client, REASON_NO_DATABASE, "no such database: "
		    "%s; it is not in the configuration of the pooler",
		    client->database);
		return false;
	}
	if (atomic_load(&pool->is_disabled)) {
		client_fail(client, REASON_DATABASE_DISABLED, "database "
		    "\"%s\" is disabled; an administrator can ENABLE it",
		    client->database);
		return false;
	}
	return auth_enter_pool(client, pool);
}

static bool
auth_enter_console(struct client *client, bool is_admin)
{
	const struct option_values *option = &client->login->config->option;

	client->is_admin = is_admin ||
	    text_list_has(option->admin_users, client->user);
	if (client->is_admin ||
	    text_list_has(option->stats_users, client->user))
		return true;
	client_fail(client, REASON_NO_RIGHT, "not allowed: user "
	    "\"%s\" is in neither admin_users nor stats_users, and may not "
	    "use the console", client->user);
	return false;
}

static void
auth_add_host(struct client *client)
{
	struct client_login	*login = client->login;
	struct addr		 peer;
	char			 host[ADDR_TEXT_BYTES], *name;

	if (!login->config->option.application_name_add_host)
		return;
	addr_of_peer(&peer, client->stream.fd);
	addr_print(&peer, host, sizeof host);
	for (size_t i = 0; i < login->setting_count; i += 2)
		if (strcmp(login->settings[i], "application_name") == 0) {
			name = mem_printf("%s - %s", login->settings[i + 1],
			    host);
			free(login->settings[i + 1]);
			login->settings[i + 1] = name;
			return;
		}
	name = mem_printf("app - %s", host);
	login->settings = mem_resize(login->settings,
	    (login->setting_count + 3) * sizeof login->settings[0]);
	login->settings[login->setting_count++] =
	    mem_string("application_name");
	login->settings[login->setting_count++] = name;
	login->settings[login->setting_count] = NULL;
}

static void
auth_log(struct client *client)
{
	struct log_who	who;
	char		tls[128];

	if (!client->login->config->option.log_connections)
		return;
	client_who(client, &who);
	tls_describe(&client->stream, tls, sizeof tls);
	log_info(&who, "logged in%s%s", tls[0] != '\0' ? " over " : "", tls);
}

static void
auth_count(struct client *client, bool is_console)
{
	client->is_console = is_console;
	client->is_watcher = is_console && client->is_unix;
	atomic_fetch_add(&client_numbers.served, 1);
	if (is_console)
		atomic_fetch_add(&client_numbers.consoles, 1);
	else
		atomic_fetch_add(&client_numbers.logins, 1);
	if (client->is_watcher)
		atomic_fetch_add(&client_numbers.watchers, 1);
}

/* Authenticated: the client belongs to the relay or the console now. */
static void
auth_succeed(struct client *client, bool is_console, bool is_admin)
{
	struct client_login		*login = client->login;
	const struct client_service	*service;
	struct client_start		 start;

	if (is_console ? !auth_enter_console(client, is_admin) :
	    !auth_find_pool(client))
		return;
	service = is_console ? client_services.console :
	    login->replication != NULL ? client_services.replication :
	    client_services.relay;
	auth_add_host(client);
	auth_log(client);
	start.settings = (const char *const *)login->settings;
	start.replication = login->replication;
	start.early = buf_bytes(&login->in) + login->used;
	start.early_length = buf_length(&login->in) - login->used;
	deadline_clear(client->loop, &client->deadline);
	/* The login goes, but what start points to lives until the end. */
	client->login = NULL;
	client->service = service;
	client_set_state(client, CLIENT_SERVED);
	atomic_fetch_sub(&client_numbers.logging_in, 1);
	auth_count(client, is_console);
	service->start(client, &start);
	login->is_asking = false;
	if (client->login == NULL) {
		struct client	shell = { .login = login };

		client_login_free(&shell);
	}
}

/* What the client has proved opens doors behind. */
static void
auth_learn(struct client *client, const struct pool_secret *secret)
{
	struct pool	*pool;

	if (client->login->is_console)
		return;
	pool = pool_find(client->login->config, client->database,
	    client->user);
	if (pool != NULL && !pool->is_forced)
		pool_secret_learn(pool, secret);
}

static void
auth_pass(struct client *client, const char *secret,
    const struct scram_keys *keys)
{
	struct pool_secret	learned = { .secret = NULL };

	if (secret != NULL) {
		learned.secret = mem_string(secret);
		if (keys != NULL &&
		    password_kind(secret) == PASSWORD_SCRAM) {
			learned.has_client_key = true;
			memcpy(learned.client_key, keys->client_key,
			    sizeof learned.client_key);
		}
		auth_learn(client, &learned);
		pool_secret_wipe(&learned);
	}
	auth_succeed(client, client->login->is_console, false);
}

/*
 * Methods.
 */

static void
auth_start_scram(struct client *client)
{
	struct client_login	*login = client->login;
	uint8_t			 binding[64];
	size_t			 n = tls_server_end_point(&client->stream,
				    true, binding);
	struct buf		 message;

	login->step = STEP_SCRAM;
	login->scram = scram_server_new(client->user, login->auth.secret,
	    login->auth.mock, n > 0 ? binding : NULL, n);
	buf_init(&message);
	scram_server_start(login->scram, &message);
	stream_write(&client->stream, buf_bytes(&message),
	    buf_length(&message));
	buf_done(&message);
}

static void
auth_start_password(struct client *client, bool is_md5)
{
	struct client_login	*login = client->login;

	login->step = STEP_PASSWORD;
	if (!is_md5) {
		auth_say(client, MSG_AUTH_CLEARTEXT, NULL, 0);
		return;
	}
	if (RAND_bytes(login->salt, sizeof login->salt) != 1)
		abort();
	auth_say(client, MSG_AUTH_MD5, login->salt, sizeof login->salt);
}

static bool
auth_map_allows(struct client *client, const char *system_user)
{
	const struct auth_request	*auth = &client->login->auth;

	if (auth->hba_line == 0 || client->login->config->hba == NULL)
		return strcmp(system_user, client->user) == 0;
	return hba_map_allows(client->login->config->hba, auth->hba_line,
	    system_user, client->user);
}

static void
auth_by_certificate(struct client *client)
{
	char	name[256];

	if (!tls_peer_common_name(&client->stream, name, sizeof name))
		client_fail(client, REASON_HBA_REFUSED, "a client "
		    "certificate that client_tls_ca_file knows is required "
		    "for user \"%s\"", client->user);
	else if (!auth_map_allows(client, name)) {
		auth_refuse(client, "the certificate has another name");
	} else
		auth_pass(client, client->login->auth.secret, NULL);
}

/* The system user at the other end of a unix socket. */
static bool
auth_peer_name(const struct client *client, uid_t *uid, char *name,
    size_t size)
{
	struct ucred	 peer;
	socklen_t	 length = sizeof peer;
	struct passwd	 entry, *found = NULL;
	char		 room[4096];
	struct addr	 addr;

	addr_of_peer(&addr, client->stream.fd);
	if (!addr_is_unix(&addr) || getsockopt(client->stream.fd, SOL_SOCKET,
	    SO_PEERCRED, &peer, &length) != 0)
		return false;
	*uid = peer.uid;
	getpwuid_r(peer.uid, &entry, room, sizeof room, &found);
	snprintf(name, size, "%s", found != NULL ? entry.pw_name : "");
	return true;
}

static void
auth_by_peer(struct client *client)
{
	char	name[256];
	uid_t	uid;

	if (!auth_peer_name(client, &uid, name, sizeof name) ||
	    !auth_map_allows(client, name))
		client_fail(client, REASON_HBA_REFUSED,
		    "peer authentication failed for user \"%s\"",
		    client->user);
	else
		auth_pass(client, client->login->auth.secret, NULL);
}

static void
auth_by_method(struct client *client)
{
	struct auth_request	*auth = &client->login->auth;
	enum auth_method	 method = auth->method;

	if (method == AUTH_METHOD_MD5 && (auth->secret == NULL ?
	    auth->mock : password_kind(auth->secret)) == PASSWORD_SCRAM)
		method = AUTH_METHOD_SCRAM;
	switch (method) {
	case AUTH_METHOD_TRUST:
		if (!auth->is_known)
			auth_refuse(client, "trust, but the user is unknown");
		else
			auth_pass(client, auth->secret, NULL);
		break;
	case AUTH_METHOD_ANY:
		auth_pass(client, NULL, NULL);
		break;
	case AUTH_METHOD_PLAIN:
		auth_start_password(client, false);
		break;
	case AUTH_METHOD_MD5:
		auth_start_password(client, true);
		break;
	case AUTH_METHOD_SCRAM:
		auth_start_scram(client);
		break;
	case AUTH_METHOD_CERT:
		auth_by_certificate(client);
		break;
	case AUTH_METHOD_PEER:
		auth_by_peer(client);
		break;
	case AUTH_METHOD_REJECT:
		client_fail(client, REASON_HBA_REFUSED, "auth_hba_file has "
		    "no line that lets user \"%s\" into database \"%s\" from "
		    "here%s", client->user,
		    client_login_is_physical(client->login) ?
		    "replication" : client->database,
		    client->stream.tls == NULL ? " without TLS" : "");
		break;
	}
}

static void
auth_on_answer(struct auth_request *auth)
{
	struct client	*client = auth->arg;

	client->login->is_asking = false;
	if (auth->failure != NULL) {
		client_fail(client, REASON_CONNECT_FAILED, "%s",
		    auth->failure);
		return;
	}
	auth_by_method(client);
	if (client->login != NULL)
		client_login_read(client);
}

/*
 * Who wants WAL as it is asks for no database: the programs say "replication"
 * there.  Where all databases lead to the same hosts, any of them will do.
 */
static void
auth_name_database(struct client *client)
{
	const struct config	*config = client->login->config;
	const struct database	*any;

	if (!client_login_is_physical(client->login) ||
	    strcmp(client->database, "replication") != 0 ||
	    config_database(config, client->database) != NULL ||
	    (any = config_same_hosts(config)) == NULL)
		return;
	free(client->database);
	client->database = mem_string(any->name);
}

void
client_auth_begin(struct client *client)
{
	struct client_login	*login = client->login;
	struct auth_request	*auth = &login->auth;
	char			 name[256];
	uid_t			 uid;

	client_set_state(client, CLIENT_LOGIN);
	auth_name_database(client);
	login->step = STEP_ASKING;
	login->is_console = strcmp(client->database, "pgweir") == 0 ||
	    strcmp(client->database, "pgbouncer") == 0;
	if (atomic_load(&clients_are_leaving) &&
	    !(login->is_console && client->is_unix)) {
		client_fail(client, REASON_SHUTDOWN, "the pooler is shutting "
		    "down; connect again");
		return;
	}
	/* Who runs the process may look at it: as in PgBouncer. */
	if (login->is_console &&
	    auth_peer_name(client, &uid, name, sizeof name) &&
	    uid == geteuid() && (strcmp(client->user, "pgweir") == 0 ||
	    strcmp(client->user, "pgbouncer") == 0)) {
		auth_succeed(client, true, true);
		return;
	}
	auth->config = login->config;
	auth->loop = client->loop;
	auth->client = client;
	auth->database = client->database;
	auth->user = client->user;
	auth->answered = auth_on_answer;
	auth->arg = client;
	login->is_asking = true;
	auth_find(auth);
}

/*
 * Proofs.
 */

static void
auth_check_password(struct client *client, const char *answer)
{
	struct client_login	*login = client->login;
	const struct auth_request *auth = &login->auth;
	bool			 good;

	if (auth->method == AUTH_METHOD_PLAIN)
		good = password_verify_plain(auth->secret, client->user,
		    answer, auth->mock);
	else
		good = password_verify_md5(auth->secret, client->user,
		    login->salt, answer);
	if (!good)
		auth_refuse(client, auth->is_known ? "wrong password" :
		    "unknown user");
	else
		auth_pass(client, auth->method == AUTH_METHOD_PLAIN ?
		    answer : auth->secret, NULL);
}

static void
auth_step_scram(struct client *client, const uint8_t *body, size_t n)
{
	struct client_login	*login = client->login;
	struct buf		 message;
	enum scram_result	 result;

	buf_init(&message);
	result = scram_server_step(login->scram, body, n, &message);
	if (buf_length(&message) > 0 && result != SCRAM_REFUSED)
		stream_write(&client->stream, buf_bytes(&message),
		    buf_length(&message));
	buf_wipe(&message);
	switch (result) {
	case SCRAM_CONTINUE:
		break;
	case SCRAM_DONE:
		auth_pass(client, login->auth.secret,
		    scram_server_keys(login->scram));
		break;
	case SCRAM_REFUSED:
		auth_refuse(client, login->auth.is_known ?
		    "wrong password" : "unknown user");
		break;
	case SCRAM_STALE:
	case SCRAM_BAD:
		client_fail(client, REASON_BAD_MESSAGE,
		    "SCRAM authentication failed: %s",
		    scram_server_error(login->scram));
		break;
	}
}

void
client_auth_on_password(struct client *client, const uint8_t *body, size_t n)
{
	struct get	 get;
	const char	*answer;

	if (client->login->step == STEP_SCRAM) {
		auth_step_scram(client, body, n);
		return;
	}
	get_init(&get, body, n);
	answer = get_string(&get);
	if (!get_is_done(&get))
		client_fail(client, REASON_BAD_MESSAGE,
		    "a password message that does not end with a zero byte");
	else
		auth_check_password(client, answer);
}
