"""Sections 5 to 7: one conversation after its handshake. No I/O: `send` takes messages, `tell` takes events."""

import hmac
import os
import time
from hashlib import pbkdf2_hmac

from basics import Reader, Refused, lp, require, sha256, u32, varint
from body import Body, decode_body, encode_body
from history import Broken, Received, Sent
from hop import ACK, CLIENT_COM, CLIENT_DISCONNECT, DATA, DST, ID, SA_DATA, TYPE
from hop import associated_binding, chain_step, direction_keys, participants_hash
from keys import safety_number

MAX_AHEAD = 1_000
MAX_SKIPPED = 2_000
MAX_WAITING = 64
MAX_OUTBOX = 256
ACK_DELAY_S = 0.02
OLD_EPOCH_S = 600
REPEAT_FIRST_S, REPEAT_LAST_S = 2, 60

TEXT, APPLICATION = 0, 1
REASONS = {0: "closed", 1: "replaced", 2: "client-ended", 3: "error"}


class SendEpoch:
    def __init__(self, number, root, announcement_key, chain):
        self.number, self.root, self.announcement_key, self.chain = number, root, announcement_key, chain
        self.n = 0
        self.announcement = b""
        self.ratchet = None  # number, ek
        self.carriers = set()  # messages (m) that carried announcement and ratchet key
        self.has_message = False
        self.settled = False


class ReceiveEpoch:
    def __init__(self, number, root, announcement_key, chain):
        self.number, self.root, self.announcement_key, self.chain = number, root, announcement_key, chain
        self.n = 0  # the next number of the chain
        self.skipped = {}
        self.final = None  # how many records it has, once the next epoch told
        self.closed_at = None


class Conversation:
    def __init__(self, result, role, me, peer, send, tell, rekey_every=0):
        """`me` and `peer` are (address, fingerprint, label); role 0 is the initiator's."""
        self.suite, self.id, self.tr4 = result.suite, result.conversation_id, result.tr4
        self.role, self.me, self.peer, self.send_out, self.tell = role, me, peer, send, tell
        self.rekey_every = rekey_every
        self.name = "".join(c for c in result.peer_name if c.isprintable())
        self.safety_number = safety_number(me[1], peer[1])
        both = participants_hash(*sorted((me, peer)))
        binding = lambda direction, one, other: associated_binding(  # noqa: E731
            "conversation", self.id, direction, one[0], other[0], one[2], both
        )
        self.bindings = {role: binding(role, me, peer), 1 - role: binding(1 - role, peer, me)}
        self.sent, self.got = Sent(self.tr4, role), Received(self.tr4, 1 - role)
        self.out = SendEpoch(0, *self._keys(role, 0, result.secrets[role], self.tr4))
        self.in_epochs = {0: ReceiveEpoch(0, *self._keys(1 - role, 0, result.secrets[1 - role], self.tr4))}
        self.newest_in = 0
        self.announced = {}  # epoch of the peer: its announcement, as it was opened
        self.candidate = None  # announcement, epoch object: derived, but no record opened yet
        self.waiting = []  # records of the next epoch without an announcement
        self.ratchet_keys = {}  # number: private key and ek
        self.ratchet_carriers = {}  # number: messages that carried the key
        self.peer_ratchet = None  # number, ek
        self.outbox = {}  # m: message, when to repeat, pause, epoch, note
        self.held = {}  # received messages that wait for earlier ones
        self.shown = 0
        self.ack_at = self.last_ack_at = None
        self.ack_carries = False
        self.wants_rekey = False
        self.state = "open"
        if self.suite.has_ratchet:
            self._new_ratchet(0)

    # What the owner asks for.

    def send_text(self, text, note=None):
        self._message(CLIENT_COM, bytes([TEXT]) + text.encode(), note)

    def rekey(self):
        """The next record begins an epoch, as soon as the rules of section 5.4 allow."""
        self.wants_rekey = True

    def close(self, reason=0):
        if self.state == "open":
            self._message(CLIENT_DISCONNECT, bytes([reason]), "goodbye")
            self.state = "closing"

    def ref_of(self, message_id):
        """The owner's note on a message that is not acknowledged."""
        return next((each["note"] for each in self.outbox.values() if each["message"][ID] == message_id), None)

    # What time and the relay bring.

    def next_time(self):
        times = [entry["at"] for entry in self.outbox.values()]
        return min(times + ([self.ack_at] if self.ack_at else []), default=None)

    def tick(self, now):
        if self.state == "broken":
            return
        if self.ack_at and self.ack_at <= now:
            self._acknowledge()
        for entry in list(self.outbox.values()):
            if entry["at"] <= now:
                entry["pause"] = min(entry["pause"] * 2, REPEAT_LAST_S)
                entry["at"] = now + entry["pause"]
                self.send_out(entry["message"])
        for epoch in list(self.in_epochs.values()):
            if epoch.closed_at and epoch.closed_at + OLD_EPOCH_S <= now:
                del self.in_epochs[epoch.number]

    def receive(self, message):
        """A record of the peer. What does not open changes nothing."""
        if self.state == "broken":
            return
        try:
            self._receive(message)
        except Broken as broken:
            self.state = "broken"
            self.tell("history", status=broken.status, message=str(broken))
        except Refused as refused:
            self.tell("dropped", message=str(refused))

    # Sealing.

    def _keys(self, direction, epoch, x, bound):
        return direction_keys(self.suite, x, self.id, direction, epoch, bound)

    def _message(self, kind, content, note):
        if self.state != "open":
            raise Refused(f"the conversation is {self.state}")
        require(len(self.outbox) < MAX_OUTBOX, "too many messages wait for their acknowledgement")
        if self.rekey_every and self.out.n >= self.rekey_every:
            self.wants_rekey = True
        self._begin_epoch_if_allowed()
        m = self.sent.m + 1
        carries = self._carries(True)
        message_id = os.urandom(8)
        body = self._body(carries)
        body.message, body.content = (m, self.sent.hashes[-1]), content
        sa_data, associated, sealed = self._seal(kind, message_id, body, carries)
        self.sent.add(associated, sealed)
        self.out.has_message = True
        if carries:
            self.out.carriers.add(m)
            self.ratchet_carriers.setdefault(self.out.number, set()).add(m)
        message = {TYPE: kind, ID: message_id, DST: self.peer[0], SA_DATA: sa_data, DATA: sealed}
        now = time.monotonic()
        entry = {"at": now + REPEAT_FIRST_S, "pause": REPEAT_FIRST_S, "epoch": self.out.number, "note": note}
        self.outbox[m] = entry | {"message": message}
        self.ack_at = None
        self.send_out(message)

    def _acknowledge(self):
        carries, self.ack_carries = self._carries(False) or (self.ack_carries and not self.out.settled), False
        sa_data, _, sealed = self._seal(ACK, bytes(8), self._body(carries), carries)
        self.ack_at, self.last_ack_at = None, time.monotonic()
        self.send_out({TYPE: ACK, DST: self.peer[0], SA_DATA: sa_data, DATA: sealed})

    def _carries(self, is_message):
        first = is_message and not self.out.has_message
        return not self.out.settled and (self.out.n % 8 == 0 or first)

    def _body(self, carries):
        highest = self.got.m
        ratchet = self.out.ratchet if carries else None
        return Body((highest, self.got.hashes[highest]), gaps=tuple(self.got.gaps()), ratchet=ratchet)

    def _seal(self, kind, message_id, body, carries):
        epoch, n = self.out, self.out.n
        epoch.chain, key = chain_step(epoch.chain, self.id, self.role, epoch.number, n)
        epoch.n += 1
        nonce = os.urandom(self.suite.cipher.nonce_size)
        sa_data = self.id + varint(epoch.number) + varint(n) + nonce + (epoch.announcement if carries else b"")
        associated = self.bindings[self.role] + bytes([kind]) + message_id + sa_data
        return sa_data, associated, self.suite.cipher.seal(key, nonce, encode_body(body), associated)

    # Rekey.

    def _new_ratchet(self, number):
        private, ek = self.suite.kem.generate()
        self.ratchet_keys[number] = private, ek
        self.out.ratchet = number, ek

    def _begin_epoch_if_allowed(self):
        if not self.wants_rekey or (self.suite.has_ratchet and self.peer_ratchet is None):
            return
        # Epoch 0 of suite 6 has nothing to tell, but its first message is waited for as in the others.
        older = any(entry["epoch"] < self.out.number for entry in self.outbox.values())
        if not self.out.settled or older:
            return
        old, number = self.out, self.out.number + 1
        ct, secret, key_number = b"", b"", b""
        if self.suite.has_ratchet:
            key_number = varint(self.peer_ratchet[0])
            ct, secret = self.suite.encapsulate(self.peer_ratchet[1])
        salt = "".join(str(digit % 10) for digit in os.urandom(16)).encode() if self.suite.reference else os.urandom(16)
        head = key_number + varint(old.n) + salt + ct
        authenticated = self._authenticated(self.role, number, head)
        mac = self._mac(old.announcement_key, authenticated)
        x = self._rekey_secret(old.root, secret, salt)
        self.out = SendEpoch(number, *self._keys(self.role, number, x, sha256(authenticated + mac)))
        self.out.announcement = head + mac
        self.wants_rekey = False
        if self.suite.has_ratchet:
            self._new_ratchet(number)
        self.tell("epoch", direction="out", epoch=number)

    def _authenticated(self, direction, epoch, head):
        return lp("SIMS 1 announcement", self.id, bytes([direction]), u32(epoch), head)

    def _mac(self, key, authenticated):
        return hmac.digest(key, authenticated, self.suite.hash)[:32]

    def _rekey_secret(self, root, secret, salt):
        iterations = 1_000 if self.suite.reference else 1
        return pbkdf2_hmac(self.suite.hash, root + secret, salt, iterations, self.suite.hash_size)

    def _open_announcement(self, number, announcement):
        """The epoch that an announcement of the peer begins; once for each announcement."""
        if self.candidate and self.candidate[0] == announcement:
            return self.candidate
        previous = self.in_epochs[self.newest_in]
        head, mac = announcement[:-32], announcement[-32:]
        authenticated = self._authenticated(1 - self.role, number, head)
        good = self._mac(previous.announcement_key, authenticated)
        require(hmac.compare_digest(mac, good), "an announcement is not authentic")
        if self.candidate:
            raise Broken("clone")
        reader = Reader(head)
        key_number = reader.varint() if self.suite.has_ratchet else None
        count = reader.varint()
        salt = reader.take(16)
        if self.suite.reference:
            require(salt.isdigit(), "a salt is not 16 digits")
        ct, secret = reader.rest(), b""
        require(count >= previous.n, "an announcement counts fewer records than came")
        if self.suite.has_ratchet:
            require(key_number in self.ratchet_keys, "an announcement is made with an unknown key")
            require(len(ct) == self.suite.kem.ct_size, "an announcement has a ct of another length")
            secret = self.suite.decapsulate(*self.ratchet_keys[key_number], ct)
        else:
            require(ct == b"", "an announcement has a ct in a suite without")
        x = self._rekey_secret(previous.root, secret, salt)
        bound = sha256(authenticated + mac)
        epoch = ReceiveEpoch(number, *self._keys(1 - self.role, number, x, bound))
        self.candidate = announcement, epoch, key_number, count
        return self.candidate

    def _check_repeated_announcement(self, number, announcement):
        """Another authentic announcement of an epoch that is open is a clone."""
        if announcement == self.announced[number] or number - 1 not in self.in_epochs:
            return
        authenticated = self._authenticated(1 - self.role, number, announcement[:-32])
        if self._mac(self.in_epochs[number - 1].announcement_key, authenticated) == announcement[-32:]:
            raise Broken("clone")

    def _commit_epoch(self, announcement, epoch, key_number, count):
        previous = self.in_epochs[self.newest_in]
        previous.root = None
        previous.final, previous.closed_at = count, time.monotonic()
        for number in [number for number in self.in_epochs if number < self.newest_in]:
            del self.in_epochs[number]
        self.in_epochs[epoch.number] = epoch
        self.newest_in = epoch.number
        self.announced = {epoch.number: announcement}
        self.candidate = None
        if key_number is not None:
            for number in [number for number in self.ratchet_keys if number < key_number]:
                del self.ratchet_keys[number]
            if self.out.ratchet[0] == key_number:
                self.out.settled = True
        self.tell("epoch", direction="in", epoch=epoch.number)

    # Opening.

    def _receive(self, message):
        sa_data, sealed = message[SA_DATA], message[DATA]
        kind, message_id = message[TYPE], message.get(ID, bytes(8)) if message[TYPE] != ACK else bytes(8)
        reader = Reader(sa_data)
        require(reader.take(8) == self.id, "a record is of another conversation")
        number, n = reader.varint(), reader.varint()
        require(number < 1 << 32 and n < 1 << 32, "an epoch or number is too large")
        nonce = reader.take(self.suite.cipher.nonce_size)
        announcement = reader.rest()
        require(number > 0 or announcement == b"", "an announcement of epoch 0")
        beginning = None
        if number == self.newest_in + 1:
            if announcement == b"":
                if len(self.waiting) < MAX_WAITING:
                    self.waiting.append(message)
                return
            beginning = self._open_announcement(number, announcement)
            epoch = beginning[1]
        else:
            if announcement and number == self.newest_in:
                self._check_repeated_announcement(number, announcement)
            epoch = self.in_epochs.get(number)
            require(epoch is not None, f"epoch {number} is not open")
        key, commit = self._record_key(epoch, n)
        if key is None:
            self._answer_repeat()
            return
        associated = self.bindings[1 - self.role] + bytes([kind]) + message_id + sa_data
        opened = self.suite.cipher.open(key, nonce, sealed, associated)
        commit()
        if beginning:
            self._commit_epoch(*beginning)
        self._opened(kind, message_id, decode_body(opened, self.suite), associated, sealed)
        if beginning:
            waiting, self.waiting = self.waiting, []
            for each in waiting:
                self.receive(each)

    def _record_key(self, epoch, n):
        """The key of record n, and what makes its use final; no key when the number was used."""
        if n in epoch.skipped:
            return epoch.skipped[n], lambda: epoch.skipped.pop(n)
        if n < epoch.n:
            return None, None
        require(n - epoch.n <= MAX_AHEAD, "a record is too far ahead")
        require(epoch.final is None or n < epoch.final, "a record is beyond the end of its epoch")
        held = sum(len(each.skipped) for each in self.in_epochs.values())
        require(held + n - epoch.n <= MAX_SKIPPED, "too many keys of skipped records are kept")
        chain, skipped = epoch.chain, {}
        for number in range(epoch.n, n + 1):
            chain, key = chain_step(chain, self.id, 1 - self.role, epoch.number, number)
            skipped[number] = key
        key = skipped.pop(n)

        def commit():
            epoch.chain, epoch.n = chain, n + 1
            epoch.skipped.update(skipped)

        return key, commit

    def _opened(self, kind, message_id, body, associated, sealed):
        self._peer_has_seen(*body.seen, body.gaps)
        if body.ratchet and (self.peer_ratchet is None or body.ratchet[0] > self.peer_ratchet[0]):
            self.peer_ratchet = body.ratchet
        elif body.ratchet and body.ratchet[0] == self.peer_ratchet[0]:
            require(body.ratchet == self.peer_ratchet, "a ratchet key has changed under its number")
        if kind == ACK:
            require(body.message is None and body.content == b"", "an ACK carries a message")
            return
        require(body.message is not None, "a message has no number")
        m, previous = body.message
        is_new = self.got.add(m, previous, associated, sealed)
        self.got.give_up(body.lost)
        self._acknowledge_soon()
        if is_new and m > self.shown:
            self.held[m] = kind, message_id, body
            self._show()

    def _peer_has_seen(self, m, digest, gaps):
        self.sent.check_seen(m, digest)
        missing = {number for first, length in gaps for number in range(first, min(first + length, self.sent.m + 1))}
        for number in [number for number in self.outbox if number <= m and number not in missing]:
            entry = self.outbox.pop(number)
            if entry["note"] == "goodbye":
                self.state = "closed"
                self.tell("closed", by="me")
            else:
                self.tell("delivered", ref=entry["note"])
        if any(number not in self.outbox for number in self.out.carriers):
            self.out.settled = True
        for number, carriers in list(self.ratchet_carriers.items()):
            if any(each not in self.outbox for each in carriers):
                del self.ratchet_carriers[number]
                for older in [older for older in self.ratchet_keys if older < number]:
                    del self.ratchet_keys[older]
                    self.ratchet_carriers.pop(older, None)

    def _show(self):
        """Shows in the order of m; waits for what is missing and was not given up."""
        while (m := self.shown + 1) in self.held or m in self.got.lost:
            self.shown = m
            if m not in self.held:
                continue
            kind, message_id, body = self.held.pop(m)
            if kind == CLIENT_DISCONNECT:
                reason = REASONS.get(body.content[0] if body.content else None, "unknown")
                self._acknowledge()
                self.state = "closed"
                self.tell("closed", by="peer", reason=reason)
                return
            if body.content[:1] == bytes([TEXT]):
                text = body.content[1:].decode("utf-8", "replace")
                self.tell("message", m=m, text=text, id=message_id.hex())

    def _acknowledge_soon(self):
        self.ack_at = self.ack_at or time.monotonic() + ACK_DELAY_S

    def _answer_repeat(self):
        """A number that was used: one ACK an interval, which tells announcement and ratchet key again."""
        if self.last_ack_at is None or time.monotonic() - self.last_ack_at >= 1:
            self.ack_carries = True
            self._acknowledge_soon()
