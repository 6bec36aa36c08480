#!/bin/sh
# No paths of anybody's machine, nothing unfinished, no typedef of a struct, no
# white space at the end of a line.
cd "$(dirname "$0")/../.." || exit 1
unfinished='\b(TO''DO|FIX''ME|X''XX)\b'
bad=$(
	grep -rnE "$unfinished" src include tests conf README.md
	grep -rnE '/(wo''rk|fa''rm|home)/' src include tests conf .ci README.md
	grep -nE 'typedef struct' src/*/*.c src/*.c include/*/*.h
	grep -rnE '[ 	]+$' src include
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
