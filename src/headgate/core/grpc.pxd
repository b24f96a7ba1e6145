from libc.stdint cimport int64_t


# Status codes (grpc/doc/statuscodes.md).
cpdef enum GrpcStatus:
    GRPC_OK = 0
    GRPC_CANCELLED = 1
    GRPC_UNKNOWN = 2
    GRPC_INVALID_ARGUMENT = 3
    GRPC_DEADLINE_EXCEEDED = 4
    GRPC_NOT_FOUND = 5
    GRPC_ALREADY_EXISTS = 6
    GRPC_PERMISSION_DENIED = 7
    GRPC_RESOURCE_EXHAUSTED = 8
    GRPC_FAILED_PRECONDITION = 9
    GRPC_ABORTED = 10
    GRPC_OUT_OF_RANGE = 11
    GRPC_UNIMPLEMENTED = 12
    GRPC_INTERNAL = 13
    GRPC_UNAVAILABLE = 14
    GRPC_DATA_LOSS = 15
    GRPC_UNAUTHENTICATED = 16


cdef enum:
    TIMEOUT_SIZE = 9        # the longest timeout: eight digits and a unit


cdef bint is_grpc(const char* content_type, Py_ssize_t size) noexcept nogil
cdef int64_t parse_timeout(const char* text, Py_ssize_t size) noexcept nogil
cdef int format_timeout(int64_t nanoseconds, char* out) noexcept nogil
cdef int64_t time_left(int64_t nanoseconds, double elapsed_seconds) noexcept nogil
cdef int parse_status(const char* text, Py_ssize_t size) noexcept nogil
cpdef int grpc_status_of(int http_status) noexcept nogil
cpdef bytes encode_message(bytes message)
cpdef list trailers_only(int status, bytes message, bytes content_type=*)
