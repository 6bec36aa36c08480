"""What drivers do that no other test thought of."""

from wire import (Client, FLUSH, SYNC, bind, describe, error_of, execute,
                  kinds, parse, query)


def run(name):
    return bind(name) + execute() + SYNC


def batch(text):
    return parse("", text) + bind("") + describe("P") + execute() + SYNC


def test_deallocate_works_through_the_extended_protocol(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    for client in (a, b):
        client.ask(parse("s", "select 1") + parse("t", "select 2") + SYNC)
    answer = a.ask(batch("deallocate s"))
    assert kinds(answer) == "12nCZ"
    assert answer[3][1] == b"DEALLOCATE\0"
    assert error_of(a.ask(run("s")))["C"] == "26000"
    assert kinds(a.ask(run("t"))) == kinds(b.ask(run("s"))) == "2DCZ"
    assert error_of(a.ask(batch("deallocate s")))["C"] == "26000"
    assert kinds(a.ask(parse("s", "select 3") + run("s"))) == "12DCZ"


def test_deallocate_that_was_prepared_can_be_said_again(world):
    client = Client(world.start("default_pool_size = 1").port)
    client.ask(parse("d", "deallocate prepare s") + SYNC)
    for _ in range(2):
        client.ask(parse("s", "select 1") + SYNC)
        assert kinds(client.ask(run("d"))) == "2CZ"
        assert error_of(client.ask(run("s")))["C"] == "26000"
    assert error_of(client.ask(run("d")))["C"] == "26000"


def test_a_deallocate_behind_an_error_of_its_batch_has_not_happened(world):
    client = Client(world.start("default_pool_size = 1").port)
    client.ask(parse("s", "select 1") + SYNC)
    answer = client.ask(parse("", "select 1 / (n - 1) from generate_series"
                              "(1, 1) n") + bind("") + execute() +
                        batch("deallocate s"))
    assert kinds(answer) == "12EZ"
    assert kinds(client.ask(run("s"))) == "2DCZ"
    client.ask(query("begin"))
    client.ask(query("select 1 / 0"))
    assert error_of(client.ask(batch("deallocate s")))["C"] == "25P02"
    client.ask(query("rollback"))
    assert kinds(client.ask(run("s"))) == "2DCZ"


def test_a_bound_deallocate_leaves_other_portals_alone(world):
    client = Client(world.start("default_pool_size = 1").port)
    client.ask(parse("s", "select 1") + parse("d", "deallocate s") +
               parse("one", "select 'one'") + SYNC)
    answer = client.ask(bind("one", "p") + bind("d") + execute("p") +
                        FLUSH + bind("one") + execute() + SYNC)
    assert kinds(answer) == "22DC2DCZ"
    assert kinds(client.ask(run("s"))) == "2DCZ"


def test_a_parse_behind_a_batch_that_fails_is_kept(world):
    client = Client(world.start("default_pool_size = 1").port)
    for bad in (parse("", "select nosuch"),
                parse("", "select 1 / (n - 1) from generate_series(1, 1) n")):
        client.send(bad + describe("S") + bind("") + execute() + SYNC +
                    parse("", "select 'next'") + describe("S") + FLUSH)
        assert error_of(client.until_ready()) is not None
        assert [client.read()[0] for _ in range(3)] == ["1", "t", "T"]
        answer = client.ask(bind("") + execute() + SYNC)
        assert kinds(answer) == "2DCZ" and answer[1][1].endswith(b"next")


def test_the_unnamed_statement_before_two_failures_is_still_there(world):
    client = Client(world.start("default_pool_size = 1").port)
    client.ask(parse("", "select 'first'") + SYNC)
    client.send(parse("a", "select nosuch") + parse("", "select 2") + SYNC +
                parse("b", "select absent") + parse("", "select 3") + SYNC)
    for _ in range(2):
        assert error_of(client.until_ready())["C"] == "42703"
    answer = client.ask(bind("") + execute() + SYNC)
    assert kinds(answer) == "2DCZ" and answer[1][1].endswith(b"first")
    client.send(parse("a", "select nosuch") + parse("", "select 2") + SYNC +
                query("select 'it is gone now'"))
    assert error_of(client.until_ready())["C"] == "42703"
    assert kinds(client.until_ready()) == "TDCZ"
    assert error_of(client.ask(bind("") + SYNC))["C"] == "26000"
