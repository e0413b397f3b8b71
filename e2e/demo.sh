#!/bin/bash
# The demonstration: demo.sh [iceberg | clickhouse | kafka]
# A private MariaDB with a small shop under live writes, cdcsync copying it into a sink, a schema change flowing through,
# and a row-by-row comparison by an independent reader. Ends by itself; what it made stays in the folder demo. The exit
# code is 0 only if every table is equal.
set -euo pipefail
SINK=${1:-iceberg}
HERE=$(dirname "$(readlink -f "$0")")
ROOT=${HERE%/e2e}
# shellcheck source-path=SCRIPTDIR source=servers/lib.sh
source "$HERE/servers/lib.sh"

DEMO=${DEMO_DIR:-$ROOT/demo}
TABLES=(customers products orders order_items)
declare -A NAMES=([iceberg]=Iceberg [clickhouse]=ClickHouse [kafka]=Kafka)
CDCSYNC=$ROOT/bin/cdcsync
began=$SECONDS

say() { printf '\n\033[1m%2d s  %s\033[0m\n' $((SECONDS - began)) "$*"; }
sql() { "$CACHE/mariadb-10.11/base/bin/mariadb" --no-defaults -h 127.0.0.1 -P "$PORT" -u root -N -B "$@"; }

pids=()
finish() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  "$HERE/servers/mariadb.sh" stop "$DEMO/mariadb" KILL || true
  [[ $SINK == iceberg ]] || "$HERE/servers/$SINK.sh" stop "$DEMO/$SINK" || true
}

# free_port FIRST: a port from there on of which the next is free, too. ClickHouse and Kafka take both.
free_port() {
  local port
  for ((port = $1; ; port += 2)); do listens "$port" || listens $((port + 1)) || break; done
  echo "$port"
}

# start_server: a MariaDB on a free port, with the shop in it, and the sink's server.
start_server() {
  rm -rf "$DEMO"
  mkdir -p "$DEMO"
  PORT=$(free_port 13306) SINK_PORT=$(free_port 19000)
  trap finish EXIT
  [[ $SINK == iceberg ]] || "$HERE/servers/$SINK.sh" start "$DEMO/$SINK" "$SINK_PORT" >/dev/null
  "$HERE/servers/mariadb.sh" start "$DEMO/mariadb" "$PORT" --sync-binlog=0 --innodb-flush-log-at-trx-commit=2 >/dev/null
  sql <"$HERE/demo.sql"
}

# sink_options: the sink's part of the pipeline file.
sink_options() {
  case $SINK in
  iceberg) printf '  %s\n' 'type: iceberg' 'catalog.properties.type: sql' "catalog.properties.warehouse: $DEMO/warehouse" ;;
  clickhouse) printf '  %s\n' 'type: clickhouse' 'hostname: 127.0.0.1' "port: $((SINK_PORT + 1))" 'username: cdc' "password: \${SINK_PASSWORD}" 'view: true' ;;
  kafka)
    printf '  %s\n' 'type: kafka' "properties.bootstrap.servers: 127.0.0.1:$SINK_PORT" 'topic.prefix: demo' \
      'debezium-json.include-schema.enabled: true'
    ;;
  esac
}

# write_config: the pipeline file, as a user would write it.
write_config() {
  cat >"$DEMO/shop.yaml" <<YAML
source:
  type: mysql
  hostname: 127.0.0.1
  port: $PORT
  username: cdc
  password: \${CDC_PASSWORD}
  tables: shop.\.*

sink:
$(sink_options)

pipeline:
  name: shop
$([[ $SINK != iceberg ]] || echo '  commit.interval: 1s')
  state.dir: $DEMO/state
YAML
}

# follow: cdcsync's own lines, as they come.
follow() {
  tail -n +1 -F "$DEMO/cdcsync.log" 2>/dev/null | sed -u 's/^/      | /' &
  pids+=($!)
}

# where_is TABLE: what says to the independent reader where a table is in the sink.
where_is() {
  case $SINK in
  iceberg) echo "\"sqlite\":\"$DEMO/warehouse/catalog.db\",\"table\":\"shop.$1\"" ;;
  clickhouse) echo "\"clickhouse\":\"http://cdc:secret@127.0.0.1:$((SINK_PORT + 1))\",\"namespace\":\"shop\",\"table\":\"$1\"" ;;
  kafka) echo "\"kafka\":\"127.0.0.1:$SINK_PORT\",\"prefix\":\"demo\",\"namespace\":\"shop\",\"table\":\"$1\"" ;;
  esac
}

# compare: row by row, source against sink, by a reader that shares no code with cdcsync. Prints a line a table.
compare() {
  local table requests=''
  for table in "${TABLES[@]}"; do
    requests+="{$(where_is "$table"),\"source\":\"mysql://root@127.0.0.1:$PORT/shop/$table\"}"$'\n'
  done
  "$HERE/tools/verify.sh" run verify.py <<<"${requests%$'\n'}" | python3 -c '
import json, sys
bad = 0
for table, text in zip(sys.argv[1:], sys.stdin):
    r = json.loads(text)
    wrong = r.get("error") or r["differences"] or r["lint"] or not r["source_rows"]
    bad += bool(wrong)
    print(f"      {table:12} " + (r["error"] if "error" in r else r["lines"][-1]) + ("" if wrong else ": equal"))
    if wrong:
        print("\n".join("        " + x for x in r.get("lines", [])[:5] + r.get("lint", [])))
sys.exit(bad > 0)' "${TABLES[@]}"
}

[[ $SINK == iceberg ]] && also='' || also=" and ${NAMES[$SINK]}"
say "starting a private MariaDB with a small shop$also"
start_server
write_config
export CDC_PASSWORD=demo-secret SINK_PASSWORD=secret
sql -e "SELECT concat('      ', table_name, ': ', table_rows, ' rows or so') FROM information_schema.tables WHERE table_schema='shop'"

say 'customers start to order, without a pause'
for seed in 1 2 3; do
  sql -e "CALL shop_tools.live($seed)" &
  pids+=($!)
done

say "cdcsync run $DEMO/shop.yaml"
sed 's/^/      /' "$DEMO/shop.yaml"
: >"$DEMO/cdcsync.log"
follow
"$CDCSYNC" run "$DEMO/shop.yaml" >>"$DEMO/cdcsync.log" 2>&1 &
daemon=$!
pids+=("$daemon")
sleep 5

say 'ALTER TABLE customers: a new column, a renamed one; products.price gets wider'
sql shop -e "
  ALTER TABLE customers ADD COLUMN tier varchar(10) AFTER name, RENAME COLUMN city TO town;
  ALTER TABLE products MODIFY price decimal(14,2) NOT NULL;
  UPDATE customers SET tier = 'gold' WHERE id % 10 = 0;"
sleep 4

say 'where cdcsync stands'
"$CDCSYNC" state "$DEMO/shop.yaml" | sed 's/^/      /'

say 'the customers go home: the last orders are under way'
sql -e 'UPDATE shop_tools.control SET stop = 1'
for ((i = 0; i < 60; i++)); do
  if compare >/dev/null; then break; fi
  kill -0 "$daemon" 2>/dev/null || break
  sleep 0.5
done

say 'cdcsync is asked to end (SIGTERM)'
kill "$daemon" 2>/dev/null || true
code=0
wait "$daemon" || code=$?
sleep 0.3
echo "      exit code $code"

say "every row of the shop against every row in ${NAMES[$SINK]}"
equal=0
compare || equal=1

say 'the same rows through cdcsync peek'
"$CDCSYNC" peek "$DEMO/shop.yaml" shop.customers 2>&1 | head -n 6 | sed 's/^/      /' || true

say 'done'
if [[ $SINK == iceberg ]]; then
  cat <<TEXT
      The Iceberg tables stay in $DEMO/warehouse; any engine with a SQL catalog opens
      $DEMO/warehouse/catalog.db. To look at them with DuckDB (installed on first use):
        e2e/servers/duckdb.sh sql "SELECT status, count(*) FROM iceberg_scan('\$(ls -t demo/warehouse/shop/orders/metadata/*.metadata.json | head -n 1)') GROUP BY 1"
TEXT
else
  cat <<TEXT
      What ${NAMES[$SINK]} holds stays in $DEMO/$SINK. To start it again:
        e2e/servers/$SINK.sh start demo/$SINK $SINK_PORT
TEXT
fi
if ((equal != 0 || code != 0)); then
  echo '      FAILED: see above' >&2
  exit 1
fi
