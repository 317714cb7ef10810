"""The hop: frames of section 2.1, the handshake as client, and `secure` records (section 5), over a blocking TCP socket."""

import os

import cbor
import keys
from basics import Reader, Refused, hkdf_expand, lp, require, sha256, sha512, u32, u64, varint
from handshake import HOP_CONTEXT, Initiator

CONNECT, SECURE, DISCONNECT, LIST, CLIENT_CONNECT, CLIENT_DISCONNECT, CLIENT_COM, ACK, ERROR, PREKEYS = range(1, 11)

TYPE, PHASE, NAME, ID, DATA, SA_DATA, PAYLOAD, SRC, DST, MSG_ID, LABEL, CODE = 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12
KIND, FINGERPRINT, ONLINE, COMPLETE, ADDRESS, STORED = 13, 14, 15, 16, 17, 18

MAX_FRAME, MAX_EARLY_FRAME = 1_048_576, 65_536


def direction_keys(suite, x, conversation_id, direction, epoch, bound):
    """root, announcement key and first chain key of a direction's epoch."""
    rest = (conversation_id, bytes([direction]), u32(epoch), bound)
    labels = ("SIMS 1 root", "SIMS 1 announcement key", "SIMS 1 chain")
    return tuple(hkdf_expand(suite.hash, x, lp(label, *rest), 32) for label in labels)


def chain_step(chain, conversation_id, direction, epoch, n):
    """The next chain key, and the key of record n."""
    context = b"SIMS 1 record" + conversation_id + bytes([direction]) + u32(epoch) + u64(n)
    both = sha512(u32(1) + chain + context)
    return both[:32], both[32:]


def participants_hash(one, other):
    return sha256(lp("SIMS 1 participants", *one, *other))


def associated_binding(plane, conversation_id, direction, src, dst, label, participants):
    parts = (plane, conversation_id, bytes([direction]), src, dst, label, participants)
    return sha256(lp("SIMS 1 associated data", *parts))


class Hop:
    def __init__(self, connection, pin, suites, kind, name, server_name, label=None):
        self.socket = connection
        self.buffer = b""
        self.max_frame = MAX_EARLY_FRAME
        self.signer = keys.SigningKey()
        self.credential = keys.own_credential(kind, self.signer.spki)
        self.address = self.credential.id + os.urandom(8)
        self._handshake(pin, suites, name, server_name, label)

    def send(self, message):
        """Seals a message to the relay."""
        n = self.sent
        self.sent += 1
        self.out_chain, key = chain_step(self.out_chain, self.conversation_id, 0, 0, n)
        nonce = os.urandom(self.suite.cipher.nonce_size)
        sa_data = self.conversation_id + varint(0) + varint(n) + nonce
        sealed = self.suite.cipher.seal(key, nonce, cbor.encode(message), self._associated(0, sa_data))
        self._frame({TYPE: SECURE, SA_DATA: sa_data, PAYLOAD: sealed})

    def received(self, data):
        """Messages of the relay in bytes from the socket; raises on anything that ends a hop."""
        self.buffer += data
        messages = []
        while (frame := self._next_frame()) is not None:
            outer = cbor.decode_map(frame)
            if outer.get(TYPE) != SECURE:
                continue  # outside `secure` nothing counts any more
            messages.append(cbor.decode_map(self._open(outer)))
        return messages

    def _open(self, outer):
        sa_data = cbor.field(outer, SA_DATA, bytes, "sa-data")
        sealed = cbor.field(outer, PAYLOAD, bytes, "payload")
        reader = Reader(sa_data)
        require(reader.take(8) == self.conversation_id, "a record is of another hop")
        require(reader.varint() == 0, "a hop has one epoch")
        require(reader.varint() == self.opened, "a record of the hop is missing or repeated")
        nonce = reader.take(self.suite.cipher.nonce_size)
        require(reader.rest() == b"", "a record of a hop has an announcement")
        self.in_chain, key = chain_step(self.in_chain, self.conversation_id, 1, 0, self.opened)
        self.opened += 1
        return self.suite.cipher.open(key, nonce, sealed, self._associated(1, sa_data))

    def _associated(self, direction, sa_data):
        return self.bindings[direction] + bytes([SECURE]) + bytes(8) + sa_data

    def _frame(self, message):
        data = cbor.encode(message)
        self.socket.sendall(u32(len(data)) + data)

    def _next_frame(self):
        if len(self.buffer) < 4:
            return None
        size = int.from_bytes(self.buffer[:4], "big")
        require(0 < size <= self.max_frame, "a frame is empty or too large")
        if len(self.buffer) < 4 + size:
            return None
        frame, self.buffer = self.buffer[4 : 4 + size], self.buffer[4 + size :]
        return frame

    def _await_connect(self, phase, handshake_id):
        while (frame := self._next_frame()) is None:
            data = self.socket.recv(65_536)
            require(data, "the relay closed the connection in the handshake")
            self.buffer += data
        message = cbor.decode_map(frame, 8_192)
        if message.get(TYPE) in (ERROR, DISCONNECT):
            raise Refused(f"the relay ended the handshake: {message.get(CODE)}")
        right = message.get(TYPE) == CONNECT and message.get(PHASE) == phase and message.get(ID) == handshake_id
        require(right, f"the relay did not answer with phase {phase}")
        return cbor.field(message, DATA, bytes, "a body")

    def _handshake(self, pin, suites, name, server_name, label):
        def check(relay):
            require(relay.kind == keys.RELAY, "who answers the hop is no relay")
            require(keys.relay_identity(relay.spki) == pin, "the relay is not the pinned one")

        parameters = {0: self.address[20:]} if label is None else {0: self.address[20:], 1: label}
        run = Initiator(suites, self.signer, self.credential, name, parameters, check, server_name)
        self._frame({TYPE: CONNECT, PHASE: 1, ID: run.id, DATA: run.body1})
        body3 = run.take2(self._await_connect(2, run.id), HOP_CONTEXT)
        self._frame({TYPE: CONNECT, PHASE: 3, ID: run.id, DATA: body3})
        result = run.take4(self._await_connect(4, run.id))
        self.max_frame = MAX_FRAME
        self.label = cbor.field(result.parameters, 0, str, "the label of the session")
        self.relay = pin
        self.relay_name = result.peer_name
        self.suite, self.conversation_id = result.suite, result.conversation_id
        self.sent = self.opened = 0
        chains = [
            direction_keys(self.suite, x, self.conversation_id, direction, 0, result.tr4)[2]
            for direction, x in enumerate(result.secrets)
        ]
        self.out_chain, self.in_chain = chains
        client = (self.address, self.credential.fingerprint, "")
        both = participants_hash(client, (pin, pin, ""))
        ends = ((self.address, pin), (pin, self.address))
        self.bindings = [
            associated_binding("hop", self.conversation_id, direction, src, dst, "", both)
            for direction, (src, dst) in enumerate(ends)
        ]
