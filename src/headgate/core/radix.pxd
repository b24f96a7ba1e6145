from libc.stdint cimport int32_t, uint8_t, uint16_t

from headgate.core.arena cimport Arena


cdef struct Node:
    const char* label           # the bytes behind those of the parent
    Py_ssize_t label_size
    Py_ssize_t depth            # bytes from the root to the end of the label
    int32_t value               # of the key that ends here, or -1
    Node* parent
    Node* up                    # nearest node above that has a value; valid once linked
    int count
    int capacity
    uint8_t* firsts             # first byte of each child
    Node** children
    uint16_t* index             # child number + 1 by first byte, when there are many; else NULL


cdef class Radix:
    cdef Arena arena
    cdef Node* root

    cdef int insert(self, bytes key, int32_t value) except -1
    cdef void link(self) noexcept
    cdef Node* descend(self, const char* text, Py_ssize_t size) noexcept nogil
    cdef Node* create(self, const char* label, Py_ssize_t size, Node* parent) except NULL
    cdef int adopt(self, Node* parent, Node* child) except -1
    cdef Node* split(self, Node* node, Py_ssize_t size) except NULL
