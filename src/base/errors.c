/*
 * See base/errors.h.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"

static struct {
	pthread_mutex_t		mutex;
	struct error_kind	kinds[ERRORS_KINDS_MAX];
	size_t			kind_count;
	struct error_event	recent[ERRORS_RECENT_MAX];
	uint64_t		event_count;	/* ever */
} book = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool
errors_is_of_kind(const struct error_kind *kind,
    const struct error_event *event)
{
	return kind->last.is_servers == event->is_servers &&
	    strcmp(kind->last.sqlstate, event->sqlstate) == 0 &&
	    strcmp(kind->last.reason, event->reason) == 0;
}

/* The last place is for whatever finds none of its own. */
static struct error_kind *
errors_kind_locked(struct error_event *event)
{
	size_t	i;

	for (i = 0; i < book.kind_count; i++)
		if (errors_is_of_kind(&book.kinds[i], event))
			return &book.kinds[i];
	if (book.kind_count < ERRORS_KINDS_MAX - 1)
		return &book.kinds[book.kind_count++];
	book.kind_count = ERRORS_KINDS_MAX;
	snprintf(event->sqlstate, sizeof event->sqlstate, "other");
	event->reason = "";
	event->is_servers = true;
	return &book.kinds[ERRORS_KINDS_MAX - 1];
}

static void
errors_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
}

void
errors_note(const char *sqlstate, const char *reason,
    const struct log_who *who, const char *text)
{
	struct error_event	 event = {
		.at_us = clock_wall_us(),
		.is_servers = reason == NULL,
		.reason = reason != NULL ? reason : "",
	};
	struct error_kind	*kind;

	errors_copy(event.sqlstate, sizeof event.sqlstate, sqlstate);
	if (who != NULL) {
		errors_copy(event.database, sizeof event.database,
		    who->database);
		errors_copy(event.user, sizeof event.user, who->user);
	}
	if (!event.is_servers)
		errors_copy(event.text, sizeof event.text, text);
	pthread_mutex_lock(&book.mutex);
	book.recent[book.event_count++ % ERRORS_RECENT_MAX] = event;
	kind = errors_kind_locked(&event);
	kind->count++;
	kind->last = event;
	pthread_mutex_unlock(&book.mutex);
}

size_t
errors_kinds(struct error_kind kinds[ERRORS_KINDS_MAX])
{
	size_t	count;

	pthread_mutex_lock(&book.mutex);
	count = book.kind_count;
	memcpy(kinds, book.kinds, count * sizeof kinds[0]);
	pthread_mutex_unlock(&book.mutex);
	return count;
}

size_t
errors_recent(struct error_event recent[ERRORS_RECENT_MAX])
{
	uint64_t	count;

	pthread_mutex_lock(&book.mutex);
	count = book.event_count < ERRORS_RECENT_MAX ? book.event_count :
	    ERRORS_RECENT_MAX;
	for (uint64_t i = 0; i < count; i++)
		recent[i] = book.recent[(book.event_count - 1 - i) %
		    ERRORS_RECENT_MAX];
	pthread_mutex_unlock(&book.mutex);
	return (size_t)count;
}
