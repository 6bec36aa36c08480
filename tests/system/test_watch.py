"""auto_reload: what Kubernetes mounts and editors replace is noticed."""

import os

from cluster import Failed, wait_until
from secure import TlsClient, certificate_of, certificates
from web import OPTIONS, metrics, value
from wire import Client, query


class Mount:
    """A directory as kubelet fills it: files are links through ..data."""

    def __init__(self, world, name, **files):
        self.dir = os.path.join(world.top, name)
        self.number = 0
        os.makedirs(self.dir)
        self.swap(**files)
        for key in files:
            os.symlink(f"..data/{key}", self.path(key))

    def path(self, key):
        return os.path.join(self.dir, key)

    def swap(self, **files):
        self.number += 1
        fresh = f"..2026_{self.number}"
        os.mkdir(self.path(fresh))
        for key, text in files.items():
            with open(os.path.join(self.path(fresh), key), "w") as f:
                f.write(text)
        os.symlink(fresh, self.path("..data_tmp"))
        old = (os.readlink(self.path("..data"))
               if os.path.lexists(self.path("..data")) else None)
        os.rename(self.path("..data_tmp"), self.path("..data"))
        if old is not None:
            for key in os.listdir(self.path(old)):
                os.unlink(os.path.join(self.path(old), key))
            os.rmdir(self.path(old))


def option(weir, name):
    client = Client(weir.port, database="pgweir", user="postgres")
    values = {row[0]: row[1] for row in client.rows("SHOW CONFIG")}
    client.close()
    return values[name]


def mounted(world, name, options=""):
    users = os.path.join(world.top, name + ".users")
    with open(users, "w") as f:
        f.write('"postgres" "pw"\n"app" "secret"\n')

    def text(more):
        return world.config(OPTIONS + options + more).replace("@USERS@",
                                                              users)
    mount = Mount(world, name, config=text(""))
    weir = world.start(config=None, args=[mount.path("config")])
    return mount, weir, text


def test_a_mounted_configuration_that_changes_is_taken_over_and_clients_live(
        world):
    mount, weir, text = mounted(world, "mount-taken")
    client = Client(weir.port)
    client.ask(query("begin"))
    pid = client.one("select pg_backend_pid()")
    for size in ("7", "8", "9"):
        mount.swap(config=text(f"default_pool_size = {size}"))
        wait_until("it is in force",
                   lambda: option(weir, "default_pool_size") == size)
    assert client.one("select pg_backend_pid()") == pid
    client.ask(query("commit"))
    assert value(metrics(weir), "pgweir_config_reloads_total",
                 result="success") == 3


def test_a_mounted_configuration_that_is_wrong_is_refused_and_said_so(world):
    mount, weir, text = mounted(world, "mount-refused")
    mount.swap(config=text("default_pool_size = 7\npool_mode = nonsense"))
    wait_until("it was refused", lambda: value(
        metrics(weir), "pgweir_config_last_reload_successful") == 0)
    assert option(weir, "default_pool_size") == "20"
    assert "was not reloaded" in weir.text() and "nonsense" in weir.text()
    assert weir.sql("select 1") == "1"
    mount.swap(config=text("default_pool_size = 7"))
    wait_until("the right one is taken", lambda: value(
        metrics(weir), "pgweir_config_last_reload_successful") == 1)
    assert option(weir, "default_pool_size") == "7"


def test_passwords_of_clients_follow_a_mounted_secret(world):
    mount = Mount(world, "mount-users", users='"app" "first"\n')
    weir = world.start("auth_type = scram-sha-256\n"
                       f"auth_file = {mount.path('users')}\n")
    info = {"user": "app", "dbname": "app"}
    assert weir.sql("select 1", env={"PGPASSWORD": "first"}, **info) == "1"
    mount.swap(users='"app" "second"\n')

    def works():
        try:
            return weir.sql("select 1", env={"PGPASSWORD": "second"}, **info)
        except Failed:
            return None
    assert wait_until("the new password works", works) == "1"
    try:
        weir.sql("select 1", env={"PGPASSWORD": "first"}, **info)
        raise AssertionError("the old password still works")
    except Failed:
        pass


def test_a_certificate_that_is_renewed_is_shown_to_new_connections(world):
    made = certificates(world)
    texts = {name: {"crt": made.text(name + ".crt"),
                    "key": made.text(name + ".key")}
             for name in ("server", "second")}
    mount = Mount(world, "mount-tls", **texts["server"])
    weir = world.start(f"client_tls_sslmode = require\n"
                       f"client_tls_key_file = {mount.path('key')}\n"
                       f"client_tls_cert_file = {mount.path('crt')}\n")
    assert certificate_of(weir.port) == made.der("server")
    old = TlsClient(weir.port)
    mount.swap(**texts["second"])
    wait_until("the second is shown", lambda: certificate_of(
        weir.port) == made.der("second"))
    assert old.one("select 1") == "1"


def test_the_password_towards_postgresql_follows_password_file(world):
    world.pg.sql("create role rotated login password 'one'")
    world.pg.hba("host all rotated 127.0.0.1/32 scram-sha-256\n"
                 "host all all all trust\nlocal all all trust\n")
    mount = Mount(world, "mount-password", password="one\n")
    weir = world.start(
        OPTIONS, databases="app = host=127.0.0.1 "
        f"port={world.pg.port} user=rotated "
        f"password_file={mount.path('password')}")
    client = Client(weir.port)
    assert client.one("select current_user") == "rotated"
    world.pg.sql("alter role rotated password 'two'")
    mount.swap(password="two\n")
    wait_until("it was read", lambda: value(
        metrics(weir), "pgweir_config_reloads_total", result="success") == 1)
    weir.console("RECONNECT")
    assert client.one("select current_user") == "rotated"
    servers = weir.console("SHOW SERVERS")
    assert "rotated" in servers


def test_a_password_file_that_is_missing_or_empty_refuses_the_whole(world):
    empty = os.path.join(world.top, "empty")
    open(empty, "w").close()
    for path, why in ((empty, "is empty"), (empty + "x", "cannot read")):
        try:
            world.start("", databases="app = host=127.0.0.1 "
                        f"password_file={path}")
            raise AssertionError("it started")
        except AssertionError as error:
            assert why in str(error) and path in str(error), error


def test_editors_that_replace_and_editors_that_overwrite_are_both_seen(world):
    weir = world.start("")
    weir.write(world.config("default_pool_size = 7"))
    wait_until("it was overwritten",
               lambda: option(weir, "default_pool_size") == "7")
    with open(weir.file + ".new", "w") as f:
        f.write(world.config("default_pool_size = 8")
                .replace("@USERS@", weir.users))
    os.rename(weir.file + ".new", weir.file)
    wait_until("it was replaced",
               lambda: option(weir, "default_pool_size") == "8")


def test_an_included_file_is_watched_too_also_a_new_one(world):
    other = os.path.join(world.top, "elsewhere")
    os.makedirs(other)
    weir = world.start("")
    with open(f"{other}/more.ini", "w") as f:
        f.write("[pgweir]\ndefault_pool_size = 7\n")
    weir.write(world.config(f"%include {other}/more.ini"))
    wait_until("it is included",
               lambda: option(weir, "default_pool_size") == "7")
    with open(f"{other}/more.ini", "w") as f:
        f.write("[pgweir]\ndefault_pool_size = 8\n")
    wait_until("it was read again",
               lambda: option(weir, "default_pool_size") == "8")


def test_neighbours_of_the_configuration_do_not_cause_a_reload(world):
    directory = os.path.join(world.top, "neighbours")
    os.makedirs(directory)
    users = f"{directory}/users"
    with open(users, "w") as f:
        f.write('"app" "secret"\n')
    weir = world.start(OPTIONS + f"auth_file = {users}\n")
    for i in range(5):
        open(f"{directory}/other{i}", "w").close()
    with open(users, "a") as f:
        f.write('"more" "secret"\n')
    wait_until("the change was seen", lambda: value(
        metrics(weir), "pgweir_config_reloads_total", result="success") == 1)
    assert weir.text().count("has changed: reloading") == 1


def test_without_auto_reload_nothing_is_watched(world):
    def watches(weir):
        directory = f"/proc/{weir.process.pid}/fd"
        return any("inotify" in os.readlink(f"{directory}/{fd}")
                   for fd in os.listdir(directory))
    weir = world.start("")
    assert watches(weir)
    weir.write(world.config("auto_reload = 0"))
    wait_until("it has stopped watching", lambda: not watches(weir))
    assert not watches(world.start("auto_reload = off"))
    weir.write(world.config("auto_reload = 1"))
    weir.console("RELOAD")
    wait_until("it watches again", lambda: watches(weir))
