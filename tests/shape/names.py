"""What types are called, and which phrases prose avoids. names.json has the words."""

import json
import pathlib
import re

from rust import ROOT, SKIPPED

SHAPE = pathlib.Path(__file__).resolve().parent
NAMES = json.loads((SHAPE / "names.json").read_text(encoding="utf-8"))

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


def phrases(below):
    """Where texts of people say what the style avoids: file, line, phrase."""
    avoided = re.compile(rf"\b({'|'.join(NAMES['phrases'])})\b", re.I)
    for path in sorted(ROOT.rglob("*")):
        is_text = path.suffix in (".rs", ".proto", ".md", ".toml", ".yml", ".yaml", ".py") or path.name == "justfile"
        if not is_text or SKIPPED & set(path.relative_to(ROOT).parts) or path.parent == SHAPE:
            continue
        if below and not any(b == path or b in path.parents for b in below):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for match in avoided.finditer(line):
                yield f"{path.relative_to(ROOT).as_posix()}:{number} {match.group(1)}"
