from headgate.core.head cimport Head
from headgate.core.hpack cimport HpackEncoder
from headgate.core.output cimport Output


# What became of a decoded block.
cdef enum:
    GOOD = 0
    MALFORMED = 1               # RFC 9113 section 8.1.1: not to be forwarded
    REFUSED = 2                 # understood, and not served: see `status`


cdef struct Verdict:
    int outcome
    int status                  # for a client
    const char* reason


cdef Verdict judge_request(Head head, int path_policy, bint ended) except *
cdef Verdict judge_response(Head head, bint ended) except *
cdef Verdict judge_trailers(Head head) except *

cdef int write_request(HpackEncoder encoder, Output out, Head head, bytes scheme) except -1
cdef int write_response(HpackEncoder encoder, Output out, Head head) except -1
cdef int write_fields(HpackEncoder encoder, Output out, Head head) except -1
