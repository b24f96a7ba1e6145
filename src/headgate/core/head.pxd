from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from headgate.core.events cimport Event


# Well-known field names, tokenised once while a head is scanned.
cpdef enum Token:
    OTHER = 0
    HOST
    CONNECTION
    KEEP_ALIVE
    PROXY_CONNECTION
    TE
    TRAILER
    TRANSFER_ENCODING
    UPGRADE
    CONTENT_LENGTH
    EXPECT
    VIA
    DATE
    MAX_FORWARDS
    X_FORWARDED_FOR
    X_FORWARDED_PROTO
    X_FORWARDED_HOST
    X_FORWARDED_PORT
    X_REAL_IP
    FORWARDED
    X_REQUEST_ID
    USER_AGENT
    REFERER
    ACCEPT
    HTTP2_SETTINGS
    PROXY_AUTHENTICATE
    PROXY_AUTHORIZATION
    LOCATION
    RETRY_AFTER
    TOKENS


cpdef enum Method:
    METHOD_OTHER = 0
    GET
    HEAD
    POST
    PUT
    DELETE
    OPTIONS
    PATCH
    TRACE
    CONNECT


cpdef enum TargetForm:
    ORIGIN_FORM = 0
    ABSOLUTE_FORM
    AUTHORITY_FORM
    ASTERISK_FORM


# What a field is, beside its bytes.
cpdef enum FieldFlag:
    DROPPED = 1     # stays in the bytes, is not sent on


# One field line. Offsets are into Head.bytes; the line runs from name_start to line_end and
# includes its CRLF, so that neighbouring lines are one run of bytes.
cdef struct Field:
    uint32_t name_start
    uint32_t name_size
    uint32_t value_start
    uint32_t value_size
    uint32_t line_end
    uint16_t token
    uint16_t flags


cdef struct Span:
    const char* data
    Py_ssize_t size


cdef class Head(Event):
    # The received bytes of the head, as they came.
    cdef char* bytes
    cdef uint32_t size
    cdef uint32_t capacity
    cdef Field* fields
    cdef int field_count
    cdef int field_capacity
    # First field of each well-known name, or -1; a bit set per token that occurs.
    cdef short first[32]
    # 10 or 11 for HTTP/1.0 and HTTP/1.1, 20 for HTTP/2.
    cdef readonly int version
    # True when no data, trailers or end event follows.
    cdef readonly bint last
    # Content-Length as sent, or -1.
    cdef readonly int64_t content_length
    cdef readonly bint chunked
    # Requests: the target as received and its parts. `path` is the normalised path without the
    # query: what is matched is what is sent. `host` is lower case, without port or brackets.
    cdef readonly int method
    cdef Span method_text
    cdef readonly int target_form
    cdef Span target
    cdef Span path
    cdef Span query
    cdef bint has_query
    cdef Span authority
    cdef Span host
    cdef readonly int port
    cdef char host_bytes[256]
    cdef char* normal
    cdef Py_ssize_t normal_capacity
    # Responses.
    cdef readonly int status
    cdef Span reason
    # Connection options of HTTP/1.
    cdef readonly bint keep_alive
    cdef readonly bint upgrade
    cdef readonly bint expect_continue
    cdef readonly bint te_trailers

    cdef void clear(self) noexcept
    cdef int keep(self, const char* data, Py_ssize_t size) except -1
    cdef int add_field(self, Field* field) except -1
    cdef Field* find(self, int token) noexcept
    cdef Field* find_name(self, const char* name, Py_ssize_t size) noexcept
