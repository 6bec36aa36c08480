"""The limits: at them, above them, and while everything fails."""

import os
import signal
import socket
import threading
import time

from cluster import Failed, psql_run, wait_until
from test_console import console, pools, table
from wire import Client, Error, error_of, fields, kinds, query, startup


def refused(weir, **more):
    """What a client that is one too many is told."""
    done = psql_run("select 1", port=weir.port, **more)
    assert done.returncode != 0, "it was let in"
    return done.stderr


def sqlstate_of_login(weir, **parameters):
    client = Client(weir.port, connect=False)
    client.send(startup(**parameters))
    error = error_of(client.until_ready())
    client.close()
    return error


def opened(world, user="app", database="app"):
    return int(world.pg.sql(
        "select count(*) from pg_stat_activity where backend_type = "
        f"'client backend' and usename = '{user}' and datname = "
        f"'{database}'"))


def believed(weir, user="app"):
    """Servers that pgweir counts, and that it shows."""
    counted = sum(int(p[c]) for p in table(weir, "POOLS")
                  if p["user"] == user
                  for c in ("sv_active", "sv_idle", "sv_login"))
    shown = len([s for s in table(weir, "SERVERS") if s["user"] == user])
    return counted, shown


def truth(world, weir, user="app", database="app"):
    """pgweir's counts are what PostgreSQL has."""
    def agree():
        found = opened(world, user, database)
        return believed(weir, user) == (found, found)
    wait_until("the counts are true", agree)


#
# Clients.
#

def test_max_db_client_connections_at_and_above_and_below_again(world):
    weir = world.start("max_db_client_connections = 3\nworkers = 2")
    clients = [Client(weir.port), Client(weir.port),
               Client(weir.port, user="postgres")]
    assert all(c.one("select 1") == "1" for c in clients)
    text = refused(weir, dbname="app", user="app")
    assert "max_db_client_connections (3)" in text and '"app"' in text, text
    assert sqlstate_of_login(weir, user="app", database="app")["C"] == \
        "53300"
    # Another database, and the console, are not concerned.
    assert weir.sql("select 1", dbname="postgres") == "1"
    weir.console("show pools")
    clients.pop().close()
    wait_until("there is room", lambda: psql_run(
        "select 1", port=weir.port, dbname="app").returncode == 0)
    weir = world.start("max_db_client_connections = 9", databases=(
        f"few = host=127.0.0.1 port={world.pg.port} dbname=app "
        "max_db_client_connections=1"))
    held = Client(weir.port, database="few")
    assert "max_db_client_connections (1)" in refused(weir, dbname="few")
    assert weir.sql("select 1", dbname="app") == "1"
    held.close()


def test_max_user_client_connections_counts_over_databases(world):
    weir = world.start("max_user_client_connections = 2\nworkers = 2\n"
                       "[users]\npostgres = max_user_client_connections=3")
    clients = [Client(weir.port), Client(weir.port, database="postgres")]
    for database in ("app", "postgres"):
        text = refused(weir, dbname=database, user="app")
        assert "max_user_client_connections (2)" in text, text
        assert 'user "app"' in text
    more = [Client(weir.port, user="postgres") for _ in range(3)]
    text = refused(weir, dbname="app", user="postgres")
    assert "max_user_client_connections (3)" in text, text
    for client in clients + more:
        assert client.one("select 1") == "1"
    clients[0].close()
    wait_until("there is room", lambda: psql_run(
        "select 1", port=weir.port, dbname="app",
        user="app").returncode == 0)


def test_client_limits_hold_over_workers_while_many_come_at_once(world):
    for option in ("max_db_client_connections", "max_user_client_connections",
                   "max_client_conn"):
        weir = world.start(f"{option} = 10\nworkers = 3\n"
                           "default_pool_size = 2")
        weir.sql("select 1")
        wait_until("nobody is connected", lambda: table(
            weir, "POOLS")[0]["cl_active"] == "0")
        for _ in range(5):
            many = [Client(weir.port, connect=False) for _ in range(40)]
            for client in many:
                client.send(startup(user="app", database="app"))
            good = bad = 0
            for client in many:
                answer = client.until_ready()
                error = error_of(answer)
                if error is None:
                    good += 1
                else:
                    bad += 1
                    assert error["C"] == "53300" and option in error["M"]
            assert good == 10 and bad == 30, (option, good, bad)
            for client in many:
                client.close()
            wait_until("all have gone", lambda: {
                r["list"]: r["items"] for r in table(weir, "LISTS")}[
                    "used_clients"] == "1" and sum(
                int(p["cl_active"]) for p in pools(weir)) == 0)
        weir.kill()


def test_failed_logins_do_not_count(world):
    weir = world.start("max_db_client_connections = 2\n"
                       "max_client_conn = 5\nauth_type = scram-sha-256")
    for _ in range(12):
        done = psql_run("select 1", port=weir.port, dbname="app",
                        user="app", password="wrong")
        assert "password authentication failed" in done.stderr
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", weir.port)) as s:
            s.sendall(b"\0\0\0\x08")
    for _ in range(4):
        assert weir.sql("select 1", user="app", password="secret") == "1"


#
# Servers.
#

def test_max_db_connections_of_a_database_goes_before_the_general_one(world):
    port = world.pg.port
    weir = world.start(
        "max_db_connections = 3\ndefault_pool_size = 10\nworkers = 2\n"
        "query_wait_timeout = 300ms",
        databases=f"few = host=127.0.0.1 port={port} dbname=app "
                  "max_db_connections=1")
    for database, limit in (("few", 1), ("app", 3)):
        clients = [Client(weir.port, database=database,
                          user="app" if n % 2 else "postgres")
                   for n in range(limit + 1)]
        for client in clients[:limit]:
            client.ask(query("begin"))
        error = error_of(clients[limit].ask(query("select 1")))
        assert error["C"] == "53300", error
        assert f"max_db_connections ({limit}) of database " in error["M"]
        # Now it waits for as long as a login takes.
        weir.console("set query_wait_timeout = 60")
        clients[0].ask(query("commit"))
        assert clients[limit].one("select 1") == "1"
        weir.console("set query_wait_timeout = 300ms")
        for client in clients:
            client.close()


def test_max_user_connections_of_a_user_goes_before_the_general_one(world):
    weir = world.start(
        "max_user_connections = 1\nquery_wait_timeout = 300ms\n"
        "[users]\npostgres = max_user_connections=2")
    for user, limit in (("app", 1), ("postgres", 2)):
        clients = [Client(weir.port, user=user,
                          database="app" if n % 2 else "postgres")
                   for n in range(limit + 1)]
        for client in clients[:limit]:
            client.ask(query("begin"))
        error = error_of(clients[limit].ask(query("select 1")))
        assert error["C"] == "53300", error
        assert f"max_user_connections ({limit}) of user " in error["M"]
        # Now it waits for as long as a login takes.
        weir.console("set query_wait_timeout = 60")
        clients[0].ask(query("commit"))
        assert clients[limit].one("select 1") == "1"
        weir.console("set query_wait_timeout = 300ms")
        for client in clients:
            client.close()


def test_the_reserve_is_counted_and_given_back(world):
    weir = world.start("default_pool_size = 2\nreserve_pool_size = 2\n"
                       "reserve_pool_timeout = 100ms\nworkers = 3\n"
                       "query_wait_timeout = 1s")
    holders = [Client(weir.port) for _ in range(4)]
    for holder in holders:
        assert kinds(holder.ask(query("begin"))) == "CZ"
    assert opened(world) == 4
    late = Client(weir.port)
    error = error_of(late.ask(query("select 1")))
    assert error["C"] == "53300" and "pool_size 2" in error["M"], error
    assert "4 in use" in error["M"] and "reserve_pool_size 2" in \
        error["M"], error
    for holder in holders:
        holder.ask(query("commit"))
    wait_until("two are left", lambda: opened(world) == 2)
    truth(world, weir)


def test_a_reserve_of_a_user_or_database_overrides_and_0_is_none(world):
    port = world.pg.port
    weir = world.start(
        "default_pool_size = 1\nreserve_pool_timeout = 50ms\n"
        "query_wait_timeout = 400ms\n[users]\n"
        "postgres = reserve_pool_size=1",
        databases=f"more = host=127.0.0.1 port={port} dbname=app "
                  "reserve_pool=1")
    for user, database, size in (("app", "app", 1), ("app", "more", 2),
                                 ("postgres", "app", 2)):
        clients = [Client(weir.port, user=user, database=database)
                   for _ in range(size + 1)]
        for client in clients[:size]:
            assert kinds(client.ask(query("begin"))) == "CZ"
        assert error_of(clients[size].ask(query("select 1")))["C"] == \
            "53300", (user, database)
        for client in clients:
            client.close()


def test_min_pool_size_of_a_database_is_kept_and_never_above_a_limit(world):
    port = world.pg.port
    weir = world.start(
        "server_idle_timeout = 100ms\nmax_user_connections = 4",
        databases=f"two = host=127.0.0.1 port={port} dbname=app "
                  "min_pool_size=2\n"
                  f"many = host=127.0.0.1 port={port} dbname=app "
                  "min_pool_size=9 pool_size=5")
    weir.sql("select 1", dbname="two", user="app")
    wait_until("two are open", lambda: opened(world) == 2)
    weir.sql("select 1", dbname="many", user="app")
    wait_until("the limit is reached", lambda: opened(world) == 4)
    most = 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        most = max(most, opened(world))
    assert most <= 4, most
    # What is killed is opened again.
    world.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where usename = 'app' and datname = 'app'")
    wait_until("they are back", lambda: opened(world) == 4)
    truth(world, weir)


class Storm:
    """Clients on threads that ask again and again, whatever they hear."""

    def __init__(self, weir, count, statement="select 1", user="app",
                 database="app"):
        self.stop = threading.Event()
        self.good = 0
        self.errors = []
        self.args = (weir, statement, user, database)
        self.threads = [threading.Thread(target=self.run, daemon=True)
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        weir, statement, user, database = self.args
        client = None
        while not self.stop.is_set():
            try:
                if client is None:
                    client = Client(weir.port, connect=False)
                    for kind, body in client.login(user, database):
                        if kind == "E":
                            raise Error(fields(body))
                client.rows(statement)
                self.good += 1
            except (Error, OSError, IndexError) as error:
                self.errors.append(error)
                if not isinstance(error, Error) or error.severity == "FATAL" \
                        or client.pid is None:
                    if client is not None:
                        client.close()
                    client = None
                    time.sleep(0.01)
        if client is not None:
            client.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client hangs"


def test_limits_hold_over_workers_while_opening_is_slow(world):
    weir = world.start(
        "workers = 3\ndefault_pool_size = 20\nmax_db_connections = 5\n"
        "server_lifetime = 50ms\nquery_wait_timeout = 20s",
        databases=f"slow = host=127.0.0.1 port={world.pg.port} dbname=app "
                  "connect_query='select pg_sleep(0.05)'")
    storms = [Storm(weir, 10, "select pg_sleep(0.002)", database="slow"),
              Storm(weir, 10, "select pg_sleep(0.002)", user="postgres",
                    database="slow")]
    most, sums = 0, []
    while min(storm.good for storm in storms) < 100 or len(sums) < 50:
        assert not any(storm.errors for storm in storms)
        each = [sum(int(p[c]) for c in ("sv_active", "sv_idle", "sv_login"))
                for p in pools(weir, "slow")]
        most = max(most, *each)
        sums.append(sum(each))
    for storm in storms:
        storm.end()
        assert not storm.errors, storm.errors[0]
    assert most <= 5, most
    # The pools are not shown at the very same moment: a server may have
    # gone from the one and come to the other meanwhile.
    assert sorted(sums)[len(sums) // 2] <= 5 and max(sums) <= 10, sums
    truth(world, weir)


def test_limits_hold_while_postgresql_is_full(world):
    world.pg.sql("create role limited login connection limit 3")
    try:
        weir = world.start(
            "workers = 3\ndefault_pool_size = 10\n"
            "server_login_retry = 20ms",
            users='"limited" ""\n"postgres" ""\n')
        world.pg.sql("grant connect on database app to limited")
        storm = Storm(weir, 15, "select pg_sleep(0.002)", user="limited")
        most = 0

        def goes_on():
            nonlocal most
            most = max(most, sum(int(p[c]) for p in pools(weir)
                                 for c in ("sv_active", "sv_idle",
                                           "sv_login")))
            return storm.good > 500
        wait_until("many were served", goes_on)
        storm.end()
        assert most <= 10, most
        # Waiting heals it, so nobody who waits is told.
        assert not storm.errors, storm.errors[0]
        truth(world, weir, "limited")
        weir.kill()
    finally:
        world.pg.sql("revoke connect on database app from limited")
        world.pg.sql("drop role limited")


def test_postgresql_that_has_no_connection_left_is_said_with_its_words(
        world):
    """The very first client hears PostgreSQL's own error and SQLSTATE."""
    world.pg.sql("create role nobody login connection limit 0")
    try:
        weir = world.start(users='"nobody" ""\n"postgres" ""\n')
        error = sqlstate_of_login(weir, user="nobody", database="app")
        assert error["C"] == "53300", error
        assert 'too many connections for role "nobody"' in error["M"], error
        assert f"127.0.0.1:{world.pg.port}" in error.get("H", "") + \
            error["M"], error
        weir.kill()
    finally:
        world.pg.sql("drop role nobody")


def test_the_counts_are_true_after_backends_were_terminated_under_load(
        world):
    weir = world.start("workers = 3\ndefault_pool_size = 6\n"
                       "server_login_retry = 20ms")
    storm = Storm(weir, 15, "select pg_sleep(0.001)")
    wait_until("it runs", lambda: storm.good > 50)
    for _ in range(30):
        world.pg.sql("select pg_terminate_backend(pid) from "
                     "pg_stat_activity where usename = 'app' and datname = "
                     "'app' order by random() limit 3")
        assert believed(weir)[0] <= 6
    before = storm.good
    wait_until("it goes on", lambda: storm.good > before + 50)
    storm.end()
    # Only those whose statement was running heard of it.
    for error in storm.errors:
        assert getattr(error, "sqlstate", "") in ("57P01", "08006"), error
    truth(world, weir)
    assert {r["list"]: r["items"] for r in table(weir, "LISTS")}[
        "used_servers"] == "0"


def test_the_counts_are_true_after_backends_were_killed_under_load(world):
    """SIGKILL: PostgreSQL itself starts anew and refuses meanwhile."""
    weir = world.start("workers = 3\ndefault_pool_size = 6\n"
                       "server_login_retry = 20ms\n"
                       "query_wait_timeout = 20s")
    storm = Storm(weir, 15, "select pg_sleep(0.001)")
    wait_until("it runs", lambda: storm.good > 50)
    for _ in range(2):
        def victim():
            try:
                return world.pg.sql("select pid from pg_stat_activity where "
                                    "usename = 'app' limit 1")
            except Failed:
                return ""
        pid = int(wait_until("there is a backend", victim))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        before = storm.good
        wait_until("it goes on", lambda: storm.good > before + 50)
    storm.end()
    truth(world, weir)
    numbers = {r["list"]: int(r["items"]) for r in table(weir, "LISTS")}
    assert numbers["used_servers"] == 0, numbers
    assert "Assertion" not in weir.text()


def test_a_server_that_dies_while_idle_is_not_handed_out(world):
    weir = world.start("workers = 1")
    client = Client(weir.port)
    for _ in range(20):
        pid = client.one("select pg_backend_pid()")
        world.pg.sql(f"select pg_terminate_backend({pid})")
        wait_until("it is gone", lambda: world.pg.sql(
            f"select count(*) from pg_stat_activity where pid = {pid}")
            == "0")
        assert client.one("select 1") == "1"
    truth(world, weir)


def test_clients_that_vanish_at_any_moment_leave_no_count_behind(world):
    weir = world.start("workers = 3\ndefault_pool_size = 2\n"
                       "max_db_connections = 3")
    stop = threading.Event()
    failures = []

    def vanish(user):
        try:
            n = 0
            while not stop.is_set():
                n += 1
                client = Client(weir.port, user=user)
                client.send(query("begin"), query("select pg_sleep(0.002)"))
                if n % 3 == 0:
                    client.read()
                client.close()
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=vanish, args=(user,))
               for user in ("app", "postgres") * 4]
    for thread in threads:
        thread.start()
    for _ in range(20):
        # The line gets shorter and longer, servers come and go.
        weir.console("RECONNECT")
        world.pg.sql("select pg_terminate_backend(pid) from "
                     "pg_stat_activity where usename = 'app' and datname = "
                     "'app' limit 1")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    wait_until("nobody is left", lambda: all(
        p["cl_active"] == p["cl_waiting"] == p["sv_active"] ==
        p["sv_login"] == "0" for p in pools(weir)))
    truth(world, weir)
    assert Client(weir.port).one("select 1") == "1"
    console(weir).close()
