from libc.stdint cimport int64_t, uint8_t, uint64_t


# The frames of one direction of a WebSocket, seen as they pass.
cdef class FrameScanner:
    cdef uint8_t header[14]
    cdef int header_size        # bytes of it that came
    cdef uint64_t left          # payload bytes of this frame that did not come yet
    cdef bint in_payload
    cdef bint in_message        # a message goes on in the next data frame
    cdef uint8_t mask[4]
    cdef int code_bytes         # of the close code that came
    cdef readonly int64_t messages, pings, pongs
    cdef readonly int close_code    # -1 until a close frame came
    cdef readonly bint broken   # these are no WebSocket frames; nothing more is looked at

    cdef void feed(self, const uint8_t* data, Py_ssize_t size) noexcept nogil
    cdef Py_ssize_t _take_header(self, const uint8_t* data, Py_ssize_t size) noexcept nogil
    cdef void _begin(self, int size) noexcept nogil
    cdef void _begin_message(self, int opcode) noexcept nogil
    cdef void _take_code(self, const uint8_t* data, Py_ssize_t size) noexcept nogil
    cdef void _end(self) noexcept nogil


cpdef enum Closer:
    NOBODY = 0
    CLIENT = 1
    SERVER = 2


cdef class WebSocketWatch:
    cdef readonly FrameScanner client, server   # what each of them sent
    cdef readonly int closed_by                 # who sent the first close frame

    cdef void see(self, bint from_client, const char* data, Py_ssize_t size) noexcept
