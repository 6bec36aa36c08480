-- Roles as the Secret says; run at every start of a primary, so that it may be
-- changed there.  Passwords come from the environment, never into a log; one
-- that is the same is empty.
\set QUIET on
\getenv admin POSTGRES_USER
\getenv admin_password POSTGRES_PASSWORD
\getenv database POSTGRES_DB
\getenv replication_password REPLICATION_PASSWORD
\getenv pooler_password POOLER_PASSWORD

set log_statement = 'none';
set log_min_error_statement = 'panic';
set password_encryption = 'scram-sha-256';

select format('create role %I login', name)
from unnest(array['replicator', 'pgweir', :'admin']) name
where not exists (select from pg_roles where rolname = name) \gexec

select format('alter role %I password %L', role, password)
from (values (:'admin', :'admin_password'),
    ('replicator', :'replication_password'),
    ('pgweir', :'pooler_password')) new (role, password)
where password <> '' \gexec

-- What streaming, pg_basebackup, pg_rewind and the scripts need, no more.
alter role replicator replication;
grant pg_monitor, pg_checkpoint to replicator;
grant execute on function pg_ls_dir(text, boolean, boolean) to replicator;
grant execute on function pg_stat_file(text, boolean) to replicator;
grant execute on function pg_read_binary_file(text) to replicator;
grant execute on function
    pg_read_binary_file(text, bigint, bigint, boolean) to replicator;

-- pgweir asks for the secret of who logs in, and for nothing else.
create schema if not exists pooler;
revoke all on schema pooler from public;
create or replace function pooler.secret(name text)
returns table (rolname name, rolpassword text)
language sql stable security definer set search_path = pg_catalog
as $$
	select rolname, case when rolvaliduntil < now() then null
	    else rolpassword end
	from pg_authid
	where rolname = $1 and rolcanlogin and rolname <> 'replicator'
$$;
revoke all on function pooler.secret(text) from public;
grant usage on schema pooler to pgweir;
grant execute on function pooler.secret(text) to pgweir;

select format('create database %I', :'database')
where not exists (select from pg_database where datname = :'database') \gexec
