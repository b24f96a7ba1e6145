from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from headgate.core.arena cimport Arena
from headgate.core.attempts cimport AttemptPolicy, RetryBudget
from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.breaker cimport Breaker
from headgate.core.cells cimport Block
from headgate.core.head cimport Head
from headgate.core.keys cimport KeySource
from headgate.core.levels cimport Levels
from headgate.core.load cimport Load
from headgate.core.outliers cimport Observed, Outliers
from headgate.core.record cimport RecordFormat
from headgate.core.rotation cimport Rotation
from headgate.core.routing cimport RoutingTable
from headgate.core.shared cimport SharedCell
from headgate.core.splits cimport Split
from headgate.core.stickiness cimport Session, Stickiness


# How an attempt ended, as far as its endpoint is concerned.
cdef enum Outcome:
    ANSWERED            # with the head of a final response, whatever its status
    UNREACHABLE         # no connection could be had
    BROKEN              # the connection ended, or what came was no answer
    TIMED_OUT           # in connecting or waiting for the answer


cdef class Endpoint:
    cdef readonly bytes name
    cdef readonly object address        # spec.Address
    cdef readonly str scheme            # http, https or h2c
    cdef readonly str host              # that a certificate has to name; "" of a unix socket
    cdef public object source           # pool.Pool
    cdef uint32_t in_flight             # exchanges of this worker that are here now
    cdef Load load                      # what all workers know of it; None: no balancer asks
    cdef Block block
    cdef SharedCell cell                # what all workers and the controller know of it
    cdef Observed observed              # what outlier detection knows of it

    cdef inline void enter(self) noexcept:
        self.in_flight += 1
        if self.load is not None:
            self.load.enter()

    cdef inline void leave(self) noexcept:
        self.in_flight -= 1
        if self.load is not None:
            self.load.give()


cdef class Service:
    cdef readonly bytes name
    cdef readonly object spec
    cdef readonly list endpoints
    cdef readonly bytes host            # Host sent upstream; b"" keeps the client's
    cdef bytes own_host                 # sent where the client had none (HTTP/1.0); b"" for none
    cdef Balancer balancer
    cdef tuple owner                    # of the tables of balancers
    cdef EndpointState* states
    cdef Py_ssize_t count
    cdef KeySource key_source           # None: the balancer asks for no key
    cdef public object chain            # chain.Chain of all exchanges of this service, or None
    cdef bint observes                  # somebody wants to know how attempts end
    cdef bint guarded                   # context.admission chooses its endpoints
    cdef Rotation rotation
    cdef Levels levels                  # None: all endpoints are wanted equally
    cdef readonly Service whole         # of which this is a subset, or None
    cdef Outliers outliers              # None: nobody is ejected
    cdef Breaker breaker                # of the whole service, or None
    cdef dict breakers                  # by endpoint, or None
    cdef public object gate             # admission.Gate; None: as many run as come
    cdef uint64_t turn                  # the last key of a request that has none itself
    cdef Stickiness sticky              # None: clients are at any endpoint
    cdef Block block
    cdef SharedCell cell
    cdef RetryBudget budget             # None: retries have no limit

    cdef uint64_t key_of(self, Head head, const uint8_t* client) noexcept
    cdef uint64_t identity_of(self, Endpoint endpoint) noexcept
    cdef Py_ssize_t pick(self, uint64_t avoid, uint64_t key, double now) noexcept
    cdef Py_ssize_t find(self, Session session, uint64_t avoid, double now) noexcept
    cdef void _look_around(self, double now) noexcept
    cdef Py_ssize_t usable_count(self) noexcept
    cdef int _share_state(self, Service whole) except -1
    cdef int _make_tables(self) except -1
    cdef int _tell_breaker(self, Endpoint endpoint, Outcome outcome, Head head, double seconds,
                           double now) except -1
    cdef int observe(self, Endpoint endpoint, Outcome outcome, Head head, double seconds, double now) except -1


# What exchanges of a route may take; routes with equal limits share one.
cdef class RouteLimits:
    cdef double request_timeout
    cdef double body_idle_timeout
    cdef double response_idle_timeout
    cdef double first_byte_timeout
    cdef double tunnel_idle_timeout
    cdef double minimum_rate
    cdef double minimum_rate_grace
    cdef int64_t body_bytes
    cdef int64_t buffer_bytes
    cdef int64_t buffer_request
    cdef int64_t buffer_response


# What an exchange needs of its route: half a cache line in a table by number, for with thousands of routes each
# exchange finds another one cold in the caches. What it points to belongs to the snapshot, which outlives
# its exchanges, so that nobody has to count.
cdef struct RouteFacts:
    uint64_t* words                     # of the route's block
    PyObject* single                    # the Service when there is one, or NULL
    PyObject* route                     # Route: the rest
    uint32_t limits                     # number among the snapshot's
    uint16_t attempts                   # to connect
    uint8_t answers                     # redirects or responds: no service
    uint8_t special                     # some of the rest is there, and only then looked at


cdef class Route:
    cdef RouteFacts* facts
    cdef Arena arena                    # where they are
    cdef RouteLimits limits
    cdef public list chains             # chain.Chain by number of the listener, or None; None: no middlewares
    cdef public object gate             # admission.Gate; None: as many run as come
    cdef AttemptPolicy policy           # None: nothing beyond that
    cdef readonly bytes name
    cdef readonly object spec
    cdef list services
    cdef Split split                    # among several services, or None
    cdef object mirror                  # exchange.Mirroring, or None
    cdef object fault                   # exchange.Faults, or None
    cdef Block block
    cdef SharedCell cell

    cdef int settle(self, RouteFacts* facts, uint32_t limits) except -1


cdef struct Network:
    uint8_t address[16]
    int bits


# Ranges of addresses.
cdef class Networks:
    cdef Network* networks
    cdef int count
    cdef readonly bint local            # unix sockets too

    cdef bint have(self, const uint8_t* address) noexcept


cdef class Listener:
    cdef readonly bytes name
    cdef readonly int number            # index in the snapshot, as the routing table counts
    cdef readonly bytes port
    cdef readonly bytes scheme
    cdef readonly bint grpc_health      # workers answer grpc.health.v1
    cdef readonly bytes health          # path under which workers answer healthz and readyz; b"" is off
    cdef readonly object spec
    cdef readonly object sites          # sites.Sites; None: plain
    cdef readonly object https          # spec.Redirect of all requests to TLS; None: they are served
    cdef bytes hsts                     # value of Strict-Transport-Security; b"" for none
    cdef bint greets                    # something comes before HTTP: the PROXY protocol, TLS
    cdef Networks introducers           # who must begin with the PROXY protocol; None: nobody
    cdef double introduction_timeout
    cdef double handshake_timeout
    cdef Py_ssize_t hello_bytes
    cdef double head_timeout
    cdef double keep_alive_timeout
    cdef int head_bytes
    cdef int head_fields
    cdef Py_ssize_t connections
    cdef int connections_per_client
    cdef bint http2
    cdef int streams                    # exchanges at a time on one connection of HTTP/2
    cdef Py_ssize_t window_bytes
    cdef Py_ssize_t budget_bytes
    cdef Block block


cdef class LiveSnapshot:
    cdef object __weakref__
    cdef readonly object spec
    cdef readonly int64_t version
    cdef readonly double made           # seconds of the monotonic clock
    cdef readonly RoutingTable table
    cdef readonly list routes
    cdef RouteFacts* facts              # by number
    cdef list limits                    # RouteLimits of all routes, equal ones once
    cdef readonly dict services
    cdef readonly dict subsets          # services of which routes want a part, by name and labels
    cdef readonly dict listeners
    cdef Networks trusted
    cdef tuple identity_fields          # names of fields that only trusted proxies may send
    cdef bint x_forwarded
    cdef bint x_real_ip
    cdef bint forwarded
    cdef bint request_id
    cdef readonly bytes via
    cdef bint cancel_on_half_close
    cdef readonly int path_policy
    cdef bint fingerprints              # of clients' TLS are asked for, by a route or the access log
    cdef RecordFormat record_format     # None: no access log

