"""A throwaway PostgreSQL and a pgweir in front of it.

Everything lives in one temporary directory, on ports that were free,
and is gone at the end.  PostgreSQL runs as the user postgres when started by
root.  Nothing here sleeps for a fixed time: what is waited for is an event
(a line in a log, an answer) with a generous limit.
"""

import concurrent.futures
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BIN = "/usr/lib/postgresql/15/bin"
# What Debian has under /usr/bin are scripts that take long to choose these.
os.environ["PATH"] = BIN + ":" + os.environ["PATH"]
LIMIT = 90
# The processes that run tests at the same time are forks of one.
DICE = random.SystemRandom()


def scratch():
    """Where directories of data are made and gone soonest: in memory, if there
    is room for several hosts and their logs."""
    try:
        room = os.statvfs("/dev/shm")
    except FileNotFoundError:
        return None
    return "/dev/shm" if room.f_bavail * room.f_frsize > 8 << 30 else None


def free_port():
    """None of those that the kernel gives to connections, which would take it
    before it is used."""
    while True:
        port = DICE.randrange(10240, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(what, condition, limit=LIMIT):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain until " + what)


class Postgres:
    def __init__(self, top):
        self.dir = os.path.join(top, "primary")
        self.sockets = top
        self.port = free_port()
        self.run("initdb", "-A", "trust", "--no-sync", "-U", "postgres",
                 "-D", self.dir)
        self.append("postgresql.conf", f"""
fsync = off
port = {self.port}
listen_addresses = '127.0.0.1,::1'
unix_socket_directories = '{self.sockets}'
max_connections = 200
shared_buffers = 64MB
""")
        self.start()

    def run(self, program, *args):
        command = [f"{BIN}/{program}", *args]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.STDOUT, cwd="/")

    def append(self, name, text):
        with open(os.path.join(self.dir, name), "a") as f:
            f.write(text)

    def start(self):
        self.run("pg_ctl", "-w", "-D", self.dir, "-l",
                 os.path.join(self.dir, "log"), "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-w", "-m", mode, "-D", self.dir, "stop")

    def reload(self):
        self.run("pg_ctl", "-D", self.dir, "reload")

    def hba(self, text):
        with open(os.path.join(self.dir, "pg_hba.conf"), "w") as f:
            f.write(text)
        self.reload()
        wait_until("PostgreSQL has read pg_hba.conf", lambda: self.sql(
            "select pg_conf_load_time() >= (pg_stat_file('pg_hba.conf'))"
            ".modification") == "t")

    def sql(self, text, database="postgres"):
        return psql(text, port=self.port, dbname=database)


class Skip(Exception):
    """A test that cannot run here; its text says why."""


class Failed(Exception):
    """psql ended with an error; its text is what psql said."""


def psql_run(text, input_text=None, args=(), env=None, **conninfo):
    conninfo = {"host": "127.0.0.1", "user": "postgres",
                "sslmode": "disable", "connect_timeout": "10", **conninfo}
    def quote(value):
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    info = " ".join(f"{k}={quote(v)}" for k, v in conninfo.items())
    command = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *args,
               "-d", info]
    for statement in [text] if isinstance(text, str) else text or []:
        command += ["-c", statement]
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith("PG")}
    environment.update(env or {})
    return subprocess.run(command, input=input_text, capture_output=True,
                          text=True, timeout=120, env=environment)


def psql(text, **more):
    done = psql_run(text, **more)
    if done.returncode != 0:
        raise Failed(done.stderr)
    return done.stdout.rstrip("\n")


def refused(weir, **more):
    """What a client is told that is not let in, or finds no server."""
    more.setdefault("user", "app")
    try:
        weir.sql("select 1", **more)
    except Failed as error:
        return str(error)
    raise AssertionError("it was let in")


class Pgweir:
    """One process with a configuration of its own."""

    def __init__(self, binary, top, config=None, env=None, users=None,
                 name="pgweir", args=()):
        self.top = top
        self.log = os.path.join(top, name + ".log")
        self.file = os.path.join(top, name + ".ini")
        self.users = os.path.join(top, name + ".users")
        with open(self.users, "w") as f:
            f.write(users or '"postgres" "pw"\n"app" "secret"\n')
        command = [binary, *args]
        if config is not None:
            self.write(config)
            command.append(self.file)
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("PGWEIR")}
        environment.update(env or {})
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL,
            stderr=open(self.log, "w"), env=environment)
        try:
            wait_until("pgweir is ready", self.is_ready)
        except AssertionError:
            raise AssertionError("pgweir did not start:\n" + self.text())
        found = re.search(r"listening on (?:\[::\]|[0-9.]+|\[::1\]):(\d+)",
                          self.text())
        self.port = int(found.group(1)) if found else 0

    def write(self, config):
        with open(self.file, "w") as f:
            f.write(config.replace("@USERS@", self.users))

    def text(self):
        with open(self.log) as f:
            return f.read()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("pgweir ended:\n" + self.text())
        return " is ready" in self.text()

    def sql(self, text, **more):
        more.setdefault("dbname", "app")
        return psql(text, port=self.port, **more)

    def console(self, text, **more):
        return psql(text, port=self.port, dbname="pgweir", **more)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, limit=LIMIT):
        return self.process.wait(timeout=limit)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class World:
    """What every test gets: one PostgreSQL, and pgweirs that it starts."""

    def __init__(self, binary):
        self.top = tempfile.mkdtemp(prefix="pgweir-test-", dir=scratch())
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.top, user.pw_uid, user.pw_gid)
        os.chmod(self.top, 0o755)
        self.binary = binary
        self.made_template = None
        self.running = []
        self.number = 0
        self.pg = Postgres(self.top)
        self.pg.sql("create role app login superuser password 'secret'")
        self.pg.sql("create database app owner app")

    def config(self, options="", databases="", section="pgweir", host=None,
               base=True):
        target = f"host={host or '127.0.0.1'} port={self.pg.port}"
        text = f"[databases]\n{databases}\n* = {target}\n[{section}]\n"
        if base:
            text += ("listen_addr = 127.0.0.1\nlisten_port = 0\n"
                     "unix_socket_dir =\nauth_type = trust\n"
                     "auth_file = @USERS@\nadmin_users = postgres\n"
                     "metrics_addr =\n"
                     "server_login_retry = 100ms\n")
        return text + options + "\n"

    def start(self, options="", databases="", **more):
        self.number += 1
        config = more.pop("config", self.config(
            options, databases, more.pop("section", "pgweir"),
            more.pop("host", None)))
        weir = Pgweir(self.binary, self.top, config=config,
                      name=f"pgweir-{self.number}", **more)
        self.running.append(weir)
        return weir

    def template(self):
        """What a Cluster's hosts are copied from."""
        if self.made_template is None:
            self.made_template = Node(self.top, "template")
            self.made_template.initdb()
        return self.made_template

    def settle(self):
        """After a test: nothing of it is left running."""
        for weir in self.running:
            weir.kill()
        bad = [w.text() for w in self.running
               if "Assertion" in w.text() or "Sanitizer" in w.text()
               or "runtime error" in w.text()]
        self.running = []
        if bad:
            raise AssertionError("pgweir broke:\n" + "\n".join(bad))

    def close(self):
        self.settle()
        try:
            self.pg.stop("immediate")
        finally:
            shutil.rmtree(self.top, ignore_errors=True)


class Node(Postgres):
    """One host of a Cluster."""

    def __init__(self, top, name, port=None, address="127.0.0.1"):
        self.name = name
        self.dir = os.path.join(top, name)
        self.address = address
        self.port = port or free_port()

    def initdb(self):
        """Stopped, with a database app."""
        self.run("initdb", "-A", "trust", "--no-sync", "-U", "postgres",
                 "-D", self.dir)
        self.append("postgresql.conf", """
fsync = off
max_connections = 100
shared_buffers = 32MB
wal_log_hints = on
max_wal_senders = 10
wal_keep_size = 256MB
hot_standby = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms
""")
        self.append("pg_hba.conf", "host all all 127.0.0.0/8 trust\n"
                    "host replication all 127.0.0.0/8 trust\n")
        self.place()
        self.start()
        self.sql("create database app")
        self.stop()

    def copy(self, template, primary=None):
        subprocess.run(["cp", "-a", template.dir, self.dir], check=True)
        self.place()
        if primary is not None:
            self.append("standby.signal", "")
            self.set_primary(primary)

    def place(self):
        """Where it listens; in a file of its own, which is not copied."""
        self.append("postgresql.auto.conf", f"""
port = {self.port}
listen_addresses = '{self.address}'
unix_socket_directories = ''
""")

    def follow(self, primary):
        self.run("pg_basebackup", "-h", primary.address, "-p",
                 str(primary.port), "-U", "postgres", "-R", "-X", "stream",
                 "-c", "fast", "--no-sync", "-D", self.dir)
        self.place()
        self.start()

    def set_primary(self, primary):
        self.append("postgresql.auto.conf", "primary_conninfo = 'user=postgres"
                    f" host={primary.address} port={primary.port}'\n")

    def turn_to(self, primary):
        """A replica follows another primary from now on."""
        self.set_primary(primary)
        self.reload()

    def rejoin(self, primary):
        """A primary that was killed follows the one that came after it.

        Before its first checkpoint that one does not tell pg_rewind which
        timeline it is on."""
        primary.sql("checkpoint")
        self.run("pg_rewind", "--target-pgdata", self.dir, "--no-sync", "-R",
                 f"--source-server=host={primary.address} "
                 f"port={primary.port} user=postgres dbname=postgres")
        self.place()
        self.start()

    def pid(self):
        with open(os.path.join(self.dir, "postmaster.pid")) as f:
            return int(f.readline())

    def is_running(self):
        return os.path.exists(os.path.join(self.dir, "postmaster.pid"))

    def everybody(self):
        """The postmaster and what it has started."""
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid())],
            capture_output=True, text=True).stdout.split()
        return [self.pid(), *map(int, children)]

    def signal_all(self, number):
        for pid in self.everybody():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As if its machine had lost power."""
        self.signal_all(signal.SIGKILL)
        os.unlink(os.path.join(self.dir, "postmaster.pid"))

    def freeze(self):
        self.signal_all(signal.SIGSTOP)

    def thaw(self):
        self.signal_all(signal.SIGCONT)

    def promote(self):
        self.run("pg_ctl", "-w", "-D", self.dir, "promote")

    def sql(self, text, database="postgres", **more):
        return psql(text, host=self.address, port=self.port, dbname=database,
                    **more)

    def lsn(self):
        """How much it has received."""
        return int(self.sql("select pg_wal_lsn_diff(greatest("
                            "pg_last_wal_receive_lsn(), "
                            "pg_last_wal_replay_lsn()), '0/0')::int8"))

    def has_replayed(self, lsn):
        return self.sql("select pg_last_wal_replay_lsn() >= "
                        f"'{lsn}'") == "t"


class Cluster:
    """A primary and replicas that stream from it: a context manager.

    All clusters of a World are copies of one, also in their identity; a
    stranger is another system."""

    def __init__(self, world, replicas=2, synchronous="", one_port=False,
                 settings="", is_stranger=False):
        self.top = tempfile.mkdtemp(prefix="cluster-", dir=world.top)
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.top, user.pw_uid, user.pw_gid)
        self.world = world
        port = free_port() if one_port else None
        self.nodes = [Node(self.top, f"node{i}", port,
                           f"127.0.0.{i + 2}" if one_port else "127.0.0.1")
                      for i in range(replicas + 1)]
        self.settings = (f"synchronous_standby_names = '{synchronous}'\n"
                         f"{settings}\n")
        self.is_stranger = is_stranger

    def __enter__(self):
        first, *others = self.nodes
        try:
            if self.is_stranger:
                first.initdb()
            else:
                first.copy(self.world.template())
            for node in others:
                node.copy(self.world.template(), first)
            for node in self.nodes:
                node.append("postgresql.conf", self.settings)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(Node.start, self.nodes))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.world.settle()
        for node in self.nodes:
            try:
                node.thaw()
                node.run("pg_ctl", "-m", "immediate", "-D", node.dir, "stop")
            except (OSError, subprocess.CalledProcessError):
                pass
        # Dozens of them would fill a disk before the World ends.
        shutil.rmtree(self.top, ignore_errors=True)

    def fail_over(self):
        """The most advanced replica is promoted, the others follow it."""
        standbys = [n for n in self.nodes if n.is_running()]
        new = max(standbys, key=Node.lsn)
        new.promote()
        for node in standbys:
            if node is not new:
                node.turn_to(new)
        return new

    def hosts(self):
        return ("host=" + ",".join(n.address for n in self.nodes) +
                " port=" + ",".join(str(n.port) for n in self.nodes))

    def start(self, options="", database="", **more):
        more.setdefault("section", "pgweir")
        weir = self.world.start(
            options="role_check_interval = 100ms\n" + options,
            databases=f"app = {self.hosts()} {database}", **more)
        return weir

    def caught_up(self):
        """Every replica has replayed what the primary has written."""
        primary = next(n for n in self.nodes if n.sql(
            "select pg_is_in_recovery()") == "f")
        lsn = primary.sql("select pg_current_wal_insert_lsn()")
        for node in self.nodes:
            if node is not primary:
                wait_until(f"{node.name} has replayed {lsn}",
                           lambda: node.has_replayed(lsn))
