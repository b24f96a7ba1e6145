"""Frames of HTTP/2 (RFC 9113 sections 4 and 6): their names and numbers, and how they are written."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy, memmove


cdef int write_frame_header(Output out, uint32_t size, int type, int flags, uint32_t stream) except -1:
    put_frame_header(out.reserve(FRAME_HEADER_BYTES), size, type, flags, stream)
    out.commit(FRAME_HEADER_BYTES)
    return 0


cdef int write_setting(Output out, int setting, uint32_t value) except -1:
    """One entry of a SETTINGS frame whose header is written already."""
    cdef char* p = out.reserve(6)
    put_16(p, setting)
    put_32(p + 2, value)
    out.commit(6)
    return 0


cdef int write_reset(Output out, uint32_t stream, uint32_t code) except -1:
    cdef char* p = out.reserve(13)
    put_frame_header(p, 4, FRAME_RST_STREAM, 0, stream)
    put_32(p + 9, code)
    out.commit(13)
    return 0


cdef int write_window_update(Output out, uint32_t stream, uint32_t size) except -1:
    cdef char* p = out.reserve(13)
    put_frame_header(p, 4, FRAME_WINDOW_UPDATE, 0, stream)
    put_32(p + 9, size)
    out.commit(13)
    return 0


cdef int write_ping(Output out, const char* opaque, int flags) except -1:
    cdef char* p = out.reserve(17)
    put_frame_header(p, 8, FRAME_PING, flags, 0)
    memcpy(p + 9, opaque, 8)
    out.commit(17)
    return 0


cdef int write_goaway(Output out, uint32_t last_stream, uint32_t code, bytes why) except -1:
    cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(why)
    cdef char* p = out.reserve(17 + size)
    put_frame_header(p, 8 + size, FRAME_GOAWAY, 0, 0)
    put_32(p + 9, last_stream)
    put_32(p + 13, code)
    memcpy(p + 17, PyBytes_AS_STRING(why), size)
    out.commit(17 + size)
    return 0


cdef int finish_block(Output out, size_t start, uint32_t stream, int flags) except -1:
    """A header block lies behind `start` in the buffer, where room for one frame header was left.
    Make it a HEADERS frame, with CONTINUATION frames behind it where it is too long for one."""
    cdef size_t size = out.size - start - FRAME_HEADER_BYTES
    cdef size_t more = 0 if size == 0 else (size - 1) // FRAME_BYTES
    cdef size_t piece, length
    cdef char* block
    if more == 0:
        put_frame_header(out.buffer + start, <uint32_t>size, FRAME_HEADERS, flags | END_HEADERS, stream)
        return 0
    out.reserve(more * FRAME_HEADER_BYTES)
    block = out.buffer + start
    put_frame_header(block, FRAME_BYTES, FRAME_HEADERS, flags, stream)
    block += FRAME_HEADER_BYTES
    for piece in range(more, 0, -1):        # from the last, so that nothing is moved twice
        length = size - more * FRAME_BYTES if piece == more else FRAME_BYTES
        memmove(block + piece * (FRAME_BYTES + FRAME_HEADER_BYTES), block + piece * FRAME_BYTES, length)
        put_frame_header(block + piece * (FRAME_BYTES + FRAME_HEADER_BYTES) - FRAME_HEADER_BYTES,
                         <uint32_t>length, FRAME_CONTINUATION, END_HEADERS if piece == more else 0, stream)
    out.commit(more * FRAME_HEADER_BYTES)
    return 0


cdef str error_name(uint32_t code):
    """The name of an error code, for people."""
    return ErrorCode(code).name if code <= HTTP_1_1_REQUIRED else f"error {code}"
