#!/usr/bin/env python3
"""Loads nodes with the load generators of others, beside what people would build instead: services that share Redis.

    cargo build --release --package psi-field --package psi-redis-service
    tests/load/compare.py target/release                  # three minutes; tables for a document
    tests/load/compare.py target/release --only grpc      # one of grpc, tls, http, redis, kill
    tests/load/compare.py target/release --rounds 1       # sooner, and less sure

- grpc: h2load calls one node: an empty ping, a ping as large as a step and its answer, and a step.
- tls: h2load calls steps of a node without a key, and of one with a key: over TLS, each call with an access token. It fails
  if TLS and tokens leave less than 85 % of the calls a second where a connection has many streams.
- http: wrk posts steps to one node, and to a route of it that does nothing.
- redis: wrk posts steps to two nodes of a cluster, and to two services that share a Redis. Each takes half of the
  connections. A service is `tests/load/redis`: one Lua script a step, which keeps count, means and variances of 16
  columns. It does less than a node: no drift, no guardian, no engine.
- kill: callers post steps one after the other to two nodes, and one node is killed. The same to two services whose Redis
  is killed and started again at once. What was acknowledged is compared with what is counted afterwards.

Rows take turns in every round, and ratios are taken within a round: whatever else the machine does falls on both. CPU is
that of the processes that serve (nodes; services and Redis), by /proc. Everything listens on loopback on free ports.

It needs Python 3.11, h2load (Debian: nghttp2-client), wrk and redis-server. Exit code 77 if one of them is missing.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

MISSING = 77
WIDTH = 16
INPUT = [0.1 * (n - 8) for n in range(WIDTH)]
BODY = json.dumps({"x": INPUT})
PATIENCE_S = 30
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """What keeps the load from being measured."""


class TooSlow(Failed):
    """A ratio that is worse than it may be. What else is measured goes on."""


# --- Processes


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """A process that serves HTTP; killed at the end."""

    def __init__(self, command, port, ready):
        self.command, self.port, self.ready = command, port, ready
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(f"{self.command[0]} to answer", self.ready)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cpu_s(self):
        """User and system time of all its threads."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS


def until(what, is_so):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            if is_so():
                return
        time.sleep(0.01)
    raise Failed(f"waited {PATIENCE_S} s for {what}")


def get(port, path, scheme="http"):
    # What the node shows is for its clients to verify, not for the clock.
    trust = ssl._create_unverified_context() if scheme == "https" else None
    with urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}{path}", timeout=5, context=trust) as answer:
        return answer.read()


def nodes(folder, count):
    """Nodes of one cluster, once all of them know each other; and their gRPC ports."""
    gossip = [free_port() for _ in range(count)]
    grpc, servers = [free_port() for _ in range(count)], []
    for n in range(count):
        port = free_port()
        command = [folder / "psi-field", "node", f"--node-id=load-{n}", f"--grpc-listen=127.0.0.1:{grpc[n]}",
                   f"--http-listen=127.0.0.1:{port}", f"--gossip-listen=127.0.0.1:{gossip[n]}",
                   f"--cluster-seeds=127.0.0.1:{gossip[0]}", "--cluster-join-ms=300", "--log-filter=warn"]
        servers.append(Server(command, port, lambda port=port: get(port, "/health/ready")))
    for server in servers:
        until("all nodes to be members", lambda server=server: members(server) == count)
    return servers, grpc


def members(server):
    return sum(member["state"] == "live" for member in json.loads(get(server.port, "/members"))["members"])


def services(folder, count):
    """Services that share a Redis, and it; the latter comes first."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]

    def answers():
        with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
            one.sendall(b"PING\r\n")
            return one.recv(16) == b"+PONG\r\n"

    redis = Server(command, port, answers)
    found = []
    for _ in range(count):
        http = free_port()
        command = [folder / "psi-redis-service", f"127.0.0.1:{http}", f"redis://127.0.0.1:{port}/"]
        found.append(Server(command, http, lambda http=http: get(http, "/count")))
    return redis, found


# --- Load


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def frame(message):
    """A message as gRPC sends it."""
    return b"\0" + struct.pack(">I", len(message)) + message


def packed(number, payload):
    """A field of protobuf that has a length."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


class Calls:
    """What a run of h2load did."""

    def __init__(self, port, method, body, calls, connections=1, streams=1, token=None):
        command = ["h2load", "-n", str(calls), "-c", str(connections), "-m", str(streams), "-t", "1", "-d", str(body),
                   "-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += ["-H", f"authorization: Bearer {token}"] if token else []
        command += [f"{'https' if token else 'http'}://127.0.0.1:{port}/psi.v1.{method}"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rate = re.search(r"finished in .*?, ([0-9.]+) req/s", said)
        if not rate or f"status codes: {calls} 2xx" not in said:
            raise Failed(f"h2load said: {said}")
        self.rate, self.count = float(rate[1]), calls
        self.answer_bytes = int(re.search(r"([0-9]+)\) data", said)[1]) / calls


def bodies(folder, port):
    """What h2load sends: an empty ping, a step, and a ping as large as a step and its answer together."""
    step = packed(2, struct.pack(f"<{WIDTH}d", *INPUT))

    def write(name, message):
        path = folder / name.replace(" ", "-")
        path.write_bytes(frame(message))
        return path

    found = {"ping": write("ping", b""), "step": write("step", step)}
    answer = Calls(port, METHODS["step"], found["step"], 100).answer_bytes
    found["large ping"] = write("large ping", packed(1, bytes(int(len(step) + answer) // 2)))
    print(f"a step is {len(step)} bytes, its answer {answer - 5:.0f}")
    return found


def milliseconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(ports, path, lua, connections, seconds):
    """Calls a second in all, and the greatest p50 and p99 of any port."""
    share = max(1, connections // len(ports))
    running = [subprocess.Popen(["wrk", "-t1", f"-c{share}", f"-d{seconds:.0f}s", "--latency", "-s", str(lua),
                                 f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, text=True) for port in ports]
    said = [one.communicate()[0] for one in running]
    for one in said:
        if "Non-2xx" in one or "Requests/sec" not in one:
            raise Failed(f"wrk said: {one}")
    rate = sum(float(re.search(r"Requests/sec: *([0-9.]+)", one)[1]) for one in said)
    p50, p99 = (max(milliseconds(re.search(rf"{n}% +([0-9.]+[mu]?s)", one)[1]) for one in said) for n in (50, 99))
    return rate, p50, p99


def script(folder):
    path = folder / "step.lua"
    path.write_text('wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
                    f"wrk.body = '{BODY}'\n")
    return path


# --- Tables


class Table:
    """Samples by row; medians, and ratios taken within a round."""

    def __init__(self, title, columns):
        self.title, self.columns, self.samples = title, columns, {}

    def add(self, row, **sample):
        self.samples.setdefault(row, []).append(sample)

    def ratios(self, row, over, column):
        pairs = zip(self.samples[row], self.samples[over], strict=True)
        return sorted(own[column] / other[column] for own, other in pairs)

    def ratio(self, row, over, column):
        ratios = self.ratios(row, over, column)
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"

    def show(self, over):
        """Rows, with their ratios over others: `over[row]` has pairs of a row and what it is called."""
        print(f"\n{self.title}\n")
        print("| row | " + " | ".join(self.columns) + " | ratios |")
        print("|---|" + "---|" * (len(self.columns) + 1))
        for row, samples in self.samples.items():
            cells = [f"{statistics.median(sample[column] for sample in samples):,.{digits}f}"
                     for column, digits in self.columns.items()]
            ratios = [f"{column} over {name} {self.ratio(row, base, column)}"
                      for base, name in over.get(row, []) for column in self.columns if "/s" in column or "CPU" in column]
            print(f"| {row} | " + " | ".join(cells) + f" | {'; '.join(ratios)} |", flush=True)


def cpu_s(servers):
    return sum(server.cpu_s() for server in servers)


def turns(rows, rounds):
    """Every row once a round, every second round in reverse."""
    for number in range(rounds):
        yield from rows if number % 2 == 0 else reversed(rows)


# --- What is measured


def grpc(folder, work, rounds, seconds):
    (node,), (port,) = nodes(folder, 1)
    files = bodies(work, port)
    table = Table("gRPC by h2load, one node", {"calls/s": 0, "CPU µs a call": 1})

    def label(call, shape):
        return f"{call}, {shape[0]} connections × {shape[1]} streams"

    for call, shape in turns([(call, shape) for shape in SHAPES for call in METHODS], rounds):
        short = Calls(port, METHODS[call], files[call], 5_000, *shape)  # also warms up
        before = node.cpu_s()
        long = Calls(port, METHODS[call], files[call], int(short.rate * seconds), *shape)
        cpu_us = 1e6 * (node.cpu_s() - before) / long.count
        table.add(label(call, shape), **{"calls/s": long.rate, "CPU µs a call": cpu_us})
    bases = ["ping", "large ping"]
    table.show({label("step", shape): [(label(base, shape), base) for base in bases] for shape in SHAPES})
    return [node]


def keyed_node(folder, work):
    """A node of a cluster with a key, its gRPC port, and a token for it."""
    key, grpc, http = work / "cluster.key", free_port(), free_port()
    subprocess.run([folder / "psi-field", "key", "--write", key], check=True, capture_output=True)
    token = subprocess.run([folder / "psi-field", "token", "--key-file", key, "--role", "step", "--name", "load"],
                           check=True, capture_output=True, text=True).stdout.strip()
    command = [folder / "psi-field", "node", "--node-id=keyed", f"--grpc-listen=127.0.0.1:{grpc}",
               f"--http-listen=127.0.0.1:{http}", f"--gossip-listen=127.0.0.1:{free_port()}", "--cluster-join-ms=300",
               "--log-filter=warn", f"--security-key-file={key}"]
    return Server(command, http, lambda: get(http, "/health/ready", "https")), grpc, token


def tls(folder, work, rounds, seconds):
    (plain,), (port,) = nodes(folder, 1)
    keyed, keyed_port, token = keyed_node(folder, work)
    step = bodies(work, port)["step"]
    table = Table("Steps over TLS with a token, by h2load, one node", {"calls/s": 0, "CPU µs a call": 1})
    servers = {"plain": (plain, port, None), "TLS and a token": (keyed, keyed_port, token)}

    def label(name, shape):
        return f"{name}, {shape[0]} connections × {shape[1]} streams"

    for name, shape in turns([(name, shape) for shape in TLS_SHAPES for name in servers], rounds):
        server, to, shown = servers[name]
        short = Calls(to, METHODS["step"], step, 5_000, *shape, token=shown)
        before = server.cpu_s()
        long = Calls(to, METHODS["step"], step, int(short.rate * seconds), *shape, token=shown)
        cpu_us = 1e6 * (server.cpu_s() - before) / long.count
        table.add(label(name, shape), **{"calls/s": long.rate, "CPU µs a call": cpu_us})
    table.show({label("TLS and a token", shape): [(label("plain", shape), "plain")] for shape in TLS_SHAPES})
    for server in (plain, keyed):
        server.kill()
    for shape in TLS_SHAPES:
        row, over = label("TLS and a token", shape), label("plain", shape)
        ratio = statistics.median(table.ratios(row, over, "calls/s"))
        if shape[1] > 1 and ratio < TLS_RATIO_MIN:
            raise TooSlow(f"{row}: {ratio:.2f} of the calls a second without them; at least {TLS_RATIO_MIN} was expected")
    return []


def http_load(folder, work, rounds, seconds):
    (node,), _ = nodes(folder, 1)
    steps, nothing = script(work), work / "nothing.lua"
    nothing.write_text("")
    table = Table("HTTP by wrk, one node", WRK)
    rows = [(row, path, lua, count) for count in (1, 8, 64)
            for row, path, lua in [("GET /health/live", "/health/live", nothing), ("POST /step", "/step", steps)]]
    for row, path, lua, count in turns(rows, rounds):
        wrk_sample(table, f"{row}, {count} connections", [node], [node.port], path, lua, count, seconds)
    table.show({f"POST /step, {count} connections": [(f"GET /health/live, {count} connections", "live")]
                for count in (1, 8, 64)})
    return [node]


def wrk_sample(table, row, servers, ports, path, lua, connections, seconds):
    before, began = cpu_s(servers), time.monotonic()
    rate, p50, p99 = wrk(ports, path, lua, connections, seconds)
    calls = rate * (time.monotonic() - began)
    cpu_us = 1e6 * (cpu_s(servers) - before) / calls
    table.add(row, **{"calls/s": rate, "p50 ms": p50, "p99 ms": p99, "CPU µs a call": cpu_us})


def beside_redis(folder, work, rounds, seconds):
    ours, _ = nodes(folder, 2)
    redis, theirs = services(folder, 2)
    lua = script(work)
    table = Table("Two nodes beside two services that share Redis, HTTP by wrk", WRK)
    sides = {"two nodes": (ours, ours), "Redis": ([redis, *theirs], theirs)}
    for (name, (servers, called)), count in turns([(side, n) for n in (8, 64) for side in sides.items()], rounds):
        ports = [server.port for server in called]
        wrk_sample(table, f"{name}, {count} connections", servers, ports, "/step", lua, count, seconds)
    table.show({f"two nodes, {count} connections": [(f"Redis, {count} connections", "Redis")] for count in (8, 64)})
    return [*ours, redis, *theirs]


class Caller(threading.Thread):
    """Posts steps one after the other; counts those that were acknowledged."""

    def __init__(self, port, ends):
        super().__init__(daemon=True)
        self.port, self.ends = port, ends
        self.acknowledged, self.failed, self.gap_s = 0, 0, 0.0

    def run(self):
        last, line = time.monotonic(), None
        while time.monotonic() < self.ends:
            try:
                line = line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                line.request("POST", "/step", BODY, {"content-type": "application/json"})
                answer = line.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(answer.status)
            except (OSError, http.client.HTTPException):
                self.failed, line = self.failed + 1, None
                time.sleep(0.001)
                continue
            now = time.monotonic()
            self.acknowledged, self.gap_s, last = self.acknowledged + 1, max(self.gap_s, now - last), now


def killed(name, ports, victim, mend, counted, survivors):
    """Kills a process under load; prints what was acknowledged and what is counted afterwards."""
    begun = time.monotonic()
    before = counted()
    callers = [Caller(port, begun + 6) for port in ports]
    for caller in callers:
        caller.start()
    time.sleep(2)
    victim.kill()
    mend()
    for caller in callers:
        caller.join()
    time.sleep(0.5)
    acknowledged, after = sum(caller.acknowledged for caller in callers), counted() - before
    others = [callers[n] for n in survivors]
    print(f"| {name} | {acknowledged:,} | {acknowledged - after:,} | {sum(caller.failed for caller in others)} | "
          f"{max(caller.gap_s for caller in others) * 1e3:,.0f} |", flush=True)


def kill(folder, work, rounds, seconds):
    print("\nKilled with SIGKILL after two of six seconds; two callers, one to each\n")
    print("| killed | acknowledged | of these lost | refused, callers of others | longest wait of these, ms |")
    print("|---|---|---|---|---|")
    for _ in range(rounds):
        ours, _ = nodes(folder, 2)
        steps = lambda node=ours[0]: json.loads(get(node.port, "/state"))["k"]  # noqa: E731
        killed("one of two nodes", [node.port for node in ours], ours[1], lambda: None, steps, [0])
        ours[0].kill()
    for _ in range(rounds):
        redis, theirs = services(folder, 2)
        count = lambda service=theirs[0]: json.loads(get(service.port, "/count"))["count"]  # noqa: E731
        killed("Redis of two services", [one.port for one in theirs], redis, redis.start, count, [0, 1])
        for server in [redis, *theirs]:
            server.kill()
    return []


METHODS = {"ping": "ClusterService/Ping", "large ping": "ClusterService/Ping", "step": "PsiFieldService/Step"}
SHAPES = [(8, 1), (64, 1), (1, 64)]
TLS_SHAPES = [*SHAPES, (8, 16)]
# With many streams a connection, records and handshakes are shared, so what is left is the cost of a call.
TLS_RATIO_MIN = 0.85
WRK = {"calls/s": 0, "p50 ms": 2, "p99 ms": 2, "CPU µs a call": 1}
GROUPS = {"grpc": grpc, "tls": tls, "http": http_load, "redis": beside_redis, "kill": kill}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where psi-field and psi-redis-service are")
    parser.add_argument("--only", choices=GROUPS, help="one group of tables")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=2, help="how long each time (default: 2)")
    asked = parser.parse_args()
    missing = [tool for tool in ("h2load", "wrk", "redis-server") if not shutil.which(tool)]
    missing += [name for name in ("psi-field", "psi-redis-service") if not (asked.folder / name).exists()]
    if missing:
        print(f"SKIPPED: missing: {', '.join(missing)}; --help says where they come from", file=sys.stderr)
        return MISSING
    slow = []
    with tempfile.TemporaryDirectory() as work:
        for name, group in GROUPS.items():
            if asked.only in (None, name):
                try:
                    servers = group(asked.folder.resolve(), pathlib.Path(work), asked.rounds, asked.seconds)
                except TooSlow as failure:
                    slow.append(failure)
                    continue
                for server in servers:
                    server.kill()
    if slow:
        raise slow[0]
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
