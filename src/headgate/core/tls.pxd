cimport cython

from headgate.core.output cimport Output


# What tickets are sealed with (RFC 5077 section 4).
cdef struct TicketKey:
    unsigned char name[16]
    unsigned char cipher_key[32]
    unsigned char mac_key[32]


cdef class TlsContext:
    cdef readonly object context        # ssl.SSLContext
    cdef void* pointer                  # its SSL_CTX
    cdef readonly bytes policy          # sessions of one policy are not resumed under another
    cdef TicketKey[4] keys              # the first one seals, all open
    cdef int key_count
    cdef object __weakref__


# A session that may be resumed, as a client keeps it.
cdef class TlsSession:
    cdef void* pointer                  # SSL_SESSION
    cdef TlsContext context
    cdef str server_name


@cython.final
cdef class Tls:
    cdef TlsContext context
    cdef void* ssl
    cdef const char* data               # borrowed: records that were fed and not read yet
    cdef Py_ssize_t size
    cdef Output out                     # while OpenSSL runs
    cdef bytes fed                      # by Python: keeps `data` alive
    cdef str peer_name                  # of the server that a client looks for
    cdef readonly bint server
    cdef readonly bint established
    cdef readonly bint ended            # close_notify came
    cdef readonly bint failed
    cdef readonly str reason

    cdef void feed(self, const char* data, Py_ssize_t size) noexcept
    cdef int handshake(self, Output out) except -2
    cdef Py_ssize_t read(self, char* room, Py_ssize_t size, Output out) except -2
    cdef int write(self, Output out, const char* data, Py_ssize_t size) except -1
    cdef int close_notify(self, Output out) except -1
    cdef int _look_for(self, str server_name) except -1
    cdef int _fail(self, int outcome) except -2
    cdef list _certificates(self)
