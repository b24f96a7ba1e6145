"""Hooks of middlewares, on the head of a browser's request that is put back after each round."""

import re
import time
import zlib

from libc.stdint cimport uint32_t

from headgate.core.head cimport DROPPED, TOKENS, Head
from headgate.core.http1 cimport Http1Server

from headgate.middleware import Middleware
from headgate.middleware.exchange cimport Exchange
from headgate.middleware.builtin.compress import Stream
from headgate.middleware.resolution import class_of
from headgate.testing.trial import TrialWorker

from benchmarks.routes import Mix

PIECES = [
    b"".join(b'{"number": %d, "name": "article %d", "price": %d.99},\n' % (n, n * 7 % 1000, n % 89) for n in range(at, at + 300))
    for at in range(0, 4800, 300)
]
SECRET = "a secret of thirty-two bytes, or more"


class Mark(Middleware):
    """As people write them."""

    def on_request(self, exchange):
        exchange.request.headers["x-mark"] = "seen"


cdef class PlayedExchange(Exchange):
    """Compiled, as a worker's are."""
    cdef bytes address
    cdef public str user

    def __init__(self):
        self.address = b"192.0.2.1"

    @property
    def client(self) -> str:
        return self.address.decode("latin-1")


cdef class Played:
    """One hook and one exchange."""
    cdef Head head
    cdef object exchange, hook
    cdef uint32_t size
    cdef int fields

    def __init__(self, kind, options, headers=b"", hook="on_request"):
        request = re.sub(rb"Authorization: [^\r]*\r\n", b"", next(iter(Mix(5).requests(1))).encode())
        self.head = <Head?>Http1Server().receive(request.replace(b"\r\n\r\n", b"\r\n" + headers + b"\r\n", 1))[0]
        self.size = self.head.size
        self.fields = self.head.field_count
        self.exchange = PlayedExchange()
        self.exchange.trial_request(self.head)
        self.exchange.trial_response(self.head)
        middleware = kind("played", kind.Options(**options), TrialWorker())
        middleware.on_request(self.exchange)
        self.put_back()
        self.hook = getattr(middleware, hook)

    cdef int play(self, Py_ssize_t rounds) except -1:
        cdef Py_ssize_t i
        for i in range(rounds):
            outcome = self.hook(self.exchange)
            if outcome is not None:
                raise RuntimeError(f"the request was refused: {getattr(outcome, 'body', outcome)}")
            self.put_back()
        return 0

    cdef void put_back(self) noexcept:
        cdef int i
        self.head.size = self.size
        self.head.field_count = self.fields
        for i in range(self.fields):
            self.head.fields[i].flags &= ~DROPPED
        for i in range(<int>TOKENS):
            if self.head.first[i] >= self.fields:
                self.head.first[i] = -1


def _token():
    import jwt

    return jwt.encode({"sub": "ann", "exp": int(time.time()) + 86400}, SECRET, "HS256")


def _secret():
    from headgate.spec import Secret

    return Secret(SECRET)


cdef Played mark = Played(Mark, {})
cdef dict often = {"rate": 1e9, "burst": 1000000000, "key": ("client_ip",)}
cdef Played limit = Played(class_of("rate_limit"), often)
cdef Played left = Played(class_of("rate_limit"), often, hook="on_response")
cdef object token = _token()
cdef Played known = Played(class_of("jwt"), {"secret": _secret(), "algorithms": ("HS256",)},
                           b"Authorization: Bearer " + token.encode() + b"\r\n")


def case_python_middleware(Py_ssize_t rounds) -> None:
    mark.play(rounds)


def case_rate_limit(Py_ssize_t rounds) -> None:
    limit.play(rounds)


def case_rate_limit_fields(Py_ssize_t rounds) -> None:
    left.play(rounds)


def case_jwt_known(Py_ssize_t rounds) -> None:
    known.play(rounds)


def case_jwt_new(Py_ssize_t rounds) -> None:
    remembered = known.hook.__self__._known
    for _ in range(rounds):
        remembered.clear()
        known.play(1)


def case_jwt_library(Py_ssize_t rounds) -> None:
    import jwt

    for _ in range(rounds):
        jwt.decode(token, SECRET, algorithms=["HS256"])


def case_compress(Py_ssize_t rounds) -> None:
    for _ in range(rounds):
        stream = Stream("gzip", 4)
        for number, piece in enumerate(PIECES, 1):
            stream.write(piece, number == len(PIECES))


def case_compress_library(Py_ssize_t rounds) -> None:
    for _ in range(rounds):
        encoder = zlib.compressobj(4, zlib.DEFLATED, 31)
        for number, piece in enumerate(PIECES, 1):
            encoder.compress(piece)
            encoder.flush(zlib.Z_FINISH if number == len(PIECES) else zlib.Z_SYNC_FLUSH)


CASES = {
    "a Python middleware that sets a field": case_python_middleware,
    "rate_limit: a request": case_rate_limit,
    "rate_limit: what is left, in fields of the response": case_rate_limit_fields,
    "jwt: a token that was seen before": case_jwt_known,
    "jwt: a token for the first time": case_jwt_new,
    "jwt: its library alone": case_jwt_library,
    "compress: 256 KiB with gzip": case_compress,
    "compress: its library alone": case_compress_library,
}
