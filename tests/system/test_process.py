"""Configuration, console, reloading, stopping."""

import os
import signal
import subprocess
import time

from cluster import Failed, psql_run, wait_until
from wire import (Client, FLUSH, SYNC, bind, describe, error_of, execute, kinds,
                  message, parse, query)

COLUMNS = {
    "pools": "database,user,cl_active,cl_waiting,cl_active_cancel_req,"
    "cl_waiting_cancel_req,sv_active,sv_active_cancel,sv_being_canceled,"
    "sv_idle,sv_used,sv_tested,sv_login,maxwait,maxwait_us,pool_mode,"
    "load_balance_hosts",
    "clients": "type,user,database,replication,state,addr,port,local_addr,"
    "local_port,connect_time,request_time,wait,wait_us,close_needed,ptr,"
    "link,remote_pid,tls,application_name,prepared_statements,id",
    "databases": "name,host,port,database,force_user,pool_size,"
    "min_pool_size,reserve_pool_size,server_lifetime,pool_mode,"
    "load_balance_hosts,max_connections,current_connections,"
    "max_client_connections,current_client_connections,paused,disabled",
    "stats_totals": "database,server_assignment_count,xact_count,"
    "query_count,bytes_received,bytes_sent,xact_time,query_time,wait_time,"
    "client_parse_count,server_parse_count,bind_count,client_login_count",
    "users": "name,pool_size,reserve_pool_size,pool_mode,"
    "max_user_connections,current_connections,max_user_client_connections,"
    "current_client_connections",
    "lists": "list,items", "config": "key,value,default,changeable",
    "mem": "name,size,used,free,memtotal", "state": "key,value",
    "version": "version",
}
COLUMNS["servers"] = COLUMNS["clients"]


def check(world, text, env=None):
    path = os.path.join(world.top, "checked.ini")
    with open(path, "w") as f:
        f.write(text)
    done = subprocess.run([world.binary, "--check", path],
                          capture_output=True, text=True, timeout=30,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout + done.stderr, path


def test_columns_are_pgbouncers_in_their_order_and_ours_come_last(world):
    weir = world.start()
    weir.sql("select 1")
    for what, columns in COLUMNS.items():
        shown = psql_run(f"show {what}", port=weir.port, dbname="pgweir",
                         args=("-P", "tuples_only=off"))
        assert shown.returncode == 0, shown.stderr
        found = shown.stdout.split("\n")[0].replace("|", ",")
        assert found.startswith(columns), (what, found)
    for what in ("help", "stats", "stats_averages", "totals"):
        assert weir.console(f"show {what}")


def test_the_console_answers_the_extended_protocol(world):
    weir = world.start()
    client = Client(weir.port, database="pgbouncer", user="postgres")
    answer = client.ask(parse("", "SHOW POOLS") + describe("S") + bind("") +
                        execute() + SYNC)
    assert kinds(answer).startswith("1tT2")
    assert kinds(answer).endswith("CZ")
    answer = client.ask(parse("", "NONSENSE") + bind("") + execute() + SYNC)
    assert error_of(answer)["C"] == "42601"


def test_rights_follow_the_class_of_the_user(world):
    weir = world.start("stats_users = app")
    assert psql_run("show pools", port=weir.port, dbname="pgweir",
                    user="app").returncode == 0
    for command in ("reload", "pause", "resume", "kill", "kill_client 1",
                    "reconnect", "disable app", "enable app", "shutdown",
                    "set query_timeout = 1"):
        done = psql_run(command, port=weir.port, dbname="pgweir",
                        user="app")
        assert "is for admin_users" in done.stderr, (command, done.stderr)
    weir = world.start()
    done = psql_run("show pools", port=weir.port, dbname="pgweir",
                    user="app")
    assert "neither admin_users nor stats_users" in done.stderr


def test_pause_waits_and_resume_goes_on(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    console = Client(weir.port, database="pgweir", user="postgres")
    console.send(query("PAUSE"))
    wait_until("it is paused", lambda: "|1|0" in weir.console(
        "show databases") or "paused|yes" in weir.console("show state"))
    client.ask(query("commit"))
    assert "C" in kinds(console.until_ready())
    client.send(query("select 1"))
    wait_until("it waits", lambda: weir.console(
        "show pools").split("\n")[0].split("|")[3] == "1")
    weir.console("RESUME")
    assert "D" in kinds(client.until_ready())


def test_kill_reconnect_disable_and_set_do_what_they_say(world):
    weir = world.start()
    client = Client(weir.port)
    pid = client.one("select pg_backend_pid()")
    weir.console("RECONNECT")
    assert client.one("select pg_backend_pid()") != pid
    number = [line for line in weir.console("show clients").split("\n")
              if "|app|app|" in line][0].split("|")[20]
    weir.console(f"KILL_CLIENT {number}")
    assert error_of(client.until_ready())["C"] == "57P01"
    weir.console("DISABLE app")
    try:
        weir.sql("select 1", user="app")
        raise AssertionError("it was let in")
    except Failed as error:
        assert "is disabled" in str(error)
    weir.console("ENABLE app")
    assert weir.sql("select 1", user="app") == "1"
    weir.console("SET query_timeout = 5")
    assert "query_timeout|5|" in weir.console("show config")
    client = Client(weir.port)
    weir.console("KILL app")
    assert error_of(client.until_ready())["C"] == "57P01"


def test_sighup_reloads_all_or_nothing_and_pools_keep_their_servers(world):
    weir = world.start()
    client = Client(weir.port)
    pid = client.one("select pg_backend_pid()")
    weir.write(world.config("query_wait_timeout = 7s"))
    weir.signal(signal.SIGHUP)
    wait_until("it is reloaded",
               lambda: "query_wait_timeout|7|" in weir.console("show config"))
    weir.write(world.config("query_wait_timeout = 9s\nnonsense = 1"))
    weir.signal(signal.SIGHUP)
    wait_until("it is refused", lambda: "was not reloaded" in weir.text())
    assert "query_wait_timeout|7|" in weir.console("show config")
    done = psql_run("reload", port=weir.port, dbname="pgweir")
    assert "nonsense" in done.stderr
    assert client.one("select pg_backend_pid()") == pid


def test_sigterm_lets_transactions_finish_and_sends_the_rest_away(world):
    weir = world.start()
    idle, busy = Client(weir.port), Client(weir.port)
    busy.ask(query("begin"))
    weir.signal(signal.SIGTERM)
    assert error_of(idle.until_ready())["C"] == "57P01"
    assert kinds(busy.ask(query("select 1"))) == "TDCZ"
    busy.send(query("commit"))
    answer = busy.until_ready()
    assert "C" in kinds(answer)
    assert error_of(busy.until_ready())["C"] == "57P01"
    assert weir.end() == 0


def test_sigterm_finds_every_kind_of_client_at_its_boundary(world):
    weir = world.start("workers = 2\nshutdown_spread = 0")
    idle = [Client(weir.port) for _ in range(3)]
    idle[0].rows("listen news")
    idle[1].rows("create temp table kept (a int)")
    idle[2].ask(parse("one", "select 1"), SYNC)
    idle.append(Client(weir.port, replication="database"))
    assert kinds(idle[3].ask(query("IDENTIFY_SYSTEM"))) == "TDCZ"
    flushed, copying, extended, held = (Client(weir.port) for _ in range(4))
    flushed.send(parse("", "select 1"), bind(""), execute(), FLUSH)
    assert "".join(flushed.read()[0] for _ in range(4)) == "12DC"
    copying.rows("drop table if exists last_copied; "
                 "create table last_copied (a int)")
    copying.send(query("copy last_copied from stdin"))
    assert copying.read()[0] == "G"
    begin, commit = (parse("", word) + bind("") + execute() + SYNC
                     for word in ("begin", "commit"))
    assert kinds(extended.ask(begin)) == "12CZ"
    assert kinds(held.ask(query("begin"))) == "CZ"
    weir.signal(signal.SIGTERM)
    for client in idle:
        assert error_of(client.until_ready())["C"] == "57P01"
    assert kinds(extended.ask(query("select 2"))) == "TDCZ"
    assert kinds(held.ask(query("select 2"))) == "TDCZ"
    for client, last, answer in (
            (flushed, SYNC, "Z"), (extended, commit, "12CZ"),
            (copying, message("d", b"1\n") + message("c"), "CZ"),
            (held, query("commit"), "CZ")):
        assert kinds(client.ask(last)) == answer
        assert error_of(client.until_ready())["C"] == "57P01"
    assert weir.end() == 0
    assert world.pg.sql("select * from last_copied", database="app") == "1"


def test_shutdown_delay_goes_on_accepting(world):
    weir = world.start("shutdown_delay = 3s")
    weir.signal(signal.SIGTERM)
    wait_until("it has begun", lambda: "shutting down" in weir.text())
    client = Client(weir.port)
    assert client.one("select 1") == "1"
    assert weir.end() == 0


def test_shutdown_timeout_ends_what_does_not_end(world):
    weir = world.start("shutdown_timeout = 1s")
    client = Client(weir.port)
    client.ask(query("begin"))
    weir.signal(signal.SIGTERM)
    assert weir.end() == 0
    assert error_of(client.until_ready())["C"] == "57P01"


def test_what_still_runs_near_shutdown_timeout_is_cancelled(world):
    weir = world.start("shutdown_timeout = 2s")
    client, idle = Client(weir.port), Client(weir.port)
    client.ask(query("create table if not exists cut (a int)"))
    client.ask(query("begin; insert into cut values (1)"))
    client.send(query("select pg_sleep(600) /* cut */"))
    wait_until("it runs", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where state = 'active' and "
        "query like '%/* cut */'") == "1")
    weir.signal(signal.SIGTERM)
    assert error_of(idle.until_ready())["C"] == "57P01"
    assert error_of(client.until_ready())["C"] == "57P01"
    assert weir.end(10) == 0
    # Nothing is waited for: it was over before the process was.
    assert world.pg.sql(
        "select count(*) from pg_stat_activity where state <> 'idle' and "
        "query like '%/* cut */'") == "0"
    assert world.pg.sql("select count(*) from cut", database="app") == "0"


def test_the_console_on_the_unix_socket_is_there_until_the_end(world):
    weir = world.start(f"unix_socket_dir = {world.top}\n")
    path = f"{world.top}/.s.PGSQL.{weir.port}"
    busy = Client(weir.port)
    busy.ask(query("begin"))
    weir.signal(signal.SIGTERM)
    wait_until("it is draining", lambda: "draining" in psql_run(
        "show state", host=world.top, port=weir.port, dbname="pgweir").stdout)
    admin = Client(path, database="pgweir", user="postgres")
    done = psql_run("select 1", host=world.top, port=weir.port, dbname="app")
    assert "the pooler is shutting down; connect again" in done.stderr
    done = psql_run("select 1", port=weir.port, dbname="app")
    assert "Connection refused" in done.stderr
    # Nor does it wait for who says nothing.
    silent = Client(path, connect=False)
    busy.ask(query("commit"))
    assert error_of(busy.until_ready())["C"] == "57P01"
    assert error_of(admin.until_ready())["C"] == "57P01"
    assert weir.end(10) == 0
    assert not os.path.exists(path)
    silent.close()


def test_sigint_waits_for_servers_and_sigquit_does_not(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    weir.signal(signal.SIGINT)
    wait_until("it waits", lambda: "no server is in use" in weir.text())
    client.send(query("commit"))
    assert weir.end() == 0
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    weir.signal(signal.SIGQUIT)
    assert weir.end() == 0


def test_a_sidecar_stops_after_its_application(world):
    weir = world.start(config=None, env={
        "PGWEIR_DATABASE_URL":
        f"postgresql://app:secret@127.0.0.1:{world.pg.port}/app",
        "PGWEIR_LISTEN_PORT": "0", "PGWEIR_UNIX_SOCKET_DIR": world.top,
        "PGWEIR_METRICS_PORT": "0", "PGWEIR_AUTH_TYPE": "trust",
        "PGWEIR_STOP_AFTER_CLIENTS": "1s"})
    path = f"{world.top}/.s.PGSQL.{weir.port}"
    # Nobody has come yet, but for somebody who looks: that is no end.
    watcher = Client(path, database="pgweir", user="pgweir")
    start = time.monotonic()
    wait_until("time has passed", lambda: time.monotonic() - start > 2.5)
    assert weir.process.poll() is None
    # An application that says nothing for long, and connects anew.
    client = Client(weir.port, user="app")
    start = time.monotonic()
    wait_until("time has passed", lambda: time.monotonic() - start > 2.5)
    assert client.one("select 1") == "1"
    client.close()
    client = Client(weir.port, user="app")
    assert client.one("select 1") == "1"
    client.close()
    assert weir.end(10) == 0
    assert "stop_after_clients" in weir.text()
    assert error_of(watcher.until_ready())["C"] == "57P01"


def test_a_url_in_the_environment_is_all_it_needs(world):
    weir = world.start(config=None, env={
        "PGWEIR_DATABASE_URL":
        f"postgresql://app:secret@127.0.0.1:{world.pg.port}/app",
        "PGWEIR_LISTEN_PORT": "0", "PGWEIR_UNIX_SOCKET_DIR": "",
        "PGWEIR_PORT": "tcp://10.0.0.1:5432", "PGWEIR_NONSENSE": "1"})
    assert "listening on 127.0.0.1:" in weir.text()
    assert weir.sql("select current_user", user="app",
                    password="secret") == "app"
    done = psql_run("select 1", port=weir.port, dbname="app", user="app",
                    password="wrong")
    assert "password authentication failed" in done.stderr
    assert 'no option "nonsense"' in weir.text()
    assert "PGWEIR_PORT" not in weir.text()


def test_a_plain_pgbouncer_ini_starts_unchanged(world):
    users = os.path.join(world.top, "bouncer.users")
    with open(users, "w") as f:
        f.write('"app" "secret"\n')
    weir = world.start(config=f"""
;; PgBouncer
[databases]
app = host=127.0.0.1 port={world.pg.port} dbname=app ; comment
[users]
[pgbouncer]
logfile =
listen_addr = 127.0.0.1
listen_port = 0
unix_socket_dir =
auth_type = md5
auth_file = {users}
pool_mode = transaction
pkt_buf = 4096
sbuf_loopcnt = 5
max_client_conn = 100
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
""".replace(" ; comment", ""))
    assert weir.sql("select 1", user="app", password="secret") == "1"
    assert "pkt_buf" in weir.text() and "without meaning" in weir.text()


def test_an_unknown_option_names_file_line_and_the_nearest_one(world):
    code, text, path = check(world, "[pgweir]\ndefault_pool_sise = 3\n")
    assert code == 1
    assert f"{path}:2:" in text and '"default_pool_size"?' in text
    code, text, path = check(world, "[databases]\na = hots=x\n")
    assert f"{path}:1:" not in text and '"host"?' in text
    for bad in ("pool_mode = fast", "listen_port = 70000",
                "query_timeout = soon", "auth_type = ldap",
                "auth_type = hba", "auth_file = /nonexistent",
                "client_tls_key_file = /nonexistent"):
        code, text, path = check(world, f"[pgweir]\n{bad}\n")
        assert code == 1, bad
    code, text, _ = check(
        world, "[databases]\na = host=b,c port=1,2,3\n[pgweir]\n")
    assert code == 1 and "there are more ports than hosts" in text


def test_long_values_semicolons_and_includes_arrive_intact(world):
    other = os.path.join(world.top, "other.ini")
    long = "x" * 8000
    with open(other, "w") as f:
        f.write(f"   server_reset_query = SELECT '{long}'; # not a comment\n")
    weir = world.start(f"   query_timeout = 5s\n%include {other}")
    shown = weir.console("show config")
    assert "query_timeout|5|" in shown
    assert long[:1000] in shown


def test_bad_files_and_bad_values_are_all_reported(world):
    code, text, _ = check(world, "[pgweir]\nverbose = x\nlisten_port = y\n"
                          "%include nowhere.ini\n[wrong]\na = b\n")
    assert code == 1
    for part in ("verbose", "listen_port", "nowhere.ini", "[wrong]"):
        assert part in text, (part, text)


def test_version_and_help_are_said(world):
    for option, word in (("--version", "pgweir"), ("--help", "usage")):
        done = subprocess.run([world.binary, option], capture_output=True,
                              text=True, timeout=30)
        assert done.returncode == 0 and word in done.stdout


def test_a_probe_that_connects_and_leaves_is_silent(world):
    weir = world.start()
    before = weir.text()
    for _ in range(3):
        Client(weir.port, connect=False).close()
    weir.console("show version")
    assert "lost" not in weir.text()[len(before):]
