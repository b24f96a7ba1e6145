"""What a client's connection does before its first request: the PROXY protocol's header, the
ClientHello, the TLS handshake.

The ClientHello is read before TLS begins, because it decides whose certificate and which rules for
client certificates hold: a context that is chosen while OpenSSL shakes hands keeps the rules of the
first one. When all is done the socket goes on as a connection that speaks HTTP.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE

from headgate.core.cells cimport (
    WORKER_HANDSHAKES, WORKER_HANDSHAKES_FAILED, WORKER_HANDSHAKES_RESUMED, WORKER_VIOLATIONS,
)
from headgate.core.client_hello cimport HELLO_INCOMPLETE, HELLO_NOT_TLS, HELLO_READ, ClientHello
from headgate.core.output cimport Output
from headgate.core.proxy_protocol cimport COMPLETE, INCOMPLETE, ProxyHeader
from headgate.core.tls cimport Tls, TlsContext
from headgate.proxy.connection cimport Connection
from headgate.proxy.downstream cimport Http1Downstream, new_downstream
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.http2_downstream cimport begin_http2
from headgate.proxy.port cimport Port
from headgate.proxy.secured cimport new_secured

cdef enum:
    ROOM_BYTES = 16384

# A fatal alert "unrecognized_name" (RFC 6066 section 3), readable before any version was agreed on.
cdef bytes UNRECOGNIZED_NAME = b"\x15\x03\x03\x00\x02\x02\x70"

cdef char[ROOM_BYTES] _room


cdef Greeting new_greeting(Port port, Peer peer):
    cdef Greeting greeting = Greeting.__new__(Greeting)
    greeting.context = port.context
    greeting.register = port.register
    greeting.port = port
    greeting.peer = peer
    greeting.listener = port.listener
    greeting.early = bytearray()
    return greeting


cdef class Greeting(Connection):
    """A client's connection that speaks no HTTP yet."""

    cdef int accept(self, int fd) except -1:
        """Begin with a socket that was just accepted."""
        self.introduced = not self._expects_introduction()
        self.deadline = self.context.tick() + (self.listener.handshake_timeout if self.introduced
                                               else self.listener.introduction_timeout)
        self.suspect = self.peer.is_suspect(self.context)
        self.port.opened()
        return self.open(fd)

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        if self.closed:
            return 0
        self.context.tick()
        if self.secure is not None:
            self.secure.feed(data, size)
            return self.shake()
        self.early += data[:size]
        return self.go_on()

    cdef int go_on(self) except -1:
        """Make what can be made of the bytes that came."""
        if not self.introduced and not self.read_introduction():
            return 0
        if self.listener.sites is None:
            return self.speak_http()
        return self.read_hello()

    # --- The PROXY protocol ---

    cdef bint _expects_introduction(self) noexcept:
        """Listed peers must begin with the header; of others it would be taken for a broken request."""
        if self.listener.introducers is None:
            return False
        if self.peer.has_address:
            return self.listener.introducers.have(self.peer.address)
        return self.listener.introducers.local

    cdef bint read_introduction(self) except -1:
        """Whether it is over: from here on the client is whom it names."""
        cdef ProxyHeader header = ProxyHeader.__new__(ProxyHeader)
        header.read(PyByteArray_AS_STRING(self.early), PyByteArray_GET_SIZE(self.early))
        if header.outcome == INCOMPLETE:
            return False
        if header.outcome != COMPLETE:
            self.fault(header.reason or "no header of the PROXY protocol")
            return False
        del self.early[:header.size]
        if not header.keep and header.source is not None and header.source.has_address:
            self.peer.introduce(header.source)
            self.suspect = self.peer.is_suspect(self.context)
        self.introduced = True
        self.deadline = self.context.now + self.listener.handshake_timeout
        return self.listener.sites is None or PyByteArray_GET_SIZE(self.early) > 0

    # --- TLS ---

    cdef int read_hello(self) except -1:
        cdef ClientHello hello = ClientHello.__new__(ClientHello)
        cdef int outcome = hello.read(PyByteArray_AS_STRING(self.early), PyByteArray_GET_SIZE(self.early),
                                      self.listener.hello_bytes)
        if outcome == HELLO_INCOMPLETE:
            return 0
        if outcome == HELLO_NOT_TLS:
            return self.refuse_plain()
        if outcome != HELLO_READ:
            return self.fault("a ClientHello that cannot be read")
        self.site = self.listener.sites.find(hello.server_name)
        if self.site is None:
            return self.refuse_name()
        self.hello = hello
        self.secure = Tls(<TlsContext?>self.site.context)
        self.secure.feed(PyByteArray_AS_STRING(self.early), PyByteArray_GET_SIZE(self.early))
        self.shake()
        return 0

    cdef int shake(self) except -1:
        """Take what was fed a step further."""
        cdef Output out = self.context.take_output()
        cdef int outcome = self.secure.handshake(out)
        self.transmit(out)
        if outcome < 0:
            return self.fault(self.secure.reason)
        if outcome == 0 or self.closed:
            return 0
        return self.established()

    cdef int established(self) except -1:
        """What came behind the handshake is the beginning of the first request."""
        cdef Output out = self.context.take_output()
        cdef Py_ssize_t size
        self.early = bytearray()
        while True:
            size = self.secure.read(_room, ROOM_BYTES, out)
            if size <= 0:
                break
            self.early += _room[:size]
        self.transmit(out)
        self.context.block.add(WORKER_HANDSHAKES, 1)
        if self.secure.resumed:
            self.context.block.add(WORKER_HANDSHAKES_RESUMED, 1)
        if size < 0:
            return self.fault(self.secure.reason)
        self.tls = self.secure
        self.peer.secured = new_secured(self.secure, self.site, self.hello.server_name)
        if self.context.snapshot.fingerprints:
            self.peer.secured.fingerprint(self.hello.body)      # which is not kept
        return self.speak_http()

    cdef int refuse_plain(self) except -1:
        """Plain HTTP on a port that speaks TLS is answered in plain HTTP."""
        cdef Http1Downstream successor = new_downstream(self.port, self.peer)
        self.context.block.add(WORKER_VIOLATIONS, 1)
        self.pass_to(successor)
        self.port.enter(self.peer.text)
        return successor.refuse(400, "plain HTTP on a listener that speaks TLS")

    cdef int refuse_name(self) except -1:
        """No site has the name that the client asks for."""
        cdef Output out = self.context.take_output()
        out.append(UNRECOGNIZED_NAME, 7)
        self.transmit(out)
        return self.fault("no site has this name")

    cdef int fault(self, str reason) except -1:
        """The client and this listener do not come together; an alert, if any, is on its way."""
        self.context.block.add(WORKER_HANDSHAKES_FAILED, 1)
        self.context.log.debug("listener %s: %s from %s: %s", self.listener.name.decode(),
                               "a handshake failed", self.peer.text.decode(), reason)
        return self.close()

    # --- HTTP ---

    cdef int speak_http(self) except -1:
        """Go on as a connection of HTTP."""
        cdef Http1Downstream successor
        cdef bytearray early = self.early
        cdef bint wanted = self.port.enter(self.peer.text)
        if self.tls is not None and self.tls.alpn == b"h2":
            return begin_http2(self.port, self.peer, self, wanted, PyByteArray_AS_STRING(early),
                               PyByteArray_GET_SIZE(early))
        successor = new_downstream(self.port, self.peer)
        self.pass_to(successor)
        successor.welcome(wanted)
        if PyByteArray_GET_SIZE(early):
            successor.received(PyByteArray_AS_STRING(early), PyByteArray_GET_SIZE(early))
        return 0

    # --- What every connection answers ---

    cdef int flush(self) except -1:
        """Everything was sent at once."""
        return 0

    cdef int ended(self) except -1:
        return self.close()

    cdef int gone(self) except -1:
        return 0

    cdef int left(self) except -1:
        return self.port.closed()

    cdef int expire(self) except -1:
        if self.secure is not None or PyByteArray_GET_SIZE(self.early):
            self.context.block.add(WORKER_HANDSHAKES_FAILED, 1)
        return self.close_hard()
