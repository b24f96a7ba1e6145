cpdef enum HelloOutcome:
    HELLO_INCOMPLETE = 0
    HELLO_READ
    HELLO_NOT_TLS           # plain HTTP, for example
    HELLO_BROKEN


cdef class ClientHello:
    cdef readonly str server_name       # lower case; None when the client names none
    cdef readonly list protocols        # of ALPN, as the client prefers
    cdef readonly bytes body            # of the handshake message, for fingerprints

    cdef int read(self, const char* data, Py_ssize_t size, Py_ssize_t most_bytes) except -1
    cdef bint _parse(self) except -1
    cdef bint _extension(self, int kind, const unsigned char* data, Py_ssize_t size) except -1
    cdef bint _server_name(self, const unsigned char* data, Py_ssize_t size) except -1
    cdef bint _protocols(self, const unsigned char* data, Py_ssize_t size) except -1
