"""The story in psycopg2's idiom: libpq, simple queries, its own pool."""

import datetime
import decimal
import io
import json
import os
import select
import threading
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool

URL = os.environ["DATABASE_URL"]
CLIENTS = int(os.environ["STORY_CLIENTS"])


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


def connect(parameters="", **more):
    return psycopg2.connect(URL + parameters, **more)


def one(connection, sql, values=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def error_of(connection, sql, values=None):
    try:
        one(connection, sql, values)
    except psycopg2.Error as error:
        return f"{error.pgcode} {type(error).__name__} {error.diag.message_primary}"
    return "no error"


URLS = [
    "?sslmode=require&options=-csearch_path%3Dnaytife_schema",
    "?sslmode=disable&options=-c%20search_path%3Dnaytife_schema"
    "%20-c%20statement_timeout%3D5s",
    "?options=-csearch_path%3Dnaytife_schema%2Cpublic",
    "?options=--search_path%3Dother_schema",
    "?options=-c%20application_name%3Da%5C%20b",
    "?application_name=x&connect_timeout=5"
    "&target_session_attrs=read-write",
    "?target_session_attrs=primary",
    "?target_session_attrs=prefer-standby",
    "?target_session_attrs=read-only",
    "?target_session_attrs=standby",
    "?sslmode=verify-full&sslrootcert=" + os.environ["STORY_CA"],
    "?sslmode=require&channel_binding=require",
    "?sslmode=disable&channel_binding=require",
    "?options=-c%20default_transaction_isolation%3Dserializable"
    "%20-c%20default_transaction_read_only%3Don",
    "?options=-c%20extra_float_digits%3D-3%20-c%20bytea_output%3Descape"
    "%20-c%20IntervalStyle%3Diso_8601%20-c%20DateStyle%3DGerman",
    "?options=-c%20TimeZone%3DAsia/Tokyo%20-c%20plan_cache_mode"
    "%3Dforce_custom_plan%20-c%20lock_timeout%3D3s",
    "?options=-c%20nosuch%3D1",
    "?options=-c%20statement_timeout%3Dsoon",
    "?options=-c%20role%3Dpg_read_all_data",
    "?client_encoding=latin1",
    "?gssencmode=prefer&keepalives=1&keepalives_idle=10",
]
SHOWN = ("search_path statement_timeout application_name TimeZone DateStyle "
         "IntervalStyle default_transaction_isolation lock_timeout role "
         "default_transaction_read_only extra_float_digits bytea_output "
         "plan_cache_mode client_encoding").split()


def urls():
    for number, parameters in enumerate(URLS):
        try:
            connection = connect(parameters)
        except psycopg2.OperationalError as error:
            text = str(error).strip().split("failed: ")[-1]
            tell(f"url {number}", "refused:", text)
            continue
        connection.autocommit = True
        for _ in range(3):
            seen = [one(connection, f"show {name}") for name in SHOWN]
        tell(f"url {number}", *seen)
        tell(f"url {number}", connection.encoding,
             connection.info.parameter_status("TimeZone"),
             connection.info.parameter_status("DateStyle"),
             connection.info.parameter_status("application_name"),
             connection.info.ssl_in_use)
        if "search_path" in parameters:
            tell(f"url {number}", one(connection,
                                      "select name from product"))
        one(connection, "select set_config('search_path', 'pg_catalog', "
            "false)")
        with connection.cursor() as cursor:
            cursor.execute("reset all")
        tell(f"url {number} reset", one(connection, "show search_path"))
        connection.close()


def types():
    connection = connect()
    values = [True, None, 7, -2 ** 40, 1.5, float("inf"), float("nan"),
              decimal.Decimal("12.340"), "text 'quoted' \\ ü",
              psycopg2.Binary(bytes(range(256))),
              datetime.date(2024, 2, 29), datetime.time(1, 2, 3, 4),
              datetime.datetime(2024, 2, 29, 1, 2, 3, 4),
              datetime.datetime(2024, 2, 29, 1, 2, 3,
                                tzinfo=datetime.timezone.utc),
              datetime.timedelta(days=3, seconds=5), [1, None, 3],
              ["a", 'b"', None], psycopg2.extras.Json({"a": [1, {"b": "c"}]}),
              psycopg2.extras.NumericRange(1, 5), psycopg2.extras.Inet(
                  "10.0.0.0/8")]
    psycopg2.extras.register_uuid()
    for value in values + [uuid.UUID(int=5)]:
        with connection.cursor() as cursor:
            cursor.execute("select %s", (value,))
            seen = cursor.fetchone()[0]
            if isinstance(seen, memoryview):
                seen = bytes(seen).hex()
            tell("types", repr(seen), cursor.description[0].type_code)
    with connection.cursor() as cursor:
        cursor.execute("insert into item values (1, %s, %s, %s, %s, %s, "
                       "%s, %s, %s) returning *", (
                           "name", decimal.Decimal("1.50"), b"\0\xff",
                           json.dumps({"k": 1}), ["x", "y"],
                           "2024-01-01 00:00:00+00", "happy", True))
        row = cursor.fetchone()
        tell("types", *[bytes(v).hex() if isinstance(v, memoryview) else v
                        for v in row])
    connection.rollback()
    connection.close()


def prepared():
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("prepare sum (int, int) as select $1 + $2")
        for i in range(5):
            cursor.execute("execute sum (%s, %s)", (i, 10))
            tell("prepared", cursor.fetchone()[0])
        cursor.execute("select name, from_sql from pg_prepared_statements")
        tell("prepared", cursor.fetchall())
        cursor.execute("deallocate sum")
        tell("prepared", error_of(connection, "execute sum (1, 2)"))
        psycopg2.extras.execute_values(
            cursor, "insert into drawn (name) values %s returning id, name",
            [(f"n{i}",) for i in range(5)])
        tell("prepared", cursor.fetchall())
        psycopg2.extras.execute_batch(
            cursor, "update account set balance = balance + %s where id = %s",
            [(1, i) for i in range(1, 21)], page_size=7)
        cursor.execute("select sum(balance) from account")
        tell("prepared", cursor.fetchone())
    connection.close()


def transactions():
    connection = connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into account values (100, 1)")
        cursor.execute("savepoint a")
        tell("transaction", error_of(
            connection, "insert into account values (100, 2)"))
        tell("transaction", connection.info.transaction_status,
             error_of(connection, "select 1"))
        cursor.execute("rollback to savepoint a")
        cursor.execute("set local search_path = other_schema")
        cursor.execute("select name from product")
        tell("transaction", cursor.fetchone())
        cursor.execute("release savepoint a")
    tell("transaction", one(connection,
                            "select balance from account where id = 100"),
         one(connection, "show search_path"))
    connection.rollback()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("delete from account")
            cursor.execute("select 1 / 0")
    except psycopg2.errors.DivisionByZero as error:
        tell("transaction", error.pgcode)
    tell("transaction", one(connection, "select count(*) from account"))
    connection.rollback()
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True,
                           deferrable=True)
    tell("transaction", one(connection, "show transaction_isolation"),
         error_of(connection, "insert into account values (101, 1)"))
    connection.rollback()
    connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT",
                           deferrable="DEFAULT", autocommit=True)
    tell("transaction", one(connection, "show transaction_isolation"))
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_isolation = 'serializable'")
        cursor.execute("select 1; select 2; select 3")
        tell("transaction", cursor.fetchall(),
             one(connection, "show transaction_isolation"))
        cursor.execute("call pay(1, 2, 10)")
        cursor.execute("select complain('x')")
        tell("transaction", connection.notices)
    tell("transaction", error_of(
        connection, "insert into account values (102, 1); select 1 / 0"))
    tell("transaction", one(
        connection, "select count(*) from account where id = 102"))
    connection.close()


def two_phases():
    connection = connect()
    try:
        connection.tpc_begin(connection.xid(1, "gtrid", "bqual"))
        one(connection, "select 1")
        connection.tpc_prepare()
    except psycopg2.Error as error:
        tell("two phases", error.pgcode)
    connection.close()


def copies():
    connection = connect()
    with connection.cursor() as cursor:
        data = "".join(f"{i}\tname {i}\t{i}.50\n" for i in range(5000))
        cursor.copy_expert("copy item (id, name, price) from stdin",
                           io.StringIO(data))
        tell("copy", cursor.rowcount)
        out = io.StringIO()
        cursor.copy_expert("copy (select id, name from item order by id) "
                           "to stdout with csv header", out)
        tell("copy", len(out.getvalue()), out.getvalue()[:60].split())
        try:
            cursor.copy_expert("copy item (id, name) from stdin",
                               io.StringIO("1\tagain\n"))
        except psycopg2.Error as error:
            tell("copy", error.pgcode)
    connection.rollback()
    tell("copy", one(connection, "select count(*) from item"))
    with connection.cursor() as cursor:
        cursor.copy_from(io.StringIO("9,nine\n"), "item", sep=",",
                         columns=("id", "name"))
    connection.commit()
    tell("copy", one(connection, "select name from item where id = 9"))
    connection.close()


def cursors():
    connection = connect()
    with connection.cursor("named") as cursor:
        cursor.itersize = 7
        cursor.execute("select generate_series(1, 30)")
        tell("cursor", [row[0] for row in cursor])
    connection.commit()
    with connection.cursor("held", withhold=True, scrollable=True) as cursor:
        cursor.execute("select generate_series(1, 30)")
        tell("cursor", cursor.fetchmany(3))
        connection.commit()
        tell("cursor", cursor.fetchmany(3))
        cursor.scroll(-4)
        tell("cursor", cursor.fetchone())
    connection.commit()
    tell("cursor", one(connection, "select count(*) from pg_cursors"))
    connection.close()


def notifications():
    listener = connect()
    listener.autocommit = True
    teller = connect()
    teller.autocommit = True
    with listener.cursor() as cursor:
        cursor.execute("listen news")
        cursor.execute("notify news, 'from myself'")
    listener.poll()
    note = listener.notifies.pop(0)
    tell("notify", note.channel, note.payload,
         note.pid == listener.info.backend_pid)
    with teller.cursor() as cursor:
        for i in range(3):
            cursor.execute("select pg_notify('news', %s)", (f"news {i}",))
    while len(listener.notifies) < 3:
        if not select.select([listener], [], [], 20)[0]:
            tell("notify", "nothing came")
            break
        listener.poll()
    tell("notify", [n.payload for n in listener.notifies])
    with listener.cursor() as cursor:
        cursor.execute("select * from pg_listening_channels()")
        tell("notify", cursor.fetchall())
        cursor.execute("unlisten *")
        cursor.execute("select * from pg_listening_channels()")
        tell("notify", cursor.fetchall())
    listener.close()
    teller.close()


def cancels():
    connection = connect()
    watcher = connect()
    watcher.autocommit = True

    def cancel():
        while not one(watcher, "select count(*) from sleeper"):
            pass
        connection.cancel()
    thread = threading.Thread(target=cancel)
    thread.start()
    tell("cancel", error_of(connection, "select nap(60)"))
    thread.join()
    connection.rollback()
    tell("cancel", one(connection, "select 1"))
    connection.close()
    watcher.close()


def large_objects():
    connection = connect()
    large = connection.lobject(0, "wb")
    large.write(b"x" * 100000 + b"end")
    oid = large.oid
    large.close()
    connection.commit()
    large = connection.lobject(oid, "rb")
    large.seek(99998)
    tell("large object", large.read(), large.tell())
    large.close()
    connection.lobject(oid).unlink()
    connection.commit()
    connection.close()


def sessions():
    connection = connect()
    connection.autocommit = True
    other = connect()
    other.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("set application_name = 'mine'; set timezone = 'UTC'")
        cursor.execute("create temp table mine (a int)")
        cursor.execute("insert into mine values (1)")
        cursor.execute("select pg_advisory_lock(42)")
        cursor.execute("insert into drawn (name) values ('x')")
    tell("session", one(connection, "select a from mine"),
         error_of(other, "select a from mine"),
         one(other, "select pg_try_advisory_lock(42)"),
         one(connection, "select lastval() = currval('drawn_id_seq')"),
         one(connection, "show application_name"),
         repr(one(other, "show application_name")))
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_unlock(42)")
        tell("session", cursor.fetchone(),
             one(other, "select pg_try_advisory_lock(42)"))
        cursor.execute("set app.tenant = 'me'")
    tell("session", one(connection, "show app.tenant"),
         one(other, "select current_setting('app.tenant', true)"))
    with connection.cursor() as cursor:
        cursor.execute("discard all")
    tell("session", error_of(connection, "select a from mine"),
         repr(one(connection, "show application_name")))
    connection.set_client_encoding("LATIN1")
    tell("session", one(connection, "select 'ü'"),
         one(connection, "show client_encoding"))
    connection.reset()
    connection.close()
    other.close()


def changing():
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        for sql in ("select * from changing", "alter table changing add b "
                    "text default 'b'", "select * from changing"):
            cursor.execute(sql)
        tell("changing", cursor.fetchall())
    connection.close()


def pools():
    pool = psycopg2.pool.ThreadedConnectionPool(1, CLIENTS, URL)
    seen = []

    def work(number):
        connection = pool.getconn()
        with connection, connection.cursor() as cursor:
            cursor.execute("select %s::text", (f"pooled {number}",))
            seen.append(cursor.fetchone()[0])
        pool.putconn(connection)
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell("pool", sorted(seen))
    pool.closeall()


def crowd():
    seen = {}
    barrier = threading.Barrier(CLIENTS)

    def work(number):
        lines = seen[number] = []
        connection = connect("?application_name=crowd-%d" % number)
        connection.autocommit = True
        barrier.wait(60)
        with connection.cursor() as cursor:
            cursor.execute("set search_path = " + (
                "naytife_schema", "other_schema", "public")[number % 3])
            for turn in range(10):
                cursor.execute("select name, current_setting("
                               "'application_name') from product")
                lines.append(cursor.fetchone())
                cursor.execute("begin")
                cursor.execute("select pg_advisory_xact_lock(%s)",
                               (number,))
                cursor.execute("select count(*) from pg_locks where "
                               "locktype = 'advisory' and pid = "
                               "pg_backend_pid()")
                lines.append(cursor.fetchone())
                cursor.execute("rollback")
                lines.append(error_of(connection, "select %s / 0", (turn,)))
        connection.close()
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(CLIENTS):
        tell(f"crowd {number}", len(seen[number]), sorted(
            set(map(str, seen[number]))))


for chapter in (urls, types, prepared, transactions, two_phases, copies,
                cursors, notifications, cancels, large_objects, sessions,
                changing, pools, crowd):
    chapter()
