/*
 * See base/log_repeat.h.
 */

#include <stdio.h>

#include "base/hash.h"
#include "base/log_repeat.h"

enum { LOG_REPEAT_PLACES = 64 };

static struct log_repeated	places[LOG_REPEAT_PLACES];

/* Of a text without its numbers. */
static uint64_t
log_repeat_hash(enum log_level level, const struct log_who *who,
    const char *text)
{
	char		plain[LOG_REPEAT_TEXT_BYTES];
	size_t		n = 0;
	uint64_t	hash;

	for (; *text != '\0' && n < sizeof plain; text++)
		if (*text < '0' || *text > '9')
			plain[n++] = *text;
	hash = hash_mix(hash_bytes(plain, n), (uint64_t)level);
	if (who != NULL && who->database != NULL)
		hash = hash_mix(hash, hash_text(who->database));
	if (who != NULL && who->user != NULL)
		hash = hash_mix(hash, hash_text(who->user));
	return hash;
}

/* The place of this text, else a free one, else the oldest. */
static struct log_repeated *
log_repeat_place(uint64_t hash)
{
	struct log_repeated	*oldest = &places[0];

	for (size_t i = 0; i < LOG_REPEAT_PLACES; i++) {
		if (places[i].since_us != 0 && places[i].hash == hash)
			return &places[i];
		if (places[i].since_us < oldest->since_us)
			oldest = &places[i];
	}
	return oldest;
}

static void
log_repeat_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
}

bool
log_repeat_hides(enum log_level level, const struct log_who *who,
    const char *text, int64_t now_us, int64_t interval_us,
    struct log_repeated *told)
{
	uint64_t		 hash = log_repeat_hash(level, who, text);
	struct log_repeated	*place = log_repeat_place(hash);

	if (place->since_us != 0 && place->hash == hash &&
	    now_us - place->since_us < interval_us) {
		place->count++;
		return true;
	}
	*told = *place;
	place->hash = hash;
	place->count = 0;
	place->since_us = now_us > 0 ? now_us : 1;
	place->level = level;
	log_repeat_copy(place->database, sizeof place->database,
	    who != NULL ? who->database : NULL);
	log_repeat_copy(place->user, sizeof place->user,
	    who != NULL ? who->user : NULL);
	log_repeat_copy(place->text, sizeof place->text, text);
	return false;
}

bool
log_repeat_next(int64_t now_us, int64_t interval_us, bool is_end,
    struct log_repeated *told)
{
	for (size_t i = 0; i < LOG_REPEAT_PLACES; i++) {
		if (places[i].since_us == 0 || (!is_end &&
		    now_us - places[i].since_us < interval_us))
			continue;
		*told = places[i];
		places[i].since_us = 0;
		if (told->count > 0)
			return true;
	}
	return false;
}
