#!/bin/sh
# The liveness probe.  A primary that was replaced, and does not know it, is
# not alive: the kubelet starts it again, and start.sh rejoins it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${SCRIPT_DIR:-/scripts}/lib.sh"

pg_isready -q -h "$RUN_DIR" -t 3 || [ $? = 1 ]
in_recovery=$(psql -X -A -t -q -h "$RUN_DIR" -U "$POSTGRES_USER" \
    -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null) || exit 0
[ "$in_recovery" = f ] || exit 0
own=$(role_of "$SELF") || exit 0
look_around
if [ -n "$primary" ] && [ "$primary_timeline" -gt "${own#* }" ]; then
	say "$primary is primary on timeline $primary_timeline," \
	    "this one is on ${own#* }"
	exit 1
fi
