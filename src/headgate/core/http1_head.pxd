from libc.stdint cimport uint32_t

from headgate.core.head cimport Field, Head, Span


# What reading a head came to: more bytes are needed, it is complete, or one of the faults below.
cpdef enum HeadFault:
    INCOMPLETE = 0
    COMPLETE = 1
    BAD_START = -1
    BAD_METHOD = -2
    BAD_TARGET = -3
    BAD_VERSION = -4
    VERSION_UNSUPPORTED = -5
    TARGET_TOO_LONG = -6
    HEAD_TOO_LARGE = -7
    TOO_MANY_FIELDS = -8
    BAD_NAME = -9
    SPACE_BEFORE_COLON = -10
    FOLDED_LINE = -11
    BARE_LF = -12
    BARE_CR = -13
    CONTROL_BYTE = -14
    HOST_MISSING = -15
    HOST_REPEATED = -16
    HOST_INVALID = -17
    LENGTH_INVALID = -18
    LENGTH_REPEATED = -19
    BOTH_FRAMINGS = -20
    ENCODING_INVALID = -21
    ENCODING_UNSUPPORTED = -22
    ENCODING_IN_HTTP10 = -23
    CONNECTION_INVALID = -24
    EXPECT_UNKNOWN = -25
    PATH_REFUSED = -26
    BAD_STATUS = -27
    TRACE_WITH_BODY = -28
    LAST_FAULT = -28


cdef int read_request(Head head, const char* data, Py_ssize_t size, uint32_t limit, int fields) except? -99
cdef int read_response(Head head, const char* data, Py_ssize_t size, uint32_t limit, int fields) except? -99
cdef int read_trailers(Head head, const char* data, Py_ssize_t size, uint32_t limit, int fields) except? -99
cdef int finish_request(Head head, int path_policy) except? -99
cdef int finish_response(Head head) except? -99
cdef tuple fault(int code)

# What HTTP/2 shares.
cdef int read_framing(Head head) noexcept
cdef bint has_token(Span value, const char* token, Py_ssize_t size) noexcept
cdef int read_expectation(Head head) noexcept
cdef int read_host(Head head, Span value) noexcept
cdef int split_path(Head head, int policy) except? -99
cdef bint take_underscored(Field* field, const char* name, Py_ssize_t size) noexcept
cdef int drop_forbidden(Head head) except -1
