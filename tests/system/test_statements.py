"""Prepared statements are PostgreSQL's own: the same messages to PostgreSQL
and through pgweir, which takes another server for every step, get the same
answers, also when tables change in between."""

import struct

from wire import (Client, SYNC, bind, close, describe, error_of, execute,
                  kinds, message, parse, query, row)

INT4, INT8, TEXT, FLOAT4 = 23, 20, 25, 700


def parse_as(name, text, *types):
    return message("P", name.encode() + b"\0" + text.encode() + b"\0" +
                   struct.pack(f">H{len(types)}I", len(types), *types))


def bind_binary(name, *values, results=True):
    body = b"\0" + name.encode() + b"\0" + struct.pack(">HHH", 1, 1,
                                                       len(values))
    for value in values:
        body += struct.pack(">I", len(value)) + value
    return message("B", body + (b"\0\1\0\1" if results else b"\0\0"))


def int4(value):
    return struct.pack(">i", value)


def seen(messages):
    """What there is to compare: no table's number, no server's file."""
    found = []
    for kind, body in messages:
        if kind == "E":
            error = error_of([(kind, body)])
            found.append((error["S"], error["C"], error["M"]))
            # By this function of its source drivers know to prepare again.
            if error["C"] == "0A000":
                found[-1] += (error.get("R"),)
        elif kind == "T":
            found.append(("T", columns(body)))
        else:
            found.append((kind, body))
    return found


def columns(body):
    (count,) = struct.unpack(">H", body[:2])
    result, at = [], 2
    for _ in range(count):
        end = body.index(b"\0", at)
        result.append((body[at:end].decode(),
                       *struct.unpack(">IhI", body[end + 7:end + 17])[0:3:2]))
        at = end + 19
    return result


class Direct:
    """Clients of PostgreSQL itself."""

    def __init__(self, world):
        self.port = world.pg.port

    def client(self):
        return Client(self.port)

    def move(self):
        pass


class Pooled:
    """Clients of a pgweir of which every step meets a fresh server."""

    def __init__(self, world, options="default_pool_size = 5", moves=True):
        self.weir = world.start(options)
        self.port = self.weir.port
        self.moves = moves

    def client(self):
        return Client(self.port)

    def move(self):
        if self.moves:
            self.weir.console("reconnect")


def ends(what):
    """How many ReadyForQuery are the answer to these messages."""
    count = at = 0
    while at < len(what):
        count += what[at:at + 1] in (b"Q", b"S")
        at += 1 + struct.unpack(">I", what[at + 1:at + 5])[0]
    return count


def play(place, world, schema, steps):
    """Each step is a change of the database, or a client and messages."""
    world.pg.sql("drop table if exists t; " + schema +
                 "; alter table t owner to app", database="app")
    clients, answers = {}, []
    for who, what in steps:
        place.move()
        if who == "sql":
            world.pg.sql(what, database="app")
            continue
        if who not in clients:
            clients[who] = place.client()
        clients[who].send(what)
        for _ in range(ends(what)):
            answers.append((who, seen(clients[who].until_ready())))
    for client in clients.values():
        client.close()
    return answers


def same(world, schema, *steps, options="default_pool_size = 5"):
    """The answers, which are PostgreSQL's on one server and on many."""
    wanted = play(Direct(world), world, schema, steps)
    for moves in (True, False):
        found = play(Pooled(world, options, moves), world, schema, steps)
        for step, (one, other) in enumerate(zip(wanted, found)):
            assert one == other, (
                f"answer {step}, a new server each: {moves}\n"
                f"PostgreSQL: {one}\npgweir:     {other}")
        assert len(wanted) == len(found)
        world.settle()
    return [answer for _, answer in wanted]


def each_its_own(world, *stories):
    """Batches, each story a client's of its own."""
    same(world, "create table t (a int4)",
         *((f"client {n}", batch) for n, batches in enumerate(stories)
           for batch in batches))


def run(name="s"):
    return bind(name) + execute() + SYNC


def shown(name="s"):
    return bind(name) + describe("P") + execute() + SYNC


INSERT = "insert into t values ($1) returning a"


def insert(value):
    return bind_binary("s", int4(value), results=False) + execute() + SYNC


def test_parameter_types_are_those_of_the_first_parse_for_ever(world):
    # Seven as an integer is 9.8e-45 where a float is read.
    for described in (describe("S", "s"), b""):
        answers = same(
            world, "create table t (a int4)",
            ("ann", parse("s", INSERT.split(" ret")[0]) + described + SYNC),
            ("sql", "alter table t alter a type float4"),
            ("ann", insert(7)),
            ("ann", query("select a from t")))
        assert ("D", b"\0\1\0\0\0\x017") in answers[-1]


def test_types_that_were_said_in_part_or_as_unknown_are_fixed_as_well(world):
    text = "insert into t values ($1, $2)"
    for types in ((INT4,), (0, INT4), (705, 705), (0, 0)):
        same(world, "create table t (a int4, b int4)",
             ("ann", parse_as("s", text, *types) + SYNC),
             ("sql", "alter table t alter a type float4, "
              "alter b type float4"),
             ("ann", bind_binary("s", int4(1), int4(2), results=False) +
              execute() + SYNC),
             ("ann", query("select * from t")))


def test_one_who_prepares_after_a_change_gets_the_types_of_now(world):
    text = "select * from t where a = $1"
    answers = same(
        world, "create table t (a int4)",
        ("ann", parse("s", text) + describe("S", "s") + SYNC),
        ("bob", parse("b", text) + SYNC),
        ("ann", query("alter table t alter a type text")),
        ("bob", parse("s", text) + describe("S", "s") + SYNC),
        ("bob", bind("s", values=["x"]) + execute() + SYNC),
        ("ann", bind("s", values=["1"]) + execute() + SYNC),
        ("ann", close("S", "s") + parse("s", text) + describe("S", "s") +
         SYNC),
        ("ann", bind("s", values=["1"]) + execute() + SYNC))
    # No operator text = integer: for the one who meant an integer only.
    assert [a[0][1] for a in answers if a[0][0] == "ERROR"] == ["42883"]


def test_what_was_changed_behind_its_back_is_asked_after_a_second(world):
    weir = world.start("default_pool_size = 1")
    world.pg.sql("drop table if exists t; create table t (a int4); "
                 "alter table t owner to app", database="app")
    ann, bob = Client(weir.port), Client(weir.port)
    text = "select * from t where a = $1"
    assert kinds(ann.ask(parse("s", text) + SYNC)) == "1Z"
    world.pg.sql("alter table t alter a type text", database="app")
    assert kinds(ann.ask(query("select pg_sleep(1.1)")))[-1] == "Z"
    bob.ask(parse("s", text) + SYNC)
    answer = bob.ask(bind("s", values=["x"]) + execute() + SYNC)
    assert kinds(answer) == "2CZ", error_of(answer)


def test_an_unnamed_statement_that_was_described_keeps_its_types(world):
    same(world, "create table t (a int4)",
         ("ann", parse("", INSERT.split(" ret")[0]) + describe("S") + SYNC),
         ("sql", "alter table t alter a type float4"),
         ("ann", bind_binary("", int4(7), results=False) + execute() +
          SYNC),
         ("ann", query("select a from t")))


def test_an_unnamed_statement_that_is_run_later_keeps_its_types(world):
    text = "insert into t values ($1)"
    now = bind_binary("", int4(7), results=False) + execute() + SYNC
    change = ("sql", "alter table t alter a type float4")
    same(world, "create table t (a int4)",
         ("ann", parse("", text) + SYNC),
         change,
         ("ann", now),
         ("ann", query("select a from t")))
    # Once it was run in two batches, that is expected of the next ones.
    same(world, "create table t (a int4)",
         ("ann", parse("", text) + now),
         ("ann", now),
         ("ann", parse("", text) + now),
         change,
         ("ann", now),
         ("ann", query("select a from t")))


def test_rows_of_another_shape_are_an_error_to_who_knows_the_old_one(world):
    text = "select * from t"
    for change in ("add b int", "alter a type int8", "rename a to b"):
        answers = same(
            world, "create table t (a int4); insert into t values (1)",
            ("ann", parse("s", text) + describe("S", "s") + SYNC),
            ("ann", run()),
            ("sql", f"alter table t {change}"),
            ("ann", run()),
            ("ann", run()),
            ("bob", parse("s", text) + run()),
            ("bob", run()),
            ("ann", run()),
            ("ann", close("S", "s") + parse("s", text) + run()))
        assert sum(a[0][1] == "0A000" for a in answers) == 3


def test_what_would_return_another_shape_has_not_been_done(world):
    answers = same(
        world, "create table t (a int4)",
        ("ann", parse("s", "insert into t values (1) returning *") +
         describe("S", "s") + SYNC),
        ("sql", "alter table t add b int"),
        ("ann", run()),
        ("ann", parse("", "insert into t values (5)") + bind("") +
         execute() + bind("s") + execute() + SYNC),
        ("ann", query("select * from t")))
    assert answers[1][0][1] == answers[2][-2][1] == "0A000"
    assert not [part for part in answers[3] if part[0] == "D"]


def test_a_changed_shape_fails_the_transaction_it_is_met_in(world):
    for text in ("select * from t", "insert into t values (1) returning *"):
        answers = same(
            world, "create table t (a int4)",
            ("ann", parse("s", text) + describe("S", "s") + SYNC),
            ("sql", "alter table t add b int"),
            ("ann", query("begin")),
            ("ann", query("insert into t values (2)")),
            ("ann", run()),
            ("ann", query("select 1")),
            ("ann", query("commit")),
            ("ann", query("select * from t")))
        assert answers[3][-1] == ("Z", b"E")


def test_behind_a_changed_shape_the_rest_of_the_batch_is_skipped(world):
    same(world, "create table t (a int4)",
         ("ann", parse("s", "select * from t") + describe("S", "s") + SYNC),
         ("sql", "alter table t add b int"),
         ("ann", bind("s") + execute() + parse("later", "select 1") +
          parse("", "insert into t values (3)") + bind("") + execute() +
          run("later") + run("later")),
         ("ann", query("select * from t")))


def test_who_hears_the_new_shape_first_gets_rows_of_it(world):
    """Here pgweir does better than PostgreSQL: it prepares again."""
    for moves in (True, False):
        place = Pooled(world, moves=moves)
        answers = play(
            place, world, "create table t (a int4); insert into t values (1)",
            [("ann", parse("s", "select * from t where a = $1") +
              describe("S", "s") + SYNC),
             ("ann", query("alter table t add b int4 default 2")),
             ("ann", bind("s", values=[1]) + describe("P") + execute() +
              SYNC),
             ("ann", bind("s", values=[1]) + execute() + SYNC),
             ("bob", parse("s", "select * from t") + run()),
             ("ann", query("alter table t add c int4 default 3")),
             ("bob", run()),
             ("ann", describe("S", "s") + SYNC),
             ("ann", bind("s", values=[1]) + execute() + SYNC)])
        text = ["".join(part[0] for part in answer) for _, answer in answers]
        assert text == ["1tTZ", "CZ", "2TDCZ", "2DCZ", "12DCZ", "CZ",
                        "2DCZ", "tTZ", "2DCZ"], text
        world.settle()


def test_types_stay_when_a_changed_shape_is_prepared_again(world):
    place = Pooled(world)
    answers = play(
        place, world, "create table t (a int4, b int4)",
        [("ann", parse("s", "insert into t values ($1) returning *") +
          describe("S", "s") + SYNC),
         ("sql", "alter table t alter a type float4"),
         ("ann", bind_binary("s", int4(7), results=False) + describe("P") +
          execute() + SYNC)])
    data = [body for _, a in answers for kind, body in
            [p for p in a if len(p) == 2] if kind == "D"]
    assert row(data[0]) == ["7", None]


FRONT = ("create table t (v text); insert into t values ('public'); drop "
         "schema if exists own cascade; create schema own authorization app")
PATH = query("set search_path = own, public")
NEWER = query("create table own.t (v text); insert into own.t values ('own')")


def values(answers):
    """Of the rows of all answers."""
    return [row(part[1])[0] for answer in answers for part in answer
            if part[0] == "D"]


def test_who_prepares_behind_a_table_that_hides_another_reads_it(world):
    text = "select v from t"
    answers = same(world, FRONT,
                   ("ann", PATH), ("bob", PATH),
                   ("ann", parse("s", text) + run()),
                   ("bob", parse("s", text) + run()),
                   ("ann", NEWER),
                   ("ann", parse("new", text) + run("new")),
                   ("bob", parse("new", text) + run("new")))
    assert values(answers) == ["public"] * 2 + ["own"] * 2
    answers = same(world, FRONT,
                   ("ann", PATH),
                   ("ann", parse("s", text) + run()),
                   ("ann", query("begin")),
                   ("ann", NEWER),
                   ("ann", parse("new", text) + run("new")),
                   ("ann", query("rollback")),
                   ("ann", run("new")))
    assert values(answers) == ["public", "own", "public"]


def test_a_table_that_hides_another_is_read_on_every_server(world):
    weir = world.start("default_pool_size = 2")
    world.pg.sql("drop table if exists t; " + FRONT + "; grant all on t to "
                 "app", database="app")
    text = "select v from t"
    ann, bob, other = (Client(weir.port) for _ in range(3))

    def with_other(says):
        """While the server that was used last is somebody else's."""
        other.ask(query("begin; select 1"))
        answer = ann.ask(says)
        other.ask(query("rollback"))
        return [row(body)[0] for kind, body in answer if kind == "D"]
    for client in (ann, bob, other):
        client.ask(PATH)
    ann.ask(parse("s", text) + run())
    assert with_other(run()) == ["public"]
    bob.ask(NEWER)
    bob.ask(parse("s", text) + run())
    for _ in range(2):
        assert with_other(run()) == ["own"]
        assert values([seen(ann.ask(run()))]) == ["own"]


def test_a_temporary_table_that_hides_another_is_read_by_its_client(world):
    text = "select v from t"
    make = query("create temp table t (v text); "
                 "insert into t values ('mine')")
    answers = same(world, "create table t (v text); insert into t values "
                   "('public')",
                   # That server has had one.
                   ("bob", query("create temp table x (a int); drop table x")),
                   ("bob", parse("s", text) + run()),
                   ("ann", parse("s", text) + run()),
                   ("ann", make),
                   ("ann", run()),
                   ("ann", parse("new", text) + run("new")),
                   ("bob", parse("new", text) + run("new")),
                   ("ann", query("drop table pg_temp.t")),
                   ("ann", run("new")),
                   ("bob", run()),
                   ("ann", query("begin")),
                   ("ann", make),
                   ("ann", parse("inside", text) + run("inside")),
                   ("ann", query("rollback")),
                   ("ann", run("inside")))
    assert values(answers) == ["public"] * 2 + ["mine"] * 2 + \
        ["public"] * 3 + ["mine", "public"]


def test_types_of_a_temporary_table_are_its_clients_alone(world):
    text = "select v from t where v = $1"
    prepare = parse("new", text) + describe("S", "new") + SYNC
    take = close("S", "new") + SYNC
    same(world, "create table t (v text)",
         ("ann", query("create temp table t (v int4)")),
         ("ann", prepare),
         ("bob", prepare),
         ("ann", take), ("bob", take),
         ("bob", prepare),
         ("ann", prepare),
         ("ann", bind("new", values=[1]) + execute() + SYNC),
         ("bob", bind("new", values=["x"]) + execute() + SYNC))


def test_no_round_trip_more_where_a_select_is_prepared_elsewhere(world):
    weir = world.start("default_pool_size = 1")
    ann = Client(weir.port)
    ann.ask(parse("s", "select 1") + describe("S", "s") + SYNC)
    weir.console("reconnect")
    assert kinds(ann.ask(run())) == "2DCZ"
    assert ann.one("select count(*) from pg_prepared_statements") == "1"


def test_what_many_prepare_at_once_is_prepared_once_on_a_server(world):
    weir = world.start("default_pool_size = 1")
    clients = [Client(weir.port) for _ in range(10)]
    text = "select count(*) from pg_class where relname = $1"
    for client in clients:
        assert kinds(client.ask(parse("s", text) + SYNC)) == "1Z"
    for client in clients:
        assert kinds(client.ask(bind("s", values=["x"]) + execute() +
                                SYNC)) == "2DCZ"
    assert int(clients[0].one("select count(*) from "
                              "pg_prepared_statements")) <= 2


BAD = "select nonsense from"


def test_a_duplicate_name_is_an_error_behind_those_of_its_text(world):
    same(world, "create table t (a int4)",
         ("ann", parse("s", "select 1") + SYNC),
         ("ann", parse("s", "select 2") + SYNC),
         ("ann", parse("s", BAD) + SYNC),
         ("ann", parse("s", "select * from nowhere") + SYNC),
         ("ann", parse("s", "insert into t values ($1)") + run()),
         ("ann", query("begin")),
         ("ann", parse("s", "select 3") + SYNC),
         ("ann", parse("s", "select 4") + SYNC),
         ("ann", parse("s", BAD) + SYNC),
         ("ann", query("rollback")),
         ("ann", run()))


def test_names_in_a_pipeline_mean_what_they_mean_in_postgresql(world):
    one, two = "select 1", "select 2"
    each_its_own(
        world,
            # Given twice, of which the first may fail.
            (parse("s", one) + SYNC + parse("s", two) + SYNC + run(),),
            (parse("s", BAD) + SYNC + parse("s", two) + SYNC + run(),),
            (parse("s", BAD) + SYNC + run() + parse("s", two) + run(),),
            (parse("s", one) + parse("s", two) + SYNC + run(),),
            (parse("s", BAD) + parse("s", two) + SYNC + run(),),
            # Taken away, or not, as the batch fails.
            (parse("s", one) + SYNC,
             bind("no") + close("S", "s") + SYNC + run(),),
            (parse("s", one) + SYNC,
             bind("no") + close("S", "s") + SYNC + parse("s", two) + SYNC +
             run(),),
            (parse("s", one) + SYNC,
             bind("no") + close("S", "s") + SYNC + close("S", "s") + SYNC +
             run(), run()),
            (parse("s", one) + SYNC,
             bind("no") + close("S", "s") + SYNC + describe("S", "s") +
             SYNC, run()),
            (parse("s", one) + SYNC,
             close("S", "s") + parse("s", two) + run() + run()),
            (parse("s", one) + close("S", "s") + run(), run()),
            (close("S", "s") + run() + close("S", "s") + parse("s", one) +
             run(),),
            # In the middle of a batch, every way of taking away.
            (parse("s", one) + bind("s") + execute() + close("S", "s") +
             bind("s") + execute() + SYNC, run()))


def test_deallocate_and_discard_take_effect_in_the_middle_of_a_pipeline(
        world):
    one, two = "select 1", "select 2"
    stories = []
    for text in ("deallocate s", "deallocate all", "discard all",
                 "deallocate prepare s"):
        stories += [
            (parse("s", one) + SYNC, query(text) + run()),
            (parse("s", one) + SYNC, query(text) + parse("s", two) + run()),
            (parse("s", one) + SYNC, query(text) + close("S", "s") + run()),
            (parse("s", one) + parse("d", text) + SYNC,
             bind("d") + execute() + run(), parse("s", two) + run()),
            (parse("s", one) + parse("d", text) + SYNC,
             bind("d") + execute() + bind("s") + execute() + SYNC,
             run(), run("d")),
            (parse("s", one) + parse("d", text) + SYNC,
             bind("d") + SYNC, run()),
            (parse("s", one) + SYNC,
             bind("no") + SYNC + query(text) + run())]
    stories.append((parse("s", one) + SYNC,
                    query("deallocate all; select 1/0") + run(), run()))
    # What is on its way has ended the name, or not given it.
    def does(what):
        return parse("", what) + bind("") + execute()
    parsed, dies = parse("s", one), does("deallocate s") + SYNC
    stories += [
        (parsed + SYNC, does("deallocate all") + dies, run()),
        (does("select 1/0") + parsed + SYNC + dies, run()),
        (parsed + SYNC, does("select 1/0") + close("S", "s") + SYNC + dies,
         run()),
        (parsed + dies, run())]
    each_its_own(world, *stories)


def test_a_deallocate_ends_the_batch_in_front_of_it(world):
    insert = parse("", "insert into t values (1)") + bind("") + execute()
    begin = parse("b", "begin") + bind("b") + execute()
    count = query("select count(*) from t")
    for text in "deallocate s", "deallocate all":
        same(world, "create table t (a int4)",
             ("ann", parse("s", "select 1") + SYNC),
             # What was in the batch is committed, whatever comes then.
             ("ann", insert + query(text) + bind("no") + SYNC),
             ("bob", count),
             ("ann", parse("s", "select 1") + SYNC),
             ("ann", begin + insert + query(text) + count),
             ("ann", query("rollback")),
             ("bob", count))
    # It leaves its server behind, and no transaction on it.
    weir = world.start("default_pool_size = 1")
    ann, bob = Client(weir.port), Client(weir.port)
    ann.ask(parse("s", "select 1") + SYNC)
    assert kinds(ann.ask(insert + query("deallocate s"))) == "12CCZ"
    assert bob.one("select now() = statement_timestamp()") == "t"
    assert kinds(ann.ask(begin + query("deallocate all"))) == "12CCZ"
    assert ann.one("select now() < statement_timestamp()") == "t"


def test_deallocate_of_an_unknown_name_is_an_error_in_every_way(world):
    same(world, "create table t (a int4)",
         ("ann", query("deallocate nobody")),
         ("ann", parse("", "deallocate nobody") + bind("") + execute() +
          SYNC),
         ("ann", parse("d", "deallocate nobody") + run("d")),
         ("ann", query("begin")),
         ("ann", run("d")),
         ("ann", query("commit")),
         ("ann", run("d")))


def test_errors_show_the_clients_own_name(world):
    long = "stmtcache_" + "0123456789abcdef" * 3
    for name in ("s", long):
        same(world, "create table t (a int4)",
             ("ann", parse(name, "select $1::int, $2::int") + SYNC),
             ("ann", bind(name, values=[1]) + SYNC),
             ("ann", bind(name, values=[1, 2, 3]) + SYNC),
             ("ann", query("begin")),
             ("ann", bind(name, values=[1]) + execute() + SYNC),
             ("ann", bind(name, values=[1, 2]) + execute() + SYNC),
             ("ann", query("rollback")),
             ("ann", parse("bad", BAD) + describe("S", "bad") + SYNC),
             ("ann", describe("S", "bad") + SYNC),
             ("ann", bind(name, values=[1, "pgweir_1"]) + execute() + SYNC),
             ("ann", bind(name, values=[1, 2]) + execute() + SYNC))


def test_a_failed_parse_leaves_nothing_behind(world):
    weir = world.start("default_pool_size = 1")
    client = Client(weir.port)
    for _ in range(3):
        answer = client.ask(parse("s", BAD) + SYNC)
        assert kinds(answer) == "EZ" and error_of(answer)["C"] == "42601"
    assert "select nonsense" not in weir.console("show prepared")
    assert client.one("select count(*) from pg_prepared_statements") == "0"
    assert kinds(client.ask(parse("s", "select 1") + run())) == "12DCZ"


def test_a_small_shelf_changes_nothing_but_what_is_prepared_when(world):
    names = [f"s{n}" for n in range(5)]
    parses = b"".join(parse(name, f"select {name[1]}") for name in names)
    binds = b"".join(bind(name) + execute() for name in names)
    for size in (0, 1, 2, 200):
        same(world, "create table t (a int4)",
             ("ann", parses + SYNC),
             ("ann", binds + binds + SYNC),
             ("bob", parses + binds + SYNC),
             ("ann", query("begin")),
             ("ann", binds + bind("no") + binds + SYNC),
             ("ann", query("rollback")),
             ("ann", b"".join(close("S", name) for name in names[1:]) +
              bind("s0") + execute() + SYNC + run("s1")),
             ("bob", binds + b"".join(run(name) for name in names)),
             options=f"default_pool_size = 2\n"
             f"max_prepared_statements = {size}")


def test_a_warning_about_a_text_comes_when_it_is_prepared_and_not_again(world):
    weir = world.start("default_pool_size = 1\nmax_prepared_statements = 1")
    client = Client(weir.port, standard_conforming_strings="off")
    warned = client.ask(parse("s", "select 'a\\nb'") + SYNC)
    assert kinds(warned) == "N1Z", warned
    for n in range(3):
        client.ask(parse(f"other{n}", f"select {n}") + SYNC)
        answer = client.ask(bind("s") + execute() + SYNC)
        assert kinds(answer) == "2DCZ", answer


def test_a_server_gives_up_the_statement_that_was_used_longest_ago(world):
    weir = world.start("default_pool_size = 1\nmax_prepared_statements = 3")
    client = Client(weir.port)
    asks = "select string_agg(statement, ' ' order by statement) from " \
        "pg_prepared_statements where statement ~ '^select .$'"
    for n in range(3):
        client.ask(parse(f"s{n}", f"select {n}") + run(f"s{n}"))
    client.ask(run("s0"))
    client.ask(parse("s3", "select 3") + run("s3"))
    assert client.one(asks) == "select 0 select 2 select 3"
    # What was given up is there again when it is used.
    assert kinds(client.ask(run("s1"))) == "2DCZ"
    assert client.one(asks) == "select 0 select 1 select 3"


def test_max_prepared_statements_may_be_none_or_one(world):
    for size in (0, 1):
        weir = world.start("default_pool_size = 1\n"
                           f"max_prepared_statements = {size}")
        client = Client(weir.port)
        for n in range(4):
            client.ask(parse(f"s{n}", "select $1::int") + SYNC)
            client.ask(bind(f"s{n}", values=[n]) + execute() + SYNC)
        assert client.one("select count(*) from pg_prepared_statements") \
            in "01"[:size + 2]
        weir.kill()


SHARED = ("application_name", "statement_timeout", "lock_timeout",
          "idle_in_transaction_session_timeout", "log_statement", "work_mem",
          "random_page_cost", "client_min_messages")
VALUES = {"application_name": "x", "log_statement": "all",
          "client_min_messages": "warning", "random_page_cost": "2",
          "work_mem": "1MB"}
OWN = {"search_path": "pg_catalog", "datestyle": "German",
       "timezone": "Asia/Tokyo", "extra_float_digits": "0",
       "standard_conforming_strings": "off", "bytea_output": "escape",
       "intervalstyle": "iso_8601", "enable_seqscan": "off",
       "default_transaction_isolation": "serializable"}


def test_statements_are_shared_under_all_settings_but_a_fixed_list(world):
    weir = world.start("default_pool_size = 1")
    text = "select 'of everybody'"
    first = Client(weir.port)
    asks = "select count(*) from pg_prepared_statements where statement = " \
        "'select ''of everybody'''"

    def count_with(name, value):
        with_it = Client(weir.port, **{name: value})
        assert kinds(with_it.ask(parse("s", text) + run())) == "12DCZ"
        return int(first.one(asks))
    assert kinds(first.ask(parse("s", text) + run())) == "12DCZ"
    for name in SHARED:
        assert count_with(name, VALUES.get(name, "12345")) == 1, name
    for n, (name, value) in enumerate(OWN.items()):
        assert count_with(name, value) == n + 2, name


def test_a_constant_that_was_folded_is_nobody_elses(world):
    weir = world.start("default_pool_size = 1")
    text = "select (1.0::float8 / 3)::text"
    digits = [Client(weir.port, extra_float_digits=n).ask(
        parse("s", text) + run()) for n in (3, 0, -5)]
    found = [row(body)[0] for answer in digits for kind, body in answer
             if kind == "D"]
    assert [len(value) for value in found] == [18, 17, 12], found
