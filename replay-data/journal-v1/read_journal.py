#!/usr/bin/env python3
"""Reads a journal as docs/journal-format.md describes it and prints one JSON object per record.

Written from that page alone, without the engine's code, to be its judge. Python 3.9 or newer, no packages.

    python3 read_journal.py [DIR] > expected.jsonl
"""

import json
import re
import struct
import sys
from pathlib import Path

FIXED = struct.Struct("<8sIIQ16sQQQ32s32sQII16s")
CHAIN = struct.Struct("<Q32sQ")
BEGIN = struct.Struct("<QQq")
SEAL = struct.Struct("<QQqQHH")
HEADER = struct.Struct("<QQqHBBHH")
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "i64": "<q", "f64": "<d"}


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def zero(data):
    assert not any(data), "unused space is not zero"


def block(data, at):
    """The committed block at `at`, or None; with its length."""
    (commit,) = struct.unpack_from("<Q", data, at)
    if commit == 0:
        return None
    length = commit & 0xFFFFFFFF
    assert 32 <= length <= 1024, f"length {length} at {at}"
    end = at + (length + 63) // 64 * 64
    assert end <= len(data), f"cut at {at}"
    assert crc32c(data[at + 8 : end]) == commit >> 32, f"checksum at {at}"
    zero(data[at + length : end])
    return data[at:end], length


def mark(data, at, layout):
    found = block(data, at)
    if found is None:
        return None
    assert found[1] == 128
    zero(found[0][layout.size :])
    return layout.unpack_from(found[0])[1:]


def parse_catalogue(text):
    kinds = {}
    for line in text.splitlines():
        kind, version, cls, name, length, *fields = line.split(" ")
        parsed = []
        for field in fields:
            field_name, ty, offset, size, rest = field.split(":", 4)
            codes = {}
            if "=" in rest:
                for code in rest.split("=", 1)[1].split(","):
                    number, code_name = code.split("/", 1)
                    codes[int(number)] = code_name
            parsed.append((field_name, ty, int(offset), int(size), codes))
        assert int(kind) not in kinds
        kinds[int(kind)] = (int(version), cls, name, int(length), parsed)
    return kinds


def shown(payload, fields):
    values = {}
    for name, ty, offset, size, codes in fields:
        raw = payload[offset : offset + size]
        if name.startswith("spare"):
            zero(raw)
        elif ty == "text":
            values[name] = raw.rstrip(b"\0").decode("utf-8", "replace")
        elif ty == "bytes":
            values[name] = raw.hex()
        else:
            (number,) = struct.unpack(NUMBERS[ty], raw)
            values[name] = codes.get(number, number)
    return values


def record(data, length, kinds):
    _, seq, now, kind, version, flags, source, cause = HEADER.unpack_from(data)
    known_version, cls, name, known_length, fields = kinds[kind]
    assert (version, length) == (known_version, known_length)
    result = {"seq": seq, "now": now, "kind": name, "class": cls, "version": version, "source": source}
    if cls == "decision" and cause:
        result["cause"] = seq - cause
    names = [text for bit, text in ((1, "response"), (2, "not_sent")) if flags & bit]
    if flags & ~3:
        names.append(f"0x{flags & ~3:02x}")
    if names:
        result["flags"] = names
    result["fields"] = shown(data[32:length], fields)
    return result


def read(directory):
    names = [(int(m[1]), path) for path in Path(directory).iterdir() if (m := re.fullmatch(r"journal-(\d{8,})\.pwj", path.name))]
    seq = last_now = last_run = journal = None
    for index, path in sorted(names):
        data = path.read_bytes()
        magic, version, endian, run, _, _, number, _, _, _, records, length, crc, journal_id = FIXED.unpack_from(data)
        assert (magic, version, endian, number) == (b"PWJOURNL", 1, 0x0A0B0C0D, index)
        assert struct.unpack_from("<Q", data, 3704)[0] == crc32c(data[:3704]) << 32 | 3704
        zero(data[FIXED.size : 3704])
        assert records == 4096 + (length + 4095) // 4096 * 4096
        assert crc32c(data[4096 : 4096 + length]) == crc
        zero(data[4096 + length : records])
        assert last_run is None or run >= last_run
        assert journal is None or journal_id == journal
        last_run, journal = run, journal_id
        kinds = parse_catalogue(data[4096 : 4096 + length].decode())
        begin = mark(data, 3840, BEGIN)
        if begin is None:
            break
        if seq is not None:
            assert begin == (seq, last_now)
        seq, last_now = begin
        chain = mark(data, 3712, CHAIN)
        assert chain is None or chain[1] == seq - 1
        at, last_kind = records, 0
        while (found := block(data, at)) is not None:
            header = HEADER.unpack_from(found[0])
            assert header[1] == seq and header[2] >= last_now
            yield record(*found, kinds)
            seq, last_now, last_kind, at = seq + 1, header[2], header[3], at + len(found[0])
        zero(data[at:])
        seal = mark(data, 3968, SEAL)
        if seal is None:
            break
        assert seal[:4] == (seq - 1, last_now, at, last_kind) and len(data) >= at + 64


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
    for entry in read(directory):
        print(json.dumps(entry, ensure_ascii=False))
