"""What a TLS handshake said of a client, by name: for conditions of routes, and for access records."""

import hashlib

from headgate.core import fingerprints

FACTS = ("sni", "alpn", "version", "cipher", "certificate", "ja3", "ja4")


cdef class Handshake:

    def __cinit__(self):
        self.server_name = self.protocol = self.version = self.cipher = self.certificate = b""
        self.ja3 = self.ja4 = b""

    cdef bytes fact(self, int number):
        """A fact as text. The certificate is named by its SHA-256."""
        if number == SNI:
            return self.server_name
        if number == ALPN:
            return self.protocol
        if number == VERSION:
            return self.version
        if number == CIPHER:
            return self.cipher
        if number == CERTIFICATE:
            if self.digest is None:
                self.digest = hashlib.sha256(self.certificate).hexdigest().encode() if self.certificate else b""
            return self.digest
        return self.ja3 if number == JA3 else self.ja4

    cdef int fingerprint(self, bytes hello) except -1:
        """Make the fingerprints of the body of a ClientHello."""
        self.ja3 = fingerprints.ja3(hello).encode()
        self.ja4 = fingerprints.ja4(hello).encode()
        return 0


def handshake_of(facts: dict[str, str]) -> Handshake:
    """A handshake that said these things; for `headgate explain` and tests. Raises ValueError for a fact that
    there is not."""
    cdef Handshake handshake = Handshake()
    values = {name: value.encode() for name, value in facts.items()}
    unknown = set(values).difference(FACTS)
    if unknown:
        raise ValueError(f"there is no fact {min(unknown)}; there are: {', '.join(FACTS)}")
    handshake.server_name = values.get("sni", b"")
    handshake.protocol = values.get("alpn", b"")
    handshake.version = values.get("version", b"")
    handshake.cipher = values.get("cipher", b"")
    handshake.digest = values.get("certificate", b"")
    handshake.ja3 = values.get("ja3", b"")
    handshake.ja4 = values.get("ja4", b"")
    return handshake
