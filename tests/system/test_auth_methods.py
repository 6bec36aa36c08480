"""Each way to log in, lines of auth_hba_file, and who stops half way."""

import hashlib
import os
import pwd
import signal
import subprocess

from cluster import refused
from secure import (SSL_REQUEST, TlsClient, certificates, postgres_hba,
                    postgres_with_tls, wait_for_log)
from wire import Client, error_of, kinds, message, query, startup

LONG = "scram-sha-256"


def md5_of(password, user):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


def let_in(weir, user="app", **more):
    return weir.sql("select current_user", user=user, **more) == user


def scram_of(world, user="app"):
    return world.pg.sql(
        f"select rolpassword from pg_authid where rolname = '{user}'")


def with_hba(world, lines, maps=None, options="", **more):
    hba = os.path.join(world.top, "hba")
    with open(hba, "w") as f:
        f.write(lines)
    options += f"\nauth_type = hba\nauth_hba_file = {hba}\n"
    if maps is not None:
        ident = os.path.join(world.top, "ident")
        with open(ident, "w") as f:
            f.write(maps)
        options += f"auth_ident_file = {ident}\n"
    return world.start(options, **more)


def asked_for(weir, user, **more):
    """The kind of authentication request that this user gets first."""
    client = Client(weir.port, connect=False)
    client.send(startup(user=user, database="app", **more))
    kind, body = client.read()
    client.close()
    if kind == "R":
        return {0: "trust", 3: "plain", 5: "md5", 10: LONG}[body[3]]
    return "refused"


def test_trust_lets_in_who_is_known_and_nobody_else(world):
    weir = world.start("auth_type = trust")
    assert let_in(weir)
    assert "failed" in refused(weir, user="stranger")
    wait_for_log(weir, "the user is unknown")


def any_as_app(world):
    config = world.config("auth_type = any").replace(
        "* = ", "* = user=app password=secret ")
    return world.start(config=config)


def test_any_lets_in_everybody_as_the_user_of_the_database(world):
    weir = any_as_app(world)
    with postgres_hba(world, f"host all all all {LONG}"):
        assert weir.sql("select current_user", user="stranger") == "app"
        assert weir.sql("select current_user", user="app") == "app"


def test_each_method_asks_for_what_its_name_says(world):
    for method, asks in (("trust", "trust"), ("plain", "plain"),
                         ("md5", "md5"), (LONG, LONG)):
        weir = world.start(f"auth_type = {method}")
        assert asked_for(weir, "app") == asks, method
        world.settle()
    assert asked_for(any_as_app(world), "app") == "trust"
    weir = world.start("auth_type = md5",
                       users=f'"app" "{scram_of(world)}"\n')
    assert asked_for(weir, "app") == LONG


def test_each_method_of_a_hba_line_is_carried_out(world):
    for method, asks in (("trust", "trust"), ("password", "plain"),
                         ("md5", "md5"), (LONG, LONG), ("reject", "refused"),
                         ("cert", "refused"), ("peer", "refused")):
        weir = with_hba(world, f"host all all 127.0.0.1/32 {method}\n")
        assert asked_for(weir, "app") == asks, method
        if asks == "refused":
            refused(weir, password="secret")
        else:
            assert let_in(weir, password="secret")
        if asks not in ("trust", "refused"):
            refused(weir, password="wrong")
        world.settle()


def test_cert_in_a_hba_line_uses_its_map(world):
    made = certificates(world)
    options = made.front("server", "ca")
    weir = with_hba(world, "hostssl all all all cert map=m\n",
                    "m app postgres\nother nobody app\n", options)
    assert let_in(weir, "postgres", **made.libpq("app"))
    for user, name in (("app", "app"), ("app", "nobody"),
                       ("postgres", "nobody"), ("postgres", None)):
        refused(weir, user=user, **made.libpq(name))
    weir = with_hba(world, "hostssl all all all cert\n", options=options)
    assert let_in(weir, **made.libpq("app"))
    refused(weir, user="postgres", **made.libpq("app"))
    assert "without TLS" in refused(weir)


def test_hostssl_and_hostnossl_look_at_TLS(world):
    weir = with_hba(world, "hostssl all app all trust\n"
                    "hostnossl all postgres all trust\n")
    assert let_in(weir, sslmode="require")
    assert "without TLS" in refused(weir)
    assert let_in(weir, "postgres")
    refused(weir, user="postgres", sslmode="require")


def test_the_first_line_that_fits_decides(world):
    weir = with_hba(world, f"""# a comment
host  app  app  127.0.0.1/32  {LONG}  # and another
host  app  app  all           trust
host  "all" all all           trust
host  sameuser all all        trust
host  all  postgres 127.0.0.0 255.0.0.0 trust
host  one,two,app  nobody,"we ird" ::1/128,127.0.0.1 reject
""".replace("::1/128,127.0.0.1", "127.0.0.1/32"),
        users='"app" "secret"\n"postgres" "pw"\n"we ird" "x"\n')
    refused(weir, password="wrong")
    assert let_in(weir, password="secret")
    assert "no line" in refused(weir, dbname="postgres")
    assert let_in(weir, "postgres", dbname="app")
    assert let_in(weir, "postgres", dbname="postgres")
    assert "no line" in refused(weir, user="we ird")


def test_a_line_that_cannot_be_read_is_named_at_start(world):
    for line, word in (("host all all all ldap", "ldap"),
                       ("host all all all", "method"),
                       ("host all all 127.0.0.1/33 trust", "address"),
                       ("host all +group all trust", "group"),
                       ("hots all all all trust", "hots"),
                       ("host all all all cert clientname=DN", "clientname"),
                       ("host all all db.example.com trust", "names")):
        try:
            with_hba(world, "local all all trust\n\n" + line + "\n")
        except AssertionError as error:
            assert word in str(error) and ":3:" in str(error), error
        else:
            raise AssertionError(line + " was taken")


def over_socket(world):
    return {"host": world.top}


def as_user(world, name, weir, user, database="app"):
    """psql over the unix socket, run as another user of the system."""
    command = ["runuser", "-u", name, "--", "psql", "-XAtq", "-h", world.top,
               "-p", str(weir.port), "-U", user, "-d", database, "-c",
               "show version" if database == "pgweir" else
               "select current_user"]
    return subprocess.run(command, capture_output=True, text=True, cwd="/",
                          env={"PATH": os.environ["PATH"]})


def own_name():
    return pwd.getpwuid(os.geteuid()).pw_name


def test_peer_lets_in_the_user_of_the_system(world):
    own = own_name()
    world.pg.sql([f'drop role if exists "{own}"',
                  f'create role "{own}" login'])
    weir = with_hba(world, "local all all peer\nhost all all all reject\n",
                    options=f"unix_socket_dir = {world.top}",
                    users=f'"{own}" ""\n"app" "secret"\n')
    assert let_in(weir, own, **over_socket(world))
    assert "peer authentication failed" in refused(weir,
                                                   **over_socket(world))
    refused(weir, user=own)


def test_peer_uses_the_map_of_its_line(world):
    own = own_name()
    weir = with_hba(world, "local all all peer map=m\n",
                    f"m {own} app\nm nobody postgres\nn {own} postgres\n",
                    options=f"unix_socket_dir = {world.top}")
    assert let_in(weir, **over_socket(world))
    assert "peer authentication failed" in refused(
        weir, user="postgres", **over_socket(world))
    if own == "root":
        assert as_user(world, "nobody", weir, "postgres").stdout == \
            "postgres\n"
        assert as_user(world, "nobody", weir, "app").returncode != 0


def test_the_console_opens_over_the_socket_for_who_runs_the_process(world):
    weir = world.start(f"unix_socket_dir = {world.top}\nauth_type = {LONG}",
                       users='"app" "secret"\n')
    for user in ("pgweir", "pgbouncer"):
        assert "pgweir" in weir.console("show version", user=user,
                                        **over_socket(world)).lower()
        weir.console("reload", user=user, **over_socket(world))
    refused(weir, user="pgweir", dbname="pgweir")
    refused(weir, user="pgweir", dbname="app", **over_socket(world))
    refused(weir, user="app", dbname="pgweir", **over_socket(world))
    if own_name() == "root":
        done = as_user(world, "nobody", weir, "pgweir", "pgweir")
        assert done.returncode != 0, done.stdout


def test_a_stored_md5_secret_is_enough_for_an_md5_server(world):
    world.pg.sql(["drop role if exists old", "set password_encryption='md5'",
                  "create role old login password 'secret'"])
    users = f'"old" "{md5_of("secret", "old")}"\n'
    with postgres_hba(world, "host all all all md5"):
        for auth_type in ("md5", "plain", "trust"):
            weir = world.start(f"auth_type = {auth_type}", users=users)
            assert let_in(weir, "old", password="secret")
            world.settle()
    with postgres_hba(world, "host all all all password"):
        weir = world.start("auth_type = md5", users=users)
        told = refused(weir, user="old", password="secret")
        assert "put the plain password there" in told, told


def test_what_a_client_types_opens_a_server_that_wants_it_plain(world):
    with postgres_hba(world, "host all all all password"):
        weir = world.start("auth_type = plain",
                           users=f'"app" "{scram_of(world)}"\n')
        assert let_in(weir, password="secret")


def test_the_same_stored_SCRAM_secret_serves_on_both_sides(world):
    users = f'"app" "{scram_of(world)}"\n'
    with postgres_hba(world, f"host all all all {LONG}"):
        weir = world.start(f"auth_type = {LONG}", users=users)
        assert let_in(weir, password="secret")
        assert let_in(weir, password="secret", sslmode="require",
                      channel_binding="require")
        refused(weir, password="wrong")
        weir.signal(signal.SIGHUP)
        wait_for_log(weir, "the configuration was reloaded")
        assert let_in(weir, password="secret")


def test_a_SCRAM_secret_that_the_server_does_not_have_is_refused(world):
    here = scram_of(world)
    world.pg.sql("alter role app password 'secret'")
    assert scram_of(world) != here
    with postgres_hba(world, f"host all all all {LONG}"):
        weir = world.start(f"auth_type = {LONG}", users=f'"app" "{here}"\n')
        told = refused(weir, password="secret")
        assert "authentication failed" in told or "SCRAM" in told, told


def test_scram_plus_is_offered_over_TLS_alone(world):
    weir = world.start(f"auth_type = {LONG}")
    client = Client(weir.port, connect=False)
    client.send(startup(user="app", database="app"))
    assert client.read()[1][4:] == b"SCRAM-SHA-256\0\0"
    client = TlsClient(weir.port, login=False)
    client.send(startup(user="app", database="app"))
    assert client.read()[1][4:] == b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"


def test_scram_plus_works_with_each_kind_of_certificate(world):
    made = certificates(world)
    users = f'"app" "{scram_of(world)}"\n'
    for name in ("server", "rsa", "sha512"):
        weir = world.start(f"auth_type = {LONG}\n" + made.front(name),
                           users=users)
        assert let_in(weir, password="secret", sslmode="require",
                      channel_binding="require")
        world.settle()
        rules = f"hostssl all all all {LONG}"
        with postgres_with_tls(world, name, rules):
            weir = world.start("server_tls_sslmode = require")
            assert let_in(weir)
            world.settle()


def test_a_certificate_without_a_digest_leaves_scram_plus_out(world):
    made = certificates(world)
    weir = world.start(f"auth_type = {LONG}\n" + made.front("ed25519"))
    assert let_in(weir, password="secret", sslmode="require")
    client = TlsClient(weir.port, login=False)
    client.send(startup(user="app", database="app"))
    assert client.read()[1][4:] == b"SCRAM-SHA-256\0\0"


def test_a_client_that_was_told_of_no_scram_plus_is_refused(world):
    weir = world.start(f"auth_type = {LONG}")
    for first, told in ((b"y,,n=,r=abcdefgh", "negotiation error"),
                        (b"p=tls-unique,,n=,r=abcdefgh", "channel binding"),
                        (b"x,,n=,r=abcdefgh", "malformed")):
        client = TlsClient(weir.port, login=False)
        client.send(startup(user="app", database="app"))
        client.read()
        client.send(message("p", b"SCRAM-SHA-256\0" +
                            len(first).to_bytes(4, "big") + first))
        assert told in error_of(client.until_ready())["M"]


def cpu_of(weir):
    """Nanoseconds that all threads of the process have computed."""
    total = 0
    for task in os.listdir(f"/proc/{weir.process.pid}/task"):
        with open(f"/proc/{weir.process.pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total


def assert_same_work(known, unknown, what):
    """Others on the machine only add, so the least of some rounds counts."""
    rounds = [(known(), unknown()) for _ in range(7)]
    ratio = min(u for _, u in rounds) / min(k for k, _ in rounds)
    assert 0.5 < ratio < 2, (what, ratio, rounds)


def work_of(weir, user, answer):
    before = cpu_of(weir)
    for _ in range(15):
        client = Client(weir.port, connect=False)
        client.send(startup(user=user, database="app"))
        client.read()
        client.send(answer)
        assert error_of(client.until_ready())["C"] == "28P01"
        client.close()
    return cpu_of(weir) - before


PLAIN_ANSWER = message("p", b"wrong\0")


def test_an_unknown_user_is_asked_like_a_known_one(world):
    for auth_type in ("plain", "md5", LONG):
        for secret in ("secret", md5_of("secret", "app"), scram_of(world)):
            weir = world.start(f"auth_type = {auth_type}",
                               users=f'"app" "{secret}"\n')
            assert asked_for(weir, "app") == asked_for(weir, "nobody"), \
                (auth_type, secret)
            world.settle()


def test_an_unknown_user_costs_as_much_work_as_a_wrong_password(world):
    for secret in ("secret", md5_of("secret", "app"), scram_of(world)):
        weir = world.start("auth_type = plain\nworkers = 1",
                           users=f'"app" "{secret}"\n')
        work_of(weir, "app", PLAIN_ANSWER)
        assert_same_work(lambda: work_of(weir, "app", PLAIN_ANSWER),
                         lambda: work_of(weir, "nobody", PLAIN_ANSWER),
                         secret)
        world.settle()


def first_of_scram(weir, users):
    """What the first step of SCRAM costs for users not seen before."""
    before = cpu_of(weir)
    for user in users:
        client = Client(weir.port, connect=False)
        client.send(startup(user=user, database="app"))
        client.read()
        first = b"n,,n=,r=abcdefgh"
        client.send(message("p", b"SCRAM-SHA-256\0" +
                            len(first).to_bytes(4, "big") + first))
        assert client.read()[0] == "R"
        client.close()
    return cpu_of(weir) - before


def test_the_first_SCRAM_of_an_unknown_user_costs_as_much(world):
    for secret in ("secret", scram_of(world)):
        users = "".join(f'"u{n}" "{secret}"\n' for n in range(120))
        weir = world.start(f"auth_type = {LONG}\nworkers = 1", users=users)
        first_of_scram(weir, ["u0", "x0"] * 5)
        names = iter(range(1, 1000)), iter(range(1, 1000))
        assert_same_work(
            lambda: first_of_scram(weir, [f"u{next(names[0])}"
                                          for _ in range(15)]),
            lambda: first_of_scram(weir, [f"x{next(names[1])}"
                                          for _ in range(15)]), secret)
        world.settle()


def stuck_clients(weir):
    """Twenty: without a word, in the handshake, in SCRAM, in a packet."""
    clients = []
    for number in range(20):
        client = Client(weir.port, connect=False)
        if number % 4 == 1:
            client.send(SSL_REQUEST)
            assert client.socket.recv(1) == b"S"
            client.send(b"\x16\x03\x01\x02\x00\x01\x00")
        elif number % 4 == 2:
            client.send(startup(user="app", database="app"))
            assert client.read()[0] == "R"
        elif number % 4 == 3:
            client.send(startup(user="app", database="app")[:-5])
        clients.append(client)
    return clients


def test_twenty_stuck_logins_hinder_nobody_and_end_at_the_limit(world):
    weir = world.start(f"auth_type = {LONG}\nclient_login_timeout = 2\n"
                       "workers = 1\nlog_repeat_interval = 0")
    clients = stuck_clients(weir)
    for _ in range(3):
        assert let_in(weir, password="secret")
        assert let_in(weir, password="secret", sslmode="require")
    for number, client in enumerate(clients):
        told = error_of(client.until_ready())
        if number % 4 >= 2:
            assert "client_login_timeout" in told["M"], told
        assert client.read() is None
    lines = [line for line in weir.text().splitlines()
             if "WARNING client" in line and "client_login_timeout" in line]
    assert len(lines) == 20, "\n".join(lines)


def test_who_sends_a_byte_a_moment_is_closed_at_the_limit_too(world):
    weir = world.start("client_login_timeout = 1")
    client = Client(weir.port, connect=False)
    packet = startup(user="app", database="app", application_name="x" * 4000)
    try:
        for at in range(len(packet) - 1):
            client.send(packet[at:at + 1])
            client.socket.settimeout(0.01)
            try:
                if not client.socket.recv(1000):
                    break
            except TimeoutError:
                continue
            break
        else:
            raise AssertionError("it was never closed")
    except (BrokenPipeError, ConnectionResetError):
        pass
    wait_for_log(weir, "client_login_timeout")


def test_what_is_sent_behind_the_startup_packet_is_carried_out(world):
    weir = world.start("auth_type = trust")
    for database in ("app", "pgweir"):
        client = Client(weir.port, connect=False)
        client.send(startup(user="postgres", database=database) +
                    query("show client_encoding" if database == "app" else
                          "show version") + query("show"))
        assert kinds(client.until_ready()).endswith("Z")
        assert "D" in kinds(client.until_ready())
        assert error_of(client.until_ready())["C"] == "42601"


def test_a_password_may_come_with_the_startup_packet(world):
    for options in ("auth_type = plain", "auth_type = plain\nauth_user = "
                    "postgres\nauth_dbname = postgres"):
        weir = world.start(options, users='"postgres" "pw"\n'
                           if "auth_user" in options else None)
        for _ in range(2):
            client = Client(weir.port, connect=False)
            client.send(startup(user="app", database="app") +
                        message("p", b"secret\0") + query("select 7"))
            answer = client.until_ready()
            assert kinds(answer).startswith("RR"), kinds(answer)
            assert "D" in kinds(client.until_ready())
        world.settle()


def test_a_query_before_the_end_of_SCRAM_is_never_executed(world):
    weir = world.start(f"auth_type = {LONG}")
    client = Client(weir.port, connect=False)
    client.send(startup(user="app", database="app") +
                query("create table should_not_be (a int)"))
    answer = client.until_ready()
    assert error_of(answer)["C"] == "08P01"
    assert world.pg.sql("select count(*) from pg_class where relname = "
                        "'should_not_be'", database="app") == "0"
