"""The log: JSON, slow queries, errors that come again and again."""

import json
import re
import time

from cluster import Cluster, Failed, wait_until
from web import OPTIONS, metrics, value
from wire import Client, Gate, error_of, query


def lines(weir):
    """Every line of the log is one object."""
    found = []
    for line in weir.text().splitlines():
        if line.startswith("{"):
            found.append(json.loads(line))
    return found


def test_every_line_is_one_json_object_with_who_it_is_about(world):
    weir = world.start("log_format = json")
    client = Client(weir.port, user="app", application_name='ev"il\n{"x":1}')
    client.ask(query("select 1"))
    weir.sql("select 1", user="postgres")
    # All of it, but for what was said before the configuration was read.
    for line in weir.text().splitlines():
        json.loads(line)
    login = [r for r in lines(weir) if r["message"].startswith("logged in")]
    first = login[0]
    assert first["kind"] == "client" and first["id"] > 0
    assert first["database"] == "app" and first["user"] == "app"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", first["address"])
    assert first["application"] == 'ev"il\n{"x":1}'
    assert first["level"] == "info" and first["pid"] == weir.process.pid
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                        first["time"])
    client.close()
    gone = wait_until("it is said to have gone", lambda: [
        r for r in lines(weir) if r["id" if "id" in r else "pid"] ==
        first["id"] and "disconnected" in r["message"]])
    assert gone[0]["application"] == first["application"]


def test_the_longest_names_leave_a_line_that_can_be_read(world):
    weir = world.start("log_format = json")
    client = Client(weir.port, user="\u00e9" * 400, database="\x01" * 900,
                    connect=False)
    client.login("\u00e9" * 30, "\x01" * 900,
                 application_name="\\" * 2000)
    for line in weir.text().splitlines():
        json.loads(line)
        assert len(line) <= 4096


def test_the_format_can_be_changed_by_a_reload(world):
    weir = world.start("")
    assert not lines(weir)
    weir.write(world.config("log_format = json"))
    weir.console("RELOAD")
    assert lines(weir)
    weir.write(world.config("log_format = xml"))
    try:
        weir.console("RELOAD")
        raise AssertionError("xml was taken")
    except Failed as error:
        assert "is not text or json" in str(error)


def test_a_slow_query_is_logged_with_its_wait_and_its_server(world):
    weir = world.start("default_pool_size = 1\nlog_repeat_interval = 0")
    first, second = Client(weir.port), Client(weir.port)
    # To open a server may take long.
    pid = first.one("select pg_backend_pid()")
    weir.console("set log_slow = 300ms")
    gate = Gate(world)
    first.send(query(gate.statement))
    gate.wait()
    second.send(query("select 'quick'"))
    wait_until("it waits", lambda: "|waiting|" in weir.console(
        "show clients"))
    time.sleep(0.5)
    gate.open()
    first.until_ready()
    second.until_ready()
    wait_until("both are logged",
               lambda: weir.text().count("slow query") == 2)
    found = [re.search(
        r"slow query: ([0-9.]+) s, of it ([0-9.e-]+) s in line for "
        r"a server; server \d+ at (\S+), process (\d+)", line)
        for line in weir.text().splitlines() if "slow query" in line]
    assert float(found[1][1]) > float(found[1][2]) >= 0.5, found[1][0]
    took, waited, host, process = found[0].groups()
    assert float(took) >= 0.5 and float(waited) < 0.3
    assert host == f"127.0.0.1:{world.pg.port}" and process == pid
    second.one("select 1")
    # If that was logged it was slow: nothing else is.
    for took in re.findall(r"slow query: ([0-9.]+) s", weir.text()):
        assert float(took) >= 0.3
    assert "pg_advisory" not in weir.text()


def test_a_slow_query_says_what_it_was_taken_for(world):
    with Cluster(world, replicas=1) as cluster:
        weir = cluster.start("log_slow = 100ms")
        for route, what, node in (
                ("split", "a write under route split", 0),
                ("replica", "a read under route replica", 1),
                ("any", "for any host under route any", None)):
            client = Client(weir.port, user="postgres",
                            options=f"-c pgweir.route={route}")
            client.one("select pg_sleep(0.2)")
            line = wait_until("it is logged", lambda: [
                line for line in weir.text().splitlines()
                if "slow query" in line and f"route {route}" in line])[0]
            assert f"; {what}; server" in line, line
            if node is not None:
                assert f" at 127.0.0.1:{cluster.nodes[node].port}," in line
            client.close()


def test_without_log_slow_no_query_is_logged(world):
    weir = world.start("")
    weir.sql("select pg_sleep(0.3)")
    assert "slow query" not in weir.text()


def test_an_error_that_comes_again_is_counted_not_repeated(world):
    weir = world.start(OPTIONS + "log_repeat_interval = 2s\n"
                       "max_client_conn = 1\n")
    holder = Client(weir.port)
    for _ in range(30):
        refused = Client(weir.port, connect=False)
        error = error_of(refused.login())
        assert error["C"] == "53300"
        refused.close()
    warnings = [line for line in weir.text().splitlines()
                if "max_client_conn" in line and "WARNING" in line]
    assert 1 <= len(warnings) < 10, warnings
    told = wait_until("the count is told", lambda: re.findall(
        r"(\d+) more like this: .*max_client_conn", weir.text()))
    wait_until("all are told", lambda: sum(int(n) for n in re.findall(
        r"(\d+) more like this", weir.text())) + len(
        [line for line in weir.text().splitlines() if "WARNING" in line
         and "max_client_conn" in line and "more like this" not in line])
        == 30)
    assert told
    assert value(metrics(weir), "pgweir_log_lines_hidden_total") >= 20
    holder.close()


def test_with_an_interval_of_0_every_line_is_written(world):
    weir = world.start("log_repeat_interval = 0\nmax_client_conn = 1\n")
    holder = Client(weir.port)
    for _ in range(10):
        Client(weir.port, connect=False).login()
    assert weir.text().count("(53300)") == 10
    holder.close()
