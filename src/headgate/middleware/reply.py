"""An answer that a middleware gives instead of the service's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Reply:
    """A status from 200 to 599, a body and fields. Returned from `on_request` it is the answer, and no
    endpoint is asked; returned from `on_response` it takes the place of the answer. A text becomes UTF-8, as
    text/plain unless `headers` say otherwise. To a gRPC call a status from 400 up goes out as the grpc-status
    that fits, and a plain text as its message.

    Raises ValueError for a status that no answer has, TypeError for a body that is neither text nor
    bytes, and for a field that is no text.
    """

    __slots__ = ("body", "fields", "status")

    def __init__(
        self,
        status: int,
        body: bytes | str = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"{status!r} is no status of an answer: write 200 to 599")
        self.status = status
        self.fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        for name, value in self.fields:
            if not isinstance(name, str) or not isinstance(value, str):
                raise TypeError(f"the field {name} of a Reply cannot be {value!r}: write a text")
        if isinstance(body, str):
            if body and not any(name.lower() == "content-type" for name, _ in self.fields):
                self.fields.append(("Content-Type", "text/plain; charset=utf-8"))
            body = body.encode()
        if not isinstance(body, bytes | bytearray | memoryview):
            raise TypeError(f"the body of a Reply is bytes or a text, not {type(body).__name__}")
        self.body = bytes(body)

    @property
    def message(self) -> bytes:
        """What a gRPC call is told: a body of plain text, on one line; b"" for another."""
        kind = next((value for name, value in self.fields if name.lower() == "content-type"), "")
        return b" ".join(self.body.split()) if kind.startswith("text/plain") else b""

    def __repr__(self) -> str:
        return f"Reply({self.status})"
