#!/usr/bin/env python3
"""Writes the dashboards in `dashboards/` for Grafana: `python3 deploy/grafana/generate.py`.

They are made here and not by hand, since a panel is two lines here and forty there, and since places on the grid,
identifiers and the data source can't be wrong then. `--check` fails if a file differs from what this makes.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
GRID_WIDTH = 24

# An instance of Prometheus is often an address only. This multiplies by 1, gives each series the name of its node, and
# leaves out the nodes that are not chosen.
NAMED = '* on (job, instance) group_left (node) psi_node_info{node=~"$node"}'

GREEN, YELLOW, RED, BLUE, CLEAR = "green", "yellow", "red", "blue", "transparent"
PURPLE, GREY = "purple", "#808080"


# --- Expressions


def of(name, *matchers):
    """Series of the chosen nodes, with a label `node`."""
    return f"{name}{{{', '.join(matchers)}}} {NAMED}" if matchers else f"{name} {NAMED}"


def of_field(name):
    return of(name, 'field=~"$field"')


def rate_of(name, *matchers):
    selected = f"{name}{{{', '.join(matchers)}}}" if matchers else name
    return f"rate({selected}[$__rate_interval]) {NAMED}"


def rate_of_field(name):
    return rate_of(name, 'field=~"$field"')


def per_second(name, labels):
    return f"sum by ({labels}) ({rate_of(name)})"


def difference(name):
    """Largest less smallest value over nodes, by field."""
    return f"max by (field) ({of_field(name)}) - min by (field) ({of_field(name)})"


def quantile(share, name, labels):
    return f"histogram_quantile({share}, sum by (le, {labels}) ({rate_of(name + '_bucket')}))"


def probe_quantile(share, name, labels):
    rate = f"rate({name}_bucket[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le, {labels}) ({rate}))"


# --- Panels


def steps_of(base, *steps):
    """Thresholds: a colour below the first value, then one from each value on."""
    all_steps = [{"color": base, "value": None}, *({"color": colour, "value": value} for value, colour in steps)]
    return {"mode": "absolute", "steps": all_steps}


NO_THRESHOLDS = steps_of(GREEN)


def panel(kind, title, about, unit, queries, *, size, thresholds=NO_THRESHOLDS, limits=(None, None), mappings=()):
    """A panel of `kind` without its place; `queries` are pairs of an expression and a legend."""
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for index, (expression, legend) in enumerate(queries)
    ]
    defaults = {"unit": unit, "thresholds": thresholds, "mappings": list(mappings)}
    defaults |= {name: value for name, value in zip(("min", "max"), limits) if value is not None}
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "gridPos": dict(zip("wh", size)),
    }


def graph(title, about, unit, *queries, width=8, height=8, stack=False, **how):
    """Lines over time; thresholds are dashed lines."""
    one = panel("timeseries", title, about, unit, queries, size=(width, height), **how)
    has_lines = len(one["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
    one["fieldConfig"]["defaults"]["custom"] = {
        "lineWidth": 1,
        "fillOpacity": 20 if stack else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if has_lines else "off"},
    }
    # Lines take colours of their own, not those of thresholds.
    one["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    one["options"] = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return one


def stat(title, about, unit, expression, width=4, height=4, **how):
    """The latest figure, large, in the colour of its threshold."""
    one = panel("stat", title, about, unit, [(expression, "")], size=(width, height), **how)
    one["fieldConfig"]["defaults"]["color"] = {"mode": "thresholds"}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    one["options"] = {"reduceOptions": reduce, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    return one


def timeline(title, about, query, mappings, width=12, height=8):
    """A coloured bar for each series."""
    one = panel("state-timeline", title, about, "none", [query], size=(width, height), mappings=mappings)
    one["fieldConfig"]["defaults"]["custom"] = {"fillOpacity": 80, "lineWidth": 0}
    one["options"] = {"mergeValues": True, "showValue": "never", "legend": {"showLegend": True, "placement": "bottom"}}
    return one


def heatmap(title, about, unit, expression, width=8, height=8):
    """How many in each bucket of a histogram, over time."""
    one = panel("heatmap", title, about, unit, [(expression, "{{le}}")], size=(width, height))
    one["targets"][0]["format"] = "heatmap"
    one["options"] = {"calculate": False, "yAxis": {"unit": unit}, "color": {"mode": "scheme", "scheme": "Blues"}}
    return one


def states(*meanings):
    """What 0, 1 and so on mean: a text and a colour each."""
    texts = {str(value): {"text": text, "color": colour} for value, (text, colour) in enumerate(meanings)}
    return [{"type": "value", "options": texts}]


# --- Dashboards


def placed(rows):
    """Panels with their numbers and places: each row's from left to right, wrapped where the grid ends."""
    panels, top = [], 0
    for title, members in rows:
        place = {"x": 0, "y": top, "w": GRID_WIDTH, "h": 1}
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place})
        top, left, height = top + 1, 0, 0
        for one in members:
            size = one["gridPos"]
            if left + size["w"] > GRID_WIDTH:
                top, left, height = top + height, 0, 0
            panels.append(one | {"gridPos": {"x": left, "y": top} | size})
            left, height = left + size["w"], max(height, size["h"])
        top += height
    return [{"id": number} | one for number, one in enumerate(panels, 1)]


def variable(name, label, query):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        # Queried again when the time range changes: fields and nodes come and go.
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


NODES = variable("node", "Node", "label_values(psi_node_info, node)")
FIELDS = variable("field", "Field", "label_values(psi_field_steps, field)")
MODELS = variable("model", "Model", "label_values(psi_rollout_active, model)")


def dashboard(uid, title, about, variables, rows):
    links = {"type": "dashboards", "title": "ψ-field", "tags": ["psi-field"], "asDropdown": False, "keepTime": True}
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["psi-field"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [links | {"includeVars": True}],
        "annotations": {"list": []},
        "templating": {"list": variables},
        "panels": placed(rows),
    }


# --- Overview

AGREE = states(("they differ", RED), ("they agree", GREEN))
READY = states(("not ready", RED), ("ready", GREEN))
WINDOW = "Mean over the 60 s up to the field's latest step, of all nodes: lines of several nodes lie on each other."
# Alerts of fields of engine `synthetic` begin at these.
SYNTHETIC = " The dashed lines are where alerts of engine `synthetic` begin."


def metric(title, name, about, **how):
    """A line for each field and node of one of a step's metrics."""
    return graph(title, f"{about} {WINDOW}", "none", (of_field(name), "{{field}} · {{node}}"), **how)


DRIFT = steps_of(GREEN, (0.3, RED))

OVERVIEW = dashboard(
    "psi-field-overview",
    "ψ-field / overview",
    "How stable the fields are, and whether all nodes say the same.",
    [FIELDS, NODES],
    [
        (
            "Now",
            [
                stat(
                    "Scrapes up",
                    "Share of the nodes that answer Prometheus.",
                    "percentunit",
                    'avg(up{job="psi-field"})',
                    thresholds=steps_of(RED, (1, GREEN)),
                ),
                stat(
                    "Nodes ready",
                    "Nodes that have caught up and accept steps.",
                    "none",
                    f"sum({of('psi_node_ready')})",
                    thresholds=steps_of(RED, (1, YELLOW), (3, GREEN)),
                ),
                stat(
                    "Replicas",
                    "Whether nodes that hold the same writes have the same digest. If not, that is a bug in ψ-field.",
                    "none",
                    f"min({of('psi_replica_agree')})",
                    mappings=AGREE,
                    thresholds=steps_of(RED, (1, GREEN)),
                ),
                stat(
                    "Largest drift",
                    "Prediction error: largest less smallest over nodes, of the field where that is most.",
                    "none",
                    f"max({difference('psi_field_prediction_error')})",
                    thresholds=DRIFT,
                ),
                stat(
                    "Steps",
                    "Steps that the nodes accept, a second.",
                    "cps",
                    f"sum({rate_of('psi_node_steps_total')})",
                    thresholds=steps_of(BLUE),
                ),
                stat(
                    "Fields",
                    "Fields that exist.",
                    "none",
                    f"max({of('psi_fields')})",
                    thresholds=steps_of(BLUE),
                ),
            ],
        ),
        (
            "Fields",
            [
                metric(
                    "Ψ density",
                    "psi_field_density",
                    "Overall stability." + SYNTHETIC,
                    limits=(0, 1),
                    thresholds=steps_of(RED, (0.2, CLEAR), (0.9, RED)),
                ),
                metric("Φ phase coherence", "psi_field_phase_coherence", "Temporal alignment."),
                metric("C continuity", "psi_field_continuity", "How well the present binds to the immediate past."),
                metric("U futurity", "psi_field_futurity", "Anticipatory grip on the near future."),
                metric(
                    "PE prediction error",
                    "psi_field_prediction_error",
                    "How far off the prediction was." + SYNTHETIC,
                    thresholds=steps_of(CLEAR, (0.7, YELLOW)),
                ),
                metric(
                    "H temporal entropy",
                    "psi_field_temporal_entropy",
                    "Nats." + SYNTHETIC,
                    thresholds=steps_of(CLEAR, (0.8, YELLOW)),
                ),
            ],
        ),
        (
            "Drift: do the nodes say the same?",
            [
                graph(
                    "Drift of the prediction error",
                    "Largest less smallest over nodes, by field. Nodes that replicate differ by what is on its way "
                    "between them; the incident that ψ-field was built for stood at 0.8. Critical above 0.3 for 3 min.",
                    "none",
                    (difference("psi_field_prediction_error"), "{{field}}"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (0.3, RED)),
                ),
                graph(
                    "Drift of the density",
                    "Largest less smallest Ψ over nodes, by field.",
                    "none",
                    (difference("psi_field_density"), "{{field}}"),
                    limits=(0, None),
                ),
                graph(
                    "Steps missing on nodes",
                    "The field's count of steps: largest less smallest over nodes. What was taken since the last "
                    "exchange, or is written while Prometheus goes from node to node.",
                    "none",
                    (difference("psi_field_steps"), "{{field}}"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "What the fields accept",
            [
                graph(
                    "Noise",
                    "The fold of all interventions, 0 to 1.5: nigredo adds 1.5, albedo takes 0.7.",
                    "none",
                    (of_field("psi_field_noise"), "{{field}} · {{node}}"),
                    limits=(0, 1.5),
                    width=6,
                ),
                graph(
                    "Interventions",
                    "Of all nodes, in the field's epoch.",
                    "none",
                    (f"max by (field) ({of_field('psi_field_interventions')})", "{{field}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Steps in the window",
                    "Steps that the figures above are means of.",
                    "none",
                    (f"max by (field) ({of_field('psi_field_window_steps')})", "{{field}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Since the latest step",
                    "A field that nobody steps goes on showing the figures of its last 60 s.",
                    "s",
                    (f"time() - max by (field) ({of_field('psi_field_last_step_timestamp_seconds')})", "{{field}}"),
                    limits=(0, None),
                    width=6,
                    thresholds=steps_of(CLEAR, (300, YELLOW)),
                ),
            ],
        ),
    ],
)


# --- Replication

LIVE = 'state="live"'
PEER = "{{node}} → {{peer}}"


def traffic(title, name, unit, about):
    """What crosses links, a second, by node and direction; received is drawn below zero."""
    ways = [
        (f"sum by (node) ({rate_of(name, of_way)})", f"{{{{node}}}} {way}")
        for way, of_way in (("sent", 'direction="sent"'), ("received", 'direction="received"'))
    ]
    one = graph(title, f"{about} Sent above zero, received below.", unit, *ways)
    below = [{"id": "custom.transform", "value": "negative-Y"}]
    one["fieldConfig"]["overrides"] = [{"matcher": {"id": "byFrameRefID", "options": "B"}, "properties": below}]
    return one


def by_node(name, legend="{{node}}"):
    return (of(name), legend)


REPLICATION = dashboard(
    "psi-field-replication",
    "ψ-field / replication",
    "Who is live, whether all agree, how far they lag and what it costs.",
    [NODES],
    [
        (
            "Now",
            [
                stat(
                    "Replicas",
                    "Whether nodes that hold the same writes have the same digest. If not, that is a bug in ψ-field.",
                    "none",
                    f"min({of('psi_replica_agree')})",
                    mappings=AGREE,
                    thresholds=steps_of(RED, (1, GREEN)),
                ),
                stat(
                    "Divergences",
                    "Times that two nodes were found to differ since they started: a bug in ψ-field.",
                    "none",
                    f"sum({of('psi_replica_divergences_total')})",
                    thresholds=steps_of(GREEN, (1, RED)),
                ),
                stat(
                    "Live members",
                    "As the node sees it that sees the fewest.",
                    "none",
                    f"min({of('psi_cluster_members', LIVE)})",
                    thresholds=steps_of(RED, (1, YELLOW), (3, GREEN)),
                ),
                stat(
                    "Largest lag",
                    "For how long a peer has missed something that a node wrote.",
                    "s",
                    f"max({of('psi_replica_lag_seconds')})",
                    thresholds=steps_of(GREEN, (1, YELLOW), (5, RED)),
                ),
                stat(
                    "Runs wait to end",
                    "For how long nothing was agreed on. Seconds are usual; for longer, most nodes are missing.",
                    "s",
                    f"max({of('psi_replica_end_waits_seconds')})",
                    thresholds=steps_of(GREEN, (60, YELLOW), (3600, RED)),
                ),
                stat(
                    "Largest clock offset",
                    "Of a node from the members' median. From 10 s on a node accepts no steps.",
                    "s",
                    f"max(abs(psi_node_clock_offset_seconds) {NAMED})",
                    thresholds=steps_of(GREEN, (2, YELLOW), (10, RED)),
                ),
            ],
        ),
        (
            "Agreement and membership",
            [
                timeline(
                    "Agreement",
                    "Red while a live member with the same writes has another digest.",
                    by_node("psi_replica_agree"),
                    AGREE,
                    width=8,
                ),
                graph(
                    "Members",
                    "As each node sees them. A dead one is remembered for `gossip.dead_node_grace_s`.",
                    "none",
                    by_node("psi_cluster_members", "{{node}} sees {{state}}"),
                    limits=(0, None),
                ),
                graph(
                    "Links",
                    "Replication links that stand: up to 32 members, one to each other member.",
                    "none",
                    by_node("psi_replica_links"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "Lag",
            [
                graph(
                    "Lag, writes",
                    "What the first node wrote and the second has not acknowledged.",
                    "none",
                    by_node("psi_replica_lag_versions", PEER),
                    limits=(0, None),
                    width=12,
                ),
                graph(
                    "Lag, time",
                    "For how long the second node has missed the oldest of that.",
                    "s",
                    by_node("psi_replica_lag_seconds", PEER),
                    limits=(0, None),
                    width=12,
                    thresholds=steps_of(CLEAR, (5, RED)),
                ),
            ],
        ),
        (
            "Traffic",
            [
                traffic("Bytes", "psi_replica_peer_bytes_total", "Bps", "Frames on all links of a node."),
                traffic("Entries", "psi_replica_peer_entries_total", "cps", "Entries sent, and entries applied."),
                graph(
                    "Deltas cut, sent again, refused",
                    "Cut: took more than one frame. Sent again: no answer in time. Refused: damaged or from a node "
                    "whose clock is far ahead; the log says why.",
                    "cps",
                    (per_second("psi_replica_deltas_cut_total", "node"), "{{node}} cut"),
                    (per_second("psi_replica_resent_total", "node"), "{{node}} sent again"),
                    (per_second("psi_replica_deltas_refused_total", "node"), "{{node}} refused"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "What is held",
            [
                graph(
                    "Runs by stage",
                    "Runs of nodes that have not ended, on the node that holds most. Each node has a live one. Closed "
                    "and silent ones end within seconds once most nodes agree.",
                    "none",
                    (f"max by (stage) ({of('psi_replica_runs')})", "{{stage}}"),
                    limits=(0, None),
                ),
                graph("Entries", "Entries held.", "none", by_node("psi_replica_entries"), limits=(0, None)),
                graph(
                    "Size",
                    "Values of all entries held; those of the base, which is what ended runs come to; and the latest "
                    "snapshot on disk (0 without a data directory).",
                    "bytes",
                    by_node("psi_replica_entry_bytes", "{{node}} entries"),
                    by_node("psi_replica_base_bytes", "{{node}} base"),
                    by_node("psi_snapshot_bytes", "{{node}} snapshot"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "Clocks, gossip, snapshots",
            [
                graph(
                    "Clock offset",
                    "Members' median less the node's own clock.",
                    "s",
                    by_node("psi_node_clock_offset_seconds"),
                    thresholds=steps_of(RED, (-2, CLEAR), (2, RED)),
                ),
                graph(
                    "Gossip restarts",
                    "Times that the gossip loop ended and was started again, since the node started.",
                    "none",
                    by_node("psi_gossip_restarts_total"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (1, YELLOW)),
                ),
                graph(
                    "Since the latest snapshot",
                    "Of nodes with a data directory. One is written every `data.snapshot_interval_ms` while anything "
                    "changes.",
                    "s",
                    (f"time() - ({of('psi_snapshot_last_timestamp_seconds')} > 0)", "{{node}}"),
                    limits=(0, None),
                ),
            ],
        ),
    ],
)


# --- Service

BUDGET = steps_of(RED, (0, YELLOW), (0.25, GREEN))
# At these burn rates alerts begin, each over a longer window.
BURN = steps_of(CLEAR, (1, YELLOW), (6, "orange"), (14.4, RED))


def burn(title, ratio, allowed, about):
    """How many times faster than the objective allows its error budget is spent, over several windows."""
    windows = {"5m": "5 min", "1h": "1 h", "6h": "6 h", "3d": "3 days"}
    queries = [(f"psi:{ratio}:ratio{window} / {allowed}", text) for window, text in windows.items()]
    about = f"{about} 1 spends the error budget of 30 days in 30 days; alerts begin at 14.4 (1 h), 6 (6 h), 1 (3 days)."
    return graph(title, about, "none", *queries, limits=(0, None), thresholds=BURN, width=9)


STEP = "psi_node_step_duration_seconds"
HTTP = "psi_http_request_duration_seconds"


SERVICE = dashboard(
    "psi-field-service",
    "ψ-field / service",
    "What callers see: rate, errors, latency, and what is left of the error budget.",
    [NODES],
    [
        (
            "Traffic",
            [
                graph(
                    "Steps",
                    "Accepted, a second.",
                    "cps",
                    (per_second("psi_node_steps_total", "node"), "{{node}}"),
                    limits=(0, None),
                    width=6,
                    stack=True,
                ),
                graph(
                    "Calls that step, by outcome",
                    "Refused: the caller's mistake. Failed: what another request would not have avoided; the objective "
                    "of availability counts these.",
                    "cps",
                    (per_second("psi_node_step_calls_total", "outcome"), "{{outcome}}"),
                    limits=(0, None),
                    width=6,
                    stack=True,
                ),
                graph(
                    "Calls refused, by reason",
                    "gRPC and HTTP. What each reason means is in the error catalogue; most are the caller's.",
                    "cps",
                    (per_second("psi_node_errors_total", "reason"), "{{reason}}"),
                    limits=(0, None),
                    width=6,
                    stack=True,
                ),
                graph(
                    "HTTP answers, by path and code",
                    "Health checks and scrapes included.",
                    "reqps",
                    (per_second(f"{HTTP}_count", "path, code"), "{{path}} {{code}}"),
                    limits=(0, None),
                    width=6,
                ),
            ],
        ),
        (
            "Latency",
            [
                graph(
                    "Step latency",
                    "Time to check, score and absorb a step or batch, without the wire.",
                    "s",
                    (quantile(0.5, STEP, "node"), "{{node}} p50"),
                    (quantile(0.99, STEP, "node"), "{{node}} p99"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (0.05, RED)),
                ),
                heatmap(
                    "Steps by latency",
                    "Steps a second in each bucket.",
                    "s",
                    f"sum by (le) ({rate_of(STEP + '_bucket')})",
                ),
                graph(
                    "HTTP latency, p99 by path",
                    "Time to answer, the wire left out.",
                    "s",
                    (quantile(0.99, HTTP, "path"), "{{path}}"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "Objectives: 99.9 % of steps do not fail, 99 % take under 50 ms",
            [
                stat(
                    "Availability: budget left",
                    "Of 30 days, or of what data there is. Below 0 the objective is missed.",
                    "percentunit",
                    "min(psi:step_availability:budget_left)",
                    width=3,
                    height=8,
                    thresholds=BUDGET,
                ),
                burn(
                    "Availability: burn rate", "step_failed", 0.001, "Share of calls that failed, over what is allowed."
                ),
                stat(
                    "Latency: budget left",
                    "Of 30 days, or of what data there is. Below 0 the objective is missed.",
                    "percentunit",
                    "min(psi:step_latency:budget_left)",
                    width=3,
                    height=8,
                    thresholds=BUDGET,
                ),
                burn("Latency: burn rate", "step_slow", 0.01, "Share of steps over 50 ms, over what is allowed."),
            ],
        ),
        (
            "Round trips, as a client sees them: a step at one node, read back at the others",
            [
                timeline(
                    "Success",
                    "Whether the probe's latest round went well at the node.",
                    ("psi_probe_success", "{{target}}"),
                    states(("failed", RED), ("ok", GREEN)),
                    width=6,
                ),
                graph(
                    "Failures, by reason",
                    "`psi-field probe --help` says what each means.",
                    "cps",
                    ("sum by (reason) (rate(psi_probe_failures_total[$__rate_interval]))", "{{reason}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Step over the wire, p99",
                    "From the call to its acknowledgement.",
                    "s",
                    (probe_quantile(0.99, "psi_probe_step_seconds", "target"), "{{target}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Until it shows elsewhere, p99",
                    "From the acknowledgement at the first node to the read at the second that shows it.",
                    "s",
                    (
                        probe_quantile(0.99, "psi_probe_propagation_seconds", "source, target"),
                        "{{source}} → {{target}}",
                    ),
                    limits=(0, None),
                    width=6,
                ),
            ],
        ),
        (
            "Nodes",
            [
                timeline(
                    "Ready",
                    "A node that is joining, stopping, or whose clock is off accepts no steps.",
                    by_node("psi_node_ready"),
                    READY,
                    width=8,
                ),
                graph(
                    "Repeated and dropped",
                    "Repeated: answered as before by its `request_id`, not counted again. Dropped: steps that a reset "
                    "or drop of their field on another node overtook.",
                    "cps",
                    (per_second("psi_node_requests_repeated_total", "node"), "{{node}} repeated"),
                    (per_second("psi_node_steps_dropped_total", "node"), "{{node}} dropped"),
                    limits=(0, None),
                ),
                graph(
                    "Versions",
                    "Nodes that run each version. Two during an upgrade, else one.",
                    "none",
                    (f"count by (version) ({of('psi_build_info')})", "{{version}}"),
                    limits=(0, None),
                    stack=True,
                ),
            ],
        ),
    ],
)

# --- Drift

# A model is a field. Severity, status and columns are of the merged view, which every node shows: the greatest counts.
# Novelty, unusual steps and threats are of a node's own steps.
SEVERITY = steps_of(GREEN, (0.5, YELLOW), (0.8, RED))
SEVERITY_LINES = steps_of(CLEAR, (0.5, YELLOW), (0.8, RED))
ANY_IS_BAD = steps_of(GREEN, (1, YELLOW))
NOVELTY = steps_of(GREEN, (6, YELLOW))
NOVELTY_LINES = steps_of(CLEAR, (6, YELLOW))
STATUSES = {
    "off": GREY,
    "no_baseline": PURPLE,
    "learning": BLUE,
    "insufficient_data": "light-blue",
    "stable": GREEN,
    "warning": YELLOW,
    "drift": RED,
}


def of_model(name, *matchers):
    return of(name, 'model=~"$field"', *matchers)


def within_an_hour(name, label):
    return f'increase({name}{{{label}=~"$field"}}[1h]) {NAMED}'


def in_status(*statuses):
    """How many fields have one of these."""
    matcher = 'status=~"' + "|".join(statuses) + '"'
    return f"sum(max by (model, status) ({of_model('psi_drift_status', matcher)}))"


def status_number():
    """By model, the place in STATUSES of the one that holds."""
    series = [of_model("psi_drift_status", f'status="{status}"') for status in STATUSES]
    each = (f"max by (model, status) ({one}) * {place}" for place, one in enumerate(series))
    return f"max by (model) ({' or '.join(each)})"


DRIFT_OF_INPUTS = dashboard(
    "psi-field-drift",
    "ψ-field / drift",
    "Whether inputs of fields still come from where their baselines came from, and which steps are unlike all others.",
    [FIELDS, NODES],
    [
        (
            "Now",
            [
                stat(
                    "Greatest severity",
                    "Of the chosen fields that have a verdict. From 0.5 on a warning, from 0.8 on critical.",
                    "none",
                    f"max({of_model('psi_drift_severity')})",
                    thresholds=SEVERITY,
                ),
                stat(
                    "Fields that drift",
                    "Fields with status `warning` or `drift`.",
                    "none",
                    in_status("warning", "drift"),
                    thresholds=ANY_IS_BAD,
                ),
                stat(
                    "Fields without a verdict",
                    "Fields that are watched and have no baseline, are learning one, or get too few inputs to tell.",
                    "none",
                    in_status("no_baseline", "learning", "insufficient_data"),
                    thresholds=ANY_IS_BAD,
                ),
                stat(
                    "Frozen columns",
                    "Columns that have one value, and had several in the baseline; of all chosen fields.",
                    "none",
                    f"sum(max by (model) ({of_model('psi_drift_frozen_columns')}))",
                    thresholds=ANY_IS_BAD,
                ),
                stat(
                    "Greatest novelty",
                    "Of the steps of the latest 60 s. By default a step is unusual from 6 on.",
                    "none",
                    f"max({of_field('psi_field_novelty_max')})",
                    thresholds=NOVELTY,
                ),
                stat(
                    "Unusual steps",
                    "Within the last hour, of all chosen fields and nodes.",
                    "none",
                    f"sum({within_an_hour('psi_field_unusual_steps_total', 'field')})",
                    thresholds=ANY_IS_BAD,
                ),
            ],
        ),
        (
            "Verdicts",
            [
                graph(
                    "Severity",
                    "By model, as the node shows it that shows the greatest. Dashed: a warning, and critical. Fields "
                    "without a baseline, or with too few inputs, have none.",
                    "none",
                    (f"max by (model) ({of_model('psi_drift_severity')})", "{{model}}"),
                    limits=(0, 1),
                    thresholds=SEVERITY_LINES,
                ),
                timeline(
                    "Status",
                    "By model. `no_baseline`: none comes by itself. `insufficient_data`: no window holds 100 inputs.",
                    (status_number(), "{{model}}"),
                    states(*STATUSES.items()),
                    width=8,
                ),
                graph(
                    "Detections",
                    "Times within an hour that steps were the first to be answered with drift. Each node counts for "
                    "itself.",
                    "none",
                    (f"sum by (model) ({within_an_hour('psi_drift_detected_total', 'model')})", "{{model}}"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "What has changed",
            [
                graph(
                    "Columns by excess",
                    "PSI beyond what the baseline does by itself, of the three columns or pairs of each field that "
                    "have most. Columns count from 0; 0-3 is a pair. Dashed: the default `drift_warning` and "
                    "`drift_critical`. What may be chance is no drift, however great: the severity says.",
                    "none",
                    (f"max by (model, column) ({of_model('psi_drift_column_excess')})", "{{model}} · {{column}}"),
                    thresholds=steps_of(CLEAR, (0.1, YELLOW), (0.25, RED)),
                    width=12,
                ),
                graph(
                    "Frozen columns",
                    "Columns that have one value in the longest window, and had several in the baseline.",
                    "none",
                    (f"max by (model) ({of_model('psi_drift_frozen_columns')})", "{{model}}"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (1, YELLOW)),
                    width=6,
                ),
                graph(
                    "Inputs in the longest window",
                    "Windows below 100, the dashed line, are not judged.",
                    "none",
                    (f"max by (model) ({of_model('psi_drift_window_inputs')})", "{{model}}"),
                    limits=(0, None),
                    thresholds=steps_of(RED, (100, CLEAR)),
                    width=6,
                ),
            ],
        ),
        (
            "Single steps",
            [
                graph(
                    "Novelty, greatest of 60 s",
                    "How unlike all earlier inputs a step was, by field and the node that took it. Dashed: the default "
                    "`novelty_threshold`, from which on a step is unusual. One column alone can make it so, too.",
                    "none",
                    (of_field("psi_field_novelty_max"), "{{field}} · {{node}}"),
                    limits=(0, None),
                    thresholds=NOVELTY_LINES,
                    width=6,
                ),
                graph(
                    "Novelty, mean of 60 s",
                    "About 1 where inputs are as they always were.",
                    "none",
                    (of_field("psi_field_novelty_mean"), "{{field}} · {{node}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Unusual steps",
                    "Steps a second that were unlike all before them, of all nodes.",
                    "cps",
                    (f"sum by (field) ({rate_of_field('psi_field_unusual_steps_total')})", "{{field}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Threats, by kind",
                    "Steps a second that the guardian took for a threat, whether it intervenes or watches. Some are "
                    "usual: its thresholds are percentiles of the latest steps.",
                    "cps",
                    (
                        f"sum by (field, threat) ({rate_of_field('psi_field_threats_total')})",
                        "{{field}} · {{threat}}",
                    ),
                    limits=(0, None),
                    width=6,
                ),
            ],
        ),
    ],
)

# --- Governance

GOVERNANCE = dashboard(
    "psi-field-governance",
    "ψ-field / governance",
    "Ledgers, leases and processes: whether records are kept and proved, who waits for a lease, what gates say.",
    [NODES],
    [
        (
            "Now",
            [
                stat(
                    "Emergency switch",
                    "While it is on, no gate of any process blocks.",
                    "none",
                    f"max({of('psi_process_emergency')})",
                    mappings=states(("off", GREEN), ("ON", RED)),
                    thresholds=steps_of(GREEN, (1, RED)),
                ),
                stat(
                    "Heads that contradict",
                    "Forks, keys that differ, and ledgers that were set back, that any node has seen since its start.",
                    "short",
                    f"sum(max by (kind) ({of('psi_ledger_conflicts_total')}))",
                    thresholds=steps_of(GREEN, (1, RED)),
                ),
                stat(
                    "Oldest unproved head",
                    "For how long a head has been shown that could not be proved. An alert fires after 60 s.",
                    "s",
                    f"max({of('psi_ledger_unproven_seconds')})",
                    thresholds=steps_of(GREEN, (10, YELLOW), (60, RED)),
                ),
                stat(
                    "Incomplete ledgers",
                    "Ledgers of which a node does not hold every record. They are fetched.",
                    "short",
                    f"max({of('psi_ledger_incomplete')})",
                    thresholds=steps_of(GREEN, (1, YELLOW)),
                ),
                stat(
                    "Registers of former voters",
                    "Registers of processes and tasks that have not moved to the voters that were named last. Keep the former "
                    "ones up until it is 0.",
                    "short",
                    f"max({of('psi_process_registers_behind')})",
                    thresholds=steps_of(GREEN, (1, YELLOW)),
                ),
                stat(
                    "Records lost",
                    "Records that could not wait for a disk, and are missing from a ledger.",
                    "short",
                    f"sum({of('psi_ledger_records_dropped_total')})",
                    thresholds=steps_of(GREEN, (1, RED)),
                ),
            ],
        ),
        (
            "Processes and leases",
            [
                graph(
                    "Gates, by verdict",
                    "Gates that were judged when a task was to advance. A gate that holds has no data, or can't be judged.",
                    "cps",
                    (per_second("psi_process_gates_total", "verdict"), "{{verdict}}"),
                    limits=(0, None),
                    stack=True,
                ),
                graph(
                    "Drift of nodes or work, by severity",
                    "Gates a second that found nodes or work other than their baseline says.",
                    "cps",
                    (per_second("psi_process_drift_detected_total", "severity"), "{{severity}}"),
                    limits=(0, None),
                ),
                graph(
                    "Leases in contention",
                    "Leases a second that callers asked for while another held them, or was faster.",
                    "cps",
                    (per_second("psi_lease_contention_total", "node"), "{{node}}"),
                    limits=(0, None),
                ),
            ],
        ),
        (
            "Ledgers",
            [
                graph(
                    "Records",
                    "What operators did on a node, and what it did itself: records that it writes to its ledger, a second.",
                    "cps",
                    (per_second("psi_ledger_records_total", "node"), "{{node}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Conflicts",
                    "Signed heads that contradict one that the node holds, since it started. One is a fork.",
                    "none",
                    by_node("psi_ledger_conflicts_total", "{{node}} {{kind}}"),
                    limits=(0, None),
                    width=6,
                    thresholds=steps_of(CLEAR, (1, RED)),
                ),
                graph(
                    "Heads without a proof",
                    "For how long the node has been shown a head that nobody proves to go on from the one it holds. "
                    "A moment is usual; the alert begins at a minute.",
                    "s",
                    by_node("psi_ledger_unproven_seconds"),
                    limits=(0, None),
                    width=6,
                    thresholds=steps_of(CLEAR, (60, YELLOW)),
                ),
                graph(
                    "Incomplete ledgers",
                    "Ledgers of which the node lacks records that their heads cover. It fetches them from other nodes.",
                    "none",
                    by_node("psi_ledger_incomplete"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Time of the latest write",
                    "How long the latest write of records to disk took.",
                    "s",
                    (f"max by (node) ({of('psi_ledger_write_seconds')})", "{{node}}"),
                    limits=(0, None),
                ),
                graph(
                    "Heads of others, and failed writes",
                    "Heads of other runs that were proved, those that nobody who is trusted signed, and writes to the disk that "
                    "failed, a second.",
                    "cps",
                    (per_second("psi_ledger_heads_believed_total", "node"), "{{node}} · proved"),
                    (per_second("psi_ledger_heads_refused_total", "node"), "{{node}} · refused"),
                    (per_second("psi_ledger_failures_total", "node"), "{{node}} · failed writes"),
                    limits=(0, None),
                ),
            ],
        ),
    ],
)

# --- Rollouts

# Versions of a model are fields, `model@version`. What voters decided and how steps went is merged: every node shows the
# same, and the greatest counts. How soon a rollout followed drift is known to the node that began it alone: there all nodes
# count, whichever are chosen.
ROLLOUT_STATUSES = {
    "PENDING": GREY,
    "IN_PROGRESS": BLUE,
    "PAUSED": YELLOW,
    "PROMOTED": GREEN,
    "ROLLED_BACK": RED,
    "CANCELLED": PURPLE,
}
HOLD_REASONS = {"INSUFFICIENT_DATA": BLUE, "INCONCLUSIVE": YELLOW, "UNHEARD": PURPLE, "NO_MAJORITY": RED}
REMEDIATION_MODES = {"off": GREY, "watch": BLUE, "on": GREEN}
REMEDY = "psi_remediation_duration_seconds"
# As the alerts DriftRemediationLatencySLOBreach and CanaryDeploymentStalled have them.
REMEDY_S, STALLED_S = 30, 7200
VERSION = "{{model}}@{{version}}"
OF_MODEL, OF_VERSIONS = 'model=~"$model"', '=~"($model)@.+"'


def by_model(name):
    return f"max by (model) ({of(name, OF_MODEL)})"


def rolled_back_by_model():
    return f"max by (model) (increase(psi_rollouts_rolled_back_total{{{OF_MODEL}}}[1h]) {NAMED})"


def since_the_change():
    """Seconds, by model, of rollouts that are under way."""
    return f"time() - {by_model('psi_rollout_last_change_timestamp_seconds')} and {by_model('psi_rollout_active')} == 1"


def which_holds(name, label, values):
    """By model, the place in `values` of the one whose series is 1."""
    series = (of(name, OF_MODEL, f'{label}="{value}"') for value in values)
    each = (f"max by (model, {label}) ({one}) * {place}" for place, one in enumerate(series))
    return f"max by (model) ({' or '.join(each)})"


def rate_of_versions(name):
    return f"max by (model, version) ({rate_of(name, OF_MODEL)})"


def remedy_quantile(share):
    """Of all models, over as long as the alert looks back."""
    return (f"histogram_quantile({share}, sum by (le) (rate({REMEDY}_bucket[15m])))", f"p{share * 100:.0f}")


ROLLOUTS = dashboard(
    "psi-field-rollouts",
    "Model Drift / Rollouts",
    "Which versions take over, how their steps go, and how soon a rollout follows drift. `psi-field rollout show MODEL` "
    "says what the gates say, and why a canary holds.",
    [MODELS, NODES],
    [
        (
            "Now",
            [
                stat(
                    "Rollouts under way",
                    "Of the chosen models.",
                    "none",
                    f"sum({by_model('psi_rollout_active')})",
                    thresholds=steps_of(BLUE),
                ),
                stat(
                    "Longest without a change",
                    "Of rollouts under way: time since the percentage rose. An alert fires after two hours.",
                    "s",
                    f"max({since_the_change()})",
                    thresholds=steps_of(GREEN, (3600, YELLOW), (STALLED_S, RED)),
                ),
                stat(
                    "Rolled back within an hour",
                    "Rollouts of the chosen models. An alert fires above two of one model.",
                    "none",
                    f"round(sum({rolled_back_by_model()}))",
                    thresholds=steps_of(GREEN, (1, YELLOW), (3, RED)),
                ),
                stat(
                    "Late rollbacks",
                    "Models whose latest rollout was rolled back after its promotion was decided. That changes nothing by "
                    "itself.",
                    "none",
                    f"sum({by_model('psi_rollout_late_rollback')})",
                    thresholds=ANY_IS_BAD,
                ),
                stat(
                    "Greatest severity of drift",
                    "Of all versions of the chosen models. From 0.75 on, a rollout may begin by itself.",
                    "none",
                    f"max({of('psi_drift_severity', 'model' + OF_VERSIONS)})",
                    thresholds=SEVERITY,
                ),
                stat(
                    "Begun within 30 s",
                    "Of rollouts that began by themselves since the nodes started: the share that met the objective. 95 % "
                    "should.",
                    "percentunit",
                    f'sum({REMEDY}_bucket{{le="{REMEDY_S}"}}) / sum({REMEDY}_count)',
                    thresholds=steps_of(RED, (0.95, GREEN)),
                ),
            ],
        ),
        (
            "Canary",
            [
                graph(
                    "Percentage",
                    "The share of keys that the canary answers. After the end, how far it had come.",
                    "percent",
                    (f"max by (model, version) ({of('psi_rollout_percent', OF_MODEL)})", VERSION),
                    limits=(0, 100),
                    width=8,
                ),
                timeline(
                    "Status",
                    "Of the latest rollout of each model.",
                    (which_holds("psi_rollout_status", "status", ROLLOUT_STATUSES), "{{model}}"),
                    states(*ROLLOUT_STATUSES.items()),
                    width=8,
                ),
                timeline(
                    "Why it holds",
                    "Of a rollout under way: why nothing follows by itself yet. Empty where something does.",
                    (which_holds("psi_rollout_hold", "reason", HOLD_REASONS), "{{model}}"),
                    states(*HOLD_REASONS.items()),
                    width=8,
                ),
                graph(
                    "Since the last change",
                    "Of rollouts under way: time since the percentage rose, or the rollout began. Dashed: where an alert "
                    "begins.",
                    "s",
                    (since_the_change(), "{{model}}"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (STALLED_S, RED)),
                    width=12,
                ),
                graph(
                    "Rolled back within an hour",
                    "Rollouts of a model that were rolled back. An alert fires above two.",
                    "none",
                    (rolled_back_by_model(), "{{model}}"),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (2.5, RED)),
                    width=12,
                ),
            ],
        ),
        (
            "Outcomes",
            [
                graph(
                    "Steps",
                    "By version, a second, of all nodes.",
                    "cps",
                    (f"max by (field) ({rate_of('psi_field_steps', 'field' + OF_VERSIONS)})", "{{field}}"),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Steps with an outcome",
                    "Steps a second whose callers said how they went. Gates judge by these alone.",
                    "cps",
                    (rate_of_versions("psi_version_outcomes"), VERSION),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Error rate",
                    "Of the steps with an outcome, the share that failed.",
                    "percentunit",
                    (f"{rate_of_versions('psi_version_errors')} / {rate_of_versions('psi_version_outcomes')}", VERSION),
                    limits=(0, None),
                    width=6,
                ),
                graph(
                    "Mean latency",
                    "Of the steps with a latency, as their callers measured it. Sums say nothing of the tail.",
                    "s",
                    (
                        f"{rate_of_versions('psi_version_latency_sum_seconds')} "
                        f"/ {rate_of_versions('psi_version_timed_outcomes')}",
                        VERSION,
                    ),
                    limits=(0, None),
                    width=6,
                ),
            ],
        ),
        (
            "Remediation latency",
            [
                graph(
                    "Remediation latency",
                    "Time from what let a rollout begin by itself to its start, of all models, over 15 minutes. Dashed: the "
                    "objective, which the 95th percentile should meet.",
                    "s",
                    remedy_quantile(0.5),
                    remedy_quantile(0.95),
                    limits=(0, None),
                    thresholds=steps_of(CLEAR, (REMEDY_S, RED)),
                    width=12,
                ),
                graph(
                    "Severity of drift",
                    "Of versions that have a verdict. Dashed: from where on a rollout may begin by itself.",
                    "none",
                    (f"max by (model) ({of('psi_drift_severity', 'model' + OF_VERSIONS)})", "{{model}}"),
                    limits=(0, 1),
                    thresholds=steps_of(CLEAR, (0.75, RED)),
                    width=6,
                ),
                timeline(
                    "Mode",
                    "What follows drift by itself: nothing, a plan, or a plan and a rollout.",
                    (which_holds("psi_remediation_mode", "mode", REMEDIATION_MODES), "{{model}}"),
                    states(*REMEDIATION_MODES.items()),
                    width=6,
                ),
                graph(
                    "Drift that was found",
                    "Times that a champion's inputs drifted while somebody had said that something follows.",
                    "none",
                    (by_model("psi_remediations_total"), "{{model}}"),
                    limits=(0, None),
                ),
                graph(
                    "Remedies that failed",
                    "Rollouts that were to remedy drift, and ended otherwise than by a promotion.",
                    "none",
                    (by_model("psi_remediations_failed_total"), "{{model}}"),
                    limits=(0, None),
                ),
                graph(
                    "Posts to the webhook",
                    "Events that a node posted, in ten minutes: taken, refused and posted again, or lost.",
                    "none",
                    (f"sum by (result) (increase(psi_notifications_total[10m]) {NAMED})", "{{result}}"),
                    limits=(0, None),
                ),
            ],
        ),
    ],
)

DASHBOARDS = {
    "drift": DRIFT_OF_INPUTS,
    "governance": GOVERNANCE,
    "overview": OVERVIEW,
    "replication": REPLICATION,
    "rollouts": ROLLOUTS,
    "service": SERVICE,
}


def main():
    stale = []
    for name, made in DASHBOARDS.items():
        file, text = FOLDER / f"{name}.json", json.dumps(made, indent=2, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv[1:]:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            stale.append(str(file))
    if stale:
        sys.exit("not what deploy/grafana/generate.py makes; run it: " + ", ".join(stale))


if __name__ == "__main__":
    main()
