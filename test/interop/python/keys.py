"""Section 1.2: signature keys, credentials, fingerprints, addresses, the safety number."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

import cbor
from basics import Refused, from_base64url, lp, require, sha256, sha512, to_base64url

NONE, KEY, CERTIFICATE, RELAY = 0, 1, 2, 3
KIND_NAMES = ("none", "key", "certificate", "relay")

ED25519_P = 2**255 - 19
ED25519_L = 2**252 + 27742317777372353535851937790883648493
# y of the points whose order divides 8 (a sign bit apart): refused as public keys.
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
ED25519_LOW_ORDER_Y = {0, 1, ED25519_P - 1, _Y8, ED25519_P - _Y8}


def to_be_signed(purpose, content):
    return b"SIMS 1 " + purpose.encode() + b"\0" + content


class SigningKey:
    """An Ed25519 key pair."""

    def __init__(self):
        self._key = ed25519.Ed25519PrivateKey.generate()
        self.spki = spki_of(self._key.public_key())

    def sign(self, purpose, content):
        return self._key.sign(to_be_signed(purpose, content))


def spki_of(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_spki(spki):
    try:
        key = load_der_public_key(spki)
    except Exception:
        raise Refused("a public key cannot be read") from None
    require(spki_of(key) == spki, "a public key is not canonical DER")
    return key


def verify(spki, purpose, content, signature):
    """Refuses a signature that is not that of the key; the key decides the algorithm."""
    key, data = load_spki(spki), to_be_signed(purpose, content)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            _check_ed25519(spki[-32:], signature)
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            _verify_ecdsa(key, data, signature)
        elif isinstance(key, rsa.RSAPublicKey):
            require(2048 <= key.key_size <= 8192, "an RSA key has not 2,048 to 8,192 bits")
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            key.verify(signature, data, pss, hashes.SHA256())
        else:
            raise Refused("a signature key is of no known kind")
    except InvalidSignature:
        raise Refused(f"the signature of {purpose} is wrong") from None


def _check_ed25519(public, signature):
    require(len(signature) == 64, "an Ed25519 signature has not 64 bytes")
    for point in (public, signature[:32]):
        y = int.from_bytes(point, "little") & (2**255 - 1)
        require(y < ED25519_P, "an Ed25519 point is not canonical")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    require(y not in ED25519_LOW_ORDER_Y, "an Ed25519 key is of low order")
    require(int.from_bytes(signature[32:], "little") < ED25519_L, "S of an Ed25519 signature is too large")


def _verify_ecdsa(key, data, signature):
    algorithms = {"secp256r1": (32, hashes.SHA256()), "secp384r1": (48, hashes.SHA384())}
    require(key.curve.name in algorithms, "an ECDSA key is of another curve")
    size, digest = algorithms[key.curve.name]
    require(len(signature) == 2 * size, "an ECDSA signature is not r and s of fixed length")
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(digest))


class Credential:
    """A credential that was decoded and checked for its form."""

    def __init__(self, data):
        fields = cbor.decode_map(data)
        self.data = data
        self.kind = cbor.field(fields, 0, int, "the kind of a credential")
        require(self.kind in (NONE, KEY, RELAY), "a credential is of a kind that this peer does not take")
        self.spki = cbor.field(fields, 1, bytes, "the key of a credential")
        load_spki(self.spki)
        if self.kind == RELAY:
            cbor.field(fields, 2, list, "the chain of a relay")
        self.fingerprint = sha256(lp("SIMS id", bytes([self.kind]), self.spki))
        self.id = self.fingerprint[:20]


def own_credential(kind, spki):
    return Credential(cbor.encode({0: kind, 1: spki}))


def relay_identity(spki):
    return sha256(spki)


def address_text(address):
    return f"{to_base64url(address[:20])}.{to_base64url(address[20:])}"


def address_bytes(text):
    parts = text.split(".")
    require([len(part) for part in parts] == [27, 11], "this is no address")
    return b"".join(map(from_base64url, parts))


def digit_groups(digest):
    return " ".join(f"{int.from_bytes(digest[5 * i : 5 * i + 5], 'big') % 100_000:05}" for i in range(12))


def safety_number(one, other):
    return digit_groups(sha512(lp("SIMS 1 safety number", *sorted((one, other)))))
