"""Starts the pods of deploy/kubernetes without Kubernetes: the commands and variables of the rendered objects, each pod
with a network namespace and an address of its own, and a DNS server that knows the services. Only `/data` and `/secrets`
are put elsewhere, and the feeder does not wait 30 s between its two steps.

What it shows: three nodes that start at once, before DNS knows any of them, form one cluster by one name that stands
for three addresses; a node ends within its grace and comes back; the feeder and the probe reach the nodes by the names,
ports and tokens that they are given, and so does what scrapes. What it can't show: images, volumes, network policies,
and Kubernetes itself.

`rehearse` starts this file again in namespaces of its own, for which no root is needed where the machine allows users to
make them.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from cluster import ENVIRONMENT, Access, Process, get, need, psi_field, stopped_at_the_end, wait_for

BRIDGE = "10.77.0.1"
DOMAIN = "psi-field.svc.cluster.local"
REPLICAS = 3
# Of the ports that are scraped.
SCHEMES = {"http": "https", "metrics": "http"}


def rehearse(objects, folder):
    """Runs `main` of this file in namespaces of its own; ends the program if that fails."""
    (folder / "objects.json").write_text(json.dumps(objects))
    unshare = need("unshare", "it is in Debian's package `util-linux`")
    need("nsenter", "it is in Debian's package `util-linux`")
    need("ip", "it is in Debian's package `iproute2`")
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = [unshare, *root, "--net", "--mount"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: the pods, since this user may make no namespaces; run it as root", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    done = subprocess.run([*command, sys.executable, __file__, str(folder)], timeout=180, check=False)
    if done.returncode != 0:
        sys.exit("the pods did not do what they should")


def shell(*lines):
    for line in lines:
        subprocess.run(line.split(), check=True, timeout=10)


class Names:
    """A DNS server that answers for names of the cluster's domain, and knows no others."""

    def __init__(self):
        self.addresses = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((BRIDGE, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def set(self, name, addresses):
        self.addresses[f"{name}.{DOMAIN}"] = addresses

    def serve(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        known = self.addresses.get(".".join(labels).lower())
        is_ipv4 = struct.unpack(">H", question[-4:-2])[0] == 1
        records = [
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(address)
            for address in (known or [])
            if is_ipv4
        ]
        # A response, authoritative; "no such name" where it is not known.
        flags = 0x8580 | (3 if known is None else 0)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)


class Secrets:
    """What is in them, as text."""

    def __init__(self, objects):
        self.of = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "Secret"}

    def text(self, name, key):
        return base64.b64decode(self.of[name][key]).decode()

    def mount(self, name, folder):
        folder.mkdir(parents=True)
        for key in self.of[name]:
            (folder / key).write_text(self.text(name, key))


def variables_of(box, facts, secrets):
    """What Kubernetes would give a container as variables: `facts` are what it knows of the pod."""
    found = {}
    for variable in box.get("env", []):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            value = secrets.text(**variable["valueFrom"]["secretKeyRef"])
        elif "valueFrom" in variable:
            value = facts[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            value = variable["value"]
            for name, known in found.items():
                value = value.replace(f"$({name})", known)
        found[variable["name"]] = value
    return found


class Pod(Process):
    """A container's command, in a network namespace with an address of its own."""

    def __init__(self, number, name, template, folder, secrets):
        self.address = f"10.77.0.{10 + number}"
        self.box = template["spec"]["containers"][0]
        facts = {"metadata.name": name, "status.podIP": self.address}
        self.variables = variables_of(self.box, facts, secrets)
        # What is mounted is elsewhere: the folder of data, and those of Secrets.
        mounts = {mount["name"]: mount["mountPath"] for mount in self.box.get("volumeMounts", [])}
        for path in mounts.values():
            for variable in ("PSI_DATA_DIR", "PSI_SECURITY_KEY_FILE", "PSI_SECURITY_REVOKED_FILE"):
                if self.variables.get(variable, "").startswith(path + "/"):
                    self.variables[variable] = f"{folder}/{name}{self.variables[variable]}"
        # The list of revoked tokens is a ConfigMap that is not there at first.
        for volume in (one for one in template["spec"].get("volumes", []) if "secret" in one):
            secrets.mount(volume["secret"]["secretName"], folder / name / mounts[volume["name"]].strip("/"))
        # What scrapes shows the token that is made for it. The kubelet shows none, and believes anyone.
        self.scraper = Access(*(secrets.text("psi-field-access", key) for key in ("ca.pem", "prometheus")))
        self.kubelet = Access()
        self.space = f"pod{number}"
        shell(
            f"ip netns add {self.space}",
            f"ip link add veth{number} type veth peer name eth0 netns {self.space}",
            f"ip link set veth{number} master bridge0 up",
            f"ip -n {self.space} link set lo up",
            f"ip -n {self.space} address add {self.address}/24 dev eth0",
            f"ip -n {self.space} link set eth0 up",
        )
        given = [f"{key}={value}" for key, value in self.variables.items()]
        command = ["nsenter", f"--net=/run/netns/{self.space}", "env", *given, psi_field(), *self.box["args"]]
        super().__init__(name, command, folder / f"{name}.log")

    def asked(self, probe):
        """The status of one of the container's probes."""
        self.check()
        wanted = self.box[probe]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in self.box["ports"]}
        scheme = wanted.get("scheme", "HTTP").lower()
        return get(f"{scheme}://{self.address}:{ports[wanted['port']]}{wanted['path']}", access=self.kubelet)[0]

    def ready(self):
        return self.asked("readinessProbe") == 200

    def metric(self, line):
        """The value of a line of metrics, None where it is not there."""
        port = next(port for port in self.box["ports"] if port["name"] in SCHEMES)
        url = f"{SCHEMES[port['name']]}://{self.address}:{port['containerPort']}/metrics"
        _, body = get(url, access=self.scraper)
        values = [text.split()[-1] for text in body.decode().splitlines() if text.startswith(line + " ")]
        return float(values[0]) if values else None


def network(folder):
    """A bridge for the pods, and their DNS settings, as the kubelet writes them."""
    shell("mount -t tmpfs tmpfs /run", "ip link set lo up", "ip link add bridge0 type bridge")
    shell(f"ip address add {BRIDGE}/24 dev bridge0", "ip link set bridge0 up")
    search = f"search {DOMAIN} svc.cluster.local cluster.local"
    (folder / "resolv.conf").write_text(f"nameserver {BRIDGE}\n{search}\noptions ndots:5\n")
    shell(f"mount --bind {folder}/resolv.conf /etc/resolv.conf")


def main():
    folder = pathlib.Path(sys.argv[1])
    objects = json.loads((folder / "objects.json").read_text())
    named = {(one["kind"], one["metadata"]["name"]): one.get("spec") for one in objects}
    stateful = named["StatefulSet", "psi-field"]
    feeder = named["CronJob", "psi-field-feeder"]["jobTemplate"]["spec"]["template"]
    probe = named["Deployment", "psi-field-probe"]["template"]
    network(folder)
    names, secrets = Names(), Secrets(objects)
    with stopped_at_the_end([]) as started:
        template = stateful["template"]
        nodes = [Pod(number, f"psi-field-{number}", template, folder, secrets) for number in range(REPLICAS)]
        began = time.monotonic()
        started.extend(node.start() for node in nodes)
        for node in nodes:
            wait_for(f"{node.name} is live", lambda node=node: node.asked("livenessProbe") == 200)
        for node in nodes:
            wait_for(f"{node.name} has asked DNS and got no answer", lambda node=node: "look up the seed" in node.log.read_text())
        assert not any(node.ready() for node in nodes), "a node is ready though it has met nobody"
        refused = get(f"https://{nodes[0].address}:8000/metrics", access=nodes[0].kubelet)[0]
        assert refused == 401, f"metrics without a token: {refused}"
        names.set(stateful["serviceName"], [node.address for node in nodes])
        # Stands for the address of the service, behind which any node answers.
        names.set("psi-field", [node.address for node in nodes])
        for node in nodes:
            names.set(f"{node.name}.{stateful['serviceName']}", [node.address])
        for node in nodes:
            wait_for(f"{node.name} is ready", node.ready)
        ready = time.monotonic() - began
        for node in nodes:
            whole = lambda node=node: node.metric('psi_cluster_members{state="live"}') == REPLICAS  # noqa: E731
            wait_for(f"{node.name} sees all", whole)
        print(f"three nodes are one cluster {ready:.1f} s after their start")

        feed(Pod(REPLICAS, "feeder", feeder, folder, secrets))
        steps = 'psi_field_steps{engine="synthetic",field="default"}'
        for node in nodes:
            wait_for(f"{node.name} holds the feeder's steps", lambda node=node: node.metric(steps) == 2)
        print("the feeder's two steps are on all nodes")

        stop_and_return(nodes[-1], template["spec"]["terminationGracePeriodSeconds"])
        wait_for("the node that returned holds the steps", lambda: nodes[-1].metric(steps) == 2)

        prober = Pod(REPLICAS + 1, "probe", probe, folder, secrets).start()
        started.append(prober)
        for node in nodes:
            line = f'psi_probe_success{{target="{node.name}.{stateful["serviceName"]}:50051"}}'
            wait_for(f"the probe finds {node.name} well", lambda line=line: prober.metric(line) == 1)
        assert prober.asked("livenessProbe") == 200
        print("the probe finds all nodes well")


def feed(pod):
    """The feeder runs to its end: two steps, 30 s apart, which nobody needs to wait for here."""
    pod.command[pod.command.index("0.0333")] = "10"
    done = subprocess.run(pod.command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    if done.returncode != 0:
        sys.exit(f"the feeder ends with exit code {done.returncode}: {done.stderr}")


def stop_and_return(node, grace_s):
    """As a pod that is deleted: stopped, then started again with its volume and name."""
    began = time.monotonic()
    node.running.send_signal(signal.SIGTERM)
    code = node.running.wait(grace_s)
    took = time.monotonic() - began
    assert code == 0, f"{node.name} ends with exit code {code}"
    node.start()
    wait_for(f"{node.name} is ready again", node.ready)
    print(f"a node ends in {took:.1f} s when stopped, and comes back")


if __name__ == "__main__":
    main()
