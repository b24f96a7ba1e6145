from libc.stdint cimport int64_t, uint32_t

from headgate.core.head cimport Head
from headgate.core.hpack cimport HpackDecoder, HpackEncoder
from headgate.core.http2_abuse cimport Tolerance
from headgate.core.http2_stream cimport ClosedStreams, Stream
from headgate.core.output cimport Output


cdef class Http2:
    cdef Output out                     # None while the connection rests
    cdef public double now              # for limits on rates; whoever drives the codec sets it
    cdef Py_ssize_t room                # bytes of bodies that may still go straight into the output
    cdef readonly bint closing          # no new streams: GOAWAY was sent, or came
    cdef readonly bint over             # nothing more comes in; the output still drains
    cdef readonly bint in_head          # a block, or the beginning of the connection, is not complete
    cdef readonly bint settled          # the peer's first SETTINGS came
    cdef readonly Py_ssize_t open_streams
    cdef Py_ssize_t most_heads          # that one feed() reads; 0: all that are there
    cdef Py_ssize_t heads               # that this one has read
    cdef Py_ssize_t unread              # bytes that the last one has left
    cdef readonly Tolerance tolerance
    cdef HpackDecoder decoder
    cdef HpackEncoder encoder
    cdef dict streams
    cdef Stream found                   # the one that was looked for last
    cdef ClosedStreams closed
    cdef int64_t last_peer              # the highest number that the peer opened
    cdef Py_ssize_t max_streams
    cdef int64_t window_bytes
    cdef int64_t budget_bytes
    cdef uint32_t head_bytes
    cdef int head_fields
    cdef int path_policy
    # The frame that is being read.
    cdef char[9] header
    cdef int header_size
    cdef int type
    cdef int flags
    cdef int64_t number
    cdef Py_ssize_t left                # of its payload
    cdef Py_ssize_t padding             # behind the data
    cdef bint padded                    # how much padding there is comes next
    cdef Stream target                  # of data; None: nobody wants it
    cdef bytearray payload              # of a frame that came in pieces
    # The block of a head that is being read.
    cdef int64_t block_number           # 0: none
    cdef bint block_ends                # the stream ends with it
    cdef bint block_on_itself           # the stream depends on itself
    cdef bytearray block
    # Windows.
    cdef int64_t send_window
    cdef int64_t receive_window
    cdef int64_t owed
    cdef int64_t excess                 # by which peers may pass windows that we made smaller, until they know
    cdef int64_t peer_window            # of a new stream
    cdef int64_t target_window          # to which streams grow
    cdef int64_t granted                # above the first windows, of all streams
    cdef int probing                    # answers to PING that are awaited, to measure a round trip
    cdef int64_t probed
    # Streams with a queue.
    cdef list waiting
    cdef int64_t turn
    cdef Py_ssize_t usual_room          # what output() sets the room to
    cdef dict early                     # priorities that came before their streams, or None
    cdef bint prioritised               # the peer spoke of priorities
    cdef list lent

    cdef int start(self) except -1
    cdef list feed(self, const char* data, Py_ssize_t size)
    cdef list feed_end(self)
    cdef int send_head(self, int64_t stream, Head head, bint last) except -1
    cdef int send_data(self, int64_t stream, const char* data, Py_ssize_t size, bint last) except -1
    cdef int send_trailers(self, int64_t stream, Head head) except -1
    cdef int send_reset(self, int64_t stream, uint32_t code) except -1
    cdef int consumed(self, int64_t stream, Py_ssize_t size) except -1
    cdef int pump(self, list events, Py_ssize_t room) except -1
    cdef Py_ssize_t queued(self, int64_t stream) noexcept
    cdef bint wants_pump(self) noexcept
    cdef bint in_body(self) noexcept
    cdef int drain(self) except -1
    cdef int finish_drain(self) except -1
    cdef int close(self, uint32_t code, bytes why) except -1
    cdef int ping(self, const char* opaque) except -1

    cdef Stream find(self, int64_t number)
    cdef Stream add_stream(self, int64_t number)
    cdef int forget(self, Stream stream, int end) except -1
    cdef int settle(self, Stream stream) except -1
    cdef int fail(self, uint32_t code, str reason, list events) except -1
    cdef int fail_stream(self, int64_t number, uint32_t code, str reason, list events) except -1
    cdef bint tolerate(self, int abuse, double cost, list events) except -1
    cdef bint sated(self, const char* data, Py_ssize_t size) noexcept
    cdef Py_ssize_t read_start(self, const char* data, Py_ssize_t size, list events) except -1
    cdef int begin_frame(self, list events) except -1
    cdef Py_ssize_t read_payload(self, const char* data, Py_ssize_t size, list events) except -1
    cdef int handle(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int begin_data(self, list events) except -1
    cdef int stray_data(self, list events) except -1
    cdef Py_ssize_t read_data(self, const char* data, Py_ssize_t size, list events) except -1
    cdef bint is_empty(self) noexcept
    cdef int judge_data(self, list events) except -1
    cdef int hand_on(self, const char* data, Py_ssize_t size, list events) except -1
    cdef int _bad_priority(self, uint32_t code, str reason, list events) except -1
    cdef int on_headers(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_continuation(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int end_block(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_block(self, Head head, bint too_large, list events) except -1
    cdef int on_trailers(self, Stream stream, Head head, bint too_large, list events) except -1
    cdef int on_priority(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_reset(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_settings(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int heard_our_settings(self) except -1
    cdef int apply(self, int setting, uint32_t value, list events) except -1
    cdef int on_ping(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_goaway(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_window_update(self, const char* p, Py_ssize_t size, list events) except -1
    cdef int on_priority_update(self, const char* p, Py_ssize_t size, list events) except -1
    cdef bint is_idle(self, int64_t number) noexcept
    cdef int credit(self, Stream stream) except -1
    cdef int probe_again(self) except -1
    cdef int promise(self, Stream stream, Head head, bint bodyless, bint last) except -1
    cdef int write_data(self, Stream stream, const char* data, Py_ssize_t size, bint last) except -1
    cdef int write_head(self, Stream stream, Head head, bint last) except -1
    cdef int wait(self, Stream stream) except -1
    cdef Stream next_waiting(self)
    cdef bint can_send(self, Stream stream) noexcept
    cdef int serve(self, Stream stream, Py_ssize_t room) except -1


cdef class Http2Server(Http2):
    cdef int preface_size               # bytes of the client's preface that came
    cdef bint draining
    cdef bint named_last                # the last stream that we look at

    cdef int _stray_head(self, list events) except -1
    cdef int _open(self, Head head, bint too_large, list events) except -1


cdef class Http2Client(Http2):
    cdef readonly Py_ssize_t capacity   # streams that may be opened now
    cdef readonly bint connect_protocol
    cdef bytes scheme
    cdef int64_t next_number
    cdef Py_ssize_t peer_streams        # that the peer allows

    cdef int64_t open_stream(self) except -2
    cdef int weigh(self) except -1
    cdef int _interim(self, Head head, list events) except -1
