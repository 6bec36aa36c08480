#!/bin/sh
# The page "From PgBouncer" names every option that is accepted without
# meaning, and every one whose default differs; links lead somewhere.
cd "$(dirname "$0")/../.." || exit 1
bad=$(
	sed -n '/define OPTION_IGNORED_LIST/,/^$/s/^X(\([a-z_]*\),.*/\1/p' \
	    include/config/option_list.h |
	while read -r name; do
		grep -q "^| \`$name\` |" conf/handbook/from-pgbouncer.md ||
		    echo "conf/handbook/from-pgbouncer.md does not name $name"
	done
	grep -oE '\]\([a-z/.-]+\.md\)' README.md conf/handbook/*.md | tr -d '()]' |
	while IFS=: read -r page link; do
		[ -e "$(dirname "$page")/$link" ] ||
		    echo "$page leads to $link"
	done
	awk -F'"' '/^X\([A-Z]+, / && NF >= 5 && $2 != $4 {
		split($1, part, /[(, ]+/); print part[3] }' \
	    include/config/option_list.h |
	while read -r name; do
		grep -q "^| \`$name\` |" conf/handbook/from-pgbouncer.md ||
		    echo "conf/handbook/from-pgbouncer.md has no default of $name"
	done
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
