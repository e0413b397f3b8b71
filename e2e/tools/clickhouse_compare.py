"""Compare a ClickHouse table, as SELECT ... FINAL shows it over HTTP, with the source table it was copied from.

Nothing of a value goes through a client's own conversion: strings come as hex, floats as their bits, all else as the
text or number that ClickHouse prints. What counts as the same value is said in canonical.py; a column may be held by
any type that can hold its values, as long as the values are the same.
"""

import collections
import decimal
import http.client
import ipaddress
import json
import re
import struct
import urllib.parse
import uuid

import canonical
from rows_diff import Column, Report, compare, match
from source_rows import Source

TECHNICAL = re.compile("_version|_deleted|_op|_position|_time|_commit")
MANY_PARTS = 300  # of one table: far below 3000, where ClickHouse refuses inserts
WRAPPED = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")


class Server:
    """An HTTP interface: http://user:password@host:port"""

    def __init__(self, url):
        u = urllib.parse.urlsplit(url)
        self.host, self.port = u.hostname, u.port
        self.head = {"X-ClickHouse-User": u.username or "default", "X-ClickHouse-Key": urllib.parse.unquote(u.password or "")}

    def ask(self, sql, **parameters):
        """The rows of a query, as lists of JSON values; parameters are the query's {name:Type}."""
        setting = {"default_format": "JSONCompactEachRow", "wait_end_of_query": "1", "final": "0", "output_format_json_quote_64bit_integers": "0"}
        path = "/?" + urllib.parse.urlencode(setting | {"param_" + k: v for k, v in parameters.items()})
        c = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            c.request("POST", path, sql.encode(), self.head)
            r = c.getresponse()
            body = r.read()
        finally:
            c.close()
        if r.status != 200:
            raise RuntimeError(f"ClickHouse: {body.decode(errors='replace').strip()[:500]}")
        return [json.loads(line) for line in body.splitlines()]


def quote(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def base(typ):
    while m := WRAPPED.fullmatch(typ):
        typ = m[1]
    return typ


def expression(typ, name):
    """What to select, so that the value comes exactly."""
    head = base(typ).split("(")[0]
    if head in ("String", "FixedString"):
        return f"hex({name})"
    if head.startswith("Enum"):
        return f"hex(toString({name}))"
    if head in ("Float32", "Float64"):
        return f"reinterpretAsUInt{head[5:]}({name})"
    if head in ("DateTime", "DateTime64"):
        return f"toString({name}, 'UTC')"
    if head == "JSON":
        return f"toJSONString({name})"
    if typ == "Array(Float32)":
        return f"arrayStringConcat(arrayMap(x -> hex(x), {name}))"
    return name if re.fullmatch("U?Int(8|16|32|64)|Bool", head) else f"toString({name})"


def have(kind, typ, v):
    """The canonical value; what is not of the source's kind is returned as it is, and will be shown as a difference."""
    if v is None:
        return None
    head = base(typ).split("(")[0]
    try:
        if head in ("String", "FixedString") or head.startswith("Enum"):
            return spelled(kind, v)
        if head == "Float32":
            return struct.unpack("f", struct.pack("I", v))[0]
        if head == "Float64":
            return struct.unpack("d", struct.pack("Q", v))[0]
        if head.startswith(("Int", "UInt", "Bool")):
            return f"time {int(v)}" if kind == "time" else int(v)
        if head.startswith("Decimal"):
            return canonical.number(decimal.Decimal(v))
        if head.startswith("DateTime"):
            return canonical.moment(v)
        if head.startswith("Date"):
            return canonical.day(v)
        if head.startswith("Time"):
            return f"time {canonical.micros(v)}"
        if head == "JSON":
            return canonical.canon_json(v)
        if head == "Array":  # of a vector, whose bytes are those of its numbers; NULL is the empty one
            return "0x" + v.lower() if v else None
        if head == "IPv6":
            return str(ipaddress.ip_address(v))
    except (ValueError, TypeError):
        pass
    return v


def spelled(kind, v):
    """The canonical value of what is held as a string."""
    if kind == "bytes":
        return "0x" + v.lower()
    text = bytes.fromhex(v).decode("utf-8", "surrogateescape")
    return canonical.source(kind, text) if kind in ("json", "time", "date", "datetime", "instant", "decimal") else text


def want(kind, typ, text):
    """The sink is asked for NULL where ClickHouse's dates end: DateTime64 has all years since 26.7, Date32 has not."""
    if text is not None and base(typ) == "Date32" and not "1900" <= text[:4] <= "2299":
        return None
    v = canonical.source(kind, text)
    if v is None or kind != "text":
        return v
    if base(typ) == "IPv6":
        return str(ipaddress.ip_address(v))
    return str(uuid.UUID(v)) if base(typ) == "UUID" else v


def rows(server, name, types, picked, engine):
    """The rows as a reader sees them: those under FINAL, or, where every change is a row, those that are left of them."""
    select = ", ".join(expression(types[x], quote(x)) for x in picked) or "1"
    if "ReplacingMergeTree" in engine:
        got = server.ask(f"SELECT {select} FROM {name} FINAL")
    elif "_op" in types:
        got = remaining(server.ask(f"SELECT toString(_op), {select} FROM {name}"))
    else:
        got = server.ask(f"SELECT {select} FROM {name}")
    return [dict(zip(picked, r)) for r in got]


def remaining(changes):
    """A table without a key is a bag of rows: each image that is gone takes one of its kind away."""
    bag = collections.Counter()
    for op, *image in changes:
        bag[json.dumps(image)] += -1 if op in ("delete", "before") else 1
    if gone := [image for image, n in bag.items() if n < 0]:
        raise ValueError(f"{len(gone)} rows were deleted more often than inserted, such as {gone[0]}")
    return [json.loads(image) for image in bag.elements()]


def lint(server, a, engine, key, keyed):
    """What is wrong with a table though its rows may be right."""
    at = {"db": a.namespace, "name": a.table}
    notes = []
    name = f"{quote(a.namespace)}.{quote(a.table)}"
    parts = server.ask("SELECT count() FROM system.parts WHERE active AND database = {db:String} AND table = {name:String}", **at)[0][0]
    if int(parts) > MANY_PARTS:
        notes.append(f"{parts} active parts")
    if keyed and "ReplacingMergeTree" not in engine:
        notes.append(f"engine {engine}: the newest row of a key is not kept")
    if "ReplacingMergeTree" in engine:
        if twice := server.ask(f"SELECT count() FROM {name} FINAL GROUP BY {key} HAVING count() > 1"):
            notes.append(f"{len(twice)} keys have more than one row under FINAL")
        if gone := server.ask(f"SELECT count() FROM {name} FINAL WHERE _deleted != 0")[0][0]:
            notes.append(f"{gone} deleted rows are shown under FINAL")
    return notes


def check(a):
    """What was found: a dict of counts, the report's lines, and what is wrong with the table besides."""
    server = Server(a.clickhouse)
    columns = server.ask(
        "SELECT name, type FROM system.columns WHERE database = {db:String} AND table = {name:String} ORDER BY position",
        db=a.namespace,
        name=a.table,
    )
    if not columns:
        raise LookupError(f"no table {a.namespace}.{a.table} in ClickHouse")
    ((engine, sorting),) = server.ask(
        "SELECT engine, sorting_key FROM system.tables WHERE database = {db:String} AND name = {name:String}", db=a.namespace, name=a.table
    )
    types = {n: t for n, t in columns if not TECHNICAL.fullmatch(n)}
    src = Source(a.source, a.where)
    pair, missing, extra = match(src.cols, types, dict(m.split("=") for m in a.map), re.compile(a.ignore or r"(?!)"))
    report = Report(
        a.show, [f"column {n}: not in the ClickHouse table" for n in missing] + [f"column {x}: not at the source" for x in extra]
    )
    column = lambda i, n, x, kind, typ: Column(i, n, x, lambda v: want(kind, typ, v), lambda v: have(kind, typ, v))
    cols = [column(i, n, pair[n], src.cols[n][0], types[pair[n]]) for i, n in enumerate(src.cols) if n in pair and n not in missing]
    picked = [c.other for c in cols]
    there = rows(server, f"{quote(a.namespace)}.{quote(a.table)}", dict(columns), picked, engine)
    found = compare(report, cols, a.key.split(",") if a.key else src.pk, src.rows(), there, "ClickHouse")
    return found | {"lint": lint(server, a, engine, sorting, bool(src.pk))}
