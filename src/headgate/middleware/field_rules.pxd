from headgate.core.head cimport Head
from headgate.middleware.exchange cimport Exchange
from headgate.middleware.message cimport Message
from headgate.middleware.templates cimport Template


cdef enum Action:
    RENAME
    REMOVE
    SET
    DEFAULT
    ADD


cdef class Rule:
    cdef Action action
    cdef bytes name
    cdef int token
    cdef bytes value                # None: from the template
    cdef Template template
    cdef bytes new_name             # RENAME
    cdef int new_token

    cdef int apply(self, Head head, Exchange exchange) except -1
    cdef int rename(self, Head head) except -1


# What is done to the fields of a message, in order.
cdef class FieldRules:
    cdef readonly tuple rules
