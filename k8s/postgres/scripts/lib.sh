# What the scripts of a PostgreSQL pod share: who the peers are and how they
# are asked.  Sourced by start.sh, alive.sh and promote.sh; POSIX shell, no
# tool but PostgreSQL's own, and no API of the cluster.
#
#	POD_NAME	postgres-0: the member's name and number
#	REPLICAS	how many members the StatefulSet has
#	PGDATA		a directory inside the volume, not the volume itself
#	PEERS, SELF	host names; by default those of a StatefulSet whose
#			headless Service bears its name
#	SECRET_DIR	files POSTGRES_PASSWORD, POSTGRES_REPLICATION_PASSWORD
#			and POOLER_PASSWORD
#	CONFIG_DIR	postgresql.conf and pg_hba.conf
#	SCRIPT_DIR	these scripts and roles.sql
# shellcheck disable=SC2034
set -eu

: "${POD_NAME:?}" "${PGDATA:?}"
: "${REPLICAS:=1}" "${PGPORT:=5432}"
: "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}"
: "${SECRET_DIR:=/etc/postgres-secret}" "${CONFIG_DIR:=/etc/postgres}"
: "${SCRIPT_DIR:=/scripts}" "${RUN_DIR:=/var/run/postgresql}"
group=${POD_NAME%-*}
: "${SELF:=$POD_NAME.$group}"
number=${POD_NAME##*-}
export PGPORT PGDATA POSTGRES_USER POSTGRES_DB

if [ -z "${PEERS:-}" ]; then
	PEERS='' i=0
	while [ "$i" -lt "$REPLICAS" ]; do
		PEERS="$PEERS $group-$i.$group"
		i=$((i + 1))
	done
fi

# The image need not have them in its path.
export PATH="$PATH:/usr/lib/postgresql/15/bin"

say() {
	printf "%s: %s\n" "$POD_NAME" "$*" >&2
}

# libpq of this script, of pg_basebackup and of the WAL receiver reads the
# password here, so that it is in no command line and no setting.
export PGPASSFILE="$RUN_DIR/replicator.pass"
write_passfile() {
	umask 077
	escaped=$(sed 's/[\\:]/\\&/g' \
	    "$SECRET_DIR/POSTGRES_REPLICATION_PASSWORD")
	printf "*:*:*:replicator:%s\n" "$escaped" >"$PGPASSFILE"
}

others() {
	for peer in $PEERS; do
		[ "$peer" = "$SELF" ] || echo "$peer"
	done
}

# ask HOST STATEMENT: as replicator, who may read what these scripts need.
ask() {
	psql -X -A -t -q -w -v ON_ERROR_STOP=1 \
	    -d "host=$1 user=replicator dbname=postgres connect_timeout=3" \
	    -c "$2" 2>"$RUN_DIR/ask.log"
}

# "f 3": a primary on timeline 3; "t 2": a replica; nothing: no answer.  The
# control file is old until the checkpoint after a promotion: the WAL that a
# replica has tells what it has followed.
role_of() {
	ask "$1" "select case when pg_is_in_recovery() then
	    't ' || greatest(timeline_id, (select
		max(('x' || substr(name, 1, 8))::bit(32)::int)
		from pg_ls_waldir() where name ~ '^[0-9A-F]{8}'))
	    else 'f ' || ('x' || substr(pg_walfile_name(
	    pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int end
	    from pg_control_checkpoint()"
}

# The same for the data here: the higher of what both say.
own_timeline() {
	checkpointed=$(pg_controldata -D "$PGDATA" |
	    sed -n "s/^Latest checkpoint's TimeLineID: *//p")
	# shellcheck disable=SC2012
	followed=$(ls "$PGDATA/pg_wal" |
	    sed -n 's/^\([0-9A-F]\{8\}\).*/0x\1/p' | sort | tail -n 1)
	followed=$((${followed:-0}))
	[ "$followed" -gt "$checkpointed" ] || followed=$checkpointed
	echo "$followed"
}

own_system() {
	pg_controldata -D "$PGDATA" |
	    sed -n 's/^Database system identifier: *//p'
}

# Sets primary and primary_timeline to the peer that is primary with the
# highest timeline, newest_replica to the highest timeline of a replica,
# answers to how many peers spoke, and why to what the others said.
look_around() {
	why=
	primary='' primary_timeline=0 newest_replica=0 answers=0
	for peer in $(others); do
		role=$(role_of "$peer") || {
			# A pod that does not exist is no news.
			grep -q 'translate host name' "$RUN_DIR/ask.log" ||
			    why="$why; $(head -n 1 "$RUN_DIR/ask.log")"
			continue
		}
		[ -n "$role" ] || continue
		answers=$((answers + 1))
		timeline=${role#* }
		case $role in
		f*)	if [ "$timeline" -gt "$primary_timeline" ]; then
				primary=$peer primary_timeline=$timeline
			fi ;;
		*)	[ "$timeline" -le "$newest_replica" ] ||
			    newest_replica=$timeline ;;
		esac
	done
}
