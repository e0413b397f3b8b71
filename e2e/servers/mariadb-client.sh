#!/bin/bash
# MariaDB's client programs, for comparison: mariadb-client.sh install | PROGRAM [ARGUMENTS], for instance mariadb-binlog
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$HERE/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib-db.sh
source "$HERE/lib-db.sh"

NAME=mariadb-client-10.11

unpack() {
  debs bookworm "$1" mariadb-client mariadb-client-core
  wrap "$1" usr/bin/mariadb usr/bin/mariadb-binlog
}

case ${1:-} in
install) once "$NAME" unpack ;;
mariadb | mariadb-binlog)
  once "$NAME" unpack
  program=$1
  shift
  exec "$CACHE/$NAME/usr/bin/$program" --no-defaults "$@"
  ;;
*) die 'usage: install | mariadb | mariadb-binlog [ARGUMENTS]' ;;
esac
