"""Settings of a session are exactly PostgreSQL's: the same script is said to
PostgreSQL directly and through pgweir in transaction mode with one server,
which another client uses whenever it is free; every answer and what can be
seen after it are compared."""

from wire import (Client, SYNC, bind, close, execute, fields, kinds, parse,
                  query, row)

ONE = "default_pool_size = 1\nworkers = 1"
NAMES = ("search_path", "TimeZone", "DateStyle", "work_mem",
         "statement_timeout", "application_name", "extra_float_digits",
         "default_transaction_isolation", "default_transaction_read_only",
         "transaction_isolation", "transaction_read_only", "IntervalStyle",
         "client_encoding", "lock_timeout", "role")
PROBE = ("select " + ", ".join(f"current_setting('{n}')" for n in NAMES) +
         ", current_user, session_user, current_setting('app.x', true), "
         "current_setting('app.y', true)")
TENANT = "select current_setting('app.tenant', true)"
HOME = {"search_path": "one, two", "TimeZone": "Asia/Tokyo",
        "application_name": "home", "lock_timeout": "9s",
        "options": "-c app.x=home -c extra_float_digits=2"}


def x(text, *values):
    """The same through the extended protocol."""
    return parse("", text) + bind("", values=values) + execute() + SYNC


def batch(*texts):
    """Several statements in front of one Sync."""
    return b"".join(parse("", text) + bind("") + execute()
                    for text in texts) + SYNC


SCRIPTS = {
    "set and reset": (
        "set work_mem = '7MB'", "set work_mem to 8192",
        "set search_path = \"$user\", 'a b', c", "set search_path to default",
        "reset work_mem", "set timezone = 'America/Lima'", "reset timezone",
        "set time zone 'UTC'", "set time zone default", "set datestyle = 'SQL'",
        "set datestyle = 'DMY'", "reset all",
        "set application_name = 'it''s \\ odd'", "set application_name = ''",
        "set nosuch = 1", "set work_mem = 'x'", "reset nosuch",
        "set statement_timeout = '17s'", "reset statement_timeout",
        "set session lock_timeout = 5", "discard all"),
    "transactions": (
        "begin", "set work_mem = '7MB'", "commit",
        "begin", "set work_mem = '8MB'", "rollback",
        "begin", "set work_mem = '9MB'", "select 1/0", "commit",
        "begin", "set local work_mem = '10MB'", "set timezone = 'UTC'",
        "commit",
        "begin", "set work_mem = '11MB'", "set local work_mem = '12MB'",
        "commit",
        "begin", "set local work_mem = '13MB'", "set work_mem = '14MB'",
        "commit",
        "set local work_mem = '15MB'",
        "begin; set work_mem = '16MB'; commit; begin; set work_mem = '17MB'",
        "rollback and chain", "set work_mem = '18MB'", "commit and chain",
        "set work_mem = '19MB'", "rollback"),
    "savepoints": (
        "begin", "set work_mem = '7MB'", "savepoint a",
        "set work_mem = '8MB'", "rollback to a", "savepoint b",
        "set work_mem = '9MB'", "release b", "savepoint c",
        "set timezone = 'UTC'", "select 1/0", "rollback to c",
        "set app.x = 'in'", "savepoint d", "set app.y = 'in'",
        "rollback to d", "commit",
        "begin", "savepoint a", "set app.y = 'in'", "release a",
        "savepoint b", "reset app.y", "rollback to b", "rollback"),
    "implicit transactions": (
        "set work_mem = '7MB'; select 1", "set work_mem = '8MB'; select 1/0",
        "select 1/0; set work_mem = '8MB'",
        "set work_mem = '9MB'; begin; select 1/0", "rollback",
        "begin; set work_mem = '9MB'; commit; select 1/0",
        "set app.x = 'two'; select 1/0",
        batch("set work_mem = '10MB'", "select 1"),
        batch("set work_mem = '11MB'", "select 1/0"),
        batch("set work_mem = '12MB'", "select 1/0", "set work_mem = '13MB'"),
        batch("set app.x = 'three'", "select 1/0"),
        batch("begin", "set work_mem = '14MB'", "commit", "select 1/0"),
        batch("set timezone = 'UTC'", "set timezone = 'Europe/Berlin'")),
    "the extended protocol": (
        x("set work_mem = '7MB'"), x("reset work_mem"), x("begin"),
        x("set work_mem = '8MB'"), x("savepoint a"),
        x("set local timezone = 'UTC'"), x("rollback to a"), x("commit"),
        x("set search_path = a, b"), x("reset all"), x("discard all"),
        x("set nosuch = 1"), x("begin"), x("select 1/0"), x("rollback")),
    "set_config": (
        "select set_config('work_mem', '7MB', false)",
        "select set_config('work_mem', '8MB', true)",
        "select set_config('DateStyle', 'German', false)",
        "select set_config('search_path', 'a,\"B c\"', false)",
        "select set_config('app.x', 'one', false), "
        "set_config('app.y', 'two', true)",
        "begin", "select set_config('app.y', 'three', true)",
        "select set_config('work_mem', '9MB', false)", "commit",
        "begin", "select set_config('work_mem', '10MB', false)", "rollback",
        x("select set_config($1, $2, false)", "work_mem", "11MB"),
        x("select set_config($1, $2, false)", "app.y", "bound"),
        x("select set_config($1, $2, true)", "app.y", "local"),
        x("select set_config('app.y', $1, $2)", "bound", "f"),
        x("select set_config($1, $2, false)", "nosuch", "1"),
        "select set_config('nosuch', '1', false)",
        "select set_config('app.y', null, false)",
        "select set_config('work_mem', '12MB', false), 1/0"),
    "characteristics": (
        "set session characteristics as transaction isolation level "
        "serializable", "begin", "show transaction_isolation", "commit",
        "set session characteristics as transaction read only",
        "create table never (a int)",
        "begin read write", "show transaction_read_only", "commit",
        "set session characteristics as transaction read write, "
        "isolation level repeatable read",
        "begin", "set transaction isolation level serializable", "commit",
        "set default_transaction_read_only = on", "begin",
        "set transaction read write", "commit",
        "reset default_transaction_read_only",
        "begin", "set session characteristics as transaction read only",
        "rollback", "reset all"),
    "roles": (
        "set role other", "set work_mem = '7MB'", "begin",
        "set local role app", "commit", "reset role", "set role none",
        "begin", "set role other", "rollback",
        "set session authorization other", "set role app",
        "set work_mem = '8MB'", "reset session authorization",
        "begin", "set session authorization other", "savepoint a",
        "set role none", "rollback to a", "commit",
        "set session authorization default", "set role nosuch",
        "select set_config('role', 'other', false)", "reset all",
        "set role none", "discard all"),
    "roles for the time of a transaction": (
        "begin", "set local session authorization other", "reset all",
        "commit",
        "begin; set local session authorization other; reset all; commit",
        "begin", "set local role other", "reset timezone", "commit",
        "set role other", "begin", "set local role app",
        "set timezone = 'UTC'", "reset all", "savepoint a",
        "set role none", "reset timezone", "rollback to a", "commit",
        "begin", "set session authorization app", "set local role other",
        "set local timezone to default", "commit", "set role none",
        "begin", "set session authorization other", "reset all", "commit",
        "reset session authorization"),
    "what only one's self may": (
        "set session_replication_role = replica", "set role other",
        "show session_replication_role", "set log_statement = 'all'",
        "reset role", "show session_replication_role",
        "set session_replication_role = replica",
        "set session authorization other", "show session_replication_role",
        "reset session authorization", "reset all"),
    "discard": (
        "set work_mem = '7MB'", "set app.x = 'one'", "set role other",
        "discard all", "set timezone = 'UTC'", "discard plans",
        "discard sequences", "discard temp", "begin", "discard all",
        "rollback", "discard all"),
    "do and functions": (
        "do $$ begin perform set_config('work_mem', '7MB', false); end $$",
        "do $$ begin set work_mem = '8MB'; end $$",
        "do $$ begin set local work_mem = '9MB'; end $$",
        "do $$ begin set app.x = 'in do'; end $$",
        "do $$ begin perform set_config('work_mem', '9MB', false); "
        "perform 1/0; end $$",
        "do $$ begin begin set work_mem = '9MB'; perform 1/0; exception "
        "when others then null; end; set timezone = 'UTC'; end $$",
        "do $$ begin set work_mem = '9MB'; commit; "
        "set work_mem = '10MB'; rollback; end $$",
        "select tunes('7MB')", "begin", "select tunes('8MB')", "rollback",
        "select tunes('9MB'), 1/0", "call tunes_too('9MB')",
        "select tuned()"),
    "local to default": (
        "begin", "set local timezone to default", "show timezone", "commit",
        "set timezone = 'UTC'", "set app.x = 'away'", "begin",
        "set local timezone to default", "show timezone", "commit",
        "begin", "set local search_path to default", "savepoint a",
        "set local search_path = x", "rollback to a", "commit",
        "begin", "set local time zone default", "select 1", "rollback",
        "begin", "set local app.x to default", "select 1", "commit",
        "begin", "set lock_timeout = '3s'",
        "set local lock_timeout to default", "reset timezone", "commit",
        x("begin"), x("set local lock_timeout = default"), x("commit")),
    "reset in a transaction": (
        "begin", "reset timezone", "show timezone", "rollback",
        "begin", "set timezone = 'UTC'", "reset timezone", "commit",
        "begin", "set search_path = x", "set search_path to default",
        "savepoint a", "reset all", "rollback to a", "commit",
        "begin; set app.x = 'away'; commit", "begin; reset app.x",
        "select current_setting('app.x')", "commit",
        "begin", "set extra_float_digits = 0", "reset all", "commit",
        x("begin"), x("reset all"), x("commit"),
        "begin", "set application_name = 'in'", "reset application_name",
        "rollback", "begin; reset lock_timeout; select 1/0", "rollback"),
}


def ground(world):
    world.pg.sql(
        "drop role if exists other; create role other; "
        "grant other to app", database="app")
    world.pg.sql(
        "create or replace function tunes(text) returns text language sql as "
        "$$ select set_config('work_mem', $1, false) $$; create or replace "
        "procedure tunes_too(text) language plpgsql as $$ begin perform "
        "set_config('work_mem', $1, false); commit; end $$; create or "
        "replace function tuned() returns text language sql set work_mem = "
        "'21MB' as $$ select current_setting('work_mem') $$",
        database="app")


# Where a backend and an XID differ, and what one cannot know of the source.
def plain(messages):
    seen = []
    for kind, body in messages:
        if kind in "EN":
            found = fields(body)
            seen.append((kind, [found.get(k) for k in "SCMDH"]))
        elif kind == "D":
            seen.append((kind, row(body)))
        elif kind not in "S1":
            seen.append((kind, body))
    return seen


class Side:
    def __init__(self, port, parameters):
        self.client = Client(port, **parameters)
        self.parameters = self.client.parameters
        self.status = b"I"

    def say(self, step):
        answer = self.client.ask(step if isinstance(step, bytes) else
                                 query(step))
        assert answer and answer[-1][0] == "Z", answer
        for kind, body in answer:
            if kind == "S":
                name, value, _ = body.split(b"\0")
                self.parameters[name.decode()] = value.decode()
        self.status = answer[-1][1]
        return plain(answer)

    def reported(self):
        return {k: v for k, v in self.parameters.items()
                if k != "is_superuser"}


def same(world, weir, script, parameters):
    direct = Side(world.pg.port, parameters)
    pooled = Side(weir.port, parameters)
    other = Side(weir.port, {})
    initial = other.say(PROBE)
    for n, step in enumerate(script):
        at = (n, step)
        pooled.client.at = other.client.at = at
        assert pooled.say(step) == direct.say(step), at
        assert pooled.status == direct.status, at
        if direct.status == b"E":
            continue
        if direct.status == b"I":
            assert other.say(PROBE) == initial, at
        seen, wanted = pooled.say(PROBE), direct.say(PROBE)
        assert seen == wanted, (at, seen, wanted)
        assert pooled.reported() == direct.reported(), at
    for side in (direct, pooled, other):
        side.client.close()


def play(world, parameters):
    ground(world)
    weir = world.start(ONE)
    for name, script in SCRIPTS.items():
        try:
            same(world, weir, script, parameters)
        except (AssertionError, TimeoutError) as difference:
            raise AssertionError(f"{name}: {difference}")


def test_settings_are_followed_as_postgresql_does(world):
    play(world, {})


def test_settings_are_followed_with_startup_parameters_of_its_own(world):
    play(world, HOME)


def test_a_name_from_a_table_is_followed_although_it_ties(world):
    weir = world.start("default_pool_size = 2")
    client, other = Client(weir.port), Client(weir.port)
    client.ask(query("select set_config(name, '12s', false) from pg_settings "
                     "where name = 'statement_timeout'"))
    assert client.one("show statement_timeout") == "12s"
    assert other.one("show statement_timeout") == "0"


def test_a_reset_in_a_pipeline_goes_back_to_the_start(world):
    weir = world.start("default_pool_size = 2")
    client = Client(weir.port, timezone="Asia/Tokyo", search_path="one")
    show = query("show timezone"), query("show search_path")
    for resets in (("reset timezone", "reset search_path"), ("reset all",),
                   ("set time zone local", "reset search_path")):
        for block in ((), ("begin",)):
            client.send(*map(query, (*block, "set timezone = 'UTC'",
                                     "set search_path = two", *resets)),
                        *show, query("commit"))
            rows = []
            for _ in range(len(block) + 2 + len(resets) + 3):
                rows += [row(body) for kind, body in client.until_ready()
                         if kind == "D"]
            assert rows == [["Asia/Tokyo"], ["one"]], (resets, block, rows)


def test_values_of_any_length_follow_their_client(world):
    weir = world.start("default_pool_size = 1")
    client, other = Client(weir.port), Client(weir.port)
    direct = Client(world.pg.port)
    paths = ", ".join(f'"a schema {n}"' for n in range(4000))
    assert len(paths) > 60 << 10
    before = other.one("show search_path")
    for step in (f"set search_path = {paths}",
                 f"set app.tenant = '{'t' * 1000000}'",
                 x("select set_config('app.tenant', $1, false)", "u" * 70000)):
        for each in (client, direct):
            answer = each.ask(query(step) if isinstance(step, str) else step)
            assert answer[-1] == ("Z", b"I"), answer
        for _ in range(2):
            assert other.one("show search_path") == before
            assert other.rows(TENANT) == [[None]]
            for text in ("show search_path", TENANT):
                assert client.rows(text) == direct.rows(text)


def test_a_value_too_long_to_carry_ties_and_is_shown_to_nobody(world):
    weir = world.start("default_pool_size = 2")
    client, other = Client(weir.port), Client(weir.port)
    client.ask(query(f"set app.tenant = '{'t' * (3 << 19)}'"))
    assert client.one(f"select length(({TENANT}))") == str(3 << 19)
    assert other.rows(TENANT) == [[None]]
    assert "settings" in weir.console("show clients")
    client.close()
    assert all(Client(weir.port).rows(TENANT) == [[None]] for _ in range(2))


def test_a_thousand_clients_with_the_same_settings_hold_one_copy(world):
    weir = world.start("default_pool_size = 2\nmax_client_conn = 1100\n"
                       "workers = 2")

    def kept():
        for line in weir.console("show mem").splitlines():
            if line.startswith("settings|"):
                return int(line.split("|")[2]), int(line.split("|")[4])
        raise AssertionError
    path = ",".join(f"schema_{n}" for n in range(500))
    one = Client(weir.port, search_path=path)
    one.ask(query("set work_mem = '9MB'"))
    before = kept()
    assert before[1] > len(path)
    clients = [Client(weir.port, search_path=path) for _ in range(999)]
    for client in clients:
        client.send(query("set work_mem = '9MB'"))
    for client in clients:
        client.until_ready()
    for client in clients:
        client.send(query("show search_path"))
    for client in clients:
        assert [row(body) for kind, body in client.until_ready()
                if kind == "D"] == [[path]]
    assert kept() == before
    for client in clients:
        client.close()


def test_a_reset_behind_a_batch_without_a_sync_goes_back_to_the_start(world):
    weir = world.start("default_pool_size = 2")
    client = Client(weir.port, timezone="Asia/Tokyo")
    for batch in close("S", "s"), parse("", "select 1"), x("select 1")[:-5], \
            x("set timezone = 'UTC'")[:-5]:
        for reset in "reset timezone", "reset all":
            client.send(query("set timezone = 'UTC'"), batch, query(reset),
                        x("show timezone"))
            client.until_ready()
            client.until_ready()
            assert [row(body) for kind, body in client.until_ready()
                    if kind == "D"] == [["Asia/Tokyo"]], (batch, reset)
    # Nor does anybody wait where the batch fails.
    client.send(x("select 1/0")[:-5], query("reset timezone"), SYNC,
                x("show timezone"))
    client.until_ready()
    assert kinds(client.until_ready()) == "12DCZ"
