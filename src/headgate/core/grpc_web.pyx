"""gRPC-Web, which browsers speak, to gRPC and back (grpc/doc/PROTOCOL-WEB.md).

Messages are the same in both. What differs: trailers are a last message whose flag has the highest bit;
content types have another name; and the text form is base64, padded wherever its sender likes, so that
a group that ends with "=" may be followed by others.

Bodies go through as they come, with at most a group of base64 held back. A message of the text form ends
with padding, so that a client sees it whole without the one that follows.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from headgate.core.head cimport DROPPED, HOP_BY_HOP, Field


cdef extern from "scan.h" nogil:
    bint hg_equal_lower(const char* name, const char* lower, size_t size)


cdef enum:
    GRPC_SIZE = 16          # of "application/grpc"
    BINARY_SIZE = 20        # of "application/grpc-web"
    TEXT_SIZE = 25          # of "application/grpc-web-text"
    TRAILERS_FLAG = 0x80
    PAD = 64                # in VALUES: "="
    NONE = 255              # in VALUES: no character of base64


# RFC 4648 section 4.
cdef const uint8_t* ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef uint8_t VALUES[256]


cdef void fill_table() noexcept:
    cdef int i
    for i in range(256):
        VALUES[i] = NONE
    for i in range(64):
        VALUES[ALPHABET[i]] = i
    VALUES[c"="] = PAD


fill_table()


# --- Content types ---

cdef inline bint _ends(const char* text, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Whether the name of a content type ends here, but for a suffix such as +proto."""
    return size == at or text[at] in (c"+", c";", c" ", c"\t")


cdef int web_kind(const char* content_type, Py_ssize_t size) noexcept nogil:
    """Which gRPC-Web a content type names, if any."""
    if size < BINARY_SIZE or not hg_equal_lower(content_type, b"application/grpc-web", BINARY_SIZE):
        return NOT_WEB
    if _ends(content_type, size, BINARY_SIZE):
        return WEB_BINARY
    if (size >= TEXT_SIZE and hg_equal_lower(content_type + BINARY_SIZE, b"-text", TEXT_SIZE - BINARY_SIZE)
            and _ends(content_type, size, TEXT_SIZE)):
        return WEB_TEXT
    return NOT_WEB


cpdef int answer_kind(int request_kind, bytes accept):
    """The form of an answer: the one that Accept names, else that of the request."""
    cdef set kinds = {web_kind(PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
                      for part in [part.strip() for part in accept.split(b",")]}
    kinds.discard(NOT_WEB)
    return request_kind if request_kind in kinds or not kinds else kinds.pop()


cpdef bytes grpc_type(bytes content_type):
    """The content type of the gRPC request for a gRPC-Web one; b"" when it is none."""
    cdef int kind = web_kind(PyBytes_AS_STRING(content_type), PyBytes_GET_SIZE(content_type))
    if kind == NOT_WEB:
        return b""
    return b"application/grpc" + content_type[(TEXT_SIZE if kind == WEB_TEXT else BINARY_SIZE):]


cpdef bytes web_type(bytes content_type, int kind):
    """The content type of the gRPC-Web response for a gRPC one; b"" when it is none."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(content_type)
    cdef const char* text = PyBytes_AS_STRING(content_type)
    if (size < GRPC_SIZE or not hg_equal_lower(text, b"application/grpc", GRPC_SIZE)
            or not _ends(text, size, GRPC_SIZE)):
        return b""
    name = b"application/grpc-web-text" if kind == WEB_TEXT else b"application/grpc-web"
    return name + content_type[GRPC_SIZE:]


# --- Requests ---

cdef class WebRequest:
    """Takes the body of a gRPC-Web request, gives that of the gRPC request. Broken base64 ends it."""

    def __init__(self, int kind):
        self.kind = kind

    cdef bytes take(self, const char* data, Py_ssize_t size):
        """The bytes that these stand for. A binary body needs no change and need not come here."""
        cdef bytes result
        cdef uint8_t* start
        cdef uint8_t* out
        cdef Py_ssize_t i = 0
        if self.kind != WEB_TEXT:
            return PyBytes_FromStringAndSize(data, size)
        result = PyBytes_FromStringAndSize(NULL, (size + 3) // 4 * 3 + 3)
        start = out = <uint8_t*>PyBytes_AS_STRING(result)
        while i < size and not self.broken:
            if self.count == 0 and size - i >= 4 and self._take_group(<const uint8_t*>data + i, out):
                i += 4
                out += 3
                continue
            if self._take_one(<uint8_t>data[i]) == 4:
                out += self._end_group(out)
            i += 1
        return result[:out - start]

    cdef bint finish(self) noexcept:
        """Whether the body may end here."""
        self.broken |= self.count != 0
        return not self.broken

    cdef int _take_one(self, uint8_t byte) noexcept:
        """One character; returns how many the group has."""
        cdef uint8_t value = VALUES[byte]
        if value == PAD:
            self.padding += 1
            value = 0
            self.broken = self.count < 2
        elif value == NONE or self.padding:
            self.broken = True
        self.bits = self.bits << 6 | value
        self.count += 1
        return 0 if self.broken else self.count

    cdef Py_ssize_t _end_group(self, uint8_t* out) noexcept:
        """Write the bytes of a group. Bits that belong to no byte are zero (RFC 4648 section 3.5)."""
        cdef uint32_t bits = self.bits
        cdef Py_ssize_t size = 3 - self.padding
        if (self.padding == 1 and bits & 0xFF) or (self.padding == 2 and bits & 0xFFFF):
            self.broken = True
            return 0
        out[0] = <uint8_t>(bits >> 16)
        out[1] = <uint8_t>(bits >> 8)
        out[2] = <uint8_t>bits
        self.bits = 0
        self.count = 0
        self.padding = 0
        return size

    cdef inline bint _take_group(self, const uint8_t* at, uint8_t* out) noexcept:
        """A whole group without padding; False when it is none."""
        cdef uint32_t a = VALUES[at[0]]
        cdef uint32_t b = VALUES[at[1]]
        cdef uint32_t c = VALUES[at[2]]
        cdef uint32_t d = VALUES[at[3]]
        if (a | b | c | d) >= PAD:
            return False
        out[0] = <uint8_t>(a << 2 | b >> 4)
        out[1] = <uint8_t>(b << 4 | c >> 2)
        out[2] = <uint8_t>(c << 6 | d)
        return True

    def translate(self, bytes data not None) -> bytes:
        """Take bytes; for tests."""
        return self.take(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def end(self) -> bool:
        """Whether the body may end here; for tests."""
        return self.finish()


# --- Responses ---

cdef class WebResponse:
    """Takes the body of a gRPC response and its trailers, gives the body of the gRPC-Web response."""

    def __init__(self, int kind):
        self.kind = kind

    cdef bytes take(self, const char* data, Py_ssize_t size):
        """The bytes to send for these. A binary body needs no change and need not come here."""
        cdef const uint8_t* at = <const uint8_t*>data
        cdef const uint8_t* end = at + size
        cdef bytes result
        cdef uint8_t* start
        cdef uint8_t* out
        cdef Py_ssize_t part
        if self.kind != WEB_TEXT:
            return PyBytes_FromStringAndSize(data, size)
        # A message has five bytes at least, and its padding makes at most one group more of it.
        result = PyBytes_FromStringAndSize(NULL, (size // 3 + size // 5 + 3) * 4)
        start = out = <uint8_t*>PyBytes_AS_STRING(result)
        while at < end:
            part = self._step(at, end - at)
            out = self._write(out, at, part)
            at += part
            if self.prefix_size == 5 and self.left == 0:
                self.prefix_size = 0
                out = self._flush(out)
        return result[:out - start]

    cdef bytes finish(self, Head trailers):
        """The end of the body: the trailers as a message."""
        cdef list fields = []
        cdef Field* field
        cdef int i
        for i in range(trailers.field_count):
            field = &trailers.fields[i]
            if not field.flags & (DROPPED | HOP_BY_HOP):
                fields.append((trailers.bytes[field.name_start:field.name_start + field.name_size],
                               trailers.bytes[field.value_start:field.value_start + field.value_size]))
        return self.finish_with(fields)

    cdef bytes finish_with(self, list fields):
        """The same with trailers as pairs; for answers of our own."""
        cdef bytes block = b"".join([name.lower() + b": " + value + b"\r\n" for name, value in fields])
        cdef bytes message = bytes([TRAILERS_FLAG]) + len(block).to_bytes(4, "big") + block
        cdef uint8_t rest[4]
        cdef Py_ssize_t size
        if self.kind != WEB_TEXT:
            return message
        # What is left of a message that was cut short stays in front, in a group of its own.
        size = self._flush(rest) - rest
        self.prefix_size = 0
        self.left = 0
        return rest[:size] + self.take(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))

    cdef Py_ssize_t _step(self, const uint8_t* data, Py_ssize_t size) noexcept:
        """Go on to the end of the prefix, or of the message, or of the data. Returns the bytes passed."""
        cdef Py_ssize_t part
        if self.prefix_size == 5:
            part = size if <uint32_t>min(size, <Py_ssize_t>0xFFFFFFFF) < self.left else <Py_ssize_t>self.left
            self.left -= <uint32_t>part
            return part
        part = min(size, 5 - self.prefix_size)
        memcpy(self.prefix + self.prefix_size, data, part)
        self.prefix_size += <int>part
        if self.prefix_size == 5:
            self.left = (<uint32_t>self.prefix[1] << 24 | <uint32_t>self.prefix[2] << 16
                         | <uint32_t>self.prefix[3] << 8 | self.prefix[4])
        return part

    cdef uint8_t* _write(self, uint8_t* out, const uint8_t* data, Py_ssize_t size) noexcept:
        """Write whole groups of what is held and the data, and hold the rest."""
        while size > 0 and self.held_size > 0:
            self.held[self.held_size] = data[0]
            self.held_size += 1
            data += 1
            size -= 1
            if self.held_size == 3:
                _group(out, self.held)
                out += 4
                self.held_size = 0
        while size >= 3:
            _group(out, data)
            out += 4
            data += 3
            size -= 3
        while size > 0:
            self.held[self.held_size] = data[0]
            self.held_size += 1
            data += 1
            size -= 1
        return out

    cdef uint8_t* _flush(self, uint8_t* out) noexcept:
        """Write what is held, with padding."""
        cdef int size = self.held_size
        if size == 0:
            return out
        while self.held_size < 3:
            self.held[self.held_size] = 0
            self.held_size += 1
        _group(out, self.held)
        out[3] = c"="
        if size == 1:
            out[2] = c"="
        self.held_size = 0
        return out + 4

    def translate(self, bytes data not None) -> bytes:
        """Take bytes; for tests."""
        return self.take(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def end(self, fields) -> bytes:
        """The end of the body, with trailers as a head or as pairs; for tests."""
        return self.finish(fields) if isinstance(fields, Head) else self.finish_with(list(fields))


cdef inline void _group(uint8_t* out, const uint8_t* data) noexcept:
    out[0] = ALPHABET[data[0] >> 2]
    out[1] = ALPHABET[(data[0] << 4 | data[1] >> 4) & 0x3F]
    out[2] = ALPHABET[(data[1] << 2 | data[2] >> 6) & 0x3F]
    out[3] = ALPHABET[data[2] & 0x3F]


def web_kind_of(bytes content_type not None) -> int:
    """Which gRPC-Web a content type names; for tests."""
    return web_kind(PyBytes_AS_STRING(content_type), PyBytes_GET_SIZE(content_type))
