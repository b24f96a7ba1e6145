"""Forwarding fields: who the client is, and what the next server is told about it.

What comes from addresses outside `trusted_proxies` is dropped, not appended to.
"""

import ipaddress
import re

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

from headgate.core.head cimport (
    DATE, DROPPED, FORWARDED, HOST, VIA, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT,
    X_FORWARDED_PROTO, X_REAL_IP, X_REQUEST_ID, STRICT_TRANSPORT_SECURITY, X_FORWARDED_CLIENT_CERT, Field, Head,
)
from headgate.core.proxy_protocol cimport Side


cdef extern from "../proxy/socket.h" nogil:
    bint hg_address(const void* address, unsigned char* packed, char* text, int* port)


cdef const char* _MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


cdef class Peer:
    """The other end of a downstream connection, by its socket address."""

    def __cinit__(self):
        self.text = b""

    cdef void read(self, const void* address):
        """Take the address of a socket (struct sockaddr_storage)."""
        cdef char text[64]
        if hg_address(address, self.address, text, &self.port):
            self.text = text
            self.has_address = True

    cdef int introduce(self, Side source) except -1:
        """Take the address that the PROXY protocol named."""
        memcpy(self.address, source.address, 16)
        self.text = source.text
        self.port = source.port
        self.has_address = True
        self.judged_by = None
        return 0

    cdef bint is_trusted(self, LiveSnapshot snapshot) noexcept:
        """Whether this peer is one of the trusted proxies; looked up once for each snapshot."""
        if self.judged_by is not snapshot:
            self.trusted = self.has_address and snapshot.trusted.have(self.address)
            self.judged_by = snapshot
        return self.trusted

    cdef bint is_suspect(self, Context context) except -1:
        """Whether a connection from there was ended for a flood not long ago."""
        return context.suspects.until and context.suspects.have(self.origin(), context.now)

    cdef int suspect(self, Context context) except -1:
        """A connection of this peer is ended for a flood. A proxy that is trusted carries many clients."""
        if self.has_address and not self.is_trusted(context.snapshot):
            context.suspects.add(self.origin(), context.now)
        return 0

    cdef bytes origin(self):
        """An IPv4 address, or a /64 of IPv6: who has one address of it has them all."""
        cdef const char* address = <const char*>self.address
        return address[:16] if memcmp(address, _MAPPED, 12) == 0 else address[:8]


def _mapped(ip: object) -> bytes:
    return b"\0" * 10 + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


cdef bytes client_of(Head head, Peer peer, LiveSnapshot snapshot, uint8_t* address):
    """The client's address: the peer, or behind trusted hops the rightmost address of
    X-Forwarded-For that is not trusted itself. `address` takes its 16 bytes."""
    cdef bytes client = peer.text
    cdef bytes packed
    memcpy(address, peer.address, 16)
    if not peer.is_trusted(snapshot) or head.number(X_FORWARDED_FOR) < 0:
        return client
    for hop in reversed(_values(head, X_FORWARDED_FOR).split(b",")):
        ip = _hop(hop.strip())
        if ip is None:
            break
        client = str(ip).encode()
        packed = _mapped(ip)
        memcpy(address, PyBytes_AS_STRING(packed), 16)
        if not snapshot.trusted.have(address):
            break
    return client


def _hop(hop: bytes) -> object | None:
    """The address of one element, which may carry a port or brackets; None when it is none."""
    text = hop.decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if ip.version == 6 else ip


cdef bytes _values(Head head, int token):
    """All values of a field, joined by commas."""
    cdef list values = []
    cdef int i
    cdef Field* field
    for i in range(head.number(token), head.field_count):
        field = &head.fields[i]
        if field.token == token and not field.flags & DROPPED:
            values.append(head.bytes[field.value_start:field.value_start + field.value_size])
    return b", ".join(values)


cdef inline int _add(Head head, bytes name, bytes value, int token) except -1:
    return head.add_line(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                         PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), token)


cdef int drop_claims(Head head, Peer peer, LiveSnapshot snapshot) except -1:
    """Forwarding fields from a stranger are claims: nobody behind this point sees them."""
    if peer.is_trusted(snapshot):
        return 0
    head.drop(FORWARDED)
    head.drop(X_REAL_IP)
    head.drop(X_FORWARDED_FOR)
    head.drop(X_FORWARDED_PROTO)
    head.drop(X_FORWARDED_HOST)
    head.drop(X_FORWARDED_PORT)
    head.drop(X_REQUEST_ID)
    head.drop(X_FORWARDED_CLIENT_CERT)
    head.drop_name(b"x-request-timeout", 17)
    for name in snapshot.identity_fields:
        head.drop_name(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    return 0


cdef int _add_identity(Head head, Secured secured) except -1:
    """Who the client is by its certificate. What said so before spoke of another connection."""
    cdef bytes name, value
    for name, value, token in secured.identity:
        if token:
            head.drop(token)
        else:
            head.drop_name(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        _add(head, name, value, token)
    return 0


cdef bytes edit_request(Head head, Context context, LiveSnapshot snapshot, Listener listener,
                        Peer peer, bytes client, bytes request_id):
    """Write the forwarding fields; the request's id is made unless it is there. Returns it."""
    cdef bint trusted = peer.is_trusted(snapshot)
    if snapshot.x_forwarded:
        _x_forwarded(head, listener, peer)
    if snapshot.x_real_ip and PyBytes_GET_SIZE(client):
        head.drop(X_REAL_IP)
        _add(head, b"X-Real-IP", client, X_REAL_IP)
    if snapshot.forwarded:
        _forwarded(head, listener, peer)
    if request_id is not None:
        head.drop(X_REQUEST_ID)
        _add(head, b"X-Request-Id", request_id, X_REQUEST_ID)
    elif trusted:
        request_id = known_id(head)
    if request_id is None:
        head.drop(X_REQUEST_ID)
        if snapshot.request_id:
            request_id = context.new_request_id()
            _add(head, b"X-Request-Id", request_id, X_REQUEST_ID)
    if peer.secured is not None and peer.secured.identity is not None:
        _add_identity(head, peer.secured)
    if PyBytes_GET_SIZE(snapshot.via):
        _add_via(head, snapshot)
    return request_id


cdef int _add_via(Head head, LiveSnapshot snapshot) except -1:
    """RFC 9110 section 7.6.3: the version by which the message was received."""
    if head.version != 11:
        return _add(head, b"Via", (b"1.0" if head.version == 10 else b"2.0") + snapshot.via[3:], VIA)
    return _add(head, b"Via", snapshot.via, VIA)


cdef bytes known_id(Head head):
    """The request id that a trusted proxy gave, if it is one: it goes into logs as it is."""
    cdef bytes value
    cdef Py_ssize_t i
    if head.find(X_REQUEST_ID) == NULL:
        return None
    value = _values(head, X_REQUEST_ID)
    return value if is_request_id(value) else None


cdef bint is_request_id(bytes text) except -1:
    """Whether it can go into logs as it is."""
    return _ID.fullmatch(text) is not None


_ID = re.compile(rb"[0-9A-Za-z._:+/=@-]{1,128}")


cdef int _x_forwarded(Head head, Listener listener, Peer peer) except -1:
    cdef bytes before
    cdef char authority[272]
    cdef Py_ssize_t size
    if head.find(X_FORWARDED_FOR) != NULL:
        before = _values(head, X_FORWARDED_FOR)
        head.drop(X_FORWARDED_FOR)
        _add(head, b"X-Forwarded-For", before + b", " + peer.text, X_FORWARDED_FOR)
    elif PyBytes_GET_SIZE(peer.text):
        _add(head, b"X-Forwarded-For", peer.text, X_FORWARDED_FOR)
    if not _is_scheme(head):
        head.drop(X_FORWARDED_PROTO)
        _add(head, b"X-Forwarded-Proto", listener.scheme, X_FORWARDED_PROTO)
    if head.find(X_FORWARDED_PORT) == NULL:
        _add(head, b"X-Forwarded-Port", listener.port, X_FORWARDED_PORT)
    if head.find(X_FORWARDED_HOST) == NULL:
        if head.authority.data != NULL:
            size = head.authority.size if head.authority.size < 272 else 272
            memcpy(authority, head.authority.data, size)
            head.add_line(b"X-Forwarded-Host", 16, authority, size, X_FORWARDED_HOST)
    return 0


cdef bint _is_scheme(Head head) except -1:
    """Whether a trusted proxy said http or https, once."""
    if head.find(X_FORWARDED_PROTO) == NULL:
        return False
    return _values(head, X_FORWARDED_PROTO).lower() in (b"http", b"https")


cdef int _forwarded(Head head, Listener listener, Peer peer) except -1:
    """RFC 7239 section 4; an IPv6 address is quoted in brackets."""
    cdef bytes node = b'"[' + peer.text + b']"' if b":" in peer.text else peer.text
    cdef bytes element = b"for=" + (node or b"unknown") + b";proto=" + listener.scheme
    if head.authority.data != NULL:
        element += b';host="' + head.authority.data[:head.authority.size] + b'"'
    if head.find(FORWARDED) != NULL:
        element = _values(head, FORWARDED) + b", " + element
    head.drop(FORWARDED)
    return _add(head, b"Forwarded", element, FORWARDED)


cdef int set_host(Head head, bytes host) except -1:
    """Send another Host; also where an HTTP/1.0 request had none."""
    head.drop(HOST)
    return _add(head, b"Host", host, HOST)


cdef int edit_response(Head head, Context context, LiveSnapshot snapshot, Listener listener) except -1:
    """Via, and Date where the upstream sent none (RFC 9110 section 6.6.1)."""
    if PyBytes_GET_SIZE(listener.hsts):
        # RFC 6797 section 7.1: one field, and only over TLS. The listener's word counts.
        head.drop(STRICT_TRANSPORT_SECURITY)
        _add(head, b"Strict-Transport-Security", listener.hsts, STRICT_TRANSPORT_SECURITY)
    if head.number(DATE) < 0:
        head.add_line(b"Date", 4, context.date, 29, DATE)
    if PyBytes_GET_SIZE(snapshot.via):
        _add_via(head, snapshot)
    return 0
