"""Attacks by connections that do little, by links, and by a node of a stranger's."""

import contextlib
import socket
import ssl
import subprocess
import time

from . import wire
from .cluster import ENVIRONMENT, free_port
from .frames import STREAMS, Lines
from .pace import Outcome, row

LINK = "ReplicationService/Link"
# A connection has 5 s for its first byte; this much more on a busy machine.
SILENCE_S = 5 + 4
CALLS = ["PsiFieldService/" + name for name in ("GetState", "ListFields", "ResetField", "Intervene", "GetGuardian")]
CALLS += ["ClusterService/" + name for name in ("ListMembers", "GetFrontier", "GetDigest", "Ping", "Identify")]
CALLS += ["LedgerService/ListRecords", "LeaseService/GetVoters", "DriftService/ListDrift", wire.STEP]


class Held:
    """Connections that are kept as long as the other end keeps them."""

    def __init__(self):
        self.open, self.failed, self.opened = {}, 0, 0

    def add(self, make):
        """Keeps what is made, or counts that it could not be."""
        try:
            one = make()
            one.settimeout(0)
            self.open[one] = time.monotonic()
            self.opened += 1
        except OSError:
            self.failed += 1

    def look(self):
        """Drops those that were closed."""
        for one in [one for one in self.open if is_closed(one)]:
            one.close()
            del self.open[one]

    def oldest_s(self):
        return time.monotonic() - min(self.open.values(), default=time.monotonic())

    def end(self):
        for one in self.open:
            one.close()

    def __str__(self):
        return f"{self.opened:,} connections, {len(self.open):,} open at the end, {self.failed:,} not opened"


def is_closed(sock):
    try:
        return not sock.recv(4096)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def hold(pace, *makes):
    """Opens connections of each kind in turn, and keeps them."""
    held, looked = Held(), 0
    while pace.turn(len(makes)):
        for make in makes:
            held.add(make)
        if pace.elapsed() > looked + 1:
            held.look()
            looked = pace.elapsed()
    held.look()
    return held


def dial(address):
    return socket.create_connection(address, timeout=2)


@row("15", "silent TCP to gRPC", 100)
def silent_tcp(aim, pace):
    held = hold(pace, lambda: dial(aim.grpc))
    oldest = held.oldest_s()
    broken = [f"a silent connection is open after {oldest:.0f} s"] if oldest > SILENCE_S and not aim.is_sink else []
    held.end()
    return Outcome(str(held), broken)


def idle(aim):
    """A connection of HTTP/2 that has begun, and does nothing more."""
    sock = wire.secured(dial(aim.grpc), aim.trust)
    sock.sendall(wire.PREFACE + wire.frame(wire.SETTINGS, 0, 0))
    return sock


def idle_http(aim):
    """A connection of HTTP that has asked once."""
    sock = wire.secured(dial(aim.http), aim.trust)
    sock.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return sock


@row("16", "idle, at 1,024 descriptors", 100, descriptors=1024)
def few_descriptors(aim, pace):
    held = hold(pace, lambda: idle(aim))
    held.end()
    return Outcome(str(held))


@row("17", "idle connections, gRPC and HTTP", 200)
def idle_connections(aim, pace):
    held = hold(pace, lambda: idle(aim), lambda: idle_http(aim))
    held.end()
    return Outcome(str(held))


def unfinished(aim, head, body):
    """A request that never becomes whole, as far as the node takes it."""

    def make():
        sock = wire.secured(dial(aim.http), aim.trust)
        sock.settimeout(0.2)
        with contextlib.suppress(OSError):
            sock.sendall(head.encode() + body)
        return sock

    return make


@row("18a", "405 kB of headers, HTTP", 25)
def long_headers(aim, pace):
    held = hold(pace, unfinished(aim, "POST /step HTTP/1.1\r\nhost: localhost\r\nx-long: ", b"x" * 405_000))
    held.end()
    return Outcome(str(held))


@row("18b", "1 MB bodies, unfinished", 20)
def long_bodies(aim, pace):
    head = "POST /step HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
    held = hold(pace, unfinished(aim, head, b" " * 990_000))
    held.end()
    return Outcome(str(held))


# --- Links


def hello(node, cluster="psi-field", ahead_s=0, protocol=1):
    """The first frame of a link."""
    shown = wire.packed(1, cluster) + wire.packed(2, node) + wire.number(4, protocol) + wire.number(5, protocol)
    return wire.packed(1, shown + wire.fixed(6, int((time.time() + ahead_s) * 1000)) + wire.number(7, 1))


def open_link(line, first=None):
    stream, begun = line.begin(LINK)
    line.send(begun + (wire.frame(wire.DATA, 0, stream, wire.message(first)) if first else b""))


@row("4", "six links, clocks a day ahead", 20,
     excused={"agreement": "without a key any stranger is a node, whose clock counts"})
def clocks(aim, pace):
    lines = Lines(aim, 1)
    while pace.turn():
        line = lines.get()
        if line and line.drain() and len(line.rooms) < 6:
            open_link(line, hello(f"forged-{len(line.rooms)}", ahead_s=86_400))
    return lines.outcome("as often as they ended")


@row("20a", "silent links", 500)
def silent_links(aim, pace):
    lines, at = Lines(aim, 30), 0
    while pace.turn():
        at = (at + 1) % 30
        line = lines.get(at)
        if line and line.drain() and len(line.rooms) < STREAMS:
            open_link(line)
    return lines.outcome(f"{pace.units:,} links")


@row("20b", "bad links", 1_000)
def bad_links(aim, pace):
    frames = [hello("x", cluster="another"), hello("x", protocol=99), hello("n1"), hello("é"), wire.packed(2, b"")]
    lines = Lines(aim, 4)
    while pace.turn():
        line = lines.get(pace.units % 4)
        if line and line.drain() and (aim.is_sink or len(line.rooms) < STREAMS):
            open_link(line, frames[pace.units % len(frames)])
    lines.end()
    # With a key they are refused before a frame of theirs is read; without one, some are answered by a frame.
    return Outcome(f"{pace.units:,} links; {lines}")


# --- A node


@row("5", "a node with another key", 50, needs_key=True)
def join(aim, pace):
    key = aim.folder / ("sink.other.key" if aim.is_sink else "other.key")
    key.unlink(missing_ok=True)
    subprocess.run([aim.program, "key", "--write", key], check=True, capture_output=True, env=ENVIRONMENT)
    command = [aim.program, "node", "--node-id=n9", f"--security-key-file={key}", "--cluster-join-ms=300"]
    command += [f"--{service}-listen=127.0.0.1:{free_port()}" for service in ("grpc", "http")]
    command += [f"--gossip-listen=127.0.0.1:{free_port(socket.SOCK_DGRAM)}"]
    command += ["--cluster-seeds=" + ",".join(f"{host}:{port}" for host, port in aim.gossip)]
    said = subprocess.DEVNULL
    stranger, lines = subprocess.Popen(command, stdout=said, stderr=said, env=ENVIRONMENT), Lines(aim, 1)
    try:
        while pace.turn():
            line = lines.get()
            if line and line.drain() and (aim.is_sink or len(line.rooms) < STREAMS):
                line.call(CALLS[pace.units % len(CALLS)], b"")
    finally:
        stranger.kill()
        stranger.wait()
    return lines.outcome(f"and {pace.units:,} calls without a token")
