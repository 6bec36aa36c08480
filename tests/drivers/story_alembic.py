"""The story of alembic's migrations on SQLAlchemy and psycopg2: up, down, a
step that fails, a step outside of a transaction, several at once behind an
advisory lock, a schema for each tenant by search_path; offline SQL."""

import contextlib
import io
import os
import sys
import tempfile
import threading

import sqlalchemy as sa
from alembic import command, config

URL = os.environ["DATABASE_URL"].replace("postgresql:",
                                         "postgresql+psycopg2:")
CLIENTS = int(os.environ["STORY_CLIENTS"])

ENVIRONMENT = """
import sqlalchemy as sa
from alembic import context
config = context.config
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    connection = config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True,
                      target_metadata=config.attributes.get("metadata"),
                      compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
"""
STEPS = [
    ("op.create_table('moved', sa.Column('id', sa.Integer, primary_key=True),"
     " sa.Column('mood', sa.Enum('a', 'b', name='moved_mood')))\n"
     "    op.bulk_insert(sa.table('moved', sa.column('id', sa.Integer)),"
     " [{'id': 1}, {'id': 2}])",
     "op.drop_table('moved')\n    op.execute('drop type moved_mood')"),
    ("op.add_column('moved', sa.Column('name', sa.Text, "
     "server_default='n', nullable=False))\n"
     "    op.create_check_constraint('short', 'moved', 'length(name) < 9')",
     "op.drop_column('moved', 'name')"),
    ("with op.get_context().autocommit_block():\n"
     "        op.create_index('moved_name', 'moved', ['name'], "
     "postgresql_concurrently=True)\n"
     "        op.execute(\"alter type moved_mood add value 'c'\")",
     "op.drop_index('moved_name')"),
    ("op.add_column('moved', sa.Column('gone', sa.Text))\n"
     "    op.execute('select 1 / 0')", "pass"),
]


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


def write(folder):
    os.makedirs(os.path.join(folder, "versions"))
    with open(os.path.join(folder, "env.py"), "w") as f:
        f.write(ENVIRONMENT)
    for number, (up, down) in enumerate(STEPS, 1):
        before = repr(str(number - 1)) if number > 1 else None
        with open(os.path.join(folder, "versions", f"{number}.py"), "w") as f:
            f.write("import sqlalchemy as sa\nfrom alembic import op\n"
                    f"revision = '{number}'\ndown_revision = {before}\n"
                    f"def upgrade():\n    {up}\n"
                    f"def downgrade():\n    {down}\n")


def settings(folder, connection=None, **more):
    made = config.Config(stdout=io.StringIO())
    made.set_main_option("script_location", folder)
    made.attributes.update(connection=connection, **more)
    return made


def seen(connection):
    inspector = sa.inspect(connection)
    return [sorted(inspector.get_table_names()), [
        (c["name"], str(c["type"]), c["default"])
        for c in inspector.get_columns("moved")]
        if inspector.has_table("moved") else None]


def up_and_down(engine, folder):
    for target in ("1", "2", "3"):
        with engine.connect() as connection:
            command.upgrade(settings(folder, connection), target)
            tell("up", target, seen(connection))
    with engine.connect() as connection:
        try:
            command.upgrade(settings(folder, connection), "head")
        except sa.exc.DataError as error:
            tell("up", error.orig.pgcode)
    with engine.connect() as connection:
        tell("up", seen(connection), connection.execute(sa.text(
            "select version_num from alembic_version")).all())
        tell("up", connection.execute(sa.text(
            "select enum_range(null::moved_mood)")).scalar())
    with engine.connect() as connection:
        made = settings(folder, connection)
        command.current(made)
        tell("current", made.stdout.getvalue().strip())
    with engine.connect() as connection:
        command.downgrade(settings(folder, connection), "base")
        tell("down", seen(connection))
    with contextlib.redirect_stdout(io.StringIO()):
        offline = settings(folder)
        offline.output_buffer = io.StringIO()
        command.upgrade(offline, "2", sql=True)
    # It has its own BEGIN and COMMIT.
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        connection.exec_driver_sql("drop table alembic_version")
        connection.exec_driver_sql(offline.output_buffer.getvalue())
        tell("offline", seen(connection))
    with engine.connect() as connection:
        command.downgrade(settings(folder, connection), "base")


def together(engine, folder):
    """Both processes of a rollout migrate; a lock lets them do so in turn.
    Who waits for it is tied to a server already, see max_pinned."""
    ends = []

    def migrate():
        with engine.connect() as connection:
            connection.execute(sa.text("select pg_advisory_lock(42)"))
            connection.commit()
            try:
                command.upgrade(settings(folder, connection), "2")
                ends.append("done")
            finally:
                connection.rollback()
                connection.execute(sa.text("select pg_advisory_unlock(42)"))
                connection.commit()
    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        tell("together", ends, seen(connection), connection.execute(sa.text(
            "select count(*) from pg_locks where locktype = 'advisory'"
            " and database = (select oid from pg_database"
            " where datname = current_database())")).scalar())


def tenants(engine, folder):
    for name in ("naytife_schema", "other_schema"):
        with engine.connect() as connection:
            connection.execute(sa.text(f"set search_path to {name}"))
            connection.commit()
            connection.dialect.default_schema_name = name
            command.upgrade(settings(folder, connection), "2")
            tell("tenant", name, seen(connection))
            connection.execute(sa.text("reset search_path"))
            connection.commit()
    with engine.connect() as connection:
        tell("tenant", connection.execute(sa.text(
            "select schemaname, tablename from pg_tables where tablename in"
            " ('moved', 'alembic_version') order by 1, 2")).all())


def compare(engine, folder):
    metadata = sa.MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
    sa.Table("fresh", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("account_id", sa.ForeignKey("account.id")))
    with engine.connect() as connection:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext
        tell("compare", [d[0] + " " + d[1].name for d in compare_metadata(
            MigrationContext.configure(connection), metadata)])


def main():
    engine = sa.create_engine(URL, pool_size=CLIENTS, future=True)
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, "alembic")
        write(folder)
        up_and_down(engine, folder)
        together(engine, folder)
        compare(engine, folder)
        tenants(engine, folder)
    engine.dispose()


sys.dont_write_bytecode = True
main()
