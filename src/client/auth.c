/*
 * Which method, and which secret; see client/auth.h.
 */

#include "base/mem.h"
#include "client/auth.h"
#include "client/auth_cache.h"
#include "client/auth_query.h"
#include "client/client.h"
#include "client/client_login.h"
#include "config/hba.h"
#include "config/userlist.h"

static enum auth_method
auth_method_of_hba(struct auth_request *request)
{
	static const enum auth_method	methods[] = {
		[HBA_REJECT] = AUTH_METHOD_REJECT,
		[HBA_TRUST] = AUTH_METHOD_TRUST,
		[HBA_PASSWORD] = AUTH_METHOD_PLAIN,
		[HBA_MD5] = AUTH_METHOD_MD5,
		[HBA_SCRAM] = AUTH_METHOD_SCRAM,
		[HBA_CERT] = AUTH_METHOD_CERT,
		[HBA_PEER] = AUTH_METHOD_PEER,
		[HBA_NO_MATCH] = AUTH_METHOD_REJECT,
	};
	struct addr	peer;

	addr_of_peer(&peer, request->client->stream.fd);
	return methods[hba_find(request->config->hba, &peer.u.any,
	    request->client->stream.tls != NULL,
	    client_login_is_physical(request->client->login) ? NULL :
	    request->database, request->user, &request->hba_line)];
}

static enum auth_method
auth_method_of(struct auth_request *request)
{
	switch ((enum auth_type)request->config->option.auth_type) {
	case AUTH_TRUST:
		return AUTH_METHOD_TRUST;
	case AUTH_ANY:
		return AUTH_METHOD_ANY;
	case AUTH_PLAIN:
		return AUTH_METHOD_PLAIN;
	case AUTH_MD5:
		return AUTH_METHOD_MD5;
	case AUTH_CERT:
		return AUTH_METHOD_CERT;
	case AUTH_HBA:
		return auth_method_of_hba(request);
	case AUTH_SCRAM:
		break;
	}
	return AUTH_METHOD_SCRAM;
}

/* An empty secret fits nothing, so it is none. */
static void
auth_take_secret(struct auth_request *request, const char *secret)
{
	request->is_known = secret != NULL;
	if (secret != NULL && secret[0] != '\0')
		request->secret = mem_string(secret);
}

static void
auth_on_query_answer(void *arg, const struct auth_query_answer *answer)
{
	struct auth_request	*request = arg;

	request->asked = NULL;
	if (answer->failure != NULL)
		request->failure = mem_string(answer->failure);
	else
		auth_take_secret(request, answer->secret);
	request->answered(request);
}

static bool
auth_has_query(const struct auth_request *request)
{
	const struct database	*database = config_database(request->config,
				    request->database);
	const char		*user;

	if (database == NULL)
		return false;
	user = database->auth_user != NULL ? database->auth_user :
	    request->config->option.auth_user;
	return user[0] != '\0';
}

void
auth_find(struct auth_request *request)
{
	const char	*secret = userlist_secret(request->config->userlist,
			    request->user);
	bool		 has_query = auth_has_query(request);
	struct auth_query_request *asked;

	request->method = auth_method_of(request);
	request->mock = has_query ? PASSWORD_SCRAM :
	    userlist_usual_kind(request->config->userlist);
	if (request->method == AUTH_METHOD_ANY ||
	    request->method == AUTH_METHOD_REJECT || secret != NULL ||
	    !has_query) {
		auth_take_secret(request, secret);
		request->answered(request);
		return;
	}
	/* Answered at once, the request may be gone by now. */
	asked = auth_query_ask(request->loop, request->config,
	    request->database, request->user, auth_on_query_answer, request);
	if (asked != NULL)
		request->asked = asked;
}

void
auth_refused(const struct auth_request *request)
{
	if (request->database != NULL)
		auth_cache_forget(request->database, request->user);
}

void
auth_abandon(struct auth_request *request)
{
	if (request->asked != NULL)
		auth_query_abandon(request->asked);
	request->asked = NULL;
}
