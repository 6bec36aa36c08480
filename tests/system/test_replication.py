"""Replication connections: the client has a server of its own, and
PostgreSQL's own programs back up, archive, decode and follow through pgweir."""

import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile

from cluster import (BIN, Cluster, Node, Skip, psql, psql_run,
                     wait_until)
from wire import Client, error_of, kinds, message, query, row, startup

LOGICAL = "wal_level = logical"
SENDERS = ("select count(*) from pg_stat_activity where backend_type = "
           "'walsender'")


class Folder:
    """An empty folder that PostgreSQL's programs may write to."""

    def __init__(self, top):
        self.path = tempfile.mkdtemp(prefix="replication-", dir=top)
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.path, user.pw_uid, user.pw_gid)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Program:
    """One of PostgreSQL's programs, as the user postgres: a context manager
    that ends it."""

    def __init__(self, name, weir, *args, port=None, user="postgres"):
        command = [f"{BIN}/{name}", "-h", "127.0.0.1", "-p",
                   str(port or weir.port), "-U", user, *args]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres",
                       "--clear-groups", "--", *command]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd="/")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """What it said, once it has ended by itself."""
        text, _ = self.process.communicate(timeout=60)
        return self.process.returncode, text


def start(cluster, options="", auth_type="trust", **more):
    """Only the databases of the cluster: what the programs ask for, the
    database "replication", is none of them."""
    world = cluster.world
    config = world.config("role_check_interval = 100ms\n" + options,
                          f"app = {cluster.hosts()}\nother = "
                          f"{cluster.hosts()}")
    config = config.replace("auth_type = trust", f"auth_type = {auth_type}")
    return world.start(config="\n".join(
        line for line in config.splitlines() if not line.startswith("* =")),
        **more)


def run(name, weir, *args, **more):
    with Program(name, weir, *args, **more) as program:
        code, text = program.end()
        assert code == 0, text
        return text


def senders(node, count, what="true"):
    wait_until(f"there are {count} walsenders", lambda: node.sql(
        f"{SENDERS} and {what}") == str(count))


def logical(weir, text, **more):
    """Through psql, on a connection that can run SQL as well."""
    conninfo = {"host": "127.0.0.1", "port": weir.port, "dbname": "app",
                "replication": "database", **more}
    return psql(text, **conninfo)


def physical(port, **more):
    return Client(port, database="replication", user="postgres",
                  replication="true", **more)


def test_a_walsender_answers_its_own_commands_and_sql(world):
    with Cluster(world, 0, settings=LOGICAL) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        identity = logical(weir, "IDENTIFY_SYSTEM").split("|")
        assert identity[0] == node.sql(
            "select system_identifier from pg_control_system()")
        assert identity[3] == "app"
        # Simple queries of SQL, and their errors, on the same connection.
        assert logical(weir, ["IDENTIFY_SYSTEM", "select 6 * 7"]
                       ).endswith("42")
        failed = psql_run("selec", port=weir.port, dbname="app",
                          replication="database")
        assert "syntax error" in failed.stderr, failed.stderr
        assert logical(weir, "SHOW wal_level") == "logical"
        client = physical(weir.port)
        answer = client.ask(query("IDENTIFY_SYSTEM"))
        assert kinds(answer) == "TDCZ", kinds(answer)
        assert row(answer[1][1])[0] == identity[0]
        # No database: PostgreSQL's own refusal, and the connection lives on.
        refused = client.ask(query("select 1"))
        assert kinds(refused) == "EZ"
        assert kinds(client.ask(query("IDENTIFY_SYSTEM"))) == "TDCZ"


def test_startup_parameters_are_the_walsenders_own(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        client = physical(weir.port, application_name="copyist",
                          options="-c DateStyle=German -c wal_sender_timeout"
                          "=12345")
        assert client.parameters["application_name"] == "copyist"
        assert client.parameters["DateStyle"].startswith("German")
        answer = client.ask(query("SHOW wal_sender_timeout"))
        assert row(answer[1][1]) == ["12345ms"]
        # Nobody else is told of it.
        other = Client(weir.port, user="postgres")
        assert other.parameters.get("application_name") != "copyist"
        assert other.parameters["DateStyle"] == "ISO, MDY"
        bad = Client(weir.port, connect=False)
        error = error_of(bad.login("postgres", "app", replication="true",
                                   options="-c no_such_thing=1"))
        assert error["C"] == "42704", error
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "app", replication="perhaps"))
        assert error["C"] == "22023" and "replication" in error["M"], error
        # What says no to replication is a client like any other.
        plain = Client(weir.port, user="postgres", replication="off")
        assert plain.one("select 1") == "1"


def test_pg_basebackup_streams_a_backup_that_starts(world):
    with Cluster(world, 0) as cluster, Folder(world.top) as folder:
        weir = start(cluster, "default_pool_size = 1")
        node = cluster.nodes[0]
        node.sql("create table kept as select generate_series(1, 1000) n",
                 database="app")
        target = os.path.join(folder, "backup")
        text = run("pg_basebackup", weir, "-D", target, "-X", "stream", "-c",
                   "fast", "--no-sync", "-v")
        assert "base backup completed" in text, text
        assert node.sql("select count(*) from pg_stat_activity where "
                        "backend_type = 'walsender'") == "0"
        backup = Node(folder, "backup")
        backup.append("postgresql.auto.conf", f"port = {backup.port}\n")
        backup.start()
        try:
            assert backup.sql("select count(*) from kept",
                              database="app") == "1000"
        finally:
            backup.stop("immediate")


def test_pg_receivewal_archives_what_is_written(world):
    with Cluster(world, 0) as cluster, Folder(world.top) as folder:
        weir = start(cluster)
        node = cluster.nodes[0]
        run("pg_receivewal", weir, "--create-slot", "-S", "archive")
        with Program("pg_receivewal", weir, "-D", folder, "-S", "archive",
                     "-s", "1", "--no-loop",
                     "--synchronous") as program:
            senders(node, 1)
            node.sql(["create table t as select generate_series(1, 200000)",
                      "select pg_switch_wal()"], database="app")
            lsn = node.sql("select pg_current_wal_lsn()")
            wait_until("the archive has it", lambda: node.sql(
                f"select restart_lsn >= '{lsn}' from pg_replication_slots")
                == "t")
            whole = [f for f in os.listdir(folder) if len(f) == 24]
            assert whole, os.listdir(folder)
            with open(os.path.join(node.dir, "pg_wal", whole[0]), "rb") as a:
                with open(os.path.join(folder, whole[0]), "rb") as b:
                    assert a.read() == b.read()
            program.process.send_signal(signal.SIGINT)
            assert program.end()[0] == 0
        senders(node, 0)


def test_pg_recvlogical_decodes_what_is_written(world):
    with Cluster(world, 0, settings=LOGICAL) as cluster, \
            Folder(world.top) as folder:
        weir = start(cluster)
        node = cluster.nodes[0]
        node.sql("create table t (n int primary key)", database="app")
        slot = ["-d", "app", "-S", "decoded"]
        run("pg_recvlogical", weir, *slot, "--create-slot", "-P",
            "test_decoding")
        out = os.path.join(folder, "out")
        with Program("pg_recvlogical", weir, *slot, "--start", "--no-loop",
                     "-f", out, "-F", "0") as program:
            senders(node, 1)
            assert weir.console("show servers").count("|logical|") == 1
            # Through the pooler as well, on another connection.
            weir.sql("insert into t select generate_series(1, 500)")
            wait_until("it is decoded", lambda: os.path.exists(out) and
                       "n[integer]:500" in open(out).read())
            program.process.send_signal(signal.SIGINT)
            assert program.end()[0] == 0
        senders(node, 0)
        run("pg_recvlogical", weir, *slot, "--drop-slot")


def test_a_driver_follows_changes_and_confirms_them(world):
    try:
        import psycopg2
        from psycopg2.extras import LogicalReplicationConnection
    except ImportError as error:
        raise Skip(str(error)) from None
    with Cluster(world, 0, settings=LOGICAL) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        node.sql("create table t (n int primary key)", database="app")
        follower = psycopg2.connect(
            host="127.0.0.1", port=weir.port, dbname="app", user="postgres",
            connection_factory=LogicalReplicationConnection)
        cursor = follower.cursor()
        cursor.create_replication_slot("driven",
                                       output_plugin="test_decoding")
        cursor.start_replication("driven", decode=True)
        weir.sql("insert into t select generate_series(1, 3)",
                 user="postgres")
        heard = []
        while not heard or not heard[-1].startswith("COMMIT"):
            change = cursor.read_message()
            if change is None:
                select.select([cursor], [], [], 30)
                continue
            heard.append(change.payload)
            cursor.send_feedback(flush_lsn=change.data_start, reply=True)
        assert [h for h in heard if "INSERT" in h] == [
            f"table public.t: INSERT: n[integer]:{n}" for n in (1, 2, 3)]
        wait_until("PostgreSQL has heard of it", lambda: node.sql(
            "select confirmed_flush_lsn > restart_lsn from "
            "pg_replication_slots") == "t")
        follower.close()
        senders(node, 0)


def standby_of(weir, node, folder, **options):
    """A standby that was copied through pgweir, and streams through it."""
    target = os.path.join(folder, "standby")
    run("pg_basebackup", weir, "-D", target, "-X", "stream", "-c", "fast",
        "--no-sync", "-R")
    standby = Node(folder, "standby")
    standby.place()
    standby.append("postgresql.conf", "wal_retrieve_retry_interval = 100ms\n")
    standby.start()
    return standby


def written(node, n):
    node.sql(f"insert into t values ({n})", database="app")


def arrives(standby, n):
    wait_until(f"{n} is there", lambda: standby.sql(
        f"select count(*) from t where n = {n}", database="app") == "1")


def test_a_standby_streams_through_the_pooler_and_survives_a_restart(world):
    with Cluster(world, 0) as cluster, Folder(world.top) as folder:
        weir = start(cluster, "workers = 2")
        node = cluster.nodes[0]
        node.sql("create table t (n int)", database="app")
        standby = standby_of(weir, node, folder)
        try:
            senders(node, 1, "client_port is not null")
            written(node, 1)
            arrives(standby, 1)
            # A lot at once: neither side may run ahead of the other.
            node.sql("insert into t select generate_series(1000, 400000)",
                     database="app")
            written(node, 2)
            arrives(standby, 2)
            # A stop of the primary waits until the standby has it all.
            written(node, 3)
            node.stop("fast")
            arrives(standby, 3)
            node.start()
            written(node, 4)
            arrives(standby, 4)
        finally:
            standby.stop("immediate")


def test_show_says_who_replicates_and_why_it_has_a_server(world):
    with Cluster(world, 0, settings=LOGICAL) as cluster:
        weir = start(cluster, "default_pool_size = 1")
        one = physical(weir.port, application_name="copyist")
        two = Client(weir.port, user="postgres", replication="database")
        rows = [line.split("|") for line in
                weir.console("show clients").splitlines()]
        found = sorted(r[3:5] + [r[-1]] for r in rows if r[3] != "none")
        assert found == [["logical", "active", "replication"],
                         ["physical", "active", "replication"]], rows
        assert any("copyist" in r for r in rows), rows
        servers = [line.split("|") for line in
                   weir.console("show servers").splitlines()]
        assert sorted(r[3] for r in servers if r[3] != "none") == [
            "logical", "physical"], servers
        links = {r[14]: r[15] for r in rows if r[3] != "none"}
        assert {r[15]: r[14] for r in servers if r[3] != "none"} == links
        pins = weir.console("show pins")
        assert "|replication|2|0" in pins, pins
        # They stand beside the pool, which has its one server for others.
        assert Client(weir.port, user="postgres").one("select 1") == "1"
        one.close()
        two.close()
        wait_until("nobody replicates", lambda: "physical" not in
                   weir.console("show servers") and "logical" not in
                   weir.console("show servers"))


def test_a_killed_client_frees_its_walsender(world):
    with Cluster(world, 0) as cluster, Folder(world.top) as folder:
        weir = start(cluster)
        node = cluster.nodes[0]
        with Program("pg_receivewal", weir, "-D", folder,
                     "--no-sync") as program:
            senders(node, 1)
            program.process.kill()
            senders(node, 0)
        # Idle, too, and in the middle of its login.
        client = physical(weir.port)
        senders(node, 1)
        client.close()
        senders(node, 0)


def test_a_client_that_leaves_before_its_server_is_there_leaves_nothing(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster, "server_connect_timeout = 60s")
        node = cluster.nodes[0]
        assert weir.sql("select 1", user="postgres") == "1"
        os.kill(node.pid(), signal.SIGSTOP)
        try:
            clients = [Client(weir.port, connect=False) for _ in range(5)]
            for client in clients:
                client.send(startup(user="postgres", database="app",
                                    replication="true"),
                            query("IDENTIFY_SYSTEM"))
            wait_until("they wait", lambda: weir.console(
                "show clients").count("|physical|waiting|") == 5)
            for client in clients[1:]:
                client.close()
            wait_until("four have left", lambda: weir.console(
                "show clients").count("|physical|waiting|") == 1)
        finally:
            os.kill(node.pid(), signal.SIGCONT)
        # What was sent too early is not lost.
        assert kinds(clients[0].until_ready())[-1] == "Z"
        assert kinds(clients[0].until_ready()) == "TDCZ"
        senders(node, 1)
        wait_until("their servers are gone", lambda: weir.console(
            "show servers").count("|physical|") == 1)


def test_a_pause_holds_replication_back_until_resume(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        stays = physical(weir.port)
        # It is nobody's place in the pool: the pause does not wait for it.
        weir.console("pause app")
        waits = Client(weir.port, connect=False)
        waits.send(startup(user="postgres", database="app",
                           replication="true"))
        wait_until("it waits", lambda: "|physical|waiting|" in
                   weir.console("show clients"))
        assert kinds(stays.ask(query("IDENTIFY_SYSTEM"))) == "TDCZ"
        weir.console("resume app")
        assert kinds(waits.until_ready())[-1] == "Z"


def test_a_slow_reader_is_waited_for_and_gets_everything(world):
    """More than fits into all buffers on the way, read bit by bit."""
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        client = physical(weir.port)
        node.sql("create table big as select repeat('x', 500) from "
                 "generate_series(1, 60000)", database="app")
        client.send(query("BASE_BACKUP (CHECKPOINT 'fast', WAIT 0)"))

        def unsent():
            return max(int(line.split("|")[-3]) for line in weir.console(
                "show sockets").splitlines() if "|physical|" in line)

        wait_until("PostgreSQL waits", lambda: node.sql(
            f"{SENDERS} and wait_event = 'ClientWrite'") == "1" and unsent())
        assert unsent() < 512 * 1024, unsent()
        answer = client.until_ready()
        assert sum(len(b) for k, b in answer if k == "d") > 30000000
        assert "C" in kinds(answer[-5:]) and answer[-1][0] == "Z"


def test_a_drain_ends_streams_and_lets_commands_end(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster, "shutdown_timeout = 20s")
        node = cluster.nodes[0]
        node.sql("create table big as select generate_series(1, 300000) n",
                 database="app")
        streaming, idle, busy = [physical(weir.port) for _ in range(3)]
        identity = row(streaming.ask(query("IDENTIFY_SYSTEM"))[1][1])
        streaming.send(query(f"START_REPLICATION {identity[2]} TIMELINE 1"))
        assert streaming.read()[0] == "W"
        busy.send(query("BASE_BACKUP (CHECKPOINT 'fast', WAIT 0)"))
        kind = busy.read()[0]
        assert kind in "TNH", kind
        weir.signal(signal.SIGTERM)
        for client in idle, streaming:
            got = client.read()
            while got is not None and got[0] == "d":
                got = client.read()
            error = error_of([got])
            assert error["S"] == "FATAL" and error["C"] == "57P01", error
            assert client.read() is None
        answer = busy.until_ready()
        assert answer[-1][0] == "Z" or error_of(answer[-1:])["C"] == "57P01"
        assert "C" in kinds(answer), set(kinds(answer))
        while (got := busy.read()) is not None:
            assert error_of([got])["C"] == "57P01"
        assert weir.end() == 0
        senders(node, 0)


def test_a_drain_cuts_a_stream_at_the_end_of_a_message(world):
    """Also one that is full all the time: nothing is half told."""
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        begin = row(physical(weir.port).ask(
            query("IDENTIFY_SYSTEM"))[1][1])[2]
        node.sql("create table big as select repeat('x', 500) from "
                 "generate_series(1, 60000)", database="app")
        client = physical(weir.port)
        client.send(query(f"START_REPLICATION {begin} TIMELINE 1"))
        assert client.read()[0] == "W"
        assert client.read()[0] == "d"
        weir.signal(signal.SIGTERM)
        seen, size = None, 0
        while (got := client.read()) is not None:
            seen = got
            size += len(got[1])
        assert seen[0] == "E" and error_of([seen])["C"] == "57P01", seen[0]
        assert client.data == b"", "something was half told"
        assert size < 30000000, "it was not cut"
        assert weir.end() == 0


def test_a_full_limit_refuses_one_more_with_53300(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster, "max_db_connections = 2\nquery_wait_timeout = "
                             "500ms")
        node = cluster.nodes[0]
        first, second = physical(weir.port), physical(weir.port)
        third = Client(weir.port, connect=False)
        error = error_of(third.login("postgres", "app", replication="true"))
        assert error["C"] == "53300", error
        assert "max_db_connections" in error["M"], error
        assert "beside pool_size" in error["H"], error
        weir.console("set query_wait_timeout = 60")
        # A place that is given back is had at once by who waits.
        waits = Client(weir.port, connect=False)
        waits.send(startup(user="postgres", database="app",
                           replication="true"))
        first.close()
        assert kinds(waits.until_ready())[-1] == "Z"
        second.close()
        waits.close()
        # An idle server of a pool makes room.
        senders(node, 0)
        busy = [Client(weir.port, user="postgres") for _ in range(2)]
        for client in busy:
            client.ask(query("begin"))
        for client in busy:
            client.ask(query("commit"))
        assert kinds(physical(weir.port).ask(
            query("IDENTIFY_SYSTEM"))) == "TDCZ"


def test_postgresqls_own_refusals_are_told_as_they_are(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        node.sql("create role nobody login")
        with open(weir.users, "a") as f:
            f.write('"nobody" "pw"\n')
        weir.console("reload")
        for kind in "true", "database":
            error = error_of(Client(weir.port, connect=False).login(
                "nobody", "app", replication=kind))
            assert error["S"] == "FATAL" and error["C"] == "42501", error
            assert "replication" in error["M"], error
        # One more than max_wal_senders.
        many = [physical(weir.port) for _ in range(10)]
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "app", replication="true"))
        assert error["C"] == "53300" and "max_wal_senders" in error["M"]
        for client in many:
            client.close()


def test_pin_error_refuses_replication_and_counts_it(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster, "pin = error")
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "app", replication="true"))
        assert error["C"] == "0A000" and "pin = error" in error["M"], error
        assert "|replication|0|1" in weir.console("show pins")


def test_the_word_replication_in_the_hba_file_is_for_physical_alone(world):
    with Cluster(world, 0, settings=LOGICAL) as cluster:
        file = os.path.join(world.top, "replication.hba")

        def with_lines(lines):
            with open(file, "w") as f:
                f.write(lines)
            return start(cluster, f"auth_hba_file = {file}", auth_type="hba")

        weir = with_lines("host all all all trust\n")
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "replication", replication="true"))
        assert error["C"] == "28000", error
        assert 'into database "replication"' in error["M"], error
        assert Client(weir.port, user="postgres",
                      replication="database").one("select 1") == "1"
        weir = with_lines("host replication postgres 127.0.0.1/32 trust\n")
        assert kinds(physical(weir.port).ask(
            query("IDENTIFY_SYSTEM"))) == "TDCZ"
        for database, kind in (("app", "database"), ("replication", "off"),
                               ("app", "off")):
            error = error_of(Client(weir.port, connect=False).login(
                "postgres", database, replication=kind))
            assert error["C"] == "28000", error
        error = error_of(Client(weir.port, connect=False).login(
            "app", "replication", replication="true"))
        assert error["C"] == "28000", error
        # In quotes it is a database like any other.
        weir = with_lines('host "replication" all all trust\n')
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "replication", replication="true"))
        assert error["C"] == "28000", error


def test_it_is_the_primary_also_after_a_failover(world):
    with Cluster(world, 2) as cluster, Folder(world.top) as folder:
        weir = start(cluster)
        primary = cluster.nodes[0]

        def timeline(client):
            return row(client.ask(query("IDENTIFY_SYSTEM"))[1][1])[1]

        for _ in range(4):
            client = physical(weir.port)
            senders(primary, 3)
            client.close()
            senders(primary, 2)
        client = physical(weir.port)
        with Program("pg_receivewal", weir, "-D", folder, "--no-loop",
                     "--no-sync") as program:
            senders(primary, 4)
            primary.kill()
            new = cluster.fail_over()
            # Who streamed from the old one hears that it is gone.
            assert program.end()[0] != 0
        while client.read() is not None:
            pass
        # The next one waits for the new primary, if need be.
        assert timeline(physical(weir.port)) == "2"
        assert new.sql(SENDERS) != "0"


def test_route_replica_streams_from_one_replica(world):
    with Cluster(world, 2) as cluster:
        weir = start(cluster)
        primary, *replicas = cluster.nodes
        wait_until("the replicas are in use", lambda: weir.console(
            "show hosts").count("replica|up") == 2)
        clients = [physical(weir.port, options="-c pgweir.route=replica")
                   for _ in range(4)]
        assert primary.sql(SENDERS) == "2"
        assert sorted(n.sql(SENDERS) for n in replicas) == ["0", "4"]
        for client in clients:
            client.close()
        error = error_of(Client(weir.port, connect=False).login(
            "postgres", "app", replication="true",
            options="-c pgweir.route=nowhere"))
        assert error["C"] == "22023", error


def test_a_cancel_ends_the_command_of_a_walsender(world):
    with Cluster(world, 0, settings=LOGICAL) as cluster:
        weir = start(cluster)
        client = Client(weir.port, user="postgres", replication="database")
        client.send(query("select pg_sleep(600)"))
        wait_until("it sleeps", lambda: cluster.nodes[0].sql(
            "select count(*) from pg_stat_activity where wait_event = "
            "'PgSleep'") == "1")
        client.cancel(weir.port)
        answer = client.until_ready()
        assert error_of(answer)["C"] == "57014"
        assert client.one("select 1") == "1"


def test_a_client_that_breaks_the_protocol_loses_only_itself(world):
    with Cluster(world, 0) as cluster:
        weir = start(cluster)
        node = cluster.nodes[0]
        good = physical(weir.port)
        for rubbish in (b"Q\0\0\0\0", b"Q\xff\xff\xff\xff",
                        b"Q\0\0\0\3", b"d\x7f\xff\xff\xff"):
            bad = physical(weir.port)
            bad.send(rubbish)
            error = error_of(bad.until_ready())
            assert error["C"] == "08P01", error
            assert bad.read() is None
        # Byte by byte, it is a message like any other.
        for byte in query("IDENTIFY_SYSTEM"):
            good.send(bytes([byte]))
        assert kinds(good.until_ready()) == "TDCZ"
        # PostgreSQL's own words on what it does not allow here.
        answer = good.ask(message("P", b"\0select 1\0\0\0"), message("S"))
        assert kinds(answer) == "EZ", kinds(answer)
        assert kinds(good.ask(query("IDENTIFY_SYSTEM"))) == "TDCZ"
        senders(node, 1)


def test_replication_works_over_tls_and_with_scram(world):
    with Cluster(world, 0) as cluster:
        node = cluster.nodes[0]
        node.sql(["set password_encryption = 'scram-sha-256'",
                  "create role copier login replication password 'pw'"])
        with open(os.path.join(node.dir, "pg_hba.conf"), "r+") as f:
            text = f.read()
            f.seek(0)
            f.write("host replication copier all scram-sha-256\n"
                    "host all copier all scram-sha-256\n" + text)
        node.reload()
        weir = start(cluster, auth_type="scram-sha-256",
                     users='"postgres" "pw"\n"copier" "pw"\n')
        said = psql("IDENTIFY_SYSTEM", port=weir.port, user="copier",
                    dbname="replication", replication="true", password="pw",
                    sslmode="require")
        assert said.count("|") == 3, said
        failed = psql_run("IDENTIFY_SYSTEM", port=weir.port, user="copier",
                          dbname="replication", replication="true",
                          password="no", sslmode="require")
        assert "password authentication failed" in failed.stderr
