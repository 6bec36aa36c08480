#!/bin/sh
# The first half of a switchover, in the primary's pod: PostgreSQL stops, with
# all of its WAL sent to the replicas, and does not come back as a primary.
# Then promote.sh in another pod; this one follows it.  To take it back:
# rm "$PGDATA.demoted" in this pod.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${SCRIPT_DIR:-/scripts}/lib.sh"

[ ! -f "$PGDATA/standby.signal" ] || {
	say "this is a replica"
	exit 1
}
touch "$PGDATA.demoted"
pg_ctl -D "$PGDATA" -m fast -W stop
