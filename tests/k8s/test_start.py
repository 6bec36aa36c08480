"""The StatefulSet's scripts with a real PostgreSQL: three members in a network
namespace of their own, whose /etc/hosts names the "pods" that exist."""

import os
import shutil
import signal
import subprocess
import tempfile

from cluster import BIN, Skip, wait_until
from tools import K8S, need, slow

SCRIPTS = os.path.join(K8S, "postgres", "scripts")


def folders():
    """Where the processes of this machine are at home."""
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield os.readlink(f"/proc/{number}/cwd")
        except OSError:
            pass


class Group:
    """Members postgres-0, -1 and -2, each with a volume that outlives it."""
    case = "base"
    owner, database = "owner", "shop"
    passwords = {"POSTGRES_PASSWORD": "ad'min",
                 "POSTGRES_REPLICATION_PASSWORD": r"re:pl\ica",
                 "POOLER_PASSWORD": "pool er"}

    def __init__(self, tools):
        if os.getuid() != 0:
            raise Skip("a network namespace wants root")
        need("ip")
        self.tools = tools
        self.dir = tempfile.mkdtemp(prefix="group-", dir=tools.dir)
        self.space = f"pgweir-{os.getpid()}-{os.path.basename(self.dir)}"
        self.hosts = f"/etc/netns/{self.space}/hosts"
        os.makedirs(os.path.dirname(self.hosts))
        made = subprocess.run(["ip", "netns", "add", self.space],
                              capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(os.path.dirname(self.hosts))
            raise Skip("no network namespaces here: " + made.stderr)
        tools.at_end.append(self.close)
        subprocess.run(["ip", "-n", self.space, "link", "set", "lo", "up"],
                       check=True)
        self.running = {}
        self.write_hosts()
        self.config()
        self.volumes()

    def config(self):
        """The files of the ConfigMap and the Secret, as they are mounted."""
        for name, value in self.passwords.items():
            self.secret(name, value)
        os.makedirs(self.path("config"))
        for name in "postgresql.conf", "pg_hba.conf":
            with open(os.path.join(K8S, "postgres", name)) as f:
                text = f.read()
            if name == "postgresql.conf":
                text += "fsync = off\nshared_buffers = 16MB\n"
            with open(self.path("config", name), "w") as f:
                f.write(text)
        shutil.copytree(SCRIPTS, self.path("scripts"))

    def volumes(self):
        for i in range(3):
            for name in f"volume-{i}", f"run-{i}":
                os.makedirs(self.path(name), exist_ok=True)
                shutil.chown(self.path(name), "postgres", "postgres")
        os.chmod(self.dir, 0o755)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def secret(self, name, value):
        os.makedirs(self.path("secret"), exist_ok=True)
        with open(self.path("secret", name), "w") as f:
            f.write(value)

    def pooler(self, name="pooler", address="127.0.2.1", **more):
        """pgweir as the case configures it, at an address in the group."""
        case = self.tools.kustomize(self.case)
        data = next(d for d in case if d["kind"] == "ConfigMap"
                    and "pgweir.ini" in d["data"])["data"]
        folder = self.path(name)
        os.makedirs(folder)
        with open(os.path.join(folder, "users.txt"), "w") as f:
            with open(self.path("secret", "POOLER_PASSWORD")) as password:
                f.write(f'"pgweir" "{password.read()}"\n')
        for file, text in data.items():
            with open(os.path.join(folder, file), "w") as f:
                f.write(text.replace("/etc/pgweir-secret", folder))
        log = open(self.path(f"log-{name}"), "w")
        self.running[name] = subprocess.Popen(
            self.inside(self.tools.binary,
                        os.path.join(folder, "pgweir.ini")),
            stdout=log, stderr=log, cwd="/",
            env={"PATH": os.environ["PATH"],
                 "PGWEIR_LISTEN_ADDR": address, **more})
        wait_until("pgweir is ready\n", lambda:
                   "is ready" in self.log(name))

    def write_hosts(self):
        # In place: the file itself is mounted over /etc/hosts.
        with open(self.hosts, "w") as f:
            f.write("127.0.0.1 localhost\n")
            f.write("127.0.1.1 postgres-rw\n")
            for i in self.running:
                if isinstance(i, int):
                    f.write(f"127.0.1.{i + 1} postgres-{i}.postgres\n"
                            f"127.0.1.{i + 1} postgres\n")

    def environment(self, i, **more):
        return {"PATH": os.environ["PATH"], "POD_NAME": f"postgres-{i}",
                "REPLICAS": "3", "LC_ALL": "C.UTF-8", "HOME": self.dir,
                "PGDATA": self.path(f"volume-{i}", "postgres"),
                "SECRET_DIR": self.path("secret"),
                "CONFIG_DIR": self.path("config"),
                "SCRIPT_DIR": self.path("scripts"),
                "RUN_DIR": self.path(f"run-{i}"),
                "INITDB_ARGS": "--no-sync", "START_PAUSE": "0.2",
                "POSTGRES_ARGS": f"-c listen_addresses=127.0.1.{i + 1}",
                "POSTGRES_USER": self.owner, "POSTGRES_DB": self.database,
                **more}

    def inside(self, *command):
        return ["ip", "netns", "exec", self.space, "setpriv",
                "--reuid=postgres", "--regid=postgres", "--clear-groups",
                *command]

    def start(self, i, **more):
        """A pod appears under its name; its script becomes PostgreSQL."""
        self.running[i] = None
        self.write_hosts()
        log = open(self.path(f"log-{i}"), "a")
        self.running[i] = subprocess.Popen(
            self.inside("sh", os.path.join(SCRIPTS, "start.sh")),
            stdout=log, stderr=log, cwd="/",
            env=self.environment(i, **more))

    def started(self, i, role, **more):
        self.start(i, **more)
        self.wait(i, f"is {role}", lambda: self.role(i) == role)

    def end(self, i, number=signal.SIGINT, is_gone=True):
        process = self.running.pop(i)
        process.send_signal(number)
        process.wait(60)
        if is_gone:
            self.write_hosts()
        if number == signal.SIGKILL:
            # The postmaster's children notice by themselves.
            volume = self.path(f"volume-{i}", "postgres")
            wait_until("all of PostgreSQL is gone",
                       lambda: volume not in folders())

    def script(self, i, name, *arguments):
        return subprocess.run(
            self.inside("sh", os.path.join(SCRIPTS, name), *arguments),
            capture_output=True, text=True, cwd="/", timeout=60,
            env=self.environment(i))

    def psql(self, i, text, **more):
        info = {"host": self.path(f"run-{i}"), "user": self.owner,
                "dbname": self.database, **more}
        words = " ".join(f"{k}='{v}'" for k, v in info.items())
        return subprocess.run(
            self.inside("psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d",
                        words, "-c", text),
            capture_output=True, text=True, cwd="/", timeout=60,
            env=self.environment(i))

    def sql(self, i, text):
        done = self.psql(i, text)
        return done.stdout.strip() if done.returncode == 0 else None

    def role(self, i):
        recovery = self.sql(i, "select pg_is_in_recovery()")
        return {"f": "primary", "t": "replica"}.get(recovery)

    def has(self, i, text, value):
        self.wait(i, f"says {value} to {text}",
                  lambda: self.sql(i, text) == value)

    def wait(self, i, what, condition):
        try:
            wait_until(f"postgres-{i} {what}", condition)
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.log(i)[-3000:]}")

    def log(self, i):
        with open(self.path(f"log-{i}")) as f:
            return f.read()

    def ended(self, i):
        """The script gave up; what it said."""
        assert self.running.pop(i).wait(60) != 0
        self.write_hosts()
        return self.log(i)

    def three(self):
        self.started(0, "primary")
        self.started(1, "replica")
        self.started(2, "replica")

    def close(self):
        if not os.path.exists(self.hosts):
            return
        for i in list(self.running):
            if self.running[i].poll() is None:
                self.end(i)
        subprocess.run(["ip", "netns", "del", self.space], check=False)
        shutil.rmtree(os.path.dirname(self.hosts), ignore_errors=True)


def test_it_brings_up_a_primary_and_two_replicas(tools):
    group = Group(tools)
    group.three()
    group.sql(0, "create table t as select generate_series(1, 1000) n")
    for i in 1, 2:
        group.has(i, "select count(*) from t", "1000")
    group.has(0, "select string_agg(application_name || ' ' || state, ','"
              " order by 1) from pg_stat_replication",
              "postgres-1 streaming,postgres-2 streaming")
    group.close()


def test_over_the_network_every_role_needs_its_password(tools):
    group = Group(tools)
    group.started(0, "primary")
    for user, password, database in (("owner", r"ad\'min", "shop"),
                                     ("replicator", r"re:pl\\ica",
                                      "postgres"),
                                     ("pgweir", "pool er", "postgres")):
        more = {"host": "postgres-0.postgres", "user": user,
                "dbname": database}
        assert group.psql(0, "select 1", **more, password=password
                          ).stdout == "1\n", (user, group.log(0))
        refused = group.psql(0, "select 1", **more, password="wrong")
        assert "password authentication failed" in refused.stderr
    group.close()


def test_no_password_stands_in_a_log_a_setting_or_a_command_line(tools):
    group = Group(tools)
    group.three()
    seen = "".join(group.log(i) for i in range(3))
    seen += group.sql(1, "select string_agg(setting, ' ') from pg_settings")
    seen += subprocess.run(["ps", "axww"], capture_output=True,
                           text=True).stdout
    for password in "ad'min", r"re:pl\ica", "pool er":
        assert password not in seen
    group.close()


def test_the_poolers_role_learns_secrets_of_logins_and_nothing_else(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.sql(0, "create role app login password 'x'; create table t ()")
    pooler = {"host": "postgres-0.postgres", "user": "pgweir",
              "dbname": "postgres", "password": "pool er"}

    def ask(text):
        return group.psql(0, text, **pooler)

    rows = ask("select rolname, rolpassword ~ '^SCRAM-SHA-256'"
               " from pooler.secret('app')").stdout
    assert rows == "app|t\n", rows
    assert ask("select * from pooler.secret('replicator')").stdout == ""
    assert "permission denied" in ask("select * from pg_authid").stderr
    other = group.psql(0, "select * from pooler.secret('owner')",
                       host="postgres-0.postgres", user="app",
                       dbname="postgres", password="x")
    assert "permission denied" in other.stderr
    group.close()


def test_applications_log_in_through_the_pooler_with_their_passwords(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.sql(0, "create role reader login password 'r\\ead'")
    group.pooler()

    def ask(user, password, mode="require"):
        return group.psql(0, "select current_user, current_database()",
                          host="127.0.2.1", user=user, password=password,
                          sslmode=mode)

    for user, password in ("owner", r"ad\'min"), ("reader", r"r\\ead"):
        done = ask(user, password)
        assert done.stdout == f"{user}|shop\n", \
            done.stderr + group.log("pooler")
    for user in "owner", "replicator", "nobody":
        assert "password authentication failed" in ask(user, "x").stderr
    group.close()


def test_the_pooler_finds_the_primary_also_after_a_failover(tools):
    group = Group(tools)
    group.three()
    group.sql(0, "create table t (n int)")
    group.pooler()

    def write():
        done = group.psql(0, "insert into t values (1) returning"
                          " inet_server_addr()", host="127.0.2.1",
                          user="owner", password=r"ad\'min")
        return done.stdout.strip() or done.stderr

    group.wait("pooler", "writes", lambda: write() == "127.0.1.1")
    group.end(0, signal.SIGKILL)
    assert group.script(1, "promote.sh").returncode == 0
    group.wait("pooler", "writes to the new primary",
               lambda: write() == "127.0.1.2")
    group.started(0, "replica")
    assert write() == "127.0.1.2"
    group.close()


@slow
def test_a_changed_password_is_taken_over_when_the_primary_restarts(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.end(0)
    group.secret("POOLER_PASSWORD", "rotated")
    group.started(0, "primary")
    assert group.psql(0, "select 1", host="postgres-0.postgres",
                      user="pgweir", dbname="postgres",
                      password="rotated").stdout == "1\n"
    group.close()


def test_after_a_failover_replicas_follow_and_the_old_primary_rejoins(tools):
    group = Group(tools)
    group.three()
    group.sql(0, "create table t (n int); insert into t values (1)")
    for i in 1, 2:
        group.has(i, "select count(*) from t", "1")
    group.end(0, signal.SIGKILL)
    done = group.script(1, "promote.sh")
    assert done.returncode == 0, done.stderr
    assert "kubectl patch service postgres-rw" in done.stderr
    group.sql(1, "insert into t values (2)")
    group.has(2, "select count(*) from t", "2")
    group.started(0, "replica")
    assert "rejoined" in group.log(0)
    group.has(0, "select count(*) from t", "2")
    group.sql(1, "insert into t values (3)")
    group.has(0, "select count(*) from t", "3")
    group.close()


@slow
def test_writes_that_nobody_received_do_not_stop_the_old_primary(tools):
    group = Group(tools)
    group.three()
    group.sql(0, "create table t (n int)")
    group.has(1, "select count(*) from t", "0")
    group.end(1)
    group.sql(0, "insert into t select generate_series(1, 5000)")
    group.end(0, signal.SIGKILL)
    group.end(2)
    group.started(1, "replica")
    group.script(1, "promote.sh")
    group.sql(1, "insert into t values (7)")
    for i in 0, 2:
        group.started(i, "replica")
        group.has(i, "select count(*) from t", "1")
    group.close()


def test_a_switchover_loses_nothing(tools):
    group = Group(tools)
    group.three()
    group.sql(0, "create table t as select generate_series(1, 5000) n")
    process = group.running[0]
    done = group.script(0, "demote.sh")
    assert done.returncode == 0, done.stderr
    assert process.wait(30) == 0
    group.running.pop(0)
    group.start(0)
    group.wait(0, "waits", lambda: "demoted, and nobody" in group.log(0))
    done = group.script(1, "promote.sh")
    assert done.returncode == 0, done.stderr
    group.wait(0, "is replica", lambda: group.role(0) == "replica")
    assert "copying" not in group.log(0), group.log(0)
    for i in 0, 2:
        group.has(i, "select count(*) from t", "5000")
    group.sql(1, "insert into t values (1)")
    group.has(0, "select count(*) from t", "5001")
    group.close()


def test_promoting_is_refused_while_there_is_a_primary(tools):
    group = Group(tools)
    group.three()
    done = group.script(2, "promote.sh")
    assert done.returncode == 1
    assert "postgres-0.postgres is primary" in done.stderr
    assert group.role(2) == "replica"
    group.close()


@slow
def test_promoting_is_refused_while_another_replica_has_more(tools):
    group = Group(tools)
    group.three()
    group.end(1)
    group.sql(0, "create table t as select generate_series(1, 5000)")
    group.has(2, "select count(*) from t", "5000")
    group.end(0, signal.SIGKILL)
    group.started(1, "replica")
    done = group.script(1, "promote.sh")
    assert done.returncode == 1
    assert "postgres-2.postgres has received more" in done.stderr
    assert group.script(2, "promote.sh").returncode == 0
    group.close()


def test_a_replaced_primary_is_not_alive_and_a_healthy_one_is(tools):
    group = Group(tools)
    group.three()
    for i in range(3):
        assert group.script(i, "alive.sh").returncode == 0
    assert group.script(1, "promote.sh", "--force").returncode == 0
    assert group.script(1, "alive.sh").returncode == 0
    done = group.script(0, "alive.sh")
    assert done.returncode == 1, done.stderr
    assert "postgres-1.postgres is primary on timeline 2" in done.stderr
    group.end(0)
    group.started(0, "replica")
    group.close()


@slow
def test_a_replica_whose_wal_is_gone_is_copied_again(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.started(1, "replica")
    group.end(1)
    group.sql(0, "alter system set wal_keep_size = 0")
    group.sql(0, "alter system set max_wal_size = '32MB'")
    config = group.path("config", "postgresql.conf")
    with open(config, "a") as f:
        f.write("wal_keep_size = 0\nmin_wal_size = 32MB\n")
    group.sql(0, "select pg_reload_conf()")
    group.sql(0, "create table t as select generate_series(1, 1000) n")
    for _ in range(4):
        group.sql(0, "insert into t select generate_series(1, 1000)")
        group.sql(0, "select pg_switch_wal()")
        group.sql(0, "checkpoint")
    group.started(1, "replica")
    assert group.log(1).count("copying") == 2, group.log(1)
    group.has(1, "select count(*) from t", "5000")
    group.close()


@slow
def test_the_whole_group_comes_back_with_the_primary_it_had(tools):
    group = Group(tools)
    group.three()
    group.end(0)
    assert group.script(2, "promote.sh").returncode == 0
    group.started(0, "replica")
    group.sql(2, "create table t as select 1 n")
    group.has(0, "select n from t", "1")
    for i in 2, 1, 0:
        group.end(i)
    group.started(0, "replica")
    group.started(1, "replica")
    group.started(2, "primary")
    group.sql(2, "insert into t values (2)")
    group.has(0, "select count(*) from t", "2")
    group.close()


@slow
def test_an_old_primary_does_not_start_while_a_replica_is_further(tools):
    group = Group(tools)
    group.three()
    group.end(0, signal.SIGKILL)
    assert group.script(1, "promote.sh").returncode == 0
    # Its control file still tells the old one.
    group.has(2, "select received_tli from pg_stat_wal_receiver", "2")
    group.end(1, signal.SIGKILL)
    group.start(0, START_ATTEMPTS="3")
    assert "a replica is on timeline 2" in group.ended(0)
    group.close()


def test_a_primary_that_dies_before_its_first_checkpoint_comes_back(tools):
    group = Group(tools)
    group.three()
    # That checkpoint takes its time for so many pages.
    group.sql(0, "create table t as select generate_series(1, 100000) as n")
    group.has(1, "select count(*) from t", "100000")
    group.end(0, signal.SIGKILL)
    assert group.sql(1, "select pg_promote(true, 60)") == "t"
    group.has(2, "select received_tli from pg_stat_wal_receiver", "2")
    assert group.sql(1, "select timeline_id from pg_control_checkpoint()") == "1"
    group.end(1, signal.SIGKILL)
    group.started(1, "primary")
    group.close()


def test_a_new_cluster_is_made_only_where_no_peer_exists(tools):
    group = Group(tools)
    group.three()
    group.end(0)
    shutil.rmtree(group.path("volume-0", "postgres"))
    group.start(0, START_ATTEMPTS="2")
    assert "none of them is primary" in group.ended(0)
    assert not os.path.exists(group.path("volume-0", "postgres"))
    group.close()


def test_data_that_another_image_made_is_gone_on_with_or_left_alone(tools):
    group = Group(tools)
    volume = group.path("volume-0")
    subprocess.run(group.inside(f"{BIN}/initdb", "--no-sync", "-U",
                                group.owner, "-D", f"{volume}/pgdata"),
                   check=True, capture_output=True, cwd="/")

    def refuses(folder):
        group.start(0)
        assert f"{folder} in this volume has data" in group.ended(0)

    refuses(f"{volume}/pgdata")
    os.rmdir(group.path("volume-2"))
    os.rename(f"{volume}/pgdata", group.path("volume-2"))
    os.rmdir(volume)
    os.rename(group.path("volume-2"), volume)
    refuses(volume)
    # Where the document of the petstore has it.
    os.rename(volume, group.path("volume-2"))
    group.volumes()
    os.rename(group.path("volume-2"), f"{volume}/postgres")
    group.started(0, "primary")
    assert "making" not in group.log(0)
    group.started(1, "replica")
    group.close()


def test_data_of_another_system_is_not_touched(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.started(1, "replica")
    group.end(1)
    volume = group.path("volume-1", "postgres")
    shutil.rmtree(volume)
    subprocess.run(group.inside(f"{BIN}/initdb", "--no-sync", "-D", volume),
                   check=True, capture_output=True, cwd="/")
    group.start(1)
    assert "is another system" in group.ended(1)
    assert os.path.exists(os.path.join(volume, "PG_VERSION"))
    group.close()


@slow
def test_an_interrupted_rejoin_ends_in_a_new_copy(tools):
    group = Group(tools)
    group.started(0, "primary")
    group.started(1, "replica")
    group.end(1)
    open(group.path("volume-1", "postgres.rejoining"), "w").close()
    os.remove(group.path("volume-1", "postgres", "standby.signal"))
    group.end(0)
    group.start(1, START_ATTEMPTS="2")
    assert "a rejoin was interrupted" in group.ended(1)
    group.started(0, "primary")
    group.started(1, "replica")
    assert group.log(1).count("copying") == 2, group.log(1)
    group.close()
