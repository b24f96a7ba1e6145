"""The ClientHello (RFC 8446 section 4.1.2), read before TLS begins: who is asked for, and by what.

It decides which certificates and which rules for clients hold, and it is what fingerprints are made of
(core/fingerprints). Reading it changes nothing: OpenSSL gets the same bytes afterwards, and judges them.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


cdef extern from "scan.h" nogil:
    bint hg_is_host(unsigned char c)

cdef enum:
    RECORD_HEAD = 5
    HANDSHAKE = 22
    CLIENT_HELLO = 1
    RECORD_BYTES = 16384
    SERVER_NAME = 0
    HOST_NAME = 0
    ALPN = 16
    MOST_NAME = 253


cdef inline Py_ssize_t _two(const unsigned char* at) noexcept:
    return at[0] << 8 | at[1]


cdef class ClientHello:
    """What a client says first. `read` until it is complete; it never raises for any bytes."""

    cdef int read(self, const char* data, Py_ssize_t size, Py_ssize_t most_bytes) except -1:
        """Read all bytes that came so far, records from the first one on. A HelloOutcome.

        Nothing is kept until it is complete, and a look costs a few steps a record, so that one who
        sends byte by byte gains nothing by it.
        """
        cdef const unsigned char* at = <const unsigned char*>data
        cdef const unsigned char* end = at + size
        cdef unsigned char[4] start             # of the message, which records may cut anywhere
        cdef Py_ssize_t have = 0
        cdef Py_ssize_t need = 4
        cdef Py_ssize_t part, i
        if size and at[0] != HANDSHAKE or size > 1 and at[1] != 3:
            return HELLO_NOT_TLS
        while end - at >= RECORD_HEAD:
            part = _two(at + 3)
            # Nothing may stand between the parts of one message (RFC 8446 section 5.1).
            if at[0] != HANDSHAKE or at[1] != 3 or part == 0 or part > RECORD_BYTES:
                return HELLO_BROKEN
            at += RECORD_HEAD
            part = min(part, end - at)
            if have < 4:
                for i in range(min(part, 4 - have)):
                    start[have + i] = at[i]
                if have == 0 and part and start[0] != CLIENT_HELLO:
                    return HELLO_BROKEN
                if have + part >= 4:
                    need = 4 + (start[1] << 16 | start[2] << 8 | start[3])
                    if need > most_bytes:
                        return HELLO_BROKEN
            have += part
            at += part
            if have >= 4 and have >= need:
                self.body = _gathered(<const unsigned char*>data, need)
                return HELLO_READ if self._parse() else HELLO_BROKEN
        return HELLO_INCOMPLETE if size <= 2 * most_bytes else HELLO_BROKEN

    cdef bint _parse(self) except -1:
        """Whether the message is in order, as far as it is looked at."""
        cdef const unsigned char* at = <const unsigned char*>PyBytes_AS_STRING(self.body)
        cdef const unsigned char* end = at + PyBytes_GET_SIZE(self.body)
        cdef Py_ssize_t size
        self.server_name = None
        self.protocols = []
        at += 34                                    # version, random
        if at >= end or end - at < 1 + at[0]:
            return False
        at += 1 + at[0]                             # session
        if end - at < 2 or end - at < 2 + _two(at):
            return False
        at += 2 + _two(at)                          # ciphers
        if at >= end or end - at < 1 + at[0]:
            return False
        at += 1 + at[0]                             # compressions
        if at == end:
            return True
        if end - at < 2 or end - at != 2 + _two(at):
            return False
        at += 2
        while end - at >= 4:
            size = _two(at + 2)
            if end - at < 4 + size or not self._extension(<int>_two(at), at + 4, size):
                return False
            at += 4 + size
        return at == end

    cdef bint _extension(self, int kind, const unsigned char* data, Py_ssize_t size) except -1:
        if kind == SERVER_NAME:
            return self.server_name is None and self._server_name(data, size)
        if kind == ALPN:
            return not self.protocols and self._protocols(data, size)
        return True

    cdef bint _server_name(self, const unsigned char* data, Py_ssize_t size) except -1:
        """RFC 6066 section 3: one host name; as that of a request, in lower case and without a final dot."""
        cdef const unsigned char* name = data + 5
        cdef Py_ssize_t length = size - 5
        cdef Py_ssize_t i
        if length < 1 or _two(data) != size - 2 or data[2] != HOST_NAME or _two(data + 3) != length:
            return False
        for i in range(length):
            if not hg_is_host(name[i]) and name[i] != c":":     # some send an IPv6 address
                return False
        if length > 1 and name[length - 1] == c".":
            length -= 1
        if length > MOST_NAME:
            return False
        self.server_name = (<const char*>name)[:length].decode("ascii").lower()
        return True

    cdef bint _protocols(self, const unsigned char* data, Py_ssize_t size) except -1:
        """RFC 7301 section 3.1."""
        cdef Py_ssize_t at = 2
        if size < 4 or _two(data) != size - 2:
            return False
        while at < size:
            if data[at] == 0 or at + 1 + data[at] > size:
                return False
            self.protocols.append((<const char*>data)[at + 1:at + 1 + data[at]])
            at += 1 + data[at]
        return True

    def receive(self, bytes data not None, Py_ssize_t most_bytes=16384) -> int:
        """As `read`, for tests and tools."""
        return self.read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), most_bytes)


cdef bytes _gathered(const unsigned char* at, Py_ssize_t need):
    """The body of the message out of its records, which were looked at."""
    cdef bytes body = PyBytes_FromStringAndSize(NULL, need - 4)
    cdef char* out = PyBytes_AS_STRING(body)
    cdef Py_ssize_t skip = 4                    # the message's own head
    cdef Py_ssize_t part, left_out
    while need > 0:
        part = min(_two(at + 3), need)
        left_out = min(part, skip)
        memcpy(out, at + RECORD_HEAD + left_out, part - left_out)
        out += part - left_out
        skip -= left_out
        need -= part
        at += RECORD_HEAD + part
    return body
