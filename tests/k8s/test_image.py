"""The image, built and run for real, without an engine: buildah in a chroot,
podman with runc, and all their storage in one directory that is removed."""

import copy
import json
import os
import re
import shutil
import subprocess
import time

import yaml

from cluster import Postgres, Skip, free_port, wait_until
from tools import TOP, need, run, slow

DEBIAN = "docker.io/library/debian:bookworm-slim"


class Engine:
    def __init__(self, tools):
        if os.getuid() != 0:
            raise Skip("images are built by root here")
        for program in ("buildah", "podman", "runc", "catatonit",
                        "mmdebstrap"):
            need(program)
        self.tools = tools
        self.dir = tools.path("engine")
        os.makedirs(self.dir)
        self.storage = ["--storage-driver", "vfs", "--root",
                        os.path.join(self.dir, "root"), "--runroot",
                        os.path.join(self.dir, "run")]
        with open(os.path.join(self.dir, "containers.conf"), "w") as f:
            # What may not be raised here must not be asked for.
            f.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", '
                    '"nproc=1024:1024"]\n'
                    '[engine]\ncgroup_manager = "cgroupfs"\n'
                    'runtime = "runc"\nevents_logger = "file"\n')
        with open(os.path.join(self.dir, "policy.json"), "w") as f:
            json.dump({"default": [{"type": "insecureAcceptAnything"}]}, f)
        with open(os.path.join(self.dir, "auth.json"), "w") as f:
            f.write("{}")
        self.environment = {
            **os.environ, "HOME": self.dir, "CONTAINERS_CONF":
            os.path.join(self.dir, "containers.conf"),
            "REGISTRY_AUTH_FILE": os.path.join(self.dir, "auth.json")}
        tools.at_end.append(self.close)
        self.build()

    def build(self):
        base = os.path.join(self.dir, "base.tar")
        try:
            run("mmdebstrap", "--variant=apt", "bookworm", base)
        except AssertionError as fault:
            raise Skip("mmdebstrap could not make the base: "
                       + str(fault)[-300:])
        self.podman("import", "--quiet", base, DEBIAN)
        os.remove(base)
        # .git and what was built here stay outside.
        context = os.path.join(self.dir, "context")
        os.makedirs(context)
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others",
             "--exclude-standard", "autogen.sh", "configure.ac", "Makefile.am",
             "conf", "include", "src", "k8s/Dockerfile"], cwd=TOP,
            capture_output=True, text=True).stdout.split() or self.walk()
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(context, name)),
                        exist_ok=True)
            shutil.copy(os.path.join(TOP, name), os.path.join(context, name))
        run("buildah", *self.storage, "bud", "--isolation", "chroot",
            "--pull-never", "--signature-policy",
            os.path.join(self.dir, "policy.json"), "--format", "docker",
            "-f", os.path.join(context, "k8s", "Dockerfile"), "-t",
            "pgweir:latest", context, env=self.environment, timeout=900)

    @staticmethod
    def walk():
        """A tree without git: an unpacked distribution."""
        for top in "conf", "include", "src":
            for folder, _, names in os.walk(os.path.join(TOP, top)):
                for name in names:
                    if name.endswith((".c", ".h", ".ini", ".html", ".1",
                                      ".5", ".css", ".js")):
                        yield os.path.relpath(os.path.join(folder, name),
                                              TOP)
        yield from ("autogen.sh", "configure.ac", "Makefile.am",
                    "k8s/Dockerfile")

    def podman(self, *arguments, check=True):
        done = subprocess.run(
            ["podman", *self.storage, *arguments], env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300)
        if check:
            assert done.returncode == 0, (arguments, done.stdout)
        return done.stdout

    def start(self, name, *arguments, image="localhost/pgweir:latest",
              command=()):
        """As the securityContext of the manifests says."""
        try:
            self.podman("run", "--detach", "--name", name, "--read-only",
                        "--read-only-tmpfs=false", "--cap-drop=ALL",
                        "--security-opt=no-new-privileges",
                        "--network=host", "--memory=128m",
                        *arguments, image, *command)
        except AssertionError as fault:
            if re.search("cgroup|mount|permitted", str(fault)):
                raise Skip("no containers here: " + str(fault)[-200:])
            raise

    def log(self, name):
        return self.podman("logs", name, check=False)

    def close(self):
        self.podman("pod", "rm", "--all", "--force", check=False)
        self.podman("rm", "--all", "--force", "--time", "1", check=False)
        self.podman("rmi", "--all", "--force", check=False)


def engine(tools):
    if not hasattr(tools, "engine"):
        try:
            tools.engine = Engine(tools)
        except Exception as reason:
            tools.engine = reason
    if isinstance(tools.engine, Exception):
        raise tools.engine
    return tools.engine


def postgres(tools):
    if not hasattr(tools, "postgres"):
        top = tools.path("postgres")
        os.makedirs(top)
        shutil.chown(top, "postgres", "postgres")
        tools.postgres = Postgres(top)
        tools.at_end.append(lambda: tools.postgres.stop("immediate"))
        tools.postgres.sql("create role app login password 'secret'")
    return tools.postgres


def psql(port, text, **more):
    return subprocess.Popen(
        ["psql", "-XAtq", "-d", f"host=127.0.0.1 port={port} user=app"
         " password=secret dbname=postgres sslmode=require", "-c", text],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def sidecar(tools, name):
    """From the environment alone; where it listens."""
    here, port = engine(tools), free_port()
    here.start(name, "--env", "PGWEIR_DATABASE_URL=postgresql://app:secret@"
               f"127.0.0.1:{postgres(tools).port}/postgres",
               "--env", f"PGWEIR_LISTEN_PORT={port}",
               "--env", "PGWEIR_METRICS_PORT=0",
               "--env", "PGWEIR_SHUTDOWN_TIMEOUT=20",
               "--env", "PGWEIR_UNIX_SOCKET_DIR=")
    wait_until("the container serves\n" + here.log(name), lambda:
               psql(port, "select 1").communicate()[0] == "1\n")
    return here, port


@slow
def test_the_image_is_small_and_has_no_compiler(tools):
    here = engine(tools)
    told = json.loads(here.podman("image", "inspect",
                                  "localhost/pgweir:latest"))[0]
    assert told["Config"]["User"] == "65532:65532"
    assert told["Config"]["Entrypoint"] == ["/usr/bin/pgweir"]
    base = json.loads(here.podman("image", "inspect", DEBIAN))[0]
    assert told["Size"] - base["Size"] < 60 * 2**20, (told["Size"],
                                                      base["Size"])
    files = here.podman("run", "--rm", "--network=host", "--entrypoint",
                        "/usr/bin/find", "localhost/pgweir:latest",
                        "/usr/bin", "-name", "*gcc*")
    assert files == "", files


@slow
def test_it_runs_without_root_capabilities_or_a_place_to_write(tools):
    here, _ = sidecar(tools, "locked")
    pid = here.podman("inspect", "--format", "{{.State.Pid}}",
                      "locked").strip()
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":\t", 1) for line in f)
    assert status["Uid"].split() == ["65532"] * 4
    for kind in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        assert int(status[kind], 16) == 0, (kind, status[kind])
    assert status["NoNewPrivs"].strip() == "1"
    with open(f"/proc/{pid}/mountinfo") as f:
        root = next(line.split() for line in f
                    if line.split()[4] == "/")
    assert "ro" in root[5].split(",")
    here.podman("rm", "--force", "--time", "1", "locked")


@slow
def test_podman_stop_lets_a_running_transaction_end(tools):
    here, port = sidecar(tools, "drains")
    busy = psql(port, "select pg_sleep(3), 'done'")
    wait_until("the statement runs", lambda: postgres(tools).sql(
        "select count(*) from pg_stat_activity where query like"
        " '%pg_sleep(3)%' and pid <> pg_backend_pid()") == "1")
    start = time.monotonic()
    here.podman("stop", "--time", "20", "drains")
    assert "done" in busy.communicate()[0]
    assert time.monotonic() - start < 15
    state = here.podman("inspect", "--format",
                        "{{.State.ExitCode}} {{.State.OOMKilled}}",
                        "drains").split()
    assert state == ["0", "false"], here.log("drains")
    here.podman("rm", "drains")


def playable(pod):
    """Without what podman cannot do here: ports want a network of their own,
    resources a cgroup, and it runs probes by a program inside the image."""
    pod["hostNetwork"] = True
    for container in pod["containers"]:
        for name in "ports", "resources", "livenessProbe", "readinessProbe":
            container.pop(name, None)
        if container["name"] == "pgweir":
            container["image"] = "localhost/pgweir:latest"


@slow
def test_podman_runs_the_sidecars_job_to_its_end(tools):
    here, port = engine(tools), free_port()
    job = next(d for d in copy.deepcopy(tools.kustomize("sidecar"))
               if d["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    playable(pod)
    urls = {"UPSTREAM_URL": f"127.0.0.1:{postgres(tools).port}",
            "DATABASE_URL": f"localhost:{port}"}
    for container in pod["containers"]:
        for entry in container["env"]:
            if "valueFrom" in entry:
                key = entry.pop("valueFrom")["secretKeyRef"]["key"]
                entry["value"] = f"postgresql://app:secret@{urls[key]}" \
                    "/postgres"
        if container["name"] == "pgweir":
            container["env"] += [
                {"name": "PGWEIR_LISTEN_PORT", "value": str(port)},
                {"name": "PGWEIR_METRICS_PORT", "value": "0"}]
        else:
            # An image with psql: this machine's.
            container["image"] = DEBIAN
            container["env"].append({
                "name": "PATH",
                "value": "/usr/lib/postgresql/15/bin:/usr/bin"})
            container["volumeMounts"] = [
                {"name": "usr", "mountPath": "/usr", "readOnly": True}]
    pod["volumes"] = [{"name": "usr", "hostPath": {"path": "/usr"}}]
    name = tools.path("job.yaml")
    with open(name, "w") as f:
        yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "spec": pod,
                        "metadata": {"name": "report"}}, f)
    said = here.podman("play", "kube", name, check=False)

    def ended(container):
        state = here.podman(
            "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}",
            "report-" + container, check=False).strip()
        assert state.endswith(" 0"), (state, said, here.log(
            "report-report"), here.log("report-pgweir"))
        return state == "exited 0"

    wait_until("the application has ended", lambda: ended("report"))
    assert "(1 row)" in here.log("report-report")
    wait_until("pgweir has ended after it", lambda: ended("pgweir"))
    here.podman("play", "kube", "--down", name)


@slow
def test_podman_runs_the_deployment_as_it_stands(tools):
    here = engine(tools)
    port, metrics = free_port(), free_port()
    documents = [d for d in tools.kustomize("base")
                 if d["kind"] in ("ConfigMap", "Secret")
                 or d["metadata"]["name"] == "pooler-rw"
                 and d["kind"] == "Deployment"]
    base = postgres(tools)
    base.sql("create role pgweir login password 'change-me-pooler';"
             "create schema pooler; create function pooler.secret(name text)"
             " returns table (rolname name, rolpassword text) language sql"
             " security definer as 'select rolname, rolpassword from"
             " pg_authid where rolname = $1';"
             "grant usage on schema pooler to pgweir")
    for d in documents:
        d["metadata"].pop("namespace", None)
        if d["kind"] == "ConfigMap":
            # There are no names of Services here, and the ports are taken.
            d["data"]["pgweir.ini"] = re.sub(
                r"(?m)^\* = .*$", f"* = host=127.0.0.1 port={base.port}",
                d["data"]["pgweir.ini"]) \
                .replace("listen_port = 5432", f"listen_port = {port}") \
                .replace("metrics_port = 9127", f"metrics_port = {metrics}")
        if d["kind"] == "Deployment":
            d["spec"]["replicas"] = 1
            pod = d["spec"]["template"]["spec"]
            playable(pod)
            # podman 4.3 mounts a Secret with its values still encoded.
            for volume in pod["volumes"]:
                if volume.pop("secret", None):
                    volume["configMap"] = {"name": "pgweir-secret"}
        if d["kind"] == "Secret":
            d["kind"], d["metadata"]["name"] = "ConfigMap", "pgweir-secret"
            d["data"] = d.pop("stringData")
            d.pop("type")
    name = tools.path("deployment.yaml")
    with open(name, "w") as f:
        yaml.safe_dump_all(documents, f)
    said = here.podman("play", "kube", name, check=False)
    container = "pooler-rw-pod-0-pgweir"
    if container not in here.podman("ps", "--format", "{{.Names}}"):
        container = next((n for n in here.podman(
            "ps", "--all", "--format", "{{.Names}}").split()
            if n.endswith("-pgweir")), container)
    try:
        wait_until("the pod serves", lambda: psql(
            port, "select current_user").communicate()[0] == "app\n")
    except AssertionError as fault:
        raise AssertionError(f"{fault}\n{said[:2000]}\n{here.log(container)[-2000:]}")
    here.podman("play", "kube", "--down", name)
