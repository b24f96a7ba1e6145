"""Some of a route's requests: those that fit conditions, and of these a part."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t

from headgate.core.arena cimport Arena
from headgate.core.conditions cimport ABSENT, EXACT, PRESENT, REGEX, Conditions
from headgate.core.conditions import KINDS, matcher_of
from headgate.core.head cimport Head, Span
from headgate.core.keys cimport cookie_value


class _Wanted:
    """What Conditions reads of a route."""

    listeners: tuple[str, ...] = ()

    def __init__(self, match) -> None:
        self.match = match


cdef class Selection:
    """`spec`: a spec.Selection. Raises ValueError when a regular expression of it cannot be used."""

    def __init__(self, spec):
        self.conditions = Conditions(_Wanted(spec.match), (), Arena())
        self.cookies = [
            (field.name.encode(), KINDS[field.kind], field.value.encode(),
             matcher_of(field.value, f"cookie {field.name}") if field.kind == "regex" else None)
            for field in spec.cookies
        ]
        self.share = spec.percent / 100.0

    cdef bint fits(self, Head head, int listener, const uint8_t* client) except -1:
        """Whether all conditions hold."""
        cdef bytes name, value
        cdef int kind
        cdef Span found
        if self.conditions.failing(head, listener, client) >= 0:
            return False
        for name, kind, value, matcher in self.cookies:
            found = cookie_value(head, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if kind == PRESENT or kind == ABSENT:
                if (found.data != NULL) != (kind == PRESENT):
                    return False
            elif found.data == NULL:
                return False
            elif kind == EXACT:
                if found.data[:found.size] != value:
                    return False
            elif not matcher(found.data[:found.size]):
                return False
        return True

    cdef bint takes(self, Head head, int listener, const uint8_t* client) except -1:
        """Whether this request is one of them: it fits, and it is its turn."""
        if not self.fits(head, listener, client):
            return False
        self.due += self.share
        if self.due < 1.0 - 1e-9:
            return False
        self.due -= 1.0
        return True


def chosen(Selection selection not None, Head head not None) -> bool:
    """Whether a request is one of them; for tests."""
    return selection.takes(head, 0, NULL)
