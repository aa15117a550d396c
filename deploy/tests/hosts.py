#!/usr/bin/env python3
"""Starts deploy/systemd/psi-field.service on three hosts, each with a systemd of its own: `deploy/tests/hosts.py`.

A host is a set of namespaces on this machine: processes, files, network, name, control groups. Its process 1 is
systemd, which knows few units beside ours. The hosts keep /etc, /run and /var to themselves, see all else read-only,
and are joined by a bridge. Then what docs/hosts.md says is done: a key, installing, starting, a firewall, a crash, SIGHUP,
wrong settings, an upgrade host by host, another key, a backup that is restored, a service that is stopped and a host
that is shut down.

What it can't show: a kernel for each host, real disks, clocks, and other systems than this machine's. Limits of memory
need control groups that are delegated, so `MemoryMax=` is not tried.

Needs root, `systemd` (Debian: systemd), `unshare` and `nsenter` (util-linux), `ip` (iproute2), `nft` (nftables), and
`psi-field` as dashboards.py does.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cluster import DEPLOY, ENVIRONMENT, Access, Process, get, need, psi_field, stopped_at_the_end, wait_for

UNIT = DEPLOY / "systemd" / "psi-field.service"
SETTINGS = DEPLOY / "systemd" / "psi-field.toml"
RULES = DEPLOY / "systemd" / "psi-field.nft"
SYSTEMD = "/lib/systemd/systemd"
# The addresses of the example; a program that is a client, and one that the firewall does not know.
ADDRESSES = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
CLIENT, STRANGER = "10.0.0.1", "10.9.0.1"
STATE = "/var/lib/psi-field"
KEY = "/etc/psi-field/cluster.key"
# Commands on the hosts show the key in place of a token.
WITH_KEY = {**ENVIRONMENT, "PSI_SECURITY_KEY_FILE": KEY}
# What `systemd-analyze security` may give at most, in tenths.
EXPOSURE = "15"
# What a host needs of systemd's own units to start, to log and to shut down.
STANDARD = """
    basic.target final.target local-fs.target multi-user.target network-online.target paths.target poweroff.target
    shutdown.target slices.target sockets.target sysinit.target systemd-journald-dev-log.socket systemd-journald.service
    systemd-journald.socket systemd-poweroff.service time-sync.target timers.target umount.target
""".split()


def shell(*lines):
    for line in lines:
        subprocess.run(line.split(), check=True, timeout=20)


# --- One host, from inside


def become_host(name, folder):
    """Makes this process, in namespaces of its own, the systemd of a host."""
    # /proc is still the one outside.
    (folder / f"{name}.pid").write_text(os.readlink("/proc/self"))
    binary = folder / "psi-field"
    shell("mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "mkdir /run/etc /run/local /run/state")
    shell("cp -a /etc/. /run/etc", "rm -rf /run/etc/systemd/system", "mkdir -p /run/etc/systemd/system")
    units = pathlib.Path("/run/etc/systemd/system")
    (units / "sysinit.target.wants").mkdir()
    for unit in [*STANDARD, "sysinit.target.wants/systemd-journald.service"]:
        (units / unit).symlink_to(f"/lib/systemd/system/{pathlib.Path(unit).name}")
    pathlib.Path("/run/etc/machine-id").write_text("")
    pathlib.Path("/run/etc/hostname").write_text(name + "\n")
    shell("mkdir -p /run/local/bin /run/local/share/man/man1", "touch /run/local/bin/psi-field")
    shell(f"mount --bind {binary} /run/local/bin/psi-field")
    shell("mount -o remount,bind,ro /", "mount --bind /run/etc /etc", "mount --rbind /run/local /usr/local")
    shell("mount -t tmpfs tmpfs /var", "mkdir -p /var/lib /var/log /var/tmp /var/cache", "mount -t tmpfs tmpfs /tmp")
    shell("mount -t proc proc /proc", "mount -t sysfs -o ro sysfs /sys", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    shell(f"hostname {name}", "mount --bind /dev/null /dev/console")
    # It knows no other units, so that nothing of this machine is started or set.
    variables = {"SYSTEMD_UNIT_PATH": "/etc/systemd/system", "container": "psi-field-test", "PATH": os.environ["PATH"]}
    os.execve(SYSTEMD, [SYSTEMD, "--unit=multi-user.target", "--show-status=no"], variables)


# --- One host, from outside


def control_groups():
    """Where the unified hierarchy is, and this process in it; it is mounted where it is not."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    mounted = [line.split()[4] for line in lines if " - cgroup2 " in line]
    if not mounted:
        mounted = ["/run/psi-field-cgroup"]
        shell("mkdir -p /run/psi-field-cgroup", "mount -t cgroup2 cgroup2 /run/psi-field-cgroup")
    own = re.search(r"(?m)^0::(.*)$", pathlib.Path("/proc/self/cgroup").read_text())
    return pathlib.Path(mounted[-1] + own[1])


class Host(Process):
    """A systemd in namespaces; `run` does something on the host."""

    def __init__(self, number, folder):
        name, self.address, self.folder, self.pid = f"host-{number + 1}", ADDRESSES[number], folder, None
        self.group = control_groups() / f"psi-field-{os.getpid()}-{number}"
        # What Prometheus shows and whom it believes, once there is a key.
        self.scraper = None
        shell(
            f"ip netns add {name}",
            f"ip link add veth{number} type veth peer name eth0 netns {name}",
            f"ip link set veth{number} master bridge0 up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} address add {self.address}/24 dev eth0",
            f"ip -n {name} link set eth0 up",
            f"ip -n {name} route add default via {CLIENT}",
        )
        inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup"]
        inside += [sys.executable, __file__, "--host", name, folder]
        script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        command = ["nsenter", f"--net=/run/netns/{name}", "sh", "-c", script, self.group, *inside]
        super().__init__(name, command, folder / f"{name}.log")

    def start(self):
        self.group.mkdir()
        super().start()
        file = self.folder / f"{self.name}.pid"
        self.pid = wait_for(f"{self.name} has begun", lambda: file.exists() and file.read_text())
        wait_for(f"the systemd of {self.name} runs", lambda: self.ask("is-system-running", expect=None) == "running")
        return self

    def stop(self, how=signal.SIGKILL):
        if self.running is not None and self.pid is not None:
            # Takes all of the host with it. Its parent, which waits for it, ends then.
            os.kill(int(self.pid), signal.SIGKILL)
            self.running.wait(15)
            self.running = None
        super().stop(how)
        for group in sorted(self.group.glob("**/"), key=lambda path: -len(path.parts)):
            wait_for(f"{group} is empty", lambda group=group: "populated 0" in (group / "cgroup.events").read_text())
            group.rmdir()

    def run(self, *command, expect=0):
        """What a command prints on the host."""
        self.check()
        done = self.enter(*map(str, command), capture_output=True)
        if expect is not None and done.returncode != expect:
            sys.exit(f"{self.name}: {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def enter(self, *command, **how):
        command = ["nsenter", f"--target={self.pid}", "--all", *command]
        return subprocess.run(command, text=True, timeout=60, env=WITH_KEY, check=False, **how)

    def ask(self, *arguments, expect=0):
        return self.run("systemctl", *arguments, expect=expect)

    def property(self, name):
        return self.ask("show", "--value", f"--property={name}", "psi-field")

    def write(self, path, text):
        assert self.enter("sh", "-c", 'cat > "$0"', path, input=text).returncode == 0, path

    def journal(self):
        return self.enter("journalctl", "--no-pager", "--lines=25", "--unit=psi-field", capture_output=True).stdout

    def psi_field(self, *arguments, expect=0):
        return self.run("psi-field", *arguments, expect=expect)

    def node(self, command, *arguments, expect=0):
        """A command that asks the host's node."""
        return self.psi_field(command, *arguments, "--node", f"{self.address}:50051", expect=expect)

    def ready(self):
        self.check()
        return self.get("/health/ready")[0] == 200

    def get(self, path):
        return get(f"https://{self.address}:8000{path}", access=self.scraper)

    def metric(self, line):
        _, body = self.get("/metrics")
        values = [text.split()[-1] for text in body.decode().splitlines() if text.startswith(line + " ")]
        return float(values[0]) if values else None

    def steps(self):
        return self.metric('psi_field_steps{engine="synthetic",field="default"}')

    def restarted(self, times, before):
        """Whether systemd has started the node so often since somebody did, and process `before` is another by now."""
        return self.property("NRestarts") == str(times) and self.property("MainPID") not in {"0", before}

    def make_access(self, name, role, key=KEY):
        """A token and the authorities, by a key file of this host."""
        token = self.psi_field("token", "--key-file", key, "--role", role, "--name", name)
        return Access(self.psi_field("ca", "--key-file", key), token)

    def settings(self):
        text = SETTINGS.read_text().replace('id = "host-1"', f'id = "{self.name}"')
        return re.sub(r'(?m)^listen = "10\.0\.0\.11:', f'listen = "{self.address}:', text)

    def install(self, key=None):
        """As the unit's own first lines say. The first host makes the key."""
        self.psi_field("man", "--dir", "/usr/local/share/man/man1")
        self.run("mkdir", "-p", "/etc/psi-field")
        self.run("groupadd", "--system", "psi-field-key")
        if key is None:
            self.psi_field("key", "--write", KEY)
            self.run("chgrp", "psi-field-key", KEY)
        else:
            self.write("/tmp/cluster.key", key)
            self.run("install", "-m", "0640", "-g", "psi-field-key", "/tmp/cluster.key", KEY)
        self.scraper = self.make_access("prometheus", "read")
        self.write("/etc/psi-field/psi-field.toml", self.settings())
        self.run("install", "-m", "0644", UNIT, "/etc/systemd/system/psi-field.service")
        self.psi_field("check-config", "--config", "/etc/psi-field/psi-field.toml")
        self.run("nft", "--file", RULES)
        self.ask("daemon-reload")


# --- What is tried


def wait_for_all(hosts, what):
    for host in hosts:
        live = lambda host=host: host.metric('psi_cluster_members{state="live"}') == len(hosts)  # noqa: E731
        wait_for(f"{what}: {host.name} is ready", host.ready)
        wait_for(f"{what}: {host.name} sees {len(hosts)} live members", live)


def check_unit(host):
    verify = ["systemd-analyze", "verify", "--man=no", "/etc/systemd/system/psi-field.service"]
    said = host.run("sh", "-c", '"$0" "$@" 2>&1', *verify)
    assert said == "", said
    security = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}"]
    host.run(*security, "/etc/systemd/system/psi-field.service")
    assert host.property("CanReload") == "no"
    print(f"the unit is right, and its exposure at most {int(EXPOSURE) / 10}")


def check_firewall(hosts):
    """A stranger reaches nothing, and a client gRPC and HTTP. That hosts reach each other shows in their cluster."""
    token = hosts[0].psi_field("token", "--role", "read", "--name", "client")
    client = [psi_field(), "health", "--timeout", "1", "--token", token, "--node", f"{hosts[0].address}:50051"]

    def is_let_in(*space):
        return subprocess.run([*space, *client], capture_output=True, check=False).returncode == 0

    stranger = ["ip", "netns", "exec", "stranger"]
    assert is_let_in() and hosts[0].ready(), "a client is kept out"
    assert not is_let_in(*stranger), "a stranger is let in"
    hosts[0].run("nft", "delete", "table", "inet", "psi_field")
    assert is_let_in(*stranger), "it is not the firewall that keeps a stranger out"
    hosts[0].run("nft", "--file", RULES)
    print("the firewall lets clients in and nobody else")


def crash(hosts):
    host = hosts[1]
    before = host.property("MainPID")
    host.run("kill", "-9", before)
    wait_for("systemd starts it again", lambda: host.restarted(1, before))
    wait_for_all(hosts, "after a crash")
    # SIGHUP is no reload: the node stops cleanly, and is started again since it is not to stay away.
    before = host.property("MainPID")
    host.run("kill", "-HUP", before)
    wait_for("systemd starts it again", lambda: host.restarted(2, before))
    wait_for_all(hosts, "after a hang-up")
    print("a node that was killed, and one that got SIGHUP, are back")


def wrong_settings(hosts):
    host = hosts[2]
    host.write("/etc/psi-field/psi-field.toml", host.settings().replace("[data]", "[date]"))
    host.psi_field("check-config", "--config", "/etc/psi-field/psi-field.toml", expect=2)
    host.ask("restart", "psi-field")
    wait_for("the service has failed", lambda: host.property("ActiveState") == "failed")
    assert (host.property("ExecMainStatus"), host.property("NRestarts")) == ("2", "0")
    assert "date" in host.journal(), host.journal()
    host.write("/etc/psi-field/psi-field.toml", host.settings())
    host.ask("start", "psi-field")
    wait_for_all(hosts, "after wrong settings")
    print("wrong settings are said and not tried again")


def upgrade(hosts):
    """Each host in turn, as docs/hosts.md says."""
    for host in hosts:
        host.ask("restart", "psi-field")
        wait_for(f"{host.name} is ready again", lambda host=host: "ready" in host.node("health", expect=None))
    wait_for_all(hosts, "after an upgrade")
    print("restarted host by host")


def check_access(hosts):
    """Nobody reads without a token, and the node alone reads the key."""
    status, _ = get(f"https://{hosts[0].address}:8000/metrics", access=Access(hosts[0].psi_field("ca")))
    assert status == 401, f"metrics without a token: {status}"
    for host in hosts:
        assert host.run("stat", "-c", "%a %U:%G", KEY) == "640 root:psi-field-key"
    # The node's user is nobody else's, and is in the group.
    groups = hosts[0].run("sh", "-c", f"grep ^Groups: /proc/{hosts[0].property('MainPID')}/status").split()
    assert hosts[0].run("stat", "-c", "%g", KEY) in groups, groups
    print("callers without a token are refused")


def change_key(hosts):
    """As docs/security.md says: no node is missed meanwhile, and what was made with the old key is refused at the end."""
    old = hosts[0].run("cat", KEY)
    new = hosts[0].psi_field("key")
    before = hosts[0].scraper
    # What callers get meanwhile is made from the second of the three files, and works from the first on.
    hosts[0].write("/tmp/seal.key", f"{new}\n{old}\n")
    after = hosts[0].make_access("prometheus", "read", "/tmp/seal.key")
    for step, lines in enumerate([[old, new], [new, old], [new]]):
        # One host after another, so that they differ for a while.
        for host in hosts:
            host.write(KEY, "\n".join(lines) + "\n")
            changes = lambda host=host: host.journal().count("the key file has changed") > step  # noqa: E731
            wait_for(f"{host.name} has read the keys", changes)
        for host in hosts:
            host.scraper = after
            assert host.metric("process_open_fds"), f"{host.name} refuses the new token in step {step + 1}"
        members = json.loads(hosts[0].node("members", "--wait", "5", "--live", "3", "--output", "json"))["members"]
        assert [one["state"] for one in members] == ["live"] * 3, members
    wait_for_all(hosts, "after another key")
    status, _ = get(f"https://{hosts[0].address}:8000/metrics", access=Access(hosts[0].psi_field("ca"), before.token))
    assert status == 401, f"metrics with a token of the old key: {status}"
    for host in hosts:
        assert host.property("NRestarts") == "0" and "member is dead" not in host.journal(), host.journal()
        assert host.metric('psi_gossip_dropped_total{reason="unknown_key"}') == 0, host.journal()
    print("another key was taken over, and no node missed")


def stop(host, others):
    """A service that is stopped leaves a whole snapshot, and the others know that it left."""
    began, at = time.monotonic(), time.time()
    host.ask("stop", "psi-field")
    took = time.monotonic() - began
    assert (host.property("Result"), host.property("ExecMainStatus")) == ("success", "0"), host.journal()
    assert host.property("NRestarts") == "0"
    written, mode = host.run("stat", "-L", "-c", "%Y %a", f"{STATE}/snapshot").split()
    assert int(written) >= int(at), "no snapshot was written at the end"
    left = lambda: others[0].metric('psi_cluster_members{state="left"}') == 1  # noqa: E731
    wait_for("the others know that it left", left)
    return took, mode


def shut_down(host, others):
    """A host that is shut down stops its node first."""
    steps = host.steps()
    host.ask("start", "poweroff.target", "--no-block", "--job-mode=replace-irreversibly")
    host.running.wait(30)
    left = lambda: others[0].metric('psi_cluster_members{state="left"}') == 1  # noqa: E731
    wait_for("the others know that it left", left)
    assert others[0].steps() == steps
    host.running = None
    print("a host that is shut down has its node leave")


def restore(hosts):
    """The whole cluster is gone, and comes back from one host's file."""
    steps = hosts[0].steps()
    for host in hosts:
        host.ask("stop", "psi-field")
    # The hosts share no files, but text.
    backup = hosts[0].run("base64", "--wrap=0", f"{STATE}/snapshot")
    for host in hosts:
        host.run("sh", "-c", f"rm -rf {STATE}/*")
    hosts[1].run("sh", "-c", f"echo {backup} | base64 --decode > /tmp/backup")
    hosts[1].run("install", "-m", "0644", "/tmp/backup", f"{STATE}/snapshot")
    hosts[1].ask("start", "psi-field")
    wait_for("the host with the backup is ready", hosts[1].ready)
    for host in (hosts[0], hosts[2]):
        host.ask("start", "psi-field")
    wait_for_all(hosts, "after a restore")
    for host in hosts:
        wait_for(f"{host.name} holds what the backup held", lambda host=host: host.steps() == steps)
    print(f"restored {steps:.0f} steps from one host's file")


def rehearse(folder):
    shell("mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "ip link set lo up")
    shell("ip link add bridge0 type bridge")
    shell(f"ip address add {CLIENT}/24 dev bridge0", "ip link set bridge0 up")
    shell("ip netns add stranger", "ip link add veth-s type veth peer name eth0 netns stranger")
    shell("ip address add 10.9.0.254/24 dev veth-s", "ip link set veth-s up")
    shell(f"ip -n stranger address add {STRANGER}/24 dev eth0", "ip -n stranger link set eth0 up")
    shell("ip -n stranger route add default via 10.9.0.254")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    with stopped_at_the_end([]) as started:
        try:
            hosts = [Host(number, folder) for number in range(3)]
            for host in hosts:
                started.append(host)
                host.start()
                host.install(hosts[0].run("cat", KEY) if host is not hosts[0] else None)
            tried(hosts)
        except BaseException:
            for host in started:
                print(f"--- journal of {host.name}:\n{host.journal()}", file=sys.stderr)
            raise


def tried(hosts):
    check_unit(hosts[0])
    began = time.monotonic()
    for host in hosts:
        host.ask("enable", "--now", "psi-field")
    wait_for_all(hosts, "at first")
    print(f"three hosts are one cluster {time.monotonic() - began:.1f} s after their start")
    members = json.loads(hosts[0].node("members", "--wait", "30", "--live", "3", "--output", "json"))
    assert len(members["members"]) == 3, members
    # The sandbox does not hide what the metrics of the process are made of.
    for name in ("process_start_time_seconds", "process_open_fds", "process_resident_memory_bytes"):
        assert hosts[0].metric(name), name
    hosts[0].node("feed", "--walk", "--rate", "max", "--count", "500")
    check_firewall(hosts)
    check_access(hosts)
    crash(hosts)
    wrong_settings(hosts)
    upgrade(hosts)
    change_key(hosts)
    restore(hosts)
    took, mode = stop(hosts[2], hosts)
    hosts[2].ask("start", "psi-field")
    wait_for_all(hosts, "after a stop")
    assert "snapshot.refused" not in hosts[2].run("ls", f"{STATE}/")
    print(f"a service stops in {took:.1f} s, with a snapshot (mode {mode})")
    shut_down(hosts[2], hosts[:2])


def main():
    if sys.argv[1:2] == ["--host"]:
        become_host(sys.argv[2], pathlib.Path(sys.argv[3]))
    if sys.argv[1:]:
        return rehearse(pathlib.Path(sys.argv[1]))
    for tool, package in [("systemctl", "systemd"), ("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")]:
        need(tool, f"it is in Debian's package `{package}`")
    need(SYSTEMD, "it is in Debian's package `systemd`")
    began = time.monotonic()
    spaces = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0 or subprocess.run([*spaces, "true"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: the hosts, since this user may make no namespaces; run it as root", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(psi_field(), pathlib.Path(folder) / "psi-field")
        done = subprocess.run([*spaces, sys.executable, __file__, folder], timeout=170, check=False)
    if done.returncode != 0:
        sys.exit("the hosts did not do what they should")
    print(f"all in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
