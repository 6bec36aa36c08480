"""Why statements went where they did: EXPLAIN ROUTE, SHOW ROUTES, metrics."""

from cluster import Cluster, Failed, wait_until
from splits import PORT, is_ready, routes
from web import OPTIONS, metrics, value
from wire import (FLUSH, SYNC, Client, bind, describe, error_of, execute,
                  kinds, parse, query, row)


def begin(cluster, options="", **more):
    weir = cluster.start("read_your_writes = off\n" + options, **more)
    client = Client(weir.port, user="postgres")
    is_ready(cluster, client)
    return weir, client


def explain(weir, text, on="on app as postgres "):
    found = weir.console(f"explain route {on}{text}").split("|")
    return found[3], found[4], found[5], found[6]


def test_explain_route_says_where_a_statement_goes_and_it_goes_there(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        client.ask(query("create function f() returns int language sql as "
                         "'insert into t values (1); select "
                         "inet_server_port()'"))
        cluster.caught_up()
        wait_until("the catalogue knows the table", lambda: client.one(
            "select inet_server_port() from (select count(*) from t) c")
            != primary)
        for text, target, reason, why in (
                (PORT, "replica", "read", "it only reads"),
                ("select f()", "primary", "volatile_function",
                 'function "f" may write'),
                ("select inet_server_port() from (select 1 from pg_class "
                 "limit 1) c", "primary", "relation",
                 '"pg_class" is or reaches what only the primary has'),
                ("select inet_server_port() from no_such_table", "primary",
                 "unknown_relation",
                 'there is no relation "no_such_table"'),
                ("insert into t values (1) returning inet_server_port()",
                 "primary", "not_read", "it is no SELECT"),
                ("/* pgweir.route=primary */ " + PORT, "primary",
                 "route_primary", "route = primary"),
                ("/* pgweir.route=replica */ " + PORT, "replica",
                 "route_replica", "route = replica")):
            assert explain(weir, text)[:3] == (target, reason, why), text
            before = routes(weir).get((target, reason), 0)
            messages = client.ask(query(text))
            if reason != "unknown_relation":
                value = [row(b)[0] for k, b in messages if k == "D"][0]
                assert (value == primary) == (target == "primary"), text
            assert routes(weir).get((target, reason), 0) == before + 1, text
        ports = explain(weir, PORT)[3]
        assert sorted(p.rsplit(":", 1)[1] for p in ports.split(", ")) == \
            sorted(str(n.port) for n in cluster.nodes[1:])
        assert explain(weir, "select 1 for update")[3].endswith(primary)
        client.close()


def test_explain_route_finds_the_only_database_with_several_hosts(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        assert explain(weir, PORT, on="")[0] == "replica"
        assert explain(weir, "begin", on="")[1] == "transaction"
        assert explain(weir, PORT, on='ON "app" ')[0] == "replica"
        assert explain(weir, PORT, on="on other ")[:3] == (
            "primary", "one_host", "there is only one host")
        for bad in ("explain route", "explain select 1", "explain route on",
                    "explain route on app", "explain route on app as me"):
            try:
                weir.console(bad)
                raise AssertionError(f"{bad} was taken")
            except Failed as error:
                assert "EXPLAIN" in str(error)
        # Over the extended protocol too, with the columns before the rows.
        console = Client(weir.port, database="pgweir", user="postgres")
        messages = console.ask(parse("", f"explain route {PORT}"), bind(""),
                               describe("P"), execute(), SYNC)
        assert kinds(messages) == "12TDCZ", messages
        console.close()
        client.close()


def test_explain_route_waits_for_the_functions_of_a_database(world):
    with Cluster(world) as cluster:
        weir = cluster.start()
        wait_until("the roles are known", lambda: "replica" in weir.console(
            "show hosts"))
        assert explain(weir, PORT)[1] == "read"


def test_a_batch_is_a_read_only_if_all_of_it_is(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        is_ready(cluster, client)
        read = (parse("", PORT), bind(""), execute())
        write = (parse("", "insert into t values (1)"), bind(""), execute())
        before = routes(weir)
        messages = client.ask(*read, *write, SYNC)
        assert error_of(messages) is None, messages
        assert row([b for k, b in messages if k == "D"][0])[0] == primary
        now = routes(weir)
        assert now["primary", "not_read"] == \
            before.get(("primary", "not_read"), 0) + 1
        # What comes behind a Flush is not known yet.
        client.send(*read, FLUSH)
        while client.read()[0] != "C":
            pass
        messages = client.ask(*write, SYNC)
        assert error_of(messages) is None, messages
        assert routes(weir)["primary", "batch"] == \
            before.get(("primary", "batch"), 0) + 1
        assert ("primary", "healed") not in routes(weir)
        client.close()


def test_reads_that_could_not_go_to_a_replica_are_counted_with_why(world):
    with Cluster(world) as cluster:
        for node in cluster.nodes[1:]:
            node.sql("alter system set recovery_min_apply_delay = '10min'")
            node.sql("select pg_reload_conf()")
        weir = cluster.start()
        client = Client(weir.port, user="postgres")
        is_ready(cluster, client)
        client.ask(query("create table t (a int)"))
        wait_until("the functions are known again", lambda: explain(
            weir, PORT)[1] == "read")
        client.one(PORT)
        assert routes(weir)["primary", "behind"] >= 1
        for node in cluster.nodes[1:]:
            node.stop("immediate")
        wait_until("no replica is there", lambda: "replica" not in [
            line.split("|")[5] for line in weir.console(
                "show hosts").split("\n")] and weir.console(
                    "show hosts").count("|read|") == 0)
        other = Client(weir.port, user="postgres", options="-c "
                       "pgweir.route=replica")
        assert other.one(PORT) == str(cluster.nodes[0].port)
        assert routes(weir)["primary", "no_replica"] >= 1
        other.close()
        client.close()


def test_the_metrics_count_routes_by_database_target_and_reason(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, OPTIONS)
        client.ask(query("create table t (a int)"))
        found = metrics(weir)
        assert value(found, "pgweir_routes_total", database="app",
                     target="primary", reason="not_read") == 1
        assert value(found, "pgweir_routes_total", database="app",
                     target="replica", reason="read") == \
            routes(weir)["replica", "read"]
        client.close()


def test_a_client_chooses_its_route_in_the_extended_protocol_too(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)

        def extended(text):
            return client.ask(parse("", text), bind(""), describe("P"),
                              execute(), SYNC)

        def shown(messages):
            return [row(b)[0] for k, b in messages if k == "D"]

        assert kinds(extended("show pgweir.route")) == "12TDCZ"
        assert shown(extended("show pgweir.route")) == ["split"]
        messages = extended("set pgweir.route = 'primary'")
        assert kinds(messages) == "12nCZ", messages
        assert client.one("show pgweir.route") == "primary"
        assert client.one(PORT) == primary
        assert kinds(extended("set pgweir.route to replica")) == "12nCZ"
        assert shown(extended("show pgweir.route")) == ["replica"]
        assert client.one(PORT) != primary
        error = error_of(extended("set pgweir.route = 'nowhere'"))
        assert error is None or error["C"] == "22023", error
        # As pools of drivers end a session.
        for reset in ("reset all", "select pg_advisory_unlock_all(); close "
                      "all; unlisten *; RESET ALL;", "discard all"):
            client.rows("set pgweir.route = replica")
            assert client.one("show pgweir.route") == "replica"
            client.rows(reset)
            assert client.one("show pgweir.route") == "split", reset
        client.rows("set pgweir.route = replica")
        assert error_of(extended("reset all")) is None
        assert client.one("show pgweir.route") == "split"
        client.close()
        client = Client(weir.port, user="postgres",
                        options="-c pgweir.route=primary")
        assert shown(extended("show pgweir.route")) == ["primary"]
        assert kinds(extended("set pgweir.route = split")) == "12nCZ"
        wait_until("it reads elsewhere", lambda: client.one(PORT) != primary)
        assert kinds(extended("reset pgweir.route")) == "12nCZ"
        assert shown(extended("show pgweir.route")) == ["primary"]
        assert client.one(PORT) == primary
        # Prepared, and in the middle of a transaction.
        messages = client.ask(parse("r", "set pgweir.route = 'replica'"),
                              SYNC)
        assert kinds(messages) == "1Z", messages
        messages = client.ask(parse("s", "show pgweir.route"),
                              describe("S", "s"), SYNC)
        assert kinds(messages) == "1tTZ", messages
        client.ask(query("begin"))
        client.ask(query("create table t2 (a int)"))
        messages = client.ask(bind("r"), execute(), SYNC)
        assert kinds(messages) == "2CZ" and messages[-1][1] == b"T"
        messages = client.ask(bind("s"), describe("P"), execute(), SYNC)
        assert kinds(messages) == "2TDCZ", messages
        assert shown(messages) == ["replica"]
        client.ask(query("rollback"))
        assert client.one(PORT) != primary
        # The session is as new, and so is this.
        client.ask(query("discard all"))
        assert client.one("show pgweir.route") == "primary"
        # Nobody is tied to a server by any of it.
        assert "custom" not in weir.console("show clients")
        client.close()
