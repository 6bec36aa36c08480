/*
 * Settings: what is said to servers on behalf of what clients have set, to the
 * byte; and above all what is not.
 */

#include <string.h>

#include "talk.h"

#define ONE_SERVER	"default_pool_size = 1\n"
#define TWO_SERVERS	"default_pool_size = 2\n"

/* The server is asked what is set, also for this name, and says so. */
static void
tells_of(struct peer *server, const char *name, const char *value)
{
	struct buf	*asked = hears_body(server, 'Q');
	const char	*text = (const char *)buf_bytes(asked);

	ck_assert_msg(strstr(text, "pg_settings") != NULL, "%s", text);
	if (strchr(name, '.') != NULL)
		ck_assert_msg(strstr(text, name) != NULL, "%s", text);
	says(server, setting(name, value), complete("SELECT 1"), ready('I'));
}

START_TEST(with_one_common_search_path_the_steady_state_adds_nothing)
{
	struct peer	*one = talk_begins(ONE_SERVER);
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	asks(ann, one, "set search_path = a", 'I');
	tells_of(one, "search_path", "a");
	says(bob, query("set search_path = a"));
	/* Ann's away first, in the same send as what Bob says. */
	hears(one, query("RESET \"search_path\";"),
	    query("set search_path = a"));
	says(one, complete("RESET"), ready('I'));
	answers(one, bob, 'I');
	tells_of(one, "search_path", "a");
	for (int i = 0; i < 5; i++) {
		asks(ann, one, "select 1", 'I');
		asks(bob, one, "begin", 'T');
		asks(bob, one, "select 2", 'T');
		asks(bob, one, "commit", 'I');
	}
	talk_ends();
}
END_TEST

START_TEST(a_server_whose_settings_already_fit_is_preferred)
{
	struct peer	*one = talk_begins(TWO_SERVERS), *two;
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	asks(ann, one, "begin", 'T');
	two = opens_for(bob, "select 1", 'I');
	asks(ann, one, "set search_path = a", 'T');
	asks(ann, one, "commit", 'I');
	tells_of(one, "search_path", "a");
	/* Whichever was given back last. */
	for (int i = 0; i < 3; i++) {
		asks(bob, two, "select 2", 'I');
		asks(bob, two, "select 3", 'I');
		asks(ann, one, "select 4", 'I');
		asks(ann, one, "select 5", 'I');
	}
	talk_ends();
}
END_TEST

START_TEST(a_tenant_named_in_each_transaction_adds_nothing)
{
	struct peer	*one = talk_begins(ONE_SERVER);
	struct peer	*ann = client_enters(1), *bob = client_enters(2);

	asks(ann, one, "begin", 'T');
	asks(ann, one, "set local app.tenant = 'ann'", 'T');
	asks(ann, one, "commit", 'I');
	tells_of(one, "app.tenant", "");
	/* He begins by saying so: this server suits him. */
	asks(bob, one, "begin; set local app.tenant = 'bob'; commit", 'I');
	for (int i = 0; i < 5; i++) {
		asks(ann, one, "begin", 'T');
		asks(ann, one, "set local app.tenant = 'ann'", 'T');
		asks(ann, one, "select 1", 'T');
		asks(ann, one, "commit", 'I');
		asks(bob, one, "begin; set local app.tenant = 'bob'; "
		    "select 1; commit", 'I');
		asks(bob, one,
		    "select set_config('app.tenant', 'x', true)", 'I');
	}
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(who_has_not_named_it_gets_another_server)
{
	struct peer	*one = talk_begins(ONE_SERVER), *two;
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	asks(ann, one, "set app.tenant = 'ann'", 'I');
	tells_of(one, "app.tenant", "ann");
	says(bob, query("select 1"));
	hears(one, plain('X'), the_end());
	two = server_enters();
	hears(two, query("select 1"));
	answers(two, bob, 'I');
	pool_is("0 linked, 1 idle, 0 waiting");
	talk_ends();
}
END_TEST

START_TEST(with_room_in_the_pool_a_server_with_names_is_kept)
{
	struct peer	*one = talk_begins(TWO_SERVERS), *two;
	struct peer	*ann = client_enters(1), *bob = client_enters(1);

	asks(ann, one, "set app.tenant = 'ann'", 'I');
	tells_of(one, "app.tenant", "ann");
	two = opens_for(bob, "select 1", 'I');
	for (int i = 0; i < 3; i++) {
		asks(ann, one, "select 1", 'I');
		asks(bob, two, "select 2", 'I');
	}
	pool_is("0 linked, 2 idle, 0 waiting");
	talk_ends();
}
END_TEST

/* Longer than what is read at once. */
START_TEST(a_long_setting_is_read_back_wherever_it_is_cut)
{
	enum { LENGTH = 70000 };
	static const size_t	 cuts[] = { 1, 4, 5, 6, 26, 27, 60000 };
	static char		 value[LENGTH];
	static const uint8_t	 head[] = { 0, 2, 0, 0, 0, 11 };
	static const uint8_t	 length[] = { 0, LENGTH >> 16,
				    (uint8_t)(LENGTH >> 8), (uint8_t)LENGTH };
	struct peer		*one, *ann, *bob;
	struct saying		*all;

	memset(value, 'x', sizeof value);
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		one = talk_begins(ONE_SERVER);
		ann = client_enters(1);
		bob = client_enters(1);
		asks(ann, one, "set search_path = x", 'I');
		(void)hears_body(one, 'Q');
		all = message_of('D', all_of(bytes(head, 6),
		    bytes("search_path", 11), bytes(length, 4),
		    bytes(value, LENGTH)));
		says(one, cut(all, 0, cuts[i]));
		says(one, cut(all, cuts[i], length_of(all)),
		    complete("SELECT 1"), ready('I'));
		says(bob, query("bob"));
		hears(one, query("RESET \"search_path\";"), query("bob"));
		says(one, complete("RESET"), ready('I'));
		answers(one, bob, 'I');
		talk_ends();
	}
}
END_TEST

/* The name is on its way to the server when its client goes. */
START_TEST(a_server_has_the_names_that_were_sent_to_it)
{
	struct peer	*one = talk_begins(TWO_SERVERS), *two, *three;
	struct peer	*ann = client_enters(1), *bob = client_enters(1);
	struct peer	*canceller, *cat = client_enters(1);

	asks(ann, one, "set app.tenant = 'ann'", 'I');
	tells_of(one, "app.tenant", "ann");
	two = opens_for(bob, "select 1", 'I');
	says(cat, query("begin; set local app.tenant = 'cat'"));
	(void)hears_body(one, 'Q');
	says(one, complete("SELECT 1"), ready('I'));
	hears(one, query("begin; set local app.tenant = 'cat'"));
	answers(one, cat, 'T');
	says(ann, query("select 2"));
	(void)hears_body(two, 'Q');
	hears(two, query("select 2"));
	leaves(ann);
	canceller = server_arrives();
	hears(canceller, cancel_of(two));
	leaves(canceller);
	is_brought_in_step(two);
	says(bob, query("bob"));
	hears(two, plain('X'), the_end());
	three = server_enters();
	hears(three, query("bob"));
	answers(three, bob, 'I');
	asks(cat, one, "commit", 'I');
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_settings",
    with_one_common_search_path_the_steady_state_adds_nothing,
    a_server_whose_settings_already_fit_is_preferred,
    a_tenant_named_in_each_transaction_adds_nothing,
    who_has_not_named_it_gets_another_server,
    with_room_in_the_pool_a_server_with_names_is_kept,
    a_long_setting_is_read_back_wherever_it_is_cut,
    a_server_has_the_names_that_were_sent_to_it)
