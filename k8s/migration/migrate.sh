#!/bin/sh
# Waits for the primary, applies each NNN_name.sql that was not applied yet, in
# order, and then seed.sql.
#
# Each file is one transaction together with the line that remembers it, so
# that a run which is interrupted can be repeated; a lock of the session lets
# one run in at a time, which is why this must not go through a pooler.  Where
# to: PGHOST, PGUSER, PGDATABASE, PGPASSWORD.
set -eu
: "${MIGRATIONS:=/migrations}" "${WAIT_SECONDS:=300}"

waited=0
until [ "$(psql -X -A -t -w -c 'select not pg_is_in_recovery()' \
    2>/dev/null)" = t ]; do
	waited=$((waited + 2))
	if [ "$waited" -gt "$WAIT_SECONDS" ]; then
		echo "the primary did not answer in $WAIT_SECONDS seconds" >&2
		psql -X -w -c 'select 1'
		exit 1
	fi
	echo "waiting for the primary"
	sleep 2
done

# One psql from here on: the lock is its session's.
{
	cat <<'SQL'
set client_min_messages = warning;
select pg_advisory_lock(hashtext('migration')) \g /dev/null
create table if not exists schema_migrations (name text primary key,
	applied_at timestamptz not null default now());
SQL
	for file in "$MIGRATIONS"/[0-9]*.sql; do
		case $file in *.rollback.sql) continue ;; esac
		name=$(basename "$file")
		cat <<SQL
select not exists (select from schema_migrations where name = '$name') as new
\gset
\if :new
\echo applying $name
begin;
\i $file
insert into schema_migrations (name) values ('$name');
commit;
\endif
SQL
	done
	if [ -f "$MIGRATIONS/seed.sql" ]; then
		cat <<SQL
\echo seeding
begin;
\i $MIGRATIONS/seed.sql
commit;
SQL
	fi
} | psql -X -q -w -v ON_ERROR_STOP=1
echo "done"
