"""What tests of models share: three nodes on loopback, and inputs of a model that come steadily, and shift."""

import contextlib
import pathlib
import random
import tempfile
import threading
import time

from cluster import Node, stopped_at_the_end, wait_for

WIDTH = 3
# Three deviations of the first column: nobody doubts that this is drift.
SHIFT = 3.0
BATCHES_PER_SECOND = 4


def inputs(numbers, rows, shift=0.0):
    """So many vectors of a field that is WIDTH wide, by a source of random numbers."""
    normal = numbers.gauss
    return [[normal(shift, 1.0), normal(5.0, 1.0), normal(0.0, 2.0)] for _ in range(rows)]


class InputSource(threading.Thread):
    """Inputs of one field at a steady rate. `send` gets the number of a batch and the body of `POST /steps`."""

    def __init__(self, field, send, rate):
        super().__init__(daemon=True)
        self.field, self.send, self.rows = field, send, rate // BATCHES_PER_SECOND
        self.numbers, self.shift, self.shifted, self.failed = random.Random(7), 0.0, None, None
        self.ended = threading.Event()

    def shift_by(self, shift):
        """From the next batch on. `shifted` is when that was sent, by the clock of this machine."""
        self.shifted, self.shift = None, shift

    def run(self):
        begun, number = time.monotonic(), 0
        while not self.ended.wait(max(0.0, begun + number / BATCHES_PER_SECOND - time.monotonic())):
            shift = self.shift
            if shift and self.shifted is None:
                self.shifted = time.time()
            try:
                self.send(number, {"field": self.field, "inputs": inputs(self.numbers, self.rows, shift)})
            except AssertionError as error:
                self.failed = error
                return
            number += 1

    def check(self):
        """Fails where a batch was refused."""
        if self.failed is not None:
            raise AssertionError(f"inputs of {self.field} are not accepted: {self.failed}")

    def stop(self):
        self.ended.set()
        self.join()


@contextlib.contextmanager
def three_nodes():
    """Nodes with data directories, so that they can vote; stopped at the end, and shown if that is a bad one."""
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as nodes:
        folder = pathlib.Path(name)
        for number in range(3):
            settings = ("--data-dir", folder / f"data-{number}")
            nodes.append(Node(f"n{number}", folder, nodes[0].gossip if nodes else None, settings).start())
        wait_for("all nodes are ready", lambda: all(node.ready() for node in nodes))
        yield nodes
