from libc.stdint cimport int64_t, uint64_t

from headgate.core.cells cimport Block
from headgate.core.output cimport Output
from headgate.proxy.snapshot cimport LiveSnapshot
from headgate.proxy.suspects cimport Suspects


cdef class Context:
    cdef public LiveSnapshot snapshot
    cdef readonly object loop
    cdef readonly object log
    cdef readonly object memory
    cdef Block block
    cdef Suspects suspects
    cdef Output records
    cdef public object sink
    cdef public bint ready
    cdef public bint draining
    cdef public object admission        # exchange.Admission
    cdef public int shed_level          # less important exchanges are refused; 0: none
    cdef public object hook             # chain.Step of the middleware that runs now, or None
    cdef public int hook_number
    cdef public double hook_since
    cdef double now
    cdef double wall_offset
    cdef char date[32]
    cdef int64_t date_second
    cdef uint64_t random_a
    cdef uint64_t random_b
    cdef readonly Py_ssize_t active
    cdef readonly Py_ssize_t connections    # downstream
    cdef public Py_ssize_t most_connections
    cdef public object on_accept        # told False when there are too many connections, then True
    cdef bint accepting
    cdef Py_ssize_t newcomers           # that asked in this turn of the event loop
    cdef Py_ssize_t newcomers_before    # in the turn before
    cdef list outputs
    cdef list pipes
    cdef Py_ssize_t pipe_count          # open ones, in use or not
    cdef public Py_ssize_t most_pipes
    cdef Py_ssize_t fewest_pipes        # that were spare since close_pipes()

    cdef double tick(self) noexcept
    cdef double wall_time(self) except -1
    cpdef void refresh_date(self)
    cdef uint64_t random(self) noexcept
    cdef bytes new_request_id(self)
    cdef bint newcomer_may(self) except -1
    cpdef void write_records(self)
    cdef Output take_output(self)
    cdef void give_output(self, Output output)
    cdef tuple take_pipe(self)
    cdef int give_pipe(self, tuple pipe, bint empty) except -1
    cdef int connection_opened(self) except -1
    cdef int connection_closed(self) except -1
    cdef void own_error(self, str what)
    cpdef void close_pipes(self, bint everything)
