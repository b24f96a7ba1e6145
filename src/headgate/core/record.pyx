"""Access records: one line for each exchange that ended, as JSON or by a template.

No byte that a peer sent can end a line, close a quote or make JSON invalid. Nothing here knows the
time or writes to a file: lines go into an Output, which observe/sinks.py gets in batches.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcpy
from libc.time cimport gmtime_r, strftime, time_t, tm

import re
from difflib import get_close_matches


cdef extern from "record.h" nogil:
    const char* hg_copy_plain(const char* start, const char* end, char** out)
    int hg_utf8_size(const char* start, const char* end)


# How a value is written.
cdef enum Kind:
    TEXT            # Span
    LINK            # Span; may have a query string
    PEER            # Span, with peer_port
    NUMBER          # int
    POSITIVE        # int; 0 is absent
    STATUS          # int; 0 is absent in JSON, 000 elsewhere
    COUNT           # uint64_t
    MILLISECONDS    # double, seconds; a negative one is absent
    TIME            # double, epoch seconds, as RFC 3339
    DATE            # double, epoch seconds, as the combined format has it
    PROTOCOL        # int: 10, 11, 20
    FLAG            # bint


# How a value is stored in Record.
cdef enum Storage:
    SPAN
    INT
    WORD
    DOUBLE


cdef Record _layout


cdef inline Py_ssize_t _at(const void* member) noexcept:
    return <const char*>member - <const char*>&_layout


# Members of Record: how they are stored, and where.
cdef dict _MEMBERS = {
    "started": (DOUBLE, _at(&_layout.started)),
    "client": (SPAN, _at(&_layout.client)),
    "user": (SPAN, _at(&_layout.user)),
    "peer": (SPAN, _at(&_layout.peer)),
    "peer_port": (INT, _at(&_layout.peer_port)),
    "listener": (SPAN, _at(&_layout.listener)),
    "method": (SPAN, _at(&_layout.method)),
    "target": (SPAN, _at(&_layout.target)),
    "host": (SPAN, _at(&_layout.host)),
    "path": (SPAN, _at(&_layout.path)),
    "version": (INT, _at(&_layout.version)),
    "user_agent": (SPAN, _at(&_layout.user_agent)),
    "referer": (SPAN, _at(&_layout.referer)),
    "request_id": (SPAN, _at(&_layout.request_id)),
    "route": (SPAN, _at(&_layout.route)),
    "service": (SPAN, _at(&_layout.service)),
    "variant": (SPAN, _at(&_layout.variant)),
    "endpoint": (SPAN, _at(&_layout.endpoint)),
    "reason": (SPAN, _at(&_layout.reason)),
    "ended_by": (SPAN, _at(&_layout.ended_by)),
    "detail": (SPAN, _at(&_layout.detail)),
    "status": (INT, _at(&_layout.status)),
    "upstream_status": (INT, _at(&_layout.upstream_status)),
    "attempts": (INT, _at(&_layout.attempts)),
    "retried": (SPAN, _at(&_layout.retried)),
    "not_retried": (SPAN, _at(&_layout.not_retried)),
    "hedge": (SPAN, _at(&_layout.hedge)),
    "bytes_in": (WORD, _at(&_layout.bytes_in)),
    "bytes_out": (WORD, _at(&_layout.bytes_out)),
    "head_bytes_in": (WORD, _at(&_layout.head_bytes_in)),
    "head_bytes_out": (WORD, _at(&_layout.head_bytes_out)),
    "duration": (DOUBLE, _at(&_layout.duration)),
    "wait_seconds": (DOUBLE, _at(&_layout.wait_seconds)),
    "connect_seconds": (DOUBLE, _at(&_layout.connect_seconds)),
    "first_byte_seconds": (DOUBLE, _at(&_layout.first_byte_seconds)),
    "request_seconds": (DOUBLE, _at(&_layout.request_seconds)),
    "secure": (INT, _at(&_layout.secure)),
    "tls_version": (SPAN, _at(&_layout.tls_version)),
    "tls_cipher": (SPAN, _at(&_layout.tls_cipher)),
    "sni": (SPAN, _at(&_layout.sni)),
    "alpn": (SPAN, _at(&_layout.alpn)),
    "ja3": (SPAN, _at(&_layout.ja3)),
    "ja4": (SPAN, _at(&_layout.ja4)),
    "grpc_status": (INT, _at(&_layout.grpc_status)),
    "websocket_close": (INT, _at(&_layout.websocket_close)),
    "websocket_closed_by": (SPAN, _at(&_layout.websocket_closed_by)),
}

# Members whose 0 says something.
cdef set _UNKNOWN = {"grpc_status", "websocket_close"}

# What a template can name: how it is written, and from which member of Record.
cdef dict _VALUES = {
    "time": (TIME, "started"),
    "date": (DATE, "started"),
    "client": (TEXT, "client"),
    "user": (TEXT, "user"),
    "peer": (PEER, "peer"),
    "listener": (TEXT, "listener"),
    "secure": (FLAG, "secure"),
    "tls_version": (TEXT, "tls_version"),
    "tls_cipher": (TEXT, "tls_cipher"),
    "sni": (TEXT, "sni"),
    "alpn": (TEXT, "alpn"),
    "ja3": (TEXT, "ja3"),
    "ja4": (TEXT, "ja4"),
    "method": (TEXT, "method"),
    "host": (TEXT, "host"),
    "target": (LINK, "target"),
    "path": (TEXT, "path"),
    "protocol": (PROTOCOL, "version"),
    "status": (STATUS, "status"),
    "upstream_status": (POSITIVE, "upstream_status"),
    "grpc_status": (NUMBER, "grpc_status"),
    "websocket_close": (POSITIVE, "websocket_close"),
    "websocket_closed_by": (TEXT, "websocket_closed_by"),
    "route": (TEXT, "route"),
    "service": (TEXT, "service"),
    "variant": (TEXT, "variant"),
    "endpoint": (TEXT, "endpoint"),
    "attempts": (NUMBER, "attempts"),
    "retried": (TEXT, "retried"),
    "not_retried": (TEXT, "not_retried"),
    "hedge": (TEXT, "hedge"),
    "bytes_in": (COUNT, "bytes_in"),
    "bytes_out": (COUNT, "bytes_out"),
    "head_bytes_in": (COUNT, "head_bytes_in"),
    "head_bytes_out": (COUNT, "head_bytes_out"),
    "duration_ms": (MILLISECONDS, "duration"),
    "wait_ms": (MILLISECONDS, "wait_seconds"),
    "connect_ms": (MILLISECONDS, "connect_seconds"),
    "first_byte_ms": (MILLISECONDS, "first_byte_seconds"),
    "request_ms": (MILLISECONDS, "request_seconds"),
    "ended_by": (TEXT, "ended_by"),
    "reason": (TEXT, "reason"),
    "detail": (TEXT, "detail"),
    "request_id": (TEXT, "request_id"),
    "user_agent": (TEXT, "user_agent"),
    "referer": (LINK, "referer"),
}

TEMPLATE_NAMES = tuple(_VALUES)
FINGERPRINTS = ("ja3", "ja4")
JSON_KEYS = tuple(
    name for name in _VALUES if name not in {"date", "head_bytes_in", "head_bytes_out", *FINGERPRINTS}
)

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")

COMBINED = '{client} - {user} [{date}] "{method} {target} {protocol}" {status} {bytes_out} "{referer}" "{user_agent}"'

cdef enum:
    SHORT = 32              # a prefix up to this size is copied as one run of fixed size
    NUMBER_ROOM = 40        # the longest value that is not a text: a date
    END_OF_TIME = 253402300800      # the year 10000

cdef const char* _MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
cdef const char* _DIGITS = b"0123456789ABCDEF"


cdef class RecordFormat:
    """How an access record becomes a line. `query=False` leaves query strings out: they may hold secrets."""

    def __cinit__(self):
        self.query = True
        self.second = -1
        self.parts = NULL

    def __dealloc__(self):
        free(self.parts)

    cdef int write(self, const Record* record, Output output) except -1:
        """Append the line for one record to `output`."""
        raise NotImplementedError

    cdef object compile(self, list values, str tail):
        """Take over what the line is made of: pairs of a prefix and the name of a value."""
        cdef int number
        cdef Py_ssize_t start = 0
        cdef const char* prefixes
        texts = [prefix.encode() for prefix, _ in values]
        self.parts = <Part*>calloc(max(len(values), 1), sizeof(Part))
        if self.parts == NULL:
            raise MemoryError()
        self.part_count = len(values)
        self.prefixes = b"".join(texts) + bytes(SHORT)
        self.tail = tail.encode() + b"\n"
        self.fixed = len(self.prefixes) + len(self.tail) + NUMBER_ROOM * self.part_count + 2 * SHORT
        prefixes = self.prefixes
        self.fingerprints = any(name in FINGERPRINTS for _, name in values)
        for number, (_, name) in enumerate(values):
            kind, member = _VALUES[name]
            self.parts[number].kind = kind
            self.parts[number].offset = _MEMBERS[member][1]
            self.parts[number].prefix = prefixes + start
            self.parts[number].prefix_size = len(texts[number])
            start += len(texts[number])

    cdef Py_ssize_t room(self, const Record* record) noexcept:
        """Bytes that the line can take at most: each byte of a text may become six."""
        cdef Py_ssize_t room = self.fixed
        cdef const Span* text
        cdef int number
        for number in range(self.part_count):
            if self.parts[number].kind <= PEER:
                text = <const Span*>(<const char*>record + self.parts[number].offset)
                if text.data != NULL:
                    room += 6 * text.size
        return room

    cdef void set_second(self, int64_t second) noexcept:
        cdef time_t when = second
        cdef tm parts
        gmtime_r(&when, &parts)
        strftime(self.stamp, sizeof(self.stamp), b"%Y-%m-%dT%H:%M:%S", &parts)
        strftime(self.date, sizeof(self.date), b"%d/mmm/%Y:%H:%M:%S +0000", &parts)
        # Not %b: that would be a word of the locale.
        memcpy(self.date + 3, _MONTHS + 3 * parts.tm_mon, 3)
        self.second = second

    cdef char* write_time(self, double seconds, char* out, bint date) noexcept:
        cdef double clamped = seconds if 0.0 <= seconds < END_OF_TIME else 0.0
        cdef int64_t second = <int64_t>clamped
        # A time that was written as .123 may be stored as .12299998.
        cdef int milliseconds = min(<int>((clamped - second) * 1000 + 0.02), 999)
        if second != self.second:
            self.set_second(second)
        if date:
            memcpy(out, self.date, 26)
            return out + 26
        memcpy(out, self.stamp, 19)
        out[19] = b"."
        _write_padded(milliseconds, out + 20)
        out[23] = b"Z"
        return out + 24

    cdef char* write_value(self, Part* part, const Record* record, char* out, bint json) noexcept:
        """Write one value; returns where it ends, or NULL when it is absent."""
        cdef const void* value = <const char*>record + part.offset
        cdef int kind = part.kind
        if kind <= PEER:
            return self.write_text(kind, <const Span*>value, record.peer_port, out, json)
        if kind == COUNT:
            return _write_number((<const uint64_t*>value)[0], out)
        if kind == MILLISECONDS:
            return _write_milliseconds((<const double*>value)[0], out)
        if kind == TIME or kind == DATE:
            if not json:
                return self.write_time((<const double*>value)[0], out, kind == DATE)
            out[0] = b'"'
            out = self.write_time((<const double*>value)[0], out + 1, kind == DATE)
            out[0] = b'"'
            return out + 1
        return _write_int(kind, (<const int*>value)[0], out, json)

    cdef char* write_text(self, int kind, const Span* text, int port, char* out, bint json) noexcept:
        cdef const char* end
        cdef const char* mark
        cdef bint bracket
        if text.data == NULL or (text.size == 0 and not json):
            return NULL
        end = text.data + text.size
        if kind == LINK and not self.query:
            mark = <const char*>memchr(text.data, b"?", text.size)
            if mark != NULL:
                end = mark
        if json:
            out[0] = b'"'
            out += 1
        bracket = kind == PEER and port > 0 and memchr(text.data, b":", text.size) != NULL
        if bracket:
            out[0] = b"["
            out += 1
        out = _write_escaped(text.data, end, out, json)
        if bracket:
            out[0] = b"]"
            out += 1
        if kind == PEER and port > 0:
            out[0] = b":"
            out = _write_number(port, out + 1)
        if json:
            out[0] = b'"'
            out += 1
        return out


cdef class JsonFormat(RecordFormat):
    """One JSON object (RFC 8259) a line; what is absent is left out.

    UTF-8 is kept; bytes that are none become the character of the same number, as in Latin-1.
    """

    def __init__(self, *, query: bool = True, fingerprints: bool = False) -> None:
        self.query = query
        names = (*JSON_KEYS, *FINGERPRINTS) if fingerprints else JSON_KEYS
        self.compile([("," * bool(i) + f'"{name}":', name) for i, name in enumerate(names)], "}")

    cdef int write(self, const Record* record, Output output) except -1:
        cdef char* start = output.reserve(self.room(record))
        cdef char* out = start + 1
        cdef char* end
        cdef Part* part = self.parts
        cdef Part* last = part + self.part_count
        start[0] = b"{"
        while part < last:
            # A prefix without a value is written over by the next one.
            end = self.write_value(part, record, _copy_short(part, out), True)
            if end != NULL:
                out = end
            part += 1
        out[0] = b"}"
        out[1] = b"\n"
        output.commit(out + 2 - start)
        return 0


cdef class TemplateFormat(RecordFormat):
    """A line with the values of a template's {names}; "{{" and "}}" are braces, "-" is an absent value.

    Bytes that are not printable ASCII, quotes and backslashes become \\xHH, as nginx does it. Raises
    ValueError for a template that cannot be read.
    """

    def __init__(self, template: str, *, query: bool = True) -> None:
        self.query = query
        self.template = template
        values, tail = _parse(template)
        self.compile(values, tail)

    cdef int write(self, const Record* record, Output output) except -1:
        cdef char* start = output.reserve(self.room(record))
        cdef char* out = start
        cdef char* end
        cdef Part* part = self.parts
        cdef Part* last = part + self.part_count
        while part < last:
            out = _copy_short(part, out)
            end = self.write_value(part, record, out, False)
            if end == NULL:
                out[0] = b"-"
                end = out + 1
            out = end
            part += 1
        memcpy(out, <const char*>self.tail, len(self.tail))
        output.commit(out + len(self.tail) - start)
        return 0


cdef class CombinedFormat(TemplateFormat):
    """The combined format of Apache and nginx, in UTC."""

    def __init__(self, *, query: bool = True) -> None:
        TemplateFormat.__init__(self, COMBINED, query=query)


def record_format(
    kind: str, template: str = "", *, query: bool = True, fingerprints: bool = False
) -> RecordFormat:
    """The format of this name: json, combined or template. Raises ValueError when there is none."""
    if kind == "json":
        return JsonFormat(query=query, fingerprints=fingerprints)
    if kind == "combined":
        return CombinedFormat(query=query)
    if kind == "template":
        return TemplateFormat(template, query=query)
    raise ValueError(f"no access-log format {kind!r}: use json, combined or template")


def format_record(RecordFormat kind, **fields) -> bytes:
    """The line for one record, whose fields are the members of Record; for tests and examples.

    Texts are str or bytes; what is not given is absent. Raises TypeError for an unknown field.
    """
    cdef Record record
    cdef Output output = Output()
    cdef char* member
    cdef bytes text
    kept = []
    for name, (storage, offset) in _MEMBERS.items():
        member = <char*>&record + <Py_ssize_t>offset
        value = fields.pop(name, None)
        if storage == SPAN:
            text = None if value is None else value.encode() if isinstance(value, str) else value
            kept.append(text)
            (<Span*>member).data = NULL
            (<Span*>member).size = 0
            if text is not None:
                (<Span*>member).data = text
                (<Span*>member).size = len(text)
        elif storage == INT:
            (<int*>member)[0] = value if value is not None else -1 if name in _UNKNOWN else 0
        elif storage == WORD:
            (<uint64_t*>member)[0] = value or 0
        else:
            (<double*>member)[0] = -1.0 if value is None else value
    if fields:
        raise TypeError(f"a record has no {', '.join(fields)}")
    kind.write(&record, output)
    return output.take()


def _parse(template: str) -> tuple[list[tuple[str, str]], str]:
    """A template as pairs of a text and the name of the value behind it, and the text at the end."""
    values = []
    text = ""
    start = 0
    if not template.isprintable():
        raise ValueError("a template is one line of text: it has a character that cannot be printed")
    for token in _TOKEN.finditer(template):
        text += template[start : token.start()]
        start = token.end()
        if token[0] in {"{{", "}}"}:
            text += token[0][0]
        elif token["name"] is None:
            raise ValueError(f"the {token[0]} at character {token.start() + 1} has no partner: "
                             f"write {2 * token[0]} for a {token[0]} itself")
        else:
            values.append((text, _known(token["name"])))
            text = ""
    return values, text + template[start:]


def _known(name: str) -> str:
    if name in _VALUES:
        return name
    near = get_close_matches(name, TEMPLATE_NAMES, 1, 0.5)
    meant = f"; did you mean {{{near[0]}}}?" if near else "."
    raise ValueError(f"no value is called {{{name}}}{meant} There are: {', '.join(TEMPLATE_NAMES)}")


cdef inline char* _copy_short(const Part* part, char* out) noexcept:
    """Copy a prefix; most are short, and a copy of a fixed size is a few instructions."""
    if part.prefix_size <= SHORT:
        memcpy(out, part.prefix, SHORT)
    else:
        memcpy(out, part.prefix, part.prefix_size)
    return out + part.prefix_size


cdef char* _write_escaped(const char* text, const char* end, char* out, bint json) noexcept:
    cdef int size
    while True:
        text = hg_copy_plain(text, end, &out)
        if text == end:
            return out
        size = hg_utf8_size(text, end) if json and <uint8_t>text[0] >= 0x80 else 0
        # U+0080 to U+009F are control characters too.
        if size > 2 or (size == 2 and (<uint8_t>text[0] > 0xc2 or <uint8_t>text[1] > 0x9f)):
            memcpy(out, text, size)
            out += size
            text += size
        elif size == 2:
            out = _write_hex(<uint8_t>text[1], out, json)
            text += 2
        else:
            out = _write_hex(<uint8_t>text[0], out, json)
            text += 1


cdef inline char* _write_hex(uint8_t byte, char* out, bint json) noexcept:
    """The character of this number as an escape: \\u00HH in JSON, \\xHH elsewhere."""
    out[0] = b"\\"
    if json and (byte == c'"' or byte == c"\\"):
        out[1] = byte
        return out + 2
    if json:
        memcpy(out + 1, b"u00", 3)
        out += 2
    else:
        out[1] = b"x"
    out[2] = _DIGITS[byte >> 4]
    out[3] = _DIGITS[byte & 15]
    return out + 4


cdef char* _write_number(uint64_t value, char* out) noexcept:
    cdef char digits[20]
    cdef int start = 20
    while True:
        start -= 1
        digits[start] = 48 + <char>(value % 10)
        value //= 10
        if value == 0:
            break
    memcpy(out, digits + start, 20 - start)
    return out + 20 - start


cdef inline void _write_padded(int value, char* out) noexcept:
    """Three digits."""
    out[0] = 48 + value // 100
    out[1] = 48 + value // 10 % 10
    out[2] = 48 + value % 10


cdef char* _write_milliseconds(double seconds, char* out) noexcept:
    """Milliseconds to the microsecond; NULL when the phase did not happen."""
    cdef uint64_t microseconds
    if not 0.0 <= seconds < 1e12:
        return NULL
    microseconds = <uint64_t>(seconds * 1e6 + 0.5)
    out = _write_number(microseconds // 1000, out)
    out[0] = b"."
    _write_padded(microseconds % 1000, out + 1)
    return out + 4


cdef char* _write_int(int kind, int value, char* out, bint json) noexcept:
    if kind == FLAG:
        memcpy(out, b"true " if value else b"false", 5)
        return out + (4 if value else 5)
    if kind == PROTOCOL:
        return _write_protocol(value, out, json)
    if kind == STATUS and not json and 0 <= value <= 999:
        _write_padded(value, out)
        return out + 3
    if value < 0 or (value == 0 and kind != NUMBER):
        return NULL
    return _write_number(value, out)


cdef char* _write_protocol(int version, char* out, bint json) noexcept:
    if not 0 < version <= 99:
        return NULL
    if json:
        out[0] = b'"'
        out += 1
    memcpy(out, b"HTTP/", 5)
    out[5] = 48 + version // 10
    out[6] = b"."
    out[7] = 48 + version % 10
    out[8] = b'"'
    return out + 9 if json else out + 8
