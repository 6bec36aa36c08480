"""auth_query: users that are known to PostgreSQL alone."""

import contextlib
import functools
import os
import signal
import subprocess

import cluster
from cluster import wait_until
from secure import (certificates, is_tls_behind, postgres_hba,
                    postgres_with_tls, wait_for_log)
from wire import Client, startup

ASKS = "select query from pg_stat_activity where " \
       "application_name = 'pgweir auth_query'"

refused = functools.partial(cluster.refused, user="asked")


def let_in(weir, password="found", user="asked", **more):
    return weir.sql("select current_user", user=user, password=password,
                    **more) == user


def role(world, name="asked", password="found", options=""):
    world.pg.sql([f"drop role if exists {name}",
                  f"create role {name} login password '{password}' {options}"])


def asking(world, options="", auth_type="scram-sha-256", **more):
    role(world)
    return world.start(f"auth_type = {auth_type}\nauth_user = postgres\n"
                       f"auth_dbname = postgres\n{options}", **more)


def questions(world):
    """How often auth_query was run, as PostgreSQL's own log says."""
    with open(world.pg.dir + "/log") as f:
        return f.read().count("FROM pg_authid WHERE rolname")


@contextlib.contextmanager
def counted(world):
    """PostgreSQL logs every statement, until the end."""
    world.pg.sql("alter role postgres set log_statement = 'all'")
    try:
        yield lambda: questions(world)
    finally:
        world.pg.sql("alter role postgres reset log_statement")


def test_an_answer_is_cached_for_auth_cache_ttl(world):
    with counted(world) as count:
        weir = asking(world, "auth_cache_ttl = 1h")
        before = count()
        for _ in range(5):
            assert let_in(weir)
        assert count() == before + 1
        world.settle()
        weir = asking(world, "auth_cache_ttl = 0")
        before = count()
        for _ in range(3):
            assert let_in(weir)
        assert count() == before + 3


def test_an_answer_is_asked_for_again_after_auth_cache_ttl(world):
    with counted(world) as count:
        weir = asking(world, "auth_cache_ttl = 200ms")
        before = count()
        assert let_in(weir)
        wait_until("it is asked for again",
                   lambda: let_in(weir) and count() > before + 1)


def test_an_unknown_user_is_cached_until_refused(world):
    weir = asking(world, "auth_cache_ttl = 1h")
    world.pg.sql("drop role if exists later")
    refused(weir, user="later", password="found")
    role(world, "later")
    assert let_in(weir, user="later")


def test_a_changed_password_works_at_the_next_attempt(world):
    weir = asking(world, "auth_cache_ttl = 1h")
    assert let_in(weir)
    world.pg.sql("alter role asked password 'changed'")
    refused(weir, password="changed")
    assert let_in(weir, "changed")
    refused(weir, password="found")


def test_a_changed_password_opens_servers_that_ask_for_it(world):
    rules = "host all all all scram-sha-256"
    with postgres_hba(world, rules):
        weir = asking(world, "auth_cache_ttl = 0")
        assert let_in(weir)
        world.pg.sql("alter role asked password 'changed'")
        weir.console("reconnect", user="postgres", password="pw")
        assert let_in(weir, "changed")


def test_who_logged_in_before_a_password_was_set_anew_is_told_to_return(world):
    import psycopg
    with postgres_hba(world, "host all all all scram-sha-256"):
        weir = asking(world, "auth_cache_ttl = 1h\nserver_idle_timeout = 1h")
        who = {"host": "127.0.0.1", "port": weir.port, "dbname": "app",
               "user": "asked", "password": "found"}
        clients = [psycopg.connect(**who) for _ in range(2)]
        # The same password has another salt then.
        world.pg.sql("alter role asked password 'found'")
        weir.console("reconnect", user="postgres", password="pw")
        for client in clients:
            try:
                client.execute("select 1")
            except psycopg.OperationalError as error:
                assert "set anew" in str(error), error
                assert client.closed
            else:
                raise AssertionError("it opened a server")
        with psycopg.connect(**who) as client:
            client.execute("select 1")


def test_md5_secrets_are_found_too(world):
    weir = asking(world, auth_type="md5")
    world.pg.sql(["set password_encryption = 'md5'",
                  "alter role asked password 'found'"])
    assert let_in(weir)
    refused(weir, password="wrong")
    with postgres_hba(world, "host all all all md5"):
        assert let_in(weir)


def test_plain_authentication_works_with_a_secret_of_any_kind(world):
    for kind in ("md5", "scram-sha-256"):
        weir = asking(world, auth_type="plain")
        world.pg.sql([f"set password_encryption = '{kind}'",
                      "alter role asked password 'found'"])
        assert let_in(weir)
        refused(weir, password="wrong")
        world.settle()


def test_a_role_without_password_or_login_or_past_its_time_stays_out(world):
    weir = asking(world, "auth_cache_ttl = 0")
    for change, undo in (
            ("password null", "password 'found'"),
            ("nologin", "login"),
            ("valid until '2001-01-01'", "valid until 'infinity'")):
        world.pg.sql(f"alter role asked {change}")
        told = refused(weir, password="found")
        assert "password authentication failed" in told, told
        refused(weir, password="")
        world.pg.sql(f"alter role asked {undo}")
        assert let_in(weir)


def test_an_error_of_the_query_is_told_to_the_log_alone(world):
    weir = asking(world, "auth_query = select nonsense from $1")
    told = refused(weir, password="found")
    assert "cannot be looked up now" in told
    assert "syntax" not in told and "nonsense" not in told
    wait_for_log(weir, "syntax error")
    wait_for_log(weir, 'as user "postgres"')
    world.settle()
    weir = asking(world, "auth_query = select rolname, 1/0::text "
                  "from pg_authid where rolname = $1")
    assert "cannot be looked up" in refused(weir, password="found")


def test_a_user_in_auth_file_is_not_asked_for(world):
    weir = asking(world, "auth_query = select nonsense from $1",
                  users='"asked" "found"\n')
    assert let_in(weir)


def test_an_own_query_with_a_function_works(world):
    world.pg.sql("create or replace function lookup(name) returns "
                 "table (u name, p text) language sql security definer as "
                 "$$ select rolname, rolpassword from pg_catalog.pg_authid "
                 "where rolname = $1 $$")
    weir = asking(world, "auth_query = select u, p from public.lookup($1)")
    assert let_in(weir)
    refused(weir, password="wrong")


def test_the_name_of_a_user_is_data_and_never_SQL(world):
    weir = asking(world)
    name = "x' or true --"
    told = refused(weir, user=name, password="found")
    assert "password authentication failed" in told
    world.pg.sql(f'drop role if exists "{name}"')
    world.pg.sql(f"create role \"{name}\" login password 'found'")
    try:
        assert let_in(weir, user=name)
    finally:
        world.pg.sql(f'drop role "{name}"')


def test_a_dead_auth_dbname_hurts_only_who_must_be_asked_for(world):
    weir = asking(world, "auth_dbname = gone", users='"app" "secret"\n')
    assert "cannot be looked up now" in refused(weir, password="found")
    wait_for_log(weir, 'database "gone" does not exist')
    assert let_in(weir, "secret", user="app")


def test_a_dead_host_is_told_in_time_and_heals(world):
    weir = asking(world, "server_connect_timeout = 1", users='"a" "b"\n')
    world.pg.stop()
    try:
        assert "cannot be looked up now" in refused(weir, password="found")
    finally:
        world.pg.start()
    assert let_in(weir)


def test_a_look_up_survives_the_death_of_its_idle_connection(world):
    weir = asking(world, "auth_cache_ttl = 0")
    assert let_in(weir)
    world.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where application_name = 'pgweir auth_query'")
    assert let_in(weir)


def test_the_look_up_is_not_hindered_by_a_stuck_login(world):
    weir = asking(world, "auth_cache_ttl = 0")
    stuck = [Client(weir.port, connect=False) for _ in range(20)]
    for client in stuck:
        client.send(b"\0\0\0\x20\0\3\0\0user\0")
    assert let_in(weir)


def test_auth_user_must_prove_itself_like_others(world):
    rules = "host all all all scram-sha-256"
    world.pg.sql("drop role if exists looker")
    world.pg.sql("create role looker superuser login password 'look'")
    role(world)
    for users, good in (('"looker" "look"\n', True),
                        ('"looker" "wrong"\n', False), ('"x" "y"\n', False)):
        with postgres_hba(world, rules):
            weir = world.start(
                "auth_type = scram-sha-256\nauth_user = looker\n"
                "auth_dbname = postgres", users=users,
                env={"PGPASSWORD": "look"})
            if good:
                assert let_in(weir)
            else:
                assert "cannot be looked up" in refused(weir,
                                                        password="found")
            world.settle()


def test_nothing_of_the_environment_reaches_the_look_up(world):
    weir = asking(world, env={
        "PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1",
        "PGOPTIONS": "-csearch_path=evil", "PGSERVICE": "none",
        "PGSSLMODE": "verify-full", "PGREQUIREPEER": "nobody",
        "PGCHANNELBINDING": "require", "PGTARGETSESSIONATTRS": "standby"})
    assert let_in(weir)
    weir = asking(world, host=world.top, env={
        "PGHOSTADDR": "192.0.2.1", "PGREQUIREPEER": "nobody"})
    assert let_in(weir)


def test_auth_user_itself_is_no_login_for_an_unknown_user(world):
    weir = asking(world, auth_type="trust", users='"x" "y"\n')
    told = refused(weir, user="stranger")
    assert "failed" in told, told
    assert let_in(weir, user="asked")


def test_a_database_has_its_own_auth_user_and_query(world):
    role(world)
    weir = world.start(
        "auth_type = scram-sha-256",
        databases=f"own = host=127.0.0.1 port={world.pg.port} dbname=app "
        "auth_user=postgres auth_dbname=postgres auth_query='select rolname,"
        " rolpassword from pg_authid where rolname = $1'")
    assert let_in(weir, dbname="own")
    told = refused(weir, password="found")
    assert "password authentication failed" in told


def test_the_look_up_verifies_as_server_tls_sslmode_says(world):
    for name, mode, good in (("server", "verify-full", True),
                             ("stranger", "verify-ca", False),
                             ("elsewhere", "verify-full", False),
                             ("stranger", "require", True)):
        with postgres_with_tls(world, name):
            weir = asking(world, f"server_tls_sslmode = {mode}\n" +
                          certificates(world).back(ca="ca"))
            if good:
                assert let_in(weir) and is_tls_behind(
                    weir, user="asked", password="found")
            else:
                assert "cannot be looked up" in refused(weir,
                                                        password="found")
                wait_for_log(weir, "auth_query cannot be asked")
            world.settle()


def test_without_a_ca_file_whom_the_system_trusts_is_trusted(world):
    """By the look-up, which is libpq's, as by connections of clients."""
    made = certificates(world)
    with postgres_with_tls(world, "server"):
        for trusted, good in ("ca", True), ("other", False):
            weir = asking(world, "server_tls_sslmode = verify-full", env={
                "SSL_CERT_FILE": made.path(trusted + ".crt")})
            if good:
                assert let_in(weir) and is_tls_behind(
                    weir, user="asked", password="found")
            else:
                assert "cannot be looked up" in refused(weir,
                                                        password="found")
        world.settle()
    done = subprocess.run(
        [world.binary, "--check", weir.file], capture_output=True, text=True,
        timeout=60, env={**os.environ, "SSL_CERT_FILE": "/nothing/here"})
    assert done.returncode != 0
    assert "server_tls: verify-ca and verify-full want a ca_file" in \
        done.stdout + done.stderr, done.stderr


def test_another_query_after_sighup_is_used(world):
    weir = asking(world, "auth_query = select nonsense from $1\n"
                  "auth_cache_ttl = 0")
    refused(weir, password="found")
    weir.write(world.config("auth_user = postgres\nauth_dbname = postgres\n"
                            "auth_type = md5\nauth_cache_ttl = 0"))
    weir.signal(signal.SIGHUP)
    wait_for_log(weir, "the configuration was reloaded")
    assert let_in(weir)


def test_many_at_once_are_all_answered(world):
    weir = asking(world, "auth_cache_ttl = 0")
    clients = [Client(weir.port, connect=False) for _ in range(50)]
    for client in clients:
        client.send(startup(user="asked", database="app"))
    for client in clients:
        kind, body = client.read()
        assert kind == "R" and b"SCRAM-SHA-256" in body, (kind, body)


def test_a_look_up_holds_a_place_of_max_db_connections_and_show_says_so(world):
    weir = asking(world, "max_db_connections = 1\nquery_wait_timeout = 300ms")

    def places():
        rows = weir.console("show lists", password="pw").split("\n")
        return dict(row.split("|") for row in rows)["lookup_servers_counted"]
    assert places() == "0"
    error = refused(weir, password="found", dbname="postgres")
    assert "max_db_connections" in error, error
    assert places() == "1"
    weir.console("set query_wait_timeout = 60", password="pw")
    assert let_in(weir)


def test_auth_dbname_names_an_entry_whose_host_is_asked(world):
    role(world)
    weir = world.start(
        "auth_type = scram-sha-256\nauth_user = postgres\nauth_dbname = who",
        databases=f"who = host=127.0.0.1 port={world.pg.port} "
        "dbname=postgres\nelsewhere = host=127.0.0.1 port=1 dbname=app")
    assert let_in(weir)
    assert world.pg.sql("select datname from pg_stat_activity where "
                        "application_name = 'pgweir auth_query'") == "postgres"
    error = refused(weir, dbname="elsewhere", password="found")
    assert "port 1" in error or ":1" in error, error
