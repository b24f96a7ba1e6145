from headgate.core.head cimport Head
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.snapshot cimport Listener, Route, RouteLimits, Service


# The client's side of an exchange that Headgate begins itself: takes everything and waits for nothing.
cdef class Errand(Leg):
    pass


cdef Route errand_route(object spec, RouteLimits limits, object memory, int metric)
cdef Listener errand_listener()
cdef Exchange new_errand(Errand leg, Context context, Listener listener, Route route, Service service, Peer peer,
                         Head head, list body)
cdef int begin_errand(Exchange exchange) except -1
