/*
 * Cancel keys.
 *
 * The table holds copies, so that the asking thread never touches a client;
 * the wish travels as a letter to the client's loop, which looks for the
 * client once more and calls its service.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/mem.h"
#include "client/client.h"
#include "client/client_key.h"
#include "config/config.h"
#include "pool/peers.h"
#include "wire/put.h"

/* As often a number that another client has is put back. */
#define DRAWS_MAX	16

struct client_key {
	struct hash_node	 node;
	uint32_t		 pid, secret;
	struct client		*client;	/* for its own thread only */
	struct loop		*loop;
};

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	table;
} keys = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static uint64_t
client_key_hash(uint32_t pid)
{
	return hash_mix(pid, 2);
}

/* The secrets of all keys with this number are compared in the same time. */
static struct client_key *
client_key_find_locked(uint32_t pid, uint32_t secret)
{
	struct hash_node	*node;
	struct client_key	*key, *found = NULL;

	for (node = hash_table_first(&keys.table, client_key_hash(pid));
	    node != NULL; node = hash_table_same(node)) {
		key = container_of(node, struct client_key, node);
		if (key->pid == pid && mem_equal_secret(&key->secret, &secret,
		    sizeof secret))
			found = key;
	}
	return found;
}

static bool
client_key_has_pid_locked(uint32_t pid)
{
	struct hash_node	*node;

	for (node = hash_table_first(&keys.table, client_key_hash(pid));
	    node != NULL; node = hash_table_same(node))
		if (container_of(node, struct client_key, node)->pid == pid)
			return true;
	return false;
}

/* Randomness is drawn for many keys at once: to begin costs the most. */
static void
client_key_draw(uint32_t *pid, uint32_t *secret)
{
	static _Thread_local uint8_t	random[64 * 8];
	static _Thread_local size_t	left;

	if (left == 0) {
		if (RAND_bytes(random, sizeof random) != 1)
			abort();
		left = sizeof random;
	}
	left -= 8;
	memcpy(pid, random + left, 4);
	memcpy(secret, random + left + 4, 4);
	mem_wipe(random + left, 8);
}

/*
 * A number that looks like a process and is positive, with our peer_id in it
 * if there is one; see pool/peers.h.
 */
static void
client_key_make(struct client_key *key, uint32_t peer_id)
{
	do {
		client_key_draw(&key->pid, &key->secret);
		key->pid &= 0x7fffffff;
		if (peer_id != 0)
			key->pid = (key->pid &
			    ~(0xffffu << CANCEL_KEY_PEER_SHIFT)) |
			    peer_id << CANCEL_KEY_PEER_SHIFT;
	} while (key->pid == 0);
	key->secret |= CANCEL_KEY_HOPS;
}

/* With a peer_id there are fewer numbers than there may be clients. */
static void
client_key_add(struct client_key *key, uint32_t peer_id)
{
	bool	is_taken = true;

	pthread_mutex_lock(&keys.mutex);
	for (int i = 0; is_taken; i++) {
		client_key_make(key, peer_id);
		is_taken = i < DRAWS_MAX ?
		    client_key_has_pid_locked(key->pid) :
		    client_key_find_locked(key->pid, key->secret) != NULL;
	}
	hash_table_add(&keys.table, &key->node, client_key_hash(key->pid));
	pthread_mutex_unlock(&keys.mutex);
}

void
client_make_key(struct client *client, struct buf *buf)
{
	struct client_key	*key = mem_new(sizeof *key);
	struct config		*config = config_current();
	uint32_t		 peer_id = (uint32_t)config->option.peer_id;
	uint8_t			 bytes[4];

	config_release(config);
	key->client = client;
	key->loop = client->loop;
	client_key_add(key, peer_id);
	client->key_pid = key->pid;
	client->key_secret = key->secret;
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(key->secret >> (24 - 8 * i));
	put_backend_key(buf, key->pid, bytes, sizeof bytes);
}

void
client_key_forget(struct client *client)
{
	struct client_key	*key;

	if (client->key_pid == 0)
		return;
	pthread_mutex_lock(&keys.mutex);
	key = client_key_find_locked(client->key_pid, client->key_secret);
	if (key != NULL)
		hash_table_remove(&keys.table, &key->node);
	pthread_mutex_unlock(&keys.mutex);
	free(key);
	client->key_pid = 0;
}

/*
 * Asking.
 */

struct cancel_wish {
	struct letter	 letter;
	struct loop	*asking;
	uint32_t	 pid, secret;
	bool		 was_here;
	void		(*done)(struct loop *, void *, bool);
	void		*arg;
};

static void
cancel_wish_on_done(struct loop *loop, struct letter *letter)
{
	struct cancel_wish	*wish = container_of(letter,
				    struct cancel_wish, letter);

	wish->done(loop, wish->arg, wish->was_here);
	free(wish);
}

/* In the client's thread, when the cancel has been carried out. */
static void
cancel_wish_answer(struct loop *loop, void *arg)
{
	struct cancel_wish	*wish = arg;

	(void)loop;
	wish->letter.read = cancel_wish_on_done;
	loop_post(wish->asking, &wish->letter);
}

static void
cancel_wish_on_arrival(struct loop *loop, struct letter *letter)
{
	struct cancel_wish	*wish = container_of(letter,
				    struct cancel_wish, letter);
	struct client_key	*key;
	struct client		*client = NULL;

	pthread_mutex_lock(&keys.mutex);
	key = client_key_find_locked(wish->pid, wish->secret);
	if (key != NULL && key->loop == loop)
		client = key->client;
	pthread_mutex_unlock(&keys.mutex);
	if (client != NULL && client->state == CLIENT_SERVED)
		client->service->cancel(client, cancel_wish_answer, wish);
	else
		cancel_wish_answer(loop, wish);
}

/* In the asking thread: peers have been asked. */
static void
cancel_wish_on_passed(struct loop *loop, void *arg)
{
	struct cancel_wish	*wish = arg;

	cancel_wish_on_done(loop, &wish->letter);
}

void
client_cancel_by_key(struct loop *asking, uint32_t pid, uint32_t secret,
    void (*done)(struct loop *, void *, bool), void *arg)
{
	struct cancel_wish	*wish = mem_new(sizeof *wish);
	struct client_key	*key;
	struct loop		*loop = NULL;

	wish->asking = asking;
	wish->pid = pid;
	wish->secret = secret | CANCEL_KEY_HOPS;
	wish->done = done;
	wish->arg = arg;
	wish->letter.read = cancel_wish_on_arrival;
	pthread_mutex_lock(&keys.mutex);
	if ((key = client_key_find_locked(pid, wish->secret)) != NULL)
		loop = key->loop;
	pthread_mutex_unlock(&keys.mutex);
	if (loop != NULL) {
		wish->was_here = true;
		loop_post(loop, &wish->letter);
	} else if (!peers_pass(asking, pid, secret, cancel_wish_on_passed,
	    wish))
		cancel_wish_on_passed(asking, wish);
}
