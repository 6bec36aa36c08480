"""Who may log in, in front and behind, and what the others are told."""

import os
import subprocess
import time

from cluster import Failed, psql_run
from wire import Client, error_of, message, query, startup


def refused(call, *args, **more):
    try:
        call(*args, **more)
    except Failed as error:
        return str(error)
    raise AssertionError("it was let in")


def secret_of(world, user):
    return world.pg.sql(
        f"select rolpassword from pg_authid where rolname = '{user}'")


def with_hba(world, method, test):
    world.pg.hba(f"local all postgres trust\nhost all postgres all trust\n"
                 f"host all all all {method}\n")
    try:
        test()
    finally:
        world.pg.hba("local all all trust\nhost all all all trust\n"
                      "host replication all all trust\n")


def test_md5_plain_and_scram_let_in_who_knows_the_password(world):
    scram = secret_of(world, "app")
    md5 = "md5" + subprocess.run(
        ["md5sum"], input=b"secretapp", capture_output=True
    ).stdout.decode()[:32]
    for auth_type in ("plain", "md5", "scram-sha-256"):
        for stored in ("secret", md5, scram):
            if auth_type == "scram-sha-256" and stored == md5:
                continue
            weir = world.start(f"auth_type = {auth_type}",
                               users=f'"app" "{stored}"\n')
            assert weir.sql("select 1", user="app",
                            password="secret") == "1", (auth_type, stored)
            refused(weir.sql, "select 1", user="app", password="wrong")
            world.settle()


def test_a_wrong_password_and_an_unknown_user_get_the_same_error(world):
    weir = world.start("auth_type = scram-sha-256")
    wrong = refused(weir.sql, "select 1", user="app", password="wrong")
    unknown = refused(weir.sql, "select 1", user="nobody", password="wrong")
    assert wrong.replace('"app"', '"nobody"').split("failed:")[-1] == \
        unknown.split("failed:")[-1]
    assert "password authentication failed" in wrong
    assert "unknown user" in weir.text() and "wrong password" in weir.text()


def test_an_unknown_database_is_told_only_to_who_has_logged_in(world):
    config = world.config("auth_type = md5").replace("* =", "app =")
    weir = world.start(config=config)
    told = refused(weir.sql, "select 1", user="app", password="bad",
                   dbname="none")
    assert "password authentication failed" in told
    told = refused(weir.sql, "select 1", user="app", password="secret",
                   dbname="none")
    assert 'no such database: none;' in told


def test_the_server_is_logged_in_to_with_each_method(world):
    for method in ("password", "md5", "scram-sha-256"):
        def test():
            weir = world.start("auth_type = scram-sha-256")
            assert weir.sql("select 1", user="app", password="secret") == "1"
            world.settle()
        with_hba(world, method, test)


def test_a_stored_scram_secret_is_enough_once_a_client_has_logged_in(world):
    scram = secret_of(world, "app")

    def test():
        weir = world.start("auth_type = scram-sha-256",
                           users=f'"app" "{scram}"\n')
        assert weir.sql("select 1", user="app", password="secret") == "1"
        world.settle()
        weir = world.start("auth_type = trust", users=f'"app" "{scram}"\n')
        told = refused(weir.sql, "select 1", user="app")
        assert "only a SCRAM secret is known" in told, told
    with_hba(world, "scram-sha-256", test)


def test_errors_that_waiting_cannot_heal_come_at_once(world):
    def test():
        weir = world.start("auth_type = trust", users='"app" "wrong"\n')
        start = time.monotonic()
        told = refused(weir.sql, "select 1", user="app")
        assert "password authentication failed" in told, told
        assert time.monotonic() - start < 20
    with_hba(world, "md5", test)
    weir = world.start()
    told = refused(weir.sql, "select 1", user="app", dbname="nowhere")
    assert 'database "nowhere" does not exist' in told


def test_sslmode_require_works_without_a_certificate(world):
    weir = world.start()
    answer = weir.sql("select 1", user="app", sslmode="require")
    assert answer == "1"
    assert "logged in over TLSv1.3" in weir.text()


def test_scram_plus_binds_the_channel(world):
    weir = world.start("auth_type = scram-sha-256")
    assert weir.sql("select 1", user="app", password="secret",
                    sslmode="require", channel_binding="require") == "1"


def test_tls_required_is_said_to_who_comes_without(world):
    weir = world.start("client_tls_sslmode = require")
    assert "TLS is required" in refused(weir.sql, "select 1", user="app")
    assert weir.sql("select 1", user="app", sslmode="require") == "1"


def certificates(world):
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, cwd=world.top,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
    for name in ("localhost", "app"):
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(os.path.join(world.top, "san"), "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt",
                "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "san", "-out", f"{name}.crt")
    return lambda name: os.path.join(world.top, name)


def test_a_client_certificate_logs_in_who_it_names(world):
    path = certificates(world)
    weir = world.start(f"""auth_type = cert
client_tls_sslmode = verify-full
client_tls_ca_file = {path("ca.crt")}
client_tls_key_file = {path("localhost.key")}
client_tls_cert_file = {path("localhost.crt")}""")
    tls = dict(sslmode="verify-full", sslrootcert=path("ca.crt"),
               sslcert=path("app.crt"), sslkey=path("app.key"))
    assert weir.sql("select 1", user="app", **tls) == "1"
    refused(weir.sql, "select 1", user="postgres", **tls)
    refused(weir.sql, "select 1", user="app", sslmode="require",
            sslcert="none")


def test_hba_lines_decide_by_address_database_and_user(world):
    hba = os.path.join(world.top, "hba")
    with open(hba, "w") as f:
        f.write("host app app 127.0.0.1/32 md5\n"
                "host all postgres 127.0.0.0/8 trust\n"
                "host all all all reject\n")
    weir = world.start(f"auth_type = hba\nauth_hba_file = {hba}")
    assert weir.sql("select 1", user="app", password="secret") == "1"
    assert weir.sql("select 1", user="postgres") == "1"
    told = refused(weir.sql, "select 1", user="app", dbname="postgres")
    assert "no line that lets" in told


def test_auth_query_finds_users_and_honours_valid_until(world):
    world.pg.sql("drop role if exists asked")
    world.pg.sql("create role asked login password 'found'")
    weir = world.start("auth_type = scram-sha-256\nauth_user = postgres\n"
                       "auth_cache_ttl = 0\nauth_dbname = postgres")
    assert weir.sql("select 1", user="asked", password="found") == "1"
    refused(weir.sql, "select 1", user="asked", password="wrong")
    refused(weir.sql, "select 1", user="nobody", password="wrong")
    world.pg.sql("alter role asked valid until '2001-01-01'")
    refused(weir.sql, "select 1", user="asked", password="found")
    world.pg.sql("alter role asked valid until 'infinity' password 'new'")
    assert weir.sql("select 1", user="asked", password="new") == "1"
    world.pg.sql("alter role asked nologin")
    refused(weir.sql, "select 1", user="asked", password="new")
    path = world.pg.sql("select query from pg_stat_activity where "
                        "application_name = 'pgweir auth_query'")
    assert "rolname" in path


def test_nothing_of_a_client_reaches_the_auth_query_connection(world):
    world.pg.sql("drop role if exists asked2")
    world.pg.sql("create role asked2 login password 'found'")
    world.pg.sql("create schema if not exists evil; create or replace view "
                 "evil.pg_authid as select 'x'::name rolname, true "
                 "rolcanlogin, 'y' rolpassword, now() rolvaliduntil",
                 "postgres")
    weir = world.start("auth_type = scram-sha-256\nauth_user = postgres\n"
                       "auth_dbname = postgres")
    assert weir.sql("select 1", user="asked2", password="found",
                    options="-csearch_path=evil,pg_catalog") == "1"


def test_messages_before_their_time_are_refused(world):
    client = Client(world.start("auth_type = md5").port, connect=False)
    client.send(startup(user="app", database="app"))
    assert client.read()[0] == "R"
    assert error_of(client.ask(query("select 1")))["C"] == "08P01"


def test_a_password_message_of_impossible_length_is_refused(world):
    client = Client(world.start("auth_type = plain").port, connect=False)
    client.send(startup(user="app", database="app"))
    assert client.read()[0] == "R"
    client.send(b"p\xff\xff\xff\xff")
    assert error_of(client.until_ready())["C"] == "08P01"
    client = Client(world.running[0].port, connect=False)
    client.send(startup(user="app", database="app"))
    client.read()
    assert error_of(client.ask(message("p", b"no end")))["C"] == "08P01"


def test_a_password_never_stands_in_a_log_or_in_show(world):
    weir = world.start("auth_type = plain\nverbose = 2",
                       databases=f"own = host=127.0.0.1 port={world.pg.port} "
                       "dbname=app user=app password=hidden")
    assert weir.sql("select 1", user="app", password="secret",
                    dbname="own") == "1"
    shown = "".join(weir.console(f"show {what}", password="pw")
                    for what in ("config", "databases", "users", "clients"))
    assert "hidden" not in weir.text() + shown
    assert "secret" not in weir.text() + shown
    assert psql_run("select 1", port=weir.port, dbname="own", user="app",
                    password="secret").returncode == 0
