"""Replicas that are late: which reads they get, and which they do not."""

import time

from cluster import Cluster, wait_until
from wire import Client, error_of, query

PORT = "select inet_server_port()"
ON_REPLICA = {"options": "-c pgweir.route=replica"}


def hosts(weir):
    rows = [r.split("|") for r in weir.console("show hosts").split("\n")]
    return {int(r[1]): {"role": r[3], "state": r[4], "use": r[5],
                        "bytes": int(r[6]), "lag": float(r[7])} for r in rows}


def pause(node):
    node.sql("select pg_wal_replay_pause()")
    wait_until("it is paused", lambda: node.sql(
        "select pg_get_wal_replay_pause_state()") == "paused")


def resume(node):
    node.sql("select pg_wal_replay_resume()")


def delay(node, how_long):
    node.sql(f"alter system set recovery_min_apply_delay = '{how_long}'")
    node.sql("select pg_reload_conf()")


def reads_at(weir, replica=True, user="postgres"):
    client = Client(weir.port, user=user, **(ON_REPLICA if replica else {}))
    try:
        return int(client.one(PORT))
    finally:
        client.close()


def begin(cluster, options, **more):
    weir = cluster.start(options, **more)
    primary = cluster.nodes[0]
    primary.sql("create table t (a int)", database="app")
    cluster.caught_up()
    wait_until("all are known", lambda: [
        h["use"] for h in hosts(weir).values()] == ["writes", "reads",
                                                    "reads"])
    return weir, primary, *cluster.nodes[1:]


def write(primary, rows=1):
    primary.sql(f"insert into t select generate_series(1, {rows})",
                database="app")


def is_late(weir, node):
    host = hosts(weir)[node.port]
    return host["state"] == "late" and host["use"] == "nothing"


def is_back(weir, node):
    host = hosts(weir)[node.port]
    return host["state"] == "up" and host["use"] == "reads"


def test_a_replica_later_than_max_replica_lag_gets_no_new_reads_until_it_has_caught_up(world):
    with Cluster(world) as cluster:
        weir, primary, one, other = begin(cluster, "max_replica_lag = 500ms")
        inside = Client(weir.port, user="postgres", **ON_REPLICA)
        inside.rows("begin")
        late = one if inside.one(PORT) == str(one.port) else other
        good = other if late is one else one
        pause(late)
        write(primary)
        wait_until("it is late", lambda: is_late(weir, late))
        assert "behind the primary: it gets no reads" in weir.text()
        assert hosts(weir)[late.port]["lag"] > 0.5
        wait_until("the other is not", lambda: is_back(weir, good))
        # What runs there ends there.
        assert inside.one(PORT) == str(late.port)
        inside.rows("commit")
        wait_until("it reads at the other one", lambda:
                   inside.one(PORT) == str(good.port))
        assert {reads_at(weir) for _ in range(6)} == {good.port}
        resume(late)
        wait_until("it is back", lambda: is_back(weir, late))
        assert "has caught up" in weir.text()
        assert {reads_at(weir) for _ in range(6)} == {late.port, good.port}


def test_a_replica_behind_by_max_replica_lag_bytes_gets_no_new_reads(world):
    with Cluster(world) as cluster:
        weir, primary, late, good = begin(
            cluster, "max_replica_lag_bytes = 100kB")
        pause(late)
        write(primary)
        wait_until("some bytes are missing", lambda:
                   hosts(weir)[late.port]["bytes"] > 0)
        assert is_back(weir, late)
        write(primary, 10000)
        wait_until("it is late", lambda: is_late(weir, late))
        wait_until("the other is not", lambda: is_back(weir, good))
        assert {reads_at(weir) for _ in range(6)} == {good.port}
        resume(late)
        wait_until("it is back", lambda: is_back(weir, late))


def test_a_replica_that_applies_late_is_late_by_what_is_written_not_by_the_clock(world):
    with Cluster(world) as cluster:
        weir, primary, late, good = begin(cluster, "max_replica_lag = 1s")
        delay(late, "3s")
        end = time.monotonic() + 30
        while not is_late(weir, late):
            assert time.monotonic() < end, hosts(weir)
            write(primary)
        lag = hosts(weir)[late.port]["lag"]
        assert 1 < lag < 4, lag
        # Nothing more is written: it catches up by itself.
        wait_until("it is back", lambda: is_back(weir, late))
        assert hosts(weir)[late.port]["lag"] == 0


def test_an_idle_primary_makes_no_replica_late(world):
    with Cluster(world) as cluster:
        weir, primary, one, other = begin(cluster, "max_replica_lag = 3s")
        primary.sql("checkpoint")
        # The next record goes behind the head of a page that no replica has.
        primary.sql("select pg_switch_wal()")
        wait_until("the last transaction is older than the limit", lambda:
                   one.sql("select clock_timestamp() - pg_last_xact_replay_"
                           "timestamp() > '4 s'") == "t")
        for node in (one, other):
            assert hosts(weir)[node.port]["bytes"] == 0, hosts(weir)
            assert hosts(weir)[node.port]["lag"] == 0, hosts(weir)
        # The first write for a long time: nobody is late by that long time.
        for _ in range(20):
            write(primary)
        assert "behind the primary" not in weir.text()


def test_the_primary_serves_reads_while_every_replica_is_late(world):
    with Cluster(world) as cluster:
        weir, primary, *late = begin(cluster, "max_replica_lag = 300ms")
        for node in late:
            pause(node)
        write(primary)
        for node in late:
            wait_until("it is late", lambda: is_late(weir, node))
        assert reads_at(weir) == primary.port
        assert reads_at(weir, replica=False) == primary.port
        resume(late[0])
        wait_until("it serves again", lambda: reads_at(weir) == late[0].port)


def test_without_replica_fallback_reads_wait_for_a_replica(world):
    with Cluster(world) as cluster:
        weir, primary, *late = begin(cluster, "max_replica_lag = 300ms\n"
                                     "replica_fallback = off\n"
                                     "failover_wait = 20s")
        split = Client(weir.port, user="postgres")
        wait_until("reads are split", lambda:
                   int(split.one(PORT)) != primary.port)
        for node in late:
            pause(node)
        write(primary)
        for node in late:
            wait_until("it is late", lambda: is_late(weir, node))
        clients = [split, Client(weir.port, user="postgres", **ON_REPLICA)]
        for client in clients:
            client.send(query(PORT))
        wait_until("they wait", lambda: sum(
            int(r.split("|")[3]) for r in weir.console("show pools").split(
                "\n") if r.startswith("app|")) == 2)
        resume(late[1])
        for client in clients:
            answer = client.until_ready()
            assert error_of(answer) is None, answer
            assert str(late[1].port).encode() in dict(answer)["D"], answer


def test_a_client_reads_first_at_the_replica_with_the_fewest_transactions(world):
    with Cluster(world) as cluster:
        users = [f"u{n}" for n in range(8)]
        weir, primary, one, other = begin(
            cluster, "read_your_writes = off", users="".join(
                f'"{user}" "pw"\n' for user in ["postgres", *users]))
        # Whoever they are: what counts is what runs at the host.
        for user in users:
            primary.sql(f"create role {user} login")
        cluster.caught_up()
        clients = [Client(weir.port, user=user, **ON_REPLICA)
                   for user in users]
        seen = []
        for client in clients:
            client.rows("begin")
            seen.append(int(client.one(PORT)))
            assert abs(seen.count(one.port) - seen.count(other.port)) <= 1, (
                seen)
        # All but one go; who comes then goes where that one is not.
        for client in clients[1:]:
            client.rows("commit")
        for n in range(4):
            assert reads_at(weir, user=users[n]) != seen[0]


def test_a_client_stays_on_its_replica(world):
    with Cluster(world) as cluster:
        weir, primary, one, other = begin(cluster, "")
        clients = [Client(weir.port, user="postgres", **ON_REPLICA)
                   for _ in range(6)]
        first = [client.one(PORT) for client in clients]
        for _ in range(10):
            assert [client.one(PORT) for client in clients] == first


def reads_never_go_back(world, route):
    with Cluster(world) as cluster:
        weir, primary, *replicas = begin(cluster, "read_your_writes = off")
        client = Client(weir.port, user="postgres",
                        options=f"-c pgweir.route={route}")
        count = "select count(*), inet_server_port() from t"
        wait_until("it reads at a replica", lambda: int(client.rows(count)[
            0][1]) != primary.port)
        there = int(client.rows(count)[0][1])
        ahead = next(n for n in replicas if n.port == there)
        behind = next(n for n in replicas if n.port != there)
        pause(behind)
        write(primary)
        wait_until("it sees what was written", lambda: client.rows(
            count)[0] == ["1", str(ahead.port)])
        ahead.stop("immediate")
        wait_until("it is down", lambda:
                   hosts(weir)[ahead.port]["state"] == "down")
        for _ in range(20):
            assert client.rows(count)[0] == ["1", str(primary.port)]
        # Who has read nothing yet may read there.
        fresh = Client(weir.port, user="postgres", **ON_REPLICA)
        assert fresh.rows(count)[0] == ["0", str(behind.port)]
        resume(behind)
        seen = []
        wait_until("it reads at the other one", lambda: seen.append(
            client.rows(count)[0]) or seen[-1][1] == str(behind.port))
        assert all(n == "1" for n, _ in seen), seen


def test_a_client_changes_only_to_a_replica_that_has_what_it_has_read(world):
    reads_never_go_back(world, "replica")


def test_a_split_client_changes_only_to_a_replica_that_has_what_it_has_read(world):
    reads_never_go_back(world, "split")
