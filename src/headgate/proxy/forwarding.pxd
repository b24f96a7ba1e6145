from libc.stdint cimport uint8_t

from headgate.core.head cimport Head
from headgate.core.proxy_protocol cimport Side
from headgate.proxy.context cimport Context
from headgate.proxy.secured cimport Secured
from headgate.proxy.snapshot cimport Listener, LiveSnapshot, Service


# Who is at the other end of a downstream connection.
cdef class Peer:
    cdef readonly bytes text            # the address; b"" of a unix socket
    cdef readonly int port
    cdef uint8_t address[16]            # IPv4 mapped into IPv6
    cdef bint has_address
    cdef bint trusted
    cdef LiveSnapshot judged_by         # the snapshot that `trusted` was read from
    cdef readonly Secured secured       # None: the connection is plain

    cdef void read(self, const void* address)
    cdef bint is_suspect(self, Context context) except -1
    cdef int suspect(self, Context context) except -1
    cdef bytes origin(self)
    cdef int introduce(self, Side source) except -1
    cdef bint is_trusted(self, LiveSnapshot snapshot) noexcept


cdef int drop_claims(Head head, Peer peer, LiveSnapshot snapshot) except -1
cdef bytes client_of(Head head, Peer peer, LiveSnapshot snapshot, uint8_t* address)
cdef bytes edit_request(Head head, Context context, LiveSnapshot snapshot, Listener listener,
                        Peer peer, bytes client, bytes request_id)
cdef bytes known_id(Head head)
cdef bint is_request_id(bytes text) except -1
cdef int set_host(Head head, bytes host) except -1
cdef int edit_response(Head head, Context context, LiveSnapshot snapshot, Listener listener) except -1
