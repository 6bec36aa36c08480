"""What waiting does not heal, and connections that cannot be kept."""

import time

from cluster import Cluster, psql_run, wait_until
from wire import Client, error_of, query

# Far more than anything here takes; who waited for it would be seen.
WAIT = "failover_wait = 60s\nquery_wait_timeout = 60s\n"
SOON = 20


def at_once(weir, error, text="select 1", **more):
    start = time.monotonic()
    done = psql_run(text, port=weir.port,
                    **{"dbname": "app", "user": "app", **more})
    assert error in done.stderr, done
    assert time.monotonic() - start < SOON, done


def with_wrong_password(cluster):
    """Role app is asked for a password, and pgweir has another one."""
    cluster.nodes[0].sql("create role app login password 'right'")
    cluster.caught_up()
    for node in cluster.nodes:
        node.hba("host replication all all trust\n"
                 "host all app 127.0.0.1/32 scram-sha-256\n"
                 "host all all 127.0.0.1/32 trust\n")
    return cluster.start(WAIT, users='"postgres" "pw"\n"app" "wrong"\n')


def test_a_wrong_password_is_told_at_once_by_the_primary_and_by_replicas(world):
    with Cluster(world, replicas=1) as cluster:
        weir = with_wrong_password(cluster)
        at_once(weir, 'password authentication failed for user "app"')
        at_once(weir, 'password authentication failed for user "app"',
                env={"PGOPTIONS": "-c pgweir.route=replica"})


def test_a_wrong_password_is_told_at_once_while_there_is_no_primary(world):
    with Cluster(world, replicas=1) as cluster:
        weir = with_wrong_password(cluster)
        weir.sql("select 1")
        cluster.nodes[0].kill()
        wait_until("it is known", lambda: "has no primary" in weir.text())
        at_once(weir, 'password authentication failed for user "app"')
        at_once(weir, 'password authentication failed for user "app"',
                env={"PGOPTIONS": "-c pgweir.route=replica"})


def test_a_missing_database_is_told_at_once_while_there_is_no_primary(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start(WAIT + "[databases]\n"
                             f"none = {cluster.hosts()} dbname=missing\n")
        weir.sql("select 1")
        cluster.nodes[0].kill()
        wait_until("it is known", lambda: "has no primary" in weir.text())
        for text in ("select 1", "/* pgweir.route=replica */ select 1"):
            at_once(weir, 'database "missing" does not exist', text,
                    user="postgres", dbname="none")


def test_in_session_mode_a_client_holds_a_server_of_the_primary(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("pool_mode = session")
        client = Client(weir.port, user="postgres")
        where = "select inet_server_port(), pg_backend_pid()"
        wait_until("reads could be split", lambda: "session" in weir.console(
            f"explain route on app as postgres {where}"))
        seen = [client.rows(where)[0] for _ in range(3)]
        client.rows("begin read only")
        seen += client.rows(where)
        client.rows("commit")
        seen += client.rows(where)
        assert all(one == seen[0] for one in seen), seen
        assert seen[0][0] == str(cluster.nodes[0].port)


def test_in_session_mode_the_loss_of_its_server_is_told_in_words_and_ends_the_connection(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("pool_mode = session")
        for busy in (False, True):
            client = Client(weir.port, user="postgres")
            pid = client.one("select pg_backend_pid()")
            node = cluster.nodes[0]
            if busy:
                client.send(query("select pg_sleep(60)"))
                wait_until("it runs", lambda: node.sql(
                    "select count(*) from pg_stat_activity where query = "
                    "'select pg_sleep(60)' and state = 'active'") == "1")
            node.sql(f"select pg_terminate_backend({pid})")
            answer = client.until_ready()
            error = error_of(answer)
            assert error["S"] == "FATAL", answer
            # Why, and what to do.
            assert "connection" in error["M"], error
            assert client.read() is None


def test_in_session_mode_a_client_may_come_back_after_a_failover(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("pool_mode = session\nfailover_wait = 60s")
        client = Client(weir.port, user="postgres")
        client.rows("create table t (a int)")
        cluster.caught_up()
        cluster.nodes[0].kill()
        error = error_of(client.until_ready())
        assert error["S"] == "FATAL", error
        cluster.fail_over()
        again = Client(weir.port, user="postgres")
        again.rows("insert into t values (1)")
        assert again.one("select count(*) from t") == "1"
