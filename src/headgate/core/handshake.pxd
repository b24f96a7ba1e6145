# Numbers of facts, in the order of FACTS.
cdef enum Fact:
    SNI
    ALPN
    VERSION
    CIPHER
    CERTIFICATE
    JA3
    JA4


# What a TLS handshake said of a client; b"" is what it did not say.
cdef class Handshake:
    cdef readonly bytes server_name     # lower case
    cdef readonly bytes protocol        # what ALPN agreed on
    cdef readonly bytes version         # b"TLSv1.3"
    cdef readonly bytes cipher
    cdef readonly bytes certificate     # the client's, as DER
    cdef readonly bytes ja3, ja4        # fingerprints, where somebody asks for them
    cdef bytes digest                   # of the certificate; None: nobody asked yet

    cdef bytes fact(self, int number)
    cdef int fingerprint(self, bytes hello) except -1
