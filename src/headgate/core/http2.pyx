"""The HTTP/2 codec: RFC 9113, both sides, sans-IO.

Bytes in, events out; heads and pieces in, bytes out. It never raises for what a peer sends: who breaks
the rules of a stream loses the stream, who breaks those of the connection gets GOAWAY with the code that
the RFC names, and nothing comes after it. What a window or the room in the socket does not let out is
copied into the stream's queue, and pump() decides whose bytes go next (RFC 9218).
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp, memcpy

from headgate.core.events cimport (
    DATA, REQUEST_HEAD, RESPONSE_HEAD, TRAILERS, Credit, Data, Event, Violation, new_closing, new_data,
    new_reset,
)
from headgate.core.head cimport (
    CONTENT_LENGTH, METHOD_CONNECT, METHOD_HEAD, PRIORITY, Field, Head, new_head, release_head,
)
from headgate.core.hpack cimport DECODED, HPACK_BROKEN, HPACK_TOO_LARGE, HpackDecoder, HpackEncoder
from headgate.core.http1_head cimport drop_forbidden
from headgate.core.http2_abuse cimport (
    CONTINUATIONS, EMPTY_FRAMES, GOAWAYS, LARGE_HEADS, PINGS, PRIORITIES, RAPID_RESETS, REFUSED_STREAMS,
    SETTINGS_CHANGES, TINY_WINDOWS, UNKNOWN_FRAMES, WINDOW_UPDATES, Tolerance,
)
from headgate.core.http2_frames cimport *
from headgate.core.http2_head cimport (
    GOOD, MALFORMED, Verdict, judge_request, judge_response, judge_trailers, write_fields, write_request,
    write_response,
)
from headgate.core.http2_stream cimport (
    ENDED, NEVER_WAS, RESET_BY_PEER, RESET_BY_US, ClosedStreams, Stream, new_stream, read_priority,
)
from headgate.core.output cimport Output

from headgate.core.http2_abuse import Abuse

cdef enum:
    HEAD_BYTES = 32768
    HEAD_FIELDS = 100
    PSEUDO_FIELDS = 6           # on top of the fields that are counted
    MAX_STREAMS = 100
    WINDOW_BYTES = 65536
    BUDGET_BYTES = 16777216
    ROOM_BYTES = 131072
    STREAMS_AT_FIRST = 100      # that a server is taken to allow before it says so (RFC 9113 section 6.5.2)
    INTERIM_RESPONSES = 32
    EARLY_PRIORITIES = 16
    CRUMB_BYTES = 256           # a window smaller than this makes crumbs of a body
    FAIR_TURN = 8               # one turn in so many is of the stream that has waited longest

cdef const char* PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
cdef enum:
    PREFACE_BYTES = 24
cdef const char* PROBE = b"headgate"


class Http2ProtocolError(Exception):
    """We broke HTTP/2 ourselves; the connection must be given up."""


cdef class Http2:
    """What both sides share: frames, streams, windows, queues."""

    def __init__(self, *, Py_ssize_t max_streams=MAX_STREAMS, int64_t window_bytes=WINDOW_BYTES,
                 int64_t budget_bytes=BUDGET_BYTES, uint32_t head_bytes=HEAD_BYTES,
                 int head_fields=HEAD_FIELDS, int path_policy=0):
        self.max_streams = max_streams
        self.window_bytes = window_bytes
        # The connection's own window cannot be made smaller than it begins (section 6.9.2).
        self.budget_bytes = min(max(budget_bytes, max(window_bytes, <int64_t>DEFAULT_WINDOW)), <int64_t>MOST_WINDOW)
        self.head_bytes = head_bytes
        self.head_fields = head_fields
        self.path_policy = path_policy
        self.decoder = HpackDecoder()
        self.encoder = HpackEncoder()
        self.tolerance = Tolerance()
        self.closed = ClosedStreams()
        self.streams = {}
        self.waiting = []
        self.room = self.usual_room = ROOM_BYTES
        self.in_head = True
        self.send_window = self.peer_window = DEFAULT_WINDOW
        self.receive_window = DEFAULT_WINDOW
        self.target_window = window_bytes
        self.excess = max(0, DEFAULT_WINDOW - window_bytes)

    # --- The face for Python: tests and tools ---

    def begin(self) -> None:
        """Queue what a side says first."""
        if self.out is None:
            self.out = Output()
        self.start()

    def receive(self, bytes data not None, double now=0.0) -> list[Event]:
        """Events of the bytes; b"" is the end of input. Never raises for any bytes."""
        cdef Event event
        if self.out is None:
            self.out = Output()
        if now:
            self.now = now
        if not data:
            return self.feed_end()
        events = self.feed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        for event in events:
            if event.kind == DATA:
                (<Data>event).owner = data
        return events

    def output(self) -> bytes:
        """The bytes to write."""
        cdef bytes result = b"" if self.out is None else self.out.take()
        self.lent = None
        self.room = self.usual_room
        return result

    def send(self, Event event not None, stream: int = 0) -> None:
        """Queue an event, on `stream` or its own. Raises Http2ProtocolError when we break the protocol."""
        cdef int64_t number = stream or event.stream
        cdef Data data
        if self.out is None:
            self.out = Output()
        if event.kind == DATA:
            data = <Data>event
            if self.lent is None:
                self.lent = []
            self.lent.append(data.owner)
            self.send_data(number, data.data, data.size, event.last)
        elif event.kind == TRAILERS:
            self.send_trailers(number, <Head>event)
        else:
            self.send_head(number, <Head?>event, event.last)

    def reset(self, int64_t stream, uint32_t code) -> None:
        self.send_reset(stream, code)

    def take(self, int64_t stream, Py_ssize_t size) -> None:
        """The consumer took so many bytes of received data."""
        self.consumed(stream, size)

    def go_on(self, Py_ssize_t room=ROOM_BYTES) -> list[Event]:
        """Send what waits, in order of priority."""
        events = []
        if self.out is None:
            self.out = Output()
        self.pump(events, room)
        return events

    def leave(self, uint32_t code=0, bytes why not None=b"") -> None:
        self.close(code, why)

    def announce_end(self) -> None:
        """The first step of a graceful end."""
        self.drain()

    def settle_end(self) -> None:
        """The second step: nothing behind what came so far is taken."""
        self.finish_drain()

    def set_room(self, room: int) -> None:
        """Bytes of bodies that may go straight out."""
        self.room = self.usual_room = room

    def waits(self, int64_t stream) -> int:
        """Bytes in the queue of a stream."""
        return self.queued(stream)

    @property
    def kept_bytes(self) -> int:
        """Memory for input and output that the codec has now."""
        cdef Stream stream
        cdef Py_ssize_t size = 0
        for stream in self.streams.values():
            size += stream.queued
        for part in (self.payload, self.block):
            size += 0 if part is None else len(part)
        return size + (0 if self.out is None else self.out.capacity)

    # --- Streams ---

    cdef Stream find(self, int64_t number):
        cdef Stream stream = self.found
        if stream is not None and stream.number == number:
            return stream
        stream = self.streams.get(number)
        if stream is not None:
            self.found = stream
        return stream

    cdef Stream add_stream(self, int64_t number):
        cdef Stream stream = new_stream(number, self.peer_window, self.window_bytes)
        stream.receive_window += self.excess
        self.streams[number] = stream
        self.found = stream
        self.open_streams += 1
        return stream

    cdef int forget(self, Stream stream, int end) except -1:
        """The stream is over; remember how."""
        if stream.waiting:
            stream.waiting = False
            self.waiting.remove(stream)
        if self.target is stream:
            self.target = None          # the rest of its frame is nobody's
        stream.drop_queue()
        self.granted -= stream.window_size - self.window_bytes
        del self.streams[stream.number]
        if not self.streams:
            self.streams.clear()        # which gives its memory back: the connection may rest now
        if self.found is stream:
            self.found = None
        self.open_streams -= 1
        self.closed.remember(stream.number, end)
        return 0

    cdef int settle(self, Stream stream) except -1:
        """Our side may have come to its end, and the stream with it."""
        if not stream.local_over or stream.waiting:
            return 0
        if stream.fault:
            # RFC 9113 section 8.1.1: an answer may come before a malformed request's reset.
            write_reset(self.out, <uint32_t>stream.number, stream.fault)
            return self.forget(stream, RESET_BY_US)
        if stream.remote_over:
            return self.forget(stream, ENDED)
        return 0

    # --- Faults ---

    cdef int fail(self, uint32_t code, str reason, list events) except -1:
        """The peer broke the rules of the connection (RFC 9113 section 5.4.1)."""
        cdef Violation event
        if self.over:
            return 0
        self.close(code, reason.encode())
        event = Violation(400, reason)
        event.code = code
        events.append(event)
        return 0

    cdef int fail_stream(self, int64_t number, uint32_t code, str reason, list events) except -1:
        """The peer broke the rules of a stream (section 5.4.2)."""
        cdef Stream stream = self.find(number)
        write_reset(self.out, <uint32_t>number, code)
        if stream is not None:
            self.forget(stream, RESET_BY_US)
            events.append(new_reset(number, reason, code, True, False))
        self.tolerate(RAPID_RESETS, 1, events)
        return 0

    cdef bint tolerate(self, int abuse, double cost, list events) except -1:
        """Count what costs us and gives the peer nothing; too much of it ends the connection."""
        if self.tolerance.spend(abuse, self.now, cost):
            return True
        self.fail(ENHANCE_YOUR_CALM, "too many of: " + Abuse(abuse).name.lower().replace("_", " "), events)
        return False

    # --- Reading ---

    cdef int start(self) except -1:
        raise NotImplementedError

    cdef list feed(self, const char* data, Py_ssize_t size):
        cdef list events = []
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t used
        if self.out is None:
            raise Http2ProtocolError("there is no output")
        self.heads = 0
        at = self.read_start(data, size, events)
        while at < size and not self.over and not self.sated(data + at, size - at):
            if self.header_size < FRAME_HEADER_BYTES:
                used = min(FRAME_HEADER_BYTES - self.header_size, size - at)
                memcpy(self.header + self.header_size, data + at, used)
                self.header_size += <int>used
                at += used
                if self.header_size < FRAME_HEADER_BYTES:
                    break
                self.begin_frame(events)
                if self.over or self.left or self.padding or self.padded:
                    continue
                self.read_payload(data + at, 0, events)
            else:
                at += self.read_payload(data + at, size - at, events)
        self.unread = 0 if self.over else size - at
        if not self.over:
            self.in_head = (not self.settled or self.block_number != 0 or 0 < self.header_size
                            and (self.header_size < FRAME_HEADER_BYTES or self.type != FRAME_DATA))
        return events

    cdef bint sated(self, const char* data, Py_ssize_t size) noexcept:
        """Whether the next frame begins a head, and there were enough of them. What belongs to the last one is
        read: that it is taken back, for example."""
        return (self.most_heads > 0 and self.heads >= self.most_heads and self.header_size == 0
                and (size < 4 or data[3] == FRAME_HEADERS))

    cdef Py_ssize_t read_start(self, const char* data, Py_ssize_t size, list events) except -1:
        """What comes before the first frame."""
        return 0

    cdef list feed_end(self):
        """The peer sends no more."""
        cdef list events = []
        cdef Stream stream
        if self.over:
            return events
        self.over = self.closing = True
        for stream in list(self.streams.values()):
            self.forget(stream, RESET_BY_PEER)
            events.append(new_reset(stream.number, "the connection was closed", CANCEL, False, False))
        events.append(new_closing(NO_ERROR, -1))
        return events

    cdef int begin_frame(self, list events) except -1:
        """A frame's header is complete (section 4.1)."""
        self.left = get_24(self.header)
        self.type = <unsigned char>self.header[3]
        self.flags = <unsigned char>self.header[4]
        self.number = get_32(self.header + 5) & MOST_STREAM
        self.padding = 0
        self.padded = False
        if self.left > FRAME_BYTES:
            return self.fail(FRAME_SIZE_ERROR, "a frame larger than allowed", events)
        if not self.settled and (self.type != FRAME_SETTINGS or self.flags & ACK):
            return self.fail(PROTOCOL_ERROR, "the first frame is not SETTINGS", events)
        if self.block_number and (self.type != FRAME_CONTINUATION or self.number != self.block_number):
            return self.fail(PROTOCOL_ERROR, "a frame within a header block", events)
        if self.type == FRAME_DATA:
            return self.begin_data(events)
        return 0

    cdef Py_ssize_t read_payload(self, const char* data, Py_ssize_t size, list events) except -1:
        """Read on in the frame. Returns the bytes used."""
        cdef Py_ssize_t used = min(size, self.left)
        cdef bytearray payload = self.payload
        if self.type == FRAME_DATA:
            return self.read_data(data, size, events)
        if payload is None and used == self.left:
            self.header_size = 0
            self.handle(data, used, events)
            return used
        if payload is None:
            self.payload = payload = bytearray()
        payload += data[:used]
        self.left -= used
        if self.left == 0:
            self.payload = None
            self.header_size = 0
            self.handle(PyByteArray_AS_STRING(payload), PyByteArray_GET_SIZE(payload), events)
        return used

    cdef int handle(self, const char* p, Py_ssize_t size, list events) except -1:
        """A whole frame that is not DATA."""
        cdef int type = self.type
        if type == FRAME_HEADERS:
            return self.on_headers(p, size, events)
        if type == FRAME_WINDOW_UPDATE:
            return self.on_window_update(p, size, events)
        if type == FRAME_SETTINGS:
            return self.on_settings(p, size, events)
        if type == FRAME_PING:
            return self.on_ping(p, size, events)
        if type == FRAME_RST_STREAM:
            return self.on_reset(p, size, events)
        if type == FRAME_PRIORITY:
            return self.on_priority(p, size, events)
        if type == FRAME_GOAWAY:
            return self.on_goaway(p, size, events)
        if type == FRAME_CONTINUATION:
            return self.on_continuation(p, size, events)
        if type == FRAME_PRIORITY_UPDATE:
            return self.on_priority_update(p, size, events)
        if type == FRAME_PUSH_PROMISE:
            return self.fail(PROTOCOL_ERROR, "PUSH_PROMISE, which is not allowed", events)
        self.tolerate(UNKNOWN_FRAMES, 1, events)    # section 4.1: ignored
        return 0

    cdef bint is_idle(self, int64_t number) noexcept:
        """Whether nobody opened this stream yet."""
        raise NotImplementedError

    # --- DATA ---

    cdef int begin_data(self, list events) except -1:
        cdef Stream stream
        self.target = None
        if self.number == 0:
            return self.fail(PROTOCOL_ERROR, "DATA on stream 0", events)
        # Section 6.9: everything counts, padding too, on whatever stream it is.
        self.receive_window -= self.left
        if self.receive_window < 0:
            return self.fail(FLOW_CONTROL_ERROR, "more data than the connection's window", events)
        self.owed += self.left
        if 2 * self.owed >= self.budget_bytes:
            write_window_update(self.out, 0, <uint32_t>self.owed)
            self.receive_window += self.owed
            self.owed = 0
        if self.probing:
            self.probed += self.left
        self.padded = self.flags & PADDED
        if self.padded and self.left == 0:
            return self.fail(FRAME_SIZE_ERROR, "padding that does not fit its frame", events)
        if self.is_empty() and not self.tolerate(EMPTY_FRAMES, 1, events):
            return 0
        stream = self.find(self.number)
        if stream is None:
            return self.stray_data(events)
        if stream.remote_over:
            return self.fail_stream(self.number, STREAM_CLOSED, "DATA behind END_STREAM", events)
        if not stream.head_came and not stream.fault:
            return self.fail_stream(self.number, PROTOCOL_ERROR, "DATA before a head", events)
        stream.receive_window -= self.left
        if stream.receive_window < 0 and self.left:
            return self.fail_stream(self.number, FLOW_CONTROL_ERROR, "more data than the stream's window", events)
        self.target = stream
        return 0 if self.padded else self.judge_data(events)

    cdef bint is_empty(self) noexcept:
        """Whether the DATA frame, without its padding, carries nothing and ends nothing."""
        return self.left == 0 and not self.flags & END_STREAM

    cdef int judge_data(self, list events) except -1:
        """How much data the frame has is known: whether it fits, before any of it is handed on, so that
        the events do not depend on how the bytes came."""
        cdef Stream stream = self.target
        cdef bint ends = self.flags & END_STREAM
        if stream is None or stream.content_left < 0:
            return 0
        if self.left > stream.content_left:
            return self.fail_stream(self.number, PROTOCOL_ERROR, "more data than content-length", events)
        if ends and self.left < stream.content_left:
            return self.fail_stream(self.number, PROTOCOL_ERROR, "less data than content-length", events)
        stream.content_left -= self.left
        return 0

    cdef int stray_data(self, list events) except -1:
        """DATA on a stream that is not open (section 5.1)."""
        cdef int end
        if self.is_idle(self.number):
            return self.fail(PROTOCOL_ERROR, "DATA on a stream that was not opened", events)
        end = self.closed.end_of(self.number)
        if end == RESET_BY_US:
            return 0
        if end == ENDED:
            return self.fail(STREAM_CLOSED, "DATA on a closed stream", events)
        return self.fail_stream(self.number, STREAM_CLOSED, "DATA on a stream that was reset", events)

    cdef Py_ssize_t read_data(self, const char* data, Py_ssize_t size, list events) except -1:
        """The next part of a DATA frame. Returns the bytes used."""
        cdef Py_ssize_t used = 0
        cdef Py_ssize_t part
        if self.padded and size:
            used = 1
            self.padded = False
            self.padding = <unsigned char>data[0]
            self.left -= 1
            if self.padding > self.left:
                self.fail(PROTOCOL_ERROR, "padding that does not fit its frame", events)
                return size
            self.left -= self.padding
            if self.is_empty() and not self.tolerate(EMPTY_FRAMES, 1, events):
                return size
            if self.target is not None:
                self.consumed(self.number, self.padding + 1)
            self.judge_data(events)
        if not self.padded:
            part = min(size - used, self.left)
            self.left -= part
            if part or self.left == 0:
                self.hand_on(data + used, part, events)
            used += part
            part = min(size - used, self.padding) if self.left == 0 else 0
            self.padding -= part
            used += part
            if self.left == 0 and self.padding == 0:
                self.header_size = 0
                self.target = None
        return used

    cdef int hand_on(self, const char* data, Py_ssize_t size, list events) except -1:
        """Data of the frame, the last of it when nothing is left."""
        cdef Stream stream = self.target
        cdef bint last = self.left == 0 and self.flags & END_STREAM
        if stream is None or (size == 0 and not last):
            return 0
        events.append(new_data(stream.number, data if size else NULL, size, last))
        if not last:
            return 0
        self.target = None
        stream.remote_over = True
        return self.settle(stream)

    # --- Heads ---

    cdef int on_headers(self, const char* p, Py_ssize_t size, list events) except -1:
        cdef Py_ssize_t padding = 0
        if self.number == 0:
            return self.fail(PROTOCOL_ERROR, "HEADERS on stream 0", events)
        if self.flags & PADDED:
            if size < 1:
                return self.fail(FRAME_SIZE_ERROR, "padding that does not fit its frame", events)
            padding = <unsigned char>p[0]
            p += 1
            size -= 1
        self.block_on_itself = False
        if self.flags & PRIORITISED:
            if size < 5:
                return self.fail(FRAME_SIZE_ERROR, "a priority that does not fit its frame", events)
            self.block_on_itself = (get_32(p) & MOST_STREAM) == self.number
            p += 5
            size -= 5
        if padding > size:
            return self.fail(PROTOCOL_ERROR, "padding that does not fit its frame", events)
        size -= padding
        self.block_ends = self.flags & END_STREAM
        self.block_number = self.number
        if self.flags & END_HEADERS:
            return self.end_block(p, size, events)
        self.in_head = True
        self.block = bytearray(p[:size])
        return 0

    cdef int on_continuation(self, const char* p, Py_ssize_t size, list events) except -1:
        cdef bytearray block = self.block
        if self.block_number == 0:
            return self.fail(PROTOCOL_ERROR, "CONTINUATION without HEADERS", events)
        if not self.tolerate(CONTINUATIONS, 1 if size else 10, events):
            return 0
        block += p[:size]
        if <uint32_t>PyByteArray_GET_SIZE(block) > 2 * self.head_bytes + FRAME_BYTES:
            return self.fail(ENHANCE_YOUR_CALM, "a header block that is far too large", events)
        if not self.flags & END_HEADERS:
            return 0
        self.block = None
        return self.end_block(PyByteArray_AS_STRING(block), PyByteArray_GET_SIZE(block), events)

    cdef int end_block(self, const char* p, Py_ssize_t size, list events) except -1:
        """A block is complete. It is decoded whoever it is for, since it changes the table."""
        cdef Head head = new_head(REQUEST_HEAD)
        cdef int outcome = self.decoder.decode(p, size, head, self.head_bytes, self.head_fields + PSEUDO_FIELDS)
        self.heads += 1
        self.number = self.block_number
        self.block_number = 0
        self.in_head = False
        if outcome == HPACK_BROKEN:
            release_head(head)
            return self.fail(COMPRESSION_ERROR, "a header block that cannot be decoded", events)
        head.stream = self.number
        if outcome == HPACK_TOO_LARGE and not self.tolerate(LARGE_HEADS, 1, events):
            return 0
        return self.on_block(head, outcome == HPACK_TOO_LARGE, events)

    cdef int on_block(self, Head head, bint too_large, list events) except -1:
        raise NotImplementedError

    cdef int on_trailers(self, Stream stream, Head head, bint too_large, list events) except -1:
        """A second block of a message."""
        cdef Verdict verdict
        cdef str fault = ""
        if stream.remote_over:
            release_head(head)
            return self.fail_stream(stream.number, STREAM_CLOSED, "HEADERS behind END_STREAM", events)
        verdict = judge_trailers(head)
        if not self.block_ends or stream.tunnel:
            fault = "trailers without END_STREAM"
        elif too_large:
            fault = "trailers larger than allowed"
        elif verdict.outcome != GOOD:
            fault = verdict.reason.decode()
        elif stream.content_left > 0:
            fault = "less data than content-length"
        if fault:
            release_head(head)
            return self.fail_stream(stream.number, PROTOCOL_ERROR, fault, events)
        stream.remote_over = True
        head.kind = TRAILERS
        drop_forbidden(head)
        events.append(head)
        return self.settle(stream)

    # --- Other frames ---

    cdef int on_priority(self, const char* p, Py_ssize_t size, list events) except -1:
        """Section 5.3.2: priorities of RFC 7540 mean nothing any more."""
        if self.number == 0:
            return self.fail(PROTOCOL_ERROR, "PRIORITY on stream 0", events)
        if not self.tolerate(PRIORITIES, 1, events):
            return 0
        if size != 5:
            return self._bad_priority(FRAME_SIZE_ERROR, "a PRIORITY of a wrong size", events)
        if (get_32(p) & MOST_STREAM) == self.number:
            return self._bad_priority(PROTOCOL_ERROR, "a stream that depends on itself", events)
        return 0

    cdef int _bad_priority(self, uint32_t code, str reason, list events) except -1:
        """Section 6.4: RST_STREAM may not be sent on a stream that was not opened."""
        if self.is_idle(self.number):
            return self.fail(code, reason, events)
        return self.fail_stream(self.number, code, reason, events)

    cdef int on_reset(self, const char* p, Py_ssize_t size, list events) except -1:
        cdef Stream stream
        cdef uint32_t code
        if self.number == 0:
            return self.fail(PROTOCOL_ERROR, "RST_STREAM on stream 0", events)
        if size != 4:
            return self.fail(FRAME_SIZE_ERROR, "an RST_STREAM of a wrong size", events)
        if self.is_idle(self.number):
            return self.fail(PROTOCOL_ERROR, "RST_STREAM on a stream that was not opened", events)
        # An endpoint may refuse or answer early as often as it likes.
        if isinstance(self, Http2Server) and not self.tolerate(RAPID_RESETS, 1, events):
            return 0
        stream = self.find(self.number)
        if stream is None:
            return 0
        code = get_32(p)
        self.forget(stream, RESET_BY_PEER)
        events.append(new_reset(stream.number, "reset by the peer: " + error_name(code), code, False,
                                code == REFUSED_STREAM))
        return 0

    cdef int on_settings(self, const char* p, Py_ssize_t size, list events) except -1:
        cdef Py_ssize_t at = 0
        if self.number:
            return self.fail(PROTOCOL_ERROR, "SETTINGS on a stream", events)
        if self.flags & ACK and size:
            return self.fail(FRAME_SIZE_ERROR, "an acknowledgement with settings", events)
        if size % 6:
            return self.fail(FRAME_SIZE_ERROR, "SETTINGS of a wrong size", events)
        if not self.tolerate(SETTINGS_CHANGES, 1 + size // 600, events):
            return 0
        if self.flags & ACK:
            return self.heard_our_settings()
        while at < size:
            self.apply(<int>get_16(p + at), get_32(p + at + 2), events)
            if self.over:
                return 0
            at += 6
        if not self.settled:
            self.settled = True
            self.in_head = False
        return write_frame_header(self.out, 0, FRAME_SETTINGS, ACK, 0)

    cdef int heard_our_settings(self) except -1:
        """From here on the peer keeps to our windows, where they are smaller than those it began with."""
        cdef Stream stream
        if self.excess:
            for stream in self.streams.values():
                stream.receive_window -= self.excess
            self.excess = 0
        return 0

    cdef int apply(self, int setting, uint32_t value, list events) except -1:
        """Section 6.5.2. Unknown ones are ignored."""
        cdef Stream stream
        cdef int64_t change
        if setting == HEADER_TABLE_SIZE:
            self.encoder.resize(value)
        elif setting == INITIAL_WINDOW_SIZE:
            if value > MOST_WINDOW:
                return self.fail(FLOW_CONTROL_ERROR, "a window larger than allowed", events)
            change = <int64_t>value - self.peer_window
            self.peer_window = value
            for stream in self.streams.values():
                stream.send_window += change
                if stream.send_window > MOST_WINDOW:
                    return self.fail(FLOW_CONTROL_ERROR, "a window larger than allowed", events)
        elif setting == MAX_FRAME_SIZE and not FRAME_BYTES <= value <= 16777215:
            return self.fail(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range", events)
        elif (setting == ENABLE_PUSH or setting == ENABLE_CONNECT_PROTOCOL
              or setting == NO_RFC7540_PRIORITIES) and value > 1:
            return self.fail(PROTOCOL_ERROR, "a switch that is neither on nor off", events)
        return 0

    cdef int on_ping(self, const char* p, Py_ssize_t size, list events) except -1:
        if self.number:
            return self.fail(PROTOCOL_ERROR, "PING on a stream", events)
        if size != 8:
            return self.fail(FRAME_SIZE_ERROR, "a PING of a wrong size", events)
        if not self.tolerate(PINGS, 1, events):
            return 0
        if not self.flags & ACK:
            return write_ping(self.out, p, ACK)
        if self.probing and memcmp(p, PROBE, 8) == 0:
            return self.probe_again()
        return 0

    cdef int on_goaway(self, const char* p, Py_ssize_t size, list events) except -1:
        if self.number:
            return self.fail(PROTOCOL_ERROR, "GOAWAY on a stream", events)
        if size < 8:
            return self.fail(FRAME_SIZE_ERROR, "a GOAWAY of a wrong size", events)
        if not self.tolerate(GOAWAYS, 1, events):
            return 0
        self.closing = True
        events.append(new_closing(get_32(p + 4), get_32(p) & MOST_STREAM))
        return 0

    cdef int on_window_update(self, const char* p, Py_ssize_t size, list events) except -1:
        cdef Stream stream
        cdef int64_t increment
        if size != 4:
            return self.fail(FRAME_SIZE_ERROR, "a WINDOW_UPDATE of a wrong size", events)
        increment = get_32(p) & MOST_WINDOW
        if not self.tolerate(WINDOW_UPDATES, 1, events):
            return 0
        if self.number == 0:
            self.send_window += increment
            if increment == 0:
                return self.fail(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0", events)
            if self.send_window > MOST_WINDOW:
                return self.fail(FLOW_CONTROL_ERROR, "a window larger than allowed", events)
            return 0
        if self.is_idle(self.number):
            return self.fail(PROTOCOL_ERROR, "WINDOW_UPDATE on a stream that was not opened", events)
        stream = self.find(self.number)
        if stream is None:
            return 0
        if increment == 0:
            return self.fail_stream(self.number, PROTOCOL_ERROR, "a WINDOW_UPDATE of 0", events)
        stream.send_window += increment
        if stream.send_window > MOST_WINDOW:
            return self.fail_stream(self.number, FLOW_CONTROL_ERROR, "a window larger than allowed", events)
        return 0

    cdef int on_priority_update(self, const char* p, Py_ssize_t size, list events) except -1:
        """RFC 9218 section 7.1."""
        cdef Stream stream
        if self.number or not isinstance(self, Http2Server):
            return self.fail(PROTOCOL_ERROR, "PRIORITY_UPDATE out of place", events)
        if size < 4:
            return self.fail(FRAME_SIZE_ERROR, "a PRIORITY_UPDATE of a wrong size", events)
        if get_32(p) % 2 == 0:
            return self.fail(PROTOCOL_ERROR, "PRIORITY_UPDATE of no request", events)
        if not self.tolerate(PRIORITIES, 1, events):
            return 0
        self.prioritised = True
        stream = self.find(get_32(p) & MOST_STREAM)
        if stream is not None:
            read_priority(stream, p + 4, size - 4)
        elif self.is_idle(get_32(p) & MOST_STREAM):
            # It may come before its request, which it is then for; the latest few are kept.
            if self.early is None or len(self.early) == EARLY_PRIORITIES:
                self.early = {}
            self.early[get_32(p) & MOST_STREAM] = p[4:size]
        return 0

    # --- Windows of the peer ---

    cdef int consumed(self, int64_t number, Py_ssize_t size) except -1:
        """So many bytes of received data are gone: the peer may send as many again."""
        cdef Stream stream = self.find(number)
        if stream is None or stream.remote_over:
            return 0
        stream.owed += size
        if 2 * stream.owed >= stream.window_size:
            return self.credit(stream)
        return 0

    cdef int credit(self, Stream stream) except -1:
        """Give back what was consumed, and more where the window is what limits the peer."""
        cdef int64_t more = self.target_window - stream.window_size
        if more > 0 and self.granted + more <= self.budget_bytes:
            self.granted += more
            stream.window_size += more
            stream.owed += more
        write_window_update(self.out, <uint32_t>stream.number, <uint32_t>stream.owed)
        stream.receive_window += stream.owed
        stream.owed = 0
        if not self.probing and self.target_window < self.budget_bytes:
            self.probing = 2
            self.ping(PROBE)
        return 0

    cdef int probe_again(self) except -1:
        """Measure how much comes in a round trip, from the first answer to the second: the credit that went
        out with the first question is used up behind its answer."""
        self.probing -= 1
        if self.probing:
            self.probed = 0
            return self.ping(PROBE)
        if 3 * self.probed >= 2 * self.target_window:
            # That nearly used up a window: it is the window that limits.
            self.target_window = min(2 * self.target_window, self.budget_bytes)
        return 0

    # --- Writing ---

    cdef int send_head(self, int64_t number, Head head, bint last) except -1:
        raise NotImplementedError

    cdef int write_head(self, Stream stream, Head head, bint last) except -1:
        """The block of a head as frames."""
        cdef size_t start = self.out.size
        self.out.reserve(FRAME_HEADER_BYTES)
        self.out.commit(FRAME_HEADER_BYTES)
        if head.kind == RESPONSE_HEAD:
            write_response(self.encoder, self.out, head)
        elif head.kind == TRAILERS:
            self.encoder.begin(self.out)
            write_fields(self.encoder, self.out, head)
        else:
            write_request(self.encoder, self.out, head, (<Http2Client>self).scheme)
        finish_block(self.out, start, <uint32_t>stream.number, END_STREAM if last else 0)
        if last:
            stream.local_over = True
            self.settle(stream)
        return 0

    cdef int promise(self, Stream stream, Head head, bint bodyless, bint last) except -1:
        """How long the body is that the head announces."""
        stream.promised = 0 if bodyless else -1 if stream.tunnel else head.content_length
        if last and stream.promised > 0:
            raise Http2ProtocolError("the body does not fit its Content-Length")
        return 0

    cdef int send_data(self, int64_t number, const char* data, Py_ssize_t size, bint last) except -1:
        """Straight into the output as far as windows and room allow; large pieces are borrowed."""
        cdef Stream stream = self.find(number)
        cdef int64_t part = 0
        if stream is None or stream.local_over:
            return 0
        if not stream.head_sent:
            raise Http2ProtocolError("a body before its head")
        if stream.promised >= 0:
            if size > stream.promised or (last and size < stream.promised):
                raise Http2ProtocolError("the body does not fit its Content-Length")
            stream.promised -= size
        if last:
            stream.local_over = True
        if not stream.waiting:
            part = min(min(<int64_t>size, self.room), min(self.send_window, stream.send_window))
            if part < 0:
                part = 0
            if part == size and (size or last):
                self.write_data(stream, data, size, last)
                return self.settle(stream) if last else 0
            if part:
                self.write_data(stream, data, part, False)
        if size or last:
            stream.hold(data + part, size - part)
            stream.end_queued = last
            self.wait(stream)
        return 0

    cdef int write_data(self, Stream stream, const char* data, Py_ssize_t size, bint last) except -1:
        cdef Py_ssize_t part
        while True:
            part = min(size, <Py_ssize_t>FRAME_BYTES)
            write_frame_header(self.out, <uint32_t>part, FRAME_DATA,
                               END_STREAM if last and part == size else 0, <uint32_t>stream.number)
            self.out.borrow(data, part)
            self.send_window -= part
            stream.send_window -= part
            self.room -= part
            self.tolerance.earn(WINDOW_UPDATES, 2)
            self.tolerance.earn(PINGS, 1)       # gRPC measures round trips while data flows
            data += part
            size -= part
            if size == 0:
                return 0

    cdef int send_trailers(self, int64_t number, Head head) except -1:
        """The end of the body, with trailers, behind what waits."""
        cdef Stream stream = self.find(number)
        cdef Head trailers
        if stream is None or stream.local_over:
            return 0
        if not stream.head_sent or stream.promised > 0:
            raise Http2ProtocolError("trailers before the end of the body")
        trailers = _as_trailers(head)
        if trailers.field_count == 0:
            return self.send_data(number, NULL, 0, True)
        if not stream.waiting:
            return self.write_head(stream, trailers, True)
        stream.local_over = True
        stream.end_queued = True
        stream.trailers = trailers
        return 0

    cdef int send_reset(self, int64_t number, uint32_t code) except -1:
        cdef Stream stream = self.find(number)
        if stream is None:
            return 0
        if stream.head_came or stream.head_sent:    # nobody else knows a stream on which nothing was said
            write_reset(self.out, <uint32_t>number, stream.fault if stream.fault else code)
        return self.forget(stream, RESET_BY_US)

    cdef int ping(self, const char* opaque) except -1:
        self.tolerance.earn(PINGS, 1)       # for the answer
        return write_ping(self.out, opaque, 0)

    # --- What waits ---

    cdef int wait(self, Stream stream) except -1:
        if not stream.waiting:
            stream.waiting = True
            self.waiting.append(stream)
        return 0

    cdef Py_ssize_t queued(self, int64_t number) noexcept:
        """Bytes that wait; a bare end that waits counts as one."""
        cdef Stream stream = self.find(number)
        if stream is None or not stream.waiting:
            return 0
        return stream.queued if stream.queued else 1

    cdef bint can_send(self, Stream stream) noexcept:
        return stream.queued == 0 or (stream.send_window > 0 and self.send_window > 0)

    cdef bint in_body(self) noexcept:
        """Whether what came last is the midst of a frame with data."""
        return self.header_size == FRAME_HEADER_BYTES and self.type == FRAME_DATA

    cdef bint wants_pump(self) noexcept:
        cdef Stream stream
        if self.over:
            return False            # nothing waits for a peer that was told goodbye
        for stream in self.waiting:
            if self.can_send(stream):
                return True
        return False

    cdef int pump(self, list events, Py_ssize_t room) except -1:
        """Send what waits, at most `room` bytes of it, in order of priority (RFC 9218 section 10)."""
        cdef Stream stream
        while room > 0 and not self.over:
            stream = self.next_waiting()
            if stream is None:
                return 0
            if (stream.queued >= CRUMB_BYTES and min(self.send_window, stream.send_window) < CRUMB_BYTES
                    and not self.tolerate(TINY_WINDOWS, 1, events)):
                return 0
            room -= self.serve(stream, room)
            if not stream.waiting:
                events.append(Credit(0, stream.number))
                if stream.number in self.streams:   # the head of trailers has settled it already
                    self.settle(stream)
        return 0

    cdef Stream next_waiting(self):
        """The most urgent stream that can send; among equals those that go one by one before those that
        are served in turns. Now and then it is the one that has waited longest."""
        cdef Stream stream
        cdef Stream best = None
        cdef bint fair
        self.turn += 1
        fair = self.turn % FAIR_TURN == 0
        for stream in self.waiting:
            if not self.can_send(stream):
                continue
            if best is None or (stream.served < best.served if fair else _is_before(stream, best)):
                best = stream
        if best is not None:
            best.served = self.turn
        return best

    cdef int serve(self, Stream stream, Py_ssize_t room) except -1:
        """One frame of a stream. Returns its bytes."""
        cdef bytes piece
        cdef Py_ssize_t part = 0
        cdef bint empty, last
        if stream.queued:
            piece = stream.queue[0]
            part = min(PyBytes_GET_SIZE(piece) - stream.queue_offset, min(room, <Py_ssize_t>FRAME_BYTES))
            part = <Py_ssize_t>min(<int64_t>part, min(self.send_window, stream.send_window))
        empty = part == stream.queued
        last = empty and stream.end_queued and stream.trailers is None
        if part or last:
            write_frame_header(self.out, <uint32_t>part, FRAME_DATA, END_STREAM if last else 0,
                               <uint32_t>stream.number)
            if part:
                self.out.append(PyBytes_AS_STRING(piece) + stream.queue_offset, part)
                stream.queue_offset += part
                stream.queued -= part
                self.send_window -= part
                stream.send_window -= part
                if stream.queue_offset == PyBytes_GET_SIZE(piece):
                    del stream.queue[0]
                    stream.queue_offset = 0
            self.tolerance.earn(WINDOW_UPDATES, 2)
            self.tolerance.earn(PINGS, 1)       # gRPC measures round trips while data flows
        if empty:
            self.waiting.remove(stream)
            stream.waiting = False
            stream.queue = None
            if stream.trailers is not None:
                self.write_head(stream, stream.trailers, True)
        return part + FRAME_HEADER_BYTES

    # --- The end ---

    cdef int drain(self) except -1:
        raise NotImplementedError

    cdef int finish_drain(self) except -1:
        raise NotImplementedError

    cdef int close(self, uint32_t code, bytes why) except -1:
        """Say goodbye: nothing more comes in."""
        if not self.over:
            write_goaway(self.out, <uint32_t>self.last_peer, code, why)
            self.over = self.closing = True
            self.in_head = False
        return 0


cdef bint _is_before(Stream a, Stream b) noexcept:
    if a.urgency != b.urgency:
        return a.urgency < b.urgency
    if a.incremental != b.incremental:
        return not a.incremental
    return a.served < b.served if a.incremental else a.number < b.number


cdef Head _as_trailers(Head head):
    """A copy, for later, of the fields that are sent on."""
    cdef Head copy = Head(TRAILERS)
    cdef Field* field
    cdef int i
    for i in range(head.field_count):
        field = &head.fields[i]
        if not field.flags:
            copy.add_line(head.bytes + field.name_start, field.name_size,
                          head.bytes + field.value_start, field.value_size, field.token)
            copy.fields[copy.field_count - 1].never_indexed = field.never_indexed
    return copy


cdef class Http2Server(Http2):
    """The side that a client is connected to: reads requests, sends responses."""

    cdef int start(self) except -1:
        write_frame_header(self.out, 30, FRAME_SETTINGS, 0, 0)
        write_setting(self.out, MAX_CONCURRENT_STREAMS, <uint32_t>self.max_streams)
        write_setting(self.out, INITIAL_WINDOW_SIZE, <uint32_t>self.window_bytes)
        write_setting(self.out, MAX_HEADER_LIST_SIZE, self.head_bytes)
        write_setting(self.out, ENABLE_CONNECT_PROTOCOL, 1)
        write_setting(self.out, NO_RFC7540_PRIORITIES, 1)
        if self.budget_bytes > DEFAULT_WINDOW:
            write_window_update(self.out, 0, <uint32_t>(self.budget_bytes - DEFAULT_WINDOW))
        self.receive_window = self.budget_bytes
        return 0

    cdef Py_ssize_t read_start(self, const char* data, Py_ssize_t size, list events) except -1:
        """The client's preface (section 3.4)."""
        cdef Py_ssize_t used = min(size, PREFACE_BYTES - self.preface_size)
        if used == 0:
            return 0
        if memcmp(PREFACE + self.preface_size, data, used) != 0:
            self.fail(PROTOCOL_ERROR, "no preface of HTTP/2", events)
            return size
        self.preface_size += <int>used
        return used

    cdef bint is_idle(self, int64_t number) noexcept:
        return number > self.last_peer or number % 2 == 0

    cdef int on_block(self, Head head, bint too_large, list events) except -1:
        cdef Stream stream = self.find(self.number)
        if stream is not None:
            return self.on_trailers(stream, head, too_large, events)
        if self.number % 2 == 0:
            release_head(head)
            return self.fail(PROTOCOL_ERROR, "a client's stream with an even number", events)
        if self.number <= self.last_peer:
            release_head(head)
            return self._stray_head(events)
        self.last_peer = self.number
        if self.named_last:
            # Section 6.8: what comes behind the last stream that we named is ignored.
            release_head(head)
            self.closed.remember(self.number, RESET_BY_US)
            self.tolerate(REFUSED_STREAMS, 1, events)
            return 0
        if self.open_streams >= self.max_streams:
            release_head(head)
            self.closed.remember(self.number, RESET_BY_US)
            write_reset(self.out, <uint32_t>self.number, REFUSED_STREAM)
            self.tolerate(REFUSED_STREAMS, 1, events)
            return 0
        return self._open(head, too_large, events)

    cdef int _stray_head(self, list events) except -1:
        """HEADERS on a stream that is closed (section 5.1)."""
        cdef int end = self.closed.end_of(self.number)
        if end == RESET_BY_US:
            self.tolerate(REFUSED_STREAMS, 1, events)
            return 0
        if end == RESET_BY_PEER:
            return self.fail_stream(self.number, STREAM_CLOSED, "HEADERS on a stream that was reset", events)
        if end == ENDED:
            return self.fail(STREAM_CLOSED, "HEADERS on a closed stream", events)
        return self.fail(PROTOCOL_ERROR, "a stream with a lower number than the one before", events)

    cdef int _open(self, Head head, bint too_large, list events) except -1:
        cdef Stream stream
        cdef Verdict verdict
        cdef Field* field
        cdef bytes early
        if self.block_on_itself:
            release_head(head)
            self.closed.remember(self.number, RESET_BY_US)
            return self.fail_stream(self.number, PROTOCOL_ERROR, "a stream that depends on itself", events)
        stream = self.add_stream(self.number)
        stream.remote_over = self.block_ends
        if too_large:
            verdict = Verdict(GOOD + 2, 431, b"head too large")
        else:
            verdict = judge_request(head, self.path_policy, self.block_ends)
        stream.head_came = True
        if verdict.outcome != GOOD:
            release_head(head)
            if verdict.outcome == MALFORMED:
                stream.fault = PROTOCOL_ERROR
                if not self.tolerate(RAPID_RESETS, 1, events):
                    return 0
            events.append(Violation(verdict.status, verdict.reason.decode(), self.number))
            return 0
        stream.head_only = head.method == METHOD_HEAD
        stream.tunnel = head.method == METHOD_CONNECT
        if stream.tunnel:
            head.drop(CONTENT_LENGTH)
            head.content_length = -1
            head.chunked = False
        elif not self.block_ends:
            stream.content_left = head.content_length
            if head.content_length == 0:
                # HTTP/1 has no way to say that a body is empty and its end is still to come.
                head.drop(CONTENT_LENGTH)
                head.content_length = -1
                head.chunked = True
        field = head.find(PRIORITY)
        if self.early is not None and self.number in self.early:
            early = self.early.pop(self.number)
            read_priority(stream, PyBytes_AS_STRING(early), PyBytes_GET_SIZE(early))
        elif field != NULL:
            self.prioritised = True
            read_priority(stream, head.bytes + field.value_start, field.value_size)
        elif not self.prioritised:
            stream.incremental = True       # who never speaks of priorities gets fair shares
        events.append(head)
        return 0

    cdef int send_head(self, int64_t number, Head head, bint last) except -1:
        cdef Stream stream = self.find(number)
        cdef Field* field
        if stream is None or stream.local_over:
            return 0
        if head.kind != RESPONSE_HEAD:
            raise Http2ProtocolError("a server sends responses")
        if stream.head_sent:
            raise Http2ProtocolError("the head of this stream was sent already")
        if head.status >= 200:
            stream.head_sent = True
            self.promise(stream, head, stream.head_only or head.status == 204 or head.status == 304, last)
            field = head.find(PRIORITY)
            if field != NULL:
                # RFC 9218 section 8: what the answer says goes before what the client asked for.
                read_priority(stream, head.bytes + field.value_start, field.value_size)
        elif last or head.status == 101:
            raise Http2ProtocolError("an interim response that ends the stream, or switches protocols")
        return self.write_head(stream, head, last)

    cdef int drain(self) except -1:
        """Section 6.8: say that there will be an end, so that what is on its way is not lost."""
        if not self.draining and not self.closing:
            self.draining = True
            write_goaway(self.out, MOST_STREAM, NO_ERROR, b"")
        return 0

    cdef int finish_drain(self) except -1:
        if not self.named_last and not self.over:
            self.closing = self.named_last = True
            write_goaway(self.out, <uint32_t>self.last_peer, NO_ERROR, b"")
        return 0


cdef class Http2Client(Http2):
    """The side that is connected to an endpoint: sends requests, reads responses."""

    def __init__(self, **limits):
        Http2.__init__(self, **limits)
        self.scheme = b"http"
        self.next_number = 1
        self.peer_streams = STREAMS_AT_FIRST
        self.weigh()

    cdef int start(self) except -1:
        self.out.append(PREFACE, PREFACE_BYTES)
        write_frame_header(self.out, 18, FRAME_SETTINGS, 0, 0)
        write_setting(self.out, ENABLE_PUSH, 0)
        write_setting(self.out, INITIAL_WINDOW_SIZE, <uint32_t>self.window_bytes)
        write_setting(self.out, MAX_HEADER_LIST_SIZE, self.head_bytes)
        if self.budget_bytes > DEFAULT_WINDOW:
            write_window_update(self.out, 0, <uint32_t>(self.budget_bytes - DEFAULT_WINDOW))
        self.receive_window = self.budget_bytes
        return 0

    cdef int weigh(self) except -1:
        """How many streams may be opened now."""
        self.capacity = 0 if self.closing else max(
            0, min(self.peer_streams, self.max_streams) - self.open_streams)
        return 0

    cdef int forget(self, Stream stream, int end) except -1:
        Http2.forget(self, stream, end)
        return self.weigh()

    cdef int64_t open_stream(self) except -2:
        """The number of a new stream, or -1."""
        cdef int64_t number = self.next_number
        if self.capacity <= 0 or number > MOST_STREAM:
            return -1
        self.next_number += 2
        self.add_stream(number)
        self.weigh()
        return number

    def open(self) -> int:
        """As open_stream(), for tests."""
        return self.open_stream()

    cdef bint is_idle(self, int64_t number) noexcept:
        return number >= self.next_number or number % 2 == 0

    cdef int apply(self, int setting, uint32_t value, list events) except -1:
        if setting == MAX_CONCURRENT_STREAMS:
            self.peer_streams = value
            return self.weigh()
        if setting == ENABLE_PUSH and value:
            return self.fail(PROTOCOL_ERROR, "a server that would let clients push", events)
        if setting == ENABLE_CONNECT_PROTOCOL and value <= 1:
            if self.connect_protocol and not value:     # RFC 8441 section 3
                return self.fail(PROTOCOL_ERROR, "extended CONNECT taken back", events)
            self.connect_protocol = value == 1
        return Http2.apply(self, setting, value, events)

    cdef int on_goaway(self, const char* p, Py_ssize_t size, list events) except -1:
        """Streams above the last one were not looked at: they may be tried elsewhere (section 6.8)."""
        cdef Stream stream
        cdef int64_t last
        if self.number == 0 and size >= 8:
            last = get_32(p) & MOST_STREAM
            self.closing = True
            for stream in list(self.streams.values()):
                if stream.number > last:
                    self.forget(stream, RESET_BY_PEER)
                    events.append(new_reset(stream.number, "the endpoint closes the connection",
                                            REFUSED_STREAM, False, True))
        Http2.on_goaway(self, p, size, events)
        return self.weigh()

    cdef int send_head(self, int64_t number, Head head, bint last) except -1:
        cdef Stream stream = self.find(number)
        if stream is None or stream.local_over:
            return 0
        if head.kind != REQUEST_HEAD or stream.head_sent:
            raise Http2ProtocolError("a client sends one request on a stream")
        stream.head_sent = True
        stream.head_only = head.method == METHOD_HEAD
        stream.tunnel = head.method == METHOD_CONNECT
        self.promise(stream, head, False, last)
        return self.write_head(stream, head, last)

    cdef int on_block(self, Head head, bint too_large, list events) except -1:
        cdef Stream stream = self.find(self.number)
        cdef Verdict verdict
        cdef bint bodyless
        if stream is None:
            release_head(head)
            if self.is_idle(self.number):
                return self.fail(PROTOCOL_ERROR, "HEADERS on a stream that was not opened", events)
            if self.closed.end_of(self.number) in (RESET_BY_US, NEVER_WAS):
                return 0
            return self.fail(STREAM_CLOSED, "HEADERS on a closed stream", events)
        if stream.head_came:
            return self.on_trailers(stream, head, too_large, events)
        if not stream.head_sent:
            release_head(head)
            return self.fail_stream(self.number, PROTOCOL_ERROR, "a response before its request", events)
        head.kind = RESPONSE_HEAD
        if too_large:
            release_head(head)
            return self.fail_stream(self.number, CANCEL, "head too large", events)
        verdict = judge_response(head, self.block_ends)
        if verdict.outcome == GOOD and head.status < 200:
            return self._interim(head, events)
        bodyless = stream.head_only or head.status == 204 or head.status == 304
        stream.tunnel = stream.tunnel and 200 <= head.status < 300
        if stream.tunnel:
            # RFC 9110 section 9.3.6: what follows is no body, whatever its length says.
            head.drop(CONTENT_LENGTH)
            head.content_length = -1
            head.chunked = bodyless = False
        if verdict.outcome == GOOD and self.block_ends and head.content_length > 0 and not bodyless:
            verdict = Verdict(MALFORMED, 400, b"a content-length without a body")
        if verdict.outcome != GOOD:
            release_head(head)
            return self.fail_stream(self.number, PROTOCOL_ERROR, verdict.reason.decode(), events)
        stream.head_came = True
        stream.remote_over = self.block_ends
        stream.content_left = 0 if bodyless else head.content_length
        if bodyless:
            head.chunked = False
        events.append(head)
        return self.settle(stream)

    cdef int _interim(self, Head head, list events) except -1:
        cdef Stream stream = self.find(self.number)
        stream.interim += 1
        if self.block_ends or head.content_length > 0 or stream.interim > INTERIM_RESPONSES:
            release_head(head)
            return self.fail_stream(self.number, PROTOCOL_ERROR, "too many interim responses, or one with a body or an end",
                                    events)
        head.last = head.chunked = False
        events.append(head)
        return 0

    cdef int close(self, uint32_t code, bytes why) except -1:
        Http2.close(self, code, why)
        return self.weigh()

    cdef int drain(self) except -1:
        return self.finish_drain()

    cdef int finish_drain(self) except -1:
        if not self.closing:
            self.closing = True
            write_goaway(self.out, 0, NO_ERROR, b"")
            self.weigh()
        return 0
