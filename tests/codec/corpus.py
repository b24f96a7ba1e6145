"""Messages of HTTP/1, valid and not, with what a strict reader makes of them.

Shared by the codec rules, the differential tests and the seeds of the fuzz targets. Each sample is what
one side of a connection sends; `messages` are those that it completes, as (start, body); `status`
is set when it breaks the protocol behind them. Neither: the last message is not complete yet.
"""

from __future__ import annotations

from dataclasses import dataclass

Message = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes of one direction, and what they come to."""

    name: str
    data: bytes
    messages: tuple[Message, ...] = ()
    status: int = 0
    asked: bytes = b"GET"  # for responses: the method of every request that they answer; see ASKED
    ended: bool = False  # the connection ends behind the bytes, and the messages count only then

    def __str__(self) -> str:
        return self.name


REQUESTS: list[Sample] = []
RESPONSES: list[Sample] = []

# Requests that responses answer. "UPGRADE" asks for a WebSocket.
ASKED = {
    b"GET": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"UPGRADE": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}

CHUNKED = b"Transfer-Encoding: chunked"
LONG = 40_000  # bytes; longer than the head limit of 32 KiB


def head(start: bytes, *lines: bytes) -> bytes:
    """A head with CRLF where it belongs; everything else is as given."""
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n"


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    return head(b"GET " + target + b" " + version, b"Host: a", *lines)


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return head(b"POST / HTTP/1.1", b"Host: a", *lines) + body


def chunked(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


def ok(*lines: bytes, body: bytes = b"", start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return head(start, *lines) + body


def chunked_ok(body: bytes) -> bytes:
    return ok(CHUNKED, body=body)


def taken(name: str, data: bytes, *messages: Message) -> None:
    """A request sample that is complete and valid."""
    REQUESTS.append(Sample(name, data, messages or (("GET /", b""),)))


def refused(name: str, data: bytes, status: int = 400, *messages: Message) -> None:
    """A request sample that is refused behind `messages`."""
    REQUESTS.append(Sample(name, data, messages, status))


def open_(name: str, data: bytes, *messages: Message) -> None:
    """A request sample that ends within a message."""
    REQUESTS.append(Sample(name, data, messages))


def answered(name: str, data: bytes, *messages: Message, asked: bytes = b"GET", ended: bool = False) -> None:
    """A response sample that is complete and valid."""
    RESPONSES.append(Sample(name, data, messages or (("200", b""),), asked=asked, ended=ended))


def broken(name: str, data: bytes, *messages: Message, asked: bytes = b"GET", status: int = 400) -> None:
    """A response sample that is refused behind `messages`."""
    RESPONSES.append(Sample(name, data, messages, status, asked=asked))


def cut(name: str, data: bytes, *messages: Message, asked: bytes = b"GET", ended: bool = False) -> None:
    """A response sample that ends within a message."""
    RESPONSES.append(Sample(name, data, messages, asked=asked, ended=ended))


# Start lines of requests.

taken("get", get())
taken("query", get(target=b"/a?b=c&d=%20"), ("GET /a?b=c&d=%20", b""))
taken("query of reserved characters", get(target=b"/?a[]={b|c}^`\\"), ("GET /?a[]={b|c}^`\\", b""))
taken("own method", head(b"PROPFIND / HTTP/1.1", b"Host: a"), ("PROPFIND /", b""))
taken(
    "method of odd tchars", head(b"M-SEARCH * HTTP/1.1".replace(b"*", b"/"), b"Host: a"), ("M-SEARCH /", b"")
)
taken("options of the server", head(b"OPTIONS * HTTP/1.1", b"Host: a"), ("OPTIONS *", b""))
taken("absolute-form", get(target=b"http://b:8080/x?y"), ("GET http://b:8080/x?y", b""))
taken("absolute-form without a path", get(target=b"http://b"), ("GET http://b", b""))
taken("absolute-form, https, upper case", get(target=b"HTTPS://B/"), ("GET HTTPS://B/", b""))
taken("connect", head(b"CONNECT a:443 HTTP/1.1", b"Host: a:443"), ("CONNECT a:443", b""))
taken("path that is normalised", get(target=b"/a/./b/../%7euser/"), ("GET /a/./b/../%7euser/", b""))
taken("path of many slashes", get(target=b"//a//b"), ("GET //a//b", b""))
taken("one empty line before", b"\r\n" + get())
taken("eight empty lines before", b"\r\n" * 8 + get())
taken("http/1.0 without host", b"GET / HTTP/1.0\r\n\r\n")
taken("http/1.0 keep-alive", head(b"GET / HTTP/1.0", b"Host: a", b"Connection: keep-alive"))
refused("nine empty lines before", b"\r\n" * 9 + get())
refused("empty line of a line feed", b"\n" + get())
refused("carriage returns before", b"\r\r\n" + get())
refused("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
refused("http/0.9", b"GET /\r\n\r\n")
refused("two spaces behind the method", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("two spaces before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n")
refused("space behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n")
refused("tab as a separator", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n")
refused("space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")
refused("space before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("method with a slash", b"G/T / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("control byte in the target", get(target=b"/\x01"))
refused("byte above 127 in the target", get(target="/ä".encode()))
refused("fragment", get(target=b"/a#b"))
refused("relative path", get(target=b"a"))
refused("asterisk for get", get(target=b"*"))
refused("connect with a path", head(b"CONNECT / HTTP/1.1", b"Host: a"))
refused("connect without a port", head(b"CONNECT a HTTP/1.1", b"Host: a"))
refused("unknown scheme", get(target=b"ftp://a/"))
refused("user information", get(target=b"http://u@a/"))
refused("absolute-form without a host", get(target=b"http:///"))
refused("bad triplet", get(target=b"/%zz"))
refused("encoded nul", get(target=b"/%00"))
refused("encoded backslash", get(target=b"/%5c"))
refused("dots beside an encoded slash", get(target=b"/a%2f..%2fb"))
refused("lower-case protocol", get(version=b"http/1.1"))
refused("version without minor", get(version=b"HTTP/1"))
refused("version with two digits", get(version=b"HTTP/1.10"))
refused("http/1.2", get(version=b"HTTP/1.2"), 505)
refused("http/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
refused("bare line feeds", b"GET / HTTP/1.1\nHost: a\n\n")
refused("carriage return in the request line", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n")
refused("target too long", b"GET /" + b"a" * LONG, 414)
refused("method that never ends", b"A" * LONG, 414)

# Fields of requests.

taken("many fields", get(*(b"X-%d: %d" % (i, i) for i in range(99))))
taken("white space around a value", get(b"X: \t a b \t "))
taken("empty value", get(b"X:", b"Y: "))
taken("value of bytes above 127", get(b"X: \xe4\xff"))
taken("names in odd case", head(b"GET / HTTP/1.1", b"hOsT: a", b"X_y~!#$%&'*+.^`|: 1"))
taken("host with a port", head(b"GET / HTTP/1.1", b"Host: A.b:8080"))
taken("host with an empty port", head(b"GET / HTTP/1.1", b"Host: a:"))
taken("host of ipv6", head(b"GET / HTTP/1.1", b"Host: [::1]:80"))
taken("connection options", get(b"Connection: close, X-Hop", b"X-Hop: 1"))
taken("connection of empty elements", get(b"Connection: , ,keep-alive, ,"))
taken("hop-by-hop fields", get(b"Keep-Alive: 5", b"Proxy-Connection: close", b"TE: trailers, gzip;q=0.5"))
taken("forwarding fields", get(b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=1.2.3.4", b"Via: 1.1 b"))
taken("upgrade", get(b"Connection: Upgrade", b"Upgrade: websocket"))
taken("upgrade to h2c", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA"))
taken("expect without a body", get(b"Expect: 100-continue"))
refused("no host", b"GET / HTTP/1.1\r\n\r\n")
refused("two hosts", get(b"Host: b"))
refused("two equal hosts", get(b"Host: a"))
refused("empty host", head(b"GET / HTTP/1.1", b"Host:"))
refused("host with a path", head(b"GET / HTTP/1.1", b"Host: a/b"))
refused("host with user information", head(b"GET / HTTP/1.1", b"Host: u@a"))
refused("host list", head(b"GET / HTTP/1.1", b"Host: a, b"))
refused("host with a bad port", head(b"GET / HTTP/1.1", b"Host: a:99999"))
refused("host with an open bracket", head(b"GET / HTTP/1.1", b"Host: [::1"))
refused("no colon", get(b"X"))
refused("empty name", get(b": x"))
refused("space before the colon", get(b"X : y"))
refused("tab before the colon", get(b"X\t: y"))
refused("space in a name", get(b"X Y: z"))
refused("bracket in a name", get(b"X(Y): z"))
refused("byte above 127 in a name", get(b"X\xe4: z"))
refused("folded line", get(b"X: a", b" b"))
refused("folded first line", head(b"GET / HTTP/1.1", b" Host: a"))
refused("line of white space", get(b"X: a", b" "))
refused("nul in a value", get(b"X: a\0b"))
refused("delete in a value", get(b"X: a\x7fb"))
refused("escape in a value", get(b"X: a\x1bb"))
refused("carriage return in a value", get(b"X: a\rb"))
refused("line feed in a value", get(b"X: a\nY: b"))
refused("end of lines in the middle of a head", b"GET / HTTP/1.1\r\nHost: a\n\r\n")
refused("carriage return at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n")
refused("two carriage returns", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n")
refused("too many fields", get(*(b"X: %d" % i for i in range(100))), 431)
refused("head too large", get(b"X: " + b"a" * LONG), 431)
refused("name that never ends", b"GET / HTTP/1.1\r\n" + b"a" * LONG, 431)
refused("connection names the length", post(b"Connection: Content-Length", b"Content-Length: 1", body=b"a"))
refused("connection names the host", get(b"Connection: host"))
refused("connection of bad tokens", get(b"Connection: close;q=1"))
refused("connection that names too many", get(b"Connection: " + b"x," * 101), 431)
refused("connection of two words", get(b"Connection: close now"))
refused("unknown expectation", post(b"Expect: 200-ok", b"Content-Length: 1", body=b"a"), 417)
open_("half a request line", b"GET / HT")
open_("half a field", b"GET / HTTP/1.1\r\nHost: a")
open_("a head without its last byte", get()[:-1])

# Framing of requests.

taken("length", post(b"Content-Length: 5", body=b"hello"), ("POST /", b"hello"))
taken("length zero", post(b"Content-Length: 0"), ("POST /", b""))
taken("length with leading zeros", post(b"Content-Length: 0005", body=b"hello"), ("POST /", b"hello"))
taken("expect", post(b"Expect: 100-continue", b"Content-Length: 2", body=b"hi"), ("POST /", b"hi"))
taken("get with a body", get(b"Content-Length: 2") + b"hi", ("GET /", b"hi"))
taken("http/1.0 with a body", head(b"POST / HTTP/1.0", b"Content-Length: 2") + b"hi", ("POST /", b"hi"))
taken("chunked", chunked(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), ("POST /", b"hello world"))
taken("chunked, empty", chunked(b"0\r\n\r\n"), ("POST /", b""))
taken("chunked, upper-case digits", chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), ("POST /", b"0123456789"))
taken("chunked, leading zeros", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), ("POST /", b"hello"))
taken(
    "chunked in odd case", post(b"transfer-ENCODING: CHUNKED", body=b"1\r\na\r\n0\r\n\r\n"), ("POST /", b"a")
)
taken("chunk extension", chunked(b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'), ("POST /", b"hello"))
taken(
    "chunk data that looks like chunks",
    chunked(b"7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"),
    ("POST /", b"0\r\n\r\n\r\n"),
)
taken("trailers", chunked(b"1\r\na\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n"), ("POST /", b"a"))
taken(
    "trailers that frame", chunked(b"1\r\na\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n"), ("POST /", b"a")
)
refused("both framings", post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"))
refused("both framings, the other way", post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"))
refused("two lengths", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"))
refused("two equal lengths", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"))
refused("length list", post(b"Content-Length: 5, 5", body=b"hello"))
refused("length with a sign", post(b"Content-Length: +5", body=b"hello"))
refused("negative length", post(b"Content-Length: -5", body=b"hello"))
refused("hexadecimal length", post(b"Content-Length: 0x5", body=b"hello"))
refused("length with an underscore", post(b"Content-Length: 1_0", body=b"0123456789"))
refused("length with a space", post(b"Content-Length: 1 0", body=b"0123456789"))
refused("empty length", post(b"Content-Length:", body=b"hello"))
refused("length that overflows", post(b"Content-Length: 18446744073709551621", body=b"hello"))
refused("coding gzip", post(b"Transfer-Encoding: gzip", body=b"hello"))
refused("coding identity", post(b"Transfer-Encoding: identity", body=b"hello"))
refused("coding gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501)
refused("coding chunked, gzip", post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"))
refused("coding chunked twice", post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"))
refused("coding in two fields", post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"))
refused("coding with a parameter", post(b"Transfer-Encoding: chunked;a=b", body=b"0\r\n\r\n"))
refused("coding xchunked", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"))
refused("coding with a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"))
refused("empty coding", post(b"Transfer-Encoding:", body=b"0\r\n\r\n"))
refused("coding in http/1.0", head(b"POST / HTTP/1.0", CHUNKED) + b"0\r\n\r\n")
refused("trace with a body", head(b"TRACE / HTTP/1.1", b"Host: a", b"Content-Length: 1") + b"a")
refused("chunk size with a space", chunked(b"5 \r\nhello\r\n0\r\n\r\n"))
refused("chunk size with a space before", chunked(b" 5\r\nhello\r\n0\r\n\r\n"))
refused("chunk size with a sign", chunked(b"+5\r\nhello\r\n0\r\n\r\n"))
refused("chunk size with 0x", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"))
refused("chunk size that overflows", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"))
refused("empty chunk size", chunked(b"\r\nhello\r\n0\r\n\r\n"))
refused("chunk size with a bare line feed", chunked(b"5\nhello\r\n0\r\n\r\n"))
refused("chunk size with a bare carriage return", chunked(b"5\rhello\r\n0\r\n\r\n"))
refused("chunk that is longer than it says", chunked(b"5\r\nhello world\r\n0\r\n\r\n"))
refused("chunk that ends with a line feed", chunked(b"5\r\nhello\n0\r\n\r\n"))
refused("chunk extension with a line feed", chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"))
refused("chunk extension with a carriage return", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"))
refused("chunk extension with a nul", chunked(b"5;\0\r\nhello\r\n0\r\n\r\n"))
refused("chunk extensions too large", chunked(b"5;" + b"a" * LONG))
refused("trailer with a space before the colon", chunked(b"0\r\nX : y\r\n\r\n"))
refused("trailer that is folded", chunked(b"0\r\nX: y\r\n z\r\n\r\n"))
refused("trailer with a bare line feed", chunked(b"0\r\nX: y\n\r\n"))
refused("trailer of a coding", chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"))
refused("first trailer folded", chunked(b"0\r\n X: y\r\n\r\n"))
refused("trailers too large", chunked(b"0\r\nX: " + b"a" * LONG), 431)
refused("end of chunks with a bare line feed", chunked(b"0\r\n\n"))
open_("half a body", post(b"Content-Length: 5", body=b"hel"))
open_("half a chunk", chunked(b"5\r\nhel"))
open_("no last chunk", chunked(b"5\r\nhello\r\n"))
open_("no end of trailers", chunked(b"5\r\nhello\r\n0\r\nX: y\r\n"))

# Several requests.

taken("two", get(target=b"/1") + get(target=b"/2"), ("GET /1", b""), ("GET /2", b""))
taken("body, then another", post(b"Content-Length: 2", body=b"hi") + get(), ("POST /", b"hi"), ("GET /", b""))
taken("chunked, then another", chunked(b"1\r\na\r\n0\r\n\r\n") + get(), ("POST /", b"a"), ("GET /", b""))
taken("trailers, then another", chunked(b"0\r\nX: y\r\n\r\n") + get(), ("POST /", b""), ("GET /", b""))
taken("empty line between", get() + b"\r\n" + get(), ("GET /", b""), ("GET /", b""))
taken("one behind the last", get(b"Connection: close") + get(target=b"/2"))
taken(
    "bodies of all kinds",
    post(b"Content-Length: 1", body=b"a") + chunked(b"2\r\nbc\r\n0\r\n\r\n") + get() + chunked(b"0\r\n\r\n"),
    ("POST /", b"a"), ("POST /", b"bc"), ("GET /", b""), ("POST /", b""),
)  # fmt: skip
refused("good, then garbage", get() + b"\0\0", 400, ("GET /", b""))
refused("body longer than its length", post(b"Content-Length: 1", body=b"a\0b"), 400, ("POST /", b"a"))
open_("good, then half", get() + get()[:9], ("GET /", b""))

# Responses.

answered("ok", ok(b"Content-Length: 5", body=b"hello"), ("200", b"hello"))
answered("length zero", ok(b"Content-Length: 0"))
answered("no reason", ok(b"Content-Length: 0", start=b"HTTP/1.1 200 "))
answered("no reason and no space", ok(b"Content-Length: 0", start=b"HTTP/1.1 200"))
answered("reason of bytes above 127", ok(b"Content-Length: 0", start=b"HTTP/1.1 200 \xc4h\t."))
answered("status 299", ok(b"Content-Length: 0", start=b"HTTP/1.1 299 Odd"), ("299", b""))
answered(
    "status 205 with a body", ok(b"Content-Length: 1", body=b"a", start=b"HTTP/1.1 205 Reset"), ("205", b"a")
)
answered("status 204", ok(start=b"HTTP/1.1 204 No Content"), ("204", b""))
answered("status 204 with a length", ok(b"Content-Length: 0", start=b"HTTP/1.1 204 No Content"), ("204", b""))
answered(
    "status 304 with a length", ok(b"Content-Length: 9", start=b"HTTP/1.1 304 Not Modified"), ("304", b"")
)
answered("status 304, chunked", ok(CHUNKED, start=b"HTTP/1.1 304 Not Modified"), ("304", b""))
answered("head", ok(b"Content-Length: 9"), asked=b"HEAD")
answered("head, chunked", ok(CHUNKED), asked=b"HEAD")
answered("head without framing", ok(b"X: y"), asked=b"HEAD")
answered("chunked", chunked_ok(b"5\r\nhello\r\n0\r\n\r\n"), ("200", b"hello"))
answered("chunked with extensions", chunked_ok(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), ("200", b"hello"))
answered("chunked with trailers", chunked_ok(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"), ("200", b"hello"))
answered("up to the end", ok(b"X: y", body=b"hello"), ("200", b"hello"), ended=True)
answered("up to the end, nothing", ok(b"X: y"), ended=True)
answered("http/1.0", ok(b"X: y", body=b"hello", start=b"HTTP/1.0 200 OK"), ("200", b"hello"), ended=True)
answered(
    "http/1.0 with a length", ok(b"Content-Length: 2", body=b"hi", start=b"HTTP/1.0 200 OK"), ("200", b"hi")
)
answered("closing", ok(b"Connection: close", b"Content-Length: 2", body=b"hi"), ("200", b"hi"))
answered(
    "continue, then ok",
    ok(start=b"HTTP/1.1 100 Continue") + ok(b"Content-Length: 2", body=b"hi"),
    ("100", b""), ("200", b"hi"),
)  # fmt: skip
answered(
    "processing and hints, then ok",
    ok(start=b"HTTP/1.1 102 P") + ok(b"Link: </a>", start=b"HTTP/1.1 103 Hints") + ok(b"Content-Length: 0"),
    ("102", b""), ("103", b""), ("200", b""),
)  # fmt: skip
answered(
    "continue, then up to the end",
    ok(start=b"HTTP/1.1 100 Continue") + ok(body=b"hi"),
    ("100", b""), ("200", b"hi"), ended=True,
)  # fmt: skip
answered(
    "switch to websocket",
    ok(b"Connection: Upgrade", b"Upgrade: websocket", start=b"HTTP/1.1 101 Switch") + b"\x81\x02hi",
    ("101", b"\x81\x02hi"), asked=b"UPGRADE", ended=True,
)  # fmt: skip
answered("upgrade declined", ok(b"Content-Length: 0"), asked=b"UPGRADE")
answered("bytes behind the response", ok(b"Content-Length: 2", body=b"hi" + ok()), ("200", b"hi"))
answered("bytes behind 204", ok(start=b"HTTP/1.1 204 No Content") + b"hello", ("204", b""))
answered(
    "bytes behind 204 with a length",
    ok(b"Content-Length: 5", body=b"hello", start=b"HTTP/1.1 204 N"),
    ("204", b""),
)
answered("bytes behind a response to head", ok(b"Content-Length: 5", body=b"hello"), asked=b"HEAD")
answered(
    "continue with a length of zero",
    ok(b"Content-Length: 0", start=b"HTTP/1.1 100 C") + ok(b"Content-Length: 0"),
    ("100", b""), ("200", b""),
)  # fmt: skip
broken("not http", b"SSH-2.0-OpenSSH_9.2\r\n")
broken("empty line before", b"\r\n" + ok(b"Content-Length: 0"))
broken("lower-case protocol", ok(start=b"http/1.1 200 OK"))
broken("http/2", ok(start=b"HTTP/2 200 OK"))
broken("http/2.0", ok(start=b"HTTP/2.0 200 OK"), status=505)
broken("status of two digits", ok(start=b"HTTP/1.1 20 OK"))
broken("status of four digits", ok(start=b"HTTP/1.1 2000 OK"))
broken("status 099", ok(start=b"HTTP/1.1 099 OK"))
broken("status 600", ok(start=b"HTTP/1.1 600 OK"))
broken("two spaces before the status", ok(start=b"HTTP/1.1  200 OK"))
broken("tab before the status", ok(start=b"HTTP/1.1\t200 OK"))
broken("control byte in the reason", ok(start=b"HTTP/1.1 200 O\x01K"))
broken("carriage return in the reason", ok(start=b"HTTP/1.1 200 O\rK"))
broken("bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
broken("both framings", ok(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"))
broken("two lengths", ok(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"))
broken("two equal lengths", ok(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"))
broken("length list", ok(b"Content-Length: 5, 5", body=b"hello"))
broken("length with a sign", ok(b"Content-Length: +5", body=b"hello"))
broken("coding gzip", ok(b"Transfer-Encoding: gzip", body=b"hello"))
broken("coding gzip, chunked", ok(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), status=501)
broken("coding in http/1.0", ok(CHUNKED, body=b"0\r\n\r\n", start=b"HTTP/1.0 200 OK"))
broken("coding xchunked", ok(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"))
broken("space before the colon", ok(b"Content-Length : 5", body=b"hello"))
broken("folded line", ok(b"X: a", b" b", b"Content-Length: 0"))
broken("nul in a value", ok(b"X: a\0b"))
broken("connection names the coding", ok(b"Connection: Transfer-Encoding", CHUNKED, body=b"0\r\n\r\n"))
broken("chunk size with a space", chunked_ok(b"5 \r\nhello\r\n0\r\n\r\n"))
broken("chunk size that overflows", chunked_ok(b"10000000000000005\r\nhello\r\n0\r\n\r\n"))
broken("chunk that is longer than it says", chunked_ok(b"5\r\nhello world\r\n0\r\n\r\n"))
broken("trailer of a coding", chunked_ok(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"))
broken("trailer with a bare line feed", chunked_ok(b"0\r\nX: y\n\r\n"))
broken("switch unasked", ok(b"Connection: Upgrade", b"Upgrade: websocket", start=b"HTTP/1.1 101 S"))
broken("switch without upgrade", ok(start=b"HTTP/1.1 101 S"), asked=b"UPGRADE")
broken(
    "switch to h2c", ok(b"Connection: Upgrade", b"Upgrade: h2c", start=b"HTTP/1.1 101 S"), asked=b"UPGRADE"
)
broken("continue with a length", ok(b"Content-Length: 5", start=b"HTTP/1.1 100 C") + ok())
broken("chunked continue", ok(CHUNKED, start=b"HTTP/1.1 100 Continue") + b"0\r\n\r\n")
broken(
    "continue without end",
    ok(start=b"HTTP/1.1 100 Continue") * 40,
    *[("100", b"")] * 32,
)
broken("head too large", ok(b"X: " + b"a" * LONG), status=431)
broken("status line that never ends", b"HTTP/1.1 200 " + b"a" * LONG, status=431)
broken("too many fields", ok(*(b"X: %d" % i for i in range(101))), status=431)
cut("half a status line", b"HTTP/1.1 2")
cut("half a head", ok()[:-1])
cut("half a body", ok(b"Content-Length: 5", body=b"hel"))
cut("half a body, ended", ok(b"Content-Length: 5", body=b"hel"), ended=True)
cut("half a chunk, ended", chunked_ok(b"5\r\nhel"), ended=True)
cut("no last chunk, ended", chunked_ok(b"5\r\nhello\r\n"), ended=True)
cut("no end of trailers, ended", chunked_ok(b"5\r\nhello\r\n0\r\n"), ended=True)
cut("continue only", ok(start=b"HTTP/1.1 100 Continue"), ("100", b""))
