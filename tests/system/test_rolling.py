"""A rolling restart behind a load balancer: no transaction is lost."""

import signal
import threading

from cluster import wait_until
from test_peers import NAME, Service
from wire import Client, error_of, kinds, query, startup


class Worker(threading.Thread):
    """Numbers its transactions; connects again when it is told to between
    two of them, and takes nothing else for an answer."""

    def __init__(self, number, port):
        super().__init__(daemon=True)
        self.number, self.port = number, port
        self.done = self.reconnections = 0
        self.fault = None
        self.is_over = False
        self.client = None

    def run(self):
        try:
            while not self.is_over:
                self.transact()
        except Exception as error:  # told by the main thread
            self.fault = repr(error)

    def ask(self, text):
        """What is answered to a statement of an open transaction."""
        answer = self.client.ask(query(text))
        if kinds(answer)[-1:] != "Z" or error_of(answer) is not None:
            raise AssertionError(f"{text}: {answer}")

    def say(self, message):
        """Whoever is told to go may say something too late."""
        try:
            self.client.send(message)
        except OSError:
            pass
        return self.client.until_ready()

    def begin(self):
        """In a transaction; or else it was told to connect again."""
        if self.client is None:
            self.client = Client(self.port, user="app", connect=False)
            answer = self.say(startup(user="app", database="app"))
        else:
            answer = self.say(query("begin"))
            if kinds(answer)[-1:] == "Z" and error_of(answer) is None:
                return True
        if kinds(answer)[-1:] == "Z":
            return self.begin()
        error = error_of(answer)
        if error is None or error["C"] != "57P01":
            raise AssertionError(f"begin: {answer}")
        self.client.close()
        self.client = None
        self.reconnections += 1
        return False

    def transact(self):
        if not self.begin():
            return
        self.ask(f"insert into rolled values ({self.number}, {self.done})")
        if self.done % 10 == self.number % 10:
            self.ask("select pg_sleep(0.1)")
        self.ask("commit")
        self.done += 1


def test_a_rolling_restart_loses_no_transaction(world):
    world.pg.sql("drop table if exists rolled; "
                 "create table rolled (worker int, number int)", "app")
    with Service(world, options="shutdown_delay = 500ms\n"
                 "shutdown_spread = 500ms\nshutdown_timeout = 20s\n") as \
            service:
        workers = [Worker(i, service.balancer.port) for i in range(12)]
        for worker in workers:
            worker.start()
        for i, old in enumerate(list(service.addresses)):
            mark = [w.done for w in workers]
            wait_until("all of them go on", lambda: all(
                w.done > m + 2 or w.fault for w, m in zip(workers, mark)))
            # As a Deployment with maxSurge 1 and maxUnavailable 0.
            new = f"127.0.0.{i + 20}"
            service.start(new)
            service.names.addresses[NAME].append(new)
            leaving = service.weirs[old]
            leaving.signal(signal.SIGTERM)
            assert leaving.end() == 0
            service.names.addresses[NAME].remove(old)
            assert "nearly over" not in leaving.text()
        for worker in workers:
            worker.is_over = True
        for worker in workers:
            worker.join(30)
        assert [w.fault for w in workers] == [None] * len(workers)
        assert sum(w.reconnections for w in workers) >= len(workers)
        assert service.balancer.refused == 0
        kept = world.pg.sql("select worker, count(*), count(distinct number), "
                            "max(number) from rolled group by 1 order by 1",
                            "app").split("\n")
        assert kept == [f"{w.number}|{w.done}|{w.done}|{w.done - 1}"
                        for w in workers]
