"""The chart beyond what all manifests are checked for."""

import copy
import os

import yaml

from test_agreement import of_kind
from test_fields import faults
from tools import K8S, slow

CHART = os.path.join(K8S, "chart")


def test_helm_lint_is_content_with_every_example(tools):
    for values in tools.chart_values():
        more = [word for v in values for word in ("-f", v)]
        tools.helm("lint", "--strict", CHART, *more)


def test_the_schema_refuses_what_would_not_work(tools):
    tools.from_layer("helm")
    for fault, word in (("architecture=cluster", "architecture"),
                        ("service.ports.postgresql=70000", "65535"),
                        ("auth.username=", "username"),
                        ("tls.enabled=true", "certificatesSecret"),
                        ("servicePorts=5", "servicePorts"),
                        ("primary.persistence.sise=10Gi", "sise"),
                        ("auth.pasword=x", "pasword"),
                        ("primary.port=5433", "port"),
                        ("primary.persistence.size=big", "size")):
        try:
            tools.helm("template", "x", CHART, "--set", fault)
        except AssertionError as refusal:
            assert word in str(refusal), refusal
        else:
            raise AssertionError(f"{fault} was accepted")


def test_the_schema_knows_every_value_and_no_other(tools):
    import json
    with open(os.path.join(CHART, "values.yaml")) as f:
        values = yaml.safe_load(f)
    with open(os.path.join(CHART, "values.schema.json")) as f:
        schema = json.load(f)

    def compare(value, part, path):
        part = schema["definitions"][part["$ref"].split("/")[-1]] \
            if "$ref" in part else part
        known = part.get("properties")
        if not isinstance(value, dict) or known is None \
                or part.get("additionalProperties") is not False:
            return
        missing = set(known) - {"global"} ^ set(value)
        assert not missing, (path, missing)
        for name in value:
            compare(value[name], known[name], f"{path}.{name}")

    compare(values, schema, "")


def test_replication_makes_replicas_and_standalone_none(tools):
    sizes = {}
    for values in tools.chart_values():
        sets = of_kind(tools.chart(*values), "StatefulSet")
        sizes[os.path.basename(values[0]) if values else "defaults"] = [
            s["spec"]["replicas"] for s in sets]
    assert sizes == {"defaults": [1], "external.yaml": [],
                     "production.yaml": [3], "replication.yaml": [3]}, sizes


def test_the_scripts_and_rules_are_those_of_the_manifests(tools):
    documents = tools.chart(os.path.join(CHART, "examples",
                                         "replication.yaml"))
    theirs = {}
    for folder in "postgres", "monitoring":
        for d in of_kind(tools.kustomize(folder), "ConfigMap"):
            theirs.update(d["data"])
    compared = 0
    for d in of_kind(documents, "ConfigMap"):
        for name, text in d["data"].items():
            if name in theirs and name != "pgweir.ini":
                assert text == theirs[name], name
                compared += 1
    assert compared == 9, compared
    ours = of_kind(documents, "PrometheusRule")[0]["spec"]
    assert ours == of_kind(tools.kustomize("monitoring"),
                           "PrometheusRule")[0]["spec"]


# Under these every value has an effect.
ALL_ON = {
    "architecture": "replication",
    "auth": {"password": "a", "replicationPassword": "b",
             "poolerPassword": "c"},
    "autoscaling": {"enabled": True},
    "tls": {"enabled": True, "certificatesSecret": "x"},
    "metrics": {name: {"enabled": True} for name in (
        "serviceMonitor", "prometheusRule", "dashboard")},
}
OTHERS = {
    "architecture": "standalone", "service.type": "NodePort",
    "service.annotations": {"a": "b"}, "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"], "tolerations": [{"key": "x"}],
    "nodeSelector": {"disk": "fast"},
    "primary.persistence.accessModes": ["ReadWriteOncePod"],
}


def merged(to, more):
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(to.get(name), dict):
            merged(to[name], value)
        else:
            to[name] = value
    return to


def leaves(values, path=""):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def another(path, value):
    if path in OTHERS:
        return OTHERS[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if "memory" in path or path.endswith("size"):
        return "77Mi"
    return "77m" if "cpu" in path else "other"


@slow
def test_every_value_has_an_effect_and_leaves_all_fields_right(tools):
    with open(os.path.join(CHART, "values.yaml")) as f:
        base = merged(yaml.safe_load(f), ALL_ON)

    def rendered(changes):
        name = tools.path("values.yaml")
        with open(name, "w") as f:
            yaml.safe_dump(merged(copy.deepcopy(base), changes), f)
        text = tools.helm("template", "trial", CHART, "-f", name)
        return [d for d in yaml.safe_load_all(text) if d]

    usual, entries = rendered({}), []
    external = {"primary": {"host": "there"}}
    for path, value in leaves(base):
        *folders, last = path.split(".")
        changes = {last: another(path, value)}
        for folder in reversed(folders):
            changes = {folder: changes}
        before = usual
        if path == "primary.port":
            before = rendered(external)
            merged(changes, external)
        after = rendered(changes)
        assert after != before, path
        entries += [(path, d) for d in after if d not in before]
    found = faults(tools, entries)
    assert not found, found


def test_options_arrive_as_they_were_written(tools):
    name = tools.path("options.yaml")
    given = {"max_client_conn": 1000000, "query_timeout": 0.5,
             "dns_max_ttl": "500ms", "dashboard": True,
             "shutdown_delay": 5, "shutdown_timeout": 50}
    with open(name, "w") as f:
        yaml.safe_dump({"config": given}, f)
    text = of_kind(tools.chart(name), "ConfigMap")[0]["data"]["pgweir.ini"]
    for option in ("max_client_conn = 1000000", "query_timeout = 0.5",
                   "dns_max_ttl = 500ms", "dashboard = true"):
        assert option + "\n" in text, text
