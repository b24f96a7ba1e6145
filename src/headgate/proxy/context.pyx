"""What all exchanges of one worker share: clock, random numbers, records on their way, counters."""

import os
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from headgate.core.cells cimport (
    Block, WORKER_ACCEPT_PAUSES, WORKER_ERRORS, WORKER_RECORDS_DROPPED,
)
from headgate.core.output cimport Output
from headgate.proxy.suspects cimport Suspects

cdef enum:
    SPARE_OUTPUTS = 64
    SPARE_PIPES = 64
    OUTPUT_BYTES = 16384
    FLUSH_RECORDS = 32768

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


cdef class Context:
    """One per worker. `memory` is the worker's slot of the shared memory."""

    def __init__(self, object loop, object memory, object log):
        self.loop = loop
        self.log = log
        self.memory = memory
        self.block = Block(memory, 0)
        self.suspects = Suspects(loop, self.block)
        self.records = Output(2 * FLUSH_RECORDS)
        self.accepting = True
        self.outputs = []
        self.pipes = []
        seed = os.urandom(16)
        self.random_a = int.from_bytes(seed[:8], "little") | 1
        self.random_b = int.from_bytes(seed[8:], "little")
        self.tick()
        self.refresh_date()

    cdef double tick(self) noexcept:
        """Read the clock; monotonic seconds."""
        cdef timespec t
        clock_gettime(CLOCK_MONOTONIC, &t)
        self.now = <double>t.tv_sec + <double>t.tv_nsec * 1e-9
        return self.now

    cdef double wall_time(self) except -1:
        """Seconds since 1970."""
        return time.time()

    cpdef void refresh_date(self):
        """Renew the text for Date fields (RFC 9110 section 5.6.7) and the offset to wall time."""
        cdef bytes text
        cdef double wall = self.wall_time()
        self.wall_offset = wall - self.tick()
        if <int64_t>wall == self.date_second:
            return
        self.date_second = <int64_t>wall
        t = time.gmtime(wall)
        text = (f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
                f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT").encode()
        memcpy(self.date, PyBytes_AS_STRING(text), 29)

    cdef uint64_t random(self) noexcept:
        """xorshift128+ (Vigna 2014): for names and choices, not for secrets."""
        cdef uint64_t a = self.random_a
        cdef uint64_t b = self.random_b
        self.random_a = b
        a ^= a << 23
        self.random_b = a ^ b ^ (a >> 17) ^ (b >> 26)
        return self.random_b + b

    cdef bytes new_request_id(self):
        """32 hexadecimal digits."""
        cdef bytes text = PyBytes_FromStringAndSize(NULL, 32)
        cdef char* out = PyBytes_AS_STRING(text)
        cdef const char* digits = b"0123456789abcdef"
        cdef uint64_t bits = 0
        cdef int i
        for i in range(32):
            if i & 15 == 0:
                bits = self.random()
            out[i] = digits[bits & 15]
            bits >>= 4
        return text

    cdef bint newcomer_may(self) except -1:
        """Whether a connection that is new may be read in this turn of the event loop. An eighth of those
        that have something to say may, by lot, and one at least: who floods comes again and again as
        somebody new, and all others share the turn."""
        cdef Py_ssize_t share = max(self.newcomers_before // 8, 1)
        if self.newcomers == 0:
            self.loop.call_soon(self._next_turn)
        self.newcomers += 1
        return self.newcomers_before <= share or <Py_ssize_t>(
            self.random() % <uint64_t>self.newcomers_before) < share

    def _next_turn(self) -> None:
        self.newcomers_before = self.newcomers
        self.newcomers = 0

    cpdef void write_records(self):
        """Hand the access records that were formatted to the sink; it never waits."""
        cdef bytes data
        if self.records.total == 0:
            return
        data = self.records.take()
        taken = False
        try:
            taken = self.sink is not None and self.sink.offer(data)
        except Exception:
            self.own_error("access records could not be written")
        if not taken:
            self.block.add(WORKER_RECORDS_DROPPED, data.count(b"\n"))

    cdef Output take_output(self):
        if self.outputs:
            return <Output>self.outputs.pop()
        return Output(OUTPUT_BYTES)

    cdef void give_output(self, Output output):
        if len(self.outputs) < SPARE_OUTPUTS and output.capacity <= 4 * OUTPUT_BYTES:
            output.clear()
            self.outputs.append(output)

    cdef tuple take_pipe(self):
        """An empty pipe that does not block: (read end, write end). None when too many are open."""
        cdef tuple pipe
        if self.pipes:
            pipe = self.pipes.pop()
            if len(self.pipes) < self.fewest_pipes:
                self.fewest_pipes = len(self.pipes)
            return pipe
        if self.pipe_count >= self.most_pipes:
            return None
        try:
            pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None             # no file is free: it goes without
        self.pipe_count += 1
        return pipe

    cdef int give_pipe(self, tuple pipe, bint empty) except -1:
        """Give a pipe back. One that still holds bytes serves nobody else."""
        if empty and len(self.pipes) < SPARE_PIPES:
            self.pipes.append(pipe)
            return 0
        self.pipe_count -= 1
        os.close(pipe[0])
        os.close(pipe[1])
        return 0

    cpdef void close_pipes(self, bint everything):
        """Close those that nobody uses; or only as many as nobody used since the last call."""
        cdef Py_ssize_t most = 0 if everything else len(self.pipes) - self.fewest_pipes
        while len(self.pipes) > most:
            self.give_pipe(self.pipes.pop(), False)
        self.fewest_pipes = len(self.pipes)

    cdef int connection_opened(self) except -1:
        """Count a downstream connection; at the limit accepting stops."""
        self.connections += 1
        if self.accepting and self.connections >= self.most_connections:
            self.accepting = False
            self.block.add(WORKER_ACCEPT_PAUSES, 1)
            self.on_accept(False)
        return 0

    cdef int connection_closed(self) except -1:
        self.connections -= 1
        if not self.accepting and self.connections < self.most_connections * 0.95:
            self.accepting = True
            self.on_accept(True)
        return 0

    cdef void own_error(self, str what):
        """An error of ours: counted and logged with its traceback; only one exchange suffers."""
        self.block.add(WORKER_ERRORS, 1)
        self.log.exception(what)
