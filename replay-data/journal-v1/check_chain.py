#!/usr/bin/env python3
"""Checks the hash chain and the seals of a closed journal as docs/journal-format.md describes them.

Written from that page and from the BLAKE3 paper's section 2 alone, without the engine's code, to be its judge. Prints the
head of the chain. Python 3.9 or newer, no packages; `openssl` checks the signatures where `key.pub` is there. Slow: for small
journals.

    python3 check_chain.py [DIR]
"""

import re
import struct
import subprocess
import sys
from pathlib import Path

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 32, 64
ROUNDS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
MASK = 0xFFFFFFFF


def crc32c(data):
    crc = MASK
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ MASK


def zero(data):
    assert not any(data), "unused space is not zero"


def rotated(word, by):
    return (word >> by | word << 32 - by) & MASK


def compress(chaining, block, counter, length, flags):
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    v = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    for _ in range(7):
        for index, (a, b, c, d) in enumerate(ROUNDS):
            v[a] = (v[a] + v[b] + words[2 * index]) & MASK
            v[d] = rotated(v[d] ^ v[a], 16)
            v[c] = (v[c] + v[d]) & MASK
            v[b] = rotated(v[b] ^ v[c], 12)
            v[a] = (v[a] + v[b] + words[2 * index + 1]) & MASK
            v[d] = rotated(v[d] ^ v[a], 8)
            v[c] = (v[c] + v[d]) & MASK
            v[b] = rotated(v[b] ^ v[c], 7)
        words = [words[p] for p in PERMUTATION]
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def chunk(data, counter, key, flags, root):
    chaining = key
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    for index, block in enumerate(blocks):
        last = index + 1 == len(blocks)
        extra = (CHUNK_START if index == 0 else 0) | (CHUNK_END | (ROOT if root else 0) if last else 0)
        chaining = compress(chaining, block, counter, len(block), flags | extra)
    return chaining


def tree(data, counter, key, flags, root):
    if len(data) <= 1024:
        return chunk(data, counter, key, flags, root)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    halves = tree(data[:left], counter, key, flags, False) + tree(data[left:], counter + left // 1024, key, flags, False)
    return compress(key, struct.pack("<16I", *halves), 0, 64, flags | PARENT | (ROOT if root else 0))


def blake3(data, key=IV, flags=0):
    return struct.pack("<8I", *tree(data, 0, key, flags, True))


def derive_key(context, data):
    return blake3(data, struct.unpack("<8I", blake3(context.encode(), IV, DERIVE_CONTEXT)), DERIVE_MATERIAL)


# The first values of BLAKE3's official test vectors (inputs of 0 and 1025 bytes, which count 0 to 250).
assert blake3(b"").hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949")
assert blake3(bytes(i % 251 for i in range(1025))).hex().startswith("d00278ae47eb27b34faecf67b4fe263f")


def entries_of(segment, number, before):
    """The chain file that a closed segment must have behind its header, entry by entry, and the links."""
    (records,) = struct.unpack_from("<Q", segment, 128)
    (base,) = struct.unpack_from("<Q", segment, 3848)
    (end,) = struct.unpack_from("<Q", segment, 3992)
    link = before

    def entry(kind, offset, data, seq, tags):
        nonlocal link
        front = struct.pack("<IIQQQ", kind, len(tags), offset, len(data), seq) + blake3(data) + b"".join(tags)
        link = derive_key("pricewright 2026-11-21 journal chain link", link + struct.pack("<Q", number) + front)
        return front + link, link

    head = segment[:3712] + bytes(128) + segment[3840:3968] + bytes(128) + segment[4096:records]
    yield entry(1, 0, head, base, [])
    at = first = records
    seq, tags = base, []
    while at < end:
        (length,) = struct.unpack_from("<I", segment, at)
        cells = (length + 63) // 64 * 64
        tags.append(blake3(segment[at : at + cells])[:8])
        at += cells
        if at - first >= 65536 or at == end:
            yield entry(2, first, segment[first:at], seq, tags)
            seq, first, tags = seq + len(tags), at, []
    yield entry(3, 3968, segment[3968:4096], seq, [])


def check(directory):
    links, link = {}, None
    for path in sorted(directory.iterdir()):
        if not (match := re.fullmatch(r"journal-(\d{8,})\.pwj", path.name)):
            continue
        number, segment = int(match[1]), path.read_bytes()
        file = (directory / f"chain-{number:08}.pwc").read_bytes()
        header = struct.unpack_from("<8sII16sQQ32s", file)
        assert header[:3] == (b"PWJCHAIN", 1, 0x0A0B0C0D) and header[3] == segment[144:160]
        assert header[4] == number and header[5:6] == struct.unpack_from("<Q", segment, 3848)
        zero(file[80:120])
        assert struct.unpack_from("<Q", file, 120)[0] == crc32c(file[:120]) << 32 | 120
        if number == 1:
            link = derive_key("pricewright 2026-11-21 journal chain genesis", segment[144:160])
        assert link in (None, header[6]), "a file does not go on where the one before ends"
        link = header[6]
        mark = segment[3720:3752]
        assert mark in (link, bytes(32)), "chain mark"
        expected = b""
        for count, (entry, link) in enumerate(entries_of(segment, number, link), 1):
            expected += entry
            links[number, count] = link
        assert file[128:] == expected, f"chain of segment {number}"
    return links, link


def check_seal(directory, path, links):
    text = path.read_text()
    title, *lines = text.splitlines()
    assert title == "pricewright journal seal 1"
    stated = dict(line.split(" = ", 1) for line in lines)
    assert links[int(stated["segment"]), int(stated["entries"])].hex() == stated["chain-head"]
    key = directory / "key.pub"
    if key.exists():
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", path, "-sigfile", path.with_suffix(".sig")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return stated["last-record"]


if __name__ == "__main__":
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    links, head = check(directory)
    print("chain head", head.hex())
    for path in sorted(directory.glob("seal-*.txt")):
        print(path.name, "holds up to record", check_seal(directory, path, links))
