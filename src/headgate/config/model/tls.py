"""TLS of listeners and towards endpoints: certificates, versions, and what is asked of clients."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from headgate.config.model.scalars import (
    Between,
    Choice,
    FieldName,
    FilePath,
    OneOrMore,
    OnOff,
    ServerName,
    refuse,
)
from headgate.config.model.section import Section
from headgate.config.profiles import PROFILES

FACTS = ("hash", "subject", "issuer", "serial", "uri", "dns", "not_after", "cert", "chain")
FORWARDED = ("hash", "subject", "uri", "dns", "cert", "chain")  # those that X-Forwarded-Client-Cert knows

Fact = Annotated[
    Literal["hash", "subject", "issuer", "serial", "uri", "dns", "not_after", "cert", "chain"], Choice(*FACTS)
]
ForwardedFact = Annotated[Literal["hash", "subject", "uri", "dns", "cert", "chain"], Choice(*FORWARDED)]


def _versions(*known: str) -> WithJsonSchema:
    """Versions are texts that look like numbers; both ways of writing them are good."""
    words = ", ".join(f"`{version}`" for version in known)
    return WithJsonSchema({"$comment": words, "enum": [*known, *map(float, known)]})


MinVersion = Annotated[
    Literal["1.0", "1.1", "1.2", "1.3"],
    Choice("1.0", "1.1", "1.2", "1.3"),
    _versions("1.0", "1.1", "1.2", "1.3"),
]


class CertificatePair(Section):
    """A certificate and its key, as PEM files; their paths count from the folder of this file."""

    cert: FilePath = Field(
        examples=["site.crt"],
        description="The certificate and, below it, those between it and an authority.",
    )
    key: FilePath | None = Field(
        default=None,
        examples=["site.key"],
        description="Its private key, not encrypted; left out when it stands in the file of the certificate.",
    )


def _off_is_none(value: object) -> object:
    return () if value == "off" else value


class ClientCertificates(Section):
    """What is asked of clients, and which header fields tell services who they are. Those fields are dropped
    when they come from outside. `require` and `request` may stand alone when `ca` is inherited.
    """

    SHORT: ClassVar[str] = "mode"

    mode: Annotated[Literal["require", "request", "off"], Choice("require", "request", "off")] | None = Field(
        default=None,
        json_schema_extra={"default": "require"},
        description="`require`: no connection without a valid certificate. `request`: a client may go "
        "without, but one that it shows must be valid. `off`: none is asked for.",
    )
    ca: FilePath | None = Field(
        default=None,
        examples=["clients-ca.crt"],
        description="PEM file of the authorities whose certificates are accepted.",
    )
    crl: FilePath | None = Field(
        default=None,
        examples=["clients.crl"],
        description="PEM file of revocation lists, one for each authority that signs for clients.",
    )
    depth: Annotated[int, *Between(0, 20)] | None = Field(
        default=None,
        json_schema_extra={"default": "1"},
        description="Certificates that may stand between a client's and its authority's.",
    )
    forward: Annotated[
        tuple[ForwardedFact, ...] | None,
        OneOrMore(),
        BeforeValidator(_off_is_none, json_schema_input_type=tuple[ForwardedFact, ...] | Literal["off"]),
        PlainSerializer(lambda facts: facts if facts is None else list(facts) or "off"),
    ] = Field(
        default=None,
        json_schema_extra={"default": "[hash, subject, uri, dns]"},
        description="What X-Forwarded-Client-Cert says (in Envoy's form); `off`: the field is not written.",
    )
    headers: dict[FieldName, Fact] | None = Field(
        default=None,
        examples=[{"x-client-subject": "subject"}],
        description="Header fields of your choice, each with one fact: `hash` (SHA-256 of the certificate), "
        "`subject`, `issuer` (RFC 4514), `serial` (hexadecimal), `uri`, `dns` (with commas between several), "
        "`not_after`, `cert` or `chain` (PEM, URL-encoded).",
    )


class TlsSite(Section):
    """What clients of some names get in place of what the listener says."""

    certificates: tuple[CertificatePair, ...] | None = Field(
        default=None,
        examples=[[{"cert": "site.crt", "key": "site.key"}]],
        description="Certificates for these names; the listener's when it is left out.",
    )
    client_certificates: ClientCertificates | None = Field(
        default=None,
        description="What is asked of clients of these names; what is left out is the listener's.",
    )


def _certificates(value: object) -> object:
    if value == "internal":
        return ()
    if isinstance(value, (str, bool, int, float)):
        raise refuse(
            "is neither internal nor a list of certificates",
            "write internal, or { certificates: [{ cert: site.crt, key: site.key }] }",
        )
    if isinstance(value, (list, tuple)) and not value:
        raise refuse("is an empty list", "write internal, or [{ cert: site.crt, key: site.key }]")
    return value


class ListenerTls(Section):
    """How a listener speaks TLS; `internal` alone is short for `{ certificates: internal }`."""

    SHORT: ClassVar[str] = "certificates"
    SHORT_SWITCH: ClassVar[bool] = True  # to say what to write instead

    certificates: Annotated[
        tuple[CertificatePair, ...],
        BeforeValidator(
            _certificates, json_schema_input_type=tuple[CertificatePair, ...] | Literal["internal"]
        ),
        PlainSerializer(lambda pairs: [pair.model_dump(exclude_unset=True) for pair in pairs] or "internal"),
    ] = Field(
        examples=[[{"cert": "site.crt", "key": "site.key"}]],
        description="Certificates, chosen by the name that a client asks for; the first one is for all other "
        "names. ECDSA and RSA for the same names may stand side by side. `internal`: made by a local "
        "authority for the hosts of this listener's routes, localhost and this machine; for development.",
    )
    profile: Annotated[Literal["modern", "intermediate", "old"], Choice(*PROFILES)] = Field(
        default="intermediate",
        description="Versions and ciphers, as Mozilla's guideline names them. `modern`: TLS 1.3 only. "
        "`intermediate`: also TLS 1.2 with forward secrecy and authenticated encryption. `old`: also TLS 1.0 "
        "and 1.1 and ciphers that are known to be weak, for clients that have nothing better.",
    )
    min_version: MinVersion | None = Field(
        default=None,
        examples=["1.3"],
        description="The lowest version, when it is not that of the profile; 1.0 and 1.1 with `old` only.",
    )
    strict_sni: OnOff = Field(
        default=False, description="Refuse clients that ask for no name, or for one that no certificate has."
    )
    session_tickets: OnOff = Field(
        default=True,
        description="Whether returning clients resume their session, at any worker, in place of a full "
        "handshake. The secrets of tickets change by `process.ticket_rotation`.",
    )
    client_certificates: ClientCertificates | None = Field(
        default=None, description="What is asked of clients; nothing when it is left out."
    )
    sites: dict[ServerName, TlsSite] = Field(
        default={},
        examples=[{"admin.example.com": {"client_certificates": {"ca": "staff.crt"}}}],
        description="Names with certificates or client certificates of their own: `api.example.com`, or "
        '`"*.example.com"` for one label more.',
    )


class ServiceTls(Section):
    """TLS to the endpoints that begin with `https://`."""

    verify: OnOff = Field(
        default=True,
        description="Whether an endpoint's certificate must be valid and have its name. With `off` anybody "
        "in between can read and change everything; it is warned about at every load.",
    )
    ca: FilePath | None = Field(
        default=None,
        examples=["internal-ca.crt"],
        description="PEM file of the authorities to believe, in place of the system's.",
    )
    server_name: ServerName | None = Field(
        default=None,
        examples=["app.internal"],
        description="The name to ask for and to find in the certificate; that of the endpoint when left out.",
    )
    certificate: FilePath | None = Field(
        default=None, examples=["client.crt"], description="PEM file of the certificate to show to endpoints."
    )
    key: FilePath | None = Field(
        default=None,
        examples=["client.key"],
        description="Its private key; left out when it stands in the file of the certificate.",
    )
    min_version: Annotated[Literal["1.2", "1.3"], Choice("1.2", "1.3"), _versions("1.2", "1.3")] = Field(
        default="1.2", description="The lowest version."
    )
    http2: OnOff = Field(default=True, description="Offer HTTP/2; the endpoint chooses.")
