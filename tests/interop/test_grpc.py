"""gRPC through the product: grpcio on both sides, and the interoperability tests of gRPC itself in Go.

The cases of the latter are those of doc/interop-test-descriptions.md in https://github.com/grpc/grpc
that need no cloud and no other proxy.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from support import free_port, peers, proxying
from support.commands import output, program
from support.edge import Certificates, Edge
from support.grpc_cases import CASES, channel_to

INTEROP_CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "rpc_soak",
    "channel_soak",
]
# How long the last two may take is no matter here.
PATIENCE = ["--soak_per_iteration_max_acceptable_latency_ms=50000", "--soak_overall_timeout_seconds=50"]
SIDES = {"cleartext": False, "tls": True}


@pytest.fixture(scope="module", params=SIDES)
def upstream_tls(request: pytest.FixtureRequest) -> bool:
    """Whether the service speaks TLS."""
    return SIDES[request.param]


def before(service: str, certificates: Certificates, *, tls: bool) -> Edge:
    """The product in front of a service."""
    trust = {"tls": {"ca": str(certificates.authority)}} if tls else {}
    endpoint = f"{'https' if tls else 'h2c'}://{service}"
    return Edge(proxying(endpoint, services={"backend": trust}), certificates)


# --- grpcio ---


@pytest.fixture(scope="module")
def python(
    upstream_tls: bool, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """The product in front of programs/grpc_service.py."""
    pair = certificates.pair if upstream_tls else None
    with (
        peers.grpc_service(tmp_path_factory.mktemp("grpc"), pair) as service,
        before(service, certificates, tls=upstream_tls) as edge,
    ):
        yield edge


@pytest.fixture(scope="module", params=SIDES)
def channel(request: pytest.FixtureRequest, python: Edge) -> Iterator[grpc.Channel]:
    """One channel for all cases, in clear or over TLS."""
    tls = SIDES[request.param]
    address = f"localhost:{python.secure_port}" if tls else f"127.0.0.1:{python.port}"
    authority = python.certificates.authority.read_text() if tls else None
    with channel_to(address, authority) as channel:
        yield channel


@pytest.mark.parametrize("case", CASES)
def test_grpcio(channel: grpc.Channel, case: str) -> None:
    CASES[case](channel)


# --- gRPC's own tests ---


@pytest.fixture(scope="module")
def go(
    upstream_tls: bool, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """The product in front of the server of the interoperability tests."""
    port, (cert, key) = free_port(), certificates.pair
    command = [program("grpc-interop-server"), f"--port={port}"]
    if upstream_tls:
        command += ["--use_tls", f"--tls_cert_file={cert}", f"--tls_key_file={key}"]
    with (
        peers.peer(command, port, tmp_path_factory.mktemp("interop") / "log") as service,
        before(service, certificates, tls=upstream_tls) as edge,
    ):
        yield edge


@pytest.mark.parametrize("tls", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("case", INTEROP_CASES)
def test_grpc_go(go: Edge, case: str, tls: bool) -> None:
    where = ["--server_host=127.0.0.1", f"--server_port={go.secure_port if tls else go.port}"]
    trust = ["--use_tls", "--use_test_ca", f"--ca_file={go.certificates.authority}"] if tls else []
    output(["grpc-interop-client", f"--test_case={case}", *where, *trust, *PATIENCE])
