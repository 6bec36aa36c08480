/*
 * The HTTP side of an operator: /metrics, /healthz, /readyz and the page at
 * /, by libevent's evhttp on the main loop.
 *
 * Everything is a GET that is answered from counters; no request makes a
 * worker wait.  A port that is taken does not keep pgweir from serving: it is
 * tried again until it is free, as when a new process starts beside the old.
 */

#ifndef OPS_HTTP_H
#define OPS_HTTP_H

#include <stdbool.h>

#include "base/buf.h"

struct config;
struct evhttp_request;
struct loop;

/* Main thread, on main's loop, once process is set. */
void	http_start(struct loop *, const struct config *);

/* Answer with these bytes; the buf is emptied.  Any status, any type. */
void	http_answer(struct evhttp_request *, int status, const char *type,
	    struct buf *);
void	http_answer_text(struct evhttp_request *, int status,
	    const char *text);
/* The value of ?name=, to be freed; NULL: not given. */
char	*http_query(struct evhttp_request *, const char *name);

#endif
