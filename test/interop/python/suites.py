"""Section 3: KEMs and record ciphers of the suites 3 to 6 (python3-cryptography has no ML-KEM for 1 and 2)."""

import base64
import os
import time

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from basics import Refused, lp, require, sha256, sha512, u32
from keys import load_spki, spki_of


class X25519:
    ek_size = ct_size = 32

    def generate(self):
        key = x25519.X25519PrivateKey.generate()
        return key, self._public(key)

    def encapsulate(self, ek):
        key, ct = self.generate()
        return ct, self._exchange(key, ek)

    def decapsulate(self, key, ek, ct):
        return self._exchange(key, ct)

    def _public(self, key):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def _exchange(self, key, public):
        require(len(public) == 32, "an X25519 key has not 32 bytes")
        try:
            return key.exchange(x25519.X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise Refused("an X25519 exchange gives zero") from None


class P384:
    ek_size = ct_size = 97

    def __init__(self, one_step):
        self.one_step = one_step

    def generate(self):
        key = ec.generate_private_key(ec.SECP384R1())
        return key, key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def encapsulate(self, ek):
        key, ct = self.generate()
        return ct, self._raw(self._exchange(key, ek), ct, ek)

    def decapsulate(self, key, ek, ct):
        return self._raw(self._exchange(key, ct), ct, ek)

    def _exchange(self, key, public):
        require(len(public) == 97 and public[0] == 4, "a P-384 point is not uncompressed")
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
        except ValueError:
            raise Refused("a P-384 point is not on the curve") from None
        return key.exchange(ec.ECDH(), point)

    def _raw(self, x, ct, ek):
        return sha256(u32(1) + x + ct + ek) if self.one_step else x


class RsaOaep:
    ek_size, ct_size = None, 512
    _oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def generate(self):
        key = rsa.generate_private_key(65_537, 4096)
        return key, spki_of(key.public_key())

    def encapsulate(self, ek):
        key = load_spki(ek)
        good = isinstance(key, rsa.RSAPublicKey) and key.key_size == 4096 and key.public_numbers().e == 65_537
        require(good, "a KEM key is not RSA of 4,096 bits with the exponent 65,537")
        raw = os.urandom(32)
        return key.encrypt(raw, self._oaep), raw

    def decapsulate(self, key, ek, ct):
        require(len(ct) == 512, "an RSA ciphertext has not 512 bytes")
        try:
            raw = key.decrypt(ct, self._oaep)
        except ValueError:
            return os.urandom(32)
        return raw if len(raw) == 32 else os.urandom(32)


class Aead:
    """A record's nonce is 6 random bytes, which travel, and 6 zeros."""

    nonce_size = 6

    def __init__(self, algorithm):
        self.algorithm = algorithm

    def seal(self, key, nonce, data, associated):
        return self.algorithm(key).encrypt(nonce + bytes(6), data, associated)

    def open(self, key, nonce, sealed, associated):
        try:
            return self.algorithm(key).decrypt(nonce + bytes(6), sealed, associated)
        except (InvalidTag, ValueError):
            raise Refused("a record or box does not open") from None


class FernetCipher:
    nonce_size = 0

    def seal(self, key, nonce, data, associated):
        token = self._fernet(key).encrypt_at_time(sha256(associated) + data, int(time.time()))
        return base64.urlsafe_b64decode(token)

    def open(self, key, nonce, sealed, associated):
        try:
            opened = self._fernet(key).decrypt(base64.urlsafe_b64encode(sealed))
        except InvalidToken:
            raise Refused("a record or box does not open") from None
        require(opened[:32] == sha256(associated), "a record or box does not open")
        return opened[32:]

    def _fernet(self, key):
        return Fernet(base64.urlsafe_b64encode(key))


class Suite:
    def __init__(self, number, name, kem, hash_name, cipher):
        self.number, self.name, self.kem, self.hash, self.cipher = number, name, kem, hash_name, cipher
        self.hash_size = {"sha256": 32, "sha384": 48}[hash_name]
        self.reference = number >= 5
        self.has_ratchet = number != 6

    def _secret(self, raw, ct, ek):
        return sha512(lp("SIMS KEM", self.name, raw, ct, ek))[:32]

    def encapsulate(self, ek):
        ct, raw = self.kem.encapsulate(ek)
        return ct, self._secret(raw, ct, ek)

    def decapsulate(self, key, ek, ct):
        return self._secret(self.kem.decapsulate(key, ek, ct), ct, ek)


SUITES = {
    suite.number: suite
    for suite in (
        Suite(3, "X25519_WITH_CHACHA20_POLY1305_SHA256", X25519(), "sha256", Aead(ChaCha20Poly1305)),
        Suite(4, "ECDHE_WITH_AES_256_GCM_SHA384", P384(False), "sha384", Aead(AESGCM)),
        Suite(5, "ECDHE_WITH_AES_128_CBC_SHA256", P384(True), "sha256", FernetCipher()),
        Suite(6, "RSA_WITH_AES_128_CBC_SHA256", RsaOaep(), "sha256", FernetCipher()),
    )
}
BY_NAME = {suite.name: suite for suite in SUITES.values()}
