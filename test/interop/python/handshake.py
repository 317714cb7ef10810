"""Section 4: both sides of a handshake, without I/O. Bodies come in and go out as bytes."""

import os
from dataclasses import dataclass

import cbor
import keys
from basics import Refused, hkdf_expand, hkdf_extract, lp, require, sha512
from suites import SUITES

VERSION = 1
MAX_BODY = 65_536
MAX_BODY_ITEMS = 8_192

HOP_CONTEXT = lp("hop")


def conversation_context(initiator, responder, relay, label_i, label_r):
    return lp("conversation", initiator, responder, relay, label_i, label_r)


@dataclass
class Result:
    """What both sides hold after a handshake."""

    suite: object
    conversation_id: bytes
    tr4: bytes
    secrets: tuple  # x of direction 0, x of direction 1
    peer: keys.Credential
    peer_name: str
    parameters: dict


def _start(context):
    return sha512(lp("SIMS 1 transcript", context))


def _absorb(transcript, data):
    return sha512(lp("SIMS 1 absorb", transcript, data))


class _Schedule:
    def __init__(self, suite, tr3, secret):
        self.suite, self.tr3 = suite, tr3
        self.hs = hkdf_extract(suite.hash, tr3, secret)

    def expand(self, label, transcript, length):
        return hkdf_expand(self.suite.hash, self.hs, lp("SIMS 1 " + label, transcript), length)

    def seal(self, label, transcript, data):
        return self.suite.cipher.seal(self.expand(label, transcript, 32), bytes(6), data, transcript)

    def open(self, label, transcript, box):
        return self.suite.cipher.open(self.expand(label, transcript, 32), bytes(6), box, transcript)

    def result(self, tr4, peer, peer_name, parameters):
        size = self.suite.hash_size
        return Result(
            suite=self.suite,
            conversation_id=self.expand("conversation id", tr4, 8),
            tr4=tr4,
            secrets=(self.expand("secret I", tr4, size), self.expand("secret R", tr4, size)),
            peer=peer,
            peer_name=peer_name,
            parameters=parameters,
        )


def _body(data):
    require(len(data) <= MAX_BODY, "a body is too large")
    return cbor.decode_map(data, MAX_BODY_ITEMS)


def _name(fields):
    name = cbor.field(fields, 2, str, "the name")
    require(len(name.encode()) <= 128, "a name is too long")
    return name


class Initiator:
    """Gives phase 1 at once; take2 gives phase 3; take4 gives the result."""

    def __init__(self, suites, signer, credential, name, parameters, check, server_name=None):
        self.suites, self.signer, self.credential = suites, signer, credential
        self.name, self.parameters, self.check = name, parameters, check
        self.nonce = os.urandom(32)
        self.id = self.nonce[:8]
        fields = {0: [VERSION], 1: self.nonce, 4: [suite.number for suite in suites]}
        if server_name is not None:
            fields[5] = server_name
        self.body1 = cbor.encode(fields)
        self.body3 = self.body4 = None

    def take2(self, body2, context, parameters=None):
        fields = _body(body2)
        core_bytes = cbor.field(fields, 0, bytes, "the core")
        signature = cbor.field(fields, 1, bytes, "sig_R")
        core = cbor.decode_map(core_bytes, MAX_BODY_ITEMS)
        require(cbor.field(core, 0, int, "the version") == VERSION, "R chose another version")
        cbor.field(core, 1, bytes, "nonce_R", 32)
        number = cbor.field(core, 2, int, "the suite")
        suite = SUITES.get(number)
        require(suite in self.suites, "R chose a suite that was not offered")
        ek = cbor.field(core, 3, bytes, "ek")
        peer = keys.Credential(cbor.field(core, 4, bytes, "credential_R"))
        self.check(peer)

        tr1 = _absorb(_start(context), self.body1)
        tr_r = _absorb(tr1, core_bytes)
        keys.verify(peer.spki, "phase 2", tr_r, signature)
        tr2 = _absorb(tr_r, body2)
        ct, secret = suite.encapsulate(ek)
        tr3 = _absorb(tr2, ct)
        introduction = cbor.encode({0: self.credential.data, 2: self.name, 3: parameters or self.parameters})
        tr_i = _absorb(tr3, introduction)
        sig_i = self.signer.sign("phase 3", tr_i)
        self.schedule = _Schedule(suite, tr3, secret)
        box = self.schedule.seal("box I", tr3, cbor.encode({0: introduction, 1: sig_i}))
        self.body3 = cbor.encode({0: ct, 1: box})
        self.tr4 = _absorb(tr_i, self.body3)
        self.peer = peer
        return self.body3

    def take4(self, body4):
        box = cbor.field(_body(body4), 0, bytes, "box_R")
        fields = cbor.decode_map(self.schedule.open("box R", self.tr4, box), MAX_BODY_ITEMS)
        parameters = cbor.field(fields, 3, dict, "the parameters")
        return self.schedule.result(self.tr4, self.peer, _name(fields), parameters)


class Responder:
    """Made from phase 1, gives phase 2; take3 gives phase 4 and the result."""

    def __init__(self, suites, signer, credential, name, check, context, body1):
        fields = _body(body1)
        versions = cbor.field(fields, 0, list, "the versions")
        require(VERSION in versions, "I speaks no version 1")
        nonce = cbor.field(fields, 1, bytes, "nonce_I", 32)
        self.id = nonce[:8]
        offer = cbor.field(fields, 4, list, "the suites")
        require(all(type(each) is int for each in offer), "a suite is no number")
        require(len(offer) <= 32 and len(set(offer)) == len(offer), "suites are too many or repeated")
        self.suite = next((suite for suite in suites if suite.number in offer), None)
        if self.suite is None:
            raise Refused("there is no common suite")
        self.signer, self.name, self.check = signer, name, check
        self.body1 = body1

        self.private, self.ek = self.suite.kem.generate()
        core = {0: VERSION, 1: os.urandom(32), 2: self.suite.number, 3: self.ek, 4: credential.data}
        core_bytes = cbor.encode(core)
        tr_r = _absorb(_absorb(_start(context), body1), core_bytes)
        self.body2 = cbor.encode({0: core_bytes, 1: signer.sign("phase 2", tr_r)})
        self.tr2 = _absorb(tr_r, self.body2)
        self.body3 = self.body4 = None

    def take3(self, body3, own_parameters):
        fields = _body(body3)
        ct = cbor.field(fields, 0, bytes, "ct")
        box = cbor.field(fields, 1, bytes, "box_I")
        tr3 = _absorb(self.tr2, ct)
        schedule = _Schedule(self.suite, tr3, self.suite.decapsulate(self.private, self.ek, ct))
        opened = cbor.decode_map(schedule.open("box I", tr3, box), MAX_BODY_ITEMS)
        introduction = cbor.field(opened, 0, bytes, "the introduction")
        signature = cbor.field(opened, 1, bytes, "sig_I")
        fields = cbor.decode_map(introduction, MAX_BODY_ITEMS)
        peer = keys.Credential(cbor.field(fields, 0, bytes, "credential_I"))
        self.check(peer)
        tr_i = _absorb(tr3, introduction)
        keys.verify(peer.spki, "phase 3", tr_i, signature)
        parameters = cbor.field(fields, 3, dict, "the parameters")
        name = _name(fields)
        tr4 = _absorb(tr_i, body3)
        self.private = None
        self.body3 = body3
        self.body4 = cbor.encode({0: schedule.seal("box R", tr4, cbor.encode({2: self.name, 3: own_parameters}))})
        return self.body4, schedule.result(tr4, peer, name, parameters)
