"""Reads to the replicas, writes to the primary, without the client's help."""

import threading

from cluster import Cluster, wait_until
from splits import PORT, is_ready, routes
from wire import (Client, SYNC, bind, describe, error_of, execute, message,
                  parse, query, row)


def begin(cluster, options="", **more):
    weir = cluster.start(options, **more)
    client = Client(weir.port, user="postgres")
    is_ready(cluster, client)
    return weir, client


def extended(client, text, values=()):
    messages = client.ask(parse("", text), bind("", values=values),
                          describe("P"), execute(), SYNC)
    return [row(body)[0] for kind, body in messages if kind == "D"]


def test_reads_go_to_replicas_and_writes_to_the_primary(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "read_your_writes = off")
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        assert client.one("insert into t values (1) returning "
                          "inet_server_port()") == primary
        cluster.caught_up()
        wait_until("the catalogue knows the table", lambda: client.one(
            "select inet_server_port() from t") != primary)
        for text in ("select inet_server_port() from t",
                     "with w as (select * from t) select inet_server_port()"
                     " from w",
                     "select inet_server_port(), random()"):
            assert client.one(text) != primary, text
            assert extended(client, text)[0] != primary, text
        for text in ("select inet_server_port() from t for update",
                     "select inet_server_port(), txid_current()",
                     "select inet_server_port(), pg_is_in_recovery()",
                     "with w as (insert into t values (2) returning a) "
                     "select inet_server_port() from w",
                     "select inet_server_port() from pg_class limit 1"):
            assert client.one(text) == primary, text
            assert extended(client, text)[0] == primary, text
        client.close()


def test_a_volatile_function_of_the_users_own_runs_on_the_primary(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        client.ask(query("create function f() returns int language sql as "
                         "'insert into t values (1); select "
                         "inet_server_port()'"))
        client.ask(query("create function g() returns int stable language "
                         "sql as 'select inet_server_port()'"))
        for _ in range(3):
            assert client.one("select f()") == primary
        wait_until("the stable one is read elsewhere",
                   lambda: client.one("select g()") != primary)
        client.ask(parse("s", "select g()"), SYNC)

        def prepared():
            return [row(b)[0] for k, b in client.ask(
                bind("s"), execute(), SYNC) if k == "D"][0]

        assert prepared() != primary
        client.ask(query("alter function g() volatile"))
        for _ in range(10):
            assert client.one("select g()") == primary
            assert prepared() == primary
        client.close()


def test_a_text_that_a_session_reads_otherwise_is_no_read(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        client.ask(query("create sequence s"))
        drawn, port = "nextval($$s$$)", "inet_server_port()"
        off = Client(weir.port, user="postgres",
                     standard_conforming_strings="off")
        japanese = Client(weir.port, user="postgres", client_encoding="SJIS")
        for reader in (client, off, japanese):
            is_ready(cluster, reader)
        n = 0
        for reader, text, draws in (
                (off, f"select 'a\\', {drawn} --', {port}", False),
                (off, f"select {port}, 'a\\'', {drawn}, '--'", True),
                (client, f"select {port}, 'a\\', {drawn} --'", True),
                (client, f"select {port}, E'a\\'', {drawn} --'", True),
                (client, f"select {port}, E'a'\n'b\\'', {drawn} --'", True),
                (japanese, f"select {port}, '\x83\\', {drawn} --'", True),
                (japanese, f"select {port}, E'\x83\\', {drawn} --'", True),
                (japanese, f"select {port} as \x83\\, {drawn}", True)):
            messages = reader.ask(message("Q", text.encode("latin1") + b"\0"))
            if error_of(messages) is None:
                n += draws
                found = [b for k, b in messages if k == "D"][0]
                assert not draws or primary.encode() in found, text
            else:
                assert error_of(messages)["C"] == "42601", messages
        assert n >= 6
        assert client.one("select last_value from s") == str(n)
        assert ("primary", "healed") not in routes(weir)


def test_a_text_of_a_megabyte_in_pieces_is_followed_to_its_end(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        long = " /* ' */ " * 110000
        for name in "fg":
            client.ask(query(f"create function {name}() returns int stable "
                             "language sql as 'select inet_server_port()'"))
            wait_until("it is read elsewhere",
                       lambda: client.one(f"select {name}()") != primary)

        def in_pieces(text):
            whole = query(text)
            for at in range(0, len(whole), 100000):
                client.send(whole[at:at + 100000])
            return client.until_ready()

        messages = in_pieces(PORT + long)
        assert [row(b) for k, b in messages if k == "D"] == [[primary]]
        for text in (long + "alter function f() volatile",
                     "select 1;" + long + ";alter function g() volatile"):
            assert error_of(in_pieces(text)) is None
        for _ in range(5):
            assert client.one("select f()") == primary
            assert client.one("select g()") == primary


def test_temporary_tables_and_indexes_of_one_client_keep_nobodys_reads_from_replicas(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "read_your_writes = session")
        primary = str(cluster.nodes[0].port)
        other = Client(weir.port, user="postgres")
        for text in ("create temp table mine (a int)",
                     "create index on mine (a)",
                     "create or replace temp view seen as select 1",
                     "drop table mine",
                     "create temporary table mine as select 1"):
            for said in (text, text.replace("mine", "yours")):
                if said == text:
                    messages = client.ask(query(said))
                else:
                    messages = client.ask(parse("", said), bind(""),
                                          execute(), SYNC)
                assert error_of(messages) is None, messages
                assert other.one(PORT) != primary, said
        client.close()
        other.close()


def test_what_follows_a_read_in_a_pipeline_goes_where_it_belongs(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        is_ready(cluster, client)
        client.send(query(PORT), query("insert into t values (1) returning "
                                       "inet_server_port()"),
                    query("begin"), query("insert into t values (2) returning"
                                          " inet_server_port()"),
                    query("commit"), query("select count(*) from t"),
                    query(PORT))
        answers = [client.until_ready() for _ in range(7)]
        assert not any(error_of(a) for a in answers)
        values = [[row(b)[0] for k, b in a if k == "D"] for a in answers]
        assert values[0][0] != primary
        assert values[1] == [primary] and values[3] == [primary]
        assert values[5] == ["2"]
        # Batches of the extended protocol, each up to its Sync.
        is_ready(cluster, client)
        client.send(parse("", PORT), bind(""), execute(), SYNC,
                    parse("", "insert into t values (3) returning "
                          "inet_server_port()"), bind(""), execute(), SYNC,
                    parse("", PORT), bind(""), execute(),
                    parse("", "insert into t values (4)"), bind(""),
                    execute(), SYNC)
        answers = [client.until_ready() for _ in range(3)]
        assert not any(error_of(a) for a in answers), answers
        values = [[row(b)[0] for k, b in a if k == "D"] for a in answers]
        assert values[0][0] != primary
        assert values[1:] == [[primary], [primary]]
        assert client.one("select count(*) from t") == "4"
        client.close()


def test_prepared_statements_are_read_where_they_may_be(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "read_your_writes = off")
        primary = str(cluster.nodes[0].port)
        client.ask(query("create table t (a int)"))
        cluster.caught_up()
        client.ask(parse("r", "select inet_server_port() + $1::int * 0"),
                   parse("w", "insert into t values ($1) returning "
                         "inet_server_port()"), SYNC)
        is_ready(cluster, client)
        for n in range(5):
            for name in "rw":
                messages = client.ask(bind(name, values=[str(n)]), execute(),
                                      SYNC)
                assert error_of(messages) is None, messages
                value = [row(b)[0] for k, b in messages if k == "D"][0]
                assert (value == primary) == (name == "w")
            is_ready(cluster, client)
        client.close()


def test_what_a_replica_refuses_runs_on_the_primary_unseen(world):
    with Cluster(world) as cluster:
        for node in cluster.nodes[1:]:
            node.sql("alter system set recovery_min_apply_delay = '2s'")
            node.sql("select pg_reload_conf()")
        weir, client = begin(cluster, "read_your_writes = off")
        primary = cluster.nodes[0]
        # Says that it is stable, and is not; no replica has it yet.
        primary.sql("create sequence s", database="app")
        primary.sql("create function f() returns bigint stable language "
                    "plpgsql as $$ begin return nextval('s'); end $$",
                    database="app")
        weir.console("reload")
        client.ask(query("create table t (a int)"))     # it is read again
        wait_until("the catalogue knows it", lambda: error_of(client.ask(
            query("select a, f() from t"))) is None)
        cluster.caught_up()
        for n in range(5):
            values = [row(b) for k, b in client.ask(query(
                f"select f(), inet_server_port(), {n}")) if k == "D"]
            assert values[0][1] == str(primary.port), values
            messages = client.ask(parse("", f"select f() + {n} * 0"),
                                  bind(""), describe("P"), execute(), SYNC)
            assert error_of(messages) is None, messages
            assert [k for k, _ in messages] == list("12TDCZ")
            messages = client.ask(parse(f"p{n}", f"select {n}, f()"),
                                  bind(f"p{n}"), execute(), SYNC)
            assert [k for k, _ in messages] == list("12DCZ")
            messages = client.ask(bind(f"p{n}"), execute(), SYNC)
            assert [k for k, _ in messages] == list("2DCZ")
        # Errors of the client's own are its own.
        assert error_of(client.ask(query("select 1 / 0")))["C"] == "22012"
        assert int(client.one(PORT)) != primary.port
        client.close()


def test_a_client_reads_what_it_has_written_however_late_replicas_are(world):
    with Cluster(world) as cluster:
        for node in cluster.nodes[1:]:
            node.sql("alter system set recovery_min_apply_delay = '200ms'")
            node.sql("select pg_reload_conf()")
        weir, client = begin(cluster, "default_pool_size = 5")
        client.ask(query("create table t (who int, n int)"))
        wrong = []

        def run(who):
            # What is written over one connection is read over another.
            writer = Client(weir.port, user="postgres")
            reader = Client(weir.port, user="postgres")
            writer.ask(query(f"insert into t values ({who}, -1)"))
            for n in range(60):
                error = error_of(writer.ask(query(
                    f"update t set n = {n} where who = {who}")))
                assert error is None, error
                seen = reader.rows("select n, inet_server_port() from t "
                                   f"where who = {who}")
                if not seen or seen[0][0] != str(n):
                    wrong.append((who, n, seen))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[:3]
        # And over a connection that comes and goes.
        for n in range(20):
            fresh = Client(weir.port, user="postgres")
            fresh.ask(query(f"update t set n = {n} where who = 0"))
            fresh.close()
            fresh = Client(weir.port, user="postgres")
            assert fresh.one("select n from t where who = 0") == str(n)
            fresh.close()
        is_ready(cluster, client)
        assert client.one("select n from t where who = 0") == "19"
        client.close()


def test_who_waited_for_a_replica_is_not_given_what_another_client_said(world):
    with Cluster(world, replicas=1) as cluster:
        weir, client = begin(cluster, "read_your_writes = off\n"
                             "default_pool_size = 1")
        primary = cluster.nodes[0]
        primary.sql(["create unlogged table u (a int)",
                     "create function f() returns text stable language "
                     "plpgsql as $$ begin return 'mine' || (select count(*) "
                     "from u); end $$"], database="app")
        client.ask(query("create table t (a int)"))
        cluster.caught_up()
        wait_until("the catalogue knows it", lambda: error_of(client.ask(
            query("select a, f() from t"))) is None)
        is_ready(cluster, client)
        other = Client(weir.port, user="postgres",
                       options="-c timezone=Asia/Tokyo")
        is_ready(cluster, other)
        client.one("select 'theirs'")
        # The server of the replica is busy with the other client's settings.
        client.send(query("select 'theirs', pg_sleep(600)"))
        sleeper = ("from pg_stat_activity where state = 'active' and query "
                   "like '%pg_sleep%' and pid <> pg_backend_pid()")
        wait_until("it runs", lambda: cluster.nodes[1].sql(
            f"select pid {sleeper}"))
        other.send(query("select f()"))
        wait_until("the other waits", lambda: "|waiting|" in weir.console(
            "show clients"))
        cluster.nodes[1].sql(f"select pg_cancel_backend(pid) {sleeper}")
        messages = other.until_ready()
        assert [row(b)[0] for k, b in messages if k == "D"] == ["mine0"], \
            messages
        client.until_ready()
        other.close()
        client.close()
