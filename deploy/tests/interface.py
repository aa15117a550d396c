#!/usr/bin/env python3
"""Holds a node's HTTP to what it says of itself: `python3 deploy/tests/interface.py`.

`/openapi.json` must be valid by the schema of OpenAPI 3.1. Then Schemathesis makes requests from it, good ones and bad
ones. None may be answered by a server error, by a status or a type that the description leaves out, or by a body of
another shape. `--seed` repeats a run, `--examples` sets how many requests each call gets in the second phase.

Needs `psi-field` (built by cargo, or named by TESTED_PSI_FIELD), and what requirements.txt lists.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from openapi_spec_validator import validate

from cluster import ENVIRONMENT, Node, get, stopped_at_the_end, wait_for

# What is written of each answer, and who may call.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# It has no end by itself; crates/psi-node/tests/http/programs.rs looks at it.
ENDLESS = "/state/watch"
SECONDS_MAX = 900  # by default a run takes 40 s on a free machine


def fuzz(node, folder, seed, examples):
    """The exit code of Schemathesis."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://{node.http}/openapi.json"]
    command += ["--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), "--exclude-path", ENDLESS]
    command += ["--seed", str(seed), "--max-examples", str(examples), "--request-timeout", "10"]
    # Most bad requests are refused, which is no news.
    command += ["--continue-on-failure", "--warnings", "off"]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, timeout=SECONDS_MAX, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the requests (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=15, help="most requests of a call (default: %(default)s)")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as processes:
        folder = pathlib.Path(name)
        node = Node("fuzzed", folder)
        processes.append(node.start())
        wait_for("the node is ready", node.ready)
        document = json.loads(get(f"http://{node.http}/openapi.json")[1])
        validate(document)
        print(f"/openapi.json is valid: {len(document['paths'])} paths")
        code = fuzz(node, folder, arguments.seed, arguments.examples)
        node.check()
    print(f"{time.monotonic() - began:.0f} s: {'FAILED' if code else 'every answer is as described'}")
    sys.exit(code)


if __name__ == "__main__":
    main()
