"""Values as the judges compare them, whatever sink they come from: two are equal if their repr is.

  whole numbers, bits, years       int
  exact decimals                   int if whole, else the digits as text
  floats                           float (a single-precision one as the double of the same value)
  date                             days since 1970-01-01, as "day N"
  datetime and instant             microseconds since 1970-01-01 00:00:00 (UTC), as "us N"
  time                             microseconds, as "time N"
  json                             text with sorted keys, numbers by value
  bytes, geometry                  hex, as "0x..."
  text, enum, set, uuid, inet      text, character for character
"""

import datetime
import decimal
import json
import re
import struct

MICRO = 10**6
EPOCH = datetime.date(1970, 1, 1).toordinal()
EXACT = decimal.Context(prec=120)


def micros(text):
    """[-]H:MM:SS[.f] as signed microseconds."""
    m = re.fullmatch(r"(-?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?", text)
    v = (int(m[2]) * 3600 + int(m[3]) * 60 + int(m[4] or 0)) * MICRO + int((m[5] or "").ljust(6, "0"))
    return -v if m[1] else v


def canon_json(text):
    num = lambda x: ["number", str(decimal.Decimal(x).normalize())]
    return json.dumps(json.loads(text, parse_int=num, parse_float=num), sort_keys=True, ensure_ascii=False)


def day(text):
    return f"day {datetime.date.fromisoformat(text).toordinal() - EPOCH}"


def moment(text):
    """YYYY-MM-DD[ T]HH:MM:SS[.f][Z]"""
    text = text.rstrip("Z")
    days = datetime.date.fromisoformat(text[:10]).toordinal() - EPOCH
    return f"us {days * 86400 * MICRO + micros(text[11:])}"


def number(d):
    d = d.normalize(EXACT)
    return int(d) if d == d.to_integral_value() else format(d, "f")


def single(v):
    """The double that a single-precision number is read as."""
    return struct.unpack("f", struct.pack("f", v))[0]


def zero_date(text):
    """MySQL's dates that are none: 0000-00-00, those of which a part is zero, and days like 2026-02-30."""
    try:
        datetime.date.fromisoformat(text[:10])
    except ValueError:
        return True
    return False


def source(kind, text):
    """The canonical value of a source's exact text, by the kinds of source_rows.py. A date that is none is NULL."""
    if text is None:
        return None
    if kind in ("int", "bit", "bool"):
        return int(text)
    if kind == "text":
        return text
    if kind == "real":
        return float(text)
    if kind == "decimal":
        return number(decimal.Decimal(text))
    if kind == "bytes":
        return "0x" + text.lower()
    if kind == "json":
        return canon_json(text)
    if kind == "time":
        return f"time {micros(text)}"
    if zero_date(text):
        return None
    return day(text) if kind == "date" else moment(text)
