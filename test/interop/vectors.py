"""Computes the vectors of test/vectors again, from docs/protocol.md alone, over python3-cryptography.

Usage: vectors.py FOLDER. Prints what was checked as JSON; ends with a traceback at the first value that differs.
X-Wing's raw secret is taken from the vectors, since python3-cryptography has no ML-KEM.
"""

import base64
import hashlib
import hmac
import json
import sys
from collections import Counter

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from cryptography.x509 import load_der_x509_certificate

FOLDER = sys.argv[1]
CHECKED = Counter()

# Section 3: name -> KEM, hash, cipher, iterations of a rekey.
SUITES = {
    "X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256": ("X-Wing", "sha256", "chacha", 1),
    "X25519MLKEM768_WITH_AES_256_GCM_SHA384": ("X-Wing", "sha384", "gcm", 1),
    "X25519_WITH_CHACHA20_POLY1305_SHA256": ("X25519", "sha256", "chacha", 1),
    "ECDHE_WITH_AES_256_GCM_SHA384": ("P-384", "sha384", "gcm", 1),
    "ECDHE_WITH_AES_128_CBC_SHA256": ("P-384 KDF", "sha256", "fernet", 1000),
    "RSA_WITH_AES_128_CBC_SHA256": ("RSA", "sha256", "fernet", 1000),
}
CT_LENGTH = {"X-Wing": 1120, "X25519": 32, "P-384": 97, "P-384 KDF": 97, "RSA": 0}
EK_LENGTH = {"X-Wing": 1216, "X25519": 32, "P-384": 97, "P-384 KDF": 97}
TYPES = {"secure": 2, "client-disconnect": 6, "client-com": 7, "ack": 8}


def load(name):
    with open(f"{FOLDER}/{name}.json", encoding="utf-8") as file:
        return json.load(file)


def same(what, found, expected):
    if isinstance(found, (bytes, bytearray)):
        found = bytes(found).hex()
    if found != expected:
        raise AssertionError(f"{what}: {found} is not {expected}")
    CHECKED[what] += 1


def u32(x):
    return x.to_bytes(4, "big")


def u64(x):
    return x.to_bytes(8, "big")


def lp(*parts):
    out = b""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        out += u32(len(data)) + data
    return out


def sha256(data):
    return hashlib.sha256(data).digest()


def sha512(data):
    return hashlib.sha512(data).digest()


def varint(data, at):
    length = 1 << (data[at] >> 6)
    value = int.from_bytes(data[at : at + length], "big") & ((1 << (8 * length - 2)) - 1)
    return value, at + length


def expand(name, key, info, length):
    out, block, index = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([index]), name).digest()
        out, index = out + block, index + 1
    return out[:length]


def cbor(data):
    value, end = cbor_at(data, 0)
    assert end == len(data)
    return value


def cbor_at(data, at):
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if low >= 24:
        size = 1 << (low - 24)
        low, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major == 0:
        return low, at
    if major == 1:
        return -1 - low, at
    if major in (2, 3):
        raw = data[at : at + low]
        return (raw if major == 2 else raw.decode()), at + low
    if major == 4:
        items = []
        for _ in range(low):
            item, at = cbor_at(data, at)
            items.append(item)
        return items, at
    assert major == 5
    items = {}
    for _ in range(low):
        key, at = cbor_at(data, at)
        items[key], at = cbor_at(data, at)
    return items, at


def address(text):
    left, right = text.split(".")
    return base64.urlsafe_b64decode(left + "=") + base64.urlsafe_b64decode(right + "=")


def open_record(cipher, key, nonce, bound, sealed):
    if cipher == "fernet":
        token = base64.urlsafe_b64encode(sealed)
        opened = Fernet(base64.urlsafe_b64encode(key)).decrypt(token)
        assert opened[:32] == sha256(bound)
        return opened[32:]
    aead = ChaCha20Poly1305(key) if cipher == "chacha" else AESGCM(key)
    return aead.decrypt(nonce + bytes(6), sealed, bound)


def p384_scalar(draw):
    return ec.derive_private_key(int.from_bytes(draw, "big"), ec.SECP384R1())


def p384_point(data):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), data)


def raw_secret(kem, private, public, ct, ek):
    """What both sides of a KEM share; `private` is of either, `public` of the other."""
    if kem == "X25519":
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    x = p384_scalar(private).exchange(ec.ECDH(), p384_point(public))
    return x if kem == "P-384" else sha256(u32(1) + x + ct + ek)


def kem_secret(suite, raw, ct, ek):
    return sha512(lp("SIMS KEM", suite, raw, ct, ek))[:32]


def verify(spki, purpose, content, signature):
    key, data = load_der_public_key(spki), b"SIMS 1 " + purpose.encode() + b"\0" + content
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    else:
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    CHECKED["signature"] += 1


def digits(data):
    return " ".join(f"{int.from_bytes(data[5 * i : 5 * i + 5], 'big') % 100000:05d}" for i in range(12))


def absorb(tr, data):
    return sha512(lp("SIMS 1 absorb", tr, data))


def identities():
    file = load("identities")
    kinds = {"none": 0, "key": 1, "certificate": 2, "relay": 3}
    for person in file["people"]:
        credential = cbor(bytes.fromhex(person["credential"]))
        same("spki in a credential", credential[1], person["spki"])
        print_ = sha256(lp("SIMS id", bytes([credential[0]]), credential[1]))
        same("fingerprint", print_, person["fingerprint"])
        same("address", address(person["address"]), print_[:20].hex() + person["device"])
    for one in file["fingerprints"]:
        print_ = sha256(lp("SIMS id", bytes([kinds[one["kind"]]]), bytes.fromhex(one["long-term spki"])))
        same("fingerprint", print_, one["fingerprint"])
    for one in file["safety numbers"]:
        first, second = sorted(bytes.fromhex(each) for each in one["fingerprints"])
        same("safety number", digits(sha512(lp("SIMS 1 safety number", first, second))), one["text"])
    spki = {person["name"]: bytes.fromhex(person["spki"]) for person in file["people"]}
    for one in file["signatures"]:
        verify(spki[one["signer"]], one["purpose"], bytes.fromhex(one["content"]), bytes.fromhex(one["signature"]))
    return {person["name"]: person for person in file["people"]}, bytes.fromhex(file["relay identity"]["bytes"])


def box(suite, key, transcript, sealed):
    return open_record(SUITES[suite][2], key, bytes(6), transcript, sealed)


def handshakes(people, relay):
    file, rsa = load("handshakes"), load("rsa-key-pair")
    for one in file["accepted"]:
        suite, (kem, name, _, _) = one["suite"], SUITES[one["suite"]]
        body = [cbor(bytes.fromhex(each)) for each in one["bodies"]]
        raw_body = [bytes.fromhex(each) for each in one["bodies"]]
        core, ct, keys, tr = cbor(body[1][0]), body[2][0], one["keys"], one["transcript"]
        ek = core[3]
        if one["plane"] == "hop":
            context = lp("hop")
        else:
            ends = [address(people[one[side]["person"]]["address"]) for side in ("initiator", "responder")]
            context = lp("conversation", *ends, relay, one["labels"]["initiator"], one["labels"]["responder"])
        same("context", context, tr["context"])
        tr0 = sha512(lp("SIMS 1 transcript", context))
        tr1 = absorb(tr0, raw_body[0])
        tr_r = absorb(tr1, body[1][0])
        tr2 = absorb(tr_r, raw_body[1])
        tr3 = absorb(tr2, ct)
        verify(cbor(core[4])[1], "phase 2", tr_r, body[1][1])
        raw = handshake_raw(kem, one["kem"], ct, ek, rsa)
        same("raw", raw, one["kem"]["raw"])
        hs, conversation, tr4 = schedule(suite, raw, ct, ek, tr3, body[2][1], raw_body[2], one)
        for label, value in (("tr0", tr0), ("tr1", tr1), ("trR", tr_r), ("tr2", tr2), ("tr3", tr3), ("tr4", tr4)):
            same(label, value, tr[label])
        key_r = expand(name, hs, lp("SIMS 1 box R", tr4), 32)
        same("key of box_R", key_r, keys["key of box_R"])
        opened = cbor(box(suite, key_r, tr4, body[3][0]))
        same("name in box_R", opened[2], one["responder"]["name"])
        CHECKED["handshake"] += 1


def handshake_raw(kem, vector, ct, ek, rsa):
    if kem == "X-Wing":
        return bytes.fromhex(vector["raw"])
    if kem == "RSA":
        key = load_der_private_key(bytes.fromhex(rsa["decapsulation key"]), None)
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        return key.decrypt(ct, oaep)
    return raw_secret(kem, bytes.fromhex(vector["decapsulation key"]), ct, ct, ek)


def schedule(suite, raw, ct, ek, tr3, sealed, body3, one):
    """From the KEM to the secrets of both directions, with box_I on the way."""
    _, name, _, _ = SUITES[suite]
    keys = one["keys"]
    secret = kem_secret(suite, raw, ct, ek)
    same("KEM secret", secret, one["kem"]["secret"])
    hs = hmac.new(tr3, secret, name).digest()
    same("hs", hs, keys["hs"])
    key_i = expand(name, hs, lp("SIMS 1 box I", tr3), 32)
    same("key of box_I", key_i, keys["key of box_I"])
    opened = cbor(box(suite, key_i, tr3, sealed))
    introduction = cbor(opened[0])
    tr_i = absorb(tr3, opened[0])
    verify(cbor(introduction[0])[1], "phase 3", tr_i, opened[1])
    tr4 = absorb(tr_i, body3)
    conversation = expand(name, hs, lp("SIMS 1 conversation id", tr4), 8)
    same("conversation id", conversation, keys["conversation id"])
    for direction, label in enumerate(("secret I", "secret R")):
        x = expand(name, hs, lp("SIMS 1 " + label, tr4), len(hs))
        same("x", x, keys[f"x of direction {direction}"])
    return hs, conversation, tr4


def prekeys(people, relay):
    file = load("prekeys")
    for one in file["accepted"]:
        kem = SUITES[one["suite"]][0]
        bundle, body = bytes.fromhex(one["bundle"]["bytes"]), bytes.fromhex(one["start"]["body"])
        core, said = cbor(cbor(bundle)[0]), cbor(body)
        verify(cbor(core[9])[1], "bundle", cbor(bundle)[0], cbor(bundle)[1])
        ends = [address(people[file[side]]["address"]) for side in ("initiator", "responder")]
        context = lp("prekey", *ends, relay, file["labels"]["initiator"], file["labels"]["responder"])
        tr0 = sha512(lp("SIMS 1 transcript", context))
        tr1 = absorb(tr0, bundle)
        tr2 = absorb(tr1, said[3])
        tr3 = absorb(tr2, said[0])
        ek, ct = core[7], said[0]
        private = bytes.fromhex(one["bundle"]["decapsulation key"])
        raw = bytes.fromhex(one["kem"]["raw"]) if kem == "X-Wing" else raw_secret(kem, private, ct, ct, ek)
        same("raw", raw, one["kem"]["raw"])
        _, _, tr4 = schedule(one["suite"], raw, ct, ek, tr3, said[1], body, one)
        for label, value in (("tr0", tr0), ("tr1", tr1), ("tr2", tr2), ("tr3", tr3), ("tr4", tr4)):
            same(label, value, one["transcript"][label])
        CHECKED["start from a bundle"] += 1


def epoch_keys(name, x, conversation, direction, epoch, bound):
    parts = (conversation, bytes([direction]), u32(epoch), bound)
    return {
        label: expand(name, x, lp("SIMS 1 " + info, *parts), 32)
        for label, info in (
            ("root", "root"),
            ("announcement key", "announcement key"),
            ("first chain key", "chain"),
        )
    }


def step_chain(chain, conversation, direction, epoch, n):
    keys = sha512(u32(1) + chain + b"SIMS 1 record" + conversation + bytes([direction]) + u32(epoch) + u64(n))
    return keys[:32], keys[32:]


def hops(relay):
    for one in load("hops")["hops"]:
        _, name, cipher, _ = SUITES[one["suite"]]
        start = one["start"]
        conversation, tr4 = bytes.fromhex(start["conversation id"]), bytes.fromhex(start["tr4"])
        client, print_ = address(start["client"]["address"]), bytes.fromhex(start["client"]["fingerprint"])
        participants = sha256(lp("SIMS 1 participants", client, print_, "", relay, relay, ""))
        half = []
        for direction in (0, 1):
            x = bytes.fromhex(start[f"x of direction {direction}"])
            keys = epoch_keys(name, x, conversation, direction, 0, tr4)
            ends = (client, relay) if direction == 0 else (relay, client)
            parts = ("hop", conversation, bytes([direction]), *ends, "", participants)
            binding = sha256(lp("SIMS 1 associated data", *parts))
            same("binding", binding, start["directions"][direction]["binding"])
            same("first chain key", keys["first chain key"], start["directions"][direction]["first chain key"])
            half.append([binding, keys["first chain key"], 0])
        for record in one["records"]:
            direction = record["direction"]
            binding, chain, n = half[direction]
            sa_data = bytes.fromhex(record["sa-data"])
            assert sa_data[:8] == conversation
            epoch, at = varint(sa_data, 8)
            number, at = varint(sa_data, at)
            assert (epoch, number) == (0, n)
            bound = binding + bytes([2]) + bytes(8) + sa_data
            chain, key = step_chain(chain, conversation, direction, 0, n)
            same("record key", key, record["record key"])
            opened = open_record(cipher, key, sa_data[at:], bound, bytes.fromhex(record["payload"]))
            same("message in a hop", opened, record["message"])
            half[direction] = [binding, chain, n + 1]


class Direction:
    """What a sender of a conversation has."""

    def __init__(self, suite, number, start):
        self.suite, self.number = suite, number
        self.kem, self.hash, self.cipher, self.iterations = SUITES[suite]
        self.conversation = bytes.fromhex(start["conversation id"])
        tr4 = bytes.fromhex(start["tr4"])
        x = bytes.fromhex(start[f"x of direction {number}"])
        self.epoch, self.n, self.m = 0, 0, 0
        self.keys = epoch_keys(self.hash, x, self.conversation, number, 0, tr4)
        self.chain = self.keys["first chain key"]
        self.history = sha256(lp("SIMS 1 history", tr4, bytes([number])))[:16]
        self.ratchet_key = None
        ends = [start["initiator"], start["responder"]]
        sender, receiver = ends if number == 0 else ends[::-1]
        ordered = sorted(ends, key=lambda end: address(end["address"]))
        parts = [part for end in ordered for part in (address(end["address"]), bytes.fromhex(end["fingerprint"]), end["label"])]
        participants = sha256(lp("SIMS 1 participants", *parts))
        same("participants' hash", participants, start["participants' hash"])
        self.binding = sha256(
            lp(
                "SIMS 1 associated data",
                "conversation",
                self.conversation,
                bytes([number]),
                address(sender["address"]),
                address(receiver["address"]),
                sender["label"],
                participants,
            )
        )
        expected = start["directions"][number]
        same("binding", self.binding, expected["binding"])
        same("H_0", self.history, expected["H_0"])
        for label, value in self.keys.items():
            same(label, value, expected[label])

    def rekey(self, vector, draws, peer):
        """`peer` is the newest ratchet key of the other side: number and ek."""
        announcement = bytes.fromhex(vector["announcement"])
        at = 0
        if self.kem != "RSA":
            number, at = varint(announcement, 0)
            same("number of ek", number, peer[0])
        count, at = varint(announcement, at)
        same("records of the epoch before", count, self.n)
        salt, ct = announcement[at : at + 16], announcement[at + 16 : -32]
        assert len(ct) == CT_LENGTH[self.kem]
        if self.iterations == 1000:
            assert salt.isdigit()
        secret = bytes.fromhex(vector["KEM secret"])
        if self.kem not in ("X-Wing", "RSA"):
            private = next(draw for draw in draws if is_private_of(self.kem, draw, ct))
            raw = raw_secret(self.kem, private, peer[1], ct, peer[1])
            same("KEM secret of a rekey", kem_secret(self.suite, raw, ct, peer[1]), secret.hex())
        authenticated = lp(
            "SIMS 1 announcement", self.conversation, bytes([self.number]), u32(self.epoch + 1), announcement[:-32]
        )
        mac = hmac.new(self.keys["announcement key"], authenticated, self.hash).digest()[:32]
        same("mac", mac, announcement[-32:].hex())
        bound = sha256(authenticated + mac)
        same("announcement's hash", bound, vector["announcement's hash"])
        length = hashlib.new(self.hash).digest_size
        x = hashlib.pbkdf2_hmac(self.hash, self.keys["root"] + secret, salt, self.iterations, length)
        self.epoch, self.n = self.epoch + 1, 0
        self.keys = epoch_keys(self.hash, x, self.conversation, self.number, self.epoch, bound)
        for label, value in self.keys.items():
            same(label, value, vector[label])
        self.chain = self.keys["first chain key"]
        return announcement

    def record(self, vector, announcement):
        sa_data, sealed = bytes.fromhex(vector["sa-data"]), bytes.fromhex(vector["sealed"])
        assert sa_data[:8] == self.conversation
        epoch, at = varint(sa_data, 8)
        n, at = varint(sa_data, at)
        assert (epoch, n) == (self.epoch, self.n), (epoch, n, self.epoch, self.n)
        nonce_length = 0 if self.cipher == "fernet" else 6
        nonce, carried = sa_data[at : at + nonce_length], sa_data[at + nonce_length :]
        assert carried in (b"", announcement)
        bound = self.binding + bytes([TYPES[vector["type"]]]) + bytes.fromhex(vector.get("id", "00" * 8)) + sa_data
        if "associated data" in vector:
            same("associated data", bound, vector["associated data"])
        same("chain key", self.chain, vector["chain key"])
        self.chain, key = step_chain(self.chain, self.conversation, self.number, epoch, n)
        self.n += 1
        same("record key", key, vector["record key"])
        opened = open_record(self.cipher, key, nonce, bound, sealed)
        same("plaintext", opened, vector["plaintext"])
        self.body(opened, vector, bound, sealed)

    def body(self, padded, vector, bound, sealed):
        check_bucket(padded)
        body, said = padded.rstrip(b"\0")[:-1], vector["body"]
        assert padded.rstrip(b"\0")[-1] == 0x80
        flags, at = body[0], 1
        if flags & 1:
            m, at = varint(body, at)
            same("m", m, self.m + 1)
            same("H_m-1", body[at : at + 16], self.history.hex())
            at += 16
        seen, at = varint(body, at)
        same("seen", {"m": seen, "hash": body[at : at + 16].hex()}, {key: said["seen"][key] for key in ("m", "hash")})
        at += 16
        if flags & 2:
            found, at = ranges(body, at)
            same("gaps", found, said["seen"]["gaps"])
        if flags & 4:
            number, at = varint(body, at)
            self.ratchet_key = (number, body[at : at + EK_LENGTH[self.kem]])
            same("number of a ratchet key", number, said["ratchet key"]["number"])
            at += EK_LENGTH[self.kem]
        if flags & 8:
            found, at = ranges(body, at)
            same("lost", found, said["lost"])
        same("content", body[at:], said["content"])
        if flags & 1:
            self.m = m
            data = b"SIMS 1 message" + self.history + u64(m) + u32(len(bound)) + bound + sealed
            self.history = sha256(data)[:16]
            same("H_m", self.history, vector["H_m"])


def check_bucket(padded):
    """Padme: the bucket of the body and its byte 80."""
    length = len(padded.rstrip(b"\0"))
    exponent = length.bit_length() - 1
    unit = 1 << max(0, exponent - exponent.bit_length())
    same("bucket", len(padded), max(32, -(-length // unit) * unit))


def ranges(body, at):
    count, at, found = body[at], at + 1, []
    for _ in range(count):
        first, at = varint(body, at)
        length, at = varint(body, at)
        found.append({"first": first, "length": length})
    return found, at


def is_private_of(kem, draw, ct):
    if kem == "X25519":
        if len(draw) != 32:
            return False
        ours = X25519PrivateKey.from_private_bytes(draw).exchange(X25519PublicKey.from_public_bytes(b"\x09" + bytes(31)))
        return ours == ct
    if len(draw) != 48:
        return False
    numbers = p384_scalar(draw).public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(48, "big") + numbers.y.to_bytes(48, "big") == ct


def scenarios(name):
    for one in load(name)["scenarios"]:
        directions = [Direction(one["suite"], number, one["start"]) for number in (0, 1)]
        announcements = [b"", b""]
        for step in one["steps"]:
            if step.get("on a copy"):
                continue
            number = 0 if step["by"] == "initiator" else 1
            own, peer = directions[number], directions[1 - number]
            draws = [bytes.fromhex(draw) for draw in step.get("random", [])]
            if "rekey" in step and isinstance(step["rekey"], dict):
                announcements[number] = own.rekey(step["rekey"], draws, peer.ratchet_key)
            for record in step.get("records", []):
                own.record(record, announcements[number])
        sides = (("initiator", 0), ("responder", 1))
        for side, number in sides:
            end = one["end"][side]
            same("last m and hash", [directions[number].m, directions[number].history.hex()], [end["sent"]["m"], end["sent"]["hash"]])
            tips = [end["sent"], end["received"]] if number == 0 else [end["received"], end["sent"]]
            parts = [part for tip in tips for part in (u64(tip["m"]), bytes.fromhex(tip["hash"]))]
            digest = sha256(lp("SIMS 1 digest", directions[0].conversation, *parts))
            same("digest", digest, end["digest"])
            same("digits", digits(sha512(digest)), end["digits"])
        CHECKED["conversation"] += 1


def delegations():
    for one in load("delegations")["accepted"]:
        leaf, delegation = bytes.fromhex(one["leaf"]), bytes.fromhex(one["delegation"])
        key = load_der_x509_certificate(leaf).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        verify(spki, "delegation", delegation, bytes.fromhex(one["signature"]))
        same("leaf hash", sha256(leaf), cbor(delegation)[3].hex())


PEOPLE, RELAY = identities()
delegations()
handshakes(PEOPLE, RELAY)
prekeys(PEOPLE, RELAY)
hops(RELAY)
for file_name in ("conversations", "rekeys", "histories"):
    scenarios(file_name)
print(json.dumps(CHECKED))
