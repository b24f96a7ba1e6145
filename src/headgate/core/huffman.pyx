"""The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), reading side.

Nothing is written in it: a head that repeats goes out as indices, and of one that does not, a third less
bytes are not worth what coding them costs.
"""

from libc.stdint cimport uint32_t, uint64_t

# Bits of each symbol's code. The code is canonical: codes of one length are consecutive in the order of
# the symbols, so that the lengths say everything.
LENGTHS = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
)

cdef enum:
    EOS = 256
    LONGEST = 30

cdef struct Short:
    unsigned char symbol
    unsigned char bits          # 0: the code is longer than eight bits

cdef Short _short[256]          # by the next eight bits
cdef uint32_t _first[LONGEST + 2]       # the first code of each length
cdef int _place[LONGEST + 2]            # of its symbol among all, sorted by length
cdef int _symbols[257]


cdef int _fill() except -1:
    cdef uint32_t code = 0
    cdef int place = 0
    cdef int bits
    cdef int symbol
    cdef int i
    for bits in range(1, LONGEST + 1):
        _first[bits] = code
        _place[bits] = place
        for symbol in range(257):
            if LENGTHS[symbol] != bits:
                continue
            _symbols[place] = symbol
            place += 1
            if bits <= 8:
                for i in range(1 << (8 - bits)):
                    _short[(code << (8 - bits)) + i] = Short(symbol, bits)
            code += 1
        code <<= 1
    _place[LONGEST + 1] = place
    return 0


_fill()


cdef Py_ssize_t decode_huffman(const unsigned char* data, Py_ssize_t size, char* out) noexcept nogil:
    """Bytes written to `out`, which has room for twice `size`; -1 when the padding is longer than seven
    bits, is not of ones, or the code has EOS inside."""
    cdef const unsigned char* end = data + size
    cdef char* start = out
    cdef uint64_t held = 0
    cdef int count = 0          # bits held
    cdef uint32_t code
    cdef int bits
    cdef int place
    cdef Short entry
    while True:
        while count <= 48 and data < end:
            held = held << 8 | data[0]
            count += 8
            data += 1
        if count < 8:
            # The rest: short codes, then padding of ones.
            entry = _short[<unsigned char>(held << (8 - count) | (0xFF >> count))]
            if entry.bits == 0 or entry.bits > count:
                if held & (((<uint64_t>1) << count) - 1) == ((<uint64_t>1) << count) - 1:
                    return out - start
                return -1
        else:
            entry = _short[<unsigned char>(held >> (count - 8))]
        if entry.bits:
            out[0] = <char>entry.symbol
            out += 1
            count -= entry.bits
            continue
        bits = 9
        while True:
            if bits > count or bits > LONGEST:
                # Eight ones and more are no padding (RFC 7541 section 5.2).
                return -1
            code = <uint32_t>(held >> (count - bits)) & ((<uint32_t>1 << bits) - 1)
            place = _place[bits] + <int>(code - _first[bits])
            if code >= _first[bits] and place < _place[bits + 1]:
                break
            bits += 1
        if _symbols[place] == EOS:
            return -1
        out[0] = <char>_symbols[place]
        out += 1
        count -= bits


def decode(bytes data not None) -> bytes | None:
    """The text, or None when it is no right coding; for tests."""
    cdef bytearray out = bytearray(2 * len(data) + 1)
    cdef char* start = out
    cdef Py_ssize_t size = decode_huffman(<const unsigned char*><const char*>data, len(data), start)
    return None if size < 0 else bytes(out[:size])
