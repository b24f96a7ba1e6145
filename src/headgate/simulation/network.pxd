from libc.stdint cimport uint64_t

from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg, Source
from headgate.proxy.snapshot cimport Endpoint
from headgate.simulation.clock cimport Clock, Timer


cdef class VirtualContext(Context):
    cdef Clock clock


# What endpoints do with requests.
cdef class Server:
    cdef Clock clock
    cdef readonly str name
    cdef object random                  # random.Random
    cdef public object latency          # seconds from a random.Random
    cdef public double connect_seconds
    cdef public double errors           # of all answers
    cdef public int error_status
    cdef public double resets
    cdef public Py_ssize_t capacity     # requests at a time; 0: any number
    cdef str condition                  # one of STATES
    cdef list pools                     # of all workers
    cdef dict legs                      # that carry a request
    cdef object queue                   # deque of legs
    cdef list stopped                   # (leg, fate) that would have been answered while it hung
    cdef Py_ssize_t running
    cdef long life                      # grows with each crash

    cdef int serve(self, SimulatedLeg leg) except -1
    cdef int start(self, SimulatedLeg leg) except -1


# The connections of one worker to a server.
cdef class SimulatedPool(Source):
    cdef Context context
    cdef Endpoint endpoint
    cdef Server server
    cdef object options                 # spec.Pool
    cdef object service                 # spec.Service
    cdef readonly tuple identity        # of service, endpoint and address
    cdef object watch                   # told of every attempt: (identity, chosen, panics)
    cdef dict opening                   # exchange: timer
    cdef list idle                      # (leg, since)
    cdef readonly long served           # requests that the server got here
    cdef readonly long cut              # of them on connections that it ended, without an answer


cdef class SimulatedLeg(Leg):
    cdef SimulatedPool pool
    cdef bint complete                  # the whole request was sent
    cdef bint served                    # and the server has it


# A request's client, from the first byte to the last.
cdef class Client(Leg):
    cdef Exchange own
    cdef object on_end                  # called with the client
    cdef Context context
    cdef readonly object tag            # whatever the caller wants to find again
    cdef readonly double started
    cdef readonly double seconds        # until the end
    cdef readonly int status            # of the answer; 0: none came
    cdef readonly bint whole            # the answer is complete
    cdef readonly str reason            # what the record says is wrong, or ""
    cdef readonly str route
    cdef readonly str service
    cdef readonly str endpoint
    cdef readonly str variant
    cdef readonly int attempts
    cdef readonly list fields           # (name, value) of the answer

    cdef int settle(self) except -1
