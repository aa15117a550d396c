#!/usr/bin/env python3
"""Calls a node through a Python client generated from its own description: `python3 deploy/tests/generated_client.py`.

openapi-python-client makes the client from `/openapi.json`. Each of its functions is called with drawn arguments, of which
most fit and some do not. It parses every answer by the description: an answer of another shape fails here, as does a
server error. `--seed` repeats a run, `--calls` sets how many calls are made.

Needs `psi-field` (built by cargo, or named by TESTED_PSI_FIELD), and what requirements.txt lists.
"""

import argparse
import collections
import importlib
import inspect
import json
import pathlib
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time

from cluster import ENVIRONMENT, Node, get, stopped_at_the_end, wait_for

# It has no end by itself.
LEFT_OUT = {"get_state_watch"}
NAMES = ["default", "pump-1", "pump-2", "fan@2", "no such field", "ψ", "a" * 70]


class Draw:
    """Values for a schema, mostly of its kind."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, schema, name=""):
        kind = schema.get("type")
        kind = self.random.choice(kind) if isinstance(kind, list) else kind
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                return self.value(self.random.choice(schema[choice]), name)
        return getattr(self, kind or "string")(schema, name)

    def object(self, schema, _name):
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        drawn = {name: self.value(inner, name) for name, inner in properties.items()
                 if name in required or self.random.random() < 0.4}
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and more.get("type"):
            drawn[f"column {self.random.randrange(20)}"] = self.value(more)
        return drawn

    def array(self, schema, name):
        length = 16 if name == "x" and self.random.random() < 0.8 else self.random.randrange(4)
        return [self.value(schema.get("items", {}), name) for _ in range(length)]

    def number(self, _schema, _name):
        return self.random.choice([0.0, -1.5, 1e300, 5e-324]) if self.random.random() < 0.05 else self.random.gauss(0, 1)

    def integer(self, schema, _name):
        least = schema.get("minimum", -1)
        return self.random.choice([least, least + 1, 16, 200, 2**31, 2**53 + 1])

    def boolean(self, _schema, _name):
        return self.random.random() < 0.5

    def null(self, _schema, _name):
        return None

    def string(self, _schema, name):
        if name in ("field", "name", "model"):
            return self.random.choice(NAMES)
        return self.random.choice(["", "local", "majority", "core", "synthetic", "watch", "gentle", "é", "x" * 300])


def generate(document, folder):
    """The package made from the description."""
    described = folder / "openapi.json"
    described.write_text(json.dumps(document))
    # It would tidy up after itself with a program that need not be here.
    settings = folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")
    program = shutil.which("openapi-python-client", path=sysconfig.get_path("scripts"))
    subprocess.run([program, "generate", "--path", described, "--meta", "none", "--config", settings, "--output-path", folder / "psi_client"],
                   check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    sys.path.insert(0, str(folder))
    return importlib.import_module("psi_client")


def operations(document):
    """Names of the functions and what describes each."""
    return {operation["operationId"]: {**operation, "parameters": [
                *path.get("parameters", []), *operation.get("parameters", [])]} for path in document["paths"].values()
            for method, operation in path.items() if method in ("get", "post", "put", "patch", "delete")
            if operation["operationId"] not in LEFT_OUT}


def arguments_of(draw, function, operation):
    """Drawn arguments of one call."""
    given = {}
    described = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
    for name, parameter in described.items():
        if parameter["in"] != "header" and (parameter["required"] or draw.random.random() < 0.3):
            given[name] = draw.value(parameter["schema"], name)
    known = inspect.signature(function).parameters
    given = {name: value for name, value in given.items() if name in known}
    if "body" in known:
        content = next(iter(operation["requestBody"]["content"].values()))
        drawn = draw.value(content["schema"])
        kind = [kind for kind in inspect.get_annotations(function, eval_str=True)["body"].__args__
                if hasattr(kind, "from_dict")] if hasattr(known["body"].annotation, "__args__") else []
        kind = kind[0] if kind else known["body"].annotation
        given["body"] = kind.from_dict(drawn) if hasattr(kind, "from_dict") else drawn
    return given


def call_all(package, node, document, calls, seed):
    """Makes the calls; gives how many answers had which status."""
    draw, answers = Draw(seed), collections.Counter()
    client = package.Client(base_url=f"http://{node.http}", raise_on_unexpected_status=True, timeout=30)
    functions = {name: (importlib.import_module(f"psi_client.api.default.{name}").sync_detailed, operation)
                 for name, operation in operations(document).items()}
    for number in range(calls):
        name = draw.random.choice(list(functions))
        function, operation = functions[name]
        given = arguments_of(draw, function, operation)
        try:
            answer = function(client=client, **given)
        except Exception as error:
            raise SystemExit(f"FAILED: call {number}, {name}({given}): {type(error).__name__}: {error}") from error
        if answer.status_code >= 500:
            raise SystemExit(f"FAILED: call {number}, {name}({given}): {answer.status_code} {answer.content[:300]}")
        answers[int(answer.status_code)] += 1
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the arguments (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=2_000, help="how many calls (default: %(default)s)")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as processes:
        folder = pathlib.Path(name)
        node = Node("called", folder)
        processes.append(node.start())
        wait_for("the node is ready", node.ready)
        document = json.loads(get(f"http://{node.http}/openapi.json")[1])
        answers = call_all(generate(document, folder), node, document, arguments.calls, arguments.seed)
        node.check()
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(answers.items()))
    print(f"{time.monotonic() - began:.0f} s: {arguments.calls} calls of a generated client, all as described: {statuses}")


if __name__ == "__main__":
    main()
