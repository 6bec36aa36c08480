#!/bin/sh
# conf/handbook/troubleshooting.md has every error text that a client can be told.
cd "$(dirname "$0")/../.." || exit 1
python3 tests/lint/messages.py
