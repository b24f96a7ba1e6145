"""What a proxy has to know of gRPC (grpc/doc/PROTOCOL-HTTP2.md): deadlines, and errors in its own form."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, uint8_t


cdef extern from "scan.h" nogil:
    bint hg_equal_lower(const char* name, const char* lower, size_t size)


# Units of a timeout in nanoseconds, the finest first.
cdef struct Unit:
    char letter
    int64_t size

cdef Unit[6] UNITS = [
    Unit(c"n", 1), Unit(c"u", 1000), Unit(c"m", 1000000), Unit(c"S", 1000000000), Unit(c"M", 60000000000),
    Unit(c"H", 3600000000000),
]

cdef enum:
    MOST = 99999999         # the largest number of a timeout
    INVALID = -1


cdef bint is_grpc(const char* content_type, Py_ssize_t size) noexcept nogil:
    """Whether a content type begins with application/grpc; application/grpc-web is something else."""
    if size < 16 or not hg_equal_lower(content_type, b"application/grpc", 16):
        return False
    return size == 16 or content_type[16] in (c"+", c";", c" ", c"\t")


cdef int64_t parse_timeout(const char* text, Py_ssize_t size) noexcept nogil:
    """The nanoseconds of a grpc-timeout, or INVALID. More than 292 years count as 292."""
    cdef int64_t number = 0
    cdef Py_ssize_t i
    if not 2 <= size <= TIMEOUT_SIZE:
        return INVALID
    for i in range(size - 1):
        if not c"0" <= text[i] <= c"9":
            return INVALID
        number = number * 10 + (text[i] - c"0")
    for i in range(6):
        if UNITS[i].letter == text[size - 1]:
            return number * UNITS[i].size if number <= INT64_MAX // UNITS[i].size else INT64_MAX
    return INVALID


cdef int format_timeout(int64_t nanoseconds, char* out) noexcept nogil:
    """Write a grpc-timeout of at most TIMEOUT_SIZE bytes and return its size.

    The unit is the finest in which the number fits. It is rounded down: the server is to give up no
    later than who waits for it. There is no timeout of nothing, so that becomes the shortest.
    """
    cdef int64_t number = max(nanoseconds, 1)
    cdef char[8] digits
    cdef int unit = 0
    cdef int count = 0
    cdef int i
    while unit < 5 and number // UNITS[unit].size > MOST:
        unit += 1
    number = min(number // UNITS[unit].size, MOST)
    while number or not count:
        digits[count] = <char>(c"0" + number % 10)
        number //= 10
        count += 1
    for i in range(count):
        out[i] = digits[count - 1 - i]
    out[count] = UNITS[unit].letter
    return count + 1


cdef int64_t time_left(int64_t nanoseconds, double elapsed_seconds) noexcept nogil:
    """What is left of a timeout after some time; 0 when nothing is."""
    if elapsed_seconds <= 0:
        return nanoseconds
    if elapsed_seconds * 1e9 >= <double>nanoseconds:
        return 0
    return nanoseconds - <int64_t>(elapsed_seconds * 1e9)


cdef int parse_status(const char* text, Py_ssize_t size) noexcept nogil:
    """The number of a grpc-status, or INVALID; numbers without a name are allowed."""
    cdef int number = 0
    cdef Py_ssize_t i
    if not 1 <= size <= 9:
        return INVALID
    for i in range(size):
        if not c"0" <= text[i] <= c"9":
            return INVALID
        number = number * 10 + (text[i] - c"0")
    return number


cpdef int grpc_status_of(int http_status) noexcept nogil:
    """The status that says to gRPC what an HTTP status says (grpc/doc/http-grpc-status-mapping.md)."""
    if http_status == 400:
        return GRPC_INTERNAL
    if http_status == 401:
        return GRPC_UNAUTHENTICATED
    if http_status == 403:
        return GRPC_PERMISSION_DENIED
    if http_status == 404:
        return GRPC_UNIMPLEMENTED
    if http_status == 429 or 502 <= http_status <= 504:
        return GRPC_UNAVAILABLE
    return GRPC_UNKNOWN


cpdef bytes encode_message(bytes message):
    """A grpc-message: UTF-8, percent-encoded but for space to "~", without "%"."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(message)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(message)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, 3 * size)
    cdef char* at = PyBytes_AS_STRING(out)
    cdef const char* digits = b"0123456789ABCDEF"
    cdef Py_ssize_t i
    for i in range(size):
        if 0x20 <= data[i] <= 0x7E and data[i] != c"%":
            at[0] = <char>data[i]
            at += 1
        else:
            at[0] = c"%"
            at[1] = digits[data[i] >> 4]
            at[2] = digits[data[i] & 0x0F]
            at += 3
    return out[:at - PyBytes_AS_STRING(out)]


cpdef list trailers_only(int status, bytes message, bytes content_type=b"application/grpc"):
    """The fields of an answer of our own; its HTTP status is 200 and it has no body."""
    return [
        (b"Content-Type", content_type),
        (b"Grpc-Status", b"%d" % status),
        (b"Grpc-Message", encode_message(message)),
    ]


# For tests and tools; what serves traffic calls the functions above.

def is_grpc_type(bytes content_type not None) -> bool:
    """Whether a request with this content type is gRPC."""
    return is_grpc(PyBytes_AS_STRING(content_type), PyBytes_GET_SIZE(content_type))


def read_timeout(bytes text not None) -> int | None:
    """The nanoseconds of a grpc-timeout; None when it is malformed."""
    cdef int64_t nanoseconds = parse_timeout(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return None if nanoseconds == INVALID else nanoseconds


def write_timeout(int64_t nanoseconds) -> bytes:
    """A grpc-timeout."""
    cdef char text[TIMEOUT_SIZE]
    return text[:format_timeout(nanoseconds, text)]


def left_of_timeout(int64_t nanoseconds, double elapsed_seconds) -> int:
    """What is left of a timeout after some time."""
    return time_left(nanoseconds, elapsed_seconds)


def read_status(bytes text not None) -> int | None:
    """The number of a grpc-status; None when it is malformed."""
    cdef int number = parse_status(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return None if number == INVALID else number
