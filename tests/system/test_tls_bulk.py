"""Much data through TLS in front and behind, and peers that are slow."""

import contextlib
import hashlib
import os
import select
import signal
import socket
import ssl
import struct
import subprocess

from cluster import BIN, wait_until
from secure import TlsClient, is_tls_behind, postgres_with_tls
from wire import (TERMINATE, bind, error_of, execute, kinds, message, parse,
                  query, SYNC)

MEGABYTES = 100
BLOCK = bytes(range(32, 127)) * 11
LINE = (BLOCK[:1023] + b"\n").replace(b"\\", b"/")
# What the process may grow by, whatever goes through it.
ROOM_KB = 24 * 1024


class Secured:
    """A pgweir with TLS on both sides, until the end."""

    def __init__(self, world, options=""):
        self.world, self.options = world, options

    def __enter__(self):
        self.pg = postgres_with_tls(self.world)
        made = self.pg.__enter__()
        weir = self.world.start(
            "client_tls_sslmode = require\nserver_tls_sslmode = verify-full\n"
            "workers = 2\n" + made.front("server") + made.back(ca="ca") +
            self.options)
        assert is_tls_behind(weir, sslmode="require")
        return weir

    def __exit__(self, *error):
        self.world.settle()
        self.pg.__exit__(*error)


def resident(weir):
    with open(f"/proc/{weir.process.pid}/status") as f:
        found = dict(line.split(":", 1) for line in f)
    return int(found["VmRSS"].split()[0])


def is_sanitized(weir):
    with open(f"/proc/{weir.process.pid}/maps") as f:
        return "libasan" in f.read()


def assert_bounded(weir, before):
    """An address sanitizer keeps what is freed, so that says nothing."""
    if not is_sanitized(weir):
        assert resident(weir) < before + ROOM_KB, (before, resident(weir))


def run(weir, program, *args, **more):
    command = [f"{BIN}/{program}", "-h", "127.0.0.1", "-p", str(weir.port),
               "-U", "app", *args]
    return subprocess.run(command, capture_output=True, timeout=110,
                          env={"PATH": os.environ["PATH"],
                               "PGSSLMODE": "require"}, **more)


def test_pgbench_connects_anew_for_each_transaction(world):
    script = os.path.join(world.top, "one.sql")
    with open(script, "w") as f:
        f.write("select 1\n")
    with Secured(world, "default_pool_size = 3") as weir:
        done = run(weir, "pgbench", "-n", "-C", "-f", script, "-c", "8",
                   "-t", "25", "app", text=True)
        assert "200/200" in done.stdout, done.stdout + done.stderr
        for mode in ("simple", "extended", "prepared"):
            done = run(weir, "pgbench", "-n", "-f", script, "-M", mode, "-c",
                       "8", "-t", "200", "app", text=True)
            assert "1600/1600" in done.stdout, done.stdout + done.stderr


def test_pg_dump_and_pg_restore_run_through_TLS(world):
    dump = os.path.join(world.top, "tls.dump")
    count = "select count(*), sum(length(t)) from dumped"
    world.pg.sql("drop table if exists dumped; create table dumped as select "
                 "n, repeat(md5(n::text), 20) t from generate_series(1, "
                 "20000) n", "app")
    before = world.pg.sql(count, "app")
    with Secured(world) as weir:
        done = run(weir, "pg_dump", "-Fc", "-t", "dumped", "-f", dump, "app")
        assert done.returncode == 0, done.stderr
        world.pg.sql("drop table dumped", "app")
        done = run(weir, "pg_restore", "-d", "app", dump)
        assert done.returncode == 0, done.stderr
        assert world.pg.sql(count, "app") == before
    world.pg.sql("drop table dumped", "app")
    os.unlink(dump)


def rows_statement():
    return (f"select repeat(chr(65 + n % 26), 1024) from "
            f"generate_series(1, {MEGABYTES * 1024}) n")


def read_result(client):
    """Rows, and a digest over all of them, up to ReadyForQuery."""
    digest, rows = hashlib.sha256(), 0
    while True:
        kind, body = client.read()
        if kind == "D":
            rows += 1
            digest.update(body[6:])
        assert kind != "E", body
        if kind == "Z":
            return rows, digest.hexdigest()


def expected_result():
    digest = hashlib.sha256()
    for n in range(1, MEGABYTES * 1024 + 1):
        digest.update(bytes([65 + n % 26]) * 1024)
    return MEGABYTES * 1024, digest.hexdigest()


def test_a_result_of_100_MB_arrives_whole(world):
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        before = resident(weir)
        client.send(query(rows_statement()))
        assert read_result(client) == expected_result()
        assert_bounded(weir, before)
        assert client.one("select 1") == "1"


def test_a_value_of_40_MB_arrives_whole(world):
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        before = resident(weir)
        length = 40 * 1024 * 1024
        value = client.one(f"select repeat('x', {length})")
        assert len(value) == length and value.count("x") == length
        assert client.one("select length('" + value + "')") == str(length)
        assert_bounded(weir, before)


def copy_in(client, table, count):
    client.send(query(f"copy {table} from stdin"))
    kind, body = client.read()
    assert kind == "G", body
    chunk = message("d", LINE) * 64
    for _ in range(count // 64):
        client.send(chunk)


def test_a_COPY_of_100_MB_arrives_whole(world):
    world.pg.sql("drop table if exists copied", "app")
    world.pg.sql("create unlogged table copied (line text)", "app")
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        before = resident(weir)
        count = MEGABYTES * 1024
        copy_in(client, "copied", count)
        client.send(message("c"))
        answer = client.until_ready()
        assert kinds(answer) == "CZ", error_of(answer)
        assert answer[0][1] == b"COPY %d\0" % count
        assert_bounded(weir, before)
        assert client.rows("select count(*), count(distinct line), "
                           "sum(length(line)) from copied") == \
            [[str(count), "1", str(count * (len(LINE) - 1))]]
        digest = hashlib.md5(LINE[:-1]).hexdigest()
        assert client.one("select md5(line) from copied limit 1") == digest
    world.pg.sql("drop table copied", "app")


def large_batch():
    return (parse("", "select repeat($1, 3)") +
            bind("", values=["y" * 400_000]) + execute() + SYNC)


def answers_in(data):
    """Takes whole messages off data; how many of them are ReadyForQuery."""
    at = found = 0
    while len(data) - at >= 5:
        (length,) = struct.unpack_from(">I", data, at + 1)
        if len(data) - at <= length:
            break
        found += data[at] == ord("Z")
        at += length + 1
    del data[:at]
    return found


def test_both_directions_at_once_do_not_block_each_other(world):
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        client.socket.setblocking(False)
        left, got = memoryview(large_batch() * 20), 0
        while got < 20:
            can = select.select([client.socket], [client.socket] if left
                                else [], [], 30)
            assert can[0] or can[1], "both sides wait"
            with contextlib.suppress(ssl.SSLWantReadError):
                client.data += client.socket.recv(1 << 16)
            got += answers_in(client.data)
            with contextlib.suppress(ssl.SSLWantWriteError):
                left = left[client.socket.send(left[:1 << 16]):]


def test_a_writer_that_never_reads_is_stopped(world):
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        before = resident(weir)
        client.socket.settimeout(1)
        sent = fill(client, large_batch())
        assert sent < 64 * 1024 * 1024, sent
        assert_bounded(weir, before)
        assert TlsClient(weir.port).one("select 1") == "1"


def is_stalled(world, event):
    return world.pg.sql(
        "select count(*) from pg_stat_activity where wait_event = "
        f"'{event}' and state = 'active'") == "1"


def test_a_slow_reader_stops_the_server_and_not_the_others(world):
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        before = resident(weir)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(query(rows_statement()))
        wait_until("the server waits for its reader",
                   lambda: is_stalled(world, "ClientWrite"))
        others = [TlsClient(weir.port) for _ in range(4)]
        for other in others:
            assert other.one("select 1") == "1"
            assert len(other.one("select repeat('z', 3000000)")) == 3_000_000
        assert is_stalled(world, "ClientWrite")
        assert_bounded(weir, before)
        assert read_result(client) == expected_result()
        assert_bounded(weir, before)


def test_a_reader_that_leaves_in_the_middle_frees_its_server(world):
    with Secured(world, "default_pool_size = 1") as weir:
        client = TlsClient(weir.port)
        client.send(query(rows_statement()))
        wait_until("the server waits for its reader",
                   lambda: is_stalled(world, "ClientWrite"))
        client.close()
        other = TlsClient(weir.port)
        assert other.one("select 1") == "1"
        other.send(TERMINATE)
        wait_until("the statement has ended",
                   lambda: not is_stalled(world, "ClientWrite"))


def test_a_slow_server_stops_the_writer_and_not_the_others(world):
    world.pg.sql("drop table if exists slow", "app")
    world.pg.sql("create unlogged table slow (line text)", "app")
    with Secured(world) as weir:
        client = TlsClient(weir.port)
        pid = int(client.one("begin; select pg_backend_pid()"))
        before = resident(weir)
        client.send(query("copy slow from stdin"))
        assert client.read()[0] == "G"
        os.kill(pid, signal.SIGSTOP)
        try:
            client.socket.settimeout(1)
            sent = fill(client, message("d", LINE) * 64)
            assert sent < 64 * 1024 * 1024, sent
            assert TlsClient(weir.port).one("select 1") == "1"
            assert_bounded(weir, before)
        finally:
            os.kill(pid, signal.SIGCONT)
    world.pg.sql("drop table slow", "app")


def fill(client, chunk):
    """Write until nobody takes anything for a second; how much that was."""
    sent = 0
    try:
        while sent < 256 * 1024 * 1024:
            sent += client.socket.send(chunk)
    except TimeoutError:
        pass
    return sent
