"""Several hosts: who is the primary, and where statements go."""

import resource
import socket
import struct
import threading

from cluster import Cluster, Failed, psql_run, wait_until
from wire import Client, startup

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
        for value, expected in (("primary", ports[:1]), ("split", ports),
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
            assert weir.sql("select pg_is_in_recovery()",
                            target_session_attrs=attrs) == "f"
        assert weir.sql("show transaction_read_only") == "off"


def test_a_pgbouncer_file_goes_round_its_hosts(world):
    with Cluster(world, replicas=1) as cluster:
        weir = world.start(databases=f"app = {cluster.hosts()}",
                           section="pgbouncer")
        ports = {n.port for n in cluster.nodes}
        seen = [port_of(weir) for _ in range(8)]
        assert set(seen) == ports, seen
        cluster.nodes[1].stop()
        wait_until("it is down", lambda: " is down" in weir.text())
        assert {port_of(weir) for _ in range(8)} == {cluster.nodes[0].port}


def test_without_load_balance_hosts_the_next_host_is_for_when_one_fails(world):
    with Cluster(world, replicas=1) as cluster:
        first, second = (node.port for node in cluster.nodes)
        weir = world.start(databases=f"app = {cluster.hosts()} "
                           "load_balance_hosts=disable\n"
                           f"turns = {cluster.hosts()} dbname=app "
                           "load_balance_hosts=round-robin",
                           section="pgbouncer")
        assert {port_of(weir) for _ in range(6)} == {first}
        assert {port_of(weir, dbname="turns") for _ in range(6)} == \
            {first, second}
        rows = [line.split("|") for line in
                weir.console("show databases").splitlines()]
        assert {row[0]: row[10] for row in rows if row[0] in
                ("app", "turns")} == {"app": "disable",
                                      "turns": "round-robin"}, rows
        cluster.nodes[0].stop()
        wait_until("it is down", lambda: " is down" in weir.text())
        assert {port_of(weir) for _ in range(6)} == {second}
        weir.write(world.config(databases=f"app = {cluster.hosts()} "
                                "load_balance_hosts=random",
                                section="pgbouncer"))
        try:
            weir.console("reload")
        except Failed as error:
            assert "load_balance_hosts=random is not possible" in str(error)
        else:
            raise AssertionError("random was taken")


def test_a_host_that_is_first_in_order_is_waited_for_until_it_is_heard(world):
    with Cluster(world, replicas=1) as cluster:
        first = cluster.nodes[0]
        first.freeze()
        try:
            weir = world.start(
                "role_check_timeout = 60s\nserver_connect_timeout = 60s",
                f"app = {cluster.hosts()} load_balance_hosts=disable",
                section="pgbouncer")
            wait_until("the other is heard", lambda: "|replica|up|reads|"
                       in weir.console("show hosts"))
            client = Client(weir.port, connect=False)
            client.send(startup(user="postgres", database="app"))
            wait_until("it waits", lambda: any(
                line.split("|")[3] == "1"
                for line in weir.console("show pools").splitlines()
                if line.startswith("app|")))
        finally:
            first.thaw()
        client.until_ready()
        assert client.one(PORT) == str(first.port)


def test_hosts_that_a_reload_adds_and_takes_away_count_at_once(world):
    with Cluster(world, replicas=1) as cluster:
        primary, replica = cluster.nodes
        one = f"app = host=127.0.0.1 port={primary.port}"
        weir = world.start("role_check_interval = 100ms", one)
        client = Client(weir.port, user="postgres", options="-c pgweir.route=replica")
        assert client.one(PORT) == str(primary.port)
        for databases, expected in ((f"app = {cluster.hosts()}", replica),
                                    (one, primary)):
            weir.write(world.config("role_check_interval = 100ms",
                                    databases))
            weir.console("reload")
            wait_until("it is served elsewhere", lambda: client.one(
                PORT) == str(expected.port))
        wait_until("nobody is asked any more", lambda: primary.sql(
            "select count(*) from pg_stat_activity where application_name = "
            "'pgweir monitor'") == "0")


def test_every_host_is_asked_over_one_connection_as_monitor_user(world):
    with Cluster(world, replicas=1) as cluster:
        primary, replica = cluster.nodes
        primary.sql("create role watcher login password 'seen'")
        cluster.caught_up()
        for node in cluster.nodes:
            node.hba("local all all trust\n"
                     "host replication all all trust\n"
                     "host all watcher 127.0.0.1/32 scram-sha-256\n"
                     "host all all 127.0.0.1/32 trust\n")
        weir = cluster.start("monitor_user = watcher\n"
                             "monitor_password = seen\n")
        assert port_of(weir) == primary.port
        for node in cluster.nodes:
            wait_until("it is asked", lambda: node.sql(
                "select usename, count(*) from pg_stat_activity where "
                "application_name = 'pgweir monitor' group by 1") ==
                "watcher|1")
        assert "seen" not in weir.text() + weir.console("show config")


def test_an_error_that_tells_nothing_of_its_role_takes_no_host_its_role(world):
    with Cluster(world, replicas=1) as cluster:
        primary = cluster.nodes[0]
        primary.sql(["create role watcher login", "create table t (a int)"],
                    database="app")
        cluster.caught_up()
        weir = cluster.start("monitor_user = watcher\nfailover_wait = 1ms\n")
        client = Client(weir.port, user="postgres")
        console = Client(weir.port, database="pgweir", user="postgres")

        def hosts():
            return [r[3:6] for r in console.rows("show hosts")]

        def role(what):
            primary.sql(f"alter role watcher {what}")
            cluster.caught_up()

        def descriptors(most):
            _, hard = resource.prlimit(weir.process.pid,
                                       resource.RLIMIT_NOFILE)
            resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE,
                             (most or hard, hard))

        usual = [["primary", "up", "writes"], ["replica", "up", "reads"]]
        wait_until("they are known", lambda: hosts() == usual)
        wait_until("reads are split", lambda: int(client.one(PORT)) !=
                   primary.port)
        for change, value, back in ((role, "connection limit 0",
                                     "connection limit -1"),
                                    (role, "nologin", "login"),
                                    (descriptors, 3, None)):
            change(value)
            for node in cluster.nodes:
                node.sql("select pg_terminate_backend(pid) from "
                         "pg_stat_activity where usename = 'watcher'")
            wait_until("nobody can ask", lambda: all(
                h[1] != "up" for h in hosts()))
            for _ in range(30):
                client.rows("insert into t values (1)")
                assert [h[2] for h in hosts()] == ["writes", "reads"], value
            change(back)
            wait_until("they are asked again", lambda: hosts() == usual)
        assert "lost" not in weir.text()


def test_a_monitor_that_cannot_log_in_is_named_to_the_client_at_once(world):
    with Cluster(world, replicas=1) as cluster:
        for node in cluster.nodes:
            node.hba("host replication all all trust\n"
                     "host all app 127.0.0.1/32 scram-sha-256\n"
                     "host all all 127.0.0.1/32 trust\n")
        weir = cluster.start("monitor_user = app\nfailover_wait = 60s")
        done = psql_run("select 1", port=weir.port, dbname="app")
        assert "no host can be asked" in done.stderr, done
        assert "\"app\"" in done.stderr, done
        # libpq cannot log in from a secret that is not plain.
        primary = cluster.nodes[0]
        primary.sql("create role app login password 'secret'")
        secret = primary.sql(
            "select rolpassword from pg_authid where rolname = 'app'")
        assert secret.startswith("SCRAM"), secret
        weir = cluster.start("auth_user = app\nfailover_wait = 60s",
                             users=f'"postgres" "pw"\n"app" "{secret}"\n')
        done = psql_run("select 1", port=weir.port, dbname="app")
        assert "no host can be asked" in done.stderr, done
        assert "set monitor_password" in done.stderr, done
        # With it, all is well.
        weir.write(open(weir.file).read() + "monitor_password = secret\n")
        weir.console("reload")
        wait_until("it can ask", lambda: psql_run(
            "select 1", port=weir.port, dbname="app").returncode == 0)
        assert primary.sql("select distinct usename from pg_stat_activity "
                           "where application_name = 'pgweir monitor'") == \
            "app"


class OldServer(threading.Thread):
    """In front of a PostgreSQL: it does not tell in_hot_standby, as those
    before 14 do not, and keeps what it was asked."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.queries = []
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for one, other, edit in ((client, server, self.note),
                                     (server, client, self.strip)):
                threading.Thread(target=self.carry, daemon=True,
                                 args=(one, other, edit)).start()

    @staticmethod
    def carry(one, other, edit):
        data = b""
        try:
            while more := one.recv(65536):
                data = edit(data + more, other)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def note(self, data, server):
        if b"pg_is_in_recovery" in data or b"pgweir_monitor" in data:
            self.queries.append(data)
        server.sendall(data)
        return b""

    @staticmethod
    def strip(data, client):
        while data[:1] in (b"N",) and len(data) == 1 or len(data) >= 5:
            if data[:1] == b"N" and len(data) == 1:
                client.sendall(data)
                return b""
            length, = struct.unpack(">I", data[1:5])
            if len(data) <= length:
                break
            if b"in_hot_standby" not in data[:length + 1]:
                client.sendall(data[:length + 1])
            data = data[length + 1:]
        return data


def test_a_server_that_does_not_tell_its_role_is_asked_before_its_first_use(world):
    with Cluster(world, replicas=1) as cluster:
        primary, replica = cluster.nodes
        old = OldServer(primary.port)
        weir = world.start(
            "role_check_interval = 100ms",
            f"app = host=127.0.0.1,127.0.0.1 port={old.port},{replica.port}")
        assert port_of(weir) == primary.port
        asked = [q for q in old.queries
                 if q.startswith(b"Q") and b"pg_catalog.pg_is_in" in q]
        assert len(asked) == 1, old.queries
        weir.sql("create table t (a int)")
