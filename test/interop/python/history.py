"""Section 7: the chain of hashes of one direction, and what was received of it."""

from dataclasses import dataclass

from basics import Reader, Refused, lp, require, sha256, u32, u64, varint

MAX_GAPS = 32
MAX_OPEN = 1_000  # a limit of this peer: how many messages may be missing at once


class Broken(Refused):
    """Evidence that ends a conversation: fork, rollback or clone."""

    def __init__(self, status, m=0, expected=b"", received=b""):
        super().__init__(f"{status} at {m}: expected {expected.hex()}, received {received.hex()}")
        self.status, self.m = status, m


@dataclass
class Stand:
    """What one side has of a conversation at a moment."""

    id: bytes
    sent_hashes: list  # grows with the conversation
    acknowledged: int
    received: int
    received_hashes: dict

    def encode(self):
        """`previous`: parameter 0 of a later handshake."""
        own = varint(len(self.sent_hashes) - 1) + self.sent_hashes[-1]
        return self.id + own + varint(self.received) + self.received_hashes[self.received]

    def compare(self, previous):
        """The verdict on the peer's `previous`, which is None when it said nothing."""
        if previous is None:
            return "lost state" if self.received > 0 else "nothing"
        reader = Reader(previous)
        conversation_id = reader.take(8)
        m, digest, seen, seen_digest = reader.varint(), reader.take(16), reader.varint(), reader.take(16)
        require(reader.rest() == b"", "bytes trail behind `previous`")
        if conversation_id != self.id:
            return "nothing"
        if seen >= len(self.sent_hashes):
            return "rollback of mine"
        other = self.received_hashes.get(m, digest) != digest or self.sent_hashes[seen] != seen_digest
        return "rollback of the peer" if m < self.received or seen < self.acknowledged or other else "agreement"


def first_hash(tr4, direction):
    return sha256(lp("SIMS 1 history", tr4, bytes([direction])))[:16]


def next_hash(previous, m, associated, sealed):
    return sha256(b"SIMS 1 message" + previous + u64(m) + u32(len(associated)) + associated + sealed)[:16]


def to_ranges(numbers):
    """Sorted numbers as [first, length] that do not touch."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][0] + ranges[-1][1] == number:
            ranges[-1][1] += 1
        else:
            ranges.append([number, 1])
    return ranges


class Sent:
    """The own direction: every hash, and which messages the peer has acknowledged."""

    def __init__(self, tr4, direction):
        self.hashes = [first_hash(tr4, direction)]

    @property
    def m(self):
        return len(self.hashes) - 1

    def add(self, associated, sealed):
        self.hashes.append(next_hash(self.hashes[-1], self.m + 1, associated, sealed))

    def check_seen(self, m, digest):
        if m > self.m:
            raise Broken("rollback", m, b"", digest)
        if self.hashes[m] != digest:
            raise Broken("rollback", m, self.hashes[m], digest)


class Received:
    """The peer's direction: the highest message, the gaps below it, and the hashes that are still of use."""

    def __init__(self, tr4, direction):
        self.m = 0
        self.missing = set()
        self.lost = set()
        self.hashes = {0: first_hash(tr4, direction)}

    def has(self, m):
        return 0 < m <= self.m and m not in self.missing

    def add(self, m, previous, associated, sealed):
        """Adds message m; True when it is new, False when it came before. Raises Broken on a fork."""
        require(m >= 1, "a message has the number 0")
        require(m - self.m <= MAX_OPEN and len(self.missing) <= MAX_OPEN, "too many messages are missing")
        self._agree(m - 1, previous)
        digest = next_hash(previous, m, associated, sealed)
        if self.has(m):
            self._agree(m, digest)
            return False
        self._agree(m, digest)
        self.hashes[m - 1], self.hashes[m] = previous, digest
        if m > self.m:
            self.missing.update(range(self.m + 1, m))
            self.m = m
        self.missing.discard(m)
        self._forget()
        return True

    def give_up(self, ranges):
        """The sender's word that it will not send these."""
        told = {m for first, length in ranges for m in range(first, first + length)}
        self.lost |= told & self.missing

    def seen(self):
        """m', H' and the gaps below it: no higher than 32 gaps can describe."""
        ranges = to_ranges(sorted(self.missing))
        m = self.m if len(ranges) <= MAX_GAPS else ranges[MAX_GAPS][0] - 1
        return (m, self.hashes[m]), tuple(map(tuple, ranges[:MAX_GAPS]))

    def _agree(self, m, digest):
        known = self.hashes.get(m)
        if known is not None and known != digest:
            raise Broken("fork", m, known, digest)

    def _forget(self):
        """Keeps the hashes from a little below the first gap, or the last 64."""
        lowest = min(self.missing, default=self.m) - 64
        for m in [m for m in self.hashes if m < lowest]:
            del self.hashes[m]
