"""Which files of a crate need each other, and where they do so in a circle."""

import re

from rust import ROOT

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
            # `pub(in crate::a)` says who may look, and needs nothing of `a`.
            if file.code[: match.start()].endswith("pub(in "):
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
