"""Folds the records of change topics into tables, and holds each record to what went before it: nothing may come twice,
nothing may be missing, and the order per key is that of the source's log."""

import re

import canonical
from source_rows import mysql_kind

NAME = r"`?([\w$]+)`?"
TABLE = rf"(?:{NAME}\.)?{NAME}"


class Table:
    def __init__(self):
        self.rows = {}  # by key: the row, None for one that is gone
        self.copied = set()  # keys that a snapshot has brought
        self.keyless = []

    def clear(self):
        self.__init__()

    def live(self):
        return [r for r in self.rows.values() if r is not None] + self.keyless


class Fold:
    def __init__(self, records, changes):
        self.tables, self.problems = {}, []
        self.check_order(records)
        self.records = sorted((r for r in records if r.op != "tombstone"), key=lambda r: (r.shape, r.seq))  # stable
        self.changes = sorted(changes, key=lambda c: c["at"])
        self.check_once()
        self.fold()

    def say(self, text):
        self.problems.append(text)

    # ---- what each partition must look like --------------------------------------------------------------------------
    def check_order(self, records):
        """Per key: always one partition, sequences that grow, and a tombstone right behind each delete. Per partition: the
        number of the newest schema change does not go back."""
        last, shape = {}, {}
        for r in records:
            if r.shape < shape.get((r.topic, r.partition), 0):
                self.say(f"schema change {r.shape} after {shape[r.topic, r.partition]}: {r.where()}")
            shape[r.topic, r.partition] = r.shape
            if r.key is None:
                continue
            before = last.get((r.topic, r.key))
            if before and before.partition != r.partition:
                self.say(f"key {dict(r.key)} moved from partition {before.partition} to {r.where()}")
            if r.op == "tombstone":
                if not before or before.op != "d" or before.seq != r.seq:
                    self.say(f"tombstone without its delete: {dict(r.key)} at {r.where()}")
            elif before and before.op == "d":
                self.say(f"delete without its tombstone: {dict(r.key)} at {before.where()}")
            if before and r.op != "tombstone" and before.seq >= r.seq:
                self.say(f"out of order: {dict(r.key)} at {r.where()} after {before.where()}")
            last[r.topic, r.key] = r

    def check_once(self):
        """Each change of the log, named by its place there, comes once: a changed key as a delete and a create."""
        seen = {}
        for r in self.records:
            if r.op not in ("c", "u", "d"):
                continue
            s = r.source
            for name in ((r.table, s["file"], s["pos"], s.get("row"), r.op), (r.table, r.seq, r.op)):
                if first := seen.get(name):
                    self.say(f"repeated: {r.where()} is the change of {first.where()}")
                seen[name] = r

    # ---- the fold ----------------------------------------------------------------------------------------------------
    def table(self, name):
        return self.tables.setdefault(name, Table())

    def fold(self):
        pending = iter(self.changes)
        change = next(pending, None)
        for r in self.records:
            while change and (change["at"][0] <= r.shape if change["at"][0] else change["at"][1] <= r.seq):
                self.alter(change)
                change = next(pending, None)
            self.apply(r)
        while change:
            self.alter(change)
            change = next(pending, None)

    def apply(self, r):
        t = self.table(r.table)
        if r.op == "t":
            t.clear()
        elif r.key is None:
            self.whole(t, r)
        else:
            self.chain(t, r)
            t.rows[r.key] = r.after

    def whole(self, t, r):
        """A change of a table without a key: its images are rows of a multiset."""
        if r.before is not None:
            if r.before in t.keyless:
                t.keyless.remove(r.before)
            else:
                self.say(f"before-image that no row has: {r.where()}: {r.before}")
        if r.after is not None:
            t.keyless.append(r.after)

    def chain(self, t, r):
        """The before-image must be what the record before left; the first of a key may find a row not yet copied."""
        known = r.key in t.rows
        was = t.rows.get(r.key)
        if (r.after if r.after is not None else r.before) is None:
            self.say(f"no row at all: {r.where()}")
        elif any(repr((r.after or r.before).get(n)) != repr(v) for n, v in r.key):
            self.say(f"key {dict(r.key)} is not that of its row: {r.where()}")
        if r.op == "r":
            if r.key in t.copied:
                self.say(f"copied twice: {dict(r.key)} at {r.where()}")
            t.copied.add(r.key)
            if known and was != r.after:
                self.say(f"copied row is not what the log has left: {dict(r.key)} at {r.where()}: {different(was, r.after)}")
        elif r.op == "c" and was is not None:
            self.say(f"created over a row: {dict(r.key)} at {r.where()}")
        elif r.op in ("u", "d") and known and was != r.before:
            self.say(f"a change is missing before {r.where()}, key {dict(r.key)}: {different(was, r.before)}")
        if r.op == "u" and r.after is None or r.op == "d" and r.after is not None or r.op not in ("c", "u", "d", "r"):
            self.say(f"op {r.op!r} does not fit its images: {r.where()}")

    # ---- schema changes ----------------------------------------------------------------------------------------------
    def alter(self, change):
        statement = re.sub(r"/\*.*?\*/", " ", change.get("ddl") or "")
        verb = (statement.upper().split() or [""])[0]
        database = change.get("databaseName")
        for before, after in renamed_tables(statement, database):
            if before in self.tables:
                self.tables[after] = self.tables.pop(before)
        if verb == "TRUNCATE":
            self.table(qualified(re.match(rf"\s*TRUNCATE\s+(?:TABLE\s+)?{TABLE}", statement, re.I).groups(), database)).clear()
        for c in change.get("tableChanges") or []:
            name = identifier(c["id"])
            if c["type"] == "DROP" or re.match(r"\s*CREATE\s+OR\s+REPLACE\b", statement, re.I):
                self.table(name).clear()
            if c.get("table"):
                self.reshape(self.table(name), statement, [column["name"] for column in c["table"]["columns"]])

    def reshape(self, t, statement, columns):
        """Give the rows that are there the columns they have now."""
        renamed = {new: old for old, new in re.findall(rf"\bCHANGE\s+(?:COLUMN\s+)?{NAME}\s+{NAME}", statement, re.I)}
        renamed |= {new: old for old, new in re.findall(rf"\bRENAME\s+COLUMN\s+{NAME}\s+TO\s+{NAME}", statement, re.I)}
        dropped = set(re.findall(rf"\bDROP\s+COLUMN\s+{NAME}", statement, re.I))
        gone = dropped | {old for new, old in renamed.items() if old != new}

        def shaped(r):
            kept = {n: v for n, v in r.items() if n not in gone} | {new: r[old] for new, old in renamed.items() if old in r}
            return {n: kept[n] if n in kept else default(statement, n) for n in columns}

        t.rows = {key: r and shaped(r) for key, r in t.rows.items()}
        t.keyless = [shaped(r) for r in t.keyless]


def identifier(text):
    """("db", "table") of Debezium's "\\"db\\".\\"table\\"" """
    return tuple(part.replace('""', '"') for part in re.findall(r'"((?:[^"]|"")*)"', text))[-2:]


def qualified(parts, database):
    return parts[0] or database, parts[1]


def renamed_tables(statement, database):
    """(before, after) of each table that a statement renames."""
    if m := re.match(r"\s*RENAME\s+TABLES?\s+(.*)", statement, re.I | re.S):
        pairs = re.findall(rf"{TABLE}\s+TO\s+{TABLE}", m[1], re.I)
    else:
        pairs = re.findall(rf"^\s*ALTER\s+TABLE\s+{TABLE}\s.*\bRENAME\s+(?:TO\s+|AS\s+)?(?!COLUMN|INDEX|KEY){TABLE}\s*$", statement, re.I | re.S)
    return [(qualified(p[:2], database), qualified(p[2:], database)) for p in pairs]


def default(statement, column):
    """What the rows that were there get in an added column, by the statement: a number, a date or a text without commas."""
    m = re.search(rf"\bADD\s+(?:COLUMN\s+)?`?{re.escape(column)}`?\s+(\w+)[^,]*?\bDEFAULT\s+(?:'([^']*)'|(-?[\d.]+))", statement, re.I)
    if not m:
        return None
    kind, _ = mysql_kind(m[1].lower())
    return canonical.source(kind, m[2] if m[2] is not None else m[3])


def different(was, now):
    """The columns in which two images of a row differ."""
    if was is None or now is None:
        return f"{'no row' if was is None else 'a row'} became {'no row' if now is None else 'a row'}"
    names = sorted(set(was) | set(now))
    return ", ".join(f"{n}: {was.get(n, '(absent)')!r} became {now.get(n, '(absent)')!r}" for n in names if was.get(n, names) != now.get(n, names))
