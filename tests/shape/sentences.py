#!/usr/bin/env python3
"""Measures the sentences of documents: how many, the median length, the longest, and phrases to avoid (names.json).

    tests/shape/sentences.py README.md docs/*.md    # a row a document; exit code 1 if a limit is broken
    tests/shape/sentences.py --long README.md       # also the sentences over the limit

A sentence ends with a full stop, a question or exclamation mark before a space or a line's end. Code blocks, tables and
headings are left out; inline code counts as one word. Limits: 15 words in the middle, 30 at most. It needs Python 3.9
and nothing else.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys

MEDIAN, MOST = 15, 30
PHRASES = json.loads((pathlib.Path(__file__).parent / "names.json").read_text(encoding="utf-8"))["phrases"]
AVOIDED = re.compile(rf"\b({'|'.join(PHRASES)})\b", re.I)


def paragraphs(text):
    """The prose, one paragraph or list item at a time."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    part = []
    for line in [*text.splitlines(), ""]:
        item = re.match(r"\s*(?:[-*]|\d+\.)\s+", line)
        if not line.strip() or item or line.lstrip().startswith(("|", "#", "!", ">")):
            if part:
                yield " ".join(part)
            part = []
        if item:
            line = line[item.end() :]
        if line.strip() and not line.lstrip().startswith(("|", "#", "!")):
            part.append(line.strip())


def sentences(text):
    for paragraph in paragraphs(text):
        plain = re.sub(r"`[^`]*`", "CODE", paragraph)
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
        plain = re.sub(r"<[^>]+>|[*_]{1,2}", " ", plain)
        plain = re.sub(r"\b(e\.g|i\.e|vs|etc|al)\.", r"\1", plain)
        for sentence in re.split(r"(?<=[.!?])[)\"]?\s+", plain):
            words = re.findall(r"[\w’'./%²⁻₀-₉ψνθσΨΦ+-]*\w[\w’'./%-]*", sentence)
            if words:
                yield len(words), sentence.strip()


def documents(root):
    """What people read: the documents at the top, below docs/ and of the crates."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("crates/*/README.md")])


def lengths_of(path):
    """Each sentence of a document with its length in words."""
    return list(sentences(path.read_text(encoding="utf-8"))) or [(0, "")]


def is_hard(found):
    """Whether sentences are over a limit, in the middle or at most."""
    lengths = [length for length, _ in found]
    return statistics.median(lengths) > MEDIAN or max(lengths) > MOST


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="show the sentences over the limit")
    parser.add_argument("documents", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    print(f"{'document':<36}{'bytes':>8}{'sentences':>11}{'median':>8}{'most':>6}{'avoided':>9}")
    broken = False
    for path in options.documents:
        text, found = path.read_text(encoding="utf-8"), lengths_of(path)
        lengths = [length for length, _ in found]
        avoided = [match.group() for part in paragraphs(text) for match in AVOIDED.finditer(part)]
        median = statistics.median(lengths)
        print(f"{str(path):<36}{len(text.encode()):>8}{len(found):>11}{median:>8g}{max(lengths):>6}{len(avoided):>9}")
        broken |= is_hard(found) or bool(avoided)
        for length, sentence in found if options.long else []:
            if length > MOST:
                print(f"  {length} words: {sentence}")
        for word in avoided:
            print(f"  avoided: {word}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
