"""The commands of conf/handbook/operations.md, taken from the page and run,
while applications go on."""

import os
import re
import subprocess
import threading

from cluster import BIN, Cluster, Failed, wait_until
from wire import Client, error_of, query

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGE = os.path.join(TOP, "conf", "handbook", "operations.md")


def procedures():
    """The commands of each section that has some, by its heading."""
    with open(PAGE) as f:
        sections = re.split(r"^## ", f.read(), flags=re.M)[1:]
    found = {}
    for section in sections:
        for block in re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S):
            found[section.splitlines()[0]] = block
    return found


class Desk:
    """Where an operator sits: a folder, PATH, and the variables."""

    def __init__(self, world, name, **variables):
        self.dir = os.path.join(world.top, name)
        os.makedirs(os.path.join(self.dir, "bin"))
        os.symlink(world.binary, os.path.join(self.dir, "bin", "pgweir"))
        self.environment = {
            **os.environ, "PGSSLMODE": "disable", "PGPASSWORD": "pw",
            "PATH": f"{self.dir}/bin:{os.environ['PATH']}", **variables}

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run(self, heading):
        done = subprocess.run(
            ["sh", "-e"], input=procedures()[heading], text=True,
            capture_output=True, timeout=120, cwd=self.dir,
            env=self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Application(threading.Thread):
    """Transactions one after the other; what went wrong is kept."""

    def __init__(self, weir, again=False, **more):
        super().__init__(daemon=True)
        self.weir, self.again, self.more = weir, again, more
        self.client = Client(weir.port, **more)
        self.stop, self.faults, self.count = threading.Event(), [], 0
        self.start()

    def run(self):
        while not self.stop.is_set():
            answer = self.client.ask(query("select 1 where txid_current() > 0"))
            error = error_of(answer)
            if self.again and (not answer or error and
                               error["C"] == "57P01"):
                self.client = Client(self.weir.port, **self.more)
            elif error or not answer:
                self.faults.append(error)
                return
            else:
                self.count += 1

    def end(self):
        """Two more have to be done before it is told to stop."""
        goal = self.count + 2
        wait_until("it goes on", lambda: self.faults or self.count >= goal)
        self.stop.set()
        self.join(60)
        assert not self.faults, self.faults


def urls(world, weir):
    return {"PRIMARY": f"postgresql://postgres@127.0.0.1:{world.pg.port}",
            "POOLER": f"postgresql://postgres@127.0.0.1:{weir.port}"}


def test_every_procedure_with_commands_is_run_here(world):
    assert set(procedures()) == {
        "Rotating passwords and certificates", "Maintenance of PostgreSQL",
        "Failover", "Upgrade of pgweir, and rollback", "Migrations",
        "Back to what was before"}


def test_a_password_is_rotated_as_the_handbook_says(world):
    weir = world.start("auto_reload = off\nauth_type = trust")
    desk = Desk(world, "desk-password", **urls(world, weir))
    weir.write(world.config("auth_type = scram-sha-256\nauth_file = " +
                            desk.write("users.txt", '"app" "secret"\n'
                                       '"postgres" "pw"\n')))
    weir.console("reload")
    assert weir.sql("select 1", user="app", password="secret") == "1"
    try:
        desk.run("Rotating passwords and certificates")
        assert weir.sql("select 1", user="app", password="new") == "1"
        try:
            weir.sql("select 1", user="app", password="secret")
            raise AssertionError("the old one still works")
        except Failed:
            pass
    finally:
        world.pg.sql("alter role app password 'secret'")


def test_postgresql_is_restarted_as_the_handbook_says(world):
    weir = world.start()
    desk = Desk(world, "desk-restart", **urls(world, weir))
    desk.write("bin/systemctl", f"""#!/bin/sh
[ "$*" = "restart postgresql" ] || exit 1
cd /
stop="{BIN}/pg_ctl -s -w -D {world.pg.dir} -l {world.pg.dir}/log restart"
[ "$(id -u)" = 0 ] || exec $stop
exec runuser -u postgres -- $stop
""", 0o755)
    before = world.pg.sql("select pg_postmaster_start_time()")
    applications = [Application(weir) for _ in range(4)]
    desk.run("Maintenance of PostgreSQL")
    for one in applications:
        one.end()
    assert world.pg.sql("select pg_postmaster_start_time()") != before


def test_a_failover_is_done_as_the_handbook_says(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start()
        desk = Desk(world, "desk-failover", REPLICA="postgresql://postgres@"
                    f"127.0.0.1:{cluster.nodes[1].port}",
                    POOLER=f"postgresql://postgres@127.0.0.1:{weir.port}")
        client = Client(weir.port, user="postgres")
        client.ask(query("create table t (n int)"))
        cluster.caught_up()
        cluster.nodes[0].kill()
        shown = desk.run("Failover")
        assert str(cluster.nodes[1].port) in shown
        assert error_of(client.ask(query("insert into t values (1)"))) is None


def test_an_upgrade_is_done_as_the_handbook_says(world):
    desk = Desk(world, "desk-upgrade")
    base = world.config(
        "so_reuseport = 1\nshutdown_delay = 1s\nserver_idle_timeout = 5s\n"
        f"pidfile = {desk.dir}/pgweir.pid\nlogfile = {desk.dir}/log")
    first = world.start(config=base)
    desk.write("pgweir.ini", open(first.file).read().replace(
        "listen_port = 0", f"listen_port = {first.port}"))
    applications = [Application(first, again=True) for _ in range(4)]
    desk.run("Upgrade of pgweir, and rollback")
    assert first.end() == 0
    with open(os.path.join(desk.dir, "pgweir.pid.new")) as f:
        new = int(f.read())
    try:
        for one in applications:
            one.end()
    finally:
        os.kill(new, 3)


def test_a_migration_goes_around_the_pooler(world):
    weir = world.start()
    desk = Desk(world, "desk-migration", **urls(world, weir))
    desk.write("migration.sql", "create table moved (n int);\n"
               "create index concurrently on moved (n);\n")
    application = Application(weir)
    desk.run("Migrations")
    assert weir.sql("select count(*) from moved") == "0"
    application.end()
    assert desk.run("Back to what was before")
    world.pg.sql("drop table moved", "app")


def test_every_file_on_a_page_is_one_that_pgweir_takes(world):
    for page in ("README.md", "conf/handbook/transaction-mode.md"):
        with open(os.path.join(TOP, page)) as f:
            found = re.findall(r"```ini\n(.*?)```", f.read(), re.S)
        assert found, page
        folder = os.path.join(world.top, "page")
        os.makedirs(folder, exist_ok=True)
        for name, text in ("users.txt", '"me" "secret"\n'), (
                "pgweir.ini", found[0]):
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        done = subprocess.run(
            [world.binary, "--check", "pgweir.ini"], cwd=folder,
            capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
