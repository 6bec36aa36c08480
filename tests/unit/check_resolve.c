/*
 * net/resolve.h, with a name server of the test's own in the same loop.
 */

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "check_directory.h"
#include "check_net.h"
#include "net/resolve.h"

/* What the name server knows; it is silent where there is neither. */
static const struct record {
	const char	*name;
	int		 type;
	int		 v4s, v6s;		/* how many addresses */
	int		 ttl;
	bool		 is_silent;
} records[] = {
	{ "db.test", EVDNS_TYPE_A, 2, 0, 30, false },
	{ "db.test", EVDNS_TYPE_AAAA, 0, 1, 10, false },
	{ "four.test", EVDNS_TYPE_A, 1, 0, 7, false },
	{ "four.test", EVDNS_TYPE_AAAA, 0, 0, 0, false },
	{ "six.test", EVDNS_TYPE_A, 0, 0, 0, false },
	{ "six.test", EVDNS_TYPE_AAAA, 0, 2, 0, false },
	{ "half.test", EVDNS_TYPE_A, 1, 0, 60, false },
	{ "half.test", EVDNS_TYPE_AAAA, 0, 0, 0, true },
	{ "other.half.test", EVDNS_TYPE_A, 0, 0, 0, true },
	{ "other.half.test", EVDNS_TYPE_AAAA, 0, 1, 60, false },
	{ "silent.test", EVDNS_TYPE_A, 0, 0, 0, true },
	{ "silent.test", EVDNS_TYPE_AAAA, 0, 0, 0, true },
	{ "empty.test", EVDNS_TYPE_A, 0, 0, 0, false },
	{ "empty.test", EVDNS_TYPE_AAAA, 0, 0, 0, false },
	{ "many.test", EVDNS_TYPE_A, 25, 0, 5, false },
	{ "many.test", EVDNS_TYPE_AAAA, 0, 15, 5, false },
	{ "huge.test", EVDNS_TYPE_A, 120, 0, 5, false },
	{ "huge.test", EVDNS_TYPE_AAAA, 0, 60, 5, false },
	{ "short.two.test", EVDNS_TYPE_A, 1, 0, 5, false },
	{ "short.two.test", EVDNS_TYPE_AAAA, 0, 0, 5, false },
	{ "short", EVDNS_TYPE_A, 3, 0, 5, false },
	{ "short", EVDNS_TYPE_AAAA, 0, 0, 5, false },
};

static struct loop			*loop;
static struct resolver			*resolver;
static struct evdns_server_port		*port;
static struct evdns_server_request	*late;	/* of a silent name */
static int				 requests;
static char				 dir[64], resolv_conf[96], hosts[96];

static struct resolve_answer		 answer;
static int				 answers;

static void
answer_with(struct evdns_server_request *request,
    const struct evdns_server_question *question, const struct record *record)
{
	struct in_addr	v4s[128];
	struct in6_addr	v6s[128];
	char		text[64];

	for (int i = 0; i < 128; i++) {
		snprintf(text, sizeof text, "192.0.2.%d", i + 1);
		inet_pton(AF_INET, text, &v4s[i]);
		snprintf(text, sizeof text, "2001:db8::%x", i + 1);
		inet_pton(AF_INET6, text, &v6s[i]);
	}
	if (record->v4s > 0)
		evdns_server_request_add_a_reply(request, question->name,
		    record->v4s, v4s, record->ttl);
	if (record->v6s > 0)
		evdns_server_request_add_aaaa_reply(request, question->name,
		    record->v6s, v6s, record->ttl);
	evdns_server_request_respond(request, DNS_ERR_NONE);
}

static void
on_request(struct evdns_server_request *request, void *arg)
{
	const struct evdns_server_question	*question =
						    request->questions[0];

	(void)arg;
	requests++;
	for (size_t i = 0; i < ARRAY_LENGTH(records); i++) {
		if (strcasecmp(question->name, records[i].name) != 0 ||
		    question->type != records[i].type)
			continue;
		if (!records[i].is_silent)
			answer_with(request, question, &records[i]);
		else if (late == NULL)
			late = request;
		else
			evdns_server_request_drop(request);
		return;
	}
	evdns_server_request_respond(request, DNS_ERR_NOTEXIST);
}

static void
write_file(const char *path, const char *text)
{
	FILE	*file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* A resolver that asks at a port of this host, with lines of its own. */
static void
begin_at(int number, const char *lines)
{
	char	text[512];

	directory_make(dir, sizeof dir);
	snprintf(resolv_conf, sizeof resolv_conf, "%s/resolv.conf", dir);
	snprintf(hosts, sizeof hosts, "%s/hosts", dir);
	snprintf(text, sizeof text, "nameserver 127.0.0.1:%d\n%s", number,
	    lines);
	write_file(resolv_conf, text);
	write_file(hosts, "");
	resolver = resolver_new(loop, resolv_conf);
	resolver_set_hosts_file(resolver, hosts);
}

/* number: of the port, 0: any. */
static void
begin_on(int number, const char *lines)
{
	struct addr	addr;
	int		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	loop = loop_new(0);
	ck_assert(addr_parse_ip(&addr, "127.0.0.1", number));
	ck_assert_int_eq(bind(fd, &addr.u.any, addr.length), 0);
	addr_of_self(&addr, fd);
	port = evdns_add_server_port_with_base(loop->base, fd, 0, on_request,
	    NULL);
	begin_at(addr_port(&addr), lines);
}

static void
begin(const char *lines)
{
	begin_on(0, lines);
}

static void
finish(void)
{
	if (late != NULL)
		evdns_server_request_drop(late);
	if (port != NULL)
		evdns_close_server_port(port);
	resolver_free(resolver);
	unlink(resolv_conf);
	unlink(hosts);
	rmdir(dir);
	loop_free(loop);
	clock_set_us(-1);
}

static void
on_answer(void *arg, const struct resolve_answer *given)
{
	ck_assert_ptr_eq(arg, &answers);
	answer = *given;
	answers++;
}

static void
ask(const char *name)
{
	int	before = answers;

	resolver_ask(resolver, name, on_answer, &answers);
	ck_assert_int_eq(answers, before);
}

static void
ask_and_wait(const char *name)
{
	int	before = answers;

	ask(name);
	RUN_UNTIL(loop, answers > before);
	ck_assert_int_eq(answers, before + 1);
}

static void
answer_has(int i, const char *host)
{
	char	text[ADDR_TEXT_BYTES];

	ck_assert_int_lt(i, answer.count);
	ck_assert_str_eq(addr_print_host(&answer.addresses[i], text,
	    sizeof text), host);
	ck_assert_int_eq(addr_port(&answer.addresses[i]), 0);
}

START_TEST(both_families_are_put_together_ipv4_first)
{
	begin("");
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 3);
	answer_has(0, "192.0.2.1");
	answer_has(1, "192.0.2.2");
	answer_has(2, "2001:db8::1");
	ck_assert_str_eq(answer.error, "");
	/* The shorter-lived of the two. */
	ck_assert_int_eq(answer.ttl_us, 10 * US_PER_SECOND);
	ck_assert_int_eq(requests, 2);
	finish();
}
END_TEST

START_TEST(one_family_is_enough)
{
	begin("");
	ask_and_wait("four.test");
	ck_assert_int_eq(answer.count, 1);
	answer_has(0, "192.0.2.1");
	ck_assert_int_eq(answer.ttl_us, 7 * US_PER_SECOND);
	ask_and_wait("six.test");
	ck_assert_int_eq(answer.count, 2);
	answer_has(0, "2001:db8::1");
	ck_assert_int_eq(answer.ttl_us, 0);
	finish();
}
END_TEST

START_TEST(a_family_that_is_never_answered_is_waited_for_a_second)
{
	static const char	*const names[] = { "half.test",
		"other.half.test" };

	begin("");
	for (int i = 0; i < 2; i++) {
		clock_set_us(100 * US_PER_SECOND);
		requests = 0;
		ask(names[i]);
		while (requests < 2)
			net_turn(loop, EVLOOP_ONCE);
		/* The answer is on its way to us, or here. */
		net_run_idle(loop);
		ck_assert_int_eq(answers, i);
		while (answers == i) {
			clock_set_us(clock_now_us() + 10 * US_PER_MS);
			net_turn(loop, EVLOOP_NONBLOCK);
			deadline_walk(loop);
		}
		ck_assert_int_ge(clock_now_us(), 101 * US_PER_SECOND);
		ck_assert_int_lt(clock_now_us(), 105 * US_PER_SECOND);
		ck_assert_int_eq(answer.count, 1);
		ck_assert_str_eq(answer.error, "");
		/* The lookup that was cancelled says so. */
		net_run_idle(loop);
	}
	finish();
}
END_TEST

START_TEST(what_is_not_found_is_told_in_words)
{
	static const struct {
		const char	*name, *error;
	} cases[] = {
		{ "none.test", "there is no such name" },
		{ "empty.test", "the name has no address" },
		{ "huge.test", "the answer was cut, and no name server gave "
		    "all of it over TCP" },
	};

	begin("");
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		ask_and_wait(cases[i].name);
		ck_assert_int_eq(answer.count, 0);
		ck_assert_str_eq(answer.error, cases[i].error);
	}
	finish();
}
END_TEST

START_TEST(silence_is_an_error_after_five_seconds)
{
	begin("");
	clock_set_us(100 * US_PER_SECOND);
	ask("silent.test");
	RUN_UNTIL(loop, requests >= 2);
	clock_set_us(105 * US_PER_SECOND - 1);
	deadline_walk(loop);
	net_run_idle(loop);
	ck_assert_int_eq(answers, 0);
	clock_set_us(105 * US_PER_SECOND);
	deadline_walk(loop);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer.count, 0);
	ck_assert_str_eq(answer.error,
	    "no name server answered within 5 seconds");
	/* What comes after that is dropped. */
	ck_assert_ptr_nonnull(late);
	answer_with(late, late->questions[0], &records[0]);
	late = NULL;
	net_run_idle(loop);
	ck_assert_int_eq(answers, 1);
	ask_and_wait("db.test");
	finish();
}
END_TEST

START_TEST(a_name_server_that_is_not_there_is_an_error_after_five_seconds)
{
	struct addr	addr;
	int		fd = socket(AF_INET, SOCK_DGRAM, 0);

	loop = loop_new(0);
	ck_assert(addr_parse_ip(&addr, "127.0.0.1", 0));
	ck_assert_int_eq(bind(fd, &addr.u.any, addr.length), 0);
	addr_of_self(&addr, fd);
	close(fd);
	begin_at(addr_port(&addr), "");
	clock_set_us(100 * US_PER_SECOND);
	ask("db.test");
	net_run_idle(loop);
	clock_set_us(105 * US_PER_SECOND);
	deadline_walk(loop);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer.count, 0);
	ck_assert_str_ne(answer.error, "");
	/* Names that need no server go on. */
	ask_and_wait("localhost");
	ck_assert_int_eq(answer.count, 2);
	net_run_idle(loop);
	finish();
}
END_TEST

START_TEST(more_addresses_than_there_is_room_for_are_cut)
{
	begin("");
	ask_and_wait("many.test");
	ck_assert_int_eq(answer.count, RESOLVE_ADDRESSES_MAX);
	answer_has(24, "192.0.2.25");
	answer_has(25, "2001:db8::1");
	answer_has(31, "2001:db8::7");
	finish();
}
END_TEST

START_TEST(the_search_list_is_tried_where_it_applies)
{
	begin("search one.test two.test\noptions ndots:1\n");
	ask_and_wait("short");
	ck_assert_int_eq(answer.count, 1);	/* of short.two.test */
	ask_and_wait("short.");
	ck_assert_int_eq(answer.count, 3);	/* of short */
	/* Enough dots: as it is first. */
	requests = 0;
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 3);
	ck_assert_int_eq(requests, 2);
	ask_and_wait("none.test");
	ck_assert_int_eq(answer.count, 0);
	ck_assert_int_gt(requests, 4);
	finish();
}
END_TEST

START_TEST(many_dots_that_are_wanted_put_the_search_list_first)
{
	begin("search svc.cluster.test two.test\noptions ndots:5\n");
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 3);
	ck_assert_int_gt(requests, 2);
	requests = 0;
	ask_and_wait("db.test.");
	ck_assert_int_eq(answer.count, 3);
	ck_assert_int_eq(requests, 2);
	finish();
}
END_TEST

/* Over TCP, too: a thread that answers what it is asked, in its own way. */
static struct {
	int		fd;
	int		count;		/* addresses to tell */
	int		spoil;		/* what is wrong with the answer */
	int		asked;
	pthread_t	thread;
	char		name[256];	/* the last that was asked for */
} tcp;

enum { SPOIL_NOTHING, SPOIL_ID, SPOIL_CUT, SPOIL_SILENCE, SPOIL_LENGTH,
	SPOIL_QUERY, SPOIL_CODE, SPOILS };

static size_t
tcp_answer(const uint8_t *question, size_t n, uint8_t *out)
{
	static const uint8_t	record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9,
				    0, 4, 192, 0, 2 };
	size_t			at = n;

	memcpy(out, question, n);
	out[2] = tcp.spoil == SPOIL_QUERY ? 0 : 0x81;
	out[3] = tcp.spoil == SPOIL_CODE ? 0x82 : 0x80;
	out[6] = 0;
	out[7] = (uint8_t)tcp.count;
	if (tcp.spoil == SPOIL_ID)
		out[0] ^= 1;
	for (int i = 0; i < tcp.count; i++) {
		memcpy(out + at, record, sizeof record);
		at += sizeof record;
		out[at++] = (uint8_t)(i + 1);
	}
	if (tcp.spoil == SPOIL_LENGTH)
		out[at - 6] = 200;
	return tcp.spoil == SPOIL_CUT ? at - 2 : at;
}

static void
tcp_note_name(const uint8_t *at)
{
	size_t	length = 0;

	for (; *at != 0; at += 1 + *at) {
		memcpy(tcp.name + length, at + 1, *at);
		length += *at;
		tcp.name[length++] = '.';
	}
	tcp.name[length] = '\0';
}

static void *
tcp_serve(void *arg)
{
	uint8_t	question[600], answer_bytes[4096];
	ssize_t	n;
	size_t	length;
	int	fd;

	while ((fd = accept(tcp.fd, NULL, NULL)) >= 0) {
		n = recv(fd, question, sizeof question, 0);
		/* The whole of it comes in one piece, being small. */
		if (n > 14 && tcp.spoil != SPOIL_SILENCE) {
			tcp_note_name(question + 14);
			length = tcp_answer(question + 2, (size_t)n - 2,
			    answer_bytes + 2);
			if (question[n - 3] == 28)	/* no AAAA */
				answer_bytes[9] = 0, length = (size_t)n - 2;
			answer_bytes[0] = (uint8_t)(length >> 8);
			answer_bytes[1] = (uint8_t)length;
			/* In two pieces, as a network may. */
			send(fd, answer_bytes, 7, MSG_NOSIGNAL);
			send(fd, answer_bytes + 7, length - 5, MSG_NOSIGNAL);
			recv(fd, question, sizeof question, 0);
		}
		tcp.asked++;
		close(fd);
	}
	return arg;
}

/* On the port on which the name server listens for datagrams. */
static void
begin_tcp(const char *lines, int count, int spoil)
{
	struct addr	addr;

	memset(&tcp, 0, sizeof tcp);
	tcp.count = count;
	tcp.spoil = spoil;
	tcp.fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(addr_parse_ip(&addr, "127.0.0.1", 0));
	ck_assert_int_eq(bind(tcp.fd, &addr.u.any, addr.length), 0);
	addr_of_self(&addr, tcp.fd);
	listen(tcp.fd, 16);
	begin_on(addr_port(&addr), lines);
	pthread_create(&tcp.thread, NULL, tcp_serve, NULL);
}

static void
finish_tcp(void)
{
	shutdown(tcp.fd, SHUT_RDWR);
	pthread_join(tcp.thread, NULL);
	close(tcp.fd);
	finish();
}

START_TEST(an_answer_that_is_cut_is_asked_for_again_over_tcp)
{
	begin_tcp("", 31, SPOIL_NOTHING);
	ask_and_wait("huge.test");
	ck_assert_int_eq(answer.count, 31);
	answer_has(0, "192.0.2.1");
	answer_has(30, "192.0.2.31");
	ck_assert_str_eq(answer.error, "");
	ck_assert_int_eq(answer.ttl_us, 9 * US_PER_SECOND);
	finish_tcp();
	ck_assert_int_eq(tcp.asked, 2);		/* A and AAAA */
	ck_assert_str_eq(tcp.name, "huge.test.");
}
END_TEST

START_TEST(of_a_search_list_the_name_is_asked_over_tcp_that_was_cut)
{
	begin_tcp("search none.test test\noptions ndots:5\n", 40,
	    SPOIL_NOTHING);
	ask_and_wait("huge");
	ck_assert_int_eq(answer.count, RESOLVE_ADDRESSES_MAX);
	finish_tcp();
	ck_assert_str_eq(tcp.name, "huge.test.");
}
END_TEST

START_TEST(what_is_wrong_with_an_answer_over_tcp_is_no_answer)
{
	for (int spoil = SPOIL_ID; spoil < SPOILS; spoil++) {
		begin_tcp("", 3, spoil);
		ask_and_wait("huge.test");
		ck_assert_msg(answer.count == 0, "%d", spoil);
		ck_assert_str_ne(answer.error, "");
		finish_tcp();
	}
}
END_TEST

START_TEST(numeric_addresses_and_localhost_ask_nobody)
{
	static const struct {
		const char	*name;
		int		 count;
		const char	*first, *second;
	} cases[] = {
		{ "192.0.2.77", 1, "192.0.2.77", NULL },
		{ "2001:db8::77", 1, "2001:db8::77", NULL },
		{ "[::1]", 1, "::1", NULL },
		{ "localhost", 2, "127.0.0.1", "::1" },
		{ "LocalHost", 2, "127.0.0.1", "::1" },
	};

	begin("");
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		ask_and_wait(cases[i].name);
		ck_assert_int_eq(answer.count, cases[i].count);
		answer_has(0, cases[i].first);
		if (cases[i].second != NULL)
			answer_has(1, cases[i].second);
		ck_assert_int_gt(answer.ttl_us, 0);
	}
	ck_assert_int_eq(requests, 0);
	finish();
}
END_TEST

START_TEST(the_hosts_file_comes_first_and_is_read_anew)
{
	begin("");
	write_file(hosts, "# 192.0.2.66 db.test\n"
	    "\n"
	    "192.0.2.50\tdb.test db # other.test\n"
	    "  2001:db8::50  alias DB.TEST  \r\n"
	    "not-an-address db.test\n"
	    "192.0.2.51\n"
	    "192.0.2.52 db.test.more more.db.test");
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 2);
	answer_has(0, "192.0.2.50");
	answer_has(1, "2001:db8::50");
	ask_and_wait("DB");
	ck_assert_int_eq(answer.count, 1);
	ask_and_wait("more.db.test");
	answer_has(0, "192.0.2.52");
	ck_assert_int_eq(requests, 0);
	ask_and_wait("other.test");
	ck_assert_int_eq(answer.count, 0);
	ck_assert_int_gt(requests, 0);
	write_file(hosts, "");
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 3);
	unlink(hosts);
	ask_and_wait("db.test");
	ck_assert_int_eq(answer.count, 3);
	finish();
}
END_TEST

START_TEST(names_that_cannot_be_asked_for_are_errors_at_once)
{
	char	long_name[400], long_label[100];

	begin("");
	memset(long_name, 'a', sizeof long_name);
	for (size_t i = 10; i < sizeof long_name; i += 10)
		long_name[i] = '.';
	long_name[sizeof long_name - 1] = '\0';
	ask_and_wait(long_name);
	ck_assert_int_eq(answer.count, 0);
	ck_assert_str_eq(answer.error, "it is not a host name");
	memset(long_label, 'a', sizeof long_label);
	strcpy(long_label + 64, ".test");
	ask_and_wait(long_label);
	ck_assert_int_eq(answer.count, 0);
	ck_assert_str_ne(answer.error, "");
	ask_and_wait("");
	ck_assert_int_eq(answer.count, 0);
	ask_and_wait("a..b");
	ck_assert_int_eq(answer.count, 0);
	finish();
}
END_TEST

START_TEST(many_questions_at_once_are_all_answered)
{
	begin("");
	for (int i = 0; i < 200; i++)
		ask(i % 2 == 0 ? "db.test" : "none.test");
	RUN_UNTIL(loop, answers == 200);
	finish();
}
END_TEST

static void
ask_again(void *arg, const struct resolve_answer *given)
{
	(void)given;
	if (++answers < 3)
		resolver_ask(resolver, arg, ask_again, arg);
}

START_TEST(an_answer_may_ask_again)
{
	static char	name[] = "db.test", here[] = "localhost";

	begin("");
	resolver_ask(resolver, name, ask_again, name);
	RUN_UNTIL(loop, answers == 3);
	answers = 0;
	resolver_ask(resolver, here, ask_again, here);
	RUN_UNTIL(loop, answers == 3);
	finish();
}
END_TEST

START_TEST(a_resolver_may_go_away_with_questions_open)
{
	begin("");
	ask("localhost");
	ask("silent.test");
	ask("db.test");
	finish();
	ck_assert_int_eq(answers, 0);
}
END_TEST

START_TEST(without_a_resolv_conf_there_is_still_a_resolver)
{
	loop = loop_new(0);
	begin_at(1, "");
	resolver_free(resolver);
	resolver = resolver_new(loop, "/nowhere/resolv.conf");
	resolver_set_hosts_file(resolver, hosts);
	ask_and_wait("localhost");
	ck_assert_int_eq(answer.count, 2);
	finish();
}
END_TEST

CHECK_MAIN("resolve", both_families_are_put_together_ipv4_first,
    one_family_is_enough,
    a_family_that_is_never_answered_is_waited_for_a_second,
    what_is_not_found_is_told_in_words,
    silence_is_an_error_after_five_seconds,
    a_name_server_that_is_not_there_is_an_error_after_five_seconds,
    more_addresses_than_there_is_room_for_are_cut,
    the_search_list_is_tried_where_it_applies,
    many_dots_that_are_wanted_put_the_search_list_first,
    an_answer_that_is_cut_is_asked_for_again_over_tcp,
    of_a_search_list_the_name_is_asked_over_tcp_that_was_cut,
    what_is_wrong_with_an_answer_over_tcp_is_no_answer,
    numeric_addresses_and_localhost_ask_nobody,
    the_hosts_file_comes_first_and_is_read_anew,
    names_that_cannot_be_asked_for_are_errors_at_once,
    many_questions_at_once_are_all_answered,
    an_answer_may_ask_again,
    a_resolver_may_go_away_with_questions_open,
    without_a_resolv_conf_there_is_still_a_resolver)
