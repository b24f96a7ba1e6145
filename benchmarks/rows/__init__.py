"""The rows: what is measured, and what must hold."""

from __future__ import annotations

from typing import Any

from benchmarks.load import Request
from benchmarks.peers import PEERS
from benchmarks.routes import Mix
from benchmarks.rows.cpu import NGINX, AddedRow, CpuRow
from benchmarks.rows.instructions import POLICIES, BalancersRow, PoliciesRow
from benchmarks.rows.latency import LatencyRow
from benchmarks.rows.memory import MemoryRow
from benchmarks.rows.micro import MicroRow
from benchmarks.rows.row import C_PROXIES, Bench, Column, Row, Variant, proxies
from benchmarks.rows.start import StartRow

THREE = ("headgate", *C_PROXIES)
ALL = tuple(PEERS)
GRPC = Request(
    "POST",
    "/small",
    headers={"Content-Type": "application/grpc", "TE": "trailers", "grpc-timeout": "10S"},
    body_bytes=100,
)
BALANCERS: dict[str, Any] = {
    "round robin": "round_robin",
    "random": "random",
    "least requests": "least_requests",
    "power of two": "power_of_two",
    "least time": "least_time",
    "first available": "first_available",
    "ip hash": "ip_hash",
    "rendezvous": {"algorithm": "rendezvous", "key": "header:x-request-id"},
    "ring": {"algorithm": "consistent_hash", "key": "header:x-request-id"},
    "maglev": {"algorithm": "consistent_hash", "key": "header:x-request-id", "table": "maglev"},
    "ring, bounded load": {
        "algorithm": "consistent_hash",
        "key": "header:x-request-id",
        "bounded_load": 1.25,
    },
}
IN_ORDER = ("least requests", "first available", "ip hash")
BY_CHANCE = ("power of two", "least time", "rendezvous", "ring", "maglev", "ring, bounded load")
KEYED = [Request(headers={"X-Request-Id": f"{number:032x}"}) for number in range(4096)]
FEW, MANY = (Variant(f"Headgate {count:,} routes", "headgate", routes=count) for count in (5, 5000))


def balancing(*labels: str) -> tuple[Variant, ...]:
    """Headgate before ten endpoints, with each of these balancers."""
    return tuple(
        Variant(label, "headgate", endpoints=10, service={"balance": BALANCERS[label]}) for label in labels
    )


_rows: tuple[Row, ...] = (
    CpuRow(
        name="keepalive",
        title="HTTP/1.1 keep-alive, small body, 64 connections",
        variants=proxies(*ALL),
        requests=lambda _: [Request()],
    ),
    CpuRow(
        name="keepalive-log",
        title="The same with an access log: JSON, to a file",
        variants=proxies(*THREE, access_log=True),
        requests=lambda _: [Request()],
    ),
    CpuRow(
        name="body-64k",
        title="Bodies of 64 KiB, 64 connections",
        variants=proxies(*ALL),
        requests=lambda _: [Request(path="/64k")],
        backend="nginx",
    ),
    CpuRow(
        name="body-10m",
        title="Bodies of 10 MiB, 8 connections",
        variants=proxies(*ALL),
        requests=lambda _: [Request(path="/10m")],
        backend="nginx",
        connections=8,
    ),
    CpuRow(
        name="upload-64k",
        title="Uploads (POST) of 64 KiB, 64 connections",
        variants=proxies(*THREE),
        requests=lambda _: [Request("POST", "/upload", body_bytes=64 * 1024)],
        backend="nginx",
        held=False,
    ),
    CpuRow(
        name="connection",
        title="A connection for each request, 64 at a time",
        variants=proxies(*THREE),
        requests=lambda _: [Request(headers={"Connection": "close"})],
        base=NGINX,
        limit=1.2,
    ),
    CpuRow(
        name="tls",
        title="HTTP/1.1 over TLS (P-256), keep-alive, small body, 64 connections",
        variants=proxies(*THREE, spoken="tls", certificate="ecdsa"),
        requests=lambda _: [Request()],
        base=NGINX,
        limit=0.95,
    ),
    *(
        CpuRow(
            name=f"handshake-{kind}",
            title=f"A full TLS handshake ({key}) and one request for each connection, 64 at a time",
            variants=proxies(*THREE, spoken="tls", certificate=kind),
            requests=lambda _: [Request(headers={"Connection": "close"})],
            base=NGINX,
            limit=1 / 0.9,
        )
        for kind, key in (("ecdsa", "P-256"), ("rsa", "RSA-2048"))
    ),
    CpuRow(
        name="http2",
        title="HTTP/2, 32 streams on each of 8 connections, to a backend of HTTP/1.1",
        variants=proxies(*THREE, spoken="h2c"),
        requests=lambda _: [Request()],
        base=PEERS["haproxy"].title,
        connections=8,
        streams=32,
    ),
    CpuRow(
        name="grpc",
        title="gRPC, unary: 32 streams on each of 8 connections, to a backend of HTTP/2",
        variants=proxies(*THREE, spoken="h2c", upstream="h2c"),
        requests=lambda _: [GRPC],
        backend="grpc",
        base=PEERS["haproxy"].title,
        limit=1.2,
        connections=8,
        streams=32,
    ),
    CpuRow(
        name="routes",
        title="5,000 mixed routes against 5, random hits and misses",
        variants=(FEW, MANY),
        requests=lambda variant: Mix(variant.routes).requests(4096),
        base=FEW.label,
        judged=(MANY.label,),
        limit=1.05,
        misses=True,
    ),
    CpuRow(
        name="balancers",
        title="Balancers, 10 endpoints: keep-alive, small body, 64 connections",
        variants=balancing("round robin", "random", *IN_ORDER),
        requests=lambda _: KEYED,
        base="round robin",
        judged=IN_ORDER,
        limit=1.03,
    ),
    # Not to round robin: docs/decisions/0003.
    CpuRow(
        name="balancers-by-chance",
        title="Balancers that spread as chance does, 10 endpoints: keep-alive, small body, 64 connections",
        variants=balancing("random", *BY_CHANCE),
        requests=lambda _: KEYED,
        base="random",
        judged=BY_CHANCE,
        limit=1.03,
    ),
    LatencyRow(
        name="latency",
        title="Latency at half of nginx's most, open loop, 64 connections",
        variants=proxies(*THREE),
    ),
    MemoryRow(
        name="memory",
        title="Memory (PSS) after work, and for each of 10,000 idle connections",
        variants=proxies(*THREE),
    ),
    StartRow(
        name="start",
        title="From the command to the first request served",
        variants=proxies(*THREE),
    ),
    AddedRow(
        name="middleware",
        title="One Python middleware that sets a field: keep-alive, small body, 64 connections",
        variants=(
            Variant("no middleware", "headgate"),
            Variant(
                "a Python middleware",
                "headgate",
                route={"middlewares": ["mark"]},
                middlewares={"mark": {"type": "mark:Mark"}},
            ),
        ),
        requests=lambda _: [Request()],
        base="no middleware",
        judged=("a Python middleware",),
    ),
    BalancersRow(
        name="instructions-balancers",
        title="Instructions of a keep-alive exchange with each balancer, 10 endpoints",
        variants=balancing(*BALANCERS),
        base="round robin",
        heading="balancer",
    ),
    PoliciesRow(
        name="instructions",
        title="Instructions of a keep-alive exchange, and what each policy adds",
        variants=tuple(Variant(label, "headgate", endpoints=3, **more) for label, more in POLICIES.items()),
        heading="policies",
    ),
    MicroRow(
        name="micro",
        title="Costs below a microsecond, one call each",
        variants=proxies("headgate"),
        heading="call",
    ),
)

ROWS: dict[str, Row] = {row.name: row for row in _rows}

__all__ = ["ROWS", "Bench", "Column", "Row"]
