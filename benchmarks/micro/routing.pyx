"""Matching the requests of the `routes` row."""

from headgate.core.head cimport Head
from headgate.core.http1 cimport Http1Server
from headgate.core.routing cimport RoutingTable

from pathlib import Path

from headgate.config import compile, load

from benchmarks.peers import Setting
from benchmarks.peers.headgate import configuration
from benchmarks.routes import Mix

cdef unsigned char CLIENT[16]
CLIENT[:] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]


cdef tuple prepare(int count):
    """The table and the heads of 1,024 requests."""
    setting = Setting(port=1, admin_port=2, backend_port=3, core=0, folder=Path(), routes=count)
    snapshot = compile(load(text=configuration(setting), environ={}).model)
    heads = [<Head?>Http1Server().receive(request.encode())[0] for request in Mix(count).requests(1024)]
    return RoutingTable(snapshot.routes, listeners=("web",)), heads


# Made once, at import: a case measures matching only.
cdef dict PREPARED = {count: prepare(count) for count in (5, 5000)}


cdef void match(int count, Py_ssize_t rounds) except *:
    cdef Py_ssize_t i
    cdef list heads
    cdef RoutingTable table
    table, heads = PREPARED[count]
    for i in range(rounds):
        table.match(<Head>heads[i & 1023], 0, CLIENT)


def case_5_routes(Py_ssize_t rounds) -> None:
    match(5, rounds)


def case_5000_routes(Py_ssize_t rounds) -> None:
    match(5000, rounds)


CASES = {
    "match one of 5 routes": case_5_routes,
    "match one of 5,000 routes": case_5000_routes,
}
