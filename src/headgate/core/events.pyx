"""The vocabulary of all codecs. Every event names its stream; `last` says that a message is over.

Heads and trailers are in core/head. A TCP proxy is an exchange without a head; WebSocket is a
tunnel.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t


cdef class Event:
    """Something that happened on one stream of a connection."""

    def describe(self) -> tuple:
        """The event as plain values, for tests and logs."""
        return (type(self).__name__, self.stream, self.last)

    def __repr__(self) -> str:
        return repr(self.describe())


cdef class Data(Event):
    """A piece of a body, or of a tunnel. Borrowed bytes: copy what must live longer."""

    def __init__(self, bytes payload not None=b"", int64_t stream=0, bint last=False):
        self.kind = DATA
        self.stream = stream
        self.last = last
        self.owner = payload
        self.data = PyBytes_AS_STRING(payload)
        self.size = PyBytes_GET_SIZE(payload)

    @property
    def payload(self) -> bytes:
        """A copy of the bytes."""
        return PyBytes_FromStringAndSize(self.data, self.size)

    def describe(self) -> tuple:
        return ("Data", self.stream, self.payload, self.last)


cdef class Tunnel(Event):
    """From here on opaque bytes: data events follow until each side ends."""

    def __init__(self, int64_t stream=0):
        self.kind = TUNNEL
        self.stream = stream


cdef class Credit(Event):
    """The peer can take `size` bytes more on this stream."""

    def __init__(self, Py_ssize_t size, int64_t stream=0):
        self.kind = CREDIT
        self.stream = stream
        self.size = size


cdef class Reset(Event):
    """This stream is over before its end; no data, trailers or head of it follows."""

    def __init__(self, str reason, int64_t stream=0, uint32_t code=0):
        self.kind = RESET
        self.stream = stream
        self.reason = reason
        self.code = code

    def describe(self) -> tuple:
        return ("Reset", self.stream, self.reason)


cdef class Closing(Event):
    """The peer opens no new streams."""

    def __init__(self):
        self.kind = CLOSING
        self.last_stream = -1

    def describe(self) -> tuple:
        if self.last_stream < 0:
            return ("Closing", self.stream, self.last)
        return ("Closing", self.stream, self.last_stream, self.code)


cdef class Violation(Event):
    """The peer broke the protocol. `status` is what a client is answered; `reason` says why."""

    def __init__(self, int status, str reason, int64_t stream=0):
        self.kind = VIOLATION
        self.stream = stream
        self.status = status
        self.reason = reason
        self.last = True

    def describe(self) -> tuple:
        return ("Violation", self.stream, self.status, self.reason)


cdef Data new_data(int64_t stream, const char* data, Py_ssize_t size, bint last):
    cdef Data event = Data.__new__(Data)
    event.kind = DATA
    event.stream = stream
    event.data = data
    event.size = size
    event.last = last
    return event


cdef Violation new_violation(int64_t stream, int status, str reason):
    return Violation(status, reason, stream)


cdef Reset new_reset(int64_t stream, str reason, uint32_t code, bint ours, bint unprocessed):
    cdef Reset event = Reset(reason, stream, code)
    event.ours = ours
    event.unprocessed = unprocessed
    return event


cdef Closing new_closing(uint32_t code, int64_t last_stream):
    cdef Closing event = Closing()
    event.code = code
    event.last_stream = last_stream
    return event
