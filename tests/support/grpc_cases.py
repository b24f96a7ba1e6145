"""What gRPC has to do, by grpcio as client, against the service of programs/grpc_service.py.

Each case takes a channel and raises when something is wrong; whatever is between the channel and the
service should not be seen. `python -m support.grpc_cases ADDRESS` runs them all.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import grpc

from support.product import until

SECONDS = 20.0  # for one call
OPTIONS = [("grpc.enable_http_proxy", 0)]
Requests = queue.SimpleQueue[bytes | None]  # None is the end
STATUSES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@contextmanager
def channel_to(address: str, authority: str | None = None, name: str | None = None) -> Iterator[grpc.Channel]:
    """A channel in clear, or over TLS that trusts the authority (PEM); `name` is that of the certificate."""
    if authority is None:
        channel = grpc.insecure_channel(address, OPTIONS)
    else:
        options = [*OPTIONS, *([("grpc.ssl_target_name_override", name)] if name else [])]
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(authority.encode()), options)
    try:
        yield channel
    finally:
        channel.close()


def unary(channel: grpc.Channel, method: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """A method of one request and one response."""
    return cast("grpc.UnaryUnaryMultiCallable[bytes, bytes]", channel.unary_unary(f"/test.Service/{method}"))


def chat(channel: grpc.Channel) -> grpc.StreamStreamMultiCallable[bytes, bytes]:
    """The method of many requests and responses."""
    return cast("grpc.StreamStreamMultiCallable[bytes, bytes]", channel.stream_stream("/test.Service/Chat"))


def unary_call(channel: grpc.Channel) -> None:
    """One message each way, of every size."""
    for size in (0, 1, 1000, 70000, 3_000_000):
        assert unary(channel, "Echo")(b"x" * size, timeout=SECONDS) == b"x" * size


def metadata(channel: grpc.Channel) -> None:
    """Text and binary, before and after the message, and in the request."""
    response, call = unary(channel, "Echo").with_call(b"", timeout=SECONDS)
    assert response == b""
    before, after = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert (before["x-initial"], before["x-initial-bin"]) == ("before", b"\0\xff")
    assert (after["x-trailing"], after["x-trailing-bin"]) == ("after", b"\xff\0")
    seen = unary(channel, "Metadata")(
        b"", metadata=(("x-mine", "a"), ("x-mine", "b"), ("x-mine-bin", b"\0\1\xff")), timeout=SECONDS
    ).decode()
    assert "x-mine: 'a'\nx-mine: 'b'" in seen, seen
    assert "x-mine-bin: b'\\x00\\x01\\xff'" in seen, seen


def client_streaming(channel: grpc.Channel) -> None:
    """Many requests, one response."""
    method: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary("/test.Service/Sum")
    assert method((b"x" * size for size in range(300)), timeout=SECONDS) == b"300 44850"
    assert method(iter(()), timeout=SECONDS) == b"0 0"


def server_streaming(channel: grpc.Channel) -> None:
    """One request, many responses."""
    method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Count")
    for count, size in ((0, 10), (1, 10), (1000, 10), (100, 65536)):
        came = list(method(b"%d %d" % (count, size), timeout=SECONDS))
        assert [len(each) for each in came] == [size] * count
        assert all(each.startswith(b"%d " % number) for number, each in enumerate(came))


def bidirectional(channel: grpc.Channel) -> None:
    """Each answer comes before the next request is sent: nothing is held back on the way."""
    requests: Requests = queue.SimpleQueue()
    call = chat(channel)(iter(requests.get, None), timeout=SECONDS)
    for number in range(100):
        message = b"%d" % number * (number + 1)
        requests.put(message)
        assert next(call) == message
    requests.put(None)
    assert list(call) == []
    assert call.code() is grpc.StatusCode.OK


def statuses(channel: grpc.Channel) -> None:
    """Every status with a message, without a response (trailers only)."""
    for code in STATUSES:
        message = f"{code.name}: 100 % wrong, größer\n"
        error = _failure(unary(channel, "Fail"), f"{code.value[0]} {message}".encode())
        assert (error.code(), error.details()) == (code, message)
        assert dict(error.trailing_metadata())["x-detail-bin"] == b"\1\2\3"


def late_status(channel: grpc.Channel) -> None:
    """A status after responses."""
    method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/FailLate")
    call = method(b"9 later", timeout=SECONDS)
    came = []
    try:
        for message in call:
            came.append(message)  # noqa: PERF402 what came before the error counts
    except grpc.RpcError:
        pass
    assert came == [b"one", b"two"]
    assert (call.code(), call.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "later")


def unimplemented(channel: grpc.Channel) -> None:
    """A method that is not there."""
    assert _failure(unary(channel, "Nothing"), b"").code() is grpc.StatusCode.UNIMPLEMENTED


def deadline(channel: grpc.Channel) -> None:
    """The deadline is known to the service, and ends the call on both sides."""
    assert unary(channel, "Remaining")(b"") == b"none"
    # grpcio rounds up what it sends.
    assert 5 < float(unary(channel, "Remaining")(b"", timeout=10)) < 10.5
    before = _cancelled(channel)
    assert _failure(unary(channel, "Hang"), b"", timeout=0.2).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: _cancelled(channel) > before, "the service to notice the deadline")


def cancellation(channel: grpc.Channel) -> None:
    """A call that is cancelled ends at the service too, before its answer and in the midst of it."""
    before = _cancelled(channel)
    hanging = unary(channel, "Hang").future(b"", timeout=SECONDS)
    method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Count")
    endless = method(b"1000000000 1000", timeout=SECONDS)
    assert next(iter(endless)).startswith(b"0 ")
    endless.cancel()
    until(lambda: _cancelled(channel) > before, "the service to notice that a stream is cancelled")
    hanging.cancel()
    until(lambda: _cancelled(channel) > before + 1, "the service to notice that a call is cancelled")
    assert hanging.code() is grpc.StatusCode.CANCELLED


def many_calls(channel: grpc.Channel) -> None:
    """Many calls at once on one connection, each with its own answer."""
    calls = [unary(channel, "Echo").future(b"%d" % number, timeout=SECONDS) for number in range(300)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(300)]


def compression(channel: grpc.Channel) -> None:
    """Compressed messages pass as they are."""
    text = b"again and again " * 10000
    assert unary(channel, "Echo")(text, timeout=SECONDS, compression=grpc.Compression.Gzip) == text


def _failure(
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes], request: bytes, timeout: float = SECONDS
) -> grpc.Call:
    """The error that the call ends with."""
    try:
        response = method(request, timeout=timeout)
    except grpc.RpcError as error:
        return cast("grpc.Call", error)
    raise AssertionError(f"the call should fail, but answers {response!r}")


def _cancelled(channel: grpc.Channel) -> int:
    return int(unary(channel, "Cancelled")(b"", timeout=SECONDS))


CASES: dict[str, Callable[[grpc.Channel], None]] = {
    case.__name__: case
    for case in (
        unary_call,
        metadata,
        client_streaming,
        server_streaming,
        bidirectional,
        statuses,
        late_status,
        unimplemented,
        deadline,
        cancellation,
        many_calls,
        compression,
    )
}


def run_all(address: str, authority: str | None = None, name: str | None = None) -> None:
    """Run every case on one channel. Raises what the first that fails raises."""
    with channel_to(address, authority, name) as channel:
        for case in CASES.values():
            case(channel)


if __name__ == "__main__":
    run_all(sys.argv[1])
