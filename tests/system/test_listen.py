"""LISTEN and NOTIFY in transaction mode: a client hears what it would hear on
a connection of its own, and many clients share one server to listen."""

import asyncio
import struct
import threading

from cluster import Cluster, Skip, wait_until
from wire import (Client, ONE, SYNC, bind, error_of, execute, kinds, message,
                  parse, query)


def heard(body):
    """A NotificationResponse: pid, channel, payload."""
    channel, payload, _ = body[4:].split(b"\0")
    return (struct.unpack(">i", body[:4])[0], channel.decode(),
            payload.decode())


def next_heard(client):
    kind, body = client.read()
    assert kind == "A", kind
    return heard(body)


def listens(weir, channel="x", **more):
    client = Client(weir.port, **more)
    answer = client.ask(query(f"listen {channel}"))
    assert kinds(answer) == "CZ", kinds(answer)
    return client


def hears_nothing_but(client, channel, payload):
    """What comes first, in answer to a query or not, is this."""
    got = next_heard(client)
    assert got[1:] == (channel, payload), got


def servers(world, what="true"):
    return int(world.pg.sql("select count(*) from pg_stat_activity where "
                            "backend_type = 'client backend' and "
                            f"datname = 'app' and {what}",
                            database="postgres"))


def test_a_listener_hears_of_others_while_it_has_no_server(world):
    weir = world.start(ONE)
    a, b = listens(weir), Client(weir.port)
    assert kinds(b.ask(query("notify x, 'one'"))) == "CZ"
    assert next_heard(a)[1:] == ("x", "one")
    world.pg.sql("notify x, 'two'", database="app")
    assert next_heard(a)[1:] == ("x", "two")
    world.pg.sql("notify y, 'no'; notify x, 'three'", database="app")
    assert next_heard(a)[1:] == ("x", "three")


def test_a_listener_hears_at_once_what_comes_after_its_listen(world):
    weir = world.start("default_pool_size = 2")
    for n in range(50):
        a = listens(weir, f"c{n % 7}")
        world_b = Client(weir.port)
        world_b.ask(query(f"notify c{n % 7}, '{n}'"))
        assert next_heard(a)[1:] == (f"c{n % 7}", str(n))
        a.close()
        world_b.close()


def test_own_notifications_carry_the_pid_of_the_key_before_ready(world):
    weir = world.start("default_pool_size = 2\nworkers = 2")
    a, b = listens(weir), listens(weir)
    for n in range(20):
        answer = a.ask(query(f"notify x, '{n}'"))
        assert kinds(answer) == "CAZ", kinds(answer)
        assert heard(answer[1][1]) == (a.pid, "x", str(n))
        pid, *rest = next_heard(b)
        assert pid != b.pid and rest == ["x", str(n)]
    answer = a.ask(parse("", "select pg_notify('x', 'f')") + bind("") +
                   execute() + SYNC)
    assert kinds(answer) == "12DCAZ", kinds(answer)
    assert next_heard(b)[2] == "f"
    # Nothing came twice.
    a.ask(query("notify x, 'end'"))
    assert next_heard(b)[2] == "end"
    assert b.one("select 1") == "1"
    assert a.one("select 1") == "1"


def test_a_trigger_that_notifies_tells_its_client_before_ready(world):
    world.pg.sql("create table noted (a int); create function note() returns "
                 "trigger language plpgsql as $$ begin perform "
                 "pg_notify('x', new.a::text); return new; end $$; "
                 "create trigger t after insert on noted for each row "
                 "execute function note()", database="app")
    weir = world.start(ONE)
    a = listens(weir)
    answer = a.ask(query("insert into noted values (7)"))
    assert kinds(answer) == "CAZ"
    assert heard(answer[1][1]) == (a.pid, "x", "7")
    answer = a.ask(query("select 1"))
    assert kinds(answer) == "TDCZ"


def test_a_client_that_listens_and_notifies_at_once_hears_it_once(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    assert kinds(a.ask(query("begin"))) == "CZ"
    assert kinds(a.ask(query("listen x"))) == "CZ"
    assert kinds(a.ask(query("notify x, 'me'"))) == "CZ"
    answer = a.ask(query("commit"))
    assert kinds(answer) == "CAZ" and heard(answer[1][1])[0] == a.pid
    world.pg.sql("notify x, 'other'", database="app")
    hears_nothing_but(a, "x", "other")


def test_listen_takes_effect_at_commit_and_rollback_undoes_it(world):
    weir = world.start("default_pool_size = 2")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("listen sync"))
    for end, works in (("rollback", False), ("commit", True)):
        a.ask(query("begin"))
        a.ask(query("listen x"))
        assert kinds(a.ask(query(end))) == "CZ"
        world.pg.sql(f"notify x, '{end}'; notify sync, '{end}'",
                     database="app")
        if works:
            hears_nothing_but(a, "x", end)
        hears_nothing_but(a, "sync", end)
    assert a.one("select count(*) from pg_listening_channels()") == "2"
    assert b.one("select count(*) from pg_listening_channels()") == "0"


def test_savepoints_and_errors_undo_listen_and_unlisten(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    channels = "select string_agg(c, ',' order by c) from " \
        "pg_listening_channels() c"
    for text, expected in (
            ("begin; savepoint s; listen a; rollback to s; listen b; commit",
             "b"),
            ("begin; savepoint s; unlisten b; rollback to s; commit", "b"),
            ("begin; savepoint s; unlisten *; listen c; rollback to s; "
             "listen d; commit", "b,d"),
            ("listen e; select 1/0", "b,d"),
            ("unlisten *; select 1/0", "b,d"),
            ("begin; unlisten *; rollback", "b,d"),
            ("begin; unlisten *; listen e; commit", "e"),
            ("unlisten *; listen \"Fünf, \"\"6\"\"\"", "Fünf, \"6\""),
            ("do $$ begin listen f; end $$", "Fünf, \"6\",f"),
            ("do $$ begin unlisten f; end $$", "Fünf, \"6\"")):
        a.ask(query(text))
        assert a.one(channels) == expected, text
    a.ask(parse("", "unlisten *") + bind("") + execute() + SYNC)
    assert a.one(channels) is None
    a.ask(query("listen x"))
    a.ask(query("discard all"))
    assert a.one(channels) is None


def test_after_unlisten_nothing_is_heard_any_more(world):
    weir = world.start("default_pool_size = 2")
    a = listens(weir)
    a.ask(query("listen y"))
    for end in ("unlisten x", "unlisten *", "discard all"):
        a.ask(query("listen x; listen y"))
        a.ask(query(end))
        world.pg.sql("notify x, 'gone'", database="app")
        a.ask(query("listen z"))
        world.pg.sql("notify z, 'here'", database="app")
        hears_nothing_but(a, "z", "here")
        a.ask(query("unlisten z"))


def test_the_servers_of_clients_do_not_listen(world):
    weir = world.start("default_pool_size = 3")
    clients = [listens(weir, f"c{n}") for n in range(9)]
    for client in clients:
        client.ask(query("select 1"))
    others = [Client(weir.port) for _ in range(3)]
    for other in others:
        other.ask(query("begin"))
    for other in others:
        assert other.one("select count(*) from "
                         "pg_listening_channels()") == "0"


def hub_is_through(world, client):
    """Everything notified before was handed to the listeners' threads."""
    world.pg.sql("notify y, 'through'", database="app")
    hears_nothing_but(client, "y", "through")


def test_what_comes_in_a_transaction_is_heard_at_its_end(world):
    weir = world.start("default_pool_size = 2\nworkers = 1")
    a = listens(weir)
    a.ask(query("begin"))
    world.pg.sql("notify x, 'waits'", database="app")
    assert kinds(a.ask(query("select 1"))) == "TDCZ"
    b = listens(weir, "y")
    hub_is_through(world, b)
    answer = a.ask(query("commit"))
    assert kinds(answer) == "CAZ" and heard(answer[1][1])[2] == "waits"


def test_a_thousand_listening_clients_cost_one_server(world):
    weir = world.start("default_pool_size = 4\nmax_client_conn = 2000\n"
                       "workers = 2")
    clients = [Client(weir.port) for _ in range(1000)]
    for client in clients:
        client.send(query("listen crowd"))
    for client in clients:
        assert kinds(client.until_ready()) == "CZ"
    assert servers(world) <= 5
    world.pg.sql("notify crowd, 'all'", database="app")
    for client in clients:
        assert next_heard(client)[1:] == ("crowd", "all")
    world.pg.sql("notify crowd, 'once'", database="app")
    for client in clients:
        assert next_heard(client)[1:] == ("crowd", "once")
    for client in clients:
        client.close()


def test_pipelined_requests_behind_a_listen_are_answered_in_order(world):
    weir = world.start(ONE)
    a = Client(weir.port)
    a.send(query("listen x") + query("notify x, '1'") + query("begin") +
           query("unlisten x") + query("commit") + query("notify x, '2'") +
           query("select 5"))
    got = "".join(kinds(a.until_ready()) + " " for _ in range(7))
    assert got == "CZ CAZ CZ CZ CZ CZ TDCZ ", got
    a.send(parse("", "listen y") + bind("") + execute() + SYNC +
           parse("", "notify y") + bind("") + execute() + SYNC)
    assert kinds(a.until_ready()) == "12CZ"
    assert kinds(a.until_ready()) == "12CAZ"


def test_listening_goes_on_after_its_connection_was_lost(world):
    weir = world.start("default_pool_size = 2")
    a = listens(weir)
    before = weir.text().count("listens to 1 channels again")
    world.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where query like 'LISTEN%'", database="postgres")
    wait_until("it listens again", lambda: weir.text().count(
        "listens to 1 channels again") > before)
    assert "is lost" in weir.text()
    world.pg.sql("notify x, 'back'", database="app")
    hears_nothing_but(a, "x", "back")
    assert a.ask(query("notify x, 'me'"))[1][0] == "A"


def test_listening_goes_on_after_postgresql_was_restarted(world):
    weir = world.start("default_pool_size = 2")
    a = listens(weir)
    world.pg.stop()
    world.pg.start()
    wait_until("it listens again", lambda: "channels again" in weir.text())
    world.pg.sql("notify x, 'back'", database="app")
    hears_nothing_but(a, "x", "back")


def test_listening_goes_on_after_reconnect_and_reload(world):
    weir = world.start("default_pool_size = 2")
    a = listens(weir)
    weir.console("reconnect", user="postgres")
    wait_until("it listens again", lambda: "channels again" in weir.text())
    world.pg.sql("notify x, 'new'", database="app")
    hears_nothing_but(a, "x", "new")


def test_a_client_that_takes_no_notifications_is_closed_with_an_error(world):
    weir = world.start("default_pool_size = 2\nlisten_queue_bytes = 64kB")
    a, b = listens(weir), listens(weir)
    a.ask(query("begin"))
    text = "select count(pg_notify('x', n || repeat('x', 1000))) from " \
        "generate_series(1, 100) n"
    world.pg.sql(text, database="app")
    error = error_of([a.read()])
    assert error["S"] == "FATAL" and error["C"] == "53400", error
    assert "listen_queue_bytes" in error["M"]
    for _ in range(100):
        assert next_heard(b)[1] == "x"


def test_a_client_that_does_not_read_is_closed_and_the_others_hear(world):
    weir = world.start("default_pool_size = 2\nlisten_queue_bytes = 256kB")
    a, b = listens(weir), listens(weir)
    text = "select count(pg_notify('x', n || repeat('x', 7900))) from " \
        "generate_series(1, 100) n"

    def is_closed():
        world.pg.sql(text, database="app")
        for n in range(100):
            assert next_heard(b)[2].startswith(f"{n + 1}x")
        return "disconnected: listen_queue" in weir.text()

    wait_until("the one that does not read is closed", is_closed)
    while a.read() is not None:
        pass


def payload(client):
    """Of the NotificationResponse that comes next: its bytes."""
    kind, body = client.read()
    assert kind == "A", kind
    return body[4:].split(b"\0")[1]


def utf8(world):
    """A database in UTF8, whatever the cluster has."""
    if world.pg.sql("select 1 from pg_database where datname = 'utf'") != "1":
        world.pg.sql("create database utf encoding 'UTF8' template template0 "
                     "lc_collate 'C' lc_ctype 'C'")
    return "utf"


def test_clients_in_another_encoding_share_a_server_that_converts(world):
    database = utf8(world)
    weir = world.start("default_pool_size = 2\nworkers = 2")
    usual = listens(weir, '"é"', database=database)
    others = [listens(weir, "x", database=database, client_encoding="LATIN1")
              for _ in range(20)]
    last = Client(weir.port, database=database)
    last.ask(query("set client_encoding = 'latin1'"))
    last.ask(message("Q", b'listen "\xe9"\0'), message("Q", b"listen x\0"))
    assert last.until_ready()[-1][0] == "Z"
    others.append(last)
    assert "listen" not in weir.console("show clients", user="postgres")
    world.pg.sql("notify x, 'à 1'", database=database)
    for client in others:
        assert payload(client) == b"\xe0 1"
    # The name of the channel as well, both ways.
    world.pg.sql('notify "é", \'two\'', database=database)
    kind, body = last.read()
    assert (kind, body[4:]) == ("A", b"\xe9\0two\0")
    kind, body = usual.read()
    assert (kind, body[4:]) == ("A", "é".encode() + b"\0two\0")
    # One's own comes once.
    answer = last.ask(message("Q", b"notify x, '\xe7'\0"))
    assert kinds(answer) == "CAZ" and heard_bytes(answer[1][1]) == (
        last.pid, b"x", b"\xe7"), answer
    for client in others[:-1]:
        assert payload(client) == b"\xe7"
    assert last.one("select 1") == "1"
    assert int(world.pg.sql(
        "select count(*) from pg_stat_activity where datname = 'utf'")) <= 4


def test_an_encoding_that_is_set_with_the_listen_counts_at_once(world):
    database = utf8(world)
    weir = world.start("default_pool_size = 2")
    a = Client(weir.port, database=database)
    a.ask(query("begin; set client_encoding = 'LATIN1'; listen x; commit"))
    world.pg.sql("notify x, 'é'", database=database)
    assert payload(a) == b"\xe9"
    assert "listen" not in weir.console("show clients", user="postgres")


def heard_bytes(body):
    channel, text, _ = body[4:].split(b"\0")
    return struct.unpack(">i", body[:4])[0], channel, text


def test_a_listener_that_changes_its_encoding_keeps_its_server(world):
    database = utf8(world)
    weir = world.start("default_pool_size = 3")
    a = listens(weir, database=database)
    a.ask(query("set client_encoding = 'LATIN1'"))
    a.ask(query("select 1"))
    assert "listen" in weir.console("show clients", user="postgres")
    world.pg.sql("notify x, 'é'", database=database)
    assert payload(a) == b"\xe9"
    assert a.ask(query("notify x, 'me'"))[1][0] == "A"
    # It is free again when it listens to nothing.
    a.ask(query("unlisten *"))
    a.ask(query("select 1"))
    assert "listen" not in weir.console("show clients", user="postgres")


def test_a_full_limit_of_connections_makes_the_client_keep_its_server(world):
    weir = world.start("default_pool_size = 1\nmax_db_connections = 1")
    a = listens(weir)
    world.pg.sql("notify x, 'still'", database="app")
    hears_nothing_but(a, "x", "still")
    answer = a.ask(query("notify x, 'me'"))
    assert heard(answer[1][1])[0] == a.pid


def test_the_listening_server_counts_in_the_limit_of_connections(world):
    weir = world.start("default_pool_size = 9\nmax_db_connections = 3")
    a = listens(weir)
    clients = [Client(weir.port) for _ in range(2)]
    for client in clients:
        client.ask(query("begin"))
    last = Client(weir.port)
    last.send(query("select 1"))
    wait_until("it waits", lambda: weir.console(
        "show pools", user="postgres").count("|1|0|0|2|"))
    assert servers(world) == 3
    clients[0].ask(query("commit"))
    assert kinds(last.until_ready()) == "TDCZ"
    a.close()


def test_who_listens_to_very_many_channels_keeps_its_server(world):
    weir = world.start("default_pool_size = 3")
    a = Client(weir.port)
    a.ask(query("".join(f"listen c{n};" for n in range(1000))))
    assert a.one("select count(*) from pg_listening_channels()") == "1000"
    assert "listen" not in weir.console("show clients", user="postgres")
    assert kinds(a.ask(query("listen more"))) == "CZ"
    assert "|listen" in weir.console("show clients", user="postgres")
    assert a.one("select count(*) from pg_listening_channels()") == "1001"
    for channel in "c0", "c999", "more":
        world.pg.sql(f"notify {channel}, 'x'", database="app")
        hears_nothing_but(a, channel, "x")
    # Given back when it is over.
    a.ask(query("unlisten *"))
    a.ask(query("select 1"))
    assert "listen" not in weir.console("show clients", user="postgres")
    # Where nobody may keep a server it hears why.
    weir = world.start("default_pool_size = 3\npin = error")
    a = Client(weir.port)
    a.ask(query("".join(f"listen c{n};" for n in range(1000))))
    error = error_of(a.ask(query("listen more")))
    assert error["C"] == "0A000" and "listen" in error["M"], error


def test_the_queue_is_full_at_listen_queue_bytes_and_not_before(world):
    """Each of these notifications is a message of 512 bytes."""
    def fills(count):
        weir = world.start("default_pool_size = 2\n"
                           "listen_queue_bytes = 8192")
        a = listens(weir)
        b = listens(weir)
        a.ask(query("begin"))
        for n in range(count):
            text = f"{n:04}" + "x" * (512 - 1 - 4 - 4 - 2 - 1 - 4)
            world.pg.sql(f"notify x, '{text}'", database="app")
            kind, body = b.read()
            assert len(body) + 5 == 512, len(body)
        return a

    for count in 15, 16:
        a = fills(count)
        # One that it has heard of in any case, behind them.
        answer = a.ask(query("commit"))
        if kinds(answer) == "CZ":
            answer = [("C", b"")] + [a.read() for _ in range(count)]
        got = [b[4:].split(b"\0")[1][:4] for k, b in answer if k == "A"]
        assert got == [b"%04d" % n for n in range(count)], got
    a = fills(17)
    error = error_of([a.read()])
    assert error["S"] == "FATAL" and error["C"] == "53400", error


def test_a_client_that_leaves_in_its_transaction_leaves_no_listen(world):
    weir = world.start(ONE)
    a = listens(weir)
    a.ask(query("begin"))
    a.ask(query("select 1"))
    a.close()
    b = Client(weir.port)
    assert b.one("select count(*) from pg_listening_channels()") == "0"


def test_session_mode_listens_on_the_clients_own_server(world):
    weir = world.start("pool_mode = session\ndefault_pool_size = 3")
    a = listens(weir)
    world.pg.sql("notify x, 'hello'", database="app")
    hears_nothing_but(a, "x", "hello")
    assert servers(world, "query like '%LISTEN \"%'") == 0
    answer = a.ask(query("notify x, 'me'"))
    assert heard(answer[1][1])[0] == a.pid


def test_session_mode_undoes_listen_as_postgresql_does(world):
    weir = world.start("pool_mode = session\ndefault_pool_size = 1")
    a = Client(weir.port)
    channels = "select string_agg(c, ',' order by c) from " \
        "pg_listening_channels() c"
    a.ask(query("begin; savepoint s; listen x; rollback to s; listen y; "
                "commit"))
    assert a.one(channels) == "y"
    a.ask(query("begin; unlisten *; rollback"))
    assert a.one(channels) == "y"
    a.close()
    # Who comes next on this server hears nothing of it.
    b = Client(weir.port)
    world.pg.sql("notify y, 'no'", database="app")
    assert b.one(channels) is None
    b.ask(query("listen y; discard all"))
    assert b.one(channels) is None


def test_drivers_hear_their_notifications(world):
    try:
        import asyncpg
        import psycopg2
    except ImportError as error:
        raise Skip(str(error))
    weir = world.start("default_pool_size = 2")
    where = dict(host="127.0.0.1", port=weir.port, user="app",
                 password="secret")
    with_psycopg = psycopg2.connect(dbname="app", **where)
    with_psycopg.autocommit = True
    cursor = with_psycopg.cursor()
    cursor.execute("listen news")

    async def story():
        one = await asyncpg.connect(database="app", **where)
        two = await asyncpg.connect(database="app", **where)
        got = asyncio.Queue()
        await one.add_listener("news", lambda *a: got.put_nowait(a[1:]))
        await two.execute("notify news, 'from two'")
        assert (await asyncio.wait_for(got.get(), 30))[1:] == (
            "news", "from two")
        await one.execute("notify news, 'from one'")
        assert await asyncio.wait_for(got.get(), 30) == (
            one.get_server_pid(), "news", "from one")
        await one.close()
        await two.close()

    asyncio.run(story())
    payloads = []

    def poll():
        with_psycopg.poll()
        while with_psycopg.notifies:
            payloads.append(with_psycopg.notifies.pop(0).payload)
        return len(payloads) == 2

    wait_until("psycopg2 has heard both", poll)
    assert payloads == ["from two", "from one"]
    cursor.execute("notify news, 'own'")
    assert with_psycopg.notifies.pop(0).pid == with_psycopg.info.backend_pid
    with_psycopg.close()


def test_listening_goes_on_at_the_new_primary_after_a_failover(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("default_pool_size = 2\nfailover_wait = 30s")
        a = listens(weir, user="postgres")
        assert a.ask(query("notify x, 'before'"))[1][0] == "A"
        cluster.nodes[0].kill()
        new = cluster.fail_over()
        wait_until("it listens again",
                   lambda: "channels again" in weir.text())
        new.sql("notify x, 'after'", database="app")
        hears_nothing_but(a, "x", "after")
        answer = a.ask(query("notify x, 'own'"))
        assert heard(answer[1][1]) == (a.pid, "x", "own"), answer


def test_after_a_failover_every_listener_hears_what_it_asked_for(world):
    with Cluster(world, replicas=2) as cluster:
        weir = cluster.start("default_pool_size = 3\nfailover_wait = 30s\n"
                             "workers = 2")
        crowd = [listens(weir, f"c{n % 5}", user="postgres",
                         client_encoding="LATIN1" if n % 2 else "UTF8")
                 for n in range(40)]
        inside = listens(weir, "c0", user="postgres")
        inside.ask(query("begin"))
        inside.ask(query("select 1"))
        cluster.nodes[0].kill()
        new = cluster.fail_over()
        wait_until("both encodings are listened to again",
                   lambda: weir.text().count("channels again") == 2)
        for n in range(5):
            new.sql(f"notify c{n}, 'after {n}'", database="app")
        for n, client in enumerate(crowd):
            hears_nothing_but(client, f"c{n % 5}", f"after {n % 5}")
        # Also who lost its transaction, when it is over.
        answer = inside.ask(query("rollback"))
        while "A" not in kinds(answer):
            answer.append(inside.read())
        got = [b for k, b in answer if k == "A"]
        assert [heard(b)[1:] for b in got] == [("c0", "after 0")], answer


def test_a_listener_reads_from_replicas_that_cannot_listen(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("default_pool_size = 2\nroute = split")
        cluster.caught_up()
        a = listens(weir, user="postgres")
        wait_until("a replica serves it", lambda: [
            a.ask(query("begin read only")),
            a.one("select inet_server_port()"),
            a.ask(query("commit"))][1] == str(cluster.nodes[1].port))
        assert a.one("select pg_listening_channels()") == "x"
        cluster.nodes[0].sql("notify x, 'still'", database="app")
        hears_nothing_but(a, "x", "still")


def test_a_copy_is_fed_before_it_has_begun_behind_queries_of_ours(world):
    """What ends the copy is not taken for an end of what is in front."""
    world.pg.sql("create table fed (a text)", database="app")
    weir = world.start("default_pool_size = 1")
    copy = (parse("", "copy fed from stdin") + bind("") + execute() +
            message("d", b"new\n") + message("c") + SYNC)
    a, b = listens(weir), Client(weir.port, search_path="other,public")
    for client in (a, b, a, b):
        assert kinds(client.ask(copy)) == "12GCZ"
        assert client.one("select 1") == "1"


def test_everybody_hears_each_notification_once_whoever_sends_it(world):
    """Listeners notify as well, alone and in transactions, on few servers."""
    weir = world.start("default_pool_size = 3\nworkers = 3")
    listeners = [listens(weir) for _ in range(12)]
    senders = listeners[:6] + [Client(weir.port) for _ in range(6)]
    for client in senders + listeners:
        client.heard = []
    rounds = 25

    def ask(client, text):
        for kind, body in client.ask(query(text)):
            assert kind in "CATDZ", error_of([(kind, body)])
            if kind == "A":
                client.heard.append(heard(body))

    def story(number, client):
        for n in range(rounds):
            if n % 3 == 0:
                ask(client, "begin")
                ask(client, f"notify x, '{number} {n}'")
                ask(client, "select 1")
                ask(client, "commit")
            else:
                ask(client, f"notify x, '{number} {n}'")

    threads = [threading.Thread(target=story, args=pair)
               for pair in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = rounds * len(senders)
    for client in listeners:
        while len(client.heard) < total:
            client.heard.append(next_heard(client))
    for client in listeners:
        ask(client, "notify x, 'end'")
    for place, client in enumerate(listeners):
        while len(client.heard) < total + len(listeners):
            client.heard.append(next_heard(client))
        payloads = [h[2] for h in client.heard if h[2] != "end"]
        assert len(set(payloads)) == len(payloads) == total
        for number in range(len(senders)):
            own = [p for p in payloads if p.startswith(f"{number} ")]
            assert own == [f"{number} {n}" for n in range(rounds)]
        if place < 6:
            assert all(h[0] == client.pid for h in client.heard
                       if h[2].startswith(f"{place} "))
