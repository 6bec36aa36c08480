/*
 * Cancel requests for clients of other processes: they are passed on, once,
 * to whoever may know the key, and nobody waits for who does not.
 */

#include <string.h>

#include "pool/peers.h"
#include "talk.h"

#define TWO_PEERS	"peers = @DIR@:1, @DIR@:2\n"
#define NUMBERED	"peer_id = 7\n[peers]\n7 = host=/none port=1\n" \
			"8 = host=@DIR@ port=1\n" \
			"9 = host=@DIR@ port=2\n"
#define PID		0x12345678u
#define SECRET		0xabcdef00u

static struct peer *
wants_cancelled(uint32_t pid, uint32_t secret)
{
	struct peer	*asker = client_connects(3);

	says(asker, cancel_by_key(pid, secret));
	return asker;
}

static void
says_it_is_done(struct peer *peer)
{
	says(peer, bytes("C", 1));
	leaves(peer);
}

START_TEST(a_key_that_nobody_has_here_is_passed_on_to_every_peer_once)
{
	struct peer	*asker, *one, *other;

	talk_begins(TWO_PEERS);
	asker = wants_cancelled(PID, SECRET | 3);
	one = server_arrives();
	hears(one, cancel_by_key(PID, SECRET));
	other = server_arrives();
	hears(other, cancel_by_key(PID, SECRET));
	nobody_arrives();
	hears_nothing(asker);
	leaves(one);
	hears_nothing(asker);
	leaves(other);
	hears(asker, the_end());
	talk_ends();
}
END_TEST

START_TEST(who_asked_hears_the_end_when_one_peer_says_it_is_done)
{
	struct peer		*asker, *one, *other;
	struct peers_counts	 counts, before;

	talk_begins(TWO_PEERS);
	peers_counts(&before);
	asker = wants_cancelled(PID, SECRET | 3);
	one = server_arrives();
	hears(one, cancel_by_key(PID, SECRET));
	other = server_arrives();
	hears(other, cancel_by_key(PID, SECRET));
	says_it_is_done(other);
	hears(asker, the_end());
	hears(one, the_end());
	peers_counts(&counts);
	ck_assert_uint_eq(counts.passed, before.passed + 1);
	ck_assert_uint_eq(counts.done, before.done + 1);
	talk_ends();
}
END_TEST

START_TEST(a_request_that_a_peer_has_passed_on_is_not_passed_on_again)
{
	struct peer	*asker;

	talk_begins(TWO_PEERS);
	asker = wants_cancelled(PID, SECRET);
	hears(asker, the_end());
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(a_peer_that_asks_for_a_client_of_ours_is_told_when_it_is_done)
{
	struct peer	*one, *ann, *asker, *canceller;

	one = talk_begins(TWO_PEERS);
	ann = client_enters(1);
	says(ann, query("ann"));
	hears(one, query("ann"));
	asker = client_connects(3);
	says(asker, cancel_without_hops(ann));
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	hears_nothing(asker);
	leaves(canceller);
	hears(asker, bytes("C", 1), the_end());
	answers(one, ann, 'I');
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(a_client_of_ours_is_cancelled_here_and_no_peer_is_asked)
{
	struct peer	*one, *ann, *asker, *canceller;

	one = talk_begins(TWO_PEERS);
	ann = client_enters(1);
	says(ann, query("ann"));
	hears(one, query("ann"));
	asker = client_connects(3);
	says(asker, cancel_of(ann));
	canceller = server_arrives();
	hears(canceller, cancel_of(one));
	nobody_arrives();
	leaves(canceller);
	hears(asker, the_end());
	answers(one, ann, 'I');
	talk_ends();
}
END_TEST

START_TEST(a_key_with_a_peer_id_goes_to_that_peer_alone_with_a_hop_less)
{
	struct peer	*asker, *peer;

	talk_begins(NUMBERED);
	asker = wants_cancelled(0x11000922, SECRET | 3);
	peer = server_arrives();
	hears(peer, cancel_by_key(0x11000922, SECRET | 2));
	nobody_arrives();
	leaves(peer);
	hears(asker, the_end());
	/* One hop is the last. */
	asker = wants_cancelled(0x11000822, SECRET | 1);
	peer = server_arrives();
	hears(peer, cancel_by_key(0x11000822, SECRET));
	leaves(peer);
	hears(asker, the_end());
	/* Ours, of somebody who has left; and of a peer that is not known. */
	hears(wants_cancelled(0x11000722, SECRET | 3), the_end());
	hears(wants_cancelled(0x11000a22, SECRET | 3), the_end());
	nobody_arrives();
	talk_ends();
}
END_TEST

START_TEST(keys_carry_the_peer_id_of_their_process_and_all_hops)
{
	struct peer	*ann;

	talk_begins(NUMBERED);
	ann = client_enters(1);
	ck_assert_uint_eq(pid_of(ann) & 0x80ffff00, 0x00000700);
	ck_assert_uint_eq(secret_of(ann) & 3, 3);
	talk_ends();
}
END_TEST

START_TEST(a_peer_that_does_not_answer_is_given_up_after_cancel_wait_timeout)
{
	struct peer	*asker, *one, *other;

	talk_begins(TWO_PEERS "cancel_wait_timeout = 5\n");
	asker = wants_cancelled(PID, SECRET | 3);
	one = server_arrives();
	hears(one, cancel_by_key(PID, SECRET));
	other = server_arrives();
	hears(other, cancel_by_key(PID, SECRET));
	leaves(other);
	time_passes(4 * US_PER_SECOND);
	hears_nothing(asker);
	time_passes(2 * US_PER_SECOND);
	hears(asker, the_end());
	hears(one, the_end());
	talk_ends();
}
END_TEST

START_TEST(a_peer_that_is_not_there_is_not_waited_for)
{
	struct peer	*asker, *peer;

	talk_begins("peers = /nowhere:1, @DIR@:1\n");
	asker = wants_cancelled(PID, SECRET | 3);
	peer = server_arrives();
	hears(peer, cancel_by_key(PID, SECRET));
	leaves(peer);
	hears(asker, the_end());
	talk_ends();
}
END_TEST

START_TEST(a_peer_gets_no_more_requests_at_once_than_its_pool_size)
{
	struct peer	*asker[3], *peer[3];

	talk_begins("peer_id = 7\n[peers]\n"
	    "8 = host=@DIR@ port=1 pool_size=2\n");
	for (int i = 0; i < 3; i++)
		asker[i] = wants_cancelled(0x11000800 + (uint32_t)i, SECRET | 3);
	for (int i = 0; i < 2; i++) {
		peer[i] = server_arrives();
		hears(peer[i], cancel_by_key(0x11000800 + (uint32_t)i,
		    SECRET | 2));
	}
	nobody_arrives();
	leaves(peer[1]);
	hears(asker[1], the_end());
	peer[2] = server_arrives();
	hears(peer[2], cancel_by_key(0x11000802, SECRET | 2));
	leaves(peer[0]);
	hears(asker[0], the_end());
	leaves(peer[2]);
	hears(asker[2], the_end());
	talk_ends();
}
END_TEST

START_TEST(requests_beyond_a_bound_are_dropped_and_later_ones_are_not)
{
	struct peer		*asker[PEERS_REQUESTS_MAX], *peer;
	struct peers_counts	 counts, before;

	talk_begins("peers = @DIR@:1\ndefault_pool_size = 1\n");
	peers_counts(&before);
	for (int i = 0; i < PEERS_REQUESTS_MAX; i++)
		asker[i] = wants_cancelled(PID, SECRET | 3);
	peer = server_arrives();
	hears(peer, cancel_by_key(PID, SECRET));
	hears(wants_cancelled(PID, SECRET | 3), the_end());
	peers_counts(&counts);
	ck_assert_uint_eq(counts.dropped, before.dropped + 1);
	for (int i = 0; i < PEERS_REQUESTS_MAX; i++) {
		says_it_is_done(peer);
		hears(asker[i], the_end());
		if (i + 1 == PEERS_REQUESTS_MAX)
			break;
		peer = server_arrives();
		hears(peer, cancel_by_key(PID, SECRET));
	}
	asker[0] = wants_cancelled(PID, SECRET | 3);
	peer = server_arrives();
	hears(peer, cancel_by_key(PID, SECRET));
	leaves(peer);
	hears(asker[0], the_end());
	talk_ends();
}
END_TEST

START_TEST(who_asks_may_leave_before_a_peer_has_answered)
{
	struct peer	*asker, *peer;

	talk_begins("peers = @DIR@:1\n");
	asker = wants_cancelled(PID, SECRET | 3);
	leaves(asker);
	peer = server_arrives();
	hears(peer, cancel_by_key(PID, SECRET));
	leaves(peer);
	talk_ends();
}
END_TEST

CHECK_MAIN("talk_peers",
    a_key_that_nobody_has_here_is_passed_on_to_every_peer_once,
    who_asked_hears_the_end_when_one_peer_says_it_is_done,
    a_request_that_a_peer_has_passed_on_is_not_passed_on_again,
    a_peer_that_asks_for_a_client_of_ours_is_told_when_it_is_done,
    a_client_of_ours_is_cancelled_here_and_no_peer_is_asked,
    a_key_with_a_peer_id_goes_to_that_peer_alone_with_a_hop_less,
    keys_carry_the_peer_id_of_their_process_and_all_hops,
    a_peer_that_does_not_answer_is_given_up_after_cancel_wait_timeout,
    a_peer_that_is_not_there_is_not_waited_for,
    a_peer_gets_no_more_requests_at_once_than_its_pool_size,
    requests_beyond_a_bound_are_dropped_and_later_ones_are_not,
    who_asks_may_leave_before_a_peer_has_answered)
