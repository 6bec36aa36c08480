"""Alert rules and the dashboard: promtool's syntax and unit tests, and metrics
that a running pgweir really has."""

import json
import os
import re
import shutil
import urllib.request

import yaml

from cluster import Pgweir, free_port, wait_until
from live import Live
from tools import K8S, need, run, slow

FOLDER = os.path.join(K8S, "monitoring")


def spec():
    with open(os.path.join(FOLDER, "rules.yaml")) as f:
        return yaml.safe_load(f)["spec"]


def dashboard():
    with open(os.path.join(FOLDER, "dashboard.json")) as f:
        return json.load(f)


def expressions():
    """Of the dashboard, as Prometheus gets them from Grafana."""
    board = dashboard()
    found = [t["expr"] for p in board["panels"] for t in p["targets"]]
    found += [a["expr"] for a in board["annotations"]["list"]]
    for expression in found:
        for variable, value in (("$__rate_interval", "1m"),
                                ("$namespace", ".*"), ("$database", ".*")):
            expression = expression.replace(variable, value)
        assert "$" not in expression, expression
        yield expression


def test_the_alert_rules_pass_promtool(tools):
    need("promtool")
    folder = tools.path("rules")
    os.makedirs(folder)
    with open(os.path.join(folder, "rules.generated.yaml"), "w") as f:
        yaml.safe_dump(spec(), f)
    shutil.copy(os.path.join(FOLDER, "rules_test.yaml"), folder)
    run("promtool", "check", "rules", "rules.generated.yaml", cwd=folder)
    run("promtool", "test", "rules", "rules_test.yaml", cwd=folder)


def test_every_alert_has_a_test_that_fires_and_one_that_is_silent(tools):
    with open(os.path.join(FOLDER, "rules_test.yaml")) as f:
        tests = yaml.safe_load(f)["tests"]
    alerts = {r["alert"] for g in spec()["groups"] for r in g["rules"]
              if "alert" in r}
    fires, silent = set(), set()
    for case in tests:
        for one in case.get("alert_rule_test", []):
            (fires if one.get("exp_alerts") else silent).add(
                one["alertname"])
    assert fires == silent == alerts


def test_every_expression_of_the_dashboard_passes_promtool(tools):
    need("promtool")
    name = tools.path("dashboard.yaml")
    rules = [{"record": f"panel:{i}", "expr": e}
             for i, e in enumerate(expressions())]
    assert len(rules) > 30
    with open(name, "w") as f:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]},
                       f)
    run("promtool", "check", "rules", name)


def test_every_metric_that_is_looked_at_exists(tools):
    port = free_port()
    pgweir = Pgweir(tools.binary, tools.dir, name="metrics", config=f"""
[databases]
app = host=127.0.0.1 port=1
[pgweir]
listen_addr = 127.0.0.1
listen_port = 0
metrics_addr = 127.0.0.1
metrics_port = {port}
unix_socket_dir =
auth_file = {tools.dir}/metrics.users
""")
    try:
        text = wait_until("metrics are served", lambda: get(
            f"http://127.0.0.1:{port}/metrics"))
    finally:
        pgweir.process.terminate()
        pgweir.process.wait(30)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    known = set()
    for name, kind in kinds.items():
        known |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} \
            if kind == "histogram" else {name}
    looked_at = set()
    rules = [r["expr"] for g in spec()["groups"] for r in g["rules"]]
    for expression in [*rules, *expressions()]:
        looked_at |= set(re.findall(
            r"\b(?:pgbouncer|pgweir|process)_\w+", expression))
    assert len(looked_at) > 25
    assert not looked_at - known, looked_at - known


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def test_panels_of_the_dashboard_do_not_overlap(tools):
    taken, numbers = set(), set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(x, y)
                 for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken
        taken |= cells
        assert panel["id"] not in numbers
        numbers.add(panel["id"])


@slow
def test_every_panel_shows_something_while_a_cluster_lives(tools):
    """Two pods, a primary and replicas, a failover, a real Prometheus."""
    with Live(tools) as live:
        live.fail_over()
        live.refuse_a_configuration()
        for panel in dashboard()["panels"]:
            for target in panel["targets"]:
                wait_until(f"{panel['title']!r} shows {target['expr']}",
                           lambda: live.series(target["expr"]))
        seen = {a["name"]: bool(live.series(a["expr"]))
                for a in dashboard()["annotations"]["list"]}
    assert seen["Failovers"] and seen["Configuration refused"], seen
