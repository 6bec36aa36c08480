"""What ties a client to its server, for how long, how many may be tied, and
what becomes of their servers."""


import web
from cluster import Cluster, wait_until
from wire import (Client, FLUSH, SYNC, bind, error_of, execute, fields, kinds,
                  parse, query, vanish)

TIES = (
    ("temporary table", "create temp table mine (a int)", "drop table mine"),
    ("temporary table", "select 1 into temp mine", "drop table mine"),
    ("advisory lock", "select pg_advisory_lock(4711)",
     "select pg_advisory_unlock(4711)"),
    ("advisory lock", "select pg_try_advisory_lock_shared(1, 2)",
     "select pg_advisory_unlock_all()"),
    ("cursor", "begin; declare mine cursor with hold for select 1; commit",
     "close mine"),
    ("cursor", "begin; declare mine cursor with hold for select 1; commit",
     "close all"),
    ("prepare", "prepare mine as select 1", "deallocate mine"),
    ("prepare", "prepare mine as select 1", "deallocate all"),
)


def pinned(weir):
    """What SHOW CLIENTS says of the clients of the database app."""
    lines = [line.split("|") for line in
             weir.console("show clients").splitlines()]
    return [line[-1] for line in lines if line[2] == "app"]


def tied_by(weir, *words):
    """Asked after a transaction, which its client need not wait for."""
    wait_until(f"{pinned(weir)} is {words}",
               lambda: sorted(pinned(weir)) == sorted(words))


def good(client, text):
    answer = client.ask(query(text))
    assert "E" not in kinds(answer), error_of(answer)
    return answer


def refused(client, text):
    return error_of(client.ask(query(text)))


def test_show_clients_names_the_tie_until_the_server_says_it_is_over(world):
    weir = world.start("default_pool_size = 4")
    client = Client(weir.port)
    for words, begin, end in TIES:
        good(client, begin)
        tied_by(weir, words)
        good(client, "select 1")
        tied_by(weir, words)
        good(client, end)
        tied_by(weir, "")


def test_two_ties_end_one_by_one(world):
    weir = world.start()
    client = Client(weir.port)
    good(client, "create temp table mine (a int)")
    good(client, "select pg_advisory_lock(1)")
    tied_by(weir, "temporary table, advisory lock")
    good(client, "drop table mine")
    tied_by(weir, "advisory lock")
    good(client, "select pg_advisory_unlock(1)")
    tied_by(weir, "")


def test_a_lock_taken_twice_is_held_until_it_is_released_twice(world):
    weir = world.start()
    client = Client(weir.port)
    good(client, "select pg_advisory_lock(1), pg_advisory_lock(1)")
    good(client, "select pg_advisory_unlock(1)")
    tied_by(weir, "advisory lock")
    good(client, "select pg_advisory_unlock(1)")
    tied_by(weir, "")


def test_what_did_not_outlive_its_transaction_ties_nobody(world):
    weir = world.start()
    client = Client(weir.port)
    for text in ("begin; create temp table mine (a int); rollback",
                 "begin; create temp table mine (a int) on commit drop; commit",
                 "begin; declare mine cursor with hold for select 1; rollback",
                 "select pg_advisory_xact_lock(1)",
                 "select pg_try_advisory_xact_lock_shared(1, 2)",
                 "begin; declare mine cursor for select 1; commit"):
        good(client, text)
        tied_by(weir, "")


def test_a_tie_through_the_extended_protocol_is_the_same(world):
    weir = world.start()
    client = Client(weir.port)
    for step, words in (("select pg_advisory_lock($1::int)", "advisory lock"),
                        ("select pg_advisory_unlock($1::int)", "")):
        answer = client.ask(parse("", step) + bind("", values=[5]) +
                            execute() + SYNC)
        assert kinds(answer) == "12DCZ"
        tied_by(weir, words)


def test_discard_all_ends_every_tie(world):
    weir = world.start()
    client = Client(weir.port)
    for _, begin, _ in TIES:
        good(client, begin)
        good(client, "discard all")
        tied_by(weir, "")


def test_one_tie_more_than_max_pinned_is_refused_with_53300_and_its_reason(
        world):
    weir = world.start("default_pool_size = 5")
    tied = [Client(weir.port) for _ in range(3)]
    for n, client in enumerate(tied):
        good(client, f"select pg_advisory_lock({n})")
    late = Client(weir.port)
    for words, begin, _ in TIES:
        error = refused(late, begin)
        assert error["C"] == "53300" and words in error["M"], error
        assert "max_pinned" in error["M"]
    assert late.one("select count(*) from pg_locks where "
                    "locktype = 'advisory'") == "3"
    good(tied[0], "create temp table more (a int)")
    good(tied[1], "select pg_advisory_unlock(1)")
    tied_by(weir, "temporary table, advisory lock", "", "advisory lock", "")
    good(late, "create temp table mine (a int)")
    assert refused(tied[1], "select pg_advisory_lock(1)")["C"] == "53300"
    late.close()
    wait_until("its place is free", lambda: refused(
        tied[1], "select pg_advisory_lock(1)") is None)


def test_a_refused_tie_fails_its_transaction(world):
    weir = world.start("max_pinned = 1")
    good(Client(weir.port), "create temp table mine (a int)")
    a = Client(weir.port)
    good(a, "select pg_advisory_xact_lock(3)")
    tied, late = Client(weir.port), Client(weir.port)
    wait_until("the first one has left", lambda: refused(
        tied, "create temp table mine (a int)") is None)
    good(late, "begin")
    answer = late.ask(query("select pg_advisory_lock(9)"))
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "53300"
    assert answer[-1][1] == b"E"
    assert refused(late, "select 1")["C"] == "25P02"
    good(late, "rollback")
    answer = late.ask(parse("", "create temp table x (a int)") + bind("") +
                      execute() + SYNC)
    assert kinds(answer) == "1EZ" and error_of(answer)["C"] == "53300"
    assert late.one("select 1") == "1"
    tied.close()


def test_max_pinned_counts_each_database_and_user_apart(world):
    weir = world.start("max_pinned = 1")
    one, other = Client(weir.port), Client(weir.port, user="postgres")
    good(one, "select pg_advisory_lock(1)")
    good(other, "select pg_advisory_lock(2)")
    assert refused(Client(weir.port),
                   "select pg_advisory_lock(3)")["C"] == "53300"


def test_pin_error_refuses_every_tie_and_nothing_else(world):
    weir = world.start("pin = error")
    client = Client(weir.port)
    for words, begin, _ in TIES:
        error = refused(client, begin)
        assert error["C"] == "0A000" and words in error["M"], begin
    good(client, "set work_mem = '9MB'")
    good(client, "select pg_advisory_xact_lock(1)")
    assert client.one("show work_mem") == "9MB"
    error = error_of(client.ask(query(
        "do $$ begin perform pg_advisory_lock(1); end $$")))
    assert error is None
    kind, body = client.read()
    assert kind == "E" and fields(body)["C"] == "0A000"
    assert client.read() is None
    other = Client(weir.port)
    wait_until("the lock is gone", lambda: other.one(
        "select count(*) from pg_locks where locktype = 'advisory'") == "0")


def test_pin_off_resets_the_server_instead(world):
    weir = world.start("pin = off\ndefault_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    for _, begin, _ in TIES:
        good(a, begin)
        tied_by(weir, "", "")
        for client in a, b:
            assert client.one("select count(*) from pg_locks where locktype "
                              "= 'advisory'") == "0"
            assert client.one("select count(*) from pg_cursors") == "0"
            assert client.one("select count(*) from pg_prepared_statements "
                              "where from_sql") == "0"
            assert client.one("select to_regclass('mine') is null") == "t"
    good(a, "set app.tenant = 'x'")
    assert b.rows("select current_setting('app.tenant', true)") == [[None]]


def notices(answer):
    return [fields(body)["M"] for kind, body in answer if kind == "N"]


def test_pin_notice_tells_a_client_the_reason_the_first_time(world):
    weir = world.start("pin_notice = on")
    client = Client(weir.port)
    said = notices(good(client, "select pg_advisory_lock(1)"))
    assert len(said) == 1 and "advisory lock" in said[0]
    assert notices(good(client, "create temp table mine (a int)")) == []
    other = Client(world.start().port)
    assert notices(good(other, "select pg_advisory_lock(2)")) == []


def test_show_pins_and_metrics_count_ties_and_refusals_by_reason(world):
    weir = world.start("max_pinned = 1\nmetrics_port = 0\n"
                       "metrics_addr = 127.0.0.1")
    a, b = Client(weir.port), Client(weir.port)
    good(a, "select pg_advisory_lock(1)")
    good(a, "create temp table mine (a int)")
    refused(b, "select pg_advisory_lock(2)")
    rows = set(weir.console("show pins").splitlines())
    assert rows == {"app|app|advisory lock|1|1",
                    "app|app|temporary table|1|0"}, rows
    found = web.metrics(weir)
    assert web.value(found, "pgweir_pins_total", reason="advisory_lock",
                     database="app") == 1
    assert web.value(found, "pgweir_pins_total",
                     reason="temporary_table") == 1
    assert web.value(found, "pgweir_pins_refused_total",
                     reason="advisory_lock") == 1
    assert web.value(found, "pgweir_pool_pinned_clients") == 1


def test_what_is_said_behind_a_reset_is_answered_behind_it(world):
    with Cluster(world, replicas=0) as cluster:
        primary = cluster.nodes[0]
        weir = world.start(web.OPTIONS, f"app = host=127.0.0.1,127.0.0.1 "
                           f"port={primary.port},{primary.port + 1}")
        client = Client(weir.port, user="postgres",
                        options="-c search_path=other,public")
        good(client, "create temp table mine (a int)")
        client.send(parse("", "reset all"), bind(""), execute(), SYNC,
                    query("show search_path"))
        assert kinds(client.until_ready()) == "12CZ"
        assert kinds(client.until_ready()) == "TDCZ"
        assert client.one("show search_path") == "other,public"


def test_ties_count_at_the_host_whose_server_is_tied(world):
    with Cluster(world, replicas=1) as cluster:
        primary, replica = cluster.nodes
        # The first host of the list is not the primary.
        weir = world.start(
            "max_pinned = 1\nrole_check_interval = 100ms\n" + web.OPTIONS,
            f"app = host=127.0.0.1,127.0.0.1 port={replica.port},"
            f"{primary.port}")
        a, b = (Client(weir.port, user="postgres") for _ in range(2))
        good(a, "create temp table mine (a int)")
        assert refused(b, "create temp table mine (a int)")["C"] == "53300"
        tied_by(weir, "temporary table", "")
        found = web.metrics(weir)
        for name in ("pgweir_pins_total", "pgweir_pins_refused_total",
                     "pgweir_pool_pinned_clients"):
            assert web.value(found, name, host=f"127.0.0.1:{primary.port}",
                             database="app") == 1
            assert not any(v for (n, labels), v in found.items()
                           if n == name and ("host", "127.0.0.1:"
                                             f"{replica.port}") in labels)
        good(a, "drop table mine")
        tied_by(weir, "", "")
        good(b, "create temp table mine (a int)")


def test_a_tied_client_that_idles_longer_than_pinned_idle_timeout_is_closed(
        world):
    weir = world.start("pinned_idle_timeout = 200ms")
    free, tied = Client(weir.port), Client(weir.port)
    good(free, "select 1")
    good(tied, "select pg_advisory_lock(1)")
    kind, body = tied.read()
    error = fields(body)
    assert kind == "E" and error["C"] == "57P05"
    assert "advisory lock" in error["M"]
    wait_until("the lock is gone", lambda: free.one(
        "select count(*) from pg_locks where locktype = 'advisory'") == "0")


def test_load_keeps_the_server_and_closes_it_afterwards(world):
    weir = world.start("default_pool_size = 2")
    a = Client(weir.port)
    good(a, "load 'auto_explain'")
    tied_by(weir, "load")
    pid = a.one("select pg_backend_pid()")
    good(a, "discard all")
    tied_by(weir, "load")
    a.close()
    b = Client(weir.port)
    wait_until("that server is gone", lambda: b.one(
        f"select count(*) from pg_stat_activity where pid = {pid}") == "0")
    assert b.rows("select current_setting('auto_explain.log_format', true)"
                  ) == [[None]]


def test_flush_without_sync_keeps_server_and_portal(world):
    weir = world.start("default_pool_size = 2")
    a, b = Client(weir.port), Client(weir.port)
    a.send(parse("", "select generate_series(1, 5)") + bind("", "p") +
           execute("p", 2) + FLUSH)
    got = [a.read()[0] for _ in range(5)]
    assert "".join(got) == "12DDs"
    for _ in range(5):
        assert b.one("select count(*) from pg_cursors") == "0"
    a.send(execute("p", 2) + FLUSH)
    assert [a.read()[0] for _ in range(3)] == ["D", "D", "s"]
    assert kinds(a.ask(execute("p") + SYNC)) == "DCZ"


def test_no_lock_is_stranded_when_its_client_vanishes(world):
    weir = world.start("default_pool_size = 3")
    watch = Client(weir.port)
    for leave in vanish, Client.close:
        for text in ("select pg_advisory_lock(1)",
                     "begin; select pg_advisory_lock(1)",
                     "do $$ begin perform pg_advisory_lock(1); end $$",
                     "begin; do $$ begin perform pg_advisory_lock(1); end $$",
                     "begin; select pg_advisory_lock(1); select 1/0"):
            client = Client(weir.port)
            client.ask(query(text))
            leave(client)
            wait_until("the lock is gone: " + text, lambda: watch.one(
                "select pg_try_advisory_xact_lock(1)") == "t")
        client = Client(weir.port)
        client.send(query("select pg_advisory_lock(1), pg_sleep(60)"))
        wait_until("it sleeps", lambda: watch.one(
            "select count(*) from pg_locks where locktype = 'advisory'")
            == "1")
        leave(client)
        wait_until("the lock is gone", lambda: watch.one(
            "select pg_try_advisory_xact_lock(1)") == "t")


FUNCTIONS = """
create function takes(int) returns void language plpgsql as $$
begin perform pg_advisory_lock($1); end $$;
create function "Takes too"(n int) returns void language sql
begin atomic select pg_advisory_lock(n); end;
create function calls_it(int) returns void language plpgsql as $$
begin perform takes($1); end $$;
create function lets_go(int) returns void language plpgsql as $$
begin perform pg_advisory_unlock($1); end $$;
create function makes_temp() returns void language plpgsql as $$
begin create temp table mine (a int); end $$;
create function tunes() returns void language plpgsql as $$
begin -- a comment
  perform set_config('work_mem', '7MB', false); end $$;
create function tunes_too() returns void language plpgsql as $$
begin set work_mem = '7MB'; end $$;
create function tunes_view() returns void language plpgsql as $$
begin update pg_settings set setting = '7MB' where name = 'work_mem'; end $$;
create function makes_view() returns void language plpgsql as $$
begin create or replace temp view mine as select 1; end $$;
create function makes_in_temp() returns void language sql as
'create table if not exists pg_temp.mine (a int)';
create function marks(text) returns void language plpgsql as $$
begin perform set_config('app.tenant', $1, false); end $$;
create procedure marks_too(text) language plpgsql as $$
begin execute 'set app.tenant = ' || quote_literal($1); end $$;
create function plain() returns int language plpgsql as $$
begin update quiet set a = 1; set local work_mem = '7MB';
perform set_config('app.x', 'y', true); return 1; end $$;
create table quiet (a int);
create table loud (a int);
create function on_loud() returns trigger language plpgsql as $$
begin perform takes(77); return new; end $$;
create trigger t before insert on loud for each row
execute function on_loud();
create view seen as select takes(78) is null as it;
"""


def test_what_functions_do_inside_is_known_from_their_sources(world):
    world.pg.sql("drop database if exists words")
    world.pg.sql("create database words owner app")
    world.pg.sql(FUNCTIONS, database="words")
    weir = world.start("default_pool_size = 9")

    def said(text):
        """The tie that it made, while another client has the server's kin."""
        client = Client(weir.port, database="words")
        good(client, text)
        other = Client(weir.port, database="words")
        assert other.one("show work_mem") == "4MB"
        assert other.rows("select current_setting('app.tenant', true)") == [
            [None]]
        words = [line.split("|") for line in
                 weir.console("show clients").splitlines()]
        words = sorted((line[-1] for line in words if line[2] == "words"),
                       reverse=True)
        assert words[1] == ""
        return client, words[0]

    for text in ("select takes(1)", 'select "Takes too"(2)',
                 "select calls_it(3)", "insert into loud values (1)",
                 "select * from seen"):
        client, words = said(text)
        assert words == "advisory lock", (text, words)
        client.close()
        wait_until("nothing is locked", lambda: world.pg.sql(
            "select count(*) from pg_locks where locktype = 'advisory'")
            == "0")
    client, words = said("select takes(1)")
    good(client, "select lets_go(1)")
    wait_until("it is over", lambda: "advisory" not in
               weir.console("show clients"))
    client.close()
    for text in ("select makes_temp()", "select makes_view()",
                 "select makes_in_temp()"):
        client, words = said(text)
        assert words == "temporary table", text
        client.close()
    for text in ("select tunes()", "select tunes_too()",
                 "select tunes_view()"):
        client, words = said(text)
        assert words == "" and client.one("show work_mem") == "7MB", text
        client.close()
    for text in ("select marks('one')", "call marks_too('one')"):
        client, words = said(text)
        assert words == "", (text, words)
        assert client.one("select current_setting('app.tenant')") == "one"
        client.close()
    client, words = said("select plain()")
    assert words == ""
    client.close()


def test_a_function_that_was_just_created_is_known(world):
    world.pg.sql("drop database if exists fresh")
    world.pg.sql("create database fresh owner app")
    weir = world.start("default_pool_size = 9")
    client = Client(weir.port, database="fresh")
    good(client, "select 1")
    good(client, "create function later() returns void language plpgsql as "
                 "$$ begin perform pg_advisory_lock(1); end $$")
    good(client, "select later()")
    assert "advisory lock" in weir.console("show clients")


def test_a_server_outlives_a_client_that_vanishes_in_the_middle(world):
    weir = world.start("default_pool_size = 1\nquery_wait_timeout = 20s")
    world.pg.sql("create table middle (a int); grant all on middle to app",
                 database="app")
    first = Client(weir.port)
    pid = first.one("select pg_backend_pid()")
    first.close()
    asleep = ("select count(*) from pg_stat_activity where wait_event = "
              "'PgSleep'")
    for leave in vanish, Client.close:
        for start in (
                query("select pg_sleep(60)"),
                query("begin; insert into middle values (1); "
                      "select pg_sleep(60)"),
                query("set work_mem = '9MB'; select pg_sleep(60)"),
                query("select pg_advisory_lock(1), pg_sleep(60)"),
                query("create temp table mine (a int); select pg_sleep(60)"),
                parse("s", "select pg_sleep(60)") + bind("s") + execute() +
                SYNC,
                parse("s", "select pg_sleep(60)") + bind("s") + execute() +
                FLUSH):
            client = Client(weir.port)
            client.send(start)
            wait_until("it sleeps",
                       lambda: world.pg.sql(asleep, database="app") == "1")
            leave(client)
            check_as_new(weir, pid)
    for start, mark in (
            (query("copy middle from stdin"), "G"),
            (parse("", "copy middle from stdin") + bind("") + execute() +
             FLUSH, "12G"),
            (query("begin; select pg_advisory_lock(1)"), "CTDCZ"),
            (query("begin; create temp table mine (a int)"), "CCZ"),
            (query("begin; set work_mem = '9MB'"), "CCZ"),
            (parse("s", "select 1") + bind("s", "p") + FLUSH, "12")):
        client = Client(weir.port)
        client.send(start)
        for _ in mark:
            client.read()
        vanish(client)
        check_as_new(weir, pid)
    client = Client(weir.port)
    client.send(query("select repeat('x', 1000) from "
                      "generate_series(1, 1000000)"))
    client.read()
    vanish(client)
    check_as_new(weir, pid)


def check_as_new(weir, pid):
    client = Client(weir.port)
    assert client.one("select pg_backend_pid()") == pid
    assert client.one("show work_mem") == "4MB"
    assert client.one("select count(*) from middle") == "0"
    assert client.one("select count(*) from pg_locks where locktype = "
                      "'advisory'") == "0"
    assert client.one("select count(*) from pg_prepared_statements") == "0"
    assert client.one("select to_regclass('mine') is null") == "t"
    client.close()


DRAWS = ("insert into numbered default values", "select nextval('numbered_id_seq')",
         "begin; insert into numbered default values; commit",
         "with it as (insert into numbered default values returning 1) "
         "select * from it", "copy numbered (other) from program 'echo 1'",
         "do $$ begin insert into numbered default values; end $$")
ASKS = ("select lastval()", "select currval('numbered_id_seq')",
        "begin; select lastval()",
        "select currval(pg_get_serial_sequence('numbered', 'id'))")


def draws(world, options):
    world.pg.sql("drop table if exists numbered; create table numbered (id serial, "
                 "other int); grant all on numbered, numbered_id_seq to app",
                 database="app")
    weir = world.start(options)
    # The first one who asks: from now on it is known that somebody does.
    first = Client(weir.port)
    good(first, DRAWS[0])
    assert refused(first, ASKS[0])["C"] == "55000"
    first.close()
    return weir


def test_who_is_tied_gets_what_it_drew_though_nobody_has_ever_asked(world):
    world.pg.sql("drop table if exists numbered; create table numbered (id "
                 "serial, other int); drop sequence if exists another; create "
                 "sequence another; grant all on numbered, numbered_id_seq, "
                 "another to app", database="app")
    for draw in DRAWS[:4]:
        for temporary in ("create temp table mine (a int)",
                          "select pg_advisory_lock(7)"):
            weir = world.start("default_pool_size = 1")
            a, b = Client(weir.port), Client(weir.port)
            a.one("select nextval('another')")
            good(b, temporary)
            good(b, draw)
            assert b.one("select lastval() = currval('numbered_id_seq')") == \
                "t", draw
            assert refused(b, "select currval('another')")["C"] == "55000"
            weir.kill()


def test_who_asks_right_behind_gets_what_it_drew_once_that_is_known(world):
    weir = draws(world, "default_pool_size = 2\nmax_pinned = 1")
    clients = [Client(weir.port, user="postgres") for _ in range(3)]
    world.pg.sql("alter table numbered owner to postgres", database="app")
    assert refused(clients[0], ASKS[0])["C"] == "55000"
    good(clients[0], "discard sequences")
    for text in DRAWS:
        for ask in ASKS if text == DRAWS[0] else ASKS[:1]:
            for client in clients:
                good(client, text)
                value = client.rows(ask)[-1][0]
                assert value == client.one(
                    "select last_value from numbered_id_seq"), (text, ask)
                good(client, "rollback")
        for client in clients:
            assert kinds(client.ask(parse("", DRAWS[0]) + bind("") +
                                    execute() + SYNC)) == "12CZ"
            assert kinds(client.ask(parse("", ASKS[0]) + bind("") +
                                    execute() + SYNC)) == "12DCZ"
    # Nobody else sees it, nor has its place.
    good(clients[0], DRAWS[0])
    for client in clients[1:]:
        good(client, "begin")
        assert refused(client, ASKS[1])["C"] in ("55000", "53300")
        good(client, "rollback")
