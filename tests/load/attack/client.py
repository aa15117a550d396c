"""The honest client: calls Step at a steady rate over warm connections, and over a new connection now and then."""

import multiprocessing
import time

from . import wire

RATE = 200
CONNECTIONS = 4
# A call in so many opens a connection of its own, which must not fail either. Its time is left out of the percentiles:
# most of it is the handshake.
FRESH = 100


class Honest:
    """The client, in a process of its own."""

    def __init__(self, address, trust, token):
        self.stop = multiprocessing.Event()
        ours, theirs = multiprocessing.Pipe(duplex=False)
        self.samples = ours
        what = (address, trust, token, self.stop, theirs)
        self.process = multiprocessing.Process(target=_run, args=what, daemon=True)
        self.process.start()

    def result(self):
        """All calls: when each was due, how long it took, whether on a new connection, and what went wrong."""
        self.stop.set()
        found = self.samples.recv() if self.samples.poll(30) else []
        self.process.join(5)
        return found


def percentile(samples, share):
    """Of latencies, in milliseconds."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3 if ordered else float("nan")


def _run(address, trust, token, stop, out):
    lines, samples, due, count = [None] * CONNECTIONS, [], time.monotonic(), 0
    while not stop.is_set():
        time.sleep(max(0, due - time.monotonic()))
        # Connections are the places of a list; one more is for calls that open their own.
        at = None if count % FRESH == FRESH - 1 else count % CONNECTIONS
        is_fresh, failed = at is None or lines[at] is None, None
        try:
            line = wire.Line(address, trust) if is_fresh else lines[at]
            if line.ask(wire.STEP, wire.step(), token) is None:
                failed = "refused"
            if at is None:
                line.close()
            else:
                lines[at] = line
        except OSError as error:
            failed = f"{type(error).__name__}: {error}"
            if at is not None:
                lines[at] = None
        # From when it was due: a call that had to wait for another one has waited as well.
        samples.append((due, time.monotonic() - due, is_fresh, failed))
        # What a call that failed has delayed is not held against those behind it.
        count, due = count + 1, (time.monotonic() if failed else due) + 1 / RATE
    out.send(samples)
