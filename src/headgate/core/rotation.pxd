from libc.stdint cimport uint64_t

from headgate.core.balance cimport EndpointState
from headgate.core.levels cimport Levels
from headgate.core.shared cimport SharedCell


# Words of the cell of an endpoint. Times are microseconds of the monotonic clock.
cpdef enum HealthWord:
    PROBE_STATE = 8         # what probes say
    EJECTED_UNTIL = 9       # by outlier detection
    EJECTION = 10           # how often in a row (from bit 8 on), and why
    EJECTIONS = 11          # times
    ORDERS = 12             # of the operator: mode (2 bits), health (2 bits), from bit 8 on weight + 1
    STARTED = 13            # when it became one of the service, or usable again
    PROBES_PASSED = 14      # probes
    PROBES_FAILED = 15


# Words of the cell of a service.
cpdef enum RotationWord:
    ROTATION_CHANGES = 8    # grows with everything that changes who is in rotation
    ROTATION_PANICS = 9     # times that a worker began to try all endpoints for want of healthy ones
    ROTATION_SPARED = 10    # outliers that were not ejected because it is a dry run
    ROTATION_FELL_BACK = 11 # times that a worker began to ask all endpoints for want of healthy ones in a subset


cpdef enum ProbeState:
    PROBE_UNKNOWN = 0       # not probed, or not yet: usable
    PROBE_HEALTHY = 1
    PROBE_UNHEALTHY = 2
    PROBE_AWAITED = 3       # not yet, and not usable before


cpdef enum Mode:
    ENABLED = 0
    DRAINING = 1            # takes nothing new
    DISABLED = 2            # and is not probed


# An order about health.
cpdef enum Verdict:
    BY_PROBES = 0
    HEALTHY = 1
    UNHEALTHY = 2


# Who of the endpoints of a service may be chosen, and with which weight.
cdef class Rotation:
    cdef SharedCell cell
    cdef list cells
    cdef double* weights            # as the file has them
    cdef double* ordered            # as the operator has them
    cdef unsigned char* backup
    cdef unsigned char* enabled     # takes something, if it is healthy
    cdef unsigned char* members     # of the subset; NULL: all
    cdef bint falls_back            # on all endpoints, where no member is healthy
    cdef bint fell_back             # and does so now
    cdef Levels levels              # None: all are wanted equally
    cdef Py_ssize_t count
    cdef double slow_start
    cdef double panic_share
    cdef bint ramps                 # the balancer can follow weights that change
    cdef uint64_t seen              # changes
    cdef double due                 # when time alone changes something
    cdef readonly bint panics

    cdef inline bint stale(self, double now) noexcept:
        return now >= self.due or self.cell.get(ROTATION_CHANGES) != self.seen

    # Whether weights are others, so that a balancer with a table has to make it anew.
    cdef bint refresh(self, EndpointState* states, double now) noexcept
    cdef void _count_panic(self, bint before) noexcept
    cdef bint _choose_members(self, double now) noexcept
    cdef bint _decide(self, EndpointState* states, double now, double* shares) noexcept
    cdef double _ramp(self, SharedCell cell, double now) noexcept


cdef bint is_healthy(SharedCell cell, double now) noexcept
