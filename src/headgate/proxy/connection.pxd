from headgate.core.http1 cimport Http1
from headgate.core.output cimport Output
from headgate.core.tls cimport Tls
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg


# All connections of a worker, so that one timer serves them all.
cdef class Register:
    cdef Context context
    cdef void** entries
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef list unflushed                 # connections that send when this turn of the loop is over

    cdef int flush_soon(self, Connection connection) except -1
    cdef int add(self, Connection connection) except -1
    cdef void remove(self, Connection connection) noexcept


cdef class Connection(Leg):
    cdef Context context
    cdef Register register
    cdef Py_ssize_t place               # in the register, or -1
    cdef Http1 codec
    cdef Tls tls                        # None: plain
    cdef int fd
    cdef bint closed                    # takes part in nothing more; what is unsent still goes out
    cdef bint ending                    # half-closes when the last byte is out
    cdef int read_bytes                 # received at once; 0: as much as there is room for
    cdef bint suspect                   # its client flooded before, and it has not shown that it means well
    cdef double spent                   # seconds, while it is suspect
    cdef bint delayed                   # it waits until there is time for suspects
    cdef bint heard                     # bytes came since the last sweep
    cdef bint input_over                # the peer ended its side
    cdef bint write_dead                # the peer takes nothing any more
    cdef bint lingering
    cdef bint flush_due                 # in the register's list of those that send soon
    cdef list unsent                    # bytes that the socket did not take yet
    cdef Py_ssize_t unsent_bytes
    cdef bint progress                  # some of it went out since the deadline was set
    cdef int unacknowledged             # bytes in the kernel when it was set
    # A body that the kernel moves from this socket to the other side's.
    cdef tuple pipe
    cdef Py_ssize_t piped               # bytes inside the pipe
    cdef Connection target              # where they go
    cdef Connection feeder              # whose pipe this socket is to take

    cdef int open(self, int fd) except -1
    cdef bint read_once(self) except -1
    cdef int read_some(self) except -1
    cdef int read_in_turn(self) except -1
    cdef int read_charged(self) except -1
    cdef bint may_go_on(self, object go_on) except -1
    cdef void charge(self, double start) noexcept
    cdef int delay(self) except -1
    cdef int undelay(self) except -1
    cdef int _decrypt(self) except -1
    cdef bint cut_short(self) noexcept
    cdef int check(self) except -1
    cdef int listen(self, bint yes) except -1
    cdef int open_output(self) except -1
    cdef int deliver(self, Output out) except -1
    cdef int flush_now(self) except -1
    cdef int transmit(self, Output out) except -1
    cdef Output _encrypt(self, Output plain)
    cdef Py_ssize_t _encrypt_run(self, Output sealed, Py_ssize_t held, const char* data,
                                 Py_ssize_t size) except -1
    cdef int _say_end(self) except -1
    cdef int write(self, bytes data) except -1
    cdef int drained(self) except -1
    cdef int blocked(self) except -1
    cdef Py_ssize_t under_way(self) except -1
    cdef int unblocked(self) except -1
    cdef int half_close(self) except -1
    cdef int close(self) except -1
    cdef int close_hard(self) except -1
    cdef int pass_to(self, Connection successor) except -1
    cdef int dispose(self) except -1
    cdef int _input_ended(self) except -1
    cdef Py_ssize_t _send(self, Output out) except -2
    cdef int failed(self) except -1
    cdef int own_error(self, str what, Exchange exchange) except -1
    cdef int await_progress(self) except -1
    cdef bint progressed(self) noexcept
    cdef double write_seconds(self) noexcept

    cdef int move_to(self, Connection other) except -1
    cdef int move(self) except -1
    cdef Py_ssize_t move_out(self, Connection other) except -2
    cdef int drop_pipe(self) except -1

    cdef int received(self, const char* data, Py_ssize_t size) except -1
    cdef int ended(self) except -1
    cdef int gone(self) except -1
    cdef int left(self) except -1
    cdef int moved(self, Py_ssize_t size, bint last) except -1
    cdef int expire(self) except -1
    cdef int sweep(self, double now, double elapsed) except -1
    cdef int hung_up(self, bint reset) except -1
