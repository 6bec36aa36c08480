"""Pipelines, COPY, cancelling, leaving in the middle, lengths that lie and
clients that never read: the next client finds a server that is in step."""

import os
import socket
import struct
import threading

from cluster import wait_until
from wire import (Client, FLUSH, Gate, ONE, SYNC, TERMINATE, bind, close,
                  describe, error_of, execute, kinds, message, parse, query,
                  row)


def pair(world, options=ONE, **more):
    weir = world.start(options, **more)
    a, b = Client(weir.port), Client(weir.port)
    b.socket.settimeout(20)
    return weir, a, b


def is_free(b):
    """The one server is in step and is B's for a moment."""
    assert kinds(b.ask(query("select 1"))) == "TDCZ"
    answer = b.ask(parse("", "select 2") + bind("") + execute() + SYNC)
    assert kinds(answer) == "12DCZ" and answer[2][1].endswith(b"2")


def test_copy_in_through_the_extended_protocol_frees_the_server(world):
    weir, a, b = pair(world)
    a.ask(query("create table if not exists leak_copied (a int)"))
    begin = parse("", "copy leak_copied from stdin") + bind("") + execute()
    a.send(begin + SYNC)
    assert [a.read()[0] for _ in range(3)] == ["1", "2", "G"]
    a.send(message("d", b"1\n") + message("c") + SYNC)
    assert kinds(a.until_ready()) == "CZ"
    is_free(b)
    assert kinds(a.ask(begin + message("d", b"1\n") + message("c") +
                       SYNC)) == "12GCZ"
    is_free(b)
    assert kinds(a.ask(begin + SYNC + message("d", b"1\n") + message("c") +
                       SYNC)) == "12GCZ"
    is_free(b)
    assert kinds(a.ask(begin + message("f", b"no\0") + SYNC)) == "12GEZ"
    is_free(b)
    a.send(begin + SYNC)
    assert [a.read()[0] for _ in range(3)] == ["1", "2", "G"]
    a.send(message("d", b"x\n") + message("c") + SYNC)
    assert kinds(a.until_ready()) == "EZ"
    is_free(b)


def test_copy_in_of_a_simple_query_frees_the_server_also_when_it_fails(
        world):
    weir, a, b = pair(world)
    a.ask(query("create table if not exists leak_copied (a int)"))
    begin = query("copy leak_copied from stdin")
    data, done = message("d", b"1\n"), message("c")
    assert kinds(a.ask(begin + data + done)) == "GCZ"
    is_free(b)
    assert kinds(a.ask(begin + message("d", b"x\n") + data * 100 +
                       done)) == "GEZ"
    is_free(b)
    a.send(data * 100 + done)
    is_free(b)
    assert kinds(a.ask(query("copy nosuch from stdin") + data + done)) == "EZ"
    is_free(b)
    a.ask(query("copy leak_copied from stdin; select 1") + data + done)
    is_free(b)


def test_late_copy_data_never_reaches_another_clients_copy(world):
    weir, a, b = pair(world)
    a.ask(query("create table if not exists leak_copied (a int); "
                "truncate leak_copied"))
    begin = query("copy leak_copied from stdin")
    for _ in range(20):
        a.send(begin)
        assert a.read()[0] == "G"
        b.send(begin)
        a.send(message("d", b"x\n"))
        a.send(message("d", b"666\n") * 1000 + message("c"))
        assert kinds(a.until_ready()) == "EZ"
        while b.read()[0] != "G":
            pass
        a.send(message("d", b"666\n") * 1000 + message("c"))
        b.send(message("d", b"1\n") + message("c"))
        assert kinds(b.until_ready()) == "CZ"
    assert b.one("select count(*) from leak_copied where a = 666") == "0"


def test_a_client_that_leaves_in_the_middle_leaves_a_server_in_step(world):
    weir = world.start(ONE)
    Client(weir.port).ask(query("create table if not exists leak_copied (a int)"))
    long = query("select '" + "x" * 200000 + "'")
    middles = (
        query("select 1")[:3], long[:100000], parse("s", "select 1"),
        parse("s", "select 1") + bind("s") + execute(),
        parse("s", "select 1") + FLUSH, query("begin"),
        query("begin") + parse("s", "select 1") + SYNC,
        query("copy leak_copied from stdin"),
        query("copy leak_copied from stdin") + message("d", b"1\n" * 9)[:9],
        query("copy (select generate_series(1, 100000)) to stdout"),
        query("select generate_series(1, 100000)"),
        query("select 1") * 300, SYNC * 300,
        (parse("", "select 1") + bind("") + execute() + SYNC) * 300,
        close("S", "x"), describe("S", "x"), describe("P", "x"),
        bind("nosuch"), bind("nosuch")[:7], message("d", b"x"),
        query("select pg_sleep(20)"), message("F", b"\0\0\0\1"),
        query("select 1") + TERMINATE, query("begin") + TERMINATE,
        parse("s", "select 1") + bind("s") + execute() + TERMINATE,
        message("Z"), b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"Q\0\0\0\3",
        b"Q\x7f\xff\xff\xff", b"P\0\0\0\4", b"B\0\0\0\5x", b"E\0\0\0\4",
        b"D\0\0\0\6Sx", b"C\0\0\0\5S", b"H\0\0\0\5x", b"S\0\0\0\5x" + SYNC,
        b"F\0\0\0\4", message("P", b"s\0select 1\0\0\2\0\0\0\0"),
        message("P", b"s\0select 1\0\xff\xff"),
        message("B", b"\0s\0\xff\xff"), message("Q", b"select 1"),
        message("Q", b"select 1\0; listen x\0"))
    for middle in middles:
        a = Client(weir.port)
        a.send(middle)
        a.close()
        b = Client(weir.port)
        b.socket.settimeout(20)
        is_free(b)
        assert b.one("select count(*) from pg_listening_channels()") == "0"
        b.close()


def test_a_server_that_dies_in_a_pipeline_answers_each_client_its_own(world):
    weir = world.start("default_pool_size = 2")
    for text in ("select pg_sleep(20)", "begin; select pg_sleep(20)"):
        a, b = Client(weir.port), Client(weir.port)
        a.send(query(text) + (parse("", "select 1") + bind("") + execute() +
                              SYNC) * 3)
        wait_until("the statement runs", lambda: world.pg.sql(
            "select count(*) from pg_stat_activity where query like "
            "'%pg_sleep(20)' and state = 'active'") == "1")
        world.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                     "where query like '%pg_sleep(20)' and pid <> "
                     "pg_backend_pid()")
        assert "E" in kinds(a.until_ready())
        is_free(b)
        a.close()
        b.close()


def test_a_cancel_hits_its_own_client_only(world):
    weir, a, b = pair(world)
    for _ in range(15):
        a.send(query("select pg_sleep(0.002)"))
        b.send(query("select pg_sleep(0.002)"))
        a.cancel(weir.port)
        a.until_ready()
        assert "E" not in kinds(b.until_ready())
    a.close()
    a.cancel(weir.port)
    is_free(b)


class Between:
    """Stands before PostgreSQL and holds back what cancels."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.held = []
        self.arrived = threading.Event()
        self.left = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,),
                             daemon=True).start()

    def serve(self, near):
        first = near.recv(65536)
        if first[4:8] == struct.pack(">I", 80877102):
            self.held.append(first)
            self.arrived.set()
            near.recv(1)
            self.left.set()
            return
        far = socket.create_connection(("127.0.0.1", self.port))
        far.sendall(first)
        threading.Thread(target=self.copy, args=(far, near),
                         daemon=True).start()
        self.copy(near, far)

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def deliver(self):
        for request in self.held:
            with socket.create_connection(("127.0.0.1", self.port)) as s:
                s.sendall(request)
                s.recv(1)


def test_a_cancel_that_comes_after_its_time_limit_hits_nobody(world):
    between = Between(world.pg.port)
    weir = world.start(
        ONE + "\ncancel_wait_timeout = 100ms",
        databases="app = host=127.0.0.1 port="
                  f"{between.listener.getsockname()[1]}")
    a, b = Client(weir.port), Client(weir.port)
    gate = Gate(world)
    a.send(query(gate.statement))
    gate.wait()
    canceller = threading.Thread(target=a.cancel, args=(weir.port,))
    canceller.start()
    assert between.arrived.wait(20) and between.left.wait(20)
    canceller.join()
    gate.open()
    assert "E" not in kinds(a.until_ready())
    gate = Gate(world)
    b.send(query(gate.statement))
    gate.wait()
    between.deliver()
    gate.open()
    answer = b.until_ready()
    between.listener.close()
    assert "E" not in kinds(answer), error_of(answer)


def test_a_storm_of_cancels_is_a_few_for_postgresql(world):
    between = Between(world.pg.port)
    weir = world.start(
        ONE, databases="app = host=127.0.0.1 port="
                       f"{between.listener.getsockname()[1]}")
    a = Client(weir.port)
    a.send(query("select pg_sleep(20)"))
    wait_until("the statement runs", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where query like "
        "'%pg_sleep(20)' and state = 'active'") == "1")
    storm = [threading.Thread(target=a.cancel, args=(weir.port,), daemon=True)
             for _ in range(40)]
    for canceller in storm:
        canceller.start()
    wait_until("most are over", lambda: sum(
        not canceller.is_alive() for canceller in storm) >= 32)
    assert len(between.held) <= 8
    between.deliver()
    assert error_of(a.until_ready())["C"] == "57014"
    a.close()
    weir.kill()
    between.listener.close()


def test_a_cancel_while_settings_are_applied_never_drops_them(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.ask(query("set search_path = a"))
    b = Client(weir.port)
    for _ in range(30):
        b.ask(query("select 1"))
        try:
            a.send(query("select current_setting('search_path'), "
                         "pg_sleep(0.001)"))
            a.cancel(weir.port)
            answer = a.until_ready()
        except (BrokenPipeError, ConnectionResetError):
            answer = []
        for kind, body in answer:
            if kind == "D":
                assert row(body)[0] == "a", answer
        assert b.one("show search_path") == '"$user", public'
        if not answer or answer[-1][0] != "Z":
            a = Client(weir.port)
            a.ask(query("set search_path = a"))


# A sanitized build keeps what was freed, or it could not be measured.
PLAIN_MEMORY = {"ASAN_OPTIONS": "quarantine_size_mb=1"}


def memory(weir):
    with open(f"/proc/{weir.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def flood(client, what, limit):
    """Send without reading until it is not taken any more, or the limit."""
    client.socket.settimeout(1)
    sent = 0
    try:
        while sent < limit:
            sent += client.socket.send(what)
    except socket.timeout:
        pass
    return sent


def test_a_client_that_never_reads_is_not_read_for_ever(world):
    weir = world.start(ONE, env=PLAIN_MEMORY)
    for what in (SYNC, close("S", "x"), query("deallocate x"),
                 bind("nosuch") + SYNC, query("select 1")):
        a = Client(weir.port)
        a.ask(query("prepare x as select 1; deallocate x"))
        a.ask(query("discard all"))
        before = memory(weir)
        flood(a, what * (65536 // len(what)), 64 << 20)
        assert memory(weir) - before < 24 << 20, (what, memory(weir))
        a.close()
    is_free(Client(weir.port))


def test_what_a_waiting_client_sends_is_not_kept_without_end(world):
    weir, a, b = pair(world, env=PLAIN_MEMORY)
    a.ask(query("begin"))
    before = memory(weir)
    flood(b, query("select 1") * 4000, 64 << 20)
    assert memory(weir) - before < 24 << 20
    b.close()
    a.ask(query("rollback"))
    c = Client(weir.port)
    is_free(c)


def test_copy_in_behind_settings_that_are_applied_first_is_in_step(world):
    weir = world.start("default_pool_size = 1")
    world.pg.sql("create table copied (a text)", database="app")
    try:
        other = Client(weir.port, search_path="pg_catalog, public")
        client = Client(weir.port)
        for end, shape in ((message("c"), "12GCZ"),
                           (message("f", b"no\0"), "12GEZ")):
            other.one("select 1")
            answer = client.ask(
                parse("", "copy copied from stdin"), bind(""), execute(),
                message("d", b"one\n"), end, SYNC)
            assert kinds(answer) == shape, answer
            assert client.one("select count(*) from copied") == "1"
        client.close()
        other.close()
    finally:
        world.pg.sql("drop table copied", database="app")
