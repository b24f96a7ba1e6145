from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    PLACES = 8                  # in a set
    PLACE_WORDS = 4


# Words of a place.
cdef enum:
    PLACE_KEY = 0               # 0: free
    PLACE_ENDPOINT = 1          # its identity, XORed with the key: what belongs to another key is nobody's
    PLACE_TIMES = 2             # seconds: when it was used last (upper half), until when it holds
    PLACE_PROVED = 3            # 1: the client came back with it


cpdef enum Bound:
    BOUND_NEW = 0
    BOUND_AGAIN = 1             # was there already
    BOUND_FOR_ANOTHER = 2       # a session that was still good had to go
    NOT_BOUND = 3               # all places are of clients that are there


# Sessions of all services, by the hash of what their clients say.
cdef class SessionTable:
    cdef uint64_t* words
    cdef uint64_t sets
    cdef object memory

    cdef uint64_t* set_of(self, uint64_t key) noexcept
    cdef uint64_t find_endpoint(self, uint64_t key, uint32_t now, uint32_t lifetime) noexcept
    cdef Bound bind_endpoint(self, uint64_t key, uint64_t endpoint, uint32_t now, uint32_t lifetime) noexcept
