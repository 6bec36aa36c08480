"""Certificates, and what speaks TLS for the tests.

Certificates are made once by the openssl command: an authority "ca", one
"other" that nobody trusts, and what they signed.  Private keys exist twice,
since PostgreSQL wants to own the one that it reads.
"""

import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading

from cluster import psql, wait_until
from wire import Client

SSL_REQUEST = struct.pack(">II", 8, 80877103)
ALPN = "postgresql"
LOCAL = "DNS:localhost,IP:127.0.0.1"


class Certificates:
    def __init__(self, top):
        self.dir = os.path.join(top, "certificates")
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o755)
        self.authority("ca")
        self.authority("other")
        self.make("server", "localhost", LOCAL)
        self.make("second", "localhost", LOCAL)
        self.make("elsewhere", "db.example.com", "DNS:db.example.com")
        self.make("expired", "localhost", LOCAL, days="-1")
        self.make("stranger", "localhost", LOCAL, ca="other")
        self.make("app", "app")
        self.make("nobody", "nobody")
        self.make("false_app", "app", ca="other")
        self.make("rsa", "localhost", LOCAL, key=("rsa:2048",))
        self.make("sha512", "localhost", LOCAL, sign="-sha512")
        self.authority("ed25519", key=("ed25519",))

    def openssl(self, *args):
        done = subprocess.run(["openssl", *args], cwd=self.dir,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")

    def authority(self, name, key=EC):
        self.openssl("req", "-x509", "-newkey", *key, "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", name + ".key",
                     "-out", name + ".crt")

    def make(self, name, common_name, san=None, ca="ca", days="2", key=EC,
             sign="-sha256"):
        self.openssl("req", "-newkey", *key, "-nodes", "-subj",
                     f"/CN={common_name}", "-keyout", name + ".key", "-out",
                     name + ".csr")
        with open(self.path("extensions"), "w") as f:
            f.write(f"subjectAltName={san}\n" if san else "")
        self.openssl("x509", "-req", "-in", name + ".csr",
                     "-CA", ca + ".crt", "-CAkey", ca + ".key",
                     "-CAcreateserial", "-days", days, sign, "-extfile",
                     "extensions", "-out", name + ".crt")
        os.chmod(self.path(name + ".key"), 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def text(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def der(self, name):
        return ssl.PEM_cert_to_DER_cert(self.text(name + ".crt"))

    def front(self, name, ca=None):
        """Options for the side towards clients."""
        text = (f"client_tls_key_file = {self.path(name + '.key')}\n"
                f"client_tls_cert_file = {self.path(name + '.crt')}\n")
        if ca:
            text += f"client_tls_ca_file = {self.path(ca + '.crt')}\n"
        return text

    def back(self, name=None, ca=None):
        """Options for the side towards PostgreSQL."""
        text = ""
        if name:
            text += (f"server_tls_key_file = {self.path(name + '.key')}\n"
                     f"server_tls_cert_file = {self.path(name + '.crt')}\n")
        if ca:
            text += f"server_tls_ca_file = {self.path(ca + '.crt')}\n"
        return text

    def libpq(self, name=None, mode="verify-full"):
        """Parameters of a connection string."""
        said = {"sslmode": mode, "sslrootcert": self.path("ca.crt"),
                "sslcert": "none", "sslkey": "none"}
        if name:
            said.update(sslcert=self.path(name + ".crt"),
                        sslkey=self.path(name + ".key"))
        return said


def certificates(world):
    if not hasattr(world, "certificates"):
        world.certificates = Certificates(world.top)
    return world.certificates


def client_context(*alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def certificate_of(port):
    """What the server at this port presents, or None if it has no TLS."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(SSL_REQUEST)
        if s.recv(1) != b"S":
            return None
        with client_context().wrap_socket(s) as tls:
            return tls.getpeercert(True)


@contextlib.contextmanager
def postgres_with_tls(world, name="server", hba=None):
    """PostgreSQL with ssl = on and this certificate, until the end."""
    made = certificates(world)
    pg = world.pg
    for source, target in ((name + ".crt", "server.crt"),
                           (name + ".key", "server.key"),
                           ("ca.crt", "root.crt")):
        target = os.path.join(pg.dir, target)
        shutil.copyfile(made.path(source), target)
        os.chmod(target, 0o600)
        stat = os.stat(pg.dir)
        os.chown(target, stat.st_uid, stat.st_gid)
    pg.sql(["alter system set ssl = on",
            "alter system set ssl_ca_file = 'root.crt'"])
    with postgres_hba(world, hba):
        pg.reload()
        wait_until("PostgreSQL has this certificate",
                   lambda: certificate_of(pg.port) == made.der(name))
        try:
            yield made
        finally:
            pg.sql(["alter system reset ssl",
                    "alter system reset ssl_ca_file"])
            pg.reload()
            wait_until("PostgreSQL has no TLS",
                       lambda: certificate_of(pg.port) is None)


@contextlib.contextmanager
def postgres_hba(world, lines):
    """Rules for everybody but postgres, until the end."""
    if lines is None:
        yield
        return
    world.pg.hba("local all all trust\nhost all postgres all trust\n" +
                 lines + "\n")
    try:
        yield
    finally:
        world.pg.hba("local all all trust\nhost all all all trust\n"
                      "host replication all all trust\n")


class TlsClient(Client):
    """Speaks TLS: asked for, or at once (is_direct)."""

    def __init__(self, port, context=None, is_direct=False, login=True,
                 user="app", database="app", host="127.0.0.1", **parameters):
        super().__init__(port, connect=False, host=host)
        if not is_direct:
            self.socket.sendall(SSL_REQUEST)
            assert self.socket.recv(1) == b"S"
        self.socket = (context or client_context()).wrap_socket(
            self.socket, server_hostname="localhost")
        if login:
            self.greeting = self.login(user, database, **parameters)

    def read(self):
        try:
            return super().read()
        except (ssl.SSLError, BrokenPipeError):
            return None


class Listener:
    """A server of the test's own: serve(socket) for each connection."""

    def __init__(self, serve):
        self.serve = serve
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.guard, args=(connection,),
                             daemon=True).start()

    def guard(self, connection):
        with contextlib.suppress(OSError, EOFError):
            self.serve(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()


def exactly(connection, n):
    data = b""
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def accept_tls(connection, made, name):
    """Answer an SSLRequest and take the handshake with this certificate."""
    assert exactly(connection, 8) == SSL_REQUEST
    connection.sendall(b"S")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path(name + ".crt"), made.path(name + ".key"))
    return context.wrap_socket(connection, server_side=True)


def is_tls_behind(weir, **more):
    """Whether the pooler's own connection to PostgreSQL is encrypted."""
    return psql("select ssl from pg_stat_ssl where pid = pg_backend_pid()",
                port=weir.port, dbname="app",
                **{"user": "app", **more}) == "t"


def wait_for_log(weir, text, times=1):
    wait_until(f"the log says {text!r}",
               lambda: weir.text().count(text) >= times)
