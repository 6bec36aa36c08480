"""What all processes of a service could open together, against what
PostgreSQL lets in; and limits that are divided by their number."""

import socket

from cluster import wait_until
from test_peers import NAME, Service
from web import OPTIONS, get, metrics
from wire import Client, error_of, kinds, query


def sizes(service, address):
    """pool_size, reserve, min and max_db_connections, as SHOW says."""
    row = service.console(address, "show databases").split("\n")[0].split("|")
    return [int(row[i]) for i in (5, 7, 6, 11)]


def available(world):
    return int(world.pg.sql(
        "select current_setting('max_connections')::int - "
        "current_setting('superuser_reserved_connections')::int"))


def budget(world, weir, what="connections"):
    """A metric of this PostgreSQL, or None while it is not known."""
    host = frozenset([("host", f"127.0.0.1:{world.pg.port}")])
    return metrics(weir).get((f"pgweir_budget_{what}", host))


def test_a_warning_comes_when_all_could_exceed_max_connections(world):
    most = available(world)
    weir = world.start("expected_replicas = 3\ndefault_pool_size = "
                       f"{most // 3}\nmetrics_addr = 127.0.0.1\n"
                       "metrics_port = 0\n")
    assert weir.sql("select 1") == "1"
    wait_until("it warns", lambda: "processes of pgweir could open" in
               weir.text())
    need = 3 * (most // 3 + 1)
    assert (f"lets {most} connections in (max_connections less those "
            f"reserved), but 3 processes of pgweir could open {need}, "
            f"{most // 3 + 1} each" in weir.text())
    assert budget(world, weir) == need
    assert budget(world, weir, "max_connections") == most
    with open(weir.file) as f:
        config = f.read()
    weir.write(config + "max_db_connections = 5\n")
    weir.console("reload")
    wait_until("it fits", lambda: "which is enough for 3" in weir.text())
    weir.write(config + "default_pool_size = 0\n")
    weir.console("reload")
    wait_until("it warns again", lambda: "pools here have no limit" in
               weir.text())


def test_the_warning_counts_the_peers_that_are_found(world):
    most = available(world)
    with Service(world, count=2, options=f"default_pool_size = {most // 2}\n") \
            as service:
        first, second = service.addresses
        weir = service.weirs[first]
        assert weir.sql("select 1", host=first) == "1"
        wait_until("it warns", lambda: "but 2 processes of pgweir could open "
                   f"{2 * (most // 2 + 1)}" in weir.text())
        service.names.addresses[NAME].remove(second)
        wait_until("it fits", lambda: "which is enough for 1" in weir.text())


def test_every_user_and_database_counts_and_limits_count_less(world):
    weir = world.start(
        "expected_replicas = 1\ndefault_pool_size = 7\n"
        "reserve_pool_size = 2\nmetrics_addr = 127.0.0.1\nmetrics_port = 0\n",
        databases=f"unused = host=127.0.0.1 port={world.pg.port}\n"
        f"app = host=127.0.0.1 port={world.pg.port} max_db_connections=12\n"
        f"elsewhere = host=127.0.0.9 port={world.pg.port}\n")
    for user in ("app", "postgres"):
        assert weir.sql("select 1", user=user) == "1"
    # app: 2 * 9, at most 12; unused: 9; ours: 1.
    wait_until("it is reckoned", lambda: budget(world, weir) == 22)


def test_pools_are_divided_by_the_number_of_processes(world):
    with Service(world, count=2, options="divide_by_peers = on\n"
                 "default_pool_size = 7\nreserve_pool_size = 3\n"
                 "max_db_connections = 1\n") as service:
        first, second = service.addresses
        service.names.addresses[NAME] = [first]
        wait_until("it is alone", lambda: sizes(
            service, first) == [7, 3, 0, 1])
        service.names.addresses[NAME] = [first, second]
        wait_until("two share", lambda: sizes(
            service, first) == [3, 1, 0, 1] == sizes(service, second))
        third = "127.0.0.9"
        service.start(third)
        service.names.addresses[NAME].append(third)
        wait_until("three share", lambda: all(sizes(
            service, a) == [2, 1, 0, 1] for a in (first, second, third)))
        service.names.addresses[NAME] += [f"127.0.1.{i}" for i in range(20)]
        wait_until("nobody has less than one", lambda: sizes(
            service, first) == [1, 0, 0, 1])
        # A number that is expected counts where nobody is looked for.
        weir = world.start("divide_by_peers = on\nexpected_replicas = 4\n"
                           "default_pool_size = 19\n")
        assert weir.sql("select 1") == "1"
        assert weir.console("show databases").split("|")[5] == "4"


def in_use(world):
    return int(world.pg.sql("select count(*) from pg_stat_activity where "
                            "usename = 'app'"))


def test_peers_that_appear_take_no_transaction_away(world):
    with Service(world, count=2, options="divide_by_peers = on\n"
                 "default_pool_size = 4\n") as service:
        first, second = service.addresses
        service.names.addresses[NAME] = [first]
        wait_until("it is alone", lambda: sizes(service, first)[0] == 4)
        clients = [Client(service.port, host=first, user="app")
                   for _ in range(4)]
        for client in clients:
            assert kinds(client.ask(query("begin"))) == "CZ"
        # One more waits until its turn comes, in the smaller pool too.
        late = Client(service.port, host=first, user="app")
        late.send(query("select 'late'"))
        clients[3].ask(query("rollback"))
        assert "D" in kinds(late.until_ready())
        assert in_use(world) == 4
        service.names.addresses[NAME] = [first, second]
        wait_until("two share", lambda: sizes(service, first)[0] == 2)
        wait_until("what was idle is gone", lambda: in_use(world) == 3)
        for client in clients[:3]:
            answer = client.ask(query("select 1"))
            assert error_of(answer) is None and kinds(answer) == "TDCZ"
            client.ask(query("commit"))
        wait_until("what is too much is gone", lambda: in_use(world) == 2)
        # And the other way round.
        service.names.addresses[NAME] = [first]
        wait_until("it is alone again", lambda: sizes(
            service, first)[0] == 4)
        for client in clients:
            assert kinds(client.ask(query("begin"))) == "CZ"
        assert in_use(world) == 4


def test_a_process_is_not_ready_before_it_knows_its_part(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        path = f"{world.top}/silent.conf"
        with open(path, "w") as f:
            f.write(f"nameserver 127.0.0.1:{silent.getsockname()[1]}\n")
        weir = world.start(OPTIONS + f"resolv_conf = {path}\n"
                           f"peers = {NAME}\ndivide_by_peers = on\n")
        assert get(weir, "/readyz")[::2] == (503, "peers are not known yet\n")
        # Names that nobody knows are no reason to stay away for ever.
        wait_until("it gives up", lambda: get(weir, "/readyz")[0] == 200)
