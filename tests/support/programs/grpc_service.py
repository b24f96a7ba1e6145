"""A gRPC service: `python -m support.programs.grpc_service PORT [CERTIFICATE KEY]`.

Messages are plain bytes, so that nothing has to be generated. Its methods, all of them of test.Service:

Echo       unary             the request; initial and trailing metadata, text and binary
Metadata   unary             what the call's metadata says, one entry a line
Remaining  unary             seconds until the deadline, or "none"
Hang       unary             nothing until the call is over
Cancelled  unary             how many calls of Hang and Count ended before their answer did
Fail       unary             "CODE MESSAGE" is the status that the call ends with
Sum        client streaming  "COUNT BYTES" of the requests
Count      server streaming  "COUNT SIZE" asks for so many messages of that size
FailLate   server streaming  two messages, then the status that "CODE MESSAGE" names
Chat       bidirectional     each request as it comes

And grpc.health.v1.Health/Check: everything serves but the service "broken".
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

Context = grpc.ServicerContext
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Cancellations:
    """How many calls ended before their answer."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def add(self) -> None:
        """One more."""
        with self.lock:
            self.count += 1


CANCELLED = Cancellations()


def echo(request: bytes, context: Context) -> bytes:
    """The request, between metadata."""
    context.send_initial_metadata((("x-initial", "before"), ("x-initial-bin", b"\0\xff")))
    context.set_trailing_metadata((("x-trailing", "after"), ("x-trailing-bin", b"\xff\0")))
    return request


def metadata(_request: bytes, context: Context) -> bytes:
    """What the call said."""
    return "\n".join(f"{key}: {value!r}" for key, value in context.invocation_metadata()).encode()


def remaining(_request: bytes, context: Context) -> bytes:
    """How much time there is."""
    left: float | None = context.time_remaining()  # the stubs do not know of None
    # Without a deadline grpcio gives one that is centuries away.
    return f"{left:.3f}".encode() if left is not None and left < 1e8 else b"none"


def hang(_request: bytes, context: Context) -> bytes:
    """No answer until nobody waits for it."""
    over = threading.Event()
    if context.add_callback(over.set):
        over.wait()
    CANCELLED.add()
    return b""


def cancelled(_request: bytes, _context: Context) -> bytes:
    """How many ended early."""
    return str(CANCELLED.count).encode()


def fail(request: bytes, context: Context) -> bytes:
    """A status, without an answer."""
    code, _, message = request.decode().partition(" ")
    context.set_trailing_metadata((("x-detail-bin", b"\1\2\3"),))
    context.abort(CODES[int(code)], message)


def sum_up(requests: Iterator[bytes], _context: Context) -> bytes:
    """How much came."""
    sizes = [len(request) for request in requests]
    return f"{len(sizes)} {sum(sizes)}".encode()


def count(request: bytes, context: Context) -> Iterator[bytes]:
    """As many as were asked for."""
    number, size = map(int, request.split())
    ended = False

    def note() -> None:
        if not ended:
            CANCELLED.add()

    context.add_callback(note)
    for each in range(number):
        yield (b"%d " % each).ljust(size, b".")[:size]
    ended = True


def fail_late(request: bytes, context: Context) -> Iterator[bytes]:
    """A status, after some answers."""
    yield b"one"
    yield b"two"
    fail(request, context)


def chat(requests: Iterator[bytes], _context: Context) -> Iterator[bytes]:
    """An answer to each."""
    yield from requests


def check(request: bytes, context: Context) -> bytes:
    """The messages of grpc.health.v1, as bytes: SERVING is 1, NOT_SERVING 2."""
    if request == b"\x0a\x07unknown":
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return b"\x08\x02" if request == b"\x0a\x06broken" else b"\x08\x01"


SERVICE: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Metadata": grpc.unary_unary_rpc_method_handler(metadata),
    "Remaining": grpc.unary_unary_rpc_method_handler(remaining),
    "Hang": grpc.unary_unary_rpc_method_handler(hang),
    "Cancelled": grpc.unary_unary_rpc_method_handler(cancelled),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Sum": grpc.stream_unary_rpc_method_handler(sum_up),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
HEALTH: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Check": grpc.unary_unary_rpc_method_handler(check)}


def main(port: int, *pair: str) -> None:
    """Serve for ever."""
    server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("test.Service", SERVICE),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", HEALTH),
        )
    )
    address = f"127.0.0.1:{port}"
    if pair:
        certificate, key = (Path(name).read_bytes() for name in pair)
        server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
