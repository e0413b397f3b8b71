"""Reads the records of a cdcsync pipeline's topics as a read_committed consumer does, and decodes Debezium's JSON by the
schema that each record carries (Kafka Connect's JsonConverter with schemas.enable)."""

import base64
import decimal
import json
import re
import struct

import canonical
import confluent_kafka

DECODER = json.JSONDecoder()


# ---- one value -------------------------------------------------------------------------------------------------------
def bits(v, _):
    return int.from_bytes(base64.b64decode(v), "little")


def exact(v, parameters):
    unscaled = int.from_bytes(base64.b64decode(v, validate=True), "big", signed=True)
    return canonical.number(decimal.Decimal(unscaled).scaleb(-int(parameters["scale"]), canonical.EXACT))


def geometry(v, _):
    return "0x" + (v["srid"] or 0).to_bytes(4, "little").hex() + base64.b64decode(v["wkb"]).hex()


def vector(v, _):
    return "0x" + struct.pack(f"<{len(v)}f", *v).hex()


NAMED = {
    "org.apache.kafka.connect.data.Decimal": exact,
    "io.debezium.time.Date": lambda v, _: f"day {v}",
    "io.debezium.time.Timestamp": lambda v, _: f"us {v * 1000}",
    "io.debezium.time.MicroTimestamp": lambda v, _: f"us {v}",
    "io.debezium.time.ZonedTimestamp": lambda v, _: canonical.moment(v),
    "io.debezium.time.MicroTime": lambda v, _: f"time {v}",
    "io.debezium.data.Bits": bits,
    "io.debezium.data.FloatVector": vector,
    "io.debezium.data.geometry.Geometry": geometry,
    "io.debezium.data.geometry.Point": geometry,
}
PLAIN = {
    "boolean": lambda v, _: int(v),
    "float": lambda v, _: canonical.single(v),
    "double": lambda v, _: float(v),
    "bytes": lambda v, _: "0x" + base64.b64decode(v, validate=True).hex(),
}


def value(field):
    """What turns a field's JSON value into a canonical one."""
    decode = NAMED.get(field.get("name")) or PLAIN.get(field["type"])
    parameters = field.get("parameters")
    if decode is None:
        return lambda v: v
    return lambda v: None if v is None else decode(v, parameters)


def columns(schema):
    """(name, decode) of each field of a row."""
    return [(f["field"], value(f)) for f in schema["fields"]]


def row(fields, v):
    return v and {name: decode(v[name]) for name, decode in fields}


# ---- one record ------------------------------------------------------------------------------------------------------
class Record:
    __slots__ = ("topic", "partition", "offset", "shape", "seq", "table", "key", "op", "before", "after", "source")

    def where(self):
        return f"{self.topic}/{self.partition}@{self.offset} (seq {self.seq}, op {self.op})"


def sequence(source):
    """A place in the log as a number that grows with it: file number and offset."""
    number = re.search(r"\d+$", source.get("file") or "")
    return int(number[0]) << 40 | int(source["pos"]) if number else 0


class Schemas:
    """The text of a topic's schema is nearly always that of the record before: it is parsed once."""

    def __init__(self):
        self.known = {}

    def payload(self, slot, data, compile):
        """The payload of a JSON text {"schema":...,"payload":...}, and what compile makes of its schema."""
        text = data.decode("utf-8")
        prefix, made = self.known.get(slot, ("\0", None))
        if not text.startswith(prefix):
            schema, end = DECODER.raw_decode(text, text.index('{"schema":') + len('{"schema":'))
            prefix, made = text[: end + len(',"payload":')], compile(schema)
            if not prefix.endswith(',"payload":'):
                raise ValueError(f"no payload beside the schema: {text[:200]}")
            self.known[slot] = prefix, made
        payload, end = DECODER.raw_decode(text, len(prefix))
        if text[end:].strip() != "}":
            raise ValueError(f"bytes after the payload: {text[end:][:200]}")
        return payload, made


def envelope(schema):
    return {f["field"]: columns(f) for f in schema["fields"] if f["field"] in ("before", "after")}


class Topics:
    """All records so far of a pipeline's topics; more() reads on. Schema changes are kept apart: the header cdcsync.schema
    of a row's record is the number of the newest one before it."""

    def __init__(self, seeds, prefix):
        self.client = confluent_kafka.Consumer(
            {
                "bootstrap.servers": seeds,
                "group.id": "judge",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        self.prefix, self.schemas = prefix, Schemas()
        self.next, self.records, self.changes = {}, [], []

    def more(self):
        """Read on to the end of what is committed: the schema changes last, so that none is missing beside a row."""
        names = [n for n in self.client.list_topics(timeout=30).topics.values()]
        data = [t for t in names if t.topic.startswith(self.prefix + ".") and not t.topic.endswith(".transaction")]
        self.read(data, self.record)
        self.read([t for t in names if t.topic == self.prefix], self.change)

    def read(self, topics, take):
        want = {(t.topic, p): self.next.get((t.topic, p), 0) for t in topics for p in t.partitions}
        if not want:
            return
        self.client.assign([confluent_kafka.TopicPartition(t, p, at) for (t, p), at in want.items()])
        open_ = set(want)
        while open_:
            for m in self.client.consume(1000, timeout=0.03):  # waits so long unless there are that many
                at = m.topic(), m.partition()
                if m.error() is None:
                    self.next[at] = m.offset() + 1
                    take(m)
                elif m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    open_.discard(at)
                else:
                    raise confluent_kafka.KafkaException(m.error())

    def change(self, m):
        payload = json.loads(m.value())
        change = payload.get("payload", payload)
        change["at"] = int(dict(m.headers() or []).get("cdcsync.schema") or 0), sequence(change["source"])
        self.changes.append(change)

    def record(self, m):
        r = Record()
        r.topic, r.partition, r.offset = m.topic(), m.partition(), m.offset()
        headers = dict(m.headers() or [])
        told, r.shape = headers.get("cdcsync.seq"), int(headers.get("cdcsync.schema") or 0)
        r.key = r.before = r.after = r.source = r.table = None
        if m.key() is not None:
            key, fields = self.schemas.payload((r.topic, "key"), m.key(), columns)
            r.key = tuple(sorted(row(fields, key).items()))
        if m.value() is None:
            r.op = "tombstone"
        else:
            v, fields = self.schemas.payload((r.topic, "value"), m.value(), envelope)
            r.op, r.source = v["op"], v["source"]
            r.table = v["source"]["db"], v["source"]["table"]
            told = told or sequence(r.source)
            r.before, r.after = row(fields["before"], v.get("before")), row(fields["after"], v.get("after"))
        r.seq = int(told or 0)
        self.records.append(r)
