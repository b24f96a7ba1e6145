"""Heads of HTTP/2 (RFC 9113 section 8): what a decoded block must be like, and how a head is sent.

A block that breaks a rule is malformed and goes no further. That is what keeps a request that is sent on
as HTTP/1 the one request that it is here: no field can end a line, frame a body or name another host.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from headgate.core.head cimport *
from headgate.core.hpack cimport NEVER_INDEXED, WITH_INDEXING, WITHOUT_INDEXING, HpackEncoder
from headgate.core.http1_head cimport (
    COMPLETE, fault, has_token, read_expectation, read_framing, read_host, split_path, take_underscored,
)
from headgate.core.output cimport Output


cdef extern from "scan.h" nogil:
    const char* hg_scan_token(const char* p, const char* end)
    const char* hg_scan_target(const char* p, const char* end)
    const char* hg_scan_value(const char* p, const char* end)
    bint hg_equal_lower(const char* name, const char* lower, size_t size)
    bint hg_equal_fold(const char* a, const char* b, size_t size)

cdef enum:
    MOST_AUTHORITY = 262
    # Indices of the static table (RFC 7541 appendix A).
    AUTHORITY = 1
    METHOD_IS_GET = 2
    PATH_IS_ROOT = 4
    SCHEME_IS_HTTP = 6
    SCHEME_IS_HTTPS = 7
    STATUS_IS_200 = 8

# Pseudo-fields.
cdef enum:
    NONE = -1
    METHOD = 0
    SCHEME
    AUTHORITY_FIELD
    PATH
    PROTOCOL
    STATUS
    PSEUDOS

cdef Verdict _good = Verdict(GOOD, 0, b"")


cdef inline Verdict _malformed(const char* reason) noexcept:
    return Verdict(MALFORMED, 400, reason)


cdef Verdict _refused(int code) except *:
    """What HTTP/1 calls a fault of the head."""
    cdef tuple entry = fault(code)
    cdef bytes reason = _reasons.setdefault(entry[1], entry[1].encode())
    return Verdict(REFUSED, entry[0], PyBytes_AS_STRING(reason))


cdef dict _reasons = {}         # keeps alive what verdicts point to


cdef int _pseudo(const char* name, uint32_t size) noexcept:
    if size == 7:
        if memcmp(name, b":method", 7) == 0:
            return METHOD
        if memcmp(name, b":scheme", 7) == 0:
            return SCHEME
        return STATUS if memcmp(name, b":status", 7) == 0 else NONE
    if size == 5:
        return PATH if memcmp(name, b":path", 5) == 0 else NONE
    if size == 10:
        return AUTHORITY_FIELD if memcmp(name, b":authority", 10) == 0 else NONE
    if size == 9:
        return PROTOCOL if memcmp(name, b":protocol", 9) == 0 else NONE
    return NONE


cdef inline Span _value(Head head, int number) noexcept:
    return Span(head.bytes + head.fields[number].value_start, head.fields[number].value_size)


cdef Verdict _check_fields(Head head, int* places) except *:
    """The rules for all fields; the places of pseudo-fields, or -1."""
    cdef Field* field
    cdef const char* name
    cdef const char* end
    cdef const char* value
    cdef int pseudo
    cdef int i
    cdef int cookies = 0
    cdef bint regular = False
    for i in range(PSEUDOS):
        places[i] = -1
    for i in range(head.field_count):
        field = &head.fields[i]
        name = head.bytes + field.name_start
        end = name + field.name_size
        value = head.bytes + field.value_start
        if (hg_scan_value(value, value + field.value_size) != value + field.value_size
                or (field.value_size and (_is_space(value[0]) or _is_space(value[field.value_size - 1])))):
            return _malformed(b"a field value with a control byte, or white space around it")
        if field.flags & PSEUDO:
            pseudo = _pseudo(name, field.name_size)
            if regular or pseudo == NONE or places[pseudo] >= 0:
                return _malformed(b"a pseudo-field that is unknown, repeated or out of place")
            places[pseudo] = i
            continue
        regular = True
        if field.name_size == 0 or not _is_name(name, end):
            return _malformed(b"a field name that is none, or not in lower case")
        if field.token == OTHER:
            if memchr(name, c"_", field.name_size) != NULL and not take_underscored(field, name, field.name_size):
                return _malformed(b"a field name that frames the message in disguise")
        elif field.token == COOKIE:
            cookies += 1
        elif not _check_connection(head, field):
            return _malformed(b"a field that belongs to a connection of HTTP/1")
    if cookies > 1:
        _join_cookies(head)
    return _good


cdef inline bint _is_space(char c) noexcept:
    return c == 32 or c == 9


cdef inline bint _is_name(const char* p, const char* end) noexcept:
    """tchar without upper case (RFC 9113 section 8.2.1)."""
    cdef const char* at = p
    if hg_scan_token(p, end) != end:
        return False
    while at < end:
        if c"A" <= at[0] <= c"Z":
            return False
        at += 1
    return True


cdef bint _check_connection(Head head, Field* field) noexcept:
    """RFC 9113 section 8.2.2. False for a field that may not be there."""
    cdef Span value
    if field.token == TE:
        value = Span(head.bytes + field.value_start, field.value_size)
        if value.size != 8 or not hg_equal_lower(value.data, b"trailers", 8):
            return False
        head.te_trailers = True
        field.flags |= HOP_BY_HOP
        return True
    if field.token == HTTP2_SETTINGS:
        field.flags |= HOP_BY_HOP
        return True
    return field.token not in (CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE)


cdef int _join_cookies(Head head) except -1:
    """Cookie may come in pieces, and is one field for HTTP/1 (RFC 9113 section 8.2.3)."""
    cdef int i
    cdef bint never_indexed = False
    parts = []
    for i in range(head.field_count):
        if head.fields[i].token == COOKIE:
            parts.append(head.bytes[head.fields[i].value_start:
                                    head.fields[i].value_start + head.fields[i].value_size])
            head.fields[i].flags |= DROPPED
            never_indexed |= head.fields[i].never_indexed
    cookie = b"; ".join(parts)
    head.add_line(b"cookie", 6, PyBytes_AS_STRING(cookie), PyBytes_GET_SIZE(cookie), COOKIE)
    head.fields[head.field_count - 1].never_indexed = never_indexed
    return 0


# --- Requests -----------------------------------------------------------------------------------

cdef Verdict judge_request(Head head, int path_policy, bint ended) except *:
    """Judge the block of a request and set what HTTP/1 sets. `ended`: no body follows."""
    cdef int[PSEUDOS] places
    cdef Verdict verdict = _check_fields(head, places)
    cdef bint connect
    if verdict.outcome != GOOD:
        return verdict
    head.version = 20
    head.received = head.size
    head.last = ended
    if places[METHOD] < 0 or places[STATUS] >= 0:
        return _malformed(b"a request without :method, or with :status")
    head.method_text = _value(head, places[METHOD])
    if head.method_text.size == 0 or hg_scan_token(
            head.method_text.data, head.method_text.data + head.method_text.size
            ) != head.method_text.data + head.method_text.size:
        return _malformed(b"a malformed method")
    head.method = method_of(head.method_text.data, head.method_text.size)
    connect = head.method == METHOD_CONNECT
    if places[PROTOCOL] >= 0:
        if not connect:
            return _malformed(b":protocol without CONNECT")
        head.upgrade = _value(head, places[PROTOCOL])
        if not _is_protocol(head.upgrade):
            return Verdict(REFUSED, 501, b"a :protocol that is not supported")
    if connect and places[PROTOCOL] < 0:
        # RFC 9113 section 8.5.
        if places[SCHEME] >= 0 or places[PATH] >= 0 or places[AUTHORITY_FIELD] < 0:
            return _malformed(b"CONNECT with :scheme or :path, or without :authority")
    elif places[SCHEME] < 0 or places[PATH] < 0:
        return _malformed(b"a request without :scheme or :path")
    elif not _is_scheme(_value(head, places[SCHEME])):
        return _malformed(b"a :scheme that is not supported")
    verdict = _judge_authority(head, places[AUTHORITY_FIELD])
    if verdict.outcome != GOOD:
        return verdict
    if connect and places[PROTOCOL] < 0:
        if head.port < 0:
            return _malformed(b"CONNECT without a port")
        head.target_form = AUTHORITY_FORM
        head.target = head.path = head.authority
    else:
        verdict = _judge_target(head, _value(head, places[PATH]), path_policy)
        if verdict.outcome != GOOD:
            return verdict
    return _judge_body(head, ended)


cdef bint _is_scheme(Span value) noexcept:
    return (value.size == 4 and hg_equal_lower(value.data, b"http", 4)
            or value.size == 5 and hg_equal_lower(value.data, b"https", 5))


cdef bint _is_protocol(Span value) noexcept:
    """One token, which becomes Upgrade for a server of HTTP/1, and none of those that would hide requests
    from this hop there (see http1_head)."""
    if value.size == 0 or hg_scan_token(value.data, value.data + value.size) != value.data + value.size:
        return False
    return not (has_token(value, b"h2c", 3) or has_token(value, b"tls", 3) or has_token(value, b"http", 4))


cdef Verdict _judge_authority(Head head, int place) except *:
    """:authority, which Host must agree with, and which is Host for HTTP/1 (RFC 9113 section 8.3.1)."""
    cdef char[MOST_AUTHORITY] copy
    cdef Span host
    cdef Span authority
    cdef int number = head.number(HOST)
    if head.repeated & (<uint64_t>1 << HOST):
        return _malformed(b"more than one Host")
    if number >= 0:
        host = _value(head, number)
    if place < 0:
        if number < 0:
            return _malformed(b"neither :authority nor Host")
        authority = host
    else:
        authority = _value(head, place)
        if number >= 0 and (authority.size != host.size
                            or not hg_equal_fold(authority.data, host.data, host.size)):
            return _malformed(b"Host differs from :authority")
    if authority.size == 0 or authority.size > MOST_AUTHORITY or read_host(head, authority) != COMPLETE:
        return _malformed(b"a malformed :authority or Host")
    if number < 0:
        memcpy(copy, authority.data, authority.size)
        head.add_line(b"host", 4, copy, authority.size, HOST)
        number = head.number(HOST)
    if place >= 0:
        head.fields[number].never_indexed |= head.fields[place].never_indexed
    head.authority = _value(head, number)
    return _good


cdef Verdict _judge_target(Head head, Span path, int path_policy) except *:
    cdef int outcome
    head.target = path
    if path.size == 0 or hg_scan_target(path.data, path.data + path.size) != path.data + path.size:
        return _malformed(b"a malformed :path")
    if path.data[0] == c"*" and path.size == 1 and head.method == METHOD_OPTIONS:
        head.target_form = ASTERISK_FORM
    elif path.data[0] == c"/":
        head.target_form = ORIGIN_FORM
    else:
        return _malformed(b"a malformed :path")
    outcome = split_path(head, path_policy)
    return _good if outcome == COMPLETE else _refused(outcome)


cdef Verdict _judge_body(Head head, bint ended) except *:
    cdef int outcome = read_framing(head)
    if outcome != COMPLETE:
        return _malformed(b"a malformed content-length")
    if ended and head.content_length > 0:
        return _malformed(b"a content-length without a body")
    head.chunked = not ended and head.content_length < 0 and head.upgrade.data == NULL
    if head.number(EXPECT) >= 0:
        outcome = read_expectation(head)
        if outcome != COMPLETE:
            return _refused(outcome)
    if head.method == METHOD_TRACE and not ended:
        return _malformed(b"TRACE with a body")
    return _good


# --- Responses and trailers ---------------------------------------------------------------------

cdef Verdict judge_response(Head head, bint ended) except *:
    """Judge the block of a response, interim ones too."""
    cdef int[PSEUDOS] places
    cdef Verdict verdict = _check_fields(head, places)
    cdef Span status
    cdef int i
    if verdict.outcome != GOOD:
        return verdict
    head.version = 20
    head.received = head.size
    for i in range(PSEUDOS):
        if (places[i] >= 0) != (i == STATUS):
            return _malformed(b"a response without :status, or with what belongs to requests")
    status = _value(head, places[STATUS])
    if status.size != 3:
        return _malformed(b"a malformed :status")
    head.status = 0
    for i in range(3):
        if not c"0" <= status.data[i] <= c"9":
            return _malformed(b"a malformed :status")
        head.status = head.status * 10 + (status.data[i] - 48)
    if not 100 <= head.status <= 599 or head.status == 101:
        return _malformed(b"a status that HTTP/2 does not have")
    head.reason = Span(b"", 0)
    if read_framing(head) != COMPLETE:
        return _malformed(b"a malformed content-length")
    head.last = ended
    head.chunked = not ended and head.content_length < 0
    return _good


cdef Verdict judge_trailers(Head head) except *:
    cdef int[PSEUDOS] places
    cdef Verdict verdict = _check_fields(head, places)
    cdef int i
    if verdict.outcome != GOOD:
        return verdict
    for i in range(PSEUDOS):
        if places[i] >= 0:
            return _malformed(b"a pseudo-field in trailers")
    head.version = 20
    head.last = True
    return _good


# --- Writing ------------------------------------------------------------------------------------

cdef int write_request(HpackEncoder encoder, Output out, Head head, bytes scheme) except -1:
    """A request head as a block. An extended CONNECT has head.upgrade set."""
    cdef Field* host = head.find(HOST)
    cdef bint connect = head.method == METHOD_CONNECT
    cdef int hidden = _hidden(head)
    cdef Span path = head.path
    cdef bytes target
    encoder.begin(out)
    encoder.add_named(out, METHOD_IS_GET, head.method_text, _way(hidden & (1 << METHOD), WITH_INDEXING))
    if connect and head.upgrade.data != NULL:
        encoder.add(out, b":protocol", 9, head.upgrade.data, head.upgrade.size, OTHER,
                    hidden & (1 << PROTOCOL))
    if not connect or head.upgrade.data != NULL:
        encoder.add_indexed(out, SCHEME_IS_HTTPS if scheme == b"https" else SCHEME_IS_HTTP)
        if head.has_query:
            target = head.path.data[:head.path.size] + b"?" + head.query.data[:head.query.size]
            path = Span(PyBytes_AS_STRING(target), PyBytes_GET_SIZE(target))
        encoder.add_named(out, PATH_IS_ROOT, path, _way(hidden & (1 << PATH), WITHOUT_INDEXING))
    if host != NULL:
        encoder.add_named(out, AUTHORITY, Span(head.bytes + host.value_start, host.value_size),
                          _way(host.never_indexed, WITH_INDEXING))
    if head.te_trailers:
        encoder.add(out, b"te", 2, b"trailers", 8, TE, False)
    return write_fields(encoder, out, head)


cdef int write_response(HpackEncoder encoder, Output out, Head head) except -1:
    cdef char[3] text
    encoder.begin(out)
    text[0] = 48 + head.status // 100
    text[1] = 48 + head.status // 10 % 10
    text[2] = 48 + head.status % 10
    encoder.add_named(out, STATUS_IS_200, Span(&text[0], 3), _way(_hidden(head) & (1 << STATUS), WITH_INDEXING))
    if (head.status < 200 or head.status == 204) and head.content_length >= 0:
        head.drop(CONTENT_LENGTH)       # RFC 9110 section 8.6
    return write_fields(encoder, out, head)


cdef int _hidden(Head head) noexcept:
    """Bit set of the pseudo-fields that came as never indexed: their values come from the head's own members,
    which do not say it."""
    cdef int found = 0
    cdef int i = 0
    while i < head.field_count and head.fields[i].flags & PSEUDO:
        if head.fields[i].never_indexed:
            found |= 1 << _pseudo(head.bytes + head.fields[i].name_start, head.fields[i].name_size)
        i += 1
    return found


cdef inline int _way(bint hidden, int way) noexcept:
    return NEVER_INDEXED if hidden else way


cdef int write_fields(HpackEncoder encoder, Output out, Head head) except -1:
    """The fields that are sent on. What belongs to a connection of HTTP/1 is never."""
    cdef Field* field
    cdef int i
    for i in range(head.field_count):
        field = &head.fields[i]
        if field.flags or (HOST <= field.token <= UPGRADE and field.token != TRAILER) or (
                field.token == HTTP2_SETTINGS):
            continue
        encoder.add(out, head.bytes + field.name_start, field.name_size,
                    head.bytes + field.value_start, field.value_size, field.token, field.never_indexed)
    return 0
