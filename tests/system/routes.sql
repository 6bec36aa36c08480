-- What the statements of routes.txt are about.
create schema shop;
create type mood as enum ('sad', 'happy');
create type pair as (a int, b text);
create table users (id int primary key, name text, email text, status text,
    feeling mood, created timestamptz default now(), data jsonb, tags text[]);
create table orders (id int primary key, user_id int, total numeric,
    placed date, two pair);
create table "Order Lines" (id int, "orderId" int);
create table shop.items (id int, price numeric, name text);
create table groups (id int, name text);
create table measures (at date, value float8) partition by range (at);
create table measures_1 partition of measures
    for values from ('2020-01-01') to ('2030-01-01');
create sequence numbers;
create unlogged table cache (key text, value text);
insert into users values (1, 'ann', 'a@b', 'new', 'happy', now(),
    '{"a": {"b": 1}}', '{x,y}'), (2, 'bob', 'c@d', 'old', 'sad', now(),
    '{}', '{}');
insert into orders values (1, 1, 10.5, '2024-01-01', '(1,x)'),
    (2, 1, 20, '2024-02-01', null);
insert into "Order Lines" values (1, 1);
insert into shop.items values (1, 2.5, 'nut');
insert into measures values ('2024-01-01', 1.5);
create table tree (id int, parent int);
insert into tree values (1, null), (2, 1), (3, 2);

create function add_one(int) returns int immutable language sql
    as 'select $1 + 1';
create function user_name(int) returns text stable language sql
    as 'select name from users where id = $1';
create function busy() returns int volatile language sql as 'select 1';
create function noted(text) returns void language sql
    as 'insert into cache values ($1, $1)';
create function mixed(int) returns int immutable language sql as 'select 1';
create function mixed(text) returns int volatile language sql as 'select 1';
create function shop.far() returns int volatile language sql as 'select 1';
create function of_user(users) returns int volatile language sql
    as 'select 1';
create function many(int) returns setof int immutable language sql
    as 'select generate_series(1, $1)';
create procedure act() language sql as 'select 1';
create function add_noisy(int, int) returns int volatile language sql
    as 'select $1 + $2';
create aggregate noisy_sum (int) (sfunc = add_noisy, stype = int,
    initcond = 0);
create aggregate quiet_sum (int) (sfunc = int4pl, stype = int, initcond = 0);
create operator <~> (leftarg = int, rightarg = int, function = add_noisy);
create operator <+> (leftarg = int, rightarg = int, function = int4pl);

create view active as select * from users where status = 'new';
create view active_names as select name, add_one(id) as next from active;
create view drawing as select nextval('numbers') as n;
create view drawing_again as select * from drawing;
create view noisy as select 1 <~> 2 as n;
create view summed as select noisy_sum(id) from users;
create view on_cache as select * from cache;
create view on_system as select relname from pg_class;
create view in_subquery as select * from users where id in
    (select busy() from orders);
create view in_lateral as select u.id from users u, lateral busy() b;
create view sampled as select id from users tablesample system (100);
create materialized view totals as select user_id, sum(total) from orders
    group by 1;
create materialized view drawn as select nextval('numbers') as n;
create table guarded (id int, owner text);
alter table guarded enable row level security;
create policy quiet on guarded using (owner = current_user);
create table watched (id int);
alter table watched enable row level security;
create policy loud on watched using (busy() = id);
create table tenants (id int, tenant text);
alter table tenants enable row level security;
create policy own on tenants using
    (tenant = current_setting('app.tenant', true));

create domain positive as int check (value > 0);
create domain loud as int check (value > busy());
create domain louder as loud;
create type loud_pair as (a int, b loud);
create type price as (cents int);
create type weight as (grams int);
create function to_price(int) returns price volatile language sql
    as 'select row($1)::price';
create cast (int as price) with function to_price(int);
create function to_weight(int) returns weight immutable language sql
    as 'select row($1)::weight';
create cast (int as weight) with function to_weight(int);

create function asks(int default busy()) returns int stable language sql
    as 'select $1';
create function asks_that(int default asks()) returns int immutable
    language sql as 'select $1';
create view on_default as select asks_that() as n;
create function takes_loud(loud) returns int immutable language sql
    as 'select 1';
create function gives_loud() returns loud stable language sql as 'select 1';
create function quiet_default(int default abs(-1)) returns int immutable
    language sql as 'select $1';
create function loud_plus(loud, text) returns int immutable language sql
    as 'select 1';
create operator <+!> (leftarg = loud, rightarg = text, function = loud_plus);

create extension tablefunc;
create extension file_fdw;
create server nowhere foreign data wrapper file_fdw;
create foreign table abroad (id int) server nowhere
    options (filename '/dev/null');
create view from_abroad as select * from abroad;
create table parts (id int, kind int) partition by list (kind);
create table parts_here partition of parts for values in (1);
create foreign table parts_abroad partition of parts for values in (2)
    server nowhere options (filename '/dev/null');
analyze;
