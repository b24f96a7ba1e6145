from headgate.core.output cimport Output
from headgate.core.tls cimport Tls
from headgate.proxy.connection cimport Connection
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.port cimport Port
from headgate.proxy.snapshot cimport Listener


cdef class Greeting(Connection):
    cdef Port port
    cdef Listener listener
    cdef Peer peer
    cdef Tls secure                     # while it shakes hands
    cdef object site                    # whose certificate the client gets
    cdef object hello
    cdef bytearray early                # bytes that came and are not used yet
    cdef bint introduced                # by the PROXY protocol, or nothing of it is expected

    cdef int accept(self, int fd) except -1
    cdef int go_on(self) except -1
    cdef bint _expects_introduction(self) noexcept
    cdef bint read_introduction(self) except -1
    cdef int read_hello(self) except -1
    cdef int shake(self) except -1
    cdef int established(self) except -1
    cdef int refuse_plain(self) except -1
    cdef int refuse_name(self) except -1
    cdef int fault(self, str reason) except -1
    cdef int speak_http(self) except -1


cdef Greeting new_greeting(Port port, Peer peer)
