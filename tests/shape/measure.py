#!/usr/bin/env python3
"""Measures the shape of the Rust code in this workspace. `just shape` runs it.

It measures functions, files, folders, type names, circles of imports, and documents. The limits are in LIMITS. What stands in
target/ and what build scripts generate is left out.

    tests/shape/measure.py                    # the table, and what breaks a limit
    tests/shape/measure.py --check            # the same; exit code 1 if a limit is broken
    tests/shape/measure.py crates/psi-node    # only what is below that folder
    tests/shape/measure.py --longest 20       # also the longest functions and files
    tests/shape/measure.py --all              # also names that several files declare, and phrases to avoid

How it counts:
- A function counts from the line of its `fn` to its last brace; nested functions count too. The limit of the median is
  that of code outside tests and benchmarks; the median of all is shown beside it.
- The last word of a type's name may not be a participle, a gerund or an adjective. names.json holds the exceptions.
  Messages of proto/ are types too.
- README.md and ARCHITECTURE.md are maps. sentences.py says which sentences are long.
- A circle is a set of files of one crate that need each other through `crate::`, `super::`, `self::` or a child module.
  A name that a file re-exports leads on to the file that it comes from; a re-export alone is not a need. A comment
  above the import that contains the word "circle" excuses that import.

It needs Python 3.9 and nothing else.
"""

import argparse
import pathlib
import signal
import statistics
import sys
import textwrap

from imports import crates
from names import fault_of, messages, phrases
from rust import ROOT, rust_files
from sentences import documents, is_hard, lengths_of

WIDTH = 80

NAMESAKES = "type names declared in several files"
PHRASES = "phrases that prose avoids"
MEDIAN = "median function outside tests, lines"
MEDIAN_ALL = "median function with tests, lines"
LIMITS = {
    MEDIAN: 6,
    MEDIAN_ALL: None,
    "functions over 60 lines": 0,
    "files over 450 lines": 0,
    "types that are no nouns": 0,
    "circles of imports": 0,
    "folders over 12 files": 0,
    "maps over 10 kB": 0,
    "documents with long sentences": 0,
    NAMESAKES: None,
    PHRASES: None,
}
FUNCTION_LINES = 60
FILE_LINES = 450
FOLDER_FILES = 12
MAPS = ("README.md", "ARCHITECTURE.md")
MAP_BYTES = 10_000


def measured(files, below):
    """Each row of the table: name -> (value, [what breaks its limit])."""
    functions = [function for file in files.values() for function in file.functions()]
    outside = [lines for lines, _, test in functions if not test]
    long = sorted((f for f in functions if f[0] > FUNCTION_LINES), reverse=True)
    large = sorted(((f.lines, f.name) for f in files.values() if f.lines > FILE_LINES), reverse=True)
    types = [(name, f.name, line) for f in files.values() for name, line in f.types()]
    if not below or any((ROOT / "proto") == b or b in (ROOT / "proto").parents for b in below):
        types += messages()
    wrong = [f"{name} ({fault_of(name)}) {file}:{line}" for name, file, line in types if fault_of(name)]
    circles = ["; ".join(crate.described(group)) for crate in crates(files) for group in crate.circles()]
    circles = list(dict.fromkeys(circles))  # modules that several tests share count once
    folders = {}
    for path in files:
        folders.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(path)
    crowded = sorted(((len(paths), name) for name, paths in folders.items() if len(paths) > FOLDER_FILES), reverse=True)
    places = {}
    for name, file, _ in types:
        places.setdefault(name, set()).add(file)
    namesakes = sorted((name, files) for name, files in places.items() if len(files) > 1)
    avoided = list(phrases(below))
    counts = (len(files), len(functions), len(types), len(folders))
    return counts, {
        MEDIAN: (statistics.median(outside or [0]), []),
        MEDIAN_ALL: (statistics.median([lines for lines, _, _ in functions] or [0]), []),
        "functions over 60 lines": (len(long), [f"{lines} lines: {name}" for lines, name, _ in long]),
        "files over 450 lines": (len(large), [f"{lines} lines: {name}" for lines, name in large]),
        "types that are no nouns": (len(wrong), wrong),
        "circles of imports": (len(circles), circles),
        "folders over 12 files": (len(crowded), [f"{count} files: {name}" for count, name in crowded]),
        **measured_documents(below),
        NAMESAKES: (len(namesakes), [f"{name}: {', '.join(sorted(places))}" for name, places in namesakes]),
        PHRASES: (len(avoided), avoided),
    }


def measured_documents(below):
    """The rows about documents; of some folders, those below them."""
    texts = [path for path in documents(ROOT) if not below or any(b in path.parents for b in below)]
    large = [path for path in texts if path.name in MAPS and path.parent == ROOT and path.stat().st_size > MAP_BYTES]
    hard = [path for path in texts if is_hard(lengths_of(path))]
    return {
        "maps over 10 kB": (len(large), [f"{path.stat().st_size} bytes: {path.name}" for path in large]),
        "documents with long sentences": (len(hard), [path.relative_to(ROOT).as_posix() for path in hard]),
    }


def is_broken(name, value):
    return LIMITS[name] is not None and value > LIMITS[name]


def show(rows):
    print(f"{'what':<44}{'limit':>10}{'now':>12}{'verdict':>14}")
    print("-" * WIDTH)
    for name, (value, _) in rows.items():
        limit = "none" if LIMITS[name] is None else LIMITS[name]
        verdict = "-" if limit == "none" else "BROKEN" if is_broken(name, value) else "ok"
        print(f"{name:<44}{limit:>10}{value:>12g}{verdict:>14}")


def explain(rows, everything):
    for name, (_, faults) in rows.items():
        if LIMITS[name] is None and not everything:
            continue
        if faults:
            print(f"\n{name}:")
        for fault in faults:
            print(textwrap.fill(fault, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))


def show_longest(files, count):
    functions = [function for file in files.values() for function in file.functions()]
    print("\nlongest functions:")
    for lines, name, _ in sorted(functions, reverse=True)[:count]:
        print(f"  {lines:>4} {name}")
    print("\nlongest files:")
    for lines, name in sorted(((f.lines, f.name) for f in files.values()), reverse=True)[:count]:
        print(f"  {lines:>4} {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is broken")
    parser.add_argument("--all", action="store_true", help="also list what has no limit: names and phrases")
    parser.add_argument("--longest", type=int, metavar="N", default=0, help="show the N longest functions and files")
    parser.add_argument("folders", nargs="*", type=pathlib.Path, help="measure only what is below these")
    options = parser.parse_args()
    if ROOT is None:
        parser.error("no Cargo.lock here or above: call this in the workspace")
    below = [folder.resolve() for folder in options.folders]
    files = rust_files(below)
    counts, rows = measured(files, below)
    print("{} files, {} functions, {} types, {} folders\n".format(*counts))
    show(rows)
    explain(rows, options.all)
    if options.longest:
        show_longest(files, options.longest)
    broken = any(is_broken(name, value) for name, (value, _) in rows.items())
    return 1 if options.check and broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
