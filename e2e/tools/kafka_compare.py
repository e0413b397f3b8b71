"""Compare the fold of a pipeline's topics with the source table that they tell of, and hold the records to exactly once.

The records are Debezium's JSON with schemas; kafka_topics.py reads them, kafka_fold.py folds them.
"""

import re

import canonical
from kafka_fold import Fold
from kafka_topics import Topics
from rows_diff import Column, Report, compare, match
from source_rows import Source

OPEN = {}  # what was read of a cluster stays, and the next comparison reads on
SHOWN = 20


class Reading:
    def __init__(self, seeds, prefix):
        self.topics, self.fold = Topics(seeds, prefix), None


def read(a):
    """The fold of all topics of a pipeline, as they are now."""
    at = a.kafka, a.prefix
    if at not in OPEN:
        OPEN[at] = Reading(*at)
    reading = OPEN[at]
    before = len(reading.topics.records), len(reading.topics.changes)
    reading.topics.more()
    if reading.fold is None or before != (len(reading.topics.records), len(reading.topics.changes)):
        reading.fold = Fold(reading.topics.records, reading.topics.changes)
    return reading


def want(kind, text, wraps):
    """BIGINT UNSIGNED may be written as a signed number of the same bits."""
    v = canonical.source(kind, text)
    return v - (1 << 64) if wraps and isinstance(v, int) and v >= 1 << 63 else v


def have(kind):
    """Documents are compared as JSON, whether the records call them that or text, as those of MariaDB do."""
    return (lambda v: v and canonical.canon_json(v)) if kind == "json" else lambda v: v


def check(a):
    """What was found: a dict of counts, the report's lines, and what is wrong with the records themselves."""
    reading = read(a)
    fold = reading.fold
    src = Source(a.source, a.where)
    table = fold.tables.get((a.namespace, a.table))
    if table is None and not any(r.table == (a.namespace, a.table) for r in reading.topics.records):
        told = any(f'"{a.table}"' in str(c) for c in reading.topics.changes)
        if not told:
            raise LookupError(f"no record and no schema change tells of {a.namespace}.{a.table}")
    rows = table.live() if table else []
    names = list(dict.fromkeys(n for r in rows for n in r)) or list(src.cols)
    pair, missing, extra = match(src.cols, names, dict(m.split("=") for m in a.map), re.compile(a.ignore or r"(?!)"))
    report = Report(a.show, [f"column {n}: not in the records" for n in missing] + [f"column {x}: not at the source" for x in extra])
    cols = []
    for i, n in enumerate(src.cols):
        if n in pair and n not in missing:
            kind, x = src.cols[n][0], pair[n]
            wraps = kind == "int" and any(isinstance(r.get(x), int) and r[x] < 0 for r in rows)
            cols.append(Column(i, n, x, lambda v, kind=kind, wraps=wraps: want(kind, v, wraps), have(kind)))
    rows = [{n: r.get(n, "(absent)") for n in names} for r in rows]
    found = compare(report, cols, a.key.split(",") if a.key else src.pk, src.rows(), rows, "Kafka")
    lint = fold.problems[:SHOWN] + ([f"... {len(fold.problems)} faults in all"] if len(fold.problems) > SHOWN else [])
    return found | {"lint": lint}
