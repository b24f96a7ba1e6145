from headgate.core.tls cimport Tls, TlsSession
from headgate.proxy.context cimport Context
from headgate.proxy.connection cimport Register
from headgate.proxy.exchange cimport Exchange, Source
from headgate.proxy.snapshot cimport Endpoint
from headgate.proxy.http2_upstream cimport Http2Upstream
from headgate.proxy.upstream cimport Http1Upstream


cdef class Pool(Source):
    cdef Context context
    cdef Register register
    cdef Endpoint endpoint
    cdef object options                 # spec.Pool
    cdef object service                 # spec.Service: socket options
    cdef object kept                    # encryption.Kept of a service with TLS
    cdef TlsSession session             # for the next handshake
    cdef object waiting                 # deque of (exchange, deadline); the first `connecting` of them get
                                        # the connections that are being opened
    cdef set tasks                      # connecting
    cdef set introduced                 # exchanges for whose clients alone connections are being opened
    cdef Http1Upstream newest           # idle connections, a list linked both ways
    cdef Http1Upstream oldest
    cdef Py_ssize_t idle_count
    cdef Py_ssize_t open_count
    cdef Py_ssize_t connecting          # connections that are being opened, or will be
    cdef Py_ssize_t deferred            # of them to a later turn of the event loop
    cdef Py_ssize_t begun               # of them in this turn of the event loop
    cdef list shared                    # connections of HTTP/2
    cdef Py_ssize_t greeting            # those of them whose first settings have not come
    cdef bint multiplexed               # new connections speak HTTP/2
    cdef bint known                     # which version they speak
    cdef double idle_timeout
    cdef double age
    cdef bint retired                   # no snapshot has this endpoint any more

    cdef Http1Upstream take(self, bint once)
    cdef int rest(self, Http1Upstream leg) except -1
    cdef int unlink(self, Http1Upstream leg) except -1
    cdef int serve(self, Http1Upstream leg) except -1
    cdef bytes introduction_of(self, Exchange exchange)
    cdef Exchange _next_introduced(self)
    cdef int _introduced(self, Exchange exchange, tuple fault, tuple opened) except -1
    cdef int introduce(self, Http1Upstream leg, Exchange exchange) except -1
    cdef int _begin_some(self) except -1
    cdef int open_more(self) except -1
    cdef Py_ssize_t coming(self) noexcept
    cdef int begin(self, int fd, Tls tls, bytes early) except -1
    cdef int begin_shared(self, int fd, Tls tls, bytes early) except -1
    cdef Http2Upstream roomy(self)
    cdef bint too_old(self, Http2Upstream connection) noexcept
    cdef int lend(self, Http2Upstream connection, Exchange exchange) except -1
    cdef int serve_shared(self) except -1
    cdef int release_shared(self, Http2Upstream connection) except -1
    cdef int unshare(self, Http2Upstream connection) except -1
    cdef int refuse_unserved(self, int status, bytes reason) except -1
    cdef int refuse(self, Py_ssize_t place, int status, bytes reason) except -1
