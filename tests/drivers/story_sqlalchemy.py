"""The story through SQLAlchemy's ORM and its pool; STORY_MODE says on which
driver.  Its asyncpg dialect keeps prepared statements of its own."""

import asyncio
import datetime
import decimal
import os

import sqlalchemy as sa
from sqlalchemy import exc, orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

DRIVER = os.environ["STORY_MODE"]
URL = os.environ["DATABASE_URL"].replace("postgresql:",
                                         f"postgresql+{DRIVER}:")
CLIENTS = int(os.environ["STORY_CLIENTS"])
Base = orm.declarative_base()


class Item(Base):
    __tablename__ = "item"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.Text)
    price = sa.Column(sa.Numeric(12, 2))
    body = sa.Column(sa.LargeBinary)
    doc = sa.Column(postgresql.JSONB)
    tags = sa.Column(postgresql.ARRAY(sa.Text))
    at = sa.Column(sa.DateTime(timezone=True))
    feeling = sa.Column(sa.Enum("sad", "ok", "happy", name="mood"))
    is_good = sa.Column(sa.Boolean)


class Drawn(Base):
    __tablename__ = "drawn"
    id = sa.Column(sa.BigInteger, primary_key=True)
    name = sa.Column(sa.Text)


class Fresh(Base):
    __tablename__ = "fresh"
    id = sa.Column(sa.Integer, primary_key=True)
    items = orm.relationship("Part", lazy="selectin")


class Part(Base):
    __tablename__ = "part"
    id = sa.Column(sa.Integer, primary_key=True)
    fresh_id = sa.Column(sa.ForeignKey("fresh.id"))
    name = sa.Column(sa.String(20))


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


def error_of(session, text):
    try:
        return session.execute(sa.text(text)).scalar()
    except exc.DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or \
            getattr(error.orig, "pgcode", None)
        return f"{code} {type(error).__name__}"


def tables(connection):
    Base.metadata.create_all(connection)
    seen = sa.inspect(connection)
    tell("tables", sorted(seen.get_table_names()))
    tell("tables", [(c["name"], str(c["type"]))
                    for c in seen.get_columns("item")])
    tell("tables", seen.get_foreign_keys("part")[0]["referred_table"],
         sorted(seen.get_schema_names()))


def items(connection):
    session = orm.Session(connection)
    session.add(Item(id=1, name="one ü", price=1.5, body=b"\0\xff",
                     doc={"k": [1]}, tags=["a", "b"], feeling="ok",
                     is_good=True))
    session.add_all([Item(id=i, name=f"item {i}") for i in range(2, 300)])
    session.flush()
    one = session.get(Item, 1)
    session.refresh(one)
    tell("items", one.name, one.price, one.body, one.doc, one.tags,
         one.feeling, one.is_good)
    tell("items", session.query(Item).filter(
        Item.name.like("item 1%"), Item.id.in_(range(10, 150))).count())
    rows = session.execute(sa.select(Item.name).where(
        Item.id > sa.bindparam("low")).order_by(Item.id).limit(3),
        {"low": 100}).scalars().all()
    tell("items", rows)
    session.execute(sa.update(Item).where(Item.id == 1)
                    .values(name="changed"),
                    execution_options={"synchronize_session": "fetch"})
    tell("items", one.name)
    drawn = Drawn(name="drawn")
    session.add(drawn)
    session.flush()
    tell("items", drawn.id)
    session.add(Fresh(items=[Part(name="p1"), Part(name="p2")]))
    session.flush()
    session.expire_all()
    tell("items", [p.name for p in session.query(Fresh).one().items])


def streams(connection):
    result = connection.execution_options(yield_per=7).execute(sa.text(
        "select i, i * 2 from generate_series(1, :n) i"), {"n": 30})
    tell("cursor", [row[1] for row in result])
    values = {"t": "ü \\'", "b": b"\0\xff", "n": decimal.Decimal("12.340"),
              "d": datetime.date(2024, 2, 29), "f": 1.5, "i": 70000,
              "w": datetime.datetime(2024, 2, 29, 1, 2, 3, 4,
                                     datetime.timezone.utc)}
    tell("types", connection.execute(sa.select(*[
        sa.bindparam(name, value) for name, value in values.items()])).one())


def transactions(connection):
    session = orm.Session(connection)
    session.execute(sa.text("insert into account values (100, 1)"))
    with session.begin_nested():
        session.execute(sa.text("savepoint mine"))
        tell("transaction", error_of(
            session, "insert into account values (100, 2)"))
        session.execute(sa.text("rollback to savepoint mine"))
    try:
        with session.begin_nested():
            session.execute(sa.text("insert into account values (100, 3)"))
    except exc.IntegrityError as error:
        tell("transaction", type(error).__name__)
    tell("transaction", session.execute(sa.text(
        "select balance from account where id = :id"), {"id": 100}).scalar())
    for path in ("naytife_schema", "other_schema", "public"):
        session.execute(sa.text(f"set local search_path = {path}"))
        tell("transaction", session.execute(sa.text(
            "select name from product where id = :id"), {"id": 1}).scalar())


def changing(connection):
    text = sa.text("select * from changing where a = :a")
    tell("changing", connection.execute(text, {"a": 1}).all())


def widen(connection):
    connection.execute(sa.text("alter table changing add b text default 'b'"))


def isolation(connection):
    tell("isolation", connection.execute(sa.text(
        "show transaction_isolation")).scalar())


def work(connection, number):
    session = orm.Session(connection)
    schema = ("naytife_schema", "other_schema", "public")[number % 3]
    session.execute(sa.text(f"set search_path = {schema}, public"))
    lines = [session.execute(sa.text(
        "select name from product where id = :id"), {"id": 1}).scalar()]
    session.execute(sa.text(
        "update account set balance = balance + 1 where id = :id"),
        {"id": number + 1})
    lines.append(error_of(session, "select 1 / 0"))
    return lines


class Blocking:
    """The same calls on an ordinary engine and on an asynchronous one."""

    def __init__(self, form=""):
        self.engine = sa.create_engine(
            URL + form, pool_size=CLIENTS, max_overflow=2, pool_pre_ping=True)

    async def run(self, chapter, *more, **options):
        def body():
            with self.engine.connect() as connection:
                connection = connection.execution_options(**options)
                with connection.begin():
                    return chapter(connection, *more)
        return await asyncio.to_thread(body)

    async def dispose(self):
        self.engine.dispose()


class Asynchronous:
    def __init__(self, form=""):
        self.engine = create_async_engine(
            URL + form, pool_size=CLIENTS, max_overflow=2, pool_pre_ping=True)

    async def run(self, chapter, *more, **options):
        async with self.engine.connect() as connection:
            connection = await connection.execution_options(**options)
            async with connection.begin():
                return await connection.run_sync(chapter, *more)

    async def dispose(self):
        await self.engine.dispose()


def shown(connection):
    tell("url", *[connection.execute(sa.text(f"show {name}")).scalar()
                  for name in ("search_path", "statement_timeout",
                               "application_name")])


FORMS = {"asyncpg": [
    "?prepared_statement_cache_size=0&ssl=require",
    "?prepared_statement_cache_size=5", "?ssl=prefer"], "psycopg2": [
    "?sslmode=require&options=-csearch_path%3Dnaytife_schema",
    "?application_name=x&target_session_attrs=read-write&connect_timeout=5",
    "?options=-c%20search_path%3Da,public%20-c%20statement_timeout%3D5s"]}


async def story():
    made = Asynchronous if DRIVER == "asyncpg" else Blocking
    for form in FORMS[DRIVER]:
        engine = made(form)
        await engine.run(shown)
        await engine.dispose()
    engine = made()
    for chapter in (tables, items, streams, transactions, changing, widen):
        await engine.run(chapter)
    for _ in range(2):
        try:
            await engine.run(changing)
        except exc.DBAPIError as error:
            tell("changing", type(error).__name__)
    for level in ("SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED"):
        await engine.run(isolation, isolation_level=level)
    await engine.run(isolation, isolation_level="SERIALIZABLE",
                     postgresql_readonly=True)
    await engine.run(isolation)
    for turn in range(3):
        seen = await asyncio.gather(*[engine.run(work, i)
                                      for i in range(CLIENTS)])
        for number, lines in enumerate(seen):
            tell(f"crowd {number}", lines)
    await engine.dispose()

asyncio.run(story())
