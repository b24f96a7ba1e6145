# Bits of a policy; 0 is the default: %2F kept encoded, %5C and %00 refused.
cpdef enum PathPolicy:
    REJECT_SLASH = 1
    DECODE_SLASH = 2
    KEEP_BACKSLASH = 4
    KEEP_NUL = 8


cpdef enum PathResult:
    CLEAN = 0                   # nothing to change: use the bytes that were given
    NORMALISED = 1              # `out` holds the path
    BAD_TRIPLET = -1            # a "%" without two hexadecimal digits
    ENCODED_SLASH = -2          # %2F
    BACKSLASH = -3              # "\" always; %5C
    NUL = -4                    # %00
    HIDDEN_DOTS = -5            # "." or ".." beside a separator that is kept encoded
    NOT_ABSOLUTE = -6           # does not begin with "/"
    BAD_BYTE = -7               # a control byte, space, "?" or "#"


# `out` has room for size + 1 bytes and does not overlap `path`. *out_size is set when NORMALISED.
cdef int normalise(const char* path, Py_ssize_t size, char* out, Py_ssize_t* out_size,
                   int policy) noexcept nogil

# The reason of a negative result, for people; static.
cdef const char* refusal(int result) noexcept nogil
