from libc.stdint cimport int64_t

from headgate.core.grpc_web cimport WebRequest, WebResponse
from headgate.core.head cimport Head


# What an exchange knows in addition when it carries a gRPC call.
cdef class GrpcCall:
    cdef readonly int kind              # WebKind of the request
    cdef readonly int64_t timeout       # nanoseconds that the client waits; 0 when it did not say, -1: malformed
    cdef readonly int status            # grpc-status of the answer, or -1
    cdef int failure                    # the HTTP status of an error of our own, which goes out as 200, or 0
    cdef bint expired                   # the error is that time ran out
    cdef bint answering                 # a response of gRPC has begun
    cdef bytes content_type             # of the request
    cdef bytes accept                   # its Accept, or None
    cdef bint translated                # the request's head
    cdef bint translates                # the attempt under way: gRPC-Web from the client, gRPC to the endpoint
    cdef WebRequest incoming            # the request's body in its text form; None: it goes as it comes
    cdef WebResponse outgoing           # None: the response goes as it comes
    cdef bytearray question             # to this listener itself: what came of its body, or None

    cdef bint asks_health(self, Head head) noexcept
    cdef int begin_attempt(self, Head head, bint http2, double seconds_left) except -1
    cdef int _translate_request(self, Head head) except -1
    cdef int answer_head(self, Head head) except -1
    cdef int _translate_response(self, Head head, bytes content_type) except -1
    cdef int read_status(self, Head head) except -1
    cdef list error_fields(self, int http_status, bytes reason, bytes detail, bytes message=*)


cdef GrpcCall call_of(Head head)
cdef tuple answer_health(bytes path, bytes question, bint ready, object services)
