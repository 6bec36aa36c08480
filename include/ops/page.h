/*
 * The page at / and what it asks for, /data.json.
 *
 * Served with dashboard = on only, and then to who has the token of
 * dashboard_token_file, or comes from localhost and asks for localhost (a page
 * of somebody else's in the same browser asks for its own name).  Read-only.
 * Main thread.
 */

#ifndef OPS_PAGE_H
#define OPS_PAGE_H

#include "base/buf.h"

struct evhttp_request;

void	page_serve(struct evhttp_request *);
void	page_serve_data(struct evhttp_request *);
/* /data.json itself. */
void	page_write(struct buf *);

#endif
