#!/usr/bin/env python3
"""Draws panels of the overview from a real run of the incident: `python3 deploy/grafana/picture.py docs/incident.png`.

Two replicas without replication, and two with it, get the same: the incident's vector in turn, and after a while two
interventions, both at the first. A Prometheus for each pair scrapes them, and the queries, legends and dashed lines are
those of dashboards/overview.json. It is no screenshot of Grafana. Takes 100 s.

Needs what requirements.txt lists, `prometheus`, and `psi-field` (built by cargo, or named by TESTED_PSI_FIELD).
"""

import json
import pathlib
import sys
import tempfile
import threading
import time

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402

GRAFANA = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(GRAFANA.parent / "tests"))
from cluster import Node, Process, Prometheus, psi_field, run, stopped_at_the_end, wait_for  # noqa: E402

PANELS = ["PE prediction error", "Drift of the prediction error", "H temporal entropy", "Noise"]
CALM_S, RUN_S = 20, 100
CAPTION = (
    "Drawn from the queries of the dashboard “ψ-field / overview”, put to a Prometheus that scraped a real run; not a "
    "screenshot of Grafana.\nA dashed line is where an alert begins. PE and H are means over 60 s, and so take as long."
)


def panels():
    overview = json.loads((GRAFANA / "dashboards" / "overview.json").read_text())
    found = {panel["title"]: panel for panel in overview["panels"]}
    return [found[title] for title in PANELS]


def replay(folder, replication, started, both):
    """A pair of replicas lives through the incident; gives its Prometheus, and when it began."""
    folder.mkdir()
    settings = ["--replication-enabled", str(replication).lower()]
    first = Node("replica-1", folder, settings=settings)
    nodes = [first, Node("replica-2", folder, first.gossip, settings)]
    prometheus = Prometheus(folder, {"psi-field": [node.http for node in nodes]}, "500ms")
    processes = [*nodes, prometheus]
    started.extend(process.start() for process in processes)
    for process in processes:
        wait_for(f"{process.name} is ready", process.ready)
    wait_for("Prometheus has seen both", lambda: len(prometheus.query("psi_node_info")) == len(nodes))
    both.wait()
    start = time.time()
    feed = [psi_field(), "feed", "--incident", "--rate", 4, "--node", ",".join(node.grpc for node in nodes)]
    started.append(Process("feed", feed, folder / "feed.log").start())
    time.sleep(CALM_S)
    for action in ("nigredo", "albedo"):
        run("guardian", action, "--node", first.grpc)
    time.sleep(RUN_S - CALM_S)
    return prometheus, start


def draw(axes, panel, prometheus, start):
    """One panel as Grafana would: a line for each series, named by the legend; gives the last values."""
    last = {}
    for target in panel["targets"]:
        expression = target["expr"].replace("$node", ".*").replace("$field", "default")
        found = prometheus.query_range(expression, start, start + RUN_S, "1s")
        for number, series in enumerate(sorted(found, key=lambda one: one["metric"].get("node", ""))):
            name = target["legendFormat"]
            for label, value in series["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            points = [(at - start, float(value)) for at, value in series["values"]]
            # Lines that lie on each other are to be seen both.
            style = {"linewidth": 3.5 - 2 * number, "color": ["tab:orange", "tab:blue"][number]}
            axes.plot(*zip(*points), label=f"{name}  {points[-1][1]:.4f}", **style)
            last[name] = points[-1][1]
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]:
        colour = {"yellow": "goldenrod"}.get(step["color"], step["color"])
        axes.axhline(step["value"], color=colour, linestyle="--", linewidth=1)
    axes.axvline(CALM_S, color="grey", linewidth=0.8, linestyle=":")
    axes.set_title(panel["title"], fontsize=9, loc="left")
    axes.legend(fontsize=7, loc="upper left", framealpha=0.8)
    axes.set_xlim(0, RUN_S)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=7)
    return last


def main():
    file = pathlib.Path(sys.argv[1])
    sides = {"replication off": False, "replication on": True}
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as started:
        both, results = threading.Barrier(len(sides)), {}

        def live(side, folder):
            results[side] = replay(folder, sides[side], started, both)

        threads = [threading.Thread(target=live, args=(side, pathlib.Path(name) / side.split()[1])) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        figure, grid = pyplot.subplots(len(PANELS), 2, figsize=(10, 9.6), sharex=True, sharey="row")
        for column, side in enumerate(sides):
            for row, panel in enumerate(panels()):
                last = draw(grid[row][column], panel, *results[side])
                print(side, panel["title"], last)
            grid[0][column].set_title(side, fontsize=11, fontweight="bold", loc="right")
            grid[-1][column].set_xlabel("seconds; dotted: both interventions, at replica-1", fontsize=8)
        for axes, _ in grid:
            low, high = axes.get_ylim()
            # Room for the legend.
            axes.set_ylim(min(low, 0), high + (high - low) * 0.35)
        figure.text(0.5, 0.005, CAPTION, ha="center", fontsize=7.5, style="italic")
        figure.tight_layout(rect=(0, 0.03, 1, 1))
        figure.savefig(file, dpi=100)
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
