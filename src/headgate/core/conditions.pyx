"""The conditions of a route beside host and path, compiled so that a request checks them in
nanoseconds: listeners, methods, client addresses, header fields, query parameters, facts of TLS.

A condition on a header field holds when any line of that name makes it hold; names compare without
case, values byte for byte. Query parameters are decoded first ("+" is a space, percent triplets are
bytes, a malformed triplet stands for itself); a parameter that occurs twice needs one fitting value.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp

from headgate.core.handshake import FACTS
from headgate.core.handshake cimport Handshake
from headgate.core.head cimport DROPPED, METHOD_OTHER, OTHER, Field, method_of, token_of
from headgate.core.addresses import address_ranges
from headgate.core.regex import check_regex, compile_sets


cdef extern from "scan.h" nogil:
    bint hg_equal_fold(const char* a, const char* b, size_t size)


KINDS = {"exact": EXACT, "regex": REGEX, "present": PRESENT, "absent": ABSENT}

cdef inline bint same(Span span, const char* data, Py_ssize_t size) noexcept:
    return span.size == size and memcmp(span.data, data, size) == 0


cdef inline int digit(char c) noexcept:
    if c"0" <= c <= c"9":
        return c - c"0"
    c = c | 0x20
    return c - c"a" + 10 if c"a" <= c <= c"f" else -1


cdef inline int next_byte(const char** at, const char* end) noexcept:
    """The next decoded byte of a query; moves on."""
    cdef const char* p = at[0]
    cdef int high, low
    if p[0] == c"%" and end - p >= 3:
        high = digit(p[1])
        low = digit(p[2])
        if high >= 0 and low >= 0:
            at[0] = p + 3
            return high * 16 + low
    at[0] = p + 1
    return 0x20 if p[0] == c"+" else <uint8_t>p[0]


cdef bint decodes_to(const char* at, const char* end, Span wanted) noexcept:
    cdef Py_ssize_t i = 0
    while at < end:
        if i == wanted.size or next_byte(&at, end) != <uint8_t>wanted.data[i]:
            return False
        i += 1
    return i == wanted.size


cdef bytes decoded(const char* at, const char* end):
    cdef bytes text = PyBytes_FromStringAndSize(NULL, end - at)
    cdef char* out = PyBytes_AS_STRING(text)
    cdef Py_ssize_t size = 0
    while at < end:
        out[size] = <char>next_byte(&at, end)
        size += 1
    return text[:size]


cdef bint header_holds(const FieldCondition* wanted, Head head) except -1:
    cdef int number
    cdef Field* field
    cdef const char* name
    for number in range(head.field_count):
        field = &head.fields[number]
        if field.flags & DROPPED or field.token != wanted.token or field.name_size != wanted.name.size:
            continue
        name = head.bytes + field.name_start
        if wanted.token == OTHER and not hg_equal_fold(name, wanted.name.data, field.name_size):
            continue
        if wanted.kind == ABSENT:
            return False
        if wanted.kind == PRESENT:
            return True
        if wanted.kind == EXACT:
            if same(wanted.value, head.bytes + field.value_start, field.value_size):
                return True
        elif (<object>wanted.matcher)(head.bytes[field.value_start:field.value_start + field.value_size]):
            return True
    return wanted.kind == ABSENT


cdef bint query_holds(const FieldCondition* wanted, const char* at, Py_ssize_t size) except -1:
    cdef const char* end = at + size
    cdef const char* stop        # of the parameter
    cdef const char* equals      # its "=", or its end
    cdef const char* value
    while at < end:
        stop = at
        while stop < end and stop[0] != c"&":
            stop += 1
        equals = at
        while equals < stop and equals[0] != c"=":
            equals += 1
        if stop > at and decodes_to(at, equals, wanted.name):
            value = equals + 1 if equals < stop else stop
            if wanted.kind == ABSENT:
                return False
            if wanted.kind == PRESENT:
                return True
            if wanted.kind == EXACT:
                if decodes_to(value, stop, wanted.value):
                    return True
            elif (<object>wanted.matcher)(decoded(value, stop)):
                return True
        at = stop + 1
    return wanted.kind == ABSENT


cdef bint fact_holds(const FieldCondition* wanted, Handshake handshake) except -1:
    """A plain connection has no facts."""
    cdef bytes fact = handshake.fact(wanted.token) if handshake is not None else b""
    if wanted.kind == PRESENT or wanted.kind == ABSENT:
        return (PyBytes_GET_SIZE(fact) > 0) == (wanted.kind == PRESENT)
    if PyBytes_GET_SIZE(fact) == 0:
        return False
    if wanted.kind == EXACT:
        return same(wanted.value, PyBytes_AS_STRING(fact), PyBytes_GET_SIZE(fact))
    return (<object>wanted.matcher)(fact)


def matcher_of(str pattern, str where):
    """A matcher of this pattern alone. Raises ValueError, saying where the pattern stands."""
    problem = check_regex(pattern)
    if problem is not None:
        raise ValueError(f"{where}: ~ {pattern}: {problem}")
    [(_, matcher)] = compile_sets([pattern], anchored=False)
    return matcher


cdef class Conditions:
    """What a route asks of a request beside host and path."""

    def __init__(self, route, listeners, Arena arena not None):
        """`listeners`: the names by number. Raises ValueError, without the route's name."""
        match = route.match
        self.arena = arena
        self.matchers = []
        self.compile_listeners(route.listeners, listeners)
        self.compile_methods(match.methods)
        self.compile_ranges(address_ranges(match.client))
        self.header_count = len(match.headers)
        self.headers = self.compile_fields(match.headers, True)
        self.query_count = len(match.query)
        self.query = self.compile_fields(match.query, False)
        self.tls_count = len(match.tls)
        self.tls = self.compile_fields(match.tls, False)
        for number, condition in enumerate(match.tls):
            self.tls[<int>number].token = FACTS.index(condition.name)
        self.total = FIRST_FIELD + self.header_count + self.query_count + self.tls_count
        self.none = not (self.listeners or self.methods or self.method_count or self.range_count
                         or self.header_count or self.query_count or self.tls_count)

    def compile_listeners(self, wanted, listeners) -> None:
        if not wanted:
            return
        self.listeners = <uint8_t*>self.arena.take(len(listeners))
        self.listener_count = len(listeners)
        for name in wanted:
            if name not in listeners:
                raise ValueError(f"listener {name} does not exist")
            self.listeners[<int>listeners.index(name)] = True

    def compile_methods(self, methods) -> None:
        cdef int method
        self.method_texts = <Span*>self.arena.take(len(methods) * sizeof(Span) + 1)
        for text in methods:
            encoded = text.encode()
            method = method_of(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))
            if method == METHOD_OTHER:
                self.method_texts[self.method_count] = Span(self.arena.copy(encoded), len(encoded))
                self.method_count += 1
            else:
                self.methods |= <uint32_t>1 << method

    def compile_ranges(self, ranges) -> None:
        if ranges:
            packed = b"".join(end.to_bytes(16, "big") for pair in ranges for end in pair)
            self.ranges = <uint8_t*>self.arena.copy(packed)
            self.range_count = len(ranges)

    cdef FieldCondition* compile_fields(self, fields, bint header) except NULL:
        cdef size_t size = len(fields) * sizeof(FieldCondition)
        cdef FieldCondition* compiled = <FieldCondition*>self.arena.take(size + 1)
        cdef FieldCondition* condition
        for number, field in enumerate(fields):
            condition = &compiled[<int>number]
            name = field.name.encode()
            value = field.value.encode()
            condition.kind = KINDS[field.kind]
            condition.name = Span(self.arena.copy(name), len(name))
            condition.value = Span(self.arena.copy(value), len(value))
            if header and name:
                condition.token = token_of(condition.name.data, condition.name.size)
            if condition.kind == REGEX:
                what = "header" if header else "query parameter"
                matcher = matcher_of(field.value, f"{what} {field.name}")
                self.matchers.append(matcher)
                condition.matcher = <PyObject*>matcher
        return compiled

    @property
    def count(self) -> int:
        """How many conditions there can be to hold or fail."""
        return self.total

    cdef int failing(self, Head head, int listener, const uint8_t* client) except -2:
        cdef int number
        if self.none:
            return -1
        for number in range(self.total):
            if not self.holds(number, head, listener, client):
                return number
        return -1

    cdef int holding(self, Head head, int listener, const uint8_t* client) except -2:
        cdef int count = 0
        for number in range(self.total):
            count += self.holds(number, head, listener, client)
        return count

    cdef bint holds(self, int number, Head head, int listener, const uint8_t* client) except -1:
        if number == LISTENER:
            if self.listeners == NULL:
                return True
            return 0 <= listener < self.listener_count and self.listeners[listener]
        if number == METHOD:
            return self.takes_method(head)
        if number == CLIENT:
            return self.range_count == 0 or self.takes_client(client)
        number -= FIRST_FIELD
        if number < self.header_count:
            return header_holds(&self.headers[number], head)
        number -= self.header_count
        if number < self.query_count:
            return query_holds(&self.query[number], head.query.data,
                               head.query.size if head.has_query else 0)
        return fact_holds(&self.tls[number - self.query_count], head.handshake)

    cdef bint takes_method(self, Head head) noexcept:
        cdef int number
        if self.methods == 0 and self.method_count == 0:
            return True
        if head.method != METHOD_OTHER:
            return (self.methods >> head.method) & 1
        for number in range(self.method_count):
            if same(self.method_texts[number], head.method_text.data, head.method_text.size):
                return True
        return False

    cdef bint takes_client(self, const uint8_t* client) noexcept:
        """Binary search for the last range that begins at or before the address."""
        cdef int low = 0
        cdef int high = self.range_count
        cdef int middle
        if client == NULL:
            return False
        while low < high:
            middle = (low + high) // 2
            if memcmp(self.ranges + 32 * middle, client, 16) <= 0:
                low = middle + 1
            else:
                high = middle
        return low > 0 and memcmp(client, self.ranges + 32 * (low - 1) + 16, 16) <= 0
