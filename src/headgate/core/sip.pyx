"""SipHash-1-3, for tables that somebody could try to fill: without its key nobody can aim (Aumasson, Bernstein,
"SipHash: a fast short-input PRF", 2012)."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef enum:
    SECRET_BYTES = 16
    LAST_ROUNDS = 3


cdef struct State:
    uint64_t a
    uint64_t b
    uint64_t c
    uint64_t d


def hashed(bytes data not None, bytes secret not None) -> int:
    """The hash of some bytes with a secret of 16 bytes. Raises ValueError."""
    return sip_hash(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), seed_of(secret))


cdef Seed seed_of(bytes secret) except *:
    """Raises ValueError when the secret has not 16 bytes."""
    cdef Seed seed
    if PyBytes_GET_SIZE(secret) != SECRET_BYTES:
        raise ValueError(f"a secret of {SECRET_BYTES} bytes, not {PyBytes_GET_SIZE(secret)}")
    memcpy(&seed, PyBytes_AS_STRING(secret), SECRET_BYTES)
    return seed


cdef inline uint64_t rotated(uint64_t value, int bits) noexcept nogil:
    return value << bits | value >> (64 - bits)


cdef inline void turn(State* s) noexcept nogil:
    """One SipRound."""
    s.a += s.b
    s.b = rotated(s.b, 13) ^ s.a
    s.a = rotated(s.a, 32)
    s.c += s.d
    s.d = rotated(s.d, 16) ^ s.c
    s.a += s.d
    s.d = rotated(s.d, 21) ^ s.a
    s.c += s.b
    s.b = rotated(s.b, 17) ^ s.c
    s.c = rotated(s.c, 32)


cdef inline void take(State* s, uint64_t word) noexcept nogil:
    s.d ^= word
    turn(s)
    s.a ^= word


cdef uint64_t sip_hash(const char* data, Py_ssize_t size, Seed seed) noexcept nogil:
    cdef State s
    cdef uint64_t word
    cdef uint64_t last = <uint64_t>size << 56
    cdef int i
    s.a = seed.first ^ <uint64_t>0x736F6D6570736575
    s.b = seed.second ^ <uint64_t>0x646F72616E646F6D
    s.c = seed.first ^ <uint64_t>0x6C7967656E657261
    s.d = seed.second ^ <uint64_t>0x7465646279746573
    while size >= 8:
        memcpy(&word, data, 8)
        take(&s, word)
        data += 8
        size -= 8
    word = 0
    memcpy(&word, data, size)
    take(&s, last | word)
    s.c ^= 0xFF
    for i in range(LAST_ROUNDS):
        turn(&s)
    return s.a ^ s.b ^ s.c ^ s.d
