/*
 * Who is connected to metrics_port: at most HTTP_PEERS_MAX, so that
 * descriptors are left for clients, and each no longer than HTTP_TIMEOUT_S
 * without having asked something whole, however busy it is meanwhile.  One
 * more, and the oldest that has not asked yet is shut down; a probe or a
 * scrape always finds a place.  Main thread.
 */

#ifndef OPS_HTTP_PEERS_H
#define OPS_HTTP_PEERS_H

#define HTTP_TIMEOUT_S	10

enum { HTTP_PEERS_MAX = 48 };

struct evhttp;
struct evhttp_request;
struct loop;

/* Before it listens. */
void	http_peers_start(struct loop *, struct evhttp *);
/* This peer has asked, and has its time again. */
void	http_peers_note_request(struct evhttp_request *);

#endif
