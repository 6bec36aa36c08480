"""Read your writes: what each setting promises, and waiting for a replica."""

import time

from cluster import Cluster, wait_until
from test_lag import delay, pause, resume
from test_roles import OldServer
from wire import Client, SYNC, bind, error_of, execute, parse, query, row

PORT = "select inet_server_port()"
READ = "select n, inet_server_port() from t"


def begin(cluster, options, lag=None):
    """A table that everybody has, and reads that are split."""
    primary, *replicas = cluster.nodes
    primary.sql(["create table t (n int)", "insert into t values (0)",
                 "create role app login", "grant all on t to app"],
                database="app")
    cluster.caught_up()
    weir = cluster.start("catalogue_interval = 1s\n" + options)
    client = Client(weir.port, user="postgres")
    wait_until("reads are split", lambda:
               int(client.rows(READ)[0][1]) != primary.port)
    if lag:
        for node in replicas:
            delay(node, lag)
    return weir, client, primary, replicas


def write(client, n):
    error = error_of(client.ask(query(f"update t set n = {n}")))
    assert error is None, error


def extended(client, text):
    messages = client.ask(parse("", text), bind(""), execute(), SYNC)
    return [row(body) for kind, body in messages if kind == "D"]


def never_sees_an_older_row(world, scope, lag, wait):
    with Cluster(world) as cluster:
        weir, client, primary, _ = begin(
            cluster, f"read_your_writes = {scope}\n"
            f"read_your_writes_wait = {wait}", lag)
        other = Client(weir.port, user="postgres")
        app = Client(weir.port, user="app")
        promised = {"session": [client], "application": [client, other],
                    "database": [client, other, app]}[scope]
        for n in range(1, 41):
            write(client, n)
            for reader in promised:
                assert reader.rows(READ)[0][0] == str(n)
                assert extended(reader, READ)[0][0] == str(n)
                reader.rows("begin read only")
                assert reader.rows(READ)[0][0] == str(n)
                reader.rows("commit")


def test_of_a_session_nobody_reads_older_than_it_wrote_10_ms_late(world):
    never_sees_an_older_row(world, "session", "10ms", "0")


def test_of_a_session_nobody_reads_older_than_it_wrote_10_s_late(world):
    never_sees_an_older_row(world, "session", "10s", "0")


def test_of_an_application_nobody_reads_older_than_it_wrote_10_ms_late(world):
    never_sees_an_older_row(world, "application", "10ms", "0")


def test_of_an_application_nobody_reads_older_than_it_wrote_10_s_late(world):
    never_sees_an_older_row(world, "application", "10s", "0")


def test_of_a_database_nobody_reads_older_than_was_written_10_ms_late(world):
    never_sees_an_older_row(world, "database", "10ms", "0")


def test_of_a_database_nobody_reads_older_than_was_written_10_s_late(world):
    never_sees_an_older_row(world, "database", "10s", "0")


def test_who_waits_for_a_replica_reads_no_older_row_either(world):
    never_sees_an_older_row(world, "application", "10ms", "500ms")


def test_whose_writes_count_is_what_the_setting_says(world):
    with Cluster(world) as cluster:
        weir, _, primary, replicas = begin(cluster, "")
        for n, scope in enumerate(("session", "application", "off"), 1):
            weir.console(f"set read_your_writes = {scope}")
            client, other = (Client(weir.port, user="postgres")
                             for _ in range(2))
            app = Client(weir.port, user="app")
            cluster.caught_up()
            for node in replicas:
                pause(node)
            write(client, n)
            old, new = str(n - 1), str(n)
            assert app.rows(READ)[0][0] == old
            assert other.rows(READ)[0][0] == (
                new if scope == "application" else old)
            assert client.rows(READ)[0][0] == (
                old if scope == "off" else new)
            for node in replicas:
                resume(node)


def test_a_write_of_which_nobody_knows_counts_as_a_write(world):
    with Cluster(world) as cluster:
        weir, client, primary, replicas = begin(
            cluster, "read_your_writes = session")
        for node in replicas:
            pause(node)
        client.send(query("begin; update t set n = 1; commit; "
                          "select pg_sleep(60)"))
        wait_until("it was done, and it runs on", lambda: primary.sql(
            "select n from t", database="app") == "1")
        primary.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                    "where query like '%pg_sleep(60)%' and "
                    "pid <> pg_backend_pid()")
        messages = client.until_ready()
        assert error_of(messages)["C"] == "08007", messages
        for _ in range(20):
            assert client.rows(READ)[0] == ["1", str(primary.port)]


def never_goes_back(world, options, reads):
    """A client that has written reads without a pause what somebody else
    writes all the time, while replicas get it later."""
    with Cluster(world) as cluster:
        weir, client, primary, replicas = begin(
            cluster, "read_your_writes = session\n" + options, "300ms")
        inside = [Client(node.port, user="postgres")
                  for node in cluster.nodes]
        for node in replicas:
            pause(node)
        write(client, 1)
        last, n, more = 0, 1, 0

        def read():
            """What it has read last, and where."""
            nonlocal last
            for text in reads:
                for value, port in client.rows(text):
                    assert int(value) >= last, (value, last, port)
                    last = int(value)
            return last, int(port)

        assert read() == (1, primary.port)
        for node in replicas:
            resume(node)
        while more < 50:
            n += 1
            inside[0].rows(f"update t set n = {n}")
            read()
            more += all(int(replica.one("select n from t")) >= 1
                        for replica in inside[1:])
        # It comes back to a replica although it makes no pause.
        wait_until("it reads at a replica", lambda: read()[1] != primary.port)
        wait_until("it reads the last", lambda: read()[0] == n)


def test_a_client_that_has_read_at_the_primary_reads_nothing_older_at_a_replica(world):
    never_goes_back(world, "", [READ])


def test_nor_does_one_in_a_transaction_that_only_reads_or_that_waits_for_replicas(world):
    never_goes_back(world, "read_your_writes_wait = 10ms",
                    ["begin read only", READ, READ, "commit"])


def test_a_read_waits_for_a_replica_that_catches_up_within_read_your_writes_wait(world):
    with Cluster(world) as cluster:
        weir, client, primary, _ = begin(
            cluster, "read_your_writes_wait = 20s", "300ms")
        for n in range(1, 4):
            write(client, n)
            value, port = client.rows(READ)[0]
            assert value == str(n) and int(port) != primary.port
            write(client, -n)
            value, port = extended(client, READ)[0]
            assert value == str(-n) and int(port) != primary.port
            write(client, n)
            client.rows("begin read only")
            value, port = client.rows(READ)[0]
            assert value == str(n) and int(port) != primary.port
            client.rows("commit")


def test_a_read_that_has_waited_for_long_enough_goes_to_the_primary(world):
    with Cluster(world) as cluster:
        weir, client, primary, replicas = begin(
            cluster, "read_your_writes_wait = 400ms")
        for node in replicas:
            pause(node)
        for n in range(1, 4):
            write(client, n)
            start = time.monotonic()
            assert client.rows(READ)[0] == [str(n), str(primary.port)]
            assert time.monotonic() - start > 0.35


def test_a_client_that_waits_for_a_replica_can_be_cancelled_and_can_leave(world):
    with Cluster(world) as cluster:
        weir, client, primary, replicas = begin(
            cluster, "read_your_writes_wait = 60s")
        other = Client(weir.port, user="postgres")
        for node in replicas:
            pause(node)
        write(client, 1)

        def waiting():
            return sum(int(r.split("|")[3]) for r in weir.console(
                "show pools").split("\n") if r.startswith("app|"))

        for one in (client, other):
            one.send(query(READ))
        wait_until("both wait", lambda: waiting() == 2)
        client.cancel(weir.port)
        assert error_of(client.until_ready())["C"] == "57014"
        other.close()
        wait_until("nobody waits", lambda: waiting() == 0)
        resume(replicas[0])
        assert client.rows(READ)[0][0] == "1"


def test_who_waits_for_a_replica_is_let_go_when_the_roles_change(world):
    with Cluster(world, replicas=1) as cluster:
        weir, client, primary, (replica,) = begin(
            cluster, "read_your_writes_wait = 60s")
        pause(replica)
        write(client, 1)
        client.send(query(READ))
        wait_until("it waits", lambda: "|1|" in weir.console("show pools"))
        replica.stop("immediate")
        assert row(dict(client.until_ready())["D"]) == [
            "1", str(primary.port)]


def test_a_write_asks_the_primary_at_once_and_who_waits_has_replicas_asked_all_the_time(world):
    with Cluster(world, replicas=1) as cluster:
        primary, replica = cluster.nodes
        counted = OldServer(replica.port)
        cluster.hosts = lambda: (f"host=127.0.0.1,127.0.0.1 "
                                 f"port={primary.port},{counted.port}")
        weir, client, primary, (replica,) = begin(
            cluster, "read_your_writes_wait = 60s")
        weir.write(open(weir.file).read().replace(
            "role_check_interval = 100ms", "role_check_interval = 1h"))
        weir.console("reload")
        # Whatever its last look has told: it lasts now.
        wait_until("reads are split", lambda:
                   int(client.rows(READ)[0][1]) != primary.port)
        pause(replica)
        write(client, 1)
        client.send(query(READ))
        before = len(counted.queries)
        wait_until("it is asked", lambda:
                   len(counted.queries) > before + 50)
        resume(replica)
        assert row(dict(client.until_ready())["D"]) == [
            "1", str(replica.port)]
