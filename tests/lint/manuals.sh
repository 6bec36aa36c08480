#!/bin/sh
# The manual pages have nothing that mandoc would warn of.
cd "$(dirname "$0")/../.." || exit 1
for page in conf/pgweir.1 conf/pgweir.ini.5; do
	sed '1s/@DAY@/2000-01-01/' "$page" | mandoc -T lint -W warning || {
		echo "in $page"
		exit 1
	}
done
