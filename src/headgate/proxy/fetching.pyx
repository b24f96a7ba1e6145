"""What middlewares fetch: an exchange of its own, through the pools of this worker, whose answer is collected."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from headgate.base.version import VERSION
from headgate.core.cells import bytes_of
from headgate.core.events cimport REQUEST_HEAD
from headgate.core.head cimport (
    CONTENT_LENGTH, HOST, METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, USER_AGENT, Field, Head, Span,
    method_of, new_head,
)
from headgate.middleware.message cimport add_checked
from headgate.middleware.url import parse_url
from headgate.middleware.worker import Fetched, FetchFailed
from headgate.proxy.context cimport Context
from headgate.proxy.errand cimport Errand, begin_errand, errand_listener, errand_route, new_errand
from headgate.proxy.exchange cimport Exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.snapshot cimport Listener, Route, RouteLimits, Service
from headgate.spec import Route as RouteSpec, RouteLimits as LimitsSpec

# The deadline of a fetch is its own; what a route would limit stands far behind it.
cdef double NEVER = 86400.0
cdef bytes _AGENT = b"headgate/" + VERSION.encode()
_REASONS = {
    "http_response_timeout": "there was no answer in time",
    "http_response_body_size": "the answer is too long",
}


cdef class Fetch(Errand):
    """The side that waits for the answer: `future` gets a Fetched or FetchFailed."""
    cdef Exchange fetched
    cdef object future
    cdef object url
    cdef int status
    cdef list fields
    cdef list pieces
    cdef Py_ssize_t size
    cdef Py_ssize_t limit

    cdef int send_head(self, Head head) except -1:
        if head.status < 200:
            return 0
        self.status = head.status
        self.fields = [(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in head.items()]
        if head.content_length > self.limit and not head.last:
            return self.fail(b"http_response_body_size")
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        self.size += size
        if self.size > self.limit:
            self.pieces.clear()
            return self.fail(b"http_response_body_size")
        if size:
            self.pieces.append(PyBytes_FromStringAndSize(data, size))
        return 0

    cdef int finish(self) except -1:
        if self.fetched.reason is not None:
            return self.fail(self.fetched.reason)       # the answer is Headgate's own
        if not self.future.done():
            self.future.set_result(Fetched(self.status, self.fields, b"".join(self.pieces)))
        return 0

    cdef int abort(self) except -1:
        return self.fail(self.fetched.reason or b"http_response_incomplete")

    cdef int fail(self, bytes reason) except -1:
        """Whoever waits goes on, and ends the exchange."""
        cdef str name = reason.decode()
        cdef bytes detail = self.fetched.detail
        if not self.future.done():
            text = _REASONS.get(name) or name.replace("_", " ")
            if detail is not None:
                text += f" ({detail.decode('utf-8', 'replace')})"
            self.future.set_exception(FetchFailed(f"{self.url}: {text}", name))
        return 0

    def expire(self) -> None:
        """It took longer than it may."""
        if not self.future.done():
            self.fetched.context.tick()
            self.fetched.expire()


cdef class Fetcher:
    """Asks for what middlewares of this worker want."""
    cdef Context context
    cdef Route route
    cdef Listener listener

    def __init__(self, Context context not None):
        limits = LimitsSpec(body_idle_timeout=NEVER, response_idle_timeout=NEVER, first_byte_timeout=NEVER,
                            minimum_rate=0)
        self.context = context
        self.route = errand_route(RouteSpec(name="fetch", limits=limits), RouteLimits(limits),
                                  memoryview(bytearray(bytes_of(1))), 0)
        self.listener = errand_listener()

    async def fetch(self, str address, str method, list headers, bytes body, double timeout, Py_ssize_t limit):
        """See middleware.Worker.fetch."""
        cdef Fetch leg = self.begun(parse_url(address), method, headers, body, limit)
        timer = self.context.loop.call_later(timeout, leg.expire)
        try:
            begin_errand(leg.fetched)
            return await leg.future
        finally:
            timer.cancel()
            self.end(leg)

    cdef Fetch begun(self, object url, str method, list headers, bytes body, Py_ssize_t limit):
        """The side that waits, with its exchange. Raises FetchFailed, ValueError."""
        cdef Service service = self.context.snapshot.services.get(url.service)
        cdef Fetch leg = Fetch.__new__(Fetch)
        if service is None:
            raise FetchFailed(f"{url}: {_missing(url)}", "destination_not_found")
        if service.spec.proxy_protocol is not None:
            raise FetchFailed(f"{url}: its endpoints expect the PROXY protocol, and there is no client to name",
                              "destination_unavailable")
        leg.url = url
        leg.limit = limit
        leg.pieces = []
        leg.future = self.context.loop.create_future()
        self.context.tick()
        leg.fetched = new_errand(leg, self.context, self.listener, self.route, service, Peer.__new__(Peer),
                                 _head_of(url, method, headers, body), [body] if body else [])
        return leg

    cdef int end(self, Fetch leg) except -1:
        """Nobody waits any more."""
        if leg.future.done() and not leg.future.cancelled():
            leg.future.exception()          # which nobody sees when whoever waited was cancelled
        if not leg.fetched.closed:
            self.context.tick()
            leg.fetched.client_gone(b"connection_terminated")
        return 0


cdef str _missing(object url):
    if url.origin:
        return "no option of type Url in this configuration names this origin"
    return "there is no service of this name"


cdef Head _head_of(object url, str method, list headers, bytes body):
    """The head of a request. Raises ValueError for what cannot be sent."""
    cdef Head head = new_head(REQUEST_HEAD)
    cdef bytes name = method.encode()
    cdef bytes path = url.path.encode()
    cdef bytes query = (url.query or "").encode()
    if not name.isalpha() or name == b"CONNECT":
        raise ValueError(f"{method!r} is no method that can be fetched with")
    head.keep(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    head.keep(PyBytes_AS_STRING(query), PyBytes_GET_SIZE(query))
    head.method_text = Span(head.bytes, PyBytes_GET_SIZE(name))
    head.method = method_of(head.method_text.data, head.method_text.size)
    head.query = Span(head.bytes + PyBytes_GET_SIZE(name), PyBytes_GET_SIZE(query))
    head.has_query = url.query is not None
    head.set_path(PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path))
    add_checked(head, headers)
    _add_own(head, url.host.encode(), body)
    return head


cdef int _add_own(Head head, bytes host, bytes body) except -1:
    """What was not given: Host, User-Agent; and the length of the body."""
    cdef Field* field
    cdef bytes length = b"%d" % PyBytes_GET_SIZE(body)
    if head.find(HOST) == NULL and host:
        head.add_line(b"Host", 4, PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host), HOST)
    if head.number(USER_AGENT) < 0:
        head.add_line(b"User-Agent", 10, PyBytes_AS_STRING(_AGENT), PyBytes_GET_SIZE(_AGENT), USER_AGENT)
    head.last = PyBytes_GET_SIZE(body) == 0
    if not head.last or head.method not in (METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_DELETE):
        head.content_length = PyBytes_GET_SIZE(body)
        head.add_line(b"Content-Length", 14, PyBytes_AS_STRING(length), PyBytes_GET_SIZE(length), CONTENT_LENGTH)
    field = head.find(HOST)
    if field != NULL:
        head.authority = Span(head.bytes + field.value_start, field.value_size)
    return 0
