"""What else belongs to a session, temporary tables, listening, locks,
cursors: however A makes it, B does not meet it."""

import struct

from cluster import wait_until
from wire import (Client, ONE, SYNC, bind, error_of, execute, kinds, message,
                  parse, query)

TEMP = ("select count(*) from pg_class where relnamespace = "
        "pg_my_temp_schema()")
LISTENS = "select count(*) from pg_listening_channels()"
LOCKS = ("select count(*) from pg_locks where locktype = 'advisory' and "
         "pid = pg_backend_pid()")
CURSORS = "select count(*) from pg_cursors"
PREPARED = "select count(*) from pg_prepared_statements where from_sql"


def next_client(weir):
    client = Client(weir.port)
    client.socket.settimeout(20)
    return client


def leaves_nothing(world, weir, probe, *texts):
    """A has it while it stays, and nobody once it has left."""
    for text in texts:
        a = Client(weir.port)
        for part in [text] if isinstance(text, str) else text:
            answer = a.ask(query(part) if isinstance(part, str) else part)
            assert "E" not in kinds(answer), (text, error_of(answer))
        assert a.one(probe) != "0", text
        a.close()
        b = next_client(weir)
        assert b.one(probe) == "0", text
        b.close()


def test_temporary_tables_are_seen_however_they_are_made(world):
    weir = world.start(ONE)
    leaves_nothing(
        world, weir, TEMP,
        "create local temporary table t (a int)",
        "create global temp table t (a int)",
        "create or replace temp view t as select 1",
        "create temp sequence t",
        "create unlogged table if not exists nothing (a int); "
        "create table pg_temp.t (a int)",
        "create table \"pg_temp\".t (a int)",
        "select 1 as a into temp t",
        "select 1 as a into local temp t",
        "select 1 as a into temporary table t",
        "with x as (select 1 as a) select a into temp t from x",
        "explain analyze create temp table t as select 1",
        "set search_path = pg_temp; create table t (a int)",
        ["set search_path = \"pg_temp\", public", "create table t (a int)"],
        ["select set_config('search_path', 'pg_temp', false)",
         parse("", "select 1 as a into t") + bind("") + execute() + SYNC],
        "do $$ begin create temp table t (a int); end $$",
        "do 'begin execute ''create '' || ''temp table t (a int)''; end'",
        "prepare p as select 1; create temp table t as execute p",
        "begin; create temp table t (a int); commit; begin",
        ["begin", "create temp table t (a int)", "commit and chain"],
        [parse("", "create temp table t (a int)") + bind("") + execute() +
         SYNC])


def test_a_procedure_leaves_no_temporary_table_behind(world):
    world.pg.sql("create or replace procedure makes_temp() language plpgsql "
                 "as $$ begin create temp table t (a int); end $$",
                 database="app")
    leaves_nothing(world, world.start(ONE), TEMP, "call makes_temp()")


def test_listening_ends_with_its_client(world):
    weir = world.start(ONE)
    leaves_nothing(
        world, weir, LISTENS,
        "listen x",
        "/* a */ -- b\n listen x",
        "select 1; listen x",
        "do $$ begin listen x; end $$",
        "listen x; commit; begin; select 1",
        ["begin", "listen x", "commit and chain"],
        [parse("", "listen x") + bind("") + execute() + SYNC],
        "select 'a;', E'b\\'c', $q$ ' $q$; listen x",
        ["set standard_conforming_strings = off",
         "select 'a\\'; -- '; listen x"])


def test_a_listen_before_a_pipelined_begin_ends_with_its_client(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.send(query("listen x") + query("begin"))
    a.until_ready()
    a.until_ready()
    a.close()
    assert next_client(weir).one(LISTENS) == "0"


def test_advisory_locks_end_with_their_client(world):
    weir = world.start(ONE)
    leaves_nothing(
        world, weir, LOCKS,
        "select pg_advisory_lock(1)",
        "select pg_try_advisory_lock_shared(1, 2)",
        "with x as materialized (select pg_advisory_lock(1)) "
        "select * from x",
        "select \"pg_advisory_lock\"(1)",
        "do $$ begin perform pg_advisory_lock(1); end $$",
        "begin; select pg_advisory_lock(1); rollback",
        "begin; select pg_advisory_lock(1); commit; begin",
        ["begin; select pg_advisory_lock(1)"])


def test_cursors_and_sql_statements_end_with_their_client(world):
    weir = world.start(ONE)
    leaves_nothing(
        world, weir, CURSORS,
        "begin; declare c cursor with hold for select 1; commit",
        "declare c no scroll cursor with /* */ hold for select 1",
        "begin; declare c cursor with hold for select 1; commit; begin")
    leaves_nothing(
        world, weir, PREPARED,
        "prepare p as select 1",
        "prepare transaction as select 1",
        "do $$ begin execute 'prepare p as select 1'; end $$",
        "begin; prepare p as select 1; rollback")


def test_a_bound_but_not_executed_discard_all_changes_nothing(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.ask(query("listen x"))
    a.ask(parse("", "discard all") + bind("") + SYNC)
    b = Client(weir.port)
    b.socket.settimeout(20)
    b.send(query(LISTENS))
    a.close()
    assert b.until_ready()[1][1].endswith(b"0")


def test_a_failed_discard_all_changes_nothing(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.ask(query("listen x"))
    assert "E" in kinds(a.ask(query("select 1; discard all")))
    a.send(query("begin; rollback") + query("select 1"))
    a.until_ready()
    a.until_ready()
    b = next_client(weir)
    b.send(query(LISTENS))
    a.close()
    assert b.until_ready()[1][1].endswith(b"0")


def test_the_reset_of_a_shared_server_does_not_depend_on_the_reset_query(
        world):
    weir = world.start(ONE + "\nserver_reset_query = select 1")
    leaves_nothing(world, weir, LISTENS, "listen x")
    leaves_nothing(world, weir, TEMP, "create temp table t (a int)")


HEARS = """create or replace function hears() returns void as $$
begin listen hidden; end $$ language plpgsql"""


def test_notifications_reach_nobody_who_does_not_listen(world):
    weir = world.start(ONE + "\nfollow_functions = 0")
    world.pg.sql(HEARS, database="app")
    a, b = Client(weir.port), Client(weir.port)
    a.rows("select hears()")
    for _ in range(3):
        answer = b.ask(query("notify hidden, 'secret'"))
        assert "A" not in kinds(answer), answer
        assert "A" not in kinds(b.ask(query("select 1")))


def test_a_notification_for_an_idle_server_is_heard_by_nobody(world):
    weir = world.start(ONE + "\nfollow_functions = 0")
    world.pg.sql(HEARS, database="app")
    a = Client(weir.port)
    a.rows("select hears()")
    pid = a.one("select pg_backend_pid()")
    world.pg.sql("notify hidden, 'secret'", database="app")
    b = Client(weir.port)
    for _ in range(20):
        assert "A" not in kinds(b.ask(query("select 1")))
    wait_until("the server that listens is gone", lambda:
               b.one("select pg_backend_pid()") != pid or
               world.pg.sql("notify hidden, 'more'", database="app"))


def test_currval_and_lastval_tell_nobody_anothers_value(world):
    weir = world.start(ONE)
    world.pg.sql("drop sequence if exists numbers; create sequence numbers "
                 "start 4711", database="app")
    for text in ("select lastval()", "select currval('numbers')"):
        a = Client(weir.port)
        assert a.one("select nextval('numbers')") != ""
        a.close()
        b = next_client(weir)
        answer = b.ask(query(text))
        assert "D" not in kinds(answer), answer
        assert error_of(answer)["C"] == "55000"
        answer = b.ask(query("select nextval('numbers'); " + text))
        assert kinds(answer) == "TDCTDCZ", answer
        assert "D" in kinds(b.ask(query(text)))
        b.close()
        a, b = Client(weir.port), Client(weir.port)
        a.one("select nextval('numbers')")
        answer = b.ask(parse("", text) + bind("") + execute() + SYNC)
        assert error_of(answer)["C"] == "55000"
        b.close()
        a.close()


def test_large_objects_and_snapshots_end_with_their_transaction(world):
    weir = world.start(ONE)
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("begin; select lo_open(lo_create(0), 131072); commit"))
    assert "E" in kinds(b.ask(query("select loread(0, 10)")))
    call = struct.pack(">IHHH", 955, 1, 1, 2)
    call += struct.pack(">II", 4, 0) + struct.pack(">II", 4, 10)
    assert "E" in kinds(b.ask(message("F", call + struct.pack(">H", 1))))
    assert b.one("select 1") == "1"


def test_a_function_call_leaves_nothing_behind(world):
    weir = world.start(ONE)
    oid = int(world.pg.sql("select oid from pg_proc where proname = "
                           "'pg_advisory_lock' and pronargs = 1"))
    a = Client(weir.port)
    call = struct.pack(">IHHH", oid, 1, 1, 1) + struct.pack(">Iq", 8, 1)
    answer = a.ask(message("F", call + struct.pack(">H", 1)))
    assert kinds(answer) == "VZ", answer
    assert a.one(LOCKS) == "1"
    a.close()
    assert next_client(weir).one(LOCKS) == "0"


def test_a_statement_too_long_to_keep_leaves_nothing_behind(world):
    weir = world.start(ONE + "\nmax_statement_bytes = 1024")
    long = "/*" + "x" * 2000 + "*/"
    for text, probe in ((f"create temp table t as select 1 {long}", TEMP),
                        (f"select pg_advisory_lock(1) {long}", LOCKS),
                        (f"listen x {long}", LISTENS),
                        (f"set work_mem = '9MB' {long}",
                         "select count(*) from pg_settings where name = "
                         "'work_mem' and source = 'session'")):
        a = Client(weir.port)
        answer = a.ask(parse("", text) + bind("") + execute() + SYNC)
        assert "E" not in kinds(answer)
        a.ask(parse("", "select 1") + bind("") + execute() + SYNC)
        assert a.one(probe) != "0", text
        a.close()
        b = next_client(weir)
        assert b.one(probe) == "0", text
        b.close()


def test_what_a_very_long_query_says_at_its_end_is_seen(world):
    weir = world.start(ONE)
    long = "select '" + "x" * 300000 + "';"
    leaves_nothing(world, weir, LISTENS, long + " listen x")
    leaves_nothing(world, weir, TEMP, long + " create temp table t (a int)",
                   "select 1;" + long + " do $$ begin create temp table t "
                   "(a int); end $$")


def test_a_listener_misses_nothing_while_it_is_asked_what_it_has_set(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    other = Client(world.pg.port)
    a.ask(query("listen counted"))
    heard = set()
    for n in range(100):
        other.send(query(f"notify counted, '{n}'"))
        heard |= {body[4:] for kind, body in
                  a.ask(query(f"set work_mem = {n + 100}")) if kind == "A"}
        other.until_ready()

    def all_heard():
        heard.update(body[4:] for kind, body in a.ask(query("select 1"))
                     if kind == "A")
        return len(heard) == 100
    wait_until("it has heard all of them", all_heard)


def test_currval_behind_begin_tells_nobody_anothers_value(world):
    for pipelined in False, True:
        weir = world.start(ONE)
        world.pg.sql("drop sequence if exists drawn; create sequence drawn",
                     database="app")
        a, b = Client(weir.port), Client(weir.port)
        a.rows("select nextval('drawn')")
        for text in "select currval('drawn')", "select lastval()":
            a.rows("select nextval('drawn')")
            if pipelined:
                b.send(query("begin") + query(text))
                b.until_ready()
                answer = b.until_ready()
            else:
                b.ask(query("begin"))
                answer = b.ask(query(text))
            assert error_of(answer)["C"] == "55000", answer
            b.ask(query("rollback"))
            b.ask(query("discard all"))
        # Its own, as it has drawn in this transaction.
        b.ask(query("begin"))
        drawn = b.one("select nextval('drawn')")
        assert b.one("select currval('drawn')") == drawn
        assert b.one("select lastval()") == drawn
        b.ask(query("rollback"))
        b.ask(query("discard all"))
        # Known by now: what another one drew is not there any more.
        a.rows("select nextval('drawn')")
        world.pg.sql("create table if not exists undrawn (a int); "
                     "grant all on undrawn to app", database="app")
        b.ask(query("begin"))
        b.ask(query("insert into undrawn values (1)"))
        assert error_of(b.ask(query("select lastval()")))["C"] == "55000"


def test_the_first_who_asks_sees_nobody_elses_value_in_any_state(world):
    world.pg.sql("drop sequence if exists firsts, seconds; "
                 "create sequence firsts start 4711; create sequence seconds; "
                 "create table if not exists undrawn (a int); "
                 "grant all on undrawn, firsts, seconds to app",
                 database="app")

    def said(text):
        return parse("", text) + bind("") + execute()
    inserts = "insert into undrawn values (1)"
    for before in ((), (query("create temp table mine (a int)"),),
                   (query("begin"), query(inserts)),
                   (query("begin"), said("select 1") + SYNC),
                   (query("begin"), said(inserts) + SYNC),
                   (query(inserts),)):
        for ask in (query("select lastval()"),
                    said("select currval('firsts')") + SYNC,
                    said("select 1") + said("select lastval()") + SYNC,
                    said(inserts) + said("select lastval()") + SYNC):
            weir = world.start(ONE)
            a, b = Client(weir.port), Client(weir.port)
            a.one("select nextval('firsts')")
            for step in before:
                b.ask(step)
            error = error_of(b.ask(ask))
            assert error is not None and error["C"] == "55000", (before, ask)
            weir.kill()
    # Also where a function asks.
    world.pg.sql("create or replace function last_drawn() returns bigint "
                 "language sql as 'select lastval()'", database="app")
    weir = world.start(ONE)
    a, b = Client(weir.port), Client(weir.port)
    a.one("select nextval('firsts')")
    assert error_of(b.ask(query("select last_drawn()")))["C"] == "55000"
    weir.kill()
    # What it has drawn in this transaction itself it sees.
    for draw in query("select nextval('seconds')"), \
            said("select nextval('seconds')") + SYNC:
        weir = world.start(ONE)
        a, b = Client(weir.port), Client(weir.port)
        a.one("select nextval('firsts')")
        b.ask(query("begin"))
        b.ask(draw)
        answer = b.ask(said("select 1") + said("select lastval()") + SYNC)
        assert kinds(answer) == "12DC12DCZ", answer
        weir.kill()
