"""/metrics, /healthz and /readyz."""

import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

from cluster import Cluster, Failed, Skip, free_port, wait_until
from web import OPTIONS, get, metrics, port_of, samples, value
from wire import Client, error_of, query


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed")
    return path


def test_promtool_finds_nothing_to_say_about_the_metrics(world):
    weir = world.start(OPTIONS)
    weir.sql("select 1")
    try:
        weir.sql("select 1/0")
    except Failed:
        pass
    _, headers, text = get(weir, "/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=text,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout + done.stderr, \
        done.stdout + done.stderr


def test_every_family_is_in_one_piece_and_no_series_comes_twice(world):
    weir = world.start(OPTIONS, databases=f"other = host=127.0.0.1 "
                       f"port={world.pg.port} dbname=app")
    for database in ("app", "other"):
        for user in ("app", "postgres"):
            weir.sql("select 1", dbname=database, user=user)
    text = get(weir, "/metrics")[2]
    samples(text)
    seen, last, kind = set(), None, {}
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, family, what = line.split()
            assert family not in seen, family
            seen.add(family)
            last, kind[family] = family, what
        elif not line.startswith("#"):
            assert line.startswith(last), (last, line)
    assert len(seen) > 45, len(seen)
    assert kind["pgweir_query_duration_seconds"] == "histogram"


def test_histograms_grow_towards_inf_and_inf_is_their_count(world):
    weir = world.start(OPTIONS)
    for _ in range(20):
        weir.sql("select 1")
    weir.sql("select pg_sleep(0.3)")
    found = metrics(weir)
    for name in ("query", "transaction", "login", "client_wait"):
        name = f"pgweir_{name}_duration_seconds"
        buckets = sorted(
            (float(dict(labels)["le"]), v) for (n, labels), v in found.items()
            if n == name + "_bucket")
        counts = [v for _, v in buckets]
        assert counts == sorted(counts), (name, buckets)
        assert buckets[-1][0] == float("inf")
        assert counts[-1] == value(found, name + "_count")
    assert value(found, "pgweir_query_duration_seconds_bucket",
                 le="0.25") == 20
    assert value(found, "pgweir_query_duration_seconds_count") == 21
    assert 0.3 <= value(found, "pgweir_query_duration_seconds_sum") < 10


def test_counters_say_what_happened(world):
    weir = world.start(OPTIONS + "default_pool_size = 1\n"
                       "max_client_conn = 3")
    holder, waiter = Client(weir.port), Client(weir.port)
    before = metrics(weir)
    holder.one("select repeat('x', 5000)")
    holder.ask(query("begin"))
    waiter.send(query("select 1"))
    wait_until("one waits", lambda: value(
        metrics(weir), "pgbouncer_pools_client_waiting_connections") == 1)
    Client(weir.port, database="app", user="nobody_here")
    during = metrics(weir)
    assert value(during, "pgbouncer_pools_client_active_connections",
                 user="app") == 1
    assert value(during, "pgbouncer_pools_server_active_connections") == 1
    assert value(during, "pgbouncer_pools_client_maxwait_seconds") > 0
    assert value(during, "pgbouncer_used_clients") == 2
    holder.ask(query("commit"))
    waiter.until_ready()
    error = error_of(waiter.ask(query("select 1/0")))
    assert error["C"] == "22012"
    holder.close()
    after = wait_until("the holder has gone", lambda: [
        m for m in [metrics(weir)]
        if value(m, "pgbouncer_used_clients") == 1])[0]

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    assert grown("pgbouncer_stats_queries_pooled_total", database="app") == 5
    assert grown("pgbouncer_stats_sql_transactions_pooled_total") == 4
    assert grown("pgbouncer_stats_sent_bytes_total") > 5000
    assert value(after, "pgweir_client_wait_duration_seconds_count") >= 1
    assert value(after, "pgweir_errors_total", source="server",
                 sqlstate="22012") == 1
    assert value(after, "pgweir_errors_total", source="pgweir") >= 1
    assert value(after, "pgweir_client_disconnects_total") >= 1
    assert value(after, "pgbouncer_config_max_client_connections") == 3


def test_what_has_not_happened_yet_is_counted_as_0(world):
    """A rate does not see the event with which its counter appears."""
    weir = world.start(OPTIONS + "max_client_conn = 1\n")
    found = metrics(weir)
    for state in ("08007", "40001", "53300", "57P03"):
        assert value(found, "pgweir_errors_total", source="pgweir",
                     sqlstate=state) == 0
    for reason in ("connect_failed", "server_lost"):
        assert value(found, "pgweir_server_disconnects_total",
                     reason=reason) == 0
    first = Client(weir.port)
    assert error_of(Client(weir.port, connect=False).login())["C"] == "53300"
    assert value(metrics(weir), "pgweir_errors_total", source="pgweir",
                 sqlstate="53300") == 1
    first.close()


def test_labels_survive_names_that_break_lines_and_quotes(world):
    weir = world.start(OPTIONS)
    name = 'a"b\\c\nd'
    Client(weir.port, database=name, connect=True)
    found = metrics(weir)
    assert value(found, "pgbouncer_pools_client_active_connections",
                 database='a\\"b\\\\c?d') >= 0


def test_the_result_of_a_reload_is_a_metric(world):
    weir = world.start(OPTIONS)
    found = metrics(weir)
    assert value(found, "pgweir_config_last_reload_successful") == 1
    weir.write(world.config(OPTIONS + "pool_mode = nonsense"))
    try:
        weir.console("RELOAD")
        raise AssertionError("nonsense was taken")
    except Failed:
        pass
    found = metrics(weir)
    assert value(found, "pgweir_config_last_reload_successful") == 0
    assert value(found, "pgweir_config_reloads_total", result="failure") >= 1
    weir.write(world.config(OPTIONS))
    weir.console("RELOAD")
    found = metrics(weir)
    assert value(found, "pgweir_config_last_reload_successful") == 1


def test_no_secret_is_in_metrics_or_in_any_show(world):
    secret = "very-secret-word"
    weir = world.start(
        OPTIONS, users=f'"app" "{secret}"\n"postgres" "x"\n',
        databases=f"app = host=127.0.0.1 port={world.pg.port} user=app "
        f"password={secret}")
    weir.sql("select 1")
    assert secret not in get(weir, "/metrics")[2]
    for line in weir.console("show help").splitlines():
        if line.startswith("SHOW "):
            assert secret not in weir.console(line.split("|")[0]), line
    assert secret not in weir.text()


def test_what_alerts_and_dashboard_ask_for_is_there(world):
    weir = world.start(OPTIONS)
    weir.sql("select 1")
    try:
        weir.sql("select 1/0")
    except Failed:
        pass
    text = get(weir, "/metrics")[2]
    here = os.path.dirname(os.path.abspath(__file__))
    wanted = set()
    for directory, _, names in os.walk(
            os.path.join(here, "../../k8s/monitoring")):
        for name in names:
            with open(os.path.join(directory, name)) as f:
                wanted |= set(re.findall(
                    r"\b(?:pgweir|pgbouncer)_[a-z_]+", f.read()))
    assert len(wanted) > 10, wanted
    families = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    missing = {name for name in wanted if re.sub(
        r"_(bucket|sum|count)$", "", name) not in families
        and name not in families}
    assert not missing, missing


def test_a_real_prometheus_scrapes_it(world):
    weir = world.start(OPTIONS)
    weir.sql("select 1")
    port = free_port()
    directory = os.path.join(world.top, "prometheus")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "prometheus.yml"), "w") as f:
        f.write(f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: pgweir
  static_configs: [{{targets: ['127.0.0.1:{port_of(weir)}']}}]
""")
    with open(os.path.join(directory, "log"), "w") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={directory}/prometheus.yml",
             f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log)

    def ask(expression):
        try:
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/api/v1/query?query="
                    + urllib.request.quote(expression), timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []
    try:
        with open(os.path.join(directory, "prometheus.yml")) as f:
            text = f.read()
        assert str(port_of(weir)) in text
        wait_until("it has scraped", lambda: [
            r for r in ask("up") if r["value"][1] == "1"])
        got = wait_until("it knows the queries", lambda: ask(
            'pgbouncer_stats_queries_pooled_total{database="app"}'))
        assert float(got[0]["value"][1]) >= 1, got
        got = ask("histogram_quantile(0.99, "
                  "pgweir_query_duration_seconds_bucket)")
        assert got and 0 < float(got[0]["value"][1]) < 10, got
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_metrics_port_that_is_taken_is_opened_when_it_is_free(world):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        weir = world.start("metrics_addr = 127.0.0.1\n"
                           f"metrics_port = {port}\n")
        assert weir.sql("select 1") == "1"
        assert f"metrics_port {port} cannot be opened" in weir.text()
    wait_until("it is opened", lambda: "metrics on " in weir.text())
    assert get(weir, "/healthz")[0] == 200


def test_without_metrics_addr_nothing_listens(world):
    weir = world.start("")
    assert "metrics on" not in weir.text()


def test_healthz_answers_for_every_loop(world):
    for workers in (1, 3):
        weir = world.start(OPTIONS + f"workers = {workers}\n")
        status, _, text = get(weir, "/healthz")
        assert (status, text) == (200, "ok\n")


class StoppedThread:
    """One thread of another process stands still."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, process, name):
        tasks = f"/proc/{process.pid}/task"
        self.thread = [int(t) for t in os.listdir(tasks)
                       if open(f"{tasks}/{t}/comm").read().strip() == name][0]
        self.state = f"{tasks}/{self.thread}/stat"
        self.libc = ctypes.CDLL(None, use_errno=True)

    def trace(self, request):
        if self.libc.ptrace(request, self.thread, None, None) != 0:
            raise Skip("a thread cannot be stopped here: "
                       + os.strerror(ctypes.get_errno()))

    def __enter__(self):
        self.trace(self.SEIZE)
        self.trace(self.INTERRUPT)
        wait_until("it stands still", lambda: open(self.state).read()
                   .rsplit(")", 1)[1].split()[0] == "t")
        return self

    def __exit__(self, *_):
        self.trace(self.DETACH)


def test_healthz_says_503_while_one_loop_does_not_turn(world):
    weir = world.start(OPTIONS + "workers = 2\n")
    with StoppedThread(weir.process, "worker 2"):
        status, _, text = get(weir, "/healthz")
        assert (status, text) == (
            503, "loop 2 of 3 has not turned for 1 s\n"), text
        assert get(weir, "/metrics")[0] == 200
    wait_until("it turns again", lambda: get(weir, "/healthz")[0] == 200)


def test_readyz_says_503_as_soon_as_it_is_told_to_stop(world):
    weir = world.start(OPTIONS + "shutdown_delay = 20s\n"
                       "shutdown_timeout = 30s\n")
    client = Client(weir.port)
    assert get(weir, "/readyz")[0] == 200
    weir.signal(signal.SIGTERM)
    wait_until("it says no", lambda: get(weir, "/readyz")[0] == 503)
    assert "shutting down" in get(weir, "/readyz")[2]
    assert get(weir, "/healthz")[0] == 200
    assert client.one("select 1") == "1"
    late = Client(weir.port)
    assert late.one("select 1") == "1"
    assert value(metrics(weir), "pgweir_shutting_down") == 1


def test_readyz_says_503_when_there_is_no_room_for_a_login(world):
    weir = world.start(OPTIONS + "max_client_conn = 1\n")
    assert get(weir, "/readyz")[0] == 200
    client = Client(weir.port)
    status, _, text = get(weir, "/readyz")
    assert status == 503 and "max_client_conn" in text
    client.close()
    wait_until("there is room", lambda: get(weir, "/readyz")[0] == 200)


def test_readyz_with_a_role_wants_a_server_that_can_be_opened(world):
    weir = world.start(OPTIONS + "query_wait_timeout = 1s\n",
                       databases=f"app = host=127.0.0.1 port={free_port()}")
    assert get(weir, "/readyz?role=rw")[0] == 200
    try:
        weir.sql("select 1")
    except Failed:
        pass
    assert get(weir, "/readyz")[0] == 200
    assert get(weir, "/readyz?role=rw")[0] == 503
    assert get(weir, "/readyz?role=ro")[0] == 503
    assert get(weir, "/readyz?role=both")[0] == 503


def test_readyz_with_a_role_tries_a_host_that_stands_alone(world):
    """Nobody is connected to it, and nobody asks it for anything."""
    weir = world.start(OPTIONS)
    weir.sql("select 1")
    assert get(weir, "/readyz?role=rw")[0] == 200
    world.pg.stop("immediate")
    try:
        wait_until("it is said to be away", lambda: get(
            weir, "/readyz?role=rw")[0] == 503)
        for _ in range(3):
            assert get(weir, "/readyz")[0] == 200
    finally:
        world.pg.start()
    wait_until("it is back", lambda: get(weir, "/readyz?role=rw")[0] == 200)
    assert world.pg.sql("select count(*) from pg_stat_activity where "
                        "datname = 'app'") == "1"


def test_probes_that_connect_and_leave_are_silent_in_the_log(world):
    weir = world.start(OPTIONS)
    before = weir.text()
    for _ in range(20):
        socket.create_connection(("127.0.0.1", weir.port)).close()
    reset = socket.create_connection(("127.0.0.1", weir.port))
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     b"\1\0\0\0\0\0\0\0")
    reset.close()
    socket.create_connection(("127.0.0.1", port_of(weir))).close()
    assert weir.sql("select 1") == "1"
    lines = [line for line in weir.text()[len(before):].splitlines()
             if "app/app" not in line and "server " not in line
             and "app/postgres" not in line]
    assert not lines, lines


def test_hostile_requests_get_an_answer_or_an_end_and_harm_nobody(world):
    weir = world.start(OPTIONS)
    port = port_of(weir)
    for text in (b"\0\1\2\3\r\n\r\n", b"GET /" + b"a" * 100000,
                 b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n"
                 b"\r\n", b"GET /%ff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /readyz?role HTTP/1.0\r\n\r\n",
                 b"GET http://[::1/metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.settimeout(30)
            try:
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:     # it may end before we have
                pass
    # Who goes while all loops are asked leaves nothing behind; of more than
    # 48 at a time somebody would have to go.
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert get(weir, "/nothing")[0] == 404
    assert get(weir, "/healthz")[0] == 200
    assert weir.sql("select 1") == "1"


def descriptors(weir):
    return len(os.listdir(f"/proc/{weir.process.pid}/fd"))


def test_many_connections_that_say_nothing_take_no_descriptors(world):
    """Nor do they keep a probe or a scrape from being answered."""
    weir = world.start(OPTIONS)
    kept = http.client.HTTPConnection("127.0.0.1", port_of(weir), timeout=30)
    kept.request("GET", "/readyz")
    assert kept.getresponse().read() == b"ready\n"
    before = descriptors(weir)
    idle = []
    for number in range(400):
        one = socket.create_connection(("127.0.0.1", port_of(weir)))
        one.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"y" * (number % 90))
        idle.append(one)
    assert get(weir, "/healthz")[0] == 200
    wait_until("the oldest are gone",
               lambda: descriptors(weir) <= before + 64)
    assert metrics(weir)
    # Who has asked before is not sent away for those who have not.
    kept.request("GET", "/readyz")
    assert kept.getresponse().read() == b"ready\n"
    assert weir.sql("select 1") == "1"
    for one in idle:
        one.close()
    wait_until("all are gone", lambda: descriptors(weir) <= before)


def test_slow_clients_of_http_are_dropped_and_block_nobody(world):
    weir = world.start(OPTIONS + "workers = 1\n")
    slow = socket.create_connection(("127.0.0.1", port_of(weir)))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader = socket.create_connection(("127.0.0.1", port_of(weir)))
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    gone, start = False, time.monotonic()
    while not gone and time.monotonic() - start < 30:
        try:        # a byte now and then, and never an end
            slow.sendall(b"G")
        except OSError:
            gone = True
        assert weir.sql("select 1") == "1"
        assert get(weir, "/readyz")[0] == 200
        slow.settimeout(0.5)
        try:
            gone = gone or slow.recv(1) == b""
        except TimeoutError:
            pass
        except OSError:
            gone = True
    assert gone
    reader.close()


def test_the_scrape_does_not_stop_the_clients(world):
    weir = world.start(OPTIONS + "workers = 2\n")
    stop, scrapes = threading.Event(), []

    def scrape():
        while not stop.is_set():
            scrapes.append(len(get(weir, "/metrics")[2]))
    thread = threading.Thread(target=scrape)
    thread.start()
    client = Client(weir.port)
    start = time.monotonic()
    for _ in range(500):
        client.one("select 1")
    stop.set()
    thread.join()
    assert scrapes and time.monotonic() - start < 30


def test_roles_lag_and_failovers_of_a_cluster_are_metrics(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start(OPTIONS + "dashboard = on\n")
        primary, replica = [f"{n.address}:{n.port}" for n in cluster.nodes]

        def is_settled():
            found = metrics(weir)
            return all(value(found, "pgweir_host_up", host=h) == 1
                       for h in (primary, replica)) and found
        weir.sql("select 1", user="postgres")
        found = wait_until("both are up", is_settled)
        assert value(found, "pgweir_host_takes_writes", host=primary) == 1
        assert value(found, "pgweir_host_takes_writes", host=replica) == 0
        assert value(found, "pgweir_host_takes_reads", host=replica) == 1
        assert value(found, "pgweir_host_replay_lag_seconds",
                     host=replica) >= 0
        assert value(found, "pgweir_failovers_total") == 0
        held = []
        for route in ("primary", "replica"):
            client = Client(weir.port, user="postgres",
                            options=f"-c pgweir.route={route}")
            answer = client.ask(query("prepare p as select 1"))
            assert error_of(answer) is None, error_of(answer)
            held.append(client)

        def ties():
            return sum(n for (name, labels), n in metrics(weir).items()
                       if name == "pgweir_pins_total"
                       and ("reason", "prepare") in labels)
        wait_until("both are counted", lambda: ties() == 2)
        for client in held:
            client.close()
        for role in ("rw", "ro"):
            assert get(weir, "/readyz?role=" + role)[0] == 200
        cluster.nodes[0].kill()
        wait_until("writes have no host", lambda: get(
            weir, "/readyz?role=rw")[0] == 503)
        assert get(weir, "/readyz")[0] == 200
        cluster.nodes[1].promote()
        wait_until("the other takes the writes", lambda: value(
            metrics(weir), "pgweir_host_takes_writes", host=replica) == 1)
        assert value(metrics(weir), "pgweir_failovers_total") == 1
        assert value(metrics(weir), "pgweir_host_up", host=primary) == 0
        wait_until("writes have a host", lambda: get(
            weir, "/readyz?role=rw")[0] == 200)
        data = json.loads(get(weir, "/data.json")[2])
        roles = {h["name"]: (h["role"], h["state"]) for h in data["hosts"]}
        assert roles[replica] == ("primary", "up"), data["hosts"]
        assert roles[primary][1] == "down", data["hosts"]
        assert f"{replica} is the primary" in data["failovers"][0]["text"]
