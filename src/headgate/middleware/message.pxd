from headgate.core.head cimport Field, Head


# A head as middlewares see it, until its exchange is over.
cdef class Message:
    cdef Head head              # None: the exchange is over
    cdef Headers _headers       # made when somebody asks

    cdef Head living(self)


cdef class Headers:
    cdef Message message


cdef int put_field(Head head, str name, str value, bint more) except -1
cdef int add_checked(Head head, list fields) except -1
cdef bint is_name(const char* text, Py_ssize_t size) noexcept
cdef bint is_value(const char* text, Py_ssize_t size) noexcept
cdef bint is_framing(int token) noexcept
cdef Field* next_field(Head head, int token, const char* name, Py_ssize_t size, int start) noexcept
cdef int drop_field(Head head, int token, const char* name, Py_ssize_t size) except -1
