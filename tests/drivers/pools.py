"""Applications with their driver's own pool, while what is behind it changes.

Each application is a small program (app.*): a few workers that write a row,
alone or in a transaction, and read it back, over and over, through a pool
with the settings that applications give it.  It says "wrote ID COUNT", where
COUNT is how often it then saw the row, and when its standard input ends
"errors {code: how often}".  Whoever told it that a row was written has to
have that row, once.

failover: all of them run through one pgweir in front of a primary that is
killed; the most advanced replica is promoted.  Queries that were under way
may fail with 08007, 40001 or (reads) 08006, and no connection may be lost.

restart: pgweir is told to stop and started again, as in an update.  Every
application must live and go on, whatever it heard meanwhile.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading

from cluster import Cluster, wait_until

WORKERS = 4


def table(driver):
    """In the schema that its URL names."""
    schema = driver.env.get("STORY_SCHEMA", "public")
    return (f"create schema if not exists {schema}; create table "
            f"{schema}.visit (id int primary key, note text)")


class App:
    """One that runs; what it says is read by a thread."""

    def __init__(self, needs, driver, port, database, user="postgres"):
        self.driver = driver
        self.database = database
        self.wrote, self.unseen, self.errors = [], [], None
        schema = driver.env.get("STORY_SCHEMA")
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("PG", "STORY", "DATABASE"))}
        env.update(driver.env, STORY_CLIENTS=str(WORKERS),
                   STORY_MODE=driver.mode, PYTHONDONTWRITEBYTECODE="1",
                   NODE_PATH=os.path.join(needs.scratch, "npm",
                                          "node_modules"),
                   DATABASE_URL=f"postgresql://{user}:pw@127.0.0.1:{port}/"
                                f"{database}" + (schema and
                                f"?sslmode=require&search_path={schema}"
                                or ""))
        self.process = subprocess.Popen(
            needs.words(driver.run), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=env)
        self.said = ""
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self.listen, self.hear_faults)]
        for thread in self.threads:
            thread.start()

    def listen(self):
        for line in self.process.stdout:
            word, rest = line.split(" ", 1)
            if word == "errors":
                self.errors = json.loads(rest)
                continue
            number, seen = rest.split()
            self.wrote.append(int(number))
            if int(seen) != 1:
                self.unseen.append(number)

    def hear_faults(self):
        self.said = self.process.stderr.read()

    def goes_on(self):
        """Every worker has written again since now."""
        before = len(self.wrote)
        try:
            wait_until(f"{self.driver.name} goes on", lambda: len(
                {n // 1000000 for n in self.wrote[before:]}) == WORKERS or
                self.process.poll() is not None, 60)
        except AssertionError as error:
            self.end()
            raise AssertionError(f"{error}: {self.errors}\n{self.said}")

    def end(self):
        """All that it has to say has been heard."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self.threads:
            thread.join()

    def fault(self, sql, allowed=None):
        """What is wrong with what it did, if anything."""
        if self.process.returncode != 0 or self.errors is None:
            return f"it ended: {self.said[-2000:]}"
        if self.unseen:
            return f"written and not seen: {self.unseen}"
        schema = self.driver.env.get("STORY_SCHEMA", "public")
        there = set(map(int, sql(f"select id from {schema}.visit").split()))
        if set(self.wrote) - there:
            return f"lost: {sorted(set(self.wrote) - there)}"
        if allowed is not None and set(self.errors) - allowed:
            return f"errors: {self.errors}"
        return ""


def databases(drivers):
    return {driver: f"app{i}" for i, driver in enumerate(drivers)}


def failover(world, needs, drivers):
    """Every application, and what is wrong with it."""
    names = databases(drivers)
    with Cluster(world, synchronous="ANY 1 (*)") as cluster:
        for driver, name in names.items():
            cluster.nodes[0].sql(f"create database {name}")
            cluster.nodes[0].sql(table(driver), database=name)
        weir = cluster.start("default_pool_size = 3", "".join(
            f"\n{name} = {cluster.hosts()}" for name in names.values()))
        apps = begun(needs, names, weir.port)
        cluster.nodes[0].kill()
        new = cluster.fail_over()
        for app in apps:
            app.goes_on()
        for app in apps:
            app.end()
            yield app, app.fault(
                lambda text: new.sql(text, database=app.database),
                {"08007", "40001", "08006"})


def begun(needs, names, port):
    apps = [App(needs, driver, port, name) for driver, name in names.items()]
    for app in apps:
        app.goes_on()
    return apps


def restart(world, needs, drivers):
    """Every application, and what is wrong with it."""
    names = databases(drivers)
    for driver, name in names.items():
        world.pg.sql([f"drop database if exists {name}",
                      f"create database {name}"])
        world.pg.sql(table(driver), database=name)
    options = "default_pool_size = 3\nshutdown_spread = 1\n"
    weir = world.start(options)
    apps = begun(needs, names, weir.port)
    weir.signal(signal.SIGTERM)
    assert weir.end() == 0, weir.text()
    world.start(options + f"listen_port = {weir.port}")
    for app in apps:
        app.goes_on()
    for app in apps:
        app.end()
        yield app, app.fault(
            lambda text: world.pg.sql(text, database=app.database))
