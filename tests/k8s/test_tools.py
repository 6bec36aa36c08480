"""docker-compose, Skaffold and the image's file agree with the manifests."""

import os
import re

import yaml

from test_agreement import of_kind, poolers
from tools import K8S, TOP, need, run


def load(name):
    with open(os.path.join(K8S, name)) as f:
        return yaml.safe_load(f)


def test_docker_compose_accepts_its_file(tools):
    run(need("docker-compose"), "-f",
        os.path.join(K8S, "docker-compose.dev.yml"), "config", "-q")


def test_compose_gives_pgweir_options_that_it_has(tools):
    given = load("docker-compose.dev.yml")["services"]["pgweir"]
    with open(os.path.join(TOP, "include", "config", "option_list.h")) as f:
        known = set(re.findall(r"^X\(\w+, (\w+),", f.read(), re.M))
    for name in given["environment"]:
        assert name == "PGWEIR_DATABASE_URL" \
            or name[7:].lower() in known, name


def test_skaffold_builds_and_forwards_what_the_manifests_have(tools):
    skaffold = load("skaffold.yaml")
    built = {a["image"] for a in skaffold["build"]["artifacts"]}
    for artifact in skaffold["build"]["artifacts"]:
        if artifact["context"] == ".":
            assert os.path.exists(os.path.join(
                TOP, artifact["docker"]["dockerfile"]))
    path = skaffold["manifests"]["kustomize"]["paths"][0]
    documents = tools.kustomize(os.path.relpath(path, "k8s"))
    images = {c["image"].split(":")[0] for d in of_kind(
        documents, "Deployment", "Job") for c in
        d["spec"]["template"]["spec"]["containers"]}
    assert built == images
    services = {d["metadata"]["name"]: d for d in of_kind(documents,
                                                          "Service")}
    for forward in skaffold["portForward"]:
        service = services[forward["resourceName"]]
        assert service["metadata"]["namespace"] == forward["namespace"]
        assert forward["port"] in {p["port"]
                                   for p in service["spec"]["ports"]}


def test_the_profiles_of_skaffold_name_overlays_and_their_namespaces(tools):
    skaffold = load("skaffold.yaml")
    for profile in skaffold["profiles"]:
        path = profile["manifests"]["kustomize"]["paths"][0]
        documents = tools.kustomize(os.path.relpath(path, "k8s"))
        space = of_kind(documents, "Namespace")[0]["metadata"]["name"]
        for patch in profile["patches"]:
            if patch["path"].endswith("/namespace"):
                assert patch["value"] == space, profile["name"]


def test_the_manifests_run_as_the_user_of_the_image(tools):
    with open(os.path.join(K8S, "Dockerfile")) as f:
        user = re.search(r"^USER (\d+):(\d+)$", f.read(), re.M).groups()
    for where, documents in tools.everything():
        for _, pod, _ in poolers(documents):
            security = pod["spec"]["securityContext"]
            assert (str(security["runAsUser"]),
                    str(security["runAsGroup"])) == user, where


def test_the_table_of_the_readme_names_files_and_commands_that_exist(tools):
    with open(os.path.join(K8S, "README.md")) as f:
        text = f.read()
    folders = set(re.findall(r"apply -k (?:k8s/)(\S+?)[`\s]", text))
    assert folders >= {"cases/petstore", "cases/naytife", "cases/ideaforge",
                       "cases/healthcare", "overlays/dev", "overlays/staging",
                       "overlays/production"}, folders
    for folder in folders:
        assert tools.kustomize(folder), folder
    for name in re.findall(r"`(k8s/[^` ]+)`", text):
        assert os.path.exists(os.path.join(TOP, name)), name
    for name in re.findall(r"-f (k8s/\S+?\.ya?ml)", text):
        assert os.path.exists(os.path.join(TOP, name)), name
