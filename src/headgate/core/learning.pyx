"""Sticky sessions learned from the application: the id in its own cookie, when it sets one, belongs to the endpoint
that answered.

Ids are kept as hashes under a secret, so that nobody can choose where theirs lies in the table, nor read it there.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t

from headgate.core.cells cimport Block
from headgate.core.hashing cimport hash_bytes
from headgate.core.head cimport Field, Head, Span
from headgate.core.keys cimport cookie_value, pair_value
from headgate.core.sessions cimport BOUND_FOR_ANOTHER, BOUND_NEW, NOT_BOUND, Bound, SessionTable
from headgate.core.shared cimport SharedCell
from headgate.core.stickiness cimport (
    STICKY_DISPLACED, STICKY_KEPT, STICKY_LEARNED, STICKY_NEW, STICKY_NOT_LEARNED, STICKY_REPLACED, Session,
    Stickiness,
)
from headgate.core.stickiness import shared_secret


@cython.final
cdef class Learning(Stickiness):
    """`spec`: a spec.Sticky. Ids of all services are in one table."""

    def __init__(self, str service, spec, SharedCell cell, Block block, SessionTable table not None):
        secret = shared_secret(cell) + service.encode()
        self.name = spec.name.encode()
        self.lifetime = spec.lifetime
        self.block = block
        self.table = table
        self.seed = hash_bytes(secret, len(secret), 0)

    cdef Session session_of(self, Head head, double wall):
        cdef LearnedSession session = LearnedSession.__new__(LearnedSession)
        cdef Span id = cookie_value(head, PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name))
        session.rules = self
        if id.size:
            session.key = hash_bytes(id.data, id.size, self.seed) | 1
            session.wanted = self.table.find_endpoint(session.key, <uint32_t>wall, <uint32_t>self.lifetime)
        return session


@cython.final
cdef class LearnedSession(Session):
    cdef int tell(self, Head head, uint64_t taken, double wall, bint encrypted) except -1:
        """Learn what the answer says. Where the endpoint of a session is gone, its id belongs to the next one."""
        cdef Learning rules = <Learning>self.rules
        cdef Span id = _set_cookie(head, rules.name)
        cdef uint64_t key = hash_bytes(id.data, id.size, rules.seed) | 1 if id.size else 0
        cdef Bound bound
        if not self.wanted:
            rules.block.add(STICKY_NEW, 1)
        else:
            rules.block.add(STICKY_KEPT if self.wanted == taken else STICKY_REPLACED, 1)
        if not key and self.wanted and self.wanted != taken:
            key = self.key
        if not key:
            return 0
        bound = rules.table.bind_endpoint(key, taken, <uint32_t>wall, <uint32_t>rules.lifetime)
        if bound == BOUND_NEW or bound == BOUND_FOR_ANOTHER:
            rules.block.add(STICKY_LEARNED, 1)
        if bound == BOUND_FOR_ANOTHER:
            rules.block.add(STICKY_DISPLACED, 1)
        if bound == NOT_BOUND:
            rules.block.add(STICKY_NOT_LEARNED, 1)
        return 0


cdef Span _set_cookie(Head head, bytes name) noexcept:
    """The value of the last cookie of this name that an answer sets (RFC 6265 section 4.1); empty when it sets
    none, or takes it back."""
    cdef Span found = Span(NULL, 0)
    cdef Span value
    cdef Py_ssize_t size
    cdef const char* text
    cdef Field* field = head.find_name(b"set-cookie", 10, 0)
    while field != NULL:
        text = head.bytes + field.value_start
        size = 0
        while size < field.value_size and text[size] != c";":
            size += 1
        value = pair_value(text, size, c";", PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if value.data != NULL:
            found = value
        field = head.find_name(b"set-cookie", 10, <int>(field - head.fields) + 1)
    return found


def learned(Learning rules not None, Head request, Head response not None, uint64_t taken, double wall) -> int:
    """Where the client of a request belongs, or 0, before it is told the answer of the endpoint `taken`; for
    tests."""
    cdef Session session = rules.session_of(request, wall)
    cdef uint64_t wanted = session.wanted
    session.tell(response, taken, wall, False)
    return wanted
