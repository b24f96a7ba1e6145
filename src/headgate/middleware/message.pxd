from headgate.core.head cimport Head


# A head as middlewares see it, until its exchange is over.
cdef class Message:
    cdef Head head              # None: the exchange is over
    cdef Headers _headers       # made when somebody asks

    cdef Head living(self)


cdef class Headers:
    cdef Message message


cdef int put_field(Head head, str name, str value, bint more) except -1
cdef int add_checked(Head head, list fields) except -1
