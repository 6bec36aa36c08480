"""Several hosts: who is the primary, where statements go, failover."""

from cluster import Cluster, psql_run, wait_until

PORT = "select inet_server_port()"


def port_of(weir, before="", **more):
    statements = [before, PORT] if before else PORT
    return int(weir.sql(statements, **more))


def test_a_database_with_three_hosts_is_read_and_written_at_its_primary(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        assert port_of(weir) == cluster.nodes[0].port
        weir.sql("create table t as select 1 as a")
        assert weir.sql("select a from t") == "1"


def test_each_route_leads_to_the_hosts_it_names(world):
    with Cluster(world) as cluster:
        ports = [n.port for n in cluster.nodes]
        weir = cluster.start()

        def route(value):
            return {"options": f"-c pgweir.route={value}"}

        wait_until("the replicas are known", lambda: port_of(
            weir, env={"PGOPTIONS": "-c pgweir.route=replica"}) in ports[1:])
        for value, expected in (("primary", ports[:1]), ("split", ports[:1]),
                                ("replica", ports[1:]), ("any", ports)):
            seen = {port_of(weir, env={"PGOPTIONS":
                                       f"-c pgweir.route={value}"})
                    for _ in range(12)}
            assert seen <= set(expected), (value, seen)
            assert value != "any" or seen == set(ports), seen
        assert port_of(weir, "set pgweir.route = 'replica'") in ports[1:]
        assert port_of(weir, "set pgweir.route to primary") == ports[0]
        assert int(weir.sql("/* pgweir.route=replica */ " + PORT)) in ports[1:]
        done = psql_run(["begin read only", PORT, "commit"], port=weir.port,
                        dbname="app")
        assert int(done.stdout) in ports[1:], done
        done = psql_run("set pgweir.route = nowhere", port=weir.port,
                        dbname="app")
        assert "there are split" in done.stderr.lower(), done
        done = psql_run("select 1", port=weir.port, dbname="app",
                        env={"PGOPTIONS": "-c pgweir.route=nowhere"})
        assert "invalid value" in done.stderr, done


def test_a_route_of_a_user_or_database_counts(world):
    with Cluster(world) as cluster:
        ports = [n.port for n in cluster.nodes]
        weir = cluster.start("[users]\napp = route=replica\n[databases]\n"
                             f"reads = {cluster.hosts()} dbname=app "
                             "route=replica\n")
        cluster.nodes[0].sql("create role app login")
        cluster.caught_up()
        assert port_of(weir) == ports[0]
        assert port_of(weir, dbname="reads") in ports[1:]
        assert port_of(weir, user="app") in ports[1:]


def test_a_split_client_sees_a_server_that_can_be_written_to(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        for attrs in ("read-write", "primary"):
            assert weir.sql(PORT, target_session_attrs=attrs) == str(
                cluster.nodes[0].port)
        assert weir.sql("show transaction_read_only") == "off"
