from libc.stdint cimport uint64_t

from headgate.core.cells cimport Block
from headgate.core.permits cimport AdaptiveLimit, Permits
from headgate.core.shared cimport SharedCell, SharedTable
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Admission, Exchange, Place
from headgate.proxy.snapshot cimport Service


# What one exchange holds, and where it waits.
cdef class QueuePlace(Place):
    cdef Exchange exchange
    cdef Gate of_route                  # whose permit it holds
    cdef Gate of_service
    cdef Gate waits_at
    cdef double until                   # when it has waited enough
    cdef int importance
    cdef int line                       # of the gate that it waits at


cdef class Gate:
    cdef Context context
    cdef bytes name
    cdef SharedCell cell
    cdef Permits permits
    cdef AdaptiveLimit adaptive         # None: the limit is fixed
    cdef uint64_t limit
    cdef uint64_t share                 # of this worker, at each endpoint; 0: no limit
    cdef Block block
    cdef Service service                # None: the gate of a route
    cdef list lines                     # by importance, then those that are refused next
    cdef Py_ssize_t waiting
    cdef Py_ssize_t most_waiting
    cdef double timeout
    cdef double yields_until            # another worker may take what is free before this one; 0: none does
    cdef double crowded_since           # when the queue was empty last
    cdef bint called
    cdef object timer

    cdef bint take(self) noexcept
    cdef uint64_t most(self) noexcept
    cdef int give(self) except -1
    cdef bint line_up(self, QueuePlace place) except -1
    cdef int forget(self, QueuePlace place) except -1
    cdef int measure(self, Exchange exchange) except -1

    cdef bint _crowded(self) noexcept
    cdef QueuePlace _displaced(self, int importance)
    cdef QueuePlace _next(self)
    cdef int _grant(self, QueuePlace place) except -1
    cdef int _refuse_line(self, int line, double now, int word, str why) except -1
    cdef int _call(self) except -1


cdef class Admissions(Admission):
    cdef Context context
    cdef SharedTable shared
    cdef SharedCell shed
    cdef int worker
    cdef dict gates
    cdef double lag

    cdef bint enter(self, Gate gate, QueuePlace place) except -1
    cdef int refuse(self, Exchange exchange, bytes reason, str detail, double seconds) except -1
    cdef int importance_of(self, Exchange exchange) except -1
    cdef Py_ssize_t pick(self, Exchange exchange, uint64_t full) except -2
    cdef uint64_t full_ones(self, Service service) noexcept
    cdef int answer_open(self, Exchange exchange, double seconds) except -1
    cdef int fall_back(self, Exchange exchange, Service service) except -1
