"""A second implementation of docs/protocol.md, written from that page alone: a client that speaks lines of JSON.

    /usr/bin/python3 peer.py tcp://HOST:PORT --pin sha256:HEX --name NAME [--suite SUITE]… [--peer-suite SUITE]…
        [--credential none|key] [--rekey-every RECORDS] [--lose SHARE]

--lose drops that share of the records of conversations, going out or coming in, as a bad relay might.


in   {"do":"list"} {"do":"open","peer":P} {"do":"send","peer":P,"text":T,"ref":R} {"do":"rekey","peer":P}
     {"do":"content","peer":P,"hex":H,"ref":R} (kind and content as bytes, be they malformed) {"do":"close","peer":P} {"do":"quit"}
out  ready, list, opened, accepted, delivered, message, epoch, closed, history, dropped, error
"""

import argparse
import json
import os
import random
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

import cbor
import keys
from basics import Refused, require
from conversation import Conversation
from handshake import Initiator, Responder, conversation_context
from hop import (ACK, ADDRESS, CLIENT_COM, CLIENT_CONNECT, CLIENT_DISCONNECT, CODE, COMPLETE, DATA, DISCONNECT, DST)
from hop import ERROR, FINGERPRINT, ID, KIND, LABEL, LIST, MSG_ID, NAME, ONLINE, PHASE, PREKEYS, SA_DATA, SRC, TYPE, Hop
from suites import BY_NAME

INITIATOR_TIMEOUT_S, RESPONDER_TIMEOUT_S = 60, 30
MAX_HANDSHAKES = 64


def tell(event, **fields):
    print(json.dumps({"event": event} | fields), flush=True)


class Opening:
    """One handshake of this side or of a peer's, with what is repeated and until when it may last."""

    def __init__(self, run, peer, timeout_s):
        now = time.monotonic()
        self.run, self.peer = run, peer
        self.until, self.repeat_at, self.pause = now + timeout_s, now + 2, 2
        self.repeated = self.body2 = None
        self.at_once = False  # both sides sent phase 1 before either answered a phase 3
        self.stand = None  # where the last conversation with this peer was when this began


class Peer:
    def __init__(self, hop, peer_suites, name, rekey_every=0, lose=0):
        self.hop, self.suites, self.name, self.rekey_every = hop, peer_suites, name, rekey_every
        self.lose, self.chance = lose, random.Random(1)  # the same losses in every run
        self.initiating, self.responding = {}, {}  # (address, id): Opening
        self.conversations = {}  # (address, conversation id): Conversation
        self.current = {}  # address: Conversation that carries new messages
        self.refs = {}  # id of a message: ref

    # Lines of JSON in.

    def command(self, line):
        asked = json.loads(line)
        do, peer = asked["do"], asked.get("peer")
        try:
            if do == "list":
                self.hop.send({TYPE: LIST, ID: os.urandom(8)})
            elif do == "open":
                self.open(keys.address_bytes(peer))
            elif do == "quit":
                self.hop.send({TYPE: DISCONNECT})
                return False
            else:
                conversation = self.current.get(keys.address_bytes(peer))
                require(conversation is not None, "there is no conversation with that peer")
                if do == "send":
                    conversation.send_text(asked["text"], asked.get("ref"))
                elif do == "content":
                    conversation.send_content(bytes.fromhex(asked["hex"]), asked.get("ref"))
                elif do == "rekey":
                    conversation.rekey()
                elif do == "close":
                    conversation.close()
        except Refused as refused:
            tell("error", message=str(refused), peer=peer)
        return True

    def open(self, address):
        def check(credential):
            self.check_peer(credential, address)

        hop = self.hop
        run = Initiator(self.suites, hop.signer, hop.credential, self.name, {}, check)
        opening = self.opening(run, address, INITIATOR_TIMEOUT_S)
        self.initiating[address, run.id] = opening
        self.connect(opening, 1, run.body1)

    def opening(self, run, peer, timeout_s):
        """A new handshake; those with the same peer that run the other way are at once with it."""
        opening = Opening(run, peer, timeout_s)
        opening.stand = self.stand(peer)
        own = isinstance(run, Initiator)
        others = self.responding.values() if own else self.initiating.values()
        for other in [each for each in others if each.peer == peer and each.run.body4 is None]:
            opening.at_once = other.at_once = True
        return opening

    def stand(self, peer):
        last = self.current.get(peer)
        return last.stand() if last is not None else None

    def previous(self, peer):
        stand = self.stand(peer)
        return {} if stand is None else {0: stand.encode()}

    def check_peer(self, credential, address):
        require(credential.kind in (keys.NONE, keys.KEY), "a peer shows a credential that is no person's")
        require(credential.id == address[:20], "a credential is not that of the address")
        require(credential.id != self.hop.credential.id, "a peer shows the own id")

    def connect(self, opening, phase, body):
        message = {TYPE: CLIENT_CONNECT, PHASE: phase, ID: opening.run.id, DST: opening.peer, DATA: body}
        if phase in (1, 3):
            opening.repeated = message
            opening.repeat_at, opening.pause = time.monotonic() + 2, 2
        self.hop.send(message)

    # Messages of the relay.

    def message(self, message):
        kind = message.get(TYPE)
        if kind == LIST:
            self.list(message)
        elif kind == CLIENT_CONNECT:
            self.client_connect(message)
        elif kind in (CLIENT_COM, CLIENT_DISCONNECT) or kind == ACK and SRC in message:
            self.record(message)
        elif kind == ACK:
            ref = self.refs.pop(message.get(MSG_ID), None)
            if ref is not None:
                tell("accepted", ref=ref)
        elif kind == ERROR:
            self.error(message)
        elif kind == DISCONNECT:
            raise Refused(f"the relay ended the hop: {message.get(CODE)}")
        elif kind != PREKEYS:
            self.hop.send({TYPE: ERROR, CODE: "unknown-type"})

    def list(self, message):
        items = cbor.field(message, DATA, list, "a list")
        clients = []
        for item in items:
            address = cbor.field(item, ADDRESS, bytes, "an address", 28)
            client = {"id": keys.address_text(address), "online": cbor.field(item, ONLINE, bool, "online")}
            if client["online"]:
                fingerprint = cbor.field(item, FINGERPRINT, bytes, "a fingerprint", 32)
                require(fingerprint[:20] == address[:20], "a list names a fingerprint of another id")
                client |= {"name": item.get(NAME), "kind": item.get(KIND), "fingerprint": fingerprint.hex()}
            clients.append(client)
        tell("list", clients=clients, complete=cbor.field(message, COMPLETE, bool, "complete"))

    def error(self, message):
        code, message_id, src = message.get(CODE), message.get(MSG_ID), message.get(SRC)
        for opening in [each for each in self.initiating.values() if each.run.id == message_id]:
            if src in (None, opening.peer):
                self.initiating.pop((opening.peer, message_id))
                tell("error", code=code, peer=keys.address_text(opening.peer))
                return
        tell("hint", code=code)

    def client_connect(self, message):
        phase = cbor.field(message, PHASE, int, "a phase")
        handshake_id = cbor.field(message, ID, bytes, "an id", 8)
        src = cbor.field(message, SRC, bytes, "src", 28)
        label = cbor.field(message, LABEL, str, "a label")
        body = cbor.field(message, DATA, bytes, "a body")
        key = (src, handshake_id)
        try:
            if phase == 1:
                self.phase1(key, label, body)
            elif phase == 3:
                self.phase3(key, label, body)
            elif phase == 2 and key in self.initiating:
                self.phase2(self.initiating[key], label, body)
            elif phase == 4 and key in self.initiating:
                self.phase4(key, body)
        except Refused as refused:
            self.initiating.pop(key, None)
            self.responding.pop(key, None)
            self.hop.send({TYPE: ERROR, CODE: "handshake-failed", MSG_ID: handshake_id, DST: src})
            tell("error", message=str(refused), peer=keys.address_text(src))

    def phase1(self, key, label, body):
        opening = self.responding.get(key)
        if opening is not None:
            if opening.run.body3 is None:
                require(body == opening.run.body1, "phase 1 comes again with other bytes")
                self.connect(opening, 2, opening.run.body2)
            return
        require(len(self.responding) < MAX_HANDSHAKES, "too many handshakes at once")
        src, handshake_id = key

        def check(credential):
            self.check_peer(credential, src)

        hop = self.hop
        context = conversation_context(src, hop.address, hop.relay, label, hop.label)
        run = Responder(self.suites, hop.signer, hop.credential, self.name, check, context, body)
        require(run.id == handshake_id, "the id is not the beginning of nonce_I")
        opening = self.responding[key] = self.opening(run, src, RESPONDER_TIMEOUT_S)
        opening.label = label
        self.connect(opening, 2, run.body2)

    def phase2(self, opening, label, body):
        if opening.body2 is not None:
            return  # a late repeat
        hop = self.hop
        opening.body2, opening.label = body, label
        context = conversation_context(hop.address, opening.peer, hop.relay, hop.label, label)
        self.connect(opening, 3, opening.run.take2(body, context, self.previous(opening.peer)))

    def phase3(self, key, label, body):
        opening = self.responding.get(key)
        if opening is None:
            return  # of a handshake that nobody knows
        if opening.run.body3 is not None:
            if body == opening.run.body3:
                self.connect(opening, 4, opening.run.body4)
            return
        require(label == opening.label, "the relay names another label than in phase 1")
        body4, result = opening.run.take3(body, self.previous(opening.peer))
        self.begin(1, opening, result)
        self.connect(opening, 4, body4)
        self.tell_opened(opening, result)

    def phase4(self, key, body):
        opening = self.initiating[key]
        require(opening.body2 is not None, "phase 4 comes before phase 2")
        result = opening.run.take4(body)
        del self.initiating[key]
        self.begin(0, opening, result)
        self.tell_opened(opening, result)

    def begin(self, role, opening, result):
        hop, peer = self.hop, opening.peer
        me = (hop.address, hop.credential.fingerprint, hop.label)
        other = (peer, result.peer.fingerprint, opening.label)

        def tell_of(event, **fields):
            tell(event, peer=keys.address_text(peer), conversation=result.conversation_id.hex(), **fields)

        def send(message):
            if self.loses():
                return
            hop.send(message)
            if ID in message and (ref := conversation.ref_of(message[ID])) is not None:
                self.refs[message[ID]] = ref

        conversation = Conversation(result, role, me, other, send, tell_of, self.rekey_every)
        self.conversations[peer, result.conversation_id] = conversation
        conversation.at_once = opening.at_once
        current = self.current.get(peer)
        both = opening.at_once and current is not None and current.at_once and current.role != role
        mine_carries = hop.address < peer
        if not both or (role == 0) == mine_carries:
            self.current[peer] = conversation

    def tell_opened(self, opening, result):
        conversation = self.conversations[opening.peer, result.conversation_id]
        previous = cbor.field(result.parameters, 0, bytes, "`previous`", optional=True)
        verdict = "nothing" if opening.stand is None else opening.stand.compare(previous)
        tell(
            "opened",
            peer=keys.address_text(conversation.peer[0]),
            conversation=conversation.id.hex(),
            name=conversation.name,
            role=conversation.role,
            suite=conversation.suite.name,
            kind=keys.KIND_NAMES[result.peer.kind],
            previous=verdict,
            safetyNumber=conversation.safety_number,
        )

    def loses(self):
        return self.chance.random() < self.lose

    def record(self, message):
        if self.loses():
            return
        src = cbor.field(message, SRC, bytes, "src", 28)
        sa_data = cbor.field(message, SA_DATA, bytes, "sa-data")
        cbor.field(message, DATA, bytes, "a sealed record")
        if message[TYPE] != ACK:
            cbor.field(message, ID, bytes, "an id", 8)
        conversation = self.conversations.get((src, sa_data[:8]))
        if conversation is not None:
            conversation.receive(message)
            return
        tell("dropped", message="a record of no conversation", peer=keys.address_text(src))
        if message[TYPE] != ACK and src not in self.current:
            self.hop.send({TYPE: ERROR, CODE: "unknown-conversation", MSG_ID: message[ID], DST: src})

    # Time.

    def next_time(self):
        times = [each.next_time() for each in self.conversations.values()]
        for opening in self.initiating.values():
            times += [opening.until, opening.repeat_at]
        times += [opening.until for opening in self.responding.values()]
        return min((each for each in times if each is not None), default=None)

    def tick(self):
        now = time.monotonic()
        for conversation in self.conversations.values():
            conversation.tick(now)
        for openings in (self.initiating, self.responding):
            for key, opening in list(openings.items()):
                if opening.until <= now:
                    del openings[key]
                    if opening.run.body3 is None or openings is self.initiating:
                        tell("error", code="timeout", peer=keys.address_text(opening.peer))
                elif opening.repeated and opening.repeat_at <= now:
                    opening.pause *= 2
                    opening.repeat_at = now + opening.pause
                    self.hop.send(opening.repeated)


def run(peer, connection):
    """Serves standard input and the socket until either ends."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        for message in peer.hop.received(b""):
            peer.message(message)
        while True:
            at = peer.next_time()
            ready = [each.fd for each, _ in selector.select(None if at is None else max(0, at - time.monotonic()))]
            peer.tick()
            if connection.fileno() in ready:
                data = connection.recv(65_536)
                require(data, "the relay closed the connection")
                for message in peer.hop.received(data):
                    peer.message(message)
            if 0 in ready:
                data = os.read(0, 65_536)
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    if not peer.command(line):
                        return
                if not data:
                    return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--pin", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--suite", action="append", choices=BY_NAME)
    parser.add_argument("--peer-suite", action="append", choices=BY_NAME)
    parser.add_argument("--credential", choices=("none", "key"), default="none")
    parser.add_argument("--rekey-every", type=int, default=0)
    parser.add_argument("--lose", type=float, default=0)
    options = parser.parse_args()

    url = urlsplit(options.url)
    pin = bytes.fromhex(options.pin.removeprefix("sha256:"))
    hop_suites, peer_suites = (
        [BY_NAME[name] for name in names or list(BY_NAME)[:3]] for names in (options.suite, options.peer_suite)
    )
    kind = keys.KIND_NAMES.index(options.credential)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        hop = Hop(connection, pin, hop_suites, kind, options.name, url.hostname)
        connection.settimeout(None)
        peer = Peer(hop, peer_suites, options.name, options.rekey_every, options.lose)
        tell("ready", id=keys.address_text(hop.address), suite=hop.suite.name, label=hop.label)
        run(peer, connection)


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(f"peer.py: {refused}")
