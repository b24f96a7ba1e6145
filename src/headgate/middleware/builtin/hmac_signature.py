"""hmac_signature."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate.middleware import Exchange, Middleware, Reply, Request, option
from headgate.middleware.options import Duration, FieldName, Secret, Size
from headgate.middleware.refusal import refusal
from headgate.middleware.texts import field_value

_ALGORITHM: Final = "hmac-sha256"
_DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_SHORTEST_KEY: Final = 16
_SIGNATURES: Final = 4
_REMEMBERED: Final = 1 << 16

# Structured fields (RFC 8941), as far as signatures are made of them.
_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_PARAMETERS: Final = rf"(?:; *{_KEY}(?:=(?:-?\d{{1,15}}|{_STRING}))?)*"
_LIST: Final = re.compile(
    rf" *({_KEY})=\(((?: *{_STRING}(?:;[^ ()]*)?)* *)\)({_PARAMETERS})[ \t]*(?:,[ \t]*|$)"
)
_PARAMETER: Final = re.compile(rf"; *({_KEY})(?:=(-?\d{{1,15}}|{_STRING}))?")
_BYTES: Final = re.compile(rf" *({_KEY})=:([A-Za-z0-9+/=]*):[ \t]*(?:,[ \t]*|$)")
_COMPONENT: Final = re.compile(rf"({_STRING})(;[^ ()]*)?")


class Unsigned(Exception):
    """A request is not signed as it must be; the text says why."""


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature covers, as the client says (RFC 9421 section 2.3). `text`: as it is signed."""

    components: tuple[str, ...]
    parameters: Mapping[str, str | int | bool]
    text: str


def inputs_of(field: str) -> dict[str, SignatureInput]:
    """The members of a Signature-Input field. Raises Unsigned."""
    found = {}
    for label, components, parameters in _members(_LIST, field, "Signature-Input"):
        names = []
        for name, more in _COMPONENT.findall(components):
            if more:
                raise Unsigned("A component has parameters, which are not understood here.")
            names.append(name[1:-1])
        if len(set(names)) < len(names):
            raise Unsigned("A component stands twice in Signature-Input.")
        said = _PARAMETER.findall(parameters)
        if len({key for key, _ in said}) < len(said):
            raise Unsigned("A parameter stands twice in Signature-Input.")
        values = {key: _value(raw) for key, raw in said}
        found[label] = SignatureInput(tuple(names), values, _list_text(names, said))
    return found


def _list_text(names: Sequence[str], parameters: Sequence[tuple[str, str]]) -> str:
    quoted = " ".join(f'"{name}"' for name in names)
    return f"({quoted})" + "".join(f";{key}={raw}" if raw else f";{key}" for key, raw in parameters)


def _value(raw: str) -> str | int | bool:
    if not raw:
        return True
    return re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else int(raw)


def bytes_of(field: str, name: str) -> dict[str, bytes]:
    """The members of a field with byte sequences. Raises Unsigned."""
    found = {}
    for label, encoded in _members(_BYTES, field, name):
        try:
            found[label] = b64decode(encoded, validate=True)
        except binascii.Error:
            raise Unsigned(f"The field {name} has what is no base64.") from None
    return found


def _members(pattern: re.Pattern[str], field: str, name: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    position = 0
    while position < len(field):
        matched = pattern.match(field, position)
        if matched is None:
            raise Unsigned(f"The field {name} is malformed.")
        found.append(matched.groups())
        position = matched.end()
    if not found or field.rstrip().endswith(","):
        raise Unsigned(f"The field {name} is malformed.")
    return found


def base_of(request: Request, signature: SignatureInput) -> bytes:
    """What is signed (RFC 9421 section 2.5). Raises Unsigned for a component that is not there."""
    lines = [f'"{name}": {_component(request, name)}' for name in signature.components]
    lines.append(f'"@signature-params": {signature.text}')
    return "\n".join(lines).encode("latin-1")


def _component(request: Request, name: str) -> str:
    if not name.startswith("@"):
        values = request.headers.all(name) if name == name.lower() else []
        if not values:
            raise Unsigned(f"The field {name} is signed, and it is not there.")
        return ", ".join(value.strip() for value in values)
    # What the client sent, and not what a middleware made of it.
    target = re.sub(r"^[a-zA-Z]+://[^/?]*", "", request.target)
    path, mark, query = target.partition("?")
    if name == "@method":
        return request.method
    if name == "@authority":
        return _authority(request)
    if name == "@scheme":
        return request.scheme
    if name == "@target-uri":
        return f"{request.scheme}://{_authority(request)}{target}"
    if name == "@request-target":
        return request.target
    if name == "@path":
        return path or "/"
    if name == "@query":
        return f"?{query}" if mark else "?"
    raise Unsigned(f"The component {name} is not understood here.")


def _authority(request: Request) -> str:
    return request.authority.lower().removesuffix(_DEFAULT_PORTS.get(request.scheme, ""))


def check_digest(field: str | None, body: bytes) -> None:
    """Whether a body is what Content-Digest says (RFC 9530). Raises Unsigned."""
    said = bytes_of(field or "", "Content-Digest")
    known = {name: digest for name, digest in said.items() if name in _DIGESTS}
    if not known:
        raise Unsigned("Content-Digest has neither sha-256 nor sha-512.")
    for name, digest in known.items():
        if not hmac.compare_digest(_DIGESTS[name](body).digest(), digest):
            raise Unsigned("The body is not what Content-Digest says.")


class Seen:
    """Signatures that were used, each until nobody can use it any more."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._ends: deque[tuple[float, bytes]] = deque()

    def take(self, signature: bytes, now: float, seconds: float) -> bool | None:
        """Whether it is used for the first time; None when there is no room to remember it."""
        while self._ends and self._ends[0][0] <= now:
            self._known.discard(self._ends.popleft()[1])
        if signature in self._known:
            return False
        if len(self._known) >= _REMEMBERED:
            return None
        self._known.add(signature)
        self._ends.append((now + seconds, signature))
        return True


class HmacSignature(Middleware):
    """Let only requests pass that are signed with a shared key (RFC 9421, hmac-sha256)."""

    @dataclass(frozen=True, slots=True)
    class Options:
        keys: dict[str, Secret] = option(
            "Keys by their `keyid`, which stands in the access log.",
            example={"partner": {"file": "partner.key"}},
        )
        components: tuple[str, ...] = option(
            "What a signature must cover at least: `@method`, `@authority`, `@path`, `@query`, "
            "`@target-uri`, `@request-target`, `@scheme`, and fields in lower case.",
            ("@method", "@authority", "@path", "@query"),
        )
        body: bool = option(
            "Whether the signature of a request with a body must cover `content-digest`. The body is read "
            "then, and compared with it.",
            True,
        )
        body_limit: Size = option("How many bytes of body are read; for more the answer is 413.", 1 << 20)
        max_age: Duration = option("How old a signature may be.", 300.0)
        leeway: Duration = option("How far clocks may be apart.", 30.0)
        replay: bool = option(
            "Whether a signature can be used again while it is not too old. Each worker remembers its own.",
            False,
        )
        user_header: FieldName | None = option(
            "A field that tells the service the `keyid`.", None, example="X-User"
        )

    counters: ClassVar[Mapping[str, str]] = {
        "refused": "Exchanges refused because they were not signed as they must be.",
        "replayed": "Exchanges refused because their signature was used before.",
        "full": "Exchanges refused because no more signatures could be remembered.",
    }

    def prepare(self) -> None:
        if not self.options.keys:
            raise ValueError("no key is known: write one into `keys`")
        for name, key in self.options.keys.items():
            if len(key.text.encode()) < _SHORTEST_KEY:
                raise ValueError(f"the key of {name} is too short: write at least {_SHORTEST_KEY} bytes")
        self._keys = {name: key.text.encode() for name, key in self.options.keys.items()}
        self._wanted = frozenset(self.options.components)
        self._seen = Seen()
        covered = " ".join(f'"{name}"' for name in self.options.components)
        self._accepted = (("Accept-Signature", f'sig1=({covered});created;keyid;alg="{_ALGORITHM}"'),)

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        request = exchange.request
        try:
            signature, name, proof = self._signed(request)
            digested = "content-digest" in signature.components
            if request.has_body and self.options.body and not digested:
                raise Unsigned("The signature must cover content-digest, for the request has a body.")
            if digested and not request.has_body:
                check_digest(request.headers.get("content-digest"), b"")
        except Unsigned as error:
            return self._refused(exchange, str(error))
        if not self.options.replay:
            first = self._seen.take(proof, self.worker.now(), self.options.max_age + 2 * self.options.leeway)
            if first is None:
                self.worker.count("full")
                detail = "Too many signatures have to be remembered. Try again soon."
                return refusal(exchange, 503, detail, (("Retry-After", "10"),))
            if not first:
                self.worker.count("replayed")
                return refusal(exchange, 401, "This signature was used before.", self._accepted)
        if digested and request.has_body:
            return self._with_body(exchange, name)
        self._welcome(exchange, name)
        return None

    async def _with_body(self, exchange: Exchange, name: str) -> Reply | None:
        body = await exchange.request.body(self.options.body_limit)
        try:
            check_digest(exchange.request.headers.get("content-digest"), body)
        except Unsigned as error:
            return self._refused(exchange, str(error))
        self._welcome(exchange, name)
        return None

    def _signed(self, request: Request) -> tuple[SignatureInput, str, bytes]:
        """The signature that is right, whose it is, and itself. Raises Unsigned."""
        said, proofs = request.headers.get("signature-input"), request.headers.get("signature")
        if said is None or proofs is None:
            raise Unsigned("Sign the request: it has no Signature-Input and Signature.")
        signatures = bytes_of(proofs, "Signature")
        problem = Unsigned("No signature is by a key that is known here.")
        for label, signature in list(inputs_of(said).items())[:_SIGNATURES]:
            name = signature.parameters.get("keyid")
            if isinstance(name, str) and name in self._keys and label in signatures:
                try:
                    self._check(request, signature, self._keys[name], signatures[label])
                except Unsigned as error:
                    problem = error
                else:
                    return signature, name, signatures[label]
        raise problem

    def _check(self, request: Request, signature: SignatureInput, key: bytes, proof: bytes) -> None:
        said = signature.parameters
        if said.get("alg", _ALGORITHM) != _ALGORITHM:
            raise Unsigned(f"The algorithm must be {_ALGORITHM}.")
        missing = self._wanted.difference(signature.components)
        if missing:
            raise Unsigned(f"The signature does not cover {min(missing)}.")
        now, created = self.worker.time(), said.get("created")
        if isinstance(created, bool) or not isinstance(created, int):
            raise Unsigned("The signature does not say when it was created.")
        if not now - self.options.max_age - self.options.leeway <= created <= now + self.options.leeway:
            raise Unsigned("The signature is too old, or from the future.")
        expires = said.get("expires")
        if expires is not None and not (isinstance(expires, int) and now - self.options.leeway < expires):
            raise Unsigned("The signature has expired.")
        if not hmac.compare_digest(hmac.digest(key, base_of(request, signature), "sha256"), proof):
            raise Unsigned("The signature does not fit the request.")

    def _welcome(self, exchange: Exchange, name: str) -> None:
        exchange.user = name
        if self.options.user_header is not None:
            exchange.request.headers[self.options.user_header] = field_value(name)

    def _refused(self, exchange: Exchange, detail: str) -> Reply:
        self.worker.count("refused")
        return refusal(exchange, 401, detail, self._accepted)
