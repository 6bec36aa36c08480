"""TLS towards PostgreSQL: the six modes, certificates, channel binding."""

import base64
import hashlib
import hmac
import queue
import socket
import struct
import threading
import time

from cluster import Failed, wait_until
from secure import (Listener, SSL_REQUEST, accept_tls, certificates, exactly,
                    client_context, is_tls_behind, postgres_with_tls,
                    wait_for_log)
from wire import Client, error_of, message, query

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERIFYING = MODES[4:]


def refused(weir, **more):
    start = time.monotonic()
    try:
        weir.sql("select 1", user="app", **more)
    except Failed as error:
        assert time.monotonic() - start < 20, "told too late"
        return str(error)
    raise AssertionError("a server was found")


def refused_statement(weir, statement):
    try:
        weir.sql(statement, user="app")
    except Failed as error:
        return str(error)
    raise AssertionError("it was answered")


def runs(world):
    return world.pg.sql(
        "select count(*) from pg_stat_activity where state = 'active' and "
        "query like 'select pg_sleep%'") != "0"


def each_mode(world, modes, ca="ca", **more):
    made = certificates(world)
    for mode in modes:
        weir = world.start(f"server_tls_sslmode = {mode}\n" +
                           made.back(ca=ca), **more)
        yield mode, weir
        world.settle()


def test_each_mode_uses_TLS_as_libpq_does_where_ssl_is_on(world):
    with postgres_with_tls(world):
        for mode, weir in each_mode(world, MODES):
            assert is_tls_behind(weir) == (mode not in ("disable", "allow"))


def test_the_modes_from_require_on_refuse_a_server_where_ssl_is_off(world):
    for mode, weir in each_mode(world, MODES):
        if mode in ("disable", "allow", "prefer"):
            assert not is_tls_behind(weir)
        else:
            told = refused(weir)
            assert "does not speak TLS" in told, told
            assert f"server_tls_sslmode = {mode}" in told, told
            assert f"127.0.0.1:{world.pg.port}" in told, told


def test_allow_turns_to_TLS_where_pg_hba_conf_demands_it(world):
    with postgres_with_tls(world, hba="hostssl all all all trust"):
        for _, weir in each_mode(world, ("allow", "prefer", "require")):
            assert is_tls_behind(weir)
        for _, weir in each_mode(world, ("disable",)):
            assert "no pg_hba.conf entry" in refused(weir)


def test_prefer_turns_to_the_clear_where_pg_hba_conf_demands_it(world):
    with postgres_with_tls(world, hba="hostnossl all all all trust"):
        for _, weir in each_mode(world, ("disable", "allow", "prefer")):
            assert not is_tls_behind(weir)
        for _, weir in each_mode(world, MODES[3:]):
            assert "no pg_hba.conf entry" in refused(weir)


def test_verify_full_refuses_a_certificate_for_another_host(world):
    with postgres_with_tls(world, "elsewhere"):
        for _, weir in each_mode(world, ("require", "verify-ca")):
            assert is_tls_behind(weir)
        for host in ("127.0.0.1", "localhost"):
            for _, weir in each_mode(world, ("verify-full",), host=host):
                told = refused(weir)
                assert f"{host}:{world.pg.port}" in told, told
                assert "mismatch" in told, told
                wait_for_log(weir, "mismatch")


def test_verify_full_takes_the_name_that_the_configuration_has(world):
    with postgres_with_tls(world):
        for host in ("127.0.0.1", "localhost"):
            for _, weir in each_mode(world, ("verify-full",), host=host):
                assert is_tls_behind(weir)


def test_an_expired_certificate_is_refused_by_who_verifies(world):
    with postgres_with_tls(world, "expired"):
        for _, weir in each_mode(world, ("prefer", "require")):
            assert is_tls_behind(weir)
        for _, weir in each_mode(world, VERIFYING):
            told = refused(weir)
            assert "certificate has expired" in told, told
            assert f"127.0.0.1:{world.pg.port}" in told, told


def test_a_certificate_of_an_unknown_authority_is_refused(world):
    with postgres_with_tls(world, "stranger"):
        for _, weir in each_mode(world, ("prefer", "require")):
            assert is_tls_behind(weir)
        for _, weir in each_mode(world, VERIFYING):
            told = refused(weir)
            assert "unable to get local issuer" in told, told
        for mode, weir in each_mode(world, VERIFYING, ca="other"):
            assert is_tls_behind(weir)


def test_a_refused_certificate_is_told_without_waiting(world):
    with postgres_with_tls(world, "expired"):
        for _, weir in each_mode(world, ("verify-full",)):
            start = time.monotonic()
            refused(weir)
            refused(weir)
            assert time.monotonic() - start < 10


def test_it_works_again_once_the_server_has_a_good_certificate(world):
    with postgres_with_tls(world, "expired") as made:
        weir = world.start("server_tls_sslmode = verify-full\n" +
                           made.back(ca="ca"))
        refused(weir)
        with postgres_with_tls(world, "server"):
            wait_until("a server is found", lambda: world_answers(weir))


def world_answers(weir):
    try:
        return weir.sql("select 1", user="app") == "1"
    except Failed:
        return False


def test_a_certificate_of_ours_logs_in_at_the_server(world):
    rules = "hostssl all all all cert"
    with postgres_with_tls(world, hba=rules) as made:
        for name in (None, "nobody"):
            weir = world.start("server_tls_sslmode = require\n" +
                               made.back(name))
            told = refused(weir)
            assert "certificate" in told, told
            world.settle()
        weir = world.start("server_tls_sslmode = verify-full\n" +
                           made.back("app", "ca"))
        assert is_tls_behind(weir)
        assert weir.sql("select client_dn from pg_stat_ssl where pid = "
                        "pg_backend_pid()", user="app") == "/CN=app"


def test_auth_query_brings_our_certificate_too(world):
    rules = "hostssl all all all scram-sha-256 clientcert=verify-ca"
    world.pg.sql(["drop role if exists looker",
                  "create role looker superuser login password 'look'"])
    with postgres_with_tls(world, hba=rules) as made:
        weir = world.start(
            "auth_type = scram-sha-256\nauth_user = looker\n"
            "auth_dbname = postgres\nserver_tls_sslmode = verify-full\n" +
            made.back("app", "ca"), users='"looker" "look"\n')
        assert is_tls_behind(weir, password="secret")


def test_a_broken_file_is_named_at_start(world):
    made = certificates(world)
    for options in (f"server_tls_ca_file = {made.path('none')}",
                    f"server_tls_key_file = {made.path('none')}",
                    f"server_tls_cert_file = {made.path('none')}"):
        try:
            world.start(options)
        except AssertionError as error:
            assert made.path("none") in str(error), error
        else:
            raise AssertionError("it started")


def test_server_tls_protocols_and_ciphers_are_used(world):
    kind = ("select version || ' ' || cipher from pg_stat_ssl where pid = "
            "pg_backend_pid()")
    with postgres_with_tls(world, "rsa"):
        for options, found in (
                ("server_tls_protocols = tlsv1.2\nserver_tls_ciphers = "
                 "ECDHE-RSA-AES128-GCM-SHA256",
                 "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256"),
                ("server_tls13_ciphers = TLS_AES_128_GCM_SHA256",
                 "TLSv1.3 TLS_AES_128_GCM_SHA256")):
            weir = world.start("server_tls_sslmode = require\n" + options)
            assert weir.sql(kind, user="app") == found


def test_a_statement_behind_TLS_is_cancelled_at_query_timeout(world):
    with postgres_with_tls(world):
        weir = world.start("server_tls_sslmode = require\n"
                           "query_timeout = 300ms")
        told = refused_statement(weir, "select pg_sleep(60)")
        assert "query_timeout" in told, told
        wait_until("the statement has ended", lambda: not runs(world))


def test_a_cancel_request_reaches_a_statement_behind_TLS(world):
    with postgres_with_tls(world):
        weir = world.start("server_tls_sslmode = verify-full\n" +
                           certificates(world).back(ca="ca"))
        client = Client(weir.port)
        client.send(query("select pg_sleep(60)"))
        wait_until("the statement runs", lambda: runs(world))
        client.cancel(weir.port)
        assert error_of(client.until_ready())["C"] == "57014"


def copy_bytes(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()


def in_between(world, made, sees):
    """Ends TLS with a certificate of its own and passes on everything."""
    def serve(connection):
        tls = accept_tls(connection, made, "second")
        behind = socket.create_connection(("127.0.0.1", world.pg.port))
        behind.sendall(SSL_REQUEST)
        assert behind.recv(1) == b"S"
        behind = client_context().wrap_socket(behind)
        sees.put("connection")
        threading.Thread(target=copy_bytes, args=(behind, tls),
                         daemon=True).start()
        copy_bytes(tls, behind)
    return Listener(serve)


def test_channel_binding_keeps_who_stands_in_between_out(world):
    sees = queue.Queue()
    with postgres_with_tls(world, hba="hostssl all all all scram-sha-256") \
            as made, in_between(world, made, sees) as between:
        base = "auth_type = trust\nserver_tls_sslmode = require"
        straight = world.start(base)
        assert is_tls_behind(straight)
        weir = world.start(base, databases=f"app = host=127.0.0.1 "
                           f"port={between.port}")
        told = refused(weir)
        assert sees.get(timeout=30) == "connection"
        assert "channel binding" in told, told


def sasl(code, data):
    return message("R", struct.pack(">I", code) + data)


def read_message(connection):
    kind = exactly(connection, 1)
    (length,) = struct.unpack(">I", exactly(connection, 4))
    return kind.decode(), exactly(connection, length - 4)


def hmac256(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def scram_plus_server(made, password, found):
    """Offers SCRAM-SHA-256-PLUS and nothing else, and checks all of it."""
    salt, rounds = b"salt of the test", 4096

    def serve(connection):
        tls = accept_tls(connection, made, "server")
        (length,) = struct.unpack(">I", exactly(tls, 4))
        exactly(tls, length - 4)
        tls.sendall(sasl(10, b"SCRAM-SHA-256-PLUS\0\0"))
        _, body = read_message(tls)
        mechanism, rest = body.split(b"\0", 1)
        first = rest[4:]
        header, bare = first[:first.index(b"n=")], first[first.index(b"n="):]
        nonce = bare.split(b"r=")[1] + b"more"
        server_first = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(salt),
                                            rounds)
        tls.sendall(sasl(11, server_first))
        _, final = read_message(tls)
        unsigned, proof = final.split(b",p=")
        bound = base64.b64decode(unsigned.split(b",")[0][2:])
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
        key = hmac256(salted, b"Client Key")
        signed = b",".join((bare, server_first, unsigned))
        signature = hmac256(hashlib.sha256(key).digest(), signed)
        right = bytes(a ^ b for a, b in zip(key, signature))
        digest = hashlib.sha256(made.der("server")).digest()
        found.put((mechanism.decode(), header.decode(),
                   bound == header + digest,
                   base64.b64decode(proof) == right))
        answer = hmac256(hmac256(salted, b"Server Key"), signed)
        tls.sendall(sasl(12, b"v=" + base64.b64encode(answer)) +
                    sasl(0, b"") +
                    message("K", struct.pack(">II", 1, 2)) +
                    message("Z", b"I"))
        while tls.recv(1000):
            tls.sendall(message("C", b"SELECT 0\0") + message("Z", b"I"))
    return Listener(serve)


def test_a_server_that_offers_only_SCRAM_SHA_256_PLUS_is_logged_in_to(world):
    made, found = certificates(world), queue.Queue()
    with scram_plus_server(made, b"secret", found) as server:
        weir = world.start(
            "server_tls_sslmode = verify-full\n" + made.back(ca="ca"),
            databases=f"app = host=127.0.0.1 port={server.port}")
        weir.sql("", user="app")
        assert found.get(timeout=30) == (
            "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", True, True)


def test_a_server_without_the_secret_is_not_believed(world):
    made, found = certificates(world), queue.Queue()
    with scram_plus_server(made, b"other", found) as server:
        weir = world.start("server_tls_sslmode = require",
                           databases=f"app = host=127.0.0.1 "
                           f"port={server.port}")
        assert "SCRAM failed" in refused(weir)


def test_bytes_in_the_clear_behind_the_answer_to_SSLRequest_end_it(world):
    def serve(connection):
        exactly(connection, 8)
        connection.sendall(b"S" + sasl(0, b"") + message("Z", b"I"))
        while connection.recv(1000):
            pass
    with Listener(serve) as server:
        for mode in ("prefer", "require"):
            weir = world.start(
                f"server_tls_sslmode = {mode}\nserver_connect_timeout = 1",
                databases=f"app = host=127.0.0.1 port={server.port}")
            told = refused(weir)
            assert f"127.0.0.1:{server.port}" in told, told


def test_a_server_that_stops_in_the_handshake_is_given_up_in_time(world):
    def serve(connection):
        exactly(connection, 8)
        connection.sendall(b"S")
        while connection.recv(1000):
            pass
    with Listener(serve) as server:
        weir = world.start("server_connect_timeout = 1s",
                           databases=f"stuck = host=127.0.0.1 "
                           f"port={server.port}")
        told = refused(weir, dbname="stuck")
        assert "TLS handshake did not end" in told, told
        assert f"127.0.0.1:{server.port}" in told, told
        assert weir.sql("select 1", user="app") == "1"


def test_over_a_unix_socket_there_is_no_TLS_behind(world):
    with postgres_with_tls(world):
        weir = world.start("server_tls_sslmode = verify-full",
                           host=world.top)
        assert not is_tls_behind(weir)


def test_a_reload_of_server_tls_sslmode_holds_for_new_connections(world):
    with postgres_with_tls(world):
        weir = world.start("server_tls_sslmode = disable")
        assert not is_tls_behind(weir)
        weir.write(world.config("server_tls_sslmode = require"))
        weir.console("reload", password="pw")
        weir.console("reconnect", password="pw")
        wait_until("connections are encrypted", lambda: is_tls_behind(weir))
