"""How long an exchange waits for its endpoint, whatever kind of connection leads there."""

from libc.math cimport INFINITY


cdef double answer_deadline(Exchange exchange, bint paused, double now) noexcept:
    """Until when something has to come from upstream, by what is waited for; `paused`: nothing is read."""
    if exchange.tunnel or paused:
        return INFINITY
    if exchange.response is not None:
        return now + exchange.limits.response_idle_timeout
    if exchange.request_sent or exchange.expects():
        return now + exchange.limits.first_byte_timeout
    return INFINITY


cdef int answer_overdue(Exchange exchange, bint write_blocked) except -1:
    """It did not come, or what was sent was not taken."""
    if write_blocked:
        return exchange.upstream_closed(504, b"connection_write_timeout")
    if exchange.response is not None:
        return exchange.upstream_closed(504, b"connection_read_timeout")
    return exchange.upstream_closed(504, b"http_response_timeout")
