#!/usr/bin/env python3
"""Print the live rows of an Iceberg table, one canonical JSON object per line, sorted by key.

  iceberg_rows.py --sqlite catalog.db --table db.orders
  iceberg_rows.py --metadata .../metadata/00007-x.metadata.json --count
  iceberg_rows.py --rest http://127.0.0.1:8181 --table db.orders --stats
  iceberg_rows.py ... --lint            writer faults that some engine turns into wrong rows; exit 1 if any
  iceberg_rows.py ... --diff other.jsonl  compare with an earlier dump; exit 1 on any difference, 2 on errors

The reader (iceberg_scan.py) shares no code with any Iceberg library. A bare path or file: is local; s3: takes its keys
from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, its address from --s3-endpoint. Errors exit with 2.
"""

import argparse
import collections
import json
import os
import sys

from iceberg_scan import Store, Table, metadata_location


# ---- output ----------------------------------------------------------------------------------------------------------
def line(row):
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str)


def sort_key(keys):
    return lambda r: [(r[k] is not None, "" if isinstance(r[k], str) or r[k] is None else r[k], str(r[k])) for k in keys] + [line(r)]


def stats(t):
    kind = lambda d: "equality" if d["content"] == 2 else "vectors" if d["file_format"].lower() == "puffin" else "position"
    n = collections.Counter(kind(f.d) for f in t.deletes)
    rows = collections.Counter()
    for f in t.deletes:
        rows[kind(f.d)] += f.d["record_count"]
    size = [f.d["file_size_in_bytes"] for f in t.data]
    return {
        "format-version": t.meta["format-version"],
        "snapshots": len(t.meta.get("snapshots", [])),
        "metadata-log": len(t.meta.get("metadata-log", [])),
        "schemas": len(t.schemas),
        "specs": len(t.specs),
        "manifests": len(t.manifests),
        "delete-manifests": sum(m.get("content", 0) for m in t.manifests),
        "data-files": len(t.data),
        "data-file-rows": sum(f.d["record_count"] for f in t.data),
        "data-file-bytes": sum(size),
        "average-file-bytes": sum(size) // max(1, len(size)),
        "delete-files": dict(n),
        "delete-rows": dict(rows),
        "snapshot": t.snap and {k: t.snap.get(k) for k in ("snapshot-id", "sequence-number", "timestamp-ms", "summary")},
    }


def table_flags(p):
    """The flags that name a table and a reader; iceberg_compare.py has them too."""
    for flag, help in [
        ("--sqlite", "SQL catalog file"),
        ("--metadata", "a metadata.json"),
        ("--rest", "REST catalog address"),
        ("--table", "namespace.table"),
        ("--catalog", "catalog name, if the SQL catalog holds several"),
        ("--warehouse", "warehouse of the REST catalog"),
        ("--token", "bearer token of the REST catalog"),
        ("--s3-endpoint", "address of the object store"),
    ]:
        p.add_argument(flag, help=help)
    p.add_argument("--snapshot", type=int, help="read as of this snapshot")


def open_table(a):
    if sum(map(bool, (a.sqlite, a.metadata, a.rest))) != 1 or not (a.metadata or a.table):
        raise ValueError("give one of --sqlite, --metadata, --rest, and --table for the first and last")
    return Table(metadata_location(a), Store(a.s3_endpoint), a.snapshot)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    table_flags(p)
    p.add_argument("--key", help="columns to sort by; default: the identifier fields, else all")
    p.add_argument("--diff", metavar="DUMP")
    for flag in ("--count", "--stats", "--lint"):
        p.add_argument(flag, action="store_true")
    a = p.parse_args()
    t = open_table(a)
    if a.stats:
        return print(json.dumps(stats(t), indent=1))
    if a.count:
        return print(t.count())
    rows = list(t.rows())
    if a.lint:
        print("\n".join(t.lint_notes) or f"ok: {len(rows)} rows, nothing found")
        return 1 if t.lint_notes else 0
    rows.sort(key=sort_key(a.key.split(",") if a.key else t.keys()))
    out = [line(r) for r in rows]
    if not a.diff:
        return print("\n".join(out)) if out else None
    want, got = collections.Counter(l.rstrip("\n") for l in open(a.diff) if l.strip()), collections.Counter(out)
    minus, plus = list((want - got).elements()), list((got - want).elements())
    print(
        "\n".join(
            ["- " + l for l in minus[:20]]
            + ["+ " + l for l in plus[:20]]
            + [f"{len(out)} rows here, {sum(want.values())} there: {len(minus)} only there, {len(plus)} only here"]
        )
    )
    return 1 if minus or plus else 0


if __name__ == "__main__":
    try:
        code = main()
    except (LookupError, ValueError, OSError) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)  # not sys.exit: pyarrow's threads may abort the process while Python ends
