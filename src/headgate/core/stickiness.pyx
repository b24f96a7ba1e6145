"""Sticky sessions: a client comes back to the endpoint that it was at, by a token in a cookie or header.

A token says which endpoint it was without anybody being able to read that, or to make one up (a synthetic
initialisation vector, as in RFC 5297, of HMAC-SHA-256):

    until (4 bytes, epoch seconds; 0 is for ever) | tag (16) | identity of the endpoint, XORed with a pad (8)

The tag is the HMAC of time and identity, the pad that of the tag. So whoever holds no secret can neither
change the time nor tell two endpoints apart, but that equal tokens mean the same one.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hmac import compare_digest, digest

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from headgate.core.balance cimport avoided, open_to
from headgate.core.head cimport OTHER, Field, Head, Span
from headgate.core.keys cimport cookie_value

cdef enum:
    TOKEN_BYTES = 28
    TOKEN_TEXT = 38             # in base64, without padding
    KNOWN_TOKENS = 8192         # per service and worker; two HMACs cost more than the rest of an exchange


cdef class Stickiness:
    """`spec`: a spec.Sticky. Without a secret in it, all workers share one that the first of them makes."""

    def __init__(self, str service, spec, SharedCell cell, Block block):
        self.name = spec.name.encode()
        self.in_header = spec.by == "header"
        self.lifetime = spec.lifetime
        self.secure = spec.secure
        self.block = block
        known = spec.secret.text.encode() or shared_secret(cell)
        # Of its own for each service: a token of one is none of another.
        self.opened = {}
        self.sealed = {}
        self.secret = digest(known, b"sticky sessions of " + service.encode(), "sha256")
        domain = f"; Domain={spec.domain}" if spec.domain else ""
        age = f"; Max-Age={int(spec.lifetime)}" if spec.lifetime else ""
        self.attributes = f"; Path={spec.path}{domain}{age}; HttpOnly; SameSite={spec.same_site}".encode()

    cdef Session session_of(self, Head head, double wall):
        """The session of a client: a new one when it has none, or not a good one."""
        cdef Session session = Session.__new__(Session)
        cdef Span token = Span(NULL, 0)
        cdef Field* field
        session.rules = self
        if not self.in_header:
            token = cookie_value(head, PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name))
        else:
            field = head.find_name(PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name), 0)
            if field != NULL:
                token = Span(head.bytes + field.value_start, field.value_size)
        if token.data == NULL:
            return session
        try:
            identity, until = self.open(token.data[:min(token.size, TOKEN_TEXT + 1)])
        except ValueError:
            self.block.add(STICKY_TAMPERED, 1)
            return session
        if until == 0 or until > wall:
            session.wanted = identity
            session.renewable = until != 0 and until - wall < self.lifetime / 2
        return session

    cdef tuple open(self, bytes token):
        """What `opened` gives, for a token that is known without arithmetic."""
        found = self.opened.get(token)
        if found is None:
            found = opened(self.secret, token)
            if len(self.opened) >= KNOWN_TOKENS:
                self.opened.clear()
            self.opened[token] = found
        return found

    cdef bytes seal(self, uint64_t identity, long until):
        """What `sealed` gives; the same one for all who come within a second."""
        found = self.sealed.get((identity, until))
        if found is None:
            found = sealed(self.secret, identity, until)
            if len(self.sealed) >= KNOWN_TOKENS:
                self.sealed.clear()
            self.sealed[identity, until] = found
        return found


cdef class Session:
    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t tried) noexcept:
        """The number of the endpoint that the client was at; -1 when it is not to be had."""
        cdef Py_ssize_t number
        if self.wanted:
            for number in range(count):
                if endpoints[number].identity == self.wanted:
                    return number if open_to(&endpoints[number]) and not avoided(number, tried) else -1
        return -1

    cdef int tell(self, Head head, uint64_t taken, double wall, bint encrypted) except -1:
        """Tell the client where it was now, unless it knows."""
        cdef Stickiness rules = self.rules
        cdef bytes token, value
        if self.wanted == taken:
            rules.block.add(STICKY_KEPT, 1)
            if not self.renewable:
                return 0
        else:
            rules.block.add(STICKY_REPLACED if self.wanted else STICKY_NEW, 1)
        token = rules.seal(taken, <long>(wall + rules.lifetime) if rules.lifetime else 0)
        if rules.in_header:
            head.drop_name(PyBytes_AS_STRING(rules.name), PyBytes_GET_SIZE(rules.name))
            return head.add_line(PyBytes_AS_STRING(rules.name), PyBytes_GET_SIZE(rules.name),
                                 PyBytes_AS_STRING(token), PyBytes_GET_SIZE(token), OTHER)
        value = rules.name + b"=" + token + rules.attributes
        if encrypted or rules.secure:
            value += b"; Secure"
        return head.add_line(b"Set-Cookie", 10, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), OTHER)


def sealed(secret: bytes, identity: int, until: int) -> bytes:
    """The token for an endpoint."""
    plain = until.to_bytes(4, "big") + identity.to_bytes(8, "big")
    tag = digest(secret, b"tag" + plain, "sha256")[:16]
    return urlsafe_b64encode(plain[:4] + tag + _padded(secret, tag, plain[4:])).rstrip(b"=")


def opened(secret: bytes, token: bytes) -> tuple[int, int]:
    """Identity of the endpoint, and until when the token is good. Raises ValueError when it is none of ours."""
    if len(token) != TOKEN_TEXT:
        raise ValueError("a token of another length")
    try:
        raw = urlsafe_b64decode(token + b"==")
    except NotBase64:
        raise ValueError("not base64") from None
    if len(raw) != TOKEN_BYTES:
        raise ValueError("a token of another length")
    tag = raw[4:20]
    plain = raw[:4] + _padded(secret, tag, raw[20:])
    if not compare_digest(digest(secret, b"tag" + plain, "sha256")[:16], tag):
        raise ValueError("not ours")
    return int.from_bytes(plain[4:], "big"), int.from_bytes(plain[:4], "big")


def _padded(secret: bytes, tag: bytes, data: bytes) -> bytes:
    pad = digest(secret, b"pad" + tag, "sha256")[:8]
    return bytes(a ^ b for a, b in zip(data, pad))


def shared_secret(SharedCell cell) -> bytes:
    """Of a service. Whoever looks first makes it, word by word; all others find it."""
    cdef int word
    for word in range(STICKY_SECRET, STICKY_SECRET + STICKY_SECRET_WORDS):
        if cell.get(word) == 0:
            cell.swap(word, 0, int.from_bytes(os.urandom(8), "big") | 1)
    return b"".join(cell.get(word).to_bytes(8, "big")
                    for word in range(STICKY_SECRET, STICKY_SECRET + STICKY_SECRET_WORDS))
