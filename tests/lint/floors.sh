#!/bin/sh
# Folders are floors: a file includes its own folder and the folders below it,
# and wire and net do not know each other.
cd "$(dirname "$0")/../.." || exit 1
bad=$(
	for file in src/*/*.c include/*/*.h; do
		own=$(echo "$file" | cut -d/ -f2)
		sed -n 's/^#include "\([a-z]*\)\/.*"/\1/p' "$file" |
		while read -r other; do
			echo "$file $own $other"
		done
	done | awk '
	BEGIN {
		split("base wire net config pool client session route relay ops", names)
		for (i in names) floor[names[i]] = i + 0
	}
	!($3 in floor) || floor[$3] > floor[$2] ||
	    ($2 == "net" && $3 == "wire") { print $1 " includes " $3 }
	'
	grep -ln '#include "\(worker\|daemon\|front\|lifecycle\|stop\)\.h"' \
	    src/*/*.c include/*/*.h
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
