"""What the leak hunt has found, each difference cut down to its sentence: a
client through pgweir hears what it would hear from PostgreSQL itself."""

from wire import (Client, ONE, SYNC, bind, close, describe, execute, fields,
                  kinds, message, parse, query)


def pair(world, options=ONE):
    """A client of PostgreSQL, one of pgweir, and another one of pgweir."""
    weir = world.start(options)
    found = [Client(world.pg.port), Client(weir.port), Client(weir.port)]
    for client in found:
        client.socket.settimeout(20)
    return found


def plain(messages):
    """Without the places in PostgreSQL's source."""
    return [(kind, fields(body)["C"] + fields(body)["M"]
             if kind in "EN" else body)
            for kind, body in messages if kind not in "SK"]


def same(direct, pooled, *parts):
    one, two = plain(direct.ask(*parts)), plain(pooled.ask(*parts))
    assert one == two, (one, two)
    return kinds(one)


def test_a_copy_that_fails_before_it_reads_is_answered_to_its_sync(world):
    world.pg.sql("""drop table if exists hunted_copy;
        create table hunted_copy (v int);
        create or replace function hunted_refuse() returns trigger
        language plpgsql as $$ begin raise 'not today'; end $$;
        create trigger refuse before insert on hunted_copy
        for each statement execute function hunted_refuse()""",
                 database="app")
    copy = parse("", "copy hunted_copy from stdin") + bind("") + execute()
    weir = world.start(ONE)
    for opening in ("", "begin"):
        for late in (b"", message("d", b"1\n") + message("c") + SYNC):
            direct = Client(world.pg.port)
            a, b = Client(weir.port), Client(weir.port)
            b.socket.settimeout(20)
            a.socket.settimeout(20)
            for client in (direct, a):
                if opening:
                    client.ask(query(opening))
            for syncs in (SYNC, SYNC + SYNC):
                for client in (direct, a):
                    client.send(copy + syncs)
                for _ in range(len(syncs) // len(SYNC)):
                    assert plain(a.until_ready()) == \
                        plain(direct.until_ready())
                if late:
                    same(direct, a, late)
                same(direct, a, query("rollback"))
                assert same(direct, b, query("select 1")) == "TDCZ"
                same(direct, a, parse("", "select 2") + bind("") +
                     execute() + SYNC)


def test_a_copy_that_fails_while_it_reads_waits_for_the_next_sync(world):
    direct, a, b = pair(world)
    world.pg.sql("create table if not exists hunted_ints (v int)",
                 database="app")
    copy = parse("", "copy hunted_ints from stdin") + bind("") + execute()
    for client in (direct, a):
        client.send(copy + SYNC)
        assert [client.read()[0] for _ in range(3)] == ["1", "2", "G"]
        client.send(message("d", b"x\n") + message("c"))
        assert client.read()[0] == "E"
        client.send(query("select 'skipped'"))
    same(direct, a, SYNC)
    same(direct, b, query("select 3"))
    same(direct, a, parse("", "select 2") + bind("") + execute() + SYNC)


def test_a_known_statement_is_not_parsed_in_a_failed_transaction(world):
    direct, a, b = pair(world)
    for text in ("select 1", "savepoint hunted", "rollback"):
        b.ask(parse("other", text) + SYNC)
        for client in (direct, a):
            client.ask(query("begin"))
        same(direct, a, query("select 1/0"))
        same(direct, a, parse("s", text) + describe("S", "s") + SYNC)
        same(direct, a, bind("s") + execute() + SYNC)
        same(direct, a, query("rollback"))
        same(direct, a, close("S", "s") + SYNC)
        same(direct, a, query("begin"), query("select 1/0"),
             parse("s", text) + SYNC)
        for client in (direct, a):
            for _ in range(2):
                client.until_ready()
        same(direct, a, query("rollback"))
        same(direct, a, close("S", "s") + SYNC)


def test_what_breaks_the_protocol_ends_as_with_postgresql(world):
    direct, a, b = pair(world)
    world.pg.sql("create table if not exists hunted_ints (v int)",
                 database="app")
    for client in (direct, a):
        client.send(parse("", "copy hunted_ints from stdin") + bind("") +
                    execute())
        client.send(query("select 1"))
    one, two = (plain(client.until_ready()) for client in (direct, a))
    assert one == two and kinds(one) == "12GEE", (one, two)
    assert kinds(b.ask(query("select 1"))) == "TDCZ"


def test_a_deallocate_is_executed_by_the_portal_it_is_bound_to_only(world):
    direct, a, b = pair(world)
    for client in (direct, a):
        client.ask(parse("s", "select 1") + SYNC)
    same(direct, a, parse("", "deallocate s") + bind("") + SYNC)
    assert same(direct, a, execute() + SYNC) == "EZ"
    same(direct, a, parse("", "deallocate s") + bind("") + close("P") +
         execute() + SYNC)
    same(direct, a, parse("", "deallocate s") + bind("") + execute() + SYNC)
    same(direct, a, execute() + SYNC)
    same(direct, a, bind("s") + execute() + SYNC)
    same(direct, b, execute() + SYNC)


def test_deallocate_finds_what_was_named_in_the_protocol_beside_prepare(
        world):
    direct, a, _ = pair(world, "default_pool_size = 3")
    same(direct, a, query("prepare by_text as select 1"))
    for client in (direct, a):
        client.ask(parse("s", "select 1") + parse("t", "select 2") + SYNC)
    assert same(direct, a, query("deallocate s")) == "CZ"
    assert same(direct, a, parse("", "deallocate t") + bind("") + execute() +
                SYNC) == "12CZ"
    assert same(direct, a, bind("s") + execute() + SYNC) == "EZ"
    assert same(direct, a, bind("t") + execute() + SYNC) == "EZ"
    assert same(direct, a, query("execute by_text")) == "TDCZ"
    assert same(direct, a, query("deallocate by_text")) == "CZ"


def test_a_query_that_is_answered_here_ends_the_unnamed_statement_too(world):
    direct, a, _ = pair(world)
    for text in ("deallocate all", "deallocate s"):
        same(direct, a, parse("", "select 1") + parse("s", "select 2") + SYNC)
        assert same(direct, a, query(text)) == "CZ"
        assert same(direct, a, bind("") + execute() + SYNC) == "EZ"
    a.ask(parse("", "select 1") + SYNC)
    a.ask(query("set pgweir.route = primary"))
    assert kinds(a.ask(bind("") + execute() + SYNC)) == "EZ"


def test_discard_all_leaves_the_unnamed_statement(world):
    direct, a, _ = pair(world)
    discard = parse("s", "discard all") + bind("s") + execute() + SYNC
    same(direct, a, parse("", "select 1") + SYNC)
    assert same(direct, a, discard) == "12CZ"
    assert same(direct, a, bind("") + execute() + SYNC) == "2DCZ"
    assert same(direct, a, bind("s") + execute() + SYNC) == "EZ"
    same(direct, a, parse("", "discard all") + bind("") + execute() + SYNC)
    assert same(direct, a, bind("") + execute() + SYNC) == "2CZ"
    same(direct, a, query("discard all"))
    assert same(direct, a, bind("") + execute() + SYNC) == "EZ"


def test_deallocate_behind_an_error_that_is_on_its_way_fails_too(world):
    direct, a, _ = pair(world)
    both = query("begin") + query("select 1/0") + query("deallocate s")
    for client in (direct, a):
        client.ask(parse("s", "select 1") + SYNC)
        client.send(both)
    for _ in range(3):
        assert plain(direct.until_ready()) == plain(a.until_ready())
    same(direct, a, query("rollback"))
    assert same(direct, a, bind("s") + execute() + SYNC) == "2DCZ"


def test_a_failed_transaction_says_of_a_statement_what_it_can(world):
    weir = world.start("default_pool_size = 2")
    direct, a, b, c = (Client(port) for port in (
        world.pg.port, weir.port, weir.port, weir.port))
    for text in ("select $1::int + 1", "set datestyle = 'German'",
                 "rollback", "notify hunted"):
        b.ask(query("begin"))
        for client in (direct, a):
            client.ask(parse("s", text) + SYNC)
        c.ask(query("begin"))
        b.ask(query("rollback"))
        for ask in (bind("s", values=[1, 2]) + execute(),
                    describe("S", "s"), bind("s", values=[1]) + execute(),
                    bind("s") + execute() + describe("S", "s")):
            for client in (direct, a):
                client.ask(query("begin"))
                client.ask(query("select 1/0"))
            same(direct, a, ask + SYNC)
            for client in (direct, a):
                client.send(query("rollback") + query("begin") +
                            query("select 1/0") + (ask + SYNC) * 3)
            for _ in range(6):
                assert plain(direct.until_ready()) == \
                    plain(a.until_ready()), (text, ask)
            same(direct, a, query("rollback"))
        c.ask(query("rollback"))
        same(direct, a, close("S", "s") + SYNC)


def test_a_statement_is_described_where_its_tables_are_not(world):
    world.pg.sql("create table if not exists hunted_text (v text)",
                 database="app")
    weir = world.start("default_pool_size = 2")
    direct, a, b, c = (Client(port) for port in (
        world.pg.port, weir.port, weir.port, weir.port))
    b.ask(query("begin"))
    for client in (direct, a):
        client.ask(parse("s", "insert into hunted_text values ($1)") + SYNC)
    c.ask(query("begin"))
    b.ask(query("rollback"))
    same(direct, a, query("begin"))
    same(direct, a, query("set local search_path = pg_catalog"))
    assert same(direct, a, describe("S", "s") + SYNC) == "tnZ"
    assert same(direct, a, query("savepoint a")) == "CZ"
    assert same(direct, a, bind("s") + execute() + SYNC) == "EZ"
    assert same(direct, a, query("rollback to a")) == "CZ"
    assert same(direct, a, bind("s", values=["x"]) + execute() +
                SYNC) == "EZ"


def test_what_would_end_the_unnamed_statement_may_be_skipped(world):
    direct, a, _ = pair(world)
    unnamed = bind("") + execute() + SYNC
    for ending in (close("S"), query("select 2"), close("S") +
                   parse("", "select 3"), parse("", "select 4") + close("S"),
                   query("select 5") + parse("", "select 6")):
        same(direct, a, parse("", "select 1") + SYNC)
        assert same(direct, a, parse("t", "selec") + ending + SYNC) == "EZ"
        assert same(direct, a, unnamed) == "2DCZ"
        for client in (direct, a):
            client.send(parse("t", "selec") + ending + SYNC + close("S") +
                        parse("", "select 7") + parse("t", "selec") + ending +
                        SYNC + unnamed)
        for _ in range(3):
            one, two = (plain(c.until_ready()) for c in (direct, a))
            assert one == two, (one, two)
    assert same(direct, a, close("S") + SYNC) == "3Z"
    assert same(direct, a, unnamed) == "EZ"


def test_an_unnamed_statement_that_was_skipped_is_never_anothers(world):
    direct, a, b = pair(world)
    batch = parse("", "selec") + parse("", "select 1") + SYNC
    for first in (b"", parse("", "select 2") + SYNC):
        for client in (direct, a):
            if first:
                client.ask(first)
        b.ask(parse("", "select 'of B'") + SYNC)
        for client in (direct, a):
            client.send(parse("t", "selec") + parse("", "select 3") + SYNC +
                        bind("") + execute() + SYNC + batch + describe("S") +
                        SYNC + bind("") + execute() + SYNC)
        for _ in range(5):
            one, two = (plain(c.until_ready()) for c in (direct, a))
            assert one == two, (one, two)


def test_a_tied_client_hears_itself_in_a_batch_that_begins_with_close(world):
    direct, a, _ = pair(world, "default_pool_size = 3")
    for client in (direct, a):
        client.ask(query("declare c cursor with hold for select 1"))
        client.ask(query("listen hunted"))
        answer = client.ask(close("S", "s") +
                            parse("s", "notify hunted, 'said'") + bind("s") +
                            execute() + SYNC)
        assert kinds(answer) == "312CAZ", kinds(answer)


def test_the_time_zone_of_the_startup_packet_comes_back_by_its_own_words(
        world):
    weir = world.start(ONE)
    direct, a = (Client(port, timezone="America/Lima")
                 for port in (world.pg.port, weir.port))
    for text in ("set time zone local", "set session time zone default",
                 "set time zone default", "set timezone to default"):
        for opening in ("select 1", "begin"):
            for say in (opening, "set time zone 'UTC'", text,
                        "show timezone", "rollback", "show timezone"):
                one, two = (plain(c.ask(query(say))) for c in (direct, a))
                assert one == two, (text, say, one, two)


def test_a_batch_that_has_failed_already_ends_with_its_sync(world):
    direct, a, _ = pair(world)
    for client in (direct, a):
        client.ask(parse("", "select set_config($1, $2, $3)") + bind(
            "", values=("datestyle", "ISO", "t")) + execute() + SYNC)
        client.ask(bind("") + SYNC)
    assert same(direct, a, parse("", "select $1::int / $2::int") +
                execute() + describe("S", "s") + SYNC) == "1EZ"
    assert same(direct, a, query("select 1")) == "TDCZ"


def test_too_few_values_are_postgresqls_to_refuse_and_tie_nobody(world):
    direct, pooled, _ = pair(world, ONE + "\npin = error")
    for name in ("", "s"):
        for client in (direct, pooled):
            client.ask(parse(name, "select set_config($2, $1, $3)") + SYNC)
        for values in ((), ("x",), ("x", "app.hunted")):
            same(direct, pooled, bind(name, values=values) + execute() + SYNC)
        same(direct, pooled, bind(name, values=("x", "app.hunted", "f")) +
             execute() + SYNC)


def test_what_a_failed_batch_would_have_named_does_not_exist(world):
    direct, pooled, _ = pair(world)
    for client in (direct, pooled):
        client.ask(query("begin"))
        client.send(bind("s") + SYNC, parse("s", "select 1") + SYNC,
                    bind("s") + SYNC)
        answers = [plain(client.until_ready()) for _ in range(3)]
        assert [a[0][1][:5] for a in answers] == ["26000", "25P02", "26000"]
        assert '"s"' in answers[2][0][1]
    same(direct, pooled, query("rollback"))


def test_in_a_failed_transaction_the_values_of_an_unnamed_are_counted(world):
    direct, pooled, other = pair(world)
    texts = ("table pg_am", "select $1::int, $2::text")
    for text in texts:
        for client in (direct, pooled):
            client.ask(parse("", text) + describe("S") + SYNC)
        other.ask(parse("", "select 'another'") + SYNC)
        for client in (direct, pooled):
            client.ask(bind("nosuch") + parse("", "begin") + SYNC)
            client.ask(parse("b", "begin") + bind("b") + execute() +
                       close("S", "b") + bind("nosuch") + SYNC)
        for values in (("1",), (), ("1", "2")):
            same(direct, pooled, bind("", values=values) + SYNC)
        same(direct, pooled, parse("", "rollback") + bind("") + execute() +
             SYNC)


def test_a_reset_goes_back_before_a_batch_that_begins_with_close(world):
    weir = world.start(ONE)
    direct, pooled = (Client(port, search_path="pg_catalog, public")
                      for port in (world.pg.port, weir.port))
    for text in ("begin", "reset all"):
        same(direct, pooled, query(text))
    same(direct, pooled, close("S", "s") + parse("s", "show search_path") +
         bind("s") + execute() + SYNC)
    same(direct, pooled, query("rollback"))


def test_a_role_of_the_startup_packet_ends_with_another_authorization(world):
    world.pg.sql("create role hunted_r; create role hunted_w")
    weir = world.start(ONE)
    shown = query("select current_user, session_user, "
                  "current_setting('role')")
    for texts in (["set session authorization default"],
                  ["set session authorization hunted_w", "set role none"]):
        direct, pooled = (Client(port, options="-c role=hunted_r")
                          for port in (world.pg.port, weir.port))
        for text in texts:
            same(direct, pooled, query(text))
            same(direct, pooled, shown)


def test_a_failed_batch_takes_no_statement_from_the_one_behind_it(world):
    direct, pooled, other = pair(world, "default_pool_size = 2")
    for client in (direct, pooled):
        client.ask(parse("s", "select 1") + SYNC)
    # The other server has not seen it.
    other.ask(query("begin"))
    failed = parse("", "select 1/0") + bind("") + execute()
    for client in (direct, pooled):
        client.send(failed + bind("s") + execute() + SYNC +
                    bind("s") + execute() + SYNC + describe("S", "s") + SYNC)
    for expected in ("1EZ", "2DCZ", "tTZ"):
        one, two = direct.until_ready(), pooled.until_ready()
        assert plain(one) == plain(two) and kinds(two) == expected, (one, two)


def test_who_asks_lastval_in_a_batch_that_has_failed_ends_nobody(world):
    direct, pooled, _ = pair(world)
    assert same(direct, pooled, parse("", "select 1/0") + bind("") +
                execute() + parse("", "select lastval()") + bind("") +
                execute() + SYNC) == "1EZ"
    same(direct, pooled, query("select 1"))


def test_deallocate_all_right_behind_a_prepare_is_told_to_postgresql(world):
    direct, pooled, _ = pair(world)
    for client in (direct, pooled):
        client.send(query("prepare hunted as select 1"),
                    query("deallocate all"))
        assert kinds(client.until_ready() + client.until_ready()) == "CZCZ"
    same(direct, pooled, query("execute hunted"))
