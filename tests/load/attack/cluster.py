"""Three nodes that are attacked, and what can be seen of them from outside: memory, descriptors, agreement."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from . import wire

NAMES = ("n1", "n2", "n3")
PATIENCE_S = 30
MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
# Settings in the variables of the person who runs this do not affect it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PSI_")}


class Failed(Exception):
    """What keeps an attack from being measured."""


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, is_so, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            if is_so():
                return
        time.sleep(0.05)
    raise Failed(f"waited {seconds} s for {what}")


class Key:
    """A cluster's key, in a file; what is made from it."""

    def __init__(self, program, folder):
        self.program, self.path = program, folder / "cluster.key"
        self._run("key", "--write", self.path)
        self.authority = self._run("ca", "--key-file", self.path)
        self.token = self._run("token", "--key-file", self.path, "--role", "step", "--name", "honest").strip()

    def _run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode != 0:
            raise Failed(f"psi-field {arguments[0]} said: {done.stderr.strip()}")
        return done.stdout

    def trust(self):
        """What a client has that verifies nodes."""
        return with_http2(ssl.create_default_context(cadata=self.authority))


def of_a_stranger():
    """What a client has that asks for no name."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return with_http2(trust)


def with_http2(trust):
    trust.set_alpn_protocols(["h2", "http/1.1"])
    return trust


class Node:
    """A process; what /proc says of it."""

    def __init__(self, name, program, folder, seed, settings, descriptors):
        self.name, self.log = name, folder / f"{name}.log"
        self.grpc, self.http = (("127.0.0.1", free_port()) for _ in range(2))
        self.gossip = ("127.0.0.1", free_port(socket.SOCK_DGRAM))
        addresses = {"grpc": self.grpc, "http": self.http, "gossip": self.gossip}
        command = [program, "node", f"--node-id={name}", "--cluster-join-ms=300", *settings]
        command += [f"--{service}-listen={host}:{port}" for service, (host, port) in addresses.items()]
        command.append("--cluster-seeds={}:{}".format(*(seed or self.gossip)))
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT, preexec_fn=limit)
        self.proc = pathlib.Path(f"/proc/{self.process.pid}")

    def lives(self):
        return self.process.poll() is None

    def memory_mib(self, figure):
        """VmRSS, what is resident; VmHWM, the most that was since `forget_peak`."""
        status = (self.proc / "status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(figure))

    def forget_peak(self):
        (self.proc / "clear_refs").write_text("5")

    def descriptors(self):
        """How many files and connections it has open; none once it has ended."""
        return len(os.listdir(self.proc / "fd")) if self.lives() else 0

    def cpu_s(self):
        stat = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS


class Cluster:
    """Three nodes that know each other, with a key or without one."""

    def __init__(self, program, folder, with_key, settings=(), descriptors=None):
        self.key = Key(program, folder) if with_key else None
        self.trust, self.token = (self.key.trust(), self.key.token) if with_key else (None, None)
        settings = [*settings, f"--security-key-file={self.key.path}"] if with_key else list(settings)
        self.nodes = []
        try:
            for name in NAMES:
                seed = self.nodes[0].gossip if self.nodes else None
                self.nodes.append(Node(name, program, folder, seed, settings, descriptors))
            until("three nodes that are linked", lambda: all(self._is_linked(node) for node in self.nodes))
        except BaseException:
            self.stop()
            raise

    def get(self, node, path):
        return json.loads(self._read(node, path))

    def refusals(self):
        """What the first node has refused since it started, by reason."""
        lines = self._read(self.nodes[0], "/metrics").decode().splitlines()
        counted = [line.rpartition(" ") for line in lines if line.startswith("psi_node_errors_total{")]
        return ", ".join("{} {}".format(series.split('"')[1], count) for series, _, count in counted if count != "0")

    def _read(self, node, path):
        scheme, shown = ("https", {"authorization": f"Bearer {self.token}"}) if self.token else ("http", {})
        request = urllib.request.Request(f"{scheme}://localhost:{node.http[1]}{path}", headers=shown)
        trust = ssl.create_default_context(cadata=self.key.authority) if self.key else None
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
            return answer.read()

    def _is_linked(self, node):
        if not node.lives():
            words = node.log.read_text(errors="replace")[-500:]
            raise Failed(f"{node.name} ended with {node.process.returncode}: {words}")
        members = self.get(node, "/members")["members"]
        return sum(member["linked"] and member["ready"] for member in members) == len(NAMES)

    def digests(self):
        """What each node says it holds."""
        found = []
        for node in self.nodes:
            line = wire.Line(node.grpc, self.trust)
            found.append(line.ask("ClusterService/GetDigest", token=self.token))
            line.close()
        return found

    def agrees(self, seconds=15):
        """Whether all nodes come to hold the same, a while after the last step."""
        def is_so():
            first, *others = self.digests()
            return first is not None and all(other == first for other in others)

        try:
            until("agreement", is_so, seconds)
        except Failed:
            return False
        return True

    def stop(self):
        for node in self.nodes:
            if node.lives():
                node.process.send_signal(signal.SIGKILL)
            node.process.wait()
