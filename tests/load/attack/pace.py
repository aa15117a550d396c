"""What an attack is given: where to aim, and how much of a core it may take."""

import dataclasses
import os
import pathlib
import ssl
import time

# A stranger's own machine works for an attack, not a node's. So an attack gets a fifth of a core, after all others.
CPU_SHARE = 0.2
NICENESS = 10


@dataclasses.dataclass
class Aim:
    """Nodes, or a sink in their place."""

    grpc: tuple
    http: tuple
    gossip: list
    trust: ssl.SSLContext | None
    is_sink: bool
    with_key: bool
    program: pathlib.Path
    folder: pathlib.Path


class Pace:
    """How fast an attack goes, and for how long."""

    def __init__(self, seconds, rate):
        os.nice(NICENESS)
        self.begun, self.cpu, self.rate, self.units = time.monotonic(), time.process_time(), rate, 0
        self.ends = self.begun + seconds

    def turn(self, units=1):
        """Waits until so many more units are due; whether there is time left."""
        self.units += units
        due = self.begun + max(self.units / self.rate, (time.process_time() - self.cpu) / CPU_SHARE)
        time.sleep(max(0.0, min(due, self.ends) - time.monotonic()))
        return time.monotonic() < self.ends

    def elapsed(self):
        return time.monotonic() - self.begun


@dataclasses.dataclass
class Outcome:
    """What an attack did, in words, and what it found that should not be."""

    did: str
    broken: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Row:
    """An attack of the threat model."""

    number: str
    name: str
    rate: float
    attack: object
    # Settings of the nodes without a key: where a caller who may do something does much of it.
    settings: tuple = ()
    descriptors: int | None = None
    # Whether it has a meaning without a key.
    needs_key: bool = False
    # What is not judged without a key, and why: `calls`, `agreement`, `log`.
    excused: dict = dataclasses.field(default_factory=dict)


ROWS = []


def row(number, name, rate, **others):
    """Registers an attack. `rate` is in whatever it counts, each second."""

    def register(attack):
        ROWS.append(Row(number, name, rate, attack, **others))
        return attack

    return register
