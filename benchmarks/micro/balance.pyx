"""Balancers: what one pick costs as a worker makes it, among 10 and among 100 endpoints.

A pick is all that an exchange does for it: a look at who is in rotation, at what is in flight and how long
answers take where the balancer asks for that, and the choice. A sticky one finds the endpoint of the client's
session.
"""

import asyncio
import logging

from libc.stdint cimport uint64_t

from headgate.core.head cimport Head
from headgate.core.stickiness cimport Session
from headgate.proxy.snapshot cimport ANSWERED, Endpoint, LiveSnapshot, Service

from headgate.config import compile, load
from headgate.core.http1 import Http1Server
from headgate.proxy.runtime import Runtime
from headgate.shm.region import Region, create

cdef double NOW = 1000.0
WAYS = {name: name for name in ("round_robin", "random", "least_requests", "power_of_two", "least_time",
                                "first_available", "ip_hash", "rendezvous")} | {
    "ring": {"algorithm": "consistent_hash"},
    "maglev": {"algorithm": "consistent_hash", "table": "maglev"},
    "ring_bounded": {"algorithm": "consistent_hash", "bounded_load": 1.25},
    "maglev_bounded": {"algorithm": "consistent_hash", "table": "maglev", "bounded_load": 1.25},
    "rendezvous_bounded": {"algorithm": "rendezvous", "bounded_load": 1.25},
}


cdef LiveSnapshot prepare():
    """A service for each way and number of endpoints, of three weights and with latencies that are known."""
    cdef Service service
    cdef Endpoint endpoint
    cdef Head head = Http1Server().receive(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")[0]
    cdef LiveSnapshot made
    services = {f"{way}-{count}": {"balance": balance, "endpoints": [
        {"address": f"10.0.0.{number + 1}:80", "weight": 1 + number % 3} for number in range(count)]}
        for count in (10, 100) for way, balance in WAYS.items()}
    for count in (10, 100):
        services[f"sticky-{count}"] = {**services[f"round_robin-{count}"], "sticky": "cookie"}
    loaded = load(text=_yaml({"listeners": {"web": {"bind": "127.0.0.1:80"}}, "services": services, "routes": [
        {"name": name, "match": {"path": f"/{name}"}, "service": name} for name in services]}), environ={})
    region = Region(create())
    runtime = Runtime(asyncio.new_event_loop(), region.slot(0), region.shared, worker=0, log=logging.getLogger())
    made = runtime.prepare(compile(loaded.model)).snapshot
    for service in made.services.values():
        for number, endpoint in enumerate(service.endpoints):
            if service.observes:
                service.observe(endpoint, ANSWERED, head, 0.001 * (1 + number % 7), NOW)
    return made


def _yaml(data) -> str:
    import yaml

    return yaml.safe_dump(data)


# Made once, at import: a case measures choosing only.
cdef LiveSnapshot LIVE = prepare()


cdef class Case:
    """So many picks of one service. Its instructions cannot be told from those of the others: it has no name."""
    cdef Service service

    __name__ = ""

    def __init__(self, str name):
        self.service = LIVE.services[name]

    def __call__(self, Py_ssize_t rounds) -> None:
        self.service.pick(0, 0, NOW)        # looks at who is in rotation
        if self.service.sticky is None:
            self.pick(rounds)
        else:
            self.find(rounds)

    cdef int pick(self, Py_ssize_t rounds) except -1:
        cdef Py_ssize_t i
        cdef uint64_t key = 1
        for i in range(rounds):
            key = key * <uint64_t>0x5851F42D4C957F2D + <uint64_t>0x14057B7EF767814F
            if self.service.pick(0, key, NOW) < 0:
                raise RuntimeError("no endpoint was picked")
        return 0

    cdef int find(self, Py_ssize_t rounds) except -1:
        cdef Session session = Session.__new__(Session)
        cdef Py_ssize_t i
        for i in range(rounds):
            session.wanted = self.service.states[i % self.service.count].identity
            if session.find(self.service.states, self.service.count, 0) < 0:
                raise RuntimeError("the client's endpoint was not found")
        return 0


CASES = {
    f"pick of {count}, {way.replace('_', ' ')}": Case(f"{way}-{count}")
    for count in (10, 100) for way in (*WAYS, "sticky")
}
