"""The story in psycopg 3's idiom: server-side parameters, text and binary,
prepared statements after five times (or at once, STORY_MODE=prepared),
pipelines, asynchronous connections."""

import asyncio
import datetime
import decimal
import ipaddress
import os
import uuid

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range
from psycopg_pool import AsyncConnectionPool

URL = os.environ["DATABASE_URL"]
# Nobody listens at the first of them.
TWO_HOSTS = URL.replace("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:")
CLIENTS = int(os.environ["STORY_CLIENTS"])
THRESHOLD = 0 if os.environ["STORY_MODE"] == "prepared" else 5


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


def connect(parameters="", **more):
    connection = psycopg.connect(
        (TWO_HOSTS if "&two" in parameters else URL) +
        parameters.replace("&two", ""), **more)
    connection.prepare_threshold = THRESHOLD
    return connection


def one(connection, text, values=None, **more):
    return connection.execute(text, values, **more).fetchone()[0]


def error_of(connection, text, values=None):
    try:
        one(connection, text, values)
    except psycopg.Error as error:
        return f"{error.sqlstate} {type(error).__name__} {error.diag.message_primary}"
    return "no error"


URLS = [
    "?sslmode=require&options=-csearch_path%3Dnaytife_schema",
    "?options=-c%20search_path%3Dother_schema%20-c%20"
    "statement_timeout%3D5s%20--lock_timeout%3D3s",
    "?application_name=x&connect_timeout=5"
    "&target_session_attrs=read-write",
    "?sslmode=verify-full&sslrootcert=" + os.environ["STORY_CA"],
    "?sslmode=require&channel_binding=require",
    "?target_session_attrs=read-write&two",
    "?target_session_attrs=primary&application_name=y&two",
    "?options=-c%20nosuch%3D1",
    "?options=-c%20role%3Dpg_read_all_data%20-c%20TimeZone%3DAsia/Tokyo",
]


def urls():
    for number, parameters in enumerate(URLS):
        try:
            connection = connect(parameters, autocommit=True)
        except psycopg.OperationalError as error:
            tell(f"url {number}", str(error).split("failed: ")[-1])
            continue
        seen = [one(connection, f"show {name}") for name in (
            "search_path", "statement_timeout", "application_name",
            "lock_timeout", "role", "TimeZone")]
        tell(f"url {number}", *seen, connection.info.parameter_status(
            "TimeZone"), connection.pgconn.ssl_in_use)
        tell(f"url {number}", one(connection, "select count(*) from "
                                  "pg_namespace where nspname = %s",
                                  ("naytife_schema",)))
        connection.close()


def values():
    utc = datetime.timezone.utc
    return [True, None, 7, -2 ** 40, 2 ** 70, 1.5, float("inf"),
            decimal.Decimal("12.340"), decimal.Decimal("NaN"), "text ü \\'",
            b"\0\xff" * 10, datetime.date(2024, 2, 29),
            datetime.time(1, 2, 3, 4),
            datetime.datetime(2024, 2, 29, 1, 2, 3, 4),
            datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=utc),
            datetime.timedelta(days=3, seconds=5), [1, None, 3],
            [[1, 2], [3, 4]], ["a", 'b"', None], Jsonb({"a": [1, None]}),
            Range(1, 5), Multirange([Range(1, 3), Range(7, 9)]),
            ipaddress.ip_network("10.0.0.0/8"), uuid.UUID(int=5)]


def types():
    connection = connect(autocommit=True)
    place = CompositeInfo.fetch(connection, "place")
    register_composite(place, connection)
    mood = EnumInfo.fetch(connection, "mood")
    register_enum(mood, connection)
    for form in ("s", "b", "t"):
        for value in values():
            try:
                seen = connection.execute(
                    f"select %{form}", (value,), binary=form == "b")
                tell("types", form, seen.fetchone()[0],
                     seen.description[0].type_code)
            except (psycopg.Error, NotImplementedError) as error:
                tell("types", form, type(error).__name__)
    tell("types", one(connection, "select %s::place",
                      (place.python_type(3, "three"),)))
    tell("types", one(connection, "select 'happy'::mood"),
         one(connection, "select %s = 'sad'::mood", (mood.enum.sad,)))
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("insert into item (id, name, price) values "
                       "(%(id)s, %(name)s, 2.5) returning *",
                       {"id": 5, "name": "five"})
        tell("types", cursor.fetchone())
    connection.close()


def prepared():
    connection = connect(autocommit=True)
    for i in range(12):
        tell("prepared", one(connection, "select %s + 1", (i,)),
             one(connection, "select name from product where id = %s", (1,)))
    tell("prepared", one(connection, "select count(*) from product where "
                         "id > %s", (0,), prepare=True))
    connection.execute("set search_path = naytife_schema")
    tell("prepared", one(connection,
                         "select name from product where id = %s", (1,)))
    connection.execute("set search_path = other_schema")
    tell("prepared", one(connection,
                         "select name from product where id = %s", (1,)))
    connection.execute("reset search_path")
    connection.prepared_max = 3
    for i in range(20):
        one(connection, sql.SQL("select {} + %s").format(sql.Literal(i)),
            (i,), prepare=True)
    tell("prepared", error_of(connection, "select nosuch from product "
                              "where id = %s", (1,)))
    tell("prepared", one(connection, "select 'after'"))
    cursor = connection.cursor()
    cursor.executemany("insert into drawn (name) values (%s) returning id",
                       [(f"n{i}",) for i in range(10)], returning=True)
    seen = []
    while True:
        seen.append(cursor.fetchone()[0])
        if not cursor.nextset():
            break
    tell("prepared", seen)
    connection.close()


def pipelines():
    connection = connect(autocommit=True)
    with connection.pipeline():
        cursors = [connection.execute("select %s::int * 2", (i,))
                   for i in range(30)]
        tell("pipeline", [cursor.fetchone()[0] for cursor in cursors])
    with connection.pipeline() as pipeline:
        try:
            connection.execute("select 1 / %s", (0,))
            pipeline.sync()
        except psycopg.Error as error:
            tell("pipeline", type(error).__name__)
        pipeline.sync()
        tell("pipeline", connection.execute("select 'goes on'").fetchone())
    try:
        with connection.pipeline(), connection.transaction():
            connection.execute("insert into account values (50, 1)")
            connection.execute("insert into account values (50, 2)")
            connection.execute("insert into account values (51, 2)")
    except psycopg.Error as error:
        tell("pipeline", type(error).__name__)
    tell("pipeline", one(connection, "select count(*) from account"))
    with connection.pipeline(), connection.transaction():
        connection.execute("set local search_path = other_schema")
        named = connection.execute("select name from product")
        tell("pipeline", named.fetchone())
    with connection.pipeline():
        connection.execute("set search_path = naytife_schema")
        named = connection.execute("select name from product")
        connection.execute("reset search_path")
        again = connection.execute("select name from product")
        tell("pipeline", named.fetchone(), again.fetchone())
    connection.close()


def transactions():
    connection = connect()
    with connection.transaction():
        connection.execute("insert into account values (100, 1)")
        try:
            with connection.transaction("inner"):
                connection.execute("insert into account values (100, 2)")
        except psycopg.errors.UniqueViolation as error:
            tell("transaction", error.sqlstate)
        try:
            with connection.transaction():
                connection.execute("update account set balance = 7")
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        tell("transaction", connection.info.transaction_status.name,
             one(connection, "select balance from account where id = 100"))
    tell("transaction", connection.info.transaction_status.name)
    tell("transaction", error_of(connection, "select 1 / 0"),
         error_of(connection, "select 1"),
         connection.info.transaction_status.name)
    connection.rollback()
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    tell("transaction", one(connection, "show transaction_isolation"),
         error_of(connection, "delete from account"))
    connection.rollback()
    connection.isolation_level = connection.read_only = None
    connection.autocommit = True
    notices = []
    connection.add_notice_handler(lambda d: notices.append(
        d.message_primary))
    connection.execute("select complain('x')")
    connection.execute("do $$ begin raise notice 'done'; end $$")
    connection.execute("call pay(%s, %s, %s)", (1, 2, 10))
    tell("transaction", notices, error_of(
        connection, "call pay(%s, %s, %s)", (1, 2, 1000)))
    cursor = connection.execute("select 1; select 2, 3", prepare=False)
    tell("transaction", cursor.fetchall(), cursor.nextset(),
         cursor.fetchall())
    connection.close()


def copies():
    connection = connect()
    with connection.cursor() as cursor:
        with cursor.copy("copy item (id, name, price) from stdin") as copy:
            for i in range(10, 4000):
                copy.write_row((i, f"name {i}", decimal.Decimal(i)))
        tell("copy", cursor.rowcount)
        with cursor.copy("copy item (id, name) from stdin "
                         "(format binary)") as copy:
            copy.set_types(["int4", "text"])
            for i in range(4000, 4100):
                copy.write_row((i, "binary"))
        tell("copy", cursor.rowcount)
        with cursor.copy("copy (select id, name from item where id > 9 "
                         "order by id) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
        tell("copy", len(rows), rows[0], rows[-1])
        try:
            with cursor.copy("copy item (id, name) from stdin") as copy:
                copy.write_row((5000, "never"))
                raise ValueError("changed my mind")
        except psycopg.errors.QueryCanceled as error:
            tell("copy", error.sqlstate, connection.info.transaction_status.name)
        connection.rollback()
        try:
            with cursor.copy("copy item (id) from stdin") as copy:
                for _ in range(20000):
                    copy.write("x\n")
        except psycopg.Error as error:
            tell("copy", error.sqlstate)
        connection.rollback()
    tell("copy", one(connection, "select count(*) from item"))
    with connection.cursor().copy("copy (select generate_series(1, 100000))"
                                  " to stdout") as copy:
        tell("copy", sum(len(block) for block in copy))
    connection.rollback()
    tell("copy", one(connection, "select 'after'"))
    connection.close()


def cursors():
    connection = connect()
    with connection.cursor("named") as cursor:
        cursor.itersize = 7
        cursor.execute("select generate_series(1, %s)", (30,))
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
    with connection.cursor() as cursor:
        tell("cursor", sum(row[0] for row in cursor.stream(
            "select generate_series(1, 1000)")))
    connection.close()


def notifications():
    listener = connect(autocommit=True)
    teller = connect(autocommit=True)
    listener.execute("listen news")
    notes = listener.notifies()
    listener.execute("notify news, 'from myself'")
    for i in range(3):
        teller.execute("select pg_notify('news', %s)", (f"news {i}",))
    teller.execute("notify news, 'stop'")
    seen = []
    for note in notes:
        seen.append((note.channel, note.payload))
        if note.payload == "stop":
            notes.close()
    tell("notify", seen)
    listener.execute("unlisten news")
    listener.close()
    teller.close()


async def pools():
    async def fresh(connection):
        await connection.set_autocommit(True)
        await connection.execute("discard all")

    pool = AsyncConnectionPool(URL, min_size=2, max_size=4, open=False,
                               reset=fresh)
    await pool.open(wait=True)

    async def work(number):
        async with pool.connection() as connection:
            connection.prepare_threshold = None
            before = await connection.execute("show search_path")
            before = (await before.fetchone())[0]
            await connection.execute(
                f"set search_path = {'other' if number % 2 else 'naytife'}"
                "_schema")
            await connection.commit()
            seen = await connection.execute(
                "select name, %s::int from product", (number,))
            return before, await seen.fetchone()
    tell("pool", await asyncio.gather(*[work(i) for i in range(20)]))
    await pool.close()


async def cancels():
    connection = await psycopg.AsyncConnection.connect(URL, autocommit=True)
    watcher = await psycopg.AsyncConnection.connect(URL, autocommit=True)
    task = asyncio.create_task(connection.execute("select nap(60)"))
    while True:
        cursor = await watcher.execute("select count(*) from sleeper")
        if (await cursor.fetchone())[0]:
            break
    await asyncio.to_thread(connection.cancel)
    try:
        await task
    except psycopg.errors.QueryCanceled as error:
        tell("cancel", error.sqlstate)
    tell("cancel", await (await connection.execute("select 1")).fetchone())
    await connection.close()
    await watcher.close()


def large_objects():
    connection = connect()
    oid = one(connection, "select lo_from_bytea(0, %b)", (b"x" * 1000,))
    handle = one(connection, "select lo_open(%s, 131072)", (oid,))
    one(connection, "select lo_lseek(%s, 990, 0)", (handle,))
    one(connection, "select lowrite(%s, %b)", (handle, b"\0end"))
    one(connection, "select lo_close(%s)", (handle,))
    connection.commit()
    tell("large object", one(connection, "select lo_get(%s, 988, 10)",
                             (oid,)))
    tell("large object", one(connection, "select lo_unlink(%s)", (oid,)))
    connection.commit()
    connection.close()


def sessions():
    connection = connect(autocommit=True)
    other = connect(autocommit=True)
    connection.execute("create temp table mine (a int)")
    connection.execute("insert into mine values (%s)", (1,))
    one(connection, "select pg_advisory_lock(%s)", (42,))
    connection.execute("insert into drawn (name) values ('x')")
    one(connection, "select set_config('statement_timeout', %s, false)",
        ("9s",))
    tell("session", one(connection, "select a from mine"),
         error_of(other, "select a from mine"),
         one(other, "select pg_try_advisory_lock(42)"),
         one(connection, "select lastval() = currval('drawn_id_seq')"),
         one(connection, "show statement_timeout"),
         one(other, "show statement_timeout"))
    connection.prepare_threshold = None
    connection.execute("discard all")
    tell("session", error_of(connection, "select a from mine"),
         one(other, "select pg_try_advisory_lock(42)"),
         one(connection, "show statement_timeout"))
    connection.execute("set role pg_read_all_data")
    tell("session", one(connection, "select current_user"),
         error_of(connection, "delete from account"),
         one(other, "select current_user"))
    connection.execute("reset role")
    tell("session", one(connection, "select current_user"))
    connection.close()
    other.close()


def changing():
    connection = connect(autocommit=True)
    for _ in range(7):
        one(connection, "select * from changing where a > %s", (0,))
    connection.execute("alter table changing add b text default 'b'")
    # Known to fail, unless somebody prepares it again.
    try:
        seen = connection.execute("select * from changing where a > %s",
                                  (0,)).fetchall()
        tell("changing", seen == [(1, "b")])
    except psycopg.errors.FeatureNotSupported:
        tell("changing", True)
    connection.close()


async def crowd_one(number, lines, gate):
    connection = await psycopg.AsyncConnection.connect(
        URL + f"?application_name=crowd-{number}", autocommit=True)
    connection.prepare_threshold = THRESHOLD
    await gate.wait()
    path = ("naytife_schema", "other_schema", "public")[number % 3]
    await connection.execute(f"set search_path = {path}, public")
    for turn in range(8):
        cursor = await connection.execute(
            "select name, current_setting('application_name'), %s from "
            "product where id = %s", (number, 1))
        lines.append(await cursor.fetchone())
        async with connection.transaction(force_rollback=True):
            await connection.execute("update account set balance = "
                                     "balance + 1 where id = %s",
                                     (number + 1,))
            cursor = await connection.execute(
                "select balance from account where id = %s", (number + 1,))
            lines.append(await cursor.fetchone())
        try:
            await connection.execute("select %s / 0", (turn,))
        except psycopg.Error as error:
            lines.append((error.sqlstate,))
        async with connection.pipeline():
            cursors = [await connection.execute("select %s::text", (i,))
                       for i in range(5)]
            lines.append(tuple([(await c.fetchone())[0] for c in cursors]))
    await connection.close()


async def crowd():
    seen = [[] for _ in range(CLIENTS)]
    gate = asyncio.Event()
    tasks = [asyncio.create_task(crowd_one(i, seen[i], gate))
             for i in range(CLIENTS)]
    gate.set()
    await asyncio.gather(*tasks)
    for number in range(CLIENTS):
        tell(f"crowd {number}", len(seen[number]), sorted(
            set(map(str, seen[number]))))


def two_phases():
    connection = connect()
    try:
        connection.tpc_begin("one")
        connection.execute("select 1")
        connection.tpc_prepare()
    except psycopg.Error as error:
        tell("two phases", error.sqlstate)
    connection.close()


for chapter in (urls, types, prepared, pipelines, transactions, two_phases,
                copies, cursors, notifications, pools, cancels, large_objects,
                sessions, changing, crowd):
    if asyncio.iscoroutinefunction(chapter):
        asyncio.run(chapter())
    else:
        chapter()
