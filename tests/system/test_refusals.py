"""Settings that a server does not take: whose fault it is, and that nobody
suffers from what others have set."""

from wire import Client, error_of, kinds, query

ONE = "default_pool_size = 1\nworkers = 1"


def good(client, text):
    answer = client.ask(query(text))
    assert "E" not in kinds(answer), (text, error_of(answer))
    return answer


def test_what_a_superuser_set_before_it_took_a_role_follows_it(world):
    world.pg.sql("drop role if exists humble; create role humble; "
                 "grant humble to app")
    weir = world.start(ONE)
    a, b = Client(weir.port), Client(weir.port)
    for become, itself in (("set role humble", "current_user"),
                           ("set session authorization humble",
                            "session_user")):
        good(a, "set session_replication_role = replica")
        good(a, become)
        for _ in range(2):
            assert b.one("show session_replication_role") == "origin"
            assert b.one(f"select {itself}") == "app"
            assert a.one("show session_replication_role") == "replica"
            assert a.one(f"select {itself}") == "humble"
        good(a, "reset role")
        good(a, "reset session authorization")
        good(a, "reset session_replication_role")


def test_what_was_set_under_a_role_that_may_follows_its_client(world):
    world.pg.sql("drop role if exists mighty; create role mighty superuser; "
                 "drop role if exists member; create role member login; "
                 "grant mighty to member")
    weir = world.start(ONE, users='"member" ""\n')
    a, b = (Client(weir.port, user="member") for _ in range(2))
    good(a, "set role mighty")
    good(a, "set session_replication_role = replica")
    for _ in range(3):
        assert b.one("show session_replication_role") == "origin"
        assert b.one("select current_user") == "member"
        assert a.one("show session_replication_role") == "replica"
        assert a.one("select current_user") == "mighty"


def used_for_temp_tables(client):
    good(client, "begin; create temp table mine (a int) on commit drop; "
                 "insert into mine values (1); commit")


def test_temp_buffers_follow_although_temporary_tables_were_used(world):
    weir = world.start("default_pool_size = 2\nworkers = 1")
    a, b = Client(weir.port), Client(weir.port)
    good(a, "set temp_buffers = 900")
    for _ in range(3):
        for held in (False, True):
            if held:
                good(b, "begin")
            used_for_temp_tables(Client(weir.port))
            assert a.one("show temp_buffers") == "7200kB"
            if held:
                good(b, "rollback")
    used_for_temp_tables(b)


def test_temp_buffers_that_cannot_be_reset_harm_nobody_else(world):
    weir = world.start(ONE)
    a, b = Client(weir.port), Client(weir.port)
    for _ in range(3):
        good(a, "set temp_buffers = 900")
        used_for_temp_tables(a)
        assert b.one("show temp_buffers") == "8MB"
        c = Client(weir.port, TimeZone="UTC", temp_buffers="950")
        assert c.one("show temp_buffers") == "7600kB"
        used_for_temp_tables(c)
        c.close()
        d = Client(weir.port, DateStyle="German")
        assert d.parameters["DateStyle"] == "German, DMY"
        assert d.one("show temp_buffers") == "8MB"
        d.close()


def test_a_role_that_is_gone_is_told_in_postgresqls_words(world):
    world.pg.sql("drop role if exists brief; create role brief")
    weir = world.start(ONE)
    a, b = Client(weir.port), Client(weir.port)
    good(a, "set role brief")
    assert b.one("select current_user") == "app"
    world.pg.sql("drop role brief")
    for _ in range(2):
        error = error_of(a.ask(query("select 1")))
        assert error["C"] == "22023" and "brief" in error["M"], error
    assert b.one("select current_user") == "app"
