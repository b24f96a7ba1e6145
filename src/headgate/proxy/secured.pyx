"""What a TLS handshake said of a client: for the hosts that it may ask for, for records, and for the
fields that tell the endpoint who the client is."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from headgate.core.head cimport Head, token_of
from headgate.core.tls cimport Tls

from headgate.proxy.identity import identity_fields


# Names of versions, ciphers and protocols: the same few on all connections.
cdef dict _names = {}


cdef bytes _name(str text):
    return _names.setdefault(text, text.encode())


cdef Secured new_secured(Tls tls, object site, str server_name):
    cdef Secured secured = Secured.__new__(Secured)
    secured.site = site
    secured.version = _name(tls.version or "")
    secured.cipher = _name(tls.cipher or "")
    secured.server_name = (server_name or "").encode()
    secured.protocol = tls.alpn or b""
    secured.resumed = tls.resumed
    if site.clients is not None:
        chain = tls.peer_chain
        secured.certificate = chain[0] if chain else b""
        secured.identity = [
            (name, value, token_of(name, len(name)))
            for name, value in identity_fields(site.clients, chain)
        ]
    return secured


cdef class Secured:
    """The client's side of a TLS connection, once the handshake is over."""

    cdef bint serves(self, Head head) except -1:
        """Whether a request for this host belongs on this connection (RFC 9110 section 7.4): a browser
        may ask over it for any name in the certificate, and nobody may reach by it a site that asks
        for client certificates of its own."""
        cdef Py_ssize_t size = head.host.size
        if (self.host is not None and size == PyBytes_GET_SIZE(self.host)
                and memcmp(head.host.data, PyBytes_AS_STRING(self.host), size) == 0):
            return True
        if size and not self.site.covers(head.host_text):
            return False
        self.host = head.host.data[:size]
        return True
