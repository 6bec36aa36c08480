#!/bin/sh
# Every source, header, unit test and talk test stands in Makefile.am.
cd "$(dirname "$0")/../.." || exit 1
bad=$(
	find src include -name '*.[ch]' -o -path 'tests/unit/check_*.c' |
	while read -r file; do
		grep -qF "$file" Makefile.am || echo "$file is not listed"
	done
	for test in tests/unit/check_*.c tests/talk/check_*.c; do
		grep -qE "^	${test%.c}( |$)" Makefile.am ||
		    echo "$test is not listed"
	done
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
