#!/bin/sh
# Starts a member of the StatefulSet as what it has to be:
#
#	a peer is primary      be its replica: copy it (pg_basebackup) when
#	                       there is no data, follow it, or rejoin it
#	                       (pg_rewind, else a new copy) after a failover
#	nobody is primary      with data: go on as what it was, unless a replica
#	                       is already on a later timeline; without data, the
#	                       member number 0 of a group that does not exist
#	                       yet makes a new cluster
#
# Always true: data is never removed before its replacement is complete; data
# of another system is never touched; a new cluster is made only where no peer
# exists.  PostgreSQL replaces this shell at the end.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${SCRIPT_DIR:-/scripts}/lib.sh"

wait_or_give_up() {
	waited=$((waited + 1))
	if [ "$waited" -gt "${START_ATTEMPTS:-60}" ]; then
		say "gave up: $1$why"
		exit 1
	fi
	say "waiting: $1$why"
	sleep "${START_PAUSE:-2}"
}

# A copy is made beside the data and takes its place in one rename.
copy_from() {
	say "copying $1"
	rm -rf "$PGDATA.new"
	pg_basebackup -D "$PGDATA.new" -X stream -c fast -w \
	    -d "host=$1 user=replicator connect_timeout=10" >&2
	touch "$PGDATA.new/standby.signal"
	rm -rf "$PGDATA.old"
	[ ! -d "$PGDATA" ] || mv "$PGDATA" "$PGDATA.old"
	mv "$PGDATA.new" "$PGDATA"
	rm -rf "$PGDATA.old" "$PGDATA.rejoining"
}

# What an earlier start may have left behind when its machine stopped.  A
# process number of another container means nothing here.
tidy() {
	if [ ! -d "$PGDATA" ] && [ -d "$PGDATA.old" ]; then
		mv "$PGDATA.old" "$PGDATA"
	fi
	rm -rf "$PGDATA.new"
	[ -f "$PGDATA/postmaster.pid" ] || return 0
	pid=$(sed -n 1p "$PGDATA/postmaster.pid")
	case $(readlink "/proc/$pid/exe") in
	*/postgres)
		say "PostgreSQL runs here already, process $pid"
		exit 1 ;;
	esac
	rm "$PGDATA/postmaster.pid"
}

# The WAL that this member reads next must still be there.
has_wal() {
	file=$(pg_controldata -D "$PGDATA" |
	    sed -n "s/^Latest checkpoint's REDO WAL file: *//p")
	found=$(ask "$1" "select count(*) from pg_ls_waldir()
	    where substr(name, 9) = substr('$file', 9)") || return 1
	[ "$found" -gt 0 ]
}

# pg_rewind reads the timeline from the source's control file, which tells the
# new one only after a checkpoint.  When it is interrupted the data is good for
# nothing, which the mark says.
rejoin() {
	[ ! -f "$PGDATA.rejoining" ] && ask "$1" checkpoint || return 1
	touch "$PGDATA.rejoining"
	rm -f "$PGDATA/standby.signal"
	pg_rewind -D "$PGDATA" --source-server \
	    "host=$1 user=replicator dbname=postgres connect_timeout=10" >&2 ||
	    return 1
	touch "$PGDATA/standby.signal"
	rm "$PGDATA.rejoining"
}

be_replica_of() {
	if [ ! -s "$PGDATA/PG_VERSION" ]; then
		copy_from "$1"
		return
	fi
	theirs=$(ask "$1" \
	    'select system_identifier from pg_control_system()') || theirs=
	if [ "$theirs" != "$(own_system)" ]; then
		say "$1 is another system ($theirs) than the data here" \
		    "($(own_system)): nothing is touched; remove this" \
		    "member's volume or that one's"
		exit 1
	fi
	if [ "$(own_timeline)" = "$primary_timeline" ]; then
		if [ -f "$PGDATA/standby.signal" ] && has_wal "$1"; then
			say "following $1"
			return
		elif [ ! -f "$PGDATA/standby.signal" ] &&
		    [ ! -f "$PGDATA.rejoining" ]; then
			say "both $1 and this member were primary on" \
			    "timeline $primary_timeline: nothing is touched;" \
			    "remove the volume of the wrong one"
			exit 1
		fi
	elif rejoin "$1"; then
		say "rejoined $1 with pg_rewind"
		return
	fi
	copy_from "$1"
}

# A peer's name resolves while its pod exists; as long as our own does not, the
# look-ups prove nothing.
peer_exists() {
	getent hosts "$SELF" >/dev/null 2>&1 || return 0
	for peer in $(others); do
		! getent hosts "$peer" >/dev/null 2>&1 || return 0
	done
	return 1
}

new_cluster() {
	for file in "${PGDATA%/*}/PG_VERSION" "${PGDATA%/*}"/*/PG_VERSION; do
		[ -f "$file" ] || continue
		say "${file%/*} in this volume has data already: it must be" \
		    "$PGDATA to be used; nothing is touched"
		exit 1
	done
	say "making a new cluster"
	# shellcheck disable=SC2086
	set -- ${INITDB_ARGS:-}
	rm -rf "$PGDATA.new"
	initdb -D "$PGDATA.new" -U "$POSTGRES_USER" --data-checksums \
	    --auth-local=trust --auth-host=scram-sha-256 \
	    --pwfile="$SECRET_DIR/POSTGRES_PASSWORD" "$@" >&2
	mv "$PGDATA.new" "$PGDATA"
}

# new_password ROLE FILE: nothing, if it is that already.  Set anew, it would
# have another salt, and poolers would have to learn it again.
new_password() {
	password=$(cat "$SECRET_DIR/$2")
	PGPASSWORD=$password psql -X -w -h "$RUN_DIR/own" -U "$1" \
	    -d template1 -c select >/dev/null 2>&1 || printf %s "$password"
}

# Roles and passwords are what the Secret says, at every start of a primary:
# on a socket of its own, before anybody else can connect.
set_roles() {
	mkdir -p "$RUN_DIR/own"
	printf "local %s all %s\n" template1 scram-sha-256 all trust \
	    >"$RUN_DIR/own/hba"
	pg_ctl -D "$PGDATA" -w -s -l "$RUN_DIR/own/log" -o "$arguments \
	    -c listen_addresses= -c unix_socket_directories=$RUN_DIR/own \
	    -c hba_file=$RUN_DIR/own/hba" start || {
		cat "$RUN_DIR/own/log" >&2
		exit 1
	}
	POSTGRES_PASSWORD=$(new_password "$POSTGRES_USER" POSTGRES_PASSWORD) \
	REPLICATION_PASSWORD=$(new_password replicator \
	    POSTGRES_REPLICATION_PASSWORD) \
	POOLER_PASSWORD=$(new_password pgweir POOLER_PASSWORD) \
	    psql -X -q -v ON_ERROR_STOP=1 -d postgres -h "$RUN_DIR/own" \
	    -U "$POSTGRES_USER" -f "$SCRIPT_DIR/roles.sql" >&2 || {
		pg_ctl -D "$PGDATA" -w -s -m fast stop
		exit 1
	}
	pg_ctl -D "$PGDATA" -w -s -m fast stop
}

# Decides; returns when the data is ready to start.
prepare() {
	waited=0
	while :; do
		look_around
		if [ -s "$PGDATA/PG_VERSION" ]; then
			timeline=$(own_timeline)
		else
			timeline=0
		fi
		if [ -n "$primary" ] && [ "$primary_timeline" -ge "$timeline" ]
		then
			be_replica_of "$primary"
			rm -f "$PGDATA.demoted"
			return
		fi
		if [ -f "$PGDATA.rejoining" ]; then
			wait_or_give_up "a rejoin was interrupted, and nobody \
is primary"
		elif [ -f "$PGDATA.demoted" ]; then
			# As long as it takes: somebody promotes another.
			waited=0
			wait_or_give_up "demoted, and nobody is primary yet"
		elif [ "$timeline" -gt 0 ]; then
			if [ -f "$PGDATA/standby.signal" ] ||
			    [ "$newest_replica" -le "$timeline" ]; then
				return
			fi
			wait_or_give_up "a replica is on timeline \
$newest_replica, the data here on $timeline, and its primary is away"
		elif [ "$number" != 0 ]; then
			wait_or_give_up "nobody is primary yet"
		elif [ "$answers" -gt 0 ] || peer_exists; then
			wait_or_give_up "there is no data here, but peers \
exist (or names do not resolve) and none of them is primary"
		else
			new_cluster
			return
		fi
	done
}

mkdir -p "$RUN_DIR"
write_passfile
tidy
prepare

chmod 700 "$PGDATA"
line="include_if_exists = '$CONFIG_DIR/postgresql.conf'"
grep -qxF "$line" "$PGDATA/postgresql.conf" ||
    echo "$line" >>"$PGDATA/postgresql.conf"
hosts=$(others | paste -s -d , -)
conninfo="host=$hosts port=$PGPORT user=replicator passfile=$PGPASSFILE"
conninfo="$conninfo application_name=$POD_NAME connect_timeout=5"
conninfo="$conninfo target_session_attrs=read-write"
# Replicas find the primary by themselves, also the one after a failover.
arguments="-c hba_file=$CONFIG_DIR/pg_hba.conf ${POSTGRES_ARGS:-}"
if [ -f "$PGDATA/standby.signal" ]; then
	say "starting as a replica"
else
	set_roles
	say "starting as the primary"
fi
# shellcheck disable=SC2086
exec postgres -D "$PGDATA" $arguments -c primary_conninfo="$conninfo" \
    -c unix_socket_directories="$RUN_DIR"
