"""TLS towards applications: the six modes, certificates, direct TLS."""

import signal
import socket
import ssl
import struct

from cluster import psql_run, refused, wait_until
from secure import (ALPN, SSL_REQUEST, TlsClient, certificate_of,
                    certificates, client_context, wait_for_log)
from wire import Client, error_of, kinds, query, startup

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def front(world, mode, name="server", ca=None, options=""):
    made = certificates(world)
    return made, world.start(f"client_tls_sslmode = {mode}\n" +
                             made.front(name, ca) + options)


def with_certificate(made, name):
    context = client_context()
    context.load_cert_chain(made.path(name + ".crt"),
                            made.path(name + ".key"))
    return context


def handshake_fails(weir, context):
    """The handshake, or (in TLS 1.3) the first read after it."""
    try:
        client = TlsClient(weir.port, context, login=False)
        client.send(startup(user="app", database="app"))
        return client.read() is None
    except (ssl.SSLError, ConnectionError, BrokenPipeError):
        return True


def test_disable_answers_N_and_never_speaks_TLS(world):
    _, weir = front(world, "disable")
    assert certificate_of(weir.port) is None
    assert "server does not support SSL" in refused(weir, sslmode="require")
    for mode in ("disable", "allow", "prefer"):
        assert weir.sql("select 1", user="app", sslmode=mode) == "1"
    assert "over TLS" not in weir.text()


def test_allow_and_prefer_leave_it_to_the_client(world):
    for mode in ("allow", "prefer"):
        made, weir = front(world, mode)
        for said in ("disable", "allow"):
            assert weir.sql("select 1", user="app", sslmode=said) == "1"
        assert "over TLS" not in weir.text()
        for said in ("prefer", "require"):
            assert weir.sql("select 1", user="app", sslmode=said) == "1"
        assert weir.sql("select 1", user="app", **made.libpq()) == "1"
        assert weir.text().count("over TLSv1.3") == 3
        world.settle()


def test_require_refuses_who_comes_in_the_clear_and_says_so(world):
    made, weir = front(world, "require")
    assert "TLS is required" in refused(weir, sslmode="disable")
    assert weir.sql("select 1", user="app", sslmode="require") == "1"
    assert weir.sql("select 1", user="app", **made.libpq()) == "1"
    client = Client(weir.port, connect=False)
    told = client.login()
    assert error_of(told)["C"] == "28000"
    assert client.read() is None


def test_a_client_certificate_is_demanded_in_verify_ca_and_verify_full(world):
    for mode in ("verify-ca", "verify-full"):
        made, weir = front(world, mode, ca="ca")
        assert "TLS is required" in refused(weir, sslmode="disable")
        assert weir.sql("select 1", user="app", **made.libpq("app")) == "1"
        assert handshake_fails(weir, client_context())
        wait_for_log(weir, "peer did not return a certificate")
        assert handshake_fails(weir, with_certificate(made, "false_app"))
        wait_for_log(weir, "certificate verification failed")
        assert weir.sql("select 1", user="app", **made.libpq("app")) == "1"
        world.settle()


def test_verify_ca_and_verify_full_without_a_ca_file_do_not_start(world):
    made = certificates(world)
    for mode in ("verify-ca", "verify-full"):
        try:
            world.start(f"client_tls_sslmode = {mode}\n" +
                        made.front("server"))
        except AssertionError as error:
            assert "needs a CA file" in str(error), error
        else:
            raise AssertionError("it started")


def test_a_certificate_is_only_asked_for_below_verify_ca(world):
    for mode in ("allow", "prefer", "require"):
        made, weir = front(world, mode, ca="ca")
        for name in (None, "app"):
            assert weir.sql("select 1", user="app",
                            **made.libpq(name)) == "1"
        assert handshake_fails(weir, with_certificate(made, "false_app"))
        world.settle()


def test_a_key_that_does_not_fit_is_named_at_start(world):
    made = certificates(world)
    pairs = (("server.key", "second.crt"), ("missing.key", "server.crt"),
             ("server.key", "missing.crt"), ("server.crt", "server.crt"))
    for key, certificate in pairs:
        try:
            world.start(f"client_tls_key_file = {made.path(key)}\n"
                        f"client_tls_cert_file = {made.path(certificate)}")
        except AssertionError as error:
            assert made.path(key) in str(error) or \
                made.path(certificate) in str(error), error
        else:
            raise AssertionError("it started")


def test_cert_authentication_takes_the_common_name_for_the_user(world):
    made, weir = front(world, "require", ca="ca", options="auth_type = cert")
    assert weir.sql("select 1", user="app", **made.libpq("app")) == "1"
    told = refused(weir, **made.libpq("nobody"))
    assert "failed" in told and "another name" in weir.text()
    told = refused(weir, **made.libpq())
    assert "client certificate" in told
    assert "TLS is required" in refused(weir, sslmode="disable")


def test_sighup_gives_new_connections_the_new_certificate(world):
    made, weir = front(world, "prefer")
    old = TlsClient(weir.port)
    assert old.socket.getpeercert(True) == made.der("server")
    weir.write(world.config(made.front("second")))
    weir.signal(signal.SIGHUP)
    wait_until("new connections get the new certificate",
               lambda: certificate_of(weir.port) == made.der("second"))
    assert old.one("select 1") == "1"
    assert TlsClient(weir.port).one("select 2") == "2"
    assert old.one("select length(repeat('x', 100000))") == "100000"


def test_sighup_notices_a_file_whose_content_changed(world):
    made = certificates(world)
    made.make("changing", "localhost")
    first = made.der("changing")
    weir = world.start(made.front("changing"))
    assert certificate_of(weir.port) == first
    made.make("changing", "localhost")
    weir.signal(signal.SIGHUP)
    wait_until("the file was read again",
               lambda: certificate_of(weir.port) == made.der("changing"))


def test_sighup_with_a_broken_certificate_changes_nothing(world):
    made, weir = front(world, "prefer")
    with open(made.path("broken.crt"), "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnonsense\n")
    weir.write(world.config(
        "auth_type = any\n"
        f"client_tls_key_file = {made.path('server.key')}\n"
        f"client_tls_cert_file = {made.path('broken.crt')}"))
    weir.signal(signal.SIGHUP)
    wait_until("the broken file is named",
               lambda: made.path("broken.crt") in weir.text())
    assert certificate_of(weir.port) == made.der("server")
    shown = weir.console("show config", password="pw")
    assert "auth_type|trust" in shown


def test_a_client_in_the_handshake_during_sighup_gets_through(world):
    made, weir = front(world, "prefer")
    client = Client(weir.port, connect=False)
    client.send(SSL_REQUEST)
    assert client.socket.recv(1) == b"S"
    weir.write(world.config(made.front("second")))
    weir.signal(signal.SIGHUP)
    wait_until("new connections get the new certificate",
               lambda: certificate_of(weir.port) == made.der("second"))
    with client_context().wrap_socket(client.socket) as tls:
        assert tls.getpeercert(True) == made.der("server")


def agreed(weir, lowest=None, highest=None, ciphers=None):
    context = client_context()
    if lowest:
        context.minimum_version = lowest
    if highest:
        context.maximum_version = highest
    if ciphers:
        context.set_ciphers(ciphers)
    try:
        client = TlsClient(weir.port, context)
    except (ssl.SSLError, ConnectionError):
        return None
    assert client.one("select 1") == "1"
    return client.socket.version(), client.socket.cipher()[0]


def test_client_tls_protocols_says_which_versions_are_spoken(world):
    two, three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    for option, both, old, new in (
            ("secure", "TLSv1.3", "TLSv1.2", "TLSv1.3"),
            ("tlsv1.2", "TLSv1.2", "TLSv1.2", None),
            ("tlsv1.3", "TLSv1.3", None, "TLSv1.3"),
            ("tlsv1.2,tlsv1.3", "TLSv1.3", "TLSv1.2", "TLSv1.3")):
        _, weir = front(world, "prefer",
                        options=f"client_tls_protocols = {option}")
        assert agreed(weir)[0] == both
        assert (agreed(weir, highest=two) or [None])[0] == old
        assert (agreed(weir, lowest=three) or [None])[0] == new
        world.settle()


def test_client_tls_ciphers_says_which_ciphers_are_used(world):
    _, weir = front(world, "prefer", name="rsa", options=(
        "client_tls_ciphers = ECDHE-RSA-AES128-GCM-SHA256\n"
        "client_tls13_ciphers = TLS_CHACHA20_POLY1305_SHA256"))
    assert agreed(weir) == ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")
    two = ssl.TLSVersion.TLSv1_2
    assert agreed(weir, highest=two) == \
        ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    assert agreed(weir, highest=two,
                  ciphers="ECDHE-RSA-AES256-GCM-SHA384") is None
    wait_for_log(weir, "no shared cipher")


def test_unknown_protocols_and_ciphers_are_named_at_start(world):
    for option in ("client_tls_protocols = tlsv9", "server_tls_ciphers = none",
                   "client_tls13_ciphers = NONE", "client_tls_sslmode = yes",
                   "client_tls_ecdhcurve = round"):
        try:
            world.start(option)
        except AssertionError as error:
            assert option.split()[-1] in str(error), error
        else:
            raise AssertionError(option + " was taken")


def test_direct_TLS_with_ALPN_is_accepted(world):
    _, weir = front(world, "prefer")
    for context in (client_context(ALPN), client_context("http/1.1", ALPN)):
        client = TlsClient(weir.port, context, is_direct=True)
        assert client.socket.selected_alpn_protocol() == ALPN
        assert client.one("select 1") == "1"
    _, weir = front(world, "require")
    client = TlsClient(weir.port, client_context(ALPN), is_direct=True)
    assert client.one("select 1") == "1"


def test_direct_TLS_without_ALPN_is_refused(world):
    _, weir = front(world, "prefer")
    client = TlsClient(weir.port, client_context(), is_direct=True,
                       login=False)
    assert client.read() is None
    wait_for_log(weir, 'direct TLS without ALPN "postgresql"')
    try:
        TlsClient(weir.port, client_context("http/1.1"), is_direct=True,
                  login=False)
    except ssl.SSLError as error:
        assert "no application protocol" in str(error), error
    else:
        raise AssertionError("it was let in with another ALPN")
    assert TlsClient(weir.port).one("select 1") == "1"


def test_direct_TLS_is_refused_where_TLS_is_disabled(world):
    _, weir = front(world, "disable")
    try:
        TlsClient(weir.port, client_context(ALPN), is_direct=True)
    except (ssl.SSLError, ConnectionError):
        pass
    else:
        raise AssertionError("it was let in")
    wait_for_log(weir, "direct TLS, but client_tls_sslmode is disable")
    assert weir.sql("select 1", user="app") == "1"


def test_TLS_inside_TLS_is_not_spoken(world):
    _, weir = front(world, "prefer")
    client = TlsClient(weir.port, login=False)
    client.send(SSL_REQUEST)
    assert client.socket.recv(1) == b"N"
    assert kinds(client.login()).endswith("Z")


def test_rubbish_instead_of_a_handshake_hurts_nobody_else(world):
    _, weir = front(world, "prefer")
    other = TlsClient(weir.port)
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" * 9000,
                    b"\x15\x03\x01\x00\x02\x02\x28", bytes(70000)):
        client = Client(weir.port, connect=False)
        client.send(SSL_REQUEST)
        assert client.socket.recv(1) == b"S"
        try:
            client.send(rubbish)
            while client.socket.recv(1000):
                pass
        except ConnectionError:
            pass
        assert other.one("select 1") == "1"
    wait_for_log(weir, "closed during login: TLS failed", 4)


def test_a_query_in_pieces_of_one_byte_a_record_is_understood(world):
    _, weir = front(world, "prefer")
    client = TlsClient(weir.port)
    for byte in query("select 'in pieces'"):
        client.socket.sendall(bytes([byte]))
    assert "D" in kinds(client.until_ready())


def test_a_client_may_leave_without_a_word_of_TLS(world):
    _, weir = front(world, "prefer", options="default_pool_size = 1")
    for _ in range(10):
        client = TlsClient(weir.port)
        assert client.one("select 1") == "1"
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        client.close()
    assert weir.sql("select 1", user="app", sslmode="require") == "1"
    assert "ERROR" not in weir.text(), weir.text()


def test_a_cancel_request_over_TLS_cancels(world):
    _, weir = front(world, "require")
    client = TlsClient(weir.port)
    client.send(query("select pg_sleep(60)"))
    wait_until("the statement runs", lambda: world.pg.sql(
        "select 1 from pg_stat_activity where query like 'select pg_sleep%'"
        " and state = 'active'") == "1")
    other = TlsClient(weir.port, login=False)
    other.send(struct.pack(">IIII", 16, 80877102, client.pid, client.key))
    assert other.read() is None
    assert error_of(client.until_ready())["C"] == "57014"


def test_the_certificate_of_this_process_is_used_by_every_worker(world):
    weir = world.start("workers = 2")
    seen = {certificate_of(weir.port) for _ in range(8)}
    assert len(seen) == 1 and None not in seen
    assert "self-signed" in weir.text()
    assert psql_run("select 1", port=weir.port, dbname="app", user="app",
                    sslmode="require").returncode == 0


def test_the_certificate_of_this_process_outlives_a_reload(world):
    weir = world.start()
    made = certificate_of(weir.port)
    weir.console("set server_idle_timeout = 7", password="pw")
    weir.signal(signal.SIGHUP)
    wait_for_log(weir, "the configuration was reloaded")
    assert certificate_of(weir.port) == made
    other = world.start()
    assert certificate_of(other.port) != made


def test_there_is_no_TLS_over_a_unix_socket(world):
    made = certificates(world)
    weir = world.start(f"unix_socket_dir = {world.top}\n"
                       "client_tls_sslmode = require\n" +
                       made.front("server"))
    assert weir.sql("select 1", user="app", host=world.top) == "1"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{world.top}/.s.PGSQL.{weir.port}")
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"N"


def test_every_mode_has_its_name_in_show_config(world):
    for mode in MODES:
        _, weir = front(world, mode, ca="ca", options=(
            f"server_tls_sslmode = {mode}\nunix_socket_dir = {world.top}"))
        shown = weir.console("show config", host=world.top)
        assert f"client_tls_sslmode|{mode}" in shown
        assert f"server_tls_sslmode|{mode}" in shown
        world.settle()
