/*
 * See net/dns_tcp.h.  RFC 1035: 4.1 for messages, 4.2.2 for the length in
 * front of them.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "net/dns_tcp.h"
#include "net/loop.h"

enum {
	HEAD_BYTES = 12,
	LENGTH_BYTES = 2,
	QUESTION_MAX = LENGTH_BYTES + HEAD_BYTES + 256 + 4,
	LABEL_MAX = 63,
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
	SERVER_SECONDS = 2,	/* for one of them */
};

struct dns_tcp {
	struct loop		*loop;
	struct evdns_base	*dns;
	int			 server;	/* that is asked now */
	int			 family;
	struct bufferevent	*stream;
	void			(*done)(void *, const struct dns_answer *);
	void			*arg;
	uint16_t		 id;
	size_t			 length;
	uint8_t			 question[QUESTION_MAX];
};

static void	dns_tcp_try(struct dns_tcp *);

/*
 * The answer.
 */

struct dns_reader {
	const uint8_t	*at, *end;
	bool		 is_bad;	/* it ended too early */
};

static const uint8_t *
dns_take(struct dns_reader *reader, size_t n)
{
	const uint8_t	*at = reader->at;

	if (reader->is_bad || (size_t)(reader->end - at) < n) {
		reader->is_bad = true;
		return NULL;
	}
	reader->at += n;
	return at;
}

static uint16_t
dns_take_16(struct dns_reader *reader)
{
	const uint8_t	*at = dns_take(reader, 2);

	return at == NULL ? 0 : (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
dns_take_32(struct dns_reader *reader)
{
	uint32_t	high = dns_take_16(reader);

	return high << 16 | dns_take_16(reader);
}

/* What a pointer in it points to does not matter. */
static void
dns_skip_name(struct dns_reader *reader)
{
	const uint8_t	*at;

	while ((at = dns_take(reader, 1)) != NULL && at[0] != 0) {
		if (at[0] > LABEL_MAX) {
			dns_take(reader, 1);
			return;
		}
		dns_take(reader, at[0]);
	}
}

static void
dns_take_record(struct dns_reader *reader, int family,
    struct dns_answer *answer)
{
	const uint8_t	*data;
	uint16_t	 type, length;
	uint32_t	 ttl;
	struct addr	*addr = &answer->addresses[answer->count];
	bool		 is_v4 = family == AF_INET;

	dns_skip_name(reader);
	type = dns_take_16(reader);
	dns_take_16(reader);
	ttl = dns_take_32(reader);
	length = dns_take_16(reader);
	data = dns_take(reader, length);
	if (data == NULL || type != (is_v4 ? TYPE_A : TYPE_AAAA) ||
	    length != (is_v4 ? 4 : 16) ||
	    answer->count == DNS_TCP_ADDRESSES_MAX)
		return;
	memset(addr, 0, sizeof *addr);
	addr->u.any.sa_family = (sa_family_t)family;
	if (is_v4) {
		addr->length = sizeof addr->u.v4;
		memcpy(&addr->u.v4.sin_addr, data, length);
	} else {
		addr->length = sizeof addr->u.v6;
		memcpy(&addr->u.v6.sin6_addr, data, length);
	}
	answer->count++;
	if (ttl < answer->ttl)
		answer->ttl = ttl;
}

/* The answer to that question; false: it is none. */
static bool
dns_answer_parse(const uint8_t *bytes, size_t n, uint16_t id, int family,
    struct dns_answer *answer)
{
	struct dns_reader	reader = { .at = bytes, .end = bytes + n };
	uint16_t		flags, questions, records;

	answer->count = 0;
	answer->ttl = UINT32_MAX;
	if (dns_take_16(&reader) != id)
		return false;
	flags = dns_take_16(&reader);
	questions = dns_take_16(&reader);
	records = dns_take_16(&reader);
	dns_take_32(&reader);
	if ((flags & 0x8000) == 0)
		return false;
	answer->code = flags & 0xf;
	for (; questions > 0 && !reader.is_bad; questions--) {
		dns_skip_name(&reader);
		dns_take_32(&reader);
	}
	for (; records > 0 && !reader.is_bad; records--)
		dns_take_record(&reader, family, answer);
	return !reader.is_bad;
}

/*
 * Asking.
 */

static void
dns_put_16(struct dns_tcp *tcp, unsigned value)
{
	tcp->question[tcp->length++] = (uint8_t)(value >> 8);
	tcp->question[tcp->length++] = (uint8_t)value;
}

/* False: a label is empty or too long, or there are too many. */
static bool
dns_put_name(struct dns_tcp *tcp, const char *name)
{
	size_t	n;

	do {
		n = strcspn(name, ".");
		if (n == 0 || n > LABEL_MAX ||
		    tcp->length + n + 6 > QUESTION_MAX)
			return false;
		tcp->question[tcp->length++] = (uint8_t)n;
		memcpy(tcp->question + tcp->length, name, n);
		tcp->length += n;
		name += n;
		name += *name == '.';
	} while (*name != '\0');
	tcp->question[tcp->length++] = 0;
	return true;
}

static bool
dns_put_question(struct dns_tcp *tcp, const char *name)
{
	size_t	length;

	tcp->length = LENGTH_BYTES;
	dns_put_16(tcp, tcp->id);
	dns_put_16(tcp, 0x0100);	/* recursion is desired */
	dns_put_16(tcp, 1);
	dns_put_16(tcp, 0);
	dns_put_16(tcp, 0);
	dns_put_16(tcp, 0);
	if (!dns_put_name(tcp, name))
		return false;
	dns_put_16(tcp, tcp->family == AF_INET ? TYPE_A : TYPE_AAAA);
	dns_put_16(tcp, CLASS_IN);
	length = tcp->length;
	tcp->length = 0;
	dns_put_16(tcp, (unsigned)(length - LENGTH_BYTES));
	tcp->length = length;
	return true;
}

static void
dns_tcp_finish(struct dns_tcp *tcp, const struct dns_answer *answer)
{
	struct loop	*loop = tcp->loop;

	tcp->done(tcp->arg, answer);
	dns_tcp_cancel(tcp);
	loop_run_tasks(loop);
}

static void
dns_tcp_try_next(struct dns_tcp *tcp)
{
	bufferevent_free(tcp->stream);
	tcp->stream = NULL;
	tcp->server++;
	dns_tcp_try(tcp);
	if (tcp->stream == NULL)
		dns_tcp_finish(tcp, NULL);
}

static void
dns_tcp_on_read(struct bufferevent *stream, void *arg)
{
	struct dns_tcp		*tcp = arg;
	struct evbuffer		*input = bufferevent_get_input(stream);
	struct dns_answer	 answer;
	const uint8_t		*bytes;
	size_t			 n;

	if (evbuffer_get_length(input) < LENGTH_BYTES)
		return;
	bytes = evbuffer_pullup(input, LENGTH_BYTES);
	n = (size_t)(bytes[0] << 8 | bytes[1]);
	if (evbuffer_get_length(input) < LENGTH_BYTES + n)
		return;
	bytes = evbuffer_pullup(input, (ssize_t)(LENGTH_BYTES + n));
	if (dns_answer_parse(bytes + LENGTH_BYTES, n, tcp->id, tcp->family,
	    &answer))
		dns_tcp_finish(tcp, &answer);
	else
		dns_tcp_try_next(tcp);
}

static void
dns_tcp_on_event(struct bufferevent *stream, short what, void *arg)
{
	(void)stream;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR |
	    BEV_EVENT_TIMEOUT)) != 0)
		dns_tcp_try_next(arg);
}

/* Without a stream afterwards there is no server left. */
static void
dns_tcp_try(struct dns_tcp *tcp)
{
	const struct timeval	 limit = { .tv_sec = SERVER_SECONDS };
	struct sockaddr_storage	 address;
	int			 length;

	for (;; tcp->server++) {
		length = evdns_base_get_nameserver_addr(tcp->dns, tcp->server,
		    (struct sockaddr *)&address, sizeof address);
		if (length <= 0 || length > (int)sizeof address)
			return;
		tcp->stream = bufferevent_socket_new(tcp->loop->base, -1,
		    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
		if (tcp->stream == NULL)
			return;
		bufferevent_setcb(tcp->stream, dns_tcp_on_read, NULL,
		    dns_tcp_on_event, tcp);
		bufferevent_set_timeouts(tcp->stream, &limit, &limit);
		bufferevent_write(tcp->stream, tcp->question, tcp->length);
		bufferevent_enable(tcp->stream, EV_READ | EV_WRITE);
		if (bufferevent_socket_connect(tcp->stream,
		    (struct sockaddr *)&address, length) == 0)
			return;
		bufferevent_free(tcp->stream);
		tcp->stream = NULL;
	}
}

struct dns_tcp *
dns_tcp_ask(struct loop *loop, struct evdns_base *dns, const char *name,
    int family, void (*done)(void *, const struct dns_answer *), void *arg)
{
	struct dns_tcp	*tcp = mem_new(sizeof *tcp);

	tcp->loop = loop;
	tcp->dns = dns;
	tcp->family = family;
	tcp->done = done;
	tcp->arg = arg;
	if (RAND_bytes((unsigned char *)&tcp->id, sizeof tcp->id) == 1 &&
	    dns_put_question(tcp, name))
		dns_tcp_try(tcp);
	if (tcp->stream == NULL) {
		free(tcp);
		return NULL;
	}
	return tcp;
}

void
dns_tcp_cancel(struct dns_tcp *tcp)
{
	if (tcp->stream != NULL)
		bufferevent_free(tcp->stream);
	free(tcp);
}
