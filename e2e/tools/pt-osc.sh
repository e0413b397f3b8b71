#!/bin/bash
# pt-online-schema-change of Debian's percona-toolkit, with what it needs of Perl: pt-osc.sh install | run [ARGUMENTS]
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../servers/lib.sh
source "$HERE/../servers/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../servers/lib-db.sh
source "$HERE/../servers/lib-db.sh"

NAME=percona-toolkit-bookworm

unpack() { debs bookworm "$1" percona-toolkit libdbi-perl libdbd-mysql-perl libmariadb3; }

case ${1:-} in
install) once "$NAME" unpack ;;
run)
  once "$NAME" unpack
  shift
  tree=$CACHE/$NAME
  libs=("$tree"/usr/lib/*-linux-gnu)
  perl5=("${libs[0]}"/perl5/*)
  export PERL5LIB=$tree/usr/share/perl5:${perl5[0]} LD_LIBRARY_PATH=${libs[0]}
  exec perl "$tree/usr/bin/pt-online-schema-change" "$@"
  ;;
*) die 'usage: install | run [ARGUMENTS]' ;;
esac
