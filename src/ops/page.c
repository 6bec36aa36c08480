/*
 * See ops/page.h.  src/ops/page.html is put into the program when it is
 * built; it has no outside resources, and the policy sent with it forbids
 * them.
 */

#include <string.h>

#include <event2/http.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "ops/http.h"
#include "ops/page.h"
#include "ops/page_html.h"

static const char	page_policy[] =
    "default-src 'none'; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

/* Whether a Host header names this machine to itself. */
static bool
page_host_is_local(const char *host)
{
	static const char	*const names[] = {
		"localhost", "127.0.0.1", "[::1]",
	};
	size_t			 n;

	for (size_t i = 0; host != NULL && i < ARRAY_LENGTH(names); i++) {
		n = strlen(names[i]);
		if (strncmp(host, names[i], n) == 0 &&
		    (host[n] == '\0' || host[n] == ':'))
			return true;
	}
	return false;
}

static bool
page_is_local(struct evhttp_request *request)
{
	struct evhttp_connection *connection =
				    evhttp_request_get_connection(request);
	const char		*host = evhttp_find_header(
				    evhttp_request_get_input_headers(request),
				    "Host");
	char			*address = NULL;
	ev_uint16_t		 port;

	evhttp_connection_get_peer(connection, &address, &port);
	return address != NULL && page_host_is_local(host) &&
	    (strncmp(address, "127.", 4) == 0 ||
	    strcmp(address, "::1") == 0 ||
	    strncmp(address, "::ffff:127.", 11) == 0);
}

static bool
page_token_is(const char *given, const char *token)
{
	size_t	n = strlen(token);

	return given != NULL && strlen(given) == n &&
	    mem_equal_secret(given, token, n);
}

/* "Authorization: Bearer TOKEN", or ?token= to open the page with. */
static bool
page_has_token(struct evhttp_request *request, const char *token)
{
	const char	*header = evhttp_find_header(
			    evhttp_request_get_input_headers(request),
			    "Authorization");
	char		*given;
	bool		 good;

	if (token == NULL)
		return false;
	if (header != NULL && text_starts_with(header, "Bearer ") &&
	    page_token_is(header + 7, token))
		return true;
	given = http_query(request, "token");
	good = page_token_is(given, token);
	mem_free_secret(given);
	return good;
}

/* False: it has been answered. */
static bool
page_may_see(struct evhttp_request *request)
{
	struct config	*config = config_current();
	bool		 on = config->option.dashboard;
	bool		 may = on && (page_is_local(request) ||
			    page_has_token(request, config->dashboard_token));

	config_release(config);
	if (!on)
		http_answer_text(request, 404, "there are /metrics, /healthz "
		    "and /readyz; dashboard = on serves a page here");
	else if (!may)
		http_answer_text(request, 401, "this needs the token of "
		    "dashboard_token_file, as /?token=..., or a connection "
		    "from localhost");
	return may;
}

void
page_serve(struct evhttp_request *request)
{
	struct evkeyvalq	*headers =
				    evhttp_request_get_output_headers(request);
	struct buf		 body;

	if (!page_may_see(request))
		return;
	evhttp_add_header(headers, "Content-Security-Policy", page_policy);
	evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	buf_init(&body);
	buf_add(&body, page_html, sizeof page_html);
	http_answer(request, 200, "text/html; charset=utf-8", &body);
}

void
page_serve_data(struct evhttp_request *request)
{
	struct buf	body;

	if (!page_may_see(request))
		return;
	buf_init(&body);
	page_write(&body);
	http_answer(request, 200, "application/json", &body);
}
