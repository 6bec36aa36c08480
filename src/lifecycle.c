/*
 * See lifecycle.h.  Everything here runs in the main thread; the console's
 * wishes come as letters.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "front.h"
#include "lifecycle.h"
#include "net/loop.h"
#include "ops/process.h"
#include "ops/show.h"
#include "ops/suspend.h"
#include "ops/watch.h"
#include "pool/cluster.h"
#include "pool/peers.h"
#include "pool/pool.h"
#include "relay/hearer.h"
#include "relay/relay.h"
#include "session/words.h"
#include "stop.h"
#include "wire/msg.h"
#include "wire/scram.h"
#include "worker.h"

static struct {
	struct loop		*loop;
	char			*file;
	int			 verbose;
	bool			 is_quiet;
	bool			 is_daemon;
	struct deadline		 flush;		/* of the log */
} lifecycle;

/* How often hidden lines of the log are looked for, at most. */
#define FLUSH_US	(10 * US_PER_SECOND)
#define FLUSH_LEAST_US	(20 * US_PER_MS)

extern char	**environ;
struct process	 process;

void
lifecycle_log(const struct config *config, int verbose, bool is_quiet,
    bool is_daemon)
{
	const struct option_values	*option = &config->option;
	struct log_settings		 settings = {
		.file = option->logfile,
		.to_stderr = !is_quiet && !is_daemon,
		.use_syslog = option->syslog,
		.syslog_ident = option->syslog_ident,
		.syslog_facility = option->syslog_facility,
		.lowest = verbose > 0 || option->verbose > 0 ?
		    LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		.format = (enum log_format)option->log_format,
		.repeat_us = option->log_repeat_interval_us,
	};

	lifecycle.verbose = verbose;
	lifecycle.is_quiet = is_quiet;
	lifecycle.is_daemon = is_daemon;
	log_configure(&settings);
}

/* Counts of lines that were hidden are told, also when no more come. */
static void
lifecycle_on_flush(struct loop *loop, struct deadline *deadline)
{
	struct config	*config = config_current();
	int64_t		 interval_us = config->option.log_repeat_interval_us;

	config_release(config);
	log_flush(false);
	deadline_set(loop, deadline, interval_us > FLUSH_US ? FLUSH_US :
	    interval_us < FLUSH_LEAST_US ? FLUSH_US : interval_us,
	    lifecycle_on_flush);
}

/*
 * Reloading.
 */

static void
lifecycle_on_fault(void *arg, bool is_error, const char *sentence)
{
	struct buf	*faults = arg;

	log_line(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL, "%s",
	    sentence);
	if (is_error)
		buf_printf(faults, "%s%s", buf_length(faults) > 0 ? "; " : "",
		    sentence);
}

/* What the floors keep outside of the snapshot. */
static void
lifecycle_apply_limits(const struct config *config)
{
	int64_t	packet = config->option.max_packet_size - MSG_HEAD_BYTES;

	relay_prepared_max = (size_t)config->option.max_prepared_statements;
	hearer_kept_max = (size_t)config->option.listen_queue_bytes;
	statement_bytes_max = (size_t)config->option.max_statement_bytes;
	relay_retry_bytes = (size_t)config->option.retry_buffer;
	statement_memory_max =
	    (size_t)config->option.max_statement_memory_bytes;
	words_are_followed = config->option.follow_functions;
	relay_no_queries = config->option.disable_pqexec;
	relay_names_max = (size_t)config->option.max_client_statements;
	atomic_store(&relay_slow_us, config->option.log_slow_us);
	atomic_store(&relay_notify_us, config->option.query_wait_notify_us);
	atomic_store(&pool_fast_close, config->option.server_fast_close);
	atomic_store(&msg_body_bytes_allowed, packet < MSG_BODY_BYTES_MAX ?
	    (uint32_t)packet : MSG_BODY_BYTES_MAX);
	atomic_store(&scram_iterations, config->option.scram_iterations);
}

static void
lifecycle_tell_certificate(const struct config *config)
{
	if (config->is_self_signed)
		log_info(NULL, "TLS towards clients has a self-signed "
		    "certificate, made for this process: it proves nothing "
		    "about who answers; set client_tls_cert_file for that");
}

/* Takes the snapshot over; it is in force everywhere afterwards. */
static void
lifecycle_apply(struct config *config)
{
	lifecycle_log(config, lifecycle.verbose, lifecycle.is_quiet,
	    lifecycle.is_daemon);
	lifecycle_apply_limits(config);
	config_replace(config_hold(config));
	clusters_reload(config);
	peers_reload(config);
	front_apply(config);
	pools_reload(config);
	watch_follow(config);
	config_release(config);
}

/* All of it, or nothing. */
static bool
lifecycle_reload(struct buf *faults)
{
	struct config_report	 report = { lifecycle_on_fault, faults };
	struct config		*config, *running;

	config = config_read(lifecycle.file, environ, &report);
	if (config == NULL) {
		log_error(NULL, "the configuration was not reloaded: the old "
		    "one stays in force");
		process.reload_has_failed = true;
		process.reloads[1]++;
		return false;
	}
	lifecycle_tell_certificate(config);
	running = config_current();
	config_keep_fixed(config, running, &report);
	config_release(running);
	lifecycle_apply(config);
	process.reload_has_failed = false;
	process.reloads[0]++;
	process.config_read_us = clock_wall_us();
	log_info(NULL, "the configuration was reloaded");
	return true;
}

/* One option, with all that has been set before. */
static char *
lifecycle_set(const char *name, const char *value)
{
	struct config	*config = config_current(), *fresh;
	char		 error[600];

	fresh = config_with(config, name, value, error, sizeof error);
	config_release(config);
	if (fresh == NULL)
		return mem_string(error);
	lifecycle_apply(fresh);
	return NULL;
}

/* The console's: a reload, or one option. */
struct config_wish {
	struct letter	 letter;
	struct loop	*asking;
	char		*name;		/* NULL: a reload */
	char		*value;
	char		*error;
	void		(*done)(void *, const char *);
	void		*arg;
};

static void
lifecycle_on_config_done(struct loop *loop, struct letter *letter)
{
	struct config_wish	*wish = container_of(letter,
				    struct config_wish, letter);

	(void)loop;
	wish->done(wish->arg, wish->error);
	free(wish->name);
	free(wish->value);
	free(wish->error);
	free(wish);
}

static void
lifecycle_on_config_wish(struct loop *loop, struct letter *letter)
{
	struct config_wish	*wish = container_of(letter,
				    struct config_wish, letter);
	struct buf		 faults;

	(void)loop;
	buf_init(&faults);
	if (wish->name != NULL)
		wish->error = lifecycle_set(wish->name, wish->value);
	else if (!lifecycle_reload(&faults))
		wish->error = mem_string_n((char *)buf_bytes(&faults),
		    buf_length(&faults));
	buf_done(&faults);
	wish->letter.read = lifecycle_on_config_done;
	loop_post(wish->asking, &wish->letter);
}

static void
process_configure(const char *name, const char *value, struct loop *asking,
    void (*done)(void *, const char *), void *arg)
{
	struct config_wish	*wish = mem_new(sizeof *wish);

	wish->asking = asking;
	wish->name = mem_string(name);
	wish->value = mem_string(value);
	wish->done = done;
	wish->arg = arg;
	wish->letter.read = lifecycle_on_config_wish;
	loop_post(lifecycle.loop, &wish->letter);
}

/*
 * The console's wish to stop.
 */

struct shutdown_wish {
	struct letter		letter;
	enum shutdown_mode	mode;
};

static void
lifecycle_on_shutdown_wish(struct loop *loop, struct letter *letter)
{
	struct shutdown_wish	*wish = container_of(letter,
				    struct shutdown_wish, letter);

	(void)loop;
	stop_begin(wish->mode);
	free(wish);
}

static void
process_shutdown(enum shutdown_mode mode)
{
	struct shutdown_wish	*wish = mem_new(sizeof *wish);

	wish->mode = mode;
	wish->letter.read = lifecycle_on_shutdown_wish;
	loop_post(lifecycle.loop, &wish->letter);
}

/*
 * Signals.
 */

static enum shutdown_mode
lifecycle_term_mode(void)
{
	struct config	*config = config_current();
	bool		 is_pgbouncer = config->is_pgbouncer;

	config_release(config);
	return is_pgbouncer ? SHUTDOWN_WAIT_FOR_CLIENTS : SHUTDOWN_DRAIN;
}

static void
lifecycle_pause_all(bool pauses)
{
	if (pauses)
		pools_pause(NULL);
	else {
		suspend_end("SIGUSR2");
		pools_resume(NULL);
	}
	log_info(NULL, "all pools are %s", pauses ? "paused" : "resumed");
}

static void
lifecycle_on_signal(evutil_socket_t number, short what, void *arg)
{
	struct buf	faults;

	(void)what;
	(void)arg;
	switch (number) {
	case SIGHUP:
		buf_init(&faults);
		lifecycle_reload(&faults);
		buf_done(&faults);
		break;
	case SIGTERM:
		stop_begin(lifecycle_term_mode());
		break;
	case SIGINT:
		stop_begin(SHUTDOWN_WAIT_FOR_SERVERS);
		break;
	case SIGQUIT:
		stop_begin(SHUTDOWN_NOW);
		break;
	case SIGUSR1:
		lifecycle_pause_all(true);
		break;
	case SIGUSR2:
		lifecycle_pause_all(false);
		break;
	}
	loop_run_tasks(lifecycle.loop);
}

static struct loop *
process_loop(int index)
{
	return index == 0 ? lifecycle.loop : worker_loop(index - 1);
}

void
lifecycle_start(struct loop *loop, const char *config_file)
{
	static const int	 numbers[] = { SIGHUP, SIGTERM, SIGINT,
				    SIGQUIT, SIGUSR1, SIGUSR2 };
	struct config		*config = config_current();

	lifecycle.loop = loop;
	stop_init(loop);
	lifecycle.file = mem_string(config_file);
	lifecycle_apply_limits(config);
	lifecycle_tell_certificate(config);
	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
		event_add(evsignal_new(loop->base, numbers[i],
		    lifecycle_on_signal, NULL), NULL);
	lifecycle_on_flush(loop, &lifecycle.flush);
	process.configure = process_configure;
	process.shutdown = process_shutdown;
	process.set_accepting = front_set_accepting;
	process.loop_count = workers_loops();
	process.loop = process_loop;
	process.started_us = clock_now_us();
	process.config_read_us = clock_wall_us();
	process.state = stop_state_name;
	show_stats_start(loop);
	config_release(config);
}
