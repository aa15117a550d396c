#!/usr/bin/env python3
"""Measures the shape of the Rust code in this workspace. `just shape` runs it.

It measures functions, files, folders, type names and circles of imports. The limits are in LIMITS. What stands in
target/ and what build scripts generate is left out.

    tests/shape/measure.py                    # the table, and what breaks a limit
    tests/shape/measure.py --check            # the same; exit code 1 if a limit is broken
    tests/shape/measure.py crates/psi-node    # only what is below that folder
    tests/shape/measure.py --longest 20       # also the longest functions and files

How it counts:
- A function counts from the line of its `fn` to its last brace; nested functions count too. The limit of the median is
  that of code outside tests and benchmarks; the median of all is shown beside it.
- The last word of a type's name may not be a participle, a gerund or an adjective. names.json holds the exceptions.
  Messages of proto/ are types too.
- A circle is a set of files of one crate that need each other through `crate::`, `super::`, `self::` or a child module.
  A name that a file re-exports leads on to the file that it comes from; a re-export alone is not a need. A comment
  above the import that contains the word "circle" excuses that import.

It needs Python 3.9 and nothing else.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys
import textwrap

# The workspace that this is called in.
ROOT = next((p for p in [pathlib.Path.cwd(), *pathlib.Path.cwd().parents] if (p / "Cargo.lock").exists()), None)
NAMES = json.loads((pathlib.Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
WIDTH = 80

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
}
FUNCTION_LINES = 60
FILE_LINES = 450
FOLDER_FILES = 12


# --- Reading Rust

TOKEN = re.compile(
    r"""(?P<line>//[^\n]*)
      | (?P<block>/\*)
      | (?P<raw>\bb?r(?P<hashes>\#*)")
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<char>'(?:[^'\\\n]|\\(?:u\{[0-9a-fA-F_]+\}|x[0-9a-fA-F]{2}|.))')
    """,
    re.X | re.S,
)


def blank(piece):
    """The piece with all but its line ends turned into spaces."""
    return re.sub(r"[^\n]", " ", piece)


def block_end(source, start):
    """Where the block comment that begins at `start` ends. Rust nests them."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(source, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(source)


def code_of(source):
    """The source with comments and the contents of literals blanked; every offset and line stays where it is."""
    pieces, at = [], 0
    while match := TOKEN.search(source, at):
        end = match.end()
        if match["block"]:
            end = block_end(source, match.start())
        elif match["raw"]:
            closing = source.find('"' + match["hashes"], end)
            end = len(source) if closing < 0 else closing + 1 + len(match["hashes"])
        pieces += [source[at : match.start()], blank(source[match.start() : end])]
        at = end
    return "".join(pieces) + source[at:]


def closing_brace(code, start):
    """Offset of the brace that closes the one at `start`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return len(code) - 1


class RustFile:
    """One file: its code, functions, types and inline modules."""

    def __init__(self, path):
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.source = path.read_text(encoding="utf-8")
        self.code = code_of(self.source)
        self.lines = self.source.count("\n")
        blocks = re.finditer(r"\bmod\s+(\w+)\s*\{", self.code)
        self.inline = [(m.group(1), m.end() - 1, closing_brace(self.code, m.end() - 1)) for m in blocks]

    def line(self, offset):
        return self.code.count("\n", 0, offset) + 1

    def is_test(self, offset):
        """Whether a test or benchmark stands at `offset`."""
        parts = self.path.relative_to(ROOT).parts
        if {"tests", "benches"} & set(parts) or parts[-1] == "tests.rs":
            return True
        return any(name.startswith("tests") and start < offset < end for name, start, end in self.inline)

    def functions(self):
        """Each function with a body: (lines, its place and name, whether it belongs to tests)."""
        for match in re.finditer(r"\bfn\s+([A-Za-z_]\w*)", self.code):
            body = self.body(match.end())
            if body is not None:
                first = self.line(match.start())
                lines = self.line(closing_brace(self.code, body)) - first + 1
                yield lines, f"{self.name}:{first} {match.group(1)}", self.is_test(match.start())

    def body(self, at):
        """Offset of the brace that opens a function's body; none for a declaration that has no body."""
        depth = 0
        for match in re.compile(r"[(\[\])};{]").finditer(self.code, at):
            symbol = match.group()
            if symbol in "([":
                depth += 1
            elif symbol in ")]":
                depth -= 1
            elif depth == 0:
                return match.start() if symbol == "{" else None
        return None

    def types(self):
        """Names of structs, enums, unions and traits, and of type aliases outside `impl` and `trait`."""
        for match in re.finditer(r"\b(?:struct|enum|union|trait)\s+([A-Z]\w*)", self.code):
            yield match.group(1), self.line(match.start())
        blocks = re.finditer(r"^[ ]*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(?:impl|trait)\b[^;{]*\{", self.code, re.M)
        inside = [(m.end() - 1, closing_brace(self.code, m.end() - 1)) for m in blocks]
        for match in re.finditer(r"\btype\s+([A-Z]\w*)[^=;]*=", self.code):
            if not any(start < match.start() < end for start, end in inside):
                yield match.group(1), self.line(match.start())


# --- Type names


def words(name):
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", name)


def fault_of(name):
    """Why `name` is no name for a type; none if it is one."""
    if name in NAMES["exceptions"]:
        return None
    last = words(name)[-1].lower()
    if last in NAMES["nouns"]:
        return None
    if last in NAMES["participles"] or last.endswith("ed"):
        return "participle"
    if last.endswith("ing"):
        return "gerund"
    return "adjective" if last in NAMES["adjectives"] else None


def messages():
    """Names of messages and enums of the protocol buffers: (name, file, line)."""
    for path in sorted((ROOT / "proto").rglob("*.proto")):
        source = path.read_text(encoding="utf-8")
        for match in re.finditer(r"^\s*(?:message|enum)\s+(\w+)", source, re.M):
            name = path.relative_to(ROOT).as_posix()
            yield match.group(1), name, source.count("\n", 0, match.start(1)) + 1


# --- Imports


def trees(text):
    """The paths of a `use` tree, as lists of segments: `a::{b, c::*}` is [a, b] and [a, c, *]; names in the file."""
    text = text.strip()
    if "{" not in text:
        path, _, alias = text.partition(" as ")
        segments = [segment.strip() for segment in path.split("::") if segment.strip()]
        return [(segments, alias.strip() or (segments[-1] if segments else ""))]
    head, rest = text.split("{", 1)
    prefix = [segment.strip() for segment in head.split("::") if segment.strip()]
    inner, depth, parts, part = rest[: rest.rindex("}")], 0, [], ""
    for symbol in inner:
        depth += {"{": 1, "}": -1}.get(symbol, 0)
        if symbol == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += symbol
    found = []
    for part in [*parts, part]:
        if part.strip():
            for segments, name in trees(part):
                if segments == ["self"]:
                    found.append((prefix, prefix[-1] if name == "self" and prefix else name))
                else:
                    found.append((prefix + segments, name))
    return found


class Crate:
    """The files of one crate target as a tree of modules."""

    def __init__(self, root, files):
        self.files = {}  # module path -> RustFile
        self.uses = {}  # module path -> [(segments, name in the file, re-export, offset)]
        self.edges = {}  # module path -> set of module paths
        self.load((), root, files)
        for module in self.files:
            self.uses[module] = list(self.imports(module))
        for module in self.files:
            self.edges[module] = set(self.needs(module))

    def load(self, module, path, files):
        if path not in files or module in self.files:
            return
        self.files[module] = files[path]
        folder = path.parent if path.stem in ("lib", "main", "mod") or module == () else path.with_suffix("")
        for match in re.finditer(r"\bmod\s+(\w+)\s*;", files[path].code):
            name = match.group(1)
            before = files[path].source[: match.start()].rsplit("\n", 2)
            other = re.search(r'#\[path\s*=\s*"([^"]+)"\]', "\n".join(before[-2:]))
            places = [path.parent / other.group(1)] if other else [folder / f"{name}.rs", folder / name / "mod.rs"]
            for place in places:
                self.load((*module, name), place.resolve(), files)

    def scope(self, module, offset):
        """How many inline modules stand around `offset`: `super` of a `mod tests { … }` is the file itself."""
        return sum(start < offset < end for _, start, end in self.files[module].inline)

    def absolute(self, module, segments, offset):
        """The path from the crate's root, or none if it leads to another crate or is a plain name."""
        if not segments:
            return None
        depth = self.scope(module, offset)
        at = list(module) + ["{}"] * depth
        rest = list(segments)
        if rest[0] == "crate":
            return tuple(rest[1:])
        if rest[0] in ("self", "super"):
            while rest and rest[0] in ("self", "super"):
                if rest.pop(0) == "super":
                    at = at[:-1]
            return tuple(part for part in at if part != "{}") + tuple(rest)
        child = (*module, rest[0])
        return (*module, *rest) if depth == 0 and child in self.files else None

    def imports(self, module):
        file = self.files[module]
        for match in re.finditer(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", file.code):
            for segments, name in trees(match.group(2)):
                path = self.absolute(module, segments, match.start())
                if path is not None:
                    yield path, name, bool(match.group(1)), match.start()

    def home(self, path, seen=()):
        """The module whose file defines what `path` names; follows re-exports."""
        module = ()
        for index, segment in enumerate(path):
            if (*module, segment) in self.files:
                module = (*module, segment)
                continue
            for target, name, _, _ in self.uses.get(module, []):
                if name == segment and target not in seen and target != path[: index + 1]:
                    return self.home((*target, *path[index + 1 :]), (*seen, target))
            return module
        return module

    def needs(self, module):
        """Modules of other files that this one needs."""
        file = self.files[module]
        for path, name, exported, offset in self.uses[module]:
            if exported and not self.mentions(file, name):
                continue
            if not self.excused(file, offset):
                yield self.home(path)
        statements = [(m.start(), m.end()) for m in re.finditer(r"\buse\s+[^;]+;", file.code)]
        for match in re.finditer(r"(?<![\w:$])([a-z_]\w*)((?:::\w+)+)", file.code):
            if any(start <= match.start() < end for start, end in statements):
                continue
            segments = (match.group(1) + match.group(2)).split("::")
            path = self.absolute(module, segments, match.start())
            if path is not None and not self.excused(file, match.start()):
                yield self.home(path)

    @staticmethod
    def mentions(file, name):
        """Whether a re-exported name is also used in the file that re-exports it."""
        rest = re.sub(r"\buse\s+[^;]+;", "", file.code)
        return name != "*" and re.search(rf"(?<!mod )\b{re.escape(name)}\b", rest) is not None

    @staticmethod
    def excused(file, offset):
        """Whether a comment right above the line of `offset` speaks of a circle."""
        above = file.source[: file.source.rfind("\n", 0, offset) + 1].splitlines()
        for line in reversed(above):
            if not line.strip().startswith("//"):
                return False
            if "circle" in line.lower():
                return True
        return False

    def circles(self):
        """Sets of modules that need each other (strongly connected, Tarjan), the smallest of them pairs."""
        index, low, stack, found = {}, {}, [], []

        def visit(module):
            index[module] = low[module] = len(index)
            stack.append(module)
            for other in sorted(self.edges[module] - {module}):
                if other not in index:
                    visit(other)
                    low[module] = min(low[module], low[other])
                elif other in stack:
                    low[module] = min(low[module], index[other])
            if low[module] == index[module]:
                group = []
                while not group or group[-1] != module:
                    group.append(stack.pop())
                if len(group) > 1:
                    found.append(sorted(group))

        for module in sorted(self.files):
            if module not in index:
                visit(module)
        return found

    def described(self, group):
        """Which file of a circle needs which."""
        for module in group:
            others = sorted(self.edges[module] & set(group) - {module})
            yield f"{self.files[module].name} needs {', '.join(self.files[o].name.split('/src/')[-1] for o in others)}"


def crates(files):
    """Each target of each crate: its library or program, and every test, bench and example with its modules."""
    for path in sorted(files):
        relative = path.relative_to(ROOT).parts
        folder = path.parent.name
        if path.name in ("lib.rs", "main.rs") or folder in ("tests", "benches", "examples") or "bin" == folder:
            if "src" not in relative or path.name in ("lib.rs", "main.rs") or folder == "bin":
                yield Crate(path, files)


# --- The table


def rust_files(below):
    skip = ("target", ".git", "generated")
    paths = [path for path in ROOT.rglob("*.rs") if not set(path.relative_to(ROOT).parts[:-1]) & set(skip)]
    return {path: RustFile(path) for path in sorted(paths) if not below or any(b in path.parents for b in below)}


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
    counts = (len(files), len(functions), len(types), len(folders))
    return counts, {
        MEDIAN: (statistics.median(outside or [0]), []),
        MEDIAN_ALL: (statistics.median([lines for lines, _, _ in functions] or [0]), []),
        "functions over 60 lines": (len(long), [f"{lines} lines: {name}" for lines, name, _ in long]),
        "files over 450 lines": (len(large), [f"{lines} lines: {name}" for lines, name in large]),
        "types that are no nouns": (len(wrong), wrong),
        "circles of imports": (len(circles), circles),
        "folders over 12 files": (len(crowded), [f"{count} files: {name}" for count, name in crowded]),
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


def explain(rows):
    for name, (_, faults) in rows.items():
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
    explain(rows)
    if options.longest:
        show_longest(files, options.longest)
    broken = any(is_broken(name, value) for name, (value, _) in rows.items())
    return 1 if options.check and broken else 0


if __name__ == "__main__":
    sys.exit(main())
