#!/bin/sh
# Makes this replica the primary: kubectl exec postgres-1 -- sh
# /scripts/promote.sh.  Refuses while a primary answers or a replica that
# answers has received more; "--force" does it anyway.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${SCRIPT_DIR:-/scripts}/lib.sh"

own() {
	psql -X -A -t -q -v ON_ERROR_STOP=1 -h "$RUN_DIR" \
	    -U "$POSTGRES_USER" -d postgres -c "$1"
}
received="coalesce(greatest(pg_last_wal_receive_lsn(),
    pg_last_wal_replay_lsn()), '0/0') - '0/0'"

[ "$(own 'select pg_is_in_recovery()')" = t ] || {
	say "this is the primary"
	exit 0
}
if [ "${1:-}" != --force ]; then
	look_around
	if [ -n "$primary" ]; then
		say "$primary is primary; stop it first"
		exit 1
	fi
	here=$(own "select $received")
	for peer in $(others); do
		there=$(ask "$peer" "select $received") || continue
		if [ "$there" -gt "$here" ]; then
			say "$peer has received more: promote that one"
			exit 1
		fi
	done
fi
[ "$(own 'select pg_promote(true, 60)')" = t ]
own checkpoint
say "primary now; direct connections follow with:" \
    "kubectl patch service $group-rw -p '{\"spec\":{\"selector\":" \
    "{\"statefulset.kubernetes.io/pod-name\":\"$POD_NAME\"}}}'"
