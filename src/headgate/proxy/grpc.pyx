"""gRPC calls on their way through: deadlines, statuses, and the form of gRPC that browsers speak.

gRPC-Web is translated where the endpoint speaks HTTP/2, so that any gRPC server serves browsers. An
endpoint of HTTP/1.1 is no gRPC server: what it gets of gRPC-Web is what came.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from headgate.core.grpc cimport (
    GRPC_DEADLINE_EXCEEDED, GRPC_INVALID_ARGUMENT, GRPC_NOT_FOUND, GRPC_OK, GRPC_RESOURCE_EXHAUSTED,
    GRPC_UNIMPLEMENTED, TIMEOUT_SIZE, format_timeout, grpc_status_of, is_grpc, parse_status, parse_timeout,
    trailers_only,
)
from headgate.core.grpc_web cimport NOT_WEB, WEB_TEXT, answer_kind, grpc_type, web_kind, web_type
from headgate.core.head cimport ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, OTHER, Field
from headgate.core import grpc_health
from headgate.proxy import replies

cdef bytes HEALTH = b"/grpc.health.v1.Health/"


cdef inline bytes _value(Head head, Field* field):
    return head.bytes[field.value_start:field.value_start + field.value_size]


cdef inline int _set_type(Head head, bytes content_type) except -1:
    head.drop(CONTENT_TYPE)
    return head.add_line(b"Content-Type", 12, PyBytes_AS_STRING(content_type),
                         PyBytes_GET_SIZE(content_type), CONTENT_TYPE)


cdef int _drop_length(Head head) except -1:
    """The body becomes another one, whose length is not known before its end."""
    head.drop(CONTENT_LENGTH)
    head.content_length = -1
    head.chunked = not head.last
    return 0


cdef GrpcCall call_of(Head head):
    """The call that a POST with a content type is, or None."""
    cdef Field* field = &head.fields[head.number(CONTENT_TYPE)]
    cdef const char* text = head.bytes + field.value_start
    cdef GrpcCall call
    cdef int kind = web_kind(text, field.value_size)
    if kind == NOT_WEB and not is_grpc(text, field.value_size):
        return None
    call = GrpcCall.__new__(GrpcCall)
    call.kind = kind
    call.content_type = _value(head, field)
    field = head.find(ACCEPT)
    if field != NULL:
        call.accept = _value(head, field)
    field = head.find_name(b"grpc-timeout", 12, 0)
    if field != NULL:
        call.timeout = parse_timeout(head.bytes + field.value_start, field.value_size)
    return call


cdef class GrpcCall:

    def __cinit__(self):
        self.status = -1

    cdef bint asks_health(self, Head head) noexcept:
        """Whether it is for grpc.health.v1, which a listener may answer itself."""
        return (self.kind == NOT_WEB and head.path.size > PyBytes_GET_SIZE(HEALTH)
                and memcmp(head.path.data, PyBytes_AS_STRING(HEALTH), PyBytes_GET_SIZE(HEALTH)) == 0)

    # --- The request ---

    cdef int begin_attempt(self, Head head, bint http2, double seconds_left) except -1:
        """Make the request what the endpoint is to see. `seconds_left` is infinite without a deadline."""
        cdef char text[TIMEOUT_SIZE]
        if seconds_left < 1e9:
            # Each server on the way gives up no later than who waits for it.
            head.drop_name(b"grpc-timeout", 12)
            size = format_timeout(<int64_t>(max(seconds_left, 0.0) * 1e9), text)
            head.add_line(b"grpc-timeout", 12, text, size, OTHER)
        self.translates = self.kind != NOT_WEB and (http2 or self.translated)
        self.incoming = None
        if self.translates:
            self._translate_request(head)
        return 0

    cdef int _translate_request(self, Head head) except -1:
        if self.kind == WEB_TEXT:
            self.incoming = WebRequest(WEB_TEXT)    # of each attempt its own: the body is sent from its begin
        if self.translated:
            return 0
        self.translated = True
        _set_type(head, grpc_type(self.content_type))
        head.te_trailers = True
        if self.kind == WEB_TEXT:
            _drop_length(head)
        return 0

    # --- The response ---

    cdef int answer_head(self, Head head) except -1:
        """Look at the head of a response, and make it what the client is to see."""
        cdef Field* field = head.find(CONTENT_TYPE)
        if field == NULL:
            return 0
        content_type = _value(head, field)
        self.answering = is_grpc(PyBytes_AS_STRING(content_type), PyBytes_GET_SIZE(content_type))
        self.read_status(head)              # of an answer that has only trailers
        if self.translates and self.answering:
            self._translate_response(head, content_type)
        return 0

    cdef int _translate_response(self, Head head, bytes content_type) except -1:
        cdef int kind = self.kind
        if self.accept is not None:
            kind = answer_kind(kind, self.accept)
        _set_type(head, web_type(content_type, kind))
        if not head.last:
            _drop_length(head)
            self.outgoing = WebResponse(kind)
        return 0

    cdef int read_status(self, Head head) except -1:
        """Remember the grpc-status of trailers."""
        cdef Field* field = head.find_name(b"grpc-status", 11, 0)
        if field != NULL:
            self.status = parse_status(head.bytes + field.value_start, field.value_size)
        return 0

    # --- Errors of our own ---

    cdef list error_fields(self, int http_status, bytes reason, bytes detail, bytes message=b""):
        """The fields that say an error, the content type first: trailers have all others. Without a `message`
        it is what the status says to a person."""
        status = grpc_status_of(http_status)
        if self.expired:
            status = GRPC_DEADLINE_EXCEEDED
        elif http_status == 413:
            status = GRPC_RESOURCE_EXHAUSTED
        self.status = status
        self.failure = http_status
        content_type = self.content_type.partition(b";")[0].strip()
        text = message or replies.sentence(http_status, detail).encode()
        fields = trailers_only(status, text, content_type)
        return [*fields, replies.proxy_status(reason)]


# --- Health ---

cdef tuple answer_health(bytes path, bytes question, bint ready, object services):
    """What a listener says of itself, or of a service by name: a grpc-status, and the message when it is
    GRPC_OK. `Watch` is not offered; clients take its absence for "no health checks"."""
    if path != grpc_health.CHECK_PATH:
        return GRPC_UNIMPLEMENTED, b"only Check is offered"
    try:
        service = grpc_health.decode_request(grpc_health.unwrap(question))
    except grpc_health.MalformedMessageError as error:
        return GRPC_INVALID_ARGUMENT, str(error).encode()
    if service and service not in services:
        return GRPC_NOT_FOUND, b"there is no service of this name"
    status = grpc_health.ServingStatus.SERVING if ready else grpc_health.ServingStatus.NOT_SERVING
    return GRPC_OK, grpc_health.wrap(grpc_health.encode_response(status))
