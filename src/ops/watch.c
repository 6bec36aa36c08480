/*
 * See ops/watch.h.
 *
 *	event -> (WATCH_SETTLE_US) -> watch anew -> look at the files ->
 *	one has changed: reload -> watch_follow()
 *
 * The directories are watched anew before the files are looked at, and those
 * are looked at before they are read, so a change that comes in between is
 * another event, or is found by the look that follows every reload.
 */

#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "ops/process.h"
#include "ops/watch.h"

/* Several files that change together are one reload. */
#define WATCH_SETTLE_US	(200 * US_PER_MS)
#define WATCH_EVENTS	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |	\
			    IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | \
			    IN_MOVE_SELF | IN_ONLYDIR)

struct watched_file {
	char		*path;
	uint64_t	 print;		/* of what stat() says; 0: none */
};

static struct {
	struct loop		*loop;
	struct watched_file	*files;
	size_t			 count;
	int			 fd;		/* inotify's; -1: none */
	struct event		*event;
	struct deadline		 settle;
} watch = { .fd = -1 };

static void	watch_on_settled(struct loop *, struct deadline *);

static uint64_t
watch_print(const char *path)
{
	struct stat	file;
	uint64_t	numbers[6];

	if (stat(path, &file) != 0)
		return 0;
	numbers[0] = (uint64_t)file.st_dev;
	numbers[1] = (uint64_t)file.st_ino;
	numbers[2] = (uint64_t)file.st_size;
	numbers[3] = (uint64_t)file.st_mtim.tv_sec;
	numbers[4] = (uint64_t)file.st_mtim.tv_nsec;
	numbers[5] = (uint64_t)file.st_mode;
	return hash_bytes(numbers, sizeof numbers) | 1;
}

/*
 * Directories.
 */

static void
watch_on_event(evutil_socket_t fd, short what, void *arg)
{
	char	room[4096];

	(void)what;
	(void)arg;
	while (read(fd, room, sizeof room) > 0)
		;
	if (!deadline_is_set(&watch.settle))
		deadline_set(watch.loop, &watch.settle, WATCH_SETTLE_US,
		    watch_on_settled);
	loop_run_tasks(watch.loop);
}

static void
watch_close(void)
{
	if (watch.event != NULL)
		event_free(watch.event);
	if (watch.fd != -1)
		close(watch.fd);
	watch.event = NULL;
	watch.fd = -1;
}

/* The directory of a path, and where its links lead to in the end. */
static bool
watch_directories_of(const char *path)
{
	char	*copy = mem_string(path), real[PATH_MAX];
	bool	 good = inotify_add_watch(watch.fd, dirname(copy),
		    WATCH_EVENTS) != -1;

	free(copy);
	if (realpath(path, real) != NULL)
		good = inotify_add_watch(watch.fd, dirname(real),
		    WATCH_EVENTS) != -1 && good;
	return good;
}

static void
watch_directories(void)
{
	watch_close();
	watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (size_t i = 0; i < watch.count; i++)
		if (watch.fd == -1 ||
		    !watch_directories_of(watch.files[i].path))
			log_warning(NULL, "auto_reload cannot watch \"%s\": "
			    "%s", watch.files[i].path, strerror(errno));
	if (watch.fd == -1)
		return;
	watch.event = event_new(watch.loop->base, watch.fd,
	    EV_READ | EV_PERSIST, watch_on_event, NULL);
	event_add(watch.event, NULL);
}

/*
 * Files.
 */

static void
watch_forget(void)
{
	for (size_t i = 0; i < watch.count; i++)
		free(watch.files[i].path);
	free(watch.files);
	watch.files = NULL;
	watch.count = 0;
}

static const struct watched_file *
watch_find(const struct watched_file *files, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

/*
 * A file that was watched before keeps the print that it had when it was
 * read; of a new one, which is not known to be as it was read, none.
 */
static void
watch_take_files(const struct config *config, bool is_start)
{
	struct watched_file	*files, *old = watch.files;
	const struct watched_file *same;
	size_t			 old_count = watch.count;

	files = mem_new((config->file_count + 1) * sizeof *files);
	for (size_t i = 0; i < config->file_count; i++) {
		same = watch_find(old, old_count, config->files[i]);
		files[i].path = mem_string(config->files[i]);
		files[i].print = same != NULL ? same->print : is_start ?
		    watch_print(config->files[i]) : 0;
	}
	watch_forget();
	watch.files = files;
	watch.count = config->file_count;
}

static void
watch_on_reloaded(void *arg, const char *error)
{
	/* The reload has told the log itself. */
	(void)arg;
	(void)error;
}

static bool
watch_is_wanted(void)
{
	struct config	*config = config_current();
	bool		 wanted = config->option.auto_reload;

	config_release(config);
	return wanted;
}

static void
watch_on_settled(struct loop *loop, struct deadline *deadline)
{
	const char	*changed = NULL;
	uint64_t	 print;

	(void)deadline;
	watch_directories();
	for (size_t i = 0; i < watch.count; i++) {
		print = watch_print(watch.files[i].path);
		if (print == watch.files[i].print)
			continue;
		watch.files[i].print = print;
		changed = watch.files[i].path;
	}
	if (changed == NULL || !watch_is_wanted())
		return;
	log_info(NULL, "\"%s\" has changed: reloading", changed);
	process.configure(NULL, NULL, loop, watch_on_reloaded, NULL);
}

void
watch_follow(const struct config *config)
{
	if (watch.loop == NULL)
		return;
	if (!config->option.auto_reload) {
		watch_close();
		watch_forget();
		return;
	}
	watch_take_files(config, false);
	watch_directories();
	/* What happened since they were read went to the old watches. */
	deadline_set(watch.loop, &watch.settle, WATCH_SETTLE_US,
	    watch_on_settled);
}

void
watch_start(struct loop *loop, const struct config *config)
{
	watch.loop = loop;
	if (!config->option.auto_reload)
		return;
	watch_take_files(config, true);
	watch_directories();
}
