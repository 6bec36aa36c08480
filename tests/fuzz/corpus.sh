#!/bin/sh
# Every fuzz entry over its corpus; in the build directory.
set -e
for entry in tests/fuzz/corpus_*; do
	[ -x "$entry" ] && [ -f "$entry" ] || continue
	case "$entry" in *.o|*.c) continue ;; esac
	"$entry" "${srcdir:-.}/tests/fuzz/corpus/${entry#tests/fuzz/corpus_}"
done
