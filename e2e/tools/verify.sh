#!/bin/bash
# The independent verifier: verify.sh install | run TOOL.py [ARGUMENTS]
# It keeps what the tools need of Python in the cache folder, made on first use.
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../servers/lib.sh
source "$HERE/../servers/lib.sh"

NAME=python-$(sha256sum "$HERE/requirements.txt" | cut -c1-12)

# The folder is moved when it is whole: only bin/python survives that, which is all that is used.
fill() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install -q --disable-pip-version-check --no-compile -r "$HERE/requirements.txt"
}

case ${1:-} in
install) once "$NAME" fill ;;
run)
  once "$NAME" fill
  shift
  tool=$1
  shift
  exec "$CACHE/$NAME/bin/python" -B "$HERE/$tool" "$@"
  ;;
*) die 'usage: install | run TOOL.py [ARGUMENTS]' ;;
esac
