"""decompress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from headgate.middleware import (
    BodyMalformed,
    BodyTooLarge,
    Exchange,
    Middleware,
    Piece,
    Reply,
    StateKey,
    option,
)
from headgate.middleware.builtin import codings
from headgate.middleware.builtin.compress import STALE, add_vary, weaken
from headgate.middleware.options import Kind, Size

# So much may come of any body, however small it is: short texts that repeat themselves are no bombs.
_FREE = 64 << 10


class Stream:
    """One body on its way. `limit`: the most bytes that it may become."""

    __slots__ = ("_decoder", "_limit", "_ratio", "read", "written")

    def __init__(self, coding: str, ratio: int, limit: int | None) -> None:
        self._decoder = codings.DECODERS[coding]()
        self._ratio = ratio
        self._limit = limit
        self.read = self.written = 0

    def write(self, data: bytes) -> bytes:
        """What a piece stands for. Raises BodyTooLarge, BodyMalformed."""
        self.read += len(data)
        room = max(self.read * self._ratio, _FREE)
        if self._limit is not None:
            room = min(room, self._limit)
        out = self._decoder.read(data, room - self.written)
        self.written += len(out)
        return out

    def end(self) -> None:
        """Raises BodyMalformed when something is missing."""
        if not self._decoder.ended:
            raise BodyMalformed("a compressed body that ends too early")


class Decompress(Middleware):
    """Decompress request bodies for services that cannot, and responses for clients that cannot."""

    @dataclass(frozen=True, slots=True)
    class Options:
        requests: bool = option("Decompress the bodies of requests.", True)
        responses: bool = option("Decompress responses whose coding the client does not accept.", False)
        encodings: tuple[Literal["gzip", "br", "zstd"], ...] = option(
            "The codings that are read. Without it: gzip, br and zstd, where their libraries are installed.",
            (),
            example=["gzip"],
        )
        max_size: Size = option("Bytes that a request's body may become; more is 413.", 10 << 20)
        max_ratio: Annotated[int, Kind("int", 2, 10_000)] = option(
            "How many times longer a body may become, beyond its first 64 KiB; more is taken for a bomb.", 100
        )

    bodies: ClassVar[Literal["request", "response", "both"]] = "both"
    counters: ClassVar[Mapping[str, str]] = {
        "requests_decompressed": "Request bodies that were decompressed.",
        "responses_decompressed": "Responses that were decompressed.",
        "requests_unsupported": "Requests with a coding that is not read.",
        "bombs": "Bodies that became too long.",
    }

    def prepare(self) -> None:
        """Raises ValueError for a coding whose library is not there."""
        options = self.options
        self._known = options.encodings or tuple(filter(codings.is_installed, codings.DECODERS))
        for coding in self._known:
            codings.DECODERS[coding]()
        self._of_request = StateKey[Stream](f"decompress {self.name} request")
        self._of_response = StateKey[Stream](f"decompress {self.name} response")

    def on_request(self, exchange: Exchange) -> Reply | None:
        """Take the coding off, or refuse one that nobody behind would read."""
        request = exchange.request
        coding = codings.plain_name(request.headers.get("content-encoding"))
        if not self.options.requests or coding == codings.IDENTITY or not request.has_body:
            exchange.ignore_body("request")
            return None
        if coding not in self._known:
            self.worker.count("requests_unsupported")
            known = ", ".join(self._known)
            # RFC 9110 section 12.5.3: in a response the field says what requests may have.
            return Reply(
                415, f"Send the body as it is, or with one of {known}.\n", {"Accept-Encoding": known}
            )
        del request.headers["Content-Encoding"]
        exchange.state[self._of_request] = Stream(coding, self.options.max_ratio, self.options.max_size)
        return None

    def on_response(self, exchange: Exchange) -> None:
        """Take the coding off for who cannot read it."""
        coding = self._coding_to_take_off(exchange)
        if coding is None:
            exchange.ignore_body("response")
            return
        if not exchange.response.has_body:
            return  # its length is not said: GET's answer would have another one
        headers = exchange.response.headers
        del headers["Content-Encoding"]
        for name in STALE:
            headers.pop(name)
        weaken(headers)
        exchange.state[self._of_response] = Stream(coding, self.options.max_ratio, None)

    def _coding_to_take_off(self, exchange: Exchange) -> str | None:
        response = exchange.response
        coding = codings.plain_name(response.headers.get("content-encoding"))
        if not self.options.responses or coding not in self._known or response.status == 206:
            return None
        add_vary(response.headers)
        accepted = exchange.request.headers.get("accept-encoding")
        return coding if codings.weight_of(coding, accepted) == 0 else None

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes | None:
        """Decompress a piece."""
        key = self._of_request if piece.side == "request" else self._of_response
        stream = exchange.state.get(key, None)
        if stream is None:
            return None
        try:
            out = stream.write(piece.data)
        except BodyTooLarge:
            self.worker.count("bombs")
            raise
        if piece.last:
            stream.end()
            self.worker.count(f"{piece.side}s_decompressed")
        return out
