"""Options that no other file is about: each does what its comment says."""

import ctypes
import os
import re
import socket
import struct
import subprocess
import threading
import time

from cluster import Skip, psql, psql_run, wait_until
from test_console import table
from wire import (Client, Gate, SYNC, bind, error_of, execute, kinds, parse,
                  query, startup)


def last_query(world, user="app"):
    return world.pg.sql(
        "select query from pg_stat_activity where backend_type = 'client "
        f"backend' and usename = '{user}' and datname = 'app' order by "
        "state_change desc limit 1")


class Logged:
    """PostgreSQL logs every statement meanwhile."""

    def __init__(self, world):
        self.world = world
        self.path = os.path.join(world.pg.dir, "log")

    def __enter__(self):
        self.world.pg.sql("alter database app set log_statement = 'all'")
        self.start = os.path.getsize(self.path)
        return self

    def text(self):
        with open(self.path, errors="replace") as f:
            f.seek(self.start)
            return f.read()

    def __exit__(self, *_):
        self.world.pg.sql("alter database app reset log_statement")


def test_server_check_query_runs_after_server_check_delay_only(world):
    with Logged(world) as log:
        weir = world.start("server_check_query = select 'checked'\n"
                           "server_check_delay = 60s\nworkers = 1")
        client = Client(weir.port)
        for _ in range(3):
            client.one("select 1")
        assert "checked" not in log.text()
        weir.write(world.config("server_check_query = select 'checked'\n"
                                "server_check_delay = 0\nworkers = 1"))
        weir.console("RELOAD")
        assert client.one("select 'after'") == "after"
        client.one("select 'again'")
        wait_until("both are checked",
                   lambda: log.text().count("checked") >= 2)
        assert log.text().index("checked") < log.text().index("'after'")
        # One that fails its check is replaced, and nobody hears of it.
        weir.write(world.config(
            "server_check_query = select 1 / (select 0)\n"
            "server_check_delay = 0\nworkers = 1"))
        weir.console("RELOAD")
        pid = client.one("select pg_backend_pid()")
        assert client.one("select pg_backend_pid()") != pid
        weir.write(world.config("server_check_query = <empty>\n"
                                "server_check_delay = 0\nworkers = 1"))
        weir.console("RELOAD")
        client.one("select 1")
        before = log.text().count("checked")
        client.one("select 1")
        assert log.text().count("checked") == before


def test_connect_query_runs_once_a_server_before_anybody_gets_it(world):
    port = world.pg.port
    weir = world.start(databases=(
        f"app = host=127.0.0.1 port={port} connect_query='create temporary "
        "table mark as select 7 as it'\n"
        f"bad = host=127.0.0.1 port={port} dbname=app connect_query='select "
        "nonsense'"))
    client = Client(weir.port)
    assert client.one("select it from mark") == "7"
    assert client.one("select count(*) from mark") == "1"
    done = psql_run("select 1", port=weir.port, dbname="bad")
    assert done.returncode != 0 and "nonsense" in done.stderr, done.stderr
    assert "connect_query" in done.stderr + weir.text()


def test_a_databases_settings_are_those_of_its_servers(world):
    weir = world.start(databases=(
        f"app = host=127.0.0.1 port={world.pg.port} datestyle='German' "
        "timezone='Asia/Tokyo' application_name='ours' "
        "client_encoding='LATIN1'"))
    client = Client(weir.port)
    for name, value in (("datestyle", "German, DMY"),
                        ("timezone", "Asia/Tokyo"),
                        ("application_name", "ours"),
                        ("client_encoding", "LATIN1")):
        assert client.one(f"show {name}") == value, name
    client = Client(weir.port, application_name="theirs")
    assert client.one("show application_name") == "theirs"


def test_application_name_add_host_adds_the_clients_address(world):
    weir = world.start("application_name_add_host = 1")
    for given, start in (({}, "app"), ({"application_name": "me"}, "me")):
        client = Client(weir.port, **given)
        port = client.socket.getsockname()[1]
        name = client.one("show application_name")
        assert name == f"{start} - 127.0.0.1:{port}", name
        assert world.pg.sql(
            "select count(*) from pg_stat_activity where application_name "
            f"= '{name}'") == "1"
    weir = world.start()
    assert Client(weir.port, application_name="me").one(
        "show application_name") == "me"


def test_ignore_startup_parameters_drops_only_those(world):
    weir = world.start("ignore_startup_parameters = extra_float_digits, "
                       "no_such_thing,work_mem")
    client = Client(weir.port, extra_float_digits="3", no_such_thing="x",
                    work_mem="77kB", statement_timeout="12345")
    default = world.pg.sql("show work_mem")
    assert client.one("show work_mem") == default
    assert client.one("show extra_float_digits") == "1"
    assert client.one("show statement_timeout") == "12345ms"
    client = Client(weir.port, connect=False)
    client.send(startup(user="app", database="app", no_such_other="x"))
    error = error_of(client.until_ready())
    assert error is not None and "no_such_other" in error["M"], error
    weir = world.start("ignore_startup_parameters = options")
    client = Client(weir.port, options="-c work_mem=77kB")
    assert client.one("show work_mem") == default


def test_server_round_robin_uses_idle_servers_in_turn(world):
    for options, count in (("server_round_robin = 1", 3),
                           ("server_round_robin = 0", 1)):
        weir = world.start(options + "\nworkers = 1")
        clients = [Client(weir.port) for _ in range(3)]
        for client in clients:
            client.ask(query("begin"))
        for client in clients:
            client.ask(query("commit"))
        pids = [clients[0].one("select pg_backend_pid()") for _ in range(9)]
        assert len(set(pids)) == count, (options, pids)
        assert pids == pids[:count] * (9 // count)


def test_server_reset_query_always_runs_after_every_transaction(world):
    with Logged(world) as log:
        weir = world.start("server_reset_query = select 'reset it'\n"
                           "server_reset_query_always = 1\nworkers = 1")
        client = Client(weir.port)
        for _ in range(3):
            client.one("select 1")
        wait_until("it was run after each",
                   lambda: log.text().count("reset it") == 3)
        weir.kill()
    with Logged(world) as log:
        weir = world.start("server_reset_query = select 'reset it'\n"
                           "workers = 1")
        client = Client(weir.port)
        for _ in range(3):
            client.one("select 1")
        client.close()
        weir.sql("select 2")
        assert "reset it" not in log.text()


def test_server_reset_query_runs_between_clients_of_a_session_pool(world):
    with Logged(world) as log:
        weir = world.start("server_reset_query = select 'reset it'\n"
                           "pool_mode = session\nworkers = 1\n"
                           "default_pool_size = 1")
        for n in range(2):
            client = Client(weir.port)
            client.one("select 1")
            client.one("select 2")
            assert log.text().count("reset it") == n
            client.close()
            wait_until("it was reset",
                       lambda n=n: log.text().count("reset it") == n + 1)


def test_tcp_options_have_the_values_of_the_configuration(world):
    """The descriptors of the process are looked at through pidfd_getfd."""
    weir = world.start("tcp_keepidle = 77\ntcp_keepintvl = 11\n"
                       "tcp_keepcnt = 3\ntcp_user_timeout = 12345\n"
                       "tcp_socket_buffer = 65536")
    client = Client(weir.port)
    client.ask(query("begin"))
    found = 0
    for one in own_sockets(weir.process.pid, False):
        found += 1
        get = one.getsockopt
        assert get(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert get(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert get(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert get(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 11
        assert get(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
        assert get(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12345
        # Linux doubles it.
        assert get(socket.SOL_SOCKET, socket.SO_SNDBUF) == 131072
        assert get(socket.SOL_SOCKET, socket.SO_RCVBUF) == 131072
    assert found == 2, found
    weir = world.start("tcp_keepalive = 0")
    client = Client(weir.port)
    client.ask(query("begin"))
    assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            for one in own_sockets(weir.process.pid, False)] == [0, 0]


def own_sockets(pid, listen):
    """The TCP sockets of a process, those that listen or the others."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, pid, 0)
    if pidfd < 0:
        raise Skip("there is no pidfd_open here")
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith(
                    "socket:"):
                continue
            fd = libc.syscall(438, pidfd, int(name), 0)
            if fd < 0:
                raise Skip("pidfd_getfd is not allowed here")
            with socket.socket(fileno=fd) as one:
                if one.family == socket.AF_INET and \
                        one.type == socket.SOCK_STREAM and \
                        one.getsockopt(socket.SOL_SOCKET,
                                       socket.SO_ACCEPTCONN) == listen:
                    yield one
    finally:
        os.close(pidfd)


def test_listen_backlog_and_tcp_defer_accept_are_the_listeners(world):
    weir = world.start("listen_backlog = 37\ntcp_defer_accept = 1")
    line = subprocess.run(
        ["ss", "-tlnH", "sport", "=", str(weir.port)], capture_output=True,
        text=True, check=True).stdout
    assert line.split()[2] == "37", line
    got = [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
           for one in own_sockets(weir.process.pid, True)]
    assert len(got) == 1 and got[0] >= 45, got
    assert weir.sql("select 1") == "1"
    # PgBouncer's older files have the seconds themselves.
    weir = world.start("tcp_defer_accept = 45")
    assert weir.sql("select 1") == "1"


def test_listen_addr_takes_lists_names_and_stars(world):
    names = [f"[{at[0]}]:" if family == socket.AF_INET6 else f"{at[0]}:"
             for family, *_, at in socket.getaddrinfo(
                 "localhost", None, type=socket.SOCK_STREAM)]
    for addresses, expected in (
            ("127.0.0.1, ::1", ["127.0.0.1:", "[::1]:"]),
            ("localhost", names), ("*", ["[::]:"])):
        weir = world.start(config=world.config().replace(
            "listen_addr = 127.0.0.1", "listen_addr = " + addresses))
        lines = re.findall(r"listening on (\S+)", weir.text())
        assert len(lines) == len(expected), lines
        ports = set()
        for line, start in zip(lines, expected):
            assert line.startswith(start), lines
            ports.add(line.rsplit(":", 1)[1])
        assert len(ports) == 1
        assert psql("select 1", port=ports.pop(), dbname="app") == "1"
        weir.kill()


def test_a_name_to_listen_on_that_nobody_knows_ends_the_start(world):
    path = os.path.join(world.top, "name.ini")
    with open(path, "w") as f:
        f.write("[databases]\n[pgweir]\nlisten_addr = nobody.invalid\n"
                "listen_port = 0\nunix_socket_dir =\nmetrics_addr =\n")
    done = subprocess.run([world.binary, path], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1, done
    assert 'listen_addr: "nobody.invalid": ' in done.stderr, done.stderr


def test_scram_iterations_are_those_of_plain_secrets(world):
    for options, number in (("", 4096), ("scram_iterations = 5000", 5000)):
        weir = world.start(options + "\nauth_type = scram-sha-256")
        for user in ("app", "nobodyknows"):
            client = Client(weir.port, connect=False)
            client.send(startup(user=user, database="app"))
            assert client.read()[0] == "R"
            first = b"n,,n=,r=abcdefghijkl"
            body = b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first
            client.send(b"p" + (len(body) + 4).to_bytes(4, "big") + body)
            kind, answer = client.read()
            assert kind == "R" and answer.endswith(b",i=%d" % number), answer
            client.close()
        assert weir.sql("select 1", user="app", password="secret") == "1"
        weir.kill()


def test_max_prepared_statements_bounds_what_a_server_keeps(world):
    weir = world.start("max_prepared_statements = 3\nworkers = 1\n"
                       "default_pool_size = 1")
    client = Client(weir.port)
    for n in range(10):
        answer = client.ask(parse(f"s{n}", f"select {n}") + bind(f"s{n}") +
                            execute() + SYNC)
        assert "D" in kinds(answer)
    count = int(client.one("select count(*) from pg_prepared_statements"))
    assert count <= 3, count
    for n in range(10):
        answer = client.ask(bind(f"s{n}") + execute() + SYNC)
        assert "D" in kinds(answer), n


def test_max_statement_bytes_is_said_in_the_error(world):
    weir = world.start("max_statement_bytes = 2kB")
    client = Client(weir.port)
    text = "select 1 -- " + "x" * 5000
    answer = client.ask(parse("big", text) + SYNC)
    error = error_of(answer)
    assert error is None or "max_statement_bytes" in error["M"], error
    answer = client.ask(parse("", text) + bind("") + execute() + SYNC)
    assert "D" in kinds(answer), answer


def test_syslog_gets_the_lines_with_ident_and_facility(world):
    """A socket in the place of the system's."""
    if os.path.exists("/dev/log") or os.getuid() != 0:
        raise Skip("there is a system log here, or we are not root")
    box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    box.bind("/dev/log")
    try:
        os.chmod("/dev/log", 0o777)
        box.settimeout(30)
        weir = world.start("syslog = 1\nsyslog_ident = other\n"
                           "syslog_facility = local3")
        assert weir.sql("select 1") == "1"
        line = box.recv(65536).decode()
        # local3 is 19; LOG_INFO is 6.
        assert line.startswith(f"<{19 * 8 + 6}>"), line
        assert f" other[{weir.process.pid}]: " in line, line
        weir.kill()
    finally:
        box.close()
        os.unlink("/dev/log")


def test_cancel_wait_timeout_gives_a_cancel_up(world):
    """PostgreSQL does not answer a cancel request: nobody waits for ever."""
    # A stand-in that passes on all but cancel requests, which it ignores.
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            start = here.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL)
            if start == struct.pack(">II", 16, 80877102):
                kept.append(here)
                continue
            there = socket.create_connection(("127.0.0.1", world.pg.port))
            for pair in (here, there), (there, here):
                threading.Thread(target=pump, args=pair,
                                 daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    config = world.config("cancel_wait_timeout = 300ms\n"
                          "server_tls_sslmode = disable").replace(
        f"port={world.pg.port}", f"port={listener.getsockname()[1]}")
    weir = world.start(config=config)
    client = Client(weir.port)
    gate = Gate(world)
    client.send(query(gate.statement))
    gate.wait()
    start = time.monotonic()
    client.cancel(weir.port)
    assert 0.2 < time.monotonic() - start < 20
    gate.open()
    assert error_of(client.until_ready()) is None
    assert client.one("select 1") == "1"
    listener.close()


def test_every_option_is_used_somewhere(world):
    """A field of the table that nothing reads would be an option ignored."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                       "..")
    with open(os.path.join(top, "include/config/option_list.h")) as f:
        fields = re.findall(r"^X\([A-Z]+, \w+, (\w+),", f.read(), re.M)
    assert len(fields) > 80
    text = ""
    for folder, _, names in os.walk(os.path.join(top, "src")):
        for name in names:
            with open(os.path.join(folder, name)) as f:
                text += f.read()
    unused = [field for field in fields
              if not re.search(r"(?:->|\.)" + field + r"\b", text)]
    assert not unused, unused


def test_show_config_says_which_options_can_change(world):
    weir = world.start()
    rows = {r["key"]: r for r in table(weir, "CONFIG")}
    assert rows["listen_port"]["changeable"] == "no"
    assert rows["query_timeout"]["changeable"] == "yes"
    assert rows["server_idle_timeout"]["default"] == "30s"
    # A reload does not change what cannot be, and says so.
    weir.write(world.config("listen_backlog = 7\nquery_timeout = 6s"))
    weir.console("RELOAD")
    wait_until("it is said", lambda: re.search(
        r"listen_backlog.*restart|restart.*listen_backlog", weir.text()))
    rows = {r["key"]: r for r in table(weir, "CONFIG")}
    assert rows["query_timeout"]["value"] == "6"
    assert rows["listen_backlog"]["value"] == "512"


def test_disable_pqexec_lets_the_extended_protocol_in_only(world):
    weir = world.start("disable_pqexec = 1")
    client = Client(weir.port)
    answer = client.ask(parse("", "select 1"), bind(""), execute(), SYNC)
    assert kinds(answer) == "12DCZ"
    error = error_of(client.ask(query("select 1; select 2")))
    assert error["S"] == "FATAL" and "PQexec disallowed" in error["M"], error


def test_a_message_longer_than_max_packet_size_goes_no_way(world):
    weir = world.start("max_packet_size = 100000")
    client = Client(weir.port)
    # Its type and length count, and the zero at its end.
    fits = "select 1 /*" + "x" * (100000 - 5 - 1 - 13) + "*/"
    assert client.one(fits) == "1"
    error = error_of(client.ask(query(fits + " ")))
    assert error["C"] == "08P01" and "max_packet_size" in error["M"], error
    client = Client(weir.port)
    row = "select repeat('x', {})"
    size = 100000 - 5 - 2 - 4
    assert len(client.one(row.format(size))) == size
    error = error_of(client.ask(query(row.format(size + 1))))
    assert error["C"] == "08P01" and "max_packet_size" in error["M"], error
    assert client.one("select count(length(repeat('x', 200000)))") == "1"
    weir.console("set max_packet_size = 200000")
    assert len(client.one(row.format(size + 1))) == size + 1
