#!/usr/bin/env python3
"""How long it takes from drift to a rollout that begins by itself: `tests/load/remedy.py target/release/psi-field`.

Three nodes on loopback vote. So many models each have a version that answers and one that waits, and are told that a
rollout begins by itself. Each champion's field gets inputs, the same number each second, on any node. Once all have a
baseline, the inputs of one model after the other shift. Printed is the time from the first shifted input that was sent,
by the clock of this machine, to the beginning of the rollout, as the plan of the model says. Two minutes.

It needs Python 3.11 and nothing else. Exit code 1 if the 95th percentile is over 30 s, or if a rollout does not begin.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy" / "tests"))

from cluster import ENVIRONMENT, get, post, wait_for  # noqa: E402
from models import BATCHES_PER_SECOND, SHIFT, WIDTH, inputs, three_nodes  # noqa: E402

OBJECTIVE_S = 30
PATIENCE_S = 90


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="psi-field, as cargo built it")
    parser.add_argument("--models", type=int, default=20, help="how many rollouts (default: 20)")
    parser.add_argument("--rate", type=int, default=100, help="inputs a second of each model (default: 100)")
    return parser.parse_args()


class Works:
    """Nodes, and the inputs that models get."""

    def __init__(self, nodes, models, rate):
        self.nodes, self.models, self.rate = nodes, models, rate
        self.shifted = {}
        self.numbers = random.Random(7)

    def call(self, method, path, body=None, node=0):
        url = f"http://{self.nodes[node].http}{path}"
        status, answer = get(url) if method == "GET" else post(url, json.dumps(body).encode(), 20.0)
        if status != 200:
            sys.exit(f"{method} {url}: {status} {answer.decode(errors='replace')[:500]}")
        return json.loads(answer)

    def feed_for(self, seconds, until=lambda: False):
        """Sends four batches a second of each model, each to the next node."""
        begun, turn = time.monotonic(), 0
        with concurrent.futures.ThreadPoolExecutor(len(self.nodes)) as pool:
            while time.monotonic() - begun < seconds and not until():
                bodies = [(model, self.batch(model)) for model in self.models]
                sends = [
                    pool.submit(self.call, "POST", "/steps", body, (turn + place) % len(self.nodes))
                    for place, (_, body) in enumerate(bodies)
                ]
                for send in sends:
                    send.result()
                turn += 1
                time.sleep(max(0.0, begun + turn / BATCHES_PER_SECOND - time.monotonic()))

    def batch(self, model):
        shift = 0.0
        if model in self.shifted:
            shift, self.shifted[model] = SHIFT, self.shifted[model] or time.time()
        return {"field": f"{model}@v1", "inputs": inputs(self.numbers, self.rate // BATCHES_PER_SECOND, shift)}


def seconds_of(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def begin(works, psi):
    psi("lease", "voters", "set", *(node.name for node in works.nodes))
    for model in works.models:
        for version, stage in (("v1", "PRODUCTION"), ("v2", "STAGING")):
            psi("field", "create", f"{model}@{version}", "--width", str(WIDTH), "--param", "baseline_after=1000")
            psi("version", "promote", model, version, "--stage", stage)
        psi("plan", "mode", model, "on")


def measure(works):
    fields = [f"{model}@v1" for model in works.models]

    def are_stable():
        shown = works.call("GET", "/api/v1/drift/models")["content"]
        return sum(one["model"] in fields and one["status"] == "STABLE" for one in shown) == len(fields)

    works.feed_for(PATIENCE_S, are_stable)
    if not are_stable():
        sys.exit(f"not all models have a verdict after {PATIENCE_S} s")
    for model in works.models:
        works.shifted[model] = 0.0
        works.feed_for(0.5 + works.numbers.random())
    begun = {}

    def have_begun():
        for plan in works.call("GET", "/api/v1/plans")["content"]:
            if plan["began"]:
                begun.setdefault(plan["model"], seconds_of(plan["began"]))
        return len(begun) == len(works.models)

    works.feed_for(PATIENCE_S, have_begun)
    return sorted(begun[model] - works.shifted[model] for model in works.models if model in begun)


def main():
    chosen = arguments()
    os.environ["TESTED_PSI_FIELD"] = chosen.program
    with three_nodes() as nodes:

        def psi(*words):
            command = [chosen.program, *words, "--node", nodes[0].grpc]
            ended = []

            def has_done():
                ended.append(subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False))
                return ended[-1].returncode == 0

            wait_for(" ".join(command), has_done)

        works = Works(nodes, [f"model-{number}" for number in range(chosen.models)], chosen.rate)
        begin(works, psi)
        took = measure(works)
    if len(took) < chosen.models:
        sys.exit(f"{len(took)} of {chosen.models} rollouts began within {PATIENCE_S} s")
    at = lambda share: took[min(len(took) - 1, int(share * len(took)))]
    print(f"{len(took)} rollouts began by themselves: p50 {at(0.5):.1f} s, p95 {at(0.95):.1f} s, longest {took[-1]:.1f} s")
    sys.exit(at(0.95) > OBJECTIVE_S)


if __name__ == "__main__":
    main()
