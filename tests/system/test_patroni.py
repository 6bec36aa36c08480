"""Patroni decides who is the primary, under load: pgweir follows.

Debian's Patroni with its own raft, three members on this machine.  Slow, and
skipped where it is not installed.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from cluster import (BIN, Skip, free_port, psql, psql_run,
                     wait_until)
from test_failover import (WRITERS, Writer, acknowledged, check_books,
                           everybody_writes)

LIMIT = 120
CONFIG = """
scope: weir
name: {name}
restapi:
  listen: 127.0.0.1:{api}
  connect_address: 127.0.0.1:{api}
raft:
  data_dir: {top}/raft-{name}
  self_addr: 127.0.0.1:{raft}
  partner_addrs: [{partners}]
bootstrap:
  dcs:
    ttl: 10
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        fsync: 'off'
        wal_log_hints: 'on'
        max_connections: 60
        max_worker_processes: 4
        shared_buffers: 32MB
        wal_keep_size: 256MB
  initdb:
    - auth: trust
    - no-sync
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {top}/{name}
  bin_dir: {bin}
  pgpass: {top}/{name}.pgpass
  authentication:
    superuser: {{username: postgres, password: pw}}
    replication: {{username: postgres, password: pw}}
    rewind: {{username: postgres, password: pw}}
  parameters:
    unix_socket_directories: ''
  pg_hba:
    - host all all 127.0.0.1/32 trust
    - host replication all 127.0.0.1/32 trust
"""


class Member:
    def __init__(self, top, name):
        self.top, self.name = top, name
        self.port, self.api, self.raft = free_port(), free_port(), free_port()
        self.file = os.path.join(top, name + ".yml")
        self.process = None

    def write(self, members):
        with open(self.file, "w") as f:
            f.write(CONFIG.format(bin=BIN, partners=", ".join(
                f"'127.0.0.1:{m.raft}'" for m in members if m is not self),
                **vars(self)))

    def start(self):
        command = ["patroni", self.file]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid", "postgres", "--regid",
                       "postgres", "--init-groups", "--", *command]
        with open(os.path.join(self.top, self.name + ".log"), "a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/",
                env={**os.environ, "PATH": "/usr/bin:/bin:" + BIN})

    def ask(self, path, **body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api}/{path}",
            json.dumps(body).encode() if body else None)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def sql(self, text, database="postgres"):
        return psql(text, port=self.port, dbname=database)

    def postmaster(self):
        with open(os.path.join(self.top, self.name, "postmaster.pid")) as f:
            return int(f.readline())

    def kill(self):
        """Patroni and PostgreSQL at once, as if the machine were gone."""
        pid = self.postmaster()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                                  capture_output=True, text=True).stdout
        self.process.kill()
        self.process.wait()
        for one in [pid, *map(int, children.split())]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # One that is ended while it demotes leaves its PostgreSQL.
        try:
            os.kill(self.postmaster(), signal.SIGQUIT)
        except (OSError, ValueError):
            pass


class Patroni:
    """Three members; a context manager."""

    def __init__(self, world):
        if shutil.which("patroni", path="/usr/bin") is None:
            raise Skip("Patroni is not installed")
        self.world = world
        self.top = os.path.join(world.top, "patroni")
        os.mkdir(self.top)
        if os.getuid() == 0:
            shutil.chown(self.top, "postgres", "postgres")
        self.members = [Member(self.top, f"m{n}") for n in range(3)]
        for member in self.members:
            member.write(self.members)

    def __enter__(self):
        try:
            for member in self.members:
                member.start()
            self.wait_whole()
        except BaseException:
            for member in self.members:
                with open(os.path.join(self.top, member.name + ".log")) as f:
                    print(f.read()[-2000:])
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.world.settle()
        for member in self.members:
            member.stop()
        shutil.rmtree(self.top, ignore_errors=True)

    def roles(self):
        """What Patroni says of everybody, {name: role}; {}: nothing."""
        for member in self.members:
            try:
                return {m["name"]: m["role"] for m in json.loads(
                    member.ask("cluster"))["members"]
                        if m["state"] in ("running", "streaming")}
            except (OSError, ValueError, KeyError):
                pass
        return {}

    def leader(self):
        roles = self.roles()
        return next((m for m in self.members
                     if roles.get(m.name) == "leader"), None)

    def wait_whole(self):
        """A leader, a synchronous standby, and another one."""
        wait_until("Patroni has a leader and two replicas", lambda: sorted(
            self.roles().values()) == ["leader", "replica", "sync_standby"],
            LIMIT)

    def wait_other(self, old):
        return wait_until("another one leads", lambda: (
            lambda leader: leader if leader is not old else None)(
                self.leader()), LIMIT)


def patroni_moves(world, how):
    with Patroni(world) as patroni:
        leader = patroni.leader()
        leader.sql("create database app")
        hosts = ("host=127.0.0.1,127.0.0.1,127.0.0.1 port=" +
                 ",".join(str(m.port) for m in patroni.members))
        weir = world.start("role_check_interval = 100ms\n"
                           "default_pool_size = 4\nfailover_wait = 120s",
                           f"app = {hosts}")
        weir.sql("create table t (writer int, n int)")
        writers = [Writer(weir.port, i) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(2):
                everybody_writes(writers)
                start = time.monotonic()
                how(patroni, leader)
                new = patroni.wait_other(leader)
                everybody_writes(writers)
                print(f"    {leader.name} to {new.name}: everybody writes "
                      f"again after {time.monotonic() - start:.1f} s",
                      flush=True)
                if leader.process.poll() is not None:
                    leader.start()
                patroni.wait_whole()
                leader = patroni.leader()
        finally:
            for writer in writers:
                writer.ends.set()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
        acknowledged(writers)
        check_books(writers, leader)
        # Reads are served by its replicas again.
        others = {str(m.port) for m in patroni.members if m is not leader}
        wait_until("a replica serves reads", lambda: psql_run(
            "select inet_server_port()", port=weir.port, dbname="app",
            env={"PGOPTIONS": "-c pgweir.route=replica"}).stdout.strip()
                   in others)


def switch_over(patroni, leader):
    candidate = next(name for name, role in patroni.roles().items()
                     if role == "sync_standby")
    leader.ask("switchover", leader=leader.name, candidate=candidate)


def kill_leader(_, leader):
    leader.kill()


def test_a_switchover_by_patroni_under_load_disconnects_nobody_and_loses_nothing(world):
    patroni_moves(world, switch_over)


def test_a_leader_of_patroni_that_is_killed_under_load_costs_no_connection_and_no_write(world):
    patroni_moves(world, kill_leader)


for test in (test_a_switchover_by_patroni_under_load_disconnects_nobody_and_loses_nothing,
             test_a_leader_of_patroni_that_is_killed_under_load_costs_no_connection_and_no_write):
    test.slow = True
