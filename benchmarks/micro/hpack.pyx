"""HPACK on a response of 12 fields, as the second and each later response of a connection has it."""

from headgate.core.events cimport RESPONSE_HEAD
from headgate.core.head cimport Head, new_head, release_head, token_of
from headgate.core.hpack cimport DECODED, HpackDecoder, HpackEncoder
from headgate.core.output cimport Output

cdef list FIELDS = [
    (b"Server", b"nginx/1.22.1"), (b"Date", b"Sat, 21 Nov 2026 06:30:00 GMT"),
    (b"Content-Type", b"text/plain"),
    (b"Content-Length", b"62"), (b"Cache-Control", b"private, max-age=0, no-store"),
    (b"Set-Cookie", b"sid=1234567890abcdef; Path=/; HttpOnly; Secure; SameSite=Lax"),
    (b"Strict-Transport-Security", b"max-age=31536000; includeSubDomains"),
    (b"X-Content-Type-Options", b"nosniff"), (b"Vary", b"Accept-Encoding, Cookie"),
    (b"ETag", b'"abcdef0123456789"'),
    (b"X-Trace", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
]
# The same in Huffman-coded literals, as a peer sends it that indexes nothing.
cdef bytes CODED = bytes.fromhex(
    "881f2789aa6355e580ae212e1f1f1296dc34fd2820a9a4fdd41004e28072e320b800298b46ff1f1087497ca58ae819aa1f0d"
    "82705f1f0995aec3771a4bf4a523f2b0e62c00fa52a3ac849ec2ff1f28ad41a4802265a6dc75e7c038c92165fb5358d33c0c"
    "7da98d29af55547afb5371496d85fb5370e92ee324b0671f9f1f299aa47e561cc58190b6cb80003ed43544a2d90bbad8ef9e"
    "919aa47f1090f2b10f524b52564faacab1eb498f523f85a8e8a8d2cb1f2c9184842d695b05443c86aa6fa52f1cfd4c5f1f13"
    "8efe4719242ca0089969b71d79ffe71085f2b26c190ba700166a395f14acb6ebb1b2d483706c90af89f9005015a759716002"
    "5038e8c608c6f8051bab003f"
)
cdef enum:
    STATUS_IS_200 = 8


cdef int _encode(HpackEncoder encoder, Output out, Head head) except -1:
    cdef int i
    encoder.begin(out)
    encoder.add_indexed(out, STATUS_IS_200)
    for i in range(head.field_count):
        encoder.add(out, head.bytes + head.fields[i].name_start, head.fields[i].name_size,
                    head.bytes + head.fields[i].value_start, head.fields[i].value_size, head.fields[i].token,
                    head.fields[i].never_indexed)
    return 0


cdef Head _head():
    cdef Head head = new_head(RESPONSE_HEAD)
    cdef bytes name, value
    for name, value in FIELDS:
        head.add_line(name, len(name), value, len(value), token_of(name, len(name)))
    return head


def case_encode(Py_ssize_t rounds) -> None:
    """Encode a head that repeats."""
    cdef HpackEncoder encoder = HpackEncoder()
    cdef Output out = Output()
    cdef Head head = _head()
    cdef Py_ssize_t i
    for i in range(rounds):
        _encode(encoder, out, head)
        out.clear()


cdef int _decode(Py_ssize_t rounds, bytes first, bytes block) except -1:
    cdef HpackDecoder decoder = HpackDecoder()
    cdef Py_ssize_t i
    cdef Head head = new_head(RESPONSE_HEAD)
    cdef const char* data = block
    cdef Py_ssize_t size = len(block)
    if decoder.decode(first, len(first), head, 65536, 100) != DECODED:
        raise AssertionError("broken")
    release_head(head)
    for i in range(rounds):
        head = new_head(RESPONSE_HEAD)
        if decoder.decode(data, size, head, 65536, 100) != DECODED:
            raise AssertionError("broken")
        release_head(head)
        head = None
    return 0


def case_decode(Py_ssize_t rounds) -> None:
    """Decode what case_encode sends."""
    cdef HpackEncoder encoder = HpackEncoder()
    cdef Output out = Output()
    cdef Head head = _head()
    _encode(encoder, out, head)
    first = out.take()
    _encode(encoder, out, head)
    _decode(rounds, first, out.take())


def case_decode_coded(Py_ssize_t rounds) -> None:
    """Decode Huffman-coded literals."""
    _decode(rounds, b"", CODED)


CASES = {
    "HPACK: encode 12 fields": case_encode,
    "HPACK: decode 12 fields": case_decode,
    "HPACK: decode 12 fields that are all literal and Huffman-coded": case_decode_coded,
}
