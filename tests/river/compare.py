#!/usr/bin/env python3
"""Runs detectors of the library River on the streams of `psi-field bench drift`, and judges them by the same rules.

    pip install 'river==0.26.1' numpy
    psi-field bench drift streams --output json > ours.json
    tests/river/compare.py streams --ours ours.json    # a table of all, ours beside theirs
    tests/river/compare.py streams --sets nab          # only the sets whose names contain a word
    tests/river/compare.py streams --markdown          # the table for a document

`psi-field bench drift --help` says how the folder has to look, and what counts as found and as a false alarm. It also
says which sets are drawn from the training rows of a stream. They are drawn here too, with the same generator and
seeds, so they are the same rows. With --ours, sets with other windows or quiet rows than in that file are an error.

Each detector has the settings of River's constructors, and looks at each column by itself:
- ADWIN: delta 0.002.
- Page-Hinkley: delta 0.005, threshold 50, both directions.
- KSWIN: alpha 0.005, windows of 100 and 30 rows, seed 1.
- PSI > 0.25: no part of River but the rule of thumb. The latest rows, an eighth of the training, are compared with the
  training at every tenth row. There are 10 bins by the quantiles of the training; an empty bin counts as 0.01 %.

The score of a row is 1 where the detector of any column alarms, else 0. After an alarm that detector starts over, as
River does by itself; those of other columns go on. They see the training rows first, in which no alarm counts. Columns
are brought to mean 0 and deviation 1 by their training rows, since ADWIN and Page-Hinkley depend on the unit. What is
no finite number counts as the mean.

River's KSWIN takes 0.2 ms a number, and the streams have seven million. So it is computed here for many rows at once,
with the samples that River draws from that seed. Each run first compares that with River itself on a short stream.

It needs Python 3.11 or newer. Exit code 77 if River or NumPy is missing, 1 if the streams can't be read. The figures in
BENCHMARKS.md are of River 0.26.1, NumPy 2.4.6 and SciPy 1.17.1. The whole run takes 15 seconds on one core.
"""

import argparse
import json
import pathlib
import random
import sys
import time

RIVER = "0.26.1"  # the version that the figures are of
MISSING = 77

try:
    import numpy as np
    import river
    from river import drift
    from scipy import stats
except ImportError as error:
    np, why = None, error

QUIET = 50  # rows without an alarm before the next one counts
AFTERMATH = 60  # rows after a window that are not quiet
LOOK = 10  # rows from one look of PSI to the next

# The sets that are drawn from a stream.
ROWS, TRAIN, CHANGE, RAMP, STREAMS = 9_000, 3_000, 6_000, 1_000, 8
BLOCKS = {"independent": 1, "blocks": 60}
CHANGES = [None, "shift", "spread", "ramp", "decorrelation"]


class Failed(Exception):
    """What keeps the streams from being judged."""


# --- Streams: as `psi-field bench drift` reads and draws them


class Stream:
    """Rows, how many of them are training, and the first and last row of each change."""

    def __init__(self, name, rows, train, windows):
        self.name, self.rows, self.train, self.windows = name, rows, train, windows

    def columns(self):
        """Each column with mean 0 and deviation 1 in the training."""
        for numbers in self.rows.T:
            known = numbers[: self.train][np.isfinite(numbers[: self.train])]
            mean, deviation = (known.mean(), known.std()) if known.size else (0.0, 0.0)
            numbers = np.where(np.isfinite(numbers), numbers, mean)
            yield (numbers - mean) / (deviation if deviation > 0 else 1.0)


def read_sets(folder):
    """The streams of each set in a folder."""
    try:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        sets = {}
        for name, label in sorted(labels.items()):
            rows = read_rows(folder / f"{name}.csv")
            stream = Stream(name, rows, label["train"], [tuple(window) for window in label["windows"]])
            if stream.train >= len(rows) or any(not stream.train <= a <= b < len(rows) for a, b in stream.windows):
                raise Failed(f"{folder}/labels.json, {name}: training or windows don't fit {len(rows)} rows")
            sets.setdefault(name.split("/")[0], []).append(stream)
    except (OSError, ValueError) as fault:
        raise Failed(f"can't read the streams: {fault}") from fault
    except (KeyError, TypeError, AttributeError) as fault:
        raise Failed(f"{folder}/labels.json needs `train` and `windows` for each stream; --help shows how") from fault
    return sets


def read_rows(path):
    with path.open(encoding="utf-8-sig") as file:
        has_header = not any(map(is_number, file.readline().split(",")))
        file.seek(0)
        return np.loadtxt(file, delimiter=",", quotechar='"', comments=None, skiprows=int(has_header), ndmin=2)


def is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


class SplitMix64:
    """The generator of psi-field's benchmarks."""

    def __init__(self, seed):
        self.state = np.uint64(seed)

    def below(self, n, count):
        """The next numbers below `n`."""
        step = np.uint64(0x9E3779B97F4A7C15)
        with np.errstate(over="ignore"):
            bits = self.state + step * np.arange(1, count + 1, dtype=np.uint64)
            self.state = bits[-1]
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((bits ^ (bits >> np.uint64(31))) % np.uint64(n)).astype(np.int64)


def drawn_sets(streams):
    """The sets drawn from streams of at least two columns and enough training."""
    for source in streams:
        if source.train >= TRAIN and source.rows.shape[1] > 1:
            for what, block in BLOCKS.items():
                kinds = [(kind, n) for kind in range(len(CHANGES)) for n in range(STREAMS)]
                pool = source.rows[: source.train]
                yield f"{source.name}, {what}", [drawn(pool, block, kind, STREAMS * kind + n) for kind, n in kinds]


def drawn(pool, block, kind, seed):
    """Rows drawn from a stream's training, with a change."""
    generator, change = SplitMix64(seed), CHANGES[kind]

    def draw():
        first = generator.below(len(pool) - block + 1, -(-ROWS // block))
        return pool[(first[:, None] + np.arange(block)).ravel()[:ROWS]]

    rows = draw()
    others = [draw() for _ in pool.T] if change == "decorrelation" else []
    spreads = [spread(numbers) for numbers in pool.T]
    varying = [column for column, (_, deviation) in enumerate(spreads) if deviation > 0]
    column = varying[generator.below(len(varying), 1)[0]] if varying else 0
    mean, deviation = spreads[column]
    after = rows[CHANGE:, column]
    if change == "shift":
        after += 0.5 * deviation
    elif change == "spread":
        after[:] = mean + 1.5 * (after - mean)
    elif change == "ramp":
        after += np.minimum(np.arange(ROWS - CHANGE) / RAMP, 1.0) * deviation
    for place, other in enumerate(others):
        rows[CHANGE:, place] = other[CHANGE:, place]
    return Stream(str(change), rows, TRAIN, [(CHANGE, ROWS - 1)] if change else [])


def spread(numbers):
    """Mean and deviation, added up in the order of the rows."""
    mean = np.cumsum(numbers)[-1] / len(numbers)
    return mean, np.sqrt(np.cumsum((numbers - mean) ** 2)[-1] / len(numbers))


# --- Detectors: the rows at which a column scores 1


def by_row(new):
    """A detector of River, which takes one number at a time and starts over by itself after an alarm."""

    def rows(column, _):
        detector = new()
        for row, number in enumerate(column.tolist()):
            detector.update(number)
            if detector.drift_detected:
                yield row

    return rows


class Kswin:
    """River's KSWIN for many rows at once."""

    SEED = 1
    CHUNK = 256  # rows at first; more where no alarm comes

    def __init__(self):
        like = drift.KSWIN()
        self.size, self.stat = like.window_size, like.stat_size
        self.random, self.samples = random.Random(self.SEED), np.empty((0, self.stat), dtype=np.int64)
        ramp = np.arange(self.stat)
        # The least gap between the counts of both samples whose p-value alarms.
        gaps = (gap for gap in ramp if gap > 0.1 * self.stat)
        self.gap = next(gap for gap in gaps if stats.ks_2samp(ramp, ramp + gap - 0.5).pvalue <= like.alpha)
        self.check()

    def check(self):
        """Compares with River itself, on numbers with jumps and ties."""
        generator = random.Random(0)
        column = [round(generator.gauss(row // 400 % 3 / 2, 1), 1) for row in range(1_600)]
        want = list(by_row(lambda: drift.KSWIN(seed=self.SEED))(np.array(column), 0))
        if not want or list(self(np.array(column), 0)) != want:
            raise Failed(f"KSWIN of River {river.__version__} is another than this script's, which is of {RIVER}")

    def sample(self, first, count):
        """Which older rows of the window are compared, at so many tests after a start."""
        missing = first + count - len(self.samples)
        if missing > 0:
            older = range(self.size - self.stat)
            samples = [self.random.sample(older, self.stat) for _ in range(missing)]
            self.samples = np.concatenate([self.samples, samples])
        return self.samples[first : first + count]

    def __call__(self, column, _):
        ranks = np.unique(column, return_inverse=True)[1].astype(np.int32) * 2
        start, tests, chunk = 0, 0, self.CHUNK  # the first row since it started, and tests since
        while (count := min(chunk, len(ranks) - start - self.size + 1 - tests)) > 0:
            window = start + tests + np.arange(count)[:, None]
            older = ranks[window + self.sample(tests, count)]
            latest = ranks[window + np.arange(self.size - self.stat, self.size)] + 1
            merged = np.sort(np.concatenate([older, latest], axis=1), axis=1)
            gaps = np.abs(np.cumsum(1 - 2 * (merged & 1), axis=1, dtype=np.int32))
            # Equal numbers count together, at the last of them.
            gaps[:, :-1][merged[:, :-1] | 1 == merged[:, 1:] | 1] = 0
            alarms = np.flatnonzero(gaps.max(axis=1) >= self.gap)
            if alarms.size:
                row = start + tests + int(alarms[0]) + self.size - 1
                yield row
                start, tests, chunk = row + 1, 0, self.CHUNK
            else:
                tests, chunk = tests + count, min(2 * chunk, 4_096)


def population_stability(column, train):
    """PSI > 0.25 of the latest rows, at every tenth row."""
    edges = np.unique(np.quantile(column[:train], np.arange(1, 10) / 10))
    bins = np.searchsorted(edges, column)[:, None] == np.arange(len(edges) + 1)
    counts = np.concatenate([np.zeros((1, len(edges) + 1)), np.cumsum(bins, axis=0)])
    length = max(train // 8, 1)
    ends = np.arange(train + LOOK, len(column) + 1, LOOK)
    want = np.maximum(counts[train] / train, 1e-4)
    got = np.maximum((counts[ends] - counts[ends - length]) / length, 1e-4)
    return (ends[((got - want) * np.log(got / want)).sum(axis=1) > 0.25] - 1).tolist()


DETECTORS = {
    "ADWIN": lambda: by_row(lambda: drift.ADWIN(delta=0.002)),
    "Page-Hinkley": lambda: by_row(drift.PageHinkley),
    "KSWIN": Kswin,
    "PSI > 0.25": lambda: population_stability,
}


# --- What counts as found, and what as a false alarm


def alarms_of(detector, stream):
    """Where an alarm begins: the rows that score 1 after enough rows that don't."""
    latest, alarms = None, []
    for row in sorted({row for column in stream.columns() for row in detector(column, stream.train)}):
        if latest is None or row - latest > QUIET:
            alarms.append(row)
        latest = row
    return alarms


class Tally:
    """What the streams of a set come to."""

    def __init__(self):
        self.windows, self.delays, self.false_alarms, self.quiet_rows = 0, [], 0, 0

    def add(self, stream, alarms):
        is_quiet = np.arange(len(stream.rows)) >= stream.train
        for first, last in stream.windows:
            is_quiet[first : last + AFTERMATH + 1] = False
            self.delays += [row - first for row in alarms if first <= row <= last][:1]
        self.windows += len(stream.windows)
        self.false_alarms += int(is_quiet[alarms].sum()) if alarms else 0
        self.quiet_rows += int(is_quiet.sum())

    def score(self):
        return {
            "found": len(self.delays),
            "windows": self.windows,
            "median_delay": sorted(self.delays)[len(self.delays) // 2] if self.delays else None,
            "false_alarms": self.false_alarms,
            "quiet_rows": self.quiet_rows,
            "per_10_000": 1e4 * self.false_alarms / max(self.quiet_rows, 1),
        }


def plural(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def measured(sets, detectors):
    """The rows of the table."""
    for name, streams in sets.items():
        for title, detector in detectors.items():
            tally, shown = Tally(), time.monotonic()
            print(f"{name}, {title}: {plural(len(streams), 'stream')}", file=sys.stderr)
            for done, stream in enumerate(streams):
                if time.monotonic() - shown > 2:
                    shown = time.monotonic()
                    print(f"{name}, {title}: {done} of {len(streams)} are done", file=sys.stderr)
                tally.add(stream, alarms_of(detector, stream))
            yield {"set": name, "detector": title, **tally.score()}


# --- The table


SHOWN = ["set", "found", "windows", "median_delay", "quiet_rows", "per_10_000"]


def read_ours(path):
    """What `psi-field bench drift --output json` printed."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [{"detector": f"psi-field, {row['alarms']}", **{key: row[key] for key in SHOWN}} for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise Failed(f"{path} is not what `psi-field bench drift FOLDER --output json` prints: {fault}") from fault


def joined(ours, theirs):
    """Our rows before theirs, set by set. Both must be of the same streams."""
    rows = []
    for name in dict.fromkeys(row["set"] for row in theirs):
        beside = [row for row in theirs if row["set"] == name]
        own = [row for row in ours if row["set"] == name]
        if ours and not own:
            raise Failed(f"the file of --ours has no set {name}")
        for key in ("windows", "quiet_rows"):
            counts = {row[key] for row in own + beside}
            if len(counts) > 1:
                raise Failed(f"the file of --ours is of other streams: {key} of {name} are {sorted(counts)}")
        rows += own + beside
    return rows


def cells(row):
    delay = "–" if row["median_delay"] is None else str(row["median_delay"])
    per_10_000 = f"{row['per_10_000']:.1f}".removesuffix(".0")
    return [row["set"], row["detector"], f"{row['found']}/{row['windows']}", delay, per_10_000]


def table(rows, markdown):
    header = ["set", "detector", "found", "median delay, rows", "false alarms in 10,000 quiet rows"]
    lines = [cells(row) for row in rows]
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])
    widths = [max(map(len, column)) for column in zip(header, *lines)]
    form = "{:<%d}  {:<%d}  {:>%d}  {:>%d}  {:>%d}" % tuple(widths)
    return "\n".join(form.format(*line) for line in [header, *lines])


def chosen(names, words):
    """Those names that contain one of the words; all if there are no words."""
    return [name for name in names if not words or any(word.lower() in name.lower() for word in words)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="folder with labels.json and the streams that it names")
    parser.add_argument("--sets", nargs="+", metavar="WORD", help="only sets whose names contain one of these")
    parser.add_argument("--detectors", nargs="+", metavar="WORD", help=f"likewise: {', '.join(DETECTORS)}")
    parser.add_argument("--ours", type=pathlib.Path, metavar="FILE", help="what `bench drift --output json` printed")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    options = parser.parse_args()
    if np is None:
        print(f"compare.py: {why}; pip install 'river=={RIVER}' numpy", file=sys.stderr)
        return MISSING
    if river.__version__ != RIVER:
        print(f"compare.py: River is {river.__version__}; the figures known are of {RIVER}", file=sys.stderr)
    try:
        print(f"reading {options.folder}", file=sys.stderr)
        ours = read_ours(options.ours) if options.ours else []
        sets = {}
        for name, streams in sorted(read_sets(options.folder).items()):
            sets |= {name: streams, **dict(drawn_sets(streams))}
        sets = {name: sets[name] for name in chosen(sets, options.sets)}
        titles = chosen(DETECTORS, options.detectors)
        if not sets or not titles:
            raise Failed("no set or detector has such a name")
        theirs = list(measured(sets, {title: DETECTORS[title]() for title in titles}))
        print(table(joined(ours, theirs), options.markdown))
    except Failed as fault:
        print(f"compare.py: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
