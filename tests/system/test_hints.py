"""What tells of a host's role between two questions of its monitor, and what
keeps it when the monitor is not answered."""

import signal

from cluster import Cluster, wait_until
from test_roles import OldServer
from wire import Client, error_of, kinds, query

# The monitors ask once, and then only when somebody sends them.
ONCE = ("role_check_interval = 1h\nread_your_writes = off\n"
        "failover_wait = 60s\n")


class Deaf(OldServer):
    """In front of a PostgreSQL: the monitor's questions get lost, if told."""

    is_deaf = False

    def __init__(self, port):
        self.lost = []
        super().__init__(port)

    def note(self, data, server):
        if self.is_deaf and (b"pg_is_in_recovery" in data or
                             b"pgweir_monitor" in data):
            self.lost.append((server, data))
            return b""
        return super().note(data, server)

    def hear(self):
        self.is_deaf = False
        for server, data in self.lost:
            server.sendall(data)

    @staticmethod
    def strip(data, client):
        client.sendall(data)
        return b""


def start(world, cluster, options, first=None):
    ports = [node.port for node in cluster.nodes]
    ports[0] = first or ports[0]
    return world.start(options, "app = host=" + ",".join(
        "127.0.0.1" for _ in ports) + " port=" + ",".join(map(str, ports)))


def test_a_promotion_is_seen_by_an_ordinary_connection_at_once(world):
    with Cluster(world, replicas=1) as cluster:
        weir = start(world, cluster, ONCE)
        old, new = cluster.nodes
        writer = Client(weir.port, user="postgres")
        writer.rows("create table t (a int)")
        cluster.caught_up()
        reader = Client(weir.port, user="postgres",
                        options="-c pgweir.route=replica")
        assert reader.one("select inet_server_port()") == str(new.port)
        old.kill()
        wait_until("it is known", lambda: "has no primary" in weir.text())
        new.promote()
        writer.send(query("insert into t values (1)"))
        assert reader.one("select inet_server_port()") == str(new.port)
        answer = writer.until_ready()
        assert kinds(answer) == "CZ", answer


def test_a_primary_that_refuses_to_write_is_asked_what_it_is_at_once(world):
    with Cluster(world, replicas=1) as cluster:
        counted = OldServer(cluster.nodes[0].port)
        weir = start(world, cluster, ONCE, counted.port)
        client = Client(weir.port, user="postgres")
        client.rows("create table t (a int)")
        client.rows("set default_transaction_read_only = on")
        before = len(counted.queries)
        error = error_of(client.ask(query("insert into t values (1)")))
        assert error["C"] == "25006", error
        wait_until("it is asked", lambda: len(counted.queries) > before)


def test_a_host_whose_monitor_is_not_answered_keeps_its_role_while_others_are(world):
    with Cluster(world, replicas=1) as cluster:
        deaf = Deaf(cluster.nodes[0].port)
        weir = start(world, cluster, "role_check_interval = 100ms\n"
                     "role_check_timeout = 2s\n", deaf.port)
        client = Client(weir.port, user="postgres")
        console = Client(weir.port, database="pgweir", user="postgres")
        client.rows("create table t (a int)")

        def host():
            return next(tuple(row[4:6]) for row in console.rows("show hosts")
                        if row[1] == str(deaf.port))

        def state():
            client.rows("insert into t values (1)")
            return host()

        wait_until("it is known", lambda: state() == ("up", "writes"))
        deaf.is_deaf = True
        wait_until("the monitor has given up", lambda: state()[0] != "up")
        for _ in range(20):
            assert state() == ("mute", "writes")
        # Nobody says anything any more.
        wait_until("it is taken for down", lambda: host()[0] == "down")
        deaf.is_deaf = False
        wait_until("it is back", lambda: host() == ("up", "writes"))
        client.rows("insert into t values (1)")


def test_a_primary_that_is_a_replica_before_anybody_looks_gets_no_write(world):
    with Cluster(world, replicas=1) as cluster:
        weir = start(world, cluster, "role_check_interval = 100ms\n")
        old, new = cluster.nodes
        clients = [Client(weir.port, user="postgres") for _ in range(3)]
        clients[0].rows("create table t (a int)")
        for client in clients:
            client.rows("begin")
            client.rows("insert into t values (0)")
        for client in clients:
            client.rows("commit")
        cluster.caught_up()
        # Both have changed places, on their addresses, while it was asleep.
        weir.signal(signal.SIGSTOP)
        try:
            for n, client in enumerate(clients, 1):
                client.send(query(f"insert into t values ({n})"))
            old.stop()
            new.promote()
            old.rejoin(new)
        finally:
            weir.signal(signal.SIGCONT)
        known = []
        for n, client in enumerate(clients, 1):
            error = error_of(client.until_ready())
            # It may have gone to a connection that was closed already.
            assert error is None or error["C"] == "08007", error
            known += [n] if error is None else []
            client.rows(f"insert into t values ({n + 10})")
            known.append(n + 10)
        found = [int(n) for n in new.sql(
            "select a from t where a > 0", database="app").split("\n")]
        assert sorted(found) == sorted(known), (found, known)


def test_however_many_write_the_primary_is_asked_by_one_question_at_a_time(world):
    with Cluster(world, replicas=1) as cluster:
        deaf = Deaf(cluster.nodes[0].port)
        weir = start(world, cluster, "role_check_interval = 100ms\n"
                     "role_check_timeout = 60s\n", deaf.port)
        clients = [Client(weir.port, user="postgres") for _ in range(10)]
        clients[0].rows("create table t (a int)")
        there = "select inet_server_port() from (select count(*) from t) c"
        wait_until("reads are split", lambda: int(clients[0].one(there)) !=
                   cluster.nodes[0].port)
        deaf.is_deaf = True
        wait_until("it is asked", lambda: deaf.lost)
        for _ in range(5):
            for client in clients:
                client.rows("insert into t values (1)")
                assert int(client.one(there)) == cluster.nodes[0].port
        assert len(deaf.lost) == 1, deaf.lost
        deaf.hear()
        for client in clients:
            wait_until("its answers count for all", lambda: int(
                client.one(there)) != cluster.nodes[0].port)


class Watched(OldServer):
    """In front of a PostgreSQL: tells logins and a monitor's questions."""

    def note(self, data, server):
        if b"user\0" in data:
            self.queries.append("login")
        elif b"pgweir_monitor" in data:
            self.queries.append("question")
        server.sendall(data)
        return b""

    strip = staticmethod(Deaf.strip)


def test_the_line_moves_with_the_first_question_that_a_new_primary_answers(world):
    with Cluster(world, replicas=1) as cluster:
        old, new = cluster.nodes
        watched = Watched(new.port)
        weir = world.start(
            "role_check_interval = 500ms\nrole_check_timeout = 60s\n"
            "failover_wait = 60s\n", "app = host=127.0.0.1,127.0.0.1 "
            f"port={old.port},{watched.port}")
        clients = [Client(weir.port, user="postgres") for _ in range(5)]
        clients[0].rows("create table t (a int)")
        cluster.caught_up()
        old.kill()
        wait_until("it is known", lambda: "has no primary" in weir.text())
        for client in clients:
            client.send(query("insert into t values (1)"))
        wait_until("it is asked meanwhile", lambda:
                   watched.queries[-2:] == ["question", "question"])
        new.promote()
        before = len(watched.queries)
        for client in clients:
            answer = client.until_ready()
            assert kinds(answer)[-2:] == "CZ", answer
        # One may have been on its way before.
        assert watched.queries[before:].index("login") <= 2, watched.queries
