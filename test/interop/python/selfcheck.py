"""Shows that this implementation verifies: every changed byte of a handshake or record must be refused by itself.

Prints one line of JSON for each suite: how many changes were made, and those that were not noticed.
"""

import json
import os

import keys
from basics import Refused, from_base64url, lp, require, varint
from conversation import Conversation
from handshake import Initiator, Responder, conversation_context
from hop import ACK, DATA, DST, ID, SA_DATA, SRC, TYPE
from suites import SUITES


class Party:
    def __init__(self):
        self.signer = keys.SigningKey()
        self.credential = keys.own_credential(keys.KEY, self.signer.spki)
        self.address = self.credential.id + os.urandom(8)
        self.end = (self.address, self.credential.fingerprint, "label")
        self.events, self.wire = [], []

    def check(self, other):
        def check(credential):
            require(credential.id == other.address[:20], "a credential is not that of the address")

        return check

    def tell(self, event, **fields):
        self.events.append({"event": event} | fields)


def handshake(suite, alice, bob, change=lambda phase, body: body):
    """Both results; `change` sees each body on its way."""
    context = conversation_context(alice.address, bob.address, bytes(32), "label", "label")
    one = Initiator([suite], alice.signer, alice.credential, "A", {}, alice.check(bob))
    body1 = change(1, one.body1)
    other = Responder([suite], bob.signer, bob.credential, "B", bob.check(alice), context, body1)
    body3 = change(3, one.take2(change(2, other.body2), context))
    body4, responded = other.take3(body3, {})
    return one.take4(change(4, body4)), responded


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def check_handshake(suite, count):
    """Changes bytes of every phase; one that both sides go on from would be a hole."""
    missed = []
    for phase in (1, 2, 3, 4):
        for step in range(count):

            def change(at_phase, body, phase=phase, step=step):
                return flipped(body, step * (len(body) - 1) // (count - 1)) if at_phase == phase else body

            try:
                handshake(suite, Party(), Party(), change)
                missed.append([phase, step])
            except Refused:
                pass
    return 4 * count, missed


def check_impostors(suite):
    """Who shows another's credential without the key, or its own in another's place, is refused by either side."""
    missed = []
    for side in (0, 1):
        for lie in ("signature", "credential"):
            pair = [Party(), Party()]
            if lie == "signature":
                pair[side].signer = keys.SigningKey()
            else:
                address, pair[side] = pair[side].address, Party()
                pair[side].address = address
            try:
                handshake(suite, *pair)
                missed.append([side, lie])
            except Refused:
                pass
    return 4, missed


def conversations(suite):
    alice, bob = Party(), Party()
    one, other = handshake(suite, alice, bob)
    pair = (
        Conversation(one, 0, alice.end, bob.end, alice.wire.append, alice.tell),
        Conversation(other, 1, bob.end, alice.end, bob.wire.append, bob.tell),
    )
    return alice, bob, *pair


def arriving(message, source):
    return {key: value for key, value in message.items() if key != DST} | {SRC: source.address}


def check_records(suite, count):
    """Changes bytes of a record, its type and its id: nothing of it may be shown, and the true record still opens."""
    alice, bob, one, other = conversations(suite)
    one.send_text("hello")
    record = arriving(alice.wire[0], alice)
    changes = []
    for field in (SA_DATA, DATA, ID):
        size = len(record[field])
        for at in {step * (size - 1) // (count - 1) for step in range(count)}:
            changes.append(record | {field: flipped(record[field], at)})
    changes.append(record | {TYPE: ACK})
    for change in changes:
        other.receive(change)
    shown = [event for event in bob.events if event["event"] == "message"]
    other.receive(record)
    true = [event["text"] for event in bob.events if event["event"] == "message"]
    other.receive(record)
    repeated = [event["text"] for event in bob.events if event["event"] == "message"]
    return len(changes), shown + [each for each in (true, repeated) if each != ["hello"]]


def check_history(suite):
    """A fork and rollbacks are noticed, each in a conversation of its own."""
    missed = []
    for status, seen in (("fork", None), ("rollback", 3), ("rollback", 0)):
        alice, bob, one, other = conversations(suite)
        one.send_text("hello")
        if status == "fork":
            one.sent.hashes[-1] = bytes(16)
        else:
            one.got.m, one.got.hashes[seen] = seen, bytes(16)  # more than was sent, or another hash
        one.send_text("again")
        for message in alice.wire:
            other.receive(arriving(message, alice))
        if [event.get("status") for event in bob.events if event["event"] == "history"] != [status]:
            missed.append([status, seen])
    return 3, missed


def check_clone(suite):
    """Two authentic announcements of one epoch, by a copied sender."""
    alice, bob, one, other = conversations(suite)
    one.out.settled = True
    if suite.has_ratchet:
        one.peer_ratchet = other.out.ratchet
    original = one.out
    for text in ("this", "that"):
        one.out = original
        one.rekey()
        one.send_text(text)
    other.receive(arriving(alice.wire[0], alice))
    other.receive(arriving(alice.wire[1], alice))
    found = [event.get("status") for event in bob.events if event["event"] == "history"]
    return 1, [] if found == ["clone"] else [found]


def main():
    require(varint(63) == b"\x3f" and varint(64) == b"\x40\x40", "varints are wrong")
    require(lp("a", b"") == b"\0\0\0\x01a\0\0\0\0" and from_base64url("AQ") == b"\x01", "helpers are wrong")
    for suite in SUITES.values():
        if not suite.has_ratchet:
            pair = suite.kem.generate()
            suite.kem.generate = lambda pair=pair: pair  # one RSA pair for all: making one takes a second
        checks = [check_records(suite, 20), check_clone(suite), check_history(suite), check_impostors(suite)]
        checks.append(check_handshake(suite, 25))
        changes, missed = sum(count for count, _ in checks), [each for _, some in checks for each in some]
        print(json.dumps({"event": "checked", "suite": suite.name, "changes": changes, "missed": missed}), flush=True)


if __name__ == "__main__":
    main()
