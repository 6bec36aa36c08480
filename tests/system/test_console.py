"""The console: what it shows, what it does, how it answers drivers."""

import subprocess
import threading

from cluster import Failed, Skip, psql_run, wait_until
from wire import (Client, SYNC, bind, describe, error_of, execute, kinds,
                  parse, query, row, startup)

STATS = ("server_assignment_count,xact_count,query_count,received,sent,"
         "xact_time,query_time,wait_time,client_parse_count,"
         "server_parse_count,bind_count,client_login_count")
CONNECTIONS = (
    "type,user,database,replication,state,addr,port,local_addr,local_port,"
    "connect_time,request_time,wait,wait_us,close_needed,ptr,link,"
    "remote_pid,tls,application_name,prepared_statements,id")
BUFFERS = ("recv_pos,pkt_pos,pkt_remain,send_pos,send_remain,pkt_avail,"
           "send_avail")
# PgBouncer's columns, then ours.
COLUMNS = {
    "pools": ("database,user,cl_active,cl_waiting,cl_active_cancel_req,"
              "cl_waiting_cancel_req,sv_active,sv_active_cancel,"
              "sv_being_canceled,sv_idle,sv_used,sv_tested,sv_login,maxwait,"
              "maxwait_us,pool_mode,load_balance_hosts", "host"),
    "clients": (CONNECTIONS, "pinned"),
    "servers": (CONNECTIONS, "cancels"),
    "databases": ("name,host,port,database,force_user,pool_size,"
                  "min_pool_size,reserve_pool_size,server_lifetime,"
                  "pool_mode,load_balance_hosts,max_connections,"
                  "current_connections,max_client_connections,"
                  "current_client_connections,paused,disabled", "reserve_pool"),
    "stats": ("database," + ",".join(
        "total_" + name for name in STATS.split(",")) + "," + ",".join(
        "avg_" + name.replace("received", "recv")
        for name in STATS.split(",")), "total_requests"),
    "stats_totals": ("database," + STATS.replace(
        "received,sent", "bytes_received,bytes_sent"), ""),
    "stats_averages": (
        "database,server_assignment_count,xact_count,query_count,"
        "bytes_received,bytes_sent,xact_time,query_time,wait_time,"
        "avg_client_parse_count,avg_server_parse_count,avg_bind_count,"
        "avg_client_login_count", ""),
    "totals": ("name,value", ""),
    "users": ("name,pool_size,reserve_pool_size,pool_mode,"
              "max_user_connections,current_connections,"
              "max_user_client_connections,current_client_connections", ""),
    "lists": ("list,items", ""), "config": ("key,value,default,changeable",
                                            ""),
    "mem": ("name,size,used,free,memtotal", ""), "state": ("key,value", ""),
    "version": ("version", ""),
    "sockets": (CONNECTIONS + "," + BUFFERS, ""),
    "active_sockets": (CONNECTIONS + "," + BUFFERS, ""),
    "peers": ("peer_id,host,port,pool_size", "name"),
    "peer_pools": ("peer_id,cl_active_cancel_req,cl_waiting_cancel_req,"
                   "sv_active_cancel,sv_login", "host,port"),
    "fds": ("fd,task,user,database,addr,port,cancel,link,client_encoding,"
            "std_strings,datestyle,timezone,password,scram_client_key,"
            "scram_server_key", ""),
    "dns_hosts": ("hostname,ttl,addrs", ""),
    "dns_zones": ("zonename,serial,count", ""),
    "errors": ("", "sqlstate,source,reason,count,last_time,database,user,"
               "text"),
    "prepared": ("", "hash,references,bytes,text"),
}
LISTS = ("databases,users,peers,pools,peer_pools,free_clients,used_clients,"
         "login_clients,free_servers,used_servers,dns_names,dns_zones,"
         "dns_queries,dns_pending,lookup_servers_counted,cancels_passed,"
         "cancels_passed_done,cancels_dropped")


def columns_of(body):
    count, at, names = int.from_bytes(body[:2], "big"), 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        at = end + 19
    return names


def console(weir, database="pgweir", user="postgres"):
    return Client(weir.port, database=database, user=user)


def table(weir, what):
    """Rows of a SHOW, each a dictionary."""
    client = console(weir)
    answer = client.ask(query("SHOW " + what))
    client.close()
    names = columns_of([b for k, b in answer if k == "T"][0])
    return [dict(zip(names, row(b))) for k, b in answer if k == "D"]


def pools(weir, database="app"):
    return [p for p in table(weir, "POOLS") if p["database"] == database]


def waits(weir, n=1, database="app"):
    wait_until(f"{n} wait", lambda: sum(
        int(p["cl_waiting"]) for p in pools(weir, database)) == n)


def refusal(weir, command, user="postgres"):
    client = console(weir, user=user)
    error = error_of(client.ask(query(command)))
    client.close()
    return error


def test_every_show_has_pgbouncers_columns_in_order_then_its_own(world):
    weir = world.start()
    weir.sql("select 1")
    client = console(weir)
    for what, (theirs, ours) in COLUMNS.items():
        expected = [n for n in f"{theirs},{ours}".split(",") if n]
        for spelling in (f"show {what}", f"SHOW {what.upper()};",
                         f" \tShow\n{what} ; "):
            answer = client.ask(query(spelling))
            found = columns_of([b for k, b in answer if k == "T"][0])
            assert found == expected, (what, found)
            assert answer[-2] == ("C", b"SHOW\0"), answer[-2]
            for kind, body in answer:
                assert kind != "D" or len(row(body)) == len(expected), what


def test_show_help_lists_every_show_and_command_and_all_of_them_work(world):
    weir = world.start()
    text = weir.console("show help")
    for what in COLUMNS:
        assert f"SHOW {what.upper()}" in text, what
    for command in ("SET", "RELOAD", "PAUSE", "RESUME", "DISABLE", "ENABLE",
                    "RECONNECT", "KILL", "KILL_CLIENT", "SHUTDOWN"):
        assert f"\n{command}|" in text, command


def test_lists_and_totals_have_pgbouncers_rows_in_order(world):
    weir = world.start()
    weir.sql("select 1")
    assert ",".join(r["list"] for r in table(weir, "LISTS")) == LISTS
    assert ",".join(r["name"] for r in table(weir, "TOTALS")) == ",".join(
        "total_" + name for name in STATS.split(","))

    def values():
        return {r["list"]: int(r["items"]) for r in table(weir, "LISTS")}
    wait_until("only the console is left",
               lambda: values()["used_clients"] == 1)
    assert values()["pools"] == 1 and values()["databases"] == 1
    assert values()["free_servers"] == 1 and values()["used_servers"] == 0


def test_the_tables_agree_with_each_other_and_with_postgresql(world):
    weir = world.start("workers = 3")
    clients = [Client(weir.port) for _ in range(4)]
    for client in clients[:2]:
        client.ask(query("begin"))
    clients[2].send(query("select 1"))
    clients[2].until_ready()
    pool, = pools(weir)
    assert (pool["cl_active"], pool["cl_waiting"], pool["sv_active"]) == \
        ("4", "0", "2"), pool
    assert int(pool["sv_idle"]) >= 1
    servers = [s for s in table(weir, "SERVERS") if s["database"] == "app"]
    pids = {s["remote_pid"] for s in servers}
    assert pids == set(world.pg.sql(
        "select pid from pg_stat_activity where datname = 'app' and "
        "usename = 'app'").split("\n"))
    users = [c for c in table(weir, "CLIENTS") if c["database"] == "app"]
    assert len(users) == 4
    linked = {c["ptr"]: c["link"] for c in users if c["link"]}
    assert linked == {s["link"]: s["ptr"] for s in servers if s["link"]}
    assert len(linked) == 2
    assert sorted(c["state"] for c in users) == ["active"] * 2 + ["idle"] * 2
    ports = {str(c.socket.getsockname()[1]) for c in clients}
    assert {c["port"] for c in users} == ports
    stats, = [s for s in table(weir, "STATS_TOTALS")
              if s["database"] == "app"]
    assert (stats["query_count"], stats["client_login_count"]) == ("3", "4")
    for client in clients[:2]:
        client.ask(query("commit"))
    databases = {d["name"]: d for d in table(weir, "DATABASES")}
    # What "*" stands for is listed when it is used.
    assert list(databases) == ["app"]
    assert databases["app"]["database"] == "app"


#
# PAUSE and RESUME.
#

TWO = "a = host=127.0.0.1 port={0} dbname=app\nb = host=127.0.0.1 " \
      "port={0} dbname=app"


def two(world, options=""):
    return world.start(options, databases=TWO.format(world.pg.port))


def test_pause_of_one_database_leaves_the_other_alone(world):
    weir = two(world)
    a, b = Client(weir.port, database="a"), Client(weir.port, database="b")
    for client in (a, b):
        client.ask(query("select 1"))
    weir.console("PAUSE a")
    assert b.one("select 1") == "1"
    a.send(query("select 2"))
    waits(weir, 1, "a")
    paused = {d["name"]: d["paused"] for d in table(weir, "DATABASES")}
    assert paused["a"] == "1" and paused["b"] == "0", paused
    weir.console("RESUME a")
    assert "D" in kinds(a.until_ready())
    assert {d["paused"] for d in table(weir, "DATABASES")} == {"0"}


def test_pause_holds_for_pools_that_nobody_has_used_yet(world):
    weir = two(world)
    weir.console("PAUSE")
    assert {s["key"]: s["value"] for s in table(weir, "STATE")}[
        "paused"] == "yes"
    assert {d["paused"] for d in table(weir, "DATABASES")} == {"1"}
    late = Client(weir.port, database="a", connect=False)
    late.send(startup(user="app", database="a"))
    waits(weir, 1, "a")
    assert world.pg.sql("select count(*) from pg_stat_activity where "
                        "datname = 'app'") == "0"
    weir.console("RESUME")
    assert "Z" in kinds(late.until_ready())
    assert late.one("select 1") == "1"
    weir.console("PAUSE b")
    late = Client(weir.port, database="b", connect=False)
    late.send(startup(user="app", database="b"))
    waits(weir, 1, "b")
    weir.console("RESUME b")
    assert "Z" in kinds(late.until_ready())


def test_pause_answers_when_the_last_transaction_has_ended(world):
    weir = world.start("workers = 2")
    holders = [Client(weir.port) for _ in range(2)]
    for holder in holders:
        holder.ask(query("begin"))
    admin = console(weir)
    admin.send(query("PAUSE"))
    wait_until("it is paused", lambda: "paused|yes" in weir.console(
        "show state"))
    for holder in holders:
        assert kinds(holder.ask(query("select 1"))) == "TDCZ"
        admin.socket.settimeout(0.1)
        try:
            admin.until_ready()
            raise AssertionError("it did not wait")
        except TimeoutError:
            pass
        holder.ask(query("commit"))
    admin.socket.settimeout(30)
    assert ("C", b"PAUSE\0") in admin.until_ready()


def test_an_administrator_who_leaves_during_pause_hurts_nobody(world):
    weir = world.start()
    holder = Client(weir.port)
    holder.ask(query("begin"))
    admin = console(weir)
    admin.send(query("PAUSE"))
    wait_until("it is paused", lambda: "paused|yes" in weir.console(
        "show state"))
    admin.close()
    holder.ask(query("commit"))
    holder.send(query("select 1"))
    waits(weir)
    weir.console("RESUME")
    assert "D" in kinds(holder.until_ready())


def test_a_reload_keeps_the_pause(world):
    weir = two(world)
    a = Client(weir.port, database="a")
    a.ask(query("select 1"))
    weir.console("PAUSE a")
    weir.write(world.config("query_timeout = 99s",
                            databases=TWO.format(world.pg.port)))
    weir.console("RELOAD")
    a.send(query("select 2"))
    waits(weir, 1, "a")
    weir.console("RESUME a")
    assert "D" in kinds(a.until_ready())


def test_pause_and_resume_under_load_lose_nothing(world):
    weir = world.start("workers = 3\ndefault_pool_size = 3")
    stop, failures, done = threading.Event(), [], [0]

    def run():
        client = Client(weir.port)
        while not stop.is_set():
            answer = client.ask(query("select 1"))
            if kinds(answer) != "TDCZ":
                failures.append(answer)
                return
            done[0] += 1
        client.close()
    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()

    # Clients that give up waiting are what the line must bear.
    def leave():
        while not stop.is_set():
            client = Client(weir.port)
            client.send(query("select 1"))
            client.close()
    threads.append(threading.Thread(target=leave))
    threads[-1].start()
    admin = console(weir)
    for _ in range(30):
        assert kinds(admin.ask(query("PAUSE"))) == "CZ"
        before = done[0]
        assert kinds(admin.ask(query("RESUME"))) == "CZ"
        wait_until("it goes on", lambda: done[0] > before or failures)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


#
# KILL, KILL_CLIENT, RECONNECT, DISABLE, ENABLE.
#

def test_kill_of_one_database_closes_its_connections_and_pauses_it(world):
    weir = two(world, "workers = 2")
    a = [Client(weir.port, database="a") for _ in range(3)]
    b = Client(weir.port, database="b")
    a[0].ask(query("begin"))
    a[1].ask(query("select 1"))
    b.ask(query("select 1"))
    weir.console("KILL a")
    for client in a:
        error = error_of(client.until_ready())
        assert error is not None and error["C"] == "57P01", error
    assert b.one("select 1") == "1"
    wait_until("its servers are gone", lambda: [
        s for s in table(weir, "SERVERS") if s["database"] == "a"] == [])
    assert {d["name"]: d["paused"] for d in table(weir, "DATABASES")}[
        "a"] == "1"
    weir.console("RESUME a")
    assert Client(weir.port, database="a").one("select 1") == "1"


def test_kill_of_all_closes_everybody_but_the_console(world):
    weir = two(world, "workers = 2")
    clients = [Client(weir.port, database=d) for d in "aabb"]
    clients[0].ask(query("begin"))
    admin = console(weir)
    assert ("C", b"KILL\0") in admin.ask(query("KILL"))
    for client in clients:
        assert error_of(client.until_ready())["C"] == "57P01"
    assert ("C", b"RESUME\0") in admin.ask(query("RESUME"))
    assert Client(weir.port, database="a").one("select 1") == "1"


def test_kill_client_ends_one_client_and_cleans_its_server(world):
    weir = world.start("workers = 2")
    a, b = Client(weir.port), Client(weir.port)
    a.ask(query("begin; create table if not exists gone (a int)"))
    b.ask(query("begin"))
    port = str(a.socket.getsockname()[1])
    number, = [c["id"] for c in table(weir, "CLIENTS")
               if c["port"] == port]
    weir.console(f"KILL_CLIENT {number}")
    assert error_of(a.until_ready())["C"] == "57P01"
    assert kinds(b.ask(query("select 1"))) == "TDCZ"
    wait_until("its transaction is rolled back", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where state like "
        "'idle in%' and datname = 'app'") == "1")
    error = refusal(weir, "KILL_CLIENT 999999999")
    assert error is not None and "999999999" in error["M"], error
    for bad in ("KILL_CLIENT", "KILL_CLIENT x", "KILL_CLIENT -1",
                "KILL_CLIENT 1 2", "KILL_CLIENT 99999999999999999999"):
        assert refusal(weir, bad)["C"] == "42601", bad


def test_reconnect_of_one_database_replaces_its_servers_only(world):
    weir = two(world)
    a, b = Client(weir.port, database="a"), Client(weir.port, database="b")
    old_a, old_b = (c.one("select pg_backend_pid()") for c in (a, b))
    weir.console("RECONNECT a")
    assert a.one("select pg_backend_pid()") != old_a
    assert b.one("select pg_backend_pid()") == old_b
    a.ask(query("begin"))
    held = a.one("select pg_backend_pid()")
    weir.console("RECONNECT")
    assert a.one("select pg_backend_pid()") == held
    a.ask(query("commit"))
    assert a.one("select pg_backend_pid()") != held
    assert b.one("select pg_backend_pid()") != old_b


def test_disable_of_a_database_nobody_has_used_yet_counts(world):
    weir = two(world)
    weir.console("DISABLE a")
    done = psql_run("select 1", port=weir.port, dbname="a")
    assert "is disabled" in done.stderr, done.stderr
    assert weir.sql("select 1", dbname="b") == "1"
    shown = {d["name"]: d["disabled"] for d in table(weir, "DATABASES")}
    assert shown["a"] == "1" and shown["b"] == "0"
    weir.console("ENABLE a")
    assert weir.sql("select 1", dbname="a") == "1"


def test_disable_lets_those_go_on_who_are_connected(world):
    weir = two(world)
    client = Client(weir.port, database="a")
    weir.console("DISABLE a")
    for user in ("app", "postgres"):
        done = psql_run("select 1", port=weir.port, dbname="a", user=user)
        assert "is disabled" in done.stderr, (user, done.stderr)
    assert client.one("select 1") == "1"


def test_a_database_that_is_not_there_is_an_error(world):
    weir = world.start(config=world.config(
        databases="a = host=127.0.0.1").replace("* =", "c ="))
    for command in ("PAUSE", "RESUME", "KILL", "RECONNECT", "DISABLE",
                    "ENABLE"):
        error = refusal(weir, command + " nosuch")
        assert error["C"] == "3D000", error
        assert error["M"] == "no such database: nosuch", error


#
# RELOAD and SET.
#

def test_a_reload_that_raises_a_limit_serves_those_who_wait(world):
    for before, after in (
            ("default_pool_size = 1", "default_pool_size = 2"),
            ("max_db_connections = 1", "max_db_connections = 2"),
            ("max_user_connections = 1", "max_user_connections = 0")):
        weir = world.start(before)
        holder, client = Client(weir.port), Client(weir.port)
        holder.ask(query("begin"))
        client.send(query("select 1"))
        waits(weir)
        weir.write(world.config(after))
        weir.console("RELOAD")
        assert "D" in kinds(client.until_ready()), before
        weir.kill()


def test_set_changes_one_option_until_the_next_reload(world):
    weir = world.start("query_timeout = 3s")
    for spelling in ("SET query_wait_timeout = 5",
                     "set query_wait_timeout='6s'",
                     "SET query_wait_timeout TO 7;",
                     "set QUERY_WAIT_TIMEOUT = '8'"):
        answer = console(weir).ask(query(spelling))
        tag = [body for kind, body in answer if kind == "C"][0]
        assert tag.lower().startswith(b"set query_wait_timeout="), tag
    assert "\nquery_wait_timeout|8|" in weir.console("show config")
    # The first one is not lost by the second.
    weir.console("SET max_client_conn = 77")
    text = weir.console("show config")
    assert "\nquery_wait_timeout|8|" in text
    assert "\nmax_client_conn|77|" in text
    assert "\nquery_timeout|3|" in text
    weir.console("RELOAD")
    text = weir.console("show config")
    assert "\nquery_wait_timeout|120|" in text
    assert "\nmax_client_conn|1000|" in text


def test_set_is_in_force_when_it_is_answered(world):
    weir = world.start("workers = 2")
    admin = console(weir)
    for n in range(1, 40):
        admin.ask(query(f"SET query_timeout = {n}"))
        admin.ask(query(f"SET transaction_timeout = {n}"))
        answer = admin.ask(query("SHOW CONFIG"))
        shown = {row(b)[0]: row(b)[1] for k, b in answer if k == "D"}
        assert shown["query_timeout"] == shown["transaction_timeout"] == (
            str(n)), (n, shown["query_timeout"])


def test_set_refuses_what_cannot_be_and_says_why(world):
    weir = world.start()
    error = refusal(weir, "SET listen_port = 5")
    assert "cannot be changed" in error["M"], error
    error = refusal(weir, "SET default_pool_sise = 5")
    assert 'no option "default_pool_sise"' in error["M"]
    assert '"default_pool_size"' in error["M"], error
    for bad in ("SET pool_mode = 'sometimes'", "SET max_client_conn = x",
                "SET auth_file = '/nonexistent'",
                "SET query_timeout = -1"):
        error = refusal(weir, bad)
        assert error["C"] == "22023", (bad, error)
    for bad in ("SET", "SET a", "SET max_client_conn 5",
                "SET max_client_conn =", "SET max_client_conn = 5 6"):
        assert refusal(weir, bad)["C"] == "42601", bad


#
# SHUTDOWN.
#

def test_shutdown_is_at_once_and_its_modes_wait(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    console(weir).send(query("SHUTDOWN"))
    assert weir.end() == 0
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("begin"))
    console(weir).ask(query("SHUTDOWN WAIT_FOR_SERVERS"))
    assert kinds(client.ask(query("select 1"))) == "TDCZ"
    client.send(query("commit"))
    assert weir.end() == 0
    weir = world.start()
    client = Client(weir.port)
    admin = console(weir)
    assert ("C", b"SHUTDOWN\0") in admin.ask(
        query("shutdown wait_for_clients"))
    admin.close()
    assert client.one("select 1") == "1"
    assert weir.process.poll() is None
    client.close()
    assert weir.end() == 0
    weir = world.start()
    assert refusal(weir, "SHUTDOWN soon")["C"] == "42601"


def test_a_paused_client_does_not_hold_up_a_shutdown(world):
    weir = world.start()
    client = Client(weir.port)
    client.ask(query("select 1"))
    weir.console("PAUSE")
    client.send(query("select 2"))
    waits(weir)
    console(weir).send(query("SHUTDOWN WAIT_FOR_SERVERS"))
    assert weir.end() == 0


#
# Errors, and drivers.
#

def test_syntax_errors_have_a_sqlstate_and_name_the_nearest_command(world):
    weir = world.start()
    for wrong, right in (("RELAOD", "RELOAD"), ("SHWO POOLS", "SHOW"),
                         ("PUASE app", "PAUSE"), ("KILLCLIENT 1",
                                                  "KILL_CLIENT"),
                         ("SHUTDWON", "SHUTDOWN"),
                         ("SHOW POLLS", "SHOW POOLS"),
                         ("SHOW CLIENT", "SHOW CLIENTS")):
        error = refusal(weir, wrong)
        assert error["C"] == "42601", (wrong, error)
        assert f'did you mean "{right}"?' in error["M"], (wrong, error)
    for wrong in ("SELECT 1", "SHOW", "SHOW NOTHINGLIKEIT", "PAUSE a b",
                  "'", "\"", "BEGIN", "x" * 5000, "=", "SHOW 'a", "\u00e4"):
        error = refusal(weir, wrong)
        assert error is not None and error["C"] == "42601", (wrong, error)
        assert "SHOW HELP" in error["M"] or "SHOW" in error["M"] or \
            "database" in error["M"], error
    client = console(weir)
    assert kinds(client.ask(query(""))) == "IZ"
    assert kinds(client.ask(query(" ; "))) == "IZ"
    assert kinds(client.ask(query("SHOW VERSION"))) == "TDCZ"


def test_names_in_quotes_are_names(world):
    weir = world.start(databases='Odd-Name = host=127.0.0.1 port='
                       f'{world.pg.port} dbname=app')
    client = Client(weir.port, database="Odd-Name")
    client.ask(query("select 1"))
    for name in ('"Odd-Name"', "Odd-Name", "'Odd-Name'"):
        weir.console(f"PAUSE {name}")
        assert {p["database"] for p in table(weir, "POOLS")} == {"Odd-Name"}
        weir.console(f"RESUME {name};")
    assert client.one("select 1") == "1"


def test_an_error_in_the_extended_protocol_skips_to_sync(world):
    weir = world.start()
    client = console(weir)
    answer = client.ask(parse("", "RELAOD") + bind("") + execute() +
                        parse("", "SHOW VERSION") + bind("") + execute() +
                        SYNC)
    assert kinds(answer) == "12EZ", kinds(answer)
    answer = client.ask(parse("s", "SHOW VERSION") + describe("S", "s") +
                        SYNC)
    assert kinds(answer) == "1tTZ"
    answer = client.ask(bind("s") + describe("P") + execute() + SYNC)
    assert kinds(answer) == "2TDCZ"
    # Several statements by name, as drivers that prepare have them.
    client.ask(parse("t", "SHOW STATE") + SYNC)
    answer = client.ask(bind("s") + execute() + SYNC)
    assert b"pgweir" in [b for k, b in answer if k == "D"][0]
    answer = client.ask(bind("nosuch") + execute() + SYNC)
    assert error_of(answer)["C"] == "26000", answer


# Debian's drivers are Debian's Python's.
def run_driver(program, weir):
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, str(weir.port)],
        capture_output=True, text=True, timeout=60)
    if "ModuleNotFoundError" in done.stderr:
        raise Skip("the driver is not installed")
    assert done.returncode == 0, done.stderr
    return done.stdout


ASKED = ("SHOW POOLS", "SHOW CLIENTS", "SHOW SERVERS", "SHOW DATABASES",
         "SHOW STATS", "SHOW STATS_TOTALS", "SHOW STATS_AVERAGES",
         "SHOW LISTS", "SHOW CONFIG", "SHOW USERS", "SHOW VERSION",
         "SHOW MEM", "SHOW STATE", "SHOW HELP", "SHOW TOTALS")


def test_psycopg2_uses_the_console(world):
    weir = world.start()
    weir.sql("select 1")
    text = run_driver(f"""
import sys, psycopg2
c = psycopg2.connect(host="127.0.0.1", port=sys.argv[1], user="postgres",
                     dbname="pgbouncer", sslmode="disable")
c.autocommit = True
k = c.cursor()
for what in {ASKED!r}:
    k.execute(what)
    rows = k.fetchall()
    assert rows and len(rows[0]) == len(k.description), what
k.execute("SHOW POOLS")
print([d[0] for d in k.description][:2], k.fetchall()[0][:2])
k.execute("RELOAD")
k.execute("SET query_timeout = 5")
try:
    k.execute("RELAOD")
except psycopg2.Error as e:
    print(e.pgcode)
""", weir)
    assert "['database', 'user']" in text and "'app', 'postgres'" in text
    assert "42601" in text


def test_psycopg_uses_the_console_in_the_extended_protocol(world):
    weir = world.start()
    weir.sql("select 1")
    text = run_driver(f"""
import sys, psycopg
c = psycopg.connect(host="127.0.0.1", port=sys.argv[1], user="postgres",
                    dbname="pgweir", sslmode="disable", autocommit=True)
for prepare in (False, True):
    for what in {ASKED!r}:
        k = c.execute(what, prepare=prepare)
        rows = k.fetchall()
        assert rows and len(rows[0]) == len(k.description), what
    c.execute("RELOAD", prepare=prepare)
    try:
        c.execute("RELAOD", prepare=prepare)
    except psycopg.Error as e:
        print(e.sqlstate)
k = c.execute("SHOW POOLS", prepare=True)
print(k.fetchall()[0][:2])
k = c.execute("SHOW DATABASES", binary=True)
print(k.fetchall()[0][2])
""", weir)
    assert text.count("42601") == 2 and "('app', 'postgres')" in text
    assert str(world.pg.port) in text


def test_asyncpg_uses_the_console(world):
    weir = world.start()
    weir.sql("select 1")
    text = run_driver(f"""
import asyncio, sys, asyncpg
async def main():
    c = await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]),
        user="postgres", database="pgweir", ssl=False)
    for what in {ASKED!r}:
        rows = await c.fetch(what)
        assert rows, what
    rows = await c.fetch("SHOW POOLS")
    print(dict(rows[0]))
    await c.execute("RELOAD")
    try:
        await c.fetch("RELAOD")
    except asyncpg.PostgresError as e:
        print(e.sqlstate)
    await asyncio.wait_for(c.close(), 10)
asyncio.run(main())
""", weir)
    assert "'database': 'app'" in text and "42601" in text


def test_stats_users_may_look_and_nothing_else(world):
    weir = world.start("stats_users = app")
    for what in ASKED:
        assert refusal(weir, what, user="app") is None, what
    for command in ("KILL_CLIENT 1", "KILL", "PAUSE", "SHUTDOWN", "RELOAD",
                    "SET query_timeout = 1", "DISABLE app"):
        error = refusal(weir, command, user="app")
        assert error["C"] == "42501", (command, error)
    try:
        weir.sql("show nothing", dbname="pgweir", user="app")
    except Failed as failure:
        assert "42501" not in str(failure)
