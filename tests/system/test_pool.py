"""Pools: limits, the line, time limits, failures, cancelling."""

import subprocess
import threading
import time

from cluster import Failed, wait_until
from wire import Client, Error, Gate, error_of, kinds, query


def counted(world, user="app"):
    return int(world.pg.sql(
        "select count(*) from pg_stat_activity where backend_type = "
        f"'client backend' and usename = '{user}' and datname = 'app'"))


def storm(weir, clients, statement, stop):
    def run():
        client = Client(weir.port)
        while not stop.is_set():
            client.ask(query(statement))
        client.close()
    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    return threads


def test_the_limit_is_never_exceeded(world):
    weir = world.start("default_pool_size = 5\nworkers = 3\n"
                       "server_lifetime = 20ms")
    stop = threading.Event()
    threads = storm(weir, 30, "select pg_sleep(0.001)", stop)
    most = 0
    for _ in range(100):
        # A server that was told to go may still be on its way out there.
        most = max(most, int(weir.console("show pools").split("\n")[0]
                             .split("|")[6]))
    stop.set()
    for thread in threads:
        thread.join()
    assert most <= 5, most
    assert "Assertion" not in weir.text()


def test_clients_in_line_are_served_first_in_first_out(world):
    weir = world.start("default_pool_size = 1\nworkers = 1")
    holder = Client(weir.port)
    holder.ask(query("begin"))
    waiting = []
    for n in range(5):
        client = Client(weir.port)
        client.send(query("select to_char(clock_timestamp(), 'HH24MISS.US')"))
        waiting.append(client)
        wait_until("it waits", lambda n=n: weir.console(
            "show pools").split("\n")[0].split("|")[3] == str(n + 1))
    holder.ask(query("commit"))
    times = [client.until_ready()[1][1] for client in waiting]
    assert times == sorted(times)


def test_query_wait_timeout_is_an_error_and_the_client_stays(world):
    weir = world.start("default_pool_size = 1\nquery_wait_timeout = 200ms")
    holder, client = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    answer = client.ask(query("select 1"))
    error = error_of(answer)
    assert kinds(answer) == "EZ" and error["C"] == "53300"
    assert "query_wait_timeout (0.2 s)" in error["M"], error
    assert "1 in use" in error["M"]
    holder.ask(query("commit"))
    assert client.one("select 1") == "1"


def test_idle_servers_are_closed_and_old_ones_replaced(world):
    weir = world.start("server_idle_timeout = 200ms")
    weir.sql("select 1", user="app")
    wait_until("it is closed", lambda: counted(world) == 0)
    weir = world.start("server_lifetime = 1ms")
    client = Client(weir.port)
    pids = set()
    for _ in range(5):
        pids.add(client.one("select pg_backend_pid() from pg_sleep(0.01)"))
    assert len(pids) == 5


def test_min_pool_size_is_kept_open(world):
    weir = world.start("min_pool_size = 3\nserver_idle_timeout = 100ms")
    weir.sql("select 1", user="app")
    wait_until("three are open", lambda: counted(world) == 3)


def test_the_reserve_is_used_after_reserve_pool_timeout(world):
    weir = world.start("default_pool_size = 1\nreserve_pool_size = 1\n"
                       "reserve_pool_timeout = 100ms")
    holder, client = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    start = time.monotonic()
    assert client.one("select 1") == "1"
    assert time.monotonic() - start >= 0.1
    holder.ask(query("commit"))


def test_max_db_connections_closes_an_idle_server_of_another_pool(world):
    weir = world.start("max_db_connections = 1")
    for user in ("app", "postgres", "app", "postgres"):
        assert weir.sql("select 1", user=user) == "1"
    a, b = Client(weir.port), Client(weir.port, user="postgres")
    a.ask(query("begin"))
    b.send(query("select 1"))
    wait_until("it waits", lambda: any(
        line.split("|")[3] == "1"
        for line in weir.console("show pools").split("\n")))
    a.ask(query("commit"))
    assert "D" in kinds(b.until_ready())


def test_max_user_connections_holds_over_databases(world):
    weir = world.start("max_user_connections = 1")
    a = Client(weir.port)
    b = Client(weir.port, database="postgres")
    for _ in range(3):
        assert a.one("select 1") == "1"
        assert b.one("select 2") == "2"
        assert int(world.pg.sql(
            "select count(*) from pg_stat_activity where usename = 'app' "
            "and state <> 'active'")) <= 2


def test_a_user_and_a_database_may_override_the_pool_size(world):
    weir = world.start(
        "[users]\napp = pool_size=1",
        databases=f"big = host=127.0.0.1 port={world.pg.port} dbname=app "
                  "pool_size=3")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("begin"))
    b.send(query("select 1"))
    wait_until("it waits", lambda: weir.console(
        "show pools").split("\n")[-1].split("|")[3] == "1" or
        "|1|1|" in weir.console("show pools"))
    a.ask(query("commit"))
    b.until_ready()


def test_max_client_conn_lets_an_admin_in(world):
    weir = world.start("max_client_conn = 2")
    clients = [Client(weir.port) for _ in range(2)]
    try:
        weir.sql("select 1")
        raise AssertionError("a third client came in")
    except Failed as error:
        assert "(max_client_conn): 2 clients" in str(error)
    assert "max_client_conn" in weir.console("show config")
    clients[0].close()
    wait_until("there is room", lambda: Client(weir.port).pid)


def test_time_limits_of_queries_transactions_and_clients(world):
    weir = world.start("query_timeout = 200ms")
    answer = Client(weir.port).ask(query("select pg_sleep(20)"))
    assert error_of(answer)["C"] == "57014"
    wait_until("it is cancelled", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where query like "
        "'select pg_sleep(20)%' and state = 'active'") == "0")
    for option, code in (("idle_transaction_timeout", "25P03"),
                         ("transaction_timeout", "25P04")):
        weir = world.start(f"{option} = 200ms")
        client = Client(weir.port)
        # It may be over before the answer to BEGIN is here.
        answer = client.ask(query("begin")) + client.until_ready()
        assert error_of(answer)["C"] == code, answer
    weir = world.start("client_idle_timeout = 200ms")
    client = Client(weir.port)
    assert error_of(client.until_ready())["C"] == "57P05"
    weir = world.start("client_login_timeout = 200ms")
    client = Client(weir.port, connect=False)
    assert client.read() is None


def test_a_cancel_reaches_the_statement_of_its_client_only(world):
    weir = world.start("default_pool_size = 2")
    a, b = Client(weir.port), Client(weir.port)
    running = ("select count(*) from pg_stat_activity where state = 'active' "
               "and query ~ '^select pg_sleep.100'")
    for _ in range(10):
        a.send(query("select pg_sleep(1000)"))
        b.send(query("select pg_sleep(1001)"))
        wait_until("both run", lambda: world.pg.sql(running) == "2")
        a.cancel(weir.port)
        assert error_of(a.until_ready())["C"] == "57014"
        assert world.pg.sql(running + " and query ~ '1001'") == "1"
        b.cancel(weir.port)
        assert error_of(b.until_ready())["C"] == "57014"
    a.key ^= 1 << 20
    gate = Gate(world)
    a.send(query(gate.statement))
    gate.wait()
    a.cancel(weir.port)
    gate.open()
    assert error_of(a.until_ready()) is None


def test_a_cancel_takes_a_waiting_statement_out_of_the_line(world):
    weir = world.start("default_pool_size = 1")
    holder, client = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    client.send(query("select 1"))
    wait_until("it waits", lambda: weir.console(
        "show pools").split("\n")[0].split("|")[3] == "1")
    client.cancel(weir.port)
    assert error_of(client.until_ready())["C"] == "57014"
    holder.ask(query("commit"))
    assert client.one("select 1") == "1"


def test_late_cancels_hit_nobody(world):
    weir = world.start("default_pool_size = 1")
    a, b = Client(weir.port), Client(weir.port)
    for _ in range(50):
        a.send(query("select 1"))
        a.cancel(weir.port)
        a.until_ready()
        assert error_of(b.ask(query("select pg_sleep(0.002)"))) is None


def test_a_database_that_is_down_and_comes_back_is_waited_for(world):
    weir = world.start("query_wait_timeout = 20s")
    client = Client(weir.port)
    assert client.one("select 1") == "1"
    world.pg.stop("immediate")
    try:
        wait_until("the server is gone", lambda: weir.console(
            "show servers") == "")
        weir.console("set query_wait_timeout = 100ms")
        error = error_of(client.ask(query("select 2")))
        assert "Connection refused" in error["M"], error
        assert "could be opened" in error["H"], error
        weir.console("set query_wait_timeout = 20s")
        start = time.monotonic()
        late = Client(weir.port)
        assert time.monotonic() - start < 10
        client.send(query("select 2"))
    finally:
        world.pg.start()
    assert "D" in kinds(client.until_ready())
    assert late.one("select 3") == "3"


def test_a_login_to_a_dead_host_fails_within_server_connect_timeout(world):
    config = world.config().replace(f"port={world.pg.port}", "port=1")
    weir = world.start(config=config)
    start = time.monotonic()
    try:
        weir.sql("select 1")
        raise AssertionError("it was let in")
    except Failed as error:
        assert "127.0.0.1:1: cannot connect" in str(error), error
    assert time.monotonic() - start < 10


def test_a_client_killed_in_a_transaction_strands_nothing(world):
    weir = world.start("default_pool_size = 1")
    world.pg.sql("create table if not exists locked (a int)", "app")
    psql = subprocess.Popen(
        ["psql", "-X", "-q", "-d", f"host=127.0.0.1 port={weir.port} "
         "user=app dbname=app sslmode=disable", "-c", "begin", "-c",
         "lock table locked", "-c", "select pg_sleep(60)"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("it sleeps", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where query like "
        "'select pg_sleep(60)' and state = 'active'") == "1")
    psql.kill()
    psql.wait()
    client = Client(weir.port)
    assert client.one("select count(*) from locked") == "0"


def test_every_error_of_a_full_pool_names_limit_and_host(world):
    weir = world.start("default_pool_size = 1\nquery_wait_timeout = 100ms")
    holder, client = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    try:
        client.rows("select 1")
        raise AssertionError("it was served")
    except Error as error:
        assert "pool_size 1" in str(error)
    assert "pool_size 1" in weir.text()


def test_who_waits_for_long_hears_why_and_goes_on_waiting(world):
    weir = world.start("default_pool_size = 1\nquery_wait_notify = 1ms")
    holder, client = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    client.send(query("select 1"))
    kind, body = client.read()
    assert kind == "N" and b"client being queued: no server for database" \
        in body and b"1 in use, 0 other clients" in body, body
    holder.ask(query("commit"))
    assert kinds(client.until_ready()) == "TDCZ"
    weir.console("set query_wait_notify = 0")
    holder.ask(query("begin"))
    client.send(query("select 1"))
    wait_until("it waits", lambda: "|waiting|" in weir.console(
        "show clients"))
    holder.ask(query("commit"))
    assert kinds(client.until_ready()) == "TDCZ"


def test_a_message_of_the_operator_comes_at_login(world):
    weir = world.start("login_notify_message = Maintenance at noon.")
    greeting = Client(weir.port, connect=False).login()
    assert [body for kind, body in greeting if kind == "N" and
            b"Maintenance at noon." in body], greeting


def test_reconnect_ends_sessions_at_their_boundary_under_server_fast_close(
        world):
    for section, mode in (("pgweir", "session"), ("pgweir", "transaction")):
        weir = world.start(f"pool_mode = {mode}\nserver_fast_close = on")
        idle, busy = Client(weir.port), Client(weir.port)
        assert idle.one("select 1") == busy.one("select 1") == "1"
        busy.ask(query("begin"))
        weir.console("reconnect")
        if mode == "transaction":
            assert busy.one("select 1") == idle.one("select 1") == "1"
            continue
        assert error_of([idle.read()])["C"] == "57P01"
        assert busy.one("select 1") == "1"
        answer = busy.ask(query("commit"))
        assert kinds(answer)[:2] in ("CZ", "CE"), answer
        fresh = Client(weir.port)
        assert fresh.one("select 1") == "1"
