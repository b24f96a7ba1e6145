from headgate.core.head cimport Head
from headgate.core.tls cimport Tls


# What a TLS handshake said of a client.
cdef class Secured:
    cdef readonly object site           # sites.Site
    cdef readonly bytes version         # b"TLSv1.3"
    cdef readonly bytes cipher
    cdef readonly bytes server_name     # b"" when the client named none
    cdef readonly bytes protocol        # what ALPN agreed on, or b""
    cdef readonly bint resumed
    cdef readonly bytes certificate     # the client's, as DER; b"" without
    cdef readonly list identity         # (name, value, token) of the fields that say who the client is
    cdef bytes host                     # the last one that was found to belong here

    cdef bint serves(self, Head head) except -1


cdef Secured new_secured(Tls tls, object site, str server_name)
