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
#include "wire/put.h"

struct client_key {
	struct hash_node	 node;
	uint32_t		 pid, secret;
	struct client		*client;	/* for its own thread only */
	struct loop		*loop;
};

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	table;
	uint32_t		last_pid;
} keys = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static uint64_t
client_key_hash(uint32_t pid)
{
	return hash_mix(pid, 2);
}

static struct client_key *
client_key_find_locked(uint32_t pid)
{
	struct hash_node	*node;
	struct client_key	*key;

	for (node = hash_table_first(&keys.table, client_key_hash(pid));
	    node != NULL; node = hash_table_same(node)) {
		key = container_of(node, struct client_key, node);
		if (key->pid == pid)
			return key;
	}
	return NULL;
}

/* A number that looks like a process, is positive, and is free. */
static uint32_t
client_key_next_pid_locked(void)
{
	do
		keys.last_pid = (keys.last_pid + 1) & 0x7fffffff;
	while (keys.last_pid == 0 ||
	    client_key_find_locked(keys.last_pid) != NULL);
	return keys.last_pid;
}

/* Randomness is drawn for many keys at once: to begin costs the most. */
static void
client_key_draw(uint8_t secret[4])
{
	static _Thread_local uint8_t	random[64 * 4];
	static _Thread_local size_t	left;

	if (left == 0) {
		if (RAND_bytes(random, sizeof random) != 1)
			abort();
		left = sizeof random;
	}
	left -= 4;
	memcpy(secret, random + left, 4);
	mem_wipe(random + left, 4);
}

void
client_make_key(struct client *client, struct buf *buf)
{
	struct client_key	*key = mem_new(sizeof *key);
	uint8_t			 bytes[4];

	client_key_draw(bytes);
	key->secret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
	key->client = client;
	key->loop = client->loop;
	pthread_mutex_lock(&keys.mutex);
	key->pid = client_key_next_pid_locked();
	hash_table_add(&keys.table, &key->node, client_key_hash(key->pid));
	pthread_mutex_unlock(&keys.mutex);
	client->key_pid = key->pid;
	client->key_secret = key->secret;
	put_backend_key(buf, key->pid, bytes, sizeof bytes);
}

void
client_key_forget(struct client *client)
{
	struct client_key	*key;

	if (client->key_pid == 0)
		return;
	pthread_mutex_lock(&keys.mutex);
	if ((key = client_key_find_locked(client->key_pid)) != NULL)
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
	void		(*done)(struct loop *, void *);
	void		*arg;
};

static void
cancel_wish_on_done(struct loop *loop, struct letter *letter)
{
	struct cancel_wish	*wish = container_of(letter,
				    struct cancel_wish, letter);

	wish->done(loop, wish->arg);
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
	key = client_key_find_locked(wish->pid);
	if (key != NULL && key->secret == wish->secret && key->loop == loop)
		client = key->client;
	pthread_mutex_unlock(&keys.mutex);
	if (client != NULL && client->state == CLIENT_SERVED)
		client->service->cancel(client, cancel_wish_answer, wish);
	else
		cancel_wish_answer(loop, wish);
}

void
client_cancel_by_key(struct loop *asking, uint32_t pid, uint32_t secret,
    void (*done)(struct loop *, void *), void *arg)
{
	struct cancel_wish	*wish;
	struct client_key	*key;
	struct loop		*loop = NULL;

	pthread_mutex_lock(&keys.mutex);
	key = client_key_find_locked(pid);
	if (key != NULL &&
	    mem_equal_secret(&key->secret, &secret, sizeof secret))
		loop = key->loop;
	pthread_mutex_unlock(&keys.mutex);
	if (loop == NULL) {
		done(asking, arg);
		return;
	}
	wish = mem_new(sizeof *wish);
	wish->asking = asking;
	wish->pid = pid;
	wish->secret = secret;
	wish->done = done;
	wish->arg = arg;
	wish->letter.read = cancel_wish_on_arrival;
	loop_post(loop, &wish->letter);
}
