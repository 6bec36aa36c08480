#!/bin/sh
# Functions stop at 80 lines, files at 600, lines at 80 columns (tabs of 8).
cd "$(dirname "$0")/../.." || exit 1
bad=$(
	wc -l src/*/*.c src/*.c include/*/*.h include/*.h |
	    awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
	for file in src/*/*.c src/*.c; do
		awk -v file="$file" '
		/^{/ { start = FNR }
		/^}/ { if (start && FNR - start > 80)
			print file ":" start ": " FNR - start " lines"
			start = 0 }' "$file"
	done
	for file in src/*/*.c src/*.c include/*/*.h include/*.h; do
		expand "$file" | awk -v file="$file" \
		    'length($0) > 80 { print file ":" FNR ": " length($0) }'
	done
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
