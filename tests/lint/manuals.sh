#!/bin/sh
# The manual pages have nothing that mandoc would warn of.
cd "$(dirname "$0")/../.." || exit 1
exec mandoc -T lint -W warning conf/pgweir.1 conf/pgweir.ini.5
