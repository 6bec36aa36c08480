#!/bin/sh
# A tour: a throwaway PostgreSQL primary and two streaming replicas on this
# host, pgweir in front, real statements with the host that served each, the
# primary killed and a replica promoted, the console, a DATABASE_URL to use.
# Stays until Ctrl-C; --once ends after the tour.  Leaves nothing behind.
cd "$(dirname "$0")/.." || exit 1
sh tests/install.sh || exit 1
[ -x build-test/src/pgweir ] || sh tests/run.sh build || exit 1
bin=/usr/lib/postgresql/15/bin
dir=$(mktemp -d)
pgweir_pid=

as_postgres() {
	if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

finish() {
	trap - EXIT INT TERM
	[ -z "$pgweir_pid" ] || kill -QUIT "$pgweir_pid" 2>/dev/null
	for data in "$dir"/data*; do
		as_postgres $bin/pg_ctl -s -m immediate -D "$data" stop \
		    2>/dev/null
	done
	rm -rf "$dir"
	echo "All gone again."
}
trap finish EXIT
trap 'exit 0' INT TERM

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

say() {
	printf '\n== %s\n' "$*"
}

chmod 755 "$dir"
[ "$(id -u)" != 0 ] || chown postgres "$dir"
primary=$(free_port)
say "A PostgreSQL primary on port $primary"
as_postgres $bin/initdb -A trust --no-sync -U postgres -D "$dir/data0" \
    >/dev/null
as_postgres sh -c "cat >>'$dir/data0/postgresql.conf'" <<C
port = $primary
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
fsync = off
wal_level = replica
max_wal_senders = 10
hot_standby = on
C
as_postgres $bin/pg_ctl -s -w -D "$dir/data0" -l "$dir/log0" start || exit 1
for n in 1 2; do
	port=$(free_port)
	say "A streaming replica on port $port"
	as_postgres $bin/pg_basebackup -h 127.0.0.1 -p "$primary" \
	    -U postgres -R -X stream -c fast -C -S "r$n" -D "$dir/data$n"
	echo "port = $port" |
	    as_postgres sh -c "cat >>'$dir/data$n/postgresql.auto.conf'"
	as_postgres $bin/pg_ctl -s -w -D "$dir/data$n" -l "$dir/log$n" start
	eval "replica$n=$port"
done
psql -X -q -h 127.0.0.1 -p "$primary" -U postgres -d postgres \
    -c "create role shop login password 'shop'" \
    -c 'create database shop owner shop' || exit 1

echo '"shop" "shop"' >"$dir/users"
cat >"$dir/pgweir.ini" <<C
[databases]
shop = host=127.0.0.1,127.0.0.1,127.0.0.1 port=$primary,$replica1,$replica2
[pgweir]
listen_addr = 127.0.0.1
listen_port = 0
unix_socket_dir =
auth_file = $dir/users
admin_users = shop
C
build-test/src/pgweir -v "$dir/pgweir.ini" 2>"$dir/pgweir.log" &
pgweir_pid=$!
until grep -q 'is ready' "$dir/pgweir.log"; do
	kill -0 $pgweir_pid || { cat "$dir/pgweir.log"; exit 1; }
done
port=$(sed -n 's/.*listening on 127.0.0.1:\([0-9]*\).*/\1/p' \
    "$dir/pgweir.log" | head -n 1)
url="postgresql://shop:shop@127.0.0.1:$port/shop?sslmode=require"

say "pgweir in front on port $port: a session through it, over TLS"
psql -X -q "$url" <<'C'
create table pets (id serial primary key, name text);
insert into pets (name) values ('Rex'), ('Tom') returning *;
set search_path = public;
prepare find as select name from pets where id = $1;
execute find(1);
C
say "writes go to the primary ($primary), reads to the replicas"
where="select inet_server_port() as served_by, pg_is_in_recovery()"
psql -X -q "$url" <<C
begin; insert into pets (name) values ('Kitty'); $where; commit;
begin read only; $where; commit;
/* pgweir.route=replica */ $where;
C
say "64 clients on 20 servers"
echo 'select count(*) from pets' >"$dir/one.sql"
PGPASSWORD=shop PGSSLMODE=disable $bin/pgbench -n -f "$dir/one.sql" \
    -M prepared -c 64 -j 2 -t 50 -h 127.0.0.1 -p "$port" -U shop shop |
    grep -E 'clients|processed|tps'
say "SHOW POOLS"
psql -X "postgresql://shop:shop@127.0.0.1:$port/pgweir" \
    -c 'show pools' | cut -c 1-110
say "the primary is killed; a client goes on meanwhile"
kill -9 "$(head -n 1 "$dir/data0/postmaster.pid")"
PGOPTIONS='-c pgweir.route=replica' psql -X -q "$url" -c "$where"
psql -X -q "$url" -c "insert into pets (name) values ('Snowy')
returning name, inet_server_port() as served_by" &
client=$!
say "a replica ($replica1) is promoted"
as_postgres $bin/pg_ctl -s -w -D "$dir/data1" promote
wait $client
psql -X "postgresql://shop:shop@127.0.0.1:$port/pgweir" \
    -c 'show hosts' | cut -d '|' -f 2,4-7,9
say "Use it:  DATABASE_URL='$url'"
echo "Console: psql 'postgresql://shop:shop@127.0.0.1:$port/pgweir'"
[ "${1:-}" != --once ] || exit 0
echo "Ctrl-C ends it."
while kill -0 $pgweir_pid 2>/dev/null; do
	sleep 1
done
