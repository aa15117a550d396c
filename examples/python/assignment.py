#!/usr/bin/env python3
"""Says which version of a model answers a key, without a node. Nodes say the same.

    assignment.py ROLLOUT PERCENT KEY...    # prints champion or canary for each key
    assignment.py --check                   # compares this file with proto/assignment.json; exit code 1 if they differ

The digest is BLAKE3 of the rollout's id and the key, in UTF-8, with nothing between them. Its first 8 bytes are a
big-endian integer; mod 10,000 it is the key's number. The canary answers numbers below 100 · percent, so more percent
only adds keys. The lowest six bits of the ninth byte are the bucket that the key's outcomes count in.
"""

import argparse
import json
import pathlib
import sys

from blake3 import blake3

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "assignment.json"
WHOLE = 10_000  # hundredths of a percent
BUCKETS = 64
KEY_BYTES_MAX = 256


def place(rollout, key):
    """The number of a key, 0 to 9,999, and its bucket, 0 to 63."""
    key = key.encode()
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(f"a key of {len(key)} bytes: give 1 to {KEY_BYTES_MAX}, or leave it out and the champion answers")
    digest = blake3(rollout.encode() + key).digest()
    return int.from_bytes(digest[:8], "big") % WHOLE, digest[8] % BUCKETS


def arm(rollout, percent, key):
    """Who answers a key at so many percent, which may have two decimals."""
    number, _ = place(rollout, key)
    return "canary" if number < round(percent * 100) else "champion"


def differences(vectors):
    """Each vector that this file says otherwise of, in words."""
    for vector in vectors:
        rollout, key = vector["rollout"], vector["key"]
        number, bucket = place(rollout, key)
        arms = {percent: arm(rollout, float(percent), key) for percent in vector["arms"]}
        got = {"rollout": rollout, "key": key, "number": number, "bucket": bucket, "arms": arms}
        if got != vector:
            yield f"{got}, and {VECTORS.name} says {vector}"


def check():
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    found = list(differences(vectors))
    print("\n".join(found) or f"{len(vectors)} vectors are right")
    return 1 if found or not vectors else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with proto/assignment.json")
    parser.add_argument("rollout", nargs="?", metavar="ROLLOUT")
    parser.add_argument("percent", nargs="?", type=float, metavar="PERCENT")
    parser.add_argument("keys", nargs="*", metavar="KEY")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    if not arguments.keys:
        parser.error("give a rollout, a percentage and at least one key, or --check")
    if not 0 <= arguments.percent <= 100:
        parser.error(f"{arguments.percent} is no percentage: give 0 to 100")
    for key in arguments.keys:
        print(f"{key}: {arm(arguments.rollout, arguments.percent, key)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
