/*
 * See ops/http.h.
 *
 * Peers are not trusted: headers are bounded, a body is refused, and of those
 * who are slow or many http_peers.c gets rid.  Main thread only.
 */

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "net/loop.h"
#include "ops/health.h"
#include "ops/http.h"
#include "ops/http_peers.h"
#include "ops/metrics.h"
#include "ops/page.h"

#define HTTP_HEADERS_BYTES	8192
#define HTTP_RETRY_US		(2 * US_PER_SECOND)

enum { HTTP_ADDRESSES_MAX = 16 };

struct http_place {
	const char	*path;
	void		(*serve)(struct evhttp_request *);
};

static struct {
	struct loop	*loop;
	struct evhttp	*server;
	char		*missing;	/* addresses still to be opened */
	int		 port;		/* once it is known */
	bool		 has_complained;
	struct deadline	 retry;
} http;

static const struct http_place	http_places[] = {
	{ "/metrics", metrics_serve },
	{ "/healthz", health_serve_healthz },
	{ "/readyz", health_serve_readyz },
	{ "/", page_serve },
	{ "/data.json", page_serve_data },
};

/*
 * Answers.
 */

static const char *
http_reason(int status)
{
	static const struct {
		int		 status;
		const char	*reason;
	} reasons[] = {
		{ 200, "OK" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void
http_answer(struct evhttp_request *request, int status, const char *type,
    struct buf *body)
{
	struct evkeyvalq	*headers =
				    evhttp_request_get_output_headers(request);
	struct evbuffer		*bytes = evbuffer_new();

	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evbuffer_add(bytes, buf_bytes(body), buf_length(body));
	buf_done(body);
	evhttp_send_reply(request, status, http_reason(status), bytes);
	evbuffer_free(bytes);
}

void
http_answer_text(struct evhttp_request *request, int status,
    const char *text)
{
	struct buf	body;

	buf_init(&body);
	buf_printf(&body, "%s\n", text);
	http_answer(request, status, "text/plain; charset=utf-8", &body);
}

char *
http_query(struct evhttp_request *request, const char *name)
{
	const struct evhttp_uri	*uri = evhttp_request_get_evhttp_uri(request);
	const char		*query = evhttp_uri_get_query(uri);
	struct evkeyvalq	 values;
	const char		*found;
	char			*value = NULL;

	if (query == NULL || evhttp_parse_query_str(query, &values) != 0)
		return NULL;
	if ((found = evhttp_find_header(&values, name)) != NULL)
		value = mem_string(found);
	evhttp_clear_headers(&values);
	return value;
}

static void
http_on_request(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri	*uri = evhttp_request_get_evhttp_uri(request);
	const char		*path = evhttp_uri_get_path(uri);

	(void)arg;
	http_peers_note_request(request);
	for (size_t i = 0; i < ARRAY_LENGTH(http_places); i++)
		if (path != NULL && strcmp(path, http_places[i].path) == 0) {
			http_places[i].serve(request);
			loop_run_tasks(http.loop);
			return;
		}
	http_answer_text(request, 404,
	    "there are /metrics, /healthz and /readyz");
	loop_run_tasks(http.loop);
}

/*
 * Listening.
 */

static int
http_port_of(struct evhttp_bound_socket *bound)
{
	struct sockaddr_storage	 storage;
	struct sockaddr		*address = (struct sockaddr *)&storage;
	socklen_t		 length = sizeof storage;

	if (getsockname(evhttp_bound_socket_get_fd(bound), address,
	    &length) != 0)
		return 0;
	return ntohs(address->sa_family == AF_INET6 ?
	    ((struct sockaddr_in6 *)(void *)address)->sin6_port :
	    ((struct sockaddr_in *)(void *)address)->sin_port);
}

static bool
http_bind(const char *address)
{
	struct evhttp_bound_socket	*bound;

	bound = evhttp_bind_socket_with_handle(http.server, address,
	    (ev_uint16_t)http.port);
	if (bound == NULL)
		return false;
	if (http.port == 0)
		http.port = http_port_of(bound);
	log_info(NULL, strchr(address, ':') != NULL ?
	    "metrics on [%s]:%d" : "metrics on %s:%d", address, http.port);
	return true;
}

/* "::" takes IPv4 as well where there is IPv6 at all. */
static bool
http_bind_word(const char *word)
{
	if (strcmp(word, "*") == 0)
		return http_bind("::") || http_bind("0.0.0.0");
	return http_bind(strcmp(word, "localhost") == 0 ? "127.0.0.1" : word);
}

static void	http_on_retry(struct loop *, struct deadline *);

/* Open what is missing; what cannot be opened is missing on. */
static void
http_open(void)
{
	char		*list = http.missing, *rest = list, *word;
	struct buf	 missing;

	buf_init(&missing);
	while ((word = text_next_word(&rest)) != NULL)
		if (!http_bind_word(word))
			buf_printf(&missing, "%s ", word);
	buf_add(&missing, "", 1);
	http.missing = mem_string((const char *)buf_bytes(&missing));
	buf_done(&missing);
	free(list);
	if (http.missing[0] == '\0')
		return;
	if (!http.has_complained)
		log_error(NULL, "metrics_port %d cannot be opened on %s: %s; "
		    "pgweir serves without it and tries again", http.port,
		    http.missing, strerror(errno));
	http.has_complained = true;
	deadline_set(http.loop, &http.retry, HTTP_RETRY_US, http_on_retry);
}

static void
http_on_retry(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	(void)deadline;
	http_open();
}

void
http_start(struct loop *loop, const struct config *config)
{
	if (config->option.metrics_addr[0] == '\0')
		return;
	http.loop = loop;
	http.server = evhttp_new(loop->base);
	if (http.server == NULL)
		return;
	http.port = config->option.metrics_port;
	http.missing = mem_string(config->option.metrics_addr);
	evhttp_set_allowed_methods(http.server,
	    EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http.server, HTTP_HEADERS_BYTES);
	evhttp_set_max_body_size(http.server, 0);
	http_peers_start(loop, http.server);
	evhttp_set_gencb(http.server, http_on_request, NULL);
	http_open();
}
