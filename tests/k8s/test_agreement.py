"""Names that must agree: selectors, ports, keys, time limits, options."""

import base64
import os
import re
import subprocess

import yaml

from tools import TOP, run

PODS = {"Deployment", "StatefulSet", "Job"}


def pods(documents):
    for document in documents:
        if document["kind"] in PODS:
            yield document, document["spec"]["template"]


def containers(pod):
    spec = pod["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def matches(selector, labels):
    return all(labels.get(k) == v for k, v in selector.items())


def of_kind(documents, *kinds):
    return [d for d in documents if d["kind"] in kinds]


# What production takes from outside: made by hand, by cert-manager, or by an
# external store of secrets.
OUTSIDE = {
    "overlays/production": {
        "pgweir": {"users.txt"},
        "postgres-secret": {"POSTGRES_PASSWORD", "POOLER_PASSWORD",
                            "POSTGRES_REPLICATION_PASSWORD"},
        "pooler-tls": {"tls.crt", "tls.key", "ca.crt"},
        "postgres-tls": {"tls.crt", "tls.key", "ca.crt"},
    },
    # Is there before, and belongs to the application too.
    "cases/ideaforge": {
        "ideaforge-ai-secrets": {"POSTGRES_PASSWORD",
                                 "POSTGRES_REPLICATION_PASSWORD"}},
    # Applied together with postgres.
    "migration": {"postgres-secret": {"POSTGRES_PASSWORD"},
                  "postgres-config": {"POSTGRES_USER", "POSTGRES_DB"}},
    "chart with production.yaml": {
        "pgweir-passwords": {
            "users.txt", "POSTGRES_PASSWORD", "POOLER_PASSWORD",
            "POSTGRES_REPLICATION_PASSWORD"},
        "pooler-tls": {"tls.crt", "tls.key"},
    },
}


def keys_of(documents, where):
    """(kind, name) to the keys that ConfigMaps and Secrets have."""
    found = {}
    for d in of_kind(documents, "ConfigMap", "Secret"):
        name = d["kind"], d["metadata"]["name"]
        found[name] = {*d.get("data", {}), *d.get("stringData", {}),
                       *d.get("binaryData", {})}
    for name, keys in outside(where).items():
        found.setdefault(("Secret", name), set()).update(keys)
        found.setdefault(("ConfigMap", name), set()).update(keys)
    return found


def outside(where):
    return OUTSIDE.get(where, {})


def uses(pod):
    """(kind, name, keys or None) that a pod needs."""
    for volume in pod["spec"].get("volumes", []):
        for source in volume.get("projected", {}).get("sources", [volume]):
            for kind, field in (("ConfigMap", "configMap"),
                                ("Secret", "secret")):
                if field in source:
                    source = source[field]
                    yield kind, source.get("name") or source["secretName"], [
                        i["key"] for i in source.get("items", [])]
    for container in containers(pod):
        for source in container.get("envFrom", []):
            for kind, field in (("ConfigMap", "configMapRef"),
                                ("Secret", "secretRef")):
                if field in source:
                    yield kind, source[field]["name"], []
        for entry in container.get("env", []):
            source = entry.get("valueFrom", {})
            for kind, field in (("ConfigMap", "configMapKeyRef"),
                                ("Secret", "secretKeyRef")):
                if field in source:
                    yield kind, source[field]["name"], [source[field]["key"]]


def test_what_pods_mount_and_read_is_there(tools):
    for where, documents in tools.everything():
        have = keys_of(documents, where)
        for owner, pod in pods(documents):
            for kind, name, keys in uses(pod):
                here = f"{where}: {owner['metadata']['name']}: {kind} {name}"
                assert (kind, name) in have, here
                missing = set(keys) - have[kind, name]
                assert not missing, f"{here} lacks {missing}"
            volumes = {v["name"] for v in pod["spec"].get("volumes", [])} | {
                v["metadata"]["name"]
                for v in owner["spec"].get("volumeClaimTemplates", [])}
            mounted = {m["name"] for c in containers(pod)
                       for m in c.get("volumeMounts", [])}
            assert mounted == volumes, f"{where}: {mounted ^ volumes}"


def test_services_find_pods_and_their_ports(tools):
    for where, documents in tools.everything():
        for service in of_kind(documents, "Service"):
            selector = dict(service["spec"].get("selector", {}))
            if not selector or "cnpg.io/cluster" in selector:
                continue    # the operator's pods
            # The StatefulSet adds this label to each of its pods.
            selector.pop("statefulset.kubernetes.io/pod-name", None)
            name = f"{where}: {service['metadata']['name']}"
            found = [p for _, p in pods(documents)
                     if matches(selector, p["metadata"]["labels"])]
            assert found, name + " selects nothing"
            for pod in found:
                names = {p["name"] for c in containers(pod)
                         for p in c.get("ports", [])}
                for port in service["spec"]["ports"]:
                    assert port["targetPort"] in names, name


def test_selectors_of_policies_budgets_and_monitors_find_something(tools):
    for where, documents in tools.everything():
        templates = [p["metadata"]["labels"] for _, p in pods(documents)]
        for d in of_kind(documents, "PodDisruptionBudget", "NetworkPolicy"):
            spec = d["spec"]
            labels = spec.get("selector", spec.get("podSelector"))[
                "matchLabels"]
            assert any(matches(labels, t) for t in templates), (where, d)
        for d in of_kind(documents, "HorizontalPodAutoscaler"):
            target = d["spec"]["scaleTargetRef"]
            assert any(o["kind"] == target["kind"]
                       and o["metadata"]["name"] == target["name"]
                       for o in documents), (where, d)
        for owner, pod in pods(documents):
            selector = owner["spec"].get("selector", {}).get("matchLabels")
            assert selector is None or matches(
                selector, pod["metadata"]["labels"]), (where, owner)
        for d in of_kind(documents, "ServiceMonitor"):
            services = of_kind(documents, "Service")
            if not services:
                continue    # monitoring is applied beside base
            found = [s for s in services if matches(
                d["spec"]["selector"]["matchLabels"],
                s["metadata"]["labels"])]
            assert found, (where, d)
            for endpoint in d["spec"]["endpoints"]:
                assert endpoint["port"] in {
                    p["name"] for s in found for p in s["spec"]["ports"]}


def test_the_monitor_fits_the_peers_of_the_base(tools):
    monitor = of_kind(tools.kustomize("monitoring"), "ServiceMonitor")[0]
    found = [s["metadata"]["name"]
             for s in of_kind(tools.kustomize("base"), "Service")
             if matches(monitor["spec"]["selector"]["matchLabels"],
                        s["metadata"]["labels"])]
    assert found == ["pooler-peers"]


def test_probes_name_ports_that_exist(tools):
    for where, documents in tools.everything():
        for _, pod in pods(documents):
            for c in containers(pod):
                names = {p["name"] for p in c.get("ports", [])}
                for probe in ("startupProbe", "livenessProbe",
                              "readinessProbe"):
                    port = c.get(probe, {}).get("httpGet", {}).get("port")
                    assert port is None or port in names, (where, c["name"])


def test_everything_is_in_the_one_namespace(tools):
    for where, documents in tools.everything():
        spaces = {d["metadata"].get("namespace") for d in documents
                  if d["kind"] not in ("Namespace", "PersistentVolume")}
        names = {d["metadata"]["name"]
                 for d in of_kind(documents, "Namespace")}
        if where == "cases/naytife":
            assert "naytife-auth" in spaces     # hydra's
            spaces.remove("naytife-auth")
        assert len(spaces) == 1 and None not in spaces, (where, spaces)
        assert not names or names == spaces, (where, names, spaces)


def test_every_container_is_locked_up_and_limited(tools):
    for where, documents in tools.everything():
        for owner, pod in pods(documents):
            here = f"{where}: {owner['metadata']['name']}"
            security = pod["spec"]["securityContext"]
            assert security["runAsNonRoot"], here
            assert security["seccompProfile"]["type"] == "RuntimeDefault"
            assert not pod["spec"]["automountServiceAccountToken"], here
            for c in containers(pod):
                own = c["securityContext"]
                assert own["readOnlyRootFilesystem"], here
                assert not own["allowPrivilegeEscalation"], here
                assert own["capabilities"] == {"drop": ["ALL"]}, here
                assert c["resources"]["requests"]["memory"], here
                assert c["resources"]["limits"]["memory"], here


def test_a_statefulset_has_a_headless_service_of_its_own_name(tools):
    for where, documents in tools.everything():
        for owner in of_kind(documents, "StatefulSet"):
            name = owner["metadata"]["name"]
            assert owner["spec"]["serviceName"] == name, where
            service = next(s for s in of_kind(documents, "Service")
                           if s["metadata"]["name"] == name)
            assert service["spec"]["clusterIP"] == "None", where
            assert service["spec"]["publishNotReadyAddresses"], where
            assert owner["spec"]["podManagementPolicy"] == "OrderedReady"
            env = {e["name"]: e.get("value") for e in owner["spec"][
                "template"]["spec"]["containers"][0]["env"]}
            assert env["REPLICAS"] == str(owner["spec"]["replicas"]), where
            direct = [s["spec"]["selector"].get(
                "statefulset.kubernetes.io/pod-name")
                for s in of_kind(documents, "Service")]
            assert f"{name}-0" in direct, where


def secret_value(documents, name, key):
    for d in of_kind(documents, "Secret"):
        if d["metadata"]["name"] == name:
            if key in d.get("stringData", {}):
                return d["stringData"][key]
            if key in d.get("data", {}):
                return base64.b64decode(d["data"][key]).decode()
    return None


def test_the_poolers_password_is_the_same_on_both_sides(tools):
    compared = 0
    for where, documents in tools.everything():
        theirs = [secret_value(documents, d["metadata"]["name"],
                               "POOLER_PASSWORD")
                  for d in of_kind(documents, "Secret")]
        theirs = [t for t in theirs if t]
        users = [secret_value(documents, d["metadata"]["name"], "users.txt")
                 for d in of_kind(documents, "Secret")]
        users = [u for u in users if u]
        if theirs and users:
            assert f'"pgweir" "{theirs[0]}"' in users[0], where
            compared += 1
    assert compared >= 3


def fill(tools, where, pod, container, documents):
    """The container's volumes as directories; returns how paths change."""
    have = {(d["kind"], d["metadata"]["name"]): d
            for d in of_kind(documents, "ConfigMap", "Secret")}
    root = tools.path("pod-" + re.sub(r"\W", "-", where))
    moved = {}
    for mount in container.get("volumeMounts", []):
        volume = next(v for v in pod["spec"]["volumes"]
                      if v["name"] == mount["name"])
        folder = root + mount["mountPath"]
        os.makedirs(folder, exist_ok=True)
        moved[mount["mountPath"]] = folder
        if "configMap" in volume:
            key = "ConfigMap", volume["configMap"]["name"]
        elif "secret" in volume:
            key = "Secret", volume["secret"]["secretName"]
        else:
            continue
        if key in have:
            texts = {**{k: base64.b64decode(v).decode() if key[0] == "Secret"
                        else v for k, v in have[key].get("data", {}).items()},
                     **have[key].get("stringData", {})}
        else:
            texts = {k: example(tools, k) for k in outside(where)[key[1]]}
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
    return moved


def example(tools, key):
    if not os.path.exists(tools.path("tls.key")):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout",
            tools.path("tls.key"), "-out", tools.path("tls.crt"))
    with open(tools.path("tls.key" if key == "tls.key" else "tls.crt")) as f:
        return '"pgweir" "x"\n' if key == "users.txt" else f.read()


def poolers(documents):
    for owner, pod in pods(documents):
        for c in containers(pod):
            if "pgweir" in c["image"].split("/")[-1].split(":")[0]:
                yield owner, pod, c


def environment(container, documents):
    found = {"PATH": os.environ["PATH"]}
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {}).get("secretKeyRef")
        found[entry["name"]] = entry.get("value") if not source else \
            secret_value(documents, source["name"], source["key"])
    return found


def test_pods_that_connect_directly_have_the_label_that_lets_them_in(tools):
    seen = set()
    for where, documents in tools.everything():
        for owner, pod in pods(documents):
            said = [*(v for c in containers(pod)
                      for v in environment(c, documents).values()),
                    *(w for c in containers(pod)
                      for w in c.get("command", []))]
            if any(re.search(r"(^|[@ ])postgres-rw\b", s) for s in said if s):
                labels = pod["metadata"]["labels"]
                assert labels["pgweir.io/direct"] == "true", where
                seen.add(owner["metadata"]["name"])
    assert seen == {"db-migration", "application", "report"}, seen


def test_every_configuration_passes_pgweir_check(tools):
    checked = 0
    for where, documents in tools.everything():
        for _, pod, container in poolers(documents):
            if not container.get("args"):
                continue
            moved = fill(tools, where, pod, container, documents)
            for folder in moved.values():
                for name in os.listdir(folder):
                    rewrite(os.path.join(folder, name), moved)
            file = container["args"][-1]
            for old, new in moved.items():
                if file.startswith(old + "/"):
                    file = file.replace(old, new, 1)
            done = subprocess.run(
                [tools.binary, "--check", file], capture_output=True,
                text=True, env=environment(container, documents), timeout=30)
            assert done.returncode == 0, f"{where}:\n{done.stderr}"
            assert "WARNING" not in done.stderr, f"{where}:\n{done.stderr}"
            checked += 1
    assert checked >= 8


def rewrite(name, moved):
    with open(name) as f:
        text = f.read()
    if not name.endswith(".ini"):
        return
    for old, new in moved.items():
        text = text.replace(f" {old}/", f" {new}/")
    with open(name, "w") as f:
        f.write(text)


def options(container, pod, documents):
    """What the ini files of a pooler say; later lines win."""
    maps = {d["metadata"]["name"]: d.get("data", {})
            for d in of_kind(documents, "ConfigMap")}
    text = ""
    for volume in pod["spec"].get("volumes", []):
        data = maps.get(volume.get("configMap", {}).get("name"), {})
        text += data.get("pgweir.ini", "") + data.get("overlay.ini", "")
    found = dict(re.findall(r"^(\w+) *= *(.*)$", text, re.M))
    for entry in container.get("env", []):
        if entry["name"].startswith("PGWEIR_"):
            found[entry["name"][7:].lower()] = entry.get("value")
    return found


def test_ports_of_containers_are_those_of_the_configuration(tools):
    for where, documents in tools.everything():
        for _, pod, container in poolers(documents):
            if not container.get("args"):
                continue
            said = options(container, pod, documents)
            ports = {p["name"]: str(p["containerPort"])
                     for p in container["ports"]}
            assert ports == {"postgres": said["listen_port"],
                             "metrics": said["metrics_port"]}, where


def seconds(text):
    return int(re.fullmatch(r"(\d+)s?", text).group(1))


def default_of(name):
    """The sample file has every option with its default."""
    with open(os.path.join(TOP, "conf", "pgweir.ini")) as f:
        return re.search(rf"^;{name} = (.*)$", f.read(), re.M).group(1)


def test_stopping_fits_into_the_grace_period(tools):
    found = set()
    for where, documents in tools.everything():
        for _, pod, container in poolers(documents):
            said = options(container, pod, documents)
            grace = pod["spec"]["terminationGracePeriodSeconds"]
            limit, delay = (seconds(said.get(name, default_of(name)))
                            for name in ("shutdown_timeout",
                                         "shutdown_delay"))
            assert delay < limit < grace, where
            # A pod behind a Service is forgotten only after a while; one
            # beside its application is behind none.
            assert (delay > 0) == bool(container.get("args")), where
            found.add(where)
    assert {"base", "sidecar", "chart with "} <= found, found
    with open(os.path.join(TOP, "k8s", "docker-compose.dev.yml")) as f:
        compose = yaml.safe_load(f)["services"]["pgweir"]
    assert seconds(default_of("shutdown_timeout")) < \
        seconds(compose["stop_grace_period"])


def replicas(owner, documents):
    """As many as there may be."""
    for d in of_kind(documents, "HorizontalPodAutoscaler"):
        target = d["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (
                owner["kind"], owner["metadata"]["name"]):
            return d["spec"]["maxReplicas"]
    return owner["spec"]["replicas"]


def test_peers_is_the_headless_service_of_all_poolers(tools):
    seen = 0
    for where, documents in tools.everything():
        found = [(o, p, options(c, p, documents)) for o, p, c in
                 poolers(documents) if c.get("args")]
        for owner, pod, said in found:
            service = [d for d in of_kind(documents, "Service")
                       if d["metadata"]["name"] == said["peers"]]
            assert len(service) == 1, (where, said["peers"])
            spec = service[0]["spec"]
            assert spec["clusterIP"] == "None", where
            # Whoever is leaving may still run what is to be cancelled.
            assert spec["publishNotReadyAddresses"] is True, where
            assert matches(spec["selector"],
                           pod["metadata"]["labels"]), where
            assert "postgres" in {p["targetPort"] for p in spec["ports"]}
            assert service[0]["metadata"].get("namespace") == \
                owner["metadata"].get("namespace"), where
            # No port is named in peers: all listen on the same.
            assert {s["listen_port"] for _, _, s in found} == {
                said["listen_port"]}, where
            seen += 1
    assert seen >= 10, seen


def test_the_budget_reckons_with_as_many_pods_as_there_may_be(tools):
    for where, documents in tools.everything():
        found = [(o, options(c, p, documents)) for o, p, c in
                 poolers(documents) if c.get("args")]
        most = sum(replicas(owner, documents) for owner, _ in found)
        for _, said in found:
            assert int(said["expected_replicas"]) == most, (where, most)


def test_a_sidecar_of_a_job_ends_after_its_application(tools):
    for where, documents in tools.everything():
        for owner, pod, container in poolers(documents):
            is_native = container.get("restartPolicy") == "Always"
            said = options(container, pod, documents)
            if owner["kind"] == "Job" and not is_native:
                assert seconds(said["stop_after_clients"]) > 0, where
                assert owner["spec"]["activeDeadlineSeconds"] > 0, where
            else:
                assert "stop_after_clients" not in said, where
