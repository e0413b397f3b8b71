#!/usr/bin/env python3
"""Compare an Iceberg table with the live source table it was copied from, row by row.

  iceberg_compare.py --sqlite catalog.db --table db.orders --source mysql://u:p@127.0.0.1:3306/shop/orders
  iceberg_compare.py --metadata x.metadata.json --source postgres://u@127.0.0.1:5432/shop/public.orders --wait 30

Exit 0: equal. 1: any difference (row, value, duplicate key, column). 2: usage or connection. 3: nothing was compared
(0 rows on both sides and no --allow-empty). Both tables are held in memory: fine up to some million rows.

The source is read in one consistent snapshot, every value as exact text (never through a client's own conversion), and
turned into what the Iceberg column's type should hold. What counts as the same value:
  source                      Iceberg types accepted, and the value expected
  integers, year              int, long; decimal(p,0); string; boolean for 0/1 (MySQL tinyint(1)). Out of range: different
  bit(n)                      boolean (n=1), int/long, binary/fixed (big-endian, (n+7)/8 bytes)
  decimal, numeric            decimal (exact, or it is different); string (exact digits); NaN only as string
  float, double               float, double (bit for bit; MySQL's 6-digit text of FLOAT is never used)
  date                        date, string. MySQL zero and partial dates: null, unless --zero-date text (then only string)
  datetime, timestamp w/o tz  timestamp, timestamptz (the wall clock as UTC), string, long (microseconds)
  timestamp (MySQL), timestamptz   timestamptz, timestamp (both in UTC), string, long (microseconds)
  time                        time, long/int (signed microseconds), string ([-]H:MM:SS[.ffffff], compared as microseconds)
  char, text, enum, set, other     string, character for character; uuid if it parses as one
  json                        string; compared as JSON (key order and spacing free, numbers by value)
  binary, blob, bytea, geometry    binary, fixed (fixed: right-padded with zeros), string as hex or base64
"""

import argparse
import base64
import datetime
import decimal
import os
import re
import struct
import sys
import time
import uuid

import iceberg_rows
from canonical import canon_json, micros, zero_date
from iceberg_values import real
from rows_diff import Column, Report, match
from rows_diff import compare as rows_compare
from source_rows import Source


# ---- one value -------------------------------------------------------------------------------------------------------
def stamp(text):
    """A server's date and time text as ISO with microseconds."""
    d, _, t = text.partition(" ")
    t, _, f = (t or "00:00:00").partition(".")
    return f"{d}T{t}.{f.ljust(6, '0')[:6]}"


def form(kind, typ):
    """The spelling in which both sides are compared; None: as the canonical value stands."""
    if kind in ("json", "time"):
        return kind
    if kind in ("datetime", "instant"):
        return {"string": "stamp", "long": "micros"}.get(typ)
    if kind == "bit":
        return "bits" if typ == "binary" or typ.startswith("fixed") else None
    return "hex" if kind == "bytes" and typ == "string" else None


def want(kind, typ, v, o):
    """What the Iceberg column should hold for this source value."""
    if v is None:
        return None
    if kind in ("date", "datetime", "instant") and zero_date(v):
        return v if o.zero_date == "text" else None
    if kind in ("int", "bool", "bit"):
        n = int(v)
        if typ == "boolean":
            return bool(n) if n in (0, 1) else f"{n} in a boolean"
        if typ.startswith("decimal"):
            return want("decimal", typ, v, o)
        return n if typ in ("int", "long") or form(kind, typ) == "bits" else str(n)
    if kind == "real":
        f = float(v)
        if typ == "float":
            return real(struct.unpack("f", struct.pack("f", f))[0], True)
        return real(f, False) if typ == "double" else v
    if kind == "decimal":
        m = re.match(r"decimal\(\d+, ?(\d+)\)", typ)
        if not m:
            return float(v) if typ == "double" else v
        with decimal.localcontext(decimal.Context(prec=100)):
            d = decimal.Decimal(v)
            q = d.quantize(decimal.Decimal(1).scaleb(-int(m[1]))) if d.is_finite() else None
            return format(q, "f") if q == d else f"{v} does not fit {typ}"
    if kind in ("datetime", "instant"):
        s = stamp(v)
        if typ == "long":
            return int((datetime.datetime.fromisoformat(s) - datetime.datetime(1970, 1, 1)) / datetime.timedelta(microseconds=1))
        return s + "Z" if typ == "timestamptz" else s
    if kind == "time":
        return micros(v)
    if kind == "json":
        return canon_json(v)
    if kind == "bytes":
        if typ == "uuid":
            return str(uuid.UUID(hex=v))
        return v.lower().ljust(2 * int(typ[6:-1]), "0") if typ.startswith("fixed") else v.lower()
    return str(uuid.UUID(v)) if typ == "uuid" else v


def have(kind, typ, v):
    """The Iceberg side's value in the form of want()."""
    f = form(kind, typ)
    if v is None or f is None:
        return v
    try:
        if f == "json":
            return canon_json(v)
        if f == "stamp":
            return stamp(v.replace("T", " ").rstrip("Z"))
        if f == "bits":
            return int(v or "0", 16)
        if f == "hex":
            return v.lower() if re.fullmatch("([0-9a-fA-F]{2})*", v) else base64.b64decode(v, validate=True).hex()
        return v if isinstance(v, int) else micros(v)
    except (ValueError, TypeError):
        return v  # not of that form: will be shown as a difference


# ---- the comparison --------------------------------------------------------------------------------------------------
def compare(a):
    """What was found: a dict of counts, the report's lines, and the writer faults that reading the table showed."""
    src, t = Source(a.source, a.where), iceberg_rows.open_table(a)
    ren, drop = dict(m.split("=") for m in a.map), re.compile(a.ignore or r"(?!)")
    lake = {f["name"]: f["type"] if isinstance(f["type"], str) else "nested" for f in t.fields}
    pair, missing, extra = match(src.cols, lake, ren, drop)
    report = Report(
        a.show,
        [f"column {n}: not in the Iceberg table" for n in missing]
        + [f"column {x}: not at the source (use --ignore REGEX)" for x in extra],
    )
    column = lambda i, n, x, kind, typ: Column(i, n, x, lambda v: want(kind, typ, v, a), lambda v: have(kind, typ, v))
    cols = [column(i, n, pair[n], src.cols[n][0], lake[pair[n]]) for i, n in enumerate(src.cols) if n in pair and n not in missing]
    found = rows_compare(report, cols, a.key.split(",") if a.key else src.pk, src.rows(), list(t.rows()), "Iceberg")
    return found | {"lint": sorted(set(t.lint_notes))}


def compared(found):
    """How many values were compared: none of them makes the comparison vacuous."""
    return max(found["source_rows"], found["sink_rows"]) * found["columns"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    iceberg_rows.table_flags(p)
    p.add_argument("--source", required=True, metavar="URL")
    p.add_argument("--where", help="SQL filter at the source")
    p.add_argument("--key", help="source columns; default: the primary key")
    p.add_argument("--map", action="append", default=[], metavar="SOURCE=ICEBERG", help="a column that has another name")
    p.add_argument("--ignore", metavar="REGEX", help="columns to leave out, on either side")
    p.add_argument("--zero-date", choices=["null", "text"], default="null")
    p.add_argument("--allow-empty", action="store_true")
    p.add_argument("--show", type=int, default=20, help="how many differences to print")
    p.add_argument("--wait", type=float, default=0, help="seconds to try again while they differ")
    a = p.parse_args()
    end = time.time() + a.wait
    while True:
        found = compare(a)
        if not found["differences"] and (compared(found) or a.allow_empty) or time.time() >= end:
            break
        time.sleep(0.5)
    print("\n".join(found["lines"]))
    if found["differences"]:
        return 1
    if not compared(found) and not a.allow_empty:
        print("nothing was compared: both sides are empty (--allow-empty accepts that)")
        return 3
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception as e:  # no connection, no table, no file: never mistaken for a difference
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)  # not sys.exit: pyarrow's threads may abort the process while Python ends
