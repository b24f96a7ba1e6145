"""The messages of grpc.health.v1, so that a listener can answer for itself and a probe can ask.

There are two messages, of one field each: HealthCheckRequest has a string `service = 1`,
HealthCheckResponse an enum `status = 1`. Other fields are passed over, as Protocol Buffers want it.
"""

from __future__ import annotations

from enum import IntEnum

CHECK_PATH = b"/grpc.health.v1.Health/Check"

# What a message of this service may take: a service name is short.
MESSAGE_LIMIT = 4096

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


class ServingStatus(IntEnum):
    """HealthCheckResponse.ServingStatus."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class MalformedMessageError(ValueError):
    """These bytes are no message of this kind."""


def encode_request(service: str = "") -> bytes:
    """A HealthCheckRequest; the empty name means the server as a whole."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def decode_request(message: bytes) -> str:
    """The service that a HealthCheckRequest asks for. Raises MalformedMessageError."""
    service = ""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            try:
                service = value.decode()
            except UnicodeDecodeError:
                raise MalformedMessageError("the service is not UTF-8") from None
    return service


def encode_response(status: ServingStatus) -> bytes:
    """A HealthCheckResponse."""
    return b"\x08" + _varint(status) if status else b""


def decode_response(message: bytes) -> ServingStatus:
    """The status in a HealthCheckResponse; one that is not known is UNKNOWN. Raises MalformedMessageError."""
    status = 0
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            status = value
    return ServingStatus(status) if status <= max(ServingStatus) else ServingStatus.UNKNOWN


def wrap(message: bytes) -> bytes:
    """The message as gRPC sends it: not compressed, with its size in front."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unwrap(body: bytes) -> bytes:
    """The only message of a body. Raises MalformedMessageError, for a compressed one too."""
    if len(body) < 5 or body[0] != 0:
        raise MalformedMessageError("the body is not one uncompressed message")
    if len(body) != 5 + int.from_bytes(body[1:5], "big"):
        raise MalformedMessageError("the body is not one message")
    return body[5:]


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Number and value of each field. Raises MalformedMessageError."""
    fields: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise MalformedMessageError(f"there is no field {number}")
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            fields.append((number, value))
            continue
        size, at = _size(kind, message, at)
        if size > len(message) - at:
            raise MalformedMessageError(f"field {number} is cut short")
        if kind == _BYTES:
            fields.append((number, message[at : at + size]))
        at += size
    return fields


def _size(kind: int, message: bytes, at: int) -> tuple[int, int]:
    """How many bytes a value has, and where it begins."""
    if kind == _BYTES:
        return _read_varint(message, at)
    if kind in {_FIXED_32, _FIXED_64}:
        return (4 if kind == _FIXED_32 else 8), at
    raise MalformedMessageError(f"there is no type {kind}")


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of at most 64 bits, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            raise MalformedMessageError("a number is cut short")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >= 1 << 64:
                break
            return number, at
    raise MalformedMessageError("a number has more than 64 bits")
