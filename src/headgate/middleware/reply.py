"""An answer that a middleware gives instead of the service's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Reply:
    """A status from 200 to 599, a body and fields. Returned from `on_request` it is the answer, and no
    endpoint is asked; returned from `on_response` it takes the place of the answer. A text becomes UTF-8, as
    text/plain unless `headers` say otherwise. To a gRPC call a status from 400 up goes out as the grpc-status
    that fits.

    Raises ValueError for a status that no answer has, TypeError for a body that is no bytes.
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
        if isinstance(body, str):
            if body and not any(name.lower() == "content-type" for name, _ in self.fields):
                self.fields.append(("Content-Type", "text/plain; charset=utf-8"))
            body = body.encode()
        self.body = bytes(body)

    def __repr__(self) -> str:
        return f"Reply({self.status})"
