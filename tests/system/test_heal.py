"""What a replica refuses: run again on the primary, or told as it is.

The replica is behind a proxy that answers in its place when a statement has
"raise SQLSTATE SEVERITY text." in it."""

import re
import socket
import struct
import threading

from cluster import Cluster, wait_until
from wire import (SYNC, Client, bind, describe, error_of, execute, kinds,
                  message, parse, query, row)

PORT = "select inet_server_port()"
CONFLICT = "canceling statement due to conflict with recovery"
CANCEL_CODE = struct.pack(">I", 80877102)


def is_whole(data):
    """Messages, and the last of them is one that is answered: all but Parse,
    Bind, Describe, Execute and Close."""
    kind = b""
    while data:
        # Before the login they have no type.
        head = 0 if data[:1] == b"\0" else 1
        if len(data) < head + 4:
            return False
        kind = data[:head]
        length, = struct.unpack(">I", data[head:head + 4])
        if len(data) < head + length:
            return False
        data = data[head + length:]
    return kind not in b"PBDEC" or kind == b""


class Proxy:
    def __init__(self, port):
        self.target = port
        self.hung = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            for args in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.copy, args=args,
                                 daemon=True).start()

    def copy(self, source, to, asks):
        data = b""
        try:
            while more := source.recv(1 << 20):
                data += more
                if asks and not is_whole(data):
                    continue
                found = asks and re.search(
                    rb"raise (\w{5}) (\w+) ([\w ]*)\.", data)
                if asks and CANCEL_CODE in data[:12] and self.hung:
                    self.answer(*self.hung)
                    break
                elif found and b"hang" in data:
                    self.hung = source, data, found
                elif found:
                    self.answer(source, data, found)
                else:
                    to.sendall(data)
                data = b""
        except OSError:
            pass
        for side in (source, to):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def answer(client, data, found):
        code, severity, text = (part.decode() for part in found.groups())
        begins = b"BEGIN" in data[:20]
        if begins:
            client.sendall(message("1") + message("2") +
                           message("C", b"BEGIN\0"))
        client.sendall(message("E", f"S{severity}\0V{severity}\0C{code}\0M"
                               f"{text}\0\0".encode()))
        if severity == "FATAL":
            client.shutdown(socket.SHUT_RDWR)
        else:
            client.sendall(message("Z", b"E" if begins else b"I"))

    def close(self):
        self.listener.close()


class Hosts:
    """A primary, and a replica behind a proxy."""

    def __init__(self, world, options=""):
        self.cluster = Cluster(world, replicas=1)
        self.options = options

    def __enter__(self):
        self.cluster.__enter__()
        nodes = self.cluster.nodes
        self.primary = str(nodes[0].port)
        self.proxy = Proxy(nodes[1].port)
        self.weir = self.cluster.world.start(
            "role_check_interval = 100ms\nread_your_writes = off\n"
            + self.options, databases="app = host=127.0.0.1,127.0.0.1 "
            f"port={nodes[0].port},{self.proxy.port}")
        self.client = Client(self.weir.port, user="postgres")
        wait_until("reads go to the replica",
                   lambda: self.client.one(PORT) != self.primary)
        return self

    def __exit__(self, *error):
        self.client.close()
        self.cluster.__exit__(*error)
        self.proxy.close()

    def routes(self, reason):
        return sum(int(line.split("|")[3]) for line in self.weir.console(
            "show routes").split("\n") if line.split("|")[2] == reason)

    def where(self, text):
        """Of a statement that was healed; the error's code if it was not."""
        messages = self.client.ask(query(text))
        error = error_of(messages)
        return error["C"] if error else [
            row(b)[0] for k, b in messages if k == "D"][0]


def raising(code, severity="ERROR", text="x", more=""):
    return f"{PORT}, 'raise {code} {severity} {text}.' {more}"


def test_each_refusal_that_is_the_replicas_own_is_healed(world):
    with Hosts(world) as hosts:
        for code, text, remembered in (
                ("25006", "cannot execute", True),
                ("0A000", "cannot access", True),
                ("40001", CONFLICT, False), ("42P01", "no table", False),
                ("42703", "no column", False), ("42883", "no fun", False),
                ("42704", "no object", False), ("3F000", "no", False)):
            for n in range(2):
                healed, refused = hosts.routes("healed"), \
                    hosts.routes("refused")
                assert hosts.where(raising(code, text=text)) == \
                    hosts.primary, code
                again = n == 0 or not remembered
                assert hosts.routes("healed") == healed + again, code
                assert hosts.routes("refused") == refused + (not again), code
            text = raising(code, text=text, more="as e")
            messages = hosts.client.ask(parse("", text), bind(""),
                                        describe("P"), execute(), SYNC)
            assert kinds(messages) == "12TDCZ", (code, messages)
        # Forgotten when the catalogue is read again.
        hosts.client.ask(query("create table t (a int)"))
        healed = hosts.routes("healed")

        def heals_again():
            assert hosts.where(raising("25006", text="cannot execute")) == \
                hosts.primary
            return hosts.routes("healed") > healed
        wait_until("it is tried again", heals_again)


def test_what_may_be_the_clients_own_is_told(world):
    with Hosts(world) as hosts:
        for code, text in (("57014", "canceling"), ("40001", "could not"),
                           ("22012", "division"), ("42601", "syntax"),
                           ("53100", "disk")):
            assert hosts.where(raising(code, text=text)) == code
        assert hosts.routes("healed") == 0
        # With another request behind it, it is not alone.
        hosts.client.send(query(raising("42P01")), query(PORT))
        assert error_of(hosts.client.until_ready())["C"] == "42P01"


def test_a_prepared_statement_that_was_refused_is_remembered(world):
    with Hosts(world) as hosts:
        hosts.client.ask(parse("s", raising("25006")), SYNC)
        healed = hosts.routes("healed")
        for _ in range(3):
            messages = hosts.client.ask(bind("s"), execute(), SYNC)
            assert kinds(messages) == "2DCZ", messages
        assert hosts.routes("healed") - healed <= 1
        assert hosts.routes("refused") >= 2
        # What was to be prepared under a name that is taken changes nothing.
        hosts.client.ask(parse("kept", "select 1"), SYNC)
        answer = hosts.client.ask(parse("kept", raising("42P01")), SYNC)
        assert error_of(answer)["C"] == "42P05"
        assert kinds(hosts.client.ask(bind("kept"), execute(), SYNC)) == "2DCZ"


def test_a_conflict_that_ends_the_connection_is_healed(world):
    with Hosts(world) as hosts:
        text = "terminating connection due to conflict with recovery"
        for n in range(2):
            assert hosts.where(raising("40001", "FATAL", text)) == \
                hosts.primary
            assert hosts.routes("healed") == n + 1
            wait_until("the replica is used again",
                       lambda: hosts.client.one(PORT) != hosts.primary)
        messages = hosts.client.ask(
            parse("n", raising("40001", "FATAL", text)), bind("n"),
            execute(), SYNC)
        assert kinds(messages) in ("12DCZ",), messages
        # The first statement of a transaction as well.
        wait_until("the replica is used again",
                   lambda: hosts.client.one(PORT) != hosts.primary)
        hosts.client.ask(query("begin read only"))
        messages = hosts.client.ask(query(raising("40001", "FATAL", text,
                                                  "as y")))
        assert [row(b)[0] for k, b in messages if k == "D"] == \
            [hosts.primary], messages
        assert messages[-1] == ("Z", b"T")
        assert hosts.client.one("show transaction_read_only") == "on"
        hosts.client.ask(query("commit"))
        # Another end of the connection is told.
        assert hosts.where(raising("57P01", "FATAL", "terminating")) == \
            "08006"


def test_a_first_statement_that_is_refused_begins_again(world):
    with Hosts(world) as hosts:
        for code in ("25006", "42P01"):
            hosts.client.ask(query("begin isolation level repeatable read, "
                                   "read only"))
            messages = hosts.client.ask(query(raising(code)))
            assert [row(b)[0] for k, b in messages if k == "D"] == \
                [hosts.primary], messages
            assert hosts.client.one("show transaction_isolation") == \
                "repeatable read"
            assert hosts.client.ask(query("commit"))[-1] == ("Z", b"I")


def test_a_request_is_kept_as_far_as_retry_buffer_allows(world):
    with Hosts(world, "retry_buffer = 1000") as hosts:
        base = raising("42P01", more="as ")
        head = 1 + 4 + len(base) + 1
        for size, heals in ((1000, True), (1001, False), (999, True),
                            (20000, False)):
            text = base + " " * (size - head - 1) + "e"
            found = hosts.where(text)
            assert found == (hosts.primary if heals else "42P01"), size
        for size, wanted in (("0", "42P01"), ("16kB", hosts.primary)):
            hosts.weir.console(f"set retry_buffer = {size}")
            found = hosts.where(raising("42P01"))
            assert found == wanted, (size, found)


def test_nothing_is_run_again_after_a_cancel(world):
    with Hosts(world) as hosts:
        hosts.client.send(query(raising("40001", "ERROR", CONFLICT,
                                        "as hang")))
        wait_until("it runs", lambda: hosts.proxy.hung)
        hosts.client.cancel(hosts.weir.port)
        messages = hosts.client.until_ready()
        assert error_of(messages)["C"] == "40001", messages
        assert hosts.routes("healed") == 0
