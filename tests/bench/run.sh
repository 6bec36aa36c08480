#!/bin/bash
# Side by side in one run: a bare forwarder (floor.c), PgBouncer, pgweir, on a
# throwaway PostgreSQL, all over TCP on this host with one worker, a pool of 20
# and sslmode=disable.
#
#	ROUNDS=7 SECONDS_EACH=2 tests/bench/run.sh [part ...]
#
# Parts: simple-16 simple-64 extended-16 extended-64 prepared-16 prepared-64
#	 rows-1000 rows-100 connect memory fairness syscalls tls route reads
#
# route and reads have a primary and two replicas of their own: what it costs
# to prove that a statement reads, against route = primary on the same hosts
# with the same work; and the throughput of reads over all three.
#
# CPU is user and system time of the pooler's process a transaction (or a run
# of 10 MB).  Subjects take turns, so that a machine that changes its speed
# changes it for all; what counts is the ratio of each round, as median, with
# the lowest and the highest.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
rounds=${ROUNDS:-7}
each=${SECONDS_EACH:-2}
parts=${*:-simple-16 simple-64 extended-16 extended-64 prepared-16
prepared-64 rows-1000 rows-100 connect memory fairness syscalls tls route
reads}
bin=/usr/lib/postgresql/15/bin
dir=$(mktemp -d)
bouncer_pid=
export PGSSLMODE=disable PGHOST=127.0.0.1 PGUSER=app PGDATABASE=app

sh tests/install.sh >/dev/null
[ -x build-test/src/pgweir ] || sh tests/run.sh build >/dev/null || exit 1
weir_binary=$top/build-test/src/pgweir

as_postgres() {
	if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

finish() {
	# Not asked twice: whoever reads our output waits for all of them.
	kill -KILL "$bouncer_pid" $(jobs -p) 2>/dev/null
	for data in "$dir"/data "$dir"/replica*; do
		as_postgres $bin/pg_ctl -m immediate -D "$data" stop \
		    >/dev/null 2>&1
	done
	rm -rf "$dir"
}
trap finish EXIT

chmod 755 "$dir"
[ "$(id -u)" != 0 ] || chown postgres "$dir"
db=$(free_port) floor=$(free_port) bouncer=$(free_port) weir=$(free_port)
as_postgres $bin/initdb -A trust --no-sync -U postgres -D "$dir/data" \
    >/dev/null
cat >>"$dir/data/postgresql.conf" <<C
fsync = off
port = $db
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 4500
C
as_postgres $bin/pg_ctl -w -D "$dir/data" -l "$dir/data/log" start >/dev/null
psql -q -p "$db" -U postgres -d postgres -c 'create role app superuser login' \
    -c 'create database app'
echo '"app" "x"' >"$dir/users"
cat >"$dir/pgweir.ini" <<C
[databases]
app = host=127.0.0.1 port=$db
[pgweir]
workers = 1
listen_addr = 127.0.0.1
listen_port = $weir
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
max_client_conn = 5000
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
C
cat >"$dir/pgbouncer.ini" <<C
[databases]
app = host=127.0.0.1 port=$db
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $bouncer
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
max_client_conn = 5000
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
C
chmod 644 "$dir"/*.ini "$dir/users"
gcc -O2 -o "$dir/floor" tests/bench/floor.c
ulimit -n "$(ulimit -Hn)"
"$dir/floor" "$floor" "$db" >/dev/null 2>&1 & floor_pid=$!
"$weir_binary" -q "$dir/pgweir.ini" >/dev/null 2>&1 & weir_pid=$!
# runuser goes back to the system's limit of descriptors.
as_postgres sh -c 'ulimit -n "$(ulimit -Hn)"; exec pgbouncer -q "$0"' \
    "$dir/pgbouncer.ini" >/dev/null 2>&1 &
for port in $floor $bouncer $weir; do
	until psql -q -p "$port" -c 'select 1' >/dev/null 2>&1; do :; done
done
bouncer_pid=$(pgrep -x pgbouncer | while read -r pid; do
	tr '\0' ' ' </proc/"$pid"/cmdline | grep -q "$dir" && echo "$pid"
done | tail -n 1)

pid_of() { eval "echo \$${1}_pid"; }
port_of() { eval "echo \$$1"; }

# Microseconds of CPU that all threads of a process have used.
cpu_of() {
	cat /proc/"$1"/task/*/schedstat |
	    awk '{ ns += $1 } END { printf "%.0f\n", ns / 1000 }'
}

# rate SUBJECT COMMAND...: CPU microseconds for each transaction that pgbench
# counts.
rate() {
	subject=$1
	shift
	before=$(cpu_of "$(pid_of "$subject")")
	count=$("$@" -p "$(port_of "$subject")" 2>/dev/null |
	    awk '/actually processed/ { sub("/.*", "", $6); print $6 }')
	after=$(cpu_of "$(pid_of "$subject")")
	echo "$before $after ${count:-0}" |
	    awk '{ printf "%.3f\n", $3 ? ($2 - $1) / $3 : 0 }'
}

# "median lowest highest" of numbers, one a line.
spread() {
	sort -n | awk '{ v[NR] = $1 } END {
	printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# compare NAME "SUBJECTS" COMMAND...: rounds in turn, ratios to the first.
compare() {
	name=$1 subjects=$2
	shift 2
	rm -f "$dir"/r.*
	for _ in $(seq "$rounds"); do
		base=
		for subject in $subjects; do
			value=$(rate "$subject" "$@")
			echo "$value" >>"$dir/r.$subject"
			[ -n "$base" ] || base=$value
			echo "$value $base" |
			    awk '{ print ($2 > 0 ? $1 / $2 : 0) }' \
			    >>"$dir/r.$subject.ratio"
		done
	done
	for subject in $subjects; do
		printf '%-12s %-8s %8s us   ratio %s\n' "$name" "$subject" \
		    "$(spread <"$dir/r.$subject" | cut -d' ' -f1)" \
		    "$(spread <"$dir/r.$subject.ratio")"
	done
}

echo 'select 1' >"$dir/one.sql"
pgbench() {
	$bin/pgbench -n -j 2 "$@"
}

part_mode() {
	mode=${1%-*} clients=${1#*-}
	subjects="floor weir bouncer"
	# Debian's PgBouncer has no prepared statements in transaction mode.
	[ "$mode" != prepared ] || subjects="floor weir"
	compare "$1" "$subjects" pgbench -f "$dir/one.sql" -M "$mode" \
	    -c "$clients" -T "$each"
}

part_rows() {
	size=$1
	echo "select repeat('x', $size) from generate_series(1," \
	    "$((10000000 / size)))" >"$dir/rows.sql"
	compare "rows-$size" "floor weir bouncer" pgbench \
	    -f "$dir/rows.sql" -c 2 -t 10
}

part_connect() {
	compare connect "bouncer weir" pgbench -C -f "$dir/one.sql" -c 8 \
	    -T "$each"
}

part_memory() {
	for subject in weir bouncer; do
		python3 tests/bench/idle.py "$(port_of $subject)" \
		    "$(pid_of $subject)" 4000 |
		    sed "s/^/memory       $subject  /"
	done
}

part_fairness() {
	fair=$(free_port)
	sed "s/^listen_port.*/listen_port = $fair\ndefault_pool_size = 5/" \
	    "$dir/pgweir.ini" >"$dir/fair.ini"
	"$weir_binary" -q "$dir/fair.ini" >/dev/null 2>&1 & fair_pid=$!
	until psql -q -p "$fair" -c 'select 1' >/dev/null 2>&1; do :; done
	echo 'select pg_sleep(0.005)' >"$dir/sleep.sql"
	(cd "$dir" && pgbench -p "$fair" -f sleep.sql -c 64 -T 5 \
	    --log >/dev/null 2>&1
	# One stall of the machine delays all 64 at once, which is more than 1 %
	# of what is run: unfair is only who gets fewer turns than others.
	cat "$dir"/pgbench_log.* | sort -n -k3,3 | awk '
	{ v[NR] = $3; turns[$1]++ }
	END { for (c in turns) {
		if (!least || turns[c] < least) least = turns[c]
		if (turns[c] > most) most = turns[c]
	}
	printf "fairness     weir     latency p50 %d us, p99 %d us, " \
	"p99/p50 %.2f; %d to %d turns a client\n", v[int(NR / 2)],
	v[int(NR * .99)], v[int(NR * .99)] / v[int(NR / 2)], least, most }')
	kill -KILL $fair_pid
}

part_syscalls() {
	command -v strace >/dev/null || { echo "syscalls     no strace"; return; }
	for subject in floor weir; do
		pgbench -f "$dir/one.sql" -c 64 -T 3 -p "$(port_of $subject)" \
		    >"$dir/out" 2>/dev/null & load=$!
		sleep 1
		timeout -s INT 1 strace -f -c -p "$(pid_of $subject)" \
		    -o "$dir/strace" 2>/dev/null
		wait "$load"
		echo "syscalls     $subject:" $(awk '$NF ~ /^(send|recv|epoll)/ {
		    print $NF, $4 }' "$dir/strace")
	done
}

part_tls() {
	before=$(cpu_of $weir_pid)
	count=$(PGSSLMODE=require pgbench -f "$dir/one.sql" -c 16 -T "$each" \
	    -p "$weir" 2>/dev/null |
	    awk '/actually processed/ { sub("/.*", "", $6); print $6 }')
	after=$(cpu_of $weir_pid)
	echo "$before $after $count" | awk '
	{ printf "tls          weir     %8.2f us\n", ($2 - $1) / $3 }'
	PGSSLMODE=require python3 tests/bench/idle.py "$weir" "$weir_pid" \
	    1000 tls | sed 's/^/memory-tls   weir     /'
}

# Two replicas, and one process that serves the same hosts under two names.
start_replicas() {
	[ ! -d "$dir/replica1" ] || return 0
	hosts=127.0.0.1 ports=$db
	for n in 1 2; do
		port=$(free_port)
		as_postgres $bin/pg_basebackup -h 127.0.0.1 -p "$db" \
		    -U postgres -R -X stream -c fast --no-sync \
		    -D "$dir/replica$n"
		as_postgres $bin/pg_ctl -w -D "$dir/replica$n" \
		    -l "$dir/replica$n/log" -o "-p $port" start >/dev/null
		hosts=$hosts,127.0.0.1 ports=$ports,$port
	done
	cluster=$(free_port)
	sed "s/^listen_port.*/listen_port = $cluster/
	s/^app = .*/split = host=$hosts port=$ports dbname=app route=split\n\
primary = host=$hosts port=$ports dbname=app route=primary/" \
	    "$dir/pgweir.ini" >"$dir/cluster.ini"
	echo 'read_your_writes = off' >>"$dir/cluster.ini"
	chmod 644 "$dir/cluster.ini"
	"$weir_binary" -q "$dir/cluster.ini" >/dev/null 2>&1 & cluster_pid=$!
	until [ "$(psql -qAt -p "$cluster" -d split -c \
	    'select inet_server_port()' 2>/dev/null)" -ne "$db" ] \
	    2>/dev/null; do :; done
}

# The work of a round is the same, so its microseconds can be subtracted.
part_route() {
	start_replicas
	for mode in simple extended prepared; do
		rm -f "$dir"/r.*
		for _ in $(seq "$rounds"); do
			for name in primary split; do
				eval "$name=$(rate cluster pgbench \
				    -f "$dir/one.sql" -M $mode -c 16 \
				    -T "$each" "$name")"
			done
			echo "$split $primary" | awk '{ print $1 / $2 }' \
			    >>"$dir/r.ratio"
			echo "$split $primary" | awk '{ print $1 - $2 }' \
			    >>"$dir/r.us"
		done
		printf 'route        %-8s split to primary %s, %s us\n' $mode \
		    "$(spread <"$dir/r.ratio")" "$(spread <"$dir/r.us")"
	done
}

part_reads() {
	start_replicas
	for name in primary split; do
		pgbench -f "$dir/one.sql" -M prepared -c 48 -T "$each" \
		    -p "$cluster" "$name" 2>/dev/null | awk -v n=$name '
		/^tps/ { printf "reads        %-8s %d a second\n", n, $3 }'
	done
}

for part in $parts; do
	case $part in
	simple-* | extended-* | prepared-*) part_mode "$part" ;;
	rows-*) part_rows "${part#rows-}" ;;
	*) "part_$part" ;;
	esac
done
