#!/usr/bin/env python3
"""Many comparisons of tables with their source tables, in one process.

Standard input has one JSON object per line: source, namespace, table, what says where the table is, and optionally
where, key, ignore, map, show. Standard output has one JSON object per line, in the same order and at once: what the
comparison found, or {"error": TEXT}. Where the table is:
  sqlite, rest or metadata   Iceberg, as iceberg_compare.py's flags; without source the table is only read and linted
  clickhouse                 http://user:password@host:port
  kafka, prefix              host:port,... and the name that Debezium calls topic.prefix
"""

import argparse
import importlib
import json
import os
import sys

DEFAULTS = {
    "sqlite": None,
    "metadata": None,
    "rest": None,
    "catalog": None,
    "warehouse": None,
    "token": None,
    "s3_endpoint": None,
    "snapshot": None,
    "clickhouse": None,
    "kafka": None,
    "prefix": None,
    "source": None,
    "where": None,
    "key": None,
    "map": [],
    "ignore": None,
    "zero_date": "null",
    "show": 20,
}


def lint(a):
    t = importlib.import_module("iceberg_rows").open_table(a)
    rows = sum(1 for _ in t.rows())
    return {"source_rows": 0, "sink_rows": rows, "columns": len(t.fields), "differences": 0, "lines": [], "lint": sorted(set(t.lint_notes))}


def check(request):
    a = argparse.Namespace(**{**DEFAULTS, **{k.replace("-", "_"): v for k, v in request.items()}})
    if a.clickhouse:
        return importlib.import_module("clickhouse_compare").check(a)
    if a.kafka:
        return importlib.import_module("kafka_compare").check(a)
    return importlib.import_module("iceberg_compare").compare(a) if a.source else lint(a)


for text in sys.stdin:
    try:
        found = check(json.loads(text))
    except Exception as e:  # no connection, no table, no file: an answer of its own, never a difference
        found = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(found), flush=True)

os._exit(0)  # not by running off the end: pyarrow's threads may abort the process while Python ends
