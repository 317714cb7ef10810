"""Sections 5.3 and 5.5: what is sealed in a conversation."""

from dataclasses import dataclass

from basics import Reader, require, varint
from hop import ACK, CLIENT_DISCONNECT

TEXT, APPLICATION = 0, 1
MESSAGE, GAPS, RATCHET, LOST = 1, 2, 4, 8


@dataclass
class Body:
    seen: tuple  # m', H'
    message: tuple | None = None  # m, H of m-1
    gaps: tuple = ()
    ratchet: tuple | None = None  # number, ek
    lost: tuple = ()
    content: bytes = b""


def encode_body(body):
    flags = (body.message is not None) * MESSAGE | bool(body.gaps) * GAPS
    flags |= (body.ratchet is not None) * RATCHET | bool(body.lost) * LOST
    out = bytes([flags])
    for pair in (body.message, body.seen):
        if pair is not None:
            out += varint(pair[0]) + pair[1]
    if body.gaps:
        out += _ranges(body.gaps)
    if body.ratchet is not None:
        out += varint(body.ratchet[0]) + body.ratchet[1]
    if body.lost:
        out += _ranges(body.lost)
    return pad(out + body.content)


def decode_body(padded, suite):
    data = padded.rstrip(b"\0")
    require(data[-1:] == b"\x80", "a body has no padding")
    reader = Reader(data[:-1])
    flags = reader.byte()
    require(flags < 16, "a body has unknown flags")
    message = (reader.varint(), reader.take(16)) if flags & MESSAGE else None
    seen = (reader.varint(), reader.take(16))
    gaps = _read_ranges(reader) if flags & GAPS else ()
    require(all(first + length - 1 < seen[0] for first, length in gaps), "a gap is not below what was seen")
    ratchet = None
    if flags & RATCHET:
        require(suite.has_ratchet, "a suite without ratchet keys has one")
        ratchet = (reader.varint(), reader.take(suite.kem.ek_size))
    lost = _read_ranges(reader) if flags & LOST else ()
    return Body(seen, message, gaps, ratchet, lost, reader.rest())


def check_content(kind, body):
    """What each type of record holds."""
    if kind == ACK:
        require(body.message is None and body.content == b"", "an ACK carries a message")
        return
    require(body.message is not None and body.message[0] >= 1, "a message has no number")
    if kind == CLIENT_DISCONNECT:
        require(len(body.content) == 1, "a goodbye has not one reason")
    else:
        require(body.content[:1] in (bytes([TEXT]), bytes([APPLICATION])), "content is of an unknown kind")


def pad(data):
    length = len(data) + 1
    e = length.bit_length() - 1
    s = e.bit_length()
    step = 1 << max(e - s, 0)
    bucket = max(32, -(-length // step) * step)
    return data + b"\x80" + bytes(bucket - length)


def _ranges(ranges):
    return bytes([len(ranges)]) + b"".join(varint(first) + varint(length) for first, length in ranges)


def _read_ranges(reader):
    count = reader.byte()
    require(1 <= count <= 32, "a body has no or too many ranges")
    ranges, end = [], 0
    for _ in range(count):
        first, length = reader.varint(), reader.varint()
        require(length >= 1 and first > end, "ranges are empty, touch or are not in order")
        end = first + length
        ranges.append((first, length))
    return tuple(ranges)
