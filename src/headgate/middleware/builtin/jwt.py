"""jwt."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

from headgate.middleware import Exchange, FetchFailed, Middleware, Reply, option
from headgate.middleware.builtin.jwt_keys import (
    Key,
    KeySet,
    key_of_secret,
    keys_of_content,
    keys_of_jwks,
    narrowed,
)
from headgate.middleware.builtin.keys import CLAIMS
from headgate.middleware.files import WatchedFiles
from headgate.middleware.options import Duration, FieldName, File, Secret, Url
from headgate.middleware.refusal import refusal
from headgate.middleware.texts import field_value

_REMEMBERED: Final = 4096
_FETCH_SECONDS: Final = 5.0
# Between two fetches that tokens with unknown keys ask for, or that failed: anybody can make such tokens.
_AGAIN_SECONDS: Final = 10.0
_AGAIN_WITHOUT_KEYS: Final = 1.0
_NEVER: Final = float("inf")

Algorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]


class Unsuitable(Exception):
    """A token is not valid; the text says why."""


class Verified(NamedTuple):
    """What a token that was right says. `lacks`: which claim is not as it must be."""

    until: float
    user: str | None
    fields: tuple[tuple[str, str], ...]
    lacks: str | None
    claims: Mapping[str, Any]


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the names on the way to it with dots between; None when there is none."""
    found: Any = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    return found


def text_of(claim: Any) -> str:
    """A claim as a field value: lists with commas between, objects as JSON."""
    if isinstance(claim, str):
        return field_value(claim)
    if isinstance(claim, list):
        return ",".join(text_of(item).replace(",", "%2C") for item in claim)
    return field_value(json.dumps(claim, separators=(",", ":")))


def values_of(name: str, claim: Any) -> list[str]:
    """What a claim says, one by one: of a list its items, of a scope its words (RFC 8693 section 4.2)."""
    if isinstance(claim, str):
        return claim.split() if name in {"scope", "scp"} else [claim]
    return [text_of(item) for item in (claim if isinstance(claim, list) else [claim])]


class Jwt(Middleware):
    """Let only requests with a valid JSON Web Token pass (RFC 7519, RFC 6750)."""

    @dataclass(frozen=True, slots=True)
    class Options:
        files: tuple[File, ...] = option(
            "Files with keys, read again when they change: PEM (public keys, certificates), a JWK or a JWKS.",
            (),
            example=["issuer.pem"],
        )
        jwks: Url | None = option(
            "Where the issuer publishes its keys as a JWKS.",
            None,
            example="https://issuer.example.com/.well-known/jwks.json",
        )
        secret: Secret | None = option("A shared secret, for tokens signed by HMAC.", None)
        refresh: Duration = option("How long keys of `jwks` are used before they are asked for anew.", 300.0)
        stale: Duration = option("How long keys are used on while `jwks` cannot be had.", 86400.0)
        algorithms: tuple[Algorithm, ...] = option(
            "The algorithms that may be used; without it those that fit the type of the key.",
            (),
            example=["RS256"],
        )
        issuer: tuple[str, ...] = option(
            "Who may have issued the token (`iss`).", (), example="https://issuer.example.com/"
        )
        audience: tuple[str, ...] = option(
            "Names of this service, one of which must stand in `aud`. Without them a token with an `aud` is "
            "refused.",
            (),
            example="api",
        )
        leeway: Duration = option("How far clocks may be apart.", 30.0)
        require_expiry: bool = option("Whether a token without `exp` is refused.", True)
        typ: str | None = option("What `typ` of the token's head must be.", None, example="at+jwt")
        required: tuple[str, ...] = option(
            "Claims that must be there; without one the answer is 403. Dots lead into objects.",
            (),
            example=["email"],
        )
        claims: dict[str, tuple[str, ...]] = option(
            "Claims that must have one of some values; otherwise the answer is 403.",
            {},
            example={"scope": ["orders.read"]},
        )
        header: FieldName = option(
            "The field with the token; in `Authorization` it stands behind `Bearer`.", "Authorization"
        )
        cookie: str | None = option("A cookie that may have the token instead.", None, example="session")
        query: str | None = option(
            "A parameter of the query that may have the token instead. It is taken out of the request, and "
            "out of the access log.",
            None,
            example="access_token",
        )
        remove_header: bool = option("Whether the service does not get the field with the token.", False)
        user_claim: str = option("The claim that names the user, for the access log.", "sub")
        claim_headers: dict[str, FieldName] = option(
            "Claims, and the fields that tell them to the service. What the client sends as such a field is "
            "removed.",
            {},
            example={"sub": "X-User", "email": "X-Email"},
        )

    counters: ClassVar[Mapping[str, str]] = {
        "missing": "Exchanges refused because they had no token.",
        "invalid": "Exchanges refused because their token was not valid.",
        "forbidden": "Exchanges refused because a claim was missing, or had another value.",
        "verified": "Tokens that were verified because they were not remembered.",
        "fetched": "Times that keys were fetched.",
        "fetch_failures": "Times that keys could not be fetched.",
    }

    def prepare(self) -> None:
        try:
            import jwt
        except ImportError:
            raise ValueError("tokens need a package: install headgate[jwt]") from None
        options, self._library = self.options, jwt
        if not options.files and options.jwks is None and options.secret is None:
            raise ValueError("no keys are known: write `files`, `jwks` or `secret`")
        self._decoder = jwt.PyJWT(
            {
                "require": ["exp"] if options.require_expiry else [],
                "verify_sub": False,  # a number as `sub` is not ours to judge
                "verify_jti": False,
                "enforce_minimum_key_length": True,
            }
        )
        self._header = options.header.lower()
        self._bearer = self._header == "authorization"
        self._changes = options.remove_header or bool(options.claim_headers)
        fixed = [] if options.secret is None else [_named("secret", options.secret)]
        self._files = WatchedFiles(self.worker, options.files, self._read)
        self._fixed = narrowed(fixed, options.algorithms)
        self._fetched: list[Key] = []
        self._body = b""
        self._fetching: asyncio.Task[None] | None = None
        self._asked = False
        self._quiet_until = 0.0
        self._next_fetch = 0.0
        self._fresh_until = 0.0 if options.jwks is not None else _NEVER
        self._stale_until = 0.0
        self._assemble()
        if options.jwks is None and not len(self._keys):
            raise ValueError("none of the keys fits one of `algorithms`")

    async def close(self) -> None:
        self._files.close()
        if self._fetching is not None:
            self._fetching.cancel()

    # --- Keys ---

    def _read(self, contents: dict[str, bytes]) -> list[Key]:
        found = [key for path, content in contents.items() for key in keys_of_content(path, content)]
        return narrowed(found, self.options.algorithms)

    def _assemble(self) -> None:
        """Other keys: what was verified with those before is forgotten."""
        self._from_files = self._files.value
        self._keys = KeySet([*self._fixed, *self._from_files, *self._fetched])
        self._known: dict[bytes, Verified] = {}

    def _fetch(self) -> asyncio.Task[None]:
        """Ask for the keys, unless that is done already."""
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            answer = await self.worker.fetch(self.options.jwks, timeout=_FETCH_SECONDS)
            if answer.status != 200:
                raise FetchFailed(f"{self.options.jwks}: answered {answer.status}")
            if answer.body != self._body:
                found = keys_of_jwks(self.options.jwks, answer.body, symmetric=False, strict=False)
                self._fetched = narrowed(found, self.options.algorithms)
                self._body = answer.body
                self._assemble()
        except (FetchFailed, ValueError) as error:
            self.worker.count("fetch_failures")
            self.worker.log("keys cannot be fetched: %s", error, level=30)
            self._next_fetch = self.worker.now() + (_AGAIN_SECONDS if self._fetched else _AGAIN_WITHOUT_KEYS)
            self._fresh_until = self._next_fetch
        else:
            self.worker.count("fetched")
            self._next_fetch = self.worker.now() + _AGAIN_SECONDS
            self._fresh_until = self.worker.now() + self.options.refresh
            self._stale_until = self._fresh_until + self.options.stale
        finally:
            self._asked = True
            self._fetching = None
            self._quiet_until = 0.0

    def _settle(self) -> Awaitable[None] | None:
        """See that there are the right keys. Something to await when there are none yet."""
        looking = self._files.look()
        if looking is not None:
            return looking
        if self._from_files is not self._files.value:
            self._assemble()
        now = self.worker.now()
        if now < self._fresh_until:
            self._quiet_until = min(self._files.due, self._fresh_until)
            return None
        if self._fetched and now >= self._stale_until:
            self._fetched, self._body = [], b""
            self._assemble()
        task = self._fetch()
        return None if self._asked and len(self._keys) else asyncio.shield(task)

    # --- Requests ---

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        if self.worker.now() >= self._quiet_until and (settling := self._settle()) is not None:
            return self._later(settling, exchange)
        return self._admit(exchange)

    def _admit(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        token = self._token(exchange)
        if token is None:
            self.worker.count("missing")
            return self._refused(exchange, 401, "", "Send a token of an issuer that is trusted here.")
        digest = hashlib.sha256(token.encode("latin-1")).digest()
        known = self._known.get(digest)
        if known is not None and self.worker.time() < known.until:
            return self._welcome(exchange, known)
        return self._judge(exchange, token, digest)

    async def _later(self, settling: Awaitable[None], exchange: Exchange) -> Reply | None:
        await settling
        if self._from_files is not self._files.value:
            self._assemble()
        outcome = self._admit(exchange)
        return outcome if outcome is None or isinstance(outcome, Reply) else await outcome

    def on_done(self, exchange: Exchange) -> None:
        """A middleware before this one may have answered; the token shall not be logged then either."""
        if self.options.query is not None:
            exchange.request.take_parameter(self.options.query)

    def _token(self, exchange: Exchange) -> str | None:
        request = exchange.request
        inside = [] if self.options.query is None else request.take_parameter(self.options.query)
        value = request.headers.get(self._header)
        if value is not None:
            if value[:7].lower() == "bearer ":
                value = value[7:].strip()
            elif self._bearer:
                value = ""
            if value:
                return value
        if self.options.cookie is not None and (value := request.cookies.get(self.options.cookie)):
            return value
        # With two of them services and we could mean different ones.
        return inside[0] if len(inside) == 1 and inside[0].isascii() else None

    def _judge(
        self, exchange: Exchange, token: str, digest: bytes, *, again: bool = True
    ) -> Reply | Awaitable[Reply | None] | None:
        """A token that is not remembered."""
        if not len(self._keys):
            detail = "The keys of the issuer cannot be had at the moment. Try again soon."
            return refusal(exchange, 503, detail, (("Retry-After", "10"),))
        try:
            verified = self._verified(token)
        except Unsuitable as error:
            if again and self._may_be_new(token):
                return self._again(exchange, token, digest)
            self.worker.count("invalid")
            return self._refused(exchange, 401, "invalid_token", str(error))
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = verified
        return self._welcome(exchange, verified)

    def _may_be_new(self, token: str) -> bool:
        """Whether a token is of a key that the issuer may have made since, and may be asked for."""
        if self.options.jwks is None or (self._fetching is None and self.worker.now() < self._next_fetch):
            return False
        try:
            return self._keys.lacks(token.partition(".")[0])
        except ValueError:
            return False

    async def _again(self, exchange: Exchange, token: str, digest: bytes) -> Reply | None:
        await asyncio.shield(self._fetch())
        outcome = self._judge(exchange, token, digest, again=False)
        assert outcome is None or isinstance(outcome, Reply)
        return outcome

    def _welcome(self, exchange: Exchange, verified: Verified) -> Reply | None:
        if verified.lacks is not None:
            self.worker.count("forbidden")
            return self._refused(exchange, 403, "insufficient_scope", verified.lacks)
        exchange.state[CLAIMS] = verified.claims
        if verified.user is not None:
            exchange.user = verified.user
        if self._changes:
            headers = exchange.request.headers
            if self.options.remove_header:
                headers.pop(self._header)
            for name in self.options.claim_headers.values():
                headers.pop(name)
            for name, value in verified.fields:
                headers[name] = value
        return None

    def _refused(self, exchange: Exchange, status: int, error: str, detail: str) -> Reply:
        """RFC 6750 section 3: a request without a token is told no error."""
        challenge = "Bearer"
        if error:
            said = detail.replace("\\", "/").replace('"', "'")
            challenge = f'Bearer error="{error}", error_description="{said}"'
        return refusal(exchange, status, detail, (("WWW-Authenticate", challenge),))

    # --- Tokens ---

    def _verified(self, token: str) -> Verified:
        """Raises Unsuitable."""
        head = token.partition(".")[0]
        try:
            algorithm, keys = self._keys.candidates(head)
        except ValueError as error:
            raise Unsuitable(f"This is no token: {error}.") from None
        if not keys:
            raise Unsuitable("No key is known that the token could be signed with.")
        self.worker.count("verified")
        for key in keys[:-1]:
            try:
                return self._decoded(token, head, key, algorithm)
            except _WrongKey:
                continue
        return self._decoded(token, head, keys[-1], algorithm)

    def _decoded(self, token: str, head: str, key: Key, algorithm: str) -> Verified:
        options, jwt = self.options, self._library
        try:
            found = self._decoder.decode_complete(
                token,
                key.key,
                algorithms=(algorithm,),
                audience=options.audience or None,
                issuer=options.issuer or None,
                leeway=options.leeway,
            )
        except jwt.InvalidSignatureError:
            raise _WrongKey("The signature of the token does not fit.") from None
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise Unsuitable(_reason(error)) from None
        if options.typ is not None and not _is_type(found["header"].get("typ"), options.typ):
            raise Unsuitable("The token is of another type than is needed here.")
        self._keys.keep(head)
        claims: dict[str, Any] = found["payload"]
        user = claim_of(claims, options.user_claim)
        return Verified(
            until=int(claims["exp"]) + options.leeway if "exp" in claims else _NEVER,
            user=text_of(user) if user is not None else None,
            fields=tuple(
                (name, text_of(value))
                for claim, name in options.claim_headers.items()
                if (value := claim_of(claims, claim)) is not None
            ),
            lacks=self._lacking(claims),
            claims=claims,
        )

    def _lacking(self, claims: dict[str, Any]) -> str | None:
        """What is said of the first claim that is not as it must be."""
        for name in self.options.required:
            if claim_of(claims, name) is None:
                return f"The token has no claim {name}."
        for name, wanted in self.options.claims.items():
            if not set(wanted).intersection(values_of(name, claim_of(claims, name))):
                return f"The claim {name} of the token does not have a value that is needed here."
        return None


class _WrongKey(Unsuitable):
    """The signature does not fit this key; it may fit another one."""


def _named(where: str, secret: Secret) -> Key:
    try:
        return key_of_secret(secret.text.encode())
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _is_type(said: object, wanted: str) -> bool:
    """RFC 7515 section 4.1.9: case does not count, nor does application/ in front."""
    return isinstance(said, str) and said.lower().removeprefix("application/") == wanted.lower().removeprefix(
        "application/"
    )


def _reason(error: Exception) -> str:
    """What is wrong, in words that have nothing of the token in them."""
    import jwt

    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token has no claim {error.claim}."
    for kind, text in (
        (jwt.ExpiredSignatureError, "The token has expired."),
        (jwt.ImmatureSignatureError, "The token is not valid yet."),
        (jwt.InvalidIssuerError, "The token is of another issuer."),
        (jwt.InvalidAudienceError, "The token is meant for somebody else."),
        (jwt.InvalidAlgorithmError, "The token is signed with an algorithm that is not allowed here."),
    ):
        if isinstance(error, kind):
            return text
    return "The token is malformed."
