"""Attacks by frames of HTTP/2 and by calls that never become whole."""

import contextlib
import struct

from . import wire
from .pace import Outcome, row

CANCEL = struct.pack(">I", 8)
# A call of a batch may have so many bytes; the last ones never come.
LONGEST = 4_000_000
STREAMS = 100


class Lines:
    """Connections to one address; one that ends is opened again."""

    def __init__(self, aim, count, settings=b""):
        self.aim, self.settings, self.lines, self.opened = aim, settings, [None] * count, 0
        self.granted = self.refused = self.reset = 0

    def get(self, at=0):
        """An open connection, or `None` if the port takes none just now."""
        if self.lines[at] is None or not self.lines[at].is_open:
            self.drop(at)
            with contextlib.suppress(OSError):
                self.lines[at] = wire.Line(self.aim.grpc, self.aim.trust, self.settings)
                self.opened += 1
        return self.lines[at]

    def drop(self, at):
        line, self.lines[at] = self.lines[at], None
        if line is not None:
            self._count(line)
            line.close()

    def _count(self, line):
        self.granted, self.refused, self.reset = (
            self.granted + line.granted, self.refused + line.refused, self.reset + line.reset
        )

    def end(self):
        for at in range(len(self.lines)):
            self.drop(at)

    def __str__(self):
        return f"{self.opened} connections, {self.granted:,} granted, {self.refused:,} refused, {self.reset:,} reset"

    def let_in(self):
        """With a key nothing is granted to a stranger."""
        is_let_in = self.aim.with_key and not self.aim.is_sink and self.granted
        return [f"{self.granted:,} calls of a stranger were granted"] if is_let_in else []

    def outcome(self, did):
        self.end()
        return Outcome(f"{did}; {self}", self.let_in())


@row("12a", "calls that are reset at once", 5_000)
def rapid_reset(aim, pace):
    lines = Lines(aim, 1)
    while pace.turn(100):
        if line := lines.get():
            calls = [line.begin(wire.STEP) for _ in range(100)]
            line.rooms.clear()
            line.send(b"".join(begun + wire.frame(wire.RST_STREAM, 0, stream, CANCEL) for stream, begun in calls))
            line.drain()
    return lines.outcome(f"{pace.units / pace.elapsed():,.0f} a second")


@row("12b", "headers without end", 1_000)
def continuation(aim, pace):
    lines = Lines(aim, 1)
    # A field of 16 kB that no table keeps.
    field = b"\0\x01x" + b"\x7f" + wire.varint(16_000 - 127) + b"v" * 16_000
    more = wire.frame(wire.CONTINUATION, 0, 1, field)
    while pace.turn():
        line = lines.get()
        if line is None:
            continue
        if line.next == 1:
            line.next = 3
            line.send(wire.frame(wire.HEADERS, 0, 1, wire.headers(wire.STEP)))
        line.send(more)
        line.drain()
    return lines.outcome(f"{pace.units / pace.elapsed():,.0f} frames of 16 kB a second")


@row("12c", "PING, answers unread", 50_000)
def ping(aim, pace):
    lines, batch = Lines(aim, 10), wire.frame(wire.PING, 0, 0, b"stranger") * 500
    at = 0
    while pace.turn(500):
        at = (at + 1) % 10
        if line := lines.get(at):
            line.send(batch)
    return lines.outcome(f"{pace.units / pace.elapsed():,.0f} a second")


@row("13", "4 MB messages, unfinished", 1_000)
def unfinished(aim, pace):
    """A unit is 16 kB. Streams take turns, each as far as the node lets it."""
    lines, left, at = Lines(aim, 4), {}, 0
    while pace.turn():
        at = (at + 1) % 4
        line = lines.get(at)
        if line is None or not line.drain():
            continue
        if len(line.rooms) < STREAMS:
            stream, begun = line.begin("PsiFieldService/StepBatch")
            line.send(begun + wire.frame(wire.DATA, 0, stream, wire.message(b"", LONGEST)))
            line.room, line.rooms[stream], left[line, stream] = line.room - 5, line.rooms[stream] - 5, LONGEST - 1
        for stream, room in list(line.rooms.items()):
            length = min(room, line.room, 16_384, left.get((line, stream), 0))
            if length > 0:
                line.send(wire.frame(wire.DATA, 0, stream, bytes(length)))
                line.room, line.rooms[stream] = line.room - length, room - length
                left[line, stream] -= length
                break
    sent = sum(LONGEST - 1 - rest for rest in left.values())
    return lines.outcome(f"{len(left):,} messages, {sent / 1e6:,.0f} MB of them")


@row("14", "4 MB announced, 5 bytes sent", 500)
def announced(aim, pace):
    lines, at = Lines(aim, 20), 0
    while pace.turn():
        at = (at + 1) % 20
        line = lines.get(at)
        if line and line.drain() and len(line.rooms) < STREAMS:
            stream, begun = line.begin("PsiFieldService/StepBatch")
            line.send(begun + wire.frame(wire.DATA, 0, stream, wire.message(b"", LONGEST)))
    return lines.outcome(f"{pace.units:,} calls")


def watch(aim, pace, method, request):
    """Streams whose answers nobody reads. With a key it is seen first that none is granted."""
    streams = 200
    refused = Lines(aim, 1)
    if aim.with_key and not aim.is_sink and (line := refused.get()):
        line.ask(method, request)
    refused.end()
    # As large windows as there are, and then nothing is read.
    lines, at, asked = Lines(aim, 100, struct.pack(">HI", 4, wire.LARGEST_WINDOW)), 0, 0
    while pace.turn():
        line = lines.get(at)
        if line is None or line.next > 2 * streams:
            at = (at + 1) % 100
            continue
        line.call(method, request)
        asked += 1
    lines.end()
    return Outcome(f"{asked:,} streams on {lines.opened} connections", refused.let_in())


@row("19a", "WatchState, unread", 1_000)
def watch_state(aim, pace):
    return watch(aim, pace, "PsiFieldService/WatchState", wire.number(2, 20))


@row("19b", "WatchSteps, unread", 500)
def watch_steps(aim, pace):
    return watch(aim, pace, "PsiFieldService/WatchSteps", b"")


def calls(aim, pace, requests):
    """Calls one after the other, as many as are asked for, not more at once than a connection takes."""
    lines, at = Lines(aim, 4), 0
    for method, request in requests:
        if not pace.turn():
            break
        at = (at + 1) % 4
        line = lines.get(at)
        # An answer makes room for the next call.
        if line and line.drain() and (aim.is_sink or len(line.rooms) < STREAMS):
            line.call(method, request)
    return lines.outcome(f"{pace.units:,} calls")


FULL = "at limits.state_bytes_max no node takes steps in"
# Without a key anyone is an operator, whose actions are all logged.
AUDITED = {"log": "what operators do is logged, and without a key anyone is one"}


@row("21", "10,000 fields", 500, settings=("--limits-fields-max=1000",), excused=AUDITED)
def fields(aim, pace):
    created = (wire.packed(1, f"field-{n}") + wire.packed(2, "synthetic") for n in range(10**9))
    return calls(aim, pace, (("PsiFieldService/CreateField", one) for one in created))


@row("22", "wide fields, and of `core`", 150, settings=("--limits-state-bytes-max=1048576",),
     excused={"calls": FULL, "p99": FULL, **AUDITED})
def wide_fields(aim, pace):
    def requests():
        for n in range(10**9):
            width, engine = ((4096, "synthetic"), (256, "core"))[n % 2]
            name = f"field-{n}"
            yield "PsiFieldService/CreateField", wire.packed(1, name) + wire.packed(2, engine) + wire.number(3, width)
            yield wire.STEP, wire.step([0.5] * width, name)

    return calls(aim, pace, requests())


@row("23", "long request ids", 2_500)
def request_ids(aim, pace):
    made = (f"{n:0128}" if n % 10 else f"{n:04000}" for n in range(10**9))
    return calls(aim, pace, ((wire.STEP, wire.step(request_id=one)) for one in made))
