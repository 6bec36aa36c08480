"""PostgreSQL's own programs through the pooler, in both modes."""

import os
import shutil
import socket
import struct
import subprocess
import threading

from cluster import BIN, Skip, psql_run, wait_until
from wire import Client, error_of, kinds, message, query

MODES = ("transaction", "session")


def environment(weir, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return {**clean, "PGHOST": "127.0.0.1", "PGPORT": str(weir.port),
            "PGUSER": "app", "PGSSLMODE": "disable",
            "PGCONNECT_TIMEOUT": "20", **more}


def tool(weir, program, *args, good=True, **more):
    done = subprocess.run([f"{BIN}/{program}", *args], capture_output=True,
                          text=True, timeout=120,
                          env=environment(weir, **more))
    assert (done.returncode == 0) == good, (program, args, done.stderr)
    return done


def start(world, mode, options=""):
    return world.start(f"pool_mode = {mode}\nworkers = 2\n" + options)


def fresh(world, name):
    world.pg.sql(f"drop database if exists {name} with (force)")
    world.pg.sql(f"create database {name} owner app")


def test_psql_describes_copies_and_runs_scripts(world):
    for mode in MODES:
        weir = start(world, mode)
        fresh(world, "tools")
        script = f"""
create table numbers (n int primary key, name text default 'x''y;z');
comment on table numbers is 'of things';
\\copy numbers (n) from program 'seq 1 1000'
\\copy (select n from numbers order by n) to '{world.top}/numbers.out'
create function twice(int) returns int language sql as $$ select 2*$1 $$;
begin;
declare c cursor for select n from numbers order by n;
fetch 3 from c;
commit;
\\set QUIET on
select n, twice(n) from numbers where n = 21 \\gx
select 5 as five \\gset
\\echo five is :five
select 'create table made' || g || '()' from generate_series(1, 2) g \\gexec
\\d numbers
\\dt+
\\df twice
\\l
\\du
\\dn
\\conninfo
"""
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "tools"],
            input=script, capture_output=True, text=True, timeout=60,
            env=environment(weir))
        assert done.returncode == 0, done.stderr
        for part in ("COPY 1000", "twice | 42", "five is 5", '"numbers_pkey"',
                     "of things", "made2", f'port "{weir.port}"'):
            assert part in done.stdout, (mode, part, done.stdout)
        with open(f"{world.top}/numbers.out") as f:
            assert f.read() == "".join(f"{n}\n" for n in range(1, 1001))
        weir.kill()


def test_psql_in_single_transactions_and_with_errors(world):
    for mode in MODES:
        weir = start(world, mode)
        fresh(world, "tools")
        bad = "create table a (n int);\ninsert into a values (1);\nselect 1/0;"
        done = subprocess.run(
            ["psql", "-X", "-1", "-v", "ON_ERROR_STOP=1", "-d", "tools"],
            input=bad, capture_output=True, text=True, timeout=60,
            env=environment(weir))
        assert done.returncode == 3 and "division by zero" in done.stderr
        # Each statement for itself: the others are done.
        done = subprocess.run(
            ["psql", "-X", "-d", "tools"], input=bad + "\nselect 'end' || n "
            "from a;", capture_output=True, text=True, timeout=60,
            env=environment(weir))
        assert "end1" in done.stdout, done.stdout
        # Savepoints of psql's own.
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_ROLLBACK=on", "-d", "tools"],
            input="begin;\ninsert into a values (2);\nselect 1/0;\ncommit;\n"
            "select 'sum' || sum(n) from a;", capture_output=True, text=True,
            timeout=60, env=environment(weir))
        assert "sum3" in done.stdout, done.stdout
        weir.kill()


def test_psql_c_applies_pgoptions(world):
    for mode in MODES:
        weir = start(world, mode)
        for options, name, value in (
                ("-c work_mem=77kB", "work_mem", "77kB"),
                ("-c statement_timeout=12s -c search_path=a,b",
                 "search_path", "a,b"),
                ("-cdatestyle=ISO,\\ DMY", "datestyle", "ISO,DMY"),
                ("--work-mem=88kB", "work_mem", "88kB")):
            done = psql_run(f"show {name}", port=weir.port, dbname="app",
                            user="app", env={"PGOPTIONS": options})
            found = done.stdout.strip().replace(", ", ",")
            assert found == value, (mode, options, done)
        # The next client has nothing of it.
        done = psql_run("show work_mem", port=weir.port, dbname="app",
                        user="app")
        assert done.stdout.strip() == world.pg.sql("show work_mem")
        done = psql_run("select 1", port=weir.port, dbname="app", user="app",
                        env={"PGOPTIONS": "-c nosuch=1"})
        assert done.returncode != 0 and "nosuch" in done.stderr
        weir.kill()


def test_pgbench_runs_in_every_protocol_with_and_without_reconnecting(world):
    fresh(world, "bench")
    weir = start(world, "transaction")
    tool(weir, "pgbench", "-i", "-q", "-s", "1", "bench")
    weir.kill()
    for mode in MODES:
        # In session mode every client needs a server.
        weir = start(world, mode, "default_pool_size = 6")
        for protocol in ("simple", "extended", "prepared"):
            for more in (("-t", "100"), ("-C", "-t", "20")):
                done = tool(weir, "pgbench", "-n", "-M", protocol, "-c", "6",
                            "-j", "2", *more, "bench")
                assert "number of failed transactions: 0" in done.stdout
                assert "aborted" not in done.stdout + done.stderr
        # Its books balance.
        sums = psql_run(
            "select (select sum(abalance) from pgbench_accounts) = (select "
            "sum(delta) from pgbench_history) and (select sum(bbalance) from "
            "pgbench_branches) = (select sum(tbalance) from "
            "pgbench_tellers)", port=weir.port, dbname="bench")
        assert sums.stdout.strip() == "t", sums
        weir.kill()


def test_pgbench_pipelines_and_scripts_run(world):
    script = os.path.join(world.top, "pipeline.sql")
    with open(script, "w") as f:
        f.write("\\startpipeline\nselect 1;\nselect 2;\n"
                "select :client_id;\n\\endpipeline\n"
                "begin;\nselect 3;\nend;\n")
    for mode in MODES:
        weir = start(world, mode)
        for protocol in ("extended", "prepared"):
            done = tool(weir, "pgbench", "-n", "-M", protocol, "-c", "4",
                        "-t", "50", "-f", script, "app")
            assert "processed: 200/200" in done.stdout, done.stdout
        weir.kill()


FULL = """
create schema other;
create type mood as enum ('sad', 'ok');
create table other.people (id serial primary key, name text not null,
    feels mood, data bytea, at timestamptz default now());
create index on other.people (name);
create view other.happy as select * from other.people where feels = 'ok';
create function other.f() returns trigger language plpgsql as
    $$ begin new.name = upper(new.name); return new; end $$;
create trigger t before insert on other.people for each row
    execute function other.f();
insert into other.people (name, feels, data)
    select 'n' || g, 'ok', decode(md5(g::text), 'hex')
    from generate_series(1, 5000) g;
create table other.big as select g, repeat(md5(g::text), 20) as t
    from generate_series(1, 3000) g;
select lo_from_bytea(4711, 'large');
"""
PRINT = ("select md5(string_agg(p::text, ',' order by id)) from other.people "
         "p union all select md5(string_agg(b::text, ',' order by g)) from "
         "other.big b union all select convert_from(lo_get(4711), 'UTF8')")


def test_pg_dump_and_pg_restore_with_two_jobs_bring_everything_over(world):
    for mode in MODES:
        weir = start(world, mode)
        fresh(world, "source")
        fresh(world, "target")
        world.pg.sql(FULL, "source")
        expected = world.pg.sql(PRINT, "source")
        path = os.path.join(world.top, "dump")
        for form in ("c", "d"):
            shutil.rmtree(path, ignore_errors=True)
            if os.path.exists(path):
                os.unlink(path)
            jobs = ("-j", "2") if form == "d" else ()
            tool(weir, "pg_dump", "-F", form, *jobs, "-f", path, "source")
            fresh(world, "target")
            tool(weir, "pg_restore", "-j", "2", "--exit-on-error", "-d",
                 "target", path)
            assert world.pg.sql(PRINT, "target") == expected, (mode, form)
        # The plain form through psql.
        plain = tool(weir, "pg_dump", "source").stdout
        fresh(world, "target")
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "target"],
            input=plain, capture_output=True, text=True, timeout=60,
            env=environment(weir))
        assert done.returncode == 0, done.stderr
        assert world.pg.sql(PRINT, "target") == expected, mode
        # And nobody after it finds its search_path.
        shown = psql_run("show search_path", port=weir.port,
                         dbname="target", user="app")
        assert shown.stdout.strip() == '"$user", public'
        weir.kill()
    for name in ("source", "target", "tools", "bench"):
        world.pg.sql(f"drop database if exists {name} with (force)")


def test_copy_runs_both_ways_with_errors_in_the_middle(world):
    for mode in MODES:
        weir = start(world, mode)
        world.pg.sql("drop table if exists copied; create table copied "
                     "(n int, t text); alter table copied owner to app",
                     "app")
        rows = "".join(f"{n}\t{'x' * (n % 500)}\n" for n in range(20000))
        done = psql_run(["copy copied from stdin"], input_text=rows,
                        port=weir.port, dbname="app", user="app")
        assert done.returncode == 0, done.stderr
        for form in ("text", "csv", "binary"):
            done = subprocess.run(
                ["psql", "-X", "-q", "-c",
                 f"copy (select * from copied order by n) to stdout "
                 f"(format {form})", "-d", "app"],
                capture_output=True, timeout=60, env=environment(weir))
            assert done.returncode == 0, done.stderr
            if form == "text":
                assert done.stdout.decode() == rows
        done = psql_run(["copy copied from stdin"],
                        input_text="1\ta\nnonsense\tb\n" + rows,
                        port=weir.port, dbname="app", user="app")
        assert "nonsense" in done.stderr and done.returncode != 0
        assert psql_run("select count(*) from copied", port=weir.port,
                        dbname="app").stdout.strip() == "20000"
        weir.kill()
    world.pg.sql("drop table copied", "app")


def test_pg_isready_createdb_vacuumdb_and_reindexdb_run(world):
    for mode in MODES:
        weir = start(world, mode)
        done = tool(weir, "pg_isready", "-d", "app")
        assert "accepting connections" in done.stdout
        done = tool(weir, "pg_isready", "-d", "pgweir")
        assert "accepting connections" in done.stdout
        tool(weir, "createdb", "--maintenance-db=postgres", "made")
        tool(weir, "vacuumdb", "-z", "-j", "2", "made")
        tool(weir, "reindexdb", "made")
        # A database that pooled servers are connected to cannot be dropped.
        world.pg.sql("drop database made with (force)")
        assert "Assertion" not in weir.text()
        weir.kill()


#
# Messages of nearly one GiB.
#

HUGE = (1 << 30) - 1
CHUNK = bytes(1 << 20)


class Stand:
    """A server of few words: takes any length, answers with any length."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                one, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(one,),
                                 daemon=True).start()
        except OSError:
            pass

    def exactly(self, one, n):
        data = b""
        while len(data) < n:
            more = one.recv(n - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def skip(self, one, n):
        room = memoryview(bytearray(1 << 20))
        start = b""
        while n > 0:
            got = one.recv_into(room[:min(n, len(room))])
            if got == 0:
                raise OSError("closed")
            if not start:
                start = bytes(room[:min(got, 64)])
            n -= got
        return start

    def serve(self, one):
        try:
            (length,) = struct.unpack(">I", self.exactly(one, 4))
            self.exactly(one, length - 4)
            one.sendall(message("R", struct.pack(">I", 0)) +
                        message("S", b"client_encoding\0UTF8\0") +
                        message("S", b"server_version\x0015.0\0") +
                        message("S", b"standard_conforming_strings\0on\0") +
                        message("K", struct.pack(">II", 1, 2)) +
                        message("Z", b"I"))
            while True:
                kind = self.exactly(one, 1).decode()
                (length,) = struct.unpack(">I", self.exactly(one, 4))
                start = self.skip(one, length - 4)
                self.answer(one, kind, length, start)
        except OSError:
            pass

    def answer(self, one, kind, length, start):
        if length > 1 << 20:
            self.taken.append((kind, length))
        if kind == "Q" and start.startswith(b"copy"):
            one.sendall(message("G", b"\0\0\0"))
        elif kind == "Q" and start.startswith(b"select huge"):
            one.sendall(message("T", struct.pack(">H", 1) + b"a\0" +
                                struct.pack(">IHIHIH", 0, 0, 25, 65535,
                                            2**32 - 1, 0)))
            one.sendall(b"D" + struct.pack(">IHI", HUGE, 1, HUGE - 10))
            left = HUGE - 10
            while left > 0:
                n = min(left, len(CHUNK))
                one.sendall(memoryview(CHUNK)[:n])
                left -= n
            one.sendall(message("C", b"SELECT 1\0") + message("Z", b"I"))
        elif kind == "Q":
            one.sendall(message("C", b"SET\0") + message("Z", b"I"))
        elif kind == "c":
            one.sendall(message("C", b"COPY 1\0") + message("Z", b"I"))


def is_sanitized(world):
    with open(world.binary, "rb") as f:
        return b"__asan_init" in f.read()


def most_memory(weir):
    with open(f"/proc/{weir.process.pid}/status") as f:
        return [int(line.split()[1]) for line in f
                if line.startswith("VmHWM")][0]


def test_messages_of_a_gigabyte_stream_through_in_little_memory(world):
    if is_sanitized(world):
        raise Skip("a sanitizer's memory says nothing")
    stand = Stand()
    config = world.config("server_tls_sslmode = disable\nworkers = 1\n"
                          "max_client_conn = 10").replace(
        f"port={world.pg.port}", f"port={stand.port}")
    weir = world.start(config=config)
    client = Client(weir.port)
    client.socket.settimeout(60)
    # A statement: it is read to its end for what it may set.
    start = b"select 1 /* "
    client.send(b"Q" + struct.pack(">I", HUGE) + start)
    send_rest(client, HUGE - 4 - len(start), b"x" * len(CHUNK), b"*/\0")
    assert kinds(client.until_ready()) == "CZ"
    # A row of COPY.
    client.send(query("copy t from stdin"))
    assert client.read()[0] == "G"
    client.send(b"d" + struct.pack(">I", HUGE))
    send_rest(client, HUGE - 4, CHUNK, b"")
    client.send(message("c"))
    assert kinds(client.until_ready()) == "CZ"
    assert stand.taken == [("Q", HUGE), ("d", HUGE)], stand.taken
    # A row of a result.
    client.send(query("select huge"))
    assert client.read()[0] == "T"
    head = bytes(client.data)
    client.data.clear()
    while len(head) < 5:
        head += client.socket.recv(5 - len(head))
    assert head[:1] == b"D" and struct.unpack(">I", head[1:5])[0] == HUGE
    left = HUGE + 1 - len(head)
    room = memoryview(bytearray(1 << 20))
    while left > 0:
        left -= client.socket.recv_into(room[:min(left, len(room))])
    assert kinds(client.until_ready()) == "CZ"
    assert most_memory(weir) < 64 * 1024, most_memory(weir)
    assert error_of(client.ask(query("select 1"))) is None
    stand.listener.close()


def send_rest(client, n, chunk, end):
    n -= len(end)
    while n > 0:
        size = min(n, len(chunk))
        client.socket.sendall(memoryview(chunk)[:size])
        n -= size
    client.send(end)


def test_a_client_that_reads_slowly_does_not_fill_memory(world):
    if is_sanitized(world):
        raise Skip("a sanitizer's memory says nothing")
    weir = world.start("workers = 1\nmax_client_conn = 50")
    clients = [Client(weir.port) for _ in range(10)]
    for client in clients:
        client.send(query("select repeat('x', 1000) from "
                          "generate_series(1, 50000)"))
    wait_until("all are linked", lambda: weir.console("show pools").split(
        "\n")[0].split("|")[6] == "10")
    for client in clients:
        assert client.socket.recv(1 << 16)
    for _ in range(20):
        weir.console("show version")
    assert most_memory(weir) < 64 * 1024, most_memory(weir)
    for client in clients:
        client.data.clear()
        client.close()
