from headgate.core.attempts cimport Tries
from headgate.core.head cimport Head
from headgate.core.record cimport Record
from headgate.proxy.exchange cimport Exchange


# Only for exchanges that have `tries`.
cdef int begin_tries(Exchange exchange) except -1
cdef int begin_attempt(Exchange exchange) except -1
cdef int end_attempt(Exchange exchange) except -1
cdef bint keeps_body(Exchange exchange) noexcept
cdef int note_connect(Exchange exchange) except -1
cdef bint failed(Exchange exchange, int cause) except -1
cdef bint judge(Exchange exchange, Head head) except -1
# Only for exchanges that are a `hedge`.
cdef int drop_hedge(Exchange hedge) except -1

cdef int record_tries(Record* record, Tries tries) except -1
# For all exchanges.
cdef bint read_deadline(Exchange exchange) except -1
cdef int pass_deadline(Exchange exchange) except -1
