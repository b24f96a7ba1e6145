from libc.stdint cimport int64_t, uint64_t

from headgate.core.head cimport Span
from headgate.core.output cimport Output


# What one access record says of one exchange. An absent text has data == NULL.
cdef struct Record:
    double started              # epoch seconds
    Span client                 # address of the client behind trusted hops
    Span user                   # who the client is, as a middleware found out
    Span peer                   # address of the connection
    int peer_port
    Span listener
    Span method
    Span target                 # as received
    Span host
    Span path                   # normalised
    int version                 # 10, 11, 20
    Span user_agent
    Span referer
    Span request_id
    Span route
    Span service
    Span variant                # which of several services of the route
    Span endpoint
    Span reason                 # of Proxy-Status, when Headgate made the answer or the exchange broke
    Span ended_by               # client, upstream, headgate
    Span detail                 # for example the nearest route of a 404
    int status
    int upstream_status
    int attempts
    Span retried                # why the last attempt but one was followed by another: one of RETRY_CAUSES
    Span not_retried            # why the last was not, although its cause is to be tried again: one of OBSTACLES
    Span hedge                  # whose answer a request got that was sent twice at once: first, second, none
    uint64_t bytes_in           # request body
    uint64_t bytes_out          # response body
    uint64_t head_bytes_in
    uint64_t head_bytes_out
    double duration             # seconds; each phase is negative when it did not happen
    double wait_seconds         # from head received to the last attempt started
    double connect_seconds      # from attempt started to connection had (queue and connect)
    double first_byte_seconds   # from connection had to response head
    double request_seconds      # from head received to request completely received
    bint secure
    Span tls_version            # TLSv1.3
    Span tls_cipher
    Span sni                    # the server name that the client asked for
    Span alpn                   # the protocol that was agreed on
    Span ja3                    # fingerprints of the ClientHello, where the format asks for them
    Span ja4
    int grpc_status             # of gRPC calls, else -1
    int websocket_close         # of the WebSocket's first close frame (RFC 6455 section 7.4), or -1
    Span websocket_closed_by    # who sent it: client, upstream


# One value of a record in a line, with what stands before it.
cdef struct Part:
    int kind                    # how the value is written
    Py_ssize_t offset           # of the value in Record
    const char* prefix
    Py_ssize_t prefix_size


cdef class RecordFormat:
    cdef readonly bint fingerprints     # a line names them
    cdef readonly bint query    # False: targets and referers end before their "?"
    cdef Part* parts
    cdef int part_count
    cdef bytes prefixes         # of all parts
    cdef bytes tail             # behind the last value, with the line feed
    cdef Py_ssize_t fixed       # room for everything but texts
    cdef int64_t second         # the one that the two texts below say
    cdef char stamp[20]         # 2026-01-31T23:59:59
    cdef char date[32]          # 31/Jan/2026:23:59:59 +0000

    cdef int write(self, const Record* record, Output output) except -1

    cdef object compile(self, list values, str tail)
    cdef Py_ssize_t room(self, const Record* record) noexcept
    cdef void set_second(self, int64_t second) noexcept
    cdef char* write_value(self, Part* part, const Record* record, char* out, bint json) noexcept
    cdef char* write_text(self, int kind, const Span* text, int port, char* out, bint json) noexcept
    cdef char* write_time(self, double seconds, char* out, bint date) noexcept


cdef class JsonFormat(RecordFormat):
    pass


cdef class TemplateFormat(RecordFormat):
    cdef readonly str template


cdef class CombinedFormat(TemplateFormat):
    pass
