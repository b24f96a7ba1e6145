"""compress."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from headgate.middleware import Exchange, Headers, Middleware, Piece, Response, StateKey, option
from headgate.middleware.builtin import codings
from headgate.middleware.options import Kind, Size

# On a busy machine a piece takes no longer than a few milliseconds with these; slower ones are for threads.
_QUICK = {"gzip": 6, "br": 5, "zstd": 6}
_PIECE = 64 << 10
_TYPES = (
    *("text/*", "application/json", "application/*+json", "application/xml", "application/*+xml"),
    *("application/javascript", "application/wasm", "application/x-ndjson", "image/svg+xml", "image/x-icon"),
    *("font/otf", "font/ttf", "model/gltf-binary"),
)
# They speak of the bytes as they were: RFC 9530, RFC 3230, RFC 1864; and of ranges of those.
STALE = ("content-digest", "repr-digest", "digest", "content-md5", "accept-ranges")


@dataclass(frozen=True, slots=True)
class Levels:
    """How hard each coding tries."""

    gzip: Annotated[int, Kind("int", 1, 9)] = option("From 1 to 9; above 6 in threads.", 4)
    br: Annotated[int, Kind("int", 0, 9)] = option("From 0 to 9; above 5 in threads.", 4)
    zstd: Annotated[int, Kind("int", 1, 12)] = option("From 1 to 12; above 6 in threads.", 3)


class Stream:
    """One response on its way."""

    __slots__ = ("_level", "coding", "encoder", "read", "written")

    def __init__(self, coding: str, level: int) -> None:
        self.coding = coding
        self._level = level
        self.encoder: codings.Encoder | None = None
        self.read = self.written = 0

    def write(self, data: bytes, last: bool) -> bytes:
        if self.encoder is None:
            self.encoder = codings.ENCODERS[self.coding](self._level)
        out = self.encoder.end(data) if last else self.encoder.write(data)
        self.read += len(data)
        self.written += len(out)
        return out


class Compress(Middleware):
    """Compress responses for clients that can read them so, as they come."""

    @dataclass(frozen=True, slots=True)
    class Options:
        encodings: tuple[Literal["zstd", "br", "gzip"], ...] = option(
            "The codings, the best first. Without it: zstd, br, gzip, where their libraries are installed.",
            (),
            example=["br", "gzip"],
        )
        levels: Levels = option("How hard each coding tries.", Levels())
        min_size: Size = option("Responses that are known to be shorter stay as they are.", 1024)
        types: tuple[str, ...] = option(
            "Types of content, with `*` for anything: what is compressed already only costs time.", _TYPES
        )

    bodies: ClassVar[Literal["request", "response", "both"]] = "response"
    counters: ClassVar[Mapping[str, str]] = {
        "responses": "Responses that were compressed whole.",
        "bytes_in": "Bytes of these responses before.",
        "bytes_out": "Bytes of these responses behind.",
    }

    def prepare(self) -> None:
        """Raises ValueError for a coding whose library is not there."""
        options = self.options
        self._offered = options.encodings or tuple(filter(codings.is_installed, codings.ENCODERS))
        for coding in self._offered:
            codings.ENCODERS[coding](getattr(options.levels, coding))
        self._levels = {coding: getattr(options.levels, coding) for coding in self._offered}
        self._slow = {coding for coding, level in self._levels.items() if level > _QUICK[coding]}
        patterns = [re.escape(kind.lower()).replace(r"\*", "[^/]*") for kind in options.types]
        self._types = re.compile("|".join(patterns) or "(?!)")
        self._key = StateKey[Stream](f"compress {self.name}")

    def piece_size(self, side: str) -> int:  # noqa: ARG002 - it has but one
        """One piece at a time must not hold up the others."""
        return _PIECE

    def on_response(self, exchange: Exchange) -> None:
        """Choose a coding, and say so."""
        response = exchange.response
        headers = response.headers
        coding = codings.IDENTITY
        if response.status == 304:
            add_vary(headers)
            if f"W/{headers.get('etag', '')}" in exchange.request.headers.get("if-none-match", ""):
                weaken(headers)
            return  # nor is the length said that the body has uncompressed
        if self._concerns(exchange, response):
            accepted = exchange.request.headers.get("accept-encoding")
            coding = codings.chosen(self._offered, accepted)
            must = coding != codings.IDENTITY and codings.weight_of(codings.IDENTITY, accepted) == 0
            if must or self._is_worth_it(response):
                add_vary(headers)
            else:
                coding = codings.IDENTITY
        if coding != codings.IDENTITY and exchange.request.method == "HEAD":
            return  # its length is not said: GET's answer would have another one
        if coding == codings.IDENTITY or not response.has_body:
            exchange.ignore_body()
            return
        headers["Content-Encoding"] = coding
        for name in STALE:
            headers.pop(name)
        weaken(headers)
        exchange.state[self._key] = Stream(coding, self._levels[coding])

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes | Awaitable[bytes] | None:
        """Compress a piece."""
        stream = exchange.state[self._key]
        if stream.encoder is None and exchange.response.headers.get("content-encoding") != stream.coding:
            exchange.ignore_body()  # it is another response by now
            return None
        if stream.coding in self._slow:
            return self._in_thread(stream, piece)
        out = stream.write(piece.data, piece.last)
        if piece.last:
            self._count(stream)
        return out

    async def _in_thread(self, stream: Stream, piece: Piece) -> bytes:
        out = await self.worker.in_thread(stream.write, piece.data, piece.last)
        if piece.last:
            self._count(stream)
        return out

    def _count(self, stream: Stream) -> None:
        self.worker.count("responses")
        self.worker.count("bytes_in", stream.read)
        self.worker.count("bytes_out", stream.written)

    @staticmethod
    def _concerns(exchange: Exchange, response: Response) -> bool:
        """Whether the response may be compressed at all."""
        headers = response.headers
        return not (
            response.status in (204, 206, 304)
            or exchange.grpc
            or headers.get("content-encoding", codings.IDENTITY).lower() != codings.IDENTITY
            or "content-range" in headers
            or "no-transform" in headers.get("cache-control", "").lower()  # RFC 9111 section 5.2.2.6
        )

    def _is_worth_it(self, response: Response) -> bool:
        length = response.content_length
        if length is not None and length < self.options.min_size:
            return False
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self._types.fullmatch(kind) is not None


def add_vary(headers: Headers) -> None:
    """Say that the answer depends on Accept-Encoding, for caches."""
    names = headers.get("vary", "")
    if "*" not in names and "accept-encoding" not in names.lower():
        headers["Vary"] = f"{names}, Accept-Encoding" if names else "Accept-Encoding"


def weaken(headers: Headers) -> None:
    """Under a strong tag others would be taken for the bytes it stands for (RFC 9110 section 8.8.1)."""
    tag = headers.get("etag")
    if tag is not None and tag.startswith('"'):
        headers["ETag"] = f"W/{tag}"
