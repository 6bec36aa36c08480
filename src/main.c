/*
 * pgweir: the process from start to end.
 *
 *	read the configuration -> log, identity, descriptors -> loops and
 *	threads -> listeners -> run -> drain -> stop
 *
 * The main thread accepts connections, resolves names, asks auth_query,
 * reloads and handles signals; workers do everything else.  A single worker
 * is the main thread itself.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/opensslv.h>

#include "base/log.h"
#include "client/auth_query.h"
#include "config/config.h"
#include "daemon.h"
#include "front.h"
#include "lifecycle.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "ops/console.h"
#include "ops/http.h"
#include "ops/top.h"
#include "ops/watch.h"
#include "pool/backend.h"
#include "pool/budget.h"
#include "pool/cluster.h"
#include "pool/monitor.h"
#include "pool/peers.h"
#include "pool/pool.h"
#include "relay/relay.h"
#include "route/catalogue_source.h"
#include "worker.h"

struct arguments {
	const char	*file;		/* NULL: environment alone */
	const char	*user;
	bool		 is_check;
	bool		 is_daemon;
	int		 verbose;
	bool		 is_quiet;
};

extern char	**environ;

static void
main_usage(FILE *to)
{
	fputs("usage: pgweir [-dqv] [-u USER] [FILE]\n"
	    "       pgweir --check FILE\n"
	    "       pgweir top [-1] [-i INTERVAL] [CONNECTION]\n"
	    "\n"
	    "  FILE              the configuration; without it everything\n"
	    "                    comes from PGWEIR_... in the environment,\n"
	    "                    at least PGWEIR_DATABASE_URL\n"
	    "  -d, --daemon      go into the background (needs logfile and\n"
	    "                    pidfile)\n"
	    "  -u, --user=USER   run as this user\n"
	    "  -v, --verbose     log more\n"
	    "  -q, --quiet       log to logfile or syslog only\n"
	    "      --check       read FILE, say what is wrong with it, exit\n"
	    "  -V, --version     say the version\n"
	    "  -h, --help        say this\n", to);
}

static void
main_version(void)
{
	printf("pgweir %s\nlibevent %s, %s\n", PACKAGE_VERSION,
	    event_get_version(), OPENSSL_VERSION_TEXT);
}

static void
main_parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option	options[] = {
		{ "check", no_argument, NULL, 'C' },
		{ "daemon", no_argument, NULL, 'd' },
		{ "user", required_argument, NULL, 'u' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int	letter;

	while ((letter = getopt_long(argc, argv, "dqRu:vVh", options,
	    NULL)) != -1)
		switch (letter) {
		case 'C':
			arguments->is_check = true;
			break;
		case 'd':
			arguments->is_daemon = true;
			break;
		case 'R':
			fputs("pgweir: -R, PgBouncer's online restart, is not "
			    "here: with so_reuseport start the new process, "
			    "then stop the old one\n", stderr);
			exit(EXIT_FAILURE);
		case 'u':
			arguments->user = optarg;
			break;
		case 'v':
			arguments->verbose++;
			break;
		case 'q':
			arguments->is_quiet = true;
			break;
		case 'V':
			main_version();
			exit(EXIT_SUCCESS);
		case 'h':
			main_usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			main_usage(stderr);
			exit(EXIT_FAILURE);
		}
	if (optind < argc - 1 ||
	    (arguments->is_check && optind == argc)) {
		main_usage(stderr);
		exit(EXIT_FAILURE);
	}
	arguments->file = argv[optind];
}

static void
main_on_fault(void *arg, bool is_error, const char *sentence)
{
	(void)arg;
	log_line(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL, "%s",
	    sentence);
}

/* Before there is a configuration, the log is stderr. */
static void
main_log_early(const struct arguments *arguments)
{
	struct log_settings	settings = {
		.to_stderr = true,
		.lowest = arguments->verbose > 0 ? LOG_LEVEL_DEBUG :
		    LOG_LEVEL_INFO,
	};

	log_configure(&settings);
}

static struct config *
main_configure(const struct arguments *arguments)
{
	struct config_report	report = { main_on_fault, NULL };
	struct config		*config;

	if (arguments->file == NULL &&
	    getenv("PGWEIR_DATABASE_URL") == NULL) {
		main_usage(stderr);
		exit(EXIT_FAILURE);
	}
	config = config_read(arguments->file, environ, &report);
	if (config == NULL) {
		log_fatal(NULL, "the configuration%s%s is not usable; see "
		    "above", arguments->file != NULL ? " " : "",
		    arguments->file != NULL ? arguments->file : "");
		exit(EXIT_FAILURE);
	}
	return config;
}

static void
main_settle(const struct arguments *arguments, const struct config *config)
{
	const char	*user = arguments->user != NULL ? arguments->user :
			    config->option.user;
	const char	*pidfile = config->option.pidfile;
	char		 error[512];

	daemon_raise_descriptors(config);
	if ((user[0] != '\0' && !daemon_become(user, error, sizeof error)) ||
	    (arguments->is_daemon && !daemon_detach(error, sizeof error)) ||
	    (pidfile[0] != '\0' &&
	    !daemon_write_pid(pidfile, error, sizeof error))) {
		log_fatal(NULL, "%s", error);
		exit(EXIT_FAILURE);
	}
}

int
main(int argc, char **argv)
{
	struct arguments	 arguments = { .file = NULL };
	struct config		*config;
	struct loop		*loop;
	struct resolver		*resolver;
	char			 error[512];
	int			 workers;

	if (argc > 1 && strcmp(argv[1], "top") == 0)
		return top_main(argc - 1, argv + 1);
	main_parse(argc, argv, &arguments);
	main_log_early(&arguments);
	config = main_configure(&arguments);
	if (arguments.is_check) {
		printf("%s is usable: %zu database%s\n", arguments.file,
		    config->database_count,
		    config->database_count == 1 ? "" : "s");
		config_release(config);
		return EXIT_SUCCESS;
	}
	if (arguments.is_daemon && (config->option.logfile[0] == '\0' ||
	    config->option.pidfile[0] == '\0')) {
		log_fatal(NULL, "-d needs logfile and pidfile");
		return EXIT_FAILURE;
	}
	lifecycle_log(config, arguments.verbose, arguments.is_quiet, false);
	main_settle(&arguments, config);
	signal(SIGPIPE, SIG_IGN);

	workers = config->option.workers;
	if (workers <= 0)
		workers = daemon_cores();
	loop = loop_new(0);
	resolver = resolver_new(loop, config->option.resolv_conf);
	workers_make(workers, loop);
	pools_init(workers_loops());
	pools_add_loop(loop);
	for (int i = 1; i < workers_loops(); i++)
		pools_add_loop(worker_loop(i - 1));
	backends_init(loop, resolver);
	clusters_init(loop, resolver);
	monitors_init(loop);
	peers_init(loop, resolver);
	auth_query_init(loop);
	catalogues_init(loop);
	relay_init();
	console_init();
	config_replace(config_hold(config));
	if (!front_open(loop, config, error, sizeof error)) {
		log_fatal(NULL, "%s", error);
		if (config->option.pidfile[0] != '\0')
			daemon_remove_pid(config->option.pidfile);
		return EXIT_FAILURE;
	}
	lifecycle_start(loop, arguments.file);
	clusters_reload(config);
	peers_start(config, front_port(config));
	budget_start(loop);
	http_start(loop, config);
	watch_start(loop, config);
	workers_start();
	log_info(NULL, "pgweir %s is ready: %d worker%s, %zu database%s",
	    PACKAGE_VERSION, workers, workers == 1 ? "" : "s",
	    config->database_count, config->database_count == 1 ? "" : "s");
	if (arguments.is_daemon) {
		lifecycle_log(config, arguments.verbose, arguments.is_quiet,
		    true);
		daemon_leave_terminal();
	}
	daemon_notify("READY=1");
	loop_run(loop);

	log_flush(true);
	log_info(NULL, "pgweir has stopped");
	front_close();
	if (config->option.pidfile[0] != '\0')
		daemon_remove_pid(config->option.pidfile);
	config_release(config);
	/* Threads have ended; the system takes back the rest at once. */
	_exit(EXIT_SUCCESS);
}
