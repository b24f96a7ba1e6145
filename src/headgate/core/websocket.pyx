"""A look at WebSocket frames in a tunnel (RFC 6455 section 5), for the access record.

Nothing is changed, kept or refused: payloads are passed over, whatever extensions made of them, and a
peer that breaks the protocol is the business of the other peer. From the first byte that fits no frame
on, nothing more is looked at.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


# Opcodes (section 5.2).
cdef enum:
    CONTINUATION = 0
    BINARY = 2
    CONTROL = 8             # this bit is set in those of control frames
    CLOSE = 8
    PING = 9
    PONG = 10

cdef enum:
    NO_CODE = 1005          # what a close frame without a code means (section 7.1.5)


cdef class FrameScanner:
    """Counts what one side sends and finds its close code. Takes any bytes in any pieces."""

    def __cinit__(self):
        self.close_code = -1

    cdef void feed(self, const uint8_t* data, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t part
        while size > 0 and not self.broken and self.close_code < 0:
            if not self.in_payload:
                part = self._take_header(data, size)
            else:
                part = size if <uint64_t>size < self.left else <Py_ssize_t>self.left
                if self.header[0] & 0x0F == CLOSE:
                    self._take_code(data, part)
                self.left -= part
            if self.in_payload and self.left == 0:
                self._end()
            data += part
            size -= part

    cdef Py_ssize_t _take_header(self, const uint8_t* data, Py_ssize_t size) noexcept nogil:
        """Collect the bytes of a frame's header; its second one tells how many there are."""
        cdef int wanted = 2
        cdef Py_ssize_t taken = 0
        while taken < size:
            self.header[self.header_size] = data[taken]
            self.header_size += 1
            taken += 1
            if self.header_size >= 2:
                wanted = 6 if self.header[1] & 0x80 else 2
                if self.header[1] & 0x7F == 127:
                    wanted += 8
                elif self.header[1] & 0x7F == 126:
                    wanted += 2
                if self.header_size == wanted:
                    self._begin(wanted)
                    break
        return taken

    cdef void _begin(self, int size) noexcept nogil:
        """A frame whose header is complete."""
        cdef int opcode = self.header[0] & 0x0F
        cdef int at = 2
        self.left = self.header[1] & 0x7F
        if self.left >= 126:
            self.left = 0
            while at < size - (4 if self.header[1] & 0x80 else 0):
                self.left = self.left << 8 | self.header[at]
                at += 1
        for at in range(4):
            self.mask[at] = self.header[size - 4 + at] if self.header[1] & 0x80 else 0
        self.header_size = 0
        self.in_payload = True
        self.code_bytes = 0
        if self.left >> 63:
            self.broken = True
        elif opcode & CONTROL:
            # Section 5.5: control frames are short and in one piece; a close code has two bytes.
            self.broken = (self.left > 125 or not self.header[0] & 0x80
                           or (opcode == CLOSE and self.left == 1))
        else:
            self._begin_message(opcode)

    cdef void _begin_message(self, int opcode) noexcept nogil:
        """Section 5.4: fragments of two messages are not mixed. Reserved opcodes are an extension's."""
        if opcode <= BINARY and self.in_message != (opcode == CONTINUATION):
            self.broken = True
        elif opcode <= BINARY:
            self.in_message = not self.header[0] & 0x80

    cdef void _take_code(self, const uint8_t* data, Py_ssize_t size) noexcept nogil:
        """The first two bytes of a close frame's payload, unmasked, in the place of the header."""
        cdef Py_ssize_t i
        for i in range(size):
            if self.code_bytes == 2:
                break
            self.header[2 + self.code_bytes] = data[i] ^ self.mask[self.code_bytes]
            self.code_bytes += 1

    cdef void _end(self) noexcept nogil:
        """A frame whose payload is complete."""
        cdef int opcode = self.header[0] & 0x0F
        self.in_payload = False
        if self.broken:
            return
        if opcode <= BINARY:
            self.messages += self.header[0] >> 7
        elif opcode == PING:
            self.pings += 1
        elif opcode == PONG:
            self.pongs += 1
        elif opcode == CLOSE:
            self.close_code = self.header[2] << 8 | self.header[3] if self.code_bytes else NO_CODE

    def scan(self, bytes data not None) -> None:
        """Take bytes; for tests."""
        self.feed(<const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def describe(self) -> tuple:
        return (self.messages, self.pings, self.pongs, self.close_code, self.broken)


cdef class WebSocketWatch:
    """Both directions of one WebSocket, and who closed it."""

    def __cinit__(self):
        self.client = FrameScanner()
        self.server = FrameScanner()

    cdef void see(self, bint from_client, const char* data, Py_ssize_t size) noexcept:
        """Bytes that pass, in the order in which they come."""
        cdef FrameScanner scanner = self.client if from_client else self.server
        scanner.feed(<const uint8_t*>data, size)
        if self.closed_by == NOBODY and scanner.close_code >= 0:
            self.closed_by = CLIENT if from_client else SERVER

    @property
    def close_code(self) -> int:
        """The code of the first close frame, or -1."""
        if self.closed_by == NOBODY:
            return -1
        return self.client.close_code if self.closed_by == CLIENT else self.server.close_code

    def watch(self, bint from_client, bytes data not None) -> None:
        """Take bytes; for tests."""
        self.see(from_client, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
