from headgate.middleware.exchange cimport Exchange


cdef enum Kind:
    OF_EXCHANGE
    OF_REQUEST
    OF_TLS
    HEADER
    COOKIE
    QUERY
    RESPONSE
    STATUS
    TITLE


# A name in braces.
cdef class Place:
    cdef Kind kind
    cdef str name
    cdef int fact                   # of TLS

    cdef str value(self, Exchange exchange)


cdef class Template:
    cdef readonly str text
    cdef readonly tuple names       # of its places
    cdef tuple parts                # of str and Place
    cdef str fixed                  # None: there are places

    cpdef str fill(self, Exchange exchange, object escape=*)
    cdef bytes field_value(self, Exchange exchange)
