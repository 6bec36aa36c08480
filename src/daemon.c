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
#include "config/config.h"
#include "daemon.h"

/* Descriptors beside clients' and servers': logs, loops, look-ups. */
#define DESCRIPTORS_OWN	64

/* The cgroup's quota in whole cores, rounded up; 0: none, or not known. */
static int
daemon_quota_of(const char *path)
{
	FILE	*file = fopen(path, "re");
	long	 quota = 0, period = 0;
	int	 n;

	if (file == NULL)
		return 0;
	n = fscanf(file, "%ld %ld", &quota, &period);
	fclose(file);
	if (n != 2 || quota <= 0 || period <= 0)
		return 0;
	return (int)((quota + period - 1) / period);
}

/* cgroup v2: the quota of our own group and of each above it counts. */
static int
daemon_quota(void)
{
	char	 line[4096], path[4200], *slash;
	FILE	*file = fopen("/proc/self/cgroup", "re");
	int	 least = 0, quota;

	line[0] = '\0';
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "0::", 3) == 0)
			break;
	if (file != NULL)
		fclose(file);
	if (strncmp(line, "0::", 3) != 0)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	for (;;) {
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max",
		    line + 3);
		quota = daemon_quota_of(path);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
		if ((slash = strrchr(line + 3, '/')) == NULL)
			return least;
		*slash = '\0';
	}
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
		    "for one user each) need %ld: lower max_client_conn or "
		    "raise the limit (ulimit -n, LimitNOFILE)",
		    (long)limit.rlim_cur, clients, servers, need);
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

bool
daemon_detach(char *error, size_t size)
{
	int	null;

	switch (fork()) {
	case -1:
		snprintf(error, size, "cannot go into the background: %s",
		    strerror(errno));
		return false;
	case 0:
		break;
	default:
		_exit(EXIT_SUCCESS);
	}
	setsid();
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	return true;
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
