from libc.stdint cimport int64_t, uint32_t

from headgate.core.events cimport Event
from headgate.core.head cimport Head
from headgate.core.output cimport Output


# Where the reader stands.
cpdef enum Reading:
    READ_HEAD = 0
    READ_LENGTH
    READ_CHUNK_SIZE
    READ_CHUNK_EXTENSION
    READ_CHUNK_SIZE_LF
    READ_CHUNK_DATA
    READ_CHUNK_CR
    READ_CHUNK_LF
    READ_TRAILERS
    READ_TO_END
    READ_HELD           # a message is complete; the next begins when next_message() is called
    READ_TUNNEL
    READ_OVER           # ended or broken: nothing more comes out


# How the message that is being sent is framed.
cpdef enum Writing:
    WRITE_IDLE = 0
    WRITE_LENGTH
    WRITE_CHUNKED
    WRITE_TO_END
    WRITE_NOTHING       # a head without a body
    WRITE_TUNNEL
    WRITE_OVER


cdef class Http1:
    cdef readonly int reading
    cdef readonly int writing
    cdef readonly bint input_ended
    cdef Output out
    cdef Head head                  # being read
    cdef int64_t left               # of the body or chunk that is being read
    cdef int64_t stream
    cdef uint32_t extension_bytes   # chunk extensions of this message
    cdef int digits
    cdef int64_t write_left
    cdef char* held                 # input behind a complete message
    cdef Py_ssize_t held_size
    cdef Py_ssize_t held_capacity
    cdef list lent                  # owners of bytes that Python sent and the output borrows
    cdef uint32_t head_bytes        # limits
    cdef int head_fields

    cdef list feed(self, const char* data, Py_ssize_t size)
    cdef list feed_end(self)
    cdef int end_input(self, list events) except -1
    cdef list next_message(self)
    cdef int read_more(self, const char* data, Py_ssize_t size, list events) except -1
    cdef Py_ssize_t read_head(self, const char* data, Py_ssize_t size, list events) except -1
    cdef int judge(self, Head head) except? -99
    cdef int read_fault(self, int code, list events) except -1
    cdef int violate(self, int status, str reason, list events) except -1
    cdef int parse(self, Head head, const char* data, Py_ssize_t size) except? -99
    cdef int after_head(self, Head head, list events) except -1
    cdef int begin_body(self, Head head) except -1
    cdef int message_read(self) except -1
    cdef Py_ssize_t read_chunk_line(self, const char* data, Py_ssize_t size, list events) except -1
    cdef Py_ssize_t _bad_chunk(self, str reason, Py_ssize_t size, list events) except -1
    cdef Py_ssize_t _read_trailers(self, const char* data, Py_ssize_t size, list events) except -1
    cdef int _chunk_size(self, Py_ssize_t size) except -1
    cdef int hold(self, const char* data, Py_ssize_t size) except -1
    cdef int send_fields(self, Head head) except -1
    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1
    cdef int send_trailers(self, Head head) except -1
    cdef int begin_tunnel(self) except -1
    cdef bint written(self) noexcept
    cdef int pass_in(self, Py_ssize_t size) except -1
    cdef int pass_out(self, Py_ssize_t size) except -1


cdef class Http1Server(Http1):
    cdef readonly int path_policy
    cdef readonly int version           # of the request that is answered
    cdef readonly bint head_only        # the request is HEAD
    cdef public bint closing            # the connection ends with this response
    cdef bint last_request              # because the client said so: it sends nothing more
    cdef int blank                      # bytes of empty lines before a request line

    cdef int send_response(self, Head head) except -1
    cdef int _send_upgrade(self, Head head) except -1


cdef class Http1Client(Http1):
    cdef readonly bint head_only
    cdef readonly bint asked_upgrade
    cdef bytes asked                    # protocols of Upgrade
    cdef readonly bint persistent       # this connection may carry another exchange
    cdef int interim

    cdef int send_request(self, Head head) except -1
    cdef int _after_interim(self, Head head, list events) except -1
    cdef bint _asked_for(self, Head head) except -1
