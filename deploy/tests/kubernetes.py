#!/usr/bin/env python3
"""Checks what is in deploy/kubernetes: `python3 deploy/tests/kubernetes.py`.

1. It is rendered by `kubectl kustomize`, and each object checked against the schema of its kind, of the oldest and the
   newest version of Kubernetes that is claimed. Kinds of the Prometheus Operator have a schema of our own here.
2. What refers to what: labels, ports, names, Secrets, which are made by the commands of the README there. Pods keep to
   the standard `restricted`.
3. The pods are started, but for Kubernetes: see pods.py.

No cluster takes part, so nothing shows what a scheduler, kubelet, network plugin or the Operator make of it.

Needs `kubectl` (Debian: kubernetes-client), what requirements.txt lists, `psi-field` as dashboards.py does, and for the
pods `unshare`, `nsenter` and `ip`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import jsonschema
import kubernetes_validate
import yaml

import pods
from cluster import DEPLOY, ENVIRONMENT, need, psi_field

# The oldest has `preStop.sleep` without a switch.
VERSIONS = ["1.30", "1.37"]
# A node stops in this time at most (`psi-field node --help`).
NODE_STOPS_S = 5


# --- Rendering and schemas


def render(folder):
    kubectl = need("kubectl", "it is in Debian's package `kubernetes-client`")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f"kubectl kustomize {folder}: {done.stderr}")
    return list(yaml.safe_load_all(done.stdout))


def made_secrets(folder):
    """The Secrets that the commands of the README make, by those commands."""
    block = re.search(r"```sh\n(.*?)```", (DEPLOY / "kubernetes" / "README.md").read_text(), re.S)[1]
    # But for what needs a cluster. Kubernetes names no namespace then.
    script = re.sub(r"(?m)^kubectl apply .*$", "", block)
    script = script.replace("create secret", "create secret --dry-run=client -o yaml").replace("\nkubectl", "\necho ---; kubectl")
    program = pathlib.Path(psi_field()).resolve()
    (folder / "psi-field").symlink_to(program)
    variables = {**ENVIRONMENT, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"the commands of the README fail: {done.stderr}")
    return [one for one in yaml.safe_load_all(done.stdout.partition("---")[2]) if one]


def wrapped_rules():
    """The PrometheusRules of rules.sh, once they are seen to be the rules."""
    files = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
    if not files:
        return []
    script = DEPLOY / "kubernetes" / "rules.sh"
    done = subprocess.run(["sh", script], capture_output=True, text=True, timeout=60, check=True)
    wrapped = list(yaml.safe_load_all(done.stdout))
    assert [one["spec"] for one in wrapped] == [yaml.safe_load(file.read_text()) for file in files], "rules.sh"
    return wrapped


def closed(required, **properties):
    """The schema of an object that has no other properties."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SECRET_KEY = closed(["name", "key"], name=TEXT, key=TEXT)
METADATA = closed(["name", "namespace"], name=TEXT, namespace=TEXT, labels=TEXTS)


def several(schema):
    return {"type": "array", "minItems": 1, "items": schema}


def custom(kind, **spec):
    api = {"const": "monitoring.coreos.com/v1"}
    all_of = ["apiVersion", "kind", "metadata", "spec"]
    return closed(all_of, apiVersion=api, kind={"const": kind}, metadata=METADATA, spec=closed(list(spec), **spec))


# As far as we use them; names and types are those of the Operator's API, monitoring.coreos.com/v1.
CUSTOM = {
    "ServiceMonitor": custom(
        "ServiceMonitor",
        selector=closed(["matchLabels"], matchLabels=TEXTS),
        endpoints=several(
            closed(
                ["port"],
                port=TEXT,
                path=TEXT,
                scheme={"enum": ["http", "https"]},
                authorization=closed(["credentials"], credentials=SECRET_KEY),
                tlsConfig=closed(["ca"], ca=closed(["secret"], secret=SECRET_KEY), serverName=TEXT),
                interval=DURATION,
                scrapeTimeout=DURATION,
                relabelings=several(
                    closed(["targetLabel"], sourceLabels=several(TEXT), targetLabel=TEXT, replacement=TEXT)
                ),
            )
        ),
    ),
    "PrometheusRule": custom(
        "PrometheusRule",
        groups=several(
            closed(
                ["name", "rules"],
                name=TEXT,
                interval=DURATION,
                limit={"type": "integer"},
                rules=several(
                    closed(
                        ["expr"],
                        expr={"type": ["string", "integer"]},
                        alert=TEXT,
                        record=TEXT,
                        keep_firing_for=DURATION,
                        labels=TEXTS,
                        annotations=TEXTS,
                        **{"for": DURATION},
                    )
                ),
            )
        ),
    ),
}


# The schemas of Kubernetes have these as any text.
CHOICES = {
    "accessModes": {"ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"},
    "concurrencyPolicy": {"Allow", "Forbid", "Replace"},
    "fsGroupChangePolicy": {"Always", "OnRootMismatch"},
    "operator": {"In", "NotIn", "Exists", "DoesNotExist"},
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "unhealthyPodEvictionPolicy": {"IfHealthyBudget", "AlwaysAllow"},
    "whenDeleted": {"Retain", "Delete"},
    "whenScaled": {"Retain", "Delete"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
}


def check_choices(part, complain):
    if isinstance(part, list):
        for one in part:
            check_choices(one, complain)
    if isinstance(part, dict):
        for name, value in part.items():
            wrong = set(value if isinstance(value, list) else [value]) - CHOICES[name] if name in CHOICES else None
            if wrong:
                complain(f"{name}: {wrong}, not of {sorted(CHOICES[name])}")
            check_choices(value, complain)


def check_schema(one, complain):
    check_choices(one.get("spec"), complain)
    if one["kind"] in CUSTOM:
        for error in jsonschema.Draft202012Validator(CUSTOM[one["kind"]]).iter_errors(one):
            complain(f"{error.json_path}: {error.message}")
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            complain(f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            complain(error.message)


# --- What refers to what


def template_of(one):
    """The pod template of an object that makes pods."""
    spec = one.get("spec", {})
    return spec["jobTemplate"]["spec"]["template"] if one["kind"] == "CronJob" else spec.get("template")


def selects(selector, labels):
    """Whether a selector takes in something with these labels."""
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )


class Objects:
    """All objects of the namespace, to be found by kind."""

    def __init__(self, objects):
        self.objects = objects
        self.templates = [template for one in objects if (template := template_of(one))]

    def of(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def named(self, kind, name):
        return [one for one in self.of(kind) if one["metadata"]["name"] == name]

    def pods(self, selector):
        return [pod for pod in self.templates if selects(selector, pod["metadata"]["labels"])]


def ports_of(pod):
    return {port["name"]: port for box in pod["spec"]["containers"] for port in box.get("ports", [])}


def check_service(all_objects, one, complain):
    pods_of_it = all_objects.pods({"matchLabels": one["spec"]["selector"]})
    if len(pods_of_it) != 1:
        complain(f"it selects {len(pods_of_it)} kinds of pods, not one")
        return
    known = ports_of(pods_of_it[0])
    for port in one["spec"]["ports"]:
        target = known.get(port["targetPort"])
        if target is None:
            complain(f"its pods have no port {port['targetPort']}")
        elif (target["containerPort"], target.get("protocol")) != (port["port"], port.get("protocol")):
            complain(f"port {port['name']} is another than that of its pods")


def check_stateful_set(all_objects, one, complain):
    spec, pod = one["spec"], one["spec"]["template"]["spec"]
    services = all_objects.named("Service", spec["serviceName"])
    if not services or services[0]["spec"].get("clusterIP") != "None":
        complain(f"there is no headless service {spec['serviceName']}")
    elif not services[0]["spec"].get("publishNotReadyAddresses"):
        complain("its headless service lists ready nodes only, so none would ever be")
    box = pod["containers"][0]
    grace = pod["terminationGracePeriodSeconds"]
    if grace < box["lifecycle"]["preStop"]["sleep"]["seconds"] + NODE_STOPS_S:
        complain(f"it would be killed while it stops: {grace} s of grace")
    asked = {name: box[name]["httpGet"] for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    wanted = {"livenessProbe": "/health/live", "readinessProbe": "/health/ready", "startupProbe": "/health/live"}
    if {name: one["path"] for name, one in asked.items()} != wanted:
        complain(f"probes {asked}")
    if any(one.get("scheme") != "HTTPS" for one in asked.values()):
        complain("a probe without TLS, which nodes with a key refuse")
    volumes = {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    volumes |= {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in box["volumeMounts"]}
    folder = next(variable["value"] for variable in box["env"] if variable["name"] == "PSI_DATA_DIR")
    if set(mounts) != volumes or not any(folder.startswith(mount + "/") for mount in mounts.values()):
        complain(f"snapshots in {folder} are on no volume")


def secrets_of(part):
    """Every reference to a key of a Secret, and to a whole one: name and key, or None."""
    if isinstance(part, list):
        return [found for each in part for found in secrets_of(each)]
    if not isinstance(part, dict):
        return []
    if "secretName" in part:
        return [(part["secretName"], None)]
    own = [part[name] for name in ("secretKeyRef", "credentials", "secret") if "key" in (part.get(name) or {})]
    return [(one["name"], one["key"]) for one in own] + secrets_of(list(part.values()))


def check_secrets(all_objects, one, complain):
    for name, key in secrets_of(one.get("spec")):
        found = all_objects.named("Secret", name)
        if not found or (key is not None and key not in found[0]["data"]):
            complain(f"no Secret {name} with a key {key} is made")


def check_references(all_objects, one, complain):
    spec, kind = one.get("spec", {}), one["kind"]
    check_secrets(all_objects, one, complain)
    template = template_of(one)
    if template and kind != "CronJob" and not selects(spec["selector"], template["metadata"]["labels"]):
        complain("it does not select its own pods")
    if kind == "Service":
        check_service(all_objects, one, complain)
    if kind == "StatefulSet":
        check_stateful_set(all_objects, one, complain)
    if kind == "PodDisruptionBudget" and not all_objects.pods(spec["selector"]):
        complain("it selects no pods")
    if kind == "NetworkPolicy":
        check_policy(all_objects, spec, complain)
    if kind == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        found = all_objects.named(target["kind"], target["name"])
        if not found or "replicas" in found[0]["spec"]:
            complain(f"it scales {target['name']}, which does not exist or sets its number itself")
    if kind == "ServiceMonitor":
        found = [each for each in all_objects.of("Service") if selects(spec["selector"], each["metadata"]["labels"])]
        if len(found) != 1:
            complain(f"it selects {len(found)} services, not one: pods would be scraped as often")
        ports = {port["name"] for each in found for port in each["spec"]["ports"]}
        if missing := {endpoint["port"] for endpoint in spec["endpoints"]} - ports:
            complain(f"its service has no port {missing}")


def check_policy(all_objects, spec, complain):
    selected = all_objects.pods(spec["podSelector"])
    if not selected:
        complain("it selects no pods")
    if "Egress" in spec["policyTypes"] and "Ingress" in spec["policyTypes"] and not spec["podSelector"]:
        return
    own = {name for pod in selected for name in ports_of(pod)}
    others = set(ports_of(all_objects.of("StatefulSet")[0]["spec"]["template"]))
    for side, known in (("ingress", own), ("egress", others)):
        named = {port["port"] for rule in spec.get(side, []) for port in rule["ports"]} - {53}
        if named - known:
            complain(f"{side}: no pod has a port {named - known}")
        for rule in spec.get(side, []):
            for peer in rule["from" if side == "ingress" else "to"]:
                if "namespaceSelector" not in peer and not all_objects.pods(peer["podSelector"]):
                    complain(f"{side}: {peer} are no pods")


def check_pod(template, complain):
    """The standard `restricted`, and what our pods have beyond it."""
    spec = template["spec"]
    whole = spec.get("securityContext", {})
    if whole.get("runAsNonRoot") is not True or not whole.get("runAsUser"):
        complain("it may run as root")
    if whole.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        complain("no seccomp profile")
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        complain("a namespace of the machine")
    if set().union(*spec.get("volumes", [])) - {"name", "emptyDir", "configMap", "secret", "persistentVolumeClaim"}:
        complain("a volume that `restricted` does not know")
    if spec.get("automountServiceAccountToken") is not False:
        complain("it is given a token that it has no use for")
    for box in spec["containers"]:
        own = box.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            complain(f"{box['name']}: privileges")
        if own.get("readOnlyRootFilesystem") is not True:
            complain(f"{box['name']}: it may write to its root file system")
        if not box.get("resources", {}).get("limits", {}).get("memory"):
            complain(f"{box['name']}: no limit of memory")
        if any("hostPort" in port for port in box.get("ports", [])):
            complain(f"{box['name']}: a port of the machine")
        if not box["image"].partition(":")[2]:
            complain(f"{box['name']}: image {box['image']} has no version")


def main():
    began = time.monotonic()
    complaints = []
    objects = render(DEPLOY / "kubernetes")
    monitors = render(DEPLOY / "kubernetes" / "monitoring")
    boards = render(DEPLOY / "grafana")
    rules = wrapped_rules()
    with tempfile.TemporaryDirectory() as folder:
        secrets = made_secrets(pathlib.Path(folder))
    everything = Objects(objects + monitors + secrets)
    for one in [*objects, *secrets, *monitors, *boards, *rules]:
        name = f"{one['kind']} {one['metadata']['name']}"
        complain = lambda text, name=name: complaints.append(f"{name}: {text}")  # noqa: E731
        check_schema(one, complain)
        if one not in rules and one["kind"] != "Namespace" and one not in boards:
            if one["metadata"].get("namespace") != "psi-field":
                complain("not in the namespace psi-field")
            check_references(everything, one, complain)
        if template := template_of(one):
            check_pod(template, complain)
    # `kubectl apply` keeps a copy in an annotation, which may be so large.
    if any(len(json.dumps(one)) > 262_144 for one in boards):
        complaints.append("the ConfigMap of the dashboards is too large for kubectl apply")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"{len(objects)} objects, {len(monitors)} monitors, {len(rules)} rule files: {len(complaints)} complaints")
    if complaints:
        sys.exit(1)
    with tempfile.TemporaryDirectory() as folder:
        pods.rehearse(objects + secrets, pathlib.Path(folder))
    print(f"all in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
