"""One client for both versions: a request, and the answer read whole."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from support.http2 import Http2Wire


@dataclass
class Answer:
    """A response; names of fields are lower case."""

    status: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for each, value in self.fields if each == name]


class Client:
    """A connection to a listener of plain HTTP."""

    def __init__(self, port: int, *, http2: bool = False) -> None:
        self.http2 = http2
        self._two = Http2Wire.connected(port) if http2 else None
        self._one = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(
        self,
        path: str = "/",
        fields: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and read the answer. Fields by name, `_` for `-`."""
        named = [(name.replace("_", "-"), value) for name, value in (fields or {}).items()]
        if self._two is not None:
            message = self._two.fetch(*named, path=path, method=method, body=body)
            return Answer(message.status, message.fields, message.body)
        self._one.request(method, path, body, dict(named))
        response = self._one.getresponse()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, headers, response.read())

    def begin(self, path: str, fields: Mapping[str, str] | None = None) -> None:
        """Send a request whose answer nobody reads. Fields as for `ask`."""
        named = [(name.replace("_", "-"), value) for name, value in (fields or {}).items()]
        if self._two is not None:
            self._two.ask(*named, path=path)
        else:
            self._one.request("GET", path, headers=dict(named))

    def close(self) -> None:
        """Let go of the connection."""
        self._one.close()
        if self._two is not None:
            self._two.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
