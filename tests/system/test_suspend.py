"""SUSPEND: nothing is read, everything that was read goes out, RESUME."""

import select
import signal
import socket
import subprocess

from cluster import wait_until
from test_console import console, pools, refusal, table
from wire import Client, error_of, kinds, query, row, startup
import web

BIG = "select repeat('x', 1000) from generate_series(1, 30000)"


def state(admin):
    return {row(b)[0]: row(b)[1] for k, b in admin.ask(query("show state"))
            if k == "D"}


def has_said(client):
    """Whether something has come; what is on its way has time to."""
    client.socket.settimeout(0.2)
    try:
        return client.socket.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return False
    finally:
        client.socket.settimeout(30)


def test_suspend_stops_everybody_but_the_console_until_resume(world):
    weir = world.start(web.OPTIONS + "workers = 2\n")
    admin, others = console(weir), [Client(weir.port) for _ in range(4)]
    assert admin.ask(query("suspend"))[0] == ("C", b"SUSPEND\0")
    assert state(admin)["active"] == "no"
    assert state(admin)["suspended"] == "yes"
    assert state(admin)["paused"] == "no"
    assert state(admin)["process"] == "suspended"
    late = Client(weir.port, connect=False)
    late.send(startup(user="app", database="app"))
    for other in others:
        other.send(query("select 1"))
    assert not any(has_said(c) for c in (*others, late))
    assert web.get(weir, "/readyz")[0] == 503
    for command in ("suspend", "pause", "pause app"):
        error = error_of(admin.ask(query(command)))
        assert error["M"] == "already suspended/paused", error
    assert admin.ask(query("resume"))[0] == ("C", b"RESUME\0")
    for other in others:
        assert kinds(other.until_ready()) == "TDCZ"
    assert late.until_ready()[-1][0] == "Z"
    assert late.one("select 1") == "1"
    assert state(admin)["suspended"] == "no"
    assert web.get(weir, "/readyz")[0] == 200


def slow_reader(weir):
    """Its answer is more than sockets hold, and it does not read it."""
    client = Client(weir.port, connect=False)
    client.socket.close()
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(30)
    client.socket.connect(("127.0.0.1", weir.port))
    client.login()
    client.send(query(BIG))
    wait_until("pgweir keeps something for it", lambda: any(
        int(r["send_remain"]) > 60000 for r in table(weir, "SOCKETS")
        if r["type"] == "C" and r["user"] == "app"))
    return client


def test_suspend_answers_when_all_that_was_read_has_gone_out(world):
    weir = world.start("suspend_timeout = 30\n")
    other = console(weir)
    slow = slow_reader(weir)
    admin = console(weir)
    admin.send(query("suspend"))
    wait_until("it is suspended",
               lambda: state(other)["suspended"] == "yes")
    assert not has_said(admin), "what was read has not gone out yet"
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    while readable := select.select([slow.socket, admin.socket], [], [],
                                    None if not admin.data else 0.2)[0]:
        for reader in (slow, admin):
            if reader.socket in readable:
                reader.data += reader.socket.recv(1 << 20)
    assert kinds(admin.until_ready()) == "CZ"
    assert len(slow.data) < 29_000_000, "nothing more was read from the server"
    other.ask(query("resume"))
    got = slow.until_ready()
    assert kinds(got).count("D") == 30000 and got[-1][0] == "Z"


def test_suspend_timeout_closes_who_does_not_take_it(world):
    weir = world.start("suspend_timeout = 300ms\n")
    well = Client(weir.port)
    slow = slow_reader(weir)
    admin = console(weir)
    assert kinds(admin.ask(query("suspend"))) == "CZ"
    assert "disconnected: suspend_timeout" in weir.text()
    admin.ask(query("resume"))
    assert well.one("select 1") == "1"
    while True:
        try:
            if not slow.socket.recv(1 << 20):
                break
        except ConnectionResetError:
            break
    wait_until("its server is free again", lambda: [
        int(p["sv_active"]) for p in pools(weir)] == [0])


def test_resume_comes_by_itself_when_the_last_console_leaves(world):
    weir = world.start()
    client, first, second = Client(weir.port), console(weir), console(weir)
    first.ask(query("suspend"))
    client.send(query("select 1"))
    first.close()
    assert not has_said(client), "there is another administrator"
    assert state(second)["suspended"] == "yes"
    second.close()
    assert kinds(client.until_ready()) == "TDCZ"
    assert Client(weir.port).one("select 1") == "1"


def test_sigusr2_resumes_and_sigterm_ends_a_suspended_process(world):
    weir = world.start()
    client, admin = Client(weir.port), console(weir)
    admin.ask(query("suspend"))
    client.send(query("select 1"))
    weir.signal(signal.SIGUSR2)
    assert kinds(client.until_ready()) == "TDCZ"
    admin.ask(query("suspend"))
    weir.process.send_signal(signal.SIGTERM)
    assert error_of([client.read()])["C"] == "57P01"
    admin.close()
    assert weir.end() == 0


def test_suspend_is_refused_while_a_database_is_paused(world):
    weir = world.start(databases=f"app = host=127.0.0.1 port={world.pg.port}")
    assert refusal(weir, "resume")["M"] == "pooler is not paused/suspended"
    assert refusal(weir, "resume app")["M"] == "database app is not paused"
    weir.console("pause app")
    assert refusal(weir, "suspend")["M"] == (
        "cannot suspend with paused databases")
    weir.console("resume app")
    assert refusal(weir, "suspend") is None


def test_a_session_under_tls_goes_on_after_suspend(world):
    weir = world.start("client_tls_sslmode = require\n")
    psql = subprocess.Popen(
        ["psql", "-XAtq", f"host=127.0.0.1 port={weir.port} user=app "
         "dbname=app sslmode=require"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    psql.stdin.write("select 'first';\n")
    psql.stdin.flush()
    assert psql.stdout.readline() == "first\n"
    with subprocess.Popen(
            ["psql", "-XAtq", f"host=127.0.0.1 port={weir.port} "
             "user=postgres dbname=pgweir sslmode=require"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True) as admin:
        admin.stdin.write("suspend;\nshow version;\n")
        admin.stdin.flush()
        assert admin.stdout.readline().startswith("pgweir")
        psql.stdin.write(f"{BIG};\nselect 'last';\n")
        psql.stdin.flush()
        admin.stdin.write("show version;\nresume;\n")
        admin.stdin.flush()
        out, _ = psql.communicate()
        assert out.count("x" * 1000) == 30000 and out.endswith("last\n")
