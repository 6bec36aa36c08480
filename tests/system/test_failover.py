"""The primary is lost, and applications sleep through it."""

import os
import threading
import time

from cluster import Cluster, Failed, psql_run, wait_until
from web import OPTIONS, metrics, value
from wire import (Client, SYNC, bind, error_of, execute, kinds, parse,
                  query, row)

PRIMARY = "/* pgweir.route=primary */ select inet_server_port()"
WRITERS = 6
ROUNDS = int(os.environ.get("PGWEIR_FAILOVERS", "1"))


class Writer(threading.Thread):
    """Numbers its writes and goes on after an error; half of them are
    transactions."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.client = Client(port, user="postgres")
        self.number = number
        self.acknowledged, self.unknown, self.undone = set(), set(), set()
        self.last_at = 0.0
        self.ends = threading.Event()
        self.fault = None

    def write(self, n):
        insert = f"insert into t values ({self.number}, {n})"
        if n % 2:
            return self.client.ask(query(insert))
        for text in ("begin", insert, "commit"):
            answer = self.client.ask(query(text))
            if error_of(answer) or not answer:
                return answer
        return answer

    def settle(self, n, answer):
        error = error_of(answer)
        if kinds(answer)[-1:] != "Z":
            raise AssertionError(f"disconnected: {answer}")
        if error is None:
            self.acknowledged.add(n)
            self.last_at = time.monotonic()
        elif error["C"] == "08007":
            self.unknown.add(n)
        elif error["C"] == "40001":
            self.undone.add(n)
        else:
            raise AssertionError(error)
        if answer[-1][1] == b"E":
            answer = self.client.ask(query("rollback"))
            assert answer[-1] == ("Z", b"I"), answer
        assert error is None or answer[-1][1] == b"I", answer

    def run(self):
        n = 0
        try:
            while not self.ends.is_set():
                n += 1
                self.settle(n, self.write(n))
        except Exception as fault:
            self.fault = fault


class Reader(threading.Thread):
    """Over a connection of its own reads what a writer has been told is
    there; half the time a replica could serve it."""

    def __init__(self, port, writer):
        super().__init__(daemon=True)
        self.client = Client(port, user="postgres")
        self.writer = writer
        self.count, self.lost = 0, 0
        self.ends = threading.Event()
        self.fault = None

    def read(self):
        known = max(self.writer.acknowledged.copy(), default=0)
        answer = self.client.ask(query(
            f"select max(n) from t where writer = {self.writer.number}"))
        if kinds(answer)[-1:] != "Z":
            raise AssertionError(f"disconnected: {answer}")
        error = error_of(answer)
        if error is None:
            seen = int(row(dict(answer)["D"])[0] or 0)
            assert seen >= known, ("an older row", seen, known)
            self.count += 1
        else:
            # It ran on the server that was lost.
            assert error["C"] in ("08006", "08007"), error
            self.lost += 1

    def run(self):
        try:
            while not self.ends.is_set():
                self.read()
        except Exception as fault:
            self.fault = fault


def acknowledged(writers):
    for writer in writers:
        if writer.fault:
            raise writer.fault
    return [len(w.acknowledged) for w in writers]


def everybody_writes(writers):
    before = acknowledged(writers)
    wait_until("everybody writes", lambda: all(
        now > then + 2 for now, then in zip(acknowledged(writers), before)))


def one_failover(cluster, weir, writers, primary):
    everybody_writes(writers)
    primary.kill()
    new = cluster.fail_over()
    promoted = time.monotonic()
    first = wait_until("somebody writes", lambda: [
        w.last_at for w in writers if w.last_at > promoted])
    print(f"    first write {min(first) - promoted:.3f} s after the "
          "promotion", flush=True)
    everybody_writes(writers)
    primary.rejoin(new)
    wait_until("the old primary streams", lambda: int(new.sql(
        "select count(*) from pg_stat_replication where state = "
        "'streaming'")) == len(cluster.nodes) - 1)
    return new


def check_books(writers, primary):
    rows = primary.sql("select writer, n, count(*) from t group by 1, 2",
                       database="app").split("\n")
    found = {tuple(map(int, row.split("|")[:2])): int(row.split("|")[2])
             for row in rows if row}
    for w in writers:
        for n in w.acknowledged:
            assert found.get((w.number, n)) == 1, ("missing or twice", n)
        for n in w.undone:
            assert (w.number, n) not in found, ("told undone", n)
        for n in w.unknown:
            assert found.get((w.number, n), 0) <= 1, ("twice", n)
    for w in writers:
        if w.unknown:
            print(f"    unknown of writer {w.number}:", ", ".join(
                f"{n} ({'there' if (w.number, n) in found else 'not there'})"
                for n in sorted(w.unknown)), flush=True)
    known = sum(len(w.acknowledged) for w in writers)
    print(f"    {known} acknowledged, {sum(len(w.undone) for w in writers)} "
          f"undone, {sum(len(w.unknown) for w in writers)} unknown",
          flush=True)


def test_clients_keep_their_connections_and_every_acknowledged_write_through_failovers(world):
    with Cluster(world, synchronous="ANY 1 (*)") as cluster:
        weir = cluster.start("default_pool_size = 4")
        primary = cluster.nodes[0]
        weir.sql("create table t (writer int, n int)")
        writers = [Writer(weir.port, i) for i in range(WRITERS)]
        readers = [Reader(weir.port, writer) for writer in writers[:2]]
        for thread in writers + readers:
            thread.start()
        try:
            for _ in range(ROUNDS):
                primary = one_failover(cluster, weir, writers, primary)
        finally:
            for thread in writers + readers:
                thread.ends.set()
        for thread in writers + readers:
            thread.join(60)
            assert not thread.is_alive()
        acknowledged(writers)
        for reader in readers:
            if reader.fault:
                raise reader.fault
            assert reader.count > 10, reader.count
        print(f"    {sum(r.count for r in readers)} reads, "
              f"{sum(r.lost for r in readers)} of them lost", flush=True)
        check_books(writers, primary)


def test_an_open_transaction_is_a_failed_one_when_its_primary_is_lost(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start()
        weir.sql("create table t (a int)")
        cluster.caught_up()
        clients = [Client(weir.port, user="postgres") for _ in range(5)]
        for client in clients:
            client.rows("begin")
            client.rows("insert into t values (1)")
        cluster.nodes[0].kill()
        cluster.fail_over()
        told, commits, rolls_back, prepares, again = clients

        answer = told.ask(query("select 1"))
        assert error_of(answer)["C"] == "40001", answer
        assert answer[-1] == ("Z", b"E")
        answer = told.ask(query("select 1"))
        assert error_of(answer)["C"] == "25P02", answer
        answer = told.ask(query("commit"))
        assert ("C", b"ROLLBACK\0") in answer and answer[-1] == ("Z", b"I")

        answer = commits.ask(query("commit"))
        assert error_of(answer)["C"] == "40001", answer
        assert answer[-1] == ("Z", b"I")

        answer = rolls_back.ask(query("rollback"))
        assert kinds(answer) == "CZ" and answer[-1] == ("Z", b"I"), answer

        answer = prepares.ask(parse("", "select 1"), bind(""), execute(),
                              SYNC)
        assert error_of(answer)["C"] == "40001" and kinds(answer) == "EZ"
        answer = prepares.ask(parse("", "rollback"), bind(""), execute(),
                              SYNC)
        assert kinds(answer) == "12CZ" and answer[-1] == ("Z", b"I"), answer

        answer = again.ask(query("commit and chain"))
        assert error_of(answer)["C"] == "40001", answer
        assert answer[-1] == ("Z", b"E")
        again.rows("rollback")
        for client in clients:
            assert client.one("select count(*) from t") == "0"


def test_writes_wait_for_a_primary_while_reads_go_on(world):
    with Cluster(world) as cluster:
        weir = cluster.start("failover_wait = 60s\nquery_wait_notify = 1s")
        weir.sql("create table t as select 7 as a")
        cluster.caught_up()
        writer = Client(weir.port, user="postgres")
        reader = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        split = Client(weir.port, user="postgres")
        assert writer.one("select a from t") == "7"
        assert reader.one("select a from t") == "7"
        there = "select a, inet_server_port() from t"
        wait_until("reads are split", lambda: int(split.rows(there)[0][1]) !=
                   cluster.nodes[0].port)
        cluster.nodes[0].kill()
        # Who does not name it reads on as well, also one that is new.
        for one in (split, Client(weir.port, user="postgres"), split):
            value, port = one.rows(there)[0]
            assert value == "7" and int(port) != cluster.nodes[0].port
        writer.send(query("insert into t values (8)"))
        # The notice is the event: it comes while the statement waits.
        first = writer.read()
        while first[0] == "E":
            # It was in flight: told at once, and said again.
            assert writer.until_ready()
            writer.send(query("insert into t values (8)"))
            first = writer.read()
        assert first[0] == "N" and b"waiting for a host" in first[1], first
        assert reader.one("select a from t") == "7"
        cluster.fail_over()
        answer = writer.until_ready()
        assert kinds(answer) == "CZ", answer


def test_a_write_is_refused_when_no_primary_comes_within_failover_wait(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("failover_wait = 1s")
        weir.sql("select 1")
        cluster.nodes[0].stop("immediate")
        wait_until("it is known", lambda: "has no primary" in weir.text())
        try:
            weir.sql("create table t (a int)")
            raise AssertionError("it was let in")
        except Failed as error:
            assert "failover_wait" in str(error), error
            assert "no host says that it is the primary" in str(error)


def test_a_primary_that_is_frozen_is_replaced_and_its_connections_closed(world):
    with Cluster(world, replicas=2, synchronous="ANY 1 (*)") as cluster:
        weir = cluster.start()
        weir.sql("create table t (a int)")
        cluster.caught_up()
        old = cluster.nodes[0]
        open_one = Client(weir.port, user="postgres")
        open_one.rows("begin")
        open_one.rows("insert into t values (1)")
        in_flight = Client(weir.port, user="postgres")
        # So that it has a server to be in flight on.
        in_flight.rows("insert into t values (0)")
        old.freeze()
        try:
            in_flight.send(query("insert into t values (2)"))
            wait_until("it is taken for down", lambda:
                       f":{old.port} is down" in weir.text())
            standbys = cluster.nodes[1:]
            new = max(standbys, key=lambda n: n.lsn())
            new.promote()
            next(n for n in standbys if n is not new).turn_to(new)
            answer = in_flight.until_ready()
            assert error_of(answer)["C"] == "08007", answer
            answer = open_one.ask(query("commit"))
            assert error_of(answer)["C"] == "40001", answer
            assert open_one.one(PRIMARY) == str(new.port)
        finally:
            old.thaw()
        # It still says that it is the primary, on the older timeline.
        wait_until("it is heard again", lambda: weir.text().count(
            f":{old.port} answers") == 2)
        for _ in range(20):
            assert weir.sql(PRIMARY) == str(new.port)
        assert "2 hosts of" in weir.text()


def test_a_frozen_replica_is_left_and_taken_again(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        frozen, other = cluster.nodes[1:]
        client = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        client.one("select 1")
        frozen.freeze()
        try:
            wait_until("it is taken for down", lambda:
                       f":{frozen.port} is down" in weir.text())
            for _ in range(10):
                assert weir.sql(
                    "select inet_server_port()",
                    env={"PGOPTIONS": "-c pgweir.route=replica"}) == str(
                        other.port)
        finally:
            frozen.thaw()
        wait_until("it is used again", lambda: weir.sql(
            "select inet_server_port()",
            env={"PGOPTIONS": "-c pgweir.route=replica"}) == str(frozen.port))


def conflicts(weir):
    return value(metrics(weir), "pgweir_role_conflicts_total")


def test_of_two_primaries_the_higher_timeline_gets_writes_and_the_other_nothing(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start(OPTIONS)
        weir.sql("create table t (a int)")
        cluster.caught_up()
        assert conflicts(weir) == 0
        old, new = cluster.nodes
        # A primary that nobody has stopped.
        new.promote()
        wait_until("the new one gets the writes", lambda: weir.sql(
            PRIMARY) == str(new.port))
        for route in ("primary", "replica", "any", "split"):
            assert {weir.sql("select inet_server_port()", env={
                "PGOPTIONS": f"-c pgweir.route={route}"})
                for _ in range(5)} == {str(new.port)}
        assert "2 hosts of" in weir.text()
        assert conflicts(weir) == 1
        weir.sql("insert into t values (1)")
        assert old.sql("select count(*) from t", database="app") == "0"


def test_two_primaries_on_the_same_timeline_get_no_writes(world):
    with Cluster(world, replicas=1) as first:
        twin = first.nodes[1]
        weir = first.start("failover_wait = 500ms\n" + OPTIONS)
        weir.sql("create table t (a int)")
        first.caught_up()
        twin.stop()
        # Not a promotion: a standby whose signal file is gone stays on
        # its timeline.
        os.unlink(os.path.join(twin.dir, "standby.signal"))
        twin.start()
        wait_until("it is known", lambda: "on the same timeline"
                   in weir.text())
        done = psql_run("insert into t values (1)", port=weir.port,
                        dbname="app")
        assert "both say that they are the primary" in done.stderr, done
        assert conflicts(weir) > 0
        for node in first.nodes:
            assert node.sql("select count(*) from t", database="app") == "0"


def test_a_primary_of_another_system_gets_no_writes(world):
    with Cluster(world, replicas=0) as one, Cluster(
            world, replicas=0, is_stranger=True) as other:
        weir = world.start(
            "role_check_interval = 100ms\nfailover_wait = 500ms\n" + OPTIONS,
            "app = host=127.0.0.1,127.0.0.1 port="
            f"{one.nodes[0].port},{other.nodes[0].port}")
        done = psql_run("create table t (a int)", port=weir.port,
                        dbname="app")
        assert "is of another system" in done.stderr, done
        assert conflicts(weir) > 0
        for cluster in (one, other):
            assert cluster.nodes[0].sql(
                "select count(*) from pg_class where relname = 't'",
                database="app") == "0"


def test_an_old_primary_that_returns_alone_is_not_written_to(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("failover_wait = 500ms")
        weir.sql("create table t (a int)")
        cluster.caught_up()
        old = cluster.nodes[0]
        old.stop("immediate")
        new = cluster.fail_over()
        wait_until("the new one is known", lambda: psql_run(
            "insert into t values (1)", port=weir.port,
            dbname="app").returncode == 0)
        new.stop("immediate")
        old.start()
        wait_until("it is heard", lambda: "there was a primary on timeline"
                   in weir.text())
        done = psql_run("insert into t values (2)", port=weir.port,
                        dbname="app")
        assert "timeline" in done.stderr, done


def test_an_error_that_waiting_cannot_heal_comes_at_once(world):
    with Cluster(world, replicas=1) as cluster:
        start = time.monotonic()
        weir = cluster.start("failover_wait = 60s", "dbname=missing")
        done = psql_run("select 1", port=weir.port, dbname="app")
        assert "\"missing\" does not exist" in done.stderr, done
        assert time.monotonic() - start < 20


def test_a_read_in_flight_at_a_lost_replica_fails_and_the_next_one_goes_elsewhere(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        cluster.caught_up()
        client = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        there = int(client.one("select inet_server_port()"))
        client.send(query("select pg_sleep(60)"))
        node = next(n for n in cluster.nodes if n.port == there)
        wait_until("it runs", lambda: node.sql(
            "select count(*) from pg_stat_activity where query = "
            "'select pg_sleep(60)' and state = 'active'") == "1")
        node.kill()
        answer = client.until_ready()
        assert error_of(answer)["C"] == "08006", answer
        assert answer[-1] == ("Z", b"I")
        assert int(client.one("select inet_server_port()")) != there


def test_a_replica_that_is_promoted_keeps_the_connections_to_it(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start()
        weir.sql("create table t (a int)")
        cluster.caught_up()
        client = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        client.rows("begin")
        pid = client.one("select pg_backend_pid()")
        cluster.nodes[0].kill()
        cluster.nodes[1].promote()
        weir.sql("insert into t values (1)")
        assert client.one("select pg_backend_pid()") == pid
        client.rows("commit")
        assert client.one("select a from t") == "1"


def test_a_client_that_is_tied_to_a_lost_server_is_told_and_sent_away(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start()
        client = Client(weir.port, user="postgres")
        client.rows("create temporary table x (a int)")
        assert client.one("select count(*) from x") == "0"
        cluster.nodes[0].kill()
        answer = client.until_ready()
        assert error_of(answer)["S"] == "FATAL", answer
