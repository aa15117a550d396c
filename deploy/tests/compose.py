#!/usr/bin/env python3
"""Starts compose.yaml as it is, with a real engine, and does to it what happens to clusters: nodes that are killed, cut
off, added, all stopped at once, and the incident with replication off and on. Callers without a token and nodes with
another key are refused. Then containers with wrong settings.

Ports are free ones, the project has a name of its own, Prometheus has the rules of ./prometheus with shorter times, and
all that was made is taken away at the end, but for images. Needs docker, and docker-compose or the compose plugin.
Grafana is not started: no stand-in can be built for its image.

    deploy/tests/compose.py [NAME…]      # only the tests whose names contain one of these
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import runbook
from cluster import Access

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NODES = ["node-1", "node-2", "node-3"]
STARTED = [*NODES, "feeder", "feeder-host", "probe", "prometheus", "alertmanager"]
IMAGE = "psi-field"
# A node alone, which needs no key then.
INSECURE = ["--env", "PSI_SECURITY_INSECURE=true"]
BINARY_BYTES_MAX = 24_000_000

# The vector of the incident, and the prediction errors of nodes that know of the interventions, and that do not.
VECTOR = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1]
INTERVENED, NOT_INTERVENED = 0.8625, 0.0625


# --- What must hold

def test_all_that_is_mounted_is_there(_):
    """Docker makes an empty directory of what is missing, and Grafana is not started here."""
    mounted = re.findall(r"(\./[\w/]+)\}?:/", (DEPLOY / "compose.yaml").read_text())
    assert len(mounted) == 4, mounted
    for path in mounted:
        assert any((DEPLOY / path).iterdir()), path


def test_three_scrapes_are_up(cluster):
    wait_for("three nodes are scraped", lambda: len(cluster.query('up{job="psi-field"} == 1')) == 3)
    assert cluster.query("up == 0") == [], cluster.query("up == 0")


def test_a_call_without_a_token_is_refused(cluster):
    """All but health, which orchestrators ask."""
    for path in ["/state", "/metrics", "/members"]:
        status, answer = cluster.get("node-1", path, token=None)
        assert status == 401 and b"psi-field token --role read" in answer, (path, status, answer)
    for path in ["/health/live", "/health/ready"]:
        assert cluster.get("node-1", path, token=None)[0] == 200, path
    # What Prometheus has may look and change nothing.
    reader = cluster.psi_field("node-1", "token", "--role", "read", "--name", "reader")
    assert cluster.get("node-1", "/state", token=reader)[0] == 200
    status, answer = cluster.get("node-1", "/step", {"x": VECTOR}, token=reader)
    assert status == 403 and b"this needs `step`" in answer, (status, answer)
    called = subprocess.run(["docker", "exec", "--env", "PSI_SECURITY_KEY_FILE=none", cluster.container("node-1"),
                             "psi-field", "state"], capture_output=True, text=True)
    assert called.returncode != 0 and "token" in called.stderr, called


def test_a_call_without_tls_is_refused_in_words(cluster):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{cluster.ports['node-1']}/state", timeout=5)
    except urllib.error.HTTPError as error:
        assert error.code == 400 and b"https://" in error.read(), error
    else:
        raise AssertionError("it was answered")


def test_a_node_with_another_key_joins_nothing(cluster):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(docker("run", "--rm", IMAGE, "key") + "\n")
        file.flush()
        os.chmod(file.name, 0o644)
        container = docker("run", "--detach", "--network", cluster.network, "--hostname", "stranger", "--env",
                           "PSI_CLUSTER_SEEDS=node-1", "--env", "PSI_SECURITY_KEY_FILE=/secrets/cluster.key",
                           "--volume", f"{file.name}:/secrets/cluster.key:ro", IMAGE)
        try:
            said = "is sealed by key"
            wait_for("node-1 says why", lambda: said in cluster.compose("logs", "--no-color", "node-1"))
            asked = subprocess.run(["docker", "exec", container, "psi-field", "health"], capture_output=True, text=True)
            assert asked.returncode == 1 and "still joining" in asked.stderr, asked
            known = cluster.psi_field("node-1", "members", "--output", "json")
            assert {member["node"] for member in json.loads(known)["members"]} == set(NODES), known
        finally:
            docker("rm", "--force", container)


def test_the_health_checks_pass(cluster):
    for service in [*NODES, "prometheus", "alertmanager"]:
        wait_for(f"{service} is healthy", lambda: cluster.health(service) == "healthy", 60)


def test_the_probe_is_up(cluster):
    wait_for("the probe is scraped", lambda: cluster.query('up{job="psi-probe"} == 1'))


def test_the_feeders_feed(cluster):
    for field in ["default", "host"]:
        wait_for(f"every node counts steps of `{field}`", lambda: all(
            cluster.get(node, f"/state?field={field}")[0] == 200 and cluster.k(node, field) > 0 for node in NODES))


def test_a_step_through_one_node_shows_on_all(cluster):
    before = cluster.k("node-1", "audit")
    cluster.step("node-1", "audit")
    for node in NODES:
        wait_for(f"{node} counts it", lambda: cluster.k(node, "audit") == before + 1)


def test_the_incident(cluster):
    """The headline: two interventions that reach one node of three."""
    cluster.start(replication=False)
    cluster.incident(starts_over=NODES)
    assert cluster.prediction_errors() == {"node-1": INTERVENED, "node-2": NOT_INTERVENED, "node-3": NOT_INTERVENED}
    with cluster.vectors_through_all():
        seconds = cluster.wait_for_alert("PsiFieldPodDrift")

    cluster.start(replication=True)
    cluster.incident(starts_over=["node-1"])
    wait_for("all nodes know", lambda: set(cluster.prediction_errors().values()) == {INTERVENED})
    with cluster.vectors_through_all():
        cluster.wait_for_no_alert("PsiFieldPodDrift")
        silent = max(15, 2 * seconds)
        never("the drift alert comes again", lambda: "PsiFieldPodDrift" in cluster.alerts(), silent)
    return f"fired after {seconds:.0f} s with replication off, silent for {silent:.0f} s with it on"


def test_a_killed_node_is_missed_and_returns(cluster):
    before = cluster.settled_k("audit")
    with cluster.steps("audit", through=["node-1", "node-2"]) as writer:
        cluster.docker("kill", cluster.container("node-3"))
        for alert in ["PsiFieldDown", "PsiFieldMembersMissing"]:
            cluster.wait_for_alert(alert)
        wait_for("Alertmanager was notified", lambda: "PsiFieldDown" in cluster.notified())
        cluster.docker("start", cluster.container("node-3"))
        for alert in ["PsiFieldDown", "PsiFieldMembersMissing"]:
            cluster.wait_for_no_alert(alert)
    assert writer.failed == [], writer.failed
    assert cluster.settled_k("audit") == before + writer.acknowledged, "steps are missing, or counted twice"
    return f"{writer.acknowledged} steps acknowledged meanwhile, all there"


def test_a_node_that_was_cut_off_catches_up(cluster):
    before = cluster.settled_k("audit")
    container = cluster.container("node-3")
    address = cluster.address(container)
    with cluster.steps("audit", through=["node-1", "node-2"]) as writer:
        cluster.docker("network", "disconnect", cluster.network, container)
        wait_for("node-3 is missed", lambda: cluster.live_members("node-1") == 2)
        # It goes on by itself meanwhile.
        alone = 5
        for _ in range(alone):
            cluster.psi_field("node-3", "step", "--field", "audit", "0.5", "0.5", "0.5", "0.5")
        # Another node takes its address meanwhile.
        cluster.scale(1)
        cluster.docker("network", "connect", "--alias", "node-3", "--alias", "node", cluster.network, container)
        assert cluster.address(container) != address, "the test means to give it another address"
        wait_for("node-3 is back", lambda: cluster.live_members("node-1") == 4)
        cluster.psi_field("node-1", "members", "--wait", "30", "--live", "4")
        cluster.scale(0)
        wait_for("the other node has left", lambda: cluster.live_members("node-1") == 3)
    assert writer.failed == [], writer.failed
    assert cluster.settled_k("audit") == before + writer.acknowledged + alone, "steps are missing, or counted twice"
    return f"{writer.acknowledged} steps on one side, {alone} on the other, all there"


def test_nodes_can_be_added_and_taken_away(cluster):
    left = cluster.left_members("node-1")
    cluster.scale(2)
    cluster.psi_field("node-1", "members", "--wait", "30", "--live", "5")
    wait_for("five nodes are scraped", lambda: len(cluster.query('up{job="psi-field"} == 1')) == 5)
    cluster.scale(0)
    wait_for("they are gone", lambda: cluster.live_members("node-1") == 3)
    assert cluster.left_members("node-1") == left + 2, "a node that is stopped says that it leaves"


def test_snapshots_outlive_the_containers(cluster):
    """So does what was made at the first start: the key, and what follows from it."""
    cluster.step("node-1", "audit")
    before, key = cluster.settled_k("audit"), cluster.key_ids()
    cluster.compose("down")
    cluster.start(replication=True)
    assert cluster.settled_k("audit") == before
    assert cluster.key_ids() == key
    for service, end in [("make-key", "exists, and stays as it is"), ("make-ca", "is up to date, and stays as it is"),
                         ("make-token", "replaced")]:
        said = docker("logs", cluster.container(service))
        assert said.endswith(end), said


def test_the_containers_are_closed(cluster):
    """No root, no capabilities, nothing to write to but the data, no shell; secrets are for their group alone."""
    shown = json.loads(cluster.docker("inspect", *map(cluster.container, NODES)))
    for one in shown:
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], host
        assert "no-new-privileges:true" in host["SecurityOpt"], host
        assert host["RestartPolicy"]["Name"] == "unless-stopped" and host["Memory"] > 0, host
        assert one["Config"]["User"] == "65532:65532", one["Config"]
        status = pathlib.Path(f"/proc/{one['State']['Pid']}/status")
        if status.exists():
            text = status.read_text()
            assert re.search(r"^Uid:\s+65532\s+65532", text, re.M) and re.search(r"^CapEff:\s+0+$", text, re.M), text
    files = ["/etc/psi-field/ca.pem", "/etc/psi-field/prometheus.token"]
    shown = docker("exec", cluster.container("prometheus"), "stat", "-c", "%a %u:%g", *files)
    assert shown.splitlines() == ["640 65532:65532"] * 2, shown
    shell = subprocess.run(["docker", "exec", cluster.container("node-1"), "sh"], capture_output=True, text=True)
    assert shell.returncode != 0 and "not found" in shell.stdout + shell.stderr, shell


def test_the_runbook_for_drift(cluster):
    """Each command of it, and a canary that follows drift by itself."""
    urls = {node: f"https://127.0.0.1:{cluster.ports[node]}" for node in NODES}
    access = Access(cluster.psi_field("node-1", "ca"), cluster.token)
    return runbook.run(runbook.Site(urls, cluster.psi_field, cluster.log, access))


# --- Containers with wrong settings: one line says so, and the exit code.

def test_neither_key_nor_loopback(_):
    """What someone sees who just runs the image."""
    code, said = wrong(insecure=False)
    assert code == 2 and said.startswith("error: grpc.listen is 0.0.0.0:50051, which other machines can reach"), said
    assert "psi-field key" in said and "security.key_file" in said and "security.insecure = true" in said, said


def test_a_key_file_that_is_missing(_):
    answer = wrong("--env", "PSI_SECURITY_KEY_FILE=/secrets/cluster.key", insecure=False)
    assert answer == (2, "error: can't read the key file /secrets/cluster.key: No such file or directory (os error 2); "
                       "set security.key_file to a file of `psi-field key`"), answer


def test_a_port_in_use(cluster):
    answer = wrong("--network", f"container:{cluster.container('node-1')}")
    assert answer == (1, "error: can't listen on 0.0.0.0:50051 for gRPC: Address already in use (os error 98); "
                       "set grpc.listen to a free address"), answer


def test_no_volume_on_a_read_only_container(_):
    answer = wrong("--read-only")
    assert answer == (1, "error: can't use data directory /data: Read-only file system (os error 30); "
                       "make it writable, or choose another (data.dir)"), answer


def test_a_volume_of_another_user(_):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        answer = wrong("--volume", f"{folder}:/data")
    assert answer == (1, "error: can't use data directory /data: Permission denied (os error 13); "
                       "make it writable, or choose another (data.dir)"), answer


def test_settings_that_are_missing(_):
    answer = wrong("--env", "PSI_CONFIG=/nowhere.toml")
    assert answer == (2, "error: 1 setting is wrong, nothing was started: can't read the settings file /nowhere.toml "
                       "(--config): No such file or directory (os error 2)"), answer


def test_settings_that_may_not_be_read(_):
    with tempfile.NamedTemporaryFile() as file:
        answer = wrong("--volume", f"{file.name}:/etc/psi-field.toml:ro")
    assert answer == (2, "error: 1 setting is wrong, nothing was started: can't read the settings file "
                       "/etc/psi-field.toml (--config): Permission denied (os error 13)"), answer


def test_a_seed_that_is_never_found(_):
    """A seed that is still to come looks like a misspelt one: the node keeps trying, and says so."""
    container = docker("run", "--detach", *INSECURE, "--env", "PSI_CLUSTER_SEEDS=nowhere.invalid", IMAGE)
    try:
        said = "can't look up the seed nowhere.invalid"
        wait_for("the log names the seed", lambda: said in docker("logs", container))
        asked = subprocess.run(["docker", "exec", container, "psi-field", "health"], capture_output=True, text=True)
        assert asked.returncode == 1 and "still joining" in asked.stderr, asked
        wait_for("the log says what to check", lambda: "check cluster.seeds" in docker("logs", container))
        lines = docker("logs", container).count(said)
        assert json.loads(docker("inspect", container))[0]["State"]["Running"]
        assert lines <= 2, f"{lines} lines in a few seconds"
    finally:
        docker("rm", "--force", container)


def test_the_image_is_small(_):
    with tempfile.TemporaryDirectory() as folder:
        container = docker("create", IMAGE)
        try:
            docker("cp", f"{container}:/usr/local/bin/psi-field", f"{folder}/psi-field")
        finally:
            docker("rm", container)
        size = os.path.getsize(f"{folder}/psi-field")
    assert size < BINARY_BYTES_MAX, size
    version = docker("run", "--rm", IMAGE, "--version")
    commit = os.environ.get("GIT_COMMIT")
    assert not commit or commit in version, version
    return f"{version}: {size / 1e6:.1f} MB"


# --- The cluster

class Cluster:
    """The services of compose.yaml under a project name of their own."""

    def __init__(self, folder):
        self.project = f"psi-field-test-{os.getpid()}"
        self.network = f"{self.project}_default"
        self.ports = dict(zip([*NODES, "prometheus", "alertmanager", "grafana"], free_ports(6)))
        shorten(DEPLOY / "prometheus", folder / "prometheus")
        variables = {f"PSI_{name.upper().replace('-', '_')}_PORT": str(port) for name, port in self.ports.items()}
        self.environment = {**environment(), **variables, "PSI_PROMETHEUS_CONFIG": str(folder / "prometheus")}
        # What clients of the nodes need: whom to believe, and a token. Both come from the key.
        self.trust, self.token = None, None

    def compose(self, *arguments):
        """Calls compose on the file as it is."""
        command = [*COMPOSE, "--file", DEPLOY / "compose.yaml", "--project-name", self.project, *arguments]
        return run(command, env=self.environment)

    def start(self, replication):
        """Starts what is not running, and starts nodes again whose settings changed."""
        self.environment["PSI_REPLICATION_ENABLED"] = "true" if replication else "false"
        self.compose("up", "-d", "--no-build", *STARTED)
        self.trust = ssl.create_default_context(cadata=self.psi_field("node-1", "ca"))
        self.token = self.psi_field("node-1", "token", "--role", "operator", "--name", "test")
        for node in NODES:
            wait_for(f"{node} is ready", lambda: self.get(node, "/health/ready")[0] == 200)
        if replication:
            self.psi_field("node-1", "members", "--wait", "30", "--live", "3")
        wait_for("Prometheus is ready", lambda: self.get("prometheus", "/-/ready")[0] == 200)

    def begin(self):
        """Starts all, with the field that the tests count steps in."""
        self.start(replication=True)
        self.psi_field("node-1", "field", "create", "audit", "--width", "4")

    def scale(self, nodes):
        """Runs so many nodes beside the three."""
        self.compose("up", "-d", "--no-build", "--no-recreate", "--scale", f"node={nodes}", "node")

    def remove(self):
        self.compose("down", "--volumes", "--remove-orphans")

    def docker(self, *arguments):
        return docker(*arguments)

    def container(self, service):
        return self.compose("ps", "-q", service)

    def address(self, container):
        networks = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Networks"]
        return networks[self.network]["IPAddress"]

    def key_ids(self):
        return self.psi_field("node-1", "key", "--show", "/secrets/cluster.key")

    def health(self, service):
        return json.loads(docker("inspect", self.container(service)))[0]["State"]["Health"]["Status"]

    def psi_field(self, node, *arguments):
        """Runs `psi-field` in the container of a node."""
        return docker("exec", self.container(node), "psi-field", *arguments)

    def log(self, service):
        return self.compose("logs", "--no-color", service)

    def get(self, service, path, body=None, token=""):
        """Status and body; 0 where nobody answers. Nodes are shown the operator's token unless another is given."""
        is_node = service in NODES
        request = urllib.request.Request(f"http{'s' * is_node}://127.0.0.1:{self.ports[service]}{path}")
        token = self.token if token == "" else token
        if is_node and token is not None:
            request.add_header("authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=5, context=self.trust if is_node else None) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def json(self, service, path, body=None):
        status, answer = self.get(service, path, body)
        assert status == 200, f"{service} {path}: {status} {answer.decode()}"
        return json.loads(answer)

    # Nodes

    def step(self, node, field):
        vector = VECTOR if field == "default" else [0.5] * 4
        return self.json(node, f"/step?field={field}", {"x": vector})

    def k(self, node, field):
        return self.json(node, f"/state?field={field}")["k"]

    def settled_k(self, field):
        """The number of steps that all nodes count, with equal digests."""
        self.psi_field("node-1", "members", "--wait", "30", "--live", "3")
        counted = {self.k(node, field) for node in NODES}
        assert len(counted) == 1, counted
        return counted.pop()

    def members(self, node, state):
        command = ["docker", "exec", self.container(node), "psi-field", "members", "--output", "json"]
        asked = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # A minority ends with 1, and is shown all the same. It is one for a moment while a member joins.
        assert asked.returncode in (0, 1) and asked.stdout, f"{' '.join(command)}: {asked.returncode}\n{asked.stderr}"
        return sum(member["state"] == state for member in json.loads(asked.stdout)["members"])

    def live_members(self, node):
        return self.members(node, "live")

    def left_members(self, node):
        return self.members(node, "left")

    def incident(self, starts_over):
        """Starts field `default` over on those nodes; then nigredo and albedo, both through node-1 and sent to nobody
        by this."""
        for node in starts_over:
            self.json(node, "/init", {})
        for intervention in ["nigredo", "albedo"]:
            self.json("node-1", f"/guardian/{intervention}", {})

    def prediction_errors(self):
        return {node: round(self.step(node, "default")["PE"], 4) for node in NODES}

    def vectors_through_all(self):
        return self.steps("default", through=NODES)

    @contextlib.contextmanager
    def steps(self, field, through):
        """Sends steps in turn, from another thread, until the block ends."""
        writer = Writer(self, field, through)
        writer.start()
        try:
            yield writer
        finally:
            writer.stop.set()
            writer.join()

    # Prometheus and Alertmanager

    def query(self, expression):
        answer = self.json("prometheus", f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return answer["data"]["result"]

    def alerts(self):
        """Names of the alerts that fire."""
        alerts = self.json("prometheus", "/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def notified(self):
        status, answer = self.get("alertmanager", "/api/v2/alerts")
        return {alert["labels"]["alertname"] for alert in json.loads(answer)} if status == 200 else set()

    def wait_for_alert(self, name):
        """Seconds until it fires."""
        begun = time.monotonic()
        wait_for(f"{name} fires", lambda: name in self.alerts(), 60)
        return time.monotonic() - begun

    def wait_for_no_alert(self, name):
        wait_for(f"{name} is over", lambda: name not in self.alerts(), 60)


class Writer(threading.Thread):
    def __init__(self, cluster, field, through):
        super().__init__()
        self.cluster, self.field, self.through = cluster, field, through
        self.acknowledged, self.failed, self.stop = 0, [], threading.Event()

    def run(self):
        while not self.stop.wait(0.1):
            node = self.through[self.acknowledged % len(self.through)]
            try:
                self.cluster.step(node, self.field)
                self.acknowledged += 1
            except AssertionError as error:
                self.failed.append(str(error))


# --- Helpers

def shorten(config, shortened):
    """Copies the configuration of Prometheus with a second in place of its intervals, and two of what alerts wait."""
    shutil.copytree(config, shortened)
    for path in shortened.rglob("*.y*ml"):
        text = re.sub(r"^(\s*for:).*$", r"\1 2s", path.read_text(), flags=re.M)
        text = re.sub(r"^(\s*keep_firing_for:).*$", r"\1 0s", text, flags=re.M)
        intervals = r"^([\s-]*(?:scrape_interval|scrape_timeout|evaluation_interval|refresh_interval|interval):).*$"
        path.write_text(re.sub(intervals, r"\1 1s", text, flags=re.M))
    # Prometheus runs as another user.
    for path in [shortened.parent, shortened, *shortened.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def environment():
    """Without the variables that would override compose's file."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PSI_", "COMPOSE_"))}


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for(what, condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {what}"
        time.sleep(0.2)


def never(what, condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert not condition(), what
        time.sleep(0.2)


def run(command, **options):
    """What it prints on both its outputs; fails with that."""
    command = [str(part) for part in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout.strip()


def wrong(*arguments, insecure=True):
    """Exit code and log of a container that can't start."""
    arguments = [*arguments, *(INSECURE if insecure else [])]
    done = subprocess.run(["docker", "run", "--rm", *arguments, IMAGE], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)
    return done.returncode, done.stdout.strip()


def find_compose():
    """The command, or the reason why there is none."""
    if shutil.which("docker") is None:
        return None, "docker is missing; see https://docs.docker.com/engine/install"
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        return None, "the Docker engine does not answer; start it, or ask for the right to use it"
    for command in [["docker", "compose"], ["docker-compose"]]:
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command, None
    return None, "docker-compose is missing; it is in Debian's package `docker-compose`"


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    tests = [one for one in tests if not sys.argv[1:] or any(part in one[0] for part in sys.argv[1:])]
    if not tests:
        print(f"no test is called so; there are {', '.join(name for name in globals() if name.startswith('test_'))}")
        return 2
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(pathlib.Path(folder))
        try:
            cluster.begin()
            for name, test in tests:
                begun = time.monotonic()
                try:
                    said = test(cluster)
                except AssertionError as error:
                    failed.append(name)
                    logs = cluster.compose("logs", "--no-color", "--tail", "10")
                    print(f"FAILED {name}:\n{error}\n{logs}", flush=True)
                    # The others begin with a cluster that is well.
                    cluster.remove()
                    cluster.begin()
                else:
                    said = f": {said}" if said else ""
                    print(f"ok {name} ({time.monotonic() - begun:.1f} s){said}", flush=True)
        finally:
            cluster.remove()
    print(f"{len(tests) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    COMPOSE, why_not = find_compose()
    if COMPOSE is None:
        print(f"SKIPPED, nothing was tested in containers: {why_not}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    # So that all is taken away then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
