"""Every document that can be applied, against the types of Kubernetes."""

import copy
import json
import os
import subprocess

from tools import K8S, files, need, run

HERE = os.path.dirname(os.path.abspath(__file__))


def faults(tools, entries):
    done = subprocess.run(
        ["node", os.path.join(HERE, "types.js"), tools.node_modules],
        input=json.dumps([{"where": w, "document": d} for w, d in entries]),
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_field_is_one_of_kubernetes(tools):
    entries = [(where, document) for where, documents in tools.everything()
               for document in documents]
    assert len(entries) > 20
    found = faults(tools, entries)
    assert not found, found


def test_the_check_of_fields_finds_faults(tools):
    good = next(d for d in tools.kustomize("base")
                if d["kind"] == "Deployment")

    def rename(pod):
        pod["containers"][0]["livenesProbe"] = {}

    def retype(pod):
        pod["terminationGracePeriodSeconds"] = "60"

    def enumerate_wrong(pod):
        pod["containers"][0]["imagePullPolicy"] = "Sometimes"

    def forget(pod):
        del pod["containers"][0]["name"]

    monitor = copy.deepcopy(next(d for d in tools.kustomize("monitoring")
                                 if d["kind"] == "ServiceMonitor"))
    monitor["spec"]["endpoints"][0]["intervall"] = "15s"
    wanted = {rename: "livenesProbe", retype: "number",
              enumerate_wrong: "imagePullPolicy", forget: "name"}
    entries = [("good", good), ("monitor", monitor)]
    for change in wanted:
        document = copy.deepcopy(good)
        change(document["spec"]["template"]["spec"])
        entries.append((change.__name__, document))
    found = faults(tools, entries)
    assert "good" not in found, found
    assert "intervall" in found, found
    for change, word in wanted.items():
        assert any(line.startswith(change.__name__ + ":") and word in line
                   for line in found.splitlines()), (word, found)


def test_yamllint_is_content(tools):
    names = [n for n in files(".yaml", ".yml")
             if os.sep + "templates" + os.sep not in n]
    assert names
    run(need("yamllint"), "-s", "-c", os.path.join(HERE, "yamllint.yaml"),
        *names, cwd=K8S)


def test_shellcheck_is_content(tools):
    run(need("shellcheck"), "-s", "sh", "-x", *files(".sh"), cwd=K8S)
