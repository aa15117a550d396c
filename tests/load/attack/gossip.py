"""Attacks by datagrams: made by hand as chitchat encodes them, without a key."""

import contextlib
import os
import socket
import struct
import time

from .cluster import NAMES
from .pace import Outcome, row

SYN, SYN_ACK, FACTS = 0, 1, 2
RUN, FACT = 0, 1
ZSTD, PLAIN = 1, 2
CLUSTER = "psi-field"
# Behind the magic number: datagrams whose digest is not compressed.
HEAD = struct.pack("<HB", 45_139, 0)
LONGEST_BLOCK = 65_535


def text(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<H", len(data)) + data


def run(node, generation, port=9):
    """A run of a node, at an address on loopback."""
    return text(node) + struct.pack("<Q", generation) + b"\4" + socket.inet_aton("127.0.0.1") + struct.pack("<H", port)


def digest(runs, heartbeat):
    return struct.pack("<H", len(runs)) + b"".join(one + struct.pack("<QQQ", heartbeat, 0, 0) for one in runs)


def syn(runs, heartbeat=1):
    return HEAD + bytes([SYN]) + digest(runs, heartbeat) + text(CLUSTER)


def facts(runs, key, value, version):
    """A fact of each run."""
    fact = bytes([FACT]) + text(key) + text(value) + struct.pack("<QB", version, 0)
    operations = b"".join(bytes([RUN]) + one + bytes(16) + fact for one in runs)
    return bytes([PLAIN]) + text(operations) + b"\0"


def answer(runs, heartbeat, told):
    return HEAD + bytes([SYN_ACK]) + digest(runs, heartbeat) + told


def ending(told):
    return HEAD + bytes([FACTS]) + told


def later():
    """A generation of a run that begins in a quarter of an hour."""
    return int((time.time() + 1000) * 1e6)


class Stranger:
    """A socket; who listens at it hears what it is answered."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.heard = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, to):
        with contextlib.suppress(OSError):
            self.socket.sendto(data, to)

    def hear(self):
        """The last answer, if any has come."""
        last = None
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                last = self.socket.recv(65_536)
                self.heard += len(last)
        return last


class Trap:
    """A port that counts who dials it: nobody should, by the word of a stranger."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        self.dials = 0

    def look(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
                self.dials += 1

    def broken(self, aim, seconds):
        """With a key nobody dials. Without one, each node asks a few times a second who is there."""
        most = 0 if aim.with_key else 4 * len(NAMES) * (seconds + 2)
        return [f"{self.dials} dials of a forged address"] if self.dials > most else []


@row("1", "SYN: what is answered", 1000)
def amplify(aim, pace):
    with Stranger() as stranger:
        asked = syn([])
        while pace.turn(10):
            for _ in range(10):
                stranger.send(asked, aim.gossip[0])
            stranger.hear()
        ratio = stranger.heard / (pace.units * len(asked))
        broken = ["a stranger was answered"] if aim.with_key and stranger.heard else []
        return Outcome(f"{pace.units:,} of {len(asked)} bytes; answered {ratio:.1f} times as much", broken)


@row("2", "65 kB of compressed blocks", 20)
def bomb(aim, pace):
    # A frame of zstd that is one byte, repeated.
    unpacked = struct.pack("<H", LONGEST_BLOCK - 256) + (LONGEST_BLOCK << 3 | 3).to_bytes(3, "little") + b"\0"
    block = bytes([ZSTD]) + text(b"\x28\xb5\x2f\xfd\x60" + unpacked)
    data = ending(block * (65_400 // len(block)) + b"\0")
    with Stranger() as stranger:
        while pace.turn():
            stranger.send(data, aim.gossip[0])
    return Outcome(f"{pace.units:,} of {len(data):,} bytes, which unpack to {65_400 // len(block) * LONGEST_BLOCK:,}")


@row("3", "later runs of each node", 30)
def supersede(aim, pace):
    runs, trap, beat = [run(name, later()) for name in NAMES], Trap(), 0
    with Stranger() as stranger:
        while pace.turn(len(aim.gossip)):
            beat += 1
            for to in aim.gossip:
                stranger.send(syn(runs, beat), to)
                stranger.send(answer(runs, beat, facts(runs, "grpc", trap.address, 1)), to)
            trap.look()
    return Outcome(f"{2 * pace.units:,} datagrams; {trap.dials} dials", trap.broken(aim, pace.elapsed()))


def known(stranger, aim, name):
    """The run of a node, as a stranger can learn it where there is no key; one of its own making elsewhere."""
    stranger.send(syn([]), aim.gossip[0])
    time.sleep(0.3)
    heard = stranger.hear()
    at = heard.find(text(name)) if heard else -1
    # A name is followed by a generation, a kind of address, four bytes of it and a port.
    return heard[at : at + 2 + len(name) + 15] if at >= 0 else run(name, int(time.time() * 1e6))


@row("6", "forged leaving of a node", 20)
def leave(aim, pace):
    with Stranger() as stranger:
        victim, version = known(stranger, aim, NAMES[2]), 10**6
        while pace.turn(2):
            version += 1
            for to in aim.gossip[:2]:
                stranger.send(ending(facts([victim], "leaving", "1", version)), to)
    return Outcome(f"{pace.units:,} datagrams")


@row("7", "1,000 forged members", 20)
def crowd(aim, pace):
    runs, trap, beat = [run(f"forged-{n}", later()) for n in range(1000)], Trap(), 0
    with Stranger() as stranger:
        while pace.turn(5):
            beat += 1
            for part in (runs[at : at + 200] for at in range(0, 1000, 200)):
                stranger.send(answer(part, beat, facts(part, "grpc", trap.address, 1)), aim.gossip[0])
            trap.look()
    broken = trap.broken(aim, pace.elapsed()) if aim.with_key else []
    return Outcome(f"{pace.units:,} datagrams; {trap.dials} dials", broken)


@row("8", "forged address of gRPC", 20,
     excused={"agreement": "without a key any stranger may speak for a node"})
def forge_address(aim, pace):
    trap, beat, runs = Trap(), 0, [run("forged", later())]
    with Stranger() as stranger:
        victim = known(stranger, aim, NAMES[2])
        while pace.turn(2):
            beat += 1
            stranger.send(answer(runs, beat, facts(runs, "grpc", trap.address, 1)), aim.gossip[0])
            stranger.send(ending(facts([victim], "grpc", trap.address, 10**6 + beat)), aim.gossip[0])
            trap.look()
    broken = trap.broken(aim, pace.elapsed()) if aim.with_key else []
    return Outcome(f"{pace.units:,} datagrams; {trap.dials} dials", broken)


@row("9", "a key that is not ASCII", 50)
def misspell(aim, pace):
    with Stranger() as stranger:
        victim, version = known(stranger, aim, NAMES[2]), 10**6
        while pace.turn():
            version += 1
            stranger.send(ending(facts([victim], "é", "1", version)), aim.gossip[0])
    return Outcome(f"{pace.units:,} datagrams")


@row("10", "long names without end", 100)
def name_much(aim, pace):
    with Stranger() as stranger:
        while pace.turn(2):
            runs = [run(os.urandom(32).hex(), 1) for _ in range(400)]
            stranger.send(syn(runs), aim.gossip[0])
            stranger.send(syn([run(os.urandom(16).hex() * 1000, 1)]), aim.gossip[0])
    return Outcome(f"{pace.units // 2 * 400:,} names of 64 bytes, {pace.units // 2:,} of 32,000")


@row("11", "datagrams of junk", 50_000)
def junk(aim, pace):
    data = os.urandom(100)
    with Stranger() as stranger:
        while pace.turn(100):
            for _ in range(100):
                stranger.send(data, aim.gossip[0])
    return Outcome(f"{pace.units / pace.elapsed():,.0f} a second")
