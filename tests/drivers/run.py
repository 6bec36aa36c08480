#!/usr/bin/env python3
"""Plays a story with every driver, directly and through pgweir.

A story is one small program in the driver's own idiom.  It prints lines
"subject: what was seen"; nothing in a line may differ from run to run.  It is
played twice at the same time, in two fresh databases with the tables of
story.sql: against PostgreSQL, and through a pgweir of its own in transaction
mode, whose pool is smaller than the number of clients.  The lines must be the
same, and afterwards no server may be left in use.  A story that fails
directly is a fault of the story.

With --cluster the PostgreSQL is a primary with two streaming replicas, all of
them behind pgweir, which sends reads to the replicas: every story must see
what it sees at the primary alone.  How many of its transactions were at a
replica is in the table; none at all, of all stories, is a failure.

A program is told where to go by DATABASE_URL (percent-encoded, no
parameters) and by PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE;
STORY_CA is the certificate that vouches for the server, STORY_CLIENTS how
many clients a crowd has, STORY_MODE what the table below says.

Stories that must be built are built in the scratch folder; npm's packages
live there too.
"""

import argparse
import contextlib
import difflib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
sys.dont_write_bytecode = True

import pools  # noqa: E402
from cluster import Node, World, wait_until  # noqa: E402
from secure import postgres_with_tls  # noqa: E402

USER = "me.app"
PASSWORD = "s:e/c@r t%ü"
DIRECT = "story"
BEHIND = "story_behind"
POOL = 4
CLIENTS = 10
LIMIT = 120
# Folders of npm's packages; those of the applications are many.
MANIFESTS = {"npm": "package.json", "apps": "applications.json"}
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
JDBC = "/usr/share/java/postgresql.jar"


class Driver:
    """One row: how a story is built and run, and what that needs."""

    def __init__(self, name, run, build=None, packages="", npm="",
                 is_slow=False, mode="", env=None, limit=LIMIT):
        self.name = name
        self.run = run
        self.build = build
        self.packages = packages.split()
        self.npm = npm
        self.is_slow = is_slow
        self.mode = mode
        self.env = env or {}
        self.limit = limit


def python(name, story, packages, mode=""):
    return Driver(name, f"/usr/bin/python3 {{here}}/{story}.py", packages=packages,
                  mode=mode)


def node(name, story, mode=""):
    return Driver(name, f"node {{here}}/{story}.cjs", npm="npm", mode=mode)


def application(name, run, packages="", npm=""):
    """What runs on top of a driver, with migrations, queues and locks."""
    return Driver(name, run, packages=packages, npm=npm, is_slow=True)


def java(name, mode):
    return Driver(name, f"java -Xshare:auto -cp {JDBC}:{{scratch}} Story",
                  build=f"javac -cp {JDBC} -d {{scratch}} {{here}}/Story.java",
                  packages="default-jdk-headless libpostgresql-jdbc-java",
                  is_slow=True, mode=mode)


def go(name, story, packages, mode=""):
    return Driver(name, f"{{scratch}}/{story}",
                  build=f"go build -o {{scratch}}/{story} "
                        f"{{here}}/{story}.go",
                  packages=f"golang-go {packages}", is_slow=True, mode=mode,
                  env=GO)


def c(name, story, libraries, packages, compiler="cc -Wall",
      suffix="c", is_slow=False):
    return Driver(name, f"{{scratch}}/{story}",
                  build=f"{compiler} -I /usr/include/postgresql "
                        f"-o {{scratch}}/{story} "
                        f"{{here}}/{story}.{suffix} {libraries}",
                  packages=packages, is_slow=is_slow)


DRIVERS = [
    Driver("psql", "sh {here}/story_psql.sh",
           packages="postgresql-client-15"),
    c("libpq pipeline", "story_libpq", "-lpq", "libpq-dev"),
    python("psycopg2", "story_psycopg2", "python3-psycopg2"),
    python("psycopg 3", "story_psycopg3",
           "python3-psycopg python3-psycopg-pool"),
    python("psycopg 3, all prepared", "story_psycopg3",
           "python3-psycopg python3-psycopg-pool", mode="prepared"),
    python("asyncpg", "story_asyncpg", "python3-asyncpg"),
    python("asyncpg, no cache", "story_asyncpg", "python3-asyncpg",
           mode="nocache"),
    python("SQLAlchemy asyncpg", "story_sqlalchemy",
           "python3-sqlalchemy python3-asyncpg python3-greenlet",
           mode="asyncpg"),
    python("SQLAlchemy psycopg2", "story_sqlalchemy",
           "python3-sqlalchemy python3-psycopg2", mode="psycopg2"),
    node("node pg", "story_node_pg"),
    node("drizzle-orm", "story_drizzle"),
    node("postgres.js", "story_postgres_js"),
    node("postgres.js, unprepared", "story_postgres_js", mode="unprepared"),
    Driver("PHP PDO", "php {here}/story_pdo.php",
           packages="php-cli php-pgsql"),
    Driver("PHP PDO, emulated", "php {here}/story_pdo.php",
           packages="php-cli php-pgsql", mode="emulated"),
    Driver("Ruby pg", "ruby {here}/story.rb", packages="ruby ruby-pg"),
    Driver("Perl DBD::Pg", "perl {here}/story.pl",
           packages="libdbd-pg-perl"),
    c("ODBC", "story_odbc", "-lodbc", "odbc-postgresql unixodbc-dev"),
    c("libpqxx", "story_libpqxx", "-lpqxx -lpq -lpthread",
      "libpqxx-dev g++", compiler="g++ -std=c++17 -O0", suffix="cc",
      is_slow=True),
    java("pgjdbc, prepareThreshold 1", "1"),
    java("pgjdbc, prepareThreshold 5", "5"),
    java("pgjdbc, simple queries", "simple"),
    go("pgx", "story_pgx", "golang-github-jackc-pgx-v4-dev"),
    go("pgx, describe cache", "story_pgx", "golang-github-jackc-pgx-v4-dev",
       mode="describe"),
    go("lib/pq", "story_pq", "golang-github-lib-pq-dev"),
    application("Sequelize", "node {here}/story_sequelize.cjs", npm="apps"),
    application("TypeORM", "node {here}/story_typeorm.cjs", npm="apps"),
    application("Knex and Objection", "node {here}/story_knex.cjs",
                npm="apps"),
    application("pg-boss", "node {here}/story_pg_boss.cjs", npm="apps"),
    application("graphile-worker", "node {here}/story_graphile.cjs",
                npm="apps"),
    application("Django", "/usr/bin/python3 {here}/story_django.py",
                "python3-django python3-psycopg2"),
    application("alembic", "/usr/bin/python3 {here}/story_alembic.py",
                "alembic python3-psycopg2"),
    application("Active Record", "ruby {here}/story_active_record.rb",
                "ruby-activerecord ruby-pg"),
]


# Applications with their pool: see pools.py.
PETSTORE, PYTHON = "node {here}/app.cjs", "/usr/bin/python3 {here}/app.py"
APPS = [
    Driver("node pg, pool", PETSTORE, npm="npm", mode="pg"),
    Driver("drizzle-orm, pool", PETSTORE, npm="npm", mode="drizzle"),
    Driver("postgres.js, pool", PETSTORE, npm="npm", mode="postgres"),
    Driver("asyncpg, pool", PYTHON, packages="python3-asyncpg",
           mode="asyncpg"),
    Driver("psycopg 3, pool", PYTHON, mode="psycopg",
           packages="python3-psycopg python3-psycopg-pool"),
    Driver("SQLAlchemy asyncpg, pool", PYTHON, mode="sqlalchemy",
           packages="python3-sqlalchemy python3-asyncpg python3-greenlet"),
    Driver("pgx, pgxpool", "{scratch}/app", is_slow=True,
           build="go build -o {scratch}/app {here}/app.go",
           packages="golang-go golang-github-jackc-pgx-v4-dev",
           env={**GO, "STORY_SCHEMA": "naytife_schema"}),
]


class CannotRun(Exception):
    """Why a driver is skipped."""


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package],
                          capture_output=True, text=True)
    return "install ok installed" in done.stdout


class Needs:
    """Installs what is missing, once, and says what cannot be had."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.is_updated = False
        self.npm_errors = {}
        self.built = {}

    def said(self, command, what, **more):
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=600, **more)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotRun(f"{what}: {error}")
        if done.returncode != 0:
            raise CannotRun(f"{what}: {(done.stderr or done.stdout)[-300:]}")

    def packages(self, names):
        missing = [name for name in names if not installed(name)]
        if not missing:
            return
        if os.getuid() != 0:
            raise CannotRun("missing: " + " ".join(missing))
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if not self.is_updated:
            self.said(["apt-get", "update", "-qq"], "apt-get update")
            self.is_updated = True
        self.said(["apt-get", "install", "-y", "-qq",
                   "--no-install-recommends", *missing], "apt-get", env=env)

    def npm(self, name):
        if name not in self.npm_errors:
            self.npm_errors[name] = None
            try:
                self.npm_install(name)
            except CannotRun as error:
                self.npm_errors[name] = error
        if self.npm_errors[name]:
            raise self.npm_errors[name]

    def npm_install(self, name):
        folder = os.path.join(self.scratch, name)
        os.makedirs(folder, exist_ok=True)
        if not shutil.which("node") or not shutil.which("npm"):
            self.packages(["nodejs", "npm"])
        source = os.path.join(HERE, MANIFESTS[name])
        target = os.path.join(folder, "package.json")
        with open(source) as f:
            wanted = f.read()
        done = os.path.join(folder, "installed")
        if os.path.exists(done) and open(done).read() == wanted:
            return
        shutil.copyfile(source, target)
        self.said(["npm", "install", "--no-audit", "--no-fund", "--silent",
                   "--legacy-peer-deps"],
                  "npm install", cwd=folder)
        with open(done, "w") as f:
            f.write(wanted)

    def build(self, driver):
        if driver.build is None:
            return
        if driver.build not in self.built:
            env = {**os.environ, **driver.env, "GOCACHE":
                   os.path.join(self.scratch, "go-cache")}
            self.built[driver.build] = subprocess.run(
                self.words(driver.build), capture_output=True, text=True,
                env=env)
        done = self.built[driver.build]
        if done.returncode != 0:
            raise AssertionError("cannot be built:\n" + done.stderr)

    def words(self, command):
        return command.format(here=HERE, scratch=self.scratch).split()

    def meet(self, driver):
        self.packages(driver.packages)
        if driver.npm:
            self.npm(driver.npm)
        self.build(driver)


class Stage:
    """PostgreSQL with TLS and passwords, and a pgweir for each story."""

    def __init__(self, world, made, needs, replicas, options):
        self.world = world
        self.made = made
        self.needs = needs
        self.replicas = replicas
        self.options = "\n".join(options) + "\n"
        self.reads = 0
        quoted = PASSWORD.replace("'", "''")
        world.pg.sql([f'create role "{USER}" login superuser '
                      f"password '{quoted}'", "create database story_origin"])
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
             "-p", str(world.pg.port), "-U", "postgres", "-d",
             "story_origin", "-f", f"{HERE}/story.sql"],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def fresh(self, database):
        self.world.pg.sql([f"drop database if exists {database} with (force)",
                           f"create database {database} template "
                           "story_origin strategy file_copy"])

    def pgweir(self):
        primary = str(self.world.pg.port)
        ports = [primary, *[str(node.port) for node in self.replicas]]
        weir = self.world.start(
            f"default_pool_size = {POOL}\nauth_type = scram-sha-256\n"
            "query_wait_timeout = 30\n" + self.options +
            self.made.front("server"),
            databases=f"{DIRECT} = host={','.join(['127.0.0.1'] * len(ports))}"
                      f" port={','.join(ports)} dbname={BEHIND}",
            users=f'"{USER}" "{PASSWORD}"\n"postgres" "pw"\n')
        if self.replicas:
            wait_until("reads go to a replica", lambda: weir.sql(
                "select inet_server_port()", dbname=DIRECT,
                password="pw") != primary)
        return weir

    def environment(self, driver, port):
        password = urllib.parse.quote(PASSWORD, safe="")
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env.update(PGHOST="127.0.0.1", PGPORT=str(port), PGUSER=USER,
                   PGPASSWORD=PASSWORD, PGDATABASE=DIRECT,
                   DATABASE_URL=f"postgresql://{USER}:{password}@127.0.0.1:"
                                f"{port}/{DIRECT}",
                   STORY_CA=self.made.path("ca.crt"),
                   STORY_CLIENTS=str(CLIENTS), STORY_MODE=driver.mode,
                   NODE_PATH=os.path.join(self.needs.scratch, driver.npm,
                                          "node_modules"),
                   PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
                   TMPDIR=self.world.top)
        return env

    def play(self, driver, port):
        """Begin a story; it ends in heard()."""
        files = [tempfile.TemporaryFile("w+", errors="replace")
                 for _ in range(2)]
        return subprocess.Popen(
            self.needs.words(driver.run), stdin=subprocess.DEVNULL,
            stdout=files[0], stderr=files[1],
            env=self.environment(driver, port)), files

    def heard(self, driver, story):
        """The lines that the story printed, how it ended, what it said."""
        process, files = story
        try:
            code = process.wait(driver.limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = "time is up"
        out, err = [(f.seek(0), f.read())[1] for f in files]
        return out.splitlines(), code, err

    def both(self, driver):
        """Direct lines, pgweir's lines, what went wrong."""
        self.fresh(DIRECT)
        self.fresh(BEHIND)
        try:
            weir = self.pgweir()
            stories = [self.play(driver, self.world.pg.port),
                       self.play(driver, weir.port)]
            before = self.count_reads(weir)
            told = [self.heard(driver, story) for story in stories]
            self.reads = self.count_reads(weir) - before
            return told[0][0], told[1][0], \
                self.compare(*told) or self.left_over(weir)
        finally:
            self.world.settle()

    def compare(self, direct, through):
        wrong = ""
        for way, (lines, code, said) in (("directly", direct),
                                         ("through pgweir", through)):
            if code != 0 or len(lines) < 10:
                wrong += f"{way}: {code}\n" + "\n".join(lines[-2:]) + \
                    "\n" + said
        return wrong + "\n".join(difflib.unified_diff(
            direct[0], through[0], "direct", "pgweir", n=1, lineterm=""))

    def left_over(self, weir):
        """Everybody has left: no server may still be in use, but for the
        one that listens for all, which lingers for a while."""
        def servers():
            text = weir.console("show servers", password="pw")
            return [row.split("|") for row in text.splitlines()]

        def is_quiet():
            busy = [row for row in servers() if row[4] == "active"]
            return len(busy) <= 1 and all(row[15] == "" for row in busy)
        try:
            wait_until("no server is in use", is_quiet)
            return ""
        except AssertionError as error:
            return f"{error}:\n{servers()}\n"


    def count_reads(self, weir):
        """How many transactions were at a replica."""
        rows = [row.split("|") for row in weir.console(
            "show routes", password="pw").splitlines()]
        return sum(int(row[3]) for row in rows if row[1] == "replica")


@contextlib.contextmanager
def replicas_of(world, count):
    world.pg.address = "127.0.0.1"
    nodes = [Node(world.top, f"replica{i}") for i in range(count)]
    started = []
    try:
        for node in nodes:
            node.follow(world.pg)
            started.append(node)
        yield nodes
    finally:
        for node in started:
            node.stop("immediate")


def chosen(drivers, arguments):
    for driver in drivers:
        if arguments.only:
            if any(word in driver.name for word in arguments.only):
                yield driver
        elif arguments.all or driver.is_slow == arguments.slow:
            yield driver


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--slow", action="store_true",
                        help="the slow ones alone")
    parser.add_argument("--cluster", action="store_true",
                        help="a primary and two replicas, reads split")
    parser.add_argument("--pools", action="store_true",
                        help="applications with their pool, see pools.py")
    parser.add_argument("--option", action="append", default=[],
                        help="a line for pgweir's file")
    parser.add_argument("--show", action="store_true",
                        help="print the lines too")
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    os.makedirs(arguments.scratch, exist_ok=True)
    needs = Needs(os.path.abspath(arguments.scratch))
    world = World(os.path.abspath(arguments.binary))
    counts = {"same": 0, "different": 0, "skipped": 0, "reads": 0,
              "failed": []}
    try:
        hba = "hostssl all all all scram-sha-256\n" \
              "hostnossl all all all scram-sha-256\n" \
              "host replication postgres 127.0.0.1/32 trust"
        if arguments.pools:
            play_pools(world, needs, counts, arguments)
            return told(counts)
        with postgres_with_tls(world, hba=hba) as made, replicas_of(
                world, 2 if arguments.cluster else 0) as replicas:
            stage = Stage(world, made, needs, replicas, arguments.option)
            print(f"{'driver':30}{'direct':>10}{'pgweir':>10}  result")
            for driver in chosen(DRIVERS, arguments):
                tell(stage, driver, counts, arguments.show)
            if replicas and counts["reads"] == 0:
                print("nothing was read at a replica")
                counts["different"] += 1
                counts["failed"].append("reads at replicas")
    finally:
        world.close()
    return told(counts)


def told(counts):
    for name in counts["failed"]:
        print(f"failed: {name}")
    print(f"{counts['same']} passed, {counts['different']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["different"] else 0


def play_pools(world, needs, counts, arguments):
    drivers = []
    for driver in chosen(APPS, arguments):
        try:
            needs.meet(driver)
            drivers.append(driver)
        except CannotRun as error:
            counts["skipped"] += 1
            print(f"skipped  {driver.name}: {error}")
    print(f"{'application':30}{'while':10}{'written':>10}  errors")
    for scene in (pools.failover, pools.restart):
        for app, fault in scene(world, needs, drivers):
            counts["different" if fault else "same"] += 1
            if fault:
                counts["failed"].append(
                    f"{app.driver.name}, {scene.__name__}")
            print(f"{app.driver.name:30}{scene.__name__:10}"
                  f"{len(app.wrote):10}  {app.errors} {fault}", flush=True)
        world.settle()


def tell(stage, driver, counts, is_shown):
    start = time.monotonic()
    direct, through, wrong, result = [], [], "", "same"
    try:
        stage.needs.meet(driver)
        direct, through, wrong = stage.both(driver)
        result = "different" if wrong else "same"
    except CannotRun as error:
        result = "skipped"
        wrong = f"skipped  {driver.name}: {error}"
    except AssertionError as error:
        result, wrong = "different", str(error)
    counts[result] += 1
    counts["reads"] += stage.reads
    reads = f", {stage.reads} at replicas" if stage.replicas else ""
    print(f"{driver.name:30}{len(direct):4} lines{len(through):4} lines  "
          f"{result} ({time.monotonic() - start:.1f} s{reads})", flush=True)
    if is_shown:
        print("\n".join(direct))
    if wrong:
        print(wrong, flush=True)
    if result == "different":
        counts["failed"].append(driver.name)


if __name__ == "__main__":
    sys.exit(main())
