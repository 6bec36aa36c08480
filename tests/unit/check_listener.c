/*
 * net/listener.h
 */

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/clock.h"
#include "check_directory.h"
#include "check_net.h"
#include "net/listener.h"

enum { MANY = 150 };

static struct loop	*loop;
static struct listener	*listener;
static int		 accepted[1024];
static struct addr	 peers[1024];
static int		 accepted_count, shortages, shortage_error;
static int		 context;
static char		 dir[64];

static const struct listener_settings	usual = { .backlog = 128,
	.unix_mode = 0700 };

static void
on_accepted(void *arg, int fd, const struct addr *peer)
{
	ck_assert_ptr_eq(arg, &context);
	peers[accepted_count] = *peer;
	accepted[accepted_count++] = fd;
}

static void
on_shortage(void *arg, int error)
{
	ck_assert_ptr_eq(arg, &context);
	shortages++;
	shortage_error = error;
}

static void
begin(void)
{
	loop = loop_new(0);
	directory_make(dir, sizeof dir);
}

static void
finish(void)
{
	for (int i = 0; i < accepted_count; i++)
		close(accepted[i]);
	rmdir(dir);
	loop_free(loop);
}

static struct listener *
listen_at(const struct addr *addr, const struct listener_settings *settings)
{
	char		 error[256] = "";
	struct listener	*made = listener_new(loop, addr, settings,
			    on_accepted, &context, error, sizeof error);

	ck_assert_msg(made != NULL, "%s", error);
	return made;
}

static void
listen_at_ip(const char *ip)
{
	struct addr	addr;

	ck_assert(addr_parse_ip(&addr, ip, 0));
	listener = listen_at(&addr, &usual);
	ck_assert_int_ne(addr_port(listener_addr(listener)), 0);
}

static int
connect_to(const struct addr *addr)
{
	int	fd = socket(addr->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC,
		    0);

	ck_assert_int_eq(connect(fd, &addr->u.any, addr->length), 0);
	return fd;
}

static int
has_option(int fd, int level, int option)
{
	int		value = 0;
	socklen_t	size = sizeof value;

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &size), 0);
	return value;
}

START_TEST(a_connection_is_handed_over_ready_to_use)
{
	struct addr	mine;
	int		fd;

	begin();
	listen_at_ip("127.0.0.1");
	fd = connect_to(listener_addr(listener));
	RUN_UNTIL(loop, accepted_count == 1);
	ck_assert(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
	ck_assert_int_ne(has_option(accepted[0], IPPROTO_TCP, TCP_NODELAY),
	    0);
	addr_of_self(&mine, fd);
	ck_assert(addr_equal(&mine, &peers[0]));
	listener_free(listener);
	close(fd);
	finish();
}
END_TEST

START_TEST(many_connections_at_once_are_all_handed_over)
{
	int	fds[MANY];

	begin();
	listen_at_ip("127.0.0.1");
	for (int i = 0; i < MANY; i++) {
		fds[i] = connect_to(listener_addr(listener));
		if (i % 100 == 99)
			net_run_idle(loop);
	}
	RUN_UNTIL(loop, accepted_count == MANY);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(a_burst_ends_after_64_so_that_others_have_their_turn)
{
	int	fds[100];

	begin();
	listen_at_ip("127.0.0.1");
	for (int i = 0; i < 100; i++)
		fds[i] = connect_to(listener_addr(listener));
	net_turn(loop, EVLOOP_ONCE);
	ck_assert_int_eq(accepted_count, 64);
	net_turn(loop, EVLOOP_ONCE);
	ck_assert_int_eq(accepted_count, 100);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(the_wildcard_of_ipv6_takes_ipv4_and_names_it_so)
{
	struct addr	addr;
	int		fd, six = socket(AF_INET6, SOCK_STREAM, 0);

	if (close(six) != 0)
		return;		/* a kernel without IPv6 */
	begin();
	listen_at_ip("::");
	ck_assert(addr_parse_ip(&addr, "127.0.0.1",
	    addr_port(listener_addr(listener))));
	fd = connect_to(&addr);
	RUN_UNTIL(loop, accepted_count == 1);
	ck_assert_int_eq(peers[0].u.any.sa_family, AF_INET);
	ck_assert(addr_is_loopback(&peers[0]));
	close(fd);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(an_address_in_use_is_an_error_that_names_it)
{
	struct listener_settings	shared = usual;
	struct listener			*second;
	struct addr			 addr;
	char				 error[256], text[ADDR_TEXT_BYTES];

	begin();
	listen_at_ip("127.0.0.1");
	ck_assert_ptr_null(listener_new(loop, listener_addr(listener),
	    &usual, on_accepted, &context, error, sizeof error));
	addr_print(listener_addr(listener), text, sizeof text);
	ck_assert_ptr_nonnull(strstr(error, text));
	ck_assert_ptr_nonnull(strstr(error, strerror(EADDRINUSE)));
	listener_free(listener);

	shared.reuse_port = true;
	ck_assert(addr_parse_ip(&addr, "127.0.0.1", 0));
	listener = listen_at(&addr, &shared);
	second = listen_at(listener_addr(listener), &shared);
	listener_free(listener);
	listener_free(second);
	finish();
}
END_TEST

START_TEST(a_port_is_free_again_at_once)
{
	struct addr	addr;
	int		fd;

	begin();
	listen_at_ip("127.0.0.1");
	addr = *listener_addr(listener);
	fd = connect_to(&addr);
	RUN_UNTIL(loop, accepted_count == 1);
	/* Our side closes first: the connection stays in TIME_WAIT. */
	close(accepted[--accepted_count]);
	listener_free(listener);
	close(fd);
	listener = listen_at(&addr, &usual);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(nothing_is_accepted_after_draining_but_what_was_there)
{
	struct addr	addr;
	int		fds[100], late;

	begin();
	listen_at_ip("127.0.0.1");
	addr = *listener_addr(listener);
	for (int i = 0; i < 100; i++)
		fds[i] = connect_to(&addr);
	listener_drain(listener);
	ck_assert_int_eq(accepted_count, 100);
	late = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_lt(connect(late, &addr.u.any, addr.length), 0);
	ck_assert_int_eq(errno, ECONNREFUSED);
	close(late);
	listener_drain(listener);
	net_run_idle(loop);
	ck_assert_int_eq(accepted_count, 100);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(deferred_accepting_waits_for_the_first_bytes)
{
	struct listener_settings	deferred = usual;
	struct addr			addr;
	int				fd;

	begin();
	deferred.defer_accept = true;
	ck_assert(addr_parse_ip(&addr, "127.0.0.1", 0));
	listener = listen_at(&addr, &deferred);
	fd = connect_to(listener_addr(listener));
	net_run_idle(loop);
	ck_assert_int_eq(accepted_count, 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	RUN_UNTIL(loop, accepted_count == 1);
	close(fd);
	listener_free(listener);
	finish();
}
END_TEST

/*
 * Running out of descriptors.
 */

static void
set_descriptor_limit(rlim_t n)
{
	struct rlimit	limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(a_shortage_of_descriptors_pauses_and_is_told_once_a_pause)
{
	struct rlimit	limit;
	int		fds[2];

	begin();
	listen_at_ip("127.0.0.1");
	listener_on_shortage(listener, on_shortage);
	fds[0] = connect_to(listener_addr(listener));
	fds[1] = connect_to(listener_addr(listener));
	clock_set_us(US_PER_SECOND);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	set_descriptor_limit(3);
	RUN_UNTIL(loop, shortages == 1);
	ck_assert_int_eq(shortage_error, EMFILE);
	net_run_idle(loop);
	ck_assert_int_eq(shortages, 1);
	clock_set_us(US_PER_SECOND + 100 * US_PER_MS - 1);
	deadline_walk(loop);
	net_run_idle(loop);
	ck_assert_int_eq(shortages, 1);
	clock_set_us(US_PER_SECOND + 100 * US_PER_MS);
	deadline_walk(loop);
	RUN_UNTIL(loop, shortages == 2);
	ck_assert_int_eq(accepted_count, 0);
	/* As soon as there are descriptors again it goes on. */
	set_descriptor_limit(limit.rlim_cur);
	clock_set_us(2 * US_PER_SECOND);
	deadline_walk(loop);
	RUN_UNTIL(loop, accepted_count == 2);
	ck_assert_int_eq(shortages, 2);
	clock_set_us(-1);
	listener_free(listener);
	close(fds[0]);
	close(fds[1]);
	finish();
}
END_TEST

START_TEST(a_listener_can_be_freed_in_a_pause)
{
	struct rlimit	limit;
	int		fd;

	begin();
	listen_at_ip("127.0.0.1");
	fd = connect_to(listener_addr(listener));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	set_descriptor_limit(3);
	net_turn(loop, EVLOOP_ONCE);
	set_descriptor_limit(limit.rlim_cur);
	listener_free(listener);
	clock_set_us(clock_now_us() + US_PER_SECOND);
	deadline_walk(loop);
	clock_set_us(-1);
	ck_assert_int_eq(accepted_count, 0);
	close(fd);
	finish();
}
END_TEST

/*
 * Unix sockets.
 */

static mode_t
mode_of(const char *path)
{
	struct stat	file;

	ck_assert_int_eq(lstat(path, &file), 0);
	ck_assert(S_ISSOCK(file.st_mode));
	return file.st_mode & 07777;
}

START_TEST(a_unix_socket_has_its_rights_and_goes_away_with_its_listener)
{
	static const mode_t		 modes[] = { 0700, 0777, 0660 };
	struct listener_settings	 settings = usual;
	struct addr			 addr;
	const char			*path = addr.u.local.sun_path;
	int				 fd;

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	umask(027);
	for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
		settings.unix_mode = modes[i];
		listener = listen_at(&addr, &settings);
		ck_assert_int_eq(mode_of(path), modes[i]);
		fd = connect_to(&addr);
		accepted_count = 0;
		RUN_UNTIL(loop, accepted_count == 1);
		ck_assert(addr_is_unix(&peers[0]));
		close(accepted[--accepted_count]);
		close(fd);
		listener_free(listener);
		ck_assert_int_ne(access(path, F_OK), 0);
	}
	finish();
}
END_TEST

START_TEST(a_unix_socket_that_was_left_behind_is_replaced)
{
	struct addr	addr;
	int		fd = socket(AF_UNIX, SOCK_STREAM, 0);

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	ck_assert_int_eq(bind(fd, &addr.u.any, addr.length), 0);
	close(fd);
	ck_assert_int_eq(access(addr.u.local.sun_path, F_OK), 0);
	listener = listen_at(&addr, &usual);
	close(connect_to(&addr));
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(a_unix_socket_that_is_alive_is_left_alone)
{
	struct addr	addr;
	char		error[256];
	int		fd;

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	listener = listen_at(&addr, &usual);
	ck_assert_ptr_null(listener_new(loop, &addr, &usual, on_accepted,
	    &context, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, addr.u.local.sun_path));
	ck_assert_ptr_nonnull(strstr(error, strerror(EADDRINUSE)));
	/* The loser has not removed the file of the other. */
	fd = connect_to(&addr);
	close(fd);
	RUN_UNTIL(loop, accepted_count >= 1);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(a_unix_socket_with_a_full_queue_is_alive)
{
	struct addr	addr;
	char		error[256];
	int		fd = socket(AF_UNIX, SOCK_STREAM, 0), fds[8], n;

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	ck_assert_int_eq(bind(fd, &addr.u.any, addr.length), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	for (n = 0; n < 8; n++) {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[n], &addr.u.any, addr.length) != 0)
			break;
	}
	ck_assert_int_lt(n, 8);
	ck_assert_ptr_null(listener_new(loop, &addr, &usual, on_accepted,
	    &context, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, strerror(EADDRINUSE)));
	for (; n >= 0; n--)
		close(fds[n]);
	close(fd);
	unlink(addr.u.local.sun_path);
	finish();
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_never_removed)
{
	struct addr	addr;
	char		error[256];
	FILE		*file;

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	ck_assert_ptr_nonnull(file = fopen(addr.u.local.sun_path, "w"));
	fputs("precious", file);
	fclose(file);
	ck_assert_ptr_null(listener_new(loop, &addr, &usual, on_accepted,
	    &context, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, addr.u.local.sun_path));
	ck_assert_int_eq(unlink(addr.u.local.sun_path), 0);
	finish();
}
END_TEST

START_TEST(the_file_of_a_successor_is_not_removed)
{
	struct listener	*successor;
	struct addr	 addr;

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	listener = listen_at(&addr, &usual);
	ck_assert_int_eq(unlink(addr.u.local.sun_path), 0);
	successor = listen_at(&addr, &usual);
	listener_free(listener);
	close(connect_to(&addr));
	listener_free(successor);
	ck_assert_int_ne(access(addr.u.local.sun_path, F_OK), 0);
	finish();
}
END_TEST

START_TEST(the_group_of_a_unix_socket_is_set_or_refused)
{
	struct listener_settings	 settings = usual;
	struct group			*group = getgrgid(getegid());
	struct addr			 addr;
	struct stat			 file;
	char				 error[256];

	begin();
	ck_assert(addr_parse_unix(&addr, dir, 6432));
	settings.unix_group = "no such group";
	ck_assert_ptr_null(listener_new(loop, &addr, &settings, on_accepted,
	    &context, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, "\"no such group\""));
	ck_assert_int_ne(access(addr.u.local.sun_path, F_OK), 0);
	if (group != NULL) {
		settings.unix_group = group->gr_name;
		listener = listen_at(&addr, &settings);
		ck_assert_int_eq(stat(addr.u.local.sun_path, &file), 0);
		ck_assert_int_eq(file.st_gid, getegid());
		listener_free(listener);
	}
	finish();
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_an_error_that_names_it)
{
	struct addr	addr;
	char		error[256];

	begin();
	ck_assert(addr_parse_unix(&addr, "/nowhere/at/all", 6432));
	ck_assert_ptr_null(listener_new(loop, &addr, &usual, on_accepted,
	    &context, error, sizeof error));
	ck_assert_str_eq(error, "cannot listen on "
	    "unix:/nowhere/at/all/.s.PGSQL.6432: No such file or directory");
	finish();
}
END_TEST

START_TEST(an_abstract_unix_socket_is_listened_on_without_a_file)
{
	struct addr	addr;
	char		name[64];

	begin();
	snprintf(name, sizeof name, "@pgweir-check-%d", (int)getpid());
	ck_assert(addr_parse_unix(&addr, name, 6432));
	listener = listen_at(&addr, &usual);
	close(connect_to(&addr));
	RUN_UNTIL(loop, accepted_count == 1);
	listener_free(listener);
	finish();
}
END_TEST

START_TEST(socket_settings_are_applied)
{
	struct socket_settings	settings = { .keepalive = true,
				    .keepalive_count = 3,
				    .keepalive_idle_s = 40,
				    .keepalive_interval_s = 7,
				    .user_timeout_ms = 9999,
				    .buffer_bytes = 65536 };
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	socket_apply(fd, &settings);
	ck_assert_int_eq(has_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(has_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	ck_assert_int_eq(has_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 40);
	ck_assert_int_eq(has_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	ck_assert_int_eq(has_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 9999);
	ck_assert_int_ge(has_option(fd, SOL_SOCKET, SO_SNDBUF), 65536);
	ck_assert_int_ge(has_option(fd, SOL_SOCKET, SO_RCVBUF), 65536);
	settings = (struct socket_settings){ .keepalive = false };
	socket_apply(fd, &settings);
	ck_assert_int_eq(has_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(has_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	close(fd);
}
END_TEST

CHECK_MAIN("listener", a_connection_is_handed_over_ready_to_use,
    many_connections_at_once_are_all_handed_over,
    a_burst_ends_after_64_so_that_others_have_their_turn,
    the_wildcard_of_ipv6_takes_ipv4_and_names_it_so,
    an_address_in_use_is_an_error_that_names_it,
    a_port_is_free_again_at_once,
    nothing_is_accepted_after_draining_but_what_was_there,
    deferred_accepting_waits_for_the_first_bytes,
    a_shortage_of_descriptors_pauses_and_is_told_once_a_pause,
    a_listener_can_be_freed_in_a_pause,
    a_unix_socket_has_its_rights_and_goes_away_with_its_listener,
    a_unix_socket_that_was_left_behind_is_replaced,
    a_unix_socket_that_is_alive_is_left_alone,
    a_unix_socket_with_a_full_queue_is_alive,
    a_file_that_is_no_socket_is_never_removed,
    the_file_of_a_successor_is_not_removed,
    the_group_of_a_unix_socket_is_set_or_refused,
    a_directory_that_is_not_there_is_an_error_that_names_it,
    an_abstract_unix_socket_is_listened_on_without_a_file,
    socket_settings_are_applied)
