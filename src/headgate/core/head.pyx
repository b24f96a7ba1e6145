"""Heads of messages, kept as spans over the received bytes.

The reader of HTTP/1 scans into a head; whoever sends it on writes runs of lines out of it. A line
that is not to be sent is marked, a line that is added is appended behind the received ones, so a
head that needs three changes goes out as a few runs of bytes. Python sees fields only when it asks.
"""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from headgate.core.events cimport REQUEST_HEAD, RESPONSE_HEAD


cdef extern from "scan.h" nogil:
    bint hg_equal_lower(const char* name, const char* lower, size_t size)
    bint hg_equal_fold(const char* a, const char* b, size_t size)


TOKEN_NAMES = {
    HOST: b"host", CONNECTION: b"connection", KEEP_ALIVE: b"keep-alive",
    PROXY_CONNECTION: b"proxy-connection", TE: b"te", TRAILER: b"trailer",
    TRANSFER_ENCODING: b"transfer-encoding", UPGRADE: b"upgrade",
    CONTENT_LENGTH: b"content-length", EXPECT: b"expect", VIA: b"via", DATE: b"date",
    MAX_FORWARDS: b"max-forwards", X_FORWARDED_FOR: b"x-forwarded-for",
    X_FORWARDED_PROTO: b"x-forwarded-proto", X_FORWARDED_HOST: b"x-forwarded-host",
    X_FORWARDED_PORT: b"x-forwarded-port", X_REAL_IP: b"x-real-ip", FORWARDED: b"forwarded",
    X_REQUEST_ID: b"x-request-id", USER_AGENT: b"user-agent", REFERER: b"referer",
    ACCEPT: b"accept", HTTP2_SETTINGS: b"http2-settings", LOCATION: b"location",
    RETRY_AFTER: b"retry-after", AUTHORIZATION: b"authorization", COOKIE: b"cookie",
    X_FORWARDED_CLIENT_CERT: b"x-forwarded-client-cert",
    STRICT_TRANSPORT_SECURITY: b"strict-transport-security", PRIORITY: b"priority",
    CONTENT_TYPE: b"content-type",
}

# Tokens by a small hash of length, first letter and last two letters; _fill_token_table proves that no two
# names share a place.
cdef enum:
    PLACES = 256

cdef struct Place:
    unsigned char size
    unsigned char token
    char name[30]

cdef Place _places[PLACES]


cdef inline unsigned int _place(const char* name, Py_ssize_t size) noexcept nogil:
    return (<unsigned int>size * 49 + (<unsigned char>name[0] | 0x20) * 5
            + (<unsigned char>name[size - 1] | 0x20) * 17
            + (<unsigned char>name[size - 2] | 0x20) * 8) & (PLACES - 1)


cdef int _fill_token_table() except -1:
    cdef unsigned int place
    cdef bytes name
    for token, name in TOKEN_NAMES.items():
        place = _place(name, len(name))
        if _places[place].size:
            raise AssertionError(f"{name!r} shares its place with another name; change _place")
        _places[place].size = len(name)
        _places[place].token = token
        memcpy(_places[place].name, <const char*>name, len(name))
    return 0


_fill_token_table()


cdef int token_of(const char* name, Py_ssize_t size) noexcept nogil:
    """The token of a field name in any case, or OTHER."""
    cdef Place* place
    if size < 2:
        return OTHER
    place = &_places[_place(name, size)]
    if place.size == size and hg_equal_lower(name, place.name, size):
        return place.token
    return OTHER


cdef int method_of(const char* text, Py_ssize_t size) noexcept nogil:
    """The method; names are case-sensitive (RFC 9110 section 9.1)."""
    if size == 3:
        if text[0] == b"G" and text[1] == b"E" and text[2] == b"T":
            return METHOD_GET
        if text[0] == b"P" and text[1] == b"U" and text[2] == b"T":
            return METHOD_PUT
    elif size == 4:
        if text[0] == b"P" and text[1] == b"O" and text[2] == b"S" and text[3] == b"T":
            return METHOD_POST
        if text[0] == b"H" and text[1] == b"E" and text[2] == b"A" and text[3] == b"D":
            return METHOD_HEAD
    elif size == 5:
        if _same(text, b"PATCH", 5):
            return METHOD_PATCH
        if _same(text, b"TRACE", 5):
            return METHOD_TRACE
    elif size == 6 and _same(text, b"DELETE", 6):
        return METHOD_DELETE
    elif size == 7:
        if _same(text, b"OPTIONS", 7):
            return METHOD_OPTIONS
        if _same(text, b"CONNECT", 7):
            return METHOD_CONNECT
    return METHOD_OTHER


cdef inline bint _same(const char* a, const char* b, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if a[i] != b[i]:
            return False
    return True


cdef Span ABSENT = Span(NULL, 0)


cdef object text_of(Span span):
    """A span as str (Latin-1, as field values are octets), or None when absent."""
    return None if span.data == NULL else span.data[:span.size].decode("latin-1")


cdef class Head(Event):
    """The head of a request or response, or the trailers of one."""

    def __cinit__(self, int kind=REQUEST_HEAD):
        self.kind = kind
        self.field_capacity = 32
        self.capacity = 2048
        self.bytes = <char*>malloc(self.capacity)
        self.fields = <Field*>malloc(self.field_capacity * sizeof(Field))
        if self.bytes == NULL or self.fields == NULL:
            raise MemoryError()
        self.clear()

    def __dealloc__(self):
        free(self.bytes)
        free(self.fields)
        free(self.normal)

    cdef void clear(self) noexcept:
        self.size = self.received = self.scanned = 0
        self.line_read = False
        self.line_size = self.method_size = self.target_start = self.target_size = 0
        self.repeated = 0
        self.field_count = 0
        memset(self.first, 0xff, sizeof(self.first))
        self.stream = 0
        self.last = False
        self.version = 11
        self.content_length = -1
        self.chunked = False
        self.keep_alive = True
        self.te_trailers = False
        self.expect_continue = False
        self.upgrade = ABSENT
        self.method = METHOD_OTHER
        self.target_form = ORIGIN_FORM
        self.port = -1
        self.method_text = ABSENT
        self.target = ABSENT
        self.handshake = None
        self.path = ABSENT
        self.query = ABSENT
        self.has_query = False
        self.authority = ABSENT
        self.host = Span(&self.host_bytes[0], 0)
        self.status = 0
        self.reason = ABSENT

    cdef int keep(self, const char* data, Py_ssize_t size) except -1:
        """Append received bytes."""
        self._reserve(<uint32_t>size)
        memcpy(self.bytes + self.size, data, size)
        self.size += <uint32_t>size
        return 0

    cdef int _reserve(self, uint32_t size) except -1:
        cdef uint32_t capacity = self.capacity
        cdef char* grown
        if self.size + size <= capacity:
            return 0
        while self.size + size > capacity:
            capacity *= 2
        grown = <char*>malloc(capacity)
        if grown == NULL:
            raise MemoryError()
        memcpy(grown, self.bytes, self.size)
        self._move(grown)
        self.capacity = capacity
        return 0

    cdef void _move(self, char* grown) noexcept:
        """The bytes lie elsewhere now: let the spans follow."""
        cdef Py_ssize_t shift = grown - self.bytes
        self._shift(&self.method_text, shift)
        self._shift(&self.target, shift)
        self._shift(&self.path, shift)
        self._shift(&self.query, shift)
        self._shift(&self.authority, shift)
        self._shift(&self.reason, shift)
        self._shift(&self.upgrade, shift)
        free(self.bytes)
        self.bytes = grown

    cdef void _shift(self, Span* span, Py_ssize_t shift) noexcept:
        if self.bytes <= span.data <= self.bytes + self.size:
            span.data += shift

    cdef Field* new_field(self) except NULL:
        cdef Field* grown
        if self.field_count == self.field_capacity:
            grown = <Field*>realloc(self.fields, 2 * self.field_capacity * sizeof(Field))
            if grown == NULL:
                raise MemoryError()
            self.fields = grown
            self.field_capacity *= 2
        self.field_count += 1
        return &self.fields[self.field_count - 1]

    cdef int add_line(self, const char* name, Py_ssize_t name_size,
                      const char* value, Py_ssize_t value_size, int token) except -1:
        """Append the line `name: value`. The caller vouches for the grammar of both, and that
        neither lies in this head, whose bytes may move."""
        cdef uint32_t start = self.size
        cdef uint32_t line = <uint32_t>(name_size + value_size + 4)
        cdef Field* field
        cdef char* out
        self._reserve(line)
        out = self.bytes + start
        memcpy(out, name, name_size)
        out += name_size
        out[0] = b":"
        out[1] = b" "
        memcpy(out + 2, value, value_size)
        out += 2 + value_size
        out[0] = b"\r"
        out[1] = b"\n"
        self.size += line
        field = self.new_field()
        field.name_start = start
        field.name_size = <uint32_t>name_size
        field.value_start = start + <uint32_t>name_size + 2
        field.value_size = <uint32_t>value_size
        field.line_end = start + line
        field.token = token
        field.flags = 0
        field.never_indexed = False
        if token and self.first[token] < 0:
            self.first[token] = self.field_count - 1
        return 0

    cdef Field* find(self, int token) noexcept:
        """The first field of a well-known name that was not dropped, or NULL."""
        cdef int i = self.first[token]
        if i < 0:
            return NULL
        while i < self.field_count:
            if self.fields[i].token == token and not self.fields[i].flags & DROPPED:
                return &self.fields[i]
            i += 1
        return NULL

    cdef Field* find_name(self, const char* name, Py_ssize_t size, int start) noexcept:
        """The first field from number `start` on with this name in any case, or NULL."""
        cdef int i
        cdef Field* field
        for i in range(start, self.field_count):
            field = &self.fields[i]
            if (field.name_size == size and not field.flags & DROPPED
                    and hg_equal_fold(self.bytes + field.name_start, name, size)):
                return field
        return NULL

    cdef void drop(self, int token) noexcept:
        """Mark every line of a well-known name: it is not sent on."""
        self.mark(token, DROPPED)

    cdef void drop_name(self, const char* name, Py_ssize_t size) noexcept:
        """The same for a name in any case that may be well-known or not."""
        cdef Field* field = self.find_name(name, size, 0)
        while field != NULL:
            field.flags |= DROPPED
            field = self.find_name(name, size, 0)

    cdef void mark(self, int token, int flag) noexcept:
        cdef int i = self.first[token]
        if i < 0:
            return
        while i < self.field_count:
            if self.fields[i].token == token:
                self.fields[i].flags |= flag
            i += 1

    cdef int set_path(self, const char* data, Py_ssize_t size) except -1:
        """Send another path than the received one; copied."""
        cdef char* copy = <char*>malloc(size if size else 1)
        if copy == NULL:
            raise MemoryError()
        memcpy(copy, data, size)
        free(self.normal)
        self.normal = copy
        self.normal_capacity = <uint32_t>size
        self.path.data = copy
        self.path.size = size
        return 0

    def items(self) -> list[tuple[bytes, bytes]]:
        """The fields that are sent on, in order, names as they came."""
        return [
            (self.bytes[self.fields[i].name_start:self.fields[i].name_start + self.fields[i].name_size],
             self.bytes[self.fields[i].value_start:self.fields[i].value_start + self.fields[i].value_size])
            for i in range(self.field_count) if not self.fields[i].flags
        ]

    @property
    def method_name(self) -> str | None:
        return text_of(self.method_text)

    @property
    def target_text(self) -> str | None:
        """The request target as received."""
        return text_of(self.target)

    @property
    def path_text(self) -> str | None:
        """The normalised path without the query."""
        return text_of(self.path)

    @property
    def query_text(self) -> str | None:
        return text_of(self.query) if self.has_query else None

    @property
    def host_text(self) -> str:
        return self.host.data[:self.host.size].decode("latin-1")

    @property
    def authority_text(self) -> str | None:
        return text_of(self.authority)

    @property
    def reason_text(self) -> str | None:
        return text_of(self.reason)

    @property
    def upgrade_text(self) -> str | None:
        return text_of(self.upgrade)

    def describe(self) -> tuple:
        if self.kind == REQUEST_HEAD:
            return ("RequestHead", self.stream, self.method_name, self.target_text, self.path_text,
                    self.version, self.items(), self.content_length, self.chunked,
                    self.keep_alive, self.last)
        if self.kind == RESPONSE_HEAD:
            return ("ResponseHead", self.stream, self.status, self.reason_text, self.version,
                    self.items(), self.content_length, self.chunked, self.keep_alive, self.last)
        return ("Trailers", self.stream, self.items())


# Heads come and go with every exchange; a few are kept ready instead of allocated anew.
cdef enum:
    SPARE_HEADS = 256

cdef list _spare = []


cdef Head new_head(int kind):
    """An empty head, used again or new."""
    cdef Head head
    if _spare:
        head = <Head>_spare.pop()
        head.kind = kind
        return head
    return Head(kind)


cdef void release_head(Head head):
    """Give a head back. Nothing may refer to it any more; one that grew large is let go."""
    if head is not None and head.capacity <= 8192 and len(_spare) < SPARE_HEADS:
        head.clear()
        _spare.append(head)
