from libc.stdint cimport uint64_t


cdef extern from *:
    """
    static inline uint64_t hg_load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
    static inline void hg_store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
    static inline uint64_t hg_add(uint64_t *word, uint64_t more) {
        return __atomic_fetch_add(word, more, __ATOMIC_ACQ_REL);
    }
    static inline int hg_swap(uint64_t *word, uint64_t old, uint64_t value) {
        return __atomic_compare_exchange_n(word, &old, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
    """
    uint64_t hg_load(const uint64_t* word) noexcept nogil
    void hg_store(uint64_t* word, uint64_t value) noexcept nogil
    uint64_t hg_add(uint64_t* word, uint64_t more) noexcept nogil
    bint hg_swap(uint64_t* word, uint64_t old, uint64_t value) noexcept nogil


cdef enum:
    CELL_WORDS = 32


# What all workers and the controller know together of one service, route or endpoint. Word 0 says whose cell
# it is; what the others mean stands where they are used. Any number of processes write.
cdef class SharedCell:
    cdef uint64_t* words        # CELL_WORDS of them
    cdef object memory          # keeps the mapping alive

    cdef inline uint64_t get(self, int word) noexcept:
        return hg_load(&self.words[word])

    cdef inline void put(self, int word, uint64_t value) noexcept:
        hg_store(&self.words[word], value)

    # Both give what was there before; `more` may be negative, modulo 2**64.
    cdef inline uint64_t add(self, int word, uint64_t more) noexcept:
        return hg_add(&self.words[word], more)

    # Whether `old` was still there.
    cdef inline bint swap(self, int word, uint64_t old, uint64_t value) noexcept:
        return hg_swap(&self.words[word], old, value)


cdef class SharedTable:
    cdef uint64_t* words
    cdef Py_ssize_t size        # cells
    cdef object memory

    cdef Py_ssize_t _claim(self, uint64_t identity) except -1
    cdef uint64_t* _find(self, uint64_t identity) noexcept
    cdef SharedCell _cell_at(self, Py_ssize_t index)
