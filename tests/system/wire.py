"""A client that speaks the protocol byte by byte, for what libpq hides."""

import socket
import struct

from cluster import wait_until


def message(kind, body=b""):
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def query(text):
    return message("Q", text.encode() + b"\0")


def parse(name, text):
    return message("P", name.encode() + b"\0" + text.encode() + b"\0\0\0")


def bind(name, portal="", values=()):
    body = portal.encode() + b"\0" + name.encode() + b"\0\0\0"
    body += struct.pack(">H", len(values))
    for value in values:
        value = str(value).encode()
        body += struct.pack(">I", len(value)) + value
    return message("B", body + b"\0\0")


def describe(kind, name=""):
    return message("D", kind.encode() + name.encode() + b"\0")


def close(kind, name=""):
    return message("C", kind.encode() + name.encode() + b"\0")


def execute(portal="", rows=0):
    return message("E", portal.encode() + b"\0" + struct.pack(">I", rows))


SYNC = message("S")
FLUSH = message("H")
TERMINATE = message("X")


def startup(**parameters):
    body = struct.pack(">I", 196608)
    for name, value in parameters.items():
        body += name.encode() + b"\0" + str(value).encode() + b"\0"
    body += b"\0"
    return struct.pack(">I", len(body) + 4) + body


def connect_to(host, port):
    """port may be the path of a unix socket."""
    if isinstance(port, str):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(90)
        s.connect(port)
        return s
    s = socket.create_connection((host, port), timeout=90)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Client:
    def __init__(self, port, database="app", user="app", connect=True,
                 host="127.0.0.1", **parameters):
        self.socket = connect_to(host, port)
        self.data = bytearray()
        self.pid = self.key = None
        self.parameters = {}
        if connect:
            self.login(user, database, **parameters)

    def login(self, user="app", database="app", **parameters):
        self.send(startup(user=user, database=database, **parameters))
        messages = self.until_ready()
        for kind, body in messages:
            if kind == "K":
                self.pid, self.key = struct.unpack(">II", body)
            if kind == "S":
                name, value, _ = body.split(b"\0")
                self.parameters[name.decode()] = value.decode()
        return messages

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def read(self):
        """One message, or None at the end of the connection."""
        while True:
            if len(self.data) >= 5:
                (length,) = struct.unpack(">I", self.data[1:5])
                if len(self.data) > length:
                    kind = chr(self.data[0])
                    body = bytes(self.data[5:length + 1])
                    del self.data[:length + 1]
                    return kind, body
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.data += more

    def until_ready(self):
        """Messages up to ReadyForQuery, or the end of the connection."""
        messages = []
        while True:
            got = self.read()
            if got is None:
                return messages
            messages.append(got)
            if got[0] == "Z":
                return messages

    def ask(self, *parts):
        self.send(*parts)
        return self.until_ready()

    def rows(self, text):
        answer = self.ask(query(text))
        for kind, body in answer:
            if kind == "E":
                raise Error(fields(body))
        return [row(body) for kind, body in answer if kind == "D"]

    def one(self, text):
        return self.rows(text)[0][0]

    def cancel(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=90) as s:
            s.sendall(struct.pack(">IIII", 16, 80877102, self.pid, self.key))
            while s.recv(1):
                pass

    def close(self):
        self.socket.close()


class Error(Exception):
    def __init__(self, found):
        super().__init__(found.get("M", ""))
        self.sqlstate = found.get("C", "")
        self.severity = found.get("S", "")


def fields(body):
    return {part[:1].decode(): part[1:].decode()
            for part in body.split(b"\0") if part}


def row(body):
    (count,) = struct.unpack(">H", body[:2])
    values, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack(">i", body[at:at + 4])
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[at:at + length].decode())
            at += length
    return values


def kinds(messages):
    return "".join(kind for kind, _ in messages)


def error_of(messages):
    for kind, body in messages:
        if kind == "E":
            return fields(body)
    return None


class Gate:
    """A statement that runs until the test lets it go on: it waits for a lock
    that a connection of the test's own has."""

    number = 7000

    def __init__(self, world):
        Gate.number += 1
        self.keeper = Client(world.pg.port)
        self.keeper.one(f"select pg_advisory_lock({Gate.number})")
        self.statement = f"select pg_advisory_xact_lock({Gate.number})"

    def wait(self):
        wait_until("a statement is at the gate", lambda: self.keeper.one(
            "select count(*) from pg_locks where locktype = 'advisory' and "
            f"objid = {Gate.number} and not granted") == "1")

    def open(self):
        self.keeper.close()


def raises(sqlstate, call, *args):
    try:
        call(*args)
    except Error as error:
        assert error.sqlstate == sqlstate, error.sqlstate
        return
    raise AssertionError("no error")


def vanish(client):
    """The process is killed: its socket is reset, nothing is said."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
    client.socket.close()


ONE = "default_pool_size = 1"


def pair(world, options=ONE, **more):
    """Two clients, and as a rule one server for them."""
    weir = world.start(options, **more)
    return weir, Client(weir.port), Client(weir.port)
