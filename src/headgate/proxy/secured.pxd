from headgate.core.handshake cimport Handshake
from headgate.core.head cimport Head
from headgate.core.tls cimport Tls


# A client's side of TLS.
cdef class Secured(Handshake):
    cdef readonly object site           # sites.Site
    cdef readonly bint resumed
    cdef readonly list identity         # (name, value, token) of the fields that say who the client is
    cdef bytes host                     # the last one that was found to belong here

    cdef bint serves(self, Head head) except -1


cdef Secured new_secured(Tls tls, object site, str server_name)
