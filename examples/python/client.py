#!/usr/bin/env python3
"""A client of a psi-field cluster that knows nothing but its proto files.

    client.py [--protos DIR] [--token TOKEN] [--tls-ca FILE] [HOST:PORT ...]

Asks for health and reflection, makes steps that move on to another node, streams steps, reads on one node what it
wrote on another, shows what a refusal says, and uses one channel to all nodes. Where the cluster has a key, it shows an
access token. Exit code 0 if everything was answered as it should be, else 1.
"""

import argparse
import importlib.resources
import ipaddress
import math
import os
import pathlib
import random
import sys
import tempfile
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from grpc_tools import protoc

from access import NoAccess, find_trust, open_channel

PROTOS = pathlib.Path(__file__).resolve().parents[2] / "proto"
SERVICES = {"psi.v1.PsiFieldService", "psi.v1.ClusterService", "psi.v1.ReplicationService", "grpc.health.v1.Health"}
WIDTH = 16  # numbers in a vector of the field `default`
TIMEOUT = 5  # seconds for one call
READY_TIMEOUT = 15  # seconds for a node to have joined
ATTEMPTS = 8
PAUSE = 0.05  # seconds before the second attempt; doubles


class Failed(Exception):
    """An answer that should not be."""


def generate(protos, out):
    """Generates Python from every proto file under `protos` into `out`, and makes it importable."""
    google = importlib.resources.files("grpc_tools") / "_proto"
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    flags = [f"-I{protos}", f"-I{google}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if not files or protoc.main(["protoc", *flags, *files]) != 0:
        raise Failed(f"no code could be generated from {protos}")
    sys.path.insert(0, str(out))


class Nodes:
    """Several nodes of one cluster: any of them takes any call."""

    def __init__(self, addresses, trust, stub):
        self.channels = {address: open_channel(address, trust) for address in addresses}
        self.stubs = [stub(channel) for channel in self.channels.values()]
        self.current = 0

    def call(self, call):
        """Makes a call on some node and stays with that node while it answers.

        Only UNAVAILABLE moves on: it says that a node can't answer now, not that the request is wrong. If an answer
        is lost on its way, the step counts a second time where it is tried again, on another node; on the same one,
        a `request_id` keeps it from that.
        """
        for attempt in range(ATTEMPTS):
            try:
                return call(self.stubs[self.current])
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == ATTEMPTS - 1:
                    raise
            self.move_on()
            time.sleep(PAUSE * 2**attempt * random.uniform(0.5, 1))

    def move_on(self):
        self.current = (self.current + 1) % len(self.stubs)


def health(channel):
    """SERVING, NOT_SERVING or UNREACHABLE, once the node has had time to join."""
    deadline = time.monotonic() + READY_TIMEOUT
    stub = health_pb2_grpc.HealthStub(channel)
    while True:
        try:
            request = health_pb2.HealthCheckRequest(service="psi.v1.PsiFieldService")
            status = stub.Check(request, timeout=TIMEOUT).status
        except grpc.RpcError:
            return "UNREACHABLE"
        if status == health_pb2.HealthCheckResponse.SERVING or time.monotonic() > deadline:
            return health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        time.sleep(PAUSE)


def error_info(error):
    """The google.rpc.ErrorInfo of a refusal: `reason` and `metadata` are for programs, the message for people."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    if status is None or not any(detail.Unpack(info) for detail in status.details):
        raise Failed(f"a refusal without a reason: {error.code().name}, {error.details()}")
    return info


def vector(seed):
    """Any vector will do."""
    return [math.sin(seed + dimension / 4) for dimension in range(WIDTH)]


def expect(what, got, want):
    if got != want:
        raise Failed(f"{what}: got {got!r}, expected {want!r}")


def show_nodes(nodes):
    serving = None
    for address, channel in nodes.channels.items():
        status = health(channel)
        print(f"health: {address} {status}")
        if status == "SERVING":
            serving = serving or channel
    if serving is None:
        raise Failed("no node is serving")
    found = set(ProtoReflectionDescriptorDatabase(serving).get_services())
    print("reflection:", *sorted(found))
    expect("services that reflection lacks", SERVICES - found, set())


def show_steps(nodes, pb):
    """Returns how many steps the field has at least, and a session token for what was seen and written."""
    # Drawn once for all attempts. The level is answered, reached or not: on a node alone it can't be.
    request = pb.StepRequest(
        input=vector(0), request_id=str(uuid.uuid4()), replicate_to=pb.REPLICATION_LEVEL_ONE, deadline_ms=1000
    )
    step = nodes.call(lambda stub: stub.Step(request, timeout=TIMEOUT))
    print(f"step: node {step.node}, k = {step.k}, density {step.metrics.density:.6f}")
    print(f"held by {step.replicated.nodes} of {step.replicated.of} nodes")
    again = nodes.call(lambda stub: stub.Step(request, timeout=TIMEOUT))
    if again.node == step.node:
        expect("answer to the same request", again, step)

    # The third is too short: it is answered by its error, and the stream goes on.
    inputs = [vector(1), vector(2), [1.0], vector(3)]

    def stream(stub):
        return list(stub.StepStream((pb.StepRequest(input=values) for values in inputs), timeout=TIMEOUT))

    answers = nodes.call(stream)
    outcomes = [answer.error.reason if answer.WhichOneof("outcome") == "error" else "taken" for answer in answers]
    print("stream:", *outcomes)
    expect("sequence numbers", [answer.sequence for answer in answers], [0, 1, 2, 3])
    expect("outcomes", outcomes, ["taken", "taken", "WRONG_WIDTH", "taken"])
    return answers[-1].step.k, answers[-1].step.token


def show_state(nodes, pb, steps, session):
    """Reads own writes on another node, if there is one: it answers once it holds them."""
    nodes.move_on()
    request = pb.GetStateRequest(after=session)
    state = nodes.call(lambda stub: stub.GetState(request, timeout=TIMEOUT))
    print(f"state: node {state.node}, k = {state.k}, noise {state.noise}, mean {list(state.mean[:2])} and so on")
    if state.k < steps:
        raise Failed(f"{steps} steps were taken, and the state counts {state.k}")
    expect("numbers in mean and variance", (len(state.mean), len(state.variance)), (WIDTH, WIDTH))


def show_refusal(nodes, pb):
    try:
        nodes.call(lambda stub: stub.Step(pb.StepRequest(input=[1.0]), timeout=TIMEOUT))
    except grpc.RpcError as error:
        info = error_info(error)
        print(f"refused as it should be: {info.reason} {dict(info.metadata)}: {error.details()}")
        expect("status code", error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        expect("reason", (info.domain, info.reason), ("psi-field", "WRONG_WIDTH"))
        expect("values", (info.metadata["got"], info.metadata["want"]), ("1", str(WIDTH)))
    else:
        raise Failed("a vector of one number was taken")


def is_ipv4(address):
    """Whether grpc takes it after `ipv4:`, where names do not go."""
    try:
        ipaddress.IPv4Address(address.rpartition(":")[0])
    except ValueError:
        return False
    return True


def show_channel(addresses, trust, pb, stub):
    """One channel to all nodes: it connects to the first that accepts, and to the next when that is gone."""
    # Without the option grpc sends the list itself as the authority, and HTTP/2 allows no comma there.
    options = [("grpc.default_authority", "psi-field")]
    with open_channel("ipv4:" + ",".join(addresses), trust, options) as channel:
        state = stub(channel).GetState(pb.GetStateRequest(), timeout=TIMEOUT)
    print(f"one channel to {len(addresses)} addresses: node {state.node}, k = {state.k}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("addresses", nargs="*", metavar="HOST:PORT", default=["127.0.0.1:50051"])
    token = os.environ.get("PSI_TOKEN")
    parser.add_argument("--token", default=token, help="access token, where the cluster has a key; also PSI_TOKEN")
    authority = os.environ.get("PSI_TLS_CA")
    parser.add_argument("--tls-ca", default=authority, help="where nodes have a tls.ca of their own; also PSI_TLS_CA")
    parser.add_argument("--protos", type=pathlib.Path, default=PROTOS, help="folder of the proto files")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as generated:
            generate(arguments.protos.resolve(), generated)
            from psi.v1 import field_pb2, field_pb2_grpc
        trust = find_trust(arguments.token, arguments.addresses, arguments.tls_ca) if arguments.token else None
        nodes = Nodes(arguments.addresses, trust, field_pb2_grpc.PsiFieldServiceStub)
        show_nodes(nodes)
        steps, session = show_steps(nodes, field_pb2)
        show_state(nodes, field_pb2, steps, session)
        show_refusal(nodes, field_pb2)
        if all(is_ipv4(address) for address in arguments.addresses):
            show_channel(arguments.addresses, trust, field_pb2, field_pb2_grpc.PsiFieldServiceStub)
    except grpc.RpcError as error:
        print(f"failed: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    except (Failed, NoAccess) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
