"""Path normalisation: what is matched is what is sent (RFC 3986 sections 5.2.4 and 6.2.2).

A path is brought into one form before it is matched and forwarded:

- percent triplets of unreserved characters (letters, digits, `-._~`) are decoded and the digits of
  all others are written in upper case: RFC 3986 calls both forms the same, so no meaning changes;
- then dot segments are removed, those written with %2e included; the result never leaves "/".

Everything else stays as it was: reserved characters keep their triplets, `//` is not merged, "%25"
is never decoded, so that normalising twice changes nothing.

Refused, since two parsers could read it differently: a "%" without two hexadecimal digits, control
bytes, spaces, "?", "#", backslashes, and by policy %2F, %5C and %00. Where %2F or %5C is kept, a "."
or ".." beside it is refused too: a backend that decodes it would walk to another place.
"""

from urllib.parse import quote

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memmove


# Classes of bytes.
cdef enum:
    PLAIN = 0
    DOT = 1
    PERCENT = 2
    REFUSED = 4

cdef uint8_t CLASS[256]
cdef uint8_t UNRESERVED[256]
cdef signed char HEX[256]


cdef void fill_tables() noexcept:
    cdef int byte
    for byte in range(256):
        CLASS[byte] = REFUSED if byte <= 0x20 or byte == 0x7F else PLAIN
        HEX[byte] = -1
        UNRESERVED[byte] = (c"0" <= byte <= c"9") or (c"a" <= byte <= c"z") or (c"A" <= byte <= c"Z")
        if c"0" <= byte <= c"9":
            HEX[byte] = byte - c"0"
        elif c"a" <= byte <= c"f":
            HEX[byte] = byte - c"a" + 10
        elif c"A" <= byte <= c"F":
            HEX[byte] = byte - c"A" + 10
    for byte in b"?#\\":
        CLASS[byte] = REFUSED
    for byte in b"-._~":
        UNRESERVED[byte] = 1
    CLASS[c"."] = DOT
    CLASS[c"%"] = PERCENT


fill_tables()


cdef int normalise(const char* path, Py_ssize_t size, char* out, Py_ssize_t* out_size,
                   int policy) noexcept nogil:
    """Bring `path` into its one form; see PathResult for what comes back."""
    cdef Py_ssize_t i
    cdef uint8_t seen
    if size == 0:
        # RFC 3986 section 6.2.3: an empty path after an authority is "/".
        out[0] = c"/"
        out_size[0] = 1
        return NORMALISED
    if path[0] != c"/":
        return NOT_ABSOLUTE
    for i in range(1, size):
        seen = CLASS[<uint8_t>path[i]]
        if seen != PLAIN and (seen != DOT or path[i - 1] == c"/"):
            return rewrite(path, size, out, out_size, policy)
    return CLEAN


cdef int rewrite(const char* path, Py_ssize_t size, char* out, Py_ssize_t* out_size,
                 int policy) noexcept nogil:
    cdef bint hidden = False
    cdef bint changed = False
    cdef Py_ssize_t decoded = decode(path, size, out, policy, &changed, &hidden)
    if decoded < 0:
        return <int>decoded
    if hidden and hides_dots(out, decoded):
        return HIDDEN_DOTS
    out_size[0] = remove_dots(out, decoded)
    return NORMALISED if changed or out_size[0] != size else CLEAN


cdef Py_ssize_t decode(const char* path, Py_ssize_t size, char* out, int policy,
                       bint* changed, bint* hidden) noexcept nogil:
    """Copy with canonical triplets. Returns the size, or why the path is refused."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t written = 0
    cdef uint8_t byte
    cdef int result
    while i < size:
        byte = <uint8_t>path[i]
        if CLASS[byte] == REFUSED:
            return BACKSLASH if byte == c"\\" else BAD_BYTE
        if CLASS[byte] != PERCENT:
            out[written] = path[i]
            written += 1
            i += 1
            continue
        if i + 2 >= size or HEX[<uint8_t>path[i + 1]] < 0 or HEX[<uint8_t>path[i + 2]] < 0:
            return BAD_TRIPLET
        byte = <uint8_t>(HEX[<uint8_t>path[i + 1]] * 16 + HEX[<uint8_t>path[i + 2]])
        result = judge(byte, policy)
        if result < 0:
            return result
        if UNRESERVED[byte] or (byte == c"/" and policy & DECODE_SLASH):
            out[written] = <char>byte
            written += 1
            changed[0] = True
        else:
            out[written] = c"%"
            out[written + 1] = upper(path[i + 1])
            out[written + 2] = upper(path[i + 2])
            changed[0] |= out[written + 1] != path[i + 1] or out[written + 2] != path[i + 2]
            hidden[0] |= byte == c"/" or byte == c"\\"
            written += 3
        i += 3
    return written


cdef inline int judge(uint8_t byte, int policy) noexcept nogil:
    """Whether the policy refuses a triplet of `byte`."""
    if byte == c"/" and policy & REJECT_SLASH:
        return ENCODED_SLASH
    if byte == c"\\" and not policy & KEEP_BACKSLASH:
        return BACKSLASH
    if byte == 0 and not policy & KEEP_NUL:
        return NUL
    return CLEAN


cdef inline char upper(char digit) noexcept nogil:
    return digit - 32 if digit >= c"a" else digit


cdef inline int dots(const char* start, Py_ssize_t size) noexcept nogil:
    """1 for ".", 2 for "..", 0 for anything else."""
    if size == 1 and start[0] == c".":
        return 1
    if size == 2 and start[0] == c"." and start[1] == c".":
        return 2
    return 0


cdef inline bint separator(const char* at, Py_ssize_t left) noexcept nogil:
    """Whether %2F or %5C begins here."""
    if left < 3 or at[0] != c"%":
        return False
    return (at[1] == c"2" and at[2] == c"F") or (at[1] == c"5" and at[2] == c"C")


cdef bint hides_dots(const char* path, Py_ssize_t size) noexcept nogil:
    """Whether a dot segment appears, beside an encoded separator, to who decodes those."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t i = 0
    cdef bint before = False        # the part that begins at `start` follows an encoded separator
    cdef bint encoded
    while i <= size:
        encoded = i < size and separator(path + i, size - i)
        if i == size or path[i] == c"/" or encoded:
            if (before or encoded) and dots(path + start, i - start):
                return True
            before = encoded
            i += 3 if encoded else 1
            start = i
        else:
            i += 1
    return False


cdef Py_ssize_t remove_dots(char* path, Py_ssize_t size) noexcept nogil:
    """Remove dot segments in place (RFC 3986 section 5.2.4); returns the new size."""
    cdef Py_ssize_t start = 0       # of a segment, at its "/"
    cdef Py_ssize_t end
    cdef Py_ssize_t written = 0
    cdef int kind
    while start < size:
        end = start + 1
        while end < size and path[end] != c"/":
            end += 1
        kind = dots(path + start + 1, end - start - 1)
        if kind == 0:
            memmove(path + written, path + start, end - start)
            written += end - start
        else:
            if kind == 2:
                written = parent(path, written)
            if end == size:         # "/a/." and "/a/b/.." are folders
                path[written] = c"/"
                written += 1
        start = end
    return written


cdef inline Py_ssize_t parent(const char* path, Py_ssize_t size) noexcept nogil:
    """Size without the last segment; 0 when there is none."""
    while size > 0:
        size -= 1
        if path[size] == c"/":
            break
    return size


cdef const char* refusal(int result) noexcept nogil:
    """Why a path was refused, for people."""
    if result == BAD_TRIPLET:
        return "malformed percent-encoding in the path"
    if result == ENCODED_SLASH:
        return "encoded slash (%2F) in the path"
    if result == BACKSLASH:
        return "backslash in the path"
    if result == NUL:
        return "encoded NUL (%00) in the path"
    if result == HIDDEN_DOTS:
        return "dot segment beside an encoded separator in the path"
    if result == NOT_ABSOLUTE:
        return "the path does not begin with a slash"
    return "byte in the path that may not stand there"


class PathRefused(ValueError):
    """The path could be read in two ways; the message says why."""


def path_policy(*, encoded_slash: str = "keep", encoded_backslash: str = "reject",
                encoded_nul: str = "reject") -> int:
    """The bits of a policy. Slash: "keep", "reject" or "decode"; the others "reject" or "keep"."""
    slash = {"keep": 0, "reject": REJECT_SLASH, "decode": DECODE_SLASH}[encoded_slash]
    backslash = {"reject": 0, "keep": KEEP_BACKSLASH}[encoded_backslash]
    nul = {"reject": 0, "keep": KEEP_NUL}[encoded_nul]
    return slash | backslash | nul


def normalise_path(bytes path, int policy = 0) -> bytes:
    """The path in its one form. Raises PathRefused."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(path)
    cdef Py_ssize_t out_size = 0
    cdef bytes out = PyBytes_FromStringAndSize(NULL, size + 1)
    cdef int result = normalise(PyBytes_AS_STRING(path), size, PyBytes_AS_STRING(out), &out_size, policy)
    if result < 0:
        raise PathRefused((<bytes>refusal(result)).decode("ascii"))
    return path if result == CLEAN else out[:out_size]


def path_pattern(str path) -> bytes:
    """An exact path or a prefix of a configuration as it stands in normalised paths.

    What may not stand in a path, such as a space or "é", is percent-encoded. Raises PathRefused when
    no normalised path can be like it.
    """
    encoded = quote(path, safe="/%!$&'()*+,;=:@-._~[]{}|^`").encode("ascii")
    normal = normalise_path(encoded, KEEP_BACKSLASH | KEEP_NUL)
    segments = encoded.lower().replace(b"%2e", b".").split(b"/")
    if b"." in segments or b".." in segments:
        raise PathRefused(f"requests never carry its dot segments; write {normal.decode()}")
    return normal
