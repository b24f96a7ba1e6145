from libc.stdint cimport uint8_t, uint32_t

from headgate.core.head cimport Head


cpdef enum WebKind:
    NOT_WEB = 0
    WEB_BINARY = 1
    WEB_TEXT = 2            # base64


cdef int web_kind(const char* content_type, Py_ssize_t size) noexcept nogil
cpdef int answer_kind(int request_kind, bytes accept)
cpdef bytes grpc_type(bytes content_type)
cpdef bytes web_type(bytes content_type, int kind)


# The body of a gRPC-Web request on its way to a gRPC server.
cdef class WebRequest:
    cdef readonly int kind
    cdef readonly bint broken           # it is not base64; nothing more comes out
    cdef uint32_t bits                  # of the group that is not complete
    cdef int count                      # characters of it
    cdef int padding                    # of them "="

    cdef bytes take(self, const char* data, Py_ssize_t size)
    cdef bint finish(self) noexcept
    cdef int _take_one(self, uint8_t byte) noexcept
    cdef Py_ssize_t _end_group(self, uint8_t* out) noexcept
    cdef inline bint _take_group(self, const uint8_t* at, uint8_t* out) noexcept


# The body of a gRPC response on its way to a gRPC-Web client.
cdef class WebResponse:
    cdef readonly int kind
    cdef uint8_t prefix[5]              # flag and size of the message that is on its way
    cdef int prefix_size
    cdef uint32_t left                  # bytes of that message to come
    cdef uint8_t held[3]                # bytes that are no whole group yet
    cdef int held_size

    cdef bytes take(self, const char* data, Py_ssize_t size)
    cdef bytes finish(self, Head trailers)
    cdef bytes finish_with(self, list fields)
    cdef Py_ssize_t _step(self, const uint8_t* data, Py_ssize_t size) noexcept
    cdef uint8_t* _write(self, uint8_t* out, const uint8_t* data, Py_ssize_t size) noexcept
    cdef uint8_t* _flush(self, uint8_t* out) noexcept
