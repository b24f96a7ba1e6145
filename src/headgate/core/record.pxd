from libc.stdint cimport uint64_t

from headgate.core.head cimport Span
from headgate.core.output cimport Output


# What one access record says of one exchange. An absent text has data == NULL.
cdef struct Record:
    double started              # epoch seconds
    Span client                 # address of the client behind trusted hops
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
    Span endpoint
    Span reason                 # of Proxy-Status, when Headgate made the answer or the exchange broke
    Span ended_by               # client, upstream, headgate
    Span detail                 # for example the nearest route of a 404
    int status
    int upstream_status
    int attempts
    uint64_t bytes_in           # request body
    uint64_t bytes_out          # response body
    uint64_t head_bytes_in
    uint64_t head_bytes_out
    double duration             # seconds; each phase is negative when it did not happen
    double wait_seconds         # from head received to attempt started (queue and connect)
    double connect_seconds
    double first_byte_seconds   # from attempt started to response head
    double request_seconds      # from head received to request completely received
    bint secure


cdef class RecordFormat:
    cdef int write(self, const Record* record, Output output) except -1
