"""Reads heads of HTTP/1 messages: RFC 9112 sections 2 to 6, strict.

A head is read line by line as its bytes come, so that the outcome does not depend on how they were
split. What two parsers could read differently is a fault, never repaired: each has a status and a
reason in FAULTS.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from headgate.core.head cimport *
from headgate.core.paths cimport CLEAN, NORMALISED, normalise


cdef extern from "scan.h" nogil:
    const char* hg_scan_token(const char* p, const char* end)
    const char* hg_scan_target(const char* p, const char* end)
    const char* hg_scan_value(const char* p, const char* end)
    bint hg_is_tchar(unsigned char c)
    bint hg_is_host(unsigned char c)
    bint hg_is_hex(unsigned char c)
    bint hg_equal_lower(const char* name, const char* lower, size_t size)


cdef enum:
    CONNECTION_NAMES = 100      # fields that a head's Connection may name

FAULTS = {
    BAD_START: (400, "malformed start line"),
    BAD_METHOD: (400, "malformed method"),
    BAD_TARGET: (400, "malformed request target"),
    BAD_VERSION: (400, "malformed protocol version"),
    VERSION_UNSUPPORTED: (505, "protocol version not supported"),
    TARGET_TOO_LONG: (414, "request target too long"),
    HEAD_TOO_LARGE: (431, "head too large"),
    TOO_MANY_FIELDS: (431, "too many fields"),
    BAD_NAME: (400, "malformed field name"),
    SPACE_BEFORE_COLON: (400, "white space before a colon"),
    FOLDED_LINE: (400, "folded field line"),
    BARE_LF: (400, "line feed without carriage return"),
    BARE_CR: (400, "carriage return without line feed"),
    CONTROL_BYTE: (400, "control byte in a field value"),
    HOST_MISSING: (400, "no Host"),
    HOST_REPEATED: (400, "more than one Host"),
    HOST_INVALID: (400, "malformed Host"),
    LENGTH_INVALID: (400, "malformed Content-Length"),
    LENGTH_REPEATED: (400, "more than one Content-Length"),
    BOTH_FRAMINGS: (400, "both Content-Length and Transfer-Encoding"),
    ENCODING_INVALID: (400, "malformed Transfer-Encoding"),
    ENCODING_UNSUPPORTED: (501, "transfer coding not supported"),
    ENCODING_IN_HTTP10: (400, "Transfer-Encoding in an HTTP/1.0 message"),
    CONNECTION_INVALID: (400, "Connection names a field that is not hop-by-hop"),
    EXPECT_UNKNOWN: (417, "expectation not supported"),
    PATH_REFUSED: (400, "path refused"),
    BAD_STATUS: (400, "malformed status"),
    TRACE_WITH_BODY: (400, "TRACE with a body"),
}


cdef tuple fault(int code):
    """The status for a client and the reason of a fault."""
    return FAULTS[code]


# --- Lines ------------------------------------------------------------------------------------

cdef int read_request(Head head, const char* data, Py_ssize_t size, uint32_t limit,
                      int fields) except? -99:
    """Read on in `data`, which holds the head from its first byte. Sets head.received when complete."""
    return _read(head, data, size, limit, fields, _request_line, TARGET_TOO_LONG)


cdef int read_response(Head head, const char* data, Py_ssize_t size, uint32_t limit,
                       int fields) except? -99:
    return _read(head, data, size, limit, fields, _status_line, HEAD_TOO_LARGE)


cdef int read_trailers(Head head, const char* data, Py_ssize_t size, uint32_t limit,
                       int fields) except? -99:
    head.line_read = True
    return _read(head, data, size, limit, fields, NULL, HEAD_TOO_LARGE)


ctypedef int (*StartLine)(Head, const char*, const char*) noexcept


cdef int _read(Head head, const char* data, Py_ssize_t size, uint32_t limit, int fields,
               StartLine start_line, int line_too_long) except? -99:
    """Never looks behind `limit`, so that the outcome does not depend on how much came at once."""
    cdef Py_ssize_t window = size if size < limit else limit
    cdef int outcome
    if not head.line_read:
        outcome = start_line(head, data, data + window)
        if outcome != COMPLETE:
            return line_too_long if outcome == INCOMPLETE and window == limit else outcome
    outcome = _fields(head, data, data + window, fields)
    return HEAD_TOO_LARGE if outcome == INCOMPLETE and window == limit else outcome


cdef int _line_end(const char* p, const char* end, const char** stop) noexcept:
    """Find the CRLF of a start line that begins at p; stop becomes where the CR is."""
    cdef const char* lf = <const char*>memchr(p, 10, end - p)
    if lf == NULL:
        return INCOMPLETE
    if lf == p or (lf - 1)[0] != 13:
        return BARE_LF
    stop[0] = lf - 1
    return COMPLETE


cdef int _request_line(Head head, const char* data, const char* end) noexcept:
    """method SP request-target SP HTTP-version CRLF (RFC 9112 section 3)."""
    cdef const char* stop = NULL
    cdef const char* p
    cdef const char* target
    cdef int outcome
    if data < end and not hg_is_tchar(<unsigned char>data[0]):
        return BAD_METHOD
    outcome = _line_end(data, end, &stop)
    if outcome != COMPLETE:
        return outcome
    p = hg_scan_token(data, stop)
    if p == stop or p[0] != 32:
        return BAD_METHOD
    head.method_size = <uint32_t>(p - data)
    target = p + 1
    p = hg_scan_target(target, stop)
    if p == target or p == stop or p[0] != 32:
        return BAD_TARGET
    head.target_start = <uint32_t>(target - data)
    head.target_size = <uint32_t>(p - target)
    outcome = _version(head, p + 1, stop)
    if outcome != COMPLETE:
        return outcome
    head.line_size = <uint32_t>(stop + 2 - data)
    head.scanned = head.line_size
    head.line_read = True
    return COMPLETE


cdef int _version(Head head, const char* p, const char* stop) noexcept:
    if stop - p != 8 or memcmp(p, b"HTTP/", 5) != 0 or p[6] != c".":
        return BAD_VERSION
    if not (c"0" <= p[5] <= c"9" and c"0" <= p[7] <= c"9"):
        return BAD_VERSION
    if p[5] != c"1" or p[7] > c"1":
        return VERSION_UNSUPPORTED
    head.version = 11 if p[7] == c"1" else 10
    return COMPLETE


cdef int _status_line(Head head, const char* data, const char* end) noexcept:
    """HTTP-version SP status-code SP [ reason-phrase ] CRLF (RFC 9112 section 4). The second
    space may be missing before an empty reason, as many servers send it."""
    cdef const char* stop = NULL
    cdef int outcome
    if data < end and data[0] != c"H":
        return BAD_START
    outcome = _line_end(data, end, &stop)
    if outcome != COMPLETE:
        return outcome
    if stop - data < 12 or data[8] != 32:
        return BAD_START
    outcome = _version(head, data, data + 8)
    if outcome != COMPLETE:
        return outcome
    if not (c"1" <= data[9] <= c"5" and c"0" <= data[10] <= c"9" and c"0" <= data[11] <= c"9"):
        return BAD_STATUS
    head.status = (data[9] - 48) * 100 + (data[10] - 48) * 10 + (data[11] - 48)
    if stop - data > 12 and data[12] != 32:
        return BAD_STATUS
    if hg_scan_value(data + 12, stop) != stop:
        return CONTROL_BYTE
    head.target_start = 13 if stop - data > 12 else 12
    head.target_size = <uint32_t>(stop - data) - head.target_start
    head.line_size = <uint32_t>(stop + 2 - data)
    head.scanned = head.line_size
    head.line_read = True
    return COMPLETE


cdef int _fields(Head head, const char* data, const char* end, int most) except? -99:
    """Field lines up to and with the empty line (RFC 9112 section 5)."""
    cdef const char* p = data + head.scanned
    cdef const char* line
    cdef const char* name_end
    cdef const char* value
    cdef const char* stop
    cdef Field* field
    cdef int token
    while True:
        line = p
        head.scanned = <uint32_t>(line - data)
        if p == end:
            return INCOMPLETE
        name_end = hg_scan_token(p, end)
        if name_end == end:
            return INCOMPLETE
        if name_end[0] != c":" or name_end == line:
            if name_end == line and line[0] == 13:
                if line + 1 == end:
                    return INCOMPLETE
                if line[1] != 10:
                    return BARE_CR
                head.received = <uint32_t>(line + 2 - data)
                return COMPLETE
            return _name_fault(line, name_end, line == data + head.line_size)
        p = name_end + 1
        while p < end and (p[0] == 32 or p[0] == 9):
            p += 1
        value = p
        stop = hg_scan_value(p, end)
        if stop + 1 >= end:
            if stop < end and stop[0] != 13:
                return BARE_LF if stop[0] == 10 else CONTROL_BYTE
            return INCOMPLETE
        if stop[0] != 13:
            return BARE_LF if stop[0] == 10 else CONTROL_BYTE
        if stop[1] != 10:
            return BARE_CR
        p = stop + 2
        while stop > value and ((stop - 1)[0] == 32 or (stop - 1)[0] == 9):
            stop -= 1
        if head.field_count == most:
            return TOO_MANY_FIELDS
        token = token_of(line, name_end - line)
        field = head.new_field()
        field.name_start = <uint32_t>(line - data)
        field.name_size = <uint32_t>(name_end - line)
        field.value_start = <uint32_t>(value - data)
        field.value_size = <uint32_t>(stop - value)
        field.line_end = <uint32_t>(p - data)
        field.token = token
        field.flags = 0
        field.never_indexed = False
        if token == OTHER and memchr(line, c"_", name_end - line) != NULL:
            if not take_underscored(field, line, name_end - line):
                return BAD_NAME
        if token:
            if head.first[token] < 0:
                head.first[token] = head.field_count - 1
            else:
                head.repeated |= <uint64_t>1 << token


cdef bint take_underscored(Field* field, const char* name, Py_ssize_t size) noexcept:
    """CGI and WSGI read "_" as "-": a well-known name so written would pass by every rule here and
    still arrive. False where it would frame or route the message."""
    cdef char copy[22]
    cdef Py_ssize_t i
    cdef int token
    if size > 21:
        return True
    for i in range(size):
        copy[i] = c"-" if name[i] == c"_" else name[i]
    token = token_of(copy, size)
    if token == OTHER:
        return True
    field.flags = DROPPED
    return token != CONTENT_LENGTH and token != TRANSFER_ENCODING


cdef int _name_fault(const char* line, const char* p, bint first) noexcept:
    if p == line and (p[0] == 32 or p[0] == 9):
        # RFC 9112 section 2.2: white space between the start line and the first field.
        return BAD_NAME if first else FOLDED_LINE
    if p[0] == 10:
        return BARE_LF
    if p[0] == 13:
        return BAD_NAME
    if p[0] == 32 or p[0] == 9:
        return SPACE_BEFORE_COLON
    return BAD_NAME


# --- What the fields say ----------------------------------------------------------------------

cdef int finish_request(Head head, int path_policy) except? -99:
    """Judge a complete request head whose bytes are its own, and set its spans."""
    cdef int outcome
    head.method_text = Span(head.bytes, head.method_size)
    head.method = method_of(head.bytes, head.method_size)
    head.target = Span(head.bytes + head.target_start, head.target_size)
    outcome = read_framing(head)
    if outcome != COMPLETE:
        return outcome
    outcome = _connection(head)
    if outcome != COMPLETE:
        return outcome
    outcome = _authority(head)
    if outcome != COMPLETE:
        return outcome
    outcome = split_path(head, path_policy)
    if outcome != COMPLETE:
        return outcome
    if head.number(EXPECT) >= 0:
        outcome = read_expectation(head)
        if outcome != COMPLETE:
            return outcome
    head.last = not head.chunked and head.content_length <= 0
    if head.method == METHOD_TRACE and not head.last:
        return TRACE_WITH_BODY      # RFC 9110 section 9.3.8
    return COMPLETE


cdef int finish_response(Head head) except? -99:
    """Judge a complete response head. Its body's framing is the codec's to decide."""
    cdef int outcome
    head.reason = Span(head.bytes + head.target_start, head.target_size)
    outcome = read_framing(head)
    return _connection(head) if outcome == COMPLETE else outcome


cdef inline Span _value(Head head, int number) noexcept:
    return Span(head.bytes + head.fields[number].value_start, head.fields[number].value_size)


cdef int read_framing(Head head) noexcept:
    """Content-Length and Transfer-Encoding (RFC 9112 section 6.3), never both."""
    cdef Span value
    cdef Py_ssize_t i
    cdef int64_t length = 0
    cdef bint coded = head.number(TRANSFER_ENCODING) >= 0
    if head.number(CONTENT_LENGTH) >= 0:
        if coded:
            return BOTH_FRAMINGS
        if head.repeated & (<uint64_t>1 << CONTENT_LENGTH):
            return LENGTH_REPEATED
        value = _value(head, head.number(CONTENT_LENGTH))
        if value.size < 1 or value.size > 18:
            return LENGTH_INVALID
        for i in range(value.size):
            if not c"0" <= value.data[i] <= c"9":
                return LENGTH_INVALID
            length = length * 10 + (value.data[i] - 48)
        head.content_length = length
    if coded:
        return _coding(head)
    return COMPLETE


cdef int _coding(Head head) noexcept:
    cdef Span value = _value(head, head.number(TRANSFER_ENCODING))
    if head.version == 10:
        return ENCODING_IN_HTTP10       # RFC 9112 section 6.1: the framing is faulty
    if head.repeated & (<uint64_t>1 << TRANSFER_ENCODING):
        return ENCODING_INVALID
    if value.size == 7 and hg_equal_lower(value.data, b"chunked", 7):
        head.chunked = True
        return COMPLETE
    return ENCODING_UNSUPPORTED if _known_coding_then_chunked(value) else ENCODING_INVALID


cdef bint _known_coding_then_chunked(Span value) noexcept:
    """Whether the list is a well-formed one of registered codings that ends in one chunked."""
    cdef const char* p = value.data
    cdef const char* end = p + value.size
    cdef const char* name
    cdef Py_ssize_t size
    while True:
        name = p
        p = hg_scan_token(p, end)
        size = p - name
        if size == 7 and hg_equal_lower(name, b"chunked", 7):
            return p == end
        if not ((size == 4 and hg_equal_lower(name, b"gzip", 4))
                or (size == 7 and hg_equal_lower(name, b"deflate", 7))
                or (size == 8 and hg_equal_lower(name, b"compress", 8))):
            return False
        while p < end and (p[0] == 32 or p[0] == 9):
            p += 1
        if p == end or p[0] != c",":
            return False
        p += 1
        while p < end and (p[0] == 32 or p[0] == 9):
            p += 1


cdef int _connection(Head head) noexcept:
    """Connection options, and the fields that end at this hop (RFC 9110 section 7.6.1)."""
    cdef bint close = False
    cdef bint keep = False
    cdef bint upgrade = False
    cdef bint te = False
    cdef int named = 0
    cdef int i = head.number(CONNECTION)
    cdef int outcome
    if i >= 0:
        while i < head.field_count:
            if head.fields[i].token == CONNECTION:
                outcome = _options(head, _value(head, i), &close, &keep, &upgrade, &te, &named)
                if outcome != COMPLETE:
                    return outcome
                head.fields[i].flags |= HOP_BY_HOP
            i += 1
    head.keep_alive = not close and (head.version == 11 or keep)
    if head.number(TE) >= 0:
        _te(head)
    if head.number(UPGRADE) >= 0:
        if upgrade and head.version == 11:
            _upgrade(head)
        head.mark(UPGRADE, HOP_BY_HOP)
    if head.chunked:
        head.mark(TRANSFER_ENCODING, HOP_BY_HOP)
    head.mark(KEEP_ALIVE, HOP_BY_HOP)
    head.mark(PROXY_CONNECTION, HOP_BY_HOP)
    head.mark(HTTP2_SETTINGS, HOP_BY_HOP)
    return COMPLETE


cdef int _options(Head head, Span value, bint* close, bint* keep, bint* upgrade, bint* te,
                  int* named) noexcept:
    """One Connection field: note the options that are known, drop the fields that others name."""
    cdef const char* p = value.data
    cdef const char* end = p + value.size
    cdef const char* name
    cdef Py_ssize_t size
    while p < end:
        if p[0] == 32 or p[0] == 9 or p[0] == c",":
            p += 1
            continue
        name = p
        p = hg_scan_token(p, end)
        size = p - name
        if size == 0:
            return CONNECTION_INVALID
        if size == 5 and hg_equal_lower(name, b"close", 5):
            close[0] = True
        elif size == 10 and hg_equal_lower(name, b"keep-alive", 10):
            keep[0] = True
        elif size == 7 and hg_equal_lower(name, b"upgrade", 7):
            upgrade[0] = True
        elif size == 2 and hg_equal_lower(name, b"te", 2):
            te[0] = True
        else:
            named[0] += 1
            if named[0] > CONNECTION_NAMES:
                return TOO_MANY_FIELDS      # each is looked for among all fields
            if not _drop_named(head, name, size):
                return CONNECTION_INVALID
        while p < end and (p[0] == 32 or p[0] == 9):
            p += 1
        if p < end and p[0] != c",":
            return CONNECTION_INVALID
    return COMPLETE


cdef bint _drop_named(Head head, const char* name, Py_ssize_t size) noexcept:
    """Drop the fields of this name. Framing and routing never end at a hop: a client that says so
    wants the next server to read the message in another way."""
    cdef int token = token_of(name, size)
    cdef Field* field
    if token == HOST or token == CONTENT_LENGTH or token == TRANSFER_ENCODING:
        return False
    while True:
        field = head.find_name(name, size, 0)
        if field == NULL:
            return True
        field.flags |= DROPPED | HOP_BY_HOP


cdef void _te(Head head) noexcept:
    """TE ends here; what stays of it is whether the sender takes trailers."""
    cdef int i = head.number(TE)
    cdef Span value
    while i < head.field_count:
        if head.fields[i].token == TE:
            value = _value(head, i)
            if value.size >= 8 and has_token(value, b"trailers", 8):
                head.te_trailers = True
            head.fields[i].flags |= HOP_BY_HOP
        i += 1


cdef bint has_token(Span value, const char* token, Py_ssize_t size) noexcept:
    cdef const char* p = value.data
    cdef const char* end = p + value.size
    cdef const char* name
    while p < end:
        if not hg_is_tchar(<unsigned char>p[0]):
            p += 1
            continue
        name = p
        p = hg_scan_token(p, end)
        if p - name == size and hg_equal_lower(name, token, size):
            return True
    return False


cdef void _upgrade(Head head) noexcept:
    """The protocol that the sender asks for, unless it would hide requests from this hop: h2c
    ("h2c smuggling"; RFC 9113 removed the mechanism), TLS, another HTTP."""
    cdef Span value = _value(head, head.number(UPGRADE))
    if head.repeated & (<uint64_t>1 << UPGRADE) or value.size == 0:
        return
    if head.content_length > 0 or head.chunked:
        return          # parsers differ on whether the body is one (llhttp stops behind the head)
    if has_token(value, b"h2c", 3) or has_token(value, b"tls", 3) or has_token(value, b"http", 4):
        return
    head.upgrade = value


cdef int read_expectation(Head head) noexcept:
    cdef Span value = _value(head, head.number(EXPECT))
    if head.version == 10:
        head.drop(EXPECT)           # RFC 9110 section 10.1.1
        return COMPLETE
    if (head.repeated & (<uint64_t>1 << EXPECT) or value.size != 12
            or not hg_equal_lower(value.data, b"100-continue", 12)):
        return EXPECT_UNKNOWN
    if head.content_length <= 0 and not head.chunked:
        head.drop(EXPECT)           # nothing to wait for
    else:
        head.expect_continue = True
    return COMPLETE


# --- Authority and path -----------------------------------------------------------------------

cdef int _authority(Head head) except? -99:
    """Host and the target's authority (RFC 9112 section 3.2)."""
    cdef const char* target = head.target.data
    cdef Span value
    cdef int outcome
    if head.number(HOST) < 0:
        if head.version == 11:
            return HOST_MISSING
    else:
        if head.repeated & (<uint64_t>1 << HOST):
            return HOST_REPEATED
        value = _value(head, head.number(HOST))
        outcome = read_host(head, value)
        if outcome != COMPLETE:
            return outcome
        head.authority = value
    if head.method == METHOD_CONNECT:
        head.target_form = AUTHORITY_FORM
        outcome = read_host(head, head.target)
        return BAD_TARGET if outcome == COMPLETE and head.port < 0 else outcome
    if target[0] == c"/":
        head.target_form = ORIGIN_FORM
        return COMPLETE
    if target[0] == c"*" and head.target.size == 1 and head.method == METHOD_OPTIONS:
        head.target_form = ASTERISK_FORM
        return COMPLETE
    return _absolute(head)


cdef int _absolute(Head head) except? -99:
    """absolute-form: its authority takes the place of Host (RFC 9112 section 3.2.2)."""
    cdef const char* p = head.target.data
    cdef const char* end = p + head.target.size
    cdef const char* start
    cdef Span authority
    cdef char copy[300]
    cdef int outcome
    if head.target.size > 7 and hg_equal_lower(p, b"http://", 7):
        start = p + 7
    elif head.target.size > 8 and hg_equal_lower(p, b"https://", 8):
        start = p + 8
    else:
        return BAD_TARGET
    p = start
    while p < end and p[0] != c"/" and p[0] != c"?":
        p += 1
    authority = Span(start, p - start)
    if authority.size > 262:
        return HOST_INVALID
    outcome = read_host(head, authority)
    if outcome != COMPLETE:
        return outcome
    head.target_form = ABSOLUTE_FORM
    head.authority = authority
    memcpy(copy, authority.data, authority.size)
    head.drop(HOST)
    head.add_line(b"Host", 4, copy, authority.size, HOST)
    return COMPLETE


cdef int read_host(Head head, Span value) noexcept:
    """uri-host [ ":" port ]: a name of unreserved characters, an IPv4 or a bracketed IPv6 address.
    Copies the host in lower case, without brackets and final dot."""
    cdef const char* p = value.data
    cdef const char* end = p + value.size
    cdef char* out = head.host_bytes
    cdef bint bracket = value.size > 0 and p[0] == c"["
    cdef int port = 0
    if bracket:
        p += 1
    while p < end and out - head.host_bytes < 255:
        if not (hg_is_host(<unsigned char>p[0]) if not bracket
                else (hg_is_hex(<unsigned char>p[0]) or p[0] == c":" or p[0] == c".")):
            break
        out[0] = p[0] | 0x20 if c"A" <= p[0] <= c"Z" else p[0]
        out += 1
        p += 1
    if out == head.host_bytes:
        return HOST_INVALID
    if bracket:
        if p == end or p[0] != c"]":
            return HOST_INVALID
        p += 1
    elif (out - 1)[0] == c"." and out - head.host_bytes > 1:
        out -= 1
    head.host = Span(&head.host_bytes[0], out - head.host_bytes)
    head.port = -1
    if p == end:
        return COMPLETE
    if p[0] != c":" or end - p > 6:
        return HOST_INVALID
    p += 1
    if p == end:
        return COMPLETE             # RFC 3986 section 3.2.3: the port may be empty
    while p < end:
        if not c"0" <= p[0] <= c"9":
            return HOST_INVALID
        port = port * 10 + (p[0] - 48)
        p += 1
    if port > 65535:
        return HOST_INVALID
    head.port = port
    return COMPLETE


cdef int split_path(Head head, int policy) except? -99:
    """Split the target into path and query, and normalise the path."""
    cdef const char* p = head.target.data
    cdef const char* end = p + head.target.size
    cdef const char* question
    if head.target_form == ASTERISK_FORM or head.target_form == AUTHORITY_FORM:
        head.path = head.target
        return COMPLETE
    if head.target_form == ABSOLUTE_FORM:
        p = head.authority.data + head.authority.size
    question = <const char*>memchr(p, c"?", end - p)
    head.has_query = question != NULL
    if question != NULL:
        head.query = Span(question + 1, end - question - 1)
        end = question
    if p == end:
        # RFC 9112 section 3.2.4: OPTIONS of an authority without a path asks about the server.
        if head.method == METHOD_OPTIONS and not head.has_query:
            head.path = Span(b"*", 1)
            head.target_form = ASTERISK_FORM
        else:
            head.path = Span(b"/", 1)
        return COMPLETE
    return _normalise(head, p, end - p, policy)


cdef int _normalise(Head head, const char* path, Py_ssize_t size, int policy) except? -99:
    cdef Py_ssize_t out_size = 0
    cdef int outcome
    cdef char* room
    if head.normal_capacity < size + 1:
        room = <char*>malloc(size + 256)
        if room == NULL:
            raise MemoryError()
        free(head.normal)
        head.normal = room
        head.normal_capacity = <uint32_t>(size + 256)
    outcome = normalise(path, size, head.normal, &out_size, policy)
    if outcome == CLEAN:
        head.path = Span(path, size)
    elif outcome == NORMALISED:
        head.path = Span(head.normal, out_size)
    else:
        return PATH_REFUSED
    return COMPLETE


# --- Trailers ---------------------------------------------------------------------------------

cdef int drop_forbidden(Head head) except -1:
    """Fields that frame, route or authorise a message mean nothing behind it and are not sent on
    (RFC 9110 section 6.5.1)."""
    cdef int i
    cdef Field* field
    for i in range(head.field_count):
        field = &head.fields[i]
        if field.token or head.bytes[field.name_start:field.name_start + field.name_size].lower() in _FORBIDDEN_TRAILERS:
            field.flags |= DROPPED
    return 0


_FORBIDDEN_TRAILERS = frozenset((
    b"age", b"authentication-info", b"cache-control", b"content-encoding", b"content-range",
    b"content-type", b"expires", b"if-match", b"if-modified-since", b"if-none-match", b"if-range",
    b"if-unmodified-since", b"pragma", b"proxy-authenticate", b"proxy-authorization", b"range",
    b"set-cookie", b"vary", b"warning", b"www-authenticate",
))
