"""The migration Job's script with a real PostgreSQL."""

import os
import shutil
import subprocess

from cluster import Postgres
from tools import K8S


class Migration:
    def __init__(self, tools, name):
        if not hasattr(tools, "migrated"):
            top = tools.path("migrated")
            os.makedirs(top)
            shutil.chown(top, "postgres", "postgres")
            tools.migrated = Postgres(top)
            tools.at_end.append(lambda: tools.migrated.stop("immediate"))
        self.postgres, self.name = tools.migrated, name
        self.postgres.sql(f"create database {name}")
        self.dir = tools.path("migrations-" + name)
        os.makedirs(self.dir)
        for file in os.listdir(os.path.join(K8S, "migration", "sql")):
            shutil.copy(os.path.join(K8S, "migration", "sql", file),
                        self.dir)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def start(self, **more):
        environment = {"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1",
                       "PGPORT": str(self.postgres.port),
                       "PGUSER": "postgres", "PGDATABASE": self.name,
                       "MIGRATIONS": self.dir, **more}
        return subprocess.Popen(
            ["sh", os.path.join(K8S, "migration", "migrate.sh")],
            env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def run(self, **more):
        process = self.start(**more)
        output = process.communicate(timeout=60)[0]
        return process.returncode, output

    def sql(self, text):
        return self.postgres.sql(text, self.name)


def test_it_migrates_and_seeds_and_a_second_run_changes_nothing(tools):
    migration = Migration(tools, "twice")
    state = "select string_agg(username || country_code, ',') from users"
    for _ in range(2):
        code, output = migration.run()
        assert code == 0, output
        assert migration.sql(state) == "demoUS"
    assert "applying" not in output
    assert migration.sql("select string_agg(name, ',' order by name) from"
                         " schema_migrations") == \
        "001_initial_schema.sql,002_add_country_code.sql"


def test_a_new_file_is_applied_and_a_rollback_file_is_not(tools):
    migration = Migration(tools, "more")
    assert migration.run()[0] == 0
    migration.write("003_more.sql", "create table more (n int);")
    migration.write("003_more.rollback.sql", "drop table more;")
    code, output = migration.run()
    assert code == 0 and "applying 003_more.sql" in output, output
    assert migration.sql("select count(*) from more") == "0"


def test_a_file_that_fails_leaves_nothing_of_itself(tools):
    migration = Migration(tools, "fails")
    migration.write("003_bad.sql", "create table bad (n int);\nnonsense;")
    code, output = migration.run()
    assert code != 0 and "nonsense" in output, output
    assert migration.sql("select to_regclass('bad') is null,"
                         " (select count(*) from schema_migrations)") == "t|2"


def test_two_at_once_apply_each_file_once(tools):
    migration = Migration(tools, "pair")
    migration.write("003_slow.sql",
                    "select pg_sleep(0.5); create table slow (n int);")
    both = [migration.start(), migration.start()]
    outputs = [p.communicate(timeout=60)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], outputs
    assert "".join(outputs).count("applying 003_slow.sql") == 1, outputs


def test_it_waits_for_the_primary_and_says_why_it_gave_up(tools):
    migration = Migration(tools, "away")
    code, output = migration.run(PGPORT="1", WAIT_SECONDS="1")
    assert code != 0
    assert "the primary did not answer in 1 seconds" in output
    assert "Connection refused" in output
