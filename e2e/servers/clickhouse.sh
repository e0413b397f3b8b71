#!/bin/bash
# A ClickHouse server: clickhouse.sh install | start DIR PORT [clickhouse-local options] | stop DIR [KILL]
# Native protocol on PORT, HTTP on PORT+1; neither TLS nor Keeper. DIR/users.xml and DIR/extra.xml (elements of
# config.xml), put there before start, are used; otherwise user default needs no password, and cdc has "secret".
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$(readlink -f "$0")")/lib.sh"

VERSION=26.7.3-stable.1 # of the package; the engine in it says 26.7.2.1
NAME=clickhouse-$VERSION
TREE=$CACHE/$NAME

# The only build of a current ClickHouse that a package registry has is the library of chDB.
fill() {
  (cd "$1" && npm pack --silent "@chdb/lib-linux-x64-gnu@$VERSION" >/dev/null)
  tar -xzf "$1"/*.tgz -C "$1" --strip-components=1 package/libchdb.so
  rm "$1"/*.tgz
  program | cc -O1 -Wall -Wextra -x c -o "$1/clickhouse" - -ldl
}

# program: in C, `clickhouse LIBCHDB ARGUMENT...`, which runs the library as ClickHouse's own command line would.
program() {
  cat <<'C'
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void *(*query)(int, char **) = lib ? (void *(*)(int, char **))dlsym(lib, "chdb_query_cmdline") : NULL;
    const char *(*error)(void *) = lib ? (const char *(*)(void *))dlsym(lib, "chdb_result_error") : NULL;
    if (!query || !error) {
        fprintf(stderr, "load library: %s\n", argc > 1 ? dlerror() : "usage: clickhouse LIBCHDB ARGUMENT...");
        return 2;
    }
    argv[1] = "clickhouse"; // the name that ClickHouse is called by
    void *result = query(argc - 1, argv + 1);
    const char *failure = result ? error(result) : "no result";
    if (failure)
        fprintf(stderr, "%s\n", failure);
    return failure != NULL;
}
C
}

users() {
  local open='<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>'
  echo "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>$open</default>"
  echo "<cdc><password>secret</password>$open</cdc></users></clickhouse>"
}

answers() { [[ $(curl -fsS -m 1 "http://127.0.0.1:$(($1 + 1))/ping" 2>/dev/null) == Ok. ]]; }

start() {
  local dir port=$2
  dir=$(realpath -m "$1")
  shift 2
  once "$NAME" fill
  mkdir -p "$dir"
  [[ -e $dir/users.xml ]] || users >"$dir/users.xml"
  # The caches' default sizes are those of a big machine.
  printf '<clickhouse><users_config>%s</users_config><mark_cache_size>64000000</mark_cache_size>%s</clickhouse>\n' \
    "$dir/users.xml" "$(cat "$dir/extra.xml" 2>/dev/null)" >"$dir/config.xml"
  # The library has no server mode, but SYSTEM START LISTEN; then a query that sleeps for years keeps it running.
  # log-level: the default is trace, some thousand lines a second.
  launch "$dir" "$port" answers "$TREE/clickhouse" "$TREE/libchdb.so" --config-file="$dir/config.xml" --path="$dir/data" \
    --listen_host=127.0.0.1 --tcp_port="$port" --http_port="$((port + 1))" --log-level=warning --logger.console "$@" \
    --query "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT count(sleepEachRow(1)) FROM numbers(100000000)
             SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1"
}

case ${1:-} in
install) once "$NAME" fill ;;
start) shift && start "$@" ;;
stop) halt "$(realpath -m "$2")" "${3:-TERM}" ;;
*) die 'usage: install | start DIR PORT [options] | stop DIR [KILL]' ;;
esac
