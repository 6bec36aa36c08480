#!/bin/sh
# The same story in each driver's own idiom, against PostgreSQL directly and
# through pgweir; ends with "N passed, N failed, N skipped".
#
#	tests/drivers/run.sh [--all | --slow] [--cluster | --pools]
#				[--option line] [driver ...]
#
# Without --all only the quick ones are played, with --slow only the others.
# Debian's packages that are missing are installed where that is possible;
# npm's go to a folder of the build.  What cannot be installed is said to be
# skipped.
top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
exec python3 "$top/tests/drivers/run.py" --scratch "$top/build-test/drivers" \
    --binary "$top/build-test/src/pgweir" "$@"
