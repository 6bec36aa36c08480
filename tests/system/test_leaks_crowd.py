"""Many clients, few servers, random sessions: every answer is its client's
own, whatever the others have said in between."""

import random

from wire import (Client, FLUSH, SYNC, bind, close, execute, kinds, parse,
                  query, row)

ZONES = ("UTC", "Asia/Tokyo", "Europe/Berlin", "America/Lima", "Africa/Cairo")


class Session:
    """A client, what PostgreSQL should answer it, and what it has set."""

    def __init__(self, weir, number, dice):
        self.dice, self.number = dice, number
        self.weir = weir
        self.start()

    def start(self):
        self.zone = self.home = self.dice.choice(ZONES)
        self.path = "public"
        self.names = {}
        self.unnamed = None
        self.client = Client(self.weir.port, TimeZone=self.zone,
                             search_path=self.path)

    def probe(self):
        token = f"{self.number}-{self.dice.randrange(1 << 30)}"
        return (query(f"select '{token}', current_setting('timezone'), "
                      "current_setting('search_path')"),
                [("TDCZ", [token, self.zone, self.path])])

    def set(self):
        zone = self.dice.choice(ZONES)
        end = self.dice.choice(("", "commit", "rollback", "local", "failed"))
        if end in ("", "commit"):
            self.zone = zone
        if end == "":
            return query(f"set timezone = '{zone}'"), [(None, None)]
        if end == "local":
            return (query(f"begin; set local timezone = '{zone}'; commit"),
                    [(None, None)])
        if end == "failed":
            return (query(f"set timezone = '{zone}'; select 1/0"),
                    [(None, None)])
        return (query(f"begin; set timezone = '{zone}'; {end}"),
                [(None, None)])

    def reset(self):
        self.zone = self.home
        return (query(self.dice.choice(("reset timezone", "reset all"))
                      if self.path == "public" else "reset timezone"),
                [(None, None)])

    def function(self):
        self.path = f"p{self.dice.randrange(4)}, public"
        return (query("do $$ begin perform set_config('search_path', "
                      f"'{self.path}', false); end $$"), [(None, None)])

    def named(self):
        name = f"s{self.dice.randrange(6)}"
        out, wanted = b"", ""
        if name in self.names and self.dice.random() < 0.3:
            out, wanted = close("S", name), "3"
            del self.names[name]
        if name not in self.names:
            # Few texts, so that others prepare the same ones.
            self.names[name] = self.dice.randrange(8)
            out += parse(name, f"select {self.names[name]}, "
                         "current_setting('timezone')")
            wanted += "1"
        return (out + bind(name) + execute() + SYNC,
                [(wanted + "2DCZ", [str(self.names[name]), self.zone])])

    def without_name(self):
        out, wanted = b"", ""
        if self.unnamed is None or self.dice.random() < 0.3:
            self.unnamed = self.dice.randrange(4)
            out = parse("", f"select 'u{self.unnamed}'")
            wanted = "1"
            if self.dice.random() < 0.3:
                out, wanted = out + FLUSH, wanted
        return (out + bind("") + execute() + SYNC,
                [(wanted + "2DCZ", [f"u{self.unnamed}"])])

    def broken(self):
        return (parse("bad", "selec") + bind("bad") + execute() + SYNC +
                bind("nosuch") + SYNC, [("EZ", None), ("EZ", None)])

    def step(self):
        actions = [self.probe, self.probe, self.set, self.reset,
                   self.function, self.named, self.named, self.without_name,
                   self.without_name, self.broken]
        out, wanted = b"", []
        for _ in range(self.dice.randrange(1, 4)):
            action = self.dice.choice(actions)
            more, answers = action()
            if more[:1] == b"Q":
                self.unnamed = None
            out, wanted = out + more, wanted + answers
            if action in (self.set, self.reset, self.function):
                break
        self.client.send(out)
        return wanted

    def check(self, wanted):
        for shape, values in wanted:
            answer = self.client.until_ready()
            shape_found = kinds(answer).replace("S", "")
            assert answer and answer[-1] == ("Z", b"I"), answer
            if values is not None:
                assert shape_found == shape, (shape_found, shape, answer)
                found = [row(b) for k, b in answer if k == "D"][0]
                assert found == values, (self.number, found, values)


def crowd(world, seed, options, rounds=120, size=10):
    dice = random.Random(seed)
    weir = world.start(options)
    sessions = [Session(weir, n, dice) for n in range(size)]
    for _ in range(rounds):
        busy = [s for s in sessions if dice.random() < 0.7]
        wanted = [(s, s.step()) for s in busy]
        for session, answers in wanted:
            session.check(answers)
        leaver = dice.choice(sessions)
        if dice.random() < 0.15:
            leaver.client.close()
            leaver.start()
        elif dice.random() < 0.1:
            leaver.client.send(query("begin; set timezone = 'Asia/Kabul'; "
                                     "commit; begin") + query("select 1"))
            leaver.client.close()
            leaver.start()


def test_a_crowd_on_one_server_gets_its_own_answers(world):
    for seed in range(3):
        crowd(world, seed, "default_pool_size = 1")


def test_a_crowd_on_few_servers_of_several_threads_gets_its_own_answers(
        world):
    for seed in range(3, 6):
        crowd(world, seed, "default_pool_size = 3\nworkers = 4\n"
                           "max_prepared_statements = 4")
