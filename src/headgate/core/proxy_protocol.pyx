"""The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt (2020/03/05) has it.

A proxy in front of us says in it, before the first byte of the client, where the connection came from.
The reader is asked with everything that came so far, until it knows: nothing is kept between two
questions, so the pieces in which the bytes came make no difference. It looks at a bounded number of
bytes and never repairs: whoever may send the header at all is believed, so it has to be exact.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy, memset


cdef extern from "arpa/inet.h" nogil:
    enum:
        AF_INET
        AF_INET6
        INET6_ADDRSTRLEN
    int inet_pton(int family, const char* text, void* ip)
    const char* inet_ntop(int family, const void* ip, char* text, unsigned int size)


cdef enum:
    LOCAL = 0x20
    PROXY = 0x21
    UNIX_PATH = 108

# Types of the facts behind the addresses (section 2.2), and of those inside TLS.
cdef enum:
    ALPN = 0x01
    AUTHORITY = 0x02
    CRC32C = 0x03
    NOOP = 0x04
    UNIQUE_ID = 0x05
    TLS = 0x20
    TLS_VERSION = 0x21
    TLS_COMMON_NAME = 0x22
    TLS_CIPHER = 0x23
    TLS_SIGNATURE = 0x24
    TLS_KEY = 0x25

cdef enum:
    UNIQUE_ID_LIMIT = 128
    FACT_LIMIT = 512        # of those that we write: a longer one is left out, so that all fit the reader


cdef const char* V1 = b"PROXY "
cdef const char* V2 = b"\r\n\r\n\0\r\nQUIT\n"
cdef const uint8_t* MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"

# Castagnoli's polynomial, reflected (RFC 3720 section 12.1).
cdef uint32_t CRC_TABLE[256]


cdef void fill_table() noexcept:
    cdef uint32_t crc
    cdef int byte, bit
    for byte in range(256):
        crc = byte
        for bit in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        CRC_TABLE[byte] = crc


fill_table()


cdef uint32_t crc32c(uint32_t crc, const uint8_t* data, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    crc = ~crc
    for i in range(size):
        crc = CRC_TABLE[(crc ^ data[i]) & 0xFF] ^ (crc >> 8)
    return ~crc


cdef inline int number_16(const uint8_t* at) noexcept nogil:
    return at[0] << 8 | at[1]


cdef inline uint32_t number_32(const uint8_t* at) noexcept nogil:
    return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3]


cdef class Side:
    """One end of a connection: an IP address and port, the path of a unix socket, or nothing."""

    def __cinit__(self):
        self.text = b""
        self.path = b""

    cdef int read_ip(self, const uint8_t* ip, int size, int port) except -1:
        """Take an address of 4 or 16 bytes."""
        cdef char text[INET6_ADDRSTRLEN]
        if size == 4:
            memcpy(self.address, MAPPED, 12)
            memcpy(self.address + 12, ip, 4)
        else:
            memcpy(self.address, ip, 16)
        if memcmp(self.address, MAPPED, 12) == 0:
            inet_ntop(AF_INET, self.address + 12, text, sizeof(text))
        else:
            inet_ntop(AF_INET6, self.address, text, sizeof(text))
        self.has_address = True
        self.text = text
        self.port = port
        return 0

    @property
    def packed(self) -> bytes:
        """The 16 bytes of the address, IPv4 mapped into IPv6; b"" where there is none."""
        return PyBytes_FromStringAndSize(<char*>self.address, 16) if self.has_address else b""

    def describe(self) -> tuple:
        return (self.text, self.port, self.path)


cdef class TlsFacts:
    """What a proxy says of the TLS connection that ended there."""

    def __init__(self, int client=CLIENT_TLS, uint32_t verify=1, *, bytes version=b"",
                 bytes common_name=b"", bytes cipher=b"", bytes signature=b"", bytes key=b""):
        self.client = client
        self.verify = verify
        self.version = version
        self.common_name = common_name
        self.cipher = cipher
        self.signature = signature
        self.key = key

    def describe(self) -> tuple:
        return (self.client, self.verify, self.version, self.common_name, self.cipher, self.signature,
                self.key)


cdef class ProxyHeader:
    """The header that a connection begins with, or may begin with."""

    def __cinit__(self):
        self.source = Side()
        self.destination = Side()

    cdef int read(self, const char* data, Py_ssize_t size) except -1:
        """Read what came so far, from the first byte on. Returns the outcome."""
        if self.outcome != INCOMPLETE or size == 0:
            return self.outcome
        if data[0] == V1[0]:
            if memcmp(data, V1, min(size, 6)):
                self.outcome = ABSENT
            elif size > 6:
                self._read_v1(data, size)
        elif memcmp(data, V2, min(size, 12)):
            self.outcome = ABSENT
        elif size >= 16:
            self._read_v2(<const uint8_t*>data, size)
        return self.outcome

    cdef int _break(self, str reason) except -1:
        self.outcome = BROKEN
        self.reason = reason
        return 0

    # --- Version 1: a line of text (section 2.1) ---

    cdef int _read_v1(self, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t limit = min(size, V1_LIMIT - 1)
        cdef const char* end = <const char*>memchr(data, c"\r", limit)
        if end == NULL:
            if size >= V1_LIMIT - 1:
                return self._break("the line of version 1 is too long")
            return 0
        if end + 1 == data + size:
            return 0
        if end[1] != c"\n":
            return self._break("the line of version 1 does not end with CRLF")
        self.version = 1
        self.size = end + 2 - data
        self._read_line(data + 6, end - data - 6)
        if self.outcome == INCOMPLETE:
            self.outcome = COMPLETE
        return 0

    cdef int _read_line(self, const char* line, Py_ssize_t size) except -1:
        """PROXY was read: protocol, both addresses, both ports, with one space between them."""
        cdef uint8_t source[16]
        cdef uint8_t destination[16]
        cdef int family, width, source_port, destination_port
        cdef list parts = line[:size].split(b" ")
        if parts[0] == b"UNKNOWN":      # whatever follows it is to be ignored
            self.keep = True
            return 0
        if parts[0] != b"TCP4" and parts[0] != b"TCP6":
            return self._break("neither TCP4, TCP6 nor UNKNOWN")
        if len(parts) != 5:
            return self._break("the line of version 1 has not six parts")
        family, width = (AF_INET, 4) if parts[0] == b"TCP4" else (AF_INET6, 16)
        if not _read_ip(family, parts[1], source) or not _read_ip(family, parts[2], destination):
            return self._break("an address of version 1 is malformed")
        source_port, destination_port = _port(parts[3]), _port(parts[4])
        if source_port < 0 or destination_port < 0:
            return self._break("a port of version 1 is malformed")
        self.source.read_ip(source, width, source_port)
        self.destination.read_ip(destination, width, destination_port)
        return 0

    # --- Version 2: binary (section 2.2) ---

    cdef int _read_v2(self, const uint8_t* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t end = 16 + number_16(data + 14)
        cdef Py_ssize_t addresses
        if data[12] != LOCAL and data[12] != PROXY:
            return self._break("an unknown version or command")
        if end > V2_LIMIT:
            return self._break("the header of version 2 is too long")
        if size < end:
            return 0
        self.version = 2
        self.size = end
        if data[12] == LOCAL or data[13] == 0:
            # "the receiver must [...] discard the protocol block including the family"; what is
            # unspecified says no more than that.
            self.keep = True
        else:
            addresses = self._read_addresses(data[13], data + 16, end - 16)
            if self.outcome == INCOMPLETE:
                self._read_facts(data, 16 + addresses, end)
        if self.outcome == INCOMPLETE:
            self.outcome = COMPLETE
        return 0

    cdef Py_ssize_t _read_addresses(self, int family, const uint8_t* block, Py_ssize_t size) except -1:
        """The size of the addresses; family and transport are one byte."""
        cdef int width
        if family not in (0x11, 0x12, 0x21, 0x22, 0x31, 0x32):
            self._break("an unknown address family or transport")
            return 0
        if family >> 4 == 3:
            if size < 2 * UNIX_PATH:
                self._break("the addresses of version 2 are cut short")
                return 0
            self.source.path = _path(block)
            self.destination.path = _path(block + UNIX_PATH)
            return 2 * UNIX_PATH
        width = 4 if family >> 4 == 1 else 16
        if size < 2 * width + 4:
            self._break("the addresses of version 2 are cut short")
            return 0
        self.source.read_ip(block, width, number_16(block + 2 * width))
        self.destination.read_ip(block + width, width, number_16(block + 2 * width + 2))
        return 2 * width + 4

    cdef int _read_facts(self, const uint8_t* header, Py_ssize_t at, Py_ssize_t end) except -1:
        """Type, size in two bytes, value; one behind the other, to the end exactly."""
        cdef Py_ssize_t size
        while at < end and self.outcome == INCOMPLETE:
            size = number_16(header + at + 1) if end - at >= 3 else end
            if size > end - at - 3:
                return self._break("a TLV is cut short")
            self._read_fact(header, end, header[at], header + at + 3, size)
            at += 3 + size
        return 0

    cdef int _read_fact(self, const uint8_t* header, Py_ssize_t header_size, int kind,
                        const uint8_t* value, Py_ssize_t size) except -1:
        """One TLV. A repeated one could be read in two ways, so it is refused."""
        cdef bytes text = PyBytes_FromStringAndSize(<const char*>value, size)
        if kind == ALPN:
            if self.alpn is not None:
                return self._break("a repeated TLV")
            self.alpn = text
        elif kind == AUTHORITY:
            if self.authority is not None:
                return self._break("a repeated TLV")
            self.authority = text
        elif kind == UNIQUE_ID:
            if self.unique_id is not None or size > UNIQUE_ID_LIMIT:
                return self._break("a unique ID that is repeated or too long")
            self.unique_id = text
        elif kind == CRC32C:
            if self.checked or size != 4 or not _is_whole(header, header_size, value):
                return self._break("the checksum is wrong")
            self.checked = True
        elif kind == TLS:
            if self.tls is not None:
                return self._break("a repeated TLV")
            return self._read_tls(value, size)
        return 0

    cdef int _read_tls(self, const uint8_t* value, Py_ssize_t size) except -1:
        cdef Py_ssize_t at = 5
        cdef Py_ssize_t part
        cdef bytes text
        if size < 5:
            return self._break("the TLV of TLS is cut short")
        self.tls = TlsFacts(value[0], number_32(value + 1))
        while at < size:
            part = number_16(value + at + 1) if size - at >= 3 else size
            if part > size - at - 3:
                return self._break("a TLV inside that of TLS is cut short")
            text = PyBytes_FromStringAndSize(<const char*>value + at + 3, part)
            if value[at] == TLS_VERSION:
                self.tls.version = text
            elif value[at] == TLS_COMMON_NAME:
                self.tls.common_name = text
            elif value[at] == TLS_CIPHER:
                self.tls.cipher = text
            elif value[at] == TLS_SIGNATURE:
                self.tls.signature = text
            elif value[at] == TLS_KEY:
                self.tls.key = text
            at += 3 + part
        return 0

    def describe(self) -> tuple:
        """The header as plain values, for tests and logs."""
        return (self.outcome, self.size, self.reason, self.keep, self.source.describe(),
                self.destination.describe(), self.alpn, self.authority, self.unique_id,
                self.tls.describe() if self.tls is not None else None)


def read_proxy_header(bytes data not None) -> ProxyHeader:
    """The header at the beginning of `data`."""
    cdef ProxyHeader header = ProxyHeader()
    header.read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return header


cdef bint _read_ip(int family, bytes text, uint8_t* ip):
    # A NUL would end the text for C, with more behind it.
    return b"\0" not in text and inet_pton(family, PyBytes_AS_STRING(text), ip) == 1


cdef int _port(bytes text):
    """A decimal port without leading zeros, or -1."""
    if not 0 < len(text) <= 5 or not text.isdigit() or (len(text) > 1 and text.startswith(b"0")):
        return -1
    return int(text) if int(text) <= 65535 else -1


cdef bytes _path(const uint8_t* block):
    """Up to 108 bytes, ended by NUL where shorter. An abstract name begins with NUL and has its padding
    cut off."""
    cdef bytes path = PyBytes_FromStringAndSize(<const char*>block, UNIX_PATH)
    return path.rstrip(b"\0") if block[0] == 0 else path.partition(b"\0")[0]


cdef bint _is_whole(const uint8_t* header, Py_ssize_t size, const uint8_t* checksum) noexcept:
    """Whether the checksum, which lies in the header and counts as zero, is that of the header."""
    cdef uint8_t zero[4]
    cdef Py_ssize_t before = checksum - header
    cdef uint32_t crc
    memset(zero, 0, 4)
    crc = crc32c(0, header, before)
    crc = crc32c(crc, zero, 4)
    crc = crc32c(crc, checksum + 4, size - before - 4)
    return crc == number_32(checksum)


# --- Writing ---

cpdef bytes write_v1(bytes source, int source_port, bytes destination, int destination_port):
    """The line of version 1. Addresses are 16 bytes, IPv4 mapped into IPv6, or b"" where unknown."""
    cdef Side left = Side()
    cdef Side right = Side()
    if PyBytes_GET_SIZE(source) != 16 or PyBytes_GET_SIZE(destination) != 16:
        return b"PROXY UNKNOWN\r\n"
    left.read_ip(<const uint8_t*>PyBytes_AS_STRING(source), 16, source_port)
    right.read_ip(<const uint8_t*>PyBytes_AS_STRING(destination), 16, destination_port)
    if _is_ipv4(left) and _is_ipv4(right):
        return b"PROXY TCP4 %b %b %d %d\r\n" % (left.text, right.text, left.port, right.port)
    return b"PROXY TCP6 %b %b %d %d\r\n" % (_text_6(left), _text_6(right), left.port, right.port)


cdef bint _is_ipv4(Side side) noexcept:
    return memcmp(side.address, MAPPED, 12) == 0


cdef bytes _text_6(Side side):
    """Both addresses of a line are of one family."""
    return b"::ffff:" + side.text if _is_ipv4(side) else side.text


def write_local() -> bytes:
    """The header of version 2 for a connection of our own, such as that of a probe."""
    return V2[:12] + b"\x20\0\0\0"


def write_v2(bytes source not None, int source_port, bytes destination not None, int destination_port, *,
             bytes alpn=b"", bytes authority=b"", bytes unique_id=b"", TlsFacts tls=None,
             bint checksum=False) -> bytes:
    """The header of version 2. Addresses as for version 1; facts that are empty or too long are left out.

    Without addresses the command is LOCAL: some receivers take an unspecified family for an error.
    """
    cdef bytes block = _addresses(source, source_port, destination, destination_port)
    cdef bytes facts = _fact(ALPN, alpn, FACT_LIMIT) + _fact(AUTHORITY, authority, FACT_LIMIT)
    cdef bytes front, crc
    facts += _fact(UNIQUE_ID, unique_id, UNIQUE_ID_LIMIT)
    if tls is not None:
        facts += _fact(TLS, _tls(tls), 6 * FACT_LIMIT)
    size = len(block) - 1 + len(facts) + (7 if checksum else 0)
    command = PROXY if block[0] else LOCAL
    front = V2[:12] + bytes([command, block[0], size >> 8, size & 0xFF]) + block[1:] + facts
    if not checksum:
        return front
    front += b"\x03\0\x04"
    crc = front + b"\0\0\0\0"
    return front + int(crc32c(0, <const uint8_t*>PyBytes_AS_STRING(crc), len(crc))).to_bytes(4, "big")


cdef bytes _addresses(bytes source, int source_port, bytes destination, int destination_port):
    """Family and transport in one byte, then the addresses."""
    cdef bytes ports = source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big")
    if PyBytes_GET_SIZE(source) != 16 or PyBytes_GET_SIZE(destination) != 16:
        return b"\0"
    if source.startswith(MAPPED[:12]) and destination.startswith(MAPPED[:12]):
        return b"\x11" + source[12:] + destination[12:] + ports
    return b"\x21" + source + destination + ports


cdef bytes _fact(int kind, bytes value, int limit):
    if value is None or not 0 < len(value) <= limit:
        return b""
    return bytes([kind, len(value) >> 8, len(value) & 0xFF]) + value


cdef bytes _tls(TlsFacts tls):
    return bytes([tls.client & 0xFF]) + int(tls.verify).to_bytes(4, "big") + b"".join([
        _fact(TLS_VERSION, tls.version, FACT_LIMIT),
        _fact(TLS_COMMON_NAME, tls.common_name, FACT_LIMIT),
        _fact(TLS_CIPHER, tls.cipher, FACT_LIMIT),
        _fact(TLS_SIGNATURE, tls.signature, FACT_LIMIT),
        _fact(TLS_KEY, tls.key, FACT_LIMIT),
    ])
