/*
 * The process stops: clients are told to go over a while, each at its
 * transaction boundary.
 */

#include "client/client_leave.h"
#include "pool/pool.h"
#include "talk_private.h"

enum { CROWD = 100 };
#define WORD	"the pooler is shutting down; connect again"
#define STEP_US	(50 * US_PER_MS)

static struct peer	*crowd[CROWD];

static int
told(void)
{
	int	n = 0;

	for (int i = 0; i < CROWD; i++)
		n += has_heard_the_end(crowd[i]);
	return n;
}

static void
crowd_enters(void)
{
	for (int i = 0; i < CROWD; i++)
		crowd[i] = client_enters(1);
}

static void
crowd_has_heard_why(void)
{
	for (int i = 0; i < CROWD; i++)
		hears(crowd[i], fatal("57P01", WORD), the_end());
}

START_TEST(idle_clients_are_told_to_go_evenly_over_the_given_time)
{
	talk_begins("");
	crowd_enters();
	dismisses(1, WORD, 500 * US_PER_MS);
	ck_assert_int_eq(told(), CROWD / 10);
	for (int step = 2; step <= 10; step++) {
		time_passes(STEP_US);
		ck_assert_int_eq(told(), step * CROWD / 10);
	}
	crowd_has_heard_why();
	talk_ends();
}
END_TEST

START_TEST(few_clients_are_gone_sooner)
{
	talk_begins("");
	crowd_enters();
	dismisses(1, WORD, 3600 * US_PER_SECOND);
	ck_assert_int_eq(told(), 5);
	time_passes(STEP_US);
	ck_assert_int_eq(told(), 10);
	for (int step = 3; step <= CROWD / 5; step++)
		time_passes(STEP_US);
	crowd_has_heard_why();
	talk_ends();
}
END_TEST

START_TEST(without_a_time_all_of_them_are_told_at_once)
{
	talk_begins("");
	crowd_enters();
	dismisses(1, WORD, 0);
	crowd_has_heard_why();
	talk_ends();
}
END_TEST

START_TEST(a_client_in_a_transaction_is_told_at_its_end_and_works_until_then)
{
	struct peer	*one, *ann, *bob;

	one = talk_begins("default_pool_size = 1\n");
	ann = client_enters(1);
	bob = client_enters(1);
	asks(ann, one, "begin", 'T');
	dismisses(1, WORD, US_PER_SECOND);
	hears(bob, fatal("57P01", WORD), the_end());
	asks(ann, one, "select 1", 'T');
	says(ann, query("commit"));
	hears(one, query("commit"));
	says(one, complete("COMMIT"), ready('I'));
	hears(ann, complete("COMMIT"), ready('I'), fatal("57P01", WORD),
	    the_end());
	talk_ends();
}
END_TEST

START_TEST(who_is_told_at_last_works_until_his_turn)
{
	struct peer	*one;

	one = talk_begins("default_pool_size = 1\n");
	crowd_enters();
	dismisses(1, WORD, 3600 * US_PER_SECOND);
	asks(crowd[CROWD - 1], one, "select 1", 'I');
	for (int step = 1; step < CROWD / 5; step++)
		time_passes(STEP_US);
	crowd_has_heard_why();
	talk_ends();
}
END_TEST

START_TEST(nobody_is_let_in_once_everybody_is_leaving)
{
	struct peer	*late;

	talk_begins("");
	atomic_store(&clients_are_leaving, true);
	late = client_connects(1);
	says(late, startup("u", "d"));
	hears(late, fatal("57P01", WORD), the_end());
	atomic_store(&clients_are_leaving, false);
	talk_ends();
}
END_TEST

START_TEST(a_client_whose_server_dies_before_its_time_to_go_goes_then)
{
	struct peer	*one = talk_begins(""), *ann = client_enters(1);

	says(ann, query("ann"));
	hears(one, query("ann"));
	dismisses(1, WORD, 0);
	hears_nothing(ann);
	leaves(one);
	hears(ann, error("08006", "the server closed the connection"),
	    ready('I'), fatal("57P01", WORD), the_end());
	talk_ends();
}
END_TEST

/* server_fast_close, which sends sessions away for their servers. */
START_TEST(a_login_that_only_asks_a_server_is_not_sent_away_with_it)
{
	static const char	 greets[] = "\0\0\0\x29\0\3\0\0"
				    "user\0u\0database\0d\0"
				    "search_path\0x\0";
	struct peer		*one = talk_begins("pool_mode = session\n");
	struct peer		*ann = client_connects(1), *two;

	pools_add_loop(stage.loops[1]);
	atomic_store(&pool_fast_close, true);
	says(ann, bytes(greets, sizeof greets));
	(void)hears_body(one, 'Q');
	pool_reconnect(pool_each(NULL));
	time_passes(0);
	hears_nothing(ann);
	says(one, complete("SELECT 1"), ready('I'));
	hears(one, plain('X'), the_end());
	(void)hears_body(ann, 'R');
	ignores(ann);
	says(ann, query("ann"));
	two = server_enters();
	(void)hears_body(two, 'Q');
	says(two, complete("SELECT 1"), ready('I'));
	hears(two, query("ann"));
	answers(two, ann, 'I');
	pool_reconnect(pool_each(NULL));
	time_passes(0);
	hears(ann, fatal("57P01", "server_fast_close"), the_end());
	ignores(two);
	atomic_store(&pool_fast_close, false);
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_leaving",
    idle_clients_are_told_to_go_evenly_over_the_given_time,
    few_clients_are_gone_sooner,
    without_a_time_all_of_them_are_told_at_once,
    a_client_in_a_transaction_is_told_at_its_end_and_works_until_then,
    who_is_told_at_last_works_until_his_turn,
    a_client_whose_server_dies_before_its_time_to_go_goes_then,
    nobody_is_let_in_once_everybody_is_leaving,
    a_login_that_only_asks_a_server_is_not_sent_away_with_it)
