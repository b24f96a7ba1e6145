"""A radix tree over bytes: every key that a text begins with, in one walk down."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

cdef enum:
    FEW = 4                     # children up to this number are looked through one by one
    BYTES = 256


cdef inline int child_number(const Node* node, uint8_t first) noexcept nogil:
    """Number of the child whose label begins with this byte, or -1."""
    cdef int number
    if node.index != NULL:
        return <int>node.index[first] - 1
    for number in range(node.count):
        if node.firsts[number] == first:
            return number
    return -1


cdef Py_ssize_t shared(const char* a, Py_ssize_t a_size, const char* b, Py_ssize_t b_size) noexcept nogil:
    """How many bytes both begin with."""
    cdef Py_ssize_t count = 0
    while count < a_size and count < b_size and a[count] == b[count]:
        count += 1
    return count


cdef class Radix:
    """Maps keys to numbers from 0 up. Insert all, link once, then look up."""

    def __cinit__(self, Arena arena not None):
        self.arena = arena
        self.root = self.create(b"", 0, NULL)

    cdef Node* create(self, const char* label, Py_ssize_t size, Node* parent) except NULL:
        cdef Node* node = <Node*>self.arena.take(sizeof(Node))
        node.label = label
        node.label_size = size
        node.depth = size + (parent.depth if parent != NULL else 0)
        node.parent = parent
        node.value = -1
        return node

    cdef int insert(self, bytes key, int32_t value) except -1:
        """Put a key that is not there yet."""
        cdef const char* text = self.arena.copy(key)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
        cdef Node* node = self.root
        cdef Node* child
        cdef Py_ssize_t common
        cdef int number
        while node.depth < size:
            number = child_number(node, <uint8_t>text[node.depth])
            if number < 0:
                child = self.create(text + node.depth, size - node.depth, node)
                self.adopt(node, child)
                node = child
                break
            child = node.children[number]
            common = shared(child.label, child.label_size, text + node.depth, size - node.depth)
            node = child if common == child.label_size else self.split(child, common)
        node.value = value
        return 0

    cdef int adopt(self, Node* parent, Node* child) except -1:
        """Add a child."""
        cdef int number
        cdef uint8_t* firsts
        cdef Node** children
        if parent.count == parent.capacity:
            parent.capacity = 2 * parent.capacity + 2
            firsts = <uint8_t*>self.arena.take(parent.capacity)
            children = <Node**>self.arena.take(parent.capacity * sizeof(Node*))
            if parent.count:
                memcpy(firsts, parent.firsts, parent.count)
                memcpy(children, parent.children, parent.count * sizeof(Node*))
            parent.firsts = firsts
            parent.children = children
        parent.firsts[parent.count] = <uint8_t>child.label[0]
        parent.children[parent.count] = child
        parent.count += 1
        if parent.index == NULL and parent.count > FEW:
            parent.index = <uint16_t*>self.arena.take(BYTES * sizeof(uint16_t))
            for number in range(parent.count):
                parent.index[parent.firsts[number]] = <uint16_t>(number + 1)
        elif parent.index != NULL:
            parent.index[<uint8_t>child.label[0]] = <uint16_t>parent.count
        return 0

    cdef Node* split(self, Node* node, Py_ssize_t size) except NULL:
        """Put a new node above this one that takes the first `size` bytes of its label."""
        cdef Node* parent = node.parent
        cdef Node* upper = self.create(node.label, size, parent)
        parent.children[child_number(parent, <uint8_t>node.label[0])] = upper
        node.label += size
        node.label_size -= size
        node.parent = upper
        self.adopt(upper, node)
        return upper

    cdef void link(self) noexcept:
        """Set `up` of every node, parents first, so that each takes it from its parent."""
        cdef Node* node = self.root
        cdef Node* parent
        cdef int number
        while node != NULL:
            parent = node.parent
            if parent != NULL:
                node.up = parent if parent.value >= 0 else parent.up
            if node.count:
                node = node.children[0]
                continue
            # The next sibling, of this node or of the nearest one above that has one.
            while parent != NULL:
                number = child_number(parent, <uint8_t>node.label[0]) + 1
                if number < parent.count:
                    node = parent.children[number]
                    break
                node = parent
                parent = node.parent
            if parent == NULL:
                break

    cdef Node* descend(self, const char* text, Py_ssize_t size) noexcept nogil:
        """The deepest node all of whose bytes `text` begins with."""
        cdef Node* node = self.root
        cdef Node* child
        cdef int number
        while node.depth < size:
            number = child_number(node, <uint8_t>text[node.depth])
            if number < 0:
                break
            child = node.children[number]
            if child.depth > size or memcmp(child.label, text + node.depth, child.label_size) != 0:
                break
            node = child
        return node

    @staticmethod
    def of(keys) -> Radix:
        """A linked tree in which each key has its number; for tests."""
        cdef Radix radix = Radix(Arena())
        cdef int32_t number
        for number, key in enumerate(keys):
            radix.insert(key, number)
        radix.link()
        return radix

    def prefixes(self, bytes text) -> list[int]:
        """Numbers of the keys that `text` begins with, the longest first; for tests."""
        cdef Node* node = self.descend(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        found = []
        while node != NULL:
            if node.value >= 0:
                found.append(node.value)
            node = node.up
        return found
