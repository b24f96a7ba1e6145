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


cdef class Block:
    cdef uint64_t* words
    cdef object memory

    cdef inline void add(self, int word, uint64_t count) noexcept:
        self.words[word] += count

    cdef inline void finish(self, int status, uint64_t microseconds, uint64_t bytes_in,
                            uint64_t bytes_out) noexcept:
        cdef int octave, bucket
        cdef int status_class = status // 100
        if 1 <= status_class <= 5:
            self.words[status_class - 1] += 1
        else:
            self.words[ABORTED] += 1
        self.words[BYTES_IN] += bytes_in
        self.words[BYTES_OUT] += bytes_out
        self.words[DURATION_SUM] += microseconds
        self.words[HISTOGRAM + bucket_of(microseconds)] += 1


cdef inline int bucket_of(uint64_t value) noexcept:
    """Log-linear: four buckets per power of two from 16 us up; 112 in all."""
    cdef int octave, bucket
    if value < 16:
        return 0
    octave = 63 - __builtin_clzll(value)
    bucket = (octave - 4) * 4 + <int>((value >> (octave - 2)) & 3)
    return bucket if bucket < 112 else 111


cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil
