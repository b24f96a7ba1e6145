"""Streams of HTTP/2 (RFC 9113 section 5): states, windows, and what waits to be sent on them."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memset

cdef enum:
    URGENCY = 3                 # RFC 9218 section 4.1


cdef Stream new_stream(int64_t number, int64_t send_window, int64_t receive_window):
    cdef Stream stream = Stream.__new__(Stream)
    stream.number = number
    stream.content_left = -1
    stream.send_window = send_window
    stream.receive_window = stream.window_size = receive_window
    stream.urgency = URGENCY
    return stream


@cython.final
@cython.freelist(256)
cdef class Stream:
    """One stream of one connection, as the codec knows it."""

    cdef int hold(self, const char* data, Py_ssize_t size) except -1:
        """Copy bytes behind what waits already."""
        if size == 0:
            return 0
        if self.queue is None:
            self.queue = []
        self.queue.append(PyBytes_FromStringAndSize(data, size))
        self.queued += size
        return 0

    cdef void drop_queue(self) noexcept:
        self.queue = None
        self.queued = self.queue_offset = 0
        self.trailers = None
        self.end_queued = False


@cython.final
cdef class ClosedStreams:
    """The last streams that were closed, and how: what comes for them is judged by that."""

    def __cinit__(self):
        memset(self.numbers, 0, sizeof(self.numbers))

    cdef void remember(self, int64_t number, int end) noexcept:
        self.numbers[self.next] = number
        self.ends[self.next] = end
        self.next = (self.next + 1) % REMEMBERED

    cdef int end_of(self, int64_t number) noexcept:
        """A StreamEnd."""
        cdef int i
        for i in range(REMEMBERED):
            if self.numbers[i] == number:
                return self.ends[i]
        return NEVER_WAS


cdef int read_priority(Stream stream, const char* data, Py_ssize_t size) noexcept:
    """The value of a Priority field (RFC 9218 section 4): `u` and `i` of a structured dictionary. What
    cannot be read is ignored, and the defaults hold."""
    cdef const char* p = data
    cdef const char* end = data + size
    cdef const char* key
    cdef const char* value
    cdef int urgency = URGENCY
    cdef bint incremental = False
    while p < end:
        while p < end and (p[0] == 32 or p[0] == 9 or p[0] == c","):
            p += 1
        key = p
        while p < end and p[0] != c"," and p[0] != c"=" and p[0] != c";":
            p += 1
        value = NULL
        if p < end and p[0] == c"=":
            p += 1
            value = p
        if p - key >= 1 and key[0] == c"u" and value == key + 2 and value < end and c"0" <= value[0] <= c"7":
            urgency = value[0] - 48
        elif key < end and key[0] == c"i" and (value == NULL and (p == key + 1) or value == key + 2):
            incremental = value == NULL or value + 1 < end and value[0] == c"?" and value[1] == c"1"
        while p < end and p[0] != c",":
            p += 1
    stream.urgency = urgency
    stream.incremental = incremental
    return 0
