from libc.stdint cimport uint8_t, uint32_t, uint64_t

from headgate.core.output cimport Output


# RFC 9113 section 6; RFC 9218 section 7.1.
cpdef enum FrameType:
    FRAME_DATA = 0
    FRAME_HEADERS = 1
    FRAME_PRIORITY = 2
    FRAME_RST_STREAM = 3
    FRAME_SETTINGS = 4
    FRAME_PUSH_PROMISE = 5
    FRAME_PING = 6
    FRAME_GOAWAY = 7
    FRAME_WINDOW_UPDATE = 8
    FRAME_CONTINUATION = 9
    FRAME_PRIORITY_UPDATE = 16


cpdef enum FrameFlag:
    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4
    PADDED = 8
    PRIORITISED = 32            # HEADERS begin with the priority of RFC 7540


# RFC 9113 section 7.
cpdef enum ErrorCode:
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


# RFC 9113 section 6.5.2; RFC 8441 section 3; RFC 9218 section 2.1.
cpdef enum Setting:
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8
    NO_RFC7540_PRIORITIES = 9


cpdef enum FrameLimit:
    FRAME_HEADER_BYTES = 9
    FRAME_BYTES = 16384         # the largest payload that we send and take, which is the default
    DEFAULT_WINDOW = 65535
    MOST_WINDOW = 0x7FFFFFFF
    MOST_STREAM = 0x7FFFFFFF


cdef inline uint32_t get_16(const char* p) noexcept nogil:
    return (<uint32_t><uint8_t>p[0] << 8) | <uint8_t>p[1]


cdef inline uint32_t get_24(const char* p) noexcept nogil:
    return (get_16(p) << 8) | <uint8_t>p[2]


cdef inline uint32_t get_32(const char* p) noexcept nogil:
    return (get_16(p) << 16) | get_16(p + 2)


cdef inline void put_16(char* p, uint32_t value) noexcept nogil:
    p[0] = <char>(value >> 8)
    p[1] = <char>value


cdef inline void put_32(char* p, uint32_t value) noexcept nogil:
    put_16(p, value >> 16)
    put_16(p + 2, value)


cdef inline void put_frame_header(char* p, uint32_t size, int type, int flags, uint32_t stream) noexcept nogil:
    p[0] = <char>(size >> 16)
    put_16(p + 1, size)
    p[3] = <char>type
    p[4] = <char>flags
    put_32(p + 5, stream)


cdef int write_frame_header(Output out, uint32_t size, int type, int flags, uint32_t stream) except -1
cdef int write_setting(Output out, int setting, uint32_t value) except -1
cdef int write_reset(Output out, uint32_t stream, uint32_t code) except -1
cdef int write_window_update(Output out, uint32_t stream, uint32_t size) except -1
cdef int write_ping(Output out, const char* opaque, int flags) except -1
cdef int write_goaway(Output out, uint32_t last_stream, uint32_t code, bytes why) except -1
cdef int finish_block(Output out, size_t start, uint32_t stream, int flags) except -1
cdef str error_name(uint32_t code)
