#!/bin/sh
# Install the Debian packages that building and testing need and that are not
# there yet.  Says nothing when all are there.
set -e

packages="gcc make autoconf automake pkg-config libevent-dev libssl-dev
libpq-dev libinih-dev check postgresql-15 postgresql-client-15 python3
pgbouncer bc procps openssl python3-psycopg python3-psycopg2
python3-asyncpg iproute2 prometheus prometheus-pgbouncer-exporter tmux
python3-yaml yamllint shellcheck docker-compose mandoc"
# Where Node.js is not Debian's, npm is part of it.
command -v npm >/dev/null || packages="$packages nodejs npm"
if [ "${1:-}" = ci ]; then
	packages="$packages clang libclang-rt-14-dev chromium
	    buildah podman runc catatonit mmdebstrap patroni python3-pysyncobj
	    golang-go golang-github-jackc-pgx-v4-dev python3-sqlalchemy"
fi
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
	    grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "please install:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
# The clusters that Debian's packages would start are of no use here.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' \
    >/etc/postgresql-common/createcluster.conf
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
