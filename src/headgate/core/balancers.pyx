"""The balancers by name, and a stage to try them on."""

from libc.stdint cimport uint64_t

from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.hashing cimport hash_bytes
from headgate.core.affinity import Maglev, Rendezvous, Ring
from headgate.core.balance import FirstAvailable, LeastRequests, LeastTime, PowerOfTwo, Random, RoundRobin

TABLES = {"ring": Ring, "maglev": Maglev}
ALGORITHMS = (
    "round_robin", "random", "least_requests", "power_of_two", "least_time", "first_available", "ip_hash", "consistent_hash",
    "rendezvous",
)


def balancer(str name, uint64_t seed = 0, *, str table = "ring", double bound = 0) -> Balancer:
    """The balancer of that name, one of ALGORITHMS. `table` and `bound` are for those with keys. Raises
    ValueError."""
    drawn = {"random": Random, "power_of_two": PowerOfTwo, "least_time": LeastTime}
    if name in drawn:
        return drawn[name](seed)
    if name == "consistent_hash":
        return TABLES[table](bound)
    if name in ("rendezvous", "ip_hash"):
        return Rendezvous(bound)
    plain = {"round_robin": RoundRobin, "least_requests": LeastRequests, "first_available": FirstAvailable}
    if name not in plain:
        raise ValueError(f"no balancer is called {name!r}; there are: {', '.join(ALGORITHMS)}")
    return plain[name]()


def looks_at_load(str name, double bound = 0) -> bool:
    """Whether the balancer of that name asks what is in flight at endpoints, or how fast they are."""
    return bound > 0 or name in ("least_requests", "power_of_two", "least_time")


def identity_of(str name not None) -> int:
    """What an endpoint of this name is to balancers with keys."""
    cdef bytes text = name.encode()
    return hash_bytes(text, len(text), 0)


def simulate(Balancer chosen, weights, in_flight, usable, avoid: int, int picks, *, keys=None, names=None,
             latencies=None) -> list[int]:
    """The row of `picks` choices among endpoints in these states, which do not change; for tests. With
    `keys`, one choice for each of them."""
    cdef EndpointState endpoints[128]
    cdef Py_ssize_t count = len(weights)
    cdef Py_ssize_t index
    if count > 128:
        raise ValueError("at most 128 endpoints")
    for index in range(count):
        name = names[index] if names is not None else f"endpoint {index}"
        endpoints[index] = EndpointState(weights[index], 0, in_flight[index], usable[index],
                                         latencies[index] if latencies is not None else 0, identity_of(name), NULL, NULL)
    chosen.prepare(endpoints, count)
    chosen.look_around(endpoints, count)
    if keys is None:
        keys = [identity_of(str(number)) for number in range(picks)]
    return [chosen.pick(endpoints, count, avoid, key) for key in keys]
