"""What a client asks for in its startup packet: applied, told and refused as
PostgreSQL itself does, asked directly at the same time."""

import struct

from wire import Client, ONE, error_of, kinds, query


def packet(pairs):
    body = struct.pack(">I", 196608)
    for name, value in (("user", "app"), ("database", "app"), *pairs):
        body += name.encode() + b"\0" + value.encode() + b"\0"
    return struct.pack(">I", len(body) + 5) + body + b"\0"


def login(port, *pairs):
    """A client, and the error that it got or None."""
    client = Client(port, connect=False)
    client.send(packet(pairs))
    answer = client.until_ready()
    for kind, body in answer:
        if kind == "S":
            name, value, _ = body.split(b"\0")
            client.parameters[name.decode()] = value.decode()
    return client, error_of(answer)


ACCEPTED = (
    [("options", "-c search_path=b")],
    [("search_path", "a"), ("options", "-c search_path=b")],
    [("options", "-c search_path=b"), ("search_path", "a")],
    [("options", "-c search_path=b -c search_path=c")],
    [("options", "-csearch_path=b --work-mem=5MB")],
    [("options", "--search-path=\"b\\ c\",d")],
    [("options", "-c search_path=a\\\\b")],
    [("options", "-c search_path=one"), ("options", "-c work_mem=6MB")],
    [("search_path", "a"), ("search_path", "b")],
    [("search_path", '"$user", public, "O\'ne"')],
    [("work_mem", "7168"), ("statement_timeout", "7s")],
    [("WORK_MEM", "7MB"), ("datestyle", "german")],
    [("application_name", ""), ("TimeZone", "Asia/Tokyo")],
    [("search_path", "x" * 3000)],
)
SHOWN = ("search_path", "work_mem", "statement_timeout", "datestyle",
         "timezone", "application_name")
REPORTED = ("DateStyle", "TimeZone", "application_name", "client_encoding",
            "IntervalStyle", "standard_conforming_strings")
REFUSED = (
    [("nosuch", "1")],
    [("work_mem", "x")],
    [("work_mem", "1")],
    [("enable_seqscan", "perhaps")],
    [("client_min_messages", "loud")],
    [("TimeZone", "Nowhere/Land")],
    [("options", "-c novalue")],
    [("options", "-cnovalue")],
    [("options", "--no-value")],
    [("options", "nonsense")],
    [("options", "-c")],
    [("options", "-c 1a=b")],
    [("options", "-c a;b=c")],
    [("options", "-c app.x;y=c")],
    [("options", "-c =c")],
    [("options", "-c port=3")],
    [("server_version", "3")],
)


def shown(client):
    return {name: client.one(f"show {name}") for name in SHOWN}


def reported(client):
    return {name: client.parameters[name] for name in REPORTED}


def test_startup_settings_are_taken_in_postgresqls_order(world):
    weir = world.start(ONE)
    other = Client(weir.port)
    for pairs in ACCEPTED:
        direct, _ = login(world.pg.port, *pairs)
        ours, error = login(weir.port, *pairs)
        assert error is None, (pairs, error)
        assert reported(ours) == reported(direct), pairs
        for _ in range(2):
            assert shown(ours) == shown(direct), pairs
            assert other.one("show work_mem") == "4MB"
            for client in (ours, direct):
                client.ask(query("set work_mem = '9MB'; set search_path = x"))
                client.ask(query("reset all"))
        ours.close()
        direct.close()


def test_in_session_mode_reset_goes_back_to_them_and_they_end_with_it(world):
    weir = world.start(ONE + "\npool_mode = session")
    for pairs in ACCEPTED:
        direct, _ = login(world.pg.port, *pairs)
        ours, error = login(weir.port, *pairs)
        assert error is None, (pairs, error)
        assert reported(ours) == reported(direct), pairs
        assert shown(ours) == shown(direct), pairs
        for again in ("reset all", "discard all", "reset search_path; "
                      "reset work_mem", "begin; reset all; commit"):
            for client in (ours, direct):
                client.ask(query("set work_mem = '9MB'; set search_path = x"))
                client.ask(query(again))
            assert shown(ours) == shown(direct), (pairs, again)
        direct.close()
        ours.close()
        plain, bare = login(weir.port)[0], login(world.pg.port)[0]
        assert shown(plain) == shown(bare), pairs
        plain.close()
        bare.close()


def test_a_startup_value_may_be_as_long_as_a_packet(world):
    weir = world.start("default_pool_size = 2")
    paths = ",".join(f"schema_{n}" for n in range(600))
    tenant = "t" * 9000
    for pairs in ([("search_path", paths)],
                  [("options", f"-c app.tenant={tenant}")]):
        direct, wanted = login(world.pg.port, *pairs)
        ours, error = login(weir.port, *pairs)
        assert error == wanted is None, pairs
        for _ in range(2):
            for name in ("search_path", "app.tenant"):
                ask = f"select current_setting('{name}', true)"
                assert ours.rows(ask) == direct.rows(ask)
            for client in (ours, direct):
                client.ask(query("set search_path = x; reset all"))


def test_a_startup_setting_that_is_refused_gets_every_field_of_the_error(
        world):
    weir = world.start(ONE)
    world.pg.sql("create role plain login")
    for pairs in REFUSED:
        _, wanted = login(world.pg.port, *pairs)
        _, got = login(weir.port, *pairs)
        assert wanted is not None and wanted["S"] == "FATAL", pairs
        for name in "SVCMDH":
            assert got.get(name) == wanted.get(name), (pairs, got, wanted)
    assert weir.sql("select 1") == "1"


def test_a_startup_setting_that_only_others_may_set_is_refused_as_such(
        world):
    world.pg.sql("drop role if exists humble; create role humble login")
    weir = world.start(ONE, users='"humble" ""\n"postgres" ""\n')
    pairs = [("user", "humble"), ("session_replication_role", "replica")]
    _, wanted = login(world.pg.port, *pairs)
    _, got = login(weir.port, *pairs)
    assert wanted["C"] == "42501"
    assert {k: got.get(k) for k in "SVCM"} == {k: wanted[k] for k in "SVCM"}
    # That somebody else was given it is known of that one only.
    super_user = Client(weir.port, user="postgres",
                        session_replication_role="replica")
    assert super_user.one("show session_replication_role") == "replica"
    _, got = login(weir.port, *pairs)
    assert {k: got.get(k) for k in "SVCM"} == {k: wanted[k] for k in "SVCM"}


def test_values_that_were_accepted_one_by_one_need_no_server_together(world):
    weir = world.start(ONE)
    for name, value in (("DateStyle", "German"), ("TimeZone", "Asia/Tokyo"),
                        ("search_path", "one,two")):
        assert login(weir.port, (name, value))[1] is None
    direct, _ = login(world.pg.port, ("DateStyle", "German"),
                      ("TimeZone", "Asia/Tokyo"), ("search_path", "one,two"),
                      ("application_name", "never seen"))
    world.pg.stop()
    try:
        ours, error = login(weir.port, ("search_path", "one,two"),
                            ("TimeZone", "Asia/Tokyo"),
                            ("DateStyle", "German"),
                            ("application_name", "never seen"))
        assert error is None
        assert reported(ours) == reported(direct)
    finally:
        world.pg.start()
    assert ours.one("show timezone") == "Asia/Tokyo"
    assert ours.one("show search_path") == "one,two"


def test_a_value_that_is_refused_at_the_first_statement_has_its_detail(world):
    weir = world.start(ONE + "\nserver_connect_timeout = 1s\n"
                       "query_wait_timeout = 30s")
    assert Client(weir.port).one("select 1") == "1"
    world.pg.stop()
    try:
        client, error = login(weir.port, ("options", "-c app.x;y=c"))
        assert error is None
    finally:
        world.pg.start()
    answer = client.ask(query("select 1"))
    got = error_of(answer)
    assert kinds(answer) == "EZ", answer
    assert got["S"] == "ERROR" and got["C"] == "42602"
    assert got["D"].startswith("Custom parameter names must be")
