"""A name with several addresses, as a headless Service has: one host each."""

from cluster import Cluster, wait_until
from names import Names
from test_console import pools
from wire import Client, error_of, query

HOST = "select host(inet_server_addr())"
PRIMARY = "/* pgweir.route=primary */ " + HOST


def hosts(weir):
    rows = weir.console("show hosts").split("\n")
    return {row.split("|")[2]: row.split("|") for row in rows if row}


def start(world, cluster, names, options="", most="1s"):
    return world.start(
        f"role_check_interval = 100ms\nresolv_conf = {names.file}\n"
        f"dns_max_ttl = {most}\n" + options,
        f"app = host=pg.test port={cluster.nodes[0].port}")


def test_every_address_of_a_name_is_a_host_and_pods_come_and_go(world):
    with Cluster(world, one_port=True) as cluster:
        names = Names(world.top)
        addresses = [n.address for n in cluster.nodes]
        names.addresses["pg.test"] = addresses[:2]
        weir = start(world, cluster, names)
        assert weir.sql(PRIMARY) == addresses[0]
        wait_until("both are known", lambda: set(hosts(weir)) ==
                   set(addresses[:2]))
        reads = {"env": {"PGOPTIONS": "-c pgweir.route=replica"}}
        assert weir.sql(HOST, **reads) == addresses[1]

        # One appears.
        names.addresses["pg.test"] = addresses
        wait_until("the new one serves reads", lambda: weir.sql(
            HOST, **reads) == addresses[2])

        # One disappears: who is in a transaction there ends it.
        client = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        client.rows("begin")
        there = client.one(HOST)
        names.addresses["pg.test"] = [a for a in addresses if a != there]
        wait_until("it is gone", lambda: there not in hosts(weir))
        assert client.one(HOST) == there
        assert [p for p in pools(weir) if there in p["host"]]
        client.rows("commit")
        wait_until("it reads at the other one", lambda:
                   client.one(HOST) not in (there, addresses[0]))
        # Addresses are many in the course of time: nothing shows them all.
        wait_until("its pool is not shown any more", lambda: not [
            p for p in pools(weir) if there in p["host"]])
        names.close()


def test_a_name_that_cannot_be_resolved_keeps_its_last_addresses(world):
    with Cluster(world, replicas=1, one_port=True) as cluster:
        names = Names(world.top)
        addresses = [n.address for n in cluster.nodes]
        names.addresses["pg.test"] = addresses
        weir = start(world, cluster, names, "dns_nxdomain_ttl = 1s\n")
        assert weir.sql(PRIMARY) == addresses[0]
        for break_it in ("failing", "unknown"):
            if break_it == "failing":
                names.is_failing = True
            else:
                names.is_failing = False
                del names.addresses["pg.test"]
            asked = names.asked
            wait_until("it was asked again, in vain", lambda:
                       names.asked >= asked + 4)
            assert weir.sql(PRIMARY) == addresses[0]
            assert set(hosts(weir)) == set(addresses)
        assert "the last known addresses stay in use" in weir.text()
        names.close()


def test_a_pod_of_the_primary_that_is_lost_and_comes_back_as_a_replica(world):
    with Cluster(world, replicas=1, one_port=True) as cluster:
        names = Names(world.top)
        old, new = cluster.nodes
        addresses = [n.address for n in cluster.nodes]
        names.addresses["pg.test"] = addresses
        weir = start(world, cluster, names)
        client = Client(weir.port, user="postgres")
        client.rows("create table t (a int)")
        cluster.caught_up()
        old.kill()
        names.addresses["pg.test"] = [new.address]
        wait_until("it is gone", lambda: set(hosts(weir)) ==
                   {new.address})
        new.promote()
        wait_until("it is written again", lambda: error_of(client.ask(
            query("insert into t values (1)"))) is None)
        assert client.one(PRIMARY) == new.address
        old.rejoin(new)
        names.addresses["pg.test"] = addresses
        reads = {"env": {"PGOPTIONS": "-c pgweir.route=replica"}}
        wait_until("it serves reads", lambda: weir.sql(
            HOST, **reads) == old.address)
        assert client.one(PRIMARY) == new.address
        client.rows("insert into t values (2)")
        names.close()


def test_an_answer_that_is_cut_is_asked_for_again_over_tcp(world):
    with Cluster(world, replicas=1, one_port=True) as cluster:
        names = Names(world.top)
        names.is_cut = True
        addresses = [n.address for n in cluster.nodes]
        names.addresses["pg.test"] = addresses
        weir = start(world, cluster, names)
        assert weir.sql(PRIMARY) == addresses[0]
        wait_until("both are known", lambda: set(hosts(weir)) ==
                   set(addresses))
        assert names.asked_tcp > 0
        # And again when its time is over.
        names.addresses["pg.test"] = addresses[:1]
        wait_until("one is gone", lambda: set(hosts(weir)) ==
                   {addresses[0]})
        names.close()


def test_a_name_with_one_address_is_served_without_asking_for_roles(world):
    with Cluster(world, replicas=0, one_port=True) as cluster:
        names = Names(world.top)
        names.addresses["pg.test"] = [cluster.nodes[0].address]
        # When its time is over, and no later than dns_max_ttl.
        for names.ttl, most in ((3600, "1s"), (1, "1h")):
            weir = start(world, cluster, names, most=most)
            assert weir.sql(HOST) == cluster.nodes[0].address
            asked = names.asked
            wait_until("the name is looked up again", lambda:
                       names.asked >= asked + 2)
            assert cluster.nodes[0].sql(
                "select count(*) from pg_stat_activity "
                "where application_name = 'pgweir monitor'") == "0"
            weir.kill()
        names.close()


def test_show_hosts_tells_role_state_lag_timeline_and_connections(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        weir.sql("select 1")

        def rows():
            return {int(r.split("|")[1]): r.split("|")
                    for r in weir.console("show hosts").split("\n")}

        ports = [n.port for n in cluster.nodes]
        wait_until("all are known", lambda: [
            rows()[p][3:6] for p in ports] == [
                ["primary", "up", "writes"], ["replica", "up", "reads"],
                ["replica", "up", "reads"]])
        primary = rows()[ports[0]]
        assert primary[6] == "0" and primary[8] == "1", primary
        assert float(primary[9]) < 10 and primary[10] == "1", primary
        cluster.nodes[2].sql("select pg_wal_replay_pause()")
        weir.sql("create table t as select generate_series(1, 1000)")
        wait_until("the lag is shown", lambda: int(rows()[ports[2]][6]) > 10000
                   and rows()[ports[1]][6] == "0")
        cluster.nodes[2].kill()
        wait_until("it is down", lambda: rows()[ports[2]][4:6] == [
            "down", "nothing"])
