#!/usr/bin/env python3
"""Checks the dashboards of Grafana: `python3 deploy/tests/dashboards.py`.

First what can be seen in the files: identifiers, data sources, units, places. Then every expression, and every query of
a variable, is put to a real Prometheus that scraped a real cluster of three nodes under load, with refused calls,
interventions, a probe, baselines, a node that left and returned, one that was killed and returned, and a model whose inputs
drift until a rollout begins by itself. None may give nothing, for all nodes, fields and models together or for any one of
them, and no legend may name a label that is not there.

Needs `psi-field` (built by cargo, or named by TESTED_PSI_FIELD), `prometheus`, and what requirements.txt lists.
"""

import itertools
import json
import math
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import yaml

from cluster import DEPLOY, ENVIRONMENT, Node, Process, Prometheus
from cluster import free_port, get, post, psi_field, run, stopped_at_the_end, wait_for
from models import SHIFT, inputs

GRAFANA = DEPLOY / "grafana"
SCRAPES_PER_SECOND = 2
NODES = ["node-a", "node-b", "node-c"]
MODEL, VERSIONS = "pumps", ["v1", "v2"]
FIELDS = ["default", "host", "probe", *(f"{MODEL}@{version}" for version in VERSIONS), "sensors"]

# What would put a figure where there is none.
BANNED = re.compile(r"\bvector\s*\(|\babsent(_over_time)?\s*\(|\bor\s+[0-9]", re.IGNORECASE)


# --- What can be seen in the files


def dashboards():
    found = {file.name: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))}
    known = {"drift.json", "governance.json", "overview.json", "replication.json", "rollouts.json", "service.json"}
    assert set(found) >= known, f"dashboards found: {list(found)}"
    return found


def panels_of(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def check_provisioning(complain):
    """Gives the identifiers of the data sources."""
    folder = GRAFANA / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    providers = yaml.safe_load((folder / "dashboards" / "psi-field.yaml").read_text())["providers"]
    if [source["url"] for source in sources] != ["http://prometheus:9090"]:
        complain("the data source is not http://prometheus:9090")
    if [provider["options"]["path"] for provider in providers] != ["/var/lib/grafana/dashboards"]:
        complain("the provider does not read /var/lib/grafana/dashboards")
    return {source["uid"] for source in sources}


def check_file(dashboard, sources, complain):
    panels = dashboard["panels"]
    numbers = [panel["id"] for panel in panels]
    if len(set(numbers)) != len(numbers):
        complain("two panels have one id")
    check_places(panels, complain)
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    for variable in dashboard["templating"]["list"]:
        if variable["datasource"]["uid"] not in sources:
            complain(f"variable {variable['name']}: its data source is not provisioned")
    for panel in panels_of(dashboard):
        check_panel(panel, sources, defined, lambda text, title=panel["title"]: complain(f"{title}: {text}"))


def check_places(panels, complain):
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24:
            complain(f"{panel['title']}: it is beyond the grid")
    for one, other in itertools.combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = [a[at] + a[size] <= b[at] or b[at] + b[size] <= a[at] for at, size in ("xw", "yh")]
        if not any(apart):
            complain(f"{one['title']} and {other['title']} overlap")


def check_panel(panel, sources, defined, complain):
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        complain("no unit")
    if defaults.get("thresholds", {}).get("steps", [{"value": 0}])[0]["value"] is not None:
        complain("no thresholds, or none to begin with")
    if not panel.get("description"):
        complain("no description")
    if not panel["targets"]:
        complain("no queries")
    for part in [panel, *panel["targets"]]:
        if part["datasource"]["uid"] not in sources:
            complain("a data source that is not provisioned")
    for target in panel["targets"]:
        if BANNED.search(target["expr"]):
            complain(f"hides that there is nothing: {target['expr']}")
        unknown = set(re.findall(r"\$(\w+)", target["expr"])) - defined - {"__rate_interval"}
        if unknown:
            complain(f"variables that are not defined: {unknown}")
        if not target["legendFormat"] and panel["type"] != "stat":
            complain("no legend")


# --- The run that is looked at


def send_outcomes(node, numbers):
    """A step of each version, with how it went: one in five fails."""
    for version in VERSIONS:
        outcome = {"error": numbers.random() < 0.2, "latency_ms": 10.0 + numbers.random()}
        key = f"user-{numbers.randrange(1000)}"
        step = {"field": MODEL, "version": version, "key": key, "x": inputs(numbers, 1)[0], "outcome": outcome}
        post(f"http://{node.http}/step", json.dumps(step).encode())


def provoke(nodes, prometheus, interval, shift):
    """Everything that a panel shows happens once. Ends when Prometheus has seen all of it. From `shift` on, inputs of the
    model's champion come from elsewhere."""
    a, b, c = nodes
    numbers = random.Random(7)

    def seen(expression, seconds=30):
        """Whether it ever held, with calls that are refused going on meanwhile."""

        def now():
            for node in nodes:
                node.check()
                post(f"http://{node.http}/step", b"{}")
                send_outcomes(node, numbers)
                get(f"http://{node.http}/nowhere")
            return prometheus.query(f"max_over_time(({expression})[5m:{interval}]) == 1")

        wait_for(f"Prometheus has seen {expression}", now, seconds)

    shown = len(NODES) * len(FIELDS)
    seen(f"count(psi_field_steps) == bool {shown}")
    for field in FIELDS:
        run("field", "change", field, "--param", "baseline_after=100", "--node", a.grpc)
    run("step", "0.5", "--node", a.grpc, expect=1)
    run("guardian", "nigredo", "--node", a.grpc)
    run("guardian", "albedo", "--field", "host", "--node", b.grpc)
    seen("max(psi_field_noise) > bool 1")
    run("lease", "voters", "set", *NODES, "--node", a.grpc)
    for version, stage in zip(VERSIONS, ("production", "staging"), strict=True):
        run("version", "promote", MODEL, version, "--stage", stage, "--node", a.grpc)
    seen("count(psi_rollout_active) == bool 3")
    c.stop()
    seen('max(psi_cluster_members{state="left"}) == bool 1')
    c.start()
    wait_for("the node that left is ready again", c.ready)
    b.stop(signal.SIGKILL)
    seen('max(psi_cluster_members{state="dead"}) == bool 1')
    b.start()
    wait_for("the node that was killed is ready again", b.ready)
    # A baseline takes 24 seconds of steps, and a verdict a window of 100. Panels look every few seconds.
    seen(f"count_over_time((count(psi_drift_severity) == {shown})[5m:1s]) >= bool 6", 90)
    # Somebody says that a rollout follows drift, and the champion's inputs drift.
    run("plan", "mode", MODEL, "on", "--node", a.grpc)
    shift()
    seen("sum(psi_remediation_duration_seconds_count) >= bool 1", 60)
    seen("count_over_time((min(psi_rollout_percent) == 5)[5m:1s]) >= bool 6")
    seen("max(psi_replica_lag_versions) > bool 0")
    seen("count(psi_probe_success) == bool 3")
    seen('count(rate(psi_node_errors_total{reason="BAD_BODY"}[4s]) > 0) == bool 3')
    seen("min(psi_replica_ended_runs) >= bool 1")
    seen('(min(psi_cluster_members{state="live"}) == bool 3) * (sum(psi_node_ready) == bool 3)')


def rules(folder, interval):
    """The recording rules, evaluated as often as this Prometheus scrapes."""
    for file in sorted((DEPLOY / "prometheus" / "rules").glob("*.y*ml")):
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["interval"] = interval
        (folder / file.name).write_text(json.dumps(content))
        yield folder / file.name


# --- The expressions


class Looked:
    """Puts expressions to Prometheus over the time of the run, as Grafana would."""

    def __init__(self, prometheus, start, end, interval_ms):
        self.prometheus, self.start, self.end = prometheus, start, end
        # As Grafana computes it from the scrape interval.
        self.rate_interval = f"{interval_ms * 4}ms"

    def complaints(self, target, node=".*", field=".*", model=".*"):
        """What is wrong with a query of a panel, for these values of the variables."""
        expression = target["expr"].replace("$__rate_interval", self.rate_interval)
        for name, value in (("$node", node), ("$field", field), ("$model", model)):
            expression = expression.replace(name, value)
        try:
            series = self.prometheus.query_range(expression, self.start, self.end, "500ms")
        except ValueError as error:
            return [f"{expression}: {error}"]
        numbers = [one for one in series if any(math.isfinite(float(value)) for _, value in one["values"])]
        if not numbers:
            return [f"{expression}: gives nothing"]
        labels = re.findall(r"{{(\w+)}}", target["legendFormat"])
        missing = {label for one in numbers for label in labels if not one["metric"].get(label)}
        if missing:
            return [f"{expression}: the legend names labels that are not there: {missing}"]
        fields = FIELDS if field == ".*" else [field]
        if "$model" in target["expr"]:
            fields = [f"{MODEL}@{version}" for version in VERSIONS]
        wanted = {"node": NODES if node == ".*" else [node], "field": fields}
        return [
            f"{expression}: nothing of {label} {missing}"
            for label, values in wanted.items()
            if label in labels and (missing := set(values) - {one["metric"][label] for one in numbers})
        ]

    def variable_complaints(self, variable):
        """What is wrong with the query of a variable; the values must be those of the run, no more."""
        query = variable["query"]["query"]
        matched = re.fullmatch(r"label_values\((.+), *(\w+)\)", query)
        if not matched:
            return [f"{query}: not the form that this test knows"]
        found = self.prometheus.ask(f"label/{matched[2]}/values", **{"match[]": matched[1]})
        wanted = {"node": NODES, "field": FIELDS, "model": [MODEL]}[variable["name"]]
        return [] if found == wanted else [f"{query}: gives {found}, not {wanted}"]


def check_expressions(looked, boards, complain):
    choices = [{}, *({"node": node} for node in NODES), *({"field": field} for field in FIELDS), {"model": MODEL}]
    looked_at = 0
    for file, board in boards.items():
        for variable in board["templating"]["list"]:
            for complaint in looked.variable_complaints(variable):
                complain(f"{file}, variable {variable['name']}: {complaint}")
        for panel in panels_of(board):
            for target in panel["targets"]:
                looked_at += 1
                found = (looked.complaints(target, **choice) for choice in choices)
                for complaint in next(filter(None, found), []):
                    complain(f"{file}, {panel['title']}: {complaint}")
    return looked_at


def check_the_check(looked):
    """A test that can't fail is none: each of these is broken in one way, and must be noticed."""
    broken = {
        "a name that does not exist": ("psi_field_densty", ""),
        "a label that matches nothing": ('psi_field_density{engine="none"}', ""),
        "no expression": ("sum(", ""),
        "never a number": ("psi_field_density / 0 * 0", ""),
        "a legend without its label": ("sum(psi_field_density)", "{{field}}"),
        "one node of three": ('psi_node_info{node="node-a"}', "{{node}}"),
    }
    for what, (expression, legend) in broken.items():
        assert looked.complaints({"expr": expression, "legendFormat": legend}), f"not noticed: {what}"
    assert BANNED.search("sum(x) or vector(0)") and BANNED.search("x or on() vector(0)")


def look(boards, complain, interval_ms=1000 // SCRAPES_PER_SECOND):
    interval = f"{interval_ms}ms"
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as started:
        folder = pathlib.Path(name)

        def settings(node):
            return ["--data-dir", folder / f"{node}-data", "--data-snapshot-interval-ms", 500]

        first = Node(NODES[0], folder, settings=settings(NODES[0]))
        nodes = [first, *(Node(node, folder, first.gossip, settings(node)) for node in NODES[1:])]
        every_node = ",".join(node.grpc for node in nodes)
        listen = f"127.0.0.1:{free_port()}"
        probe = [psi_field(), "probe", "--node", every_node, "--listen", listen, "--every-ms", 500]
        jobs = {"psi-field": [node.http for node in nodes], "psi-probe": [listen]}
        prometheus = Prometheus(folder, jobs, interval, rules(folder, interval))
        started.extend(process.start() for process in [*nodes, prometheus])
        for process in started:
            wait_for(f"{process.name} is ready", process.ready)
        start = time.time()
        started.append(Process("probe", probe, folder / "probe.log").start())
        feed = [psi_field(), "feed", "--node", every_node]
        create = ["--create", "--engine", "synthetic", "--guardian", "watch"]

        def feed_field(field, *source):
            command = [*feed, "--field", field, "--rate", 50, *source]
            started.append(Process(f"feed of {field}", command, folder / f"feed-{field}.log").start())
            return started[-1]

        def rows(name, around):
            """A source of as many vectors as anybody needs, to all nodes in turn."""
            vectors = inputs(random.Random(name), 50 * 300, around)
            (folder / name).write_text("".join(f"{a},{b},{c}\n" for a, b, c in [("a", "b", "c"), *vectors]))
            return "--csv", folder / name, "--in-flight", 8

        feed_field("default", "--walk")
        feed_field("host", "--host", *create)
        for field in ("probe", "sensors"):
            feed_field(field, "--walk", "--width", 4, *create)
        champion, _ = (feed_field(f"{MODEL}@{version}", *rows(version, 0.0), *create) for version in VERSIONS)

        def shift():
            champion.stop()
            feed_field(f"{MODEL}@{VERSIONS[0]}", *rows("shifted", SHIFT))

        provoke(nodes, prometheus, interval, shift)
        for process in started:
            process.check()
        looked = Looked(prometheus, start, time.time(), interval_ms)
        check_the_check(looked)
        return check_expressions(looked, boards, complain)


def main():
    began = time.monotonic()
    complaints = []
    generated = subprocess.run([sys.executable, GRAFANA / "generate.py", "--check"], env=ENVIRONMENT, check=False)
    if generated.returncode != 0:
        complaints.append("the files are not what generate.py makes")
    boards = dashboards()
    sources = check_provisioning(complaints.append)
    if len({board["uid"] for board in boards.values()}) != len(boards):
        complaints.append("two dashboards have one uid")
    for file, board in boards.items():
        check_file(board, sources, lambda text, file=file: complaints.append(f"{file}: {text}"))
    # What is wrong already needs no cluster, which may be skipped.
    expressions = 0 if complaints else look(boards, complaints.append)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    panels = sum(len(panels_of(board)) for board in boards.values())
    took = time.monotonic() - began
    print(
        f"{len(boards)} dashboards, {panels} panels, {expressions} expressions put to Prometheus, {took:.0f} s: ",
        end="",
    )
    print("FAILED" if complaints else "none gives nothing")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
