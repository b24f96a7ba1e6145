"""Services: groups of endpoints that serve the same thing."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, WrapSerializer

from headgate.config.model.attempts import RetryBudget, RetryBudgetOrOff
from headgate.config.model.health import HealthCheck, Outliers
from headgate.config.model.keys import Key
from headgate.config.model.limits import Pool, ServiceTimeouts
from headgate.config.model.overload import Breaker, Ratio, ServiceConcurrency
from headgate.config.model.scalars import (
    Authority,
    Choice,
    EndpointAddress,
    Name,
    OneOrMore,
    OptionalDuration,
    Switch,
    Weight,
    refuse,
)
from headgate.config.model.section import Section
from headgate.config.model.stickiness import Sticky
from headgate.config.model.tls import ServiceTls


class Endpoint(Section):
    """One address of a service; also written as the address alone."""

    SHORT: ClassVar[str] = "address"
    LATER: ClassVar[frozenset[str]] = frozenset({"tls", "zone", "drain", "name", "tags"})

    address: EndpointAddress = Field(
        examples=["127.0.0.1:9001"],
        description="`host:port`, `[::1]:port` or `unix:/path`. A name with several addresses is several "
        "endpoints. `https://` in front of it speaks TLS, `h2c://` HTTP/2 without TLS; `http://` and "
        "`https://` need no port.",
    )
    weight: Weight = Field(default=1, description="Its part of the exchanges; 0 takes none.")
    backup: Switch = Field(default=False, description="A spare: used only when no other is usable.")


Algorithm = Literal[
    "round_robin",
    "random",
    "least_requests",
    "power_of_two",
    "least_time",
    "first_available",
    "ip_hash",
    "consistent_hash",
    "rendezvous",
]


def _bound(value: object) -> float | None:
    if value in ("off", None, False):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 < value <= 100:
        raise refuse("is neither off nor a number from 1 to 100", "write for example 1.25")
    return float(value)


class Balance(Section):
    """How an endpoint is chosen; the algorithm may stand alone."""

    SHORT: ClassVar[str] = "algorithm"

    algorithm: Annotated[Algorithm, Choice(*get_args(Algorithm), later=("sticky",))] = Field(
        default="round_robin",
        description="`round_robin`: each in turn, smooth and weighted. `random`: by chance and weight. "
        "`least_requests`: the one with the fewest requests in flight for its weight. `power_of_two`: two by "
        "chance, and of these the one with fewer. `least_time`: of two by chance the one that will answer "
        "sooner, by its latency and what is in flight there. `first_available`: the first that can be had. "
        "`ip_hash`: the same one for each client address (IPv6: /64). `consistent_hash` and `rendezvous`: "
        "the same one for equal keys; when endpoints come or go, only the keys move that must.",
    )
    key: Key | None = Field(
        default=None,
        json_schema_extra={"default": "client"},
        examples=["header:x-user"],
        description="What is equal, for `consistent_hash` and `rendezvous`: `client`, `path`, `header:NAME`, "
        "`cookie:NAME` or `query:NAME`. A request without it goes to any endpoint.",
    )
    table: Annotated[Literal["ring", "maglev"], Choice("ring", "maglev")] | None = Field(
        default=None,
        json_schema_extra={"default": "ring"},
        description="Of `consistent_hash`. `ring`: the fewest keys move. `maglev`: more even shares, and a "
        "choice is one look into a table.",
    )
    bounded_load: Annotated[
        float | None,
        PlainValidator(_bound),
        PlainSerializer(lambda bound: "off" if bound is None else bound),
        WithJsonSchema(
            {"anyOf": [{"const": "off"}, {"type": "number", "exclusiveMinimum": 1, "maximum": 100}]}
        ),
    ] = Field(
        default=None,
        examples=[1.25],
        json_schema_extra={"default": "off"},
        description="No endpoint has more in flight than so many times its share; keys beyond that go to the "
        "next one. For the algorithms with keys.",
    )


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
            "protocol",
            "hash",
            "resolver",
            "discover",
            "subsets",
            "limits",
            "key",
        }
    )

    balance: Balance = Field(default=Balance(), description="How an endpoint is chosen.")
    sticky: Sticky | None = Field(
        default=None, description="Clients come back to the endpoint that they were at: `cookie` or `header`."
    )
    endpoints: tuple[Endpoint, ...] = Field(
        examples=[["127.0.0.1:9001", {"address": "127.0.0.1:9002", "weight": 3}]],
        description="Addresses, alone or with a weight.",
    )
    host: Authority | None = Field(
        default=None, description="The Host field that endpoints get, instead of the client's."
    )
    middlewares: Annotated[tuple[Name, ...], OneOrMore()] = Field(
        default=(),
        description="Names from `middlewares`: for all that is sent to this service, behind the route's own.",
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
    breaker: Annotated[
        Breaker | None,
        BeforeValidator(_off_is_none, json_schema_input_type=Breaker | Literal["off"]),
        WrapSerializer(lambda value, write: "off" if value is None else write(value)),
    ] = Field(
        default=None, description="When the service is asked no more for a while; `{}` for the defaults."
    )
    concurrency: ServiceConcurrency = Field(
        default=ServiceConcurrency(), description="How many exchanges of this service run at a time."
    )
    health_check: Annotated[
        HealthCheck | None,
        BeforeValidator(_off_is_none, json_schema_input_type=HealthCheck | Literal["off"]),
        WrapSerializer(lambda value, write: "off" if value is None else write(value)),
    ] = Field(default=None, description="Probes of the endpoints; `{}` for the defaults.")
    outliers: Annotated[
        Outliers | None,
        BeforeValidator(_off_is_none, json_schema_input_type=Outliers | Literal["off"]),
        WrapSerializer(lambda value, write: "off" if value is None else write(value)),
    ] = Field(
        default=None,
        description="When an endpoint is left alone because it does worse than the others; `{}` for the "
        "defaults.",
    )
    slow_start: OptionalDuration = Field(
        default=0.0,
        json_schema_extra={"default": "off"},
        description="In this time the weight of a new endpoint, and of one that is usable again, grows from "
        "a tenth to the whole. Algorithms with keys have none.",
    )
    panic: Ratio = Field(
        default=0.5,
        description="With less than this share of the endpoints healthy, all are tried: some that are "
        "thought ill may answer, and the few others would be drowned. `off`: never.",
    )
    pool: Pool = Field(default=Pool(), description="Connections that are kept open to each endpoint.")
    timeouts: ServiceTimeouts = Field(default=ServiceTimeouts(), description="Timeouts of this service.")
    socket: ServiceSocket = Field(default=ServiceSocket(), description="What is set on the connections.")
    retry_budget: RetryBudgetOrOff = Field(
        default=RetryBudget(), description="How much retries may add to the requests of this service."
    )
