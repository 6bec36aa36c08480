"""Several processes as one Service: cancel requests reach the right one."""

import random
import select
import signal
import socket
import struct

from balancer import Balancer, Target
from cluster import free_port, wait_until
from names import Names
from wire import Client, error_of, query, startup

NAME = "pooler.test"


class Service:
    """Processes at 127.0.0.2 and on, one port, found by a name; a balancer in
    front of them."""

    def __init__(self, world, count=3, options=""):
        self.world = world
        self.names = Names(world.top)
        self.port = free_port()
        self.metrics = free_port()
        self.options = options
        self.balancer = Balancer()
        self.weirs = {}
        self.addresses = [f"127.0.0.{i + 2}" for i in range(count)]

    def __enter__(self):
        self.balancer.__enter__()
        self.names.addresses[NAME] = list(self.addresses)
        for address in self.addresses:
            self.start(address)
        return self

    def __exit__(self, *_):
        self.balancer.__exit__()
        self.names.close()

    def start(self, address):
        weir = self.world.start(
            f"listen_addr = {address}\nlisten_port = {self.port}\n"
            f"metrics_addr = {address}\nmetrics_port = {self.metrics}\n"
            f"peers = {NAME}\nresolv_conf = {self.names.file}\n"
            f"dns_max_ttl = 1s\nworkers = 2\n" + self.options,
            databases=f"app = host=127.0.0.1 port={self.world.pg.port}")
        self.weirs[address] = weir
        target = Target(address, self.port, self.metrics)
        self.balancer.add(target)
        return weir

    def console(self, address, text):
        return self.weirs[address].console(text, host=address)

    def peers(self, address):
        return [row.split("|") for row in
                self.console(address, "show peers").split("\n") if row]


def cancel(client, port, host="127.0.0.1"):
    with socket.create_connection((host, port), timeout=30) as s:
        s.sendall(struct.pack(">IIII", 16, 80877102, client.pid, client.key))
        while s.recv(1):
            pass


def has_word(client):
    return bool(client.data) or bool(
        select.select([client.socket], [], [], 0)[0])


def is_cancelled(client):
    return error_of(client.until_ready())["C"] == "57014"


def hundred_cancels(world, service, port):
    """Twenty clients, each cancelled five times, in any order."""
    clients = [Client(port, user="app") for _ in range(20)]
    order = [c for c in clients for _ in range(5)]
    random.shuffle(order)
    for client in clients:
        client.send(query("select pg_sleep(600)"))
    wait_until("all of them run", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where state = 'active' "
        "and query like '%pg_sleep(600)'") == "20")
    for done, client in enumerate(order):
        cancel(client, port)
        assert is_cancelled(client), done
        for other in clients:
            assert not has_word(other), done
        number = client.one("select pg_backend_pid()")
        client.send(query("select pg_sleep(600)"))
        wait_until("it runs again", lambda: world.pg.sql(
            "select state from pg_stat_activity where "
            "query like '%pg_sleep(600)' and state = 'active' and "
            f"pid = {number}") == "active")
    for client in clients:
        client.close()


def test_a_hundred_of_a_hundred_cancels_through_a_balancer_hit_theirs(world):
    with Service(world) as service:
        for address in service.addresses:
            wait_until("it knows the others", lambda: {
                row[1] for row in service.peers(address)} ==
                set(service.addresses) - {address})
        hundred_cancels(world, service, service.balancer.port)
        # Each got its share of both, so most requests were passed on.
        passed = sum(
            int(row.split("|")[1]) for address in service.addresses
            for row in service.console(address, "show lists").split("\n")
            if row.startswith("cancels_passed|"))
        assert 30 < passed <= 100, passed


def sleeps(world, client):
    client.send(query("select pg_sleep(600)"))
    wait_until("it runs", lambda: world.pg.sql(
        "select count(*) from pg_stat_activity where state = 'active' "
        "and query like '%pg_sleep(600)'") == "1")


def test_peer_id_and_the_section_peers_work_as_in_pgbouncer(world):
    ports = [free_port() for _ in range(3)]
    section = "[peers]\n" + "".join(
        f"{i + 1} = host=127.0.0.1 port={p} pool_size={i + 3}\n"
        for i, p in enumerate(ports))
    weirs = [world.start(f"listen_port = {port}\npeer_id = {i + 1}\n"
                         + section, section="pgbouncer")
             for i, port in enumerate(ports)]
    client = Client(ports[0], user="app")
    assert client.pid >> 8 & 0xffff == 1
    for port in ports:
        sleeps(world, client)
        cancel(client, port)
        assert is_cancelled(client)
    assert weirs[1].console("show peers").split("\n") == [
        f"1|127.0.0.1|{ports[0]}|3|127.0.0.1",
        f"3|127.0.0.1|{ports[2]}|5|127.0.0.1"]
    assert weirs[1].console("show peer_pools").split("\n") == [
        f"1|0|0|0|0|127.0.0.1|{ports[0]}",
        f"3|0|0|0|0|127.0.0.1|{ports[2]}"]


def test_peers_come_and_go_with_their_name(world):
    with Service(world, count=2) as service:
        first, second = service.addresses
        wait_until("both are known", lambda: service.peers(first) and
                   service.peers(second))
        third = "127.0.0.9"
        service.start(third)
        assert {r[1] for r in service.peers(third)} <= {first, second}
        service.names.addresses[NAME] = [first, third]
        wait_until("the new one is known", lambda: [
            r[1] for r in service.peers(first)] == [third])
        client = Client(service.port, host=third, user="app")
        sleeps(world, client)
        cancel(client, service.port, first)
        assert is_cancelled(client)
        assert f"peer {second}:{service.port} ({NAME}) is gone" in \
            service.weirs[first].text()


def test_a_cancel_reaches_a_process_that_is_shutting_down(world):
    with Service(world, count=2, options="shutdown_timeout = 60s\n") \
            as service:
        first, second = service.addresses
        wait_until("they are known", lambda: service.peers(first) and
                   service.peers(second))
        client = Client(service.port, host=first, user="app")
        sleeps(world, client)
        service.weirs[first].signal(signal.SIGTERM)

        def is_refused():
            late = Client(service.port, host=first, connect=False)
            error = error_of(late.ask(startup(user="app", database="app")))
            late.close()
            return error and error["C"] == "57P01"

        wait_until("nobody is let in", is_refused)
        cancel(client, service.port, second)
        assert is_cancelled(client)
        assert error_of(client.until_ready())["C"] == "57P01"
        assert service.weirs[first].end() == 0


def test_among_peers_with_tls_no_key_can_be_read_on_the_way(world):
    with Service(world, count=1) as service:
        here = service.addresses[0]
        there = "127.0.0.8"
        with socket.create_server((there, service.port)) as listener:
            service.names.addresses[NAME].append(there)
            wait_until("it is known", lambda: service.peers(here))
            with socket.create_connection((here, service.port)) as asker:
                asker.sendall(struct.pack(">IIII", 16, 80877102, 0x12345678,
                                          0x9abcdeff))
                peer, _ = listener.accept()
                peer.settimeout(30)
                assert peer.recv(8) == struct.pack(">II", 8, 80877103)
                peer.sendall(b"S")
                hello = peer.recv(4096)
                # A handshake of TLS, and no request in it.
                assert hello[0] == 22 and b"\x12\x34\x56\x78" not in hello
                peer.close()
                asker.settimeout(30)
                assert asker.recv(1) == b""


def test_without_tls_among_them_a_request_goes_in_the_clear(world):
    with Service(world, count=2) as service:
        first, second = service.addresses
        wait_until("they are known", lambda: service.peers(first) and
                   service.peers(second))
        # One that offers none, and one that has some.
        weir = service.weirs[second]
        with open(weir.file) as f:
            weir.write(f.read() + "client_tls_sslmode = disable\n")
        weir.console("reload", host=second)
        for here, there in ((first, second), (second, first)):
            client = Client(service.port, host=here, user="app")
            sleeps(world, client)
            cancel(client, service.port, there)
            assert is_cancelled(client)
            client.close()


def test_what_cannot_be_meant_with_peers_is_said(world):
    def fault(options):
        try:
            world.start(options)
        except AssertionError as error:
            return str(error)
        raise AssertionError(options)

    assert "cannot both be there" in fault(
        "peers = a\n[peers]\n1 = host=b\n")
    assert "a peer_id is a number from 1 to 16383" in fault(
        "[peers]\n0 = host=b\n")
    assert "is there twice" in fault(
        "peer_id = 3\n[peers]\n1 = host=b\n1 = host=c\n")
    assert '"a:0" has a port that is none' in fault("peers = a:0\n")
    assert "it needs a host" in fault("[peers]\n1 = port=5\n")
    weir = world.start("[peers]\n1 = host=127.0.0.1\n")
    assert "[peers] without a peer_id" in weir.text()
