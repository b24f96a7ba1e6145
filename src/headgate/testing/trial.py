"""One middleware and one exchange, without sockets: for the tests of who writes middlewares."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from headgate.core.events import Event
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server
from headgate.core.shared import SharedTable
from headgate.middleware import (
    BodyTooLarge,
    Exchange,
    Fetched,
    FetchFailed,
    Middleware,
    Piece,
    Reply,
    Worker,
)
from headgate.middleware.middleware import defined_hooks

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass
class Outcome:
    """What became of a trial: `request_...` is what the endpoint would get, `response_...` the client."""

    reply: Reply | None = None  # the middleware answered the request itself
    method: str = ""
    path: str = ""
    query: str | None = None
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    request_body: bytes = b""
    status: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: bytes = b""

    def request_header(self, name: str) -> str | None:
        """A field of the request as the endpoint gets it; None: there is none."""
        return _value(self.request_headers, name)

    def response_header(self, name: str) -> str | None:
        """A field of the response as the client gets it; None: there is none."""
        return _value(self.response_headers, name)


def _value(fields: list[tuple[str, str]], name: str) -> str | None:
    found = [value for known, value in fields if known.lower() == name.lower()]
    return ", ".join(found) if found else None


class TrialWorker(Worker):
    """Counts in `counts` and `values`, and fetches what `answers` has by URL."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.values: dict[str, list[float]] = {}
        self.answers: dict[str, Fetched] = {}
        self.lines: list[str] = []
        self._table = SharedTable(memoryview(bytearray(1 << 16)))

    async def fetch(self, url: str, **_: Any) -> Fetched:
        """The answer that the test put there. Raises FetchFailed without one."""
        if url not in self.answers:
            raise FetchFailed(f"{url}: the test has no answer for it")
        return self.answers[url]

    async def in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it in a thread, as the product does."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def count(self, name: str, by: int = 1) -> None:
        """Count in `counts`."""
        self.counts[name] += by

    def observe(self, name: str, value: float) -> None:
        """Keep in `values`."""
        self.values.setdefault(name, []).append(value)

    def shared(self, key: str) -> Any:
        """Words that this instance shares with itself."""
        return self._table.cell(key)

    def log(self, text: str, *args: object, level: int = 20) -> None:
        """Keep in `lines`."""
        del level
        self.lines.append(text % args if args else text)


class TrialExchange(Exchange):
    """An exchange with what a test says about it."""

    facts: ClassVar[dict[str, Any]] = {
        "client": "192.0.2.1",
        "peer": "192.0.2.1",
        "scheme": "http",
        "listener": "web",
        "route": "trial",
        "service": "trial",
        "endpoint": "127.0.0.1:9001",
        "request_id": "trial",
        "trusted": False,
        "tls": None,
        "grpc": False,
        "user": None,
        "status": 0,
        "reason": None,
        "duration": 0.0,
        "bytes_in": 0,
        "bytes_out": 0,
        "attempts": 1,
    }

    def __init__(self, request: bytes, response: bytes, facts: Mapping[str, Any]) -> None:
        if unknown := facts.keys() - self.facts.keys():
            raise TypeError(f"an exchange has no {', '.join(sorted(unknown))}")
        vars(self).update(self.facts | dict(facts))
        self.request_body, self.response_body = request, response
        self.ignored: set[str] = set()  # sides whose pieces on_body does not get

    def use_service(self, name: str) -> None:
        """Remember the name as `service`."""
        vars(self)["service"] = name

    def ignore_body(self, side: Literal["request", "response"] | None = None) -> None:
        """Do not call on_body, or not for one side."""
        self.ignored |= {"request", "response"} if side is None else {side}

    def phrase(self, status: int) -> bytes:
        """The reason phrase of a status."""
        return HTTPStatus(status).phrase.encode()

    async def read_request(self, limit: int) -> bytes:
        """The request's body. Raises BodyTooLarge."""
        return _within(self.request_body, limit)

    async def read_response(self, limit: int) -> bytes:
        """The response's body. Raises BodyTooLarge."""
        return _within(self.response_body, limit)

    def replace_request(self, data: bytes) -> None:
        """Take another body."""
        self.request_body = data

    def replace_response(self, data: bytes) -> None:
        """Take another body."""
        self.response_body = data


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise BodyTooLarge(f"the body has more than {limit} bytes")
    return body


class Trial:
    """Runs exchanges through one instance: `await Trial(AddPrefix, prefix="/v1").run(path="/x")`. Options are
    what the class's `Options` takes. Raises what a hook raises.
    """

    def __init__(self, kind: type[Middleware], **options: Any) -> None:
        self.worker = TrialWorker()
        self.middleware = kind("trial", kind.Options(**options), self.worker)
        self._hooks = defined_hooks(kind)

    async def run(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Fields = (),
        body: bytes = b"",
        *,
        status: int = 200,
        response_headers: Fields = (),
        response_body: bytes = b"",
        pieces: int = 1,
        **facts: Any,
    ) -> Outcome:
        """One exchange: the request, and what the endpoint answers. Bodies come in so many `pieces`; `facts`
        are attributes of the exchange, such as `client="192.0.2.7"`.
        """
        exchange = TrialExchange(body, response_body, facts)
        exchange.trial_request(_request(method, path, headers, body))
        outcome = Outcome(reply=await self._call("on_request", exchange))
        if outcome.reply is not None:
            self._reply(exchange, outcome.reply)
        else:
            outcome.request_body = await self._through("request", exchange, exchange.request_body, pieces)
            exchange.trial_response(_response(status, response_headers, exchange.response_body))
            instead = await self._call("on_response", exchange)
            if instead is not None:
                self._reply(exchange, instead)
            else:
                exchange.response_body = await self._through(
                    "response", exchange, exchange.response_body, pieces
                )
        await self._finish(outcome, exchange)
        return outcome

    @staticmethod
    def _reply(exchange: TrialExchange, reply: Reply) -> None:
        exchange.response_body = reply.body
        exchange.trial_response(_response(reply.status, reply.fields, reply.body), own=True)

    async def _finish(self, outcome: Outcome, exchange: TrialExchange) -> None:
        request, response = exchange.request, exchange.response
        outcome.method, outcome.path, outcome.query = request.method, request.path, request.query
        outcome.request_headers = request.headers.items()
        outcome.status = vars(exchange)["status"] = response.status
        outcome.response_headers = response.headers.items()
        outcome.response_body = exchange.response_body
        await self._call("on_done", exchange)
        exchange.trial_over()

    async def _call(self, hook: str, exchange: TrialExchange, *arguments: object) -> Any:
        if hook not in self._hooks:
            return None
        found = getattr(self.middleware, hook)(exchange, *arguments)
        return await found if inspect.isawaitable(found) else found

    async def _through(self, side: Any, exchange: TrialExchange, body: bytes, pieces: int) -> bytes:
        if (
            "on_body" not in self._hooks
            or side in exchange.ignored
            or self.middleware.bodies not in (side, "both")
        ):
            return body
        size = max(1, -(-len(body) // pieces))
        parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        out = []
        for number, part in enumerate(parts):
            new = await self._call("on_body", exchange, Piece(part, number == len(parts) - 1, side))
            out.append(part if new is None else new)
        return b"".join(out)


def _lines(fields: Fields) -> str:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return "".join(f"{name}: {value}\r\n" for name, value in pairs)


def _request(method: str, path: str, headers: Fields, body: bytes) -> Head:
    text = f"{method} {path} HTTP/1.1\r\n{_lines(headers)}"
    if "\r\nhost:" not in text.lower():
        text += "Host: trial.example\r\n"
    if body:
        text += f"Content-Length: {len(body)}\r\n"
    return _head(Http1Server().receive(f"{text}\r\n".encode("latin-1")), text)


def _response(status: int, headers: Fields, body: bytes) -> Head:
    client = Http1Client()
    client.send(_request("GET", "/", {}, b""))
    text = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{_lines(headers)}"
    if status not in (204, 304) and "\r\ncontent-length:" not in text.lower():
        text += f"Content-Length: {len(body)}\r\n"
    return _head(client.receive(f"{text}\r\n".encode("latin-1")), text)


def _head(events: list[Event], text: str) -> Head:
    if not events or not isinstance(events[0], Head):
        raise ValueError(f"this is no message of HTTP: {text!r}")
    return events[0]
