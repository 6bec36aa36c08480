#!/bin/sh
# The story told to psql: URLs as libpq takes them, the simple protocol,
# \copy, \gexec, \watch's friends, FETCH_COUNT, large objects, -1, \c.
ca=$(printf %s "$STORY_CA" | sed 's#/#%2F#g')
tell() {
	sed "s/^/$1: /"
}
run() {
	psql -X -A -q -v ON_ERROR_STOP=0 "$@" 2>&1 |
	    sed -e 's/connection to server.*failed: //' \
	    -e 's/^psql:<stdin>:[0-9]*: //'
}

number=0
for url in \
    '?sslmode=require&options=-csearch_path%3Dnaytife_schema' \
    '?options=-c%20search_path%3Dother_schema%20-c%20statement_timeout%3D5s' \
    '?options=--search_path%3D%22%24user%22%2Cpublic&sslmode=disable' \
    '?options=-capplication_name%3Dan%5C%20app%20-cwork_mem%3D3MB' \
    '?application_name=x&connect_timeout=5&target_session_attrs=read-write' \
    '?target_session_attrs=read-only' \
    '?target_session_attrs=standby' \
    '?target_session_attrs=prefer-standby' \
    '?channel_binding=require&sslmode=require' \
    "?sslmode=verify-full&sslrootcert=$ca" \
    '?sslmode=verify-full&sslrootcert=%2Fdev%2Fnull' \
    '?options=-c%20nosuch%3D1' \
    '?options=-c%20IntervalStyle%3Diso_8601%20-c%20lc_messages%3DC' \
    '?client_encoding=LATIN1'
do
	number=$((number + 1))
	run "$DATABASE_URL$url" -t -c "select current_setting('search_path'),
	    current_setting('statement_timeout'),
	    current_setting('application_name'),
	    current_setting('work_mem'), current_setting('IntervalStyle'),
	    current_setting('client_encoding'), interval '1 day',
	    (select ssl from pg_stat_ssl where pid = pg_backend_pid())
	    is not null" | tell "url $number"
done

run <<'END' | sed 's/ with PID [0-9]*//' | tell session
\encoding
\echo :SERVER_VERSION_NUM :DBNAME :USER
select 1 as one; select 2 as two \; select 3 as three;
\bind 1
begin;
insert into account values (100, 1);
savepoint a;
insert into account values (100, 2);
select 'never';
rollback to a;
set local search_path = other_schema;
select name from product;
commit;
select balance from account where id = 100;
show search_path;
set search_path = naytife_schema, public;
set application_name = 'mine';
set datestyle = 'German';
select name, date '2024-02-29', current_setting('application_name') from product;
create temp table mine (a int);
insert into mine select generate_series(1, 3) returning a;
select a from mine \gset got_
select pg_advisory_lock(1);
prepare p (int) as select $1 * 2;
execute p (21);
deallocate p;
execute p (21);
insert into drawn (name) values ('x') returning id;
select currval('drawn_id_seq'), lastval();
listen news;
notify news, 'hello';
unlisten news;
set app.tenant = 'me';
show app.tenant;
do $$ begin raise notice 'done'; perform set_config('work_mem', '7MB', false); end $$;
show work_mem;
call pay(1, 2, 10);
call pay(1, 2, 1000);
set role pg_read_all_data;
select current_user;
delete from account;
reset role;
discard all;
show search_path;
select a from mine;
END

run <<'END' | tell copy
copy item (id, name) from stdin;
1	one
2	two
\.
copy item (id, name) from stdin with csv;
3,"three, and more"
\.
copy item (id, name) from stdin;
1	again
\.
copy (select id, name from item order by id) to stdout with csv header;
\copy (select name from item) to '/dev/null'
\copy item (id, name) from program 'seq -f "%g,name" 10 3000' with csv
select count(*), sum(id) from item;
copy nosuch from stdin;
END

run <<'END' | tell cursor
\set FETCH_COUNT 7
select generate_series(1, 30);
\unset FETCH_COUNT
begin;
declare c scroll cursor for select generate_series(1, 9);
fetch 3 from c;
fetch backward 1 from c;
move forward all in c;
close c;
declare h cursor with hold for select generate_series(1, 9);
commit;
fetch 2 from h;
close h;
select 'select ' || n from generate_series(1, 3) n \gexec
select n, n % 2, n * n from generate_series(1, 4) n \crosstabview
\d account
\dn
\df add_up
\dt
\l story
select 1 / 0;
\errverbose
END

run <<'END' | sed 's/lo_import [0-9]*/lo_import/' | tell 'large object'
\lo_import /etc/hostname 'a comment'
select length(lo_get(:LASTOID)) > 0;
select obj_description(:LASTOID, 'pg_largeobject');
\lo_export :LASTOID /dev/null
\lo_unlink :LASTOID
END

run -1 -c 'insert into account values (200, 1)' -c 'select 1 / 0' | tell one
run -c 'select count(*) from account where id = 200' | tell one
run -c "insert into account values (201, 1); select 1 / 0" | tell one
run -c 'select count(*) from account where id = 201' | tell one
run -c 'vacuum account' -c 'vacuum; select 1' | tell one

# Cancelling, as Ctrl-C does it.
psql -X -A -q -t -c 'select nap(60)' \
    >"${TMPDIR:-/tmp}/story.$$" 2>&1 &
sleeper=$!
until [ "$(psql -X -A -t -c 'select count(*) from sleeper')" = 1 ]; do :; done
kill -INT $sleeper
wait $sleeper
echo "exit code $?" | tell cancel
tell cancel <"${TMPDIR:-/tmp}/story.$$"
rm -f "${TMPDIR:-/tmp}/story.$$"

# A crowd, each with settings of its own.
client=0
while [ $client -lt "$STORY_CLIENTS" ]; do
	client=$((client + 1))
	for turn in 1 2 3 4 5 6; do
		echo "select name || current_setting('work_mem') from product;"
		echo "begin; select balance from account where id = $client;"
		echo "select 1 / 0; rollback;"
	done | PGOPTIONS="-csearch_path=other_schema,public -cwork_mem=${client}MB" \
	    run -t | sort | uniq -c | tell "crowd $client" \
	    >"${TMPDIR:-/tmp}/story.$$.$client" &
done
wait
client=0
while [ $client -lt "$STORY_CLIENTS" ]; do
	client=$((client + 1))
	cat "${TMPDIR:-/tmp}/story.$$.$client"
	rm -f "${TMPDIR:-/tmp}/story.$$.$client"
done
