"""A small TCP load balancer, as a Service is one: a new connection goes to
one of the processes whose /readyz says 200 at that moment, in turn."""

import socket
import threading
import urllib.error
import urllib.request


class Target:
    def __init__(self, host, port, metrics_port):
        self.host, self.port = host, port
        self.url = f"http://{host}:{metrics_port}/readyz"

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url, timeout=30) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Balancer:
    """A context manager; targets may be added and removed at any time."""

    def __init__(self):
        self.targets = []
        self.lock = threading.Lock()
        self.turn = 0
        self.refused = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def add(self, target):
        with self.lock:
            self.targets.append(target)

    def choose(self):
        with self.lock:
            for _ in self.targets:
                self.turn += 1
                target = self.targets[self.turn % len(self.targets)]
                if target.is_ready():
                    return target
        return None

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.join, args=(client,),
                             daemon=True).start()

    def join(self, client):
        target = self.choose()
        try:
            server = socket.create_connection((target.host, target.port))
        except (AttributeError, OSError):
            self.refused += 1
            client.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=pump, args=(client, server),
                         daemon=True).start()
        pump(server, client)


def pump(source, sink):
    """Until one side has had enough; half-closed as the source is."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        pass
    for s, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            s.shutdown(how)
        except OSError:
            pass
