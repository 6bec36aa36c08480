/*
 * LISTEN in transaction mode, where the order of things matters that a real
 * PostgreSQL decides by itself: what the client's server says, what the
 * server says that listens for all, and when.
 */

#include "talk.h"

#define ASK	"SELECT pg_catalog.pg_listening_channels();UNLISTEN *"

/* The client's server, and the one that listens. */
static struct peer	*one, *hub, *ann;

/* What the client's server listens to, asked after its transaction. */
static void
one_listens_to(const char *channel)
{
	hears(one, query(ASK));
	if (channel != NULL)
		says(one, shape("c"), row(channel));
	says(one, complete("SELECT"), complete("UNLISTEN"), ready('I'));
}

static void
hub_obeys(const char *text)
{
	hears(hub, query(text));
	says(hub, complete("LISTEN"), ready('I'));
}

static void
says_listen(struct peer *client)
{
	says(client, query("listen x"));
	hears(one, query("listen x"));
	says(one, complete("LISTEN"), ready('I'));
	hears(client, complete("LISTEN"));
	one_listens_to("x");
}

static void
ann_asks_to_listen_at(struct peer *server)
{
	one = server;
	ann = client_enters(2);
	says_listen(ann);
}

static void
ann_asks_to_listen(void)
{
	ann_asks_to_listen_at(talk_begins("default_pool_size = 1\n"));
}

static void
ann_is_heard_by_the_hub(void)
{
	hub = server_enters();
	hub_obeys("LISTEN \"x\";");
	hears(ann, ready('I'));
}

static void
ann_listens(void)
{
	ann_asks_to_listen();
	ann_is_heard_by_the_hub();
	pool_is("0 linked, 1 idle, 0 waiting");
}

/* She says something, and her server listens to x again for that long. */
static void
ann_says(const char *text)
{
	says(ann, query(text));
	hears(one, query("LISTEN \"x\";"), query(text));
	says(one, complete("LISTEN"), ready('I'));
	hears_nothing(ann);
}

START_TEST(a_listen_is_answered_only_when_the_shared_server_listens)
{
	ann_asks_to_listen();
	hears_nothing(ann);
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	hears_nothing(ann);
	says(hub, notification("x"), complete("LISTEN"), notification("x"));
	hears_nothing(ann);
	/* What was said before is from before her time. */
	says(hub, ready('I'), notification("x"));
	hears(ann, ready('I'), notification("x"));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(what_is_asked_behind_a_listen_waits_for_its_answer)
{
	one = talk_begins("default_pool_size = 1\n");
	ann = client_enters(2);
	says(ann, query("listen x"), query("select 1"), plain('X'));
	hears(one, query("listen x"));
	says(one, complete("LISTEN"), ready('I'));
	hears(ann, complete("LISTEN"));
	one_listens_to("x");
	hub = server_enters();
	hub_obeys("LISTEN \"x\";");
	hears(ann, ready('I'));
	hears(one, query("LISTEN \"x\";"), query("select 1"));
	says(one, complete("LISTEN"), ready('I'));
	answers(one, ann, 'I');
	one_listens_to("x");
	hears(ann, the_end());
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

START_TEST(a_second_listener_costs_no_second_server)
{
	struct peer	*bob;

	ann_listens();
	bob = client_enters(3);
	says_listen(bob);
	nobody_arrives();
	/* Behind this answer nothing comes that is older than her LISTEN. */
	hears(hub, query("SELECT 1"));
	says(hub, notification("x"));
	hears(ann, notification("x"));
	says(hub, complete("SELECT 1"), ready('I'));
	hears(bob, ready('I'));
	says(hub, notification("x"));
	hears(ann, notification("x"));
	hears(bob, notification("x"));
	talk_ends();
}
END_TEST

/* Both servers tell it; whichever is slower is not believed. */
START_TEST(a_notification_of_her_own_is_heard_once_with_her_pid)
{
	struct saying	*own, *raw;

	ann_listens();
	own = notification_by(ann, "x");
	raw = notification_by(one, "x");
	ann_says("notify x");
	says(one, complete("NOTIFY"), raw, ready('I'));
	hears(ann, complete("NOTIFY"), own, ready('I'));
	one_listens_to("x");
	says(hub, raw);
	hears_nothing(ann);
	/* The same once more is somebody else's on that server. */
	says(hub, raw);
	hears(ann, raw);

	ann_says("notify x");
	says(hub, raw);
	hears_nothing(ann);
	says(one, complete("NOTIFY"), raw, ready('I'));
	hears(ann, complete("NOTIFY"), own, ready('I'));
	one_listens_to("x");
	says(hub, raw);
	hears(ann, raw);
	talk_ends();
}
END_TEST

START_TEST(what_others_notify_in_her_transaction_comes_once_at_its_end)
{
	ann_listens();
	ann_says("begin");
	answers(one, ann, 'T');
	says(hub, notification("x"));
	hears_nothing(ann);
	says(ann, query("commit"));
	hears(one, query("commit"));
	says(one, complete("COMMIT"), notification("x"), ready('I'));
	hears(ann, complete("COMMIT"), notification("x"), ready('I'));
	one_listens_to("x");
	hears_nothing(ann);
	talk_ends();
}
END_TEST

START_TEST(an_unlisten_is_answered_when_nothing_of_it_can_come_any_more)
{
	ann_listens();
	ann_says("begin");
	answers(one, ann, 'T');
	says(hub, notification("x"));
	says(ann, query("unlisten x"));
	hears(one, query("unlisten x"));
	answers(one, ann, 'T');
	says(ann, query("commit"));
	hears(one, query("commit"));
	says(one, complete("COMMIT"), ready('I'));
	hears(ann, complete("COMMIT"));
	one_listens_to(NULL);
	hears(ann, ready('I'));
	hears(hub, query("UNLISTEN \"x\";"));
	says(hub, notification("x"), complete("UNLISTEN"), ready('I'));
	hears_nothing(ann);
	asks(ann, one, "select 1", 'I');
	talk_ends();
}
END_TEST

START_TEST(the_shared_server_is_closed_when_nobody_listens_for_long)
{
	ann_listens();
	leaves(ann);
	hub_obeys("UNLISTEN \"x\";");
	for (int i = 0; i < 12; i++)
		time_passes(US_PER_SECOND);
	hears(hub, plain('X'), the_end());
	ignores(one);
	talk_ends();
}
END_TEST

START_TEST(she_keeps_her_server_when_the_shared_one_is_refused)
{
	one = talk_begins("default_pool_size = 1\n");
	postgres_stops();
	ann_asks_to_listen_at(one);
	hears(one, query("LISTEN \"x\";"));
	says(one, notification("x"), complete("LISTEN"));
	hears(ann, notification("x"));
	says(one, ready('I'));
	hears(ann, ready('I'));
	says(one, notification("x"), notification_by(one, "x"));
	hears(ann, notification("x"), notification_by(ann, "x"));
	pool_is("1 linked, 0 idle, 0 waiting");
	asks(ann, one, "select 1", 'I');
	hears_nothing(one);
	leaves(ann);
	hears(one, query("DISCARD ALL"));
	says(one, complete("DISCARD ALL"), ready('I'));
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(she_who_leaves_while_it_is_opened_leaves_nothing_behind)
{
	ann_asks_to_listen();
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	leaves(ann);
	/* It is brought in step. */
	ignores(one);
	says(hub, complete("LISTEN"), ready('I'));
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

START_TEST(her_server_that_dies_before_she_is_told_ends_her)
{
	ann_asks_to_listen();
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	leaves(one);
	hears(ann, fatal("08006", at_host("connect again")), the_end());
	says(hub, complete("LISTEN"), ready('I'));
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

START_TEST(the_shared_server_that_dies_is_opened_again_with_growing_pauses)
{
	ann_listens();
	leaves(hub);
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	leaves(hub);
	nobody_arrives();
	time_passes(US_PER_SECOND);
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	leaves(hub);
	time_passes(US_PER_SECOND);
	nobody_arrives();
	time_passes(US_PER_SECOND);
	hub = server_enters();
	hub_obeys("LISTEN \"x\";");
	says(hub, notification("x"));
	hears(ann, notification("x"));
	talk_ends();
}
END_TEST

START_TEST(what_the_shared_server_has_missed_hides_nothing_later)
{
	struct saying	*raw;

	ann_listens();
	raw = notification_by(one, "x");
	leaves(hub);
	hub = server_enters();
	hears(hub, query("LISTEN \"x\";"));
	ann_says("notify x");
	says(one, complete("NOTIFY"), raw, ready('I'));
	hears(ann, complete("NOTIFY"), notification_by(ann, "x"), ready('I'));
	one_listens_to("x");
	says(hub, complete("LISTEN"), ready('I'));
	/* Somebody else's on that server. */
	says(hub, raw);
	hears(ann, raw);
	talk_ends();
}
END_TEST

START_TEST(a_listener_that_waits_for_its_server_meanwhile_hears_at_once)
{
	struct peer	*bob;

	ann_listens();
	bob = client_enters(1);
	asks(bob, one, "begin", 'T');
	says(ann, query("select 1"));
	says(hub, notification("x"));
	hears(ann, notification("x"));
	leaves(bob);
	hears(one, query("ROLLBACK"));
	says(one, complete("ROLLBACK"), ready('I'));
	hears(one, query("LISTEN \"x\";"), query("select 1"));
	says(one, complete("LISTEN"), ready('I'));
	answers(one, ann, 'I');
	one_listens_to("x");
	talk_ends();
}
END_TEST

START_TEST(a_cancel_does_not_hit_the_listening_in_front_of_her_statement)
{
	struct peer	*asker, *canceller;

	ann_listens();
	says(ann, query("select 1"));
	hears(one, query("LISTEN \"x\";"), query("select 1"));
	asker = client_connects(3);
	says(asker, cancel_of(ann));
	nobody_arrives();
	says(one, complete("LISTEN"), ready('I'));
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	leaves(canceller);
	hears(asker, the_end());
	says(one, error("57014", "canceled"), ready('I'));
	hears(ann, error("57014", "canceled"), ready('I'));
	one_listens_to("x");
	talk_ends();
}
END_TEST

START_TEST(a_server_that_cannot_listen_any_more_ends_its_client)
{
	ann_listens();
	says(ann, query("select 1"));
	hears(one, query("LISTEN \"x\";"), query("select 1"));
	says(one, error("25006", "cannot execute LISTEN during recovery"),
	    ready('I'));
	hears(ann, fatal("25006", "during recovery"), the_end());
	hears(server_arrives(), cancel_of(one));
	ignores(one);
	ignores(hub);
	talk_ends();
}
END_TEST

START_TEST(a_server_that_keeps_what_it_listens_to_keeps_its_client)
{
	ann_listens();
	ann_says("select 1");
	answers(one, ann, 'I');
	hears(one, query(ASK));
	says(hub, notification("x"));
	says(one, error("57014", "timeout"), ready('I'));
	hub_obeys("SELECT 1");
	hears(one, query("LISTEN \"x\";"));
	hears_nothing(ann);
	says(one, error("57014", "timeout"), ready('I'));
	hears(ann, notification("x"));
	pool_is("1 linked, 0 idle, 0 waiting");
	says(one, notification("x"));
	hears(ann, notification("x"));
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

/* Asked what it listens to and what is set. */
static void
one_has_set(const char *name, const char *value)
{
	ck_assert_str_eq((char *)buf_bytes(hears_body(one, 'Q')), ASK);
	(void)hears_body(one, 'Q');
	says(one, shape("c"), row("x"), complete("SELECT"),
	    complete("UNLISTEN"), ready('I'), setting(name, value),
	    complete("SELECT 1"), ready('I'));
}

/* She has another encoding now, in which her own server tells her. */
static void
ann_moves(struct saying *before)
{
	ann_listens();
	ann_says("set client_encoding = 'LATIN1'");
	says(one, complete("SET"), ready('I'));
	hears(ann, complete("SET"), ready('I'));
	says(hub, before);
	one_has_set("client_encoding", "LATIN1");
	hears(one, query("LISTEN \"x\";"));
	says(hub, before);
	hears_nothing(ann);
}

START_TEST(who_changes_her_encoding_hears_everything_once)
{
	struct saying	*before = notification("x"), *after, *late;

	ann_moves(before);
	after = notification_by(hub, "x");
	late = notification_by(ann, "x");
	says(one, complete("LISTEN"), after, ready('I'));
	hears(ann, after);
	hears(hub, query("SELECT 1"));
	says(hub, after, late, before, complete("SELECT 1"), ready('I'));
	hears(one, query("LISTEN \"x\";"));
	hears_nothing(ann);
	says(one, late, complete("LISTEN"), ready('I'));
	hears(ann, late, before, before, before);
	hub_obeys("UNLISTEN \"x\";");
	says(one, before, notification_by(one, "x"));
	hears(ann, before, notification_by(ann, "x"));
	asks(ann, one, "select 1", 'I');
	pool_is("1 linked, 0 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(who_leaves_while_she_moves_leaves_nothing_behind)
{
	ann_moves(notification("x"));
	says(one, complete("LISTEN"), ready('I'));
	hears(hub, query("SELECT 1"));
	leaves(ann);
	is_brought_in_step(one);
	says(hub, complete("SELECT 1"), ready('I'));
	hub_obeys("UNLISTEN \"x\";");
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(a_tied_listener_unlistens_behind_a_batch_that_has_failed)
{
	ann_listens();
	ann_says("create temp table t ()");
	answers(one, ann, 'I');
	one_has_set("!", "temp");
	pool_is("1 linked, 0 idle, 0 waiting");
	says(ann, describes('S', "s"), plain('S'), query("unlisten *"));
	hears(one, query("LISTEN \"x\";"));
	says(one, complete("LISTEN"), ready('I'));
	hears(one, binds("pgweir_0"), plain('S'), query("unlisten *"));
	says(one, error("26000", "no"), ready('I'), complete("UNLISTEN"),
	    ready('I'));
	hears(ann, error("26000", "\"s\" does not exist"), ready('I'),
	    complete("UNLISTEN"));
	one_listens_to(NULL);
	hears(ann, ready('I'));
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

START_TEST(she_moves_also_when_the_shared_server_dies_meanwhile)
{
	ann_moves(notification("x"));
	says(one, complete("LISTEN"), ready('I'));
	hears(hub, query("SELECT 1"));
	leaves(hub);
	hub = server_enters();
	hub_obeys("LISTEN \"x\";");
	hears(one, query("LISTEN \"x\";"));
	says(one, complete("LISTEN"), ready('I'));
	hears(ann, notification("x"), notification("x"));
	hub_obeys("UNLISTEN \"x\";");
	talk_ends();
}
END_TEST

START_TEST(what_comes_while_her_begin_is_held_comes_with_its_end)
{
	ann_asks_to_listen_at(talk_begins_split(""));
	ann_is_heard_by_the_hub();
	for (int i = 0; i < 2; i++) {
		says(ann, query("begin"));
		hears(ann, complete("BEGIN"), ready('T'));
		says(hub, notification("x"));
		hears_nothing(ann);
		says(ann, query(i == 0 ? "commit" : "rollback"));
		hears(ann, complete(i == 0 ? "COMMIT" : "ROLLBACK"),
		    notification("x"), ready('I'));
	}
	talk_ends();
}
END_TEST

START_TEST(what_comes_while_her_settings_are_refused_comes_with_the_error)
{
	struct peer	*bob;

	ann_listens();
	ann_says("set role r");
	says(one, complete("SET"), ready('I'));
	hears(ann, complete("SET"), ready('I'));
	one_has_set("role", "r");
	bob = client_enters(2);
	says(bob, query("select 2"));
	hears(one, query("RESET ROLE;"));
	says(one, complete("RESET"), ready('I'));
	hears(one, query("select 2"));
	answers(one, bob, 'I');
	says(ann, query("select 1"));
	(void)hears_body(one, 'Q');
	says(hub, notification("x"));
	hears_nothing(ann);
	says(one, error("22023", "role \"r\" does not exist"), ready('I'));
	hears(ann, error("22023", "does not exist"), notification("x"),
	    ready('I'));
	hears(one, plain('X'), the_end());
	talk_ends();
}
END_TEST

START_TEST(a_channel_that_one_leaves_while_another_comes_is_listened_to)
{
	struct peer	*bob;

	ann_listens();
	bob = client_enters(3);
	ann_says("unlisten x");
	says(one, complete("UNLISTEN"), ready('I'));
	hears(ann, complete("UNLISTEN"));
	one_listens_to(NULL);
	hears(ann, ready('I'));
	hears(hub, query("UNLISTEN \"x\";"));
	says_listen(bob);
	hears_nothing(bob);
	says(hub, complete("UNLISTEN"), ready('I'));
	hub_obeys("LISTEN \"x\";");
	hears(bob, ready('I'));
	/* She comes back, and he is gone before she is told. */
	says_listen(ann);
	hears(hub, query("SELECT 1"));
	leaves(bob);
	says(hub, complete("SELECT 1"), ready('I'));
	hears(ann, ready('I'));
	hears_nothing(hub);
	says(hub, notification("x"));
	hears(ann, notification("x"));
	talk_ends();
}
END_TEST

START_TEST(a_notification_that_is_cut_or_odd_ends_no_client)
{
	struct saying	*whole = notification("x");

	for (size_t at = 1; at < length_of(whole); at++) {
		ann_listens();
		says(hub, cut(whole, 0, at));
		hears_nothing(ann);
		says(hub, cut(whole, at, length_of(whole)));
		hears(ann, whole);
		talk_ends();
		whole = notification("x");
	}
	ann_listens();
	says(hub, message('A', "\0\0\0\1x", 5));
	hears(hub, plain('X'), the_end());
	hub = server_enters();
	hub_obeys("LISTEN \"x\";");
	ann_says("select 1");
	says(one, message('A', "\0\0\0\1x", 5));
	answers(one, ann, 'I');
	one_listens_to("x");
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_listen",
    a_listen_is_answered_only_when_the_shared_server_listens,
    what_is_asked_behind_a_listen_waits_for_its_answer,
    a_second_listener_costs_no_second_server,
    a_notification_of_her_own_is_heard_once_with_her_pid,
    what_others_notify_in_her_transaction_comes_once_at_its_end,
    an_unlisten_is_answered_when_nothing_of_it_can_come_any_more,
    the_shared_server_is_closed_when_nobody_listens_for_long,
    she_keeps_her_server_when_the_shared_one_is_refused,
    she_who_leaves_while_it_is_opened_leaves_nothing_behind,
    her_server_that_dies_before_she_is_told_ends_her,
    the_shared_server_that_dies_is_opened_again_with_growing_pauses,
    what_the_shared_server_has_missed_hides_nothing_later,
    a_listener_that_waits_for_its_server_meanwhile_hears_at_once,
    a_cancel_does_not_hit_the_listening_in_front_of_her_statement,
    a_server_that_cannot_listen_any_more_ends_its_client,
    a_server_that_keeps_what_it_listens_to_keeps_its_client,
    who_changes_her_encoding_hears_everything_once,
    who_leaves_while_she_moves_leaves_nothing_behind,
    a_tied_listener_unlistens_behind_a_batch_that_has_failed,
    she_moves_also_when_the_shared_server_dies_meanwhile,
    what_comes_while_her_begin_is_held_comes_with_its_end,
    what_comes_while_her_settings_are_refused_comes_with_the_error,
    a_channel_that_one_leaves_while_another_comes_is_listened_to,
    a_notification_that_is_cut_or_odd_ends_no_client)
