#!/usr/bin/env python3
"""Does to a cluster of three on loopback what docs/security.md and docs/ledger.md tell operators and auditors:
`python3 deploy/tests/operations.py`.

The commands are taken from these pages as they stand; only nodes and files are named. A live cluster gets a key, all at
once and node by node. The key is changed while a client steps. A node is replaced; a token and a key that leaked are too.
Then an auditor exports the ledger, and verifies the file without the cluster.

Needs `psi-field` (built by cargo, or named by TESTED_PSI_FIELD).
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from cluster import ENVIRONMENT, ROOT, Access, Node, get, psi_field, run, stopped_at_the_end, wait_for

PAGE = (ROOT / "docs" / "security.md").read_text()
LEDGER = (ROOT / "docs" / "ledger.md").read_text()
NAMES = ("n1", "n2", "n3")


def commands(section, containing, page=PAGE):
    """The block of commands of a section of the page that has this text."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1]
    blocks = [re.sub(r"^ +", "", block, flags=re.MULTILINE) for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    found = [block for block in blocks if containing in block]
    assert len(found) == 1, f"{section}: {len(found)} blocks have {containing!r}"
    return found[0]


class Operator:
    """Who types the commands, in a folder of their own."""

    def __init__(self, folder, nodes):
        self.folder, self.nodes = folder, nodes
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "psi-field").symlink_to(psi_field())
        self.environment = ENVIRONMENT | {"PATH": f"{bin_folder}:{ENVIRONMENT['PATH']}"}

    def type(self, text, **variables):
        """What a shell prints that stops at the first command that fails."""
        asking = r"psi-field (members|ledger (?:list|export))"
        text = re.sub(asking, rf"psi-field \1 --node {self.nodes[0].grpc}", text)
        done = subprocess.run(["bash", "-eu", "-c", text], cwd=self.folder, env=self.environment | variables,
                              capture_output=True, text=True, timeout=90, check=False)
        if done.returncode != 0:
            sys.exit(f"{text}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def token(self, key_file="cluster.key", name="feeder"):
        return self.type(f"psi-field token --key-file {key_file} --role step --name {name}").strip()

    def access(self, key_file="cluster.key"):
        return Access(self.type(f"psi-field ca --key-file {key_file}"), self.token(key_file))

    def settled(self, token=None):
        """All three are live and agree, as the page has it."""
        variables = {"PSI_TOKEN": token} if token else {}
        said = self.type(commands("Switch a live cluster on", "members --wait"), **variables)
        assert "all 3 live members agree" in said, said

    def install(self, file, nodes=None):
        """Puts a key file in place, whole."""
        for node in nodes or self.nodes:
            new = node.key.with_suffix(".new")
            shutil.copy(self.folder / file, new)
            new.replace(node.key)


class KeyedNode(Node):
    """A node with a directory, and a key once there is one."""

    def __init__(self, name, folder, seed):
        directory, self.key = folder / f"{name}.data", folder / f"{name}.key"
        self.revoked = folder / f"{name}.revoked"
        super().__init__(name, folder, seed, ["--data-dir", directory])
        self.directory, self.plain = directory, list(self.command)

    def start(self):
        keyed = ["--security-key-file", self.key, "--security-revoked-file", self.revoked]
        self.command = self.plain + ([str(part) for part in keyed] if self.key.exists() else [])
        return super().start()

    def ready(self):
        self.check()
        scheme = "https" if self.key.exists() else "http"
        return get(f"{scheme}://{self.http}/health/ready", access=Access())[0] == 200

    def log_has(self, text):
        return text in self.log.read_text(errors="replace")


def start(nodes):
    for node in nodes:
        node.start()
    for node in nodes:
        wait_for(f"{node.name} is ready", node.ready)


def stop(nodes):
    for node in nodes:
        node.stop()


def step(node, token=None):
    """Steps on one node; how many it took."""
    show = ["--token", token] if token else []
    return json.loads(run("feed", "--walk", "--rate", "200", "--seconds", "0.1", "--node", node.grpc, "-o", "json", *show))["accepted"]


def count(node, token=None):
    show = ["--token", token] if token else []
    return json.loads(run("state", "--node", node.grpc, "--output", "json", *show))["k"]


def refused(node, access):
    status, _ = get(f"https://{node.http}/state", access=access)
    return status in (0, 401)


def switch_on_at_once(operator, nodes):
    """Stop all nodes, and start them with the key."""
    start(nodes)
    operator.settled()
    before = step(nodes[0])
    operator.settled()
    stop(nodes)
    operator.type(commands("What the key does", "psi-field key --write").splitlines()[0])
    operator.install("cluster.key")
    start(nodes)
    token = operator.token()
    operator.settled(token)
    assert count(nodes[2], token) == before > 0, "steps were lost"
    assert get(f"https://{nodes[0].http}/state", access=Access())[0] == 401
    print("a cluster that was stopped has a key")


def switch_on_node_by_node(operator, nodes):
    """One node after another: two parts for a while, and every step counts once."""
    stop(nodes)
    for node in nodes:
        node.key.unlink()
        shutil.rmtree(node.directory)
    start(nodes)
    operator.settled()
    steps = step(nodes[0])
    token = operator.token()
    for done, node in enumerate(nodes, 1):
        node.stop()
        operator.install("cluster.key", [node])
        start([node])
        steps += step(node, token)
        if done < len(nodes):
            steps += step(nodes[-1])
    operator.settled(token)
    assert count(nodes[0], token) == steps, f"{count(nodes[0], token)} steps, not {steps}"
    print("a live cluster got a key node by node, and every step counted once")


class Stepper(threading.Thread):
    """A client that steps all the time, and remembers what failed."""

    def __init__(self, node, access):
        super().__init__(daemon=True)
        self.node, self.access, self.calls, self.failed, self.ended = node, access, 0, [], False

    def run(self):
        while not self.ended:
            status, body = get(f"https://{self.node.http}/state", access=self.access)
            self.calls += 1
            if status != 200:
                self.failed.append((status, body))
            time.sleep(0.01)


def change_key(operator, nodes):
    """By the files of the page, while clients call."""
    old = operator.access()
    operator.type(commands("Change the key", "> accept.key"))
    steppers = [Stepper(node, old) for node in nodes]
    for stepper in steppers:
        stepper.start()
    for number, file in enumerate(("accept.key", "seal.key", "new.key"), 1):
        operator.install(file)
        for node in nodes:
            read = lambda node=node: node.log.read_text().count("the key file has changed") >= number  # noqa: E731
            wait_for(f"{node.name} has read {file}", read)
        if number == 1:
            # Step 2 of the page: callers get what works from now on.
            operator.type(commands("Change the key", "token --key-file seal.key"))
            new = operator.access("seal.key")
            for stepper in steppers:
                stepper.access = new
            wait_for("callers have come over", lambda: all(stepper.calls > 20 for stepper in steppers))
        operator.settled(new.token)
    for stepper in steppers:
        stepper.ended = True
        stepper.join()
        assert stepper.calls > 20 and not stepper.failed, f"{stepper.calls} calls, failed: {stepper.failed[:3]}"
    operator.type("mv new.key cluster.key && rm accept.key seal.key")
    wait_for("what the old key made is refused", lambda: all(refused(node, old) for node in nodes))
    assert not any(node.log_has("member is dead") for node in nodes)
    print(f"the key was changed under {sum(stepper.calls for stepper in steppers)} calls, and none failed")


def replace_node(operator, nodes):
    """Another machine with the key file and the name."""
    token = operator.token()
    step(nodes[0], token)
    operator.settled(token)
    before = count(nodes[0], token)
    nodes[2].stop()
    shutil.rmtree(nodes[2].directory)
    start([nodes[2]])
    operator.settled(token)
    assert count(nodes[2], token) == before
    print("a node was replaced")


def revoke_token(operator, nodes):
    """While nodes run: the token of that name is refused, and others are not."""
    leaked = operator.access()
    other = Access(operator.type("psi-field ca"), operator.token(name="other"))
    assert not any(refused(node, leaked) for node in nodes)
    for node in nodes:
        text = commands("A leaked access token", "echo feeder")
        operator.type(text.replace("/etc/psi-field/revoked", str(node.revoked)))
    wait_for("the token is refused everywhere", lambda: all(refused(node, leaked) for node in nodes))
    assert not any(refused(node, other) for node in nodes)
    for node in nodes:
        node.revoked.unlink()
    print("a token was revoked while all nodes ran")


def replace_leaked_key(operator, nodes):
    """Stop all nodes, and start them with another key."""
    leaked = operator.access()
    stop(nodes)
    operator.type("mv cluster.key leaked.key")
    operator.type(commands("A leaked key", "psi-field key --write"))
    operator.install("cluster.key")
    start(nodes)
    operator.settled(operator.token())
    assert all(refused(node, leaked) for node in nodes)
    print("a leaked key is worth nothing")


def audit(operator, nodes):
    """An operator acts, and an auditor finds it in a file that holds; a byte of it is changed, and it holds no more."""
    # Runs from before the last change of the key are not vouched for by this one.
    stop(nodes)
    for node in nodes:
        shutil.rmtree(node.directory)
    start(nodes)
    made = ("field", "create", "audited", "--node", nodes[1].grpc, "--token")
    run(*made, operator.type("psi-field token --role operator --name ann").strip())
    operator.type(commands("Audit", "--name auditor", LEDGER))
    listing = commands("Look something up", "psi-field ledger list", LEDGER).splitlines()[0]
    auditor = {"PSI_TOKEN_FILE": "auditor.token"}

    def listed():
        said = operator.type(listing, **auditor)
        return said.count("run_start") == len(nodes) and "field_creation" in said

    wait_for("one node shows what all recorded", listed)
    said = operator.type(commands("Audit", "verify ledger.psi --ca", LEDGER))
    assert "ledger.psi holds" in said and said.count(" vouched for") == len(nodes), said
    file = operator.folder / "ledger.psi"
    content = bytearray(file.read_bytes())
    content[content.index(b"audited")] ^= 1
    file.write_bytes(content)
    operator.type("! psi-field ledger verify ledger.psi --ca ca.pem")
    print("what an operator did was exported and verified, and a changed byte was noticed")


def main():
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, stopped_at_the_end([]) as processes:
        folder = pathlib.Path(name)
        nodes = [KeyedNode(NAMES[0], folder, None)]
        nodes += [KeyedNode(name, folder, nodes[0].gossip) for name in NAMES[1:]]
        processes.extend(nodes)
        operator = Operator(folder, nodes)
        switch_on_at_once(operator, nodes)
        switch_on_node_by_node(operator, nodes)
        change_key(operator, nodes)
        replace_node(operator, nodes)
        revoke_token(operator, nodes)
        replace_leaked_key(operator, nodes)
        audit(operator, nodes)
    print(f"{time.monotonic() - began:.0f} s: the operations of docs/security.md and docs/ledger.md hold")


if __name__ == "__main__":
    main()
