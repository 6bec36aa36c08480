"""pgweir top: in a terminal (tmux), and once on a pipe."""

import os
import re
import shutil
import subprocess
import uuid

from cluster import Skip, wait_until
from wire import Client, query


def once(world, weir, *more, **environment):
    return subprocess.run(
        [world.binary, "top", "-1", *more], capture_output=True, text=True,
        timeout=60, env={**os.environ, "PGSSLMODE": "disable",
                         **environment})


def conninfo(weir, user="postgres"):
    return f"host=127.0.0.1 port={weir.port} user={user}"


class Terminal:
    """A tmux server of the test's own with one window."""

    def __init__(self, command, columns=110, rows=30):
        if shutil.which("tmux") is None:
            raise Skip("tmux is not installed")
        self.socket = "pgweir-" + uuid.uuid4().hex[:8]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns),
                  "-y", str(rows), command)

    def tmux(self, *args):
        done = subprocess.run(["tmux", "-L", self.socket, *args],
                              capture_output=True, text=True, timeout=30,
                              env={**os.environ, "PGSSLMODE": "disable",
                                   "LC_ALL": "C.UTF-8"})
        return done.stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def close(self):
        self.tmux("kill-server")


def test_top_shows_pools_clients_and_errors_in_a_terminal(world):
    weir = world.start("default_pool_size = 1\nadmin_users = postgres\n")
    holder, waiter = Client(weir.port), Client(weir.port)
    holder.ask(query("begin"))
    waiter.send(query("select 1"))
    Client(weir.port, connect=False).login("nobody_here", "app")
    terminal = Terminal(f"{world.binary} top -i 200ms "
                        f"'{conninfo(weir)}'; echo it has ended; cat")
    try:
        text = wait_until("it is drawn", lambda: [
            t for t in [terminal.text()] if "queries: 0/s" in t
            and "28P01" in t])[0]
        assert re.search(r"pgweir \S+ at 127.0.0.1:\d+: active", text), text
        assert "1 waiting" in text and "1 in use" in text, text
        row = re.search(r"^app +app +127.0.0.1:\d+ +#{12} +1 +0 +2 +1 +\S+",
                        text, re.M)
        assert row, text
        assert max(len(line) for line in text.splitlines()) <= 110
        holder.ask(query("commit"))
        waiter.until_ready()
        wait_until("nobody waits", lambda: "0 waiting" in terminal.text())
        terminal.tmux("resize-window", "-x", "60", "-y", "8")
        wait_until("it fits the smaller window", lambda: len([
            line for line in terminal.text().splitlines() if line]) <= 8
            and "pgweir" in terminal.text().splitlines()[0])
        terminal.tmux("send-keys", "q")
        wait_until("q ends it", lambda: "it has ended" in terminal.text())
    finally:
        terminal.close()


def test_top_says_when_pgweir_is_gone_and_comes_back_with_it(world):
    weir = world.start()
    terminal = Terminal(f"{world.binary} top -i 200ms '{conninfo(weir)}'")
    try:
        wait_until("it is drawn", lambda: "active" in terminal.text())
        weir.kill()
        wait_until("it says so", lambda: "no answer" in terminal.text())
        world.start(config=world.config().replace(
            "listen_port = 0", f"listen_port = {weir.port}"))
        wait_until("it is back", lambda: "active" in terminal.text())
    finally:
        terminal.close()


def test_top_once_writes_plain_text_and_ends(world):
    weir = world.start("stats_users = app")
    weir.sql("select 1")
    done = once(world, weir, conninfo(weir, "app"))
    assert done.returncode == 0, done.stderr
    assert "\033" not in done.stdout and "DATABASE" in done.stdout
    assert re.search(r"^app +postgres ", done.stdout, re.M), done.stdout
    url = f"postgresql://app@127.0.0.1:{weir.port}/pgweir"
    assert once(world, weir, url).returncode == 0
    assert once(world, weir, PGHOST="127.0.0.1", PGPORT=str(weir.port),
                PGUSER="app").returncode == 0


def test_top_writes_no_byte_of_a_peer_that_commands_the_terminal(world):
    weir = world.start("")
    evil = "\033]0;evil\007\033[2J"
    Client(weir.port, database=evil, connect=False).login("app", evil)
    done = once(world, weir, conninfo(weir))
    assert done.returncode == 0 and "\033" not in done.stdout
    assert "?]0;evil?" in done.stdout, done.stdout


def test_top_without_a_server_or_with_nonsense_says_so(world):
    done = once(world, None, "host=127.0.0.1 port=1")
    assert done.returncode == 1 and "pgweir top:" in done.stderr
    for nonsense in (["-i", "1ms"], ["-x"], ["a", "b"]):
        done = once(world, None, *nonsense)
        assert done.returncode == 1 and "usage:" in done.stderr, nonsense
