"""BEGIN under route = split: held back until its first statement is here."""

import threading

from cluster import Cluster, wait_until
from splits import PORT, is_ready, routes
from wire import (SYNC, Client, bind, describe, error_of, execute, kinds,
                  parse, query, row)


def begin(cluster, options="", **more):
    weir = cluster.start("read_your_writes = off\n" + options, **more)
    client = Client(weir.port, user="postgres")
    client.ask(query("create table t (a int)"))
    cluster.caught_up()
    is_ready(cluster, client)
    wait_until("the catalogue knows the table", lambda: client.one(
        "select inet_server_port() from (select count(*) from t) c") !=
        str(cluster.nodes[0].port))
    return weir, client


def status(messages):
    assert messages[-1][0] == "Z", messages
    return messages[-1][1].decode()


def tag(messages):
    return [b.rstrip(b"\0").decode() for k, b in messages if k == "C"]


def ask(client, text):
    """An answer without error: (tag, status)."""
    messages = client.ask(query(text))
    assert error_of(messages) is None, (text, messages)
    return tag(messages)[0], status(messages)


def extended(client, text, name=""):
    messages = client.ask(parse(name, text), bind(name), describe("P"),
                          execute(), SYNC)
    assert error_of(messages) is None, (text, messages)
    return messages


def in_use(weir):
    """Servers that are linked to a client."""
    return sum(int(line.split("|")[6]) for line in weir.console(
        "show pools").split("\n") if line.startswith("app|"))


def test_a_begin_needs_no_server_until_its_first_statement_comes(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "default_pool_size = 1")
        before = routes(weir)
        for start in ("begin", "BEGIN WORK;", "start transaction",
                      "begin isolation level serializable read only",
                      "begin read write"):
            for end, word in (("commit", "COMMIT"), ("end;", "COMMIT"),
                              ("rollback", "ROLLBACK"),
                              ("abort work", "ROLLBACK")):
                said = "START TRANSACTION" if start[0] == "s" else "BEGIN"
                assert ask(client, start) == (said, "T")
                assert in_use(weir) == 0
                assert ask(client, end) == (word, "I")
        assert routes(weir) == before
        # So ten clients can have begun on one server.
        clients = [Client(weir.port, user="postgres") for _ in range(10)]
        for other in clients:
            assert ask(other, "begin") == ("BEGIN", "T")
        for n, other in enumerate(clients):
            assert ask(other, f"insert into t values ({n})") == (
                "INSERT 0 1", "T")
            assert in_use(weir) == 1
            assert ask(other, "commit" if n % 2 else "rollback")[1] == "I"
            other.close()
        assert client.one("/* pgweir.route=primary */ select "
                          "string_agg(a::text, ',' order by a) from t") == \
            "1,3,5,7,9"
        client.close()


def test_the_first_statement_of_a_transaction_is_inside_of_it(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        for send in (lambda text: client.ask(query(text)),
                     lambda text: extended(client, text)):
            send("begin isolation level repeatable read")
            send("insert into t values (1)")
            level = [row(b)[0] for k, b in send(
                "show transaction_isolation") if k == "D"]
            assert level == ["repeatable read"]
            assert status(send("rollback")) == "I"
            assert client.one("/* pgweir.route=primary */ "
                              "select count(*) from t") == "0"
        # With settings that the server has to be given first.
        client.ask(query("set timezone = 'Asia/Tokyo'"))
        for _ in range(3):
            other = Client(weir.port, user="postgres")
            other.ask(query("insert into t values (2)"))
            other.close()
            ask(client, "begin")
            assert client.one("insert into t values (3) returning "
                              "current_setting('timezone')") == "Asia/Tokyo"
            assert ask(client, "rollback") == ("ROLLBACK", "I")
        assert client.one("/* pgweir.route=primary */ "
                          "select count(*) from t where a = 3") == "0"
        client.close()


def test_begin_is_answered_in_the_extended_protocol_as_well(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        messages = client.ask(parse("", "begin"), bind(""), describe("P"),
                              execute(), SYNC)
        assert kinds(messages) == "12nCZ" and tag(messages) == ["BEGIN"]
        assert status(messages) == "T" and in_use(weir) == 0
        messages = client.ask(parse("", "commit"), bind(""), execute(), SYNC)
        assert kinds(messages) == "12CZ" and status(messages) == "I"
        # Prepared once, run often; also described.
        messages = client.ask(parse("b", "begin read only"),
                              describe("S", "b"), bind("b"), execute(), SYNC)
        assert kinds(messages) == "1tn2CZ", messages
        messages = client.ask(parse("c", "commit"), bind("c"), execute(),
                              SYNC)
        assert kinds(messages) == "12CZ" and status(messages) == "I"
        for _ in range(3):
            messages = client.ask(bind("b"), execute(), SYNC)
            assert kinds(messages) == "2CZ" and status(messages) == "T"
            assert in_use(weir) == 0
            messages = client.ask(bind("c"), execute(), SYNC)
            assert kinds(messages) == "2CZ" and status(messages) == "I"
        error = error_of(client.ask(parse("b", "begin"), SYNC))
        assert error["C"] == "42P05", error
        # With a parameter it is PostgreSQL's to refuse.
        messages = client.ask(parse("", "begin"), bind("", values=["1"]),
                              execute(), SYNC)
        assert error_of(messages)["C"] == "08P01", messages
        assert status(messages) == "I"
        # And what comes with its first statement in one batch is one.
        messages = client.ask(
            parse("", "begin"), bind(""), execute(),
            parse("", "insert into t values (1)"), bind(""), execute(), SYNC)
        assert kinds(messages) == "12C12CZ", messages
        assert status(messages) == "T"
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        client.close()


def test_read_only_goes_to_a_replica_if_its_first_statement_is_proven(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)

        def where(first):
            ask(client, "begin read only")
            messages = client.ask(query(first))
            assert status(messages) == "T", messages
            port = client.one(PORT)
            # What follows stays where it began.
            assert client.one("select inet_server_port() from pg_class "
                              "limit 1") == port
            assert ask(client, "commit") == ("COMMIT", "I")
            return port

        assert where("select * from t") != primary
        assert where("select * from pg_class limit 1") == primary
        assert where("savepoint s") == primary
        assert where("select pg_is_in_recovery()") == primary
        # Said afterwards, it counts as well.
        ask(client, "begin")
        assert ask(client, "set transaction read only") == ("SET", "T")
        assert client.one(PORT) != primary
        error = error_of(client.ask(query("insert into t values (1)")))
        assert error["C"] == "25006", error
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        extended(client, "begin")
        assert kinds(extended(client, "set transaction isolation level "
                              "repeatable read, read only")) == "12nCZ"
        assert client.one(PORT) != primary
        assert client.one("show transaction_isolation") == "repeatable read"
        assert ask(client, "commit") == ("COMMIT", "I")
        # A batch that has BEGIN in front, as drivers send it.
        for first, is_primary in ((PORT, False), (
                "select inet_server_port() from pg_class limit 1", True)):
            messages = client.ask(
                parse("", "begin read only"), bind(""), execute(),
                parse("", first), bind(""), describe("P"), execute(), SYNC)
            assert kinds(messages) == "12C12TDCZ", messages
            port = [row(b)[0] for k, b in messages if k == "D"][0]
            assert (port == primary) == is_primary
            assert client.one(PORT) == port
            assert ask(client, "commit") == ("COMMIT", "I")
        client.close()


def test_a_read_only_transaction_locks_and_calls_volatile_functions_on_the_primary(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)

        def held(number):
            return [n for n, node in enumerate(cluster.nodes) if node.sql(
                "select count(*) from pg_locks where locktype = 'advisory' "
                f"and objid = {number} and granted") == "1"]

        for number, lock in enumerate((
                "select pg_advisory_xact_lock(%d)",
                "select pg_try_advisory_xact_lock_shared(%d)",
                "select pg_advisory_lock(%d)"), 1):
            ask(client, "begin read only")
            assert client.one(PORT) != primary
            assert client.one("select count(*) from t") is not None
            assert error_of(client.ask(query(lock % number))) is None
            assert held(number) == [0], number
            assert client.one(PORT) == primary
            assert client.one("show transaction_read_only") == "on"
            assert ask(client, "commit") == ("COMMIT", "I")
        ask(client, "insert into t values (1)")
        ask(client, "select pg_advisory_unlock_all()")
        for text in ("listen a", "notify a", "do $$ begin end $$",
                     "declare c cursor with hold for select 1"):
            ask(client, "begin read only")
            assert client.one(PORT) != primary
            assert error_of(client.ask(query(text))) is None, text
            assert client.one(PORT) == primary
            assert ask(client, "commit") == ("COMMIT", "I")
            assert ask(client, "insert into t values (1)")[1] == "I"
        ask(client, "close c")
        ask(client, "unlisten a")
        # In one send with what comes before.
        client.send(query("begin read only"), query(PORT), query(
            "select pg_advisory_xact_lock(4)"), query(PORT))
        answers = [client.until_ready() for _ in range(4)]
        assert not any(error_of(a) for a in answers), answers
        ports = [row(b)[0] for a in answers for k, b in a if k == "D"]
        assert ports[0] != primary and ports[2] == primary, ports
        assert held(4) == [0]
        ask(client, "commit")
        # What has left something at the replica, or has one snapshot, stays.
        for start, then in (("begin read only", "savepoint s"),
                            ("begin isolation level repeatable read, read "
                             "only", "select 1")):
            ask(client, start)
            where = client.one(PORT)
            assert where != primary
            client.ask(query(then))
            assert client.one("select pg_is_in_recovery()") == "t"
            assert client.one(PORT) == where
            ask(client, "commit")
        # Who is tied to a replica is not left waiting.
        ask(client, "begin isolation level repeatable read, read only")
        assert client.one(PORT) != primary
        ask(client, "declare c cursor with hold for select 1")
        client.send(query("commit"), query("insert into t values (1)"))
        assert status(client.until_ready()) == "I"
        assert error_of(client.until_ready())["C"] == "25006"
        ask(client, "close c")
        assert ask(client, "insert into t values (1)")[1] == "I"
        client.close()


def test_no_advisory_lock_is_taken_at_a_replica_that_a_transaction_cannot_leave(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        snapshot = "begin isolation level repeatable read, read only"
        ask(client, "create function inside(int) returns int language sql as "
            "'select 1 from (select pg_try_advisory_xact_lock($1)) x'")
        cluster.caught_up()
        is_ready(cluster, client)

        inside = [Client(node.port, user="postgres")
                  for node in cluster.nodes]

        def held():
            return ["".join(r[0] for r in one.rows(
                "select objid from pg_locks where locktype = 'advisory'"))
                for one in inside]

        def refused(messages):
            error = error_of(messages)
            assert error is not None and error["C"] == "0A000", messages
            assert "advisory lock" in error["M"], error
            assert status(messages) == "E", messages
            assert held() == ["", "", ""]

        client.ask(parse("lock", "select pg_advisory_xact_lock_shared(5)"),
                   SYNC)
        for start, then in ((snapshot, "select 1"),
                            ("begin read only", "savepoint s")):
            for lock in (
                    (query("select pg_advisory_lock(5)"),),
                    (query('select a, "pg_advisory_xact_lock"(5) from t'),),
                    (parse("", "select PG_TRY_ADVISORY_LOCK_SHARED(5)"),
                     bind(""), execute(), SYNC),
                    (parse("", "select pg_catalog.pg_try_advisory_xact_lock"
                           "(5)"), bind(""), execute(), SYNC),
                    (bind("lock"), execute(), SYNC)):
                ask(client, start)
                assert client.one(PORT) != primary
                ask(client, then)
                refused(client.ask(*lock))
                assert error_of(client.ask(query(PORT)))["C"] == "25P02"
                assert ask(client, "rollback") == ("ROLLBACK", "I")
            # In one send with what comes before and behind.
            client.send(query(start), query(PORT), query(then),
                        query("select pg_advisory_lock(5)"), query(PORT),
                        query("commit"))
            answers = [client.until_ready() for _ in range(6)]
            refused(answers[3])
            assert [status(a) for a in answers] == list("TTTEEI"), answers
        # Back to the savepoint it goes on there.
        ask(client, "begin read only")
        where = client.one(PORT)
        ask(client, "savepoint s")
        refused(client.ask(query("select pg_advisory_lock(5)")))
        assert ask(client, "rollback to s") == ("ROLLBACK", "T")
        assert client.one(PORT) == where != primary
        assert ask(client, "commit") == ("COMMIT", "I")

        def knows_the_function():
            ask(client, snapshot)
            assert client.one(PORT) != primary
            error = error_of(client.ask(query("select inside(5)")))
            ask(client, "rollback")
            return error is not None and error["C"] == "0A000"
        wait_until("the function is known", knows_the_function)
        # As its first statement it locks at the primary.
        for lock in ("select pg_advisory_xact_lock(5)", "select inside(5)"):
            ask(client, snapshot)
            ask(client, lock)
            assert held() == ["5", "", ""]
            assert client.one(PORT) == primary
            assert ask(client, "commit") == ("COMMIT", "I")
        client.close()


def test_serializable_sessions_read_on_the_primary_and_keep_nobody_else_there(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        cluster.nodes[0].sql([
            "create role app login",
            "alter role app set default_transaction_isolation = "
            "'serializable'"])
        cluster.caught_up()
        for other in (
                Client(weir.port, user="postgres", options="-c default_"
                       "transaction_isolation=SERIALIZABLE"),
                Client(weir.port, user="app")):
            for _ in range(3):
                assert other.one(PORT) == primary
            ask(other, "begin read only")
            assert other.one(PORT) == primary
            ask(other, "commit")
            ask(other, "begin isolation level read committed, read only")
            assert other.one(PORT) != primary
            ask(other, "commit")
            assert client.one(PORT) != primary
            ask(client, "begin isolation level serializable, read only")
            assert client.one(PORT) == primary
            ask(client, "commit")
            other.close()
        # Where everybody is, replicas can still be asked what they are.
        for node in cluster.nodes:
            node.sql("alter system set default_transaction_isolation = "
                     "'serializable'")
            node.sql("select pg_reload_conf()")
        again = cluster.start()
        wait_until("they are known", lambda: again.console(
            "show hosts").count("|replica|up|reads|") == 2)
        assert again.sql(PORT, user="app") == primary
        assert routes(weir)["primary", "serializable"] >= 5
        assert ("primary", "refused") not in routes(weir)
        client.close()


def test_an_undeclared_transaction_begins_on_the_primary(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        for start in ("begin", "begin read write",
                      "begin isolation level serializable, read only"):
            ask(client, start)
            assert client.one(PORT) == primary, start
            assert ask(client, "commit") == ("COMMIT", "I")
        assert (routes(weir)["primary", "transaction"],
                routes(weir)["primary", "serializable"]) == (2, 1)
        client.close()


def test_what_a_replica_refuses_first_is_begun_again_on_the_primary(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = cluster.nodes[0]
        # It says that it is stable, and reads what only the primary has.
        primary.sql(["create unlogged table u (a int)",
                     "create function f() returns bigint stable language "
                     "plpgsql as $$ begin return (select count(*) from u); "
                     "end $$"], database="app")
        client.ask(query("create table other (a int)"))
        wait_until("the catalogue knows it", lambda: error_of(client.ask(
            query("select a, f() from other"))) is None)
        cluster.caught_up()
        is_ready(cluster, client)
        healed = 0
        for n in range(3):
            before = routes(weir).get(("primary", "healed"), 0)
            ask(client, "begin isolation level repeatable read, read only")
            values = [row(b) for k, b in client.ask(query(
                f"select f(), inet_server_port(), {n + 10}")) if k == "D"]
            assert values[0][1] == str(primary.port), values
            assert client.one("show transaction_isolation") == \
                "repeatable read"
            assert client.one("show transaction_read_only") == "on"
            assert ask(client, "commit") == ("COMMIT", "I")
            messages = extended(client, "begin read only")
            messages = extended(client, f"select f() + {n}")
            assert kinds(messages) == "12TDCZ", messages
            assert client.one(PORT) == str(primary.port)
            assert ask(client, "commit") == ("COMMIT", "I")
            messages = client.ask(
                parse("", "begin read only"), bind(""), execute(),
                parse("", f"select {n}, f()"), bind(""), describe("P"),
                execute(), SYNC)
            assert kinds(messages) == "12C12TDCZ", messages
            assert status(messages) == "T"
            assert client.one(PORT) == str(primary.port)
            assert ask(client, "commit") == ("COMMIT", "I")
            healed += routes(weir).get(("primary", "healed"), 0) - before
        assert healed == 9
        # The replicas' servers are free and clean.
        assert in_use(weir) == 0
        assert int(client.one(PORT)) != primary.port
        # An error of its own is its own, and fails the transaction.
        ask(client, "begin read only")
        messages = client.ask(query("select 1 / 0"))
        assert error_of(messages)["C"] == "22012" and status(messages) == "E"
        assert ask(client, "commit") == ("ROLLBACK", "I")
        client.close()


def test_a_begin_that_is_not_understood_goes_to_a_server_at_once(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        for text, code in (("begin read", "42601"),
                           ("begin isolation level none", "42601"),
                           ("begin; select 1 / 0", "22012")):
            messages = client.ask(query(text))
            assert error_of(messages)["C"] == code, messages
            client.ask(query("rollback"))
        assert ask(client, "/* why not */ begin") == ("BEGIN", "T")
        assert in_use(weir) == 1
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        # BEGIN in a transaction is a warning, as ever.
        ask(client, "begin")
        messages = client.ask(query("begin"))
        assert kinds(messages) == "NCZ" and status(messages) == "T"
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        # PREPARE TRANSACTION, and AND CHAIN, are not held back.
        ask(client, "begin")
        assert ask(client, "commit and chain") == ("COMMIT", "T")
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        client.close()


def test_savepoints_and_errors_behind_a_held_begin_are_as_ever(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        ask(client, "begin")
        assert ask(client, "savepoint a") == ("SAVEPOINT", "T")
        messages = client.ask(query("select 1 / 0"))
        assert status(messages) == "E"
        assert ask(client, "rollback to a") == ("ROLLBACK", "T")
        ask(client, "insert into t values (1)")
        assert ask(client, "commit") == ("COMMIT", "I")
        assert client.one("/* pgweir.route=primary */ "
                          "select count(*) from t") == "1"
        # The first statement fails, in a pipeline too.
        client.send(query("begin"), query("select 1 / 0"),
                    query("insert into t values (2)"), query("commit"))
        answers = [client.until_ready() for _ in range(4)]
        assert [status(a) for a in answers] == list("TEEI")
        assert tag(answers[3]) == ["ROLLBACK"]
        # What is refused here fails the transaction as well.
        ask(client, "begin")
        messages = client.ask(bind("nothing"), execute(), SYNC)
        assert error_of(messages)["C"] == "26000"
        assert status(messages) == "E"
        assert error_of(client.ask(query("select 1")))["C"] == "25P02"
        assert error_of(client.ask(query("selec")))["C"] == "42601"
        assert error_of(client.ask(bind("nothing"), SYNC))["C"] == "26000"
        assert ask(client, "commit") == ("ROLLBACK", "I")
        assert client.one("/* pgweir.route=primary */ "
                          "select count(*) from t") == "1"
        client.close()


def test_a_whole_transaction_in_one_send_is_done_in_order(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        primary = str(cluster.nodes[0].port)
        for start in ("begin", "begin read only"):
            client.send(query(start), query(PORT), query("commit"),
                        query("insert into t values (1) returning "
                              "inet_server_port()"), query(start),
                        query("commit"), query("begin"),
                        query("insert into t values (2)"),
                        query("rollback"))
            answers = [client.until_ready() for _ in range(9)]
            assert not any(error_of(a) for a in answers), answers
            assert [status(a) for a in answers] == list("TTIITITTI")
            ports = [row(b)[0] for a in answers for k, b in a if k == "D"]
            assert (ports[0] == primary) == (start == "begin")
            assert ports[1] == primary
        assert client.one("/* pgweir.route=primary */ "
                          "select count(*) from t") == "2"
        client.close()


def test_an_idle_transaction_counts_from_the_clients_begin(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "idle_transaction_timeout = 300ms")
        ask(client, "begin")
        kind, body = client.read()
        assert kind == "E" and b"idle_transaction_timeout" in body, body


def test_the_time_of_a_transaction_counts_from_the_clients_begin(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "transaction_timeout = 1s")
        other = Client(weir.port, user="postgres")
        for end in ("commit", "rollback"):
            ask(other, "begin")
            ask(other, end)
        ask(other, "begin")
        ask(other, "insert into t values (1)")
        ask(other, "commit")
        ask(client, "begin")
        kind, body = client.read()
        assert kind == "E" and b"transaction_timeout" in body, body
        # What began before that and has ended has no limit any more.
        assert other.one(PORT)
        other.close()


def test_who_leaves_or_is_cancelled_behind_a_begin_leaves_nothing(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "default_pool_size = 1")
        other = Client(weir.port, user="postgres")
        ask(other, "begin")
        other.socket.close()
        other = Client(weir.port, user="postgres")
        ask(other, "begin")
        other.close()
        wait_until("they are gone", lambda: len(weir.console(
            "show clients").split("\n")) == 2)
        assert in_use(weir) == 0
        # One that waits in line with its first statement in vain.
        ask(client, "begin")
        ask(client, "insert into t values (1)")
        other = Client(weir.port, user="postgres")
        ask(other, "begin")
        weir.console("set query_wait_timeout = 300ms")
        messages = other.ask(query("insert into t values (2)"))
        assert "query_wait_timeout" in error_of(messages)["M"], messages
        assert status(messages) == "E", messages
        assert error_of(other.ask(query("select 1")))["C"] == "25P02"
        assert ask(other, "rollback") == ("ROLLBACK", "I")
        # Or is cancelled there, in a pipeline.
        weir.console("set query_wait_timeout = 60")
        other.send(query("begin"), query("insert into t values (3)"),
                   query("select 1"), query("commit"))
        assert status(other.until_ready()) == "T"
        wait_until("it waits", lambda: any(
            line.split("|")[3] == "1" for line in weir.console(
                "show pools").split("\n") if line.startswith("app|")))
        other.cancel(weir.port)
        answers = [other.until_ready() for _ in range(3)]
        assert error_of(answers[0])["C"] == "57014", answers
        assert [status(a) for a in answers] == list("EEI"), answers
        assert ask(client, "commit") == ("COMMIT", "I")
        assert client.one("/* pgweir.route=primary */ select "
                          "string_agg(a::text, ',') from t") == "1"
        other.close()
        client.close()


def test_a_statement_under_a_held_begin_is_cancelled_and_not_run_again(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        ask(client, "begin read only")
        client.send(query("select pg_sleep(30)"))
        wait_until("it runs", lambda: any("pg_sleep" in n.sql(
            "select query from pg_stat_activity where state = 'active' and "
            "pid <> pg_backend_pid()") for n in cluster.nodes))
        client.cancel(weir.port)
        messages = client.until_ready()
        assert error_of(messages)["C"] == "57014", messages
        assert status(messages) == "E"
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        assert ("primary", "healed") not in routes(weir)
        client.close()


def test_split_transactions_read_at_a_replica_until_something_may_write(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "split_transactions = on")
        primary = str(cluster.nodes[0].port)
        client.ask(query("create sequence s"))
        is_ready(cluster, client)
        # Only reads: all of it at one replica.
        ask(client, "begin")
        port = client.one(PORT)
        assert port != primary
        for _ in range(3):
            assert client.one(PORT) == port
        assert ask(client, "commit") == ("COMMIT", "I")
        # A write moves it.
        for end, rows in (("rollback", "0"), ("commit", "1")):
            ask(client, "begin")
            assert client.one(PORT) != primary
            assert client.one(
                "insert into t values (1) returning inet_server_port()") == \
                primary
            assert client.one(PORT) == primary
            assert ask(client, end)[1] == "I"
            assert client.one("/* pgweir.route=primary */ "
                              "select count(*) from t") == rows
        assert routes(weir)["primary", "moved"] == 2
        # In a pipeline, and in the extended protocol.
        client.send(query("begin"), query(PORT),
                    query("select nextval('s'), inet_server_port()"),
                    query("commit"), query(PORT))
        answers = [client.until_ready() for _ in range(5)]
        assert not any(error_of(a) for a in answers), answers
        rows = [row(b) for a in answers for k, b in a if k == "D"]
        assert rows[0][0] != primary
        assert list(rows[1]) == ["1", primary], rows
        extended(client, "begin")
        assert row([b for k, b in extended(client, PORT)
                    if k == "D"][0])[0] != primary
        messages = extended(client, "insert into t values (2) returning "
                            "inet_server_port()")
        assert row([b for k, b in messages if k == "D"][0])[0] == primary
        extended(client, "savepoint x")
        assert ask(client, "commit") == ("COMMIT", "I")
        messages = client.ask(
            parse("", "begin"), bind(""), execute(), parse("", PORT),
            bind(""), execute(), SYNC)
        assert row([b for k, b in messages if k == "D"][0])[0] != primary
        assert client.one("insert into t values (3) returning "
                          "inet_server_port()") == primary
        assert ask(client, "commit") == ("COMMIT", "I")
        # What would not move begins on the primary.
        for start in ("begin isolation level repeatable read",
                      "begin read write"):
            ask(client, start)
            assert client.one(PORT) == primary, start
            ask(client, "commit")
        client.ask(query("set default_transaction_isolation = "
                         "'repeatable read'"))
        ask(client, "begin")
        assert client.one(PORT) == primary
        ask(client, "commit")
        client.ask(query("reset default_transaction_isolation"))
        ask(client, "begin")
        messages = client.ask(parse("", PORT), bind("", "cursor"),
                              execute("cursor", 1), SYNC)
        assert row([b for k, b in messages if k == "D"][0])[0] == primary
        ask(client, "commit")
        # A failed one stays failed where it is.
        ask(client, "begin")
        assert client.one(PORT) != primary
        client.ask(query("select 1 / 0"))
        messages = client.ask(query("insert into t values (4)"))
        assert error_of(messages)["C"] == "25P02", messages
        assert ask(client, "rollback") == ("ROLLBACK", "I")
        client.close()


def test_what_a_split_transaction_wrote_is_seen_by_the_next(world):
    with Cluster(world) as cluster:
        for node in cluster.nodes[1:]:
            node.sql("alter system set recovery_min_apply_delay = '300ms'")
            node.sql("select pg_reload_conf()")
        weir = cluster.start("split_transactions = on")
        client = Client(weir.port, user="postgres")
        reader = Client(weir.port, user="postgres")
        client.ask(query("create table t (a int)"))
        client.ask(query("insert into t values (0)"))
        is_ready(cluster, client)
        for n in range(1, 4):
            # No replica is as far yet: the transaction is on the primary.
            client.ask(query(f"update t set a = {n}"))
            ask(client, "begin")
            assert client.one("select a from t") == str(n)
            cluster.caught_up()
            ask(client, f"update t set a = {n + 100}")
            ask(client, "commit")
            assert reader.one("select a from t") == str(n + 100)
        reader.close()
        client.close()


def test_split_transactions_lose_nothing_under_load(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster, "split_transactions = on\n"
                             "default_pool_size = 3")
        client.ask(query("insert into t values (0)"))
        cluster.caught_up()
        wrong = []

        def run():
            mine = Client(weir.port, user="postgres")
            for n in range(40):
                mine.send(query("begin"), query("select a from t"),
                          query("update t set a = a + 1"),
                          query("commit" if n % 4 else "rollback"))
                answers = [mine.until_ready() for _ in range(4)]
                if any(error_of(a) for a in answers):
                    wrong.append(answers)
            mine.close()

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]
        assert client.one("/* pgweir.route=primary */ select a from t") == \
            str(8 * 30)
        client.close()


def test_who_has_begun_is_not_sent_away_before_his_transaction_ends(world):
    with Cluster(world) as cluster:
        weir, client = begin(cluster)
        idle = Client(weir.port, user="postgres")
        ask(client, "begin")
        other = Client(weir.port, user="postgres")
        ask(other, "begin")
        weir.signal(15)
        assert idle.read()[0] == "E"
        ask(client, "insert into t values (1)")
        assert ask(client, "commit") == ("COMMIT", "I")
        kind, body = client.read()
        assert kind == "E" and b"C57P01\0" in body
        assert ask(other, "commit") == ("COMMIT", "I")
        kind, body = other.read()
        assert kind == "E" and b"C57P01\0" in body
        assert weir.end() == 0
        assert cluster.nodes[0].sql("select count(*) from t",
                                    database="app") == "1"
