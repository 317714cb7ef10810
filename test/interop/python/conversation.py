"""Sections 5 to 7: one conversation after its handshake. No I/O: `send` takes messages, `tell` takes events."""

import hmac
import os
import time
from hashlib import pbkdf2_hmac

from basics import Reader, Refused, lp, require, sha256, u32, varint
from body import TEXT, Body, check_content, decode_body, encode_body
from history import Broken, Received, Sent, Stand
from hop import ACK, CLIENT_COM, CLIENT_DISCONNECT, DATA, DST, ID, SA_DATA, TYPE
from hop import associated_binding, chain_step, direction_keys, participants_hash
from keys import safety_number

MAX_AHEAD = 1_000
MAX_SKIPPED = 2_000
MAX_WAITING, MAX_WAITING_BYTES = 64, 2_097_152
MAX_OUTBOX = 256
ACK_DELAY_S = 0.02
GOODBYE_S, AFTER_GOODBYE_S = 5, 30
OLD_EPOCH_S = 600
REPEAT_FIRST_S, REPEAT_LAST_S = 2, 60

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
        self.last_ack = None  # what it said, the message, whether it carries the announcement
        self.acknowledged = 0  # the highest m that the peer has seen
        self.ends_at = None  # when the keys go
        self.last_m = None  # the number of the peer's goodbye
        self.wants_rekey = False
        self.state = "open"
        if self.suite.has_ratchet:
            self._new_ratchet(0)

    # What the owner asks for.

    def send_text(self, text, note=None):
        self.send_content(bytes([TEXT]) + text.encode(), note)

    def send_content(self, content, note=None):
        """Any bytes as kind and content: also such as no good peer sends."""
        self._message(CLIENT_COM, content, note)

    def rekey(self):
        """The next record begins an epoch, as soon as the rules of section 5.4 allow."""
        self.wants_rekey = True

    def close(self, reason=0):
        if self.state == "open":
            self._message(CLIENT_DISCONNECT, bytes([reason]), "goodbye")
            self.state, self.ends_at = "closing", time.monotonic() + GOODBYE_S

    def ref_of(self, message_id):
        """The owner's note on a message that is not acknowledged."""
        return next((each["note"] for each in self.outbox.values() if each["message"][ID] == message_id), None)

    def stand(self):
        """Where this side is, to compare with what the peer says in a later handshake; None when there is nothing to say."""
        if self.state in ("closing", "ended", "gone") or self.sent.m + self.got.m == 0:
            return None
        return Stand(self.id, self.sent.hashes, self.acknowledged, self.got.m, dict(self.got.hashes))

    # What time and the relay bring.

    def next_time(self):
        if self.state in ("broken", "gone"):
            return None
        times = [entry["at"] for entry in self.outbox.values()]
        return min(times + [at for at in (self.ack_at, self.ends_at) if at], default=None)

    def tick(self, now):
        if self.state in ("broken", "gone"):
            return
        if self.ends_at and self.ends_at <= now:
            self._end()
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
        if self.state in ("broken", "gone"):
            return
        try:
            self._receive(message)
        except Broken as broken:
            self.state = "broken"
            self.tell("history", status=broken.status, message=str(broken))
        except Refused as refused:
            self.tell("dropped", message=str(refused))

    def _end(self):
        """The keys go; what is unacknowledged has failed."""
        self.ack_at = self.ends_at = None
        if self.state == "closing":
            self.tell("closed", by="me", unacknowledged=len(self.outbox))
        self.state = "gone"
        self.outbox, self.in_epochs, self.ratchet_keys, self.waiting = {}, {}, {}, []
        self.out.root = self.out.announcement_key = self.out.chain = None

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
        """An ACK; the same bytes again where it has nothing new to say and the peer can open them."""
        carries, self.ack_carries = self._carries(False) or (self.ack_carries and not self.out.settled), False
        body = self._body(carries)
        said = self.out.number, body.seen, body.gaps
        self.ack_at, self.last_ack_at = None, time.monotonic()
        if self.last_ack is None or self.last_ack[0] != said or not (self.out.settled or self.last_ack[2]):
            sa_data, _, sealed = self._seal(ACK, bytes(8), body, carries)
            self.last_ack = said, {TYPE: ACK, DST: self.peer[0], SA_DATA: sa_data, DATA: sealed}, carries
        self.send_out(self.last_ack[1])

    def _carries(self, is_message):
        first = is_message and not self.out.has_message
        return not self.out.settled and (self.out.n % 8 == 0 or first)

    def _body(self, carries):
        seen, gaps = self.got.seen()
        return Body(seen, gaps=gaps, ratchet=self.out.ratchet if carries else None)

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
        older = any(entry["epoch"] < self.out.number for entry in self.outbox.values())
        nothing_rides = self.out.number == 0 and not self.suite.has_ratchet
        if not (self.out.settled or nothing_rides) or older:
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
        ct, secret = reader.rest(), b""
        if self.suite.has_ratchet:
            require(key_number in self.ratchet_keys, "an announcement is made with an unknown key")
            require(len(ct) == self.suite.kem.ct_size, "an announcement has a ct of another length")
            secret = self.suite.decapsulate(*self.ratchet_keys[key_number], ct)
        else:
            require(ct == b"", "an announcement has a ct in a suite without")
        x = self._rekey_secret(previous.root, secret, salt)
        bound = sha256(authenticated + mac)
        epoch = ReceiveEpoch(number, *self._keys(1 - self.role, number, x, bound))
        previous.root = None
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
        beginning = None
        if number == self.newest_in + 1:
            if announcement == b"":
                held = sum(len(each[SA_DATA]) + len(each[DATA]) for each in self.waiting)
                if len(self.waiting) < MAX_WAITING and held + len(sa_data) + len(sealed) <= MAX_WAITING_BYTES:
                    self.waiting.append(message)
                return
            beginning = self._open_announcement(number, announcement)
            epoch = beginning[1]
        else:
            if announcement and number == self.newest_in > 0:
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
        self._take_in(kind, message_id, opened, associated, sealed)
        if beginning:
            waiting, self.waiting = self.waiting, []
            for each in waiting:
                self.receive(each)

    def _take_in(self, kind, message_id, opened, associated, sealed):
        """What an authentic record says; a malformed one is dropped, and its key is used up all the same."""
        try:
            body = decode_body(opened, self.suite)
            check_content(kind, body)
            late = body.message is not None and self.last_m is not None and body.message[0] > self.last_m
            require(not late, "a message follows the goodbye")
        except Refused as refused:
            self.tell("dropped", message=str(refused))
            return
        if self.state != "ended":
            self._opened(kind, message_id, body, associated, sealed)

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
        if kind == ACK:
            return
        m, previous = body.message
        is_new = self.got.add(m, previous, associated, sealed)
        self.got.give_up(body.lost)
        if kind == CLIENT_DISCONNECT:
            self.last_m = m
        self._acknowledge_soon()
        if is_new and m > self.shown:
            self.held[m] = kind, message_id, body
            self._show()

    def _peer_has_seen(self, m, digest, gaps):
        self.sent.check_seen(m, digest)
        self.acknowledged = max(self.acknowledged, m)
        missing = {number for first, length in gaps for number in range(first, min(first + length, self.sent.m + 1))}
        for number in [number for number in self.outbox if number <= m and number not in missing]:
            entry = self.outbox.pop(number)
            if entry["note"] != "goodbye":
                self.tell("delivered", ref=entry["note"])
        if self.state == "closing" and not self.outbox:
            if self.ack_at:
                self._acknowledge()
            self._end()
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
                self._acknowledge()
                failed, self.outbox = len(self.outbox), {}
                self.state, self.ends_at = "ended", time.monotonic() + AFTER_GOODBYE_S
                self.tell("closed", by="peer", reason=REASONS.get(body.content[0], "unknown"), unacknowledged=failed)
                return
            if body.content[0] != TEXT:
                continue
            try:
                self.tell("message", m=m, text=body.content[1:].decode(), id=message_id.hex())
            except UnicodeDecodeError:
                self.tell("dropped", message="a text is not UTF-8")

    def _acknowledge_soon(self):
        self.ack_at = self.ack_at or time.monotonic() + ACK_DELAY_S

    def _answer_repeat(self):
        """A number that was used: one ACK an interval, which tells announcement and ratchet key again."""
        if self.last_ack_at is None or time.monotonic() - self.last_ack_at >= 1:
            self.ack_carries = True
            self._acknowledge_soon()
