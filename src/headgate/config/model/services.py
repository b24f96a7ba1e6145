"""Services: groups of endpoints that serve the same thing."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WrapSerializer

from headgate.config.model.limits import Pool, ServiceTimeouts
from headgate.config.model.scalars import Authority, Choice, EndpointAddress, OneOrMore, Switch, Weight
from headgate.config.model.section import Section
from headgate.config.model.tls import ServiceTls


class Endpoint(Section):
    """One address of a service; also written as the address alone."""

    SHORT: ClassVar[str] = "address"
    LATER: ClassVar[frozenset[str]] = frozenset({"tls", "backup", "zone", "drain", "name", "tags"})

    address: EndpointAddress = Field(
        examples=["127.0.0.1:9001"],
        description="`host:port`, `[::1]:port` or `unix:/path`. A name with several addresses is several "
        "endpoints. `https://` in front of it speaks TLS, `h2c://` HTTP/2 without TLS; `http://` and "
        "`https://` need no port.",
    )
    weight: Weight = Field(default=1, description="Its part of the exchanges; 0 takes none.")


class ServiceSocket(Section):
    """What is set on the connections to endpoints."""

    keepalive: Switch = Field(default=True, description="Let the kernel ask silent peers whether they live.")
    nodelay: Switch = Field(default=True, description="Send small pieces at once (TCP_NODELAY).")


class ProxyHeader(Section):
    """The header of the PROXY protocol that endpoints get first on each connection. `v1` and `v2` may stand
    alone. A connection with it is for one client only and is not kept for others.
    """

    SHORT: ClassVar[str] = "version"

    version: Annotated[Literal["v1", "v2"], Choice("v1", "v2")] = Field(
        default="v2", description="`v1`: a line of text. `v2`: binary, and can say more."
    )
    tlvs: Annotated[
        tuple[
            Annotated[
                Literal["sni", "alpn", "client_certificate"], Choice("sni", "alpn", "client_certificate")
            ],
            ...,
        ],
        OneOrMore(),
    ] = Field(
        default=(),
        description="What version 2 says of the client's TLS beside its address: the name asked for, the "
        "protocol, the client's certificate and its verification.",
    )


def _off_is_none(value: object) -> object:
    return None if value == "off" else value


class Service(Section):
    """A group of endpoints that serve the same thing."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "health_check",
            "outlier",
            "outliers",
            "breaker",
            "sticky",
            "protocol",
            "hash",
            "slow_start",
            "resolver",
            "discover",
            "subsets",
            "limits",
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
    tls: ServiceTls = Field(
        default=ServiceTls(), description="TLS to the endpoints that begin with `https://`."
    )
    proxy_protocol: Annotated[
        ProxyHeader | None,
        BeforeValidator(_off_is_none, json_schema_input_type=ProxyHeader | Literal["off"]),
        WrapSerializer(lambda value, write: "off" if value is None else write(value)),
    ] = Field(
        default=None, description="Tell endpoints the client's address by the PROXY protocol: `v1` or `v2`."
    )
    pool: Pool = Field(default=Pool(), description="Connections that are kept open to each endpoint.")
    timeouts: ServiceTimeouts = Field(default=ServiceTimeouts(), description="Timeouts of this service.")
    socket: ServiceSocket = Field(default=ServiceSocket(), description="What is set on the connections.")
