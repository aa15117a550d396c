"""A real cluster on loopback and a real Prometheus that scrapes it, for the tests in this folder. Everything takes free
ports, keeps its files in one temporary folder, and is stopped at the end."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Settings in the variables of the person who runs the test do not affect it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PSI_")}


def need(tool, how):
    """The path of a program. Without it a test is skipped on a user's machine, and fails in CI."""
    found = shutil.which(tool)
    if found is None:
        print(f"SKIPPED: {tool} is missing; {how}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    return found


def psi_field():
    """The binary: `TESTED_PSI_FIELD`, or what cargo last built."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    default = target / "debug" / "psi-field"
    return need(os.environ.get("TESTED_PSI_FIELD", str(default)), "run `cargo build`, or set TESTED_PSI_FIELD")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, condition, seconds=20.0):
    """What `condition` gives once that is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            sys.exit(f"after {seconds} s still not so: {what}")
        time.sleep(0.05)


class Access:
    """What a caller shows to nodes that have a key, and whom it believes; without an authority it believes anyone."""

    def __init__(self, authority=None, token=None):
        self.trust = ssl.create_default_context(cadata=authority)
        if authority is None:
            self.trust.check_hostname, self.trust.verify_mode = False, ssl.CERT_NONE
        self.token = token
        self.headers = {} if token is None else {"authorization": f"Bearer {token}"}


def call(method, url, body=None, headers=(), timeout=5.0, access=None):
    """Status and body; 0 where nobody answers. A body that is sent is JSON."""
    shown = {**(access.headers if access else {}), **dict(headers)}
    if body is not None:
        shown["Content-Type"] = "application/json"
    request = urllib.request.Request(url, body, shown, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=access.trust if access else None) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def get(url, timeout=5.0, access=None):
    return call("GET", url, timeout=timeout, access=access)


def post(url, body, timeout=5.0):
    return call("POST", url, body, timeout=timeout)


class Process:
    """A program with its log; `stop` asks it to end."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log, self.running = name, [str(part) for part in command], log, None

    def start(self):
        with open(self.log, "ab") as log:
            self.running = subprocess.Popen(self.command, stdout=log, stderr=log, env=ENVIRONMENT)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.running is None:
            return
        self.running.send_signal(how)
        try:
            self.running.wait(15)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
        self.running = None

    def check(self):
        """Ends the test if the program has ended by itself."""
        if self.running is not None and self.running.poll() is not None:
            log = self.log.read_text(errors="replace")[-2000:]
            sys.exit(f"{self.name} ended with exit code {self.running.returncode}:\n{log}")


class Node(Process):
    def __init__(self, name, folder, seed=None, settings=()):
        self.grpc, self.http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.gossip = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        command = [psi_field(), "node", "--node-id", name, "--grpc-listen", self.grpc, "--http-listen", self.http]
        command += ["--gossip-listen", self.gossip, "--cluster-seeds", seed or self.gossip]
        command += ["--cluster-join-ms", "300", *settings]
        super().__init__(name, command, folder / f"{name}.log")

    def ready(self):
        self.check()
        return get(f"http://{self.http}/health/ready")[0] == 200


class Prometheus(Process):
    """Scrapes the addresses of each job, and evaluates `rules` (files)."""

    def __init__(self, folder, jobs, interval, rules=()):
        prometheus = need("prometheus", "it is in Debian's package `prometheus`")
        self.address = f"127.0.0.1:{free_port()}"
        scraped = [{"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in jobs.items()]
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(rule) for rule in rules],
            "scrape_configs": scraped,
        }
        # JSON is YAML.
        (folder / "prometheus.json").write_text(json.dumps(config))
        command = [prometheus, f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/tsdb"]
        command += [f"--web.listen-address={self.address}", "--log.level=warn"]
        super().__init__("prometheus", command, folder / "prometheus.log")

    def ready(self):
        self.check()
        return get(f"http://{self.address}/-/ready")[0] == 200

    def ask(self, path, **parameters):
        """The `data` of an answer; a `ValueError` with what Prometheus says where it refuses."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        status, body = get(f"http://{self.address}/api/v1/{path}?{query}", 30)
        answer = json.loads(body) if body else {"error": "no answer"}
        if status != 200 or answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def query_range(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]


@contextlib.contextmanager
def stopped_at_the_end(processes):
    """Stops what is in the list, newest first, however the test ends; shows the ends of the logs if badly."""
    try:
        yield processes
    except BaseException:
        for process in processes:
            lines = process.log.read_text(errors="replace").splitlines()[-5:]
            print("\n  ".join([f"--- log of {process.name}:", *lines]), file=sys.stderr)
        raise
    finally:
        for process in reversed(processes):
            process.stop()


def run(*arguments, expect=0):
    """Runs `psi-field` and gives what it prints."""
    command = [psi_field(), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
