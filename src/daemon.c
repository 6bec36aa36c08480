/*
 * See daemon.h.  Main thread only.
 */

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "daemon.h"

/* Descriptors beside clients' and servers': logs, loops, look-ups. */
#define DESCRIPTORS_OWN	64

/* Up to two numbers from a file; how many there were. */
static int
daemon_read_numbers(const char *directory, const char *name, long *one,
    long *two)
{
	char	 path[4300];
	FILE	*file;
	int	 n;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	if ((file = fopen(path, "re")) == NULL)
		return 0;
	n = fscanf(file, "%ld %ld", one, two);
	fclose(file);
	return n;
}

/* A group's quota in whole cores, rounded up; 0: none, or not known. */
static int
daemon_quota_of(const char *directory)
{
	long	quota = 0, period = 0, none;

	if (daemon_read_numbers(directory, "cpu.max", &quota, &period) != 2 &&
	    (daemon_read_numbers(directory, "cpu.cfs_quota_us", &quota,
	    &none) != 1 || daemon_read_numbers(directory,
	    "cpu.cfs_period_us", &period, &none) != 1))
		return 0;
	if (quota <= 0 || period <= 0)
		return 0;
	return (int)((quota + period - 1) / period);
}

/*
 * The least quota of a group and of each above it.  In a container the path
 * may be one of the host's, of which only the top can be seen.
 */
static int
daemon_quota_up(const char *mount, char *group)
{
	char	 directory[4200], *slash;
	int	 least = 0, quota;

	for (;;) {
		snprintf(directory, sizeof directory, "%s%s", mount, group);
		quota = daemon_quota_of(directory);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
		if ((slash = strrchr(group, '/')) == NULL)
			return least;
		*slash = '\0';
	}
}

/* Lines of "number:controllers:group"; version 2 names no controllers. */
static int
daemon_quota(void)
{
	char	 line[4096], *controllers, *group;
	FILE	*file = fopen("/proc/self/cgroup", "re");
	int	 quota = 0;

	while (quota == 0 && file != NULL &&
	    fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((controllers = strchr(line, ':')) == NULL ||
		    (group = strchr(++controllers, ':')) == NULL)
			continue;
		*group++ = '\0';
		if (controllers[0] == '\0')
			quota = daemon_quota_up("/sys/fs/cgroup", group);
		else if (text_list_has(controllers, "cpu"))
			quota = daemon_quota_up("/sys/fs/cgroup/cpu", group);
	}
	if (file != NULL)
		fclose(file);
	return quota;
}

int
daemon_cores(void)
{
	cpu_set_t	set;
	int		cores = 1, quota = daemon_quota();

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		cores = CPU_COUNT(&set);
	if (quota > 0 && quota < cores)
		cores = quota;
	return cores > 0 ? cores : 1;
}

/* What all pools of the databases named may open together. */
static long
daemon_servers(const struct config *config)
{
	struct pool_settings	settings;
	long			n = 0;

	for (size_t i = 0; i < config->database_count; i++) {
		config_pool_settings(config, config->databases[i], "",
		    &settings);
		n += settings.pool_size + settings.reserve_pool_size;
	}
	return n;
}

void
daemon_raise_descriptors(const struct config *config)
{
	struct rlimit	limit;
	long		clients = config->option.max_client_conn;
	long		servers = daemon_servers(config);
	long		need = clients + servers + DESCRIPTORS_OWN;
	const char	*cause = servers > clients ? "default_pool_size (or "
			    "pool_size)" : "max_client_conn";

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max == RLIM_INFINITY ||
	    limit.rlim_max > 1024 * 1024)
		limit.rlim_cur = 1024 * 1024;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	if ((long)limit.rlim_cur < need)
		log_warning(NULL, "only %ld file descriptors are allowed, but "
		    "max_client_conn (%ld) and the pools' sizes (%ld servers "
		    "for one user each) need %ld: lower %s or raise the "
		    "limit (ulimit -n, LimitNOFILE)",
		    (long)limit.rlim_cur, clients, servers, need, cause);
}

bool
daemon_become(const char *user, char *error, size_t size)
{
	struct passwd	*entry = getpwnam(user);

	if (entry == NULL) {
		snprintf(error, size, "there is no user \"%s\" to run as",
		    user);
		return false;
	}
	if (geteuid() == entry->pw_uid)
		return true;
	if (initgroups(user, entry->pw_gid) != 0 ||
	    setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
		snprintf(error, size, "cannot become user \"%s\": %s", user,
		    strerror(errno));
		return false;
	}
	return true;
}

/* Where the parent waits for the word that all is well; -1: nobody does. */
static int	daemon_waiting = -1;

/* One byte: it has started.  The end: it has not, and has said why. */
static void
daemon_wait(int fd)
{
	char	byte;
	ssize_t	n;

	do
		n = read(fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool
daemon_detach(char *error, size_t size)
{
	int	ends[2];
	pid_t	child;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) == -1) {
		snprintf(error, size, "cannot go into the background: %s",
		    strerror(errno));
		return false;
	}
	if (child != 0) {
		close(ends[1]);
		daemon_wait(ends[0]);
	}
	close(ends[0]);
	daemon_waiting = ends[1];
	setsid();
	return true;
}

void
daemon_leave_terminal(void)
{
	int	null;

	if (daemon_waiting == -1)
		return;
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	(void)!write(daemon_waiting, "", 1);
	close(daemon_waiting);
	daemon_waiting = -1;
}

/* The process whose pid the file has, if it runs; else 0. */
static pid_t
daemon_pid_of(const char *path)
{
	FILE	*file = fopen(path, "re");
	long	 pid = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	fclose(file);
	if (pid <= 0 || pid == getpid() ||
	    (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
		return 0;
	return (pid_t)pid;
}

bool
daemon_write_pid(const char *path, char *error, size_t size)
{
	pid_t	 other = daemon_pid_of(path);
	FILE	*file;

	if (other != 0) {
		snprintf(error, size, "pidfile \"%s\" says that process %ld "
		    "runs already", path, (long)other);
		return false;
	}
	if ((file = fopen(path, "we")) == NULL ||
	    fprintf(file, "%ld\n", (long)getpid()) < 0) {
		snprintf(error, size, "cannot write pidfile \"%s\": %s", path,
		    strerror(errno));
		if (file != NULL)
			fclose(file);
		return false;
	}
	fclose(file);
	return true;
}

void
daemon_remove_pid(const char *path)
{
	unlink(path);
}

void
daemon_notify(const char *state)
{
	const char		*path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un	 to = { .sun_family = AF_UNIX };
	size_t			 length;
	int			 fd;

	if (path == NULL || (length = strlen(path)) == 0 ||
	    length >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, length);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}
