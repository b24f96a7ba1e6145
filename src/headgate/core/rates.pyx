"""How often something may happen for each key, exact over all workers, in a table of fixed size.

The algorithm is GCRA (ITU-T I.371): of a key only the time is kept when it has everything back that it took. A
key that has everything is as good as one that was never seen, so its place is free without anybody clearing it;
a place whose time has not come is never given to another, so that a flood of new keys finds the table full
instead of pushing out those it holds. Places are changed by compare-and-swap of both words at once: a worker that
is killed leaves nothing locked or half done.

Two sets of four places are a key's, by a hash with a secret seed.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from headgate.core.cells cimport start_of
from headgate.core.sip cimport seed_of, sip_hash


cdef extern from *:
    """
    #include <arpa/inet.h>

    #if defined(__x86_64__)
    __attribute__((target("cx16")))     /* every one since 2006 has it */
    #endif
    static int hg_swap_pair(void *pair, uint64_t old0, uint64_t old1, uint64_t new0, uint64_t new1) {
        unsigned __int128 from = (unsigned __int128)old1 << 64 | old0;
        unsigned __int128 to = (unsigned __int128)new1 << 64 | new0;
        return __sync_bool_compare_and_swap((unsigned __int128 *)pair, from, to);
    }
    static inline uint64_t hg_load_first(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
    """
    bint hg_swap_pair(void* pair, uint64_t old0, uint64_t old1, uint64_t new0, uint64_t new1) noexcept nogil
    uint64_t hg_load_first(const uint64_t* word) noexcept nogil
    int AF_INET6
    int inet_pton(int family, const char* text, void* address) nogil

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    str PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)

cdef enum:
    PLACES = 4                  # in a set: what fits into a line of the cache
    FULL = -1

cdef double LONGEST_SECONDS = 1e9       # until a burst has come back


@cython.final
cdef class RateTable:
    """All places of a piece of writable memory, which is full of zeros when nobody used it yet. `seed`: 16 secret
    bytes, the same in all processes. Raises ValueError when the memory is not aligned to 16 bytes or too small."""

    def __init__(self, memory: memoryview, bytes seed not None) -> None:
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t sets
        view = memoryview(memory)
        self.cells = <Rated*>start_of(view, True, &size)
        sets = size // (PLACES * sizeof(Rated))
        if <size_t>self.cells % sizeof(Rated) or sets < 2 or sets & (sets - 1):
            raise ValueError("a table of rates has a power of two of sets, in memory aligned to 16 bytes")
        self.mask = sets - 1
        self.memory = view
        self.seed = seed_of(seed)

    def limit(self, name: str, rate: float, burst: int) -> RateLimit:
        """`rate` times a second, and `burst` of them at once. What keys took is found again under the same name, rate
        and burst. Raises ValueError."""
        cdef RateLimit limit = RateLimit.__new__(RateLimit)
        cdef bytes text = f"{name}\n{rate!r}\n{burst}".encode()
        if not (1e-6 <= rate <= 1e9 and burst >= 1 and burst / rate <= LONGEST_SECONDS):
            raise ValueError(f"a rate of {rate:g} a second with a burst of {burst} is none that can be kept")
        limit.table = self
        limit.seed = self.seed
        limit.seed.second ^= sip_hash(PyBytes_AS_STRING(text), len(text), self.seed)
        limit.interval = max(<uint64_t>(1e9 / <double>rate + 0.5), 1)
        limit.span = limit.interval * <uint64_t>burst
        return limit

    cdef Rated* find(self, uint64_t identity, uint64_t now, Rated* seen) noexcept nogil:
        """The key's place, or one that is free, in the emptier of its sets, with what is there; NULL when there is
        none."""
        cdef Rated* cell
        cdef Rated* free[2]
        cdef int count[2]
        cdef int i, chosen
        free[0] = free[1] = NULL
        count[0] = count[1] = 0
        for i in range(2 * PLACES):
            cell = self.place(identity, i)
            seen.identity = hg_load_first(&cell.identity)
            seen.until = hg_load_first(&cell.until)
            if seen.identity == identity:
                if hg_load_first(&cell.identity) == identity:
                    return cell
            elif seen.until <= now:
                free[i // PLACES] = cell
                count[i // PLACES] += 1
        chosen = count[1] > count[0]
        if free[chosen] != NULL:
            seen.identity = hg_load_first(&free[chosen].identity)
            seen.until = hg_load_first(&free[chosen].until)
        return free[chosen]

    cdef inline Rated* place(self, uint64_t identity, int number) noexcept nogil:
        """One of the places where a key may be."""
        cdef uint64_t line = identity & self.mask
        if number >= PLACES:
            line = (identity >> 32 & self.mask) if (identity >> 32 & self.mask) != line else line ^ 1
        return self.cells + line * PLACES + number % PLACES

    cdef bint is_twice(self, uint64_t identity, const Rated* place) noexcept nogil:
        """Whether a key that just got a place has another: two workers met it at the same moment."""
        cdef Rated* cell
        cdef int i
        for i in range(2 * PLACES):
            cell = self.place(identity, i)
            if cell != place and hg_load_first(&cell.identity) == identity:
                return True
        return False


@cython.final
cdef class RateLimit:
    """One limit, for many keys; made by `RateTable.limit`."""

    def take(self, str key not None) -> int:
        """Take one. 0: it may happen; else the nanoseconds until it may, or -1: there was no place for the key."""
        cdef timespec t
        clock_gettime(CLOCK_MONOTONIC, &t)
        return self.decide(self.identity_of(key), <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec)

    def take_at(self, str key not None, uint64_t now) -> int:
        """The same at another time, in nanoseconds."""
        return self.decide(self.identity_of(key), now)

    def standing(self, str policy not None) -> str:
        """What `standing` says of the last one that was let through or refused."""
        return standing(policy, self.remaining, self.reset)

    def give_back(self, str key not None) -> None:
        """What was taken did not happen."""
        cdef uint64_t identity = self.identity_of(key)
        cdef Rated seen
        cdef Rated* place
        while True:
            place = self.table.find(identity, 0, &seen)
            if place == NULL or seen.identity != identity:
                return
            if hg_swap_pair(place, identity, seen.until, identity, seen.until - min(self.interval, seen.until)):
                return

    cdef uint64_t identity_of(self, str key) except 0:
        cdef Py_ssize_t size
        cdef const char* text = PyUnicode_AsUTF8AndSize(key, &size)
        return sip_hash(text, size, self.seed) or 1

    cdef int64_t decide(self, uint64_t identity, uint64_t now) noexcept nogil:
        cdef Rated seen
        cdef Rated* place
        cdef uint64_t until
        while True:
            place = self.table.find(identity, now, &seen)
            if place == NULL:
                self.remaining = self.reset = 0
                return FULL
            if seen.until > now and seen.identity != identity:
                continue                # somebody else was quicker
            until = max(seen.until, now) + self.interval
            if until - now > self.span:
                self.remaining = 0
                self.reset = <int64_t>(until - now - self.interval)
                return <int64_t>(until - now - self.span)
            if not hg_swap_pair(place, seen.identity, seen.until, identity, until):
                continue
            if seen.identity != identity and self.table.is_twice(identity, place):
                if hg_swap_pair(place, identity, until, 0, 0):
                    continue            # it is counted in the other place
            self.remaining = <int64_t>((self.span - (until - now)) // self.interval)
            self.reset = <int64_t>(until - now)
            return 0


cpdef str standing(str policy, int64_t remaining, int64_t reset):
    """The value of RateLimit (draft-ietf-httpapi-ratelimit-headers) for the policy of that name, a quoted string:
    `remaining` may come, and after `reset` nanoseconds, in whole seconds, the quota has come back. Raises ValueError
    for a name of more than 200 bytes."""
    cdef char text[256]
    cdef Py_ssize_t size
    cdef const char* name = PyUnicode_AsUTF8AndSize(policy, &size)
    if size > 200:
        raise ValueError(f"the name of a policy has 200 bytes at most, not {size}")
    memcpy(text, name, size)
    size = _put(text, size, b";r=", remaining)
    size = _put(text, size, b";t=", (reset + 999999999) // 1000000000)
    return PyUnicode_DecodeUTF8(text, size, NULL)


cdef Py_ssize_t _put(char* text, Py_ssize_t size, const char* before, int64_t number) noexcept:
    """Append three characters and a number; the size then."""
    cdef uint64_t left = <uint64_t>max(number, 0)
    cdef char digits[20]
    cdef int count = 0
    memcpy(text + size, before, 3)
    size += 3
    while True:
        digits[count] = <char>(48 + left % 10)
        count += 1
        left //= 10
        if left == 0:
            break
    while count:
        count -= 1
        text[size] = digits[count]
        size += 1
    return size


def network_of(str address not None, int prefix) -> str:
    """The network of an IPv6 address, of so many bits, as a text to compare; an IPv4 address as it is, and what is
    none too. IPv4 mapped into IPv6 is IPv4."""
    cdef unsigned char raw[16]
    cdef Py_ssize_t size
    cdef const char* text = PyUnicode_AsUTF8AndSize(address, &size)
    cdef int i
    if ":" not in address or inet_pton(AF_INET6, text, raw) != 1:
        return address
    if raw[:12] == b"\0\0\0\0\0\0\0\0\0\0\xff\xff":
        return f"{raw[12]}.{raw[13]}.{raw[14]}.{raw[15]}"
    for i in range(16):
        if prefix < 8 * (i + 1):
            raw[i] &= <unsigned char>(0xFF00 >> max(prefix - 8 * i, 0))
    return raw[:16].decode("latin-1")
