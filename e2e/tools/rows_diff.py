"""The comparison of two tables row by row, in memory, whatever they were read from."""

import collections


class Column:
    """A pair of columns: what the source's value should be in the sink, and what it is there."""

    def __init__(self, index, name, other, want, have):
        self.index, self.name, self.other = index, name, other  # place and name at the source, name in the sink
        self.want, self.have = want, have


class Report:
    """The differences found: all are counted, the first ones described."""

    def __init__(self, show, lines=()):
        self.lines, self.count, self.show = list(lines), len(lines), show + len(lines)

    def add(self, text):
        self.count += 1
        if self.count <= self.show:
            self.lines.append(text)


def match(names, others, rename, drop):
    """The sink's column for each of the source's, and a line for each column that one side lacks."""
    there = [x for x in others if not drop.fullmatch(x)]
    pair = {n: rename.get(n) or next((x for x in there if x.lower() == n.lower()), None) for n in names if not drop.fullmatch(n)}
    return pair, [n for n, x in pair.items() if x not in there], [x for x in there if x not in pair.values()]


def compare(report, columns, key, rows, there, sink):
    """Compare the source's rows (lists) with those of a sink (dicts), and return what was found."""
    keyed = bool(key) and all(k in [c.name for c in columns] for k in key)
    kcols = [c for c in columns if c.name in key] if keyed else columns
    here, seen = collections.defaultdict(list), collections.Counter()
    for r in there:
        here[tuple(c.have(r[c.other]) for c in kcols)].append(r)
    name = lambda k: ", ".join(f"{c.name}={v!r}" for c, v in zip(kcols, k))
    for r in rows:
        k = tuple(c.want(r[c.index]) for c in kcols)
        seen[k] += 1
        got = here.get(k, ())
        if len(got) < (1 if keyed else seen[k]):
            report.add(f"missing: {name(k)}")
        elif keyed:
            if len(got) > 1:
                report.add(f"duplicate key: {name(k)} has {len(got)} rows in the {sink} table")
            for c in columns:
                w, h = c.want(r[c.index]), c.have(got[0][c.other])
                if repr(w) != repr(h):  # repr: 1 is not True, -0.0 is not 0.0
                    report.add(f"changed: {name(k)} {c.name}: source {w!r}, {sink} {h!r}")
    for k, got in here.items():
        for _ in range(max(0, len(got) - seen[k]) if not keyed or k not in seen else 0):
            report.add(f"extra: {name(k)}")
    by = ",".join(c.name for c in kcols) if keyed else "whole rows (no key)"
    report.lines.append(f"source {len(rows)} rows, {sink} {len(there)} rows, {len(columns)} columns, by {by}: {report.count} differences")
    return {
        "source_rows": len(rows),
        "sink_rows": len(there),
        "columns": len(columns),
        "differences": report.count,
        "lines": report.lines,
        "lint": [],
    }
