"""client_certificate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from headgate.core.regex import compile_regex
from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.options import FieldName, Pattern
from headgate.middleware.refusal import refusal
from headgate.middleware.texts import field_value

if TYPE_CHECKING:
    from cryptography import x509

_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of its owner."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    fingerprint: str
    user: str


def facts_of(certificate: bytes) -> Facts:
    """What a certificate (DER) says. Raises ValueError for what is none."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    found = x509.load_der_x509_certificate(certificate)
    names = _names(found)
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = found.subject.rfc4514_string()
    return Facts(
        subject=subject,
        issuer=found.issuer.rfc4514_string(),
        names=names,
        fingerprint=hashlib.sha256(certificate).hexdigest(),
        user=str(common[0].value) if common else names[0] if names else subject,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names, URIs, mail addresses and IP addresses of the subject."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    kinds = (x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name, x509.IPAddress)
    return tuple(str(name.value) for name in found if isinstance(name, kinds))


class ClientCertificate(Middleware):
    """Let only clients pass whose TLS certificate says certain things; others get 403."""

    @dataclass(frozen=True, slots=True)
    class Rule:
        """All that it names must be so."""

        subject: Pattern | None = option(
            "A regular expression for the whole subject, as RFC 4514 writes it.",
            None,
            example="CN=.*,O=Example",
        )
        issuer: Pattern | None = option("The same for the issuer.", None, example="CN=Staff CA")
        san: Pattern | None = option(
            "A regular expression for one whole alternative name: DNS, URI, mail or IP address.",
            None,
            example=r"spiffe://example\.com/.*",
        )
        fingerprint: str | None = option("The SHA-256 of the certificate in hexadecimal.", None)

    @dataclass(frozen=True, slots=True)
    class Options:
        allow: tuple[ClientCertificate.Rule, ...] = option(
            "Rules, of which one must hold.", example=[{"san": "billing[.]internal"}]
        )
        user_header: FieldName | None = option(
            "A field that tells the service who it is: the common name, or else the first alternative name.",
            None,
            example="X-User",
        )

    counters: ClassVar[Mapping[str, str]] = {
        "missing": "Exchanges refused because the client had no certificate.",
        "refused": "Exchanges refused because of what the client's certificate says.",
    }

    def prepare(self) -> None:
        if not self.options.allow:
            raise ValueError("nobody can pass: write a rule into `allow`")
        self._rules = [_tests(number, rule) for number, rule in enumerate(self.options.allow)]
        self._known: dict[bytes, str | None] = {}

    def on_request(self, exchange: Exchange) -> Reply | None:
        shown = exchange.tls.certificate if exchange.tls is not None else b""
        if not shown:
            self.worker.count("missing")
            return refusal(exchange, 403, "Show a client certificate.")
        try:
            user = self._known[shown]
        except KeyError:
            user = self._judge(shown)
        if user is None:
            self.worker.count("refused")
            return refusal(exchange, 403, "Your client certificate is not one of those that may come here.")
        exchange.user = user
        if self.options.user_header is not None:
            exchange.request.headers[self.options.user_header] = user
        return None

    def _judge(self, shown: bytes) -> str | None:
        """Who shows the certificate, when it may pass."""
        try:
            facts = facts_of(shown)
        except ValueError:
            return None
        passes = any(all(test(facts) for test in rule) for rule in self._rules)
        user = field_value(facts.user) if passes else None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[shown] = user
        return user


Test = Callable[[Facts], bool]


def _tests(number: int, rule: ClientCertificate.Rule) -> list[Test]:
    """What must hold by a rule. Raises ValueError for one that asks for nothing."""
    tests: list[Test] = []
    if rule.subject is not None:
        subject = _whole(rule.subject)
        tests.append(lambda facts: subject(facts.subject))
    if rule.issuer is not None:
        issuer = _whole(rule.issuer)
        tests.append(lambda facts: issuer(facts.issuer))
    if rule.san is not None:
        san = _whole(rule.san)
        tests.append(lambda facts: any(map(san, facts.names)))
    if rule.fingerprint is not None:
        wanted = rule.fingerprint.replace(":", "").lower()
        if len(wanted) != 64 or not all(digit in "0123456789abcdef" for digit in wanted):
            raise ValueError(f"allow.{number}.fingerprint is no SHA-256: write 64 hexadecimal digits")
        tests.append(lambda facts: facts.fingerprint == wanted)
    if not tests:
        raise ValueError(f"allow.{number} asks for nothing, so that everybody would pass: name a fact")
    return tests


def _whole(pattern: str) -> Callable[[str], bool]:
    """Whether a text is of a pattern from end to end: one that fits a part of it would let others in."""
    compiled = compile_regex(pattern)
    return lambda text: compiled.fullmatch(text.encode()) is not None
