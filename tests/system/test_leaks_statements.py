"""Prepared statements are shared by text: A's names, settings, errors and
batches change nothing for B."""

from wire import (Client, ONE, SYNC, bind, close, describe, error_of, execute,
                  kinds, pair, parse, query, row)

DATE = "select '2001-02-03'::text, '02/03/2001'::date::text"


def value(messages, column=0):
    return [row(body) for kind, body in messages if kind == "D"][0][column]


def run(client, name=""):
    return client.ask(bind(name) + execute() + SYNC)


def test_a_statement_prepared_under_uncommitted_settings_is_not_shared(world):
    for name in ("s", ""):
        for change in ("set", "set local", "do"):
            weir, a, b = pair(world)
            if change == "do":
                a.ask(query("begin"))
                a.ask(query("do $$ begin set datestyle = 'ISO, DMY'; end $$"))
            else:
                a.ask(query("begin"))
                a.ask(query(f"{change} datestyle = 'ISO, DMY'"))
            a.ask(parse(name, DATE) + SYNC)
            assert value(run(a, name), 1) == "2001-03-02"
            a.ask(query("commit"))
            b.ask(parse("other", DATE) + SYNC)
            assert value(run(b, "other"), 1) == "2001-02-03", (name, change)
            weir.kill()


def test_an_unnamed_statement_is_not_anothers_of_other_settings(world):
    weir = world.start("default_pool_size = 2")
    a, b, c = (Client(weir.port) for _ in range(3))
    c.ask(query("begin"))
    b.ask(parse("", DATE) + SYNC)
    a.ask(query("begin"))
    a.send(query("set local datestyle = 'ISO, DMY'"))
    a.until_ready()
    a.ask(parse("", DATE) + SYNC)
    a.ask(parse("commit", "commit") + bind("commit") + execute() + SYNC)
    assert value(run(b), 1) == "2001-02-03"


def test_a_bind_under_uncommitted_settings_prepares_for_itself_only(world):
    weir = world.start("default_pool_size = 2")
    a, b, c = (Client(weir.port) for _ in range(3))
    a.ask(parse("s", DATE) + SYNC)
    a.ask(query("begin"))
    c.ask(query("begin"))
    c.ask(query("set local datestyle = 'ISO, DMY'"))
    c.ask(parse("mine", DATE) + SYNC)
    assert value(run(c, "mine"), 1) == "2001-03-02"
    c.ask(query("commit"))
    b.ask(parse("s", DATE) + SYNC)
    assert value(run(b, "s"), 1) == "2001-02-03"
    assert value(run(a, "s"), 1) == "2001-02-03"


def test_a_new_parse_under_changed_settings_is_really_parsed(world):
    weir, a, b = pair(world)
    b.ask(parse("s", DATE) + SYNC)
    a.ask(query("begin"))
    a.ask(query("set local datestyle = 'ISO, DMY'"))
    a.ask(parse("s", DATE) + SYNC)
    assert value(run(a, "s"), 1) == "2001-03-02"


def test_deallocate_all_through_the_extended_protocol_harms_nobody(world):
    for text in ("deallocate all", "discard all"):
        weir, a, b = pair(world)
        a.ask(parse("s", "select 'a'") + SYNC)
        b.ask(parse("s", "select 'b'") + SYNC)
        for name in ("", "d"):
            answer = b.ask(parse(name, text) + bind(name) + execute() + SYNC)
            assert kinds(answer)[-2:] == "CZ", (text, answer)
            assert value(run(a, "s")) == "a", text
            assert error_of(run(b, "s"))["C"] == "26000", text
            assert kinds(b.ask(parse("s", "select 'b'") + SYNC)) == "1Z"
        weir.kill()


def test_deallocate_of_the_servers_own_name_harms_nobody_for_long(world):
    weir, a, b = pair(world)
    a.ask(parse("s", "select 'a'") + SYNC)
    b.ask(query("do $$ declare n text; begin for n in select name from "
                "pg_prepared_statements loop execute 'deallocate ' || n; "
                "end loop; end $$"))
    run(a, "s")
    assert value(run(a, "s")) == "a"


def test_a_name_given_behind_discard_all_in_a_pipeline_is_kept(world):
    for text in ("discard all", "deallocate all"):
        weir, a, b = pair(world)
        a.ask(parse("old", "select 'old'") + SYNC)
        a.send(query(text) + parse("s", "select 's'") + SYNC)
        a.until_ready()
        assert kinds(a.until_ready()) == "1Z"
        assert value(run(a, "s")) == "s", text
        assert error_of(run(a, "old"))["C"] == "26000", text
        weir.kill()


def test_a_changed_table_does_not_spoil_a_shared_statement_for_ever(world):
    weir, a, b = pair(world)
    a.ask(query("drop table if exists changing; "
                "create table changing (a int)"))
    a.ask(parse("s", "select * from changing") + describe("S", "s") + SYNC)
    assert kinds(run(a, "s")) == "2CZ"
    a.ask(query("alter table changing add b int"))
    assert error_of(run(a, "s"))["C"] == "0A000"
    a.ask(close("S", "s") + SYNC)
    assert kinds(a.ask(parse("s", "select * from changing") + SYNC)) == "1Z"
    assert kinds(run(a, "s")) == "2CZ"
    assert kinds(b.ask(parse("b", "select * from changing") + SYNC)) == "1Z"
    assert kinds(run(b, "b")) == "2CZ"


def test_an_unknown_statement_rolls_back_what_was_before_it(world):
    weir, a, b = pair(world)
    for wrong in (bind("nosuch") + execute(), describe("S", "nosuch"),
                  parse("dup", "select 2"),
                  bind("pgweir_1") + execute()):
        a.ask(query("drop table if exists atomic; "
                    "create table atomic (a int)"))
        a.ask(parse("dup", "select 1") + SYNC)
        answer = a.ask(parse("", "insert into atomic values (1)") +
                       bind("") + execute() + wrong + SYNC)
        assert kinds(answer) == "12CEZ", kinds(answer)
        assert error_of(answer)["C"] in ("26000", "42P05")
        assert "nosuch" in error_of(answer)["M"] or "dup" in error_of(
            answer)["M"] or "pgweir_1" in error_of(answer)["M"]
        assert b.one("select count(*) from atomic") == "0"
        a.ask(query("begin; insert into atomic values (1)"))
        answer = a.ask(wrong + SYNC)
        assert answer[-1] == ("Z", b"E"), answer
        assert kinds(a.ask(query("commit"))) == "CZ"
        assert b.one("select count(*) from atomic") == "0"
        a.ask(close("S", "dup") + SYNC)


def test_an_unnamed_statement_that_is_missing_rolls_back_the_batch(world):
    weir, a, b = pair(world)
    a.ask(query("drop table if exists atomic; create table atomic (a int)"))
    b.ask(parse("", "select 'secret'") + SYNC)
    a.ask(parse("s", "insert into atomic values (1)") + SYNC)
    a.ask(close("S", "") + SYNC)
    answer = a.ask(bind("s") + execute() + bind("") + execute() + SYNC)
    assert kinds(answer) == "2CEZ" and error_of(answer)["C"] == "26000"
    assert b.one("select count(*) from atomic") == "0"


def test_an_injected_parse_that_fails_tells_its_client_only(world):
    weir, a, b = pair(world)
    a.ask(query("drop table if exists going; create table going (a int)"))
    a.ask(parse("s", "select * from going") + SYNC)
    b.ask(query("deallocate all"))
    b.ask(query("select 1; deallocate all"))
    b.ask(query("drop table going"))
    answer = run(a, "s")
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "42P01"
    assert kinds(b.ask(parse("s", "select 1") + bind("s") + execute() +
                       SYNC)) == "12DCZ"
    b.ask(query("create table going (a int)"))
    assert kinds(run(a, "s")) == "2CZ"


def test_errors_before_and_behind_injected_messages_keep_the_books(world):
    weir = world.start(ONE + "\nmax_prepared_statements = 3")
    a, b = Client(weir.port), Client(weir.port)
    for n in range(6):
        a.ask(parse(f"s{n}", f"select {n}") + SYNC)
    for bad in range(7):
        batch = b""
        for n in range(6):
            if n == bad:
                batch += parse("", "select 1/0") + bind("") + execute()
            batch += bind(f"s{n}") + execute()
        answer = a.ask(batch + SYNC)
        assert ("E" in kinds(answer)) == (bad < 6)
        assert kinds(b.ask(parse("", "select 7") + bind("") + execute() +
                           SYNC)) == "12DCZ"
        for n in range(6):
            assert value(run(a, f"s{n}")) == str(n)
    assert int(b.one("select count(*) from pg_prepared_statements")) <= 3


def test_pipelined_syncs_with_errors_answer_each_batch_by_itself(world):
    weir, a, b = pair(world)
    good = parse("", "select 1") + bind("") + execute() + SYNC
    bad = parse("x", "selec 1") + bind("x") + execute() + close("S", "x") + SYNC
    worse = parse("x", "selec 2") + bind("x") + execute() + SYNC
    made = bind("nosuch") + execute() + SYNC
    for _ in range(3):
        a.send(good + bad + made + good + made + worse + SYNC + good)
        got = [kinds(a.until_ready()) for _ in range(8)]
        assert got == ["12DCZ", "EZ", "EZ", "12DCZ", "EZ", "EZ", "Z",
                       "12DCZ"], got
        assert kinds(b.ask(good)) == "12DCZ"


def test_a_rollback_for_a_client_that_left_is_no_unnamed_statement(world):
    weir = world.start("default_pool_size = 2")
    a, b, c = (Client(weir.port) for _ in range(3))
    b.ask(parse("", "select 'b'") + SYNC)
    c.ask(query("begin"))
    a.ask(parse("begin", "begin") + bind("begin") + execute() + SYNC)
    a.ask(parse("", "select 'b'") + SYNC)
    a.close()
    assert kinds(run(b)) == "2DCZ"
    c.ask(query("commit"))
    assert kinds(run(b)) == "2DCZ"


def test_names_that_a_failed_batch_changed_twice_are_as_before(world):
    weir, a, b = pair(world)
    a.ask(parse("s", "select 'before'") + SYNC)
    bad = parse("", "select 1/0") + bind("") + execute()
    a.ask(bad + close("S", "s") + parse("s", "select 'after'") + SYNC)
    assert value(run(a, "s")) == "before"
    a.ask(bad + parse("t", "select 't'") + close("S", "t") + SYNC)
    assert error_of(run(a, "t"))["C"] == "26000"


def test_a_query_behind_an_error_in_a_batch_is_skipped_with_it(world):
    weir, a, b = pair(world)
    answer = a.ask(parse("", "selec") + bind("") + query("select 1") + SYNC)
    assert kinds(answer) == "EZ"
    assert kinds(a.ask(query("select 2"))) == "TDCZ"
    b.socket.settimeout(20)
    assert b.one("select 3") == "3"


def test_a_long_parse_arrives_whole_at_a_client_without_a_server(world):
    weir = world.start()
    client = Client(weir.port)
    for size in (60000, 70000, 200000, 900000):
        text = f"select length('{'x' * size}')"
        for name in ("", f"s{size}"):
            answer = client.ask(parse(name, text), bind(name), execute(), SYNC)
            assert kinds(answer) == "12DCZ", answer
            assert row(answer[2][1]) == [str(size)]
