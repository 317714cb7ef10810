"""Section 1.1: helpers that every other part uses, and the one error of this program."""

import base64
import hashlib
import hmac


class Refused(Exception):
    """Something that the peer or the relay sent is not as the protocol demands."""


def require(condition, reason):
    if not condition:
        raise Refused(reason)


def u32(x):
    return x.to_bytes(4, "big")


def u64(x):
    return x.to_bytes(8, "big")


def lp(*parts):
    """u32(length) and the part, one after the other; a text stands for its UTF-8 bytes."""
    out = bytearray()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        out += u32(len(part)) + part
    return bytes(out)


def varint(x):
    for power, size, top in ((6, 1, 0), (14, 2, 1), (30, 4, 2), (53, 8, 3)):
        if x < 1 << power:
            return (x | top << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError("a varint is below 2^53")


class Reader:
    """Takes bytes from the front; every read past the end is refused."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def take(self, size):
        require(len(self.data) - self.at >= size, "bytes are missing")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        first = self.byte()
        size = 1 << (first >> 6)
        value = int.from_bytes(bytes([first & 63]) + self.take(size - 1), "big")
        require(value < 1 << 53, "a varint is too large")
        require(len(varint(value)) == size, "a varint is not the shortest")
        return value

    def rest(self):
        return self.take(len(self.data) - self.at)


def sha256(data):
    return hashlib.sha256(data).digest()


def sha512(data):
    return hashlib.sha512(data).digest()


def hkdf_extract(hash_name, salt, secret):
    return hmac.digest(salt, secret, hash_name)


def hkdf_expand(hash_name, key, info, length):
    out, block, count = b"", b"", 0
    while len(out) < length:
        count += 1
        block = hmac.digest(key, block + info + bytes([count]), hash_name)
        out += block
    return out[:length]


def to_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(to_base64url(data) == text, "this is not base64url without padding")
    return data
