"""The HTTP/1 codec: RFC 9112, both sides, sans-IO.

Bytes in, events out; heads and pieces in, bytes out. It never raises for what a peer sends: a broken
peer is a violation or a reset, and nothing comes after it. It raises ProtocolError when we break
the protocol ourselves, as by sending more body than the head announced.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from headgate.core.events cimport (
    DATA, REQUEST_HEAD, RESPONSE_HEAD, TRAILERS, TUNNEL,
    Closing, Data, Event, Reset, Tunnel, Violation, new_data,
)
from headgate.core.head cimport (
    CONTENT_LENGTH, HOST, METHOD_HEAD, TRANSFER_ENCODING, Head, new_head, release_head,
)
from headgate.core.http1_head cimport (
    COMPLETE, INCOMPLETE, drop_forbidden, fault, finish_request, finish_response, read_request,
    read_response, read_trailers,
)


cdef extern from "scan.h" nogil:
    bint hg_is_hex(unsigned char c)

cdef enum:
    EXTENSION_BYTES = 16384     # all chunk extensions of a message; they are dropped, never needed
    INTERIM_RESPONSES = 32      # 1xx before a final response
    BLANK_BYTES = 16            # CRLFs before a request line (RFC 9112 section 2.2)
    HEAD_BYTES = 32768
    HEAD_FIELDS = 100


class ProtocolError(Exception):
    """We broke HTTP/1 ourselves; the connection must be given up."""


cdef class Http1:
    """What both sides share: bodies, framing, trailers, tunnels."""

    def __cinit__(self, Output output=None, uint32_t head_bytes=HEAD_BYTES,
                  int head_fields=HEAD_FIELDS, int path_policy=0):
        self.out = Output() if output is None else output
        self.head_bytes = head_bytes
        self.head_fields = head_fields

    def __dealloc__(self):
        free(self.held)

    # --- The face for Python: tests and tools ---

    def receive(self, bytes data not None, double now=0.0) -> list[Event]:
        """Events of the bytes; b"" is the end of input. Never raises for any bytes."""
        cdef list events
        cdef Event event
        if not data:
            return self.feed_end()
        events = self.feed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        for event in events:
            if event.kind == DATA:
                (<Data>event).owner = data
        return events

    def next(self) -> list[Event]:
        """Begin the next message when both directions of the last one are complete."""
        return self.next_message()

    def output(self) -> bytes:
        """The bytes to write."""
        cdef bytes result = self.out.take()
        self.lent = None
        return result

    def deadline(self) -> float | None:
        """HTTP/1 itself has no timers; whoever drives it has."""
        return None

    def send(self, Event event not None, double now=0.0) -> None:
        """Queue an event. Raises ProtocolError when it breaks the protocol."""
        cdef Data data
        if event.kind == DATA:
            data = <Data>event
            if self.lent is None:
                self.lent = []
            self.lent.append(data.owner)
            self.send_data(data.data, data.size, data.last)
        elif event.kind == TRAILERS:
            self.send_trailers(<Head>event)
        elif event.kind == TUNNEL:
            self.begin_tunnel()
        else:
            self._send_head(<Head?>event)

    # --- Reading ---

    cdef list feed(self, const char* data, Py_ssize_t size):
        """The events of `size` bytes; data events borrow them."""
        cdef list events = []
        self.read_more(data, size, events)
        return events

    cdef int read_more(self, const char* data, Py_ssize_t size, list events) except -1:
        cdef Py_ssize_t used
        cdef Py_ssize_t at = 0
        while at < size:
            if self.reading == READ_HEAD:
                used = self.read_head(data + at, size - at, events)
            elif self.reading == READ_LENGTH:
                used = size - at if size - at < self.left else self.left
                self.left -= used
                events.append(new_data(self.stream, data + at, used, self.left == 0))
                if self.left == 0:
                    self.message_read()
            elif self.reading == READ_CHUNK_DATA:
                used = size - at if size - at < self.left else self.left
                self.left -= used
                events.append(new_data(self.stream, data + at, used, False))
                if self.left == 0:
                    self.reading = READ_CHUNK_CR
            elif self.reading == READ_TO_END or self.reading == READ_TUNNEL:
                used = size - at
                events.append(new_data(self.stream, data + at, used, False))
            elif self.reading == READ_HELD:
                used = size - at
                self.hold(data + at, used)
            elif self.reading == READ_OVER:
                return 0
            elif self.reading == READ_TRAILERS:
                used = self._read_trailers(data + at, size - at, events)
            else:
                used = self.read_chunk_line(data + at, size - at, events)
            at += used
        return 0

    cdef Py_ssize_t read_head(self, const char* data, Py_ssize_t size, list events) except -1:
        """Read a head, whole from `data` when it is there, else collected in the head's own bytes."""
        cdef Head head = self.head
        cdef uint32_t before = 0
        cdef Py_ssize_t taken
        cdef int outcome
        if head is None:
            self.head = head = new_head(REQUEST_HEAD if isinstance(self, Http1Server) else RESPONSE_HEAD)
        taken = min(size, <Py_ssize_t>(self.head_bytes - head.size))
        if head.size == 0:
            outcome = self.parse(head, data, size)
            if outcome != COMPLETE:
                head.keep(data, taken)
        else:
            before = head.size
            head.keep(data, taken)
            outcome = self.parse(head, head.bytes, head.size)
        if outcome == INCOMPLETE:
            return size
        if outcome != COMPLETE:
            self.read_fault(outcome, events)
            return size
        if before == 0:
            head.keep(data, head.received)
        else:
            head.size = head.received
        self.head = None
        head.stream = self.stream
        outcome = self.judge(head)
        if outcome != COMPLETE:
            self.head = head
            self.read_fault(outcome, events)
            return size
        before = head.received - before
        self.after_head(head, events)
        return before

    cdef int parse(self, Head head, const char* data, Py_ssize_t size) except? -99:
        raise NotImplementedError

    cdef int judge(self, Head head) except? -99:
        raise NotImplementedError

    cdef int after_head(self, Head head, list events) except -1:
        raise NotImplementedError

    cdef int begin_body(self, Head head) except -1:
        """Choose how the body is read by the framing of the head."""
        if head.chunked:
            self.reading = READ_CHUNK_SIZE
            self.left = self.digits = 0
            self.extension_bytes = 0
        elif head.content_length > 0:
            self.reading = READ_LENGTH
            self.left = head.content_length
        else:
            self.message_read()
        return 0

    cdef int message_read(self) except -1:
        self.reading = READ_HELD
        return 0

    cdef int read_fault(self, int code, list events) except -1:
        cdef tuple entry = fault(code)
        return self.violate(entry[0], entry[1], events)

    cdef int violate(self, int status, str reason, list events) except -1:
        self.reading = READ_OVER
        events.append(Violation(status, reason, self.stream))
        return 0

    cdef Py_ssize_t read_chunk_line(self, const char* data, Py_ssize_t size, list events) except -1:
        """chunk-size [ chunk-ext ] CRLF, and the CRLF behind a chunk's data (RFC 9112 section 7.1).
        Stricter than the RFC: no white space behind the size but inside an extension."""
        cdef Py_ssize_t at = 0
        cdef unsigned char c
        while at < size:
            c = <unsigned char>data[at]
            at += 1
            if self.reading == READ_CHUNK_SIZE:
                if hg_is_hex(c):
                    if self.digits == 15:
                        return self._bad_chunk("chunk size too large", size, events)
                    self.digits += 1
                    self.left = self.left * 16 + (c - 48 if c <= 57 else (c | 0x20) - 87)
                elif self.digits == 0:
                    return self._bad_chunk("malformed chunk size", size, events)
                elif c == 13:
                    self.reading = READ_CHUNK_SIZE_LF
                elif c == c";":
                    self.reading = READ_CHUNK_EXTENSION
                else:
                    return self._bad_chunk("malformed chunk size", size, events)
            elif self.reading == READ_CHUNK_EXTENSION:
                self.extension_bytes += 1
                if self.extension_bytes > EXTENSION_BYTES:
                    return self._bad_chunk("chunk extensions too large", size, events)
                if c == 13:
                    self.reading = READ_CHUNK_SIZE_LF
                elif (c < 32 and c != 9) or c == 127:
                    return self._bad_chunk("control byte in a chunk extension", size, events)
            elif self.reading == READ_CHUNK_SIZE_LF:
                if c != 10:
                    return self._bad_chunk("carriage return without line feed in a chunk", size, events)
                if self.left == 0:
                    self.reading = READ_TRAILERS
                    return at
                self.reading = READ_CHUNK_DATA
                self.digits = 0
                return at
            elif self.reading == READ_CHUNK_CR:
                if c != 13:
                    return self._bad_chunk("chunk longer than its size", size, events)
                self.reading = READ_CHUNK_LF
            else:
                if c != 10:
                    return self._bad_chunk("carriage return without line feed in a chunk", size, events)
                self.reading = READ_CHUNK_SIZE
        return at

    cdef Py_ssize_t _bad_chunk(self, str reason, Py_ssize_t size, list events) except -1:
        self.violate(400, reason, events)
        return size

    cdef Py_ssize_t _read_trailers(self, const char* data, Py_ssize_t size, list events) except -1:
        """Trailer section and the final CRLF (RFC 9112 section 7.1.2)."""
        cdef Head head = self.head
        cdef uint32_t before
        cdef int outcome
        if head is None:
            self.head = head = new_head(TRAILERS)
            head.stream = self.stream
        before = head.size
        head.keep(data, min(size, <Py_ssize_t>(self.head_bytes - before)))
        outcome = read_trailers(head, head.bytes, head.size, self.head_bytes, self.head_fields)
        if outcome == INCOMPLETE:
            return size
        if outcome != COMPLETE:
            self.read_fault(outcome, events)
            return size
        before = head.received - before
        head.size = head.received
        self.head = None
        if head.number(TRANSFER_ENCODING) >= 0:
            # llhttp reads chunks once more behind it.
            self.violate(400, "Transfer-Encoding in a trailer", events)
            return size
        if head.field_count:
            drop_forbidden(head)
            head.last = True
            events.append(head)
        else:
            release_head(head)
            events.append(new_data(self.stream, NULL, 0, True))
        self.message_read()
        return before

    cdef int hold(self, const char* data, Py_ssize_t size) except -1:
        """Keep input that belongs to the next message."""
        cdef char* grown
        cdef Py_ssize_t capacity = self.held_capacity if self.held_capacity else 1024
        if self.held_size + size > self.held_capacity:
            while self.held_size + size > capacity:
                capacity *= 2
            grown = <char*>realloc(self.held, capacity)
            if grown == NULL:
                raise MemoryError()
            self.held = grown
            self.held_capacity = capacity
        memcpy(self.held + self.held_size, data, size)
        self.held_size += size
        return 0

    @property
    def held_bytes(self) -> int:
        """Input that waits for the message before it to end."""
        return self.held_size

    @property
    def kept_bytes(self) -> int:
        """Memory for input and output that the codec has now."""
        return ((0 if self.out is None else self.out.capacity) + self.held_capacity
                + (0 if self.head is None else self.head.capacity))

    cdef list next_message(self):
        """Both directions are complete: read the next head, first from input that was held. In a
        tunnel: the input that was held when it began. Data events own their bytes."""
        cdef list events = []
        cdef char* held = self.held
        cdef Py_ssize_t size = self.held_size
        if self.reading == READ_HELD:
            self.reading = READ_HEAD
            self.writing = WRITE_IDLE
            self.stream += 1
        elif self.reading != READ_TUNNEL:
            return events
        if size:
            self.held = NULL
            self.held_size = self.held_capacity = 0
            try:
                self.read_more(held, size, events)
                _own_payloads(events)
            finally:
                free(held)
        if self.input_ended:
            self.end_input(events)
        return events

    cdef list feed_end(self):
        """The peer sends no more. What is held is still read."""
        cdef list events = []
        if not self.input_ended:
            self.input_ended = True
            self.end_input(events)
        return events

    cdef int end_input(self, list events) except -1:
        """The input ended where the reader stands now."""
        if self.reading == READ_TO_END:
            self.message_read()
            events.append(new_data(self.stream, NULL, 0, True))
        elif self.reading == READ_TUNNEL:
            self.reading = READ_OVER
            events.append(new_data(self.stream, NULL, 0, True))
        elif self.reading == READ_HEAD:
            self.reading = READ_OVER
            if self.head is None or self.head.size == 0:
                events.append(Closing())
            else:
                events.append(Reset("connection closed within a head", self.stream))
        elif self.reading == READ_HELD:
            if self.held_size == 0:
                events.append(Closing())
        elif self.reading != READ_OVER:
            self.reading = READ_OVER
            events.append(Reset("connection closed within a body", self.stream))
        return 0

    # --- Writing ---

    cdef int send_fields(self, Head head) except -1:
        """The lines of a head that were not dropped, as runs of bytes."""
        cdef int i = 0
        cdef uint32_t start, end
        while i < head.field_count:
            if head.fields[i].flags:
                i += 1
                continue
            start = head.fields[i].name_start
            end = head.fields[i].line_end
            i += 1
            while (i < head.field_count and head.fields[i].name_start == end
                   and not head.fields[i].flags):
                end = head.fields[i].line_end
                i += 1
            self.out.append(head.bytes + start, end - start)
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        """A piece of the body. Large pieces are borrowed until the output is taken."""
        if self.writing == WRITE_LENGTH:
            if size > self.write_left or (last and size < self.write_left):
                raise ProtocolError("the body does not fit its Content-Length")
            self.write_left -= size
            self.out.borrow(data, size)
        elif self.writing == WRITE_CHUNKED:
            if size:
                self._chunk_size(size)
                self.out.borrow(data, size)
                self.out.append(b"\r\n", 2)
            if last:
                self.out.append(b"0\r\n\r\n", 5)
        elif self.writing == WRITE_TO_END or self.writing == WRITE_TUNNEL:
            self.out.borrow(data, size)
        elif size or self.writing != WRITE_NOTHING:
            raise ProtocolError("no body is being sent")
        if last:
            self.writing = WRITE_OVER
        return 0

    cdef int _chunk_size(self, Py_ssize_t size) except -1:
        cdef char text[20]
        cdef int at = 20
        text[19] = 10
        text[18] = 13
        at = 18
        while size:
            at -= 1
            text[at] = b"0123456789abcdef"[size & 15]
            size >>= 4
        return self.out.append(text + at, 20 - at)

    cdef int send_trailers(self, Head head) except -1:
        """The end of the body with trailers, which only chunked framing can carry."""
        if self.writing != WRITE_CHUNKED:
            return self.send_data(NULL, 0, True)
        self.out.append(b"0\r\n", 3)
        self.send_fields(head)
        self.out.append(b"\r\n", 2)
        self.writing = WRITE_OVER
        return 0

    cdef int begin_tunnel(self) except -1:
        self.writing = WRITE_TUNNEL
        return 0

    # --- Bodies that pass by: the caller moves the bytes and only says how many ---

    cdef int pass_in(self, Py_ssize_t size) except -1:
        """`size` bytes of a body with a length were read elsewhere."""
        if self.reading != READ_LENGTH or size > self.left:
            raise ProtocolError("no such body is being read")
        self.left -= size
        if self.left == 0:
            self.message_read()
        return 0

    cdef int pass_out(self, Py_ssize_t size) except -1:
        """`size` bytes of a body with a length were sent elsewhere."""
        if self.writing != WRITE_LENGTH or size > self.write_left:
            raise ProtocolError("no such body is being sent")
        self.write_left -= size
        if self.write_left == 0:
            self.writing = WRITE_OVER
        return 0

    cdef bint written(self) noexcept:
        """Whether the message that is being sent is complete."""
        return self.writing == WRITE_OVER

    def _send_head(self, Head head) -> None:
        raise NotImplementedError


cdef int _own_payloads(list events) except -1:
    """Let data events keep their bytes, because what they borrow from goes away."""
    cdef Event event
    cdef Data data
    for event in events:
        if event.kind == DATA:
            data = <Data>event
            data.owner = data.payload
            data.data = PyBytes_AS_STRING(data.owner)
    return 0


cdef class Http1Server(Http1):
    """The side that a client is connected to: reads requests, sends responses."""

    def __init__(self, Output output=None, uint32_t head_bytes=HEAD_BYTES,
                 int head_fields=HEAD_FIELDS, int path_policy=0):
        self.path_policy = path_policy

    cdef int parse(self, Head head, const char* data, Py_ssize_t size) except? -99:
        return read_request(head, data, size, self.head_bytes, self.head_fields)

    cdef int judge(self, Head head) except? -99:
        return finish_request(head, self.path_policy)

    cdef Py_ssize_t read_head(self, const char* data, Py_ssize_t size, list events) except -1:
        cdef Py_ssize_t at = 0
        if self.head is None or self.head.size == 0:
            # RFC 9112 section 2.2: empty lines before a request line are ignored.
            while at < size and (data[at] == 10 if self.blank & 1 else data[at] == 13):
                self.blank += 1
                at += 1
                if self.blank > BLANK_BYTES:
                    self.violate(400, "too many empty lines", events)
                    return size
            if at == size:
                return at
            if self.blank & 1:
                self.violate(400, "carriage return without line feed", events)
                return size
        return at + Http1.read_head(self, data + at, size - at, events)

    cdef int after_head(self, Head head, list events) except -1:
        self.blank = 0
        self.version = head.version
        self.head_only = head.method == METHOD_HEAD
        self.closing = self.last_request = not head.keep_alive
        events.append(head)
        return self.begin_body(head)

    cdef int send_response(self, Head head) except -1:
        """A response head, interim or final. Chooses the framing for this client."""
        cdef char line[16]
        cdef bint interim = 100 <= head.status < 200
        cdef bint bodyless = interim or self.head_only or head.status == 204 or head.status == 304
        if self.writing != WRITE_IDLE:
            raise ProtocolError("a response to this request is under way or complete")
        memcpy(line, b"HTTP/1.1 000 ", 13)
        line[9] = 48 + head.status // 100
        line[10] = 48 + head.status // 10 % 10
        line[11] = 48 + head.status % 10
        self.out.append(line, 13)
        self.out.append(head.reason.data, head.reason.size)
        self.out.append(b"\r\n", 2)
        if (interim or head.status == 204) and head.content_length >= 0:
            head.drop(CONTENT_LENGTH)       # RFC 9110 section 8.6
        self.send_fields(head)
        if interim:
            if head.status == 101:
                self._send_upgrade(head)
            self.out.append(b"\r\n", 2)
            return 0
        if bodyless:
            self.writing = WRITE_NOTHING
        elif head.content_length >= 0:
            self.writing = WRITE_LENGTH
            self.write_left = head.content_length
        elif self.version == 11:
            self.writing = WRITE_CHUNKED
            self.out.append(b"Transfer-Encoding: chunked\r\n", 28)
        else:
            self.writing = WRITE_TO_END
            self.closing = True
        if self.closing:
            self.out.append(b"Connection: close\r\n\r\n", 21)
        elif self.version == 10:
            self.out.append(b"Connection: keep-alive\r\n\r\n", 26)
        else:
            self.out.append(b"\r\n", 2)
        return 0

    cdef int _send_upgrade(self, Head head) except -1:
        self.out.append(b"Connection: Upgrade\r\nUpgrade: ", 30)
        self.out.append(head.upgrade.data, head.upgrade.size)
        self.out.append(b"\r\n", 2)
        self.writing = WRITE_TUNNEL
        self.reading = READ_TUNNEL
        return 0

    def _send_head(self, Head head) -> None:
        if head.kind != RESPONSE_HEAD or not 100 <= head.status <= 599:
            raise ProtocolError("a server sends responses")
        self.send_response(head)

    cdef int begin_tunnel(self) except -1:
        self.reading = READ_TUNNEL
        return Http1.begin_tunnel(self)

    cdef int violate(self, int status, str reason, list events) except -1:
        if self.reading == READ_HEAD:
            # The answer is not to the request before.
            self.head_only = False
            self.version = 11
        self.closing = True
        return Http1.violate(self, status, reason, events)

    cdef list next_message(self):
        if self.reading == READ_HELD:
            if self.writing != WRITE_OVER and self.writing != WRITE_NOTHING and not (
                    self.writing == WRITE_LENGTH and self.write_left == 0):
                raise ProtocolError("the response is not complete")
            if self.closing:
                # RFC 9112 section 9.6: what follows a last request is not read.
                self.reading = READ_OVER
                return [Closing()]
        return Http1.next_message(self)


cdef class Http1Client(Http1):
    """The side that is connected to an endpoint: sends requests, reads responses."""

    def __init__(self, Output output=None, uint32_t head_bytes=HEAD_BYTES,
                 int head_fields=HEAD_FIELDS):
        self.persistent = True
        self.reading = READ_HELD

    cdef int send_request(self, Head head) except -1:
        """A request head in origin-form or asterisk-form; its body's framing is its own."""
        if self.writing != WRITE_IDLE or self.reading != READ_HELD:
            raise ProtocolError("a request is under way on this connection")
        if not self.persistent:
            raise ProtocolError("this connection carries no further request")
        self.head_only = head.method == METHOD_HEAD
        self.asked_upgrade = head.upgrade.data != NULL
        self.asked = head.upgrade.data[:head.upgrade.size] if self.asked_upgrade else None
        self.interim = 0
        self.reading = READ_HEAD
        self.out.append(head.method_text.data, head.method_text.size)
        self.out.append(b" ", 1)
        self.out.append(head.path.data, head.path.size)
        if head.has_query:
            self.out.append(b"?", 1)
            self.out.append(head.query.data, head.query.size)
        self.out.append(b" HTTP/1.1\r\n", 11)
        self.send_fields(head)
        if head.find(HOST) == NULL:
            # RFC 9112 section 3.2: without an authority, as an HTTP/1.0 request may be, it is empty.
            self.out.append(b"Host:\r\n", 7)
        if self.asked_upgrade:
            self.out.append(b"Connection: Upgrade\r\nUpgrade: ", 30)
            self.out.append(head.upgrade.data, head.upgrade.size)
            self.out.append(b"\r\n", 2)
        elif head.te_trailers:
            self.out.append(b"Connection: TE\r\nTE: trailers\r\n", 30)
        if head.chunked:
            self.out.append(b"Transfer-Encoding: chunked\r\n\r\n", 30)
            self.writing = WRITE_CHUNKED
        elif head.content_length > 0 or (head.content_length == 0 and not head.last):
            self.out.append(b"\r\n", 2)
            self.writing = WRITE_LENGTH
            self.write_left = head.content_length
        else:
            self.out.append(b"\r\n", 2)
            self.writing = WRITE_OVER
        return 0

    cdef int parse(self, Head head, const char* data, Py_ssize_t size) except? -99:
        return read_response(head, data, size, self.head_bytes, self.head_fields)

    cdef int judge(self, Head head) except? -99:
        return finish_response(head)

    cdef int after_head(self, Head head, list events) except -1:
        if not head.keep_alive:
            self.persistent = False
        if 100 <= head.status < 200:
            return self._after_interim(head, events)
        events.append(head)
        if self.head_only or head.status == 204 or head.status == 304:
            head.last = True
            self.message_read()
        elif head.chunked or head.content_length >= 0:
            head.last = not head.chunked and head.content_length == 0
            self.begin_body(head)
        else:
            # RFC 9112 section 6.3, rule 8: up to the end of the connection.
            self.persistent = False
            self.reading = READ_TO_END
        return 0

    cdef int _after_interim(self, Head head, list events) except -1:
        self.interim += 1
        if self.interim > INTERIM_RESPONSES:
            return self.violate(400, "too many interim responses", events)
        if head.chunked or head.content_length > 0:
            # Not allowed (RFC 9110 section 8.6), and llhttp reads a body behind an unknown 1xx.
            return self.violate(400, "interim response with a body", events)
        if head.status == 101:
            # RFC 9110 section 7.8: to what was asked for, and not before the request is complete.
            if head.upgrade.data == NULL or not self._asked_for(head):
                return self.violate(400, "switched protocols unasked", events)
            if self.writing != WRITE_OVER:
                return self.violate(400, "switched protocols before the request was complete", events)
            self.persistent = False
            self.reading = READ_TUNNEL
            self.writing = WRITE_TUNNEL
            events.append(head)
            events.append(Tunnel(self.stream))
            return 0
        events.append(head)
        return 0

    cdef bint _asked_for(self, Head head) except -1:
        if not self.asked_upgrade:
            return False
        answer = head.upgrade.data[:head.upgrade.size].lower().strip()
        return answer in [name.strip() for name in self.asked.lower().split(b",")]

    cdef int hold(self, const char* data, Py_ssize_t size) except -1:
        """Bytes behind a response, or on an idle connection, belong to nobody: they never become
        another exchange's response."""
        self.persistent = False
        return 0

    cdef list next_message(self):
        """The exchange is over; the connection can carry another when it is persistent."""
        cdef list events = []
        if self.reading != READ_HELD or self.writing != WRITE_OVER:
            self.persistent = False
        self.writing = WRITE_IDLE
        self.stream += 1
        return events

    cdef int violate(self, int status, str reason, list events) except -1:
        self.persistent = False
        return Http1.violate(self, status, reason, events)

    cdef int end_input(self, list events) except -1:
        self.persistent = False
        return Http1.end_input(self, events)

    def _send_head(self, Head head) -> None:
        if head.kind != REQUEST_HEAD or head.method_text.size == 0 or head.path.size == 0:
            raise ProtocolError("a client sends requests")
        self.send_request(head)
