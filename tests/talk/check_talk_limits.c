/*
 * The time limits, on the moved clock: a microsecond before one is reached
 * nothing happens, when it is reached it does, and also when the clock jumps
 * far beyond it.
 */

#include "client/client.h"
#include "pool/pool.h"
#include "relay/relay_choose.h"
#include "talk_private.h"

#define SECOND	US_PER_SECOND
#define LIMIT	(5 * SECOND)

/* Beyond what is set to 5 s in these tests, by how much the clock jumps. */
static const int64_t	beyond[] = { 0, 1, SECOND, 1000 * SECOND };

#define FOR_EACH_BEYOND(i)						\
	for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)

/*
 * Waiting for a server.
 */

START_TEST(query_wait_timeout_ends_the_wait_with_an_error_and_the_client_stays)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("default_pool_size = 1\n"
				    "query_wait_timeout = 5\n");
		struct peer	*ann = client_enters(1);
		struct peer	*bob = client_enters(2);

		says(ann, query("ann"));
		hears(one, query("ann"));
		says(bob, query("bob"));
		time_passes(LIMIT - 1);
		hears_nothing(bob);
		pool_is("1 linked, 0 idle, 1 waiting");
		time_passes(1 + beyond[i]);
		hears(bob, error("53300", "query_wait_timeout (5 s)"),
		    ready('I'));
		pool_is("1 linked, 0 idle, 0 waiting");
		answers(one, ann, 'I');
		hears_nothing(one);
		asks(bob, one, "again", 'I');
		talk_ends();
	}
}
END_TEST

/* Each duration is a queue, which all deadlines are looked for in. */
START_TEST(who_is_told_of_the_wait_costs_no_duration_of_its_own)
{
	enum { CROWD = 20 };
	struct peer	*one = talk_begins("default_pool_size = 1\n"
			    "query_wait_timeout = 5\n");
	struct peer	*ann = client_enters(1), *crowd[CROWD];
	struct client	*client;
	struct deadline_queue *queue = NULL;

	atomic_store(&relay_notify_us, SECOND);
	says(ann, query("ann"));
	hears(one, query("ann"));
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = client_enters(1);
		says(crowd[i], query("x"));
		time_passes(1);
	}
	time_passes(SECOND + 7);
	for (int i = 0; i < CROWD; i++)
		(void)hears_body(crowd[i], 'N');
	TAILQ_FOREACH(client, client_list_of(stage.loops[1]), all) {
		if (!deadline_is_set(&client->deadline))
			continue;
		if (queue == NULL)
			queue = client->deadline.queue;
		ck_assert_ptr_eq(client->deadline.queue, queue);
	}
	ck_assert_ptr_nonnull(queue);
	time_passes(4 * SECOND);
	for (int i = 0; i < CROWD; i++)
		hears(crowd[i], error("53300", "query_wait_timeout (5 s)"),
		    ready('I'));
	atomic_store(&relay_notify_us, 0);
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_client_that_is_served_in_time_hears_nothing_of_query_wait_timeout)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n"
			    "query_wait_timeout = 5\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
	time_passes(LIMIT - 1);
	answers(one, ann, 'I');
	hears(one, query("bob"));
	time_passes(1000 * SECOND);
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_server_on_its_way_when_the_wait_ends_is_used)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n"
			    "query_wait_timeout = 5\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("bob"));
	time_passes(LIMIT - 1);
	says_while_only(1, one, complete("DONE"), ready('I'));
	pool_is("0 linked, 0 idle, 0 waiting, 1 moving");
	time_passes(1);
	hears(ann, complete("DONE"), ready('I'));
	hears(one, query("bob"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(each_query_of_a_pipeline_gets_its_own_error_when_the_wait_ends)
{
	struct peer	*one = talk_begins("default_pool_size = 1\n"
			    "query_wait_timeout = 5\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	says(ann, query("ann"));
	hears(one, query("ann"));
	says(bob, query("1"), parse("", "2"), binds(""), executes(),
	    plain('S'), query("3"));
	time_passes(LIMIT);
	hears(bob, error("53300", "query_wait_timeout"), ready('I'),
	    error("53300", "query_wait_timeout"), ready('I'),
	    error("53300", "query_wait_timeout"), ready('I'));
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(reserve_pool_timeout_opens_a_server_beyond_the_pool)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("default_pool_size = 1\n"
				    "reserve_pool_size = 1\n"
				    "reserve_pool_timeout = 5\n"
				    "query_wait_timeout = 0\n");
		struct peer	*ann = client_enters(1);
		struct peer	*bob = client_enters(2);
		struct peer	*cat = client_enters(3), *two;

		says(ann, query("ann"));
		hears(one, query("ann"));
		says(bob, query("bob"));
		time_passes(LIMIT - 1);
		nobody_arrives();
		time_passes(1 + beyond[i]);
		two = server_enters();
		hears(two, query("bob"));
		says(cat, query("cat"));
		time_passes(2 * LIMIT);
		nobody_arrives();
		answers(two, bob, 'I');
		hears(two, query("cat"));
		/* Nobody needs it any more. */
		says(two, complete("DONE"), ready('I'));
		hears(cat, complete("DONE"), ready('I'));
		hears(two, plain('X'), the_end());
		answers(one, ann, 'I');
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

/*
 * Servers.
 */

START_TEST(server_idle_timeout_closes_an_idle_server)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("server_idle_timeout = "
				    "5\n");
		struct peer	*ann = client_enters(1);

		time_passes(LIMIT - 1);
		hears_nothing(one);
		asks(ann, one, "x", 'I');
		time_passes(LIMIT - 1);
		hears_nothing(one);
		time_passes(1 + beyond[i]);
		hears(one, plain('X'), the_end());
		pool_is("0 linked, 0 idle, 0 waiting");
		hears_nothing(ann);
		talk_ends();
	}
}
END_TEST

START_TEST(server_idle_timeout_leaves_min_pool_size_servers)
{
	struct peer	*one = talk_begins("server_idle_timeout = 5\n"
			    "min_pool_size = 1\n");

	time_passes(LIMIT);
	time_passes(100 * LIMIT);
	hears_nothing(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

static void
is_given_back_at_age(int64_t us, bool is_kept)
{
	struct peer	*one = talk_begins("server_lifetime = 5\n"
			    "server_idle_timeout = 0\n");
	struct peer	*ann = client_enters(1);

	asks(ann, one, "begin", 'T');
	time_passes(us);
	asks(ann, one, "commit", 'I');
	if (is_kept)
		hears_nothing(one);
	else
		hears(one, plain('X'), the_end());
	pool_is(is_kept ? "0 linked, 1 idle, 0 waiting" :
	    "0 linked, 0 idle, 0 waiting");
	talk_ends();
}

START_TEST(server_lifetime_closes_a_server_that_is_given_back_at_that_age)
{
	is_given_back_at_age(LIMIT - 1, true);
	FOR_EACH_BEYOND(i)
		is_given_back_at_age(LIMIT + beyond[i], false);
}
END_TEST

START_TEST(a_reset_that_is_not_answered_within_10_s_closes_the_server)
{
	struct peer	*one = talk_begins("");
	struct peer	*ann = client_enters(1);

	asks(ann, one, "begin", 'T');
	leaves(ann);
	hears(one, query("ROLLBACK"));
	time_passes(10 * SECOND - 1);
	hears_nothing(one);
	time_passes(1);
	hears(one, plain('X'), the_end());
	pool_is("0 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

/*
 * Opening servers.
 */

START_TEST(server_connect_timeout_ends_an_attempt_and_a_first_login_with_it)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*ann, *one;

		talk_begins_cold("", "server_connect_timeout = 5\n");
		ann = client_connects(1);
		says(ann, startup("u", "d"));
		one = server_arrives();
		hears(one, startup("u", "d"));
		time_passes(LIMIT - 1);
		hears_nothing(ann);
		time_passes(1 + beyond[i]);
		hears(ann, fatal("08001", "the login did not end within "
		    "server_connect_timeout (5 s)"), the_end());
		hears(one, the_end());
		talk_ends();
	}
}
END_TEST

/* As PostgreSQL does when a role has its CONNECTION LIMIT. */
static void
is_turned_away(struct peer *server)
{
	says(server, fatal("53300", "too many connections"));
	hears(server, the_end());
}

START_TEST(a_first_login_is_refused_only_when_no_other_attempt_is_left)
{
	for (int succeeds = 0; succeeds < 2; succeeds++) {
		struct peer	*ann, *bob, *one, *two;

		talk_begins_cold("", "");
		ann = client_connects(1);
		says(ann, startup("u", "d"));
		one = server_arrives();
		hears(one, startup("u", "d"));
		bob = client_connects(2);
		says(bob, startup("u", "d"));
		two = server_arrives();
		hears(two, startup("u", "d"));
		is_turned_away(one);
		hears_nothing(ann);
		hears_nothing(bob);
		if (succeeds) {
			lets_in(two);
			hears_greeting(ann);
			hears_greeting(bob);
		} else {
			is_turned_away(two);
			hears(ann, fatal("53300", "too many connections"),
			    the_end());
			hears(bob, fatal("53300", "too many connections"),
			    the_end());
		}
		talk_ends();
	}
}
END_TEST

/* In two threads: neither has given up its place when the other one looks. */
START_TEST(a_first_login_is_refused_when_the_last_attempts_fail_together)
{
	static const struct pool_error	 refusal = {
		.reason = REASON_SERVER_REFUSED, .sqlstate = "53300",
		.text = "too many connections",
	};
	struct peer	*two[2];
	struct server	*server;

	talk_begins_cold("", "");
	for (int i = 0; i < 2; i++) {
		two[i] = client_connects(1 + i);
		says(two[i], startup("u", "d"));
		ignores(server_arrives());
	}
	for (int i = 0; i < 2; i++)
		pool_failed(pool_each(NULL), stage.loops[1 + i], &refusal,
		    false);
	for (int i = 1; i <= 2; i++)
		while ((server = TAILQ_FIRST(server_list_of(stage.loops[i]))))
			server_close(&server, REASON_SERVER_REFUSED, NULL);
	time_passes(0);
	for (int i = 0; i < 2; i++)
		hears(two[i], fatal("53300", "too many connections"),
		    the_end());
	for (struct peer *peer = TAILQ_FIRST(&stage.peers); peer != NULL;
	    peer = TAILQ_NEXT(peer, next))
		if (peer->is_server)
			hears(peer, the_end());
	talk_ends();
}
END_TEST

/* It asks for a server, which says that PostgreSQL is starting up. */
static void
attempt_fails(void)
{
	struct peer	*server = server_arrives();

	hears(server, startup("u", "d"));
	says(server, fatal("57P03", "the database system is starting up"));
	hears(server, the_end());
}

START_TEST(attempts_to_open_a_server_back_off_from_server_login_retry_to_15_s)
{
	static const int	 pauses[] = { 1, 2, 4, 8, 15, 15, 15 };
	struct peer		*one = talk_begins("server_login_retry = 1\n"
				    "query_wait_timeout = 0\n");
	struct peer		*ann = client_enters(1);

	leaves(one);
	for (int again = 0; again < 2; again++) {
		says(ann, query("ann"));
		attempt_fails();
		for (size_t i = 0; i < 7; i++) {
			time_passes(pauses[i] * SECOND - 1);
			nobody_arrives();
			time_passes(1);
			attempt_fails();
		}
		time_passes(1000 * SECOND);
		one = server_enters();
		hears(one, query("ann"));
		answers(one, ann, 'I');
		leaves(one);
		nobody_arrives();
	}
	talk_ends();
}
END_TEST

START_TEST(the_pause_is_never_shorter_than_server_login_retry)
{
	struct peer	*one = talk_begins("server_login_retry = 20\n"
			    "query_wait_timeout = 0\n");
	struct peer	*ann = client_enters(1);

	leaves(one);
	says(ann, query("ann"));
	attempt_fails();
	for (int i = 0; i < 3; i++) {
		time_passes(20 * SECOND - 1);
		nobody_arrives();
		time_passes(1);
		attempt_fails();
	}
	talk_ends();
}
END_TEST

START_TEST(while_attempts_pause_nobody_tries_and_logins_do_not_wait)
{
	struct peer	*one = talk_begins("server_login_retry = 5\n"
			    "query_wait_timeout = 0\n");
	struct peer	*ann = client_enters(1), *bob, *two;

	leaves(one);
	postgres_stops();
	says(ann, query("ann"));
	postgres_starts();
	bob = client_enters(2);
	says(bob, query("bob"));
	nobody_arrives();
	time_passes(LIMIT - 1);
	nobody_arrives();
	pool_is("0 linked, 0 idle, 2 waiting");
	/* One goes ahead and looks whether it is back. */
	time_passes(1);
	one = server_enters();
	hears(one, query("ann"));
	two = server_enters();
	hears(two, query("bob"));
	answers(two, bob, 'I');
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

/*
 * Transactions and statements.
 */

START_TEST(idle_transaction_timeout_rolls_back_and_closes_the_client)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("idle_transaction_timeout"
				    " = 5\n");
		struct peer	*ann = client_enters(1);

		asks(ann, one, "begin", 'T');
		time_passes(LIMIT - 1);
		asks(ann, one, "select", 'T');
		time_passes(LIMIT - 1);
		hears_nothing(ann);
		time_passes(1 + beyond[i]);
		hears(ann, fatal("25P03", "idle_transaction_timeout"),
		    the_end());
		hears(one, query("ROLLBACK"));
		pool_is("1 linked, 0 idle, 0 waiting");
		says(one, complete("ROLLBACK"), ready('I'));
		pool_is("0 linked, 1 idle, 0 waiting");
		asks(client_enters(2), one, "next", 'I');
		talk_ends();
	}
}
END_TEST

START_TEST(idle_transaction_timeout_does_not_count_while_a_statement_runs)
{
	struct peer	*one = talk_begins("idle_transaction_timeout = 5\n");
	struct peer	*ann = client_enters(1);

	asks(ann, one, "begin", 'T');
	says(ann, query("long"));
	hears(one, query("long"));
	time_passes(10 * LIMIT);
	answers(one, ann, 'T');
	asks(ann, one, "commit", 'I');
	time_passes(10 * LIMIT);
	hears_nothing(ann);
	hears(one, plain('X'), the_end());
	talk_ends();
}
END_TEST

START_TEST(transaction_timeout_counts_from_the_begin_and_rolls_back)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("transaction_timeout = "
				    "5\n");
		struct peer	*ann = client_enters(1);

		asks(ann, one, "begin", 'T');
		time_passes(LIMIT - 1);
		asks(ann, one, "select", 'T');
		hears_nothing(ann);
		time_passes(1 + beyond[i]);
		hears(ann, fatal("25P04", "transaction_timeout"), the_end());
		hears(one, query("ROLLBACK"));
		says(one, complete("ROLLBACK"), ready('I'));
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

START_TEST(transaction_timeout_cancels_the_statement_that_runs)
{
	struct peer	*one = talk_begins("transaction_timeout = 5\n");
	struct peer	*ann = client_enters(1), *canceller;

	asks(ann, one, "begin", 'T');
	time_passes(LIMIT - 1);
	says(ann, query("long"));
	hears(one, query("long"));
	time_passes(1);
	hears(ann, fatal("25P04", "transaction_timeout"), the_end());
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(canceller);
	is_brought_in_step(one);
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(transaction_timeout_begins_anew_with_each_transaction)
{
	struct peer	*one = talk_begins("transaction_timeout = 5\n"
			    "server_idle_timeout = 0\n");
	struct peer	*ann = client_enters(1);

	for (int i = 0; i < 3; i++) {
		asks(ann, one, "begin", 'T');
		time_passes(LIMIT - 1);
		asks(ann, one, "commit", 'I');
		time_passes(10 * LIMIT);
	}
	hears_nothing(ann);
	talk_ends();
}
END_TEST

START_TEST(transaction_timeout_counts_for_a_client_that_keeps_its_server)
{
	struct peer	*one = talk_begins("transaction_timeout = 5\n"
			    "pool_mode = session\n");
	struct peer	*ann = client_enters(1);

	asks(ann, one, "select 1", 'I');
	time_passes(10 * LIMIT);
	asks(ann, one, "begin", 'T');
	time_passes(LIMIT - 1);
	asks(ann, one, "select 1", 'T');
	time_passes(1);
	hears(ann, fatal("25P04", "transaction_timeout"), the_end());
	ignores(one);
	talk_ends();
}
END_TEST

START_TEST(query_timeout_cancels_the_query_and_closes_the_client)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("query_timeout = 5\n");
		struct peer	*ann = client_enters(1), *canceller;

		says(ann, query("long"));
		hears(one, query("long"));
		time_passes(LIMIT - 1);
		hears_nothing(ann);
		time_passes(1 + beyond[i]);
		hears(ann, fatal("57014", "query_timeout"), the_end());
		canceller = server_arrives();
		hears(canceller, cancel_of(one));
		leaves(canceller);
		is_brought_in_step(one);
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

START_TEST(query_timeout_counts_neither_rest_in_a_transaction_nor_waiting)
{
	struct peer	*one = talk_begins("query_timeout = 5\n"
			    "default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	asks(ann, one, "begin", 'T');
	says(bob, query("bob"));
	time_passes(10 * LIMIT);
	asks(ann, one, "commit", 'I');
	hears(one, query("bob"));
	time_passes(LIMIT - 1);
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

/*
 * Clients.
 */

START_TEST(client_idle_timeout_closes_a_client_that_asks_nothing)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("client_idle_timeout = "
				    "5\nserver_idle_timeout = 0\n");
		struct peer	*ann = client_enters(1);

		time_passes(LIMIT - 1);
		asks(ann, one, "x", 'I');
		time_passes(LIMIT - 1);
		hears_nothing(ann);
		time_passes(1 + beyond[i]);
		hears(ann, fatal("57P05", "client_idle_timeout"), the_end());
		pool_is("0 linked, 1 idle, 0 waiting");
		talk_ends();
	}
}
END_TEST

START_TEST(client_idle_timeout_does_not_count_in_line_statement_or_transaction)
{
	struct peer	*one = talk_begins("client_idle_timeout = 5\n"
			    "default_pool_size = 1\n");
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	says(ann, query("begin"));
	says(bob, query("bob"));
	hears(one, query("begin"));
	time_passes(10 * LIMIT);
	answers(one, ann, 'T');
	time_passes(10 * LIMIT);
	asks(ann, one, "commit", 'I');
	hears(one, query("bob"));
	answers(one, bob, 'I');
	talk_ends();
}
END_TEST

START_TEST(client_login_timeout_closes_who_says_nothing_without_a_word)
{
	FOR_EACH_BEYOND(i) {
		struct peer	*one = talk_begins("client_login_timeout = "
				    "5\nserver_idle_timeout = 0\n");
		struct peer	*ann = client_connects(1);
		struct peer	*bob = client_connects(2);
		struct peer	*cat = client_enters(3);

		says_first(11, bob, startup("u", "d"));
		time_passes(LIMIT - 1);
		hears_nothing(ann);
		hears_nothing(bob);
		time_passes(1 + beyond[i]);
		hears(ann, the_end());
		hears(bob, fatal("08006", "client_login_timeout"),
		    the_end());
		asks(cat, one, "x", 'I');
		talk_ends();
	}
}
END_TEST

CHECK_MAIN("talk_limits",
    query_wait_timeout_ends_the_wait_with_an_error_and_the_client_stays,
    who_is_told_of_the_wait_costs_no_duration_of_its_own,
    a_client_that_is_served_in_time_hears_nothing_of_query_wait_timeout,
    a_server_on_its_way_when_the_wait_ends_is_used,
    each_query_of_a_pipeline_gets_its_own_error_when_the_wait_ends,
    reserve_pool_timeout_opens_a_server_beyond_the_pool,
    server_idle_timeout_closes_an_idle_server,
    server_idle_timeout_leaves_min_pool_size_servers,
    server_lifetime_closes_a_server_that_is_given_back_at_that_age,
    a_reset_that_is_not_answered_within_10_s_closes_the_server,
    server_connect_timeout_ends_an_attempt_and_a_first_login_with_it,
    a_first_login_is_refused_only_when_no_other_attempt_is_left,
    a_first_login_is_refused_when_the_last_attempts_fail_together,
    attempts_to_open_a_server_back_off_from_server_login_retry_to_15_s,
    the_pause_is_never_shorter_than_server_login_retry,
    while_attempts_pause_nobody_tries_and_logins_do_not_wait,
    idle_transaction_timeout_rolls_back_and_closes_the_client,
    idle_transaction_timeout_does_not_count_while_a_statement_runs,
    transaction_timeout_counts_from_the_begin_and_rolls_back,
    transaction_timeout_cancels_the_statement_that_runs,
    transaction_timeout_begins_anew_with_each_transaction,
    transaction_timeout_counts_for_a_client_that_keeps_its_server,
    query_timeout_cancels_the_query_and_closes_the_client,
    query_timeout_counts_neither_rest_in_a_transaction_nor_waiting,
    client_idle_timeout_closes_a_client_that_asks_nothing,
    client_idle_timeout_does_not_count_in_line_statement_or_transaction,
    client_login_timeout_closes_who_says_nothing_without_a_word)
