"""A scenario: who asks for what, how endpoints answer, and what happens when. A file of its own, in YAML."""

from __future__ import annotations

import math
import os
import re
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, PlainValidator, PrivateAttr, ValidationError, model_validator

from headgate.base.errors import Refusal
from headgate.base.units import parse_rate
from headgate.config.document import Document
from headgate.config.messages import translate
from headgate.config.model.overload import Ratio
from headgate.config.model.scalars import (
    Authority,
    Between,
    Choice,
    Count,
    Duration,
    FieldName,
    FieldValue,
    Line,
    Method,
    Name,
    OptionalCount,
    OptionalDuration,
    Range,
    Size,
    as_text,
    refuse,
)
from headgate.config.model.section import Section
from headgate.config.problems import ConfigError, Problem, nearest, quoted
from headgate.config.reader import read
from headgate.simulation.network import STATES

if TYPE_CHECKING:
    from random import Random


BUILT_IN = files(__package__) / "scenarios"
_P99 = NormalDist().inv_cdf(0.99)


def _rate(value: object) -> float:
    try:
        rate = parse_rate(as_text(value))
    except Refusal as refusal:
        raise refuse(refusal.reason, refusal.hint) from None
    if not 0 < rate <= 1_000_000:
        raise refuse("is not between 0 and 1000000 a second", "write for example 200/s")
    return rate


def _factor(value: object) -> float:
    text = as_text(value)
    if not re.fullmatch(r"x?\d{1,6}(\.\d{1,6})?", text) or not float(text.removeprefix("x")):
        raise refuse("is not how many times as long", "write for example x50")
    return float(text.removeprefix("x"))


def _chosen(value: object) -> int | str | tuple[str, ...]:
    """Endpoints in words: all, half, the first so many, or names."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise refuse(
                "is not a number of endpoints", "write all, half, a number, or the names of endpoints"
            )
        return value
    if isinstance(value, list | tuple) and value:
        return tuple(as_text(name) for name in value)
    text = as_text(value)
    return text if text in ("all", "half") else (text,)


def _target(value: object) -> str:
    text = as_text(value)
    if not re.fullmatch(r"/[!-~]*", text) or "#" in text:
        raise refuse("is not a path", "write for example /shop?page=2, with %-escapes for what is not ASCII")
    return text


Target: TypeAlias = Annotated[str, PlainValidator(_target)]
Rate: TypeAlias = Annotated[float, PlainValidator(_rate)]
Factor: TypeAlias = Annotated[float, PlainValidator(_factor)]
Chosen: TypeAlias = Annotated[int | str | tuple[str, ...], PlainValidator(_chosen)]
State: TypeAlias = Annotated[Literal["up", "down", "hangs", "unreachable"], Choice(*STATES)]
Status: TypeAlias = Annotated[int, *Between(400, 599)]


class Latency(Section):
    """How long answers take: always as long, or lognormal when `p99` is there."""

    SHORT: ClassVar[str] = "p50"

    p50: OptionalDuration | None = Field(default=None, description="Half of the answers take longer.")
    p99: Duration | None = Field(default=None, description="One of a hundred takes longer.")
    times: Factor = Field(default=1.0, description="All take so many times as long; also `x50` alone.")
    slow: Ratio = Field(default=0.0, description="The share of answers that are slow.")
    slow_times: Factor = Field(default=50.0, description="How many times as long slow ones take.")

    @model_validator(mode="before")
    @classmethod
    def _from_factor(cls, value: Any) -> Any:
        return {"times": value} if isinstance(value, str) and value.startswith("x") else value

    @model_validator(mode="after")
    def _ordered(self) -> Latency:
        if self.p99 is not None and (not self.p50 or self.p99 < self.p50):
            raise refuse("has a p99 that is below its p50", "write p50 and p99, the larger one last")
        return self

    def over(self, before: Latency) -> Latency:
        """What it makes of another one."""
        if self.p50 is not None:
            return self
        return before.model_copy(
            update={"times": before.times * self.times, "slow": self.slow or before.slow}
        )

    def draw(self, random: Random) -> float:
        """Seconds of one answer. Always as many numbers are drawn, so that everything else stays the same."""
        shape, luck = random.gauss(0, 1), random.random()
        seconds = (self.p50 or 0.0) * self.times
        if self.p99 is not None and self.p50:
            seconds *= math.exp(math.log(self.p99 / self.p50) / _P99 * shape)
        return seconds * self.slow_times if luck < self.slow else seconds


class Behaviour(Section):
    """How endpoints answer."""

    latency: Latency = Field(default=Latency.model_validate("20ms"), description="How long answers take.")
    errors: Ratio = Field(default=0.0, description="The share of answers with `status`.")
    status: Status = Field(default=503, description="The status of errors.")
    resets: Ratio = Field(default=0.0, description="The share of requests whose connection is reset.")
    capacity: OptionalCount = Field(
        default=0, description="Requests that one endpoint works on at a time; others wait there."
    )
    connect: OptionalDuration = Field(default=0.0005, description="How long it takes to connect.")


class Event(Section):
    """Something that happens to some endpoints, for a while or for good."""

    at: OptionalDuration = Field(examples=["10s"], description="When.")
    until: Duration | None = Field(default=None, description="When it is over.")
    service: Name | None = Field(default=None, description="Of this service only.")
    endpoints: Chosen = Field(
        default="all",
        description="`all`, `half`, the first so many of each service, or the names of endpoints.",
    )
    latency: Latency | None = Field(
        default=None, description="How long answers take then; `x50`: so many times."
    )
    errors: Ratio | None = Field(default=None, description="The share of answers with `status`.")
    status: Status | None = Field(default=None, description="The status of errors.")
    resets: Ratio | None = Field(default=None, description="The share of requests whose connection is reset.")
    capacity: OptionalCount | None = Field(default=None, description="Requests that one works on at a time.")
    connect: OptionalDuration | None = Field(default=None, description="How long it takes to connect.")
    state: State | None = Field(
        default=None,
        description="`down` refuses and resets connections, as after a crash; one that `hangs` takes "
        "requests and says nothing; `unreachable` answers no packet.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Event:
        if self.until is not None and self.until <= self.at:
            raise refuse("is over before it begins", "write an `until` behind `at`")
        return self

    def chooses(self, service: str, number: int, count: int, name: str) -> bool:
        """Whether it is about the endpoint of that number, of so many of a service."""
        if self.service not in (None, service):
            return False
        if isinstance(self.endpoints, tuple):
            return name in self.endpoints
        most = {"all": count, "half": max(count // 2, 1)}
        return number < (self.endpoints if isinstance(self.endpoints, int) else most[self.endpoints])

    def over(self, before: Behaviour) -> Behaviour:
        """How endpoints answer while it lasts."""
        said = {
            name: value
            for name in ("errors", "status", "resets", "capacity", "connect")
            if (value := getattr(self, name)) is not None
        }
        if self.latency is not None:
            said["latency"] = self.latency.over(before.latency)
        return before.model_copy(update=said)


class Request(Section):
    """What clients ask for."""

    method: Method = Field(default="GET", description="The method.")
    path: Target = Field(default="/", description="The path, with the query.")
    host: Authority = Field(default="localhost", description="The host.")
    headers: dict[FieldName, FieldValue] = Field(default={}, description="Further header fields.")
    body: Size | None = Field(default=None, description="The size of its body.")
    weight: Count = Field(default=1, description="Its part of all requests.")


class Load(Section):
    """Who asks."""

    rate: Rate | None = Field(
        default=None, description="Requests that come, whatever becomes of them; 100/s."
    )
    clients: Count | None = Field(
        default=None,
        description="In place of a rate: so many who each wait for the answer before they ask again.",
    )
    think: OptionalDuration = Field(
        default=0.0, description="How long such a client waits with the next request."
    )
    arrival: Annotated[Literal["poisson", "constant"], Choice("poisson", "constant")] = Field(
        default="poisson", description="Whether requests of a rate come by chance, or evenly."
    )
    addresses: Annotated[int, *Between(1, 65_000)] = Field(
        default=100, description="How many addresses clients come from."
    )
    network: Range = Field(default="198.18.0.0/15", description="The range of these addresses.")
    patience: OptionalDuration = Field(default=30.0, description="How long a client waits for its answer.")
    requests: tuple[Request, ...] = Field(
        default=(), description="What is asked for; else one request for each route that leads to a service."
    )

    def clients_at(self) -> list[str]:
        """The addresses that clients come from."""
        network = ip_network(self.network)
        if network.num_addresses == 1:
            return [str(network[0])]
        return [str(network[number + 1]) for number in range(min(self.addresses, network.num_addresses - 1))]

    @model_validator(mode="after")
    def _either(self) -> Load:
        if self.rate is not None and self.clients is not None:
            raise refuse("has a rate and clients", "write one of them")
        return self


class Scenario(Section):
    """The whole file."""

    description: Line = Field(default="a scenario", description="What it shows.")
    duration: Duration = Field(default=60.0, description="How long it runs.")
    workers: Annotated[int, *Between(1, 64)] = Field(default=1, description="Workers that share the load.")
    load: Load = Field(default=Load(), description="Who asks for what.")
    endpoints: Behaviour = Field(
        default=Behaviour(), description="How endpoints answer when nothing happens."
    )
    events: tuple[Event, ...] = Field(default=(), description="What happens when.")
    _document: Document | None = PrivateAttr(default=None)

    @property
    def document(self) -> Document:
        """Where everything stands."""
        return self._document or Document(data={})


class Unreadable(ConfigError):
    """There is no scenario of that name, or its file cannot be read."""


def built_in() -> dict[str, str]:
    """The names of the scenarios that are always there, and what each shows."""
    names = sorted(
        file.name.removesuffix(".yaml") for file in BUILT_IN.iterdir() if file.name.endswith(".yaml")
    )
    return {name: load(name).description for name in names}


def load(name: str) -> Scenario:
    """The scenario in a file, or the one that is always there. Raises ConfigError."""
    text, file = _text(name)
    return parse(text, file)


def _text(name: str) -> tuple[str, str]:
    inside = BUILT_IN / f"{name}.yaml"
    if re.fullmatch(r"[a-z0-9-]+", name) and inside.is_file():
        return inside.read_text(encoding="utf-8"), f"{name}.yaml"
    try:
        return Path(name).read_text(encoding="utf-8-sig"), name
    except UnicodeDecodeError:
        raise Unreadable(
            [Problem(file=name, message="the file is not UTF-8", hint="save it as UTF-8")]
        ) from None
    except (OSError, ValueError):
        known = [
            file.name.removesuffix(".yaml") for file in BUILT_IN.iterdir() if file.name.endswith(".yaml")
        ]
        message = f"{quoted(name)} is neither a file nor the name of a scenario"
        raise Unreadable([Problem(message=message, hint=nearest(name, known))]) from None


def parse(text: str, file: str = "") -> Scenario:
    """The scenario in a text. Raises ConfigError with everything that is wrong."""
    document = read(text, file, os.environ)
    if document.problems:
        raise ConfigError(document.problems)
    try:
        scenario = Scenario.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(translate(error, document, Scenario)) from None
    scenario._document = document
    return scenario
