"""The case of the petstore as its document tells it: node-postgres and
Drizzle, `npm run db:push` and `npm run seed` in the Job, the application on
the URL of the Secret, a rolling update of pgweir.  The processes stand in for
the pods: the names, commands, URLs and files are those of the manifests."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess

from cluster import wait_until
from test_start import Group
from tools import LIMIT, slow

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "petstore")
CASE = "cases/petstore"


class Petstore(Group):
    case = CASE
    owner, database = "postgres", "petstore"

    def __init__(self, tools):
        self.documents = tools.kustomize(CASE)
        secret = self.one("Secret", "postgres-secret")["stringData"]
        self.urls = secret
        self.passwords = {name: secret[name] for name in (
            "POSTGRES_PASSWORD", "POSTGRES_REPLICATION_PASSWORD",
            "POOLER_PASSWORD")}
        self.pooler_address = "127.0.2.1"
        config = self.one("ConfigMap", "postgres-config")["data"]
        assert (config["POSTGRES_USER"], config["POSTGRES_DB"]) == (
            self.owner, self.database)
        self.application = None
        super().__init__(tools)
        self.folder = self.path("petstore")
        shutil.copytree(HERE, self.folder)
        cache = os.path.join(tools.cache, "petstore")
        os.symlink(tools.npm("petstore", cache),
                   os.path.join(self.folder, "node_modules"))

    def one(self, kind, name):
        return next(d for d in self.documents if d["kind"] == kind
                    and d["metadata"]["name"] == name)

    def write_hosts(self):
        super().write_hosts()
        with open(self.hosts, "a") as f:
            f.write(f"{self.pooler_address} pooler-rw\n")

    def node(self, *command, **environment):
        """In the namespace, beside the "pods", in the application's folder."""
        with open(self.path("log-petstore"), "w") as log:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.space, *command], stdout=log,
                stderr=log, cwd=self.folder, env={
                    "PATH": os.environ["PATH"], "HOME": self.path("home"),
                    **environment})

    def job(self):
        """What the container of the Job does."""
        pod = self.one("Job", "db-migration")["spec"]["template"]["spec"]
        container = pod["containers"][0]
        environment = {e["name"]: e["value"] if "value" in e else
                       self.urls[e["valueFrom"]["secretKeyRef"]["key"]]
                       for e in container["env"]}
        process = self.node(*container["command"], **environment)
        assert process.wait(timeout=LIMIT) == 0, self.log("petstore")

    def serve(self):
        self.application = self.node(
            "node", "--import", "tsx", "server/index.ts",
            PORT=self.path("http"),
            DATABASE_URL=self.urls["DATABASE_URL"])

        def is_there():
            assert self.application.poll() is None, self.log("petstore")
            return os.path.exists(self.path("http"))
        wait_until("the petstore listens", is_there)

    def ask(self, path, method="GET"):
        """Status and answer."""
        connection = http.client.HTTPConnection("petstore", timeout=60)
        # A unix socket, because its ports are in the namespace.
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path("http"))
        connection.request(method, path)
        try:
            answer = connection.getresponse()
        except http.client.RemoteDisconnected:
            raise AssertionError("it has ended:\n" + self.log("petstore"))
        body = answer.read().decode()
        connection.close()
        return answer.status, \
            json.loads(body) if answer.status == 200 else body

    def close(self):
        if self.application:
            self.application.terminate()
            self.application.wait(60)
            self.application = None
        super().close()


@slow
def test_the_petstore_runs_as_its_document_says(tools):
    store = Petstore(tools)
    store.started(0, "primary")
    store.pooler()
    store.job()
    store.job()         # a second one changes nothing
    store.serve()
    status, pets = store.ask("/pets")
    assert status == 200 and [p["name"] for p in pets] == ["Rex", "Tom"], pets
    assert pets[0]["tags"] == ["big"]
    for number in range(30):
        status, order = store.ask("/orders/Rex", "POST")
        assert status == 200 and order["petId"] == pets[0]["id"], order
        assert store.ask("/pets/Tom")[1][0]["kind"] == "cat"
    assert store.ask("/orders")[1] == [30]
    assert store.ask("/pets/Rex")[1][0]["stock"] == 70
    assert store.ask("/orders/nobody", "POST")[0] == 500
    # A new version: a pod more, the Service leads there, the old one goes.
    store.pooler("pooler-new", "127.0.2.2")
    store.pooler_address = "127.0.2.2"
    store.write_hosts()
    old = store.running["pooler"]
    old.send_signal(signal.SIGTERM)
    orders = refused = 0
    while old.poll() is None:
        status, order = store.ask("/orders/Tom", "POST")
        # It may take out the connection that is being closed, once.
        refused += status != 200
        assert status == 200 or refused == 1, order
        orders += status == 200
    del store.running["pooler"]
    assert old.returncode == 0 and orders > 10
    assert store.ask("/pets/Tom")[1][0]["stock"] == 100 - orders
    assert "57P01" not in store.log("pooler-new")
    store.close()
