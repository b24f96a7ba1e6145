from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from headgate.core.events cimport Event
from headgate.core.handshake cimport Handshake


# Well-known field names, tokenised once while a head is scanned. Names: head.pyx, TOKEN_NAMES.
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
    LOCATION
    RETRY_AFTER
    AUTHORIZATION
    COOKIE
    X_FORWARDED_CLIENT_CERT
    STRICT_TRANSPORT_SECURITY
    PRIORITY
    CONTENT_TYPE
    TOKENS


cpdef enum Method:
    METHOD_OTHER = 0
    METHOD_GET
    METHOD_HEAD
    METHOD_POST
    METHOD_PUT
    METHOD_DELETE
    METHOD_OPTIONS
    METHOD_PATCH
    METHOD_TRACE
    METHOD_CONNECT


cpdef enum TargetForm:
    ORIGIN_FORM = 0
    ABSOLUTE_FORM
    AUTHORITY_FORM
    ASTERISK_FORM


cpdef enum FieldFlag:
    DROPPED = 1     # stays in the bytes, is not sent on and seen by nobody
    HOP_BY_HOP = 2  # ends at this connection: seen by conditions, not sent on
    PSEUDO = 4      # a pseudo-field of HTTP/2: it says what a start line says, and is no field


cdef struct Span:
    const char* data
    Py_ssize_t size


# One field line. Offsets are into Head.bytes; the line runs from name_start to line_end and
# includes its CRLF, so that neighbouring lines are one run of bytes.
cdef struct Field:
    uint32_t name_start
    uint32_t name_size
    uint32_t value_start
    uint32_t value_size
    uint32_t line_end
    uint16_t token
    uint8_t flags
    uint8_t never_indexed       # came so over HTTP/2, and goes on so (RFC 7541 section 6.2.3)


cdef class Head(Event):
    cdef char* bytes            # the head as received, then the lines that were added
    cdef uint32_t size
    cdef uint32_t capacity
    cdef uint32_t received      # bytes of the head as received
    cdef uint32_t scanned       # where the reader goes on when more bytes come
    cdef bint line_read         # the start line has been read
    cdef uint32_t line_size     # bytes of the start line with its CRLF
    cdef uint64_t repeated      # bit set of the tokens that occur more than once
    # Parts of the start line as offsets: method and target of a request, reason of a response.
    cdef uint32_t method_size
    cdef uint32_t target_start
    cdef uint32_t target_size
    cdef Field* fields
    cdef int field_count
    cdef int field_capacity
    cdef short first[<int>TOKENS]       # first field of each well-known name, or -1

    cdef readonly int version           # 10 or 11; 20 for HTTP/2
    cdef readonly int64_t content_length    # as sent, or -1
    cdef readonly bint chunked
    cdef readonly bint keep_alive       # the sender lets the connection live on
    cdef readonly bint te_trailers
    cdef readonly bint expect_continue
    cdef Span upgrade                   # protocol asked for (request) or switched to (response)

    # Requests. `path` is the normalised path without the query: what is matched is what is sent.
    # `host` is lower case, without port, brackets and final dot.
    cdef readonly int method
    cdef readonly int target_form
    cdef readonly int port              # of the authority, or -1
    cdef Span method_text
    cdef Span target
    cdef Span path
    cdef Span query                     # behind the "?"
    cdef bint has_query
    cdef Span authority
    cdef Span host
    cdef char host_bytes[256]
    cdef Handshake handshake            # of the connection that it came on, or None
    cdef char* normal                   # room for a path that had to be normalised
    cdef uint32_t normal_capacity

    # Responses.
    cdef readonly int status
    cdef Span reason

    cdef int keep(self, const char* data, Py_ssize_t size) except -1
    cdef void clear(self) noexcept
    cdef int _reserve(self, uint32_t size) except -1
    cdef void _move(self, char* grown) noexcept
    cdef void _shift(self, Span* span, Py_ssize_t shift) noexcept
    cdef Field* new_field(self) except NULL
    cdef int add_line(self, const char* name, Py_ssize_t name_size,
                      const char* value, Py_ssize_t value_size, int token) except -1
    cdef inline int number(self, int token) noexcept:
        """The first field of a well-known name, or -1."""
        return self.first[token]

    cdef Field* find(self, int token) noexcept
    cdef Field* find_name(self, const char* name, Py_ssize_t size, int start) noexcept
    cdef void drop(self, int token) noexcept
    cdef void drop_name(self, const char* name, Py_ssize_t size) noexcept
    cdef void mark(self, int token, int flag) noexcept
    cdef int set_path(self, const char* data, Py_ssize_t size) except -1


cdef Head new_head(int kind)
cdef void release_head(Head head)
cdef int token_of(const char* name, Py_ssize_t size) noexcept nogil
cdef int method_of(const char* text, Py_ssize_t size) noexcept nogil
cdef object text_of(Span span)
