"""The console: who may say what, what is kept, waiting for closed servers."""

import os
import re
import shutil
import subprocess
import threading
import urllib.request

from cluster import Skip, free_port, wait_until
from test_console import COLUMNS, refusal, table
from web import OPTIONS, metrics
from wire import (Client, SYNC, bind, error_of, execute, kinds, parse, query)

# Every command, with what may be said to it without harm to the test.
COMMANDS = {
    "SET": "SET query_timeout = 1", "EXPLAIN": "EXPLAIN ROUTE ON app select 1",
    "RELOAD": "RELOAD", "PAUSE": "PAUSE app",
    "RESUME": "RESUME app", "DISABLE": "DISABLE app", "ENABLE": "ENABLE app",
    "RECONNECT": "RECONNECT app", "KILL": "KILL app",
    "KILL_CLIENT": "KILL_CLIENT 999999", "SUSPEND": "SUSPEND",
    "WAIT_CLOSE": "WAIT_CLOSE app", "SHUTDOWN": "SHUTDOWN WAIT_FOR_CLIENTS",
}
ADMIN_ONLY = ("FDS", "PREPARED")
LOOKS = ("EXPLAIN",)


def test_rights_by_class_of_user_hold_for_every_command_and_every_show(world):
    databases = f"app = host=127.0.0.1 port={world.pg.port}"
    weir = world.start("stats_users = app", databases=databases)
    listed = [line.split("|")[0] for line in
              weir.console("show help").splitlines()]
    shows = [line for line in listed if line.startswith("SHOW ")]
    commands = [line for line in listed if not line.startswith("SHOW ")]
    assert sorted(commands) == sorted(COMMANDS), commands
    for show in shows:
        assert refusal(weir, show) is None, show
        error = refusal(weir, show, user="app")
        if show[5:] in ADMIN_ONLY:
            assert error["C"] == "42501", (show, error)
        else:
            assert error is None, (show, error)
    for command in commands:
        error = refusal(weir, COMMANDS[command], user="app")
        if command in LOOKS:
            assert error is None, (command, error)
        else:
            assert error["C"] == "42501", (command, error)
    # Who is neither does not get in at all.
    stranger = Client(weir.port, database="pgweir", user="nobody",
                      connect=False)
    error = error_of(stranger.login("nobody", "pgweir"))
    assert error is not None, "nobody was let in"
    for command in commands:
        if command == "SHUTDOWN":
            continue
        if command == "RESUME":
            weir.console("PAUSE app")
        error = refusal(weir, COMMANDS[command])
        expected = {"KILL_CLIENT": "42704"}.get(command)
        found = error and error["C"]
        assert (found is None) == (expected is None), (command, error)
        if command in ("PAUSE", "KILL"):
            weir.console("RESUME app")


def test_every_show_of_pgbouncer_is_there(world):
    weir = world.start()
    text = weir.console("show help")
    for what in ("CONFIG DATABASES POOLS CLIENTS SERVERS USERS VERSION PEERS "
                 "PEER_POOLS FDS SOCKETS ACTIVE_SOCKETS LISTS MEM STATE "
                 "DNS_HOSTS DNS_ZONES STATS STATS_TOTALS STATS_AVERAGES "
                 "TOTALS HELP").split():
        assert f"SHOW {what}|" in text, what
        assert what == "HELP" or what.lower() in COLUMNS, what


def listed(weir):
    """The databases that every table knows, and the metrics."""
    found = [{row[column] for row in table(weir, what)} for what, column in (
        ("POOLS", "database"), ("STATS", "database"), ("DATABASES", "name"))]
    labels = {}
    for (name, pairs) in metrics(weir):
        labels.setdefault(name, set()).add(dict(pairs).get(
            "name" if "_databases_" in name else "database"))
    found += [labels[name] for name in (
        "pgbouncer_pools_server_idle_connections",
        "pgbouncer_stats_queries_pooled_total",
        "pgbouncer_databases_current_connections")]
    return found


def test_what_nobody_uses_any_more_is_forgotten_until_somebody_comes(world):
    target = f"host=127.0.0.1 port={world.pg.port}"
    options = OPTIONS + "stats_period = 1s\nserver_idle_timeout = 1s\n"
    named = f"named = {target} dbname=app"
    every = world.start(options + "pool_idle_timeout = 1s", named)
    every.sql("select 1", dbname="named")
    weir = world.start(options + "autodb_idle_timeout = 1s", named)
    stays = Client(weir.port, database="postgres")
    weir.sql("select 1", dbname="named")
    client = Client(weir.port)
    assert client.one("select 1") == "1"
    assert listed(weir) == [{"named", "app", "postgres"}] * 6, listed(weir)
    client.close()
    wait_until("the database of a * is forgotten, one with a client not",
               lambda: listed(weir) == [{"named", "postgres"}] * 6)
    assert stays.one("select 1") == "1"
    client = Client(weir.port)
    assert client.one("select 1") == "1"
    assert "app" in listed(weir)[0]
    client.close()
    wait_until("every other pool is, too", lambda: not table(every, "POOLS"))
    assert every.sql("select 1", dbname="named") == "1"

    # What a reload has taken away goes when its last client has gone.
    last = Client(weir.port, database="named")
    weir.write(world.config(OPTIONS, f"postgres = {target}").replace(
        f"* = {target}\n", ""))
    weir.console("reload")
    assert "named" in listed(weir)[0]
    last.close()
    wait_until("it is gone, too", lambda: listed(weir) ==
               [{"postgres"}] * 6)
    assert stays.one("select 1") == "1"


def test_sockets_are_clients_and_servers_and_active_ones_are_linked(world):
    weir = world.start("workers = 2")
    busy, idle = Client(weir.port), Client(weir.port)
    busy.ask(query("begin"))
    idle.ask(query("select 1"))
    rows = table(weir, "SOCKETS")
    assert sorted(r["type"] for r in rows if r["database"] == "app") == \
        ["C", "C", "S", "S"]
    active = [r for r in table(weir, "ACTIVE_SOCKETS")
              if r["database"] == "app"]
    assert sorted(r["type"] for r in active) == ["C", "S"]
    assert {r["state"] for r in active} == {"active"}
    assert active[0]["link"] == active[1]["ptr"]


def test_dns_hosts_names_the_addresses_of_a_host(world):
    weir = world.start(databases="app = host=localhost "
                       f"port={world.pg.port}")
    weir.sql("select 1")
    hosts = {r["hostname"]: r["addrs"] for r in table(weir, "DNS_HOSTS")}
    assert "127.0.0.1" in hosts["localhost"].split(","), hosts


def test_fds_shows_no_secret(world):
    weir = world.start()
    client = Client(weir.port)
    client.one("select 1")
    rows = table(weir, "FDS")
    assert {r["task"] for r in rows} == {"client", "server"}
    for row in rows:
        assert row["cancel"] == "0" and row["password"] == ""
        assert row["scram_client_key"] == row["scram_server_key"] == ""


def test_wait_close_answers_when_the_doomed_servers_are_closed(world):
    weir = world.start("workers = 2")
    client = Client(weir.port)
    client.ask(query("begin"))
    console = Client(weir.port, database="pgweir", user="postgres")
    assert kinds(console.ask(query("WAIT_CLOSE"))) == "CZ"
    console.ask(query("RECONNECT app"))
    done = []
    thread = threading.Thread(target=lambda: done.append(
        console.ask(query("WAIT_CLOSE app"))))
    thread.start()
    wait_until("the server is doomed", lambda: [
        r for r in table(weir, "SERVERS") if r["close_needed"] == "1"])
    assert not done
    client.ask(query("commit"))
    thread.join(timeout=30)
    assert done and done[0][0] == ("C", b"WAIT_CLOSE\0"), done


def test_wait_close_can_be_cancelled(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    console = Client(weir.port, database="pgweir", user="postgres")
    console.ask(query("RECONNECT"))
    console.send(query("WAIT_CLOSE"))
    wait_until("the server is doomed", lambda: [
        r for r in table(weir, "SERVERS") if r["close_needed"] == "1"])
    console.cancel(weir.port)
    assert error_of(console.until_ready())["C"] == "57014"
    client.ask(query("commit"))
    assert kinds(console.ask(query("WAIT_CLOSE"))) == "CZ"


def test_errors_are_counted_by_who_said_them_without_a_servers_text(world):
    weir = world.start("query_wait_timeout = 1s")
    client = Client(weir.port)
    for _ in range(3):
        client.ask(query("select 'a-secret'::int"))
    client.ask(query("select 1/0"))
    late = Client(weir.port, connect=False)
    late.login(database="app", user="app", DateStyle="nonsense")
    rows = table(weir, "ERRORS")
    first = rows[0]
    assert (first["sqlstate"], first["source"], first["count"]) == (
        "22P02", "server", "3"), rows
    assert first["text"] == "" and first["database"] == "app"
    assert "a-secret" not in str(rows)
    assert ("22012", "1") in [(r["sqlstate"], r["count"]) for r in rows]


def test_prepared_shows_statements_up_to_their_first_literal(world):
    weir = world.start("stats_users = app")
    clients = [Client(weir.port) for _ in range(2)]
    for client in clients:
        client.ask(parse("one", "select $1::int, 'a-secret'"), SYNC)
        client.ask(parse("two", "select $tag$a-secret$tag$"), SYNC)
        client.ask(bind("one", "", [1]), execute(), SYNC)
    rows = table(weir, "PREPARED")
    texts = {r["text"]: int(r["references"]) for r in rows}
    assert "a-secret" not in str(rows)
    assert texts["select $1::int, ..."] >= 2 and "select ..." in texts


def test_the_exporter_of_debian_reads_the_console_unchanged(world):
    if shutil.which("prometheus-pgbouncer-exporter") is None:
        raise Skip("prometheus-pgbouncer-exporter is not installed")
    weir = world.start()
    weir.sql("select 1")
    port = free_port()
    process = subprocess.Popen(
        ["prometheus-pgbouncer-exporter", "--host", "127.0.0.1", "--port",
         str(port), "--pgbouncer-host", "127.0.0.1", "--pgbouncer-port",
         str(weir.port), "--pgbouncer-user", "postgres"],
        stdout=subprocess.DEVNULL,
        stderr=open(os.path.join(world.top, "exporter.log"), "w"),
        env={**os.environ, "PGSSLMODE": "disable"})

    def scraped():
        try:
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/metrics", timeout=10) as got:
                return got.read().decode()
        except OSError:
            return None
    try:
        text = wait_until("the exporter answers", scraped)
    finally:
        process.terminate()
        process.wait(timeout=30)
    found = dict(re.findall(r"^(pgbouncer_\w+)(?:\{[^}]*\})? (\S+)$", text,
                            re.M))
    assert float(found["pgbouncer_requests_total"]) == 1, text
    assert float(found["pgbouncer_sent_bytes_total"]) > 10, text
    assert float(found["pgbouncer_pool_size"]) == 20, text
    for name in ("active_clients", "waiting_clients", "reserve_pool",
                 "databases", "used_clients", "free_servers", "dns_names"):
        assert f"pgbouncer_{name}" in found, (name, text)
