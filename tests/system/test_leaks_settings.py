"""One server, two clients: what A sets, B never meets, and neither is told
anything about settings that is not so."""

from wire import (Client, ONE, SYNC, bind, error_of, execute, kinds, message,
                  pair, parse, query, row)


def only_server(weir):
    """A client that finds out whether the one server is free and clean."""
    client = Client(weir.port)
    client.socket.settimeout(20)
    return client


def left_behind(world, *parts, probe="show work_mem", clean="4MB"):
    """A says this and leaves; what does the next one find?"""
    weir = world.start(ONE)
    a = Client(weir.port)
    for part in parts:
        a.ask(part)
    a.close()
    found = only_server(weir).one(probe)
    assert found == clean, (parts, found)


def test_a_set_before_a_pipelined_begin_does_not_outlive_its_client(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.send(query("set work_mem = '9MB'") + query("begin"))
    a.until_ready()
    assert a.until_ready()[-1][1] == b"T"
    a.close()
    assert only_server(weir).one("show work_mem") == "4MB"


def test_a_set_committed_inside_one_text_does_not_outlive_its_client(world):
    left_behind(world, query("begin; set work_mem = '9MB'; commit; begin"))
    left_behind(world, query("begin; set work_mem = '9MB'"),
                query("commit and chain"))
    left_behind(world, query("set work_mem = '9MB'; begin; select 1"))
    left_behind(world, query("begin; set work_mem = '9MB'; select 1/0"))


def test_commit_and_rollback_in_the_middle_of_a_text_are_followed(world):
    weir, a, b = pair(world)
    a.ask(query("begin; set work_mem = '9MB'; commit; begin; "
                "set work_mem = '10MB'; rollback"))
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "9MB"
    a.ask(query("begin; set work_mem = '11MB'"))
    a.ask(query("commit and chain; set work_mem = '12MB'; rollback"))
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "11MB"


def test_set_in_a_failed_pipeline_is_followed_as_postgresql_decides(world):
    weir, a, b = pair(world)
    a.ask(parse("", "set work_mem = '9MB'") + bind("") + execute() +
          parse("", "select 1/0") + bind("") + execute() + SYNC)
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "4MB"
    a.send(parse("", "set work_mem = '9MB'") + bind("") + execute() + SYNC +
           parse("", "select 1/0") + bind("") + execute() + SYNC)
    a.until_ready()
    a.until_ready()
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "9MB"


def test_a_statement_that_hides_set_config_does_not_leak_it(world):
    for text in (
            "with x as (select set_config('work_mem', '9MB', false)) "
            "select * from x",
            "explain analyze select set_config('work_mem', '9MB', false)",
            "copy (select set_config('work_mem', '9MB', false)) to stdout",
            "values (set_config('work_mem', '9MB', false))",
            "(select \"set_config\"('work_mem', '9MB', false))",
            "select pg_catalog.SET_CONFIG ('work_mem', '9MB', false)",
            "update pg_settings set setting = '9MB' where name = 'work_mem'",
            "explain analyze update pg_catalog.\"pg_settings\" set setting = "
            "'9MB' where name = 'work_mem'",
            "select U&\"set\\005fconfig\"('work_mem', '9MB', false)",
            "select U&\"!0073et_config\" uescape '!' "
            "('work_mem', '9MB', false)",
            "create temp table t as select "
            "set_config('work_mem', '9MB', false)",
            "do 'begin set work_mem = ''9MB''; end'",
            "prepare p as select set_config('work_mem', '9MB', false); "
            "execute p",
            "begin; declare c cursor for select set_config('work_mem', "
            "'9MB', false); fetch c; commit",
            "select E'a\\'b', set_config('work_mem', '9MB', false)",
            "/* /* */ ' */ set work_mem = '9MB'",
            "select $a$ $b$ ' $a$; set work_mem = '9MB'",
            "select 1; ; set session work_mem to '9MB'",
            "set session characteristics as transaction read only; "
            "set work_mem = '9MB'"):
        weir = world.start(ONE)
        a = Client(weir.port)
        answer = a.ask(query(text))
        assert "E" not in kinds(answer), (text, error_of(answer))
        assert a.one("show work_mem") == "9MB", text
        a.close()
        b = only_server(weir)
        assert b.one("show work_mem") == "4MB", text
        assert b.one("show standard_conforming_strings") == "on", text
        assert b.one("show transaction_read_only") == "off", text
        weir.kill()


def test_the_limit_of_pg_trgm_is_followed_however_it_is_set(world):
    world.pg.sql("create extension if not exists pg_trgm", database="app")
    weir, a, b = pair(world)
    for text in ("select set_limit(0.8)",
                 "set pg_trgm.similarity_threshold = 0.8",
                 "select set_config('pg_trgm.similarity_threshold', '0.8', "
                 "false)"):
        a.ask(query(text))
        assert b.one("select show_limit()") == "0.3", text
        assert a.one("select show_limit()") == "0.8", text
        a.ask(query("reset pg_trgm.similarity_threshold"))
        assert a.one("select show_limit()") == "0.3", text


def unset(client, name="app.tenant"):
    return client.rows(f"select current_setting('{name}', true)") in (
        [[None]], [[""]])


def test_no_spelling_of_a_custom_setting_shows_it_to_the_next_client(world):
    weir = world.start(ONE)
    for text in (
            "set \"app.tenant\" = 'one'",
            "set session \"app.tenant\" = 'one'",
            "select set_config('app' || '.tenant', 'one', false)",
            "select set_config('app'\n'.tenant', 'one', false)",
            "select set_config('app.tenant', 'one', 'f'), true",
            "select set_config('app.tenant', 'one', not true)",
            "select set_config(U&'app\\002etenant', 'one', false)",
            "select set_config(E'app\\x2etenant', 'one', false)",
            "select U&\"set\\005fconfig\"('app.tenant', 'one', false)",
            "select set_config('work_mem', '5MB', true), "
            "set_config('app.tenant', 'one', 1 = 2)",
            "do $$ begin perform set_config('app.tenant', 'one', false); "
            "end $$",
            "do $x$ begin set app.tenant = 'one'; end $x$",
            "do 'begin set app.tenant = ''one''; end'",
            "set app.tenant = 'one'; begin; select 1"):
        a = Client(weir.port)
        answer = a.ask(query(text))
        assert "E" not in kinds(answer), (text, error_of(answer))
        assert a.one("select current_setting('app.tenant')") == "one", text
        a.close()
        b = only_server(weir)
        assert unset(b), text
        b.close()


def test_odd_custom_names_are_not_shown_to_the_next_client(world):
    weir = world.start(ONE)
    for name in ("local.x", "role.x", "session.x", "transaction.x",
                 "constraints.x", "authorization.x", "time.x"):
        a = Client(weir.port)
        answer = a.ask(query(f"set {name} = 'one'"))
        a.close()
        if "E" in kinds(answer):
            continue
        b = only_server(weir)
        assert unset(b, name), name
        b.close()


def test_a_local_custom_setting_leaves_no_value_behind(world):
    weir, a, b = pair(world)
    a.ask(query("begin; select set_config('app.tenant', 'one', true); "
                "commit"))
    assert unset(b)
    assert unset(a)


def test_a_reported_setting_changed_inside_a_function_is_followed(world):
    weir, a, b = pair(world)
    world.pg.sql("create or replace function berlin() returns void as $$ "
                 "select set_config('timezone', 'Europe/Berlin', false) $$ "
                 "language sql", database="app")
    before = b.one("show timezone")
    a.rows("select berlin()")
    assert b.one("show timezone") == before
    assert a.one("show timezone") == "Europe/Berlin"


def test_a_role_taken_inside_a_function_is_not_left_to_the_next(world):
    weir, a, b = pair(world)
    world.pg.sql("drop role if exists other; create role other")
    world.pg.sql("create or replace function become() returns void as $$ "
                 "select set_config('role', 'other', false) $$ language sql",
                 database="app")
    a.rows("select become()")
    assert b.one("select current_user") == "app"


def test_a_login_is_told_the_settings_it_has_whoever_set_them_first(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.ask(query("set datestyle = 'German, DMY'"))
    b = Client(weir.port, DateStyle="German, DMY")
    assert b.parameters["DateStyle"] == "German, DMY"
    assert b.one("show datestyle") == "German, DMY"


def test_a_login_is_told_settings_that_its_first_server_had_already(world):
    weir = world.start(ONE)
    a = Client(weir.port, client_encoding="LATIN1")
    assert a.parameters["client_encoding"] == "LATIN1"
    for _ in range(2):
        b = Client(weir.port, client_encoding="LATIN1",
                   application_name="b")
        assert b.parameters["client_encoding"] == "LATIN1"
        assert b.parameters["application_name"] == "b"
    c = Client(weir.port)
    assert c.parameters["client_encoding"] == "UTF8"


def test_settings_that_are_refused_later_do_not_run_the_statement(world):
    world.pg.sql("drop role if exists demoted")
    world.pg.sql("create role demoted login superuser")
    weir = world.start(ONE, users='"demoted" "pw"\n')
    a = Client(weir.port, user="demoted")
    b = Client(weir.port, user="demoted")
    a.ask(query("set session_replication_role = replica"))
    assert b.one("show session_replication_role") == "origin"
    assert a.one("show session_replication_role") == "replica"
    assert b.one("show session_replication_role") == "origin"
    world.pg.sql("alter role demoted nosuperuser")
    answer = a.ask(query("show session_replication_role"))
    assert "D" not in kinds(answer), answer
    assert "E" in kinds(answer)
    assert b.one("show session_replication_role") == "origin"


def test_who_has_a_role_that_is_gone_is_told_to_connect_again(world):
    world.pg.sql("drop role if exists fleeting; create role fleeting")
    weir, a, b = pair(world)
    a.ask(query("set role fleeting"))
    assert b.one("select current_user") == "app"
    world.pg.sql("drop role fleeting")
    for text in "select 1", "reset role":
        error = error_of(a.ask(query(text)))
        assert error["C"] == "22023" and "connect again" in error["H"], error
    assert b.one("select current_user") == "app"


def test_a_backslash_that_hides_a_quote_hides_no_setting(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.ask(query("set standard_conforming_strings = off"))
    a.ask(query("select 'a\\'; -- '; set work_mem = '9MB'"))
    assert a.one("show work_mem") == "9MB"
    assert only_server(weir).one("show work_mem") == "4MB"
    b = Client(weir.port, client_encoding="SJIS")
    b.ask(message("Q", "select E'\u30bd'; set work_mem = '8MB'; "
                  "select 'x'".encode("sjis") + b"\0"))
    assert b.one("show work_mem") == "8MB"
    assert only_server(weir).one("show work_mem") == "4MB"


def test_values_beyond_ascii_survive_every_client_encoding(world):
    weir = world.start(ONE)
    a = Client(weir.port, client_encoding="UTF8")
    b = Client(weir.port, client_encoding="LATIN1")
    a.ask(query("set search_path = \"\u00e4\u30bdx\", public"))
    wanted = '"\u00e4\u30bdx", public'
    for _ in range(2):
        assert b.one("select 1") == "1"
        assert a.one("show search_path") == wanted
    b.ask(message("Q", b"set search_path = '\xe4'\0"))
    assert b.ask(query("show search_path"))[1][1].count(b"\xe4") == 1
    b.close()
    c = Client(weir.port, client_encoding="SJIS")
    c.ask(message("Q", "set search_path = '\u30bd'".encode("sjis") + b"\0"))
    answer = c.ask(query("show search_path"))
    assert "\u30bd".encode("sjis") in answer[1][1], answer
    c.close()
    assert a.one("show search_path") == wanted
    assert only_server(weir).one("show search_path") == '"$user", public'


def test_a_reset_query_of_the_operators_hides_no_setting(world):
    for text in ("select 1", "reset all", "discard all"):
        weir = world.start(ONE + "\nserver_reset_query_always = 1\n"
                           f"server_reset_query = {text}")
        a = Client(weir.port, TimeZone="Europe/Berlin", work_mem="9MB")
        b = Client(weir.port)
        c = Client(weir.port, TimeZone="Europe/Berlin")
        for _ in range(2):
            assert b.one("show timezone") != "Europe/Berlin"
            assert a.one("show work_mem") == "9MB"
            assert a.one("show timezone") == "Europe/Berlin"
            assert c.one("show timezone") == "Europe/Berlin"
            assert c.one("show work_mem") == "4MB"
        weir.kill()


def test_resets_inside_a_session_go_back_to_its_own_start(world):
    weir = world.start(ONE)
    a = Client(weir.port, TimeZone="Europe/Berlin", application_name="a")
    b = Client(weir.port, TimeZone="Asia/Tokyo")
    for text in ("reset all", "discard all", "reset timezone",
                 "set timezone to default", "begin; reset all; commit"):
        a.ask(query("set timezone = 'UTC'"))
        assert b.one("show timezone") == "Asia/Tokyo"
        a.ask(query(text))
        assert b.one("show application_name") == ""
        assert a.one("show timezone") == "Europe/Berlin", text
        assert a.one("show application_name") == "a"


def test_a_client_is_told_what_a_reset_gave_it_on_any_server(world):
    weir = world.start("default_pool_size = 2\nworkers = 1")
    home = {"TimeZone": "Europe/Berlin"}
    a, b = Client(weir.port, **home), Client(weir.port, **home)
    a.ask(query("begin"))
    b.ask(query("select 1"))
    a.ask(query("commit"))
    told = None
    for text in ("set timezone = 'Asia/Tokyo'", "reset timezone",
                 "show timezone"):
        for kind, body in a.ask(query(text)):
            if kind == "S":
                told = body.split(b"\0")[1].decode()
            if kind == "D":
                assert row(body)[0] == told == "Europe/Berlin"


def test_a_tied_client_gets_its_startup_values_back_by_reset(world):
    weir = world.start()
    client = Client(weir.port, search_path="pg_catalog, public",
                    TimeZone="Asia/Tokyo")
    client.one("create temp table tied (a int); select 1")
    for reset in ("reset all", "reset search_path; reset timezone",
                  "discard all"):
        client.rows("set timezone = 'UTC'; set search_path = public")
        client.ask(query(reset))
        assert client.one("show search_path") == "pg_catalog, public", reset
        assert client.one("show timezone") == "Asia/Tokyo", reset


def test_reset_of_an_unknown_custom_name_leaves_nothing_to_the_next(world):
    for text in ("reset app.forgotten", 'RESET "app.forgotten"'):
        weir = world.start("default_pool_size = 2")
        client, other = Client(weir.port), Client(weir.port)
        client.one("select 1")
        client.ask(query(text))
        assert other.one("select current_setting('app.forgotten', true)") \
            is None, text


def test_a_tied_client_that_leaves_at_once_shows_its_custom_name_to_nobody(
        world):
    weir = world.start("default_pool_size = 1")
    for _ in range(20):
        client = Client(weir.port)
        client.ask(query("create temp table tied (a int)"))
        client.send(query("select 1"), query("set app.hasty = 'mine'"))
        client.close()
        other = Client(weir.port)
        assert other.one("select current_setting('app.hasty', true)") is None
        other.close()
