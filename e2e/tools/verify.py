#!/usr/bin/env python3
"""Many comparisons of Iceberg tables with their source tables, in one process.

Standard input has one JSON object per line, as iceberg_compare.py's flags without the dashes: sqlite or rest or
metadata, namespace, table, source, and optionally where, key, ignore, map, zero-date, allow-empty, show, catalog.
Without source the table is only read and linted. Standard output has one JSON object per line, in the same order: what
iceberg_compare.compare found, or {"error": TEXT}.
"""

import argparse
import json
import os
import sys

import iceberg_compare
import iceberg_rows

DEFAULTS = {
    "sqlite": None,
    "metadata": None,
    "rest": None,
    "catalog": None,
    "warehouse": None,
    "token": None,
    "s3_endpoint": None,
    "snapshot": None,
    "source": None,
    "where": None,
    "key": None,
    "map": [],
    "ignore": None,
    "zero_date": "null",
    "show": 20,
}


def check(request):
    a = argparse.Namespace(**{**DEFAULTS, **{k.replace("-", "_"): v for k, v in request.items()}})
    if a.source:
        return iceberg_compare.compare(a)
    t = iceberg_rows.open_table(a)
    rows = sum(1 for _ in t.rows())
    return {"source_rows": 0, "iceberg_rows": rows, "columns": len(t.fields), "differences": 0, "lines": [], "lint": sorted(set(t.lint_notes))}


for text in sys.stdin:
    try:
        found = check(json.loads(text))
    except Exception as e:  # no connection, no table, no file: an answer of its own, never a difference
        found = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(found), flush=True)

os._exit(0)  # not by running off the end: pyarrow's threads may abort the process while Python ends
