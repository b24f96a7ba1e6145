"""The tables of balancers with keys, which take milliseconds to make: so long no exchange may wait.

A snapshot takes over the tables of the one before whose endpoints are the same. Where weights change, a thread makes
another table while the old one is used. That an endpoint falls ill or recovers changes no table: it is passed over.
"""

from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef object _tables = WeakValueDictionary()
cdef object _thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")


cdef Balancer prepared(Balancer fresh, const EndpointState* endpoints, Py_ssize_t count, object owner):
    if not fresh.tabled:
        fresh.prepare(endpoints, count)
        return fresh
    key = (owner, fresh.kind(), _facts(endpoints, count))
    known = _tables.get(key)
    if known is not None:
        return <Balancer>known
    fresh.prepare(endpoints, count)
    _tables[key] = fresh
    return fresh


cdef bytes _facts(const EndpointState* endpoints, Py_ssize_t count):
    """What a table depends on."""
    cdef bytes facts = PyBytes_FromStringAndSize(NULL, count * 16)
    cdef char* at = <char*>facts
    cdef Py_ssize_t index
    for index in range(count):
        memcpy(at + 16 * index, &endpoints[index].identity, sizeof(uint64_t))
        memcpy(at + 16 * index + 8, &endpoints[index].weight, sizeof(double))
    return facts


cdef class _Work:
    """One table to be made, of endpoints as they are now."""

    cdef Balancer fresh
    cdef EndpointState* endpoints
    cdef Py_ssize_t count
    cdef object adopt

    def __dealloc__(self):
        free(self.endpoints)

    def run(self) -> None:
        self.fresh.prepare(self.endpoints, self.count)
        self.fresh.look_around(self.endpoints, self.count)
        self.adopt(self.fresh)


cdef int rebuild(Balancer old, const EndpointState* endpoints, Py_ssize_t count, object adopt) except -1:
    cdef _Work work = _Work.__new__(_Work)
    work.endpoints = <EndpointState*>malloc((count or 1) * sizeof(EndpointState))
    if work.endpoints == NULL:
        raise MemoryError()
    memcpy(work.endpoints, endpoints, count * sizeof(EndpointState))
    work.count = count
    work.adopt = adopt
    work.fresh = old.another()
    _thread.submit(work.run)
    return 0


def settle() -> None:
    """Wait until all tables are made; for tests."""
    _thread.submit(int).result()
