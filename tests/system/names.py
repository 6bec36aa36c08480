"""A small DNS server on loopback: names whose addresses a test changes."""

import socket
import struct
import threading


class Names(threading.Thread):
    """Answers A questions from a dictionary.

    Over TCP as well, and only there while its datagrams are cut."""

    def __init__(self, top):
        super().__init__(daemon=True)
        self.tcp = self.socket = None
        while self.socket is None:
            self.bind()
        self.port = self.socket.getsockname()[1]
        self.addresses = {}
        self.is_failing = False
        self.is_cut = False
        self.ttl = 1
        self.asked = self.asked_tcp = 0
        threading.Thread(target=self.run_tcp, daemon=True).start()
        self.file = f"{top}/resolv.conf"
        with open(self.file, "w") as f:
            f.write(f"nameserver 127.0.0.1:{self.port}\n")
        self.start()

    def bind(self):
        """The same port twice, if nobody else has one of them."""
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(self.tcp.getsockname())
        except OSError:
            self.socket = None

    def run(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked += 1
            answer = self.answer(packet)
            if self.is_cut:
                answer = answer[:2] + b"\x83\x80" + answer[4:]
            try:
                self.socket.sendto(answer, peer)
            except OSError:
                return

    def run_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                length, = struct.unpack(">H", stream.read(2))
                answer = self.answer(stream.read(length))
                self.asked_tcp += 1
                stream.write(struct.pack(">H", len(answer)) + answer)

    def answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
            at += 1 + packet[at]
        question = packet[12:at + 5]
        kind, = struct.unpack(">H", packet[at + 1:at + 3])
        name = ".".join(labels)
        found = self.addresses.get(name, [])
        code = 2 if self.is_failing else 0 if name in self.addresses else 3
        records = b"" if code or kind != 1 else b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, self.ttl, 4) +
            socket.inet_aton(address) for address in found)
        count = len(found) if records else 0
        return (packet[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0,
                                         0) + question + records)

    def close(self):
        self.socket.close()
        self.tcp.close()
