/*
 * The log: one event, one line, to stderr, a file or syslog.
 *
 * A line says when, how bad, who it was about and what happened.  Lines are
 * written with one write(2) under a mutex that only the log takes, so that
 * any thread may log.  No secret is ever passed in here.
 */

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,	/* -v */
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_FATAL,
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
};

/* Whom a line is about; any string may be NULL. */
struct log_who {
	const char	*kind;		/* "client", "server", "host", ... */
	uint64_t	 id;
	const char	*database;
	const char	*user;
	const char	*address;	/* printable, with port */
	const char	*application;
};

struct log_settings {
	const char	*file;		/* NULL or "": none */
	bool		 to_stderr;
	bool		 use_syslog;
	const char	*syslog_ident;
	const char	*syslog_facility;
	enum log_level	 lowest;	/* lines below are dropped */
	enum log_format	 format;
	int64_t		 repeat_us;	/* see base/log_repeat.h; 0: off */
};

/* May be called again at a reload; reopens the file. */
void	log_configure(const struct log_settings *);
bool	log_wants(enum log_level);
/* Tell the counts of hidden lines that are due, or all at the end. */
void	log_flush(bool is_end);
/* How many lines were hidden, ever. */
uint64_t	log_hidden(void);

void	log_line(enum log_level, const struct log_who *, const char *, ...)
	    __attribute__((format(printf, 3, 4)));

#define log_debug(who, ...)						\
	do {								\
		if (log_wants(LOG_LEVEL_DEBUG))				\
			log_line(LOG_LEVEL_DEBUG, (who), __VA_ARGS__);	\
	} while (0)
#define log_info(who, ...)	log_line(LOG_LEVEL_INFO, (who), __VA_ARGS__)
#define log_warning(who, ...)	log_line(LOG_LEVEL_WARNING, (who), __VA_ARGS__)
#define log_error(who, ...)	log_line(LOG_LEVEL_ERROR, (who), __VA_ARGS__)
#define log_fatal(who, ...)	log_line(LOG_LEVEL_FATAL, (who), __VA_ARGS__)

#endif
