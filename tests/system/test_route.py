"""Which statements may go to a replica, against a real primary and replica."""

import os
import subprocess

from cluster import free_port, psql, wait_until
from wire import Client, error_of, query

HERE = os.path.dirname(os.path.abspath(__file__))


def tool(world):
    return os.path.join(os.path.dirname(world.binary), "..", "tests", "tools",
                        "explain_route")


def corpus():
    with open(os.path.join(HERE, "routes.txt")) as f:
        return [line.rstrip("\n").split("|", 1) for line in f
                if not line.startswith("#")]


def explain(world, statements):
    """What is said of each: (label, name) of what decides."""
    done = subprocess.run(
        [tool(world), f"host=127.0.0.1 port={world.pg.port} user=postgres "
         "dbname=routes"], input="".join(s + "\n" for s in statements),
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = [line.split("|", 2) for line in done.stdout.splitlines()]
    assert len(answers) == len(statements)
    return answers


def prepare(world):
    if "routes" in world.pg.sql("select datname from pg_database"):
        return
    world.pg.sql("create database routes")
    with open(os.path.join(HERE, "routes.sql")) as f:
        world.pg.sql(f.read(), database="routes")


class Replica:
    """A second PostgreSQL that follows the world's own."""

    def __init__(self, world):
        self.world = world
        self.dir = os.path.join(world.top, "replica")
        self.port = free_port()
        world.pg.run("pg_basebackup", "-h", "127.0.0.1", "-p",
                     str(world.pg.port), "-U", "postgres", "-R", "-X",
                     "stream", "-c", "fast", "-D", self.dir)
        world.pg.run("pg_ctl", "-w", "-D", self.dir, "-l", self.dir + ".log",
                     "-o", f"-p {self.port}", "start")

    def follow(self):
        lsn = self.world.pg.sql("select pg_current_wal_lsn()")
        wait_until("the replica has it all", lambda: psql(
            f"select pg_last_wal_replay_lsn() >= '{lsn}'",
            port=self.port, dbname="postgres") == "t")

    def stop(self):
        self.world.pg.run("pg_ctl", "-w", "-D", self.dir, "-m", "immediate",
                          "stop")


def test_of_each_statement_it_is_said_what_decides_where_it_goes(world):
    prepare(world)
    wrong = []
    cases = corpus()
    assert len(cases) >= 300
    for (label, text), (where, why, sentence) in zip(
            cases, explain(world, [text for _, text in cases])):
        expected = "replica" if label == "read" else "primary"
        if (where, why) != (expected, label):
            wrong.append(f"{text}\n    {where}: {why}: {sentence}, "
                         f"not {label}")
    assert not wrong, "\n".join(wrong)


def test_what_is_called_a_read_succeeds_on_a_replica(world):
    prepare(world)
    replica = Replica(world)
    wrong = []
    try:
        replica.follow()
        client = Client(replica.port, database="routes", user="postgres")
        client.ask(query("set app.tenant = 'x'"))
        for label, text in corpus():
            if label != "read":
                continue
            client.ask(query("begin read only"))
            error = error_of(client.ask(query(text)))
            client.ask(query("rollback"))
            if error is not None:
                wrong.append(f"{text}\n    {error}")
        client.close()
    finally:
        replica.stop()
    assert not wrong, "\n".join(wrong)


def test_no_volatile_function_of_postgresql_is_called_a_read(world):
    prepare(world)
    harmless = {"random", "clock_timestamp", "timeofday", "gen_random_uuid",
                "pg_sleep", "pg_sleep_for", "pg_sleep_until", "bernoulli",
                "system", "current_query"}
    names = set(world.pg.sql(
        "select distinct proname from pg_proc where provolatile = 'v'"
        " or prokind = 'p'", database="routes").split("\n")) - harmless
    assert {"nextval", "setval", "pg_notify", "lo_unlink", "noted",
            "pg_advisory_xact_lock", "pg_switch_wal"} <= names
    statements = [form % name for name in sorted(names) for form in (
        'select "%s"(1)', 'select * from "%s"()', 'select x."%s" from users x',
        'select pg_catalog."%s"(2) from users')]
    wrong = [text for text, (where, _, _) in zip(
        statements, explain(world, statements)) if where != "primary"]
    assert not wrong, wrong


def test_a_change_of_what_decides_changes_the_fingerprint(world):
    prepare(world)
    fingerprint = subprocess.run([tool(world), "fingerprint"], check=True,
                                 capture_output=True, text=True).stdout

    def now():
        return world.pg.sql(fingerprint, database="routes")

    before = now()
    world.pg.sql("insert into users (id) values (100)", database="routes")
    world.pg.sql("analyze users", database="routes")
    own = Client(world.pg.port, database="routes", user="postgres")
    own.ask(query("create temp table mine (id int)"))
    own.ask(query("create index on mine (id)"))
    assert now() == before
    own.close()
    for change in ("alter function add_one(int) volatile",
                   "alter function add_one(int) immutable",
                   "create or replace view active as select * from users",
                   "alter table groups set unlogged",
                   "alter table groups set logged",
                   "create policy more on users using (busy() = 1)",
                   "drop policy more on users",
                   "alter domain positive add constraint c check "
                   "(value > busy())",
                   "alter domain positive drop constraint c",
                   "create table measures_2 partition of measures for "
                   "values from ('2030-01-01') to ('2040-01-01')",
                   "alter table measures detach partition measures_2",
                   "drop table measures_2",
                   "create or replace function quiet_default(int default "
                   "busy()) returns int immutable language sql "
                   "as 'select $1'"):
        world.pg.sql(change, database="routes")
        after = now()
        assert after != before, change
        before = after
