#!/bin/sh
# The leak hunt for long: 100,000 statements, or as many and as long as said.
#
#	tests/soak.sh [--statements N] [--seconds N] [--seed N]
cd "$(dirname "$0")/.." || exit 1
exec python3 tests/leak/hunt.py --binary build-test/src/pgweir \
    --statements 100000 "$@"
