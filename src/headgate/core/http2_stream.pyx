"""Streams of HTTP/2 (RFC 9113 section 5): states, windows, and what waits to be sent on them."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc

cdef enum:
    REMEMBERED = 128            # of streams that ended, and again of those that were reset
    REMEMBERED_AT_FIRST = 8     # most connections never have many
    URGENCY = 3                 # RFC 9218 section 4.1
    JOINED_BYTES = 4096         # small pieces of a queue are joined, so that they do not become small frames


cdef Stream new_stream(int64_t number, int64_t send_window, int64_t receive_window):
    cdef Stream stream = Stream.__new__(Stream)
    stream.number = number
    stream.content_left = stream.promised = -1
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
        cdef bytes last
        cdef Py_ssize_t count
        self.queued += size
        if self.queue is None:
            self.queue = []
        count = len(self.queue)
        if count > 1 and size < JOINED_BYTES:
            last = self.queue[count - 1]
            if PyBytes_GET_SIZE(last) < JOINED_BYTES:
                self.queue[count - 1] = last + data[:size]
                return 0
        self.queue.append(PyBytes_FromStringAndSize(data, size))
        return 0

    cdef void drop_queue(self) noexcept:
        self.queue = None
        self.queued = self.queue_offset = 0
        self.trailers = None
        self.end_queued = False


@cython.final
cdef class ClosedStreams:
    """The last streams that were closed, and how: what comes for them is judged by that. Those that were
    reset, for which frames may be on their way, are not pushed out by those that ended well."""

    def __dealloc__(self):
        free(self.ended.keys)
        free(self.reset.keys)

    cdef int remember(self, int64_t number, int end) except -1:
        if end == ENDED:
            return _put(&self.ended, <uint32_t>number)
        return _put(&self.reset, 2 * <uint32_t>number + (end == RESET_BY_US))

    cdef int end_of(self, int64_t number) noexcept:
        """A StreamEnd."""
        cdef int i
        for i in range(self.ended.count):
            if self.ended.keys[i] == <uint32_t>number:
                return ENDED
        for i in range(self.reset.count):
            if self.reset.keys[i] >> 1 == <uint32_t>number:
                return RESET_BY_US if self.reset.keys[i] & 1 else RESET_BY_PEER
        return NEVER_WAS


cdef int _put(Ring* ring, uint32_t key) except -1:
    cdef uint32_t* grown
    if ring.count == ring.capacity and ring.count < REMEMBERED:
        ring.capacity = 2 * ring.capacity if ring.capacity else REMEMBERED_AT_FIRST
        grown = <uint32_t*>realloc(ring.keys, ring.capacity * sizeof(uint32_t))
        if grown == NULL:
            raise MemoryError()
        ring.keys = grown
    ring.keys[ring.next] = key
    ring.count = max(ring.count, ring.next + 1)
    ring.next = (ring.next + 1) % REMEMBERED
    return 0


cdef int read_priority(Stream stream, const char* data, Py_ssize_t size) noexcept:
    """The value of a Priority field (RFC 9218 section 4): a dictionary of RFC 8941 of which `u` and `i` are
    known. What is no dictionary changes nothing; a member of another type or out of range is ignored."""
    cdef const char* p = data
    cdef const char* end = data + size
    cdef const char* key
    cdef const char* value
    cdef int urgency = URGENCY
    cdef bint incremental = False
    cdef bint quoted
    while p < end:
        while p < end and (p[0] == 32 or p[0] == 9):
            p += 1
        key = p
        while p < end and (c"a" <= p[0] <= c"z" or c"0" <= p[0] <= c"9" or p[0] == c"_" or p[0] == c"-"
                           or p[0] == c"." or p[0] == c"*"):
            p += 1
        if p == key or c"0" <= key[0] <= c"9":
            return 0
        value = p
        quoted = False
        while p < end and (quoted or p[0] != c","):
            if p[0] == c'"':
                quoted = not quoted
            elif p[0] == c"\\" and quoted and p + 1 < end:
                p += 1
            p += 1
        if quoted:
            return 0
        if value - key == 1 and key[0] == c"u":
            urgency = _urgency(value, p, urgency)
        elif value - key == 1 and key[0] == c"i":
            incremental = _switch(value, p, incremental)
        if p < end:
            p += 1
            if p == end:
                return 0                # a comma with nothing behind it
    stream.urgency = urgency
    stream.incremental = incremental
    return 0


cdef inline Py_ssize_t _item(const char* value, const char* end) noexcept:
    """Bytes of an item without its parameters."""
    cdef Py_ssize_t size = 0
    while value + size < end and value[size] != c";" and value[size] != 32 and value[size] != 9:
        size += 1
    return size


cdef int _urgency(const char* value, const char* end, int otherwise) noexcept:
    if _item(value, end) == 2 and value[0] == c"=" and c"0" <= value[1] <= c"7":
        return value[1] - 48
    return otherwise


cdef bint _switch(const char* value, const char* end, bint otherwise) noexcept:
    cdef Py_ssize_t size = _item(value, end)
    if size == 0:
        return True
    if size == 3 and value[0] == c"=" and value[1] == c"?" and c"0" <= value[2] <= c"1":
        return value[2] == c"1"
    return otherwise
