"""The story in asyncpg's idiom: binary, prepared statements with names, its
own pool with its reset query; STORY_MODE=nocache: unnamed statements over
several round trips."""

import asyncio
import datetime
import decimal
import io
import ipaddress
import json
import os
import ssl
import uuid

import asyncpg

URL = os.environ["DATABASE_URL"]
CLIENTS = int(os.environ["STORY_CLIENTS"])
CACHE = {"statement_cache_size": 0} \
    if os.environ["STORY_MODE"] == "nocache" else {}


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


async def connect(parameters="", **more):
    return await asyncpg.connect(URL + parameters, timeout=30, **CACHE,
                                 **more)


async def error_of(awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        return f"{error.sqlstate} {type(error).__name__} {error}"
    return "no error"


async def urls():
    trusted = ssl.create_default_context(cafile=os.environ["STORY_CA"])
    for number, (parameters, more) in enumerate([
            ("?sslmode=require&search_path=naytife_schema", {}),
            ("?sslmode=disable", {"server_settings": {
                "search_path": "naytife_schema, public",
                "application_name": "x", "jit": "off",
                "statement_timeout": "5s"}}),
            ("?application_name=y&options=-csearch_path%3Dother_schema", {}),
            ("?search_path=a,\"B c\"&extra_float_digits=0", {}),
            ("", {"ssl": trusted}),
            ("", {"host": ["127.0.0.1"] * 2, "ssl": "prefer",
                  "port": [1, int(os.environ["PGPORT"])]}),
            ("?nosuch=1", {})]):
        try:
            connection = await connect(parameters, **more)
        except asyncpg.PostgresError as error:
            tell(f"url {number}", error.sqlstate, error)
            continue
        seen = [await connection.fetchval(f"show {name}") for name in (
            "search_path", "application_name", "statement_timeout", "jit",
            "extra_float_digits")]
        tell(f"url {number}", *seen)
        settings = connection.get_settings()
        tell(f"url {number}", settings.application_name, settings.TimeZone,
             settings.server_encoding, settings.is_superuser,
             connection.get_server_version().major)
        await connection.execute("set search_path = nowhere")
        await connection.reset()
        tell(f"url {number}", await connection.fetchval("show search_path"))
        await connection.close()


def values():
    utc = datetime.timezone.utc
    return [("bool", True), ("int2", 7), ("int4", -70000), ("int8", 2 ** 40),
            ("float4", 1.5), ("float8", float("inf")),
            ("numeric", decimal.Decimal("12.340")), ("text", "ü \\'"),
            ("varchar", "v"), ("bytea", b"\0\xff" * 10),
            ("date", datetime.date(2024, 2, 29)),
            ("time", datetime.time(1, 2, 3, 4)),
            ("timestamp", datetime.datetime(2024, 2, 29, 1, 2, 3, 4)),
            ("timestamptz",
             datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=utc)),
            ("interval", datetime.timedelta(days=3, seconds=5)),
            ("int4[]", [1, None, 3]), ("text[]", ["a", 'b"', None]),
            ("jsonb", json.dumps({"a": [1, None]})), ("json", "[1]"),
            ("uuid", uuid.UUID(int=5)),
            ("cidr", ipaddress.ip_network("10.0.0.0/8")),
            ("int4range", asyncpg.Range(1, 5)), ("mood", "happy"),
            ("place", (3, "three")), ("place[]", [(1, "a"), (2, None)]),
            ("point", asyncpg.Point(1, 2)), ("text", None),
            ("text", "long " * 100000)]


async def types():
    connection = await connect()
    for kind, value in values():
        for _ in range(2):
            seen = await connection.fetchval(f"select $1::{kind}", value)
        tell("types", kind, str(seen)[:60], len(str(seen)))
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    tell("types", await connection.fetchval("select $1::jsonb", {"k": [1]}))
    row = await connection.fetchrow(
        "insert into item (id, name, price, body, tags, feeling) values "
        "($1, $2, $3, $4, $5, $6) returning *", 5, "five",
        decimal.Decimal("2.50"), b"\0", ["x"], "ok")
    tell("types", dict(row))
    tell("types", await error_of(connection.fetchval(
        "select $1::int", 1 / 1 and 5)), await error_of(
            connection.fetchval("select nosuch")))
    await connection.close()


async def prepared():
    connection = await connect()
    statement = await connection.prepare("select $1::int + $2::int")
    for i in range(5):
        tell("prepared", await statement.fetchval(i, 10))
    tell("prepared", [p.name for p in statement.get_parameters()],
         [a.type.name for a in statement.get_attributes()])
    for path in ("naytife_schema", "other_schema", "public"):
        await connection.execute(f"set search_path = {path}, public")
        tell("prepared", await connection.fetchval(
            "select name from product where id = $1", 1))
    await connection.reset()
    tell("prepared", await statement.fetchval(1, 1))
    for i in range(150):
        await connection.fetchval(f"select {i} + $1::int", i)
    await connection.executemany(
        "insert into drawn (name) values ($1)", [(f"n{i}",)
                                                 for i in range(500)])
    tell("prepared", await connection.fetchrow(
        "select count(*), max(name) from drawn"))
    tell("prepared", await error_of(connection.executemany(
        "insert into account values ($1, $2)", [(200, 1), (1, 1)])))
    tell("prepared", await connection.fetchval(
        "select count(*) from account where id = 200"))
    await connection.execute("deallocate all")
    await connection.close()


async def transactions():
    connection = await connect()
    async with connection.transaction():
        await connection.execute("insert into account values (100, 1)")
        try:
            async with connection.transaction():
                await connection.execute(
                    "insert into account values ($1, 2)", 100)
        except asyncpg.UniqueViolationError as error:
            tell("transaction", error.sqlstate, error.detail)
        tell("transaction", connection.is_in_transaction(),
             await connection.fetchval(
                 "select balance from account where id = $1", 100))
    tell("transaction", connection.is_in_transaction())
    try:
        async with connection.transaction():
            await connection.execute("delete from account")
            await connection.fetchval("select 1 / $1::int", 0)
    except asyncpg.DivisionByZeroError as error:
        tell("transaction", error.sqlstate)
    tell("transaction", await connection.fetchval(
        "select count(*) from account"))
    async with connection.transaction(isolation="serializable",
                                      readonly=True, deferrable=True):
        tell("transaction", await connection.fetchval(
            "show transaction_isolation"))
    tell("transaction", await connection.execute(
        "select 1; update account set balance = 5 where id = 3"))
    tell("transaction", await error_of(connection.execute(
        "insert into account values (102, 1); select 1 / 0")))
    logged = []
    connection.add_log_listener(lambda c, m: logged.append(m.message))
    await connection.execute("select complain('x')")
    await connection.execute("do $$ begin raise notice 'done'; end $$")
    await connection.fetchval("select add_up($1, $2)", 1, 2)
    await asyncio.sleep(0)
    tell("transaction", logged)
    await connection.close()


async def copies():
    connection = await connect()
    tell("copy", await connection.copy_records_to_table(
        "item", records=[(i, f"name {i}") for i in range(10, 5000)],
        columns=["id", "name"]))
    out = io.BytesIO()
    tell("copy", await connection.copy_from_query(
        "select id, name from item where id >= $1 order by id", 10,
        output=out, format="csv"))
    tell("copy", len(out.getvalue()), out.getvalue()[:30])
    tell("copy", await connection.copy_to_table(
        "item", source=io.BytesIO(b"6,six\n"), columns=["id", "name"],
        format="csv"))
    tell("copy", await error_of(connection.copy_records_to_table(
        "item", records=[(6, "again")], columns=["id", "name"])))
    tell("copy", await connection.fetchval("select count(*) from item"))
    await connection.close()


async def cursors():
    connection = await connect()
    async with connection.transaction():
        seen = []
        async for row in connection.cursor(
                "select generate_series(1, $1::int)", 30, prefetch=7):
            seen.append(row[0])
        tell("cursor", seen)
        cursor = await connection.cursor("select generate_series(1, 30)")
        tell("cursor", [r[0] for r in await cursor.fetch(3)])
        tell("cursor", await cursor.forward(5), await cursor.fetchrow())
    await connection.close()


async def notifications():
    listener, teller = await connect(), await connect()
    heard = asyncio.Queue()
    pids = set()

    def hear(connection, pid, channel, payload):
        pids.add(pid == connection.get_server_pid())
        heard.put_nowait((channel, payload))
    await listener.add_listener("news", hear)
    await listener.execute("notify news, 'from myself'")
    tell("notify", await asyncio.wait_for(heard.get(), 20), pids)
    for i in range(3):
        await teller.execute("select pg_notify('news', $1)", f"news {i}")
        tell("notify", await asyncio.wait_for(heard.get(), 20))
    await listener.remove_listener("news", hear)
    await listener.close()
    await teller.close()


async def cancels():
    connection = await connect()
    try:
        await connection.fetchval("select pg_sleep($1::int)", 60, timeout=0.3)
    except asyncio.TimeoutError:
        tell("cancel", "time is up")
    tell("cancel", await connection.fetchval("select 1"))
    task = asyncio.create_task(connection.fetchval("select nap(60)"))
    await asyncio.sleep(0.2)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        tell("cancel", "cancelled")
    tell("cancel", await connection.fetchval("select 2"))
    await connection.close()


async def large_objects():
    connection = await connect()
    async with connection.transaction():
        oid = await connection.fetchval("select lo_from_bytea(0, $1)",
                                        b"x" * 1000)
        handle = await connection.fetchval("select lo_open($1, 131072)", oid)
        await connection.fetchval("select lo_lseek($1, 990, 0)", handle)
        await connection.fetchval("select lowrite($1, $2)", handle, b"\0end")
    tell("large object", await connection.fetchval(
        "select lo_get($1, 988, 10)", oid))
    tell("large object", await connection.fetchval(
        "select lo_unlink($1)", oid))
    await connection.close()


async def sessions():
    connection, other = await connect(), await connect()
    await connection.execute("create temp table mine (a int)")
    await connection.execute("insert into mine values ($1)", 1)
    await connection.fetchval("select pg_advisory_lock($1)", 42)
    await connection.fetchval("select set_config($1, $2, false)",
                              "work_mem", "9MB")
    tell("session", await connection.fetchval("select a from mine"),
         await error_of(other.fetchval("select a from mine")),
         await other.fetchval("select pg_try_advisory_lock(42)"),
         await connection.fetchval("show work_mem"),
         await other.fetchval("show work_mem"))
    await connection.reset()
    tell("session", await other.fetchval("select pg_try_advisory_lock(42)"),
         await connection.fetchval("show work_mem"),
         await connection.fetchval("select a from mine"))
    await connection.execute("discard all")
    tell("session", await connection.fetchval(
        "select to_regclass('mine')"))
    await connection.close()
    await other.close()


async def changing():
    connection, other = await connect(), await connect()
    tell("changing", await connection.fetch("select * from changing"))
    await other.execute("alter table changing add b text default 'b'")
    try:
        seen = await connection.fetch("select * from changing")
    except asyncpg.PostgresError as error:
        seen = type(error).__name__
    tell("changing", seen)
    tell("changing", await connection.fetch("select * from changing"))
    async with connection.transaction():
        await connection.fetch("select * from changing")
    await other.execute("create type later as enum ('a')")
    tell("changing", await connection.fetchval("select 'a'::later"))
    await connection.close()
    await other.close()


async def crowd_one(pool, number, lines):
    path = ("naytife_schema", "other_schema", "public")[number % 3]
    for turn in range(6):
        async with pool.acquire() as connection:
            lines.append(await connection.fetchval("show search_path"))
            await connection.execute(f"set search_path = {path}, public")
            lines.append(await connection.fetchval(
                "select name || $2 from product where id = $1", 1,
                str(number)))
            async with connection.transaction():
                await connection.execute(
                    "update account set balance = balance + 1 where id = $1",
                    number + 1)
                lines.append(await connection.fetchval(
                    "select balance - $2 from account where id = $1",
                    number + 1, turn))
            lines.append(await error_of(connection.fetchval(
                "select 1 / $1::int", 0)))
            await connection.executemany(
                "insert into drawn (name) values ($1)",
                [(str(i),) for i in range(5)])


async def crowd():
    pool = await asyncpg.create_pool(URL, min_size=CLIENTS, max_size=CLIENTS,
                                     **CACHE)
    seen = [[] for _ in range(2 * CLIENTS)]
    await asyncio.gather(*[crowd_one(pool, i, seen[i])
                           for i in range(2 * CLIENTS)])
    for number, lines in enumerate(seen):
        tell(f"crowd {number}", len(lines), sorted(set(map(str, lines))))
    tell("crowd", await pool.fetchval("select count(*) from drawn"))
    await pool.close()


async def story():
    for chapter in (urls, types, prepared, transactions, copies, cursors,
                    notifications, cancels, large_objects, sessions,
                    changing, crowd):
        await chapter()

asyncio.run(story())
