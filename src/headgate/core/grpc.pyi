from enum import IntEnum

class GrpcStatus(IntEnum):
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

def is_grpc_type(content_type: bytes) -> bool: ...
def read_timeout(text: bytes) -> int | None: ...
def write_timeout(nanoseconds: int) -> bytes: ...
def left_of_timeout(nanoseconds: int, elapsed_seconds: float) -> int: ...
def read_status(text: bytes) -> int | None: ...
def grpc_status_of(http_status: int) -> int: ...
def encode_message(message: bytes) -> bytes: ...
def trailers_only(
    status: int, message: bytes, content_type: bytes = b"application/grpc"
) -> list[tuple[bytes, bytes]]: ...
