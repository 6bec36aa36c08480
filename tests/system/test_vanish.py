"""A client that goes away without a word, in every state of a transaction:
its server ends what it had begun, keeps nothing of it and serves others."""

import signal
import struct
import subprocess

from cluster import wait_until
from wire import (Client, FLUSH, SYNC, TERMINATE, bind, close, describe,
                  execute, kinds, message, parse, query, vanish)

ONE = "default_pool_size = 1\nquery_wait_timeout = 20s"
COPY = "copy vanished from stdin"


def say_goodbye(client):
    client.send(TERMINATE)
    client.close()


def begins(world, options=ONE):
    world.pg.sql("create table if not exists vanished (a text); truncate "
                 "vanished; grant all on vanished to app", database="app")
    weir = world.start(options)
    client = Client(weir.port)
    pid = client.one("select pg_backend_pid()")
    client.close()
    return weir, pid


def serves_as_new(weir, pid, rows="0"):
    client = Client(weir.port)
    assert client.one("select pg_backend_pid()") == pid, "it was closed"
    assert client.one("select count(*) from vanished") == rows
    assert client.one("select count(*) from pg_locks where locktype = "
                      "'advisory'") == "0"
    assert client.one("select count(*) from pg_cursors") == "0"
    assert client.one("select count(*) from pg_prepared_statements") == "0"
    assert client.one("show work_mem") == "4MB"
    assert kinds(client.ask(query("begin"))) == "CZ"
    assert kinds(client.ask(query("rollback"))) == "CZ"
    client.close()


def is_the_only_one(world):
    assert world.pg.sql("select count(*) from pg_stat_activity where "
                        "usename = 'app'") == "1"


INSERT = parse("", "insert into vanished values ('batch')") + bind("") + \
    execute()

# What is said, and the messages that are read before it vanishes.
STATES = {
    "idle in a transaction":
        (query("begin; insert into vanished values (1)"), "CCZ"),
    "idle in a transaction with a setting and a lock":
        (query("begin; set work_mem = '9MB'; select pg_advisory_lock(1)"),
         "CCTDCZ"),
    "a failed transaction":
        (query("begin; insert into vanished values (1); select 1/0"), "CCEZ"),
    "a failed transaction with a savepoint":
        (query("begin; insert into vanished values (1); savepoint s") +
         query("selec"), "CCCZEZ"),
    "a batch without its Sync":
        (INSERT + FLUSH, "12C"),
    "a batch without its Sync or Flush":
        (INSERT, ""),
    "a batch in a transaction":
        (query("begin") + INSERT + FLUSH, "CZ12C"),
    "a batch that has failed":
        (INSERT + parse("", "select 1/0") + bind("") + execute() + FLUSH,
         "12C1E"),
    "an open portal":
        (parse("", "select generate_series(1, 9)") + bind("", "p") +
         execute("p", 2) + FLUSH, "12DDs"),
    "a named statement described":
        (parse("mine", "select $1::int") + describe("S", "mine") + FLUSH,
         "1tT"),
    "a copy in":
        (query(COPY), "G"),
    "a copy in with rows":
        (query(COPY) + message("d", b"one\ntwo\n"), "G"),
    "a copy in of a transaction":
        (query("begin") + query(COPY) + message("d", b"one\n"), "CZG"),
    "a copy in of a batch":
        (parse("", COPY) + bind("") + execute() + FLUSH +
         message("d", b"one\n"), "12G"),
    "a copy out":
        (query("copy (select repeat('x', 1000) from generate_series(1, "
               "1000000)) to stdout"), "Hddd"),
    "a copy out of a transaction":
        (query("begin; insert into vanished values (1); copy (select "
               "repeat('x', 1000) from generate_series(1, 1000000)) to "
               "stdout"), "CCHd"),
    "rows that come":
        (query("select repeat('x', 1000) from generate_series(1, 1000000)"),
         "TDD"),
    "a statement that runs":
        (query("begin; insert into vanished values (1)") +
         query("select pg_sleep(60)"), "CCZ"),
    "a pipeline of which the first runs":
        (parse("", "select pg_sleep(60)") + bind("") + execute() + SYNC +
         INSERT * 3, ""),
    "a pipeline of queries":
        (query("begin; insert into vanished values (1)") +
         query("select pg_sleep(60)") + query("commit"), "CCZ"),
    "a cursor with hold":
        (query("begin; declare mine cursor with hold for select 1"), "CCZ"),
}


def test_in_every_state_its_server_ends_it_and_serves_on(world):
    weir, pid = begins(world)
    for leave in vanish, Client.close, say_goodbye:
        for state, (says, reads) in STATES.items():
            client = Client(weir.port)
            client.send(says)
            got = ""
            while len(got) < len(reads):
                try:
                    got += client.read()[0]
                except TimeoutError:
                    raise AssertionError(f"{state}: {got}") from None
            assert got == reads, (state, got)
            leave(client)
            try:
                serves_as_new(weir, pid)
            except AssertionError as error:
                raise AssertionError(f"{state}: {error}") from error
    is_the_only_one(world)


HALVES = {
    "a query": query("insert into vanished values (1)"),
    "a long query": query("insert into vanished values (1) /*" +
                          "x" * 200000 + "*/"),
    "a Parse": parse("", "insert into vanished values (1)"),
    "a Parse that is too long to keep":
        parse("", "insert into vanished values (1) /*" + "x" * 3000000 +
              "*/"),
    "a Bind": INSERT[:-10] + bind("", values=["x" * 100]),
    "a long Bind":
        parse("", "insert into vanished values ($1)") +
        bind("", values=["x" * 200000]),
    "an Execute": INSERT,
    "an Execute behind another": INSERT + INSERT,
    "a Sync": INSERT + SYNC,
    "a Close": INSERT + close("S", "nothing"),
    "copy data": query(COPY) + message("d", b"one\ntwo\n"),
    "long copy data": query(COPY) + message("d", b"one\n" * 50000),
    "the end of a copy": query(COPY) + message("d", b"one\n") +
        message("c"),
    "a CopyFail": query(COPY) + message("f", b"x" * 300 + b"\0"),
    "a function call": message("F", struct.pack(
        ">IHHHIIH", 1598, 0, 0, 0, 0, 0, 0)[:12]),
    "a goodbye": query("begin; insert into vanished values (1)") + TERMINATE,
}


def test_in_the_middle_of_a_message_its_server_serves_on(world):
    weir, pid = begins(world)
    for what, whole in HALVES.items():
        for begin in b"", query("begin"):
            for missing in (1, 2, 5, len(whole) // 3) if not begin else (1,):
                client = Client(weir.port)
                if begin:
                    # Unread, its answer would make a reset of the close,
                    # which loses more of the message than is missing here.
                    client.ask(begin)
                client.send(whole[:-missing])
                client.close()
                try:
                    serves_as_new(weir, pid)
                except AssertionError as error:
                    raise AssertionError(
                        f"{what}, {missing} bytes missing: {error}"
                        ) from error
    is_the_only_one(world)


def test_a_killed_psql_frees_its_lock_while_it_waits_for_another(world):
    """kill -9 of a real program, whose statement waits for a lock that
    somebody else has."""
    weir, _ = begins(world, "default_pool_size = 4")
    other, watch = Client(weir.port), Client(weir.port)
    other.ask(query("select pg_advisory_lock(2)"))
    other.ask(query("begin; lock table vanished"))
    for waits in "select pg_advisory_lock(2)", "insert into vanished values (1)":
        psql = subprocess.Popen(
            ["psql", "-X", "-q", f"host=127.0.0.1 port={weir.port} user=app "
             "dbname=app", "-c", "select pg_advisory_lock(1)", "-c", waits],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("it waits", lambda: watch.one(
            "select count(*) from pg_locks where not granted") == "1")
        assert watch.one("select pg_try_advisory_xact_lock(1)") == "f"
        psql.send_signal(signal.SIGKILL)
        psql.wait()
        wait_until("the lock is free", lambda: watch.one(
            "select pg_try_advisory_xact_lock(1)") == "t")
        wait_until("nobody waits", lambda: watch.one(
            "select count(*) from pg_locks where not granted") == "0")
    assert other.one("select count(*) from pg_locks where pid = "
                     "pg_backend_pid() and locktype = 'advisory'") == "1"
    other.ask(query("rollback"))
    assert watch.one("select count(*) from vanished") == "0"
