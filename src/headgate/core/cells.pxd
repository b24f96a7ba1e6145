cimport cython
from libc.stdint cimport int64_t, uint64_t


# Every counted thing (listener, route, service, endpoint) owns one block of 128 words in each slot.
# What each exchange changes comes first and fills one cache line, but for the histogram.
# A slot is groups of 64 blocks in 16 pages, and a page has one cache line of each: what exchanges
# change lies close together, so that with thousands of routes few pages are in use, and no block's
# lines push another's out of the processor's caches.
cdef enum:
    LINE_WORDS = 8
    PAGE_WORDS = 512
    GROUP_BLOCKS = 64
    GROUP_WORDS = 8192


cdef inline Py_ssize_t place_of(int word) noexcept nogil:
    """Where a word of a block is, behind the block's first."""
    return (word // LINE_WORDS) * PAGE_WORDS + word % LINE_WORDS


cdef inline Py_ssize_t start_of_block(Py_ssize_t number) noexcept nogil:
    """Where the first word of a block is in its slot."""
    return (number // GROUP_BLOCKS) * GROUP_WORDS + (number % GROUP_BLOCKS) * LINE_WORDS


cpdef enum Word:
    RESPONSES_2XX = 0
    RESPONSES_3XX = 1
    RESPONSES_4XX = 2
    RESPONSES_5XX = 3
    BYTES_IN = 4            # request body bytes received
    BYTES_OUT = 5           # response body bytes sent
    DURATION_SUM = 6        # microseconds
    IN_FLIGHT = 7           # gauge: exchanges
    RESPONSES_1XX = 8
    ABORTED = 9             # ended without a final response
    CONNECTIONS = 10        # connections accepted (listener) or opened (endpoint)
    RETRIES = 11
    FAILURES = 12           # connect failures, broken responses
    TIMEOUTS = 13
    REJECTED = 14           # refused by a limit
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
    WORKER_HANDSHAKES = 14      # of TLS with clients, complete
    WORKER_HANDSHAKES_RESUMED = 15
    WORKER_HANDSHAKES_FAILED = 16
    WORKER_MISDIRECTED = 17     # requests for a host that their connection does not serve
    WORKER_SUSPECTS = 18        # connections of clients that flooded before
    WORKER_SUSPECTS_DELAYED = 19    # times that one of them waited for its turn
    WORKER_OLDEST = 20          # microseconds of the monotonic clock when the oldest snapshot was made that is
                                # in use beside the one served; 0: none is
    WORKER_ABUSES = 32          # connections of HTTP/2 ended for too much of something: one word for each Abuse


# Of the block that says what became of a route's mirror beside its exchanges.
cpdef enum MirrorWord:
    MIRROR_BUSY = 0                 # not copied: too many are under way
    MIRROR_TOO_LARGE = 1            # not copied: the body is longer than is kept
    MIRROR_INCOMPLETE = 2           # not copied: the request ended before its end
    COMPARED_EQUAL = 3
    COMPARED_STATUS = 4             # differ first in this
    COMPARED_FIELDS = 5
    COMPARED_BODY = 6
    COMPARED_NOT = 7                # one of the two did not end well, or is too long


# Of the block of a route's faults that are asked for.
cpdef enum FaultWord:
    FAULT_DELAYED = 0
    FAULT_ABORTED = 1
    FAULT_SLOWED = 2


# Of the block of a middleware: so many words for each hook, then what it counts itself.
cpdef enum MiddlewareWord:
    MIDDLEWARE_CALLS = 0            # of plain hooks, and steps of those that are awaited
    MIDDLEWARE_ERRORS = 1
    MIDDLEWARE_CPU = 2              # nanoseconds of processor time, as samples tell
    MIDDLEWARE_WAITS = 3            # times that something was awaited
    MIDDLEWARE_WAITED = 4           # microseconds
    MIDDLEWARE_BEYOND = 5           # times beyond the budget
    MIDDLEWARE_BLOCKED = 6          # times that the event loop was held up
    MIDDLEWARE_REPLIES = 7
    MIDDLEWARE_HOOK_WORDS = 8
    MIDDLEWARE_OWN = 32             # counters of its class
    MIDDLEWARE_COUNTERS = 32
    MIDDLEWARE_HISTOGRAMS = 64      # two; each has a sum in millionths, and then its buckets
    MIDDLEWARE_HISTOGRAM_WORDS = 32


cdef char* start_of(memory, bint writable, Py_ssize_t* size) except NULL


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
    cdef uint64_t* words        # the first; where the others are, place_of() says
    cdef object memory          # keeps the mapping alive
    cdef readonly int number

    cdef inline uint64_t get(self, int word) noexcept:
        return self.words[place_of(word)]

    cdef inline void put(self, int word, uint64_t value) noexcept:
        self.words[place_of(word)] = value

    cdef inline void add(self, int word, uint64_t count) noexcept:
        self.words[place_of(word)] += count

    cdef inline void subtract(self, int word, uint64_t count) noexcept:
        self.words[place_of(word)] -= count

    cdef inline void finish(self, int status, uint64_t microseconds, uint64_t bytes_in,
                            uint64_t bytes_out) noexcept:
        count_finished(self.words, status, microseconds, bytes_in, bytes_out)


cdef inline void count_finished(uint64_t* words, int status, uint64_t microseconds,
                                uint64_t bytes_in, uint64_t bytes_out) noexcept:
    """Count one exchange or attempt that ended; a status outside 100 to 599 is an aborted one."""
    if 200 <= status < 600:
        words[place_of(<int>RESPONSES_2XX + status // 100 - 2)] += 1
    else:
        words[place_of(<int>RESPONSES_1XX if 100 <= status < 200 else <int>ABORTED)] += 1
    words[place_of(BYTES_IN)] += bytes_in
    words[place_of(BYTES_OUT)] += bytes_out
    words[place_of(DURATION_SUM)] += microseconds
    words[place_of(<int>HISTOGRAM + bucket_of(microseconds))] += 1


@cython.final
cdef class Sums:
    cdef uint64_t** starts      # of each slot
    cdef int slots
    cdef Py_ssize_t blocks      # in each slot
    cdef object memories        # keeps the mappings alive
