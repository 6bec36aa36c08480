#!/bin/sh
# The sample file and the manual are what the tables of options and keys say.
cd "$(dirname "$0")/../.." || exit 1
print=build-test/tests/tools/print_options
"$print" sample | cmp - conf/pgweir.ini &&
    "$print" manual | cmp - conf/pgweir.ini.5 || {
	echo "run: make sample"
	exit 1
}
