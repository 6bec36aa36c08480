"""What an idle client costs: opens N clients, one query each, and says by how
much the pooler's resident memory has grown for each.

    idle.py PORT PID N [tls]
"""

import resource
import socket
import ssl
import struct
import sys

port, pid, count = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with_tls = len(sys.argv) > 4
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
context = ssl._create_unverified_context()


def resident():
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024


def until_ready(s):
    data = b""
    while not (len(data) >= 6 and data[-6:-1] == b"Z\0\0\0\5"):
        more = s.recv(65536)
        if not more:
            sys.exit("the connection was closed")
        data += more


def client():
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    if with_tls:
        s.sendall(struct.pack(">II", 8, 80877103))
        assert s.recv(1) == b"S"
        s = context.wrap_socket(s)
    body = struct.pack(">I", 196608) + b"user\0app\0database\0app\0\0"
    s.sendall(struct.pack(">I", len(body) + 4) + body)
    until_ready(s)
    s.sendall(b"Q" + struct.pack(">I", 13) + b"select 1\0")
    until_ready(s)
    return s


warm = [client() for _ in range(100)]
before = resident()
clients = [client() for _ in range(count)]
print(f"{(resident() - before) / count:.0f} bytes an idle client "
      f"({count} clients)")
