"""Holds Parquet tables, read by pyarrow, against the JSON lines of the same journal.

    parquet_tables.py RECORDS.jsonl TABLES_DIR
"""

import json
import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TYPES = {
    "u8": pa.uint8(),
    "u16": pa.uint16(),
    "u32": pa.uint32(),
    "u64": pa.uint64(),
    "i64": pa.int64(),
    "f64": pa.float64(),
    "text": pa.string(),
    "name": pa.string(),
    "names": pa.string(),
    "hex": pa.binary(),
}
HEADER = ["seq", "now", "kind", "version", "flags", "source", "cause"]


def same(found, expected):
    if isinstance(found, bytes):
        return found.hex() == expected
    if isinstance(found, float):
        return found == expected or (math.isnan(found) and expected == "NaN") or repr(found) == expected
    # A number without a name stands as text in a column of names.
    return found == expected or found == str(expected)


def check_schema(table, path):
    described = json.loads(table.schema.metadata[b"pricewright.columns"])
    assert [column["column"] for column in described] == table.column_names, path
    for column, field in zip(described, table.schema):
        assert field.type == TYPES[column["type"]], (path, column, field.type)
        assert field.nullable == (column["column"] == "cause"), (path, column)


def rows(directory):
    for path in sorted(Path(directory).glob("*.parquet")):
        table = pq.read_table(path)
        check_schema(table, path)
        for row in table.to_pylist():
            assert path.stem == f"{row['kind']}.v{row['version']}", path
            yield row


def main(lines, directory):
    tables = {row["seq"]: row for row in rows(directory)}
    count = 0
    with open(lines, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            row = tables.pop(record["seq"])
            expected = {key: record.get(key) for key in HEADER} | {"flags": "|".join(record.get("flags", []))}
            for name, value in record["fields"].items():
                expected[f"field_{name}" if name in HEADER else name] = value
            assert row.keys() == expected.keys(), (row, expected)
            wrong = {key: (row[key], expected[key]) for key in row if not same(row[key], expected[key])}
            assert not wrong, (record["seq"], wrong)
            count += 1
    assert not tables, f"{len(tables)} rows that are no records"
    assert count > 0
    print(f"pyarrow {pa.__version__}: {count} records in {directory} are those of the JSON lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
