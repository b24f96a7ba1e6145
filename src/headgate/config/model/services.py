"""Services: groups of endpoints that serve the same thing."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from headgate.config.model.limits import Pool, ServiceTimeouts
from headgate.config.model.scalars import Authority, Choice, EndpointAddress, Switch, Weight
from headgate.config.model.section import Section


class Endpoint(Section):
    """One address of a service; also written as the address alone."""

    SHORT: ClassVar[str] = "address"
    LATER: ClassVar[frozenset[str]] = frozenset({"tls", "backup", "zone", "drain", "name", "tags"})

    address: EndpointAddress = Field(
        examples=["127.0.0.1:9001"],
        description="`host:port`, `[::1]:port` or `unix:/path`. A name with "
        "several addresses is several endpoints.",
    )
    weight: Weight = Field(default=1, description="Its part of the exchanges; 0 takes none.")


class ServiceSocket(Section):
    """What is set on the connections to endpoints."""

    keepalive: Switch = Field(default=True, description="Let the kernel ask silent peers whether they live.")
    nodelay: Switch = Field(default=True, description="Send small pieces at once (TCP_NODELAY).")


class Service(Section):
    """A group of endpoints that serve the same thing."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "health_check",
            "outlier",
            "outliers",
            "breaker",
            "sticky",
            "tls",
            "protocol",
            "hash",
            "slow_start",
            "resolver",
            "discover",
            "subsets",
            "limits",
            "proxy_protocol",
            "key",
        }
    )

    balance: Annotated[
        Literal["round_robin", "least_requests", "random"],
        Choice(
            "round_robin",
            "least_requests",
            "random",
            later=("hash", "consistent_hash", "ip_hash", "sticky", "least_time", "first"),
        ),
    ] = Field(
        default="round_robin",
        description="How an endpoint is chosen: smooth weighted round robin, the "
        "one with the fewest requests in flight for its weight, or by chance.",
    )
    endpoints: tuple[Endpoint, ...] = Field(
        examples=[["127.0.0.1:9001", {"address": "127.0.0.1:9002", "weight": 3}]],
        description="Addresses, alone or with a weight.",
    )
    host: Authority | None = Field(
        default=None, description="The Host field that endpoints get, instead of the client's."
    )
    pool: Pool = Field(default=Pool(), description="Connections that are kept open to each endpoint.")
    timeouts: ServiceTimeouts = Field(default=ServiceTimeouts(), description="Timeouts of this service.")
    socket: ServiceSocket = Field(default=ServiceSocket(), description="What is set on the connections.")
