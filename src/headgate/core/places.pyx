"""The paths of a host in a hash table, so that a match reads few cache lines however many there are.

Keys lie in an open-addressing table of cache lines. A text is looked up by the sizes that keys have,
the longest first; the first key found leads to all shorter ones that it begins with.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy


cdef extern from *:
    int leading_zeros "__builtin_clzll"(unsigned long long bits) noexcept nogil
    void prefetch "__builtin_prefetch"(const void* line) noexcept nogil


cdef enum:
    FAR = 63                    # sizes from here up share the last bit
    NOT_ZERO = 0x80000000       # in each hash: 0 is an empty place

# A literal prefix may stand anywhere in a path, so its size needs a bit of its own.
LONGEST_LITERAL = FAR - 1


cdef inline uint64_t size_bit(Py_ssize_t size) noexcept nogil:
    return <uint64_t>1 << (size if size < FAR else <Py_ssize_t>FAR)


cdef inline uint64_t word(const char* at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, 8)
    return value


cdef inline uint64_t mix(uint64_t hash, uint64_t value) noexcept nogil:
    hash = (hash ^ value) * <uint64_t>0x9E3779B97F4A7C15
    return hash ^ (hash >> 32)


cdef uint32_t hash_of(const char* text, Py_ssize_t size) noexcept nogil:
    """Eight bytes at a time. Keys come from the configuration, so nobody picks ones that collide."""
    cdef uint64_t hash = size
    cdef uint64_t rest = 0
    cdef Py_ssize_t at = 0
    if size < 8:
        for at in range(size):
            rest = rest << 8 | <uint8_t>text[at]
        return <uint32_t>mix(hash, rest) | NOT_ZERO
    while at + 8 < size:
        hash = mix(hash, word(text + at))
        at += 8
    return <uint32_t>mix(hash, word(text + size - 8)) | NOT_ZERO


cdef inline const char* text_of(const Place* place) noexcept nogil:
    if place.size <= sizeof(place.text.near):
        return &place.text.near[0]
    return place.text.far


cdef inline bint is_at(const Place* place, uint32_t hash, const char* text, Py_ssize_t size) noexcept nogil:
    return place.hash == hash and place.size == size and memcmp(text_of(place), text, size) == 0


cdef const Place* find(const Paths* paths, const char* text, Py_ssize_t size) noexcept nogil:
    """The place of this key, or NULL."""
    cdef uint32_t hash = hash_of(text, size)
    cdef uint32_t at = hash & paths.mask
    while paths.places[at].hash != 0:
        if is_at(&paths.places[at], hash, text, size):
            return &paths.places[at]
        at = (at + 1) & paths.mask
    return NULL


cdef const Place* deepest(const Paths* paths, const char* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t depth = size if size < paths.longest else <Py_ssize_t>paths.longest
    cdef uint64_t sizes
    cdef const Place* place
    while depth >= FAR:
        if ends_segment(text, size, depth):
            place = find(paths, text, depth)
            if place != NULL:
                return place
        depth -= 1
    sizes = paths.sizes & ((<uint64_t>2 << depth) - 1)
    while sizes:
        depth = 63 - leading_zeros(sizes)
        sizes ^= size_bit(depth)
        if ends_segment(text, size, depth) or paths.literal_sizes & size_bit(depth):
            place = find(paths, text, depth)
            if place != NULL:
                return place
    return NULL


cdef void expect_place(const Paths* paths, const char* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t depth = size if size < FAR - 1 else <Py_ssize_t>(FAR - 1)
    cdef uint64_t sizes = paths.sizes & ((<uint64_t>2 << depth) - 1)
    while sizes:
        depth = 63 - leading_zeros(sizes)
        sizes ^= size_bit(depth)
        if ends_segment(text, size, depth) or paths.literal_sizes & size_bit(depth):
            prefetch(&paths.places[hash_of(text, depth) & paths.mask])
            return


cdef class Places:
    """Maps keys to their places. Reserve, insert all in sorted order, then look up."""

    def __cinit__(self):
        self.last = -1

    cdef int reserve(self, Py_ssize_t count) except -1:
        """Make room for so many keys, with at least half of it empty."""
        cdef uint32_t size = 2
        while <Py_ssize_t>size < 2 * count:
            size *= 2
        self.paths.mask = size - 1
        self.paths.places = <Place*>self.arena.take_lines(size * sizeof(Place))
        return 0

    cdef Place* insert(self, bytes key, const Turn* turns, int32_t exact, int32_t prefix, int32_t bucket) except NULL:
        """Put a key that is behind all the others in sorted order. Its turns, those of the exact path first, stay
        where they are."""
        cdef Place* place = self.claim(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        if place.size > sizeof(place.text.near):
            place.text.far = self.arena.copy(key)
        place.bucket = bucket
        place.exact = exact
        place.prefix = prefix
        if exact + prefix == 1:
            place.turns.only = turns[0]
        else:
            place.turns.all = turns
        place.up = self.last
        while place.up >= 0 and not self.begins(place.up, key):
            place.up = self.paths.places[place.up].up
        self.last = <int32_t>(place - self.paths.places)
        self.paths.sizes |= size_bit(place.size)
        if bucket >= 0:
            self.paths.literal_sizes |= size_bit(place.size)
        if place.size > self.paths.longest:
            self.paths.longest = place.size
        return place

    cdef Place* claim(self, const char* text, Py_ssize_t size) noexcept:
        """An empty place for this key, with its text when that is short."""
        cdef uint32_t hash = hash_of(text, size)
        cdef uint32_t at = hash & self.paths.mask
        cdef Place* place
        while self.paths.places[at].hash != 0:
            at = (at + 1) & self.paths.mask
        place = &self.paths.places[at]
        place.hash = hash
        place.size = size
        if size <= <Py_ssize_t>sizeof(place.text.near):
            memcpy(place.text.near, text, size)
        return place

    def begins(self, int32_t number, bytes key) -> bool:
        """Whether `key` begins with the key of this place."""
        cdef const Place* place = &self.paths.places[number]
        return key.startswith(text_of(place)[:place.size])

    @staticmethod
    def of(segments, literals=()) -> Places:
        """Keys that count where a segment ends, and keys that count anywhere; for tests."""
        cdef Places places = Places()
        cdef Turn turn = Turn(0, 0, NULL)
        places.arena = Arena()
        keys = {*segments, *literals}
        places.reserve(len(keys))
        for key in sorted(keys):
            places.insert(key, &turn, 0, 1 if key in segments else 0, 0 if key in literals else -1)
        return places

    def found(self, bytes text) -> list[bytes]:
        """The keys with which `text` begins, the longest first; for tests."""
        cdef const char* data = PyBytes_AS_STRING(text)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
        cdef const Place* place = deepest(&self.paths, data, size)
        keys = []
        while place != NULL:
            if place.bucket >= 0 or ends_segment(data, size, place.size):
                keys.append(text_of(place)[:place.size])
            place = above(&self.paths, place)
        return keys
