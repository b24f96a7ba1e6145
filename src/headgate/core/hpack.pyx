"""HPACK (RFC 7541): heads of HTTP/2 from and to their wire form.

The decoder writes fields into a head as the lines of HTTP/1, so that a head goes on to either version as
runs of bytes. The encoder indexes what will come again and sends the rest as it is, without Huffman coding.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from headgate.core.events cimport REQUEST_HEAD
from headgate.core.field_table cimport FIELD_OVERHEAD, STATIC_FIELDS, Entry, FieldTable, StaticField, static_fields
from headgate.core.head cimport COOKIE, OTHER, PSEUDO, TOKENS, Field, Head, Span, token_of
from headgate.core.huffman cimport decode_huffman
from headgate.core.output cimport Output

cdef enum:
    TABLE_BYTES = 4096
    MOST_INTEGER = 0x0FFFFFFF   # no length or index of use is larger
    # What a block has besides literals (RFC 7541 section 6).
    INDEXED = 0x80
    TABLE_SIZE = 0x20
    SHORT_COOKIE = 20           # whoever can try values of so few bytes learns them by the size (section 7.1.3)


# --- Reading ------------------------------------------------------------------------------------

cdef const unsigned char* _integer(const unsigned char* at, const unsigned char* end, int prefix,
                                   uint32_t* value) noexcept:
    """RFC 7541 section 5.1. Behind the integer; NULL when it has no end or is too large."""
    cdef uint32_t mask = (1 << prefix) - 1
    cdef uint32_t number = at[0] & mask
    cdef int shift = 0
    at += 1
    if number == mask:
        while True:
            if at == end or shift > 21:
                return NULL
            number += <uint32_t>(at[0] & 0x7F) << shift
            shift += 7
            at += 1
            if not (at - 1)[0] & 0x80:
                break
        if number > MOST_INTEGER:
            return NULL
    value[0] = number
    return at


@cython.final
cdef class HpackDecoder:
    """What one peer's heads are read with. `table_bytes`: what was announced to it."""

    def __cinit__(self, uint32_t table_bytes=TABLE_BYTES):
        self.table = FieldTable(table_bytes)

    cdef int decode(self, const char* data, Py_ssize_t size, Head head, uint32_t most_bytes,
                    int most_fields) except? -99:
        """Append the fields of a whole block to `head`. A HpackOutcome."""
        cdef const unsigned char* at = <const unsigned char*>data
        cdef const unsigned char* end = at + size
        cdef bint begun = False
        cdef uint32_t number
        self.most_bytes = most_bytes
        self.most_fields = most_fields
        self.listed = 0
        self.too_large = False
        while at < end:
            if at[0] & INDEXED:
                at = _integer(at, end, 7, &number)
                if at == NULL or self._indexed(head, number) != DECODED:
                    return HPACK_BROKEN
            elif at[0] & WITH_INDEXING:
                at = self._literal(at, end, head, WITH_INDEXING)
            elif at[0] & TABLE_SIZE:
                # Section 4.2: only where a block begins.
                at = _integer(at, end, 5, &number)
                if at == NULL or begun or self.table.resize(number) < 0:
                    return HPACK_BROKEN
                continue
            else:
                at = self._literal(at, end, head, at[0] & NEVER_INDEXED)
            if at == NULL:
                return HPACK_BROKEN
            begun = True
        return HPACK_TOO_LARGE if self.too_large else DECODED

    cdef int _indexed(self, Head head, uint32_t index) except -1:
        cdef StaticField* known
        cdef Entry* entry
        cdef uint32_t start = head.size
        if index == 0 or index > STATIC_FIELDS + self.table.count():
            return HPACK_BROKEN
        if self.too_large:
            return DECODED      # it would be copied for nothing, as often as a block has room for its index
        if index <= STATIC_FIELDS:
            known = &static_fields[index]
            head._reserve(<uint32_t>(known.name_size + known.value_size + 4))
            memcpy(head.bytes + start, known.name, known.name_size)
            memcpy(head.bytes + start + known.name_size + 2, known.value, known.value_size)
            head.size = start + known.name_size + 2 + known.value_size
            return self._line(head, start, known.name_size, start + known.name_size + 2, known.token)
        entry = self.table.at(self.table.next - (index - STATIC_FIELDS))
        head._reserve(entry.name_size + entry.value_size + 4)
        memcpy(head.bytes + start, self.table.bytes + entry.start, entry.name_size)
        memcpy(head.bytes + start + entry.name_size + 2,
               self.table.bytes + entry.start + entry.name_size, entry.value_size)
        head.size = start + entry.name_size + 2 + entry.value_size
        return self._line(head, start, entry.name_size, start + entry.name_size + 2, entry.token)

    cdef const unsigned char* _literal(self, const unsigned char* at, const unsigned char* end, Head head,
                                       int way) except? NULL:
        """Sections 6.2.1 to 6.2.3. Behind the field; NULL when it is broken."""
        cdef uint32_t start = head.size
        cdef uint32_t value_start
        cdef uint32_t index
        cdef Py_ssize_t name_size
        cdef int token = -1
        cdef Entry* entry
        at = _integer(at, end, 6 if way == WITH_INDEXING else 4, &index)
        if at == NULL or index > STATIC_FIELDS + self.table.count():
            return NULL
        if self.too_large and way != WITH_INDEXING:
            return _pass_over(at, end, head, 1 if index else 2)
        if index == 0:
            at = _string(at, end, head)
            if at == NULL:
                return NULL
            name_size = head.size - start
        elif index <= STATIC_FIELDS:
            name_size = static_fields[index].name_size
            token = static_fields[index].token
            head._reserve(<uint32_t>name_size)
            memcpy(head.bytes + start, static_fields[index].name, name_size)
        else:
            entry = self.table.at(self.table.next - (index - STATIC_FIELDS))
            name_size = entry.name_size
            token = entry.token
            head._reserve(<uint32_t>name_size)
            memcpy(head.bytes + start, self.table.bytes + entry.start, name_size)
        head.size = start + <uint32_t>name_size
        head._reserve(4)
        value_start = head.size = head.size + 2
        at = _string(at, end, head)
        if at == NULL:
            return NULL
        if token < 0:
            token = token_of(head.bytes + start, name_size)
        if way == WITH_INDEXING:
            self.table.insert(head.bytes + start, name_size, head.bytes + value_start,
                              head.size - value_start, token)
        self._line(head, start, <uint32_t>name_size, value_start, token)
        if way == NEVER_INDEXED and not self.too_large:
            head.fields[head.field_count - 1].never_indexed = True
        return at

    cdef int _line(self, Head head, uint32_t start, uint32_t name_size, uint32_t value_start, int token) except -1:
        """Make a line of the name and value that lie at the end of the head; or take them back, when the
        list is too large."""
        cdef Field* field
        cdef uint32_t value_size = head.size - value_start
        self.listed += name_size + value_size + FIELD_OVERHEAD
        if self.too_large or self.listed > self.most_bytes or head.field_count >= self.most_fields:
            self.too_large = True
            head.size = start
            return DECODED
        head._reserve(2)
        head.bytes[start + name_size] = c":"
        head.bytes[start + name_size + 1] = c" "
        head.bytes[head.size] = 13
        head.bytes[head.size + 1] = 10
        head.size += 2
        field = head.new_field()
        field.name_start = start
        field.name_size = name_size
        field.value_start = value_start
        field.value_size = value_size
        field.line_end = head.size
        field.token = token
        field.flags = PSEUDO if name_size and head.bytes[start] == c":" else 0
        field.never_indexed = False
        if token:
            if head.first[token] < 0:
                head.first[token] = head.field_count - 1
            else:
                head.repeated |= <uint64_t>1 << token
        return DECODED


cdef const unsigned char* _string(const unsigned char* at, const unsigned char* end, Head head) except? NULL:
    """Section 5.2: a string, written to the end of the head. Behind it; NULL when it is broken."""
    cdef uint32_t size
    cdef bint coded
    cdef Py_ssize_t decoded
    if at == end:
        return NULL
    coded = at[0] & 0x80
    at = _integer(at, end, 7, &size)
    if at == NULL or size > end - at:
        return NULL
    if coded:
        head._reserve(2 * size + 2)
        decoded = decode_huffman(at, size, head.bytes + head.size)
        if decoded < 0:
            return NULL
        head.size += <uint32_t>decoded
    else:
        head._reserve(size + 2)
        memcpy(head.bytes + head.size, at, size)
        head.size += size
    return at + size


cdef const unsigned char* _pass_over(const unsigned char* at, const unsigned char* end, Head head,
                                     int strings) except? NULL:
    """The strings of a literal that nobody needs: they must be sound, and leave nothing."""
    cdef uint32_t start = head.size
    while strings and at != NULL:
        at = _string(at, end, head)
        head.size = start
        strings -= 1
    return at


# --- Writing ------------------------------------------------------------------------------------

cdef inline uint32_t _hash(const char* text, Py_ssize_t size, uint32_t seed) noexcept nogil:
    cdef uint64_t hash = seed ^ <uint64_t>size * <uint64_t>0x9E3779B97F4A7C15
    cdef uint64_t word = 0
    while size >= 8:
        memcpy(&word, text, 8)
        hash = (hash ^ word) * <uint64_t>0x9E3779B97F4A7C15
        hash ^= hash >> 29
        text += 8
        size -= 8
    if size:
        word = 0
        memcpy(&word, text, size)
        hash = (hash ^ word) * <uint64_t>0x9E3779B97F4A7C15
    return <uint32_t>(hash >> 32)


cdef enum:
    NAME_PLACES = 512

cdef char[256] _lower           # the name that is being written, in lower case

cdef unsigned char[NAME_PLACES] _static_names      # the first index of a name by its hash, chained by search


cdef int _fill() except -1:
    cdef int index
    cdef uint32_t place
    for index in range(STATIC_FIELDS, 0, -1):
        place = _hash(static_fields[index].name, static_fields[index].name_size, 0) & (NAME_PLACES - 1)
        while _static_names[place] and not _names_static(
                _static_names[place], static_fields[index].name, static_fields[index].name_size):
            place = (place + 1) & (NAME_PLACES - 1)
        _static_names[place] = index
    return 0


cdef inline bint _names_static(int index, const char* name, Py_ssize_t size) noexcept:
    return (static_fields[index].name_size == size
            and memcmp(static_fields[index].name, name, size) == 0)


_fill()


cdef inline int _static_name(const char* name, Py_ssize_t size, uint32_t hash) noexcept:
    """The first static index of a name, or 0."""
    cdef uint32_t place = hash & (NAME_PLACES - 1)
    while _static_names[place]:
        if _names_static(_static_names[place], name, size):
            return _static_names[place]
        place = (place + 1) & (NAME_PLACES - 1)
    return 0


cdef inline int _static_field(int first, const char* value, Py_ssize_t size) noexcept:
    """The static index of a whole field, or 0. `first`: that of its name."""
    cdef int index
    for index in range(first, first + static_fields[first].values):
        if static_fields[index].value_size == size and memcmp(static_fields[index].value, value, size) == 0:
            return index
    return 0


# Fields that are not indexed: their values seldom repeat, or must not be guessed (section 7.1.3).
WAYS = {
    b"authorization": NEVER_INDEXED, b"proxy-authorization": NEVER_INDEXED, b"set-cookie": NEVER_INDEXED,
    **dict.fromkeys((
        b"age", b"content-length", b"content-range", b"date", b"etag", b"expires", b"forwarded", b"grpc-timeout",
        b"if-modified-since", b"if-none-match", b"last-modified", b"location", b"range", b"referer",
        b"traceparent", b"x-amzn-trace-id", b"x-forwarded-client-cert", b"x-forwarded-for", b"x-real-ip",
        b"x-request-id",
    ), WITHOUT_INDEXING),
}

cdef struct NamedWay:
    const char* name
    Py_ssize_t size
    int way

cdef unsigned char[<int>TOKENS] _token_ways
# Of names without token, by the hash of the name: _fill_ways proves that no two share a place.
cdef NamedWay[64] _named_ways       # from 1 on
cdef unsigned char[NAME_PLACES] _way_places


cdef int _fill_ways() except -1:
    cdef bytes name
    cdef int way, token
    cdef uint32_t place
    cdef unsigned char count = 0
    for token in range(<int>TOKENS):
        _token_ways[token] = WITH_INDEXING
    _named_ways[0].size = -1
    for name, way in WAYS.items():
        token = token_of(name, len(name))
        if token != OTHER:
            _token_ways[token] = <unsigned char>way
            continue
        place = _hash(name, len(name), 0) & (NAME_PLACES - 1)
        if _way_places[place]:
            raise AssertionError(f"{name!r} shares its place with another name; change NAME_PLACES")
        count += 1
        _way_places[place] = count
        _named_ways[count] = NamedWay(name, len(name), way)
    return 0


_fill_ways()


cdef inline int _way_of(const char* name, Py_ssize_t size, uint32_t hash, int token, Py_ssize_t value_size) noexcept:
    """How a field is written that no table has as a whole."""
    cdef NamedWay* named
    if token == OTHER:
        named = &_named_ways[_way_places[hash & (NAME_PLACES - 1)]]
        return named.way if named.size == size and memcmp(named.name, name, size) == 0 else WITH_INDEXING
    if token == COOKIE and value_size < SHORT_COOKIE:
        return NEVER_INDEXED
    return _token_ways[token]


cdef int _write_integer(Output out, int first, int prefix, uint32_t value) except -1:
    cdef unsigned char* at = <unsigned char*>out.reserve(6)
    cdef uint32_t mask = (1 << prefix) - 1
    cdef int size = 1
    if value < mask:
        at[0] = <unsigned char>(first | value)
    else:
        at[0] = <unsigned char>(first | mask)
        value -= mask
        while value >= 0x80:
            at[size] = <unsigned char>(0x80 | (value & 0x7F))
            value >>= 7
            size += 1
        at[size] = <unsigned char>value
        size += 1
    out.commit(size)
    return 0


cdef inline int _write_string(Output out, const char* text, Py_ssize_t size) except -1:
    _write_integer(out, 0, 7, <uint32_t>size)
    return out.append(text, size)


@cython.final
cdef class HpackEncoder:
    """What one peer's heads are written with. `table_bytes`: the most that is used of what it allows."""

    def __cinit__(self, uint32_t table_bytes=TABLE_BYTES):
        self.table = FieldTable(table_bytes)
        # Numbers begin high above 0, which stands for none.
        self.table.first = self.table.next = 1 << 16
        # What a peer takes before it says otherwise (RFC 9113 section 6.5.2); that we use less, it must know.
        self.table.limit = min(table_bytes, <uint32_t>TABLE_BYTES)
        self.resized = table_bytes < TABLE_BYTES
        self.least = self.table.limit

    cdef void resize(self, uint32_t peer_table_bytes) noexcept:
        """The peer allows a table of this size."""
        cdef uint32_t limit = min(peer_table_bytes, self.table.most)
        if limit == self.table.limit and not self.resized:
            return
        self.least = min(self.least, limit) if self.resized else limit
        self.resized = True
        self.table.resize(limit)

    cdef int begin(self, Output out) except -1:
        """Section 4.2: the smallest size since the last block is said, and then the one that holds."""
        if self.resized:
            self.resized = False
            if self.least < self.table.limit:
                _write_integer(out, TABLE_SIZE, 5, self.least)
            _write_integer(out, TABLE_SIZE, 5, self.table.limit)
        return 0

    cdef int add_indexed(self, Output out, int index) except -1:
        """A field of the static table."""
        return _write_integer(out, INDEXED, 7, index)

    cdef int add_named(self, Output out, int index, Span value, int way) except -1:
        """A field whose name is first in the static table at `index`."""
        cdef StaticField* known = &static_fields[index]
        cdef int whole
        if way != NEVER_INDEXED:
            whole = _static_field(index, value.data, value.size)
            if whole:
                return _write_integer(out, INDEXED, 7, whole)
        if way == WITH_INDEXING:
            return self.add(out, known.name, known.name_size, value.data, value.size, known.token, False)
        _write_integer(out, way, 4, index)
        return _write_string(out, value.data, value.size)

    cdef int add(self, Output out, const char* name, Py_ssize_t name_size, const char* value,
                 Py_ssize_t value_size, int token, bint never_indexed) except -1:
        """A field. Its name may be in any case and is sent in lower case (RFC 9113 section 8.2)."""
        cdef uint32_t hash, line_hash, number
        cdef int way, index, whole
        cdef Py_ssize_t i
        if name_size > <Py_ssize_t>sizeof(_lower):
            return self._add_long(out, name, name_size, value, value_size,
                                  NEVER_INDEXED if never_indexed else WITHOUT_INDEXING)
        for i in range(name_size):
            _lower[i] = name[i] | 0x20 if c"A" <= name[i] <= c"Z" else name[i]
        hash = _hash(_lower, name_size, 0)
        way = NEVER_INDEXED if never_indexed else _way_of(_lower, name_size, hash, token, value_size)
        line_hash = 0
        if way == WITH_INDEXING:
            line_hash = _hash(value, value_size, hash)
            number = self._find_line(line_hash, name_size, value, value_size)
            if number:
                return _write_integer(out, INDEXED, 7, STATIC_FIELDS + self.table.next - number)
            if 2 * (name_size + value_size) > self.table.limit:
                way = WITHOUT_INDEXING          # it would push out too much
        index = _static_name(_lower, name_size, hash)
        if index == 0:
            index = self._find_name(hash, name_size)
        elif way != NEVER_INDEXED:
            whole = _static_field(index, value, value_size)
            if whole:
                return _write_integer(out, INDEXED, 7, whole)
        _write_integer(out, way, 6 if way == WITH_INDEXING else 4, index)
        if index == 0:
            _write_string(out, _lower, name_size)
        _write_string(out, value, value_size)
        if way == WITH_INDEXING:
            self._keep(hash, line_hash, name_size, value, value_size, token)
        return 0

    cdef int _add_long(self, Output out, const char* name, Py_ssize_t name_size, const char* value,
                       Py_ssize_t value_size, int way) except -1:
        """A field with a name that is too long to be worth a place in the table."""
        cdef bytes lower = name[:name_size].lower()
        _write_integer(out, way, 4, 0)
        _write_string(out, PyBytes_AS_STRING(lower), name_size)
        return _write_string(out, value, value_size)

    cdef uint32_t _find_line(self, uint32_t hash, Py_ssize_t name_size, const char* value,
                             Py_ssize_t value_size) noexcept:
        """The number of an insertion of the name in _lower with this value, or 0."""
        cdef uint32_t number = self.number_of(self.lines[hash & (CACHE_PLACES - 1)])
        if self._is_line(number, name_size, value, value_size):
            return number
        number = self.number_of(self.lines[_other_place(hash)])
        return number if self._is_line(number, name_size, value, value_size) else 0

    cdef bint _is_line(self, uint32_t number, Py_ssize_t name_size, const char* value,
                       Py_ssize_t value_size) noexcept:
        cdef Entry* entry
        if not self.table.has(number):
            return False
        entry = self.table.at(number)
        return (entry.name_size == name_size and entry.value_size == value_size
                and memcmp(self.table.bytes + entry.start, _lower, name_size) == 0
                and memcmp(self.table.bytes + entry.start + name_size, value, value_size) == 0)

    cdef int _find_name(self, uint32_t hash, Py_ssize_t name_size) noexcept:
        """The index of a field of the table with the name in _lower, or 0."""
        cdef uint32_t number = self.number_of(self.names[hash & (CACHE_PLACES - 1)])
        cdef Entry* entry
        if not self.table.has(number):
            return 0
        entry = self.table.at(number)
        if entry.name_size != name_size or memcmp(self.table.bytes + entry.start, _lower, name_size) != 0:
            return 0
        return <int>(STATIC_FIELDS + self.table.next - number)

    cdef int _keep(self, uint32_t hash, uint32_t line_hash, Py_ssize_t name_size, const char* value,
                   Py_ssize_t value_size, int token) except -1:
        """Insert the field with the name in _lower. It takes the place whose line is older; should that come
        again, it takes its other place, so that lines of one head soon have each their own."""
        cdef uint32_t number = self.table.next
        cdef unsigned char* place = &self.lines[line_hash & (CACHE_PLACES - 1)]
        cdef unsigned char* other = &self.lines[_other_place(line_hash)]
        if number - self.number_of(other[0]) > number - self.number_of(place[0]):
            place = other
        place[0] = <unsigned char>number
        self.names[hash & (CACHE_PLACES - 1)] = <unsigned char>number
        return self.table.insert(_lower, name_size, value, value_size, token)


cdef inline uint32_t _other_place(uint32_t hash) noexcept:
    return hash >> 16 & (CACHE_PLACES - 1)


# --- For tests and tools ------------------------------------------------------------------------

class Hpack:
    """Both directions of one connection, on plain values."""

    def __init__(self, table_bytes: int = TABLE_BYTES) -> None:
        self._decoder = HpackDecoder(table_bytes)
        self._encoder = HpackEncoder(table_bytes)
        self.room = 0

    def resize(self, table_bytes: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE."""
        (<HpackEncoder>self._encoder).resize(table_bytes)

    def encode(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        cdef Output out = Output()
        cdef HpackEncoder encoder = self._encoder
        cdef bytes name, value
        encoder.begin(out)
        for name, value in fields:
            encoder.add(out, name, len(name), value, len(value), token_of(name, len(name)), False)
        return out.take()

    def decode(self, bytes block not None, uint32_t most_bytes=65536, int most_fields=1000):
        """Outcome, and the fields. `room`: of the head that they were written to, in bytes."""
        cdef Head head = Head(REQUEST_HEAD)
        cdef HpackDecoder decoder = self._decoder
        cdef Field* field
        cdef int i
        outcome = decoder.decode(PyBytes_AS_STRING(block), PyBytes_GET_SIZE(block), head, most_bytes, most_fields)
        self.room = head.capacity
        fields = []
        for i in range(head.field_count):
            field = &head.fields[i]
            fields.append((head.bytes[field.name_start:field.name_start + field.name_size],
                           head.bytes[field.value_start:field.value_start + field.value_size]))
        return outcome, fields

    @property
    def table_size(self) -> int:
        return (<HpackDecoder>self._decoder).table.size
