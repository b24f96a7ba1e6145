"""Content codings (RFC 9110 section 8.4): who accepts which, and streams that write and read them.

gzip is Python's zlib; br and zstd come from the libraries brotli and zstandard, which are loaded when a
middleware needs them.
"""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from headgate.middleware import BodyMalformed, BodyTooLarge

IDENTITY = "identity"
_LIBRARIES = {"br": "brotli", "zstd": "zstandard"}
_ALIASES = {"x-gzip": "gzip"}
# What a stream keeps to look back at: more makes text but little smaller, and each stream larger.
_WINDOW_BITS = 18
_MOST_WINDOW = 8 << 20  # of zstd, see RFC 9659
_GZIP = zlib.MAX_WBITS | 16
# No piece of compressed data so long is more than 8 MiB of zeros.
_STEP = 256

_item = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def library_of(coding: str) -> Any:
    """The library of a coding. Raises ValueError when it is not installed."""
    try:
        return importlib.import_module(_LIBRARIES[coding])
    except ImportError:
        name = _LIBRARIES[coding]
        raise ValueError(f"{coding} needs the library {name}: install headgate[{name}]") from None


def is_installed(coding: str) -> bool:
    """Whether a coding can be used."""
    if coding not in _LIBRARIES:
        return True
    try:
        library_of(coding)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def weights(accepted: str) -> dict[str, float]:
    """The codings in a field Accept-Encoding (RFC 9110 section 12.5.3) with their weights. What is no item of
    it is left out.
    """
    found: dict[str, float] = {}
    for part in accepted.split(","):
        if matched := _item.fullmatch(part):
            name = matched[1].lower()
            found.setdefault(_ALIASES.get(name, name), float(matched[2] or 1))
    return found


def plain_name(field: str | None) -> str:
    """The coding in a field Content-Encoding, as it stands here; several stay a list that is none."""
    name = (field or IDENTITY).strip().lower()
    return _ALIASES.get(name, name)


def weight_of(coding: str, accepted: str | None) -> float:
    """How much a client wants a coding; 0: not at all. Without the field nothing is known, and nothing is
    sent that some could not read.
    """
    if accepted is None:
        return float(coding == IDENTITY)
    known = weights(accepted)
    if coding in known:
        return known[coding]
    if "*" in known:
        return known["*"]
    return float(coding == IDENTITY)


def chosen(offered: Sequence[str], accepted: str | None) -> str:
    """The coding for a client: of those that it wants most the first that is `offered`, or identity."""
    best, most = IDENTITY, 0.0
    for coding in offered:
        weight = weight_of(coding, accepted)
        if weight > most:
            best, most = coding, weight
    if accepted is not None and weights(accepted).get(IDENTITY, 0.0) > most:
        return IDENTITY
    return best


# --- Writing ---


class Encoder(Protocol):
    """Writes one body."""

    def write(self, data: bytes) -> bytes:
        """As much as can be read by now stands for `data`."""

    def end(self, data: bytes) -> bytes:
        """The rest, with `data` as its last part."""


class GzipEncoder:
    """gzip (RFC 1952)."""

    def __init__(self, level: int) -> None:
        self._stream = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def write(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush()


class BrotliEncoder:
    """br (RFC 7932)."""

    def __init__(self, level: int) -> None:
        self._stream = library_of("br").Compressor(quality=level, lgwin=_WINDOW_BITS)

    def write(self, data: bytes) -> bytes:
        out: bytes = self._stream.process(data) + self._stream.flush()
        return out

    def end(self, data: bytes) -> bytes:
        out: bytes = self._stream.process(data) + self._stream.finish()
        return out


class ZstdEncoder:
    """zstd (RFC 8878)."""

    def __init__(self, level: int) -> None:
        library = library_of("zstd")
        parameters = library.ZstdCompressionParameters.from_level(level, window_log=_WINDOW_BITS)
        self._stream = library.ZstdCompressor(compression_params=parameters).compressobj()
        self._flush_block: int = library.COMPRESSOBJ_FLUSH_BLOCK

    def write(self, data: bytes) -> bytes:
        out: bytes = self._stream.compress(data) + self._stream.flush(self._flush_block)
        return out

    def end(self, data: bytes) -> bytes:
        out: bytes = self._stream.compress(data) + self._stream.flush()
        return out


ENCODERS: dict[str, Callable[[int], Encoder]] = {
    "zstd": ZstdEncoder,
    "br": BrotliEncoder,
    "gzip": GzipEncoder,
}


# --- Reading ---


class Decoder(Protocol):
    """Reads one body; never gives much more at a time than `room` says."""

    @property
    def ended(self) -> bool:
        """Whether the data came to their end."""

    def read(self, data: bytes, room: int) -> bytes:
        """What `data` stand for. Raises BodyMalformed, and BodyTooLarge for more than `room` bytes."""


class GzipDecoder:
    """gzip, of one or more members."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._begun = False

    @property
    def ended(self) -> bool:
        return self._stream.eof or not self._begun

    def read(self, data: bytes, room: int) -> bytes:
        parts = []
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                part = self._stream.decompress(data, room + 1)
            except zlib.error as error:
                raise BodyMalformed(f"a body that is not gzip: {error}") from None
            parts.append(part)
            room -= len(part)
            if room < 0:
                raise BodyTooLarge("the body becomes too long when it is decompressed")
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return b"".join(parts)


class BrotliDecoder:
    """br."""

    def __init__(self) -> None:
        self._library = library_of("br")
        self._stream = self._library.Decompressor()
        self._begun = False

    @property
    def ended(self) -> bool:
        return not self._begun or self._stream.is_finished()

    def read(self, data: bytes, room: int) -> bytes:
        parts = []
        self._begun |= bool(data)
        try:
            while data or not self._stream.can_accept_more_data():
                part = self._stream.process(data, output_buffer_limit=max(room, 0) + 1)
                data = b""
                parts.append(part)
                room -= len(part)
                if room < 0:
                    raise BodyTooLarge("the body becomes too long when it is decompressed")
        except self._library.error as error:
            raise BodyMalformed(f"a body that is not br: {error}") from None
        return b"".join(parts)


class ZstdDecoder:
    """zstd, of one or more frames."""

    def __init__(self) -> None:
        self._library = library_of("zstd")
        self._stream = self._new()
        self._begun = False

    def _new(self) -> Any:
        return self._library.ZstdDecompressor(max_window_size=_MOST_WINDOW).decompressobj()

    @property
    def ended(self) -> bool:
        return self._stream.eof or not self._begun

    def read(self, data: bytes, room: int) -> bytes:
        parts = []
        for start in range(0, len(data), _STEP):
            self._begun = True
            left = data[start : start + _STEP]
            while left:
                if self._stream.eof:
                    self._stream = self._new()
                try:
                    part = self._stream.decompress(left)
                except self._library.ZstdError as error:
                    raise BodyMalformed(f"a body that is not zstd: {error}") from None
                parts.append(part)
                room -= len(part)
                if room < 0:
                    raise BodyTooLarge("the body becomes too long when it is decompressed")
                left = self._stream.unused_data if self._stream.eof else b""
        return b"".join(parts)


DECODERS: dict[str, Callable[[], Decoder]] = {"zstd": ZstdDecoder, "br": BrotliDecoder, "gzip": GzipDecoder}
