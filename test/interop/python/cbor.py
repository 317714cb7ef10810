"""The deterministic CBOR of section 2.1: RFC 8949 section 4.2.1 without tags, floats and undefined."""

from basics import Reader, Refused, require

MAX_DEPTH = 8
MAX_ITEMS = 131_072


def _head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | extra]) + value.to_bytes(size, "big")
    raise ValueError("an integer is too large for CBOR")


def encode(value):
    if value is None:
        return b"\xf6"
    if value is False:
        return b"\xf4"
    if value is True:
        return b"\xf5"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"CBOR here has no {type(value).__name__}")


def decode(data, max_items=MAX_ITEMS):
    reader = Reader(data)
    budget = [max_items]
    value = _item(reader, 0, budget)
    require(reader.at == len(reader.data), "bytes trail behind a CBOR item")
    return value


def decode_map(data, max_items=MAX_ITEMS):
    value = decode(data, max_items)
    require(isinstance(value, dict), "this is not a CBOR map")
    return value


def _item(reader, depth, budget):
    budget[0] -= 1
    require(budget[0] >= 0, "a message holds too many values")
    first = reader.byte()
    major, info = first >> 5, first & 31
    if major == 7:
        if info in (20, 21, 22):
            return (False, True, None)[info - 20]
        raise Refused("CBOR holds a simple value or float that is not allowed")
    require(major != 6, "CBOR holds a tag")
    value = _argument(reader, info)
    if major == 0:
        return value
    if major == 1:
        return -1 - value
    if major == 2:
        return reader.take(value)
    if major == 3:
        try:
            return reader.take(value).decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("a text is not UTF-8") from None
    require(depth < MAX_DEPTH, "CBOR is nested too deeply")
    if major == 4:
        return [_item(reader, depth + 1, budget) for _ in range(value)]
    return _map(reader, value, depth, budget)


def _argument(reader, info):
    if info < 24:
        return info
    require(info <= 27, "CBOR holds an indefinite or reserved length")
    size = 1 << (info - 24)
    value = int.from_bytes(reader.take(size), "big")
    smallest = 24 if size == 1 else 1 << (4 * size)
    require(value >= smallest, "a CBOR length or integer is not the shortest")
    return value


def _map(reader, count, depth, budget):
    out, previous = {}, None
    for _ in range(count):
        start = reader.at
        key = _item(reader, depth + 1, budget)
        encoded = reader.data[start : reader.at]
        require(isinstance(key, (int, str)) and not isinstance(key, bool), "a CBOR map key is no number or text")
        require(previous is None or encoded > previous, "CBOR map keys are repeated or not sorted")
        previous = encoded
        out[key] = _item(reader, depth + 1, budget)
    return out


_NAMES = {int: "number", bytes: "byte string", str: "text", list: "array", dict: "map", bool: "boolean"}


def field(source, key, kind, what, size=None, optional=False):
    """The value under a key, checked for its type and, for bytes, its length."""
    if key not in source:
        require(optional, f"{what} is missing")
        return None
    value = source[key]
    good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    require(good, f"{what} is not a {_NAMES[kind]}")
    require(size is None or len(value) == size, f"{what} has not {size} bytes")
    return value
