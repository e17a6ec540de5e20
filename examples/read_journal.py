"""Prints a journal as `pricewright journal export --jsonl` does: `python3 read_journal.py DIR` (Python 3.9 or newer).
Written from docs/journal-format.md alone. Compressed segments: unpack them with `zstd -d` first."""
import json, re, struct, sys
from pathlib import Path
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "i64": "<q", "f64": "<d"}
TABLE = list(range(256))
for _ in range(8):
    TABLE = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in TABLE]
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
def block(data, at):  # the committed block there with its length, or None
    commit = struct.unpack_from("<Q", data, at)[0]
    length, end = commit & 0xFFFFFFFF, at + ((commit & 0xFFFFFFFF) + 63) // 64 * 64
    assert commit == 0 or 32 <= length <= 1024 and end <= len(data), f"impossible length at {at}"
    assert commit == 0 or crc32c(data[at + 8:end]) == commit >> 32, f"wrong checksum at {at}"
    assert not any(data[at + length:end]), f"padding is not zero at {at}"
    return (data[at:end], length) if commit else None
def parse(line):
    kind, version, cls, name, length, *fields = line.split(" ")
    fields = [re.fullmatch("([^:]+):([^:]+):([^:]+):([^:]+):([^=]*)=?(.*)", field).groups() for field in fields]
    fields = [(f[0], f[1], int(f[2]), int(f[3]), dict(re.findall("([0-9]+)/([^,]+)", f[5]))) for f in fields]
    return int(kind), (int(version), cls, name, int(length), fields)
def value(raw, kind, codes):
    if kind in ("text", "bytes"):
        return raw.hex() if kind == "bytes" else raw.rstrip(b"\0").decode("utf-8", "replace")
    number = struct.unpack(NUMBERS[kind], raw)[0]
    return repr(number).replace("nan", "NaN") if number - number != 0 else codes.get(str(number), number)
def record(data, length, kinds):
    _, seq, now, kind, version, flags, source, cause = struct.unpack_from("<QQqHBBHH", data)
    known, cls, name, size, fields = kinds[kind]
    assert (known, size) == (version, length), f"record {seq} has another layout than its kind"
    shown = {"seq": seq, "now": now, "kind": name, "class": cls, "version": version, "source": source}
    names = ["response"] * (flags & 1) + ["not_sent"] * (flags >> 1 & 1) + [f"{flags & ~3:#04x}"] * (flags > 3)
    shown |= ({"cause": seq - cause} if cause and cls == "decision" else {}) | ({"flags": names} if names else {})
    cut = [(field, data[32 + at:32 + at + size], kind, codes) for field, kind, at, size, codes in fields]
    return shown | {"fields": {c[0]: value(*c[1:]) for c in cut if not c[0].startswith("spare")}}, kind
if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
    print(f"{sys.argv[1]} is no directory" if len(sys.argv) == 2 else "usage: read_journal.py DIR", file=sys.stderr)
    sys.exit(2)
place, paths = None, Path(sys.argv[1]).glob("journal-*.pwj")
for index, path in sorted((int(path.stem[8:]), path) for path in paths if path.stem[8:].isdigit()):
    data = path.read_bytes()
    head, check = struct.unpack_from("<8sII32xQ", data), struct.unpack_from("<Q", data, 3704)[0]
    assert head == (b"PWJOURNL", 1, 0x0A0B0C0D, index) and check == crc32c(data[:3704]) << 32 | 3704, f"head of {path}"
    at, length, crc = struct.unpack_from("<QII", data, 128)
    assert crc32c(data[4096:4096 + length]) == crc and not any(data[4096 + length:at]), f"catalogue of {path}"
    kinds, begin = dict(map(parse, data[4096:4096 + length].decode().splitlines())), block(data, 3840)
    (seq, now), last = struct.unpack_from("<Qq", begin[0], 8) if begin else (0, 0), 0
    assert not begin or place in (None, (index, seq, now)), f"{path} does not follow on the segment before"
    while begin and (found := block(data, at)):
        shown, last = record(*found, kinds)
        assert shown["seq"] == seq and shown["now"] >= now, f"{path}: record {shown['seq']} is not the next"
        print(json.dumps(shown, ensure_ascii=False, separators=(",", ":")))
        seq, now, at = seq + 1, shown["now"], at + len(found[0])
    place = (index + 1, seq, now)
    if (seal := block(data, 3968)) is None:
        break  # the end for now: it is being written, or a crash left it
    assert struct.unpack_from("<QqQH", seal[0], 8) == (seq - 1, now, at, last) and not any(data[at:]), f"end of {path}"
