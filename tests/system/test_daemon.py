"""The process: starting, its options, its environment, signals, stopping."""

import os
import pwd
import re
import resource
import signal
import stat
import subprocess
import time

from cluster import Skip, psql, psql_run, wait_until
from wire import Client, error_of, kinds, query, startup


class Process:
    """pgweir as a shell starts it: nothing is waited for."""

    def __init__(self, world, config, *args, env=None, name="bare",
                 log_is_ours=True):
        self.top = os.path.join(world.top, f"{name}-{world.number}")
        world.number += 1
        os.mkdir(self.top)
        os.chmod(self.top, 0o777)
        self.file = os.path.join(self.top, "pgweir.ini")
        self.log = os.path.join(self.top, "log")
        self.pidfile = os.path.join(self.top, "pid")
        self.users = os.path.join(self.top, "users")
        with open(self.users, "w") as f:
            f.write('"postgres" "pw"\n"app" "secret"\n')
        if log_is_ours:
            config += f"logfile = {self.log}\npidfile = {self.pidfile}\n"
        with open(self.file, "w") as f:
            f.write(config.replace("@USERS@", self.users))
        self.world, self.args = world, args
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith("PGWEIR")}
        self.environment.update(env or {})

    def command(self):
        return [self.world.binary, *self.args, self.file]

    def run(self, **more):
        return subprocess.run(self.command(), capture_output=True, text=True,
                              timeout=30, env=self.environment, **more)

    def text(self):
        try:
            with open(self.log) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_ready(self):
        wait_until("pgweir is ready:\n" + self.text(),
                   lambda: " is ready" in self.text())
        return int(re.search(r"listening on [0-9.]+:(\d+)",
                             self.text()).group(1))

    def pid(self):
        with open(self.pidfile) as f:
            return int(f.read())


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def daemon(world, *args, options="", **more):
    process = Process(world, world.config(options), "-d", *args, **more)
    done = process.run()
    return process, done


def stop_daemon(process, number=signal.SIGQUIT):
    pid = process.pid()
    os.kill(pid, number)
    wait_until("it is gone", lambda: not is_running(pid))


def test_d_goes_into_the_background_and_leaves_no_pidfile(world):
    process, done = daemon(world)
    assert done.returncode == 0, done.stderr
    port = process.wait_ready()
    try:
        pid = process.pid()
        assert psql("select 1", port=port, dbname="app") == "1"
        assert os.getsid(pid) == pid
        for fd in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    finally:
        stop_daemon(process, signal.SIGTERM)
    assert not os.path.exists(process.pidfile)
    assert "pgweir has stopped" in process.text()


def test_a_second_start_with_the_same_pidfile_is_refused(world):
    process, done = daemon(world)
    process.wait_ready()
    pid = process.pid()
    try:
        for args in (("-d",), ()):
            second = subprocess.run(
                [world.binary, *args, process.file], capture_output=True,
                text=True, timeout=30, env=process.environment)
            assert second.returncode == 1, second.stderr
            assert f"says that process {pid} runs already" in \
                second.stderr, second.stderr
            assert process.pidfile in second.stderr
        assert process.pid() == pid and is_running(pid)
    finally:
        stop_daemon(process)
    # One that a crash left behind is no obstacle, whatever it says.
    for left in ("999999999", "nonsense", ""):
        with open(process.pidfile, "w") as f:
            f.write(left)
        before = process.text().count(" is ready")
        assert process.run().returncode == 0
        wait_until("it is ready again",
                   lambda: process.text().count(" is ready") > before)
        stop_daemon(process)


def test_d_needs_logfile_and_pidfile_and_says_so(world):
    process = Process(world, world.config(), "-d", log_is_ours=False)
    done = process.run()
    assert done.returncode == 1
    assert "-d needs logfile and pidfile" in done.stderr


def test_d_tells_the_terminal_what_fails_at_start(world):
    taken = world.start()
    process = Process(world, world.config().replace(
        "listen_port = 0", f"listen_port = {taken.port}"), "-d")
    done = process.run()
    assert done.returncode == 1, done.stderr
    assert f"127.0.0.1:{taken.port}" in done.stderr, done.stderr
    assert "in use" in done.stderr
    assert not os.path.exists(process.pidfile)


def test_u_runs_as_another_user_who_can_still_log_after_a_reload(world):
    if os.getuid() != 0:
        raise Skip("only root can become another user")
    process, done = daemon(world, "-u", "postgres")
    assert done.returncode == 0, done.stderr
    port = process.wait_ready()
    try:
        with open(f"/proc/{process.pid()}/status") as f:
            status = f.read()
        entry = pwd.getpwnam("postgres")
        ids = re.search(r"Uid:\s(\d+)\s(\d+)\s(\d+)", status).groups()
        assert {int(i) for i in ids} == {entry.pw_uid}, ids
        ids = re.search(r"Gid:\s(\d+)\s(\d+)\s(\d+)", status).groups()
        assert {int(i) for i in ids} == {entry.pw_gid}, ids
        assert "Groups:\t0" not in status
        moved = process.log + ".1"
        os.rename(process.log, moved)
        os.kill(process.pid(), signal.SIGHUP)
        wait_until("the log is a new file", lambda: "was reloaded" in
                   process.text())
        assert psql("select 1", port=port, dbname="app") == "1"
        os.kill(process.pid(), signal.SIGHUP)
        wait_until("it is reloaded again", lambda: process.text().count(
            "was reloaded") == 2)
        assert "cannot open log file" not in process.text()
    finally:
        stop_daemon(process)
    process = Process(world, world.config(), "-u", "nosuchuser")
    done = process.run()
    assert done.returncode == 1
    assert 'no user "nosuchuser"' in done.stderr


def test_q_logs_to_the_file_only(world):
    process = Process(world, world.config(), "-q")
    running = subprocess.Popen(process.command(), stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE,
                               env=process.environment)
    process.wait_ready()
    running.send_signal(signal.SIGQUIT)
    out, err = running.communicate(timeout=30)
    assert (out, err) == (b"", b"")
    assert "pgweir has stopped" in process.text()


def test_v_logs_more(world):
    quiet, loud = world.start(), world.start(args=("-v",))
    for weir in (quiet, loud):
        assert weir.sql("select 1") == "1"
    assert " DEBUG " not in quiet.text()
    assert " DEBUG " in loud.text()


def test_the_log_switches_do_what_they_say(world):
    weir = world.start("log_connections = 0\nlog_disconnections = 0\n"
                       "log_pooler_errors = 0\nmax_client_conn = 1")
    client = Client(weir.port)
    done = psql_run("select 1", port=weir.port, dbname="app")
    assert "max_client_conn" in done.stderr
    client.close()
    weir.console("show version")
    for word in ("logged in", "(max_client_conn)", "closed"):
        assert word not in weir.text(), word


def run_plain(world, *args, env=None):
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith("PGWEIR")}
    return subprocess.run([world.binary, *args], capture_output=True,
                          text=True, timeout=30,
                          env={**environment, **(env or {})})


def test_check_says_good_or_bad_with_its_exit_code_and_starts_nothing(world):
    good = Process(world, world.config())
    done = run_plain(world, "--check", good.file)
    assert done.returncode == 0 and "is usable: 1 database" in done.stdout
    assert not os.path.exists(good.pidfile)
    assert not os.path.exists(good.log)
    bad = Process(world, world.config("pool_mode = sometimes"))
    done = run_plain(world, "--check", bad.file)
    assert done.returncode == 1
    assert "pool_mode" in done.stderr and bad.file in done.stderr
    done = run_plain(world, "--check", bad.file + ".none")
    assert done.returncode == 1 and "No such file" in done.stderr
    done = run_plain(world, "--check")
    assert done.returncode == 1 and "usage:" in done.stderr
    done = run_plain(world, "--check", env={
        "PGWEIR_DATABASE_URL": "postgresql://a:b@127.0.0.1/c"})
    assert done.returncode == 1 and "usage:" in done.stderr
    done = run_plain(world, good.file, bad.file)
    assert done.returncode == 1 and "usage:" in done.stderr
    done = run_plain(world, "--nonsense")
    assert done.returncode == 1 and "usage:" in done.stderr


def test_the_switch_of_an_online_restart_says_what_to_do_instead(world):
    done = run_plain(world, "-R", "-d", "any.ini")
    assert done.returncode == 1 and "so_reuseport" in done.stderr, done


def test_help_lists_every_switch(world):
    for switch in ("-h", "--help"):
        done = run_plain(world, switch)
        assert done.returncode == 0 and done.stderr == ""
        for word in ("--check", "-d, --daemon", "-u, --user", "-v, --verbose",
                     "-q, --quiet", "-V, --version", "-h, --help",
                     "PGWEIR_DATABASE_URL"):
            assert word in done.stdout, word
    done = run_plain(world, "-V")
    assert re.match(r"pgweir \d+\.\d+", done.stdout), done.stdout
    done = run_plain(world)
    assert done.returncode == 1 and "usage:" in done.stderr


#
# Signals.
#

def test_sigusr1_pauses_and_sigusr2_resumes_all_pools(world):
    weir = world.start()
    a = Client(weir.port)
    b = Client(weir.port, user="postgres", database="postgres")
    a.ask(query("select 1"))
    b.ask(query("select 1"))
    weir.signal(signal.SIGUSR1)
    wait_until("it is paused", lambda: "paused|yes" in weir.console(
        "show state"))
    for client in (a, b):
        client.send(query("select 2"))
    wait_until("both wait", lambda: sorted(
        line.split("|")[3] for line in weir.console("show pools").split("\n"))
        [-2:] == ["1", "1"])
    weir.signal(signal.SIGUSR2)
    for client in (a, b):
        assert "D" in kinds(client.until_ready())
    assert "paused|no" in weir.console("show state")


def test_sigquit_ends_at_once_and_a_second_sigint_does_not_wait(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    weir.signal(signal.SIGINT)
    wait_until("it waits", lambda: "no server is in use" in weir.text())
    assert weir.process.poll() is None
    weir.signal(signal.SIGINT)
    assert weir.end() == 0
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    weir.signal(signal.SIGQUIT)
    assert weir.end() == 0


def test_sigterm_after_sigint_does_not_wait_for_ever(world):
    weir = world.start("shutdown_timeout = 1s")
    holder, idle, late = (Client(weir.port) for _ in range(3))
    for client in (holder, late):
        client.ask(query("select 1"))
    holder.ask(query("begin"))
    weir.signal(signal.SIGINT)
    wait_until("it waits", lambda: "no server is in use" in weir.text())
    late.send(query("select 2"))
    weir.signal(signal.SIGTERM)
    assert error_of(idle.until_ready())["C"] == "57P01"
    assert "D" in kinds(late.until_ready())
    assert error_of(late.until_ready())["C"] == "57P01"
    assert kinds(holder.ask(query("select 1"))) == "TDCZ"
    assert weir.end(10) == 0
    assert "shutdown_timeout is nearly over" in weir.text()


def test_sigterm_of_a_pgbouncer_file_waits_for_its_clients(world):
    weir = world.start(section="pgbouncer")
    idle, busy = Client(weir.port), Client(weir.port)
    busy.ask(query("begin"))
    weir.signal(signal.SIGTERM)
    wait_until("it has begun", lambda: "clients have left" in weir.text())
    assert idle.one("select 1") == "1"
    assert kinds(busy.ask(query("select 2"))) == "TDCZ"
    try:
        Client(weir.port)
        raise AssertionError("somebody new came in")
    except OSError:
        pass
    idle.close()
    assert weir.process.poll() is None
    busy.close()
    assert weir.end() == 0
    # A second SIGTERM does not wait.
    weir = world.start(section="pgbouncer")
    client = Client(weir.port)
    weir.signal(signal.SIGTERM)
    wait_until("it has begun", lambda: "clients have left" in weir.text())
    weir.signal(signal.SIGTERM)
    assert weir.end() == 0
    client.close()


def test_sigint_of_a_pgbouncer_file_waits_for_its_servers(world):
    weir = world.start("pool_mode = transaction", section="pgbouncer")
    idle, busy = Client(weir.port), Client(weir.port)
    assert idle.one("select 1") == "1"
    busy.ask(query("begin"))
    weir.signal(signal.SIGINT)
    wait_until("it waits", lambda: "no server is in use" in weir.text())
    assert kinds(busy.ask(query("select 2"))) == "TDCZ"
    busy.send(query("commit"))
    assert weir.end() == 0
    assert "C" in kinds(busy.until_ready())


def test_sigpipe_and_a_closed_terminal_do_not_end_it(world):
    weir = world.start()
    weir.signal(signal.SIGPIPE)
    assert weir.sql("select 1") == "1"


#
# The environment.
#

def shown(weir):
    """SHOW CONFIG: name, value, default."""
    return [line.split("|")[:3] for line in
            weir.console("show config").split("\n")]


# What a running process needs as it is, and values of another kind.
OTHER = {
    "read_your_writes": "session",
    "listen_addr": "127.0.0.1", "listen_port": None, "unix_socket_dir": "",
    "unix_socket_group": "root", "user": None, "pidfile": "@TOP@/env.pid",
    "auth_type": "trust", "pool_mode": "session", "workers": "2",
    "auth_file": None, "auth_hba_file": None, "auth_ident_file": None,
    "admin_users": "postgres", "stats_users": "app",
    "auth_user": "app", "auth_query": "SELECT 1, $1", "auth_dbname": "app",
    "client_tls_sslmode": "allow", "server_tls_sslmode": "disable",
    "client_tls_key_file": None, "client_tls_cert_file": None,
    "client_tls_ca_file": None, "server_tls_ca_file": None,
    "server_tls_key_file": None, "server_tls_cert_file": None,
    "client_tls_protocols": "tlsv1.3", "server_tls_protocols": "tlsv1.3",
    "client_tls_ciphers": "secure", "server_tls_ciphers": "secure",
    "client_tls13_ciphers": "TLS_AES_128_GCM_SHA256",
    "server_tls13_ciphers": "TLS_AES_128_GCM_SHA256",
    "client_tls_ecdhcurve": "prime256v1", "client_tls_dheparams": "none",
    "logfile": "@TOP@/env.log", "syslog_ident": "other",
    "syslog_facility": "local0", "resolv_conf": "/dev/null",
    "server_check_query": "select 1", "server_reset_query": "RESET ALL",
    "log_format": "json", "metrics_addr": "127.0.0.1",
    "dashboard_token_file": None, "unix_socket_mode": "0700",
    "ignore_startup_parameters": "a,b",
    "route": "replica", "monitor_user": "app", "role_check_interval": "2s",
    "monitor_password": None,  # never shown
    "pin": "off", "max_pinned": "7", "max_statement_memory": "1000000",
    "max_packet_size": "1000000",
    "peers": "127.0.0.1:7", "login_notify_message": "Hello.",
}


def other_value(name, default):
    if name in OTHER:
        return OTHER[name]
    if default in ("0", "1"):
        return "1" if default == "0" else "0"
    number = re.fullmatch(r"(\d+)(\D*)", default)
    assert number, f"no other value of {name} is known here"
    return str(int(number.group(1)) + 1) + number.group(2)


def test_every_option_can_be_set_in_the_environment(world):
    first = world.start()
    env, expected = {}, {}
    for name, _, default in shown(first):
        value = other_value(name, default)
        if value is None:
            continue
        value = value.replace("@TOP@", world.top)
        env["PGWEIR_" + name.upper()] = value
        expected[name] = value
    env["PGWEIR_LISTEN_PORT"] = "0"
    env["PGWEIR_AUTH_FILE"] = first.users
    # Only the database is in the file.
    weir = world.start(env=env, config="[databases]\n* = host=127.0.0.1 "
                       f"port={world.pg.port}\n")
    values = {name: value for name, value, _ in shown(weir)}
    for name, value in expected.items():
        # Shown without a unit where the plain number says the same.
        plain = re.sub(r"^(\d+)s$", r"\1", value)
        plain = re.sub(r"^(\d+)kB$", lambda m: str(int(m[1]) << 10), plain)
        plain = re.sub(r"^(\d+)MB$", lambda m: str(int(m[1]) << 20), plain)
        assert values[name] in (value, plain), (name, value, values[name])
    assert len(expected) > 70
    assert "PGWEIR_" not in weir.text(), weir.text()


def test_the_environment_goes_before_the_file(world):
    weir = world.start("query_timeout = 5s\ndefault_pool_size = 3",
                       env={"PGWEIR_QUERY_TIMEOUT": "7s"})
    text = weir.console("show config")
    assert "\nquery_timeout|7|" in text
    assert "\ndefault_pool_size|3|" in text
    weir.write(world.config("query_timeout = 9s\ndefault_pool_size = 4"))
    weir.console("reload")
    text = weir.console("show config")
    assert "\nquery_timeout|7|" in text
    assert "\ndefault_pool_size|4|" in text


def test_a_bad_value_in_the_environment_is_an_error_that_names_it(world):
    good = Process(world, world.config())
    done = run_plain(world, "--check", good.file,
                     env={"PGWEIR_DEFAULT_POOL_SIZE": "many"})
    assert done.returncode == 1
    assert "PGWEIR_DEFAULT_POOL_SIZE" in done.stderr


def test_unknown_variables_and_those_of_kubernetes_are_never_fatal(world):
    weir = world.start(env={
        "PGWEIR_DEFALT_POOL_SIZE": "7", "PGWEIR_": "1",
        "PGWEIR_" + "X" * 500: "1",
        "PGWEIR_PORT": "tcp://10.0.0.1:5432",
        "PGWEIR_PORT_6432_TCP": "tcp://10.0.0.1:6432",
        "PGWEIR_PORT_6432_TCP_PROTO": "tcp",
        "PGWEIR_PORT_6432_TCP_PORT": "6432",
        "PGWEIR_PORT_6432_TCP_ADDR": "10.0.0.1",
        "PGWEIR_SERVICE_HOST": "10.0.0.1", "PGWEIR_SERVICE_PORT": "6432",
        "PGWEIR_SERVICE_PORT_METRICS": "9127",
        "PGWEIR_READ_SERVICE_HOST": "10.0.0.2",
        "PGWEIR_READ_SERVICE_PORT": "6432",
        "PGWEIR_READ_PORT": "tcp://10.0.0.2:6432",
        "PGWEIR_READ_PORT_6432_TCP_ADDR": "10.0.0.2"})
    assert weir.sql("select 1") == "1"
    text = weir.text()
    assert re.search(r"WARNING.*PGWEIR_DEFALT_POOL_SIZE.*did you mean "
                     "\"?default_pool_size", text), text
    assert "tcp://" not in text and "SERVICE" not in text


def test_a_url_alone_listens_on_localhost_and_knows_one_user(world):
    url = f"postgresql://app:secret@127.0.0.1:{world.pg.port}/app"
    base = {"PGWEIR_LISTEN_PORT": "0", "PGWEIR_UNIX_SOCKET_DIR": ""}
    weir = world.start(config=None, env={**base, "PGWEIR_DATABASE_URL": url})
    assert "listening on 127.0.0.1:" in weir.text()
    assert weir.text().count("listening on") == 1
    know = {"port": weir.port, "dbname": "app", "password": "secret"}
    assert psql("select current_user", user="app", sslmode="require",
                **know) == "app"
    for user, password, database in (
            ("app", "", "app"), ("postgres", "secret", "app"),
            ("app", "secret", "postgres"), ("app", "secret", "pgweir")):
        done = psql_run("select 1", port=weir.port, user=user,
                        password=password, dbname=database)
        assert done.returncode != 0, (user, database)
    # One that says nothing of the database, and bad ones.
    weir = world.start(config=None, env={
        **base, "PGWEIR_DATABASE_URL":
        f"postgresql://app:secret@127.0.0.1:{world.pg.port}"})
    assert psql("select current_database()", port=weir.port, user="app",
                dbname="app", password="secret") == "app"
    for bad in ("nonsense", "postgresql://127.0.0.1/app", ""):
        done = run_plain(world, env={**base, "PGWEIR_DATABASE_URL": bad})
        assert done.returncode == 1, bad
        assert "PGWEIR_DATABASE_URL" in done.stderr, done.stderr


#
# Descriptors.
#

def limits_of(pid):
    with open(f"/proc/{pid}/limits") as f:
        line = [at for at in f if at.startswith("Max open files")][0]
    return [int(n) for n in line.split()[3:5]]


def start_with(world, prepare, options=""):
    """A pgweir whose process prepares itself before it is pgweir."""
    saved = subprocess.Popen

    class Prepared(saved):
        def __init__(self, *args, **more):
            super().__init__(*args, preexec_fn=prepare, **more)
    subprocess.Popen = Prepared
    try:
        return world.start(options)
    finally:
        subprocess.Popen = saved


def start_limited(world, soft, hard, options=""):
    return start_with(world, lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (soft, hard)), options)


def test_the_soft_limit_of_descriptors_is_raised_at_start(world):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        raise Skip(f"the hard limit here is {hard}")
    weir = start_limited(world, 64, 4096)
    assert limits_of(weir.process.pid) == [4096, 4096]
    assert "file descriptors" not in weir.text()


def test_a_shortfall_of_descriptors_names_the_option_that_causes_it(world):
    weir = start_limited(world, 256, 256, "max_client_conn = 500\n"
                         "default_pool_size = 30")
    line = [at for at in weir.text().split("\n") if "descriptors" in at][0]
    for part in ("WARNING", "only 256 ", "max_client_conn (500)",
                 "30 servers", "LimitNOFILE"):
        assert part in line, line
    assert weir.sql("select 1") == "1"
    # Where servers are the greater part, theirs is the option to lower.
    weir = start_limited(world, 256, 256, "max_client_conn = 10\n"
                         "default_pool_size = 300")
    line = [at for at in weir.text().split("\n") if "descriptors" in at][0]
    assert "lower default_pool_size" in line, line


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_new_clients_wait_and_nobody_loses_anything(
        world):
    weir = world.start("default_pool_size = 5\nworkers = 2")
    pid = weir.process.pid
    clients = [Client(weir.port) for _ in range(10)]
    clients[1].ask(query("begin"))
    clients[0].ask(query("begin; create temporary table kept (a int); "
                         "insert into kept values (7)"))
    clients[1].ask(query("commit"))
    used = len(os.listdir(f"/proc/{pid}/fd"))
    _, hard = limits_of(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
    late = Client(weir.port, connect=False)
    wait_until("the log tells", lambda: "cannot accept connections" in
               weir.text())
    assert "ulimit -n" in weir.text()
    # Who is connected is served, by the servers that there are.
    start, before = time.monotonic(), cpu_seconds(pid)
    assert clients[0].one("select a from kept") == "7"
    clients[0].ask(query("commit"))
    for client in clients[1:]:
        client.send(query("select pg_sleep(0.05)"))
    for client in clients[1:]:
        assert error_of(client.until_ready()) is None
    wait_until("a second has passed",
               lambda: time.monotonic() - start > 1)
    passed = time.monotonic() - start
    assert cpu_seconds(pid) - before < 0.5 * passed, "it runs in circles"
    assert weir.text().count("cannot accept connections") < 10 * passed + 5
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    late.send(startup(user="app", database="app"))
    assert "Z" in kinds(late.until_ready())
    assert late.one("select 1") == "1"
    assert weir.sql("select 1") == "1"
    assert clients[0].one("select 2") == "2"


def test_a_server_that_cannot_be_opened_for_want_of_descriptors_is_waited_for(
        world):
    weir = world.start("default_pool_size = 5\nquery_wait_timeout = 300ms\n"
                       "workers = 1\nserver_idle_timeout = 60s")
    pid = weir.process.pid
    first, second = Client(weir.port), Client(weir.port)
    first.ask(query("begin"))
    used = len(os.listdir(f"/proc/{pid}/fd"))
    _, hard = limits_of(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
    answer = second.ask(query("select 1"))
    error = error_of(answer)
    assert error is not None and error["C"] == "53300", answer
    assert "file descriptors" in error["M"] or "open files" in error["M"], \
        error
    assert kinds(first.ask(query("select 1"))) == "TDCZ"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_until("it is served again", lambda: error_of(second.ask(
        query("select 1"))) is None)
    first.ask(query("commit"))


#
# Workers.
#

def threads_of(weir):
    return int(re.search(r"is ready: (\d+) worker", weir.text()).group(1))


def test_workers_auto_counts_the_cores_it_may_use(world):
    cores = sorted(os.sched_getaffinity(0))
    weir = start_with(world, lambda: os.sched_setaffinity(0, cores[:1]))
    assert threads_of(weir) == 1
    if len(cores) < 2:
        raise Skip("there is one core only")
    weir = start_with(world, lambda: os.sched_setaffinity(0, cores[:2]))
    assert threads_of(weir) in (1, 2)
    names = os.listdir(f"/proc/{weir.process.pid}/task")
    assert len(names) >= threads_of(weir) + 1
    weir = start_with(world, lambda: os.sched_setaffinity(0, cores[:1]),
                      "workers = 3")
    assert threads_of(weir) == 3


def test_workers_auto_counts_the_limit_of_a_cgroup(world):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("there is one core only")
    with open("/proc/self/cgroup") as f:
        lines = [line.strip().split(":", 2) for line in f]
    for _, controllers, path in lines:
        # Version 2 has one tree and one file, version 1 a tree for cpu.
        if controllers == "":
            top, settings = "/sys/fs/cgroup", {"cpu.max": "50000 100000"}
        elif "cpu" in controllers.split(","):
            top = "/sys/fs/cgroup/cpu"
            settings = {"cpu.cfs_period_us": "100000",
                        "cpu.cfs_quota_us": "50000"}
        else:
            continue
        group = f"{top}{path.rstrip('/')}/pgweir-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            if not all(os.path.exists(os.path.join(group, name))
                       for name in settings):
                continue
            for name, value in settings.items():
                with open(os.path.join(group, name), "w") as f:
                    f.write(value)

            def enter():
                with open(os.path.join(group, "cgroup.procs"), "w") as f:
                    f.write(str(os.getpid()))
            weir = start_with(world, enter)
            assert threads_of(weir) == 1
            weir.kill()
            return
        finally:
            os.rmdir(group)
    raise Skip("no cgroup with a cpu controller can be made here")


#
# Sockets.
#

def test_the_unix_socket_has_its_mode_and_group_and_goes_at_the_end(world):
    directory = os.path.join(world.top, "sockets")
    os.makedirs(directory, exist_ok=True)
    config = world.config("unix_socket_mode = 0710\nunix_socket_group = "
                          "daemon" if os.getuid() == 0 else
                          "unix_socket_mode = 0710")
    config = config.replace("unix_socket_dir =", "unix_socket_dir = " +
                            directory)
    weir = world.start(config=config)
    path = os.path.join(directory, f".s.PGSQL.{weir.port}")
    found = os.stat(path)
    assert stat.S_IMODE(found.st_mode) == 0o710
    if os.getuid() == 0:
        import grp
        assert found.st_gid == grp.getgrnam("daemon").gr_gid
    assert weir.sql("select 1", host=directory) == "1"
    weir.signal(signal.SIGTERM)
    assert weir.end() == 0
    assert not os.path.exists(path)


def test_two_processes_share_a_port_with_so_reuseport_only(world):
    first = world.start("so_reuseport = 1")
    config = world.config("so_reuseport = 1").replace(
        "listen_port = 0", f"listen_port = {first.port}")
    second = world.start(config=config)
    assert second.port == first.port
    done = run_plain(world, second.file, env={"PGWEIR_SO_REUSEPORT": "0"})
    assert done.returncode == 1 and "in use" in done.stderr
