"""Settings, prepared statements and whatever else belongs to one session:
they follow the client, and nobody else ever sees them."""

from cluster import psql_run
from wire import (Client, SYNC, bind, close, describe, error_of, execute,
                  kinds, parse, query, raises, row)


def busy(weir, count):
    """Clients in open transactions, so that others get another server."""
    clients = [Client(weir.port) for _ in range(count)]
    for client in clients:
        client.ask(query("begin"), )
    return clients


def test_a_startup_search_path_is_applied_and_reset_goes_back_to_it(world):
    weir = world.start("default_pool_size = 2")
    a = Client(weir.port, options="-c search_path=foo,public "
                                  "-c statement_timeout=7s")
    b = Client(weir.port, search_path="bar")
    c = Client(weir.port)
    for _ in range(3):
        assert a.one("show search_path") == "foo,public"
        assert a.one("show statement_timeout") == "7s"
        assert b.one("show search_path") == "bar"
        assert c.one("show search_path") == '"$user", public'
        assert c.one("show statement_timeout") == "0"
    a.ask(query("set search_path = other"))
    assert a.one("show search_path") == "other"
    a.ask(query("reset search_path"))
    assert a.one("show search_path") == "foo,public"


def test_a_startup_parameter_that_postgresql_refuses_gets_its_own_error(world):
    weir = world.start()
    client = Client(weir.port, connect=False)
    from wire import startup
    client.send(startup(user="app", database="app", nosuch="1"))
    error = error_of(client.until_ready())
    assert error["C"] == "42704" and error["S"] == "FATAL"
    assert weir.sql("select 1") == "1"


def test_parameter_status_tells_what_the_client_asked_for(world):
    weir = world.start()
    client = Client(weir.port, application_name="me", DateStyle="German")
    assert client.parameters["application_name"] == "me"
    assert client.parameters["DateStyle"] == "German, DMY"
    again = Client(weir.port, application_name="me", DateStyle="German")
    assert again.parameters == client.parameters


def test_set_follows_the_client_to_every_server_and_nobody_else(world):
    weir = world.start("default_pool_size = 3")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("set work_mem = '7MB'"))
    for held in range(3):
        others = busy(weir, held)
        assert a.one("show work_mem") == "7MB"
        if held < 2:
            assert b.one("show work_mem") == "4MB"
        for other in others:
            other.ask(query("rollback"))
            other.close()


def test_set_follows_commit_rollback_and_savepoints(world):
    weir = world.start("default_pool_size = 2")
    client = Client(weir.port)
    client.ask(query("begin; set work_mem = '8MB'; commit"))
    assert client.one("show work_mem") == "8MB"
    client.ask(query("begin"))
    client.ask(query("set work_mem = '9MB'"))
    client.ask(query("rollback"))
    assert client.one("show work_mem") == "8MB"
    client.ask(query("begin; savepoint a; set work_mem = '10MB';"
                     "rollback to a; commit"))
    assert client.one("show work_mem") == "8MB"
    client.ask(query("begin; set local work_mem = '11MB'; commit"))
    assert client.one("show work_mem") == "8MB"
    assert "E" in kinds(client.ask(query("set work_mem = '12MB'; select 1/0")))
    assert client.one("show work_mem") == "8MB"


def test_set_config_and_do_are_followed(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.one("select set_config('work_mem', '13MB', false)")
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "13MB"
    a.ask(query("do $$ begin perform set_config('work_mem', '14MB', false);"
                "end $$"))
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "14MB"


def test_bound_set_config_through_the_extended_protocol_is_followed(world):
    weir = world.start("default_pool_size = 2")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(parse("", "select set_config($1, $2, false)") +
          bind("", values=["work_mem", "15MB"]) + execute() + SYNC)
    assert b.one("show work_mem") == "4MB"
    assert a.one("show work_mem") == "15MB"


def test_lists_and_odd_values_survive_the_move_between_servers(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("set search_path = \"$user\", 'a''b', \"C d\", public"))
    a.ask(query("set application_name = 'it''s \\ \"x\"'"))
    before = a.one("show search_path"), a.one("show application_name")
    assert b.one("show application_name") == ""
    after = a.one("show search_path"), a.one("show application_name")
    assert before == after


def test_set_role_and_session_authorization_follow_and_do_not_leak(world):
    weir = world.start("default_pool_size = 1")
    world.pg.sql("drop role if exists other")
    world.pg.sql("create role other")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("set role other"))
    assert b.one("select current_user") == "app"
    assert a.one("select current_user") == "other"
    a.ask(query("reset role"))
    a.ask(query("set session authorization other"))
    assert b.one("select session_user") == "app"
    assert a.one("select session_user") == "other"
    a.ask(query("reset session authorization"))
    assert a.one("select session_user") == "app"


def test_a_custom_setting_is_null_for_everybody_else(world):
    weir = world.start("default_pool_size = 2")
    for statement in ("set app.tenant = 'one'",
                      "select set_config('app.tenant', 'one', false)",
                      "do $$ begin null; end $$; set session app.tenant to one"):
        a, b = Client(weir.port), Client(weir.port)
        a.ask(query(statement))
        for _ in range(3):
            assert b.rows("select current_setting('app.tenant', true)") == [
                [None]]
            assert a.one("select current_setting('app.tenant')") == "one"
        a.ask(query("discard all"))
        a.close()
        for _ in range(3):
            assert b.rows("select current_setting('app.tenant', true)") == [
                [None]]
        b.close()


def test_a_custom_startup_setting_is_null_for_everybody_else(world):
    weir = world.start("default_pool_size = 1")
    a = Client(weir.port, options="-c app.tenant=one")
    b = Client(weir.port)
    for _ in range(2):
        assert b.rows("select current_setting('app.tenant', true)") == [
            [None]]
        assert a.one("select current_setting('app.tenant')") == "one"


def test_what_others_may_not_see_keeps_the_server_until_the_client_leaves(
        world):
    weir = world.start("default_pool_size = 2")
    for statement, probe in (
            ("create temp table mine (a int)",
             "select count(*) from pg_class where relname = 'mine' and "
             "relpersistence = 't'"),
            ("prepare mine as select 1",
             "select count(*) from pg_prepared_statements"),
            ("select pg_advisory_lock(4711)",
             "select count(*) from pg_locks where locktype = 'advisory' "
             "and pid = pg_backend_pid()"),
            ("listen mine", "select count(*) from pg_listening_channels()"),
            ("begin; declare mine cursor with hold for select 1; commit",
             "select count(*) from pg_cursors where name = 'mine'")):
        a = Client(weir.port)
        a.ask(query(statement))
        assert a.one(probe) != "0", statement
        b = Client(weir.port)
        if "pg_class" not in probe:
            assert b.one(probe) == "0", statement
        assert weir.console("show clients").count("active") >= 1
        a.close()
        b.close()
        assert Client(weir.port).one(
            "select count(*) from pg_locks where locktype = 'advisory'") in (
                "0", "1")
        c = Client(weir.port)
        for _ in range(4):
            if "pg_class" not in probe:
                assert c.one(probe) == "0", statement
        c.close()


def test_named_statements_work_on_every_server(world):
    weir = world.start("default_pool_size = 3")
    client = Client(weir.port)
    assert kinds(client.ask(parse("s", "select $1::int * 2") + SYNC)) == "1Z"
    for held in range(3):
        others = busy(weir, held)
        answer = client.ask(bind("s", values=[21]) + execute() + SYNC)
        assert kinds(answer) == "2DCZ"
        assert answer[1][1].endswith(b"42")
        for other in others:
            other.ask(query("rollback"))
            other.close()


def test_two_clients_may_use_the_same_name_for_different_statements(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(parse("s", "select 'a'") + SYNC)
    b.ask(parse("s", "select 'b'") + SYNC)
    for _ in range(3):
        assert a.ask(bind("s") + execute() + SYNC)[1][1].endswith(b"a")
        assert b.ask(bind("s") + execute() + SYNC)[1][1].endswith(b"b")


def test_a_duplicate_name_is_42P05_and_the_session_lives_on(world):
    client = Client(world.start().port)
    client.ask(parse("s", "select 1") + SYNC)
    answer = client.ask(parse("s", "select 2") + bind("s") + execute() + SYNC)
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "42P05"
    assert kinds(client.ask(bind("s") + execute() + SYNC)) == "2DCZ"


def test_a_failed_parse_leaves_nothing_behind(world):
    client = Client(world.start().port)
    assert kinds(client.ask(parse("s", "selec") + SYNC)) == "EZ"
    answer = client.ask(bind("s") + SYNC)
    assert error_of(answer)["C"] == "26000"
    assert kinds(client.ask(parse("s", "select 1") + bind("s") + execute() +
                            SYNC)) == "12DCZ"
    answer = client.ask(parse("", "select 1 / (n - 1) from "
                              "generate_series(1, 1) n") + bind("") +
                        execute() + parse("late", "select 1") + SYNC)
    assert kinds(answer) == "12EZ"
    assert error_of(client.ask(bind("late") + SYNC))["C"] == "26000"


def test_close_and_deallocate_forget_a_statement(world):
    client = Client(world.start().port)
    for forget in (close("S", "s") + SYNC, query("deallocate s"),
                   query("deallocate all"), query("discard all")):
        client.ask(parse("s", "select 1") + SYNC)
        assert "E" not in kinds(client.ask(forget))
        assert error_of(client.ask(bind("s") + SYNC))["C"] == "26000"


def test_the_unnamed_statement_survives_sync_on_any_server(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(parse("", "select 'mine'") + SYNC)
    b.ask(parse("", "select 'other'") + bind("") + execute() + SYNC)
    answer = a.ask(bind("") + execute() + SYNC)
    assert kinds(answer) == "2DCZ" and answer[1][1].endswith(b"mine")
    a.ask(query("select 1"))
    assert error_of(a.ask(bind("") + SYNC))["C"] == "26000"


def test_nobody_binds_another_clients_unnamed_statement(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(parse("", "select 'secret'") + SYNC)
    assert error_of(b.ask(bind("") + execute() + SYNC))["C"] == "26000"


def test_a_server_keeps_at_most_max_prepared_statements(world):
    weir = world.start("default_pool_size = 1\nmax_prepared_statements = 5")
    client = Client(weir.port)
    for n in range(20):
        client.ask(parse(f"s{n}", f"select {n}") + SYNC)
    count = "select count(*) from pg_prepared_statements"
    assert int(client.one(count)) <= 5
    for n in range(20):
        answer = client.ask(bind(f"s{n}") + execute() + SYNC)
        assert answer[1][1].endswith(str(n).encode())
    answer = client.ask(b"".join(
        bind(f"s{n}", f"p{n}") + execute(f"p{n}") for n in range(20)) + SYNC)
    assert kinds(answer) == "2DC" * 20 + "Z"
    assert int(client.one(count)) <= 5


def test_describe_of_a_statement_tells_parameters_and_rows(world):
    client = Client(world.start().port)
    client.ask(parse("s", "select $1::int as n") + SYNC)
    assert kinds(client.ask(describe("S", "s") + SYNC)) == "tTZ"
    assert kinds(client.ask(describe("S", "none") + SYNC)) == "EZ"


def test_session_mode_keeps_one_server_and_resets_it(world):
    weir = world.start("pool_mode = session\ndefault_pool_size = 1")
    a = Client(weir.port)
    a.ask(query("set work_mem = '9MB'; create temp table t (a int)"))
    assert a.one("show work_mem") == "9MB"
    pid = a.one("select pg_backend_pid()")
    a.close()
    b = Client(weir.port)
    assert b.one("select pg_backend_pid()") == pid
    assert b.one("show work_mem") == "4MB"
    assert b.one("select count(*) from pg_class where relpersistence = 't' "
                 "and relname = 't'") == "0"


def test_statement_mode_refuses_a_transaction_block(world):
    weir = world.start("pool_mode = statement")
    client = Client(weir.port)
    raises("0A000", client.rows, "begin")
    assert client.one("select 1") == "1"
    answer = client.ask(parse("", "begin") + bind("") + execute() + SYNC)
    assert error_of(answer)["C"] == "0A000"
    assert client.one("select 1") == "1"


def test_a_transaction_left_open_is_rolled_back(world):
    weir = world.start("default_pool_size = 1")
    weir.sql("create table if not exists left_open (a int)")
    a = Client(weir.port)
    a.ask(query("begin; insert into left_open values (1)"))
    a.close()
    b = Client(weir.port)
    assert b.one("select count(*) from left_open") == "0"
    assert psql_run("drop table left_open", port=weir.port, dbname="app",
                    user="app").returncode == 0


def test_twenty_servers_serve_a_thousand_clients(world):
    weir = world.start("max_client_conn = 1100")
    clients = [Client(weir.port) for _ in range(1000)]
    for client in clients:
        client.send(query("select pg_backend_pid()"))
    pids = {client.until_ready()[1][1] for client in clients}
    assert len(pids) <= 20


def test_a_statement_whose_rows_have_changed_is_prepared_again_unseen(world):
    weir = world.start("default_pool_size = 2")
    world.pg.sql("create table reshaped (a int); grant all on reshaped to "
                 "app; insert into reshaped values (1)", database="app")
    text = "select * from reshaped"
    whole = bind("s") + describe("P") + execute() + SYNC
    old, new, late = (Client(weir.port) for _ in range(3))
    other = busy(weir, 1)
    old.ask(parse("s", text) + whole)
    other[0].ask(query("rollback"))
    other = busy(weir, 1)
    old.ask(bind("s") + execute() + SYNC)
    other[0].ask(query("rollback"))
    world.pg.sql("alter table reshaped add b text default 'new'",
                 database="app")
    # Prepared by others before: a connection of its own would not know.
    answer = new.ask(parse("s", text) + whole)
    assert kinds(answer) == "12TDCZ", error_of(answer)
    assert row_of(answer) == ["1", "new"]
    for held in range(2):
        others = busy(weir, held)
        assert kinds(new.ask(bind("s") + execute() + SYNC)) == "2DCZ"
        assert kinds(late.ask(parse(f"s{held}", text) + SYNC)) == "1Z"
        answer = late.ask(bind(f"s{held}") + execute() + SYNC)
        assert row_of(answer) == ["1", "new"]
        for client in others:
            client.ask(query("rollback"))
            client.close()
    # Asked for the shape together with the rows, old gets it as well.
    world.pg.sql("alter table reshaped add c int default 3", database="app")
    answer = old.ask(whole)
    assert kinds(answer) == "2TDCZ" and row_of(answer) == ["1", "new", "3"]
    assert kinds(old.ask(describe("S", "s") + SYNC)) == "tTZ"
    world.pg.sql("alter table reshaped drop c", database="app")
    assert kinds(old.ask(describe("S", "s") + SYNC)) == "tTZ"


def test_rows_of_a_shape_that_the_client_does_not_know_stay_an_error(world):
    weir = world.start("default_pool_size = 1")
    world.pg.sql("create table other_shape (a int); grant all on other_shape "
                 "to app; insert into other_shape values (1)",
                 database="app")
    client = Client(weir.port)
    client.ask(parse("s", "select * from other_shape") + describe("S", "s") +
               bind("s") + execute() + SYNC)
    world.pg.sql("alter table other_shape add b int", database="app")
    answer = client.ask(bind("s") + execute() + SYNC)
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "0A000"
    answer = client.ask(bind("s") + describe("P") + execute() + SYNC)
    assert kinds(answer) == "2TDCZ"
    world.pg.sql("alter table other_shape add c int", database="app")
    client.ask(query("begin"))
    answer = client.ask(bind("s") + describe("P") + execute() + SYNC)
    assert kinds(answer) == "EZ" and answer[-1][1] == b"E"


def row_of(answer):
    return [row(body) for kind, body in answer if kind == "D"][0]


def kept(weir):
    """SHOW MEM: how many statements there are, and their bytes."""
    for line in weir.console("show mem").splitlines():
        if line.startswith("statement|"):
            return int(line.split("|")[2]), int(line.split("|")[4])
    return None


def test_the_text_of_a_statement_is_held_once_for_everybody(world):
    weir = world.start("default_pool_size = 3")
    text = "select 1 /* " + "x" * 10000 + " */"
    clients = [Client(weir.port) for _ in range(20)]
    for client in clients:
        for name in ("a", "b"):
            assert kinds(client.ask(parse(name, text) + SYNC)) == "1Z"
    count, size = kept(weir)
    assert count == 1 and 10000 < size < 11000


def test_max_statement_memory_bounds_the_texts_of_all_statements(world):
    weir = world.start("default_pool_size = 1\nmax_statement_memory = 50kB\n"
                       "max_prepared_statements = 1")
    a, b = Client(weir.port), Client(weir.port)

    def text(n):
        return f"select {n} /* " + "x" * 12000 + " */"
    for n in range(4):
        assert kinds(a.ask(parse(f"s{n}", text(n)) + SYNC)) == "1Z"
    answer = b.ask(parse("s", text(9)) + SYNC)
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "53400"
    assert "max_statement_memory" in error_of(answer)["M"]
    assert kinds(b.ask(parse("s", text(3)) + bind("s") + execute() +
                       SYNC)) == "12DCZ"
    # An unnamed one works, on a server of its own until the next one.
    assert kinds(b.ask(parse("", text(9)) + SYNC)) == "1Z"
    assert kinds(b.ask(bind("") + execute() + SYNC)) == "2DCZ"
    assert kinds(b.ask(parse("", "select 1") + bind("") + execute() +
                       SYNC)) == "12DCZ"
    assert kept(weir)[1] <= 50 * 1024
    a.ask(query("deallocate all"))
    assert kinds(b.ask(parse("t", text(9)) + SYNC)) == "1Z"


def test_max_client_statements_bounds_the_names_of_a_client(world):
    weir = world.start("max_client_statements = 5")
    client = Client(weir.port)
    for n in range(5):
        assert kinds(client.ask(parse(f"s{n}", "select 1") + SYNC)) == "1Z"
    answer = client.ask(parse("late", "select 1") + SYNC)
    assert kinds(answer) == "EZ" and error_of(answer)["C"] == "53400"
    assert kinds(client.ask(close("S", "s0") + parse("late", "select 1") +
                            bind("late") + execute() + SYNC)) == "312DCZ"
