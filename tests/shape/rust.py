"""Reads Rust sources as far as their shape goes: functions, types, inline modules. It expands no macros."""

import pathlib
import re

# The workspace that this is called in.
ROOT = next((p for p in [pathlib.Path.cwd(), *pathlib.Path.cwd().parents] if (p / "Cargo.lock").exists()), None)
SKIPPED = {"target", ".git", ".venv", "generated"}

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


def rust_files(below):
    """All Rust files of the workspace, or those below some folders."""
    paths = [path for path in ROOT.rglob("*.rs") if not SKIPPED & set(path.relative_to(ROOT).parts[:-1])]
    return {path: RustFile(path) for path in sorted(paths) if not below or any(b in path.parents for b in below)}
