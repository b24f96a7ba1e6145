"""Balancers: what one pick costs, among 8 endpoints, and among 100 where there is a table; what is in flight is
that of 16 workers."""

import mmap

from libc.stdint cimport uint64_t
from libc.string cimport memset

from headgate.core.affinity cimport Affinity
from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.balancers import balancer, identity_of
from headgate.core.cells cimport Block
from headgate.core.levels cimport Levels
from headgate.core.load cimport LATENCY, Load, WholeLoad
from headgate.core.rotation cimport PROBE_STATE, PROBE_UNHEALTHY, Rotation
from headgate.core.shared cimport SharedTable


cdef EndpointState[100] _endpoints
cdef EndpointState[100] _shared_endpoints       # the same, with counts that 16 workers keep together
cdef list _loads = []
cdef list _levels = []
cdef WholeLoad _whole = None
cdef dict _balancers = {}       # prepared ones: their tables are made once for each snapshot


cdef int share() except -1:
    global _whole
    cdef SharedTable table = SharedTable(memoryview(mmap.mmap(-1, 1 << 18)))
    cdef Load load
    cdef Py_ssize_t i
    _whole = WholeLoad(table.cell("whole"), 0, 16)
    for i in range(100):
        load = Load(table.cell(f"load {i}"), 0, 16)
        load.join(_whole)
        load.note(0.001 * (i + 1), 1.0)
        for _ in range(i % 5):
            load.enter()
        _loads.append(load)
        _shared_endpoints[i] = _endpoints[i]
        _shared_endpoints[i].lanes = &load.row
        _shared_endpoints[i].peak = load.cell.words + <int>LATENCY
    return 0


cdef Balancer prepared(str name, Py_ssize_t count, dict options):
    cdef Balancer made
    cdef Py_ssize_t i
    key = (name, *options.items())
    if key not in _balancers:
        for i in range(100):
            _endpoints[i] = EndpointState(
                1 + i % 3, 0, i % 5, True, 0.001 * (i + 1), identity_of(f"10.0.0.{i}:80"), NULL, NULL)
        if not _loads:
            share()
        made = balancer(name, 1, **options)
        made.prepare(_endpoints, count)
        made.look_around(_endpoints, count)
        made.now = 2.0
        _balancers[key] = made
    return _balancers[key]


cdef void pick(str name, Py_ssize_t count, Py_ssize_t rounds, dict options={}) except *:
    cdef Balancer chosen = prepared(name, count, options)
    cdef Py_ssize_t i
    cdef uint64_t key = 1
    for i in range(rounds):
        key = key * <uint64_t>0x5851F42D4C957F2D + <uint64_t>0x14057B7EF767814F
        if chosen.pick(_endpoints, count, 0, key) < 0:
            raise RuntimeError("no endpoint was picked")


cdef void pick_shared(str name, Py_ssize_t count, Py_ssize_t rounds, dict options={}) except *:
    cdef Balancer chosen = prepared(name, count, options)
    cdef Py_ssize_t i
    cdef uint64_t key = 1
    if chosen.keyed:
        (<Affinity>chosen).whole = &_whole.row
    for i in range(rounds):
        key = key * <uint64_t>0x5851F42D4C957F2D + <uint64_t>0x14057B7EF767814F
        if chosen.pick(_shared_endpoints, count, 0, key) < 0:
            raise RuntimeError("no endpoint was picked")
    if chosen.keyed:
        (<Affinity>chosen).whole = NULL


def case_round_robin(Py_ssize_t rounds):
    pick("round_robin", 8, rounds)


def case_random(Py_ssize_t rounds):
    pick("random", 8, rounds)


def case_rendezvous(Py_ssize_t rounds):
    pick("rendezvous", 8, rounds)


def case_ring(Py_ssize_t rounds):
    pick("consistent_hash", 100, rounds)


def case_maglev(Py_ssize_t rounds):
    pick("consistent_hash", 100, rounds, {"table": "maglev"})


def case_least_requests(Py_ssize_t rounds):
    pick_shared("least_requests", 8, rounds)


def case_power_of_two(Py_ssize_t rounds):
    pick_shared("power_of_two", 8, rounds)


def case_least_time(Py_ssize_t rounds):
    pick_shared("least_time", 8, rounds)


def case_zones(Py_ssize_t rounds):
    """The own zone is too weak, and another one gets a part."""
    cdef Levels levels
    cdef Py_ssize_t i
    if not _levels:
        _levels.append(two_zones())
    levels = _levels[0]
    for i in range(rounds):
        if levels.pick(0, <uint64_t>i, 1.0) < 0:
            raise RuntimeError("no endpoint was picked")


cdef Levels two_zones():
    cdef EndpointState[8] states
    cdef SharedTable table = SharedTable(memoryview(mmap.mmap(-1, 1 << 18)))
    cdef Levels levels = Levels([i // 4 for i in range(8)], lambda: balancer("round_robin"),
                                Block(memoryview(mmap.mmap(-1, 4096)), 0))
    cdef Rotation rotation
    cells = [table.cell(f"endpoint {i}") for i in range(8)]
    cells[0].write(<int>PROBE_STATE, PROBE_UNHEALTHY)
    cells[1].write(<int>PROBE_STATE, PROBE_UNHEALTHY)
    rotation = Rotation(table.cell("service"), cells, [1] * 8, [False] * 8, panic_share=0.5, levels=levels)
    memset(states, 0, sizeof(states))
    rotation.refresh(states, 1.0)
    levels.copy(states)
    return levels


def case_ring_bounded(Py_ssize_t rounds):
    pick_shared("consistent_hash", 100, rounds, {"bound": 1.25})


CASES = {
    "pick of 8, round_robin": case_round_robin,
    "pick of 8, random": case_random,
    "pick of 8, rendezvous": case_rendezvous,
    "pick of 100, ring": case_ring,
    "pick of 100, maglev": case_maglev,
    "pick of 8, least_requests": case_least_requests,
    "pick of 8, power_of_two": case_power_of_two,
    "pick of 8, least_time": case_least_time,
    "pick of 8 in two zones, round_robin": case_zones,
    "pick of 100, ring with bounded load": case_ring_bounded,
}

for case in CASES.values():
    case(1)     # tables are made here, not in what is timed
