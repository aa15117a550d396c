#!/usr/bin/env python3
"""Does to a cluster what the seed's runbook for drift tells operators, in its order: look at a model that drifts, steer
rollouts, remedy, diagnose. Each command is printed and its answer checked; what reads is asked of every node. At the
end drift leads to a plan and a canary by itself, and the time that this took is printed. It takes a minute.

    deploy/tests/runbook.py --program target/debug/psi-field      # three nodes of its own, on loopback
    deploy/tests/runbook.py --url https://localhost:8000 --url https://localhost:8001 --url https://localhost:8002 \\
        --ca ca.pem --token-file operator.token --tenant first    # nodes of compose.yaml; another tenant for each run

Needs Python 3.11 and nothing else.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
from datetime import datetime

from cluster import ENVIRONMENT, Access
from models import SHIFT, WIDTH, InputSource, three_nodes
from terminal import Operator, Site

TENANT = "runbook"
# One that an operator looks at, and one that nobody touches once it is staged.
CHURN, FRAUD = "churn", "fraud"
# A window of a second needs a hundred inputs to be judged.
RATE = 200
OBJECTIVE_S = 30.0
# Nodes keep counts of the latest 32 seconds, so a baseline set this long after a shift covers nothing from before it.
KEPT_S = 33.0
CONFIG = {
    "rolloutSchedule": [5, 10, 25, 50, 100],
    "evaluationWindow": "1h",
    "minimumPredictions": 100,
    "errorRateThreshold": 0.05,
    "latencyDegradationThreshold": 1.5,
    "initiatedBy": "ann",
}

# What the seed's runbook asks of nodes and of their logs. `run` asks each of these.
LOGS_OFF, LOGS_ON = "logs | grep drift, while remediation is off", "logs | grep drift, while it is not"
DRIFT, MODELS = "/api/v1/drift/models", "/api/v1/models/{model}"
SEED = [
    f"GET {DRIFT}",
    f"GET {DRIFT}/{{champion}}/analyze",
    f"GET {DRIFT}/{{champion}}/status",
    f"POST {DRIFT}/{{champion}}/baseline",
    f"DELETE {DRIFT}/{{champion}}/baseline",
    f"GET {MODELS}/deployments",
    f"GET {MODELS}/deployments?status=IN_PROGRESS",
    f"GET {MODELS}/deployments/{{deployment}}",
    f"POST {MODELS}/deployments/canary",
    f"POST {MODELS}/deployments/{{deployment}}/advance",
    f"POST {MODELS}/deployments/{{deployment}}/rollback",
    f"POST {MODELS}/deployments/{{deployment}}/pause",
    f"POST {MODELS}/deployments/{{deployment}}/resume",
    f"GET {MODELS}/versions",
    f"GET {MODELS}/versions?stage=STAGING",
    f"POST {MODELS}/versions/v2/promote",
    "PUT /api/v1/config/drift",
    "GET /api/v1/plans",
    "GET /api/v1/plans?planType=DRIFT_REMEDIATION&limit=20",
    "GET /api/v1/plans/{plan}",
    "GET /api/v1/actions/nexus?rimNodeId=rim:model:{model}",
    "GET /api/v1/actions/by-plato-plan/{plan}",
    "POST /api/v1/signals",
    "GET /actuator/health",
    LOGS_OFF,
    LOGS_ON,
]
# What nodes do not answer yet, and where it belongs. Once they do, delete the line here and ask there.
MISSING = {"POST /api/v1/signals": "remedy, before the plans are looked at"}


def only(content):
    assert len(content) == 1, content
    return content[0]


# --- What the runbook says, section by section


def prepare(operator):
    """Once for a cluster and a model: voters, fields, and what answers today."""
    operator.title("Before: voters, and two models")
    said = operator.psi_field("lease", "voters", "show", "--output", "json")
    if not json.loads(said)["voters"]:
        name_voters(operator)
    for model, versions in ((FRAUD, 2), (CHURN, 3)):
        operator.look_at(model)
        make_model(operator, versions)


def make_model(operator, versions):
    for version in range(1, versions + 1):
        field = f"{operator.model}@v{version}"
        operator.psi_field("field", "create", field, "--width", str(WIDTH), "--guardian", "watch", shows=[field])
    operator.see(f"GET {MODELS}/versions", lambda answer: len(answer["content"]) == versions)
    production = {"stage": "PRODUCTION", "reason": "what answers today"}
    made = operator.curl(f"POST {MODELS}/versions/v1/promote", production)
    assert made["champion"] == "v1" and made["stages"] == {"v1": "PRODUCTION"}, made
    nodes = list(operator.site.urls)

    def send(number, body):
        node = nodes[number % len(nodes)]
        status, answer = operator.site.call(node, "POST", "/steps", body)
        assert status == 200, f"{node}: {status} {answer}"

    source = InputSource(f"{operator.model}@v1", send, RATE)
    operator.sources[operator.names["model"]] = source
    source.start()


def name_voters(operator):
    """Nodes may still be looking for each other."""
    words = ("lease", "voters", "set", *operator.site.urls)
    print(f"$ psi-field {shlex.join(words)}")

    def ask():
        try:
            return 200, operator.site.command(operator.next_node(), *words)
        except AssertionError as error:
            return 0, str(error)

    operator.wait(ask, lambda _: True, 20.0, "voters")


def watch_drift(operator):
    """§3: watch drift, and look at a model."""
    operator.title("3. Watch drift and look at a model")
    status, baseline = f"GET {DRIFT}/{{champion}}/status", f"POST {DRIFT}/{{champion}}/baseline"
    fields = {"churn@v1", "churn@v2", "churn@v3", "fraud@v1", "fraud@v2"}
    operator.list(f"GET {DRIFT}", lambda content: {one["model"] for one in content} == fields)
    assert operator.curl(f"GET {DRIFT}", tenant=f"{operator.tenant}-other") == {"content": []}
    operator.refused("GET /api/v1/drift/models/none/status", "UNKNOWN_FIELD", 404)
    usual = {"version": "usual", "source": "orders of May", "windowDays": 1}
    operator.refused(baseline, "TOO_FEW_INPUTS", 409, usual)
    # Ten seconds of inputs are enough to say what is usual.
    operator.see(f"GET {DRIFT}/{{champion}}/analyze", lambda answer: sum(answer["kept"]) >= 10 * RATE, 40.0)
    set_baseline(operator, usual)
    stable = operator.see(status, lambda answer: answer["status"] == "STABLE")
    assert stable["version"] == "usual" and not stable["driftDetected"] and stable["severity"] < 0.5, stable
    operator.source.shift_by(SHIFT)
    print("  (the inputs shift)")
    drift = operator.see(status, lambda answer: answer["status"] == "DRIFT")
    assert drift["driftDetected"] and drift["severity"] >= 0.8 and drift["columns"][0] == 0 and drift["since"], drift
    analysis = operator.see(f"GET {DRIFT}/{{champion}}/analyze", lambda answer: answer["status"] == "DRIFT")
    worst = max(analysis["analysis"], key=lambda one: one["severity"])
    assert worst["column"] == 0 and worst["excess"] > 0.25, analysis
    assert analysis["baseline"]["source"] == "orders of May", analysis
    listed = operator.list(f"GET {DRIFT}", lambda content: any(one["driftDetected"] for one in content))
    assert [one["model"] for one in listed if one["driftDetected"]] == ["churn@v1"], listed
    champion = f"{operator.model}@v1"
    operator.grep_logs("drift", champion, "severity", covers=LOGS_OFF)
    operator.psi_field("drift", "list", shows=[champion])
    operator.psi_field("drift", "show", champion, shows=["verdict", "drift", "usual"])
    operator.psi_field("drift", "baseline", "show", champion, shows=["version usual", "from orders of May"])


def set_baseline(operator, body):
    """As it is asked for, once enough is kept in spans that are over."""
    request = f"POST {DRIFT}/{{champion}}/baseline"
    operator.typed(request, body, None)
    answer = operator.wait(
        lambda: operator.ask(operator.next_node(), request, body, None), lambda _: True, 20.0, request
    )
    operator.said(200, answer)
    baseline = answer["baseline"]
    assert (baseline["version"], baseline["source"]) == (body["version"], body["source"]), answer


def steer_rollouts(operator):
    """§4: begin a canary, look at it, steer it, and take it back; then stage a version again."""
    operator.title("4. Steer rollouts")
    one, canary = f"{MODELS}/deployments/{{deployment}}", f"POST {MODELS}/deployments/canary"
    operator.refused(canary, "BAD_ROLLOUT", 422, {"version": "v2", "config": CONFIG | {"rolloutSchedule": [50, 10]}})
    made = start_canary(operator, "v2")
    assert made["because"] == "initiated by ann" and made["config"]["minimumPredictions"] == 100, made
    operator.refused(canary, "ROLLOUT_REFUSED", 409, {"version": "v3"})
    listed = operator.list(f"GET {MODELS}/deployments?status=IN_PROGRESS", lambda content: len(content) == 1)
    assert listed[0]["id"] == operator.names["deployment"], listed
    assert only(operator.list(f"GET {MODELS}/deployments", lambda content: content))["percentage"] == 5.0
    operator.curl(f"POST {one}/pause", {"reason": "lunch"})
    see_deployment(operator, "PAUSED", 5.0)
    operator.curl(f"POST {one}/resume", {})
    see_deployment(operator, "IN_PROGRESS", 5.0)
    operator.refused(f"POST {one}/advance", "ROLLOUT_REFUSED", 409, {})
    operator.curl(f"POST {one}/advance", {"force": True, "reason": "no traffic at night"})
    see_deployment(operator, "IN_PROGRESS", 10.0)
    operator.psi_field("rollout", "list", operator.model, shows=["IN_PROGRESS at 10 %"])
    shown = ["v1 answers, v2 is to take over", "no traffic at night"]
    operator.psi_field("rollout", "show", operator.model, shows=shown)
    operator.curl(f"POST {one}/rollback", {"reason": "support is called"})
    see_deployment(operator, "ROLLED_BACK", 10.0)
    see_stages(operator, {"v1": "PRODUCTION", "v2": "REJECTED", "v3": None})
    operator.refused(canary, "ROLLOUT_REFUSED", 409, {"version": "v2"})
    operator.refused("GET /api/v1/models/none/versions", "UNKNOWN_MODEL", 404)
    operator.refused(f"GET {MODELS}/deployments/none", "UNKNOWN_ROLLOUT", 404)
    again = {"stage": "STAGING", "reason": "it is mended", "force": True}
    assert operator.curl(f"POST {MODELS}/versions/v2/promote", again)["stages"]["v2"] == "STAGING"
    see_stages(operator, {"v1": "PRODUCTION", "v2": "STAGING", "v3": None})
    staged = operator.list(f"GET {MODELS}/versions?stage=STAGING", lambda content: content)
    assert only(staged)["version"] == "v2", staged
    operator.refused(f"GET {MODELS}/versions?stage=LATER", "BAD_QUERY", 422)
    operator.psi_field("version", "list", operator.model, shows=["PRODUCTION", "STAGING"])


def start_canary(operator, version):
    """Begins one as the seed's operators do, and waits until all nodes show its first percentage."""
    made = operator.curl(f"POST {MODELS}/deployments/canary", {"version": version, "config": CONFIG})
    assert made["id"] and made["status"] in ("PENDING", "IN_PROGRESS") and made["version"] == version, made
    operator.names["deployment"] = made["id"]
    see_deployment(operator, "IN_PROGRESS", 5.0)
    return made


def see_deployment(operator, status, percentage):
    def holds(answer):
        return (answer["status"], answer["percentage"]) == (status, percentage)

    return operator.see(f"GET {MODELS}/deployments/{{deployment}}", holds)


def see_stages(operator, stages):
    def holds(content):
        return {one["version"]: one["stage"] for one in content} == stages

    return operator.list(f"GET {MODELS}/versions", holds)


def remedy(operator):
    """§5: what follows from drift by itself, while that is off, and with a plan that is only written down."""
    operator.title("5. Remediation")
    switched = operator.curl("PUT /api/v1/config/drift", {"autoRemediationEnabled": False})
    assert switched["autoRemediationEnabled"] is False and set(switched["models"].values()) == {"off"}, switched
    operator.refused("PUT /api/v1/config/drift", "BAD_BODY", 422, {"autoRemediationEnabled": "no"})
    assert operator.curl("GET /api/v1/plans")["content"] == []
    operator.psi_field("plan", "mode", operator.model, "watch", shows=["remediation is watch"])
    plan = only(operator.list("GET /api/v1/plans", lambda content: content))
    assert plan["planType"] == "DRIFT_REMEDIATION" and plan["status"] == "PENDING", plan
    assert plan["champion"] == "v1" and plan["severity"] >= 0.75 and plan["deployment"] is None, plan
    operator.names["plan"] = plan["id"]
    listed = operator.list("GET /api/v1/plans?planType=DRIFT_REMEDIATION&limit=20", lambda content: content)
    assert only(listed)["id"] == plan["id"], listed
    operator.see("GET /api/v1/plans/{plan}", lambda answer: answer["status"] == "PENDING")
    see_actions(operator, ["drift-remediation-notifier", "drift-remediation-canary"])
    operator.refused("GET /api/v1/plans/none", "UNKNOWN_PLAN", 404)
    operator.refused("GET /api/v1/actions/by-plato-plan/none", "UNKNOWN_PLAN", 404)
    operator.psi_field("plan", "list", operator.model, shows=["PENDING"])
    operator.psi_field("plan", "show", plan["id"], shows=["drift-remediation-canary"])
    operator.grep_logs("drift", f"{operator.model}@v1", "severity", covers=LOGS_ON)


def see_actions(operator, tools):
    """The actions of the plan, in their order; those of the model, the latest first, begin with the last of them."""
    actions = operator.list(
        "GET /api/v1/actions/by-plato-plan/{plan}", lambda content: [one["tool"] for one in content] == tools
    )
    assert all(one["planId"] == operator.names["plan"] and one["status"] for one in actions), actions
    operator.list(
        "GET /api/v1/actions/nexus?rimNodeId=rim:model:{model}",
        lambda content: content and content[0]["id"] == actions[-1]["id"],
    )


def diagnose(operator):
    """§6: are nodes well, is it a false alarm, is a canary stuck, does it fail again and again?"""
    operator.title("6. Diagnose")
    operator.see("GET /actuator/health", lambda answer: answer == {"status": "UP"})
    operator.psi_field("health")
    operator.psi_field("members", shows=list(operator.site.urls))
    operator.curl("PUT /api/v1/config/drift", {"autoRemediationEnabled": False})
    operator.see(f"GET {MODELS}/remediation", lambda answer: answer["mode"] == "off")
    stuck = start_canary(operator, "v2")
    hold = operator.see(f"GET {MODELS}/deployments/{{deployment}}", lambda answer: answer["hold"])
    assert hold["hold"] == "INSUFFICIENT_DATA" and "100 are needed" in hold["reason"], hold
    assert [gate["verdict"] for gate in hold["gates"]] == ["HOLD", "HOLD"], hold
    operator.psi_field("rollout", "show", operator.model, shows=["INSUFFICIENT_DATA"])
    operator.curl(f"POST {MODELS}/deployments/{{deployment}}/cancel", {"reason": "no traffic"})
    see_deployment(operator, "CANCELLED", 5.0)
    operator.grep_logs("operator action", stuck["id"], "no traffic")
    back = only(operator.list(f"GET {MODELS}/deployments?status=ROLLED_BACK", lambda content: content))
    assert back["version"] == "v2" and back["percentage"] == 10.0 and back["ended"], back
    operator.grep_logs("operator action", f"rollback {operator.model}/{back['id']}", "support is called")
    see_series(operator, f'psi_rollouts_rolled_back_total{{model="{operator.model}"}} 1')
    # A false alarm: what comes now is usual. It must have lasted for as long as the new baseline reaches back.
    print("  (until the inputs of before the shift are no longer kept)")
    left = operator.source.shifted + KEPT_S - time.time()
    operator.wait(lambda: (200, time.time()), lambda now: now >= operator.source.shifted + KEPT_S, left + 5.0, "time")
    operator.curl(f"DELETE {DRIFT}/{{champion}}/baseline")
    status = f"GET {DRIFT}/{{champion}}/status"
    operator.see(status, lambda answer: answer["status"] == "NO_BASELINE" and answer["version"] is None)
    set_baseline(operator, {"version": "renewed", "source": "after the campaign", "windowDays": 1})
    operator.see(status, lambda answer: answer["status"] == "STABLE" and answer["version"] == "renewed")
    operator.grep_logs("baseline set", f"{operator.model}@v1", "renewed")


def see_series(operator, line):
    def holds(text):
        return line in text.splitlines()

    return operator.see("GET /metrics", holds)


def remedy_by_itself(operator):
    """Drift leads to a plan and to a canary, with nobody's help. Gives the seconds from the first shifted input."""
    operator.title("Drift leads to a canary by itself")
    operator.look_at(FRAUD)
    operator.curl(f"POST {MODELS}/versions/v2/promote", {"stage": "STAGING", "reason": "to be tried when inputs drift"})
    see_stages(operator, {"v1": "PRODUCTION", "v2": "STAGING"})
    switched = operator.curl("PUT /api/v1/config/drift", {"autoRemediationEnabled": True})
    assert list(switched["models"].values()) == ["on", "on"], switched
    # Its baseline has come by itself meanwhile.
    operator.see(f"GET {DRIFT}/{{champion}}/status", lambda answer: answer["status"] == "STABLE")
    operator.source.shift_by(SHIFT)
    print("  (the inputs shift)")

    def has_begun(content):
        return any(plan["began"] for plan in content)

    plan = only(operator.list("GET /api/v1/plans?model={model}", has_begun, OBJECTIVE_S + 10.0))
    assert plan["status"] == "EXECUTING" and plan["version"] == "v2" and plan["deployment"], plan
    found, took = (seconds_of(plan[when]) - operator.source.shifted for when in ("found", "began"))
    operator.names |= {"plan": plan["id"], "deployment": plan["deployment"]}
    see_actions(operator, ["drift-remediation-notifier", "drift-remediation-canary", "drift-remediation-monitor"])
    see_deployment(operator, "IN_PROGRESS", 5.0)
    operator.grep_logs("drift", "severity", f"{operator.model}@v2", "start")
    counts = [series_of(operator, node, "psi_remediation_duration_seconds_count") for node in operator.site.urls]
    assert sum(counts) >= 1, f"no node measured how soon it began: {counts}"
    print(f"  the plan {found:.1f} s after the shift, the canary {took:.1f} s after it")
    assert 0.0 < found <= took <= OBJECTIVE_S, f"{took:.1f} s from drift to the canary, over {OBJECTIVE_S:.0f} s"
    return took


def seconds_of(text):
    return datetime.fromisoformat(text).timestamp()


def series_of(operator, node, name):
    status, text = operator.site.call(node, "GET", "/metrics")
    lines = [line for line in str(text).splitlines() if line.startswith(f"{name} ")]
    assert status == 200 and len(lines) == 1, f"{node}: {status} {lines}"
    return float(lines[0].split()[1])


def clean_up(operator):
    """Nothing follows any more, and the fields are gone. What voters decided of the models stays."""
    operator.title("After")
    operator.curl("PUT /api/v1/config/drift", {"autoRemediationEnabled": False})
    operator.curl(f"POST {MODELS}/deployments/{{deployment}}/rollback", {"reason": "the test is over"})
    see_deployment(operator, "ROLLED_BACK", 5.0)
    operator.see("GET /api/v1/plans/{plan}", lambda answer: answer["status"] == "PARTIAL" and answer["ended"])
    for source in operator.sources.values():
        source.stop()
        source.check()
    for one in operator.curl(f"GET {DRIFT}")["content"]:
        operator.psi_field("field", "drop", f"{operator.tenant}.{one['model']}", "--yes")


def check_coverage(operator):
    """Each part of the seed's runbook is asked for, or listed as missing; not both."""
    left_out = set(SEED) - operator.called - set(MISSING)
    assert not left_out, f"never asked: {sorted(left_out)}"
    there = set(MISSING) & operator.called
    assert not there and set(MISSING) <= set(SEED), f"asked, and listed as missing: {sorted(there)}"


def run(site, tenant=TENANT):
    """The whole runbook. Gives what is to be said of it; an AssertionError where an answer is not as it should be."""
    begun, operator = time.monotonic(), Operator(site, tenant)
    try:
        for section in (prepare, watch_drift, steer_rollouts, remedy, diagnose):
            section(operator)
        took = remedy_by_itself(operator)
        clean_up(operator)
    finally:
        for source in operator.sources.values():
            source.stop()
    check_coverage(operator)
    for request, place in MISSING.items():
        print(f"not there yet: {request} ({place})")
    calls = f"{len(SEED) - len(MISSING)} of {len(SEED)} parts of the seed's runbook"
    return f"{calls} in {time.monotonic() - begun:.0f} s; {took:.1f} s from drift to a canary"


# --- Where it runs


def output_of(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    said = f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, said
    return done.stdout


def run_alone(program):
    """On three nodes of its own."""
    os.environ["TESTED_PSI_FIELD"] = program
    with three_nodes() as nodes:
        by_name = {node.name: node for node in nodes}

        def command(node, *words):
            return output_of([program, *words, "--node", by_name[node].grpc], ENVIRONMENT)

        urls = {name: f"http://{node.http}" for name, node in by_name.items()}
        said = run(Site(urls, command, lambda node: by_name[node].log.read_text(errors="replace")))
    return said


def run_there(chosen):
    """On nodes that run already."""
    names = chosen.names.split(",")
    assert len(names) == len(chosen.url), f"{len(chosen.url)} addresses of {names}"
    token = pathlib.Path(chosen.token_file).read_text().strip() if chosen.token_file else None
    authority = pathlib.Path(chosen.ca).read_text() if chosen.ca else None

    def command(node, *words):
        return output_of([*shlex.split(chosen.command.format(node=node)), *words])

    def log(node):
        return output_of(shlex.split(chosen.logs.format(node=node)))

    urls = {name: url.rstrip("/") for name, url in zip(names, chosen.url, strict=True)}
    return run(Site(urls, command, log, Access(authority, token)), chosen.tenant)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--program", metavar="PATH", help="psi-field: starts three nodes")
    where.add_argument("--url", action="append", help="of a node that runs already; once for each of --names")
    parser.add_argument("--names", default="node-1,node-2,node-3", help="of these nodes (default: %(default)s)")
    parser.add_argument("--ca", metavar="FILE", help="whom to believe; anyone if left out")
    parser.add_argument("--token-file", metavar="FILE", help="an access token of the role operator")
    parser.add_argument("--tenant", default=TENANT, help="what names of models begin with (default: %(default)s)")
    compose = "docker compose -f deploy/compose.yaml"
    there, logs = f"{compose} exec -T {{node}} psi-field", f"{compose} logs --no-color {{node}}"
    parser.add_argument("--command", default=there, help="runs psi-field there (default: %(default)s)")
    parser.add_argument("--logs", default=logs, help="prints a node's log (default: %(default)s)")
    chosen = parser.parse_args()
    print(run_alone(chosen.program) if chosen.program else run_there(chosen))


if __name__ == "__main__":
    sys.exit(main())
