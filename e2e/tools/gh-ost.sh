#!/bin/bash
# gh-ost, built from its module: gh-ost.sh install | run [ARGUMENTS]
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../servers/lib.sh
source "$HERE/../servers/lib.sh"

VERSION=1.1.8

# Not go install: that asks the proxy for modules of longer names first, and not every proxy says that there are none. The
# module lacks what it has vendored, so -mod.
build() {
  mkdir "$1/module"
  cd "$1/module"
  go mod init gh-ost 2>/dev/null
  local source
  source=$(go mod download -json "github.com/github/gh-ost@v$VERSION" | sed -n 's/^.*"Dir": "\(.*\)",$/\1/p')
  nice go build -C "$source" -mod=mod -o "$1/gh-ost" ./go/cmd/gh-ost
  rm -r "$1/module"
}

case ${1:-} in
install) once "gh-ost-$VERSION" build ;;
run)
  once "gh-ost-$VERSION" build
  shift
  exec "$CACHE/gh-ost-$VERSION/gh-ost" "$@"
  ;;
*) die 'usage: install | run [ARGUMENTS]' ;;
esac
