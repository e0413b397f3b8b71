"""Reads an Iceberg table's live rows, sharing no code with any Iceberg library.

Avro by fastavro, Parquet by Arrow, and the scan rules (sequence numbers, spec and partition, field ids) straight from the
table format's specification. It is strict: a delete that the specification does not apply to a row does not remove it,
even where lenient engines would. Table.lint_notes names writer faults that some engine turns into wrong rows.
"""

import collections
import io
import json
import os
import re
import sqlite3
import struct
import urllib.request
import uuid
import zlib

import fastavro
import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import pyroaring

from iceberg_values import canonical, plain

POS_FIELD = 2147483546
DataFile = collections.namedtuple("DataFile", "seq spec part d")  # d: the manifest's data_file record


# ---- where the table is ----------------------------------------------------------------------------------------------
class Store:
    """Opens paths as file: or s3: (endpoint and keys from flags or the usual AWS_* variables)."""

    def __init__(self, endpoint=None):
        self.endpoint, self.s3 = endpoint or os.environ.get("AWS_ENDPOINT_URL"), None

    def open(self, path):
        m = re.match(r"s3[an]?://(.*)", path)
        if not m:
            return open(re.sub(r"^file:(//)?", "", path), "rb")
        if not self.s3:
            from pyarrow import fs

            o = {"region": os.environ.get("AWS_REGION", "us-east-1")}
            if self.endpoint:
                scheme, _, host = self.endpoint.rpartition("://")
                o.update(endpoint_override=host, scheme=scheme or "http", force_virtual_addressing=False)
            self.s3 = fs.S3FileSystem(**o)
        return self.s3.open_input_file(m[1])


def metadata_location(a):
    if a.metadata:
        return a.metadata
    ns, _, name = a.table.rpartition(".")
    if getattr(a, "namespace", None):
        ns, name = a.namespace, a.table  # names with dots
    if a.sqlite:
        db = sqlite3.connect(f"file:{a.sqlite}?mode=ro", uri=True)
        rows = db.execute(
            "select catalog_name, metadata_location from iceberg_tables where table_namespace=? and table_name=?", (ns, name)
        ).fetchall()
        rows = [r for r in rows if not a.catalog or r[0] == a.catalog]
        if len(rows) != 1:
            raise LookupError(f"table {a.table}: {len(rows)} entries in {a.sqlite}" + ("; give --catalog" if rows else ""))
        return rows[0][1]
    head = {"Authorization": "Bearer " + a.token} if a.token else {}
    get = lambda p: json.load(urllib.request.urlopen(urllib.request.Request(a.rest.rstrip("/") + p, headers=head), timeout=30))
    cfg = get("/v1/config" + (f"?warehouse={a.warehouse}" if a.warehouse else ""))
    prefix = {**cfg.get("defaults", {}), **cfg.get("overrides", {})}.get("prefix")
    return get(f"/v1/{prefix + '/' if prefix else ''}namespaces/{ns.replace('.', '%1F')}/tables/{name}")["metadata-location"]


# ---- metadata --------------------------------------------------------------------------------------------------------
class Table:
    def __init__(self, location, store=None, snapshot=None):
        self.store, self.location, self.travel = store or Store(), location, snapshot is not None
        self.meta = json.load(self.store.open(location))
        self.schemas = {s["schema-id"]: s for s in self.meta["schemas"]}
        self.specs = {s["spec-id"]: s["fields"] for s in self.meta["partition-specs"]}
        sid = snapshot if snapshot is not None else self.meta.get("current-snapshot-id")
        self.snap = next((s for s in self.meta.get("snapshots", []) if s["snapshot-id"] == sid), None)
        if snapshot is not None and not self.snap:
            raise LookupError(f"no snapshot {snapshot}")
        # time travel reads with the snapshot's schema, the head with the current one
        self.schema = self.schemas[
            self.snap.get("schema-id", self.meta["current-schema-id"]) if snapshot is not None else self.meta["current-schema-id"]
        ]
        self.fields, self.lint_notes = self.schema["fields"], []
        self.types = {}  # field id -> newest type, dropped columns too: equality deletes may use them
        for s in sorted(self.schemas.values(), key=lambda s: s["schema-id"]):
            self.types.update({f["id"]: f["type"] for f in s["fields"]})
        self.manifests, self.data, self.deletes = [], [], []
        if self.snap:
            self._plan()

    def keys(self):
        ids = self.schema.get("identifier-field-ids") or []
        return [f["name"] for f in self.fields if f["id"] in ids]

    def _avro(self, path):
        with self.store.open(path) as f:
            return list(fastavro.reader(io.BytesIO(f.read())))

    def _plan(self):
        for m in self._avro(self.snap["manifest-list"]):
            self.manifests.append(m)
            for e in self._avro(m["manifest_path"]):
                if e["status"] == 2:  # deleted
                    continue
                seq = e.get("sequence_number")
                if seq is None:  # inherited
                    seq = m["sequence_number"] if e["status"] == 1 else 0
                d = e["data_file"]
                part = tuple(d["partition"].get(f["name"]) for f in self.specs[m["partition_spec_id"]])
                (self.deletes if d.get("content", 0) else self.data).append(DataFile(seq, m["partition_spec_id"], part, d))

    # ---- deletes
    def _parquet(self, path, ids):
        """The columns with these field ids, as a dict id -> array (absent ids are left out)."""
        with self.store.open(path) as f:
            pf = pq.ParquetFile(f)
            at = {int((c.metadata or {}).get(b"PARQUET:field_id", b"-1")): c.name for c in pf.schema_arrow}
            if ids and set(at) == {-1}:
                raise ValueError(f"{path}: no field ids in the Parquet schema")
            t = pf.read([at[i] for i in ids if i in at])
            return {i: t.column(at[i]) for i in ids if i in at}, pf.metadata.num_rows

    def _keycol(self, arr, fid, n):
        return [None] * n if arr is None else [x.bytes if isinstance(x, uuid.UUID) else x for x in plain(arr, self.types[fid]).to_pylist()]

    def _dv(self, d):
        with self.store.open(d["file_path"]) as f:
            f.seek(d["content_offset"])
            b = f.read(d["content_size_in_bytes"])
        size, magic = struct.unpack(">I4s", b[:8])
        if magic != b"\xd1\xd3\x39\x64" or zlib.crc32(b[4 : 4 + size]) != struct.unpack(">I", b[4 + size : 8 + size])[0]:
            raise ValueError(f"{d['file_path']}: bad deletion vector")
        bits = pyroaring.BitMap64.deserialize(b[8 : 4 + size])
        if len(bits) != d["record_count"]:
            self.lint_notes.append(
                f"deletion vector of {d['referenced_data_file']}: {len(bits)} positions, manifest says {d['record_count']}"
            )
        return bits

    def _lint_equality(self, f, ids, cols):
        note = lambda text: self.lint_notes.append(f"equality delete {f.d['file_path']}: {text}")
        if set(cols) != set(ids):
            note(f"lacks the columns {sorted(set(ids) - set(cols))}")
        if not self.specs[f.spec] and any(self.specs[x.spec] for x in self.data):
            note("global, beside partitioned data files: ClickHouse does not apply it to them")
        if set(ids) - {x["id"] for x in self.fields}:
            note("by a column that was dropped: Trino, DuckDB and DataFusion fail")
        for i, c in cols.items():
            t = str(self.types[i])
            if t.startswith("fixed") or t == "time":
                note(f"key of type {t}: Spark (fixed) or ClickHouse (time) does not apply it")
            if t == "long" and pa.types.is_int32(c.type):
                note("key widened from int to long: DuckDB crashes, iceberg-go does not apply it")

    def _lint_table(self):
        if not re.match(r"\w+://", self.location):
            self.lint_notes.append(f"location without a scheme: iceberg-rust cannot open it: {self.location}")
        if any(f["type"] in ("time", "timestamp_ns", "timestamptz_ns") for f in self.fields):
            self.lint_notes.append("a column of type time or timestamp_ns: Spark cannot load the table at all")

    def _index_deletes(self):
        """eq: {(field ids, scope): {key: newest seq}}; scope None is global. pos: {path: [(position, delete file)]}."""
        self._lint_table()
        self.eq, self.pos, self.dv, paths = {}, collections.defaultdict(list), {}, {f.d["file_path"] for f in self.data}
        for f in self.deletes:
            d = f.d
            if d["content"] == 2:
                ids = tuple(d["equality_ids"])
                cols, n = self._parquet(d["file_path"], ids)
                self._lint_equality(f, ids, cols)
                m = self.eq.setdefault((ids, (f.spec, f.part) if self.specs[f.spec] else None), {})
                for k in zip(*(self._keycol(cols.get(i), i, n) for i in ids)):
                    m[k] = max(m.get(k, 0), f.seq)
            elif d["file_format"].lower() == "puffin":
                if d["referenced_data_file"] in self.dv:
                    self.lint_notes.append(f"two deletion vectors for {d['referenced_data_file']}")
                self.dv[d["referenced_data_file"]] = (f, self._dv(d))
            else:
                cols, n = self._parquet(d["file_path"], (POS_FIELD, POS_FIELD - 1))
                rows = list(zip(cols[POS_FIELD].to_pylist(), cols[POS_FIELD - 1].to_pylist()))
                files = {r[0] for r in rows}
                if rows != sorted(rows):
                    self.lint_notes.append(f"position delete file not sorted by (file_path, pos): Trino skips rows of it: {d['file_path']}")
                if len(files) > 1:
                    self.lint_notes.append(f"position delete file for {len(files)} data files: polars refuses it: {d['file_path']}")
                elif not {b["key"] for b in d.get("lower_bounds") or []} & {POS_FIELD}:
                    self.lint_notes.append(f"position delete file without bounds of file_path: polars refuses it: {d['file_path']}")
                for p in files - paths:
                    self.lint_notes.append(f"position delete for a file that is not live: {p}")
                for p, i in rows:
                    self.pos[p].append((i, f))

    def _live(self, f, ids):
        """Arrow columns {id: array} of one data file after its deletes, and the row count."""
        need = set(ids) | {i for k, _ in self.eq for i in k}
        cols, n = self._parquet(f.d["file_path"], sorted(need))
        keep, path = numpy.ones(n, bool), f.d["file_path"]
        if n != f.d["record_count"]:
            self.lint_notes.append(f"{path}: {n} rows, manifest says {f.d['record_count']}")
        if path in self.dv:
            g, bits = self.dv[path]
            if g.seq >= f.seq and (g.spec, g.part) == (f.spec, f.part):
                keep[list(bits)] = False
            else:
                self.lint_notes.append(f"deletion vector with another spec, partition or an older sequence than {path}: it does not apply")
            lost = {p for p, h in self.pos.get(path, ()) if h.seq >= f.seq} - set(bits)
            if lost:
                self.lint_notes.append(
                    f"deletion vector of {path} lacks {len(lost)} positions of older position delete files: those rows return"
                )
        else:
            stray = 0
            for p, g in self.pos.get(path, ()):
                if g.seq >= f.seq and (g.spec, g.part) == (f.spec, f.part):
                    keep[p] = False
                else:
                    stray += g.seq >= f.seq
            if stray:
                self.lint_notes.append(f"{stray} position deletes for {path} stand under another spec or partition: they do not apply")
        for (kids, scope), m in self.eq.items():
            if scope in (None, (f.spec, f.part)) and max(m.values(), default=0) > f.seq:
                for r, k in enumerate(zip(*(self._keycol(cols.get(i), i, n) for i in kids))):
                    if m.get(k, 0) > f.seq:
                        keep[r] = False
        mask = pa.array(keep)
        return {i: cols[i].filter(mask) for i in ids if i in cols}, int(keep.sum())

    def count(self):
        self._index_deletes()
        return sum(self._live(f, ())[1] for f in self.data)

    def rows(self):
        """Canonical rows (dicts) in file order."""
        self._index_deletes()
        ids = [f["id"] for f in self.fields]
        for f in self.data:
            cols, n = self._live(f, ids)
            const = {
                x.get("source-id", (x.get("source-ids") or [0])[0]): v
                for x, v in zip(self.specs[f.spec], f.part)
                if x["transform"] == "identity"
            }
            out = []
            for x in self.fields:
                if x["id"] in cols:
                    out.append(canonical(cols[x["id"]], x["type"]))
                else:  # not in the file: identity partition value, then initial-default, then null
                    out.append([const.get(x["id"], x.get("initial-default"))] * n)
            names = [x["name"] for x in self.fields]
            for r in zip(*out):
                yield dict(zip(names, r))
