cimport cython
from libc.stdint cimport int64_t, uint64_t


# Every counted thing (listener, route, service, endpoint) owns one block of 128 words in each slot.
cpdef enum Word:
    RESPONSES_1XX = 0
    RESPONSES_2XX = 1
    RESPONSES_3XX = 2
    RESPONSES_4XX = 3
    RESPONSES_5XX = 4
    ABORTED = 5             # ended without a final response
    BYTES_IN = 6            # request body bytes received
    BYTES_OUT = 7           # response body bytes sent
    DURATION_SUM = 8        # microseconds
    CONNECTIONS = 9         # connections accepted (listener) or opened (endpoint)
    RETRIES = 10
    FAILURES = 11           # connect failures, broken responses
    TIMEOUTS = 12
    REJECTED = 13           # refused by a limit
    IN_FLIGHT = 14          # gauge: exchanges
    OPEN = 15               # gauge: connections
    HISTOGRAM = 16          # 112 buckets of the duration
    BLOCK_WORDS = 128


# Block 0 of each slot belongs to the worker itself.
cpdef enum WorkerWord:
    WORKER_PID = 0
    WORKER_STARTED = 1          # epoch seconds
    WORKER_VERSION = 2          # snapshot version served
    WORKER_CONNECTIONS = 3      # gauge
    WORKER_TUNNELS = 4          # gauge
    WORKER_VIOLATIONS = 5       # requests refused by the codec
    WORKER_RECORDS = 6          # access records written
    WORKER_RECORDS_DROPPED = 7
    WORKER_ACCEPT_PAUSES = 8    # times accepting stopped for want of file descriptors or by limit
    WORKER_CLIENT_LIMIT = 9     # connections refused by the limit per client address
    WORKER_LAG_SUM = 10         # microseconds the loop woke up late
    WORKER_LAG_COUNT = 11
    WORKER_SWEEPS = 12
    WORKER_ERRORS = 13          # errors of ours, each logged


cdef enum:
    BUCKETS = 112


cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil


cdef inline int bucket_of(uint64_t microseconds) noexcept nogil:
    """Log-linear: four buckets per power of two from 16 us up; 112 in all."""
    cdef uint64_t value = microseconds if microseconds > 16 else 16
    cdef int octave = 63 - __builtin_clzll(value)
    cdef int bucket = (octave - 4) * 4 + <int>((value >> (octave - 2)) & 3)
    return bucket if bucket < BUCKETS else BUCKETS - 1


@cython.final
cdef class Block:
    cdef uint64_t* words        # BLOCK_WORDS of them
    cdef object memory          # keeps the mapping alive
    cdef readonly int number

    cdef inline uint64_t get(self, int word) noexcept:
        return self.words[word]

    cdef inline void put(self, int word, uint64_t value) noexcept:
        self.words[word] = value

    cdef inline void add(self, int word, uint64_t count) noexcept:
        self.words[word] += count

    cdef inline void subtract(self, int word, uint64_t count) noexcept:
        self.words[word] -= count

    cdef inline void finish(self, int status, uint64_t microseconds, uint64_t bytes_in,
                            uint64_t bytes_out) noexcept:
        count_finished(self.words, status, microseconds, bytes_in, bytes_out)


cdef inline void count_finished(uint64_t* words, int status, uint64_t microseconds,
                                uint64_t bytes_in, uint64_t bytes_out) noexcept:
    """Count one exchange or attempt that ended; a status outside 100 to 599 is an aborted one."""
    cdef unsigned int status_class = <unsigned int>(status - 100) // 100
    words[status_class if status_class < <unsigned int>ABORTED else <unsigned int>ABORTED] += 1
    words[<int>BYTES_IN] += bytes_in
    words[<int>BYTES_OUT] += bytes_out
    words[<int>DURATION_SUM] += microseconds
    words[<int>HISTOGRAM + bucket_of(microseconds)] += 1


@cython.final
cdef class Sums:
    cdef uint64_t** starts      # of each slot
    cdef int slots
    cdef Py_ssize_t blocks      # in each slot
    cdef object memories        # keeps the mappings alive
