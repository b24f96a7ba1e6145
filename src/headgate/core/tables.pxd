from headgate.core.balance cimport Balancer, EndpointState


# A balancer like `fresh` with a table for these endpoints: one from before, when it has the same for this owner.
cdef Balancer prepared(Balancer fresh, const EndpointState* endpoints, Py_ssize_t count, object owner)

# Have a thread make the table for these endpoints, and adopt(balancer) called there when it is done.
cdef int rebuild(Balancer old, const EndpointState* endpoints, Py_ssize_t count, object adopt) except -1
