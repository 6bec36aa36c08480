"""A small TCP load balancer, as a Service is one: a new connection goes to
one of the processes whose /readyz says 200, in turn."""

import socket
import threading
import time
import urllib.error
import urllib.request

PAUSE = 0.05


class Target:
    def __init__(self, host, port, metrics_port):
        self.host, self.port = host, port
        self.url = f"http://{host}:{metrics_port}/readyz"
        self.is_ready = False

    def look(self):
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                self.is_ready = answer.status == 200
        except (urllib.error.URLError, OSError):
            self.is_ready = False


class Balancer:
    """A context manager; targets may be added and removed at any time."""

    def __init__(self):
        self.targets = []
        self.lock = threading.Lock()
        self.turn = 0
        self.is_over = False
        self.refused = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        for run in (self.look, self.serve):
            threading.Thread(target=run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.listener.close()

    def add(self, target):
        target.look()
        with self.lock:
            self.targets.append(target)

    def look(self):
        while not self.is_over:
            for target in list(self.targets):
                target.look()
            time.sleep(PAUSE)

    def choose(self):
        with self.lock:
            ready = [t for t in self.targets if t.is_ready]
            self.turn += 1
            return ready[self.turn % len(ready)] if ready else None

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
