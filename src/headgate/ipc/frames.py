"""A message as bytes and descriptors, and back; no sockets here.

A frame is two little-endian 32-bit numbers (length of the payload, number of descriptors) and the
payload, a JSON array of a kind and a body. Descriptors travel beside the bytes (SCM_RIGHTS), in
chunks, each on a byte of the frame they belong to, so that all have come when its last byte has.
"""

from __future__ import annotations

import json
import os
import struct
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORMAT = 1
HEADER = struct.Struct("<II")
PAYLOAD_BYTES = 16 * 1024 * 1024
DESCRIPTORS_PER_CHUNK = 200  # Linux takes at most 253 in one call


class ChannelError(Exception):
    """The peer speaks another format, sends what is no message, or does not read."""


class Message:
    """One message: its kind, its body, and the descriptors that came with it.

    The receiver owns the descriptors: it takes them or closes them.
    """

    __slots__ = ("body", "fds", "kind")

    def __init__(self, kind: str, body: dict[str, Any], fds: list[int]) -> None:
        self.kind = kind
        self.body = body
        self.fds = fds

    def take(self) -> list[int]:
        """The descriptors; closing them is now the caller's."""
        fds, self.fds = self.fds, []
        return fds

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        for fd in self.take():
            os.close(fd)

    def __repr__(self) -> str:
        return f"Message({self.kind!r}, {self.body!r}, {len(self.fds)} descriptors)"


def encode(kind: str, body: Mapping[str, Any], fds: Sequence[int] = ()) -> list[tuple[bytes, list[int]]]:
    """The message as pieces to send in order: bytes, and the descriptors to send with them."""
    chunks = [
        list(fds[at : at + DESCRIPTORS_PER_CHUNK]) for at in range(0, len(fds), DESCRIPTORS_PER_CHUNK)
    ] or [[]]
    payload = json.dumps([kind, body], separators=(",", ":")).encode().ljust(len(chunks))
    if len(payload) > PAYLOAD_BYTES:
        raise ChannelError(f"message {kind!r} has {len(payload)} bytes, at most {PAYLOAD_BYTES} can be sent")
    frame = HEADER.pack(len(payload), len(fds)) + payload
    last = len(chunks) - 1
    pieces = [(frame[at : at + 1], chunks[at]) for at in range(last)]
    pieces.append((frame[last:], chunks[last]))
    return pieces


class Decoder:
    """Turns what was received into messages, whatever the pieces it comes in."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._fds: deque[int] = deque()

    def receive(self, data: bytes, fds: Iterable[int] = ()) -> list[Message]:
        """The messages that are now complete. Raises ChannelError for what is no message."""
        self._data += data
        self._fds.extend(fds)
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if len(self._data) < HEADER.size:
            return None
        size, count = HEADER.unpack_from(self._data)
        if size > PAYLOAD_BYTES:
            raise ChannelError(f"a message of {size} bytes; at most {PAYLOAD_BYTES} can be sent")
        end = HEADER.size + size
        if len(self._data) < end:
            return None
        if count > len(self._fds):
            raise ChannelError(f"a message with {count} descriptors, of which {len(self._fds)} came")
        kind, body = _payload(bytes(self._data[HEADER.size : end]))
        del self._data[:end]
        return Message(kind, body, [self._fds.popleft() for _ in range(count)])

    def close(self) -> None:
        """Close the descriptors of a message that never became complete."""
        while self._fds:
            os.close(self._fds.popleft())


def _payload(data: bytes) -> tuple[str, dict[str, Any]]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ChannelError(f"a message that is not JSON: {error}") from None
    match value:
        case [str(kind), dict(body)]:
            return kind, body
    raise ChannelError("a message is an array of a kind and a body")
