#!/bin/bash
# DuckDB with its Iceberg extension, as a reader that shares no code with ours: duckdb.sh install | sql QUERY
# sql prints JSON, one row a line. A table is iceberg_scan('.../metadata/NNN.metadata.json'), or its folder.
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$HERE/lib.sh"

VERSION=1.5.5 # 2.0 has no extension packages yet, and INSTALL would fetch from a host of its own
PACKAGES=(duckdb "duckdb-extension-"{iceberg,avro,mysql-scanner,postgres-scanner})
TREE=$CACHE/duckdb-$VERSION

unpack() {
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
    --target "$1" "${PACKAGES[@]/%/==$VERSION}"
}

# avro first: iceberg would look for it on the network
sql() {
  PYTHONPATH=$TREE python3 - "$@" <<'PYTHON'
import glob, json, os, sys
import duckdb

tree = os.path.dirname(os.path.dirname(duckdb.__file__))
db = duckdb.connect(config={"autoinstall_known_extensions": False})
for name in ("avro", "iceberg", "mysql_scanner", "postgres_scanner"):
    db.load_extension(glob.glob(f"{tree}/duckdb_extension_{name}/extensions/*/*.duckdb_extension")[0])
result = db.sql(sys.argv[1])
for row in result.fetchall() if result is not None else ():
    print(json.dumps(dict(zip(result.columns, row)), default=str))
PYTHON
}

case ${1:-} in
install) once "duckdb-$VERSION" unpack ;;
sql)
  once "duckdb-$VERSION" unpack
  sql "$2"
  ;;
*) die 'usage: install | sql QUERY' ;;
esac
