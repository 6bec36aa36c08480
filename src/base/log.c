/*
 * The log.
 *
 *	2026-01-31 12:00:00.000 UTC [1234] WARNING client 17 db/user@host:5 "x":
 *	what happened
 *
 * (in one line).  What happened is put together by the thread that logs; the
 * line, cut at LOG_LINE_BYTES, and its write(2) under the mutex, which is also
 * held while the file is exchanged.  Names and texts may come from a
 * peer, so bytes that would break the line or speak to a terminal are written
 * as "?".
 *
 * As JSON the same line is one object: time, level, pid, kind, id, database,
 * user, address, application, message; what is not known is left out.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/mem.h"
#include "base/text.h"

enum { LOG_LINE_BYTES = 4096, LOG_MESSAGE_BYTES = 4096 };

struct log_text {
	size_t	length;
	char	bytes[LOG_LINE_BYTES];	/* terminated */
};

static const struct {
	const char	*name;
	const char	*json;
	int		 priority;
} log_levels[] = {
	[LOG_LEVEL_DEBUG] =	{ "DEBUG",	"debug",	LOG_DEBUG },
	[LOG_LEVEL_INFO] =	{ "LOG",	"info",		LOG_INFO },
	[LOG_LEVEL_WARNING] =	{ "WARNING",	"warning",	LOG_WARNING },
	[LOG_LEVEL_ERROR] =	{ "ERROR",	"error",	LOG_ERR },
	[LOG_LEVEL_FATAL] =	{ "FATAL",	"fatal",	LOG_CRIT },
};

static const struct {
	const char	*name;
	int		 facility;
} log_facilities[] = {
	{ "daemon", LOG_DAEMON }, { "user", LOG_USER }, { "auth", LOG_AUTH },
	{ "authpriv", LOG_AUTHPRIV }, { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
};

static atomic_int	log_lowest = LOG_LEVEL_INFO;
static _Atomic uint64_t	log_hidden_count;
static struct {
	pthread_mutex_t	 mutex;
	int		 fd;		/* of the file; -1: none */
	bool		 to_stderr;
	bool		 use_syslog;
	char		*ident;		/* openlog() keeps the pointer */
	enum log_format	 format;
	int64_t		 repeat_us;
} log_shared = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.fd = -1,
	.to_stderr = true,
};					/* guarded by its mutex */

static int
log_facility(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(log_facilities); i++)
		if (name != NULL && text_equal_nocase(name,
		    log_facilities[i].name))
			return log_facilities[i].facility;
	return LOG_DAEMON;
}

static void
log_configure_syslog_locked(const struct log_settings *settings)
{
	if (log_shared.use_syslog)
		closelog();
	free(log_shared.ident);
	log_shared.ident = mem_string(settings->syslog_ident);
	log_shared.use_syslog = settings->use_syslog;
	if (log_shared.use_syslog)
		openlog(log_shared.ident != NULL ? log_shared.ident :
		    "pgweir", LOG_PID | LOG_NDELAY,
		    log_facility(settings->syslog_facility));
}

/* A file that cannot be opened is said on the old one, which is kept. */
void
log_configure(const struct log_settings *settings)
{
	bool	has_file = settings->file != NULL && *settings->file != '\0';
	int	fd = -1, error = 0;

	if (has_file) {
		fd = open(settings->file,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
		error = fd == -1 ? errno : 0;
	}
	pthread_mutex_lock(&log_shared.mutex);
	if (error == 0) {
		if (log_shared.fd != -1)
			close(log_shared.fd);
		log_shared.fd = fd;
	}
	log_shared.to_stderr = settings->to_stderr;
	log_shared.format = settings->format;
	log_shared.repeat_us = settings->repeat_us;
	log_configure_syslog_locked(settings);
	pthread_mutex_unlock(&log_shared.mutex);
	atomic_store_explicit(&log_lowest, settings->lowest,
	    memory_order_relaxed);
	if (error != 0)
		log_error(NULL, "cannot open log file \"%s\": %s",
		    settings->file, strerror(error));
}

bool
log_wants(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&log_lowest,
	    memory_order_relaxed);
}

static void	log_text_add(struct log_text *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));

static void
log_text_add_list(struct log_text *text, const char *format, va_list args)
{
	size_t	room = sizeof text->bytes - text->length;
	int	n;

	n = vsnprintf(text->bytes + text->length, room, format, args);
	if (n > 0)
		text->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void
log_text_add(struct log_text *text, const char *format, ...)
{
	va_list	args;

	va_start(args, format);
	log_text_add_list(text, format, args);
	va_end(args);
}

/* To the millisecond, in UTC. */
static void
log_text_add_time(struct log_text *text, const char *format)
{
	int64_t		now_us = clock_wall_us();
	time_t		seconds = (time_t)(now_us / US_PER_SECOND);
	struct tm	tm;
	char		when[32];

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof when, format, &tm);
	log_text_add(text, "%s.%03d", when,
	    (int)(now_us % US_PER_SECOND / US_PER_MS));
}

/* A name of a peer may be anything, so it gets a bounded share of a line. */
static void
log_text_add_who(struct log_text *text, const struct log_who *who)
{
	if (who->kind != NULL)
		log_text_add(text, "%.40s ", who->kind);
	if (who->id != 0)
		log_text_add(text, "%llu ", (unsigned long long)who->id);
	if (who->database != NULL || who->user != NULL)
		log_text_add(text, "%.200s/%.200s",
		    who->database != NULL ? who->database : "-",
		    who->user != NULL ? who->user : "-");
	if (who->address != NULL)
		log_text_add(text, "@%.200s", who->address);
	if (who->application != NULL && *who->application != '\0')
		log_text_add(text, " \"%.200s\"", who->application);
	while (text->length > 0 && text->bytes[text->length - 1] == ' ')
		text->bytes[--text->length] = '\0';
	log_text_add(text, ": ");
}

/* Control characters become "?"; bytes above ASCII are UTF-8 and stay. */
static void
log_text_clean(struct log_text *text)
{
	unsigned char	c;

	for (size_t i = 0; i < text->length; i++) {
		c = (unsigned char)text->bytes[i];
		if (c < 0x20 || c == 0x7f)
			text->bytes[i] = '?';
	}
}

static void
log_json_member(struct log_text *text, const char *name, const char *value,
    size_t most)
{
	size_t	room;

	if (value == NULL || *value == '\0')
		return;
	log_text_add(text, ",\"%s\":\"", name);
	room = sizeof text->bytes - text->length;
	text->length += json_escape(text->bytes + text->length,
	    room < most ? room : most, value);
	log_text_add(text, "\"");
}

/* Every name has its share, so that the end of the object always fits. */
static void
log_text_json(struct log_text *text, enum log_level level,
    const struct log_who *who, const char *message)
{
	log_text_add(text, "{\"time\":\"");
	log_text_add_time(text, "%Y-%m-%dT%H:%M:%S");
	log_text_add(text, "Z\",\"level\":\"%s\",\"pid\":%ld",
	    log_levels[level].json, (long)getpid());
	if (who != NULL) {
		log_json_member(text, "kind", who->kind, 40);
		if (who->id != 0)
			log_text_add(text, ",\"id\":%llu",
			    (unsigned long long)who->id);
		log_json_member(text, "database", who->database, 200);
		log_json_member(text, "user", who->user, 200);
		log_json_member(text, "address", who->address, 200);
		log_json_member(text, "application", who->application, 200);
	}
	log_json_member(text, "message", message,
	    sizeof text->bytes - text->length - 16);
	log_text_add(text, "}");
}

static void
log_text_plain(struct log_text *text, enum log_level level,
    const struct log_who *who, const char *message)
{
	log_text_add_time(text, "%Y-%m-%d %H:%M:%S");
	log_text_add(text, " UTC [%ld] %s ", (long)getpid(),
	    log_levels[level].name);
	if (who != NULL)
		log_text_add_who(text, who);
	log_text_add(text, "%s", message);
	log_text_clean(text);
}

static void
log_write(int fd, const struct log_text *text)
{
	ssize_t	n;

	/* There is nobody to tell when the log itself cannot be written. */
	do
		n = write(fd, text->bytes, text->length);
	while (n == -1 && errno == EINTR);
}

static void
log_write_locked(enum log_level level, const struct log_who *who,
    const char *message)
{
	struct log_text	text = { .length = 0 }, head = { .length = 0 };

	if (log_shared.use_syslog) {
		if (who != NULL)
			log_text_add_who(&head, who);
		log_text_add(&head, "%s", message);
		log_text_clean(&head);
		syslog(log_levels[level].priority, "%s", head.bytes);
	}
	if (log_shared.format == LOG_FORMAT_JSON)
		log_text_json(&text, level, who, message);
	else
		log_text_plain(&text, level, who, message);
	text.bytes[text.length++] = '\n';	/* in place of the NUL */
	if (log_shared.fd != -1)
		log_write(log_shared.fd, &text);
	if (log_shared.to_stderr)
		log_write(STDERR_FILENO, &text);
}

static void
log_tell_locked(const struct log_repeated *told)
{
	struct log_who	who = { .database = told->database,
			    .user = told->user };
	char		message[LOG_REPEAT_TEXT_BYTES + 64];

	snprintf(message, sizeof message, "%llu more like this: %s",
	    (unsigned long long)told->count, told->text);
	log_write_locked(told->level, told->database[0] != '\0' ||
	    told->user[0] != '\0' ? &who : NULL, message);
}

/* Errors may come in thousands; what has happened once is written at once. */
static bool
log_hides_locked(enum log_level level, const struct log_who *who,
    const char *message)
{
	struct log_repeated	told = { .count = 0 };

	if (log_shared.repeat_us == 0 || level < LOG_LEVEL_WARNING ||
	    level == LOG_LEVEL_FATAL)
		return false;
	if (log_repeat_hides(level, who, message, clock_now_us(),
	    log_shared.repeat_us, &told)) {
		atomic_fetch_add(&log_hidden_count, 1);
		return true;
	}
	if (told.count > 0)
		log_tell_locked(&told);
	return false;
}

void
log_line(enum log_level level, const struct log_who *who, const char *format,
    ...)
{
	char	message[LOG_MESSAGE_BYTES];
	va_list	args;

	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	pthread_mutex_lock(&log_shared.mutex);
	if (!log_hides_locked(level, who, message))
		log_write_locked(level, who, message);
	pthread_mutex_unlock(&log_shared.mutex);
}

void
log_flush(bool is_end)
{
	struct log_repeated	told;

	pthread_mutex_lock(&log_shared.mutex);
	while (log_repeat_next(clock_now_us(), log_shared.repeat_us, is_end,
	    &told))
		log_tell_locked(&told);
	pthread_mutex_unlock(&log_shared.mutex);
}

uint64_t
log_hidden(void)
{
	return atomic_load(&log_hidden_count);
}
