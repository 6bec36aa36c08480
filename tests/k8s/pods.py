"""Pods without a cluster: the processes of a manifest's containers, with the
manifest's commands, environment, volumes and users, in a network namespace
whose /etc/hosts has the names that the Services would have.

Each container gets a root directory of its own: /usr, /dev and /proc are this
machine's, everything else is what the manifest mounts.  A ConfigMap and a
Secret lie there as the kubelet puts them, behind a link "..data" that
change() swaps.  Each pod has an address of its own; what listens on all
addresses is told to listen on that one.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile

from cluster import Skip, wait_until
from tools import LIMIT, need

ENTER = """
set -e
mkdir -p "$ROOT/usr" "$ROOT/dev" "$ROOT/proc"
for folder in usr dev proc; do
	mount --rbind "/$folder" "$ROOT/$folder"
done
echo "$MOUNTS" | while read -r from to; do
	[ -z "$from" ] || mount --bind "$from" "$ROOT$to"
done
unset MOUNTS
exec /usr/sbin/chroot --userspec="$AS" --groups= "$ROOT" env -u ROOT -u AS "$@"
"""
PATH = "/image:/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin"
# What makes PostgreSQL faster here, and nothing else.
QUICK = "\nfsync = off\nshared_buffers = 16MB\n"


class Pods:
    def __init__(self, tools, documents):
        if os.getuid() != 0:
            raise Skip("a network namespace wants root")
        need("ip")
        self.tools, self.documents = tools, documents
        self.dir = tempfile.mkdtemp(prefix="pods-", dir=tools.dir)
        os.chmod(self.dir, 0o755)
        self.space = f"pgweir-{os.getpid()}-{os.path.basename(self.dir)}"
        made = subprocess.run(["ip", "netns", "add", self.space],
                              capture_output=True, text=True)
        if made.returncode != 0:
            raise Skip("no network namespaces here: " + made.stderr)
        tools.at_end.append(self.close)
        subprocess.run(["ip", "-n", self.space, "link", "set", "lo", "up"],
                       check=True)
        # name of the pod -> (address, labels, namespace, its processes)
        self.running, self.addresses, self.mounted = {}, {}, {}
        # Commands that an image would have: name -> file.
        self.commands = {"pgweir": tools.binary}
        self.write_hosts()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def one(self, kind, name):
        return next(d for d in self.documents if d["kind"] == kind
                    and d["metadata"]["name"] == name)

    def data(self, kind, name):
        """Of a ConfigMap or Secret, in clear."""
        document = self.one(kind, name)
        found = dict(document.get("data", {}))
        if kind == "Secret":
            found = {k: base64.b64decode(v).decode()
                     for k, v in found.items()}
        return {**found, **document.get("stringData", {})}

    # Names.

    def write_hosts(self):
        lines = ["127.0.0.1 localhost"]
        for service in self.documents:
            if service["kind"] == "Service":
                lines += self.names(service)
        # In place: the file itself is mounted over each /etc/hosts.
        with open(self.path("hosts"), "w") as f:
            f.write("\n".join(lines) + "\n")

    def names(self, service):
        name, space = service["metadata"]["name"], \
            service["metadata"].get("namespace", "default")
        is_headless = service["spec"].get("clusterIP") == "None"
        found = [(pod, address) for pod, (address, labels, where, _)
                 in self.running.items() if where == space
                 and service["spec"]["selector"].items() <= labels.items()]
        # A balancer has one address; here it leads to one pod.
        for pod, address in found if is_headless else found[-1:]:
            for first in [name] + [f"{pod}.{name}"] * is_headless:
                yield f"{address} {first} {first}.{space} " \
                    f"{first}.{space}.svc.cluster.local"

    # Containers.

    def environment(self, container, pod):
        found = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/tmp"}
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"),
                                ("secretRef", "Secret")):
                if field in source:
                    found.update(self.data(kind, source[field]["name"]))
        for entry in container.get("env", []):
            value = entry.get("value")
            source = entry.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == "metadata.name"
                value = pod
            for field, kind in (("configMapKeyRef", "ConfigMap"),
                                ("secretKeyRef", "Secret")):
                if field in source:
                    value = self.data(kind, source[field]["name"])[
                        source[field]["key"]]
            found[entry["name"]] = self.expanded(value, found)
        return found

    def fill(self, folder, texts, user):
        """As the kubelet does it; again, and everything changes at once."""
        number = len(os.listdir(folder))
        version = f"..{number}"
        os.makedirs(os.path.join(folder, version))
        for name, text in texts.items():
            path = os.path.join(folder, version, name)
            with open(path, "w") as f:
                f.write(text)
            os.chown(path, 0, user)
            os.chmod(path, 0o640)
            if not os.path.lexists(os.path.join(folder, name)):
                os.symlink(f"..data/{name}", os.path.join(folder, name))
        os.symlink(version, os.path.join(folder, "..data_tmp"))
        os.replace(os.path.join(folder, "..data_tmp"),
                   os.path.join(folder, "..data"))

    def change(self, kind, name, texts):
        """kubectl apply: seen in every pod that has mounted it."""
        self.one(kind, name).update(
            {"data": texts} if kind == "ConfigMap" else
            {"data": {}, "stringData": texts})
        for folder, (what, user) in self.mounted.items():
            if what == (kind, name):
                self.fill(folder, texts, user)

    def texts(self, volume):
        """What a ConfigMap, a Secret or several of them make of a volume."""
        found = {}
        for source in volume.get("projected", {}).get("sources", [volume]):
            kind, where = ("Secret", source["secret"]) \
                if "secret" in source else ("ConfigMap", source["configMap"])
            data = self.data(kind, where.get("name") or where["secretName"])
            found.update({i["path"]: data[i["key"]] for i in where["items"]}
                         if "items" in where else data)
        return found

    def volume(self, volume, pod, user):
        folder = self.path(pod, "volumes", volume["name"])
        if os.path.exists(folder):
            return folder
        os.makedirs(folder)
        source = ("ConfigMap", volume.get("configMap", {}).get("name"))
        if "secret" in volume:
            source = "Secret", volume["secret"]["secretName"]
        elif "projected" in volume:
            source = "projected", None
        elif source[1] is None:
            os.chmod(folder, 0o777)
            return folder
        texts = self.texts(volume)
        if "postgresql.conf" in texts:
            texts["postgresql.conf"] += QUICK
        self.fill(folder, texts, user)
        self.mounted[folder] = source, user
        return folder

    def claim(self, pod, name, user):
        folder = self.path(f"{name}-{pod}")
        if not os.path.exists(folder):
            os.makedirs(folder)
            os.chown(folder, user, user)
        return folder

    def root(self, pod, container, user, mounts):
        """An empty directory with what ENTER mounts; it is the kubelet's."""
        root = self.path(pod, "root-" + container["name"])
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(os.path.join(root, "etc"))
        for name in "bin", "sbin", "lib", "lib64":
            os.symlink(f"usr/{name}", os.path.join(root, name))
        for name, text in (
                ("passwd", f"root:x:0:0::/:/bin/sh\n"
                           f"postgres:x:{user}:{user}::/tmp:/bin/sh\n"),
                ("group", f"postgres:x:{user}:\n"),
                ("nsswitch.conf", "hosts: files\n"),
                ("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1\n"),
                ("hosts", "")):
            with open(os.path.join(root, "etc", name), "w") as f:
                f.write(text)
        mounts = {"/etc/hosts": self.path("hosts"), **mounts, **{
            f"/image/{name}": file for name, file in self.commands.items()}}
        for to, source in mounts.items():
            if os.path.isdir(source):
                os.makedirs(root + to, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(root + to), exist_ok=True)
                open(root + to, "a").close()
        return root, mounts

    def command(self, container, environment):
        command = container.get("command") or [
            container["image"].split("/")[-1].split(":")[0]]
        return [self.expanded(word, environment)
                for word in command + container.get("args", [])]

    @staticmethod
    def expanded(text, environment):
        """$(NAME), as Kubernetes knows it."""
        return re.sub(r"\$\((\w+)\)", lambda m: environment.get(
            m[1], m[0]), text)

    def container(self, pod, container, template, claims, **more):
        security = template["spec"]["securityContext"]
        user = security["runAsUser"]
        group = security.get("runAsGroup", user)
        mounts = {}
        for mount in container.get("volumeMounts", []):
            if mount["name"] in claims:
                mounts[mount["mountPath"]] = self.claim(
                    pod, mount["name"], user)
                continue
            mounts[mount["mountPath"]] = self.volume(
                next(v for v in template["spec"]["volumes"]
                     if v["name"] == mount["name"]), pod, group)
        root, mounts = self.root(pod, container, user,
                                 {**mounts, **more.pop("mounts", {})})
        environment = {**self.environment(container, pod), **more}
        log = open(self.path(pod, "log-" + container["name"]), "w")
        lines = "\n".join(f"{source} {to}" for to, source in mounts.items())
        return subprocess.Popen(
            ["ip", "netns", "exec", self.space, "unshare", "-m",
             "--propagation", "private", "sh", "-c", ENTER, "sh",
             *self.command(container, environment)], stdout=log, stderr=log,
            cwd="/", env={**environment, "ROOT": root, "MOUNTS": lines,
                          "AS": f"{user}:{group}"})

    # Pods.

    def appear(self, pod, owner):
        """Its name and its address; they stay when it comes again."""
        address = self.addresses.setdefault(
            pod, f"127.0.1.{len(self.addresses) + 1}")
        shutil.rmtree(self.path(pod), ignore_errors=True)
        os.makedirs(self.path(pod))
        labels = {**owner["spec"]["template"]["metadata"]["labels"],
                  "statefulset.kubernetes.io/pod-name": pod}
        self.running[pod] = (address, labels, owner["metadata"].get(
            "namespace", "default"), [])
        self.write_hosts()
        return address, self.running[pod][3]

    def start(self, kind, name, number=0, **more):
        """One pod of a Deployment or StatefulSet, or that of a Job."""
        owner = self.one(kind, name)
        template, pod = owner["spec"]["template"], f"{name}-{number}"
        claims = {c["metadata"]["name"] for c in
                  owner["spec"].get("volumeClaimTemplates", [])}
        address, processes = self.appear(pod, owner)
        more = {"POSTGRES_ARGS": f"-c listen_addresses={address}",
                "INITDB_ARGS": "--no-sync", "START_PAUSE": "0.2",
                "PGWEIR_METRICS_ADDR": address, **more}
        for container in template["spec"].get("initContainers", []):
            process = self.container(pod, container, template, claims, **more)
            if container.get("restartPolicy") == "Always":
                processes.append(process)
                # Its startupProbe holds up the others.
                wait_until("the sidecar is ready",
                           lambda: "is ready" in self.log(pod))
            else:
                assert process.wait(LIMIT) == 0, self.log(pod)
        for container in template["spec"]["containers"]:
            # Beside an application it is on localhost already.
            here = {**more, "PGWEIR_LISTEN_ADDR": address} \
                if container.get("args") else more
            processes.append(self.container(pod, container, template, claims,
                                            **here))
        return pod

    def job(self, name, **more):
        pod = self.start("Job", name, **more)
        for process in self.running[pod][3]:
            assert process.wait(LIMIT) == 0, self.log(pod)
        self.end(pod)
        return pod

    def primary(self, name, number=0):
        pod = self.start("StatefulSet", name, number)
        self.ready(pod)
        return pod

    def ready(self, pod):
        """The readiness probe of PostgreSQL, or pgweir's own word."""
        def is_ready():
            for process in self.running[pod][3]:
                assert process.poll() is None, self.log(pod)
            return "is ready" in self.log(pod) if "pooler" in pod else \
                self.exec(pod, "pg_isready", "-q").returncode == 0
        try:
            wait_until(f"{pod} is ready", is_ready)
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.log(pod)[-3000:]}")

    def exec(self, pod, *command, **more):
        """kubectl exec: in the container's namespaces, as its user."""
        process = self.running[pod][3][0]
        return subprocess.run(
            ["nsenter", "-t", str(process.pid), "-m", "-n", "--root",
             "/usr/sbin/chroot", "--userspec=postgres:postgres", "/", "env", "-i",
             *self.exec_environment(process), *command],
            capture_output=True, text=True, timeout=LIMIT, **more)

    @staticmethod
    def exec_environment(process):
        with open(f"/proc/{process.pid}/environ") as f:
            return [e for e in f.read().split("\0") if e]

    def run(self, *command, **more):
        """An application's own process, which knows only names."""
        return subprocess.run(
            ["ip", "netns", "exec", self.space, "unshare", "-m",
             "--propagation", "private", "sh", "-c",
             'mount --bind "$0" /etc/hosts && exec "$@"',
             self.path("hosts"), *command], capture_output=True, text=True,
            timeout=LIMIT, env={"PATH": PATH, "HOME": self.dir,
                                "LC_ALL": "C.UTF-8", **more}, cwd=self.dir)

    def log(self, pod):
        said = ""
        for name in sorted(os.listdir(self.path(pod))):
            if name.startswith("log-"):
                with open(self.path(pod, name)) as f:
                    said += f.read()
        return said

    def end(self, pod):
        """Deletes it; how its processes ended."""
        processes = self.running[pod][3]
        for process in processes:
            # What STOPSIGNAL is in PostgreSQL's image and in ours.
            process.send_signal(
                signal.SIGTERM if "pooler" in pod else signal.SIGINT)
        codes = [process.wait(60) for process in processes]
        del self.running[pod]
        self.write_hosts()
        return codes

    def close(self):
        if not self.space:
            return
        # PostgreSQL waits for pgweir's connections if that stays.
        for pod in sorted(self.running, key=lambda p: "pooler" not in p):
            self.end(pod)
        subprocess.run(["ip", "netns", "del", self.space], check=False)
        self.space = None
