"""forward_auth."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from headgate.middleware import Exchange, Fetched, FetchFailed, Middleware, Reply, Request, option
from headgate.middleware.options import Duration, FieldName, Kind, Size, Url

# Not asked along: fields of one message or connection, what would make the answer a part or a "not modified",
# and what is written here.
_NOT_ASKED = frozenset(
    {
        *(
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "expect",
            "forwarded",
            "host",
        ),
        *(
            "http2-settings",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
        ),
        *("keep-alive", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade", "via"),
        *(
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-method",
            "x-forwarded-proto",
            "x-forwarded-uri",
        ),
    }
)
# Of an answer that is handed on, what Headgate writes itself.
_NOT_HANDED = frozenset(
    {
        *(
            "connection",
            "content-length",
            "date",
            "expect",
            "http2-settings",
            "keep-alive",
            "proxy-connection",
        ),
        *("te", "trailer", "transfer-encoding", "upgrade", "via"),
    }
)
_TIMEOUTS = frozenset({"http_response_timeout", "connection_timeout", "connection_read_timeout"})
_UNREACHABLE = frozenset(
    {
        *(
            "connection_limit_reached",
            "connection_refused",
            "destination_ip_unroutable",
            "destination_not_found",
        ),
        *("destination_unavailable", "dns_error"),
    }
)

# What a key is made of: a field, or a cookie.
Credential = Callable[[Request], str]


@dataclass(frozen=True, slots=True)
class Cache:
    """How long the service's yes is remembered."""

    key: tuple[str, ...] = option(
        "What tells clients apart: `header:NAME` and `cookie:NAME`. What has none of it is always asked for.",
        example=["header:authorization"],
    )
    ttl: Duration = option("For how long.", 10.0, example="1m")
    entries: Annotated[int, Kind("int", 1, 10_000_000)] = option(
        "How many answers each worker remembers.", 10_000
    )
    paths: bool = option("Whether the answer depends on method, host, path and query.", True)


class ForwardAuth(Middleware):
    """Ask a service whether a request may pass. A status of 2xx is a yes; other answers go to the client."""

    @dataclass(frozen=True, slots=True)
    class Options:
        url: Url = option("Who is asked.", example="service://auth/verify")
        method: Literal["GET", "HEAD", "POST"] = option("The method of the question.", "GET")
        request_headers: tuple[FieldName, ...] = option(
            "Fields of the request that the service gets. Without it: all but those of one message.",
            (),
            example=["Authorization", "Cookie"],
        )
        response_headers: tuple[FieldName, ...] = option(
            "Fields of a yes that the request goes on with; what clients send so is removed.",
            (),
            example=["X-User"],
        )
        user_header: FieldName | None = option(
            "The field of a yes that names the user, for the access log.", None
        )
        body: Size = option(
            "Bytes of the request's body that the service gets, at most; more is 413. 0: none.", 0
        )
        timeout: Duration = option("How long the service may take.", 2.0)
        on_error: Literal["deny", "allow"] = option(
            "What happens when the service cannot say anything.", "deny"
        )
        cache: Cache | None = option("Remember who may pass.", None)

    counters: ClassVar[Mapping[str, str]] = {
        "asked": "Questions to the service.",
        "cached": "Requests that passed by an earlier yes.",
        "denied": "Requests that the service did not let pass.",
        "failed": "Questions that the service could not answer.",
    }

    def prepare(self) -> None:
        """Raises ValueError for what contradicts itself."""
        for name in self.options.response_headers:
            if name.lower() in _NOT_HANDED:
                raise ValueError(
                    f"the field {name} is written by Headgate itself: take it out of response_headers"
                )
        if self.options.body and self.options.method != "POST":
            raise ValueError("a body is sent with POST only: write `method: POST`")
        self._passed_on = tuple(name.lower() for name in self.options.request_headers)
        cache = self.options.cache
        self._credentials = tuple(_credential(text) for text in cache.key) if cache is not None else ()
        if cache is not None and not self._credentials:
            raise ValueError("the cache's key is empty: write for example `key: [header:authorization]`")
        self._by_authorization = cache is not None and "header:authorization" in map(str.lower, cache.key)
        self._salt = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[float, Fetched]] = OrderedDict()

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """Pass by what is remembered, or ask."""
        headers = exchange.request.headers
        key = self._key(exchange) if self._credentials else None
        fields = None if key is not None and self._remembered(key) else self._question(exchange)
        for name in self.options.response_headers:
            headers.pop(name)
        if fields is not None:
            return self._ask(exchange, fields, key)
        assert key is not None
        self.worker.count("cached")
        self._let_pass(exchange, self._known[key][1])
        return None

    def _question(self, exchange: Exchange) -> list[tuple[str, str]]:
        """The fields that the service gets."""
        request = exchange.request
        headers = request.headers
        if self._passed_on:
            fields = [(name, value) for name in self._passed_on for value in headers.all(name)]
        else:
            fields = [(name, value) for name, value in headers.items() if name.lower() not in _NOT_ASKED]
        query = request.query
        forwarded = [known for known in (headers.get("x-forwarded-for"), exchange.peer) if known]
        return [
            *fields,
            ("X-Forwarded-Method", request.method),
            ("X-Forwarded-Proto", headers.get("x-forwarded-proto") or exchange.scheme),
            ("X-Forwarded-Host", headers.get("x-forwarded-host") or request.authority),
            ("X-Forwarded-Uri", request.path if query is None else f"{request.path}?{query}"),
            ("X-Forwarded-For", ", ".join(forwarded)),
        ]

    async def _ask(
        self, exchange: Exchange, fields: list[tuple[str, str]], key: bytes | None
    ) -> Reply | None:
        options = self.options
        body = await exchange.request.body(limit=options.body) if options.body else b""
        self.worker.count("asked")
        try:
            answer = await self.worker.fetch(
                options.url, method=options.method, headers=fields, body=body, timeout=options.timeout
            )
        except FetchFailed as error:
            return self._failed(str(error), _status_of(error))
        if answer.status >= 500:
            return self._failed(f"it answered with status {answer.status}", 502)
        if not 200 <= answer.status <= 299:
            self.worker.count("denied")
            return _handed_on(answer, grpc=exchange.grpc)
        if key is not None and "no-store" not in answer.get("cache-control").lower():
            self._remember(key, answer)
        self._let_pass(exchange, answer)
        return None

    def _let_pass(self, exchange: Exchange, answer: Fetched) -> None:
        for name in self.options.response_headers:
            for known, value in answer.headers:
                if known == name.lower():
                    exchange.request.headers.add(name, value)
        if self.options.user_header and (user := answer.get(self.options.user_header.lower())):
            exchange.user = user

    def _failed(self, why: str, status: int) -> Reply | None:
        self.worker.count("failed")
        self.worker.log("no decision could be had: %s", why, level=30)
        if self.options.on_error == "allow":
            return None
        return Reply(
            status, "Whether you may have this cannot be found out at the moment. Try again later.\n"
        )

    # --- What is remembered ---

    def _key(self, exchange: Exchange) -> bytes | None:
        """A digest of what tells this request from others, or None where nothing must be remembered: without
        credentials, or with some that are not in the key.
        """
        request = exchange.request
        values = [credential(request) for credential in self._credentials]
        if not any(values) or (not self._by_authorization and "authorization" in request.headers):
            return None
        values.append(exchange.client)
        if self.options.cache.paths:
            values += [request.method, exchange.scheme, request.authority, request.path, repr(request.query)]
        digest = hashlib.blake2b(key=self._salt, digest_size=16)
        for value in values:
            data = value.encode()
            digest.update(len(data).to_bytes(4, "little") + data)  # so that no two lists look alike
        return digest.digest()

    def _remembered(self, key: bytes) -> bool:
        known = self._known.get(key)
        if known is None:
            return False
        if known[0] <= self.worker.now():
            del self._known[key]
            return False
        self._known.move_to_end(key)
        return True

    def _remember(self, key: bytes, answer: Fetched) -> None:
        self._known[key] = self.worker.now() + self.options.cache.ttl, answer
        self._known.move_to_end(key)
        if len(self._known) > self.options.cache.entries:
            self._known.popitem(last=False)


def _credential(text: str) -> Credential:
    """What reads a part of a key. Raises ValueError."""
    kind, _, name = text.partition(":")
    if kind == "header" and name:
        return lambda request: request.headers.get(name, "")
    if kind == "cookie" and name:
        return lambda request: request.cookies.get(name, "")
    raise ValueError(f"{text!r} is no part of a key: write header:NAME or cookie:NAME")


def _status_of(error: FetchFailed) -> int:
    """504: no answer in time. 503: the service could not be reached. 502: what it said is no answer."""
    if error.reason in _TIMEOUTS:
        return 504
    return 503 if error.reason in _UNREACHABLE else 502


def _handed_on(answer: Fetched, *, grpc: bool) -> Reply:
    """The service's answer for the client; a gRPC client cannot follow where a browser is sent to log in."""
    if grpc and answer.status < 400:
        return Reply(401, "You have to log in.")
    fields = [(name, value) for name, value in answer.headers if name not in _NOT_HANDED]
    return Reply(answer.status, answer.body, fields)
