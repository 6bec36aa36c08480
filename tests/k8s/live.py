"""What the dashboard is looked at with: a primary and two replicas, two
pgweir as if they were pods, applications that read, write, fail, wait and tie
themselves, a failover in the middle, and a real Prometheus that scrapes it
all under the labels that the ServiceMonitor gives."""

import json
import os
import random
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from cluster import Cluster, World, free_port, wait_until
from tools import need
from web import OPTIONS, port_of
from wire import Client, SYNC, bind, execute, parse, query

PODS = ("pooler-rw-1", "pooler-rw-2")
WEIR = OPTIONS + """workers = 1
default_pool_size = 3
max_pinned = 1
auto_reload = off
expected_replicas = 2
"""


class Application(threading.Thread):
    """Statement after statement, over a new connection now and then."""

    def __init__(self, live, seed):
        super().__init__(daemon=True)
        self.live, self.random = live, random.Random(seed)
        self.statements = [
            query("select count(*) from orders"),
            query("select * from orders order by id desc limit 20"),
            query("insert into orders(what) values ('one more')"),
            query("begin; insert into orders(what) values ('a');"
                  "select pg_sleep(0.02); commit"),
            query("select 1/0"),
            query("create temp table t(n int)"),
            query("drop table if exists pg_temp.t"),
        ]

    def run(self):
        while not self.live.stop.is_set():
            try:
                self.connect()
            except OSError:
                pass
            self.live.stop.wait(0.05)

    def connect(self):
        port = self.random.choice(self.live.weirs).port
        client = Client(port, user="postgres")
        client.ask(parse("p", "select id from orders where id = $1"), SYNC)
        for _ in range(self.random.randint(20, 80)):
            if self.live.stop.is_set():
                break
            if self.random.random() < 0.5:
                answer = client.ask(bind("p", "", [1]), execute(), SYNC)
            else:
                answer = client.ask(self.random.choice(self.statements))
            if not answer or answer[-1][0] != "Z":
                break
            self.live.stop.wait(self.random.random() / 20)
        client.close()


class Live:
    """A context manager."""

    def __init__(self, tools):
        need("prometheus")
        self.world = World(tools.binary)
        self.stop = threading.Event()
        self.prometheus = None

    def __enter__(self):
        try:
            self.cluster = Cluster(self.world).__enter__()
            self.cluster.nodes[0].sql(
                "create table orders(id serial primary key, what text)",
                database="app")
            self.cluster.caught_up()
            self.weirs = [self.cluster.start(WEIR) for _ in PODS]
            self.port = free_port()
            self.scrape()
            self.began = time.time()
            self.applications = [Application(self, n) for n in range(10)]
            for one in self.applications:
                one.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop.set()
        for one in getattr(self, "applications", ()):
            one.join(30)
        if self.prometheus:
            self.prometheus.terminate()
            self.prometheus.wait(30)
        if hasattr(self, "cluster"):
            self.cluster.__exit__()
        self.world.close()

    def scrape(self):
        folder = os.path.join(self.world.top, "prometheus")
        os.makedirs(folder)
        targets = [{"targets": [f"127.0.0.1:{port_of(weir)}"],
                    "labels": {"namespace": "pgweir", "pod": pod}}
                   for pod, weir in zip(PODS, self.weirs)]
        # JSON is YAML.
        with open(os.path.join(folder, "prometheus.yml"), "w") as f:
            json.dump({"global": {"scrape_interval": "1s"},
                       "scrape_configs": [{"job_name": "pgweir",
                                           "static_configs": targets}]}, f)
        with open(os.path.join(folder, "log"), "w") as log:
            self.prometheus = subprocess.Popen(
                [need("prometheus"),
                 f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log)
        wait_until("both pods were scraped", lambda: len(
            self.ask("query", query="up == 1")) == len(PODS))

    def ask(self, what, **parameters):
        url = (f"http://127.0.0.1:{self.port}/api/v1/{what}?"
               + urllib.parse.urlencode(parameters))
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []

    def series(self, expression, step=1):
        """What a panel would draw, from the beginning until now."""
        for name, value in (("$__rate_interval", "5s"), ("$namespace", ".*"),
                            ("$database", ".*")):
            expression = expression.replace(name, value)
        return self.ask("query_range", query=expression, start=self.began,
                        end=time.time(), step=step)

    def fail_over(self):
        """The primary dies, another takes its place; it comes back."""
        primary = self.cluster.nodes[0]
        primary.kill()
        new = self.cluster.fail_over()
        wait_until("every pod has the new primary", lambda: all(
            weir.sql("show transaction_read_only", user="postgres") == "off"
            for weir in self.weirs))
        primary.rejoin(new)

    def refuse_a_configuration(self):
        """One pod is given one that it does not take, for a moment."""
        weir = self.weirs[0]
        with open(weir.file) as f:
            good = f.read()
        failed = 'pgweir_config_last_reload_successful == '
        weir.write(good + "pool_mode = nonsense\n")
        weir.signal(1)
        wait_until("it was refused", lambda: self.ask(
            "query", query=failed + "0"))
        weir.write(good)
        weir.signal(1)
        wait_until("it was taken", lambda: not self.ask(
            "query", query=failed + "0"))
