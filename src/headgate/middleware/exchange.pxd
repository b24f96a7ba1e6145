from headgate.core.head cimport Head
from headgate.middleware.message cimport Message


cdef class Request(Message):
    cdef Exchange exchange
    cdef int path_policy


cdef class Response(Message):
    cdef Exchange exchange
    cdef readonly bint own              # no endpoint said so: Headgate or a middleware did


# An exchange as middlewares see it. Whoever runs one is a subclass.
cdef class Exchange:
    cdef Request _request
    cdef Response _response             # None: there is none yet
    cdef dict _state                    # made when somebody asks

    cdef int open(self, Head head, int path_policy) except -1
    cdef int respond(self, Head head, bint own) except -1
    cdef int over(self) except -1
