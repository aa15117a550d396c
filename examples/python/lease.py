#!/usr/bin/env python3
"""A worker that writes to a file while it holds a lease, and a file that refuses those who are too late.

    lease.py [--file FILE] [--writes N] [--token TOKEN] [--tls-ca FILE] [HOST:PORT ...]

Start several with one file: one works, the others wait. It prints what was refused, by nodes and by the file. At the
end it tries an older fence, as a worker would that was stopped for a while. The exit code is 0 if all was written and
that was refused, else 1.
"""

import argparse
import fcntl
import functools
import os
import socket
import sys
import tempfile
import time

import grpc

from access import NoAccess, find_trust
from client import PROTOS, TIMEOUT, Failed, Nodes, error_info, generate

# A clock that goes on while the machine sleeps, as leases do. `time.monotonic` stops then on Linux.
now = functools.partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
NAME = "example"  # of the lease
DURATION = 3  # seconds that it holds
RETRY = 1  # seconds at most before a lease that another holds is asked for again
PATIENCE = 60  # seconds without the lease before the worker gives up
PAUSE = 0.2  # seconds of work before each write


class StaleFence(Failed):
    """The resource has seen a later holder."""


class Resource:
    """A file that takes no lower fence than it has seen. All writers must go through this check."""

    def __init__(self, path):
        self.path = path

    def write(self, fence, text):
        # Check and write are one: the lock is held until the file is closed.
        with open(self.path, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            seen = max((int(line.split()[0]) for line in file), default=0)
            if fence < seen:
                raise StaleFence(f"fence {fence}, and the file has seen {seen}")
            file.write(f"{fence} {text}\n")


class Lease:
    """A lease. A holder is a client of a node, so no two workers have one name, and each keeps to its node."""

    def __init__(self, nodes, pb):
        self.nodes, self.pb = nodes, pb
        self.client = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self.fence, self.until = 0, 0.0

    def acquire(self):
        """Takes it or renews it; what was refused for now is printed, and tried again."""
        request = self.pb.AcquireLeaseRequest(name=NAME, client=self.client, duration_ms=DURATION * 1000)
        end = now() + PATIENCE
        while now() < end:
            asked = now()  # the lease counts from before the call
            try:
                grant = self.nodes.call(lambda stub: stub.AcquireLease(request, timeout=TIMEOUT))
            except grpc.RpcError as error:
                time.sleep(self.pause_after(error))
            else:
                self.fence, self.until = grant.fence, asked + grant.left_ms / 1000
                print(f"holds {NAME} with fence {grant.fence} for {grant.left_ms} ms, by node {grant.node}")
                return
        raise Failed(f"no lease for {PATIENCE} s")

    def pause_after(self, error):
        """Seconds to wait. Raises the error where asking again does not help."""
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            # It may hold the lease all the same. The same call through the same node settles that.
            print(f"no majority, or no answer: {error.details()}")
            return PAUSE
        info = error_info(error)
        print(f"refused: {info.reason}: {error.details()}")
        if info.reason not in ("LEASE_HELD", "LEASE_LAPSED"):
            raise error
        return max(PAUSE, min(RETRY, int(info.metadata.get("left_ms", 0)) / 1000))

    def release(self):
        request = self.pb.ReleaseLeaseRequest(name=NAME, client=self.client)
        self.nodes.call(lambda stub: stub.ReleaseLease(request, timeout=TIMEOUT))
        print(f"released {NAME}")


def work(lease, resource, writes):
    """Writes so many lines, each with the fence that the lease has then."""
    written = 0
    while written < writes:
        time.sleep(PAUSE)
        # A third of the time is over. A longer piece of work needs a thread that renews beside it.
        if lease.until - now() < DURATION * 2 / 3:
            lease.acquire()
        try:
            resource.write(lease.fence, f"{lease.client} {written}")
            written += 1
        except StaleFence as stale:
            print(f"refused by the file: {stale}")
            lease.until = 0.0


def write_late(lease, resource, fence):
    """What a worker does that was stopped between its look at the lease and its write."""
    try:
        resource.write(fence, f"{lease.client} late")
    except StaleFence as stale:
        print(f"refused by the file, as it should be: {stale}")
    else:
        raise Failed(f"the file took fence {fence} after {lease.fence}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("addresses", nargs="*", metavar="HOST:PORT", default=["127.0.0.1:50051"])
    parser.add_argument("--file", default="lease.txt", help="what is written to (default: %(default)s)")
    parser.add_argument("--writes", type=int, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--token", default=os.environ.get("PSI_TOKEN"), help="access token; also PSI_TOKEN")
    parser.add_argument("--tls-ca", default=os.environ.get("PSI_TLS_CA"), help="authority of nodes; also PSI_TLS_CA")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as generated:
            generate(PROTOS, generated)
            from psi.v1 import lease_pb2, lease_pb2_grpc
        trust = find_trust(arguments.token, arguments.addresses, arguments.tls_ca) if arguments.token else None
        nodes = Nodes(arguments.addresses, trust, lease_pb2_grpc.LeaseServiceStub)
        lease, resource = Lease(nodes, lease_pb2), Resource(arguments.file)
        work(lease, resource, arguments.writes)
        write_late(lease, resource, lease.fence - 1)
        lease.release()
        return 0
    except grpc.RpcError as error:
        print(f"failed: {error.code().name}: {error.details()}", file=sys.stderr)
    except (Failed, NoAccess) as failed:
        print(f"failed: {failed}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
