"""An exchange as middlewares see it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t

from urllib.parse import parse_qsl, unquote_plus

from headgate.core.head cimport METHOD_HEAD, Head, Span, method_of, text_of
from headgate.core.paths import PathRefused, normalise_path


class BodyTooLarge(Exception):
    """A body has more bytes than the middleware wants to read. Unless it is caught, the client gets 413, or 502 for a
    response's."""


class BodyMalformed(Exception):
    """A body is not what its fields say that it is. Raised from `on_body` it ends the exchange: a client gets 400,
    an endpoint's answer becomes 502."""


cdef class Request(Message):
    """The request. What is set here is what the endpoint gets."""

    @property
    def method(self) -> str:
        return text_of(self.living().method_text)

    @method.setter
    def method(self, str value not None) -> None:
        cdef Head head = self.living()
        cdef bytes text = value.encode("ascii")
        if not text.isalpha() or text == b"CONNECT":
            raise ValueError(f"{value!r} is no method that a request can be given")
        if (text == b"HEAD") != (head.method == METHOD_HEAD):
            raise ValueError(f"a request with {self.method} cannot get {value}: the client would wait for another "
                             "answer than comes; ask with worker.fetch and answer with a Reply")
        head.method_text = _kept(head, text)
        head.method = method_of(head.method_text.data, head.method_text.size)

    @property
    def path(self) -> str:
        """In normal form, without the query."""
        return text_of(self.living().path)

    @path.setter
    def path(self, str value not None) -> None:
        """Taken to normal form. Raises ValueError for what is none, or what `paths` in the file refuses."""
        cdef bytes path
        if "?" in value or "#" in value:
            raise ValueError(f"{value!r} is no path: write %3F and %23, and set the query as `query`")
        try:
            path = normalise_path(value.encode("latin-1"), self.path_policy)
        except PathRefused as error:
            raise ValueError(f"{value!r} is no path that can be sent: {error}") from None
        self.living().set_path(PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path))

    @property
    def query(self) -> str | None:
        """What stands behind the "?" as it came; None when there is no "?"."""
        return self.living().query_text

    @query.setter
    def query(self, str value) -> None:
        cdef Head head = self.living()
        if value is None:
            head.has_query = False
            head.query = Span(NULL, 0)
            return
        text = value.encode("ascii")
        if not all(33 <= byte < 127 and byte != 35 for byte in text):
            raise ValueError(f"{value!r} is no query: encode it, as urllib.parse.urlencode does")
        head.query = _kept(head, text)
        head.has_query = True

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query as names and values, decoded."""
        return parse_qsl(self.living().query_text or "", keep_blank_values=True)

    def take_parameter(self, str name not None) -> list[str]:
        """Take a parameter with a secret out of the query, and out of what is recorded of the request. Returns the
        values that it had, decoded."""
        cdef Head head = self.living()
        cdef list kept = [], found = []
        if not head.has_query:
            return found
        for pair in head.query_text.split("&"):
            before, _, after = pair.partition("=")
            if unquote_plus(before) == name:
                found.append(unquote_plus(after))
            else:
                kept.append(pair)
        if found:
            rest = "&".join(kept).encode("latin-1")
            target = head.target_text.encode("latin-1").partition(b"?")[0]
            head.has_query = bool(rest)
            head.query = _kept(head, rest)
            head.target = _kept(head, target + b"?" + rest if rest else target)
        return found

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies; of several with one name the first, as servers see it (RFC 6265 section 5.4)."""
        cdef dict found = {}
        for pair in ";".join(self.headers.all("cookie")).split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found.setdefault(name, value.strip('"'))
        return found

    @property
    def target(self) -> str:
        """The request target as the client sent it."""
        return self.living().target_text

    @property
    def host(self) -> str:
        """In lower case, without port; "" when the client named none."""
        return self.living().host_text

    @property
    def authority(self) -> str:
        """Host and port as the client sent them."""
        return self.living().authority_text or ""

    @property
    def port(self) -> int | None:
        """The port that the client named; None when it named none."""
        port = self.living().port
        return port if port >= 0 else None

    @property
    def scheme(self) -> str:
        """http or https, as the listener speaks."""
        self.living()
        return self.exchange.scheme

    @property
    def version(self) -> str:
        """1.0, 1.1 or 2."""
        return {10: "1.0", 11: "1.1", 20: "2"}[self.living().version]

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as the client said; None when it did not."""
        length = self.living().content_length
        return length if length >= 0 else None

    @property
    def has_body(self) -> bool:
        return not self.living().last

    def body(self, Py_ssize_t limit=1 << 20):
        """Await this: the whole body, as the client sent it, in `on_request`. It stays the request's. Raises
        BodyTooLarge for more than `limit` bytes."""
        self.living()
        return self.exchange.read_request(limit)

    def piece(self):
        """Await this: what came of the body since the last call, in `on_request`; b"" at its end. Who begins with
        this has to take it all, and to send another body: `replace_body` or `send_body`."""
        self.living()
        return self.exchange.read_piece()

    def send_body(self, object source not None, int64_t size) -> None:
        """Send `size` bytes as the body that `await source()` gives piece by piece, b"" at the end, once the whole
        body that came was read. No middleware can read it in `on_request`."""
        self.living()
        self.exchange.send_from(source, size)

    def replace_body(self, bytes data not None) -> None:
        """Send another body; the one that came has to be read before. Raises RuntimeError."""
        self.living()
        self.exchange.replace_request(data)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>" if self.head is not None else "<Request of the past>"


cdef Span _kept(Head head, bytes text) except *:
    """A text in memory of the head, behind what came, where no field is."""
    cdef uint32_t start = head.size
    head.keep(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return Span(head.bytes + start, PyBytes_GET_SIZE(text))


cdef class Response(Message):
    """The response, an endpoint's or Headgate's own."""

    @property
    def status(self) -> int:
        return self.living().status

    @status.setter
    def status(self, int value) -> None:
        cdef Head head = self.living()
        cdef bytes phrase = self.exchange.phrase(value)
        if not 200 <= value <= 599 or (value in (204, 304)) != (head.status in (204, 304)):
            raise ValueError(f"a response with status {head.status} cannot get {value}: its body would not fit")
        head.status = value
        head.reason = _kept(head, phrase)

    @property
    def content_length(self) -> int | None:
        """Bytes of the body; None when nobody said."""
        length = self.living().content_length
        return length if length >= 0 else None

    @property
    def has_body(self) -> bool:
        return not self.living().last

    def body(self, Py_ssize_t limit=1 << 20):
        """Await this: the whole body, in `on_response`. It stays the response's. Raises BodyTooLarge for more
        than `limit` bytes."""
        self.living()
        return self.exchange.read_response(limit)

    def replace_body(self, bytes data not None) -> None:
        """Send another body, in `on_response`; one that an endpoint sends has to be read before. Raises
        RuntimeError."""
        self.living()
        self.exchange.replace_response(data)

    def read_ahead(self, object spool not None) -> None:
        """Read the body of an endpoint's response whatever the client takes, in `on_response`: what is ahead waits
        in the middleware.spool.Spool."""
        self.living()
        self.exchange.read_ahead(spool)

    def __repr__(self) -> str:
        return f"<Response {self.status}>" if self.head is not None else "<Response of the past>"


class StateKey:
    """The name of something that a middleware keeps with an exchange, and its type: `SEEN = StateKey[int]("seen")`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __class_getitem__(cls, kind):
        return cls

    def __repr__(self) -> str:
        return f"StateKey({self.name!r})"


cdef void _let_go(Message message) noexcept:
    message.head = None
    message._headers = None


cdef class Exchange:
    """One request and its response, from first byte to last."""

    cdef int open(self, Head head, int path_policy) except -1:
        """The request is there."""
        self._request = Request.__new__(Request)
        self._request.head = head
        self._request.exchange = self
        self._request.path_policy = path_policy
        return 0

    def trial_request(self, Head head not None, int path_policy=0) -> None:
        """For who runs an exchange in Python: the request is there."""
        self.open(head, path_policy)

    def trial_response(self, Head head not None, bint own=False) -> None:
        """For who runs an exchange in Python: the response is there."""
        self.respond(head, own)

    def trial_over(self) -> None:
        """For who runs an exchange in Python: it is over."""
        self.over()

    cdef int respond(self, Head head, bint own) except -1:
        """The response is there, or another than before."""
        if self._response is not None:
            _let_go(self._response)
        self._response = Response.__new__(Response)
        self._response.head = head
        self._response.exchange = self
        self._response.own = own
        return 0

    cdef int over(self) except -1:
        """Heads are used again: what is left of this exchange must not see another's. Nor must its parts hold
        each other: what refers back in a circle waits for the collector of garbage.
        """
        _let_go(self._request)
        self._request.exchange = None
        if self._response is not None:
            _let_go(self._response)
            self._response.exchange = None
        return 0

    @property
    def request(self) -> Request:
        return self._request

    @property
    def response(self) -> Response | None:
        """None before there is one."""
        return self._response

    @property
    def answered(self) -> bool:
        """Whether there is a response."""
        return self._response is not None

    @property
    def state(self) -> dict:
        """What middlewares keep with this exchange, by StateKey."""
        if self._state is None:
            self._state = {}
        return self._state

    # What follows is said by whoever runs the exchange; pyi has the types.

    def __getattr__(self, str name not None):
        raise AttributeError(f"an exchange has no {name}; its attributes stand in docs/middlewares.md")
