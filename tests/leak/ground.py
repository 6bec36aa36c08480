"""Where programs are played: two databases of one PostgreSQL that hold the
same, "app" for pgweir and "direct" without it; every client has a schema of
its own in both.  What several clients may write does not exist.

With a cluster that PostgreSQL has two replicas, and pgweir reads there."""

import time

import wire
from cluster import Cluster
from player import PATIENCE, Difference, Player

CLIENTS = 40

ROLES = """
create role r_reader; create role r_writer;
create database direct owner app;
"""

COMMON = """
create function public.say_and_wait() returns void language plpgsql as
$$ begin raise info 'waiting'; perform pg_sleep(60); end $$;
create view public.t (v) as values ('public') union select 'public';
create schema app; create view app.t (v) as values ('user') union select 'user';
create schema "o, w"; create view "o, w".t (v) as
    values ('odd') union select 'odd';
grant usage on schema app to r_reader;
create function public.sets(text, text, boolean) returns text
    language plpgsql as
    $$ begin return set_config($1, $2, $3); end $$;
create function public.sets_zone() returns void language plpgsql as
    $$ begin set timezone = 'America/Lima'; end $$;
create procedure public.sets_and_ends(text) language plpgsql as
    $$ begin perform set_config('datestyle', $1, false); commit;
    set local intervalstyle = 'iso_8601'; end $$;
create function public.keeps_lock(int, int) returns void language plpgsql as
    $$ begin perform pg_advisory_lock($1, $2); end $$;
create function public.keeps_temp() returns void language plpgsql as
    $$ begin create temp table tt (a int); end $$;
"""

OWN = """
drop schema if exists c{n} cascade; create schema c{n};
create table c{n}.t (v text);
insert into c{n}.t values ('of {n}'), ('old');
create table c{n}.d (v int); insert into c{n}.d values (1);
create table c{n}.n (id serial, v int);
grant usage on schema c{n} to r_reader, r_writer;
grant select on c{n}.t, c{n}.d to r_reader;
grant all on c{n}.t to r_writer;
"""


class Hosts(Cluster):
    """What a Ground needs of a World, with replicas."""

    def __enter__(self):
        super().__enter__()
        self.pg = self.nodes[0]
        self.pg.sql("create role app login superuser password 'secret'")
        self.pg.sql("alter database app owner to app")
        return self

    def settle(self):
        self.world.settle()

    def start(self, options):
        self.caught_up()
        return super().start(options)


class Ground:
    def __init__(self, world):
        self.world = world
        for text in ROLES.strip().split(";")[:-1]:
            world.pg.sql(text)
        for database in ("app", "direct"):
            world.pg.sql(COMMON, database=database)
        self.postgres = wire.Client(world.pg.port, "postgres", "postgres")

    def begin(self, options, clients=range(CLIENTS)):
        """A fresh pgweir and fresh tables."""
        self.world.settle()
        text = "".join(OWN.format(n=n) for n in clients)
        for database in ("app", "direct"):
            self.world.pg.sql("set client_min_messages = error;" + text,
                              database=database)
        self.weir = self.world.start("\n".join(
            f"{name} = {value}" for name, value in options.items()))
        self.player = Player((self.world.pg.port, "direct"),
                             (self.weir.port, "app"), self.await_exit)
        self.console = wire.Client(self.weir.port, "pgweir", "postgres")
        return self.player

    def what_is_left(self, client, direct, pooled):
        """Its locks carry the client's number; its port may be another's
        by now."""
        others = [sides[1].local_port for sides in self.player.sides.values()]
        answer = self.console.ask(wire.query("show clients"))
        found = [wire.row(body) for kind, body in answer if kind == "D"
                 and wire.row(body)[6] == str(pooled.local_port)
                 and pooled.local_port not in others]
        return found + self.postgres.rows(
            "select concat(pid, ' ', state, ' ', query) from pg_stat_activity "
            f"where pid = {direct.pid} and client_port = {direct.local_port} "
            "union all select concat(pid, ' ', objid, ' ', mode) "
            "from pg_locks where locktype = 'advisory' "
            f"and classid = {client}")

    def await_exit(self, client, direct, pooled):
        end = time.monotonic() + PATIENCE
        while found := self.what_is_left(client, direct, pooled):
            if time.monotonic() > end:
                raise Difference("exit", f"client {client} has left, and "
                                 f"of it there is still {found}")

    def who(self):
        """What pgweir says of the clients that have a server or want one."""
        ports = {}
        for client, sides in self.player.sides.items():
            ports[str(sides[1].local_port)] = client
        found = []
        for line in self.weir.console("show clients").split("\n"):
            row = line.split("|")
            client = ports.get(row[6])
            if client is not None and (row[-1] or row[4] != "idle"):
                found.append(f"client {client}: {row[4]} {row[-1]}")
        found += self.world.pg.sql(
            "select pid, state, wait_event, left(query, 60) "
            "from pg_stat_activity where datname = 'app'").split("\n")
        return "\n".join(found)

    def play(self, events, options):
        """The difference that this program shows, or None."""
        clients = sorted({client for _, client, _ in events})
        player = self.begin(options, clients)
        rounds = {}
        for event in events:
            rounds.setdefault(event[0], []).append(event)
        try:
            for number in rounds:
                player.play_round(rounds[number])
        except Difference as difference:
            return difference
        finally:
            player.close()
        return None
