#!/usr/bin/env python3
"""A card for `xuejika conformance run --target "exec:python3 card.py"`: two free files, three faults."""
import sys

SERIAL = bytes.fromhex("1100260100000014")
PUBLIC = bytes.fromhex("1000") + SERIAL[2:] + bytes.fromhex("01020030") + bytes(12) \
    + bytes.fromhex("2026090120380831")
FCI = bytes.fromhex("6F13840E315041592E5359532E44444630318A0105")


def answer(c):
    if len(c) < 4:
        return b"\x67\x00"
    if c[0] in (0xA0, 0xFF):  # fault: an undefined class is taken
        return b"\x90\x00"
    if c[0] & 0xE0 == 0x20 or c[0] >= 0xA0:
        return b"\x6E\x00"
    if c[0] not in (0x00, 0x80):
        return b"\x68\x81"
    if c[:3] == b"\x00\xB0\x84":
        part = PUBLIC[c[3]:]
        if len(c) != 5:
            return b"\x67\x00"
        if not part:
            return b"\x6B\x00"
        return part[:c[4] or None] + b"\x90\x00"  # fault: Le above what is left takes 6Cxx
    if c[:4] == b"\x00\xA4\x00\x00":
        return FCI + b"\x90\x00" if c[5:7] == b"\x3F\x00" else b"\x6A\x82"
    return b"\x6D\x00" if c[1] != 0xB1 else b"\x6F\x00"  # fault: 6D00 is due


for line in sys.stdin:
    verb, _, rest = line.strip().partition(" ")
    replies = {"begin": "ok" if rest.startswith("student") else "unable", "reset": "ok 3B00",
               "power": "ok 3B00"}
    print(replies.get(verb) or "ok " + answer(bytes.fromhex(rest)).hex(), flush=True)
