"""Picking one of eight endpoints."""

from libc.string cimport memset

from headgate.core.balance cimport Balancer, EndpointState, balancer


cdef void pick(str name, Py_ssize_t rounds) except *:
    cdef Py_ssize_t i
    cdef EndpointState endpoints[8]
    cdef Balancer chosen = balancer(name, 1)
    memset(endpoints, 0, sizeof(endpoints))
    for i in range(8):
        endpoints[i].weight = 1
        endpoints[i].usable = True
        endpoints[i].in_flight = i % 3
    for i in range(rounds):
        if chosen.pick(endpoints, 8, 0) < 0:
            raise RuntimeError("no endpoint was picked")


def case_round_robin(Py_ssize_t rounds) -> None:
    pick("round_robin", rounds)


def case_least_requests(Py_ssize_t rounds) -> None:
    pick("least_requests", rounds)


def case_random(Py_ssize_t rounds) -> None:
    pick("random", rounds)


CASES = {
    "pick of 8, round_robin": case_round_robin,
    "pick of 8, least_requests": case_least_requests,
    "pick of 8, random": case_random,
}
