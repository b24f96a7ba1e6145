"""The process and what surrounds it: roles, admin address, forwarding fields, access log."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    WrapSerializer,
)

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.model.scalars import (
    BindAddress,
    Choice,
    Duration,
    FilePath,
    Line,
    Name,
    OneOrMore,
    OptionalDuration,
    OptionalSize,
    Size,
    Switch,
    refuse,
    replaced_by,
    text_like,
    whole_number,
)
from headgate.config.model.section import Section, default
from headgate.config.problems import nearest
from headgate.config.workers import MAX_WORKERS
from headgate.core.record import TEMPLATE_NAMES, record_format

LEAST_MEMORY = 128 << 20


def _workers(value: object) -> Literal["auto"] | int:
    if value == "auto":
        return "auto"
    if isinstance(value, str) and not value.isdecimal():
        raise refuse("is neither auto nor a number", f"write auto, or a number from 1 to {MAX_WORKERS}")
    return whole_number(value, 1, MAX_WORKERS)


Workers = Annotated[
    Literal["auto"] | int,
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MAX_WORKERS}]}),
]


def _parse_template(text: str) -> None:
    try:
        record_format("template", text)
    except ValueError as error:
        unknown = [name for name in re.findall("{([^{}]*)}", text) if name not in TEMPLATE_NAMES]
        if not unknown:
            raise Refusal("is not a template of records", str(error)) from None
        raise Refusal("has a name that is in no record", nearest(unknown[0], TEMPLATE_NAMES)) from None


def _parse_log_path(path: str) -> None:
    known = path in ("stdout", "stderr") or path.startswith(("/", "syslog:/", "syslog:udp:"))
    if not known or not path.isprintable() or path.endswith((":", "/")):
        raise Refusal(
            "is no place for records",
            "write stdout, stderr, an absolute path, syslog:/dev/log or syslog:udp:host:port",
        )


Template = Annotated[str, PlainValidator(text_like(_parse_template)), WithJsonSchema({"type": "string"})]
LogPath = Annotated[
    str,
    PlainValidator(text_like(_parse_log_path)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(?:stdout|stderr|/.+|syslog:.+)$",
            "examples": ["stdout", "stderr", "/var/log/headgate/access.log", "syslog:/dev/log"],
        }
    ),
]


def _enough(size: int) -> int:
    if 0 < size < LEAST_MEMORY:
        raise refuse("is less than a worker may need for itself", "write 128MiB or more, or off")
    return size


class Process(Section):
    """How many workers there are, how they stop, and as whom they run."""

    workers: Workers = Field(
        default="auto",
        description="Worker processes. `auto`: one for each processor that may be used, "
        "by the quota of the cgroup and the affinity. `HEADGATE_WORKERS` goes before it.",
    )
    drain_timeout: Duration = default("process.drain_timeout")
    pre_stop_delay: OptionalDuration = default("process.pre_stop_delay")
    user: Line | None = Field(
        default=None, examples=["www-data"], description="User to become after the sockets are bound."
    )
    group: Line | None = Field(
        default=None,
        examples=["www-data"],
        description="Group to become after the sockets are bound; the user's own when only `user` is set.",
    )
    hook_limit: OptionalDuration = default("process.hook_limit")
    memory_limit: Annotated[OptionalSize, AfterValidator(_enough)] = Field(
        default=0,
        json_schema_extra={"default": "off"},
        description="How much memory a worker may have, 128 MiB at least. One that has more finishes what "
        "runs and is replaced, one after the other; a hook that takes a quarter more and goes on ends the "
        "worker at once. `off`: as much as there is.",
    )
    development: Switch = Field(
        default=False,
        description="For people who write middlewares: a hook that holds up the event loop for 50 ms is "
        "logged with its stack, and changed modules are taken up when they are saved.",
    )
    cancel_on_half_close: Switch = Field(
        default=True,
        description="Cancel the attempt upstream when a client has closed its sending side "
        "before the response was complete. Clients that close it on purpose need `false`.",
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Choice("debug", "info", "warning", "error")
    ] = Field(
        default="info",
        description="What Headgate says about itself on standard error. `HEADGATE_LOG` goes before it.",
    )
    zone: Name | None = Field(
        default=None,
        examples=["eu-1a"],
        description="Where this Headgate is: endpoints in the same zone are preferred. `HEADGATE_ZONE` goes "
        "before it.",
    )
    ticket_rotation: OptionalDuration = default("process.ticket_rotation")
    state: FilePath | None = Field(
        default=None,
        examples=["/var/lib/headgate"],
        description="Folder for what Headgate keeps, such as its local authority. `HEADGATE_STATE` goes "
        "before it; without both `/var/lib/headgate` for root, `~/.local/state/headgate` for others.",
    )


class Admin(Section):
    """The address for operators: /metrics, /healthz, /readyz and the API."""

    LATER: ClassVar[frozenset[str]] = frozenset({"tls", "dashboard"})

    bind: Annotated[tuple[BindAddress, ...], OneOrMore()] = Field(
        examples=["127.0.0.1:9080"],
        description="Where to listen: loopback addresses or unix sockets, one or a list. Addresses that "
        "other machines reach need a token, and ask for it whatever is wanted.",
    )
    token: Line | None = Field(
        default=None,
        examples=["${HEADGATE_TOKEN}"],
        description="What `Authorization: Bearer` has to say where the API changes something. Without it "
        "only unix sockets may; who may write to such a socket needs no token.",
    )
    token_file: FilePath | None = Field(
        default=None,
        examples=["admin.token"],
        description="The same, from a file, which is read at each load.",
    )
    public: Annotated[
        tuple[Annotated[Literal["metrics", "health"], Choice("metrics", "health")], ...], OneOrMore()
    ] = Field(
        default=(),
        description="What addresses that other machines reach answer without the token: `metrics`, or "
        "`health` (/healthz and /readyz).",
    )


class Forwarding(Section):
    """The fields that tell a service about the client. What came in them from outside of
    `trusted_proxies` is dropped.
    """

    x_forwarded: Switch = Field(default=True, description="Write X-Forwarded-For, -Proto, -Host and -Port.")
    x_real_ip: Switch = Field(default=True, description="Write X-Real-IP.")
    forwarded: Switch = Field(default=False, description="Write Forwarded (RFC 7239).")
    via: Annotated[
        str,
        PlainValidator(replaced_by(conditions.parse_pseudonym)),
        PlainSerializer(lambda name: name or "off"),
        WithJsonSchema({"type": "string", "examples": ["headgate", "off"]}),
    ] = Field(
        default="headgate",
        description="The name in the Via field (RFC 9110 §7.6.3). `off`: no Via field, "
        "and loops are not noticed.",
    )
    request_id: Switch = Field(
        default=True, description="Write X-Request-Id: the one that came from a trusted proxy, or a new one."
    )


class AccessLog(Section):
    """One record for each exchange, written after its last byte."""

    LATER: ClassVar[frozenset[str]] = frozenset({"sample", "filter", "fields"})

    format: Annotated[Literal["json", "combined", "template"], Choice("json", "combined", "template")] = (
        Field(
            default="json",
            description="One JSON object a line, the combined format of Apache and nginx, or a template.",
        )
    )
    template: Template | None = Field(
        default=None,
        examples=["{client} {method} {path} {status} {duration_ms}"],
        description="The line, with names in braces; for `format: template` only. Names: "
        f"{', '.join(TEMPLATE_NAMES)}.",
    )
    path: LogPath = Field(
        default="stdout",
        description="Where records go: `stdout`, `stderr`, an absolute path (opened again "
        "on SIGUSR1), `syslog:/dev/log` or `syslog:udp:host:port`.",
    )
    query: Switch = Field(default=True, description="Keep queries in the records; they may hold secrets.")
    fingerprints: Switch = Field(
        default=False,
        description="JSON records have `ja3` and `ja4`, the fingerprints of the client's TLS; they cost some "
        "microseconds for each connection.",
    )
    queue_size: Size = default("access_log.queue_size")


def _access_log(value: object) -> object:
    if value == "off":
        return None
    if value is False:
        raise refuse("is not off", "write `access_log: off`")
    if value is True or value == "on":
        raise refuse("says too little", "leave it out, or write a format: `access_log: { format: json }`")
    if isinstance(value, str):
        raise refuse("is neither off nor a mapping", "write off, or a format: `access_log: { format: json }`")
    if value is None:
        raise refuse("has no value", "write off, or a format: `access_log: { format: json }`")
    return value


OptionalAccessLog = Annotated[
    AccessLog | None,
    BeforeValidator(_access_log, json_schema_input_type=AccessLog | Literal["off"]),
    WrapSerializer(lambda value, write: "off" if value is None else write(value)),
]
