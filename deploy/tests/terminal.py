"""A person at a terminal, for tests that follow a runbook: commands that are typed, printed and checked."""

import dataclasses
import json
import shlex
import time
from collections.abc import Callable

from cluster import Access, call


@dataclasses.dataclass
class Site:
    """Where nodes are: their addresses by name, how a command is run on one, and how its log is read."""

    urls: dict[str, str]
    command: Callable[..., str]
    log: Callable[[str], str]
    access: Access | None = None

    def call(self, node, method, path, body=None, headers=()):
        """Status and answer."""
        sent = None if body is None else json.dumps(body).encode()
        status, answer = call(method, self.urls[node] + path, sent, headers, 20.0, self.access)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode(errors="replace")


class Operator:
    """A person at a terminal: types commands, and looks at what they say."""

    def __init__(self, site, tenant):
        self.site, self.tenant, self.called, self.turn = site, tenant, set(), 0
        self.names, self.sources = {}, {}

    def look_at(self, model):
        """Calls and commands are about this model from now on."""
        self.names = {"model": model, "champion": f"{model}@v1"}
        self.model = f"{self.tenant}.{model}"

    @property
    def source(self):
        return self.sources[self.names["model"]]

    def title(self, text):
        print(f"\n# {text}", flush=True)

    def next_node(self):
        """Any node will do."""
        self.turn += 1
        return list(self.site.urls)[self.turn % len(self.site.urls)]

    def ask(self, node, request, body, tenant):
        self.called.add(request)
        method, path = request.format(**self.names).split(" ", 1)
        return self.site.call(node, method, path, body, {"X-Tenant-ID": tenant or self.tenant})

    def curl(self, request, body=None, expect=200, tenant=None):
        """Makes a call once, on any node, and gives the answer."""
        self.typed(request, body, tenant)
        status, answer = self.ask(self.next_node(), request, body, tenant)
        self.said(status, answer)
        assert status == expect, f"{request}: {status}, not {expect}: {answer}"
        return answer

    def refused(self, request, reason, status, body=None):
        """Makes a call that is refused, with the reason in the body."""
        answer = self.curl(request, body, status)
        assert answer["error"]["reason"] == reason and answer["error"]["message"] and answer["detail"], answer

    def see(self, request, holds, seconds=20.0, tenant=None):
        """Asks every node, again and again until the answer of each holds; gives the last."""
        self.typed(request, None, tenant)
        for node in self.site.urls:
            answer = self.wait(lambda node=node: self.ask(node, request, None, tenant), holds, seconds, request)
        self.said(200, answer)
        return answer

    def list(self, request, holds, seconds=20.0):
        """As `see`, of a list: gives its content."""
        return self.see(request, lambda answer: holds(answer["content"]), seconds)["content"]

    def wait(self, ask, holds, seconds, what):
        deadline = time.monotonic() + seconds
        while True:
            for source in self.sources.values():
                source.check()
            status, answer = ask()
            if status == 200 and holds(answer):
                return answer
            assert time.monotonic() < deadline, f"{what}: after {seconds:.0f} s still {status} {answer}"
            time.sleep(0.1)

    def psi_field(self, *words, shows=()):
        """Runs a command on any node, and looks for words in what it prints."""
        print(f"$ psi-field {shlex.join(words)}")
        said = self.site.command(self.next_node(), *words)
        print(f"  {said.splitlines()[0] if said else ''}")
        for part in shows:
            assert part in said, f"psi-field {shlex.join(words)} does not say {part}:\n{said}"
        return said

    def grep_logs(self, *words, covers=None, seconds=10.0):
        """Waits for a line of some node's log that has all words. `covers`: what of the seed's runbook that is."""
        self.called |= {covers} - {None}
        print(f"$ psi-field logs | {' | '.join(f'grep {shlex.quote(word)}' for word in words)}")
        deadline = time.monotonic() + seconds
        while True:
            lines = [line for node in self.site.urls for line in self.site.log(node).splitlines()]
            found = [line for line in lines if all(word in line for word in words)]
            if found:
                print(f"  {found[-1]}")
                return found[-1]
            assert time.monotonic() < deadline, f"no node's log has a line with {words}"
            time.sleep(0.2)

    def typed(self, request, body, tenant):
        method, path = request.format(**self.names).split(" ", 1)
        data = "" if body is None else f" --json {shlex.quote(json.dumps(body))}"
        verb = "" if method == "GET" else f"-X {method} "
        print(f"$ curl {verb}-H 'X-Tenant-ID: {tenant or self.tenant}' \"$NODE{path}\"{data}")

    def said(self, status, answer):
        text = f"{len(answer)} bytes" if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        print(f"  {status} {text[:150]}{'…' if len(text) > 150 else ''}", flush=True)
