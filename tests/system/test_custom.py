"""Custom settings (app.tenant), by which applications say for whom they work:
they tie nobody, and nobody else ever sees that they were set."""

from wire import (Client, Gate, SYNC, bind, describe, error_of, execute,
                  kinds, parse, query, row)

TENANT = "select current_setting('app.tenant', true)"

# Each leaves the value "one" behind, in whatever way.
SETS = (
    "set app.tenant = 'one'",
    "set session App.Tenant to 'one'",
    'set "app.tenant" to "one"',
    "begin; set app.tenant = 'one'; commit",
    "select set_config('app.tenant', 'one', false)",
    "select set_config(E'app.tenant', 'one', false)",
    "do $$ begin perform set_config('app.tenant', 'one', false); end $$",
    "do $$ begin set app.tenant = 'one'; end $$",
    "select sets_tenant('one')",
    "begin; set local app.tenant = 'two'; commit; set app.tenant = 'one'",
)
# And each of these an empty string.
LEAVES = (
    "begin; set local app.tenant = 'one'; commit",
    "begin; set local app.tenant = 'one'; rollback",
    "begin; set app.tenant = 'one'; rollback",
    "select set_config('app.tenant', 'one', true)",
    "begin; savepoint a; set app.tenant = 'one'; rollback to a; commit",
    "set app.tenant = 'one'; select 1/0",
    "reset app.tenant",
    "set app.tenant = 'one'; reset app.tenant",
    "set app.tenant to default",
    "do $$ begin perform set_config('app.tenant', 'one', true); end $$",
    "select works_for('one')",
    "select marked()",
)


def ground(world):
    world.pg.sql(
        "create or replace function sets_tenant(text) returns text language "
        "plpgsql as $$ begin return set_config('app.tenant', $1, false); end "
        "$$; create or replace function works_for(text) returns text "
        "language sql as $$ select set_config('app.tenant', $1, true) $$; "
        "create or replace function marked() returns text language sql set "
        "app.tenant = 'x' as $$ select current_setting('app.tenant') $$",
        database="app")


def tenant(client):
    return client.rows(TENANT)[0][0]


def bound(client, text, *values):
    answer = client.ask(parse("", text) + bind("", values=values) +
                        execute() + SYNC)
    assert "E" not in kinds(answer), error_of(answer)
    return [row(body) for kind, body in answer if kind == "D"]


def tied(weir):
    return [line.split("|")[-1] for line in
            weir.console("show clients").splitlines()
            if line.split("|")[2] == "app"]


def test_a_custom_setting_follows_its_client_and_ties_nobody(world):
    ground(world)
    weir = world.start("default_pool_size = 2")
    for text in SETS:
        a, b, c = (Client(weir.port) for _ in range(3))
        answer = a.ask(query(text))
        assert "E" not in kinds(answer), (text, error_of(answer))
        for _ in range(3):
            assert tenant(b) is None, text
            c.ask(query("begin"))
            assert tenant(c) is None, text
            assert tenant(a) == "one", text
            c.ask(query("commit"))
            assert tenant(a) == "one", text
        assert set(tied(weir)) == {""}, text
        for client in (a, b, c):
            client.close()


def test_a_name_that_was_set_shows_as_empty_to_its_client_alone(world):
    ground(world)
    weir = world.start("default_pool_size = 2")
    for text in LEAVES:
        direct = Client(world.pg.port)
        a, b = Client(weir.port), Client(weir.port)
        assert kinds(a.ask(query(text))) == kinds(direct.ask(query(text)))
        for _ in range(3):
            assert tenant(b) is None, text
            assert tenant(a) == tenant(direct) == "", text
        assert set(tied(weir)) == {""}, text
        for client in (a, b, direct):
            client.close()


def test_a_bound_name_is_known_from_its_value(world):
    weir = world.start("default_pool_size = 2")
    for text, values, after in (
            ("select set_config($1, $2, false)", ("app.tenant", "one"),
             "one"),
            ("select set_config($2::text, $1, false)", ("one", "App.Tenant"),
             "one"),
            ("select set_config($1, $2, true)", ("app.tenant", "one"), ""),
            ("select set_config('app.tenant', $1, false)", ("one",), "one"),
            ("select set_config($1, $2, $3)", ("app.tenant", "one", "f"),
             "one")):
        a, b = Client(weir.port), Client(weir.port)
        assert bound(a, text, *values) == [["one"]]
        for _ in range(3):
            assert tenant(b) is None, text
            assert tenant(a) == after, text
        assert set(tied(weir)) == {""}, text
        for client in (a, b):
            client.close()


def test_a_name_that_is_put_together_ties_and_is_shown_to_nobody(world):
    weir = world.start("default_pool_size = 1")
    a = Client(weir.port)
    a.ask(query("select set_config('app.' || 'tenant', 'one', false)"))
    assert tenant(a) == "one"
    assert tied(weir) == ["custom setting"]
    a.close()
    assert tenant(Client(weir.port)) is None


def test_what_is_set_by_sql_execute_is_shown_to_nobody(world):
    weir = world.start("default_pool_size = 1")
    a = Client(weir.port)
    a.ask(query("prepare works as select set_config('app.tenant', $1, true)"))
    a.ask(query("execute works('one')"))
    assert tenant(a) == ""
    a.ask(query("deallocate works"))
    b = Client(weir.port)
    assert tenant(b) is None
    assert tenant(a) == ""


def test_a_client_that_vanishes_shows_its_name_to_nobody(world):
    weir = world.start("default_pool_size = 1")
    for text in ("begin; set local app.tenant = 'one'",
                 "begin; select set_config('app.tenant', 'one', true)",
                 "begin; set app.tenant = 'one'",
                 "set app.tenant = 'one'"):
        a = Client(weir.port)
        a.ask(query(text))
        a.close()
        b = Client(weir.port)
        assert tenant(b) is None, text
        b.close()


def test_what_a_client_that_vanished_did_not_come_to_set_is_set_for_others(
        world):
    weir = world.start("default_pool_size = 2")
    a, b, c = Client(weir.port), Client(weir.port), Client(weir.port)
    for client in (a, c):
        client.ask(query("set local app.tenant = 'one'"))
    a.ask(query("begin"))
    gate = Gate(world)
    b.send(query(f"{gate.statement}; set app.tenant = 'two'"))
    gate.wait()
    b.close()
    # The server that never came to it.
    assert tenant(c) == ""
    gate.open()


def test_a_name_in_a_query_longer_than_the_buffer_is_known(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("set app.tenant = 'one'; select '" + "x" * 200000 + "'"))
    assert tenant(b) is None
    assert tenant(a) == "one"
    assert set(tied(weir)) == {""}


def work(client, name, text):
    """One transaction of an application with row-level security."""
    client.ask(query("begin"))
    if text == "set":
        client.ask(query(f"set local app.tenant = '{name}'"))
    else:
        assert bound(client, "select set_config('app.tenant', $1, true)",
                     name) == [[name]]
    rows = client.rows("select current_setting('app.tenant'), "
                       "pg_backend_pid()")
    client.ask(query("commit"))
    assert rows[0][0] == name
    return rows[0][1]


def test_in_the_steady_state_64_tenants_on_5_servers_open_no_server(world):
    for text in ("set", "bound"):
        weir = world.start("default_pool_size = 5")
        clients = [Client(weir.port) for _ in range(64)]
        for client in clients:
            work(client, "first", text)
        before = {work(client, "next", text) for client in clients}
        servers = set(line.split("|")[11] for line in weir.console(
            "show servers").splitlines() if "|app|" in line)
        for turn in range(3):
            for n, client in enumerate(clients):
                client.send(query("begin") +
                            query(f"set local app.tenant = 't{n}'") +
                            query("select current_setting('app.tenant'), "
                                  "pg_backend_pid()") + query("commit"))
            for n, client in enumerate(clients):
                rows = [row(body) for _ in range(4) for kind, body in
                        client.until_ready() if kind == "D"]
                assert rows[0][0] == f"t{n}"
                before.add(rows[0][1])
        assert len(before) <= 5 and len(servers) <= 5, before
        weir.kill()


def test_who_begins_by_saying_its_tenant_may_have_a_used_server(world):
    weir = world.start("default_pool_size = 1")
    pids = set()
    for n in range(5):
        client = Client(weir.port)
        for text in (f"set app.tenant = 't{n}'",
                     f"begin; set local app.tenant = 't{n}'"):
            client.ask(query(text))
            pids.add(client.one("select pg_backend_pid()"))
            assert tenant(client) == f"t{n}"
            client.ask(query("commit"))
            if n % 2:
                client.close()
                client = Client(weir.port)
        client.close()
        client = Client(weir.port)
        assert bound(client, "select set_config('app.tenant', $1, false)",
                     n) == [[str(n)]]
        pids.add(client.one("select pg_backend_pid()"))
        client.close()
    assert len(pids) == 1


def test_who_sees_before_it_sets_gets_a_server_without_the_name(world):
    weir = world.start("default_pool_size = 1")
    Client(weir.port).ask(query("set app.tenant = 'x'"))
    for text in (
            "select current_setting('app.tenant', true) is null",
            "select set_config('app.tenant', coalesce(current_setting("
            "'app.tenant', true), 'null'), false) = 'null'",
            "select current_setting('app.tenant', true) is null, "
            "set_config('app.tenant', 'x', false)"):
        client = Client(weir.port)
        assert client.one(text) == "t", text
        client.close()
        Client(weir.port).ask(query("set app.tenant = 'x'"))


def test_who_only_prepares_to_set_a_name_does_not_have_it(world):
    weir = world.start("default_pool_size = 1")
    for text in "set app.tenant = 'x'", \
            "select set_config('app.tenant', 'x', false)":
        for described in b"", describe("S", "s"):
            named, other = Client(weir.port), Client(weir.port)
            named.ask(query("set app.tenant = 'one'"))
            other.ask(parse("s", text) + described + SYNC)
            assert tenant(other) is None, text
            other.ask(bind("s") + execute() + SYNC)
            assert tenant(other) == "x"
            named.close()
            other.close()


def test_servers_with_a_name_are_kept_for_those_who_have_it(world):
    weir = world.start("default_pool_size = 2")
    named, other = Client(weir.port), Client(weir.port)
    named.ask(query("set app.tenant = 'x'"))
    pid = named.one("select pg_backend_pid()")
    fresh = other.one("select pg_backend_pid()")
    assert fresh != pid
    for _ in range(5):
        assert named.one("select pg_backend_pid()") == pid
        assert other.one("select pg_backend_pid()") == fresh


def test_with_and_without_the_name_nobody_waits_for_ever(world):
    weir = world.start("default_pool_size = 2\nquery_wait_timeout = 25s")
    named = [Client(weir.port) for _ in range(12)]
    plain = [Client(weir.port) for _ in range(12)]
    for _ in range(5):
        for n, client in enumerate(named):
            client.send(query(f"begin; set local app.tenant = 't{n}'; "
                              "select current_setting('app.tenant'); commit"))
        for client in plain:
            client.send(query(TENANT))
        for n, client in enumerate(named):
            answer = client.until_ready()
            assert [row(b) for k, b in answer if k == "D"] == [[f"t{n}"]]
        for client in plain:
            answer = client.until_ready()
            assert [row(b) for k, b in answer if k == "D"] == [[None]]


def test_a_custom_startup_setting_comes_back_by_reset(world):
    weir = world.start("default_pool_size = 1")
    direct = Client(world.pg.port, options="-c app.tenant=home")
    a = Client(weir.port, options="-c app.tenant=home")
    b = Client(weir.port)
    for text in ("set app.tenant = 'away'", "reset app.tenant",
                 "set app.tenant = ''", "reset all", "set app.tenant = 'away'",
                 "discard all", "set app.tenant = 'away'",
                 "set app.tenant to default"):
        a.ask(query(text))
        direct.ask(query(text))
        assert tenant(b) is None
        assert tenant(a) == tenant(direct), text


def test_in_session_mode_the_next_client_sees_no_custom_name(world):
    ground(world)
    weir = world.start("default_pool_size = 1\npool_mode = session")
    for text in SETS + LEAVES:
        a = Client(weir.port)
        a.ask(query(text))
        a.close()
        b = Client(weir.port)
        assert tenant(b) is None, text
        b.close()
