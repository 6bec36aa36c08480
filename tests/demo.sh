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
wal_keep_size = 64MB
hot_standby = on
C
as_postgres $bin/pg_ctl -s -w -D "$dir/data0" -l "$dir/log0" start || exit 1
for n in 1 2; do
	port=$(free_port)
	say "A streaming replica on port $port"
	as_postgres $bin/pg_basebackup -h 127.0.0.1 -p "$primary" \
	    -U postgres -R -X stream -c fast -D "$dir/data$n"
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

console() {
	psql -X -A -P footer=off \
	    "postgresql://shop:shop@127.0.0.1:$port/pgweir" -c "$1"
}

# The columns of SHOW HOSTS that tell the story.
show_hosts() {
	console 'show hosts' | awk -F '|' '{ printf "%-6s %-8s %-6s %-8s %-10s %s\n",
	    $2, $4, $5, $6, $7, $9 }'
}

# Until then reads go to the primary as well.
until [ "$(show_hosts | grep -c ' reads ')" = 2 ]; do
	kill -0 $pgweir_pid || exit 1
done
say "pgweir in front on port $port: a session through it, over TLS"
psql -X -q "$url" <<'C'
create table pets (id serial primary key, name text);
insert into pets (name) values ('Rex'), ('Tom') returning *;
set search_path = public;
prepare find as select name from pets where id = $1;
execute find(1);
C
say "writes go to the primary ($primary), reads to the replicas"
psql -X -q -A -t "$url" <<'C'
insert into pets (name) values ('Kitty')
returning 'insert: ' || inet_server_port();
C
# Who has written reads where that is; soon the replicas have it.
until [ "$(psql -X -q -A -t "$url" -c 'select inet_server_port()
    from pets limit 1')" != "$primary" ]; do
	kill -0 $pgweir_pid || exit 1
done
psql -X -q -A -t "$url" <<'C'
begin read only;
select 'begin read only; select: ' || inet_server_port() from pets limit 1;
commit;
/* pgweir.route=replica */
select '/* pgweir.route=replica */ select: ' || inet_server_port();
C
show_hosts
say "64 clients on 20 servers"
echo 'select count(*) from pets' >"$dir/one.sql"
PGPASSWORD=shop PGSSLMODE=disable $bin/pgbench -n -f "$dir/one.sql" \
    -M prepared -c 64 -j 2 -t 50 -h 127.0.0.1 -p "$port" -U shop shop |
    grep -E 'clients|processed|tps'
say "SHOW POOLS"
console 'show pools' | awk -F '|' '{ printf "%-9s %-5s %-10s %-10s %-10s %s\n",
    $1, $2, $3, $4, $7, $10 }'
say "the primary is killed; a client goes on meanwhile"
kill -9 "$(head -n 1 "$dir/data0/postmaster.pid")"
psql -X -q -A -t "$url" -c "select count(*) || ' pets, says ' ||
inet_server_port() from pets"
psql -X -q -A -t "$url" -c "insert into pets (name) values ('Snowy')
returning 'insert, which has waited: ' || inet_server_port()" &
client=$!
say "a replica ($replica1) is promoted"
as_postgres $bin/pg_ctl -s -w -D "$dir/data1" promote
wait $client
as_postgres psql -X -q -h 127.0.0.1 -p "$replica2" -U postgres -c "alter \
system set primary_conninfo = 'host=127.0.0.1 port=$replica1 user=postgres'" \
    -c 'select pg_reload_conf()' >/dev/null
show_hosts
say "Use it:  DATABASE_URL='$url'"
echo "Console: psql 'postgresql://shop:shop@127.0.0.1:$port/pgweir'"
[ "${1:-}" != --once ] || exit 0
echo "Ctrl-C ends it."
while kill -0 $pgweir_pid 2>/dev/null; do
	sleep 1
done
