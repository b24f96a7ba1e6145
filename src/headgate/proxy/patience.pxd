from headgate.proxy.exchange cimport Exchange


cdef double answer_deadline(Exchange exchange, bint paused, double now) noexcept
cdef int answer_overdue(Exchange exchange, bint write_blocked) except -1
