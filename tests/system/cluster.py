"""A throwaway PostgreSQL and a pgweir in front of it.

Everything lives in one temporary directory, on ports that the system chose,
and is gone at the end.  PostgreSQL runs as the user postgres when started by
root.  Nothing here sleeps for a fixed time: what is waited for is an event
(a line in a log, an answer) with a generous limit.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BIN = "/usr/lib/postgresql/15/bin"
LIMIT = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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
        self.top = tempfile.mkdtemp(prefix="pgweir-test-")
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.top, user.pw_uid, user.pw_gid)
        os.chmod(self.top, 0o755)
        self.binary = binary
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
