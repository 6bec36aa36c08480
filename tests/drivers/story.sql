-- What every story finds in its database.
create schema naytife_schema;
create schema other_schema;
create table product (id int primary key, name text);
create table naytife_schema.product (id int primary key, name text);
create table other_schema.product (id int primary key, name text);
insert into product values (1, 'of public');
insert into naytife_schema.product values (1, 'of naytife');
insert into other_schema.product values (1, 'of other');

create type mood as enum ('sad', 'ok', 'happy');
create type place as (x int, y text);
create table item (
	id int primary key, name text, price numeric(12, 2), body bytea,
	doc jsonb, tags text[], at timestamptz, feeling mood, is_good bool
);
create table drawn (id bigserial primary key, name text);
create table account (id int primary key, balance int not null
	check (balance >= 0));
insert into account select i, 100 from generate_series(1, 20) i;
create table changing (a int);
insert into changing values (1);

create function add_up(a int, b int) returns int language sql
	as 'select a + b';
create procedure pay(src int, dst int, amount int) language plpgsql as $$
begin
	update account set balance = balance - amount where id = src;
	update account set balance = balance + amount where id = dst;
end $$;
-- Who naps, of this database and not the one who asks; a function of their own
-- is not known to be harmless, and so they nap where this view can see it.  It
-- shows them only when they sleep: between two messages of a pipeline
-- PostgreSQL overhears a request to cancel.
create function nap(seconds int) returns void language plpgsql
	as 'begin perform pg_sleep(seconds); end';
create view sleeper as select pid from pg_stat_activity
	where datname = current_database() and wait_event = 'PgSleep' and
	query like '%nap(%' and pid <> pg_backend_pid();

create function complain(what text) returns void language plpgsql as $$
begin
	raise notice 'complaint: %', what;
end $$;
