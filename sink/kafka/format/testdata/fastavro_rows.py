"""Decodes records of Avro with fastavro: {"schema": text, "records": [hex]} on standard input, a JSON list on standard output."""

import base64
import decimal
import io
import json
import sys

import fastavro


def plain(value):
    """What JSON has no word for: bytes are base64, a decimal is its digits."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value)} is not expected")


request = json.load(sys.stdin)
schema = fastavro.parse_schema(json.loads(request["schema"]))
records = []
for text in request["records"]:
    data = io.BytesIO(bytes.fromhex(text))
    records.append(fastavro.schemaless_reader(data, schema))
    if data.read():
        raise ValueError("bytes are left after a record")
json.dump(records, sys.stdout, default=plain)
