"""Debian's PgBouncer and pgweir with the same file, side by side."""

import os
import shutil
import struct
import subprocess

from cluster import Pgweir, Skip, free_port, wait_until
from wire import Client, error_of, query, row

FILE = """
[databases]
app = host=127.0.0.1 port={pg}
other = host=127.0.0.1 port={pg} dbname=app pool_size=3

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = postgres
stats_users = watcher
pool_mode = transaction
"""
SHOWS = ("CONFIG DATABASES POOLS CLIENTS SERVERS USERS VERSION FDS SOCKETS "
         "ACTIVE_SOCKETS LISTS MEM DNS_HOSTS DNS_ZONES STATS STATS_TOTALS "
         "STATS_AVERAGES TOTALS").split()


class Bouncer:
    def __init__(self, world):
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise Skip("PgBouncer is not installed")
        self.port = free_port()
        users = os.path.join(world.top, "bouncer.users")
        with open(users, "w") as f:
            f.write('"postgres" "pw"\n"app" "secret"\n"watcher" "x"\n')
        os.chmod(users, 0o644)
        self.text = FILE.format(pg=world.pg.port, port=self.port, users=users)
        path = os.path.join(world.top, "bouncer.ini")
        with open(path, "w") as f:
            f.write(self.text)
        os.chmod(path, 0o644)
        command = [program, "-q", path]
        if os.getuid() == 0:
            command += ["-u", "postgres"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        wait_until("PgBouncer listens", self.is_up)
        return self

    def is_up(self):
        try:
            Client(self.port, connect=False).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def start(world, bouncer):
    port = free_port()
    weir = Pgweir(world.binary, world.top, config=bouncer.text.replace(
        f"listen_port = {bouncer.port}", f"listen_port = {port}"),
        name="as-pgbouncer")
    world.running.append(weir)
    return weir


def admin(port, user="postgres"):
    return Client(port, database="pgbouncer", user=user)


def columns(answer):
    """Names with their types, as RowDescription has them."""
    body = [body for kind, body in answer if kind == "T"][0]
    count, at, found = struct.unpack(">H", body[:2])[0], 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        found.append((body[at:end].decode(),
                      struct.unpack(">IhIhih", body[end + 1:end + 19])[2:5]))
        at = end + 19
    return found


def test_columns_have_the_types_that_pgbouncer_gives_them(world):
    with Bouncer(world) as bouncer:
        weir = start(world, bouncer)
        theirs, ours = admin(bouncer.port), admin(weir.port)
        for what in SHOWS:
            text = query("SHOW " + what)
            their, our = columns(theirs.ask(text)), columns(ours.ask(text))
            assert set(their) <= set(our), (what, set(their) - set(our))
            # What came later stands between them, or behind.
            order = [c for c in our if c in their]
            assert [c for c in order if c[0] != "reserve_pool"] == [
                c for c in their if c[0] != "reserve_pool"], what


def test_the_console_is_a_database_with_a_pool_as_pgbouncer_has_it(world):
    with Bouncer(world) as bouncer:
        weir = start(world, bouncer)
        for what in ("DATABASES", "POOLS", "STATS", "STATS_TOTALS"):
            found = []
            for port in (bouncer.port, weir.port):
                answer = admin(port).ask(query("SHOW " + what))
                names = [name for name, _ in columns(answer)]
                rows = [dict(zip(names, row(b))) for k, b in answer
                        if k == "D"]
                found.append([r for r in rows if "pgbouncer" in (
                    r.get("name"), r["database"])])
            (their,), (our,) = found
            for name, value in their.items():
                if name != "port" and "count" not in name:
                    assert our[name] == value, (what, name, their, our)


COMMANDS = """
PAUSE nosuch|RESUME nosuch|DISABLE nosuch|ENABLE nosuch|KILL nosuch
RECONNECT nosuch|WAIT_CLOSE nosuch|RESUME|RESUME app|pause app|PAUSE app;
SUSPEND|resume app|PAUSE|PAUSE|PAUSE app|SUSPEND|resume;
DISABLE app|DISABLE app|ENABLE app|RECONNECT|RECONNECT app|WAIT_CLOSE
KILL app|RESUME app|PAUSE pgbouncer|KILL pgbouncer|DISABLE pgbouncer
SUSPEND|SUSPEND|PAUSE|RESUME|RELOAD|SET default_pool_size=7
SET default_pool_size = '8'|set default_pool_size to 9|nonsense|select 1
show nonsense|show|SHOW databases x|
"""


def said(client, command):
    """The tag, or the error's text; what pgweir adds to it is left out."""
    answer = client.ask(query(command))
    error = error_of(answer)
    if error is None:
        return [b.rstrip(b"\0").decode() for k, b in answer if k == "C"][0]
    return error["M"].rstrip(";").split("HELP;")[0].lower()


def test_commands_answer_as_pgbouncer_does(world):
    with Bouncer(world) as bouncer:
        weir = start(world, bouncer)
        theirs, ours = admin(bouncer.port), admin(weir.port)
        for command in COMMANDS.strip().replace("\n", "|").split("|")[:-1]:
            their, our = said(theirs, command), said(ours, command)
            if their.endswith("help"):
                our = our.split("help")[0] + "help"
            assert their == our, (command, their, our)
        for command in ("RELOAD", "PAUSE", "SET x = 1", "SHOW FDS"):
            their, our = (said(admin(port, "watcher"), command)
                          for port in (bouncer.port, weir.port))
            assert our.startswith(their), (command, their, our)


def test_clients_hear_the_words_that_pgbouncer_says(world):
    with Bouncer(world) as bouncer:
        weir = start(world, bouncer)
        told = {}
        for port in (bouncer.port, weir.port):
            told[port] = heard = []

            def hear(answer):
                heard.append((error_of(answer) or {}).get("M"))
            console = admin(port)
            hear(Client(port, connect=False).login("app", "nosuch"))
            hear(Client(port, connect=False).login("app", "pgbouncer"))
            console.ask(query("DISABLE app"))
            hear(Client(port, connect=False).login("app", "app"))
            console.ask(query("ENABLE app"))
            console.ask(query("SET max_client_conn = 1"))
            hear(Client(port, connect=False).login("app", "app"))
            console.ask(query("SET max_client_conn = 100"))
            for option, statements in (
                    ("query_timeout", ["select pg_sleep(60)"]),
                    ("idle_transaction_timeout", ["begin", "select 1"])):
                console.ask(query(f"SET {option} = 1"))
                client = Client(port)
                for statement in statements:
                    answer = client.ask(query(statement))
                hear(answer if error_of(answer) else client.until_ready())
                console.ask(query(f"SET {option} = 0"))
            console.close()
        for their, our in zip(told[bouncer.port], told[weir.port]):
            assert our.startswith(their), (their, our)
    # PgBouncer leaves it to itself.
    world.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where query = 'select pg_sleep(60)'")
