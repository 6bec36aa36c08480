"""A small application on Python with its driver's pool (STORY_MODE: asyncpg,
psycopg, sqlalchemy).  What it does and says: see pools.py."""

import asyncio
import collections
import contextlib
import json
import os
import sys

URL = os.environ["DATABASE_URL"]
WORKERS = int(os.environ["STORY_CLIENTS"])
errors = collections.Counter()


class OnAsyncpg:
    async def begin(self):
        import asyncpg
        self.pool = await asyncpg.create_pool(URL, min_size=WORKERS,
                                              max_size=20)

    async def read(self, number):
        return await self.pool.fetchval(
            "select count(*) from visit where id = $1", number)

    async def write(self, number):
        await self.pool.execute("insert into visit values ($1, 'alone')",
                                number)

    async def transact(self, number):
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute(
                    "insert into visit values ($1, 'together')", number)

    async def end(self):
        # asyncpg says to limit it: a connection that PostgreSQL has ended in
        # the middle of something it may wait for without end.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.pool.close(), 5)


class OnPsycopg:
    async def begin(self):
        import psycopg_pool
        self.pool = psycopg_pool.AsyncConnectionPool(
            URL, min_size=WORKERS, max_size=20, open=False)
        await self.pool.open(wait=True)

    async def read(self, number):
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select count(*) from visit where id = %s", (number,))
            return (await cursor.fetchone())[0]

    async def write(self, number):
        async with self.pool.connection() as connection:
            await connection.set_autocommit(True)
            try:
                await connection.execute(
                    "insert into visit values (%s, 'alone')", (number,))
            finally:
                if not connection.closed:
                    await connection.set_autocommit(False)

    async def transact(self, number):
        async with self.pool.connection() as connection:
            async with connection.transaction():
                await connection.execute(
                    "insert into visit values (%s, 'together')", (number,))

    async def end(self):
        await self.pool.close()


class OnSqlalchemy:
    async def begin(self):
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine
        self.text = text
        self.engine = create_async_engine(
            URL.replace("postgresql:", "postgresql+asyncpg:"), pool_size=20)

    async def read(self, number):
        async with self.engine.connect() as connection:
            result = await connection.execute(self.text(
                "select count(*) from visit where id = :id"), {"id": number})
            return result.scalar()

    async def write(self, number):
        async with self.engine.connect() as connection:
            alone = await connection.execution_options(
                isolation_level="AUTOCOMMIT")
            await alone.execute(self.text(
                "insert into visit values (:id, 'alone')"), {"id": number})

    async def transact(self, number):
        async with self.engine.begin() as connection:
            await connection.execute(self.text(
                "insert into visit values (:id, 'together')"),
                {"id": number})

    async def end(self):
        await self.engine.dispose()


async def tried(call, number):
    """Whether it went well, and what it said."""
    try:
        return True, await call(number)
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        errors[getattr(cause, "sqlstate", None) or
               f"{type(cause).__name__}: {cause}"] += 1
        # A pooler that is away is not asked as fast as can be.
        await asyncio.sleep(0.02)
        return False, None


async def work(app, worker, ends):
    number = worker * 1000000
    while not ends.is_set():
        number += 1
        is_done, _ = await tried(app.write if number % 2 else app.transact,
                                 number)
        is_read, seen = await tried(app.read, number)
        if is_done:
            print("wrote", number, seen if is_read else 1, flush=True)


async def main():
    app = {"asyncpg": OnAsyncpg, "psycopg": OnPsycopg,
           "sqlalchemy": OnSqlalchemy}[os.environ["STORY_MODE"]]()
    await app.begin()
    ends = asyncio.Event()
    tasks = [asyncio.create_task(work(app, worker, ends))
             for worker in range(WORKERS)]
    await asyncio.to_thread(sys.stdin.read)
    ends.set()
    await asyncio.gather(*tasks)
    await app.end()
    print("errors", json.dumps(errors), flush=True)


asyncio.run(main())
